//! Envelopes and signatures (attacks 3 to 16), as far as the verdict sees them. What is refused
//! while reading stands in the tests of `trust`.

use makoto::attestation::Attestation;
use makoto::json::{Json, Object};
use makoto::report::{Level, Outcome, Verdict};

use crate::world::{By, Case, DATA, SIGNED, base64, bundle, bytes, good, origin, signed, stamped};

/// The good bundle with one member of its envelope or signature changed.
fn edited(edit: impl FnOnce(&mut Object, &mut Object)) -> Vec<u8> {
    let text = std::str::from_utf8(good()).expect("text");
    let mut value = Json::parse(text.as_bytes(), &makoto::limits::Limits::DEFAULT).expect("JSON");
    let Json::Object(members) = &mut value else {
        panic!("a bundle");
    };
    let Some(Json::Object(envelope)) = members.get_mut("dsseEnvelope") else {
        panic!("an envelope");
    };
    let Some(Json::Array(mut signatures)) = envelope.remove("signatures") else {
        panic!("signatures");
    };
    let Some(Json::Object(signature)) = signatures.get_mut(0) else {
        panic!("one signature");
    };
    edit(envelope, signature);
    envelope.insert("signatures", Json::Array(signatures));
    value.to_string().into_bytes()
}

#[track_caller]
fn fails(attestations: Vec<u8>, ids: &[&str]) {
    let case = Case {
        attestations,
        ..Case::default()
    };
    case.fails(ids);
    Case::default().passes();
}

#[test]
fn attack_3_the_payload_is_replaced_by_another_valid_statement() {
    let other = bytes(&origin("dataset:sales_forged", DATA));
    let forged = edited(|envelope, _| {
        envelope.insert("payload", base64(&other).into());
    });
    let case = Case {
        attestations: forged,
        ..Case::default()
    };
    let report = case.fails(&["L2.V.1", "L2.V.2"]);
    let signed = report
        .facts
        .iter()
        .any(|fact| fact.basis == makoto::report::Basis::Signed);
    assert!(
        !signed,
        "nothing of the new payload is reported as verified"
    );
    Case::default().passes();
}

#[test]
fn attack_4_the_payload_is_written_again_in_another_way() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let spaced = String::from_utf8_lossy(&statement).replace("\":", "\": ");
    let forged = edited(|envelope, _| {
        envelope.insert("payload", base64(spaced.as_bytes()).into());
    });
    fails(forged, &["L2.V.1", "L2.V.2"]);
}

#[test]
fn attack_5_a_stranger_signs_under_the_id_of_a_trusted_key() {
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = stamped(&statement, By::Key("stranger"), "tsa", SIGNED);
    envelope.unverified_signatures[0].key_id = Some(crate::world::public("team").key_id());
    let team = crate::world::public("team").key_id();
    let case = |attestations| Case {
        policy: crate::world::policy(
            &format!("{{ key = \"{team}\", owner = \"data-team\" }}"),
            "",
        ),
        keys: &["team"],
        attestations,
        ..Case::default()
    };
    case(bundle(&envelope)).fails(&["L2.V.1", "L2.V.2"]);
    case(signed(&origin("dataset:sales", DATA), By::Key("team"))).passes();
}

#[test]
fn attack_6_the_id_of_the_key_is_only_a_hint() {
    for key_id in [None, Some("sha256:0000"), Some("")] {
        let changed = edited(|_, signature| match key_id {
            Some(key_id) => {
                signature.insert("keyid", key_id.into());
            }
            None => {
                signature.remove("keyid");
            }
        });
        let case = Case {
            attestations: changed,
            ..Case::default()
        };
        case.passes();
    }
}

#[test]
fn attack_7_there_is_no_signature() {
    let envelope = Json::from([
        (
            "payload",
            base64(&bytes(&origin("dataset:sales", DATA))).into(),
        ),
        ("payloadType", "application/vnd.in-toto+json".into()),
        ("signatures", Json::Array(Vec::new())),
    ]);
    fails(envelope.to_string().into_bytes(), &["L2.P.1", "L2.V.1"]);
    let empty = edited(|_, signature| {
        signature.insert("sig", "".into());
    });
    fails(empty, &["L2.V.1"]);
}

#[test]
fn attack_8_the_envelope_is_stripped() {
    let bare = bytes(&origin("dataset:sales", DATA));
    fails(bare.clone(), &["L2.P.1", "L2.V.2"]);
    // Asking for less does not make the policy ask for less.
    let case = Case {
        attestations: bare.clone(),
        level: Some(Level::L1),
        ..Case::default()
    };
    case.fails(&["L2.P.1"]);
    // A policy that is content with L1 is, and says what is missing.
    let case = Case {
        attestations: bare,
        policy: crate::world::good_policy().replace("\"L2\"", "\"L1\""),
        ..Case::default()
    };
    let report = case.report();
    assert_eq!(
        (report.verdict, report.level),
        (Verdict::Pass, Some(Level::L1))
    );
    let mut warned = report.with_outcome(Outcome::Warn);
    assert!(warned.any(|check| check.id == "L2.P.1"));
}

