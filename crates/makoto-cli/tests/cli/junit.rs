//! `--junit FILE`: what a CI system reads of a report. Python reads it here.

use std::fs;
use std::path::Path;

use makoto::json::Json;

use crate::document::{at, text, with};
use crate::folder::parts;
use crate::sandbox::{Ran, Sandbox, finish, parse, until, wait};
use crate::verify::{ORDERS, orders};

/// Checks the form that Jenkins and GitLab read, and prints what is in the file as JSON.
const READ: &str = r#"
import json, re, sys
import xml.etree.ElementTree as tree
from datetime import datetime

root = tree.parse(sys.argv[1]).getroot()
assert root.tag == "testsuites", root.tag
suites = []
for suite in root:
    assert suite.tag == "testsuite" and suite.get("name"), suite.tag
    datetime.fromisoformat(suite.get("timestamp"))
    properties, cases = suite[0], suite[1:]
    assert properties.tag == "properties"
    counted = {"failure": 0, "error": 0, "skipped": 0}
    told = []
    for case in cases:
        assert case.tag == "testcase" and case.get("classname") == suite.get("name")
        ends = [child for child in case if child.tag in counted]
        assert len(ends) <= 1 and len(case) - len(ends) <= 1
        assert all(child.tag in counted or child.tag == "system-out" for child in case)
        for end in ends:
            counted[end.tag] += 1
            assert end.get("message")
        told.append({
            "name": case.get("name"),
            "end": ends[0].tag if ends else "pass",
            "message": ends[0].get("message") if ends else "",
            "text": "".join(case.itertext()),
        })
    names = [case["name"] for case in told]
    assert len(set(names)) == len(names), names
    numbers = [int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")]
    assert numbers == [len(cases), *counted.values()], numbers
    properties = {p.get("name"): p.get("value") for p in properties}
    suites.append({"name": suite.get("name"), "properties": properties, "cases": told})
print(json.dumps({"name": root.get("name"), "suites": suites}))
"#;

/// What Python finds in a JUnit file.
pub(crate) fn read(sandbox: &Sandbox, file: &str) -> Json {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    let mut command = sandbox.program(&python.to_string_lossy());
    let ran = finish(command.args(["-c", READ, file]), b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    parse(ran.stdout.as_bytes())
}

fn cases(junit: &Json) -> &[Json] {
    let cases = at(junit, "suites.0.cases").as_array();
    cases.expect("a suite with cases")
}

fn case<'a>(junit: &'a Json, name: &str) -> &'a Json {
    let case = cases(junit).iter().find(|case| text(case, "name") == name);
    case.unwrap_or_else(|| panic!("no case {name:?} in {junit}"))
}

/// Whether a CI system shows a success.
fn is_green(junit: &Json) -> bool {
    let suites = at(junit, "suites").as_array().expect("suites");
    let cases = suites
        .iter()
        .flat_map(|suite| at(suite, "cases").as_array());
    cases
        .flatten()
        .all(|case| !["failure", "error"].contains(&text(case, "end")))
}

fn verify(sandbox: &Sandbox, more: &[&str]) -> (Ran, Json) {
    let ran = sandbox.makoto(&[&["verify", "--junit", "report.xml"], more].concat());
    (ran, read(sandbox, "report.xml"))
}

#[test]
fn data_that_passes_is_a_suite_with_a_case_for_each_requirement_and_place() {
    let sandbox = orders();
    let (ran, junit) = verify(&sandbox, &["orders.csv"]);
    ran.ends(0, &[]);
    assert!(
        ran.stdout.starts_with("orders.csv: passes at L1\n"),
        "{ran:?}"
    );
    assert!(is_green(&junit), "{junit}");
    assert_eq!(text(&junit, "name"), "makoto verify");
    assert_eq!(text(&junit, "suites.0.name"), "orders.csv");
    let report = sandbox.verify("orders.csv", &[]).1;
    let mut wanted: Vec<_> = at(&report, "checks")
        .as_array()
        .expect("checks")
        .iter()
        .collect();
    wanted.dedup_by_key(|check| (text(check, "id"), text(check, "path")));
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(|check| {
            format!("{} {}", text(check, "id"), text(check, "path"))
                .trim_end()
                .to_owned()
        })
        .collect();
    let names: Vec<_> = cases(&junit)
        .iter()
        .map(|case| text(case, "name"))
        .collect();
    assert_eq!(names, wanted);
    let properties = at(&junit, "suites.0.properties");
    for (name, value) in [
        ("verdict", "pass"),
        ("level", "L1"),
        ("lineageLevel", "L1"),
        ("subject", "dataset:orders"),
        ("attestation", text(&report, "attestation")),
    ] {
        assert_eq!(text(properties, name), value, "{name}");
    }
}

