use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::record::Settings;
use makoto::report::{Check, Outcome, Report, Verdict};
use makoto::validate::refusal;
use makoto::verify::{
    Asked, Candidates, Evidence, FileEvidence, FolderEvidence, MemberEvidence, verify,
};
use makoto_data::{
    Links, Missing, NewFile, Progress, Sidecar, SidecarError, Stream, StreamDigest,
    apparent_compression, attestation_path, count_unlisted, digest_file, digest_folder,
    digest_listed, member_path, read_manifest,
};

use super::{LevelArg, Output};
use crate::batch::{Batch, Done};
use crate::clock;
use crate::dataset::{is_template, named, same_file};
use crate::failure::Failure;
use crate::object;
use crate::progress::Bar;
use crate::screen::{self, Detail, Plain};
use crate::selection::{Kind, Selection, SelectionArgs};

/// Check that data still is what its attestation says
///
/// Reads DATA.attestation, hashes the data again, and counts its records again as the
/// attestation says they were counted. Nothing that lies beside the data is trusted: at L1 an
/// attestation is its producer's own word.
///
/// What is read by path after a verification may have changed since; --output gives a copy of
/// exactly the bytes that were verified.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto verify orders.csv
  makoto verify orders.csv --as dataset:orders --output trusted/orders.csv
  makoto verify parts/ --json
  makoto verify 'data/**/*.csv'
  curl -sf https://example.com/a.csv | makoto verify - --attestation a.csv.attestation --output a.csv
  makoto verify parts/ --member 2026/11/part-3.csv")]
pub(crate) struct Verify {
    /// The files or folders, or - for stdin; a pattern in quotes, such as 'data/**/*.csv', is
    /// matched here
    #[arg(value_name = "DATA", required_unless_present = "files_from")]
    data: Vec<PathBuf>,

    #[command(flatten)]
    selection: SelectionArgs,

    /// The attestation, when it is not DATA.attestation
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,

    /// The level that is needed
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    /// The name that the data must have, in which {stem} and {file} stand for the file's stem and
    /// name; without it, the name is only claimed
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,

    /// Copy the bytes here as they are read, if they pass
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Check only this file of a folder, by the folder's manifest
    #[arg(long, value_name = "PATH", conflicts_with = "output")]
    member: Option<String>,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    follow: bool,

    /// Show every check, fact and threat
    #[arg(short, long)]
    verbose: bool,
}

impl Verify {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let many = match self
            .selection
            .select(&self.data, Kind::Data(self.links()))?
        {
            Selection::Many(many) => many,
            Selection::One(data) => {
                let bar = Bar::reading(&data);
                let report = self.of(&data, &|bytes| bar.add(bytes)).verify()?;
                drop(bar);
                self.tell(&data, &report, output);
                return Ok(report.verdict.exit_status());
            }
        };
        self.refuse_many()?;
        let verify = |data: &Path, progress: &Progress<'_>| self.of(data, progress).verify();
        let tell = |reports: Vec<(&Path, Report)>| {
            let reports = reports.iter();
            reports
                .map(|(data, report)| Done::judged(data, report))
                .collect()
        };
        Ok(Batch::new(many, output).run(verify, tell))
    }

    fn tell(&self, data: &Path, report: &Report, output: Output) {
        match output {
            Output::Json => screen::json(&report.to_json()),
            Output::Text | Output::Aside => {
                let detail = match self.verbose {
                    true => Detail::Everything,
                    false => Detail::ThreeLines,
                };
                screen::report(&data.to_string_lossy(), report, detail);
            }
        }
    }

    /// Refuses options that are about one dataset.
    fn refuse_many(&self) -> Result<(), Failure> {
        let one_name = self.name.as_deref().is_some_and(|name| !is_template(name));
        let about_one = [
            ("--attestation", self.attestation.is_some()),
            ("--output", self.output.is_some()),
            ("--member", self.member.is_some()),
            ("--verbose", self.verbose),
            ("--as with one name", one_name),
        ];
        match about_one.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!(
                "{option} is about one dataset, and there may be many"
            ))
            .hint("verify that dataset alone; --json tells everything about each of many")),
            None => Ok(()),
        }
    }

    fn links(&self) -> Links {
        match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        }
    }

    fn of<'a>(&'a self, data: &'a Path, progress: &'a Progress<'a>) -> Verification<'a> {
        Verification {
            asks: self,
            data,
            progress,
        }
    }
}

/// The verification of one dataset.
struct Verification<'a> {
    asks: &'a Verify,
    data: &'a Path,
    progress: &'a Progress<'a>,
}

