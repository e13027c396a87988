//! Windows in a chain: each names the one before, and only one that it follows.

use makoto::json::Json;

use crate::document::{at, envelope, passes, text, with};
use crate::sandbox::{ORIGIN, Ran, Sandbox};

/// Attests a window of one minute of the stream `iot`.
fn attest(sandbox: &Sandbox, data: &str, minute: &str, more: &[&str]) -> Ran {
    let start = format!("2026-11-21T08:{minute}:00Z");
    let command = ["attest", "stream-window", data, "--start", &start, "--json"];
    let mut options = [&command[..], &["--source", "s", "--collector", "c"]].concat();
    let defaults = [("--stream", "iot"), ("--duration", "PT1M")];
    for (option, value) in defaults {
        if !more.contains(&option) {
            options.extend([option, value]);
        }
    }
    sandbox.makoto(&[&options[..], more].concat())
}

#[track_caller]
fn attested(sandbox: &Sandbox, data: &str, minute: &str, more: &[&str]) -> Json {
    let ran = attest(sandbox, data, minute, more);
    assert_eq!(ran.status, 0, "{ran:?}");
    sandbox.written(&ran.json())
}

/// A sandbox with three windows' data, the first one attested.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["0", "1", "2"] {
        sandbox.write(&format!("{name}.jsonl"), format!("{{\"n\":{name}}}\n"));
    }
    attested(&sandbox, "0.jsonl", "00", &[]);
    sandbox
}

const FIRST: &str = "stream:iot:window_20261121_080000";
const PREVIOUS: [&str; 2] = ["--previous", "0.jsonl.attestation"];

#[test]
fn a_window_names_the_one_before_twice_and_both_agree() {
    let sandbox = sandbox();
    let first = sandbox.json("0.jsonl.attestation");
    let second = attested(&sandbox, "1.jsonl", "01", &PREVIOUS);
    let previous = at(&second, "predicate.integrity.previousWindow");
    let chain = at(&second, "predicate.integrity.chain");
    let digest = at(&first, "subject.0.digest");
    let id = sandbox.sha256("0.jsonl.attestation");
    for (found, path, expected) in [
        (previous, "name", FIRST),
        (previous, "digest.sha256", text(digest, "sha256")),
        (previous, "digest.merkleRoot", text(digest, "merkleRoot")),
        (
            previous,
            "attestationRef",
            &format!("urn:makoto:attestation:sha256:{id}"),
        ),
        (chain, "previousWindowId", FIRST),
        (chain, "previousMerkleRoot", text(digest, "merkleRoot")),
        (chain, "genesisWindowId", FIRST),
    ] {
        assert_eq!(text(found, path), expected, "{path}");
    }
    assert_eq!(at(chain, "chainLength"), &Json::from(2));
    // After a pause the chain goes on.
    let third = ["--previous", "1.jsonl.attestation"];
    let third = attested(&sandbox, "2.jsonl", "30", &third);
    let chain = at(&third, "predicate.integrity.chain");
    assert_eq!(at(chain, "chainLength"), &Json::from(3));
    assert_eq!(text(chain, "genesisWindowId"), FIRST);
    for data in ["0.jsonl", "1.jsonl", "2.jsonl"] {
        passes(&sandbox.verify(data, &[]));
        let file = format!("{data}.attestation");
        assert_eq!(sandbox.makoto(&["validate", &file]).status, 0);
    }
}

