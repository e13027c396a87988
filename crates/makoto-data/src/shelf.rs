//! Attestation files that lie in folders, read once and found by id and by digest.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::limits::Limits;
use walkdir::WalkDir;

use crate::error::DataError;
use crate::place::{Located, Place};
use crate::sidecar::read_limited;

/// Whether folders below the one that is searched are searched as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursion {
    /// Only the folder itself.
    FolderOnly,
    /// Every folder below it. Links to folders are not followed.
    FoldersBelow,
}

/// Attestation files, held in memory, with what they say of themselves as an index.
#[derive(Debug, Default)]
pub struct Shelf {
    places: Vec<Place>,
    files: HashSet<PathBuf>,
    documents: Vec<Document>,
    by_id: Index,
    by_subject: Index,
    by_input: Index,
    bytes: u64,
    skipped: Vec<(Place, String)>,
}

type Index = HashMap<Digest, Vec<usize>>;

/// The bytes of an attestation: a tree of JSON takes many times as much memory.
#[derive(Debug)]
struct Document {
    id: Digest,
    bytes: Vec<u8>,
    place: usize,
}

impl Shelf {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads every `*.attestation` file in the folder at `path`, in the order of their names.
    ///
    /// # Errors
    /// [`DataError`] when the folder itself cannot be read, or a budget is reached. A file that
    /// cannot be read, or is no attestation, is among the [`Shelf::skipped`].
    pub fn add_folder(&mut self, path: &Path, recursion: Recursion) -> Result<(), DataError> {
        let limits = Limits::DEFAULT;
        // Looked at first, since a walk tells of nothing when there is no folder.
        std::fs::read_dir(path).map_err(DataError::io(path))?;
        let depth = match recursion {
            Recursion::FolderOnly => 1,
            Recursion::FoldersBelow => limits.folder_depth + 1,
        };
        for entry in WalkDir::new(path).max_depth(depth).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let at = error.path().unwrap_or(path).to_owned();
                    self.skipped.push((Place::Folder(at), error.to_string()));
                    continue;
                }
            };
            let file = entry.path();
            if entry.depth() > limits.folder_depth && entry.file_type().is_dir() {
                let why = format!("is nested deeper than {} folders", limits.folder_depth);
                self.skipped.push((Place::Folder(file.to_owned()), why));
            }
            let is_named_so = file.extension().is_some_and(|end| end == "attestation");
            if is_named_so && !entry.file_type().is_dir() {
                // What is named `a` is called so, not `./a`.
                let file = file.strip_prefix(".").unwrap_or(file);
                self.add_file(Place::Folder(file.to_owned()))?;
            }
        }
        Ok(())
    }

    /// Reads the attestation file beside data, if there is one.
    ///
    /// # Errors
    /// As [`Shelf::add_folder`].
    pub fn add_sidecar(&mut self, path: &Path) -> Result<(), DataError> {
        match path.symlink_metadata() {
            Ok(_) => self.add_file(Place::Sidecar(path.to_owned())),
            Err(_) => Ok(()),
        }
    }

    /// Takes the attestations that were found at `place`; `bytes` are one document or JSON Lines.
    ///
    /// # Errors
    /// [`DataError::TooMany`] when a budget is reached.
    pub fn add(&mut self, place: Place, bytes: &[u8]) -> Result<(), DataError> {
        let limits = Limits::DEFAULT;
        self.bytes += bytes.len() as u64;
        for (limit, reached, what) in [
            (
                limits.search_files as u64,
                self.places.len() as u64 + 1,
                "attestation files",
            ),
            (limits.search_bytes, self.bytes, "bytes of attestations"),
        ] {
            if reached > limit {
                let path = place.file().to_owned();
                return Err(DataError::TooMany { path, limit, what });
            }
        }
        let documents = match Attestation::documents(bytes) {
            Ok(documents) => documents,
            Err(error) => {
                let why = format!("is no attestation: {error}");
                self.skipped.push((place, why));
                return Ok(());
            }
        };
        for (bytes, attestation) in documents {
            let index = self.documents.len();
            let file = |into: &mut Index, digest| {
                let filed = into.entry(digest).or_default();
                if filed.last() != Some(&index) {
                    filed.push(index);
                }
            };
            file(&mut self.by_id, attestation.id);
            attestation
                .subjects()
                .for_each(|one| file(&mut self.by_subject, one));
            attestation
                .inputs()
                .for_each(|one| file(&mut self.by_input, one));
            self.documents.push(Document {
                id: attestation.id,
                bytes: bytes.to_vec(),
                place: self.places.len(),
            });
        }
        self.places.push(place);
        Ok(())
    }

    /// Whether no attestation was read.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Files that could not be read or are no attestations, and why.
    pub fn skipped(&self) -> &[(Place, String)] {
        &self.skipped
    }

    /// Every attestation of the statement `id`, in the order of the files, each from its end.
    pub fn with_id(&self, id: &Digest) -> Vec<Located> {
        self.located(&self.by_id, id)
    }

    /// Every attestation with a subject of this SHA-256.
    pub fn about(&self, sha256: &Digest) -> Vec<Located> {
        self.located(&self.by_subject, sha256)
    }

    /// Every attestation of a transform that lists this SHA-256 as an input.
    pub fn reading(&self, sha256: &Digest) -> Vec<Located> {
        self.located(&self.by_input, sha256)
    }

    /// Ids of the attestations with a subject of this SHA-256.
    pub fn ids_about(&self, sha256: &Digest) -> Vec<Digest> {
        self.ids(&self.by_subject, sha256)
    }

    /// Ids of the attestations with an input of this SHA-256.
    pub fn ids_reading(&self, sha256: &Digest) -> Vec<Digest> {
        self.ids(&self.by_input, sha256)
    }

    fn ids(&self, index: &Index, digest: &Digest) -> Vec<Digest> {
        let filed = index.get(digest).map(Vec::as_slice).unwrap_or_default();
        filed
            .iter()
            .map(|index| self.documents[*index].id)
            .collect()
    }

    fn located(&self, index: &Index, digest: &Digest) -> Vec<Located> {
        let mut filed = index.get(digest).cloned().unwrap_or_default();
        // Of one file, the last line is the newest.
        filed.sort_by_key(|at| (self.documents[*at].place, Reverse(*at)));
        let located = |index: &usize| {
            let document = &self.documents[*index];
            // It was read once already, from the same bytes.
            let attestation = Attestation::parse(&document.bytes).ok()?;
            let place = self.places[document.place].clone();
            Some(Located {
                attestation,
                document: document.bytes.clone(),
                place,
            })
        };
        filed.iter().filter_map(located).collect()
    }

    fn add_file(&mut self, place: Place) -> Result<(), DataError> {
        let file = place.file().to_owned();
        // The sidecar is met again when its folder is searched, perhaps by another path.
        let canonical = file.canonicalize().unwrap_or_else(|_| file.clone());
        if !self.files.insert(canonical) {
            return Ok(());
        }
        match read_limited(&file, Limits::DEFAULT.sidecar_bytes) {
            Ok(Some(bytes)) => self.add(place, &bytes),
            Ok(None) => {
                self.skipped.push((place, "is gone".to_owned()));
                Ok(())
            }
            Err(error) => {
                self.skipped.push((place, error.to_string()));
                Ok(())
            }
        }
    }
}
