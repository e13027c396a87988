//! How the records of data are counted, as it was typed: options, and what the name says where
//! there are none.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use makoto::exclude::Pattern;
use makoto::record::{Compression, Encoding, Format, Quote, Separator, Settings};
use makoto::shape::Shape as _;
use makoto_data::{Links, apparent_compression};

use crate::failure::Failure;
use crate::table::table_format;

/// How records are counted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Records")]
pub(crate) struct RecordArgs {
    /// Format of the data; `auto` goes by the end of the name (.csv, .tsv, .jsonl, .ndjson, also
    /// with .gz or .zst; .parquet, .pq; .arrow, .feather, .ipc)
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

    /// Leave out of an attested folder what has this name: a name, with `*` for any characters
    /// (repeatable). Of an input is left out what its own attestation leaves out
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(crate) exclude: Vec<Pattern>,

    /// Leave nothing out of a table by itself; else `_SUCCESS`, `*.crc` and hidden files are
    #[arg(long)]
    pub(crate) no_default_excludes: bool,
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
    /// Apache Parquet; records are rows
    Parquet,
    /// Arrow IPC file or Feather 2; records are rows
    Arrow,
}

fn separator(text: &str) -> Result<Separator, String> {
    match text {
        "tab" => Ok(Separator::TAB),
        _ => Separator::parse(text).ok_or_else(|| "needed one ASCII character or `tab`".to_owned()),
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).ok_or_else(|| format!("needed {}", Pattern::NEEDED))
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
    pub(crate) fn settings_of(
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
            (FormatArg::Parquet, _) => Format::Parquet,
            (FormatArg::Arrow, _) => Format::Arrow,
            (FormatArg::Auto, _) if let Some(format) = table_format(path) => format,
            (FormatArg::Bytes, _) | (FormatArg::Auto, _) => {
                self.refuse_leftovers("needs --format csv or jsonl", false, false)?;
                return Ok(None);
            }
        };
        let mut settings = Settings::for_format(format);
        if settings.has_rows() {
            self.refuse_leftovers("needs --format csv or jsonl", false, false)?;
            return Ok(Some(settings));
        }
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
            _ => {
                self.refuse_leftovers("needs CSV", false, true)?;
                if self.canonical {
                    settings.encoding = Some(Encoding::Rfc8785);
                }
            }
        }
        Ok(Some(settings))
    }

    /// Refuses an option that would silently mean nothing.
    pub(crate) fn refuse_leftovers(
        &self,
        needs: &str,
        csv: bool,
        json: bool,
    ) -> Result<(), Failure> {
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

/// The name without the end that compression added.
pub(crate) fn plain_name(path: &Path) -> PathBuf {
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    let compressed = |e: &std::ffi::OsStr| COMPRESSED.iter().any(|c| e.eq_ignore_ascii_case(c));
    match name.extension() {
        Some(extension) if compressed(extension) => name.with_extension(""),
        _ => name,
    }
}

/// The ends of a name that compression adds.
const COMPRESSED: [&str; 4] = ["gz", "gzip", "zst", "zstd"];
