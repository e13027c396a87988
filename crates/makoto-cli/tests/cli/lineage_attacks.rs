//! Histories that were made to lie (attacks 36 to 47, 98), and what `makoto lineage` says of them.

use std::fs;

use makoto::json::Json;

use crate::document::{at, envelope, fails, has_check, object, text, with};
use crate::history::{complete, input, json, nodes, origin, says, sha, statement, step, unknown};
use crate::sandbox::Sandbox;

/// The history with another statement about `clean`, and `report` made of that one.
fn with_other_clean(sandbox: &Sandbox, clean: &Json) {
    let [_, _, weather, _] = sandbox.history();
    complete(&sandbox.lineage(&["report"]));
    let clean = sandbox.put("clean.attestation", clean);
    let both = [
        input("clean", Some(&clean)),
        input("weather", Some(&weather)),
    ];
    sandbox.put("report.attestation", &step(&["report"], &both));
}

#[test]
fn attack_36_an_input_that_is_not_what_its_attestation_is_about() {
    let sandbox = Sandbox::new();
    let [raw, ..] = sandbox.history();
    with_other_clean(&sandbox, &step(&["clean"], &[input("other", Some(&raw))]));
    fails(
        &sandbox.lineage(&["report"]),
        &["L2.V.8", "is about other data"],
    );
    sandbox.history();
    complete(&sandbox.lineage(&["report"]));
}

#[test]
fn attack_37_a_reference_to_another_good_attestation() {
    let sandbox = Sandbox::new();
    let [_, _, weather, _] = sandbox.history();
    with_other_clean(&sandbox, &step(&["clean"], &[input("raw", Some(&weather))]));
    let told = sandbox.lineage(&["report"]);
    fails(&told, &["L2.V.8", &weather, "is about other data"]);
    let ran = sandbox.makoto(&["lineage", "report"]);
    says(&ran, &["lineage FAILS", "do not rely on this history"]);
}

#[test]
fn attack_38_the_same_bytes_by_another_name() {
    let sandbox = Sandbox::new();
    let [raw, ..] = sandbox.history();
    let mut renamed = input("raw", Some(&raw));
    object(&mut renamed, "").insert("name", "cooked".into());
    with_other_clean(&sandbox, &step(&["clean"], &[renamed]));
    let (status, told) = sandbox.lineage(&["report"]);
    assert_eq!((status, text(&told, "verdict")), (0, "pass"), "{told}");
    assert!(has_check(
        &told,
        "warn",
        &["L2.V.8", "cooked", "calls the same data \"raw\""]
    ));
}

#[test]
fn attack_39_an_input_without_a_reference() {
    let sandbox = Sandbox::new();
    let [_, clean, _, _] = sandbox.history();
    complete(&sandbox.lineage(&["report"]));
    let inputs = [input("clean", Some(&clean)), input("weather", None)];
    sandbox.put("report.attestation", &step(&["report"], &inputs));
    let (status, told) = sandbox.lineage(&["report"]);
    assert_eq!((status, text(&told, "verdict")), (0, "pass"), "{told}");
    assert!(has_check(
        &told,
        "warn",
        &["L2.P.9", "inputs[1]", "has no attestationRef"]
    ));
    let at_l2 = ["validate", "report.attestation", "--level", "L2", "--json"];
    let ran = sandbox.makoto(&at_l2);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        has_check(&ran.json(), "fail", &["L2.P.9", "inputs[1].attestationRef"]),
        "{ran:?}"
    );
}

