//! Asking an authority for a timestamp, and what it answered.

use der::asn1::{Int, OctetString};
use der::{Decode as _, Encode as _, Length, Tag, Tagged as _};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::asn1::{self, MessageImprint, TimeStampReq, TimeStampResp, TstInfo};
use super::{Timestamp, TimestampError, Untrusted};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::trusted_root::TrustedRoot;

/// A question to a timestamp authority: at what time does this signature exist?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    signature: &'a [u8],
    nonce: u64,
}

/// An answer that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The token (a CMS `ContentInfo` in DER), to be kept with the signature.
    pub token: Vec<u8>,
    /// What it says, verified.
    pub timestamp: Timestamp,
}

/// Why an answer is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// A budget.
    #[error("answer has {0} bytes, at most {max} are read", max = Limits::DEFAULT.timestamp_bytes)]
    TooLarge(usize),
    /// It is cut short, is followed by other bytes, or is something else.
    #[error("answer is not a TimeStampResp in DER")]
    Malformed(#[source] der::Error),
    /// The authority gave none.
    #[error("authority refused with status {status}: {text:?}{}", bits(.failure))]
    Refused {
        /// Its PKIStatus: 2 is a rejection.
        status: u8,
        /// What it says, for people.
        text: String,
        /// The numbers of the failures it states (RFC 3161 §2.4.2).
        failure: Vec<usize>,
    },
    /// It says that it gave a token, and did not.
    #[error("authority answered that it gave a timestamp, but there is none")]
    NoToken,
    /// The answer is to another question: an old one sent again, for one.
    #[error("answer has nonce {found}, needed {needed}")]
    Nonce {
        /// Nonce of the token.
        found: String,
        /// Nonce of the request.
        needed: String,
    },
    /// The token does not hold.
    #[error(transparent)]
    Token(#[from] TimestampError),
}

/// PKIStatusInfo { status granted(0) }
const GRANTED: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x00];

/// The token in an answer that was granted; other bytes as they are. Does not verify anything.
///
/// A Sigstore bundle holds whole answers (`TimeStampResp`), other formats the token alone.
pub(crate) fn token_of(bytes: Vec<u8>) -> Vec<u8> {
    // As `answer_with` writes it, whatever the token is: what was read is written as it was.
    let whole = der::asn1::AnyRef::from_der(&bytes).ok();
    let body = whole.filter(|whole| whole.tag() == Tag::Sequence);
    if let Some(token) = body.and_then(|body| body.value().strip_prefix(&GRANTED[..])) {
        return token.to_vec();
    }
    let answer = TimeStampResp::from_der(&bytes).ok();
    let answer = answer.filter(|answer| answer.status.status <= 1);
    let token = answer.and_then(|answer| answer.time_stamp_token);
    token.and_then(|token| token.to_der().ok()).unwrap_or(bytes)
}

/// The answer that granted a token, as a Sigstore bundle holds it.
pub(crate) fn answer_with(token: &[u8]) -> Vec<u8> {
    let body = [&GRANTED, token].concat();
    let length = Length::try_from(body.len()).and_then(|length| length.to_der());
    [
        &[u8::from(Tag::Sequence)],
        &length.unwrap_or_default()[..],
        &body,
    ]
    .concat()
}

impl<'a> Request<'a> {
    /// Asks about the bytes of `signature`. `nonce` is chosen at random by the caller, for each
    /// request anew.
    pub fn new(signature: &'a [u8], nonce: u64) -> Self {
        Self { signature, nonce }
    }

