//! Patterns of paths that the shell left alone, such as `'data/**/*.csv'`.

use std::path::{Component, Path, PathBuf};

use glob::MatchOptions;
use makoto::limits::Limits;
use walkdir::{DirEntry, WalkDir};

use crate::failure::Failure;
use crate::screen::Plain;

/// As in a shell: `*` stays within a folder, and hidden files are asked for by name.
const AS_IN_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Whether `path` is to be matched. What is there under that very name is no pattern, and
/// neither is a URL.
pub(crate) fn is_pattern(path: &Path) -> bool {
    let is_url = path.to_str().is_some_and(|text| text.contains("://"));
    has_magic(path.as_os_str()) && !is_url && path.symlink_metadata().is_err()
}

fn has_magic(text: &std::ffi::OsStr) -> bool {
    let bytes = text.as_encoded_bytes();
    bytes.iter().any(|byte| b"*?[".contains(byte))
}

/// The paths that match `pattern`, in the order of their names. Links to folders may match and
/// are not walked: a few of them can make paths without end.
pub(crate) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
    let shown = Plain(&pattern.to_string_lossy()).to_string();
    let is_plain = |part: &Component<'_>| !has_magic(part.as_os_str());
    let root: PathBuf = pattern.components().take_while(is_plain).collect();
    let below: PathBuf = pattern.components().skip_while(is_plain).collect();
    let below = below
        .to_str()
        .ok_or_else(|| Failure::usage(format!("the pattern {shown} is not valid UTF-8")))?;
    let matcher = glob::Pattern::new(below)
        .map_err(|error| Failure::usage(format!("{shown} is no pattern: {}", error.msg)))?;
    let depth = match below.contains("**") {
        true => Limits::DEFAULT.folder_depth,
        false => Path::new(below).components().count(),
    };
    let names_hidden = below.split('/').any(|part| part.starts_with('.'));
    let is_seen = |entry: &DirEntry| entry.depth() == 0 || names_hidden || !is_hidden(entry);
    let start = match root.as_os_str().is_empty() {
        true => Path::new("."),
        false => &root,
    };
    let mut found = Vec::new();
    let walk = WalkDir::new(start).max_depth(depth).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(is_seen) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => break,
            Err(error) => {
                return Err(Failure::usage(format!(
                    "cannot look for what matches {shown}: {error}"
                )));
            }
        };
        let Ok(name) = entry.path().strip_prefix(start) else {
            continue;
        };
        if entry.depth() > 0 && matcher.matches_with(&name.to_string_lossy(), AS_IN_A_SHELL) {
            found.push(root.join(name));
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(Failure::usage(format!("nothing matches {shown}")).hint(
            "a pattern is matched from the folder you are in; ** stands for folders of any depth",
        )),
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}
