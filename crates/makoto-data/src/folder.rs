//! A folder: every regular file in it, hashed in parallel, as one manifest.

use std::collections::HashSet;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use makoto::digest::Digest;
use makoto::exclude::{Pattern, excludes};
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
    /// Files that are there and were left out.
    pub excluded: usize,
}

/// What is in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The files that are covered, in the order of their names.
    pub files: Vec<FolderFile>,
    /// Files that are there and are left out.
    pub excluded: usize,
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFile {
    /// Path below the folder, with `/`.
    pub name: String,
    /// Its state when it was listed.
    pub fingerprint: Fingerprint,
}

/// Hashes every file of the folder at `root` that `exclude` does not name, and lists the folder
/// again afterwards.
///
/// # Errors
/// [`DataError`] when a file cannot be read or attested, or the folder moved meanwhile.
pub fn digest_folder(
    root: &Path,
    links: Links,
    exclude: &[Pattern],
    progress: &Progress<'_>,
) -> Result<FolderDigest, DataError> {
    let listing = list_folder(root, links, exclude)?;
    let digest = |_, file: &FolderFile, buffer: &mut [u8]| {
        let path = root.join(&file.name);
        let (digest, fingerprint) = digest_through(&path, buffer, progress)?;
        unmoved(&path, file, &fingerprint).map(|()| digest)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let digests = for_each_file(&listing.files, threads, digest)?;
    listing.attest(root, links, exclude, digests)
}

impl Listing {
    /// The digest of the folder, if it is still as it was listed.
    pub(crate) fn attest(
        self,
        root: &Path,
        links: Links,
        exclude: &[Pattern],
        digests: Vec<Digest>,
    ) -> Result<FolderDigest, DataError> {
        // What is left out may come and go.
        if list_folder(root, links, exclude)?.files != self.files {
            return Err(DataError::changed(
                root,
                "files were added, removed or written",
            ));
        }
        let bytes = self.files.iter().map(|file| file.fingerprint.size).sum();
        let names = self.files.into_iter().map(|file| file.name);
        let manifest = Manifest::new(names.zip(digests)).map_err(|source| DataError::Name {
            path: root.to_owned(),
            source,
        })?;
        Ok(FolderDigest {
            manifest,
            bytes,
            excluded: self.excluded,
        })
    }
}

/// Lists the regular files of the folder at `root`, in the order of their names.
///
/// # Errors
/// As [`list_folder`].
pub fn folder_files(root: &Path, links: Links) -> Result<Vec<FolderFile>, DataError> {
    list_folder(root, links, &[]).map(|listing| listing.files)
}

/// Lists the regular files of the folder at `root` that `exclude` does not name, in the order of
/// their names. What is left out may be anything, and is counted.
///
/// # Errors
/// [`DataError`] for a link, pipe, device or socket in it, a name that is not UTF-8, links that
/// lead out or back, a folder without files, or one of which nothing is left.
pub fn list_folder(root: &Path, links: Links, exclude: &[Pattern]) -> Result<Listing, DataError> {
    let limit = Limits::DEFAULT.folder_depth;
    let canonical_root = root.canonicalize().map_err(DataError::io(root))?;
    let walk = WalkDir::new(root)
        .follow_root_links(true)
        .follow_links(links == Links::FollowInside)
        .max_depth(limit + 1);
    let mut files = Vec::new();
    let mut folders = HashSet::new();
    let mut repeats = 0;
    let mut excluded = 0;
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // What is left out need not be readable, and its links may lead anywhere.
            Err(error)
                if error
                    .path()
                    .is_some_and(|path| is_excluded(root, path, exclude)) =>
            {
                excluded += 1;
                continue;
            }
            Err(error) => return Err(walk_error(root, limit, error)),
        };
        let path = entry.path();
        if is_excluded(root, path, exclude) {
            excluded += usize::from(!entry.file_type().is_dir());
            continue;
        }
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
        let path = root.to_owned();
        return Err(match excluded {
            0 => DataError::EmptyFolder { path },
            excluded => DataError::NothingLeft { path, excluded },
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { files, excluded })
}

fn is_excluded(root: &Path, path: &Path, exclude: &[Pattern]) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts = below
        .components()
        .filter_map(|part| part.as_os_str().to_str());
    excludes(exclude, parts)
}

/// Refuses a file that is not as it was listed.
pub(crate) fn unmoved(
    path: &Path,
    file: &FolderFile,
    found: &Fingerprint,
) -> Result<(), DataError> {
    match *found == file.fingerprint {
        true => Ok(()),
        false => Err(DataError::changed(path, "it was written or replaced")),
    }
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
pub(crate) fn digest_files(
    root: &Path,
    files: &[FolderFile],
    progress: &Progress<'_>,
) -> Result<Vec<Digest>, DataError> {
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    for_each_file(files, threads, |_, file, buffer| {
        let path = root.join(&file.name);
        let (digest, fingerprint) = digest_through(&path, buffer, progress)?;
        match fingerprint == file.fingerprint {
            true => Ok(digest),
            false => Err(DataError::changed(&path, "it was written or replaced")),
        }
    })
}

/// What `work` makes of each of `files` and its place among them, in their order. Up to `threads` threads take the next
/// file as they become free; each has a buffer of its own.
///
/// # Errors
/// The first error; the other threads stop at their next file.
pub(crate) fn for_each_file<T: Send>(
    files: &[FolderFile],
    threads: usize,
    work: impl Fn(usize, &FolderFile, &mut [u8]) -> Result<T, DataError> + Sync,
) -> Result<Vec<T>, DataError> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    let failure = Mutex::new(None);
    let take = || {
        let mut buffer = vec![0; BUFFER];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return;
            };
            match work(index, file, &mut buffer) {
                Ok(made) => {
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, made));
                }
                Err(error) => {
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
        for _ in 1..threads.min(files.len()) {
            scope.spawn(take);
        }
        take();
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, made)| made).collect())
}
