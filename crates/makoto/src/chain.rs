//! Chains of certificates to an authority of the trusted root, at a given time.
//!
//! Signatures, names, name constraints and critical extensions are webpki's business. It leaves
//! out what TLS does without: key usage, and everything about the trust anchor but its name and
//! key. That is checked here.

use std::cell::RefCell;
use std::time::Duration;

use der::Encode;
use der::oid::ObjectIdentifier;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, SignatureVerificationAlgorithm, UnixTime,
};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath,
    anchor_from_trusted_cert, aws_lc_rs as algorithm,
};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::certificate::{Certificate, CertificateError};
use crate::datetime::DateTime;
use crate::key::{KeyError, PublicKey};
use crate::limits::Limits;
use crate::trusted_root::Authority;

/// The signatures that certificates and tokens may have (FORMATS §4): no SHA-1, no RSA below
/// 2048 bits.
pub(crate) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P256_SHA384,
    algorithm::ECDSA_P256_SHA512,
    algorithm::ECDSA_P384_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::ECDSA_P384_SHA512,
    algorithm::ECDSA_P521_SHA256,
    algorithm::ECDSA_P521_SHA384,
    algorithm::ECDSA_P521_SHA512,
    algorithm::ED25519,
    algorithm::RSA_PKCS1_2048_8192_SHA256,
    algorithm::RSA_PKCS1_2048_8192_SHA384,
    algorithm::RSA_PKCS1_2048_8192_SHA512,
    algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// What a leaf certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signing statements: code signing, and digital signatures in its key usage.
    Signing,
    /// Timestamps: that alone, and marked critical (RFC 3161 §2.3).
    Timestamps,
}

/// Why a certificate does not chain to a trusted authority at a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No authority of the trusted root issued it, nor one of those that came along.
    #[error("certificate of {0:?} was issued by none of the authorities in the trusted root")]
    UnknownAuthority(String),
    /// Certificates that came along lead to several authorities, and nobody says which is meant.
    #[error(
        "certificate of {subject:?} leads to the authorities {:?} and {:?} by what came along with it",
        authorities[0],
        authorities[1]
    )]
    Ambiguous {
        /// Subject of the certificate.
        subject: String,
        /// Ids of two of them.
        authorities: [String; 2],
    },
    /// The authority is in the trusted root, but not for this time.
    #[error("authority {authority:?} is not trusted at {time} by the trusted root")]
    AuthorityNotTrustedThen {
        /// Id of the authority.
        authority: String,
        /// The time asked for.
        time: String,
    },
    /// A certificate of the chain had expired.
    #[error("time {time} is after a certificate of the chain expired ({not_after})")]
    Expired {
        /// The time asked for.
        time: String,
        /// Last moment of the certificate.
        not_after: String,
    },
    /// A certificate of the chain was not valid yet.
    #[error("time {time} is before a certificate of the chain became valid ({not_before})")]
    NotYetValid {
        /// The time asked for.
        time: String,
        /// First moment of the certificate.
        not_before: String,
    },
    /// A signature in the chain is wrong, which one by a short key is whatever it is.
    #[error("a signature in the certificate chain is wrong, or by an RSA key below 2048 bits")]
    Signature,
    /// A signature in the chain is of an algorithm that is not accepted.
    #[error(
        "the certificate chain has a signature that is not accepted, needed ECDSA, Ed25519, or RSA \
         of 2048 bits or more, with SHA-256, SHA-384 or SHA-512"
    )]
    Algorithm,
    /// The leaf is an authority's certificate.
    #[error("certificate of {0:?} is an authority's, needed one that cannot issue others")]
    LeafIsAuthority(String),
    /// A certificate of the chain was issued by one that may not issue any.
    #[error("the certificate chain has an issuer that is no authority")]
    IssuerIsNoAuthority,
    /// The chain is longer than an authority in it allows.
    #[error("the certificate chain is longer than an authority in it allows")]
    PathLength,
    /// An authority in the chain may not issue certificates with these names.
    #[error("an authority in the certificate chain may not issue for the names of {0:?}")]
    NameConstraints(String),
    /// Its key usage does not allow what it was used for.
    #[error("key usage of the certificate of {subject:?} is missing or lacks {needed}")]
    KeyUsage {
        /// Subject of the certificate.
        subject: String,
        /// The bit that is needed.
        needed: &'static str,
    },
    /// Its extended key usage does not allow what it was used for.
    #[error("extended key usage of the certificate of {subject:?} is not {needed}")]
    ExtendedKeyUsage {
        /// Subject of the certificate.
        subject: String,
        /// What is needed.
        needed: &'static str,
    },
    /// It has a critical extension that nobody here understands.
    #[error("a certificate of the chain has a critical extension that is not understood")]
    CriticalExtension,
    /// A certificate cannot be read.
    #[error("a certificate of the chain cannot be read")]
    Unreadable(#[source] CertificateError),
    /// More certificates came along than are read.
    #[error("{0} certificates came along, at most {max} are read", max = Limits::DEFAULT.chain_certificates)]
    TooMany(usize),
    /// Anything else that the path checks refuse.
    #[error("certificate chain is not accepted: {0}")]
    Refused(String),
}

