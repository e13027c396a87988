//! Comparing a subject with what was found in the data (V3).

use super::{
    Evidence, FileEvidence, FolderEvidence, FolderReading, MemberEvidence, declared_settings,
};
use crate::exclude::Pattern;
use crate::folder::is_listed;
use crate::json::{Json, segment};
use crate::manifest::Difference;
use crate::record::{Compression, Encoding, Format, RecordError, Records, Settings};
use crate::report::{Basis, Check, Fact, Outcome, Role};
use crate::statement::{FOLDER_ANNOTATION, Subject};

/// Why counts and roots without settings are not checked.
const NOT_SAID: &str = "the statement does not say how the records were counted";

/// What came of comparing a subject with the data.
pub(super) struct Comparison {
    pub(super) checks: Vec<Check>,
    pub(super) facts: Vec<Fact>,
    /// Whether something could not be told, because a budget was reached or a list is missing.
    pub(super) not_told: bool,
}

impl Comparison {
    fn check(&mut self, outcome: Outcome, path: &str, message: impl Into<String>) {
        self.checks.push(Check::new("V3", outcome, path, message));
    }

    /// Adds the warning that nothing but the spelling of the records differs.
    fn explain(&mut self, path: &str, message: impl Into<String>) {
        let check = Check::new("V3", Outcome::Warn, path, message);
        self.checks.push(check.role(Role::Explanation));
    }

    /// Adds the check that a declared value is the one found, and the fact when it is. `role` is
    /// that of the failure.
    fn compare_value(&mut self, path: &str, declared: &str, found: &str, role: Role) -> bool {
        let same = declared == found;
        if same {
            self.check(Outcome::Pass, path, "equals what the data has");
            self.facts.push(recomputed(path, found.into()));
        } else {
            let message =
                format!("does not match: the statement says {declared}, the data has {found}");
            let check = Check::new("V3", Outcome::Fail, path, message);
            self.checks.push(check.compared(found, declared).role(role));
        }
        same
    }

    /// Compares every digest that we understand with what was found (V3).
    pub(super) fn compare(&mut self, subject: &Subject, evidence: &Evidence, place: &str) {
        let says_folder = subject.digest.dir_hash.is_some();
        let path = format!("{place}.digest.dirHash");
        match evidence {
            Evidence::File(_) if says_folder => {
                let message = "is there, so the attested data is a folder, but this is a file";
                self.check(Outcome::Fail, &path, message);
            }
            Evidence::Folder(_) | Evidence::Member(_) if !says_folder => {
                let message = "is missing, so the attested data is a file, but this is a folder";
                self.check(Outcome::Fail, &path, message);
            }
            Evidence::File(file) => self.compare_file(subject, file, place),
            Evidence::Folder(folder) => self.compare_table(subject, folder, place),
            Evidence::Member(member) => {
                self.compare_member(subject, member, &path);
                let why = match declared_settings(subject) {
                    Some(_) => "one file of the folder was looked at",
                    None => NOT_SAID,
                };
                self.not_counted(subject, place, why);
            }
        }
        for key in subject.digest.extra.keys() {
            let path = format!("{place}.digest.{}", segment(key));
            self.check(
                Outcome::Skip,
                &path,
                "not compared: not a digest that is recomputed",
            );
        }
    }

    /// Warns of declared counts and roots that nobody counted again.
    fn not_counted(&mut self, subject: &Subject, place: &str, why: &str) {
        let declared = [
            ("recordCount", subject.digest.record_count.is_some()),
            ("merkleRoot", subject.digest.merkle_root.is_some()),
        ];
        for (key, _) in declared.into_iter().filter(|(_, there)| *there) {
            let path = format!("{place}.digest.{key}");
            let message = format!("not checked: {why}");
            self.check(Outcome::Warn, &path, message);
        }
    }

