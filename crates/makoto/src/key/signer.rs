//! Making signatures.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use pkcs8::PrivateKeyInfo;
use pkcs8::der::Decode as _;

use super::{Algorithm, KeyError, Kind, PublicKey, pem_body};
use crate::envelope::{Envelope, pae};

/// What a signer is asked to sign. It sees the payload itself, and not only a hash of it.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The type of the payload, which is signed with it.
    pub payload_type: &'a str,
    /// The payload: of a statement, its bytes.
    pub payload: &'a [u8],
}

impl Unsigned<'_> {
    /// The bytes to sign.
    pub fn pae(&self) -> Vec<u8> {
        pae(self.payload_type, self.payload)
    }
}

/// What a signer made.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The signature; of ECDSA, in DER.
    pub signature: Vec<u8>,
    /// The key that verifies it.
    pub public_key: PublicKey,
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The signer read the statement and does not sign it.
    #[error("the signer refuses: {0}")]
    Refused(String),
    /// The signer could not be asked, or did not answer.
    #[error("the signer is not available: {0}")]
    Unavailable(String),
    /// What came back does not hold for the key that came with it.
    #[error("the signer's signature does not hold: {0}")]
    Faulty(#[source] super::BadSignature),
    /// The key is good to verify with, but not to sign.
    #[error("{0}")]
    Key(#[from] KeyError),
}

/// Whoever holds a key: this process, a device, or another process that may refuse.
pub trait Signer {
    /// Signs [`Unsigned::pae`] with an algorithm of its key.
    ///
    /// # Errors
    /// [`SignError`] when it does not or cannot.
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, SignError>;
}

/// A private key in memory. It is wiped when it is dropped, and never shown.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl SigningKey {
    /// Reads an unencrypted PKCS#8 private key (RFC 5208) in DER. An RSA key signs PS256.
    ///
    /// # Errors
    /// [`KeyError`] when it is none, of an algorithm that is not on the list, RSA of fewer than
    /// 3072 bits, or when its two halves do not belong together.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let needed = "unencrypted PKCS#8";
        let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyError::Der { needed })?;
        let kind = Kind::of(&info.algorithm)?;
        let invalid = |_| KeyError::Invalid(kind.name());
        let pair = match kind {
            Kind::P256 => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(invalid)?,
            ),
            Kind::P384 => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, der).map_err(invalid)?,
            ),
            // Other programs leave the public half out; it is worked out then, else compared.
            Kind::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(invalid)?)
            }
            Kind::Rsa(_) => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(invalid)?;
                Pair::Rsa(pair, &RSA_PSS_SHA256)
            }
        };
        let spki: Result<PublicKeyX509Der<'_>, _> = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair, _) => pair.public_key().as_der(),
        };
        let spki = spki.map_err(|_| KeyError::Invalid(kind.name()))?;
        let public = PublicKey::from_spki_der(spki.as_ref())?;
        public.check_strength_to_sign()?;
        Ok(Self { pair, public })
    }

    /// Reads one unencrypted `PRIVATE KEY` in PEM (RFC 7468).
    ///
    /// # Errors
    /// As [`SigningKey::from_pkcs8_der`], or when it is PEM of something else.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_pkcs8_der(pem_body(pem, "PRIVATE KEY")?.as_bytes())
    }

    /// The same key for another algorithm of its kind, such as PS512.
    ///
    /// # Errors
    /// [`KeyError::Algorithm`] when the key cannot sign with it.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if !self.public.algorithms().contains(&algorithm) {
            let kind = self.public.kind.name();
            let message = format!("{algorithm} with a key of {kind}");
            return Err(KeyError::Algorithm(message));
        }
        if let Pair::Rsa(_, encoding) = &mut self.pair {
            *encoding = match algorithm {
                Algorithm::Ps384 => &RSA_PSS_SHA384,
                Algorithm::Ps512 => &RSA_PSS_SHA512,
                _ => &RSA_PSS_SHA256,
            };
        }
        Ok(self)
    }

    /// Hands the key as unencrypted PKCS#8 to `write`. It is wiped afterwards.
    pub(super) fn with_pkcs8_der<T>(&self, write: impl FnOnce(&[u8]) -> T) -> Option<T> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().ok().map(|der| write(der.as_ref())),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().ok().map(|der| write(der.as_ref())),
            Pair::Rsa(pair, _) => {
                let der: Result<Pkcs8V1Der<'_>, _> = pair.as_der();
                der.ok().map(|der| write(der.as_ref()))
            }
        }
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `payload` and puts it into an envelope, as [`Envelope::sign`] does for any signer, but
    /// without verifying the signature: the same backend in this process would do both.
    ///
    /// # Errors
    /// [`SignError::Unavailable`] when the backend fails.
    pub fn sign_envelope(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, SignError> {
        let unsigned = Unsigned {
            payload_type,
            payload,
        };
        // Weak keys were refused when this one was read.
        Ok(Envelope::around(&unsigned, self.sign(&unsigned)?))
    }
}

impl Signer for SigningKey {
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, SignError> {
        let message = unsigned.pae();
        // The backend draws its own randomness, whatever it is given.
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&random, &message)
                .map(|made| made.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.try_sign(&message).map(|made| made.as_ref().to_vec()),
            Pair::Rsa(pair, encoding) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, &message, &mut made)
                    .map(|()| made)
            }
        };
        Ok(Signed {
            signature: signature
                .map_err(|_| SignError::Unavailable("the backend failed".into()))?,
            public_key: self.public.clone(),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}
