use std::collections::HashMap;
use std::convert::Infallible;

use super::*;
use crate::canonical::to_canonical;
use crate::json::Json;

/// Attestations in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) documents: HashMap<Digest, Vec<u8>>,
    about: HashMap<Digest, Vec<Digest>>,
    reading: HashMap<Digest, Vec<Digest>>,
}

impl Memory {
    pub(crate) fn add(&mut self, statement: &Json) -> Digest {
        let bytes = to_canonical(statement).expect("canonical");
        let id = Digest::of(&bytes);
        let digests = |list: Option<&Json>| -> Vec<Digest> {
            let list = list.and_then(Json::as_array).unwrap_or_default();
            let digest = |item: &Json| item.get("digest")?.get("sha256")?.as_str()?.parse().ok();
            list.iter().filter_map(digest).collect()
        };
        for subject in digests(statement.get("subject")) {
            self.about.entry(subject).or_default().push(id);
        }
        for input in digests(statement.get("predicate").and_then(|p| p.get("inputs"))) {
            self.reading.entry(input).or_default().push(id);
        }
        self.documents.insert(id, bytes);
        id
    }

    pub(crate) fn back(&mut self, data: &str) -> Lineage {
        self.walk(data, Direction::Back, None)
    }

    /// The one attestation about a dataset.
    pub(crate) fn about_id(&self, data: &str) -> Digest {
        self.about[&sha(data)][0]
    }

    fn walk(&mut self, data: &str, direction: Direction, depth: Option<usize>) -> Lineage {
        let reach = Reach {
            depth,
            stages: 200_000,
            links: 1_000_000,
            bytes: u64::MAX,
        };
        Lineage::walk(self, sha(data), direction, reach)
    }
}

impl Library for Memory {
    type Error = Infallible;

    fn about(&mut self, sha256: &Digest) -> Result<Vec<Digest>, Infallible> {
        Ok(self.about.get(sha256).cloned().unwrap_or_default())
    }

    fn reading(&mut self, sha256: &Digest) -> Result<Vec<Digest>, Infallible> {
        Ok(self.reading.get(sha256).cloned().unwrap_or_default())
    }

    fn get(&mut self, id: &Digest) -> Result<Option<Found>, Infallible> {
        let found = self.documents.get(id).map(|bytes| Found {
            attestation: Attestation::parse(bytes).expect("an attestation"),
            places: vec!["memory".to_owned()],
            bytes: bytes.len() as u64,
        });
        Ok(found)
    }
}

/// Digest of the dataset that a test calls `data`.
pub(crate) fn sha(data: &str) -> Digest {
    Digest::of(data.as_bytes())
}

pub(crate) fn statement(kind: &str, outputs: &[&str], predicate: Json) -> Json {
    let subject = |name: &&str| {
        let digest = [("sha256", sha(name).to_string().into())];
        Json::from([("name", (*name).into()), ("digest", digest.into())])
    };
    Json::from([
        ("_type", crate::statement::STATEMENT_TYPE.into()),
        ("subject", outputs.iter().map(subject).collect()),
        (
            "predicateType",
            format!("https://makoto.dev/{kind}/v1").into(),
        ),
        ("predicate", predicate),
    ])
}

pub(crate) fn origin(data: &str, source: &str) -> Json {
    let origin = [
        ("source", source.into()),
        ("collectionTimestamp", "2026-11-21T08:00:00Z".into()),
    ];
    let collector = [("id", "test".into())];
    statement(
        "origin",
        &[data],
        [("origin", origin.into()), ("collector", collector.into())].into(),
    )
}

/// A step; an input is its name, and the id that it refers to.
pub(crate) fn step(outputs: &[&str], inputs: &[(&str, Option<Digest>)]) -> Json {
    let input = |(name, id): &(&str, Option<Digest>)| {
        let digest = [("sha256", sha(name).to_string().into())];
        let mut members = crate::json::Object::from_iter([("name", *name)]);
        members.insert("digest", digest.into());
        if let Some(id) = id {
            members.insert("attestationRef", Attestation::reference_to(id).into());
        }
        Json::Object(members)
    };
    let transform = [("type", "https://makoto.dev/transforms/filter".into())];
    let executor = [("id", "test".into())];
    let predicate = [
        ("inputs", inputs.iter().map(input).collect()),
        ("transform", transform.into()),
        ("executor", executor.into()),
    ];
    statement("transform", outputs, predicate.into())
}

