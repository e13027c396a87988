use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use makoto::json::Json;
use makoto::key::{Algorithm, PublicKey, SigningKey};
use makoto::limits::Limits;
use makoto_data::NewFile;
use zeroize::Zeroizing;

use super::Output;
use super::key_set::{self, Publish, Revoke, Rotate, RotateOwner};
use super::key_set_show;
use crate::failure::Failure;
use crate::passphrase::PassphraseArgs;
use crate::screen::{self, Plain};
use crate::secret_file;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    Generate(Generate),
    Show(Show),
    Publish(Publish),
    Rotate(Rotate),
    RotateOwner(RotateOwner),
    Revoke(Revoke),
}

impl KeyCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self {
            Self::Generate(command) => command.run(output),
            Self::Show(command) => command.run(output),
            Self::Publish(command) => command.run(output),
            Self::Rotate(command) => command.run(output),
            Self::RotateOwner(command) => command.run(output),
            Self::Revoke(command) => command.run(output),
        }
    }
}

/// Make a key to sign with
///
/// Writes the private key, encrypted with the passphrase, and beside it the public key with the
/// ending .pub. Writes over nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  makoto key generate --out data-team.key")]
pub(crate) struct Generate {
    /// What the key signs with
    #[arg(long, value_enum, default_value_t = AlgorithmArg::Es256)]
    algorithm: AlgorithmArg,
    /// Where the private key goes
    #[arg(long, value_name = "KEY")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// An algorithm, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AlgorithmArg {
    /// ECDSA on P-256 with SHA-256
    Es256,
    /// ECDSA on P-384 with SHA-384
    Es384,
    /// Ed25519
    Ed25519,
    /// RSA of 3072 bits, PSS with SHA-256
    Ps256,
}

impl Generate {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let shown = self.out.to_string_lossy();
        let shown = Plain(&shown).to_string();
        let public_path = public_path(&self.out);
        // Asking for a passphrase in vain is rude; the writing below decides.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        match (is_there(&self.out), is_there(&public_path)) {
            (false, false) => {}
            (true, true) => return Err(exists(&self.out)),
            (false, true) => return Err(exists(&public_path)),
            // A run was killed in between, or somebody removed it.
            (true, false) => {
                return Err(Failure::usage(format!(
                    "{shown} is there already, and its public key is not"
                ))
                .hint(format!(
                    "if it is a key, `makoto key show {shown} > {shown}.pub` writes its public key; for another key name another file with --out"
                )));
            }
        }
        let passphrase = self.passphrase.read_new(&shown)?;
        let failed = |error| Failure::of(&error);
        let key = SigningKey::generate(self.algorithm.into()).map_err(failed)?;
        let pem = key.to_encrypted_pem(&passphrase).map_err(failed)?;
        write_new(&self.out, pem.as_bytes(), Readers::Owner)?;
        let public = key.public_key();
        let written = write_new(
            &public_path,
            public.to_spki_pem().as_bytes(),
            Readers::Umask,
        );
        if let Err(failure) = written {
            let shown_public = public_path.to_string_lossy();
            return Err(failure.hint(format!(
                "{shown} is there and good; `makoto key show {shown} > {}` writes its public key",
                Plain(&shown_public)
            )));
        }
        match output {
            Output::Json => screen::json(&facts(public)),
            Output::Text | Output::Aside => {
                screen::result(public.key_id());
                screen::note(format!("wrote {shown} and {shown}.pub"));
                screen::note(format!(
                    "next: makoto key show {shown}.pub\n      makoto attest origin DATA --source URI --collector ID --signer file:{shown}"
                ));
            }
        }
        Ok(0)
    }
}

/// Show the id, the algorithms and the public half of a key, or the keys of a key set
///
/// Reads a public key, a certificate, a private key, for which the passphrase is needed, or a key
/// set. Does not say whose a key is, nor whether it is trusted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto key show data-team.key.pub
  makoto key show keys.json --keyset-key owner.pub")]
