//! What a person sees. Text from documents and names of files are escaped before they reach a
//! terminal: they may hold escape sequences, or characters that change the order of others.

use std::fmt::{self, Write as _};
use std::io::{BufWriter, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use makoto::json::{Json, Object};
use makoto::report::{Basis, Check, Coverage, Judged, Level, Outcome, Report, Role, Verdict};
use makoto::scalar::is_deceptive;

use crate::failure::Failure;
use crate::github::{self, Severity};
use crate::next::next_step;

/// Text with everything escaped that a terminal would act on or a reader could not see.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() || is_deceptive(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether results could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether results could not be written, so that nobody has the answer. A reader that went away
/// did not want it.
pub(crate) fn lost_results() -> bool {
    LOST.load(Ordering::Relaxed)
}

fn note_loss(written: std::io::Result<()>) {
    let lost = written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    LOST.fetch_or(lost, Ordering::Relaxed);
}

/// Writes a line of results to stdout.
pub(crate) fn result(line: impl fmt::Display) {
    let line = line.to_string();
    note_loss(writeln!(anstream::stdout(), "{}", github::inert(&line)));
}

/// Writes a text of our own to stdout, to the byte: a script, a schema.
pub(crate) fn document(text: &[u8]) {
    let mut stdout = std::io::stdout();
    note_loss(stdout.write_all(text).and_then(|()| stdout.flush()));
}

/// Writes a line that is no result to stderr.
pub(crate) fn note(line: impl fmt::Display) {
    let line = line.to_string();
    let _ = writeln!(anstream::stderr(), "{}", github::inert(&line));
}

/// Tells of a result that could not be written.
pub(crate) fn lose(why: &str) {
    LOST.store(true, Ordering::Relaxed);
    note(format!("error: {}", Plain(why)));
}

/// Tells why a command stopped, GitHub too.
pub(crate) fn failure(failure: &Failure) {
    note(format!("error: {}", Plain(&failure.message)));
    let mut told = vec![failure.message.as_str()];
    if let Some(hint) = &failure.hint {
        note(format!("hint: {}", Plain(hint)));
        told.push(hint);
    }
    error_on_github(&told);
}

/// Has an error shown by GitHub Actions. It goes to stderr: stdout may be somebody else's.
pub(crate) fn error_on_github(lines: &[&str]) {
    if github::is_runner() {
        let command = github::message(Severity::Error, None, "makoto", lines);
        let _ = writeln!(std::io::stderr(), "{command}");
    }
}

/// Writes a workflow command of [`github`] to stdout.
pub(crate) fn command(command: &str) {
    note_loss(writeln!(std::io::stdout(), "{command}"));
}

/// Writes a machine-readable result to stdout as one line.
pub(crate) fn json(value: &Json) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    note_loss(write_json(&mut out, value).and_then(|()| end_line(&mut out)));
}

/// Writes an object to stdout as one line, with further members that are arrays. They are
/// written as they are made: a graph may be larger than what it is made from.
pub(crate) fn json_with_lists(head: &Object, lists: [(&str, &mut dyn Iterator<Item = Json>); 2]) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let write = || {
        out.write_all(b"{")?;
        for (key, value) in head.iter() {
            write_json(&mut out, &key.as_str().into())?;
            out.write_all(b":")?;
            write_json(&mut out, value)?;
            out.write_all(b",")?;
        }
        for (place, (key, items)) in lists.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(out, "{comma}{}:[", Json::from(key))?;
            for (place, item) in items.enumerate() {
                if place > 0 {
                    out.write_all(b",")?;
                }
                write_json(&mut out, &item)?;
            }
            out.write_all(b"]")?;
        }
        out.write_all(b"}")?;
        end_line(&mut out)
    };
    note_loss(write());
}

fn end_line(out: &mut impl std::io::Write) -> std::io::Result<()> {
    out.write_all(b"\n")?;
    out.flush()
}

