//! Reading JSON: the grammar of RFC 8259, and what I-JSON (RFC 7493) adds to it.

use std::fmt;

use super::{Json, Number, Object};
use crate::limits::Limits;

/// Why and where a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{fault} at line {line}, column {column} (byte {offset}){}",
    InPath(path)
)]
pub struct ReadError {
    /// What is wrong.
    pub fault: Fault,
    /// Bytes before the fault.
    pub offset: usize,
    /// Line of the fault, from 1.
    pub line: usize,
    /// Column of the fault in bytes, from 1.
    pub column: usize,
    /// Path of the value in which the fault lies; empty at the top.
    pub path: String,
}

/// A reason to refuse a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are not UTF-8.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// The document starts with U+FEFF.
    #[error("not valid JSON: byte order mark")]
    ByteOrderMark,
    /// There is no value at all.
    #[error("not valid JSON: the document is empty")]
    Empty,
    /// The grammar of RFC 8259 does not allow this.
    #[error("not valid JSON: found {found}, needed {needed}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What the grammar allows there.
        needed: &'static str,
    },
    /// Something follows the document.
    #[error("not valid JSON: something follows the document (of JSON Lines, give one line)")]
    TrailingBytes,
    /// An object names a key twice; parsers differ on which one counts.
    #[error("not valid JSON: duplicate key {0:?}")]
    DuplicateKey(String),
    /// A `\u` escape names half of a surrogate pair.
    #[error("not valid JSON: lone surrogate in an escape")]
    LoneSurrogate,
    /// [`Limits::depth`] is reached.
    #[error("JSON nested deeper than {0} levels")]
    TooDeep(usize),
    /// [`Limits::document_bytes`] is reached.
    #[error("JSON document longer than {0} bytes")]
    TooLarge(usize),
    /// [`Limits::values`] is reached.
    #[error("JSON document with more than {0} values")]
    TooMany(usize),
}

struct InPath<'a>(&'a str);

impl fmt::Display for InPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " in {}", self.0)
    }
}

