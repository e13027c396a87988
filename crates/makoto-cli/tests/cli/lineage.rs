//! `makoto lineage`: what it shows, where it looks, and what packages bring with them.

use std::fs;

use makoto::json::Json;

use crate::document::{at, envelope, fails, has_check, object, text, with};
use crate::history::{complete, input, json, nodes, origin, says, sha, step, unknown};
use crate::lineage_attacks::into_store;
use crate::sandbox::{Sandbox, finish};

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