impl Verification<'_> {
    fn verify(&self) -> Result<Report, Failure> {
        let now = clock::now()?;
        // Data that cannot be read is one thing, data without an attestation another.
        let is_folder = match object::url_of(self.data)? {
            Some(url) => object::look(&url).map(|()| false)?,
            None if self.is_stdin() => false,
            None => std::fs::metadata(self.data)
                .map_err(|error| {
                    let shown = self.data.to_string_lossy();
                    Failure::usage(format!("cannot read {}: {error}", Plain(&shown)))
                })?
                .is_dir(),
        };
        let candidates = match self.candidates(&now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(*report),
        };
        let name = match &self.asks.name {
            Some(name) => Some(named(self.data, is_folder, name)?),
            None => None,
        };
        let asked = Asked {
            level: self.asks.level.into(),
            name: name.as_deref(),
        };
        let evidence = match (is_folder, &self.asks.member) {
            (true, Some(member)) => self.read_member(member)?,
            (false, Some(_)) => return Err(Failure::usage("--member needs a folder")),
            (true, None) => self.read_folder(&candidates, asked.name)?,
            (false, None) => return self.verify_file(&candidates, &asked, now),
        };
        Ok(verify(&candidates, &evidence, &asked, now))
    }

    fn is_stdin(&self) -> bool {
        self.data == Path::new("-")
    }

    /// The statements of the attestation file, or the report that there are none.
    fn candidates(&self, now: &DateTime) -> Result<Result<Candidates, Box<Report>>, Failure> {
        let (sidecar, read) = match (&self.asks.attestation, object::url_of(self.data)?) {
            (None, Some(url)) => {
                let (sidecar, bytes) = object::read_beside(&url)?;
                (sidecar, Ok(bytes))
            }
            _ => {
                let sidecar = Sidecar::at(self.attestation_path()?);
                let bytes = sidecar.read();
                (sidecar, bytes)
            }
        };
        let shown = sidecar.path().to_string_lossy();
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let message = format!("no attestation: there is no file {shown}");
                let check = Check::new("V1", Outcome::Fail, "", message);
                let report = Report::from_checks(vec![check], now.clone());
                return Ok(Err(Box::new(report)));
            }
            Err(SidecarError::TooLarge { limit, .. }) => {
                let message = format!("the attestation is larger than {limit} bytes");
                let check = Check::new("V1", Outcome::Skip, "", message);
                let report = Report::unknown(check, now.clone());
                return Ok(Err(Box::new(report)));
            }
            Err(error) => return Err(error.into()),
        };
        match Attestation::parse_file(&bytes) {
            Ok(attestations) => Ok(Ok(Candidates::read(attestations))),
            Err(error) => Ok(Err(Box::new(refusal(&error, now.clone())))),
        }
    }

    fn read_folder(
        &self,
        candidates: &Candidates,
        name: Option<&str>,
    ) -> Result<Evidence, Failure> {
        if self.asks.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a folder"));
        }
        let (links, stored) = (self.asks.links(), read_manifest(self.data));
        // A manifest with the attested digest is as good as the attestation.
        let list = stored
            .as_ref()
            .filter(|stored| candidates.lists_files(&stored.dir_hash(), name));
        let (found, unlisted) = match list {
            Some(list) => {
                let names: Vec<_> = list.paths().map(str::to_owned).collect();
                let missing = Missing::LeaveOut;
                let listed = digest_listed(self.data, &names, links, missing, self.progress)?;
                (listed.manifest, Some(count_unlisted(self.data, list)))
            }
            None => (
                digest_folder(self.data, links, self.progress)?.manifest,
                None,
            ),
        };
        Ok(Evidence::Folder(FolderEvidence {
            found,
            stored,
            unlisted,
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

    fn verify_file(
        &self,
        candidates: &Candidates,
        asked: &Asked<'_>,
        now: DateTime,
    ) -> Result<Report, Failure> {
        let mut copy = match &self.asks.output {
            Some(path) => Some(self.copy_at(path)?),
            None => None,
        };
        let name = asked.name;
        let to_try = candidates.settings_to_try(name).cloned();
        let mut digest = self.read(to_try.as_ref(), copy.as_mut().map(NewFile::file))?;
        let mut counted_with = to_try;
        // Several statements may count records in several ways; which one counts is known now.
        let wanted = match candidates.settings_for(&digest.sha256, name) {
            Some(settings) => settings.cloned(),
            // Nothing can pass any more, but it is worth a look whether only the compression
            // changed.
            None => match counted_with.clone() {
                Some(mut settings) if !self.is_stdin() && !object::is_url(self.data) => {
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
        let report = verify(candidates, &evidence, asked, now);
        if let (Some(copy), Verdict::Pass) = (copy, report.verdict) {
            // What is no file has no readers that the copy could take over.
            let like = match self.is_stdin() || object::is_url(self.data) {
                true => self.asks.output.as_deref().unwrap_or(self.data),
                false => self.data,
            };
            copy.keep(like).map_err(|error| self.cannot_copy(&error))?;
        }
        Ok(report)
    }

    /// Starts the copy. What it would overwrite must be a plain file, and not what is verified.
    fn copy_at(&self, path: &Path) -> Result<NewFile, Failure> {
        let shown = Plain(&path.to_string_lossy()).to_string();
        // A link is replaced by the copy, and what it leads to is left alone.
        let entry = std::fs::symlink_metadata(path);
        let is_other = entry.is_ok_and(|entry| !entry.is_file() && !entry.is_symlink());
        if is_other {
            return Err(Failure::usage(format!(
                "--output {shown} is there and is no plain file"
            )));
        }
        let own = ["attestation", "manifest"];
        let is_own = path
            .extension()
            .is_some_and(|end| own.iter().any(|own| end == *own));
        let attestation = self.attestation_path()?;
        let is_read = [self.data, attestation.as_path()]
            .into_iter()
            .any(|read| same_file(read, path));
        if is_own || is_read {
            return Err(Failure::usage(format!(
                "--output {shown} is what is being verified, or has the name of an attestation"
            ))
            .hint("name another file for the copy"));
        }
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
        copy: Option<&mut std::fs::File>,
    ) -> Result<StreamDigest, Failure> {
        let copy = copy.map(|file| file as &mut (dyn Write + Send));
        if self.is_stdin() {
            let stream = Stream::open(Path::new("stdin"), None, std::io::stdin())?;
            return Ok(stream.digest(settings, self.progress, copy)?);
        }
        if let Some(url) = object::url_of(self.data)? {
            let (_, stream) = object::open(&url)?;
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