    /// The request as it is sent, with the media type `application/timestamp-query`.
    ///
    /// It asks for the certificates, so that the token can be verified by itself later.
    ///
    /// # Errors
    /// Never for any signature and nonce; the encoder has an error.
    pub fn to_der(&self) -> Result<Vec<u8>, der::Error> {
        let request = TimeStampReq {
            version: 1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: asn1::SHA256,
                    parameters: Some(der::Any::null()),
                },
                hashed_message: OctetString::new(Digest::of(self.signature).as_bytes().as_slice())?,
            },
            req_policy: None,
            nonce: Some(Int::new(&self.nonce_bytes())?),
            cert_req: true,
        };
        request.to_der()
    }

    /// Checks the answer: its status, its nonce, and all of its token with `root`.
    ///
    /// # Errors
    /// [`ResponseError`]; nothing of a refused answer is to be kept.
    pub fn accept(&self, response: &[u8], root: &TrustedRoot) -> Result<Accepted, ResponseError> {
        let token = token(response)?;
        let (timestamp, info) = Timestamp::with_info(&token, self.signature, root)?;
        self.check_nonce(&info)?;
        Ok(Accepted { token, timestamp })
    }

    /// As [`Request::accept`], without knowing which authorities are trusted: anyone can have
    /// made the token. It is over these bytes, answers this request, and holds for the
    /// certificate in it, see [`Untrusted::of`].
    ///
    /// # Errors
    /// [`ResponseError`]; nothing of a refused answer is to be kept.
    pub fn accept_without_root_insecure(
        &self,
        response: &[u8],
    ) -> Result<(Vec<u8>, Untrusted), ResponseError> {
        let token = token(response)?;
        let (untrusted, info) = Untrusted::with_info(&token, self.signature)?;
        self.check_nonce(&info)?;
        Ok((token, untrusted))
    }

    fn check_nonce(&self, info: &TstInfo) -> Result<(), ResponseError> {
        let found = info.nonce.as_ref().map(Int::as_bytes).unwrap_or_default();
        let needed = self.nonce_bytes();
        match found == needed {
            true => Ok(()),
            false => Err(ResponseError::Nonce {
                found: super::hex(found),
                needed: super::hex(&needed),
            }),
        }
    }

    /// The nonce as the contents of a positive INTEGER.
    fn nonce_bytes(&self) -> Vec<u8> {
        let bytes = self.nonce.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = &bytes[zeros.min(bytes.len() - 1)..];
        match digits[0] {
            0x80.. => [&[0], digits].concat(),
            _ => digits.to_vec(),
        }
    }
}

/// The token of an answer that says it has one. Verifies nothing of it.
fn token(response: &[u8]) -> Result<Vec<u8>, ResponseError> {
    if response.len() > Limits::DEFAULT.timestamp_bytes {
        return Err(ResponseError::TooLarge(response.len()));
    }
    let answer = TimeStampResp::from_der(response).map_err(ResponseError::Malformed)?;
    // 0 is granted, 1 granted with changes; which these are, the checks of the token find.
    if answer.status.status > 1 {
        return Err(ResponseError::Refused {
            status: answer.status.status,
            text: answer.status.status_string.unwrap_or_default().join("; "),
            failure: failures(answer.status.fail_info.as_ref()),
        });
    }
    let token = answer.time_stamp_token.ok_or(ResponseError::NoToken)?;
    token.to_der().map_err(ResponseError::Malformed)
}

fn failures(bits: Option<&der::asn1::BitString>) -> Vec<usize> {
    let bits = bits.map(|bits| bits.bits()).into_iter().flatten();
    let set = bits.enumerate().filter(|(_, set)| *set);
    set.map(|(number, _)| number).collect()
}

fn bits(failure: &[usize]) -> String {
    let word = |number: &usize| match number {
        0 => "algorithm is not supported".to_owned(),
        2 => "request is not permitted".to_owned(),
        5 => "data has the wrong format".to_owned(),
        14 => "time source is not available".to_owned(),
        15 => "policy is not supported".to_owned(),
        16 => "extension is not supported".to_owned(),
        17 => "additional information is not available".to_owned(),
        25 => "system failure".to_owned(),
        other => format!("failure {other}"),
    };
    let words: Vec<_> = failure.iter().map(word).collect();
    match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", words.join(", ")),
    }
}
