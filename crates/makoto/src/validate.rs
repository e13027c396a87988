//! V1, V2 and V4 on one document, without its data.

use crate::attestation::{Attestation, AttestationError};
use crate::datetime::DateTime;
use crate::dbom::Dbom;
use crate::envelope::EnvelopeError;
use crate::json::Fault;
use crate::predicate::Predicate;
use crate::report::{Check, Level, Outcome, Report};
use crate::statement::Statement;

/// Checks one statement, envelope, bundle or DBOM by the rules that hold at `level`.
///
/// The report's level is `None`: the data was not seen. Signatures are not checked; the report
/// says so when there are any.
pub fn validate(document: &[u8], level: Level, now: DateTime) -> Report {
    let attestation = match Attestation::parse(document) {
        Ok(attestation) => attestation,
        Err(error) => return refusal(&error, now),
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

/// The report on a file that holds no attestation: it fails, or could not be told when a budget
/// was reached (FORMATS §6).
pub fn refusal(error: &AttestationError, now: DateTime) -> Report {
    if let AttestationError::Envelope(EnvelopeError::TooMany { .. }) = error {
        let check = Check::new("L2.V.1", Outcome::Skip, "", error.to_string());
        return Report::unknown(check, now);
    }
    let (id, fault, path) = match error {
        AttestationError::Envelope(_) => ("L2.V.1", None, ""),
        AttestationError::NotJson(error) | AttestationError::Payload(error) => {
            let id = match error.fault {
                Fault::NotUtf8 => "P1",
                _ => "V1",
            };
            (id, Some(&error.fault), error.path.as_str())
        }
        AttestationError::Line { error, .. } => match &**error {
            AttestationError::NotJson(error) => ("V1", Some(&error.fault), ""),
            _ => ("V1", None, ""),
        },
    };
    // A document may be nested as deep as every reader of it can follow; that is a rule of the
    // form. How large one may be is only a budget of this reader.
    match fault {
        Some(Fault::TooLarge(_) | Fault::TooMany(_)) => {
            Report::unknown(Check::new(id, Outcome::Skip, path, error.to_string()), now)
        }
        _ => {
            let check = Check::new(id, Outcome::Fail, path, error.to_string());
            Report::from_checks(vec![check], now)
        }
    }
}

/// What is to be said about signatures that nobody checked, if there are any.
pub(crate) fn unverified_signatures(attestation: &Attestation) -> Option<Check> {
    let count = attestation.unverified_signatures()?;
    let message = format!("{count} signature(s) around the statement were not checked");
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
