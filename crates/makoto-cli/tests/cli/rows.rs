//! Tables: their rows are counted, verified, and refused when they cannot be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::json::Json;
use makoto::limits::Limits;

use crate::document::{settings, text};
use crate::parquet::*;
use crate::sandbox::{ORIGIN, Sandbox, measured};

/// A file of the test kit, with what is expected of it.
fn case(id: &str) -> (Vec<u8>, Json) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testkit/rows");
    let bytes = std::fs::read(format!("{folder}/{id}.json")).expect("a case");
    let case = Json::parse(&bytes, &Limits::DEFAULT).expect("JSON");
    let data = STANDARD.decode(text(&case, "data_base64")).expect("base64");
    (data, case)
}

/// Three rows of one column.
fn numbers() -> Column {
    Column::new(
        "n",
        INT32,
        REQUIRED,
        vec![Page::data(3, PLAIN, plain([1, 2, 3]))],
    )
}

#[test]
fn a_table_is_attested_with_its_rows_and_schema_and_verified_by_them() {
    for (id, name, media_type) in [
        (
            "stored-zstd-parquet",
            "orders.parquet",
            "application/vnd.apache.parquet",
        ),
        (
            "stored-zstd-parquet",
            "orders.PQ",
            "application/vnd.apache.parquet",
        ),
        (
            "stored-lz4-arrow",
            "orders.feather",
            "application/vnd.apache.arrow.file",
        ),
        (
            "stored-lz4-arrow",
            "orders.arrow",
            "application/vnd.apache.arrow.file",
        ),
        (
            "stored-lz4-arrow",
            "orders.ipc",
            "application/vnd.apache.arrow.file",
        ),
    ] {
        let sandbox = Sandbox::new();
        let (data, case) = case(id);
        sandbox.write(name, data);
        let statement = sandbox.attested(name, &[]);
        assert_eq!(text(&statement, "subject.0.mediaType"), media_type);
        for key in ["recordCount", "merkleRoot"] {
            let path = format!("subject.0.digest.{key}");
            assert_eq!(text(&statement, &path), text(&case, key), "{name}");
        }
        let annotation = settings(&statement);
        assert_eq!(text(annotation, "format"), text(&case, "format"));
        assert_eq!(
            text(annotation, "schemaDigest.sha256"),
            text(&case, "schemaDigest")
        );
        assert_eq!(annotation.get("header"), None);
        let (status, report) = sandbox.verify(name, &[]);
        assert_eq!(status, 0, "{report}");
        // The name of the file says nothing to verify.
        std::fs::rename(sandbox.path(name), sandbox.path("data.csv")).expect("a rename");
        let attestation = format!("{name}.attestation");
        let (status, report) = sandbox.verify("data.csv", &["--attestation", &attestation]);
        assert_eq!(status, 0, "{report}");
    }
}

