//! Where the `makoto.toml` for some data is, and its bytes.
//!
//! It is looked for in the folder that the data is in, then in the folders above; the first one
//! that is found wins. What data lies in decides what is said about it, so a file that somebody
//! else could have put there is not taken.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use makoto::config::FILE_NAME;
use makoto::limits::Limits;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::FileKind;
use crate::new_file::folder_of;

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// The folder that it is in, without links and `..`.
    pub folder: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where a configuration file was looked for, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The folders that were looked in, in order.
    pub folders: Vec<PathBuf>,
    /// Why the search ended before the root, if it did and nothing was found.
    pub stopped: Option<Stopped>,
    /// The file.
    pub found: Option<ConfigFile>,
}

/// A folder in which others may put files, so that nothing in it or above it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The folder.
    pub folder: PathBuf,
    /// Whether there is a file that was passed over.
    pub passed_over: bool,
}

/// Why a configuration file that is there was not read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It is a link, and nobody named it.
    #[error("{} is a link", path.display())]
    Link {
        /// The file.
        path: PathBuf,
    },
    /// It is something else than a file.
    #[error("{} is {kind}, needed a regular file", path.display())]
    NotRegular {
        /// What was found.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// It is larger than the budget.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The budget.
        limit: usize,
    },
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The place of `data` without links and `..` in the folders above it; its own entry is not
/// followed. Folders that are still to be made are taken as they are written. `None` when no
/// folder is there at all.
pub fn place_of(data: &Path) -> Option<PathBuf> {
    let plain: PathBuf = data.components().collect();
    match plain.file_name() {
        Some(name) => {
            let folder = folder_of(&plain);
            let there = folder.canonicalize().ok();
            Some(there.or_else(|| place_of(folder))?.join(name))
        }
        // `.` and `..` have no name of their own.
        None => data.canonicalize().ok(),
    }
}

/// Looks for the configuration file of `data`: beside it, and in the folders above.
///
/// The search ends at the root, and at a folder that anyone may write to and that belongs to
/// another user, or that holds a configuration file of another user.
///
/// # Errors
/// [`ConfigFileError`] when a file is there and cannot be read; it is not passed over.
pub fn find_config(data: &Path) -> Result<Search, ConfigFileError> {
    let mut search = Search::default();
    let Some(place) = place_of(data) else {
        return Ok(search);
    };
    for folder in place.ancestors().skip(1) {
        let path = folder.join(FILE_NAME);
        let entry = match std::fs::symlink_metadata(&path) {
            Ok(entry) => Some(entry),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refused(&path)(error)),
        };
        let own = match std::fs::metadata(folder) {
            Ok(own) => own,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(refused(folder)(error)),
        };
        let user = rustix::process::geteuid().as_raw();
        let anyone_writes = own.mode() & 0o002 != 0;
        let by_others = own.uid() != user || entry.as_ref().is_some_and(|e| e.uid() != user);
        if anyone_writes && by_others {
            search.stopped = Some(Stopped {
                folder: folder.to_owned(),
                passed_over: entry.is_some(),
            });
            return Ok(search);
        }
        search.folders.push(folder.to_owned());
        if entry.is_some() {
            search.found = Some(read(path, OFlags::NOFOLLOW)?);
            return Ok(search);
        }
    }
    Ok(search)
}

/// Reads the configuration file at `path`, which somebody named, so that links are followed.
///
/// # Errors
/// [`ConfigFileError`], also when it is not there.
pub fn read_config(path: &Path) -> Result<ConfigFile, ConfigFileError> {
    read(path.to_owned(), OFlags::empty())
}

fn read(path: PathBuf, more: OFlags) -> Result<ConfigFile, ConfigFileError> {
    let limit = Limits::DEFAULT.toml_bytes;
    // A pipe must not be waited for.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(ConfigFileError::Link { path });
        }
        Err(error) => return Err(refused(&path)(error)),
    };
    let metadata = file.metadata().map_err(refused(&path))?;
    if let Some(kind) = FileKind::of(metadata.file_type()) {
        return Err(ConfigFileError::NotRegular { path, kind });
    }
    let mut bytes = Vec::new();
    // One byte more than is accepted: the size may have changed since.
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(refused(&path))?;
    if bytes.len() > limit {
        return Err(ConfigFileError::TooLarge { path, limit });
    }
    let folder = folder_of(&path).canonicalize().map_err(refused(&path))?;
    Ok(ConfigFile {
        path,
        folder,
        bytes,
    })
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> ConfigFileError + use<'_> {
    |source| ConfigFileError::Io {
        path: path.to_owned(),
        source,
    }
}
