//! What may not be in a folder: links that lead out, pipes, names that blur a manifest.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::document::{passes, text};
use crate::sandbox::{Sandbox, finish};

fn parts() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a", "1");
    sandbox
}

fn link(sandbox: &Sandbox, to: impl AsRef<Path>, name: &str) {
    symlink(to, sandbox.path(name)).expect("a link can be made");
}

/// Checks that the folder is refused with these words, whatever links are followed.
#[track_caller]
fn refused(sandbox: &Sandbox, follow: &[&str], words: &[&str]) {
    let before = sandbox.names();
    sandbox.attest("parts", follow).ends(2, words);
    assert_eq!(sandbox.names(), before);
}

#[test]
fn a_link_is_refused_unless_links_are_followed() {
    let sandbox = parts();
    link(&sandbox, "a", "parts/b");
    refused(&sandbox, &[], &["parts/b", "link", "--follow"]);
    let followed = sandbox.attested("parts", &["--follow"]);
    passes(&sandbox.verify("parts", &["--follow"]));
    assert_eq!(sandbox.verify("parts", &[]).0, 2);
    // What it counts as is what it names.
    fs::remove_file(sandbox.path("parts/b")).expect("the link");
    sandbox.write("parts/b", "1");
    passes(&sandbox.verify("parts", &[]));
    let copied = sandbox.attested("parts", &["--out", "copied"]);
    let digest = "subject.0.digest.dirHash";
    assert_eq!(text(&copied, digest), text(&followed, digest));
}

#[test]
fn a_link_to_a_folder_inside_is_followed() {
    let sandbox = parts();
    sandbox.write("parts/real/x", "2");
    link(&sandbox, "real", "parts/again");
    refused(&sandbox, &[], &["parts/again", "link"]);
    sandbox.attested("parts", &["--follow"]);
    let manifest = sandbox.read_text("parts.manifest");
    let paths: Vec<_> = manifest.lines().map(|line| &line[66..]).collect();
    assert_eq!(paths, ["a", "again/x", "real/x"]);
}

#[test]
fn a_link_that_leads_out_is_refused_even_when_links_are_followed() {
    for target in [
        "../secret",
        "..",
        "/etc/hostname",
        "/",
        "../partsibling/x",
        "real/../../secret",
    ] {
        let sandbox = parts();
        sandbox.write("secret", "s");
        sandbox.write("partsibling/x", "s");
        sandbox.write("parts/real/x", "2");
        link(&sandbox, target, "parts/b");
        let ran = sandbox.attest("parts", &["--follow"]);
        assert_eq!(ran.status, 2, "{target} {ran:?}");
        assert!(ran.stderr.contains("parts/b"), "{target} {ran:?}");
        assert!(!sandbox.exists("parts.attestation"), "{target}");
        refused(&sandbox, &[], &["parts/b"]);
    }
}

#[test]
fn a_link_through_a_link_that_leads_out_is_refused() {
    let sandbox = parts();
    sandbox.write("outside/x", "s");
    sandbox.write("parts/real/x", "2");
    link(&sandbox, sandbox.path("outside"), "hop");
    link(&sandbox, "../hop/x", "parts/b");
    refused(&sandbox, &["--follow"], &["parts/b", "leads out"]);
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let sandbox = parts();
    link(&sandbox, "gone", "parts/b");
    refused(&sandbox, &["--follow"], &["parts/b"]);
    refused(&sandbox, &[], &["parts/b"]);
}

#[test]
fn links_that_lead_back_are_refused() {
    for (target, name) in [
        (".", "parts/loop"),
        ("..", "parts/sub/loop"),
        ("loop", "parts/loop"),
        ("../sub", "parts/sub/loop"),
    ] {
        let sandbox = parts();
        sandbox.write("parts/sub/x", "2");
        link(&sandbox, target, name);
        refused(&sandbox, &["--follow"], &["loop"]);
        refused(&sandbox, &[], &["loop"]);
    }
    let sandbox = parts();
    link(&sandbox, "two", "parts/one");
    link(&sandbox, "one", "parts/two");
    refused(&sandbox, &["--follow"], &["parts/"]);
}

#[test]
fn links_that_multiply_files_stay_within_the_budget() {
    // Each folder holds two links to the next: 2^30 ways to one file.
    let sandbox = parts();
    for depth in 0..30 {
        let folder = format!("parts/d{depth}");
        fs::create_dir(sandbox.path(&folder)).expect("a folder");
        for side in ["l", "r"] {
            link(
                &sandbox,
                format!("../d{}", depth + 1),
                &format!("{folder}/{side}"),
            );
        }
    }
    sandbox.write("parts/d30/x", "1");
    let script = "ulimit -t 30; ulimit -v 2000000; exec \"$makoto\" attest origin parts --follow --source s --collector c";
    let ran = finish(&mut sandbox.shell(script), b"");
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(!sandbox.exists("parts.attestation"));
}

