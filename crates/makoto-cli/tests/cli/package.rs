//! `makoto pack`, and what `verify` says of packages: good ones, and ones made to deceive.

use std::fs;
use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::document::{at, fails, has_check, passes, text};
use crate::sandbox::{Sandbox, finish, measured};

const DATA: &str = "id,total\n1,5\n";

/// A member as it is written, and every field in which the two headers may lie.
#[derive(Clone)]
struct Member {
    name: Vec<u8>,
    local_name: Vec<u8>,
    stored: Vec<u8>,
    size: u32,
    crc: u32,
    local_crc: u32,
    method: u16,
    flags: u16,
    attributes: u32,
    extra: Vec<u8>,
    descriptor: Vec<u8>,
}

fn member(name: &str, content: &[u8]) -> Member {
    let mut crc = Crc::new();
    crc.update(content);
    Member {
        name: name.into(),
        local_name: name.into(),
        stored: content.to_vec(),
        size: content.len() as u32,
        crc: crc.sum(),
        local_crc: crc.sum(),
        method: 0,
        flags: if name.is_ascii() { 0 } else { 1 << 11 },
        attributes: 0,
        extra: Vec::new(),
        descriptor: Vec::new(),
    }
}

fn deflated(name: &str, content: &[u8]) -> Member {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    Member {
        stored: encoder.finish().expect("memory"),
        method: 8,
        ..member(name, content)
    }
}