fn outcomes(lineage: &Lineage, id: &str) -> Vec<Outcome> {
    let checks = lineage.checks.iter().filter(|check| check.id == id);
    checks.map(|check| check.outcome).collect()
}

fn verdict(lineage: &Lineage) -> Verdict {
    let now = DateTime::from_unix(0).expect("a time");
    lineage.report(now).verdict
}

/// origin → raw → clean → report, each referring to the one before.
pub(crate) fn chain(memory: &mut Memory) -> [Digest; 3] {
    let raw = memory.add(&origin("raw", "https://erp.example.com"));
    let clean = memory.add(&step(&["clean"], &[("raw", Some(raw))]));
    let report = memory.add(&step(&["report"], &[("clean", Some(clean))]));
    [raw, clean, report]
}

#[test]
fn a_chain_is_walked_back_to_its_origin() {
    let mut memory = Memory::default();
    let ids = chain(&mut memory);
    let lineage = memory.back("report");
    let walked: Vec<_> = lineage.stages.iter().map(|stage| stage.id).collect();
    assert_eq!(walked, [ids[2], ids[1], ids[0]]);
    assert_eq!(
        (verdict(&lineage), lineage.level()),
        (Verdict::Pass, Some(Level::L1))
    );
    let order: Vec<_> = lineage
        .in_order()
        .iter()
        .map(|s| lineage.stages[*s].id)
        .collect();
    assert_eq!(order, ids);
}

#[test]
fn a_stage_that_is_gone_makes_the_lineage_incomplete() {
    let mut memory = Memory::default();
    let ids = chain(&mut memory);
    for gone in [0, 1] {
        let kept = memory.documents.remove(&ids[gone]).expect("it was there");
        let lineage = memory.back("report");
        assert_eq!(
            (verdict(&lineage), lineage.level()),
            (Verdict::Unknown, None)
        );
        assert_eq!(outcomes(&lineage, "L2.V.8"), [Outcome::Skip]);
        let said = lineage
            .checks
            .iter()
            .any(|check| check.message.contains("no origin reached"));
        assert!(said, "{:?}", lineage.checks);
        memory.documents.insert(ids[gone], kept);
    }
    assert_eq!(verdict(&memory.back("report")), Verdict::Pass);
}

#[test]
fn an_absent_reference_is_not_replaced_by_another_attestation_of_the_same_data() {
    let mut memory = Memory::default();
    let [raw, ..] = chain(&mut memory);
    memory.documents.remove(&raw);
    memory.about.get_mut(&sha("raw")).expect("indexed").clear();
    memory.add(&origin("raw", "https://elsewhere.example.com"));
    assert_eq!(verdict(&memory.back("report")), Verdict::Unknown);
}

#[test]
fn a_reference_to_other_data_is_a_contradiction() {
    let mut memory = Memory::default();
    let other = memory.add(&origin("other", "https://erp.example.com"));
    memory.add(&step(&["clean"], &[("raw", Some(other))]));
    let lineage = memory.back("clean");
    assert_eq!(verdict(&lineage), Verdict::Fail);
    assert_eq!(outcomes(&lineage, "L2.V.8"), [Outcome::Fail]);
}

#[test]
fn inputs_without_a_reference_are_found_by_their_digest() {
    let mut memory = Memory::default();
    memory.add(&origin("raw", "https://erp.example.com"));
    memory.add(&step(&["clean"], &[("raw", None), ("lost", None)]));
    let lineage = memory.back("clean");
    let producers: Vec<_> = lineage.links.iter().map(|link| link.producer).collect();
    assert_eq!(producers, [Producer::Stage(1), Producer::Missing]);
    assert_eq!(verdict(&lineage), Verdict::Unknown);
}

