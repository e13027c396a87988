//! Everything that may hold attestations, asked at once.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use makoto::attestation::Attestation;
use makoto::digest::Digest;

use crate::error::DataError;
use crate::package::{ATTESTATION, Package, PackageError};
use crate::place::{Located, Place};
use crate::shelf::{Recursion, Shelf};
use crate::store::{Store, StoreError};

/// Folders, stores and packages that may hold attestations. What is found is unverified: anyone
/// may have written it.
#[derive(Debug, Default)]
pub struct Catalog {
    shelf: Shelf,
    stores: Vec<Store>,
    packages: Shelf,
}

/// A statement that was found, once, and every place where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The attestation, as the first place has it.
    pub attestation: Attestation,
    /// Other envelopes around the same statement.
    pub further: Vec<Attestation>,
    /// The bytes of each of them as they were found, those of the first one first.
    pub documents: Vec<Vec<u8>>,
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

    /// Adds the attestations in a package: what it says of its data, and the further ones. They
    /// are read now, and not again.
    ///
    /// # Errors
    /// [`PackageError`] when they cannot be read. One that is no attestation is
    /// [`Catalog::skipped`].
    pub fn add_package(&mut self, package: &Package) -> Result<(), PackageError> {
        for member in [ATTESTATION.to_owned()]
            .into_iter()
            .chain(package.further())
        {
            let bytes = package.document(&member)?;
            let package = package.path().to_owned();
            self.packages
                .add(Place::Package { package, member }, &bytes)?;
        }
        Ok(())
    }

    /// Whether there is nothing to ask. What was added may hold no attestation all the same.
    pub fn is_empty(&self) -> bool {
        self.stores.is_empty() && self.shelf.is_empty() && self.packages.is_empty()
    }

    /// Files in folders, and members of packages, that could not be read or are no attestations,
    /// and why.
    pub fn skipped(&self) -> impl Iterator<Item = &(Place, String)> {
        self.shelf.skipped().iter().chain(self.packages.skipped())
    }

    /// The statement `id`, if it is anywhere.
    ///
    /// # Errors
    /// [`StoreError`] when a store cannot be read or is damaged.
    pub fn with_id(&self, id: &Digest) -> Result<Option<Found>, StoreError> {
        let found = self.ask(|shelf| shelf.with_id(id), |store| store.with_id(id))?;
        Ok(found.into_iter().next())
    }

    /// Every statement with a subject of this SHA-256. The first is the one to take: those of
    /// sidecar and folders come before those of stores, and packages last; the newest first.
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

    /// Ids of the statements that are filed as having a subject of this SHA-256, each once. None
    /// of them is read, so that some may not be there or may not say so.
    ///
    /// # Errors
    /// As [`Catalog::with_id`].
    pub fn ids_about(&self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids(
            |shelf| shelf.ids_about(sha256),
            |store| store.ids_about(sha256),
        )
    }

    /// Ids of the transforms that are filed as reading this SHA-256, as [`Catalog::ids_about`].
    ///
    /// # Errors
    /// As [`Catalog::with_id`].
    pub fn ids_reading(&self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids(
            |shelf| shelf.ids_reading(sha256),
            |store| store.ids_reading(sha256),
        )
    }

    fn ids(
        &self,
        shelf: impl Fn(&Shelf) -> Vec<Digest>,
        store: impl Fn(&Store) -> Result<Vec<Digest>, StoreError>,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut ids = shelf(&self.shelf);
        for one in &self.stores {
            ids.extend(store(one)?);
        }
        ids.extend(shelf(&self.packages));
        if ids.len() > 1 {
            let mut met = HashSet::new();
            ids.retain(|id| met.insert(*id));
        }
        Ok(ids)
    }

    fn ask(
        &self,
        shelf: impl Fn(&Shelf) -> Vec<Located>,
        store: impl Fn(&Store) -> Result<Vec<Located>, StoreError>,
    ) -> Result<Vec<Found>, StoreError> {
        let mut all = shelf(&self.shelf);
        let mut stored = Vec::new();
        for one in &self.stores {
            stored.extend(store(one)?);
        }
        // A store has no first and last: the newest is the one that says so.
        if stored.len() > 1 {
            stored.sort_by_cached_key(|Located { attestation, .. }| {
                Reverse((attestation.stated_time(), attestation.id))
            });
        }
        all.extend(stored);
        all.extend(shelf(&self.packages));
        Ok(merged(all))
    }
}

/// Each statement once, in the order in which they were found first.
fn merged(all: Vec<Located>) -> Vec<Found> {
    let mut at = HashMap::new();
    let mut found: Vec<Found> = Vec::new();
    for located in all {
        let Located {
            attestation,
            document,
            place,
        } = located;
        let index = *at.entry(attestation.id).or_insert(found.len());
        match found.get_mut(index) {
            None => found.push(Found {
                attestation,
                further: Vec::new(),
                documents: vec![document],
                places: vec![place],
            }),
            Some(known) => {
                if !known.documents.contains(&document) {
                    known.documents.push(document);
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
