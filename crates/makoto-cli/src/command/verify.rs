use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::exclude::Pattern;
use makoto::limits::Limits;
use makoto::record::Settings;
use makoto::report::{Report, Verdict};
use makoto::verify::{
    Asked, Candidates, Evidence, FileEvidence, FolderEvidence, FolderReading, MemberEvidence,
    verify,
};
use makoto_data::{
    Catalog, DataError, FileDigest, Links, NewFile, apparent_compression, attestation_path,
    digest_file, digest_folder, digest_table, member_path, read_manifest,
};

use super::known::Known;
use super::package::{AskedOfPackage, Judged, is_package, judge};
use super::store::StoreArgs;
use super::{LevelArg, Output};
use crate::clock;
use crate::dataset::refuse_overwriting;
use crate::failure::Failure;
use crate::progress::Bar;
use crate::screen::{self, Detail, Plain};
use crate::sink::{SinkArgs, Sinks};

/// Check that data still is what its attestation says
///
/// Reads DATA.attestation, and the stores that are named, hashes the data again, and counts its
/// records again as the attestation says they were counted. Nothing that lies beside the data or
/// in a store is trusted: at L1 an attestation is its producer's own word. Of a package (a ZIP file
/// with ATTESTATION.json, see `makoto pack`), every member is checked without unpacking it.
///
/// What is read by path after a verification may have changed since; --output gives a copy of
/// exactly the bytes that were verified.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto verify orders.csv
  makoto verify orders.csv --as dataset:orders --output trusted/orders.csv
  makoto verify orders.csv --store /srv/attestations
  makoto verify parts/ --json
  makoto verify orders.csv --junit report.xml
  makoto verify parts/ --member 2026/11/part-3.csv")]
pub(crate) struct Verify {
    /// The file or folder
    data: PathBuf,

    /// The attestation, when it is not DATA.attestation
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,

    /// The level that is needed
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    /// The name that the data must have; without it, the name is only claimed
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,

    /// Copy the bytes here as they are read, if they pass
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Check only this file of a folder, by the folder's manifest; or this dataset of a package
    #[arg(long, value_name = "PATH", conflicts_with = "output")]
    member: Option<String>,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    store: StoreArgs,

    /// Show every check, fact and threat
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

impl Verify {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let mut sinks = self.open_sinks(output)?;
        let told = self.judge_and_show(output);
        sinks.tell(&self.data, &told);
        sinks.finish();
        Ok(told?.verdict.exit_status())
    }

    fn judge_and_show(&self, output: Output) -> Result<Report, Failure> {
        let detail = match self.verbose {
            true => Detail::Everything,
            false => Detail::ThreeLines,
        };
        if let Some(judged) = self.as_package()? {
            judged.show(&self.data, output, detail);
            return Ok(judged.report);
        }
        let report = self.verify()?;
        match output {
            Output::Json => screen::json(&report.to_json()),
            Output::Text | Output::Aside => {
                screen::report(&self.data.to_string_lossy(), &report, detail);
            }
        }
        Ok(report)
    }

    fn open_sinks(&self, output: Output) -> Result<Sinks, Failure> {
        // Data without a name is refused later, by what it is.
        let attestation = self.attestation_path().ok();
        let mut used = vec![self.data.as_path()];
        used.extend(attestation.as_deref());
        used.extend(self.output.as_deref());
        Sinks::open(&self.sinks, "verify", output, &used)
    }

