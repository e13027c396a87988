//! What was not typed: values from a `makoto.toml`, each with the place that it comes from.
//!
//! What is typed wins over a `[[dataset]]` section, that over `[defaults]`, and that over what
//! is built in. Commands that verify or validate never come here: what lies beside data must not
//! change what is believed of it.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use makoto::config::{Config, NameParts, NameTemplate, Problem};
use makoto::limits::Limits;
use makoto_data::{ConfigFile, ConfigFileError, Search, find_config, place_of, read_config};

use crate::dataset::{Named, named};
use crate::failure::Failure;
use crate::screen::Plain;

/// Where defaults come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Defaults")]
pub(crate) struct ConfigArgs {
    /// Take defaults from this file [default: the makoto.toml beside the data, or above it]
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(crate) config: Option<PathBuf>,

    /// Take no defaults from a makoto.toml
    #[arg(long)]
    pub(crate) no_config: bool,
}

/// A value that knows where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// What it is the value of, as a `makoto.toml` spells it.
    pub(crate) key: &'static str,
    pub(crate) text: String,
    pub(crate) from: From,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    Typed,
    File(Place),
    BuiltIn,
}

/// A place in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: u64,
    pub(crate) section: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}:{}", self.section, self.file, self.line)
    }
}

impl Value {
    pub(crate) fn typed(key: &'static str, text: &str) -> Self {
        let text = text.to_owned();
        let from = From::Typed;
        Self { key, text, from }
    }

    pub(crate) fn built_in(key: &'static str, text: String) -> Self {
        let from = From::BuiltIn;
        Self { key, text, from }
    }

    /// The place in a file that it comes from, if it does.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.from {
            From::File(place) => Some(place),
            From::Typed | From::BuiltIn => None,
        }
    }
}

/// The defaults for one dataset.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    source: Arc<Source>,
    data: PathBuf,
    /// The data's path in the folder of the file; `None` when it lies elsewhere.
    inside: Option<Vec<u8>>,
}

/// The configuration file, and how it was found.
#[derive(Debug)]
struct Source {
    file: Option<(ConfigFile, Config)>,
    search: Search,
    asked: Asked,
}

/// What the options ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The file that is found, which speaks of the data in its folder.
    Found,
    /// The file that is named, which speaks of any data.
    Named,
    /// No file.
    None,
}

impl ConfigArgs {
    pub(crate) fn asked(&self) -> Asked {
        match (&self.config, self.no_config) {
            (Some(_), _) => Asked::Named,
            (None, true) => Asked::None,
            (None, false) => Asked::Found,
        }
    }
}

/// What was found when a configuration file was looked for.
#[derive(Debug)]
pub(crate) struct Looked {
    /// Where it was looked for; nothing when one was named.
    pub(crate) search: Search,
    /// The file, and what it says or what is wrong with it.
    pub(crate) file: Option<(ConfigFile, Result<Config, Vec<Problem>>)>,
}

impl Looked {
    /// Looks for the file that the options ask for.
    pub(crate) fn find(args: &ConfigArgs, data: &Path) -> Result<Self, ConfigFileError> {
        let (mut search, mut file) = (Search::default(), None);
        match &args.config {
            Some(path) => file = Some(read_config(path)?),
            None if args.no_config => {}
            None => {
                search = find_config(data)?;
                file = search.found.take();
            }
        }
        let file = file.map(|file| {
            let config = Config::read(&file.bytes, &Limits::DEFAULT);
            (file, config)
        });
        Ok(Self { search, file })
    }
}

impl Defaults {
    /// The defaults for `data`, which need not be there yet.
    ///
    /// # Errors
    /// When the file is there and is wrong: a default must not be lost unseen.
    pub(crate) fn find(args: &ConfigArgs, data: &Path) -> Result<Self, Failure> {
        let looked = Looked::find(args, data).map_err(|error| refused(&error))?;
        let file = match looked.file {
            Some((file, Ok(config))) => Some((file, config)),
            Some((file, Err(problems))) => return Err(wrong(&file.path, &problems)),
            None => None,
        };
        if file.is_none() {
            tell_of_passed_over(&looked.search);
        }
        Ok(Self::of(looked.search, file, args.asked(), data))
    }

