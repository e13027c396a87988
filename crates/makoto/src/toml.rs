//! Files that people write are TOML: this reads one into [`Json`], and remembers on which line
//! each value stands.
//!
//! What the file means is then told by a table of fields ([`crate::document!`]), as for every
//! other document; a finding names a path, and [`Document::line_of`] the line.

use ::toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use crate::json::{Json, Object, segment};
use crate::limits::Limits;

/// A TOML file as JSON, with the lines of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The content. Dates and times are strings, as they are in JSON.
    pub value: Json,
    lines: Lines,
}

/// Why a file is not read as TOML. Never tells what stands in the file: that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct TomlError {
    /// Line on which it was noticed, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: TomlFault,
}

/// What is wrong with a TOML file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TomlFault {
    /// It is larger than the budget.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// It is not text.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// It starts with a byte order mark.
    #[error("starts with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// It breaks the grammar of TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A dotted key has more parts than the budget.
    #[error("a key of more than {0} parts")]
    KeyParts(usize),
    /// It has more keys, tables and items than the budget.
    #[error("more than {0} keys, tables and items")]
    TooMany(usize),
    /// A text or a key is longer than the budget.
    #[error("a text of more than {0} bytes")]
    TextTooLong(usize),
    /// Values are nested deeper than the budget.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// A number that JSON does not have, or that no 64 bits hold.
    #[error("a number that cannot be used")]
    Number,
}

impl Document {
    /// Reads a TOML 1.1 file.
    ///
    /// # Errors
    /// [`TomlError`] with the line. Duplicate keys are refused, as TOML says.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, TomlError> {
        let whole = |fault| TomlError { line: None, fault };
        if bytes.len() > limits.toml_bytes {
            return Err(whole(TomlFault::TooLarge(limits.toml_bytes)));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = Some(1 + memchr::memchr_iter(b'\n', before).count());
            let fault = TomlFault::NotUtf8;
            TomlError { line, fault }
        })?;
        if text.starts_with('\u{feff}') {
            return Err(whole(TomlFault::ByteOrderMark));
        }
        let reader = Reader {
            ends: memchr::memchr_iter(b'\n', bytes).collect(),
            limits,
        };
        reader.refuse_excess(text)?;
        let table = DeTable::parse(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            reader.error(place, TomlFault::Syntax(error.message().to_owned()))
        })?;
        let (members, fields) = reader.table(table.get_ref(), 1)?;
        Ok(Self {
            value: Json::Object(members),
            lines: Lines {
                line: 1,
                below: Below::Fields(fields),
            },
        })
    }

    /// The line of the value at `path`, in the form of [`crate::shape::At`], from 1. Of a value
    /// that is not there, the line of what it would stand in.
    pub fn line_of(&self, path: &str) -> usize {
        let mut place = &self.lines;
        let mut rest = path;
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let Some((below, after)) = place.step(rest) else {
                break;
            };
            (place, rest) = (below, after);
        }
        place.line
    }
}

/// Where a value starts, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lines {
    line: usize,
    below: Below,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Below {
    Nothing,
    Fields(Vec<(String, Lines)>),
    Items(Vec<Lines>),
}

impl Lines {
    /// The value that `path` leads to first, and the rest of the path.
    fn step<'a>(&self, path: &'a str) -> Option<(&Self, &'a str)> {
        match &self.below {
            Below::Nothing => None,
            Below::Items(items) => {
                let (index, after) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, after))
            }
            Below::Fields(fields) => fields.iter().find_map(|(key, below)| {
                let after = path.strip_prefix(segment(key).as_str())?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some((below, after))
            }),
        }
    }
}

struct Reader<'a> {
    /// Places of the line ends.
    ends: Vec<usize>,
    limits: &'a Limits,
}

type Fields = Vec<(String, Lines)>;

