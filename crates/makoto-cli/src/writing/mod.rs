//! Putting statements where they belong, and telling what was done.

mod done;
mod many;
mod stored;
mod told;

use std::path::{Path, PathBuf};

use makoto::statement::Times;
use makoto_data::{Sidecar, Written, plan_manifest, write_manifest};

pub(crate) use told::{tell_masked, told_as_json};

use crate::command::Output;
use crate::command::attest::WriteArgs;
use crate::command::store::InStore;
use crate::dataset::Measured;
use crate::draft::Finished;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use stored::Beside;
use told::{from_file, not_given, word};

/// How a statement is written.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) args: &'a WriteArgs,
    pub(crate) times: Times,
    pub(crate) output: Output,
}

/// Where a statement is now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Put {
    /// Attestation files, with what became of each.
    pub(crate) sidecars: Vec<(PathBuf, Written)>,
    /// Stores.
    pub(crate) stores: Vec<InStore>,
}

impl Writing<'_> {
    /// Writes the statement beside each of `data` and into the stores, after looking whether all
    /// can be written, and tells what was done.
    pub(crate) fn write(&self, data: &[Measured], finished: &Finished) -> Result<(), Failure> {
        let put = self.put(data, finished)?;
        self.tell(data, finished, &put);
        Ok(())
    }

    /// What [`Writing::put`] would do, without doing it.
    pub(crate) fn plan(
        &self,
        data: &[Measured],
        finished: &Finished,
    ) -> Result<Vec<Written>, Failure> {
        let existing = self.args.existing();
        let sidecars = self.sidecars(data)?;
        let plan = |sidecar: &Sidecar| sidecar.plan(&finished.bytes, existing, self.times);
        let planned: Result<Vec<_>, _> = sidecars.iter().map(plan).collect();
        let planned = planned?;
        for (folder, manifest) in self.manifests(data) {
            plan_manifest(folder, manifest, existing)?;
        }
        Ok(planned)
    }

    fn sidecars(&self, data: &[Measured]) -> Result<Vec<Sidecar>, Failure> {
        let paths: Vec<_> = data.iter().map(|data| data.path.as_path()).collect();
        self.args.sidecars(&paths)
    }

    /// Manifests that are written beside folders.
    fn manifests<'d>(
        &self,
        data: &'d [Measured],
    ) -> impl Iterator<Item = (&'d Path, &'d makoto::manifest::Manifest)> {
        let beside = !self.args.no_manifest && !self.args.no_sidecar;
        let data = data.iter().filter(move |_| beside);
        data.filter_map(|data| Some((data.path.as_path(), data.manifest.as_ref()?)))
    }

    /// Writes the statement beside each of `data` and into the stores, after looking whether all
    /// can be written.
    pub(crate) fn put(&self, data: &[Measured], finished: &Finished) -> Result<Put, Failure> {
        let mut beside = Beside {
            data,
            finished,
            put: self.put_beside(data, finished),
        };
        self.put_into_stores(std::slice::from_mut(&mut beside));
        beside.put
    }

    fn put_beside(&self, data: &[Measured], finished: &Finished) -> Result<Put, Failure> {
        self.plan(data, finished)?;
        let existing = self.args.existing();
        for (folder, manifest) in self.manifests(data) {
            write_manifest(folder, manifest, existing)?;
        }
        let mut put = Put::default();
        for (index, sidecar) in self.sidecars(data)?.iter().enumerate() {
            let readers = data.get(index).or(data.first());
            let readers = readers.map_or(sidecar.path(), |data| data.path.as_path());
            let written = sidecar.write(&finished.bytes, readers, existing, self.times)?;
            put.sidecars.push((sidecar.path().to_owned(), written));
        }
        Ok(put)
    }

    fn tell(&self, data: &[Measured], finished: &Finished, put: &Put) {
        finished.masked.iter().for_each(tell_masked);
        from_file(finished).into_iter().for_each(screen::note);
        if self.output == Output::Json {
            screen::json(&told_as_json(finished, put));
            return;
        }
        self.show(data, put);
        not_given(finished).into_iter().for_each(screen::note);
    }

    /// Shows what was measured and what became of the attestations.
    pub(crate) fn show(&self, data: &[Measured], put: &Put) {
        let say = |line: String| match self.output {
            Output::Aside => screen::note(line),
            _ => screen::result(line),
        };
        for data in data {
            let shown = data.path.to_string_lossy();
            say(format!("{}: sha256 {}", Plain(&shown), data.sha256));
            if let Some((_, records)) = &data.records {
                say(format!(
                    "  records:     {}, root {}",
                    records.count, records.root
                ));
            }
            if let Some(manifest) = &data.manifest {
                say(format!("  files:       {}", manifest.len()));
            }
        }
        for (path, written) in &put.sidecars {
            let word = word(written.outcome);
            let path = path.to_string_lossy();
            say(format!("  attestation: {} ({word})", Plain(&path)));
        }
        let (_, by_environment) = self.args.store.roots();
        let why = if by_environment {
            ", named by MAKOTO_STORE"
        } else {
            ""
        };
        for one in &put.stores {
            let (root, word) = (one.root.to_string_lossy(), one.word());
            say(format!("  store:       {} ({word}{why})", Plain(&root)));
        }
    }
}
