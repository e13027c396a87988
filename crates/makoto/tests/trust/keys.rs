//! Keys, and what is refused as one.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use makoto::digest::Digest;
use makoto::envelope::{Envelope, PAYLOAD_TYPE, pae};
use makoto::key::{
    Algorithm, BadSignature, KeyError, PublicKey, SignError, Signed, Signer, SigningKey, Unsigned,
    holds_private_key,
};

/// A statement, as far as signatures care.
pub(crate) const STATEMENT: &[u8] = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;

/// PKCS#8 of a new key for an algorithm. There is one RSA key: they take long to make.
fn new_der(algorithm: Algorithm) -> Vec<u8> {
    static RSA: OnceLock<Vec<u8>> = OnceLock::new();
    let random = SystemRandom::new();
    let made = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random),
        Algorithm::Es384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random),
        Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
        _ => return RSA.get_or_init(|| rsa_der(KeySize::Rsa3072)).clone(),
    };
    made.expect("a key").as_ref().to_vec()
}

/// PKCS#8 of an RSA key of this size.
fn rsa_der(size: KeySize) -> Vec<u8> {
    let pair = RsaKeyPair::generate(size).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    der.as_ref().to_vec()
}

/// A new key.
pub(crate) fn new(algorithm: Algorithm) -> SigningKey {
    of(&new_der(algorithm), algorithm)
}

fn of(der: &[u8], algorithm: Algorithm) -> SigningKey {
    let key = SigningKey::from_pkcs8_der(der).expect("good");
    key.with_algorithm(algorithm)
        .expect("an algorithm of the key")
}

/// A new key for ES256.
pub(crate) fn p256() -> SigningKey {
    new(Algorithm::Es256)
}

/// Every algorithm.
pub(crate) const ALL: [Algorithm; 6] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Ed25519,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// One key for each algorithm.
pub(crate) fn all() -> Vec<(Algorithm, SigningKey)> {
    ALL.map(|algorithm| (algorithm, new(algorithm))).into()
}

/// A new key, and its signature over bytes themselves: what programs make that do not know
/// DSSE. With `pkcs1`, RSA signs with the padding that is not on the list.
pub(crate) fn sign_bytes(algorithm: Algorithm, bytes: &[u8], pkcs1: bool) -> (SigningKey, Vec<u8>) {
    let der = new_der(algorithm);
    let random = SystemRandom::new();
    let ecdsa = |curve| {
        let pair = EcdsaKeyPair::from_pkcs8(curve, &der).expect("good");
        pair.sign(&random, bytes).expect("signed").as_ref().to_vec()
    };
    let rsa = |pss: &'static dyn RsaEncoding, other: &'static dyn RsaEncoding| {
        let pair = RsaKeyPair::from_pkcs8(&der).expect("good");
        let mut made = vec![0; pair.public_modulus_len()];
        let encoding = if pkcs1 { other } else { pss };
        pair.sign(encoding, &random, bytes, &mut made)
            .expect("signed");
        made
    };
    let signature = match algorithm {
        Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(&der).expect("good");
            pair.sign(bytes).as_ref().to_vec()
        }
        Algorithm::Ps256 => rsa(&RSA_PSS_SHA256, &RSA_PKCS1_SHA256),
        Algorithm::Ps384 => rsa(&RSA_PSS_SHA384, &RSA_PKCS1_SHA384),
        Algorithm::Ps512 => rsa(&RSA_PSS_SHA512, &RSA_PKCS1_SHA512),
    };
    (of(&der, algorithm), signature)
}

/// A signature of r followed by s, which is not DER.
pub(crate) fn sign_fixed_p256(bytes: &[u8]) -> (SigningKey, Vec<u8>) {
    let der = new_der(Algorithm::Es256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("good");
    let signature = pair.sign(&SystemRandom::new(), bytes).expect("signed");
    (of(&der, Algorithm::Es256), signature.as_ref().to_vec())
}

/// Signs bytes as a statement is signed.
pub(crate) fn sign(key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    let unsigned = Unsigned {
        payload_type: PAYLOAD_TYPE,
        payload,
    };
    key.sign(&unsigned).expect("signed").signature
}

#[test]
fn every_algorithm_signs_what_its_key_alone_verifies() {
    let keys = all();
    let message = pae(PAYLOAD_TYPE, STATEMENT);
    for (algorithm, key) in &keys {
        let signature = sign(key, STATEMENT);
        let public = key.public_key();
        assert_eq!(public.verify(&message, &signature), Ok(*algorithm));
        let mut other = message.clone();
        other[0] ^= 1;
        assert!(public.verify(&other, &signature).is_err());
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut bad = signature.clone();
            bad[at] ^= 1;
            assert!(public.verify(&message, &bad).is_err(), "{algorithm} {at}");
        }
        for bad in [&signature[1..], &[&signature[..], &[0]].concat(), &[]] {
            assert!(public.verify(&message, bad).is_err(), "{algorithm}");
        }
        for (another, stranger) in &keys {
            let same_key = stranger.public_key() == public;
            let verified = stranger.public_key().verify(&message, &signature);
            assert_eq!(verified.is_ok(), same_key, "{algorithm} by {another}");
        }
    }
}

