//! Who may sign, and whether somebody is that.

use std::fmt;

use der::Decode as _;
use der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};

use super::file::SignerEntry;
use super::pattern::{DnsPattern, EmailPattern, UriPattern};
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::scalar::Text;

/// Somebody who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerRule {
    /// Whoever has a certificate with a name, from an authority or for a token of an issuer.
    Certificate(CertificateRule),
    /// The owner of a key.
    Key(KeyRule),
    /// The owner of a key set, with any key of it.
    KeySet(String),
}

/// A name in a certificate, and who must vouch for it: never the name alone (attack 92).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    name: CertificateName,
    authority: Option<String>,
    issuer: Option<String>,
    attributes: Attributes,
}

/// The name that the certificate must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// A URI.
    Uri(UriPattern),
    /// An e-mail address.
    Email(EmailPattern),
    /// A DNS name.
    Dns(DnsPattern),
}

/// What else the certificate must say, each text exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// An organization (`O`) of the subject.
    pub organization: Option<String>,
    /// An organizational unit (`OU`) of the subject.
    pub organizational_unit: Option<String>,
    /// Texts of extensions by object identifier.
    pub extensions: Vec<(String, String)>,
}

/// A key and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    id: Digest,
    owner: String,
    from: Option<DateTime>,
    until: Option<DateTime>,
}

/// Somebody who did sign.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'a> {
    /// With the key of a verified certificate.
    Certificate(&'a Identity),
    /// With a bare key.
    Key {
        /// Its id.
        id: Digest,
        /// Whose it is, as the key set says. Of a key that a rule names, the rule says it.
        owner: &'a str,
        /// Name of the key set that it is from; `None` for the trusted keys.
        keyset: Option<&'a str>,
    },
}

/// The first thing in which a signer is not who a rule allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} is {found}, needed {needed}")]
pub struct SignerMismatch {
    /// What was compared.
    pub part: SignerPart,
    /// What the signer has.
    pub found: String,
    /// What the rule needs.
    pub needed: String,
}

impl SignerMismatch {
    /// How near the signer came, to be compared with other mismatches of the same signer: what was
    /// compared last, and how much of it is the same at its beginning or its end.
    pub fn nearness(&self) -> (u8, usize) {
        let rank = match self.part {
            SignerPart::Kind => 0,
            SignerPart::Name | SignerPart::Key | SignerPart::KeySet => 1,
            _ => 2,
        };
        let bare = |text: &str| match text.split_once('"') {
            Some((_, quoted)) => quoted.trim_end_matches('"').to_owned(),
            None => text.to_owned(),
        };
        let (found, needed) = (bare(&self.found), bare(&self.needed));
        let same = |(one, other): &(u8, u8)| one == other;
        let start = found.bytes().zip(needed.bytes()).take_while(same).count();
        let reversed = found.bytes().rev().zip(needed.bytes().rev());
        (rank, start.max(reversed.take_while(same).count()))
    }
}

/// What is compared of a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerPart {
    /// Certificate, key, or key of a key set.
    Kind,
    /// A name in the certificate.
    Name,
    /// The authority that vouches for the certificate.
    Authority,
    /// The issuer of the token that the certificate was given for.
    Issuer,
    /// An organization.
    Organization,
    /// An organizational unit.
    OrganizationalUnit,
    /// The extension with this object identifier.
    Extension(String),
    /// The key.
    Key,
    /// The key set.
    KeySet,
}

impl SignerRule {
    /// The names by which this allows `signer`: those in its certificate that are meant here, or
    /// the owner of its key. Does not compare times: of a key, see [`KeyRule::counts_at`].
    ///
    /// # Errors
    /// [`SignerMismatch`] with the first thing that differs.
    pub fn matches<'s>(&'s self, signer: &Signer<'s>) -> Result<Vec<&'s str>, SignerMismatch> {
        let differs = |part, found: String, needed: String| {
            Err(SignerMismatch {
                part,
                found,
                needed,
            })
        };
        match (self, signer) {
            (Self::Certificate(rule), Signer::Certificate(identity)) => rule.matches(identity),
            (
                Self::Key(rule),
                Signer::Key {
                    id, keyset: None, ..
                },
            ) => match rule.id == *id {
                true => Ok(vec![&rule.owner]),
                false => differs(
                    SignerPart::Key,
                    format!("sha256:{id}"),
                    format!("sha256:{} of {:?}", rule.id, rule.owner),
                ),
            },
            (
                Self::KeySet(name),
                Signer::Key {
                    keyset: Some(set),
                    owner,
                    ..
                },
            ) => match name == set {
                true => Ok(vec![owner]),
                false => differs(SignerPart::KeySet, format!("{set:?}"), format!("{name:?}")),
            },
            _ => differs(SignerPart::Kind, signer.to_string(), self.to_string()),
        }
    }

