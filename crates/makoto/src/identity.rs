//! Who signed: a certificate that chains to an authority of the trusted root at a trusted time.

use crate::certificate::{Certificate, CertificateError};
use crate::chain::{self, ChainError, Purpose};
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::trusted_root::TrustedRoot;

/// A signer whose certificate was verified at a time; there is no other way to have one.
///
/// Says who holds the key. Not that this key signed anything, nor that its holder may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    certificate: Certificate,
    authority: String,
    time: DateTime,
}

/// Why a certificate gives no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The signer's certificate cannot be read.
    #[error("certificate of the signer cannot be read")]
    Certificate(#[source] CertificateError),
    /// A certificate that came along with it cannot be read.
    #[error("certificate {index} of the chain that came along cannot be read")]
    Along {
        /// Its place, from 0.
        index: usize,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// It does not chain to an authority of the trusted root at that time.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It says of nobody whose it is.
    #[error("certificate of {0:?} has no URI, e-mail address or DNS name")]
    Nameless(String),
}

impl Identity {
    /// Verifies the certificate `leaf` (DER) at `time`, which the caller trusts: that of a
    /// verified timestamp, for one.
    ///
    /// Certificates that came `along` (DER) are accepted between it and an authority of `root`,
    /// never as an authority of their own.
    ///
    /// # Errors
    /// [`IdentityError`]: the leaf must be for code signing and digital signatures, valid at
    /// `time` with everything above it, and no authority itself.
    pub fn verify(
        leaf: &[u8],
        along: &[&[u8]],
        root: &TrustedRoot,
        time: &DateTime,
    ) -> Result<Self, IdentityError> {
        let certificate = Certificate::from_der(leaf).map_err(IdentityError::Certificate)?;
        // Before they are read: reading them costs time, too.
        if along.len() > crate::limits::Limits::DEFAULT.chain_certificates {
            return Err(ChainError::TooMany(along.len()).into());
        }
        let read = |(index, der): (usize, &&[u8])| {
            Certificate::from_der(der).map_err(|source| IdentityError::Along { index, source })
        };
        let along = along.iter().enumerate().map(read);
        let along = along.collect::<Result<Vec<_>, _>>()?;
        let authorities = root.certificate_authorities();
        let authority = chain::verify(&certificate, &along, authorities, time, Purpose::Signing)?;
        let names = certificate.names();
        if names.uris.is_empty() && names.emails.is_empty() && names.dns.is_empty() {
            return Err(IdentityError::Nameless(certificate.subject()));
        }
        Ok(Self {
            authority: authority.id().to_owned(),
            certificate,
            time: time.clone(),
        })
    }

    /// Id of the authority in the trusted root that vouches for it
    /// ([`Authority::id`](crate::trusted_root::Authority::id)).
    ///
    /// An identity is a pair: another authority may vouch for the same name (attack 92).
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The time at which it was verified.
    pub fn time(&self) -> &DateTime {
        &self.time
    }

    /// URIs of the subject alternative names.
    pub fn uris(&self) -> &[String] {
        &self.certificate.names().uris
    }

    /// E-mail addresses of the subject alternative names, as written.
    pub fn emails(&self) -> &[String] {
        &self.certificate.names().emails
    }

    /// DNS names of the subject alternative names, as written.
    pub fn dns_names(&self) -> &[String] {
        &self.certificate.names().dns
    }

    /// Every organization (`O`) of the subject.
    pub fn organizations(&self) -> Vec<String> {
        self.certificate.organizations()
    }

    /// Every organizational unit (`OU`) of the subject.
    pub fn organizational_units(&self) -> Vec<String> {
        self.certificate.organizational_units()
    }

    /// The bytes of the extension `oid`, such as `1.3.6.1.4.1.57264.1.8`.
    pub fn extension(&self, oid: &str) -> Option<&[u8]> {
        self.certificate.extension(oid)
    }

    /// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo in DER).
    pub fn spki_digest(&self) -> Digest {
        self.certificate.spki_digest()
    }

    /// First moment of the certificate's validity.
    pub fn not_before(&self) -> &DateTime {
        self.certificate.not_before()
    }

    /// Last moment of the certificate's validity.
    pub fn not_after(&self) -> &DateTime {
        self.certificate.not_after()
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}
