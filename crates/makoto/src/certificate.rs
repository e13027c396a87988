//! X.509 certificates as they stand.
//!
//! Does not verify anything: [`crate::identity`] and [`crate::timestamp`] do. Only DER is read,
//! so that what is checked and what is hashed are the same bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use der::asn1::{PrintableStringRef, Utf8StringRef};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::chain::{self, Purpose};
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::identity::IdentityError;
use crate::json::Json;
use crate::limits::Limits;
use crate::shape::{At, Findings, Shape};

/// A certificate that was read. Nothing in it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    fields: x509_cert::Certificate,
    names: Names,
    not_before: DateTime,
    not_after: DateTime,
}

/// The names of a certificate's subject alternative name extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// URIs.
    pub uris: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
}

/// Why bytes are no certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A budget.
    #[error("certificate has {0} bytes, at most {max} are read", max = Limits::DEFAULT.certificate_bytes)]
    TooLarge(usize),
    /// It is cut short, is followed by other bytes, or is something else.
    #[error("is not an X.509 certificate in DER")]
    Malformed(#[source] der::Error),
    /// It is no PEM of certificates.
    #[error("is not PEM with at least one CERTIFICATE")]
    Pem,
    /// A budget.
    #[error("has more than {max} certificates", max = Limits::DEFAULT.chain_certificates)]
    TooMany,
    /// It can be read, but DER writes it otherwise: two readers could read two certificates.
    #[error("certificate is not in DER: it has a second encoding")]
    NotCanonical,
    /// RFC 5280 §4.2 allows each extension once.
    #[error("certificate has extension {0} twice")]
    RepeatedExtension(String),
    /// A name holds what no URI, e-mail address or DNS name does, such as NUL.
    #[error("certificate has the name {0:?}, needed visible ASCII characters only")]
    Name(String),
    /// A time outside the years 0000 to 9999.
    #[error("certificate has no validity that can be compared")]
    Validity,
}

