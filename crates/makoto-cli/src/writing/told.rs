//! What is said of a statement that was written.

use makoto::json::Json;
use makoto::secret::Masked;
use makoto_data::Outcome;

use super::Put;
use crate::defaults::Value;
use crate::draft::Finished;
use crate::screen::{self, Plain};

/// Tells that a secret was masked.
pub(crate) fn tell_masked(one: &Masked) {
    screen::note(masked(one));
}

/// That a secret was masked.
pub(super) fn masked(masked: &Masked) -> String {
    format!(
        "masked: {} ({}); the value is not in the statement",
        Plain(&masked.path),
        Plain(&masked.why)
    )
}

/// What a configuration file said, if anything.
pub(super) fn from_file(finished: &Finished) -> Option<String> {
    let place = finished.from_file.first().and_then(Value::place)?;
    let keys = keys(&finished.from_file).join(", ");
    Some(format!("note: from {}: {keys}", Plain(&place.file)))
}

/// What could have been said, if anything.
pub(super) fn not_given(finished: &Finished) -> Option<String> {
    // What the data does not have, such as records, nobody can give.
    let can_be_given = |path: &&str| path.starts_with("predicate.");
    let paths = finished.warnings.iter().map(|check| check.path.as_str());
    let paths: Vec<_> = paths.filter(can_be_given).collect();
    (!paths.is_empty()).then(|| {
        let paths = paths.join(", ");
        format!("note: recommended and not given: {}", Plain(&paths))
    })
}

/// What was written, for a program.
pub(crate) fn told_as_json(finished: &Finished, put: &Put) -> Json {
    let written = put.sidecars.iter().map(|(path, written)| {
        Json::from([
            ("path", path.to_string_lossy().into_owned().into()),
            ("outcome", word(written.outcome).into()),
            ("attestation", format!("sha256:{}", written.id).into()),
        ])
    });
    let stored = put.stores.iter().map(|one| {
        Json::from([
            ("store", one.root.to_string_lossy().into_owned().into()),
            ("path", one.path.to_string_lossy().into_owned().into()),
            ("outcome", one.word().into()),
            ("attestation", format!("sha256:{}", one.stored.id).into()),
        ])
    });
    let masked = finished.masked.iter().map(|masked| {
        Json::from([
            ("path", masked.path.as_str().into()),
            ("why", masked.why.as_str().into()),
        ])
    });
    let warnings = finished.warnings.iter().map(|check| {
        Json::from([
            ("id", check.id.into()),
            ("path", check.path.as_str().into()),
            ("message", check.message.as_str().into()),
        ])
    });
    let subject = finished.statement.get("subject");
    let config = finished.from_file.iter().filter_map(|value| {
        let place = value.place()?;
        Some(Json::from([
            ("key", value.key.into()),
            ("file", place.file.as_str().into()),
            ("line", place.line.into()),
            ("section", place.section.as_str().into()),
        ]))
    });
    Json::from([
        ("config", config.collect()),
        ("subject", subject.cloned().into()),
        ("written", written.chain(stored).collect()),
        ("masked", masked.collect()),
        ("warnings", warnings.collect()),
    ])
}

/// The keys of these values, each once.
fn keys(values: &[Value]) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for value in values {
        if !keys.contains(&value.key) {
            keys.push(value.key);
        }
    }
    keys
}

pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
        Outcome::Appended => "appended",
    }
}
