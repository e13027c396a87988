//! Trust is the verifier's own: names and paths (attack 87), and what no policy says.

use makoto::report::{Level, Outcome, Verdict};

use crate::world::{By, COLLECTOR_RULE, Case, DATA, origin, policy, signed};

const LAX: &str = "[[dataset]]\nname = \"dataset:scratch*\"\nrequire = \"L2\"\n\
                   signers = [{ uri = \"https://acme.example/**\", ca = \"acme\" }]\n";

#[test]
fn attack_87_scratch_data_under_a_name_whose_rule_is_lax() {
    let scratch = signed(&origin("dataset:scratch", DATA), By::Certificate("other"));
    let both = format!(
        "{}{LAX}",
        policy(COLLECTOR_RULE, "paths = [\"warehouse/sales/*\"]")
    );
    let case = |name, path| Case {
        policy: both.clone(),
        attestations: scratch.clone(),
        name,
        path,
        ..Case::default()
    };
    // Where only its own statement says what it is, every rule must hold.
    case(None, None).fails(&["L2.V.4"]);
    // Asked for the expected dataset, or found where that lies.
    case(Some("dataset:sales"), None).fails(&["V2", "L2.V.4"]);
    case(None, Some("warehouse/sales/a.csv")).fails(&["L2.V.4"]);
    // Asked for as scratch, it is scratch.
    case(Some("dataset:scratch"), None).passes();
    case(None, Some("elsewhere/a.csv")).fails(&["L2.V.4"]);
}

#[test]
fn data_at_a_path_is_judged_by_the_rules_for_the_path_and_for_its_name() {
    let both = format!(
        "{}{LAX}",
        policy(COLLECTOR_RULE, "paths = [\"warehouse/sales/*\"]")
    );
    let case = |path| Case {
        policy: both.clone(),
        path: Some(path),
        ..Case::default()
    };
    case("warehouse/sales/a.csv").passes();
    // No rule is for this path, so that every rule counts; the lax one allows the collector too.
    case("warehouse/other/a.csv").passes();
}

#[test]
fn data_at_a_url_is_judged_by_the_rules_for_it() {
    let both = format!(
        "{}{LAX}",
        policy("", "paths = [\"s3://warehouse/sales/*\"]").replace("sales*", "sales")
    );
    let case = |path| Case {
        policy: both.replace("scratch*", "*"),
        path: Some(path),
        ..Case::default()
    };
    let failed = |path| {
        let report = case(path).judge();
        let mut failed = report.with_outcome(Outcome::Fail);
        failed.any(|check| check.id == "L2.V.4" && report.verdict == Verdict::Fail)
    };
    assert!(failed("s3://warehouse/sales/a.csv"));
    // The lax rule is for its name wherever it lies, and the strict one for its name as well.
    assert!(failed("s3://elsewhere/sales/a.csv"));
    let lax_there = Case {
        policy: both
            .replace("s3://warehouse", "s3://other")
            .replace("name = \"dataset:sales\"", "name = \"dataset:else\"")
            .replace(
                "dataset:scratch*\"",
                "dataset:*\"\npaths = [\"s3://warehouse/**\"]",
            ),
        ..case("s3://warehouse/sales/a.csv")
    };
    assert_eq!(lax_there.judge().verdict, Verdict::Pass);
}

#[test]
fn every_rule_that_matches_must_hold_and_not_the_first() {
    let stricter = "[[dataset]]\nname = \"dataset:*\"\nrequire = \"L2\"\nmax-age = \"1h\"\n\
                    signers = [{ uri = \"https://acme.example/**\", ca = \"acme\" }]\n";
    let case = Case {
        policy: format!("{}{stricter}", policy(COLLECTOR_RULE, "")),
        name: Some("dataset:sales"),
        ..Case::default()
    };
    case.fails(&["L2.V.7"]);
    Case::default().passes();
}

#[test]
fn every_rule_counts_though_all_stand_on_one_line() {
    let signers = format!("signers = [{COLLECTOR_RULE}]");
    let lax = format!("{{ name = \"dataset:*\", require = \"L2\", {signers} }}");
    let strict = "{ name = \"dataset:sales\", require = \"L2\", signers = [] }";
    let head = "version = 1\ntrusted-root = \"root.json\"\n";
    for (between, name) in [(", ", None), (", ", Some("dataset:sales")), (",\n", None)] {
        let case = |rules: String| Case {
            policy: format!("{head}dataset = [{rules}]\n"),
            name,
            ..Case::default()
        };
        case(lax.clone()).passes();
        case([lax.as_str(), strict].join(between)).fails(&["L2.V.4"]);
        case([strict, lax.as_str()].join(between)).fails(&["L2.V.4"]);
    }
}

