//! The statements about data that were found, and the one by which it is judged.

use std::collections::HashSet;

use super::evidence::{FolderReading, declared_settings};
use crate::attestation::Attestation;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::folder;
use crate::limits::Limits;
use crate::record::Settings;
use crate::report::{Check, Level, Outcome};
use crate::statement::{Statement, Subject};
use crate::validate::unverified_signatures;

/// The statements of an attestation file, each with what was found in it.
#[derive(Debug, Clone)]
pub struct Candidates(Vec<Candidate>);

/// One statement that was found.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: Digest,
    /// What is to be said of signatures that nobody checks.
    pub(super) signatures: Option<Check>,
    pub(super) envelope: Option<Box<Envelope>>,
    pub(super) statement: Option<Statement>,
    pub(super) checks: Vec<Check>,
}

impl Candidate {
    /// Whether there is any signature around it.
    pub(super) fn is_signed(&self) -> bool {
        let envelope = self.envelope.as_ref();
        envelope.is_some_and(|envelope| !envelope.unverified_signatures.is_empty())
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let statement = self.statement.iter();
        statement.flat_map(|statement| statement.subject.as_slice())
    }
}

/// The statement by which data is judged, and the subject in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) subject: Option<(usize, &'a Subject)>,
}

impl Candidates {
    /// Reads the statement in each of `attestations`.
    pub fn read(attestations: Vec<Attestation>) -> Self {
        let read = |attestation: Attestation| {
            let signatures = unverified_signatures(&attestation);
            let (statement, checks) = Statement::read(attestation.statement, Level::L1);
            Candidate {
                id: attestation.id,
                signatures,
                envelope: attestation.envelope,
                statement,
                checks,
            }
        };
        Self(attestations.into_iter().map(read).collect())
    }

    /// The record settings to try first, before the digest of the data is known: those of the
    /// newest statement (about `name`, if that is asked for).
    pub fn settings_to_try(&self, name: Option<&str>) -> Option<&Settings> {
        let newest_first = self.0.iter().rev().filter_map(|c| c.statement.as_ref());
        newest_first
            .flat_map(|statement| statement.subject.as_slice())
            .filter(|subject| name.is_none_or(|name| subject.name.as_str() == name))
            .find_map(declared_settings)
    }

    /// The record settings of the subject by which data of this digest will be judged, if one
    /// has the digest. The inner `None`: it declares none.
    pub fn settings_for(&self, sha256: &Digest, name: Option<&str>) -> Option<Option<&Settings>> {
        let (_, subject) = self.choose(sha256, name)?.subject?;
        (subject.digest.sha256 == *sha256).then(|| declared_settings(subject))
    }

    /// How a folder may have to be read, the most likely first: by the newest statement (about
    /// `name`, if that is asked for). None twice, and one more than are tried at most.
    pub fn folder_readings(&self, name: Option<&str>) -> Vec<FolderReading> {
        let newest_first = self.0.iter().rev().filter_map(|c| c.statement.as_ref());
        let subjects = newest_first.flat_map(|statement| statement.subject.as_slice());
        let mut folders: Vec<_> = subjects
            .filter(|subject| subject.digest.dir_hash.is_some())
            .collect();
        folders.sort_by_key(|subject| name.is_some_and(|name| subject.name.as_str() != name));
        let mut readings = Vec::new();
        for reading in folders.into_iter().map(FolderReading::of) {
            if readings.len() > Limits::DEFAULT.folder_readings {
                break;
            }
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        readings
    }

    /// How the folder is to be read by the subject by which a folder of this digest will be
    /// judged, if one has the digest.
    pub fn folder_reading_for(&self, sha256: &Digest, name: Option<&str>) -> Option<FolderReading> {
        let (_, subject) = self.choose(sha256, name)?.subject?;
        (subject.digest.sha256 == *sha256).then(|| FolderReading::of(subject))
    }

    /// Whether the folder whose manifest has this digest is judged by its listed files alone.
    pub fn lists_files(&self, dir_hash: &Digest, name: Option<&str>) -> bool {
        let chosen = self.choose(dir_hash, name);
        let subject = chosen.and_then(|chosen| chosen.subject);
        subject.is_some_and(|(_, subject)| {
            subject.digest.sha256 == *dir_hash && folder::is_listed(subject)
        })
    }

    /// The statement and subject to judge the data by: the newest with the data's digest (and
    /// the name that was asked for), else the newest that can be read, else the newest.
    ///
    /// Only a subject with the data's digest can pass; the others serve to say what differs.
    pub(super) fn choose(&self, sha256: &Digest, name: Option<&str>) -> Option<Chosen<'_>> {
        let same = |subject: &Subject| subject.digest.sha256 == *sha256;
        let named = |subject: &Subject| name.is_none_or(|name| subject.name.as_str() == name);
        let pick = |wanted: &dyn Fn(&Subject) -> bool| {
            self.0.iter().rev().find_map(|candidate| {
                let subjects = candidate.statement.as_ref()?.subject.as_slice();
                let index = subjects.iter().position(wanted)?;
                let subject = Some((index, &subjects[index]));
                Some(Chosen { candidate, subject })
            })
        };
        pick(&|subject| same(subject) && named(subject))
            .or_else(|| pick(&same))
            .or_else(|| pick(&named))
            .or_else(|| pick(&|_| true))
            .or_else(|| {
                let candidate = self.0.last()?;
                let subject = None;
                Some(Chosen { candidate, subject })
            })
    }

