//! Many files written at once, such as attestations. Each is whole or not there, as if it were
//! written alone; what is shared is the waiting for the disk.
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
use crate::new_file::{NewFile, Over, folder_of, for_readers_of};
use crate::sidecar::{
    Existing, Outcome, PATIENCE, Sidecar, SidecarError, Written, wait_for_turn, writing,
};

/// Files in one group. More gain little, and each needs up to two open files of the 1,024 that a
/// process usually has.
pub const MOST: usize = 256;

/// Files that are brought to disk at a time. They only wait; the disk takes several at once.
pub(crate) const SYNCS: usize = 8;

/// A file that is to be written in a group.
pub(crate) trait Member: Sync {
    /// What became of it.
    type Outcome: Send;
    /// Why it could not be written.
    type Error: From<SidecarError> + Send;

    /// Where it will be.
    fn path(&self) -> &Path;

    /// The file or folder whose readers may read it.
    fn like(&self) -> &Path;

    /// What will have become of it, and its bytes, if they are to be written. The folder is
    /// locked meanwhile.
    fn next(&self) -> Result<(Self::Outcome, Option<New>), Self::Error>;

    /// Writes it alone.
    fn write(&self) -> Result<Self::Outcome, Self::Error>;
}

/// What is to be written.
pub(crate) struct New {
    pub(crate) bytes: Vec<u8>,
    /// What may be there until then.
    pub(crate) over: Over,
}

/// What became of a member of a group.
type Ended<M> = Result<<M as Member>::Outcome, <M as Member>::Error>;

/// How far one of the group is.
enum Stage<M: Member> {
    /// Its bytes are on disk, and what becomes of them when they have the name.
    Settled(Box<NewFile>, Over, M::Outcome),
    /// It has its name.
    Named(M::Outcome),
    /// All that can be done for it was done.
    Done(Ended<M>),
    /// It is to be done alone.
    Alone,
}

/// Identity of a folder: device and inode.
type Identity = (u64, u64);

/// Writes each of `members`, and returns what became of each.
///
/// All folders are locked at once, in the order of their inodes, so that two groups never wait
/// for each other in a circle.
pub(crate) fn write_all<M: Member>(members: &[M]) -> Vec<Ended<M>> {
    let mut ended = Vec::with_capacity(members.len());
    for group in members.chunks(MOST) {
        let stages = write_together(group);
        // The locks are given back by now.
        ended.extend(group.iter().zip(stages).map(|(one, stage)| match stage {
            Stage::Named(outcome) => Ok(outcome),
            Stage::Done(ended) => ended,
            Stage::Settled(..) | Stage::Alone => one.write(),
        }));
    }
    ended
}

