//! What the configuration files of many datasets must agree on before the first is attested.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::dataset::is_template;
use crate::defaults::{Defaults, shown};
use crate::failure::Failure;
use crate::screen::Plain;

/// The defaults of many datasets that one command attests.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    first: Option<Defaults>,
    /// Names without a place for the name of each, and the dataset that has it.
    named: HashMap<String, PathBuf>,
}

impl Agreement {
    /// Refuses a dataset whose file gives it the name of another one. Does not see names that
    /// come to be the same by their places, such as `{stem}` for files of two folders.
    pub(crate) fn refuse_same_name(&mut self, defaults: &Defaults) -> Result<(), Failure> {
        let Some(name) = defaults.value("name", None) else {
            return Ok(());
        };
        let Some(place) = name.place().filter(|_| !is_template(&name.text)) else {
            return Ok(());
        };
        let data = defaults.data().to_owned();
        let Some(other) = self.named.insert(name.text.clone(), data.clone()) else {
            return Ok(());
        };
        Err(Failure::usage(format!(
            "{} and {} would both be named {:?}, from {}",
            Plain(&other.to_string_lossy()),
            Plain(&data.to_string_lossy()),
            name.text,
            Plain(&place.to_string())
        ))
        .hint("use {stem} or {file} in it, which stand for the name of each file"))
    }

    /// Refuses a dataset whose file names another store than that of the first, or none.
    pub(crate) fn refuse_other_store(&mut self, defaults: Defaults) -> Result<(), Failure> {
        let Some(first) = &self.first else {
            self.first = Some(defaults);
            return Ok(());
        };
        if store(first) == store(&defaults) {
            return Ok(());
        }
        let told = |defaults: &Defaults| {
            let store = store(defaults).map_or("no store".to_owned(), |root| shown(&root));
            let data = defaults.data().to_string_lossy().into_owned();
            format!("{} for {}", Plain(&store), Plain(&data))
        };
        Err(Failure::usage(format!(
            "makoto.toml names different stores: {}, {}",
            told(first),
            told(&defaults)
        ))
        .hint("name one for all with --store DIR, or attest them apart"))
    }

    /// The defaults that speak of the store of all.
    pub(crate) fn first(&self) -> Option<&Defaults> {
        self.first.as_ref()
    }
}

fn store(defaults: &Defaults) -> Option<PathBuf> {
    defaults.store().map(|(_, root)| root)
}
