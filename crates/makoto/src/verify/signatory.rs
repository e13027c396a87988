//! One signature that holds, with who stands behind it and by when it was made.
//!
//! Everything that counts for a level is asked of one and the same signature: a good one by a
//! stranger and a bad one that names a friend do not add up (attack 13).

use std::cell::RefCell;
use std::collections::HashSet;

use crate::certificate::Certificate;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::envelope::{Envelope, Signature, SignatureError, SignedBy};
use crate::identity::{Identity, IdentityError};
use crate::key::{Algorithm, KeyError, PublicKey};
use crate::timestamp::{Timestamp, TimestampError};
use crate::trusted_root::TrustedRoot;

/// A signature that holds for a key, and what was verified around it. Whether its signer may sign
/// is for the policy to say.
#[derive(Debug, Clone)]
pub(super) struct Signatory {
    /// The key that it holds for.
    pub(super) key: Digest,
    pub(super) algorithm: Algorithm,
    /// The certificate that came with it for that key, and those that came along.
    certificates: Vec<Vec<u8>>,
    /// Times that trusted authorities gave to it, the earliest first.
    pub(super) timestamps: Vec<Timestamp>,
    /// Why other tokens give no time.
    pub(super) refused_tokens: Vec<TimestampError>,
    /// Who holds the certificate, by the moments that were asked for: each rule asks again.
    known: RefCell<Vec<(DateTime, Result<Identity, IdentityError>)>>,
}

/// Why a signature holds for nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unheld {
    /// It is wrong, or by a key that nobody gave.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// The certificate that came with it cannot be read.
    #[error("{0}")]
    Certificate(#[from] IdentityError),
    /// The key in its certificate is not accepted.
    #[error("the key of the signer's certificate is not accepted: {0}")]
    Key(#[from] KeyError),
}

impl Unheld {
    /// The requirement that it breaks.
    pub(super) fn requirement(&self) -> &'static str {
        match self {
            Self::Signature(SignatureError::Form { .. }) | Self::Key(_) => "L2.P.2",
            Self::Signature(_) => "L2.V.1",
            Self::Certificate(_) => "L2.V.3",
        }
    }
}

impl Signatory {
    /// Verifies every signature of `envelope` with the keys of their own certificates and
    /// `keys`, in the order of the document, and their tokens with `root`.
    pub(super) fn all_of(
        envelope: &Envelope,
        keys: &[PublicKey],
        root: &TrustedRoot,
    ) -> Vec<Result<Self, Unheld>> {
        let signatures = &envelope.unverified_signatures;
        let own: Vec<_> = signatures.iter().map(own_key).collect();
        let own_keys = own.iter().flatten().flatten().cloned();
        let tried: Vec<_> = own_keys.chain(keys.iter().cloned()).collect();
        let checked = envelope.check_signatures(&tried);
        let each = signatures.iter().zip(&own).zip(checked);
        each.map(|((signature, own), checked)| match (checked, own) {
            (Ok(signed_by), own) => {
                let is_own = matches!(own, Ok(Some(key)) if key.id() == signed_by.key().id());
                Ok(Self::new(signature, signed_by, is_own, root))
            }
            // What is wrong with its own certificate tells more than that no key fits.
            (Err(_), Err(unheld)) => Err(unheld.clone()),
            (Err(error), Ok(_)) => Err(error.into()),
        })
        .collect()
    }

    fn new(
        signature: &Signature,
        signed_by: SignedBy<'_>,
        by_certificate: bool,
        root: &TrustedRoot,
    ) -> Self {
        let mut timestamps = Vec::new();
        let mut refused_tokens = Vec::new();
        for token in &signature.tokens {
            match Timestamp::verify(token, &signature.bytes, root) {
                Ok(timestamp) => timestamps.push(timestamp),
                Err(error) => refused_tokens.push(error),
            }
        }
        timestamps.sort_by(|one, other| one.time().cmp(other.time()));
        Self {
            key: *signed_by.key().id(),
            algorithm: signed_by.algorithm(),
            certificates: match by_certificate {
                true => signature.certificates.clone(),
                false => Vec::new(),
            },
            timestamps,
            refused_tokens,
            known: RefCell::default(),
        }
    }

    /// Of the times that `count`, the first of each operator, in their order; a key that made one
    /// makes none for another operator. Authorities without
    /// operator, which the trusted root does not tell apart, add nothing to those that have one
    /// (attack 90).
    pub(super) fn first_times(&self, count: impl Fn(&Timestamp) -> bool) -> Vec<&Timestamp> {
        let (mut operators, mut keys) = (HashSet::new(), HashSet::new());
        let times = self.timestamps.iter().filter(|time| count(time));
        let mut times: Vec<_> = times
            .filter(|time| keys.insert(*time.key()) && operators.insert(time.operator()))
            .collect();
        if times.iter().any(|time| time.operator().is_some()) {
            times.retain(|time| time.operator().is_some());
        }
        times
    }

    /// Who holds the certificate, verified at `time`; `None` when there is none.
    pub(super) fn identity_at(
        &self,
        time: &DateTime,
        root: &TrustedRoot,
    ) -> Option<Result<Identity, IdentityError>> {
        let (leaf, along) = self.certificates.split_first()?;
        let mut known = self.known.borrow_mut();
        if let Some((_, identity)) = known.iter().find(|(moment, _)| moment == time) {
            return Some(identity.clone());
        }
        let along: Vec<_> = along.iter().map(Vec::as_slice).collect();
        let identity = Identity::verify(leaf, &along, root, time);
        known.push((time.clone(), identity.clone()));
        Some(identity)
    }

    /// First and last moment of the certificate that came along.
    pub(super) fn validity(&self) -> Option<(DateTime, DateTime)> {
        let leaf = Certificate::from_der(self.certificates.first()?).ok()?;
        Some((leaf.not_before().clone(), leaf.not_after().clone()))
    }
}

/// The key of the certificate that came with a signature, if one did.
fn own_key(signature: &Signature) -> Result<Option<PublicKey>, Unheld> {
    let Some(leaf) = signature.certificates.first() else {
        return Ok(None);
    };
    let leaf = Certificate::from_der(leaf).map_err(IdentityError::Certificate)?;
    Ok(Some(PublicKey::from_spki_der(&leaf.spki())?))
}
