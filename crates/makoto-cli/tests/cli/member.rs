//! One file of a folder, checked by the folder's manifest.

use std::fs;
use std::os::unix::fs::symlink;

use makoto::digest::Digest;

use crate::document::{basis, fails, has_check, passes, text};
use crate::folder::parts;
use crate::sandbox::Sandbox;

fn member(sandbox: &Sandbox, path: &str) -> (i32, makoto::json::Json) {
    sandbox.verify("parts", &["--member", path])
}

#[test]
fn a_file_as_it_was_attested_passes_and_the_others_are_not_read() {
    let sandbox = parts();
    for path in ["a.csv", "2026/11/c.csv"] {
        passes(&member(&sandbox, path));
    }
    // Only part of the folder was delivered.
    fs::remove_file(sandbox.path("parts/b.csv")).expect("it is there");
    sandbox.write("parts/a.csv", "tampered");
    let verified = member(&sandbox, "2026/11/c.csv");
    passes(&verified);
    let not_read = "the other files were not read";
    assert!(
        has_check(&verified.1, "pass", &["2026/11/c.csv", not_read]),
        "{}",
        verified.1
    );
    assert_ne!(
        basis(&verified.1, "digest.dirHash"),
        "recomputed",
        "{}",
        verified.1
    );
}

#[test]
fn a_file_that_changed_is_gone_or_was_never_there_does_not_pass() {
    let sandbox = parts();
    sandbox.write("parts/a.csv", "tampered");
    fails(
        &member(&sandbox, "a.csv"),
        &["V3", "a.csv", "the manifest says"],
    );
    sandbox.write("parts/new.csv", "1");
    fails(
        &member(&sandbox, "new.csv"),
        &["V3", "new.csv", "not in the folder's manifest"],
    );
    fs::remove_file(sandbox.path("parts/b.csv")).expect("it is there");
    let (status, report) = member(&sandbox, "b.csv");
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
}

#[test]
fn a_forged_manifest_saves_no_file() {
    let sandbox = parts();
    let good = sandbox.read_text("parts.manifest");
    sandbox.write("parts/a.csv", "tampered");
    let digest = |content: &str| Digest::of(content.as_bytes()).to_string();
    let forged = good.replace(&digest("1"), &digest("tampered"));
    assert_ne!(forged, good);
    sandbox.write("parts.manifest", &forged);
    fails(&member(&sandbox, "a.csv"), &["V3", "dirHash"]);
    // Nor does it pass a file that did not change: the manifest is not the attested one.
    fails(&member(&sandbox, "b.csv"), &["V3", "dirHash"]);
    fs::remove_file(sandbox.path("parts.manifest")).expect("it is there");
    let (status, report) = member(&sandbox, "b.csv");
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
}

#[test]
fn a_path_that_leaves_the_folder_is_refused() {
    let sandbox = parts();
    sandbox.write("outside.csv", "1");
    let absolute = sandbox.path("parts/a.csv");
    let absolute = absolute.to_str().expect("UTF-8");
    for path in [
        "../outside.csv",
        "2026/../../outside.csv",
        absolute,
        "",
        ".",
        "a.csv/",
        "./a.csv",
        "2026//11/c.csv",
    ] {
        let ran = sandbox.makoto(&["verify", "parts", "--member", path]);
        ran.ends(2, &["--member"]);
    }
    let ran = sandbox.makoto(&[
        "verify",
        "outside.csv",
        "--attestation",
        "parts.attestation",
        "--member",
        "a.csv",
    ]);
    ran.ends(2, &["--member needs a folder"]);
}

#[test]
fn a_file_that_became_a_link_is_refused() {
    let sandbox = parts();
    // The same bytes for now; whoever owns the other file can change them at any time.
    sandbox.write("outside.csv", "1");
    sandbox.write("elsewhere/11/c.csv", "3");
    fs::remove_file(sandbox.path("parts/a.csv")).expect("it is there");
    symlink("../outside.csv", sandbox.path("parts/a.csv")).expect("a link");
    fs::remove_dir_all(sandbox.path("parts/2026")).expect("it is there");
    symlink("../elsewhere", sandbox.path("parts/2026")).expect("a link");
    assert_eq!(sandbox.verify("parts", &[]).0, 2);
    for path in ["a.csv", "2026/11/c.csv"] {
        let (status, report) = member(&sandbox, path);
        assert_ne!(status, 0, "{path} {report}");
    }
}

#[test]
fn the_name_and_the_level_that_are_asked_for_hold_for_a_file_as_well() {
    let sandbox = parts();
    let ask = |more: &[&str]| sandbox.verify("parts", &[&["--member", "a.csv"], more].concat());
    passes(&ask(&["--as", "dataset:parts"]));
    fails(&ask(&["--as", "dataset:other"]), &["V2", "name"]);
    fails(&ask(&["--level", "L2"]), &["L2.P.1"]);
}