#[test]
fn data_that_differs_is_a_failure_with_what_was_found_and_needed() {
    let sandbox = orders();
    let attested = sandbox.sha256("orders.csv");
    sandbox.write("orders.csv", ORDERS.replace("9.50", "9.60"));
    let (ran, junit) = verify(&sandbox, &["orders.csv"]);
    ran.ends(1, &[]);
    assert!(!is_green(&junit), "{junit}");
    let failed = case(&junit, "V3 subject[0].digest.sha256");
    assert_eq!(text(failed, "end"), "failure");
    let said = text(failed, "text");
    let found = sandbox.sha256("orders.csv");
    assert!(
        said.contains(&format!("found:  {found}\nneeded: {attested}\n")),
        "{said}"
    );
    assert!(
        text(failed, "message").contains("does not match"),
        "{failed}"
    );
    assert_eq!(
        text(case(&junit, "V3 subject[0].digest.recordCount"), "end"),
        "pass"
    );
    let properties = at(&junit, "suites.0.properties");
    assert_eq!(text(properties, "verdict"), "fail");
    assert_eq!(text(properties, "level"), "none");
}

#[test]
fn what_could_not_be_told_or_read_is_never_green() {
    let sandbox = orders();
    // A statement with signatures, asked for L2 without a policy: nobody is trusted.
    let envelope = crate::document::envelope(&sandbox.read("orders.csv.attestation"), 1);
    sandbox.write("orders.csv.attestation", envelope);
    let (ran, junit) = verify(&sandbox, &["orders.csv"]);
    ran.ends(0, &[]);
    assert!(is_green(&junit));
    assert_eq!(text(case(&junit, "L2.V.1 signatures"), "end"), "skipped");
    let (ran, junit) = verify(&sandbox, &["orders.csv", "--level", "L2"]);
    ran.ends(1, &[]);
    assert!(!is_green(&junit), "{junit}");
    assert_eq!(text(case(&junit, "L2.V.4 signatures"), "end"), "failure");
    // Neither a dataset that is not there, nor one without an attestation.
    let (ran, junit) = verify(&sandbox, &["gone.csv"]);
    ran.ends(2, &["cannot read gone.csv"]);
    assert!(!is_green(&junit), "{junit}");
    assert!(text(case(&junit, "verdict"), "message").contains("cannot read gone.csv"));
    sandbox.write("bare.csv", ORDERS);
    let (ran, junit) = verify(&sandbox, &["bare.csv"]);
    ran.ends(1, &[]);
    assert_eq!(text(case(&junit, "V1"), "end"), "failure");
}

#[test]
fn warnings_are_told_in_the_case_that_passes_with_them() {
    let sandbox = orders();
    sandbox.write("orders.csv", ORDERS.replace('\n', "\r\n"));
    let (ran, junit) = verify(&sandbox, &["orders.csv"]);
    ran.ends(1, &[]);
    let failed = case(&junit, "V3 subject[0].digest.sha256");
    assert_eq!(text(failed, "end"), "failure");
    assert!(
        text(failed, "text").contains("records identical"),
        "{failed}"
    );
    let warned = case(&junit, "P2 predicate.origin.sourceType");
    assert_eq!(text(warned, "end"), "pass");
    assert!(text(warned, "text").contains("recommended"), "{warned}");
}

