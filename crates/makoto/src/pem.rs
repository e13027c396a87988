//! Files of several PEM blocks (RFC 7468): chains of certificates, lists of public keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::{Certificate, CertificateError};
use crate::key::{KeyError, PublicKey};
use crate::limits::Limits;

/// Why a file of PEM blocks cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A budget.
    #[error("has more than {0} bytes")]
    TooLarge(usize),
    /// No text, or a block that is not closed, or has another end or body.
    #[error("is not PEM: line {0} is not what a block has there")]
    Malformed(usize),
    /// A private key was given where a public thing is wanted. Its bytes are not looked at.
    #[error("holds a private key (line {0}), needed public things only")]
    PrivateKey(usize),
    /// A block of another kind.
    #[error("has a block of {found:?} (line {line}), needed {needed:?}")]
    Label {
        /// Its line.
        line: usize,
        /// Its label.
        found: String,
        /// The label.
        needed: &'static str,
    },
    /// No block at all.
    #[error("has no block of {0:?}")]
    Empty(&'static str),
    /// A certificate that cannot be read.
    #[error("certificate on line {line} {source}")]
    Certificate {
        /// Its line.
        line: usize,
        /// Why.
        source: CertificateError,
    },
    /// A key that cannot be used.
    #[error("key on line {line} {source}")]
    Key {
        /// Its line.
        line: usize,
        /// Why.
        source: KeyError,
    },
    /// A key that is there already.
    #[error("key on line {0} is there a second time")]
    Repeated(usize),
}

/// Reads `CERTIFICATE` blocks, in the order of the file. Text between blocks is passed over.
///
/// # Errors
/// [`PemError`]; also when there is none.
pub fn certificates(pem: &[u8], limits: &Limits) -> Result<Vec<Certificate>, PemError> {
    let blocks = blocks(pem, "CERTIFICATE", limits)?;
    let read = |(line, der): (usize, Vec<u8>)| {
        Certificate::from_der(&der).map_err(|source| PemError::Certificate { line, source })
    };
    blocks.into_iter().map(read).collect()
}

/// Reads `PUBLIC KEY` blocks, in the order of the file. Text between blocks is passed over.
///
/// # Errors
/// [`PemError`]; also when there is none, or one twice.
pub fn public_keys(pem: &[u8], limits: &Limits) -> Result<Vec<PublicKey>, PemError> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for (line, der) in blocks(pem, "PUBLIC KEY", limits)? {
        let key = PublicKey::from_spki_der(&der);
        let key = key.map_err(|source| PemError::Key { line, source })?;
        if keys.iter().any(|one| one.id() == key.id()) {
            return Err(PemError::Repeated(line));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The bodies of the blocks, each with the line on which it starts.
fn blocks(
    pem: &[u8],
    needed: &'static str,
    limits: &Limits,
) -> Result<Vec<(usize, Vec<u8>)>, PemError> {
    if pem.len() > limits.pem_bytes {
        return Err(PemError::TooLarge(limits.pem_bytes));
    }
    let text = std::str::from_utf8(pem).map_err(|_| PemError::Malformed(1))?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end).zip(1..);
    while let Some((line, start)) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ") else {
            continue;
        };
        let label = label.strip_suffix("-----");
        let label = label.ok_or(PemError::Malformed(start))?;
        if label.contains("PRIVATE KEY") {
            return Err(PemError::PrivateKey(start));
        }
        if label != needed {
            return Err(PemError::Label {
                line: start,
                found: label.chars().take(80).collect(),
                needed,
            });
        }
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some((line, _)) if line == end => break,
                Some((line, at)) if line.starts_with('-') => return Err(PemError::Malformed(at)),
                Some((line, _)) => body.push_str(line),
                None => return Err(PemError::Malformed(start)),
            }
        }
        let body = STANDARD.decode(body);
        blocks.push((start, body.map_err(|_| PemError::Malformed(start + 1))?));
    }
    match blocks.is_empty() {
        true => Err(PemError::Empty(needed)),
        false => Ok(blocks),
    }
}

/// One block, in lines of 64 characters.
pub fn to_pem(label: &str, der: &[u8]) -> String {
    const WIDTH: usize = 64;
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
