//! What stands in a policy, is right in itself, and is surely not meant.

use makoto::datetime::DateTime;
use makoto::json::Json;
use makoto::key_set::KeySet;
use makoto::limits::Limits;
use makoto::policy::{CertificateName, CertificateRule, Policy, Rule, SignerRule};
use makoto::problem::Problem;
use makoto::report::Level;
use makoto::toml::Document;

/// Key sets by the names that the policy gives them.
pub(crate) type KeySets = [(String, KeySet)];

/// Keys of a rule that are asked of signatures, which L1 does not need.
const NOT_ASKED_AT_L1: [&str; 4] = ["signers", "signer-threshold", "tsa-threshold", "strict"];

/// The doubts about the policy in `bytes`, in the order of its lines.
pub(crate) fn about(policy: &Policy, bytes: &[u8], sets: &KeySets) -> Vec<Problem> {
    let document = Document::parse(bytes, &Limits::DEFAULT).ok();
    let mut doubts = Vec::new();
    for (index, rule) in policy.rules().iter().enumerate() {
        let mut doubt = |line: usize, message: String| {
            let line = Some(line);
            doubts.push(Problem { line, message });
        };
        if rule.require() == Level::L3 {
            let message = "require is \"L3\", and this version verifies up to L2: nothing passes";
            doubt(rule.line(), message.to_owned());
        }
        for (line, key) in document.iter().flat_map(|all| not_asked(all, index, rule)) {
            let message = format!(
                "{key} is not asked at L1, unless another rule needs L2 of the same data: require \"L2\""
            );
            doubt(line, message);
        }
        for (signer, since) in taken_back(rule, sets) {
            let message = format!(
                "{signer} was taken back by its owner: nothing counts that it signed from {since} on"
            );
            doubt(rule.line(), message);
        }
        let earlier = &policy.rules()[..index];
        for other in earlier.iter().filter(|other| disagree(rule, other, sets)) {
            let message = format!(
                "a name that matches {:?} may match {:?} of line {} too, and they have no signer in common: all rules that match must hold",
                rule.name().as_str(),
                other.name().as_str(),
                other.line()
            );
            doubt(rule.line(), message);
        }
    }
    doubts
}

/// The keys in the section of a rule that is for L1, which nobody asks there, with their lines.
fn not_asked(document: &Document, index: usize, rule: &Rule) -> Vec<(usize, &'static str)> {
    let sections = document.value.get("dataset").and_then(Json::as_array);
    let section = sections.and_then(|all| all.get(index));
    let Some(section) = section.filter(|_| rule.require() == Level::L1) else {
        return Vec::new();
    };
    let is_said = |key: &&str| section.get(key).is_some_and(|said| *said != false.into());
    let said = NOT_ASKED_AT_L1.into_iter().filter(is_said);
    said.map(|key| (document.line_of(&format!("dataset[{index}].{key}")), key))
        .collect()
}

/// The keys that a rule names itself and that a key set lists as taken back, with the moment.
fn taken_back<'r>(rule: &'r Rule, sets: &'r KeySets) -> Vec<(&'r SignerRule, &'r DateTime)> {
    let since = |signer: &'r SignerRule| {
        let SignerRule::Key(key) = signer else {
            return None;
        };
        let mut listed = sets.iter().filter_map(|(_, set)| set.key(&key.id()));
        let since = listed.find_map(|published| published.compromised_since.as_ref());
        Some((signer, since?))
    };
    rule.signers().iter().filter_map(since).collect()
}

/// Whether a name may match both rules, and surely nobody may sign for both.
fn disagree(one: &Rule, other: &Rule, sets: &KeySets) -> bool {
    let signed = [one, other].iter().any(|rule| rule.require() >= Level::L2);
    // A rule that nobody may sign for is told by itself.
    let somebody = [one, other].iter().all(|rule| !rule.signers().is_empty());
    let may_be_same = |signer: &SignerRule| {
        let mut others = other.signers().iter();
        others.any(|other| may_be_one(signer, other, sets))
    };
    signed
        && somebody
        && one.name().overlaps(other.name())
        && !one.signers().iter().any(may_be_same)
}

/// Whether somebody may be whom both allow. True where it cannot be told.
fn may_be_one(one: &SignerRule, other: &SignerRule, sets: &KeySets) -> bool {
    let set = |name: &str| sets.iter().find(|(known, _)| known == name);
    match (one, other) {
        (SignerRule::Certificate(one), SignerRule::Certificate(other)) => {
            may_be_certified(one, other)
        }
        (SignerRule::Key(one), SignerRule::Key(other)) => one.id() == other.id(),
        (SignerRule::KeySet(one), SignerRule::KeySet(other)) => {
            one == other
                || match (set(one), set(other)) {
                    (Some((_, one)), Some((_, other))) => {
                        let mut keys = one.keys().iter();
                        keys.any(|published| other.key(published.key.id()).is_some())
                    }
                    _ => true,
                }
        }
        (SignerRule::Key(key), SignerRule::KeySet(name))
        | (SignerRule::KeySet(name), SignerRule::Key(key)) => {
            set(name).is_none_or(|(_, set)| set.key(&key.id()).is_some())
        }
        (SignerRule::Certificate(_), _) | (_, SignerRule::Certificate(_)) => false,
    }
}

fn may_be_certified(one: &CertificateRule, other: &CertificateRule) -> bool {
    let both = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let wild = |text: &str| text.contains('*');
    // A certificate may have names of several kinds.
    let names = match (one.name(), other.name()) {
        (CertificateName::Uri(one), CertificateName::Uri(other)) => {
            let (a, b) = (one.as_str(), other.as_str());
            a == b || one.matches(b) || other.matches(a) || (wild(a) && wild(b))
        }
        (CertificateName::Email(one), CertificateName::Email(other)) => {
            let (a, b) = (one.as_str(), other.as_str());
            a == b || one.matches(b) || other.matches(a)
        }
        (CertificateName::Dns(one), CertificateName::Dns(other)) => {
            let (a, b) = (one.as_str(), other.as_str());
            a == b || one.matches(b) || other.matches(a) || (wild(a) && wild(b))
        }
        _ => true,
    };
    names && both(one.authority(), other.authority()) && both(one.issuer(), other.issuer())
}
