//! Envelopes and signatures (attacks 3 to 16), as far as the verdict sees them. The cause of each
//! refusal stands in the tests of `trust`.

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
    let text = String::from_utf8_lossy(&statement);
    let spaced = text.replace("\":", "\": ");
    let kind = r#""_type":"https://in-toto.io/Statement/v1","#;
    let rest = text
        .strip_prefix(&format!("{{{kind}"))
        .expect("it comes first");
    let rest = rest.strip_suffix('}').expect("an object");
    let in_other_order = format!("{{{rest},{}}}", kind.trim_end_matches(','));
    for other in [spaced, in_other_order] {
        let forged = edited(|envelope, _| {
            envelope.insert("payload", base64(other.as_bytes()).into());
        });
        fails(forged, &["L2.V.1", "L2.V.2"]);
    }
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
    case(bundle(&envelope)).fails(&["L2.V.1", "L2.V.2", "L2.V.3"]);
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
    // Of a bare key the bundle has a hint as well.
    let team = crate::world::public("team").key_id();
    let good = signed(&origin("dataset:sales", DATA), By::Key("team"));
    let good = String::from_utf8(good).expect("text");
    let key_id = "\"keyid\":\"\"";
    assert!(good.contains(key_id) && good.contains(&team));
    for text in [
        good.clone(),
        good.replace(key_id, "\"keyid\":\"sha256:0000\""),
        good.replace(&team, "sha256:0000"),
    ] {
        let case = Case {
            policy: crate::world::policy(
                &format!("{{ key = \"{team}\", owner = \"data-team\" }}"),
                "",
            ),
            keys: &["team"],
            attestations: text.into_bytes(),
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
    // The same in a bundle: an empty list, and none.
    let text = String::from_utf8_lossy(good());
    let from = text.find("\"signatures\":[").expect("signatures");
    let to = from + text[from..].find(']').expect("an end") + 1;
    let with = |signatures: &str| format!("{}{signatures}{}", &text[..from], &text[to..]);
    for signatures in ["\"signatures\":[]", "\"signed\":[]"] {
        fails(with(signatures).into_bytes(), &["L2.P.1", "L2.V.1"]);
    }
}

#[test]
fn attack_7_without_a_signature_l1_says_unsigned() {
    let bare = Json::from([
        (
            "payload",
            base64(&bytes(&origin("dataset:sales", DATA))).into(),
        ),
        ("payloadType", "application/vnd.in-toto+json".into()),
        ("signatures", Json::Array(Vec::new())),
    ]);
    let case = Case {
        policy: crate::world::good_policy().replace("\"L2\"", "\"L1\""),
        attestations: bare.to_string().into_bytes(),
        ..Case::default()
    };
    let report = case.report();
    assert_eq!(report.level, Some(Level::L1));
    let mut told = report.with_outcome(Outcome::Warn);
    assert!(told.any(|check| check.message.contains("unsigned")));
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
        let signed = Envelope::sign(payload_type, &statement, &crate::world::key("collector"));
        fails(bundle(&signed.expect("signed")), &["L2.V.1"]);
        let relabelled = edited(|envelope, _| {
            envelope.insert("payloadType", payload_type.into());
        });
        fails(relabelled, &["L2.V.1"]);
    }
}

#[test]
fn attack_10_bytes_move_between_type_and_payload() {
    use makoto::envelope::PAYLOAD_TYPE;
    let statement = bytes(&origin("dataset:sales", DATA));
    let text = String::from_utf8_lossy(&statement);
    // Lengths in characters, and a type that holds what should be the beginning of the payload.
    let longer = format!("{PAYLOAD_TYPE} {} {text}", statement.len());
    for message in [
        format!("DSSEv1 {} {longer} 0 ", longer.len()),
        format!(
            "DSSEv1 {} {PAYLOAD_TYPE} {} {text}",
            PAYLOAD_TYPE.len(),
            statement.len() + 1
        ),
        format!(
            "DSSEv1 {} {PAYLOAD_TYPE}{text}",
            PAYLOAD_TYPE.len() + statement.len()
        ),
    ] {
        fails(resigned(message.as_bytes()), &["L2.V.1", "L2.V.2"]);
    }
    let pae = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} {text}",
        PAYLOAD_TYPE.len(),
        statement.len()
    );
    let case = Case {
        attestations: restamped(pae.as_bytes()),
        ..Case::default()
    };
    case.passes();
}

/// The good bundle with the collector's signature over other bytes than the encoding.
fn resigned(message: &[u8]) -> Vec<u8> {
    let signature = crate::world::sign_bytes("collector", message);
    edited(|_, written| {
        written.insert("sig", base64(&signature).into());
    })
}

/// The same with a token over that signature.
fn restamped(message: &[u8]) -> Vec<u8> {
    let statement = bytes(&origin("dataset:sales", DATA));
    let mut envelope = crate::world::unstamped(&statement, By::Certificate("collector"));
    let signature = &mut envelope.unverified_signatures[0];
    signature.bytes = crate::world::sign_bytes("collector", message);
    let token = crate::world::token(&signature.bytes, "tsa", SIGNED);
    signature.tokens.push(token);
    bundle(&envelope)
}

