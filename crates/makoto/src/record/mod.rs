//! Records: how a dataset is cut into them, and how they become leaves of the record tree
//! (FORMATS §3).
//!
//! A record of CSV is one RFC 4180 record, of JSON Lines one line that is not empty; in both
//! its bytes are those of the data without the line end (LF or CRLF). A record of Parquet and
//! Arrow is a row, spelled as JSON; that needs readers of these formats and is not done here.
mod settings;
mod splitter;

pub use settings::{Compression, Encoding, Format, Quote, Separator, Settings, Sha256Set};
pub use splitter::{BadQuoting, Span, Splitter};

use memchr::memchr_iter;

use crate::canonical::{NotCanonical, to_canonical};
use crate::digest::Digest;
use crate::json::{Json, ReadError};
use crate::limits::Limits;
use crate::merkle::{LeafHasher, Range};

/// A record that cannot be a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It is not JSON.
    #[error("{} at column {}", .0.fault, .0.column)]
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
    /// Digest of the schema, if the records are rows.
    pub schema_digest: Option<Digest>,
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
    /// The file is not of the format, or is spoilt.
    #[error("cannot be read as {format}: {why}")]
    NotATable {
        /// The format that was read.
        format: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A column whose values have no form as JSON, or cannot be told from another column.
    #[error("column {column:?}: {why}")]
    Column {
        /// Path of the column, with dots.
        column: String,
        /// What is wrong.
        why: String,
    },
    /// A value that has no form as JSON.
    #[error("row {row}, column {column:?}: {why}")]
    Row {
        /// Number of the row, from 1.
        row: u64,
        /// Path of the column, with dots.
        column: String,
        /// What is wrong.
        why: String,
    },
    /// A row is longer than the budget.
    #[error("row {row} is longer than {limit} bytes as text")]
    RowTooLong {
        /// Number of the row, from 1.
        row: u64,
        /// The budget.
        limit: usize,
    },
    /// Reading the table would take more than the budget.
    #[error("{what}: more than {limit}")]
    TableTooLarge {
        /// What is too much, with its unit.
        what: &'static str,
        /// The budget.
        limit: u64,
    },
    /// What is wrong is in one file of a folder.
    #[error("{file:?}: {source}")]
    InFile {
        /// Path of the file in the folder.
        file: String,
        /// What is wrong.
        source: Box<RecordError>,
    },
    /// Two files of a folder are no parts of one table.
    #[error("the schemas of {one:?} and {other:?} differ: {difference}")]
    Drift {
        /// Path of the first file of the folder.
        one: String,
        /// Path of the file with another schema.
        other: String,
        /// The first column that differs.
        difference: String,
    },
    /// The rows are far larger than the stored bytes.
    #[error("its rows as text are more than {ratio} times its stored size")]
    RowInflation {
        /// The budget.
        ratio: u64,
    },
}

impl RecordError {
    /// Whether a budget was reached, so that nothing is known of the records.
    pub fn is_budget(&self) -> bool {
        match self {
            Self::TooLong { .. }
            | Self::Inflation { .. }
            | Self::RowTooLong { .. }
            | Self::TableTooLarge { .. }
            | Self::RowInflation { .. } => true,
            Self::InFile { source, .. } => source.is_budget(),
            Self::Quoting { .. }
            | Self::Record { .. }
            | Self::NotCompressed(_)
            | Self::NotATable { .. }
            | Self::Column { .. }
            | Self::Row { .. }
            | Self::Drift { .. } => false,
        }
    }
}

impl Records {
    /// Counts the records of `data`, which is in memory whole and not compressed, and of a
    /// format of lines.
    ///
    /// # Errors
    /// [`RecordError`] names the line of the first record that breaks a rule.
    pub fn of(data: &[u8], settings: &Settings) -> Result<Self, RecordError> {
        let mut spans = Vec::new();
        let splitter = settings.splitter().ok_or(RecordError::NotATable {
            format: "lines",
            why: "its records are rows".to_owned(),
        })?;
        splitter
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
            schema_digest: None,
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
    fn a_byte_order_mark_before_a_quote_is_called_that() {
        let data = "\u{feff}\"id\"\n1\n";
        let error = Records::of(data.as_bytes(), &Settings::for_format(Format::Csv));
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("byte order mark"), "{error}");
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
