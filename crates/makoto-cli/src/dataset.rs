//! A dataset on disk, measured: what goes into a subject or an input.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::{Json, Object};
use makoto::manifest::Manifest;
use makoto::record::{
    Compression, Encoding, Format, Quote, RecordError, Records, Separator, Settings, Sha256Set,
};
use makoto::report::Level;
use makoto::shape::Shape as _;
use makoto::statement::{RECORDS_ANNOTATION, Statement};
use makoto_data::{
    Catalog, Fingerprint, Links, Progress, Sidecar, Stream, apparent_compression, attestation_path,
    digest_file, digest_folder,
};

use crate::command::newest_last;
use crate::failure::Failure;
use crate::naming::{Named, plain_name};
use crate::progress::Bar;
use crate::screen::Plain;

/// How records are counted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Records")]
pub(crate) struct RecordArgs {
    /// Format of the data; `auto` goes by the end of the name (.csv, .tsv, .jsonl, .ndjson, also
    /// with .gz or .zst)
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    pub(crate) format: FormatArg,

    /// The first CSV record is data, not a header
    #[arg(long)]
    pub(crate) no_header: bool,

    /// CSV delimiter: one ASCII character, or `tab`
    #[arg(long, value_name = "CHAR", value_parser = separator)]
    pub(crate) delimiter: Option<Separator>,

    /// CSV quote: one ASCII character, or `none`
    #[arg(long, value_name = "CHAR", value_parser = quote)]
    pub(crate) quote: Option<Quote>,

    /// Hash JSON records in RFC 8785 form, so that key order and spacing do not matter
    #[arg(long)]
    pub(crate) canonical: bool,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// By the end of the name
    Auto,
    /// Only bytes; no records
    Bytes,
    /// RFC 4180
    Csv,
    /// JSON Lines
    Jsonl,
}

fn separator(text: &str) -> Result<Separator, String> {
    match text {
        "tab" => Ok(Separator::TAB),
        _ => Separator::parse(text).ok_or_else(|| "needed one ASCII character or `tab`".to_owned()),
    }
}

fn quote(text: &str) -> Result<Quote, String> {
    Quote::parse(text).ok_or_else(|| "needed one ASCII character or `none`".to_owned())
}

impl RecordArgs {
    /// The links rule that was asked for.
    pub(crate) fn links(&self) -> Links {
        match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        }
    }

    /// The settings for the file at `path`; `None` when its records are not to be counted.
    pub(crate) fn settings(&self, path: &Path) -> Result<Option<Settings>, Failure> {
        self.settings_of(path, || Ok(apparent_compression(path)?))
    }

    /// The settings for data called `path`, with the compression that its first bytes show.
    fn settings_of(
        &self,
        path: &Path,
        compression: impl FnOnce() -> Result<Compression, Failure>,
    ) -> Result<Option<Settings>, Failure> {
        let extension = plain_name(path).extension().map(|e| e.to_ascii_lowercase());
        let extension = extension
            .as_ref()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let format = match (self.format, extension) {
            (FormatArg::Csv, _) | (FormatArg::Auto, "csv" | "tsv") => Format::Csv,
            (FormatArg::Jsonl, _) | (FormatArg::Auto, "jsonl" | "ndjson") => Format::JsonLines,
            (FormatArg::Bytes, _) | (FormatArg::Auto, _) => {
                self.refuse_leftovers("needs --format csv or jsonl", false, false)?;
                return Ok(None);
            }
        };
        let mut settings = Settings::for_format(format);
        settings.compression = Some(compression()?);
        match format {
            Format::Csv => {
                self.refuse_leftovers("needs JSON Lines", true, false)?;
                let separator = match extension {
                    "tsv" => Separator::TAB,
                    _ => Separator::COMMA,
                };
                settings.header = Some(!self.no_header);
                settings.delimiter = Some(self.delimiter.unwrap_or(separator));
                settings.quote = self.quote.or(settings.quote);
                if settings.quote.and_then(Quote::character)
                    == settings.delimiter.map(Separator::byte)
                {
                    return Err(Failure::usage(
                        "--quote and --delimiter are the same character",
                    ));
                }
            }
            Format::JsonLines => {
                self.refuse_leftovers("needs CSV", false, true)?;
                if self.canonical {
                    settings.encoding = Some(Encoding::Rfc8785);
                }
            }
        }
        Ok(Some(settings))
    }

    /// Refuses an option that would silently mean nothing.
    fn refuse_leftovers(&self, needs: &str, csv: bool, json: bool) -> Result<(), Failure> {
        let unused = [
            ("--no-header", self.no_header && !csv),
            ("--delimiter", self.delimiter.is_some() && !csv),
            ("--quote", self.quote.is_some() && !csv),
            ("--canonical", self.canonical && !json),
        ];
        match unused.iter().find(|(_, unused)| *unused) {
            Some((option, _)) => Err(Failure::usage(format!("{option} {needs}"))),
            None => Ok(()),
        }
    }
}

