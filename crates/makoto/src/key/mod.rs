//! Public keys and the closed list of signature algorithms.
//!
//! The algorithm follows from the key, never from a document. A key has one spelling, so that it
//! has one id: an id counts once, wherever signers are counted.

mod encrypted;
mod message;
mod recognize;
mod refused;
mod signer;

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::{AnyRef, UintRef};
use pkcs8::der::{Decode as _, Reader as _, SliceReader};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{ObjectIdentifier, SecretDocument};

use crate::certificate::Certificate;
use crate::digest::Digest;

pub use encrypted::{EncryptedKeyError, check_encrypted_pem};
pub(crate) use message::Message;
pub use recognize::holds_private_key;
pub use signer::{SignError, Signed, Signer, SigningKey, Unsigned};

/// How a statement may be signed. There is no other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSASSA-PSS with SHA-256 and MGF1 of it, salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384 and MGF1 of it, salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512 and MGF1 of it, salt of 64 bytes.
    Ps512,
}

impl Algorithm {
    /// Its name in JOSE (RFC 7518, RFC 8037).
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ed25519 => "Ed25519",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    fn backend(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_ASN1,
            Self::Es384 => &ECDSA_P384_SHA384_ASN1,
            Self::Ed25519 => &ED25519,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key of an algorithm on the list. Whose it is, and whether it is trusted, is said
/// elsewhere.
#[derive(Clone)]
pub struct PublicKey {
    id: Digest,
    spki: Vec<u8>,
    /// The key itself, without the name of its algorithm.
    bits: Vec<u8>,
    kind: Kind,
    /// One for each algorithm of the kind.
    parsed: Vec<ParsedPublicKey>,
}

/// What a key is, which says what it can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Ed25519,
    /// With the bits of its modulus.
    Rsa(usize),
}

/// Why bytes are no key of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not DER of the form that is needed, or bytes follow it.
    #[error("is not a key in DER ({needed})")]
    Der {
        /// The form.
        needed: &'static str,
    },
    /// Not PEM, or PEM of something else.
    #[error("is {found}, needed PEM with the label {needed:?}")]
    Pem {
        /// What was found.
        found: String,
        /// The label.
        needed: &'static str,
    },
    /// A key of another kind.
    #[error("{0} is not on the list: ES256, ES384, Ed25519, PS256, PS384, PS512")]
    Algorithm(String),
    /// The same key in another spelling would have another id.
    #[error("{0}")]
    Spelling(&'static str),
    /// A modulus that is too small, or larger than anyone needs.
    #[error("RSA key has {found} bits, needed {needed}")]
    RsaSize {
        /// Bits of the modulus.
        found: usize,
        /// Which ones are good.
        needed: &'static str,
    },
    /// No point of the curve, a point that anyone can sign for, or an impossible modulus.
    #[error("the {0} key is not valid")]
    Invalid(&'static str),
}

/// Why a signature does not hold for a key and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Another key, other bytes, or no signature at all.
    #[error("the signature does not match the key and the bytes")]
    Mismatch,
    /// The right key and bytes, with a padding that is not on the list.
    #[error("the signature is RSA PKCS#1 v1.5, needed PSS")]
    Pkcs1,
    /// The right key and bytes, in the wrong form.
    #[error("the ECDSA signature is r followed by s, needed DER")]
    NotDer,
}

/// Bits of RSA moduli that a signature is verified with.
const RSA_TO_VERIFY: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Characters on a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// Fewest bits of a modulus to sign with: what is signed today is read for decades.
const RSA_TO_SIGN: usize = 3072;

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280) in DER.
    ///
    /// # Errors
    /// [`KeyError`] when it is none, of an algorithm that is not on the list, too small, not
    /// valid, or spelled in another way than the usual one.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let needed = "SubjectPublicKeyInfo";
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Der { needed })?;
        let bits = spki.subject_public_key.as_bytes();
        let bits = bits.ok_or(KeyError::Der { needed })?;
        let kind = Kind::of(&spki.algorithm)?;
        kind.check_spelling(bits)?;
        let kind = kind.with_size(bits)?;
        let parsed = kind.algorithms().iter().map(|algorithm| {
            ParsedPublicKey::new(algorithm.backend(), bits)
                .map_err(|_| KeyError::Invalid(kind.name()))
        });
        Ok(Self {
            id: Digest::of(der),
            spki: der.to_vec(),
            bits: bits.to_vec(),
            kind,
            parsed: parsed.collect::<Result<_, _>>()?,
        })
    }

    /// Reads one `PUBLIC KEY` in PEM (RFC 7468).
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`], or when it is PEM of something else.
    pub fn from_spki_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki_der(pem_body(pem, "PUBLIC KEY")?.as_bytes())
    }

    /// Reads the key of one `CERTIFICATE` in PEM (RFC 7468). Verifies nothing of the certificate.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`], or when it is PEM of something else.
    pub fn from_certificate_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let body = pem_body(pem, "CERTIFICATE")?;
        let needed = "an X.509 certificate";
        let certificate = Certificate::from_der(body.as_bytes());
        Self::from_spki_der(&certificate.map_err(|_| KeyError::Der { needed })?.spki())
    }

    /// SHA-256 of the SubjectPublicKeyInfo in DER, by which policies name the key.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// The id as it stands in `keyid` and in policies: `sha256:` and hex digits.
    pub fn key_id(&self) -> String {
        format!("sha256:{}", self.id)
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn to_spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The key as one `PUBLIC KEY` in PEM.
    pub fn to_spki_pem(&self) -> String {
        let body = STANDARD.encode(&self.spki);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// What the key can sign with: three algorithms for RSA, else one.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.kind.algorithms()
    }

    /// Whether new signatures may be made with it: RSA needs 3072 bits.
    ///
    /// # Errors
    /// [`KeyError::RsaSize`] when not.
    pub fn check_strength_to_sign(&self) -> Result<(), KeyError> {
        match self.kind {
            Kind::Rsa(found) if found < RSA_TO_SIGN => Err(KeyError::RsaSize {
                found,
                needed: "3072 to 8192 to sign with",
            }),
            _ => Ok(()),
        }
    }

    /// Verifies `signature` over `message`, which for DSSE is its [`pae`](crate::envelope::pae).
    ///
    /// Returns the algorithm by which it holds. ECDSA signatures are in DER. An RSA key does not
    /// say which of the three it signs with, and each is as good: they are tried in turn.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not hold.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<Algorithm, BadSignature> {
        self.verify_message(&Message::new(message), signature)
    }

    /// As [`PublicKey::verify`], of a message that is hashed once for all keys.
    pub(crate) fn verify_message(
        &self,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<Algorithm, BadSignature> {
        self.algorithm_of(message, signature)
            .ok_or_else(|| self.diagnose(message, signature))
    }

    /// Whether signatures are over a hash of the message that is the same for every signature;
    /// those of Ed25519 are not.
    pub(crate) fn hashes_apart(&self) -> bool {
        self.kind != Kind::Ed25519
    }

    /// As [`PublicKey::verify`], without looking for the reason when it does not hold.
    pub(crate) fn algorithm_of(
        &self,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Option<Algorithm> {
        let mut algorithms = self.algorithms().iter().zip(&self.parsed);
        algorithms
            .find(|(algorithm, key)| message.is_signed(key, **algorithm, signature))
            .map(|(algorithm, _)| *algorithm)
    }

    /// Names the mistakes that other programs make. Nothing here lets a signature pass.
    fn diagnose(&self, message: &Message<'_>, signature: &[u8]) -> BadSignature {
        type Refused = (&'static dyn VerificationAlgorithm, Algorithm);
        let (refused, reason): (&[Refused], _) = match self.kind {
            Kind::P256 => (
                &[(&ECDSA_P256_SHA256_FIXED, Algorithm::Es256)],
                BadSignature::NotDer,
            ),
            Kind::P384 => (
                &[(&ECDSA_P384_SHA384_FIXED, Algorithm::Es384)],
                BadSignature::NotDer,
            ),
            Kind::Ed25519 => (&[], BadSignature::Mismatch),
            Kind::Rsa(_) => (
                &[
                    (&RSA_PKCS1_2048_8192_SHA256, Algorithm::Ps256),
                    (&RSA_PKCS1_2048_8192_SHA384, Algorithm::Ps384),
                    (&RSA_PKCS1_2048_8192_SHA512, Algorithm::Ps512),
                ],
                BadSignature::Pkcs1,
            ),
        };
        // Of two algorithms with one hash, the hash of the message is the same.
        let holds = |(form, hash): &Refused| {
            ParsedPublicKey::new(*form, &self.bits)
                .is_ok_and(|key| message.is_signed(&key, *hash, signature))
        };
        match refused.iter().any(holds) {
            true => reason,
            false => BadSignature::Mismatch,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {:?})", self.kind.name(), self.id)
    }
}

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

impl Kind {
    /// The kind of a key by the name of its algorithm; RSA without its size.
    fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Self, KeyError> {
        let curve = algorithm
            .parameters
            .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        match (algorithm.oid, curve, algorithm.parameters) {
            (EC, Some(P256), _) => Ok(Self::P256),
            (EC, Some(P384), _) => Ok(Self::P384),
            (EC, Some(curve), _) => Err(KeyError::Algorithm(refused::name(&curve))),
            (EC, None, _) => Err(KeyError::Spelling(
                "the curve of the key is not given by its name",
            )),
            (ED25519_KEY, _, None) => Ok(Self::Ed25519),
            (RSA, _, Some(AnyRef::NULL)) => Ok(Self::Rsa(0)),
            (ED25519_KEY | RSA, ..) => Err(KeyError::Spelling(
                "the parameters of the key's algorithm are not as in RFC 8410 or RFC 3279",
            )),
            (other, ..) => Err(KeyError::Algorithm(refused::name(&other))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa(_) => "RSA",
        }
    }

    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::P256 => &[Algorithm::Es256],
            Self::P384 => &[Algorithm::Es384],
            Self::Ed25519 => &[Algorithm::Ed25519],
            Self::Rsa(_) => &[Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512],
        }
    }

    fn check_spelling(self, bits: &[u8]) -> Result<(), KeyError> {
        match self {
            Self::P256 | Self::P384 if matches!(bits.first(), Some(2 | 3 | 6 | 7)) => Err(
                KeyError::Spelling("the point of the key is compressed, needed both coordinates"),
            ),
            Self::Ed25519 if refused::is_weak_ed25519(bits) => Err(KeyError::Invalid(self.name())),
            _ => Ok(()),
        }
    }

    /// The same with the size of an RSA key, which is refused when it is out of bounds.
    fn with_size(self, bits: &[u8]) -> Result<Self, KeyError> {
        if !matches!(self, Self::Rsa(_)) {
            return Ok(self);
        }
        let needed = "RSAPublicKey";
        let read = || {
            let mut reader = SliceReader::new(bits)?;
            let modulus = reader.sequence(|reader| {
                let modulus: UintRef<'_> = reader.decode()?;
                let _exponent: UintRef<'_> = reader.decode()?;
                Ok(modulus)
            })?;
            reader.finish(modulus)
        };
        let modulus = read().map_err(|_: pkcs8::der::Error| KeyError::Der { needed })?;
        let bytes = modulus.as_bytes();
        let found = bytes
            .first()
            .map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize);
        match RSA_TO_VERIFY.contains(&found) {
            true => Ok(Self::Rsa(found)),
            false => Err(KeyError::RsaSize {
                found,
                needed: "2048 to 8192",
            }),
        }
    }
}

/// The bytes of the one PEM block with this label, which are wiped after use.
fn pem_body(pem: &[u8], needed: &'static str) -> Result<SecretDocument, KeyError> {
    let refuse = |found: String| KeyError::Pem { found, needed };
    // A key file often ends with an empty line, or is shown with one.
    let text = std::str::from_utf8(pem.trim_ascii()).unwrap_or_default();
    match SecretDocument::from_pem(text) {
        Ok((label, body)) if label == needed => Ok(body),
        Ok((label, _)) => Err(refuse(format!("PEM with the label {label:?}"))),
        Err(_) => Err(refuse("not one block of PEM".to_owned())),
    }
}
