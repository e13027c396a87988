//! `makoto.toml`: what would otherwise be typed for every dataset.
//!
//! A file of defaults and nothing else: it is never read to verify, and it holds no secrets.
//! Every value counts as if it were typed. `[defaults]` speaks of all data; of the `[[dataset]]`
//! sections whose `match` fits, the last one that has a key decides it.

mod file;

use std::fmt;

pub use file::{ConfigFile, DatasetDefaults, Defaults, NameParts, NameTemplate, SignerReference};

use crate::json::Json;
use crate::limits::Limits;
use crate::pattern::Pattern;
pub use crate::problem::Problem;
use crate::report::Level;
use crate::secret::Masker;
use crate::shape::{At, Findings, Shape};
use crate::toml::Document;

/// Name of the file.
pub const FILE_NAME: &str = "makoto.toml";

/// Everything that a section can say, in the order in which it is shown.
pub const KEYS: [&str; 17] = [
    "name",
    "source",
    "source-type",
    "method",
    "geography",
    "collector",
    "executor",
    "platform",
    "environment",
    "licence",
    "consent.type",
    "consent.reference",
    "consent.obtained",
    "consent.expires",
    "store",
    "signer",
    "tsa",
];

/// A `makoto.toml` that was read and is right.
#[derive(Debug, Clone)]
pub struct Config {
    document: Document,
    /// Patterns of the `[[dataset]]` sections, in order.
    patterns: Vec<Pattern>,
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
    /// The section that it is in.
    pub section: Section,
}

/// A section of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// `[defaults]`
    Defaults,
    /// `[[dataset]]`, by its pattern.
    Dataset(Pattern),
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("[defaults]"),
            Self::Dataset(pattern) => write!(f, "[[dataset]] match = {:?}", pattern.as_str()),
        }
    }
}

impl Config {
    /// Reads a `makoto.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it: no TOML, unknown keys, wrong types, secrets.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(bytes, limits).map_err(|error| vec![error.into()])?;
        // Before anything of the file is told in a message.
        let secrets = secrets_in(&document);
        if !secrets.is_empty() {
            return Err(secrets);
        }
        let mut findings = Findings::at_level(Level::L1);
        let file = ConfigFile::read(document.value.clone(), &At::Top, &mut findings);
        let problems = Problem::of(&findings.into_checks(), &document);
        match file {
            Some(file) if problems.is_empty() => {
                let sections = file.dataset.unwrap_or_default();
                let patterns = sections.into_iter().map(|section| section.pattern);
                Ok(Self {
                    patterns: patterns.collect(),
                    document,
                })
            }
            _ => Err(problems),
        }
    }

    /// The value of `key`, one of [`KEYS`], for the data at `path` relative to the file's folder;
    /// `None` for a path stands for data elsewhere, which only `[defaults]` speaks of.
    ///
    /// A legal ground is one thing: all keys of `consent` come from the section that wins it.
    pub fn setting(&self, key: &str, path: Option<&[u8]>) -> Option<Setting> {
        let whole = key.split('.').next().unwrap_or(key);
        let sections = self.document.value.get("dataset").and_then(Json::as_array);
        let sections = sections.unwrap_or_default().iter().zip(&self.patterns);
        let mut matching = sections
            .enumerate()
            .rev()
            .filter(|(_, (section, pattern))| {
                path.is_some_and(|path| pattern.matches(path)) && member(section, whole).is_some()
            });
        let (at, values, section) = match matching.next() {
            Some((index, (values, pattern))) => {
                let at = format!("dataset[{index}]");
                (at, values, Section::Dataset(pattern.clone()))
            }
            None => {
                let values = self.document.value.get("defaults")?;
                ("defaults".to_owned(), values, Section::Defaults)
            }
        };
        let (spelling, value) = member(values, whole)?;
        let (at, value) = match key.split_once('.') {
            Some((_, inner)) => (format!("{at}.{spelling}.{inner}"), value.get(inner)?),
            None => (format!("{at}.{spelling}"), value),
        };
        Some(Setting {
            text: value.as_str()?.to_owned(),
            line: self.document.line_of(&at),
            section,
        })
    }
}

