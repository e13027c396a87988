//! Patterns of names: of datasets, signers and sources.
//!
//! All are anchored: a pattern matches a whole name or not at all. A wildcard stands for whole
//! parts only, so that `https://acme.example/collectors/*` is no other host and no other folder.
//! What could be read in two ways (percent-encoding, `..`, NUL, other scripts) is refused before
//! it is compared.

use crate::limits::Limits;
use crate::pattern::{Pattern, wildcard};

/// Why a text is no pattern, to be read after "needed".
pub(super) type Needed = &'static str;

/// A pattern of dataset names: `*` is any run of characters without `/`, `**` any run at all, and
/// every other character stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

/// A pattern of the URIs that certificates have as names: `*` is one segment of the path, `**` any
/// number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriPattern(String);

/// An e-mail address, or `*@` and a domain for everybody there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailPattern {
    text: String,
    /// Exactly this local part; `None` for any.
    local: Option<String>,
    domain: String,
}

/// A DNS name, in which `*` is one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsPattern(String);

/// A pattern of the sources that an origin names: exactly this text, or a [`UriPattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePattern {
    /// This text and no other.
    Exact(String),
    /// A URI with wildcards.
    Uri(UriPattern),
}

/// A pattern of the places where data is: a path relative to the policy, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacePattern {
    /// A relative path.
    Path(Pattern),
    /// A URL.
    Url(UriPattern),
}

impl NamePattern {
    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        match text {
            _ if text.contains("***") => Err("a name with * and ** only"),
            _ if text.trim() != text || text.is_empty() => Err("a name without space around it"),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all of `name` matches. Nothing matches a name longer than the budget.
    pub fn matches(&self, name: &str) -> bool {
        if name.len() > Limits::DEFAULT.matched_name_bytes {
            return false;
        }
        let name = name.as_bytes();
        // `reached[n]`: what was read of the pattern matches the first n bytes of the name.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        let mut rest = self.0.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            match first {
                b'*' => {
                    let any = after.first() == Some(&b'*');
                    for at in 1..=name.len() {
                        let extends = reached[at - 1] && (any || name[at - 1] != b'/');
                        reached[at] |= extends;
                    }
                    rest = if any { &after[1..] } else { after };
                }
                byte => {
                    for at in (1..=name.len()).rev() {
                        reached[at] = reached[at - 1] && name[at - 1] == *byte;
                    }
                    reached[0] = false;
                    rest = after;
                }
            }
        }
        reached[name.len()]
    }

    /// Whether there is a name that both match. Takes time that grows with the product of both
    /// lengths.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (own, other) = (Part::all(&self.0), Part::all(&other.0));
        // `meets[n]`: the rest of the own pattern and all after the first n parts of the other
        // match a common text. Built from the ends.
        let mut meets = vec![false; other.len() + 1];
        for at in (0..=own.len()).rev() {
            let behind = meets.clone();
            for place in (0..=other.len()).rev() {
                meets[place] = match (own.get(at), other.get(place)) {
                    (None, None) => true,
                    (Some(part), None) => part.is_run() && behind[place],
                    (None, Some(part)) => part.is_run() && meets[place + 1],
                    (Some(one), Some(two)) => {
                        let without_one = one.is_run() && behind[place];
                        let without_two = two.is_run() && meets[place + 1];
                        without_one
                            || without_two
                            || (one.takes(two) && meets[place + 1])
                            || (two.takes(one) && behind[place])
                            || (one == two && behind[place + 1])
                    }
                };
            }
        }
        meets[0]
    }
}

/// A part of a pattern of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// This byte.
    Byte(u8),
    /// Any run without `/`.
    Run,
    /// Any run.
    AnyRun,
}

impl Part {
    fn all(pattern: &str) -> Vec<Self> {
        let mut rest = pattern.as_bytes();
        let mut parts = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let (part, after) = match (first, after.split_first()) {
                (b'*', Some((b'*', after))) => (Self::AnyRun, after),
                (b'*', _) => (Self::Run, after),
                (byte, _) => (Self::Byte(*byte), after),
            };
            parts.push(part);
            rest = after;
        }
        parts
    }

    fn is_run(self) -> bool {
        !matches!(self, Self::Byte(_))
    }

    /// Whether this run may hold what `other` is.
    fn takes(self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run, Self::Byte(byte)) => *byte != b'/',
            (Self::AnyRun, Self::Byte(_)) => true,
            _ => false,
        }
    }
}

impl UriPattern {
    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err("a URI with its scheme, such as https://acme.example/collectors/*");
        };
        let good_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !good_scheme {
            return Err("a URI with its scheme, such as https://acme.example/collectors/*");
        }
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", rest),
        };
        if rest.starts_with("//") && authority.is_empty() {
            return Err("a URI with a host");
        }
        if authority.contains('*') {
            return Err("a URI without * in its host");
        }
        if !is_plain_uri(text) {
            return Err("a URI of visible ASCII without %, . and .. as segments");
        }
        let star = |segment: &str| segment.contains('*') && segment != "*" && segment != "**";
        if path.split('/').any(star) {
            return Err("a URI in which * and ** are whole segments of the path");
        }
        let pattern = Self(text.to_owned());
        if pattern.has_wildcard() && !is_hierarchical(path) {
            return Err("a URI without empty segments, ? and # where it has *");
        }
        Ok(pattern)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all of `uri` matches. Scheme and host are compared exactly. A URI with
    /// percent-encoding or with `.` or `..` as a segment never matches; one with an empty
    /// segment, `?` or `#` matches no wildcard.
    pub fn matches(&self, uri: &str) -> bool {
        if uri.len() > Limits::DEFAULT.matched_name_bytes || !is_plain_uri(uri) || uri.contains('*')
        {
            return false;
        }
        if !self.has_wildcard() {
            return self.0 == uri;
        }
        let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        if !is_hierarchical(path) {
            return false;
        }
        let pattern: Vec<_> = self.0.split('/').collect();
        let uri: Vec<_> = uri.split('/').collect();
        wildcard(
            &pattern,
            &uri,
            |part| *part == "**",
            |part, segment| *part == "*" || part == segment,
        )
    }

    fn has_wildcard(&self) -> bool {
        self.0.contains('*')
    }
}

