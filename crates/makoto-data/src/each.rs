//! The files below a folder as datasets of their own.

use std::path::{Path, PathBuf};

use makoto::limits::Limits;
use walkdir::{DirEntry, WalkDir};

use crate::error::{DataError, FileKind};
use crate::folder::{Links, check_link, walk_error};

/// Whether files of this name are about data, and are not data.
pub fn is_about_data(path: &Path) -> bool {
    let end = path.extension();
    end.is_some_and(|end| end == "attestation" || end == "manifest")
}

/// Regular files below `root` in the order of their names. Hidden files and folders are left
/// out. An entry that cannot be taken, such as a link where links are refused, stands in its
/// place with the reason.
///
/// # Errors
/// [`DataError::Io`] when `root` cannot be found.
pub fn each_file(
    root: &Path,
    links: Links,
) -> Result<Vec<(PathBuf, Option<DataError>)>, DataError> {
    let limit = Limits::DEFAULT.folder_depth;
    let canonical_root = root.canonicalize().map_err(DataError::io(root))?;
    let walk = WalkDir::new(root)
        .follow_root_links(true)
        .follow_links(links == Links::FollowInside)
        .max_depth(limit + 1)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
    let mut files = Vec::new();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                files.push((path, Some(walk_error(root, limit, error))));
                continue;
            }
        };
        if entry.depth() == 0 {
            continue;
        }
        let path = entry.path().to_owned();
        let kind = FileKind::of(entry.file_type());
        let refused = if entry.depth() > limit {
            let path = path.clone();
            Some(DataError::Cycle { path, limit })
        } else if entry.path_is_symlink() {
            check_link(&path, &canonical_root, links).err()
        } else {
            None
        };
        match (refused, kind) {
            (None, Some(FileKind::Folder)) => {}
            (None, Some(kind)) => {
                let at = path.clone();
                files.push((path, Some(DataError::NotRegular { path: at, kind })));
            }
            (refused, _) => files.push((path, refused)),
        }
    }
    Ok(files)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}
