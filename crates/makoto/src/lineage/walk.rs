//! The walk itself: breadth first, each stage read once, within a budget.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use super::{Direction, Found, Library, Lineage, Link, Producer, Reach, Stage, cycle};
use crate::attestation::Attestation;
use crate::digest::Digest;
use crate::json::Json;
use crate::report::{Check, Level, Outcome};
use crate::statement::{Statement, Times, same_facts};

/// Findings of one kind that are listed one by one; the rest is counted.
const MOST_CHECKS: usize = 1_000;

/// Other attestations of an input that are compared with the one it refers to. Who floods a
/// library with statements about one dataset must not make every walk long.
const MOST_COMPARED: usize = 8;

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
        looked_up: HashMap::new(),
        queue: VecDeque::new(),
        unlisted: 0,
        budget_told: false,
    };
    match direction {
        Direction::Back => walk.back(),
        Direction::Forward => walk.forward(),
    }
    walk.finish()
}

struct Walk<'a, L> {
    library: &'a mut L,
    reach: Reach,
    lineage: Lineage,
    /// Where each id stands among the stages, or why it does not.
    known: HashMap<Digest, Result<usize, NoStage>>,
    /// What is about a dataset, once it was asked: many steps read the same tables.
    looked_up: HashMap<Digest, Rc<[Digest]>>,
    /// Stages whose links were not followed yet.
    queue: VecDeque<usize>,
    unlisted: usize,
    budget_told: bool,
}

/// Why an attestation is no stage of the lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoStage {
    /// It is not here.
    Absent,
    /// It is here and says nothing that can be used.
    Invalid,
    /// The budget was reached before it was read.
    Beyond,
}

