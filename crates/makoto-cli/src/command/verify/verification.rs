//! The verification of one dataset.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use makoto::datetime::DateTime;
use makoto::record::Settings;
use makoto::report::Verdict;
use makoto::verify::{Asked, Evidence, FileEvidence, FolderEvidence, MemberEvidence, verify};
use makoto_data::{
    Catalog, NewFile, Progress, Stream, StreamDigest, apparent_compression, attestation_path,
    digest_file, digest_folder, member_path, read_manifest,
};

use super::{Judgement, Verify};
use crate::clock;
use crate::command::known::Known;
use crate::command::package::{AskedOfPackage, Judged, is_package, judge};
use crate::failure::Failure;
use crate::files::refuse_overwriting;
use crate::naming::named;
use crate::screen::Plain;

/// The verification of one dataset.
pub(super) struct Verification<'a> {
    pub(super) asks: &'a Verify,
    pub(super) data: &'a Path,
    pub(super) stores: &'a Catalog,
    pub(super) progress: &'a Progress<'a>,
}

impl Verification<'_> {
    pub(super) fn judge(&self) -> Result<Judgement, Failure> {
        match self.as_package()? {
            Some(judged) => Ok(Judgement::Package(judged)),
            None => self.judge_data(),
        }
    }

    /// The verdict on a package, if the data is one: a ZIP file that nothing attests as a file.
    fn as_package(&self) -> Result<Option<Judged>, Failure> {
        let can_be = self.asks.attestation.is_none() && !self.is_stdin() && self.data.is_file();
        if !can_be || !is_package(self.data)? {
            return Ok(None);
        }
        if !self.stores.is_empty() {
            let sha256 = self.read(None, None)?.sha256;
            if !self.stores.about(&sha256)?.is_empty() {
                return Ok(None);
            }
        }
        if self.asks.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a package"));
        }
        let name = self.name(false)?;
        let asked = AskedOfPackage {
            asked: self.asked(name.as_deref()),
            member: self.asks.member.as_deref(),
        };
        judge(self.data, &asked, &clock::now()?, self.progress).map(Some)
    }

    /// The name that the data must have.
    fn name(&self, is_folder: bool) -> Result<Option<String>, Failure> {
        let typed = self.asks.name.as_deref();
        typed
            .map(|typed| named(self.data, is_folder, typed))
            .transpose()
    }

    fn asked<'n>(&self, name: Option<&'n str>) -> Asked<'n> {
        Asked {
            level: self.asks.level.into(),
            name,
        }
    }

    fn judge_data(&self) -> Result<Judgement, Failure> {
        let now = clock::now()?;
        // Data that cannot be read is one thing, data without an attestation another.
        let is_folder = !self.is_stdin()
            && std::fs::metadata(self.data)
                .map_err(|error| {
                    let shown = self.data.to_string_lossy();
                    Failure::usage(format!("cannot read {}: {error}", Plain(&shown)))
                })?
                .is_dir();
        let known = match Known::read(self.attestation_path()?, self.stores, &now)? {
            Ok(known) => known,
            Err(report) => return Ok(Judgement::Data(*report, None)),
        };
        let name = self.name(is_folder)?;
        let asked = self.asked(name.as_deref());
        let evidence = match (is_folder, &self.asks.member) {
            (true, Some(member)) => self.read_member(member)?,
            (false, Some(_)) => return Err(Failure::usage("--member needs a folder")),
            (true, None) => self.read_folder()?,
            (false, None) => return self.judge_file(&known, &asked, now),
        };
        let sha256 = evidence.sha256();
        let candidates = match known.candidates(&sha256, &now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(Judgement::Data(*report, None)),
        };
        let mut report = verify(&candidates, &evidence, &asked, now);
        let note = known.add_place(&sha256, &mut report)?;
        Ok(Judgement::Data(report, note))
    }

    fn is_stdin(&self) -> bool {
        self.data == Path::new("-")
    }

    fn read_folder(&self) -> Result<Evidence, Failure> {
        if self.asks.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a folder"));
        }
        let folder = digest_folder(self.data, self.asks.links(), self.progress)?;
        Ok(Evidence::Folder(FolderEvidence {
            found: folder.manifest,
            stored: read_manifest(self.data),
        }))
    }

    fn read_member(&self, member: &str) -> Result<Evidence, Failure> {
        makoto::manifest::check_path(member)
            .map_err(|error| Failure::usage(format!("--member: {error}")))?;
        let manifest = read_manifest(self.data).ok_or_else(|| {
            Failure::usage("there is no manifest beside the folder")
                .hint("verify the whole folder, or get its .manifest from its producer")
        })?;
        let path = member_path(self.data, member, self.asks.links())?;
        let digest = digest_file(&path, None, &|_| {}, None)?;
        Ok(Evidence::Member(MemberEvidence {
            manifest,
            path: member.to_owned(),
            sha256: digest.sha256,
        }))
    }

    fn judge_file(
        &self,
        known: &Known<'_>,
        asked: &Asked<'_>,
        now: DateTime,
    ) -> Result<Judgement, Failure> {
        let mut copy = match &self.asks.output {
            Some(path) => Some(self.copy_at(path)?),
            None => None,
        };
        let name = asked.name;
        let to_try = known.beside().settings_to_try(name).cloned();
        let mut digest = self.read(to_try.as_ref(), copy.as_mut().map(NewFile::file))?;
        let mut counted_with = to_try;
        let candidates = match known.candidates(&digest.sha256, &now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(Judgement::Data(*report, None)),
        };
        // Several statements may count records in several ways; which one counts is known now.
        let wanted = match candidates.settings_for(&digest.sha256, name) {
            Some(settings) => settings.cloned(),
            // Nothing can pass any more, but it is worth a look whether only the compression
            // changed.
            None => match counted_with.clone() {
                Some(mut settings) if !self.is_stdin() => {
                    settings.compression = Some(apparent_compression(self.data)?);
                    Some(settings)
                }
                _ => None,
            },
        };
        if wanted.is_some() && wanted != counted_with {
            if self.is_stdin() {
                return Err(Failure::usage(
                    "the newest statement counts records in another way than the one about these \
                     bytes, and stdin cannot be read again",
                )
                .hint("save the bytes to a file and verify that"));
            }
            let again = self.read(wanted.as_ref(), None)?;
            if again.sha256 != digest.sha256 {
                return Err(Failure::usage("the data changed while it was read"));
            }
            digest = again;
            counted_with = wanted;
        }
        let evidence = Evidence::File(Box::new(FileEvidence {
            sha256: digest.sha256,
            bytes: digest.bytes,
            records: counted_with.zip(digest.records),
        }));
        let mut report = verify(&candidates, &evidence, asked, now);
        let note = known.add_place(&digest.sha256, &mut report)?;
        if let (Some(copy), Verdict::Pass) = (copy, report.verdict) {
            let like = match self.is_stdin() {
                true => self.asks.output.as_deref().unwrap_or(self.data),
                false => self.data,
            };
            copy.keep(like).map_err(|error| self.cannot_copy(&error))?;
        }
        Ok(Judgement::Data(report, note))
    }

    /// Starts the copy. What it would overwrite must be a plain file, and not what is verified.
    fn copy_at(&self, path: &Path) -> Result<NewFile, Failure> {
        let attestation = self.attestation_path()?;
        refuse_overwriting("--output", path, &[self.data, &attestation])?;
        NewFile::at(path).map_err(|error| self.cannot_copy(&error))
    }

    fn cannot_copy(&self, error: &std::io::Error) -> Failure {
        let path = self.asks.output.as_deref().unwrap_or(Path::new(""));
        let shown = path.to_string_lossy();
        Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
    }

    fn attestation_path(&self) -> Result<PathBuf, Failure> {
        match &self.asks.attestation {
            Some(path) => Ok(path.clone()),
            None if self.is_stdin() => Err(Failure::usage(
                "nothing lies beside stdin, so it needs --attestation",
            )),
            None => Ok(attestation_path(self.data)?),
        }
    }

    fn read(
        &self,
        settings: Option<&Settings>,
        copy: Option<&mut File>,
    ) -> Result<StreamDigest, Failure> {
        let copy = copy.map(|file| file as &mut (dyn Write + Send));
        if self.is_stdin() {
            let stream = Stream::open(Path::new("stdin"), None, std::io::stdin())?;
            return Ok(stream.digest(settings, self.progress, copy)?);
        }
        let digest = digest_file(self.data, settings, self.progress, copy)?;
        Ok(StreamDigest {
            sha256: digest.sha256,
            bytes: digest.fingerprint.size,
            records: digest.records,
        })
    }
}
