//! The verdict at L1: whether data still is what its attestation says (V1–V4).
//!
//! Pure: what was found in the data arrives as [`Evidence`], the time as an argument. A
//! statement at L1 is its producer's word; nothing here says who the producer is.

mod compare;

use compare::Comparison;

use std::collections::HashSet;

use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::exclude::Pattern;
use crate::folder;
use crate::json::Json;
use crate::manifest::Manifest;
use crate::predicate::{Predicate, PredicateType};
use crate::record::{RecordError, Records, Settings};
use crate::report::{Basis, Check, Fact, Level, Outcome, Report, ReportSubject, Verdict};
use crate::shape::Shape;
use crate::statement::{Statement, Subject};
use crate::validate::unverified_signatures;

/// What the caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The level that must be reached.
    pub level: Level,
    /// The name that the data must have. Without it, the name is a claim.
    pub name: Option<&'a str>,
}

/// What was found in the data.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A file.
    File(Box<FileEvidence>),
    /// A folder.
    Folder(Box<FolderEvidence>),
    /// One file of a folder; the others were not looked at.
    Member(MemberEvidence),
}

/// What was found in a file.
#[derive(Debug, Clone)]
pub struct FileEvidence {
    /// SHA-256 of the bytes as stored.
    pub sha256: Digest,
    /// Number of bytes as stored.
    pub bytes: u64,
    /// What was found when records were counted again with these settings.
    pub records: Option<(Settings, Result<Records, RecordError>)>,
}

/// What was found in a folder.
#[derive(Debug, Clone)]
pub struct FolderEvidence {
    /// The files that are there.
    pub found: Manifest,
    /// The manifest beside the folder, if it is there and could be read. It is used only when
    /// its digest is the one that the statement names.
    pub stored: Option<Manifest>,
    /// When only the files that the stored manifest lists were read: how many others there are.
    pub unlisted: Option<u64>,
    /// How the folder was read.
    pub reading: FolderReading,
    /// Files that are there and were left out.
    pub excluded: usize,
    /// What was found when the rows of its files were counted again, with the settings of the
    /// reading.
    pub records: Option<Result<Records, RecordError>>,
}

/// How a folder is to be read, by what a subject says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderReading {
    /// What is left out.
    pub exclude: Vec<Pattern>,
    /// How rows are counted, if they are.
    pub settings: Option<Settings>,
}

impl FolderReading {
    /// How the folder of `subject` is to be read.
    fn of(subject: &Subject) -> Self {
        let annotations = subject.annotations.as_ref();
        let folder = annotations.and_then(|annotations| annotations.folder.as_ref());
        Self {
            exclude: folder
                .and_then(|folder| folder.exclude.clone())
                .unwrap_or_default(),
            // How lines of several files would be counted is not said anywhere.
            settings: declared_settings(subject).filter(|s| s.has_rows()).cloned(),
        }
    }
}

/// What was found of one file of a folder.
#[derive(Debug, Clone)]
pub struct MemberEvidence {
    /// The manifest beside the folder. It is used only when its digest is the one that the
    /// statement names.
    pub manifest: Manifest,
    /// Path of the file in the folder.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

impl Evidence {
    /// The digest that stands for the data.
    pub fn sha256(&self) -> Digest {
        match self {
            Self::File(file) => file.sha256,
            Self::Folder(folder) => folder.found.dir_hash(),
            Self::Member(member) => member.manifest.dir_hash(),
        }
    }
}

/// The statements of an attestation file, each with what was found in it.
#[derive(Debug, Clone)]
pub struct Candidates(Vec<Candidate>);

#[derive(Debug, Clone)]
struct Candidate {
    id: Digest,
    signatures: Option<Check>,
    is_signed: bool,
    statement: Option<Statement>,
    checks: Vec<Check>,
}

impl Candidate {
    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let statement = self.statement.iter();
        statement.flat_map(|statement| statement.subject.as_slice())
    }
}

/// The statement by which data is judged, and the subject in it.
struct Chosen<'a> {
    candidate: &'a Candidate,
    subject: Option<(usize, &'a Subject)>,
}

