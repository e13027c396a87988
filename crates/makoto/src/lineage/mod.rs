//! Lineage: the attestations behind a dataset, back to its origins, or forward to what was made
//! of it.
//!
//! Attestations are joined by digests: a transform lists its inputs with their SHA-256 and, as a
//! rule, refers to the attestation of each. Everything here is about documents; whether a
//! dataset still has the digest that they tell is the business of [`verify`](crate::verify). No
//! signature is checked, so a whole lineage is worth L1 at most.

mod conflict;
mod cycle;
mod draw;
mod told;
mod walk;

use std::fmt;

use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::predicate::transform::Input;
use crate::predicate::{Predicate, PredicateType};
use crate::report::{Check, Level, Outcome, Report, Verdict};
use crate::statement::{Statement, Subject};

pub use draw::Drawing;
pub(crate) use told::Told;

/// Where a walk finds attestations. What it hands out is checked again: an id is the digest of
/// what was read, and a statement counts only for the digests that stand in it.
pub trait Library {
    /// Why it could not look.
    type Error: fmt::Display;

    /// Ids of the attestations with a subject of this SHA-256.
    ///
    /// # Errors
    /// When it could not look.
    fn about(&mut self, sha256: &Digest) -> Result<Vec<Digest>, Self::Error>;

    /// Ids of the attestations with an input of this SHA-256.
    ///
    /// # Errors
    /// When it could not look.
    fn reading(&mut self, sha256: &Digest) -> Result<Vec<Digest>, Self::Error>;

    /// The attestation with this id, if it is there.
    ///
    /// # Errors
    /// When it could not look.
    fn get(&mut self, id: &Digest) -> Result<Option<Found>, Self::Error>;
}

/// An attestation, and where it lies.
#[derive(Debug, Clone)]
pub struct Found {
    /// The attestation.
    pub attestation: Attestation,
    /// Where it was found, for people.
    pub places: Vec<String>,
    /// Bytes of its document.
    pub bytes: u64,
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Steps from the dataset; everything when `None`.
    pub depth: Option<usize>,
    /// Stages that are read.
    pub stages: usize,
    /// Links that are followed.
    pub links: usize,
    /// Bytes of attestations that are read.
    pub bytes: u64,
}

impl Reach {
    /// As far as the budgets of this product allow, or `depth` steps.
    pub fn within_limits(depth: Option<usize>) -> Self {
        Self {
            depth,
            stages: Limits::DEFAULT.lineage_stages,
            links: Limits::DEFAULT.lineage_links,
            bytes: Limits::DEFAULT.lineage_bytes,
        }
    }
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what the dataset was made of.
    Back,
    /// To what was made of the dataset.
    Forward,
}

/// One attestation of a lineage: an origin, a step or a window.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its id.
    pub id: Digest,
    /// What it says. Its form was checked; who says it was not.
    pub statement: Statement,
    /// Where it was found, for people.
    pub places: Vec<String>,
    /// Signatures around it, none of them verified; `None` when it has no envelope.
    pub unverified_signatures: Option<usize>,
    /// Steps from the dataset.
    pub distance: usize,
    /// Digests of the subjects with their places, sorted: a statement may have a hundred
    /// thousand subjects, and as many inputs that ask for them.
    by_digest: Vec<(Digest, usize)>,
    /// The same of its inputs.
    inputs_by_digest: Vec<(Digest, usize)>,
}

impl Stage {
    fn new(found: Found, statement: Statement, distance: usize) -> Self {
        let sorted = |digests: &mut dyn Iterator<Item = Digest>| -> Vec<(Digest, usize)> {
            let places = digests.enumerate().map(|(at, digest)| (digest, at));
            let mut sorted: Vec<_> = places.collect();
            sorted.sort_unstable();
            sorted
        };
        let mut subjects = statement.subject.as_slice().iter();
        let mut inputs = inputs_of(&statement).iter();
        Self {
            by_digest: sorted(&mut subjects.by_ref().map(|one| one.digest.sha256)),
            inputs_by_digest: sorted(&mut inputs.by_ref().map(|one| one.digest.sha256)),
            id: found.attestation.id,
            unverified_signatures: found.attestation.unverified_signatures(),
            places: found.places,
            statement,
            distance,
        }
    }

    /// The URI by which statements refer to it.
    pub fn reference(&self) -> String {
        Attestation::reference_to(&self.id)
    }

    /// What it lists as inputs; nothing for an origin or a window.
    pub fn inputs(&self) -> &[Input] {
        inputs_of(&self.statement)
    }

    /// The first subject of this digest.
    pub fn subject(&self, sha256: &Digest) -> Option<&Subject> {
        self.subjects(sha256).next()
    }

    /// Every subject of this digest: the same bytes may go by several names.
    pub fn subjects(&self, sha256: &Digest) -> impl Iterator<Item = &Subject> {
        let subjects = self.statement.subject.as_slice();
        places_of(&self.by_digest, sha256).map(|at| &subjects[at])
    }

