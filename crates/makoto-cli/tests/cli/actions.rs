//! Under GitHub Actions: annotations, summaries, and names that would command the runner.

use std::fs;
use std::path::Path;
use std::process::Command;

use makoto::json::Json;

use crate::document::{text, with};
use crate::folder::parts;
use crate::sandbox::{ORIGIN, Ran, Sandbox, finish};
use crate::verify::{ORDERS, orders};

/// The binary as a step of a workflow.
fn step(sandbox: &Sandbox) -> Command {
    on_runner(sandbox, sandbox.command())
}

fn on_runner(sandbox: &Sandbox, mut command: Command) -> Command {
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", sandbox.path(""))
        .env("GITHUB_STEP_SUMMARY", sandbox.path("summary.md"));
    command
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    finish(step(sandbox).args(arguments), b"")
}

/// The lines that a runner acts on: those that start with `::`, and those with `##[` anywhere
/// (actions/runner, `ActionCommand.TryParseV2` and `TryParse`). Both compare by the rules of a
/// language, which skip variation selectors and other characters without a shape.
fn commands(said: &str) -> Vec<&str> {
    let lines = said.split(['\n', '\r']);
    let acts = |line: &&str| {
        let line = line.replace('\u{fe0f}', "");
        line.trim_start().starts_with("::") || line.contains("##[")
    };
    lines.filter(acts).collect()
}

