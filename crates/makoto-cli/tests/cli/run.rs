//! `makoto run`: what is run, and what is said about it.

use std::fs;

use makoto::datetime::DateTime;
use makoto::json::Json;

use crate::document::{at, passes, text};
use crate::sandbox::{Ran, Sandbox, finish};

/// A sandbox with an attested input.
pub(crate) fn inputs() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("in.csv", "a\n1\n2\n3\n");
    sandbox.attested("in.csv", &["--name", "dataset:raw"]);
    sandbox
}

/// `run --input in.csv --output out.csv` with options and a command.
pub(crate) fn run(sandbox: &Sandbox, options: &[&str], command: &[&str]) -> Ran {
    let run = ["run", "--input", "in.csv", "--output", "out.csv"];
    sandbox.makoto(&[&run[..], options, &["--"], command].concat())
}

#[test]
fn a_step_is_run_and_attested_with_real_times_and_counts() {
    let sandbox = inputs();
    let options = [
        "--name",
        "dataset:clean",
        "--executor",
        "etl/clean",
        "--type",
        "filter",
    ];
    run(
        &sandbox,
        &options,
        &["sh", "-c", "grep -v 2 in.csv > out.csv"],
    )
    .ends(0, &["declared, not observed", "command text only"]);
    let statement = sandbox.json("out.csv.attestation");
    assert_eq!(sandbox.read_text("out.csv"), "a\n1\n3\n");
    let predicate = at(&statement, "predicate");
    assert_eq!(text(&statement, "subject.0.name"), "dataset:clean");
    assert_eq!(text(predicate, "executor.id"), "etl/clean");
    assert_eq!(
        text(predicate, "transform.type"),
        "https://makoto.dev/transforms/filter"
    );
    let reference = format!(
        "urn:makoto:attestation:sha256:{}",
        sandbox.sha256("in.csv.attestation")
    );
    assert_eq!(text(predicate, "inputs.0.attestationRef"), reference);
    let command = at(predicate, "transform.parameters.command").to_string();
    assert_eq!(command, r#"["sh","-c","grep -v 2 in.csv > out.csv"]"#);
    for (key, number) in [("exitStatus", 0), ("recordsInput", 3), ("recordsOutput", 2)] {
        assert_eq!(
            at(predicate, &format!("metadata.{key}")),
            &Json::from(number),
            "{key}"
        );
    }
    let [started, finished] = ["startedOn", "finishedOn"]
        .map(|key| DateTime::parse(text(predicate, &format!("metadata.{key}"))).expect("a time"));
    assert!(started <= finished, "{started} {finished}");
    passes(&sandbox.verify("out.csv", &["--as", "dataset:clean"]));
}

#[test]
fn the_executor_is_user_and_host_when_nobody_says_who() {
    let sandbox = inputs();
    let mut command = sandbox.command();
    let step = [
        "run", "--input", "in.csv", "--output", "out.csv", "--", "cp", "in.csv", "out.csv",
    ];
    finish(command.args(step).env("USER", "ada"), b"").ends(0, &[]);
    let statement = sandbox.json("out.csv.attestation");
    let host = finish(sandbox.program("uname").arg("-n"), b"").stdout;
    let executor = text(&statement, "predicate.executor.id");
    assert_eq!(executor, format!("ada@{}", host.trim()));
}

#[test]
fn placeholders_stand_for_the_declared_paths() {
    let sandbox = inputs();
    sandbox.write("b.csv", "a\n9\n");
    sandbox.write(
        "show.sh",
        "printf '%s|' \"$@\" > got; cp in.csv out.csv; cp in.csv two.csv",
    );
    let command = [
        "--", "sh", "show.sh", "{input}", "--to", "{output}", "{inputs}", "in.csv",
    ];
    let several = [
        "run", "--input", "in.csv", "--input", "b.csv", "--output", "out.csv", "--output",
        "two.csv",
    ];
    sandbox
        .makoto(&[&several[..], &command].concat())
        .ends(0, &[]);
    assert_eq!(
        sandbox.read_text("got"),
        "in.csv|b.csv|--to|out.csv|two.csv|{inputs}|in.csv|"
    );
    let statement = sandbox.json("out.csv.attestation");
    assert_eq!(text(&statement, "predicate.inputs.0.name"), "dataset:raw");
    assert_eq!(text(&statement, "predicate.inputs.1.name"), "dataset:b");
    assert_eq!(
        at(&statement, "predicate.inputs.1.attestationRef"),
        &Json::Null
    );
    assert_eq!(
        sandbox.read("out.csv.attestation"),
        sandbox.read("two.csv.attestation")
    );
}

#[test]
fn a_placeholder_inside_an_argument_needs_a_single_path() {
    let sandbox = inputs();
    sandbox.write("b.csv", "a\n9\n");
    sandbox.write("show.sh", "printf '%s|' \"$@\" > got; cp in.csv out.csv");
    run(
        &sandbox,
        &[],
        &["sh", "show.sh", "--in={input}", "{output}:{input}"],
    )
    .ends(0, &[]);
    assert_eq!(sandbox.read_text("got"), "--in=in.csv|out.csv:in.csv|");
    let options = ["--replace", "--input", "b.csv"];
    let ran = run(&sandbox, &options, &["sh", "show.sh", "--in={input}"]);
    ran.ends(2, &["stands for 2 paths"]);
}

#[test]
fn a_path_with_spaces_and_quotes_is_one_argument() {
    let sandbox = Sandbox::new();
    let input = "in 'a' \"b\" $(touch pwned);.csv";
    sandbox.write(input, "a\n1\n");
    let step = [
        "run",
        "--input",
        input,
        "--output",
        "o u t.csv",
        "--",
        "cp",
        "{input}",
        "{output}",
    ];
    sandbox.makoto(&step).ends(0, &[]);
    assert_eq!(sandbox.read_text("o u t.csv"), "a\n1\n");
    assert!(!sandbox.exists("pwned"));
}

#[test]
fn the_commands_own_streams_are_its_own() {
    let sandbox = inputs();
    let script = "cat > out.csv; echo to-stdout; echo to-stderr >&2";
    let step = [
        "run", "--input", "in.csv", "--output", "out.csv", "--", "sh", "-c", script,
    ];
    let ran = finish(sandbox.command().args(step), b"a\nfrom stdin\n");
    ran.ends(0, &["to-stderr", "out.csv.attestation"]);
    assert_eq!(ran.stdout, "to-stdout\n");
    assert_eq!(sandbox.read_text("out.csv"), "a\nfrom stdin\n");
}

#[test]
fn a_dry_run_runs_nothing_and_writes_nothing() {
    let sandbox = inputs();
    let before = sandbox.names();
    let ran = run(
        &sandbox,
        &["--dry-run"],
        &["sh", "-c", "touch ran; cp in.csv out.csv", "{output}"],
    );
    ran.ends(0, &[]);
    assert_eq!(sandbox.names(), before);
    for shown in [
        "would run",
        "touch ran; cp in.csv out.csv",
        "out.csv",
        "urn:makoto:attestation",
    ] {
        assert!(ran.stdout.contains(shown), "{shown} {ran:?}");
    }
    // What would be refused is refused in a dry run too.
    let refused = run(
        &sandbox,
        &["--dry-run", "--input", "gone.csv"],
        &["cp", "in.csv", "out.csv"],
    );
    refused.ends(2, &["gone.csv"]);
}

#[test]
fn a_script_and_its_interpreter_are_hashed() {
    let sandbox = inputs();
    sandbox.write("clean.sh", "#!/bin/sh\ncp in.csv out.csv\n");
    sandbox.set_mode("clean.sh", 0o755);
    let shell = fs::read("/bin/sh").expect("a shell");
    let shell = makoto::digest::Digest::of(&shell).to_string();
    for command in [
        &["./clean.sh"][..],
        &["sh", "clean.sh"],
        &["sh", "-eu", "clean.sh"],
    ] {
        run(&sandbox, &["--replace"], command).ends(0, &["script and interpreter hashed"]);
        let statement = sandbox.json("out.csv.attestation");
        let step = at(&statement, "predicate.transform");
        assert_eq!(
            text(step, "codeRef.digest.sha256"),
            sandbox.sha256("clean.sh"),
            "{command:?}"
        );
        assert!(
            text(step, "codeRef.uri").ends_with("clean.sh"),
            "{command:?}"
        );
        assert_eq!(
            text(step, "interpreter.digest.sha256"),
            shell,
            "{command:?}"
        );
        assert_eq!(text(step, "codeScope"), "script and interpreter hashed");
    }
}

#[test]
fn the_option_of_a_shell_to_stop_at_errors_is_not_taken_for_code() {
    let sandbox = inputs();
    sandbox.write("clean.sh", "cp in.csv out.csv\n");
    for options in [&["-e"][..], &["-x", "-e"], &["-ue"]] {
        let command = [&["sh"], options, &["clean.sh"]].concat();
        run(&sandbox, &["--replace"], &command).ends(0, &["script and interpreter hashed"]);
        let statement = sandbox.json("out.csv.attestation");
        let code = text(&statement, "predicate.transform.codeRef.digest.sha256");
        assert_eq!(code, sandbox.sha256("clean.sh"), "{command:?}");
    }
}

#[test]
fn of_a_command_text_no_code_is_claimed() {
    let sandbox = inputs();
    sandbox.write("clean.sh", "exit 1\n");
    for command in [
        &["sh", "-c", "cp in.csv out.csv", "clean.sh"][..],
        &["sh", "-ec", "cp in.csv out.csv", "clean.sh"],
    ] {
        run(&sandbox, &["--replace"], command).ends(0, &["command text only"]);
        let statement = sandbox.json("out.csv.attestation");
        let step = at(&statement, "predicate.transform");
        assert_eq!(at(step, "codeRef"), &Json::Null);
        assert_eq!(text(step, "codeScope"), "command text only");
    }
}

#[test]
fn a_program_is_hashed_by_the_path_that_the_shell_would_take() {
    let sandbox = inputs();
    run(&sandbox, &[], &["cp", "in.csv", "out.csv"]).ends(0, &["program hashed"]);
    let statement = sandbox.json("out.csv.attestation");
    let step = at(&statement, "predicate.transform");
    let found = finish(&mut sandbox.shell("command -v cp"), b"").stdout;
    assert_eq!(text(step, "codeRef.uri"), found.trim());
    let bytes = fs::read(found.trim()).expect("cp");
    let digest = makoto::digest::Digest::of(&bytes).to_string();
    assert_eq!(text(step, "codeRef.digest.sha256"), digest);
}

#[test]
fn an_input_is_not_taken_for_the_script() {
    let sandbox = inputs();
    sandbox.write("in.sh", "cp in.csv out.csv\n");
    let step = [
        "run", "--input", "in.csv", "--input", "in.sh", "--output", "out.csv",
    ];
    let ran = sandbox.makoto(&[&step[..], &["--", "sh", "in.sh"]].concat());
    ran.ends(0, &["interpreter hashed, its code was not seen"]);
    let statement = sandbox.json("out.csv.attestation");
    assert_eq!(at(&statement, "predicate.transform.codeRef"), &Json::Null);
    let input = text(&statement, "predicate.inputs.1.digest.sha256");
    assert_eq!(input, sandbox.sha256("in.sh"));
}

#[test]
fn outputs_may_be_new_rewritten_or_folders() {
    let sandbox = inputs();
    sandbox.write("out.csv", "a\nold\n");
    run(&sandbox, &[], &["cp", "in.csv", "out.csv"]).ends(0, &[]);
    passes(&sandbox.verify("out.csv", &[]));
    let step = [
        "run", "--input", "in.csv", "--output", "parts", "--", "sh", "-c",
    ];
    let split = "mkdir -p parts; cp in.csv parts/a.csv; date +%N > parts/b";
    sandbox.makoto(&[&step[..], &[split]].concat()).ends(0, &[]);
    passes(&sandbox.verify("parts", &[]));
    sandbox
        .makoto(&[&step[..4], &["parts", "--replace"], &step[5..], &[split]].concat())
        .ends(0, &[]);
    passes(&sandbox.verify("parts", &[]));
}

#[test]
fn steps_chain_from_origin_to_the_last_output() {
    let sandbox = inputs();
    run(&sandbox, &[], &["cp", "in.csv", "out.csv"]).ends(0, &[]);
    let step = [
        "run", "--input", "out.csv", "--output", "last.csv", "--", "cp", "{input}", "{output}",
    ];
    sandbox.makoto(&step).ends(0, &[]);
    let statement = sandbox.json("last.csv.attestation");
    let id = sandbox.sha256("out.csv.attestation");
    let reference = text(&statement, "predicate.inputs.0.attestationRef");
    assert_eq!(reference, format!("urn:makoto:attestation:sha256:{id}"));
    assert_eq!(text(&statement, "predicate.inputs.0.name"), "dataset:out");
}

#[test]
fn the_report_as_json_names_the_statement_that_was_written() {
    let sandbox = inputs();
    let told = run(&sandbox, &["--json"], &["cp", "in.csv", "out.csv"]).json();
    let id = format!("sha256:{}", sandbox.sha256("out.csv.attestation"));
    assert_eq!(text(&told, "written.0.attestation"), id);
    assert_eq!(text(&told, "written.0.path"), "out.csv.attestation");
    assert_eq!(text(&told, "subject.0.name"), "dataset:out");
}
