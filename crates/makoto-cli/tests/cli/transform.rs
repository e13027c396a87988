//! `makoto attest transform`: inputs and their attestations, the step, its outputs.

use std::fs;
use std::os::unix::fs::symlink;

use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, has_check, passes, text};
use crate::sandbox::{Ran, Sandbox};

/// A sandbox with an attested input and an output.
pub(crate) fn step() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("in.csv", "a\n1\n2\n3\n");
    sandbox.write("out.csv", "a\n2\n");
    sandbox.attested("in.csv", &["--name", "dataset:raw"]);
    sandbox
}

pub(crate) fn transform(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let step = [
        "attest",
        "transform",
        "out.csv",
        "--input",
        "in.csv",
        "--executor",
        "etl/clean",
    ];
    sandbox.makoto(&[&step[..], more].concat())
}

#[test]
fn an_attested_input_is_referred_to_by_the_digest_of_its_attestation() {
    let sandbox = step();
    transform(&sandbox, &[]).ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    let sidecar = sandbox.sha256("in.csv.attestation");
    let input = at(&statement, "predicate.inputs.0");
    let reference = format!("urn:makoto:attestation:sha256:{sidecar}");
    assert_eq!(text(input, "attestationRef"), reference);
    assert_eq!(text(input, "name"), "dataset:raw");
    assert_eq!(text(input, "digest.sha256"), sandbox.sha256("in.csv"));
    assert_eq!(text(&statement, "predicate.executor.id"), "etl/clean");
    assert_eq!(
        text(&statement, "subject.0.digest.sha256"),
        sandbox.sha256("out.csv")
    );
    for (key, number) in [
        ("recordsInput", 3),
        ("recordsOutput", 1),
        ("bytesInput", 8),
        ("bytesOutput", 4),
    ] {
        let path = format!("predicate.metadata.{key}");
        assert_eq!(at(&statement, &path), &Json::from(number), "{key}");
    }
}

#[test]
fn an_input_without_an_attestation_has_no_reference() {
    let sandbox = step();
    fs::remove_file(sandbox.path("in.csv.attestation")).expect("it is there");
    transform(&sandbox, &[]).ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    let input = at(&statement, "predicate.inputs.0");
    assert_eq!(at(input, "attestationRef"), &Json::Null);
    assert_eq!(text(input, "name"), "dataset:in");
    let (_, report) = sandbox.verify("out.csv", &[]);
    assert!(has_check(&report, "warn", &["attestationRef"]), "{report}");
}

#[test]
fn of_several_statements_the_one_about_the_input_as_it_is_is_referred_to() {
    let sandbox = step();
    let first = sandbox.read_text("in.csv.attestation");
    sandbox.write("in.csv", "a\n1\n2\n3\n4\n");
    sandbox.attested("in.csv", &["--append", "--name", "dataset:newer"]);
    let both = sandbox.read_text("in.csv.attestation");
    let lines: Vec<_> = both.lines().collect();
    assert_eq!(lines[0], first);
    for (content, line, name) in [
        ("a\n1\n2\n3\n4\n", lines[1], "dataset:newer"),
        ("a\n1\n2\n3\n", lines[0], "dataset:raw"),
    ] {
        sandbox.write("in.csv", content);
        transform(&sandbox, &["--replace"]).ends(0, &[]);
        let statement = sandbox.json("out.csv.attestation");
        let id = Digest::of(line.as_bytes());
        assert_eq!(
            text(&statement, "predicate.inputs.0.attestationRef"),
            format!("urn:makoto:attestation:sha256:{id}")
        );
        assert_eq!(text(&statement, "predicate.inputs.0.name"), name);
    }
}

#[test]
fn short_names_of_types_expand_and_uris_stay() {
    let sandbox = step();
    for (given, expected, name) in [
        (None, "https://makoto.dev/transforms/command", "command"),
        (
            Some("filter"),
            "https://makoto.dev/transforms/filter",
            "filter",
        ),
        (
            Some("join-2"),
            "https://makoto.dev/transforms/join-2",
            "join-2",
        ),
        (
            Some("https://acme.example/split/v2"),
            "https://acme.example/split/v2",
            "v2",
        ),
        (Some("urn:acme:x"), "urn:acme:x", "urn:acme:x"),
    ] {
        let mut options = vec!["--replace"];
        options.extend(given.iter().flat_map(|kind| ["--type", *kind]));
        transform(&sandbox, &options).ends(0, &[]);
        let statement = sandbox.json("out.csv.attestation");
        assert_eq!(text(&statement, "predicate.transform.type"), expected);
        assert_eq!(text(&statement, "predicate.transform.name"), name);
    }
    let before = sandbox.stamp("out.csv.attestation");
    for wrong in ["", "Not A Type", "acme/split", "Filter"] {
        transform(&sandbox, &["--replace", "--type", wrong]).ends(2, &["transform.type"]);
        assert_eq!(sandbox.stamp("out.csv.attestation"), before, "{wrong}");
    }
}

