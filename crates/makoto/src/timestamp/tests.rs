//! What needs no authority: forms of times and numbers.

use super::*;

fn info(time: &str) -> TstInfo {
    let oid = ObjectIdentifier::new_unwrap("1.2.3");
    TstInfo {
        version: 1,
        policy: oid,
        message_imprint: asn1::MessageImprint {
            hash_algorithm: x509_cert::spki::AlgorithmIdentifierOwned {
                oid: asn1::SHA256,
                parameters: None,
            },
            hashed_message: der::asn1::OctetString::new([0; 32]).expect("short"),
        },
        serial_number: der::asn1::Int::new(&[1]).expect("an integer"),
        gen_time: der::Any::new(Tag::GeneralizedTime, time.as_bytes()).expect("short"),
        accuracy: None,
        ordering: false,
        nonce: None,
        tsa: None,
        extensions: None,
    }
}

#[test]
fn a_time_has_one_spelling() {
    for (text, read) in [
        ("20261121080000Z", "2026-11-21T08:00:00Z"),
        ("20261121080000.25Z", "2026-11-21T08:00:00.25Z"),
        (
            "20261121080000.000000001Z",
            "2026-11-21T08:00:00.000000001Z",
        ),
    ] {
        let time = gen_time(&info(text)).expect(text);
        assert_eq!(time.as_str(), read);
    }
    for near in [
        "20261121080000",
        "20261121080000.Z",
        "20261121080000.250Z",
        "20261121080000.0000000001Z",
        "20261121080000+0000",
        "202611210800Z",
        "20261321080000Z",
        "20261121080000z",
        "2026112108000\u{e9}Z",
        "20261121080000.2\u{e9}Z",
    ] {
        assert!(gen_time(&info(near)).is_err(), "{near}");
    }
    let mut other = info("20261121080000Z");
    other.gen_time = der::Any::new(Tag::UtcTime, b"261121080000Z".as_slice()).expect("short");
    assert!(gen_time(&other).is_err());
}

#[test]
fn an_accuracy_is_the_sum_of_its_parts() {
    let mut info = info("20261121080000Z");
    assert_eq!(accuracy(&info), Ok(None));
    let with = |seconds, millis, micros| {
        Some(asn1::Accuracy {
            seconds,
            millis,
            micros,
        })
    };
    info.accuracy = with(Some(1), Some(500), Some(100));
    assert_eq!(accuracy(&info), Ok(Some(1_500_100)));
    info.accuracy = with(None, Some(1_000), None);
    assert!(accuracy(&info).is_err());
}
