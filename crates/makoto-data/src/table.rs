//! A table in many files: a folder of part files of one format and one schema, perhaps in
//! folders such as `day=2026-11-21/`.
//!
//! Its rows are those of all files in the order of their paths. Where the rows of each file begin
//! is known from the footers, so that files are read by several threads; what the footers say is
//! held against what was read.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use makoto::digest::Digest;
use makoto::exclude::Pattern;
use makoto::merkle::Range;
use makoto::record::{Format, RecordError, Records};

use crate::Progress;
use crate::error::DataError;
use crate::file::{digest_part, digest_through, open_regular};
use crate::folder::{FolderDigest, FolderFile, Links, for_each_file, list_folder, unmoved};
use crate::rows::{PartRows, RowSchema, Stored, Table};

/// Hashes the folder at `root` and counts the rows of the tables in its files, all of which are
/// of `format`.
///
/// # Errors
/// As [`crate::digest_folder`]. Rows that cannot be counted are no error, since the bytes were
/// hashed: they stand in the second part.
pub fn digest_table(
    root: &Path,
    links: Links,
    exclude: &[Pattern],
    format: Format,
    progress: &Progress<'_>,
) -> Result<(FolderDigest, Result<Records, RecordError>), DataError> {
    let listing = list_folder(root, links, exclude)?;
    let (digests, records) = digest_parts(root, &listing.files, format, progress)?;
    let folder = listing.attest(root, links, exclude, digests)?;
    Ok((folder, records))
}

/// Hashes `files` of the folder at `root`, which are in the order of their names, and counts the
/// rows of the tables in them.
pub(crate) fn digest_parts(
    root: &Path,
    files: &[FolderFile],
    format: Format,
    progress: &Progress<'_>,
) -> Result<(Vec<Digest>, Result<Records, RecordError>), DataError> {
    let parts = read_footers(root, files, format)?;
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    // Many files keep all threads busy, one file each; of few, each has all of them.
    let (files_at_once, threads) = match files.len() >= 2 * cores {
        true => (cores, 1),
        false => (1, cores),
    };
    let read = for_each_file(files, files_at_once, |index, file, buffer| {
        let path = root.join(&file.name);
        let (digest, fingerprint, rows) = match &parts {
            Ok(Parts { starts, .. }) => {
                let part = digest_part(&path, format, starts[index], threads, progress)?;
                let ((digest, rows), fingerprint) = part;
                (digest, fingerprint, Some(rows))
            }
            // The bytes are still hashed; nobody will ask for the rows.
            Err(_) => {
                let (digest, fingerprint) = digest_through(&path, buffer, progress)?;
                (digest, fingerprint, None)
            }
        };
        unmoved(&path, file, &fingerprint).map(|()| (digest, rows))
    })?;
    let (digests, ranges): (Vec<Digest>, Vec<_>) = read.into_iter().unzip();
    let records = parts.and_then(|parts| parts.count(files, ranges));
    Ok((digests, records))
}

/// What the footers of all files say.
struct Parts {
    schema: RowSchema,
    /// Where the rows of each file begin.
    starts: Vec<u64>,
}

fn read_footers(
    root: &Path,
    files: &[FolderFile],
    format: Format,
) -> Result<Result<Parts, RecordError>, DataError> {
    let mut schema: Option<RowSchema> = None;
    let mut starts = Vec::with_capacity(files.len());
    let mut next = 0_u64;
    for file in files {
        let path = root.join(&file.name);
        let (open, fingerprint) = open_regular(&path)?;
        unmoved(&path, file, &fingerprint)?;
        let stored = Arc::new(Stored::new(Arc::new(open), &path, fingerprint.size, format));
        let table = Table::open(&stored, format);
        if let Some(failure) = stored.take_failure() {
            return Err(failure);
        }
        let table = match table {
            Ok(table) => table,
            Err(error) => return Ok(Err(in_file(file, error))),
        };
        let first = schema.get_or_insert_with(|| table.schema.clone());
        if let Some(difference) = first.difference(&table.schema) {
            return Ok(Err(RecordError::Drift {
                one: files[0].name.clone(),
                other: file.name.clone(),
                difference,
            }));
        }
        starts.push(next);
        next = match next.checked_add(table.rows) {
            Some(next) => next,
            None => return Ok(Err(in_file(file, stored.broken("it has too many rows")))),
        };
    }
    let parts = schema.map(|schema| Parts { schema, starts });
    // A listing has one file at least.
    parts.map(Ok).ok_or_else(|| DataError::EmptyFolder {
        path: root.to_owned(),
    })
}

fn in_file(file: &FolderFile, error: RecordError) -> RecordError {
    RecordError::InFile {
        file: file.name.clone(),
        source: Box::new(error),
    }
}

impl Parts {
    /// Puts the rows of all files together.
    fn count(
        self,
        files: &[FolderFile],
        ranges: Vec<Option<PartRows>>,
    ) -> Result<Records, RecordError> {
        let mut tree = Range::starting_at(0);
        for (file, range) in files.iter().zip(ranges) {
            let changed = || {
                let why = "its footer changed between two readings".to_owned();
                let format = "a part of the table";
                in_file(file, RecordError::NotATable { format, why })
            };
            let (range, schema) = range
                .ok_or_else(changed)?
                .map_err(|error| in_file(file, error))?;
            if schema != self.schema || tree.append(&range).is_err() {
                return Err(changed());
            }
        }
        Ok(Records {
            count: tree.len(),
            root: tree.root(),
            header_digest: None,
            schema_digest: Some(self.schema.digest()?),
        })
    }
}

/// A format of tables that keeps files of several versions in one folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// Delta Lake: `_delta_log/`.
    Delta,
    /// Apache Iceberg: `metadata/` with versions in it.
    Iceberg,
}

/// Whether the folder at `root` is a table whose files are of several versions. To count all of
/// them as one table would count rows that were deleted.
pub fn snapshots(root: &Path) -> Option<Snapshots> {
    if root.join("_delta_log").is_dir() {
        return Some(Snapshots::Delta);
    }
    let metadata = root.join("metadata");
    let is_version = |name: &str| name == "version-hint.text" || name.ends_with(".metadata.json");
    let mut entries = std::fs::read_dir(&metadata).ok()?.filter_map(Result::ok);
    let iceberg = entries.any(|entry| entry.file_name().to_str().is_some_and(is_version));
    iceberg.then_some(Snapshots::Iceberg)
}
