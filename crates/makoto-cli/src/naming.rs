//! What datasets are called: the parts of their names on disk, and names that are made of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use makoto::config::{NameParts, NameTemplate};
use makoto_data::place_of;

use crate::failure::Failure;
use crate::screen::Plain;

/// What a dataset is called on disk.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The file's name without its extension and that of its compression; a folder's name.
    pub(crate) stem: String,
    /// The name of the file or folder.
    pub(crate) file: String,
    /// The name of the folder that it is in; empty in the root.
    pub(crate) parent: String,
}

impl Named {
    /// Looks at the path only; the data need not be there.
    pub(crate) fn of(path: &Path, is_folder: bool) -> Result<Self, Failure> {
        let place = place_of(path).unwrap_or_else(|| path.to_owned());
        let text = |name: Option<&OsStr>| {
            let text = name.unwrap_or_default().to_str().map(str::to_owned);
            text.ok_or_else(|| {
                Failure::usage(format!(
                    "the name of {} is not valid UTF-8",
                    Plain(&path.to_string_lossy())
                ))
                .hint("give the dataset a name with --name")
            })
        };
        let plain = plain_name(&place);
        Ok(Self {
            stem: text(match is_folder {
                true => place.file_name(),
                false => plain.file_stem(),
            })?,
            file: text(place.file_name())?,
            parent: text(place.parent().and_then(Path::file_name))?,
        })
    }

    /// What fills the places of a template.
    pub(crate) fn parts(&self) -> NameParts<'_> {
        NameParts {
            stem: &self.stem,
            file: &self.file,
            parent: &self.parent,
        }
    }
}

/// Whether a name is a template, which gives each dataset a name of its own.
pub(crate) fn is_template(name: &str) -> bool {
    ["{stem}", "{file}", "{parent}"]
        .iter()
        .any(|place| name.contains(place))
}

/// The name that was typed for the dataset at `path`, filled in where it is a template.
pub(crate) fn named(path: &Path, is_folder: bool, typed: &str) -> Result<String, Failure> {
    if !is_template(typed) {
        return Ok(typed.to_owned());
    }
    let template = NameTemplate::parse(typed).ok_or_else(|| {
        Failure::usage(format!(
            "the name {typed:?} has other braces than {{stem}}, {{file}} and {{parent}}"
        ))
    })?;
    Ok(template.expand(Named::of(path, is_folder)?.parts()))
}

/// The ends of a name that compression adds.
const COMPRESSED: [&str; 4] = ["gz", "gzip", "zst", "zstd"];

/// The name without the end that compression added.
pub(crate) fn plain_name(path: &Path) -> PathBuf {
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    let compressed = |e: &OsStr| COMPRESSED.iter().any(|c| e.eq_ignore_ascii_case(c));
    match name.extension() {
        Some(extension) if compressed(extension) => name.with_extension(""),
        _ => name,
    }
}
