//! Every `console` block of README and docs is run, in order, and prints what it says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command of a document, and the lines that it prints.
struct Step {
    command: String,
    printed: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        match (line, in_block) {
            ("```console", _) => in_block = true,
            ("```", _) => in_block = false,
            (_, false) => {}
            (_, true) => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    command: command.to_owned(),
                    printed: Vec::new(),
                }),
                None => {
                    let step = steps.last_mut().expect("a block starts with a command");
                    step.printed.push(line.to_owned());
                }
            },
        }
    }
    steps
}

/// Whether `line` is `pattern`, where `…` stands for anything.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(first) else {
        return false;
    };
    let mut ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    ends.any(|at| line_matches(rest, &line[at..]))
}

/// Whether the lines are those of the patterns; a pattern that is only `…` stands for any lines.
fn lines_match(patterns: &[String], lines: &[&str]) -> bool {
    match (patterns.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((pattern, patterns)), _) if pattern == "…" => {
            (0..=lines.len()).any(|skipped| lines_match(patterns, &lines[skipped..]))
        }
        (Some((pattern, patterns)), Some((line, lines))) => {
            line_matches(pattern, line) && lines_match(patterns, lines)
        }
        _ => false,
    }
}

fn run(document: &str) {
    let text = std::fs::read_to_string(root().join(document)).expect("a document");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = Path::new(env!("CARGO_BIN_EXE_makoto"));
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", binary.parent().expect("a folder").display());
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{document} has no console block");
    let mut wrong = String::new();
    for step in &steps {
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1; {}", step.command)])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<_> = printed.lines().collect();
        if !output.status.success() || !lines_match(&step.printed, &lines) {
            let _ = writeln!(wrong, "$ {}\n{printed}({})", step.command, output.status);
        }
    }
    assert!(
        wrong.is_empty(),
        "{document} does not print what it says:\n{wrong}"
    );
}

#[test]
fn the_readme_prints_what_it_says() {
    run("README.md");
}

#[test]
fn the_guide_prints_what_it_says() {
    run("docs/guide.md");
}

#[test]
fn every_document_with_commands_is_run_here() {
    let documents = std::fs::read_dir(root().join("docs")).expect("a folder");
    for document in documents {
        let path = document.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let is_run = path.ends_with("docs/guide.md");
        assert!(
            is_run || !text.contains("```console"),
            "{} is not run",
            path.display()
        );
    }
}

#[test]
fn the_demo_runs_to_its_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(root().join("demo/run"))
        .arg(folder.path().join("demo"))
        .env("MAKOTO", env!("CARGO_BIN_EXE_makoto"))
        .output()
        .expect("bash runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for said in [
        "passes at L1",
        "places.csv: FAILS",
        "records identical",
        "What to type next",
    ] {
        assert!(
            printed.contains(said),
            "the demo does not say {said:?}:\n{printed}"
        );
    }
}
