//! Attacks 1 to 16 on data and envelope, as far as envelope and keys decide them. Each test
//! begins with a good set and ends with it: the refusal has the stated cause.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use makoto::attestation::{Attestation, AttestationError};
use makoto::digest::Digest;
use makoto::envelope::{Envelope, EnvelopeError, PAYLOAD_TYPE, SignatureError, pae};
use makoto::json::{Fault, Json};
use makoto::key::{Algorithm, BadSignature, KeyError, PublicKey, SigningKey};
use makoto::limits::Limits;

use crate::keys::{ALL, STATEMENT, all, p256, sign, sign_bytes, sign_fixed_p256};

/// A bare envelope with these signatures: key id and bytes.
pub(crate) fn bare(payload: &[u8], signatures: &[(&str, &[u8])]) -> String {
    let signatures = signatures.iter().map(|(key_id, bytes)| {
        Json::from([
            ("keyid", Json::from(*key_id)),
            ("sig", Json::from(STANDARD.encode(bytes))),
        ])
    });
    Json::from([
        ("payload", Json::from(STANDARD.encode(payload))),
        ("payloadType", Json::from(PAYLOAD_TYPE)),
        ("signatures", signatures.collect()),
    ])
    .to_string()
}

/// Reads an envelope as the product does.
pub(crate) fn read(text: &str) -> Result<Envelope, EnvelopeError> {
    let value = Json::parse(text.as_bytes(), &Limits::DEFAULT).expect("JSON");
    Envelope::find(&value).expect("an envelope")
}

/// The ids of the keys that a signature holds for.
#[track_caller]
fn signers(text: &str, trusted: &[PublicKey]) -> Vec<String> {
    let checked = read(text).expect("readable").check_signatures(trusted);
    let good = checked.iter().flatten();
    good.map(|signed| signed.key().key_id()).collect()
}

/// A trusted key, and an envelope that it signed.
fn good_set() -> (SigningKey, Vec<PublicKey>, String) {
    let key = p256();
    let trusted = vec![key.public_key().clone()];
    let text = bare(STATEMENT, &[("", &sign(&key, STATEMENT))]);
    assert_eq!(signers(&text, &trusted).len(), 1, "the set is good");
    (key, trusted, text)
}

#[track_caller]
fn one_reason(text: &str, trusted: &[PublicKey]) -> SignatureError {
    let checked = read(text).expect("readable").check_signatures(trusted);
    assert_eq!(checked.len(), 1);
    checked[0].clone().expect_err("no good signature")
}

