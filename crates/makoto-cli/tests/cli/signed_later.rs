//! Statements that are signed, approved and timestamped after they were made.

use std::fs;

use makoto::attestation::Attestation;

use crate::document::{at, fails};
use crate::openssl::LONG;
use crate::sandbox::{Ran, parse};
use crate::signing::{
    COLLECTOR, SIGNER, at_l2, certified, count, envelope, origin, signers, time_in,
};
use crate::tsa::Answer;
use crate::verify::ORDERS;

#[test]
fn a_time_that_comes_later_agrees_with_what_was_signed_or_is_not_added() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let when = ["--collected-at", &time_in(900), "--collector", COLLECTOR];
    origin(&sandbox, &[&SIGNER[..], &when].concat()).ends(0, &[]);
    let before = sandbox.read("orders.csv.attestation");
    let stamped = ["--tsa", &tsa, "--trusted-root", "root.json"];
    let timestamp = ["timestamp", "orders.csv.attestation"];
    let ran = sandbox.makoto(&[&timestamp, &stamped[..]].concat());
    ran.ends(1, &["before it happened", "L2.P.7"]);
    assert_eq!(sandbox.read("orders.csv.attestation"), before);
    // What stands beside it is none the worse.
    let by = ["--collector", "data-team", "--append"];
    origin(&sandbox, &[&SIGNER[..], &by].concat()).ends(0, &[]);
    sandbox
        .makoto(&[&timestamp, &stamped[..]].concat())
        .ends(0, &["left as it was", "before it happened"]);
    let text = sandbox.read_text("orders.csv.attestation");
    let tokens: Vec<_> = text
        .lines()
        .map(|line| {
            envelope(line.as_bytes()).unverified_signatures[0]
                .tokens
                .len()
        })
        .collect();
    assert_eq!(tokens, [0, 1]);
}

#[test]
fn data_in_the_place_of_its_statement_is_told() {
    let sandbox = signers();
    sandbox.attested("orders.csv", &[]);
    let sign = ["sign", "orders.csv"];
    let ran = sandbox.makoto(&[&sign, &SIGNER[..]].concat());
    ran.ends(1, &["orders.csv.attestation"]);
    let timestamp = ["timestamp", "orders.csv", "--tsa", "http://127.0.0.1:1/"];
    sandbox
        .makoto(&timestamp)
        .ends(1, &["orders.csv.attestation"]);
}

#[test]
fn sign_asks_for_what_a_verifier_will_ask_for_when_it_asks_for_the_time() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    sandbox.write("raw.csv", ORDERS);
    let transform = ["attest", "transform", "orders.csv", "--input", "raw.csv"];
    let by = ["--executor", COLLECTOR];
    sandbox.makoto(&[&transform, &by[..]].concat()).ends(0, &[]);
    let before = sandbox.read("orders.csv.attestation");
    let sign = |more: &[&str]| {
        let sign = ["sign", "orders.csv.attestation"];
        let stamped = ["--tsa", &tsa, "--trusted-root", "root.json"];
        sandbox.makoto(&[&sign, &SIGNER[..], &stamped, more].concat())
    };
    sign(&[]).ends(1, &["L2.P.7", "L2.P.9", "--level"]);
    assert_eq!(sandbox.read("orders.csv.attestation"), before);
    sign(&["--level", "L1"]).ends(0, &[]);
}

#[test]
fn sign_signs_the_very_bytes_and_a_second_key_adds_a_line() {
    let sandbox = signers();
    sandbox.attested("orders.csv", &[]);
    let statement = sandbox.read("orders.csv.attestation");
    let id = sandbox.sha256("orders.csv.attestation");
    let sign = |key: &str| {
        let signer = format!("file:{key}");
        let sign = ["sign", "orders.csv.attestation", "--signer", &signer];
        sandbox.makoto(&[&sign[..], &["--passphrase-file", "pass"]].concat())
    };
    let ran = sign("k");
    ran.ends(0, &["bare key"]);
    assert!(ran.stdout.contains(&id), "{ran:?}");
    assert_eq!(
        envelope(&sandbox.read("orders.csv.attestation")).unverified_payload,
        statement
    );
    let once = sandbox.stamp("orders.csv.attestation");
    sign("k").ends(0, &[]);
    assert_eq!(sandbox.stamp("orders.csv.attestation"), once);
    sign("k2").ends(0, &[]);
    let both = sandbox.stamp("orders.csv.attestation");
    assert_eq!(count(&sandbox, "orders.csv.attestation"), 2);
    sign("k").ends(0, &[]);
    sign("k2").ends(0, &[]);
    assert_eq!(sandbox.stamp("orders.csv.attestation"), both);
    let all = Attestation::parse_file(&sandbox.read("orders.csv.attestation"));
    assert!(
        all.expect("bundles")
            .iter()
            .all(|one| one.id.to_string() == id)
    );
}

