//! `--store DIR`: attestations are kept in a folder and found there by digest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use makoto::digest::Digest;
use makoto::json::Json;
use makoto_data::Store;

use crate::document::{at, fails, has_check, passes, text, with};
use crate::sandbox::{MAKOTO, ORIGIN, Sandbox, finish, is_empty_folder, wait};

const DATA: &str = "id,total\n1,5\n";

fn data(sandbox: &Sandbox, name: &str) {
    sandbox.write(name, DATA);
}

fn only_stored(sandbox: &Sandbox, name: &str, more: &[&str]) -> Json {
    let into = ["--store", "store", "--no-sidecar"];
    sandbox.attested(name, &[&into[..], more].concat())
}

/// Ids of the statements about data of this SHA-256.
fn about(sandbox: &Sandbox, name: &str) -> Vec<Digest> {
    let store = Store::open(&sandbox.path("store")).expect("a store");
    let sha256 = sandbox.sha256(name).parse().expect("a digest");
    let found = store.about(&sha256).expect("the store is whole");
    found.iter().map(|one| one.attestation.id).collect()
}

/// Every file below a folder, but for those of a killed writer.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|end| end == "tmp") => {}
            false => found.push(path),
        }
    }
    found
}

#[test]
fn data_is_verified_by_what_a_store_says_of_its_bytes() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    only_stored(&sandbox, "orders.csv", &[]);
    assert_eq!(sandbox.names(), ["orders.csv", "store"]);
    fails(&sandbox.verify("orders.csv", &[]), &["no attestation"]);
    let passed = sandbox.verify("orders.csv", &["--store", "store"]);
    passes(&passed);
    assert!(
        has_check(&passed.1, "pass", &["found in a store"]),
        "{}",
        passed.1
    );
    // Its name is nothing to the store.
    fs::rename(sandbox.path("orders.csv"), sandbox.path("renamed.txt")).expect("renamed");
    passes(&sandbox.verify("renamed.txt", &["--store", "store"]));
    // One byte more, and nothing is known of it.
    sandbox.write("renamed.txt", format!("{DATA}\n"));
    let failed = sandbox.verify("renamed.txt", &["--store", "store"]);
    fails(&failed, &["no attestation", "nothing about sha256"]);
    let ran = sandbox.makoto(&["verify", "renamed.txt", "--store", "gone"]);
    ran.ends(2, &["gone is no store"]);
}

#[test]
fn beside_and_stored_statements_are_the_same_one() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    for outcome in ["new", "unchanged"] {
        let ran = sandbox.attest("orders.csv", &["--store", "store", "--json"]);
        let told = ran.json();
        assert_eq!(text(&told, "written.0.outcome"), outcome);
        assert_eq!(text(&told, "written.1.outcome"), outcome);
        let ids = ["written.0.attestation", "written.1.attestation"].map(|path| text(&told, path));
        assert_eq!(ids[0], ids[1]);
        let object = sandbox.read(text(&told, "written.1.path"));
        assert_eq!(object, sandbox.read("orders.csv.attestation"));
    }
    // A clock that went on makes no second statement, beside or not.
    only_stored(&sandbox, "orders.csv", &[]);
    assert_eq!(about(&sandbox, "orders.csv").len(), 1);
    only_stored(&sandbox, "orders.csv", &["--geography", "DE"]);
    assert_eq!(about(&sandbox, "orders.csv").len(), 2);
    // The sidecar counts first, and the other is named.
    let (status, report) = sandbox.verify("orders.csv", &["--store", "store"]);
    assert_eq!(status, 0);
    let id = Digest::of(&sandbox.read("orders.csv.attestation"));
    assert_eq!(text(&report, "attestation"), format!("sha256:{id}"));
    assert!(has_check(&report, "warn", &["something else"]), "{report}");
}

#[test]
fn of_several_stored_statements_the_one_of_the_latest_time_counts() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    let times = [
        "2026-03-01T00:00:00Z",
        "2026-09-01T00:00:00+14:00",
        "2026-08-31T09:00:00Z",
    ];
    let mut ids = Vec::new();
    for time in times {
        let statement = only_stored(&sandbox, "orders.csv", &["--collected-at", time]);
        ids.push(Digest::of(
            &makoto::canonical::to_canonical(&statement).expect("canonical"),
        ));
    }
    let (_, report) = sandbox.verify("orders.csv", &["--store", "store"]);
    // 10:00 on 31 August in UTC.
    assert_eq!(text(&report, "attestation"), format!("sha256:{}", ids[1]));
}