impl Candidates {
    /// Reads the statement in each of `attestations`.
    pub fn read(attestations: Vec<Attestation>) -> Self {
        let read = |attestation: Attestation| {
            let signatures = unverified_signatures(&attestation);
            let is_signed = attestation
                .unverified_signatures
                .is_some_and(|count| count > 0);
            let (statement, checks) = Statement::read(attestation.statement, Level::L1);
            Candidate {
                id: attestation.id,
                signatures,
                is_signed,
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
    /// `name`, if that is asked for). None twice.
    pub fn folder_readings(&self, name: Option<&str>) -> Vec<FolderReading> {
        let newest_first = self.0.iter().rev().filter_map(|c| c.statement.as_ref());
        let subjects = newest_first.flat_map(|statement| statement.subject.as_slice());
        let mut folders: Vec<_> = subjects
            .filter(|subject| subject.digest.dir_hash.is_some())
            .collect();
        folders.sort_by_key(|subject| name.is_some_and(|name| subject.name.as_str() != name));
        let mut readings = Vec::new();
        for reading in folders.into_iter().map(FolderReading::of) {
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
    fn choose(&self, sha256: &Digest, name: Option<&str>) -> Option<Chosen<'_>> {
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
}

fn declared_settings(subject: &Subject) -> Option<&Settings> {
    subject.annotations.as_ref()?.records.as_ref()
}

/// Judges data by its attestation file.
///
/// The verdict is `Pass` at L1 when the statement is complete (V1, V2, V4) and every digest that
/// we understand equals what was found (V3). A level above L1 is never granted here, and asking
/// for one fails: a weaker answer than asked for is not given.
pub fn verify(
    candidates: &Candidates,
    evidence: &Evidence,
    asked: &Asked<'_>,
    now: DateTime,
) -> Report {
    let sha256 = evidence.sha256();
    let Some(Chosen { candidate, subject }) = candidates.choose(&sha256, asked.name) else {
        let check = Check::new("V1", Outcome::Fail, "", "the attestation file is empty");
        return Report::from_checks(vec![check], now);
    };
    let mut findings = Comparison {
        checks: vec![Check::new(
            "V1",
            Outcome::Pass,
            "",
            "an attestation was found",
        )],
        facts: Vec::new(),
        not_told: false,
    };
    findings.checks.extend(candidate.checks.iter().cloned());
    let conforms = candidate.statement.as_ref().map(Statement::conforms);
    findings.checks.extend(conforms.into_iter().flatten());
    findings.checks.extend(candidate.signatures.clone());
    findings
        .checks
        .extend(others(candidates, candidate, &sha256));
    if let (Some(statement), Some((index, subject))) = (&candidate.statement, subject) {
        let place = format!("subject[{index}]");
        check_name(subject, asked.name, &place, &mut findings.checks);
        findings.compare(subject, evidence, &place);
        findings
            .facts
            .extend(declared_facts(statement, subject, &place));
        findings.checks.extend(lineage_not_walked(statement));
    }
    let signatures_matter = check_level(asked.level, candidate, &mut findings.checks);

    let could_not_tell = signatures_matter || findings.not_told;
    let mut report = Report::from_checks(findings.checks, now);
    match (report.verdict, could_not_tell) {
        (Verdict::Pass, true) => report.verdict = Verdict::Unknown,
        (Verdict::Pass, false) => {
            report.level = Some(Level::L1);
            let kind = candidate.statement.as_ref().map(|s| s.predicate.kind());
            let has_inputs = kind == Some(PredicateType::Transform);
            report.lineage_level = (!has_inputs).then_some(Level::L1);
        }
        _ => {}
    }
    report.attestation = Some(format!("sha256:{}", candidate.id));
    report.subject = subject.map(|(_, subject)| ReportSubject {
        name: subject.name.as_str().to_owned(),
        name_asked_for: asked.name == Some(subject.name.as_str()),
        member: match evidence {
            Evidence::Member(member) => Some(member.path.clone()),
            Evidence::File(_) | Evidence::Folder(_) => None,
        },
        digest: subject.digest.write(),
    });
    report.facts = findings.facts;
    report
}

fn check_name(subject: &Subject, asked: Option<&str>, place: &str, checks: &mut Vec<Check>) {
    let path = format!("{place}.name");
    let name = subject.name.as_str();
    match asked {
        Some(asked) if asked == name => {
            let message = format!("is the name asked for, {asked:?}");
            checks.push(Check::new("V2", Outcome::Pass, &path, message));
        }
        Some(asked) => {
            let message = format!("is {name:?}, but {asked:?} was asked for");
            let check = Check::new("V2", Outcome::Fail, &path, message);
            checks.push(check.compared(name, asked));
        }
        None => {}
    }
}

/// What the statement says and nobody checked.
fn declared_facts(statement: &Statement, subject: &Subject, place: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut declare = |path: &str, value: Option<Json>| {
        facts.extend(value.map(|value| Fact {
            path: path.to_owned(),
            value,
            basis: Basis::Declared,
        }));
    };
    declare(&format!("{place}.name"), Some(subject.name.write()));
    for (key, time) in [
        ("windowStart", &subject.digest.window_start),
        ("windowEnd", &subject.digest.window_end),
    ] {
        declare(
            &format!("{place}.digest.{key}"),
            time.as_ref().map(Shape::write),
        );
    }
    match &statement.predicate {
        Predicate::Origin(predicate) => {
            let origin = &predicate.origin;
            declare("predicate.origin.source", Some(origin.source.write()));
            let time = origin.collection_timestamp.write();
            declare("predicate.origin.collectionTimestamp", Some(time));
            declare(
                "predicate.origin.geography",
                origin.geography.as_ref().map(Shape::write),
            );
            declare(
                "predicate.origin.consent",
                origin.consent.as_ref().map(Shape::write),
            );
            declare(
                "predicate.collector.id",
                Some(predicate.collector.id.write()),
            );
            declare(
                "predicate.schema",
                predicate.schema.as_ref().map(Shape::write),
            );
            let dta = predicate.dta_compliance.as_ref().map(Shape::write);
            declare("predicate.dtaCompliance", dta);
        }
        Predicate::Transform(predicate) => {
            declare(
                "predicate.transform.type",
                Some(predicate.transform.kind.write()),
            );
            let name = predicate.transform.name.as_ref().map(Shape::write);
            declare("predicate.transform.name", name);
            declare("predicate.executor.id", Some(predicate.executor.id.write()));
            declare("predicate.inputs", Some(predicate.inputs.write()));
            let metadata = predicate.metadata.as_ref();
            let started = metadata.and_then(|m| m.started_on.as_ref());
            let finished = metadata.and_then(|m| m.finished_on.as_ref());
            declare("predicate.metadata.startedOn", started.map(Shape::write));
            declare("predicate.metadata.finishedOn", finished.map(Shape::write));
        }
        Predicate::StreamWindow(predicate) => {
            declare("predicate.stream.id", Some(predicate.stream.id.write()));
            declare("predicate.window", Some(predicate.window.write()));
            let root = predicate.integrity.merkle_tree.root.write();
            declare("predicate.integrity.merkleTree.root", Some(root));
        }
    }
    facts
}

fn lineage_not_walked(statement: &Statement) -> Option<Check> {
    let Predicate::Transform(transform) = &statement.predicate else {
        return None;
    };
    let count = transform.inputs.as_slice().len();
    let message = format!("{count} input(s) are declared; their attestations were not followed");
    Some(Check::new(
        "L2.V.9",
        Outcome::Skip,
        "predicate.inputs",
        message,
    ))
}

/// What is to be said of the other statements in the file: that one cannot be read, or that it
/// says something else about the same bytes (attack 45).
fn others(candidates: &Candidates, chosen: &Candidate, sha256: &Digest) -> Vec<Check> {
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
    let names: HashSet<_> = chosen
        .subjects()
        .map(|subject| subject.name.as_str())
        .collect();
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

/// Refuses a level that this verification cannot give. Returns whether it could not be told
/// because there are signatures that were not looked at.
fn check_level(asked: Level, candidate: &Candidate, checks: &mut Vec<Check>) -> bool {
    if asked == Level::L1 {
        return false;
    }
    if candidate.is_signed {
        let message = format!("this version does not verify signatures, which {asked} needs");
        checks.push(Check::new("L2.V.1", Outcome::Skip, "signatures", message));
    } else {
        let message = format!("the statement is unsigned, and {asked} needs a signature");
        checks.push(Check::new("L2.P.1", Outcome::Fail, "", message));
    }
    candidate.is_signed
}
