//! Which rules of a policy apply to a dataset. A name in a document is a claim (FORMATS §5).

use crate::policy::{LineageRule, Policy, Rule};
use crate::report::{Check, Level, Outcome};

/// How the name of a dataset is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// The caller asked for this name.
    AskedFor(&'a str),
    /// The caller found the data here: a path relative to the policy, or a URL.
    At(&'a str),
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
        let for_claim = policy.rules_named(claimed);
        let rules = match named {
            Named::AskedFor(name) => policy.rules_named(name),
            Named::InputOf(name) => {
                let mut rules = for_claim.clone();
                if rules.is_empty() {
                    return Err(no_rule(policy, claimed));
                }
                rules.extend(policy.rules_named(name));
                rules
            }
            Named::At(path) => {
                let by_path = policy.rules_at(path);
                if let Some(other) = by_path.iter().find(|rule| !rule.name().matches(claimed)) {
                    let message = format!(
                        "is {claimed:?}, but data at {path:?} must be called {:?} (line {} of the \
                         policy)",
                        other.name().as_str(),
                        other.line()
                    );
                    let check = Check::new("L2.V.4", Outcome::Fail, "subject.name", message);
                    return Err(check.compared(claimed, other.name().as_str()));
                }
                match by_path.is_empty() {
                    true => return Self::of(policy, Named::Claimed, claimed),
                    false => [by_path, for_claim].concat(),
                }
            }
            // Whoever writes the data chooses the name, and would choose the laxest rule
            // (attack 87).
            Named::Claimed if for_claim.is_empty() => return Err(no_rule(policy, claimed)),
            Named::Claimed => policy.rules().iter().collect(),
        };
        let asked = match named {
            Named::AskedFor(name) | Named::InputOf(name) => name,
            Named::At(_) | Named::Claimed => claimed,
        };
        let mut scope = Self(rules);
        scope.0.sort_by_key(|rule| rule.line());
        scope.0.dedup_by_key(|rule| rule.line());
        match scope.0.is_empty() {
            true => Err(no_rule(policy, asked)),
            false => Ok(scope),
        }
    }

    pub(super) fn rules(&self) -> &[&'a Rule] {
        &self.0
    }

    /// What they ask for together: the most of each.
    pub(super) fn facts(&self) -> ScopeFacts {
        let rules = self.0.iter();
        let levels = rules.clone().map(|rule| rule.require());
        let reaches = rules.clone().map(|rule| rule.lineage());
        ScopeFacts {
            require: levels.max().unwrap_or(Level::L2),
            // The words stand in the order of how far they go.
            lineage: reaches
                .max_by_key(|reach| *reach as u8)
                .unwrap_or(LineageRule::Full),
            strict: rules.clone().any(|rule| rule.strict()),
        }
    }
}

/// What the rules for a dataset ask for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeFacts {
    /// The highest level that one of them requires.
    pub require: Level,
    /// The furthest walk that one of them asks for.
    pub lineage: LineageRule,
    /// Whether findings are failures for one of them.
    pub strict: bool,
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
