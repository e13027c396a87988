//! What a verifier trusts. All of it comes from the verifier's side, none from the data's.

use std::fmt;

use super::signatory::Signatory;
use super::verified::TrustedTime;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::identity::{Identity, IdentityError};
use crate::key::PublicKey;
use crate::key_set::{KeyPeriodError, KeySet};
use crate::policy::{Policy, Rule, Signer, SignerRule};
use crate::trusted_root::TrustedRoot;

/// A policy with everything that it names: authorities, keys and key sets.
#[derive(Debug, Clone)]
pub struct Trust {
    policy: Policy,
    root: TrustedRoot,
    root_digest: Digest,
    /// The trusted keys, then those that only key sets have.
    keys: Vec<PublicKey>,
    /// How many of them are trusted keys.
    at_hand: usize,
    key_sets: Vec<(String, KeySet)>,
}

/// Why a policy cannot be used with what was given for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A rule names a key that is nowhere.
    #[error(
        "rule for {rule:?} names the key sha256:{key}, which is neither in the trusted keys nor in a key set"
    )]
    KeyAbsent {
        /// Name pattern of the rule.
        rule: String,
        /// The key.
        key: Digest,
    },
    /// A rule names a key set that the policy does not list.
    #[error("rule for {rule:?} names the key set {name:?}, which was not given")]
    KeySetAbsent {
        /// Name pattern of the rule.
        rule: String,
        /// Its name.
        name: String,
    },
    /// The policy lists a key set, and what it takes back would not be known.
    #[error("the policy lists the key set {0:?}, which was not given")]
    KeySetNotGiven(String),
    /// A rule names an authority that the trusted root does not have.
    #[error(
        "rule for {rule:?} names the authority {authority:?}, which the trusted root does not have"
    )]
    AuthorityAbsent {
        /// Name pattern of the rule.
        rule: String,
        /// Id of the authority.
        authority: String,
    },
}

impl Trust {
    /// Puts a policy together with its trusted root (and the bytes' digest), the keys that it may
    /// name, and its key sets by their names, which were verified before.
    ///
    /// # Errors
    /// [`TrustError`] when a rule names what is not there: it would never hold.
    pub fn new(
        policy: Policy,
        root: TrustedRoot,
        root_digest: Digest,
        mut keys: Vec<PublicKey>,
        key_sets: Vec<(String, KeySet)>,
    ) -> Result<Self, TrustError> {
        let at_hand = keys.len();
        let published = key_sets.iter().flat_map(|(_, set)| set.keys());
        keys.extend(published.map(|published| published.key.clone()));
        let trust = Self {
            policy,
            root,
            root_digest,
            keys,
            at_hand,
            key_sets,
        };
        trust.refuse_gaps()?;
        Ok(trust)
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The authorities.
    pub fn root(&self) -> &TrustedRoot {
        &self.root
    }

    /// Digest of the trusted root's bytes.
    pub fn root_digest(&self) -> &Digest {
        &self.root_digest
    }

    /// Every key that a signature may hold for: those at hand, and those in key sets. That one is
    /// here allows nothing; a rule does.
    pub(super) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Everyone who may stand behind a signature, or why not. `time` is when it was made, as far
    /// as that was verified; the rest is told as of `moment`.
    ///
    /// A key that any key set takes back stands for nobody, whoever else vouches for it: who has
    /// stolen it does not mind by which list it is known.
    pub(super) fn holders(
        &self,
        signatory: &Signatory,
        time: Option<&TrustedTime>,
        moment: &DateTime,
    ) -> Vec<Result<Holder, NoHolder>> {
        let key = signatory.key;
        let published = self.key_sets.iter();
        let published: Vec<_> = published
            .filter_map(|(name, set)| Some((name, set, set.key(&key)?)))
            .map(|(name, set, one)| {
                let counts = match time {
                    // The signature may have been made at any moment between the two.
                    Some(time) => one
                        .check_at(Some(time.latest()))
                        .and_then(|()| one.check_at(Some(time.earliest()))),
                    None => one.check_at(None),
                };
                (name, set, counts)
            })
            .collect();
        let taken_back = published.iter().find_map(|(name, _, counts)| match counts {
            Ok(()) | Err(KeyPeriodError::NotYet { .. }) => None,
            Err(error) => Some(NoHolder::in_key_set(name, error)),
        });
        if let Some(why) = taken_back {
            return vec![Err(why)];
        }
        let mut holders = Vec::new();
        // Whoever was trusted at the first moment must still have been at the last.
        let last = time.map_or(moment, TrustedTime::latest);
        let identity = match signatory.identity_at(last, &self.root) {
            Some(Ok(_)) => signatory.identity_at(moment, &self.root),
            refused => refused,
        };
        if let Some(identity) = identity {
            let identity = identity.map(|identity| Holder::Certificate(Box::new(identity)));
            holders.push(identity.map_err(NoHolder::Certificate));
        }
        if self.is_at_hand(&key) || self.is_named(&key) {
            holders.push(Ok(Holder::Key { key }));
        }
        holders.extend(published.into_iter().map(|(name, set, counts)| {
            counts.map_err(|error| NoHolder::in_key_set(name, &error))?;
            Ok(Holder::Published {
                key,
                keyset: name.clone(),
                owner: set.owner().to_owned(),
            })
        }));
        holders
    }

    /// Whether it is one of the trusted keys.
    fn is_at_hand(&self, key: &Digest) -> bool {
        let mut at_hand = self.keys.iter().take(self.at_hand);
        at_hand.any(|one| one.id() == key)
    }

    /// Whether a rule names it, which vouches for it wherever its bytes are from.
    fn is_named(&self, key: &Digest) -> bool {
        let mut signers = self.policy.rules().iter().flat_map(Rule::signers);
        signers.any(|signer| matches!(signer, SignerRule::Key(named) if named.id() == *key))
    }

    /// Refuses rules that name what is not there.
    fn refuse_gaps(&self) -> Result<(), TrustError> {
        let mut listed = self.policy.key_sets().iter();
        if let Some(absent) = listed.find(|one| !self.has_key_set(&one.name)) {
            return Err(TrustError::KeySetNotGiven(absent.name.clone()));
        }
        for rule in self.policy.rules() {
            for signer in rule.signers() {
                self.refuse_gap(rule.name().as_str(), signer)?;
            }
        }
        Ok(())
    }

    fn has_key_set(&self, name: &str) -> bool {
        self.key_sets.iter().any(|(given, _)| given == name)
    }

    fn refuse_gap(&self, rule: &str, signer: &SignerRule) -> Result<(), TrustError> {
        let rule = rule.to_owned();
        match signer {
            SignerRule::Key(named) => {
                let key = named.id();
                match self.keys.iter().any(|one| *one.id() == key) {
                    true => Ok(()),
                    false => Err(TrustError::KeyAbsent { rule, key }),
                }
            }
            SignerRule::Certificate(named) => {
                let mut authorities = self.root.certificate_authorities().iter();
                match named.authority() {
                    Some(id) if !authorities.any(|one| one.id() == id) => {
                        let authority = id.to_owned();
                        Err(TrustError::AuthorityAbsent { rule, authority })
                    }
                    _ => Ok(()),
                }
            }
            SignerRule::KeySet(name) if !self.has_key_set(name) => {
                let name = name.clone();
                Err(TrustError::KeySetAbsent { rule, name })
            }
            SignerRule::KeySet(_) => Ok(()),
        }
    }
}

/// Who holds the key of a signature.
#[derive(Debug, Clone)]
pub(super) enum Holder {
    /// Whom a certificate names.
    Certificate(Box<Identity>),
    /// Whoever the rule says that it is.
    Key { key: Digest },
    /// The owner of a key set.
    Published {
        key: Digest,
        keyset: String,
        owner: String,
    },
}

impl Holder {
    /// As a policy sees it.
    pub(super) fn as_signer(&self) -> Signer<'_> {
        match self {
            Self::Certificate(identity) => Signer::Certificate(identity),
            Self::Key { key } => Signer::Key {
                id: *key,
                owner: "",
                keyset: None,
            },
            Self::Published { key, keyset, owner } => Signer::Key {
                id: *key,
                owner,
                keyset: Some(keyset),
            },
        }
    }

