//! OpenSSL verifies what we sign, and we verify what it signs.

use std::path::Path;
use std::process::Command;

use makoto::envelope::{PAYLOAD_TYPE, pae};
use makoto::key::{Algorithm, BadSignature, KeyError, PublicKey, SigningKey};

use crate::keys::{STATEMENT, sign};

/// Runs `openssl` in `folder`; whether it ended well.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl");
    output.status.success()
}

/// A new private key in `key.pem`, and its public half in `public.pem`.
#[track_caller]
fn new_key(folder: &Path, how: &str) {
    let made = format!("genpkey {how} -out key.pem");
    assert!(openssl(folder, &made), "{made}");
    assert!(openssl(folder, "pkey -in key.pem -pubout -out public.pem"));
}

const PSS: &str = "-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest";

#[test]
fn openssl_and_we_agree() {
    let hash = |hash: &str| format!("-rawin -digest {hash}");
    let pss = |size: &str| format!("{} {PSS} -pkeyopt rsa_mgf1_md:{size}", hash(size));
    let ec = |curve: &str| format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
    let rsa = "-algorithm RSA -pkeyopt rsa_keygen_bits:3072".to_owned();
    for (how, options, algorithm) in [
        (ec("P-256"), hash("sha256"), Algorithm::Es256),
        (ec("P-384"), hash("sha384"), Algorithm::Es384),
        (
            "-algorithm ED25519".to_owned(),
            "-rawin".to_owned(),
            Algorithm::Ed25519,
        ),
        (rsa.clone(), pss("sha256"), Algorithm::Ps256),
        (rsa.clone(), pss("sha384"), Algorithm::Ps384),
        (rsa, pss("sha512"), Algorithm::Ps512),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.join(name), bytes).expect(name);
        };
        new_key(folder, &how);
        let key = SigningKey::from_pkcs8_pem(&read("key.pem")).expect("a private key");
        let key = key.with_algorithm(algorithm).expect("its algorithm");
        let public = PublicKey::from_spki_pem(&read("public.pem")).expect("a public key");
        assert_eq!(&public, key.public_key());
        assert!(openssl(
            folder,
            "pkey -in key.pem -pubout -outform DER -out spki"
        ));
        assert_eq!(public.to_spki_der(), read("spki"));

        let message = pae(PAYLOAD_TYPE, STATEMENT);
        write("pae", &message);
        write("ours", &sign(&key, STATEMENT));
        let verify = "pkeyutl -verify -pubin -inkey public.pem -in pae -sigfile";
        let ours = format!("{verify} ours {options}");
        assert!(openssl(folder, &ours), "{algorithm}: {ours}");
        write("pae", b"something else");
        assert!(!openssl(folder, &ours), "{algorithm}");

        write("pae", &message);
        let sign = format!("pkeyutl -sign -inkey key.pem -in pae -out theirs {options}");
        assert!(openssl(folder, &sign), "{algorithm}: {sign}");
        let theirs = read("theirs");
        assert_eq!(public.verify(&message, &theirs), Ok(algorithm));
        let other = pae(PAYLOAD_TYPE, b"{}");
        assert_eq!(public.verify(&other, &theirs), Err(BadSignature::Mismatch));
    }
}

#[test]
fn keys_that_are_not_on_the_list_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    for (how, name) in [
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "P-521"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-224", "P-224"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "secp256k1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1",
            "brainpoolP256r1",
        ),
        ("-algorithm ED448", "Ed448"),
        ("-algorithm X25519", "X25519"),
        (
            "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
            "id-RSASSA-PSS",
        ),
    ] {
        new_key(folder, how);
        let public = PublicKey::from_spki_pem(&read("public.pem")).expect_err(how);
        let private = SigningKey::from_pkcs8_pem(&read("key.pem")).expect_err(how);
        for refused in [public, private] {
            let named = matches!(&refused, KeyError::Algorithm(text) if text.contains(name));
            assert!(named, "{how}: {refused}");
        }
    }
    new_key(folder, "-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    let small = PublicKey::from_spki_pem(&read("public.pem")).expect_err("1024 bits");
    assert!(matches!(small, KeyError::RsaSize { found: 1024, .. }));
    let explicit = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit";
    new_key(folder, explicit);
    let spelled = PublicKey::from_spki_pem(&read("public.pem")).expect_err("no name");
    assert!(matches!(spelled, KeyError::Spelling(_)), "{spelled}");
    assert!(SigningKey::from_pkcs8_pem(&read("key.pem")).is_err());
    // One that is locked, and one in the older form.
    new_key(folder, "-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    assert!(openssl(
        folder,
        "pkey -in key.pem -aes256 -passout pass:x -out locked.pem"
    ));
    assert!(openssl(folder, "ec -in key.pem -out old.pem"));
    for (name, label) in [
        ("locked.pem", "ENCRYPTED PRIVATE KEY"),
        ("old.pem", "EC PRIVATE KEY"),
        ("public.pem", "PUBLIC KEY"),
    ] {
        let refused = SigningKey::from_pkcs8_pem(&read(name)).expect_err(name);
        let named = matches!(&refused, KeyError::Pem { found, .. } if found.contains(label));
        assert!(named, "{name}: {refused}");
    }
}

#[test]
fn what_openssl_dgst_writes_is_refused_as_a_raw_signature() {
    use makoto::attestation::{Attestation, AttestationError};
    use makoto::envelope::EnvelopeError;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("statement"), STATEMENT).expect("written");
    for how in [
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    ] {
        new_key(folder, how);
        assert!(openssl(
            folder,
            "dgst -sha256 -sign key.pem -out sig statement"
        ));
        assert!(openssl(folder, "base64 -in sig -out sig.b64"));
        for name in ["sig", "sig.b64"] {
            let bytes = std::fs::read(folder.join(name)).expect(name);
            let refused = Attestation::parse_file(&bytes).expect_err(name);
            let named = AttestationError::Envelope(EnvelopeError::RawSignature);
            assert_eq!(refused, named, "{how} {name}");
        }
    }
    for other in ["", "hello", "{", "orders,1\norders,2\n"] {
        let refused = Attestation::parse_file(other.as_bytes()).expect_err("no JSON");
        assert!(matches!(refused, AttestationError::NotJson(_)), "{other}");
    }
}