#[test]
fn folders_nested_too_deep_are_refused() {
    let sandbox = parts();
    let deep = |levels: usize| format!("parts/{}x", "d/".repeat(levels));
    sandbox.write(&deep(60), "2");
    sandbox.attested("parts", &[]);
    sandbox.write(&deep(70), "3");
    fs::remove_file(sandbox.path("parts.attestation")).expect("it is there");
    refused(&sandbox, &[], &["nested deeper"]);
}

#[test]
fn a_pipe_in_a_folder_is_refused_without_waiting() {
    let sandbox = parts();
    let path = sandbox.path("parts/sub");
    fs::create_dir(&path).expect("a folder");
    finish(sandbox.program("mkfifo").arg(path.join("pipe")), b"").ends(0, &[]);
    refused(&sandbox, &[], &["parts/sub/pipe", "named pipe"]);
    refused(&sandbox, &["--follow"], &["parts/sub/pipe", "named pipe"]);
}

#[test]
fn a_socket_in_a_folder_is_refused() {
    let sandbox = parts();
    let _socket = UnixListener::bind(sandbox.path("parts/socket")).expect("a socket");
    refused(&sandbox, &[], &["parts/socket", "a socket"]);
}

#[test]
fn a_link_to_a_device_is_refused() {
    let sandbox = parts();
    link(&sandbox, "/dev/zero", "parts/zero");
    refused(&sandbox, &["--follow"], &["parts/zero"]);
    refused(&sandbox, &[], &["parts/zero"]);
}

#[test]
fn names_that_would_break_or_blur_a_manifest_are_refused() {
    for (name, word) in [
        ("line\nend", "line end"),
        ("carriage\rreturn", "line end"),
        ("back\\slash", "backslash"),
        ("sub/two\nlines/x", "line end"),
        (
            "x\n0000000000000000000000000000000000000000000000000000000000000000  forged",
            "line end",
        ),
    ] {
        let sandbox = parts();
        sandbox.write(&format!("parts/{name}"), "2");
        refused(&sandbox, &[], &["parts", word]);
    }
    let sandbox = parts();
    for name in [
        "space d",
        " leading",
        "tab\tbed",
        "two  spaces",
        "q\"uote",
        "-dash",
        "..dots",
        "*",
    ] {
        sandbox.write(&format!("parts/{name}"), "2");
    }
    sandbox.attested("parts", &[]);
    passes(&sandbox.verify("parts", &[]));
}

#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    let sandbox = parts();
    let name = OsStr::from_bytes(b"parts/b\xff.csv");
    fs::write(sandbox.path("").join(name), "2").expect("Linux takes any bytes");
    refused(&sandbox, &[], &["parts", "UTF-8"]);
}

#[test]
fn a_data_file_whose_own_name_is_not_utf_8_needs_a_name() {
    let sandbox = Sandbox::new();
    let data = OsStr::from_bytes(b"b\xff.csv");
    fs::write(sandbox.path("").join(data), "a\n1\n").expect("Linux takes any bytes");
    let attest = |more: &[&str]| {
        let mut command = sandbox.command();
        command.args(["attest", "origin", "--source", "s", "--collector", "c"]);
        finish(command.args(more).arg(data), b"")
    };
    attest(&[]).ends(2, &["UTF-8", "--name"]);
    assert_eq!(sandbox.names().len(), 1);
    attest(&["--name", "dataset:b"]).ends(0, &[]);
    finish(sandbox.command().arg("verify").arg(data), b"").ends(0, &[]);
}

#[test]
fn names_that_differ_only_in_unicode_form_are_refused() {
    for (one, other) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{e9}/x", "e\u{301}/x"),
        ("\u{212b}", "\u{c5}"),
    ] {
        let sandbox = parts();
        sandbox.write(&format!("parts/{one}"), "1");
        sandbox.attested("parts", &["--out", "fine"]);
        sandbox.write(&format!("parts/{other}"), "2");
        refused(&sandbox, &[], &["parts", "NFC"]);
    }
}

#[test]
fn a_folder_that_changes_while_it_is_read_is_refused() {
    let sandbox = parts();
    // Sparse: long enough to read, and nothing to write.
    let large = fs::File::create(sandbox.path("parts/large")).expect("a file");
    large.set_len(300_000_000).expect("a sparse file");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut index = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                index += 1;
                fs::write(sandbox.path(&format!("parts/new{index}")), "x").expect("a file");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let ran = sandbox.attest("parts", &[]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ran
    });
    ran.ends(2, &["changed while it was read"]);
    assert_eq!(sandbox.names(), ["parts"]);
}
