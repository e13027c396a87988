//! `makoto attest origin`: what the statement says, what it is called, where it goes.

use makoto::canonical::to_canonical;
use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, text};
use crate::sandbox::{ORIGIN, Sandbox, finish, parse};

const ORDERS: &str = "id,total\n1,9.50\n2,12.00\n";

#[test]
fn every_option_lands_at_its_place_in_the_statement() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    let digest = Digest::of(b"schema").to_string();
    let options = [
        ("--source-type", "database", "origin.sourceType"),
        ("--method", "scheduled-pull", "origin.collectionMethod"),
        (
            "--collected-at",
            "2026-11-20T08:00:00+01:00",
            "origin.collectionTimestamp",
        ),
        ("--geography", "DE", "origin.geography"),
        ("--consent", "contractual", "origin.consent.type"),
        (
            "--consent-reference",
            "https://a.example/c",
            "origin.consent.reference",
        ),
        (
            "--consent-obtained",
            "2026-01-01T00:00:00Z",
            "origin.consent.obtained",
        ),
        (
            "--consent-expires",
            "2027-01-01T00:00:00Z",
            "origin.consent.expires",
        ),
        ("--collector-version", "etl=4.2", "collector.version.etl"),
        ("--environment", "production", "collector.environment"),
        ("--platform", "k8s", "collector.platform"),
        ("--schema-format", "csv", "schema.format"),
        ("--schema-ref", "https://a.example/s", "schema.schemaRef"),
        ("--schema-digest", &digest, "schema.schemaDigest.sha256"),
        ("--schema-version", "3", "schema.schemaVersion"),
        (
            "--license",
            "CC-BY-4.0",
            "dtaCompliance.useStandard.license",
        ),
        ("--dta-version", "1.0.0", "dtaCompliance.standardsVersion"),
        (
            "--dta-title",
            "Orders",
            "dtaCompliance.sourceStandard.datasetTitle",
        ),
        (
            "--dta-issuer",
            "Acme",
            "dtaCompliance.sourceStandard.datasetIssuer",
        ),
        (
            "--dta-description",
            "All",
            "dtaCompliance.sourceStandard.description",
        ),
        (
            "--dta-geography",
            "EU",
            "dtaCompliance.provenanceStandard.dataOriginGeography",
        ),
        (
            "--dta-method",
            "export",
            "dtaCompliance.provenanceStandard.method",
        ),
        (
            "--dta-format",
            "CSV",
            "dtaCompliance.provenanceStandard.dataFormat",
        ),
        (
            "--dta-confidentiality",
            "internal",
            "dtaCompliance.useStandard.confidentialityClassification",
        ),
        (
            "--dta-use",
            "reports",
            "dtaCompliance.useStandard.intendedDataUse",
        ),
        (
            "--collection-duration",
            "PT45M",
            "metadata.collectionDuration",
        ),
    ];
    let mut arguments = vec!["--records-dropped", "7"];
    for (option, value, _) in options {
        arguments.extend([option, value]);
    }
    sandbox.attested("orders.csv", &arguments);
    let statement = sandbox.json("orders.csv.attestation");
    for (option, value, path) in options {
        let value = value.strip_prefix("etl=").unwrap_or(value);
        let path = format!("predicate.{path}");
        assert_eq!(text(&statement, &path), value, "{option}");
    }
    for (path, number) in [
        ("recordsDropped", 7),
        ("recordsCollected", 2),
        ("bytesCollected", 24),
    ] {
        let path = format!("predicate.metadata.{path}");
        assert_eq!(at(&statement, &path), &Json::from(number), "{path}");
    }
    assert_eq!(text(&statement, "_type"), "https://in-toto.io/Statement/v1");
    assert_eq!(
        text(&statement, "predicateType"),
        "https://makoto.dev/origin/v1"
    );
    assert_eq!(text(&statement, "predicate.origin.source"), ORIGIN[1]);
    assert_eq!(text(&statement, "predicate.collector.id"), ORIGIN[3]);
    assert_eq!(
        sandbox
            .makoto(&["validate", "orders.csv.attestation"])
            .status,
        0
    );
}

