//! Manual pages and completion scripts.

use crate::sandbox::{Ran, Sandbox, finish};

#[test]
fn every_command_has_a_page_with_its_options_and_examples() {
    let sandbox = Sandbox::new();
    let ran = sandbox.makoto(&["man", "share/man1"]);
    let written: Vec<_> = ran.ends(0, &[]).stdout.lines().collect();
    for page in &written {
        let text = sandbox.read_text(page);
        let name = page
            .strip_prefix("share/man1/")
            .expect("a page in the folder");
        let name = name.strip_suffix(".1").expect("a page of section 1");
        assert!(text.contains(&format!("\n.TH {name} 1 ")), "{text}");
        // The page is of the command that the help is of.
        let command = name.strip_prefix("makoto").expect("a page of makoto");
        let command = command.trim_start_matches('-');
        let command = match command.split_once('-') {
            Some((group @ ("attest" | "dbom" | "key"), command)) => vec![group, command],
            _ if command.is_empty() => vec![],
            _ => vec![command],
        };
        let help = sandbox.makoto(&[&command[..], &["--help"]].concat());
        let help = &help.ends(0, &[]).stdout;
        assert!(text.contains("xample") == help.contains("xample"), "{name}");
        for word in help
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let option = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let option = option.replace('-', "\\-");
            assert!(text.contains(&option), "{option} is not in {name}");
        }
    }
    for name in [
        "makoto",
        "makoto-verify",
        "makoto-attest-origin",
        "makoto-man",
    ] {
        assert!(
            written.contains(&&*format!("share/man1/{name}.1")),
            "{name} not in {written:?}"
        );
    }
    // All of them, one after the other, and the same each time.
    let pages: Vec<_> = written.iter().map(|page| sandbox.read_text(page)).collect();
    let printed = sandbox.makoto(&["man"]);
    assert_eq!(printed.ends(0, &[]).stdout, pages.concat());
    assert_eq!(sandbox.makoto(&["man", "share/man1"]).stdout, ran.stdout);
    sandbox.write("file", "");
    sandbox
        .makoto(&["man", "file"])
        .ends(2, &["cannot write file"]);
}

fn bash(sandbox: &Sandbox, script: &str) -> Ran {
    let mut command = sandbox.program("bash");
    finish(
        command.args(["--noprofile", "--norc", "-eu", "-c", script]),
        b"",
    )
}

#[test]
fn bash_loads_its_completions_and_completes_with_them() {
    let sandbox = Sandbox::new();
    // As a package would be built, under a runner too: a script is not text for a person.
    let mut command = sandbox.command();
    command
        .env("GITHUB_ACTIONS", "true")
        .args(["completions", "bash"]);
    let script = finish(&mut command, b"");
    sandbox.write("makoto.bash", &script.ends(0, &[]).stdout);
    bash(&sandbox, "bash -n makoto.bash").ends(0, &[]);
    let loaded = bash(&sandbox, "source makoto.bash; complete -p makoto");
    assert!(
        loaded.ends(0, &[]).stdout.contains("-F _makoto"),
        "{loaded:?}"
    );
    for (line, completion) in [
        ("makoto ver", "verify"),
        ("makoto verify --ju", "--junit"),
        ("makoto attest or", "origin"),
        ("makoto verify --level ", "L2"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let [last, before] = [words.len() - 1, words.len() - 2].map(|index| words[index]);
        let script = format!(
            "source makoto.bash; set +u; COMP_WORDS=({}); COMP_CWORD={}; \
             _makoto makoto '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.split(' ')
                .map(|word| format!("'{word}' "))
                .collect::<String>(),
            words.len() - 1,
        );
        let ran = bash(&sandbox, &script);
        let replies: Vec<_> = ran.ends(0, &[]).stdout.lines().collect();
        assert!(replies.contains(&completion), "{line}: {ran:?}");
    }
}

#[test]
fn there_is_a_completion_script_for_every_shell_that_is_offered() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = sandbox.makoto(&["completions", shell]);
        let script = &ran.ends(0, &[]).stdout;
        for word in ["verify", "junit", "origin"] {
            assert!(
                script.contains(word),
                "{word} is not in the script for {shell}"
            );
        }
    }
    sandbox.makoto(&["completions", "tcsh"]).ends(2, &["tcsh"]);
}
