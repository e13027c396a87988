//! `makoto.toml`: what it says counts as if it were typed, and what is wrong with it is told.

use makoto::json::Json;

use crate::document::{at, passes, text};
use crate::sandbox::{ORIGIN, Ran, Sandbox};

const ORDERS: &str = "id,total\n1,9.50\n";

const FILE: &str = r#"[defaults]
source = "https://erp.example.com/orders"
collector = "etl/orders"
executor = "etl/pipeline"
licence = "CC-BY-4.0"
name = "acme:{parent}/{stem}"
geography = "JP"
platform = "k8s"

[defaults.consent]
type = "contractual"
reference = "https://acme.example/terms"

[[dataset]]
match = "raw/*.csv"
source = "sftp://in.example/raw"
source-type = "file"
method = "export"

[[dataset]]
match = "raw/secret-*.csv"
source = "sftp://in.example/secret"
"#;

fn attest(sandbox: &Sandbox, data: &str, more: &[&str]) -> Ran {
    sandbox.makoto(&[&["attest", "origin", data], more].concat())
}

/// Attests with what is in the file, and returns the statement.
fn attested(sandbox: &Sandbox, data: &str, more: &[&str]) -> Json {
    let ran = attest(sandbox, data, &[more, &["--json"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    sandbox.written(&ran.json())
}

#[test]
fn what_the_file_says_lands_in_the_statement_and_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", FILE);
    sandbox.write("raw/orders.csv", ORDERS);
    let ran = attest(&sandbox, "raw/orders.csv", &["--json"]);
    ran.ends(0, &["note: from makoto.toml: source, "]);
    let told = ran.json();
    let statement = sandbox.written(&told);
    for (path, value) in [
        ("subject.0.name", "acme:raw/orders"),
        ("predicate.origin.source", "sftp://in.example/raw"),
        ("predicate.origin.sourceType", "file"),
        ("predicate.origin.collectionMethod", "export"),
        ("predicate.origin.geography", "JP"),
        ("predicate.origin.consent.type", "contractual"),
        (
            "predicate.origin.consent.reference",
            "https://acme.example/terms",
        ),
        ("predicate.collector.id", "etl/orders"),
        ("predicate.collector.platform", "k8s"),
        ("predicate.dtaCompliance.useStandard.license", "CC-BY-4.0"),
    ] {
        assert_eq!(text(&statement, path), value, "{path}");
    }
    let config = at(&told, "config").as_array().expect("an array");
    let source = config.iter().find(|one| text(one, "key") == "source");
    let source = source.expect("source is told");
    assert_eq!(text(source, "file"), "makoto.toml");
    assert_eq!(at(source, "line"), &Json::from(16));
    assert_eq!(text(source, "section"), "[[dataset]] match = \"raw/*.csv\"");
    passes(&sandbox.verify("raw/orders.csv", &["--as", "acme:raw/orders"]));
}

#[test]
fn what_is_typed_wins_over_a_section_and_a_section_over_the_defaults() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", FILE);
    for (data, options, expected) in [
        ("x.csv", &[][..], "https://erp.example.com/orders"),
        ("raw/deeper/x.csv", &[], "https://erp.example.com/orders"),
        ("raw/x.csv", &[], "sftp://in.example/raw"),
        ("raw/secret-x.csv", &[], "sftp://in.example/secret"),
        ("raw/secret-y.csv", &["--source", "typed"], "typed"),
    ] {
        sandbox.write(data, ORDERS);
        let statement = attested(&sandbox, data, options);
        assert_eq!(text(&statement, "predicate.origin.source"), expected);
        let method = at(&statement, "predicate.origin.collectionMethod");
        let in_raw = data.starts_with("raw/") && !data.contains("deeper");
        assert_eq!(method.as_str().is_some(), in_raw, "{data}");
    }
    let named = attested(&sandbox, "x.csv", &["--name", "mine", "--replace"]);
    assert_eq!(text(&named, "subject.0.name"), "mine");
    // A typed ground is not completed by the reference of another one.
    let typed = ["--consent", "public-task", "--replace"];
    let statement = attested(&sandbox, "x.csv", &typed);
    let consent = at(&statement, "predicate.origin.consent");
    assert_eq!(consent, &Json::from([("type", "public-task".into())]));
}

#[test]
fn all_typed_says_what_it_said_without_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("a/x.csv", ORDERS);
    sandbox.write("b/x.csv", ORDERS);
    sandbox.write("b/makoto.toml", "");
    let time = ["--collected-at", "2026-11-21T08:00:00Z"];
    for folder in ["a", "b"] {
        let ran = sandbox.attest(&format!("{folder}/x.csv"), &time);
        ran.ends(0, &[]);
        assert!(!ran.stderr.contains("makoto.toml"), "{ran:?}");
    }
    assert_eq!(
        sandbox.read("a/x.csv.attestation"),
        sandbox.read("b/x.csv.attestation")
    );
}

