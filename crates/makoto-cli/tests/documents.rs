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
    // The Python of this project has what the pages use; see scripts/prepare.
    let python = root().join("target/python/bin");
    let path = format!(
        "{}:{}:{path}",
        binary.parent().expect("a folder").display(),
        python.display()
    );
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{document} has no console block");
    let mut wrong = String::new();
    for step in &steps {
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1; {}", step.command)])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("MAKOTO_STORE")
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
fn every_page_prints_what_it_says() {
    let mut pages = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => pages.push(path),
            }
        }
    }
    pages.sort();
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("text");
        if text.contains("```console") {
            let page = page.strip_prefix(root()).expect("a page of this project");
            run(&page.to_string_lossy());
        }
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