#[test]
fn attack_9_another_payload_type_is_no_statement_even_when_signed() {
    use makoto::envelope::Envelope;
    for payload_type in ["text/plain", "application/json"] {
        let statement = bytes(&origin("dataset:sales", DATA));
        let envelope = Envelope::sign(payload_type, &statement, &crate::world::key("collector"));
        let bundle = bundle(&envelope.expect("signed"));
        assert!(Attestation::parse_file(&bundle).is_err(), "{payload_type}");
    }
    Case::default().passes();
}

#[test]
fn attack_11_the_signature_is_over_the_payload_or_its_base64() {
    use makoto::key::{Signer as _, Unsigned};
    let statement = bytes(&origin("dataset:sales", DATA));
    // What any other program signs: bytes that are not the encoding of DSSE.
    for message in [statement.clone(), base64(&statement).into_bytes()] {
        let signed = crate::world::key("collector").sign(&Unsigned {
            payload_type: "x",
            payload: &message,
        });
        let signature = signed.expect("signed").signature;
        let forged = edited(|_, written| {
            written.insert("sig", base64(&signature).into());
        });
        fails(forged, &["L2.V.1", "L2.V.2"]);
    }
}

#[test]
fn attack_12_a_second_signature_that_is_garbage_takes_nothing_away() {
    let good_one = signed(&origin("dataset:sales", DATA), By::Certificate("collector"));
    let garbage = edited(|_, signature| {
        signature.insert("sig", base64(b"garbage").into());
    });
    for pair in [[&garbage, &good_one], [&good_one, &garbage]] {
        let lines = [pair[0].as_slice(), b"\n", pair[1], b"\n"].concat();
        let case = Case {
            attestations: lines,
            ..Case::default()
        };
        let report = case.warns("L2.V.1");
        assert_eq!(report.judged.expect("a policy").signers.len(), 1);
    }
}

#[test]
fn attack_13_a_strangers_good_and_a_friends_bad_signature_do_not_add_up() {
    let stranger = signed(&origin("dataset:sales", DATA), By::Certificate("other"));
    let friends = edited(|_, signature| {
        signature.insert("sig", base64(b"garbage").into());
    });
    let lines = [stranger.as_slice(), b"\n", &friends, b"\n"].concat();
    fails(lines, &["L2.V.4"]);
}

#[test]
fn attack_14_a_certificate_with_a_key_that_is_not_on_the_list() {
    for kind in ["P-521", "rsa:1024"] {
        let leaf = crate::world::in_workshop(|workshop| {
            let name = kind.replace(':', "-");
            workshop.issue(
                &name,
                kind,
                "ca",
                crate::openssl::SIGNER,
                crate::openssl::LONG,
            );
            workshop.der(&name)
        });
        let statement = bytes(&origin("dataset:sales", DATA));
        let mut envelope = stamped(&statement, By::Certificate("collector"), "tsa", SIGNED);
        envelope.unverified_signatures[0].certificates = vec![leaf];
        fails(bundle(&envelope), &["L2.P.2", "L2.V.2"]);
    }
}

#[test]
fn what_others_put_beside_the_data_does_not_hide_the_good_statement() {
    let forged = bytes(&origin("dataset:sales", DATA));
    let strangers = signed(
        &crate::world::origin_of(
            "dataset:sales",
            DATA,
            "https://evil.example",
            "2026-06-01T09:00:00Z",
            "x",
        ),
        By::Certificate("other"),
    );
    let lines = [good(), b"\n", &forged, b"\n", &strangers, b"\n"].concat();
    let case = Case {
        attestations: lines,
        ..Case::default()
    };
    case.passes();
}

#[test]
fn more_statements_than_the_budget_are_no_verdict_unless_one_verifies() {
    let junk = |index: usize| {
        let statement = bytes(&crate::world::origin_of(
            "dataset:sales",
            DATA,
            &format!("https://junk.example/{index}"),
            crate::world::COLLECTED,
            "x",
        ));
        let envelope = Json::from([
            ("payload", base64(&statement).into()),
            ("payloadType", "application/vnd.in-toto+json".into()),
            (
                "signatures",
                Json::from_iter([Json::from([("sig", base64(b"junk").into())])]),
            ),
        ]);
        envelope.to_string()
    };
    let most = makoto::limits::Limits::DEFAULT.authenticated_statements;
    let lines: Vec<_> = (0..=most).map(junk).collect();
    let case = |attestations: String| Case {
        attestations: attestations.into_bytes(),
        ..Case::default()
    };
    assert_eq!(case(lines.join("\n")).report().verdict, Verdict::Unknown);
    let text = String::from_utf8_lossy(good());
    case(format!("{}\n{text}", lines.join("\n"))).passes();
}
