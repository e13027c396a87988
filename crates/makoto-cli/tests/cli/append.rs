//! What becomes of an attestation that is there already.

use crate::document::{at, checks, fails, has_check, passes, text};
use crate::sandbox::{ORIGIN, Sandbox, finish, parse};

#[test]
fn the_same_facts_again_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    let before = sandbox.stamp("data.csv.attestation");
    for again in [&[][..], &["--replace"], &["--append"]] {
        let ran = sandbox.attest("data.csv", again);
        ran.ends(0, &[]);
        assert!(ran.stdout.contains("unchanged"), "{ran:?}");
        assert_eq!(sandbox.stamp("data.csv.attestation"), before, "{again:?}");
    }
}

#[test]
fn the_same_time_stated_again_changes_nothing_and_another_is_another_fact() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let at = |time| ["--collected-at", time];
    sandbox.attested("data.csv", &at("2026-11-20T08:00:00Z"));
    let before = sandbox.stamp("data.csv.attestation");
    sandbox.attested("data.csv", &at("2026-11-20T08:00:00Z"));
    let other = sandbox.attest("data.csv", &at("2026-11-20T08:00:01Z"));
    other.ends(1, &["says something else"]);
    assert_eq!(sandbox.stamp("data.csv.attestation"), before);
}

#[test]
fn other_data_or_other_facts_are_refused_and_the_attestation_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    let before = sandbox.stamp("data.csv.attestation");
    let refused = |more: &[&str]| {
        let ran = sandbox.attest("data.csv", more);
        ran.ends(1, &["data.csv.attestation", "--replace", "--append"]);
        assert_eq!(sandbox.stamp("data.csv.attestation"), before);
        assert_eq!(sandbox.names(), ["data.csv", "data.csv.attestation"]);
    };
    refused(&["--geography", "DE"]);
    refused(&["--name", "dataset:other"]);
    refused(&["--format", "bytes"]);
    sandbox.write("data.csv", "a\n2\n");
    refused(&[]);
}

#[test]
fn replacing_leaves_the_new_statement_alone_in_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    sandbox.write("data.csv", "a\n1\n2\n");
    let ran = sandbox.attest("data.csv", &["--replace"]);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("replaced"), "{ran:?}");
    let statement = sandbox.json("data.csv.attestation");
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "2");
    passes(&sandbox.verify("data.csv", &[]));
    sandbox.write("data.csv", "a\n1\n");
    fails(&sandbox.verify("data.csv", &[]), &["V3", "digest.sha256"]);
}

#[test]
fn appending_keeps_both_versions_and_verify_finds_the_one_that_matches() {
    let sandbox = Sandbox::new();
    let versions = ["a\n1\n", "a\n1\n2\n", "a\n1\n2\n3\n"];
    for version in versions {
        sandbox.write("data.csv", version);
        sandbox.attested("data.csv", &["--append"]);
    }
    let sidecar = sandbox.read_text("data.csv.attestation");
    let lines: Vec<_> = sidecar.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(sidecar.ends_with('\n'));
    for (index, version) in versions.iter().enumerate() {
        let statement = parse(lines[index].as_bytes());
        let count = (index + 1).to_string();
        assert_eq!(text(&statement, "subject.0.digest.recordCount"), count);
        sandbox.write("data.csv", version);
        let verified = sandbox.verify("data.csv", &[]);
        passes(&verified);
        assert_eq!(text(&verified.1, "subject.digest.recordCount"), count);
    }
    sandbox.write("data.csv", "a\n1\n2\n3\n4\n");
    fails(&sandbox.verify("data.csv", &[]), &["V3", "digest.sha256"]);
}

#[test]
fn versions_whose_records_were_counted_in_other_ways_are_each_counted_in_their_own() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a;b\n1;2\n");
    sandbox.attested("data.csv", &["--delimiter", ";"]);
    sandbox.write("data.csv", "1,2\n3,4\n");
    sandbox.attested("data.csv", &["--no-header", "--append"]);
    passes(&sandbox.verify("data.csv", &[]));
    sandbox.write("data.csv", "a;b\n1;2\n");
    let verified = sandbox.verify("data.csv", &[]);
    passes(&verified);
    let counted = "subject[0].digest.recordCount: equals";
    assert!(has_check(&verified.1, "pass", &[counted]), "{}", verified.1);
}

#[test]
fn two_statements_that_say_different_things_of_the_same_bytes_are_told() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    let (_, report) = sandbox.verify("data.csv", &[]);
    assert!(!has_check(&report, "warn", &["D1"]), "{report}");
    sandbox.attested("data.csv", &["--geography", "DE", "--append"]);
    let verified = sandbox.verify("data.csv", &[]);
    passes(&verified);
    assert!(has_check(&verified.1, "warn", &["D1", "something else"]));
}

