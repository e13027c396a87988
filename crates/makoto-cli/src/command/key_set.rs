//! Publishing keys: an owner's signed list of keys, which ones count when, and which were taken
//! back.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::key::{PublicKey, Signer, SigningKey};
use makoto::key_set::{KeySet, KeySetDraft, KeySetError, PublishedKey};
use makoto::limits::Limits;
use makoto_data::{NewFile, lock_folder, read_limited};

use super::Output;
use crate::clock;
use crate::failure::Failure;
use crate::passphrase::PassphraseArgs;
use crate::screen;
use crate::signer;
use crate::trust;

/// Days for which a key set may be used before its owner has to sign it again.
const DAYS: i64 = 365;

/// The key set, and the owner's key that signs it.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The key set
    #[arg(long, value_name = "FILE", default_value = "keys.json")]
    set: PathBuf,

    /// Private key of the owner, encrypted: it signs the set, and nothing else
    #[arg(long, value_name = "KEY")]
    owner_key: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseArgs,

    /// Last moment at which the set may be used (RFC 3339) [default: in 365 days]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

/// A key set that is being changed.
struct Opened {
    owner_key: SigningKey,
    /// The set that is there, verified by the owner's key.
    set: Option<KeySet>,
    /// Until it is dropped, nobody else changes the set.
    _turn: File,
}

/// Publish a public key in the owner's key set
///
/// Makes the set, or adds the key to it, with the next version, and signs it with the owner's key.
/// Put the file where consumers find it, by convention at /.well-known/makoto/keys.json; where it
/// lies proves nothing, the owner's key does, which consumers pin in their policy.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  makoto key publish team.key.pub --owner data-team --owner-key owner.key"
)]
pub(crate) struct Publish {
    /// Public key, in PEM
    #[arg(value_name = "PUB")]
    key: PathBuf,

    /// Whose keys they are; needed for a new set
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,

    /// First moment at which the key counts (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    #[command(flatten)]
    set: SetArgs,
}

/// Publish a new key in the place of an old one
///
/// The old key counts until --at, for what has a verified time not later than that, and the new
/// one from then on. What was signed with the old key before stays good.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  makoto key rotate sha256:… new.key.pub --owner-key owner.key")]
pub(crate) struct Rotate {
    /// Id of the old key
    #[arg(value_name = "sha256:HEX")]
    old: String,

    /// The new public key, in PEM
    #[arg(value_name = "PUB")]
    new: PathBuf,

    /// When the new key takes the place of the old one (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    #[command(flatten)]
    set: SetArgs,
}

/// Change the owner's own key, which signs the set
///
/// The set names the new key, and both sign it: it counts for those who pin the old key, and for
/// those who pin the new one. The sets after it are signed by the new key alone, so hand this one
/// out, and let consumers put the new key into their policies, before you publish another.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  makoto key rotate-owner --owner-key owner.key --new-owner-key owner2.key"
)]
pub(crate) struct RotateOwner {
    /// New private key of the owner, encrypted
    #[arg(long, value_name = "KEY")]
    new_owner_key: PathBuf,

    /// File with the passphrase of the new key, mode 0600
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    new_passphrase_file: Option<PathBuf>,

    /// Open file descriptor from which one line is read, the passphrase of the new key
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<u32>,

    #[command(flatten)]
    set: SetArgs,
}

/// Take a key back that somebody else may have
///
/// From --from on, nothing that it signed counts, nor what has no verified time. What was signed
/// before, at a verified time, still does.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makoto key revoke sha256:… --from 2026-11-20T00:00:00Z --reason 'laptop stolen' \\
      --owner-key owner.key")]
pub(crate) struct Revoke {
    /// Id of the key
    #[arg(value_name = "sha256:HEX")]
    key: String,

    /// Since when somebody else may have it (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: String,

    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: String,

    #[command(flatten)]
    set: SetArgs,
}

impl Publish {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now_in_seconds()?;
        let key = read_key(&self.key)?;
        let from = time("--from", self.from.as_deref(), &now)?;
        let opened = self.set.open(&now)?;
        let mut draft = match (&opened.set, &self.owner) {
            (Some(set), Some(owner)) if set.owner() != owner => {
                return Err(Failure::usage(format!(
                    "the key set is of {:?}, and --owner is {owner:?}",
                    set.owner()
                ))
                .hint("leave --owner out, or name another file with --set"));
            }
            (Some(set), _) => after(set)?,
            (None, Some(owner)) => KeySetDraft {
                version: 1,
                expires: now.clone(),
                owner: owner.clone(),
                owner_key: opened.owner_key.public_key().clone(),
                keys: Vec::new(),
            },
            (None, None) => {
                return Err(Failure::usage("a new key set needs its owner")
                    .hint("say whose keys they are with --owner NAME"));
            }
        };
        add(&mut draft, key, from)?;
        self.set.write(draft, &opened, &now, output)
    }
}

