//! Attestations of the same data that do not say the same (D1).

use std::rc::Rc;

use super::Library;
use super::walk::Walk;
use crate::digest::Digest;
use crate::json::Json;
use crate::report::Outcome;
use crate::statement::{Times, facts_digest};

/// Other attestations of an input that are compared with the one it refers to. Who floods a
/// library with statements about one dataset must not make every walk long.
const MOST_COMPARED: usize = 8;

/// Attestations that are named in the message about a conflict.
const MOST_NAMED: usize = 8;

/// What an attestation says, in a form that is compared in no time: many inputs may have been
/// made by the same few steps, and each statement may be long.
pub(super) struct Facts {
    digest: Option<Digest>,
    /// Digests of its subjects, sorted.
    about: Vec<Digest>,
    /// Digest of its inputs, when they all have the same.
    only_input: Option<Digest>,
}

impl Facts {
    fn of(
        statement: &Json,
        about: impl Iterator<Item = Digest>,
        mut inputs: impl Iterator<Item = Digest>,
    ) -> Rc<Self> {
        let mut about: Vec<_> = about.collect();
        about.sort_unstable();
        let first = inputs.next();
        Rc::new(Self {
            digest: facts_digest(statement, Times::Ignore),
            about,
            only_input: first.filter(|first| inputs.all(|input| input == *first)),
        })
    }

    /// Whether it says of data only that it was made of itself, by a step that changed nothing.
    /// That contradicts nobody.
    fn is_echo_of(&self, sha256: &Digest) -> bool {
        self.only_input.as_ref() == Some(sha256)
    }

    fn differ_from(&self, other: &Self, sha256: &Digest) -> bool {
        let same = self.digest.is_some() && self.digest == other.digest;
        !same && !self.is_echo_of(sha256) && !other.is_echo_of(sha256)
    }
}

impl<L: Library> Walk<'_, L> {
    /// Warns when `stages`, which are about the data of this digest, do not say the same.
    pub(super) fn tell_conflicts(&mut self, stages: &[usize], sha256: &Digest, what: &str) {
        if stages.len() < 2 {
            return;
        }
        let mut first = None;
        let mut conflicting = Vec::new();
        for stage in stages {
            let facts = self.facts_of_stage(*stage);
            if facts.is_echo_of(sha256) {
                continue;
            }
            let (_, of_first) = first.get_or_insert_with(|| (*stage, Rc::clone(&facts)));
            if facts.differ_from(of_first, sha256) {
                conflicting.push(*stage);
            }
        }
        let Some((first, _)) = first.filter(|_| !conflicting.is_empty()) else {
            return;
        };
        conflicting.insert(0, first);
        let name = |stage: &usize| {
            let stage = &self.lineage.stages[*stage];
            format!("sha256:{} ({:?})", stage.id, stage.title())
        };
        let names: Vec<_> = conflicting.iter().take(MOST_NAMED).map(name).collect();
        let more = match conflicting.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "conflicting attestations of {what} say different things: {}{more}",
            names.join(" and ")
        );
        self.check("D1", Outcome::Warn, "", message);
    }

    /// Compares what else is said about the data of an input with the attestation that it refers
    /// to. Those others are not walked.
    pub(super) fn tell_others(
        &mut self,
        reader: usize,
        index: usize,
        chosen: usize,
        about: &[Digest],
    ) {
        let chosen_id = self.lineage.stages[chosen].id;
        let others = about.iter().filter(|other| **other != chosen_id);
        let count = others.clone().count();
        for other in others.take(MOST_COMPARED) {
            self.tell_other(reader, index, chosen, other);
        }
        if count > MOST_COMPARED {
            let message = format!(
                "comes from sha256:{chosen_id}; {count} other attestations are about the same data, and \
                 only {MOST_COMPARED} of them were compared"
            );
            let path = self.path_of(reader, index);
            self.check("D1", Outcome::Skip, &path, message);
        }
    }

    fn tell_other(&mut self, reader: usize, index: usize, chosen: usize, other: &Digest) {
        let Some(facts) = self.facts_of(other) else {
            return;
        };
        let sha256 = self.lineage.stages[reader].inputs()[index].digest.sha256;
        let is_about = facts.about.binary_search(&sha256).is_ok();
        if is_about && facts.differ_from(&self.facts_of_stage(chosen), &sha256) {
            let message = format!(
                "comes from sha256:{}; conflicting: sha256:{other} says something else of the same data",
                self.lineage.stages[chosen].id
            );
            let path = self.path_of(reader, index);
            self.check("D1", Outcome::Warn, &path, message);
        }
    }

    fn facts_of(&mut self, id: &Digest) -> Option<Rc<Facts>> {
        if let Some(known) = self.facts.get(id) {
            return known.clone();
        }
        match self.known.get(id) {
            Some(Ok(stage)) => return Some(self.facts_of_stage(*stage)),
            Some(Err(_)) => return None,
            None => {}
        }
        let read = self.fetch(id).ok().map(|found| {
            let one = &found.attestation;
            Facts::of(&one.statement, one.subjects(), one.inputs())
        });
        self.facts.insert(*id, read.clone());
        read
    }

    fn facts_of_stage(&mut self, stage: usize) -> Rc<Facts> {
        let stage = &self.lineage.stages[stage];
        if let Some(Some(known)) = self.facts.get(&stage.id) {
            return Rc::clone(known);
        }
        let subjects = stage.statement.subject.as_slice().iter();
        let about = subjects.map(|subject| subject.digest.sha256);
        let inputs = stage.inputs().iter().map(|input| input.digest.sha256);
        let facts = Facts::of(&stage.statement.to_json(), about, inputs);
        self.facts.insert(stage.id, Some(Rc::clone(&facts)));
        facts
    }
}
