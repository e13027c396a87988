//! What is wrong with a file that people write, such as `makoto.toml` or a policy.

use crate::json::{Json, Object};
use crate::report::Check;
use crate::shape::{At, Findings, Shape};
use crate::toml::{Document, TomlError};

/// Something in the file that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its line, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// The key, and what is wrong. Never a secret.
    pub message: String,
}

impl Problem {
    /// Findings about `document` as problems, in the order of their lines.
    pub(crate) fn of(checks: &[Check], document: &Document) -> Vec<Self> {
        let problem = |check: &Check| Self {
            line: (!check.path.is_empty()).then(|| document.line_of(&check.path)),
            message: format!("{} {}", check.path, check.message)
                .trim()
                .to_owned(),
        };
        let mut problems: Vec<_> = checks.iter().map(problem).collect();
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        problems
    }
}

impl From<TomlError> for Problem {
    fn from(error: TomlError) -> Self {
        let (line, message) = (error.line, error.fault.to_string());
        Self { line, message }
    }
}

/// Adds a finding for each key that no row of the table of `T` names: a key that nobody reads is
/// one that somebody believes in. `why` says more of a key, instead of the nearest that exists.
pub(crate) fn refuse_unknown<T: Shape>(
    unknown: &Object,
    at: &At<'_>,
    findings: &mut Findings,
    why: impl Fn(&str) -> Option<&'static str>,
) {
    const FARTHEST: usize = 2;
    const LONGEST: usize = 40;
    if unknown.is_empty() {
        return;
    }
    let schema = T::schema();
    let known = schema.get("properties").and_then(Json::as_object);
    for key in unknown.keys() {
        let distance = |known: &&String| strsim::osa_distance(key, known);
        let nearest = known
            .filter(|_| key.len() <= LONGEST)
            .and_then(|known| known.keys().min_by_key(distance))
            .filter(|known| distance(known) <= FARTHEST);
        let message = match (why(key), nearest) {
            (Some(why), _) => why.to_owned(),
            (None, Some(known)) => {
                format!("is not a key of this file; did you mean {known:?}?")
            }
            (None, None) => "is not a key of this file".to_owned(),
        };
        findings.contradiction(&at.field(key), message);
    }
}
