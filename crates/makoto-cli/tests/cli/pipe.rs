//! Data that comes through a pipe.

use std::io::Write as _;
use std::process::Stdio;

use makoto::digest::Digest;

use crate::document::{at, fails, passes, settings, text};
use crate::sandbox::{ORIGIN, Ran, Sandbox, finish, measured, until, wait};

const ROWS: &[u8] = b"id,city\n1,Kyoto\n2,Nara\n";

fn attest(sandbox: &Sandbox, stdin: &[u8], more: &[&str]) -> Ran {
    let arguments = [&["attest", "origin", "-"], &ORIGIN[..], more].concat();
    finish(sandbox.command().args(&arguments), stdin)
}

fn verify(sandbox: &Sandbox, stdin: &[u8], more: &[&str]) -> (i32, makoto::json::Json) {
    let arguments = [&["verify", "-", "--json"], more].concat();
    let ran = finish(sandbox.command().args(&arguments), stdin);
    (ran.status, ran.json())
}

#[test]
fn what_comes_through_a_pipe_is_attested_as_the_file_would_be() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ROWS);
    let times = ["--collected-at", "2026-01-01T00:00:00Z"];
    let named = [
        "--name",
        "dataset:orders",
        "--out",
        "piped.attestation",
        "--format",
        "csv",
    ];
    attest(&sandbox, ROWS, &[&named[..], &times].concat()).ends(0, &[]);
    sandbox.attested("orders.csv", &times);
    assert_eq!(
        sandbox.read("piped.attestation"),
        sandbox.read("orders.csv.attestation")
    );
    passes(&verify(
        &sandbox,
        ROWS,
        &["--attestation", "piped.attestation"],
    ));
    passes(&sandbox.verify("orders.csv", &["--attestation", "piped.attestation"]));
}

#[test]
fn other_bytes_through_the_pipe_do_not_pass() {
    let sandbox = Sandbox::new();
    let named = [
        "--name",
        "dataset:orders",
        "--out",
        "a.attestation",
        "--format",
        "csv",
    ];
    attest(&sandbox, ROWS, &named).ends(0, &[]);
    let with = ["--attestation", "a.attestation", "--output", "copy.csv"];
    for other in [
        &ROWS[..ROWS.len() - 1],
        b"",
        b"id,city\n1,Kyoto\n2,Nara\n3,Uji\n",
    ] {
        fails(&verify(&sandbox, other, &with), &["digest.sha256"]);
        assert!(!sandbox.exists("copy.csv"));
    }
    passes(&verify(&sandbox, ROWS, &with));
    assert_eq!(sandbox.read("copy.csv"), ROWS);
}

#[test]
fn a_pipe_needs_a_name_and_a_place_for_its_attestation() {
    let sandbox = Sandbox::new();
    let before = sandbox.names();
    attest(&sandbox, ROWS, &["--out", "a"]).ends(2, &["needs --name"]);
    attest(&sandbox, ROWS, &["--out", "a", "--name", "{stem}"]).ends(2, &["needs --name"]);
    attest(&sandbox, ROWS, &["--name", "a"]).ends(2, &["needs --out"]);
    attest(&sandbox, ROWS, &["--save", "a.attestation"]).ends(2, &["--save a.attestation"]);
    attest(&sandbox, ROWS, &["--save", "a", "--out", "a"]).ends(2, &[]);
    attest(&sandbox, ROWS, &["--save", "/dev/null"]).ends(2, &["/dev/null is there"]);
    attest(&sandbox, ROWS, &["--save", "a", "--pass", "--json"]).ends(2, &["--pass and --json"]);
    sandbox
        .makoto(&["verify", "-"])
        .ends(2, &["needs --attestation"]);
    assert_eq!(sandbox.names(), before);
    sandbox.write("a.csv", ROWS);
    for option in [&["--pass"][..], &["--save", "b.csv"]] {
        sandbox
            .attest("a.csv", option)
            .ends(2, &["needs the data -"]);
        let many = [&["attest", "origin", "a.csv", "gone"], &ORIGIN[..], option].concat();
        sandbox.makoto(&many).ends(2, &["needs the data -"]);
    }
}

#[test]
fn bytes_are_saved_and_passed_on_while_they_are_hashed() {
    let sandbox = Sandbox::new();
    let ran = attest(&sandbox, ROWS, &["--save", "orders.csv", "--pass"]);
    ran.ends(
        0,
        &[
            "orders.csv: sha256 ",
            "records:     2",
            "orders.csv.attestation (new)",
        ],
    );
    assert_eq!(ran.stdout.as_bytes(), ROWS);
    assert_eq!(sandbox.read("orders.csv"), ROWS);
    passes(&sandbox.verify("orders.csv", &["--as", "dataset:orders"]));
    // The same again changes nothing; other bytes do not take the place of attested ones.
    attest(&sandbox, ROWS, &["--save", "orders.csv"]).ends(0, &[]);
    attest(&sandbox, b"id,city\n", &["--save", "orders.csv"]).ends(1, &["--replace"]);
    assert_eq!(sandbox.read("orders.csv"), ROWS);
    attest(
        &sandbox,
        b"id,city\n",
        &["--save", "orders.csv", "--replace"],
    )
    .ends(0, &[]);
    passes(&sandbox.verify("orders.csv", &[]));
}

