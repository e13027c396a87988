//! Telling private keys from other texts, so that none is shown or used where others can read it.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD};
use zeroize::Zeroizing;

/// Longest text that is decoded: an RSA key of 16,384 bits in hex takes less.
const LONGEST: usize = 64 * 1024;

const LENIENT: GeneralPurposeConfig = NO_PAD
    .with_decode_padding_mode(Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Whether a text is, or holds, a private key of whatever algorithm: PEM (RFC 7468) of any kind, an
/// encrypted key too, as it is or in base64; PKCS#8 (RFC 5208), SEC1 (RFC 5915) or PKCS#1 (RFC 8017)
/// in base64 or hex.
pub fn holds_private_key(text: &str) -> bool {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return true;
    }
    let compact: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    if compact.len() > LONGEST {
        return false;
    }
    let found = |bytes: Option<Vec<u8>>| {
        let bytes = Zeroizing::new(bytes.unwrap_or_default());
        let pem = b"PRIVATE KEY-----";
        is_private_der(&bytes) || bytes.windows(pem.len()).any(|part| part == pem)
    };
    let base64 = |alphabet| {
        let engine = GeneralPurpose::new(alphabet, LENIENT);
        engine.decode(compact.as_bytes()).ok()
    };
    found(base64(&STANDARD)) || found(base64(&URL_SAFE)) || found(from_hex(compact.as_bytes()))
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok()
    };
    digits.chunks(2).map(pair).collect()
}

/// Whether bytes have the form of a private key in DER, by their outermost fields.
fn is_private_der(der: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const OCTET_STRING: u8 = 0x04;
    const INTEGER: u8 = 0x02;
    let Some(body) = contents(der, SEQUENCE) else {
        return false;
    };
    let (version, next) = match body {
        [INTEGER, 1, version, next, ..] => (*version, *next),
        _ => return false,
    };
    let fields = &body[3..];
    match (version, next) {
        // PKCS#8: an algorithm, and the key in an octet string.
        (0 | 1, SEQUENCE) => {
            let algorithm = length(fields);
            let key = algorithm.and_then(|(start, size)| fields.get(start + size..));
            key.is_some_and(|key| key.first() == Some(&OCTET_STRING))
        }
        // SEC1: the scalar.
        (1, OCTET_STRING) => true,
        // PKCS#1: the modulus, and more numbers.
        (0, INTEGER) => {
            let modulus = length(fields);
            modulus.is_some_and(|(_, size)| size >= 64)
        }
        _ => false,
    }
}

/// The contents of the one value of this tag that is all of `der`.
fn contents(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (start, size) = length(der)?;
    (der.first() == Some(&tag) && der.len() == start.checked_add(size)?).then(|| &der[start..])
}

/// Where the contents of the first value start, and their bytes.
fn length(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    if first < 0x80 {
        return Some((2, first));
    }
    let count = first & 0x7f;
    let digits = der.get(2..2 + count)?;
    // No key takes four gigabytes.
    let is_short = (1..=4).contains(&count);
    is_short.then(|| {
        let size = digits
            .iter()
            .fold(0, |size, digit| size << 8 | usize::from(*digit));
        (2 + count, size)
    })
}