#[test]
fn a_window_that_does_not_follow_is_refused_and_nothing_is_written() {
    let sandbox = sandbox();
    sandbox.write("orders.csv", "a\n1\n");
    sandbox.makoto(&[&["attest", "origin", "orders.csv"], &ORIGIN[..]].concat());
    let sliding = ["--type", "sliding", "--slide", "PT30S"];
    let refused = |minute: &str, more: &[&str], told: &[&str]| {
        let before = sandbox.names();
        let ran = attest(&sandbox, "1.jsonl", minute, &[&PREVIOUS[..], more].concat());
        ran.ends(1, &[&["0.jsonl.attestation: "], told].concat());
        assert_eq!(sandbox.names(), before);
    };
    refused(
        "01",
        &["--stream", "other"],
        &["stream \"iot\"", "needed \"other\""],
    );
    refused(
        "00",
        &["--name", "x"],
        &["ends at 2026-11-21T08:01:00Z", "start"],
    );
    refused("00", &[], &["same name"]);
    refused("01", &sliding, &["is tumbling, needed sliding"]);
    let early = ["--start", "2026-11-21T08:00:59.999Z"];
    let overlapping = [
        "attest",
        "stream-window",
        "1.jsonl",
        "--stream",
        "iot",
        "--source",
        "s",
    ];
    let rest = ["--collector", "c", "--duration", "PT1M"];
    let ran = sandbox.makoto(&[&overlapping[..], &rest, &early, &PREVIOUS].concat());
    ran.ends(1, &["ends at 2026-11-21T08:01:00Z"]);
    for (file, status, told) in [
        ("orders.csv.attestation", 1, "needed a stream-window"),
        ("orders.csv", 1, "is no attestation"),
        ("gone", 2, "there is no file gone"),
        (".", 2, "is a folder"),
    ] {
        let ran = attest(&sandbox, "1.jsonl", "01", &["--previous", file]);
        ran.ends(status, &[told]);
        assert!(!sandbox.exists("1.jsonl.attestation"), "{file}");
    }
    attested(&sandbox, "1.jsonl", "01", &PREVIOUS);
}

#[test]
fn a_forged_window_before_is_no_link() {
    let sandbox = sandbox();
    let first = sandbox.json("0.jsonl.attestation");
    let other = "0".repeat(64);
    let two = Json::from_iter([
        at(&first, "subject.0").clone(),
        at(&first, "subject.0").clone(),
    ]);
    let tree = "predicate.integrity.merkleTree";
    let chain = "predicate.integrity.chain";
    let digest = "subject.0.digest";
    let number = |text: &str| Some(crate::sandbox::parse(text.as_bytes()));
    let forged = [
        (
            with(&first, tree, "root", Some(other.as_str().into())),
            "is not valid",
        ),
        (
            with(&first, digest, "merkleRoot", Some(other.as_str().into())),
            "is not valid",
        ),
        (with(&first, digest, "sha256", None), "is not valid"),
        (with(&first, digest, "windowEnd", None), "has no windowEnd"),
        (
            with(&first, digest, "windowStart", None),
            "has no windowStart",
        ),
        (with(&first, "", "subject", Some(two)), "names 2 subjects"),
        (
            with(&first, chain, "chainLength", number("9007199254740991")),
            "is number",
        ),
        (
            with(&first, chain, "chainLength", number("1e300")),
            "is number 1e300",
        ),
        (
            with(&first, chain, "chainLength", number("0")),
            "is not valid",
        ),
        (with(&first, "predicate", "stream", None), "is not valid"),
    ];
    for (forged, told) in forged {
        sandbox.write("0.jsonl.attestation", forged.to_string());
        attest(&sandbox, "1.jsonl", "01", &PREVIOUS).ends(1, &[told]);
        assert!(!sandbox.exists("1.jsonl.attestation"), "{told}");
    }
    sandbox.write("0.jsonl.attestation", first.to_string());
    attested(&sandbox, "1.jsonl", "01", &PREVIOUS);
}

