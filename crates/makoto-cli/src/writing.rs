//! Putting statements where they belong, and telling what was done.

use std::path::{Path, PathBuf};

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::exclude::Pattern;
use makoto::json::Json;
use makoto::secret::Masked;
use makoto::statement::{Times, same_facts};
use makoto_data::{
    Existing, Outcome, Pending, Sidecar, Store, Written, attestation_path, plan_manifest,
    write_group, write_manifest,
};
use makoto_objects::ObjectUrl;

use crate::batch::Done;
use crate::command::Output;
use crate::command::attest::WriteArgs;
use crate::command::store::InStore;
use crate::dataset::Measured;
use crate::defaults::Value;
use crate::draft::Finished;
use crate::failure::Failure;
use crate::object;
use crate::screen::{self, Plain};
use crate::signing::Signing;

/// How a statement is written.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) args: &'a WriteArgs,
    pub(crate) times: Times,
    pub(crate) output: Output,
    /// What signs it, if anything does.
    pub(crate) signing: Option<&'a Signing>,
}

/// A statement about a dataset, and its attestation files.
type Beside<'a> = (&'a (Measured, Finished), &'a Vec<(PathBuf, Written)>);

/// Where a statement is now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Put {
    /// Attestation files, with what became of each.
    pub(crate) sidecars: Vec<(PathBuf, Written)>,
    /// Stores.
    pub(crate) stores: Vec<InStore>,
}

