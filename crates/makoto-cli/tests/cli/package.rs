//! `makoto pack`, and what `verify` says of packages.

use std::fs;
use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::document::{at, fails, has_check, passes, text};
use crate::sandbox::{Sandbox, finish};

const DATA: &str = "id,total\n1,5\n";

/// A member as it is written, and every field in which the two headers may lie.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Vec<u8>,
    pub(crate) stored: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) local_crc: u32,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) attributes: u32,
    pub(crate) extra: Vec<u8>,
    pub(crate) descriptor: Vec<u8>,
}

pub(crate) fn member(name: &str, content: &[u8]) -> Member {
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

pub(crate) fn deflated(name: &str, content: &[u8]) -> Member {
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

pub(crate) fn u32s(to: &mut Vec<u8>, values: &[u32]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// The bytes of the members, the directory, and the end record.
pub(crate) fn parts(members: &[Member]) -> [Vec<u8>; 3] {
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

pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
    parts(members).concat()
}

/// A folder with attested data, and the members of a package of it.
pub(crate) fn orders() -> (Sandbox, Vec<Member>) {
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
