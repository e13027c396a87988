//! When it was signed (attacks 27 to 35 and 89).

use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::report::Outcome;

use crate::world::{
    By, COLLECTED, COLLECTOR, COLLECTOR_RULE, Case, DATA, SIGNED, bundle, bytes, in_workshop,
    origin, origin_of, policy, stamped, token, unstamped,
};

fn with(attestations: Vec<u8>) -> Case<'static> {
    Case {
        attestations,
        ..Case::default()
    }
}

/// The good statement, signed, with this token over the signature.
fn with_token(token: impl FnOnce(&[u8], &[u8]) -> Vec<u8>) -> Case<'static> {
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = unstamped(&statement, By::Certificate("collector"));
    let signature = &mut envelope.unverified_signatures[0];
    let token = token(&signature.bytes, &statement);
    signature.tokens.push(token);
    with(bundle(&envelope))
}

/// The good statement signed by `by`, with these tokens, each of an authority and a time.
fn with_tokens(by: By, tokens: &[(&str, &str)]) -> Envelope {
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = unstamped(&statement, by);
    let signature = &mut envelope.unverified_signatures[0];
    for (tsa, time) in tokens {
        let token = token(&signature.bytes, tsa, time);
        signature.tokens.push(token);
    }
    envelope
}

#[test]
fn attack_27_the_token_of_another_signature() {
    with_token(|_, _| token(b"another signature", "tsa", SIGNED)).fails(&["L2.V.6"]);
    with_token(|signature, _| token(signature, "tsa", SIGNED)).passes();
}

#[test]
fn attack_27_two_statements_swap_their_tokens() {
    let envelope = |name: &str| {
        let statement = bytes(&origin(name, DATA));
        stamped(&statement, By::Certificate("collector"), "tsa", SIGNED)
    };
    let (mut one, mut two) = (envelope("dataset:sales"), envelope("dataset:sales_eu"));
    let verdicts = |one: &makoto::envelope::Envelope, two: &makoto::envelope::Envelope| {
        [one, two].map(|envelope| with(bundle(envelope)))
    };
    for case in verdicts(&one, &two) {
        case.passes();
    }
    std::mem::swap(
        &mut one.unverified_signatures[0].tokens,
        &mut two.unverified_signatures[0].tokens,
    );
    for case in verdicts(&one, &two) {
        case.fails(&["L2.V.6"]);
    }
}

#[test]
fn a_token_that_gives_no_time_beside_one_that_does_is_told() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = stamped(&statement, By::Certificate("collector"), "tsa", SIGNED);
    let others = token(b"another signature", "tsa", SIGNED);
    envelope.unverified_signatures[0].tokens.insert(0, others);
    with(bundle(&envelope)).warns("L2.V.6");
}

#[test]
fn attack_28_a_token_over_the_payload() {
    with_token(|_, payload| token(payload, "tsa", SIGNED)).fails(&["L2.V.6"]);
    with_token(|signature, _| token(signature, "tsa", SIGNED)).passes();
}

#[test]
fn attack_29_an_authority_whose_certificate_is_not_for_timestamps_alone() {
    let usages = [
        "extendedKeyUsage=timeStamping",
        "extendedKeyUsage=critical,timeStamping,codeSigning",
    ];
    for (index, usage) in usages.into_iter().enumerate() {
        let name = format!("bad-tsa-{index}");
        let content = in_workshop(|workshop| {
            let extensions =
                crate::openssl::TSA.replace("extendedKeyUsage=critical,timeStamping", usage);
            workshop.issue(&name, "P-256", "tsa-ca", &extensions, crate::openssl::LONG);
            name.clone()
        });
        // openssl answers for such a certificate only when it is not asked to look at it.
        let case = with_token(|signature, _| {
            let good = token(signature, "tsa", SIGNED);
            in_workshop(|workshop| {
                let info = workshop.content(&good);
                workshop.forge(&info, &content, &["-cades", "-md", "sha256"])
            })
        });
        case.fails(&["L2.V.6"]);
    }
    with_token(|signature, _| token(signature, "tsa", SIGNED)).passes();
}

