//! Tables in many files: one dataset, its rows in the order of its paths, and what is left out.

use makoto::json::Json;
use makoto::merkle::{leaf_hash, root_of};

use crate::document::{at, has_check, settings, text};
use crate::parquet::{Column, INT32, INT64, PLAIN, Page, REQUIRED, file, plain};
use crate::sandbox::{ORIGIN, Sandbox};

const FOLDER: &str = "https://makoto.dev/folder/v1";

/// A Parquet file of the numbers from `first`.
pub(crate) fn part(first: i32, count: i32) -> Vec<u8> {
    let page = Page::data(count, PLAIN, plain(first..first + count));
    file(
        &[Column::new("n", INT32, REQUIRED, vec![page])],
        count.into(),
    )
}

/// The root of the rows of the numbers from 0.
pub(crate) fn root(count: i32) -> String {
    let leaves: Vec<_> = (0..count)
        .map(|n| leaf_hash(format!("{{\"n\":{n}}}").as_bytes()))
        .collect();
    root_of(&leaves).to_string()
}

/// A table in three files, with what Spark leaves beside them.
fn table() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, first, count) in [
        ("day=2026-11-20/part-0.parquet", 0, 3),
        ("day=2026-11-20/part-1.parquet", 3, 4),
        ("day=2026-11-21/part-0.parquet", 7, 5),
    ] {
        sandbox.write(&format!("sales/{name}"), part(first, count));
        let (folder, file) = name.split_once('/').expect("a folder");
        sandbox.write(&format!("sales/{folder}/.{file}.crc"), "checksum");
    }
    sandbox.write("sales/_SUCCESS", "");
    sandbox
}

fn excluded(statement: &Json) -> Vec<String> {
    let annotations = at(statement, "subject.0.annotations");
    let exclude = annotations
        .get(FOLDER)
        .and_then(|folder| folder.get("exclude"));
    let exclude = exclude.and_then(Json::as_array).unwrap_or_default();
    let text = |pattern: &Json| pattern.as_str().expect("a pattern").to_owned();
    exclude.iter().map(text).collect()
}

/// Checks that a report has a check with all of these words.
#[track_caller]
fn told(report: &Json, outcome: &str, words: &[&str]) {
    assert!(
        has_check(report, outcome, words),
        "{words:?} not in {report}"
    );
}

#[test]
fn a_partitioned_table_is_one_dataset_with_the_rows_of_all_its_files() {
    let sandbox = table();
    let statement = sandbox.attested("sales", &[]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "12");
    assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), root(12));
    assert_eq!(
        text(&statement, "subject.0.mediaType"),
        "application/vnd.apache.parquet"
    );
    assert_eq!(text(settings(&statement), "format"), "parquet");
    assert_eq!(excluded(&statement), ["_SUCCESS", "*.crc", ".*"]);
    let manifest = sandbox.read_text("sales.manifest");
    let paths: Vec<_> = manifest.lines().map(|line| &line[66..]).collect();
    assert_eq!(
        paths,
        [
            "day=2026-11-20/part-0.parquet",
            "day=2026-11-20/part-1.parquet",
            "day=2026-11-21/part-0.parquet"
        ]
    );
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 0, "{report}");
    told(&report, "warn", &["exclude", "4 file(s) are not covered"]);
    told(&report, "warn", &["exclude", "_SUCCESS, *.crc, .*"]);
    // Doing the same again changes nothing.
    sandbox.attest("sales", &[]).ends(0, &[]);
}

#[test]
fn what_is_left_out_may_change_and_nothing_else() {
    let sandbox = table();
    sandbox.attested("sales", &[]);
    sandbox.write("sales/_SUCCESS", "again");
    sandbox.write("sales/day=2026-11-20/.hidden/deep/file", "new");
    std::fs::remove_file(sandbox.path("sales/day=2026-11-21/.part-0.parquet.crc")).expect("gone");
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 0, "{report}");
    // A file with a name that no pattern has.
    sandbox.write("sales/day=2026-11-22/part-0.parquet", part(12, 1));
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 1, "{report}");
    told(
        &report,
        "fail",
        &["day=2026-11-22/part-0.parquet", "was added"],
    );
    std::fs::remove_file(sandbox.path("sales/day=2026-11-22/part-0.parquet")).expect("gone");
    // A row that changed, and the same rows under another date.
    sandbox.write("sales/day=2026-11-21/part-0.parquet", part(8, 5));
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 1, "{report}");
    told(
        &report,
        "fail",
        &["day=2026-11-21/part-0.parquet", "was changed"],
    );
    sandbox.write("sales/day=2026-11-21/part-0.parquet", part(7, 5));
    assert_eq!(sandbox.verify("sales", &[]).0, 0);
    std::fs::rename(
        sandbox.path("sales/day=2026-11-21"),
        sandbox.path("sales/day=2026-11-23"),
    )
    .expect("a rename");
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 1, "{report}");
    told(&report, "warn", &["dirHash", "records identical"]);
}

