//! A folder: every regular file in it, hashed in parallel, as one manifest.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::{Manifest, ManifestError};
use walkdir::WalkDir;

use crate::Progress;
use crate::error::{DataError, FileKind};
use crate::file::{Fingerprint, digest_through, fingerprint};

/// Bytes read at a time, by each thread.
const BUFFER: usize = 256 << 10;

/// What to do with links in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A link is an error: what it names may change without the folder changing.
    Refuse,
    /// A link counts as what it names, as long as that is inside the folder.
    FollowInside,
}

/// The files of a folder with their digests.
#[derive(Debug, Clone)]
pub struct FolderDigest {
    /// Path and digest of each file.
    pub manifest: Manifest,
    /// Bytes in all files.
    pub bytes: u64,
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFile {
    /// Path below the folder, with `/`.
    pub name: String,
    /// Its state when it was listed.
    pub fingerprint: Fingerprint,
}

/// Hashes every file of the folder at `root` and lists the folder again afterwards.
///
/// # Errors
/// [`DataError`] when a file cannot be read or attested, or the folder moved meanwhile.
pub fn digest_folder(
    root: &Path,
    links: Links,
    progress: &Progress<'_>,
) -> Result<FolderDigest, DataError> {
    let files = folder_files(root, links)?;
    let digests = digest_files(root, &files, progress)?;
    if folder_files(root, links)? != files {
        return Err(DataError::changed(
            root,
            "files were added, removed or written",
        ));
    }
    let bytes = files.iter().map(|file| file.fingerprint.size).sum();
    let names = files.into_iter().map(|file| file.name);
    let manifest = Manifest::new(names.zip(digests)).map_err(|source| DataError::Name {
        path: root.to_owned(),
        source,
    })?;
    Ok(FolderDigest { manifest, bytes })
}

/// Lists the regular files of the folder at `root`, in the order of their names.
///
/// # Errors
/// [`DataError`] for a link, pipe, device or socket in it, a name that is not UTF-8, links that
/// lead out or back, or a folder without files.
pub fn folder_files(root: &Path, links: Links) -> Result<Vec<FolderFile>, DataError> {
    let limit = Limits::DEFAULT.folder_depth;
    let canonical_root = root.canonicalize().map_err(DataError::io(root))?;
    let walk = WalkDir::new(root)
        .follow_root_links(true)
        .follow_links(links == Links::FollowInside)
        .max_depth(limit + 1);
    let mut files = Vec::new();
    let mut folders = HashSet::new();
    let mut repeats = 0;
    for entry in walk {
        let entry = entry.map_err(|error| walk_error(root, limit, error))?;
        let path = entry.path();
        if entry.depth() > limit {
            return Err(DataError::Cycle {
                path: path.to_owned(),
                limit,
            });
        }
        if entry.path_is_symlink() && entry.depth() > 0 {
            check_link(path, &canonical_root, links)?;
        }
        // Of the folder that was named, only the link to it may be seen here.
        let kind = match entry.depth() {
            0 => Some(FileKind::Folder),
            _ => FileKind::of(entry.file_type()),
        };
        match kind {
            Some(FileKind::Folder) => {
                // Links that multiply folders make a walk without end out of a few bytes.
                let identity = entry.metadata().ok().map(|data| (data.dev(), data.ino()));
                repeats += usize::from(!folders.insert(identity));
                if repeats > Limits::DEFAULT.folder_repeats {
                    return Err(DataError::Cycle {
                        path: path.to_owned(),
                        limit,
                    });
                }
            }
            Some(kind) => {
                return Err(DataError::NotRegular {
                    path: path.to_owned(),
                    kind,
                });
            }
            None => files.push(FolderFile {
                name: name_below(root, path)?,
                fingerprint: fingerprint(path)?
                    .ok_or_else(|| DataError::changed(path, "it is gone"))?,
            }),
        }
    }
    if files.is_empty() {
        return Err(DataError::EmptyFolder {
            path: root.to_owned(),
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Where the file `name` of the folder at `root` is, by the same rule for links.
///
/// # Errors
/// [`DataError`] for a name that no manifest has, and for a link on the way.
pub fn member_path(root: &Path, name: &str, links: Links) -> Result<PathBuf, DataError> {
    makoto::manifest::check_path(name).map_err(|source| DataError::Name {
        path: root.to_owned(),
        source,
    })?;
    let canonical_root = root.canonicalize().map_err(DataError::io(root))?;
    let mut path = root.to_owned();
    for part in name.split('/') {
        path.push(part);
        let metadata = std::fs::symlink_metadata(&path).map_err(DataError::io(&path))?;
        if metadata.is_symlink() {
            check_link(&path, &canonical_root, links)?;
        }
    }
    Ok(path)
}

pub(crate) fn walk_error(root: &Path, limit: usize, error: walkdir::Error) -> DataError {
    let path = error.path().unwrap_or(root).to_owned();
    match error.into_io_error() {
        Some(source) => DataError::Io { path, source },
        None => DataError::Cycle { path, limit },
    }
}

pub(crate) fn check_link(
    path: &Path,
    canonical_root: &Path,
    links: Links,
) -> Result<(), DataError> {
    let path_buf = || path.to_owned();
    if links == Links::Refuse {
        return Err(DataError::Link { path: path_buf() });
    }
    let target = path.canonicalize().map_err(DataError::io(path))?;
    match target.starts_with(canonical_root) {
        true => Ok(()),
        false => Err(DataError::LinkOut { path: path_buf() }),
    }
}

/// The name of `path` below `root`, with `/`.
fn name_below(root: &Path, path: &Path) -> Result<String, DataError> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let name = below.to_str().ok_or_else(|| DataError::Name {
        path: root.to_owned(),
        source: ManifestError::NotUtf8(below.to_string_lossy().into_owned()),
    })?;
    makoto::manifest::check_path(name).map_err(|source| DataError::Name {
        path: root.to_owned(),
        source,
    })?;
    Ok(name.to_owned())
}

/// Digests of `files`, in their order. Threads take the next file as they become free.
fn digest_files(
    root: &Path,
    files: &[FolderFile],
    progress: &Progress<'_>,
) -> Result<Vec<Digest>, DataError> {
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(files.len()));
    let next = AtomicUsize::new(0);
    let digests = Mutex::new(vec![Digest::from([0; 32]); files.len()]);
    let failure = Mutex::new(None);
    let work = || {
        let mut buffer = vec![0; BUFFER];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return;
            };
            let path = root.join(&file.name);
            let digest = digest_through(&path, &mut buffer, progress);
            let digest =
                digest.and_then(
                    |(digest, fingerprint)| match fingerprint == file.fingerprint {
                        true => Ok(digest),
                        false => Err(DataError::changed(&path, "it was written or replaced")),
                    },
                );
            match digest {
                Ok(digest) => {
                    digests.lock().unwrap_or_else(PoisonError::into_inner)[index] = digest;
                }
                Err(error) => {
                    // The others stop at their next file.
                    next.store(files.len(), Ordering::Relaxed);
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(digests.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
