//! Runs the one-case files of `testkit/`, and those of the conformance corpus where it is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::merkle::{verify_consistency, verify_inclusion};
use makoto::predicate::PredicateType;
use makoto::record::{Encoding, Format, Quote, Records, Separator, Settings};
use makoto::report::{Level, Outcome, Report, Verdict};
use makoto::schema::Kind;
use makoto::validate::validate;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cases of `testkit/<kind>`, of the corpus beside the checkout, and of the folder that the
/// environment variable names.
fn cases(kind: &str, variable: &str) -> Vec<(String, Json)> {
    let own = root().join("testkit").join(kind);
    let corpus = root().join("../shared/conformance").join(kind);
    let named = std::env::var_os(variable).map(PathBuf::from);
    let mut cases = Vec::new();
    assert!(own.is_dir(), "{} is missing", own.display());
    if let Some(named) = &named {
        assert!(named.is_dir(), "{} is not a folder", named.display());
    }
    for folder in [Some(own), Some(corpus), named].into_iter().flatten() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let bytes = std::fs::read(&path).expect("a readable case");
            let case = Json::parse(&bytes, &Limits::DEFAULT).expect("a case in JSON");
            cases.push((path.display().to_string(), case));
        }
    }
    cases
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn document(case: &Json) -> Vec<u8> {
    match case.get("input_base64").and_then(Json::as_str) {
        Some(base64) => STANDARD.decode(base64).expect("base64"),
        None => case
            .get("input")
            .expect("an input")
            .to_string()
            .into_bytes(),
    }
}

fn judge(document: &[u8], level: Level) -> Report {
    validate(document, level, DateTime::from_unix(0).expect("a time"))
}

fn mentions(report: &Report, outcome: Outcome, hint: &str) -> bool {
    let hint = hint.to_lowercase();
    report.with_outcome(outcome).any(|check| {
        let message = format!("{} {}", check.path, check.message).to_lowercase();
        message.contains(&hint)
    })
}

/// What is wrong with the answer to a case, if anything.
fn divergence(case: &Json) -> Option<String> {
    let document = document(case);
    let report = judge(&document, Level::L1);
    let expected = match text(case, "expect") {
        "either" => text(case, "recommended"),
        expect => expect,
    };
    let wanted = match expected.split([' ', ';']).next() {
        Some("valid") => Verdict::Pass,
        Some("structurally") => Verdict::Pass,
        Some("invalid") => Verdict::Fail,
        other => panic!("unknown verdict {other:?}"),
    };
    if report.verdict != wanted {
        return Some(format!("{:?}: {:#?}", report.verdict, report.checks));
    }
    let hint = text(case, "reason_contains");
    if wanted == Verdict::Fail && !mentions(&report, Outcome::Fail, hint) {
        return Some(format!(
            "no failure mentions {hint:?}: {:#?}",
            report.checks
        ));
    }
    let warned = match expected.contains("with warning") {
        true => hint,
        false => text(case, "warning_contains"),
    };
    let must_warn = expected.contains("with warning") || !warned.is_empty();
    if must_warn && !mentions(&report, Outcome::Warn, warned) {
        return Some(format!(
            "no warning mentions {warned:?}: {:#?}",
            report.checks
        ));
    }
    if let Some(Json::String(at_l2)) = case.get("expect_at").and_then(|at| at.get("L2")) {
        let report = judge(&document, Level::L2);
        if (report.verdict == Verdict::Fail) != (at_l2 == "invalid") {
            return Some(format!("at L2 {:?}: {:#?}", report.verdict, report.checks));
        }
    }
    None
}

