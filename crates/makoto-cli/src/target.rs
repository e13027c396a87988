//! A dataset that a command is about: data, or its digest.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto_data::{Catalog, Dataset, Links, Package, Place, attestation_path, digest_file};

use crate::command::package::is_package;

use crate::failure::Failure;
use crate::progress::Bar;
use crate::screen::Plain;
use crate::table::attested_folder;

/// Data at a path, or `sha256:HEX` of it.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A file or folder.
    Data(PathBuf),
    /// A digest: of data, or the id of an attestation of it.
    Digest(Digest),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = Path::new(text).symlink_metadata().is_ok();
        let digest = match text.strip_prefix("sha256:") {
            Some(hex) => Some(hex.parse::<Digest>().map_err(|error| error.to_string())),
            None => Attestation::pinned_id(text).map(Ok),
        };
        match digest {
            Some(digest) if !is_path => Ok(Self::Digest(digest?)),
            _ => Ok(Self::Data(text.into())),
        }
    }
}

impl Target {
    /// The data, if it is named by its path.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Data(path) => Some(path),
            Self::Digest(_) => None,
        }
    }

    /// How it was named, for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Data(path) => path.to_string_lossy().into_owned(),
            Self::Digest(digest) => format!("sha256:{digest}"),
        }
    }

    /// SHA-256 of the data. An attestation id stands for the data that the attestation is about,
    /// if that is one dataset.
    pub(crate) fn sha256(&self, catalog: &Catalog) -> Result<Digest, Failure> {
        match self {
            Self::Data(path) => {
                let sha256 = digest_of(path, catalog)?;
                if !catalog.about(&sha256)?.is_empty() {
                    return Ok(sha256);
                }
                match in_package(path, catalog)? {
                    Some(packed) => Ok(packed),
                    None => {
                        refuse_other_bytes(path, &sha256, catalog)?;
                        Ok(sha256)
                    }
                }
            }
            Self::Digest(digest) => {
                let named = match catalog.about(digest)?.is_empty() {
                    true => catalog.with_id(digest)?,
                    false => None,
                };
                let Some(found) = named else {
                    return Ok(*digest);
                };
                let mut subjects: Vec<_> = found.attestation.subjects().collect();
                subjects.sort_unstable();
                subjects.dedup();
                match subjects[..] {
                    [one] => Ok(one),
                    _ => Err(Failure::usage(format!(
                        "sha256:{digest} is an attestation of {} datasets",
                        subjects.len()
                    ))
                    .hint("name the digest of one of them")),
                }
            }
        }
    }
}

/// SHA-256 of a file, or dirHash of a folder.
fn digest_of(path: &Path, catalog: &Catalog) -> Result<Digest, Failure> {
    if path.is_dir() {
        let (folder, _) = attested_folder(path, Links::Refuse, catalog)?;
        return Ok(folder.manifest.dir_hash());
    }
    let bar = Bar::reading(path);
    Ok(digest_file(path, None, &|bytes| bar.add(bytes), None)?.sha256)
}

/// SHA-256 of the one dataset in the package at `path`; `None` when it is no package.
fn in_package(path: &Path, catalog: &Catalog) -> Result<Option<Digest>, Failure> {
    if !path.is_file() || !is_package(path)? {
        return Ok(None);
    }
    // Why it is none was told when it was looked through.
    let Ok(package) = Package::open(path) else {
        return Ok(None);
    };
    let shown = path.to_string_lossy();
    let shown = Plain(&shown);
    let datasets = package.datasets(package.unverified_trust()?.as_ref());
    let [dataset] = datasets.as_slice() else {
        let count = datasets.len();
        return Err(
            Failure::usage(format!("the package {shown} holds {count} datasets")).hint(format!(
                "name one of them by its digest: sha256:HEX --in {shown}"
            )),
        );
    };
    let bar = Bar::reading(path);
    let progress = |bytes| bar.add(bytes);
    let sha256 = match dataset {
        Dataset::File { member } => package
            .digest(member, None, &progress)
            .map(|found| found.sha256),
        Dataset::Folder { prefix } => package
            .digest_folder(prefix, &progress)
            .map(|found| found.dir_hash()),
    };
    let sha256 = sha256.map_err(|error| {
        let why = error.to_string();
        Failure::usage(format!("{shown} {}", Plain(&why)))
    })?;
    match catalog.about(&sha256)?.is_empty() {
        false => Ok(Some(sha256)),
        true => Err(Failure::contradiction(format!(
            "{} in the package {shown} is not what its attestation says: it has sha256 {sha256}",
            Plain(dataset.name())
        ))
        .hint("see `makoto verify` on it")),
    }
}

/// Data whose own attestation is about other bytes, or cannot be read, is not what it was
/// attested to be; nothing should be told about it as if nobody had attested it.
fn refuse_other_bytes(path: &Path, sha256: &Digest, catalog: &Catalog) -> Result<(), Failure> {
    let sidecar = attestation_path(path)?;
    if sidecar.symlink_metadata().is_err() {
        return Ok(());
    }
    let shown = path.to_string_lossy();
    let shown = Plain(&shown);
    let is_it = |place: &Place| matches!(place, Place::Sidecar(file) if *file == sidecar);
    let failure = match catalog.skipped().find(|(place, _)| is_it(place)) {
        Some((_, why)) => Failure::usage(format!(
            "the attestation beside {shown} cannot be used: it {}",
            Plain(why)
        )),
        None => Failure::contradiction(format!(
            "{shown} is not what its attestation says: the data has sha256 {sha256}"
        )),
    };
    Err(failure.hint("see `makoto verify` on it"))
}