fn write_json(out: &mut impl std::io::Write, value: &Json) -> std::io::Result<()> {
    // A command to a runner could stand only inside a string, where an escape means the same.
    let text = value.to_string();
    let text = github::without_marker(&text, "\\u0023");
    let harmless = |character: char| !character.is_control() && !is_deceptive(character);
    if text.chars().all(harmless) {
        return out.write_all(text.as_bytes());
    }
    for character in text.chars() {
        // Such characters stand only inside strings, where an escape means the same.
        if harmless(character) {
            out.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

/// A report in one line: the verdict, with who signed, or why when it is not a pass.
pub(crate) fn judged(what: &str, report: &Report) -> String {
    let judged = report.judged.iter();
    let names: Vec<_> = judged
        .flat_map(|judged| &judged.signers)
        .map(|signer| signer.name.as_str())
        .collect();
    match (report.verdict, names.as_slice()) {
        (Verdict::Pass, []) => verdict(what, report),
        (Verdict::Pass, names) => format!(
            "{}, signed by {}",
            verdict(what, report),
            Plain(&names.join(" and "))
        ),
        _ => format!("{}, {}", verdict(what, report), Plain(&reason(report))),
    }
}

/// Shows a report: three lines, or everything.
pub(crate) fn report(what: &str, report: &Report, detail: Detail) {
    result(verdict(what, report));
    result(format!("  why:  {}", Plain(&reason(report))));
    report.judged.iter().for_each(signers);
    result(format!("  next: {}", Plain(next_step(report))));
    match detail {
        Detail::ThreeLines => {}
        Detail::Findings => {
            for check in &report.checks {
                if matches!(check.outcome, Outcome::Fail | Outcome::Warn) {
                    line(check);
                }
            }
        }
        Detail::Everything => everything(report),
    }
}

/// Who signed and when, of data that a policy accepts.
fn signers(judged: &Judged) {
    for signer in &judged.signers {
        let (name, voucher) = (&signer.name, &signer.voucher);
        result(format!("  who:  {}, by {}", Plain(name), Plain(voucher)));
        let (from, to) = &signer.time;
        let time = match &signer.timestamp_authority {
            Some(authority) => format!("{from}, by {authority}"),
            None => format!("between {from} and {to}, while the certificate was valid"),
        };
        result(format!("  when: {}", Plain(&time)));
    }
}

fn verdict(what: &str, report: &Report) -> String {
    let word = word(report.verdict);
    let style = match report.verdict {
        Verdict::Pass => anstyle::AnsiColor::Green,
        Verdict::Fail => anstyle::AnsiColor::Red,
        Verdict::Unknown => anstyle::AnsiColor::Yellow,
    };
    let style = style.on_default().bold();
    let level = match report.level {
        Some(level) => format!(" at {level}"),
        None => String::new(),
    };
    format!("{}: {style}{word}{style:#}{level}", Plain(what))
}

fn line(check: &Check) {
    let word = check.outcome.as_str();
    result(format!(
        "    {word:4}  {:7} {}",
        check.id,
        Plain(&told(check))
    ));
}

/// A verdict, to a person.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passes",
        Verdict::Fail => "FAILS",
        Verdict::Unknown => "cannot be told",
    }
}

/// How much of a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Verdict, why, and what next.
    ThreeLines,
    /// Every failure and warning as well.
    Findings,
    /// Every check, fact and threat as well.
    Everything,
}

fn everything(report: &Report) {
    result("  checks:");
    report.checks.iter().for_each(line);
    if !report.facts.is_empty() {
        result("  facts:");
    }
    for fact in &report.facts {
        let basis = fact.basis.as_str();
        let value = fact.value.to_string();
        result(format!(
            "    {basis:10}  {} = {}",
            Plain(&fact.path),
            Plain(&value)
        ));
    }
    if report.level.is_some() {
        let threats = report.threats().map(|(id, coverage)| {
            let word = match coverage {
                Coverage::None => "not covered",
                Coverage::Partial => "partly covered",
                Coverage::Full => "covered",
            };
            format!("{id} {word}")
        });
        result(format!("  threats: {}", threats.join(", ")));
    }
}

