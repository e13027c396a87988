//! A folder of attestations, found by their id, by what they are about, and by what they read.
//!
//! ```text
//! DIR/makoto-store                      "makoto store v1"
//! DIR/id/<2 hex>/<62 hex>               the attestations of that id, as JSON Lines
//! DIR/subject/<2 hex>/<62 hex>/<id>     empty: that statement has a subject of this SHA-256
//! DIR/input/<2 hex>/<62 hex>/<id>       empty: that transform has an input of this SHA-256
//! ```
//!
//! Index entries are written and made to last before the object, which is the commit: an entry
//! without its object is left from a writer that was killed, and means nothing. Nothing in a
//! store is believed because it is there: a reader works out the id again, and looks for the
//! digest in the statement.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use makoto::attestation::{Attestation, AttestationError};
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::report::{Level, Outcome};
use makoto::statement::Statement;

use crate::error::DataError;
use crate::new_file::{NewFile, folder_of, is_temporary};
use crate::place::{Located, Place};
use crate::sidecar::{SidecarError, lock_folder, read_limited, writing};

mod many;

const MARKER: &str = "makoto-store";
const VERSION: &str = "makoto store v1\n";

/// Index entries that are made to last one folder at a time. For more, one call for the whole
/// file system is quicker, though it waits for what others write.
const SYNCED_ONE_BY_ONE: usize = 64;

/// A store of attestations: a folder that several programs may read and write at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// An attestation that is in the store now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Id of the statement.
    pub id: Digest,
    /// What was done.
    pub outcome: Kept,
}