#[test]
fn attack_30_a_token_by_an_authority_that_is_not_in_the_root_for_timestamps() {
    in_workshop(|workshop| {
        workshop.issue(
            "evil-ca",
            "P-256",
            "evil-ca",
            crate::openssl::AUTHORITY,
            crate::openssl::LONG,
        );
        workshop.issue(
            "evil-tsa",
            "P-256",
            "evil-ca",
            crate::openssl::TSA,
            crate::openssl::LONG,
        );
        // Under the root that is trusted for signers.
        workshop.issue(
            "code-tsa",
            "P-256",
            "ca",
            crate::openssl::TSA,
            crate::openssl::LONG,
        );
    });
    for tsa in ["evil-tsa", "code-tsa"] {
        with_token(|signature, _| token(signature, tsa, SIGNED)).fails(&["L2.V.6"]);
    }
    with_token(|signature, _| token(signature, "tsa", SIGNED)).passes();
}

#[test]
fn attack_31_collected_long_before_it_was_signed() {
    let statement = origin_of(
        "dataset:sales",
        DATA,
        "https://erp.acme.example/sales",
        "2025-06-01T08:00:00Z",
        COLLECTOR,
    );
    let attestations = crate::world::signed(&statement, By::Certificate("collector"));
    with(attestations.clone()).warns("L2.P.7");
    let strict = Case {
        policy: policy(COLLECTOR_RULE, "strict = true"),
        attestations,
        ..Case::default()
    };
    strict.fails(&["L2.P.7"]);
    // To the second of the rule's own limit: collected 08:00:00, signed 08:01:00.
    let within = |delay: &str| Case {
        policy: policy(
            COLLECTOR_RULE,
            &format!("strict = true\nmax-signing-delay = \"{delay}\""),
        ),
        ..Case::default()
    };
    within("60s").passes();
    within("59s").fails(&["L2.P.7"]);
}

#[test]
fn attack_32_signed_before_it_happened() {
    let signed_at = |time: &str| {
        let statement = bytes(&origin("dataset:sales", DATA));
        let envelope = stamped(&statement, By::Certificate("collector"), "tsa", time);
        with(bundle(&envelope))
    };
    // The statement says 08:00:00, and clocks may differ by five minutes.
    signed_at("2026-06-01T07:55:00Z").passes();
    signed_at("2026-06-01T07:54:59Z").fails(&["L2.V.6"]);
    // A token from after the verification.
    let mut early = signed_at(SIGNED);
    early.now = "2026-06-01T07:30:00Z";
    early.fails(&["L2.V.6"]);
}

#[test]
fn attack_34_an_old_attestation_is_replayed() {
    let case = |terms: &str, now: &'static str| Case {
        policy: policy(COLLECTOR_RULE, terms),
        now,
        ..Case::default()
    };
    case("max-age = \"30d\"", "2026-07-01T08:00:00Z").passes();
    case("max-age = \"30d\"", "2026-07-01T08:00:01Z").fails(&["L2.V.7"]);
    // Without a limit its age is told.
    let report = case("", "2036-07-01T08:00:00Z").passes();
    let mut told = report.with_outcome(Outcome::Skip);
    assert!(told.any(|check| check.id == "L2.V.7"));
}

#[test]
fn attack_35_there_is_no_timestamp() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let envelope = unstamped(&statement, By::Certificate("collector"));
    let report = with(bundle(&envelope)).fails(&["L2.P.6", "L2.V.6"]);
    let passed = report
        .with_outcome(Outcome::Pass)
        .any(|check| check.id == "L2.V.3");
    assert!(
        !passed,
        "an identity at no trusted time is not shown as verified"
    );
    Case::default().passes();
}

#[test]
fn attack_89_a_fresh_token_over_an_old_signature_does_not_make_the_data_young() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let envelope = stamped(
        &statement,
        By::Certificate("collector"),
        "tsa",
        "2026-07-15T00:00:00Z",
    );
    let case = |max_age: &str| Case {
        policy: policy(COLLECTOR_RULE, &format!("max-age = \"{max_age}\"")),
        attestations: bundle(&envelope),
        now: "2026-07-15T01:00:00Z",
        ..Case::default()
    };
    case("30d").fails(&["L2.V.7"]);
    case("50d").warns("L2.P.7");
    let good = Case {
        policy: policy(COLLECTOR_RULE, "max-age = \"30d\""),
        ..Case::default()
    };
    good.passes();
}

