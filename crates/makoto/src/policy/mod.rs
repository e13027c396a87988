//! Policies: who may sign which data, how old it may be, and what must be known of its history.
//!
//! A small TOML file that the consumer writes (FORMATS §5). What is not listed is not trusted. A
//! policy says what is needed; whether it is met, the verifier tells. Reads no file but the bytes
//! that it is given: trusted root, keys and key sets are named by path.

mod file;
mod pattern;
mod rule;
mod scalar;
mod signer;

pub use pattern::{DnsPattern, EmailPattern, NamePattern, PlacePattern, SourcePattern, UriPattern};
pub use rule::{CLOCK_SKEW, LineageRule, Rule};
pub use scalar::Seconds;
pub use signer::{
    Attributes, CertificateName, CertificateRule, KeyRule, Signer, SignerMismatch, SignerPart,
    SignerRule,
};

use crate::digest::Digest;
use crate::json::Json;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::report::Level;
use crate::shape::{At, Findings, Shape as _};
use crate::toml::Document;

use file::PolicyFile;

/// A policy that was read and is right in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    digest: Digest,
    trusted_root: Option<String>,
    trusted_keys: Option<String>,
    short_lived: Vec<String>,
    key_sets: Vec<KeySetReference>,
    rules: Vec<Rule>,
}

/// A key set that a policy names: a signed list of the keys of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetReference {
    /// Its file, relative to the policy.
    pub file: String,
    /// What signers call it.
    pub name: String,
    /// Id of the owner's key, whose bytes are among the trusted keys.
    pub key: Digest,
    /// The least version that is accepted.
    pub at_least: Option<u64>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines. A policy is never used in
    /// part: a key that is not known, or not evaluated by this version, is an error.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(bytes, limits).map_err(|error| vec![error.into()])?;
        let mut findings = Findings::at_level(Level::L2);
        let file = PolicyFile::read(document.value.clone(), &At::Top, &mut findings);
        let policy = file.map(|file| Self::of(file, bytes, &document, &mut findings));
        let problems = Problem::of(&findings.into_checks(), &document);
        match policy {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(problems),
        }
    }

    /// SHA-256 of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Path of the trusted root, relative to the policy.
    pub fn trusted_root(&self) -> Option<&str> {
        self.trusted_root.as_deref()
    }

    /// Path of the PEM file with the public keys that rules name by digest, relative to the
    /// policy. A key in it that no rule names decides nothing.
    pub fn trusted_keys(&self) -> Option<&str> {
        self.trusted_keys.as_deref()
    }

    /// Ids of the authorities whose certificates may stand for a time, where a rule says so.
    pub fn short_lived(&self) -> &[String] {
        &self.short_lived
    }

    /// Whether certificates of this authority may stand for a time, where a rule says so.
    pub fn is_short_lived(&self, authority: &str) -> bool {
        self.short_lived.iter().any(|one| one == authority)
    }

    /// The key sets.
    pub fn key_sets(&self) -> &[KeySetReference] {
        &self.key_sets
    }

    /// Every file that it names, relative to it.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let sets = self.key_sets.iter().map(|set| set.file.as_str());
        let others = [self.trusted_root(), self.trusted_keys()];
        others.into_iter().flatten().chain(sets)
    }

    /// All rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// JSON Schema of a policy, as JSON would write its TOML.
    pub(crate) fn schema() -> Json {
        PolicyFile::schema()
    }

    fn of(file: PolicyFile, bytes: &[u8], document: &Document, findings: &mut Findings) -> Self {
        let sections = file.dataset.iter().flatten().enumerate();
        let rules = sections.map(|(index, section)| {
            let at = At::Field(&At::Top, "dataset");
            let line = document.line_of(&at.item(index).to_string());
            Rule::of(section, &file, line)
        });
        let policy = Self {
            digest: Digest::of(bytes),
            trusted_root: file
                .trusted_root
                .as_ref()
                .map(|path| path.as_str().to_owned()),
            trusted_keys: file
                .trusted_keys
                .as_ref()
                .map(|path| path.as_str().to_owned()),
            short_lived: {
                let marked = file.short_lived.iter().flatten();
                marked.map(|id| id.as_str().to_owned()).collect()
            },
            key_sets: file.key_sets(),
            rules: rules.collect(),
        };
        policy.check(findings);
        policy
    }

    /// Rules between parts of the file.
    fn check(&self, findings: &mut Findings) {
        let sets = At::Field(&At::Top, "keysets");
        for (index, set) in self.key_sets.iter().enumerate() {
            if self.key_sets[..index]
                .iter()
                .any(|one| one.name == set.name)
            {
                let message = format!("{:?} is the name of an earlier key set", set.name);
                findings.contradiction(&sets.item(index).field("name"), message);
            }
        }
        let root = At::Field(&At::Top, "trusted-root");
        let keys = At::Field(&At::Top, "trusted-keys");
        let signers = || self.rules.iter().flat_map(Rule::signers);
        let names_authorities =
            signers().any(|signer| matches!(signer, SignerRule::Certificate(_)));
        let needs_time = self.rules.iter().any(|rule| rule.require() >= Level::L2);
        if self.trusted_root.is_none() && (names_authorities || needs_time) {
            let message = "is missing, needed the file with the certificate and timestamp \
                           authorities; `makoto trust init` writes one";
            findings.contradiction(&root, message);
        }
        let names_keys = signers().any(|signer| matches!(signer, SignerRule::Key(_)));
        if self.trusted_keys.is_none() && (names_keys || !self.key_sets.is_empty()) {
            let message =
                "is missing, needed the PEM file with the public keys that are named here";
            findings.contradiction(&keys, message);
        }
        let datasets = At::Field(&At::Top, "dataset");
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(&self.key_sets, &datasets.item(index), findings);
        }
    }
}
