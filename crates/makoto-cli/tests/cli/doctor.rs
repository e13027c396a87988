//! `makoto doctor`: what would be used, where it comes from, and what is wrong.

use std::os::unix::ffi::OsStrExt as _;

use makoto::json::Json;

use crate::document::{at, text};
use crate::sandbox::{Sandbox, finish};

fn value<'a>(told: &'a Json, key: &str) -> (&'a str, &'a str) {
    let values = at(told, "values").as_array().expect("an array");
    let value = values.iter().find(|value| text(value, "key") == key);
    value.map_or(("", ""), |value| {
        (text(value, "value"), text(value, "from"))
    })
}

fn fact<'a>(told: &'a Json, what: &str) -> &'a str {
    let facts = at(told, "facts").as_array().expect("an array");
    let fact = facts.iter().find(|fact| text(fact, "what") == what);
    fact.map_or("", |fact| text(fact, "is"))
}

#[test]
fn each_value_is_shown_with_the_place_that_it_comes_from() {
    let sandbox = Sandbox::new();
    let file = "[defaults]\nsource = 'all'\ncollector = 'c'\nstore = 'st'\n\
                [[dataset]]\nmatch = 'raw/*'\nsource = 'raw'\n";
    sandbox.write("makoto.toml", file);
    sandbox.write("raw/x.csv", "");
    let ran = sandbox.makoto(&["doctor", "raw/x.csv", "--json"]);
    ran.ends(0, &[]);
    let told = ran.json();
    let section = "[[dataset]] match = \"raw/*\" in makoto.toml:7";
    assert_eq!(value(&told, "source"), ("raw", section));
    let defaults = ("c", "[defaults] in makoto.toml:3");
    assert_eq!(value(&told, "collector"), defaults);
    assert_eq!(value(&told, "name"), ("dataset:x", "built in"));
    assert_eq!(value(&told, "executor").1, "built in");
    assert_eq!(value(&told, "signer"), ("", ""));
    assert_eq!(fact(&told, "config"), "makoto.toml");
    assert_eq!(fact(&told, "store"), "st (not there)");
    let attestation = "raw/x.csv.attestation (not there)";
    assert_eq!(fact(&told, "attestation"), attestation);
    assert_eq!(at(&told, "ok"), &Json::from(true));
    let shown = sandbox.makoto(&["doctor", "raw/x.csv"]);
    assert!(shown.stdout.contains(section), "{shown:?}");
    assert!(shown.stdout.ends_with("all is well\n"), "{shown:?}");
    assert_eq!(sandbox.names(), ["makoto.toml", "raw"]);
    let without = sandbox.makoto(&["doctor", "raw/x.csv", "--no-config", "--json"]);
    assert_eq!(value(&without.json(), "source"), ("", ""));
}

#[test]
fn what_it_shows_is_what_a_statement_says() {
    let sandbox = Sandbox::new();
    let file = "[defaults]\nsource = 's'\ncollector = 'c'\nname = '{parent}:{file}:{stem}'\n\
                licence = 'MIT'\ngeography = 'DE'\n";
    sandbox.write("deep/makoto.toml", file);
    sandbox.write("deep/er/x.csv.gz", "");
    let told = sandbox
        .makoto(&["doctor", "deep/er/x.csv.gz", "--json"])
        .json();
    let options = [
        "attest",
        "origin",
        "deep/er/x.csv.gz",
        "--format",
        "bytes",
        "--json",
    ];
    let ran = sandbox.makoto(&options);
    ran.ends(0, &[]);
    let statement = sandbox.written(&ran.json());
    for (key, path) in [
        ("name", "subject.0.name"),
        ("source", "predicate.origin.source"),
        ("geography", "predicate.origin.geography"),
        ("licence", "predicate.dtaCompliance.useStandard.license"),
    ] {
        assert_eq!(value(&told, key).0, text(&statement, path), "{key}");
    }
    assert_eq!(value(&told, "name").0, "er:x.csv.gz:x");
}

#[test]
fn each_problem_has_its_next_step_and_the_exit_status_is_1() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", "[defaults]\nsorce = 'x'\ncollector = 5\n");
    let ran = sandbox.makoto(&["doctor", "x.csv"]);
    ran.ends(1, &[]);
    for told in [
        "problem: makoto.toml:2: defaults.sorce",
        "did you mean \"source\"?",
        "problem: makoto.toml:3: defaults.collector is 5",
        "next:  mend the file",
        "2 problem(s)",
    ] {
        assert!(ran.stdout.contains(told), "{told} {ran:?}");
    }
    sandbox.write("makoto.toml", "");
    sandbox.makoto(&["doctor", "x.csv"]).ends(0, &[]);
    let gone = sandbox.makoto(&["doctor", "gone/x.csv"]);
    assert_eq!(gone.status, 1, "{gone:?}");
    assert!(
        gone.stdout
            .contains("no attestation can be written in gone")
    );
    let mut command = sandbox.command();
    command
        .arg("doctor")
        .arg(std::ffi::OsStr::from_bytes(b"x\xff.csv"));
    let unnamed = finish(&mut command, b"");
    assert_eq!(unnamed.status, 1, "{unnamed:?}");
    assert!(
        unnamed
            .stdout
            .contains("give the dataset a name with --name")
    );
    let with_epoch = |epoch: &str| {
        let mut command = sandbox.command();
        finish(command.arg("doctor").env("SOURCE_DATE_EPOCH", epoch), b"")
    };
    let good = with_epoch("0");
    assert_eq!(good.status, 0, "{good:?}");
    assert!(good.stdout.contains("1970-01-01T00:00:00Z"), "{good:?}");
    let bad = with_epoch("yesterday");
    assert_eq!(bad.status, 1, "{bad:?}");
    assert!(bad.stdout.contains("unset SOURCE_DATE_EPOCH"), "{bad:?}");
}

#[test]
fn a_umask_that_lets_others_write_is_remarked() {
    let sandbox = Sandbox::new();
    let said = |umask: &str| {
        let script = format!("umask {umask}; exec \"$makoto\" doctor");
        let ran = finish(&mut sandbox.shell(&script), b"");
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.stdout
    };
    let usual = said("022");
    assert!(
        usual.contains("0022") && !usual.contains("remark"),
        "{usual}"
    );
    assert!(said("000").contains("written by anyone"));
    assert!(said("077").contains("whatever the umask"));
}

#[test]
fn names_and_values_do_not_reach_the_terminal_as_they_are() {
    let sandbox = Sandbox::new();
    sandbox.write("makoto.toml", "[defaults]\nsource = \"a\\u001b[31mb\"\n");
    let ran = sandbox.makoto(&["doctor", "x\u{1b}[2J"]);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    assert!(ran.stdout.contains("a\\u{1b}[31mb"), "{ran:?}");
}
