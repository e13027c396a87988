//! What a verifier remembers of key sets, so that an older one is not taken for the newest.
//!
//! One file per pinned key of an owner: `<64 hex>.json`, with version and digest of the last set
//! that was accepted, and the owner's key in it. A version never goes back.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use makoto::digest::Digest;
use makoto::json::Json;
use makoto::key_set::Remembered;
use makoto::limits::Limits;

use crate::new_file::NewFile;
use crate::sidecar::{SidecarError, lock_folder, read_limited, writing};

/// Bytes of one memory: a version, a digest and a key.
const MOST_BYTES: usize = 16 << 10;

/// A folder of memories.
#[derive(Debug, Clone)]
pub struct KeySetMemory {
    folder: PathBuf,
}

/// Why nothing can be recalled or remembered.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] SidecarError),
    /// It holds something else.
    #[error("{} does not hold what was remembered of a key set", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl KeySetMemory {
    /// The memories in `folder`, which need not be there yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where what is remembered for a pinned key is kept.
    pub fn path_of(&self, pinned: &Digest) -> PathBuf {
        self.folder.join(format!("{pinned}.json"))
    }

    /// What is remembered for a pinned key.
    ///
    /// # Errors
    /// [`MemoryError::Damaged`], since a memory that cannot be read may have been made so; and the
    /// errors of reading.
    pub fn recall(&self, pinned: &Digest) -> Result<Option<Remembered>, MemoryError> {
        let path = self.path_of(pinned);
        let Some(bytes) = read_limited(&path, MOST_BYTES)? else {
            return Ok(None);
        };
        let value = Json::parse(&bytes, &Limits::DEFAULT).ok();
        let remembered = value.and_then(|value| Remembered::from_json(&value));
        remembered.map(Some).ok_or(MemoryError::Damaged { path })
    }

    /// Remembers a set that was accepted. When this returns, it is on disk. One that another
    /// program has accepted meanwhile, and is newer, stays.
    ///
    /// # Errors
    /// As [`KeySetMemory::recall`], and the errors of writing.
    pub fn remember(&self, pinned: &Digest, accepted: &Remembered) -> Result<(), MemoryError> {
        let path = self.path_of(pinned);
        let make = || {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&self.folder)
        };
        make().map_err(writing(&self.folder))?;
        let _turn = lock_folder(&path)?;
        let is_known = |known: &Remembered| known.version >= accepted.version;
        if self.recall(pinned)?.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        let bytes = accepted.to_json().to_string();
        let write = || -> io::Result<()> {
            let mut file = NewFile::at(&path)?;
            file.file().write_all(bytes.as_bytes())?;
            file.keep_by_umask()?;
            File::open(&self.folder)?.sync_all()
        };
        Ok(write().map_err(writing(&path))?)
    }
}

#[cfg(test)]
mod tests {
    use makoto::key::SigningKey;

    use super::*;

    fn remembered(version: u64, content: &[u8]) -> Remembered {
        let key = SigningKey::generate(makoto::key::Algorithm::Ed25519).expect("a key");
        Remembered {
            version,
            digest: Digest::of(content),
            owner_key: key.public_key().clone(),
        }
    }

    #[test]
    fn what_was_accepted_is_recalled_and_never_goes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = KeySetMemory::at(folder.path().join("deep/keysets"));
        let (pinned, other) = (Digest::of(b"pinned"), Digest::of(b"other"));
        assert_eq!(memory.recall(&pinned).expect("nothing"), None);
        let (first, second) = (remembered(1, b"1"), remembered(2, b"2"));
        for (accepted, kept) in [(&first, &first), (&second, &second), (&first, &second)] {
            memory.remember(&pinned, accepted).expect("written");
            let recalled = memory.recall(&pinned).expect("read");
            assert_eq!(recalled.as_ref(), Some(kept));
        }
        assert_eq!(memory.recall(&other).expect("nothing"), None);
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_no_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = KeySetMemory::at(folder.path().to_owned());
        let pinned = Digest::of(b"pinned");
        let good = remembered(3, b"3").to_json().to_string();
        for bad in [
            "",
            "{}",
            &good[..good.len() - 1],
            &good.replace(":3", ":-3"),
        ] {
            std::fs::write(memory.path_of(&pinned), bad).expect("written");
            let recalled = memory.recall(&pinned);
            assert!(
                matches!(recalled, Err(MemoryError::Damaged { .. })),
                "{bad}"
            );
            let again = memory.remember(&pinned, &remembered(4, b"4"));
            assert!(matches!(again, Err(MemoryError::Damaged { .. })), "{bad}");
        }
    }
}
