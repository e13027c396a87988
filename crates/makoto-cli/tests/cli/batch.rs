//! Many datasets in one command.

use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use makoto::attestation::Attestation;
use makoto::json::Json;

use crate::document::{at, passes, text};
use crate::sandbox::{ORIGIN, Ran, Sandbox, finish, parse, wait};

/// `attest origin` with these arguments.
fn attest(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.makoto(&[&["attest", "origin"], &ORIGIN[..], arguments].concat())
}

/// The attestations below the sandbox, hidden ones too.
fn attestations(sandbox: &Sandbox) -> Vec<String> {
    let root = sandbox.path("");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = entry.path();
            if entry.file_type().expect("a type").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "attestation") {
                let name = path.strip_prefix(&root).expect("below");
                found.push(name.with_extension("").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn lines(ran: &Ran) -> Vec<Json> {
    ran.stdout
        .lines()
        .map(|line| parse(line.as_bytes()))
        .collect()
}

fn tables(sandbox: &Sandbox) {
    for (name, rows) in [("data/a.csv", 1), ("data/b.csv", 2), ("data/deep/c.csv", 3)] {
        sandbox.write(name, format!("id\n{}", "1\n".repeat(rows)));
    }
    sandbox.write("data/notes.txt", "no table");
    sandbox.write("data/.hidden.csv", "id\n1\n");
}

#[test]
fn each_of_many_paths_has_an_attestation_as_if_it_had_been_attested_alone() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    let many = attest(
        &sandbox,
        &[
            "data/a.csv",
            "data/b.csv",
            "--collected-at",
            "2026-01-01T00:00:00Z",
        ],
    );
    many.ends(0, &["2 datasets: 2 attested\n"]);
    let told: Vec<_> = many.stdout.lines().collect();
    assert_eq!(told.len(), 2, "{many:?}");
    assert!(told[0].starts_with("data/a.csv: new, sha256 ") && told[0].ends_with(", 1 record"));
    assert!(told[1].starts_with("data/b.csv: new, sha256 ") && told[1].ends_with(", 2 records"));
    let in_batch = sandbox.read("data/a.csv.attestation");
    std::fs::remove_file(sandbox.path("data/a.csv.attestation")).expect("removed");
    sandbox.attested("data/a.csv", &["--collected-at", "2026-01-01T00:00:00Z"]);
    assert_eq!(sandbox.read("data/a.csv.attestation"), in_batch);
    passes(&sandbox.verify("data/b.csv", &["--as", "dataset:b"]));
}

#[test]
fn a_quoted_pattern_finds_what_a_shell_would_and_nothing_else() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    let found = |pattern: &str| {
        let ran = attest(&sandbox, &[pattern, "--replace", "--json"]);
        let told = lines(&ran)
            .iter()
            .map(|line| text(line, "data").to_owned())
            .collect::<Vec<_>>();
        assert_eq!(ran.status, 0, "{ran:?}");
        told
    };
    assert_eq!(found("data/*.csv"), ["data/a.csv", "data/b.csv"]);
    assert_eq!(found("data/?.csv"), ["data/a.csv", "data/b.csv"]);
    assert_eq!(found("data/[b-z].csv"), ["data/b.csv"]);
    assert_eq!(
        found("**/*.csv"),
        ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    );
    assert_eq!(found("data/.*.csv"), ["data/.hidden.csv"]);
    // Attestations that are there by now are no data.
    assert_eq!(found("data/a*"), ["data/a.csv"]);
}

#[test]
fn a_pattern_that_matches_nothing_stops_everything() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    for pattern in ["data/*.parquet", "nowhere/*.csv", "data/[a", "data/*/*/*"] {
        let ran = attest(&sandbox, &["data/a.csv", pattern]);
        ran.ends(2, &[pattern]);
        assert!(attestations(&sandbox).is_empty(), "{ran:?}");
    }
}

#[test]
fn a_file_whose_name_looks_like_a_pattern_is_that_file() {
    let sandbox = Sandbox::new();
    for name in ["[ab].csv", "a.csv", "b.csv"] {
        sandbox.write(name, "id\n1\n");
    }
    let ran = attest(&sandbox, &["[ab].csv"]);
    ran.ends(0, &[]);
    assert_eq!(attestations(&sandbox), ["[ab].csv"]);
    // It is one dataset, and told as one.
    assert!(
        ran.stdout
            .contains("\n  attestation: [ab].csv.attestation (new)\n"),
        "{ran:?}"
    );
}

#[test]
fn links_that_lead_back_do_not_make_a_pattern_walk_for_ever() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    for (target, link) in [
        ("..", "data/up"),
        (".", "data/self"),
        ("..", "data/deep/up"),
    ] {
        symlink(target, sandbox.path(link)).expect("a link");
    }
    let ran = attest(&sandbox, &["**/a.csv"]);
    ran.ends(0, &["1 dataset: 1 attested"]);
}