/// A command as the runner reads it: its name, its properties and its message.
fn read(command: &str) -> (&str, Vec<(String, String)>, String) {
    let decode = |text: &str| {
        let text = text.replace("%3A", ":").replace("%2C", ",");
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    let command = command.strip_prefix("::").expect("a command");
    let (head, message) = command.split_once("::").expect("a message");
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    let properties = properties.map(|(key, value)| (key.to_owned(), decode(value)));
    (name, properties.collect(), decode(message))
}

fn changed() -> Sandbox {
    let sandbox = orders();
    sandbox.write("orders.csv", ORDERS.replace("9.50", "9.60"));
    sandbox
}

#[test]
fn data_that_differs_is_an_error_at_its_file_and_a_row_of_the_summary() {
    let sandbox = changed();
    let ran = run(&sandbox, &["verify", "orders.csv"]);
    ran.ends(1, &[]);
    let told = commands(&ran.stdout);
    let (name, properties, message) = read(told[0]);
    assert_eq!(name, "error");
    let wanted = [("file", "orders.csv"), ("title", "orders.csv: FAILS")];
    assert_eq!(
        properties,
        wanted.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    assert!(
        message.starts_with("subject[0].digest.sha256 does not match"),
        "{message}"
    );
    // The root follows from the bytes, and is not told beside them.
    assert_eq!(message.lines().count(), 1, "{message}");
    assert_eq!(read(told[1]).0, "warning");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        ran.stdout.starts_with("orders.csv: FAILS\n  why:"),
        "{ran:?}"
    );
    let summary = sandbox.read_text("summary.md");
    assert!(
        summary.contains("### makoto verify: 0 of 1 passed\n"),
        "{summary}"
    );
    assert!(summary.contains("\n| <code>orders&#46;csv</code> | FAILS | none | subject"));
}

#[test]
fn what_passes_is_no_error_and_summaries_are_added_one_after_the_other() {
    let sandbox = orders();
    sandbox.write("summary.md", "from the step");
    let ran = run(&sandbox, &["verify", "orders.csv"]);
    ran.ends(0, &[]);
    assert!(
        commands(&ran.stdout)
            .iter()
            .all(|told| read(told).0 == "warning"),
        "{ran:?}"
    );
    run(&sandbox, &["validate", "orders.csv.attestation"]).ends(0, &[]);
    let summary = sandbox.read_text("summary.md");
    assert!(
        summary.starts_with("from the step\n\n### makoto verify: 1 of 1 passed\n"),
        "{summary}"
    );
    assert!(
        summary.contains("</code> | passes | L1 | the bytes are what"),
        "{summary}"
    );
    assert!(
        summary.contains("\n### makoto validate: 1 of 1 passed\n"),
        "{summary}"
    );
}

#[test]
fn outside_of_actions_nothing_of_it_is_there() {
    let sandbox = changed();
    let outside = sandbox.makoto(&["verify", "orders.csv"]);
    for value in [None, Some("false"), Some(""), Some("TRUE")] {
        let mut command = step(&sandbox);
        match value {
            Some(value) => command.env("GITHUB_ACTIONS", value),
            None => command.env_remove("GITHUB_ACTIONS"),
        };
        let ran = finish(command.args(["verify", "orders.csv"]), b"");
        assert_eq!(
            (ran.stdout, ran.stderr),
            (outside.stdout.clone(), String::new())
        );
        assert!(!sandbox.exists("summary.md"), "{value:?}");
    }
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let sandbox = changed();
    let ran = run(&sandbox, &["verify", "orders.csv", "--json"]);
    assert_eq!(text(&ran.ends(1, &[]).json(), "verdict"), "fail");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert_eq!(ran.stderr, "");
    assert!(sandbox.read_text("summary.md").contains("FAILS"));
    let ran = run(&sandbox, &["verify", "gone.csv", "--json"]);
    assert_eq!(
        text(
            &ran.ends(2, &["::error title=makoto::cannot read"]).json(),
            "verdict"
        ),
        "unknown"
    );
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
}

#[test]
fn no_name_becomes_a_command_or_a_part_of_the_page() {
    let sandbox = Sandbox::new();
    let names = [
        "::add-mask::a",
        " \u{3000}::stop-commands::x",
        "##[add-path]x",
        "\u{fe0f}:\u{fe0f}:error::c",
        "#\u{fe0f}#\u{fe0f}[error]d",
        "a\r::error::b",
        "a\n::error::b",
        "%0A::error::%0D,title=b",
        "]<script>alert(1)<",
        "</code>|<img src=x onerror=alert(1)>|![x](http:&&x)`@all`#1\\|",
    ];
    for name in names {
        // Beside the name of the file, the statement has it wherever text can be.
        let file = format!("{name}.csv");
        sandbox.write(&file, ORDERS);
        let good = sandbox.attested(&file, &["--format", "bytes"]);
        let bad = with(&good, "subject.0", "name", Some(name.into()));
        let bad = with(&bad, "predicate.origin", "source", Some(name.into()));
        let bad = with(
            &bad,
            "predicate.collector",
            "environment",
            Some(name.into()),
        );
        let bad = with(&bad, "subject.0.digest", name, Some(Json::from("00")));
        let sidecar = format!("{file}.attestation");
        let gone = format!("{file}.gone");
        for statement in [&good, &bad] {
            sandbox.write(&sidecar, statement.to_string());
            for arguments in [
                &["verify", &file][..],
                &["verify", &file, "--verbose"],
                &["verify", &file, "--json"],
                &["verify", &file, "--as", name],
                &["verify", &file, "--junit", &sidecar],
                &["verify", &gone],
                &["verify", name, "--", "x", name],
                &["validate", &sidecar, "--verbose"],
                &[&["attest", "origin", &file], &ORIGIN[..]].concat(),
                &[&["attest", "origin", &gone], &ORIGIN[..]].concat(),
                &[
                    "run",
                    "--input",
                    &file,
                    "--output",
                    name,
                    "--dry-run",
                    "--",
                    "cat",
                    &file,
                ],
                &["run", "--input", &file, "--output", name, "--", "true"],
            ] {
                let ran = run(&sandbox, arguments);
                for said in [&ran.stdout, &ran.stderr] {
                    for command in commands(said) {
                        let (kind, properties, _) = read(command);
                        assert!(
                            ["error", "warning"].contains(&kind),
                            "{arguments:?} {command:?}"
                        );
                        let keys: Vec<_> = properties.iter().map(|(key, _)| key.as_str()).collect();
                        assert!(
                            [&["title"][..], &["file", "title"]].contains(&&keys[..]),
                            "{command}"
                        );
                        assert!(!command.contains("##["), "{command}");
                    }
                }
            }
        }
    }
    // All that is not text in the summary is the table itself.
    let summary = sandbox.read_text("summary.md");
    for line in summary.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("### makoto ")
            || line == "| dataset | verdict | level | reason |"
            || line == "|---|---|---|---|"
        {
            continue;
        }
        let cells: Vec<_> = line.split(" | ").collect();
        let name = cells[0]
            .strip_prefix("| <code>")
            .and_then(|name| name.strip_suffix("</code>"));
        let reason = cells[3].strip_suffix(" |").expect("the end of a row");
        assert!(
            ["passes", "FAILS", "cannot be told"].contains(&cells[1]),
            "{line}"
        );
        for cell in [name.expect("a name"), reason] {
            let mut rest = cell;
            while let Some(at) = rest.find(|c: char| c.is_ascii_punctuation()) {
                let number = rest[at..]
                    .strip_prefix("&#")
                    .and_then(|rest| rest.split_once(';'));
                let (number, after) = number.unwrap_or_else(|| panic!("{rest} in {line}"));
                assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
                rest = after;
            }
        }
        assert_eq!(cells.len(), 4, "{line}");
    }
    assert!(
        summary.contains("<code>&#60;") || summary.contains("&#93;&#60;script&#62;"),
        "{summary}"
    );
}

