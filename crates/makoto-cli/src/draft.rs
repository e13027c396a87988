//! A statement in the making.

use makoto::canonical::to_canonical;
use makoto::json::{Json, Object};
use makoto::predicate::PredicateType;
use makoto::report::{Check, Level, Outcome};
use makoto::secret::{Masked, Masker};
use makoto::statement::{STATEMENT_TYPE, Statement};

use crate::defaults::Value;
use crate::failure::Failure;
use crate::screen;

/// A predicate that is being filled in.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    members: Object,
    /// What a configuration file said, by the path of the statement where it stands.
    from_file: Vec<(String, Value)>,
}

impl Draft {
    /// Sets the member at a dotted path, making the objects on the way. `None` sets nothing.
    pub(crate) fn set(&mut self, path: &str, value: Option<impl Into<Json>>) {
        let Some(value) = value else {
            return;
        };
        let mut members = &mut self.members;
        let mut rest = path;
        while let Some((key, below)) = rest.split_once('.') {
            if members.get(key).is_none() {
                members.insert(key, Json::Object(Object::new()));
            }
            match members.get_mut(key) {
                Some(Json::Object(inner)) => members = inner,
                _ => return,
            }
            rest = below;
        }
        members.insert(rest, value.into());
    }

    /// As [`Draft::set`], for a value that knows where it comes from.
    pub(crate) fn set_value(&mut self, path: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.set(path, Some(value.text.as_str()));
            self.came_from(format!("predicate.{path}"), value);
        }
    }

    /// Keeps in mind where the value at this path of the statement comes from.
    pub(crate) fn came_from(&mut self, path: String, value: Value) {
        if value.place().is_some() {
            self.from_file.push((path, value));
        }
    }

    /// Whether the member at a dotted path is set.
    pub(crate) fn has(&self, path: &str) -> bool {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let start = self.members.get(first);
        let mut rest = rest.split('.').filter(|key| !key.is_empty());
        start.is_some_and(|start| rest.try_fold(start, |value, key| value.get(key)).is_some())
    }

    /// Finishes the statement: masks secrets, writes it canonically, and reads it back by the
    /// rules that everyone else will read it by.
    pub(crate) fn finish(
        self,
        kind: PredicateType,
        subjects: Vec<Json>,
        mut masker: Masker,
    ) -> Result<Finished, Failure> {
        let mut predicate = Json::Object(self.members);
        masker.mask_document(&mut predicate, "predicate");
        mask_known_values(&mut predicate, &masker);
        let statement = Json::from([
            ("_type", STATEMENT_TYPE.into()),
            ("subject", subjects.into_iter().collect()),
            ("predicateType", kind.url().into()),
            ("predicate", predicate),
        ]);
        let bytes = to_canonical(&statement)
            .map_err(|error| Failure::usage(format!("the statement cannot be written: {error}")))?;
        let (_, checks) = Statement::read(statement.clone(), Level::L1);
        let (failed, warnings): (Vec<_>, Vec<_>) = checks
            .into_iter()
            .partition(|check| check.outcome == Outcome::Fail);
        if !failed.is_empty() {
            let told: Vec<_> = failed
                .iter()
                .map(|check| told(check, &self.from_file))
                .collect();
            let message = format!("the statement would not be valid: {}", told.join("; "));
            return Err(
                Failure::usage(message).hint("nothing was written; give the value named above")
            );
        }
        Ok(Finished {
            bytes,
            statement,
            warnings,
            masked: masker.masked().to_vec(),
            from_file: self.from_file.into_iter().map(|(_, value)| value).collect(),
        })
    }
}

/// A finding in one line, with the place of the value when a file said it.
fn told(check: &Check, from_file: &[(String, Value)]) -> String {
    let at_or_below = |path: &String| {
        let below = check.path.strip_prefix(path.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
    };
    let value = from_file.iter().find(|(path, _)| at_or_below(path));
    match value.and_then(|(_, value)| value.place()) {
        Some(place) => format!("{} (from {place})", screen::told(check)),
        None => screen::told(check),
    }
}

/// Masks known secrets where a producer writes free text. Names, digests, references and types
/// are left alone: a secret that happens to equal a part of one must not break the statement.
fn mask_known_values(predicate: &mut Json, masker: &Masker) {
    const FREE_TEXT: [&[&str]; 3] = [
        &["origin", "source"],
        &["transform", "parameters"],
        &["transform", "description"],
    ];
    for path in FREE_TEXT {
        let member = path
            .iter()
            .try_fold(&mut *predicate, |value, key| match value {
                Json::Object(members) => members.get_mut(key),
                _ => None,
            });
        if let Some(member) = member {
            masker.mask_known_values(member);
        }
    }
}

/// A statement that is ready to be written.
#[derive(Debug)]
pub(crate) struct Finished {
    /// One RFC 8785 line.
    pub(crate) bytes: Vec<u8>,
    /// The same as JSON.
    pub(crate) statement: Json,
    /// What a reader will be warned of.
    pub(crate) warnings: Vec<Check>,
    /// Secrets that were masked.
    pub(crate) masked: Vec<Masked>,
    /// Values that a configuration file said.
    pub(crate) from_file: Vec<Value>,
}
