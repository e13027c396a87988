//! Packages that are made to deceive: what two programs could read in two ways is refused.

use crate::document::{fails, passes};
use crate::package::{Member, deflated, member, orders, parts, zip};
use crate::sandbox::{Sandbox, measured};

#[track_caller]
fn refused(sandbox: &Sandbox, bytes: &[u8], told: &str) {
    sandbox.write("bad.zip", bytes);
    fails(&sandbox.verify("bad.zip", &[]), &["no sound package", told]);
}

#[test]
fn names_that_deceive_are_refused() {
    let (sandbox, members) = orders();
    let with = |name: &str| zip(&[&members[..], &[member(name, b"")]].concat());
    for (name, told) in [
        ("../x", "not a plain relative path"),
        ("data/../../x", "not a plain relative path"),
        ("..", "not a plain relative path"),
        ("/x", "not a plain relative path"),
        ("data//x", "not a plain relative path"),
        ("data/./x", "not a plain relative path"),
        ("C:\\x", "a backslash or NUL"),
        ("data\\x", "a backslash or NUL"),
        ("a\0b", "a backslash or NUL"),
        ("a\nb", "a line end"),
        ("ATTESTATION.json", "equal after"),
        ("attestation.JSON", "2 members named"),
        ("data/orders.csv", "equal after"),
        ("data/orders.csv/", "equal after"),
        ("data/orders.csv/x", "a file and a folder at once"),
    ] {
        refused(&sandbox, &with(name), told);
    }
    let twins = [member("data/e\u{301}", b""), member("data/\u{e9}", b"")];
    refused(
        &sandbox,
        &zip(&[&members[..], &twins].concat()),
        "Unicode normalisation",
    );
    let mut unmarked = member("data/\u{e9}", b"");
    unmarked.flags = 0;
    refused(
        &sandbox,
        &zip(&[&members[..], &[unmarked]].concat()),
        "not marked as UTF-8",
    );
    let mut latin = member("data/x", b"");
    latin.name = vec![b'd', 0xe9];
    latin.local_name = latin.name.clone();
    refused(
        &sandbox,
        &zip(&[&members[..], &[latin]].concat()),
        "not UTF-8",
    );
    let mut lower = members.clone();
    lower[0].name = b"attestation.json".to_vec();
    lower[0].local_name = lower[0].name.clone();
    refused(&sandbox, &zip(&lower), "is not named ATTESTATION.json");
    refused(&sandbox, &zip(&members[1..]), "has no ATTESTATION.json");
}

#[test]
fn members_that_are_no_plain_files_are_refused() {
    let (sandbox, members) = orders();
    let with = |change: &dyn Fn(&mut Member)| {
        let mut members = members.clone();
        change(&mut members[1]);
        zip(&members)
    };
    // A link, a device, a pipe, and a folder.
    for mode in [0o120_777, 0o020_666, 0o010_666, 0o040_755_u32] {
        let bytes = with(&|one| one.attributes = mode << 16);
        refused(&sandbox, &bytes, "is a link or a device");
    }
    refused(
        &sandbox,
        &with(&|one| one.attributes = 0x10),
        "a folder and a file at once",
    );
    for flag in [0, 5, 6, 13] {
        refused(&sandbox, &with(&|one| one.flags |= 1 << flag), "encrypted");
    }
    for method in [9, 12, 14, 93, 99] {
        refused(
            &sandbox,
            &with(&|one| one.method = method),
            "other than deflate",
        );
    }
    // Another name for readers that look into this field.
    let name = b"\x75\x70\x06\x00\x01\x00\x00\x00\x00x";
    refused(
        &sandbox,
        &with(&|one| one.extra = name.to_vec()),
        "another name or size",
    );
    let twice = [&b"\x01\x00\x00\x00"[..], b"\x01\x00\x00\x00"].concat();
    refused(
        &sandbox,
        &with(&|one| one.extra = twice.clone()),
        "another name or size",
    );
    refused(
        &sandbox,
        &with(&|one| one.extra = b"\x01\x00\xff\x00".to_vec()),
        "cut short",
    );
    passes(&{
        sandbox.write("good.zip", with(&|one| one.attributes = 0o100_644 << 16));
        sandbox.verify("good.zip", &[])
    });
}