/// What the collector signed, by a rule that needs the time of two operators.
fn two_operators(tokens: &[(&str, &str)]) -> Case<'static> {
    Case {
        policy: policy(COLLECTOR_RULE, "tsa-threshold = 2"),
        attestations: bundle(&with_tokens(By::Certificate("collector"), tokens)),
        ..Case::default()
    }
}

#[test]
fn attack_90_one_operator_of_timestamps_is_counted_once() {
    let case =
        |tsas: &[&str]| two_operators(&tsas.iter().map(|tsa| (*tsa, SIGNED)).collect::<Vec<_>>());
    case(&["tsa", "tsa2"]).passes();
    case(&["tsa", "tsa"]).fails(&["L2.V.6"]);
    case(&["tsa"]).fails(&["L2.V.6"]);
}

#[test]
fn attack_90_one_operator_alone_moves_the_time_no_further_back() {
    // One operator says 08:01, and the other saw the signature at 08:05.
    let tokens = [("tsa", SIGNED), ("tsa2", "2026-06-01T08:05:00Z")];
    let envelope = with_tokens(By::Key("team"), &tokens);
    let team = crate::world::public("team").key_id();
    let case = |until: &str, threshold: usize| Case {
        policy: policy(
            &format!("{{ key = \"{team}\", owner = \"data-team\", until = {until} }}"),
            &format!("tsa-threshold = {threshold}"),
        ),
        keys: &["team"],
        attestations: bundle(&envelope),
        ..Case::default()
    };
    case("2026-06-01T08:03:00Z", 1).passes();
    case("2026-06-01T08:03:00Z", 2).fails(&["L2.V.3"]);
    let report = case("2026-06-01T08:05:00Z", 2).passes();
    let signer = &report.judged.expect("a policy").signers[0];
    assert_eq!(signer.time.0.as_str(), "2026-06-01T08:05:00Z");
    assert_eq!(signer.timestamp_authority.as_deref(), Some("other-time"));
}

#[test]
fn attack_90_a_time_from_the_future_counts_towards_no_threshold() {
    let case = |second: &str| two_operators(&[("tsa", SIGNED), ("tsa2", second)]);
    case("2026-06-02T08:05:00Z").passes();
    case("2026-06-02T08:05:01Z").fails(&["L2.V.6"]);
}

#[test]
fn attack_90_authorities_without_operator_add_nothing_to_those_with_one() {
    let both = [("tsa", SIGNED), ("tsa2", SIGNED)];
    let envelope = with_tokens(By::Certificate("collector"), &both);
    let case = |told_apart: bool| {
        let root = in_workshop(|workshop| {
            let Json::Object(mut other) = workshop.authority("other-time", &["tsa2-ca"]) else {
                panic!("an object");
            };
            if !told_apart {
                other.remove("operator");
                other.insert("uri", "https://tsa2.example".into());
            }
            let tsas = [workshop.authority("acme-time", &["tsa-ca"]), other.into()];
            let cas = [workshop.authority("acme", &["ca"])];
            crate::openssl::document(cas.into_iter().collect(), tsas.into_iter().collect())
        });
        Case {
            policy: policy(COLLECTOR_RULE, "tsa-threshold = 2"),
            attestations: bundle(&envelope),
            root: Some(root),
            ..Case::default()
        }
    };
    case(true).passes();
    case(false).fails(&["L2.V.6"]);
}

#[test]
fn attack_90_the_certificates_of_a_token_make_no_second_operator() {
    in_workshop(|workshop| {
        use crate::openssl::{AUTHORITY, LONG, TSA};
        workshop.issue("time-one", "P-256", "tsa-ca", AUTHORITY, LONG);
        workshop.issue("time-two", "P-256", "tsa-ca", AUTHORITY, LONG);
        workshop.issue("tsa-of-two", "P-256", "time-two", TSA, LONG);
    });
    let root = in_workshop(|workshop| {
        workshop.root_document(
            &[("acme", &["ca"])],
            &[
                ("one", &["time-one", "tsa-ca"]),
                ("two", &["time-two", "tsa-ca"]),
            ],
        )
    });
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = unstamped(&statement, By::Certificate("collector"));
    let signature = &mut envelope.unverified_signatures[0];
    let plain = token(&signature.bytes, "tsa-of-two", SIGNED);
    let with_chain = in_workshop(|workshop| {
        let content = workshop.content(&plain);
        let more = ["-cades", "-md", "sha256", "-certfile", "time-two.pem"];
        workshop.forge(&content, "tsa-of-two", &more)
    });
    assert_ne!(plain, with_chain);
    signature.tokens = vec![plain, with_chain];
    let case = |threshold: usize| Case {
        policy: policy(COLLECTOR_RULE, &format!("tsa-threshold = {threshold}")),
        attestations: bundle(&envelope),
        root: Some(root.clone()),
        ..Case::default()
    };
    case(1).passes();
    case(2).fails(&["L2.V.6"]);
}

