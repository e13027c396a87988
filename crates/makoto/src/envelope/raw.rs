//! Recognising signatures that lie beside what they sign, so that they are refused by name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode as _, Reader as _, SliceReader};

/// Bytes of signatures that have no form of their own: Ed25519 and r ‖ s, then RSA.
const LENGTHS: [usize; 6] = [64, 96, 256, 384, 512, 1024];

/// Longer than any signature in base64 or PEM.
const LONGEST: usize = 4096;

/// Whether bytes that are not JSON look like a signature, as `openssl dgst` and others write it.
pub(crate) fn is_raw_signature(bytes: &[u8]) -> bool {
    if bytes.len() > LONGEST {
        return false;
    }
    let is_signature = |bytes: &[u8]| LENGTHS.contains(&bytes.len()) || is_ecdsa(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with("-----BEGIN ") => {
            let label = text.lines().next().unwrap_or_default();
            label.contains("SIGNATURE") || label.contains("PKCS7") || label.contains("CMS")
        }
        Ok(text) => {
            let lines: String = text.lines().map(str::trim_end).collect();
            STANDARD
                .decode(lines)
                .is_ok_and(|bytes| is_signature(&bytes))
                || is_ecdsa(bytes)
        }
        // Of a signature, half of the bytes are no ASCII; of a document with a bad byte, few.
        Err(_) => {
            let high = bytes.iter().filter(|byte| !byte.is_ascii()).count();
            is_ecdsa(bytes) || high * 4 >= bytes.len() && is_signature(bytes)
        }
    }
}

/// Whether it is `SEQUENCE { r INTEGER, s INTEGER }` and nothing else.
fn is_ecdsa(bytes: &[u8]) -> bool {
    let read = || {
        let mut reader = SliceReader::new(bytes)?;
        reader.sequence(|reader| {
            UintRef::decode(reader)?;
            UintRef::decode(reader)
        })?;
        reader.finish(())
    };
    let read: Result<(), pkcs8::der::Error> = read();
    read.is_ok()
}
