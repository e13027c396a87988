use std::path::{Path, PathBuf};

use clap::Args;
use makoto::key::PublicKey;
use makoto::key_set::KeySet;
use makoto::limits::Limits;
use makoto::policy::{KeySetReference, Policy};
use toml_edit::{ArrayOfTables, DocumentMut, Item};

use super::allow::new_section;
use super::policy::relative;
use super::trust::public_key;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::trust::{read, shown};

/// A key set whose keys may sign.
#[derive(Debug, Args)]
pub(crate) struct KeySetArgs {
    /// Name of a key set: any key that counts in it may sign
    #[arg(
        long,
        value_name = "NAME",
        group = "signer",
        conflicts_with_all = ["from", "ca", "oidc_issuer"]
    )]
    pub(crate) keyset: Option<String>,

    /// The key set, put into the policy under that name
    #[arg(long, value_name = "FILE", requires_all = ["keyset", "keyset_key"])]
    keyset_file: Option<PathBuf>,

    /// Public key of the key set's owner, which must have signed it
    #[arg(long, value_name = "PUB", requires = "keyset_file")]
    keyset_key: Option<PathBuf>,
}

/// A key set that the policy is to name.
#[derive(Debug)]
pub(crate) struct NewKeySet {
    reference: KeySetReference,
    /// Id and PEM block of the owner's key.
    pub(crate) pem: (String, String),
}

impl KeySetArgs {
    /// The key set in the file that was typed, verified by the key that was.
    pub(crate) fn read(&self, policy: &Path) -> Result<Option<NewKeySet>, Failure> {
        let (Some(name), Some(file), Some(key)) =
            (&self.keyset, &self.keyset_file, &self.keyset_key)
        else {
            return Ok(None);
        };
        let (id, block) = public_key(key)?;
        let pinned = PublicKey::from_spki_pem(block.as_bytes());
        let pinned = pinned.map_err(|error| Failure::of(&error).about(&shown(key)))?;
        let bytes = read(file, Limits::DEFAULT.document_bytes)?;
        let set = KeySet::verify(&bytes, &pinned, None, None, &clock::now()?);
        let set = set.map_err(|error| {
            let message = Failure::of(&error).message;
            Failure::contradiction(message)
                .about(&shown(file))
                .hint("nothing was written; get set and key from their owner")
        })?;
        screen::note(format!(
            "{}: version {} of {}, with {} key(s)",
            shown(file),
            set.version(),
            Plain(set.owner()),
            set.keys().len()
        ));
        Ok(Some(NewKeySet {
            reference: KeySetReference {
                file: relative(file, policy),
                name: name.clone(),
                key: *pinned.id(),
                at_least: Some(set.version()),
            },
            pem: (id, block),
        }))
    }

    /// Refuses a name that the policy does not have, and that nothing was given for.
    pub(crate) fn refuse_unknown(&self, policy: &Policy) -> Result<(), Failure> {
        let Some(name) = &self.keyset else {
            return Ok(());
        };
        let known: Vec<_> = policy.key_sets().iter().map(|set| &set.name).collect();
        match self.keyset_file.is_some() || known.contains(&name) {
            true => Ok(()),
            false => Err(
                Failure::usage(format!("the policy has no key set {name:?}")).hint(
                    "add --keyset-file FILE and --keyset-key PUB, the public key of its owner",
                ),
            ),
        }
    }
}

impl NewKeySet {
    /// Adds the key set to the policy, in which nothing else may have its name.
    pub(crate) fn add(&self, policy: &Policy, document: &mut DocumentMut) -> Result<bool, Failure> {
        let new = &self.reference;
        if let Some(there) = policy.key_sets().iter().find(|set| set.name == new.name) {
            return match there.file == new.file && there.key == new.key {
                true => Ok(false),
                false => Err(Failure::usage(format!(
                    "the policy has a key set {:?} already, in {:?} with the key sha256:{}",
                    there.name, there.file, there.key
                ))
                .hint("name this one otherwise with --keyset, or change that one by hand")),
            };
        }
        let mut section = new_section(document);
        section.insert("name", toml_edit::value(&new.name));
        section.insert("file", toml_edit::value(&new.file));
        section.insert("key", toml_edit::value(&self.pem.0));
        if let Some(least) = new.at_least.and_then(|least| i64::try_from(least).ok()) {
            section.insert("at-least", toml_edit::value(least));
        }
        let sets = document
            .entry("keysets")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        let sets = sets.as_array_of_tables_mut().ok_or_else(|| {
            Failure::usage("the policy has keysets in a form that is not edited")
                .hint("write them as [[keysets]] sections")
        })?;
        sets.push(section);
        Ok(true)
    }
}
