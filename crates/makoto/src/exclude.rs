//! Patterns of names that leave files of a folder out (FORMATS §2).
//!
//! Writers of tables leave marks beside the data, such as `_SUCCESS` and checksums. A statement
//! that leaves them out says so, by patterns of names; everything that no pattern names is
//! covered.

use crate::json::Json;
use crate::pattern::wildcard;
use crate::shape::{At, Findings, Shape};

/// A name of a file or folder in which `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The patterns for what writers of tables leave beside the data: marks of success,
    /// checksums, and everything hidden.
    pub fn of_tables() -> Vec<Self> {
        ["_SUCCESS", "*.crc", ".*"]
            .map(|text| Self(text.to_owned()))
            .to_vec()
    }

    /// The pattern with this text: one part of a path, of at most 255 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        const LONGEST: usize = 255;
        let is_name = !matches!(text, "" | "." | "..") && text.len() <= LONGEST;
        let is_plain = !text.contains(['/', '\\']) && !text.contains(char::is_control);
        (is_name && is_plain).then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names `name`, which is one part of a path.
    pub fn matches(&self, name: &str) -> bool {
        wildcard(
            self.0.as_bytes(),
            name.as_bytes(),
            |byte| *byte == b'*',
            |one, other| one == other,
        )
    }
}

impl Shape for Pattern {
    const NEEDED: &'static str = "a name with * for any characters, without /";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let read = value.as_str().and_then(Self::parse);
        if read.is_none() {
            findings.wrong(at, &value, Self::NEEDED);
        }
        read
    }

    fn write(&self) -> Json {
        self.0.as_str().into()
    }

    fn schema() -> Json {
        [
            ("type", "string".into()),
            (
                "pattern",
                "^(?!\\.{1,2}$)[^/\\\\\\u0000-\\u001f\\u007f-\\u009f]+$".into(),
            ),
        ]
        .into()
    }
}

/// Whether any of `patterns` names any of `parts`, which are the parts of a path.
pub fn excludes<'a>(patterns: &[Pattern], parts: impl IntoIterator<Item = &'a str>) -> bool {
    let mut parts = parts.into_iter();
    parts.any(|part| patterns.iter().any(|pattern| pattern.matches(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_is_special() {
        for (pattern, yes, no) in [
            ("_SUCCESS", "_SUCCESS", "_SUCCESSES"),
            ("*.crc", ".crc", ".crc2"),
            ("*.crc", "a.crc.crc", "crc"),
            (".*", ".hidden", "not.hidden"),
            ("a*b*c", "abbc", "acb"),
            ("a*b*c", "a-b-b-c", "a-b-c-"),
            ("**", "anything", "?"),
            ("[a]?", "[a]?", "a1"),
            ("é*", "éa", "e\u{301}a"),
        ] {
            let parsed = Pattern::parse(pattern).expect("a pattern");
            assert!(parsed.matches(yes), "{pattern} {yes}");
            assert!(pattern == "**" || !parsed.matches(no), "{pattern} {no}");
        }
        let slow = Pattern::parse(&"*a".repeat(100)).expect("a pattern");
        assert!(!slow.matches(&"a".repeat(99)));
        assert!(slow.matches(&"a".repeat(200_000)));
    }

    #[test]
    fn a_pattern_is_one_part_of_a_path() {
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "a\\b",
            "a\nb",
            "a\0",
            &"a".repeat(256),
        ] {
            assert_eq!(Pattern::parse(text), None, "{text:?}");
        }
        let tables = Pattern::of_tables();
        for path in ["_SUCCESS", "day=1/.part.crc", ".git/config", "a/_SUCCESS/b"] {
            assert!(excludes(&tables, path.split('/')), "{path}");
        }
        for path in ["part.parquet", "SUCCESS", "day=1/x.crc2", "_metadata"] {
            assert!(!excludes(&tables, path.split('/')), "{path}");
        }
    }
}
