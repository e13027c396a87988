//! Sigstore bundles: read, written, and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::envelope::{Envelope, EnvelopeError, PAYLOAD_TYPE};
use makoto::json::Json;
use makoto::limits::Limits;

use crate::attacks::{bare, read};
use crate::keys::{STATEMENT, all, p256, sign};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A bundle around an envelope, with this material.
pub(crate) fn around(envelope: &str, material: &str) -> String {
    format!(
        r#"{{"mediaType":"{MEDIA_TYPE}","verificationMaterial":{material},"dsseEnvelope":{envelope}}}"#
    )
}

fn get<'a>(value: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, key| match key.parse() {
        Ok(index) => value.as_array()?.get::<usize>(index),
        Err(_) => value.get(key),
    })
}

/// Some DER that is no answer of an authority, and so stands for a token.
fn token(number: u8) -> Vec<u8> {
    vec![0x30, 3, 2, 1, number]
}

#[test]
fn a_bundle_holds_whole_answers_and_a_token_alone_is_read_too() {
    let key = &all()[0].1;
    let mut envelope = Envelope::sign(PAYLOAD_TYPE, STATEMENT, key).expect("signed");
    envelope.unverified_signatures[0].tokens = vec![token(1)];
    let written = envelope.to_bundle().expect("one signature").to_string();
    // SEQUENCE { SEQUENCE { INTEGER 0 }, token }
    assert!(
        written.contains("\"signedTimestamp\":\"MAowAwIBADADAgEB\""),
        "{written}"
    );
    let alone = written.replace("MAowAwIBADADAgEB", "MAMCAQE=");
    // An authority that refused gave no token.
    let refused = written.replace("MAowAwIBADADAgEB", "MAowAwIBAjADAgEB");
    for (text, same) in [(&written, true), (&alone, true), (&refused, false)] {
        let read = read(text).expect("read");
        assert_eq!(read == envelope, same, "{text}");
    }
}

#[test]
fn what_is_written_is_read_again_and_holds() {
    for (algorithm, key) in all() {
        let trusted = [key.public_key().clone()];
        let mut envelope = Envelope::sign(PAYLOAD_TYPE, STATEMENT, &key).expect("signed");
        envelope.unverified_signatures[0].tokens = vec![token(1), token(2)];
        let bundle = envelope.to_bundle().expect("one signature");
        let again = read(&bundle.to_string()).expect("good");
        assert_eq!(again, envelope);
        let checked = again.check_signatures(&trusted);
        let signed = checked[0].as_ref().expect("good");
        assert_eq!((signed.key(), signed.algorithm()), (&trusted[0], algorithm));

        let key_id = Json::from(trusted[0].key_id());
        let hint = ["verificationMaterial", "publicKey", "hint"];
        assert_eq!(get(&bundle, &hint), Some(&key_id));
        let written = ["dsseEnvelope", "signatures", "0", "keyid"];
        assert_eq!(get(&bundle, &written), Some(&Json::from("")));
        assert_eq!(get(&bundle, &["mediaType"]), Some(&Json::from(MEDIA_TYPE)));
        let payload = get(&bundle, &["dsseEnvelope", "payload"]);
        assert_eq!(payload, Some(&Json::from(STANDARD.encode(STATEMENT))));
        let token = [
            "timestampVerificationData",
            "rfc3161Timestamps",
            "1",
            "signedTimestamp",
        ];
        let token = get(&bundle, &[&["verificationMaterial"], &token[..]].concat());
        assert_eq!(token, Some(&Json::from("MAowAwIBADADAgEC")));
        // The payload is found byte for byte, and the signature is over those bytes.
        assert_eq!(again.unverified_payload, STATEMENT);
    }
}