/// What was measured of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) path: PathBuf,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
    pub(crate) records: Option<(Settings, Records)>,
    pub(crate) manifest: Option<Manifest>,
    /// State of a file; a folder has one for each of its files.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// What to do when records that were not asked for by name cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRecords {
    /// Fail: the statement would say less than was asked for.
    Refuse,
    /// Go on without a count: the dataset is only an input.
    Skip,
}

impl Measured {
    /// Reads the file or folder at `path`.
    pub(crate) fn read(
        path: &Path,
        args: &RecordArgs,
        bad_records: BadRecords,
    ) -> Result<Self, Failure> {
        let bar = Bar::reading(path);
        Self::read_telling(path, args, bad_records, &|bytes| bar.add(bytes))
    }

    /// As [`Measured::read`], telling `progress` of the bytes.
    pub(crate) fn read_telling(
        path: &Path,
        args: &RecordArgs,
        bad_records: BadRecords,
        progress: &Progress<'_>,
    ) -> Result<Self, Failure> {
        if path.is_dir() {
            args.refuse_leftovers("needs a file, not a folder", false, false)?;
            let folder = digest_folder(path, args.links(), progress)?;
            return Ok(Self {
                path: path.to_owned(),
                sha256: folder.manifest.dir_hash(),
                bytes: folder.bytes,
                records: None,
                manifest: Some(folder.manifest),
                fingerprint: None,
            });
        }
        let settings = args.settings(path)?;
        let digest = digest_file(path, settings.as_ref(), progress, None)?;
        let records = counted(path, settings, digest.records, bad_records)?;
        Ok(Self {
            path: path.to_owned(),
            sha256: digest.sha256,
            bytes: digest.fingerprint.size,
            records,
            manifest: None,
            fingerprint: Some(digest.fingerprint),
        })
    }

    /// Reads data that comes once and is called `path`, and copies it.
    pub(crate) fn of_stream(
        path: &Path,
        stream: Stream<'_>,
        args: &RecordArgs,
        bad_records: BadRecords,
        progress: &Progress<'_>,
        copy: Option<&mut (dyn Write + Send)>,
    ) -> Result<Self, Failure> {
        let settings = args.settings_of(path, || Ok(stream.apparent_compression()))?;
        let digest = stream.digest(settings.as_ref(), progress, copy)?;
        Ok(Self {
            path: path.to_owned(),
            sha256: digest.sha256,
            bytes: digest.bytes,
            records: counted(path, settings, digest.records, bad_records)?,
            manifest: None,
            fingerprint: None,
        })
    }