#[test]
fn a_table_has_the_same_root_in_one_file_in_few_and_in_many() {
    const ROWS: i32 = 360;
    for parts in [1, 2, 3, 40, 360] {
        let sandbox = Sandbox::new();
        let each = ROWS / parts;
        for index in 0..parts {
            let name = format!("t/part-{index:04}.parquet");
            sandbox.write(&name, part(index * each, each));
        }
        let statement = sandbox.attested("t", &[]);
        assert_eq!(
            text(&statement, "subject.0.digest.merkleRoot"),
            root(ROWS),
            "{parts}"
        );
        assert_eq!(sandbox.verify("t", &[]).0, 0);
    }
    // A file without rows is a part like any other.
    let sandbox = Sandbox::new();
    for (name, first, count) in [("a", 0, 0), ("b", 0, 5), ("c", 5, 0), ("d", 5, 7)] {
        sandbox.write(&format!("t/{name}.parquet"), part(first, count));
    }
    let statement = sandbox.attested("t", &[]);
    assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), root(12));
}

#[test]
fn a_schema_that_drifts_is_refused_with_both_files_and_the_column() {
    let sandbox = table();
    let page = Page::data(1, PLAIN, 7_i64.to_le_bytes());
    let other = file(&[Column::new("n", INT64, REQUIRED, vec![page])], 1);
    sandbox.write("sales/day=2026-11-21/part-1.parquet", other);
    sandbox.attest("sales", &[]).ends(
        2,
        &[
            "day=2026-11-20/part-0.parquet",
            "day=2026-11-21/part-1.parquet",
            "column \"n\"",
            "int64",
            "--format bytes",
        ],
    );
    assert!(!sandbox.exists("sales.attestation"));
    let statement = sandbox.attested("sales", &["--format", "bytes"]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "");
    assert_eq!(excluded(&statement), [""; 0]);
}

#[test]
fn a_part_that_cannot_be_read_is_named() {
    let sandbox = table();
    let mut bytes = part(7, 5);
    bytes.truncate(40);
    sandbox.write("sales/day=2026-11-21/part-0.parquet", &bytes);
    sandbox.attest("sales", &[]).ends(
        2,
        &[
            "\"day=2026-11-21/part-0.parquet\": cannot be read as Parquet",
            "--format bytes",
        ],
    );
    // One whose rows are found wanting only when they are read.
    let lie = file(
        &[Column::new(
            "n",
            INT32,
            REQUIRED,
            vec![Page::data(5, PLAIN, plain(7..11))],
        )],
        5,
    );
    sandbox.write("sales/day=2026-11-21/part-0.parquet", lie);
    sandbox.attest("sales", &[]).ends(
        2,
        &["\"day=2026-11-21/part-0.parquet\": cannot be read as Parquet"],
    );
}

#[test]
fn what_is_left_out_by_default_can_be_kept_and_more_can_be_left_out() {
    let sandbox = table();
    // With its marks the folder is no table, and everything in it is attested.
    let statement = sandbox.attested("sales", &["--no-default-excludes"]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "");
    assert_eq!(excluded(&statement), [""; 0]);
    assert_eq!(sandbox.read_text("sales.manifest").lines().count(), 7);
    sandbox
        .attest("sales", &["--no-default-excludes", "--format", "parquet"])
        .ends(2, &["\"_SUCCESS\": cannot be read as Parquet"]);
    let more = [
        "--exclude",
        "day=2026-11-21",
        "--exclude",
        "*.crc",
        "--replace",
    ];
    let statement = sandbox.attested("sales", &more);
    assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), root(7));
    assert_eq!(
        excluded(&statement),
        ["_SUCCESS", "*.crc", ".*", "day=2026-11-21"]
    );
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 0, "{report}");
    told(&report, "warn", &["exclude", "5 file(s)"]);
}

