//! Each story starts from a DBOM that passes, makes one change, and sees it refused.

use super::*;
use crate::canonical::to_canonical;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::lineage::Reach;
use crate::lineage::tests::{Memory, origin, sha, step};
use crate::report::{Outcome, Report, Verdict};

fn now() -> DateTime {
    DateTime::parse("2026-11-21T12:00:00Z").expect("a time")
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), &Limits::DEFAULT).expect("JSON")
}

/// Two origins, of which one is licensed; a filter, and a join that makes `report`.
fn library() -> Memory {
    let mut memory = Memory::default();
    let mut sales = origin("sales", "https://erp.example.com").to_string();
    sales = sales.replace(
        "\"collector\"",
        "\"dtaCompliance\":{\"useStandard\":{\"license\":\"CC-BY-4.0\"}},\"collector\"",
    );
    sales = sales.replace(
        "\"collectionTimestamp\"",
        "\"geography\":\"DE\",\"collectionTimestamp\"",
    );
    sales = sales.replacen("\"sha256\"", "\"recordCount\":\"30\",\"sha256\"", 1);
    let sales = memory.add(&json(&sales));
    let mut weather = origin("weather", "https://weather.example.com").to_string();
    weather = weather.replacen("\"sha256\"", "\"recordCount\":\"10\",\"sha256\"", 1);
    let weather = memory.add(&json(&weather));
    let clean = memory.add(&step(&["clean"], &[("sales", Some(sales))]));
    memory.add(&step(
        &["report"],
        &[("clean", Some(clean)), ("weather", Some(weather))],
    ));
    memory
}

fn asked() -> Asked {
    Asked {
        data: Some(sha("report")),
        level: Level::L1,
        reach: Reach {
            depth: None,
            stages: 1000,
            links: 1000,
        },
    }
}

fn bill(memory: &mut Memory) -> Json {
    let described = Described {
        data_was_read: true,
        ..Described::default()
    };
    create(&memory.back("report"), &described, &now()).expect("a DBOM")
}

fn examine(memory: &mut Memory, dbom: &Json) -> Report {
    let bytes = to_canonical(dbom).expect("canonical");
    verify(&bytes, memory, &asked(), now())
}

/// The ids under which a changed DBOM fails.
fn failures(change: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let mut memory = library();
    let good = bill(&mut memory);
    let report = examine(&mut memory, &good);
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.checks);
    let text = good.to_string();
    let changed = change(&text);
    assert_ne!(changed, text, "nothing was changed");
    let report = examine(&mut memory, &json(&changed));
    assert_ne!(report.verdict, Verdict::Pass, "{changed}");
    let failed = report.with_outcome(Outcome::Fail);
    failed.map(|check| (check.id, check.path.clone())).collect()
}

/// The DBOM without the item of `list` that has this name.
fn without(text: &str, list: &str, name: &str) -> String {
    let mut dbom = json(text);
    let Json::Object(members) = &mut dbom else {
        panic!("an object")
    };
    let Some(Json::Array(items)) = members.get_mut(list) else {
        panic!("a list")
    };
    let before = items.len();
    items.retain(|item| item.get("name").and_then(Json::as_str) != Some(name));
    assert_eq!(items.len() + 1, before);
    dbom.to_string()
}

