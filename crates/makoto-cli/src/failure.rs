//! Why a command could not give its answer, and what to do next.

use std::error::Error;
use std::io::ErrorKind;

use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::report::{Check, Judged, Outcome, Report};
use makoto_data::{DataError, PackageError, SidecarError, StoreError};

use crate::clock;

/// A command that stopped. Shown as what happened, and on a line of its own what to do next.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// 1 when something contradicts, 2 when it could not be told.
    pub(crate) status: u8,
    /// What was checked, found and needed.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The requirement that it is about.
    requirement: Option<&'static str>,
    /// By what was to be judged, where that is known.
    judged: Option<Box<Judged>>,
}

impl Failure {
    /// Wrong use, or something that cannot be read: exit status 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            status: 2,
            message: message.into(),
            hint: None,
            requirement: None,
            judged: None,
        }
    }

    /// An error with its causes, each told once: exit status 2.
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self::usage(chain(error))
    }

    /// Facts that contradict each other: exit status 1.
    pub(crate) fn contradiction(message: impl Into<String>) -> Self {
        Self {
            status: 1,
            ..Self::usage(message)
        }
    }

    /// Says first what it is about: a file that was named.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which requirement it is about.
    pub(crate) fn requirement(mut self, id: &'static str) -> Self {
        self.requirement = Some(id);
        self
    }

    /// Says by which policy and trusted root was to be judged.
    pub(crate) fn judged_by(mut self, policy: Digest, trusted_root: Digest) -> Self {
        let judged = Judged::by_nobody(policy, trusted_root);
        self.judged = Some(Box::new(judged));
        self
    }

    /// Adds a further way to go on.
    pub(crate) fn or_hint(self, other: impl Into<String>) -> Self {
        let other = other.into();
        let hint = match &self.hint {
            Some(hint) => format!("{hint}; or {other}"),
            None => other,
        };
        self.hint(hint)
    }

    /// The failure as a report.
    pub(crate) fn to_report(&self) -> Report {
        let now = clock::now().unwrap_or_else(|_| DateTime::unix_epoch());
        let mut report = match self.status {
            1 => {
                let id = self.requirement.unwrap_or("P1");
                let check = Check::new(id, Outcome::Fail, "", &*self.message);
                Report::from_checks(vec![check], now)
            }
            _ => {
                let id = self.requirement.unwrap_or("V1");
                let check = Check::new(id, Outcome::Skip, "", &*self.message);
                Report::unknown(check, now)
            }
        };
        report.judged = self.judged.as_deref().cloned();
        report
    }
}

/// The error and its causes on one line, each told once.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let failure = Self::usage(chain(&error));
        match error {
            DataError::NotRegular { .. } => {
                failure.hint("write the bytes to a file first, then name that file")
            }
            DataError::Changed { .. } => {
                failure.hint("wait until nothing writes to it, then run the command again")
            }
            DataError::Link { .. } => failure
                .hint("add --follow to count links that stay inside the folder as what they name"),
            DataError::LinkOut { .. } => {
                failure.hint("copy what the link names into the folder, or remove the link")
            }
            DataError::NothingLeft { .. } => failure.hint(
                "leave out less with --exclude, or nothing by default with --no-default-excludes",
            ),
            DataError::Name { .. } => failure.hint("rename the file"),
            DataError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                failure.hint("check the path; it is taken from the folder you are in")
            }
            DataError::Io { .. }
            | DataError::Cycle { .. }
            | DataError::TooMany { .. }
            | DataError::EmptyFolder { .. }
            | DataError::Copy(_) => failure,
        }
    }
}

impl From<SidecarError> for Failure {
    fn from(error: SidecarError) -> Self {
        let failure = Self::usage(chain(&error));
        match error {
            SidecarError::Exists { .. } => Self {
                status: 1,
                ..failure
            }
            .hint("--replace writes the new statement in its place, --append adds it as a further line; where only a signature or its time is wanting, `makoto sign` and `makoto timestamp` add it"),
            SidecarError::NotAttestation { .. } => Self {
                status: 1,
                ..failure
            }
            .hint("move that file away, or give another --out"),
            SidecarError::Changed { .. } => failure.hint("run the command again"),
            SidecarError::Locked { .. } => {
                failure.hint("see which program holds the lock on that folder")
            }
            SidecarError::ManyLines { .. } => failure.hint("use --replace, or another --out"),
            SidecarError::NotManifest { .. } => {
                failure.hint("move that file away, or add --no-manifest")
            }
            SidecarError::Io { .. } | SidecarError::Data(_) | SidecarError::TooLarge { .. } => {
                failure
            }
        }
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Data(error) => error.into(),
            error => Self::usage(format!("the package {error}")),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::usage(chain(&error));
        match error {
            StoreError::NotAStore { .. } => {
                failure.hint("check the path; `makoto attest … --store DIR` makes a store")
            }
            StoreError::NotEmpty { .. } => failure.hint("name a new or an empty folder"),
            StoreError::Version { .. } => failure.hint("use the version of makoto that made it"),
            StoreError::Damaged { .. } => failure.hint(
                "restore that file from a copy, or remove it and put its attestation in again",
            ),
            StoreError::File(error) => error.into(),
            StoreError::TooMany { .. }
            | StoreError::NotAttestation(_)
            | StoreError::NotConforming { .. } => failure,
        }
    }
}
