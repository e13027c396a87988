//! `makoto validate` and `makoto schema`: documents without their data.

use makoto::json::Json;

use crate::document::{at, envelope, has_check, text, with};
use crate::sandbox::{Ran, Sandbox, finish, measured, parse};
use crate::verify::orders;

fn validate(sandbox: &Sandbox, document: impl AsRef<[u8]>) -> Ran {
    finish(
        sandbox.command().args(["validate", "-", "--json"]),
        document.as_ref(),
    )
}

#[test]
fn a_good_statement_passes_by_name_and_from_stdin_and_has_no_level() {
    let sandbox = orders();
    let statement = sandbox.read("orders.csv.attestation");
    let by_name = sandbox.makoto(&["validate", "orders.csv.attestation", "--json"]);
    for ran in [by_name, validate(&sandbox, &statement)] {
        let report = ran.ends(0, &[]).json();
        assert_eq!(text(&report, "verdict"), "pass");
        assert_eq!(at(&report, "level"), &Json::Null);
        assert_eq!(at(&report, "lineageLevel"), &Json::Null);
        assert_eq!(text(&report, "threats.D1"), "none");
        for id in ["V1", "V2", "V4"] {
            assert!(has_check(&report, "pass", &[id]), "{id} {report}");
        }
        assert!(!has_check(&report, "pass", &["V3"]), "{report}");
        let id = format!("sha256:{}", sandbox.sha256("orders.csv.attestation"));
        assert_eq!(text(&report, "attestation"), id);
    }
    let told = sandbox.makoto(&["validate", "orders.csv.attestation"]);
    assert!(
        told.stdout.starts_with("orders.csv.attestation: passes\n"),
        "{told:?}"
    );
}

#[test]
fn every_finding_is_told_at_once_with_path_found_and_needed() {
    let sandbox = orders();
    let mut bad = sandbox.json("orders.csv.attestation");
    for (path, key, value) in [
        ("subject.0.digest", "sha256", Some("ABC")),
        ("subject.0", "name", Some("")),
        ("predicate.origin", "collectionTimestamp", Some("yesterday")),
        ("predicate.origin", "source", None),
        ("predicate.collector", "environment", Some("moon")),
        ("predicate.metadata", "bytesCollected", Some("many")),
    ] {
        bad = with(&bad, path, key, value.map(Json::from));
    }
    let ran = validate(&sandbox, bad.to_string());
    let report = ran.ends(1, &[]).json();
    assert_eq!(text(&report, "verdict"), "fail");
    for path in [
        "subject[0].digest.sha256",
        "subject[0].name",
        "predicate.origin.collectionTimestamp",
        "predicate.origin.source",
        "predicate.collector.environment",
        "predicate.metadata.bytesCollected",
    ] {
        assert!(has_check(&report, "fail", &[path]), "{path} {report}");
    }
    let all = at(&report, "checks").as_array().expect("checks");
    let wrong = all
        .iter()
        .find(|check| text(check, "path") == "subject[0].digest.sha256");
    let wrong = wrong.expect("the digest is told");
    let told = wrong.to_string();
    assert!(
        told.contains("ABC") && told.contains("64 lower-case hex digits"),
        "{told}"
    );
    let ran = finish(
        sandbox.command().args(["validate", "-"]),
        bad.to_string().as_bytes(),
    );
    assert!(ran.stdout.matches("fail ").count() >= 6, "{ran:?}");
}

#[test]
fn recommended_fields_are_warnings() {
    let sandbox = orders();
    let report = sandbox
        .makoto(&["validate", "orders.csv.attestation", "--json"])
        .json();
    let missing = ["P2", "predicate.origin.sourceType", "recommended"];
    assert!(has_check(&report, "warn", &missing), "{report}");
    assert_eq!(text(&report, "verdict"), "pass");
}

#[test]
fn rules_that_hold_from_l2_on_are_warnings_before() {
    let sandbox = orders();
    let step = [
        "attest",
        "transform",
        "o.csv",
        "--input",
        "i.csv",
        "--executor",
        "e",
    ];
    sandbox.write("i.csv", "a\n");
    sandbox.write("o.csv", "a\n");
    sandbox.makoto(&step).ends(0, &[]);
    let l1 = sandbox.makoto(&["validate", "o.csv.attestation", "--json"]);
    assert!(has_check(&l1.ends(0, &[]).json(), "warn", &["startedOn"]));
    let l2 = sandbox.makoto(&["validate", "o.csv.attestation", "--json", "--level", "L2"]);
    let report = l2.ends(1, &[]).json();
    assert!(has_check(&report, "fail", &["startedOn"]), "{report}");
    assert_eq!(at(&report, "level"), &Json::Null);
}

