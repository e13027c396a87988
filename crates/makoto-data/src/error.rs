//! Why data could not be read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use makoto::manifest::ManifestError;

/// Why data could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something that has no stored bytes.
    #[error("{} is {kind}, needed a regular file or a folder", path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// It moved between the first and the last byte that was read.
    #[error("{} changed while it was read: {what}", path.display())]
    Changed {
        /// The file or folder.
        path: PathBuf,
        /// In which way.
        what: &'static str,
    },
    /// A link in a folder, which are not followed unless asked.
    #[error("{} is a link; links are refused unless they are to be followed", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A link leads out of the folder.
    #[error("{} is a link that leads out of the folder", path.display())]
    LinkOut {
        /// The link.
        path: PathBuf,
    },
    /// Links lead back to themselves, or folders are nested too deep.
    #[error("{} leads back to itself, is reached by links too often, or nested deeper than {limit} folders", path.display())]
    Cycle {
        /// Where.
        path: PathBuf,
        /// The budget.
        limit: usize,
    },
    /// A folder holds no file.
    #[error("{} holds no file, so there is nothing to attest", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A name that a manifest cannot hold.
    #[error("{} cannot be attested", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
        /// Which name, and why.
        source: ManifestError,
    },
    /// A search for attestations found more than it may hold.
    #[error("cannot search further than {}: more than {limit} {what}", path.display())]
    TooMany {
        /// Where the budget was reached.
        path: PathBuf,
        /// The budget.
        limit: u64,
        /// What there is too much of.
        what: &'static str,
    },
    /// The copy could not be written.
    #[error("cannot write the copy")]
    Copy(#[source] io::Error),
}

impl DataError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn changed(path: &Path, what: &'static str) -> Self {
        Self::Changed {
            path: path.to_owned(),
            what,
        }
    }
}

/// What a path names when it is no regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A named pipe.
    Pipe,
    /// A device.
    Device,
    /// A socket.
    Socket,
}

impl FileKind {
    pub(crate) fn of(file_type: std::fs::FileType) -> Option<Self> {
        use std::os::unix::fs::FileTypeExt as _;
        if file_type.is_file() {
            None
        } else if file_type.is_dir() {
            Some(Self::Folder)
        } else if file_type.is_fifo() {
            Some(Self::Pipe)
        } else if file_type.is_socket() {
            Some(Self::Socket)
        } else {
            Some(Self::Device)
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::Pipe => "a named pipe",
            Self::Device => "a device",
            Self::Socket => "a socket",
        })
    }
}
