//! How the records of a subject are counted: the annotation `records/v1` (FORMATS §3).

use super::splitter::Splitter;
use crate::digest::Digest;
use crate::document;
use crate::json::Json;
use crate::scalar::closed_vocabulary;
use crate::shape::{At, Findings, Need, Shape};

document! {
    /// How the records of a subject were counted, so that anyone can count them again.
    pub struct Settings {
        /// Format of the data.
        required format: Format = "format",
        /// Compression of the stored bytes; none when absent.
        optional compression: Compression = "compression",
        /// Whether the first CSV record is a header, which is not counted; false when absent.
        optional header: bool = "header",
        /// CSV delimiter; a comma when absent.
        optional delimiter: Separator = "delimiter",
        /// CSV quote character, or `none`; a double quote when absent.
        optional quote: Quote = "quote",
        /// What is hashed of a record; its bytes when absent.
        optional encoding: Encoding = "encoding",
        /// Digest of the CSV header without its line end.
        optional header_digest: Sha256Set = "headerDigest",
        /// Digest of the schema of the rows; required where records are rows.
        optional schema_digest: Sha256Set = "schemaDigest",
    }
    => settings_agree
}

closed_vocabulary! {
    /// Format of a dataset whose records can be counted.
    pub enum Format {
        /// RFC 4180, with any delimiter.
        Csv = "csv",
        /// JSON Lines.
        JsonLines = "jsonl",
        /// Apache Parquet; its records are rows.
        Parquet = "parquet",
        /// Arrow IPC file, which Feather version 2 is as well; its records are rows.
        Arrow = "arrow",
    }
}

closed_vocabulary! {
    /// Compression of stored bytes.
    pub enum Compression {
        /// None.
        None = "none",
        /// gzip (RFC 1952).
        Gzip = "gzip",
        /// Zstandard (RFC 8878).
        Zstd = "zstd",
    }
}

closed_vocabulary! {
    /// What is hashed of a record.
    pub enum Encoding {
        /// Its bytes.
        Bytes = "bytes",
        /// Its RFC 8785 form, so that key order and spacing do not matter.
        Rfc8785 = "rfc8785",
    }
}

document! {
    /// A digest set that has a SHA-256.
    pub struct Sha256Set {
        /// SHA-256 of the bytes.
        required sha256: Digest = "sha256",
    }
}

/// A CSV delimiter: one ASCII character that is not a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separator(u8);

/// A CSV quote character, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// This ASCII character.
    Character(u8),
    /// Nothing is quoted: every line is a record.
    None,
}

fn one_ascii(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
        _ => None,
    }
}

impl Separator {
    /// The delimiter with this text: one ASCII character that is not a line end.
    pub fn parse(text: &str) -> Option<Self> {
        one_ascii(text).map(Self)
    }

    /// A comma.
    pub const COMMA: Self = Self(b',');
    /// A tab.
    pub const TAB: Self = Self(b'\t');

    /// The character.
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl Sha256Set {
    /// The set of this one digest.
    pub fn new(sha256: Digest) -> Self {
        Self {
            sha256,
            extra: Default::default(),
        }
    }
}

impl Quote {
    /// The quote with this text: one ASCII character that is not a line end, or `none`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            _ => one_ascii(text).map(Self::Character),
        }
    }

    /// The character, if there is one.
    pub fn character(self) -> Option<u8> {
        match self {
            Self::Character(byte) => Some(byte),
            Self::None => None,
        }
    }

    /// A double quote.
    pub const DOUBLE: Self = Self::Character(b'"');
}

macro_rules! text_shape {
    ($name:ident, $needed:literal, $pattern:literal, |$value:ident| $text:expr) => {
        impl Shape for $name {
            const NEEDED: &'static str = $needed;

            fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                let read = value.as_str().and_then(Self::parse);
                if read.is_none() {
                    findings.wrong(at, &value, $needed);
                }
                read
            }

            fn write(&self) -> Json {
                let $value = self;
                $text
            }

            fn schema() -> Json {
                [("type", "string".into()), ("pattern", $pattern.into())].into()
            }
        }
    };
}

text_shape!(
    Separator,
    "one ASCII character",
    "^[\\u0001-\\u0009\\u000b\\u000c\\u000e-\\u007f]$",
    |separator| char::from(separator.0).to_string().into()
);
text_shape!(
    Quote,
    "one ASCII character or \"none\"",
    "^(?:none|[\\u0001-\\u0009\\u000b\\u000c\\u000e-\\u007f])$",
    |quote| match quote {
        Quote::Character(byte) => char::from(*byte).to_string().into(),
        Quote::None => "none".into(),
    }
);