#[test]
fn a_dbom_is_made_from_the_lineage_and_passes() {
    let mut memory = library();
    let dbom = bill(&mut memory);
    let names = |key: &str| -> Vec<String> {
        let items = dbom.get(key).and_then(Json::as_array).expect("a list");
        let name = |item: &Json| item.get("name").and_then(Json::as_str).map(str::to_owned);
        items.iter().filter_map(name).collect()
    };
    assert_eq!(names("sources"), ["sales", "weather"]);
    assert_eq!(names("transformations"), ["filter", "filter"]);
    let text = dbom.to_string();
    for part in [
        "\"contribution\":{\"recordCount\":30,\"recordPercentage\":75}",
        "\"geography\":\"DE\"",
        "\"license\":{\"identifier\":\"CC-BY-4.0\"}",
        "no licence is declared for weather",
        "\"basis\":{",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let checks = Dbom::check(dbom.clone());
    assert!(checks.is_empty(), "{checks:?}");
    let report = examine(&mut memory, &dbom);
    assert_eq!(
        (report.verdict, report.level),
        (Verdict::Pass, Some(Level::L1))
    );
}

#[test]
fn attack_76_a_level_above_the_evidence_is_refused() {
    let claim = |text: &str| text.replacen("\"makotoLevel\":\"L1\"", "\"makotoLevel\":\"L2\"", 1);
    assert_eq!(
        failures(claim),
        [("DBOM", "dataset.makotoLevel".to_owned())]
    );
    let overall = |text: &str| {
        text.replace(
            "\"overallMakotoLevel\":\"L1\"",
            "\"overallMakotoLevel\":\"L3\"",
        )
    };
    assert_eq!(
        failures(overall),
        [("DBOM", "compliance.overallMakotoLevel".to_owned())]
    );
}

#[test]
fn attack_77_a_source_or_step_that_is_left_out_is_named() {
    let source = failures(|text| without(text, "sources", "weather"));
    assert_eq!(source, [("L2.V.9", "sources".to_owned())]);
    let mut memory = library();
    let steps = bill(&mut memory).to_string();
    let first = json(&steps)
        .get("transformations")
        .and_then(Json::as_array)
        .expect("a list")[0]
        .to_string();
    let omitted = failures(|text| text.replace(&format!("{first},"), ""));
    assert_eq!(omitted, [("L2.V.9", "transformations".to_owned())]);
}

#[test]
fn attack_78_the_dataset_must_be_what_the_last_step_made() {
    let other = sha("something else").to_string();
    let report = sha("report").to_string();
    let failed = failures(|text| text.replace(&report, &other));
    assert!(
        failed.contains(&("L2.V.10", "dataset.digest.sha256".to_owned())),
        "{failed:?}"
    );
    assert!(
        failed.contains(&("V3", "dataset.digest.sha256".to_owned())),
        "{failed:?}"
    );
}

#[test]
fn attack_79_steps_must_stand_in_an_order_that_their_inputs_allow() {
    let swap = |text: &str| {
        text.replace("\"order\":1", "\"order\":9")
            .replace("\"order\":2", "\"order\":1")
            .replace("\"order\":9", "\"order\":2")
    };
    let failed = failures(swap);
    assert!(
        failed
            .iter()
            .all(|(id, path)| *id == "DBOM" && path.ends_with(".order")),
        "{failed:?}"
    );
    assert!(!failed.is_empty());
}

#[test]
fn attack_80_what_a_dbom_says_of_its_own_verification_counts_for_nothing() {
    let mut memory = library();
    let claims = bill(&mut memory).to_string().replace(
        "\"chainVerified\":true",
        "\"allSignaturesValid\":true,\"chainVerified\":true",
    );
    let report = examine(&mut memory, &json(&claims));
    assert_eq!(
        (report.verdict, report.level),
        (Verdict::Pass, Some(Level::L1))
    );
    let bytes = claims.into_bytes();
    let level = Level::L2;
    let report = verify(&bytes, &mut memory, &Asked { level, ..asked() }, now());
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(
        report
            .with_outcome(Outcome::Fail)
            .any(|check| check.id == "L2.P.1")
    );
}

#[test]
fn attack_81_a_dbom_past_its_time_is_a_finding() {
    let mut memory = library();
    let valid_until = DateTime::parse("2026-11-21T11:59:59Z").expect("a time");
    let described = Described {
        valid_until: Some(valid_until),
        ..Described::default()
    };
    let dbom = create(&memory.back("report"), &described, &now()).expect("a DBOM");
    let report = examine(&mut memory, &dbom);
    assert!(
        report
            .with_outcome(Outcome::Warn)
            .any(|check| check.id == "L2.V.7")
    );
}

const OLD: &str = r#"{"schema_version":"0.1","id":"dbom-1","created_at":"2025-01-01T00:00:00Z",
  "source":{"uri":"s3://bucket/data.csv","hash":{"algorithm":"sha256","value":"DIGEST"},"format":"csv"},
  "signature":{"algorithm":"sha256","value":"DIGEST","signer":"github:someone"},
  "lineage":[{"step":1,"description":"clean","tool":"pandas","input_hash":"n/a","output_hash":"DIGEST"}]}"#;

#[test]
fn attack_82_the_old_form_is_imported_and_never_above_l1() {
    let old = OLD.replace("DIGEST", &sha("data").to_string());
    let (imported, checks) = import(json(&old), &now());
    assert!(
        checks.iter().all(|check| check.outcome == Outcome::Warn),
        "{checks:?}"
    );
    let imported = imported.expect("a DBOM");
    assert!(
        Dbom::check(imported.clone())
            .iter()
            .all(|check| check.outcome != Outcome::Fail)
    );
    let mut memory = library();
    let bytes = to_canonical(&imported).expect("canonical");
    let unread = Asked {
        data: None,
        ..asked()
    };
    let report = verify(&bytes, &mut memory, &unread, now());
    assert_eq!((report.verdict, report.level), (Verdict::Unknown, None));
    for (level, verdict) in [(Level::L1, Verdict::Unknown), (Level::L2, Verdict::Fail)] {
        let report = verify(
            old.as_bytes(),
            &mut memory,
            &Asked { level, ..asked() },
            now(),
        );
        assert_eq!(report.verdict, verdict);
    }
    for (from, to) in [
        ("\"step\":1", "\"step\":2"),
        ("\"output_hash\":\"", "\"output_hash\":\"x"),
        ("\"0.1\"", "\"0.2\""),
        ("\"signer\"", "\"signed\""),
    ] {
        let (none, checks) = import(json(&old.replace(from, to)), &now());
        assert!(
            none.is_none() && checks.iter().any(|c| c.outcome == Outcome::Fail),
            "{to}"
        );
    }
}