    /// The defaults that a file that was read has for `data`.
    pub(crate) fn of(
        search: Search,
        file: Option<(ConfigFile, Config)>,
        asked: Asked,
        data: &Path,
    ) -> Self {
        let source = Source {
            file,
            search,
            asked,
        };
        let unplaced = Self {
            source: Arc::new(source),
            data: PathBuf::new(),
            inside: None,
        };
        unplaced.at(data)
    }

    /// The same file's defaults for other data.
    pub(crate) fn at(&self, data: &Path) -> Self {
        let inside = self.source.file.as_ref().and_then(|(file, _)| {
            let place = place_of(data)?;
            let inside = place.strip_prefix(&file.folder).ok()?;
            Some(inside.as_os_str().as_bytes().to_vec())
        });
        Self {
            source: Arc::clone(&self.source),
            data: data.to_owned(),
            inside,
        }
    }

    /// The data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Whether the data lies where the file that was found does not speak of it.
    fn is_elsewhere(&self) -> bool {
        self.inside.is_none() && self.source.asked == Asked::Found
    }

    /// The value of a key: what was typed, or what the file says.
    pub(crate) fn value(&self, key: &'static str, typed: Option<&str>) -> Option<Value> {
        if let Some(typed) = typed {
            return Some(Value::typed(key, typed));
        }
        let (file, config) = self.source.file.as_ref()?;
        if self.is_elsewhere() {
            return None;
        }
        let setting = config.setting(key, self.inside.as_deref())?;
        let place = Place {
            file: shown(&file.path),
            line: setting.line as u64,
            section: setting.section.to_string(),
        };
        Some(Value {
            key,
            text: setting.text,
            from: From::File(place),
        })
    }

    /// As [`Defaults::value`], for one that must be there; `option` is how it is typed.
    pub(crate) fn needed(
        &self,
        key: &'static str,
        typed: Option<&str>,
        option: &str,
    ) -> Result<Value, Failure> {
        if let Some(value) = self.value(key, typed) {
            return Ok(value);
        }
        let data = self.data.to_string_lossy();
        let why = match (&self.source.file, &self.source.search.stopped) {
            (Some((file, _)), _) if self.is_elsewhere() => {
                format!(
                    "{} does not speak of data outside its folder",
                    shown(&file.path)
                )
            }
            (Some((file, _)), _) => format!("{} does not say it", shown(&file.path)),
            (None, Some(stopped)) => format!(
                "no makoto.toml was found below {}, where others may put files",
                stopped.folder.display()
            ),
            (None, None) if self.source.asked == Asked::None => {
                "no makoto.toml was asked for".to_owned()
            }
            (None, None) => "no makoto.toml was found".to_owned(),
        };
        Err(Failure::usage(format!(
            "no {key} for {}: {option} is not given, and {}",
            Plain(&data),
            Plain(&why)
        ))
        .hint(format!(
            "give {option}, or write {key} = \"…\" under [defaults] in a makoto.toml beside the data or above it"
        )))
    }

    /// As [`Defaults::value`], for one that is picked from a list.
    pub(crate) fn word<T: ValueEnum>(
        &self,
        key: &'static str,
        typed: Option<T>,
    ) -> Result<Option<Value>, Failure> {
        let word = |value: &T| Some(value.to_possible_value()?.get_name().to_owned());
        let typed = typed.as_ref().and_then(word);
        let Some(value) = self.value(key, typed.as_deref()) else {
            return Ok(None);
        };
        let place = match value.place() {
            Some(place) if T::from_str(&value.text, false).is_err() => place,
            _ => return Ok(Some(value)),
        };
        let words: Vec<_> = T::value_variants().iter().filter_map(word).collect();
        Err(Failure::usage(format!(
            "{key} is {:?} (from {place}), needed one of {}",
            value.text,
            words.join(", ")
        )))
    }

