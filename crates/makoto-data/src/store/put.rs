//! Putting attestations into a store.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use makoto::attestation::Attestation;
use makoto::limits::Limits;
use makoto::report::{Level, Outcome};
use makoto::statement::Statement;

use super::{Kept, Store, StoreError, Stored, exists, sync_folder, write_file};
use crate::crew::share_out;
use crate::group::{MOST, Member, New, SYNCS, write_all};
use crate::new_file::{Over, folder_of};
use crate::sidecar::{SidecarError, lock_folder, read_limited, writing};

/// Folders that are made to last one at a time. For more, one call for the whole file system is
/// quicker, though it waits for what others write.
const SYNCED_ONE_BY_ONE: usize = 64;

impl Store {
    /// Puts one document, or several as JSON Lines, into the store. When this returns, they are
    /// on disk. Doing the same again changes nothing, and completes what a killed writer left.
    ///
    /// # Errors
    /// When one of them is no attestation of a conforming statement, nothing is written. After
    /// other errors, those before the one that failed are in the store.
    pub fn put(&self, bytes: &[u8]) -> Result<Vec<Stored>, StoreError> {
        let objects = self.objects(bytes)?;
        let put = |object: &Object<'_>| {
            let outcome = object.write()?;
            let id = object.attestation.id;
            Ok(Stored { id, outcome })
        };
        objects.iter().map(put).collect()
    }

    /// Puts each of `many` into the store as [`Store::put`] would, waiting for the disk once for
    /// many. What becomes of one does not touch the others.
    pub fn put_many(&self, many: &[&[u8]]) -> Vec<Result<Vec<Stored>, StoreError>> {
        let objects: Vec<_> = many.iter().map(|bytes| self.objects(bytes)).collect();
        let stored: Vec<Vec<_>> = {
            let all: Vec<_> = objects.iter().flatten().flatten().collect();
            let mut stored = all.chunks(MOST).flat_map(|group| self.put_group(group));
            let counts = objects.iter().map(|one| one.as_ref().map_or(0, Vec::len));
            counts
                .map(|count| stored.by_ref().take(count).collect())
                .collect()
        };
        let each = objects.into_iter().zip(stored);
        each.map(|(objects, stored)| objects.and_then(|_| stored.into_iter().collect()))
            .collect()
    }

    /// What documents are to be in the store.
    fn objects<'a>(&'a self, bytes: &'a [u8]) -> Result<Vec<Object<'a>>, StoreError> {
        let documents = Attestation::documents(bytes)?;
        let object = |(document, attestation): (&'a [u8], Attestation)| {
            refuse_bad_form(&attestation)?;
            Ok(Object {
                store: self,
                document,
                path: self.path_of(&attestation.id),
                attestation,
            })
        };
        documents.into_iter().map(object).collect()
    }

    /// Index entries first, objects when those last.
    fn put_group(&self, group: &[&Object<'_>]) -> Vec<Result<Stored, StoreError>> {
        let mut new = BTreeSet::new();
        let indexed = group.iter().map(|object| {
            let mut folders = self.write_index(&object.attestation)?;
            let folder = folder_of(&object.path);
            self.make_folder(folder)?;
            folders.push(folder.to_owned());
            if !exists(&object.path) {
                new.extend(folders.iter().flat_map(|folder| self.up_from(folder)));
            }
            Ok(())
        });
        let indexed: Vec<Result<(), StoreError>> = indexed.collect();
        let last = self.sync(&new.into_iter().collect::<Vec<_>>()).is_ok();
        let ready = group.iter().zip(&indexed);
        let ready: Vec<_> = ready
            .filter(|(_, indexed)| last && indexed.is_ok())
            .map(|(object, _)| *object)
            .collect();
        let mut written = write_all(&ready).into_iter();
        let each = group.iter().zip(indexed);
        each.map(|(object, indexed)| {
            indexed?;
            // Alone, it is told which folder the system refuses.
            let written = if last { written.next() } else { None };
            let outcome = written.unwrap_or_else(|| object.write())?;
            let id = object.attestation.id;
            Ok(Stored { id, outcome })
        })
        .collect()
    }

    /// Writes the index entries of a statement. Returns their folders.
    fn write_index(&self, attestation: &Attestation) -> Result<Vec<PathBuf>, StoreError> {
        let id = attestation.id.to_string();
        let subjects = attestation.subjects().map(|digest| ("subject", digest));
        let inputs = attestation.inputs().map(|digest| ("input", digest));
        let mut entries: Vec<_> = subjects.chain(inputs).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut folders = Vec::with_capacity(entries.len());
        for (index, digest) in entries {
            let folder = self.place(index, &digest);
            let entry = folder.join(&id);
            if !exists(&entry) {
                self.make_folder(&folder)?;
                let mut options = OpenOptions::new();
                let created = options
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(&entry);
                created.map_err(writing(&entry))?;
            }
            folders.push(folder);
        }
        Ok(folders)
    }

    /// Makes the names in these folders last.
    fn sync(&self, folders: &[PathBuf]) -> Result<(), StoreError> {
        if folders.len() > SYNCED_ONE_BY_ONE {
            let root = File::open(&self.root).map_err(writing(&self.root))?;
            let synced = rustix::fs::syncfs(root).map_err(io::Error::from);
            return Ok(synced.map_err(writing(&self.root))?);
        }
        let synced = share_out(folders.len(), SYNCS, |index| sync_folder(&folders[index]));
        synced.into_iter().collect()
    }

    /// A folder in the store, and those above it up to the store's own.
    fn up_from(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let in_store = folder
            .ancestors()
            .take_while(|above| above.starts_with(&self.root));
        in_store.map(Path::to_owned).collect::<Vec<_>>().into_iter()
    }

    /// Makes a folder of the store, and those above it, with the mode of the store's own.
    fn make_folder(&self, folder: &Path) -> Result<(), StoreError> {
        if exists(folder) {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| *above != self.root) {
            self.make_folder(above)?;
        }
        let root = std::fs::metadata(&self.root).map_err(writing(&self.root))?;
        let mode = root.permissions().mode() & 0o777;
        match DirBuilder::new().mode(mode).create(folder) {
            // Who may read the store is not for the umask of its last writer to say.
            Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(mode)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| writing(folder)(error).into())
    }
}

