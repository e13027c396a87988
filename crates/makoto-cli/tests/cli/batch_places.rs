//! Many datasets in one command, with stores, a `makoto.toml`, JUnit, GitHub and packages: each
//! is treated as if it were alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use makoto::attestation::Attestation;
use makoto_data::Store;

use crate::document::{at, text};
use crate::junit::read as read_junit;
use crate::sandbox::{ORIGIN, Ran, Sandbox, finish, parse, wait};

const TIME: [&str; 2] = ["--collected-at", "2026-01-01T00:00:00Z"];

/// `attest origin` with these arguments.
fn attest(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.makoto(&[&["attest", "origin"], &ORIGIN[..], arguments].concat())
}

fn tables(sandbox: &Sandbox) {
    for (name, rows) in [("data/a.csv", 1), ("data/b.csv", 2), ("data/deep/c.csv", 3)] {
        sandbox.write(name, format!("id\n{}", "1\n".repeat(rows)));
    }
}

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        match path.is_dir() {
            true => found.extend(
                files(&path)
                    .into_iter()
                    .map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            ),
            false => {
                found.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

#[test]
fn a_store_holds_after_a_batch_what_it_holds_after_each_alone() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("data/copy.csv", sandbox.read("data/a.csv"));
    // Two files with the same statement, and a folder among files.
    let many = [
        "data/*.csv",
        "data/deep",
        "--name",
        "{parent}",
        "--store",
        "batch",
    ];
    let ran = attest(&sandbox, &[&many[..], &TIME].concat());
    ran.ends(0, &["4 datasets: 4 attested"]);
    assert_eq!(
        ran.stdout.matches(" in the store batch\n").count(),
        4,
        "{ran:?}"
    );
    for one in ["data/a.csv", "data/b.csv", "data/copy.csv", "data/deep"] {
        let alone = [one, "--name", "{parent}", "--store", "alone"];
        let ran = attest(&sandbox, &[&alone[..], &TIME].concat());
        assert!(ran.stdout.contains(".attestation (unchanged)\n"), "{ran:?}");
    }
    let batch = files(&sandbox.path("batch"));
    assert_eq!(batch, files(&sandbox.path("alone")));
    assert_eq!(
        batch.keys().filter(|name| name.starts_with("id/")).count(),
        3
    );
    // Again, nothing changes, whenever it is said to have happened.
    attest(&sandbox, &many).ends(0, &["4 datasets: 4 unchanged"]);
    assert_eq!(files(&sandbox.path("batch")), batch);
}

#[test]
fn without_sidecars_data_of_a_batch_is_verified_by_the_store() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    let only = ["data/*.csv", "--no-sidecar"];
    attest(&sandbox, &only).ends(2, &["nothing would be written"]);
    let into = ["data/*.csv", "--no-sidecar", "--store", "store"];
    attest(&sandbox, &into).ends(0, &["2 datasets: 2 attested"]);
    assert!(!sandbox.exists("data/a.csv.attestation"));
    let verify = ["verify", "data/*.csv", "--store", "store"];
    let ran = sandbox.makoto(&verify);
    ran.ends(
        0,
        &[
            "some statements were found in a store",
            "2 datasets: 2 passed",
        ],
    );
    assert_eq!(ran.stderr.matches("found in a store").count(), 1, "{ran:?}");
    sandbox.write("data/b.csv", "id\n7\n");
    sandbox
        .makoto(&verify)
        .ends(1, &["2 datasets: 1 passed, 1 failed"]);
    attest(&sandbox, &into).ends(0, &["2 datasets: 1 unchanged, 1 attested"]);
}

#[test]
fn what_a_store_refuses_stops_only_what_it_is_about() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    let into = [&["data/*.csv", "--store", "store"], &TIME[..]].concat();
    attest(&sandbox, &into).ends(0, &["2 attested"]);
    let statements = Attestation::parse_file(&sandbox.read("data/a.csv.attestation"));
    let id = statements.expect("one")[0].id;
    let store = Store::open(&sandbox.path("store")).expect("a store");
    fs::write(store.path_of(&id), "spoilt").expect("written");
    for name in ["data/a.csv.attestation", "data/b.csv.attestation"] {
        fs::remove_file(sandbox.path(name)).expect("removed");
    }
    let ran = attest(&sandbox, &into);
    ran.ends(
        2,
        &["2 datasets: 1 failed, 1 attested", "restore that file"],
    );
    assert!(
        ran.stdout.contains("data/a.csv: FAILED, store is damaged"),
        "{ran:?}"
    );
    // A store inside what is attested would be data the next time.
    let inside = ["--each", "data", "--store", "data/store"];
    attest(&sandbox, &inside).ends(2, &["the store data/store is in the data data"]);
    assert!(!sandbox.exists("data/store"));
}