#[test]
fn sign_refuses_bytes_that_are_not_canonical_unless_as_is() {
    let sandbox = signers();
    sandbox.attested("orders.csv", &[]);
    let mut statement = sandbox.read("orders.csv.attestation");
    statement.push(b'\n');
    sandbox.write("s.json", &statement);
    let sign = [&["sign", "s.json", "--out", "b.json"], &SIGNER[..]].concat();
    sandbox.makoto(&sign).ends(1, &["RFC 8785", "--as-is"]);
    assert!(!sandbox.exists("b.json"));
    sandbox
        .makoto(&[&sign[..], &["--as-is"]].concat())
        .ends(0, &[]);
    assert_eq!(
        envelope(&sandbox.read("b.json")).unverified_payload,
        statement
    );
    sandbox.write("n.json", b"{\"_type\":\"x\"}");
    sandbox
        .makoto(&[&["sign", "n.json"], &SIGNER[..]].concat())
        .ends(1, &["could not be verified"]);
    // Another statement is there: it is not written over.
    sandbox.write("orders2.csv", "a\n1\n");
    sandbox.attested("orders2.csv", &[]);
    let other = ["sign", "orders2.csv.attestation", "--out", "b.json"];
    sandbox
        .makoto(&[&other, &SIGNER[..]].concat())
        .ends(1, &["something else"]);
}

#[test]
fn a_timestamp_is_added_once_for_each_authority() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    sandbox.attest("orders.csv", &SIGNER).ends(0, &[]);
    let stamp = [
        "timestamp",
        "orders.csv.attestation",
        "--tsa",
        &tsa,
        "--trusted-root",
        "root.json",
    ];
    sandbox.makoto(&stamp).ends(0, &[]);
    let once = sandbox.stamp("orders.csv.attestation");
    let ran = sandbox.makoto(&stamp);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("unchanged"), "{ran:?}");
    assert_eq!(sandbox.stamp("orders.csv.attestation"), once);
    let envelope = envelope(&sandbox.read("orders.csv.attestation"));
    assert_eq!(envelope.unverified_signatures[0].tokens.len(), 1);
    // What is not signed has no signature to be stamped.
    sandbox.write("plain.csv", ORDERS);
    sandbox.attested("plain.csv", &[]);
    let plain = ["timestamp", "plain.csv.attestation", "--tsa", &tsa];
    sandbox
        .makoto(&plain)
        .ends(1, &["not signed", "makoto sign"]);
}

#[test]
fn what_is_signed_and_stamped_afterwards_is_kept_in_a_store_as_well() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let policy = "version = 1\ntrusted-root = 'root.json'\n\n[[dataset]]\nname = 'dataset:orders'\n\
                  require = 'L2'\nsigners = [{ uri = 'https://acme.example/collectors/1', ca = 'ca' }]\n";
    sandbox.write("policy.toml", policy);
    origin(&sandbox, &["--collector", COLLECTOR, "--store", "store"]).ends(0, &[]);
    let by = ["--policy", "policy.toml", "--store", "store"];
    let certificate = ["--certificate", "chain.pem", "--trusted-root", "root.json"];
    let bundle = "orders.csv.attestation";
    let sign = [&["sign", bundle], &SIGNER[..], &certificate].concat();
    let stamp = [
        "timestamp",
        bundle,
        "--tsa",
        &tsa,
        "--trusted-root",
        "root.json",
    ];
    let in_store = |command: &[&str], outcome: &str| {
        let ran = sandbox.makoto(&[command, &["--store", "store"]].concat());
        ran.ends(0, &[]);
        let told = format!("  store:       store ({outcome})");
        assert_eq!(ran.stdout.lines().last(), Some(&*told), "{ran:?}");
    };
    // A store that cannot be written is refused before anything is signed or asked.
    sandbox.write("file", "");
    for command in [&sign[..], &stamp] {
        let before = sandbox.read(bundle);
        let ran = sandbox.makoto(&[command, &["--store", "file"]].concat());
        ran.ends(2, &["file"]);
        assert_eq!((sandbox.read(bundle), authorities.asked()), (before, 0));
        in_store(
            &sign,
            if command == sign {
                "added"
            } else {
                "unchanged"
            },
        );
    }
    assert_eq!(sandbox.verify("orders.csv", &by).0, 1);
    in_store(&stamp, "added");
    in_store(&stamp, "unchanged");
    let json = sandbox.makoto(&[&stamp[..], &["--store", "store", "--json"]].concat());
    assert_eq!(at(&json.json(), "written.1.store").as_str(), Some("store"));
    // The store alone is enough, and the envelope without a time takes nothing away.
    std::fs::remove_file(sandbox.path(bundle)).expect("removed");
    let (status, report) = sandbox.verify("orders.csv", &by);
    assert_eq!(
        (status, at(&report, "level").as_str()),
        (0, Some("L2")),
        "{report}"
    );
}

