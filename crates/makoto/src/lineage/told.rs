//! What is told of a lineage: a bounded number of checks of each kind.

use std::collections::HashMap;

use crate::report::{Check, Outcome};

/// Findings of one kind that are listed one by one; the rest is counted. A kind is a requirement
/// and an outcome, so that who causes many of one kind hides none of another.
const MOST_OF_A_KIND: usize = 1_000;

/// Checks in the order in which they were told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    checks: Vec<Check>,
    of_a_kind: HashMap<(&'static str, &'static str, bool), usize>,
    unlisted: usize,
}

impl Told {
    pub(crate) fn push(&mut self, check: Check) {
        let kind = (check.id, check.outcome.as_str(), check.path.is_empty());
        let count = self.of_a_kind.entry(kind).or_default();
        *count += 1;
        match *count > MOST_OF_A_KIND {
            true => self.unlisted += 1,
            false => self.checks.push(check),
        }
    }

    /// The checks, with how many more there were filed under `id`.
    pub(crate) fn into_checks(mut self, id: &'static str) -> Vec<Check> {
        if self.unlisted > 0 {
            let message = format!("{} more findings are not listed", self.unlisted);
            self.checks.push(Check::new(id, Outcome::Warn, "", message));
        }
        self.checks
    }
}

impl From<Vec<Check>> for Told {
    fn from(checks: Vec<Check>) -> Self {
        let mut told = Self::default();
        checks.into_iter().for_each(|check| told.push(check));
        told
    }
}
