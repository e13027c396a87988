//! DSSE envelopes and Sigstore bundles.
//!
//! Reading finds the payload and what was put around it, and believes none of it: a payload
//! taken from here is as good as an unsigned one. [`Envelope::check_signatures`] says which
//! signatures hold for which keys.

mod bundle;
mod check;
mod raw;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::json::Json;
use crate::key::{SignError, Signed, Signer, Unsigned};
use crate::limits::Limits;
use crate::timestamp::token_of;

pub(crate) use check::DIAGNOSED_KEYS;
pub use check::{SignatureError, SignedBy};
pub(crate) use raw::is_raw_signature;

/// The payload type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope that was read. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is said to be; the type that the reader asked for.
    pub payload_type: String,
    /// The payload, exactly as signed, by anyone.
    pub unverified_payload: Vec<u8>,
    /// Its signatures, in the order of the document. A bundle has exactly one.
    pub unverified_signatures: Vec<Signature>,
    /// Entries of Rekor that came in a bundle, as they were found.
    pub unverified_log_entries: Vec<Json>,
}

/// A signature that was read, with what came along to verify it. None of it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// Which key is said to have made it. Not signed, and no more than a hint.
    pub key_id: Option<String>,
    /// The signature; of ECDSA, in DER.
    pub bytes: Vec<u8>,
    /// Certificates in DER, the signer's own first. Only that one is written.
    pub certificates: Vec<Vec<u8>>,
    /// RFC 3161 time stamp tokens over `bytes`, in DER.
    pub tokens: Vec<Vec<u8>>,
}

/// Why a document is no envelope of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A Sigstore bundle over plain bytes.
    #[error("a `sign-blob` bundle (messageSignature) is not DSSE: it signs bytes, not a statement")]
    MessageSignature,
    /// A signature that lies beside what it signs.
    #[error("a raw signature is not DSSE: it does not hold the statement that it signs")]
    RawSignature,
    /// It is a statement as well: two readers would read two documents.
    #[error("is both an envelope and a statement, or two envelopes")]
    Ambiguous,
    /// The payload is something else.
    #[error("payloadType is {found}, needed {needed:?}")]
    PayloadType {
        /// What stands there, as JSON.
        found: String,
        /// What was asked for.
        needed: String,
    },
    /// A field is not padded base64 in one alphabet.
    #[error("{0} is not padded base64 of one alphabet")]
    Base64(&'static str),
    /// There is no array of signatures.
    #[error("signatures is not an array of objects that have a sig")]
    Signatures,
    /// A field is not what the format says.
    #[error("{path} is not {needed}")]
    Field {
        /// Where it stands.
        path: &'static str,
        /// What it should be.
        needed: &'static str,
    },
    /// More than a reader takes on.
    #[error("{what}: {found} of them, needed at most {most}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many.
        found: usize,
        /// The budget.
        most: usize,
    },
    /// A token that is longer than any real one.
    #[error("{what}: {found} bytes, needed at most {most}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How many bytes.
        found: usize,
        /// The budget.
        most: usize,
    },
    /// A bundle of a version that is not known.
    #[error("mediaType of the bundle is {0}, needed {written:?}", written = bundle::MEDIA_TYPE)]
    MediaType(String),
    /// A bundle is about one signature.
    #[error("a bundle has {0} signatures, needed 1")]
    NotOneSignature(usize),
}

