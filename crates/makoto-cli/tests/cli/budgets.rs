//! Budgets: what inflates without end, records without end, and memory.

use std::fs::File;
use std::io::Write as _;

use crate::document::{fails, has_check, passes, settings, text, with};
use crate::records::{gzip, zstd};
use crate::sandbox::{ORIGIN, Sandbox, measured};

#[test]
fn a_gzip_bomb_is_stopped_by_its_budget() {
    let sandbox = Sandbox::new();
    // Each member inflates to 16 MiB of empty lines; together more than 6 GiB.
    let member = gzip(&vec![b'\n'; 16 << 20], 9);
    let bomb = member.repeat(400);
    let mut without_lines = gzip(&vec![0; 16 << 20], 9).repeat(400);
    without_lines.extend(gzip(b"\n", 9));
    for (name, content) in [
        ("bomb.jsonl.gz", &bomb),
        ("bomb.csv.gz", &bomb),
        ("zeros.jsonl.gz", &without_lines),
    ] {
        sandbox.write(name, content);
        let attest = [&["attest", "origin", name], &ORIGIN[..]].concat();
        let (ran, peak) = measured(&sandbox, &attest);
        ran.ends(2, &[name, "--format bytes"]);
        let told = ["inflates to more than", "longer than"];
        assert!(told.iter().any(|told| ran.stderr.contains(told)), "{ran:?}");
        assert!(peak < 128 << 10, "{name}: {peak} KiB");
        assert!(!sandbox.exists(&format!("{name}.attestation")));
        let statement = sandbox.attested(name, &["--format", "bytes"]);
        assert_eq!(
            text(&statement, "subject.0.digest.sha256"),
            sandbox.sha256(name)
        );
    }
    // A near neighbour that is large inside, but small.
    sandbox.write("fine.jsonl.gz", &member);
    sandbox.attested("fine.jsonl.gz", &[]);
}

#[test]
fn what_cannot_be_counted_within_the_budget_is_unknown_when_verified() {
    let sandbox = Sandbox::new();
    sandbox.write("small.jsonl.gz", gzip(b"1\n", 9));
    let counted = sandbox.attested("small.jsonl.gz", &[]);
    sandbox.write("bomb.jsonl.gz", gzip(&vec![b'\n'; 16 << 20], 9).repeat(20));
    let forged = with(
        &counted,
        "subject.0.digest",
        "sha256",
        Some(sandbox.sha256("bomb.jsonl.gz").into()),
    );
    assert!(!text(settings(&forged), "compression").is_empty());
    sandbox.write("bomb.jsonl.gz.attestation", forged.to_string());
    let (status, report) = sandbox.verify("bomb.jsonl.gz", &[]);
    assert_ne!(text(&report, "verdict"), "pass");
    // FORMATS §6: a budget reached is unknown.
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
}

#[test]
fn a_record_longer_than_the_budget_is_refused_by_its_line() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(17 << 20);
    let short = "x".repeat(15 << 20);
    sandbox.write("long.jsonl", format!("1\n{long}\n2\n"));
    sandbox.write("end.jsonl", format!("1\n2\n{long}"));
    sandbox.write("open.csv", format!("a\n\"{}", "x\n".repeat(9 << 20)));
    for (name, line) in [
        ("long.jsonl", "line 2"),
        ("end.jsonl", "line 3"),
        ("open.csv", "line 2"),
    ] {
        let attest = [&["attest", "origin", name], &ORIGIN[..]].concat();
        let (ran, peak) = measured(&sandbox, &attest);
        ran.ends(2, &[name, line, "longer than"]);
        assert!(peak < 128 << 10, "{name}: {peak} KiB");
        assert!(!sandbox.exists(&format!("{name}.attestation")));
        sandbox.attested(name, &["--format", "bytes"]);
    }
    sandbox.write("short.jsonl", format!("1\n{short}\n2\n"));
    let statement = sandbox.attested("short.jsonl", &[]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "3");
    passes(&sandbox.verify("short.jsonl", &[]));
}

