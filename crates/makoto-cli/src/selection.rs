//! Which datasets a command is about: paths, patterns, lists of paths, and folders whose files
//! are datasets of their own.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::limits::Limits;
use makoto_data::{Links, each_file, is_about_data};

use crate::failure::Failure;
use crate::pattern::{is_pattern, matching};
use crate::screen::Plain;

/// Several datasets in one command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Many at once")]
pub(crate) struct SelectionArgs {
    /// Take the paths from this file, one on each line or separated by NUL; - for stdin
    #[arg(long, value_name = "LIST")]
    pub(crate) files_from: Option<PathBuf>,

    /// The list is separated by NUL even where it holds none
    #[arg(short = '0', long, requires = "files_from")]
    pub(crate) null: bool,

    /// Take each file below a folder by itself; hidden files, `.attestation` and `.manifest`
    /// are left out
    #[arg(long)]
    pub(crate) each: bool,

    /// Stop at the first that does not succeed
    #[arg(long)]
    fail_fast: bool,
}

/// What the paths of a command name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Datasets; the attestations and manifests beside them are not.
    Data(Links),
    /// Attestations.
    Documents,
}

impl Kind {
    /// One of them, in a word.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Data(_) => "dataset",
            Self::Documents => "document",
        }
    }

    /// What is left out, in words.
    pub(crate) fn left_out(self) -> &'static str {
        match self {
            Self::Data(_) => "left out (attestations and manifests)",
            Self::Documents => "left out (not *.attestation)",
        }
    }

    /// Whether a file that nobody named by itself is one.
    fn takes(self, path: &Path) -> bool {
        match self {
            Self::Data(_) => !is_about_data(path),
            Self::Documents => path.extension().is_some_and(|end| end == "attestation"),
        }
    }
}

/// What a command is about.
#[derive(Debug)]
pub(crate) enum Selection {
    /// One path, as it was typed.
    One(PathBuf),
    /// However many there are.
    Many(Many),
}

/// One of many.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Why it cannot be taken.
    pub(crate) refused: Option<Failure>,
}

/// Several paths, each once, in the order in which they were named.
#[derive(Debug)]
pub(crate) struct Many {
    pub(crate) entries: Vec<Entry>,
    /// Folders of which each file is taken by itself.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) kind: Kind,
    /// Files that nobody named by themselves, and that are none of the kind.
    pub(crate) left_out: usize,
    /// Whether the first that does not succeed is the last that is tried.
    pub(crate) fail_fast: bool,
}

impl SelectionArgs {
    /// What is named by `typed` and these options.
    pub(crate) fn select(&self, typed: &[PathBuf], kind: Kind) -> Result<Selection, Failure> {
        if let ([one], None, false) = (typed, &self.files_from, self.each)
            && !is_pattern(one)
        {
            return Ok(Selection::One(one.clone()));
        }
        let mut gathered = Gathered::default();
        for path in typed {
            match is_pattern(path) {
                true => gathered.add_matching(path, kind)?,
                false => gathered.named.push(path.clone()),
            }
        }
        if let Some(list) = &self.files_from {
            gathered.named.extend(read_list(list, self.null)?);
        }
        let stdin = Path::new("-");
        if gathered.named.iter().any(|path| path == stdin) {
            return Err(Failure::usage("- stands for stdin, which is one dataset")
                .hint("name it alone; ./- is the file of that name"));
        }
        let many = self.spread(gathered, kind)?;
        if many.entries.is_empty() {
            return Err(
                Failure::usage("the selection is empty, so there is nothing to do")
                    .hint("check the list, or what the folder holds; hidden files are left out"),
            );
        }
        Ok(Selection::Many(many))
    }

