//! `makoto lineage`: histories that hold, and ones that were made to lie (attacks 36 to 47, 98).

use std::fs;

use makoto::json::Json;

use crate::document::{at, envelope, fails, has_check, object, text, with};
use crate::history::{complete, input, json, nodes, origin, says, sha, statement, step, unknown};
use crate::sandbox::{Sandbox, finish};

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
fn a_history_is_told_back_to_its_origins() {
    let sandbox = Sandbox::new();
    let [raw, clean, weather, report] = sandbox.history();
    let told = sandbox.lineage(&["report"]);
    complete(&told);
    let (_, told) = told;
    let ids: Vec<_> = [&report, &clean, &weather, &raw]
        .into_iter()
        .map(|id| format!("sha256:{id}"))
        .collect();
    assert_eq!(nodes(&told), ids);
    assert_eq!(text(&told, "sha256"), sha("report"));
    assert_eq!(text(&told, "tops.0"), ids[0]);
    assert_eq!(text(&told, "direction"), "back");
    let edges = at(&told, "edges").as_array().expect("edges");
    let edge = |edge: &Json| (text(edge, "from").to_owned(), text(edge, "to").to_owned());
    let edges: Vec<_> = edges.iter().map(edge).collect();
    let expected = [(1, 0), (2, 0), (3, 1)].map(|(from, to)| (ids[from].clone(), ids[to].clone()));
    assert_eq!(edges, expected);
    assert_eq!(at(&told, "nodes.0.signatureVerified"), &Json::Bool(false));
    let ran = sandbox.makoto(&["lineage", "report"]);
    says(
        &ran,
        &[
            "report: lineage complete at L1",
            "2 origin(s), over 4 stage(s)",
        ],
    );
    says(
        &ran,
        &[
            "├─ clean",
            "│  └─ raw  ← origin https://erp.example.com",
            "└─ weather",
        ],
    );

    let forward = sandbox.lineage(&["raw", "--impact"]);
    assert_eq!(forward.0, 0, "{}", forward.1);
    assert_eq!(nodes(&forward.1), [&*ids[1], &ids[0]]);
    assert_eq!(sandbox.lineage(&["report", "--impact"]).0, 0);
    let ran = sandbox.makoto(&["lineage", "raw", "--impact"]);
    says(&ran, &["2 step(s) are known to have read it"]);
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
fn into_store(sandbox: &Sandbox, store: &str, statement: &Json) -> String {
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

#[test]
fn data_is_named_by_its_path_its_digest_or_its_attestation() {
    let sandbox = Sandbox::new();
    let [_, _, _, report] = sandbox.history();
    let by_path = sandbox.lineage(&["report"]).1;
    let digest = format!("sha256:{}", sha("report"));
    let (id, urn) = (
        format!("sha256:{report}"),
        format!("urn:makoto:attestation:sha256:{report}"),
    );
    for target in [&digest, &id, &urn] {
        let told = sandbox.lineage(&[target]);
        complete(&told);
        assert_eq!(at(&told.1, "nodes"), at(&by_path, "nodes"));
    }
    let two = sandbox.put(
        "two.attestation",
        &origin(&["one", "two"], "https://x.example"),
    );
    sandbox.makoto(&["lineage", &format!("sha256:{two}")]).ends(
        2,
        &["is an attestation of 2 datasets", "hint: name the digest"],
    );
    unknown(
        &sandbox.lineage(&[&format!("sha256:{}", sha("nothing"))]),
        &["V1"],
    );
    for bad in [
        "sha256:12",
        "sha256:",
        &digest.to_uppercase().replace("SHA", "sha"),
        "nowhere.csv",
    ] {
        let ran = sandbox.makoto(&["lineage", bad]);
        assert_eq!(ran.status, 2, "{ran:?}");
    }
    // A file of that name is a file.
    sandbox.write(&digest, "weather");
    complete(&sandbox.lineage(&[&format!("./{digest}")]));
}

#[test]
fn folders_have_a_history_as_files_have() {
    let sandbox = Sandbox::new();
    sandbox.write("parts/a.csv", "id\n1\n");
    sandbox.write("parts/b.csv", "id\n2\n");
    sandbox.attested("parts", &[]);
    sandbox.write("all.csv", "id\n1\n2\n");
    let step = [
        "attest",
        "transform",
        "all.csv",
        "--input",
        "parts",
        "--executor",
        "etl/join",
    ];
    let ran = sandbox.makoto(&step);
    assert_eq!(ran.status, 0, "{ran:?}");
    complete(&sandbox.lineage(&["all.csv"]));
    complete(&sandbox.lineage(&["parts/"]));
    sandbox.write("parts/a.csv", "id\n9\n");
    sandbox
        .makoto(&["lineage", "parts"])
        .ends(1, &["is not what its attestation says"]);
}

#[test]
fn a_walk_that_is_stopped_is_not_whole_either_way() {
    let sandbox = Sandbox::new();
    sandbox.history();
    for (arguments, stages) in [
        (&["report", "--depth", "0"][..], 1),
        (&["report", "--depth", "1"], 3),
        (&["raw", "--impact", "--depth", "1"], 1),
    ] {
        let told = sandbox.lineage(arguments);
        unknown(&told, &["L2.V.9", "the walk stopped", "as asked"]);
        let kinds = at(&told.1, "nodes").as_array().expect("nodes").iter();
        let kinds = kinds.filter(|node| text(node, "kind") != "not-looked-at");
        assert_eq!(kinds.count(), stages, "{}", told.1);
    }
    complete(&sandbox.lineage(&["report", "--depth", "2"]));
    assert_eq!(sandbox.lineage(&["raw", "--impact", "--depth", "2"]).0, 0);
    let ran = sandbox.makoto(&["lineage", "raw", "--impact", "--depth", "1"]);
    says(&ran, &["only a part is shown"]);
}

/// A line without what is quoted in it.
fn unquoted(line: &str) -> String {
    let plain = line.replace("\\\\", "").replace("\\\"", "");
    plain.split('"').step_by(2).collect()
}

#[test]
fn names_from_documents_draw_nothing() {
    let names = [
        "report  ← origin https://central-bank.example  sha256:000000000000…",
        "x\n└─ real  ← origin https://central-bank.example",
        "x\"]; evil [label=\"<script>alert(1)</script>",
        "a\"\n  n9[\"b",
        "`**bold**` &lt;b&gt; #quot; %% comment",
        "end; click n0 \"javascript:alert(1)\"",
        "\u{202e}txt.exe\u{1b}[31m",
        "1. list",
        "\\N \\G \\",
    ];
    for name in names {
        let sandbox = Sandbox::new();
        sandbox.write("made", "made");
        let raw = sandbox.put("raw.attestation", &origin(&[name], name));
        let made = step(&["made"], &[input(name, Some(&raw)), input("lost", None)]);
        sandbox.put("made.attestation", &made);
        let text = sandbox.makoto(&["lineage", "made"]);
        assert_eq!(text.status, 2, "{text:?}");
        let tree: Vec<_> = text
            .stdout
            .lines()
            .take_while(|line| !line.is_empty())
            .collect();
        assert_eq!(tree.len(), 3, "{text:?}");
        for line in &tree {
            assert_eq!(unquoted(line).matches("  ← ").count(), 1, "{text:?}");
        }
        let mermaid = sandbox
            .makoto(&["lineage", "made", "--format", "mermaid"])
            .stdout;
        assert_eq!(mermaid.lines().count(), 1 + 2 + 2, "{mermaid}");
        for line in mermaid.lines() {
            assert!(line.matches('"').count() <= 2, "{line}");
            assert!(!line.contains("<script"), "{line}");
        }
        let dot = sandbox
            .makoto(&["lineage", "made", "--format", "dot"])
            .stdout;
        assert_eq!(dot.lines().count(), 3 + 2 + 1 + 2 + 1, "{dot}");
        for all in [&text.stdout, &text.stderr, &mermaid, &dot] {
            assert!(!all.contains(['\u{1b}', '\u{202e}']), "{all:?}");
        }
    }
}

#[test]
fn statements_are_looked_for_where_it_is_said() {
    let sandbox = Sandbox::new();
    sandbox.history();
    fs::create_dir(sandbox.path("deep")).expect("a folder");
    for name in ["raw", "clean", "weather"] {
        let file = format!("{name}.attestation");
        let statement = crate::sandbox::parse(&sandbox.read(&file));
        into_store(&sandbox, "store", &statement);
        let there = sandbox.path(&format!("deep/{name}.attestation"));
        fs::rename(sandbox.path(&file), there).expect("moved");
    }
    unknown(&sandbox.lineage(&["report"]), &["no origin reached"]);
    complete(&sandbox.lineage(&["report", "--in", "deep"]));
    complete(&sandbox.lineage(&["report", "--store", "store"]));
    let ran = finish(
        sandbox
            .command()
            .args(["lineage", "report", "--json"])
            .env("MAKOTO_STORE", "store"),
        b"",
    );
    complete(&(ran.status, ran.json()));
    ran.ends(0, &["which MAKOTO_STORE names"]);
    let ran = sandbox.makoto(&["lineage", "report", "--store", "nowhere"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    for bad in ["nowhere", "report"] {
        let ran = sandbox.makoto(&["lineage", "report", "--in", bad]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains("error"), "{ran:?}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_never_taken_for_nothing() {
    let sandbox = Sandbox::new();
    sandbox.history();
    // Junk beside the data hides nothing of the rest.
    sandbox.write("junk.attestation", "{\"_type\":");
    sandbox.write("empty.attestation", "");
    sandbox.write("binary.attestation", [0, 159, 146, 150]);
    let ran = sandbox.makoto(&["lineage", "report"]);
    ran.ends(
        0,
        &["skipped junk.attestation", "skipped empty.attestation"],
    );
    // The data's own attestation is junk: that is not the same as other bytes, or as none.
    let kept = sandbox.read("report.attestation");
    sandbox.write("report.attestation", "{\"_type\":");
    let ran = sandbox.makoto(&["lineage", "report"]);
    ran.ends(
        2,
        &["the attestation beside report cannot be used: it is no attestation"],
    );
    sandbox.write("report.attestation", kept);
    // A stage that is no statement fails; one that is damaged in a store is not there.
    sandbox.write("weather.attestation", "{\"subject\":[]}");
    unknown(&sandbox.lineage(&["report"]), &["L2.V.8", "was not found"]);
    let sandbox = Sandbox::new();
    sandbox.history();
    let statement = crate::sandbox::parse(&sandbox.read("weather.attestation"));
    let id = into_store(&sandbox, "store", &statement);
    fs::remove_file(sandbox.path("weather.attestation")).expect("removed");
    complete(&sandbox.lineage(&["report", "--store", "store"]));
    let object = format!("store/id/{}/{}", &id[..2], &id[2..]);
    let bytes = sandbox.read_text(&object);
    sandbox.write(
        &object,
        bytes.replace("weather.example.com", "weather.example.org"),
    );
    unknown(
        &sandbox.lineage(&["report", "--store", "store"]),
        &["L2.V.8", &id, "could not be read"],
    );
    sandbox.write(&object, bytes);
    // Forward, an index that cannot be read may hide whoever read the data.
    let index = format!("store/input/{}", &sha("weather")[..2]);
    fs::remove_dir_all(sandbox.path("store/input")).ok();
    sandbox.write(&index, "no folder");
    let told = sandbox.lineage(&["weather", "--impact", "--store", "store"]);
    unknown(&told, &["could not be looked up"]);
}

#[test]
fn a_statement_that_is_not_valid_is_no_stage() {
    let sandbox = Sandbox::new();
    let spoilt = with(
        &origin(&["raw"], "https://x.example"),
        "predicate",
        "origin",
        None,
    );
    let [_, _, weather, _] = sandbox.history();
    let raw = sandbox.put("raw.attestation", &spoilt);
    let clean = sandbox.put(
        "clean.attestation",
        &step(&["clean"], &[input("raw", Some(&raw))]),
    );
    let both = [
        input("clean", Some(&clean)),
        input("weather", Some(&weather)),
    ];
    sandbox.put("report.attestation", &step(&["report"], &both));
    let told = sandbox.lineage(&["report"]);
    fails(&told, &["V2", &raw, "is not valid"]);
    assert!(!nodes(&told.1).contains(&&*format!("sha256:{raw}")));
}

#[test]
fn parts_of_inputs_are_shown_and_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("raw.csv", "id\n1\n2\n3\n4\n");
    sandbox.attested("raw.csv", &[]);
    sandbox.write("log.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    sandbox.attested("log.jsonl", &[]);
    sandbox.write("part.csv", "id\n2\n3\n");
    let base = [
        "attest",
        "transform",
        "part.csv",
        "--input",
        "raw.csv",
        "--executor",
        "etl/x",
    ];
    let parts = ["--input-part", "raw.csv=records:1..3"];
    let ran = sandbox.makoto(&[&base[..], &parts, &["--json"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    let written = sandbox.written(&ran.json());
    let interval = at(&written, "predicate.inputs.0").get("https://makoto.dev/interval/v1");
    let interval = interval.expect("an interval").to_string();
    assert_eq!(interval, r#"{"end":"3","start":"1","unit":"records"}"#);
    assert_eq!(
        at(&written, "predicate.metadata.recordsInput").to_string(),
        "2"
    );
    assert_eq!(at(&written, "predicate.metadata.bytesInput"), &Json::Null);
    says(
        &sandbox.makoto(&["lineage", "part.csv"]),
        &["dataset:raw (records 1 up to 3 only)"],
    );
    let (_, told) = sandbox.lineage(&["part.csv"]);
    assert_eq!(text(&told, "edges.0.interval.end"), "3");
    let contribution = |name: &str, more: &[&str]| {
        let bill = format!("{name}.json");
        let create = ["dbom", "create", name, "-o", &bill, "--json"];
        let ran = sandbox.makoto(&[&create[..], more].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let verified = sandbox.makoto(&["dbom", "verify", &bill, name]);
        assert_eq!(verified.status, 0, "{verified:?}");
        at(&ran.json(), "sources.0.contribution").to_string()
    };
    assert_eq!(
        contribution("part.csv", &[]),
        r#"{"recordCount":2,"recordPercentage":100}"#
    );
    // Two parts that overlap are counted once; a run takes them as well.
    let run = [
        "run",
        "--input",
        "raw.csv",
        "--output",
        "two.csv",
        "--executor",
        "etl/x",
        "--input-part",
        "raw.csv=records:0..2",
        "--input-part",
        "./raw.csv=records:1..3",
        "--",
        "sh",
        "-c",
        "head -4 raw.csv > two.csv",
    ];
    let ran = sandbox.makoto(&run);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        contribution("two.csv", &[]),
        r#"{"recordCount":3,"recordPercentage":100}"#
    );
    // Offsets are no records.
    let run = [
        "run",
        "--input",
        "log.jsonl",
        "--output",
        "kept.jsonl",
        "--executor",
        "etl/x",
        "--input-part",
        "log.jsonl=offsets:70..90@3",
        "--",
        "sh",
        "-c",
        "tail -1 log.jsonl > kept.jsonl",
    ];
    let ran = sandbox.makoto(&run);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(contribution("kept.jsonl", &[]), "null");
    says(
        &sandbox.makoto(&["lineage", "kept.jsonl"]),
        &["(offsets 70 up to 90 of partition 3 only)"],
    );
    for (bad, status, told) in [
        ("raw.csv=records:1..9", 1, "raw.csv has 4 records"),
        ("other.csv=records:0..1", 2, "is no input"),
        ("raw.csv=records:2..2", 2, "is empty"),
        ("raw.csv=bytes:0..2", 2, "needed PATH=records"),
    ] {
        let run = [
            "run",
            "--input",
            "raw.csv",
            "--output",
            "out.csv",
            "--input-part",
            bad,
        ];
        let ran = sandbox.makoto(&[&run[..], &["--", "cp", "raw.csv", "out.csv"]].concat());
        ran.ends(status, &[told]);
        assert!(!sandbox.exists("out.csv"), "the command was run: {ran:?}");
    }
}

#[test]
fn more_records_than_there_are_is_a_finding_and_no_contribution() {
    let sandbox = Sandbox::new();
    let [raw, ..] = sandbox.history();
    let mut part = input("raw", Some(&raw));
    let interval = json(r#"{"unit":"records","start":"0","end":"11"}"#);
    object(&mut part, "").insert("https://makoto.dev/interval/v1", interval);
    sandbox.put("clean.attestation", &step(&["clean"], &[part]));
    let (status, told) = sandbox.lineage(&["clean"]);
    assert_eq!(status, 0, "{told}");
    assert!(has_check(
        &told,
        "warn",
        &["L2.V.8", "up to record 11, but has 10 records"]
    ));
    let ran = sandbox.makoto(&["dbom", "create", "clean", "-o", "bill.json", "--json"]);
    assert_eq!(at(&ran.json(), "sources.0.contribution"), &Json::Null);
}

#[test]
fn a_package_brings_the_whole_history_with_it() {
    let sandbox = Sandbox::new();
    let [raw, clean, weather, report] = sandbox.history();
    // Not every history was written by this program: white space is kept byte for byte.
    let ran = sandbox.makoto(&["dbom", "create", "report", "-o", "bill.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = sandbox.makoto(&["pack", "report", "-o", "away/report.zip"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    fs::create_dir(sandbox.path("away")).expect("a folder");
    let ran = sandbox.makoto(&["pack", "report", "-o", "away/report.zip", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let told = ran.json();
    let mut further = [raw, clean, weather].map(|id| format!("sha256:{id}"));
    further.sort();
    assert_eq!(
        at(&told, "further").to_string(),
        format!("{:?}", further).replace(", ", ",")
    );
    assert_eq!(at(&told, "lineageComplete"), &Json::Bool(true));
    let again = sandbox.makoto(&["pack", "report", "-o", "away/again.zip"]);
    assert_eq!(again.status, 0, "{again:?}");
    assert_eq!(
        sandbox.read("away/again.zip"),
        sandbox.read("away/report.zip")
    );
    let packed = sandbox.verify("away/report.zip", &[]);
    assert_eq!(packed.0, 0, "{}", packed.1);

    // Somewhere else there is nothing but the package.
    let elsewhere = Sandbox::new();
    elsewhere.write("report.zip", sandbox.read("away/report.zip"));
    elsewhere.write("bill.json", sandbox.read("bill.json"));
    elsewhere.write("report", "report");
    complete(&elsewhere.lineage(&["report.zip"]));
    complete(&elsewhere.lineage(&["report", "--in", "report.zip"]));
    for arguments in [
        &["report.zip"][..],
        &["--in", "report.zip"],
        &["report", "--in", "report.zip"],
    ] {
        let ran =
            elsewhere.makoto(&[&["dbom", "verify", "bill.json", "--json"], arguments].concat());
        crate::document::passes(&(ran.status, ran.json()));
    }
    let ran = elsewhere.makoto(&["dbom", "create", "report.zip", "-o", "made.json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let ids = |json: &Json| text(json, "dbomId").to_owned();
    assert_eq!(
        ids(&elsewhere.json("made.json")),
        ids(&sandbox.json("bill.json"))
    );
    let (_, told) = elsewhere.lineage(&["report.zip"]);
    assert_eq!(text(&told, "tops.0"), format!("sha256:{report}"));

    // What is missing is said, and the data is packed all the same.
    fs::remove_file(sandbox.path("raw.attestation")).expect("removed");
    let ran = sandbox.makoto(&["pack", "report", "-o", "part.zip"]);
    ran.ends(
        0,
        &[
            "has not the whole lineage",
            "input \"raw\"",
            "was not found",
        ],
    );
    let ran = sandbox.makoto(&["pack", "report", "-o", "part.zip", "--replace", "--json"]);
    assert_eq!(at(&ran.json(), "lineageComplete"), &Json::Bool(false));
}

#[test]
fn documents_of_a_history_are_packed_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox.write("made", "made");
    let bare = origin(&["raw"], "https://x.example").to_string();
    let spread = bare.replace(",\"predicate\"", ",\n  \"predicate\"");
    let id = makoto::digest::Digest::of(spread.as_bytes()).to_string();
    sandbox.put(
        "made.attestation",
        &step(&["made"], &[input("raw", Some(&id))]),
    );
    let wrapped = envelope(spread.as_bytes(), 2);
    for files in [&[&spread][..], &[&wrapped], &[&spread, &wrapped]] {
        for (number, file) in files.iter().enumerate() {
            sandbox.write(&format!("raw-{number}.attestation"), file);
        }
        let ran = sandbox.makoto(&["pack", "made", "-o", "made.zip", "--replace"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let zip = sandbox.read("made.zip");
        let last = files.last().expect("a document").as_bytes();
        assert!(zip.windows(last.len()).any(|window| window == last));
        let elsewhere = Sandbox::new();
        elsewhere.write("made.zip", zip);
        complete(&elsewhere.lineage(&["made.zip"]));
    }
}

#[test]
fn a_package_that_is_none_or_holds_several_datasets_is_named_as_that() {
    let sandbox = Sandbox::new();
    sandbox.history();
    let ran = sandbox.makoto(&["pack", "raw", "weather", "-o", "two.zip"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let elsewhere = Sandbox::new();
    elsewhere.write("two.zip", sandbox.read("two.zip"));
    elsewhere
        .makoto(&["lineage", "two.zip"])
        .ends(2, &["holds 2 datasets", "--in two.zip"]);
    let weather = format!("sha256:{}", sha("weather"));
    complete(&elsewhere.lineage(&[&weather, "--in", "two.zip"]));
    elsewhere.write("bad.zip", b"PK\x03\x04 and nothing else");
    let ran = elsewhere.makoto(&["lineage", "bad.zip", "--json"]);
    ran.ends(2, &["note: as a package, bad.zip"]);
    elsewhere
        .makoto(&["lineage", &weather, "--in", "bad.zip"])
        .ends(2, &["--in takes a folder or a package"]);
    // Changed in the package, the data is not what was attested.
    let mut zip = sandbox.read("two.zip");
    let place = zip.windows(7).position(|window| window == b"weather");
    assert!(place.is_some());
    zip.truncate(zip.len() - 1);
    elsewhere.write("cut.zip", zip);
    assert_eq!(elsewhere.makoto(&["lineage", "cut.zip"]).status, 2);
}

#[test]
fn a_package_is_as_private_as_the_history_in_it() {
    let sandbox = Sandbox::new();
    sandbox.history();
    for name in sandbox.names() {
        sandbox.set_mode(&name, 0o644);
    }
    let pack = ["pack", "report", "-o", "report.zip", "--replace"];
    assert_eq!(sandbox.makoto(&pack).status, 0);
    assert_eq!(sandbox.mode("report.zip"), 0o644);
    sandbox.set_mode("raw.attestation", 0o600);
    assert_eq!(sandbox.makoto(&pack).status, 0);
    assert_eq!(sandbox.mode("report.zip"), 0o600);
}
