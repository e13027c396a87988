//! Private keys as they are stored: PKCS#8 encrypted with a passphrase (RFC 5958, RFC 8018).

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use pkcs8::der::Decode as _;
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::EncryptionScheme as Scheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Prf, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, SigningKey, pem_body};
use crate::limits::Limits;

/// Why an encrypted private key could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptedKeyError {
    /// Whoever can read the file has the key.
    #[error(
        "is a private key in plain text ({0:?}), needed one that is encrypted: whoever reads the file could sign"
    )]
    Plaintext(&'static str),
    /// No PEM of an encrypted private key, or not one of a key on the list.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Encrypted in another way.
    #[error(
        "is encrypted with {0}, needed PBES2 with scrypt or PBKDF2-HMAC-SHA-256, and AES-256-CBC"
    )]
    Scheme(&'static str),
    /// It asks for more memory or time than a key is worth.
    #[error("asks for {what} of {found} to open it, needed at most {most}")]
    Cost {
        /// What it asks for.
        what: &'static str,
        /// How much.
        found: u128,
        /// The budget.
        most: u128,
    },
    /// Numbers that no program writes.
    #[error("the parameters of its encryption are not valid")]
    Parameters,
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Another passphrase, or damaged bytes; the two look the same.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// The backend gave no key or no random bytes.
    #[error("the backend failed to make a key")]
    Backend,
}

/// The label of an encrypted private key in PEM.
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Labels of private keys that may not be encrypted. `openssl` writes some of them.
const PLAINTEXT: [&str; 5] = [
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
];

/// Cost of scrypt in keys that are written: 16 MiB, five times over. That is as slow as 128 MiB
/// once, and OpenSSL reads no key that needs more than 32 MiB.
const LOG_N: u8 = 14;
const BLOCK: u32 = 8;
const PARALLEL: u32 = 5;

impl SigningKey {
    /// Makes a new key; for RSA, of 3072 bits. The backend draws its own randomness.
    ///
    /// # Errors
    /// [`EncryptedKeyError::Backend`] when it fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, EncryptedKeyError> {
        let failed = |_| EncryptedKeyError::Backend;
        let ecdsa = |curve| {
            let pair = EcdsaKeyPair::generate(curve).map_err(failed)?;
            let der = pair.to_pkcs8v1().map_err(failed)?;
            Ok::<_, EncryptedKeyError>(Self::from_pkcs8_der(der.as_ref())?)
        };
        let key = match algorithm {
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                let der = pair.to_pkcs8v1().map_err(failed)?;
                Self::from_pkcs8_der(der.as_ref())?
            }
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Self::from_pkcs8_der(der.as_ref())?
            }
        };
        Ok(key.with_algorithm(algorithm)?)
    }

    /// Reads one `ENCRYPTED PRIVATE KEY` in PEM. What it may cost is bounded by
    /// [`Limits::DEFAULT`] before any work is done.
    ///
    /// # Errors
    /// [`EncryptedKeyError`] when it is none, not encrypted, encrypted in another way or at
    /// another cost, when the passphrase does not open it, or when what is in it is no key to
    /// sign with (see [`SigningKey::from_pkcs8_der`]).
    pub fn from_encrypted_pem(pem: &[u8], passphrase: &[u8]) -> Result<Self, EncryptedKeyError> {
        let body = encrypted_body(pem)?;
        let info = read_info(&body)?;
        let parameters = affordable(&info)?;
        if passphrase.is_empty() {
            return Err(EncryptedKeyError::EmptyPassphrase);
        }
        let mut buffer = Zeroizing::new(info.encrypted_data.to_vec());
        let opened = parameters.decrypt_in_place(passphrase, &mut buffer);
        let der = opened.map_err(|_| EncryptedKeyError::Passphrase)?;
        // Bad padding and bad DER are told alike: the passphrase is wrong, or bytes are damaged.
        PrivateKeyInfo::from_der(der).map_err(|_| EncryptedKeyError::Passphrase)?;
        Ok(Self::from_pkcs8_der(der)?)
    }

    /// Writes the key as one `ENCRYPTED PRIVATE KEY` in PEM: PBES2 with scrypt and AES-256-CBC,
    /// which OpenSSL reads. Salt and initialization vector are new each time.
    ///
    /// # Errors
    /// [`EncryptedKeyError::EmptyPassphrase`], and [`EncryptedKeyError::Backend`] when it fails.
    pub fn to_encrypted_pem(&self, passphrase: &[u8]) -> Result<String, EncryptedKeyError> {
        if passphrase.is_empty() {
            return Err(EncryptedKeyError::EmptyPassphrase);
        }
        let failed = |_| EncryptedKeyError::Backend;
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        rand::fill(&mut salt).map_err(failed)?;
        rand::fill(&mut iv).map_err(failed)?;
        let kdf = Kdf::Scrypt(ScryptParams {
            salt: &salt,
            cost_parameter: 1 << LOG_N,
            block_size: BLOCK as u16,
            parallelization: PARALLEL as u16,
            key_length: None,
        });
        let encryption = EncryptionScheme::Aes256Cbc { iv: &iv };
        let parameters = Parameters { kdf, encryption };
        let failed = |_| EncryptedKeyError::Backend;
        let encrypted = self
            .with_pkcs8_der(|der| parameters.encrypt(passphrase, der))
            .ok_or(EncryptedKeyError::Backend)?
            .map_err(failed)?;
        let info = EncryptedPrivateKeyInfo {
            encryption_algorithm: parameters.into(),
            encrypted_data: &encrypted,
        };
        let document = SecretDocument::try_from(info).map_err(|_| EncryptedKeyError::Backend)?;
        let pem = document.to_pem(LABEL, LineEnding::LF);
        pem.map(|pem| pem.to_string())
            .map_err(|_| EncryptedKeyError::Backend)
    }
}

