//! What `attest origin`, `attest transform` and `run` have in common: where a statement goes
//! and what is said about it.

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::{Json, Object};
use makoto::limits::Limits;
use makoto_data::{Existing, Sidecar, attestation_path, manifest_path};

use super::store::StoreArgs;
use crate::failure::Failure;
use crate::files::Files;
use crate::screen::Plain;

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
        let mut data = Files::default();
        for output in outputs {
            if !data.insert(output) {
                let shown = output.to_string_lossy();
                return Err(Failure::usage(format!("{} is given twice", Plain(&shown))));
            }
        }
        for input in inputs {
            data.insert(input);
        }
        let all: Vec<_> = inputs.iter().chain(outputs).map(PathBuf::as_path).collect();
        self.refuse_places(&all)?;
        let paths: Vec<_> = outputs.iter().map(PathBuf::as_path).collect();
        let sidecars = self.sidecars(&paths)?;
        let manifests: Result<Vec<_>, _> = paths.iter().map(|path| manifest_path(path)).collect();
        let places = sidecars.iter().map(Sidecar::path).map(Path::to_owned);
        for place in places.chain(manifests?) {
            data.refuse_place(&place)?;
        }
        Ok(())
    }

    /// Refuses to write nowhere, and into stores that lie in the data or cannot be written.
    pub(crate) fn refuse_places(&self, data: &[&Path]) -> Result<(), Failure> {
        if self.no_sidecar && self.store.roots().0.is_empty() {
            return Err(
                Failure::usage("with --no-sidecar and no store, nothing would be written")
                    .hint("name a store with --store DIR"),
            );
        }
        self.store.rehearse(data)
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

/// Adds `KEY=VALUE` arguments to an object; `5` is a number and `abc` a string, as one would
/// think.
pub(crate) fn add_json(
    members: &mut Object,
    pairs: &[(String, String)],
    what: &str,
) -> Result<(), Failure> {
    for (key, value) in pairs {
        let json = Json::parse(value.as_bytes(), &Limits::DEFAULT);
        let value = json.unwrap_or_else(|_| value.as_str().into());
        if members.insert(key, value).is_some() {
            return Err(Failure::usage(format!("{what} {key:?} is given twice")));
        }
    }
    Ok(())
}
