//! Where a command looks for attestations.

use std::path::{Path, PathBuf};

use clap::Args;
use makoto_data::{Catalog, Recursion, attestation_path};

use crate::command::store::StoreArgs;
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Where attestations are looked for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Finding attestations")]
pub(crate) struct CatalogArgs {
    #[command(flatten)]
    stores: StoreArgs,

    /// Look in this folder and all below it (repeatable)
    #[arg(long = "in", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl CatalogArgs {
    /// Everything that may hold attestations: beside the files at `near`, in their folders, and
    /// where the options say. Without a file, in the current folder.
    pub(crate) fn catalog(&self, near: &[&Path]) -> Result<Catalog, Failure> {
        let mut catalog = self.stores.catalog()?;
        for file in near {
            catalog.add_sidecar(&attestation_path(file)?)?;
        }
        let mut beside: Vec<_> = near.iter().map(|file| folder_of(file)).collect();
        if near.is_empty() {
            beside.push(PathBuf::from("."));
        }
        for folder in beside {
            catalog.add_folder(&folder, Recursion::FolderOnly)?;
        }
        for folder in &self.folders {
            catalog.add_folder(folder, Recursion::FoldersBelow)?;
        }
        for (path, why) in catalog.skipped() {
            let path = path.to_string();
            screen::note(format!("note: skipped {}: {}", Plain(&path), Plain(why)));
        }
        Ok(catalog)
    }
}

/// The folder that `path` lies in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
