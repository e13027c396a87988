//! The one strict JSON reader of the product (RFC 8259, RFC 7493 I-JSON).
//!
//! Statements, policies and records all come through [`Json::parse`]: no byte order mark,
//! valid UTF-8, no duplicate keys, no lone surrogates, nothing after the document, and a
//! ceiling on depth, size and number of values. Two readers with two answers are how
//! signatures get bypassed, so there is only one.
//!
//! Numbers keep the text they were written with: a count above 2^53 is read as it stands
//! and never rounded. [`crate::canonical`] decides what may be written.

mod object;
mod reader;

use std::fmt::{self, Write as _};

pub use object::Object;
pub(crate) use reader::segment;
pub use reader::{Fault, ReadError};

use crate::limits::Limits;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, with the text it was written with.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; keys are unique.
    Object(Object),
}

/// A JSON number, kept as the text of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Json {
    /// How many values it holds, itself among them.
    pub fn count(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Self::Object(members) => {
                1 + members
                    .iter()
                    .map(|(_, value)| value.count())
                    .sum::<usize>()
            }
            _ => 1,
        }
    }

    /// Reads exactly one JSON document.
    ///
    /// # Errors
    /// [`ReadError`] with position and path for everything the module's rules refuse.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ReadError> {
        reader::read(bytes, limits)
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.as_object()?.get(key)
    }

    /// What kind of value this is, with its article: `a string`, `null`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Number {
    /// The token as it was written.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// The nearest double; infinite when none holds it.
    pub fn to_f64(&self) -> f64 {
        // Rust's parser accepts every JSON number token and saturates to infinity.
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether the value is mathematically an integer, however it is written (`1.0`, `1e2`).
    pub fn is_integer(&self) -> bool {
        let (mantissa, exponent) = match self.0.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                // An exponent beyond what fits is as good as the largest of its sign.
                let beyond = match exponent.starts_with('-') {
                    true => i64::MIN,
                    false => i64::MAX,
                };
                (mantissa, exponent.parse::<i64>().unwrap_or(beyond))
            }
            None => (self.0.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            return exponent >= fraction.len() as i64;
        }
        let digits = whole.trim_start_matches('-');
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        exponent >= 0 || digits == "0" || exponent.unsigned_abs() <= zeros as u64
    }

    /// Whether the value is below zero. `-0` is not.
    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-') && self.0.bytes().any(|b| matches!(b, b'1'..=b'9'))
    }

    /// The value as an unsigned integer, if it is one written in plain digits and fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

macro_rules! json_from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl From<$from> for Json {
            fn from($value: $from) -> Self { $to }
        })*
    };
}

json_from! {
    bool => |value| Json::Bool(value);
    u64 => |value| Json::Number(value.into());
    &str => |value| Json::String(value.to_owned());
    String => |value| Json::String(value);
    Object => |value| Json::Object(value);
    Vec<Json> => |value| Json::Array(value);
}

impl<const N: usize> From<[(&str, Json); N]> for Json {
    fn from(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().collect())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl FromIterator<Json> for Json {
    fn from_iter<I: IntoIterator<Item = Json>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

/// Writes the value on one line, or indented with `{:#}`. Numbers keep their text.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_value(f, self, f.alternate().then_some(0))
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Json, indent: Option<usize>) -> fmt::Result {
    let inner = indent.map(|level| level + 1);
    match value {
        Json::Null => f.write_str("null"),
        Json::Bool(value) => write!(f, "{value}"),
        Json::Number(number) => f.write_str(number.token()),
        Json::String(text) => write_string(f, text),
        Json::Array(items) if items.is_empty() => f.write_str("[]"),
        Json::Object(members) if members.is_empty() => f.write_str("{}"),
        Json::Array(items) => {
            f.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                separate(f, index, inner)?;
                write_value(f, item, inner)?;
            }
            end_line(f, indent)?;
            f.write_char(']')
        }
        Json::Object(members) => {
            f.write_char('{')?;
            for (index, (key, value)) in members.iter().enumerate() {
                separate(f, index, inner)?;
                write_string(f, key)?;
                f.write_str(if inner.is_some() { ": " } else { ":" })?;
                write_value(f, value, inner)?;
            }
            end_line(f, indent)?;
            f.write_char('}')
        }
    }
}

fn separate(f: &mut fmt::Formatter<'_>, index: usize, indent: Option<usize>) -> fmt::Result {
    if index > 0 {
        f.write_char(',')?;
    }
    end_line(f, indent)
}

fn end_line(f: &mut fmt::Formatter<'_>, indent: Option<usize>) -> fmt::Result {
    match indent {
        Some(level) => write!(f, "\n{:1$}", "", 2 * level),
        None => Ok(()),
    }
}

/// Writes a string with the escapes of RFC 8785 §3.2.2.2: the shortest ones, and no others.
pub(crate) fn write_string(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.write_str(&text[plain..index])?;
        if short.is_empty() {
            write!(out, "\\u{byte:04x}")?;
        } else {
            out.write_str(short)?;
        }
        plain = index + 1;
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}
