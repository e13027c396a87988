//! `makoto dbom`: bills that hold, and ones that were edited (attacks 76 to 82).

use std::fs;

use makoto::json::Json;

use crate::document::{at, envelope, fails, has_check, object, passes, text, with};
use crate::history::{input, json, origin, says, sha, step, unknown};
use crate::sandbox::{Sandbox, finish};

/// A history of which every field of a bill has something to tell, and the bill of it.
pub(crate) fn billed() -> (Sandbox, Json) {
    let sandbox = Sandbox::new();
    let [raw, _, weather, _] = sandbox.history();
    let mut sales = origin(&["raw"], "https://erp.example.com");
    let predicate = object(&mut sales, "predicate.origin");
    predicate.insert("geography", "DE".into());
    let consent = r#"{"type":"contractual","reference":"https://x.example/contract"}"#;
    predicate.insert("consent", json(consent));
    let dta =
        r#"{"useStandard":{"license":"CC-BY-NC-4.0"},"sourceStandard":{"description":"sales"}}"#;
    object(&mut sales, "predicate").insert("dtaCompliance", json(dta));
    let new_raw = sandbox.put("raw.attestation", &sales);
    assert_ne!(raw, new_raw);
    let mut clean = step(&["clean"], &[input("raw", Some(&new_raw))]);
    object(&mut clean, "predicate.transform").insert("description", "drops rows".into());
    let clean = sandbox.put("clean.attestation", &clean);
    let both = [
        input("clean", Some(&clean)),
        input("weather", Some(&weather)),
    ];
    sandbox.put("report.attestation", &step(&["report"], &both));
    let create = [
        "dbom",
        "create",
        "report",
        "-o",
        "bill.json",
        "--dataset-version",
        "3.0.0",
        "--description",
        "a report",
        "--organization",
        "Example",
        "--contact",
        "x@example.com",
        "--valid-until",
        "2999-01-01T00:00:00Z",
    ];
    let ran = sandbox.makoto(&create);
    assert_eq!(ran.status, 0, "{ran:?}");
    says(&ran, &["bill.json: 2 source(s), 2 transformation(s)"]);
    let bill = sandbox.json("bill.json");
    passes(&verify(&sandbox, &bill));
    (sandbox, bill)
}

pub(crate) fn verify(sandbox: &Sandbox, bill: &Json) -> (i32, Json) {
    sandbox.write("changed.json", bill.to_string());
    let ran = sandbox.makoto(&["dbom", "verify", "changed.json", "report", "--json"]);
    (ran.status, ran.json())
}

/// The bill with another list; `change` is given its items.
fn with_list(bill: &Json, key: &str, change: impl Fn(&mut Vec<Json>)) -> Json {
    let mut items = at(bill, key).as_array().expect("a list").to_vec();
    change(&mut items);
    with(bill, "", key, Some(items.into_iter().collect()))
}

#[test]
fn a_bill_tells_every_part_of_its_history_and_whose_word_it_is() {
    let (sandbox, bill) = billed();
    let source = at(&bill, "sources.0");
    assert_eq!(text(source, "name"), "raw");
    assert_eq!(text(source, "geography"), "DE");
    assert_eq!(text(source, "consent.type"), "contractual");
    assert_eq!(text(source, "license.identifier"), "CC-BY-NC-4.0");
    assert_eq!(text(source, "description"), "sales");
    let share = r#"{"recordCount":10,"recordPercentage":50}"#;
    assert_eq!(at(source, "contribution").to_string(), share);
    let steps = at(&bill, "transformations").as_array().expect("steps");
    let told = |step: &Json| {
        (
            at(step, "inputs").to_string(),
            at(step, "outputs").to_string(),
        )
    };
    assert_eq!(
        told(&steps[0]),
        ("[\"raw\"]".to_owned(), "[\"clean\"]".to_owned())
    );
    assert_eq!(
        told(&steps[1]),
        (
            "[\"clean\",\"weather\"]".to_owned(),
            "[\"report\"]".to_owned()
        )
    );
    let conflicts = at(&bill, "compliance.licences.conflicts").to_string();
    assert!(
        conflicts.contains("no licence is declared for weather"),
        "{conflicts}"
    );
    let Json::Object(basis) = at(&bill, "basis") else {
        panic!("an object")
    };
    let words: Vec<_> = basis.iter().filter_map(|(_, word)| word.as_str()).collect();
    assert_eq!(words.len(), basis.iter().count());
    assert!(
        words
            .iter()
            .all(|word| ["declared", "recomputed"].contains(word)),
        "{words:?}"
    );
    assert_eq!(
        basis.get("dataset.digest.sha256").and_then(Json::as_str),
        Some("recomputed")
    );
    // By its digest alone, the data was not read.
    let digest = format!("sha256:{}", sha("report"));
    let ran = sandbox.makoto(&["dbom", "create", &digest, "-o", "unread.json", "--json"]);
    let unread = ran.json();
    let basis = at(&unread, "basis").get("dataset.digest.sha256");
    assert_eq!(basis.and_then(Json::as_str), Some("declared"));
    passes(&verify(&sandbox, &unread));
}

