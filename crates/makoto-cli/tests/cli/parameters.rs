//! Parameters of a step: `--param`, `--params`.

use crate::document::{at, text};
use crate::run::{inputs, run};
use crate::transform::{step, transform};

#[test]
fn parameters_are_json_where_they_are_json_and_text_elsewhere() {
    let sandbox = step();
    sandbox.write("params.json", r#"{"from":"file","rows":[1,2]}"#);
    let mut options = vec!["--params", "params.json"];
    let parameters = [
        ("n=5", "5"),
        ("f=0.5", "0.5"),
        ("t=true", "true"),
        ("z=null", "null"),
        ("s=abc", "\"abc\""),
        ("q=\"5\"", "\"5\""),
        ("o={\"b\":1}", "{\"b\":1}"),
        ("e=", "\"\""),
        ("w=price > 0", "\"price > 0\""),
        ("eq=a=b", "\"a=b\""),
        ("half={\"b\":", "\"{\\\"b\\\":\""),
        ("from2=x", "\"x\""),
    ];
    for (parameter, _) in parameters {
        options.extend(["--param", parameter]);
    }
    transform(&sandbox, &options).ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    let written = at(&statement, "predicate.transform.parameters");
    for (parameter, expected) in parameters {
        let key = parameter.split('=').next().expect("a key");
        assert_eq!(at(written, key).to_string(), expected, "{parameter}");
    }
    assert_eq!(at(written, "rows").to_string(), "[1,2]");
}

#[test]
fn parameters_that_cannot_be_written_exactly_are_refused() {
    let sandbox = step();
    sandbox.write("params.json", "{\"a\":1}");
    sandbox.write("list.json", "[1]");
    sandbox.write("bad.json", "{\"a\":1,\"a\":2}");
    for (options, told) in [
        (&["--param", "n=9007199254740993"][..], "9007199254740993"),
        (
            &["--param", "n=1", "--param", "n=2"],
            "\"n\" is given twice",
        ),
        (
            &["--param", "a=1", "--params", "params.json"],
            "\"a\" is given twice",
        ),
        (&["--param", "novalue"], "KEY=VALUE"),
        (&["--param", "=5"], "KEY=VALUE"),
        (&["--params", "list.json"], "needed an object"),
        (&["--params", "bad.json"], "duplicate key"),
        (&["--params", "gone.json"], "gone.json"),
        (&["--started", "yesterday"], "startedOn"),
        (
            &[
                "--started",
                "2026-11-21T08:00:01Z",
                "--finished",
                "2026-11-21T08:00:00Z",
            ],
            "finishedOn",
        ),
        (&["--code-commit", "abc"], "--code-uri"),
        (&["--executor", "again"], "--executor"),
    ] {
        transform(&sandbox, options).ends(2, &[told]);
        assert!(!sandbox.exists("out.csv.attestation"), "{options:?}");
    }
    transform(&sandbox, &["--param", "n=9007199254740991"]).ends(0, &[]);
}

#[test]
fn the_commands_own_parameter_is_not_overwritten_in_silence() {
    let sandbox = inputs();
    let ran = run(
        &sandbox,
        &["--param", "command=harmless"],
        &["cp", "in.csv", "out.csv"],
    );
    if ran.status == 0 {
        let statement = sandbox.json("out.csv.attestation");
        let command = at(&statement, "predicate.transform.parameters.command");
        assert_eq!(text(command, "0"), "cp", "{command}");
        assert!(ran.stderr.contains("command"), "{ran:?}");
        assert!(
            statement.to_string().contains("harmless") || ran.stderr.contains("harmless"),
            "the parameter that was given is nowhere, and nobody was told"
        );
    } else {
        ran.ends(2, &["command"]);
        assert!(!sandbox.exists("out.csv.attestation"));
    }
}
