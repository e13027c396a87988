//! Which `makoto.toml` is taken, which is not, and who never reads one.

use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::process::Command;

use makoto::json::Json;

use crate::document::{at, passes, text};
use crate::sandbox::{ORIGIN, Ran, Sandbox};

fn file(source: &str) -> String {
    format!("[defaults]\nsource = {source:?}\ncollector = 'c'\n")
}

fn attest(sandbox: &Sandbox, data: &str, more: &[&str]) -> Ran {
    sandbox.makoto(&[&["attest", "origin", data, "--replace"], more].concat())
}

/// The source that the statement about `data` names.
#[track_caller]
fn source(sandbox: &Sandbox, data: &str, more: &[&str]) -> String {
    let ran = attest(sandbox, data, &[more, &["--json"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    let statement = sandbox.written(&ran.json());
    text(&statement, "predicate.origin.source").to_owned()
}

#[test]
fn the_first_file_upward_from_the_data_wins_wherever_one_is() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", file("top"));
    sandbox.write("a/makoto.toml", file("a"));
    for data in ["x", "a/x", "a/b/x", "other/x"] {
        sandbox.write(data, "1");
    }
    for (data, expected) in [
        ("x", "top"),
        ("a/x", "a"),
        ("a/b/x", "a"),
        ("a/../x", "top"),
        ("other/../a/b/../x", "a"),
        ("a/b", "a"),
    ] {
        assert_eq!(source(&sandbox, data, &[]), expected, "{data}");
    }
    // The folder that one is in does not matter, nor how the path is written.
    let absolute = sandbox.path("a/b/x");
    let mut command = sandbox.command();
    command.current_dir(sandbox.path("other"));
    command.args(["attest", "origin", "--replace", "--json"]);
    let ran = crate::sandbox::finish(command.arg(absolute), b"");
    assert!(ran.stderr.contains("a/makoto.toml: source"), "{ran:?}");
}

#[test]
fn a_file_inside_the_data_is_data() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/makoto.toml", file("inside"));
    attest(&sandbox, "parts", &[]).ends(2, &["no source for parts"]);
    sandbox.write("makoto.toml", file("beside"));
    assert_eq!(source(&sandbox, "parts", &[]), "beside");
}

#[test]
fn a_named_file_wins_and_none_can_be_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("a/makoto.toml", file("a"));
    sandbox.write("a/x", "1");
    let section = "[[dataset]]\nmatch = '**'\nsource = 'section'\n";
    sandbox.write("elsewhere/my.toml", file("named") + section);
    sandbox.write("elsewhere/x", "1");
    let named = ["--config", "elsewhere/my.toml"];
    assert_eq!(source(&sandbox, "a/x", &named), "named");
    // A section's paths are those of the file's own folder.
    assert_eq!(source(&sandbox, "elsewhere/x", &named), "section");
    attest(&sandbox, "a/x", &["--no-config"]).ends(2, &["no source"]);
    attest(&sandbox, "a/x", &["--config", "gone.toml"]).ends(2, &["gone.toml"]);
    attest(&sandbox, "a/x", &["--no-config", "--config", "x"]).ends(2, &["--no-config"]);
}

#[test]
fn a_file_that_was_found_does_not_speak_of_data_outside_its_folder() {
    let sandbox = Sandbox::new();
    let names = "[defaults]\nexecutor = 'e'\nname = 'acme:{stem}'\n";
    sandbox.write("acme/makoto.toml", names);
    for data in ["acme/a", "other/b", "in"] {
        sandbox.write(data, data);
    }
    let outputs = [
        "attest",
        "transform",
        "acme/a",
        "other/b",
        "--input",
        "in",
        "--json",
    ];
    let ran = sandbox.makoto(&outputs);
    ran.ends(0, &[]);
    let statement = sandbox.written(&ran.json());
    assert_eq!(text(&statement, "subject.0.name"), "acme:a");
    assert_eq!(text(&statement, "subject.1.name"), "dataset:b");
    let named = ["--config", "acme/makoto.toml", "--replace"];
    let ran = sandbox.makoto(&[&outputs[..], &named].concat());
    let statement = sandbox.written(&ran.json());
    assert_eq!(text(&statement, "subject.1.name"), "acme:b");
}

#[test]
fn a_linked_folder_is_where_it_leads() {
    let sandbox = Sandbox::new();
    sandbox.write("real/makoto.toml", file("real"));
    sandbox.write("real/x", "1");
    sandbox.write("makoto.toml", file("top"));
    symlink("real", sandbox.path("link")).expect("a link");
    symlink("real/x", sandbox.path("x")).expect("a link");
    assert_eq!(source(&sandbox, "link/x", &[]), "real");
    assert_eq!(source(&sandbox, "x", &[]), "top");
}

