//! What a verifier trusts. All of it comes from the verifier's side, none from the data's.

use super::signatory::Signatory;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::key::PublicKey;
use crate::policy::{Policy, Signer, SignerRule};
use crate::trusted_root::TrustedRoot;

/// A policy with everything that it names: authorities, keys and key sets.
#[derive(Debug, Clone)]
pub struct Trust {
    policy: Policy,
    root: TrustedRoot,
    root_digest: Digest,
    keys: Vec<PublicKey>,
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
        keys: Vec<PublicKey>,
    ) -> Result<Self, TrustError> {
        let trust = Self {
            policy,
            root,
            root_digest,
            keys,
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

    /// Everyone who may stand behind a signature at `moment`, or why not.
    pub(super) fn holders(
        &self,
        signatory: &Signatory,
        moment: &DateTime,
    ) -> Vec<Result<Holder, String>> {
        let mut holders = Vec::new();
        if let Some(identity) = signatory.identity_at(moment, &self.root) {
            let identity = identity.map(|identity| Holder::Certificate(Box::new(identity)));
            holders.push(identity.map_err(|error| with_causes(&error)));
        }
        let key = signatory.key;
        if self.keys.iter().any(|one| *one.id() == key) {
            holders.push(Ok(Holder::Key { key }));
        }
        holders
    }

    /// Refuses rules that name what is not there.
    fn refuse_gaps(&self) -> Result<(), TrustError> {
        for rule in self.policy.rules() {
            for signer in rule.signers() {
                self.refuse_gap(rule.name().as_str(), signer)?;
            }
        }
        Ok(())
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
            SignerRule::KeySet(name) => {
                let name = name.clone();
                Err(TrustError::KeySetAbsent { rule, name })
            }
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
        }
    }

    /// The name by which `rule` allows it, and who vouches for that.
    pub(super) fn named_by(&self, rule: &SignerRule) -> (String, String) {
        match self {
            Self::Certificate(identity) => {
                let names = [identity.uris(), identity.emails(), identity.dns_names()];
                let name = names.into_iter().flatten().next().cloned();
                (name.unwrap_or_default(), identity.authority().to_owned())
            }
            Self::Key { .. } => {
                let owner = match rule {
                    SignerRule::Key(named) => named.owner(),
                    SignerRule::Certificate(_) | SignerRule::KeySet(_) => "",
                };
                (owner.to_owned(), "the policy".to_owned())
            }
        }
    }

    /// Whether whoever `actor` names is who signed: of a certificate any of its names, of a key
    /// its owner.
    pub(super) fn speaks_for(&self, actor: &str, name: &str) -> bool {
        match self {
            Self::Certificate(identity) => {
                let names = [identity.uris(), identity.emails(), identity.dns_names()];
                names.into_iter().flatten().any(|name| name == actor)
            }
            Self::Key { .. } => name == actor,
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