/// The bytes that a DSSE signature is over: the pre-authentication encoding.
///
/// `DSSEv1 <bytes of type> <type> <bytes of payload> <payload>`, lengths in decimal digits.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Finds the envelope of an in-toto statement in `value`: bare DSSE, or a Sigstore bundle
    /// around it. Verifies nothing.
    ///
    /// Returns `None` when `value` is neither.
    ///
    /// # Errors
    /// [`EnvelopeError`] when it is one that cannot hold a statement.
    pub fn find(value: &Json) -> Option<Result<Self, EnvelopeError>> {
        Self::find_typed(value, PAYLOAD_TYPE)
    }

    /// As [`Envelope::find`], with a payload of another type.
    ///
    /// # Errors
    /// [`EnvelopeError`] when it is one that cannot hold such a payload.
    pub fn find_typed(value: &Json, payload_type: &str) -> Option<Result<Self, EnvelopeError>> {
        let has = |key: &str| value.get(key).is_some();
        let forms = [
            has("payload") && has("payloadType"),
            has("dsseEnvelope"),
            has("messageSignature"),
            ["_type", "predicateType", "predicate"].into_iter().any(has),
        ];
        let is_statement = forms[3];
        match forms.into_iter().filter(|form| *form).count() {
            0 => None,
            1 if is_statement => None,
            1 => Some(match (value.get("dsseEnvelope"), has("messageSignature")) {
                (_, true) => Err(EnvelopeError::MessageSignature),
                (Some(envelope), false) => Self::from_json(envelope, payload_type)
                    .and_then(|envelope| envelope.in_bundle(value)),
                (None, false) => Self::from_json(value, payload_type),
            }),
            _ => Some(Err(EnvelopeError::Ambiguous)),
        }
    }

    /// Signs `payload` and puts it into an envelope, with the id of the key as `keyid`.
    ///
    /// # Errors
    /// [`SignError`] when the signer does not sign, its key is too weak to sign with, or its
    /// signature does not hold.
    pub fn sign(
        payload_type: &str,
        payload: &[u8],
        signer: &dyn Signer,
    ) -> Result<Self, SignError> {
        let unsigned = Unsigned {
            payload_type,
            payload,
        };
        let signed = signer.sign(&unsigned)?;
        signed.public_key.check_strength_to_sign()?;
        // A signer may be far away or a faulty device: what it says is checked as any other.
        signed
            .public_key
            .verify(&unsigned.pae(), &signed.signature)
            .map_err(SignError::Faulty)?;
        Ok(Self::around(&unsigned, signed))
    }

    /// An envelope around what was signed.
    pub(crate) fn around(unsigned: &Unsigned<'_>, signed: Signed) -> Self {
        Self {
            payload_type: unsigned.payload_type.to_owned(),
            unverified_payload: unsigned.payload.to_vec(),
            unverified_signatures: vec![Signature {
                key_id: Some(signed.public_key.key_id()),
                bytes: signed.signature,
                ..Signature::default()
            }],
            unverified_log_entries: Vec::new(),
        }
    }

    /// The bytes that its signatures are over, if they are any good.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.unverified_payload)
    }

    fn from_json(value: &Json, needed: &str) -> Result<Self, EnvelopeError> {
        let payload_type = value.get("payloadType").unwrap_or(&Json::Null);
        if payload_type.as_str() != Some(needed) {
            return Err(EnvelopeError::PayloadType {
                found: payload_type.to_string(),
                needed: needed.to_owned(),
            });
        }
        let payload = decode(value.get("payload"), "payload")?;
        let signatures = value.get("signatures").and_then(Json::as_array);
        let signatures = signatures.ok_or(EnvelopeError::Signatures)?;
        within_budget("signatures", signatures)?;
        let signatures = signatures.iter().map(Signature::from_json);
        Ok(Self {
            payload_type: needed.to_owned(),
            unverified_payload: payload,
            unverified_signatures: signatures.collect::<Result<_, _>>()?,
            unverified_log_entries: Vec::new(),
        })
    }
}

impl Signature {
    fn from_json(value: &Json) -> Result<Self, EnvelopeError> {
        let sig = value.get("sig").filter(|sig| sig.as_str().is_some());
        let sig = sig.ok_or(EnvelopeError::Signatures)?;
        // The public guide puts a token here; we write it into the bundle only.
        let token = match value.get("timestamp") {
            None | Some(Json::Null) => None,
            Some(stamp) => {
                let token = decode_token(stamp.get("token"), "signatures[].timestamp.token")?;
                Some(token_of(token))
            }
        };
        Ok(Self {
            key_id: text(value.get("keyid"), "signatures[].keyid")?,
            bytes: decode(Some(sig), "signatures[].sig")?,
            certificates: Vec::new(),
            tokens: token.into_iter().collect(),
        })
    }
}

/// A text that may be left out, or be empty, which is the same.
fn text(value: Option<&Json>, path: &'static str) -> Result<Option<String>, EnvelopeError> {
    let needed = "a string";
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(EnvelopeError::Field { path, needed }),
    }
}

/// Padded base64, standard or URL-safe, in one spelling of its bytes (FORMATS §4).
fn decode(value: Option<&Json>, path: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let text = value.and_then(Json::as_str);
    let decoded = text.and_then(|text| {
        let standard = STANDARD.decode(text);
        standard.or_else(|_| URL_SAFE.decode(text)).ok()
    });
    decoded.ok_or(EnvelopeError::Base64(path))
}

/// The same of a timestamp token, which has a budget of its own.
fn decode_token(value: Option<&Json>, what: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let token = decode(value, what)?;
    let (found, most) = (token.len(), Limits::DEFAULT.timestamp_bytes);
    match found > most {
        true => Err(EnvelopeError::TooLarge { what, found, most }),
        false => Ok(token),
    }
}

fn within_budget(what: &'static str, items: &[Json]) -> Result<(), EnvelopeError> {
    let most = Limits::DEFAULT.envelope_items;
    match items.len() {
        found if found > most => Err(EnvelopeError::TooMany { what, found, most }),
        _ => Ok(()),
    }
}