#[test]
fn broken_compression_is_refused_and_its_bytes_can_be_attested() {
    let sandbox = Sandbox::new();
    let lines: String = (0..50_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let (gz, zst) = (gzip(lines.as_bytes(), 6), zstd(lines.as_bytes()));
    let mut flipped = gz.clone();
    flipped[gz.len() / 2] ^= 0x10;
    let mut checksum = gz.clone();
    checksum[gz.len() - 6] ^= 1;
    for (name, content) in [
        ("cut.jsonl.gz", gz[..gz.len() - 1].to_vec()),
        ("half.jsonl.gz", gz[..gz.len() / 2].to_vec()),
        ("header.jsonl.gz", gz[..3].to_vec()),
        ("flipped.jsonl.gz", flipped),
        ("checksum.jsonl.gz", checksum),
        ("garbage.jsonl.gz", [&gz[..], b"garbage"].concat()),
        ("cut.jsonl.zst", zst[..zst.len() - 1].to_vec()),
        ("half.jsonl.zst", zst[..zst.len() / 2].to_vec()),
        ("garbage.jsonl.zst", [&zst[..], b"garbage"].concat()),
    ] {
        sandbox.write(name, content);
        sandbox
            .attest(name, &[])
            .ends(2, &[name, "cannot be inflated", "--format bytes"]);
        assert!(!sandbox.exists(&format!("{name}.attestation")), "{name}");
        sandbox.attested(name, &["--format", "bytes"]);
        passes(&sandbox.verify(name, &[]));
    }
    for (name, content) in [
        ("two.jsonl.gz", gz.repeat(2)),
        ("two.jsonl.zst", zst.repeat(2)),
    ] {
        sandbox.write(name, content);
        let statement = sandbox.attested(name, &[]);
        assert_eq!(text(&statement, "subject.0.digest.recordCount"), "100000");
    }
}

#[test]
fn a_zstd_frame_that_wants_too_much_memory_is_refused() {
    let sandbox = Sandbox::new();
    let lines = "{\"n\":1}\n".repeat(1_000);
    let with_window = |log: u32| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(log).expect("the window can be set");
        encoder
            .write_all(lines.as_bytes())
            .expect("it can be compressed");
        encoder
            .flush()
            .expect("the frame has begun before its size is known");
        encoder
            .write_all(lines.as_bytes())
            .expect("it can be compressed");
        encoder.finish().expect("it can be compressed")
    };
    sandbox.write("large.jsonl.zst", with_window(28));
    let attest = [&["attest", "origin", "large.jsonl.zst"], &ORIGIN[..]].concat();
    let (ran, peak) = measured(&sandbox, &attest);
    ran.ends(2, &["large.jsonl.zst", "cannot be inflated"]);
    assert!(peak < 64 << 10, "{peak} KiB");
    sandbox.write("fine.jsonl.zst", with_window(23));
    let statement = sandbox.attested("fine.jsonl.zst", &[]);
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "2000");
}

#[test]
fn memory_does_not_grow_with_the_data() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("large.jsonl");
    let file = File::create(&path).expect("a file");
    let mut file = std::io::BufWriter::new(file);
    let filler = "x".repeat(270);
    for id in 0..1_000_000_u32 {
        writeln!(file, "{{\"id\":{id:08},\"note\":\"{filler}\"}}").expect("it can be written");
    }
    file.flush().expect("it can be written");
    let size = std::fs::metadata(&path).expect("its size").len();
    assert!(size > 290_000_000, "{size}");
    let attest = [&["attest", "origin", "large.jsonl", "--json"], &ORIGIN[..]].concat();
    let (ran, peak) = measured(&sandbox, &attest);
    let told = ran.ends(0, &[]).json();
    assert_eq!(text(&told, "subject.0.digest.recordCount"), "1000000");
    assert!(peak < 64 << 10, "{peak} KiB");
    let (ran, peak) = measured(
        &sandbox,
        &["verify", "large.jsonl", "--json", "--output", "copy"],
    );
    assert!(has_check(&ran.ends(0, &[]).json(), "pass", &["merkleRoot"]));
    assert!(peak < 64 << 10, "{peak} KiB");
    assert_eq!(
        std::fs::metadata(sandbox.path("copy"))
            .expect("the copy")
            .len(),
        size
    );
}

#[test]
fn a_file_that_is_called_compressed_and_is_not_is_counted_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("plain.jsonl.gz", "1\n2\n");
    let statement = sandbox.attested("plain.jsonl.gz", &[]);
    assert_eq!(text(settings(&statement), "compression"), "none");
    passes(&sandbox.verify("plain.jsonl.gz", &[]));
    sandbox.write("plain.jsonl.gz", gzip(b"1\n2\n", 6));
    fails(
        &sandbox.verify("plain.jsonl.gz", &[]),
        &["V3", "digest.sha256"],
    );
}
