//! Statements that were edited, and documents that are something else.

use std::fs;

use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{RECORDS, at, basis, envelope, fails, has_check, passes, text, with};
use crate::sandbox::Sandbox;
use crate::verify::orders;

/// Writes this statement beside the data, in place of the one that is there.
fn forge(sandbox: &Sandbox, data: &str, statement: &Json) {
    sandbox.write(&format!("{data}.attestation"), statement.to_string());
}

#[test]
fn a_wrong_count_or_root_fails_although_the_bytes_are_right() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let digest = "subject.0.digest";
    let root = Digest::of(b"x").to_string();
    for (key, value) in [
        ("recordCount", "3"),
        ("recordCount", "1"),
        ("recordCount", "20"),
        ("merkleRoot", root.as_str()),
    ] {
        let forged = with(&good, digest, key, Some(value.into()));
        forge(&sandbox, "orders.csv", &forged);
        fails(
            &sandbox.verify("orders.csv", &[]),
            &["V3", key, "statement says"],
        );
    }
    for same in ["2", "02"] {
        let forged = with(&good, digest, "recordCount", Some(same.into()));
        forge(&sandbox, "orders.csv", &forged);
        passes(&sandbox.verify("orders.csv", &[]));
    }
}

#[test]
fn settings_that_do_not_fit_the_records_fail() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let other = Json::from([("sha256", Digest::of(b"id,amount").to_string().into())]);
    let quoted = Json::from("1");
    for (key, value) in [
        ("header", Json::Bool(false)),
        ("format", "jsonl".into()),
        ("compression", "gzip".into()),
        ("headerDigest", other),
        ("quote", quoted),
    ] {
        let place = |statement: &Json| {
            let mut changed = statement.clone();
            let annotations = crate::document::object(&mut changed, "subject.0.annotations");
            let Some(Json::Object(settings)) = annotations.get_mut(RECORDS) else {
                panic!("no settings in {statement}");
            };
            settings.insert(key.to_owned(), value.clone());
            changed
        };
        forge(&sandbox, "orders.csv", &place(&good));
        let (status, report) = sandbox.verify("orders.csv", &[]);
        assert_eq!(
            (status, text(&report, "verdict")),
            (1, "fail"),
            "{key}: {report}"
        );
    }
}

#[test]
fn a_count_without_settings_is_a_warning_and_never_recomputed() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    // A wrong count, to see that nobody vouches for it.
    let forged = with(&good, "subject.0", "annotations", None);
    let forged = with(
        &forged,
        "subject.0.digest",
        "recordCount",
        Some("999".into()),
    );
    forge(&sandbox, "orders.csv", &forged);
    let verified = sandbox.verify("orders.csv", &[]);
    passes(&verified);
    let report = &verified.1;
    for key in ["recordCount", "merkleRoot"] {
        assert!(
            has_check(report, "warn", &["V3", key, "not checked"]),
            "{report}"
        );
        assert!(!has_check(report, "pass", &[key]), "{report}");
        assert_ne!(basis(report, key), "recomputed", "{report}");
    }
    assert_eq!(basis(report, "digest.sha256"), "recomputed");
    let ran = sandbox.makoto(&["verify", "orders.csv"]);
    assert!(
        !ran.stdout.contains("999") && ran.stdout.contains("warning"),
        "{ran:?}"
    );
}

#[test]
fn digests_that_are_not_understood_never_count_towards_a_match() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let digest = "subject.0.digest";
    let more = with(&good, digest, "gitBlob", Some("0000".into()));
    forge(&sandbox, "orders.csv", &more);
    let verified = sandbox.verify("orders.csv", &[]);
    passes(&verified);
    assert!(
        has_check(&verified.1, "skip", &["gitBlob"]),
        "{}",
        verified.1
    );
    let without = with(&more, digest, "sha256", None);
    forge(&sandbox, "orders.csv", &without);
    let (status, report) = sandbox.verify("orders.csv", &[]);
    assert_eq!(status, 1, "{report}");
    assert!(
        has_check(&report, "fail", &["subject[0].digest.sha256"]),
        "{report}"
    );
    for wrong in [
        sandbox.sha256("orders.csv").to_uppercase(),
        "00".repeat(32),
        String::new(),
    ] {
        let wrong = with(&good, digest, "sha256", Some(wrong.into()));
        forge(&sandbox, "orders.csv", &wrong);
        assert_eq!(sandbox.verify("orders.csv", &[]).0, 1);
    }
}

