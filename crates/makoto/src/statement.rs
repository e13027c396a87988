//! The in-toto Statement v1 (requirements P1, P4, V2, V4).

use std::collections::HashSet;

use crate::canonical::{NotCanonical, to_canonical};
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::document;
use crate::folder::FolderSettings;
use crate::json::{Json, Object};
use crate::predicate::{Predicate, PredicateType};
use crate::record::Settings;
use crate::report::{Check, Level};
use crate::scalar::{AnyText, Count, Text, strings_only, strings_only_schema};
use crate::shape::{At, Findings, Need, NonEmpty, Shape};

/// The only accepted `_type`.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Key of the annotation that says how records were counted (FORMATS §3).
pub const RECORDS_ANNOTATION: &str = "https://makoto.dev/records/v1";

/// Key of the annotation that says which files of a folder are covered (FORMATS §2).
pub const FOLDER_ANNOTATION: &str = "https://makoto.dev/folder/v1";

/// A statement whose form was checked. Who wrote it, and whether it is true, was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub subject: NonEmpty<Subject>,
    /// What it says.
    pub predicate: Predicate,
    /// Members that this version does not know.
    pub extra: Object,
}

document! {
    /// A dataset, file or window that a statement is about (in-toto ResourceDescriptor).
    pub struct Subject {
        /// Name of the artifact; a claim until a caller asks for it.
        required name: Text = "name",
        /// Its digests.
        required digest: SubjectDigest = "digest",
        /// Where it is.
        optional uri: AnyText = "uri",
        /// Its media type.
        optional media_type: AnyText = "mediaType",
        /// Further facts, by URI.
        optional annotations: Annotations = "annotations",
    }
    => folder_agrees
}

document! {
    /// Annotations of a subject, by URI.
    pub struct Annotations {
        /// How the records were counted.
        optional records: Settings = "https://makoto.dev/records/v1",
        /// Which files of a folder the digest covers.
        optional folder: FolderSettings = "https://makoto.dev/folder/v1",
    }
}

document! {
    /// Digests of a subject. Unknown keys are strings that never count towards a match.
    pub struct SubjectDigest {
        /// SHA-256 of the bytes as stored; of a folder, its dirHash.
        required sha256: Digest = "sha256",
        /// Records in it.
        recommended record_count: Count = "recordCount",
        /// Root of its record tree.
        optional merkle_root: Digest = "merkleRoot",
        /// in-toto dirHash; its presence says that the data is a folder.
        optional dir_hash: Digest = "dirHash",
        /// First moment of a window.
        optional window_start: DateTime = "windowStart",
        /// First moment after a window.
        optional window_end: DateTime = "windowEnd",
    }
    => digests_agree, schema strings_only_schema
}

fn digests_agree(digest: &SubjectDigest, at: &At<'_>, findings: &mut Findings) {
    strings_only(&digest.extra, at, findings);
    if let (Some(start), Some(end)) = (&digest.window_start, &digest.window_end)
        && start >= end
    {
        let message = format!("{end} is not after windowStart {start}");
        findings.contradiction(&at.field("windowEnd"), message);
    }
    if digest.dir_hash.is_some_and(|hash| hash != digest.sha256) {
        findings.contradiction(
            &at.field("dirHash"),
            "differs from sha256, which for a folder has the same value",
        );
    }
}

fn folder_agrees(subject: &Subject, at: &At<'_>, findings: &mut Findings) {
    let folder = subject.annotations.as_ref().and_then(|a| a.folder.as_ref());
    if folder.is_some() && subject.digest.dir_hash.is_none() {
        let at = at.field("annotations");
        let message = "is there, but the subject has no dirHash and so is no folder";
        findings.contradiction(&at.field(FOLDER_ANNOTATION), message);
    }
}

impl Subject {
    /// How many records it is said to have, if that is a number of 64 bits.
    pub fn records(&self) -> Option<u64> {
        self.digest.record_count.as_ref()?.as_str().parse().ok()
    }
}