    /// Places of the inputs of this digest.
    fn inputs_with(&self, sha256: &Digest) -> impl Iterator<Item = usize> {
        places_of(&self.inputs_by_digest, sha256)
    }

    /// Whether data enters the lineage here.
    pub fn is_origin(&self) -> bool {
        self.statement.predicate.kind() != PredicateType::Transform
    }

    /// What it is called: the step's own name, or the source.
    pub fn title(&self) -> String {
        match &self.statement.predicate {
            Predicate::Origin(origin) => origin.origin.source.as_str().to_owned(),
            Predicate::StreamWindow(window) => window.stream.id.as_str().to_owned(),
            Predicate::Transform(transform) => {
                let step = &transform.transform;
                let kind = step.kind.as_str();
                let short = kind.trim_end_matches('/').rsplit('/').next();
                let name = step.name.as_ref().map(|name| name.as_str());
                let name = name.filter(|name| !name.trim().is_empty());
                name.or(short).unwrap_or(kind).to_owned()
            }
        }
    }

    /// Names of its subjects, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let subjects = self.statement.subject.as_slice().iter();
        subjects.map(|subject| subject.name.as_str())
    }
}

fn inputs_of(statement: &Statement) -> &[Input] {
    match &statement.predicate {
        Predicate::Transform(transform) => transform.inputs.as_slice(),
        Predicate::Origin(_) | Predicate::StreamWindow(_) => &[],
    }
}

/// Places of a digest among sorted ones.
fn places_of(sorted: &[(Digest, usize)], sha256: &Digest) -> impl Iterator<Item = usize> {
    let start = sorted.partition_point(|(digest, _)| digest < sha256);
    let same = sorted[start..].iter();
    same.take_while(move |(digest, _)| digest == sha256)
        .map(|(_, at)| *at)
}

/// An input of a stage, and what was found behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The stage that reads it.
    pub reader: usize,
    /// Which of its inputs.
    pub input: usize,
    /// What made it.
    pub producer: Producer,
    /// Whether this is the one stage that it comes from, and not one of several that are about
    /// the same bytes.
    pub certain: bool,
}

/// What stands behind an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// A stage with a subject of the input's digest.
    Stage(usize),
    /// Nothing that was found here.
    Missing,
    /// Nobody looked: the walk had reached its end.
    Beyond,
}

/// A walked lineage.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// Which way it was walked.
    pub direction: Direction,
    /// SHA-256 of the dataset that it starts at.
    pub target: Digest,
    /// The stages that are about the dataset; forward, those that read it.
    pub tops: Vec<usize>,
    /// Every stage once, nearest first.
    pub stages: Vec<Stage>,
    /// Every input of every stage. Forward, only those by which a stage was reached.
    pub links: Vec<Link>,
    /// What was found on the way.
    pub checks: Vec<Check>,
}

impl Lineage {
    /// Walks from the dataset of digest `target`.
    pub fn walk<L: Library>(
        library: &mut L,
        target: Digest,
        direction: Direction,
        reach: Reach,
    ) -> Self {
        walk::walk(library, target, direction, reach)
    }

    /// The input that a link is about.
    pub fn input(&self, link: &Link) -> &Input {
        &self.stages[link.reader].inputs()[link.input]
    }

    /// The stages at which data enters.
    pub fn origins(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|stage| stage.is_origin())
    }

    /// Whether the walk reached an origin on every way back. A walk forward has no such end:
    /// it is never known who else read a dataset.
    pub fn is_complete(&self) -> bool {
        let found = |link: &Link| matches!(link.producer, Producer::Stage(_));
        self.direction == Direction::Back && !self.tops.is_empty() && self.links.iter().all(found)
    }

    /// Level of the whole: of a complete lineage without contradiction L1, since no signature
    /// was verified; else none.
    pub fn level(&self) -> Option<Level> {
        let failed = |check: &Check| check.outcome == Outcome::Fail;
        let holds = self.is_complete() && !self.checks.iter().any(failed);
        holds.then_some(Level::L1)
    }

    /// The verdict: a contradiction fails, and what is not complete cannot be told (FORMATS §6).
    pub fn report(&self, now: DateTime) -> Report {
        let mut report = Report::from_checks(self.checks.clone(), now);
        let open = match self.direction {
            Direction::Back => !self.is_complete(),
            // Whatever could not be looked at may have read the data.
            Direction::Forward => {
                let skipped = |check: &Check| check.outcome == Outcome::Skip;
                self.checks.iter().any(skipped)
            }
        };
        if report.verdict == Verdict::Pass && open {
            report.verdict = Verdict::Unknown;
        }
        report.level = self.level();
        report.lineage_level = self.level();
        report
    }

    /// The stages, each after everything that it was made of; the order of equals follows from
    /// their names. Empty when there is a cycle.
    pub fn in_order(&self) -> Vec<usize> {
        cycle::in_order(self)
    }
}

#[cfg(test)]
pub(crate) mod tests;
