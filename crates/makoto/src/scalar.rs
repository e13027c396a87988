//! The scalar types that documents are made of.

use crate::datetime::{DURATION_PATTERN, DateTime, Duration};
use crate::digest::Digest;
use crate::json::{Json, Number, Object};
use crate::report::Level;
use crate::shape::{At, Findings, Need, Shape, excerpt};

/// Whether a character takes no visible place of its own: white space, controls, zero-width
/// and bidirectional formatting characters, and blank letters.
pub fn is_invisible(character: char) -> bool {
    character.is_whitespace() || character.is_control() || is_deceptive(character)
}

/// Whether a character can hide that two texts differ, or change the order in which a reader
/// sees the others (Unicode TR 36; attack 85).
pub fn is_deceptive(character: char) -> bool {
    // Every character of every name comes by here, and nearly all are ASCII, which never is.
    !character.is_ascii()
        && matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! text_scalars {
    ($( $(#[$doc:meta])+ $name:ident: $needed:literal, $valid:expr, $schema:expr; )+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
            pub struct $name(String);

            impl $name {
                /// The text.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl Shape for $name {
                const NEEDED: &'static str = $needed;

                fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                    let valid: fn(&str) -> bool = $valid;
                    read_text(value, at, findings, $needed, |text| valid(text).then(|| Self(text.to_owned())))
                }

                fn write(&self) -> Json {
                    self.as_str().into()
                }

                fn schema() -> Json {
                    Json::from($schema)
                }
            }
        )+
    };
}

text_scalars! {
    /// Text with something to see in it, and without NUL.
    Text: "a non-empty string", |text| !text.chars().all(is_invisible) && !text.contains('\0'),
        [("type", "string".into()), ("minLength", 1.into()), ("pattern", VISIBLE_PATTERN.into())];

    /// Any string.
    AnyText: "a string", |_| true, [("type", "string".into())];

    /// A URI with a scheme (RFC 3986).
    Uri: "a URI with a scheme", |text| fluent_uri::Uri::parse(text).is_ok(),
        [("type", "string".into()), ("format", "uri".into())];

    /// A count as a decimal string, safe above 2^53.
    Count: "a string of decimal digits", |text| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
    }, [("type", "string".into()), ("pattern", "^[0-9]+$".into())];

    /// A SHA-512 digest in lower-case hex.
    Sha512: "128 lower-case hex digits", |text| is_lower_hex(text) && text.len() == 128,
        [("type", "string".into()), ("pattern", "^[0-9a-f]{128}$".into())];

    /// Root of a tree of any of the hashes in use.
    Root: "64, 96 or 128 lower-case hex digits", |text| {
        is_lower_hex(text) && matches!(text.len(), 64 | 96 | 128)
    }, [("type", "string".into()), ("pattern", "^(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$".into())];

    /// A full date (RFC 3339).
    Date: "a date such as 2026-11-21", |text| {
        DateTime::parse(&format!("{text}T00:00:00Z")).is_ok()
    }, [("type", "string".into()), ("format", "date".into())];

    /// Exactly one character.
    Letter: "one character", |text| text.chars().count() == 1 && text != "\n" && text != "\r",
        [("type", "string".into()), ("pattern", "^[^\n\r]$".into())];
}

/// At least one visible character and no NUL, as an ECMA 262 pattern.
const VISIBLE_PATTERN: &str = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb][^\u0000]*$";

/// Whether `text` is hex digits in lower case only.
pub(crate) fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Letter {
    /// The character.
    pub fn as_char(&self) -> char {
        self.0.chars().next().unwrap_or_default()
    }
}

fn read_text<T>(
    value: Json,
    at: &At<'_>,
    findings: &mut Findings,
    needed: &str,
    make: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let made = value.as_str().and_then(make);
    if made.is_none() {
        match value.as_str() {
            Some(text) if text.chars().all(is_invisible) => findings.empty(at, &value, needed),
            _ => findings.wrong(at, &value, needed),
        }
    } else if value.as_str().is_some_and(|t| t.chars().any(is_deceptive)) {
        findings.warn(
            at,
            "holds invisible or direction-changing characters, which can make two texts look alike",
        );
    }
    made
}

impl Shape for Digest {
    const NEEDED: &'static str = "64 lower-case hex digits";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        read_text(value, at, findings, Self::NEEDED, |text| text.parse().ok())
    }

    fn write(&self) -> Json {
        self.to_string().into()
    }

    fn schema() -> Json {
        [
            ("type", "string".into()),
            ("pattern", "^[0-9a-f]{64}$".into()),
        ]
        .into()
    }
}