    /// The verdict on a package, if the data is one: a ZIP file that nothing attests as a file.
    fn as_package(&self) -> Result<Option<Judged>, Failure> {
        let is_candidate = self.attestation.is_none() && self.data.is_file();
        if !is_candidate || !is_package(&self.data)? {
            return Ok(None);
        }
        let stores = self.store.catalog()?;
        if !stores.is_empty()
            && !stores
                .about(&self.read_file(None, None)?.sha256)?
                .is_empty()
        {
            return Ok(None);
        }
        if self.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a package"));
        }
        let asked = AskedOfPackage {
            asked: self.asked(),
            member: self.member.as_deref(),
        };
        judge(&self.data, &asked, &clock::now()?).map(Some)
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            level: self.level.into(),
            name: self.name.as_deref(),
        }
    }

    fn verify(&self) -> Result<Report, Failure> {
        let now = clock::now()?;
        // Data that cannot be read is one thing, data without an attestation another.
        let is_folder = std::fs::metadata(&self.data)
            .map_err(|error| {
                let shown = self.data.to_string_lossy();
                Failure::usage(format!("cannot read {}: {error}", Plain(&shown)))
            })?
            .is_dir();
        let stores = match self.attestation {
            // Somebody said which statement counts.
            Some(_) => Catalog::new(),
            None => self.store.catalog()?,
        };
        let known = match Known::read(self.attestation_path()?, stores, &now)? {
            Ok(known) => known,
            Err(report) => return Ok(*report),
        };
        let asked = self.asked();
        let evidence = match (is_folder, &self.member) {
            (true, Some(member)) => self.read_member(member)?,
            (false, Some(_)) => return Err(Failure::usage("--member needs a folder")),
            (true, None) => match self.folder_candidates(&known, &now)? {
                Ok(candidates) => self.read_folder(&candidates)?,
                Err(report) => return Ok(*report),
            },
            (false, None) => return self.verify_file(&known, &asked, now),
        };
        let sha256 = evidence.sha256();
        let candidates = match known.candidates(&sha256, &now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(*report),
        };
        let mut report = verify(&candidates, &evidence, &asked, now);
        known.tell_place(&sha256, &mut report)?;
        Ok(report)
    }

    fn links(&self) -> Links {
        match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        }
    }

    /// The statements that say how the folder is to be read. Those of a store are found by what
    /// a folder has when everything counts, or when what tables leave out does not.
    fn folder_candidates<'k>(
        &self,
        known: &'k Known,
        now: &DateTime,
    ) -> Result<Result<Cow<'k, Candidates>, Box<Report>>, Failure> {
        if known.has_beside() {
            return Ok(Ok(Cow::Borrowed(known.beside())));
        }
        let mut absent = None;
        for exclude in [Vec::new(), Pattern::of_tables()] {
            let bar = Bar::reading(&self.data);
            let progress = |bytes| bar.add(bytes);
            let folder = match digest_folder(&self.data, self.links(), &exclude, &progress) {
                Ok(folder) => folder,
                Err(DataError::NothingLeft { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            match known.candidates(&folder.manifest.dir_hash(), now)? {
                Ok(candidates) => return Ok(Ok(candidates)),
                Err(report) => absent = absent.or(Some(report)),
            }
        }
        match absent {
            Some(report) => Ok(Err(report)),
            None => Ok(Ok(Cow::Borrowed(known.beside()))),
        }
    }

    fn read_folder(&self, candidates: &Candidates) -> Result<Evidence, Failure> {
        if self.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a folder"));
        }
        let name = self.name.as_deref();
        let mut readings = candidates.folder_readings(name);
        let first = match readings.is_empty() {
            true => FolderReading::default(),
            false => readings.remove(0),
        };
        let evidence = self.read_folder_as(first)?;
        let found = evidence.found.dir_hash();
        match candidates.folder_reading_for(&found, name) {
            Some(reading) if reading == evidence.reading => {
                return Ok(Evidence::Folder(Box::new(evidence)));
            }
            Some(reading) => readings.insert(0, reading),
            None => {}
        }
        // Another statement may leave out other files. Each way is a reading of everything.
        let limit = Limits::DEFAULT.folder_readings;
        if readings.len() > limit {
            return Err(Failure::usage(format!(
                "the statements beside the folder leave out files in more than {limit} ways, and \
                 the first does not fit"
            ))
            .hint("name the attestation with --attestation, or the dataset with --as"));
        }
        for reading in readings {
            let bar = Bar::reading(&self.data);
            let progress = |bytes| bar.add(bytes);
            let folder = digest_folder(&self.data, self.links(), &reading.exclude, &progress);
            let found = match folder {
                Ok(folder) => folder.manifest.dir_hash(),
                Err(DataError::NothingLeft { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if candidates.folder_reading_for(&found, name).as_ref() == Some(&reading) {
                let evidence = self.read_folder_as(reading)?;
                return Ok(Evidence::Folder(Box::new(evidence)));
            }
        }
        Ok(Evidence::Folder(Box::new(evidence)))
    }

    fn read_folder_as(&self, reading: FolderReading) -> Result<FolderEvidence, Failure> {
        let bar = Bar::reading(&self.data);
        let progress = |bytes| bar.add(bytes);
        let (links, exclude) = (self.links(), &reading.exclude);
        let (folder, records) = match &reading.settings {
            None => {
                let folder = digest_folder(&self.data, links, exclude, &progress)?;
                (folder, None)
            }
            Some(settings) => {
                let format = settings.format;
                let (folder, records) =
                    digest_table(&self.data, links, exclude, format, &progress)?;
                (folder, Some(records))
            }
        };
        Ok(FolderEvidence {
            found: folder.manifest,
            stored: read_manifest(&self.data),
            reading,
            excluded: folder.excluded,
            records,
        })
    }

    fn read_member(&self, member: &str) -> Result<Evidence, Failure> {
        makoto::manifest::check_path(member)
            .map_err(|error| Failure::usage(format!("--member: {error}")))?;
        let manifest = read_manifest(&self.data).ok_or_else(|| {
            Failure::usage("there is no manifest beside the folder")
                .hint("verify the whole folder, or get its .manifest from its producer")
        })?;
        let path = member_path(&self.data, member, self.links())?;
        let digest = digest_file(&path, None, &|_| {}, None)?;
        Ok(Evidence::Member(MemberEvidence {
            manifest,
            path: member.to_owned(),
            sha256: digest.sha256,
        }))
    }

    fn verify_file(
        &self,
        known: &Known,
        asked: &Asked<'_>,
        now: DateTime,
    ) -> Result<Report, Failure> {
        let mut copy = match &self.output {
            Some(path) => Some(self.copy_at(path)?),
            None => None,
        };
        let name = asked.name;
        let to_try = known.beside().settings_to_try(name).cloned();
        let mut digest = self.read_file(to_try.as_ref(), copy.as_mut().map(NewFile::file))?;
        let mut counted_with = to_try;
        let candidates = match known.candidates(&digest.sha256, &now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(*report),
        };
        // Several statements may count records in several ways; which one counts is known now.
        let wanted = match candidates.settings_for(&digest.sha256, name) {
            Some(settings) => settings.cloned(),
            // Nothing can pass any more, but it is worth a look whether only the compression
            // changed.
            None => match counted_with.clone() {
                Some(mut settings) => {
                    if !settings.has_rows() {
                        settings.compression = Some(apparent_compression(&self.data)?);
                    }
                    Some(settings)
                }
                None => None,
            },
        };
        if wanted.is_some() && wanted != counted_with {
            let again = self.read_file(wanted.as_ref(), None)?;
            if again.sha256 != digest.sha256 {
                return Err(Failure::usage("the data changed while it was read"));
            }
            digest = again;
            counted_with = wanted;
        }
        let evidence = Evidence::File(Box::new(FileEvidence {
            sha256: digest.sha256,
            bytes: digest.fingerprint.size,
            records: counted_with.zip(digest.records),
        }));
        let mut report = verify(&candidates, &evidence, asked, now);
        known.tell_place(&digest.sha256, &mut report)?;
        if let (Some(copy), Verdict::Pass) = (copy, report.verdict) {
            copy.keep(&self.data)
                .map_err(|error| self.cannot_copy(&error))?;
        }
        Ok(report)
    }

    /// Starts the copy. What it would overwrite must be a plain file, and not what is verified.
    fn copy_at(&self, path: &Path) -> Result<NewFile, Failure> {
        let attestation = self.attestation_path()?;
        refuse_overwriting("--output", path, &[&self.data, &attestation])?;
        NewFile::at(path).map_err(|error| self.cannot_copy(&error))
    }

    fn cannot_copy(&self, error: &std::io::Error) -> Failure {
        let path = self.output.as_deref().unwrap_or(Path::new(""));
        let shown = path.to_string_lossy();
        Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
    }

    fn attestation_path(&self) -> Result<PathBuf, Failure> {
        match &self.attestation {
            Some(path) => Ok(path.clone()),
            None => Ok(attestation_path(&self.data)?),
        }
    }

    fn read_file(
        &self,
        settings: Option<&Settings>,
        copy: Option<&mut std::fs::File>,
    ) -> Result<FileDigest, Failure> {
        let bar = Bar::reading(&self.data);
        let progress = |bytes| bar.add(bytes);
        let copy = copy.map(|file| file as &mut (dyn Write + Send));
        Ok(digest_file(&self.data, settings, &progress, copy)?)
    }
}
