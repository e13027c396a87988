//! Attestations beside the data they are about: `DATA.attestation`, and `FOLDER.manifest`.
//!
//! Written to a temporary name, fsynced and renamed, so that a reader sees the old file or the
//! new one and never a part. Writers take turns by a lock on the folder.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use makoto::attestation::{Attestation, AttestationError};
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::Manifest;
use makoto::statement::{Times, same_facts};

use crate::error::DataError;
use crate::file::open_regular;
use crate::new_file::{NewFile, folder_of};

/// `DATA.attestation`: beside, never inside, a folder.
///
/// # Errors
/// [`DataError::Io`] when `data` names no file, such as `..` of a folder that is gone.
pub fn attestation_path(data: &Path) -> Result<PathBuf, DataError> {
    beside(data, ".attestation")
}

/// `FOLDER.manifest`, which tells the files of an attested folder.
///
/// # Errors
/// As [`attestation_path`].
pub fn manifest_path(folder: &Path) -> Result<PathBuf, DataError> {
    beside(folder, ".manifest")
}

fn beside(data: &Path, extension: &str) -> Result<PathBuf, DataError> {
    // `components` drops a slash at the end; `.` and `..` have no name of their own.
    let plain: PathBuf = data.components().collect();
    let named = match plain.file_name() {
        Some(_) => plain,
        None => data.canonicalize().map_err(DataError::io(data))?,
    };
    let mut name: OsString = named.into_os_string();
    name.push(extension);
    Ok(name.into())
}

/// The manifest beside the folder at `folder`, if there is one in the right form.
///
/// Anyone may have written it: it means something only when its digest is an attested one.
pub fn read_manifest(folder: &Path) -> Option<Manifest> {
    let path = manifest_path(folder).ok()?;
    let bytes = read_limited(&path, Limits::DEFAULT.manifest_bytes).ok()??;
    Manifest::parse(&bytes).ok()
}

/// What to do with an attestation file that is there already and says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Keep,
    /// Write the new statement in its place.
    Replace,
    /// Add the new statement as a further line.
    Append,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// What became of the attestation file.
    pub outcome: Outcome,
    /// Id of the statement that the file now has for these facts: the new one, or the one that
    /// was there.
    pub id: Digest,
}

/// What became of an attestation file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    New,
    /// It said the same already and was left alone.
    Unchanged,
    /// It was replaced.
    Replaced,
    /// It has one more line.
    Appended,
}

/// Why an attestation file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The operating system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("{0}")]
    Data(#[from] DataError),
    /// It is there and says something else.
    #[error("{} is there already and says something else", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another program wrote it since it was read.
    #[error("{} changed since it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It is there and is no attestation.
    #[error("{} is there already and is no attestation", path.display())]
    NotAttestation {
        /// The file.
        path: PathBuf,
        /// Why.
        source: AttestationError,
    },
    /// It holds one statement over several lines, and JSON Lines needs one line each.
    #[error("{} holds a statement over several lines, so no line can be added", path.display())]
    ManyLines {
        /// The file.
        path: PathBuf,
    },
    /// A file of that name is there and is no manifest.
    #[error("{} is there already and is no manifest", path.display())]
    NotManifest {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else holds the folder's lock.
    #[error("another program has been writing beside {} for 30 seconds", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than the budget.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The budget.
        limit: usize,
    },
}

/// An attestation file.
#[derive(Debug, Clone)]
pub struct Sidecar {
    path: PathBuf,
}

impl Sidecar {
    /// The file at `path`, which need not be there.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes; `None` when it is not there.
    ///
    /// # Errors
    /// [`SidecarError`] when it is there and cannot be read, or is larger than its budget.
    pub fn read(&self) -> Result<Option<Vec<u8>>, SidecarError> {
        read_limited(&self.path, Limits::DEFAULT.sidecar_bytes)
    }

    /// What [`Sidecar::write`] would do, without doing it.
    ///
    /// # Errors
    /// As [`Sidecar::write`], but for those of writing.
    pub fn plan(
        &self,
        statement: &[u8],
        existing: Existing,
        times: Times,
    ) -> Result<Written, SidecarError> {
        self.next(statement, existing, times)
            .map(|(written, _)| written)
    }