#[test]
fn the_id_of_a_key_is_that_of_its_only_spelling() {
    for (_, key) in all() {
        let der = key.public_key().to_spki_der();
        assert_eq!(*key.public_key().id(), Digest::of(der));
        let again = PublicKey::from_spki_der(der).expect("good");
        assert_eq!(again.key_id(), key.public_key().key_id());
        for bad in [&der[1..], &der[..der.len() - 1], &[der, &[0]].concat()] {
            let refused = PublicKey::from_spki_der(bad);
            assert!(matches!(refused, Err(KeyError::Der { .. })), "{refused:?}");
        }
        let mut long_form = vec![0x30, 0x84, 0, 0];
        long_form.extend(((der.len() - header(der)) as u16).to_be_bytes());
        long_form.extend(&der[header(der)..]);
        let refused = PublicKey::from_spki_der(&long_form);
        assert!(matches!(refused, Err(KeyError::Der { .. })), "{refused:?}");
    }
    let der = p256().public_key().to_spki_der().to_vec();
    // The same point, of which one coordinate is told by a bit.
    let mut compressed = der[..der.len() - 32].to_vec();
    (compressed[1], compressed[24]) = (compressed[1] - 32, compressed[24] - 32);
    compressed[26] = 2 + (der[der.len() - 1] & 1);
    let refused = PublicKey::from_spki_der(&compressed);
    assert!(matches!(refused, Err(KeyError::Spelling(_))), "{refused:?}");
    let mut off_curve = der.clone();
    off_curve[80] ^= 1;
    let refused = PublicKey::from_spki_der(&off_curve);
    assert_eq!(refused, Err(KeyError::Invalid("P-256")));
    let mut infinity = der[..27].to_vec();
    (infinity[1], infinity[24], infinity[26]) = (der[1] - 64, der[24] - 64, 0);
    assert_eq!(PublicKey::from_spki_der(&infinity), refused);
}

/// Bytes of tag and length at the beginning of DER.
fn header(der: &[u8]) -> usize {
    match der[1] {
        short if short < 0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    }
}

#[test]
fn an_ed25519_key_that_anyone_can_sign_for_is_refused() {
    let der = new(Algorithm::Ed25519).public_key().to_spki_der().to_vec();
    let with = |bits: &[u8]| PublicKey::from_spki_der(&[&der[..12], bits].concat());
    with(&der[12..]).expect("good");
    let mut one = [0; 32];
    one[0] = 1;
    let mut prime_plus_one = [0xff; 32];
    (prime_plus_one[0], prime_plus_one[31]) = (0xee, 0x7f);
    let mut signed_one = one;
    signed_one[31] = 0x80;
    for weak in [[0; 32], one, signed_one, prime_plus_one, [0xff; 32]] {
        assert_eq!(with(&weak), Err(KeyError::Invalid("Ed25519")), "{weak:x?}");
    }
    let mut short = [&der[..12], &der[12..43]].concat();
    (short[1], short[10]) = (short[1] - 1, short[10] - 1);
    assert_eq!(
        PublicKey::from_spki_der(&short),
        Err(KeyError::Invalid("Ed25519"))
    );
}

#[test]
fn rsa_of_2048_bits_verifies_but_does_not_sign() {
    let der = rsa_der(KeySize::Rsa2048);
    let refused = SigningKey::from_pkcs8_der(&der).expect_err("too small to sign");
    assert!(
        matches!(refused, KeyError::RsaSize { found: 2048, .. }),
        "{refused}"
    );
    new(Algorithm::Ps256)
        .public_key()
        .check_strength_to_sign()
        .expect("3072 bits");
}

#[test]
fn pem_is_read_by_its_label() {
    use base64::Engine as _;
    let key = p256();
    let body = base64::engine::general_purpose::STANDARD.encode(key.public_key().to_spki_der());
    let (first, second) = body.split_at(64);
    let pem = |label: &str| {
        format!("-----BEGIN {label}-----\n{first}\n{second}\n-----END {label}-----\n")
    };
    let read = PublicKey::from_spki_pem(pem("PUBLIC KEY").as_bytes()).expect("good");
    assert_eq!(&read, key.public_key());
    for label in [
        "CERTIFICATE",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PUBLIC KEY",
    ] {
        let refused = PublicKey::from_spki_pem(pem(label).as_bytes());
        let named = matches!(&refused, Err(KeyError::Pem { found, .. }) if found.contains(label));
        assert!(named, "{refused:?}");
    }
    let two = pem("PUBLIC KEY").repeat(2);
    for bad in [two.as_str(), "", &body] {
        let refused = PublicKey::from_spki_pem(bad.as_bytes());
        assert!(matches!(refused, Err(KeyError::Pem { .. })), "{refused:?}");
    }
}

