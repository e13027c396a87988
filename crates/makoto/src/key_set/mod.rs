//! Key sets: the public keys of one owner, when each counts, and which were taken back.
//!
//! A key set is bare DSSE with the payload type [`PAYLOAD_TYPE`], signed by a key of the owner
//! that the verifier has pinned. Where it was found proves nothing, so it may lie anywhere
//! (FORMATS §5). The payload names the owner's key. When that is another than the pinned one, the
//! owner has changed it, and both have to sign. Whoever holds a stolen key can
//! name an heir of it: policies have to drop a pin that was stolen.

mod draft;
mod file;

use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError};
use crate::json::{Json, ReadError};
use crate::key::PublicKey;
use crate::limits::Limits;
use crate::report::{Check, Level, Outcome};
use crate::scalar::Text;
use crate::shape::{At, Findings, Requirements, Shape as _};

use file::KeySetFile;

pub use draft::{DraftError, KeySetDraft};

/// The payload type of a key set.
pub const PAYLOAD_TYPE: &str = "application/vnd.makoto.keyset+json";

/// A key set that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    version: u64,
    digest: Digest,
    expires: DateTime,
    owner: String,
    owner_key: PublicKey,
    keys: Vec<PublishedKey>,
}

/// A key of a key set, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: PublicKey,
    /// First moment at which it counts.
    pub from: DateTime,
    /// Last moment at which it counts.
    pub until: Option<DateTime>,
    /// Moment from which it counts no longer, as somebody else may have it.
    pub compromised_since: Option<DateTime>,
    /// Why it was taken back, for people.
    pub reason: Option<String>,
}

/// What a verifier remembers of the last key set that it accepted for a pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its version.
    pub version: u64,
    /// Digest of its payload.
    pub digest: Digest,
    /// The owner's key in it.
    pub owner_key: PublicKey,
}

impl Remembered {
    /// As JSON, to be kept.
    pub fn to_json(&self) -> Json {
        Json::from([
            ("version", self.version.into()),
            ("digest", self.digest.to_string().into()),
            ("ownerKey", self.owner_key.to_spki_pem().into()),
        ])
    }

    /// What [`Remembered::to_json`] wrote; `None` for anything else.
    pub fn from_json(value: &Json) -> Option<Self> {
        let Json::Number(version) = value.get("version")? else {
            return None;
        };
        let owner_key = value.get("ownerKey")?.as_str()?;
        Some(Self {
            version: version.as_u64().filter(|version| *version > 0)?,
            digest: value.get("digest")?.as_str()?.parse().ok()?,
            owner_key: PublicKey::from_spki_pem(owner_key.as_bytes()).ok()?,
        })
    }
}

/// Why bytes are no key set of the owner, or none that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The document or its payload is no JSON.
    #[error("key set is not one JSON document")]
    NotJson(#[source] ReadError),
    /// The document is no DSSE envelope, or is within a bundle.
    #[error("key set is not bare DSSE, needed payload, payloadType and signatures")]
    NotDsse,
    /// The envelope is not one of a key set.
    #[error("key set cannot be read")]
    Envelope(#[source] EnvelopeError),
    /// A key that has to sign it does not.
    #[error("key set is not signed by {key}, {role}")]
    NotSigned {
        /// Id of the key.
        key: String,
        /// Why it has to.
        role: OwnerRole,
    },
    /// It is signed, and still not what the format says.
    #[error("key set cannot be used: {} {}", .0.path, .0.message)]
    Wrong(Check),
    /// It may not be used any more.
    #[error("key set of {owner:?} expired at {expires}, and it is {now}")]
    Expired {
        /// Whose it is.
        owner: String,
        /// Last moment at which it could be used.
        expires: DateTime,
        /// The time now.
        now: DateTime,
    },
    /// It is older than one that was seen, or than the policy accepts.
    #[error("key set of {owner:?} has version {found}, needed at least {needed}{why}")]
    Older {
        /// Whose it is.
        owner: String,
        /// Its version.
        found: u64,
        /// The least version.
        needed: u64,
        /// Who says so.
        why: &'static str,
    },
    /// There are two sets of one version.
    #[error(
        "key set of {owner:?} has version {version} and digest sha256:{found}, but version \
         {version} was seen before with sha256:{remembered}: its owner says two things"
    )]
    Equivocation {
        /// Whose it is.
        owner: String,
        /// Their version.
        version: u64,
        /// Digest of its payload.
        found: Digest,
        /// Digest of the payload that was seen before.
        remembered: Digest,
    },
}