#[test]
fn headers_that_disagree_are_refused() {
    let (sandbox, members) = orders();
    let with = |change: &dyn Fn(&mut Member)| {
        let mut members = members.clone();
        change(&mut members[1]);
        zip(&members)
    };
    let says = "not what the archive's directory says";
    refused(
        &sandbox,
        &with(&|one| one.local_name = b"data/orders.CSV".to_vec()),
        says,
    );
    refused(&sandbox, &with(&|one| one.local_crc ^= 1), says);
    refused(
        &sandbox,
        &with(&|one| (one.crc, one.local_crc) = (one.crc ^ 1, one.crc ^ 1)),
        "checksum",
    );
    refused(&sandbox, &with(&|one| one.size -= 1), "more or fewer bytes");
    refused(&sandbox, &with(&|one| one.size += 1), "more or fewer bytes");
    refused(
        &sandbox,
        &with(&|one| one.stored.push(0)),
        "something follows the deflated bytes",
    );
    refused(
        &sandbox,
        &with(&|one| one.stored.truncate(5)),
        "cannot be inflated",
    );
    refused(&sandbox, &with(&|one| one.stored[3] ^= 0x55), "");
    refused(&sandbox, &with(&|one| one.flags = 8), says);
    refused(&sandbox, &with(&|one| one.descriptor = vec![0; 12]), says);
    let [data, directory, end] = parts(&members);
    // The bytes that the directory tells of and those that a reader from the front meets.
    let mut method = data.clone();
    let at = data.len() - members[1].stored.len() - members[1].name.len() - 30 + 8;
    method[at] = 0;
    refused(&sandbox, &[method, directory, end].concat(), says);
}

#[test]
fn archives_with_something_before_between_or_behind_are_refused() {
    let (sandbox, members) = orders();
    let [data, directory, end] = parts(&members);
    let good = zip(&members);
    let join = |parts: &[&[u8]]| parts.concat();
    refused(&sandbox, &join(&[&good, b"x"]), "does not end");
    refused(
        &sandbox,
        &join(&[&good, &good]),
        "its directory is not where",
    );
    refused(
        &sandbox,
        &join(&[&data, b"x", &directory, &end]),
        "its directory is not where",
    );
    refused(
        &sandbox,
        &join(&[&data, &directory, &directory, &end]),
        "its directory is not where",
    );
    for cut in [1, 21, 22, 30, good.len() / 2, good.len() - 4] {
        sandbox.write("bad.zip", &good[..good.len() - cut]);
        assert_eq!(sandbox.verify("bad.zip", &[]).0, 1, "{cut}");
    }
    // A front that readers from the end pass by.
    let mut moved = end.clone();
    moved[16..20].copy_from_slice(&(data.len() as u32 + 4).to_le_bytes());
    let mut behind = directory.clone();
    for start in [42, 46 + members[0].name.len() + 42] {
        let at = u32::from_le_bytes(behind[start..start + 4].try_into().expect("four")) + 4;
        behind[start..start + 4].copy_from_slice(&at.to_le_bytes());
    }
    refused(
        &sandbox,
        &join(&[b"PK\x03\x04", &data, &behind, &moved]),
        "start where",
    );
    // A comment, in which another archive may hide.
    let mut comment = end.clone();
    comment[20] = 1;
    refused(
        &sandbox,
        &join(&[&data, &directory, &comment, b"x"]),
        "does not end",
    );
    // Both entries at the same bytes, and one within the other.
    let mut overlap = directory.clone();
    let second = 46 + members[0].name.len() + 42;
    overlap[second..second + 4].copy_from_slice(&[0; 4]);
    refused(&sandbox, &join(&[&data, &overlap, &end]), "");
    overlap[second] = 40;
    refused(&sandbox, &join(&[&data, &overlap, &end]), "");
    // Fewer entries than there are, more, and another disk.
    for (at, value) in [(10, 1), (10, 3), (8, 1), (4, 1), (12, 1), (16, 1)] {
        let mut wrong = end.clone();
        wrong[at] = value;
        refused(&sandbox, &join(&[&data, &directory, &wrong]), "");
    }
    // ZIP64 marks without its record.
    let mut wide = end.clone();
    wide[10..12].copy_from_slice(&[0xff, 0xff]);
    refused(&sandbox, &join(&[&data, &directory, &wide]), "ZIP64");
    // Any byte of the structure changed is told, or changes nothing that counts: time, version.
    let mut told = 0;
    for at in data.len()..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        sandbox.write("bad.zip", &flipped);
        let (status, report) = sandbox.verify("bad.zip", &[]);
        assert!(status == 1 || status == 0, "{at}: {report}");
        told += status;
    }
    assert!(told > 80, "only {told} changes were told");
}