#[test]
fn an_incomplete_or_wrong_statement_fails_although_the_bytes_are_right() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    for (path, key, value, word) in [
        (
            "",
            "_type",
            Some("https://in-toto.io/Statement/v0.1"),
            "_type",
        ),
        ("", "_type", None, "_type"),
        (
            "",
            "predicateType",
            Some("https://slsa.dev/provenance/v1"),
            "predicateType",
        ),
        (
            "",
            "predicateType",
            Some("https://makoto.dev/origin/v2"),
            "predicateType",
        ),
        (
            "",
            "predicateType",
            Some("https://makoto.dev/transform/v1"),
            "inputs",
        ),
        ("", "predicate", None, "predicate"),
        ("", "subject", None, "subject"),
        ("predicate.origin", "source", None, "origin.source"),
        ("predicate.origin", "source", Some(""), "origin.source"),
        (
            "predicate.origin",
            "collectionTimestamp",
            None,
            "collectionTimestamp",
        ),
        (
            "predicate.origin",
            "collectionTimestamp",
            Some("today"),
            "collectionTimestamp",
        ),
        ("predicate.collector", "id", None, "collector.id"),
        ("subject.0", "name", Some("\u{200b}"), "subject[0].name"),
    ] {
        let forged = with(&good, path, key, value.map(Json::from));
        forge(&sandbox, "orders.csv", &forged);
        let (status, report) = sandbox.verify("orders.csv", &[]);
        assert_eq!(
            (status, text(&report, "verdict")),
            (1, "fail"),
            "{key} {report}"
        );
        assert!(
            has_check(&report, "fail", &[word]),
            "{key} {value:?} {report}"
        );
    }
    let extra = with(&good, "predicate", "x-acme", Some(Json::from("kept")));
    forge(&sandbox, "orders.csv", &extra);
    passes(&sandbox.verify("orders.csv", &[]));
}

#[test]
fn a_signed_statement_is_verified_at_l1_and_its_signatures_are_not_believed() {
    let sandbox = orders();
    let statement = sandbox.read("orders.csv.attestation");
    let id = format!("sha256:{}", Digest::of(&statement));
    let dsse = envelope(&statement, 2);
    let bundle = format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{}},"dsseEnvelope":{one}}}"#,
        one = envelope(&statement, 1)
    );
    for (wrapped, count) in [(&dsse, "2 signature(s)"), (&bundle, "1 signature(s)")] {
        sandbox.write("orders.csv.attestation", wrapped);
        let verified = sandbox.verify("orders.csv", &[]);
        passes(&verified);
        assert_eq!(text(&verified.1, "attestation"), id);
        let unchecked = [count, "not checked"];
        assert!(has_check(&verified.1, "skip", &unchecked), "{}", verified.1);
        assert!(
            !has_check(&verified.1, "pass", &["signature"]),
            "{}",
            verified.1
        );
        for level in ["L2", "L3"] {
            let (status, report) = sandbox.verify("orders.csv", &["--level", level]);
            assert_eq!((status, text(&report, "verdict")), (1, "fail"), "{report}");
            assert!(
                has_check(&report, "fail", &["L2.V.4", "no policy"]),
                "{report}"
            );
            assert_eq!(at(&report, "level"), &Json::Null);
            assert_eq!(text(&report, "threats.D1"), "none");
            let refused = ["--level", level, "--output", "copy"];
            assert_eq!(sandbox.verify("orders.csv", &refused).0, 1);
            assert!(!sandbox.exists("copy"));
        }
    }
    sandbox.write("orders.csv.attestation", envelope(&statement, 0));
    fails(
        &sandbox.verify("orders.csv", &["--level", "L2"]),
        &["L2.P.1"],
    );
}

#[test]
fn an_envelope_that_does_not_open_fails() {
    let sandbox = orders();
    let statement = sandbox.read("orders.csv.attestation");
    let good = envelope(&statement, 1);
    for bad in [
        good.replace("vnd.in-toto+json", "vnd.other+json"),
        good.replacen("\"payload\":\"", "\"payload\":\"!", 1),
        envelope(b"not json", 1),
        envelope(b"", 1),
        envelope(&[&statement[..], b"{}"].concat(), 1),
        envelope(envelope(&statement, 1).as_bytes(), 1),
        good.replace("\"sig\"", "\"gis\""),
        r#"{"messageSignature":{"signature":"AAAA"}}"#.to_owned(),
    ] {
        sandbox.write("orders.csv.attestation", &bad);
        let (status, report) = sandbox.verify("orders.csv", &[]);
        assert_eq!((status, text(&report, "verdict")), (1, "fail"), "{bad}");
    }
}

#[test]
fn changed_data_is_not_saved_by_a_signature_nobody_checks() {
    let sandbox = orders();
    let statement = sandbox.read("orders.csv.attestation");
    sandbox.write("orders.csv.attestation", envelope(&statement, 1));
    sandbox.write("orders.csv", "id,total\n");
    fails(&sandbox.verify("orders.csv", &[]), &["V3"]);
    fails(&sandbox.verify("orders.csv", &["--level", "L2"]), &["V3"]);
}

