//! Signing statements as they are written: the key, the certificate that speaks for it, and
//! timestamp authorities.

use std::path::PathBuf;

use clap::Args;
use makoto::attestation::Attestation;
use makoto::certificate::Certificate;
use makoto::datetime::DateTime;
use makoto::envelope::{Envelope, PAYLOAD_TYPE};
use makoto::json::Json;
use makoto::key::{PublicKey, SigningKey};
use makoto::limits::Limits;
use makoto::report::{Level, Outcome};
use makoto::statement::Statement;
use makoto::trusted_root::TrustedRoot;
use makoto::{identity, pem};
use makoto_client::{Tsa, TsaError};

use crate::command::LevelArg;
use crate::defaults::Defaults;
use crate::failure::Failure;
use crate::screen;
use crate::signer::SignerArgs;
use crate::trust;

/// How a statement is signed, if it is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct SealArgs {
    #[command(flatten)]
    pub(crate) signer: SignerArgs,

    #[command(flatten)]
    pub(crate) stamps: StampArgs,

    /// Certificate of the signing key, with those above it (PEM); its names must cover the
    /// collector.id or executor.id of the statement
    #[arg(long, value_name = "CHAIN.pem")]
    certificate: Option<PathBuf>,

    /// Write nothing that could not be verified at this level
    #[arg(long = "level", value_enum, value_name = "LEVEL")]
    level: Option<LevelArg>,
}

/// Which timestamp authorities are asked.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StampArgs {
    /// Timestamp authority (RFC 3161) to ask for the time of the signature (repeatable)
    #[arg(long = "tsa", value_name = "URL")]
    tsas: Vec<String>,

    /// Trusted root by which answers of the authorities, and the certificate, are checked
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
}

/// Whoever signs, ready to do so.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: SigningKey,
    certificate: Option<Certificate>,
    stamper: Stamper,
}

/// Whoever asks for timestamps.
#[derive(Debug)]
pub(crate) struct Stamper {
    authorities: Vec<Tsa>,
    root: Option<TrustedRoot>,
}

impl SealArgs {
    /// Opens the key and reads what goes with it; `None` when nothing is to be signed. Nothing is
    /// sent yet.
    pub(crate) fn open(
        &self,
        defaults: Option<&Defaults>,
        now: &DateTime,
    ) -> Result<Option<Sealer>, Failure> {
        let level = self.level.map_or(Level::L1, Level::from);
        if level > Level::L2 {
            return Err(Failure::usage(format!(
                "{level} is given by a platform, and not by signing"
            ))
            .hint("the highest level that a producer reaches alone is L2"));
        }
        let typed = self.signer.typed().map(str::to_owned);
        let Some(signer) = typed.or_else(|| defaults?.signer()) else {
            if level > Level::L1 || !self.stamps.tsas.is_empty() || self.certificate.is_some() {
                return Err(Failure::usage(
                    "a timestamp and L2 need a signature, and there is no --signer",
                )
                .hint("name a key with --signer file:KEY; `makoto key generate` makes one"));
            }
            return Ok(None);
        };
        let key = self.signer.open(&signer)?;
        let mut stamps = self.stamps.clone();
        if stamps.tsas.is_empty() {
            let tsa = defaults.and_then(|defaults| defaults.value("tsa", None));
            stamps.tsas.extend(tsa.map(|value| value.text));
        }
        if level > Level::L1 && stamps.tsas.is_empty() {
            return Err(Failure::usage(
                "L2 needs a trusted time of the signature, and there is no --tsa",
            )
            .hint("name a timestamp authority with --tsa URL"));
        }
        let stamper = stamps.open()?;
        let certificate = self.certificate(&key, stamper.root.as_ref(), now)?;
        if certificate.is_none() {
            screen::note(format!(
                "note: signed with the bare key {}; a policy must say whose it is",
                key.public_key().key_id()
            ));
        }
        Ok(Some(Sealer {
            key,
            certificate,
            stamper,
        }))
    }

    /// The leaf of the chain, after looking whether it speaks for the key now.
    fn certificate(
        &self,
        key: &SigningKey,
        root: Option<&TrustedRoot>,
        now: &DateTime,
    ) -> Result<Option<Certificate>, Failure> {
        let Some(path) = &self.certificate else {
            return Ok(None);
        };
        let shown = trust::shown(path);
        let bytes = trust::read(path, Limits::DEFAULT.pem_bytes)?;
        let chain = pem::certificates(&bytes, &Limits::DEFAULT);
        let mut chain = chain.map_err(|error| Failure::of(&error).about(&shown))?;
        if chain.is_empty() {
            return Err(Failure::usage(format!("{shown} has no certificate")));
        }
        let leaf = chain.remove(0);
        let of_key = PublicKey::from_spki_der(&leaf.spki())
            .map_err(|error| Failure::of(&error).about(&shown))?;
        if of_key != *key.public_key() {
            return Err(Failure::usage(format!(
                "the first certificate of {shown} is for key {}, and the signer is {}",
                of_key.key_id(),
                key.public_key().key_id()
            ))
            .hint("give the certificate of this key first, and those above it after it"));
        }
        if now < leaf.not_before() || leaf.not_after() < now {
            return Err(Failure::usage(format!(
                "the certificate of {shown} is valid from {} to {}, and now is {now}",
                leaf.not_before(),
                leaf.not_after()
            ))
            .hint("get a certificate that is valid now"));
        }
        if let Some(root) = root {
            let along: Vec<_> = chain.iter().map(Certificate::der).collect();
            identity::Identity::verify(leaf.der(), &along, root, now)
                .map_err(|error| Failure::of(&error).about(&shown))?;
        }
        Ok(Some(leaf))
    }

