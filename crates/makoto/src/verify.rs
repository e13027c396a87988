//! The verdict at L1: whether data still is what its attestation says (V1–V4).
//!
//! Pure: what was found in the data arrives as [`Evidence`], the time as an argument. A
//! statement at L1 is its producer's word; nothing here says who the producer is.

use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::json::Json;
use crate::manifest::{Difference, Manifest};
use crate::predicate::Predicate;
use crate::record::{Compression, RecordError, Records, Settings};
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
    Folder(FolderEvidence),
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
    attestation: Attestation,
    statement: Option<Statement>,
    checks: Vec<Check>,
}

impl Candidates {
    /// Reads the statement in each of `attestations`.
    pub fn read(attestations: Vec<Attestation>) -> Self {
        let read = |attestation: Attestation| {
            let (statement, checks) = Statement::read(&attestation.statement, Level::L1);
            Candidate {
                attestation,
                statement,
                checks,
            }
        };
        Self(attestations.into_iter().map(read).collect())
    }

    /// Record settings that the subjects declare, newest statement first, without repetition.
    pub fn settings(&self) -> Vec<Settings> {
        let mut settings: Vec<Settings> = Vec::new();
        for subject in self.subjects() {
            if let Some(declared) = declared_settings(subject)
                && !settings.contains(declared)
            {
                settings.push(declared.clone());
            }
        }
        settings
    }

    /// Whether a subject has this digest.
    pub fn knows(&self, sha256: &Digest) -> bool {
        self.subjects()
            .any(|subject| subject.digest.sha256 == *sha256)
    }