/// Why a key has to sign a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerRole {
    /// The verifier has pinned it.
    Pinned,
    /// The set says that it is the owner's key from now on.
    Named,
    /// It was the owner's key in the last set that was accepted.
    Remembered,
}

/// Why a key of a key set does not count for a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPeriodError {
    /// It was signed before the key was there.
    #[error("key {key} counts from {from}, and signed by {time}")]
    NotYet {
        /// Id of the key.
        key: String,
        /// First moment at which it counts.
        from: DateTime,
        /// When it signed.
        time: DateTime,
    },
    /// The key was not in use any more.
    #[error("key {key} was retired: it counts until {until}, and signed by {time}")]
    Retired {
        /// Id of the key.
        key: String,
        /// Last moment at which it counts.
        until: DateTime,
        /// When it signed.
        time: DateTime,
    },
    /// Somebody else may have signed.
    #[error("key {key} is compromised since {since}{reason}, and signed by {time}", reason = told(reason))]
    Compromised {
        /// Id of the key.
        key: String,
        /// Moment from which it does not count.
        since: DateTime,
        /// Why it was taken back.
        reason: Option<Box<str>>,
        /// When it signed.
        time: DateTime,
    },
    /// Nobody knows when it signed.
    #[error("key {key} counts at a verified time only, and there is none")]
    NoVerifiedTime {
        /// Id of the key.
        key: String,
    },
}

fn told(reason: &Option<Box<str>>) -> String {
    match reason {
        Some(reason) => format!(" ({reason:?})"),
        None => String::new(),
    }
}

impl KeySet {
    /// Verifies a key set of the owner whose key is `pinned`.
    ///
    /// It has to be signed by the pinned key, by the owner's key that it names, and by the one
    /// that was `remembered`; for an owner who never changed keys they are one. It may not have
    /// expired by `now`, and its version is neither below `at_least` nor below the remembered
    /// one. Nothing of the payload is looked at before the pinned key's signature holds.
    ///
    /// # Errors
    /// [`KeySetError`] with the first thing that is wrong.
    pub fn verify(
        bytes: &[u8],
        pinned: &PublicKey,
        remembered: Option<&Remembered>,
        at_least: Option<u64>,
        now: &DateTime,
    ) -> Result<Self, KeySetError> {
        let document = Json::parse(bytes, &Limits::DEFAULT).map_err(KeySetError::NotJson)?;
        if document.get("payloadType").is_none() {
            return Err(KeySetError::NotDsse);
        }
        let envelope = Envelope::find_typed(&document, PAYLOAD_TYPE).ok_or(KeySetError::NotDsse)?;
        let envelope = envelope.map_err(KeySetError::Envelope)?;
        check_signed(&envelope, pinned, OwnerRole::Pinned)?;
        if let Some(last) = remembered {
            check_signed(&envelope, &last.owner_key, OwnerRole::Remembered)?;
        }
        let set = Self::of(&envelope.unverified_payload)?;
        check_signed(&envelope, &set.owner_key, OwnerRole::Named)?;
        set.check_version(remembered, at_least)?;
        if set.expires < *now {
            return Err(KeySetError::Expired {
                owner: set.owner,
                expires: set.expires,
                now: now.clone(),
            });
        }
        Ok(set)
    }

    /// The owner's key that a key set names. Does not verify it: anyone can name any key. A set
    /// that holds for the key that it names is whole, and whose it is, nobody has said.
    ///
    /// # Errors
    /// [`KeySetError`] when it is no key set.
    pub fn claimed_owner_key(bytes: &[u8]) -> Result<PublicKey, KeySetError> {
        let document = Json::parse(bytes, &Limits::DEFAULT).map_err(KeySetError::NotJson)?;
        let envelope = Envelope::find_typed(&document, PAYLOAD_TYPE).ok_or(KeySetError::NotDsse)?;
        let envelope = envelope.map_err(KeySetError::Envelope)?;
        Ok(Self::of(&envelope.unverified_payload)?.owner_key)
    }

    /// Reads a payload.
    fn of(payload: &[u8]) -> Result<Self, KeySetError> {
        let value = Json::parse(payload, &Limits::DEFAULT).map_err(KeySetError::NotJson)?;
        let mut findings = Findings::at_level(Level::L2);
        findings.file_under(Requirements {
            complete: "L2.P.4",
            form: "L2.P.4",
            recommended: "L2.P.4",
        });
        let file = KeySetFile::read(value, &At::Top, &mut findings);
        let failed = |check: &Check| check.outcome == Outcome::Fail;
        let wrong = findings.into_checks().into_iter().find(failed);
        match (file, wrong) {
            (Some(file), None) => Ok(Self::from_file(file, Digest::of(payload))),
            (_, Some(check)) => Err(KeySetError::Wrong(check)),
            (None, None) => Err(KeySetError::NotDsse),
        }
    }