fn settings_agree(settings: &Settings, at: &At<'_>, findings: &mut Findings) {
    if settings.has_rows() {
        rows_agree(settings, at, findings);
        return;
    }
    let separator = settings.delimiter.unwrap_or(Separator::COMMA);
    if settings.quote.unwrap_or(Quote::DOUBLE) == Quote::Character(separator.0) {
        findings.contradiction(&at.field("quote"), "is also the delimiter");
    }
    if settings.format == Format::Csv && settings.encoding == Some(Encoding::Rfc8785) {
        findings.contradiction(
            &at.field("encoding"),
            "is rfc8785, which needs JSON records",
        );
    }
}

/// A row has a schema, and no bytes of its own that could be cut or compressed in several ways.
fn rows_agree(settings: &Settings, at: &At<'_>, findings: &mut Findings) {
    let of_lines = [
        ("header", settings.header.is_some()),
        ("delimiter", settings.delimiter.is_some()),
        ("quote", settings.quote.is_some()),
        ("encoding", settings.encoding.is_some()),
        ("headerDigest", settings.header_digest.is_some()),
    ];
    for (key, _) in of_lines.into_iter().filter(|(_, there)| *there) {
        let message = "is there, but records of this format are rows and not lines";
        findings.contradiction(&at.field(key), message);
    }
    if settings.compression() != Compression::None {
        let message = "is not none, but a file of rows compresses its own parts";
        findings.contradiction(&at.field("compression"), message);
    }
    if settings.schema_digest.is_none() {
        let at = at.field("schemaDigest");
        findings.missing(&at, Need::Required, "the digest of the schema of the rows");
    }
}

impl Settings {
    /// Settings for plain bytes of `format`: the first CSV record is a header.
    pub fn for_format(format: Format) -> Self {
        let csv = format == Format::Csv;
        let rows = matches!(format, Format::Parquet | Format::Arrow);
        Self {
            format,
            compression: Some(Compression::None),
            header: csv.then_some(true),
            delimiter: csv.then_some(Separator::COMMA),
            quote: csv.then_some(Quote::DOUBLE),
            encoding: (!rows).then_some(Encoding::Bytes),
            header_digest: None,
            schema_digest: None,
            extra: Default::default(),
        }
    }

    /// The compression of the stored bytes.
    pub fn compression(&self) -> Compression {
        self.compression.unwrap_or(Compression::None)
    }

    /// What is hashed of a record.
    pub fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::Bytes)
    }

    /// Whether records are rows of a table, and not lines.
    pub fn has_rows(&self) -> bool {
        matches!(self.format, Format::Parquet | Format::Arrow)
    }

    /// Whether these settings find the same records as `other` in the same content, however it
    /// is compressed.
    pub fn same_records(&self, other: &Self) -> bool {
        let plain = |settings: &Self| Self {
            compression: None,
            ..settings.clone()
        };
        plain(self) == plain(other)
    }

    /// Whether the first record is a header.
    pub fn has_header(&self) -> bool {
        self.format == Format::Csv && self.header == Some(true)
    }

    /// The splitter for these settings; `None` where records are not lines.
    pub fn splitter(&self) -> Option<Splitter> {
        match self.format {
            Format::JsonLines => Some(Splitter::Lines),
            Format::Csv => Some(Splitter::Csv {
                delimiter: self.delimiter.unwrap_or(Separator::COMMA).byte(),
                quote: self.quote.unwrap_or(Quote::DOUBLE).character(),
            }),
            Format::Parquet | Format::Arrow => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::report::{Level, Outcome};

    /// Paths of the findings that fail `json`.
    fn failures(json: &str) -> Vec<String> {
        let value = Json::parse(json.as_bytes(), &Limits::DEFAULT).expect("JSON");
        let mut findings = Findings::at_level(Level::L1);
        Settings::read(value, &At::Top, &mut findings);
        let checks = findings.into_checks().into_iter();
        let failed = checks.filter(|check| check.outcome == Outcome::Fail);
        failed.map(|check| check.path).collect()
    }

    #[test]
    fn rows_have_a_schema_and_nothing_that_only_lines_have() {
        let digest = "a".repeat(64);
        for format in ["parquet", "arrow"] {
            let with = |more: &str| {
                let schema = format!("\"schemaDigest\":{{\"sha256\":\"{digest}\"}}");
                failures(&format!("{{\"format\":\"{format}\",{schema}{more}}}"))
            };
            assert_eq!(with(""), [""; 0]);
            assert_eq!(with(",\"compression\":\"none\""), [""; 0]);
            for (more, path) in [
                (",\"compression\":\"gzip\"", "compression"),
                (",\"header\":false", "header"),
                (",\"delimiter\":\",\"", "delimiter"),
                (",\"quote\":\"none\"", "quote"),
                (",\"encoding\":\"bytes\"", "encoding"),
            ] {
                assert_eq!(with(more), [path], "{more}");
            }
            let bare = format!("{{\"format\":\"{format}\"}}");
            assert_eq!(failures(&bare), ["schemaDigest"]);
        }
        assert_eq!(failures("{\"format\":\"csv\"}"), [""; 0]);
    }
}
