//! Signing what a command writes: with which key, for whom, and at what time.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::certificate::Certificate;
use makoto::datetime::DateTime;
use makoto::envelope::{Envelope, PAYLOAD_TYPE};
use makoto::identity::Identity;
use makoto::json::Json;
use makoto::key::{PublicKey, SigningKey};
use makoto::limits::Limits;
use makoto::report::{Check, Level, Outcome};
use makoto::statement::Statement;
use makoto::trusted_root::TrustedRoot;
use makoto_data::read_limited;

use crate::clock;
use crate::command::LevelArg;
use crate::defaults::{Defaults, Value};
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::signer::SignerArgs;
use crate::times::{TimeArgs, Times};

/// With what, for whom and at what time a statement is signed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct SigningArgs {
    #[command(flatten)]
    pub(crate) signer: SignerArgs,

    /// Certificate of the signer in PEM, first, and those between it and its authority
    #[arg(long, value_name = "PEM")]
    certificate: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) time: TimeArgs,

    /// Write nothing that could not be verified at this level
    #[arg(long, value_enum)]
    level: Option<LevelArg>,
}

/// A signer that is ready: its key is open, and its certificate fits.
#[derive(Debug)]
pub(crate) struct Signing {
    key: SigningKey,
    certificate: Option<Certificate>,
    times: Times,
    level: Level,
    /// The level whose form a statement must have.
    form: Level,
    /// Whether somebody else did what the statement says, and signs it too.
    approves: bool,
    /// What a configuration file said.
    pub(crate) from_file: Vec<Value>,
}

/// A statement that was signed.
#[derive(Debug)]
pub(crate) struct Signed {
    envelope: Envelope,
}

impl SigningArgs {
    /// Opens the signer that was typed or stands in a `makoto.toml`; `None` when none does.
    ///
    /// Everything that can be wrong with it before there is a statement is told here.
    pub(crate) fn open(&self, defaults: Option<&Defaults>) -> Result<Option<Signing>, Failure> {
        self.open_for(defaults, Level::L1)
    }

    /// The same, for what has at least the level `least` when nothing else was typed.
    pub(crate) fn open_for(
        &self,
        defaults: Option<&Defaults>,
        least: Level,
    ) -> Result<Option<Signing>, Failure> {
        let typed = self.signer.typed();
        let signer = match (defaults, typed) {
            (Some(defaults), typed) => defaults.signer(typed),
            (None, Some(typed)) => Some(Value::typed("signer", typed)),
            (None, None) => None,
        };
        let level = self.level.map_or(least, Level::from);
        // A time, and the signatures of inputs, may follow; what is signed stays as it is.
        let form = self.level.map_or(Level::L2, Level::from);
        let Some(signer) = signer else {
            return self.refuse_without_signer(level).map(|()| None);
        };
        let (times, tsa) = self.time.open(defaults)?;
        match level {
            Level::L1 => {}
            Level::L2 if times.tsas.is_empty() => {
                return Err(Failure::usage(
                    "--level L2 needs a time that others can verify (L2.P.6)",
                )
                .hint("add --tsa URL"));
            }
            Level::L2 => {}
            Level::L3 => {
                return Err(Failure::usage(
                    "L3 is attested by a platform, not by whoever runs this command",
                )
                .hint("use --level L2"));
            }
        }
        let key = self.signer.open(&signer.text)?;
        let certificate = match &self.certificate {
            Some(path) => Some(open_certificate(path, &key, times.root.as_ref())?),
            None => {
                screen::note(
                    "note: signed with a bare key: who holds it is said by its owner's key set, or by a policy",
                );
                None
            }
        };
        let from_file = [Some(signer), tsa].into_iter().flatten();
        Ok(Some(Signing {
            key,
            certificate,
            times,
            level,
            form,
            approves: false,
            from_file: from_file.filter(|value| value.place().is_some()).collect(),
        }))
    }

    /// Refuses what means nothing without a signature. Nothing is left unsigned unseen.
    fn refuse_without_signer(&self, level: Level) -> Result<(), Failure> {
        let option = match () {
            () if level > Level::L1 => "--level L2",
            () if self.certificate.is_some() => "--certificate",
            () if !self.time.tsas.is_empty() => "--tsa",
            () if self.time.trusted_root.is_some() => "--trusted-root",
            () => match self.signer.passphrase().option() {
                Some(option) => option,
                None => return Ok(()),
            },
        };
        Err(Failure::usage(format!(
            "{option} needs a signer, and none is given (L2.P.1)"
        ))
        .hint("add --signer file:K"))
    }
}