#[test]
fn only_the_leaf_of_a_chain_is_written_and_then_there_is_no_hint() {
    let envelope = bare(STATEMENT, &[("", b"signature")]);
    let chain = r#"{"x509CertificateChain":{"certificates":[{"rawBytes":"bGVhZg=="},{"rawBytes":"Y2E="}]}}"#;
    let read_chain = read(&around(&envelope, chain)).expect("a chain is read");
    let certificates = &read_chain.unverified_signatures[0].certificates;
    assert_eq!(certificates, &[b"leaf".to_vec(), b"ca".to_vec()]);
    let written = read_chain.to_bundle().expect("one signature");
    let leaf = r#"{"certificate":{"rawBytes":"bGVhZg=="}}"#;
    let material = written.get("verificationMaterial").expect("material");
    assert_eq!(material.to_string(), leaf);
    let again = read(&written.to_string()).expect("good");
    assert_eq!(
        again.unverified_signatures[0].certificates,
        certificates[..1]
    );
}

#[test]
fn times_are_read_in_both_places_and_written_in_the_bundle() {
    let envelope = bare(STATEMENT, &[("", b"signature")]);
    let stamp = r#""timestamp":{"authority":"https://tsa.example","token":"MAMCAQE="},"sig""#;
    let guide = envelope.replace("\"sig\"", stamp);
    let of_guide = read(&guide).expect("read").unverified_signatures;
    assert_eq!(of_guide[0].tokens, [token(1)]);
    let stamps =
        r#"{"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"MAMCAQI="}]}}"#;
    let both = read(&around(&guide, stamps)).expect("read");
    let tokens = [token(1), token(2)];
    assert_eq!(both.unverified_signatures[0].tokens, tokens);
    let written = both.to_bundle().expect("one signature");
    assert!(!written.to_string().contains("\"timestamp\""), "{written}");
    assert_eq!(read(&written.to_string()).expect("good"), both);
    for bad in ["\"token\":\"?\"", "\"tok\":\"MAMCAQE=\"", "\"token\":1"] {
        let bad = guide.replace("\"token\":\"MAMCAQE=\"", bad);
        assert!(matches!(read(&bad), Err(EnvelopeError::Base64(_))), "{bad}");
    }
}