#[test]
fn a_list_names_one_path_on_each_line_or_between_nuls() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("with\nnewline.csv", "id\n1\n");
    sandbox.write("*.csv", "id\n1\n");
    let by_lines = [&["attest", "origin", "--files-from", "-"], &ORIGIN[..]].concat();
    let ran = finish(
        sandbox.command().args(&by_lines),
        b"data/a.csv\n\n*.csv\ndata/a.csv\n",
    );
    ran.ends(0, &["2 datasets: 2 attested"]);
    assert_eq!(attestations(&sandbox), ["*.csv", "data/a.csv"]);
    sandbox.write("list", "with\nnewline.csv\0data/b.csv\0");
    attest(&sandbox, &["--files-from", "list"]).ends(0, &["2 datasets: 2 attested"]);
    sandbox.write("one", "with\nnewline.csv");
    attest(&sandbox, &["--files-from", "one", "-0"]).ends(0, &["1 dataset: 1 unchanged"]);
    attest(&sandbox, &["--files-from", "one"]).ends(2, &["2 datasets: 2 failed"]);
    sandbox.write("empty", "\n\n");
    attest(&sandbox, &["--files-from", "empty"]).ends(2, &["nothing to do"]);
    attest(&sandbox, &["--files-from", "gone"]).ends(2, &["cannot read the list gone"]);
}

#[test]
fn each_takes_the_files_of_a_folder_and_leaves_hidden_ones_and_attestations_out() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("data/.git/config", "secret");
    sandbox.write("data/x.manifest", "");
    let first = attest(&sandbox, &["data", "--each"]);
    first.ends(
        0,
        &["4 datasets: 4 attested, 1 left out (attestations and manifests)"],
    );
    let all = [
        "data/a.csv",
        "data/b.csv",
        "data/deep/c.csv",
        "data/notes.txt",
    ];
    assert_eq!(attestations(&sandbox), all);
    let again = attest(&sandbox, &["data", "--each"]);
    again.ends(0, &["4 datasets: 4 unchanged, 5 left out"]);
    let verified = sandbox.makoto(&["verify", "--each", "data"]);
    verified.ends(0, &["4 datasets: 4 passed, 5 left out"]);
    assert!(
        verified.stdout.starts_with("data/a.csv: passes at L1\n"),
        "{verified:?}"
    );
    let validated = sandbox.makoto(&["validate", "--each", "data"]);
    validated.ends(
        0,
        &["4 documents: 4 passed, 5 left out (not *.attestation)"],
    );
    // Without it, the folder is one dataset.
    attest(&sandbox, &["data"]).ends(0, &[]);
    assert!(sandbox.exists("data.attestation"));
}

#[test]
fn a_link_below_a_folder_is_told_and_does_not_stop_the_others() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("outside.csv", "id\n9\n");
    symlink("../outside.csv", sandbox.path("data/aa.csv")).expect("a link");
    let ran = attest(&sandbox, &["data", "--each"]);
    ran.ends(
        2,
        &["5 datasets: 4 attested, 1 failed", "hint: add --follow"],
    );
    assert!(
        ran.stdout
            .contains("data/aa.csv: FAILED, data/aa.csv is a link"),
        "{ran:?}"
    );
    attest(&sandbox, &["data", "--each", "--follow"]).ends(2, &["4 unchanged, 1 failed"]);
    assert!(
        !sandbox.exists("outside.csv.attestation") && !sandbox.exists("data/aa.csv.attestation")
    );
}

#[test]
fn all_are_tried_and_the_worst_result_is_the_exit_status() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("bad.csv", "id\n\"open\n");
    let with_unreadable = attest(&sandbox, &["bad.csv", "gone.csv", "data/a.csv"]);
    with_unreadable.ends(2, &["3 datasets: 2 failed, 1 attested"]);
    sandbox.write("data/a.csv", "id\n1\n2\n");
    let with_contradiction = attest(&sandbox, &["gone.csv", "data/a.csv", "data/b.csv"]);
    with_contradiction.ends(1, &["3 datasets: 2 failed, 1 attested", "hint: --replace"]);
    // What is different is told, and nothing passes that does not.
    let verified = sandbox.makoto(&["verify", "data/b.csv", "data/a.csv", "gone.csv", "bad.csv"]);
    verified.ends(1, &["4 datasets: 1 passed, 3 failed"]);
    assert!(
        verified
            .stdout
            .contains("data/a.csv: FAILS, subject[0].digest.sha256"),
        "{verified:?}"
    );
    let unknown = sandbox.makoto(&["verify", "data/b.csv", "gone.csv"]);
    unknown.ends(2, &["2 datasets: 1 passed, 1 failed"]);
}

