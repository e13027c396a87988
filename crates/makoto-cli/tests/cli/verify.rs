//! `makoto verify` on a file: what passes, what fails, and what is said about it.

use std::fs;

use makoto::datetime::DateTime;
use makoto::json::Json;

use crate::document::{at, basis, checks, fails, has_check, passes, text};
use crate::records::{gzip, zstd};
use crate::sandbox::{Sandbox, finish};

pub(crate) const ORDERS: &str = "id,total\n1,9.50\n2,12.00\n";

pub(crate) fn orders() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    sandbox.attested("orders.csv", &[]);
    sandbox
}

#[test]
fn data_as_attested_passes_in_three_lines() {
    let sandbox = orders();
    let ran = sandbox.makoto(&["verify", "orders.csv"]);
    ran.ends(0, &[]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert_eq!(lines[0], "orders.csv: passes at L1");
    assert!(lines[1].starts_with("  why:") && lines[1].contains("2 records counted again"));
    assert!(
        lines[1].contains(&sandbox.sha256("orders.csv")[..16]),
        "{ran:?}"
    );
    assert!(lines[2].starts_with("  next:"), "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn changed_data_fails_in_three_lines_that_say_what_differs() {
    let sandbox = orders();
    sandbox.write("orders.csv", ORDERS.replace("9.50", "9.60"));
    let ran = sandbox.makoto(&["verify", "orders.csv"]);
    ran.ends(1, &[]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert_eq!(lines[0], "orders.csv: FAILS");
    assert!(
        lines[1].contains("statement says") && lines[1].contains(&sandbox.sha256("orders.csv"))
    );
    assert!(!ran.stdout.contains("L1"), "{ran:?}");
}

#[test]
fn verbose_lists_every_check_fact_and_threat() {
    let sandbox = orders();
    let ran = sandbox.makoto(&["verify", "orders.csv", "--verbose"]);
    ran.ends(0, &[]);
    for told in [
        "V1",
        "V2",
        "V3",
        "V4",
        "merkleRoot",
        "recordCount",
        "headerDigest",
        "declared    predicate.origin.source",
        "recomputed  subject[0].digest.sha256",
        "D1 partly covered",
        "D2 not covered",
        "D8 not covered",
    ] {
        assert!(ran.stdout.contains(told), "{told} {ran:?}");
    }
}

#[test]
fn the_report_as_json_has_all_that_the_contract_names() {
    let sandbox = orders();
    let (status, report) = sandbox.verify("orders.csv", &[]);
    assert_eq!(status, 0);
    assert_eq!(text(&report, "verdict"), "pass");
    assert_eq!(text(&report, "level"), "L1");
    assert_eq!(text(&report, "lineageLevel"), "L1");
    assert_eq!(text(&report, "subject.name"), "dataset:orders");
    assert_eq!(text(&report, "subject.nameBasis"), "claimed");
    assert_eq!(
        text(&report, "subject.digest.sha256"),
        sandbox.sha256("orders.csv")
    );
    let id = format!("sha256:{}", sandbox.sha256("orders.csv.attestation"));
    assert_eq!(text(&report, "attestation"), id);
    for check in at(&report, "checks").as_array().expect("checks") {
        for key in ["id", "outcome", "message"] {
            assert!(!text(check, key).is_empty(), "{check}");
        }
        assert!(check.get("path").is_some(), "{check}");
    }
    for id in ["V1", "V2", "V3", "V4"] {
        assert!(has_check(&report, "pass", &[id]), "{id} {report}");
    }
    for (threat, coverage) in [
        ("D1", "partial"),
        ("D2", "none"),
        ("D3", "partial"),
        ("D4", "none"),
    ]
    .into_iter()
    .chain(["D5", "D6", "D7", "D8"].map(|threat| (threat, "none")))
    {
        assert_eq!(
            text(&report, &format!("threats.{threat}")),
            coverage,
            "{threat}"
        );
    }
    assert_eq!(text(&report, "tool.name"), "makoto");
    assert_eq!(text(&report, "tool.version"), env!("CARGO_PKG_VERSION"));
    DateTime::parse(text(&report, "time")).expect("a time");
}

#[test]
fn every_fact_is_declared_or_recomputed() {
    let sandbox = orders();
    let (_, report) = sandbox.verify("orders.csv", &[]);
    for fact in at(&report, "facts").as_array().expect("facts") {
        let basis = text(fact, "basis");
        assert!(matches!(basis, "declared" | "recomputed"), "{fact}");
    }
    for end in ["digest.sha256", "digest.recordCount", "digest.merkleRoot"] {
        assert_eq!(basis(&report, end), "recomputed", "{end}");
    }
    for end in [
        "origin.source",
        "origin.collectionTimestamp",
        "collector.id",
    ] {
        assert_eq!(basis(&report, end), "declared", "{end}");
    }
    let ran = sandbox.makoto(&[
        "run",
        "--input",
        "orders.csv",
        "--output",
        "o.csv",
        "--",
        "cp",
        "{input}",
        "{output}",
    ]);
    ran.ends(0, &[]);
    let (_, report) = sandbox.verify("o.csv", &[]);
    for end in [
        "predicate.inputs",
        "executor.id",
        "transform.type",
        "startedOn",
    ] {
        assert_eq!(basis(&report, end), "declared", "{end}");
    }
    // The inputs were not walked, so nothing is said of the whole lineage.
    assert_eq!(at(&report, "lineageLevel"), &Json::Null);
    assert!(
        has_check(&report, "skip", &["predicate.inputs"]),
        "{report}"
    );
}

#[test]
fn what_fails_covers_no_threat_and_has_no_level() {
    let sandbox = orders();
    sandbox.write("orders.csv", "id,total\n");
    let verified = sandbox.verify("orders.csv", &[]);
    fails(&verified, &["V3", "digest.sha256"]);
    let threats = at(&verified.1, "threats").as_object().expect("threats");
    assert!(
        threats
            .iter()
            .all(|(_, coverage)| coverage.as_str() == Some("none"))
    );
    assert_ne!(basis(&verified.1, "digest.sha256"), "recomputed");
}

#[test]
fn any_change_of_the_bytes_fails() {
    let sandbox = orders();
    let mut flipped = ORDERS.as_bytes().to_vec();
    flipped[12] ^= 1;
    for changed in [
        flipped,
        format!("{ORDERS}\n").into_bytes(),
        ORDERS.trim_end().as_bytes().to_vec(),
        format!("{ORDERS}3,1.00\n").into_bytes(),
        format!("\u{feff}{ORDERS}").into_bytes(),
        Vec::new(),
    ] {
        sandbox.write("orders.csv", &changed);
        let verified = sandbox.verify("orders.csv", &[]);
        fails(
            &verified,
            &["V3", "subject[0].digest.sha256", "statement says"],
        );
    }
    sandbox.write("orders.csv", ORDERS);
    passes(&sandbox.verify("orders.csv", &[]));
}

#[test]
fn other_line_ends_are_told_as_such_and_fail() {
    let sandbox = orders();
    for changed in [ORDERS.replace('\n', "\r\n"), ORDERS.trim_end().to_owned()] {
        sandbox.write("orders.csv", changed);
        let verified = sandbox.verify("orders.csv", &[]);
        fails(&verified, &["V3", "digest.sha256"]);
        let told = "records identical, bytes differ";
        assert!(has_check(&verified.1, "warn", &[told]), "{}", verified.1);
        let ran = sandbox.makoto(&["verify", "orders.csv"]);
        assert!(
            ran.stdout
                .lines()
                .nth(1)
                .is_some_and(|why| why.contains(told)),
            "{ran:?}"
        );
    }
    // A near neighbour: one more record.
    sandbox.write(
        "orders.csv",
        format!("{}\r\n", ORDERS.replace('\n', "\r\n")),
    );
    let (_, report) = sandbox.verify("orders.csv", &[]);
    assert!(
        !report.to_string().contains("records identical"),
        "{report}"
    );
}

#[test]
fn other_compression_is_told_as_such_and_fails() {
    let lines = "{\"id\":1,\"c\":20.5}\n{\"id\":2,\"c\":21.0}\n".repeat(50);
    let other = lines.replacen("21.0", "21.1", 1);
    for (attested, recompressed, changed) in [
        (
            gzip(lines.as_bytes(), 1),
            gzip(lines.as_bytes(), 9),
            gzip(other.as_bytes(), 9),
        ),
        (
            gzip(lines.as_bytes(), 6),
            zstd(lines.as_bytes()),
            zstd(other.as_bytes()),
        ),
        (
            zstd(lines.as_bytes()),
            lines.clone().into_bytes(),
            other.clone().into_bytes(),
        ),
        (
            lines.clone().into_bytes(),
            gzip(lines.as_bytes(), 6),
            gzip(other.as_bytes(), 6),
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("data.jsonl", attested);
        sandbox.attested("data.jsonl", &[]);
        sandbox.write("data.jsonl", recompressed);
        let verified = sandbox.verify("data.jsonl", &[]);
        fails(&verified, &["V3", "digest.sha256"]);
        let told = "records identical, bytes differ";
        assert!(has_check(&verified.1, "warn", &[told]), "{}", verified.1);
        sandbox.write("data.jsonl", changed);
        let verified = sandbox.verify("data.jsonl", &[]);
        fails(&verified, &["V3", "digest.sha256"]);
        assert!(!verified.1.to_string().contains(told), "{}", verified.1);
    }
}

#[test]
fn no_attestation_fails_and_no_data_cannot_be_told() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    let verified = sandbox.verify("orders.csv", &[]);
    fails(
        &verified,
        &["V1", "no attestation", "orders.csv.attestation"],
    );
    let (status, report) = sandbox.verify("gone.csv", &[]);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    sandbox
        .makoto(&["verify", "gone.csv"])
        .ends(2, &["gone.csv"]);
    sandbox.attested("orders.csv", &[]);
    fs::remove_file(sandbox.path("orders.csv")).expect("it is there");
    assert_eq!(sandbox.verify("orders.csv", &[]).0, 2);
    let verified = sandbox.verify("orders.csv.attestation", &["--attestation", "none"]);
    fails(&verified, &["V1", "none"]);
}

#[test]
fn an_attestation_that_is_not_json_fails_v1() {
    let sandbox = orders();
    let good = sandbox.read_text("orders.csv.attestation");
    for bad in [
        "",
        "\n",
        "null and void",
        &good[..good.len() - 1],
        &format!("{good}x"),
        &format!("\u{feff}{good}"),
        &good.replacen("{\"_type\"", "{\"_type\":\"x\",\"_type\"", 1),
    ] {
        sandbox.write("orders.csv.attestation", bad);
        fails(&sandbox.verify("orders.csv", &[]), &["V1"]);
    }
    sandbox.write("orders.csv.attestation", b"{\"a\":\"\xff\"}");
    assert_eq!(sandbox.verify("orders.csv", &[]).0, 1);
    for bad in ["null", "[]", "{}", "5", "\"text\""] {
        sandbox.write("orders.csv.attestation", bad);
        fails(&sandbox.verify("orders.csv", &[]), &["V2"]);
    }
    sandbox.write("orders.csv.attestation", format!("{good}\n"));
    passes(&sandbox.verify("orders.csv", &[]));
}

#[test]
fn a_level_above_l1_is_never_given_to_an_unsigned_statement() {
    let sandbox = orders();
    for level in ["L2", "L3"] {
        let verified = sandbox.verify("orders.csv", &["--level", level]);
        fails(&verified, &["L2.P.1", "unsigned", level]);
        let ran = sandbox.makoto(&["verify", "orders.csv", "--level", level]);
        assert!(ran.stdout.starts_with("orders.csv: FAILS\n"), "{ran:?}");
    }
    passes(&sandbox.verify("orders.csv", &["--level", "L1"]));
    for wrong in ["L4", "l1", "1", ""] {
        let ran = sandbox.makoto(&["verify", "orders.csv", "--level", wrong]);
        ran.ends(2, &["--level"]);
    }
}

#[test]
fn the_name_that_is_asked_for_must_be_the_subjects() {
    let sandbox = orders();
    let verified = sandbox.verify("orders.csv", &["--as", "dataset:orders"]);
    passes(&verified);
    assert_eq!(text(&verified.1, "subject.nameBasis"), "asked for");
    for wrong in [
        "dataset:order",
        "dataset:Orders",
        "orders",
        "dataset:orders ",
        "dataset:*",
        "",
    ] {
        let verified = sandbox.verify("orders.csv", &["--as", wrong]);
        fails(&verified, &["V2", "subject[0].name", "was asked for"]);
        assert_eq!(text(&verified.1, "subject.nameBasis"), "claimed");
    }
}

#[test]
fn the_attestation_of_another_file_fails() {
    let sandbox = orders();
    sandbox.write("other.csv", "id,total\n7,7.00\n");
    sandbox.attested("other.csv", &[]);
    let verified = sandbox.verify("orders.csv", &["--attestation", "other.csv.attestation"]);
    fails(&verified, &["V3", "digest.sha256"]);
    let own = ["--attestation", "orders.csv.attestation"];
    passes(&sandbox.verify("orders.csv", &own));
    sandbox.write("copy.csv", ORDERS);
    passes(&sandbox.verify("copy.csv", &own));
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let sandbox = orders();
    // The reader is gone before the first line.
    let script = "{ sleep 0.05; \"$makoto\" verify orders.csv -v; echo $? > status; } | true; \
                  until [ -s status ]; do sleep 0.01; done; cat status";
    let ran = finish(&mut sandbox.shell(script), b"");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("0\n", ""));
    let ran = finish(
        &mut sandbox.shell("\"$makoto\" schema origin | head -n 1"),
        b"",
    );
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("{\n", ""));
}

#[test]
fn verifying_writes_nothing() {
    let sandbox = orders();
    let stamps = || ["orders.csv", "orders.csv.attestation"].map(|name| sandbox.stamp(name));
    let (names, before) = (sandbox.names(), stamps());
    passes(&sandbox.verify("orders.csv", &[]));
    assert_eq!(sandbox.verify("orders.csv", &["--level", "L2"]).0, 1);
    assert_eq!((sandbox.names(), stamps()), (names, before));
}

#[test]
fn the_same_question_has_the_same_answer() {
    let sandbox = orders();
    let answer = || {
        let (status, report) = sandbox.verify("orders.csv", &[]);
        (status, crate::document::with(&report, "", "time", None))
    };
    let first = answer();
    assert!(!checks(&first.1, "pass").is_empty());
    assert_eq!(answer(), first);
}