#[test]
fn the_same_bytes_under_another_name_are_a_warning() {
    let mut memory = Memory::default();
    let bytes = origin("raw", "https://erp.example.com");
    let id = memory.add(&bytes);
    let text = step(&["clean"], &[("raw", Some(id))]).to_string();
    let renamed = text.replace("\"name\":\"raw\"", "\"name\":\"cooked\"");
    memory.add(&Json::parse(renamed.as_bytes(), &crate::limits::Limits::DEFAULT).expect("JSON"));
    let lineage = memory.back("clean");
    assert_eq!(
        (verdict(&lineage), outcomes(&lineage, "L2.V.8")),
        (Verdict::Pass, vec![Outcome::Warn])
    );
}

#[test]
fn two_sources_for_the_same_bytes_are_both_named() {
    let mut memory = Memory::default();
    let erp = memory.add(&origin("raw", "https://erp.example.com"));
    let other = memory.add(&origin("raw", "https://broker.example.com"));
    for reference in [Some(erp), None] {
        let made = format!("clean {reference:?}");
        memory.add(&step(&[&made], &[("raw", reference)]));
        let lineage = memory.back(&made);
        let conflict = lineage
            .checks
            .iter()
            .find(|check| check.id == "D1")
            .expect("told");
        for id in [erp, other] {
            assert!(
                conflict.message.contains(&id.to_string()),
                "{}",
                conflict.message
            );
        }
    }
    assert_eq!(outcomes(&memory.back("raw"), "D1"), [Outcome::Warn]);
}

#[test]
fn a_cycle_fails_and_is_printed() {
    let mut memory = Memory::default();
    memory.add(&step(&["a"], &[("b", None)]));
    memory.add(&step(&["b"], &[("c", None)]));
    memory.add(&step(&["c"], &[("a", None)]));
    let lineage = memory.back("a");
    assert_eq!(verdict(&lineage), Verdict::Fail);
    let told = lineage
        .checks
        .iter()
        .find(|check| check.outcome == Outcome::Fail)
        .expect("told");
    for name in ["\"a\"", "\"b\"", "\"c\""] {
        assert!(told.message.contains(name), "{}", told.message);
    }
    assert!(lineage.in_order().is_empty());
    memory.add(&step(&["self"], &[("self", None)]));
    assert_eq!(verdict(&memory.back("self")), Verdict::Fail);
}

#[test]
fn a_round_trip_to_attested_data_is_no_cycle() {
    let mut memory = Memory::default();
    memory.add(&origin("raw", "https://erp.example.com"));
    memory.add(&step(&["packed"], &[("raw", None)]));
    memory.add(&step(&["raw"], &[("packed", None)]));
    let lineage = memory.back("packed");
    assert_eq!(verdict(&lineage), Verdict::Pass, "{:?}", lineage.checks);
    assert_eq!(lineage.in_order().len(), lineage.stages.len());
    memory.add(&step(&["sorted"], &[("sorted", None)]));
    memory.add(&origin("sorted", "https://erp.example.com"));
    assert_eq!(verdict(&memory.back("sorted")), Verdict::Pass);
}

#[test]
fn a_walk_that_was_stopped_is_not_complete() {
    let mut memory = Memory::default();
    chain(&mut memory);
    let near = memory.walk("report", Direction::Back, Some(1));
    assert_eq!((near.stages.len(), verdict(&near)), (2, Verdict::Unknown));
    assert_eq!(
        near.links.last().map(|link| link.producer),
        Some(Producer::Beyond)
    );
    assert_eq!(
        verdict(&memory.walk("report", Direction::Back, Some(2))),
        Verdict::Pass
    );
    let reach = Reach {
        depth: None,
        stages: 2,
        links: 10,
        bytes: u64::MAX,
    };
    let few = Lineage::walk(&mut memory, sha("report"), Direction::Back, reach);
    assert_eq!((few.stages.len(), verdict(&few)), (2, Verdict::Unknown));
    for (stages, links, bytes) in [(9, 0, u64::MAX), (9, 9, 1)] {
        let depth = None;
        let reach = Reach {
            depth,
            stages,
            links,
            bytes,
        };
        for direction in [Direction::Back, Direction::Forward] {
            let from = match direction {
                Direction::Back => "report",
                Direction::Forward => "raw",
            };
            let cut = Lineage::walk(&mut memory, sha(from), direction, reach);
            assert_eq!(verdict(&cut), Verdict::Unknown, "{:?}", cut.checks);
            let told = cut
                .checks
                .iter()
                .any(|check| check.message.contains("its budget of"));
            assert!(told, "{:?}", cut.checks);
        }
    }
}