#[test]
fn every_option_lands_at_its_place_in_the_statement() {
    let sandbox = step();
    let digest = Digest::of(b"code").to_string();
    let options = [
        ("--step", "Clean", "transform.name"),
        ("--description", "drops rows", "transform.description"),
        ("--step-version", "2", "transform.version"),
        ("--platform", "k8s", "executor.platform"),
        (
            "--executor-version",
            "python=3.12",
            "executor.version.python",
        ),
        ("--environment", "production", "executor.environment"),
        ("--isolation", "container", "executor.isolation"),
        (
            "--code-uri",
            "git+https://a.example/r",
            "transform.codeRef.uri",
        ),
        ("--code-commit", "abc123", "transform.codeRef.commit"),
        ("--code-path", "src/clean.py", "transform.codeRef.path"),
        ("--code-digest", &digest, "transform.codeRef.digest.sha256"),
        ("--started", "2026-11-21T08:00:00Z", "metadata.startedOn"),
        ("--finished", "2026-11-21T08:00:00Z", "metadata.finishedOn"),
        ("--invocation-id", "run-7", "metadata.invocationId"),
    ];
    let arguments: Vec<_> = options
        .iter()
        .flat_map(|(option, value, _)| [*option, *value])
        .collect();
    transform(&sandbox, &arguments).ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    for (option, value, path) in options {
        let value = value.strip_prefix("python=").unwrap_or(value);
        assert_eq!(
            text(&statement, &format!("predicate.{path}")),
            value,
            "{option}"
        );
    }
    passes(&sandbox.verify("out.csv", &[]));
}

