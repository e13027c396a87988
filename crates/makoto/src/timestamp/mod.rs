//! When it was signed: RFC 3161 timestamps over the bytes of a signature.
//!
//! A token counts only after all of it was checked; [`Timestamp::verify`] is the only door. Not
//! accepted, although some authorities still do it: SHA-1 anywhere, a signing certificate that
//! is named by SHA-1 alone (ESSCertID of RFC 2634), BER that is not DER, more than one signer,
//! and an authority whose certificate is its own trust anchor.

mod asn1;
mod request;
mod token;
mod untrusted;

use std::fmt;

use aws_lc_rs::digest::{self, digest};
use der::Decode as _;
use der::oid::ObjectIdentifier;
use der::{Tag, Tagged as _};

pub use request::{Accepted, Request, ResponseError};
pub(crate) use request::{answer_with, token_of};
pub use untrusted::Untrusted;

use crate::chain::{self, ChainError, Purpose};
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::trusted_root::{Authority, TrustedRoot};
use asn1::TstInfo;
use token::Token;

/// A time that a trusted authority gave to a signature; there is no other way to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    time: DateTime,
    authority: String,
    operator: Option<String>,
    key: Digest,
    serial: String,
    policy: String,
    accuracy_micros: Option<u64>,
}

/// Why a token gives no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// A budget.
    #[error("timestamp has {0} bytes, at most {max} are read", max = Limits::DEFAULT.timestamp_bytes)]
    TooLarge(usize),
    /// It is cut short, is followed by other bytes, or is something else.
    #[error("timestamp is not a token in DER: {part}")]
    Malformed {
        /// The part that cannot be read.
        part: &'static str,
        /// Why.
        #[source]
        source: der::Error,
    },
    /// Its parts do not follow RFC 3161.
    #[error("timestamp {0}")]
    Form(&'static str),
    /// A hash that is not accepted.
    #[error("timestamp uses the hash {0}, needed SHA-256, SHA-384 or SHA-512")]
    Hash(String),
    /// It is a good token over other bytes.
    #[error("timestamp is over other bytes than this signature")]
    OtherImprint,
    /// What it says is not what was signed.
    #[error("timestamp was changed: its content is not the one that was signed")]
    ContentChanged,
    /// The certificate is named by SHA-1 alone.
    #[error("timestamp names its certificate by SHA-1 (ESSCertID), needed ESSCertIDv2")]
    OnlySha1,
    /// The certificate it names is not there.
    #[error("the certificate that the timestamp names is neither in it nor in the trusted root")]
    NoCertificate,
    /// It names one certificate as signer and another as signing certificate.
    #[error("timestamp names two different certificates as its signer's")]
    OtherCertificate,
    /// A signature algorithm that is not accepted.
    #[error("timestamp is signed with {0}, which is not accepted")]
    Algorithm(String),
    /// The signature is wrong, by another key, or by a short one.
    #[error(
        "signature of the timestamp is wrong for the certificate it names, or by an RSA key below \
         2048 bits"
    )]
    Signature,
    /// The certificate does not chain to a timestamp authority of the trusted root then.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Timestamp {
    /// Verifies `token` (a CMS `ContentInfo` in DER) over the bytes of `signature`, with the
    /// timestamp authorities of `root`.
    ///
    /// The authority's chain is checked at the time in the token: an authority that expired
    /// since then still counts.
    ///
    /// # Errors
    /// [`TimestampError`], each variant a cause of its own.
    pub fn verify(
        token: &[u8],
        signature: &[u8],
        root: &TrustedRoot,
    ) -> Result<Self, TimestampError> {
        Self::with_info(token, signature, root).map(|(timestamp, _)| timestamp)
    }

    /// The same, with everything else that the token says.
    fn with_info(
        token: &[u8],
        signature: &[u8],
        root: &TrustedRoot,
    ) -> Result<(Self, TstInfo), TimestampError> {
        if token.len() > Limits::DEFAULT.timestamp_bytes {
            return Err(TimestampError::TooLarge(token.len()));
        }
        let token = Token::read(token)?;
        let info = read_info(&token.content)?;
        check_imprint(&info, signature)?;
        let authorities = root.timestamp_authorities();
        let known = authorities.iter().filter_map(Authority::chain);
        let known = known.flat_map(|(below, _)| below);
        let certificate = token.verified_signer(known)?;
        let time = gen_time(&info)?;
        let authority = chain::verify(
            &certificate,
            &token.others(&certificate),
            authorities,
            &time,
            Purpose::Timestamps,
        )?;
        let operator = authority.operator.as_ref();
        let timestamp = Self {
            time,
            authority: authority.id().to_owned(),
            operator: operator.map(|operator| operator.as_str().to_owned()),
            key: certificate.spki_digest(),
            serial: hex(info.serial_number.as_bytes()),
            policy: info.policy.to_string(),
            accuracy_micros: accuracy(&info)?,
        };
        Ok((timestamp, info))
    }

    /// The time at which the signature existed.
    pub fn time(&self) -> &DateTime {
        &self.time
    }

    /// Id of the authority in the trusted root
    /// ([`Authority::id`](crate::trusted_root::Authority::id)).
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Who runs the authority. Thresholds count operators, not authorities; those without one
    /// (trusted roots of v0.1) can only be counted as one.
    pub fn operator(&self) -> Option<&str> {
        self.operator.as_deref()
    }

    /// SHA-256 of the public key that made the token (SubjectPublicKeyInfo in DER).
    pub fn key(&self) -> &Digest {
        &self.key
    }

    /// Serial number of the token at its authority, in hex.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The policy that the authority followed, an object identifier such as `1.2.3.4.1`.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// How far off the time may be, in microseconds, if the authority says so.
    pub fn accuracy_micros(&self) -> Option<u64> {
        self.accuracy_micros
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {:?}", self.time, self.authority)
    }
}

