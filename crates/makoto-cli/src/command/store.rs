//! `--store DIR`: where attestations are kept, and found by digest, besides those that lie
//! beside their data.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto_data::{Catalog, Kept, Store, StoreError, Stored};

use crate::defaults::{Defaults, Place, shown};
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Stores of attestations.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stores")]
pub(crate) struct StoreArgs {
    /// A store of attestations, a folder (repeatable) [default: $MAKOTO_STORE, if set]
    #[arg(long = "store", value_name = "DIR")]
    stores: Vec<PathBuf>,

    /// What a makoto.toml names, when no option does, in commands that write.
    #[arg(skip)]
    configured: OnceLock<(PathBuf, Place)>,
}

/// Who named the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    Option,
    Config,
    Environment,
}

/// The variable that names a store when no option does.
const VARIABLE: &str = "MAKOTO_STORE";

impl StoreArgs {
    /// The folders, and who named them.
    pub(crate) fn roots(&self) -> (Vec<PathBuf>, NamedBy) {
        if self.is_typed() {
            return (self.stores.clone(), NamedBy::Option);
        }
        if let Some((root, _)) = self.configured.get() {
            return (vec![root.clone()], NamedBy::Config);
        }
        let named = std::env::var_os(VARIABLE).filter(|named| !named.is_empty());
        match named {
            Some(named) => (vec![named.into()], NamedBy::Environment),
            None => (Vec::new(), NamedBy::Option),
        }
    }

    /// Whether an option names them.
    pub(crate) fn is_typed(&self) -> bool {
        !self.stores.is_empty()
    }

    /// Takes the store that a `makoto.toml` names, unless one was typed, and tells so.
    pub(crate) fn configure(&self, defaults: &Defaults) {
        let named = defaults.store().filter(|_| !self.is_typed());
        let Some((place, root)) =
            named.and_then(|(value, root)| Some((value.place()?.clone(), root)))
        else {
            return;
        };
        screen::note(format!(
            "note: the store {} is named by {}",
            Plain(&shown(&root)),
            Plain(&place.to_string())
        ));
        // One command takes the defaults of one file, and asks for them once.
        let _ = self.configured.set((root, place));
    }

    /// Everything in the stores. One that only the environment names need not be there yet.
    pub(crate) fn catalog(&self) -> Result<Catalog, Failure> {
        let (roots, named_by) = self.roots();
        let mut catalog = Catalog::new();
        for root in roots {
            let shown = root.to_string_lossy();
            match (named_by == NamedBy::Environment, root.exists()) {
                (true, false) => {
                    let shown = Plain(&shown);
                    screen::note(format!(
                        "note: {VARIABLE} names {shown}, which is not there"
                    ));
                    continue;
                }
                (true, true) => screen::note(format!(
                    "note: looking in {} as well, which {VARIABLE} names",
                    Plain(&shown)
                )),
                (false, _) => {}
            }
            catalog.add_store(Store::open(&root)?);
        }
        Ok(catalog)
    }