impl Rotate {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now_in_seconds()?;
        let new = read_key(&self.new)?;
        let at = time("--at", self.at.as_deref(), &now)?;
        let opened = self.set.open(&now)?;
        let mut draft = after(self.set.needed(&opened)?)?;
        let old = find(&mut draft, &self.old)?;
        if old.until.as_ref().is_some_and(|until| *until <= at) {
            return Err(Failure::usage(format!(
                "key {} is retired already",
                self.old
            )));
        }
        old.until = Some(at.clone());
        add(&mut draft, new, at)?;
        self.set.write(draft, &opened, &now, output)
    }
}

impl RotateOwner {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now_in_seconds()?;
        let passphrase =
            PassphraseArgs::of(self.new_passphrase_file.clone(), self.new_passphrase_fd);
        let new = signer::open_file(&self.new_owner_key, &passphrase);
        let new = new.map_err(|failure| match failure.hint.clone() {
            Some(hint) => failure.hint(hint.replace("--passphrase-", "--new-passphrase-")),
            None => failure,
        })?;
        let opened = self.set.open(&now)?;
        let mut draft = after(self.set.needed(&opened)?)?;
        if draft.owner_key == *new.public_key() {
            return Err(Failure::usage(format!(
                "{} is the owner's key already",
                new.public_key().key_id()
            ))
            .hint("make a new one with `makoto key generate`"));
        }
        if draft
            .keys
            .iter()
            .any(|known| known.key == *new.public_key())
        {
            return Err(Failure::usage(format!(
                "{} signs data, by this very set, and the owner's key signs the set alone",
                new.public_key().key_id()
            ))
            .hint("make another key with `makoto key generate`"));
        }
        draft.owner_key = new.public_key().clone();
        self.set
            .write_signed(draft, &[&opened.owner_key, &new], &now, output)
    }
}

impl Revoke {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now_in_seconds()?;
        let from = time("--from", Some(&self.from), &now)?;
        let opened = self.set.open(&now)?;
        let mut draft = after(self.set.needed(&opened)?)?;
        let key = find(&mut draft, &self.key)?;
        // A revocation is never made weaker: the earlier moment counts.
        if key
            .compromised_since
            .as_ref()
            .is_some_and(|known| *known <= from)
        {
            return Err(Failure::usage(format!(
                "key {} is taken back already, from {} on",
                self.key,
                key.compromised_since.as_ref().map_or("", DateTime::as_str)
            )));
        }
        key.compromised_since = Some(from.clone());
        key.reason = Some(self.reason.clone());
        let status = self.set.write(draft, &opened, &now, output)?;
        if from > now {
            screen::note(format!(
                "note: until {from}, which is still to come, everything counts that the key signs; a key that somebody else may have is taken back from an earlier moment on, by the same command"
            ));
        }
        Ok(status)
    }
}

impl SetArgs {
    /// Opens the owner's key, then waits for the turn to change the set, and reads it.
    fn open(&self, now: &DateTime) -> Result<Opened, Failure> {
        let owner_key = signer::open_file(&self.owner_key, &self.passphrase)?;
        let turn = lock_folder(&self.set)?;
        let bytes = read_limited(&self.set, Limits::DEFAULT.document_bytes)?;
        let set = bytes.map(|bytes| self.verify(&bytes, owner_key.public_key(), now));
        let set = set.transpose()?;
        if let Some(set) = &set
            && set.owner_key() != owner_key.public_key()
        {
            return Err(Failure::usage(format!(
                "{} is the owner's former key: {} took its place",
                owner_key.public_key().key_id(),
                set.owner_key().key_id()
            ))
            .hint("name the new one with --owner-key"));
        }
        Ok(Opened {
            owner_key,
            set,
            _turn: turn,
        })
    }

    fn verify(&self, bytes: &[u8], pinned: &PublicKey, now: &DateTime) -> Result<KeySet, Failure> {
        let verify = |now: &DateTime| KeySet::verify(bytes, pinned, None, None, now);
        // One that has expired is signed again here, so its own time is as good as now.
        let set = verify(now).or_else(|error| match error {
            KeySetError::Expired { expires, .. } => verify(&expires),
            error => Err(error),
        });
        set.map_err(|error| Failure::of(&error).about(&trust::shown(&self.set)))
    }