    fn compare_file(&mut self, subject: &Subject, file: &FileEvidence, place: &str) {
        let sha256_path = format!("{place}.digest.sha256");
        let declared = subject.digest.sha256.to_string();
        let found = file.sha256.to_string();
        let same = self.compare_value(&sha256_path, &declared, &found, Role::Finding);
        if same {
            self.facts.push(recomputed("size", file.bytes.into()));
        }
        let Some(settings) = declared_settings(subject) else {
            self.not_counted(subject, place, NOT_SAID);
            return;
        };
        let at = format!("{place}.annotations");
        let as_declared = |with: &Settings| with == settings;
        match &file.records {
            Some((with, Ok(records))) if as_declared(with) => {
                // Other bytes have another root.
                let role = match same {
                    true => Role::Finding,
                    false => Role::Consequence,
                };
                let all_same = self.compare_records(subject, settings, records, place, role);
                if !same && all_same && tells_all(subject, settings) {
                    self.explain(&sha256_path, only_spelling(settings));
                }
            }
            Some((with, Err(error))) if as_declared(with) => self.cannot_count(error, &at),
            // The data passes by its bytes, and its records must pass too.
            _ if same => self.check(Outcome::Fail, &at, "the records were not counted again"),
            Some((with, Ok(records))) if with.same_records(settings) => {
                let mut quiet = Self {
                    checks: Vec::new(),
                    facts: Vec::new(),
                    not_told: false,
                };
                let role = Role::Consequence;
                let all_same = quiet.compare_records(subject, settings, records, place, role);
                if all_same && tells_all(subject, settings) {
                    let message = "records identical, bytes differ: the compression changed";
                    self.explain(&sha256_path, message);
                }
            }
            // The bytes differ already.
            _ => {}
        }
    }

    /// Records that were counted once and cannot be counted again are not those that were; when
    /// a budget was reached, nothing is known of them.
    fn cannot_count(&mut self, error: &RecordError, at: &str) {
        let budget = error.is_budget();
        self.not_told |= budget;
        let outcome = if budget { Outcome::Skip } else { Outcome::Fail };
        let message = format!("the records cannot be counted again: {error}");
        self.check(outcome, at, message);
    }

    /// Compares count, root, header and schema. Returns whether all are the same. `role` is that of
    /// failures of root, header and schema; another count always tells something of its own.
    fn compare_records(
        &mut self,
        subject: &Subject,
        settings: &Settings,
        records: &Records,
        place: &str,
        role: Role,
    ) -> bool {
        let mut all_same = true;
        if let Some(count) = &subject.digest.record_count {
            // "007" and "7" are one number.
            let declared = count.as_str().trim_start_matches('0');
            let declared = if declared.is_empty() { "0" } else { declared };
            let path = format!("{place}.digest.recordCount");
            all_same &=
                self.compare_value(&path, declared, &records.count.to_string(), Role::Finding);
        }
        if let Some(root) = &subject.digest.merkle_root {
            let path = format!("{place}.digest.merkleRoot");
            let found = records.root.to_string();
            all_same &= self.compare_value(&path, &root.to_string(), &found, role);
        }
        if let Some(header) = &settings.header_digest {
            let found = records.header_digest;
            let found = found.map_or("no header".to_owned(), |digest| digest.to_string());
            let path = format!("{place}.annotations.headerDigest.sha256");
            all_same &= self.compare_value(&path, &header.sha256.to_string(), &found, role);
        }
        if let (Some(schema), true) = (&settings.schema_digest, settings.has_rows()) {
            let found = records.schema_digest;
            let found = found.map_or("no schema".to_owned(), |digest| digest.to_string());
            let path = format!("{place}.annotations.schemaDigest.sha256");
            all_same &= self.compare_value(&path, &schema.sha256.to_string(), &found, role);
        }
        all_same
    }

    /// Compares a folder, what it leaves out, and the rows of its files if they are counted.
    fn compare_table(&mut self, subject: &Subject, folder: &FolderEvidence, place: &str) {
        let same = self.compare_folder(subject, folder, place);
        let at = format!("{place}.annotations");
        let exclude_at = format!("{at}{}.exclude", segment(FOLDER_ANNOTATION));
        let declared = FolderReading::of(subject);
        if declared != folder.reading {
            // It would pass by what another statement leaves out.
            if same {
                let message = "the folder was not read as this statement says";
                self.check(Outcome::Fail, &exclude_at, message);
            }
            return;
        }
        if folder.excluded > 0 {
            let patterns = declared.exclude.iter().map(Pattern::as_str);
            let message = format!(
                "{} file(s) are not covered: the statement leaves out what is named {}",
                folder.excluded,
                patterns.collect::<Vec<_>>().join(", ")
            );
            self.check(Outcome::Warn, &exclude_at, message);
        }
        match (&declared.settings, &folder.records) {
            (Some(settings), Some(Ok(records))) => {
                let role = match same {
                    true => Role::Finding,
                    false => Role::Consequence,
                };
                let rows_same = self.compare_records(subject, settings, records, place, role);
                if !same && rows_same && tells_all(subject, settings) {
                    let path = format!("{place}.digest.dirHash");
                    self.explain(&path, only_spelling(settings));
                }
            }
            (Some(_), Some(Err(error))) => self.cannot_count(error, &at),
            (Some(_), None) if same => {
                self.check(Outcome::Fail, &at, "the records were not counted again");
            }
            (Some(_), None) => {}
            (None, _) => {
                let why = match declared_settings(subject) {
                    Some(_) => "lines of the files of a folder are not counted",
                    None => NOT_SAID,
                };
                self.not_counted(subject, place, why);
            }
        }
    }

