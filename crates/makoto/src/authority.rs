//! Making the authorities of a trusted root from their certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

use crate::certificate::Certificate;
use crate::chain::{self, ALGORITHMS};
use crate::datetime::DateTime;
use crate::json::Json;
use crate::limits::Limits;
use crate::trusted_root::{MediaType, TrustedRoot, TrustedRootError};

/// What an authority vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouches {
    /// The names of signers.
    Names,
    /// Times.
    Times,
}

/// An authority that is to be trusted: certificates whose order and signatures were checked.
///
/// That it is who it says, only the person knows who trusts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuthority {
    vouches: Vouches,
    operator: String,
    chain: Vec<Certificate>,
}

/// Why certificates make no authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// None, or more than are read.
    #[error("has {0} certificates, needed 1 to {max}", max = Limits::DEFAULT.chain_certificates)]
    Count(usize),
    /// A certificate of a signer or server.
    #[error("certificate of {0:?} is no authority's: it may not issue others")]
    Leaf(String),
    /// A timestamp authority's own certificate without the one that issued it.
    #[error("certificate of {0:?} has no issuer here: add the certificate of its authority")]
    NoAnchor(String),
    /// A certificate at the bottom that may do something else.
    #[error("certificate of {0:?} is neither an authority's nor for time stamping")]
    NotForTimestamps(String),
    /// A key with which nobody's signature is accepted.
    #[error(
        "certificate of {0:?} has a key that is not accepted, needed ECDSA on P-256, P-384 or P-521, \
         Ed25519, or RSA of 2048 to 8192 bits"
    )]
    Key(String),
    /// Certificates in another order, or of different chains.
    #[error("certificate of {below:?} is not issued by the next one, of {above:?}")]
    Order {
        /// The earlier.
        below: String,
        /// The later.
        above: String,
    },
    /// It is not valid any more.
    #[error("certificate of {subject:?} expired at {end}")]
    Expired {
        /// Whose.
        subject: String,
        /// Its last moment.
        end: DateTime,
    },
    /// It is not valid yet.
    #[error("certificate of {subject:?} is valid from {start} only")]
    NotYet {
        /// Whose.
        subject: String,
        /// Its first moment.
        start: DateTime,
    },
    /// Its certificates name no organization, and nobody said what to call it.
    #[error("certificate of {0:?} names no organization")]
    Nameless(String),
}

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

impl NewAuthority {
    /// Makes an authority from its certificates: from the lowest to the trust anchor, each issued
    /// by the next. Of a timestamp authority, its own certificate may come first.
    ///
    /// It is called `operator`, else by the organization of its trust anchor.
    ///
    /// # Errors
    /// [`AuthorityError`], also when one of them is not valid at `now`.
    pub fn new(
        vouches: Vouches,
        chain: Vec<Certificate>,
        operator: Option<&str>,
        now: &DateTime,
    ) -> Result<Self, AuthorityError> {
        let Some(anchor) = chain.last() else {
            return Err(AuthorityError::Count(0));
        };
        if chain.len() > Limits::DEFAULT.chain_certificates {
            return Err(AuthorityError::Count(chain.len()));
        }
        for (index, certificate) in chain.iter().enumerate() {
            let subject = certificate.subject();
            if !may_issue(certificate) {
                match (vouches, index, chain.len()) {
                    (Vouches::Times, 0, _) if !stamps_times(certificate) => {
                        return Err(AuthorityError::NotForTimestamps(subject));
                    }
                    (Vouches::Times, 0, 1) => return Err(AuthorityError::NoAnchor(subject)),
                    (Vouches::Times, 0, _) => {}
                    _ => return Err(AuthorityError::Leaf(subject)),
                }
            }
            if may_issue(certificate) && chain::check_issuing_key(certificate).is_err() {
                return Err(AuthorityError::Key(subject));
            }
            if certificate.not_after() < now {
                let end = certificate.not_after().clone();
                return Err(AuthorityError::Expired { subject, end });
            }
            if certificate.not_before() > now {
                let start = certificate.not_before().clone();
                return Err(AuthorityError::NotYet { subject, start });
            }
            if let Some(issuer) = chain.get(index + 1)
                && !is_issued_by(certificate, issuer)
            {
                return Err(AuthorityError::Order {
                    below: subject,
                    above: issuer.subject(),
                });
            }
        }
        let operator = match operator {
            Some(operator) => operator.to_owned(),
            None => {
                let organization = anchor.organizations().into_iter().next();
                organization.ok_or_else(|| AuthorityError::Nameless(anchor.subject()))?
            }
        };
        Ok(Self {
            vouches,
            operator,
            chain,
        })
    }

