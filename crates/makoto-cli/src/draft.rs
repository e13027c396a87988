//! A statement in the making.

use makoto::canonical::to_canonical;
use makoto::json::{Json, Object};
use makoto::predicate::PredicateType;
use makoto::report::{Check, Level, Outcome};
use makoto::secret::{Masked, Masker};
use makoto::statement::{STATEMENT_TYPE, Statement};

use crate::failure::Failure;
use crate::screen;

/// A predicate that is being filled in.
#[derive(Debug, Default)]
pub(crate) struct Draft(Object);

impl Draft {
    /// Sets the member at a dotted path, making the objects on the way. `None` sets nothing.
    pub(crate) fn set(&mut self, path: &str, value: Option<impl Into<Json>>) {
        let Some(value) = value else {
            return;
        };
        let mut members = &mut self.0;
        let mut rest = path;
        while let Some((key, below)) = rest.split_once('.') {
            let member = members
                .entry(key.to_owned())
                .or_insert_with(|| Json::Object(Object::new()));
            match member {
                Json::Object(inner) => members = inner,
                _ => return,
            }
            rest = below;
        }
        members.insert(rest.to_owned(), value.into());
    }

    /// Finishes the statement: masks secrets, writes it canonically, and reads it back by the
    /// rules that everyone else will read it by.
    pub(crate) fn finish(
        self,
        kind: PredicateType,
        subjects: Vec<Json>,
        mut masker: Masker,
    ) -> Result<Finished, Failure> {
        let mut predicate = Json::Object(self.0);
        masker.mask_document(&mut predicate, "predicate");
        masker.mask_known_values(&mut predicate);
        let statement = Json::from([
            ("_type", STATEMENT_TYPE.into()),
            ("subject", subjects.into_iter().collect()),
            ("predicateType", kind.url().into()),
            ("predicate", predicate),
        ]);
        let bytes = to_canonical(&statement)
            .map_err(|error| Failure::usage(format!("the statement cannot be written: {error}")))?;
        let (_, checks) = Statement::read(&statement, Level::L1);
        let (failed, warnings): (Vec<_>, Vec<_>) = checks
            .into_iter()
            .partition(|check| check.outcome == Outcome::Fail);
        if !failed.is_empty() {
            let told: Vec<_> = failed.iter().map(screen::told).collect();
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
        })
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
}
