//! A catalog, as the walk of a lineage asks it.

use makoto::digest::Digest;
use makoto::lineage::{Found, Library};

use crate::catalog::Catalog;
use crate::store::StoreError;

impl Library for Catalog {
    type Error = StoreError;

    fn about(&mut self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids_about(sha256)
    }

    fn reading(&mut self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids_reading(sha256)
    }

    fn get(&mut self, id: &Digest) -> Result<Option<Found>, StoreError> {
        let found = self.with_id(id)?;
        Ok(found.map(|found| Found {
            attestation: found.attestation,
            places: found.places.iter().map(ToString::to_string).collect(),
        }))
    }
}
