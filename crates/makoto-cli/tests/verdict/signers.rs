//! Who signed, and whether the policy allows it (attacks 17 to 26 and 92).

use makoto::report::Outcome;

use crate::openssl::{AUTHORITY, LONG, SIGNER};
use crate::world::{
    By, COLLECTOR_RULE, Case, DATA, SIGNED, bundle, bytes, good, in_workshop, key, origin, policy,
    public, signed, stamped, unstamped,
};

fn sales(by: By) -> Vec<u8> {
    signed(&origin("dataset:sales", DATA), by)
}

fn with(attestations: Vec<u8>) -> Case<'static> {
    Case {
        attestations,
        ..Case::default()
    }
}

#[test]
fn attack_17_a_valid_signer_that_the_policy_does_not_name() {
    let report = with(sales(By::Certificate("other"))).fails(&["L2.V.4"]);
    let failed = report
        .with_outcome(Outcome::Fail)
        .find(|check| check.id == "L2.V.4");
    let message = &failed.expect("L2.V.4").message;
    assert!(
        message.contains("collectors/2") && message.contains("collectors/1"),
        "{message}"
    );
    Case::default().passes();
}

#[test]
fn attack_18_a_trusted_signer_signs_for_another_dataset() {
    let payroll = signed(
        &origin("dataset:payroll", DATA),
        By::Certificate("collector"),
    );
    let report = with(payroll).fails(&["L2.V.4"]);
    let failed = report.with_outcome(Outcome::Fail).next().expect("L2.V.4");
    assert!(
        failed
            .message
            .contains("nearest rule is for \"dataset:sales*\"")
    );
    Case::default().passes();
}

#[test]
fn attack_18_a_trusted_signer_signs_for_a_dataset_of_another() {
    let payroll = "[[dataset]]\nname = \"dataset:payroll\"\nrequire = \"L2\"\n\
                   signers = [{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }]\n";
    let case = |name: &'static str, by| Case {
        policy: format!("{}{payroll}", policy(COLLECTOR_RULE, "")),
        attestations: signed(&origin(name, DATA), By::Certificate(by)),
        name: Some(name),
        ..Case::default()
    };
    case("dataset:payroll", "collector").fails(&["L2.V.4"]);
    case("dataset:payroll", "other").passes();
    case("dataset:sales", "collector").passes();
}

#[test]
fn attack_19_names_that_look_like_the_trusted_ones() {
    let rule = r#"{ email = "*@acme.example", ca = "acme" }"#;
    for (email, passes) in [
        ("ci@acme.example", true),
        ("ci@ACME.example", true),
        ("mallory@acme.example.evil.net", false),
        ("mallory@evil-acme.example", false),
        ("mallory@sub.acme.example", false),
    ] {
        let name = format!("mail-{}", email.replace(['@', '.'], "-"));
        let leaf = in_workshop(|workshop| {
            let extensions = SIGNER.replace("ci@acme.example", email);
            workshop.issue(&name, "P-256", "ca", &extensions, LONG);
            workshop.der(&name)
        });
        let statement = bytes(&origin("dataset:sales", DATA));
        let envelope = makoto::envelope::Envelope::sign(
            makoto::envelope::PAYLOAD_TYPE,
            &statement,
            &key(&name),
        );
        let mut envelope = envelope.expect("signed");
        let signature = &mut envelope.unverified_signatures[0];
        signature.certificates.push(leaf);
        signature
            .tokens
            .push(crate::world::token(&signature.bytes, "tsa", SIGNED));
        let case = Case {
            policy: policy(rule, ""),
            attestations: bundle(&envelope),
            ..Case::default()
        };
        match passes {
            true => drop(case.passes()),
            false => drop(case.fails(&["L2.V.4"])),
        }
    }
}

#[test]
fn attack_20_the_collector_is_not_who_signed() {
    let statement = crate::world::origin_of(
        "dataset:sales",
        DATA,
        "https://erp.acme.example/sales",
        crate::world::COLLECTED,
        "https://acme.example/collectors/2",
    );
    let attestations = signed(&statement, By::Certificate("collector"));
    with(attestations.clone()).warns("L2.V.5");
    let strict = |attestations| Case {
        policy: policy(COLLECTOR_RULE, "strict = true"),
        attestations,
        ..Case::default()
    };
    strict(attestations).fails(&["L2.V.5"]);
    strict(crate::world::good().to_vec()).passes();
}