    fn needed<'o>(&self, opened: &'o Opened) -> Result<&'o KeySet, Failure> {
        opened.set.as_ref().ok_or_else(|| {
            Failure::usage(format!("{} is not there", trust::shown(&self.set)))
                .hint("name the key set with --set, or make one with `makoto key publish`")
        })
    }

    /// Signs the set and puts it in the place of the one before.
    fn write(
        &self,
        draft: KeySetDraft,
        opened: &Opened,
        now: &DateTime,
        output: Output,
    ) -> Result<u8, Failure> {
        self.write_signed(draft, &[&opened.owner_key], now, output)
    }

    fn write_signed(
        &self,
        mut draft: KeySetDraft,
        signers: &[&dyn Signer],
        now: &DateTime,
        output: Output,
    ) -> Result<u8, Failure> {
        let in_a_year = DateTime::from_unix(now.unix_seconds() + DAYS * 24 * 60 * 60);
        draft.expires = match &self.expires {
            Some(text) => {
                let expires = time("--expires", Some(text), now)?;
                refuse_useless(&expires, &draft, now)?;
                expires
            }
            None => in_a_year.map_err(|error| Failure::of(&error))?,
        };
        let signed = draft.sign(signers).map_err(|error| Failure::of(&error))?;
        let write = || {
            let mut file = NewFile::at(&self.set)?;
            file.file().write_all(&signed)?;
            file.keep_by_umask()
        };
        let shown = trust::shown(&self.set);
        write().map_err(|error: std::io::Error| {
            Failure::usage(format!("cannot write {shown}: {error}"))
        })?;
        let owner_id = draft.owner_key.key_id();
        match output {
            Output::Json => screen::json(&Json::from([
                ("path", self.set.to_string_lossy().into_owned().into()),
                ("version", draft.version.into()),
                ("owner", draft.owner.as_str().into()),
                ("ownerKey", owner_id.as_str().into()),
                ("keys", Json::from(draft.keys.len() as u64)),
            ])),
            Output::Text | Output::Aside => {
                screen::result(format!(
                    "{shown}: version {}, {} key(s) of {}",
                    draft.version,
                    draft.keys.len(),
                    screen::Plain(&draft.owner)
                ));
                screen::note(format!(
                    "next: put it at /.well-known/makoto/keys.json; a policy pins key = \"{owner_id}\" and at-least = {}",
                    draft.version
                ));
            }
        }
        Ok(0)
    }
}

/// Refuses a set that nobody could use, or that would be over before one of its keys counts.
fn refuse_useless(expires: &DateTime, draft: &KeySetDraft, now: &DateTime) -> Result<(), Failure> {
    let late = draft.keys.iter().find(|one| one.from >= *expires);
    let why = match late {
        _ if expires <= now => format!("and it is {now}"),
        Some(late) => format!("and {} counts from {} on", late.key.key_id(), late.from),
        None => return Ok(()),
    };
    Err(
        Failure::usage(format!("the key set would expire at {expires}, {why}"))
            .hint("give a later --expires, or leave it out: a key set holds for 365 days"),
    )
}

fn after(set: &KeySet) -> Result<KeySetDraft, Failure> {
    KeySetDraft::after(set)
        .ok_or_else(|| Failure::usage("no version comes after that of the key set"))
}

fn add(draft: &mut KeySetDraft, key: PublicKey, from: DateTime) -> Result<(), Failure> {
    if draft.owner_key == key {
        return Err(own_key(&key));
    }
    if draft.keys.iter().any(|known| known.key == key) {
        return Err(
            Failure::usage(format!("key {} is in the key set already", key.key_id()))
                .hint("nothing was changed; `makoto key show` tells what the set says of it"),
        );
    }
    draft.keys.push(PublishedKey {
        key,
        from,
        until: None,
        compromised_since: None,
        reason: None,
    });
    Ok(())
}

/// The key of the owner signs the set and nothing else: whoever signs data every day can lose it.
fn own_key(key: &PublicKey) -> Failure {
    Failure::usage(format!(
        "{} is the owner's own key, which signs the key set and no data",
        key.key_id()
    ))
    .hint("make another key with `makoto key generate`")
}

fn find<'d>(draft: &'d mut KeySetDraft, id: &str) -> Result<&'d mut PublishedKey, Failure> {
    let digest = id
        .strip_prefix("sha256:")
        .and_then(|hex| hex.parse::<Digest>().ok());
    let digest = digest.ok_or_else(|| {
        Failure::usage(format!("{id:?} is no id of a key"))
            .hint("it is sha256: and 64 hex digits, as `makoto key show` prints it")
    })?;
    let known: Vec<_> = draft.keys.iter().map(|one| one.key.key_id()).collect();
    let mut keys = draft.keys.iter_mut();
    keys.find(|one| *one.key.id() == digest).ok_or_else(|| {
        Failure::usage(format!("the key set has no key {id}"))
            .hint(format!("it has {}", known.join(", ")))
    })
}

pub(super) fn read_key(path: &Path) -> Result<PublicKey, Failure> {
    let bytes = trust::read(path, Limits::DEFAULT.key_bytes)?;
    PublicKey::from_spki_pem(&bytes).map_err(|error| {
        Failure::of(&error)
            .about(&trust::shown(path))
            .hint("a public key is published, such as the .pub that `makoto key generate` writes")
    })
}

fn time(option: &str, typed: Option<&str>, now: &DateTime) -> Result<DateTime, Failure> {
    match typed {
        None => Ok(now.clone()),
        Some(text) => {
            DateTime::parse(text).map_err(|error| Failure::usage(format!("{option}: {error}")))
        }
    }
}