#[test]
fn a_summary_that_cannot_be_written_is_a_note_and_changes_no_verdict() {
    for (sandbox, status) in [(orders(), 0), (changed(), 1)] {
        let place = |path: &Path| {
            let mut command = step(&sandbox);
            command.env("GITHUB_STEP_SUMMARY", path);
            finish(command.args(["verify", "orders.csv"]), b"")
        };
        for path in ["", "missing/summary.md", "/dev/full", "."] {
            let ran = place(Path::new(path));
            ran.ends(status, &["note: no summary for GitHub: "]);
        }
        let mut command = step(&sandbox);
        command
            .env_remove("GITHUB_STEP_SUMMARY")
            .args(["verify", "orders.csv"]);
        finish(&mut command, b"").ends(status, &["GITHUB_STEP_SUMMARY is not set"]);
        let good = place(&sandbox.path("summary.md"));
        assert_eq!(good.ends(status, &[]).stderr, "");
    }
}

#[test]
fn errors_of_every_command_are_told_and_never_on_the_stdout_of_a_step() {
    let sandbox = orders();
    let failed = [
        "attest", "origin", "gone.csv", ORIGIN[0], ORIGIN[1], ORIGIN[2], ORIGIN[3],
    ];
    let ran = run(&sandbox, &failed);
    ran.ends(
        2,
        &["error: ", "\n::error title=makoto::", "%0Acheck the path"],
    );
    let step = [
        "run",
        "--input",
        "orders.csv",
        "--output",
        "out.csv",
        "--",
        "sh",
        "-c",
    ];
    let ran = run(&sandbox, &[&step[..], &["echo said; exit 3"]].concat());
    ran.ends(3, &["\n::error title=makoto::the command did not succeed"]);
    assert_eq!(ran.stdout, "said\n");
    let ran = run(&sandbox, &[&step[..], &["echo said"]].concat());
    ran.ends(
        1,
        &["\n::error title=makoto::output out.csv does not exist"],
    );
    assert_eq!(ran.stdout, "said\n");
    // Help is no failure, and wrong use is not one of the data.
    for arguments in [
        &["--help"][..],
        &["verify", "--help"],
        &["verify"],
        &["verify", "--nope"],
    ] {
        let ran = run(&sandbox, arguments);
        assert!(
            commands(&ran.stdout).is_empty() && commands(&ran.stderr).is_empty(),
            "{ran:?}"
        );
    }
    assert!(!sandbox.exists("summary.md"));
}

#[test]
fn a_file_is_named_from_the_root_of_the_repository() {
    let sandbox = Sandbox::new();
    sandbox.write("data/orders.csv", ORDERS);
    for (folder, data, file) in [
        ("data", "orders.csv".to_owned(), "data/orders.csv"),
        ("data", "../data/orders.csv".to_owned(), "data/orders.csv"),
        (
            "",
            sandbox.path("data/orders.csv").display().to_string(),
            "data/orders.csv",
        ),
        ("data", "/dev/null".to_owned(), "/dev/null"),
    ] {
        let mut command = step(&sandbox);
        command
            .current_dir(sandbox.path(folder))
            .args(["verify", &data]);
        let ran = finish(&mut command, b"");
        let told = commands(&ran.stdout);
        let (_, properties, message) = read(told.first().unwrap_or_else(|| panic!("{ran:?}")));
        assert_eq!(properties[0], ("file".to_owned(), file.to_owned()));
        assert!(message.contains("no attestation"), "{message}");
    }
    let validate = ["validate", "-"];
    let ran = finish(step(&sandbox).args(validate), b"{}");
    let (_, properties, _) = read(commands(&ran.stdout)[0]);
    assert_eq!(properties[0].0, "title", "{ran:?}");
}