#[test]
fn attack_76_a_level_above_the_evidence() {
    let (sandbox, bill) = billed();
    for path in [
        "dataset",
        "sources.0",
        "sources.1",
        "transformations.0",
        "transformations.1",
    ] {
        for level in ["L2", "L3"] {
            let told = verify(
                &sandbox,
                &with(&bill, path, "makotoLevel", Some(level.into())),
            );
            fails(
                &told,
                &[
                    "DBOM",
                    "makotoLevel",
                    &format!("claims {level}"),
                    "gives L1",
                ],
            );
        }
    }
    let overall = with(&bill, "compliance", "overallMakotoLevel", Some("L3".into()));
    fails(
        &verify(&sandbox, &overall),
        &["DBOM", "overallMakotoLevel", "claims L3"],
    );
    passes(&verify(&sandbox, &bill));
}

#[test]
fn attack_77_a_source_or_step_that_is_left_out() {
    let (sandbox, bill) = billed();
    for (key, name) in [("sources", "raw"), ("sources", "weather")] {
        let omitted = with_list(&bill, key, |items| {
            items.retain(|item| text(item, "name") != name)
        });
        let told = verify(&sandbox, &omitted);
        fails(
            &told,
            &[
                "L2.V.9",
                key,
                &format!("leave out {name:?}"),
                "lists as an input",
            ],
        );
    }
    for index in [0, 1] {
        let omitted = with_list(&bill, "transformations", |steps| drop(steps.remove(index)));
        fails(
            &verify(&sandbox, &omitted),
            &["L2.V.9", "transformations", "leave out"],
        );
    }
    let none = with(&bill, "", "transformations", None);
    fails(
        &verify(&sandbox, &none),
        &["L2.V.9", "transformations", "leave out"],
    );
    // So does one that is not there, or stands twice.
    let twice = with_list(&bill, "sources", |items| items.push(items[0].clone()));
    fails(
        &verify(&sandbox, &twice),
        &["L2.V.9", "sources[2]", "listed twice"],
    );
    let stranger = sandbox.put(
        "stranger.attestation",
        &origin(&["stranger"], "https://x.example"),
    );
    let mut more = at(&bill, "sources.0").clone();
    object(&mut more, "").insert("name", "stranger".into());
    let reference = format!("urn:makoto:attestation:sha256:{stranger}");
    object(&mut more, "").insert("attestationRef", reference.into());
    let added = with_list(&bill, "sources", |items| items.push(more.clone()));
    fails(
        &verify(&sandbox, &added),
        &["L2.V.9", "sources[2]", "is not behind the dataset"],
    );
    passes(&verify(&sandbox, &bill));
}

#[test]
fn attack_78_a_digest_that_the_last_step_did_not_make() {
    let (sandbox, bill) = billed();
    for other in ["clean", "something else"] {
        let digest = with(&bill, "dataset.digest", "sha256", Some(sha(other).into()));
        let told = verify(&sandbox, &digest);
        fails(&told, &["V3", "dataset.digest.sha256", "does not match"]);
        sandbox.write("other", other);
        let ran = sandbox.makoto(&["dbom", "verify", "changed.json", "other", "--json"]);
        fails(&(ran.status, ran.json()), &["L2.V.", ""]);
    }
    sandbox.write("other", "something else");
    let ran = sandbox.makoto(&["dbom", "verify", "bill.json", "other", "--json"]);
    fails(&(ran.status, ran.json()), &["V3", "does not match"]);
    passes(&verify(&sandbox, &bill));
}