    /// What rules call it.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// Its trust anchor. While this is valid, so is what it vouches for.
    pub fn anchor(&self) -> Option<&Certificate> {
        self.chain.last()
    }

    fn to_json(&self) -> Json {
        let link = |certificate: &Certificate| {
            Json::from([("rawBytes", STANDARD.encode(certificate.der()).into())])
        };
        let anchor = self.anchor();
        let organization = anchor.and_then(|anchor| anchor.organizations().into_iter().next());
        let text = |time: Option<&DateTime>| Json::from(time.map(|time| time.to_string()));
        Json::from([
            (
                "subject",
                Json::from([
                    ("organization", organization.unwrap_or_default().into()),
                    (
                        "commonName",
                        anchor.map(common_name).unwrap_or_default().into(),
                    ),
                ]),
            ),
            (
                "certChain",
                Json::from([("certificates", self.chain.iter().map(link).collect())]),
            ),
            (
                "validFor",
                Json::from([
                    ("start", text(anchor.map(Certificate::not_before))),
                    ("end", text(anchor.map(Certificate::not_after))),
                ]),
            ),
            ("operator", self.operator.as_str().into()),
        ])
    }
}

impl TrustedRoot {
    /// A trusted root, v0.2, of these authorities and no logs.
    ///
    /// # Errors
    /// [`TrustedRootError`] when a name cannot stand in one.
    pub fn of(authorities: &[NewAuthority]) -> Result<Self, TrustedRootError> {
        let list = |vouches| -> Json {
            let of_kind = authorities.iter().filter(|one| one.vouches == vouches);
            of_kind.map(NewAuthority::to_json).collect()
        };
        let root = Json::from([
            ("mediaType", MediaType::V02.as_str().into()),
            ("tlogs", Json::Array(Vec::new())),
            ("certificateAuthorities", list(Vouches::Names)),
            ("ctlogs", Json::Array(Vec::new())),
            ("timestampAuthorities", list(Vouches::Times)),
        ]);
        Self::from_json(root.to_string().as_bytes())
    }
}

fn common_name(certificate: &Certificate) -> String {
    let subject = certificate.subject();
    let mut parts = subject.split(',');
    let name = parts.find_map(|part| part.strip_prefix("CN="));
    name.unwrap_or_default().to_owned()
}

/// Whether it may issue certificates.
fn may_issue(certificate: &Certificate) -> bool {
    let constraints = certificate.known::<BasicConstraints>().ok().flatten();
    let usage = certificate.known::<KeyUsage>().ok().flatten();
    constraints.is_some_and(|(_, constraints)| constraints.ca)
        && usage.is_none_or(|(_, usage)| usage.0.contains(KeyUsages::KeyCertSign))
}

fn stamps_times(certificate: &Certificate) -> bool {
    let purposes = certificate.known::<ExtendedKeyUsage>().ok().flatten();
    purposes.is_some_and(|(_, purposes)| purposes.0 == [TIME_STAMPING])
}

/// Whether `issuer` signed `certificate` and has the name that it says.
fn is_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let signed = || -> Option<bool> {
        let whole = x509_cert::Certificate::from_der(certificate.der()).ok()?;
        let message = whole.tbs_certificate.to_der().ok()?;
        let signature = whole.signature.as_bytes()?;
        let signature_algorithm = contents(&whole.signature_algorithm.to_der().ok()?)?;
        let key = &issuer.fields().subject_public_key_info;
        let key_algorithm = contents(&key.algorithm.to_der().ok()?)?;
        let key = key.subject_public_key.as_bytes()?;
        Some(ALGORITHMS.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == signature_algorithm
                && algorithm.public_key_alg_id().as_ref() == key_algorithm
                && algorithm.verify_signature(key, &message, signature).is_ok()
        }))
    };
    certificate.fields().issuer == issuer.fields().subject && signed().unwrap_or_default()
}

/// What a DER sequence holds.
fn contents(der: &[u8]) -> Option<Vec<u8>> {
    let any = der::asn1::AnyRef::from_der(der).ok()?;
    Some(any.value().to_vec())
}
