//! Putting statements into stores, after they were written beside their data.

use std::path::Path;

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::statement::same_facts;
use makoto_data::{Sidecar, Store, Written};

use super::{Put, Writing};
use crate::command::store::InStore;
use crate::dataset::Measured;
use crate::draft::Finished;
use crate::failure::Failure;
use crate::screen::Plain;

/// A statement that was written beside its data, or could not be.
pub(super) struct Beside<'d> {
    pub(super) data: &'d [Measured],
    pub(super) finished: &'d Finished,
    pub(super) put: Result<Put, Failure>,
}

impl Beside<'_> {
    fn fail(&mut self, failure: Failure) {
        if let Ok(put) = &self.put {
            self.put = Err(match (put.sidecars.is_empty(), &failure.hint) {
                (true, _) | (_, Some(_)) => failure,
                (false, None) => failure.hint(
                    "the attestation beside the data was written; run the command again when the store can be",
                ),
            });
        }
    }
}

impl Writing<'_> {
    /// Puts the statements that the sidecars now have into the stores, waiting for the disk once
    /// for many. What becomes of one does not touch the others.
    pub(super) fn put_into_stores(&self, all: &mut [Beside<'_>]) {
        if all.iter().all(|one| one.put.is_err()) {
            return;
        }
        let stores = match self.args.store.create() {
            Ok(stores) => stores,
            Err(failure) => {
                all.iter_mut().for_each(|one| one.fail(failure.clone()));
                return;
            }
        };
        for store in &stores {
            let mut documents = Vec::new();
            for (index, one) in all.iter_mut().enumerate() {
                let Ok(put) = &one.put else { continue };
                match self.documents(store, one, put) {
                    Ok(found) => documents.extend(found.into_iter().map(|found| (index, found))),
                    Err(failure) => one.fail(failure),
                }
            }
            let bytes: Vec<_> = documents
                .iter()
                .map(|(_, bytes)| bytes.as_slice())
                .collect();
            for ((index, _), stored) in documents.iter().zip(store.put_many(&bytes)) {
                match (stored, &mut all[*index].put) {
                    (Ok(stored), Ok(put)) => put.stores.extend(InStore::of(store, stored)),
                    (Err(error), _) => all[*index].fail(error.into()),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
    }

    /// The documents that are to be in the store: those that the sidecars have, or else one with
    /// the same facts.
    fn documents(
        &self,
        store: &Store,
        one: &Beside<'_>,
        put: &Put,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let mut documents = Vec::new();
        for (path, written) in &put.sidecars {
            documents.push(document(one.finished, path, written)?);
        }
        if documents.is_empty() {
            let known = self.known(store, one.data, one.finished)?;
            documents.push(known.unwrap_or_else(|| one.finished.bytes.clone()));
        }
        documents.dedup();
        Ok(documents)
    }

    /// The document of a statement with the same facts that the store has already.
    fn known(
        &self,
        store: &Store,
        data: &[Measured],
        finished: &Finished,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(first) = data.first() else {
            return Ok(None);
        };
        for there in store.about(&first.sha256)? {
            let statement = &there.attestation.statement;
            if same_facts(statement, &finished.statement, self.times) {
                return Ok(Sidecar::at(there.place.file().to_owned()).read()?);
            }
        }
        Ok(None)
    }
}

/// The document of the statement that a sidecar has: one that was there already keeps its
/// moments, and must not come into a store under another id.
fn document(finished: &Finished, path: &Path, written: &Written) -> Result<Vec<u8>, Failure> {
    if written.id == Digest::of(&finished.bytes) {
        return Ok(finished.bytes.clone());
    }
    let bytes = Sidecar::at(path.to_owned()).read()?.unwrap_or_default();
    let documents = Attestation::documents(&bytes).unwrap_or_default();
    let same = documents.iter().find(|(_, one)| one.id == written.id);
    let (document, _) = same.ok_or_else(|| {
        let shown = path.to_string_lossy();
        Failure::usage(format!("{} changed while it was read", Plain(&shown)))
    })?;
    Ok(document.to_vec())
}