    /// The level that the statement must be able to reach.
    pub(crate) fn level(&self) -> Level {
        self.level.map_or(Level::L1, Level::from)
    }
}

impl StampArgs {
    /// Reads the trusted root and makes ready to ask.
    pub(crate) fn open(&self) -> Result<Stamper, Failure> {
        let authorities = self.tsas.iter().map(|url| Tsa::at(url));
        let authorities = authorities
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_time)?;
        let root = self.trusted_root.as_ref().map(|path| {
            let bytes = trust::read(path, Limits::DEFAULT.document_bytes)?;
            let shown = trust::shown(path);
            TrustedRoot::from_json(&bytes).map_err(|error| Failure::of(&error).about(&shown))
        });
        let root = root.transpose()?;
        if !authorities.is_empty() && root.is_none() {
            screen::note(
                "note: no trusted root was given, so nobody looked whose timestamp authority it is (--trusted-root)",
            );
        }
        Ok(Stamper { authorities, root })
    }
}

impl Stamper {
    /// Whether nobody is to be asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// A token over `signature` from each authority. All, or an error: what was asked for is not
    /// left out.
    pub(crate) fn tokens(&self, signature: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let each = self.authorities.iter();
        each.map(|authority| {
            authority
                .timestamp(signature, self.root.as_ref())
                .map_err(no_time)
        })
        .collect()
    }
}

fn no_time(error: TsaError) -> Failure {
    Failure::of(&error).hint("nothing was written; try again, or name another authority with --tsa")
}

impl Sealer {
    /// Looks whether the signer may sign this statement: its certificate covers the id of who did
    /// it (L2.P.5), and the statement has what `level` needs.
    pub(crate) fn look_at(&self, statement: &Json, level: Level) -> Result<(), Failure> {
        let (read, checks) = Statement::read(statement.clone(), level);
        let Some(read) = read else {
            let failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
            let told: Vec<_> = failed.map(screen::told).collect();
            return Err(Failure::usage(format!(
                "the statement could not be verified at {level}: {}",
                told.join("; ")
            ))
            .hint("nothing was written; give what is named above"));
        };
        let Some(certificate) = &self.certificate else {
            return Ok(());
        };
        let actor = read.predicate.actor().unwrap_or_default();
        let names = certificate.names();
        let mut all = names.uris.iter().chain(&names.emails).chain(&names.dns);
        if all.any(|name| name == actor) {
            return Ok(());
        }
        let names = [&names.uris[..], &names.emails, &names.dns]
            .concat()
            .join(", ");
        Err(Failure::usage(format!(
            "the certificate speaks for {names}, and the statement says that {actor:?} did it"
        ))
        .hint("give one of its names as --collector or --executor, or sign with the certificate of that id"))
    }

    /// Asks every authority for a token that nobody keeps, so that one that is down is known
    /// before anything is done.
    pub(crate) fn rehearse(&self) -> Result<(), Failure> {
        self.stamper.tokens(b"is anybody there").map(drop)
    }

    /// The statement `payload` in a bundle.
    pub(crate) fn seal(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let envelope = Envelope::sign(PAYLOAD_TYPE, payload, &self.key);
        let mut envelope = envelope.map_err(|error| Failure::of(&error))?;
        if let Some(signature) = envelope.unverified_signatures.first_mut() {
            let leaf = self.certificate.as_ref().map(|leaf| leaf.der().to_vec());
            signature.certificates.extend(leaf);
            signature.tokens = self.stamper.tokens(&signature.bytes)?;
        }
        let bundle = envelope.to_bundle().map_err(|error| Failure::of(&error))?;
        Ok(bundle.to_string().into_bytes())
    }

    /// Whether this key made a signature around the statement already, with a time if one is
    /// asked for.
    pub(crate) fn has_sealed(&self, attestation: &Attestation) -> bool {
        let Some(envelope) = &attestation.envelope else {
            return false;
        };
        let key = [self.key.public_key().clone()];
        let checked = envelope.check_signatures(&key);
        let signatures = envelope.unverified_signatures.iter().zip(checked);
        signatures.into_iter().any(|(signature, checked)| {
            checked.is_ok() && (self.stamper.is_empty() || !signature.tokens.is_empty())
        })
    }
}