#[test]
fn the_same_rows_stored_otherwise_are_told_to_be_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", case("stored-zstd-parquet").0);
    sandbox.attested("t.parquet", &[]);
    sandbox.write("t.parquet", case("stored-gzip-parquet").0);
    let ran = sandbox.makoto(&["verify", "t.parquet", "-v"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let told = "records identical, bytes differ: only the way in which the rows are stored changed";
    assert!(ran.stdout.contains(told), "{ran:?}");
    // Other rows are not.
    sandbox.write("t.parquet", case("int64-extremes-parquet").0);
    let ran = sandbox.makoto(&["verify", "t.parquet", "-v"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(!ran.stdout.contains("records identical"), "{ran:?}");
}

#[test]
fn a_forged_count_root_or_schema_does_not_pass() {
    let sandbox = Sandbox::new();
    let (data, case) = case("stored-zstd-parquet");
    sandbox.write("t.parquet", data);
    sandbox.attested("t.parquet", &[]);
    let honest = sandbox.read_text("t.parquet.attestation");
    let other = "5".repeat(64);
    for (from, to, path) in [
        (
            "\"recordCount\":\"300\"",
            "\"recordCount\":\"301\"".to_owned(),
            "recordCount",
        ),
        (text(&case, "merkleRoot"), other.clone(), "merkleRoot"),
        (text(&case, "schemaDigest"), other, "schemaDigest"),
        (
            "\"format\":\"parquet\"",
            "\"format\":\"arrow\"".to_owned(),
            "annotations",
        ),
    ] {
        let forged = honest.replace(from, &to);
        assert_ne!(forged, honest, "{from}");
        sandbox.write("t.parquet.attestation", forged);
        let (status, report) = sandbox.verify("t.parquet", &[]);
        assert_eq!(status, 1, "{path}: {report}");
        assert!(report.to_string().contains(path), "{report}");
    }
    // Without the digest of the schema the statement is not complete.
    let schema = format!(
        ",\"schemaDigest\":{{\"sha256\":\"{}\"}}",
        text(&case, "schemaDigest")
    );
    sandbox.write("t.parquet.attestation", honest.replace(&schema, ""));
    let (status, report) = sandbox.verify("t.parquet", &[]);
    assert_eq!(status, 1, "{report}");
}

#[test]
fn options_for_lines_mean_nothing_for_rows_and_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", case("stored-zstd-parquet").0);
    for option in [
        ["--no-header"].as_slice(),
        &["--delimiter", ";"],
        &["--quote", "none"],
        &["--canonical"],
    ] {
        sandbox
            .attest("t.parquet", option)
            .ends(2, &[option[0], "csv or jsonl"]);
    }
    // A table of another name, and a name without a table.
    std::fs::copy(sandbox.path("t.parquet"), sandbox.path("table")).expect("a copy");
    let statement = sandbox.attested("table", &["--format", "parquet"]);
    assert_eq!(text(settings(&statement), "format"), "parquet");
    sandbox.write("wrong.parquet", "id\n1\n");
    sandbox
        .attest("wrong.parquet", &[])
        .ends(2, &["cannot be read as Parquet", "--format bytes"]);
    sandbox
        .attest("wrong.parquet", &["--format", "bytes"])
        .ends(0, &[]);
}

#[test]
fn values_and_columns_that_rows_cannot_have_are_named() {
    let sandbox = Sandbox::new();
    for (id, told) in [
        (
            "year-10000-parquet",
            "row 2, column \"when\": is outside of the years 0000 to 9999",
        ),
        (
            "duplicate-in-struct-arrow",
            "column \"s.a\": there are two columns of this name",
        ),
        ("interval-arrow", "column \"odd\": is an interval"),
    ] {
        let (data, case) = case(id);
        sandbox.write("t", data);
        let format = text(&case, "format");
        sandbox
            .attest("t", &["--format", format])
            .ends(2, &[told, "--format bytes"]);
        assert!(!sandbox.exists("t.attestation"));
    }
}

/// Attests a hostile file, which must be refused with these words and little memory.
#[track_caller]
fn refused(name: &str, data: &[u8], told: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", data);
    let command = [&["attest", "origin", "t.parquet"], &ORIGIN[..]].concat();
    let (ran, peak) = measured(&sandbox, &command);
    assert_eq!(ran.status, 2, "{name}: {ran:?}");
    assert!(
        ran.stderr.contains(told),
        "{name}: {told:?} is not in {ran:?}"
    );
    assert!(!ran.stderr.contains("panicked"), "{name}: {ran:?}");
    assert!(peak < 100 << 10, "{name}: {peak} KiB");
    assert!(!sandbox.exists("t.parquet.attestation"), "{name}");
}

#[test]
fn a_file_written_by_hand_is_read_so_that_its_neighbours_mean_something() {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", file(&[numbers()], 3));
    let statement = sandbox.attested("t.parquet", &[]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "3");
}

#[test]
fn a_footer_that_lies_is_refused() {
    let lies: [(&str, Column, i64, &str); 8] = [
        ("more rows", numbers(), 4, "has 3 values for 4 rows"),
        ("fewer rows", numbers(), 2, "has 3 values for 2 rows"),
        ("negative rows", numbers(), -1, "negative number of rows"),
        (
            "rows out of this world",
            numbers(),
            i64::MAX,
            "has 3 values for",
        ),
        (
            "an offset beyond the file",
            Column {
                offset: Some(1 << 40),
                ..numbers()
            },
            3,
            "beyond the end",
        ),
        (
            "a negative offset",
            Column {
                offset: Some(-5),
                ..numbers()
            },
            3,
            "negative",
        ),
        (
            "a length beyond the file",
            Column {
                length: Some(1 << 50),
                ..numbers()
            },
            3,
            "beyond the end",
        ),
        (
            "a negative length",
            Column {
                length: Some(-1),
                ..numbers()
            },
            3,
            "negative",
        ),
    ];
    for (name, column, rows, told) in lies {
        refused(name, &file(&[column], rows), told);
    }
}

#[test]
fn pages_that_lie_are_refused() {
    let with = |change: &dyn Fn(&mut Page)| {
        let mut column = numbers();
        change(&mut column.pages[0]);
        file(&[column], 3)
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        (
            "too many values",
            with(&|page| page.values = i32::MAX),
            "values for 3 rows",
        ),
        (
            "negative values",
            with(&|page| page.values = -1),
            "negative",
        ),
        (
            "a size of 2 GiB",
            with(&|page| page.sizes = Some((i32::MAX, 12))),
            "bytes of one page",
        ),
        (
            "a negative size",
            with(&|page| page.sizes = Some((-1, 12))),
            "negative",
        ),
        (
            "two sizes",
            with(&|page| page.sizes = Some((13, 12))),
            "two sizes",
        ),
        (
            "longer than its chunk",
            with(&|page| page.sizes = Some((500, 500))),
            "longer than its column chunk",
        ),
        (
            "values that are not there",
            with(&|page| page.bytes.truncate(8)),
            "Parquet",
        ),
    ];
    for (name, data, told) in cases {
        refused(name, &data, told);
    }
    // 2^31 strings in a dictionary of eight bytes.
    let text = |pages| file(&[Column::new("s", BYTE_ARRAY, REQUIRED, pages)], 3);
    let index = [0, 3 << 1, 0];
    let honest = vec![
        Page::dictionary(1, [1, 0, 0, 0, b'x']),
        Page::data(3, RLE_DICTIONARY, &index[..2]),
    ];
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", text(honest));
    sandbox.attest("t.parquet", &[]).ends(0, &[]);
    let many = vec![
        Page::dictionary(i32::MAX, [1, 0, 0, 0, b'x']),
        Page::data(3, RLE_DICTIONARY, &index[..2]),
    ];
    refused(
        "a dictionary of 2^31 values",
        &text(many),
        "more values than it has bytes",
    );
    // A list of lengths that says it is 2^40 long.
    let deltas = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0];
    let deltas = vec![Page::data(3, DELTA_LENGTH, deltas)];
    refused("2^40 lengths", &text(deltas), "deltas");
    let broken = vec![Page::data(
        3,
        PLAIN,
        *b"\x02\0\0\0\xff\xff\x01\0\0\0x\0\0\0\0",
    )];
    refused(
        "no UTF-8",
        &text(broken),
        "row 1, column \"s\": is not valid UTF-8",
    );
}

#[test]
fn one_row_of_a_thousand_million_items_is_refused_before_it_is_decoded() {
    // A list of nulls takes no bytes but those of its levels.
    const ITEMS: u64 = (1 << 31) - 1;
    let page = |items: u64| {
        let bytes = [levels(&[(1, 0), (items - 1, 1)]), levels(&[(items, 0)])].concat();
        vec![Page::data(items as i32, PLAIN, bytes)]
    };
    let list = |items| file(&[Column::new("l", INT64, REPEATED, page(items))], 1);
    refused("a long row", &list(ITEMS), "to read one row");
}

#[test]
fn a_long_string_in_a_dictionary_is_held_once() {
    const LENGTH: usize = 1 << 20;
    const ROWS: i32 = 200;
    let mut dictionary = (LENGTH as u32).to_le_bytes().to_vec();
    dictionary.resize(4 + LENGTH, b'x');
    // Indices of no bits: all of them are the first.
    let pages = vec![
        Page::dictionary(1, dictionary),
        Page::data(ROWS, RLE_DICTIONARY, [0, 0x90, 0x03]),
    ];
    let sandbox = Sandbox::new();
    let column = Column::new("s", BYTE_ARRAY, REQUIRED, pages);
    sandbox.write("t.parquet", file(&[column], ROWS.into()));
    let command = [&["attest", "origin", "t.parquet", "--json"], &ORIGIN[..]].concat();
    let (ran, peak) = measured(&sandbox, &command);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(text(&ran.json(), "subject.0.digest.recordCount"), "200");
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn a_row_longer_than_its_budget_is_told_by_its_number() {
    let length = Limits::DEFAULT.record_bytes;
    let mut bytes = b"\x01\0\0\0x".to_vec();
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    bytes.resize(bytes.len() + length, b'x');
    let column = Column::new("s", BYTE_ARRAY, REQUIRED, vec![Page::data(2, PLAIN, bytes)]);
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", file(&[column], 2));
    sandbox
        .attest("t.parquet", &[])
        .ends(2, &["row 2 is longer than"]);
}

#[test]
fn ten_thousand_columns_are_read_and_a_schema_nested_too_deep_is_not() {
    const COLUMNS: usize = 10_000;
    let column = |index| Column {
        name: format!("c{index}"),
        ..numbers()
    };
    let columns: Vec<_> = (0..COLUMNS).map(column).collect();
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", file(&columns, 3));
    let statement = sandbox.attested("t.parquet", &[]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "3");
    for depth in [65, 1000, 1_000_000] {
        refused("deep", &nested(depth), "nested deeper than 64 levels");
    }
    sandbox.write("deep.parquet", nested(60));
    sandbox.attest("deep.parquet", &[]).ends(0, &[]);
}

#[test]
fn what_verify_cannot_count_for_its_size_is_unknown_and_never_passes() {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", file(&[numbers()], 3));
    sandbox.attested("t.parquet", &[]);
    let honest = sandbox.read_text("t.parquet.attestation");
    let was = sandbox.sha256("t.parquet");
    let bytes = vec![Page {
        sizes: Some((i32::MAX, 12)),
        ..numbers().pages[0].clone()
    }];
    sandbox.write(
        "t.parquet",
        file(
            &[Column {
                pages: bytes,
                ..numbers()
            }],
            3,
        ),
    );
    let forged = honest.replace(&was, &sandbox.sha256("t.parquet"));
    sandbox.write("t.parquet.attestation", forged);
    let (status, report) = sandbox.verify("t.parquet", &[]);
    assert_eq!(status, 2, "{report}");
    assert_eq!(text(&report, "verdict"), "unknown");
}
