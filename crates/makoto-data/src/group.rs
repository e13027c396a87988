//! Many attestations written at once. Each is whole or not there, as if it were written alone;
//! what is shared is the waiting for the disk.
//!
//! In order: the locks of all folders; every file, nameless, with its bytes on disk; every name;
//! every folder on disk. Only then is anything told. What the group cannot do, because a file is
//! a link or the system refuses, is done alone afterwards.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use makoto::statement::Times;

use crate::crew::share_out;
use crate::new_file::{NewFile, Over, folder_of};
use crate::sidecar::{
    Existing, Outcome, PATIENCE, Sidecar, SidecarError, Written, wait_for_turn, writing,
};

/// Attestations in one group. More gain little, and each needs up to two open files of the 1,024
/// that a process usually has.
pub const MOST: usize = 256;

/// Files that are brought to disk at a time. They only wait; the disk takes several at once.
pub(crate) const SYNCS: usize = 8;

/// A statement to be written.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// Where.
    pub sidecar: &'a Sidecar,
    /// One canonical line.
    pub statement: &'a [u8],
    /// The data, whose readers may read the attestation.
    pub data: &'a Path,
}

/// How far one of the group is.
enum Stage {
    /// Its bytes are on disk, and what becomes of them when they have the name.
    Settled(Box<NewFile>, Written),
    /// All that can be done for it was done.
    Done(Result<Written, SidecarError>),
    /// It is to be done alone.
    Alone,
}

/// Identity of a folder: device and inode.
type Identity = (u64, u64);