/// Checks that bytes are one encrypted private key that would be opened with the right
/// passphrase: its form, and what it costs. Opens nothing.
///
/// # Errors
/// As [`SigningKey::from_encrypted_pem`], before a passphrase is needed.
pub fn check_encrypted_pem(pem: &[u8]) -> Result<(), EncryptedKeyError> {
    let body = encrypted_body(pem)?;
    affordable(&read_info(&body)?).map(|_| ())
}

fn encrypted_body(pem: &[u8]) -> Result<SecretDocument, EncryptedKeyError> {
    let text = std::str::from_utf8(pem).unwrap_or_default();
    // Parameters of a curve may come first, so labels are looked for anywhere.
    let plain = PLAINTEXT
        .into_iter()
        .find(|label| text.contains(&format!("-----BEGIN {label}-----")));
    match plain {
        Some(_) if text.contains("Proc-Type: 4,ENCRYPTED") => {
            Err(EncryptedKeyError::Scheme("OpenSSL's old form for PEM"))
        }
        Some(label) => Err(EncryptedKeyError::Plaintext(label)),
        None => Ok(pem_body(pem, LABEL)?),
    }
}

fn read_info(body: &SecretDocument) -> Result<EncryptedPrivateKeyInfo<'_>, EncryptedKeyError> {
    use pkcs8::der::ErrorKind;
    EncryptedPrivateKeyInfo::from_der(body.as_bytes()).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { .. } => EncryptedKeyError::Scheme("a scheme that is not known"),
        _ => EncryptedKeyError::Key(KeyError::Der {
            needed: "encrypted PKCS#8",
        }),
    })
}

/// The parameters of the encryption, if it is one of ours and within the budget.
fn affordable<'a>(
    info: &'a EncryptedPrivateKeyInfo<'a>,
) -> Result<&'a Parameters<'a>, EncryptedKeyError> {
    let Scheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(EncryptedKeyError::Scheme("PBES1"));
    };
    if !matches!(parameters.encryption, EncryptionScheme::Aes256Cbc { .. }) {
        return Err(EncryptedKeyError::Scheme("another cipher"));
    }
    let limits = Limits::DEFAULT;
    match &parameters.kdf {
        Kdf::Scrypt(scrypt) => {
            let n = scrypt.cost_parameter;
            let block = u128::from(scrypt.block_size);
            let parallel = u128::from(scrypt.parallelization);
            // The backend counts the bits of N, and panics on none.
            if n < 2 || !n.is_power_of_two() || block == 0 || parallel == 0 {
                return Err(EncryptedKeyError::Parameters);
            }
            let bytes = 128 * block * (u128::from(n) + parallel);
            within("bytes of memory", bytes, limits.scrypt_bytes)?;
            within(
                "scrypt work",
                u128::from(n) * block * parallel,
                limits.scrypt_work,
            )?;
        }
        Kdf::Pbkdf2(pbkdf2) => {
            if pbkdf2.prf != Pbkdf2Prf::HmacWithSha256 {
                return Err(EncryptedKeyError::Scheme("PBKDF2 with another hash"));
            }
            if pbkdf2.iteration_count == 0 {
                return Err(EncryptedKeyError::Parameters);
            }
            within(
                "PBKDF2 rounds",
                u128::from(pbkdf2.iteration_count),
                limits.pbkdf2_rounds,
            )?;
        }
        _ => return Err(EncryptedKeyError::Scheme("another key derivation")),
    }
    Ok(parameters)
}

fn within(what: &'static str, found: u128, most: u64) -> Result<(), EncryptedKeyError> {
    let most = u128::from(most);
    match found > most {
        true => Err(EncryptedKeyError::Cost { what, found, most }),
        false => Ok(()),
    }
}