#[test]
fn findings_of_one_kind_hide_none_of_another() {
    let mut memory = Memory::default();
    let names: Vec<_> = (0..1_500).map(|number| format!("lost {number}")).collect();
    let mut inputs: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    inputs.push(("raw", None));
    memory.add(&origin("raw", "https://erp.example.com"));
    memory.add(&origin("raw", "https://broker.example.com"));
    memory.add(&step(&["joined"], &inputs));
    let lineage = memory.back("joined");
    assert_eq!(outcomes(&lineage, "D1"), [Outcome::Warn]);
    assert!(lineage.checks.len() < 2_010, "{}", lineage.checks.len());
    let unlisted = lineage
        .checks
        .iter()
        .any(|check| check.message.contains("are not listed"));
    assert!(unlisted);
}

#[test]
fn forward_finds_everything_that_was_made_of_it() {
    let mut memory = Memory::default();
    let [_, clean, report] = chain(&mut memory);
    memory.add(&step(&["unrelated"], &[("something", None)]));
    let lineage = memory.walk("raw", Direction::Forward, None);
    let walked: Vec<_> = lineage.stages.iter().map(|stage| stage.id).collect();
    assert_eq!(walked, [clean, report]);
    assert_eq!(
        memory.walk("raw", Direction::Forward, Some(1)).stages.len(),
        1
    );
    assert!(
        memory
            .walk("report", Direction::Forward, None)
            .stages
            .is_empty()
    );
}

#[test]
fn a_deep_and_a_wide_lineage_end() {
    let mut memory = Memory::default();
    let mut last = memory.add(&origin("0", "https://erp.example.com"));
    for depth in 1..20_000 {
        let (made, read) = (depth.to_string(), (depth - 1).to_string());
        last = memory.add(&step(&[&made], &[(&read, Some(last))]));
    }
    let lineage = memory.back("19999");
    assert_eq!(
        (lineage.stages.len(), verdict(&lineage)),
        (20_000, Verdict::Pass)
    );
    assert!(lineage.draw(Drawing::Text).lines().count() < 600);

    let names: Vec<_> = (0..2_000).map(|n| format!("wide {n}")).collect();
    for name in &names {
        memory.add(&origin(name, "https://erp.example.com"));
    }
    let inputs: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    memory.add(&step(&["joined"], &inputs));
    assert_eq!(memory.back("joined").origins().count(), 2_000);
}

#[test]
fn names_cannot_leave_their_place_in_a_drawing() {
    let mut memory = Memory::default();
    let name = "x\"]; evil [label=\"<script>\u{202e}\n;";
    memory.add(&origin(name, "https://erp.example.com"));
    memory.add(&step(&["y"], &[(name, None), ("lost\"", None)]));
    let lineage = memory.back("y");
    let mermaid = lineage.draw(Drawing::Mermaid);
    assert!(
        !mermaid.contains("<script") && !mermaid.contains('\u{202e}'),
        "{mermaid}"
    );
    let quotes = |line: &str| line.matches('"').count();
    for line in mermaid.lines() {
        assert!(quotes(line) % 2 == 0 && quotes(line) <= 4, "{line}");
    }
    let dot = lineage.draw(Drawing::Dot);
    for line in dot.lines() {
        let plain = line.replace("\\\\", "").replace("\\\"", "");
        assert!(quotes(&plain) % 2 == 0, "{line}");
    }
    assert_eq!(dot.lines().count(), 3 + 2 + 2 + 1 + 1, "{dot}");
}
