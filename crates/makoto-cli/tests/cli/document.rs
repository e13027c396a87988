//! Looking into JSON documents, and changing them as a forger would.

use makoto::json::{Json, Object};

static NOTHING: Json = Json::Null;

/// Where a subject's annotation says how its records were counted.
pub(crate) const RECORDS: &str = "https://makoto.dev/records/v1";

/// The value at a dotted path; a segment of digits is an index. `null` when nothing is there.
pub(crate) fn at<'a>(json: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(json, |value, segment| {
        let found = match value {
            Json::Array(items) => segment
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index)),
            other => other.get(segment),
        };
        found.unwrap_or(&NOTHING)
    })
}

/// The text at a path; empty when there is none.
pub(crate) fn text<'a>(json: &'a Json, path: &str) -> &'a str {
    at(json, path).as_str().unwrap_or_default()
}

/// The annotation of the first subject that says how its records were counted.
pub(crate) fn settings(statement: &Json) -> &Json {
    let annotations = at(statement, "subject.0.annotations");
    annotations.get(RECORDS).unwrap_or(&NOTHING)
}

/// The object at a path, to be changed.
pub(crate) fn object<'a>(json: &'a mut Json, path: &str) -> &'a mut Object {
    let mut value = json;
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        value = match value {
            Json::Array(items) => {
                let index: usize = segment.parse().expect("an index");
                &mut items[index]
            }
            Json::Object(members) => members.get_mut(segment).expect("the path is there"),
            other => panic!("{segment} is in {other}"),
        };
    }
    match value {
        Json::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// The same document with another value at `path`.key; `None` takes it away.
pub(crate) fn with(json: &Json, path: &str, key: &str, value: Option<Json>) -> Json {
    let mut changed = json.clone();
    let members = object(&mut changed, path);
    match value {
        Some(value) => drop(members.insert(key.to_owned(), value)),
        None => drop(members.remove(key)),
    }
    changed
}

/// The checks of a report with this outcome, as `id path: message`.
pub(crate) fn checks(report: &Json, outcome: &str) -> Vec<String> {
    let checks = at(report, "checks").as_array().unwrap_or_default();
    let wanted = checks
        .iter()
        .filter(|check| text(check, "outcome") == outcome);
    let told = |check: &Json| {
        let [id, path, message] = ["id", "path", "message"].map(|key| text(check, key));
        format!("{id} {path}: {message}")
    };
    wanted.map(told).collect()
}

/// Whether a check of this outcome is told with all of these words.
pub(crate) fn has_check(report: &Json, outcome: &str, words: &[&str]) -> bool {
    let told = checks(report, outcome);
    told.iter()
        .any(|check| words.iter().all(|word| check.contains(word)))
}

/// Checks a report's verdict and that a failed check is told with all of these words.
#[track_caller]
pub(crate) fn fails((status, report): &(i32, Json), words: &[&str]) {
    assert_eq!((*status, text(report, "verdict")), (1, "fail"), "{report}");
    assert_eq!(at(report, "level"), &Json::Null, "{report}");
    assert_eq!(at(report, "lineageLevel"), &Json::Null, "{report}");
    assert!(
        has_check(report, "fail", words),
        "{words:?} not in {report}"
    );
}

/// Checks that a report passes at L1.
#[track_caller]
pub(crate) fn passes((status, report): &(i32, Json)) {
    assert_eq!((*status, text(report, "verdict")), (0, "pass"), "{report}");
    assert_eq!(text(report, "level"), "L1", "{report}");
}

/// The basis of the fact whose path ends like this; empty when there is no such fact.
pub(crate) fn basis<'a>(report: &'a Json, end: &str) -> &'a str {
    let facts = at(report, "facts").as_array().unwrap_or_default();
    let fact = facts.iter().find(|fact| text(fact, "path").ends_with(end));
    fact.map_or("", |fact| text(fact, "basis"))
}

/// A DSSE envelope around these bytes, with signatures that nobody made.
pub(crate) fn envelope(payload: &[u8], signatures: usize) -> String {
    let signature = r#"{"keyid":"","sig":"AAAA"}"#;
    let signatures = vec![signature; signatures].join(",");
    format!(
        r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{}","signatures":[{signatures}]}}"#,
        base64(payload)
    )
}

/// Padded base64 in the standard alphabet (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            let is_padding = place > group.len();
            text.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
    text
}

#[test]
fn the_envelopes_of_these_tests_are_padded_as_rfc_4648_shows() {
    let vectors = [
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
    ];
    for (length, expected) in vectors.into_iter().enumerate() {
        assert_eq!(base64(&b"foobar"[..length]), expected);
    }
}