/// Writes each of `pending` as [`Sidecar::write`] would, and returns what became of each.
///
/// All folders are locked at once, in the order of their inodes, so that two groups never wait
/// for each other in a circle.
pub fn write_group(
    pending: &[Pending<'_>],
    existing: Existing,
    times: Times,
) -> Vec<Result<Written, SidecarError>> {
    let mut done = Vec::with_capacity(pending.len());
    for group in pending.chunks(MOST) {
        let stages = write_together(group, existing, times);
        // The locks are given back by now.
        done.extend(group.iter().zip(stages).map(|(one, stage)| match stage {
            Stage::Done(result) => result,
            _ => one.sidecar.write(one.statement, one.data, existing, times),
        }));
    }
    done
}

fn write_together(pending: &[Pending<'_>], existing: Existing, times: Times) -> Vec<Stage> {
    let (folders, mut locked) = lock_folders(pending);
    let again = named_again(pending, &folders);
    let stages = share_out(pending.len(), SYNCS, |index| match &folders[index] {
        _ if again[index] => Stage::Alone,
        Some(folder) => match locked.get(folder) {
            Some(Ok(_)) => settle(&pending[index], existing, times),
            Some(Err(SidecarError::Locked { .. })) => {
                let path = pending[index].sidecar.path().to_owned();
                Stage::Done(Err(SidecarError::Locked { path }))
            }
            _ => Stage::Alone,
        },
        None => Stage::Alone,
    });
    let mut stages: Vec<_> = stages.into_iter().map(take_name).collect();
    // A name lasts only once its folder is on disk.
    locked.retain(|_, folder| folder.is_ok());
    let written: Vec<_> = locked
        .iter()
        .filter_map(|(id, folder)| Some((*id, folder.as_ref().ok()?)))
        .collect();
    let synced = share_out(written.len(), SYNCS, |index| written[index].1.sync_all());
    let failed: HashMap<Identity, io::Error> = written
        .iter()
        .zip(synced)
        .filter_map(|((id, _), synced)| Some((*id, synced.err()?)))
        .collect();
    for (index, stage) in stages.iter_mut().enumerate() {
        let error = folders[index].and_then(|folder| failed.get(&folder));
        if let (Some(error), Stage::Done(Ok(written))) = (error, &stage)
            && written.outcome != Outcome::Unchanged
        {
            let error = io::Error::new(error.kind(), error.to_string());
            *stage = Stage::Done(Err(writing(pending[index].sidecar.path())(error)));
        }
    }
    stages
}

/// Whether one before it in the group is the same file, perhaps by another path: what is added to
/// a file must be added to what the one before has written.
fn named_again(pending: &[Pending<'_>], folders: &[Option<Identity>]) -> Vec<bool> {
    let mut met = HashSet::new();
    let files = pending.iter().zip(folders);
    files
        .map(|(one, folder)| !met.insert((*folder, one.sidecar.path().file_name())))
        .collect()
}

/// Locks the folder of each of `pending`. Returns the folder of each, and the folders.
#[expect(clippy::type_complexity, reason = "the two halves have one caller")]
fn lock_folders(
    pending: &[Pending<'_>],
) -> (
    Vec<Option<Identity>>,
    BTreeMap<Identity, Result<File, SidecarError>>,
) {
    let mut by_path: HashMap<&Path, Option<Identity>> = HashMap::new();
    let mut open: BTreeMap<Identity, (File, &Path)> = BTreeMap::new();
    for one in pending {
        let path = one.sidecar.path();
        by_path.entry(folder_of(path)).or_insert_with(|| {
            let folder = File::open(folder_of(path)).ok()?;
            let metadata = folder.metadata().ok()?;
            let identity = (metadata.dev(), metadata.ino());
            open.entry(identity).or_insert((folder, path));
            Some(identity)
        });
    }
    let folders = pending
        .iter()
        .map(|one| by_path[folder_of(one.sidecar.path())]);
    let folders = folders.collect();
    let end = Instant::now() + PATIENCE;
    let lock = |(identity, (folder, path)): (Identity, (File, &Path))| {
        (identity, wait_for_turn(&folder, path, end).map(|()| folder))
    };
    (folders, open.into_iter().map(lock).collect())
}

/// Decides what is to be written, and brings its bytes to disk.
fn settle(one: &Pending<'_>, existing: Existing, times: Times) -> Stage {
    let path = one.sidecar.path();
    if path.is_symlink() {
        return Stage::Alone;
    }
    let (written, bytes) = match one.sidecar.next(one.statement, existing, times) {
        Ok(next) => next,
        Err(error) => return Stage::Done(Err(error)),
    };
    let Some(bytes) = bytes else {
        return Stage::Done(Ok(written));
    };
    let settled = NewFile::at(path).and_then(|mut file| {
        file.file().write_all(&bytes)?;
        file.settle_like(one.data)?;
        Ok(file)
    });
    match settled {
        Ok(file) => Stage::Settled(Box::new(file), written),
        Err(_) => Stage::Alone,
    }
}

fn take_name(stage: Stage) -> Stage {
    match stage {
        Stage::Settled(file, written) => {
            let over = match written.outcome {
                Outcome::New => Over::Nothing,
                _ => Over::Anything,
            };
            match file.take_name(over) {
                Ok(()) => Stage::Done(Ok(written)),
                Err(_) => Stage::Alone,
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = br#"{"_type":"one"}"#;

    fn write(sidecars: &[Sidecar], existing: Existing) -> Vec<Result<Written, SidecarError>> {
        let data = Path::new("/nothing");
        let pending: Vec<_> = sidecars
            .iter()
            .map(|sidecar| Pending {
                sidecar,
                statement: FIRST,
                data,
            })
            .collect();
        write_group(&pending, existing, Times::Compare)
    }

    #[test]
    fn two_lines_for_one_file_are_both_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        let real = folder.path().join("real");
        std::fs::create_dir(&real).expect("a folder");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        std::fs::write(real.join("a"), FIRST).expect("written");
        let sidecars = [real.join("a"), link.join("a")].map(Sidecar::at);
        let statements = [br#"{"_type":"two"}"#, br#"{"_type":"six"}"#];
        let pending = [0, 1].map(|index| Pending {
            sidecar: &sidecars[index],
            statement: &statements[index][..],
            data: Path::new("/nothing"),
        });
        let done = write_group(&pending, Existing::Append, Times::Compare);
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        let written = std::fs::read_to_string(real.join("a")).expect("there");
        assert_eq!(written.lines().count(), 3, "{written}");
    }

    #[test]
    fn one_that_cannot_be_written_does_not_stop_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("b"), "no attestation").expect("written");
        let names = ["a", "b", "gone/c", "d", "d"];
        let sidecars = names.map(|name| Sidecar::at(folder.path().join(name)));
        let done = write(&sidecars, Existing::Keep);
        let outcomes: Vec<_> = done
            .iter()
            .map(|one| one.as_ref().ok().map(|w| w.outcome))
            .collect();
        let (new, unchanged) = (Some(Outcome::New), Some(Outcome::Unchanged));
        // The second `d` finds the first one's file.
        assert_eq!(outcomes, [new, None, None, new, unchanged]);
        assert!(matches!(done[1], Err(SidecarError::NotAttestation { .. })));
        assert!(matches!(done[2], Err(SidecarError::Io { .. })));
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect("there");
        assert_eq!(
            (read("a"), read("b"), read("d")),
            (FIRST.to_vec(), b"no attestation".to_vec(), FIRST.to_vec())
        );
        let names = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(names, 3, "nothing else is left");
    }
}