/// The value of a key, and the spelling in which it is there.
fn member<'a, 'k>(section: &'a Json, key: &'k str) -> Option<(&'k str, &'a Json)> {
    let spellings = match key {
        "licence" => ["licence", "license"],
        _ => [key, key],
    };
    let found = |spelling| Some((spelling, section.get(spelling)?));
    spellings.into_iter().find_map(found)
}

/// Everything that looks like a secret, by its place.
fn secrets_in(document: &Document) -> Vec<Problem> {
    let mut value = document.value.clone();
    without_token_references(&mut value);
    let mut masker = Masker::new();
    masker.mask_document(&mut value, "");
    let secrets = masker.masked().iter().map(|secret| {
        let path = secret.path.trim_start_matches('.');
        let why = &secret.why;
        Problem {
            line: Some(document.line_of(path)),
            message: format!("{path} holds a secret ({why}), and this file holds none"),
        }
    });
    let mut secrets: Vec<_> = secrets.take(Limits::DEFAULT.findings).collect();
    secrets.sort_by_key(|secret| secret.line);
    // One value may be a secret in several ways.
    secrets.dedup_by(|next, kept| next.message.split(' ').next() == kept.message.split(' ').next());
    secrets
}

/// Takes references to keys in tokens out: `pkcs11:token=…;object=…` (RFC 7512) only names
/// them, unless it says the PIN.
fn without_token_references(value: &mut Json) {
    match value {
        Json::Object(members) => {
            let signer = members.get("signer").and_then(Json::as_str);
            let only_names = signer.is_some_and(|signer| {
                signer.starts_with("pkcs11:") && !signer.to_ascii_lowercase().contains("pin-value")
            });
            if only_names {
                members.remove("signer");
            }
            members
                .iter_mut()
                .for_each(|(_, member)| without_token_references(member));
        }
        Json::Array(items) => items.iter_mut().for_each(without_token_references),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<Problem>> {
        Config::read(text.as_bytes(), &Limits::DEFAULT)
    }

    /// The line and the message of the one problem.
    fn problem(text: &str) -> (usize, String) {
        let mut problems = read(text).expect_err(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        (problem.line.unwrap_or_default(), problem.message)
    }

    const FILE: &str = r#"[defaults]
source = "a"
license = "CC0-1.0"
[defaults.consent]
type = "contractual"
reference = "https://a.example/c"
[[dataset]]
match = "raw/**"
source = "b"
collector = "b"
[[dataset]]
match = "raw/*.csv"
source = "c"
consent = { type = "public-task" }
"#;

    #[test]
    fn the_last_section_that_matches_and_has_the_key_decides_it() {
        let config = read(FILE).expect("good");
        let found = |key: &str, path: &str| {
            let setting = config.setting(key, Some(path.as_bytes()))?;
            Some((setting.text, setting.line, setting.section.to_string()))
        };
        let all = |text: &str, line| Some((text.to_owned(), line, "[defaults]".to_owned()));
        let of = |text: &str, line, pattern: &str| {
            let section = format!("[[dataset]] match = {pattern:?}");
            Some((text.to_owned(), line, section))
        };
        assert_eq!(found("source", "a.csv"), all("a", 2));
        assert_eq!(found("source", "raw/x/a.csv"), of("b", 9, "raw/**"));
        assert_eq!(found("source", "raw/a.csv"), of("c", 13, "raw/*.csv"));
        assert_eq!(found("collector", "raw/a.csv"), of("b", 10, "raw/**"));
        assert_eq!(found("collector", "a.csv"), None);
        assert_eq!(found("licence", "raw/a.csv"), all("CC0-1.0", 3));
        let task = of("public-task", 14, "raw/*.csv");
        assert_eq!(found("consent.type", "raw/a.csv"), task);
        // The reference of one ground is none of another.
        assert_eq!(found("consent.reference", "raw/a.csv"), None);
        let reference = all("https://a.example/c", 6);
        assert_eq!(found("consent.reference", "raw/a.json"), reference);
        let elsewhere = config.setting("source", None);
        assert_eq!(elsewhere.map(|s| s.text), Some("a".to_owned()));
    }

    #[test]
    fn every_key_that_can_be_asked_for_can_be_written_and_the_other_way_round() {
        let mut written = Vec::new();
        let schema = Defaults::schema();
        let properties = schema.get("properties").and_then(Json::as_object);
        for (key, schema) in properties.expect("properties").iter() {
            match schema.get("properties").and_then(Json::as_object) {
                Some(inner) => written.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
                None => written.push(key.clone()),
            }
        }
        written.retain(|key| key != "license");
        written.sort();
        let mut asked = KEYS.map(str::to_owned).to_vec();
        asked.sort();
        assert_eq!(written, asked);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_key() {
        for (text, line, words) in [
            (
                "[defaults]\ncolector = 'x'",
                2,
                "defaults.colector is not a key of this file; did you mean \"collector\"?",
            ),
            (
                "[defaults]\nsource_type = 'api'",
                2,
                "did you mean \"source-type\"?",
            ),
            (
                "[default]\nsource = 'x'",
                1,
                "default is not a key of this file; did you mean \"defaults\"?",
            ),
            ("[defaults]\nzzz = 1", 2, "defaults.zzz is not a key"),
            ("source = 'x'", 1, "source is not a key"),
            (
                "[defaults]\n\nsource = 5",
                3,
                "defaults.source is 5, needed a non-empty string",
            ),
            ("[defaults]\nsource = ''", 2, "defaults.source is empty"),
            (
                "[defaults]\nconsent = 'contractual'",
                2,
                "defaults.consent is \"contractual\"",
            ),
            (
                "[defaults.consent]\nreference = 'https://a.example'",
                1,
                "defaults.consent.type is missing",
            ),
            (
                "[defaults.consent]\ntype = 'contractual'\nref = 'x'",
                3,
                "defaults.consent.ref is not a key",
            ),
            (
                "[defaults]\nlicence = 'a'\nlicense = 'b'",
                2,
                "given a second time",
            ),
            (
                "[[dataset]]\nsource = 'x'",
                1,
                "dataset[0].match is missing",
            ),
            (
                "[[dataset]]\nmatch = 'a'\n[[dataset]]\nmatch = '/a'",
                4,
                "dataset[1].match is \"/a\"",
            ),
            ("[defaults]\nname = 'x:{steam}'", 2, "\"x:{steam}\""),
            ("[defaults]\nname = 'x}'", 2, "defaults.name"),
            (
                "[defaults]\nsigner = 'key.pem'",
                2,
                "defaults.signer is \"key.pem\", needed file: and",
            ),
            ("[defaults]\ntsa = 'tsa'", 2, "defaults.tsa"),
            (
                "[defaults]\nsource-type = 'dream'",
                2,
                "defaults.source-type is \"dream\"",
            ),
            ("[defaults]\nsource = 'a\u{202e}b'", 2, "direction-changing"),
            ("[defaults\n", 1, "not TOML"),
        ] {
            let (found, message) = problem(text);
            assert_eq!(found, line, "{text:?}: {message}");
            assert!(message.contains(words), "{words:?} not in {message:?}");
        }
        assert_eq!(read("a = 1\nb = 1").expect_err("two").len(), 2);
        assert!(read("").is_ok());
    }

    #[test]
    fn secrets_are_refused_and_never_told() {
        for line in [
            "password = 'hunter22'",
            "passphrase = 'hunter22'",
            "private-key = 'hunter22'",
            "token = 'hunter22'",
            "consent = { token = 'hunter22' }",
            "source = 'https://me:hunter22@db.example/orders'",
            "source = 'https://db.example/?password=hunter22'",
            "name = 'password=hunter22'",
            "signer = 'pkcs11:token=t;object=k?pin-value=hunter22'",
            "consent = 'token=hunter22'",
            "signer = '''-----BEGIN PRIVATE KEY-----\nhunter22\n'''",
        ] {
            let (found, message) = problem(&format!("[defaults]\ntsa = 'no'\n{line}\n"));
            assert_eq!(found, 3, "{line}: {message}");
            assert!(message.contains("secret"), "{message}");
            assert!(!message.contains("hunter22"), "{message}");
        }
        for line in [
            "signer = 'file:key.pem'",
            "signer = 'pkcs11:token=Soft%20Token;object=signing-key'",
            "source = 'https://erp.example.com/orders?from=2026'",
            "collector = 'etl/token-counter'",
        ] {
            assert!(read(&format!("[defaults]\n{line}")).is_ok(), "{line}");
        }
    }
}