#[test]
fn what_was_not_given_is_not_in_the_statement() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.bin", "x");
    let statement = sandbox.attested("orders.bin", &[]);
    let keys = |path: &str| {
        let members = at(&statement, path).as_object().expect("an object");
        members.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys("predicate"), ["collector", "metadata", "origin"]);
    assert_eq!(keys("predicate.origin"), ["collectionTimestamp", "source"]);
    assert_eq!(keys("predicate.metadata"), ["bytesCollected"]);
    assert_eq!(keys("subject.0"), ["digest", "name"]);
    assert_eq!(keys("subject.0.digest"), ["sha256"]);
}

#[test]
fn the_default_name_is_the_stem_of_the_file_without_its_compression() {
    let sandbox = Sandbox::new();
    for (file, name) in [
        ("data.csv", "dataset:data"),
        ("data.csv.gz", "dataset:data"),
        ("data.jsonl.zst", "dataset:data"),
        ("data.v2.csv", "dataset:data.v2"),
        ("plain", "dataset:plain"),
        ("sub/größe.txt", "dataset:größe"),
    ] {
        sandbox.write(file, "");
        let statement = sandbox.attested(file, &["--format", "bytes"]);
        assert_eq!(text(&statement, "subject.0.name"), name, "{file}");
    }
    sandbox.write("parts.d/a", "x");
    let statement = sandbox.attested("parts.d", &[]);
    assert_eq!(text(&statement, "subject.0.name"), "dataset:parts.d");
}

#[test]
fn another_name_and_another_place_are_taken_as_given() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    sandbox.write("elsewhere/other", "");
    let options = ["--name", "dataset:eu/orders", "--out", "elsewhere/o.json"];
    let statement = sandbox.attested("orders.csv", &options);
    assert_eq!(text(&statement, "subject.0.name"), "dataset:eu/orders");
    assert!(sandbox.exists("elsewhere/o.json"));
    assert!(!sandbox.exists("orders.csv.attestation"));
    let (status, _) = sandbox.verify("orders.csv", &["--attestation", "elsewhere/o.json"]);
    assert_eq!(status, 0);
}

#[test]
fn the_digest_is_the_one_that_sha256sum_prints() {
    let sandbox = Sandbox::new();
    // Larger than one read, and no whole number of them.
    let bytes: Vec<u8> = (0..3_000_017_u32).map(|n| (n % 251) as u8).collect();
    sandbox.write("data.bin", bytes);
    let statement = sandbox.attested("data.bin", &[]);
    let summed = finish(sandbox.program("sha256sum").arg("data.bin"), b"");
    assert_eq!(
        summed.stdout.split(' ').next(),
        at(&statement, "subject.0.digest.sha256").as_str()
    );
}

#[test]
fn the_sidecar_is_one_canonical_line_and_its_digest_is_the_attestation_id() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    let ran = sandbox.attest(
        "orders.csv",
        &["--geography", "Zürich \"\\\u{7f}", "--json"],
    );
    ran.ends(0, &[]);
    let sidecar = sandbox.read("orders.csv.attestation");
    assert_eq!(to_canonical(&parse(&sidecar)).expect("canonical"), sidecar);
    let told = ran.json();
    let id = format!("sha256:{}", Digest::of(&sidecar));
    assert_eq!(text(&told, "written.0.attestation"), id);
    assert_eq!(at(&told, "subject"), at(&parse(&sidecar), "subject"));
    assert_eq!(text(&told, "written.0.path"), "orders.csv.attestation");
    assert_eq!(text(&told, "written.0.outcome"), "new");
    assert_eq!(sandbox.names(), ["orders.csv", "orders.csv.attestation"]);
}