impl Signing {
    /// Whether an envelope has a signature that may be of who did what the statement says: of
    /// another key, and with a certificate that names them or with none. Which key made it, no id
    /// in the document tells. Nobody has verified it.
    pub(crate) fn may_be_by_the_actor(&self, envelope: &Envelope, statement: &Json) -> bool {
        let own = self.key.public_key();
        let pae = envelope.pae();
        envelope.unverified_signatures.iter().any(|signature| {
            let names_actor = signature.certificates.first().is_none_or(|leaf| {
                let leaf = Certificate::from_der(leaf).ok();
                leaf.is_some_and(|leaf| {
                    let names = leaf.names();
                    actors(statement).any(|(_, id)| names.cover(id))
                })
            });
            names_actor && own.verify(&pae, &signature.bytes).is_err()
        })
    }

    /// Whether an envelope has a signature with a good time that holds for its certificate. Of a
    /// bare key nobody knows here whether it holds, nor of anyone whether they are trusted.
    pub(crate) fn is_sound(&self, envelope: &Envelope) -> bool {
        envelope.unverified_signatures.iter().any(|signature| {
            let leaf = signature.certificates.first();
            let holds = leaf.is_none_or(|leaf| {
                let leaf = Certificate::from_der(leaf).ok();
                let key = leaf.and_then(|leaf| PublicKey::from_spki_der(&leaf.spki()).ok());
                key.is_some_and(|key| key.verify(&envelope.pae(), &signature.bytes).is_ok())
            });
            holds && self.times.count(&signature.tokens, &signature.bytes) > 0
        })
    }

    /// The same signer for what others did.
    pub(crate) fn approving(self) -> Self {
        Self {
            approves: true,
            ..self
        }
    }