impl Shape for DateTime {
    const NEEDED: &'static str =
        "an RFC 3339 date and time with a zone, such as 2026-11-21T08:00:00Z";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        read_text(value, at, findings, Self::NEEDED, |text| {
            Self::parse(text).ok()
        })
    }

    fn write(&self) -> Json {
        self.as_str().into()
    }

    fn schema() -> Json {
        [("type", "string".into()), ("format", "date-time".into())].into()
    }
}

impl Shape for Duration {
    const NEEDED: &'static str = "an ISO 8601 duration such as PT1M";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        read_text(value, at, findings, Self::NEEDED, Self::parse)
    }

    fn write(&self) -> Json {
        self.as_str().into()
    }

    fn schema() -> Json {
        [
            ("type", "string".into()),
            ("pattern", DURATION_PATTERN.into()),
        ]
        .into()
    }
}

macro_rules! number_scalars {
    ($( $(#[$doc:meta])+ $name:ident: $needed:literal, $valid:expr, $schema:expr; )+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(Number);

            impl $name {
                /// The number.
                pub fn number(&self) -> &Number {
                    &self.0
                }
            }

            impl Shape for $name {
                const NEEDED: &'static str = $needed;

                fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                    let valid: fn(&Number) -> bool = $valid;
                    match value {
                        Json::Number(number) if valid(&number) => Some(Self(number)),
                        _ => {
                            findings.wrong(at, &value, $needed);
                            None
                        }
                    }
                }

                fn write(&self) -> Json {
                    Json::Number(self.0.clone())
                }

                fn schema() -> Json {
                    Json::from($schema)
                }
            }
        )+
    };
}

number_scalars! {
    /// A whole number, 0 or more.
    Uint: "a whole number, 0 or more", |number| number.is_integer() && !number.is_negative(),
        [("type", "integer".into()), ("minimum", 0.into())];

    /// A whole number, 1 or more.
    Positive: "a whole number, 1 or more", |number| number.is_integer() && number.to_f64() >= 1.0,
        [("type", "integer".into()), ("minimum", 1.into())];

    /// A number, 0 or more.
    NonNegative: "a number, 0 or more", |number| !number.is_negative(),
        [("type", "number".into()), ("minimum", 0.into())];

    /// A number from 0 to 1.
    Ratio: "a number from 0 to 1", |number| !number.is_negative() && number.to_f64() <= 1.0,
        [("type", "number".into()), ("minimum", 0.into()), ("maximum", 1.into())];

    /// A number from 0 to 100.
    Percentage: "a number from 0 to 100", |number| !number.is_negative() && number.to_f64() <= 100.0,
        [("type", "number".into()), ("minimum", 0.into()), ("maximum", 100.into())];
}

/// An object whose values are all strings, such as the versions of components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringMap(Object);

impl StringMap {
    /// The members.
    pub fn as_object(&self) -> &Object {
        &self.0
    }
}

impl Shape for StringMap {
    const NEEDED: &'static str = "an object of strings";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let members = Object::read(value, at, findings)?;
        strings_only(&members, at, findings);
        Some(Self(members))
    }

    fn write(&self) -> Json {
        Json::Object(self.0.clone())
    }

    fn schema() -> Json {
        [
            ("type", "object".into()),
            ("additionalProperties", [("type", "string".into())].into()),
        ]
        .into()
    }
}

/// Adds a finding for every member that is not a string.
pub(crate) fn strings_only(members: &Object, at: &At<'_>, findings: &mut Findings) {
    for (key, value) in members.iter() {
        if value.as_str().is_none() {
            findings.wrong(&at.field(key), value, "a string");
        }
    }
}

/// Tells a schema of [`strings_only`].
pub(crate) fn strings_only_schema(schema: &mut Object) {
    schema.insert(
        "additionalProperties".to_owned(),
        [("type", "string".into())].into(),
    );
}

/// Schema of a closed vocabulary: one of its words.
pub(crate) fn word_schema(words: &[&str]) -> Json {
    [("type", "string".into()), ("enum", words_json(words))].into()
}

/// Schema of an open vocabulary: any string, with the known words as examples.
pub(crate) fn open_word_schema(words: &[&str]) -> Json {
    [("type", "string".into()), ("examples", words_json(words))].into()
}

fn words_json(words: &[&str]) -> Json {
    words.iter().map(|word| Json::from(*word)).collect()
}

