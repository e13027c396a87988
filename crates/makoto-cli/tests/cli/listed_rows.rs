//! Rows of listed files of a folder, such as those of a snapshot of a Delta or Iceberg table.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use makoto::json::Json;

use crate::document::{fails, has_check, passes, settings, text, with};
use crate::parquet::{Column, INT32, INT64, PLAIN, Page, REQUIRED, file, plain};
use crate::sandbox::{ORIGIN, Ran, Sandbox};
use crate::tables::{part, root};

/// A Delta table whose newest version is of the first and third file.
fn table() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("t/day=1/a.parquet", part(0, 3));
    sandbox.write("t/day=1/old.parquet", part(50, 4));
    sandbox.write("t/day=2/b.parquet", part(3, 5));
    sandbox.write("t/_delta_log/00000000000000000000.json", "{}");
    sandbox.write("list", "day=2/b.parquet\nday=1/a.parquet\n");
    sandbox
}

fn attest(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let listed = ["attest", "origin", "t", "--files-from", "list"];
    sandbox.makoto(&[&listed[..], &ORIGIN, more].concat())
}

fn counts(statement: &Json) -> (&str, &str) {
    (
        text(statement, "subject.0.digest.recordCount"),
        text(statement, "subject.0.digest.merkleRoot"),
    )
}

#[test]
fn the_rows_of_listed_files_are_one_table_in_the_order_of_their_paths() {
    let sandbox = table();
    let ran = attest(&sandbox, &[]);
    assert!(
        ran.ends(0, &[]).stdout.contains("records:     8"),
        "{ran:?}"
    );
    let statement = sandbox.json("t.attestation");
    assert_eq!(counts(&statement), ("8", root(8).as_str()));
    assert_eq!(text(settings(&statement), "format"), "parquet");
    assert_eq!(text(settings(&statement), "schemaDigest.sha256").len(), 64);
    let (status, report) = sandbox.verify("t", &[]);
    passes(&(status, report.clone()));
    assert!(
        has_check(&report, "warn", &["2 other file(s)", "not covered"]),
        "{report}"
    );
    // The same files in a folder of their own are the same table.
    sandbox.write("own/day=1/a.parquet", part(0, 3));
    sandbox.write("own/day=2/b.parquet", part(3, 5));
    let own = sandbox.attested("own", &[]);
    assert_eq!(counts(&own), counts(&statement));
    assert_eq!(
        text(settings(&own), "schemaDigest.sha256"),
        text(settings(&statement), "schemaDigest.sha256")
    );
}

#[test]
fn a_statement_that_says_other_rows_of_listed_files_fails() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    let honest = sandbox.json("t.attestation");
    let zeros = "0".repeat(64);
    for (place, member, value) in [
        ("subject.0.digest", "recordCount", "9"),
        ("subject.0.digest", "merkleRoot", zeros.as_str()),
    ] {
        let lie = with(&honest, place, member, Some(value.into()));
        sandbox.write("t.attestation", lie.to_string());
        fails(&sandbox.verify("t", &[]), &[member]);
    }
    let lie = honest
        .to_string()
        .replace(text(settings(&honest), "schemaDigest.sha256"), &zeros);
    sandbox.write("t.attestation", lie);
    fails(&sandbox.verify("t", &[]), &["schemaDigest"]);
    sandbox.write("t.attestation", honest.to_string());
    passes(&sandbox.verify("t", &[]));
    // A file that is gone, or all of them, is told as that.
    std::fs::remove_file(sandbox.path("t/day=1/a.parquet")).expect("removed");
    fails(&sandbox.verify("t", &[]), &["day=1/a.parquet", "is gone"]);
    std::fs::remove_file(sandbox.path("t/day=2/b.parquet")).expect("removed");
    fails(&sandbox.verify("t", &[]), &["day=2/b.parquet", "is gone"]);
}

#[test]
fn listed_files_of_which_one_drifts_or_lies_are_refused() {
    let sandbox = table();
    let other = file(
        &[Column::new(
            "n",
            INT64,
            REQUIRED,
            vec![Page::data(1, PLAIN, plain([3, 0]))],
        )],
        1,
    );
    sandbox.write("t/day=2/b.parquet", other);
    attest(&sandbox, &[]).ends(2, &["day=1/a.parquet", "day=2/b.parquet", "one schema"]);
    // Its footer promises five rows, and four are there.
    let lie = file(
        &[Column::new(
            "n",
            INT32,
            REQUIRED,
            vec![Page::data(5, PLAIN, plain(3..7))],
        )],
        5,
    );
    sandbox.write("t/day=2/b.parquet", lie);
    attest(&sandbox, &[]).ends(2, &["\"day=2/b.parquet\": cannot be read as Parquet"]);
    assert!(!sandbox.exists("t.attestation") && !sandbox.exists("t.manifest"));
    attest(&sandbox, &["--format", "bytes"]).ends(0, &[]);
    assert_eq!(counts(&sandbox.json("t.attestation")), ("", ""));
    passes(&sandbox.verify("t", &[]));
}

#[test]
fn listed_files_of_several_formats_are_bytes() {
    let sandbox = table();
    sandbox.write("t/day=2/notes.txt", "x");
    sandbox.write("list", "day=1/a.parquet\nday=2/notes.txt\n");
    attest(&sandbox, &[]).ends(0, &[]);
    assert_eq!(counts(&sandbox.json("t.attestation")), ("", ""));
    attest(&sandbox, &["--format", "parquet", "--replace"]).ends(2, &["notes.txt"]);
}

#[test]
fn an_input_of_listed_rows_is_read_as_its_own_attestation_says() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    sandbox.write("out.csv", "id\n");
    let transform = [
        "attest",
        "transform",
        "out.csv",
        "--input",
        "t",
        "--executor",
        "x",
    ];
    let ran = sandbox.makoto(&[&transform[..], &["--json"]].concat());
    let statement = sandbox.written(&ran.json());
    let listed = sandbox.json("t.attestation");
    assert_eq!(
        text(&statement, "predicate.inputs.0.digest.sha256"),
        text(&listed, "subject.0.digest.sha256")
    );
    sandbox.write("t/day=1/old.parquet", "no table");
    sandbox
        .makoto(&[&transform[..], &["--replace"]].concat())
        .ends(0, &[]);
    sandbox.write("t/day=1/a.parquet", part(1, 3));
    let ran = sandbox.makoto(&[&transform[..], &["--replace"]].concat());
    ran.ends(1, &["is not what its attestation says"]);
}

#[test]
fn a_table_that_is_written_while_it_is_read_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("t/a.parquet", part(0, 3));
    let path = sandbox.write("t/b.parquet", part(3, 300_000));
    sandbox.write("list", "b.parquet\na.parquet\n");
    let whole = [&["attest", "origin", "t"], &ORIGIN[..]].concat();
    let listed = [&whole[..], &["--files-from", "list"]].concat();
    for arguments in [whole, listed] {
        let stop = AtomicBool::new(false);
        let ran = thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .expect("the file");
                while !stop.load(Ordering::Relaxed) {
                    // The byte that is there already.
                    file.seek(SeekFrom::Start(0)).expect("it is long enough");
                    file.write_all(b"P").expect("it can be written");
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let ran = sandbox.makoto(&arguments);
            stop.store(true, Ordering::Relaxed);
            ran
        });
        ran.ends(2, &["b.parquet", "changed while it was read"]);
        assert!(!sandbox.exists("t.attestation") && !sandbox.exists("t.manifest"));
    }
}
