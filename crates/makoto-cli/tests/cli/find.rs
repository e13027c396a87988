//! `makoto find`: attestations of data, by rules that anyone can follow by hand.

use std::fs;
use std::os::unix::fs::symlink;

use makoto::json::Json;

use crate::document::{at, text};
use crate::sandbox::{Ran, Sandbox};

const DATA: &str = "id,total\n1,5\n";

/// What was found, as `rule place`.
fn found(told: &Json) -> Vec<String> {
    let found = at(told, "found").as_array().unwrap_or_default();
    let line = |one: &Json| format!("{} {}", text(one, "rule"), text(one, "place"));
    found.iter().map(line).collect()
}

fn find(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Json) {
    let ran = sandbox.makoto(&[&["find", "--json"], arguments].concat());
    (ran.status, ran.json())
}

fn orders() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", DATA);
    sandbox.attested("orders.csv", &["--store", "store"]);
    sandbox
}

#[track_caller]
fn nothing(ran: &Ran) {
    ran.ends(2, &["nothing was found", "hint: ask whoever made the data"]);
    assert!(!ran.stderr.contains("not valid"), "{ran:?}");
    assert!(!ran.stderr.contains("error"), "{ran:?}");
}

#[test]
fn each_rule_finds_it_in_its_turn() {
    let sandbox = orders();
    let (status, told) = find(&sandbox, &["orders.csv", "--store", "store"]);
    assert_eq!(status, 0);
    let id = text(&told, "found.0.attestation")
        .strip_prefix("sha256:")
        .expect("an id")
        .to_owned();
    let object = format!("store store/id/{}/{}", &id[..2], &id[2..]);
    assert_eq!(found(&told), ["sidecar orders.csv.attestation", &object]);
    assert_eq!(text(&told, "sha256"), sandbox.sha256("orders.csv"));
    assert_eq!(text(&told, "found.0.subject.name"), "dataset:orders");
    assert_eq!(
        text(&told, "found.0.predicateType"),
        "https://makoto.dev/origin/v1"
    );
    assert_eq!(at(&told, "found.0.verified"), &Json::Bool(false));
    assert_eq!(text(&told, "verifyTakes"), format!("sha256:{id}"));

    // Renamed data, by another file's attestation and by the store.
    fs::create_dir(sandbox.path("else")).expect("a folder");
    fs::rename(sandbox.path("orders.csv"), sandbox.path("renamed.csv")).expect("renamed");
    let (status, told) = find(&sandbox, &["renamed.csv"]);
    assert_eq!(
        (status, found(&told)),
        (0, vec!["folder orders.csv.attestation".to_owned()])
    );
    assert_eq!(
        at(&told, "verifyTakes"),
        &Json::Null,
        "verify does not look there by itself"
    );
    fs::create_dir_all(sandbox.path("deep/er")).expect("a folder");
    let there = "deep/er/orders.csv.attestation";
    fs::rename(sandbox.path("orders.csv.attestation"), sandbox.path(there)).expect("moved");
    nothing(&sandbox.makoto(&["find", "renamed.csv"]));
    let (status, told) = find(&sandbox, &["renamed.csv", "--in", "deep"]);
    assert_eq!((status, found(&told)), (0, vec![format!("folder {there}")]));
    let (status, told) = find(&sandbox, &["renamed.csv", "--store", "store"]);
    assert_eq!((status, found(&told)), (0, vec![object]));
    // Other bytes of the same name.
    sandbox.write("renamed.csv", "id,total\n");
    let everywhere = ["find", "renamed.csv", "--in", "deep", "--store", "store"];
    nothing(&sandbox.makoto(&everywhere));
}

#[test]
fn a_sidecar_about_other_bytes_is_named_as_that() {
    let sandbox = orders();
    sandbox.write("orders.csv", "id,total\n");
    let ran = sandbox.makoto(&["find", "orders.csv"]);
    nothing(&ran);
    assert!(
        ran.stdout
            .contains("orders.csv.attestation is about other bytes"),
        "{ran:?}"
    );
    let (status, told) = find(&sandbox, &["orders.csv"]);
    assert_eq!(status, 2);
    assert_eq!(text(&told, "checked.0.result"), "is about other bytes");
    assert!(found(&told).is_empty());
    for spoilt in ["{", ""] {
        sandbox.write("orders.csv.attestation", spoilt);
        let ran = sandbox.makoto(&["find", "orders.csv"]);
        nothing(&ran);
        assert!(ran.stdout.contains("is no attestation"), "{ran:?}");
    }
}