impl Reader<'_> {
    fn line(&self, place: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < place)
    }

    fn error(&self, place: usize, fault: TomlFault) -> TomlError {
        let line = Some(self.line(place));
        TomlError { line, fault }
    }

    /// Looks at the tokens before any table is made of them: the library bounds the nesting of
    /// brackets, and not that of dots, nor the number of anything.
    fn refuse_excess(&self, text: &str) -> Result<(), TomlError> {
        let (mut parts, mut values) = (1, 0);
        for token in Source::new(text).lex() {
            use TokenKind::*;
            parts = match token.kind() {
                Dot => parts + 1,
                Atom | Whitespace | BasicString | LiteralString => parts,
                _ => 1,
            };
            let is_value = matches!(
                token.kind(),
                Dot | Equals | Comma | LeftSquareBracket | LeftCurlyBracket
            );
            values += usize::from(is_value);
            let fault = if parts > self.limits.key_parts {
                TomlFault::KeyParts(self.limits.key_parts)
            } else if values > self.limits.toml_values {
                TomlFault::TooMany(self.limits.toml_values)
            } else {
                continue;
            };
            return Err(self.error(token.span().start(), fault));
        }
        Ok(())
    }

    /// A text or a key that is not longer than it may be.
    fn text<'t>(&self, text: &'t str, place: usize) -> Result<&'t str, TomlError> {
        match text.len() > self.limits.toml_text_bytes {
            true => {
                let fault = TomlFault::TextTooLong(self.limits.toml_text_bytes);
                Err(self.error(place, fault))
            }
            false => Ok(text),
        }
    }

    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<(Object, Fields), TomlError> {
        let (mut members, mut fields) = (Vec::new(), Vec::new());
        for (key, value) in table {
            let key_place = key.span().start;
            let name = self.text(key.get_ref(), key_place)?;
            let (value, below) = self.value(value.get_ref(), value.span().start, depth)?;
            let line = self.line(key_place);
            members.push((name.to_owned(), value));
            fields.push((name.to_owned(), Lines { line, below }));
        }
        Ok((members.into_iter().collect(), fields))
    }

    fn value(
        &self,
        value: &DeValue<'_>,
        place: usize,
        depth: usize,
    ) -> Result<(Json, Below), TomlError> {
        if depth > self.limits.depth {
            return Err(self.error(place, TomlFault::TooDeep(self.limits.depth)));
        }
        let number = |text: Option<String>| {
            let json = text.and_then(|text| Json::parse(text.as_bytes(), self.limits).ok());
            json.ok_or_else(|| self.error(place, TomlFault::Number))
        };
        let scalar = match value {
            DeValue::String(text) => self.text(text, place)?.into(),
            DeValue::Boolean(value) => (*value).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Integer(integer) => {
                let value = i64::from_str_radix(integer.as_str(), integer.radix());
                number(value.ok().map(|value| value.to_string()))?
            }
            DeValue::Float(float) => {
                number(Some(float.as_str().trim_start_matches('+').to_owned()))?
            }
            DeValue::Array(items) => {
                let (mut values, mut lines) = (Vec::new(), Vec::new());
                for item in items.iter() {
                    let place = item.span().start;
                    let (value, below) = self.value(item.get_ref(), place, depth + 1)?;
                    let line = self.line(place);
                    values.push(value);
                    lines.push(Lines { line, below });
                }
                return Ok((Json::Array(values), Below::Items(lines)));
            }
            DeValue::Table(table) => {
                let (members, fields) = self.table(table, depth + 1)?;
                return Ok((Json::Object(members), Below::Fields(fields)));
            }
        };
        Ok((scalar, Below::Nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Document, TomlError> {
        Document::parse(text.as_bytes(), &Limits::DEFAULT)
    }

    fn refused(text: &str) -> (Option<usize>, TomlFault) {
        let error = read(text).expect_err(text);
        (error.line, error.fault)
    }

    #[test]
    fn values_become_the_json_that_one_would_write() {
        let text = "a = 'x'\nb = [1, -2, 0x1F, 1_000, 1.5, +2e3]\nc.d = true\n\
                    t = 2026-11-21T08:00:00Z\n[[s]]\nx = 1\n[[s]]\nx = {y = \"z\"}\n";
        assert_eq!(
            read(text).expect("good").value.to_string(),
            r#"{"a":"x","b":[1,-2,31,1000,1.5,2e3],"c":{"d":true},"s":[{"x":1},{"x":{"y":"z"}}],"t":"2026-11-21T08:00:00Z"}"#
        );
    }

    #[test]
    fn each_value_has_the_line_on_which_it_is_named() {
        let text = "# first\n[d]\na = 1\n\"b c\" = [\n  2,\n  3,\n]\n\n[[s]]\n[[s]]\nx.y = '''\n\n'''\nz = 1\n";
        let document = read(text).expect("good");
        for (path, line) in [
            ("", 1),
            ("d", 2),
            ("d.a", 3),
            ("d[\"b c\"]", 4),
            ("d[\"b c\"][1]", 6),
            ("d.gone", 2),
            ("s[0]", 9),
            ("s[1].x.y", 11),
            ("s[1].z", 14),
            ("s[1].gone.far", 10),
            ("s[2]", 9),
            ("nowhere", 1),
        ] {
            assert_eq!(document.line_of(path), line, "{path}");
        }
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line_and_without_its_text() {
        for (text, line) in [
            ("a = 1\nb = hunter22\n", 2),
            ("a = 1\na = 2\n", 2),
            ("[a]\n[a]\n", 2),
            ("a = 1\nb = 'hunter22\n", 2),
            ("a = 1\n\nb\n", 3),
        ] {
            let (found, fault) = refused(text);
            assert_eq!(found, Some(line), "{text:?}");
            assert!(matches!(fault, TomlFault::Syntax(_)), "{fault:?}");
            assert!(!fault.to_string().contains("hunter22"), "{fault}");
        }
        for number in ["nan", "-inf", "9223372036854775808"] {
            assert_eq!(
                refused(&format!("a = 1\nb = {number}\n")),
                (Some(2), TomlFault::Number)
            );
        }
        assert_eq!(refused("\u{feff}a = 1").1, TomlFault::ByteOrderMark);
        let error = Document::parse(b"a = 1\nb = '\xff'", &Limits::DEFAULT);
        assert_eq!(error.expect_err("bytes").line, Some(2));
    }

    #[test]
    fn nesting_and_size_have_an_end() {
        let dots = |parts: usize| vec!["a"; parts].join(".");
        let most = Limits::DEFAULT.key_parts;
        assert!(read(&format!("{} = 1", dots(most))).is_ok());
        for text in [
            format!("x = 1\n{} = 1", dots(most + 1)),
            format!("x = 1\n[{}]", dots(200_000)),
            format!("x = 1\n[[ {} ]]", vec!["'a'"; 100_000].join(" . ")),
            format!("x = 1\ny = {{ {} = 1 }}", dots(most + 1)),
        ] {
            assert_eq!(refused(&text), (Some(2), TomlFault::KeyParts(most)));
        }
        let brackets = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&brackets(40)).is_ok());
        assert!(matches!(refused(&brackets(20_000)).1, TomlFault::Syntax(_)));
        let tables = format!("{}{}", "a = {b.b.b.b.".repeat(70), "}".repeat(70));
        read(&tables).expect_err("too deep, or no TOML");
        let most = Limits::DEFAULT.toml_text_bytes;
        let text = |length| format!("a = 1\nb = '{}'", "x".repeat(length));
        assert!(read(&text(most)).is_ok());
        let too_long = (Some(2), TomlFault::TextTooLong(most));
        assert_eq!(refused(&text(most + 1)), too_long);
        assert_eq!(
            refused(&format!("\n{} = 1", "k".repeat(most + 1))),
            too_long
        );
        let most = Limits::DEFAULT.toml_values;
        let lines = |count: usize| {
            (0..count)
                .map(|n| format!("k{n} = 1\n"))
                .collect::<String>()
        };
        assert!(read(&lines(most)).is_ok());
        assert!(matches!(refused(&lines(most + 1)).1, TomlFault::TooMany(_)));
        for text in [
            (0..most).map(|n| format!("[a{n}.b]\n")).collect(),
            format!("a = [{}]", "1,".repeat(most)),
            format!("a = [{}]", "{},".repeat(most)),
        ] {
            assert!(matches!(refused(&text).1, TomlFault::TooMany(_)));
        }
        let long = format!("a = '{}'", "x".repeat(Limits::DEFAULT.toml_bytes));
        assert!(matches!(refused(&long).1, TomlFault::TooLarge(_)));
    }
}