    /// `None` for an entry that has findings.
    pub(super) fn of(entry: &SignerEntry) -> Option<Self> {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        if let Some(key) = entry.key {
            return Some(Self::Key(KeyRule {
                id: key.0,
                owner: text(&entry.owner)?,
                from: entry.from.clone(),
                until: entry.until.clone(),
            }));
        }
        if let Some(name) = text(&entry.keyset) {
            return Some(Self::KeySet(name));
        }
        let name = match (&entry.uri, &entry.email, &entry.dns) {
            (Some(uri), _, _) => CertificateName::Uri(uri.clone()),
            (_, Some(email), _) => CertificateName::Email(email.clone()),
            (_, _, Some(dns)) => CertificateName::Dns(dns.clone()),
            _ => return None,
        };
        let extensions = entry
            .extensions
            .iter()
            .flat_map(|map| map.as_object().iter());
        Some(Self::Certificate(CertificateRule {
            name,
            authority: text(&entry.ca),
            issuer: text(&entry.oidc_issuer),
            attributes: Attributes {
                organization: text(&entry.org),
                organizational_unit: text(&entry.ou),
                extensions: extensions
                    .filter_map(|(oid, text)| Some((oid.clone(), text.as_str()?.to_owned())))
                    .collect(),
            },
        }))
    }
}

impl CertificateRule {
    /// The name.
    pub fn name(&self) -> &CertificateName {
        &self.name
    }

    /// Id of the authority in the trusted root that must vouch for it.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Issuer of the token that the certificate must have been given for.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// What else the certificate must say.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The names that are meant, of an identity for which all the rest holds too.
    fn matches<'i>(&self, identity: &'i Identity) -> Result<Vec<&'i str>, SignerMismatch> {
        let (names, is_meant): (_, &dyn Fn(&str) -> bool) = match &self.name {
            CertificateName::Uri(uri) => (identity.uris(), &|name| uri.matches(name)),
            CertificateName::Email(email) => (identity.emails(), &|name| email.matches(name)),
            CertificateName::Dns(dns) => (identity.dns_names(), &|name| dns.matches(name)),
        };
        let meant = names.iter().map(String::as_str);
        let meant: Vec<_> = meant.filter(|name| is_meant(name)).collect();
        let mismatch = |part, found: &[String], needed| SignerMismatch {
            part,
            found: listed(found),
            needed,
        };
        if meant.is_empty() {
            return Err(mismatch(SignerPart::Name, names, self.name.to_string()));
        }
        let exactly = |part, found: &[String], needed: Option<&String>| match needed {
            Some(needed) if !found.contains(needed) => {
                Err(mismatch(part, found, format!("{needed:?}")))
            }
            _ => Ok(()),
        };
        let authority = [identity.authority().to_owned()];
        exactly(SignerPart::Authority, &authority, self.authority.as_ref())?;
        let issuer: Vec<_> = issuer_of(identity).into_iter().collect();
        exactly(SignerPart::Issuer, &issuer, self.issuer.as_ref())?;
        let Attributes {
            organization,
            organizational_unit,
            extensions,
        } = &self.attributes;
        exactly(
            SignerPart::Organization,
            &identity.organizations(),
            organization.as_ref(),
        )?;
        exactly(
            SignerPart::OrganizationalUnit,
            &identity.organizational_units(),
            organizational_unit.as_ref(),
        )?;
        extensions.iter().try_for_each(|(oid, needed)| {
            let found: Vec<_> = extension_text(identity, oid).into_iter().collect();
            exactly(SignerPart::Extension(oid.clone()), &found, Some(needed))
        })?;
        Ok(meant)
    }
}

impl KeyRule {
    /// Id of the key: SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// First moment at which it counts.
    pub fn from(&self) -> Option<&DateTime> {
        self.from.as_ref()
    }

    /// Last moment at which it counts.
    pub fn until(&self) -> Option<&DateTime> {
        self.until.as_ref()
    }

    /// Whether it counts for what was signed at `time`, which must be a verified one; `None` for
    /// no verified time. Both ends belong to the period. A key without period always counts.
    pub fn counts_at(&self, time: Option<&DateTime>) -> bool {
        match time {
            Some(time) => {
                self.from.as_ref().is_none_or(|from| from <= time)
                    && self.until.as_ref().is_none_or(|until| time <= until)
            }
            None => self.from.is_none() && self.until.is_none(),
        }
    }
}