#[test]
fn what_the_window_before_does_not_say_is_not_made_up() {
    let sandbox = sandbox();
    let first = sandbox.json("0.jsonl.attestation");
    let integrity = "predicate.integrity";
    let replace = [&PREVIOUS[..], &["--replace"]].concat();
    // Without a chain it is a first window, unless it names one before itself.
    let plain = with(&first, integrity, "chain", None);
    let before = Json::from([("name", "w".into())]);
    let middle = with(&plain, integrity, "previousWindow", Some(before));
    let bare = with(&first, "predicate.integrity.chain", "chainLength", None);
    let bare = with(&bare, "predicate.integrity.chain", "genesisWindowId", None);
    for (statement, length, genesis) in [
        (&first, Json::from(2), FIRST),
        (&plain, Json::from(2), FIRST),
        (&middle, Json::Null, ""),
        (&bare, Json::Null, ""),
    ] {
        sandbox.write("0.jsonl.attestation", statement.to_string());
        let next = attested(&sandbox, "1.jsonl", "01", &replace);
        let chain = at(&next, "predicate.integrity.chain");
        assert_eq!(at(chain, "chainLength"), &length);
        assert_eq!(text(chain, "genesisWindowId"), genesis);
        assert_eq!(text(chain, "previousWindowId"), FIRST);
        passes(&sandbox.verify("1.jsonl", &[]));
    }
}

#[test]
fn a_signed_window_before_is_named_by_its_payload() {
    let sandbox = sandbox();
    let payload = sandbox.read("0.jsonl.attestation");
    let id = sandbox.sha256("0.jsonl.attestation");
    sandbox.write("0.jsonl.attestation", envelope(&payload, 1));
    let next = attested(&sandbox, "1.jsonl", "01", &PREVIOUS);
    let reference = text(&next, "predicate.integrity.previousWindow.attestationRef");
    assert_eq!(reference, format!("urn:makoto:attestation:sha256:{id}"));
}

#[test]
fn sliding_windows_move_on_by_exactly_their_slide() {
    let sandbox = sandbox();
    let sliding = [
        "--type",
        "sliding",
        "--slide",
        "PT1M",
        "--duration",
        "PT10M",
    ];
    attested(
        &sandbox,
        "0.jsonl",
        "00",
        &[&sliding[..], &["--replace"]].concat(),
    );
    let options = [&sliding[..], &PREVIOUS].concat();
    attest(&sandbox, "1.jsonl", "02", &options).ends(1, &["with slide PT1M"]);
    attest(
        &sandbox,
        "1.jsonl",
        "00",
        &[&options[..], &["--name", "x"]].concat(),
    )
    .ends(1, &["with slide PT1M"]);
    attested(&sandbox, "1.jsonl", "01", &options);
    let other = options
        .iter()
        .map(|o| if *o == "PT1M" { "P99999999999999D" } else { o });
    let other: Vec<_> = other.collect();
    attest(&sandbox, "2.jsonl", "01", &other).ends(1, &["with slide"]);
}

#[test]
fn windows_of_one_instant_follow_each_other_by_their_sequence() {
    let sandbox = Sandbox::new();
    let global = ["--type", "global", "--trigger", "count:1", "--out", "chain"];
    for (data, more) in [
        ("0.jsonl", &["--sequence", "0"][..]),
        (
            "1.jsonl",
            &["--sequence", "1", "--previous", "chain", "--append"],
        ),
        (
            "2.jsonl",
            &["--sequence", "2", "--previous", "chain", "--append"],
        ),
    ] {
        sandbox.write(data, format!("{{\"n\":\"{data}\"}}\n"));
        attested(&sandbox, data, "00", &[&global[..], more].concat());
    }
    let lines = sandbox.read_text("chain");
    let lengths: Vec<_> = lines
        .lines()
        .map(|line| {
            let statement = crate::sandbox::parse(line.as_bytes());
            at(&statement, "predicate.integrity.chain.chainLength").clone()
        })
        .collect();
    assert_eq!(lengths, [1, 2, 3].map(Json::from));
    for data in ["0.jsonl", "1.jsonl", "2.jsonl"] {
        passes(&sandbox.verify(data, &["--attestation", "chain"]));
    }
    // What a window refers to must not be lost by writing it.
    let before = sandbox.stamp("chain");
    let more = ["--sequence", "3", "--previous", "chain", "--replace"];
    let ran = attest(&sandbox, "2.jsonl", "00", &[&global[..], &more].concat());
    ran.ends(2, &["--previous would be replaced"]);
    assert_eq!(sandbox.stamp("chain"), before);
}
