//! Records: how a dataset is cut into them, and how they become leaves of the record tree
//! (FORMATS §3).
//!
//! A record of CSV is one RFC 4180 record, of JSON Lines one line that is not empty; in both
//! its bytes are those of the data without the line end (LF or CRLF).

use memchr::{memchr, memchr_iter, memchr2};

use crate::canonical::{NotCanonical, to_canonical};
use crate::digest::Digest;
use crate::document;
use crate::json::{Json, ReadError};
use crate::limits::Limits;
use crate::merkle::{LeafHasher, Range};
use crate::scalar::closed_vocabulary;
use crate::shape::{At, Findings, Shape};

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
        /// Digest of the schema of the rows.
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

            fn read(value: &Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                let read = value.as_str().and_then(Self::parse);
                if read.is_none() {
                    findings.wrong(at, value, $needed);
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

impl Settings {
    /// Settings for plain bytes of `format`: the first CSV record is a header.
    pub fn for_format(format: Format) -> Self {
        let csv = format == Format::Csv;
        Self {
            format,
            compression: Some(Compression::None),
            header: csv.then_some(true),
            delimiter: csv.then_some(Separator::COMMA),
            quote: csv.then_some(Quote::DOUBLE),
            encoding: Some(Encoding::Bytes),
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

    /// The splitter for these settings.
    pub fn splitter(&self) -> Splitter {
        match self.format {
            Format::JsonLines => Splitter::Lines,
            Format::Csv => Splitter::Csv {
                delimiter: self.delimiter.unwrap_or(Separator::COMMA).byte(),
                quote: self.quote.unwrap_or(Quote::DOUBLE).character(),
            },
        }
    }
}

/// Bounds of a record in the bytes that were split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte after the last, without the line end.
    pub end: u32,
}

impl Span {
    /// The bytes of the record.
    pub fn of(self, data: &[u8]) -> &[u8] {
        &data[self.start as usize..self.end as usize]
    }
}

/// Cuts bytes into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// One record per line that is not empty.
    Lines,
    /// RFC 4180: a quoted field may hold line ends; an empty line is a record.
    Csv {
        /// Between fields.
        delimiter: u8,
        /// Around fields, if anything is quoted.
        quote: Option<u8>,
    },
}

/// A record that breaks the rules of its format, by where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadQuoting {
    /// First byte of the record in the bytes that were split.
    pub start: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Splitter {
    /// Adds the whole records at the beginning of `data` to `spans`, and returns how many bytes
    /// they take with their line ends. What is left is the beginning of a record whose end is
    /// not there yet; with `at_end`, nothing is left.
    ///
    /// `data` starts at the beginning of a record and is shorter than 4 GiB.
    ///
    /// # Errors
    /// [`BadQuoting`] names the record in which CSV quoting is wrong.
    pub fn split(
        self,
        data: &[u8],
        at_end: bool,
        spans: &mut Vec<Span>,
    ) -> Result<usize, BadQuoting> {
        match self {
            Self::Lines => Ok(split_lines(data, at_end, EmptyLine::Skip, spans)),
            Self::Csv { quote: None, .. } => Ok(split_lines(data, at_end, EmptyLine::Keep, spans)),
            Self::Csv {
                delimiter,
                quote: Some(quote),
            } => split_csv(data, at_end, delimiter, quote, spans),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyLine {
    Skip,
    Keep,
}

fn split_lines(data: &[u8], at_end: bool, empty: EmptyLine, spans: &mut Vec<Span>) -> usize {
    let mut start = 0;
    for newline in memchr_iter(b'\n', data) {
        let end = without_cr(data, start, newline);
        if end > start || empty == EmptyLine::Keep {
            spans.push(span(start, end));
        }
        start = newline + 1;
    }
    if at_end && start < data.len() {
        spans.push(span(start, data.len()));
        return data.len();
    }
    start
}

fn split_csv(
    data: &[u8],
    at_end: bool,
    delimiter: u8,
    quote: u8,
    spans: &mut Vec<Span>,
) -> Result<usize, BadQuoting> {
    let mut start = 0;
    let mut position = 0;
    while let Some(found) = memchr2(quote, b'\n', &data[position..]) {
        let found = position + found;
        if data[found] == b'\n' {
            spans.push(span(start, without_cr(data, start, found)));
            start = found + 1;
            position = start;
            continue;
        }
        let bad = |why| BadQuoting { start, why };
        if found > start && data[found - 1] != delimiter {
            return Err(bad("a quote inside a field that does not start with one"));
        }
        match end_of_quoted(data, found + 1, delimiter, quote, at_end) {
            Quoted::Closed(after) => position = after,
            Quoted::Unfinished => return Ok(start),
            Quoted::Bad(why) => return Err(bad(why)),
        }
    }
    if at_end && start < data.len() {
        spans.push(span(start, data.len()));
        return Ok(data.len());
    }
    Ok(start)
}

enum Quoted {
    /// The field is closed; the byte after its quote is here.
    Closed(usize),
    /// More data is needed to tell.
    Unfinished,
    Bad(&'static str),
}

/// Finds the end of a quoted field whose first byte after the quote is `position`.
fn end_of_quoted(
    data: &[u8],
    mut position: usize,
    delimiter: u8,
    quote: u8,
    at_end: bool,
) -> Quoted {
    loop {
        let Some(found) = memchr(quote, &data[position..]) else {
            return match at_end {
                true => Quoted::Bad("a quoted field that is never closed"),
                false => Quoted::Unfinished,
            };
        };
        let after = position + found + 1;
        match (data.get(after), data.get(after + 1)) {
            (Some(byte), _) if *byte == quote => position = after + 1,
            (Some(byte), _) if *byte == delimiter || *byte == b'\n' => {
                return Quoted::Closed(after);
            }
            (Some(b'\r'), Some(b'\n')) => return Quoted::Closed(after),
            (None, _) if at_end => return Quoted::Closed(after),
            (None, _) | (Some(b'\r'), None) if !at_end => return Quoted::Unfinished,
            _ => return Quoted::Bad("something between a closing quote and the next field"),
        }
    }
}

fn without_cr(data: &[u8], start: usize, newline: usize) -> usize {
    match newline > start && data[newline - 1] == b'\r' {
        true => newline - 1,
        false => newline,
    }
}

fn span(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        end: end as u32,
    }
}

/// A record that cannot be a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It is not JSON.
    #[error("{0}")]
    NotJson(#[from] ReadError),
    /// It is JSON that canonical form would change.
    #[error("{0}")]
    NotCanonical(#[from] NotCanonical),
}

/// Leaf hash of a record.
fn leaf(hasher: &mut LeafHasher, record: &[u8], encoding: Encoding) -> Result<Digest, BadRecord> {
    match encoding {
        Encoding::Bytes => Ok(hasher.hash(record)),
        Encoding::Rfc8785 => {
            let value = Json::parse(record, &Limits::DEFAULT)?;
            Ok(hasher.hash(&to_canonical(&value)?))
        }
    }
}

/// The records of a dataset: how many, and the root of their tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// How many; a header is not counted.
    pub count: u64,
    /// Root of the record tree.
    pub root: Digest,
    /// Digest of the CSV header, if there is one.
    pub header_digest: Option<Digest>,
}

/// Why the records of a dataset cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The format's own rules are broken.
    #[error("record on line {line}: {why}")]
    Quoting {
        /// Line on which the record starts, from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A record cannot be hashed in the encoding that was asked for.
    #[error("record on line {line}: {source}")]
    Record {
        /// Line on which the record starts, from 1.
        line: u64,
        /// What is wrong.
        source: BadRecord,
    },
    /// The stored bytes are not compressed in the way that was said.
    #[error("cannot be inflated: {0}")]
    NotCompressed(String),
    /// The content is far larger than the stored bytes.
    #[error("inflates to more than {ratio} times its stored size")]
    Inflation {
        /// The budget.
        ratio: u64,
    },
    /// A record is longer than the budget.
    #[error("record on line {line} is longer than {limit} bytes")]
    TooLong {
        /// Line on which the record starts, from 1.
        line: u64,
        /// The budget.
        limit: usize,
    },
}

impl Records {
    /// Counts the records of `data`, which is in memory whole and not compressed.
    ///
    /// # Errors
    /// [`RecordError`] names the line of the first record that breaks a rule.
    pub fn of(data: &[u8], settings: &Settings) -> Result<Self, RecordError> {
        let mut spans = Vec::new();
        settings
            .splitter()
            .split(data, true, &mut spans)
            .map_err(|bad| RecordError::Quoting {
                line: line_of(data, bad.start),
                why: bad.why,
            })?;
        let mut records = spans.as_slice();
        let mut header_digest = None;
        if let (true, Some((header, rest))) = (settings.has_header(), spans.split_first()) {
            header_digest = Some(Digest::of(header.of(data)));
            records = rest;
        }
        let mut range = Range::starting_at(0);
        push_leaves(&mut range, data, records, settings.encoding(), 1)?;
        Ok(Self {
            count: range.len(),
            root: range.root(),
            header_digest,
        })
    }
}

/// Appends the leaves of `records`, which are spans of `data`, to `range`. `first_line` is the
/// line on which `data` starts.
///
/// # Errors
/// [`RecordError::Record`] names the line of the first record that cannot be hashed.
pub fn push_leaves(
    range: &mut Range,
    data: &[u8],
    records: &[Span],
    encoding: Encoding,
    first_line: u64,
) -> Result<(), RecordError> {
    let mut hasher = LeafHasher::new();
    for record in records {
        let leaf =
            leaf(&mut hasher, record.of(data), encoding).map_err(|source| RecordError::Record {
                line: first_line - 1 + line_of(data, record.start as usize),
                source,
            })?;
        range.push(leaf);
    }
    Ok(())
}

/// Line of the byte at `offset`, from 1.
fn line_of(data: &[u8], offset: usize) -> u64 {
    memchr_iter(b'\n', &data[..offset]).count() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Splitter = Splitter::Csv {
        delimiter: b',',
        quote: Some(b'"'),
    };

    fn records(splitter: Splitter, data: &str) -> Vec<String> {
        let mut spans = Vec::new();
        let consumed = splitter
            .split(data.as_bytes(), true, &mut spans)
            .expect("good data");
        assert_eq!(consumed, data.len());
        let text = |span: &Span| String::from_utf8_lossy(span.of(data.as_bytes())).into_owned();
        spans.iter().map(text).collect()
    }

    #[test]
    fn a_quoted_field_may_hold_line_ends_and_quotes() {
        assert_eq!(
            records(CSV, "a,\"b\r\n\"\"c\"\r\n\nd,\"\"\n"),
            ["a,\"b\r\n\"\"c\"", "", "d,\"\""]
        );
    }

    #[test]
    fn empty_lines_are_records_in_csv_and_nothing_in_json_lines() {
        assert_eq!(records(CSV, "a\n\nb"), ["a", "", "b"]);
        assert_eq!(
            records(Splitter::Lines, "a\n\r\n\nb\r\n \nc\r"),
            ["a", "b", " ", "c\r"]
        );
    }

    #[test]
    fn wherever_data_is_cut_the_records_are_the_same() {
        let data = "h1,\"h\"\"2\"\r\n\"x\ny\",1\n\n\"\",\"\"\r\nlast,\"end\"\r\n\"q\"";
        for splitter in [CSV, Splitter::Lines] {
            let whole = records(splitter, data);
            for cut in 0..data.len() {
                let mut spans = Vec::new();
                let consumed = splitter
                    .split(&data.as_bytes()[..cut], false, &mut spans)
                    .expect("good so far");
                let mut parts: Vec<_> = spans
                    .iter()
                    .map(|span| String::from_utf8_lossy(span.of(data.as_bytes())).into_owned())
                    .collect();
                parts.extend(records(splitter, &data[consumed..]));
                assert_eq!(parts, whole, "cut at {cut}");
            }
        }
    }

    #[test]
    fn wrong_quoting_names_the_line_its_record_starts_on() {
        let settings = Settings::for_format(Format::Csv);
        for (data, line) in [
            ("a\nb\"c\n", 2),
            ("a\n\"b\nc\" d\n", 2),
            ("a\n\"b\n\"\n\"c", 4),
            ("a\n\"b\"\rc\n", 2),
            ("\"a\"\r", 1),
        ] {
            match Records::of(data.as_bytes(), &settings) {
                Err(RecordError::Quoting { line: found, .. }) => assert_eq!(found, line, "{data}"),
                other => panic!("{data}: {other:?}"),
            }
        }
    }
}
