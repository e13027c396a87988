//! What a policy needs of the data of some names.

use super::KeySetReference;
use super::file::{DatasetEntry, PolicyFile};
use super::pattern::{NamePattern, PlacePattern, SourcePattern};
use super::scalar::{Count, Host, Seconds};
use super::signer::SignerRule;
use crate::report::Level;
use crate::scalar::closed_vocabulary;
use crate::shape::{At, Findings};

closed_vocabulary! {
    /// What is needed of the history of data.
    pub enum LineageRule {
        /// Nothing: the data reaches L1 at most.
        None = "none",
        /// Its direct inputs: fetched, verified, equal.
        Direct = "direct",
        /// All of it, back to the origins.
        Full = "full",
    }
}

/// One `[[dataset]]` of a policy, with the defaults of the file filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    name: NamePattern,
    paths: Vec<PlacePattern>,
    require: Level,
    lineage: LineageRule,
    depth: Option<usize>,
    signers: Option<Vec<SignerRule>>,
    signer_threshold: usize,
    sources: Option<Vec<SourcePattern>>,
    max_age: Option<Seconds>,
    clock_skew: Seconds,
    max_signing_delay: Seconds,
    tsa_threshold: usize,
    certificate_time: bool,
    strict: bool,
    ref_hosts: Vec<String>,
    line: usize,
}

/// How far clocks may differ where a policy says nothing of it. Clocks of servers that are set by
/// the network agree far better.
pub const CLOCK_SKEW: Seconds = Seconds::new(5 * 60);

/// A nightly pipeline signs what was collected during the day.
const MAX_SIGNING_DELAY: Seconds = Seconds::new(24 * 3_600);

impl Rule {
    /// The datasets that it is for.
    pub fn name(&self) -> &NamePattern {
        &self.name
    }

    /// Where such data is.
    pub fn paths(&self) -> &[PlacePattern] {
        &self.paths
    }

    /// Whether it is for data at this path relative to the policy, or at this URL.
    pub fn is_at(&self, place: &str) -> bool {
        self.paths.iter().any(|pattern| pattern.matches(place))
    }

    /// The level that the data must reach.
    pub fn require(&self) -> Level {
        self.require
    }

    /// What is needed of the history.
    pub fn lineage(&self) -> LineageRule {
        self.lineage
    }

    /// How many steps back a full history goes; `None` for all.
    pub fn depth(&self) -> Option<usize> {
        self.depth
    }

    /// Who may sign. Nobody else may; with none, nothing signed by anybody passes.
    pub fn signers(&self) -> &[SignerRule] {
        self.signers.as_deref().unwrap_or_default()
    }

    /// Whether it says who may sign, if only that nobody may. A rule for L1 need not: then it asks for
    /// nobody's signature.
    pub fn says_who_signs(&self) -> bool {
        self.signers.is_some()
    }

    /// How many distinct signers are needed.
    pub fn signer_threshold(&self) -> usize {
        self.signer_threshold
    }

    /// The sources that origins may name; `None` for any.
    pub fn sources(&self) -> Option<&[SourcePattern]> {
        self.sources.as_deref()
    }

    /// How old data may be; `None` for any age.
    pub fn max_age(&self) -> Option<Seconds> {
        self.max_age
    }

    /// How far a claimed time may lie after the timestamp.
    pub fn clock_skew(&self) -> Seconds {
        self.clock_skew
    }

    /// How far the timestamp may lie after the claimed time.
    pub fn max_signing_delay(&self) -> Seconds {
        self.max_signing_delay
    }

    /// How many distinct operators of timestamp authorities are needed.
    pub fn tsa_threshold(&self) -> usize {
        self.tsa_threshold
    }

    /// Whether the validity of a certificate of at most 15 minutes counts as time.
    pub fn certificate_time(&self) -> bool {
        self.certificate_time
    }

    /// Whether findings fail.
    pub fn strict(&self) -> bool {
        self.strict
    }

    /// Hosts, `name` or `name:port` where the port is not 443, to which references of inputs are
    /// followed.
    pub fn ref_hosts(&self) -> &[String] {
        &self.ref_hosts
    }

    /// Its line in the policy, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    pub(super) fn of(entry: &DatasetEntry, file: &PolicyFile, line: usize) -> Self {
        let require = Level::from(entry.require);
        let otherwise = match require {
            Level::L1 => LineageRule::None,
            Level::L2 | Level::L3 => LineageRule::Full,
        };
        let count = |own: Option<Count>, default: Option<Count>| {
            own.or(default).map_or(1, |count| count.0 as usize)
        };
        let hosts = entry.ref_hosts.as_ref().or(file.ref_hosts.as_ref());
        Self {
            name: entry.name.clone(),
            paths: entry.paths.clone().unwrap_or_default(),
            require,
            lineage: entry.lineage.unwrap_or(otherwise),
            depth: entry.depth.map(|depth| depth.0 as usize),
            signers: entry
                .signers
                .as_ref()
                .map(|all| all.iter().filter_map(SignerRule::of).collect()),
            signer_threshold: count(entry.signer_threshold, file.signer_threshold),
            sources: entry.sources.as_ref().map(|all| all.as_slice().to_vec()),
            max_age: entry.max_age.or(file.max_age),
            clock_skew: entry.clock_skew.or(file.clock_skew).unwrap_or(CLOCK_SKEW),
            max_signing_delay: entry
                .max_signing_delay
                .or(file.max_signing_delay)
                .unwrap_or(MAX_SIGNING_DELAY),
            tsa_threshold: count(entry.tsa_threshold, file.tsa_threshold),
            certificate_time: entry
                .certificate_time
                .or(file.certificate_time)
                .unwrap_or_default(),
            strict: entry.strict.or(file.strict).unwrap_or_default(),
            ref_hosts: hosts
                .into_iter()
                .flatten()
                .map(|Host(host)| host.clone())
                .collect(),
            line,
        }
    }

    /// Adds what contradicts itself, or could never be met.
    pub(super) fn check(&self, sets: &[KeySetReference], at: &At<'_>, findings: &mut Findings) {
        let require = self.require;
        if require >= Level::L2 && self.lineage == LineageRule::None {
            let message =
                format!("is \"none\", which gives at most L1, and require is \"{require}\"");
            findings.contradiction(&at.field("lineage"), message);
        }
        if require == Level::L1 && self.lineage != LineageRule::None && !self.says_who_signs() {
            let message =
                "needs signers: what nobody signed is a word, and so is what it says of its inputs";
            findings.contradiction(&at.field("lineage"), message);
        }
        if self.depth.is_some() && self.lineage != LineageRule::Full {
            let message = "is for lineage = \"full\" only";
            findings.contradiction(&at.field("depth"), message);
        }
        let place = at.field("signers");
        let mut keys = Vec::new();
        for (index, signer) in self.signers().iter().enumerate() {
            match signer {
                SignerRule::KeySet(name) if !sets.iter().any(|set| set.name == *name) => {
                    let message = format!("{name:?} is the name of no key set in [[keysets]]");
                    findings.contradiction(&place.item(index).field("keyset"), message);
                }
                SignerRule::Key(rule) if !keys.contains(&rule.id()) => keys.push(rule.id()),
                _ => {}
            }
        }
        let only_keys = self
            .signers()
            .iter()
            .all(|one| matches!(one, SignerRule::Key(_)));
        if only_keys && !keys.is_empty() && keys.len() < self.signer_threshold {
            let (needed, found) = (self.signer_threshold, keys.len());
            let message = format!("has {found} distinct keys, and signer-threshold is {needed}");
            findings.contradiction(&place, message);
        }
    }
}