impl Certificate {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError`] for other bytes, before, in or after it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > Limits::DEFAULT.certificate_bytes {
            return Err(CertificateError::TooLarge(der.len()));
        }
        let fields = x509_cert::Certificate::from_der(der).map_err(CertificateError::Malformed)?;
        if fields.to_der().map_err(CertificateError::Malformed)? != der {
            return Err(CertificateError::NotCanonical);
        }
        let extensions = fields.tbs_certificate.extensions.as_deref();
        let mut seen = Vec::new();
        for extension in extensions.unwrap_or_default() {
            if seen.contains(&extension.extn_id) {
                let oid = extension.extn_id.to_string();
                return Err(CertificateError::RepeatedExtension(oid));
            }
            seen.push(extension.extn_id);
        }
        let validity = &fields.tbs_certificate.validity;
        let time = |time: &x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            seconds
                .and_then(|seconds| DateTime::from_unix(seconds).ok())
                .ok_or(CertificateError::Validity)
        };
        Ok(Self {
            der: der.to_vec(),
            names: Names::of(&fields)?,
            not_before: time(&validity.not_before)?,
            not_after: time(&validity.not_after)?,
            fields,
        })
    }

    /// Reads the certificates of a PEM file, in its order. What stands between them is left out.
    ///
    /// # Errors
    /// [`CertificateError`] when there is none, more than a chain may have, or a bad one.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let mut all = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| CertificateError::Pem)?;
            if all.len() == Limits::DEFAULT.chain_certificates {
                return Err(CertificateError::TooMany);
            }
            all.push(Self::from_der(&der)?);
        }
        match all.is_empty() {
            true => Err(CertificateError::Pem),
            false => Ok(all),
        }
    }

    /// Checks that it says of itself that its key signs statements, and whose it is. Does not
    /// verify that anyone issued it: [`crate::identity::Identity`] does.
    ///
    /// # Errors
    /// [`IdentityError`] when no verifier would take it for a signer's.
    pub fn check_signs(&self) -> Result<(), IdentityError> {
        chain::check_leaf(self, Purpose::Signing)?;
        chain::check_signature_algorithm(self)?;
        let Names { uris, emails, dns } = &self.names;
        match uris.is_empty() && emails.is_empty() && dns.is_empty() {
            true => Err(IdentityError::Nameless(self.subject())),
            false => Ok(()),
        }
    }

    /// Checks that it was issued by the first of the certificates `above` it, that one by the
    /// next, and so on, at `time`. Does not say that anyone trusts the last one.
    ///
    /// # Errors
    /// [`IdentityError::Chain`] when the chain does not hold together.
    pub fn check_issued_by(
        &self,
        above: &[Certificate],
        time: &DateTime,
    ) -> Result<(), IdentityError> {
        Ok(chain::check_above(self, above, time)?)
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo in DER).
    pub fn spki_digest(&self) -> Digest {
        Digest::of(&self.spki())
    }

    /// The public key with its algorithm (SubjectPublicKeyInfo in DER).
    pub fn spki(&self) -> Vec<u8> {
        // The certificate was read from DER and is written as it was read, so this cannot fail.
        let spki = &self.fields.tbs_certificate.subject_public_key_info;
        spki.to_der().unwrap_or_default()
    }

    /// First moment of its validity.
    pub fn not_before(&self) -> &DateTime {
        &self.not_before
    }

    /// Last moment of its validity.
    pub fn not_after(&self) -> &DateTime {
        &self.not_after
    }

    /// Its alternative names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The subject as RFC 4514 writes it, for messages.
    pub fn subject(&self) -> String {
        self.fields.tbs_certificate.subject.to_string()
    }

    /// Every organization (`O`) of the subject.
    pub fn organizations(&self) -> Vec<String> {
        self.subject_attributes(ObjectIdentifier::new_unwrap("2.5.4.10"))
    }

    /// Every organizational unit (`OU`) of the subject.
    pub fn organizational_units(&self) -> Vec<String> {
        self.subject_attributes(ObjectIdentifier::new_unwrap("2.5.4.11"))
    }

    /// The value of the extension `oid`, such as `1.3.6.1.4.1.57264.1.8`: the bytes inside its
    /// octet string.
    pub fn extension(&self, oid: &str) -> Option<&[u8]> {
        let oid = ObjectIdentifier::new(oid).ok()?;
        let extensions = self.fields.tbs_certificate.extensions.as_deref();
        let extension = extensions?.iter().find(|one| one.extn_id == oid)?;
        Some(extension.extn_value.as_bytes())
    }

    /// The fields, for whoever verifies.
    pub(crate) fn fields(&self) -> &x509_cert::TbsCertificate {
        &self.fields.tbs_certificate
    }

    /// A known extension and whether it is critical.
    pub(crate) fn known<'a, T: Decode<'a> + AssociatedOid>(
        &'a self,
    ) -> Result<Option<(bool, T)>, der::Error> {
        self.fields.tbs_certificate.get()
    }

    fn subject_attributes(&self, oid: ObjectIdentifier) -> Vec<String> {
        let subject = &self.fields.tbs_certificate.subject;
        let attributes = subject.0.iter().flat_map(|names| names.0.iter());
        let values = attributes.filter(|attribute| attribute.oid == oid);
        // Text in other encodings is not given: nothing then matches it.
        let text = |value: &der::Any| {
            let utf8 = Utf8StringRef::try_from(value).map(|text| text.as_str().to_owned());
            let other = || PrintableStringRef::try_from(value).map(|text| text.to_string());
            utf8.or_else(|_| other()).ok()
        };
        values
            .filter_map(|attribute| text(&attribute.value))
            .collect()
    }
}

impl Names {
    /// Whether one of the names is `id`. E-mail domains and DNS names compare without case, and
    /// everything else exactly.
    pub fn cover(&self, id: &str) -> bool {
        let email = |name: &String| match (name.rsplit_once('@'), id.rsplit_once('@')) {
            (Some((local, domain)), Some((wanted, at))) => {
                local == wanted && domain.eq_ignore_ascii_case(at)
            }
            _ => false,
        };
        self.uris.iter().any(|uri| uri == id)
            || self.emails.iter().any(email)
            || self.dns.iter().any(|dns| dns.eq_ignore_ascii_case(id))
    }

    fn of(fields: &x509_cert::Certificate) -> Result<Self, CertificateError> {
        let found = fields.tbs_certificate.get::<SubjectAltName>();
        let found = found.map_err(CertificateError::Malformed)?;
        let mut names = Self::default();
        for name in found.map(|(_, names)| names.0).unwrap_or_default() {
            let (text, kind) = match &name {
                GeneralName::UniformResourceIdentifier(uri) => (uri.as_str(), &mut names.uris),
                GeneralName::Rfc822Name(email) => (email.as_str(), &mut names.emails),
                GeneralName::DnsName(dns) => (dns.as_str(), &mut names.dns),
                _ => continue,
            };
            // NUL and the like make one reader see `a@example.com` where another sees more
            // (attack 19).
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(CertificateError::Name(text.chars().take(80).collect()));
            }
            kind.push(text.to_owned());
        }
        Ok(names)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, {:?})", self.subject(), self.digest())
    }
}

impl Shape for Certificate {
    const NEEDED: &'static str = "an X.509 certificate in DER, as padded base64";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let Some(text) = value.as_str() else {
            findings.wrong(at, &value, Self::NEEDED);
            return None;
        };
        let Ok(der) = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)) else {
            findings.wrong(at, &value, Self::NEEDED);
            return None;
        };
        let read = Self::from_der(&der);
        read.inspect_err(|error| findings.contradiction(at, error.to_string()))
            .ok()
    }

    fn write(&self) -> Json {
        STANDARD.encode(&self.der).into()
    }

    fn schema() -> Json {
        [
            ("type", "string".into()),
            ("contentEncoding", "base64".into()),
        ]
        .into()
    }
}