    /// Puts the files of folders in their place, where that was asked for, and leaves out what
    /// comes twice or is no dataset.
    fn spread(&self, gathered: Gathered, kind: Kind) -> Result<Many, Failure> {
        let named: HashSet<_> = gathered.named.iter().cloned().collect();
        // Of `data/*`, an attestation beside data that is named too is no data.
        let is_beside = |path: &Path| {
            matches!(kind, Kind::Data(_))
                && is_about_data(path)
                && named.contains(&path.with_extension(""))
        };
        let (mut entries, mut folders) = (Vec::new(), Vec::new());
        let mut left_out = gathered.left_out;
        for path in gathered.named {
            if self.each && path.is_dir() {
                let links = match kind {
                    Kind::Data(links) => links,
                    Kind::Documents => Links::Refuse,
                };
                for (path, refused) in each_file(&path, links)? {
                    match kind.takes(&path) {
                        true => entries.push(Entry {
                            path,
                            refused: refused.map(Failure::from),
                        }),
                        false => left_out += 1,
                    }
                }
                folders.push(path);
            } else if is_beside(&path) {
                left_out += 1;
            } else {
                entries.push(Entry {
                    path,
                    refused: None,
                });
            }
        }
        let mut taken = HashSet::new();
        entries.retain(|entry| taken.insert(entry.path.components().collect::<PathBuf>()));
        Ok(Many {
            entries,
            folders,
            kind,
            left_out,
            fail_fast: self.fail_fast,
        })
    }
}

impl Many {
    /// Every path that is read, and the folders that were walked.
    pub(crate) fn places(&self) -> Vec<&Path> {
        let entries = self.entries.iter().map(|entry| entry.path.as_path());
        entries
            .chain(self.folders.iter().map(PathBuf::as_path))
            .collect()
    }
}

/// Paths as they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    named: Vec<PathBuf>,
    left_out: usize,
}

impl Gathered {
    /// Adds what matches a pattern that the shell left alone.
    fn add_matching(&mut self, pattern: &Path, kind: Kind) -> Result<(), Failure> {
        for path in matching(pattern)? {
            match path.is_dir() || kind.takes(&path) {
                true => self.named.push(path),
                false => self.left_out += 1,
            }
        }
        Ok(())
    }
}

/// The paths in the file `list`, or on stdin.
pub(crate) fn read_list(list: &Path, null: bool) -> Result<Vec<PathBuf>, Failure> {
    let shown = || Plain(&list.to_string_lossy()).to_string();
    let limit = Limits::DEFAULT.list_bytes;
    let source: Result<Box<dyn Read>, _> = match list == Path::new("-") {
        true => Ok(Box::new(std::io::stdin())),
        false => std::fs::File::open(list).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut bytes = Vec::new();
    source
        .and_then(|source| source.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::usage(format!("cannot read the list {}: {error}", shown())))?;
    if bytes.len() > limit {
        return Err(
            Failure::usage(format!("the list {} is larger than {limit} bytes", shown()))
                .hint("split it, and run the command once for each part"),
        );
    }
    Ok(paths_of(&bytes, null))
}

/// The paths in a list; no path can hold a NUL, so one says what separates them.
fn paths_of(bytes: &[u8], null: bool) -> Vec<PathBuf> {
    let separator = match null || bytes.contains(&0) {
        true => 0,
        false => b'\n',
    };
    bytes
        .split(|byte| *byte == separator)
        .filter(|path| !path.is_empty())
        .map(|path| OsString::from_vec(path.to_vec()).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_at_nul_where_it_holds_one() {
        let paths = |bytes: &[u8], null| -> Vec<String> {
            let paths = paths_of(bytes, null).into_iter();
            paths
                .map(|path| path.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(paths(b"a\n\nb c\n d\n", false), ["a", "b c", " d"]);
        assert_eq!(paths(b"a\nb\0c\0", false), ["a\nb", "c"]);
        assert_eq!(paths(b"a\nb", true), ["a\nb"]);
        assert!(paths(b"\n\n", false).is_empty());
        assert!(paths(b"", true).is_empty());
    }
}