    fn from_file(file: KeySetFile, digest: Digest) -> Self {
        let version = file.version();
        let keys = file.keys.into_iter().map(|entry| PublishedKey {
            key: entry.spki,
            from: entry.from,
            until: entry.until,
            compromised_since: entry.compromised_since,
            reason: entry.reason.as_ref().map(owned),
        });
        Self {
            version,
            digest,
            expires: file.expires,
            owner: owned(&file.owner),
            owner_key: file.owner_key,
            keys: keys.collect(),
        }
    }

    fn check_version(
        &self,
        remembered: Option<&Remembered>,
        at_least: Option<u64>,
    ) -> Result<(), KeySetError> {
        let bounds = [
            (at_least, ", as the policy says"),
            (
                remembered.map(|last| last.version),
                ", which was seen before",
            ),
        ];
        for (needed, why) in bounds {
            if let Some(needed) = needed
                && self.version < needed
            {
                return Err(KeySetError::Older {
                    owner: self.owner.clone(),
                    found: self.version,
                    needed,
                    why,
                });
            }
        }
        match remembered {
            Some(last) if last.version == self.version && last.digest != self.digest => {
                Err(KeySetError::Equivocation {
                    owner: self.owner.clone(),
                    version: self.version,
                    found: self.digest,
                    remembered: last.digest,
                })
            }
            _ => Ok(()),
        }
    }

    /// Counts up with every change; 1 or more.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Last moment at which it may be used.
    pub fn expires(&self) -> &DateTime {
        &self.expires
    }

    /// Whose keys they are.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The key that signs it: the pinned one, or the one that took its place.
    pub fn owner_key(&self) -> &PublicKey {
        &self.owner_key
    }

    /// The keys, in the order of the document.
    pub fn keys(&self) -> &[PublishedKey] {
        &self.keys
    }

    /// The key with this id.
    pub fn key(&self, id: &Digest) -> Option<&PublishedKey> {
        self.keys.iter().find(|one| one.key.id() == id)
    }

    /// What to remember of it.
    pub fn to_remembered(&self) -> Remembered {
        Remembered {
            version: self.version,
            digest: self.digest,
            owner_key: self.owner_key.clone(),
        }
    }
}

impl PublishedKey {
    /// Whether the key counts for what it signed by `time`, which was verified.
    ///
    /// `from` and `until` belong to the period; the moment of `compromised_since` no longer does.
    /// Without a verified time the key never counts: who stole it can claim any other.
    ///
    /// # Errors
    /// [`KeyPeriodError`] when not.
    pub fn check_at(&self, time: Option<&DateTime>) -> Result<(), KeyPeriodError> {
        let key = self.key.key_id();
        let Some(time) = time else {
            return Err(KeyPeriodError::NoVerifiedTime { key });
        };
        if let Some(since) = &self.compromised_since
            && time >= since
        {
            return Err(KeyPeriodError::Compromised {
                key,
                since: since.clone(),
                reason: self.reason.as_deref().map(Box::from),
                time: time.clone(),
            });
        }
        if let Some(until) = &self.until
            && time > until
        {
            return Err(KeyPeriodError::Retired {
                key,
                until: until.clone(),
                time: time.clone(),
            });
        }
        match *time < self.from {
            true => Err(KeyPeriodError::NotYet {
                key,
                from: self.from.clone(),
                time: time.clone(),
            }),
            false => Ok(()),
        }
    }
}

impl std::fmt::Display for OwnerRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pinned => "the pinned key of its owner",
            Self::Named => "which it names as its owner's key",
            Self::Remembered => "its owner's key in the last set that was seen",
        })
    }
}

fn check_signed(envelope: &Envelope, key: &PublicKey, role: OwnerRole) -> Result<(), KeySetError> {
    let checked = envelope.check_signatures(std::slice::from_ref(key));
    match checked.iter().any(Result::is_ok) {
        true => Ok(()),
        false => Err(KeySetError::NotSigned {
            key: key.key_id(),
            role,
        }),
    }
}

fn owned(text: &Text) -> String {
    text.as_str().to_owned()
}
