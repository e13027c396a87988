//! `makoto attest origin` for many datasets.

use std::path::Path;

use makoto::datetime::DateTime;
use makoto_data::{Progress, attestation_path, manifest_path};

use super::Origin;
use crate::batch::{Batch, Done};
use crate::command::Output;
use crate::dataset::{BadRecords, Measured};
use crate::defaults::DefaultsOfMany;
use crate::draft::Finished;
use crate::failure::Failure;
use crate::files::Files;
use crate::naming::is_template;
use crate::selection::Many;

/// What is said once of all old data in a batch.
const OLD_DATA: &str = "note: some data was last written more than a day from the collection \
                        time; --collected-at gives the real one";

impl Origin {
    pub(super) fn attest_many(
        &self,
        many: Many,
        stamp: &DateTime,
        output: Output,
    ) -> Result<u8, Failure> {
        self.refuse_many()?;
        self.write.refuse_places(&many.places())?;
        let fail_fast = many.fail_fast;
        let batch = Batch::new(many, output);
        let defaults = DefaultsOfMany::find(&self.config, batch.paths());
        if self.name.is_none() {
            defaults.refuse_one_name(batch.paths())?;
        }
        let mut data = Files::default();
        for path in batch.paths() {
            data.insert(path);
        }
        let writing = self.writing(output);
        let prepare = |path: &Path, progress: &Progress<'_>| {
            self.refuse_place_beside(path, &data)?;
            let defaults = defaults.at(path)?;
            let said = self.said(&defaults)?;
            let records = BadRecords::Refuse;
            let data = Measured::read_telling(path, &self.records, records, progress)?;
            let finished = self.statement(&data, said, &defaults, stamp)?;
            if fail_fast {
                // Written together, others would follow the first that cannot be.
                writing.plan(std::slice::from_ref(&data), &finished)?;
            }
            Ok((data, finished))
        };
        let complete = |ready: Vec<(&Path, (Measured, Finished))>| {
            let ready: Vec<_> = ready.into_iter().map(|(_, one)| one).collect();
            let all = writing.put_many(&ready);
            let each = ready.iter().zip(all);
            each.map(|((data, finished), put)| match put {
                Ok(put) => {
                    let mut done = writing.done(data, finished, &put);
                    if self.written_long_before(data, stamp).is_some() {
                        done.notes.push(OLD_DATA.to_owned());
                    }
                    done
                }
                Err(failure) => Done::failed(&data.path, failure),
            })
            .collect()
        };
        Ok(batch.run(prepare, complete))
    }

    /// Refuses options that are about one dataset.
    fn refuse_many(&self) -> Result<(), Failure> {
        self.pipe.refuse_without_pipe()?;
        if self.write.out.is_some() {
            return Err(
                Failure::usage("--out names one file, and there may be many datasets")
                    .hint("leave --out away: each attestation is written beside its data"),
            );
        }
        match self.name.as_deref().filter(|name| !is_template(name)) {
            Some(name) => Err(Failure::usage(format!(
                "--name {name:?} would be the name of many datasets"
            ))
            .hint("use {stem} or {file} in it, which stand for the name of each file")),
            None => Ok(()),
        }
    }

    /// Refuses to write beside the dataset at `path` where other data is.
    fn refuse_place_beside(&self, path: &Path, data: &Files) -> Result<(), Failure> {
        if self.write.no_sidecar {
            return Ok(());
        }
        data.refuse_place(&attestation_path(path)?)?;
        match path.is_dir() && !self.write.no_manifest {
            true => data.refuse_place(&manifest_path(path)?),
            false => Ok(()),
        }
    }
}
