use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::record::Settings;
use makoto::report::{Report, Verdict};
use makoto::verify::{Asked, Evidence, FileEvidence};
use makoto_data::{
    Catalog, Links, NewFile, Progress, Stream, StreamDigest, apparent_compression,
    attestation_path, digest_file,
};

use super::folder::Folder;
use super::known::Known;
use super::package::{AskedOfPackage, Judged, is_package, judge};
use super::{LevelArg, Output};
use crate::advice;
use crate::batch::Batch;
use crate::catalog::CatalogArgs;
use crate::dataset::{is_template, named, refuse_overwriting};
use crate::failure::Failure;
use crate::judge::{Judge, PolicyArgs};
use crate::object;
use crate::progress::Bar;
use crate::screen::{self, Detail, Plain};
use crate::selection::{Kind, Selection, SelectionArgs};
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
  makoto verify orders.csv --policy policy.toml --level L2 --as dataset:orders
  makoto verify orders.csv --as dataset:orders --output trusted/orders.csv
  makoto verify orders.csv --store /srv/attestations
  makoto verify parts/ --json
  makoto verify 'data/**/*.csv'
  curl -sf https://example.com/a.csv | makoto verify - --attestation a.csv.attestation --output a.csv
  makoto verify orders.csv --junit report.xml
  makoto verify parts/ --member 2026/11/part-3.csv
  makoto verify delivery.zip --package-trust sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9")]
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

    /// The level that is needed [default: what the policy requires, L1 without one]
    #[arg(long, value_enum)]
    level: Option<LevelArg>,

    /// The name that the data must have, in which {stem} and {file} stand for the file's stem and
    /// name; without it, the name is only claimed
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
    policy: PolicyArgs,

    #[command(flatten)]
    places: CatalogArgs,

    /// Show every check, fact and threat
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

impl Verify {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let selection = self
            .selection
            .select(&self.data, Kind::Data(self.links()))?;
        let one = match &selection {
            Selection::One(data) => Some(data.as_path()),
            Selection::Many(_) => None,
        };
        let judge = match (Judge::new(&self.policy, &self.places, one), one) {
            (Ok(judge), _) => judge,
            (Err(failure), Some(data)) => {
                let told = Err(failure);
                let mut sinks = self.open_sinks(data, output)?;
                sinks.tell(data, &told);
                sinks.finish();
                return told.map(|report| report.verdict.exit_status());
            }
            (Err(failure), None) => return Err(failure),
        };
        match selection {
            Selection::One(data) => {
                let bar = Bar::reading(&data);
                let progress = |bytes| bar.add(bytes);
                let one = self.of(&judge, &data, &progress);
                let mut sinks = self.open_sinks(&data, output)?;
                let told = one.judge();
                drop(bar);
                if let Ok(judged) = &told {
                    self.show(&data, judged, output);
                }
                let told = told.map(Told::into_report);
                sinks.tell(&data, &told);
                sinks.finish();
                Ok(told?.verdict.exit_status())
            }
            Selection::Many(many) => {
                self.refuse_many()?;
                let batch = Batch::new(many, output);
                let data: Vec<_> = batch.paths().collect();
                let mut sinks = Sinks::open(&self.sinks, "verify", output, &data)?;
                let status = batch.run(
                    |data, progress| {
                        self.of(&judge, data, progress)
                            .judge()
                            .map(Told::into_report)
                    },
                    |report| report.verdict == Verdict::Pass,
                    |all| sinks.tell_all(all),
                );
                sinks.finish();
                Ok(status)
            }
        }
    }

    fn show(&self, data: &Path, told: &Told, output: Output) {
        let detail = match self.verbose {
            true => Detail::Everything,
            false => Detail::ThreeLines,
        };
        match (told, output) {
            (Told::Package(judged), _) => judged.show(data, output, detail),
            (Told::Data(report), Output::Json) => screen::json(&report.to_json()),
            (Told::Data(report), _) => {
                screen::report(&data.to_string_lossy(), report, detail);
                if let Some(advice) = advice::on(data, self.name.as_deref(), report) {
                    screen::note(format!("hint: {advice}"));
                }
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

    fn open_sinks(&self, data: &Path, output: Output) -> Result<Sinks, Failure> {
        // Data without a name is refused later, by what it is.
        let attestation = self.attestation_of(data).ok();
        let mut used = vec![data];
        used.extend(attestation.as_deref());
        used.extend(self.output.as_deref());
        Sinks::open(&self.sinks, "verify", output, &used)
    }

    fn attestation_of(&self, data: &Path) -> Result<PathBuf, Failure> {
        match &self.attestation {
            Some(path) => Ok(path.clone()),
            None => Ok(attestation_path(data)?),
        }
    }

    fn links(&self) -> Links {
        match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        }
    }

    fn of<'a>(
        &'a self,
        judge: &'a Judge<'a>,
        data: &'a Path,
        progress: &'a Progress<'a>,
    ) -> Verification<'a> {
        Verification {
            asks: self,
            judge,
            data,
            progress,
        }
    }
}

