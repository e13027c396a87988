//! Files known by what they are, whatever path or link leads to them.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::screen::Plain;

/// A set of files and folders. Looking one up costs the same however many there are.
#[derive(Debug, Default)]
pub(crate) struct Files {
    by_identity: HashMap<(u64, u64), PathBuf>,
    /// Those that are not there (yet).
    by_path: HashSet<PathBuf>,
}

impl Files {
    /// Adds the file at `path`. Returns false when it is in the set already.
    pub(crate) fn insert(&mut self, path: &Path) -> bool {
        match identity(path) {
            Some(identity) => {
                let before = self.by_identity.insert(identity, path.to_owned());
                before.is_none()
            }
            None => self.by_path.insert(path.to_owned()),
        }
    }

    /// The path by which the file at `path` came into the set, if it is there.
    pub(crate) fn find(&self, path: &Path) -> Option<&Path> {
        match identity(path) {
            Some(identity) => self.by_identity.get(&identity).map(PathBuf::as_path),
            None => self.by_path.get(path).map(PathBuf::as_path),
        }
    }

    /// Refuses to write an attestation or a manifest at `place` when that is data of the set.
    pub(crate) fn refuse_place(&self, place: &Path) -> Result<(), Failure> {
        let Some(data) = self.find(place) else {
            return Ok(());
        };
        let shown = data.to_string_lossy();
        Err(Failure::usage(format!(
            "{} is data, and its name is that of an attestation to be written",
            Plain(&shown)
        ))
        .hint("rename the data, or name another file with --out"))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