    /// Refuses a statement that this signer cannot speak for (L2.P.5), or that could never be
    /// verified at L2, or the level that was asked for (L2.P.7 to L2.P.9).
    pub(crate) fn check(&self, statement: &Json) -> Result<(), Failure> {
        if let (Some(certificate), false) = (&self.certificate, self.approves) {
            for (actor, id) in actors(statement) {
                if !certificate.names().cover(id) {
                    return Err(Failure::contradiction(format!(
                        "{actor}.id is {:?}, and the certificate names {} (L2.P.5)",
                        Plain(id).to_string(),
                        Plain(&named(certificate))
                    ))
                    .hint(format!(
                        "give the id that the certificate names, or the certificate of that {actor}; whoever approves what it did runs `makoto sign --approve`"
                    )));
                }
            }
        }
        let (_, checks) = Statement::read(statement.clone(), self.form);
        // An input that nobody attested is attested by nobody later; that is for --level L2 to ask.
        let is_asked = |check: &&Check| self.level >= Level::L2 || check.id != "L2.P.9";
        let failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
        let failed: Vec<_> = failed
            .filter(is_asked)
            .map(|check| format!("{} {}", check.id, screen::told(check)))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the statement could not be verified at {}: {}",
            self.form,
            Plain(&failed.join("; "))
        );
        let what = match failed.iter().any(|told| told.starts_with("L2.P.9")) {
            true => "attest the input first, its attestation is then referred to",
            false => "give the value named above",
        };
        let is_for_l2 = |told: &String| told.starts_with("L2.");
        let less = match self.form > Level::L1 && failed.iter().all(is_for_l2) {
            true => ", or sign it for L1 alone with --level L1",
            false => "",
        };
        Err(Failure::contradiction(message).hint(format!("nothing was written; {what}{less}")))
    }

    /// Checks the statement and signs exactly these bytes of it. Has no time yet.
    pub(crate) fn sign(&self, bytes: &[u8], statement: &Json) -> Result<Signed, Failure> {
        self.check(statement)?;
        let envelope = self.key.sign_envelope(PAYLOAD_TYPE, bytes);
        let mut envelope = envelope.map_err(|error| Failure::of(&error))?;
        for signature in &mut envelope.unverified_signatures {
            let leaf = self.certificate.iter().map(|leaf| leaf.der().to_vec());
            signature.certificates = leaf.collect();
        }
        Ok(Signed { envelope })
    }

    /// Adds the time of each authority. With one that fails, or that does not agree with what was
    /// signed, there is nothing.
    pub(crate) fn stamp(&self, mut signed: Signed) -> Result<Signed, Failure> {
        for signature in &mut signed.envelope.unverified_signatures {
            signature.tokens = self.times.stamp(&signature.bytes)?;
        }
        self.times.refuse_disagreeing(&signed.envelope, |_| true)?;
        Ok(signed)
    }

    /// The level that must be reached.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Asks every authority for a time that nobody needs, to see whether it would give one.
    pub(crate) fn rehearse(&self, statement: &Json) -> Result<(), Failure> {
        self.check(statement)?;
        self.times.stamp(b"makoto: would this be timestamped?")?;
        Ok(())
    }

    /// Refuses a document of this signer's that has times, none of which agrees with what was signed.
    pub(crate) fn refuse_disagreeing(&self, document: &[u8]) -> Result<(), Failure> {
        let Some(envelope) = envelope_of(document) else {
            return Ok(());
        };
        let signatures = envelope.unverified_signatures.iter();
        let tokens = signatures.flat_map(|signature| &signature.tokens);
        let agrees = |token| self.times.refuse_disagreeing(&envelope, |one| one == token);
        let mut refusals = tokens.map(agrees).collect::<Vec<_>>();
        match refusals.iter().any(Result::is_ok) {
            true => Ok(()),
            false => refusals.pop().unwrap_or(Ok(())),
        }
    }

    /// Whether this signer made the signature of `document`, as it would make it now: with this
    /// certificate, and a good time for each authority.
    pub(crate) fn made(&self, document: &[u8]) -> bool {
        let Some(envelope) = envelope_of(document) else {
            return false;
        };
        let keys = [self.key.public_key().clone()];
        let [Ok(_)] = envelope.check_signatures(&keys).as_slice() else {
            return false;
        };
        envelope.unverified_signatures.iter().all(|signature| {
            let leaf = signature.certificates.first();
            let certified = match &self.certificate {
                Some(own) => leaf.is_some_and(|leaf| leaf == own.der()),
                None => true,
            };
            certified
                && self.times.count(&signature.tokens, &signature.bytes) >= self.times.tsas.len()
        })
    }

    /// Refuses to sign data with this signer for which a `makoto.toml` names another.
    pub(crate) fn refuse_others(
        signing: Option<&Self>,
        args: &SigningArgs,
        defaults: &Defaults,
    ) -> Result<(), Failure> {
        let of = |key| {
            let values = signing.into_iter().flat_map(|signing| &signing.from_file);
            let mut values = values.filter(move |value| value.key == key);
            values.next().map(|value| value.text.clone())
        };
        let signer = match args.signer.typed() {
            Some(_) => None,
            None => defaults.signer(None).map(|value| value.text),
        };
        // Without a signer, an address in the file means nothing.
        let tsa = match (
            args.time.tsas.is_empty(),
            signing.is_some() || signer.is_some(),
        ) {
            (true, true) => defaults.value("tsa", None).map(|value| value.text),
            _ => None,
        };
        match signer == of("signer") && tsa == of("tsa") {
            true => Ok(()),
            false => Err(Failure::usage(
                "makoto.toml names another signer or timestamp authority for this dataset than for the first",
            )
            .hint("attest them apart, or name both with --signer and --tsa")),
        }
    }
}

impl Signed {
    /// The bundle, as one line.
    pub(crate) fn to_document(&self) -> Vec<u8> {
        // It has the one signature that was just made, so that it is a bundle.
        let bundle = self.envelope.to_bundle();
        bundle.map_or_else(|_| Vec::new(), |bundle| bundle.to_string().into_bytes())
    }
}

impl fmt::Display for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.certificate {
            Some(certificate) => f.write_str(&named(certificate))?,
            None => f.write_str(&self.key.public_key().key_id())?,
        }
        match (self.times.tsas.len(), &self.times.root) {
            (0, _) => f.write_str(", no timestamp"),
            (count, Some(_)) => write!(f, ", {count} timestamp(s)"),
            (count, None) => write!(f, ", {count} timestamp(s) of unknown authorities"),
        }
    }
}

