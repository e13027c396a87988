//! Direct inputs (attacks 36 to 39, 41 and 47), and conflicts (45).

use makoto::digest::Digest;
use makoto::report::{Level, Outcome, Verdict};

use crate::world::{
    By, CLEAN, COLLECTOR_RULE, Case, DATA, bytes, good, input, origin, origin_of, policy, signed,
    transform,
};

/// Rules for raw sales and for what is made of them.
fn rules(terms: &str) -> String {
    policy(COLLECTOR_RULE, terms)
}

fn id_of(statement: &[u8]) -> Digest {
    Digest::of(statement)
}

/// The id of the good origin's statement.
fn origin_id() -> Digest {
    id_of(&bytes(&origin("dataset:sales", DATA)))
}

/// Cleaned sales, made of these inputs, signed.
fn cleaned(inputs: Vec<makoto::json::Json>) -> Vec<u8> {
    let statement = transform("dataset:sales_clean", CLEAN, inputs);
    signed(&statement, By::Certificate("collector"))
}

fn case(inputs: Vec<makoto::json::Json>, found: Vec<Vec<u8>>) -> Case<'static> {
    Case {
        policy: rules(""),
        attestations: cleaned(inputs),
        data: CLEAN,
        inputs: found,
        ..Case::default()
    }
}

fn good_input() -> makoto::json::Json {
    input("dataset:sales", &Digest::of(DATA), Some(&origin_id()))
}

fn good_case() -> Case<'static> {
    case(vec![good_input()], vec![good().to_vec()])
}

#[test]
fn a_step_over_verified_origins_is_l2_as_a_whole() {
    let report = good_case().passes();
    assert_eq!(report.lineage_level, Some(Level::L2));
    let mut passed = report.with_outcome(Outcome::Pass);
    assert!(passed.any(|check| check.id == "L2.V.8"));
}

#[test]
fn attack_36_the_input_is_not_what_its_attestation_is_about() {
    let other = input("dataset:sales", &Digest::of(b"other"), Some(&origin_id()));
    case(vec![other], vec![good().to_vec()]).fails(&["L2.V.8"]);
    good_case().passes();
}

#[test]
fn attack_37_the_reference_leads_to_another_good_attestation() {
    let elsewhere = origin("dataset:sales_fr", b"id,amount\n9,9\n");
    let other = signed(&elsewhere, By::Certificate("collector"));
    let id = id_of(&bytes(&elsewhere));
    let swapped = input("dataset:sales", &Digest::of(DATA), Some(&id));
    case(vec![swapped], vec![good().to_vec(), other]).fails(&["L2.V.8"]);
    good_case().passes();
}

#[test]
fn attack_38_the_same_bytes_by_another_name_are_told() {
    let renamed = input("dataset:sales_raw", &Digest::of(DATA), Some(&origin_id()));
    let case = |terms: &str, input| Case {
        policy: rules(terms),
        ..case(vec![input], vec![good().to_vec()])
    };
    case("", renamed.clone()).warns("L2.V.8");
    case("strict = true", renamed).fails(&["L2.V.8"]);
    case("strict = true", good_input()).passes();
}

#[test]
fn attack_39_the_second_input_has_no_reference() {
    let bare = input("dataset:sales_b", &Digest::of(b"b"), None);
    case(vec![good_input(), bare], vec![good().to_vec()]).fails(&["L2.P.9"]);
    good_case().passes();
}

#[test]
fn an_input_without_sha256_is_no_input_at_l2() {
    let sha512 = makoto::json::Json::from([("sha512", "0".repeat(128).into())]);
    for digest in [Some(sha512), None] {
        let makoto::json::Json::Object(mut bare) = good_input() else {
            panic!("an object");
        };
        bare.remove("digest");
        if let Some(digest) = digest {
            bare.insert("digest", digest);
        }
        let bare = makoto::json::Json::Object(bare);
        case(vec![bare], vec![good().to_vec()]).fails(&["V4", "L2.P.8"]);
    }
    good_case().passes();
}

