//! DSSE envelopes and Sigstore bundles, as far as finding the payload goes.
//!
//! Does not check any signature: a payload taken from here is as good as an unsigned one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::json::Json;

/// The payload type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope that was read. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The payload, exactly as signed.
    pub payload: Vec<u8>,
    /// How many signatures it carries.
    pub signatures: usize,
}

/// Why a document is no envelope of a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A Sigstore bundle over plain bytes.
    #[error("a `sign-blob` bundle (messageSignature) is not DSSE: it signs bytes, not a statement")]
    MessageSignature,
    /// It is a statement as well: two readers would read two documents.
    #[error("is both an envelope and a statement, or two envelopes")]
    Ambiguous,
    /// The payload is something else.
    #[error("payloadType is {0}, needed {PAYLOAD_TYPE:?}")]
    PayloadType(String),
    /// The payload is not padded base64 in one alphabet.
    #[error("payload is not padded base64 of one alphabet")]
    Base64,
    /// There is no array of signatures.
    #[error("signatures is not an array of objects that have a sig")]
    Signatures,
}

impl Envelope {
    /// Finds the envelope in `value`: a bare DSSE envelope, or a Sigstore bundle around one.
    ///
    /// Returns `None` when `value` is neither.
    ///
    /// # Errors
    /// [`EnvelopeError`] when it is one that cannot hold a statement.
    pub fn find(value: &Json) -> Option<Result<Self, EnvelopeError>> {
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
                (Some(envelope), false) => Self::from_json(envelope),
                (None, false) => Self::from_json(value),
            }),
            _ => Some(Err(EnvelopeError::Ambiguous)),
        }
    }

    fn from_json(value: &Json) -> Result<Self, EnvelopeError> {
        let payload_type = value.get("payloadType").unwrap_or(&Json::Null);
        if payload_type.as_str() != Some(PAYLOAD_TYPE) {
            return Err(EnvelopeError::PayloadType(payload_type.to_string()));
        }
        let payload = value.get("payload").and_then(Json::as_str);
        let payload = payload
            .and_then(|text| {
                STANDARD
                    .decode(text)
                    .or_else(|_| URL_SAFE.decode(text))
                    .ok()
            })
            .ok_or(EnvelopeError::Base64)?;
        let signatures = value.get("signatures").and_then(Json::as_array);
        let has_sig = |signature: &Json| signature.get("sig").is_some_and(|s| s.as_str().is_some());
        let signatures = signatures
            .filter(|signatures| signatures.iter().all(has_sig))
            .ok_or(EnvelopeError::Signatures)?;
        Ok(Self {
            payload,
            signatures: signatures.len(),
        })
    }
}