/// Finds the authority that `leaf` chains to at `time`.
///
/// An authority is the lowest certificate of its chain, and the path must run through that one. Of
/// several authorities the one with the longest chain of its own is meant, trusted at the time or
/// not. Certificates that came `along`, which nobody has signed, complete a path where the trusted
/// root has none, and then to one authority alone: they move nobody to another, whatever
/// authorities have certified of each other (attacks 90 and 92).
pub(crate) fn verify<'a>(
    leaf: &Certificate,
    along: &[Certificate],
    authorities: &'a [Authority],
    time: &DateTime,
    purpose: Purpose,
) -> Result<&'a Authority, ChainError> {
    if along.len() > Limits::DEFAULT.chain_certificates {
        return Err(ChainError::TooMany(along.len()));
    }
    let unknown = match by_own_chain(leaf, &[], authorities, time, purpose)? {
        Reached::Authority(authority) => return Ok(authority),
        Reached::None(unknown @ ChainError::UnknownAuthority(_)) => unknown,
        // The root has the path, and it does not hold.
        Reached::None(error) => return Err(error),
    };
    if along.is_empty() {
        return Err(unknown);
    }
    let along = few_of_each_name(along);
    let authority = match by_own_chain(leaf, &along, authorities, time, purpose)? {
        Reached::Authority(authority) => authority,
        Reached::None(error) => return Err(error),
    };
    let fits = |other: &&Authority| {
        let reached = by_own_chain(leaf, &along, std::slice::from_ref(*other), time, purpose);
        let is_unknown = matches!(reached, Ok(Reached::None(ChainError::UnknownAuthority(_))));
        !is_unknown && !have_one_anchor(authority, other)
    };
    match authorities.iter().find(fits) {
        Some(other) => Err(ChainError::Ambiguous {
            subject: leaf.subject(),
            authorities: [authority.id().to_owned(), other.id().to_owned()],
        }),
        None => Ok(authority),
    }
}

/// Whether two authorities have an anchor of one name and key, so that one of them is meant by its
/// chain or its time, and not by what came along.
fn have_one_anchor(one: &Authority, other: &Authority) -> bool {
    let anchors = one.chain().zip(other.chain());
    anchors.is_some_and(|((_, one), (_, other))| {
        one.fields().subject == other.fields().subject && one.spki() == other.spki()
    })
}

/// What a search for an authority came to.
enum Reached<'a> {
    Authority(&'a Authority),
    /// None, and the reason that comes closest.
    None(ChainError),
}