fn u16s(to: &mut Vec<u8>, values: &[u16]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn u32s(to: &mut Vec<u8>, values: &[u32]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// The bytes of the members, the directory, and the end record.
fn parts(members: &[Member]) -> [Vec<u8>; 3] {
    let (mut data, mut directory, mut end) = (Vec::new(), Vec::new(), Vec::new());
    for one in members {
        let start = data.len() as u32;
        let stored = one.stored.len() as u32;
        let has_descriptor = one.flags & 8 != 0;
        u32s(&mut data, &[0x0403_4b50]);
        u16s(&mut data, &[20, one.flags, one.method, 0, 33]);
        match has_descriptor {
            true => u32s(&mut data, &[0, 0, 0]),
            false => u32s(&mut data, &[one.local_crc, stored, one.size]),
        }
        u16s(&mut data, &[one.local_name.len() as u16, 0]);
        data.extend(&one.local_name);
        data.extend(&one.stored);
        data.extend(&one.descriptor);
        u32s(&mut directory, &[0x0201_4b50]);
        u16s(&mut directory, &[20, 20, one.flags, one.method, 0, 33]);
        u32s(&mut directory, &[one.crc, stored, one.size]);
        u16s(
            &mut directory,
            &[one.name.len() as u16, one.extra.len() as u16, 0, 0, 0],
        );
        u32s(&mut directory, &[one.attributes, start]);
        directory.extend(&one.name);
        directory.extend(&one.extra);
    }
    let count = members.len() as u16;
    u32s(&mut end, &[0x0605_4b50]);
    u16s(&mut end, &[0, 0, count, count]);
    u32s(&mut end, &[directory.len() as u32, data.len() as u32]);
    u16s(&mut end, &[0]);
    [data, directory, end]
}

fn zip(members: &[Member]) -> Vec<u8> {
    parts(members).concat()
}

/// A folder with attested data, and the members of a package of it.
fn orders() -> (Sandbox, Vec<Member>) {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", DATA);
    sandbox.attested("orders.csv", &[]);
    let attestation = sandbox.read("orders.csv.attestation");
    let members = vec![
        member("ATTESTATION.json", &attestation),
        deflated("data/orders.csv", DATA.as_bytes()),
    ];
    (sandbox, members)
}

#[track_caller]
fn refused(sandbox: &Sandbox, bytes: &[u8], told: &str) {
    sandbox.write("bad.zip", bytes);
    fails(&sandbox.verify("bad.zip", &[]), &["no sound package", told]);
}

#[test]
fn a_package_is_verified_from_itself_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", DATA);
    sandbox.write("parts/a", "1");
    sandbox.write("parts/ü/b.txt", "2");
    sandbox.attested("orders.csv", &[]);
    sandbox.attested("parts", &["--store", "store", "--no-sidecar"]);
    let pack = [
        "pack",
        "parts",
        "orders.csv",
        "-o",
        "p.zip",
        "--store",
        "store",
        "--json",
    ];
    let ran = sandbox.makoto(&pack);
    assert_eq!(ran.status, 0, "{ran:?}");
    let told = ran.json();
    assert_eq!(
        at(&told, "attestations").as_array().map(<[_]>::len),
        Some(2)
    );
    let before = sandbox.read("p.zip");
    // The order in which it is asked for changes nothing, nor does time.
    let again = [
        "pack",
        "orders.csv",
        "parts",
        "-o",
        "p.zip",
        "--store",
        "store",
    ];
    sandbox
        .makoto(&again)
        .ends(1, &["p.zip is there already", "--replace"]);
    sandbox
        .makoto(&[&again[..], &["--replace"]].concat())
        .ends(0, &[]);
    assert_eq!(sandbox.read("p.zip"), before);

    for gone in ["orders.csv", "orders.csv.attestation"] {
        fs::remove_file(sandbox.path(gone)).expect("removed");
    }
    for gone in ["parts", "store"] {
        fs::remove_dir_all(sandbox.path(gone)).expect("removed");
    }
    let passed = sandbox.verify("p.zip", &[]);
    passes(&passed);
    let members = at(&passed.1, "members").as_array().unwrap_or_default();
    let told: Vec<_> = members
        .iter()
        .map(|m| (text(m, "name"), text(m, "verdict")))
        .collect();
    assert_eq!(told, [("data/orders.csv", "pass"), ("data/parts/", "pass")]);
    assert_eq!(sandbox.names(), ["p.zip"], "nothing is unpacked");
    passes(&sandbox.verify(
        "p.zip",
        &["--member", "orders.csv", "--as", "dataset:orders"],
    ));
    fails(
        &sandbox.verify("p.zip", &["--member", "other.csv"]),
        &["no such data"],
    );
    fails(
        &sandbox.verify("p.zip", &["--as", "dataset:orders"]),
        &["dataset:parts"],
    );
    fails(&sandbox.verify("p.zip", &["--level", "L2"]), &["unsigned"]);
    let ran = sandbox.makoto(&["find", "p.zip"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("package  p.zip!ATTESTATION.json"),
        "{ran:?}"
    );
    // Another program unpacks what was verified.
    let mut command = sandbox.program("python3");
    let script = "import zipfile; z = zipfile.ZipFile('p.zip'); assert z.testzip() is None; z.extractall('out')";
    finish(command.args(["-c", script]), b"").ends(0, &[]);
    assert_eq!(sandbox.read_text("out/data/orders.csv"), DATA);
    assert_eq!(sandbox.read_text("out/data/parts/ü/b.txt"), "2");
    let found = sandbox.makoto(&["find", "out/data/parts", "--in", "p.zip"]);
    found.ends(0, &[]);
}

#[test]
fn packages_of_other_programs_are_read() {
    let (sandbox, members) = orders();
    sandbox.write("p.zip", zip(&members));
    passes(&sandbox.verify("p.zip", &[]));
    // The data need not be in `data/`, and may be in a folder that has an entry of its own.
    let mut described = members[1].clone();
    described.name = b"orders.csv".to_vec();
    described.local_name = described.name.clone();
    described.flags = 8;
    u32s(
        &mut described.descriptor,
        &[
            0x0807_4b50,
            described.crc,
            described.stored.len() as u32,
            described.size,
        ],
    );
    sandbox.write("p.zip", zip(&[members[0].clone(), described]));
    passes(&sandbox.verify("p.zip", &[]));
    let script = "
import zipfile
a = open('orders.csv.attestation').read()
for name, method in (('one.zip', zipfile.ZIP_STORED), ('two.zip', zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(name, 'w', method) as z:
        z.writestr('data/', '')
        z.write('orders.csv', 'data/orders.csv')
        with z.open('ATTESTATION.json', 'w', force_zip64=True) as f: f.write(a.encode())
";
    finish(sandbox.program("python3").args(["-c", script]), b"").ends(0, &[]);
    for name in ["one.zip", "two.zip"] {
        passes(&sandbox.verify(name, &[]));
    }
}

#[test]
fn a_zip_with_an_attestation_of_its_own_is_data_as_any_file() {
    let (sandbox, members) = orders();
    sandbox.write("p.zip", zip(&members));
    sandbox.attested("p.zip", &["--store", "store"]);
    let passed = sandbox.verify("p.zip", &[]);
    passes(&passed);
    assert_eq!(text(&passed.1, "subject.name"), "dataset:p");
    fs::remove_file(sandbox.path("p.zip.attestation")).expect("removed");
    let passed = sandbox.verify("p.zip", &["--store", "store"]);
    assert_eq!(text(&passed.1, "subject.name"), "dataset:p");
    passes(&sandbox.verify("p.zip", &[]));
    // A sidecar that does not fit is not passed by for what is inside.
    sandbox.write("p.zip.attestation", sandbox.read("orders.csv.attestation"));
    fails(&sandbox.verify("p.zip", &[]), &["does not match"]);
}

#[test]
fn every_member_must_be_attested() {
    let (sandbox, members) = orders();
    let (attestation, data) = (members[0].clone(), members[1].clone());
    let changed = member("data/orders.csv", b"id,total\n1,6\n");
    let copy = Member {
        name: b"data/copy.csv".to_vec(),
        local_name: b"data/copy.csv".to_vec(),
        ..data.clone()
    };
    for (name, more, told) in [
        ("changed", vec![changed.clone()], "data/orders.csv"),
        (
            "extra",
            vec![data.clone(), member("data/extra.csv", b"1")],
            "data/extra.csv",
        ),
        (
            "trusted root",
            vec![data.clone(), member("trusted_root.json", b"{}")],
            "trusted_root.json",
        ),
        (
            "policy",
            vec![data.clone(), member("policy.toml", b"")],
            "policy.toml",
        ),
        ("twice", vec![data.clone(), copy], "data/orders.csv"),
        (
            "a folder of it",
            vec![member("data/orders.csv/a", DATA.as_bytes())],
            "data/orders.csv/",
        ),
        ("nothing", vec![], "no such data"),
    ] {
        sandbox.write("p.zip", zip(&[&[attestation.clone()][..], &more].concat()));
        let report = sandbox.verify("p.zip", &[]);
        fails(&report, &[told]);
        let ran = sandbox.makoto(&["verify", "p.zip"]);
        assert!(
            name == "nothing" || ran.stdout.contains(told),
            "{name}: {ran:?}"
        );
    }
    // The attestation of other data does not cover this one.
    sandbox.write("other.csv", "id,total\n2,6\n");
    sandbox.attested("other.csv", &[]);
    let other = member("ATTESTATION.json", &sandbox.read("other.csv.attestation"));
    sandbox.write("p.zip", zip(&[other, data.clone()]));
    fails(
        &sandbox.verify("p.zip", &[]),
        &["data/orders.csv", "not attested"],
    );
    for spoilt in ["", "{", "[]", "{}\n{}"] {
        let spoilt = member("ATTESTATION.json", spoilt.as_bytes());
        sandbox.write("p.zip", zip(&[spoilt, data.clone()]));
        assert_eq!(sandbox.verify("p.zip", &[]).0, 1);
    }
    // Further statements decide nothing, whatever is in them.
    let further = member("attestations/x.json", b"garbage");
    sandbox.write("p.zip", zip(&[attestation, further, data]));
    let passed = sandbox.verify("p.zip", &[]);
    passes(&passed);
    assert!(
        has_check(&passed.1, "skip", &["further", "not looked at"]),
        "{}",
        passed.1
    );
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
fn only_data_that_is_what_its_attestation_says_is_packed() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", DATA);
    let pack =
        |more: &[&str]| sandbox.makoto(&[&["pack", "orders.csv", "-o", "p.zip"], more].concat());
    pack(&[]).ends(2, &["no attestation that is known here", "--store DIR"]);
    sandbox.attested("orders.csv", &[]);
    sandbox.write("orders.csv", "id,total\n");
    pack(&[]).ends(1, &["is not what its attestation says"]);
    assert!(!sandbox.exists("p.zip"));
    // The right bytes with a wrong count.
    sandbox.write("orders.csv", DATA);
    let sidecar = sandbox.read_text("orders.csv.attestation");
    let forged = sidecar.replace(r#""recordCount":"1""#, r#""recordCount":"2""#);
    assert_ne!(forged, sidecar);
    sandbox.write("orders.csv.attestation", forged);
    pack(&[]).ends(1, &["nothing was packed"]);
    assert!(!sandbox.exists("p.zip"));
    sandbox.write("orders.csv.attestation", sidecar);
    sandbox.write("else/orders.csv", DATA);
    pack(&["else/orders.csv", "--in", "."]).ends(2, &["two datasets would be named"]);
    sandbox
        .makoto(&["pack", "orders.csv", "-o", "orders.csv", "--replace"])
        .ends(2, &["is, or lies in"]);
    sandbox.attested("else", &[]);
    sandbox
        .makoto(&["pack", "else", "-o", "else/p.zip"])
        .ends(2, &["is, or lies in"]);
    assert_eq!(sandbox.read_text("orders.csv"), DATA);
    // Who may not read the data may not read the package.
    sandbox.set_mode("orders.csv", 0o640);
    sandbox
        .makoto(&["pack", "orders.csv", "else", "-o", "p.zip"])
        .ends(0, &[]);
    assert_eq!(sandbox.mode("p.zip"), 0o640);
    // Without space, what was there still is.
    let before = sandbox.stamp("p.zip");
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$makoto\" pack else -o p.zip --replace";
    finish(&mut sandbox.shell(script), b"").ends(2, &["cannot"]);
    assert_eq!(sandbox.stamp("p.zip"), before);
}