#[test]
fn a_value_in_neither_place_names_both_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("x.csv", ORDERS);
    let both = |ran: &Ran, key: &str, option: &str| {
        ran.ends(2, &[option, &format!("{key} = "), "makoto.toml"]);
        assert!(!sandbox.exists("x.csv.attestation"), "{ran:?}");
    };
    both(&attest(&sandbox, "x.csv", &[]), "source", "--source");
    let source = ["--source", "s"];
    both(
        &attest(&sandbox, "x.csv", &source),
        "collector",
        "--collector",
    );
    sandbox.write("in", "1");
    let transform = ["attest", "transform", "x.csv", "--input", "in"];
    both(&sandbox.makoto(&transform), "executor", "--executor");
    sandbox.write("makoto.toml", "[defaults]\ncollector = 'c'\n");
    let ran = attest(&sandbox, "x.csv", &[]);
    ran.ends(2, &["makoto.toml does not say it"]);
    both(&ran, "source", "--source");
    attest(&sandbox, "x.csv", &source).ends(0, &["from makoto.toml: collector"]);
}

#[test]
fn a_wrong_file_names_file_line_and_key_and_stops_everything_that_would_use_it() {
    let sandbox = Sandbox::new();
    sandbox.write("x.csv", ORDERS);
    sandbox.write("in", "1");
    let typed = &ORIGIN[..];
    for (file, told) in [
        (
            "[defaults]\ncolector = 'x'\n",
            &[
                "makoto.toml:2: defaults.colector",
                "did you mean \"collector\"?",
            ][..],
        ),
        (
            "[defaults]\nsource = 5\n",
            &["makoto.toml:2: defaults.source is 5"],
        ),
        ("[defaults\n", &["makoto.toml:1: not TOML"]),
        (
            "[defaults]\na = 1\nb = 2\n",
            &["makoto.toml:2:", "makoto.toml:3:"],
        ),
        (
            "\u{feff}[defaults]\n",
            &["makoto.toml: ", "byte order mark"],
        ),
        (
            "[defaults]\nsource = 'a'\nsource = 'b'\n",
            &["makoto.toml:3: "],
        ),
        ("[defaults]\nsource = '\0'\n", &["makoto.toml:2: "]),
        (
            "[defaults]\nstore = '-----BEGIN PRIVATE KEY-----'\n",
            &["secret"],
        ),
    ] {
        sandbox.write("makoto.toml", file);
        let before = sandbox.names();
        attest(&sandbox, "x.csv", typed).ends(2, told);
        let transform = [
            "attest",
            "transform",
            "x.csv",
            "--input",
            "in",
            "--executor",
            "e",
        ];
        sandbox.makoto(&transform).ends(2, told);
        let run = [
            "run", "--input", "in", "--output", "out", "--", "cp", "in", "out",
        ];
        sandbox.makoto(&run).ends(2, told);
        assert_eq!(sandbox.names(), before, "{file:?}");
    }
    attest(&sandbox, "x.csv", &[typed, &["--no-config"]].concat()).ends(0, &[]);
}

#[test]
fn a_value_that_a_statement_cannot_hold_is_traced_back_to_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("x.csv", ORDERS);
    let start = "[defaults]\nsource = 's'\ncollector = 'c'\n";
    for (line, told) in [
        (
            "environment = 'moon'",
            &[
                "predicate.collector.environment is \"moon\"",
                "[defaults] in makoto.toml:4",
            ][..],
        ),
        (
            "source-type = 'web-scrape'",
            &["source-type is \"web-scrape\"", "makoto.toml:4", "database"],
        ),
    ] {
        sandbox.write("makoto.toml", format!("{start}{line}\n"));
        attest(&sandbox, "x.csv", &[]).ends(2, told);
        assert!(!sandbox.exists("x.csv.attestation"));
    }
    // The same typed is refused as well, and the file is not blamed for it.
    let ran = attest(
        &sandbox,
        "x.csv",
        &["--environment", "moon", "--source-type", "api"],
    );
    ran.ends(2, &["predicate.collector.environment"]);
    assert!(!ran.stderr.contains("makoto.toml"), "{ran:?}");
    sandbox.write("makoto.toml", format!("{start}environment = 'test'\n"));
    attest(&sandbox, "x.csv", &[]).ends(0, &[]);
}