/// The authority that is trusted at `time` among those with the longest chain that fits.
fn by_own_chain<'a>(
    leaf: &Certificate,
    along: &[Certificate],
    authorities: &'a [Authority],
    time: &DateTime,
    purpose: Purpose,
) -> Result<Reached<'a>, ChainError> {
    let mut closest = ChainError::UnknownAuthority(leaf.subject());
    let mut found = Vec::new();
    for authority in authorities {
        let Some((below, anchor)) = authority.chain() else {
            continue;
        };
        match verify_to(leaf, along, &below, anchor, time, purpose) {
            Ok(()) => found.push((below.len(), authority)),
            Err(ChainError::UnknownAuthority(_)) => {}
            Err(error) => closest = error,
        }
    }
    let Some(longest) = found.iter().map(|(length, _)| *length).max() else {
        return Ok(Reached::None(closest));
    };
    found.retain(|(length, _)| *length == longest);
    let trusted = found.iter().find(|(_, one)| one.is_trusted_at(time));
    match trusted {
        Some((_, authority)) => Ok(Reached::Authority(authority)),
        None => Err(ChainError::AuthorityNotTrustedThen {
            authority: found[0].1.id().to_owned(),
            time: time.to_string(),
        }),
    }
}

/// At most two certificates of each name, as two authorities that certified one another have. With
/// more, the paths to be tried multiply.
fn few_of_each_name(along: &[Certificate]) -> Vec<Certificate> {
    const MOST: usize = 2;
    let mut kept: Vec<Certificate> = Vec::new();
    for one in along {
        let subject = &one.fields().subject;
        let same = kept
            .iter()
            .filter(|other| other.fields().subject == *subject);
        if same.count() < MOST {
            kept.push(one.clone());
        }
    }
    kept
}

/// Checks that `leaf` was issued by the first of the certificates `above` it, that one by the next,
/// and so on, whoever the last one is.
pub(crate) fn check_above(
    leaf: &Certificate,
    above: &[Certificate],
    time: &DateTime,
) -> Result<(), ChainError> {
    let Some((last, between)) = above.split_last() else {
        return Ok(());
    };
    let between: Vec<_> = between.iter().collect();
    verify_to(leaf, &[], &between, last, time, Purpose::Signing)
}

fn verify_to(
    leaf: &Certificate,
    along: &[Certificate],
    below: &[&Certificate],
    anchor: &Certificate,
    time: &DateTime,
    purpose: Purpose,
) -> Result<(), ChainError> {
    let seconds = u64::try_from(time.unix_seconds()).map_err(|_| ChainError::NotYetValid {
        time: time.to_string(),
        not_before: leaf.not_before().to_string(),
    })?;
    let anchor_der = CertificateDer::from(anchor.der());
    let anchors = [anchor_from_trusted_cert(&anchor_der).map_err(|error| tell(error, leaf))?];
    let leaf_der = CertificateDer::from(leaf.der());
    let end = EndEntityCert::try_from(&leaf_der).map_err(|error| tell(error, leaf))?;
    let between: Vec<_> = below
        .iter()
        .copied()
        .chain(along)
        .map(|certificate| CertificateDer::from(certificate.der()))
        .collect();
    // webpki goes on to other paths when this one is refused, and forgets why.
    let refusal = RefCell::new(None);
    let lowest = below.first().copied();
    let check = |path: &VerifiedPath<'_>| {
        if !lowest.is_none_or(|lowest| runs_through(path, lowest, leaf)) {
            return Err(Error::UnknownIssuer);
        }
        let checked = check_path(path, leaf, anchor, time, purpose);
        checked.map_err(|error| {
            refusal.replace(Some(error));
            Error::UnknownIssuer
        })
    };
    let found = end.verify_for_usage(
        ALGORITHMS,
        &anchors,
        &between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        CheckedHere,
        None,
        Some(&check),
    );
    match found {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal.take().unwrap_or_else(|| tell(error, leaf))),
    }
}

/// Whether a path from `leaf` has the certificate of an authority in it; a trusted root may list
/// the leaf itself.
fn runs_through(path: &VerifiedPath<'_>, authority: &Certificate, leaf: &Certificate) -> bool {
    let mut between = path.intermediate_certificates();
    leaf.der() == authority.der() || between.any(|one| *one.der() == *authority.der())
}