/// Sales by the collector's certificate, which names it, and a rule that needs a second signer.
#[test]
fn a_second_person_approves_what_the_collector_did() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let lead = crate::openssl::SIGNER.replace("collectors/1", "leads/ada");
    let lead = lead.replace("ci@acme.example", "ada@acme.example");
    let lead = lead.replace("DNS:etl.acme.example", "DNS:ada.acme.example");
    let workshop = &authorities.workshop;
    workshop.write("k2", sandbox.read("k2"));
    workshop.write("pass", "correct horse\n");
    workshop.openssl(&[
        "pkey",
        "-in",
        "k2",
        "-passin",
        "file:pass",
        "-out",
        "lead.key",
    ]);
    workshop.certify("lead", "/O=Acme/CN=ada", "ca", &lead, LONG);
    sandbox.write("lead.pem", workshop.read("lead.pem"));
    let policy = "version = 1\ntrusted-root = 'root.json'\n\n[[dataset]]\nname = 'dataset:orders'\n\
                  require = 'L2'\nsigner-threshold = 2\nsigners = [{ uri = 'https://acme.example/**', ca = 'ca' }]\n";
    sandbox.write("policy.toml", policy);
    let by = ["--policy", "policy.toml"];
    let approve = |more: &[&str]| -> Ran {
        let sign = ["sign", "orders.csv.attestation", "--signer", "file:k2"];
        let by = ["--passphrase-file", "pass", "--certificate", "lead.pem"];
        let time = ["--tsa", &tsa, "--trusted-root", "root.json"];
        sandbox.makoto(&[&sign[..], &by, &time, more].concat())
    };
    // What nobody signed who may have done it is nothing to approve.
    origin(&sandbox, &["--collector", COLLECTOR]).ends(0, &[]);
    approve(&["--approve"]).ends(1, &["L2.P.5", "nobody"]);
    // Nor what the same key signed without its certificate, whatever its id in the document says.
    let bare = ["sign", "orders.csv.attestation", "--signer", "file:k2"];
    sandbox
        .makoto(&[&bare[..], &SIGNER[2..]].concat())
        .ends(0, &[]);
    let own = sandbox.read_text("orders.csv.attestation");
    let hint = at(
        &parse(own.as_bytes()),
        "verificationMaterial.publicKey.hint",
    )
    .as_str()
    .expect("a hint")
    .to_owned();
    for hinted in [own.clone(), own.replace(&hint, "sha256:00")] {
        sandbox.write("orders.csv.attestation", hinted);
        approve(&["--approve"]).ends(1, &["L2.P.5", "nobody"]);
    }
    fs::remove_file(sandbox.path("orders.csv.attestation")).expect("removed");
    at_l2(&sandbox, &tsa, &[]).ends(0, &[]);
    fails(&sandbox.verify("orders.csv", &by), &["L2.V.4"]);
    let ran = sandbox.makoto(&[&["verify", "orders.csv"], &by[..]].concat());
    assert!(ran.stdout.contains("--approve"), "{ran:?}");
    let alone = sandbox.read("orders.csv.attestation");
    approve(&[]).ends(1, &["L2.P.5", COLLECTOR, "--approve"]);
    assert_eq!(sandbox.read("orders.csv.attestation"), alone);
    approve(&["--approve"]).ends(0, &[]);
    let (status, report) = sandbox.verify("orders.csv", &by);
    assert_eq!(
        (status, at(&report, "level").as_str()),
        (0, Some("L2")),
        "{report}"
    );
    let names = [0, 1].map(|index| {
        let name = at(&report, &format!("signers.{index}.name"));
        name.as_str().expect("a name").to_owned()
    });
    assert!(names.contains(&COLLECTOR.to_owned()), "{names:?}");
    assert!(
        names.contains(&"https://acme.example/leads/ada".to_owned()),
        "{names:?}"
    );
    // Again, nothing changes; and an approval without who did it is not enough under a strict rule.
    let both = sandbox.stamp("orders.csv.attestation");
    approve(&["--approve"]).ends(0, &[]);
    assert_eq!(sandbox.stamp("orders.csv.attestation"), both);
    let all = sandbox.read_text("orders.csv.attestation");
    let approval = all.lines().last().expect("two lines").to_owned();
    fs::write(sandbox.path("orders.csv.attestation"), approval).expect("written");
    let strict = policy.replace("signer-threshold = 2", "strict = true");
    sandbox.write("policy.toml", strict);
    fails(&sandbox.verify("orders.csv", &by), &["L2.V.5"]);
}
