//! The bytes of a table, read from anywhere in it through the one open descriptor.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use makoto::limits::Limits;
use makoto::record::{Format, RecordError};

use crate::error::DataError;

/// A file of a table.
#[derive(Debug)]
pub(crate) struct Stored {
    file: Arc<File>,
    path: PathBuf,
    /// Bytes in it when it was opened.
    pub(crate) size: u64,
    /// Its format in words, for errors.
    format: &'static str,
    /// What made a read fail, where the file is not to blame for it.
    failure: Mutex<Option<DataError>>,
}

impl Stored {
    pub(crate) fn new(file: Arc<File>, path: &Path, size: u64, format: Format) -> Self {
        Self {
            file,
            path: path.to_owned(),
            size,
            format: match format {
                Format::Parquet => "Parquet",
                Format::Arrow => "an Arrow IPC file",
                Format::Csv | Format::JsonLines => "a table",
            },
            failure: Mutex::new(None),
        }
    }

    /// Reads exactly `length` bytes at `offset`.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, RecordError> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(self.broken("it names bytes that are beyond its end"));
        }
        let limit = Limits::DEFAULT.table_bytes;
        if length > limit {
            return Err(RecordError::TableTooLarge {
                what: "bytes of a part that must be read at once",
                limit: limit as u64,
            });
        }
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| {
                let failure = match error.kind() {
                    ErrorKind::UnexpectedEof => DataError::changed(&self.path, "it became shorter"),
                    _ => DataError::io(&self.path)(error),
                };
                let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                slot.get_or_insert(failure);
                self.broken("it could not be read to its end")
            })?;
        Ok(bytes)
    }

    /// As [`Stored::read`], but no further than the end of the file.
    pub(super) fn read_some(&self, offset: u64, most: usize) -> Result<Vec<u8>, RecordError> {
        let left = self.size.saturating_sub(offset);
        self.read(offset, usize::try_from(left).unwrap_or(most).min(most))
    }

    /// The error that the file is not as its format says.
    pub(crate) fn broken(&self, why: impl Into<String>) -> RecordError {
        RecordError::NotATable {
            format: self.format,
            why: why.into(),
        }
    }

    /// What made a read fail, where the file is not to blame for it.
    pub(crate) fn take_failure(&self) -> Option<DataError> {
        let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}
