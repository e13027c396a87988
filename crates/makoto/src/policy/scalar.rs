//! The single values of a policy.

use super::pattern::{
    DnsPattern, EmailPattern, NamePattern, Needed, PlacePattern, SourcePattern, UriPattern,
};
use crate::digest::Digest;
use crate::json::Json;
use crate::report::Level;
use crate::scalar::{Text, closed_vocabulary};
use crate::shape::{At, Findings, Shape};

/// A length of time in whole seconds. Written as a number and a unit: `90s`, `5m`, `24h`, `30d`,
/// `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// A thousand years: longer is a mistake, and no sum with a time of ours overflows.
    const MOST: u64 = 365_250 * 86_400;

    pub(super) const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// How many.
    pub fn get(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, Needed> {
        let needed = "a whole number and its unit, such as 90s, 5m, 24h, 30d or 2w";
        let unit = match text.bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            Some(b'w') => 7 * 86_400,
            _ => return Err(needed),
        };
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(needed);
        }
        let seconds = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit));
        let seconds = seconds.filter(|seconds| *seconds <= Self::MOST);
        seconds.map(Self).ok_or(needed)
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
        let unit = units
            .into_iter()
            .find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit));
        let (unit, letter) = unit.unwrap_or((1, 's'));
        write!(f, "{}{letter}", self.0 / unit)
    }
}

/// Id of a public key: `sha256:` and the hex digits of its SubjectPublicKeyInfo in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) Digest);

impl KeyId {
    fn parse(text: &str) -> Result<Self, Needed> {
        let digest = text
            .strip_prefix("sha256:")
            .and_then(|hex| hex.parse().ok());
        digest.map(Self).ok_or(
            "sha256: and 64 lower-case hex digits, as `makoto key show` prints; keys themselves stand in trusted-keys",
        )
    }
}

/// A path of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePath(String);

impl FilePath {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, Needed> {
        let plain = !text.contains("://") && !text.chars().any(char::is_control);
        let needed = "the path of a file, relative to this one; nothing is fetched";
        plain.then(|| Self(text.to_owned())).ok_or(needed)
    }
}

/// The host of a URL, with its port unless that is 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host(pub(super) String);

impl Host {
    fn parse(text: &str) -> Result<Self, Needed> {
        let (name, port) = text.split_once(':').unwrap_or((text, "443"));
        let good = DnsPattern::parse(name).is_ok()
            && !name.contains('*')
            && !name.bytes().any(|byte| byte.is_ascii_uppercase())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && !port.starts_with('+');
        let needed = "a host in lower case, such as registry.example or registry.example:8443";
        let usual = text.strip_suffix(":443").unwrap_or(text);
        good.then(|| Self(usual.to_owned())).ok_or(needed)
    }
}

/// A count of things that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl Shape for Count {
    const NEEDED: &'static str = "a whole number from 1 to 1000";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let count = match &value {
            Json::Number(number) if number.is_integer() => number.as_u64(),
            _ => None,
        };
        let count = count.filter(|count| (1..=1_000).contains(count));
        let count = count.and_then(|count| u32::try_from(count).ok());
        if count.is_none() {
            findings.wrong(at, &value, Self::NEEDED);
        }
        count.map(Self)
    }

    fn write(&self) -> Json {
        u64::from(self.0).into()
    }

    fn schema() -> Json {
        [
            ("type", "integer".into()),
            ("minimum", 1.into()),
            ("maximum", 1_000.into()),
        ]
        .into()
    }
}

/// The version of the format: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FormatVersion;

impl Shape for FormatVersion {
    const NEEDED: &'static str = "1, the only version of the format";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match &value {
            Json::Number(number) if number.token() == "1" => Some(Self),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        1.into()
    }

    fn schema() -> Json {
        [("const", 1.into())].into()
    }
}

closed_vocabulary! {
    /// The level that data must reach.
    pub enum RequiredLevel {
        /// Provenance exists.
        L1 = "L1",
        /// Provenance is authentic.
        L2 = "L2",
        /// Provenance is unforgeable.
        L3 = "L3",
    }
}

impl From<RequiredLevel> for Level {
    fn from(level: RequiredLevel) -> Self {
        match level {
            RequiredLevel::L1 => Self::L1,
            RequiredLevel::L2 => Self::L2,
            RequiredLevel::L3 => Self::L3,
        }
    }
}

/// Makes a [`Shape`] of a type that is parsed from text.
macro_rules! parsed_from_text {
    ($($name:ident: $needed:literal, $text:expr;)+) => { $(
        impl Shape for $name {
            const NEEDED: &'static str = $needed;

            fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                // What is wrong with a text is a question of `Text` first.
                let text = Text::read(value, at, findings)?;
                match Self::parse(text.as_str()) {
                    Ok(read) => Some(read),
                    Err(needed) => {
                        findings.wrong(at, &text.as_str().into(), needed);
                        None
                    }
                }
            }

            fn write(&self) -> Json {
                let text: fn(&Self) -> String = $text;
                text(self).into()
            }

            fn schema() -> Json {
                Text::schema()
            }
        }
    )+ };
}

parsed_from_text! {
    Seconds: "a length of time, such as 90s, 5m, 24h or 30d", |it| it.to_string();
    KeyId: "the id of a key, sha256: and hex digits", |it| format!("sha256:{}", it.0);
    FilePath: "the path of a file, relative to this one", |it| it.0.clone();
    Host: "a host", |it| it.0.clone();
    NamePattern: "a pattern of dataset names", |it| it.as_str().to_owned();
    UriPattern: "a URI, in which * is one segment of the path", |it| it.as_str().to_owned();
    EmailPattern: "an e-mail address, or *@example.com", |it| it.as_str().to_owned();
    DnsPattern: "a DNS name, in which * is one label", |it| it.as_str().to_owned();
    SourcePattern: "a source, in which * is one segment of the path", |it| it.as_str().to_owned();
    PlacePattern: "a path relative to this file, or a URL", |it| it.as_str().to_owned();
}
