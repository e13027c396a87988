//! V1, V2 and V4 on one document, without its data.

use crate::attestation::{Attestation, AttestationError};
use crate::datetime::DateTime;
use crate::dbom::Dbom;
use crate::envelope::EnvelopeError;
use crate::json::Fault;
use crate::predicate::Predicate;
use crate::report::{Check, Level, Outcome, Report, Role};
use crate::statement::Statement;

/// Checks one statement, envelope, bundle or DBOM by the rules that hold at `level`.
///
/// The report's level is `None`: the data was not seen. Signatures are not checked; the report
/// says so when there are any.
pub fn validate(document: &[u8], level: Level, now: DateTime) -> Report {
    let attestation = match Attestation::parse(document) {
        Ok(attestation) => attestation,
        Err(error) => {
            let lines = Attestation::documents(document).unwrap_or_default();
            let is_bundles = lines.len() > 1 && lines.iter().all(|(_, one)| one.envelope.is_some());
            return match is_bundles {
                true => validate_lines(&lines, level, now),
                false => refusal(&error, now),
            };
        }
    };
    let mut checks = vec![Check::new("V1", Outcome::Pass, "", "is one JSON document")];
    let mut signatures = unverified_signatures(&attestation);
    if Dbom::is_likely(&attestation.statement) {
        checks.extend(Dbom::check(attestation.statement));
        if !checks.iter().any(|check| check.outcome == Outcome::Fail) {
            let message = "has the shape of a DBOM 1.0.0; its claims were not verified";
            checks.push(Check::new("DBOM", Outcome::Pass, "", message));
        }
        checks.extend(signatures.take());
        return Report::from_checks(checks, now);
    }
    if signatures.is_none() && level > Level::L1 {
        let message = "is unsigned; from L2 on it stands in a signed envelope";
        checks.push(Check::new("L2.P.1", Outcome::Warn, "", message));
    }
    let (statement, found) = Statement::read(attestation.statement, level);
    checks.extend(found);
    checks.extend(
        statement
            .as_ref()
            .map(Statement::conforms)
            .into_iter()
            .flatten(),
    );
    checks.extend(signatures);
    Report {
        attestation: Some(format!("sha256:{}", attestation.id)),
        ..Report::from_checks(checks, now)
    }
}

/// Checks each bundle of a file: one for each signer, or for each statement about the data.
fn validate_lines(lines: &[(&[u8], Attestation)], level: Level, now: DateTime) -> Report {
    let mut checks = Vec::new();
    for (index, (line, _)) in lines.iter().enumerate() {
        for mut check in validate(line, level, now.clone()).checks {
            check.message = format!("{} (line {})", check.message, index + 1);
            checks.push(check);
        }
    }
    Report::from_checks(checks, now)
}

/// The report on a file that holds no attestation: it fails, or could not be told when a budget
/// was reached (FORMATS §6).
pub fn refusal(error: &AttestationError, now: DateTime) -> Report {
    let message = error.to_string();
    let of_line = match error {
        AttestationError::Line { error, .. } => Some(&**error),
        _ => None,
    };
    let (id, fault, path) = match of_line.unwrap_or(error) {
        AttestationError::Envelope(error) => return envelope_refusal(error, message, now),
        AttestationError::NotJson(error) | AttestationError::Payload(error) => {
            let id = match error.fault {
                Fault::NotUtf8 => "P1",
                _ => "V1",
            };
            let path = match of_line {
                Some(_) => "",
                None => error.path.as_str(),
            };
            (id, Some(&error.fault), path)
        }
        AttestationError::TooMany(_) => {
            return Report::unknown(Check::new("V1", Outcome::Skip, "", message), now);
        }
        AttestationError::Line { .. } => ("V1", None, ""),
    };
    let fail = |id| Check::new(id, Outcome::Fail, path, message.clone());
    // A document may be nested as deep as every reader of it can follow; that is a rule of the
    // form. How large one may be is only a budget of this reader.
    match fault {
        Some(Fault::TooLarge(_) | Fault::TooMany(_)) => {
            Report::unknown(Check::new(id, Outcome::Skip, path, message), now)
        }
        // Two readers could read two documents in it, one of them signed (attack 16).
        Some(Fault::DuplicateKey(_)) => {
            let follow = ["P1", "L2.V.1"].map(|id| fail(id).role(Role::Consequence));
            let [first, second] = follow;
            Report::from_checks(vec![fail(id), first, second], now)
        }
        _ => Report::from_checks(vec![fail(id)], now),
    }
}

fn envelope_refusal(error: &EnvelopeError, message: String, now: DateTime) -> Report {
    let fail = |id| Check::new(id, Outcome::Fail, "", message.clone());
    match error {
        EnvelopeError::TooMany { .. } | EnvelopeError::TooLarge { .. } => {
            Report::unknown(Check::new("L2.V.1", Outcome::Skip, "", message), now)
        }
        EnvelopeError::Signatures | EnvelopeError::NotOneSignature(0) => {
            let follows = fail("L2.V.1").role(Role::Consequence);
            Report::from_checks(vec![fail("L2.P.1"), follows], now)
        }
        _ => Report::from_checks(vec![fail("L2.V.1")], now),
    }
}

/// What is to be said about signatures that nobody checked, if there are any.
pub(crate) fn unverified_signatures(attestation: &Attestation) -> Option<Check> {
    let count = attestation.unverified_signatures()?;
    let message = match count {
        0 => "unsigned: the envelope has no signature".to_owned(),
        _ => format!("{count} signature(s) around the statement were not checked"),
    };
    Some(Check::new("L2.V.1", Outcome::Skip, "signatures", message))
}

impl Statement {
    /// The passed checks of a statement that was read without a failure.
    pub(crate) fn conforms(&self) -> [Check; 2] {
        let kind = match &self.predicate {
            Predicate::Origin(_) => "origin/v1",
            Predicate::Transform(_) => "transform/v1",
            Predicate::StreamWindow(_) => "stream-window/v1",
        };
        [
            Check::new(
                "V2",
                Outcome::Pass,
                "",
                format!("conforms to in-toto Statement v1 and {kind}"),
            ),
            Check::new("V4", Outcome::Pass, "predicate", "has every required field"),
        ]
    }
}