/// Extended key usage is checked by [`check_path`], which knows which certificate is the leaf.
struct CheckedHere;

impl ExtendedKeyUsageValidator for CheckedHere {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// What webpki does not check of a path that it accepts.
fn check_path(
    path: &VerifiedPath<'_>,
    leaf: &Certificate,
    anchor: &Certificate,
    time: &DateTime,
    purpose: Purpose,
) -> Result<(), ChainError> {
    check_leaf(leaf, purpose)?;
    let mut between = 0;
    for certificate in path.intermediate_certificates() {
        let der = certificate.der();
        let issuer = Certificate::from_der(&der).map_err(ChainError::Unreadable)?;
        check_issuer(&issuer, purpose, Missing::Refused)?;
        between += 1;
    }
    let constraints = known::<BasicConstraints>(anchor)?;
    let Some((_, constraints)) = constraints.filter(|(_, constraints)| constraints.ca) else {
        return Err(ChainError::IssuerIsNoAuthority);
    };
    check_issuer(anchor, purpose, Missing::Accepted)?;
    let allowed = constraints.path_len_constraint;
    if allowed.is_some_and(|allowed| between > usize::from(allowed)) {
        return Err(ChainError::PathLength);
    }
    if time < anchor.not_before() {
        return Err(ChainError::NotYetValid {
            time: time.to_string(),
            not_before: anchor.not_before().to_string(),
        });
    }
    if time.unix_seconds() > anchor.not_after().unix_seconds() {
        return Err(ChainError::Expired {
            time: time.to_string(),
            not_after: anchor.not_after().to_string(),
        });
    }
    Ok(())
}

/// Checks what a leaf is for by what it says itself. Does not verify that anyone issued it.
pub(crate) fn check_leaf(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainError> {
    let constraints = known::<BasicConstraints>(leaf)?;
    if constraints.is_some_and(|(_, constraints)| constraints.ca) {
        return Err(ChainError::LeafIsAuthority(leaf.subject()));
    }
    let usage = known::<KeyUsage>(leaf)?.map(|(_, usage)| usage.0);
    let signs = |usage: der::flagset::FlagSet<KeyUsages>| match purpose {
        Purpose::Signing => usage.contains(KeyUsages::DigitalSignature),
        Purpose::Timestamps => {
            usage.contains(KeyUsages::DigitalSignature) || usage.contains(KeyUsages::NonRepudiation)
        }
    };
    // RFC 3161 asks a timestamp authority for no key usage, and not all have one.
    if !usage.map_or(purpose == Purpose::Timestamps, signs) {
        return Err(ChainError::KeyUsage {
            subject: leaf.subject(),
            needed: "digital signature",
        });
    }
    let purposes = known::<ExtendedKeyUsage>(leaf)?;
    let good = match (purpose, &purposes) {
        (Purpose::Signing, Some((_, purposes))) => purposes.0.contains(&CODE_SIGNING),
        (Purpose::Timestamps, Some((critical, purposes))) => {
            *critical && purposes.0 == [TIME_STAMPING]
        }
        (_, None) => false,
    };
    match good {
        true => Ok(()),
        false => Err(ChainError::ExtendedKeyUsage {
            subject: leaf.subject(),
            needed: purpose.needed(),
        }),
    }
}

/// Refuses a certificate whose own signature no path accepts, whoever made it.
pub(crate) fn check_signature_algorithm(certificate: &Certificate) -> Result<(), ChainError> {
    let own = &certificate.fields().signature;
    let accepted = ALGORITHMS.iter().map(|one| one.signature_alg_id());
    match of_one(accepted, own)? {
        true => Ok(()),
        false => Err(ChainError::Algorithm),
    }
}

/// Refuses an authority whose key no signature that is accepted can be of.
pub(crate) fn check_issuing_key(certificate: &Certificate) -> Result<(), ChainError> {
    let own = &certificate.fields().subject_public_key_info.algorithm;
    let accepted = ALGORITHMS.iter().map(|one| one.public_key_alg_id());
    let is_short = PublicKey::from_spki_der(&certificate.spki())
        .is_err_and(|error| matches!(error, KeyError::RsaSize { .. }));
    match of_one(accepted, own)? && !is_short {
        true => Ok(()),
        false => Err(ChainError::Algorithm),
    }
}

/// Whether an algorithm is one of those, with its parameters.
fn of_one(
    mut accepted: impl Iterator<Item = AlgorithmIdentifier>,
    own: &AlgorithmIdentifierOwned,
) -> Result<bool, ChainError> {
    let unreadable = |error| ChainError::Unreadable(CertificateError::Malformed(error));
    let mut der = own.oid.to_der().map_err(unreadable)?;
    if let Some(parameters) = &own.parameters {
        der.extend(parameters.to_der().map_err(unreadable)?);
    }
    Ok(accepted.any(|one| one.as_ref() == der))
}

/// What the absence of a key usage means.
#[derive(PartialEq)]
enum Missing {
    Accepted,
    Refused,
}

fn check_issuer(
    issuer: &Certificate,
    purpose: Purpose,
    missing: Missing,
) -> Result<(), ChainError> {
    let usage = known::<KeyUsage>(issuer)?;
    let may_issue = usage.map_or(missing == Missing::Accepted, |(_, usage)| {
        usage.0.contains(KeyUsages::KeyCertSign)
    });
    if !may_issue {
        return Err(ChainError::KeyUsage {
            subject: issuer.subject(),
            needed: "certificate signing",
        });
    }
    // An authority that has purposes may issue for these alone.
    let wanted = match purpose {
        Purpose::Signing => CODE_SIGNING,
        Purpose::Timestamps => TIME_STAMPING,
    };
    let allows = |purposes: &ExtendedKeyUsage| {
        purposes.0.contains(&wanted) || purposes.0.contains(&ANY_PURPOSE)
    };
    match known::<ExtendedKeyUsage>(issuer)? {
        Some((_, purposes)) if !allows(&purposes) => Err(ChainError::ExtendedKeyUsage {
            subject: issuer.subject(),
            needed: purpose.needed(),
        }),
        _ => Ok(()),
    }
}

impl Purpose {
    fn needed(self) -> &'static str {
        match self {
            Self::Signing => "code signing",
            Self::Timestamps => "time stamping alone, and critical",
        }
    }
}

fn known<'a, T>(certificate: &'a Certificate) -> Result<Option<(bool, T)>, ChainError>
where
    T: der::Decode<'a> + der::oid::AssociatedOid,
{
    let unreadable = |error| ChainError::Unreadable(CertificateError::Malformed(error));
    certificate.known().map_err(unreadable)
}

