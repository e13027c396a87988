//! The pages of GitHub Actions: annotations on files, and the summary of a step.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use makoto::report::{Level, Outcome, Report, Role, Verdict};

use crate::command::Output;
use crate::files::located;
use crate::github::{self, Severity};
use crate::screen::{self, Plain};

/// Bytes of a table in a summary. GitHub takes 1 MiB from a step, or nothing at all; there are
/// two tables, and other commands in a step have summaries too.
const TABLE_BYTES: usize = 192 << 10;

/// Characters of a name or a reason in a table, which is read at a glance.
const CELL: usize = 1_000;

/// What GitHub is told of the reports of one command.
pub(crate) struct Actions {
    command: &'static str,
    /// Whether stdout may hold workflow commands.
    annotates: bool,
    passed: Table,
    others: Table,
}

/// Rows of Markdown, as many as there is room for.
#[derive(Default)]
struct Table {
    rows: String,
    count: usize,
    left_out: usize,
}

impl Actions {
    pub(super) fn new(command: &'static str, output: Output) -> Self {
        Self {
            command,
            annotates: output == Output::Text,
            passed: Table::default(),
            others: Table::default(),
        }
    }

    /// Adds a row to the summary.
    pub(super) fn add(&mut self, what: &Path, report: &Report) {
        let row = format!(
            "| <code>{}</code> | {} | {} | {} |\n",
            Markdown(&what.to_string_lossy()),
            screen::word(report.verdict),
            report.level.map_or("none", Level::as_str),
            Markdown(&screen::reason(report)),
        );
        match report.verdict {
            Verdict::Pass => self.passed.add(&row),
            Verdict::Fail | Verdict::Unknown => self.others.add(&row),
        }
    }

    /// Prints a workflow command for what is wrong, and one for the warnings: GitHub shows ten of
    /// each for a step, so one dataset must not take them all.
    pub(super) fn annotate(&self, what: &Path, report: &Report) {
        if !self.annotates {
            return;
        }
        let file = in_workspace(what);
        let shown = what.to_string_lossy();
        let say = |severity, title: &str, told: Vec<String>| {
            let title = format!("{shown}: {title}");
            let lines = few(told);
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            screen::command(&github::message(severity, file.as_deref(), &title, &lines));
        };
        let word = screen::word(report.verdict);
        match report.verdict {
            Verdict::Pass => {}
            Verdict::Fail => {
                let failed = report.with_outcome(Outcome::Fail);
                let telling = failed.filter(|check| check.role != Role::Consequence);
                say(Severity::Error, word, telling.map(screen::told).collect());
            }
            Verdict::Unknown => say(Severity::Error, word, vec![screen::reason(report)]),
        }
        let warnings: Vec<_> = report
            .with_outcome(Outcome::Warn)
            .map(screen::told)
            .collect();
        if !warnings.is_empty() {
            say(Severity::Warning, "warnings", warnings);
        }
    }

    /// Appends the summary to the file that the runner named.
    pub(super) fn finish(self) {
        let note = |why: &str| screen::note(format!("note: no summary for GitHub: {}", Plain(why)));
        let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
            return note("GITHUB_STEP_SUMMARY is not set");
        };
        // In one write, so that those of others do not come between its lines.
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(self.summary().as_bytes()));
        if let Err(error) = written {
            note(&format!("{}: {error}", path.to_string_lossy()));
        }
    }

    fn summary(&self) -> String {
        let passed = self.passed.count;
        let all = passed + self.others.count;
        let command = self.command;
        // What is there may end without a line end.
        let mut summary = format!("\n\n### makoto {command}: {passed} of {all} passed\n");
        for table in [&self.others, &self.passed] {
            if table.count > 0 {
                let _ = write!(
                    summary,
                    "\n| dataset | verdict | level | reason |\n|---|---|---|---|\n{}",
                    table.rows
                );
            }
            if table.left_out > 0 {
                let _ = writeln!(summary, "\nand {} more", table.left_out);
            }
        }
        summary
    }
}

impl Table {
    fn add(&mut self, row: &str) {
        self.count += 1;
        match self.rows.len() + row.len() <= TABLE_BYTES {
            true => self.rows.push_str(row),
            false => self.left_out += 1,
        }
    }
}

/// As many lines as are read on a page.
fn few(mut lines: Vec<String>) -> Vec<String> {
    const MOST: usize = 10;
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The path from the root of the repository, as GitHub wants it; `None` for stdin.
fn in_workspace(what: &Path) -> Option<String> {
    if what == Path::new("-") {
        return None;
    }
    let within = || {
        let workspace = std::env::var_os("GITHUB_WORKSPACE")?;
        let workspace = Path::new(&workspace).canonicalize().ok()?;
        let within = located(what)?;
        let within = within.strip_prefix(workspace).ok()?;
        Some(within.to_string_lossy().into_owned())
    };
    Some(within().unwrap_or_else(|| what.to_string_lossy().into_owned()))
}

/// A text in Markdown that is shown as it is: no HTML, no links, no end of a cell. A character
/// that is written by its number never has a meaning of its own (CommonMark §2.5).
struct Markdown<'a>(&'a str);

impl std::fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in github::cut(self.0, CELL).chars() {
            match character.is_ascii_punctuation() {
                true => write!(f, "&#{};", u32::from(character))?,
                false => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use makoto::datetime::DateTime;
    use makoto::report::Check;

    use super::*;

    #[test]
    fn a_summary_has_room_for_what_fails_and_says_what_it_left_out() {
        let mut actions = Actions::new("verify", Output::Text);
        let name = "&".repeat(900);
        for number in 0..2_000 {
            let outcome = match number % 10 {
                0 => Outcome::Fail,
                _ => Outcome::Pass,
            };
            let check = Check::new("V1", outcome, "", format!("number {number}"));
            let report = Report::from_checks(vec![check], DateTime::unix_epoch());
            actions.add(Path::new(&name), &report);
        }
        let summary = actions.summary();
        assert!(summary.len() < 512 << 10, "{}", summary.len());
        assert!(summary.starts_with("\n\n### makoto verify: 1800 of 2000 passed\n"));
        let (first, rest) = summary.split_once("\nand ").expect("some are left out");
        assert!(!first.contains("passes"), "what fails comes first");
        let (left_out, rest) = rest.split_once(" more\n").expect("their number");
        let left_out: usize = left_out.parse().expect("a number");
        assert_eq!(first.matches("FAILS").count() + left_out, 200);
        assert!(!rest.contains("FAILS") && rest.contains("\nand "));
    }
}
