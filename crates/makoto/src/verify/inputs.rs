//! The attestations that a transform lists as its inputs' (L2.V.8).

use std::collections::HashMap;

use super::effort::Effort;
use super::scope::Named;
use super::trust::Trust;
use super::verified::VerifiedAttestation;
use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::lineage::Told;
use crate::predicate::transform::Input;
use crate::predicate::{Predicate, PredicateType};
use crate::report::{Check, Level, Outcome};
use crate::shape::Shape;
use crate::statement::Subject;

/// Where attestations are found by their id. What is handed out is checked again.
pub trait Attestations {
    /// Every attestation of the statement `id`: one, or several envelopes around it; none when it
    /// is not there.
    ///
    /// # Errors
    /// Why it could not look.
    fn with_id(&mut self, id: &Digest) -> Result<Vec<Attestation>, String>;

    /// Every attestation that lies at the URL `reference`, if it is at one of `hosts`, which the
    /// policy allows (`name`, or `name:port` where the port is not 443). `None` when it is not, and
    /// where nothing is fetched: nobody else is asked.
    ///
    /// # Errors
    /// Why there is none.
    fn at(
        &mut self,
        reference: &str,
        hosts: &[String],
    ) -> Result<Option<Vec<Attestation>>, String> {
        let _ = (reference, hosts);
        Ok(None)
    }
}

/// What came of looking at the direct inputs.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) told: Told,
    /// Whether one could not be looked at.
    pub(super) not_told: bool,
    /// Whether one contradicts.
    pub(super) failed: bool,
    /// How many were verified, and are transforms themselves.
    pub(super) further: usize,
}

impl Inputs {
    /// Looks at every input of a verified statement; an origin has none. References may be followed
    /// to `hosts`.
    pub(super) fn of(
        verified: &VerifiedAttestation,
        hosts: &[String],
        trust: &Trust,
        attestations: &mut dyn Attestations,
        now: &DateTime,
        effort: &mut Effort,
    ) -> Self {
        let mut inputs = Self::default();
        let Predicate::Transform(transform) = &verified.statement().predicate else {
            let message = "has no inputs, being what was collected";
            inputs
                .told
                .push(Check::new("L2.V.8", Outcome::Pass, "predicate", message));
            return inputs;
        };
        let mut known = HashMap::new();
        let mut verified_count = 0_usize;
        for (index, input) in transform.inputs.as_slice().iter().enumerate() {
            let path = format!("predicate.inputs[{index}]");
            let key = (
                input.name.as_str().to_owned(),
                input.digest.sha256,
                input.attestation_ref.clone().map(|r| r.as_str().to_owned()),
            );
            let found =
                known
                    .entry(key)
                    .or_insert_with(|| match find(input, hosts, attestations) {
                        Ok(place) => look(input, place, trust, now, effort),
                        Err(found) => found,
                    });
            match found {
                Found::Verified {
                    is_transform,
                    warnings,
                } => {
                    verified_count += 1;
                    inputs.further += usize::from(*is_transform);
                    for warning in warnings {
                        let check = Check::new("L2.V.8", Outcome::Warn, &path, warning.as_str());
                        inputs.told.push(check);
                    }
                }
                Found::NotTold(message) => {
                    inputs.not_told = true;
                    let check = Check::new("L2.V.8", Outcome::Skip, &path, message.clone());
                    inputs.told.push(check);
                }
                Found::Contradicts(id, message) => {
                    inputs.failed = true;
                    inputs
                        .told
                        .push(Check::new(id, Outcome::Fail, &path, message.clone()));
                }
            }
        }
        let count = transform.inputs.as_slice().len();
        if verified_count == count {
            let message = format!(
                "{count} direct input(s): each attestation was found, verified by the policy, and is about the same data"
            );
            inputs.told.push(Check::new(
                "L2.V.8",
                Outcome::Pass,
                "predicate.inputs",
                message,
            ));
        }
        inputs
    }
}

