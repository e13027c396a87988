//! Signing a statement of 2 KiB, beside the backend alone on the same bytes, in one run.
//!
//! What is timed is [`SigningKey::sign_envelope`], by which the command signs: it makes the
//! pre-authentication encoding, signs it, and puts an envelope around it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use makoto::envelope::{PAYLOAD_TYPE, pae};
use makoto::key::{Algorithm, SigningKey};

const ROUNDS: usize = 9;
const TIME: Duration = Duration::from_millis(200);

/// Calls per second.
fn rate(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < TIME {
        (0..16).for_each(|_| work());
        calls += 16;
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Prints the medians of rates that were taken in turn.
#[allow(clippy::print_stdout, reason = "a bench prints its figures")]
fn compare(name: &str, key: &SigningKey, payload: &[u8], raw: &dyn Fn(&[u8])) {
    let message = pae(PAYLOAD_TYPE, payload);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(rate(|| raw(&message)));
        ours.push(rate(|| {
            black_box(key.sign_envelope(PAYLOAD_TYPE, payload).expect("signed"));
        }));
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
    let ratio = median(ratios.collect());
    println!(
        "signing 2 KiB, {name:8} {:7.0}/s  {ratio:.2} x the backend alone ({:.0}/s; bound 0.90)",
        median(ours),
        median(theirs),
    );
}

fn main() {
    let payload = vec![b'x'; 2048];
    let (key, der) = generated(Algorithm::Es256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).expect("a key");
    let random = SystemRandom::new();
    compare("ES256", &key, &payload, &|message| {
        black_box(pair.sign(&random, message).expect("signed"));
    });
    let (key, der) = generated(Algorithm::Ed25519);
    let pair = Ed25519KeyPair::from_pkcs8(&der).expect("a key");
    compare("Ed25519", &key, &payload, &|message| {
        black_box(pair.sign(message));
    });
}

/// A new key of ours, and its PKCS#8.
fn generated(algorithm: Algorithm) -> (SigningKey, Vec<u8>) {
    let der = match algorithm {
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().expect("a key");
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V2Der<'_>>::as_der(&pair)
                .expect("PKCS#8")
                .as_ref()
                .to_vec()
        }
        _ => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
            pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec()
        }
    };
    (
        SigningKey::from_pkcs8_der(&der).expect("a key of ours"),
        der,
    )
}