#[test]
fn two_outputs_share_one_statement_that_lies_beside_each() {
    let sandbox = step();
    sandbox.write("more.csv", "a\n3\n");
    let two = [
        "attest",
        "transform",
        "out.csv",
        "more.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    let named = ["--name", "dataset:one", "--name", "dataset:two"];
    sandbox.makoto(&[&two[..], &named].concat()).ends(0, &[]);
    assert_eq!(
        sandbox.read("out.csv.attestation"),
        sandbox.read("more.csv.attestation")
    );
    let statement = sandbox.json("out.csv.attestation");
    assert_eq!(text(&statement, "subject.0.name"), "dataset:one");
    assert_eq!(text(&statement, "subject.1.name"), "dataset:two");
    passes(&sandbox.verify("out.csv", &["--as", "dataset:one"]));
    passes(&sandbox.verify("more.csv", &["--as", "dataset:two"]));
    assert_eq!(sandbox.verify("out.csv", &["--as", "dataset:two"]).0, 1);
}

#[test]
fn names_that_do_not_fit_the_outputs_are_refused() {
    let sandbox = step();
    sandbox.write("sub/out.csv", "a\n3\n");
    let two = [
        "attest",
        "transform",
        "out.csv",
        "sub/out.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    let run = |names: &[&str]| sandbox.makoto(&[&two[..], names].concat());
    run(&["--name", "dataset:one"]).ends(2, &["1 name(s) for 2 output(s)"]);
    run(&[]).ends(2, &["dataset:out"]);
    run(&["--name", "d", "--name", "d"]).ends(2, &["\"d\""]);
    assert!(!sandbox.exists("out.csv.attestation") && !sandbox.exists("sub/out.csv.attestation"));
    run(&["--name", "d", "--name", "e"]).ends(0, &[]);
}

#[test]
fn of_two_outputs_either_both_are_attested_or_none() {
    let sandbox = step();
    sandbox.write("more.csv", "a\n3\n");
    sandbox.attested("more.csv", &[]);
    let before = sandbox.stamp("more.csv.attestation");
    let two = [
        "attest",
        "transform",
        "out.csv",
        "more.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    sandbox.makoto(&two).ends(1, &["more.csv.attestation"]);
    assert!(!sandbox.exists("out.csv.attestation"));
    assert_eq!(sandbox.stamp("more.csv.attestation"), before);
}

#[test]
fn an_input_that_is_not_what_it_was_attested_to_be_is_refused() {
    let sandbox = step();
    sandbox.write("in.csv", "a\n1\n2\n4\n");
    transform(&sandbox, &[]).ends(1, &["in.csv", "not what its attestation says"]);
    assert!(!sandbox.exists("out.csv.attestation"));
    sandbox.write("in.csv.attestation", "{\"half\":");
    transform(&sandbox, &[]).ends(1, &["in.csv"]);
    assert!(!sandbox.exists("out.csv.attestation"));
    sandbox.write("in.csv.attestation", "{}");
    transform(&sandbox, &[]).ends(1, &["in.csv"]);
    assert!(!sandbox.exists("out.csv.attestation"));
}

#[test]
fn a_file_that_holds_a_folders_manifest_does_not_pass_as_the_folder_it_names() {
    let sandbox = step();
    sandbox.write("parts/a", "1");
    sandbox.attested("parts", &[]);
    fs::copy(sandbox.path("parts.manifest"), sandbox.path("fake")).expect("a copy");
    fs::copy(
        sandbox.path("parts.attestation"),
        sandbox.path("fake.attestation"),
    )
    .expect("a copy");
    let step = [
        "attest",
        "transform",
        "out.csv",
        "--executor",
        "e",
        "--input",
    ];
    let forged = sandbox.makoto(&[&step[..], &["fake"]].concat());
    forged.ends(1, &["fake"]);
    assert!(!sandbox.exists("out.csv.attestation"));
    sandbox
        .makoto(&[&step[..], &["parts"]].concat())
        .ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    assert!(text(&statement, "predicate.inputs.0.attestationRef").starts_with("urn:makoto:"));
}

#[test]
fn an_output_that_is_the_input_by_any_path_is_refused() {
    let sandbox = step();
    symlink("in.csv", sandbox.path("link.csv")).expect("a link");
    fs::create_dir(sandbox.path("sub")).expect("a folder");
    let before = sandbox.stamp("in.csv.attestation");
    for output in ["in.csv", "./in.csv", "sub/../in.csv", "link.csv"] {
        let step = [
            "attest",
            "transform",
            output,
            "--input",
            "in.csv",
            "--executor",
            "e",
        ];
        let ran = sandbox.makoto(&[&step[..], &["--replace"]].concat());
        assert_eq!(ran.status, 2, "{output}: {ran:?}");
        assert!(
            ran.stderr.contains("both input and output"),
            "{output}: {ran:?}"
        );
        assert_eq!(sandbox.stamp("in.csv.attestation"), before);
    }
    assert_eq!(
        sandbox
            .names()
            .iter()
            .filter(|n| n.ends_with("attestation"))
            .count(),
        1
    );
}

#[test]
fn a_step_without_input_output_or_executor_is_refused() {
    let sandbox = step();
    for (arguments, told) in [
        (&["out.csv", "--input", "in.csv"][..], "--executor"),
        (&["out.csv", "--executor", "e"], "--input"),
        (&["--input", "in.csv", "--executor", "e"], "<OUT>"),
        (
            &["out.csv", "--input", "in.csv", "--executor", ""],
            "executor.id",
        ),
        (
            &["out.csv", "--input", "gone.csv", "--executor", "e"],
            "gone.csv",
        ),
        (
            &["gone.csv", "--input", "in.csv", "--executor", "e"],
            "gone.csv",
        ),
    ] {
        let ran = sandbox.makoto(&[&["attest", "transform"], arguments].concat());
        ran.ends(2, &[told]);
        assert_eq!(sandbox.names(), ["in.csv", "in.csv.attestation", "out.csv"]);
    }
}

#[test]
fn the_same_step_again_changes_nothing_and_stated_times_are_facts() {
    let sandbox = step();
    let times = [
        "--started",
        "2026-11-21T08:00:00Z",
        "--finished",
        "2026-11-21T08:01:00Z",
    ];
    transform(&sandbox, &times).ends(0, &[]);
    let before = sandbox.stamp("out.csv.attestation");
    transform(&sandbox, &times).ends(0, &[]);
    assert_eq!(sandbox.stamp("out.csv.attestation"), before);
    let later = [
        "--started",
        "2026-11-21T08:00:00Z",
        "--finished",
        "2026-11-21T08:02:00Z",
    ];
    transform(&sandbox, &later).ends(1, &["says something else"]);
    assert_eq!(sandbox.stamp("out.csv.attestation"), before);
}

#[test]
fn a_folder_may_be_input_and_output() {
    let sandbox = step();
    sandbox.write("from/a.csv", "a\n1\n");
    sandbox.write("to/b.csv", "a\n1\n");
    let step = [
        "attest",
        "transform",
        "to",
        "--input",
        "from/",
        "--executor",
        "e",
    ];
    sandbox.makoto(&step).ends(0, &[]);
    let statement = sandbox.json("to.attestation");
    assert_eq!(text(&statement, "predicate.inputs.0.name"), "dataset:from");
    assert!(!text(&statement, "subject.0.digest.dirHash").is_empty());
    passes(&sandbox.verify("to", &[]));
    assert_eq!(
        sandbox
            .names()
            .iter()
            .filter(|name| name.contains("manifest"))
            .count(),
        1
    );
}

#[test]
fn an_output_that_is_another_name_of_the_input_is_refused() {
    let sandbox = step();
    fs::hard_link(sandbox.path("in.csv"), sandbox.path("hard.csv")).expect("a link");
    let step = [
        "attest",
        "transform",
        "hard.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    sandbox.makoto(&step).ends(2, &["both input and output"]);
    assert!(!sandbox.exists("hard.csv.attestation"));
    fs::remove_file(sandbox.path("hard.csv")).expect("the link");
    fs::copy(sandbox.path("in.csv"), sandbox.path("hard.csv")).expect("a copy");
    sandbox.makoto(&step).ends(0, &[]);
}