impl Writing<'_> {
    /// Writes the statement beside each of `data` and into the stores, after looking whether all
    /// can be written, and tells what was done.
    pub(crate) fn write(&self, data: &[Measured], finished: &Finished) -> Result<(), Failure> {
        let put = self.put(data, finished)?;
        self.tell(data, finished, &put);
        Ok(())
    }

    /// What [`Writing::put`] would do, without doing it. Nobody is asked for the time.
    pub(crate) fn plan(
        &self,
        data: &[Measured],
        finished: &Finished,
    ) -> Result<Vec<Written>, Failure> {
        let document = match self.signing {
            Some(signing) => &signing
                .sign(&finished.bytes, &finished.statement)?
                .to_document(),
            None => &finished.bytes,
        };
        let plan = |sidecar: &Sidecar, there: Option<Vec<u8>>| {
            if let Some(id) = self.kept(there.as_deref(), finished) {
                let outcome = Outcome::Unchanged;
                return Ok(Written { outcome, id });
            }
            let planned = sidecar.revise(there, document, self.args.existing(), self.times);
            planned.map(|(written, _)| written).map_err(Failure::from)
        };
        if let Some(url) = self.beside_object(data)? {
            let (sidecar, there) = object::read_beside(&url)?;
            return Ok(vec![plan(&sidecar, there)?]);
        }
        let sidecars = self.sidecars(data)?;
        let planned = sidecars
            .iter()
            .map(|sidecar| plan(sidecar, sidecar.read()?));
        let planned = planned.collect::<Result<_, _>>()?;
        for (folder, manifest) in self.manifests(data) {
            plan_manifest(folder, manifest, self.args.existing())?;
        }
        Ok(planned)
    }

    /// The id of the statement that an attestation file has with these facts, signed as it would
    /// be signed now.
    fn kept(&self, there: Option<&[u8]>, finished: &Finished) -> Option<Digest> {
        let documents = Attestation::documents(there?).ok()?;
        if self.args.existing() == Existing::Replace && documents.len() != 1 {
            return None;
        }
        let signing = self.signing?;
        let kept = documents.iter().rev().find(|(document, there)| {
            same_facts(&there.statement, &finished.statement, self.times) && signing.made(document)
        });
        kept.map(|(_, there)| there.id)
    }

    /// Writes the statement beside each of `data` and into the stores, after looking whether all
    /// can be written, and having all signatures and times that it is to have.
    pub(crate) fn put(&self, data: &[Measured], finished: &Finished) -> Result<Put, Failure> {
        let planned = self.plan(data, finished)?;
        let is_kept =
            |planned: &Written| self.signing.is_some() && planned.outcome == Outcome::Unchanged;
        let document = match self.signing {
            Some(_) if !planned.is_empty() && planned.iter().all(is_kept) => Vec::new(),
            Some(_) if planned.is_empty() && self.is_known(data, finished)? => Vec::new(),
            Some(signing) => {
                let signed = signing.sign(&finished.bytes, &finished.statement)?;
                signing.stamp(signed)?.to_document()
            }
            None => finished.bytes.clone(),
        };
        let existing = self.args.existing();
        for (folder, manifest) in self.manifests(data) {
            write_manifest(folder, manifest, existing)?;
        }
        let mut sidecars = Vec::new();
        if let Some(url) = self.beside_object(data)? {
            sidecars.push(match planned.first().copied().filter(is_kept) {
                Some(kept) => (object::read_beside(&url)?.0.path().to_owned(), kept),
                None => object::write_beside(&url, &document, existing, self.times)?,
            });
            return self.put_further(data, finished, &document, sidecars);
        }
        for (index, sidecar) in self.sidecars(data)?.iter().enumerate() {
            let readers = data.get(index).or(data.first());
            let readers = readers.map_or(sidecar.path(), |data| data.path.as_path());
            let written = match planned.get(index).copied().filter(is_kept) {
                Some(kept) => kept,
                None => sidecar.write(&document, readers, existing, self.times)?,
            };
            sidecars.push((sidecar.path().to_owned(), written));
        }
        self.put_further(data, finished, &document, sidecars)
    }

    /// Writes each statement beside its dataset and into the stores, waiting for the disk once
    /// for many. What becomes of one does not touch the others.
    pub(crate) fn put_many(&self, many: &[(Measured, Finished)]) -> Vec<Result<Put, Failure>> {
        let sidecars: Vec<_> = many
            .iter()
            .map(|(data, _)| match (&data.manifest, &data.object) {
                // What is signed waits for a time of its own.
                (None, None) if !self.args.no_sidecar && self.signing.is_none() => {
                    attestation_path(&data.path).ok().map(Sidecar::at)
                }
                // A folder has two files to be written, one before the other; an object has none.
                _ => None,
            })
            .collect();
        let pending: Vec<_> = many
            .iter()
            .zip(&sidecars)
            .filter_map(|((data, finished), sidecar)| {
                Some(Pending {
                    sidecar: sidecar.as_ref()?,
                    statement: &finished.bytes,
                    data: &data.path,
                })
            })
            .collect();
        let mut written = write_group(&pending, self.args.existing(), self.times).into_iter();
        let beside: Vec<Option<Result<Vec<_>, Failure>>> = many
            .iter()
            .zip(&sidecars)
            .map(|(_, sidecar)| match sidecar {
                Some(sidecar) => {
                    let written = written.next()?.map_err(Failure::from);
                    Some(written.map(|written| vec![(sidecar.path().to_owned(), written)]))
                }
                // With nothing to be written beside it, only the stores are left.
                None if self.args.no_sidecar && self.signing.is_none() => Some(Ok(Vec::new())),
                None => None,
            })
            .collect();
        let ready = many.iter().zip(&beside);
        let ready = ready.filter_map(|(one, beside)| Some((one, beside.as_ref()?.as_ref().ok()?)));
        let mut stored = self
            .put_many_into_stores(&ready.collect::<Vec<_>>())
            .into_iter();
        let each = many.iter().zip(beside);
        each.map(|((data, finished), beside)| match beside {
            None => self.put(std::slice::from_ref(data), finished),
            Some(Err(failure)) => Err(failure),
            Some(Ok(sidecars)) => {
                let stored = stored.next().unwrap_or_else(|| Ok(Vec::new()));
                with_stores(sidecars, stored)
            }
        })
        .collect()
    }

    /// As [`Writing::put_into_stores`], for each of many, waiting for the disk once for many.
    fn put_many_into_stores(&self, many: &[Beside<'_>]) -> Vec<Result<Vec<InStore>, Failure>> {
        let mut all: Vec<_> = many.iter().map(|_| Ok(Vec::new())).collect();
        for root in self.args.store.roots().0 {
            let mut created = None;
            let lines = many
                .iter()
                .zip(&mut all)
                .map(|(((data, finished), written), so_far)| {
                    so_far.as_ref().ok()?;
                    let data = std::slice::from_ref(data);
                    let mut documents = || {
                        let store = match &created {
                            Some(store) => store,
                            // When it cannot be made, each is told why.
                            None => created.insert(Store::create(&root)?),
                        };
                        self.documents(store, data, finished, &finished.bytes, written)
                    };
                    documents()
                        .map_err(|failure| *so_far = Err(failure))
                        .map(|documents| documents.join(&b'\n'))
                        .ok()
                });
            let lines: Vec<Option<Vec<u8>>> = lines.collect();
            let Some(store) = created else { continue };
            let put = InStore::put_many(&store, &lines.iter().flatten().collect::<Vec<_>>());
            let with_lines = all
                .iter_mut()
                .zip(&lines)
                .filter(|(_, line)| line.is_some());
            for ((so_far, _), put) in with_lines.zip(put) {
                match (so_far.as_mut(), put) {
                    (Ok(stores), Ok(put)) => stores.extend(put),
                    (_, Err(failure)) => *so_far = Err(failure),
                    (Err(_), Ok(_)) => {}
                }
            }
        }
        all
    }

    /// The object beside which the statement about `data` is to be written.
    fn beside_object(&self, data: &[Measured]) -> Result<Option<ObjectUrl>, Failure> {
        let is_named = self.args.out.is_some() || self.args.no_sidecar;
        match data {
            _ if is_named || data.iter().all(|data| data.object.is_none()) => Ok(None),
            [one] => object::url_of(&one.path),
            _ => Err(
                Failure::usage("an object must be the only output of its statement")
                    .hint("attest it by itself, or name one file for the statement with --out"),
            ),
        }
    }

    /// Puts what the sidecars have into the stores.
    fn put_further(
        &self,
        data: &[Measured],
        finished: &Finished,
        document: &[u8],
        sidecars: Vec<(PathBuf, Written)>,
    ) -> Result<Put, Failure> {
        let stores = self.put_into_stores(data, finished, document, &sidecars);
        with_stores(sidecars, stores)
    }

    fn sidecars(&self, data: &[Measured]) -> Result<Vec<Sidecar>, Failure> {
        let paths: Vec<_> = data.iter().map(|data| data.path.as_path()).collect();
        self.args.sidecars(&paths)
    }

    /// Manifests that are written beside folders.
    fn manifests<'d>(
        &self,
        data: &'d [Measured],
    ) -> impl Iterator<Item = (&'d Path, &'d makoto::manifest::Manifest)> {
        let beside = !self.args.no_manifest && !self.args.no_sidecar;
        let data = data.iter().filter(move |_| beside);
        data.filter_map(|data| Some((data.path.as_path(), data.manifest.as_ref()?)))
    }

    /// Puts the statement that the sidecars now have into the stores.
    fn put_into_stores(
        &self,
        data: &[Measured],
        finished: &Finished,
        new: &[u8],
        written: &[(PathBuf, Written)],
    ) -> Result<Vec<InStore>, Failure> {
        let mut all = Vec::new();
        for store in self.args.store.create()? {
            let documents = self.documents(&store, data, finished, new, written)?;
            all.extend(InStore::put(&[store], &documents)?);
        }
        Ok(all)
    }

    /// The documents that a store is to have: those that the sidecars have, or else the one that
    /// it has already, or the new one.
    fn documents(
        &self,
        store: &Store,
        data: &[Measured],
        finished: &Finished,
        new: &[u8],
        written: &[(PathBuf, Written)],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let documents = written
            .iter()
            .map(|(path, written)| self.document(new, path, written));
        let mut documents = documents.collect::<Result<Vec<_>, _>>()?;
        if documents.is_empty() {
            let known = self.known(store, data, finished)?;
            documents.push(known.unwrap_or_else(|| new.to_vec()));
        }
        documents.dedup();
        Ok(documents)
    }

    /// The document of a statement with the same facts that the store has already.
    fn known(
        &self,
        store: &Store,
        data: &[Measured],
        finished: &Finished,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(first) = data.first() else {
            return Ok(None);
        };
        for there in store.about(&first.sha256)? {
            let statement = &there.attestation.statement;
            if !same_facts(statement, &finished.statement, self.times) {
                continue;
            }
            let bytes = Sidecar::at(there.place.file().to_owned()).read()?;
            match self.signing {
                None => return Ok(bytes),
                Some(_) if self.kept(bytes.as_deref(), finished).is_some() => return Ok(bytes),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The document of the statement that a sidecar has: one that was there already keeps its
    /// moments, and must not come into a store under another id.
    fn document(&self, new: &[u8], path: &Path, written: &Written) -> Result<Vec<u8>, Failure> {
        if Attestation::parse(new).is_ok_and(|new| new.id == written.id) {
            return Ok(new.to_vec());
        }
        let bytes = match object::url_of(path)? {
            Some(url) => object::read(&url)?,
            None => Sidecar::at(path.to_owned()).read()?,
        };
        let bytes = bytes.unwrap_or_default();
        let documents = Attestation::documents(&bytes).unwrap_or_default();
        let same = documents.iter().find(|(document, one)| {
            one.id == written.id && self.signing.is_none_or(|signing| signing.made(document))
        });
        let (document, _) = same.ok_or_else(|| {
            let shown = path.to_string_lossy();
            Failure::usage(format!("{} changed while it was read", Plain(&shown)))
        })?;
        Ok(document.to_vec())
    }

    /// Whether every store has the statement already, signed as it would be signed now.
    fn is_known(&self, data: &[Measured], finished: &Finished) -> Result<bool, Failure> {
        let mut all = true;
        for store in self.args.store.create()? {
            all &= self.known(&store, data, finished)?.is_some();
        }
        Ok(all)
    }

    fn tell(&self, data: &[Measured], finished: &Finished, put: &Put) {
        finished.masked.iter().for_each(tell_masked);
        from_file(finished).iter().for_each(screen::note);
        self.signing_from_file().iter().for_each(screen::note);
        if self.output == Output::Json {
            screen::json(&told_as_json(finished, put));
            return;
        }
        self.show(data, put);
        not_given(finished).iter().for_each(screen::note);
    }

    /// What is said of values of the signing that nobody typed.
    fn signing_from_file(&self) -> Option<String> {
        let values = &self.signing?.from_file;
        let place = values.first().and_then(Value::place)?;
        let keys = keys(values).join(", ");
        Some(format!("note: from {}: {keys}", Plain(&place.file)))
    }

    /// Shows what was measured and what became of the attestations.
    pub(crate) fn show(&self, data: &[Measured], put: &Put) {
        let say = |line: String| match self.output {
            Output::Aside => screen::note(line),
            _ => screen::result(line),
        };
        for data in data {
            let shown = data.path.to_string_lossy();
            say(format!("{}: sha256 {}", Plain(&shown), data.sha256));
            if let Some((_, records)) = &data.records {
                say(format!(
                    "  records:     {}, root {}",
                    records.count, records.root
                ));
            }
            if let Some(manifest) = &data.manifest {
                say(format!("  files:       {}", manifest.len()));
            }
            if data.excluded > 0 {
                let patterns: Vec<_> = data.exclude.iter().map(Pattern::as_str).collect();
                say(format!(
                    "  not covered: {}, by the names {}",
                    data.excluded,
                    Plain(&patterns.join(", "))
                ));
            }
        }
        for (path, written) in &put.sidecars {
            let word = word(written.outcome);
            let path = path.to_string_lossy();
            say(format!("  attestation: {} ({word})", Plain(&path)));
        }
        if let Some(signing) = self.signing {
            say(format!("  signed by:   {}", Plain(&signing.to_string())));
        }
        self.args.store.told(&put.stores).for_each(say);
    }
}

/// Where a statement is when its sidecars were written and it was put into stores.
fn with_stores(
    sidecars: Vec<(PathBuf, Written)>,
    stores: Result<Vec<InStore>, Failure>,
) -> Result<Put, Failure> {
    let stores = stores.map_err(|failure| match (sidecars.is_empty(), &failure.hint) {
        (true, _) | (_, Some(_)) => failure,
        (false, None) => failure.hint(
            "the attestation beside the data was written; run the command again when the store can be",
        ),
    })?;
    Ok(Put { sidecars, stores })
}

/// What became of one of many.
pub(crate) fn done(data: &Measured, finished: &Finished, put: &Put) -> Done {
    let sidecar = put
        .sidecars
        .first()
        .map(|(_, written)| word(written.outcome));
    let outcome = sidecar.or(put.stores.first().map(InStore::word));
    let outcome = outcome.unwrap_or("unchanged");
    let shown = data.path.to_string_lossy();
    let mut line = format!("{}: {outcome}, sha256 {}", Plain(&shown), data.sha256);
    if let Some((_, records)) = &data.records {
        line.push_str(&counted(records.count, "record"));
    }
    if let Some(manifest) = &data.manifest {
        line.push_str(&counted(manifest.len() as u64, "file"));
    }
    let masked = finished.masked.iter().map(masked);
    Done {
        word: if outcome == "new" {
            "attested"
        } else {
            outcome
        },
        status: 0,
        line,
        json: told_as_json(finished, put),
        notes: masked
            .chain(from_file(finished))
            .chain(not_given(finished))
            .collect(),
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!(", {count} {noun}{plural}")
}

/// Tells that a secret was masked.
pub(crate) fn tell_masked(one: &Masked) {
    screen::note(masked(one));
}

fn masked(masked: &Masked) -> String {
    format!(
        "masked: {} ({}); the value is not in the statement",
        Plain(&masked.path),
        Plain(&masked.why)
    )
}

/// What is said of values that nobody typed.
fn from_file(finished: &Finished) -> Option<String> {
    let place = finished.from_file.first().and_then(Value::place)?;
    let keys = keys(&finished.from_file).join(", ");
    Some(format!("note: from {}: {keys}", Plain(&place.file)))
}

/// What is said of facts that should have been given. What the data does not have, such as
/// records, nobody can give.
fn not_given(finished: &Finished) -> Option<String> {
    let can_be_given = |path: &&str| path.starts_with("predicate.");
    let paths = finished.warnings.iter().map(|check| check.path.as_str());
    let paths: Vec<_> = paths.filter(can_be_given).collect();
    (!paths.is_empty()).then(|| {
        let paths = paths.join(", ");
        format!("note: recommended and not given: {}", Plain(&paths))
    })
}

/// What was written, for a program.
pub(crate) fn told_as_json(finished: &Finished, put: &Put) -> Json {
    let written = put.sidecars.iter().map(|(path, written)| {
        Json::from([
            ("path", path.to_string_lossy().into_owned().into()),
            ("outcome", word(written.outcome).into()),
            ("attestation", format!("sha256:{}", written.id).into()),
        ])
    });
    let stored = put.stores.iter().map(InStore::to_json);
    let masked = finished.masked.iter().map(|masked| {
        Json::from([
            ("path", masked.path.as_str().into()),
            ("why", masked.why.as_str().into()),
        ])
    });
    let warnings = finished.warnings.iter().map(|check| {
        Json::from([
            ("id", check.id.into()),
            ("path", check.path.as_str().into()),
            ("message", check.message.as_str().into()),
        ])
    });
    let subject = finished.statement.get("subject");
    let config = finished.from_file.iter().filter_map(|value| {
        let place = value.place()?;
        Some(Json::from([
            ("key", value.key.into()),
            ("file", place.file.as_str().into()),
            ("line", place.line.into()),
            ("section", place.section.as_str().into()),
        ]))
    });
    Json::from([
        ("config", config.collect()),
        ("subject", subject.cloned().into()),
        ("written", written.chain(stored).collect()),
        ("masked", masked.collect()),
        ("warnings", warnings.collect()),
    ])
}

/// The keys of these values, each once.
fn keys(values: &[Value]) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for value in values {
        if !keys.contains(&value.key) {
            keys.push(value.key);
        }
    }
    keys
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
        Outcome::Appended => "appended",
    }
}
