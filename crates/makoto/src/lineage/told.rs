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
        if self.has_room(check.id, check.outcome, check.path.is_empty()) {
            self.checks.push(check);
        }
    }

    /// Whether one more of a kind is listed. It is counted either way: who asks has one.
    pub(crate) fn has_room(
        &mut self,
        id: &'static str,
        outcome: Outcome,
        is_of_the_whole: bool,
    ) -> bool {
        let kind = (id, outcome.as_str(), is_of_the_whole);
        let count = self.of_a_kind.entry(kind).or_default();
        *count += 1;
        let has_room = *count <= MOST_OF_A_KIND;
        self.unlisted += usize::from(!has_room);
        has_room
    }

    /// Lists a check for which there is room.
    pub(crate) fn list(&mut self, check: Check) {
        self.checks.push(check);
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