#[test]
fn attack_21_the_certificate_has_expired_and_there_is_no_timestamp() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let envelope = unstamped(&statement, By::Certificate("expired"));
    with(bundle(&envelope)).fails(&["L2.V.3", "L2.V.6"]);
    let stamped = stamped(&statement, By::Certificate("expired"), "tsa", SIGNED);
    with(bundle(&stamped)).passes();
}

#[test]
fn attack_22_a_certificate_that_expired_since_then_still_counts() {
    with(sales(By::Certificate("expired"))).passes();
    let statement = bytes(&origin("dataset:sales", DATA));
    let late = stamped(
        &statement,
        By::Certificate("expired"),
        "tsa",
        "2026-06-02T00:00:00Z",
    );
    with(bundle(&late)).fails(&["L2.V.3"]);
}

#[test]
fn attack_23_chains_that_do_not_lead_to_an_authority_of_the_root() {
    in_workshop(|workshop| {
        workshop.issue("own-ca", "P-256", "own-ca", AUTHORITY, LONG);
        workshop.issue("own", "P-256", "own-ca", SIGNER, LONG);
        let no_usage = SIGNER.replace("keyUsage=critical,digitalSignature\n", "");
        workshop.issue("no-usage", "P-256", "ca", &no_usage, LONG);
        // A leaf that issues.
        workshop.issue("below-leaf", "P-256", "collector", SIGNER, LONG);
    });
    for (leaf, along) in [
        ("own", Some("own-ca")),
        ("no-usage", None),
        ("below-leaf", Some("collector")),
    ] {
        let statement = bytes(&origin("dataset:sales", DATA));
        let mut envelope = stamped(&statement, By::Certificate(leaf), "tsa", SIGNED);
        let along = along.map(|name| in_workshop(|workshop| workshop.der(name)));
        envelope.unverified_signatures[0].certificates.extend(along);
        // A bundle written by us has the leaf only, so the chain is put in by hand.
        let one = &envelope.unverified_signatures[0];
        let certificates = one
            .certificates
            .iter()
            .map(|der| format!("{{\"rawBytes\":\"{}\"}}", crate::world::base64(der)));
        let chain = certificates.collect::<Vec<_>>().join(",");
        let text = String::from_utf8(bundle(&envelope)).expect("text");
        let single = format!(
            "\"certificate\":{{\"rawBytes\":\"{}\"}}",
            crate::world::base64(&one.certificates[0])
        );
        let text = text.replace(
            &single,
            &format!("\"x509CertificateChain\":{{\"certificates\":[{chain}]}}"),
        );
        assert!(text.contains("x509CertificateChain"));
        with(text.into_bytes()).fails(&["L2.V.3"]);
    }
    Case::default().passes();
}

#[test]
fn attack_23_a_chain_that_is_longer_than_its_authorities_allow() {
    let names = ["short-ca", "too-deep", "below-it"];
    in_workshop(|workshop| {
        let short = AUTHORITY.replace("CA:TRUE", "CA:TRUE,pathlen:0");
        workshop.issue(names[0], "P-256", names[0], &short, LONG);
        workshop.issue(names[1], "P-256", names[0], AUTHORITY, LONG);
        workshop.issue(names[2], "P-256", names[1], SIGNER, LONG);
        workshop.issue("right-below", "P-256", names[0], SIGNER, LONG);
    });
    let case = |leaf, chain: &[&str]| Case {
        root: Some(in_workshop(|workshop| {
            workshop.root_document(&[("acme", chain)], &[("acme-time", &["tsa-ca"])])
        })),
        attestations: sales(By::Certificate(leaf)),
        ..Case::default()
    };
    case(names[2], &[names[1], names[0]]).fails(&["L2.V.3"]);
    case("right-below", &[names[0]]).passes();
}

