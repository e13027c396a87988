//! The verdict: whether data still is what its attestation says (V1–V4), and whether who says so
//! is trusted (L2.V.1–L2.V.10).
//!
//! Pure: what was found in the data arrives as [`Evidence`], the time as an argument. Without a
//! policy a statement is its producer's word; [`Trust::verify`] asks the policy who that is.

mod by_policy;
mod candidates;
mod compare;
mod effort;
mod evidence;
mod facts;
mod inputs;
mod rule;
mod scope;
mod signatory;
mod time;
mod trust;
mod verified;

pub use candidates::Candidates;
pub use evidence::{Evidence, FileEvidence, FolderEvidence, FolderReading, MemberEvidence};
pub use inputs::Attestations;
pub use scope::Named;
pub use trust::{Trust, TrustError};
pub use verified::{Authentication, TrustedTime, VerifiedAttestation, VerifiedSigner};

use candidates::{Candidate, Chosen, others};
use compare::Comparison;
use evidence::declared_settings;

use crate::datetime::DateTime;
use crate::predicate::{Predicate, PredicateType};
use crate::report::{Basis, Check, Level, Outcome, Report, ReportSubject, Verdict};
use crate::shape::Shape;
use crate::statement::{Statement, Subject};

/// What the caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The level that must be reached. Without it, the one that the policy requires; L1 without a
    /// policy.
    pub level: Option<Level>,
    /// The name that the data must have. Without it, the name is a claim.
    pub name: Option<&'a str>,
    /// Where the data was found, as the policy writes paths: relative to its file, or a URL. It has
    /// several places where links lead from one to another.
    pub places: &'a [String],
}

/// Judges data by its attestation file, and by no policy.
///
/// The verdict is `Pass` at L1 when the statement is complete (V1, V2, V4) and every digest that
/// we understand equals what was found (V3). A level above L1 is never granted here, and asking
/// for one fails: a weaker answer than asked for is not given.
pub fn verify(
    candidates: &Candidates,
    evidence: &Evidence,
    asked: &Asked<'_>,
    now: DateTime,
) -> Report {
    let sha256 = evidence.sha256();
    let Some(chosen) = candidates.choose(&sha256, asked.name) else {
        return nothing(now);
    };
    let mut findings = form_of(candidates, &chosen, evidence);
    findings.checks.extend(chosen.candidate.signatures.clone());
    compare(&mut findings, &chosen, evidence, asked, Basis::Declared);
    let statement = chosen.candidate.statement.as_ref();
    findings
        .checks
        .extend(statement.and_then(lineage_not_walked));
    refuse_level(asked.level, chosen.candidate, &mut findings.checks);
    let not_told = findings.not_told;
    let mut report = report(findings, &chosen, evidence, asked, now);
    match (report.verdict, not_told) {
        (Verdict::Pass, true) => report.verdict = Verdict::Unknown,
        (Verdict::Pass, false) => {
            report.level = Some(Level::L1);
            let kind = statement.map(|statement| statement.predicate.kind());
            let has_inputs = kind == Some(PredicateType::Transform);
            report.lineage_level = (!has_inputs).then_some(Level::L1);
        }
        _ => {}
    }
    report
}

/// The report on an attestation file without an attestation.
fn nothing(now: DateTime) -> Report {
    let check = Check::new("V1", Outcome::Fail, "", "the attestation file is empty");
    Report::from_checks(vec![check], now)
}

/// What is to be said of the chosen statement before anybody looks at signatures or data.
fn form_of(candidates: &Candidates, chosen: &Chosen<'_>, evidence: &Evidence) -> Comparison {
    let found = Check::new("V1", Outcome::Pass, "", "an attestation was found");
    let mut findings = Comparison {
        checks: vec![found],
        facts: Vec::new(),
        not_told: false,
    };
    let candidate = chosen.candidate;
    findings.checks.extend(candidate.checks.iter().cloned());
    let conforms = candidate.statement.as_ref().map(Statement::conforms);
    findings.checks.extend(conforms.into_iter().flatten());
    let others = others(candidates, candidate, &evidence.sha256());
    findings.checks.extend(others);
    findings
}

/// Compares the data with the chosen subject.
fn compare(
    findings: &mut Comparison,
    chosen: &Chosen<'_>,
    evidence: &Evidence,
    asked: &Asked<'_>,
    basis: Basis,
) {
    if let (Some(statement), Some((index, subject))) = (&chosen.candidate.statement, chosen.subject)
    {
        let place = format!("subject[{index}]");
        check_name(subject, asked.name, &place, &mut findings.checks);
        findings.compare(subject, evidence, &place);
        let claims = facts::claims(statement, subject, &place, basis);
        findings.facts.extend(claims);
    }
}

/// The report without a level.
fn report(
    findings: Comparison,
    chosen: &Chosen<'_>,
    evidence: &Evidence,
    asked: &Asked<'_>,
    now: DateTime,
) -> Report {
    let mut report = Report::from_checks(findings.checks, now);
    report.attestation = Some(format!("sha256:{}", chosen.candidate.id));
    report.subject = chosen.subject.map(|(_, subject)| ReportSubject {
        name: subject.name.as_str().to_owned(),
        name_asked_for: asked.name == Some(subject.name.as_str()),
        member: match evidence {
            Evidence::Member(member) => Some(member.path.clone()),
            Evidence::File(_) | Evidence::Folder(_) => None,
        },
        digest: subject.digest.write(),
    });
    report.facts = findings.facts;
    report
}

fn check_name(subject: &Subject, asked: Option<&str>, place: &str, checks: &mut Vec<Check>) {
    let path = format!("{place}.name");
    let name = subject.name.as_str();
    match asked {
        Some(asked) if asked == name => {
            let message = format!("is the name asked for, {asked:?}");
            checks.push(Check::new("V2", Outcome::Pass, &path, message));
        }
        Some(asked) => {
            let message = format!("is {name:?}, but {asked:?} was asked for");
            let check = Check::new("V2", Outcome::Fail, &path, message);
            checks.push(check.compared(name, asked));
        }
        None => {}
    }
}

fn lineage_not_walked(statement: &Statement) -> Option<Check> {
    let Predicate::Transform(transform) = &statement.predicate else {
        return None;
    };
    let count = transform.inputs.as_slice().len();
    let message = format!("{count} input(s) are declared; their attestations were not followed");
    Some(Check::new(
        "L2.V.9",
        Outcome::Skip,
        "predicate.inputs",
        message,
    ))
}

/// Refuses a level that is not given without a policy: nothing is trusted then.
fn refuse_level(asked: Option<Level>, candidate: &Candidate, checks: &mut Vec<Check>) {
    let Some(level) = asked.filter(|level| *level > Level::L1) else {
        return;
    };
    checks.push(match candidate.is_signed() {
        true => {
            let message =
                format!("no policy was given, so nobody is trusted, and {level} needs that");
            Check::new("L2.V.4", Outcome::Fail, "signatures", message)
        }
        false => {
            let message = format!("the statement is unsigned, and {level} needs a signature");
            Check::new("L2.P.1", Outcome::Fail, "", message)
        }
    });
}