#[test]
fn a_bill_of_materials_is_no_attestation_of_data() {
    let sandbox = orders();
    let sha256 = sandbox.sha256("orders.csv");
    let dbom = format!(
        r#"{{"dbomVersion":"1.0.0","dbomId":"urn:dbom:acme:orders","dataset":{{"name":"dataset:orders","digest":{{"sha256":"{sha256}"}}}},"sources":[{{"name":"s","attestationRef":"https://a.example/s"}}]}}"#
    );
    sandbox.write("orders.csv.attestation", &dbom);
    fails(&sandbox.verify("orders.csv", &[]), &["V2", "_type"]);
    assert_eq!(
        sandbox
            .makoto(&["validate", "orders.csv.attestation"])
            .status,
        0
    );
}

#[test]
fn a_file_that_holds_a_folders_manifest_is_not_the_folder_nor_the_other_way_round() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a", "1");
    sandbox.write("parts/b", "2");
    sandbox.attested("parts", &[]);
    fs::copy(sandbox.path("parts.manifest"), sandbox.path("fake")).expect("a copy");
    assert_eq!(
        sandbox.sha256("fake"),
        text(
            &sandbox.json("parts.attestation"),
            "subject.0.digest.sha256"
        )
    );
    let of_folder = ["--attestation", "parts.attestation"];
    fails(
        &sandbox.verify("fake", &of_folder),
        &["V3", "dirHash", "folder"],
    );
    passes(&sandbox.verify("parts", &of_folder));
    sandbox.attested("fake", &[]);
    let of_file = ["--attestation", "fake.attestation"];
    fails(
        &sandbox.verify("parts", &of_file),
        &["V3", "dirHash", "file"],
    );
    passes(&sandbox.verify("fake", &of_file));
    fails(
        &sandbox.verify(
            "parts",
            &["--attestation", "fake.attestation", "--member", "a"],
        ),
        &["V3"],
    );
}

#[test]
fn a_renamed_header_fails_and_the_records_are_not_called_identical() {
    let sandbox = orders();
    sandbox.write("orders.csv", "id,amount\n1,9.50\n2,12.00\n");
    let verified = sandbox.verify("orders.csv", &[]);
    fails(&verified, &["V3", "digest.sha256"]);
    fails(&verified, &["V3", "headerDigest"]);
    assert!(
        !verified.1.to_string().contains("records identical"),
        "{}",
        verified.1
    );
    // Even where the digest of the bytes is forged to fit.
    let good = sandbox.json("orders.csv.attestation");
    let sha256 = sandbox.sha256("orders.csv");
    let forged = with(&good, "subject.0.digest", "sha256", Some(sha256.into()));
    forge(&sandbox, "orders.csv", &forged);
    fails(&sandbox.verify("orders.csv", &[]), &["V3", "headerDigest"]);
}

#[test]
fn joined_split_and_moved_records_fail_even_where_the_digest_is_forged_to_fit() {
    let sandbox = Sandbox::new();
    let attested = "1,2\n3\n4\n";
    for changed in [
        "1,2\n34\n",
        "1,2\n3\n\n4\n",
        "1\n2\n3\n4\n",
        "3\n1,2\n4\n",
        "1,2\n3\n4\n4\n",
        "1,2\n3\n",
    ] {
        sandbox.write("data.csv", attested);
        let good = sandbox.attested("data.csv", &["--no-header", "--replace"]);
        sandbox.write("data.csv", changed);
        let verified = sandbox.verify("data.csv", &[]);
        fails(&verified, &["V3", "digest.sha256"]);
        assert!(
            !verified.1.to_string().contains("records identical"),
            "{changed:?}"
        );
        let sha256 = sandbox.sha256("data.csv");
        let forged = with(&good, "subject.0.digest", "sha256", Some(sha256.into()));
        forge(&sandbox, "data.csv", &forged);
        fails(&sandbox.verify("data.csv", &[]), &["V3", "merkleRoot"]);
    }
}

#[test]
fn of_several_subjects_the_one_with_the_datas_digest_counts() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let own = at(&good, "subject.0").clone();
    let digest = Json::from([("sha256", Digest::of(b"other").to_string().into())]);
    let other = Json::from([("name", "dataset:other".into()), ("digest", digest)]);
    let both: Json = [other.clone(), own].into_iter().collect();
    forge(
        &sandbox,
        "orders.csv",
        &with(&good, "", "subject", Some(both)),
    );
    let verified = sandbox.verify("orders.csv", &[]);
    passes(&verified);
    assert_eq!(text(&verified.1, "subject.name"), "dataset:orders");
    // The other's name does not come with this one's digest.
    let verified = sandbox.verify("orders.csv", &["--as", "dataset:other"]);
    fails(&verified, &["V2"]);
    let alone: Json = [other].into_iter().collect();
    forge(
        &sandbox,
        "orders.csv",
        &with(&good, "", "subject", Some(alone)),
    );
    fails(&sandbox.verify("orders.csv", &[]), &["V3", "digest.sha256"]);
}