    /// Compares the digest of a folder, and tells which files differ. Returns whether it is the
    /// same.
    fn compare_folder(&mut self, subject: &Subject, folder: &FolderEvidence, place: &str) -> bool {
        let declared = subject.digest.sha256;
        let found = folder.found.dir_hash();
        let path = format!("{place}.digest.dirHash");
        match (is_listed(subject), folder.unlisted) {
            // It would pass by what another statement leaves out.
            (false, Some(_)) => {
                let message = "covers the whole folder, of which only listed files were read";
                self.check(Outcome::Fail, &path, message);
                return false;
            }
            (true, None) if declared != found => {
                let message = "covers listed files, and the manifest beside the folder that would \
                               list them is not there or not the attested one";
                self.check(Outcome::Skip, &path, message);
                self.not_told = true;
                return false;
            }
            (true, Some(others)) if others > 0 => {
                let message = format!("{others} other file(s) in the folder are not covered");
                self.check(Outcome::Warn, &path, message);
            }
            _ => {}
        }
        let stored = folder.stored.as_ref();
        let stored = stored.filter(|stored| stored.dir_hash() == declared);
        // The files that differ tell more than the digest over them.
        let role = match stored {
            Some(_) => Role::Consequence,
            None => Role::Finding,
        };
        if self.compare_value(&path, &declared.to_string(), &found.to_string(), role) {
            let files = folder.found.len() as u64;
            self.facts.push(recomputed("files", files.into()));
            return true;
        }
        let Some(stored) = stored else {
            let why = match &folder.stored {
                Some(_) => "the manifest beside the folder is not the attested one",
                None => "there is no manifest beside the folder",
            };
            let message = format!("{why}, so the files that differ cannot be named");
            self.check(Outcome::Skip, &path, message);
            return false;
        };
        for difference in stored.differences(&folder.found) {
            let (path, message) = match &difference {
                Difference::Added(path) => (path, "was added"),
                Difference::Lost(path) => (path, "is gone"),
                Difference::Changed(path) => (path, "was changed"),
            };
            self.check(Outcome::Fail, path, message);
        }
        false
    }

    /// Compares one file with the folder's manifest, once that is known to be the attested one.
    fn compare_member(&mut self, subject: &Subject, member: &MemberEvidence, dir_hash_path: &str) {
        let (declared, found) = (subject.digest.sha256, member.manifest.dir_hash());
        if declared != found {
            let message = format!(
                "does not match: the statement says {declared}, the manifest beside the folder has {found}"
            );
            let check = Check::new("V3", Outcome::Fail, dir_hash_path, message);
            self.checks
                .push(check.compared(found.to_string(), declared.to_string()));
            return;
        }
        let path = member.path.as_str();
        let found = member.sha256.to_string();
        match member.manifest.get(path) {
            Some(declared) if *declared == member.sha256 => {
                self.facts.push(recomputed(path, found.into()));
                let message = "is what the folder's manifest says; the other files were not read";
                self.check(Outcome::Pass, path, message);
            }
            Some(declared) => {
                let message =
                    format!("does not match: the manifest says {declared}, the file has {found}");
                let check = Check::new("V3", Outcome::Fail, path, message);
                self.checks
                    .push(check.compared(found, declared.to_string()));
            }
            None => self.check(Outcome::Fail, path, "is not in the folder's manifest"),
        }
    }
}

/// Whether equal count, root and header mean that nothing but spelling differs.
fn tells_all(subject: &Subject, settings: &Settings) -> bool {
    let header_told = !settings.has_header() || settings.header_digest.is_some();
    subject.digest.merkle_root.is_some() && header_told
}

fn only_spelling(settings: &Settings) -> String {
    if settings.has_rows() {
        return "records identical, bytes differ: only the way in which the rows are stored changed"
            .to_owned();
    }
    let mut what = vec!["line ends"];
    if settings.format == Format::JsonLines {
        what.push("empty lines");
    }
    if settings.encoding() == Encoding::Rfc8785 {
        what.push("spacing, key order or number forms");
    }
    if settings.compression() != Compression::None {
        what.push("the way of compression");
    }
    format!(
        "records identical, bytes differ: only {} changed",
        what.join(", ")
    )
}

fn recomputed(path: &str, value: Json) -> Fact {
    Fact {
        path: path.to_owned(),
        value,
        basis: Basis::Recomputed,
    }
}