/// Who did what a statement says: the word for them, and their id.
fn actors(statement: &Json) -> impl Iterator<Item = (&'static str, &str)> {
    let predicate = statement.get("predicate");
    ["collector", "executor"]
        .into_iter()
        .filter_map(move |actor| {
            let id = predicate?.get(actor)?.get("id")?.as_str()?;
            Some((actor, id))
        })
}

/// The envelope in a document, if it is one.
pub(crate) fn envelope_of(document: &[u8]) -> Option<Envelope> {
    let value = Json::parse(document, &Limits::DEFAULT).ok()?;
    Envelope::find(&value)?.ok()
}

/// The trusted root in a file that was named on the command line.
pub(crate) fn open_root(path: &Path) -> Result<TrustedRoot, Failure> {
    let bytes = needed(path, "trusted root", Limits::DEFAULT.document_bytes)?;
    TrustedRoot::from_json(&bytes).map_err(|error| {
        let failure = Failure::of(&error);
        let shown = path.to_string_lossy();
        Failure::usage(format!("{}: {}", Plain(&shown), Plain(&failure.message)))
    })
}

/// Reads the signer's certificate and checks that it fits the key, is valid now, and chains to
/// `root` if there is one. The certificates above it have done their work then: verifiers take
/// them from their own trusted root.
fn open_certificate(
    path: &Path,
    key: &SigningKey,
    root: Option<&TrustedRoot>,
) -> Result<Certificate, Failure> {
    let shown = path.to_string_lossy();
    let shown = Plain(&shown);
    let limits = Limits::DEFAULT;
    // PEM takes a third more than DER, and people write beside it what it is.
    let most = 2 * limits.chain_certificates * limits.certificate_bytes;
    let pem = needed(path, "certificate", most)?;
    let refuse = |error: &dyn std::error::Error| {
        let failure = Failure::of(error);
        Failure::usage(format!("certificate {shown}: {}", Plain(&failure.message)))
    };
    let chain = Certificate::from_pem(&pem).map_err(|error| refuse(&error))?;
    let Some((leaf, above)) = chain.split_first() else {
        return Err(Failure::usage(format!("certificate {shown} is empty")));
    };
    if leaf.spki() != key.public_key().to_spki_der() {
        return Err(Failure::usage(format!(
            "certificate {shown} is of key sha256:{}, and the signer's is {}",
            leaf.spki_digest(),
            key.public_key().key_id()
        ))
        .hint("the signer's own certificate stands first in the file"));
    }
    leaf.check_signs().map_err(|error| refuse(&error))?;
    let now = clock::now()?;
    refuse_validity(leaf, &now, &shown.to_string())?;
    let issued = leaf.check_issued_by(above, &now);
    issued.map_err(|error| {
        refuse(&error)
            .hint("after the signer's own certificate stands the one of who issued it, and so on")
    })?;
    if let Some(root) = root {
        let above: Vec<_> = above.iter().map(Certificate::der).collect();
        Identity::verify(leaf.der(), &above, root, &now).map_err(|error| refuse(&error))?;
        // Only what the trusted root has will be there when it is verified.
        Identity::verify(leaf.der(), &[], root, &now).map_err(|error| {
            refuse(&error).hint("add the certificates between it and its authority to the trusted root: a bundle carries the signer's own only")
        })?;
    }
    Ok(leaf.clone())
}

fn refuse_validity(leaf: &Certificate, now: &DateTime, shown: &str) -> Result<(), Failure> {
    let (from, to) = (leaf.not_before(), leaf.not_after());
    match from <= now && now <= to {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "certificate {shown} is valid from {from} to {to}, and it is {now}"
        ))
        .hint("get a certificate that is valid now")),
    }
}

/// A file that must be there.
fn needed(path: &Path, what: &str, most: usize) -> Result<Vec<u8>, Failure> {
    read_limited(path, most)?.ok_or_else(|| {
        let shown = path.to_string_lossy();
        Failure::usage(format!("there is no {what} {}", Plain(&shown)))
            .hint("check the path; it is taken from the folder you are in")
    })
}

/// The names of a certificate, as one text.
fn named(certificate: &Certificate) -> String {
    let names = certificate.names();
    let all = names.uris.iter().chain(&names.emails).chain(&names.dns);
    all.map(String::as_str).collect::<Vec<_>>().join(", ")
}
