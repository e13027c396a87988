//! What `attest origin`, `attest transform` and `run` have in common: where a statement goes
//! and what is said about it.

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::Json;
use makoto::statement::Times;
use makoto_data::{
    Existing, Outcome, Pending, Sidecar, Written, attestation_path, manifest_path, write_group,
    write_manifest,
};

use makoto_objects::ObjectUrl;

use super::Output;
use crate::batch::Done;
use crate::dataset::Measured;
use crate::draft::Finished;
use crate::failure::Failure;
use crate::files::Files;
use crate::object;
use crate::screen::{self, Plain};

/// Where and how the attestation is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing")]
pub(crate) struct WriteArgs {
    /// Write the attestation here instead of beside the data (DATA.attestation)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Replace an attestation that says something else
    #[arg(long, conflicts_with = "append")]
    pub(crate) replace: bool,

    /// Add to an attestation that says something else, as a further line
    #[arg(long)]
    pub(crate) append: bool,

    /// Do not write FOLDER.manifest, which lets `verify` name the files that differ
    #[arg(long)]
    pub(crate) no_manifest: bool,
}

impl WriteArgs {
    pub(crate) fn existing(&self) -> Existing {
        match (self.replace, self.append) {
            (true, _) => Existing::Replace,
            (_, true) => Existing::Append,
            _ => Existing::Keep,
        }
    }

    /// Refuses to write an attestation or a manifest in the place of data that is read or
    /// written, and data that is written twice.
    pub(crate) fn refuse_collisions(
        &self,
        inputs: &[PathBuf],
        outputs: &[PathBuf],
    ) -> Result<(), Failure> {
        let mut data = Files::default();
        for output in outputs {
            if !data.insert(output) {
                let shown = output.to_string_lossy();
                return Err(Failure::usage(format!("{} is given twice", Plain(&shown))));
            }
        }
        for input in inputs {
            data.insert(input);
        }
        let paths: Vec<_> = outputs.iter().map(PathBuf::as_path).collect();
        let sidecars = self.sidecars(&paths)?;
        let manifests: Result<Vec<_>, _> = paths.iter().map(|path| manifest_path(path)).collect();
        let places = sidecars.iter().map(Sidecar::path).map(Path::to_owned);
        for place in places.chain(manifests?) {
            data.refuse_place(&place)?;
        }
        Ok(())
    }

    /// The attestation files for these datasets: beside each, or the one that was named.
    pub(crate) fn sidecars(&self, data: &[&Path]) -> Result<Vec<Sidecar>, Failure> {
        match &self.out {
            Some(out) => Ok(vec![Sidecar::at(out.clone())]),
            None => {
                let beside = data
                    .iter()
                    .map(|path| Ok(Sidecar::at(attestation_path(path)?)));
                beside.collect()
            }
        }
    }
}

/// Options of every statement about who made it and how.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) args: &'a WriteArgs,
    pub(crate) times: Times,
    pub(crate) output: Output,
}

