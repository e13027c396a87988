//! Reading what a policy names: its trusted root and keys.

use std::path::Path;

use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::key::PublicKey;
use makoto::key_set::KeySet;
use makoto::limits::Limits;
use makoto::policy::{KeySetReference, Policy};
use makoto::trusted_root::TrustedRoot;
use makoto::verify::Trust;
use makoto_data::read_limited;

use crate::catalog::folder_of;
use crate::failure::Failure;
use crate::screen::Plain;

/// Reads the policy at `path`, and what it names relative to its folder.
/// Key sets are to hold at `now`.
pub(crate) fn load_trust(path: &Path, now: &DateTime) -> Result<Trust, Failure> {
    let policy = read_policy(path)?;
    let folder = folder_of(path);
    let name = policy.trusted_root().ok_or_else(|| {
        Failure::usage(format!("{} names no trusted-root", shown(path)))
            .hint("write one with `makoto trust init`, and name it there")
    })?;
    let root_path = folder.join(name);
    let bytes = read(&root_path, Limits::DEFAULT.document_bytes)?;
    let root = TrustedRoot::from_json(&bytes)
        .map_err(|error| Failure::of(&error).about(&shown(&root_path)))?;
    let keys = match policy.trusted_keys() {
        Some(name) => read_keys(&folder.join(name))?,
        None => Vec::new(),
    };
    let key_sets = policy.key_sets().iter();
    let key_sets = key_sets.map(|reference| read_key_set(&folder, reference, &keys, now));
    let key_sets = key_sets.collect::<Result<_, _>>()?;
    Trust::new(policy, root, Digest::of(&bytes), keys, key_sets)
        .map_err(|error| Failure::of(&error).about(&shown(path)))
}

/// Reads and verifies a key set that a policy names.
fn read_key_set(
    folder: &Path,
    reference: &KeySetReference,
    keys: &[PublicKey],
    now: &DateTime,
) -> Result<(String, KeySet), Failure> {
    let path = folder.join(&reference.file);
    let pinned = keys.iter().find(|key| *key.id() == reference.key);
    let pinned = pinned.ok_or_else(|| {
        Failure::usage(format!(
            "key set {:?} is pinned to sha256:{}, which is not among the trusted keys",
            Plain(&reference.name).to_string(),
            reference.key
        ))
        .hint("add the owner's public key to the file that trusted-keys names")
    })?;
    let bytes = read(&path, Limits::DEFAULT.document_bytes)?;
    let set = KeySet::verify(&bytes, pinned, None, reference.at_least, now);
    let set = set.map_err(|error| Failure::of(&error).about(&shown(&path)))?;
    Ok((reference.name.clone(), set))
}

/// Reads a policy.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = read(path, Limits::DEFAULT.toml_bytes)?;
    Policy::read(&bytes, &Limits::DEFAULT).map_err(|problems| {
        let told = problems.iter().take(10).map(|problem| match problem.line {
            Some(line) => format!("line {line}: {}", problem.message),
            None => problem.message.clone(),
        });
        let told: Vec<_> = told.collect();
        Failure::usage(told.join("; ")).about(&shown(path))
    })
}

/// Reads every public key of a PEM file.
pub(crate) fn read_keys(path: &Path) -> Result<Vec<PublicKey>, Failure> {
    const END: &str = "-----END PUBLIC KEY-----";
    let bytes = read(path, Limits::DEFAULT.document_bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut keys = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(END).map_or(rest.len(), |at| at + END.len());
        let key = PublicKey::from_spki_pem(rest[..end].trim().as_bytes())
            .map_err(|error| Failure::of(&error).about(&shown(path)))?;
        keys.push(key);
        rest = rest[end..].trim_start();
    }
    Ok(keys)
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    read_limited(path, limit)?
        .ok_or_else(|| Failure::usage(format!("there is no file {}", shown(path))))
}

fn shown(path: &Path) -> String {
    Plain(&path.to_string_lossy()).to_string()
}
