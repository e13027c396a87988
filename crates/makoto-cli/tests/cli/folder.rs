//! Folders: their digest, their manifest, and which file differs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, fails, has_check, passes, text};
use crate::sandbox::{Sandbox, finish};

pub(crate) fn parts() -> Sandbox {
    let sandbox = Sandbox::new();
    for (file, content) in [("a.csv", "1"), ("b.csv", "2"), ("2026/11/c.csv", "3")] {
        sandbox.write(&format!("parts/{file}"), content);
    }
    sandbox.attested("parts", &[]);
    sandbox
}

/// Go's dirhash `Hash1`, worked out apart from the product.
fn dir_hash(files: &BTreeMap<Vec<u8>, Vec<u8>>) -> (String, String) {
    let mut manifest = Vec::new();
    for (path, content) in files {
        manifest.extend_from_slice(format!("{}  ", Digest::of(content)).as_bytes());
        manifest.extend_from_slice(path);
        manifest.push(b'\n');
    }
    let text = String::from_utf8(manifest).expect("UTF-8");
    (Digest::of(text.as_bytes()).to_string(), text)
}

#[test]
fn the_digest_is_in_totos_dir_hash_over_files_sorted_by_the_bytes_of_their_paths() {
    let sandbox = Sandbox::new();
    let mut files = BTreeMap::new();
    for index in 0..2_000_u32 {
        let path = format!("p-{}/q{}/{index}.csv", index % 7, index % 3);
        files.insert(path.into_bytes(), index.to_string().into_bytes());
    }
    for path in [
        "a", "a.b", "a/b", "a b", "A", "ä", "Z/é/z", "\u{ffff}", "😀", ".hidden", "p-0.csv",
    ] {
        // A name is a file or a folder.
        let path = if path == "a" { "a1" } else { path };
        files.insert(path.as_bytes().to_vec(), path.as_bytes().to_vec());
    }
    files.insert(b"empty".to_vec(), Vec::new());
    files.insert(b"large".to_vec(), vec![7; 3_000_000]);
    for (path, content) in &files {
        let path = std::str::from_utf8(path).expect("UTF-8");
        sandbox.write(&format!("parts/{path}"), content);
    }
    let statement = sandbox.attested("parts", &[]);
    let (expected, manifest) = dir_hash(&files);
    assert_eq!(text(&statement, "subject.0.digest.dirHash"), expected);
    assert_eq!(text(&statement, "subject.0.digest.sha256"), expected);
    assert_eq!(sandbox.read_text("parts.manifest"), manifest);
    let bytes: usize = files.values().map(Vec::len).sum();
    let told = at(&statement, "predicate.metadata.bytesCollected");
    assert_eq!(told, &Json::from(bytes as u64));
    // `sha256sum` understands the manifest.
    let sums = ["--check", "--quiet", "../parts.manifest"];
    let mut command = sandbox.program("sha256sum");
    finish(command.current_dir(sandbox.path("parts")).args(sums), b"").ends(0, &[]);
    let verified = sandbox.verify("parts", &[]);
    passes(&verified);
    let (_, report) = verified;
    let facts = at(&report, "facts").as_array().expect("facts");
    let files_fact = facts.iter().find(|fact| text(fact, "path") == "files");
    assert_eq!(
        files_fact.map(|fact| at(fact, "value")),
        Some(&Json::from(files.len() as u64))
    );
}

#[test]
fn files_that_were_added_lost_or_changed_are_named() {
    let sandbox = parts();
    passes(&sandbox.verify("parts", &[]));
    sandbox.write("parts/new.csv", "4");
    sandbox.write("parts/2026/11/c.csv", "33");
    fs::remove_file(sandbox.path("parts/b.csv")).expect("it is there");
    let verified = sandbox.verify("parts", &[]);
    fails(&verified, &["V3", "dirHash"]);
    fails(&verified, &["V3", "new.csv: was added"]);
    fails(&verified, &["V3", "2026/11/c.csv: was changed"]);
    fails(&verified, &["V3", "b.csv: is gone"]);
    assert!(!verified.1.to_string().contains("a.csv"), "{}", verified.1);
    let ran = sandbox.makoto(&["verify", "parts"]);
    for told in [
        "new.csv was added",
        "2026/11/c.csv was changed",
        "b.csv is gone",
    ] {
        assert!(ran.stdout.contains(told), "{told} {ran:?}");
    }
    assert_eq!(ran.stdout.lines().count(), 3);
}

