//! Which signatures of an envelope hold, and by which keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Envelope, Signature};
use crate::digest::Digest;
use crate::key::{Algorithm, BadSignature, Message, PublicKey};

/// Keys for which the reason is looked for when none of them made a signature.
pub(crate) const DIAGNOSED_KEYS: usize = 64;

/// A signature that holds, and the key that it holds for. It says nothing of time, nor of what
/// the key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBy<'k> {
    key: &'k PublicKey,
    algorithm: Algorithm,
}

impl<'k> SignedBy<'k> {
    /// The key.
    pub fn key(&self) -> &'k PublicKey {
        self.key
    }

    /// The algorithm by which the signature holds.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Why a signature holds for none of the keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is nothing to verify.
    #[error("the signature is empty")]
    Empty,
    /// No key fits.
    #[error("no trusted key made the signature ({keys} tried){claim}", claim = claim(key_id))]
    NoKey {
        /// How many keys were tried.
        keys: usize,
        /// Whose it claims to be.
        key_id: Option<String>,
    },
    /// A trusted key made it, in a way that is not accepted.
    #[error("key sha256:{key}: {reason}")]
    Form {
        /// The key.
        key: Digest,
        /// What is wrong with it.
        reason: BadSignature,
    },
    /// A trusted key made it over other bytes than DSSE says.
    #[error(
        "key sha256:{key} signed {over}, not the DSSE encoding of payload type and payload (PAE)"
    )]
    NotPae {
        /// The key.
        key: Digest,
        /// What it signed.
        over: &'static str,
    },
}

fn claim(key_id: &Option<String>) -> String {
    match key_id {
        Some(key_id) => format!("; keyid says {key_id:?}"),
        None => String::new(),
    }
}

impl Envelope {
    /// Checks every signature against every key, and says of each, in the order of the document,
    /// by which key it holds, or why it does not.
    ///
    /// A key id is only a hint at which key to try first. Nothing is added up: who asks for an
    /// identity, a time or a scope asks it of one and the same signature. The reason is looked
    /// for when there is one signature and a handful of keys: it costs as much again, several times.
    pub fn check_signatures<'k>(
        &self,
        keys: &'k [PublicKey],
    ) -> Vec<Result<SignedBy<'k>, SignatureError>> {
        let pae = self.pae();
        let pae = Message::new(&pae);
        let signatures = self.unverified_signatures.iter();
        signatures
            .map(|signature| {
                signature
                    .signed_by(&pae, keys)
                    .ok_or_else(|| self.reason(signature, &pae, keys))
            })
            .collect()
    }

    /// Why a signature holds for none of the keys: names the mistakes that other programs make.
    fn reason(
        &self,
        signature: &Signature,
        pae: &Message<'_>,
        keys: &[PublicKey],
    ) -> SignatureError {
        if signature.bytes.is_empty() {
            return SignatureError::Empty;
        }
        let no_key = SignatureError::NoKey {
            keys: keys.len(),
            key_id: signature.key_id.clone(),
        };
        if self.unverified_signatures.len() > 1 || keys.len() > DIAGNOSED_KEYS {
            return no_key;
        }
        for key in keys {
            match key.verify_message(pae, &signature.bytes) {
                Err(BadSignature::Mismatch) | Ok(_) => {}
                Err(reason) => {
                    let key = *key.id();
                    return SignatureError::Form { key, reason };
                }
            }
        }
        let base64 = STANDARD.encode(&self.unverified_payload);
        let without_lengths = format!("DSSEv1 {} {base64}", self.payload_type);
        let others = [
            (self.unverified_payload.as_slice(), "the payload alone"),
            (base64.as_bytes(), "the payload's base64"),
            (
                without_lengths.as_bytes(),
                "payload type and base64 without their lengths, as the public Rust SDK of Makoto does",
            ),
        ];
        for (bytes, over) in others {
            let message = Message::new(bytes);
            // Of bytes that are wrong anyway, the form does not matter.
            let is_over = |key: &&PublicKey| {
                let found = key.verify_message(&message, &signature.bytes);
                !matches!(found, Err(BadSignature::Mismatch))
            };
            if let Some(key) = keys.iter().find(is_over) {
                let key = *key.id();
                return SignatureError::NotPae { key, over };
            }
        }
        no_key
    }
}

impl Signature {
    /// The key that made this signature over `message`.
    fn signed_by<'k>(&self, message: &Message<'_>, keys: &'k [PublicKey]) -> Option<SignedBy<'k>> {
        let hinted = |key: &&PublicKey| self.key_id.as_ref() == Some(&key.key_id());
        let first = keys.iter().filter(hinted);
        let others = keys.iter().filter(|key| !hinted(key));
        first.chain(others).find_map(|key| {
            let algorithm = key.algorithm_of(message, &self.bytes)?;
            Some(SignedBy { key, algorithm })
        })
    }
}