    /// Everything in the stores that are about to be written, and may not be there yet.
    pub(crate) fn catalog_so_far(&self) -> Result<Catalog, Failure> {
        let mut catalog = Catalog::new();
        for root in self.roots().0 {
            match Store::open(&root) {
                Ok(store) => catalog.add_store(store),
                Err(StoreError::NotAStore { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(catalog)
    }

    /// The stores, to be written; made where they are not.
    pub(crate) fn create(&self) -> Result<Vec<Store>, Failure> {
        let (roots, _) = self.roots();
        roots.iter().map(|root| Ok(Store::create(root)?)).collect()
    }

    /// Puts what an attestation file has by now into the stores.
    pub(crate) fn keep(&self, file: &[u8]) -> Result<Vec<InStore>, Failure> {
        let put = || InStore::put(&self.create()?, &[file.to_vec()]);
        put().map_err(|failure| match failure.hint {
            Some(_) => failure,
            None => failure.hint(
                "the attestation file is as wanted; run the command again when the store can be written",
            ),
        })
    }

    /// A line for people on each statement that is in a store now, and who named the store.
    pub(crate) fn told(&self, stored: &[InStore]) -> impl Iterator<Item = String> {
        let why = match self.roots().1 {
            NamedBy::Option => "",
            NamedBy::Config => ", named by makoto.toml",
            NamedBy::Environment => ", named by MAKOTO_STORE",
        };
        stored.iter().map(move |one| {
            let (root, word) = (one.root.to_string_lossy(), one.word());
            format!("  store:       {} ({word}{why})", Plain(&root))
        })
    }

    /// Looks whether the stores can be written, and lie outside the data: what is put into
    /// folders that are attested would change them.
    pub(crate) fn rehearse(&self, data: &[&Path]) -> Result<(), Failure> {
        for root in self.roots().0 {
            let place = canonical(&root);
            if let Some(data) = data.iter().find(|data| place.starts_with(canonical(data))) {
                let (root, data) = (root.to_string_lossy(), data.to_string_lossy());
                let failure = Failure::usage(format!(
                    "the store {} is in the data {}, which it would change",
                    Plain(&root),
                    Plain(&data)
                ));
                return Err(self.traced(failure.hint("name a store somewhere else")));
            }
            Store::rehearse(&root).map_err(|error| self.traced(error.into()))?;
        }
        Ok(())
    }

    /// A failure of a store, with the place that names it when that is a file.
    fn traced(&self, mut failure: Failure) -> Failure {
        if let (_, NamedBy::Config) = self.roots()
            && let Some((_, place)) = self.configured.get()
        {
            failure.message = format!(
                "{} (named by {})",
                failure.message,
                Plain(&place.to_string())
            );
        }
        failure
    }
}

/// The path without links, as far as it is there.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in absolute.ancestors() {
        if let Ok(canonical) = above.canonicalize() {
            let rest = absolute.strip_prefix(above).unwrap_or(Path::new(""));
            return canonical.join(rest);
        }
    }
    absolute
}

/// What came of putting a statement into a store.
#[derive(Debug, Clone)]
pub(crate) struct InStore {
    /// The store.
    pub(crate) root: PathBuf,
    /// The file in it.
    pub(crate) path: PathBuf,
    /// The statement, and what was done.
    pub(crate) stored: Stored,
}

impl InStore {
    /// Puts each of `documents` into each of `stores`.
    pub(crate) fn put(stores: &[Store], documents: &[Vec<u8>]) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for store in stores {
            for document in documents {
                let stored = store.put(document)?;
                all.extend(stored.into_iter().map(|stored| Self {
                    root: store.root().to_owned(),
                    path: store.path_of(&stored.id),
                    stored,
                }));
            }
        }
        Ok(all)
    }

    /// Puts each of `documents` into a store, waiting for the disk once for many. What becomes
    /// of one does not touch the others.
    pub(crate) fn put_many(
        store: &Store,
        documents: &[&Vec<u8>],
    ) -> Vec<Result<Vec<Self>, Failure>> {
        let bytes: Vec<_> = documents.iter().map(|bytes| bytes.as_slice()).collect();
        let put = store.put_many(&bytes).into_iter();
        let in_store = |stored: Stored| Self {
            root: store.root().to_owned(),
            path: store.path_of(&stored.id),
            stored,
        };
        put.map(|stored| Ok(stored?.into_iter().map(in_store).collect()))
            .collect()
    }

    /// For a program.
    pub(crate) fn to_json(&self) -> Json {
        Json::from([
            ("store", self.root.to_string_lossy().into_owned().into()),
            ("path", self.path.to_string_lossy().into_owned().into()),
            ("outcome", self.word().into()),
            ("attestation", format!("sha256:{}", self.stored.id).into()),
        ])
    }

    pub(crate) fn word(&self) -> &'static str {
        match self.stored.outcome {
            Kept::New => "new",
            Kept::Unchanged => "unchanged",
            Kept::Added => "added",
        }
    }
}

/// Every attestation of data with this digest, the one to take last: the newest statement of
/// several is the one that counts.
pub(crate) fn newest_last(catalog: &Catalog, sha256: &Digest) -> Result<Vec<Attestation>, Failure> {
    let found = catalog.about(sha256)?.into_iter().rev();
    let envelopes = found.flat_map(|found| found.further.into_iter().chain([found.attestation]));
    Ok(envelopes.collect())
}
