//! Records as `attest origin` counts them: CSV, JSON Lines, compression, canonical form.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, has_check, passes, settings, text};
use crate::sandbox::{Sandbox, finish};

const READINGS: &str = "{\"id\":1,\"c\":20.5}\n{\"id\":2,\"c\":21.0}\n\n{\"id\":3,\"c\":19.8}\n";

pub(crate) fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).expect("it can be compressed");
    encoder.finish().expect("it can be compressed")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("it can be compressed")
}

/// Root of a record tree, worked out from RFC 6962 §2.1 by definition.
fn root(records: &[&str]) -> Digest {
    match records {
        [] => Digest::of(b""),
        [record] => Digest::of(&[&[0], record.as_bytes()].concat()),
        _ => {
            let (left, right) = records.split_at(records.len().next_power_of_two() / 2);
            let (left, right) = (root(left), root(right));
            Digest::of(&[&[1], &left.as_bytes()[..], right.as_bytes()].concat())
        }
    }
}

#[test]
fn count_and_root_are_strings_and_those_of_rfc_6962() {
    let sandbox = Sandbox::new();
    let csv = "id,note\r\n1,\"two\r\nlines\"\r\n2,\"a \"\"b\"\"\"\r\n\r\n3,last";
    sandbox.write("data.csv", csv);
    let statement = sandbox.attested("data.csv", &[]);
    let records = ["1,\"two\r\nlines\"", "2,\"a \"\"b\"\"\"", "", "3,last"];
    assert_eq!(
        at(&statement, "subject.0.digest.recordCount"),
        &Json::from("4")
    );
    assert_eq!(
        at(&statement, "subject.0.digest.merkleRoot"),
        &Json::from(root(&records).to_string())
    );
    assert_eq!(text(&statement, "subject.0.mediaType"), "text/csv");
    let header = Digest::of(b"id,note").to_string();
    assert_eq!(text(settings(&statement), "headerDigest.sha256"), header);
    passes(&sandbox.verify("data.csv", &[]));
}

#[test]
fn repeating_the_last_record_changes_the_root() {
    let sandbox = Sandbox::new();
    sandbox.write("abc.jsonl", "1\n2\n3\n");
    sandbox.write("abcc.jsonl", "1\n2\n3\n3\n");
    let [abc, abcc] = ["abc.jsonl", "abcc.jsonl"].map(|file| sandbox.attested(file, &[]));
    let expected = root(&["1", "2", "3"]).to_string();
    assert_eq!(text(&abc, "subject.0.digest.merkleRoot"), expected);
    assert_ne!(text(&abcc, "subject.0.digest.merkleRoot"), expected);
}

#[test]
fn the_annotation_says_all_that_is_needed_to_count_again() {
    let sandbox = Sandbox::new();
    for (file, content, options, expected) in [
        (
            "a.csv",
            "a,b\n",
            &[][..],
            &[
                ("format", "csv"),
                ("delimiter", ","),
                ("quote", "\""),
                ("compression", "none"),
            ][..],
        ),
        (
            "b.tsv",
            "a\tb\n",
            &[],
            &[("format", "csv"), ("delimiter", "\t")],
        ),
        (
            "c.csv",
            "a;'b'\n",
            &["--delimiter", ";", "--quote", "'"],
            &[("delimiter", ";"), ("quote", "'")],
        ),
        (
            "d.txt",
            "a\tb\"\n",
            &["--format", "csv", "--delimiter", "tab", "--quote", "none"],
            &[("delimiter", "\t"), ("quote", "none")],
        ),
        (
            "e.ndjson",
            "1\n",
            &[],
            &[("format", "jsonl"), ("encoding", "bytes")],
        ),
        (
            "f.jsonl",
            "1\n",
            &["--canonical"],
            &[("encoding", "rfc8785")],
        ),
        (
            "g.txt",
            "1\n",
            &["--format", "jsonl"],
            &[("format", "jsonl")],
        ),
    ] {
        sandbox.write(file, content);
        let statement = sandbox.attested(file, options);
        for (key, value) in expected {
            assert_eq!(text(settings(&statement), key), *value, "{file} {key}");
        }
        // Counted again from the annotation alone, whatever the file is called by then.
        sandbox.write("renamed", content);
        let sidecar = format!("{file}.attestation");
        let verified = sandbox.verify("renamed", &["--attestation", &sidecar]);
        passes(&verified);
        let counted = ["digest.merkleRoot", "equals what the data has"];
        assert!(has_check(&verified.1, "pass", &counted), "{file}");
    }
}