#[test]
fn a_folder_that_is_no_table_leaves_out_what_it_is_told_to_and_nothing_else() {
    let sandbox = Sandbox::new();
    for name in [
        "docs/a.txt",
        "docs/.hidden",
        "docs/_SUCCESS",
        "docs/tmp/b.bak",
        "docs/c.parquet",
    ] {
        sandbox.write(name, name);
    }
    let statement = sandbox.attested("docs", &[]);
    assert_eq!(*at(&statement, "subject.0.annotations"), Json::Null);
    assert_eq!(sandbox.read_text("docs.manifest").lines().count(), 5);
    let statement = sandbox.attested(
        "docs",
        &["--exclude", "*.bak", "--exclude", ".*", "--replace"],
    );
    assert_eq!(excluded(&statement), ["*.bak", ".*"]);
    assert_eq!(sandbox.read_text("docs.manifest").lines().count(), 3);
    sandbox.write("docs/new.bak", "new");
    assert_eq!(sandbox.verify("docs", &[]).0, 0);
    sandbox.write("docs/new.txt", "new");
    assert_eq!(sandbox.verify("docs", &[]).0, 1);
    for pattern in ["a/b", "", "..", "a\nb"] {
        sandbox
            .attest("docs", &["--exclude", pattern])
            .ends(2, &["a name with *"]);
    }
    sandbox
        .attest("docs", &["--exclude", "*", "--replace"])
        .ends(2, &["all 7 file(s) in it are excluded", "--exclude"]);
    sandbox
        .attest("docs/a.txt", &["--exclude", "x"])
        .ends(2, &["--exclude needs a folder"]);
}

#[test]
fn a_forged_list_of_what_is_left_out_does_not_pass() {
    let sandbox = table();
    sandbox.attested("sales", &[]);
    let honest = sandbox.read_text("sales.attestation");
    for (from, to) in [
        ("\"_SUCCESS\"", "\"_SUCCESS\",\"part-1*\""),
        ("\"_SUCCESS\",\"*.crc\",\".*\"", ""),
        ("\"_SUCCESS\"", "\"a/b\""),
        ("\"_SUCCESS\"", "7"),
    ] {
        let forged = honest.replace(from, to);
        assert_ne!(forged, honest);
        sandbox.write("sales.attestation", forged);
        let (status, report) = sandbox.verify("sales", &[]);
        assert_eq!(status, 1, "{to}: {report}");
    }
    sandbox.write("sales.attestation", honest.replace("\"_SUCCESS\"", "\"*\""));
    let ran = sandbox.makoto(&["verify", "sales"]);
    ran.ends(2, &["nothing of sales is left"]);
    // Of a file nothing can be left out.
    sandbox.write("t.parquet", part(0, 3));
    sandbox.attested("t.parquet", &[]);
    let honest = sandbox.read_text("t.parquet.attestation");
    let annotation = format!("\"annotations\":{{\"{FOLDER}\":{{\"exclude\":[\".*\"]}},");
    sandbox.write(
        "t.parquet.attestation",
        honest.replace("\"annotations\":{", &annotation),
    );
    let (status, report) = sandbox.verify("t.parquet", &[]);
    assert_eq!(status, 1, "{report}");
    told(&report, "fail", &[FOLDER, "is no folder"]);
}

#[test]
fn of_statements_that_leave_out_different_files_the_one_that_fits_counts() {
    let sandbox = table();
    sandbox.attested("sales", &["--exclude", "day=2026-11-2*1"]);
    sandbox.attested(
        "sales",
        &["--no-default-excludes", "--append", "--no-manifest"],
    );
    assert_eq!(sandbox.verify("sales", &[]).0, 0);
    // Only what the older statement leaves out changed.
    sandbox.write("sales/_SUCCESS", "again");
    let (status, report) = sandbox.verify("sales", &[]);
    assert_eq!(status, 0, "{report}");
    told(&report, "pass", &["merkleRoot", "equals"]);
    sandbox.write("sales/day=2026-11-20/part-1.parquet", part(3, 5));
    assert_eq!(sandbox.verify("sales", &[]).0, 1);
}

