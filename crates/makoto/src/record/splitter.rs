//! Cutting bytes into records.

use memchr::{memchr, memchr_iter, memchr2};

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
            return Err(bad(match &data[start..found] == BYTE_ORDER_MARK {
                true => "a byte order mark before the first quote",
                false => "a quote inside a field that does not start with one",
            }));
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

/// Some spreadsheets write it first. It is no part of a field, and CSV has no place for it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
