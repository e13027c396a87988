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
use crate::secret::address_without_secrets;
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
        let mut search = Search {
            of: verified.id(),
            hosts,
            trust,
            attestations,
            now,
            effort,
        };
        let mut verified_count = 0_usize;
        for (index, input) in transform.inputs.as_slice().iter().enumerate() {
            let path = format!("predicate.inputs[{index}]");
            let key = (
                input.name.as_str().to_owned(),
                input.digest.sha256,
                input.attestation_ref.clone().map(|r| r.as_str().to_owned()),
            );
            let found = known.entry(key).or_insert_with(|| search.look(input));
            match found {
                Found::Verified {
                    is_transform,
                    unpinned,
                    renamed,
                } => {
                    verified_count += 1;
                    inputs.further += usize::from(*is_transform);
                    // Of each kind many may be told, and none hides the other.
                    for (id, warning) in [("L2.P.9", unpinned), ("L2.V.8", renamed)] {
                        let told = warning.as_deref();
                        let check = told.map(|told| Check::new(id, Outcome::Warn, &path, told));
                        check.into_iter().for_each(|check| inputs.told.push(check));
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
        unpinned: Option<String>,
        renamed: Option<String>,
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

/// Where the attestations of inputs are looked for, and by what they are judged.
struct Search<'a> {
    /// The statement that has the inputs.
    of: &'a Digest,
    hosts: &'a [String],
    trust: &'a Trust,
    attestations: &'a mut dyn Attestations,
    now: &'a DateTime,
    effort: &'a mut Effort,
}

impl Search<'_> {
    /// Looks at what an input refers to: by its digest here, else where the reference leads and the
    /// policy allows it. What is here and does not verify can be put here by anyone, and hides
    /// nothing that lies there.
    fn look(&mut self, input: &Input) -> Found {
        let name = input.name.as_str();
        let Some(reference) = &input.attestation_ref else {
            let message = format!("input {name:?} has no attestationRef");
            return Found::Contradicts("L2.P.9", message);
        };
        let reference = reference.as_str();
        let pinned = Attestation::pinned_id(reference);
        let here = match pinned.map(|id| self.here(id, input)) {
            Some(verified @ Found::Verified { .. }) => return verified,
            other => other,
        };
        let there = match self.attestations.at(reference, self.hosts) {
            Ok(None) => None,
            Ok(Some(found)) => Some(self.there(pinned, found, input)),
            Err(error) => Some(Found::NotTold(format!(
                "input {name:?}: {} could not be fetched: {error}",
                shown(reference)
            ))),
        };
        match (here, there) {
            (_, Some(verified @ Found::Verified { .. })) => verified,
            (Some(contradicts @ Found::Contradicts(..)), _) => contradicts,
            (_, Some(there)) => there,
            (Some(here), None) => here,
            (None, None) => Found::NotTold(format!(
                "input {name:?} refers to {}, which holds no digest, and is followed only if it is a URL \
                 without user name of a host that the policy allows (ref-hosts)",
                shown(reference)
            )),
        }
    }

    fn here(&mut self, id: Digest, input: &Input) -> Found {
        let name = input.name.as_str();
        match self.attestations.with_id(&id) {
            Err(error) => Found::NotTold(format!(
                "input {name:?}: sha256:{id} could not be read: {error}"
            )),
            Ok(found) if found.is_empty() => Found::NotTold(format!(
                "input {name:?}: its attestation sha256:{id} was not found"
            )),
            // A place that hands out another statement than was asked for is not believed.
            Ok(found) => self.verified(Place::of(id, found, None, name), input),
        }
    }

    fn there(&mut self, pinned: Option<Digest>, found: Vec<Attestation>, input: &Input) -> Found {
        let name = input.name.as_str();
        let reference = input.attestation_ref.as_ref().map(|one| one.as_str());
        let reference = shown(reference.unwrap_or_default());
        let mut ids = found.iter().map(|one| one.id);
        match (pinned, ids.next()) {
            (Some(id), Some(first)) if first == id || ids.any(|other| other == id) => {
                self.verified(Place::of(id, found, None, name), input)
            }
            (Some(id), _) => {
                let message =
                    format!("input {name:?}: what lies at {reference} is another than sha256:{id}");
                Found::Contradicts("L2.V.8", message)
            }
            (None, Some(id)) if ids.all(|other| other == id) => {
                let unpinned = format!(
                    "unpinned: input {name:?} refers to {reference} without a digest, where sha256:{id} \
                     lies now"
                );
                self.verified(Place::of(id, found, Some(unpinned), name), input)
            }
            (None, _) => Found::NotTold(format!(
                "input {name:?}: {reference} holds no statement or several, and which one is meant is \
                 not said"
            )),
        }
    }

    fn verified(&mut self, place: Result<Place, Found>, input: &Input) -> Found {
        match place {
            Ok(place) if place.id == *self.of => {
                let message = format!(
                    "input {:?} is attested by its own output",
                    input.name.as_str()
                );
                Found::Contradicts("L2.V.9", message)
            }
            Ok(place) => look(input, place, self.trust, self.now, self.effort),
            Err(found) => found,
        }
    }
}

/// A reference as it is told.
fn shown(reference: &str) -> String {
    format!("{:?}", address_without_secrets(reference))
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
    if envelopes.is_empty() {
        return Found::NotTold(format!(
            "input {name:?}: the budget of signatures for one verdict was reached before its attestation \
             sha256:{id}"
        ));
    }
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
    effort.refund(&envelopes, trust);
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
        unpinned,
        renamed,
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