    /// Writes `statement`, with the read permissions of `data`.
    ///
    /// A statement that is there already with the same facts is left alone; `times` says
    /// whether moments count among the facts.
    ///
    /// # Errors
    /// [`SidecarError::Exists`] when something else is there and is to be kept, and the errors
    /// of reading and writing. Whatever was there then still is.
    pub fn write(
        &self,
        statement: &[u8],
        data: &Path,
        existing: Existing,
        times: Times,
    ) -> Result<Written, SidecarError> {
        let _turn = lock_folder(&self.path)?;
        let (written, bytes) = self.next(statement, existing, times)?;
        if let Some(bytes) = bytes {
            write_atomically(&self.path, &bytes, data)?;
        }
        Ok(written)
    }

    /// Writes `after` in the place of `before`, which was read from it, with the read permissions
    /// of `like`.
    ///
    /// # Errors
    /// [`SidecarError::Changed`] when it is not as it was read, and the errors of writing.
    pub fn swap(
        &self,
        before: Option<&[u8]>,
        after: &[u8],
        like: &Path,
    ) -> Result<(), SidecarError> {
        let _turn = lock_folder(&self.path)?;
        if self.read()?.as_deref() != before {
            let path = self.path.clone();
            return Err(SidecarError::Changed { path });
        }
        write_atomically(&self.path, after, like)
    }

    fn has_own_name(&self) -> bool {
        self.path
            .extension()
            .is_some_and(|end| end == "attestation")
    }

    /// What is to be written, if anything.
    pub(crate) fn next(
        &self,
        statement: &[u8],
        existing: Existing,
        times: Times,
    ) -> Result<(Written, Option<Vec<u8>>), SidecarError> {
        self.revise(self.read()?, statement, existing, times)
    }

    /// What becomes of the file when it holds `there` and `statement` is to be written: its new
    /// bytes, unless it is left alone. Reads and writes nothing, so that it holds as well for
    /// an attestation that is no file.
    ///
    /// # Errors
    /// As [`Sidecar::write`], but for those of reading and writing.
    pub fn revise(
        &self,
        there: Option<Vec<u8>>,
        statement: &[u8],
        existing: Existing,
        times: Times,
    ) -> Result<(Written, Option<Vec<u8>>), SidecarError> {
        let new = Attestation::parse(statement).ok();
        let id = new
            .as_ref()
            .map_or_else(|| Digest::of(statement), |new| new.id);
        let written = |outcome| Written { outcome, id };
        let Some(mut bytes) = there else {
            return Ok((written(Outcome::New), Some(statement.to_vec())));
        };
        let there = match Attestation::parse_file(&bytes) {
            Ok(there) => there,
            // A spoilt attestation may be replaced; a file of another name is somebody's.
            Err(_) if existing == Existing::Replace && self.has_own_name() => {
                return Ok((written(Outcome::Replaced), Some(statement.to_vec())));
            }
            Err(source) => {
                let path = self.path.clone();
                return Err(SidecarError::NotAttestation { path, source });
            }
        };
        // A signature is a fact of its own: who signs has looked whether it is there already.
        let unsigned = new.filter(|new| new.envelope.is_none());
        let says_it = |one: &&Attestation| {
            let new = unsigned.as_ref();
            new.is_some_and(|new| same_facts(&one.statement, &new.statement, times))
        };
        let same = match existing {
            Existing::Replace => there.first().filter(|_| there.len() == 1).filter(says_it),
            Existing::Keep | Existing::Append => there.iter().rev().find(says_it),
        };
        if let Some(same) = same {
            let (outcome, id) = (Outcome::Unchanged, same.id);
            return Ok((Written { outcome, id }, None));
        }
        match existing {
            Existing::Replace => Ok((written(Outcome::Replaced), Some(statement.to_vec()))),
            Existing::Keep => Err(SidecarError::Exists {
                path: self.path.clone(),
            }),
            Existing::Append => {
                if there.len() == 1 && bytes.trim_ascii().contains(&b'\n') {
                    // Joining its lines would give an unsigned statement another id.
                    let path = self.path.clone();
                    return Err(SidecarError::ManyLines { path });
                }
                bytes.truncate(bytes.trim_ascii_end().len());
                bytes.push(b'\n');
                bytes.extend_from_slice(statement);
                bytes.push(b'\n');
                let limit = Limits::DEFAULT.sidecar_bytes;
                let readable =
                    Attestation::parse_file(&bytes).is_ok_and(|all| all.len() > there.len());
                if bytes.len() > limit || !readable {
                    let path = self.path.clone();
                    return Err(SidecarError::TooLarge { path, limit });
                }
                Ok((written(Outcome::Appended), Some(bytes)))
            }
        }
    }
}