#[test]
fn log_entries_are_kept_as_they_were_found() {
    let entry = r#"{"kindVersion":{"kind":"dsse","version":"0.0.2"},"logIndex":"12"}"#;
    let material = format!(r#"{{"publicKey":{{"hint":"a"}},"tlogEntries":[{entry}]}}"#);
    let bundle = around(&bare(STATEMENT, &[("a", b"signature")]), &material);
    let envelope = read(&bundle).expect("read");
    assert_eq!(envelope.unverified_log_entries[0].to_string(), entry);
    let again = read(&envelope.to_bundle().expect("one").to_string());
    assert_eq!(again, Ok(envelope));
}

#[test]
fn the_hint_of_a_bundle_is_the_id_of_its_key() {
    let material = r#"{"publicKey":{"hint":"a"}}"#;
    for key_id in ["a", ""] {
        let bundle = around(&bare(STATEMENT, &[(key_id, b"signature")]), material);
        let signature = &read(&bundle).expect("read").unverified_signatures[0];
        assert_eq!(signature.key_id.as_deref(), Some("a"));
    }
    // Neither is signed; where they differ, nothing is lost (attack 6).
    let other = around(&bare(STATEMENT, &[("b", b"signature")]), material);
    let signature = &read(&other).expect("read").unverified_signatures[0];
    assert_eq!(signature.key_id.as_deref(), Some("a"));
}

#[test]
fn a_bundle_has_one_signature_and_bare_envelopes_may_have_several() {
    let two = bare(STATEMENT, &[("", b"one"), ("", b"two")]);
    let envelope = read(&two).expect("bare envelopes may");
    assert_eq!(envelope.to_bundle(), Err(EnvelopeError::NotOneSignature(2)));
    for (inner, count) in [(two, 2), (bare(STATEMENT, &[]), 0)] {
        let refused = read(&around(&inner, "{}"));
        assert_eq!(refused, Err(EnvelopeError::NotOneSignature(count)));
    }
    // Several signers are several bundles, each for itself.
    let (one, two) = (p256(), p256());
    let keys = [one.public_key().clone(), two.public_key().clone()];
    for key in [&one, &two] {
        let bundle = around(&bare(STATEMENT, &[("", &sign(key, STATEMENT))]), "{}");
        let checked = read(&bundle).expect("good").check_signatures(&keys);
        assert_eq!(checked[0].as_ref().map(|by| by.key()), Ok(key.public_key()));
    }
}

#[test]
fn bundles_of_other_versions_and_shapes_are_refused() {
    let envelope = bare(STATEMENT, &[("", b"signature")]);
    let good = around(&envelope, "{}");
    for old in ["0.1", "0.2", "0.3"] {
        let name = format!("application/vnd.dev.sigstore.bundle+json;version={old}");
        read(&good.replace(MEDIA_TYPE, &name)).expect("older names are read");
    }
    for other in [
        MEDIA_TYPE.replace("v0.3", "v0.4"),
        MEDIA_TYPE.replace("v0.3", "v1"),
        String::new(),
    ] {
        let refused = read(&good.replace(MEDIA_TYPE, &other));
        assert!(
            matches!(refused, Err(EnvelopeError::MediaType(_))),
            "{other}"
        );
    }
    let unnamed = good.replace("mediaType", "type");
    assert!(matches!(read(&unnamed), Err(EnvelopeError::MediaType(_))));
    for material in [
        "[]",
        "\"\"",
        r#"{"certificate":{"rawBytes":""},"publicKey":{"hint":""}}"#,
        r#"{"certificate":[]}"#,
        r#"{"publicKey":{"hint":1}}"#,
        r#"{"tlogEntries":{}}"#,
        r#"{"timestampVerificationData":{"rfc3161Timestamps":{}}}"#,
        r#"{"x509CertificateChain":{"certificates":"x"}}"#,
    ] {
        let refused = read(&around(&envelope, material));
        assert!(
            matches!(refused, Err(EnvelopeError::Field { .. })),
            "{material}"
        );
    }
    for material in [
        r#"{"certificate":{}}"#,
        r#"{"certificate":{"rawBytes":"?"}}"#,
        r#"{"x509CertificateChain":{"certificates":[{}]}}"#,
        r#"{"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":null}]}}"#,
    ] {
        let refused = read(&around(&envelope, material));
        assert!(
            matches!(refused, Err(EnvelopeError::Base64(_))),
            "{material}"
        );
    }
    let items = vec!["{}"; Limits::DEFAULT.envelope_items + 1].join(",");
    let refused = read(&around(
        &envelope,
        &format!("{{\"tlogEntries\":[{items}]}}"),
    ));
    assert!(matches!(refused, Err(EnvelopeError::TooMany { .. })));
}

#[test]
fn a_document_is_one_thing() {
    let envelope = bare(STATEMENT, &[("", b"signature")]);
    let bundle = around(&envelope, "{}");
    let open = |text: &str| text[..text.len() - 1].to_owned();
    for both in [
        format!("{},\"messageSignature\":{{}}}}", open(&bundle)),
        format!("{},\"predicate\":{{}}}}", open(&bundle)),
        format!("{},\"payload\":\"\",\"payloadType\":\"\"}}", open(&bundle)),
        format!("{},\"_type\":\"\"}}", open(&envelope)),
    ] {
        assert_eq!(read(&both), Err(EnvelopeError::Ambiguous), "{both}");
    }
    let blob = bundle.replace("dsseEnvelope", "messageSignature");
    assert_eq!(read(&blob), Err(EnvelopeError::MessageSignature));
    let nested = around(&bundle, "{}");
    assert!(matches!(
        read(&nested),
        Err(EnvelopeError::PayloadType { .. })
    ));
}