#[test]
fn attack_41_an_input_whose_attestation_is_gone_is_never_verified() {
    let report = case(vec![good_input()], Vec::new()).report();
    assert_eq!((report.verdict, report.level), (Verdict::Unknown, None));
    let mut skipped = report.with_outcome(Outcome::Skip);
    assert!(skipped.any(|check| check.id == "L2.V.8"));
    good_case().passes();
}

#[test]
fn attack_47_an_unsigned_ancestor_under_a_signed_child() {
    let bare = bytes(&origin("dataset:sales", DATA));
    case(vec![good_input()], vec![bare.clone()]).fails(&["L2.V.8"]);
    // The same bytes lie there signed as well.
    case(vec![good_input()], vec![bare, good().to_vec()]).passes();
}

#[test]
fn an_input_that_a_stranger_signed_is_refused_with_the_reason() {
    let by_other = signed(&origin("dataset:sales", DATA), By::Certificate("other"));
    let report = case(vec![good_input()], vec![by_other]).fails(&["L2.V.8"]);
    let failed = report
        .with_outcome(Outcome::Fail)
        .find(|check| check.id == "L2.V.8");
    assert!(failed.expect("L2.V.8").message.contains("L2.V.4"));
}

#[test]
fn an_input_must_satisfy_the_rules_of_both_its_names() {
    // The step calls it by a name whose rule is stricter.
    let renamed = input("dataset:sales_gold", &Digest::of(DATA), Some(&origin_id()));
    let mut case = case(vec![renamed], vec![good().to_vec()]);
    case.name = Some("dataset:sales_clean");
    case.passes();
    case.policy.push_str(
        "[[dataset]]\nname = \"dataset:sales_gold\"\nrequire = \"L2\"\n\
         signers = [{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }]\n",
    );
    case.fails(&["L2.V.8"]);
}

#[test]
fn an_input_must_satisfy_the_rule_of_its_own_name_whatever_the_step_calls_it() {
    let renamed = input("dataset:lax", &Digest::of(DATA), Some(&origin_id()));
    let rule = |name: &str, signers: &str| {
        format!("[[dataset]]\nname = \"{name}\"\nrequire = \"L2\"\nsigners = [{signers}]\n")
    };
    let case = |own: &str| Case {
        policy: format!(
            "{}{}{}",
            rules("").replace("dataset:sales*", "dataset:sales_clean"),
            rule("dataset:lax", COLLECTOR_RULE),
            rule("dataset:sales", own)
        ),
        name: Some("dataset:sales_clean"),
        ..case(vec![renamed.clone()], vec![good().to_vec()])
    };
    case(COLLECTOR_RULE).warns("L2.V.8");
    case("").fails(&["L2.V.8"]);
}

#[test]
fn the_rule_that_reaches_furthest_counts() {
    let middle = transform("dataset:sales_middle", b"middle", vec![good_input()]);
    let (id, middle) = (
        id_of(&bytes(&middle)),
        signed(&middle, By::Certificate("collector")),
    );
    let reference = input("dataset:sales_middle", &Digest::of(b"middle"), Some(&id));
    let two = |first: &str, second: &str| Case {
        policy: format!(
            "{}[[dataset]]\nname = \"dataset:*\"\nrequire = \"L2\"\nsigners = [{COLLECTOR_RULE}]\n{second}\n",
            rules(first)
        ),
        ..case(vec![reference.clone()], vec![middle.clone()])
    };
    let (direct, one, far) = ("lineage = \"direct\"", "depth = 1", "depth = 3");
    for (first, second) in [
        (direct, ""),
        ("", direct),
        (one, far),
        (far, one),
        (direct, far),
    ] {
        let report = two(first, second).report();
        assert_eq!(report.verdict, Verdict::Unknown, "{first}, {second}");
    }
    two(direct, direct).passes();
    two(one, direct).passes();
    two(one, one).passes();
}