#[test]
fn compression_is_seen_in_the_first_bytes() {
    let sandbox = Sandbox::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"{\"a\":1}\n{\"a\":2}\n").expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = zstd::encode_all(&b"{\"a\":1}\n{\"a\":2}\n"[..], 3).expect("memory");
    for (bytes, compression) in [(gzip, "gzip"), (zstd, "zstd")] {
        let named = ["--name", "a", "--out", compression, "--format", "jsonl"];
        attest(&sandbox, &bytes, &named).ends(0, &[]);
        let statement = sandbox.json(compression);
        assert_eq!(text(settings(&statement), "compression"), compression);
        assert_eq!(text(&statement, "subject.0.digest.recordCount"), "2");
        assert_eq!(
            text(&statement, "subject.0.digest.sha256"),
            Digest::of(&bytes).to_string()
        );
        passes(&verify(&sandbox, &bytes, &["--attestation", compression]));
    }
    attest(&sandbox, b"", &["--name", "a", "--out", "empty"]).ends(0, &[]);
    assert_eq!(
        at(&sandbox.json("empty"), "subject.0.annotations"),
        &makoto::json::Json::Null
    );
}

#[test]
fn bad_records_from_a_pipe_are_neither_attested_nor_saved() {
    let sandbox = Sandbox::new();
    attest(&sandbox, b"id\n\"open\n", &["--save", "a.csv"]).ends(2, &["a.csv: "]);
    assert!(sandbox.names().is_empty());
}

#[test]
fn a_reader_that_goes_away_is_told_and_nothing_is_attested() {
    let sandbox = Sandbox::new();
    sandbox.write("big.csv", "1\n".repeat(3_000_000));
    let script = "set -o pipefail; $makoto attest origin - --name a --out a.attestation --source s \
                  --collector c --pass < big.csv | head -c 10 > /dev/null";
    let ran = finish(
        sandbox
            .program("bash")
            .args(["-c", script])
            .env("makoto", crate::sandbox::MAKOTO),
        b"",
    );
    ran.ends(2, &["cannot write the copy"]);
    assert!(!sandbox.exists("a.attestation"));
}

#[test]
fn killed_in_the_middle_of_a_pipe_it_leaves_no_file_of_that_name() {
    let sandbox = Sandbox::new();
    let arguments = [&["attest", "origin", "-", "--save", "a.csv"], &ORIGIN[..]].concat();
    let mut command = sandbox.command();
    command
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut makoto = command.spawn().expect("makoto can be started");
    let mut pipe = makoto.stdin.take().expect("a pipe");
    pipe.write_all(&[b'1'; 1 << 20]).expect("makoto reads");
    let io = format!("/proc/{}/io", makoto.id());
    until("makoto has written what came", || {
        let io = std::fs::read_to_string(&io).ok()?;
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: "))?;
        (written.parse::<u64>().ok()? >= 1 << 20).then_some(())
    });
    makoto.kill().expect("makoto is there");
    assert_eq!(wait(&mut makoto), 137);
    let names = sandbox.names();
    assert!(
        names.iter().all(|name| name.starts_with(".makoto-")),
        "{names:?}"
    );
}

#[test]
fn memory_does_not_grow_with_what_comes() {
    let sandbox = Sandbox::new();
    let script = "#!/bin/sh\nhead -c 300000000 /dev/zero | tr '\\0' 'x' | fold -w 99";
    sandbox.write("rows.sh", script);
    let rows = sandbox
        .program("sh")
        .arg("rows.sh")
        .output()
        .expect("rows")
        .stdout;
    sandbox.write("rows.jsonl", rows);
    let (_, file) = measured(
        &sandbox,
        &[
            &["attest", "origin", "rows.jsonl", "--format", "csv"],
            &ORIGIN[..],
        ]
        .concat(),
    );
    let mut command = sandbox.command();
    let arguments = [
        &[
            "attest", "origin", "-", "--format", "csv", "--name", "a", "--out", "a",
        ],
        &ORIGIN[..],
    ]
    .concat();
    let child = command
        .args(&arguments)
        .stdin(std::fs::File::open(sandbox.path("rows.jsonl")).expect("there"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.expect("makoto can be started");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0_u64;
    until("makoto ends", || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        child.try_wait().expect("a child")
    });
    assert!(
        peak < 2 * file && peak < 64 << 10,
        "{peak} KiB, of a file {file} KiB"
    );
}