#[test]
fn what_is_no_plain_file_is_refused_and_not_passed_over() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", file("top"));
    sandbox.write("elsewhere.toml", file("linked"));
    let typed = &ORIGIN[..];
    let folder = |name: &str| sandbox.write(&format!("{name}/x"), "1");
    let place = |name: &str| sandbox.path(&format!("{name}/makoto.toml"));
    for name in ["link", "dangling", "pipe", "folder", "large"] {
        folder(name);
    }
    symlink("../elsewhere.toml", place("link")).expect("a link");
    symlink("nowhere", place("dangling")).expect("a link");
    let made = Command::new("mkfifo").arg(place("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    std::fs::create_dir(place("folder")).expect("a folder");
    std::fs::write(place("large"), "#".repeat((1 << 20) + 1)).expect("a file");
    for (name, told) in [
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("pipe", "is a named pipe"),
        ("folder", "is a folder"),
        ("large", "is larger than 1048576 bytes"),
    ] {
        let data = format!("{name}/x");
        attest(&sandbox, &data, typed).ends(2, &[told, "hint: "]);
        assert!(!sandbox.exists(&format!("{data}.attestation")), "{name}");
        let doctor = sandbox.makoto(&["doctor", &data]);
        assert_eq!(doctor.status, 1, "{doctor:?}");
        assert!(doctor.stdout.contains(told), "{doctor:?}");
        let without = [typed, &["--no-config"]].concat();
        attest(&sandbox, &data, &without).ends(0, &[]);
    }
    // Somebody who names a link means what it leads to; a pipe stays a pipe.
    let named = ["--config", "link/makoto.toml"];
    assert_eq!(source(&sandbox, "link/x", &named), "linked");
    let named = ["--config", "pipe/makoto.toml"];
    attest(&sandbox, "pipe/x", &named).ends(2, &["is a named pipe"]);
    let whole = format!("{}#", file("whole"));
    let whole = format!("{whole}{}", "x".repeat((1 << 20) - whole.len()));
    sandbox.write("large/makoto.toml", whole);
    assert_eq!(source(&sandbox, "large/x", &[]), "whole");
}

#[test]
fn a_folder_where_others_may_put_files_ends_the_search() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", file("top"));
    sandbox.write("open/makoto.toml", file("open"));
    sandbox.write("open/mine/x", "1");
    sandbox.set_mode("open", 0o777);
    // In a folder of one's own, one's own file counts, whoever may write there.
    assert_eq!(source(&sandbox, "open/mine/x", &[]), "open");
    let own = std::fs::metadata(sandbox.path("open"))
        .expect("a folder")
        .uid();
    let other = own + 1;
    if chown(sandbox.path("open"), Some(other), None).is_err() {
        // Only root can give a folder away. Everyone else has one that belongs to root.
        let doctor = sandbox.makoto(&["doctor", "--no-config"]);
        assert_eq!(doctor.status, 0, "{doctor:?}");
        std::fs::remove_file(sandbox.path("open/makoto.toml")).expect("mine");
        std::fs::remove_file(sandbox.path("makoto.toml")).expect("mine");
        let doctor = sandbox.makoto(&["doctor"]);
        assert!(doctor.stdout.contains("stopped at"), "{doctor:?}");
        return;
    }
    let refused = |expected: &str| {
        let ran = attest(&sandbox, "open/mine/x", &["--out", "o"]);
        ran.ends(2, &["others may put files", "no source"]);
        let doctor = sandbox.makoto(&["doctor", "open/mine/x"]);
        assert_eq!(doctor.status, 1, "{doctor:?}");
        assert!(doctor.stdout.contains(expected), "{doctor:?}");
    };
    refused("stopped at");
    // The sticky /tmp of root himself: his folder, but another user's file.
    chown(sandbox.path("open"), Some(own), None).expect("root may");
    chown(sandbox.path("open/makoto.toml"), Some(other), None).expect("root may");
    refused("stopped at");
    let named = ["--config", "open/makoto.toml"];
    assert_eq!(source(&sandbox, "open/mine/x", &named), "open");
    sandbox.set_mode("open", 0o755);
    assert_eq!(source(&sandbox, "open/mine/x", &[]), "open");
    std::fs::remove_file(sandbox.path("open/makoto.toml")).expect("removed");
    sandbox.set_mode("open", 0o777);
    assert_eq!(source(&sandbox, "open/mine/x", &[]), "top");
}

#[test]
fn verifying_and_validating_never_read_one() {
    let sandbox = Sandbox::new();
    sandbox.write("x.csv", "a\n1\n");
    sandbox.attested("x.csv", &[]);
    let without_time = |(status, report): (i32, Json)| {
        let mut report = report;
        if let Json::Object(members) = &mut report {
            members.remove("time");
        }
        (status, report)
    };
    let verdict = || without_time(sandbox.verify("x.csv", &[]));
    let valid = || {
        let ran = sandbox.makoto(&["validate", "x.csv.attestation", "--json"]);
        without_time((ran.status, ran.json()))
    };
    let (verified, validated) = (verdict(), valid());
    passes(&verified);
    let hostile = "[defaults]\nname = 'dataset:other'\nsource = 'hostile'\nsigner = 'file:evil'\n\
                   tsa = 'https://evil.example'\nstore = 'evil'\n[[dataset]]\nmatch = '**'\nname = 'y'\n";
    for file in [hostile, "[broken", "password = 'x'", "\u{0}\u{1}"] {
        sandbox.write("makoto.toml", file);
        assert_eq!(verdict(), verified, "{file}");
        assert_eq!(valid(), validated, "{file}");
    }
    // Whoever opened this pipe would wait, or say that it is one.
    std::fs::remove_file(sandbox.path("makoto.toml")).expect("removed");
    let made = Command::new("mkfifo")
        .arg(sandbox.path("makoto.toml"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    assert_eq!((verdict(), valid()), (verified, validated));
    for command in [["verify", "x.csv"], ["validate", "x.csv.attestation"]] {
        let ran = sandbox.makoto(&[&command[..], &["--config", "f"]].concat());
        ran.ends(2, &["--config"]);
    }
    // It changes nothing about data that differs, either.
    sandbox.write("x.csv", "a\n2\n");
    assert_eq!(at(&verdict().1, "verdict").as_str(), Some("fail"));
}