#[test]
fn what_a_dbom_adds_or_inflates_is_refused() {
    for (from, to, path) in [
        (
            "\"recordCount\":30",
            "\"recordCount\":300",
            "sources[0].contribution.recordCount",
        ),
        (
            "\"recordPercentage\":25",
            "\"recordPercentage\":5",
            "sources[1].contribution.recordPercentage",
        ),
        (
            "\"geography\":\"DE\"",
            "\"geography\":\"US\"",
            "sources[0].geography",
        ),
        ("\"CC-BY-4.0\"}", "\"CC0-1.0\"}", "sources[0].license"),
        (
            "\"inputs\":[\"sales\"]",
            "\"inputs\":[\"tales\"]",
            "transformations[0].inputs",
        ),
        (
            "transforms/filter",
            "transforms/anonymization",
            "transformations[0].transformType",
        ),
        ("\"name\":\"report\"", "\"name\":\"other\"", "dataset.name"),
    ] {
        let failed = failures(|text| text.replacen(from, to, 1));
        assert_eq!(failed, [("DBOM", path.to_owned())]);
    }
}

#[test]
fn a_source_that_is_not_behind_the_data_or_stands_twice_is_refused() {
    let mut memory = library();
    let stranger = memory.add(&origin("stranger", "https://stranger.example.com"));
    let good = bill(&mut memory).to_string();
    let first = json(&good)
        .get("sources")
        .and_then(Json::as_array)
        .expect("a list")[0]
        .to_string();
    let added = format!(
        "{{\"attestationRef\":\"urn:makoto:attestation:sha256:{stranger}\",\"name\":\"stranger\"}}"
    );
    for more in [added, first.clone()] {
        let changed = good.replacen(&first, &format!("{first},{more}"), 1);
        let report = examine(&mut memory, &json(&changed));
        let failed: Vec<_> = report
            .with_outcome(Outcome::Fail)
            .map(|check| check.id)
            .collect();
        assert_eq!(failed, ["L2.V.9"], "{:?}", report.checks);
    }
}

#[test]
fn other_data_fails_and_unread_data_is_said() {
    let mut memory = library();
    let bytes = to_canonical(&bill(&mut memory)).expect("canonical");
    let mut with =
        |data: Option<Digest>| verify(&bytes, &mut memory, &Asked { data, ..asked() }, now());
    assert_eq!(with(Some(sha("other"))).verdict, Verdict::Fail);
    let unread = with(None);
    assert_eq!(unread.verdict, Verdict::Pass);
    assert!(
        unread
            .with_outcome(Outcome::Warn)
            .any(|check| check.id == "V3")
    );
}

#[test]
fn no_dbom_of_a_lineage_that_is_not_whole() {
    let mut memory = library();
    let dbom = bill(&mut memory);
    let weather = memory.about_id("weather");
    memory.documents.remove(&weather);
    let described = Described::default();
    let error = create(&memory.back("report"), &described, &now());
    assert!(matches!(error, Err(NoDbom::Incomplete(_))), "{error:?}");
    assert_eq!(examine(&mut memory, &dbom).verdict, Verdict::Unknown);
    let mut memory = library();
    memory.add(&step(&["report"], &[("weather", Some(weather))]));
    let error = create(&memory.back("report"), &described, &now());
    assert!(matches!(error, Err(NoDbom::Conflict(_))), "{error:?}");
}

#[test]
fn a_difference_names_what_changed_and_not_what_moved() {
    let mut memory = library();
    let old = bill(&mut memory);
    let text = old.to_string();
    assert_eq!(diff(&old, &old), []);
    let paths = |new: &str| -> Vec<String> {
        diff(&old, &json(new))
            .into_iter()
            .map(|change| change.path)
            .collect()
    };
    let first = old.get("sources").and_then(Json::as_array).expect("a list")[0].to_string();
    assert_eq!(
        paths(&text.replace(&format!("{first},"), "")),
        ["sources[\"sales\"]"]
    );
    assert_eq!(
        paths(&text.replace("\"geography\":\"DE\"", "\"geography\":\"FR\"")),
        ["sources[\"sales\"].geography"]
    );
    assert_eq!(
        paths(&text.replace("2026-11-21T12:00:00Z", "2027-01-01T00:00:00Z")),
        [""; 0]
    );
}