#[test]
fn each_file_of_a_folder_that_differs_is_a_case() {
    let sandbox = parts();
    sandbox.write("parts/a.csv", "other");
    sandbox.write("parts/new.csv", "new");
    fs::remove_file(sandbox.path("parts/b.csv")).expect("a file");
    let (ran, junit) = verify(&sandbox, &["parts"]);
    ran.ends(1, &[]);
    for (name, message) in [
        ("V3 a.csv", "was changed"),
        ("V3 new.csv", "was added"),
        ("V3 b.csv", "is gone"),
    ] {
        assert_eq!(text(case(&junit, name), "end"), "failure");
        assert_eq!(text(case(&junit, name), "message"), message);
    }
}

#[test]
fn a_document_is_validated_into_a_suite() {
    let sandbox = orders();
    let good = sandbox.read("orders.csv.attestation");
    let validate = ["validate", "-", "--junit", "report.xml", "--json"];
    let ran = finish(sandbox.command().args(validate), &good);
    assert_eq!(text(&ran.ends(0, &[]).json(), "verdict"), "pass");
    let junit = read(&sandbox, "report.xml");
    assert_eq!(text(&junit, "name"), "makoto validate");
    assert_eq!(text(&junit, "suites.0.name"), "-");
    assert!(is_green(&junit));
    let bad = with(&parse(&good), "subject.0", "name", Some("".into()));
    let ran = finish(sandbox.command().args(validate), bad.to_string().as_bytes());
    assert_eq!(text(&ran.ends(1, &[]).json(), "verdict"), "fail");
    let junit = read(&sandbox, "report.xml");
    assert_eq!(text(case(&junit, "V2 subject[0].name"), "end"), "failure");
}

#[test]
fn no_name_breaks_the_file_or_hides_in_it() {
    let sandbox = Sandbox::new();
    let hostile = "]]><x a='\"&amp;\u{1}\u{b}\u{1b}[2J\r\n\u{202e}\u{fffe}\u{ffff}\u{85} 😀é";
    let name = format!("{hostile}.csv");
    sandbox.write(&name, ORDERS);
    let statement = sandbox.attested(&name, &[]);
    let bad = with(&statement, "subject.0", "name", Some(hostile.into()));
    let bad = with(&bad, "predicate.origin", hostile, Some(hostile.into()));
    let bad = with(
        &bad,
        "predicate.origin",
        "collectionTimestamp",
        Some(hostile.into()),
    );
    sandbox.write(&format!("{name}.attestation"), bad.to_string());
    for arguments in [
        &["verify", &name, "--junit", "report.xml"][..],
        &["verify", &name, "--junit", "report.xml", "--as", hostile],
        &["verify", &format!("{name}.gone"), "--junit", "report.xml"],
        &[
            "validate",
            &format!("{name}.attestation"),
            "--junit",
            "report.xml",
        ],
    ] {
        let ran = sandbox.makoto(arguments);
        assert_ne!(ran.status, 0, "{ran:?}");
        let junit = read(&sandbox, "report.xml");
        assert!(!is_green(&junit), "{junit}");
        let shown = "]]><x a='\"&amp;\\u{1}\\u{b}\\u{1b}[2J\\u{d}\\u{a}\\u{202e}\\u{fffe}\\u{ffff}\\u{85} 😀é";
        assert!(text(&junit, "suites.0.name").starts_with(shown), "{junit}");
        let raw = sandbox.read_text("report.xml");
        let hidden =
            |c: char| c.is_control() && c != '\n' || "\u{202e}\u{fffe}\u{ffff}".contains(c);
        assert!(!raw.contains(hidden), "{raw:?}");
    }
}

