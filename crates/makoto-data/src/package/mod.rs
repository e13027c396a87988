//! Data and its attestations in one ZIP file, for where there is no network.
//!
//! ```text
//! ATTESTATION.json           what is said of the data: one statement, or JSON Lines
//! attestations/<id>.json     further statements, such as those of what the data was made from
//! trust/policy.toml          a policy, with the files that it names below trust/
//! data/<name>                a file
//! data/<name>/<path>         a file of a folder
//! ```
//!
//! Every other member is data as well, so that nothing comes along unattested. Nothing in a
//! package is believed because it is there, and nothing is ever written to disk here.

mod archive;
mod trust;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::{Manifest, ManifestError};
use makoto::record::{Format, RecordError, Records, Settings};

use crate::error::DataError;
use crate::file::{Fingerprint, Tap, digest_file, open_regular, state_of};
use crate::folder::Links;
use crate::new_file::folder_of;
use crate::table::digest_table;
use crate::{Progress, pipeline};

use archive::{Entry, Method};
pub use trust::{PackageTrust, PackageTrustError};
pub use write::{PackageWriter, further_name};

/// The member that says what is attested.
pub const ATTESTATION: &str = "ATTESTATION.json";

const FURTHER: &str = "attestations/";
const DATA: &str = "data/";

/// Why a package is none, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Its form is not that of a package, or can be read in more than one way.
    #[error("is no sound package: {0}")]
    Form(String),
    /// A budget is reached.
    #[error("cannot be read within the budget: {0}")]
    Budget(String),
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no regular file, or changed while it was read.
    #[error("{0}")]
    Data(#[from] DataError),
}

impl PackageError {
    fn form(what: &str) -> Self {
        Self::Form(what.to_owned())
    }

    fn member(name: &str, what: &str) -> Self {
        Self::Form(format!("member {name:?} {what}"))
    }
}

/// A ZIP file with `ATTESTATION.json` in it. Nothing in it is verified.
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    file: Arc<File>,
    state: Fingerprint,
    entries: Vec<Entry>,
    /// Where each name is among the entries.
    by_name: HashMap<String, usize>,
}

/// One dataset of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dataset {
    /// A member.
    File {
        /// Its name in the package.
        member: String,
    },
    /// All members below a folder.
    Folder {
        /// The folder's name in the package, with `/` at its end.
        prefix: String,
    },
}

impl Dataset {
    /// Its name in the package.
    pub fn name(&self) -> &str {
        match self {
            Self::File { member } => member,
            Self::Folder { prefix } => prefix,
        }
    }
}

/// What was found in a member.
#[derive(Debug, Clone)]
pub struct MemberDigest {
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub bytes: u64,
    /// Its records, if they were asked for.
    pub records: Option<Result<Records, RecordError>>,
}

impl Package {
    /// Whether the file at `path` starts as a ZIP archive does.
    ///
    /// # Errors
    /// [`DataError`] when it cannot be read.
    pub fn is_likely(path: &Path) -> Result<bool, DataError> {
        let (file, _) = open_regular(path)?;
        let mut magic = [0; 4];
        let length = file.read_at(&mut magic, 0).map_err(DataError::io(path))?;
        Ok(length == 4 && matches!(magic, [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6]))
    }

