//! What is said, and where: nothing in it acts on a terminal, and nothing is lost in silence.

use std::process::Command;

use makoto::json::Json;

use crate::document::{text, with};
use crate::sandbox::{ORIGIN, Sandbox, finish};
use crate::verify::orders;

const ORDERS: &str = "id,total\n1,9.50\n2,12.00\n";

#[test]
fn names_that_would_act_on_a_terminal_are_shown_escaped() {
    let sandbox = Sandbox::new();
    let title = "evil\u{1b}]0;owned\u{7}.csv";
    let bidi = "re\u{202e}vsc.csv";
    for (name, shown) in [
        (title, "evil\\u{1b}]0;owned\\u{7}.csv"),
        (bidi, "re\\u{202e}vsc.csv"),
    ] {
        sandbox.write(name, "a\n1\n");
        let attest = [&["attest", "origin", name], &ORIGIN[..]].concat();
        let forced = |arguments: &[&str]| {
            // As on a terminal: without it, escape sequences are taken out of a pipe anyway.
            let mut command: Command = sandbox.command();
            finish(command.args(arguments).env("CLICOLOR_FORCE", "1"), b"")
        };
        let missing = format!("{name}.gone");
        let bad = format!("{name}.bad.csv");
        sandbox.write(&bad, "a\n\"b\n");
        let runs = [
            forced(&attest),
            forced(&["verify", name, "-v"]),
            forced(&["validate", &format!("{name}.attestation"), "-v"]),
            forced(&[&["attest", "origin", &missing], &ORIGIN[..]].concat()),
            forced(&[&["attest", "origin", &bad], &ORIGIN[..]].concat()),
            forced(&["verify", &missing]),
            forced(&["verify", &bad]),
            forced(&["validate", &missing]),
            forced(&[
                "run",
                "--input",
                name,
                "--output",
                "o",
                "--dry-run",
                "--",
                "cat",
                name,
            ]),
        ];
        for ran in runs {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains(shown), "{said:?}");
            let raw = |c: char| matches!(c, '\u{7}' | '\u{202e}');
            assert!(!said.contains("\u{1b}]") && !said.contains(raw), "{said:?}");
        }
        assert!(sandbox.exists(&format!("{name}.attestation")));
    }
}

#[test]
fn text_of_a_document_cannot_act_on_a_terminal() {
    let sandbox = orders();
    let good = sandbox.json("orders.csv.attestation");
    let name = "dataset:\u{1b}]0;owned\u{7}\u{202e}x";
    let bad = with(&good, "subject.0", "name", Some(name.into()));
    let bad = with(
        &bad,
        "predicate.origin",
        "collectionTimestamp",
        Some(name.into()),
    );
    let bad = with(&bad, "predicate", name, Some(Json::Null));
    sandbox.write("orders.csv.attestation", bad.to_string());
    for arguments in [
        &["validate", "orders.csv.attestation", "-v"][..],
        &["verify", "orders.csv", "-v"],
        &["verify", "orders.csv", "-v", "--as", name],
    ] {
        let mut command = sandbox.command();
        let ran = finish(command.args(arguments).env("CLICOLOR_FORCE", "1"), b"");
        assert_eq!(ran.status, 1, "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("owned"), "{said:?}");
        let raw = |c: char| matches!(c, '\u{7}' | '\u{202e}');
        assert!(!said.contains("\u{1b}]") && !said.contains(raw), "{said:?}");
    }
}

#[test]
fn names_in_other_scripts_are_shown_and_written_as_they_are() {
    let sandbox = Sandbox::new();
    sandbox.write("注文 é.csv", ORDERS);
    let ran = sandbox.attest("注文 é.csv", &[]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("注文 é.csv.attestation"), "{ran:?}");
    let statement = sandbox.json("注文 é.csv.attestation");
    assert_eq!(text(&statement, "subject.0.name"), "dataset:注文 é");
    assert_eq!(
        sandbox.verify("注文 é.csv", &["--as", "dataset:注文 é"]).0,
        0
    );
}

#[test]
fn a_report_that_cannot_be_told_is_no_success() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    sandbox.attested("orders.csv", &[]);
    // Standard output on a full disk: whoever reads the report later finds nothing in it.
    for command in [
        "verify orders.csv --json",
        "validate orders.csv.attestation",
        "schema origin",
    ] {
        let script = format!("exec \"$makoto\" {command} > /dev/full");
        let ran = finish(&mut sandbox.shell(&script), b"");
        assert_eq!(ran.status, 2, "{command}: {ran:?}");
    }
}

#[test]
fn help_and_version_are_results_and_wrong_use_is_not() {
    let sandbox = Sandbox::new();
    let version = sandbox.makoto(&["--version"]);
    assert_eq!(
        version.ends(0, &[]).stdout,
        format!("makoto {}\n", env!("CARGO_PKG_VERSION"))
    );
    for command in [
        &["attest", "origin"][..],
        &["attest", "transform"],
        &["run"],
        &["verify"],
        &["validate"],
        &["schema"],
    ] {
        let help = sandbox.makoto(&[command, &["--help"]].concat());
        assert!(help.ends(0, &[]).stdout.contains("Example"), "{help:?}");
    }
    for wrong in [
        &[][..],
        &["attest"],
        &["attst"],
        &["verify", "--no-such-option", "x"],
        &["schema", "a", "b"],
    ] {
        let ran = sandbox.makoto(wrong);
        assert_eq!(ran.status, 2, "{wrong:?} {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
    let completions = sandbox.makoto(&["completions", "bash"]);
    assert!(completions.ends(0, &[]).stdout.contains("makoto"));
}
