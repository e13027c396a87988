//! Where a command looks for attestations.

use std::path::{Path, PathBuf};

use clap::Args;
use makoto_data::{Catalog, Package, PackageError, Recursion, attestation_path};

use crate::command::package::is_package;
use crate::command::store::StoreArgs;
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Where attestations are looked for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Finding attestations")]
pub(crate) struct CatalogArgs {
    #[command(flatten)]
    stores: StoreArgs,

    /// Look in this folder and all below it, or in this package (repeatable)
    #[arg(long = "in", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl CatalogArgs {
    /// The stores alone.
    pub(crate) fn stores(&self) -> &StoreArgs {
        &self.stores
    }

    /// Everything that may hold attestations: beside the files at `near`, in them if they are
    /// packages, in their folders, and where the options say. Without a file, in the current folder.
    pub(crate) fn catalog(&self, near: &[&Path]) -> Result<Catalog, Failure> {
        let mut catalog = self.stores.catalog()?;
        for file in near {
            catalog.add_sidecar(&attestation_path(file)?)?;
            // Any ZIP file may be data, so one that is no package is no error.
            if file.is_file()
                && is_package(file)?
                && let Err(error) = add_package(&mut catalog, file)
            {
                let shown = file.to_string_lossy();
                let why = error.to_string();
                screen::note(format!(
                    "note: as a package, {} {}",
                    Plain(&shown),
                    Plain(&why)
                ));
            }
        }
        let mut beside: Vec<_> = near.iter().map(|file| folder_of(file)).collect();
        if near.is_empty() {
            beside.push(PathBuf::from("."));
        }
        for folder in beside {
            catalog.add_folder(&folder, Recursion::FolderOnly)?;
        }
        for folder in &self.folders {
            if folder.is_file() {
                add_package(&mut catalog, folder).map_err(|error| {
                    let shown = folder.to_string_lossy();
                    let why = error.to_string();
                    Failure::usage(format!("{} {}", Plain(&shown), Plain(&why)))
                        .hint("--in takes a folder or a package")
                })?;
                continue;
            }
            catalog.add_folder(folder, Recursion::FoldersBelow)?;
        }
        for (path, why) in catalog.skipped() {
            let path = path.to_string();
            screen::note(format!("note: skipped {}: {}", Plain(&path), Plain(why)));
        }
        Ok(catalog)
    }
}

fn add_package(catalog: &mut Catalog, path: &Path) -> Result<(), PackageError> {
    catalog.add_package(&Package::open(path)?)
}

/// The folder that `path` lies in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
