//! What signatures are over, hashed once however many keys are tried.

use std::cell::OnceCell;

use aws_lc_rs::digest::{self, Digest, digest};
use aws_lc_rs::signature::ParsedPublicKey;

use super::Algorithm;

/// Bytes, and those of their hashes that were needed.
pub(crate) struct Message<'m> {
    bytes: &'m [u8],
    sha256: OnceCell<Digest>,
    sha384: OnceCell<Digest>,
    sha512: OnceCell<Digest>,
}

impl<'m> Message<'m> {
    /// The bytes.
    pub(crate) fn new(bytes: &'m [u8]) -> Self {
        Self {
            bytes,
            sha256: OnceCell::new(),
            sha384: OnceCell::new(),
            sha512: OnceCell::new(),
        }
    }

    /// Whether `signature` holds for `key`, whose form has the hash of `algorithm`.
    pub(super) fn is_signed(
        &self,
        key: &ParsedPublicKey,
        algorithm: Algorithm,
        signature: &[u8],
    ) -> bool {
        let hash = match algorithm {
            Algorithm::Es256 | Algorithm::Ps256 => self.hash(&self.sha256, &digest::SHA256),
            Algorithm::Es384 | Algorithm::Ps384 => self.hash(&self.sha384, &digest::SHA384),
            Algorithm::Ps512 => self.hash(&self.sha512, &digest::SHA512),
            // It hashes the message together with a part of the signature.
            Algorithm::Ed25519 => return key.verify_sig(self.bytes, signature).is_ok(),
        };
        key.verify_digest_sig(hash, signature).is_ok()
    }

    fn hash<'s>(
        &self,
        known: &'s OnceCell<Digest>,
        algorithm: &'static digest::Algorithm,
    ) -> &'s Digest {
        known.get_or_init(|| digest(algorithm, self.bytes))
    }
}