#[test]
fn source_date_epoch_is_the_time_of_collection() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    let attest = |epoch: &str, out: &str| {
        let mut command = sandbox.command();
        command.args(
            [
                &["attest", "origin", "orders.csv", "--out", out],
                &ORIGIN[..],
            ]
            .concat(),
        );
        finish(command.env("SOURCE_DATE_EPOCH", epoch), b"")
    };
    for (epoch, time) in [
        ("0", "1970-01-01T00:00:00Z"),
        ("1795248000", "2026-11-21T08:00:00Z"),
    ] {
        attest(epoch, epoch).ends(0, &[]);
        let statement = sandbox.json(epoch);
        assert_eq!(
            text(&statement, "predicate.origin.collectionTimestamp"),
            time
        );
    }
    attest("0", "again").ends(0, &[]);
    assert_eq!(sandbox.read("again"), sandbox.read("0"));
    for nonsense in [
        "",
        "yesterday",
        "1.5",
        " 1",
        "99999999999999999999",
        "999999999999999",
    ] {
        attest(nonsense, "none").ends(2, &["SOURCE_DATE_EPOCH"]);
        assert!(!sandbox.exists("none"), "{nonsense:?}");
    }
}

#[test]
fn a_required_value_that_is_missing_empty_or_wrong_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    let source = ["--source", "https://a.example"];
    let collector = ["--collector", "c"];
    let both = [&source[..], &collector].concat();
    let cases: &[&[&str]] = &[
        &collector,
        &source,
        &["--source", "", "--collector", "c"],
        &["--source", " \u{200b}", "--collector", "c"],
        &["--source", "https://a.example", "--collector", ""],
        &[&both[..], &["--collected-at", "2026-13-01T00:00:00Z"]].concat(),
        &[&both[..], &["--collected-at", "2026-11-21"]].concat(),
        &[&both[..], &["--collected-at", "2026-11-21T08:00:00"]].concat(),
        &[&both[..], &["--name", ""]].concat(),
        &[&both[..], &["--environment", "moon"]].concat(),
        &[&both[..], &["--consent", "because"]].concat(),
        &[&both[..], &["--consent-reference", "https://a.example"]].concat(),
        &[&both[..], &["--collection-duration", "45 minutes"]].concat(),
        &[&both[..], &["--records-dropped", "-1"]].concat(),
        &[&both[..], &["--collector-version", "4.2"]].concat(),
        &[&both[..], &["--source-type", "dream"]].concat(),
    ];
    for case in cases {
        let ran = sandbox.makoto(&[&["attest", "origin", "orders.csv"], *case].concat());
        assert_eq!(ran.status, 2, "{case:?} {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(sandbox.names(), ["orders.csv"], "{case:?}");
    }
    let ran = sandbox.makoto(&[&["attest", "origin", "orders.csv"], &both[..]].concat());
    ran.ends(0, &[]);
}

#[test]
fn data_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    sandbox.attest("gone.csv", &[]).ends(2, &["gone.csv"]);
    sandbox.attest("no/gone.csv", &[]).ends(2, &["no/gone.csv"]);
    assert!(sandbox.names().is_empty());
}

#[test]
fn who_may_read_the_data_may_read_its_attestation_and_only_they() {
    let sandbox = Sandbox::new();
    for (mode, expected) in [
        (0o600, 0o600),
        (0o640, 0o640),
        (0o644, 0o644),
        (0o444, 0o644),
    ] {
        let name = format!("data-{mode:o}");
        sandbox.write(&name, "x");
        sandbox.set_mode(&name, mode);
        // A mask of the user's own must not take readers away.
        let script =
            format!("umask 077; exec \"$makoto\" attest origin {name} --source s --collector c");
        finish(&mut sandbox.shell(&script), b"").ends(0, &[]);
        assert_eq!(sandbox.mode(&format!("{name}.attestation")), expected);
    }
    sandbox.write("parts/a", "x");
    sandbox.set_mode("parts", 0o750);
    sandbox.attested("parts", &[]);
    assert_eq!(sandbox.mode("parts.attestation"), 0o640);
    assert_eq!(sandbox.mode("parts.manifest"), 0o640);
}
