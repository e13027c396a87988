//! The walk itself: breadth first, each stage read once, within a budget.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use super::conflict::Facts;
use super::told::Told;
use super::{Direction, Found, Library, Lineage, Link, Producer, Reach, Stage, cycle};
use crate::attestation::Attestation;
use crate::digest::Digest;
use crate::json::Json;
use crate::predicate::transform::{Interval, IntervalUnit};
use crate::report::{Check, Level, Outcome};
use crate::statement::{Statement, Subject};

/// Names of one dataset in one statement that an input's name is compared with.
const MOST_NAMES: usize = 1_000;

pub(super) fn walk<L: Library>(
    library: &mut L,
    target: Digest,
    direction: Direction,
    reach: Reach,
) -> Lineage {
    let mut walk = Walk {
        library,
        reach,
        lineage: Lineage {
            direction,
            target,
            tops: Vec::new(),
            stages: Vec::new(),
            links: Vec::new(),
            checks: Vec::new(),
        },
        known: HashMap::new(),
        other_data: HashSet::new(),
        looked_up: HashMap::new(),
        facts: HashMap::new(),
        queue: VecDeque::new(),
        bytes: 0,
        told: Told::default(),
        budget_told: false,
    };
    match direction {
        Direction::Back => walk.back(),
        Direction::Forward => walk.forward(),
    }
    walk.finish()
}

pub(super) struct Walk<'a, L> {
    library: &'a mut L,
    reach: Reach,
    pub(super) lineage: Lineage,
    /// Where each id stands among the stages, or why it does not.
    pub(super) known: HashMap<Digest, Result<usize, NoStage>>,
    /// Attestations that were read and are not about the data for which they were.
    other_data: HashSet<(Digest, Digest)>,
    /// What is about a dataset, once it was asked: many steps read the same tables.
    looked_up: HashMap<Digest, Rc<[Digest]>>,
    /// What attestations say, as far as they were compared.
    pub(super) facts: HashMap<Digest, Option<Rc<Facts>>>,
    /// Stages whose links were not followed yet.
    queue: VecDeque<usize>,
    /// Bytes of the documents that were read.
    bytes: u64,
    told: Told,
    budget_told: bool,
}

/// What an attestation must have to do with a dataset to be taken for a stage.
#[derive(Debug, Clone, Copy)]
enum Tie {
    /// It is about it.
    About(Digest),
    /// It reads it.
    Reads(Digest),
}

impl Tie {
    fn holds(self, stage: &Stage) -> bool {
        match self {
            Self::About(sha256) => stage.subject(&sha256).is_some(),
            Self::Reads(sha256) => stage.inputs_with(&sha256).next().is_some(),
        }
    }

    fn sha256(self) -> Digest {
        match self {
            Self::About(sha256) | Self::Reads(sha256) => sha256,
        }
    }
}

/// Why an attestation is no stage of the lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoStage {
    /// It is not here.
    Absent,
    /// It is here and says nothing that can be used.
    Invalid,
    /// It is here and has nothing to do with the data for which it was read.
    OtherData,
    /// The budget was reached before it was read.
    Beyond,
}

