//! A policy, and where the files are that it names.

use std::path::{Path, PathBuf};

use makoto::limits::Limits;
use makoto_data::PackageTrust;

use crate::failure::Failure;
use crate::trust::{beside, read, shown};

/// A policy, and where the files are that it names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PolicyFiles<'a> {
    /// A file, with the others in its folder and below.
    At(&'a Path),
    /// In a package, all of it in memory.
    Packed {
        /// The package.
        package: &'a Path,
        /// What it brings along.
        trust: &'a PackageTrust,
    },
}

impl PolicyFiles<'_> {
    /// The bytes of the policy.
    pub(crate) fn policy(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::At(path) => read(path, Limits::DEFAULT.toml_bytes),
            Self::Packed { trust, .. } => Ok(trust.policy().to_vec()),
        }
    }

    /// What the policy is called, for people.
    pub(crate) fn shown_policy(&self) -> String {
        match self {
            Self::At(path) => shown(path),
            Self::Packed { .. } => self.shown("policy.toml"),
        }
    }

    /// What a file that it names is called, for people.
    pub(crate) fn shown(&self, name: &str) -> String {
        match self {
            Self::At(path) => shown(&beside(path, name)),
            Self::Packed { package, .. } => {
                format!(
                    "{}!{}",
                    shown(package),
                    shown(&PathBuf::from("trust").join(name))
                )
            }
        }
    }

    /// Whether a file that it names is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::At(path) => beside(path, name).is_file(),
            Self::Packed { trust, .. } => trust.file(name).is_some(),
        }
    }

    /// The bytes of a file that it names.
    pub(crate) fn read(&self, name: &str, most: usize) -> Result<Vec<u8>, Failure> {
        match self {
            Self::At(path) => read(&beside(path, name), most),
            Self::Packed { trust, .. } => match trust.file(name) {
                Some(bytes) if bytes.len() <= most => Ok(bytes.to_vec()),
                Some(_) => Err(Failure::usage(format!(
                    "{} is larger than {most} bytes",
                    self.shown(name)
                ))),
                None => Err(Failure::usage(format!("{} is not there", self.shown(name)))
                    .hint("a policy in a package names only what came along below trust/")),
            },
        }
    }

    /// How to see everything that is wrong with the policy.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::At(path) => format!("`makoto policy check {}` shows everything", shown(path)),
            Self::Packed { .. } => {
                "ask whoever made the package for one that it can be judged by".to_owned()
            }
        }
    }
}