#[test]
fn the_exit_status_tells_pass_fail_and_could_not_tell() {
    let sandbox = orders();
    let good = sandbox.read("orders.csv.attestation");
    for (document, status) in [
        (good.clone(), 0),
        ([&good[..], b"\n \t\r\n"].concat(), 0),
        (envelope(&good, 1).into_bytes(), 0),
        (b"{}".to_vec(), 1),
        (b"".to_vec(), 1),
        (b"not json".to_vec(), 1),
        (good[1..].to_vec(), 1),
        ([b"\xef\xbb\xbf", &good[..]].concat(), 1),
        (b"{\"a\":\"\xc3\x28\"}".to_vec(), 1),
        (b"{\"a\":NaN}".to_vec(), 1),
    ] {
        let ran = validate(&sandbox, &document);
        let shown = String::from_utf8_lossy(&document).into_owned();
        assert_eq!(ran.status, status, "{shown} {ran:?}");
        let verdict = if status == 0 { "pass" } else { "fail" };
        assert_eq!(text(&ran.json(), "verdict"), verdict);
    }
    for missing in ["gone.json", ".", "no/gone.json"] {
        let ran = sandbox.makoto(&["validate", missing, "--json"]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert_eq!(text(&ran.json(), "verdict"), "unknown");
    }
    sandbox.makoto(&["validate"]).ends(2, &["<FILE|sha256:ID>"]);
}

#[test]
fn a_second_document_after_a_good_one_fails() {
    let sandbox = orders();
    let good = sandbox.read_text("orders.csv.attestation");
    for trailing in [
        &format!("\n{good}") as &str,
        "{}",
        "x",
        "\0",
        ",",
        "\u{a0}",
        "\u{feff}",
    ] {
        let ran = validate(&sandbox, format!("{good}{trailing}"));
        let report = ran.ends(1, &[]).json();
        assert!(
            has_check(&report, "fail", &["V1", "follows"]),
            "{trailing:?} {report}"
        );
    }
}

#[test]
fn duplicate_keys_at_any_depth_fail() {
    let sandbox = orders();
    let good = sandbox.read_text("orders.csv.attestation");
    for (from, to) in [
        ("\"_type\":", "\"_type\":1,\"_type\":"),
        ("\"id\":", "\"id\":\"x\",\"id\":"),
        ("\"id\":", "\"\\u0069d\":\"x\",\"id\":"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let report = validate(&sandbox, bad).ends(1, &[]).json();
        assert!(has_check(&report, "fail", &["duplicate key"]), "{report}");
    }
}

#[test]
fn an_envelope_is_validated_by_its_payload_and_its_signatures_are_not_vouched_for() {
    let sandbox = orders();
    let good = sandbox.read("orders.csv.attestation");
    let report = validate(&sandbox, envelope(&good, 3)).ends(0, &[]).json();
    assert!(
        has_check(&report, "skip", &["3 signature(s)", "not checked"]),
        "{report}"
    );
    let id = format!("sha256:{}", sandbox.sha256("orders.csv.attestation"));
    assert_eq!(text(&report, "attestation"), id);
    let bad = validate(&sandbox, envelope(b"{\"a\":1,\"a\":2}", 1))
        .ends(1, &[])
        .json();
    assert!(
        has_check(&bad, "fail", &["payload", "duplicate key"]),
        "{bad}"
    );
}

#[test]
fn a_file_of_several_bundles_is_validated_line_by_line() {
    let sandbox = orders();
    let good = sandbox.read("orders.csv.attestation");
    let bundles = |second: &[u8]| {
        let lines = [envelope(&good, 1), envelope(second, 1)];
        format!("{}\n{}\n", lines[0], lines[1])
    };
    let report = validate(&sandbox, bundles(&good)).ends(0, &[]).json();
    assert!(
        has_check(&report, "skip", &["not checked", "(line 2)"]),
        "{report}"
    );
    let bad = validate(&sandbox, bundles(b"{}")).ends(1, &[]).json();
    assert!(has_check(&bad, "fail", &["(line 2)"]), "{bad}");
    assert!(!has_check(&bad, "fail", &["(line 1)"]), "{bad}");
}

#[test]
fn that_a_statement_is_unsigned_is_told_where_l2_is_asked_for() {
    let sandbox = orders();
    let ran = sandbox.makoto(&["validate", "orders.csv.attestation", "--level", "L2"]);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("L2.P.1"), "{ran:?}");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let sandbox = Sandbox::new();
    for (name, document) in [
        (
            "lists",
            format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20)),
        ),
        ("open", "[".repeat(2 << 20)),
        ("objects", "{\"a\":".repeat(400_000)),
        ("mixed", "[{\"a\":".repeat(300_000)),
    ] {
        sandbox.write(name, document);
        let (ran, peak) = measured(&sandbox, &["validate", name, "--json"]);
        assert_eq!(ran.status, 1, "{name}");
        assert!(has_check(&ran.json(), "fail", &["nested deeper"]), "{name}");
        assert!(peak < 64 << 10, "{name}: {peak} KiB");
        let piped = validate(&sandbox, sandbox.read(name));
        assert_eq!(piped.status, 1, "{name}");
    }
}