enum Found {
    Verified {
        is_transform: bool,
        warnings: Vec<String>,
    },
    /// It is not here, or could not be looked at.
    NotTold(String),
    /// It is here and does not hold; the requirement that it breaks.
    Contradicts(&'static str, String),
}

/// The attestations of one input.
struct Place {
    /// Their statement.
    id: Digest,
    envelopes: Vec<Envelope>,
    /// That nothing but the place says that it is this statement.
    unpinned: Option<String>,
}

/// Finds what an input refers to: by its digest, or where the reference leads and the policy
/// allows it.
fn find(
    input: &Input,
    hosts: &[String],
    attestations: &mut dyn Attestations,
) -> Result<Place, Found> {
    let name = input.name.as_str();
    let Some(reference) = &input.attestation_ref else {
        let message = format!("input {name:?} has no attestationRef");
        return Err(Found::Contradicts("L2.P.9", message));
    };
    let reference = reference.as_str();
    let pinned = Attestation::pinned_id(reference);
    let not_told = |message: String| Found::NotTold(format!("input {name:?}{message}"));
    if let Some(id) = pinned {
        let found = attestations.with_id(&id);
        let found =
            found.map_err(|error| not_told(format!(": sha256:{id} could not be read: {error}")))?;
        if !found.is_empty() {
            // A place that hands out another statement than was asked for is not believed.
            return Place::of(id, found, None, name);
        }
    }
    let fetched = attestations.at(reference, hosts);
    let fetched = fetched
        .map_err(|error| not_told(format!(": {reference:?} could not be fetched: {error}")))?;
    match (pinned, fetched) {
        (Some(id), None) => Err(not_told(format!(
            ": its attestation sha256:{id} was not found"
        ))),
        (None, None) => Err(not_told(format!(
            " refers to {reference:?}, which holds no digest, and is not followed unless the policy \
             allows its host (ref-hosts)"
        ))),
        (Some(id), Some(found)) if !found.iter().any(|one| one.id == id) => {
            let message =
                format!("input {name:?}: what lies at {reference:?} is another than sha256:{id}");
            Err(Found::Contradicts("L2.V.8", message))
        }
        (Some(id), Some(found)) => Place::of(id, found, None, name),
        (None, Some(found)) => {
            let mut ids = found.iter().map(|one| one.id);
            let id = ids.next();
            let Some(id) = id.filter(|id| ids.all(|other| other == *id)) else {
                return Err(not_told(format!(
                    ": {reference:?} holds several statements, and which one is meant is not said"
                )));
            };
            let unpinned = format!(
                "unpinned: input {name:?} refers to {reference:?} without a digest, where \
                 sha256:{id} lies now"
            );
            Place::of(id, found, Some(unpinned), name)
        }
    }
}

impl Place {
    fn of(
        id: Digest,
        found: Vec<Attestation>,
        unpinned: Option<String>,
        name: &str,
    ) -> Result<Self, Found> {
        let found = found.into_iter().filter(|one| one.id == id);
        let envelopes: Vec<_> = found
            .filter_map(|one| one.envelope.map(|one| *one))
            .collect();
        if envelopes.is_empty() {
            let message = format!(
                "input {name:?}: its attestation sha256:{id} is unsigned, so this is L1 at most"
            );
            return Err(Found::Contradicts("L2.V.8", message));
        }
        Ok(Self {
            id,
            envelopes,
            unpinned,
        })
    }
}

/// Verifies what was found by the same door as everything.
fn look(input: &Input, place: Place, trust: &Trust, now: &DateTime, effort: &mut Effort) -> Found {
    let name = input.name.as_str();
    let Place {
        id,
        envelopes,
        unpinned,
    } = place;
    let envelopes: Vec<_> = envelopes.iter().collect();
    let (envelopes, is_all) = effort.afford(&envelopes, trust);
    let sha256 = &input.digest.sha256;
    let told = trust.authenticate(&envelopes, sha256, Named::InputOf(name), now);
    let Some(verified) = told.verified else {
        if !is_all {
            return Found::NotTold(format!(
                "input {name:?}: its attestation sha256:{id} has more signatures than are tried"
            ));
        }
        let mut failed = told
            .checks
            .iter()
            .filter(|check| check.outcome == Outcome::Fail);
        let why = failed.next().map_or(String::new(), |check| {
            format!(": {} {}", check.id, check.message)
        });
        let message = format!("input {name:?}: its attestation sha256:{id} does not verify{why}");
        return Found::Contradicts("L2.V.8", message);
    };
    // How far back is looked is for the rules of the data to say, and which level an input must
    // have for its own.
    if let Some(level) = told.scope.map(|scope| scope.require)
        && level > Level::L2
    {
        let message = format!(
            "input {name:?}: its own rule needs {level}, which this version does not verify"
        );
        return Found::Contradicts("L3.V.7", message);
    }
    let subject = verified.subject();
    if subject.digest.sha256 != *sha256 {
        let message = format!(
            "input {name:?} has sha256 {sha256}, but its attestation sha256:{id} is about other data"
        );
        return Found::Contradicts("L2.V.8", message);
    }
    if let Some(key) = differing(input, subject) {
        let message = format!(
            "input {name:?} and its attestation sha256:{id} have the same sha256 and another {key}"
        );
        return Found::Contradicts("L2.V.8", message);
    }
    let called = subject.name.as_str();
    let is_transform = verified.statement().predicate.kind() == PredicateType::Transform;
    let renamed = (called != name).then(|| {
        format!("input {name:?} is called {called:?} by its attestation; the digest binds, a name does not")
    });
    Found::Verified {
        is_transform,
        warnings: unpinned.into_iter().chain(renamed).collect(),
    }
}

/// A digest that both give and that differs, though the bytes are the same: one of them counted
/// otherwise.
fn differing(input: &Input, subject: &Subject) -> Option<String> {
    let (input, subject) = (input.digest.write(), subject.digest.write());
    let members = input.as_object()?.iter();
    let differs = |(key, value): &(&str, &crate::json::Json)| {
        subject.get(key).is_some_and(|other| other != *value)
    };
    members
        .map(|(key, value)| (key.as_ref(), value))
        .find(differs)
        .map(|(key, _)| key.to_owned())
}