#[test]
fn attack_19_a_name_with_a_nul_in_it() {
    in_workshop(|workshop| {
        // In the place of a letter, which openssl itself would not write.
        let names = SIGNER.replace("ci@acme.example", "ci@acme.exampleXevil.net");
        workshop.issue("with-nul", "P-256", "ca", &names, LONG);
    });
    let statement = bytes(&origin("dataset:sales", DATA));
    let envelope = stamped(&statement, By::Certificate("with-nul"), "tsa", SIGNED);
    let mut forged = envelope.clone();
    let leaf = &mut forged.unverified_signatures[0].certificates[0];
    let at = leaf
        .windows(9)
        .position(|part| part == b"Xevil.net")
        .expect("the name");
    leaf[at] = 0;
    let case = |envelope| Case {
        policy: policy(r#"{ email = "*@acme.example", ca = "acme" }"#, ""),
        attestations: bundle(envelope),
        ..Case::default()
    };
    case(&forged).fails(&["L2.V.3"]);
    case(&envelope).fails(&["L2.V.4"]);
    let good = Case {
        policy: policy(r#"{ email = "*@acme.example", ca = "acme" }"#, ""),
        ..Case::default()
    };
    good.passes();
}

#[test]
fn attack_90_one_key_under_two_ids_is_one_signer() {
    let statement = origin("dataset:sales", DATA);
    let team = public("team").key_id();
    let one = signed(&statement, By::Key("team"));
    let renamed = String::from_utf8_lossy(&one).replace(&team, "another-id");
    assert_ne!(renamed.as_bytes(), one);
    let case = |parts: &[&[u8]], threshold: usize| Case {
        policy: policy(
            &format!("{{ key = \"{team}\", owner = \"data-team\" }}, {COLLECTOR_RULE}"),
            &format!("signer-threshold = {threshold}"),
        ),
        keys: &["team"],
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    case(&[&one, renamed.as_bytes()], 2).fails(&["L2.V.4"]);
    case(&[&one, renamed.as_bytes()], 1).passes();
    let other = signed(&statement, By::Certificate("collector"));
    case(&[&one, &other], 2).passes();
}

#[test]
fn a_published_key_passes_with_its_owner_and_no_other_key_does() {
    let team = public("team").key_id();
    let rule = format!("{{ key = \"{team}\", owner = \"data-team\" }}");
    let case = |attestations| Case {
        policy: policy(&rule, ""),
        keys: &["team", "stranger"],
        attestations,
        ..Case::default()
    };
    let report = case(sales(By::Key("team"))).passes();
    let signers = report.judged.expect("a policy").signers;
    assert_eq!(
        (signers[0].name.as_str(), signers[0].voucher.as_str()),
        ("data-team", "the policy")
    );
    // Its bytes are at hand, and no rule names it.
    case(sales(By::Key("stranger"))).fails(&["L2.V.4"]);
    case(sales(By::Certificate("collector"))).fails(&["L2.V.4"]);
}

#[test]
fn attack_26_a_key_counts_only_in_its_period() {
    let team = public("team").key_id();
    let case = |period: &str| Case {
        policy: policy(
            &format!("{{ key = \"{team}\", owner = \"data-team\", {period} }}"),
            "",
        ),
        keys: &["team"],
        attestations: sales(By::Key("team")),
        ..Case::default()
    };
    case("until = 2026-06-01T08:01:00Z").passes();
    case("until = 2026-06-01T08:00:59Z").fails(&["L2.V.3", "L3.PL.6"]);
    case("from = 2026-06-01T08:01:00Z").passes();
    case("from = 2026-06-01T08:01:01Z").fails(&["L2.V.3"]);
}

#[test]
fn attack_92_another_authority_of_the_root_vouches_for_the_same_name() {
    let report = with(sales(By::Certificate("impostor"))).fails(&["L2.V.4"]);
    let failed = report
        .with_outcome(Outcome::Fail)
        .find(|check| check.id == "L2.V.4");
    assert!(failed.expect("L2.V.4").message.contains("rival"));
    let rivals = r#"{ uri = "https://acme.example/collectors/1", ca = "rival" }"#;
    let case = Case {
        policy: policy(rivals, ""),
        attestations: sales(By::Certificate("impostor")),
        ..Case::default()
    };
    case.passes();
    Case::default().passes();
}

#[test]
fn attack_90_one_signer_is_counted_once() {
    let statement = origin("dataset:sales", DATA);
    let team = public("team").key_id();
    let both = format!("{COLLECTOR_RULE}, {{ key = \"{team}\", owner = \"data-team\" }}");
    let case = |parts: &[Vec<u8>]| Case {
        policy: policy(&both, "signer-threshold = 2"),
        keys: &["team"],
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    let (one, two) = (
        signed(&statement, By::Certificate("collector")),
        signed(&statement, By::Key("team")),
    );
    // The same name by a second certificate with another key.
    let again = signed(&statement, By::Certificate("expired"));
    let report = case(&[one.clone(), two.clone()]).passes();
    assert_eq!(report.judged.expect("a policy").signers.len(), 2);
    case(std::slice::from_ref(&one)).fails(&["L2.V.4"]);
    case(&[one.clone(), one.clone()]).fails(&["L2.V.4"]);
    case(&[one, again]).fails(&["L2.V.4"]);
    case(&[two.clone(), two]).fails(&["L2.V.4"]);
}

#[test]
fn attack_90_one_name_is_counted_once_whatever_else_its_certificates_say() {
    in_workshop(|workshop| {
        for (name, first) in [
            ("bank", "URI:https://bank.example/auditor"),
            ("shop", "URI:https://shop.example/z"),
        ] {
            let names = SIGNER.replace("URI:https://acme", &format!("{first},URI:https://acme"));
            workshop.issue(name, "P-256", "ca", &names, LONG);
        }
    });
    let statement = origin("dataset:sales", DATA);
    let (bank, shop) = (
        signed(&statement, By::Certificate("bank")),
        signed(&statement, By::Certificate("shop")),
    );
    let case = |parts: &[Vec<u8>], threshold: usize| Case {
        policy: policy(COLLECTOR_RULE, &format!("signer-threshold = {threshold}")),
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    let report = case(std::slice::from_ref(&bank), 1).passes();
    // The name that the rule knows is the one that is shown.
    let signers = report.judged.expect("a policy").signers;
    assert_eq!(signers[0].name, "https://acme.example/collectors/1");
    case(&[bank, shop], 2).fails(&["L2.V.4"]);
}

#[test]
fn attack_90_whoever_has_the_names_of_two_others_makes_them_one() {
    let names = |names: &str| {
        SIGNER.replace(
            "URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example",
            names,
        )
    };
    in_workshop(|workshop| {
        for (name, all) in [
            ("x", "URI:https://acme.example/x"),
            ("y", "URI:https://acme.example/y"),
            (
                "xy",
                "URI:https://acme.example/x,URI:https://acme.example/y",
            ),
        ] {
            workshop.issue(name, "P-256", "ca", &names(all), LONG);
        }
    });
    let statement = origin("dataset:sales", DATA);
    let by = |name| signed(&statement, By::Certificate(name));
    let case = |parts: [Vec<u8>; 2]| Case {
        policy: policy(
            r#"{ uri = "https://acme.example/*", ca = "acme" }"#,
            "signer-threshold = 2",
        ),
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    case([by("x"), by("y")]).passes();
    for order in [["x", "xy", "y"], ["xy", "x", "y"], ["x", "y", "xy"]] {
        let [first, second, third] = order.map(by);
        case([first, [second, third].join(&b'\n')]).fails(&["L2.V.4"]);
    }
}

#[test]
fn attack_20_names_that_differ_in_case_alone_are_one_where_mail_says_so() {
    let statement = |collector: &str| {
        let source = "https://erp.acme.example/sales";
        let collected = crate::world::COLLECTED;
        signed(
            &crate::world::origin_of("dataset:sales", DATA, source, collected, collector),
            By::Certificate("collector"),
        )
    };
    let strict = |collector: &str| Case {
        policy: policy(COLLECTOR_RULE, "strict = true"),
        attestations: statement(collector),
        ..Case::default()
    };
    strict("ci@ACME.example").passes();
    strict("CI@acme.example").fails(&["L2.V.5"]);
}

#[test]
fn attack_20_a_bare_key_speaks_for_its_owner_alone() {
    let team = public("team").key_id();
    let case = |owner: &str, terms: &str| Case {
        policy: policy(
            &format!("{{ key = \"{team}\", owner = \"{owner}\" }}"),
            terms,
        ),
        keys: &["team"],
        attestations: sales(By::Key("team")),
        ..Case::default()
    };
    case("data-team", "").warns("L2.V.5");
    case("data-team", "strict = true").fails(&["L2.V.5"]);
    case("https://acme.example/collectors/1", "strict = true").passes();
}

#[test]
fn a_copy_with_another_certificate_of_the_signer_takes_nothing_away() {
    in_workshop(|workshop| {
        workshop.write("collector-old.key", workshop.read("collector.key"));
        let names = SIGNER.replace("collectors/1", "collectors/old");
        let subject = "/O=Acme/OU=Data/CN=collector-old";
        workshop.certify("collector-old", subject, "ca", &names, LONG);
    });
    let statement = bytes(&origin("dataset:sales", DATA));
    let good = stamped(&statement, By::Certificate("collector"), "tsa", SIGNED);
    let mut copy = good.clone();
    copy.unverified_signatures[0].certificates =
        vec![in_workshop(|workshop| workshop.der("collector-old"))];
    let rule = r#"{ uri = "https://acme.example/**", ca = "acme" }"#;
    for order in [[&good, &copy], [&copy, &good]] {
        let case = Case {
            policy: policy(rule, "strict = true"),
            attestations: order.map(bundle).join(&b'\n'),
            ..Case::default()
        };
        let report = case.passes();
        let signers = report.judged.expect("a policy").signers;
        assert_eq!(signers.len(), 1);
        assert_eq!(signers[0].name, "https://acme.example/collectors/1");
    }
}

#[test]
fn one_of_several_signers_is_who_did_it_and_the_others_approve() {
    let statement = origin("dataset:sales", DATA);
    let both = format!(
        "{COLLECTOR_RULE}, {{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }}"
    );
    let (one, two) = (
        signed(&statement, By::Certificate("collector")),
        signed(&statement, By::Certificate("other")),
    );
    let case = |parts: &[Vec<u8>], threshold: usize| Case {
        policy: policy(
            &both,
            &format!("signer-threshold = {threshold}\nstrict = true"),
        ),
        attestations: parts.join(&b'\n'),
        ..Case::default()
    };
    case(&[two.clone(), one.clone()], 2).passes();
    case(&[two], 1).fails(&["L2.V.5"]);
}

/// A rule for everything that says nothing of signers, before the one for sales.
pub(crate) fn with_floor(floor: &str) -> String {
    let rule = format!("[[dataset]]\nname = \"**\"\nrequire = \"L1\"\n{floor}\n[[dataset]]\n");
    crate::world::good_policy().replacen("[[dataset]]\n", &rule, 1)
}

#[test]
fn a_rule_for_l1_leaves_who_signs_to_the_others_and_asks_for_the_rest() {
    let case = |floor: &str| Case {
        policy: with_floor(floor),
        ..Case::default()
    };
    case("").passes();
    case("max-age = \"365d\"").passes();
    case("max-age = \"1h\"").fails(&["L2.V.7"]);
    case("sources = [\"https://erp.acme.example/*\"]").passes();
    case("sources = [\"https://other.example/*\"]").fails(&["L2.V.4"]);
    // What it asks of signatures it asks of those that the others allow.
    case("tsa-threshold = 2").fails(&["L2.V.6"]);
    case("signer-threshold = 2").fails(&["L2.V.4"]);
    case("max-signing-delay = \"59s\"\nstrict = true").fails(&["L2.P.7"]);
    case("max-signing-delay = \"60s\"\nstrict = true").passes();
    // Who says that nobody may sign means it.
    case("signers = []").fails(&["L2.V.4"]);
    case("signers = [{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }]")
        .fails(&["L2.V.4"]);
}

#[test]
fn a_rule_for_l1_alone_makes_nobody_a_signer() {
    let text = crate::world::good_policy();
    let signers = format!("signers = [{COLLECTOR_RULE}]");
    let case = |level| Case {
        policy: text.replace("\"L2\"", "\"L1\"").replace(&signers, ""),
        level,
        ..Case::default()
    };
    let report = case(None).report();
    assert_eq!(report.level, Some(makoto::report::Level::L1));
    assert!(report.judged.expect("a policy").signers.is_empty());
    case(Some(makoto::report::Level::L2)).fails(&["L2.V.4"]);
}

#[test]
fn what_is_wrong_with_the_second_signature_is_told_where_two_are_needed() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let case = |second: &makoto::envelope::Envelope| {
        let lines = [good().to_vec(), bundle(second)];
        Case {
            policy: policy(
                &format!(
                    "{COLLECTOR_RULE}, {{ uri = \"https://acme.example/collectors/2\", ca = \"acme\" }}"
                ),
                "signer-threshold = 2",
            ),
            attestations: lines.join(&b'\n'),
            ..Case::default()
        }
    };
    case(&stamped(
        &statement,
        By::Certificate("other"),
        "tsa",
        SIGNED,
    ))
    .passes();
    case(&unstamped(&statement, By::Certificate("other"))).fails(&["L2.V.4", "L2.P.6", "L2.V.6"]);
}
