//! What `attest origin`, `attest transform` and `run` have in common: where a statement goes
//! and what is said about it.

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::statement::{Times, same_facts};
use makoto_data::{
    Existing, Outcome, Sidecar, Store, Written, attestation_path, manifest_path, write_manifest,
};

use super::Output;
use super::store::{InStore, StoreArgs};
use crate::dataset::{Measured, same_file};
use crate::draft::Finished;
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Where and how the attestation is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing")]
pub(crate) struct WriteArgs {
    /// Write the attestation here instead of beside the data (DATA.attestation)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Replace an attestation that says something else
    #[arg(long, conflicts_with = "append")]
    pub(crate) replace: bool,

    /// Add to an attestation that says something else, as a further line
    #[arg(long)]
    pub(crate) append: bool,

    /// Do not write FOLDER.manifest, which lets `verify` name the files that differ
    #[arg(long)]
    pub(crate) no_manifest: bool,

    /// Write nothing beside the data, only into the store
    #[arg(long, conflicts_with_all = ["out", "replace", "append"])]
    pub(crate) no_sidecar: bool,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

impl WriteArgs {
    pub(crate) fn existing(&self) -> Existing {
        match (self.replace, self.append) {
            (true, _) => Existing::Replace,
            (_, true) => Existing::Append,
            _ => Existing::Keep,
        }
    }

    /// Refuses to write an attestation or a manifest in the place of data that is read or
    /// written, and data that is written twice.
    pub(crate) fn refuse_collisions(
        &self,
        inputs: &[PathBuf],
        outputs: &[PathBuf],
    ) -> Result<(), Failure> {
        for (index, output) in outputs.iter().enumerate() {
            if outputs[..index]
                .iter()
                .any(|other| same_file(other, output))
            {
                let shown = output.to_string_lossy();
                return Err(Failure::usage(format!("{} is given twice", Plain(&shown))));
            }
        }
        let paths: Vec<_> = outputs.iter().map(PathBuf::as_path).collect();
        if self.no_sidecar && self.store.roots().0.is_empty() {
            return Err(
                Failure::usage("with --no-sidecar and no store, nothing would be written")
                    .hint("name a store with --store DIR"),
            );
        }
        let data: Vec<_> = inputs.iter().chain(outputs).map(PathBuf::as_path).collect();
        self.store.rehearse(&data)?;
        let sidecars = self.sidecars(&paths)?;
        let manifests: Result<Vec<_>, _> = paths.iter().map(|path| manifest_path(path)).collect();
        let places = sidecars.iter().map(Sidecar::path).map(Path::to_owned);
        for place in places.chain(manifests?) {
            let data = inputs.iter().chain(outputs);
            if let Some(data) = data.into_iter().find(|data| same_file(data, &place)) {
                let shown = data.to_string_lossy();
                return Err(Failure::usage(format!(
                    "{} is data, and its name is that of an attestation to be written",
                    Plain(&shown)
                ))
                .hint("rename the data, or name another file with --out"));
            }
        }
        Ok(())
    }

    /// The attestation files for these datasets: beside each, or the one that was named.
    pub(crate) fn sidecars(&self, data: &[&Path]) -> Result<Vec<Sidecar>, Failure> {
        match &self.out {
            _ if self.no_sidecar => Ok(Vec::new()),
            Some(out) => Ok(vec![Sidecar::at(out.clone())]),
            None => {
                let beside = data
                    .iter()
                    .map(|path| Ok(Sidecar::at(attestation_path(path)?)));
                beside.collect()
            }
        }
    }
}

/// Options of every statement about who made it and how.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) args: &'a WriteArgs,
    pub(crate) times: Times,
    pub(crate) output: Output,
}