/// What a store did with an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was not there.
    New,
    /// It was there already.
    Unchanged,
    /// Its statement was there, in another envelope or in none.
    Added,
}

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing, or something else.
    #[error("{} is no store: it has no file {MARKER}", root.display())]
    NotAStore {
        /// The folder.
        root: PathBuf,
    },
    /// A store is to be made where other files are.
    #[error("{} is no store, and holds other files", root.display())]
    NotEmpty {
        /// The folder.
        root: PathBuf,
    },
    /// It has a form that this version does not know.
    #[error("{} is a store of another version: {MARKER} says {found:?}", root.display())]
    Version {
        /// The folder.
        root: PathBuf,
        /// What its marker says.
        found: String,
    },
    /// What it holds contradicts itself.
    #[error("store is damaged: {} {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It holds more about one digest than the budget.
    #[error("{} holds more than {limit} attestations", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The budget.
        limit: usize,
    },
    /// What is to be stored is no attestation.
    #[error("cannot be stored: {0}")]
    NotAttestation(#[from] AttestationError),
    /// What is to be stored is a statement that does not conform.
    #[error("statement sha256:{id} cannot be stored: {what}")]
    NotConforming {
        /// Id of the statement.
        id: Digest,
        /// What is wrong with it.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] SidecarError),
}

impl From<DataError> for StoreError {
    fn from(error: DataError) -> Self {
        Self::File(error.into())
    }
}

impl Store {
    /// The store at `root`.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`] when there is none, and the errors of reading.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = root.to_owned();
        match read_limited(&root.join(MARKER), 1 << 10)? {
            Some(marker) if marker == VERSION.as_bytes() => Ok(Self { root }),
            Some(marker) => Err(StoreError::Version {
                found: String::from_utf8_lossy(&marker).trim_end().to_owned(),
                root,
            }),
            None => Err(StoreError::NotAStore { root }),
        }
    }

    /// The store at `root`, made there if nothing is, or an empty folder. Who may read the folder
    /// may read what will be in it.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] when other files are there, and the errors of writing.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        match Self::open(root) {
            Err(StoreError::NotAStore { .. }) => {}
            other => return other,
        }
        std::fs::create_dir_all(root).map_err(writing(root))?;
        // Another program may have made a store here just now.
        if let Err(refused) = refuse_other_files(root) {
            return Self::open(root).map_err(|_| refused);
        }
        let marker = root.join(MARKER);
        write_file(&marker, VERSION.as_bytes(), root)?;
        sync_folder(folder_of(root))?;
        Self::open(root)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks whether [`Store::create`] and [`Store::put`] can write, without writing anything
    /// that stays.
    ///
    /// # Errors
    /// The error that they would end with.
    pub fn rehearse(root: &Path) -> Result<(), StoreError> {
        let folders = match Self::open(root) {
            Ok(_) => ["", "id", "subject", "input"]
                .map(|name| root.join(name))
                .to_vec(),
            Err(StoreError::NotAStore { .. }) => {
                refuse_other_files(root)?;
                let above = root.ancestors().find(|above| exists(above));
                vec![above.unwrap_or(Path::new(".")).to_owned()]
            }
            Err(error) => return Err(error),
        };
        for folder in folders.iter().filter(|folder| exists(folder)) {
            NewFile::at(&folder.join(MARKER)).map_err(writing(folder))?;
        }
        Ok(())
    }

    /// The file that holds, or would hold, the attestations of the statement `id`.
    pub fn path_of(&self, id: &Digest) -> PathBuf {
        self.place("id", id)
    }

    /// Puts one document, or several as JSON Lines, into the store. When this returns, they are
    /// on disk. Doing the same again changes nothing, and completes what a killed writer left.
    ///
    /// # Errors
    /// When one of them is no attestation of a conforming statement, nothing is written. After
    /// other errors, those before the one that failed are in the store.
    pub fn put(&self, bytes: &[u8]) -> Result<Vec<Stored>, StoreError> {
        let documents = Attestation::documents(bytes)?;
        for (_, attestation) in &documents {
            refuse_bad_form(attestation)?;
        }
        let put = |(document, attestation): &(&[u8], Attestation)| {
            let outcome = self.put_one(document, attestation)?;
            let id = attestation.id;
            Ok(Stored { id, outcome })
        };
        documents.iter().map(put).collect()
    }

    /// Every attestation of the statement `id`: one, or several envelopes around it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when what is there is not what its name says, and the errors of
    /// reading.
    pub fn with_id(&self, id: &Digest) -> Result<Vec<Located>, StoreError> {
        let path = self.place("id", id);
        let Some(bytes) = read_limited(&path, Limits::DEFAULT.sidecar_bytes)? else {
            return Ok(Vec::new());
        };
        let damaged = |what: String| StoreError::Damaged {
            path: path.clone(),
            what,
        };
        let documents = Attestation::documents(&bytes)
            .map_err(|error| damaged(format!("holds no attestation: {error}")))?;
        if let Some((_, other)) = documents.iter().find(|(_, one)| one.id != *id) {
            return Err(damaged(format!("holds the statement sha256:{}", other.id)));
        }
        let located = |(document, attestation): (&[u8], Attestation)| Located {
            attestation,
            document: document.to_vec(),
            place: Place::Store(path.clone()),
        };
        Ok(documents.into_iter().map(located).collect())
    }

    /// Every attestation with a subject of this SHA-256, in the order of their ids.
    ///
    /// # Errors
    /// As [`Store::with_id`], and when a statement does not have the digest that it is filed
    /// under.
    pub fn about(&self, sha256: &Digest) -> Result<Vec<Located>, StoreError> {
        self.filed_under("subject", sha256, |one| {
            one.subjects().any(|d| d == *sha256)
        })
    }

    /// Every attestation of a transform that lists this SHA-256 as an input, in the order of
    /// their ids.
    ///
    /// # Errors
    /// As [`Store::about`].
    pub fn reading(&self, sha256: &Digest) -> Result<Vec<Located>, StoreError> {
        self.filed_under("input", sha256, |one| one.inputs().any(|d| d == *sha256))
    }

    /// Ids that are filed as having a subject of this SHA-256, in their order. Not one of them was
    /// read: an entry may be left from a killed writer, or be wrong.
    ///
    /// # Errors
    /// The errors of reading the index.
    pub fn ids_about(&self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids_under("subject", sha256)
    }

    /// Ids that are filed as having an input of this SHA-256, as [`Store::ids_about`].
    ///
    /// # Errors
    /// The errors of reading the index.
    pub fn ids_reading(&self, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        self.ids_under("input", sha256)
    }

    fn ids_under(&self, index: &str, sha256: &Digest) -> Result<Vec<Digest>, StoreError> {
        let path = self.place(index, sha256);
        let reading = |error: Errno| DataError::io(&path)(error.into());
        let folder =
            match rustix::fs::open(&path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => return Ok(Vec::new()),
                Err(error) => return Err(reading(error).into()),
            };
        let mut ids: Vec<Digest> = Vec::new();
        // Most digests have one entry. A walk asks for a hundred thousand of them, and a buffer
        // of the usual size would cost more than the look.
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut entries = RawDir::new(folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(reading)?;
            // Other names are of no writer of ours.
            let name = entry.file_name().to_str().ok();
            ids.extend(name.and_then(|name| name.parse::<Digest>().ok()));
            let limit = Limits::DEFAULT.store_entries;
            if ids.len() > limit {
                return Err(StoreError::TooMany { path, limit });
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn filed_under(
        &self,
        index: &str,
        sha256: &Digest,
        says_so: impl Fn(&Attestation) -> bool,
    ) -> Result<Vec<Located>, StoreError> {
        let folder = self.place(index, sha256);
        let ids = self.ids_under(index, sha256)?;
        let mut located = Vec::new();
        for id in ids {
            let attestations = self.with_id(&id)?;
            if attestations.iter().any(|one| !says_so(&one.attestation)) {
                return Err(StoreError::Damaged {
                    path: folder.join(id.to_string()),
                    what: format!("names a statement that has no such {index}"),
                });
            }
            located.extend(attestations);
        }
        Ok(located)
    }

    /// `<kind>/<2 hex>/<62 hex>`.
    fn place(&self, kind: &str, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        let (first, rest) = hex.split_at(2);
        self.root.join(kind).join(first).join(rest)
    }

    fn put_one(&self, document: &[u8], attestation: &Attestation) -> Result<Kept, StoreError> {
        let id = attestation.id;
        let object = self.place("id", &id);
        self.write_index(attestation, &object)?;
        let folder = folder_of(&object);
        self.make_folder(folder)?;
        let _turn = lock_folder(&object)?;
        let there = read_limited(&object, Limits::DEFAULT.sidecar_bytes)?;
        let Some(there) = there else {
            self.sync_up_from(folder)?;
            write_file(&object, document, &self.root)?;
            return Ok(Kept::New);
        };
        match joined(&object, &there, document, attestation)? {
            None => Ok(Kept::Unchanged),
            Some(bytes) => {
                write_file(&object, &bytes, &self.root)?;
                Ok(Kept::Added)
            }
        }
    }

    /// Writes the index entries of a statement, and makes them last unless its object, which is
    /// written after them, is there already.
    fn write_index(&self, attestation: &Attestation, object: &Path) -> Result<(), StoreError> {
        let folders = self.write_entries(attestation)?;
        if exists(object) {
            return Ok(());
        }
        if folders.len() > SYNCED_ONE_BY_ONE {
            return self.sync_all();
        }
        for folder in folders {
            self.sync_up_from(&folder)?;
        }
        Ok(())
    }

    /// Writes the index entries of a statement. Returns their folders, of which nothing was made
    /// to last.
    fn write_entries(&self, attestation: &Attestation) -> Result<Vec<PathBuf>, StoreError> {
        let id = attestation.id.to_string();
        let subjects = attestation.subjects().map(|digest| ("subject", digest));
        let inputs = attestation.inputs().map(|digest| ("input", digest));
        let mut entries: Vec<_> = subjects.chain(inputs).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut folders = Vec::with_capacity(entries.len());
        for (index, digest) in entries {
            let folder = self.place(index, &digest);
            let entry = folder.join(&id);
            if !exists(&entry) {
                self.make_folder(&folder)?;
                let mut options = OpenOptions::new();
                let created = options
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(&entry);
                created.map_err(writing(&entry))?;
            }
            folders.push(folder);
        }
        Ok(folders)
    }

    /// Makes everything in the store's file system last.
    fn sync_all(&self) -> Result<(), StoreError> {
        let root = File::open(&self.root).map_err(writing(&self.root))?;
        let synced = rustix::fs::syncfs(root).map_err(io::Error::from);
        Ok(synced.map_err(writing(&self.root))?)
    }

    /// Makes the names in `folder`, and in those above it up to the store's own, last.
    fn sync_up_from(&self, folder: &Path) -> Result<(), StoreError> {
        let mut in_store = folder
            .ancestors()
            .take_while(|above| above.starts_with(&self.root));
        in_store.try_for_each(sync_folder)
    }

    /// Makes a folder of the store, and those above it, with the mode of the store's own.
    fn make_folder(&self, folder: &Path) -> Result<(), StoreError> {
        if exists(folder) {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| *above != self.root) {
            self.make_folder(above)?;
        }
        let root = std::fs::metadata(&self.root).map_err(writing(&self.root))?;
        let mode = root.permissions().mode() & 0o777;
        match DirBuilder::new().mode(mode).create(folder) {
            // Who may read the store is not for the umask of its last writer to say.
            Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(mode)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| writing(folder)(error).into())
    }
}

/// Refuses a folder in which anything is.
fn refuse_other_files(root: &Path) -> Result<(), StoreError> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataError::io(root)(error).into()),
    };
    for entry in entries {
        let name = entry.map_err(DataError::io(root))?.file_name();
        if !is_temporary(&name) {
            let root = root.to_owned();
            return Err(StoreError::NotEmpty { root });
        }
    }
    Ok(())
}