#[test]
fn a_sidecar_about_other_bytes_is_named_beside_what_the_store_says() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    only_stored(&sandbox, "orders.csv", &[]);
    sandbox.write("orders.csv", "id,total\n2,6\n");
    sandbox.attested("orders.csv", &[]);
    data(&sandbox, "orders.csv");
    fails(&sandbox.verify("orders.csv", &[]), &["does not match"]);
    let passed = sandbox.verify("orders.csv", &["--store", "store"]);
    passes(&passed);
    assert!(
        has_check(&passed.1, "warn", &["is about other bytes"]),
        "{}",
        passed.1
    );
    // A statement that is named is the only one that is asked.
    let named = [
        "--attestation",
        "orders.csv.attestation",
        "--store",
        "store",
    ];
    fails(&sandbox.verify("orders.csv", &named), &["does not match"]);
    // A spoilt sidecar does not become a pass.
    sandbox.write("orders.csv.attestation", "{");
    fails(
        &sandbox.verify("orders.csv", &["--store", "store"]),
        &["V1"],
    );
}

#[test]
fn a_store_can_be_named_by_the_environment() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command();
        finish(command.args(arguments).env("MAKOTO_STORE", "store"), b"")
    };
    run(&["verify", "orders.csv"]).ends(1, &["MAKOTO_STORE names store, which is not there"]);
    let attest = [
        &["attest", "origin", "orders.csv", "--no-sidecar"],
        &ORIGIN[..],
    ]
    .concat();
    let ran = run(&attest);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("store (new, named by MAKOTO_STORE)"),
        "{ran:?}"
    );
    run(&["verify", "orders.csv"]).ends(0, &["which MAKOTO_STORE names"]);
    sandbox.write("file", "");
    let named = run(&["verify", "orders.csv", "--store", "file"]);
    assert_eq!(
        named.status, 2,
        "an option counts and not the variable: {named:?}"
    );
    sandbox.makoto(&["verify", "orders.csv"]).ends(1, &[]);
}

#[test]
fn a_step_finds_its_inputs_in_the_store_and_is_kept_there() {
    let sandbox = Sandbox::new();
    data(&sandbox, "raw.csv");
    only_stored(&sandbox, "raw.csv", &["--name", "dataset:erp"]);
    let run = [
        "run",
        "--input",
        "raw.csv",
        "--output",
        "clean.csv",
        "--store",
        "store",
    ];
    let command = ["--", "cp", "raw.csv", "clean.csv"];
    let ran = sandbox.makoto(&[&run[..], &["--no-sidecar", "--json"], &command].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    let statement = sandbox.written(&ran.json());
    let id = about(&sandbox, "raw.csv");
    let input = at(&statement, "predicate.inputs.0");
    assert_eq!(text(input, "name"), "dataset:erp");
    let reference = text(input, "attestationRef");
    assert!(
        id.iter()
            .any(|id| reference == format!("urn:makoto:attestation:sha256:{id}"))
    );
    assert_eq!(sandbox.names(), ["clean.csv", "raw.csv", "store"]);
    // What it read leads to it.
    let store = Store::open(&sandbox.path("store")).expect("a store");
    let raw = sandbox.sha256("raw.csv").parse().expect("a digest");
    assert_eq!(store.reading(&raw).expect("found").len(), 1);
    passes(&sandbox.verify("clean.csv", &["--store", "store"]));
}

#[test]
fn a_folder_is_found_as_a_folder_and_not_as_its_manifest() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a", "1");
    let statement = only_stored(&sandbox, "parts", &[]);
    assert_eq!(
        sandbox.names(),
        ["parts", "store"],
        "no manifest beside it either"
    );
    passes(&sandbox.verify("parts", &["--store", "store"]));
    let lines = format!("{}  a\n", sandbox.sha256("parts/a"));
    sandbox.write("forged", &lines);
    assert_eq!(
        sandbox.sha256("forged"),
        text(&statement, "subject.0.digest.sha256")
    );
    fails(
        &sandbox.verify("forged", &["--store", "store"]),
        &["dirHash"],
    );
}

#[test]
fn what_would_stop_it_afterwards_stops_it_before() {
    let sandbox = Sandbox::new();
    data(&sandbox, "raw.csv");
    sandbox.write("full/something", "");
    sandbox.write("parts/a", "1");
    let attest = |data: &str, more: &[&str]| sandbox.attest(data, more);
    attest("raw.csv", &["--store", "full"]).ends(2, &["full is no store, and holds other files"]);
    attest("raw.csv", &["--store", "raw.csv"]).ends(2, &[]);
    attest("raw.csv", &["--no-sidecar"]).ends(2, &["nothing would be written", "--store DIR"]);
    attest("parts", &["--store", "parts/store"]).ends(2, &["would change"]);
    let before = ["full", "parts", "raw.csv"];
    assert_eq!(sandbox.names(), before);
    let run = [
        "run", "--input", "raw.csv", "--output", "out.csv", "--store", "full",
    ];
    let ran = sandbox.makoto(&[&run[..], &["--", "cp", "raw.csv", "out.csv"]].concat());
    ran.ends(2, &["holds other files"]);
    assert_eq!(sandbox.names(), before, "the command was not run");
}