#[test]
fn every_statement_case_gets_its_verdict_hint_and_warning() {
    let cases = cases("statements", "MAKOTO_STATEMENT_CASES");
    assert!(cases.len() >= 120, "only {} cases", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(path, case)| Some(format!("{path}: {}", divergence(case)?)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_valid_case_is_written_and_read_back_unchanged() {
    let mut written = 0;
    for (path, case) in cases("statements", "MAKOTO_STATEMENT_CASES") {
        let document = document(&case);
        let Ok(value) = Json::parse(&document, &Limits::DEFAULT) else {
            continue;
        };
        let (Some(statement), _) = makoto::statement::Statement::read(value.clone(), Level::L1)
        else {
            continue;
        };
        assert_eq!(statement.to_json(), value, "{path}");
        if let Ok(line) = statement.to_canonical() {
            let again = Json::parse(&line, &Limits::DEFAULT).expect("what we wrote");
            let again = makoto::canonical::to_canonical(&again).expect("canonical again");
            assert_eq!(again, line, "{path}");
            written += 1;
        }
    }
    assert!(written > 50, "only {written} statements were written");
}

/// What JSON Schema cannot say, or its library does not check, by the path that the reader names.
const ONLY_THE_READER: &[(&str, &str)] = &[
    ("windowEnd", "times in order"),
    ("finishedOn", "times in order"),
    ("endTime", "times in order"),
    ("merkleRoot", "values that agree across the document"),
    ("previousWindow", "values that agree across the document"),
    ("leafCount", "values that agree across the document"),
    ("merkleTree.root", "length by algorithm"),
    ("previousMerkleRoot", "the form of a root of any algorithm"),
    ("dirHash", "values that agree across the document"),
    (".order", "values that differ across the document"),
    (".quote", "values that differ across the document"),
    (".encoding", "values that fit each other"),
];

#[test]
fn schemas_agree_with_the_reader() {
    let validators = Kind::ALL.map(|kind| {
        let schema: serde_json::Value =
            serde_json::from_str(&kind.schema().to_string()).expect("JSON");
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("a good schema");
        (kind, validator)
    });
    let mut compared = 0;
    let mut disagreements = Vec::new();
    for (path, case) in cases("statements", "MAKOTO_STATEMENT_CASES") {
        let document = document(&case);
        let (Ok(value), Ok(instance)) = (
            Json::parse(&document, &Limits::DEFAULT),
            serde_json::from_slice::<serde_json::Value>(&document),
        ) else {
            continue;
        };
        let kind = match makoto::dbom::Dbom::is_likely(&value) {
            true => Kind::Dbom,
            false => {
                let url = value.get("predicateType").and_then(Json::as_str);
                match url.and_then(PredicateType::from_url) {
                    Some(kind) => Kind::Statement(kind),
                    None => continue,
                }
            }
        };
        let (_, validator) = validators
            .iter()
            .find(|(k, _)| *k == kind)
            .expect("a schema");
        let report = judge(&document, Level::L1);
        let schema_accepts = validator.is_valid(&instance);
        let reader_accepts = report.verdict == Verdict::Pass;
        let excused = schema_accepts
            && report.with_outcome(Outcome::Fail).all(|check| {
                let leap_second = check.found.as_ref().is_some_and(|f| f.contains(":60"));
                leap_second
                    || ONLY_THE_READER
                        .iter()
                        .any(|(end, _)| check.path.ends_with(end))
            });
        if schema_accepts != reader_accepts && !excused {
            let errors: Vec<_> = validator
                .iter_errors(&instance)
                .map(|e| e.to_string())
                .collect();
            disagreements.push(format!(
                "{path}: schema {errors:?}, reader {:#?}",
                report.checks
            ));
        }
        compared += 1;
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(compared > 200, "only {compared} cases");
}

#[test]
fn committed_schemas_are_current() {
    for kind in Kind::ALL {
        let path = root().join("schemas").join(format!("{}.json", kind.name()));
        let schema = format!("{:#}\n", kind.schema());
        if std::env::var_os("MAKOTO_UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &schema).expect("written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == schema,
            "{} is stale: run `make schemas`",
            path.display()
        );
    }
}

fn settings(case: &Json) -> Settings {
    let value = case.get("settings").expect("settings");
    let mut settings = Settings::for_format(match text(value, "format") {
        "csv" => Format::Csv,
        "jsonl" => Format::JsonLines,
        other => panic!("unknown format {other}"),
    });
    if text(value, "encoding") == "rfc8785" {
        settings.encoding = Some(Encoding::Rfc8785);
    }
    if let Some(Json::Bool(header)) = value.get("header") {
        settings.header = Some(*header);
    }
    if let Some(Json::String(delimiter)) = value.get("delimiter") {
        settings.delimiter = Some(Separator::parse(delimiter).expect("a delimiter"));
    }
    settings.quote = match value.get("quote") {
        Some(Json::String(quote)) => Some(Quote::parse(quote).expect("a quote")),
        Some(Json::Null) => Some(Quote::None),
        _ => settings.quote,
    };
    settings
}

#[test]
fn every_record_case_gets_its_count_and_root() {
    let cases = cases("records", "MAKOTO_RECORD_CASES");
    assert!(cases.len() >= 40);
    for (path, case) in cases {
        let data = STANDARD.decode(text(&case, "data_base64")).expect("base64");
        let found = Records::of(&data, &settings(&case));
        match (case.get("error"), found) {
            (Some(_), Err(error)) => {
                let hint = text(&case, "error_contains");
                assert!(error.to_string().contains(hint), "{path}: {error}");
            }
            (None, Ok(records)) => {
                assert_eq!(
                    records.count.to_string(),
                    text(&case, "recordCount"),
                    "{path}"
                );
                assert_eq!(
                    records.root.to_string(),
                    text(&case, "merkleRoot"),
                    "{path}"
                );
                if let Some(header) = case.get("headerDigest") {
                    let found = records.header_digest.map(|d| d.to_string());
                    assert_eq!(found.as_deref(), header.as_str(), "{path}");
                }
            }
            (expected, found) => panic!("{path}: expected error {expected:?}, found {found:?}"),
        }
    }
}

/// A hash of a case. Some cases have values of another length where only equality matters; a
/// digest of them keeps that and can be no hash of a tree. An empty one is none at all.
fn hash(value: &Json) -> Option<Digest> {
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    if bytes.is_empty() {
        return None;
    }
    let exact = <[u8; 32]>::try_from(bytes.as_slice()).ok();
    Some(exact.map_or_else(|| Digest::of(&bytes), Digest::from))
}

fn holds(case: &Json) -> Option<bool> {
    let number = |key: &str| match case.get(key) {
        Some(Json::Number(number)) => number.as_u64(),
        _ => None,
    };
    let digest = |key: &str| case.get(key).and_then(hash);
    let proof = match case.get("proof") {
        Some(Json::Array(items)) => items.iter().map(hash).collect::<Option<Vec<_>>>()?,
        _ => Vec::new(),
    };
    Some(if case.get("leafIdx").is_some() {
        let (index, size) = (number("leafIdx")?, number("treeSize")?);
        verify_inclusion(&digest("leafHash")?, index, size, &proof, &digest("root")?).is_ok()
    } else {
        let (older, newer) = (number("size1")?, number("size2")?);
        verify_consistency(older, newer, &proof, &digest("root1")?, &digest("root2")?).is_ok()
    })
}

#[test]
fn every_merkle_probe_gets_its_verdict() {
    let cases = cases("merkle", "MAKOTO_MERKLE_CASES");
    assert!(cases.len() >= 25);
    let mut verdicts = BTreeSet::new();
    for (path, case) in cases {
        // An index below zero cannot even be asked about.
        let holds = holds(&case).unwrap_or(false);
        assert_eq!(Some(&Json::Bool(!holds)), case.get("wantErr"), "{path}");
        verdicts.insert(holds);
    }
    assert_eq!(verdicts.len(), 2, "both verdicts occur");
}
