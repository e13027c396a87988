//! The one door: what comes out was signed by whom the policy allows, at a trusted time.

use super::rule::Question;
use super::scope::{Named, Scope, ScopeFacts};
use super::signatory::Signatory;
use super::trust::Trust;
use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::json::Json;
use crate::key::Algorithm;
use crate::limits::Limits;
use crate::report::{Check, Level, Outcome, ReportSigner, Role};
use crate::statement::{Statement, Subject};

/// An attestation whose signature, signer and time were verified, and whose signer the policy
/// allows; there is no other way to have one than [`Trust::authenticate`].
///
/// Says nothing of the data, nor of its inputs: those are compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAttestation {
    id: Digest,
    statement: Statement,
    subject: usize,
    signers: Vec<VerifiedSigner>,
}

/// Who signed, and by when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSigner {
    pub(super) name: String,
    pub(super) voucher: String,
    pub(super) key: Digest,
    pub(super) algorithm: Algorithm,
    pub(super) time: TrustedTime,
}

/// When a signature existed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedTime {
    /// Authorities say so.
    Stamped {
        /// The earliest of their times.
        time: DateTime,
        /// The authority that gave it, by its id in the trusted root.
        authority: String,
    },
    /// The certificate was valid only so long, and the policy takes that for a time.
    Within {
        /// First moment of the certificate.
        from: DateTime,
        /// Last moment of the certificate.
        to: DateTime,
    },
}

impl TrustedTime {
    /// The first moment at which it may have been signed.
    pub fn earliest(&self) -> &DateTime {
        match self {
            Self::Stamped { time, .. } => time,
            Self::Within { from, .. } => from,
        }
    }

    /// The last moment at which it may have been signed.
    pub fn latest(&self) -> &DateTime {
        match self {
            Self::Stamped { time, .. } => time,
            Self::Within { to, .. } => to,
        }
    }
}

impl VerifiedSigner {
    /// The name that the policy knows: of a certificate a URI, e-mail address or DNS name, of a
    /// published key its owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who vouches for the name: an authority of the trusted root, the policy, or a key set.
    pub fn voucher(&self) -> &str {
        &self.voucher
    }

    /// The key.
    pub fn key(&self) -> &Digest {
        &self.key
    }

    /// The algorithm of its signature.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it signed.
    pub fn time(&self) -> &TrustedTime {
        &self.time
    }
}

impl VerifiedAttestation {
    /// Digest of the statement as signed.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// What it says. Its signers said so; that it is true is their word.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The subject that it was verified for.
    pub fn subject(&self) -> &Subject {
        &self.statement.subject.as_slice()[self.subject]
    }

    /// Everyone who signed it and whom the policy allows, each once.
    pub fn signers(&self) -> &[VerifiedSigner] {
        &self.signers
    }

    /// The URI by which other statements refer to it.
    pub fn reference(&self) -> String {
        Attestation::reference_to(&self.id)
    }
}

/// What came of looking at the signatures of one statement.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// The statement, when all of it holds.
    pub verified: Option<VerifiedAttestation>,
    /// What was checked, in the order of the specification: signature, identity, policy, time.
    pub checks: Vec<Check>,
    /// What the rules that apply ask for; `None` when none does, or nobody signed.
    pub scope: Option<ScopeFacts>,
}

impl Trust {
    /// Verifies the signatures of one statement and asks the policy for its signers.
    ///
    /// `envelopes` hold the same payload, whose subject with the digest `about` is meant; all
    /// conditions of a rule are asked of one and the same signature, and every rule that applies
    /// must hold.
    pub fn authenticate(
        &self,
        envelopes: &[&Envelope],
        about: &Digest,
        named: Named<'_>,
        now: &DateTime,
    ) -> Authentication {
        let mut told = Authentication {
            verified: None,
            checks: Vec::new(),
            scope: None,
        };
        let Some(signatories) = self.signatories(envelopes, &mut told.checks) else {
            return told;
        };
        // All envelopes hold the same bytes; the statement is read from what was verified.
        let payload = envelopes
            .first()
            .map(|one| one.unverified_payload.as_slice());
        let payload = payload.unwrap_or_default();
        let Some(statement) = read_signed(payload, &mut told.checks) else {
            return told;
        };
        let subjects = statement.subject.as_slice();
        let wanted = |subject: &&Subject| subject.digest.sha256 == *about;
        let asked = |subject: &&Subject| match named {
            Named::AskedFor(name) => subject.name.as_str() == name,
            _ => true,
        };
        let subject = subjects.iter().position(|one| wanted(&one) && asked(&one));
        let subject = subject.or_else(|| subjects.iter().position(|one| wanted(&one)));
        let subject = subject.unwrap_or(0);
        let scope = match Scope::of(self.policy(), named, subjects[subject].name.as_str()) {
            Ok(scope) => scope,
            Err(check) => {
                told.checks.push(check);
                return told;
            }
        };
        told.scope = Some(scope.facts());
        let mut signers = Vec::new();
        let mut holds = true;
        for rule in scope.rules() {
            let question = Question {
                trust: self,
                rule,
                signers: &scope.signers_of(rule),
                statement: &statement,
                now,
            };
            let answer = question.answer(&signatories);
            holds &= answer.holds;
            // Several rules often say the same of one signature.
            for check in answer.checks {
                if !told.checks.contains(&check) {
                    told.checks.push(check);
                }
            }
            for signer in answer.signers {
                if !signers.contains(&signer) {
                    signers.push(signer);
                }
            }
        }
        told.verified = holds.then(|| VerifiedAttestation {
            id: Digest::of(payload),
            statement,
            subject,
            signers,
        });
        told
    }