#[test]
fn a_file_that_moved_is_gone_in_one_place_and_added_in_the_other() {
    let sandbox = parts();
    fs::rename(sandbox.path("parts/a.csv"), sandbox.path("parts/z.csv")).expect("a move");
    let verified = sandbox.verify("parts", &[]);
    fails(&verified, &["a.csv: is gone"]);
    fails(&verified, &["z.csv: was added"]);
}

#[test]
fn two_files_that_changed_places_are_both_changed() {
    let sandbox = parts();
    sandbox.write("parts/a.csv", "2");
    sandbox.write("parts/b.csv", "1");
    let verified = sandbox.verify("parts", &[]);
    fails(&verified, &["a.csv: was changed"]);
    fails(&verified, &["b.csv: was changed"]);
}

#[test]
fn empty_folders_modes_and_times_are_not_covered() {
    let sandbox = parts();
    fs::create_dir_all(sandbox.path("parts/empty/er")).expect("a folder");
    sandbox.set_mode("parts/a.csv", 0o600);
    let touch = ["-d", "2020-01-01T00:00:00Z", "parts/b.csv"];
    finish(sandbox.program("touch").args(touch), b"").ends(0, &[]);
    passes(&sandbox.verify("parts", &[]));
    sandbox.write("parts/empty/er/x", "");
    fails(&sandbox.verify("parts", &[]), &["empty/er/x: was added"]);
}

#[test]
fn a_folder_without_a_file_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("parts/empty/er")).expect("a folder");
    sandbox
        .attest("parts", &[])
        .ends(2, &["parts", "holds no file"]);
    assert_eq!(sandbox.names(), ["parts"]);
    sandbox.write("parts/empty/er/x", "");
    sandbox.attested("parts", &[]);
}

#[test]
fn an_attested_folder_that_was_emptied_does_not_pass() {
    let sandbox = parts();
    fs::remove_dir_all(sandbox.path("parts")).expect("it is there");
    fs::create_dir(sandbox.path("parts")).expect("a folder");
    let (status, report) = sandbox.verify("parts", &[]);
    assert_ne!(status, 0, "{report}");
    assert_ne!(text(&report, "verdict"), "pass");
}

#[test]
fn sidecar_and_manifest_lie_beside_and_never_inside() {
    for (named, folder) in [
        ("parts/", "."),
        ("./parts", "."),
        ("parts/.", "."),
        (".", "parts"),
        ("../parts/", "parts"),
        ("2026/..", "parts"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("parts/a.csv", "1");
        sandbox.write("parts/2026/b.csv", "2");
        let run = |arguments: &[&str]| {
            let mut command = sandbox.command();
            finish(
                command.current_dir(sandbox.path(folder)).args(arguments),
                b"",
            )
        };
        let attest = [
            "attest",
            "origin",
            named,
            "--source",
            "s",
            "--collector",
            "c",
        ];
        run(&attest).ends(0, &[]);
        assert_eq!(
            sandbox.names(),
            ["parts", "parts.attestation", "parts.manifest"],
            "{named}"
        );
        let inside = fs::read_dir(sandbox.path("parts"))
            .expect("the folder")
            .count();
        assert_eq!(inside, 2, "{named}");
        let statement = sandbox.json("parts.attestation");
        assert_eq!(
            text(&statement, "subject.0.name"),
            "dataset:parts",
            "{named}"
        );
        run(&["verify", named]).ends(0, &[]);
        let again = run(&attest);
        assert!(again.stdout.contains("unchanged"), "{again:?}");
        passes(&sandbox.verify("parts", &[]));
    }
}

#[test]
fn a_link_to_a_folder_may_be_named_itself() {
    let sandbox = parts();
    symlink("parts", sandbox.path("current")).expect("a link");
    for named in ["current", "current/"] {
        let verified = sandbox.verify(named, &["--attestation", "parts.attestation"]);
        passes(&verified);
    }
}

#[test]
fn a_forged_manifest_beside_the_folder_is_not_believed() {
    let sandbox = parts();
    let good = sandbox.read_text("parts.manifest");
    sandbox.write("parts/a.csv", "tampered");
    let digest = |content: &str| Digest::of(content.as_bytes()).to_string();
    let fitting = good.replace(&digest("1"), &digest("tampered"));
    let blaming_another = good.replace(&digest("2"), &digest("x"));
    for forged in [fitting.as_str(), &blaming_another, "", "no manifest\n"] {
        sandbox.write("parts.manifest", forged);
        let verified = sandbox.verify("parts", &[]);
        fails(&verified, &["V3", "dirHash"]);
        assert!(
            !verified.1.to_string().contains("was changed"),
            "{}",
            verified.1
        );
    }
    fs::remove_file(sandbox.path("parts.manifest")).expect("it is there");
    fails(&sandbox.verify("parts", &[]), &["V3", "dirHash"]);
    sandbox.write("parts.manifest", &good);
    fails(&sandbox.verify("parts", &[]), &["a.csv: was changed"]);
    sandbox.write("parts/a.csv", "1");
    for forged in [fitting.as_str(), "no manifest\n"] {
        sandbox.write("parts.manifest", forged);
        passes(&sandbox.verify("parts", &[]));
    }
}

#[test]
fn a_users_own_file_of_the_manifests_name_is_not_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a.csv", "1");
    for content in ["my packing list\n", "name: parts\n", "\u{0}"] {
        sandbox.write("parts.manifest", content);
        let before = sandbox.stamp("parts.manifest");
        for more in [&[][..], &["--replace"], &["--append"]] {
            sandbox
                .attest("parts", more)
                .ends(2, &["parts.manifest", "--no-manifest"]);
            assert_eq!(sandbox.stamp("parts.manifest"), before);
            assert_eq!(sandbox.names(), ["parts", "parts.manifest"]);
        }
    }
    sandbox.attested("parts", &["--no-manifest"]);
    passes(&sandbox.verify("parts", &[]));
}