#[test]
fn a_file_of_that_name_which_is_no_attestation_is_not_overwritten_unasked() {
    let sandbox = Sandbox::new();
    for (index, content) in ["my own notes\n", "", "{\"half\":", "\u{feff}{}"]
        .iter()
        .enumerate()
    {
        let data = format!("data{index}.csv");
        let sidecar = format!("{data}.attestation");
        sandbox.write(&data, "a\n1\n");
        sandbox.write(&sidecar, content);
        let before = sandbox.stamp(&sidecar);
        sandbox.attest(&data, &[]).ends(1, &[&sidecar]);
        sandbox.attest(&data, &["--append"]).ends(1, &[&sidecar]);
        assert_eq!(sandbox.stamp(&sidecar), before);
        sandbox.attested(&data, &["--replace"]);
        passes(&sandbox.verify(&data, &[]));
    }
}

#[test]
fn replacing_and_appending_at_once_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let ran = sandbox.attest("data.csv", &["--replace", "--append"]);
    ran.ends(2, &["--replace", "--append"]);
    assert_eq!(sandbox.names(), ["data.csv"]);
}

#[test]
fn a_statement_over_several_lines_is_not_joined_with_another() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let statement = sandbox.attested("data.csv", &[]);
    let indented = format!("{statement:#}\n");
    sandbox.write("data.csv.attestation", &indented);
    passes(&sandbox.verify("data.csv", &[]));
    sandbox.attest("data.csv", &[]).ends(0, &[]);
    let ran = sandbox.attest("data.csv", &["--geography", "DE", "--append"]);
    ran.ends(2, &["several lines"]);
    assert_eq!(sandbox.read_text("data.csv.attestation"), indented);
}

#[test]
fn one_bad_line_refuses_the_whole_attestation_file() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    sandbox.attested("data.csv", &["--geography", "DE", "--append"]);
    let good = sandbox.read_text("data.csv.attestation");
    passes(&sandbox.verify("data.csv", &[]));
    sandbox.write("data.csv.attestation", format!("{good}{{\"cut\":\n"));
    let verified = sandbox.verify("data.csv", &[]);
    fails(&verified, &["V1", "line 3"]);
    let ran = sandbox.attest("data.csv", &["--geography", "FR", "--append"]);
    ran.ends(1, &["no attestation"]);
}

#[test]
fn a_note_tells_when_data_is_much_older_than_its_collection_time() {
    let sandbox = Sandbox::new();
    sandbox.write("old.csv", "a\n1\n");
    sandbox.write("new.csv", "a\n1\n");
    let touch = ["-d", "2020-01-02T03:04:05Z", "old.csv"];
    finish(sandbox.program("touch").args(touch), b"").ends(0, &[]);
    let old = sandbox.attest("old.csv", &[]);
    old.ends(0, &["2020-01-02T03:04:05Z", "--collected-at"]);
    let new = sandbox.attest("new.csv", &[]);
    assert!(!new.stderr.contains("--collected-at"), "{new:?}");
}

#[test]
fn what_was_recommended_and_not_given_is_told_and_fails_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let ran = sandbox.attest("data.csv", &[]);
    ran.ends(
        0,
        &[
            "predicate.origin.sourceType",
            "predicate.origin.collectionMethod",
        ],
    );
    let told = sandbox.attest("data.csv", &["--json"]).json();
    assert_eq!(text(&told, "warnings.0.id"), "P2");
    sandbox.write("whole.csv", "a\n1\n");
    let whole = ["--source-type", "file", "--method", "export", "--json"];
    let told = sandbox.attest("whole.csv", &whole).json();
    assert_eq!(at(&told, "warnings").as_array().map(<[_]>::len), Some(0));
}

#[test]
fn a_failure_is_told_as_json_too_and_nothing_else_is_on_stdout() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    let contradicts = sandbox.attest("data.csv", &["--name", "other", "--json"]);
    contradicts.ends(1, &["says something else"]);
    let report = contradicts.json();
    assert_eq!(text(&report, "verdict"), "fail");
    assert_eq!(checks(&report, "fail").len(), 1, "{report}");
    let arguments = [&["attest", "origin", "gone.csv", "--json"], &ORIGIN[..]].concat();
    let unreadable = sandbox.makoto(&arguments);
    unreadable.ends(2, &["gone.csv"]);
    assert_eq!(text(&unreadable.json(), "verdict"), "unknown");
}

#[test]
fn the_data_itself_is_never_overwritten_by_its_attestation() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.write("sub/in.csv", "a\n1\n2\n");
    let (data, input) = (sandbox.stamp("data.csv"), sandbox.stamp("sub/in.csv"));
    let origin = [&["attest", "origin", "data.csv"], &ORIGIN[..]].concat();
    let step = ["--input", "sub/in.csv", "--executor", "e"];
    let transform = [&["attest", "transform", "data.csv"], &step[..]].concat();
    for (command, outs) in [
        (origin, &["data.csv", "./data.csv", "sub/../data.csv"][..]),
        (transform, &["data.csv", "sub/in.csv", "sub/./in.csv"]),
    ] {
        for out in outs {
            for more in [&[][..], &["--append"], &["--replace"]] {
                let ran = sandbox.makoto(&[&command[..], &["--out", out], more].concat());
                assert_ne!(ran.status, 0, "{command:?} {out} {more:?} {ran:?}");
                assert_eq!(sandbox.stamp("data.csv"), data, "{out} {more:?}");
                assert_eq!(sandbox.stamp("sub/in.csv"), input, "{out} {more:?}");
            }
        }
    }
}
