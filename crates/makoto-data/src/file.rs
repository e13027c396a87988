//! One file: opened once, read once, and compared with itself afterwards.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use makoto::digest::{Digest, Hasher};
use makoto::record::{Compression, RecordError, Records, Settings};
use rustix::fs::OFlags;

use crate::error::{DataError, FileKind};
use crate::{Progress, pipeline};

/// What tells one state of a file from another (FORMATS §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    /// Size in bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the bytes may be taken for the same: file, size and time of writing are.
    pub fn same_content_state(&self, other: &Self) -> bool {
        let content = |state: &Self| (state.device, state.inode, state.size, state.modified);
        content(self) == content(other)
    }

    /// When the bytes were last written, in seconds since 1970.
    pub fn modified_unix(&self) -> i64 {
        self.modified.0
    }

    /// When bytes or attributes last changed, in seconds since 1970. Cannot be set back.
    pub fn changed_unix(&self) -> i64 {
        self.changed.0
    }
}

/// State of the file or folder at `path`, following links; `None` when nothing is there.
///
/// # Errors
/// [`DataError::Io`] when it cannot be looked at.
pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, DataError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Fingerprint::of(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::io(path)(error)),
    }
}

/// State of the entry at `path` itself, which may be a link; `None` when nothing is there.
///
/// # Errors
/// [`DataError::Io`] when it cannot be looked at.
pub fn entry_fingerprint(path: &Path) -> Result<Option<Fingerprint>, DataError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(Fingerprint::of(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::io(path)(error)),
    }
}

/// State of a file that is open.
pub(crate) fn state_of(file: &File, path: &Path) -> Result<Fingerprint, DataError> {
    Ok(Fingerprint::of(
        &file.metadata().map_err(DataError::io(path))?,
    ))
}

/// Digests of a file.
#[derive(Debug, Clone)]
pub struct FileDigest {
    /// SHA-256 of the bytes as stored.
    pub sha256: Digest,
    /// The file's state, the same before and after reading.
    pub fingerprint: Fingerprint,
    /// Its records, if they were asked for.
    pub records: Option<Result<Records, RecordError>>,
}

/// Hashes the file at `path` in one pass; with `settings`, counts its records and hashes their
/// tree as well; with `copy`, writes the same bytes there.
///
/// Memory does not grow with the file. The file must be regular and keep its state from the
/// first byte to the last.
///
/// # Errors
/// [`DataError`]. Records that break a rule are no error here, since the bytes were hashed:
/// they stand in [`FileDigest::records`].
pub fn digest_file<'a>(
    path: &'a Path,
    settings: Option<&Settings>,
    progress: &'a Progress<'a>,
    copy: Option<&'a mut (dyn Write + Send + 'a)>,
) -> Result<FileDigest, DataError> {
    let (file, before) = open_regular(path)?;
    let file = Arc::new(file);
    let tap = Tap::on(
        Source::File(Arc::clone(&file)),
        path,
        Some(before.size),
        progress,
        copy,
    );
    let (sha256, records) = pipeline::run(tap, settings)?;
    let after = Fingerprint::of(&file.metadata().map_err(DataError::io(path))?);
    if before != after {
        return Err(DataError::changed(path, "its size or times moved"));
    }
    Ok(FileDigest {
        sha256,
        fingerprint: before,
        records,
    })
}

/// Hashes the file at `path` on this thread, through `buffer`.
pub(crate) fn digest_through(
    path: &Path,
    buffer: &mut [u8],
    progress: &Progress<'_>,
) -> Result<(Digest, Fingerprint), DataError> {
    let (file, before) = open_regular(path)?;
    let file = Arc::new(file);
    let source = Source::File(Arc::clone(&file));
    let mut tap = Tap::on(source, path, Some(before.size), progress, None);
    let mut hasher = Hasher::new();
    loop {
        match tap.next(buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let after = Fingerprint::of(&file.metadata().map_err(DataError::io(path))?);
    if before != after {
        return Err(DataError::changed(path, "its size or times moved"));
    }
    Ok((hasher.finish(), before))
}

/// Compression that the first bytes of the file show.
///
/// # Errors
/// [`DataError`] when it cannot be read.
pub fn apparent_compression(path: &Path) -> Result<Compression, DataError> {
    let (file, _) = open_regular(path)?;
    let mut magic = [0; 4];
    let length = file.read_at(&mut magic, 0).map_err(DataError::io(path))?;
    Ok(shown_by(&magic[..length]))
}

/// Compression that the first bytes of data show.
pub(crate) fn shown_by(first: &[u8]) -> Compression {
    match first {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Opens a regular file. A pipe or device is refused without waiting for it.
pub(crate) fn open_regular(path: &Path) -> Result<(File, Fingerprint), DataError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .map_err(DataError::io(path))?;
    let metadata = file.metadata().map_err(DataError::io(path))?;
    if let Some(kind) = FileKind::of(metadata.file_type()) {
        return Err(DataError::NotRegular {
            path: path.to_owned(),
            kind,
        });
    }
    Ok((file, Fingerprint::of(&metadata)))
}

/// Where bytes come from.
pub(crate) enum Source<'a> {
    /// A regular file, which is read by place.
    File(Arc<File>),
    /// Bytes that come once: a pipe, or a part of a file, perhaps inflated.
    Stream(Box<dyn Read + Send + 'a>),
}

impl Source<'_> {
    fn read(&mut self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, at),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

/// Reads data, tells of its progress, writes the copy, and stops at the size that was expected:
/// a file that grows for ever must not be chased.
pub(crate) struct Tap<'a> {
    source: Source<'a>,
    path: &'a Path,
    /// Size in bytes; of a pipe nobody knows it.
    expected: Option<u64>,
    read: u64,
    progress: &'a Progress<'a>,
    copy: Option<&'a mut (dyn Write + Send + 'a)>,
    failure: Option<DataError>,
}

impl<'a> Tap<'a> {
    /// A tap on `source`, which is called `path` and has `expected` bytes.
    pub(crate) fn on(
        source: Source<'a>,
        path: &'a Path,
        expected: Option<u64>,
        progress: &'a Progress<'a>,
        copy: Option<&'a mut (dyn Write + Send + 'a)>,
    ) -> Self {
        Self {
            source,
            path,
            expected,
            read: 0,
            progress,
            copy,
            failure: None,
        }
    }

    /// Bytes that will come, or the most there could be.
    pub(crate) fn expected(&self) -> u64 {
        self.expected.unwrap_or(u64::MAX)
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// What stopped the last read, if one failed.
    pub(crate) fn take_failure(&mut self) -> Option<DataError> {
        self.failure.take()
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, DataError> {
        let count = loop {
            match self.source.read(buffer, self.read) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.map_err(DataError::io(self.path))?,
            }
        };
        self.read += count as u64;
        let expected = self.expected.unwrap_or(self.read);
        if self.read > expected {
            return Err(DataError::changed(self.path, "it grew"));
        }
        if count == 0 && self.read < expected && !buffer.is_empty() {
            return Err(DataError::changed(self.path, "it became shorter"));
        }
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..count]).map_err(DataError::Copy)?;
        }
        (self.progress)(count as u64);
        Ok(count)
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.next(buffer).map_err(|failure| {
            self.failure = Some(failure);
            std::io::Error::other("the file could not be read")
        })
    }
}
