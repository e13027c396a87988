//! Which files of a folder a statement is about: the annotation `folder/v1` (FORMATS §2).

use crate::document;
use crate::exclude::Pattern;
use crate::scalar::closed_vocabulary;
use crate::shape::{At, Findings};
use crate::statement::Subject;

document! {
    /// Which files of a folder its digest covers; all of them when absent.
    pub struct FolderSettings {
        /// How the files were chosen; all that nothing leaves out when absent.
        optional files: FolderFiles = "files",
        /// Patterns of names: a file is left out when any part of its path is so named.
        optional exclude: Vec<Pattern> = "exclude",
    }
    => settings_agree
}

closed_vocabulary! {
    /// How the files of a dataset were chosen among those of its folder.
    pub enum FolderFiles {
        /// They are those that the manifest lists, and others may lie beside them.
        Listed = "listed",
    }
}

/// Patterns of one folder. Each is tried on each part of each path, so they are few; nobody
/// reviews more.
const MOST: usize = 100;

fn settings_agree(settings: &FolderSettings, at: &At<'_>, findings: &mut Findings) {
    let Some(exclude) = &settings.exclude else {
        return;
    };
    let at = at.field("exclude");
    let count = exclude.len();
    if count > MOST {
        findings.contradiction(&at, format!("has {count} patterns, more than {MOST}"));
    }
    if settings.files == Some(FolderFiles::Listed) {
        findings.contradiction(&at, "is there, but the files are listed one by one");
    }
}

impl FolderSettings {
    /// Covers exactly the files that the manifest lists.
    pub fn listed() -> Self {
        Self {
            files: Some(FolderFiles::Listed),
            exclude: None,
            extra: Default::default(),
        }
    }

    /// Covers all files but those that these patterns name.
    pub fn without(exclude: Vec<Pattern>) -> Self {
        Self {
            files: None,
            exclude: Some(exclude),
            extra: Default::default(),
        }
    }
}

/// Whether `subject` is about listed files of a folder, and not about all.
pub(crate) fn is_listed(subject: &Subject) -> bool {
    let annotations = subject.annotations.as_ref();
    let folder = annotations.and_then(|annotations| annotations.folder.as_ref());
    folder.is_some_and(|folder| folder.files == Some(FolderFiles::Listed))
}
