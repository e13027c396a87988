//! Sigstore bundles, version 0.3 (FORMATS §4): one signature, and what is needed to verify it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Envelope, EnvelopeError, decode, decode_token, text, within_budget};
use crate::json::{Json, Object};
use crate::limits::Limits;
use crate::timestamp::{answer_with, token_of};

/// The media type of the bundles that are written.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Names of the same format, and of older versions, which differ in what must be there.
const READ: [&str; 4] = [
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];

impl Envelope {
    /// The bundle that holds this envelope: its leaf certificate or else the hint at its key, and
    /// its tokens. Times in `signatures[].timestamp` are not written.
    ///
    /// # Errors
    /// [`EnvelopeError::NotOneSignature`] when it has none or several: those are several bundles.
    pub fn to_bundle(&self) -> Result<Json, EnvelopeError> {
        let [signature] = self.unverified_signatures.as_slice() else {
            let count = self.unverified_signatures.len();
            return Err(EnvelopeError::NotOneSignature(count));
        };
        let base64 = |bytes: &[u8]| Json::from(STANDARD.encode(bytes));
        let key_id = signature.key_id.as_deref();
        let mut material = Object::new();
        match (signature.certificates.first(), key_id) {
            (Some(leaf), _) => {
                material.insert("certificate", Json::from([("rawBytes", base64(leaf))]));
            }
            (None, key_id) => {
                let hint = key_id.unwrap_or_default();
                material.insert("publicKey", Json::from([("hint", Json::from(hint))]));
            }
        }
        if !self.unverified_log_entries.is_empty() {
            let entries = self.unverified_log_entries.clone();
            material.insert("tlogEntries", Json::Array(entries));
        }
        if !signature.tokens.is_empty() {
            // Of each, the bundle holds the whole answer of its authority.
            let token = |token: &Vec<u8>| {
                let answer = answer_with(token);
                Json::from([("signedTimestamp", base64(&answer))])
            };
            let tokens: Json = signature.tokens.iter().map(token).collect();
            let stamps = Json::from([("rfc3161Timestamps", tokens)]);
            material.insert("timestampVerificationData", stamps);
        }
        let mut written = Object::new();
        // Cosign skips a signature whose key id is not the one that it makes of the key itself,
        // and readers in Python ask for the member: it is there and says nothing. The hint says it.
        written.insert("keyid", Json::from(""));
        written.insert("sig", base64(&signature.bytes));
        let dsse = Json::from([
            ("payload", base64(&self.unverified_payload)),
            ("payloadType", Json::from(self.payload_type.as_str())),
            ("signatures", Json::Array(vec![Json::Object(written)])),
        ]);
        Ok(Json::from([
            ("mediaType", Json::from(MEDIA_TYPE)),
            ("verificationMaterial", Json::Object(material)),
            ("dsseEnvelope", dsse),
        ]))
    }

    /// This envelope with what the bundle around it says of its one signature.
    pub(super) fn in_bundle(mut self, bundle: &Json) -> Result<Self, EnvelopeError> {
        let media_type = bundle.get("mediaType").unwrap_or(&Json::Null);
        let known = media_type.as_str().is_some_and(|name| READ.contains(&name));
        if !known {
            return Err(EnvelopeError::MediaType(media_type.to_string()));
        }
        let count = self.unverified_signatures.len();
        let [signature] = self.unverified_signatures.as_mut_slice() else {
            return Err(EnvelopeError::NotOneSignature(count));
        };
        let empty = Json::Object(Object::new());
        let material = object(bundle, "verificationMaterial", "verificationMaterial")?;
        let material = material.unwrap_or(&empty);

        let certificate = object(material, "certificate", "certificate")?;
        let chain = object(material, "x509CertificateChain", "x509CertificateChain")?;
        let public_key = object(material, "publicKey", "publicKey")?;
        if [certificate, chain, public_key].iter().flatten().count() > 1 {
            return Err(EnvelopeError::Field {
                path: "verificationMaterial",
                needed: "one of certificate, x509CertificateChain and publicKey",
            });
        }
        if let Some(certificate) = certificate {
            let leaf = decode(certificate.get("rawBytes"), "certificate.rawBytes")?;
            signature.certificates = vec![leaf];
        }
        if let Some(chain) = chain {
            let path = "x509CertificateChain.certificates[].rawBytes";
            let certificates = array(chain, "certificates", "x509CertificateChain.certificates")?;
            let (found, most) = (certificates.len(), 1 + Limits::DEFAULT.chain_certificates);
            if found > most {
                let what = "x509CertificateChain.certificates";
                return Err(EnvelopeError::TooMany { what, found, most });
            }
            let certificates = certificates
                .iter()
                .map(|one| decode(one.get("rawBytes"), path));
            signature.certificates = certificates.collect::<Result<_, _>>()?;
        }
        let hint = public_key.and_then(|key| key.get("hint"));
        // Two hints at a key, neither of them signed: a wrong one costs nothing (attack 6).
        if let Some(hint) = text(hint, "publicKey.hint")? {
            signature.key_id = Some(hint);
        }

        self.unverified_log_entries = array(material, "tlogEntries", "tlogEntries")?.to_vec();
        let stamps = "timestampVerificationData";
        if let Some(stamps) = object(material, stamps, stamps)? {
            let path = "rfc3161Timestamps[].signedTimestamp";
            for stamp in array(stamps, "rfc3161Timestamps", "rfc3161Timestamps")? {
                let token = decode_token(stamp.get("signedTimestamp"), path)?;
                signature.tokens.push(token_of(token));
            }
        }
        Ok(self)
    }
}

/// A member that is an object, or left out.
fn object<'a>(
    value: &'a Json,
    key: &str,
    path: &'static str,
) -> Result<Option<&'a Json>, EnvelopeError> {
    let needed = "an object";
    match value.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(found @ Json::Object(_)) => Ok(Some(found)),
        Some(_) => Err(EnvelopeError::Field { path, needed }),
    }
}

/// A member that is an array within the budget, or left out, which is the same as empty.
fn array<'a>(value: &'a Json, key: &str, path: &'static str) -> Result<&'a [Json], EnvelopeError> {
    let needed = "an array";
    match value.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(items)) => within_budget(path, items).map(|()| items.as_slice()),
        Some(_) => Err(EnvelopeError::Field { path, needed }),
    }
}