impl<L: Library> Walk<'_, L> {
    fn back(&mut self) {
        let target = self.lineage.target;
        let ids = self.about(&target);
        let mut tops = Vec::new();
        for id in ids.iter() {
            tops.extend(self.stage(id, Tie::About(target), 0).ok());
        }
        if tops.is_empty() {
            let message = format!("no attestation about sha256:{target} was found");
            self.check("V1", Outcome::Skip, "", message);
        }
        self.tell_conflicts(&tops, &target, "the dataset");
        self.lineage.tops = tops;
        while let Some(reader) = self.queue.pop_front() {
            for input in 0..self.lineage.stages[reader].inputs().len() {
                self.follow(reader, input);
            }
        }
    }

    /// Finds what made an input.
    fn follow(&mut self, reader: usize, index: usize) {
        let stage = &self.lineage.stages[reader];
        let distance = stage.distance + 1;
        let input = &stage.inputs()[index];
        let sha256 = input.digest.sha256;
        let reference = input
            .attestation_ref
            .as_ref()
            .map(|r| r.as_str().to_owned());
        let too_far = self.reach.depth.is_some_and(|depth| distance > depth);
        if too_far || self.lineage.links.len() >= self.reach.links {
            self.tell_budget(too_far);
            self.link(reader, index, Producer::Beyond, true);
            return;
        }
        let about = self.about(&sha256);
        let pinned = reference.as_deref().and_then(Attestation::pinned_id);
        match pinned {
            Some(id) => {
                let producer = self.follow_reference(reader, index, &id, &about, distance);
                self.link(reader, index, producer, true);
            }
            None => {
                let (id, has) = match reference {
                    Some(_) => (
                        "L2.V.8",
                        "an attestationRef without a digest, which is not followed",
                    ),
                    None => ("L2.P.9", "no attestationRef"),
                };
                let message =
                    format!("has {has}; attestations were looked up by the digest of the data");
                self.tell(id, reader, index, Outcome::Warn, message);
                self.follow_digest(reader, index, &about, distance);
            }
        }
    }

    fn follow_reference(
        &mut self,
        reader: usize,
        index: usize,
        id: &Digest,
        about: &[Digest],
        distance: usize,
    ) -> Producer {
        let sha256 = self.lineage.stages[reader].inputs()[index].digest.sha256;
        match self.stage(id, Tie::About(sha256), distance) {
            Err(NoStage::Beyond) => Producer::Beyond,
            Err(NoStage::Absent) => {
                let others = match about.len() {
                    0 => String::new(),
                    count => {
                        format!("; {count} other(s) about the same data were, and are not used")
                    }
                };
                let message = format!("refers to sha256:{id}, which was not found{others}");
                self.check_input(reader, index, Outcome::Skip, message);
                Producer::Missing
            }
            Err(NoStage::Invalid) => {
                let message = format!("refers to sha256:{id}, which is not valid");
                self.check_input(reader, index, Outcome::Fail, message);
                Producer::Missing
            }
            Err(NoStage::OtherData) => {
                let message = format!(
                    "refers to sha256:{id}, which is about other data: none of its subjects has \
                     sha256 {sha256}"
                );
                self.check_input(reader, index, Outcome::Fail, message);
                Producer::Missing
            }
            Ok(stage) => {
                self.tell_name(reader, index, stage);
                self.tell_interval(reader, index, stage);
                self.tell_others(reader, index, stage, about);
                Producer::Stage(stage)
            }
        }
    }

    fn follow_digest(&mut self, reader: usize, index: usize, about: &[Digest], distance: usize) {
        let sha256 = self.lineage.stages[reader].inputs()[index].digest.sha256;
        let mut producers = Vec::new();
        let mut beyond = false;
        for id in about {
            match self.stage(id, Tie::About(sha256), distance) {
                Ok(stage) => producers.push(stage),
                Err(NoStage::Beyond) => beyond = true,
                _ => {}
            }
        }
        // A step that changes nothing is about its own input; what it read came from elsewhere.
        if producers.len() > 1 {
            producers.retain(|producer| *producer != reader);
        }
        for producer in &producers {
            let certain = producers.len() == 1;
            self.link(reader, index, Producer::Stage(*producer), certain);
            self.tell_name(reader, index, *producer);
            self.tell_interval(reader, index, *producer);
        }
        match (producers.is_empty(), beyond) {
            (false, _) => {
                let name = self.lineage.stages[reader].inputs()[index]
                    .name
                    .as_str()
                    .to_owned();
                self.tell_conflicts(&producers, &sha256, &format!("input {name:?}"));
            }
            (true, true) => self.link(reader, index, Producer::Beyond, true),
            (true, false) => {
                let message = format!("has no attestation here, sha256 {sha256}");
                self.check_input(reader, index, Outcome::Skip, message);
                self.link(reader, index, Producer::Missing, true);
            }
        }
    }

    fn forward(&mut self) {
        let target = self.lineage.target;
        self.lineage.tops = self.readers(&target, None, 0);
        while let Some(producer) = self.queue.pop_front() {
            let stage = &self.lineage.stages[producer];
            let distance = stage.distance + 1;
            let subjects = stage.statement.subject.as_slice();
            let digests: HashSet<_> = subjects.iter().map(|s| s.digest.sha256).collect();
            let mut digests: Vec<_> = digests.into_iter().collect();
            digests.sort();
            for digest in digests {
                self.readers(&digest, Some(producer), distance);
            }
        }
        if self.lineage.stages.is_empty() {
            let message = format!("nothing that was found here lists sha256:{target} as an input");
            self.check("L2.V.9", Outcome::Pass, "", message);
        }
    }

    /// Links the stages that read a dataset to the one that made it.
    fn readers(&mut self, sha256: &Digest, producer: Option<usize>, distance: usize) -> Vec<usize> {
        let too_far = self.reach.depth.is_some_and(|depth| distance >= depth);
        let ids = match self.library.reading(sha256) {
            Ok(ids) => ids,
            Err(error) => return self.cannot_look(sha256, &error.to_string()),
        };
        let mut found = Vec::new();
        for id in ids {
            if too_far || self.lineage.links.len() >= self.reach.links {
                self.tell_budget(too_far);
                break;
            }
            // A step that changes nothing reads what it makes; it is there already.
            let Ok(reader) = self.stage(&id, Tie::Reads(*sha256), distance) else {
                continue;
            };
            if Some(reader) == producer {
                continue;
            }
            let inputs: Vec<_> = self.lineage.stages[reader].inputs_with(sha256).collect();
            for input in &inputs {
                if let Some(producer) = producer {
                    self.link(reader, *input, Producer::Stage(producer), true);
                }
            }
            found.push(reader);
        }
        found
    }

    /// The stage with this id, read if it was not yet. Where an attestation is filed proves
    /// nothing: one that does not say that it has to do with the data is not taken.
    fn stage(&mut self, id: &Digest, tie: Tie, distance: usize) -> Result<usize, NoStage> {
        if let Some(known) = self.known.get(id) {
            let holds = |stage: &usize| tie.holds(&self.lineage.stages[*stage]);
            return known.and_then(|stage| match holds(&stage) {
                true => Ok(stage),
                false => Err(NoStage::OtherData),
            });
        }
        if self.other_data.contains(&(*id, tie.sha256())) {
            return Err(NoStage::OtherData);
        }
        if self.lineage.stages.len() >= self.reach.stages {
            self.tell_budget(false);
            return Err(NoStage::Beyond);
        }
        match self.read(id, distance) {
            Ok(stage) if !tie.holds(&stage) => {
                self.other_data.insert((*id, tie.sha256()));
                Err(NoStage::OtherData)
            }
            Ok(stage) => {
                let index = self.lineage.stages.len();
                self.lineage.stages.push(stage);
                self.known.insert(*id, Ok(index));
                self.queue.push_back(index);
                Ok(index)
            }
            Err(why) => {
                self.known.insert(*id, Err(why));
                Err(why)
            }
        }
    }

    fn read(&mut self, id: &Digest, distance: usize) -> Result<Stage, NoStage> {
        let mut found = self.fetch(id)?;
        let document = std::mem::replace(&mut found.attestation.statement, Json::Null);
        let (statement, checks) = Statement::read(document, Level::L1);
        let Some(statement) = statement else {
            let failed = checks.iter().find(|check| check.outcome == Outcome::Fail);
            let why = failed.map_or(String::new(), |check| {
                format!(": {} {}", check.path, check.message)
            });
            let places = found.places.join(", ");
            let message = format!("sha256:{id} in {places} is not valid{why}");
            self.check("V2", Outcome::Fail, "", message);
            return Err(NoStage::Invalid);
        };
        Ok(Stage::new(found, statement, distance))
    }

    /// Reads an attestation, as long as the budget of bytes lasts.
    pub(super) fn fetch(&mut self, id: &Digest) -> Result<Found, NoStage> {
        if self.bytes >= self.reach.bytes {
            self.tell_budget(false);
            return Err(NoStage::Beyond);
        }
        match self.library.get(id) {
            Ok(Some(found)) if found.attestation.id == *id => {
                self.bytes += found.bytes;
                Ok(found)
            }
            Ok(Some(found)) => {
                let message = format!(
                    "{} holds sha256:{}, and was taken for sha256:{id}",
                    found.places.join(", "),
                    found.attestation.id
                );
                self.check("L2.V.8", Outcome::Fail, "", message);
                Err(NoStage::Invalid)
            }
            Ok(None) => Err(NoStage::Absent),
            Err(error) => {
                let message = format!("sha256:{id} could not be read: {error}");
                self.check("L2.V.8", Outcome::Skip, "", message);
                Err(NoStage::Absent)
            }
        }
    }

    fn about(&mut self, sha256: &Digest) -> Rc<[Digest]> {
        if let Some(ids) = self.looked_up.get(sha256) {
            return Rc::clone(ids);
        }
        let ids: Rc<[Digest]> = match self.library.about(sha256) {
            Ok(ids) => ids.into(),
            Err(error) => {
                self.cannot_look(sha256, &error.to_string());
                Rc::from([])
            }
        };
        self.looked_up.insert(*sha256, Rc::clone(&ids));
        ids
    }

    fn cannot_look(&mut self, sha256: &Digest, error: &str) -> Vec<usize> {
        let message = format!("attestations of sha256:{sha256} could not be looked up: {error}");
        self.check("L2.V.8", Outcome::Skip, "", message);
        Vec::new()
    }

    fn link(&mut self, reader: usize, input: usize, producer: Producer, certain: bool) {
        self.lineage.links.push(Link {
            reader,
            input,
            producer,
            certain,
        });
    }

    /// Warns when the same bytes go by two names: the digest binds, a name is a claim.
    fn tell_name(&mut self, reader: usize, index: usize, producer: usize) {
        let input = &self.lineage.stages[reader].inputs()[index];
        let producer = &self.lineage.stages[producer];
        let names: Vec<_> = producer
            .subjects(&input.digest.sha256)
            .take(MOST_NAMES)
            .map(|subject| subject.name.as_str())
            .collect();
        let name = input.name.as_str();
        if let (Some(first), false) = (names.first(), names.contains(&name)) {
            let message = format!("is {name:?}, but its attestation calls the same data {first:?}");
            self.check_input(reader, index, Outcome::Warn, message);
        }
    }

    /// Warns when a step is said to have read more records than its input has.
    fn tell_interval(&mut self, reader: usize, index: usize, producer: usize) {
        let input = &self.lineage.stages[reader].inputs()[index];
        let records = input.interval.as_ref();
        let records = records.filter(|interval| interval.unit == IntervalUnit::Records);
        let Some((_, end)) = records.and_then(Interval::bounds) else {
            return;
        };
        let subject = self.lineage.stages[producer].subject(&input.digest.sha256);
        if let Some(count) = subject.and_then(Subject::records)
            && end > count
        {
            let message = format!("is read up to record {end}, but has {count} records");
            self.check_input(reader, index, Outcome::Warn, message);
        }
    }

    fn tell_budget(&mut self, too_far: bool) {
        if std::mem::replace(&mut self.budget_told, true) {
            return;
        }
        let Reach {
            depth,
            stages,
            links,
            bytes,
        } = self.reach;
        let message = match (too_far, depth) {
            (true, Some(depth)) => {
                format!("the walk stopped {depth} step(s) from the dataset, as asked")
            }
            _ => format!(
                "the walk stopped at its budget of {stages} stages, {links} links and {bytes} bytes of \
                 attestations"
            ),
        };
        self.check("L2.V.9", Outcome::Skip, "", message);
    }

    fn check_input(
        &mut self,
        reader: usize,
        index: usize,
        outcome: Outcome,
        message: impl Into<String>,
    ) {
        self.tell("L2.V.8", reader, index, outcome, message);
    }

    fn tell(
        &mut self,
        id: &'static str,
        reader: usize,
        index: usize,
        outcome: Outcome,
        message: impl Into<String>,
    ) {
        // Of millions of the same kind, only those that are listed are put into words.
        if !self.told.has_room(id, outcome, false) {
            return;
        }
        let path = self.path_of(reader, index);
        let stage = &self.lineage.stages[reader];
        let input = stage.inputs()[index].name.as_str();
        let message = format!("input {input:?} of {:?} {}", stage.title(), message.into());
        self.told.list(Check::new(id, outcome, &path, message));
    }

    pub(super) fn check(
        &mut self,
        id: &'static str,
        outcome: Outcome,
        path: &str,
        message: impl Into<String>,
    ) {
        self.told.push(Check::new(id, outcome, path, message));
    }

    pub(super) fn path_of(&self, reader: usize, index: usize) -> String {
        format!(
            "sha256:{}/predicate.inputs[{index}]",
            self.lineage.stages[reader].id
        )
    }

    fn finish(mut self) -> Lineage {
        if self.lineage.direction == Direction::Back {
            cycle::resolve(&mut self.lineage, &mut self.told);
            self.sum_up();
        }
        self.lineage.checks = self.told.into_checks("L2.V.9");
        self.lineage
    }

    fn sum_up(&mut self) {
        let lineage = &self.lineage;
        if lineage.stages.is_empty() {
            return;
        }
        let origins = lineage.origins().count();
        let missing = |what: Producer| lineage.links.iter().filter(|l| l.producer == what).count();
        let (missing, beyond) = (missing(Producer::Missing), missing(Producer::Beyond));
        let stages = lineage.stages.len();
        let (outcome, message) = match (origins, missing + beyond) {
            (0, _) => (
                Outcome::Skip,
                format!(
                    "no origin reached: {stages} stage(s), {missing} input(s) without an attestation"
                ),
            ),
            (_, 0) => (
                Outcome::Pass,
                format!(
                    "every way back ends at one of {origins} origin(s), over {stages} stage(s)"
                ),
            ),
            _ => (
                Outcome::Skip,
                format!(
                    "incomplete: {missing} input(s) without an attestation, {beyond} not looked at"
                ),
            ),
        };
        self.check("L2.V.9", outcome, "", message);
    }
}