#[test]
fn attack_79_an_order_that_the_inputs_contradict() {
    let (sandbox, bill) = billed();
    let swapped = with(&bill, "transformations.0", "order", Some(2.into()));
    fails(&verify(&sandbox, &swapped), &["DBOM", "order"]);
    let swapped = with(&swapped, "transformations.1", "order", Some(1.into()));
    fails(
        &verify(&sandbox, &swapped),
        &["DBOM", "transformations[1].order", "is made by the step"],
    );
    // The list may stand in any order, as long as the numbers are right.
    passes(&verify(
        &sandbox,
        &with_list(&bill, "transformations", |steps| steps.reverse()),
    ));
}

#[test]
fn attack_80_what_a_bill_says_of_its_own_verification() {
    let (sandbox, bill) = billed();
    let claims = with(
        &bill,
        "verification",
        "allSignaturesValid",
        Some(true.into()),
    );
    let told = verify(&sandbox, &claims);
    passes(&told);
    assert!(has_check(
        &told.1,
        "skip",
        &["L2.V.2", "verification", "is no evidence"]
    ));
    let ran = sandbox.makoto(&[
        "dbom",
        "verify",
        "changed.json",
        "report",
        "--level",
        "L2",
        "--json",
    ]);
    fails(&(ran.status, ran.json()), &["L2.P.1"]);
    // Nor does an envelope around a stage make it a signed one.
    let bare = sandbox.read("report.attestation");
    sandbox.write("report.attestation", envelope(&bare, 1));
    passes(&verify(&sandbox, &bill));
    let ran = sandbox.makoto(&[
        "dbom",
        "verify",
        "changed.json",
        "report",
        "--level",
        "L2",
        "--json",
    ]);
    fails(&(ran.status, ran.json()), &["L2.P.1"]);
}

#[test]
fn attack_81_a_bill_past_its_time() {
    let (sandbox, bill) = billed();
    let over = with(
        &bill,
        "metadata",
        "validUntil",
        Some("2020-01-01T00:00:00Z".into()),
    );
    let told = verify(&sandbox, &over);
    assert!(
        has_check(
            &told.1,
            "warn",
            &["L2.V.7", "metadata.validUntil", "is over"]
        ),
        "{told:?}"
    );
    let told = verify(&sandbox, &bill);
    assert!(!has_check(&told.1, "warn", &["L2.V.7"]), "{told:?}");
}

#[test]
fn attack_82_the_old_form_is_never_above_l1() {
    let (sandbox, _) = billed();
    let old = r#"{"schema_version":"0.1","id":"dbom-1","created_at":"2025-01-01T00:00:00Z",
        "source":{"uri":"s3://bucket/report","hash":{"algorithm":"sha256","value":"DIGEST"},"format":"csv"},
        "signature":{"algorithm":"sha256","value":"DIGEST","signer":"github:someone"},
        "lineage":[{"step":1,"description":"clean","tool":"pandas","input_hash":"n/a","output_hash":"DIGEST"}]}"#
        .replace("DIGEST", &sha("report"));
    sandbox.write("old.json", &old);
    let verify = |file: &str, level: &str| {
        let ran = sandbox.makoto(&["dbom", "verify", file, "report", "--level", level, "--json"]);
        (ran.status, ran.json())
    };
    fails(&verify("old.json", "L2"), &["L2.P.1", "bare SHA-256"]);
    unknown(&verify("old.json", "L1"), &["DBOM", "dbom import"]);
    let ran = sandbox.makoto(&["dbom", "import", "old.json", "-o", "new.json"]);
    ran.ends(0, &["was not carried over", "proves no signer"]);
    let told = verify("new.json", "L1");
    assert_ne!(told.0, 0, "{}", told.1);
    fails(&verify("new.json", "L2"), &["L2.P.1"]);
    for (from, to) in [("\"step\":1", "\"step\":2"), ("\"signer\"", "\"signed\"")] {
        sandbox.write("bad.json", old.replace(from, to));
        let ran = sandbox.makoto(&["dbom", "import", "bad.json", "-o", "bad-new.json"]);
        assert_ne!(ran.status, 0, "{ran:?}");
        assert!(!sandbox.exists("bad-new.json"));
    }
}