#[test]
fn an_input_has_every_digest_that_the_step_gives_it() {
    let with = |count: &str| {
        let makoto::json::Json::Object(mut input) = good_input() else {
            panic!("an object");
        };
        let sha256 = Digest::of(DATA).to_string();
        let digest = [
            ("sha256", sha256.as_str().into()),
            ("recordCount", count.into()),
        ];
        input.insert("digest", makoto::json::Json::from(digest));
        makoto::json::Json::Object(input)
    };
    let makoto::json::Json::Object(mut counted) = origin("dataset:sales", DATA) else {
        panic!("an object");
    };
    let subject = makoto::json::Json::from([
        ("name", "dataset:sales".into()),
        (
            "digest",
            [
                ("sha256", Digest::of(DATA).to_string().into()),
                ("recordCount", "2".into()),
            ]
            .into(),
        ),
    ]);
    counted.insert("subject", [subject].into_iter().collect());
    let counted = makoto::json::Json::Object(counted);
    let id = id_of(&bytes(&counted));
    let found = signed(&counted, By::Certificate("collector"));
    let case = |count: &str| {
        let makoto::json::Json::Object(mut input) = with(count) else {
            panic!("an object");
        };
        let reference = makoto::attestation::Attestation::reference_to(&id);
        input.insert("attestationRef", reference.into());
        case(vec![makoto::json::Json::Object(input)], vec![found.clone()])
    };
    case("2").passes();
    case("3").fails(&["L2.V.8"]);
}

#[test]
fn a_longer_lineage_is_unknown_and_never_a_pass_unless_direct_is_enough() {
    let first = transform("dataset:sales_clean", CLEAN, vec![good_input()]);
    let first_id = id_of(&bytes(&first));
    let first = signed(&first, By::Certificate("collector"));
    let last = b"total\n10\n";
    let inputs = vec![input(
        "dataset:sales_clean",
        &Digest::of(CLEAN),
        Some(&first_id),
    )];
    let statement = transform("dataset:sales_total", last, inputs);
    let case = |terms: &str| Case {
        policy: rules(terms),
        attestations: signed(&statement, By::Certificate("collector")),
        data: last,
        inputs: vec![first.clone(), good().to_vec()],
        ..Case::default()
    };
    let report = case("").report();
    assert_eq!((report.verdict, report.level), (Verdict::Unknown, None));
    let mut skipped = report.with_outcome(Outcome::Skip);
    assert!(skipped.any(|check| check.id == "L2.V.9"));
    let report = case("lineage = \"direct\"").passes();
    assert_eq!(report.lineage_level, None);
}

#[test]
fn attack_45_two_trusted_signers_name_different_sources() {
    let elsewhere = origin_of(
        "dataset:sales",
        DATA,
        "https://scraped.example",
        crate::world::COLLECTED,
        "https://acme.example/collectors/2",
    );
    let second = signed(&elsewhere, By::Certificate("other"));
    let both = format!(
        "{COLLECTOR_RULE}, {{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }}"
    );
    let case = |terms: &str| Case {
        policy: policy(&both, terms),
        attestations: [good(), b"\n", &second].concat(),
        ..Case::default()
    };
    let report = case("").warns("D1");
    let told = report
        .with_outcome(Outcome::Warn)
        .find(|check| check.id == "D1" && check.message.starts_with("conflicting"));
    let told = &told.expect("the conflict").message;
    assert!(
        told.contains("collectors/1") && told.contains("collectors/2"),
        "{told}"
    );
    case("strict = true").fails(&["D1"]);
}

#[test]
fn an_input_has_the_level_that_its_own_rule_needs() {
    let case = |level: &str| Case {
        policy: format!(
            "{}[[dataset]]\nname = \"dataset:sales\"\nrequire = \"{level}\"\nsigners = [{COLLECTOR_RULE}]\n",
            rules("").replace("dataset:sales*", "dataset:sales_clean")
        ),
        name: Some("dataset:sales_clean"),
        ..good_case()
    };
    case("L2").passes();
    case("L3").fails(&["L3.V.7"]);
}