    /// The signatures that hold, or `None` with the reason when none does.
    fn signatories(
        &self,
        envelopes: &[&Envelope],
        checks: &mut Vec<Check>,
    ) -> Option<Vec<Signatory>> {
        const PATH: &str = "signatures";
        let fail = |id, message: String| Check::new(id, Outcome::Fail, PATH, message);
        let consequence = |id, message: &str| fail(id, message.to_owned()).role(Role::Consequence);
        let refuse = |checks: &mut Vec<Check>| {
            checks.push(consequence("L2.V.2", "nothing in the statement is trusted"));
            // A certificate that cannot be read was told as such.
            if !checks.iter().any(|check| check.id == "L2.V.3") {
                checks.push(consequence("L2.V.3", "nobody is known to have signed it"));
            }
        };
        let looked = |envelope: &&Envelope| Signatory::all_of(envelope, self.keys(), self.root());
        let looked: Vec<_> = envelopes.iter().flat_map(looked).collect();
        if looked.is_empty() {
            let message = "the statement is unsigned: needed a DSSE envelope with a signature";
            checks.push(fail("L2.P.1", message.to_owned()));
            checks.push(consequence("L2.V.1", "there is no signature to verify"));
            refuse(checks);
            return None;
        }
        let (held, unheld): (Vec<_>, Vec<_>) = looked.into_iter().partition(Result::is_ok);
        let held: Vec<_> = held.into_iter().flatten().collect();
        let unheld = unheld.into_iter().filter_map(Result::err);
        if held.is_empty() {
            for (index, why) in unheld.enumerate() {
                let id = why.requirement();
                checks.push(fail(id, why.to_string()));
                // Whatever is wrong with its key, no signature was verified.
                if index == 0 && id != "L2.V.1" {
                    checks.push(consequence("L2.V.1", "no signature was verified"));
                }
            }
            refuse(checks);
            return None;
        }
        let pass = |id, message: String| Check::new(id, Outcome::Pass, PATH, message);
        checks.push(pass(
            "L2.P.1",
            "the statement is in a signed envelope".to_owned(),
        ));
        for one in &held {
            let message = format!("the signature by key sha256:{} holds", one.key);
            checks.push(pass("L2.V.1", message));
            checks.push(pass(
                "L2.P.2",
                format!("the algorithm is {}", one.algorithm),
            ));
        }
        let message = format!(
            "what follows is of the {} signature(s) that hold",
            held.len()
        );
        checks.push(pass("L2.V.2", message));
        for why in unheld {
            let message = format!("another signature is not verified: {why}");
            checks.push(Check::new("L2.V.1", Outcome::Warn, PATH, message));
        }
        Some(held)
    }
}

/// Reads the statement whose signature holds, by the rules of L2.
fn read_signed(payload: &[u8], checks: &mut Vec<Check>) -> Option<Statement> {
    let value = match Json::parse(payload, &Limits::DEFAULT) {
        Ok(value) => value,
        Err(error) => {
            checks.push(Check::new("V1", Outcome::Fail, "", error.to_string()));
            return None;
        }
    };
    let (statement, found) = Statement::read(value, Level::L2);
    // What is only a warning was told when the form was checked.
    let failed = found
        .into_iter()
        .filter(|check| check.outcome == Outcome::Fail);
    checks.extend(failed);
    statement
}

impl From<&VerifiedSigner> for ReportSigner {
    fn from(signer: &VerifiedSigner) -> Self {
        Self {
            name: signer.name.clone(),
            voucher: signer.voucher.clone(),
            key: signer.key,
            algorithm: signer.algorithm.name(),
            time: (signer.time.earliest().clone(), signer.time.latest().clone()),
            timestamp_authority: match &signer.time {
                TrustedTime::Stamped { authority, .. } => Some(authority.clone()),
                TrustedTime::Within { .. } => None,
            },
        }
    }
}
