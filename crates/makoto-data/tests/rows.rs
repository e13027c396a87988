//! Runs the one-case files of `testkit/rows`: tables, and what their rows are.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::merkle::{leaf_hash, root_of};
use makoto::record::{Format, RecordError, Records, Settings};
use makoto_data::digest_file;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testkit/rows")
}

fn cases() -> Vec<Json> {
    let entries = std::fs::read_dir(folder()).expect("testkit/rows");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let cases: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let bytes = std::fs::read(&path).expect("a readable case");
            Json::parse(&bytes, &Limits::DEFAULT).expect("a case in JSON")
        })
        .collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    cases
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn data(case: &Json) -> Vec<u8> {
    STANDARD.decode(text(case, "data_base64")).expect("base64")
}

fn format(case: &Json) -> Format {
    match text(case, "format") {
        "parquet" => Format::Parquet,
        "arrow" => Format::Arrow,
        other => panic!("unknown format {other:?}"),
    }
}

fn count(data: &[u8], format: Format) -> Result<Records, RecordError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("table");
    std::fs::write(&path, data).expect("a temporary file");
    let settings = Settings::for_format(format);
    let found = digest_file(&path, Some(&settings), &|_| {}, None).expect("readable");
    assert_eq!(
        found.sha256,
        Digest::of(data),
        "the bytes are hashed whatever they hold"
    );
    found.records.expect("rows were asked for")
}

/// What is wrong with the answer to a case, if anything.
fn divergence(case: &Json) -> Option<String> {
    let found = count(&data(case), format(case));
    if case.get("error").is_some() {
        let needed = text(case, "error_contains");
        return match found {
            Err(error) if error.to_string().contains(needed) => None,
            other => Some(format!("needed an error with {needed:?}, found {other:?}")),
        };
    }
    let rows = case.get("rows").and_then(Json::as_array).expect("rows");
    let leaves: Vec<_> = rows
        .iter()
        .map(|row| leaf_hash(row.as_str().expect("text").as_bytes()))
        .collect();
    assert_eq!(root_of(&leaves).to_string(), text(case, "merkleRoot"));
    let found = match found {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    let schema = found.schema_digest.map(|digest| digest.to_string());
    let facts = [
        ("recordCount", found.count.to_string()),
        ("merkleRoot", found.root.to_string()),
        ("schemaDigest", schema.unwrap_or_default()),
    ];
    facts.into_iter().find_map(|(key, found)| {
        let needed = text(case, key);
        (found != needed).then(|| format!("{key} is {found}, needed {needed}"))
    })
}

#[test]
fn every_case_has_its_rows_or_its_error() {
    let known = [
        "id",
        "about",
        "format",
        "data_base64",
        "rows",
        "recordCount",
        "merkleRoot",
        "schema",
        "schemaDigest",
        "error",
        "error_contains",
    ];
    let mut wrong = Vec::new();
    for case in cases() {
        let members = case.as_object().expect("an object");
        let unknown = members.keys().find(|key| !known.contains(&key.as_ref()));
        assert_eq!(unknown, None, "{}", text(&case, "id"));
        if let Some(why) = divergence(&case) {
            wrong.push(format!("{}: {why}", text(&case, "id")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
