//! The policy that may come along in a package, with the files that it names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::{Manifest, ManifestError};

use super::{Package, PackageError};
use crate::new_file::folder_of;

/// Where the files of the policy are.
pub(super) const TRUST: &str = "trust/";

/// Name of the policy among them.
const POLICY: &str = "policy.toml";

/// A policy and the files that it names, by their paths from its folder. Whoever sends a package
/// sends this as well, so it counts only for someone who knows its digest from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTrust {
    files: BTreeMap<String, Vec<u8>>,
    digest: Digest,
}

impl PackageTrust {
    /// Takes the policy and the files that it names.
    ///
    /// # Errors
    /// When a path cannot stand in a package, or two are of one file.
    pub fn new(
        policy: Vec<u8>,
        named: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, ManifestError> {
        let mut files: BTreeMap<_, _> = named.into_iter().collect();
        files.insert(POLICY.to_owned(), policy);
        Self::of(files)
    }

    fn of(files: BTreeMap<String, Vec<u8>>) -> Result<Self, ManifestError> {
        let digests = files.iter();
        let digests = digests.map(|(name, bytes)| (name.clone(), Digest::of(bytes)));
        let digest = Manifest::new(digests)?.dir_hash();
        Ok(Self { files, digest })
    }

    /// The digest of the files as a folder, by which a person names them.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Each file, by its name in a package.
    pub fn members(&self) -> impl Iterator<Item = (String, &[u8])> {
        let files = self.files.iter();
        files.map(|(name, bytes)| (format!("{TRUST}{name}"), bytes.as_slice()))
    }

    /// Writes the files into `folder`, where nothing is. Returns the path of the policy.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_into(&self, folder: &Path) -> io::Result<PathBuf> {
        for (name, bytes) in &self.files {
            // Neither a manifest nor a package's directory has a name that leads out of a folder.
            let path = folder.join(name);
            std::fs::create_dir_all(folder_of(&path))?;
            File::create_new(&path)?.write_all(bytes)?;
        }
        Ok(folder.join(POLICY))
    }
}

impl Package {
    /// The policy that came along, which nobody has a reason to believe yet; `None` without one.
    ///
    /// # Errors
    /// [`PackageError`] when it is larger than an attestation file may be, or cannot be read.
    pub fn unverified_trust(&self) -> Result<Option<PackageTrust>, PackageError> {
        let mut files = BTreeMap::new();
        let mut room = Limits::DEFAULT.sidecar_bytes;
        for entry in &self.entries {
            let Some(name) = entry.name.strip_prefix(TRUST) else {
                continue;
            };
            let bytes = self.document(&entry.name)?;
            room = room.checked_sub(bytes.len()).ok_or_else(|| {
                PackageError::Budget(format!("the files below {TRUST} are too large"))
            })?;
            files.insert(name.to_owned(), bytes);
        }
        if files.is_empty() {
            return Ok(None);
        }
        let trust = PackageTrust::of(files);
        trust
            .map(Some)
            .map_err(|error| PackageError::form(&error.to_string()))
    }
}