impl Statement {
    /// Reads a statement and reports everything that is wrong with it or missing (V2, V4).
    ///
    /// Rules that hold from L2 on are failures when `level` is L2 or above, else warnings.
    /// The statement is `None` when a check failed.
    pub fn read(value: Json, level: Level) -> (Option<Self>, Vec<Check>) {
        let mut findings = Findings::at_level(level);
        let statement = Self::read_members(value, &mut findings);
        let statement = statement.filter(|_| !findings.failed());
        (statement, findings.into_checks())
    }

    fn read_members(value: Json, findings: &mut Findings) -> Option<Self> {
        let top = At::Top;
        let mut extra = Object::read(value, &top, findings)?;

        match extra.remove("_type") {
            Some(kind) if kind.as_str() == Some(STATEMENT_TYPE) => {}
            found => refuse(
                found.as_ref(),
                &top.field("_type"),
                STATEMENT_TYPE,
                findings,
            ),
        }
        let at = top.field("subject");
        let subject = match extra.remove("subject") {
            Some(subject) => NonEmpty::<Subject>::read(subject, &at, findings),
            None => {
                NonEmpty::<Subject>::absent(&at, Need::Required, findings);
                None
            }
        };
        let predicate_type = extra.remove("predicateType");
        let url = predicate_type.as_ref().and_then(Json::as_str);
        let kind = url.and_then(PredicateType::from_url);
        if kind.is_none() {
            let needed = PredicateType::ALL.map(PredicateType::url).join(" or ");
            refuse(
                predicate_type.as_ref(),
                &top.field("predicateType"),
                &needed,
                findings,
            );
        }
        let at = top.field("predicate");
        let predicate = match (extra.remove("predicate"), kind) {
            (Some(predicate), Some(kind)) => Predicate::read(kind, predicate, &at, findings),
            (Some(predicate), None) => Object::read(predicate, &at, findings).and(None),
            (None, _) => {
                Object::absent(&at, Need::Required, findings);
                None
            }
        };
        let statement = Self {
            subject: subject?,
            predicate: predicate?,
            extra,
        };
        statement.relations(findings);
        Some(statement)
    }

    /// The statement as JSON.
    pub fn to_json(&self) -> Json {
        let mut members = self.extra.clone();
        members.insert("_type", STATEMENT_TYPE.into());
        members.insert("subject".to_owned(), self.subject.write());
        members.insert(
            "predicateType".to_owned(),
            self.predicate.kind().url().into(),
        );
        members.insert("predicate".to_owned(), self.predicate.write());
        Json::Object(members)
    }

    /// The statement as one RFC 8785 line, the form in which it is written.
    ///
    /// # Errors
    /// [`NotCanonical`] when it holds a number that canonical form would change.
    pub fn to_canonical(&self) -> Result<Vec<u8>, NotCanonical> {
        to_canonical(&self.to_json())
    }

    /// The subject called `name`, if there is one.
    pub fn subject_named(&self, name: &str) -> Option<&Subject> {
        let mut subjects = self.subject.as_slice().iter();
        subjects.find(|subject| subject.name.as_str() == name)
    }

    /// When what it tells was finished, by its own word: the collection, the step, or the window
    /// (FORMATS §8: the watermark at its close, else its end).
    pub fn claimed_time(&self) -> Option<&DateTime> {
        match &self.predicate {
            Predicate::Origin(origin) => Some(&origin.origin.collection_timestamp),
            Predicate::Transform(transform) => transform.metadata.as_ref()?.finished_on.as_ref(),
            Predicate::StreamWindow(window) => {
                let ends = self.subject.as_slice().iter();
                let mut ends = ends.filter_map(|subject| subject.digest.window_end.as_ref());
                window.window.watermark.as_ref().or_else(|| ends.next())
            }
        }
    }