impl Writing<'_> {
    /// Writes the statement beside each of `data`, after looking whether all can be written,
    /// and tells what was done.
    pub(crate) fn write(&self, data: &[Measured], finished: &Finished) -> Result<(), Failure> {
        let written = self.put(data, finished)?;
        self.tell(data, finished, &written);
        Ok(())
    }

    /// Writes each statement beside its dataset, waiting for the disk once for many. What
    /// becomes of one does not touch the others.
    pub(crate) fn put_many(
        &self,
        many: &[(Measured, Finished)],
    ) -> Vec<Result<Vec<(PathBuf, Written)>, Failure>> {
        let sidecars: Vec<_> = many
            .iter()
            .map(|(data, _)| match (&data.manifest, &data.object) {
                (None, None) => attestation_path(&data.path).ok().map(Sidecar::at),
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
        let each = many.iter().zip(&sidecars);
        each.map(|((data, finished), sidecar)| {
            match (sidecar, sidecar.as_ref().and_then(|_| written.next())) {
                (Some(sidecar), Some(written)) => Ok(vec![(sidecar.path().to_owned(), written?)]),
                _ => self.put(std::slice::from_ref(data), finished),
            }
        })
        .collect()
    }

    /// Looks whether the statement about `data` can be written.
    pub(crate) fn plan(&self, data: &Measured, finished: &Finished) -> Result<(), Failure> {
        if let Some(url) = self.beside_object(data)? {
            let (sidecar, there) = object::read_beside(&url)?;
            sidecar.revise(there, &finished.bytes, self.args.existing(), self.times)?;
            return Ok(());
        }
        for sidecar in self.args.sidecars(&[&data.path])? {
            sidecar.plan(&finished.bytes, self.args.existing(), self.times)?;
        }
        Ok(())
    }

    /// The object beside which the statement about `data` is to be written.
    fn beside_object(&self, data: &Measured) -> Result<Option<ObjectUrl>, Failure> {
        match self.args.out {
            Some(_) => Ok(None),
            None => object::url_of(&data.path),
        }
    }

    fn put(
        &self,
        data: &[Measured],
        finished: &Finished,
    ) -> Result<Vec<(PathBuf, Written)>, Failure> {
        if let [one] = data
            && let Some(url) = self.beside_object(one)?
        {
            let existing = self.args.existing();
            let written = object::write_beside(&url, &finished.bytes, existing, self.times)?;
            return Ok(vec![written]);
        }
        if self.args.out.is_none() && data.iter().any(|data| data.object.is_some()) {
            return Err(
                Failure::usage("an object must be the only output of its statement")
                    .hint("attest it by itself, or name one file for the statement with --out"),
            );
        }
        let paths: Vec<_> = data.iter().map(|data| data.path.as_path()).collect();
        let sidecars = self.args.sidecars(&paths)?;
        let existing = self.args.existing();
        for sidecar in &sidecars {
            sidecar.plan(&finished.bytes, existing, self.times)?;
        }
        for folder in data.iter().filter(|_| !self.args.no_manifest) {
            if let Some(manifest) = &folder.manifest {
                write_manifest(&folder.path, manifest, existing)?;
            }
        }
        let mut written = Vec::new();
        for (index, sidecar) in sidecars.iter().enumerate() {
            let readers = paths
                .get(index)
                .or(paths.first())
                .copied()
                .unwrap_or(sidecar.path());
            written.push((
                sidecar.path().to_owned(),
                sidecar.write(&finished.bytes, readers, existing, self.times)?,
            ));
        }
        Ok(written)
    }

    fn tell(&self, data: &[Measured], finished: &Finished, written: &[(PathBuf, Written)]) {
        masked(finished).for_each(screen::note);
        if self.output == Output::Json {
            screen::json(&told_as_json(finished, written));
            return;
        }
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
        }
        for (path, written) in written {
            let word = word(written.outcome);
            let path = path.to_string_lossy();
            say(format!("  attestation: {} ({word})", Plain(&path)));
        }
        if let Some(note) = not_given(finished) {
            screen::note(note);
        }
    }
}

/// What became of one of many.
pub(crate) fn done(data: &Measured, finished: &Finished, written: &[(PathBuf, Written)]) -> Done {
    let outcome = written
        .first()
        .map_or(Outcome::Unchanged, |(_, w)| w.outcome);
    let shown = data.path.to_string_lossy();
    let mut line = format!(
        "{}: {}, sha256 {}",
        Plain(&shown),
        word(outcome),
        data.sha256
    );
    if let Some((_, records)) = &data.records {
        line.push_str(&counted(records.count, "record"));
    }
    if let Some(manifest) = &data.manifest {
        line.push_str(&counted(manifest.len() as u64, "file"));
    }
    Done {
        word: match outcome {
            Outcome::New => "attested",
            other => word(other),
        },
        status: 0,
        line,
        json: told_as_json(finished, written),
        notes: masked(finished).chain(not_given(finished)).collect(),
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!(", {count} {noun}{plural}")
}

fn masked(finished: &Finished) -> impl Iterator<Item = String> {
    finished.masked.iter().map(|masked| {
        format!(
            "masked: {} ({}); the value is not in the statement",
            Plain(&masked.path),
            Plain(&masked.why)
        )
    })
}

fn not_given(finished: &Finished) -> Option<String> {
    // What the data does not have, such as records, nobody can give.
    let can_be_given = |path: &&str| path.starts_with("predicate.");
    let paths = finished.warnings.iter().map(|check| check.path.as_str());
    let paths: Vec<_> = paths.filter(can_be_given).collect();
    (!paths.is_empty()).then(|| {
        let paths = paths.join(", ");
        format!("note: recommended and not given: {}", Plain(&paths))
    })
}

fn told_as_json(finished: &Finished, written: &[(PathBuf, Written)]) -> Json {
    let written = written.iter().map(|(path, written)| {
        Json::from([
            ("path", path.to_string_lossy().into_owned().into()),
            ("outcome", word(written.outcome).into()),
            ("attestation", format!("sha256:{}", written.id).into()),
        ])
    });
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
    Json::from([
        ("subject", subject.cloned().into()),
        ("written", written.collect()),
        ("masked", masked.collect()),
        ("warnings", warnings.collect()),
    ])
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
        Outcome::Appended => "appended",
    }
}

/// A `KEY=VALUE` argument.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("needed KEY=VALUE".to_owned()),
    }
}

/// An object of strings from `KEY=VALUE` arguments; `None` when there are none.
pub(crate) fn string_map(pairs: &[(String, String)]) -> Option<Json> {
    let members = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    (!pairs.is_empty()).then(|| Json::Object(members.collect()))
}