    /// The name of the dataset: as typed, as the file's template makes it, or the default one.
    pub(crate) fn name(&self, typed: Option<&str>, is_folder: bool) -> Result<Value, Failure> {
        let template = Value::built_in("name", "dataset:{stem}".to_owned());
        let mut value = self.value("name", typed).unwrap_or(template);
        if value.from == From::Typed {
            value.text = named(&self.data, is_folder, &value.text)?;
        } else {
            let named = Named::of(&self.data, is_folder)?;
            let parts = NameParts {
                stem: &named.stem,
                file: &named.file,
                parent: &named.parent,
            };
            let template = NameTemplate::parse(&value.text);
            value.text = template.map_or_else(String::new, |template| template.expand(parts));
        }
        Ok(value)
    }

    /// The signing key: as typed, or what the file names, relative to the file's folder.
    pub(crate) fn signer(&self, typed: Option<&str>) -> Option<Value> {
        let mut value = self.value("signer", typed)?;
        if let (From::File(_), Some((file, _))) = (&value.from, &self.source.file)
            && let Some(path) = value.text.strip_prefix("file:")
        {
            value.text = format!("file:{}", file.folder.join(path).to_string_lossy());
        }
        Some(value)
    }

    /// The attestation store that the file names, relative to the file's folder.
    pub(crate) fn store(&self) -> Option<(Value, PathBuf)> {
        let value = self.value("store", None)?;
        let (file, _) = self.source.file.as_ref()?;
        let path = file.folder.join(&value.text);
        Some((value, path))
    }
}

/// Whoever put the file there should know why it does nothing.
fn tell_of_passed_over(search: &Search) {
    if let Some(stopped) = search
        .stopped
        .as_ref()
        .filter(|stopped| stopped.passed_over)
    {
        crate::screen::note(format!(
            "note: the makoto.toml in {} is not read: others may put files there; --config takes it all the same",
            Plain(&stopped.folder.to_string_lossy())
        ));
    }
}

/// A path as a person here would write it: from the current folder where it lies in it.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let inside = here
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    let shown = match inside {
        Some(inside) if inside == Path::new("") => PathBuf::from("."),
        Some(inside) => inside,
        None => path.to_owned(),
    };
    shown.to_string_lossy().into_owned()
}

/// A configuration file that is there and cannot be read.
pub(crate) fn refused(error: &ConfigFileError) -> Failure {
    let hint = match error {
        ConfigFileError::Link { .. } => {
            "put the file itself there, or name what it leads to with --config"
        }
        ConfigFileError::NotRegular { .. } => "move it away, or add --no-config",
        ConfigFileError::TooLarge { .. } => "shorten it, or add --no-config",
        ConfigFileError::Io { .. } => "check the path and who may read it, or add --no-config",
    };
    let message = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::usage(message).hint(hint)
}

/// A configuration file that says something wrong.
fn wrong(file: &Path, problems: &[Problem]) -> Failure {
    const SHOWN: usize = 5;
    let told: Vec<_> = problems
        .iter()
        .take(SHOWN)
        .map(|problem| located(file, problem))
        .collect();
    let more = match problems.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more (`makoto doctor`)"),
    };
    Failure::usage(format!("{}{more}", told.join("; ")))
        .hint("mend the file, or add --no-config to leave it aside")
}

/// A problem with its file and line.
pub(crate) fn located(file: &Path, problem: &Problem) -> String {
    let file = shown(file);
    match problem.line {
        Some(line) => format!("{file}:{line}: {}", problem.message),
        None => format!("{file}: {}", problem.message),
    }
}