#[test]
fn an_input_is_read_as_its_own_attestation_says() {
    let sandbox = table();
    let attested = sandbox.attested("sales", &["--exclude", "day=2026-11-21"]);
    let command = [
        "run",
        "--input",
        "sales",
        "--output",
        "out.csv",
        "--json",
        "--",
        "sh",
        "-c",
        "echo n > out.csv",
    ];
    let ran = sandbox.makoto(&command);
    assert_eq!(ran.status, 0, "{ran:?}");
    let statement = sandbox.written(&ran.json());
    let digest = text(&attested, "subject.0.digest.sha256");
    assert_eq!(text(&statement, "predicate.inputs.0.digest.sha256"), digest);
    assert_ne!(text(&statement, "predicate.inputs.0.attestationRef"), "");
    assert_eq!(
        at(&statement, "predicate.metadata.recordsInput").to_string(),
        "7"
    );
}

#[test]
fn of_an_input_without_an_attestation_nothing_is_left_out() {
    let sandbox = table();
    let whole = sandbox.attested("sales", &["--no-default-excludes"]);
    std::fs::remove_file(sandbox.path("sales.attestation")).expect("gone");
    sandbox.write("clean/part.parquet", part(0, 3));
    sandbox.write("out.csv", "n\n1\n");
    // Nothing would say that files of it were left out.
    let ran = sandbox.makoto(&[
        "attest",
        "transform",
        "out.csv",
        "--input",
        "sales",
        "--input",
        "clean",
        "--executor",
        "x",
        "--json",
    ]);
    let statement = sandbox.written(&ran.json());
    let digest = text(&whole, "subject.0.digest.sha256");
    assert_eq!(text(&statement, "predicate.inputs.0.digest.sha256"), digest);
}

#[test]
fn a_step_may_write_a_table() {
    let sandbox = Sandbox::new();
    sandbox.write("in.csv", "n\n1\n");
    sandbox.write("a.parquet", part(0, 3));
    sandbox.write("b.parquet", part(3, 4));
    let script = "mkdir out && cp a.parquet out/p-0.parquet && cp b.parquet out/p-1.parquet && touch out/_SUCCESS";
    let ran = sandbox.makoto(&[
        "run", "--input", "in.csv", "--output", "out", "--json", "--", "sh", "-c", script,
    ]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let statement = sandbox.written(&ran.json());
    assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), root(7));
    assert_eq!(sandbox.verify("out", &[]).0, 0);
}

#[test]
fn tables_of_several_versions_are_refused_with_the_next_step() {
    for (name, mark) in [
        ("Delta", "t/_delta_log/00000000000000000000.json"),
        ("Iceberg", "t/metadata/v1.metadata.json"),
        ("Iceberg", "t/metadata/version-hint.text"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("t/part-0.parquet", part(0, 3));
        sandbox.write(mark, "{}");
        for format in ["auto", "parquet"] {
            sandbox
                .attest("t", &["--format", format])
                .ends(2, &[name, "--files-from", "--format bytes"]);
        }
        sandbox.attest("t", &["--format", "bytes"]).ends(0, &[]);
        assert_eq!(sandbox.verify("t", &[]).0, 0);
        // As an output of a step, too.
        let ran = sandbox.makoto(&[
            "attest",
            "transform",
            "t",
            "--input",
            "t/part-0.parquet",
            "--executor",
            "x",
            "--replace",
        ]);
        ran.ends(2, &[name, "--files-from"]);
    }
    let sandbox = Sandbox::new();
    sandbox.write("t/metadata/readme.txt", "none");
    let ran = sandbox.makoto(&[&["attest", "origin", "t"], &ORIGIN[..]].concat());
    ran.ends(0, &[]);
}

#[test]
fn a_table_is_counted_in_a_package_and_found_in_a_store() {
    let sandbox = table();
    let attest = [
        "attest",
        "origin",
        "sales",
        "--source",
        "s",
        "--collector",
        "c",
    ];
    sandbox
        .makoto(&[&attest[..], &["--store", "st"]].concat())
        .ends(0, &[]);
    sandbox
        .makoto(&["pack", "sales", "-o", "far.zip"])
        .ends(0, &[]);
    let counts = |arguments: &[&str]| {
        let ran = sandbox.makoto(arguments);
        let told = &ran.ends(0, &[]).stdout;
        assert!(told.contains("12 records counted again"), "{told}");
    };
    counts(&["verify", "far.zip"]);
    for beside in ["sales.attestation", "sales.manifest"] {
        std::fs::remove_file(sandbox.path(beside)).expect("it was there");
    }
    let verify = ["verify", "sales", "--store", "st"];
    counts(&verify);
    sandbox.write("sales/more.parquet", part(900, 1));
    sandbox.makoto(&verify).ends(1, &[]);
}