#[test]
fn attack_40_a_cycle_is_printed_and_fails() {
    let sandbox = Sandbox::new();
    with_other_clean(&sandbox, &step(&["clean"], &[input("report", None)]));
    let told = sandbox.lineage(&["report"]);
    fails(&told, &["L2.V.9", "a cycle", "\"clean\"", "\"report\""]);
    let ran = sandbox.makoto(&["dbom", "create", "report", "-o", "bill.json"]);
    ran.ends(1, &["the lineage does not hold: a cycle"]);
    // A reference that says nothing of the bytes is not followed, and hides no cycle.
    let mut own = input("clean", None);
    object(&mut own, "").insert("attestationRef", "https://registry.example/latest".into());
    sandbox.put("clean.attestation", &step(&["clean"], &[own]));
    let told = sandbox.lineage(&["clean"]);
    fails(&told, &["L2.V.9", "a cycle"]);
    assert!(has_check(
        &told.1,
        "warn",
        &["without a digest, which is not followed"]
    ));
}

#[test]
fn a_cycle_between_two_stores_is_found_and_one_store_alone_is_not_whole() {
    let sandbox = Sandbox::new();
    sandbox.write("one", "one");
    for (name, other, store) in [("one", "two", "store-1"), ("two", "one", "store-2")] {
        let statement = step(&[name], &[input(other, None)]);
        sandbox.write("statement.json", statement.to_string());
        let ran = sandbox.makoto(&["validate", "statement.json"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        into_store(&sandbox, store, &statement);
    }
    let both = ["one", "--store", "store-1", "--store", "store-2"];
    fails(
        &sandbox.lineage(&both),
        &["L2.V.9", "a cycle", "\"one\"", "\"two\""],
    );
    unknown(
        &sandbox.lineage(&["one", "--store", "store-1"]),
        &["no origin reached"],
    );
}

/// Writes a statement into a store as a program in another language would, by the rules.
pub(crate) fn into_store(sandbox: &Sandbox, store: &str, statement: &Json) -> String {
    let bytes = statement.to_string();
    let id = makoto::digest::Digest::of(bytes.as_bytes()).to_string();
    sandbox.write(&format!("{store}/makoto-store"), "makoto store v1\n");
    let path = |part: &str, hex: &str| format!("{store}/{part}/{}/{}", &hex[..2], &hex[2..]);
    for (part, list) in [("subject", "subject"), ("input", "predicate.inputs")] {
        for one in at(statement, list).as_array().unwrap_or_default() {
            let filed = path(part, text(one, "digest.sha256"));
            sandbox.write(&format!("{filed}/{id}"), "");
        }
    }
    sandbox.write(&path("id", &id), bytes + "\n");
    id
}

#[test]
fn where_a_statement_is_filed_proves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.history();
    let stranger = step(&["stranger"], &[input("nobody", None)]);
    let id = into_store(&sandbox, "store", &stranger);
    let filed = |part: &str, hex: &str| format!("store/{part}/{}/{}/{id}", &hex[..2], &hex[2..]);
    sandbox.write(&filed("subject", &sha("report")), "");
    sandbox.write(&filed("subject", &sha("weather")), "");
    sandbox.write(&filed("input", &sha("raw")), "");
    // Looking for the data itself, a store that is damaged is told.
    let ran = sandbox.makoto(&["lineage", "report", "--store", "store"]);
    ran.ends(2, &["damaged"]);
    // Deeper down, it adds nothing to the history.
    fs::remove_file(sandbox.path(&filed("subject", &sha("report")))).expect("removed");
    let told = sandbox.lineage(&["report", "--store", "store"]);
    assert_eq!(told.0, 0, "{}", told.1);
    assert!(
        !nodes(&told.1).contains(&&*format!("sha256:{id}")),
        "{}",
        told.1
    );
    let digest = format!("sha256:{}", sha("raw"));
    let (_, told) = sandbox.lineage(&[&digest, "--impact", "--store", "store"]);
    assert!(!nodes(&told).contains(&&*format!("sha256:{id}")), "{told}");
}

#[test]
fn attack_41_a_stage_that_is_gone_is_never_filled_in() {
    let sandbox = Sandbox::new();
    let [_, clean, ..] = sandbox.history();
    complete(&sandbox.lineage(&["report"]));
    let ran = sandbox.makoto(&["dbom", "create", "report", "-o", "bill.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let kept = sandbox.read("clean.attestation");
    fs::remove_file(sandbox.path("clean.attestation")).expect("removed");
    let told = sandbox.lineage(&["report"]);
    unknown(&told, &["L2.V.8", &clean, "was not found"]);
    let ran = sandbox.makoto(&["lineage", "report"]);
    says(&ran, &["clean  ← NO ATTESTATION", "lineage INCOMPLETE"]);
    let ran = sandbox.makoto(&["dbom", "verify", "bill.json", "report", "--json"]);
    unknown(&(ran.status, ran.json()), &["L2.V.8"]);
    sandbox
        .makoto(&["dbom", "create", "report", "-o", "2.json"])
        .ends(2, &["no bill was written: the lineage is not complete"]);
    assert!(!sandbox.exists("2.json"));
    // Another statement about the same bytes is not taken for the one that is referred to.
    sandbox.put(
        "other.attestation",
        &origin(&["clean"], "https://elsewhere.example"),
    );
    unknown(
        &sandbox.lineage(&["report"]),
        &["L2.V.8", "1 other(s) about the same data"],
    );
    fs::remove_file(sandbox.path("other.attestation")).expect("removed");
    sandbox.write("clean.attestation", kept);
    complete(&sandbox.lineage(&["report"]));
}

#[test]
fn attack_44_a_history_without_an_origin_says_so() {
    let sandbox = Sandbox::new();
    sandbox.history();
    complete(&sandbox.lineage(&["clean"]));
    fs::remove_file(sandbox.path("raw.attestation")).expect("removed");
    unknown(
        &sandbox.lineage(&["clean"]),
        &["L2.V.9", "no origin reached"],
    );
    // One of two origins is not enough either.
    unknown(
        &sandbox.lineage(&["report"]),
        &["L2.V.9", "incomplete: 1 input(s)"],
    );
    fs::remove_file(sandbox.path("clean.attestation")).expect("removed");
    unknown(
        &sandbox.lineage(&["clean"]),
        &["V1", "no attestation about"],
    );
}

#[test]
fn attack_45_two_sources_of_the_same_bytes_are_both_named() {
    let sandbox = Sandbox::new();
    let [raw, ..] = sandbox.history();
    complete(&sandbox.lineage(&["report"]));
    let other = origin(&["raw"], "https://broker.example");
    let other = sandbox.put("other.attestation", &other);
    for data in ["report", "raw"] {
        let (status, told) = sandbox.lineage(&[data]);
        assert_eq!((status, text(&told, "verdict")), (0, "pass"), "{told}");
        assert!(
            has_check(&told, "warn", &["D1", "conflicting", &raw, &other]),
            "{told}"
        );
    }
    let ran = sandbox.makoto(&["dbom", "create", "raw", "-o", "bill.json"]);
    ran.ends(
        1,
        &["conflicting attestations of the dataset", &raw, &other],
    );
    // The same said again at another time is no conflict.
    let again = origin(&["raw"], "https://erp.example.com").to_string();
    sandbox.write("other.attestation", again.replace("T08:", "T09:"));
    complete(&sandbox.lineage(&["report"]));
}

#[test]
fn a_step_that_changed_nothing_contradicts_nobody() {
    let sandbox = Sandbox::new();
    let [raw, ..] = sandbox.history();
    let same = sandbox.put(
        "same.attestation",
        &step(&["raw"], &[input("raw", Some(&raw))]),
    );
    for data in ["raw", "report"] {
        complete(&sandbox.lineage(&[data]));
    }
    let ran = sandbox.makoto(&["dbom", "create", "raw", "-o", "bill.json", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(text(&ran.json(), "transformations.0.attestationRef").ends_with(&same));
    // One that brings in something else does.
    let other = [input("raw", Some(&raw)), input("weather", None)];
    sandbox.put("same.attestation", &step(&["raw"], &other));
    let (_, told) = sandbox.lineage(&["raw"]);
    assert!(has_check(&told, "warn", &["D1", "conflicting"]), "{told}");
}

#[test]
fn attack_46_one_name_for_two_datasets_is_told_apart_by_digest() {
    let sandbox = Sandbox::new();
    let [_, _, weather, _] = sandbox.history();
    let mut equivocal = origin(&["weather"], "https://weather.example.com");
    let digest = object(&mut equivocal, "subject.0.digest");
    digest.insert("sha256", sha("other weather").into());
    let other = sandbox.put("other.attestation", &equivocal);
    complete(&sandbox.lineage(&["report"]));
    for (data, id) in [("weather", &weather), ("other weather", &other)] {
        let told = sandbox.lineage(&[&format!("sha256:{}", sha(data))]);
        complete(&told);
        assert_eq!(nodes(&told.1), [format!("sha256:{id}")]);
        sandbox.write("asked", data);
        let ran = sandbox.makoto(&["find", "asked", "--json"]);
        assert_eq!(
            text(&ran.json(), "found.0.attestation"),
            format!("sha256:{id}")
        );
        assert_eq!(at(&ran.json(), "found.1"), &Json::Null);
    }
}

#[test]
fn attack_47_an_unsigned_ancestor_and_an_unchecked_signature_are_worth_l1() {
    let sandbox = Sandbox::new();
    sandbox.history();
    let bare = sandbox.read("report.attestation");
    sandbox.write("report.attestation", envelope(&bare, 1));
    let told = sandbox.lineage(&["report"]);
    complete(&told);
    let signed = at(&told.1, "nodes").as_array().expect("nodes").iter();
    assert!(
        signed
            .clone()
            .all(|node| at(node, "signatureVerified") == &Json::Bool(false))
    );
    let ran = sandbox.makoto(&["dbom", "create", "report", "-o", "bill.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let at_l2 = [
        "dbom",
        "verify",
        "bill.json",
        "report",
        "--level",
        "L2",
        "--json",
    ];
    let ran = sandbox.makoto(&at_l2);
    fails(&(ran.status, ran.json()), &["L2.P.1"]);
    let ran = sandbox.makoto(&["dbom", "verify", "bill.json", "report", "--json"]);
    crate::document::passes(&(ran.status, ran.json()));
    assert!(!sandbox.read_text("bill.json").contains("\"signed\""));
}

#[test]
fn attack_98_neither_a_bill_nor_a_summary_is_an_attestation_of_data() {
    let sandbox = Sandbox::new();
    sandbox.history();
    crate::document::passes(&sandbox.verify("weather", &[]));
    let ran = sandbox.makoto(&["dbom", "create", "weather", "-o", "bill.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let kept = sandbox.read("weather.attestation");
    let summary = statement("origin", &["weather"], &json("{}"));
    let summary = with(
        &summary,
        "",
        "predicateType",
        Some("https://slsa.dev/verification_summary/v1".into()),
    );
    for other in [sandbox.read("bill.json"), summary.to_string().into_bytes()] {
        sandbox.write("weather.attestation", &other);
        fails(&sandbox.verify("weather", &[]), &["V2"]);
        let told = sandbox.makoto(&["lineage", "weather", "--json"]);
        assert_ne!(told.status, 0, "{told:?}");
        let ran = sandbox.makoto(&["dbom", "create", "weather", "-o", "2.json"]);
        assert_ne!(ran.status, 0, "{ran:?}");
    }
    sandbox.write("weather.attestation", &kept);
    sandbox.write("statement.json", kept);
    let ran = sandbox.makoto(&["dbom", "verify", "statement.json", "--json"]);
    fails(&(ran.status, ran.json()), &["DBOM", "is a statement"]);
    crate::document::passes(&sandbox.verify("weather", &[]));
}