/// The cause in our words.
fn tell(error: Error, leaf: &Certificate) -> ChainError {
    let text = |time: UnixTime| {
        let seconds = i64::try_from(time.as_secs()).ok();
        let time = seconds.and_then(|seconds| DateTime::from_unix(seconds).ok());
        time.map(|time| time.to_string()).unwrap_or_default()
    };
    match error {
        Error::UnknownIssuer => ChainError::UnknownAuthority(leaf.subject()),
        Error::CertExpired { time, not_after } => ChainError::Expired {
            time: text(time),
            not_after: text(not_after),
        },
        Error::CertNotValidYet { time, not_before } => ChainError::NotYetValid {
            time: text(time),
            not_before: text(not_before),
        },
        Error::InvalidSignatureForPublicKey => ChainError::Signature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => ChainError::Algorithm,
        Error::CaUsedAsEndEntity => ChainError::LeafIsAuthority(leaf.subject()),
        Error::EndEntityUsedAsCa => ChainError::IssuerIsNoAuthority,
        Error::PathLenConstraintViolated => ChainError::PathLength,
        Error::NameConstraintViolation => ChainError::NameConstraints(leaf.subject()),
        Error::UnsupportedCriticalExtension => ChainError::CriticalExtension,
        other => ChainError::Refused(format!("{other:?}")),
    }
}
