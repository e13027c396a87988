//! Secrets never reach a statement, a report or a terminal.

use crate::document::{at, text};
use crate::sandbox::{Ran, Sandbox};

const SECRET: &str = "hunter2-but-longer";

/// Checks that the secret is nowhere: not in any file but the named ones, not in what was said.
#[track_caller]
fn nowhere(sandbox: &Sandbox, secret: &str, ran: &Ran, but: &[&str]) {
    assert!(!ran.stdout.contains(secret), "{ran:?}");
    assert!(!ran.stderr.contains(secret), "{ran:?}");
    for name in sandbox
        .names()
        .iter()
        .filter(|name| !but.contains(&name.as_str()))
    {
        let content = String::from_utf8_lossy(&sandbox.read(name)).into_owned();
        assert!(!content.contains(secret), "{name}: {content}");
    }
}

/// A sandbox with an input and an output.
fn step() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("in.csv", "a\n1\n");
    sandbox.write("out.csv", "a\n1\n");
    sandbox
}

fn transform(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let step = [
        "attest",
        "transform",
        "out.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    sandbox.makoto(&[&step[..], more].concat())
}

#[test]
fn a_secret_in_the_source_is_masked_and_reported() {
    for (source, masked) in [
        (
            "postgres://reader:hunter2-but-longer@db.example/orders",
            "postgres://reader:***@db.example/orders",
        ),
        (
            "https://api.example/v1?rows=5&api_key=hunter2-but-longer",
            "https://api.example/v1?rows=5&api_key=***",
        ),
        (
            "https://api.example/v1?token=hunter2-but-longer#top",
            "https://api.example/v1?token=***#top",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("data.csv", "a\n1\n");
        let options = ["--source", source, "--collector", "c", "--json"];
        let ran = sandbox.makoto(&[&["attest", "origin", "data.csv"], &options[..]].concat());
        ran.ends(0, &["masked: predicate.origin.source"]);
        nowhere(&sandbox, SECRET, &ran, &[]);
        let told = ran.json();
        let statement = sandbox.written(&told);
        assert_eq!(text(&statement, "predicate.origin.source"), masked);
        assert_eq!(text(&told, "masked.0.path"), "predicate.origin.source");
    }
}

#[test]
fn a_source_without_a_secret_is_left_as_it_is() {
    for source in [
        "https://reader@db.example/orders",
        "https://api.example/v1?rows=5&page_token_size=10",
        "s3://bucket/key/part-0001.csv",
        "mqtt://plant/+/temperature",
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("data.csv", "a\n1\n");
        let options = ["--source", source, "--collector", "c", "--json"];
        let ran = sandbox.makoto(&[&["attest", "origin", "data.csv"], &options[..]].concat());
        let told = ran.ends(0, &[]).json();
        let statement = sandbox.written(&told);
        assert_eq!(text(&statement, "predicate.origin.source"), source);
        assert_eq!(at(&told, "masked").as_array().map(<[_]>::len), Some(0));
    }
}

#[test]
fn a_secret_parameter_is_masked_by_value_wherever_the_value_occurs() {
    let sandbox = step();
    let parameters = [
        "--param",
        "password=hunter2-but-longer",
        "--param",
        "note=the password is hunter2-but-longer, mind",
        "--param",
        "nested={\"list\":[\"x-hunter2-but-longer\"],\"rows\":5}",
        "--description",
        "runs with hunter2-but-longer",
        "--json",
    ];
    let ran = transform(&sandbox, &parameters);
    ran.ends(0, &["masked: predicate.transform.parameters.password"]);
    nowhere(&sandbox, SECRET, &ran, &[]);
    let told = ran.json();
    let statement = sandbox.written(&told);
    let parameters = at(&statement, "predicate.transform.parameters");
    assert_eq!(text(parameters, "password"), "***");
    assert_eq!(text(parameters, "note"), "the password is ***, mind");
    assert_eq!(text(parameters, "nested.list.0"), "x-***");
    assert_eq!(at(parameters, "nested.rows").to_string(), "5");
    assert_eq!(
        text(&told, "masked.0.path"),
        "predicate.transform.parameters.password"
    );
}

#[test]
fn a_secret_that_is_a_number_is_masked_where_the_number_occurs_again() {
    let sandbox = step();
    let parameters = [
        "--param",
        "pin=83461920",
        "--param",
        "note=83461920",
        "--json",
    ];
    let ran = transform(&sandbox, &parameters);
    ran.ends(0, &["masked: predicate.transform.parameters.pin"]);
    nowhere(&sandbox, "83461920", &ran, &[]);
}

#[test]
fn secrets_in_a_parameters_file_and_below_a_secret_key_are_masked() {
    let sandbox = step();
    sandbox.write(
        "params.json",
        r#"{"credentials":{"user":"hunter2-but-longer","all":["hunter2-but-longer",1234567]},"rows":5}"#,
    );
    let ran = transform(&sandbox, &["--params", "params.json", "--json"]);
    ran.ends(
        0,
        &[
            "parameters.credentials.user",
            "parameters.credentials.all[0]",
        ],
    );
    nowhere(&sandbox, SECRET, &ran, &["params.json"]);
    nowhere(&sandbox, "1234567", &ran, &["params.json"]);
    let statement = sandbox.written(&ran.json());
    let rows = at(&statement, "predicate.transform.parameters.rows");
    assert_eq!(rows.to_string(), "5");
}

#[test]
fn known_shapes_of_tokens_are_masked_whatever_they_are_called() {
    for token in [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ] {
        let sandbox = step();
        let parameter = format!("flavour={token}");
        let ran = transform(&sandbox, &["--param", &parameter]);
        ran.ends(0, &["masked: predicate.transform.parameters.flavour"]);
        nowhere(&sandbox, token, &ran, &[]);
    }
    let sandbox = step();
    let ran = transform(&sandbox, &["--param", "flavour=AKIAvanilla"]);
    assert!(!ran.ends(0, &[]).stderr.contains("masked"), "{ran:?}");
}

#[test]
fn secrets_on_a_command_line_are_masked_and_the_command_gets_them_whole() {
    let sandbox = step();
    let script = "cp in.csv made.csv; printf %s \"$*\" > got";
    let ran = sandbox.makoto(&[
        "run",
        "--input",
        "in.csv",
        "--output",
        "made.csv",
        "--json",
        "--",
        "sh",
        "-c",
        script,
        "sh",
        "--password",
        SECRET,
        "--api-key=hunter2-but-longer",
        "again",
        SECRET,
        "rows=5",
    ]);
    ran.ends(0, &["masked: command[5]", "masked: command[6]"]);
    assert_eq!(
        sandbox.read_text("got"),
        "--password hunter2-but-longer --api-key=hunter2-but-longer again hunter2-but-longer rows=5"
    );
    nowhere(&sandbox, SECRET, &ran, &["got"]);
    let statement = sandbox.written(&ran.json());
    let command = at(&statement, "predicate.transform.parameters.command").to_string();
    assert!(
        command.ends_with(r#""--password","***","--api-key=***","again","***","rows=5"]"#),
        "{command}"
    );
}

#[test]
fn a_dry_run_shows_no_secret_either() {
    let sandbox = step();
    let ran = sandbox.makoto(&[
        "run",
        "--input",
        "in.csv",
        "--output",
        "made.csv",
        "--dry-run",
        "--",
        "cat",
        "--password",
        SECRET,
        "again",
        SECRET,
        "rows=5",
    ]);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("rows=5"), "{ran:?}");
    nowhere(&sandbox, SECRET, &ran, &[]);
}

#[test]
fn a_refusal_shows_no_secret_either() {
    let sandbox = step();
    let refused = [
        "--param",
        "password=hunter2-but-longer",
        "--isolation",
        "moat",
    ];
    let ran = transform(&sandbox, &refused);
    ran.ends(2, &["isolation"]);
    nowhere(&sandbox, SECRET, &ran, &[]);
    let twice = [
        "--param",
        "password=hunter2-but-longer",
        "--param",
        "password=hunter2-but-longer",
    ];
    let ran = transform(&sandbox, &twice);
    ran.ends(2, &["password"]);
    nowhere(&sandbox, SECRET, &ran, &[]);
}
