//! Which files of a folder a statement is about: the annotation `folder/v1` (FORMATS §2).

use crate::document;
use crate::scalar::closed_vocabulary;
use crate::statement::Subject;

document! {
    /// Which files of a folder its digest covers; all of them when absent.
    pub struct FolderSettings {
        /// How the files were chosen; all of them when absent.
        optional files: FolderFiles = "files",
    }
}

closed_vocabulary! {
    /// How the files of a dataset were chosen among those of its folder.
    pub enum FolderFiles {
        /// They are those that the manifest lists, and others may lie beside them.
        Listed = "listed",
    }
}

impl FolderSettings {
    /// Covers exactly the files that the manifest lists.
    pub fn listed() -> Self {
        Self {
            files: Some(FolderFiles::Listed),
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