/// A check in one line, with its place.
pub(crate) fn told(check: &Check) -> String {
    match check.path.as_str() {
        "" => check.message.clone(),
        // Of a whole list the message says more than what it has or is.
        "signatures" => format!("signatures: {}", check.message),
        path => format!("{path} {}", check.message),
    }
}

/// The reason for the verdict, in one line.
pub(crate) fn reason(report: &Report) -> String {
    match report.verdict {
        Verdict::Fail => {
            let explains = |check: &&Check| check.role == Role::Explanation;
            let explanations = report.checks.iter().filter(explains);
            let mut reasons: Vec<_> = explanations.map(|check| check.message.clone()).collect();
            let failed = report.with_outcome(Outcome::Fail);
            reasons.extend(failed.filter(|c| c.role != Role::Consequence).map(told));
            let more = reasons.len().saturating_sub(3);
            reasons.truncate(3);
            match more {
                0 => reasons.join("; "),
                _ => format!("{}; and {more} more (--verbose)", reasons.join("; ")),
            }
        }
        Verdict::Unknown => {
            // That no limit is set for its age leaves nothing open.
            let skipped = report.with_outcome(Outcome::Skip);
            let skipped = skipped.filter(|check| check.id != "L2.V.7");
            skipped.map(told).collect::<Vec<_>>().join("; ")
        }
        Verdict::Pass => passed(report),
    }
}

fn passed(report: &Report) -> String {
    let fact = |end: &str| {
        let mut facts = report.facts.iter();
        let fact = facts.find(|f| f.basis == Basis::Recomputed && f.path.ends_with(end))?;
        Some(
            fact.value
                .as_str()
                .map_or(fact.value.to_string(), str::to_owned),
        )
    };
    let mut said = Vec::new();
    if let Some(count) = fact("files") {
        said.push(format!("all {count} files are what the attestation says"));
    } else if let Some(sha256) = fact("digest.sha256") {
        let told = match report.level {
            Some(Level::L2 | Level::L3) => "the bytes are what was signed",
            _ => "the bytes are what the attestation says",
        };
        said.push(format!("{told}, sha256 {}…", &sha256[..16]));
    } else if let Some(member) = report.subject.as_ref().and_then(|it| it.member.as_ref()) {
        said.push(format!(
            "{member} is what the folder's manifest says; the other files were not read"
        ));
    } else {
        said.extend(report.with_outcome(Outcome::Pass).last().map(told));
    }
    if let Some(count) = fact("digest.recordCount") {
        said.push(format!("{count} records counted again"));
    }
    if let Some(subject) = &report.subject {
        let basis = if subject.name_asked_for {
            "as asked for"
        } else {
            "claimed"
        };
        said.push(format!("name {:?} ({basis})", subject.name));
    }
    if report.judged.is_some() && report.lineage_level.is_none() {
        let further = report.with_outcome(Outcome::Skip);
        let further = further.filter(|check| check.id == "L2.V.9");
        said.extend(further.map(|check| check.message.clone()));
    }
    said.extend(warned(report));
    said.join("; ")
}

/// Fields that are named in one line; the rest is counted.
const TOLD: usize = 3;

/// What is wanting in what passes. Of warnings only the number is told: they quote what nobody
/// has verified, and this line is about what somebody has.
fn warned(report: &Report) -> Vec<String> {
    let is_absent = |check: &&Check| check.message.starts_with("is missing");
    let warnings = report.with_outcome(Outcome::Warn);
    let (absent, warnings): (Vec<_>, Vec<_>) = warnings.partition(is_absent);
    let mut said = Vec::new();
    match warnings.len() {
        0 => {}
        1 => said.push("1 warning, see --verbose".to_owned()),
        many => said.push(format!("{many} warnings, see --verbose")),
    }
    let names = absent.iter().take(TOLD).map(|check| {
        let path = check.path.as_str();
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    });
    let names: Vec<_> = names.collect();
    match absent.len().saturating_sub(TOLD) {
        _ if names.is_empty() => {}
        0 => said.push(format!("not given: {} (--verbose)", names.join(", "))),
        more => said.push(format!(
            "not given: {} and {more} more (--verbose)",
            names.join(", ")
        )),
    }
    said
}