impl<L: Library> Walk<'_, L> {
    fn back(&mut self) {
        let target = self.lineage.target;
        let ids = self.about(&target);
        let mut tops = Vec::new();
        for id in ids.iter() {
            let stage = self.stage(id, 0).ok();
            let is_about = |stage: &usize| self.lineage.stages[*stage].subject(&target).is_some();
            tops.extend(stage.filter(is_about));
        }
        if tops.is_empty() {
            let message = format!("no attestation about sha256:{target} was found");
            self.check("V1", Outcome::Skip, "", message);
        }
        self.tell_conflicts(&tops, "the dataset");
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
                if reference.is_some() {
                    let message = "has an attestationRef without a digest, which is not followed; \
                                   attestations were looked up by the digest of the data";
                    self.check_input(reader, index, Outcome::Warn, message);
                }
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
        match self.stage(id, distance) {
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
            Ok(stage) if self.lineage.stages[stage].subject(&sha256).is_none() => {
                let message = format!(
                    "refers to sha256:{id}, which is about other data: none of its subjects has \
                     sha256 {sha256}"
                );
                self.check_input(reader, index, Outcome::Fail, message);
                Producer::Missing
            }
            Ok(stage) => {
                self.tell_name(reader, index, stage);
                // What else is said about these bytes is compared, and not walked.
                let others = about.iter().filter(|other| *other != id);
                for other in others.take(MOST_COMPARED) {
                    self.tell_other(reader, index, stage, other);
                }
                Producer::Stage(stage)
            }
        }
    }

    fn follow_digest(&mut self, reader: usize, index: usize, about: &[Digest], distance: usize) {
        let sha256 = self.lineage.stages[reader].inputs()[index].digest.sha256;
        let mut producers = Vec::new();
        let mut beyond = false;
        for id in about {
            match self.stage(id, distance) {
                Ok(stage) if self.lineage.stages[stage].subject(&sha256).is_some() => {
                    producers.push(stage);
                }
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
        }
        match (producers.is_empty(), beyond) {
            (false, _) => {
                let name = self.lineage.stages[reader].inputs()[index]
                    .name
                    .as_str()
                    .to_owned();
                self.tell_conflicts(&producers, &format!("input {name:?}"));
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
            let Ok(reader) = self.stage(&id, distance) else {
                continue;
            };
            if Some(reader) == producer {
                continue;
            }
            let inputs = self.lineage.stages[reader].inputs().iter();
            let inputs: Vec<_> = inputs
                .enumerate()
                .filter(|(_, input)| input.digest.sha256 == *sha256)
                .map(|(index, _)| index)
                .collect();
            for input in &inputs {
                if let Some(producer) = producer {
                    self.link(reader, *input, Producer::Stage(producer), true);
                }
            }
            if !inputs.is_empty() {
                found.push(reader);
            }
        }
        found
    }

    /// The stage with this id, read if it was not yet.
    fn stage(&mut self, id: &Digest, distance: usize) -> Result<usize, NoStage> {
        if let Some(known) = self.known.get(id) {
            return *known;
        }
        if self.lineage.stages.len() >= self.reach.stages {
            self.tell_budget(false);
            return Err(NoStage::Beyond);
        }
        let read = self.read(id, distance);
        self.known.insert(*id, read);
        if let Ok(stage) = read {
            self.queue.push_back(stage);
        }
        read
    }

    fn read(&mut self, id: &Digest, distance: usize) -> Result<usize, NoStage> {
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
        let stage = Stage::new(found, statement, distance);
        self.lineage.stages.push(stage);
        Ok(self.lineage.stages.len() - 1)
    }

    fn fetch(&mut self, id: &Digest) -> Result<Found, NoStage> {
        match self.library.get(id) {
            Ok(Some(found)) if found.attestation.id == *id => Ok(found),
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
            .map(|subject| subject.name.as_str())
            .collect();
        let name = input.name.as_str();
        if let (Some(first), false) = (names.first(), names.contains(&name)) {
            let message = format!("is {name:?}, but its attestation calls the same data {first:?}");
            self.check_input(reader, index, Outcome::Warn, message);
        }
    }

    /// Warns when `stages`, which are about the same data, do not say the same.
    fn tell_conflicts(&mut self, stages: &[usize], what: &str) {
        let Some((first, others)) = stages.split_first() else {
            return;
        };
        let facts = |stage: &usize| self.lineage.stages[*stage].statement.to_json();
        let facts_of_first = facts(first);
        let differ = |other: &&usize| !same_facts(&facts_of_first, &facts(other), Times::Ignore);
        let conflicting: Vec<_> = others.iter().filter(differ).collect();
        if conflicting.is_empty() {
            return;
        }
        let name = |stage: &usize| {
            let stage = &self.lineage.stages[*stage];
            format!("sha256:{} ({})", stage.id, stage.title())
        };
        let names: Vec<_> = std::iter::once(first)
            .chain(conflicting)
            .map(name)
            .collect();
        let message = format!(
            "conflicting attestations of {what} say different things: {}",
            names.join(" and ")
        );
        self.check("D1", Outcome::Warn, "", message);
    }

    /// Compares another attestation of the same data with the one that an input refers to.
    fn tell_other(&mut self, reader: usize, index: usize, chosen: usize, other: &Digest) {
        let statement = match self.known.get(other) {
            Some(Ok(stage)) => self.lineage.stages[*stage].statement.to_json(),
            Some(Err(_)) => return,
            None => match self.fetch(other) {
                Ok(found) => found.attestation.statement,
                Err(_) => return,
            },
        };
        let chosen = &self.lineage.stages[chosen];
        let sha256 = self.lineage.stages[reader].inputs()[index]
            .digest
            .sha256
            .to_string();
        let subjects = statement.get("subject").and_then(Json::as_array);
        let digest = |subject: &Json| {
            subject
                .get("digest")?
                .get("sha256")?
                .as_str()
                .map(str::to_owned)
        };
        let is_about = subjects
            .unwrap_or_default()
            .iter()
            .any(|subject| digest(subject).as_ref() == Some(&sha256));
        if is_about && !same_facts(&chosen.statement.to_json(), &statement, Times::Ignore) {
            let message = format!(
                "comes from sha256:{}; conflicting: sha256:{other} says something else of the same data",
                chosen.id
            );
            let path = self.path_of(reader, index);
            self.check("D1", Outcome::Warn, &path, message);
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
        } = self.reach;
        let message = match (too_far, depth) {
            (true, Some(depth)) => {
                format!("the walk stopped {depth} step(s) from the dataset, as asked")
            }
            _ => format!("the walk stopped at its budget of {stages} stages and {links} links"),
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
        let path = self.path_of(reader, index);
        let stage = &self.lineage.stages[reader];
        let input = stage.inputs()[index].name.as_str();
        let message = format!("input {input:?} of {:?} {}", stage.title(), message.into());
        self.check("L2.V.8", outcome, &path, message);
    }

    fn check(
        &mut self,
        id: &'static str,
        outcome: Outcome,
        path: &str,
        message: impl Into<String>,
    ) {
        // A failure is never crowded out.
        if self.lineage.checks.len() >= MOST_CHECKS && outcome != Outcome::Fail {
            self.unlisted += 1;
            return;
        }
        self.lineage
            .checks
            .push(Check::new(id, outcome, path, message));
    }

    fn path_of(&self, reader: usize, index: usize) -> String {
        format!(
            "sha256:{}/predicate.inputs[{index}]",
            self.lineage.stages[reader].id
        )
    }

    fn finish(mut self) -> Lineage {
        if self.lineage.direction == Direction::Back {
            cycle::resolve(&mut self.lineage);
            self.sum_up();
        }
        if self.unlisted > 0 {
            let message = format!("{} more findings are not listed", self.unlisted);
            self.lineage
                .checks
                .push(Check::new("L2.V.9", Outcome::Warn, "", message));
        }
        self.lineage
    }

    fn sum_up(&mut self) {
        let lineage = &mut self.lineage;
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
        lineage
            .checks
            .push(Check::new("L2.V.9", outcome, "", message));
    }
}