#[test]
fn a_bill_is_never_written_over_data_or_attestations() {
    let (sandbox, _) = billed();
    let stamps: Vec<_> = ["report", "report.attestation"]
        .map(|name| sandbox.stamp(name))
        .into();
    fs::create_dir(sandbox.path("folder")).expect("a folder");
    std::os::unix::fs::symlink("report", sandbox.path("link")).expect("a link");
    for out in [
        "report",
        "./report",
        "report.attestation",
        "x.attestation",
        "x.manifest",
        "folder",
        "link",
    ] {
        for more in [&[][..], &["--replace"]] {
            let ran = sandbox.makoto(&[&["dbom", "create", "report", "-o", out], more].concat());
            assert_ne!(ran.status, 0, "{out}: {ran:?}");
        }
    }
    let after: Vec<_> = ["report", "report.attestation"]
        .map(|name| sandbox.stamp(name))
        .into();
    assert_eq!(after, stamps);
    sandbox
        .makoto(&["dbom", "create", "report", "-o", "bill.json"])
        .ends(1, &["is there already", "--replace"]);
    assert_eq!(
        sandbox
            .makoto(&["dbom", "create", "report", "-o", "bill.json", "--replace"])
            .status,
        0
    );
    sandbox.write("parts/a.csv", "id\n1\n");
    sandbox.attested("parts", &[]);
    for out in ["parts/bill.json", "parts/../parts/bill.json"] {
        let ran = sandbox.makoto(&["dbom", "create", "parts", "-o", out]);
        ran.ends(2, &["lies in the data, which it would change"]);
    }
    passes(&sandbox.verify("parts", &[]));
}

#[test]
fn a_bill_that_cannot_be_written_leaves_nothing_behind() {
    let (sandbox, _) = billed();
    let names = sandbox.names();
    // Files may have no byte: as good as a full disk.
    let create = "trap '' XFSZ; ulimit -f 0; \"$makoto\" dbom create report -o full.json";
    let ran = finish(&mut sandbox.shell(create), b"");
    ran.ends(2, &["cannot write full.json"]);
    assert_eq!(sandbox.names(), names);
    let before = sandbox.stamp("bill.json");
    let ran = finish(
        &mut sandbox.shell(&create.replace("full.json", "bill.json --replace")),
        b"",
    );
    ran.ends(2, &["cannot write bill.json"]);
    assert_eq!(sandbox.stamp("bill.json"), before);
}

#[test]
fn what_is_no_bill_is_refused() {
    let (sandbox, bill) = billed();
    for (bytes, words) in [
        ("{", ["V1", ""]),
        ("[]", ["DBOM", ""]),
        ("{}", ["DBOM", "dbomVersion"]),
        (
            "{\"dbomVersion\":\"1.0.0\",\"dbomVersion\":\"1.0.0\"}",
            ["V1", ""],
        ),
    ] {
        sandbox.write("changed.json", bytes);
        let ran = sandbox.makoto(&["dbom", "verify", "changed.json", "--json"]);
        fails(&(ran.status, ran.json()), &words);
    }
    for version in ["1.0.1", "2.0.0", "0.1.0"] {
        let told = verify(
            &sandbox,
            &with(&bill, "", "dbomVersion", Some(version.into())),
        );
        fails(&told, &["DBOM", "dbomVersion"]);
    }
    let unbound = with(&bill, "dataset", "digest", None);
    unknown(&verify(&sandbox, &unbound), &["bound to no data"]);
    let unnamed = with(&bill, "sources.0", "attestationRef", None);
    let told = verify(&sandbox, &unnamed);
    assert_eq!(told.0, 1, "{}", told.1);
    let ran = sandbox.makoto(&["dbom", "verify", "nowhere.json"]);
    ran.ends(2, &["there is no file nowhere.json"]);
}

#[test]
fn what_changed_between_two_bills_is_told() {
    let (sandbox, bill) = billed();
    let moved = with_list(&bill, "sources", |items| items.reverse());
    sandbox.write(
        "new.json",
        with(&moved, "dataset", "version", Some("4".into())).to_string(),
    );
    let ran = sandbox.makoto(&["dbom", "diff", "bill.json", "new.json", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let told = ran.json();
    assert_eq!(text(&told, "changes.0.path"), "dataset.version");
    assert_eq!(at(&told, "changes.1"), &Json::Null);
    let ran = sandbox.makoto(&["dbom", "diff", "bill.json", "new.json", "--exit-code"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let ran = sandbox.makoto(&["dbom", "diff", "bill.json", "bill.json", "--exit-code"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    says(&ran, &["no difference"]);
    let esc = with(
        &bill,
        "dataset",
        "version",
        Some("\u{1b}[31m\n+ forged".into()),
    );
    sandbox.write("new.json", esc.to_string());
    let ran = sandbox.makoto(&["dbom", "diff", "bill.json", "new.json"]);
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
}
