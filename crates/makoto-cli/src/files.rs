//! Files known by what they are, whatever path or link leads to them.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use makoto_data::is_about_data;

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

/// Refuses to write a file that was asked for with `option` in the place of what is read, of an
/// attestation or a manifest, or of anything that is no plain file.
pub(crate) fn refuse_overwriting(
    option: &str,
    path: &Path,
    reads: &[&Path],
) -> Result<(), Failure> {
    let shown = Plain(&path.to_string_lossy()).to_string();
    // A link is replaced by the file, and what it leads to is left alone.
    let entry = std::fs::symlink_metadata(path);
    if entry.is_ok_and(|entry| !entry.is_file() && !entry.is_symlink()) {
        let message = format!("{option} {shown} is there and is no plain file");
        return Err(Failure::usage(message));
    }
    if is_about_data(path) || reads.iter().any(|read| same_file(read, path)) {
        return Err(Failure::usage(format!(
            "{option} {shown} is data that is read, or has the name of an attestation"
        ))
        .hint("name another file"));
    }
    Ok(())
}

/// The path from the root, with links resolved in all but its last part, which need not be there.
pub(crate) fn located(path: &Path) -> Option<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent == Path::new("") => {
            Some(Path::new(".").canonicalize().ok()?.join(name))
        }
        (Some(parent), Some(name)) => Some(parent.canonicalize().ok()?.join(name)),
        _ => path.canonicalize().ok(),
    }
}

/// Whether two paths name the same file, by whatever link.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    one == other || identity(one).is_some_and(|one| identity(other) == Some(one))
}
