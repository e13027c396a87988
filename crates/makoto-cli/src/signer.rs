//! What a statement is signed with, as it is typed.

use std::path::Path;

use clap::Args;
use makoto::key::{EncryptedKeyError, SigningKey, check_encrypted_pem, holds_private_key};
use makoto::limits::Limits;
use makoto_data::read_limited;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::passphrase::PassphraseArgs;
use crate::screen::Plain;
use crate::secret_file;

/// The signer, and how to open its key.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SignerArgs {
    /// Key to sign with: file: and the path of an encrypted private key
    #[arg(long, value_name = "file:KEY")]
    signer: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl SignerArgs {
    /// The reference that was typed.
    pub(crate) fn typed(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// How a passphrase is given, though perhaps for nothing.
    pub(crate) fn passphrase(&self) -> &PassphraseArgs {
        &self.passphrase
    }

    /// Opens the key that a reference names, with the passphrase that is given.
    pub(crate) fn open(&self, reference: &str) -> Result<SigningKey, Failure> {
        open_reference(reference, &self.passphrase)
    }
}

/// Opens the key that a reference names, from the command line or `makoto.toml`.
fn open_reference(reference: &str, passphrase: &PassphraseArgs) -> Result<SigningKey, Failure> {
    // The text may be a key: it is not shown.
    if holds_private_key(reference) || reference.contains("PRIVATE KEY") {
        return Err(key_itself("the signer"));
    }
    match reference.split_once(':') {
        Some(("file", path)) if !path.is_empty() => open_file(Path::new(path), passphrase),
        Some(("env", _)) => Err(Failure::usage(format!(
            "signer {:?} is refused: every program that is started sees the environment",
            Plain(reference).to_string()
        ))
        .hint("makoto key generate --out K, then --signer file:K")),
        Some((scheme, _)) if is_scheme(scheme) => Err(Failure::usage(format!(
            "signer scheme {scheme:?} is not known: this version reads file: keys only"
        ))
        .hint("--signer file:K")),
        _ => Err(Failure::usage(
            "the signer is not file: and the path of a key; it is not shown, as it may be a secret",
        )
        .hint("--signer file:K")),
    }
}

/// Whether this can be a scheme that somebody meant, and no part of a secret.
fn is_scheme(text: &str) -> bool {
    let is_word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (1..=12).contains(&text.len()) && is_word(text) && text != "file"
}

/// Opens an encrypted private key. The passphrase is asked for only once the file is good.
pub(crate) fn open_file(path: &Path, passphrase: &PassphraseArgs) -> Result<SigningKey, Failure> {
    let shown = path.to_string_lossy();
    let shown = Plain(&shown).to_string();
    refuse_keys_in_environment()?;
    refuse_public(path, &shown)?;
    let pem = secret_file::read(path, "key", Limits::DEFAULT.key_bytes)?;
    let refuse = |error: EncryptedKeyError| {
        let failure = Failure::usage(format!("key {shown} {}", told(&error)));
        match error {
            EncryptedKeyError::Plaintext(_) | EncryptedKeyError::Scheme(_) => {
                failure.hint(format!(
                    "encrypt it with `umask 077; openssl pkcs8 -topk8 -v2 aes256 -scrypt -in {shown} -out NEW`"
                ))
            }
            EncryptedKeyError::Passphrase => {
                failure.hint("check the passphrase; a damaged file looks the same")
            }
            _ => failure.hint("make one with `makoto key generate`"),
        }
    };
    check_encrypted_pem(&pem).map_err(refuse)?;
    let passphrase = passphrase.read(&shown)?;
    SigningKey::from_encrypted_pem(&pem, &passphrase).map_err(refuse)
}

/// Refuses the public half of a key, which everybody may read, before its mode is asked about.
fn refuse_public(path: &Path, shown: &str) -> Result<(), Failure> {
    let bytes = read_limited(path, Limits::DEFAULT.key_bytes);
    let Ok(Some(bytes)) = bytes else {
        return Ok(());
    };
    // What else the file holds may be a secret, and is not kept.
    let bytes = Zeroizing::new(bytes);
    let is_public = bytes
        .trim_ascii_start()
        .starts_with(b"-----BEGIN PUBLIC KEY-----");
    if !is_public {
        return Ok(());
    }
    let failure = Failure::usage(format!(
        "key {shown} is a public key, and only the private key signs"
    ));
    Err(match shown.strip_suffix(".pub") {
        Some(private) => failure.hint(format!("the private key of it is probably {private}")),
        None => failure.hint("name the file that `makoto key generate --out` wrote"),
    })
}

fn told(error: &EncryptedKeyError) -> String {
    match error {
        EncryptedKeyError::Passphrase => "is not opened by the passphrase".to_owned(),
        error => error.to_string(),
    }
}

/// Refuses a private key on the command line, wherever it stands. Nothing of it is shown.
///
/// What stands after `--` is the command line of another program, and for that to judge.
pub(crate) fn refuse_keys_in_arguments() -> Result<(), Failure> {
    let arguments = std::env::args_os().take_while(|argument| argument != "--");
    let mut texts = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let is_key = |text: String| {
        let value = text.split_once('=').map(|(_, value)| value);
        holds_private_key(&text) || value.is_some_and(holds_private_key)
    };
    match texts.any(is_key) {
        true => Err(key_itself("an argument")),
        false => Ok(()),
    }
}

fn key_itself(what: &str) -> Failure {
    Failure::usage(format!(
        "{what} is a private key itself, needed file: and a path: others can read command lines and settings"
    ))
    .hint("makoto key generate --out K, then --signer file:K")
}

/// Refuses to sign while a private key is in the environment, where every step that is run can
/// read it (L2.PL.1).
fn refuse_keys_in_environment() -> Result<(), Failure> {
    let holds_key = |value: &std::ffi::OsStr| holds_private_key(&value.to_string_lossy());
    match std::env::vars_os().find(|(_, value)| holds_key(value)) {
        Some((name, _)) => Err(Failure::usage(format!(
            "a private key is in the environment variable {:?}: every program that is started could read it",
            Plain(&name.to_string_lossy()).to_string()
        ))
        .hint("keep it in an encrypted file and unset the variable")),
        None => Ok(()),
    }
}