#[test]
fn attack_1_and_2_one_bit_or_line_end_of_what_was_signed_is_changed() {
    let (key, trusted, good) = good_set();
    let signature = sign(&key, STATEMENT);
    for at in 0..STATEMENT.len() * 8 {
        let mut flipped = STATEMENT.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        let attacked = bare(&flipped, &[("", &signature)]);
        assert!(signers(&attacked, &trusted).is_empty(), "bit {at}");
    }
    for changed in [
        [STATEMENT, b"\n"].concat(),
        [STATEMENT, b"\r\n"].concat(),
        Vec::new(),
        STATEMENT[1..].to_vec(),
    ] {
        assert!(signers(&bare(&changed, &[("", &signature)]), &trusted).is_empty());
    }
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_3_and_4_the_payload_is_replaced_or_written_anew_under_the_same_signature() {
    let (key, trusted, good) = good_set();
    let signature = sign(&key, STATEMENT);
    let text = std::str::from_utf8(STATEMENT).expect("UTF-8");
    for payload in [
        text.replace("v1", "v2"),
        text.replace(':', ": "),
        format!(" {text}"),
        text.replace('/', "\\/"),
    ] {
        let attacked = bare(payload.as_bytes(), &[("", &signature)]);
        let reason = one_reason(&attacked, &trusted);
        assert!(
            matches!(reason, SignatureError::NoKey { keys: 1, .. }),
            "{reason}"
        );
    }
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_5_a_stranger_signs_under_the_id_of_a_trusted_key() {
    let (key, trusted, _) = good_set();
    let trusted_id = key.public_key().key_id();
    let stranger = sign(&p256(), STATEMENT);
    let attacked = bare(STATEMENT, &[(&trusted_id, &stranger)]);
    let reason = one_reason(&attacked, &trusted);
    let claim = Some(trusted_id.clone());
    assert_eq!(
        reason,
        SignatureError::NoKey {
            keys: 1,
            key_id: claim
        }
    );
    let good = bare(STATEMENT, &[(&trusted_id, &sign(&key, STATEMENT))]);
    assert_eq!(signers(&good, &trusted), [trusted_id]);
}

#[test]
fn attack_6_a_key_id_that_is_absent_or_wrong_decides_nothing() {
    let (key, trusted, good) = good_set();
    let (other, id) = (p256(), key.public_key().key_id());
    let both = [other.public_key().clone(), trusted[0].clone()];
    let signature = sign(&key, STATEMENT);
    let other_id = other.public_key().key_id();
    for key_id in [id.as_str(), "", "nonsense", &other_id] {
        let text = bare(STATEMENT, &[(key_id, &signature)]);
        assert_eq!(signers(&text, &both), std::slice::from_ref(&id), "{key_id}");
        assert!(signers(&text, &both[..1]).is_empty(), "{key_id}");
    }
    for (from, to) in [(r#""keyid":"","#, ""), (r#""keyid":"""#, r#""keyid":null"#)] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        assert_eq!(signers(&text, &both), std::slice::from_ref(&id));
    }
    let number = good.replace(r#""keyid":"""#, r#""keyid":1"#);
    assert!(matches!(read(&number), Err(EnvelopeError::Field { .. })));
}

#[test]
fn attack_7_signatures_are_taken_away() {
    let (_, trusted, good) = good_set();
    let none = read(&bare(STATEMENT, &[])).expect("readable");
    assert!(none.check_signatures(&trusted).is_empty());
    let counted = Attestation::parse(bare(STATEMENT, &[]).as_bytes()).expect("readable");
    assert_eq!(counted.unverified_signatures(), Some(0));
    let empty = one_reason(&bare(STATEMENT, &[("", &[])]), &trusted);
    assert_eq!(empty, SignatureError::Empty);
    for (from, to) in [
        (r#""sig":"#, r#""gis":"#),
        (r#""signatures":"#, r#""signature":"#),
    ] {
        let attacked = good.replace(from, to);
        assert_eq!(read(&attacked), Err(EnvelopeError::Signatures));
    }
    assert!(signers(&good, &[]).is_empty(), "nobody is trusted");
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_8_the_envelope_is_stripped() {
    let (_, _, good) = good_set();
    let id = Digest::of(STATEMENT);
    for (document, signatures) in [(good.as_bytes(), Some(1)), (STATEMENT, None)] {
        let found = Attestation::parse(document).expect("readable");
        assert_eq!((found.id, found.unverified_signatures()), (id, signatures));
    }
}

#[test]
fn attack_9_the_payload_type_is_another_whoever_signed_it() {
    let (key, trusted, good) = good_set();
    for payload_type in [
        "text/plain",
        "application/json",
        "application/vnd.in-toto",
        "Application/vnd.in-toto+json",
        "application/vnd.in-toto+json ",
        "",
    ] {
        let envelope = Envelope::sign(payload_type, STATEMENT, &key).expect("signed");
        assert!(
            envelope.check_signatures(&trusted)[0].is_ok(),
            "the trusted key signed it"
        );
        let bundle = envelope.to_bundle().expect("one signature");
        for text in [bundle.to_string(), good.replace(PAYLOAD_TYPE, payload_type)] {
            let refused = read(&text);
            assert!(
                matches!(refused, Err(EnvelopeError::PayloadType { .. })),
                "{text}"
            );
        }
        // Who asks for that type gets it, and no statement.
        let asked = Envelope::find_typed(&bundle, payload_type).expect("an envelope");
        assert_eq!(asked.expect("good").payload_type, payload_type);
    }
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_10_bytes_move_between_type_and_payload() {
    let (key, trusted, good) = good_set();
    // From the specification of DSSE.
    let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        expected
    );
    // Lengths are of bytes: ü has two.
    assert_eq!(pae("ü", "é".as_bytes()), "DSSEv1 2 ü 2 é".as_bytes());
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    // A type that holds the end of one encoding and the beginning of another.
    let shifted = format!("{PAYLOAD_TYPE} 5 hello");
    assert_ne!(
        pae(&shifted, STATEMENT),
        pae(PAYLOAD_TYPE, &[b"5 hello", STATEMENT].concat())
    );
    let other = Envelope::sign(&shifted, STATEMENT, &key).expect("signed");
    let stolen = other.unverified_signatures[0].bytes.as_slice();
    for payload in [STATEMENT, b"hello", &[b"hello ", STATEMENT].concat()] {
        assert!(signers(&bare(payload, &[("", stolen)]), &trusted).is_empty());
    }
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_11_the_signature_is_over_the_payload_alone_or_its_base64() {
    for algorithm in ALL {
        for (bytes, over) in [
            (STATEMENT.to_vec(), "the payload alone"),
            (
                STANDARD.encode(STATEMENT).into_bytes(),
                "the payload's base64",
            ),
        ] {
            let (key, signature) = sign_bytes(algorithm, &bytes, false);
            let trusted = [p256().public_key().clone(), key.public_key().clone()];
            let attacked = bare(STATEMENT, &[("", &signature)]);
            let reason = one_reason(&attacked, &trusted);
            let id = *trusted[1].id();
            assert_eq!(
                reason,
                SignatureError::NotPae { key: id, over },
                "{algorithm}"
            );
            let stranger = one_reason(&attacked, &trusted[..1]);
            assert!(matches!(stranger, SignatureError::NoKey { .. }));
            let good = bare(STATEMENT, &[("", &sign(&key, STATEMENT))]);
            assert_eq!(signers(&good, &trusted).len(), 1);
        }
    }
}

#[test]
fn attack_11_what_the_public_rust_sdk_signs_is_refused_by_name() {
    // Type and base64 without their lengths, and the signature as r followed by s.
    let message = format!("DSSEv1 {PAYLOAD_TYPE} {}", STANDARD.encode(STATEMENT));
    let (key, signature) = sign_fixed_p256(message.as_bytes());
    let trusted = [key.public_key().clone()];
    let reason = one_reason(
        &bare(STATEMENT, &[("0123456789abcdef", &signature)]),
        &trusted,
    );
    let SignatureError::NotPae { over, .. } = &reason else {
        panic!("{reason:?}");
    };
    assert!(over.contains("public Rust SDK"), "{reason}");
    let good = bare(STATEMENT, &[("", &sign(&key, STATEMENT))]);
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_12_a_signature_by_an_unknown_key_stands_before_a_good_one() {
    let (key, trusted, _) = good_set();
    let (good, unknown) = (sign(&key, STATEMENT), sign(&p256(), STATEMENT));
    for garbage in [&unknown[..], b"garbage", &[], &[0; 1 << 16]] {
        for (at, order) in [(1, [garbage, &good]), (0, [&good, garbage])] {
            let text = bare(STATEMENT, &[("", order[0]), ("", order[1])]);
            let checked = read(&text).expect("readable").check_signatures(&trusted);
            assert!(
                checked[at].is_ok() && checked[1 - at].is_err(),
                "{checked:?}"
            );
        }
    }
    let many = vec![("", &good[..]); Limits::DEFAULT.envelope_items];
    assert_eq!(signers(&bare(STATEMENT, &many), &trusted).len(), many.len());
    let too_many = [&many[..], &many[..1]].concat();
    let refused = read(&bare(STATEMENT, &too_many));
    assert!(matches!(refused, Err(EnvelopeError::TooMany { .. })));
}

#[test]
fn attack_13_a_bad_signature_claims_a_trusted_key_beside_a_good_one_by_a_stranger() {
    let (key, trusted, good) = good_set();
    let stranger = p256();
    let claimed = key.public_key().key_id();
    let by_stranger = sign(&stranger, STATEMENT);
    let mut bad = sign(&key, STATEMENT);
    *bad.last_mut().expect("bytes") ^= 1;
    let attacked = bare(STATEMENT, &[("", &by_stranger), (&claimed, &bad)]);
    assert!(signers(&attacked, &trusted).is_empty());
    // Both known: each signature stands for its own key, and the bad one for none.
    let both = [trusted[0].clone(), stranger.public_key().clone()];
    assert_eq!(signers(&attacked, &both), [stranger.public_key().key_id()]);
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_14_the_algorithm_is_swapped() {
    use aws_lc_rs::hmac;
    let (_, trusted, good) = good_set();
    let message = pae(PAYLOAD_TYPE, STATEMENT);
    for (algorithm, key) in all() {
        let public = [key.public_key().clone()];
        // The public key as the secret of an HMAC, and nothing as a signature.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public[0].to_spki_der());
        let hmac = hmac::sign(&secret, &message);
        let zero_der = [0x30, 6, 2, 1, 0, 2, 1, 0];
        let one_der = [0x30, 6, 2, 1, 1, 2, 1, 1];
        let forged: [&[u8]; 7] = [
            hmac.as_ref(),
            b"",
            &zero_der,
            &one_der,
            &[0; 64],
            &[0; 96],
            &[0; 384],
        ];
        for bytes in forged {
            let attacked = bare(STATEMENT, &[("", bytes)]);
            assert!(signers(&attacked, &public).is_empty(), "{algorithm}");
        }
        // What the document says of algorithms is not heard.
        let said =
            bare(STATEMENT, &[("", hmac.as_ref())]).replace(r#""sig":"#, r#""alg":"none","sig":"#);
        assert!(signers(&said, &public).is_empty());
    }
    // RSA with the padding that is not on the list.
    for algorithm in [Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512] {
        let (rsa, pkcs1) = sign_bytes(algorithm, &message, true);
        let rsa = [rsa.public_key().clone()];
        let reason = one_reason(&bare(STATEMENT, &[("", &pkcs1)]), &rsa);
        let (key, padding) = (*rsa[0].id(), BadSignature::Pkcs1);
        assert_eq!(
            reason,
            SignatureError::Form {
                key,
                reason: padding
            }
        );
        let (rsa, pss) = sign_bytes(algorithm, &message, false);
        let good = bare(STATEMENT, &[("", &pss)]);
        assert_eq!(signers(&good, &[rsa.public_key().clone()]).len(), 1);
    }
    // A key of HMAC, in the form of a public key.
    let hmac_key =
        b"\x30\x12\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x09\x05\x00\x03\x02\x00\x09";
    let refused = PublicKey::from_spki_der(hmac_key);
    assert_eq!(refused, Err(KeyError::Algorithm("HMAC".to_owned())));
    assert_eq!(signers(&good, &trusted).len(), 1);
}

#[test]
fn attack_15_base64_is_written_in_other_ways() {
    let key = p256();
    let trusted = [key.public_key().clone()];
    // Bytes that differ in the two alphabets, and need padding.
    let payload = "{\"a\":\"\u{fbef}\u{ffff}>?~\"}".as_bytes();
    let signature = sign(&key, payload);
    let good = bare(payload, &[("", &signature)]);
    let standard = STANDARD.encode(payload);
    let url = URL_SAFE.encode(payload);
    assert!(standard != url && standard.ends_with('='), "{standard}");
    let with = |text: &str| good.replace(&standard, text);
    for accepted in [&standard, &url] {
        assert_eq!(signers(&with(accepted), &trusted).len(), 1);
    }
    let sig = STANDARD.encode(&signature);
    let urlish = good.replace(&sig, &URL_SAFE.encode(&signature));
    assert_eq!(signers(&urlish, &trusted).len(), 1);
    let bare_text = standard.trim_end_matches('=');
    let mixed = standard.replacen('/', "_", 1);
    assert!(mixed.contains('_') && mixed.contains(['+', '/']), "{mixed}");
    let mut loose = bare_text.as_bytes().to_vec();
    *loose.last_mut().expect("text") += 1;
    let loose = String::from_utf8(loose).expect("text") + &standard[bare_text.len()..];
    for refused in [
        bare_text.to_owned(),
        format!("{standard}="),
        format!("{standard}junk"),
        format!("{standard}{standard}"),
        standard.replacen('e', "e\\n", 1),
        format!("{standard}\\n"),
        format!(" {standard}"),
        format!("\\u0000{standard}"),
        mixed,
        loose,
    ] {
        for attacked in [with(&refused), good.replace(&sig, &refused)] {
            assert!(
                matches!(read(&attacked), Err(EnvelopeError::Base64(_))),
                "{attacked}"
            );
            let bundle = crate::bundles::around(&attacked, "{}");
            assert!(
                matches!(read(&bundle), Err(EnvelopeError::Base64(_))),
                "{bundle}"
            );
            let file = Attestation::parse_file(attacked.as_bytes());
            assert!(
                matches!(file, Err(AttestationError::Envelope(_))),
                "{attacked}"
            );
        }
    }
}

#[test]
fn attack_16_a_key_stands_twice_in_the_envelope_or_the_statement() {
    let (key, _, good) = good_set();
    for twice in ["payload", "payloadType", "signatures", "keyid", "sig"] {
        let name = format!("\"{twice}\":");
        let attacked = good.replacen(&name, &format!("{name}\"\",{name}"), 1);
        let refused = Attestation::parse(attacked.as_bytes()).expect_err(twice);
        let AttestationError::NotJson(error) = refused else {
            panic!("{twice}: {refused}");
        };
        assert_eq!(error.fault, Fault::DuplicateKey(twice.to_owned()));
    }
    let twice = br#"{"subject":[],"subject":[]}"#;
    let signed = bare(twice, &[("", &sign(&key, twice))]);
    for document in [signed.as_bytes(), twice] {
        assert!(matches!(
            Attestation::parse(document),
            Err(AttestationError::Payload(error) | AttestationError::NotJson(error))
                if error.fault == Fault::DuplicateKey("subject".to_owned())
        ));
    }
}

#[test]
fn too_many_signatures_are_no_verdict_and_a_wrong_envelope_fails() {
    use makoto::report::{Level, Verdict};
    let verdict = |text: &str| {
        let now = makoto::datetime::DateTime::from_unix(0).expect("1970 is a year");
        makoto::validate::validate(text.as_bytes(), Level::L1, now).verdict
    };
    let most = Limits::DEFAULT.envelope_items;
    let many = bare(STATEMENT, &vec![("", &b"x"[..]); most + 1]);
    assert_eq!(verdict(&many), Verdict::Unknown);
    let wrong = bare(STATEMENT, &[("", b"x")]).replace(PAYLOAD_TYPE, "text/plain");
    assert_eq!(verdict(&wrong), Verdict::Fail);
}