#[test]
fn a_document_with_too_many_values_is_refused_with_bounded_memory() {
    let sandbox = Sandbox::new();
    sandbox.write("wide", format!("[{}0]", "[],".repeat(5_000_000)));
    let (ran, peak) = measured(&sandbox, &["validate", "wide", "--json"]);
    assert_ne!(ran.status, 0);
    assert!(ran.stdout.contains("more than"), "{ran:?}");
    assert!(peak < 256 << 10, "{peak} KiB");
}

#[test]
fn many_lines_of_too_many_values_are_refused_with_bounded_memory() {
    let sandbox = orders();
    let line = format!("{{\"a\":[{}0]}}\n", "[],".repeat(990_000));
    sandbox.write("orders.csv.attestation", line.repeat(22));
    let (ran, peak) = measured(&sandbox, &["verify", "orders.csv", "--json"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stdout.contains("more than"), "{ran:?}");
    assert!(peak < 512 << 10, "{peak} KiB");
}

/// A good statement with white space after it, up to this many bytes more.
fn padded(sandbox: &Sandbox, name: &str, bytes: usize) {
    let good = sandbox.read_text("orders.csv.attestation");
    sandbox.write(name, good + &" ".repeat(bytes));
}

#[test]
fn a_document_over_the_budget_never_passes_and_is_not_held_in_memory() {
    let sandbox = orders();
    padded(&sandbox, "large", 17 << 20);
    padded(&sandbox, "huge", 100 << 20);
    for name in ["large", "huge"] {
        let (ran, peak) = measured(&sandbox, &["validate", name, "--json"]);
        assert_ne!(ran.status, 0, "{name} {ran:?}");
        assert_ne!(text(&ran.json(), "verdict"), "pass", "{name}");
        assert!(ran.stdout.contains("bytes"), "{name} {ran:?}");
        assert!(peak < 64 << 10, "{name}: {peak} KiB");
    }
    for script in [
        "exec \"$makoto\" validate - --json < large",
        "yes | \"$makoto\" validate - --json",
    ] {
        let ran = finish(&mut sandbox.shell(script), b"");
        assert_ne!(ran.status, 0, "{script} {ran:?}");
        assert_ne!(text(&ran.json(), "verdict"), "pass", "{script}");
    }
    padded(&sandbox, "small", 15 << 20);
    assert_eq!(sandbox.makoto(&["validate", "small"]).status, 0);
}

#[test]
fn a_document_over_the_budget_is_unknown() {
    // FORMATS §6: a budget reached is unknown, whichever budget it is.
    let sandbox = orders();
    padded(&sandbox, "huge", 100 << 20);
    padded(&sandbox, "large", 17 << 20);
    for name in ["huge", "large"] {
        for arguments in [
            &["validate", name, "--json"][..],
            &["verify", "orders.csv", "--json", "--attestation", name],
        ] {
            let ran = sandbox.makoto(arguments);
            let verdict = ran.json();
            let verdict = text(&verdict, "verdict");
            assert_eq!((ran.status, verdict), (2, "unknown"), "{ran:?}");
        }
    }
}

#[test]
fn a_bill_of_materials_is_checked_for_its_shape_only() {
    let sandbox = Sandbox::new();
    let good = r#"{"dbomVersion":"1.0.0","dbomId":"urn:dbom:acme:orders","dataset":{"name":"dataset:orders"},"sources":[{"name":"s","attestationRef":"https://a.example/s","makotoLevel":"L3"}]}"#;
    let report = validate(&sandbox, good).ends(0, &[]).json();
    assert!(
        has_check(&report, "pass", &["DBOM", "not verified"]),
        "{report}"
    );
    assert_eq!(at(&report, "level"), &Json::Null);
    for (from, to) in [
        ("\"1.0.0\"", "\"2.0.0\""),
        ("[{", "[] ,\"x\":[{"),
        ("\"dataset:orders\"", "\"\""),
        ("L3", "L9"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let ran = validate(&sandbox, &bad);
        assert_eq!(ran.status, 1, "{bad} {ran:?}");
    }
}

#[test]
fn the_schema_of_each_kind_is_printed_as_json() {
    let sandbox = Sandbox::new();
    for (kind, required) in [
        ("origin", "predicateType"),
        ("transform", "predicateType"),
        ("stream-window", "predicateType"),
        ("dbom", "dbomVersion"),
    ] {
        let ran = sandbox.makoto(&["schema", kind]);
        ran.ends(0, &[]);
        let schema = parse(ran.stdout.as_bytes());
        assert_eq!(
            text(&schema, "$schema"),
            "https://json-schema.org/draft/2020-12/schema"
        );
        let names = at(&schema, "required").as_array().expect("required fields");
        assert!(names.contains(&Json::from(required)), "{kind}");
        let again = sandbox.makoto(&["schema", kind]);
        assert_eq!(again.stdout, ran.stdout);
    }
    sandbox
        .makoto(&["schema", "window"])
        .ends(2, &["stream-window"]);
    sandbox.makoto(&["schema"]).ends(2, &["<KIND>"]);
}