#[test]
fn a_damaged_store_is_told_and_nothing_passes_by_it() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    let statement = only_stored(&sandbox, "orders.csv", &[]);
    let objects = files(&sandbox.path("store/id"));
    let [object] = objects.as_slice() else {
        panic!("{objects:?}");
    };
    sandbox.write("other.csv", "id,total\n2,6\n");
    let forged = with(
        &statement,
        "subject.0.digest",
        "sha256",
        Some(sandbox.sha256("other.csv").into()),
    );
    let hex = sandbox.sha256("other.csv");
    let id: Vec<_> = object
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy())
        .collect();
    let id = format!("{}{}", id[1], id[0]);
    // An entry for other data, with the object as it was and with a forged one.
    sandbox.write(
        &format!("store/subject/{}/{}/{id}", &hex[..2], &hex[2..]),
        "",
    );
    for document in [statement.to_string(), forged.to_string(), "{".to_owned()] {
        fs::write(object, document).expect("written");
        let ran = sandbox.makoto(&["verify", "other.csv", "--store", "store"]);
        ran.ends(2, &["store is damaged: "]);
        assert!(!ran.stdout.contains("passes"), "{ran:?}");
        let ran = sandbox.makoto(&["find", "other.csv", "--store", "store"]);
        ran.ends(2, &["store is damaged: "]);
    }
}

#[test]
fn who_may_read_the_folder_may_read_the_store() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    for (umask, folder_mode, file_mode) in [("022", 0o755, 0o644), ("027", 0o750, 0o640)] {
        let script = format!(
            "umask {umask}; exec \"$makoto\" attest origin orders.csv {} --no-sidecar --store store-{umask}",
            ORIGIN.join(" ")
        );
        finish(&mut sandbox.shell(&script), b"").ends(0, &[]);
        let root = format!("store-{umask}");
        assert_eq!(sandbox.mode(&root), folder_mode);
        assert_eq!(sandbox.mode(&format!("{root}/id")), folder_mode);
        let object = files(&sandbox.path(&format!("{root}/id"))).remove(0);
        let object = object
            .strip_prefix(sandbox.path(""))
            .expect("below")
            .to_owned();
        assert_eq!(sandbox.mode(&object.to_string_lossy()), file_mode);
    }
    // A later writer with another umask shuts nobody out.
    let script = format!(
        "umask 077; exec \"$makoto\" attest origin orders.csv {} --geography DE --no-sidecar --store store-022",
        ORIGIN.join(" ")
    );
    finish(&mut sandbox.shell(&script), b"").ends(0, &[]);
    for folder in ["id", "subject"] {
        let all = files(&sandbox.path(&format!("store-022/{folder}")));
        for file in all {
            let folder = file
                .parent()
                .expect("a folder")
                .strip_prefix(sandbox.path(""));
            let folder = folder.expect("below").to_string_lossy().into_owned();
            assert_eq!(sandbox.mode(&folder), 0o755, "{folder}");
        }
    }
}

#[test]
fn many_that_put_at_once_leave_a_whole_store() {
    let sandbox = Sandbox::new();
    for index in 0..8 {
        sandbox.write(&format!("data{index}.csv"), format!("a\n{}\n", index % 4));
    }
    thread::scope(|scope| {
        for index in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let place = format!("place-{index}");
                for _ in 0..3 {
                    only_stored(
                        sandbox,
                        &format!("data{index}.csv"),
                        &["--geography", &place],
                    );
                }
            });
        }
    });
    for index in 0..8 {
        let name = format!("data{index}.csv");
        assert_eq!(
            about(&sandbox, &name).len(),
            2,
            "two files have these bytes"
        );
        passes(&sandbox.verify(&name, &["--store", "store"]));
    }
    assert_eq!(files(&sandbox.path("store/id")).len(), 8);
}

