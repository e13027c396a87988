//! Every `console` block of README and docs is run, in order, and prints what it says. A block
//! after a line `<!-- file: NAME -->` is written to that file first.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a reader of a document does, in its order.
enum Step {
    /// A file to be written: the block after `<!-- file: NAME -->`.
    File { name: String, text: String },
    /// A command, and the lines that it prints.
    Command {
        command: String,
        printed: Vec<String>,
    },
}

/// The block of a document that a line is in.
enum Block {
    None,
    Console,
    File,
    Other,
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = Block::None;
    let mut file = None;
    for line in document.lines() {
        let name = line.strip_prefix("<!-- file: ");
        match (&block, line) {
            (Block::None, "```console") => block = Block::Console,
            (Block::None, _) if line.starts_with("```") => {
                block = Block::Other;
                if let Some(name) = file.take() {
                    let text = String::new();
                    steps.push(Step::File { name, text });
                    block = Block::File;
                }
            }
            (Block::None, _) => {
                assert!(file.is_none(), "a block follows the name of its file");
                let name = name.and_then(|name| name.strip_suffix(" -->"));
                file = name.map(str::to_owned);
            }
            (_, "```") => block = Block::None,
            (Block::Other, _) => {}
            (Block::File, _) => match steps.last_mut() {
                Some(Step::File { text, .. }) => {
                    let _ = writeln!(text, "{line}");
                }
                _ => panic!("the file is the last step"),
            },
            (Block::Console, _) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step::Command {
                    command: command.to_owned(),
                    printed: Vec::new(),
                }),
                (None, Some(Step::Command { printed, .. })) => printed.push(line.to_owned()),
                _ => panic!("a block starts with a command"),
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
    std::os::unix::fs::symlink(root().join("demo"), folder.path().join("demo")).expect("a link");
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
        let (command, expected) = match step {
            Step::Command { command, printed } => (command, printed),
            Step::File { name, text } => {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                std::fs::write(file, text).expect("a file");
                continue;
            }
        };
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("MAKOTO_STORE")
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .env_remove("GITHUB_ACTIONS")
            .output()
            .expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<_> = printed.lines().collect();
        if !output.status.success() || !lines_match(expected, &lines) {
            let _ = writeln!(wrong, "$ {command}\n{printed}({})", output.status);
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
        "lineage complete at L1",
        "short.dbom.json: FAILS",
        "swiss.tab: passes at L2",
        "does not allow the signer",
        "the statement is unsigned",
        "What to type next",
    ] {
        assert!(
            printed.contains(said),
            "the demo does not say {said:?}:\n{printed}"
        );
    }
}