/// Texts for a message, at most so many.
fn listed(texts: &[String]) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = texts
        .iter()
        .take(MOST)
        .map(|text| format!("{text:?}"))
        .collect();
    match (shown.is_empty(), texts.len().saturating_sub(MOST)) {
        (true, _) => "nothing".to_owned(),
        (_, 0) => shown.join(", "),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The issuer of the token that Fulcio gave the certificate for.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";

/// The same in its first form.
const ISSUER_V1: &str = "1.3.6.1.4.1.57264.1.1";

/// Extensions of Fulcio whose value is the text itself and no DER. No others may be.
const RAW_TEXT: [&str; 6] = [
    ISSUER_V1,
    "1.3.6.1.4.1.57264.1.2",
    "1.3.6.1.4.1.57264.1.3",
    "1.3.6.1.4.1.57264.1.4",
    "1.3.6.1.4.1.57264.1.5",
    "1.3.6.1.4.1.57264.1.6",
];

/// The issuer, in one form or in both with equal text.
fn issuer_of(identity: &Identity) -> Option<String> {
    let has = |oid| identity.extension(oid).is_some();
    let newer = extension_text(identity, ISSUER);
    let older = extension_text(identity, ISSUER_V1);
    match (has(ISSUER), has(ISSUER_V1)) {
        (true, true) => newer.filter(|newer| Some(newer) == older.as_ref()),
        (true, false) => newer,
        (false, _) => older,
    }
}

/// The text of an extension; `None` when it is not there or is no text.
fn extension_text(identity: &Identity, oid: &str) -> Option<String> {
    let bytes = identity.extension(oid)?;
    if RAW_TEXT.contains(&oid) {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    let utf8 = || {
        Utf8StringRef::from_der(bytes)
            .ok()
            .map(|text| text.to_string())
    };
    let ascii = || {
        Ia5StringRef::from_der(bytes)
            .ok()
            .map(|text| text.to_string())
    };
    let printable = || {
        PrintableStringRef::from_der(bytes)
            .ok()
            .map(|text| text.to_string())
    };
    utf8().or_else(ascii).or_else(printable)
}

impl fmt::Display for SignerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(rule) => rule.fmt(f),
            Self::Key(rule) => write!(f, "key sha256:{} of {:?}", rule.id, rule.owner),
            Self::KeySet(name) => write!(f, "a key of the key set {name:?}"),
        }
    }
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if let Some(authority) = &self.authority {
            write!(f, " from the authority {authority:?}")?;
        }
        if let Some(issuer) = &self.issuer {
            write!(f, " for a token of {issuer:?}")?;
        }
        let Attributes {
            organization,
            organizational_unit,
            extensions,
        } = &self.attributes;
        if let Some(organization) = organization {
            write!(f, " with O {organization:?}")?;
        }
        if let Some(unit) = organizational_unit {
            write!(f, " with OU {unit:?}")?;
        }
        let mut extensions = extensions.iter();
        extensions.try_for_each(|(oid, text)| write!(f, " with {oid} {text:?}"))
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => write!(f, "URI {:?}", uri.as_str()),
            Self::Email(email) => write!(f, "e-mail {:?}", email.as_str()),
            Self::Dns(dns) => write!(f, "DNS {:?}", dns.as_str()),
        }
    }
}

impl fmt::Display for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(identity) => {
                let names = [identity.uris(), identity.emails(), identity.dns_names()];
                let (names, authority) = (listed(&names.concat()), identity.authority());
                write!(f, "the certificate of {names} from {authority:?}")
            }
            Self::Key {
                id, keyset: None, ..
            } => write!(f, "the bare key sha256:{id}"),
            Self::Key {
                id,
                keyset: Some(set),
                ..
            } => write!(f, "key sha256:{id} of the key set {set:?}"),
        }
    }
}

impl fmt::Display for SignerPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("signer"),
            Self::Name => f.write_str("name of the signer"),
            Self::Authority => f.write_str("authority"),
            Self::Issuer => f.write_str("issuer of the token"),
            Self::Organization => f.write_str("organization"),
            Self::OrganizationalUnit => f.write_str("organizational unit"),
            Self::Extension(oid) => write!(f, "extension {oid}"),
            Self::Key => f.write_str("key"),
            Self::KeySet => f.write_str("key set"),
        }
    }
}