/// Reads what a token says. Does not verify it.
fn read_info(content: &[u8]) -> Result<TstInfo, TimestampError> {
    let info = TstInfo::from_der(content).map_err(malformed("TSTInfo"))?;
    if info.version != 1 {
        return Err(TimestampError::Form("is not of version 1"));
    }
    let extensions = info.extensions.as_deref().unwrap_or_default();
    if extensions.iter().any(|extension| extension.critical) {
        return Err(TimestampError::Form(
            "has a critical extension that is not understood",
        ));
    }
    Ok(info)
}

fn check_imprint(info: &TstInfo, signature: &[u8]) -> Result<(), TimestampError> {
    let imprint = &info.message_imprint;
    let hash = hash(imprint.hash_algorithm.oid)?;
    match digest(hash, signature).as_ref() == imprint.hashed_message.as_bytes() {
        true => Ok(()),
        false => Err(TimestampError::OtherImprint),
    }
}

fn hash(oid: ObjectIdentifier) -> Result<&'static digest::Algorithm, TimestampError> {
    match oid {
        asn1::SHA256 => Ok(&digest::SHA256),
        asn1::SHA384 => Ok(&digest::SHA384),
        asn1::SHA512 => Ok(&digest::SHA512),
        other => Err(TimestampError::Hash(other.to_string())),
    }
}

/// `YYYYMMDDhhmmss[.f…]Z`, as DER and RFC 3161 §2.4.2 have it.
fn gen_time(info: &TstInfo) -> Result<DateTime, TimestampError> {
    const WRONG: TimestampError = TimestampError::Form("has a time that is not one");
    let text = match info.gen_time.tag() {
        Tag::GeneralizedTime => std::str::from_utf8(info.gen_time.value()).map_err(|_| WRONG)?,
        _ => return Err(WRONG),
    };
    let plain = text.strip_suffix('Z').ok_or(WRONG)?;
    let (whole, fraction) = match plain.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (plain, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) {
        return Err(WRONG);
    }
    let fraction = match fraction {
        // A time has one spelling: no fraction of nothing, no zeros at its end.
        Some(text) if text.is_empty() || text.len() > 9 || !digits(text) || text.ends_with('0') => {
            return Err(WRONG);
        }
        Some(text) => format!(".{text}"),
        None => String::new(),
    };
    let part = |from: usize, to: usize| &whole[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:{}{fraction}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    DateTime::parse(&text).map_err(|_| WRONG)
}

fn accuracy(info: &TstInfo) -> Result<Option<u64>, TimestampError> {
    let Some(accuracy) = &info.accuracy else {
        return Ok(None);
    };
    let below_second = [accuracy.millis, accuracy.micros].map(Option::unwrap_or_default);
    if below_second.iter().any(|part| *part > 999) {
        return Err(TimestampError::Form("has an accuracy that is not one"));
    }
    let [millis, micros] = below_second.map(u64::from);
    let seconds = u64::from(accuracy.seconds.unwrap_or_default());
    Ok(Some(seconds * 1_000_000 + millis * 1_000 + micros))
}

fn malformed(part: &'static str) -> impl Fn(der::Error) -> TimestampError {
    move |source| TimestampError::Malformed { part, source }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many paths to authorities the certificates in a token may make; 1 where it cannot be read,
/// which ends at once.
pub(crate) fn paths(token: &[u8]) -> u64 {
    // In fewer bytes there is no room for more than a pair.
    const SMALL: usize = 2 << 10;
    if token.len() < SMALL {
        return 1;
    }
    Token::read(token).map_or(1, |token| token.paths())
}

#[cfg(test)]
mod tests;
