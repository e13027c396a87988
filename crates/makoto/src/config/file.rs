//! The tables of a `makoto.toml`.

use crate::document;
use crate::json::{Json, Object};
use crate::pattern::Pattern;
use crate::predicate::origin::{CollectionMethod, Consent, SourceType};
use crate::problem;
use crate::scalar::{Text, Uri};
use crate::secret::is_secret_name;
use crate::shape::{At, Findings, Need, Shape};

document! {
    /// A `makoto.toml`.
    pub struct ConfigFile {
        /// Defaults for all data.
        optional defaults: Defaults = "defaults",
        /// Defaults for the data that matches, the last match first.
        optional dataset: Vec<DatasetDefaults> = "dataset",
    }
    => only_known_sections
}

document! {
    /// Defaults for what a statement says.
    pub struct Defaults {
        /// URI or identifier of the source.
        optional source: Text = "source",
        /// Type of source.
        optional source_type: SourceType = "source-type",
        /// How the data was obtained.
        optional method: CollectionMethod = "method",
        /// Where the data was collected or is stored.
        optional geography: Text = "geography",
        /// Identifier of the collecting system or process.
        optional collector: Text = "collector",
        /// Identifier of the system that executes steps.
        optional executor: Text = "executor",
        /// Platform that hosts the collector or executor.
        optional platform: Text = "platform",
        /// Where the collector or executor runs.
        optional environment: Text = "environment",
        /// Licence of the data.
        optional licence: Text = "licence",
        /// Licence of the data, in another spelling.
        optional license: Text = "license",
        /// Legal ground of the collection; counts as a whole.
        optional consent: Consent = "consent",
        /// Name of the dataset, with `{stem}`, `{file}` and `{parent}` filled in.
        optional name: NameTemplate = "name",
        /// Folder of the attestation store, relative to this file.
        optional store: Text = "store",
        /// Reference to the signing key.
        optional signer: SignerReference = "signer",
        /// Timestamp authority.
        optional tsa: Uri = "tsa",
    }
    => only_known_keys
}

/// A `[[dataset]]` section: [`Defaults`] for the data that `match` fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetDefaults {
    /// Which data, relative to the folder of the file.
    pub pattern: Pattern,
    /// The defaults.
    pub defaults: Defaults,
}

impl Shape for DatasetDefaults {
    const NEEDED: &'static str = "an object";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let mut members = Object::read(value, at, findings)?;
        let place = at.field("match");
        let pattern = match members.remove("match") {
            Some(pattern) => Pattern::read(pattern, &place, findings),
            None => {
                Pattern::absent(&place, Need::Required, findings);
                None
            }
        };
        let defaults = Defaults::read(Json::Object(members), at, findings);
        Some(Self {
            pattern: pattern?,
            defaults: defaults?,
        })
    }

    fn write(&self) -> Json {
        let mut written = self.defaults.write();
        if let Json::Object(members) = &mut written {
            members.insert("match", self.pattern.write());
        }
        written
    }

    fn schema() -> Json {
        let mut schema = Defaults::schema();
        if let Json::Object(members) = &mut schema {
            if let Some(Json::Object(properties)) = members.get_mut("properties") {
                properties.insert("match", Pattern::schema());
            }
            members.insert("required", Json::from_iter(["match".into()]));
        }
        schema
    }
}

fn only_known_sections(file: &ConfigFile, at: &At<'_>, findings: &mut Findings) {
    refuse_unknown::<ConfigFile>(&file.extra, at, findings);
}

fn only_known_keys(defaults: &Defaults, at: &At<'_>, findings: &mut Findings) {
    refuse_unknown::<Defaults>(&defaults.extra, at, findings);
    if let Some(consent) = &defaults.consent {
        refuse_unknown::<Consent>(&consent.extra, &at.field("consent"), findings);
    }
    if defaults.licence.is_some() && defaults.license.is_some() {
        let message = "is given a second time as \"license\"; keep one of the two";
        findings.contradiction(&at.field("licence"), message);
    }
}

fn refuse_unknown<T: Shape>(unknown: &Object, at: &At<'_>, findings: &mut Findings) {
    problem::refuse_unknown::<T>(unknown, at, findings, |key| {
        is_secret_name(key).then_some("is the name of a secret, and this file holds none")
    });
}

/// A name with places to fill in: `dataset:{stem}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(String);

/// What fills the places of a [`NameTemplate`].
#[derive(Debug, Clone, Copy)]
pub struct NameParts<'a> {
    /// Name of the file without its extension and that of its compression; of a folder, its name.
    pub stem: &'a str,
    /// Name of the file or folder.
    pub file: &'a str,
    /// Name of the folder that it is in.
    pub parent: &'a str,
}

impl NameTemplate {
    /// Reads a template; `None` when a place has another name, or a brace no partner.
    pub fn parse(text: &str) -> Option<Self> {
        let parts = NameParts {
            stem: "x",
            file: "x",
            parent: "x",
        };
        let template = Self(text.to_owned());
        template.fill(parts).map(|_| template)
    }

    /// The name for data with these parts.
    pub fn expand(&self, parts: NameParts<'_>) -> String {
        self.fill(parts).unwrap_or_default()
    }

    fn fill(&self, parts: NameParts<'_>) -> Option<String> {
        let mut name = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}')?;
            name.push_str(before);
            name.push_str(match place {
                "stem" => parts.stem,
                "file" => parts.file,
                "parent" => parts.parent,
                _ => return None,
            });
            rest = after;
        }
        name.push_str(rest);
        let filled_in = self.0.matches('{').count();
        let balanced = self.0.matches('}').count() == filled_in;
        (balanced && !name.trim().is_empty()).then_some(name)
    }
}

/// Says where a signing key is. Never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerReference(String);

impl SignerReference {
    /// Reads a reference: a scheme, a colon, and what the scheme needs.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let good = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !rest.is_empty()
            && !text.chars().any(char::is_control);
        good.then(|| Self(text.to_owned()))
    }
}

macro_rules! string_shape {
    ($name:ident, $needed:literal, $shown:expr) => {
        impl Shape for $name {
            const NEEDED: &'static str = $needed;

            fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
                // What is wrong with a text is a question of `Text` first.
                let text = Text::read(value, at, findings)?;
                let read = Self::parse(text.as_str());
                if read.is_none() {
                    let shown: fn(&str) -> &str = $shown;
                    findings.wrong(at, &shown(text.as_str()).into(), $needed);
                }
                read
            }

            fn write(&self) -> Json {
                self.0.as_str().into()
            }

            fn schema() -> Json {
                Text::schema()
            }
        }
    };
}

string_shape!(
    NameTemplate,
    "a name in which {stem}, {file} and {parent} are filled in",
    |text| text
);
string_shape!(
    SignerReference,
    "file: and the path of a key",
    // Somebody may have put the key itself there, and no key is as short as a name.
    |text| if text.len() <= 24 { text } else { "not shown" }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_filled_in_once() {
        let parts = NameParts {
            stem: "{file}",
            file: "a.csv",
            parent: "raw",
        };
        let name = |text| NameTemplate::parse(text).map(|name| name.expand(parts));
        assert_eq!(name("dataset:{stem}").as_deref(), Some("dataset:{file}"));
        assert_eq!(name("{parent}/{file}").as_deref(), Some("raw/a.csv"));
        assert_eq!(name("fixed").as_deref(), Some("fixed"));
        for bad in [
            "{", "}", "{}", "{stem", "stem}", "{Stem}", "{{stem}}", " ", "}{",
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
