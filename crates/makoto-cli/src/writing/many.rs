//! Many statements, each about one dataset, written at once.

use makoto_data::{Pending, Sidecar, attestation_path, write_group};

use super::stored::Beside;
use super::{Put, Writing};
use crate::dataset::Measured;
use crate::draft::Finished;
use crate::failure::Failure;

impl Writing<'_> {
    /// Writes each statement beside its dataset and then into the stores, waiting for the disk
    /// once for many. What becomes of one does not touch the others.
    pub(crate) fn put_many(&self, many: &[(Measured, Finished)]) -> Vec<Result<Put, Failure>> {
        let sidecars: Vec<_> = many
            .iter()
            .map(|(data, _)| self.alone_beside(data))
            .collect();
        let pending = many.iter().zip(&sidecars);
        let pending = pending.filter_map(|((data, finished), sidecar)| {
            Some(Pending {
                sidecar: sidecar.as_ref()?,
                statement: &finished.bytes,
                data: &data.path,
            })
        });
        let pending: Vec<_> = pending.collect();
        let mut written = write_group(&pending, self.args.existing(), self.times).into_iter();
        let each = many.iter().zip(&sidecars);
        let beside = each.map(|((data, finished), sidecar)| {
            let data = std::slice::from_ref(data);
            let put = match (sidecar, sidecar.as_ref().and_then(|_| written.next())) {
                (Some(sidecar), Some(written)) => {
                    written.map_err(Failure::from).map(|written| Put {
                        sidecars: vec![(sidecar.path().to_owned(), written)],
                        stores: Vec::new(),
                    })
                }
                _ => self.put_beside(data, finished),
            };
            Beside {
                data,
                finished,
                put,
            }
        });
        let mut beside: Vec<_> = beside.collect();
        self.put_into_stores(&mut beside);
        beside.into_iter().map(|one| one.put).collect()
    }

    /// The attestation file, if that is all that is written beside the data.
    fn alone_beside(&self, data: &Measured) -> Option<Sidecar> {
        // A folder has two files to be written, one before the other.
        let is_beside = !self.args.no_sidecar && self.args.out.is_none();
        let is_alone = is_beside && data.manifest.is_none();
        let path = is_alone.then(|| attestation_path(&data.path).ok())?;
        path.map(Sidecar::at)
    }
}