#[test]
fn a_secret_in_the_file_is_refused_and_shown_nowhere() {
    let sandbox = Sandbox::new();
    sandbox.write("x.csv", ORDERS);
    for line in [
        "password = 'hunter22'",
        "passphrase = 'hunter22'",
        "private-key = 'hunter22'",
        "token = 'hunter22'",
        "source = 'postgres://me:hunter22@db.example/orders'",
        "signer = '''-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----'''",
        "source = hunter22",
    ] {
        sandbox.write(
            "makoto.toml",
            format!("[defaults]\ncollector = 'c'\n{line}\n"),
        );
        let origin = attest(&sandbox, "x.csv", &["--source", "s"]);
        let doctor = sandbox.makoto(&["doctor", "x.csv"]);
        let as_json = sandbox.makoto(&["doctor", "x.csv", "--json"]);
        origin.ends(2, &["makoto.toml:3: "]);
        assert_eq!((doctor.status, as_json.status), (1, 1), "{doctor:?}");
        for ran in [origin, doctor, as_json] {
            assert!(!format!("{ran:?}").contains("hunter22"), "{ran:?}");
        }
        assert!(!sandbox.exists("x.csv.attestation"));
    }
}

#[test]
fn a_step_takes_its_executor_and_the_names_of_its_outputs_from_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", FILE);
    sandbox.write("in.csv", ORDERS);
    sandbox.write("clean/a.csv", ORDERS);
    sandbox.write("clean/b.csv", ORDERS);
    let transform = ["attest", "transform", "clean/a.csv", "clean/b.csv"];
    let ran = sandbox.makoto(&[&transform[..], &["--input", "in.csv", "--json"]].concat());
    ran.ends(0, &["note: from makoto.toml: name, executor, platform"]);
    let statement = sandbox.written(&ran.json());
    let said = [
        ("subject.0.name", "acme:clean/a"),
        ("subject.1.name", "acme:clean/b"),
        ("predicate.executor.id", "etl/pipeline"),
        ("predicate.executor.platform", "k8s"),
    ];
    for (path, value) in said {
        assert_eq!(text(&statement, path), value, "{path}");
    }
    let run = |more: &[&str]| {
        let options = [
            &["run", "--input", "in.csv", "--output", "clean/c.csv"],
            more,
        ]
        .concat();
        let command = ["--", "cp", "in.csv", "clean/c.csv"];
        sandbox.makoto(&[&options[..], &command].concat())
    };
    run(&["--dry-run"]).ends(0, &["executor from [defaults] in makoto.toml:4"]);
    run(&[]).ends(0, &["note: from makoto.toml: "]);
    let statement = sandbox.json("clean/c.csv.attestation");
    assert_eq!(text(&statement, "predicate.executor.id"), "etl/pipeline");
    assert_eq!(text(&statement, "subject.0.name"), "acme:clean/c");
    run(&["--replace", "--executor", "typed"]).ends(0, &[]);
    let statement = sandbox.json("clean/c.csv.attestation");
    assert_eq!(text(&statement, "predicate.executor.id"), "typed");
}

#[test]
fn a_step_that_makes_the_folder_of_its_output_has_the_defaults_of_the_folder_above() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", FILE);
    sandbox.write("in.csv", ORDERS);
    let output = "new/er/out.csv";
    let options = ["run", "--input", "in.csv", "--output", output, "--out", "o"];
    let command = [
        "--",
        "sh",
        "-c",
        "mkdir -p new/er; cp in.csv new/er/out.csv",
    ];
    let ran = sandbox.makoto(&[&options[..], &command].concat());
    ran.ends(0, &["note: from makoto.toml: "]);
    let statement = sandbox.json("o");
    assert_eq!(text(&statement, "predicate.executor.id"), "etl/pipeline");
    assert_eq!(text(&statement, "subject.0.name"), "acme:er/out");
}

#[test]
fn one_name_for_two_outputs_is_refused_as_if_it_were_typed() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "makoto.toml",
        "[defaults]\nname = 'fixed'\nexecutor = 'e'\n",
    );
    for name in ["in", "a", "b"] {
        sandbox.write(name, name);
    }
    let both = ["attest", "transform", "a", "b", "--input", "in"];
    sandbox.makoto(&both).ends(2, &["two outputs", "\"fixed\""]);
    assert_eq!(sandbox.names(), ["a", "b", "in", "makoto.toml"]);
    let names = [&both[..], &["--name", "x", "--name", "y"]].concat();
    sandbox.makoto(&names).ends(0, &[]);
}