#[test]
fn the_first_csv_record_is_a_header_unless_it_is_said_not_to_be() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n2\n");
    let with = sandbox.attested("data.csv", &["--out", "with"]);
    let without = sandbox.attested("data.csv", &["--no-header", "--out", "without"]);
    assert_eq!(text(&with, "subject.0.digest.recordCount"), "2");
    assert_eq!(text(&without, "subject.0.digest.recordCount"), "3");
    assert_eq!(at(settings(&with), "header"), &Json::Bool(true));
    assert_eq!(at(settings(&without), "header"), &Json::Bool(false));
    assert_eq!(at(settings(&without), "headerDigest"), &Json::Null);
}

#[test]
fn empty_data_has_no_records_and_the_digest_of_nothing() {
    let sandbox = Sandbox::new();
    let nothing = Digest::of(b"").to_string();
    for file in ["empty.csv", "empty.jsonl", "empty.bin"] {
        sandbox.write(file, "");
        let statement = sandbox.attested(file, &[]);
        assert_eq!(text(&statement, "subject.0.digest.sha256"), nothing);
        if file != "empty.bin" {
            assert_eq!(text(&statement, "subject.0.digest.recordCount"), "0");
            assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), nothing);
        }
        passes(&sandbox.verify(file, &[]));
        sandbox.write(file, "\n");
        assert_eq!(sandbox.verify(file, &[]).0, 1, "{file}");
    }
}

#[test]
fn bad_quoting_names_the_line_and_writes_nothing() {
    let sandbox = Sandbox::new();
    for (csv, line) in [
        ("a,b\n1,2\n3,\"x\" y\n", "line 3"),
        ("a,b\n1,2\n3,\"open\n4,5\n", "line 3"),
        ("a,b\n1,\"two\nlines\"\n3,x\"y\n", "line 4"),
    ] {
        sandbox.write("bad.csv", csv);
        let ran = sandbox.attest("bad.csv", &[]);
        ran.ends(2, &["bad.csv", line, "--format bytes"]);
        assert_eq!(sandbox.names(), ["bad.csv"]);
    }
    let statement = sandbox.attested("bad.csv", &["--format", "bytes"]);
    assert_eq!(at(&statement, "subject.0.digest.recordCount"), &Json::Null);
    assert_eq!(settings(&statement), &Json::Null);
    let digest = sandbox.sha256("bad.csv");
    assert_eq!(text(&statement, "subject.0.digest.sha256"), digest);
    passes(&sandbox.verify("bad.csv", &[]));
}

#[test]
fn a_line_far_into_the_data_is_still_named_right() {
    let sandbox = Sandbox::new();
    let mut csv = "id,note\n".to_owned();
    for id in 0..400_000 {
        csv.push_str(&format!("{id},fine\n"));
    }
    csv.push_str("400000,not\"fine\n400001,fine\n");
    sandbox.write("long.csv", csv);
    sandbox.attest("long.csv", &[]).ends(2, &["line 400002"]);
}

#[test]
fn compressed_records_are_counted_inside_while_the_digest_is_that_of_the_stored_bytes() {
    let sandbox = Sandbox::new();
    sandbox.write("plain.jsonl", READINGS);
    sandbox.write("data.jsonl.gz", gzip(READINGS.as_bytes(), 6));
    sandbox.write("data.jsonl.zst", zstd(READINGS.as_bytes()));
    let plain = sandbox.attested("plain.jsonl", &[]);
    for (file, compression, media) in [
        ("data.jsonl.gz", "gzip", "application/gzip"),
        ("data.jsonl.zst", "zstd", "application/zstd"),
    ] {
        let statement = sandbox.attested(file, &[]);
        let digest = |key: &str| text(&statement, &format!("subject.0.digest.{key}")).to_owned();
        assert_eq!(digest("sha256"), sandbox.sha256(file));
        assert_eq!(digest("recordCount"), "3");
        assert_eq!(
            digest("merkleRoot"),
            text(&plain, "subject.0.digest.merkleRoot")
        );
        assert_eq!(text(settings(&statement), "compression"), compression);
        assert_eq!(text(&statement, "subject.0.mediaType"), media);
        passes(&sandbox.verify(file, &[]));
    }
}

#[test]
fn several_gzip_members_are_one_content() {
    let sandbox = Sandbox::new();
    let (first, second) = READINGS.split_at(25);
    let members = [gzip(first.as_bytes(), 1), gzip(second.as_bytes(), 9)].concat();
    sandbox.write("data.jsonl.gz", members);
    sandbox.write("plain.jsonl", READINGS);
    let [members, plain] = ["data.jsonl.gz", "plain.jsonl"].map(|file| sandbox.attested(file, &[]));
    let root = "subject.0.digest.merkleRoot";
    assert_eq!(text(&members, root), text(&plain, root));
}