#[test]
fn attack_11_the_signature_is_over_the_payload_or_its_base64() {
    let statement = bytes(&origin("dataset:sales", DATA));
    for message in [statement.clone(), base64(&statement).into_bytes()] {
        let case = Case {
            attestations: restamped(&message),
            ..Case::default()
        };
        let report = case.fails(&["L2.V.1", "L2.V.2"]);
        let mut failed = report.with_outcome(Outcome::Fail);
        let named = failed.any(|check| check.message.contains("not the DSSE encoding"));
        assert!(named, "{:#?}", report.checks);
    }
    Case::default().passes();
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
    // Both in one envelope, the bad one under the id of the key that is trusted.
    let team = crate::world::public("team").key_id();
    let statement = bytes(&origin("dataset:sales", DATA));
    let envelope = |signatures: &[(&str, &[u8], &[u8])]| {
        let signatures = signatures.iter().map(|(key_id, signature, token)| {
            let stamp = [("token", base64(token).into())];
            Json::from([
                ("keyid", (*key_id).into()),
                ("sig", base64(signature).into()),
                ("timestamp", stamp.into()),
            ])
        });
        let envelope = Json::from([
            ("payload", base64(&statement).into()),
            ("payloadType", "application/vnd.in-toto+json".into()),
            ("signatures", signatures.collect()),
        ]);
        Case {
            policy: crate::world::policy(
                &format!("{{ key = \"{team}\", owner = \"data-team\" }}"),
                "",
            ),
            keys: &["team", "stranger"],
            attestations: envelope.to_string().into_bytes(),
            ..Case::default()
        }
    };
    let by = |name| {
        let signed = crate::world::unstamped(&statement, By::Key(name));
        let signature = signed.unverified_signatures[0].bytes.clone();
        let token = crate::world::token(&signature, "tsa", SIGNED);
        (signature, token)
    };
    let ((bad, bad_token), (other, other_token)) = (by("owner"), by("stranger"));
    let pair = [
        ("", other.as_slice(), other_token.as_slice()),
        (team.as_str(), &bad, &bad_token),
    ];
    envelope(&pair).fails(&["L2.V.4"]);
    let (right, right_token) = by("team");
    envelope(&[pair[0], (team.as_str(), &right, &right_token)]).passes();
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
fn attack_14_a_signature_that_is_none_or_of_another_algorithm() {
    // (r, s) = (0, 0) in DER, and then what an HMAC with the public key as its secret would be.
    let zero = [0x30, 6, 2, 1, 0, 2, 1, 0];
    let statement = bytes(&origin("dataset:sales", DATA));
    let public = crate::world::public("collector");
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.to_spki_der());
    let pae = makoto::envelope::pae(makoto::envelope::PAYLOAD_TYPE, &statement);
    let tag = aws_lc_rs::hmac::sign(&secret, &pae);
    for signature in [&zero[..], tag.as_ref()] {
        let forged = edited(|envelope, written| {
            written.insert("sig", base64(signature).into());
            written.insert("alg", "none".into());
            envelope.insert("alg", "HS256".into());
        });
        fails(forged, &["L2.V.1", "L2.V.2"]);
    }
}

#[test]
fn attack_15_base64_is_written_in_other_ways() {
    let text = String::from_utf8_lossy(good());
    let payload = base64(&bytes(&origin("dataset:sales", DATA)));
    assert!(text.contains(&payload));
    let with = |other: String| text.replace(&payload, &other).into_bytes();
    let url = payload.replace('+', "-").replace('/', "_");
    let case = Case {
        attestations: with(url),
        ..Case::default()
    };
    case.passes();
    for other in [
        format!("{payload}="),
        format!("{payload}!!!!"),
        format!("{}\\n{}", &payload[..8], &payload[8..]),
        format!(" {payload}"),
        payload.trim_end_matches('=')[1..].to_owned(),
    ] {
        fails(with(other), &["L2.V.1"]);
    }
}

#[test]
fn attack_16_a_key_stands_twice() {
    let text = String::from_utf8_lossy(good());
    for name in ["\"payload\":", "\"payloadType\":", "\"sig\":"] {
        let twice = text.replacen(name, &format!("{name}\"\",{name}"), 1);
        fails(twice.into_bytes(), &["P1", "L2.V.1"]);
    }
    let statement = String::from_utf8(bytes(&origin("dataset:sales", DATA))).expect("text");
    let twice = statement.replacen("\"subject\":", "\"subject\":[],\"subject\":", 1);
    fails(twice.clone().into_bytes(), &["P1", "L2.V.1"]);
    let envelope = stamped(
        twice.as_bytes(),
        By::Certificate("collector"),
        "tsa",
        SIGNED,
    );
    fails(bundle(&envelope), &["P1", "L2.V.1"]);
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
