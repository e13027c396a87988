//! A dataset that a command is about: data, or its digest.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto_data::{Catalog, Links, attestation_path, digest_file, digest_folder};

use crate::failure::Failure;
use crate::progress::Bar;
use crate::screen::Plain;

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
                let sha256 = digest_of(path)?;
                refuse_other_bytes(path, &sha256, catalog)?;
                Ok(sha256)
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
fn digest_of(path: &Path) -> Result<Digest, Failure> {
    let bar = Bar::reading(path);
    let progress = |bytes| bar.add(bytes);
    match path.is_dir() {
        true => Ok(digest_folder(path, Links::Refuse, &progress)?
            .manifest
            .dir_hash()),
        false => Ok(digest_file(path, None, &progress, None)?.sha256),
    }
}

/// Data whose own attestation is about other bytes is not what it was attested to be; nothing
/// should be told about it as if nobody had attested it.
fn refuse_other_bytes(path: &Path, sha256: &Digest, catalog: &Catalog) -> Result<(), Failure> {
    let sidecar = attestation_path(path)?;
    if !catalog.about(sha256)?.is_empty() || !sidecar.exists() {
        return Ok(());
    }
    let shown = path.to_string_lossy();
    Err(Failure::contradiction(format!(
        "{} is not what its attestation says: the data has sha256 {sha256}",
        Plain(&shown)
    ))
    .hint("see `makoto verify` on it"))
}