#[test]
fn killed_at_any_moment_a_store_is_whole_and_is_completed() {
    let sandbox = Sandbox::new();
    for n in 0..600 {
        sandbox.write(&format!("{n:03}.csv"), format!("id\n{n}\n"));
    }
    let into = [
        &["attest", "origin"],
        &ORIGIN[..],
        &["*.csv", "--no-sidecar", "--store", "store"],
        &TIME,
    ]
    .concat();
    for round in 0..10_u64 {
        let mut command = sandbox.command();
        command
            .args(&into)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut makoto = command.spawn().expect("makoto can be started");
        thread::sleep(Duration::from_millis(20 * round));
        makoto.kill().expect("makoto can be killed");
        assert!(matches!(wait(&mut makoto), 0 | 137));
        let Ok(store) = Store::open(&sandbox.path("store")) else {
            continue;
        };
        for n in (0..600).step_by(7) {
            let sha256 = sandbox.sha256(&format!("{n:03}.csv")).parse();
            let found = store
                .about(&sha256.expect("a digest"))
                .expect("it is whole");
            assert!(found.len() <= 1);
        }
    }
    sandbox.makoto(&into).ends(0, &["600 datasets: "]);
    sandbox
        .makoto(&["verify", "*.csv", "--store", "store"])
        .ends(0, &["600 datasets: 600 passed"]);
}

#[test]
fn each_dataset_has_the_defaults_of_its_own_folder() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("other/d.csv", "id\n1\n");
    let file = "[defaults]\nsource = 's'\ncollector = 'c'\nname = 'acme:{parent}/{stem}'\n";
    sandbox.write(
        "data/makoto.toml",
        format!("{file}\n[[dataset]]\nmatch = 'b.csv'\ngeography = 'JP'\n"),
    );
    sandbox.write(
        "data/deep/makoto.toml",
        "[defaults]\nsource = 'deep'\ncollector = 'c'\n",
    );
    let ran = sandbox.makoto(&["attest", "origin", "**/*.csv", "--json"]);
    ran.ends(2, &["4 datasets: 3 attested, 1 failed"]);
    assert_eq!(
        ran.stderr
            .matches("note: from data/makoto.toml: source, collector, name")
            .count(),
        1,
        "{ran:?}"
    );
    let told: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| parse(line.as_bytes()))
        .collect();
    let names: Vec<_> = told.iter().map(|one| text(one, "subject.0.name")).collect();
    assert_eq!(names, ["acme:data/a", "acme:data/b", "dataset:c", ""]);
    let said = |name: &str, path: &str| text(&sandbox.json(name), path).to_owned();
    let place = "predicate.origin.geography";
    assert_eq!(said("data/b.csv.attestation", place), "JP");
    assert_eq!(said("data/a.csv.attestation", place), "");
    assert_eq!(
        said("data/deep/c.csv.attestation", "predicate.origin.source"),
        "deep"
    );
    assert!(
        text(&told[3], "checks.0.message").contains("no source for other/d.csv"),
        "{ran:?}"
    );
}

#[test]
fn a_wrong_makoto_toml_stops_its_own_data_and_no_other() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("data/deep/makoto.toml", "[defaults]\nsauce = 's'\n");
    let ran = attest(&sandbox, &["data/*.csv", "data/deep/c.csv"]);
    ran.ends(2, &["3 datasets: 2 attested, 1 failed"]);
    assert!(
        ran.stdout
            .contains("data/deep/c.csv: FAILED, data/deep/makoto.toml:2: "),
        "{ran:?}"
    );
    assert!(!sandbox.exists("data/deep/c.csv.attestation"));
}

#[test]
fn one_name_from_a_file_is_no_name_for_many() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("data/makoto.toml", "[defaults]\nname = 'fixed'\n");
    attest(&sandbox, &["data/*.csv"]).ends(2, &["data/a.csv and data/b.csv", "makoto.toml:2"]);
    assert!(!sandbox.exists("data/a.csv.attestation"));
    attest(&sandbox, &["data/*.csv", "--name", "{stem}"]).ends(0, &["2 attested"]);
    // For one that is named by itself, it is.
    sandbox.write(
        "data/makoto.toml",
        "[[dataset]]\nmatch = 'a.csv'\nname = 'fixed'\n",
    );
    attest(&sandbox, &["data/*.csv", "--replace"]).ends(0, &["2 replaced"]);
    let name = |file: &str| text(&sandbox.json(file), "subject.0.name").to_owned();
    assert_eq!(name("data/a.csv.attestation"), "fixed");
    assert_eq!(name("data/b.csv.attestation"), "dataset:b");
}

