//! Everything that may hold attestations, asked at once.

use std::path::{Path, PathBuf};

use makoto::attestation::Attestation;
use makoto::digest::Digest;

use crate::error::DataError;
use crate::place::{Located, Place};
use crate::shelf::{Recursion, Shelf};
use crate::store::{Store, StoreError};

/// Folders, stores and packages that may hold attestations. What is found is unverified: anyone
/// may have written it.
#[derive(Debug, Default)]
pub struct Catalog {
    shelf: Shelf,
    stores: Vec<Store>,
}

/// A statement that was found, once, and every place where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The attestation, as the first place has it.
    pub attestation: Attestation,
    /// Other envelopes around the same statement.
    pub further: Vec<Attestation>,
    /// Where it is, in the order of the rules of discovery.
    pub places: Vec<Place>,
}

impl Catalog {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the attestation file beside the data, if there is one: its path, not the data's.
    ///
    /// # Errors
    /// As [`Shelf::add_sidecar`].
    pub fn add_sidecar(&mut self, path: &Path) -> Result<(), DataError> {
        self.shelf.add_sidecar(path)
    }

    /// Adds every attestation file in a folder. It is read now, and not again.
    ///
    /// # Errors
    /// As [`Shelf::add_folder`].
    pub fn add_folder(&mut self, path: &Path, recursion: Recursion) -> Result<(), DataError> {
        self.shelf.add_folder(path, recursion)
    }

    /// Adds a store, which is read as it is asked.
    pub fn add_store(&mut self, store: Store) {
        self.stores.push(store);
    }

    /// Files in folders that could not be read or are no attestations, and why.
    pub fn skipped(&self) -> &[(PathBuf, String)] {
        self.shelf.skipped()
    }

    /// The statement `id`, if it is anywhere.
    ///
    /// # Errors
    /// [`StoreError`] when a store cannot be read or is damaged.
    pub fn with_id(&self, id: &Digest) -> Result<Option<Found>, StoreError> {
        let found = self.ask(|shelf| shelf.with_id(id), |store| store.with_id(id))?;
        Ok(found.into_iter().next())
    }

    /// Every statement with a subject of this SHA-256.
    ///
    /// # Errors
    /// As [`Catalog::with_id`].
    pub fn about(&self, sha256: &Digest) -> Result<Vec<Found>, StoreError> {
        self.ask(|shelf| shelf.about(sha256), |store| store.about(sha256))
    }

    /// Every transform that lists this SHA-256 as an input.
    ///
    /// # Errors
    /// As [`Catalog::with_id`].
    pub fn reading(&self, sha256: &Digest) -> Result<Vec<Found>, StoreError> {
        self.ask(|shelf| shelf.reading(sha256), |store| store.reading(sha256))
    }

    fn ask(
        &self,
        shelf: impl Fn(&Shelf) -> Vec<Located>,
        store: impl Fn(&Store) -> Result<Vec<Located>, StoreError>,
    ) -> Result<Vec<Found>, StoreError> {
        let mut all = shelf(&self.shelf);
        for one in &self.stores {
            all.extend(store(one)?);
        }
        Ok(merged(all))
    }
}

/// Each statement once, in the order in which they were found first.
fn merged(all: Vec<Located>) -> Vec<Found> {
    let mut at = std::collections::HashMap::new();
    let mut found: Vec<Found> = Vec::new();
    for Located { attestation, place } in all {
        let index = *at.entry(attestation.id).or_insert(found.len());
        match found.get_mut(index) {
            None => found.push(Found {
                attestation,
                further: Vec::new(),
                places: vec![place],
            }),
            Some(known) => {
                if known.attestation != attestation && !known.further.contains(&attestation) {
                    known.further.push(attestation);
                }
                if !known.places.contains(&place) {
                    known.places.push(place);
                }
            }
        }
    }
    found
}
