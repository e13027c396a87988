//! `makoto attest stream-window`: one window, its bounds and figures.

use makoto::json::Json;
use makoto::merkle::{Range, leaf_hash};

use crate::document::{at, fails, has_check, passes, text};
use crate::sandbox::{Ran, Sandbox};

const READINGS: &str = "{\"t\":21}\n{\"t\":22}\n{\"t\":20}\n";
const START: [&str; 2] = ["--start", "2026-11-21T08:00:00Z"];
const STREAM: [&str; 6] = [
    "--stream",
    "iot",
    "--source",
    "mqtt://plant/+/t",
    "--collector",
    "edge-07",
];

fn attest(sandbox: &Sandbox, data: &str, more: &[&str]) -> Ran {
    let command = ["attest", "stream-window", data];
    sandbox.makoto(&[&command[..], &STREAM, more].concat())
}

fn attested(sandbox: &Sandbox, data: &str, more: &[&str]) -> Json {
    let ran = attest(sandbox, data, &[more, &["--json"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    sandbox.written(&ran.json())
}

/// Checks the attestation of `data` alone and with the data; no finding at all is left.
#[track_caller]
fn is_good(sandbox: &Sandbox, data: &str) {
    let file = format!("{data}.attestation");
    let ran = sandbox.makoto(&["validate", &file, "--level", "L1", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let report = ran.json();
    for outcome in ["fail", "warn"] {
        assert!(!has_check(&report, outcome, &[""]), "{report}");
    }
    passes(&sandbox.verify(data, &[]));
}

#[test]
fn a_window_says_what_is_in_the_file_and_what_was_declared() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let options = [
        "--start",
        "2026-11-21T10:00:00+02:00",
        "--duration",
        "PT1M",
        "--topic",
        "plant/+/t",
        "--partition",
        "0",
        "--partition",
        "1",
        "--alignment",
        "event-time",
        "--watermark",
        "2026-11-21T08:00:58Z",
        "--allowed-lateness",
        "PT5S",
        "--late-records",
        "2",
        "--dropped-records",
        "1",
        "--collector-version",
        "edge=1.2",
        "--aggregate",
        "minTimestamp=2026-11-21T08:00:01Z",
        "--aggregate",
        "avgIntervalMs=70.5",
        "--aggregate",
        "site.temp={\"max\":22}",
        "--aggregate",
        "checksum=0123456",
    ];
    let statement = attested(&sandbox, "w.jsonl", &options);
    let leaves = [r#"{"t":21}"#, r#"{"t":22}"#, r#"{"t":20}"#];
    let mut tree = Range::starting_at(0);
    leaves
        .iter()
        .for_each(|leaf| tree.push(leaf_hash(leaf.as_bytes())));
    let expected_root = tree.root().to_string();
    let kind = "https://makoto.dev/stream-window/v1";
    for (path, value) in [
        ("predicateType", kind),
        ("subject.0.name", "stream:iot:window_20261121_080000"),
        ("subject.0.digest.sha256", &sandbox.sha256("w.jsonl")),
        ("subject.0.digest.recordCount", "3"),
        ("subject.0.digest.merkleRoot", &expected_root),
        ("subject.0.digest.windowStart", "2026-11-21T08:00:00Z"),
        ("subject.0.digest.windowEnd", "2026-11-21T08:01:00Z"),
        ("predicate.stream.id", "iot"),
        ("predicate.stream.source", "mqtt://plant/+/t"),
        ("predicate.stream.topic", "plant/+/t"),
        ("predicate.stream.partitions.1", "1"),
        ("predicate.window.type", "tumbling"),
        ("predicate.window.duration", "PT1M"),
        ("predicate.window.alignment", "event-time"),
        ("predicate.window.watermark", "2026-11-21T08:00:58Z"),
        ("predicate.window.allowedLateness", "PT5S"),
        ("predicate.integrity.merkleTree.algorithm", "sha256"),
        ("predicate.integrity.merkleTree.root", &expected_root),
        (
            "predicate.integrity.chain.genesisWindowId",
            "stream:iot:window_20261121_080000",
        ),
        ("predicate.collector.id", "edge-07"),
        ("predicate.collector.version.edge", "1.2"),
        ("predicate.aggregates.checksum", "0123456"),
        (
            "predicate.aggregates.statistics.minTimestamp",
            "2026-11-21T08:00:01Z",
        ),
    ] {
        assert_eq!(text(&statement, path), value, "{path}");
    }
    for (path, value) in [
        ("predicate.integrity.merkleTree.leafCount", 3),
        ("predicate.integrity.chain.chainLength", 1),
        ("predicate.metadata.lateRecords", 2),
        ("predicate.metadata.droppedRecords", 1),
    ] {
        assert_eq!(at(&statement, path), &Json::from(value), "{path}");
    }
    let statistics = at(&statement, "predicate.aggregates.statistics");
    let temp = statistics.get("site.temp").expect("kept as it was given");
    assert_eq!(temp, &Json::from([("max", 22.into())]));
    let integrity = at(&statement, "predicate.integrity");
    assert_eq!(integrity.get("previousWindow"), Some(&Json::Null));
    is_good(&sandbox, "w.jsonl");
}

#[test]
fn records_that_differ_fail_in_their_digest_count_and_root() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    attested(
        &sandbox,
        "w.jsonl",
        &[&START[..], &["--duration", "PT1M"]].concat(),
    );
    for (changed, words) in [
        (READINGS.replace("20", "19"), &["merkleRoot"][..]),
        (READINGS.replace("{\"t\":20}\n", ""), &["recordCount"]),
        (
            "{\"t\":22}\n{\"t\":21}\n{\"t\":20}\n".to_owned(),
            &["merkleRoot"],
        ),
        (format!("{READINGS}{READINGS}"), &["recordCount"]),
        (READINGS.replace('\n', "\r\n"), &["sha256"]),
    ] {
        sandbox.write("w.jsonl", &changed);
        fails(&sandbox.verify("w.jsonl", &[]), words);
    }
    sandbox.write("w.jsonl", READINGS);
    passes(&sandbox.verify("w.jsonl", &[]));
}

#[test]
fn every_format_with_records_makes_a_window_and_nothing_else_does() {
    let sandbox = Sandbox::new();
    let minute = [&START[..], &["--duration", "PT1M"]].concat();
    for (name, bytes, options, count) in [
        ("a.jsonl", READINGS, &[][..], "3"),
        ("a.csv", "t\n21\n22\n", &[], "2"),
        ("a.tsv", "t\tu\n21\t1\n", &[], "1"),
        ("lines.log", READINGS, &["--format", "jsonl"], "3"),
        ("canonical.jsonl", "{ \"t\": 21 }\n", &["--canonical"], "1"),
        ("empty.jsonl", "", &[], "0"),
        ("header.csv", "t\n", &[], "0"),
    ] {
        sandbox.write(name, bytes);
        let options = [&minute[..], options].concat();
        let statement = attested(&sandbox, name, &options);
        assert_eq!(
            text(&statement, "subject.0.digest.recordCount"),
            count,
            "{name}"
        );
        is_good(&sandbox, name);
    }
    sandbox.write("a.bin", READINGS);
    sandbox.write("folder/a.jsonl", READINGS);
    for data in ["a.bin", "folder"] {
        attest(&sandbox, data, &minute).ends(2, &[data, "records", "--format"]);
        assert!(!sandbox.exists(&format!("{data}.attestation")));
    }
    let bytes = [&minute[..], &["--format", "bytes", "--replace"]].concat();
    attest(&sandbox, "a.jsonl", &bytes).ends(2, &["records"]);
    sandbox.write("bad.csv", "t\n\"2\"1\n");
    attest(&sandbox, "bad.csv", &minute).ends(2, &["bad.csv", "line 2"]);
}

#[test]
fn bounds_are_half_open_and_two_of_three_give_the_third() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let end = ["--end", "2026-11-21T08:01:00Z"];
    let length = ["--duration", "PT60S"];
    for options in [
        [&START[..], &end].concat(),
        [&START[..], &length].concat(),
        [&end[..], &length].concat(),
        [&START[..], &end, &length].concat(),
    ] {
        let statement = attested(
            &sandbox,
            "w.jsonl",
            &[&options[..], &["--replace"]].concat(),
        );
        let bound = |key: &str| text(&statement, &format!("subject.0.digest.{key}")).to_owned();
        assert_eq!(bound("windowStart"), "2026-11-21T08:00:00Z");
        assert_eq!(bound("windowEnd"), "2026-11-21T08:01:00Z");
        let typed = options.contains(&"PT60S");
        let duration = if typed { "PT60S" } else { "PT1M" };
        assert_eq!(text(&statement, "predicate.window.duration"), duration);
    }
    std::fs::remove_file(sandbox.path("w.jsonl.attestation")).expect("removed");
    let late = ["--end", "2026-11-21T08:01:01Z"];
    let before = ["--end", "2026-11-21T07:00:00Z"];
    let same = ["--end", "2026-11-21T08:00:00Z"];
    for (options, told) in [
        (START.to_vec(), "needed two of start, end and duration"),
        (length.to_vec(), "needed two of start, end and duration"),
        (
            [&START[..], &late, &length].concat(),
            "are PT1M1S apart, not PT60S",
        ),
        ([&START[..], &before].concat(), "not after its start"),
        ([&START[..], &same].concat(), "not after its start"),
        (
            [&START[..], &["--duration", "PT0S"]].concat(),
            "not after its start",
        ),
        (
            [&START[..], &["--duration", "P1M"]].concat(),
            "no fixed length",
        ),
        (
            [&START[..], &["--duration", "1 minute"]].concat(),
            "ISO 8601",
        ),
        (
            vec!["--start", "2026-11-21", "--duration", "PT1M"],
            "RFC 3339",
        ),
        (
            vec!["--start", "2026-11-21T08:00:00", "--duration", "PT1M"],
            "RFC 3339",
        ),
    ] {
        attest(&sandbox, "w.jsonl", &options).ends(2, &[told]);
        assert_eq!(sandbox.names(), ["w.jsonl"], "{options:?}");
    }
}

#[test]
fn each_kind_of_window_has_what_it_needs_and_nothing_of_another() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let minute = [&START[..], &["--duration", "PT1M", "--replace"]].concat();
    for (options, path, value) in [
        (
            &["--type", "sliding", "--slide", "PT10S"][..],
            "slide",
            "PT10S",
        ),
        (&["--type", "session"], "type", "session"),
        (&["--type", "session", "--gap", "PT5S"], "gap", "PT5S"),
        (
            &["--type", "global", "--trigger", "count:3"],
            "trigger",
            "count:3",
        ),
    ] {
        let statement = attested(&sandbox, "w.jsonl", &[&minute[..], options].concat());
        let path = format!("predicate.window.{path}");
        assert_eq!(text(&statement, &path), value);
        is_good(&sandbox, "w.jsonl");
    }
    let before = sandbox.stamp("w.jsonl.attestation");
    for options in [
        &["--type", "sliding"][..],
        &["--type", "global"],
        &["--slide", "PT10S"],
        &["--gap", "PT10S"],
        &["--trigger", "x"],
        &["--type", "sliding", "--slide", "PT0S"],
        &["--type", "cumulative"],
        &["--alignment", "moon"],
        &["--late-records", "-1"],
        &["--aggregate", "x"],
        &["--aggregate", "x=1", "--aggregate", "x=2"],
        &["--aggregate", "minTimestamp=yesterday"],
        &["--aggregate", "avgIntervalMs=-1"],
        &["--stream", "other", "--name", ""],
    ] {
        let ran = attest(&sandbox, "w.jsonl", &[&minute[..], options].concat());
        assert_eq!(ran.status, 2, "{options:?} {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(sandbox.stamp("w.jsonl.attestation"), before, "{options:?}");
    }
}

#[test]
fn windows_that_start_in_the_same_second_have_names_of_their_own() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let id = "stream:iot:window_20261121_080000";
    for (options, name) in [
        (&["--start", "2026-11-21T08:00:00Z"][..], id.to_owned()),
        (
            &["--start", "2026-11-21T08:00:00.5Z"],
            format!("{id}.500000000"),
        ),
        (
            &["--start", "2026-11-21T08:00:00Z", "--partition", "3"],
            format!("{id}.p3"),
        ),
        (
            &["--start", "2026-11-21T08:00:00Z", "--sequence", "2"],
            format!("{id}.n2"),
        ),
        (
            &["--start", "2026-11-21T09:00:00+01:00", "--name", "mine"],
            "mine".to_owned(),
        ),
    ] {
        let options = [options, &["--duration", "PT1M", "--replace"]].concat();
        let statement = attested(&sandbox, "w.jsonl", &options);
        assert_eq!(text(&statement, "subject.0.name"), name);
        is_good(&sandbox, "w.jsonl");
    }
}

#[test]
fn source_and_collector_may_stand_in_a_makoto_toml_and_the_name_may_not() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let command = ["attest", "stream-window", "w.jsonl", "--stream", "iot"];
    let command = [&command[..], &START, &["--duration", "PT1M"]].concat();
    sandbox
        .makoto(&command)
        .ends(2, &["--source", "makoto.toml"]);
    let file = "[defaults]\nsource = 's'\ncollector = 'c'\nname = 'x'\n";
    sandbox.write("makoto.toml", file);
    sandbox
        .makoto(&command)
        .ends(0, &["from makoto.toml: source, collector"]);
    let statement = sandbox.json("w.jsonl.attestation");
    assert_eq!(text(&statement, "predicate.stream.source"), "s");
    assert_eq!(text(&statement, "predicate.collector.id"), "c");
    let name = "stream:iot:window_20261121_080000";
    assert_eq!(text(&statement, "subject.0.name"), name);
}

#[test]
fn the_same_again_changes_nothing_and_no_clock_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    let options = [&START[..], &["--duration", "PT1M"]].concat();
    attested(&sandbox, "w.jsonl", &options);
    let before = sandbox.stamp("w.jsonl.attestation");
    let again = attest(&sandbox, "w.jsonl", &options);
    assert!(again.stdout.contains("(unchanged)"), "{again:?}");
    assert_eq!(sandbox.stamp("w.jsonl.attestation"), before);
    let other = ["--start", "2026-11-21T08:00:01Z", "--duration", "PT1M"];
    attest(&sandbox, "w.jsonl", &other).ends(1, &["says something else"]);
    assert_eq!(sandbox.stamp("w.jsonl.attestation"), before);
}

#[test]
fn a_kind_of_statement_that_does_not_exist_is_wrong_use() {
    let sandbox = Sandbox::new();
    sandbox.write("w.jsonl", READINGS);
    for kind in ["window", "stream_window", "stream-windows", "dbom", ""] {
        let ran = sandbox.makoto(&[&["attest", kind, "w.jsonl"], &STREAM[..]].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(sandbox.names(), ["w.jsonl"]);
    }
}