#[test]
fn fail_fast_tries_nothing_after_the_first_that_fails() {
    let sandbox = Sandbox::new();
    for n in 0..600 {
        sandbox.write(&format!("{n:03}.csv"), format!("id\n{n}\n"));
    }
    sandbox.write("100.csv.attestation", "no attestation");
    let ran = attest(&sandbox, &["*.csv", "--fail-fast"]);
    ran.ends(1, &["600 datasets: 100 attested, 1 failed, 499 not tried"]);
    assert_eq!(ran.stdout.lines().count(), 101, "{ran:?}");
    assert!(!sandbox.exists("101.csv.attestation"), "{ran:?}");
    attest(&sandbox, &["*.csv"]).ends(1, &["600 datasets: 100 unchanged, 1 failed, 499 attested"]);
}

#[test]
fn json_is_one_object_for_each_dataset() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    let ran = attest(&sandbox, &["data/b.csv", "gone.csv", "--json"]);
    let told = lines(&ran);
    assert_eq!(told.len(), 2, "{ran:?}");
    assert_eq!(
        (text(&told[0], "data"), at(&told[0], "exitStatus")),
        ("data/b.csv", &Json::from(0_u64))
    );
    assert_eq!(text(&told[0], "written.0.outcome"), "new");
    assert_eq!(
        sandbox.written(&told[0]),
        sandbox.json("data/b.csv.attestation")
    );
    assert_eq!(
        (text(&told[1], "data"), text(&told[1], "verdict")),
        ("gone.csv", "unknown")
    );
    let verified = lines(&sandbox.makoto(&["verify", "data/b.csv", "data/a.csv", "--json"]));
    let told: Vec<_> = verified
        .iter()
        .map(|v| (text(v, "data"), text(v, "verdict"), text(v, "level")))
        .collect();
    assert_eq!(
        told,
        [("data/b.csv", "pass", "L1"), ("data/a.csv", "fail", "")]
    );
    // One path alone is told as ever.
    let (_, alone) = sandbox.verify("data/b.csv", &[]);
    assert_eq!(at(&alone, "data"), &Json::Null);
}

#[test]
fn a_name_for_many_needs_a_place_for_the_name_of_each() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    for one_name in ["sales", "{steam}", ""] {
        attest(&sandbox, &["data/a.csv", "data/b.csv", "--name", one_name]).ends(2, &["--name"]);
    }
    assert!(attestations(&sandbox).is_empty());
    sandbox.write("data/{file}.csv", "id\n1\n");
    let ran = attest(
        &sandbox,
        &["data/*.csv", "--name", "sales/{stem}@{file}", "--json"],
    );
    let names: Vec<_> = lines(&ran)
        .iter()
        .map(|line| text(line, "subject.0.name").to_owned())
        .collect();
    assert_eq!(
        names,
        ["sales/a@a.csv", "sales/b@b.csv", "sales/{file}@{file}.csv"]
    );
    sandbox
        .makoto(&["verify", "data/*.csv", "--as", "sales/{stem}@{file}"])
        .ends(0, &["3 passed"]);
    sandbox
        .makoto(&["verify", "data/*.csv", "--as", "dataset:{stem}"])
        .ends(1, &["3 failed"]);
    sandbox
        .makoto(&["verify", "data/*.csv", "--as", "dataset:a"])
        .ends(2, &["--as"]);
}

#[test]
fn options_that_are_about_one_dataset_are_refused_for_many() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    attest(&sandbox, &["data/*.csv", "--out", "all.attestation"]).ends(2, &["--out"]);
    for option in [["--attestation", "x"], ["--output", "x"], ["--member", "x"]] {
        let arguments = [&["verify", "data/*.csv"][..], &option].concat();
        sandbox.makoto(&arguments).ends(2, &[option[0]]);
    }
    attest(&sandbox, &["-", "data/a.csv"]).ends(2, &["stdin"]);
    assert!(attestations(&sandbox).is_empty());
}

#[test]
fn data_in_the_place_of_an_attestation_is_never_written_over() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("precious", "data");
    symlink("../precious", sandbox.path("data/a.csv.attestation")).expect("a link");
    let ran = attest(
        &sandbox,
        &["data/a.csv", "precious", "data/b.csv", "--replace"],
    );
    ran.ends(2, &["3 datasets: 1 failed, 2 attested"]);
    assert!(
        ran.stdout
            .contains("precious is data, and its name is that of an attestation"),
        "{ran:?}"
    );
    assert_eq!(sandbox.read_text("precious"), "data");
}