    /// Every statement with a subject of the data's digest (and the name that was asked for),
    /// each id once, the newest first; without any, the one that [`Candidates::choose`] takes.
    /// Those in an envelope come before those that anybody may have written. Whether the budget
    /// left some out is told as well.
    pub(super) fn to_authenticate(
        &self,
        sha256: &Digest,
        name: Option<&str>,
    ) -> (Vec<Chosen<'_>>, bool) {
        let fits = |subject: &Subject| {
            subject.digest.sha256 == *sha256
                && name.is_none_or(|name| subject.name.as_str() == name)
        };
        let mut ids = HashSet::new();
        let mut chosen: Vec<_> = self
            .0
            .iter()
            .rev()
            .filter_map(|candidate| {
                let subjects = candidate.statement.as_ref()?.subject.as_slice();
                let index = subjects.iter().position(fits)?;
                let subject = Some((index, &subjects[index]));
                ids.insert(candidate.id)
                    .then_some(Chosen { candidate, subject })
            })
            .collect();
        chosen.sort_by_key(|chosen| !chosen.candidate.is_signed());
        let limit = Limits::DEFAULT.authenticated_statements;
        let is_cut = chosen.len() > limit;
        chosen.truncate(limit);
        if chosen.is_empty() {
            chosen.extend(self.choose(sha256, name));
        }
        (chosen, is_cut)
    }

    /// Every envelope around the statement `id`.
    pub(super) fn envelopes(&self, id: &Digest) -> Vec<&Envelope> {
        let same = self.0.iter().filter(|candidate| candidate.id == *id);
        same.filter_map(|candidate| candidate.envelope.as_deref())
            .collect()
    }
}

/// What is to be said of the other statements in the file: that one cannot be read, or that it
/// says something else about the same bytes (attack 45).
pub(super) fn others(candidates: &Candidates, chosen: &Candidate, sha256: &Digest) -> Vec<Check> {
    /// Enough to see that something is wrong with the file.
    const MOST: usize = 10;
    let predicate = chosen
        .statement
        .as_ref()
        .map(|statement| &statement.predicate);
    let about_this = |statement: &Statement| {
        let mut subjects = statement.subject.as_slice().iter();
        subjects.any(|subject| subject.digest.sha256 == *sha256)
    };
    let newer = candidates
        .0
        .iter()
        .rev()
        .take_while(|other| other.id != chosen.id);
    let mut newer = newer.peekable();
    // Of a statement about very many datasets, each asks.
    let names: HashSet<_> = match newer.peek() {
        Some(_) => chosen.subjects().map(|one| one.name.as_str()).collect(),
        None => HashSet::new(),
    };
    let renewed = newer.filter_map(|other| {
        let mut subjects = other.subjects();
        let subject = subjects.find(|s| names.contains(s.name.as_str()))?;
        let message = format!(
            "a newer statement, sha256:{}, says that {:?} has other bytes: {}",
            other.id,
            subject.name.as_str(),
            subject.digest.sha256
        );
        (subject.digest.sha256 != *sha256)
            .then(|| Check::new("V3", Outcome::Warn, "subject", message))
    });
    let told = candidates
        .0
        .iter()
        .filter(|other| other.id != chosen.id)
        .filter_map(|other| {
            let id = other.id;
            match &other.statement {
                None => {
                    let why = other
                        .checks
                        .iter()
                        .find(|check| check.outcome == Outcome::Fail)?;
                    let (path, message) = (&why.path, &why.message);
                    let message =
                        format!("another statement, sha256:{id}, is not valid: {path} {message}");
                    Some(Check::new("V2", Outcome::Warn, "", message))
                }
                Some(statement)
                    if about_this(statement) && Some(&statement.predicate) != predicate =>
                {
                    let message = format!(
                        "another statement about the same data says something else: sha256:{id}"
                    );
                    Some(Check::new("D1", Outcome::Warn, "predicate", message))
                }
                Some(_) => None,
            }
        });
    renewed.chain(told).take(MOST).collect()
}
