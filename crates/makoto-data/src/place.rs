//! An attestation and where it was found.

use std::fmt;
use std::path::{Path, PathBuf};

use makoto::attestation::Attestation;

/// An attestation and where it was found. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The attestation.
    pub attestation: Attestation,
    /// Its bytes as they were found: the statement, or the envelope around it.
    pub document: Vec<u8>,
    /// Where it was found.
    pub place: Place,
}

/// Where an attestation was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The file beside the data.
    Sidecar(PathBuf),
    /// A file in a folder that was searched.
    Folder(PathBuf),
    /// A file in a store.
    Store(PathBuf),
    /// A member of a package.
    Package {
        /// The package.
        package: PathBuf,
        /// Name of the member.
        member: String,
    },
}

impl Place {
    /// The file on disk.
    pub fn file(&self) -> &Path {
        match self {
            Self::Sidecar(file) | Self::Folder(file) | Self::Store(file) => file,
            Self::Package { package, .. } => package,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file().display())?;
        match self {
            Self::Package { member, .. } => write!(f, "!{member}"),
            Self::Sidecar(_) | Self::Folder(_) | Self::Store(_) => Ok(()),
        }
    }
}