    /// Stands for an output that is not there yet.
    pub(crate) fn expected(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            sha256: Digest::of(b""),
            bytes: 0,
            records: None,
            manifest: None,
            fingerprint: None,
        }
    }

    /// The name that a dataset at this path has by default: `dataset:` and the file's stem.
    pub(crate) fn default_name(&self) -> Result<String, Failure> {
        let named = Named::of(&self.path, self.manifest.is_some())?;
        Ok(format!("dataset:{}", named.stem))
    }

    /// The subject of a statement about this dataset.
    pub(crate) fn subject(&self, name: &str) -> Json {
        let sha256: Json = self.sha256.to_string().into();
        let mut digest = Object::from_iter([("sha256", sha256.clone())]);
        let mut subject = Object::from_iter([("name", name)]);
        if self.manifest.is_some() {
            digest.insert("dirHash", sha256);
        }
        if let Some((settings, records)) = &self.records {
            digest.insert("recordCount", records.count.to_string().into());
            digest.insert("merkleRoot", records.root.to_string().into());
            let mut settings = settings.clone();
            settings.header_digest = records.header_digest.map(Sha256Set::new);
            let annotation = [(RECORDS_ANNOTATION, settings.write())];
            subject.insert("annotations", annotation.into());
            subject.insert("mediaType", media_type(&settings).into());
        }
        subject.insert("digest", Json::Object(digest));
        Json::Object(subject)
    }

    /// What this dataset's own attestation says of it, if it has one: beside it, else in `stores`.
    ///
    /// An attestation that lies beside it and is about other bytes is an error: the input is not
    /// what it was attested to be.
    pub(crate) fn attested(&self, stores: &Catalog) -> Result<Option<Attested>, Failure> {
        let sidecar = Sidecar::at(attestation_path(&self.path)?);
        let shown = || Plain(&self.path.to_string_lossy()).to_string();
        let Some(bytes) = sidecar.read()? else {
            return Ok(self.said_by(&newest_last(stores, &self.sha256)?));
        };
        let attestations = Attestation::parse_file(&bytes).map_err(|error| {
            Failure::contradiction(format!(
                "the attestation of {} cannot be read: {error}",
                shown()
            ))
            .hint("mend or remove it, then run the command again")
        })?;
        if let Some(attested) = self.said_by(&attestations) {
            return Ok(Some(attested));
        }
        Err(Failure::contradiction(format!(
            "{} is not what its attestation says: no statement in {} has sha256 {}",
            shown(),
            Plain(&sidecar.path().to_string_lossy()),
            self.sha256
        ))
        .hint("see `makoto verify` on it; attest it again with --replace or --append if the change is meant"))
    }

    /// What the newest of `attestations` about this dataset, which is the last, says of it.
    fn said_by(&self, attestations: &[Attestation]) -> Option<Attested> {
        attestations.iter().rev().find_map(|attestation| {
            let (statement, _) = Statement::read(attestation.statement.clone(), Level::L1);
            let is_folder = self.manifest.is_some();
            let statement = statement?;
            let subject = statement.subject.as_slice().iter().find(|subject| {
                let digest = &subject.digest;
                digest.sha256 == self.sha256 && digest.dir_hash.is_some() == is_folder
            })?;
            Some(Attested {
                name: subject.name.as_str().to_owned(),
                reference: attestation.reference(),
            })
        })
    }
}

/// An attestation of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Attested {
    /// The name that it gives the dataset.
    pub(crate) name: String,
    /// The URI by which other statements refer to it.
    pub(crate) reference: String,
}

/// Records as they go into a statement.
fn counted(
    path: &Path,
    settings: Option<Settings>,
    records: Option<Result<Records, RecordError>>,
    bad_records: BadRecords,
) -> Result<Option<(Settings, Records)>, Failure> {
    match (settings, records) {
        (Some(settings), Some(Ok(records))) => Ok(Some((settings, records))),
        (_, Some(Err(error))) if bad_records == BadRecords::Refuse => {
            Err(records_refused(path, &error))
        }
        _ => Ok(None),
    }
}

fn records_refused(path: &Path, error: &RecordError) -> Failure {
    let failure = Failure::usage(format!("{}: {error}", Plain(&path.to_string_lossy())));
    failure.hint(match error {
        RecordError::Quoting { .. } => {
            "--quote and --delimiter say how it is quoted; --format bytes attests it without counting records"
        }
        RecordError::Record { .. } | RecordError::TooLong { .. } => {
            "mend the record; --format bytes attests the file without counting records"
        }
        RecordError::NotCompressed(_) | RecordError::Inflation { .. } => {
            "--format bytes attests the stored bytes without looking inside"
        }
    })
}

fn media_type(settings: &Settings) -> &'static str {
    match (settings.compression(), settings.format) {
        (Compression::Gzip, _) => "application/gzip",
        (Compression::Zstd, _) => "application/zstd",
        (Compression::None, Format::JsonLines) => "application/x-ndjson",
        (Compression::None, Format::Csv) => match settings.delimiter {
            Some(Separator::TAB) => "text/tab-separated-values",
            _ => "text/csv",
        },
    }
}
