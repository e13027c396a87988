//! Statements written by hand, so that a history can be made to lie.

use makoto::digest::Digest;
use makoto::json::{Json, Object};

use crate::document::{at, checks, text};
use crate::sandbox::{Ran, Sandbox};

/// What stands in the file of a dataset: its name.
pub(crate) fn sha(name: &str) -> String {
    Digest::of(name.as_bytes()).to_string()
}

pub(crate) fn json(text: &str) -> Json {
    crate::sandbox::parse(text.as_bytes())
}

pub(crate) fn statement(kind: &str, outputs: &[&str], predicate: &Json) -> Json {
    let subject = |name: &&str| {
        let digest = [("sha256", sha(name).into()), ("recordCount", "10".into())];
        Json::from([("name", (*name).into()), ("digest", digest.into())])
    };
    Json::from([
        ("_type", "https://in-toto.io/Statement/v1".into()),
        ("subject", outputs.iter().map(subject).collect()),
        (
            "predicateType",
            format!("https://makoto.dev/{kind}/v1").into(),
        ),
        ("predicate", predicate.clone()),
    ])
}

pub(crate) fn origin(outputs: &[&str], source: &str) -> Json {
    let origin = [
        ("source", source.into()),
        ("collectionTimestamp", "2026-11-21T08:00:00Z".into()),
    ];
    let collector = [("id", "test".into())];
    let predicate = [("origin", origin.into()), ("collector", collector.into())];
    statement("origin", outputs, &predicate.into())
}

/// An input by its name, with the id of the attestation that it refers to.
pub(crate) fn input(name: &str, id: Option<&str>) -> Json {
    let digest = [("sha256", sha(name).into())];
    let mut members = Object::new();
    members.insert("name", name.into());
    members.insert("digest", digest.into());
    if let Some(id) = id {
        members.insert(
            "attestationRef",
            format!("urn:makoto:attestation:sha256:{id}").into(),
        );
    }
    Json::Object(members)
}

pub(crate) fn step(outputs: &[&str], inputs: &[Json]) -> Json {
    let transform = [("type", "https://makoto.dev/transforms/filter".into())];
    let executor = [("id", "test".into())];
    let metadata = [("finishedOn", "2026-11-21T09:00:00Z".into())];
    let predicate = [
        ("inputs", inputs.iter().cloned().collect()),
        ("transform", transform.into()),
        ("executor", executor.into()),
        ("metadata", metadata.into()),
    ];
    statement("transform", outputs, &predicate.into())
}

impl Sandbox {
    /// Writes a statement to `file`. Returns its id.
    pub(crate) fn put(&self, file: &str, statement: &Json) -> String {
        let bytes = statement.to_string();
        self.write(file, &bytes);
        Digest::of(bytes.as_bytes()).to_string()
    }

    /// raw → clean → report, and weather → report, each with its file and sidecar. Returns the
    /// ids in that order.
    pub(crate) fn history(&self) -> [String; 4] {
        for name in ["raw", "clean", "weather", "report"] {
            self.write(name, name);
        }
        let raw = self.put(
            "raw.attestation",
            &origin(&["raw"], "https://erp.example.com"),
        );
        let from_raw = [input("raw", Some(&raw))];
        let clean = self.put("clean.attestation", &step(&["clean"], &from_raw));
        let weather = origin(&["weather"], "https://weather.example.com");
        let weather = self.put("weather.attestation", &weather);
        let both = [
            input("clean", Some(&clean)),
            input("weather", Some(&weather)),
        ];
        let report = self.put("report.attestation", &step(&["report"], &both));
        [raw, clean, weather, report]
    }

    pub(crate) fn lineage(&self, arguments: &[&str]) -> (i32, Json) {
        let ran = self.makoto(&[&["lineage", "--json"], arguments].concat());
        (ran.status, ran.json())
    }
}

/// Ids of the nodes of a lineage.
pub(crate) fn nodes(told: &Json) -> Vec<&str> {
    let nodes = at(told, "nodes").as_array().expect("nodes");
    nodes.iter().map(|node| text(node, "id")).collect()
}

/// Checks that a lineage is complete at L1 with nothing to warn of.
#[track_caller]
pub(crate) fn complete((status, told): &(i32, Json)) {
    assert_eq!((*status, text(told, "verdict")), (0, "pass"), "{told}");
    assert_eq!(text(told, "lineageLevel"), "L1", "{told}");
    assert_eq!(at(told, "complete"), &Json::Bool(true), "{told}");
    for outcome in ["warn", "skip", "fail"] {
        assert_eq!(checks(told, outcome), [""; 0], "{told}");
    }
}

/// Checks that it could not be told, and why.
#[track_caller]
pub(crate) fn unknown((status, told): &(i32, Json), words: &[&str]) {
    assert_eq!((*status, text(told, "verdict")), (2, "unknown"), "{told}");
    assert_eq!(at(told, "level"), &Json::Null, "{told}");
    assert_eq!(at(told, "lineageLevel"), &Json::Null, "{told}");
    assert!(
        crate::document::has_check(told, "skip", words),
        "{words:?}: {told}"
    );
}

/// Whether each of these texts is on stdout.
#[track_caller]
pub(crate) fn says(ran: &Ran, texts: &[&str]) {
    for text in texts {
        assert!(ran.stdout.contains(text), "{text:?} is not in {ran:?}");
    }
}
