//! Histories made to be long, wide or dense: the walk ends in bounded time and memory, and says
//! when it was stopped (attack 42).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use makoto::digest::Digest;

use crate::document::{at, has_check, text};
use crate::history::{input, nodes, origin, sha, step};
use crate::sandbox::{Ran, Sandbox, measured};

/// Far more than any of these takes; what is quadratic takes hours.
const LONG: Duration = Duration::from_secs(240);

/// KiB that a walk of a large history may take.
const MUCH: u64 = 3 << 20;

#[track_caller]
fn walked(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let start = Instant::now();
    let (ran, peak) = measured(sandbox, &[&["lineage"], arguments].concat());
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    assert!(peak < MUCH, "{peak} KiB");
    ran
}

/// Statements as JSON Lines, in as many files as needed.
fn lines(sandbox: &Sandbox, statements: impl Iterator<Item = String>) {
    const MOST: usize = 40 << 20;
    let (mut file, mut number) = (String::new(), 0);
    for statement in statements {
        let _ = writeln!(file, "{statement}");
        if file.len() > MOST {
            sandbox.write(&format!("{number}.attestation"), std::mem::take(&mut file));
            number += 1;
        }
    }
    sandbox.write(&format!("{number}.attestation"), file);
}

#[test]
fn a_history_of_very_many_steps() {
    const DEEP: usize = 20_000;
    let sandbox = Sandbox::new();
    let mut last = None;
    let statements = (0..DEEP).map(|depth| {
        let made = depth.to_string();
        let statement = match last.take() {
            None => origin(&[&made], "https://x.example"),
            Some(id) => {
                let read = (depth - 1).to_string();
                step(&[&made], &[input(&read, Some(id))])
            }
        };
        let statement = statement.to_string();
        let id: &str = Box::leak(Digest::of(statement.as_bytes()).to_string().into());
        last = Some(id);
        statement
    });
    lines(&sandbox, statements);
    let top = format!("sha256:{}", sha(&(DEEP - 1).to_string()));
    let ran = walked(&sandbox, &[&top]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("over {DEEP} stage(s)")));
    assert!(ran.stdout.lines().count() < 600);
    let forward = walked(&sandbox, &[&format!("sha256:{}", sha("0")), "--impact"]);
    assert_eq!(forward.status, 0, "{}", forward.stderr);
    assert!(
        forward
            .stdout
            .contains(&format!("{} step(s) are known", DEEP - 1))
    );
}

/// A statement with this many subjects or inputs, numbered.
fn numbered(names: std::ops::Range<usize>) -> Vec<String> {
    names.map(|number| format!("d{number}")).collect()
}

#[test]
fn every_input_made_by_the_same_two_long_statements_that_disagree() {
    let sandbox = Sandbox::new();
    let names = numbered(0..5_000);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let one = sandbox.put("one.attestation", &origin(&names, "https://one.example"));
    let two = sandbox.put("two.attestation", &origin(&names, "https://two.example"));
    for reference in [None, Some(&*one)] {
        let inputs: Vec<_> = names.iter().map(|name| input(name, reference)).collect();
        sandbox.put("top.attestation", &step(&["top"], &inputs));
        let ran = walked(&sandbox, &[&format!("sha256:{}", sha("top")), "--json"]);
        assert_eq!(ran.status, 0);
        let told = ran.json();
        assert!(has_check(&told, "warn", &["D1", "conflicting", &one, &two]));
        assert!(has_check(&told, "warn", &["more findings are not listed"]));
        assert!(at(&told, "checks").as_array().expect("checks").len() < 5_000);
    }
}

#[test]
fn a_statement_about_a_hundred_thousand_datasets_and_one_that_reads_them() {
    let sandbox = Sandbox::new();
    let names = numbered(0..100_000);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let subject = |name: &&str| {
        format!(
            r#"{{"name":"{name}","digest":{{"sha256":"{}"}}}}"#,
            sha(name)
        )
    };
    let all: Vec<_> = names.iter().map(subject).collect();
    let all = all.join(",");
    let predicate = r#"{"origin":{"source":"x:y","collectionTimestamp":"2026-11-21T08:00:00Z"},"collector":{"id":"x"}}"#;
    let head = r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://makoto.dev"#;
    let wide = format!(r#"{head}/origin/v1","subject":[{all}],"predicate":{predicate}}}"#);
    sandbox.write("wide.attestation", wide);
    let predicate = format!(
        r#"{{"inputs":[{all}],"transform":{{"type":"https://makoto.dev/transforms/join"}},"executor":{{"id":"x"}}}}"#
    );
    let top = subject(&"top");
    let top = format!(r#"{head}/transform/v1","subject":[{top}],"predicate":{predicate}}}"#);
    sandbox.write("top.attestation", top);
    let ran = walked(&sandbox, &[&format!("sha256:{}", sha("top"))]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("1 origin(s), over 2 stage(s)"));
    let ran = walked(
        &sandbox,
        &[&format!("sha256:{}", sha("d5")), "--impact", "--json"],
    );
    assert_eq!((ran.status, nodes(&ran.json()).len()), (0, 1));
    let create = [
        "dbom",
        "create",
        &format!("sha256:{}", sha("top")),
        "-o",
        "bill.json",
    ];
    let ran = sandbox.makoto(&create);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("a document may have"), "{}", ran.stderr);
}

#[test]
fn thousands_of_steps_that_read_only_themselves() {
    let sandbox = Sandbox::new();
    let names = numbered(0..5_000);
    let own = names
        .iter()
        .map(|name| step(&[name], &[input(name, None)]).to_string());
    let inputs: Vec<_> = names.iter().map(|name| input(name, None)).collect();
    let top = step(&["top"], &inputs).to_string();
    lines(&sandbox, own.chain([top]));
    let ran = walked(&sandbox, &[&format!("sha256:{}", sha("top")), "--json"]);
    assert_eq!(ran.status, 1);
    let told = ran.json();
    assert!(has_check(&told, "fail", &["L2.V.9", "a cycle"]));
    assert!(at(&told, "checks").as_array().expect("checks").len() < 5_000);
}

#[test]
fn a_bill_that_names_a_hundred_thousand_strangers_is_refused_in_time() {
    let sandbox = Sandbox::new();
    sandbox.history();
    let ran = sandbox.makoto(&["dbom", "create", "report", "-o", "bill.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let bill = sandbox.read_text("bill.json");
    let stranger = |number: usize| {
        let id = Digest::of(&number.to_le_bytes());
        format!(r#"{{"name":"{number}","attestationRef":"urn:makoto:attestation:sha256:{id}"}},"#)
    };
    let strangers: String = (0..100_000).map(stranger).collect();
    sandbox.write(
        "long.json",
        bill.replace("\"sources\":[", &format!("\"sources\":[{strangers}")),
    );
    let start = Instant::now();
    let ran = sandbox.makoto(&["dbom", "verify", "long.json", "report", "--json"]);
    assert!(start.elapsed() < LONG);
    assert_eq!((ran.status, text(&ran.json(), "verdict")), (1, "fail"));
    assert!(at(&ran.json(), "checks").as_array().expect("checks").len() < 5_000);
}