    /// Rules between the subjects and the predicate.
    fn relations(&self, findings: &mut Findings) {
        let top = At::Top;
        let (subject_at, predicate_at) = (top.field("subject"), top.field("predicate"));
        match &self.predicate {
            Predicate::Origin(origin) => {
                let collected = origin.metadata.as_ref().and_then(|m| {
                    let number = m.records_collected.as_ref()?.number();
                    number.as_u64()
                });
                if let ([subject], Some(collected)) = (self.subject.as_slice(), collected)
                    && let Some(count) = &subject.digest.record_count
                    && count.as_str().parse() != Ok(collected)
                {
                    let at = predicate_at.field("metadata");
                    let message = format!(
                        "is {collected}, but the subject's recordCount is {}",
                        count.as_str()
                    );
                    findings.warn(&at.field("recordsCollected"), message);
                }
            }
            Predicate::Transform(transform) => {
                let inputs_at = predicate_at.field("inputs");
                let subjects = self.subject.as_slice().iter();
                let outputs: HashSet<_> = subjects
                    .map(|s| (s.name.as_str(), s.digest.sha256))
                    .collect();
                for (index, input) in transform.inputs.as_slice().iter().enumerate() {
                    if outputs.contains(&(input.name.as_str(), input.digest.sha256)) {
                        let message = "is also an output of the same name, unchanged";
                        findings.warn(&inputs_at.item(index), message);
                    }
                }
            }
            Predicate::StreamWindow(window) => {
                let tree = &window.integrity.merkle_tree;
                let tree_at = predicate_at.field("integrity");
                let tree_at = tree_at.field("merkleTree");
                for (index, subject) in self.subject.as_slice().iter().enumerate() {
                    let (at, digest) = (subject_at.item(index), &subject.digest);
                    let at = at.field("digest");
                    if let Some(root) = &digest.merkle_root
                        && root.to_string() != tree.root.as_str()
                    {
                        let message = format!(
                            "is {root}, but the predicate's merkleTree.root is {}",
                            tree.root.as_str()
                        );
                        findings.contradiction(&at.field("merkleRoot"), message);
                    }
                    let leaves = tree.leaf_count.number();
                    let count = digest.record_count.as_ref().map(|count| {
                        let digits = count.as_str().trim_start_matches('0');
                        if digits.is_empty() { "0" } else { digits }
                    });
                    let no_leaves = leaves.to_f64() == 0.0;
                    if no_leaves && count != Some("0") {
                        let message = "is 0, which needs the subject's recordCount to be \"0\"";
                        findings.contradiction(&tree_at.field("leafCount"), message);
                    } else if count.is_some_and(|count| !no_leaves && count != leaves.token()) {
                        let message = format!(
                            "is {}, but the subject's recordCount is {}",
                            leaves.token(),
                            count.unwrap_or_default()
                        );
                        findings.warn(&tree_at.field("leafCount"), message);
                    }
                }
            }
        }
    }
}

/// Whether two statements, as JSON, state the same facts. With [`Times::Ignore`], the moments
/// that a tool stamps by itself may differ: doing the same again is no new fact.
pub fn same_facts(one: &Json, other: &Json, times: Times) -> bool {
    facts(one, times).is_some_and(|one| facts(other, times) == Some(one))
}

/// Digest of the facts that a statement states: equal for those that [`same_facts`] holds to be
/// the same. `None` when it has no canonical form.
pub fn facts_digest(statement: &Json, times: Times) -> Option<Digest> {
    facts(statement, times).map(|facts| Digest::of(&facts))
}

fn facts(statement: &Json, times: Times) -> Option<Vec<u8>> {
    let mut statement = statement.clone();
    if times == Times::Ignore {
        drop_stamps(&mut statement);
    }
    to_canonical(&statement).ok()
}

/// Whether moments count as facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Somebody stated them.
    Compare,
    /// They were read off a clock.
    Ignore,
}

fn drop_stamps(statement: &mut Json) {
    let stamps: [(&str, &[&str]); 2] = [
        ("origin", &["collectionTimestamp"]),
        (
            "metadata",
            &["startedOn", "finishedOn", "durationSeconds", "invocationId"],
        ),
    ];
    let Json::Object(members) = statement else {
        return;
    };
    let Some(Json::Object(predicate)) = members.get_mut("predicate") else {
        return;
    };
    for (part, keys) in stamps {
        if let Some(Json::Object(part)) = predicate.get_mut(part) {
            keys.iter().for_each(|key| drop(part.remove(key)));
        }
    }
}

fn refuse(found: Option<&Json>, at: &At<'_>, needed: &str, findings: &mut Findings) {
    match found {
        Some(found) => findings.wrong(at, found, needed),
        None => findings.missing(at, Need::Required, needed),
    }
}