fn write_together<M: Member>(members: &[M]) -> Vec<Stage<M>> {
    let (folders, mut locked) = lock_folders(members);
    let mut taken = HashSet::new();
    // Two that have one name follow each other: the later one builds on the earlier.
    let is_first: Vec<_> = members
        .iter()
        .zip(&folders)
        .map(|(one, folder)| taken.insert((*folder, one.path().file_name())))
        .collect();
    let stages = share_out(members.len(), SYNCS, |index| match &folders[index] {
        Some(folder) if is_first[index] => match locked.get(folder) {
            Some(Ok(_)) => settle(&members[index]),
            Some(Err(SidecarError::Locked { .. })) => {
                let path = members[index].path().to_owned();
                Stage::Done(Err(SidecarError::Locked { path }.into()))
            }
            _ => Stage::Alone,
        },
        _ => Stage::Alone,
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
        if let (Some(error), Stage::Named(_)) = (error, &stage) {
            let error = io::Error::new(error.kind(), error.to_string());
            *stage = Stage::Done(Err(writing(members[index].path())(error).into()));
        }
    }
    stages
}

/// Locks the folder of each of `members`. Returns the folder of each, and the folders.
#[expect(clippy::type_complexity, reason = "the two halves have one caller")]
fn lock_folders<M: Member>(
    members: &[M],
) -> (
    Vec<Option<Identity>>,
    BTreeMap<Identity, Result<File, SidecarError>>,
) {
    let mut by_path: HashMap<&Path, Option<Identity>> = HashMap::new();
    let mut open: BTreeMap<Identity, (File, &Path)> = BTreeMap::new();
    for path in members.iter().map(Member::path) {
        by_path.entry(folder_of(path)).or_insert_with(|| {
            let folder = File::open(folder_of(path)).ok()?;
            let metadata = folder.metadata().ok()?;
            let identity = (metadata.dev(), metadata.ino());
            open.entry(identity).or_insert((folder, path));
            Some(identity)
        });
    }
    let folders = members.iter().map(|one| by_path[folder_of(one.path())]);
    let folders = folders.collect();
    let end = Instant::now() + PATIENCE;
    let lock = |(identity, (folder, path)): (Identity, (File, &Path))| {
        (identity, wait_for_turn(&folder, path, end).map(|()| folder))
    };
    (folders, open.into_iter().map(lock).collect())
}

/// Decides what is to be written, and brings its bytes to disk.
fn settle<M: Member>(one: &M) -> Stage<M> {
    let path = one.path();
    if path.is_symlink() {
        return Stage::Alone;
    }
    let (outcome, new) = match one.next() {
        Ok(next) => next,
        Err(error) => return Stage::Done(Err(error)),
    };
    let Some(New { bytes, over }) = new else {
        return Stage::Done(Ok(outcome));
    };
    let settled = NewFile::at(path).and_then(|mut file| {
        file.file().write_all(&bytes)?;
        file.settle(for_readers_of(&[one.like()]))?;
        Ok(file)
    });
    match settled {
        Ok(file) => Stage::Settled(Box::new(file), over, outcome),
        Err(_) => Stage::Alone,
    }
}

fn take_name<M: Member>(stage: Stage<M>) -> Stage<M> {
    match stage {
        Stage::Settled(file, over, outcome) => match file.take_name(over) {
            Ok(()) => Stage::Named(outcome),
            Err(_) => Stage::Alone,
        },
        other => other,
    }
}

/// A statement to be written beside data.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// Where.
    pub sidecar: &'a Sidecar,
    /// One canonical line.
    pub statement: &'a [u8],
    /// The data, whose readers may read the attestation.
    pub data: &'a Path,
}

/// Writes each of `pending` as [`Sidecar::write`] would, and returns what became of each.
pub fn write_group(
    pending: &[Pending<'_>],
    existing: Existing,
    times: Times,
) -> Vec<Result<Written, SidecarError>> {
    let beside = pending.iter().map(|pending| Beside {
        pending: *pending,
        existing,
        times,
    });
    write_all(&beside.collect::<Vec<_>>())
}

/// A pending statement, with what is to become of one that is there.
struct Beside<'a> {
    pending: Pending<'a>,
    existing: Existing,
    times: Times,
}

impl Member for Beside<'_> {
    type Outcome = Written;
    type Error = SidecarError;

    fn path(&self) -> &Path {
        self.pending.sidecar.path()
    }

    fn like(&self) -> &Path {
        self.pending.data
    }

    fn next(&self) -> Result<(Written, Option<New>), SidecarError> {
        let Pending {
            sidecar, statement, ..
        } = self.pending;
        let (written, bytes) = sidecar.next(statement, self.existing, self.times)?;
        let over = match written.outcome {
            Outcome::New => Over::Nothing,
            _ => Over::Anything,
        };
        Ok((written, bytes.map(|bytes| New { bytes, over })))
    }

    fn write(&self) -> Result<Written, SidecarError> {
        let Pending {
            sidecar,
            statement,
            data,
        } = self.pending;
        sidecar.write(statement, data, self.existing, self.times)
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
    #[test]
    fn lines_that_are_added_to_one_file_in_one_group_are_all_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(".", &link).expect("a link");
        let sidecars = [folder.path().join("a"), link.join("a")].map(Sidecar::at);
        let statements: [&[u8]; 2] = [br#"{"_type":"two"}"#, br#"{"_type":"three"}"#];
        std::fs::write(folder.path().join("a"), FIRST).expect("written");
        let pending: Vec<_> = sidecars
            .iter()
            .zip(statements)
            .map(|(sidecar, statement)| Pending {
                sidecar,
                statement,
                data: folder.path(),
            })
            .collect();
        let done = write_group(&pending, Existing::Append, Times::Compare);
        for one in done {
            assert_eq!(one.expect("written").outcome, Outcome::Appended);
        }
        let all = std::fs::read_to_string(folder.path().join("a")).expect("there");
        assert_eq!(all.lines().count(), 3, "{all}");
    }
}