#[test]
fn the_file_is_whole_or_as_it_was() {
    let sandbox = orders();
    sandbox.write("report.xml", "of the run before");
    // Ended in the middle of the work.
    let data = fs::File::options()
        .write(true)
        .open(sandbox.path("orders.csv"));
    data.expect("the data")
        .set_len(40 << 30)
        .expect("a sparse file");
    let before = sandbox.names();
    let mut command = sandbox.command();
    command.args(["verify", "orders.csv", "--junit", "report.xml"]);
    let mut child = command.spawn().expect("makoto starts");
    let io = format!("/proc/{}/io", child.id());
    until("makoto reads the data", || {
        let io = fs::read_to_string(&io).expect("the process is there");
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        let read: u64 = read
            .and_then(|read| read.parse().ok())
            .expect("bytes that were read");
        (read > 64 << 20).then_some(())
    });
    child.kill().expect("makoto can be killed");
    assert_eq!(wait(&mut child), 137);
    assert_eq!(sandbox.names(), before);
    assert_eq!(sandbox.read_text("report.xml"), "of the run before");
    // No room for it: a result is lost, so this is no success, and what was there stays.
    sandbox.write("orders.csv", ORDERS);
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$makoto\" verify orders.csv --junit report.xml";
    let ran = finish(&mut sandbox.shell(script), b"");
    ran.ends(2, &["cannot write report.xml"]);
    assert!(ran.stdout.starts_with("orders.csv: passes"), "{ran:?}");
    assert_eq!(sandbox.names(), before);
    assert_eq!(sandbox.read_text("report.xml"), "of the run before");
    // And the near neighbour, with room.
    let (ran, junit) = verify(&sandbox, &["orders.csv"]);
    ran.ends(0, &[]);
    assert!(is_green(&junit));
}

#[test]
fn two_at_once_leave_one_whole_file() {
    let sandbox = orders();
    let script = "for i in 1 2 3 4 5 6 7 8; do \"$makoto\" verify orders.csv --junit report.xml & done; wait";
    for _ in 0..3 {
        let ran = finish(&mut sandbox.shell(script), b"");
        assert_eq!(ran.stdout.matches("passes at L1").count(), 8, "{ran:?}");
        assert!(is_green(&read(&sandbox, "report.xml")));
    }
    assert_eq!(
        sandbox.names(),
        ["orders.csv", "orders.csv.attestation", "report.xml"]
    );
}

#[test]
fn the_file_is_readable_as_the_umask_says() {
    let sandbox = orders();
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let script =
            format!("umask {umask}; exec \"$makoto\" verify orders.csv --junit {umask}.xml");
        finish(&mut sandbox.shell(&script), b"").ends(0, &[]);
        assert_eq!(sandbox.mode(&format!("{umask}.xml")), mode, "{umask}");
    }
}

#[test]
fn nothing_is_overwritten_that_is_data_or_says_what_it_is() {
    let sandbox = orders();
    let folder = parts();
    fs::hard_link(sandbox.path("orders.csv"), sandbox.path("link.csv")).expect("a link");
    fs::create_dir(sandbox.path("folder")).expect("a folder");
    let before = ["orders.csv", "orders.csv.attestation"].map(|name| sandbox.stamp(name));
    for file in [
        "orders.csv",
        "./orders.csv",
        "link.csv",
        "orders.csv.attestation",
        "other.manifest",
        "folder",
        "/dev/null",
        "-",
        "copy.csv",
        "missing/report.xml",
    ] {
        let arguments = [
            "verify",
            "orders.csv",
            "--output",
            "copy.csv",
            "--junit",
            file,
        ];
        let ran = sandbox.makoto(&arguments);
        assert_eq!(ran.status, 2, "{file}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{file}: {ran:?}");
        assert!(!sandbox.exists("copy.csv"), "{file}");
    }
    let after = ["orders.csv", "orders.csv.attestation"].map(|name| sandbox.stamp(name));
    assert_eq!(after, before);
    // A report in the folder would be one more file of it; beside the folder it is none.
    for file in [
        "parts/report.xml",
        "parts/2026/report.xml",
        "parts/2026/../report.xml",
    ] {
        let ran = folder.makoto(&["verify", "parts", "--junit", file]);
        ran.ends(2, &["inside the folder"]);
    }
    folder
        .makoto(&["verify", "parts", "--junit", "parts.xml"])
        .ends(0, &[]);
    folder.makoto(&["verify", "parts"]).ends(0, &[]);
}
