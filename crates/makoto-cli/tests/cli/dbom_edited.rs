//! Bills that were edited by hand, field by field.

use makoto::json::Json;

use crate::dbom::{billed, verify};
use crate::document::{checks, fails, has_check, object, passes, text, with};
use crate::history::{json, sha, unknown};

/// Every path to a value that is neither an object nor a list.
fn leaves(value: &Json, path: &str, found: &mut Vec<String>) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        _ => format!("{path}\u{1f}{key}"),
    };
    match value {
        Json::Object(members) => {
            for (key, value) in members.iter() {
                leaves(value, &below(key), found);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &below(&index.to_string()), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Whether a text is a date and a time, whatever the time of day.
fn is_time(text: &str) -> bool {
    makoto::datetime::DateTime::parse(text).is_ok()
}

fn change(value: &mut Json, path: &[&str]) {
    match (value, path) {
        (Json::Object(members), [key, rest @ ..]) => {
            change(members.get_mut(key).expect("the key is there"), rest);
        }
        (Json::Array(items), [index, rest @ ..]) => {
            let index: usize = index.parse().expect("an index");
            change(&mut items[index], rest);
        }
        (leaf, _) => {
            *leaf = match &*leaf {
                Json::String(text) if text == "L1" => "L2".into(),
                Json::String(text) if is_time(text) => "2020-01-01T00:00:00Z".into(),
                Json::String(text) if text.starts_with("https://") => format!("{text}/x").into(),
                Json::String(text) if text.len() == 64 => sha("forged").into(),
                Json::String(text) if text == "10" => "11".into(),
                Json::String(text) if text == "declared" => "signed".into(),
                Json::String(text) if text == "recomputed" => "signed".into(),
                Json::String(text) => format!("{text}0").into(),
                // An order that stands twice.
                Json::Number(number) if number.to_f64() == 2.0 => 1.into(),
                Json::Number(number) => ((number.to_f64() as u64) + 1).into(),
                other => panic!("{other}"),
            };
        }
    }
}

#[test]
fn no_field_can_be_changed_by_hand_but_the_documents_own() {
    let (sandbox, bill) = billed();
    let own = [
        "compliance.levelJustification",
        "dataset.version",
        "dataset.description",
        "dataset.creator.",
        "verification.",
        "metadata.created",
        "metadata.validUntil",
    ];
    let bill = with(&bill, "", "verification", None);
    let mut paths = Vec::new();
    leaves(&bill, "", &mut paths);
    assert!(paths.len() > 60, "{paths:?}");
    let mut changed_own = 0;
    for path in paths {
        let segments: Vec<_> = path.split('\u{1f}').collect();
        let mut changed = bill.clone();
        change(&mut changed, &segments);
        assert_ne!(changed, bill);
        let (status, told) = verify(&sandbox, &changed);
        let path = segments.join(".");
        if own.iter().any(|own| path.starts_with(own)) {
            changed_own += 1;
            assert_eq!(status, 0, "{path}: {told}");
            let noted = !checks(&told, "skip").is_empty() || path.starts_with("metadata");
            assert!(noted, "{path}: {told}");
        } else if path.starts_with("metadata.generator") {
            // Another program may draw in another way; this one's drawing stands there.
            assert_eq!(status, 0, "{path}: {told}");
        } else {
            assert_eq!(
                (status, text(&told, "verdict")),
                (1, "fail"),
                "{path}: {told}"
            );
        }
    }
    assert_eq!(changed_own, 7);
    passes(&verify(&sandbox, &bill));
}

#[test]
fn what_is_added_or_taken_away_is_told() {
    let (sandbox, bill) = billed();
    for (path, key) in [
        ("sources.0", "license"),
        ("sources.0", "geography"),
        ("sources.0", "consent"),
        ("sources.0", "contribution"),
        ("compliance", "licences"),
    ] {
        let (status, told) = verify(&sandbox, &with(&bill, path, key, None));
        assert_eq!(status, 0, "{told}");
        assert!(
            has_check(&told, "warn", &["DBOM", key, "is left out"]),
            "{told}"
        );
    }
    for (path, key, value) in [
        ("sources.1", "license", "\"CC0-1.0\""),
        ("sources.1", "geography", "\"CH\""),
        ("sources.1", "consent", r#"{"type":"contractual"}"#),
        ("dataset.digest", "sizeBytes", "12"),
        ("basis", "dataset.nothing", "\"declared\""),
        ("", "basis", "\"signed\""),
        (
            "transformations.0",
            "transformType",
            "\"https://makoto.dev/transforms/anonymization\"",
        ),
    ] {
        let told = verify(&sandbox, &with(&bill, path, key, Some(json(value))));
        fails(&told, &["DBOM", key]);
    }
    for (key, value) in [
        ("privacyAssessment", r#"{"piiRemoved":true}"#),
        (
            "regulatoryCompliance",
            r#"[{"regulation":"GDPR","status":"compliant"}]"#,
        ),
        ("dtaCompliance", r#"{"allFieldsPresent":true}"#),
    ] {
        let told = verify(&sandbox, &with(&bill, "compliance", key, Some(json(value))));
        passes(&told);
        assert!(
            has_check(&told.1, "skip", &[key, "only this document says so"]),
            "{}",
            told.1
        );
    }
    // The same said in the words of another program.
    let named = with(&bill, "sources.0", "license", Some("CC-BY-NC-4.0".into()));
    passes(&verify(&sandbox, &named));
    let exact = with(
        &bill,
        "sources.0.contribution",
        "recordPercentage",
        Some(json("50.00")),
    );
    passes(&verify(&sandbox, &exact));
    let inflated = with(
        &bill,
        "sources.0.contribution",
        "recordPercentage",
        Some(json("50.06")),
    );
    fails(&verify(&sandbox, &inflated), &["recordPercentage"]);
}

#[test]
fn a_drawing_of_something_else_is_not_let_pass() {
    let (sandbox, bill) = billed();
    let content = text(&bill, "lineageGraph.content").replace("weather", "whether");
    let forged = with(&bill, "lineageGraph", "content", Some(content.into()));
    fails(
        &verify(&sandbox, &forged),
        &["L2.V.9", "lineageGraph", "do not go by it"],
    );
    // Of another program it cannot be told what it shows.
    let other = with(&forged, "metadata.generator", "tool", Some("other".into()));
    unknown(
        &verify(&sandbox, &other),
        &["lineageGraph", "do not go by it"],
    );
    let elsewhere = json(r#"{"format":"json-ld","url":"https://x.example/graph"}"#);
    let elsewhere = with(&bill, "", "lineageGraph", Some(elsewhere));
    passes(&verify(&sandbox, &elsewhere));
    let dot = sandbox
        .makoto(&["lineage", "report", "--format", "dot"])
        .stdout;
    let mut graph = json(r#"{"format":"graphviz-dot"}"#);
    object(&mut graph, "").insert("content", dot.into());
    passes(&verify(
        &sandbox,
        &with(&bill, "", "lineageGraph", Some(graph)),
    ));
}
