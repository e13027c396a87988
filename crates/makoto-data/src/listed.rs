//! Some files of a folder as one dataset: those of a list, and no others.

use std::io;
use std::path::Path;

use makoto::manifest::{Manifest, ManifestError};
use makoto::record::{Format, RecordError, Records};
use walkdir::WalkDir;

use crate::Progress;
use crate::error::{DataError, FileKind};
use crate::file::fingerprint;
use crate::folder::{FolderFile, Links, digest_files, member_path};
use crate::table::digest_parts;

/// The listed files of a folder with their digests.
#[derive(Debug, Clone)]
pub struct ListedDigest {
    /// Path and digest of each listed file that is there.
    pub manifest: Manifest,
    /// Bytes in all of them.
    pub bytes: u64,
    /// The rows of all of them in the order of their paths, where a format was given and a file
    /// is there. Rows that cannot be counted are no error, since the bytes were hashed.
    pub records: Option<Result<Records, RecordError>>,
}

/// What to do when a listed file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Fail.
    Refuse,
    /// Leave it out of the manifest.
    LeaveOut,
}

/// Hashes the files `names` of the folder at `root`, and looks at each again afterwards. As
/// tables of `format`, they are one table.
///
/// # Errors
/// [`DataError`] for a name that leaves the folder or comes twice, one that cannot be read, and
/// one that changed meanwhile.
pub fn digest_listed(
    root: &Path,
    names: &[String],
    links: Links,
    missing: Missing,
    format: Option<Format>,
    progress: &Progress<'_>,
) -> Result<ListedDigest, DataError> {
    let files = look(root, names, links, missing)?;
    let (digests, records) = match format {
        Some(format) if !files.is_empty() => {
            let (digests, records) = digest_parts(root, &files, format, progress)?;
            (digests, Some(records))
        }
        _ => (digest_files(root, &files, progress)?, None),
    };
    if look(root, names, links, missing)? != files {
        return Err(DataError::changed(
            root,
            "listed files were removed or written",
        ));
    }
    let bytes = files.iter().map(|file| file.fingerprint.size).sum();
    let names = files.into_iter().map(|file| file.name);
    let manifest = Manifest::new(names.zip(digests)).map_err(named(root))?;
    Ok(ListedDigest {
        manifest,
        bytes,
        records,
    })
}

fn look(
    root: &Path,
    names: &[String],
    links: Links,
    missing: Missing,
) -> Result<Vec<FolderFile>, DataError> {
    let mut files = Vec::new();
    for name in names {
        let path = match member_path(root, name, links) {
            Err(DataError::Io { source, .. })
                if missing == Missing::LeaveOut && source.kind() == io::ErrorKind::NotFound =>
            {
                continue;
            }
            path => path?,
        };
        let metadata = std::fs::metadata(&path).map_err(DataError::io(&path))?;
        if let Some(kind) = FileKind::of(metadata.file_type()) {
            return Err(DataError::NotRegular { path, kind });
        }
        files.push(FolderFile {
            name: name.clone(),
            fingerprint: fingerprint(&path)?
                .ok_or_else(|| DataError::changed(&path, "it is gone"))?,
        });
    }
    // Rows are counted in this order, however they are listed.
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn named(root: &Path) -> impl FnOnce(ManifestError) -> DataError {
    |source| DataError::Name {
        path: root.to_owned(),
        source,
    }
}

/// How many entries of the folder at `root` are neither folders nor files of `listed`. What
/// cannot be looked at counts.
pub fn count_unlisted(root: &Path, listed: &Manifest) -> u64 {
    let walk = WalkDir::new(root).follow_root_links(true).min_depth(1);
    let unlisted = walk.into_iter().filter(|entry| match entry {
        Ok(entry) if entry.file_type().is_dir() => false,
        Ok(entry) => {
            let name = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
            name.is_none_or(|name| listed.get(name).is_none())
        }
        Err(_) => true,
    });
    unlisted.count() as u64
}
