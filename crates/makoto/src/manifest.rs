//! The manifest of a folder and its `dirHash` (FORMATS §2): in-toto's `dirHash`, which is Go's
//! dirhash `Hash1` in hex.
//!
//! Covers the bytes and paths of regular files. Does not cover empty folders, modes, owners or
//! times.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization;

use crate::digest::{Digest, Hasher};

/// The files of a folder: relative path with `/`, and SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest(BTreeMap<String, Digest>);

/// A path or a line that a manifest cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The path is not UTF-8.
    #[error("file name {0:?} is not valid UTF-8")]
    NotUtf8(String),
    /// The path has a character that would break or blur a line of the manifest.
    #[error("file name {0:?} has a line end, a backslash or NUL in it")]
    Character(String),
    /// The path is absolute, empty, or has `.` or `..` in it.
    #[error("path {0:?} is not a plain relative path")]
    NotRelative(String),
    /// Two paths are the same text in another Unicode form, or the same path.
    #[error("file names {0:?} and {1:?} are equal after Unicode normalisation (NFC)")]
    Twins(String, String),
    /// A line is not `<hex>  <path>`.
    #[error("line {0} of the manifest is not \"<64 hex digits>  <path>\"")]
    Line(usize),
    /// Lines are not in the order of their paths.
    #[error("line {0} of the manifest is out of order")]
    Order(usize),
}

/// How a folder differs from its manifest in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The file is there and not in the manifest.
    Added(String),
    /// The file is in the manifest and not there.
    Lost(String),
    /// The file has other bytes.
    Changed(String),
}

impl Manifest {
    /// A manifest of these files.
    ///
    /// # Errors
    /// [`ManifestError`] for a path that FORMATS §2 refuses, or two that are equal after NFC.
    pub fn new(files: impl IntoIterator<Item = (String, Digest)>) -> Result<Self, ManifestError> {
        let mut entries = BTreeMap::new();
        let mut normal = BTreeMap::new();
        for (path, digest) in files {
            check_path(&path)?;
            // ASCII has one form only.
            if !path.is_ascii() {
                let form: String = path.nfc().collect();
                if let Some(twin) = normal.insert(form, path.clone()) {
                    return Err(ManifestError::Twins(twin, path));
                }
            }
            if entries.contains_key(&path) {
                return Err(ManifestError::Twins(path.clone(), path));
            }
            entries.insert(path, digest);
        }
        Ok(Self(entries))
    }

    /// Reads a manifest in the form in which it is hashed.
    ///
    /// # Errors
    /// [`ManifestError`] names the line that is not in that form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            ManifestError::Line(before.split(|byte| *byte == b'\n').count())
        })?;
        let mut files: Vec<(String, Digest)> = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let refuse = || ManifestError::Line(index + 1);
            let line = line.strip_suffix('\n').ok_or_else(refuse)?;
            let (digest, path) = line.split_once("  ").ok_or_else(refuse)?;
            let digest = digest.parse().map_err(|_| refuse())?;
            if files.last().is_some_and(|(last, _)| last.as_str() >= path) {
                return Err(ManifestError::Order(index + 1));
            }
            files.push((path.to_owned(), digest));
        }
        Self::new(files)
    }

    /// The manifest in the form in which it is hashed: lines `<hex>  <path>\n` in the order of
    /// the UTF-8 bytes of the path.
    pub fn to_text(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |mut text, (path, digest)| {
                let _ = writeln!(text, "{digest}  {path}");
                text
            })
    }

    /// The folder's `dirHash`: SHA-256 of [`Manifest::to_text`].
    pub fn dir_hash(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (path, digest) in &self.0 {
            hasher.update(format!("{digest}  {path}\n").as_bytes());
        }
        hasher.finish()
    }

    /// Digest of one file of the folder.
    pub fn get(&self, path: &str) -> Option<&Digest> {
        self.0.get(path)
    }

    /// Paths of the files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How `found` differs from this manifest, in the order of paths.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut differences = BTreeMap::new();
        for (path, digest) in &self.0 {
            match found.0.get(path) {
                None => drop(differences.insert(path, Difference::Lost(path.clone()))),
                Some(other) if other != digest => {
                    differences.insert(path, Difference::Changed(path.clone()));
                }
                Some(_) => {}
            }
        }
        for path in found.0.keys().filter(|path| !self.0.contains_key(*path)) {
            differences.insert(path, Difference::Added(path.clone()));
        }
        differences.into_values().collect()
    }
}

/// Refuses a path that FORMATS §2 does not allow in a manifest.
///
/// # Errors
/// [`ManifestError`] says which rule it breaks.
pub fn check_path(path: &str) -> Result<(), ManifestError> {
    if path.contains(['\n', '\r', '\\', '\0']) {
        return Err(ManifestError::Character(path.to_owned()));
    }
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !path.split('/').all(plain) {
        return Err(ManifestError::NotRelative(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: &[(&str, &str)]) -> Result<Manifest, ManifestError> {
        let files = files.iter();
        Manifest::new(files.map(|(path, body)| ((*path).to_owned(), Digest::of(body.as_bytes()))))
    }

    #[test]
    fn lines_are_in_the_order_of_the_bytes_of_the_path() {
        let folder = manifest(&[("b", "1"), ("a/c", "2"), ("a.c", "3"), ("é", "4")]).expect("good");
        let paths: Vec<_> = folder.0.keys().cloned().collect();
        assert_eq!(paths, ["a.c", "a/c", "b", "é"]);
        let text = folder.to_text();
        assert_eq!(Digest::of(text.as_bytes()), folder.dir_hash());
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(folder));
    }

    #[test]
    fn names_that_blur_a_line_or_leave_the_folder_are_refused() {
        for path in ["a\nb", "a\rb", "a\\b", "a\0b"] {
            assert_eq!(
                manifest(&[(path, "")]),
                Err(ManifestError::Character(path.into()))
            );
        }
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/."] {
            assert_eq!(
                manifest(&[(path, "")]),
                Err(ManifestError::NotRelative(path.into()))
            );
        }
        let twins = manifest(&[("e\u{301}", "1"), ("\u{e9}", "2")]);
        assert!(matches!(twins, Err(ManifestError::Twins(..))));
    }

    #[test]
    fn a_manifest_in_any_other_form_is_refused() {
        let good = manifest(&[("a", "1"), ("b", "2")]).expect("good").to_text();
        assert!(Manifest::parse(good.as_bytes()).is_ok());
        let (first, second) = good.split_at(67);
        for bad in [
            good.trim_end().to_owned(),
            format!("{second}{first}"),
            format!("{first}{first}"),
            good.replace("  ", " "),
            good.to_uppercase(),
            format!("{good}\n"),
        ] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_file_that_differs_is_named() {
        let then = manifest(&[("a", "1"), ("b", "2"), ("c", "3")]).expect("good");
        let now = manifest(&[("b", "2"), ("c", "other"), ("d", "4")]).expect("good");
        assert_eq!(
            then.differences(&now),
            [
                Difference::Lost("a".into()),
                Difference::Changed("c".into()),
                Difference::Added("d".into())
            ]
        );
    }
}
