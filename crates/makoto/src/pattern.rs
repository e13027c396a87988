//! Patterns of paths: `*` is any part of one segment, `**` any number of segments, and every
//! other character stands for itself.

use crate::json::Json;
use crate::shape::{At, Findings, Shape};

/// A pattern of relative paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; `None` when it could match nothing: an empty segment, `.`, `..`, a slash
    /// at either end, or `**` inside a segment.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |segment: &str| {
            !matches!(segment, "" | "." | "..") && (segment == "**" || !segment.contains("**"))
        };
        let good = text.split('/').all(good) && !text.contains('\0');
        good.then(|| Self(text.to_owned()))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the bytes of a relative path match. Takes time that grows with the product of
    /// both lengths and no faster.
    pub fn matches(&self, path: &[u8]) -> bool {
        let pattern: Vec<_> = self.0.split('/').map(str::as_bytes).collect();
        let path: Vec<_> = path.split(|byte| *byte == b'/').collect();
        wildcard(
            &pattern,
            &path,
            |part| *part == b"**",
            |part, segment| {
                wildcard(
                    part,
                    segment,
                    |byte| *byte == b'*',
                    |one, other| one == other,
                )
            },
        )
    }
}

/// Whether `pattern` matches all of `text`, where what `is_any` says stands for any run.
///
/// Only the last run is ever made longer: what an earlier one would take as well, the last can.
pub(crate) fn wildcard<P, T>(
    pattern: &[P],
    text: &[T],
    is_any: impl Fn(&P) -> bool,
    same: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some(part) if is_any(part) => {
                last_run = Some((at, place));
                at += 1;
            }
            Some(part) if same(part, &text[place]) => {
                at += 1;
                place += 1;
            }
            _ => match &mut last_run {
                Some((run, taken)) => {
                    *taken += 1;
                    (at, place) = (*run + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(is_any)
}

impl Shape for Pattern {
    const NEEDED: &'static str =
        "a relative path, where * is any part of a name and ** any number of folders";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let read = value.as_str().and_then(Self::parse);
        if read.is_none() {
            findings.wrong(at, &value, Self::NEEDED);
        }
        read
    }

    fn write(&self) -> Json {
        self.as_str().into()
    }

    fn schema() -> Json {
        [("type", "string".into()), ("minLength", 1.into())].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_segment_and_two_stars_do_not() {
        for (pattern, matching, others) in [
            (
                "raw/*.csv",
                "raw/a.csv raw/.csv",
                "a.csv raw/b/a.csv raw/a.csv.gz x/raw/a.csv raw",
            ),
            ("**/*.csv", "a.csv raw/a.csv x/y/a.csv", "a.csvx raw"),
            ("raw/**", "raw/a raw/a/b raw", "a rawx/a x/raw/a"),
            ("a/**/z", "a/z a/b/z a/b/z/z", "a z a/b/zz b/a/z"),
            ("**", "a a/b/c", ""),
            ("*", "a .hidden", "a/b"),
            ("a*b*c", "abc aXbYc abbcc", "ab abcd a/bc"),
            ("a[1]?.csv", "a[1]?.csv", "a1x.csv"),
            ("**/a/**/a", "a/a x/a/a a/x/a", "a x/a a/x"),
        ] {
            let read = Pattern::parse(pattern).expect(pattern);
            for path in matching.split_whitespace() {
                assert!(read.matches(path.as_bytes()), "{pattern} {path}");
            }
            for path in others.split_whitespace() {
                assert!(!read.matches(path.as_bytes()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn a_pattern_that_could_match_nothing_is_refused() {
        for text in [
            "", "/a", "a/", "a//b", "./a", "../a", "a/..", "a**", "**.csv", "a\0",
        ] {
            assert_eq!(Pattern::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_answered_at_once() {
        let stars = "*a".repeat(2_000) + "b";
        let pattern = Pattern::parse(&stars).expect("good");
        assert!(!pattern.matches("a".repeat(20_000).as_bytes()));
        let deep = vec!["**/a"; 2_000].join("/") + "/b";
        let pattern = Pattern::parse(&deep).expect("good");
        assert!(!pattern.matches(vec!["a"; 10_000].join("/").as_bytes()));
    }
}