/// Reads exactly one document.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Json, ReadError> {
    if bytes.len() > limits.document_bytes {
        return Err(at(
            bytes,
            limits.document_bytes,
            Fault::TooLarge(limits.document_bytes),
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| at(bytes, error.valid_up_to(), Fault::NotUtf8))?;
    if text.starts_with('\u{feff}') {
        return Err(at(bytes, 0, Fault::ByteOrderMark));
    }
    let mut reader = Reader {
        text,
        position: 0,
        values: 0,
        limits,
    };
    reader.document().map_err(|refusal| {
        let path = refusal.path_from_the_top();
        ReadError {
            path,
            ..at(bytes, reader.position, refusal.fault)
        }
    })
}

/// A fault on its way up, collecting the path from the inside out.
struct Refusal {
    fault: Fault,
    path: Vec<String>,
}

impl Refusal {
    fn below(mut self, segment: String) -> Self {
        self.path.push(segment);
        self
    }

    fn path_from_the_top(&self) -> String {
        let mut path = String::new();
        for segment in self.path.iter().rev() {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        path
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            path: Vec::new(),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    values: usize,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Json, Refusal> {
        self.skip_white_space();
        if self.peek().is_none() {
            return Err(Fault::Empty.into());
        }
        let value = self.value(0)?;
        self.skip_white_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(Fault::TrailingBytes.into()),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Refusal> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(Fault::TooMany(self.limits.values).into());
        }
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Refusal> {
        self.enter(depth)?;
        let mut members = Vec::new();
        self.skip_white_space();
        if self.take(b'}') {
            return Ok(Json::Object(Object::new()));
        }
        loop {
            self.skip_white_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let start = self.position;
            let key = self.string()?;
            self.skip_white_space();
            if !self.take(b':') {
                return Err(self.unexpected("':'"));
            }
            self.skip_white_space();
            let value = match self.value(depth) {
                Ok(value) => value,
                Err(refusal) => return Err(refusal.below(segment(&key))),
            };
            members.push((key, start, value));
            self.skip_white_space();
            if self.take(b'}') {
                return Object::of_members(members)
                    .map(Json::Object)
                    .map_err(|(place, key)| {
                        self.position = place;
                        Fault::DuplicateKey(key).into()
                    });
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or '}'"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Refusal> {
        self.enter(depth)?;
        let mut items = Vec::new();
        self.skip_white_space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_white_space();
            match self.value(depth) {
                Ok(value) => items.push(value),
                Err(refusal) => return Err(refusal.below(format!("[{}]", items.len()))),
            }
            self.skip_white_space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected("',' or ']'"));
            }
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Refusal> {
        if depth > self.limits.depth {
            return Err(Fault::TooDeep(self.limits.depth).into());
        }
        self.position += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Refusal> {
        self.position += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.position..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0x00..=0x1f))
                .unwrap_or(rest.len());
            out.push_str(&self.text[self.position..self.position + plain]);
            self.position += plain;
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.unexpected("an escape for the control character")),
                None => return Err(self.unexpected("the end of the string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let start = self.position;
        self.position += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(self.unexpected("an escape of RFC 8259 §7")),
        };
        self.position += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Refusal> {
        let high = self.four_hex_digits()?;
        let scalar = match high {
            0xd800..=0xdbff => {
                if !self.text[self.position..].starts_with("\\u") {
                    self.position = start;
                    return Err(Fault::LoneSurrogate.into());
                }
                self.position += 1;
                let low = self.four_hex_digits()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    self.position = start;
                    return Err(Fault::LoneSurrogate.into());
                }
                0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            }
            other => other,
        };
        char::from_u32(scalar).ok_or_else(|| {
            self.position = start;
            Fault::LoneSurrogate.into()
        })
    }

    /// Reads `uXXXX` from its `u`.
    fn four_hex_digits(&mut self) -> Result<u32, Refusal> {
        self.position += 1;
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| (byte as char).to_digit(16));
            match digit {
                Some(digit) => value = value * 16 + digit,
                None => return Err(self.unexpected("four hex digits")),
            }
            self.position += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, Refusal> {
        let start = self.position;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        } else if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a number without leading zeros"));
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Json::Number(Number(
            self.text[start..self.position].to_owned(),
        )))
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let rest = &self.text.as_bytes()[self.position..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.position += count;
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str, value: Json) -> Result<Json, Refusal> {
        if !self.text[self.position..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.position += word.len();
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn skip_white_space(&mut self) {
        let rest = &self.text.as_bytes()[self.position..];
        self.position += rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
    }

    fn unexpected(&self, needed: &'static str) -> Refusal {
        let found = match self.text[self.position..].chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end of the document".to_owned(),
        };
        Fault::Unexpected { found, needed }.into()
    }
}

/// Characters of a key that a path shows. A document may have one of megabytes.
const LONGEST_SEGMENT: usize = 80;

/// A key as a path segment; one that would be ambiguous is quoted in brackets.
pub(crate) fn segment(key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| !matches!(c, '.' | '[' | ']' | '"') && !c.is_whitespace());
    let short = key
        .char_indices()
        .nth(LONGEST_SEGMENT)
        .map(|(end, _)| &key[..end]);
    if let Some(short) = short {
        format!("[{short:?}…]")
    } else if plain {
        key.to_owned()
    } else {
        format!("[{key:?}]")
    }
}

fn at(bytes: &[u8], offset: usize, fault: Fault) -> ReadError {
    let before = &bytes[..offset.min(bytes.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    ReadError {
        fault,
        offset,
        line: memchr::memchr_iter(b'\n', before).count() + 1,
        column: offset - line_start + 1,
        path: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json, ReadError> {
        Json::parse(text.as_bytes(), &Limits::DEFAULT)
    }

    #[test]
    fn a_fault_names_its_position_and_path() {
        let error = parse("{\n \"a\": [1, {\"b c\": tru}]}").expect_err("refused");
        assert_eq!((error.line, error.column), (2, 19));
        assert_eq!(error.path, "a[1][\"b c\"]");
    }

    #[test]
    fn a_duplicate_key_is_refused_however_it_is_written() {
        let error = parse(r#"{"type":1,"\u0074ype":2}"#).expect_err("refused");
        assert_eq!(error.fault, Fault::DuplicateKey("type".into()));
        assert_eq!(error.offset, 10);
        // In the inner object, not where the outer one ends.
        let error = parse(r#"{"x":{"b":1,"a":2,"b":3},"y":0}"#).expect_err("refused");
        assert_eq!((error.offset, error.path.as_str()), (18, "x"));
    }

    #[test]
    fn numbers_keep_their_text() {
        let value = parse("[9007199254740993,1e400,-0.0e-0]").expect("good JSON");
        assert_eq!(value.to_string(), "[9007199254740993,1e400,-0.0e-0]");
    }

    #[test]
    fn integers_are_told_by_value_not_by_spelling() {
        for text in [
            "0",
            "-0",
            "1.0",
            "1e2",
            "1.5e1",
            "100e-2",
            "0.0e-9",
            "0e-5",
            "120e-1",
            "1e99999999999999999999",
        ] {
            assert!(number(text).is_integer(), "{text}");
        }
        for text in ["0.5", "1e-1", "1.25e1", "100e-3", "1e-99999999999999999999"] {
            assert!(!number(text).is_integer(), "{text}");
        }
        assert!(!number("-0").is_negative());
        assert!(number("-1e9").is_negative());
    }

    #[test]
    fn a_reader_stops_at_its_budgets() {
        let limits = Limits {
            depth: 3,
            values: 6,
            document_bytes: 30,
            ..Limits::DEFAULT
        };
        let fault = |text: &str| {
            Json::parse(text.as_bytes(), &limits)
                .expect_err("refused")
                .fault
        };
        assert!(Json::parse(b"[[[1]]]", &limits).is_ok());
        assert_eq!(fault("[[[[1]]]]"), Fault::TooDeep(3));
        assert_eq!(fault("[1,2,3,4,5,6]"), Fault::TooMany(6));
        assert_eq!(fault(&" ".repeat(31)), Fault::TooLarge(30));
    }

    fn number(text: &str) -> Number {
        match parse(text) {
            Ok(Json::Number(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }
}