/// Makes an enum of words; any other word is refused.
macro_rules! closed_vocabulary {
    ($(#[$about:meta])+ pub enum $name:ident { $( $(#[$doc:meta])+ $variant:ident = $word:literal, )+ }) => {
        $(#[$about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$doc])+ $variant, )+ }

        impl $name {
            /// All words, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl $crate::shape::Shape for $name {
            const NEEDED: &'static str = $crate::scalar::one_of!($($word),+);

            fn read(
                value: $crate::json::Json,
                at: &$crate::shape::At<'_>,
                findings: &mut $crate::shape::Findings,
            ) -> Option<Self> {
                match value.as_str() {
                    $( Some($word) => Some(Self::$variant), )+
                    _ => {
                        findings.wrong(at, &value, Self::NEEDED);
                        None
                    }
                }
            }

            fn write(&self) -> $crate::json::Json {
                self.as_str().into()
            }

            fn schema() -> $crate::json::Json {
                $crate::scalar::word_schema(Self::WORDS)
            }
        }
    };
}

/// Makes a type of words that is open: another word is kept, with a warning.
macro_rules! open_vocabulary {
    ($(#[$about:meta])+ pub struct $name:ident [ $($word:literal),+ $(,)? ]) => {
        $(#[$about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The known words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::shape::Shape for $name {
            const NEEDED: &'static str = $crate::scalar::one_of!($($word),+);

            fn read(
                value: $crate::json::Json,
                at: &$crate::shape::At<'_>,
                findings: &mut $crate::shape::Findings,
            ) -> Option<Self> {
                match value {
                    $crate::json::Json::String(word) if Self::WORDS.contains(&word.as_str()) => {
                        Some(Self(word))
                    }
                    $crate::json::Json::String(_) => {
                        let found = $crate::shape::excerpt(&value);
                        findings.warn(at, format!("is {found}, which is not {}", Self::NEEDED));
                        value.as_str().map(|word| Self(word.to_owned()))
                    }
                    _ => {
                        findings.wrong(at, &value, Self::NEEDED);
                        None
                    }
                }
            }

            fn write(&self) -> $crate::json::Json {
                self.as_str().into()
            }

            fn schema() -> $crate::json::Json {
                $crate::scalar::open_word_schema(Self::WORDS)
            }
        }
    };
}

/// `one of a, b, c` as a constant.
macro_rules! one_of {
    ($first:literal $(, $word:literal)*) => { concat!("one of ", $first $(, ", ", $word)*) };
}

pub(crate) use {closed_vocabulary, one_of, open_vocabulary};

impl Shape for Level {
    const NEEDED: &'static str = "one of L1, L2, L3";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match value.as_str() {
            Some("L1") => Some(Self::L1),
            Some("L2") => Some(Self::L2),
            Some("L3") => Some(Self::L3),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        self.as_str().into()
    }

    fn schema() -> Json {
        word_schema(&["L1", "L2", "L3"])
    }
}

/// A count that may be written as a decimal string or as a whole number (conflict C18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseCount(Json);

impl Shape for LooseCount {
    const NEEDED: &'static str = "a string of decimal digits or a whole number";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let mut quiet = Findings::at_level(Level::L1);
        let good = Count::read(value.clone(), at, &mut quiet).is_some()
            || Uint::read(value.clone(), at, &mut quiet).is_some();
        if !good {
            findings.wrong(at, &value, Self::NEEDED);
        }
        good.then_some(Self(value))
    }

    fn write(&self) -> Json {
        self.0.clone()
    }

    fn schema() -> Json {
        [(
            "anyOf",
            [Count::schema(), Uint::schema()].into_iter().collect(),
        )]
        .into()
    }
}

/// A digest set of a thing that is only referred to: every value a string, and a warning when
/// `sha256` is not a digest (conflict C35: published examples carry placeholders).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseDigestSet(Object);

impl Shape for LooseDigestSet {
    const NEEDED: &'static str = "an object of digests";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let StringMap(members) = StringMap::read(value, at, findings)?;
        match members.get("sha256").map(|sha256| sha256.as_str()) {
            Some(Some(text)) if text.parse::<Digest>().is_err() => {
                let found = excerpt(&text.into());
                let message = format!("is {found}, which is not {}", Digest::NEEDED);
                findings.warn(&at.field("sha256"), message);
            }
            None => findings.missing(&at.field("sha256"), Need::Recommended, Digest::NEEDED),
            Some(_) => {}
        }
        Some(Self(members))
    }

    fn write(&self) -> Json {
        Json::Object(self.0.clone())
    }

    fn schema() -> Json {
        StringMap::schema()
    }
}
