//! Which rules of a policy apply to a dataset. A name in a document is a claim (FORMATS §5).

use crate::policy::{LineageRule, Policy, Rule, SignerRule};
use crate::report::{Check, Level, Outcome};

/// How the name of a dataset is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// The caller asked for this name.
    AskedFor(&'a str),
    /// The caller found the data here: at paths relative to the policy, or at a URL.
    At(&'a [String]),
    /// Only its own statement says so.
    Claimed,
    /// A verified statement reads it as an input, by this name.
    InputOf(&'a str),
}

/// The rules that must hold, every one of them.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a>(Vec<&'a Rule>);

impl<'a> Scope<'a> {
    /// The rules for a dataset whose statement calls it `claimed`.
    pub(super) fn of(policy: &'a Policy, named: Named<'_>, claimed: &str) -> Result<Self, Check> {
        let claims = |rule: &&Rule| rule.name().matches(claimed);
        let is_at = |rule: &&Rule, places: &[String]| places.iter().any(|place| rule.is_at(place));
        let all = policy.rules().iter();
        // Of whatever is here by its own word alone, every rule must hold: whoever writes the
        // data chooses the name, and would choose the laxest rule (attack 87).
        if let Named::Claimed | Named::InputOf(_) = named
            && !all.clone().any(|rule| claims(&rule))
        {
            return Err(no_rule(policy, claimed));
        }
        let rules: Vec<_> = match named {
            Named::AskedFor(name) => all.filter(|rule| rule.name().matches(name)).collect(),
            Named::InputOf(name) => all
                .filter(|rule| claims(rule) || rule.name().matches(name))
                .collect(),
            Named::At(places) if !all.clone().any(|rule| is_at(&rule, places)) => {
                return Self::of(policy, Named::Claimed, claimed);
            }
            Named::At(places) => {
                let mut by_path = all.clone().filter(|rule| is_at(rule, places));
                if let Some(other) = by_path.find(|rule| !claims(rule)) {
                    let message = format!(
                        "is {claimed:?}, but data at {:?} must be called {:?} (line {} of the \
                         policy)",
                        places.join(" and "),
                        other.name().as_str(),
                        other.line()
                    );
                    let check = Check::new("L2.V.4", Outcome::Fail, "subject.name", message);
                    return Err(check.compared(claimed, other.name().as_str()));
                }
                all.filter(|rule| is_at(rule, places) || claims(rule))
                    .collect()
            }
            Named::Claimed => all.collect(),
        };
        let asked = match named {
            Named::AskedFor(name) => name,
            Named::InputOf(_) | Named::At(_) | Named::Claimed => claimed,
        };
        match rules.is_empty() {
            true => Err(no_rule(policy, asked)),
            false => Ok(Self(rules)),
        }
    }

    pub(super) fn rules(&self) -> &[&'a Rule] {
        &self.0
    }

    /// Who may sign for a rule. One for L1 that does not say leaves that to the others, and holds them
    /// to everything else that it asks.
    pub(super) fn signers_of(&self, rule: &'a Rule) -> Vec<&'a SignerRule> {
        match rule.says_who_signs() {
            true => rule.signers().iter().collect(),
            false => self.0.iter().flat_map(|rule| rule.signers()).collect(),
        }
    }

    /// What they ask for together: the most of each.
    pub(super) fn facts(&self) -> ScopeFacts {
        let rules = self.0.iter();
        let levels = rules.clone().map(|rule| rule.require());
        let reaches = rules.clone().map(|rule| rule.lineage());
        let full = rules
            .clone()
            .filter(|rule| rule.lineage() == LineageRule::Full);
        let mut depths = full.map(|rule| rule.depth());
        ScopeFacts {
            require: levels.max().unwrap_or(Level::L2),
            // The words stand in the order of how far they go.
            lineage: reaches
                .max_by_key(|reach| *reach as u8)
                .unwrap_or(LineageRule::Full),
            depth: depths.try_fold(0, |deepest, depth| Some(deepest.max(depth?))),
            strict: rules.clone().any(|rule| rule.strict()),
            ref_hosts: {
                let mut rules = rules;
                let mut hosts = rules
                    .next()
                    .map_or(Vec::new(), |rule| rule.ref_hosts().to_vec());
                hosts.retain(|host| rules.clone().all(|rule| rule.ref_hosts().contains(host)));
                hosts
            },
        }
    }
}

/// What the rules for a dataset ask for together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeFacts {
    /// The highest level that one of them requires.
    pub require: Level,
    /// The furthest walk that one of them asks for.
    pub lineage: LineageRule,
    /// How many steps back a full one goes; `None` for all of them.
    pub depth: Option<usize>,
    /// Whether findings are failures for one of them.
    pub strict: bool,
    /// Hosts to which all of them let references of inputs be followed.
    pub ref_hosts: Vec<String>,
}

/// Nothing listed is nothing trusted; says which rule comes nearest.
fn no_rule(policy: &Policy, name: &str) -> Check {
    // A name may be as long as a document, and comparing takes the product of both lengths.
    const COMPARED: usize = 200;
    let start: String = name.chars().take(COMPARED).collect();
    let patterns = policy.rules().iter().map(|rule| rule.name().as_str());
    let nearest = patterns.min_by_key(|pattern| strsim::osa_distance(&start, pattern));
    let nearest = nearest.map_or(String::new(), |nearest| {
        format!("; the nearest rule is for {nearest:?}")
    });
    let message = format!("no rule of the policy is for {name:?}{nearest}");
    Check::new("L2.V.4", Outcome::Fail, "subject.name", message)
}