#[test]
fn what_inflates_without_end_cannot_be_told() {
    let (sandbox, members) = orders();
    let zeros = vec![0; 70 << 20];
    let bomb = deflated("data/zeros", &zeros);
    sandbox.write("bomb.zip", zip(&[members[0].clone(), bomb.clone()]));
    let (ran, peak) = measured(&sandbox, &["verify", "bomb.zip"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(
        ran.stdout.contains("cannot be told") && ran.stdout.contains("inflates"),
        "{ran:?}"
    );
    assert!(peak < 64 << 10, "{peak} KiB");
    // One that lies about its size is stopped where it said it would end.
    let mut liar = bomb.clone();
    liar.size = 10;
    sandbox.write("liar.zip", zip(&[members[0].clone(), liar]));
    let (ran, peak) = measured(&sandbox, &["verify", "liar.zip"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(peak < 64 << 10, "{peak} KiB");
    // A large one in proportion is read, in little memory.
    let noise: Vec<u8> = (0..8_u32 << 20)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    sandbox.write("noise.bin", &noise);
    sandbox.attested("noise.bin", &[]);
    let attestation = member("ATTESTATION.json", &sandbox.read("noise.bin.attestation"));
    sandbox.write(
        "large.zip",
        zip(&[attestation, deflated("data/noise.bin", &noise)]),
    );
    let (ran, peak) = measured(&sandbox, &["verify", "large.zip"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(peak < 64 << 10, "{peak} KiB");
    let huge = member("ATTESTATION.json", &vec![b' '; 65 << 20]);
    sandbox.write("huge.zip", zip(&[huge, members[1].clone()]));
    assert_eq!(sandbox.verify("huge.zip", &[]).0, 2);
}

#[test]
fn a_statement_about_very_many_datasets_is_told_of_once() {
    let sandbox = Sandbox::new();
    let data = |index: usize| format!("{index}\n").into_bytes();
    let count = 1_500;
    let subject = |index: usize| {
        let digest = makoto::digest::Digest::of(&data(index));
        format!("{{\"digest\":{{\"sha256\":\"{digest}\"}},\"name\":\"dataset:d{index}\"}}")
    };
    let subjects: Vec<_> = (0..count).map(subject).collect();
    let statement = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{{\"collector\":{{\"id\":\"c\"}},\"origin\":{{\"collectionTimestamp\":\"2026-11-01T08:00:00Z\",\"source\":\"https://x.example/\"}}}},\"predicateType\":\"https://makoto.dev/origin/v1\",\"subject\":[{}]}}",
        subjects.join(",")
    );
    let mut members = vec![member("ATTESTATION.json", statement.as_bytes())];
    members.extend((0..count).map(|index| member(&format!("data/d{index}.csv"), &data(index))));
    sandbox.write("many.zip", zip(&members));
    // Each subject lacks what is recommended, which would be a million warnings.
    let (ran, peak) = measured(&sandbox, &["verify", "many.zip", "--json"]);
    assert_eq!(ran.status, 0, "{}", &ran.stderr);
    let report = ran.json();
    let warnings = crate::document::checks(&report, "warn");
    assert!(
        !warnings.is_empty() && warnings.len() < 4 * count,
        "{}",
        warnings.len()
    );
    assert!(peak < 64 << 10, "{peak} KiB");
    // A failure that all of them share is told of each.
    let wrong = statement.replace("\"source\":\"https://x.example/\"", "\"source\":1");
    members[0] = member("ATTESTATION.json", wrong.as_bytes());
    members.truncate(3);
    sandbox.write("wrong.zip", zip(&members));
    let ran = sandbox.makoto(&["verify", "wrong.zip"]);
    ran.ends(1, &[]);
    for name in ["d0.csv: FAILS", "d1.csv: FAILS"] {
        let (_, after) = ran.stdout.split_once(name).expect("told");
        let why = after.lines().nth(1).unwrap_or_default();
        assert!(why.contains("source"), "{ran:?}");
    }
}