#[test]
fn two_candidates_are_both_named_with_the_one_that_verify_takes() {
    let sandbox = orders();
    let more = ["--store", "store", "--no-sidecar", "--geography", "DE"];
    sandbox.attested("orders.csv", &more);
    sandbox.attested("orders.csv", &["--append", "--geography", "FR"]);
    for options in [&["--store", "store"][..], &[]] {
        let (_, told) = find(&sandbox, &[&["orders.csv"], options].concat());
        let taken = text(&told, "verifyTakes").to_owned();
        let (_, report) = sandbox.verify("orders.csv", options);
        assert_eq!(text(&report, "attestation"), taken);
        let ran = sandbox.makoto(&[&["find", "orders.csv"], options].concat());
        assert!(ran.stdout.contains("statements; `verify` takes"), "{ran:?}");
        assert!(ran.stdout.contains(&taken), "{ran:?}");
    }
    fs::remove_file(sandbox.path("orders.csv.attestation")).expect("removed");
    let (_, told) = find(&sandbox, &["orders.csv", "--store", "store"]);
    assert_eq!(found(&told).len(), 2);
    let (_, report) = sandbox.verify("orders.csv", &["--store", "store"]);
    assert_eq!(text(&report, "attestation"), text(&told, "verifyTakes"));
}

#[test]
fn a_digest_a_statement_and_its_urn_can_be_asked_for() {
    let sandbox = orders();
    let sha256 = sandbox.sha256("orders.csv");
    let id = sandbox.sha256("orders.csv.attestation");
    for (query, matched) in [
        (format!("sha256:{sha256}"), "subject"),
        (format!("sha256:{id}"), "id"),
        (format!("urn:makoto:attestation:sha256:{id}"), "id"),
    ] {
        let (status, told) = find(&sandbox, &[&query, "--store", "store"]);
        assert_eq!(
            (status, text(&told, "found.0.matched")),
            (0, matched),
            "{told}"
        );
        assert_eq!(text(&told, "found.0.attestation"), format!("sha256:{id}"));
        nothing(&sandbox.makoto(&["find", &query]));
    }
    // Data is no statement, and half a digest is none.
    let urn = format!("urn:makoto:attestation:sha256:{sha256}");
    nothing(&sandbox.makoto(&["find", &urn, "--store", "store"]));
    for bad in [
        "sha256:",
        &format!("sha256:{}", &sha256[1..]),
        &format!("sha256:{}", sha256.to_uppercase()),
    ] {
        sandbox
            .makoto(&["find", bad])
            .ends(2, &["64 lower-case hex digits", "hint: give all 64"]);
    }
}

#[test]
fn the_rules_lead_a_person_to_the_file() {
    let sandbox = orders();
    let ran = sandbox.makoto(&["find", "orders.csv", "--store", "store", "--explain"]);
    assert_eq!(ran.status, 0);
    let line = ran.stdout.lines().find(|line| line.contains("so here"));
    let folder = line
        .and_then(|line| line.rsplit(' ').next())
        .expect("a folder");
    let ids: Vec<_> = fs::read_dir(sandbox.path("store").join(folder))
        .expect("the rule names the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(ids, [sandbox.sha256("orders.csv.attestation")]);
    let by_hand = sandbox.path(&format!("store/id/{}/{}", &ids[0][..2], &ids[0][2..]));
    assert_eq!(
        fs::read(by_hand).expect("the object"),
        sandbox.read("orders.csv.attestation")
    );
}

#[test]
fn a_search_passes_by_what_is_no_attestation_and_says_so() {
    let sandbox = orders();
    sandbox.write("a.attestation", "not json");
    sandbox.write("b.attestation/orders.csv.attestation", "{}");
    sandbox.write("\u{1b}[31m.attestation", "");
    symlink("gone", sandbox.path("c.attestation")).expect("a link");
    let ran = sandbox.makoto(&["find", "orders.csv"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for told in [
        "a.attestation is no attestation",
        "c.attestation is gone",
        "u{1b}[31m",
    ] {
        assert!(ran.stdout.contains(told), "{told:?} is not in {ran:?}");
    }
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    // Links to folders lead nowhere, not even round in circles.
    symlink(".", sandbox.path("loop")).expect("a link");
    let (status, told) = find(&sandbox, &["orders.csv", "--in", "."]);
    assert_eq!((status, found(&told).len()), (0, 1), "{told}");
    sandbox
        .makoto(&["find", "orders.csv", "--in", "gone"])
        .ends(2, &["cannot read gone"]);
    sandbox
        .makoto(&["find", "gone"])
        .ends(2, &["cannot read gone"]);
}

#[test]
fn a_folder_is_found_by_its_dir_hash() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a", "1");
    sandbox.write("parts/b/c", "2");
    sandbox.attested("parts", &["--store", "store"]);
    for query in ["parts", "parts/"] {
        let (status, told) = find(&sandbox, &[query]);
        assert_eq!(
            (status, found(&told)),
            (0, vec!["sidecar parts.attestation".to_owned()])
        );
    }
    fs::rename(sandbox.path("parts"), sandbox.path("renamed")).expect("renamed");
    assert_eq!(find(&sandbox, &["renamed"]).0, 0);
    sandbox.write("renamed/b/c", "3");
    assert_eq!(find(&sandbox, &["renamed", "--store", "store"]).0, 2);
}
