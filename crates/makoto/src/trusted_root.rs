//! Trusted roots: the certificate and timestamp authorities that are trusted, and when.
//!
//! Sigstore's `trusted_root.json`, v0.2 read and written, v0.1 read. A root trusts; it is never
//! taken from beside the data (FORMATS §5). Logs are kept as they are.

use std::fmt;

use crate::certificate::Certificate;
use crate::datetime::DateTime;
use crate::document;
use crate::json::{Json, Object, ReadError};
use crate::limits::Limits;
use crate::report::{Check, Level};
use crate::scalar::{AnyText, Text, closed_vocabulary};
use crate::shape::{At, Findings, NonEmpty, Requirements, Shape};

document! {
    /// A trusted root.
    pub struct TrustedRoot {
        /// Format and version.
        required media_type: MediaType = "mediaType",
        /// Authorities for certificates of signers.
        optional certificate_authorities: Vec<Authority> = "certificateAuthorities",
        /// Authorities for timestamps (RFC 3161).
        optional timestamp_authorities: Vec<Authority> = "timestampAuthorities",
        /// Transparency logs.
        optional tlogs: Vec<Object> = "tlogs",
        /// Logs of certificates.
        optional ctlogs: Vec<Object> = "ctlogs",
    }
}

closed_vocabulary! {
    /// Format and version of a trusted root.
    pub enum MediaType {
        /// The one that is written.
        V02 = "application/vnd.dev.sigstore.trustedroot.v0.2+json",
        /// Without operators.
        V01 = "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        /// The same in the newer spelling.
        V01Dotted = "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    }
}

document! {
    /// An authority that issues certificates, or timestamps.
    pub struct Authority {
        /// Who runs it. Authorities of one operator count as one, and rules name it.
        optional operator: Text = "operator",
        /// Where it is reached; names it when there is no operator.
        optional uri: Text = "uri",
        /// Its name, for people.
        optional subject: AuthorityName = "subject",
        /// Its certificates.
        required cert_chain: Chain = "certChain",
        /// When it was, or is, trusted; always when absent.
        optional valid_for: Window = "validFor",
    }
    => can_be_named
}

document! {
    /// Name of an authority, for people.
    pub struct AuthorityName {
        /// Organization.
        optional organization: AnyText = "organization",
        /// Common name.
        optional common_name: AnyText = "commonName",
    }
}

document! {
    /// Certificates of an authority.
    pub struct Chain {
        /// From the leaf or lowest authority to the trust anchor, which is the last.
        required certificates: NonEmpty<ChainLink> = "certificates",
    }
}

document! {
    /// One certificate of a chain.
    pub struct ChainLink {
        /// DER in base64.
        required certificate: Certificate = "rawBytes",
    }
}

document! {
    /// A period; both ends belong to it.
    pub struct Window {
        /// Its first moment.
        required start: DateTime = "start",
        /// Its last moment; none when it still goes on.
        optional end: DateTime = "end",
    }
    => ends_after_start
}

/// Why bytes are no trusted root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustedRootError {
    /// They are no JSON document.
    #[error("trusted root is not one JSON document")]
    NotJson(#[source] ReadError),
    /// They are one that trusts nothing that can be understood.
    #[error("trusted root cannot be used: {}", Listed(.0))]
    Wrong(Vec<Check>),
}

struct Listed<'a>(&'a [Check]);

impl TrustedRoot {
    /// Reads a trusted root.
    ///
    /// # Errors
    /// [`TrustedRootError`] with everything that is wrong with it. A root is never trusted in
    /// part: a certificate that cannot be read is an error.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustedRootError> {
        let value = Json::parse(bytes, &Limits::DEFAULT).map_err(TrustedRootError::NotJson)?;
        let mut findings = Findings::at_level(Level::L2);
        findings.file_under(Requirements {
            complete: "L2.V.3",
            form: "L2.V.3",
            recommended: "L2.V.3",
        });
        let read = Self::read(value, &At::Top, &mut findings);
        match read {
            Some(root) if !findings.failed() => Ok(root),
            _ => Err(TrustedRootError::Wrong(findings.into_checks())),
        }
    }

    /// The document in v0.2, whichever version was read.
    pub fn to_json(&self) -> Json {
        let mut root = self.clone();
        root.media_type = MediaType::V02;
        root.write()
    }

    /// The authorities for certificates of signers.
    pub fn certificate_authorities(&self) -> &[Authority] {
        self.certificate_authorities.as_deref().unwrap_or_default()
    }

    /// The authorities for timestamps.
    pub fn timestamp_authorities(&self) -> &[Authority] {
        self.timestamp_authorities.as_deref().unwrap_or_default()
    }
}

impl Authority {
    /// What rules call it: its operator, or its URI where the root knows no operators (v0.1).
    ///
    /// An old and a new authority of one operator have one id. Whoever trusts two authorities
    /// of one operator with different things gives them two operators.
    pub fn id(&self) -> &str {
        let id = self.operator.as_ref().or(self.uri.as_ref());
        id.map(Text::as_str).unwrap_or_default()
    }

    /// Its certificates below the trust anchor, and the anchor.
    pub fn chain(&self) -> Option<(Vec<&Certificate>, &Certificate)> {
        let links = self.cert_chain.certificates.as_slice();
        let (anchor, below) = links.split_last()?;
        let below = below.iter().map(|link| &link.certificate).collect();
        Some((below, &anchor.certificate))
    }

    /// Whether it is trusted for what was signed at `time`.
    pub fn is_trusted_at(&self, time: &DateTime) -> bool {
        let window = self.valid_for.as_ref();
        window.is_none_or(|window| window.contains(time))
    }
}

impl Window {
    /// Whether `time` lies in it.
    pub fn contains(&self, time: &DateTime) -> bool {
        self.start <= *time && self.end.as_ref().is_none_or(|end| time <= end)
    }
}

fn can_be_named(authority: &Authority, at: &At<'_>, findings: &mut Findings) {
    if authority.id().is_empty() {
        findings.contradiction(at, "has neither operator nor uri, so no rule can name it");
    }
    let links = authority.cert_chain.certificates.as_slice();
    let most = Limits::DEFAULT.chain_certificates;
    if links.len() > most {
        let found = links.len();
        let at = at.field("certChain");
        findings.contradiction(
            &at,
            format!("has {found} certificates, at most {most} are read"),
        );
    }
}

fn ends_after_start(window: &Window, at: &At<'_>, findings: &mut Findings) {
    if let Some(end) = &window.end
        && *end < window.start
    {
        let message = format!("{end} is before start {}", window.start);
        findings.contradiction(&at.field("end"), message);
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = |check: &&Check| check.outcome == crate::report::Outcome::Fail;
        match self.0.iter().find(failed) {
            Some(check) => write!(f, "{} {}", check.path, check.message),
            None => Ok(()),
        }
    }
}