#[test]
fn killed_at_any_moment_the_store_is_whole_and_a_second_try_completes_it() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let padding = "x".repeat(50_000);
    let mut killed = 0;
    for round in 1..=60_u64 {
        let place = round.to_string();
        let facts = ["--geography", &place, "--dta-description", &padding];
        let into = ["--store", "store", "--no-sidecar"];
        let attest = [
            &["attest", "origin", "data.csv"],
            &ORIGIN[..],
            &facts,
            &into,
        ]
        .concat();
        let mut command = sandbox.command();
        let command = command.args(&attest).stdin(Stdio::null());
        let mut makoto = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("makoto can be started");
        thread::sleep(Duration::from_micros(round * 700));
        makoto.kill().expect("makoto can be killed");
        killed += u64::from(wait(&mut makoto) == 137);
        let store = Store::create(&sandbox.path("store")).expect("a store");
        let sha256 = sandbox.sha256("data.csv").parse().expect("a digest");
        let found = store.about(&sha256).expect("the store is whole");
        let has = |found: &[makoto_data::Located]| {
            let mut all = found.iter().map(|one| &one.attestation.statement);
            all.any(|one| text(one, "predicate.origin.geography") == place)
        };
        let was_there = has(&found);
        let ran = sandbox.makoto(&[&attest[..], &["--json"]].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let outcome = ran.json();
        let expected = if was_there { "unchanged" } else { "new" };
        assert_eq!(text(&outcome, "written.0.outcome"), expected);
        assert_eq!(store.about(&sha256).expect("whole").len() as u64, round);
    }
    assert!(killed > 5, "only {killed} were killed in time");
}

#[test]
fn without_space_nothing_is_half_stored() {
    let sandbox = Sandbox::new();
    data(&sandbox, "orders.csv");
    only_stored(&sandbox, "orders.csv", &[]);
    let before = files(&sandbox.path("store/id"));
    let attest = format!(
        "\"$makoto\" attest origin orders.csv {} --store store --no-sidecar --dta-description {}",
        ORIGIN.join(" "),
        "x".repeat(9_000)
    );
    for blocks in [0, 1, 8] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {attest}");
        let ran = finish(&mut sandbox.shell(&script), b"");
        ran.ends(2, &["cannot write"]);
        assert_eq!(files(&sandbox.path("store/id")), before);
        passes(&sandbox.verify("orders.csv", &["--store", "store"]));
    }
    finish(&mut sandbox.shell(&format!("exec {attest}")), b"").ends(0, &[]);
    assert_eq!(files(&sandbox.path("store/id")).len(), 2);
}

#[test]
fn a_full_disk_and_a_read_only_store_are_told_and_lose_nothing() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("disk")).expect("a folder");
    let attest = format!(
        "$makoto attest origin data.csv {} --store store",
        ORIGIN.join(" ")
    );
    // A file system of its own for one process, gone with it. Where that is not allowed, the
    // test above is the nearest thing.
    let script = format!(
        "mount -t tmpfs -o size=160k tmpfs disk && cd disk || exit 77
         printf 'a\\n1\\n' > data.csv
         {attest} >/dev/null 2>&1; echo status $?
         dd if=/dev/zero of=filler bs=1k count=300 2>/dev/null
         {attest} --no-sidecar --geography DE --dta-description {long}; echo status $?
         $makoto verify data.csv --store store >/dev/null; echo status $?
         rm filler
         mount -o remount,ro disk . 2>/dev/null || mount -o remount,ro tmpfs ../disk
         {attest} --no-sidecar --geography FR; echo status $?
         {attest} --no-sidecar; echo status $?
         $makoto verify data.csv --store store >/dev/null; echo status $?",
        long = "x".repeat(20_000),
    );
    let mut command = sandbox.program("unshare");
    let command = command.args(["-rm", "sh", "-c", &script]);
    let ran = finish(command.env("makoto", MAKOTO), b"");
    assert!(is_empty_folder(&sandbox.path("disk")));
    if !ran.stdout.contains("status") {
        assert!(!ran.stderr.contains("makoto"), "{ran:?}");
        return;
    }
    let said: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("status"))
        .collect();
    assert_eq!(
        said,
        [
            "status 0", "status 2", "status 0", "status 2", "status 2", "status 0"
        ],
        "{ran:?}"
    );
    assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
}

#[test]
fn an_attestation_in_a_store_is_validated_by_its_id() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", "id\n1\n");
    sandbox.attested("orders.csv", &["--store", "kept"]);
    let id = format!("sha256:{}", sandbox.sha256("orders.csv.attestation"));
    let by_id = ["validate", &id, "--store", "kept"];
    sandbox.makoto(&by_id).ends(0, &[]);
    sandbox.makoto(&["validate", &id]).ends(2, &["--store DIR"]);
    let other = id.replace(&id[7..17], "0000000000");
    let unknown = ["validate", &other, "--store", "kept"];
    sandbox.makoto(&unknown).ends(2, &["no store has"]);
}
