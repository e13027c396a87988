//! What is refused, by the name that people know it by.

use pkcs8::ObjectIdentifier;

/// Object identifiers of keys and curves that are not on the list.
const NAMES: [(&str, &str); 24] = [
    (
        "1.2.840.113549.1.1.10",
        "an RSA key limited to PSS (id-RSASSA-PSS; write it as rsaEncryption)",
    ),
    ("1.2.840.113549.1.1.7", "RSA-OAEP"),
    ("1.2.840.113549.1.1.5", "RSA PKCS#1 v1.5"),
    ("1.2.840.113549.1.1.11", "RSA PKCS#1 v1.5"),
    ("1.2.840.113549.1.1.12", "RSA PKCS#1 v1.5"),
    ("1.2.840.113549.1.1.13", "RSA PKCS#1 v1.5"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
    ("1.2.840.113549.2.9", "HMAC"),
    ("1.2.643.7.1.1.1.1", "GOST R 34.10-2012"),
];

/// The name of a key or curve that is refused.
pub(super) fn name(oid: &ObjectIdentifier) -> String {
    let text = oid.to_string();
    let known = NAMES.iter().find(|(known, _)| *known == text);
    known.map_or(format!("algorithm {text}"), |(_, name)| (*name).to_owned())
}

/// The y coordinates of the points of small order, as they are written. Anyone can make
/// signatures that hold for such a key, over any bytes.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Whether an Ed25519 key is of small order, or has a coordinate beyond the prime: a second
/// spelling of another key.
pub(super) fn is_weak_ed25519(key: &[u8]) -> bool {
    let Ok(mut y) = <[u8; 32]>::try_from(key) else {
        return true;
    };
    y[31] &= 0x7f;
    let beyond_prime = y[0] >= 0xed && y[1..31].iter().all(|byte| *byte == 0xff) && y[31] == 0x7f;
    beyond_prime || SMALL_ORDER.contains(&y)
}