#[test]
fn a_folder_that_changed_is_refused_and_attestation_and_manifest_are_left_alone() {
    let sandbox = parts();
    let before = ["parts.attestation", "parts.manifest"].map(|name| sandbox.stamp(name));
    sandbox.write("parts/a.csv", "11");
    sandbox
        .attest("parts", &[])
        .ends(1, &["parts.attestation", "--replace"]);
    let after = ["parts.attestation", "parts.manifest"].map(|name| sandbox.stamp(name));
    assert_eq!(before, after);
    // The manifest still is the attested one, so the file that changed can be named.
    fails(&sandbox.verify("parts", &[]), &["a.csv: was changed"]);
    sandbox.attested("parts", &["--replace"]);
    passes(&sandbox.verify("parts", &[]));
    sandbox.write("parts/b.csv", "22");
    fails(&sandbox.verify("parts", &[]), &["b.csv: was changed"]);
}

#[test]
fn without_a_manifest_the_verdict_is_the_same_and_no_file_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a.csv", "1");
    sandbox.attested("parts", &["--no-manifest"]);
    assert_eq!(sandbox.names(), ["parts", "parts.attestation"]);
    passes(&sandbox.verify("parts", &[]));
    sandbox.write("parts/a.csv", "2");
    let verified = sandbox.verify("parts", &[]);
    fails(&verified, &["V3", "dirHash"]);
    assert!(
        has_check(&verified.1, "skip", &["no manifest"]),
        "{}",
        verified.1
    );
}

#[test]
fn a_digest_of_the_folder_that_is_not_its_sha256_is_refused() {
    let sandbox = parts();
    let good = sandbox.json("parts.attestation");
    let other = Digest::of(b"x").to_string();
    for key in ["sha256", "dirHash"] {
        let forged =
            crate::document::with(&good, "subject.0.digest", key, Some(other.as_str().into()));
        sandbox.write("parts.attestation", forged.to_string());
        let (status, report) = sandbox.verify("parts", &[]);
        assert_eq!(status, 1, "{report}");
        assert!(has_check(&report, "fail", &["dirHash"]), "{report}");
    }
}

#[test]
fn a_copy_of_a_folder_cannot_be_asked_for() {
    let sandbox = parts();
    let ran = sandbox.makoto(&["verify", "parts", "--output", "copy"]);
    ran.ends(2, &["--output"]);
    assert!(!sandbox.exists("copy"));
}

#[test]
fn the_reason_names_the_files_and_whatever_else_is_wrong_but_not_the_digest_over_them() {
    let sandbox = parts();
    sandbox.write("parts/a.csv", "other");
    let ran = sandbox.makoto(&["verify", "parts", "--as", "dataset:other"]);
    let why = ran.ends(1, &[]).stdout.lines().nth(1).map(str::to_owned);
    let why = why.expect("a reason");
    assert!(why.contains("a.csv was changed"), "{why}");
    assert!(why.contains("\"dataset:other\" was asked for"), "{why}");
    assert!(!why.contains("dirHash"), "{why}");
    // Without a manifest nobody knows the files, and the digest is what there is to tell.
    fs::remove_file(sandbox.path("parts.manifest")).expect("the manifest can be removed");
    let ran = sandbox.makoto(&["verify", "parts"]);
    let why = ran.ends(1, &[]).stdout.lines().nth(1).map(str::to_owned);
    let why = why.expect("a reason");
    assert!(why.contains("dirHash does not match"), "{why}");
}
