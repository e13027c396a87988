//! A dataset of some files of a folder, such as a snapshot of a table.

use std::os::unix::fs::symlink;

use crate::document::{at, fails, has_check, passes, text, with};
use crate::sandbox::{ORIGIN, Ran, Sandbox};

const FOLDER: &str = "https://makoto.dev/folder/v1";

fn table() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["table/a", "table/b", "table/deep/c", "table/old"] {
        sandbox.write(name, name);
    }
    sandbox.write("list", "deep/c\na\n./b\n");
    sandbox
}

fn attest(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let listed = ["attest", "origin", "table", "--files-from", "list"];
    sandbox.makoto(&[&listed[..], &ORIGIN, more].concat())
}

#[test]
fn exactly_the_listed_files_are_covered() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    let names: Vec<_> = sandbox
        .read_text("table.manifest")
        .lines()
        .map(|l| l[66..].to_owned())
        .collect();
    assert_eq!(names, ["a", "b", "deep/c"]);
    let statement = sandbox.json("table.attestation");
    let annotation = at(&statement, "subject.0.annotations")
        .get(FOLDER)
        .expect("annotated");
    assert_eq!(text(annotation, "files"), "listed");
    let before = sandbox.verify("table", &[]);
    passes(&before);
    assert!(
        has_check(&before.1, "warn", &["1 other file(s)", "not covered"]),
        "{}",
        before.1
    );
    // What is not listed may change, come and go, whatever it is.
    sandbox.write("table/old", "changed");
    symlink("/nowhere", sandbox.path("table/link")).expect("a link");
    let after = sandbox.verify("table", &[]);
    passes(&after);
    assert!(
        has_check(&after.1, "warn", &["2 other file(s)"]),
        "{}",
        after.1
    );
    passes(&sandbox.verify("table", &["--member", "deep/c"]));
    fails(
        &sandbox.verify("table", &["--member", "old"]),
        &["is not in the folder's manifest"],
    );
}

#[test]
fn a_listed_file_that_changes_or_goes_is_named() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    sandbox.write("table/a", "other");
    fails(&sandbox.verify("table", &[]), &["a", "was changed"]);
    std::fs::remove_file(sandbox.path("table/a")).expect("removed");
    fails(&sandbox.verify("table", &[]), &["a", "is gone"]);
    sandbox.write("table/a", "table/a");
    passes(&sandbox.verify("table", &[]));
}

#[test]
fn without_the_attested_manifest_it_cannot_be_told() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    let manifest = sandbox.read("table.manifest");
    let shorter: String = sandbox
        .read_text("table.manifest")
        .lines()
        .take(1)
        .map(|l| format!("{l}\n"))
        .collect();
    sandbox.write("table.manifest", shorter);
    let (status, report) = sandbox.verify("table", &[]);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    std::fs::remove_file(sandbox.path("table.manifest")).expect("removed");
    let (status, report) = sandbox.verify("table", &[]);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    assert!(has_check(&report, "skip", &["list"]), "{report}");
    sandbox.write("table.manifest", manifest);
    passes(&sandbox.verify("table", &[]));
    // A folder of nothing else is covered whole, and needs no list.
    std::fs::remove_file(sandbox.path("table.manifest")).expect("removed");
    std::fs::remove_file(sandbox.path("table/old")).expect("removed");
    passes(&sandbox.verify("table", &[]));
}

#[test]
fn a_statement_about_the_whole_folder_never_passes_by_a_list() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    // The same digest, said of the whole folder.
    let listed = sandbox.json("table.attestation");
    let whole = with(&listed, "subject.0", "annotations", None);
    sandbox.write("table.attestation", whole.to_string());
    fails(&sandbox.verify("table", &[]), &["dirHash"]);
    // Nor when both lie in one file, in whatever order.
    for lines in [[&listed, &whole], [&whole, &listed]] {
        sandbox.write("table.attestation", format!("{}\n{}\n", lines[0], lines[1]));
        let (status, report) = sandbox.verify("table", &[]);
        let chosen_is_listed = lines[1] == &listed;
        assert_eq!(status == 0, chosen_is_listed, "{report}");
    }
}

#[test]
fn files_beside_those_of_one_statement_do_not_hide_behind_the_list_of_another() {
    let sandbox = Sandbox::new();
    for name in ["table/a", "table/b"] {
        sandbox.write(name, "new");
    }
    // One statement is about the whole folder, another lists what it held before.
    let whole = sandbox.attested("table", &["--out", "whole", "--no-manifest"]);
    for name in ["table/a", "table/b"] {
        sandbox.write(name, "old");
    }
    sandbox.write("list", "a\nb\n");
    attest(&sandbox, &[]).ends(0, &[]);
    let listed = sandbox.json("table.attestation");
    sandbox.write("table.attestation", format!("{whole}\n{listed}\n"));
    for name in ["table/a", "table/b"] {
        sandbox.write(name, "new");
    }
    sandbox.write("table/evil", "smuggled in");
    fails(&sandbox.verify("table", &[]), &["covers the whole folder"]);
}

#[test]
fn an_input_is_the_listed_files_that_its_own_attestation_is_about() {
    let sandbox = table();
    attest(&sandbox, &[]).ends(0, &[]);
    sandbox.write("out.csv", "id\n");
    let transform = [
        "attest",
        "transform",
        "out.csv",
        "--input",
        "table",
        "--executor",
        "x",
    ];
    let ran = sandbox.makoto(&[&transform[..], &["--json"]].concat());
    let statement = sandbox.written(&ran.json());
    let listed = sandbox.json("table.attestation");
    let sha256 = text(&listed, "subject.0.digest.sha256");
    assert_eq!(text(&statement, "predicate.inputs.0.digest.sha256"), sha256);
    assert!(!text(&statement, "predicate.inputs.0.attestationRef").is_empty());
    sandbox.write("table/a", "other");
    let ran = sandbox.makoto(&[&transform[..], &["--replace"]].concat());
    ran.ends(1, &["is not what its attestation says"]);
}

#[test]
fn what_leaves_the_folder_or_is_no_file_is_refused() {
    let sandbox = table();
    sandbox.write("outside", "x");
    symlink("../outside", sandbox.path("table/out")).expect("a link");
    symlink("a", sandbox.path("table/in")).expect("a link");
    for (list, why) in [
        ("../outside\n", "plain relative path"),
        ("deep/../../outside\n", "plain relative path"),
        ("/etc/passwd\n", "plain relative path"),
        ("out\n", "is a link"),
        ("in\n", "is a link"),
        ("deep\n", "a folder"),
        ("gone\n", "gone"),
        ("a\na\n", "equal"),
        ("\n", "the list is empty"),
    ] {
        sandbox.write("list", list);
        attest(&sandbox, &[]).ends(2, &[why]);
        assert!(
            !sandbox.exists("table.attestation") && !sandbox.exists("table.manifest"),
            "{list}"
        );
    }
    sandbox.write("list", "in\n");
    attest(&sandbox, &["--follow"]).ends(0, &[]);
    passes(&sandbox.verify("table", &["--follow"]));
    sandbox.write("list", "out\n");
    attest(&sandbox, &["--follow", "--replace"]).ends(2, &["leads out of the folder"]);
    attest(&sandbox, &["--no-manifest"]).ends(2, &["--no-manifest"]);
    sandbox
        .makoto(&["verify", "table", "--files-from", "list"])
        .ends(2, &["two things"]);
}