/// Whether a URI has one reading: visible ASCII, nothing encoded, nothing that goes up.
fn is_plain_uri(uri: &str) -> bool {
    let visible = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"%\\".contains(&byte));
    visible
        && !uri
            .split(['/', '?', '#'])
            .any(|part| matches!(part, "." | ".."))
}

/// Whether a path is segments and nothing else.
fn is_hierarchical(path: &str) -> bool {
    !path.contains(['?', '#']) && !path.split('/').any(str::is_empty)
}

impl EmailPattern {
    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        let (local, domain) = split_email(text)
            .ok_or("one e-mail address, or *@example.com for everybody of a domain")?;
        let local = match local {
            "*" => None,
            "" => return Err("*@example.com for everybody of a domain"),
            _ if local.contains('*') => {
                return Err("an address in which * is the whole local part");
            }
            _ => Some(local.to_owned()),
        };
        if !is_domain(domain) {
            return Err("an address with a whole domain, and no * in it");
        }
        Ok(Self {
            text: text.to_owned(),
            local,
            domain: domain.to_owned(),
        })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `address` matches: the domain whatever its case, the local part exactly.
    pub fn matches(&self, address: &str) -> bool {
        split_email(address).is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.contains('*')
                && is_domain(domain)
                && self.local.as_deref().is_none_or(|needed| needed == local)
                && self.domain.eq_ignore_ascii_case(domain)
        })
    }
}

/// Local part and domain of an address with one reading. A quoted `@` is one too many, and `%` was
/// once a way to name a second host.
fn split_email(address: &str) -> Option<(&str, &str)> {
    let plain = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"%\"\\(),:;<>[]".contains(&byte));
    let (local, domain) = address.split_once('@')?;
    let short = address.len() <= Limits::DEFAULT.matched_name_bytes;
    (plain && short && !domain.contains('@') && !address.contains("..")).then_some((local, domain))
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    domain.split('.').all(label)
}

impl DnsPattern {
    /// Labels at the end of a pattern with `*` that are no `*`, so that it is not every name of a
    /// registry.
    const FIXED_LABELS: usize = 2;

    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        let labels: Vec<_> = text.split('.').collect();
        let named: Vec<_> = labels.iter().filter(|label| **label != "*").collect();
        if !named.iter().all(|label| is_domain(label)) {
            return Err("a DNS name in which * is a whole label");
        }
        let fixed = labels.iter().rev().take_while(|label| **label != "*");
        if text.contains('*') && fixed.count() < Self::FIXED_LABELS {
            return Err("a DNS name with at least two labels after the last *");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all of `name` matches, whatever its case.
    pub fn matches(&self, name: &str) -> bool {
        name.len() <= Limits::DEFAULT.matched_name_bytes
            && is_domain(name)
            && self.0.split('.').count() == name.split('.').count()
            && self
                .0
                .split('.')
                .zip(name.split('.'))
                .all(|(part, label)| part == "*" || part.eq_ignore_ascii_case(label))
    }
}

impl SourcePattern {
    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        match text.contains('*') {
            true => UriPattern::parse(text).map(Self::Uri),
            false => Ok(Self::Exact(text.to_owned())),
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) => text,
            Self::Uri(pattern) => pattern.as_str(),
        }
    }

    /// Whether all of `source` matches.
    pub fn matches(&self, source: &str) -> bool {
        match self {
            Self::Exact(text) => text == source,
            Self::Uri(pattern) => pattern.matches(source),
        }
    }
}

impl PlacePattern {
    pub(super) fn parse(text: &str) -> Result<Self, Needed> {
        match text.contains("://") {
            true => UriPattern::parse(text).map(Self::Url),
            false => {
                let needed = "a path relative to this file, where * is any part of a name and ** any number of folders";
                Pattern::parse(text).map(Self::Path).ok_or(needed)
            }
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Path(pattern) => pattern.as_str(),
            Self::Url(pattern) => pattern.as_str(),
        }
    }

    /// Whether all of `place` matches. A path that goes up matches nothing.
    pub fn matches(&self, place: &str) -> bool {
        let up = |segment| matches!(segment, "" | "." | "..");
        match self {
            Self::Url(pattern) => pattern.matches(place),
            Self::Path(pattern) => {
                place.len() <= Limits::DEFAULT.matched_name_bytes
                    && !place.split('/').any(up)
                    && pattern.matches(place.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_when_one_name_matches_both() {
        for (one, other, overlap) in [
            ("dataset:x", "dataset:x", true),
            ("dataset:x", "dataset:y", false),
            ("dataset:*", "dataset:sales_*", true),
            ("dataset:*", "dataset:a/b", false),
            ("dataset:**", "dataset:a/b", true),
            ("*a", "b*", true),
            ("a*b", "a*c", false),
            ("a*", "**/b", false),
            ("a**", "**/b", true),
            ("a*b", "ab", true),
            ("a*/c", "ab/*", true),
            ("*", "a/b", false),
            ("*x*", "*y*", true),
            ("*/", "*", false),
        ] {
            let parse = |text| NamePattern::parse(text).expect("a pattern");
            let (one, other) = (parse(one), parse(other));
            assert_eq!(one.overlaps(&other), overlap, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), overlap, "{other:?} {one:?}");
        }
    }
}