#[test]
fn what_is_there_is_kept_replaced_or_appended_to_as_for_one() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    attest(&sandbox, &["data/*.csv"]).ends(0, &["2 attested"]);
    let before =
        ["data/a.csv.attestation", "data/b.csv.attestation"].map(|name| sandbox.stamp(name));
    attest(&sandbox, &["data/*.csv"]).ends(0, &["2 unchanged"]);
    attest(&sandbox, &["data/*.csv", "--geography", "JP"]).ends(1, &["2 failed"]);
    let after =
        ["data/a.csv.attestation", "data/b.csv.attestation"].map(|name| sandbox.stamp(name));
    assert_eq!(before, after);
    attest(&sandbox, &["data/*.csv", "--geography", "JP", "--append"]).ends(0, &["2 appended"]);
    let all = Attestation::parse_file(&sandbox.read("data/a.csv.attestation")).expect("two");
    assert_eq!(all.len(), 2);
    attest(&sandbox, &["data/*.csv", "--geography", "FR", "--replace"]).ends(0, &["2 replaced"]);
    let all = Attestation::parse_file(&sandbox.read("data/a.csv.attestation")).expect("one");
    assert_eq!(all.len(), 1);
    // Who may read the data may read its attestation, and only they.
    sandbox.set_mode("data/a.csv", 0o640);
    attest(&sandbox, &["data/*.csv", "--geography", "DE", "--replace"]).ends(0, &["2 replaced"]);
    assert_eq!(sandbox.mode("data/a.csv.attestation"), 0o640);
}

#[test]
fn killed_at_any_moment_every_attestation_that_is_there_is_whole() {
    let sandbox = Sandbox::new();
    for n in 0..1_000 {
        sandbox.write(&format!("{n:04}.csv"), format!("id\n{n}\n"));
    }
    for round in 0..12_u64 {
        let place = round.to_string();
        let facts = ["*.csv", "--replace", "--geography", &place];
        let arguments = [&["attest", "origin"], &ORIGIN[..], &facts].concat();
        let mut command = sandbox.command();
        command
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut makoto = command.spawn().expect("makoto can be started");
        thread::sleep(Duration::from_millis(25 * round));
        makoto.kill().expect("makoto can be killed");
        assert!(matches!(wait(&mut makoto), 0 | 137));
        for name in sandbox.names() {
            if name.ends_with(".attestation") {
                let statements = Attestation::parse_file(&sandbox.read(&name)).expect("whole");
                assert_eq!(statements.len(), 1, "{name}");
            } else {
                assert!(
                    name.ends_with(".csv") || name.starts_with(".makoto-"),
                    "{name}"
                );
            }
        }
    }
    let ran = attest(&sandbox, &["*.csv", "--replace"]);
    ran.ends(0, &["1,000 datasets: "]);
    sandbox
        .makoto(&["verify", "*.csv"])
        .ends(0, &["1,000 datasets: 1,000 passed"]);
}

#[test]
fn two_batches_at_once_over_the_same_folders_both_come_to_an_end() {
    let sandbox = Sandbox::new();
    for n in 0..200 {
        sandbox.write(&format!("{}/{n}.csv", n % 50), format!("id\n{n}\n"));
    }
    let ran: Vec<Ran> = thread::scope(|scope| {
        let forward = scope.spawn(|| attest(&sandbox, &["[0-9]/*.csv", "[1-4]?/*.csv"]));
        let backward = scope.spawn(|| attest(&sandbox, &["[1-4]?/*.csv", "[0-9]/*.csv"]));
        [forward, backward]
            .map(|one| one.join().expect("it ran"))
            .into()
    });
    for one in &ran {
        one.ends(0, &["200 datasets: "]);
    }
    sandbox
        .makoto(&["verify", "**/*.csv"])
        .ends(0, &["200 datasets: 200 passed"]);
}

#[test]
fn inputs_of_a_transform_may_come_from_a_list() {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    sandbox.write("out.csv", "id\n1\n");
    sandbox.write("list", "data/b.csv\ndata/deep/c.csv\n");
    let transform = [
        "attest",
        "transform",
        "out.csv",
        "--executor",
        "x",
        "--json",
    ];
    let ran = sandbox.makoto(
        &[
            &transform[..],
            &["--input", "data/a.csv", "--inputs-from", "list"],
        ]
        .concat(),
    );
    let statement = sandbox.written(&ran.json());
    let inputs = at(&statement, "predicate.inputs")
        .as_array()
        .expect("inputs");
    let names: Vec<_> = inputs.iter().map(|input| text(input, "name")).collect();
    assert_eq!(names, ["dataset:a", "dataset:b", "dataset:c"]);
    sandbox.write("list", "");
    let ran = sandbox.makoto(&[&transform[..], &["--inputs-from", "list"]].concat());
    ran.ends(2, &["the list of inputs is empty"]);
    sandbox.write("list", "out.csv\n");
    let ran = sandbox.makoto(&[&transform[..], &["--inputs-from", "list"]].concat());
    ran.ends(2, &["out.csv is both input and output"]);
}
