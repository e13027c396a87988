//! The policy that may come along in a package, with the files that it names.

use std::collections::BTreeMap;

use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::{Manifest, ManifestError, check_path};
use makoto::policy::Policy;

use super::{Package, PackageError};

/// Where the files of the policy are.
const TRUST: &str = "trust/";

/// Name of the policy among them.
const POLICY: &str = "policy.toml";

/// A policy and the files that it names, by their paths from its folder. Whoever sends a package
/// sends this as well, so it counts only for someone who knows its digest from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTrust {
    files: BTreeMap<String, Vec<u8>>,
    digest: Digest,
}

/// Why a policy cannot travel with the files that it names.
#[derive(Debug, thiserror::Error)]
pub enum PackageTrustError {
    /// A file is not below the folder of the policy.
    #[error("{0:?} is not below its folder")]
    Elsewhere(String),
    /// A file has the name that the policy has in a package.
    #[error("a file that it names is called {POLICY}, as the policy is in a package")]
    Twice,
    /// Names that no folder can have.
    #[error(transparent)]
    Name(#[from] ManifestError),
}

impl PackageTrust {
    /// Takes the policy of these bytes, and the files that it names from `read`.
    ///
    /// # Errors
    /// [`PackageTrustError`] when they cannot travel together, and those of `read`.
    pub fn collect<E: From<PackageTrustError>>(
        bytes: Vec<u8>,
        policy: &Policy,
        mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut files = BTreeMap::new();
        for name in policy.files() {
            let plain = plain(name).ok_or_else(|| PackageTrustError::Elsewhere(name.to_owned()))?;
            if plain == POLICY {
                return Err(PackageTrustError::Twice.into());
            }
            if !files.contains_key(plain) {
                files.insert(plain.to_owned(), read(plain)?);
            }
        }
        files.insert(POLICY.to_owned(), bytes);
        Ok(Self::of(files).map_err(PackageTrustError::from)?)
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

    /// The bytes of the policy.
    pub fn policy(&self) -> &[u8] {
        self.files.get(POLICY).map_or(&[], Vec::as_slice)
    }

    /// The bytes of a file that the policy names; `None` when it is not there, or not below the
    /// policy's folder.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(plain(name)?).map(Vec::as_slice)
    }

    /// The paths of the files that the policy names, from its folder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.files.keys().map(String::as_str);
        names.filter(|name| *name != POLICY)
    }

    /// Each file, by its name in a package.
    pub fn members(&self) -> impl Iterator<Item = (String, &[u8])> {
        let files = self.files.iter();
        files.map(|(name, bytes)| (format!("{TRUST}{name}"), bytes.as_slice()))
    }
}

/// A path below the policy's folder, without `./`.
fn plain(name: &str) -> Option<&str> {
    let name = name.trim_start_matches("./");
    check_path(name).is_ok().then_some(name)
}

impl Package {
    /// The policy that came along, which nobody has a reason to believe yet; `None` without one
    /// that can be read. What else lies below `trust/` belongs to it no more than any data.
    ///
    /// # Errors
    /// [`PackageError`] when it is larger than an attestation file may be, or is not what the
    /// directory says.
    pub fn unverified_trust(&self) -> Result<Option<PackageTrust>, PackageError> {
        let mut room = Limits::DEFAULT.sidecar_bytes;
        let mut read = |name: &str| {
            let member = format!("{TRUST}{name}");
            if !self.by_name.contains_key(&member) {
                return Ok(None);
            }
            let bytes = self.document(&member)?;
            room = room.checked_sub(bytes.len()).ok_or_else(|| {
                PackageError::Budget(format!(
                    "the files of the policy below {TRUST} are too large"
                ))
            })?;
            Ok::<_, PackageError>(Some(bytes))
        };
        let Some(bytes) = read(POLICY)? else {
            return Ok(None);
        };
        let Ok(policy) = Policy::read(&bytes, &Limits::DEFAULT) else {
            return Ok(None);
        };
        let mut files = BTreeMap::new();
        files.insert(POLICY.to_owned(), bytes);
        for name in policy.files().filter_map(plain) {
            // A policy may name one file a thousand times, and it is inflated once.
            if files.contains_key(name) {
                continue;
            }
            if let Some(bytes) = read(name)? {
                files.insert(name.to_owned(), bytes);
            }
        }
        let trust = PackageTrust::of(files);
        trust
            .map(Some)
            .map_err(|error| PackageError::form(&error.to_string()))
    }
}