    /// Opens the package at `path` and reads its directory.
    ///
    /// # Errors
    /// [`PackageError::Form`] when it is no archive, one that readers may differ on, or has no
    /// `ATTESTATION.json`; [`PackageError::Budget`]; and the errors of reading.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        Self::of_file(open_regular(path)?.0, path)
    }

    /// Reads the directory of the package in a file that is open.
    fn of_file(file: File, path: &Path) -> Result<Self, PackageError> {
        let state = state_of(&file, path)?;
        let entries = archive::entries(&file, state.size)?;
        let is_attestation = |name: &str| name.eq_ignore_ascii_case(ATTESTATION);
        let named: Vec<_> = entries
            .iter()
            .filter(|entry| is_attestation(&entry.name))
            .collect();
        match named.as_slice() {
            [one] if one.name == ATTESTATION => {}
            [] => return Err(PackageError::Form(format!("it has no {ATTESTATION}"))),
            [one] => {
                let what = format!("is not named {ATTESTATION}");
                return Err(PackageError::member(&one.name, &what));
            }
            _ => {
                let what = format!("it has {} members named {ATTESTATION}", named.len());
                return Err(PackageError::Form(what));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            state,
            by_name: entries
                .iter()
                .enumerate()
                .map(|(index, entry)| (entry.name.clone(), index))
                .collect(),
            entries,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of `ATTESTATION.json`.
    ///
    /// # Errors
    /// [`PackageError`] when it is larger than an attestation file may be, or cannot be read.
    pub fn attestation(&self) -> Result<Vec<u8>, PackageError> {
        self.document(ATTESTATION)
    }

    /// Names of the members with further statements.
    pub fn further(&self) -> Vec<String> {
        let names = self.entries.iter().map(|entry| &entry.name);
        names
            .filter(|name| name.starts_with(FURTHER))
            .cloned()
            .collect()
    }

    /// The bytes of a member that holds attestations.
    ///
    /// # Errors
    /// As [`Package::attestation`].
    pub fn document(&self, member: &str) -> Result<Vec<u8>, PackageError> {
        let limit = Limits::DEFAULT.sidecar_bytes;
        let entry = self.entry(member)?;
        if entry.size > limit as u64 {
            let what = format!("{member} is larger than {limit} bytes");
            return Err(PackageError::Budget(what));
        }
        let mut bytes = Vec::new();
        self.read(entry, None, &|_| {}, &mut bytes)?;
        Ok(bytes)
    }

    /// The datasets in it: every member that is no attestation and no file of `trust`, the policy
    /// that came along.
    pub fn datasets(&self, trust: Option<&PackageTrust>) -> Vec<Dataset> {
        let trust: HashSet<_> = trust
            .into_iter()
            .flat_map(PackageTrust::members)
            .map(|(name, _)| name)
            .collect();
        let mut datasets = Vec::new();
        for entry in &self.entries {
            let name = entry.name.as_str();
            if name == ATTESTATION || name.starts_with(FURTHER) || trust.contains(name) {
                continue;
            }
            let (folder, below) = match name.strip_prefix(DATA) {
                Some(below) => (DATA, below),
                None => ("", name),
            };
            let dataset = match below.split_once('/') {
                Some((first, _)) => Dataset::Folder {
                    prefix: format!("{folder}{first}/"),
                },
                None => Dataset::File {
                    member: name.to_owned(),
                },
            };
            if datasets.last() != Some(&dataset) {
                datasets.push(dataset);
            }
        }
        datasets
    }

    /// Hashes a member while it is inflated and, with `settings`, counts its records.
    ///
    /// # Errors
    /// [`PackageError`] when it is not what the directory says, or cannot be read.
    pub fn digest(
        &self,
        member: &str,
        settings: Option<&Settings>,
        progress: &Progress<'_>,
    ) -> Result<MemberDigest, PackageError> {
        let entry = self.entry(member)?;
        let (sha256, records) = match settings.filter(|settings| settings.has_rows()) {
            None => self.read(entry, settings, progress, &mut io::sink())?,
            // The parts of a table are not read in their order, so it has to be a file.
            Some(settings) => {
                let mut file = tempfile::NamedTempFile::new()?;
                let (sha256, _) = self.read(entry, None, progress, file.as_file_mut())?;
                let found = digest_file(file.path(), Some(settings), &|_| {}, None)?;
                (sha256, found.records.filter(|_| found.sha256 == sha256))
            }
        };
        Ok(MemberDigest {
            sha256,
            bytes: entry.size,
            records,
        })
    }

    /// Counts the rows of the tables in the folder `prefix`, all of which are of `format`. They
    /// are unpacked into a folder that nobody else can read, and removed.
    ///
    /// # Errors
    /// As [`Package::digest_folder`].
    pub fn count_table(
        &self,
        prefix: &str,
        format: Format,
        progress: &Progress<'_>,
    ) -> Result<Result<Records, RecordError>, PackageError> {
        let nobody_else = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new()
            .permissions(nobody_else)
            .tempdir()?;
        for entry in &self.entries {
            if let Some(name) = entry.name.strip_prefix(prefix) {
                // The directory was refused if a name could lead out of a folder.
                let path = folder.path().join(name);
                std::fs::create_dir_all(folder_of(&path))?;
                let mut file = File::create_new(&path)?;
                self.read(entry, None, progress, &mut file)?;
            }
        }
        let (_, records) = digest_table(folder.path(), Links::Refuse, &[], format, &|_| {})?;
        Ok(records)
    }

    /// Hashes every member below `prefix`, as the files of a folder.
    ///
    /// # Errors
    /// As [`Package::digest`].
    pub fn digest_folder(
        &self,
        prefix: &str,
        progress: &Progress<'_>,
    ) -> Result<Manifest, PackageError> {
        let mut files = BTreeMap::new();
        for entry in &self.entries {
            if let Some(name) = entry.name.strip_prefix(prefix) {
                let (sha256, _) = self.read(entry, None, progress, &mut io::sink())?;
                files.insert(name.to_owned(), sha256);
            }
        }
        Manifest::new(files).map_err(|error: ManifestError| PackageError::form(&error.to_string()))
    }

    /// Looks whether the file still is as it was when it was opened.
    ///
    /// # Errors
    /// [`DataError::Changed`].
    pub fn refuse_changed(&self) -> Result<(), DataError> {
        match state_of(&self.file, &self.path)? == self.state {
            true => Ok(()),
            false => Err(DataError::changed(&self.path, "its size or times moved")),
        }
    }

    fn entry(&self, member: &str) -> Result<&Entry, PackageError> {
        let entry = self.by_name.get(member).map(|index| &self.entries[*index]);
        entry.ok_or_else(|| PackageError::member(member, "is not there"))
    }

    /// Reads a member to its end, into `copy`.
    fn read(
        &self,
        entry: &Entry,
        settings: Option<&Settings>,
        progress: &Progress<'_>,
        copy: &mut (dyn Write + Send),
    ) -> Result<(Digest, Option<Result<Records, RecordError>>), PackageError> {
        let stored = Stored {
            file: Arc::clone(&self.file),
            next: entry.start,
            end: entry.start + entry.stored,
        };
        let content: Box<dyn Read + Send> = match entry.method {
            Method::Stored => Box::new(stored),
            Method::Deflated => Box::new(Inflating {
                stored: entry.stored,
                decoder: flate2::read::DeflateDecoder::new(stored),
            }),
        };
        let mut checked = Checked {
            crc: Crc::new(),
            length: 0,
            copy,
        };
        let shown = self.path.join(&entry.name);
        let tap = Tap::of_member(content, &shown, entry.size, progress, &mut checked);
        let found = match pipeline::run(tap, settings) {
            Ok(found) => found,
            Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidData => {
                let what = format!("cannot be inflated: {source}");
                return Err(PackageError::member(&entry.name, &what));
            }
            Err(DataError::Changed { .. }) => {
                let what = "inflates to more or fewer bytes than the directory says";
                return Err(PackageError::member(&entry.name, what));
            }
            Err(error) => return Err(error.into()),
        };
        if (checked.crc.sum(), checked.length) != (entry.crc, entry.size) {
            return Err(PackageError::member(
                &entry.name,
                "is damaged: its checksum is another",
            ));
        }
        Ok(found)
    }
}

/// The stored bytes of a member.
struct Stored {
    file: Arc<File>,
    next: u64,
    end: u64,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let space = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..space], self.next)?;
        if count == 0 && space > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.next += count as u64;
        Ok(count)
    }
}

/// The content of a deflated member, which must end where its stored bytes end.
struct Inflating {
    decoder: flate2::read::DeflateDecoder<Stored>,
    stored: u64,
}

impl Read for Inflating {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let count = self
            .decoder
            .read(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                    invalid(&error.to_string())
                }
                _ => error,
            })?;
        if count == 0 && !buffer.is_empty() && self.decoder.total_in() != self.stored {
            return Err(invalid("something follows the deflated bytes"));
        }
        Ok(count)
    }
}

/// What passes by on its way to `copy`.
struct Checked<'a> {
    crc: Crc,
    length: u64,
    copy: &'a mut (dyn Write + Send),
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.copy.write_all(bytes)?;
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.copy.flush()
    }
}