/// Writes the manifest of the folder at `folder` beside it. Another manifest that is there is
/// kept or replaced as `existing` says; a file that is no manifest is never replaced.
///
/// # Errors
/// [`SidecarError::Exists`], [`SidecarError::NotManifest`], and the errors of writing.
pub fn write_manifest(
    folder: &Path,
    manifest: &Manifest,
    existing: Existing,
) -> Result<PathBuf, SidecarError> {
    let path = manifest_path(folder)?;
    let _turn = lock_folder(&path)?;
    if plan_manifest(folder, manifest, existing)? {
        write_atomically(&path, manifest.to_text().as_bytes(), folder)?;
    }
    Ok(path)
}

/// Whether [`write_manifest`] would write, without doing it.
///
/// # Errors
/// As [`write_manifest`], but for those of writing.
pub fn plan_manifest(
    folder: &Path,
    manifest: &Manifest,
    existing: Existing,
) -> Result<bool, SidecarError> {
    let path = manifest_path(folder)?;
    match read_limited(&path, Limits::DEFAULT.manifest_bytes)? {
        Some(there) if there == manifest.to_text().as_bytes() => Ok(false),
        Some(there) if Manifest::parse(&there).is_err() => Err(SidecarError::NotManifest { path }),
        Some(_) if existing == Existing::Keep => Err(SidecarError::Exists { path }),
        _ => Ok(true),
    }
}

/// Bytes of the document at `path`; `None` when it is not there.
///
/// # Errors
/// [`SidecarError`] when it is there and cannot be read, or is larger than `limit` bytes.
pub fn read_limited(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, SidecarError> {
    let (file, fingerprint) = match open_regular(path) {
        Ok(open) => open,
        Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if fingerprint.size > limit as u64 {
        let path = path.to_owned();
        return Err(SidecarError::TooLarge { path, limit });
    }
    let mut bytes = Vec::with_capacity(fingerprint.size as usize + 1);
    io::Read::read_to_end(&mut io::Read::take(file, limit as u64), &mut bytes)
        .map_err(DataError::io(path))?;
    Ok(Some(bytes))
}

/// Waits for this program's turn to write in the folder of `path`. The turn ends when the file
/// is dropped. What is read, changed and written within one turn loses nobody's change, as long
/// as others take turns as well.
///
/// # Errors
/// [`SidecarError::Locked`] when others have held the lock for 30 seconds, and the errors of the
/// operating system.
pub fn lock_folder(path: &Path) -> Result<File, SidecarError> {
    let folder = File::open(folder_of(path)).map_err(writing(path))?;
    wait_for_turn(&folder, path, Instant::now() + PATIENCE)?;
    Ok(folder)
}

/// How long a writer waits for its turn. Anyone who can read a folder can hold its lock, so the
/// wait has an end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `end` for the lock of `folder`, where `path` is to be written.
pub(crate) fn wait_for_turn(folder: &File, path: &Path, end: Instant) -> Result<(), SidecarError> {
    const PAUSE: Duration = Duration::from_millis(20);
    loop {
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let path = path.to_owned();
                return Err(SidecarError::Locked { path });
            }
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(writing(path)(error));
            }
            _ => return Ok(()),
        }
    }
}

fn write_atomically(path: &Path, bytes: &[u8], data: &Path) -> Result<(), SidecarError> {
    // A link keeps leading to the file that it names, and must lead to one.
    let target = match path.is_symlink() {
        true => path.canonicalize().map_err(writing(path))?,
        false => path.to_owned(),
    };
    let write = || {
        let mut file = NewFile::at(&target)?;
        file.file().write_all(bytes)?;
        file.keep(data)
    };
    write().map_err(writing(path))
}

pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> SidecarError + use<'_> {
    |source| SidecarError::Io {
        path: path.to_owned(),
        source,
    }
}