#[test]
fn in_canonical_form_key_order_and_spacing_do_not_matter_and_values_do() {
    let sandbox = Sandbox::new();
    let root = |file: &str, content: &str, options: &[&str]| {
        sandbox.write(file, content);
        let statement = sandbox.attested(file, options);
        text(&statement, "subject.0.digest.merkleRoot").to_owned()
    };
    let one = "{\"a\":1,\"b\":\"\u{e9}\"}\n[1,2]\n";
    let same = "{ \"b\" : \"\\u00e9\", \"a\" : 1.0 }\r\n[ 1 , 2 ]\n";
    let near = "{\"a\":1,\"b\":\"e\u{301}\"}\n[1,2]\n";
    let canonical = root("one.jsonl", one, &["--canonical"]);
    assert_eq!(root("same.jsonl", same, &["--canonical"]), canonical);
    assert_ne!(root("near.jsonl", near, &["--canonical"]), canonical);
    assert_ne!(
        root(
            "order.jsonl",
            "[1,2]\n{\"a\":1,\"b\":\"\u{e9}\"}\n",
            &["--canonical"]
        ),
        canonical
    );
    assert_ne!(
        root("bytes.jsonl", same, &[]),
        root("bytes2.jsonl", one, &[])
    );
    passes(&sandbox.verify("same.jsonl", &[]));
}

#[test]
fn a_record_without_a_canonical_form_names_its_line() {
    let sandbox = Sandbox::new();
    for (record, why) in [
        ("{\"a\":1,\"a\":2}", "duplicate key"),
        ("{\"a\":9007199254740993}", "9007199254740993"),
        ("{\"a\":NaN}", "not valid JSON"),
        ("{\"a\":\"\\ud800\"}", "surrogate"),
        ("{\"a\":1} {\"a\":2}", "follows"),
    ] {
        sandbox.write("bad.jsonl", format!("{{\"a\":1}}\n\n{record}\n"));
        sandbox
            .attest("bad.jsonl", &["--canonical"])
            .ends(2, &["line 3", why]);
        assert_eq!(sandbox.names(), ["bad.jsonl"], "{record}");
    }
    sandbox.attested("bad.jsonl", &[]);
}

#[test]
fn an_option_that_would_mean_nothing_is_refused() {
    let sandbox = Sandbox::new();
    for file in ["data.bin", "data.csv", "data.jsonl", "parts/a"] {
        sandbox.write(file, "1\n");
    }
    for (data, options) in [
        ("data.bin", &["--delimiter", ";"][..]),
        ("data.bin", &["--quote", "'"]),
        ("data.bin", &["--no-header"]),
        ("data.bin", &["--canonical"]),
        ("data.csv", &["--canonical"]),
        ("data.csv", &["--format", "bytes", "--delimiter", ";"]),
        ("data.csv", &["--delimiter", ";", "--quote", ";"]),
        ("data.csv", &["--delimiter", ";;"]),
        ("data.csv", &["--delimiter", ""]),
        ("data.csv", &["--delimiter", "é"]),
        ("data.csv", &["--format", "parquet"]),
        ("data.jsonl", &["--delimiter", ";"]),
        ("data.jsonl", &["--no-header"]),
        ("parts", &["--delimiter", ";"]),
        ("parts", &["--canonical"]),
    ] {
        let ran = sandbox.attest(data, options);
        assert_eq!(ran.status, 2, "{data} {options:?} {ran:?}");
        assert!(
            ran.stderr.contains("--") && ran.stdout.is_empty(),
            "{ran:?}"
        );
    }
    assert_eq!(
        sandbox.names(),
        ["data.bin", "data.csv", "data.jsonl", "parts"]
    );
    sandbox.attested("data.csv", &["--delimiter", ";"]);
}

#[test]
fn a_line_end_at_the_end_is_no_record_and_a_lone_carriage_return_is_no_line_end() {
    let sandbox = Sandbox::new();
    for (content, count) in [
        ("1\n2", "2"),
        ("1\n2\n", "2"),
        ("1\n2\n\n", "2"),
        ("1\r2\n", "1"),
    ] {
        sandbox.write("data.jsonl", content);
        let statement = sandbox.attested("data.jsonl", &["--replace"]);
        let counted = text(&statement, "subject.0.digest.recordCount");
        assert_eq!(counted, count, "{content:?}");
    }
}

#[test]
fn what_the_shell_counts_is_what_makoto_counts() {
    let sandbox = Sandbox::new();
    let lines: String = (0..250_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    sandbox.write("data.jsonl", lines);
    let counted = finish(&mut sandbox.shell("wc -l < data.jsonl"), b"");
    let statement = sandbox.attested("data.jsonl", &[]);
    assert_eq!(
        text(&statement, "subject.0.digest.recordCount"),
        counted.stdout.trim()
    );
}
