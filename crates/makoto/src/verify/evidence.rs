//! What was found in the data, and how it was read.

use crate::digest::Digest;
use crate::exclude::Pattern;
use crate::manifest::Manifest;
use crate::record::{RecordError, Records, Settings};
use crate::statement::Subject;

/// What was found in the data.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A file.
    File(Box<FileEvidence>),
    /// A folder.
    Folder(Box<FolderEvidence>),
    /// One file of a folder; the others were not looked at.
    Member(MemberEvidence),
}

/// What was found in a file.
#[derive(Debug, Clone)]
pub struct FileEvidence {
    /// SHA-256 of the bytes as stored.
    pub sha256: Digest,
    /// Number of bytes as stored.
    pub bytes: u64,
    /// What was found when records were counted again with these settings.
    pub records: Option<(Settings, Result<Records, RecordError>)>,
}

/// What was found in a folder.
#[derive(Debug, Clone)]
pub struct FolderEvidence {
    /// The files that are there.
    pub found: Manifest,
    /// The manifest beside the folder, if it is there and could be read. It is used only when
    /// its digest is the one that the statement names.
    pub stored: Option<Manifest>,
    /// When only the files that the stored manifest lists were read: how many others there are.
    pub unlisted: Option<u64>,
    /// How the folder was read.
    pub reading: FolderReading,
    /// Files that are there and were left out.
    pub excluded: usize,
    /// What was found when the rows of its files were counted again, with the settings of the
    /// reading.
    pub records: Option<Result<Records, RecordError>>,
}

/// How a folder is to be read, by what a subject says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderReading {
    /// What is left out.
    pub exclude: Vec<Pattern>,
    /// How rows are counted, if they are.
    pub settings: Option<Settings>,
}

impl FolderReading {
    /// How the folder of `subject` is to be read.
    pub(super) fn of(subject: &Subject) -> Self {
        let annotations = subject.annotations.as_ref();
        let folder = annotations.and_then(|annotations| annotations.folder.as_ref());
        Self {
            exclude: folder
                .and_then(|folder| folder.exclude.clone())
                .unwrap_or_default(),
            // How lines of several files would be counted is not said anywhere.
            settings: declared_settings(subject).filter(|s| s.has_rows()).cloned(),
        }
    }
}

/// What was found of one file of a folder.
#[derive(Debug, Clone)]
pub struct MemberEvidence {
    /// The manifest beside the folder. It is used only when its digest is the one that the
    /// statement names.
    pub manifest: Manifest,
    /// Path of the file in the folder.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

impl Evidence {
    /// The digest that stands for the data.
    pub fn sha256(&self) -> Digest {
        match self {
            Self::File(file) => file.sha256,
            Self::Folder(folder) => folder.found.dir_hash(),
            Self::Member(member) => member.manifest.dir_hash(),
        }
    }
}

/// How the records of a subject are said to have been counted.
pub(super) fn declared_settings(subject: &Subject) -> Option<&Settings> {
    subject.annotations.as_ref()?.records.as_ref()
}