    /// Record settings that go with the data of this digest.
    pub fn settings_for(&self, sha256: &Digest) -> Option<&Settings> {
        self.subjects()
            .find(|subject| subject.digest.sha256 == *sha256)
            .and_then(declared_settings)
    }

    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let newest_first = self.0.iter().rev().filter_map(|c| c.statement.as_ref());
        newest_first.flat_map(|statement| statement.subject.as_slice())
    }

    /// The statement and subject to judge the data by: the newest with the data's digest (and
    /// the name that was asked for), else the newest that can be read, else the newest.
    ///
    /// Only a subject with the data's digest can pass; the others serve to say what differs.
    fn choose(
        &self,
        sha256: &Digest,
        name: Option<&str>,
    ) -> Option<(&Candidate, Option<&Subject>)> {
        let same = |subject: &Subject| subject.digest.sha256 == *sha256;
        let named = |subject: &Subject| name.is_none_or(|name| subject.name.as_str() == name);
        let pick = |wanted: &dyn Fn(&Subject) -> bool| {
            self.0.iter().rev().find_map(|candidate| {
                let subjects = candidate.statement.as_ref()?.subject.as_slice();
                let subject = subjects.iter().find(|subject| wanted(subject))?;
                Some((candidate, Some(subject)))
            })
        };
        pick(&|subject| same(subject) && named(subject))
            .or_else(|| pick(&same))
            .or_else(|| pick(&named))
            .or_else(|| pick(&|_| true))
            .or_else(|| Some((self.0.last()?, None)))
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
    let mut checks = vec![Check::new(
        "V1",
        Outcome::Pass,
        "",
        "an attestation was found",
    )];
    let Some((candidate, subject)) = candidates.choose(&evidence.sha256(), asked.name) else {
        let check = Check::new("V1", Outcome::Fail, "", "the attestation file is empty");
        return Report::from_checks(vec![check], now);
    };
    checks.extend(candidate.checks.iter().cloned());
    checks.extend(
        candidate
            .statement
            .as_ref()
            .map(Statement::conforms)
            .into_iter()
            .flatten(),
    );
    checks.extend(unverified_signatures(&candidate.attestation));
    checks.extend(conflicts(candidates, candidate, &evidence.sha256()));

    let mut facts = Vec::new();
    if let (Some(statement), Some(subject)) = (&candidate.statement, subject) {
        let index = statement
            .subject
            .as_slice()
            .iter()
            .position(|s| s == subject);
        let place = format!("subject[{}]", index.unwrap_or_default());
        check_name(subject, asked.name, &place, &mut checks);
        compare(subject, evidence, &place, &mut checks, &mut facts);
        facts.extend(declared_facts(statement));
        checks.extend(lineage_not_walked(statement));
    }
    let level_is_above = check_level(asked.level, &candidate.attestation, &mut checks);

    let mut report = Report::from_checks(checks, now);
    if report.verdict == Verdict::Pass {
        report.level = Some(Level::L1);
        let has_inputs = matches!(
            candidate.statement.as_ref().map(|s| &s.predicate),
            Some(Predicate::Transform(_))
        );
        report.lineage_level = (!has_inputs).then_some(Level::L1);
        if level_is_above {
            report.verdict = Verdict::Unknown;
            report.level = None;
            report.lineage_level = None;
        }
    }
    report.attestation = Some(format!("sha256:{}", candidate.attestation.id));
    report.subject = subject.map(|subject| ReportSubject {
        name: subject.name.as_str().to_owned(),
        name_asked_for: asked.name == Some(subject.name.as_str()),
        digest: subject.digest.write(),
    });
    report.facts = facts;
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

/// Compares every digest that we understand with what was found (V3).
fn compare(
    subject: &Subject,
    evidence: &Evidence,
    place: &str,
    checks: &mut Vec<Check>,
    facts: &mut Vec<Fact>,
) {
    let says_folder = subject.digest.dir_hash.is_some();
    let path = format!("{place}.digest.dirHash");
    match evidence {
        Evidence::File(_) if says_folder => {
            let message = "is there, so the attested data is a folder, but this is a file";
            checks.push(Check::new("V3", Outcome::Fail, &path, message));
        }
        Evidence::Folder(_) | Evidence::Member(_) if !says_folder => {
            let message = "is missing, so the attested data is a file, but this is a folder";
            checks.push(Check::new("V3", Outcome::Fail, &path, message));
        }
        Evidence::File(file) => compare_file(subject, file, place, checks, facts),
        Evidence::Folder(folder) => compare_folder(subject, folder, place, checks, facts),
        Evidence::Member(member) => compare_member(subject, member, &path, checks, facts),
    }
    for key in subject.digest.extra.keys().map(String::as_str).chain(
        // A second digest of the same bytes adds nothing to the first.
        subject.digest.sha512.as_ref().map(|_| "sha512"),
    ) {
        let path = format!("{place}.digest.{key}");
        checks.push(Check::new("V3", Outcome::Skip, &path, "not compared"));
    }
}

fn compare_file(
    subject: &Subject,
    file: &FileEvidence,
    place: &str,
    checks: &mut Vec<Check>,
    facts: &mut Vec<Fact>,
) {
    let same = compare_value(
        &format!("{place}.digest.sha256"),
        &subject.digest.sha256.to_string(),
        &file.sha256.to_string(),
        checks,
        facts,
    );
    if same {
        let value = Json::from(file.bytes);
        facts.push(recomputed("size", value));
    }
    let counted = [
        ("recordCount", subject.digest.record_count.is_some()),
        ("merkleRoot", subject.digest.merkle_root.is_some()),
    ];
    let Some(settings) = declared_settings(subject) else {
        for (key, _) in counted.into_iter().filter(|(_, there)| *there) {
            let path = format!("{place}.digest.{key}");
            let message = "not checked: the statement does not say how the records were counted";
            checks.push(Check::new("V3", Outcome::Warn, &path, message));
        }
        return;
    };
    let at = format!("{place}.annotations");
    let records = match &file.records {
        Some((counted_with, Ok(records))) if counted_with == settings => records,
        Some((counted_with, Err(error))) if counted_with == settings => {
            let message = format!("the records cannot be counted again: {error}");
            checks.push(Check::new("V3", Outcome::Fail, &at, message));
            return;
        }
        Some((counted_with, Ok(records))) if !same && counted_with.same_records(settings) => {
            if subject.digest.merkle_root == Some(records.root) {
                let message = "records identical, bytes differ: the compression changed";
                let path = format!("{place}.digest.sha256");
                checks.push(Check::new("V3", Outcome::Warn, &path, message));
            }
            return;
        }
        // Counted with the settings of another subject: this one's digest is not the data's.
        _ => return,
    };
    let mut all_same = true;
    if let Some(count) = &subject.digest.record_count {
        // "007" and "7" are one number.
        let declared = count.as_str().trim_start_matches('0');
        let declared = if declared.is_empty() { "0" } else { declared };
        let path = format!("{place}.digest.recordCount");
        all_same &= compare_value(&path, declared, &records.count.to_string(), checks, facts);
    }
    if let Some(root) = &subject.digest.merkle_root {
        let path = format!("{place}.digest.merkleRoot");
        all_same &= compare_value(
            &path,
            &root.to_string(),
            &records.root.to_string(),
            checks,
            facts,
        );
    }
    if let Some(header) = &settings.header_digest {
        let found = records
            .header_digest
            .map_or("no header".to_owned(), |d| d.to_string());
        let path = format!("{at}.headerDigest.sha256");
        all_same &= compare_value(&path, &header.sha256.to_string(), &found, checks, facts);
    }
    if !same && all_same && subject.digest.merkle_root.is_some() {
        let message = match settings.compression() {
            Compression::None => {
                "records identical, bytes differ: only line ends or empty lines changed"
            }
            _ => {
                "records identical, bytes differ: only the way of compression, line ends or empty lines changed"
            }
        };
        let path = format!("{place}.digest.sha256");
        checks.push(Check::new("V3", Outcome::Warn, &path, message));
    }
}

fn compare_folder(
    subject: &Subject,
    folder: &FolderEvidence,
    place: &str,
    checks: &mut Vec<Check>,
    facts: &mut Vec<Fact>,
) {
    let declared = subject.digest.sha256;
    let found = folder.found.dir_hash();
    let path = format!("{place}.digest.dirHash");
    if compare_value(
        &path,
        &declared.to_string(),
        &found.to_string(),
        checks,
        facts,
    ) {
        facts.push(recomputed("files", (folder.found.len() as u64).into()));
        return;
    }
    let trusted = folder
        .stored
        .as_ref()
        .filter(|stored| stored.dir_hash() == declared);
    let Some(stored) = trusted else {
        let message = match &folder.stored {
            Some(_) => {
                "the manifest beside the folder is not the attested one, so the files that differ cannot be named"
            }
            None => {
                "there is no manifest beside the folder, so the files that differ cannot be named"
            }
        };
        checks.push(Check::new("V3", Outcome::Skip, &path, message));
        return;
    };
    for difference in stored.differences(&folder.found) {
        let (path, message) = match &difference {
            Difference::Added(path) => (path, "was added"),
            Difference::Lost(path) => (path, "is gone"),
            Difference::Changed(path) => (path, "was changed"),
        };
        checks.push(Check::new("V3", Outcome::Fail, path, message));
    }
}

/// Adds the check that a declared value is the one found, and the fact when it is.
fn compare_value(
    path: &str,
    declared: &str,
    found: &str,
    checks: &mut Vec<Check>,
    facts: &mut Vec<Fact>,
) -> bool {
    let same = declared == found;
    if same {
        checks.push(Check::new(
            "V3",
            Outcome::Pass,
            path,
            "equals what the data has",
        ));
        facts.push(recomputed(path, found.into()));
    } else {
        let message =
            format!("does not match: the statement says {declared}, the data has {found}");
        checks.push(Check::new("V3", Outcome::Fail, path, message).compared(found, declared));
    }
    same
}

/// Compares one file with the folder's manifest, once that is known to be the attested one.
fn compare_member(
    subject: &Subject,
    member: &MemberEvidence,
    dir_hash_path: &str,
    checks: &mut Vec<Check>,
    facts: &mut Vec<Fact>,
) {
    let (declared, found) = (subject.digest.sha256, member.manifest.dir_hash());
    if declared != found {
        let message = format!(
            "does not match: the statement says {declared}, the manifest beside the folder has {found}"
        );
        let check = Check::new("V3", Outcome::Fail, dir_hash_path, message);
        checks.push(check.compared(found.to_string(), declared.to_string()));
        return;
    }
    let path = member.path.as_str();
    let found = member.sha256.to_string();
    checks.push(match member.manifest.get(path) {
        Some(declared) if *declared == member.sha256 => {
            facts.push(recomputed(path, found.into()));
            let message = "is what the folder's manifest says; the other files were not read";
            Check::new("V3", Outcome::Pass, path, message)
        }
        Some(declared) => {
            let message =
                format!("does not match: the manifest says {declared}, the file has {found}");
            Check::new("V3", Outcome::Fail, path, message).compared(found, declared.to_string())
        }
        None => Check::new("V3", Outcome::Fail, path, "is not in the folder's manifest"),
    });
}

fn recomputed(path: &str, value: Json) -> Fact {
    Fact {
        path: path.to_owned(),
        value,
        basis: Basis::Recomputed,
    }
}

/// What the statement says and nobody checked.
fn declared_facts(statement: &Statement) -> Vec<Fact> {
    let json = statement.to_json();
    let paths: &[&[&str]] = match &statement.predicate {
        Predicate::Origin(_) => &[
            &["origin", "source"],
            &["origin", "collectionTimestamp"],
            &["collector", "id"],
        ],
        Predicate::Transform(_) => &[
            &["transform", "type"],
            &["transform", "name"],
            &["executor", "id"],
            &["inputs"],
            &["metadata", "startedOn"],
            &["metadata", "finishedOn"],
        ],
        Predicate::StreamWindow(_) => &[
            &["stream", "id"],
            &["window", "type"],
            &["integrity", "merkleTree", "root"],
        ],
    };
    let find = |path: &&[&str]| {
        let start = json.get("predicate")?;
        let value = path.iter().try_fold(start, |value, key| value.get(key))?;
        Some(Fact {
            path: format!("predicate.{}", path.join(".")),
            value: value.clone(),
            basis: Basis::Declared,
        })
    };
    paths.iter().filter_map(find).collect()
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

/// Other statements about the same bytes that say something else (attack 45).
fn conflicts(candidates: &Candidates, chosen: &Candidate, sha256: &Digest) -> Vec<Check> {
    let about_this = |candidate: &&Candidate| {
        let statement = candidate.statement.as_ref();
        let subjects = statement.map_or(&[][..], |s| s.subject.as_slice());
        subjects
            .iter()
            .any(|subject| subject.digest.sha256 == *sha256)
    };
    let predicate =
        |candidate: &Candidate| candidate.statement.as_ref().map(|s| s.predicate.clone());
    candidates
        .0
        .iter()
        .filter(about_this)
        .filter(|other| predicate(other) != predicate(chosen))
        .map(|other| {
            let message = format!(
                "another statement about the same data says something else: sha256:{}",
                other.attestation.id
            );
            Check::new("D1", Outcome::Warn, "predicate", message)
        })
        .collect()
}

/// Refuses a level that this verification cannot give. Returns whether it could not be told
/// because there are signatures that were not looked at.
fn check_level(asked: Level, attestation: &Attestation, checks: &mut Vec<Check>) -> bool {
    if asked == Level::L1 {
        return false;
    }
    match attestation.unverified_signatures {
        None | Some(0) => {
            let message = format!("the statement is unsigned, and {asked} needs a signature");
            checks.push(Check::new("L2.P.1", Outcome::Fail, "", message));
            false
        }
        Some(_) => {
            let message = format!("this version does not verify signatures, which {asked} needs");
            checks.push(Check::new("L2.V.1", Outcome::Skip, "signatures", message));
            true
        }
    }
}
