//! One document or one file that could be read in two ways.

use makoto::json::Json;

use crate::document::{at, envelope, fails, has_check, object, passes, text, with};
use crate::sandbox::Sandbox;
use crate::verify::orders;

/// Adds a second subject to a statement, changed in one digest.
fn with_second_subject(statement: &Json, name: &str, key: &str, value: &str) -> Json {
    let first = at(statement, "subject.0").clone();
    let mut second = with(&first, "digest", key, Some(value.into()));
    if let Json::Object(members) = &mut second {
        members.insert("name", name.into());
    }
    let mut both = statement.clone();
    if let Json::Object(members) = &mut both {
        members.insert("subject", vec![first, second].into());
    }
    both
}

#[test]
fn the_records_of_the_subject_that_was_asked_for_are_the_ones_that_count() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let mut two = with_second_subject(&good, "dataset:evil", "recordCount", "999999");
    // Its records would be cut in another way, too.
    let annotations = object(&mut two, "subject.1.annotations");
    if let Some(Json::Object(settings)) = annotations.get_mut(crate::document::RECORDS) {
        settings.insert("delimiter", ";".into());
    }
    sandbox.write("orders.csv.attestation", two.to_string());
    passes(&sandbox.verify("orders.csv", &["--as", "dataset:orders"]));
    fails(
        &sandbox.verify("orders.csv", &["--as", "dataset:evil"]),
        &["V3", "recordCount"],
    );
}

#[test]
fn counts_of_a_folder_are_never_passed_off_as_checked() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a", "1");
    let good = sandbox.attested("parts", &[]);
    let forged = with(
        &good,
        "subject.0.digest",
        "recordCount",
        Some("999999".into()),
    );
    sandbox.write("parts.attestation", forged.to_string());
    for member in [&[][..], &["--member", "a"]] {
        let (status, report) = sandbox.verify("parts", member);
        assert_eq!(status, 0);
        assert!(
            has_check(&report, "warn", &["recordCount", "not checked"]),
            "{report}"
        );
    }
}

#[test]
fn a_document_that_is_a_statement_and_an_envelope_is_refused() {
    let sandbox = orders();
    let statement = sandbox.read_text("orders.csv.attestation");
    let wrapped = envelope(statement.as_bytes(), 0);
    let open = statement.strip_suffix('}').expect("an object");
    let both = format!("{open},{}", &wrapped[1..]);
    sandbox.write("orders.csv.attestation", both);
    fails(&sandbox.verify("orders.csv", &[]), &["L2.V.1", "both"]);
}

#[test]
fn a_newer_statement_that_is_not_valid_is_not_passed_over_in_silence() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let bad = with(&good, "predicate.origin", "source", None);
    sandbox.write("orders.csv.attestation", format!("{good}\n{bad}\n"));
    let (status, report) = sandbox.verify("orders.csv", &[]);
    assert_eq!(status, 0);
    assert!(
        has_check(&report, "warn", &["not valid", "origin.source"]),
        "{report}"
    );
}

#[test]
fn the_id_of_a_statement_does_not_depend_on_its_neighbours() {
    let sandbox = orders();
    let statement = sandbox.read_text("orders.csv.attestation");
    let id =
        |sandbox: &Sandbox| text(&sandbox.verify("orders.csv", &[]).1, "attestation").to_owned();
    let alone = id(&sandbox);
    sandbox.write("orders.csv.attestation", format!("{statement}\n"));
    assert_eq!(id(&sandbox), alone);
    sandbox.write(
        "orders.csv.attestation",
        format!("{{\"a\":1}}\n{statement}\n"),
    );
    assert_eq!(id(&sandbox), alone);
}

#[test]
fn a_renamed_header_is_never_called_a_change_of_compression_or_line_ends() {
    let sandbox = orders();
    let renamed = sandbox.read_text("orders.csv").replacen("id", "ID", 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, renamed.as_bytes()).expect("in memory");
    let gzip = gzip.finish().expect("in memory");
    for bytes in [renamed.as_bytes(), &gzip] {
        sandbox.write("orders.csv", bytes);
        let (status, report) = sandbox.verify("orders.csv", &[]);
        assert_eq!(status, 1);
        assert!(
            !report.to_string().contains("records identical"),
            "{report}"
        );
    }
}