impl Writing<'_> {
    /// Writes the statement beside each of `data`, after looking whether all can be written,
    /// and tells what was done.
    pub(crate) fn write(&self, data: &[Measured], finished: &Finished) -> Result<(), Failure> {
        let paths: Vec<_> = data.iter().map(|data| data.path.as_path()).collect();
        let sidecars = self.args.sidecars(&paths)?;
        let existing = self.args.existing();
        for sidecar in &sidecars {
            sidecar.plan(&finished.bytes, existing, self.times)?;
        }
        let beside = !self.args.no_manifest && !self.args.no_sidecar;
        for folder in data.iter().filter(|_| beside) {
            if let Some(manifest) = &folder.manifest {
                write_manifest(&folder.path, manifest, existing)?;
            }
        }
        let mut written = Vec::new();
        for (index, sidecar) in sidecars.iter().enumerate() {
            let readers = paths
                .get(index)
                .or(paths.first())
                .copied()
                .unwrap_or(sidecar.path());
            written.push((
                sidecar.path().to_owned(),
                sidecar.write(&finished.bytes, readers, existing, self.times)?,
            ));
        }
        let in_stores = self.put_into_stores(data, finished, &written).map_err(|failure| {
            match (written.is_empty(), &failure.hint) {
                (true, _) | (_, Some(_)) => failure,
                (false, None) => failure.hint(
                    "the attestation beside the data was written; run the command again when the store can be",
                ),
            }
        })?;
        self.tell(data, finished, &written, &in_stores);
        Ok(())
    }

    /// Puts the statement that the sidecars now have into the stores.
    fn put_into_stores(
        &self,
        data: &[Measured],
        finished: &Finished,
        written: &[(PathBuf, Written)],
    ) -> Result<Vec<InStore>, Failure> {
        let mut all = Vec::new();
        for store in self.args.store.create()? {
            let mut documents = Vec::new();
            for (path, written) in written {
                documents.push(self.document(finished, path, written)?);
            }
            if documents.is_empty() {
                let known = self.known(&store, data, finished)?;
                documents.push(known.unwrap_or_else(|| finished.bytes.clone()));
            }
            documents.dedup();
            all.extend(InStore::put(&[store], &documents)?);
        }
        Ok(all)
    }

    /// The document of the statement that a sidecar has: one that was there already keeps its
    /// moments, and must not come into the store under another id.
    fn document(
        &self,
        finished: &Finished,
        path: &Path,
        written: &Written,
    ) -> Result<Vec<u8>, Failure> {
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
            if same_facts(
                &there.attestation.statement,
                &finished.statement,
                self.times,
            ) {
                return Ok(Sidecar::at(there.place.file().to_owned()).read()?);
            }
        }
        Ok(None)
    }

    fn tell(
        &self,
        data: &[Measured],
        finished: &Finished,
        written: &[(PathBuf, Written)],
        in_stores: &[InStore],
    ) {
        for masked in &finished.masked {
            screen::note(format!(
                "masked: {} ({}); the value is not in the statement",
                Plain(&masked.path),
                Plain(&masked.why)
            ));
        }
        if self.output == Output::Json {
            screen::json(&told_as_json(finished, written, in_stores));
            return;
        }
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
        for (path, written) in written {
            let word = word(written.outcome);
            let path = path.to_string_lossy();
            say(format!("  attestation: {} ({word})", Plain(&path)));
        }
        let (_, by_environment) = self.args.store.roots();
        for one in in_stores {
            let (root, word) = (one.root.to_string_lossy(), one.word());
            let why = if by_environment {
                ", named by MAKOTO_STORE"
            } else {
                ""
            };
            say(format!("  store:       {} ({word}{why})", Plain(&root)));
        }
        // What the data does not have, such as records, nobody can give.
        let can_be_given = |path: &&str| path.starts_with("predicate.");
        let paths = finished.warnings.iter().map(|check| check.path.as_str());
        let paths: Vec<_> = paths.filter(can_be_given).collect();
        if !paths.is_empty() {
            screen::note(format!(
                "note: recommended and not given: {}",
                Plain(&paths.join(", "))
            ));
        }
    }
}

fn told_as_json(
    finished: &Finished,
    written: &[(PathBuf, Written)],
    in_stores: &[InStore],
) -> Json {
    let written = written.iter().map(|(path, written)| {
        Json::from([
            ("path", path.to_string_lossy().into_owned().into()),
            ("outcome", word(written.outcome).into()),
            ("attestation", format!("sha256:{}", written.id).into()),
        ])
    });
    let stored = in_stores.iter().map(|one| {
        Json::from([
            ("store", one.root.to_string_lossy().into_owned().into()),
            ("path", one.path.to_string_lossy().into_owned().into()),
            ("outcome", one.word().into()),
            ("attestation", format!("sha256:{}", one.stored.id).into()),
        ])
    });
    let masked = finished.masked.iter().map(|masked| {
        Json::from([
            ("path", masked.path.as_str().into()),
            ("why", masked.why.as_str().into()),
        ])
    });
    let warnings = finished.warnings.iter().map(|check| {
        Json::from([
            ("id", check.id.into()),
            ("path", check.path.as_str().into()),
            ("message", check.message.as_str().into()),
        ])
    });
    let subject = finished.statement.get("subject");
    Json::from([
        ("subject", subject.cloned().into()),
        ("written", written.chain(stored).collect()),
        ("masked", masked.collect()),
        ("warnings", warnings.collect()),
    ])
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
        Outcome::Appended => "appended",
    }
}

/// A `KEY=VALUE` argument.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("needed KEY=VALUE".to_owned()),
    }
}

/// An object of strings from `KEY=VALUE` arguments; `None` when there are none.
pub(crate) fn string_map(pairs: &[(String, String)]) -> Option<Json> {
    let members = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    (!pairs.is_empty()).then(|| Json::Object(members.collect()))
}