#[test]
fn attack_90_one_key_of_a_timestamp_authority_makes_no_second_operator() {
    // The same key, certified by both operators.
    in_workshop(|workshop| {
        workshop.write("shared.key", workshop.read("tsa.key"));
        let subject = "/O=Acme/OU=Data/CN=shared";
        let (tsa, long) = (crate::openssl::TSA, crate::openssl::LONG);
        workshop.certify("shared", subject, "tsa2-ca", tsa, long);
    });
    let case = |tsas: [&str; 2]| two_operators(&tsas.map(|tsa| (tsa, SIGNED)));
    case(["tsa", "tsa2"]).passes();
    case(["tsa", "shared"]).fails(&["L2.V.6"]);
}

#[test]
fn attack_90_authorities_that_certified_one_another_are_no_two_operators() {
    in_workshop(|workshop| {
        workshop.write("cross-tsa-ca.key", workshop.read("tsa-ca.key"));
        let subject = "/O=Acme/OU=Data/CN=tsa-ca";
        let (authority, long) = (crate::openssl::AUTHORITY, crate::openssl::LONG);
        workshop.certify("cross-tsa-ca", subject, "tsa2-ca", authority, long);
    });
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = unstamped(&statement, By::Certificate("collector"));
    let signature = &mut envelope.unverified_signatures[0];
    let plain = token(&signature.bytes, "tsa", SIGNED);
    let crossed = in_workshop(|workshop| {
        let content = workshop.content(&plain);
        let more = ["-cades", "-md", "sha256", "-certfile", "cross-tsa-ca.pem"];
        workshop.forge(&content, "tsa", &more)
    });
    signature.tokens = vec![plain, crossed];
    for reversed in [false, true] {
        let root = in_workshop(|workshop| {
            let mut tsas: [(&str, &[&str]); 2] =
                [("acme-time", &["tsa-ca"]), ("other-time", &["tsa2-ca"])];
            if reversed {
                tsas.reverse();
            }
            workshop.root_document(&[("acme", &["ca"])], &tsas)
        });
        let case = |threshold: usize| Case {
            policy: policy(COLLECTOR_RULE, &format!("tsa-threshold = {threshold}")),
            attestations: bundle(&envelope),
            root: Some(root.clone()),
            ..Case::default()
        };
        let report = case(1).passes();
        let signer = &report.judged.expect("a policy").signers[0];
        assert_eq!(signer.timestamp_authority.as_deref(), Some("acme-time"));
        case(2).fails(&["L2.V.6"]);
    }
}

#[test]
fn attack_26_a_key_must_count_at_every_moment_of_an_interval() {
    in_workshop(|workshop| {
        let validity = ("20260601080000Z", "20260601081000Z");
        workshop.issue("brief-key", "P-256", "ca", crate::openssl::SIGNER, validity);
    });
    let key = crate::world::public("brief-key").key_id();
    let statement = bytes(&origin("dataset:sales", DATA));
    let case = |period: &str| {
        let rule = format!("{{ key = \"{key}\", owner = \"data-team\", {period} }}");
        let head = "version = 1\nshort-lived = [\"acme\"]\n";
        Case {
            policy: policy(&rule, "certificate-time = true").replace("version = 1\n", head),
            keys: &["brief-key"],
            attestations: bundle(&unstamped(&statement, By::Certificate("brief-key"))),
            ..Case::default()
        }
    };
    case("until = 2026-06-01T08:10:00Z").passes();
    case("until = 2026-06-01T08:09:59Z").fails(&["L2.V.3", "L3.PL.6"]);
    case("from = 2026-06-01T08:00:01Z").fails(&["L2.V.3"]);
}