/// A document that is to be in the store.
struct Object<'a> {
    store: &'a Store,
    document: &'a [u8],
    attestation: Attestation,
    path: PathBuf,
}

impl Member for &Object<'_> {
    type Outcome = Kept;
    type Error = StoreError;

    fn path(&self) -> &Path {
        &self.path
    }

    fn like(&self) -> &Path {
        &self.store.root
    }

    fn next(&self) -> Result<(Kept, Option<New>), StoreError> {
        let there = read_limited(&self.path, Limits::DEFAULT.sidecar_bytes)?;
        let new = |bytes, over| Some(New { bytes, over });
        let Some(there) = there else {
            let document = self.document.to_vec();
            return Ok((Kept::New, new(document, Over::Nothing)));
        };
        let joined = joined(&self.path, &there, self.document, &self.attestation)?;
        Ok(match joined {
            None => (Kept::Unchanged, None),
            Some(bytes) => (Kept::Added, new(bytes, Over::Anything)),
        })
    }

    fn write(&self) -> Result<Kept, StoreError> {
        let store = self.store;
        let mut folders = store.write_index(&self.attestation)?;
        let folder = folder_of(&self.path);
        store.make_folder(folder)?;
        folders.push(folder.to_owned());
        if !exists(&self.path) {
            let new: BTreeSet<_> = folders.iter().flat_map(|one| store.up_from(one)).collect();
            store.sync(&new.into_iter().collect::<Vec<_>>())?;
        }
        let _turn = lock_folder(&self.path)?;
        let (kept, new) = self.next()?;
        if let Some(new) = new {
            write_file(&self.path, &new.bytes, &store.root)?;
        }
        Ok(kept)
    }
}

fn refuse_bad_form(attestation: &Attestation) -> Result<(), StoreError> {
    let (statement, checks) = Statement::read(attestation.statement.clone(), Level::L1);
    if statement.is_some() {
        return Ok(());
    }
    let mut failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
    let what = failed.next().map_or("it is not valid".to_owned(), |check| {
        format!("{} {}", check.path, check.message)
            .trim()
            .to_owned()
    });
    let id = attestation.id;
    Err(StoreError::NotConforming { id, what })
}

/// What `object` is to hold when a further document of the same statement comes; `None` when it
/// says nothing new.
fn joined(
    object: &Path,
    there: &[u8],
    document: &[u8],
    attestation: &Attestation,
) -> Result<Option<Vec<u8>>, StoreError> {
    let damaged = |what: String| StoreError::Damaged {
        path: object.to_owned(),
        what,
    };
    let lines = Attestation::documents(there)
        .map_err(|error| damaged(format!("holds no attestation: {error}")))?;
    if let Some((_, other)) = lines.iter().find(|(_, one)| one.id != attestation.id) {
        return Err(damaged(format!("holds the statement sha256:{}", other.id)));
    }
    let document = one_line(document);
    let is_bare = attestation.unverified_signatures.is_none();
    // A statement without an envelope is in every envelope of the same id, byte for byte.
    if is_bare || lines.iter().any(|(line, _)| one_line(line) == document) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for (line, one) in lines {
        let is_bare = one.unverified_signatures.is_none();
        // Its white space is part of its id, so it can be no line of several. Nothing is lost:
        // the envelope that comes holds the same bytes.
        if is_bare && line.contains(&b'\n') {
            continue;
        }
        bytes.extend(one_line(line));
        bytes.push(b'\n');
    }
    bytes.extend(document);
    bytes.push(b'\n');
    let limit = Limits::DEFAULT.sidecar_bytes;
    if bytes.len() > limit {
        let path = object.to_owned();
        return Err(SidecarError::TooLarge { path, limit }.into());
    }
    Ok(Some(bytes))
}

/// The same JSON on one line: outside strings, which hold none, a line end is only white space.
/// To be used on envelopes only: the white space of a bare statement is part of its id.
pub fn one_line(document: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    };
    document.iter().map(space).collect()
}
