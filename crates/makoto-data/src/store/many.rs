//! Many attestations put into a store at once. Each is put as if it were put alone; what is
//! shared is the waiting for the disk.
//!
//! In order: the index entries of all; the disk; the locks; every object, nameless, with its bytes
//! on disk; every name; the disk. Only then are the locks given back and is anything told. What is
//! there already, and what the group cannot do, is put alone afterwards.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use makoto::attestation::Attestation;
use makoto::digest::Digest;

use super::{Kept, Store, StoreError, Stored, exists, refuse_bad_form};
use crate::crew::share_out;
use crate::group::{MOST, SYNCS};
use crate::new_file::{NewFile, Over, folder_of};
use crate::sidecar::{PATIENCE, wait_for_turn, writing};

/// A statement that is to become an object.
struct New<'a> {
    /// Which of the group it is.
    index: usize,
    document: &'a [u8],
    attestation: Attestation,
    path: PathBuf,
}

impl Store {
    /// Puts each of `many` into the store as [`Store::put`] would, waiting for the disk once for
    /// many. What becomes of one does not touch the others.
    pub fn put_many(&self, many: &[&[u8]]) -> Vec<Result<Vec<Stored>, StoreError>> {
        let groups = many.chunks(MOST);
        groups.flat_map(|group| self.put_group(group)).collect()
    }

    fn put_group(&self, group: &[&[u8]]) -> Vec<Result<Vec<Stored>, StoreError>> {
        let mut written = self.put_new(group);
        let each = group.iter().enumerate();
        each.map(|(index, bytes)| match written.remove(&index) {
            Some(result) => result.map(|stored| vec![stored]),
            // The locks are given back by now. Alone, it is also told what is wrong.
            None => self.put(bytes),
        })
        .collect()
    }

    /// Writes the objects that are not there. Returns what became of those by their place in the
    /// group; nothing of those that are to be put alone.
    fn put_new(&self, group: &[&[u8]]) -> BTreeMap<usize, Result<Stored, StoreError>> {
        let mut new = self.new_among(group);
        new.retain(|one| {
            self.write_entries(&one.attestation).is_ok()
                && self.make_folder(folder_of(&one.path)).is_ok()
        });
        if new.is_empty() || self.sync_all().is_err() {
            return BTreeMap::new();
        }
        let locks = lock_all(&new);
        let named = share_out(new.len(), SYNCS, |index| {
            let one = &new[index];
            locks.contains_key(folder_of(&one.path))
                && !exists(&one.path)
                && self.write_object(one).is_ok()
        });
        // A name lasts only once its folder is on disk, and nobody may find it before.
        let synced = self.sync_all();
        drop(locks);
        let named = new.iter().zip(named).filter(|(_, named)| *named);
        named
            .map(|(one, _)| {
                let outcome = Kept::New;
                let id = one.attestation.id;
                let result = match &synced {
                    Ok(()) => Ok(Stored { id, outcome }),
                    Err(error) => {
                        let error = io::Error::other(error.to_string());
                        Err(writing(&one.path)(error).into())
                    }
                };
                (one.index, result)
            })
            .collect()
    }

    /// Those of the group that are one statement each, conform, and are not there; of equal ones
    /// the first.
    fn new_among<'a>(&self, group: &[&'a [u8]]) -> Vec<New<'a>> {
        let mut met: HashSet<Digest> = HashSet::new();
        let mut new = Vec::new();
        for (index, bytes) in group.iter().enumerate() {
            let Ok(documents) = Attestation::documents(bytes) else {
                continue;
            };
            let Ok([(document, attestation)]) = <[_; 1]>::try_from(documents) else {
                continue;
            };
            let path = self.path_of(&attestation.id);
            let is_new = met.insert(attestation.id) && !exists(&path);
            if is_new && refuse_bad_form(&attestation).is_ok() {
                new.push(New {
                    index,
                    document,
                    attestation,
                    path,
                });
            }
        }
        new
    }

    fn write_object(&self, one: &New<'_>) -> io::Result<()> {
        let mut file = NewFile::at(&one.path)?;
        file.file().write_all(one.document)?;
        file.settle_like(&self.root)?;
        file.take_name(Over::Nothing)
    }
}

/// Locks the folders of all, in the order of their names, so that two groups never wait for each
/// other in a circle. A folder that cannot be locked is left out.
fn lock_all<'n>(new: &'n [New<'_>]) -> BTreeMap<&'n Path, File> {
    let mut paths: BTreeMap<&Path, &Path> = BTreeMap::new();
    for one in new {
        paths.insert(folder_of(&one.path), &one.path);
    }
    let end = Instant::now() + PATIENCE;
    let lock = |(folder, path): (&'n Path, &Path)| {
        let open = File::open(folder).ok()?;
        wait_for_turn(&open, path, end).ok()?;
        Some((folder, open))
    };
    paths.into_iter().filter_map(lock).collect()
}