    /// Who vouches for its names.
    pub(super) fn voucher(&self) -> String {
        match self {
            Self::Certificate(identity) => identity.authority().to_owned(),
            Self::Key { .. } => "the policy".to_owned(),
            Self::Published { keyset, .. } => format!("the key set {keyset:?}"),
        }
    }

    /// Whether whoever `actor` names is who signed: of a certificate any of its names, of a key
    /// its owner, who is called `names`.
    pub(super) fn speaks_for(&self, actor: &str, names: &[&str]) -> bool {
        match self {
            Self::Certificate(identity) => identity.certificate().names().cover(actor),
            Self::Key { .. } | Self::Published { .. } => names.contains(&actor),
        }
    }
}

/// Why nobody stands behind a signature that holds.
#[derive(Debug, Clone)]
pub(super) enum NoHolder {
    /// The certificate names nobody whom an authority vouches for.
    Certificate(IdentityError),
    /// A key set publishes the key, and it did not count when it signed.
    Published {
        /// Name of the key set.
        keyset: String,
        /// Why it did not.
        error: Box<KeyPeriodError>,
    },
    /// A rule names the key, and it counts at another time.
    Named {
        /// At which, and when it signed.
        why: String,
        /// Whether it signed later.
        is_over: bool,
    },
}

impl NoHolder {
    fn in_key_set(name: &str, error: &KeyPeriodError) -> Self {
        Self::Published {
            keyset: name.to_owned(),
            error: Box::new(error.clone()),
        }
    }

    /// Whether it is the time of the key that is over, and the key was good before.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Certificate(_) => false,
            Self::Published { error, .. } => matches!(
                **error,
                KeyPeriodError::Retired { .. } | KeyPeriodError::Compromised { .. }
            ),
            Self::Named { is_over, .. } => *is_over,
        }
    }
}

impl fmt::Display for NoHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => f.write_str(&with_causes(error)),
            Self::Published { keyset, error } => {
                write!(f, "the key set {keyset:?} says: {error}")
            }
            Self::Named { why, .. } => f.write_str(why),
        }
    }
}

/// An error with what caused it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str(": ");
        text.push_str(&one.to_string());
        cause = one.source();
    }
    text
}