pub(crate) struct Show {
    /// Public key, certificate, or encrypted private key, in PEM; or a key set
    #[arg(value_name = "KEY")]
    path: PathBuf,
    /// Public key of the owner, which must have signed the key set
    #[arg(long, value_name = "PUB")]
    keyset_key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Show {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let bytes = read_shown(&self.path)?;
        if key_set_show::is_key_set(&bytes) {
            let owner_key = self.keyset_key.as_deref().map(key_set::read_key);
            let owner_key = owner_key.transpose()?;
            return key_set_show::show(&self.path, &bytes, owner_key.as_ref(), output);
        }
        if self.keyset_key.is_some() {
            return Err(
                Failure::usage("--keyset-key is for a key set, and this is one key")
                    .hint("leave it out"),
            );
        }
        let public = public_of(&self.path, &bytes, &self.passphrase)?;
        match output {
            Output::Json => screen::json(&facts(&public)),
            Output::Text | Output::Aside => {
                screen::note(format!(
                    "{}  {}",
                    public.key_id(),
                    names(&public).join(", ")
                ));
                screen::document(public.to_spki_pem().as_bytes());
            }
        }
        Ok(0)
    }
}

/// The bytes of a key or a key set. A key set may be as long as any document.
fn read_shown(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.to_string_lossy();
    let shown = Plain(&shown).to_string();
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("key {shown} is not there"))
            .hint("check the path; it is taken from the folder you are in"),
        _ => Failure::usage(format!("cannot read key {shown}: {error}")),
    };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(Failure::usage(format!("key {shown} is not a regular file")));
    }
    let file = File::open(path).map_err(cannot)?;
    let mut start = [0];
    let is_key_set = file.read_at(&mut start, 0).is_ok() && key_set_show::is_key_set(&start);
    let most = match is_key_set {
        true => Limits::DEFAULT.document_bytes,
        false => Limits::DEFAULT.key_bytes,
    };
    secret_file::read_bounded(file, &format!("key {shown}"), most)
}

/// The public key in a file of any of the three kinds.
fn public_of(path: &Path, bytes: &[u8], passphrase: &PassphraseArgs) -> Result<PublicKey, Failure> {
    let shown = path.to_string_lossy();
    let shown = Plain(&shown).to_string();
    let text = String::from_utf8_lossy(bytes);
    if text.contains("PRIVATE KEY-----") {
        let key = crate::signer::open_file(path, passphrase)?;
        return Ok(key.public_key().clone());
    }
    let refuse = |error: &dyn std::fmt::Display| Failure::usage(format!("key {shown} {error}"));
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return PublicKey::from_certificate_pem(bytes).map_err(|error| refuse(&error));
    }
    PublicKey::from_spki_pem(bytes).map_err(|error| refuse(&error))
}

fn names(public: &PublicKey) -> Vec<&'static str> {
    public.algorithms().iter().map(|one| one.name()).collect()
}

fn facts(public: &PublicKey) -> Json {
    [
        ("id", public.key_id().as_str().into()),
        (
            "algorithms",
            names(public).into_iter().map(Json::from).collect(),
        ),
        ("publicKey", public.to_spki_pem().as_str().into()),
    ]
    .into()
}

/// Who may read a new file.
enum Readers {
    Owner,
    Umask,
}

/// Writes a file that was not there. It has its name only when it is whole and on disk.
fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    let write = || {
        let mut file = NewFile::at(path)?;
        file.file().write_all(bytes)?;
        match readers {
            Readers::Owner => file.keep_new_for_owner(),
            Readers::Umask => file.keep_new_by_umask(),
        }
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => {
            let shown = path.to_string_lossy();
            Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
        }
    })
}

fn exists(path: &Path) -> Failure {
    let shown = path.to_string_lossy();
    Failure::usage(format!("{} is there already", Plain(&shown)))
        .hint("name another file with --out; a key that is lost cannot be made again")
}

/// Where the public half of a key goes.
fn public_path(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

impl From<AlgorithmArg> for Algorithm {
    fn from(algorithm: AlgorithmArg) -> Self {
        match algorithm {
            AlgorithmArg::Es256 => Self::Es256,
            AlgorithmArg::Es384 => Self::Es384,
            AlgorithmArg::Ed25519 => Self::Ed25519,
            AlgorithmArg::Ps256 => Self::Ps256,
        }
    }
}
