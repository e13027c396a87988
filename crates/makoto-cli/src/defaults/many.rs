//! The defaults of many datasets, each as if it were alone.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{ConfigArgs, Defaults, refused, search};
use crate::failure::Failure;
use crate::naming::is_template;
use crate::screen::{self, Plain};

/// The defaults of each folder in which there is data.
#[derive(Debug)]
pub(crate) struct DefaultsOfMany(HashMap<Folder, Result<Defaults, Failure>>);

/// What decides which file speaks of data: the folder that it is in. `.` and `..` have no name
/// of their own, and their folder is not seen in their path.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Folder {
    Of(PathBuf),
    Itself(PathBuf),
}

impl Folder {
    fn of(path: &Path) -> Self {
        match (path.file_name(), path.parent()) {
            (Some(_), Some(folder)) => Self::Of(folder.to_owned()),
            _ => Self::Itself(path.to_owned()),
        }
    }
}

impl DefaultsOfMany {
    /// Looks for the file of each folder, reads each file once, and tells once of each that is
    /// passed over.
    pub(crate) fn find<'p>(args: &ConfigArgs, data: impl Iterator<Item = &'p Path>) -> Self {
        let mut by_folder = HashMap::new();
        let mut by_file = HashMap::new();
        let mut told = HashSet::new();
        for path in data {
            let find = || {
                let (search, file) = search(args, path).map_err(|error| refused(&error))?;
                let Some(file) = file else {
                    return Defaults::read(search, None, args.asked(), path);
                };
                by_file
                    .entry(file.path.clone())
                    .or_insert_with(|| Defaults::read(search, Some(file), args.asked(), path))
                    .clone()
            };
            let defaults = by_folder.entry(Folder::of(path)).or_insert_with(find);
            let note = defaults.as_ref().ok().and_then(Defaults::passed_over);
            note.filter(|note| told.insert(note.clone()))
                .into_iter()
                .for_each(screen::note);
        }
        Self(by_folder)
    }

    /// The defaults for the dataset at `path`, which was among those that were looked for.
    pub(crate) fn at(&self, path: &Path) -> Result<Defaults, Failure> {
        match self.0.get(&Folder::of(path)) {
            Some(Ok(defaults)) => Ok(defaults.at(path)),
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::usage("no makoto.toml was looked for")),
        }
    }

    /// Refuses a name from a file that would be that of several of `data`.
    pub(crate) fn refuse_one_name<'p>(
        &self,
        data: impl Iterator<Item = &'p Path>,
    ) -> Result<(), Failure> {
        let mut named: HashMap<String, &Path> = HashMap::new();
        for path in data {
            // What is wrong with a file is told where its data is tried.
            let Ok(defaults) = self.at(path) else {
                continue;
            };
            let value = defaults.value("name", None);
            let Some(value) = value.filter(|value| !is_template(&value.text)) else {
                continue;
            };
            let place = value.place().map_or(String::new(), ToString::to_string);
            let name = format!("{:?} (from {place})", value.text);
            if let Some(other) = named.insert(name.clone(), path) {
                let (path, other) = (path.to_string_lossy(), other.to_string_lossy());
                return Err(Failure::usage(format!(
                    "the name {} would be that of both {} and {}",
                    Plain(&name),
                    Plain(&other),
                    Plain(&path)
                ))
                .hint("use {stem}, {file} or {parent} in it, or give --name"));
            }
        }
        Ok(())
    }
}
