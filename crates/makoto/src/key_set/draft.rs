//! A key set that is being made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::file::{KeyEntry, KeySetFile};
use super::{KeySet, PAYLOAD_TYPE, PublishedKey};
use crate::canonical::{NotCanonical, to_canonical};
use crate::datetime::DateTime;
use crate::envelope::Envelope;
use crate::json::{Json, Number, Object};
use crate::key::{PublicKey, SignError, Signer};
use crate::report::{Check, Level, Outcome};
use crate::shape::{At, Findings, Shape as _};

/// What a key set is to say. It is worth nothing until it is signed, published and verified.
#[derive(Debug, Clone)]
pub struct KeySetDraft {
    /// One more than the set that it takes the place of; 1 for the first.
    pub version: u64,
    /// Last moment at which it may be used.
    pub expires: DateTime,
    /// Whose keys they are.
    pub owner: String,
    /// The key that signs it.
    pub owner_key: PublicKey,
    /// The keys.
    pub keys: Vec<PublishedKey>,
}

/// Why a key set cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No reader would take it.
    #[error("the key set would not be read: {} {}", .0.path, .0.message)]
    Wrong(Check),
    /// A signer does not sign.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// It says something that RFC 8785 cannot write.
    #[error("{0}")]
    NotCanonical(#[from] NotCanonical),
    /// The key that it names as the owner's does not sign it.
    #[error("ownerKey is {0}, which does not sign the key set")]
    OwnerAbsent(String),
}

impl KeySetDraft {
    /// What takes the place of `set`, with everything that it says but the version.
    ///
    /// Returns `None` when no version comes after it.
    pub fn after(set: &KeySet) -> Option<Self> {
        Some(Self {
            version: set.version.checked_add(1)?,
            expires: set.expires.clone(),
            owner: set.owner.clone(),
            owner_key: set.owner_key.clone(),
            keys: set.keys.clone(),
        })
    }

    /// The signed document, its payload as in RFC 8785. The owner's key is among `signers`; to
    /// change it, the earlier one is as well.
    ///
    /// # Errors
    /// [`DraftError`] when it cannot be made, or would be refused by every reader.
    pub fn sign(&self, signers: &[&dyn Signer]) -> Result<Vec<u8>, DraftError> {
        let payload = self.to_json();
        let mut findings = Findings::at_level(Level::L2);
        KeySetFile::read(payload.clone(), &At::Top, &mut findings);
        let failed = |check: &Check| check.outcome == Outcome::Fail;
        if let Some(check) = findings.into_checks().into_iter().find(failed) {
            return Err(DraftError::Wrong(check));
        }
        let payload = to_canonical(&payload)?;
        let mut signatures = Vec::new();
        for signer in signers {
            let envelope = Envelope::sign(PAYLOAD_TYPE, &payload, *signer)?;
            signatures.extend(envelope.unverified_signatures);
        }
        let owner = self.owner_key.key_id();
        if !signatures
            .iter()
            .any(|one| one.key_id.as_ref() == Some(&owner))
        {
            return Err(DraftError::OwnerAbsent(owner));
        }
        let signatures = signatures.iter().map(|signature| {
            Json::from([
                ("keyid", signature.key_id.clone().into()),
                ("sig", STANDARD.encode(&signature.bytes).into()),
            ])
        });
        let document = Json::from([
            ("payload", STANDARD.encode(&payload).into()),
            ("payloadType", PAYLOAD_TYPE.into()),
            ("signatures", signatures.collect()),
        ]);
        let mut bytes = to_canonical(&document)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn to_json(&self) -> Json {
        let keys = self.keys.iter().map(|key| {
            let entry = KeyEntry {
                spki: key.key.clone(),
                from: key.from.clone(),
                until: key.until.clone(),
                compromised_since: key.compromised_since.clone(),
                reason: None,
                extra: Object::new(),
            };
            let mut entry = entry.write();
            if let (Json::Object(members), Some(reason)) = (&mut entry, &key.reason) {
                members.insert("reason", reason.as_str().into());
            }
            entry
        });
        Json::from([
            ("version", Json::Number(Number::from(self.version))),
            ("expires", self.expires.as_str().into()),
            ("owner", self.owner.as_str().into()),
            ("ownerKey", self.owner_key.write()),
            ("keys", keys.collect()),
        ])
    }
}