#[test]
fn a_key_signs_with_an_algorithm_of_its_kind_only() {
    for (key, algorithm) in [
        (p256(), Algorithm::Es384),
        (p256(), Algorithm::Ps256),
        (new(Algorithm::Ed25519), Algorithm::Es256),
        (new(Algorithm::Ps256), Algorithm::Ed25519),
    ] {
        let refused = key.with_algorithm(algorithm).expect_err("another kind");
        assert!(matches!(refused, KeyError::Algorithm(_)), "{refused}");
    }
}

/// A signer that is far away: it answers with what it was told to.
struct Remote(Result<Signed, SignError>);

impl Signer for Remote {
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, SignError> {
        match unsigned.payload {
            STATEMENT => self.0.clone(),
            _ => Err(SignError::Refused("not my statement".to_owned())),
        }
    }
}

#[test]
fn what_a_signer_answers_is_checked() {
    let (key, other) = (p256(), p256());
    let signed = |bytes: &[u8], named: &SigningKey| {
        Remote(Ok(Signed {
            signature: sign(&other, bytes),
            public_key: named.public_key().clone(),
        }))
    };
    let good = Envelope::sign(PAYLOAD_TYPE, STATEMENT, &signed(STATEMENT, &other));
    assert_eq!(
        good.expect("good").unverified_signatures[0].key_id,
        Some(other.public_key().key_id())
    );
    for faulty in [signed(STATEMENT, &key), signed(b"another", &other)] {
        assert_eq!(
            Envelope::sign(PAYLOAD_TYPE, STATEMENT, &faulty),
            Err(SignError::Faulty(BadSignature::Mismatch))
        );
    }
    let refused = Envelope::sign(PAYLOAD_TYPE, b"{}", &signed(STATEMENT, &other));
    assert!(matches!(refused, Err(SignError::Refused(_))));
    let silent = Remote(Err(SignError::Unavailable("no answer".to_owned())));
    let failed = Envelope::sign(PAYLOAD_TYPE, STATEMENT, &silent);
    assert!(matches!(failed, Err(SignError::Unavailable(_))));
}

#[test]
fn a_key_in_this_process_makes_the_same_envelope_as_any_signer() {
    for algorithm in [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Ps256] {
        let key = new(algorithm);
        let own = key.sign_envelope(PAYLOAD_TYPE, STATEMENT).expect("signed");
        let public = [key.public_key().clone()];
        assert!(own.check_signatures(&public).iter().all(Result::is_ok));
        let mut any = Envelope::sign(PAYLOAD_TYPE, STATEMENT, &key).expect("signed");
        any.unverified_signatures[0]
            .bytes
            .clone_from(&own.unverified_signatures[0].bytes);
        assert_eq!(own, any);
    }
}

/// DER of a key that openssl makes.
fn by_openssl(arguments: &str) -> Vec<u8> {
    let mut openssl = std::process::Command::new("openssl");
    let ran = openssl.args(arguments.split(' ')).output();
    let ran = ran.expect("openssl is installed");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "openssl {arguments}: {said}");
    ran.stdout
}

#[test]
fn a_private_key_is_known_in_every_form() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let ders = [
        new_der(Algorithm::Es256),
        new_der(Algorithm::Ed25519),
        new_der(Algorithm::Ps256),
        by_openssl("genpkey -outform DER -algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
        // SEC1 and PKCS#1.
        by_openssl("ecparam -name prime256v1 -genkey -noout -outform DER"),
        by_openssl("genpkey -outform DER -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ];
    for der in &ders {
        let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            STANDARD.encode(der),
            STANDARD_NO_PAD.encode(der),
            URL_SAFE_NO_PAD.encode(der),
            format!(" {}\n", STANDARD.encode(der)),
            hex.to_uppercase(),
            hex,
        ] {
            assert!(holds_private_key(&text), "{text}");
        }
    }
    let public = p256().public_key().clone();
    for text in [
        "",
        "file:team.key",
        &"ab".repeat(32),
        &STANDARD.encode(public.to_spki_der()),
        &public.to_spki_pem(),
        &STANDARD.encode(STATEMENT),
        &STANDARD.encode(&ders[0][..ders[0].len() - 1]),
    ] {
        assert!(!holds_private_key(text), "{text}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let key = new(Algorithm::Ed25519);
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SigningKey({:?})", key.public_key()));
}