#[test]
fn data_is_as_old_as_the_earliest_token_that_counts() {
    // A clock that is four minutes behind: claimed 08:00, seen at 07:56 and again at 08:01.
    let early = "2026-06-01T07:56:00Z";
    for tokens in [
        [("tsa", early), ("tsa2", SIGNED)],
        [("tsa2", SIGNED), ("tsa", early)],
    ] {
        let attestations = bundle(&with_tokens(By::Certificate("collector"), &tokens));
        let case = |now: &'static str| Case {
            policy: policy(COLLECTOR_RULE, "max-age = \"24h\""),
            attestations: attestations.clone(),
            now,
            ..Case::default()
        };
        case("2026-06-02T07:56:00Z").passes();
        case("2026-06-02T07:56:01Z").fails(&["L2.V.7"]);
    }
}

#[test]
fn a_time_that_may_be_further_off_than_clocks_gives_none() {
    // openssl's authority says that its times are good to 1.5001 s.
    let case = |skew: &str| Case {
        policy: policy(COLLECTOR_RULE, &format!("clock-skew = \"{skew}\"")),
        ..Case::default()
    };
    case("2s").passes();
    case("1s").fails(&["L2.V.6"]);
}

#[test]
fn a_short_lived_certificate_is_a_time_only_where_the_policy_says_so() {
    in_workshop(|workshop| {
        for (name, until) in [("brief", "20260601081000Z"), ("briefer", "20260601081600Z")] {
            let validity = ("20260601080000Z", until);
            workshop.issue(name, "P-256", "ca", crate::openssl::SIGNER, validity);
        }
    });
    let case = |name: &'static str, head: &str, terms: &str| {
        let statement = bytes(&origin("dataset:sales", DATA));
        let text = policy(COLLECTOR_RULE, terms);
        Case {
            policy: text.replace("version = 1\n", &format!("version = 1\n{head}\n")),
            attestations: bundle(&unstamped(&statement, By::Certificate(name))),
            ..Case::default()
        }
    };
    let (marked, on) = ("short-lived = [\"acme\"]", "certificate-time = true");
    let report = case("brief", marked, on).passes();
    let signer = &report.judged.expect("a policy").signers[0];
    assert_eq!(signer.timestamp_authority, None);
    assert_eq!(signer.time.0.as_str(), COLLECTED);
    case("brief", "", on).fails(&["L2.V.6"]);
    case("brief", marked, "").fails(&["L2.V.6"]);
    case("briefer", marked, on).fails(&["L2.V.6"]);
}

#[test]
fn attack_90_a_certificate_is_no_second_operator_whatever_is_taken_away() {
    in_workshop(|workshop| {
        let validity = ("20260601080000Z", "20260601081000Z");
        workshop.issue("brief-two", "P-256", "ca", crate::openssl::SIGNER, validity);
    });
    let by = By::Certificate("brief-two");
    let statement = bytes(&origin("dataset:sales", DATA));
    let case = |attestations: Vec<u8>, threshold: usize| {
        let terms = format!("certificate-time = true\ntsa-threshold = {threshold}");
        let head = "version = 1\nshort-lived = [\"acme\"]\n";
        Case {
            policy: policy(COLLECTOR_RULE, &terms).replace("version = 1\n", head),
            attestations,
            ..Case::default()
        }
    };
    let none = bundle(&unstamped(&statement, by));
    let one = bundle(&with_tokens(by, &[("tsa", SIGNED)]));
    let two = bundle(&with_tokens(by, &[("tsa", SIGNED), ("tsa2", SIGNED)]));
    case(two, 2).passes();
    case(one, 2).fails(&["L2.V.6"]);
    case(none.clone(), 2).fails(&["L2.P.6", "L2.V.6"]);
    case(none, 1).passes();
}

#[test]
fn attack_32_whoever_saw_it_first_saw_it_before_it_happened() {
    // Collected at 08:00; the skew is 5 minutes.
    let case = |first: &str, threshold: usize| {
        let tokens = [("tsa", first), ("tsa2", SIGNED)];
        Case {
            policy: policy(COLLECTOR_RULE, &format!("tsa-threshold = {threshold}")),
            attestations: bundle(&with_tokens(By::Certificate("collector"), &tokens)),
            ..Case::default()
        }
    };
    for threshold in [1, 2] {
        case("2026-06-01T07:55:00Z", threshold).passes();
        case("2026-06-01T07:54:59Z", threshold).fails(&["L2.V.6"]);
    }
}