#[test]
fn a_lineage_that_the_policy_cuts_off_passes_and_is_not_complete() {
    let middle = transform("dataset:sales_middle", b"middle", vec![good_input()]);
    let (middle_id, middle) = (
        id_of(&bytes(&middle)),
        signed(&middle, By::Certificate("collector")),
    );
    let reference = input(
        "dataset:sales_middle",
        &Digest::of(b"middle"),
        Some(&middle_id),
    );
    let of_two = |terms: &str| Case {
        policy: rules(terms),
        ..case(vec![reference.clone()], vec![middle.clone()])
    };
    for terms in ["", "depth = 2"] {
        assert_eq!(of_two(terms).report().verdict, Verdict::Unknown, "{terms}");
    }
    for terms in ["depth = 1", "lineage = \"direct\""] {
        let report = of_two(terms).passes();
        assert_eq!(report.lineage_level, None, "{terms}");
        let json = report.to_json();
        assert_eq!(json.get("lineageComplete"), Some(&false.into()), "{terms}");
    }
}

#[test]
fn a_rule_for_l1_looks_at_inputs_where_it_says_so() {
    let case = |lineage: &str, found: Vec<Vec<u8>>| Case {
        policy: rules(&format!("lineage = \"{lineage}\"")).replace("\"L2\"", "\"L1\""),
        ..case(vec![good_input()], found)
    };
    let verdict = |case: Case<'_>| case.report().verdict;
    let bare = bytes(&origin("dataset:sales", DATA));
    for lineage in ["direct", "full"] {
        case(lineage, vec![good().to_vec()]).passes();
        assert_eq!(verdict(case(lineage, Vec::new())), Verdict::Unknown);
        case(lineage, vec![bare.clone()]).fails(&["L2.V.8"]);
        // Of what nobody signed, the inputs are a word too.
        let unsigned = transform("dataset:sales_clean", CLEAN, vec![good_input()]);
        let unsigned = Case {
            attestations: bytes(&unsigned),
            ..case(lineage, vec![good().to_vec()])
        };
        assert_eq!(verdict(unsigned), Verdict::Unknown);
    }
    assert_eq!(verdict(case("none", Vec::new())), Verdict::Pass);
}

#[test]
fn what_a_rule_for_l1_asks_is_asked_of_inputs_too() {
    let case = |source: &str| Case {
        policy: crate::signers::with_floor(&format!("sources = [\"{source}\"]")),
        ..good_case()
    };
    case("https://erp.acme.example/*").passes();
    case("https://other.example/*").fails(&["L2.V.8"]);
}

#[test]
fn inputs_beyond_those_that_are_listed_change_no_verdict() {
    let absent = |index: u32| {
        let bytes = index.to_string();
        let id = Digest::of(bytes.as_bytes());
        input(&format!("dataset:sales_{index}"), &id, Some(&id))
    };
    for count in [1_000, 1_001] {
        let case = Case {
            policy: rules("strict = true"),
            ..case((0..count).map(absent).collect(), Vec::new())
        };
        assert_eq!(case.report().verdict, Verdict::Unknown, "{count}");
    }
}

#[test]
fn a_step_of_very_many_inputs_is_affordable() {
    // Each costs what its signature and token take, and not what finding out what is wrong would.
    let case = |count: u32, found: Vec<Vec<u8>>| {
        let names = (0..count).map(|index| format!("dataset:sales_{index}"));
        let inputs = names.map(|name| input(&name, &Digest::of(DATA), Some(&origin_id())));
        case(inputs.collect(), found)
    };
    let verdict = |count, found| case(count, found).judge().verdict;
    assert_eq!(verdict(2_000, vec![good().to_vec()]), Verdict::Pass);
    // With another envelope around each, that is found out.
    let stranger = signed(&origin("dataset:sales", DATA), By::Key("stranger"));
    let both = vec![good().to_vec(), stranger];
    assert_eq!(verdict(900, both.clone()), Verdict::Pass);
    assert_eq!(verdict(1_500, both), Verdict::Unknown);
}