#[test]
fn a_folder_with_many_changes_is_one_annotation() {
    let sandbox = parts();
    for number in 0..30 {
        sandbox.write(&format!("parts/new-{number:02}.csv"), "new");
    }
    let ran = run(&sandbox, &["verify", "parts"]);
    let told = commands(&ran.stdout);
    let errors: Vec<_> = told
        .iter()
        .filter(|told| told.starts_with("::error"))
        .collect();
    let (_, properties, message) = read(errors[0]);
    assert_eq!(
        (errors.len(), message.lines().count()),
        (1, 11),
        "{message}"
    );
    assert_eq!(properties[0].1, "parts");
    assert!(message.starts_with("new-00.csv was added\n"), "{message}");
    assert!(message.ends_with("\nand 20 more"), "{message}");
}

/// The values of `run:` in the workflow of a page.
fn workflow(page: &str) -> Vec<String> {
    let start = "<!-- file: .github/workflows/data.yml -->\n```yaml\n";
    let (_, workflow) = page.split_once(start).expect("a workflow");
    let (workflow, _) = workflow.split_once("\n```").expect("its end");
    let runs = workflow.lines().filter_map(|line| {
        let value = line
            .trim_start()
            .trim_start_matches("- ")
            .strip_prefix("run: ")?;
        assert!(
            !value.starts_with(['|', '>', '"', '\'']),
            "plain values only: {value}"
        );
        Some(value.to_owned())
    });
    runs.collect()
}

#[test]
fn the_workflow_of_the_page_does_what_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ci.md");
    let page = fs::read_to_string(page).expect("the page");
    let runs = workflow(&page);
    let (install, runs) = runs.split_first().expect("steps");
    // Builds everything anew, so it is not for a test; see CONTRIBUTING.md.
    assert!(install.starts_with("cargo install "), "{install}");
    assert!(runs.len() >= 3, "{runs:?}");
    // As a repository has it whose data was attested by its producer.
    let sandbox = Sandbox::new();
    sandbox.write("data/orders.csv", "id,total\n1,950\n2,120\n");
    sandbox.attested("data/orders.csv", &["--name", "dataset:orders"]);
    sandbox.write(
        "clean.py",
        "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read())\n",
    );
    let folder = Path::new(crate::sandbox::MAKOTO)
        .parent()
        .expect("a folder");
    let path = std::env::var("PATH").expect("a PATH");
    let steps = |sandbox: &Sandbox| {
        let step = |run: &String| {
            let shell = ["--noprofile", "--norc", "-eo", "pipefail", "-c", run];
            let mut bash = on_runner(sandbox, sandbox.program("bash"));
            bash.env("PATH", format!("{}:{path}", folder.display()));
            finish(bash.args(shell), b"")
        };
        runs.iter().map(step).collect::<Vec<_>>()
    };
    let ended = steps(&sandbox);
    assert!(ended.iter().all(|ran| ran.status == 0), "{ended:?}");
    let summary = sandbox.read_text("summary.md");
    assert!(summary.contains("1 of 1 passed"), "{summary}");
    assert!(sandbox.exists("report.xml"));
    assert!(
        crate::junit::read(&sandbox, "report.xml")
            .to_string()
            .contains("orders")
    );
    // Near neighbour: the same steps with other data do not get past the gate.
    sandbox.write("data/orders.csv", "id,total\n1,951\n2,120\n");
    let ended = steps(&sandbox);
    assert_eq!(ended[0].status, 1, "{ended:?}");
    assert!(
        ended[0].stdout.contains("\n::error file=data/orders.csv,"),
        "{ended:?}"
    );
}