fn refuse_bad_form(attestation: &Attestation) -> Result<(), StoreError> {
    let (statement, checks) = Statement::read(attestation.statement.clone(), Level::L1);
    if statement.is_some() {
        return Ok(());
    }
    let mut failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
    let what = failed.next().map_or("it is not valid".to_owned(), |check| {
        format!("{} {}", check.path, check.message)
            .trim()
            .to_owned()
    });
    let id = attestation.id;
    Err(StoreError::NotConforming { id, what })
}

/// What `object` is to hold when a further document of the same statement comes; `None` when it
/// says nothing new.
fn joined(
    object: &Path,
    there: &[u8],
    document: &[u8],
    attestation: &Attestation,
) -> Result<Option<Vec<u8>>, StoreError> {
    let damaged = |what: String| StoreError::Damaged {
        path: object.to_owned(),
        what,
    };
    let lines = Attestation::documents(there)
        .map_err(|error| damaged(format!("holds no attestation: {error}")))?;
    if let Some((_, other)) = lines.iter().find(|(_, one)| one.id != attestation.id) {
        return Err(damaged(format!("holds the statement sha256:{}", other.id)));
    }
    let document = one_line(document);
    let is_bare = attestation.envelope.is_none();
    // A statement without an envelope is in every envelope of the same id, byte for byte.
    if is_bare || lines.iter().any(|(line, _)| one_line(line) == document) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for (line, one) in lines {
        let is_bare = one.envelope.is_none();
        // Its white space is part of its id, so it can be no line of several. Nothing is lost:
        // the envelope that comes holds the same bytes.
        if is_bare && line.contains(&b'\n') {
            continue;
        }
        bytes.extend(one_line(line));
        bytes.push(b'\n');
    }
    bytes.extend(document);
    bytes.push(b'\n');
    let limit = Limits::DEFAULT.sidecar_bytes;
    if bytes.len() > limit {
        let path = object.to_owned();
        return Err(SidecarError::TooLarge { path, limit }.into());
    }
    Ok(Some(bytes))
}

/// The same JSON on one line: outside strings, which hold none, a line end is only white space.
/// To be used on envelopes only: the white space of a bare statement is part of its id.
pub fn one_line(document: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    };
    document.iter().map(space).collect()
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn write_file(path: &Path, bytes: &[u8], like: &Path) -> Result<(), StoreError> {
    let write = || {
        let mut file = NewFile::at(path)?;
        file.file().write_all(bytes)?;
        file.keep(like)
    };
    Ok(write().map_err(writing(path))?)
}

/// Makes the names in `folder` last.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(synced.map_err(writing(folder))?)
}