#[test]
fn a_rule_that_is_content_with_l1_still_asks_what_it_can() {
    let statement = origin("dataset:sales", DATA);
    let case = |terms: &str| Case {
        policy: policy("", terms).replace("\"L2\"", "\"L1\""),
        attestations: crate::world::bytes(&statement),
        ..Case::default()
    };
    let passes = |case: Case<'_>| assert_eq!(case.report().level, Some(Level::L1));
    passes(case(""));
    passes(case("max-age = \"1d\""));
    case("max-age = \"23h\"").fails(&["L2.V.7"]);
    passes(case("sources = [\"https://erp.acme.example/**\"]"));
    case("sources = [\"https://other.example/**\"]").fails(&["L2.V.4"]);
    // A signature, good or bad, takes nothing of that away.
    let signed = Case {
        attestations: signed(&statement, By::Certificate("collector")),
        ..case("max-age = \"23h\"")
    };
    signed.fails(&["L2.V.7"]);
}

#[test]
fn data_from_the_future_is_not_young() {
    let statement = |collected: &str| {
        let source = "https://erp.acme.example/sales";
        let collector = crate::world::COLLECTOR;
        crate::world::bytes(&crate::world::origin_of(
            "dataset:sales",
            DATA,
            source,
            collected,
            collector,
        ))
    };
    let case = |collected: &str| Case {
        policy: policy("", "max-age = \"30d\"").replace("\"L2\"", "\"L1\""),
        attestations: statement(collected),
        ..Case::default()
    };
    assert_eq!(case("2026-06-02T08:05:00Z").report().level, Some(Level::L1));
    case("2026-06-02T08:05:01Z").fails(&["L2.V.7"]);
    case("9999-01-01T00:00:00Z").fails(&["L2.V.7"]);
}