/// Whether a file is called a ZIP file.
fn is_zip(path: &Path) -> bool {
    let end = path.extension();
    end.is_some_and(|end| end.eq_ignore_ascii_case("zip"))
}

/// What came of one verification.
enum Told {
    Package(Box<Judged>),
    Data(Box<Report>),
}

impl Told {
    fn report_mut(&mut self) -> &mut Report {
        match self {
            Self::Package(judged) => &mut judged.report,
            Self::Data(report) => report,
        }
    }

    fn into_report(self) -> Report {
        match self {
            Self::Package(judged) => judged.report,
            Self::Data(report) => *report,
        }
    }
}

/// The verification of one dataset.
struct Verification<'a> {
    asks: &'a Verify,
    judge: &'a Judge<'a>,
    data: &'a Path,
    progress: &'a Progress<'a>,
}

impl Verification<'_> {
    fn judge(&self) -> Result<Told, Failure> {
        let told = match self.as_package() {
            Ok(Some(judged)) => Ok(Told::Package(Box::new(judged))),
            Ok(None) => self.verify().map(|report| Told::Data(Box::new(report))),
            Err(failure) => Err(failure),
        };
        let mut told = told.map_err(|failure| self.judge.signs_failure(failure))?;
        self.judge.signs(told.report_mut());
        Ok(told)
    }

    fn is_stdin(&self) -> bool {
        self.data == Path::new("-")
    }

    /// Whether the data is no file, and has no readers that a copy could take over.
    fn is_elsewhere(&self) -> bool {
        self.is_stdin() || object::is_url(self.data)
    }

    /// The verdict on a package, if the data is one: a ZIP file that nothing attests as a file.
    fn as_package(&self) -> Result<Option<Judged>, Failure> {
        let is_candidate =
            self.asks.attestation.is_none() && !self.is_elsewhere() && self.data.is_file();
        // Whoever verifies data by a policy and then reads it must not be handed a package in its
        // place, in which other bytes are attested than those that it is read as.
        let may_be = !self.judge.has_policy()
            || self.asks.member.is_some()
            || self.judge.package_trust().is_some()
            || is_zip(self.data);
        if !is_candidate || !is_package(self.data)? {
            return Ok(None);
        }
        let stores = self.asks.places.stores().catalog()?;
        if !stores.is_empty() && !stores.about(&self.read(None, None)?.sha256)?.is_empty() {
            return Ok(None);
        }
        if !may_be {
            let shown = self.data.to_string_lossy();
            screen::note(format!(
                "note: {} looks like a package; by a policy, only a file called .zip is taken for one, or with --member",
                Plain(&shown)
            ));
            return Ok(None);
        }
        if self.asks.output.is_some() {
            return Err(Failure::usage("--output needs a file; this is a package"));
        }
        let asked = AskedOfPackage {
            level: self.asks.level.map(Into::into),
            name: self.asks.name.as_deref(),
            member: self.asks.member.as_deref(),
        };
        judge(self.data, &asked, self.judge).map(Some)
    }

    /// The name that this dataset must have.
    fn name(&self, is_folder: bool) -> Result<Option<String>, Failure> {
        let name = self.asks.name.as_deref();
        name.map(|name| named(self.data, is_folder, name))
            .transpose()
    }

    fn asked<'n>(&self, name: &'n Option<String>) -> Asked<'n> {
        Asked {
            level: self.asks.level.map(Into::into),
            name: name.as_deref(),
            places: &[],
        }
    }

    fn verify(&self) -> Result<Report, Failure> {
        let now = self.judge.now().clone();
        // Data that cannot be read is one thing, data without an attestation another.
        let url = object::url_of(self.data)?;
        let is_folder = match &url {
            Some(url) => object::look(url).map(|()| false)?,
            None if self.is_stdin() => false,
            None => std::fs::metadata(self.data)
                .map_err(|error| {
                    let shown = self.data.to_string_lossy();
                    Failure::usage(format!("cannot read {}: {error}", Plain(&shown)))
                        .hint("check the path; it is taken from the folder you are in")
                })?
                .is_dir(),
        };
        let stores = match self.asks.attestation {
            // Somebody said which statement counts.
            Some(_) => Catalog::new(),
            None => self.asks.places.stores().catalog()?,
        };
        let known = match (&self.asks.attestation, url) {
            (None, Some(url)) => {
                let (sidecar, bytes) = object::read_beside(&url)?;
                Known::of(sidecar.path().to_owned(), Ok(bytes), stores, &now)?
            }
            (None, None) if self.is_stdin() && stores.is_empty() => {
                return Err(
                    Failure::usage("nothing lies beside stdin, so it needs --attestation")
                        .hint("name the attestation with --attestation, or a store with --store"),
                );
            }
            (None, None) if self.is_stdin() => {
                Known::of(PathBuf::from("-.attestation"), Ok(None), stores, &now)?
            }
            _ => Known::read(self.attestation_path()?, stores, &now)?,
        };
        let known = match known {
            Ok(known) => known,
            Err(report) => return Ok(*report),
        };
        let name = self.name(is_folder)?;
        let asked = self.asked(&name);
        let evidence = match (is_folder, &self.asks.member) {
            (true, Some(member)) => self.folder().read_member(member)?,
            (false, Some(_)) => return Err(Failure::usage("--member needs a folder")),
            (true, None) if self.asks.output.is_some() => {
                return Err(Failure::usage("--output needs a file; this is a folder"));
            }
            (true, None) => match self.folder().candidates(&known, &now)? {
                Ok(candidates) => self.folder().read(&candidates, asked.name)?,
                Err(report) => return Ok(*report),
            },
            (false, None) => return self.verify_file(&known, &asked, now),
        };
        let sha256 = evidence.sha256();
        let candidates = match known.candidates(&sha256, &now)? {
            Ok(candidates) => candidates,
            Err(report) => return Ok(*report),
        };
        let mut report = self.judge.judge(self.data, &candidates, &evidence, &asked);
        known.tell_place(&sha256, &mut report)?;
        Ok(report)
    }

    fn folder(&self) -> Folder<'_> {
        Folder {
            path: self.data,
            links: self.asks.links(),
            progress: self.progress,
        }
    }

    fn verify_file(
        &self,
        known: &Known,
        asked: &Asked<'_>,
        now: DateTime,
    ) -> Result<Report, Failure> {
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
            Err(report) => return Ok(*report),
        };
        // Several statements may count records in several ways; which one counts is known now.
        let wanted = match candidates.settings_for(&digest.sha256, name) {
            Some(settings) => settings.cloned(),
            // Nothing can pass any more, but it is worth a look whether only the compression
            // changed.
            None => match counted_with.clone() {
                Some(mut settings) if !self.is_elsewhere() => {
                    if !settings.has_rows() {
                        settings.compression = Some(apparent_compression(self.data)?);
                    }
                    Some(settings)
                }
                _ => None,
            },
        };
        if wanted.is_some() && wanted != counted_with {
            if self.is_stdin() {
                return Err(Failure::usage(
                    "the statement about these bytes counts records in a way that was not known \
                     before they were read, and stdin cannot be read again",
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
        let mut report = self.judge.judge(self.data, &candidates, &evidence, asked);
        known.tell_place(&digest.sha256, &mut report)?;
        if let (Some(copy), Verdict::Pass) = (copy, report.verdict) {
            let like = match self.is_elsewhere() {
                true => self.asks.output.as_deref().unwrap_or(self.data),
                false => self.data,
            };
            copy.keep(like).map_err(|error| self.cannot_copy(&error))?;
        }
        Ok(report)
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
        self.asks.attestation_of(self.data)
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