#[test]
fn a_junit_file_has_a_suite_for_each_dataset() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    attest(&sandbox, &["data/*.csv"]).ends(0, &[]);
    sandbox.write("data/b.csv", "id\n7\n");
    let many = [
        "verify",
        "data/a.csv",
        "data/b.csv",
        "gone.csv",
        "--junit",
        "r.xml",
    ];
    sandbox.makoto(&many).ends(1, &["1 passed, 2 failed"]);
    let told = read_junit(&sandbox, "r.xml");
    let suites = at(&told, "suites").as_array().expect("suites");
    let ended: Vec<_> = suites
        .iter()
        .map(|suite| (text(suite, "name"), text(suite, "properties.verdict")))
        .collect();
    assert_eq!(
        ended,
        [
            ("data/a.csv", "pass"),
            ("data/b.csv", "fail"),
            ("gone.csv", "unknown")
        ]
    );
    let validate = ["validate", "--each", "data", "--junit", "v.xml"];
    sandbox
        .makoto(&validate)
        .ends(0, &["2 documents: 2 passed"]);
    let told = read_junit(&sandbox, "v.xml");
    assert_eq!(at(&told, "suites").as_array().expect("suites").len(), 2);
    // A report among the data would be one more dataset, and one in the place of data a loss.
    let inside = ["verify", "--each", "data", "--junit", "data/r.xml"];
    sandbox.makoto(&inside).ends(2, &["is inside the folder"]);
    let over = [
        "verify",
        "data/a.csv",
        "data/b.csv",
        "--junit",
        "data/b.csv",
    ];
    sandbox
        .makoto(&over)
        .ends(2, &["--junit data/b.csv is data"]);
    assert_eq!(sandbox.read_text("data/b.csv"), "id\n7\n");
}

#[test]
fn github_is_told_of_each_dataset_that_does_not_pass() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    attest(&sandbox, &["data/*.csv"]).ends(0, &[]);
    sandbox.write("data/b.csv", "id\n7\n");
    let mut step = sandbox.command();
    step.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", sandbox.path("summary.md"))
        .args(["verify", "data/a.csv", "data/b.csv", "gone.csv"]);
    let ran = finish(&mut step, b"");
    ran.ends(
        1,
        &["::error title=makoto::gone.csv: FAILED, cannot read gone.csv"],
    );
    let commands: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("::error"))
        .collect();
    assert_eq!(commands.len(), 1, "{ran:?}");
    assert!(commands[0].contains("file=data/b.csv,"), "{ran:?}");
    let summary = sandbox.read_text("summary.md");
    assert!(
        summary.contains("### makoto verify: 1 of 3 passed"),
        "{summary}"
    );
    assert_eq!(summary.matches("| <code>").count(), 3, "{summary}");
    // Attestations that were not made are told of as well.
    let mut step = sandbox.command();
    step.env("GITHUB_ACTIONS", "true")
        .args(["attest", "origin", "data/a.csv", "data/b.csv"])
        .args(ORIGIN);
    let ran = finish(&mut step, b"");
    ran.ends(
        1,
        &["::error title=makoto::data/b.csv: FAILED, ", "2 datasets: "],
    );
}

#[test]
fn packages_are_judged_in_a_batch_as_alone() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    attest(&sandbox, &["data/*.csv"]).ends(0, &[]);
    let pack = ["pack", "data/a.csv", "data/b.csv", "--output", "both.zip"];
    sandbox.makoto(&pack).ends(0, &[]);
    let mut spoilt = sandbox.read("both.zip");
    let middle = spoilt.len() / 2;
    spoilt[middle] ^= 1;
    sandbox.write("spoilt.zip", spoilt);
    let ran = sandbox.makoto(&["verify", "both.zip", "data/a.csv", "spoilt.zip", "--json"]);
    ran.ends(1, &["3 datasets: 2 passed, 1 failed"]);
    let told: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| parse(line.as_bytes()))
        .collect();
    assert_eq!(text(&told[0], "verdict"), "pass");
    assert_eq!(
        at(&told[0], "members").as_array().expect("members").len(),
        2
    );
    assert_eq!(text(&told[2], "verdict"), "fail");
    let (_, alone) = sandbox.verify("both.zip", &[]);
    assert_eq!(at(&alone, "checks"), at(&told[0], "checks"));
}

#[test]
fn a_pipe_goes_into_a_store_and_takes_defaults() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", "[defaults]\nsource = 's'\ncollector = 'c'\n");
    let piped = |more: &[&str]| {
        let arguments = [&["attest", "origin", "-", "--name", "x"], more].concat();
        finish(sandbox.command().args(&arguments), b"id\n1\n")
    };
    piped(&["--no-sidecar", "--store", "store"]).ends(0, &["note: from makoto.toml: "]);
    piped(&["--out", "y", "--no-config"]).ends(2, &["no source for -"]);
    piped(&["--out", "y"]).ends(0, &[]);
    assert_eq!(text(&sandbox.json("y"), "predicate.origin.source"), "s");
    sandbox.write("x.csv", "id\n1\n");
    sandbox
        .makoto(&["verify", "x.csv", "--store", "store"])
        .ends(0, &["found in a store"]);
}