#[test]
fn attack_45_windows_of_the_same_bytes_from_other_sources_are_a_conflict() {
    let window = |source: &str, by| {
        let mut stream = makoto::json::Object::new();
        stream.insert("id", "clicks".into());
        stream.insert("source", source.into());
        let window = crate::world::window("dataset:sales", DATA, stream);
        let own = match by {
            "other" => window.to_string().replace("collectors/1", "collectors/2"),
            _ => window.to_string(),
        };
        let limits = makoto::limits::Limits::DEFAULT;
        let window = makoto::json::Json::parse(own.as_bytes(), &limits).expect("JSON");
        signed(&window, By::Certificate(by))
    };
    let rule = r#"{ uri = "https://acme.example/**", ca = "acme" }"#;
    let case = |parts: [Vec<u8>; 2], terms: &str| Case {
        policy: policy(rule, terms),
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    let (one, other) = (
        window("kafka://good.example/c", "collector"),
        window("kafka://evil.example/c", "other"),
    );
    case([other.clone(), one.clone()], "").warns("D1");
    case([other, one.clone()], "strict = true").fails(&["D1"]);
    case([one.clone(), one], "strict = true").passes();
}

#[test]
fn a_window_comes_from_a_source_that_the_rule_lists() {
    let window = |source: Option<&str>| {
        let mut stream = makoto::json::Object::new();
        stream.insert("id", "clicks".into());
        if let Some(source) = source {
            stream.insert("source", source.into());
        }
        signed(
            &crate::world::window("dataset:sales", DATA, stream),
            By::Certificate("collector"),
        )
    };
    let case = |source| Case {
        policy: policy(COLLECTOR_RULE, "sources = [\"kafka://acme.example/*\"]"),
        attestations: window(source),
        ..Case::default()
    };
    case(Some("kafka://acme.example/clicks")).passes();
    case(Some("kafka://evil.example/clicks")).fails(&["L2.V.4"]);
    case(None).fails(&["L2.V.4"]);
}

#[test]
fn a_source_that_the_rule_does_not_list() {
    let case = |sources: &str| Case {
        policy: policy(COLLECTOR_RULE, &format!("sources = [\"{sources}\"]")),
        ..Case::default()
    };
    case("https://erp.acme.example/**").passes();
    case("https://erp.acme.example/purchases").fails(&["L2.V.4"]);
}

#[test]
fn l3_is_not_given_by_this_version() {
    let case = Case {
        level: Some(Level::L3),
        ..Case::default()
    };
    case.fails(&["L3.V.7"]);
}

#[test]
fn a_policy_that_looks_at_no_inputs_gives_l1_at_most() {
    let text = policy(COLLECTOR_RULE, "").replace("\"L2\"", "\"L1\"");
    let case = Case {
        policy: format!("{text}lineage = \"none\"\n"),
        ..Case::default()
    };
    let report = case.report();
    assert_eq!(report.level, Some(Level::L1));
    let case = Case {
        level: Some(Level::L2),
        ..case
    };
    case.fails(&["L2.V.9"]);
}

#[test]
fn without_a_rule_nothing_is_trusted_at_any_level() {
    let case = Case {
        policy: policy(COLLECTOR_RULE, "").replace("sales*", "payroll*"),
        level: Some(Level::L1),
        ..Case::default()
    };
    let report = case.fails(&["L2.V.4"]);
    assert!(report.with_outcome(Outcome::Fail).count() > 0);
}

/// A second rule for all sales, with these terms.
fn and(require: &str, terms: &str) -> String {
    format!(
        "[[dataset]]\nname = \"dataset:*\"\nrequire = \"{require}\"\nsigners = [{COLLECTOR_RULE}]\n{terms}\n"
    )
}

#[test]
fn the_highest_level_that_a_rule_requires_counts() {
    let unsigned = crate::world::bytes(&origin("dataset:sales", DATA));
    let case = |first: &str, second: &str| Case {
        policy: format!(
            "{}{}",
            policy(COLLECTOR_RULE, "").replace("\"L2\"", &format!("\"{first}\"")),
            and(second, "")
        ),
        attestations: unsigned.clone(),
        ..Case::default()
    };
    case("L1", "L2").fails(&["L2.P.1"]);
    case("L2", "L1").fails(&["L2.P.1"]);
    assert_eq!(case("L1", "L1").report().level, Some(Level::L1));
}

#[test]
fn a_rule_that_is_strict_makes_all_of_them_strict() {
    // Collected long before it was signed: a finding, which fails where any rule is strict.
    let case = |first: &str, second: &str| Case {
        policy: format!("{}{}", policy(COLLECTOR_RULE, first), and("L2", second)),
        ..Case::default()
    };
    let delay = "max-signing-delay = \"59s\"";
    let both = format!("{delay}\nstrict = true");
    case(delay, "").warns("L2.P.7");
    case(&both, "").fails(&["L2.P.7"]);
    case(delay, &both).fails(&["L2.P.7"]);
}

#[test]
fn only_the_subject_with_the_digest_of_the_data_counts() {
    let (lax, other) = ("dataset:lax", b"other".as_slice());
    let both = |subjects: &[(&str, &[u8])]| {
        let predicate = origin("dataset:sales", DATA).get("predicate").cloned();
        let statement =
            crate::world::statement("origin", subjects, predicate.expect("a predicate"));
        Case {
            policy: format!(
                "{}[[dataset]]\nname = \"dataset:lax\"\nrequire = \"L2\"\nsigners = [{COLLECTOR_RULE}]\n",
                policy("", "")
            ),
            attestations: signed(&statement, By::Certificate("collector")),
            name: Some(lax),
            ..Case::default()
        }
    };
    // Asked for as what nobody is strict about, the data is what its digest says.
    both(&[(lax, other), ("dataset:sales", DATA)]).fails(&["V2"]);
    both(&[("dataset:sales", DATA), (lax, other)]).fails(&["V2"]);
    both(&[(lax, DATA), ("dataset:sales", other)]).passes();
}

#[test]
fn the_nearest_signer_of_a_rule_is_told() {
    let rule = r#"{ email = "bob@other.example", ca = "acme" },
        { uri = "https://acme.example/collectors/11", ca = "acme" },
        { uri = "https://elsewhere.example/x", ca = "acme" }"#;
    let case = Case {
        policy: policy(&rule.replace('\n', ""), ""),
        ..Case::default()
    };
    let report = case.fails(&["L2.V.4"]);
    let mut failed = report.with_outcome(Outcome::Fail);
    let told = failed.find(|check| check.id == "L2.V.4").expect("L2.V.4");
    assert!(told.message.contains("collectors/11"), "{}", told.message);
    Case::default().passes();
}
