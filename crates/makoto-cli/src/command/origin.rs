use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;
use makoto_data::{Progress, attestation_path, manifest_path, place_of};

use super::Output;
use super::attest::{WriteArgs, string_map};
use super::claims::{
    CollectorArgs, ConsentArgs, DtaArgs, FigureArgs, MethodArg, SchemaArgs, SourceTypeArg,
};
use super::pipe::PipeArgs;
use crate::agreement::Agreement;
use crate::batch::{Batch, Done, with_failures};
use crate::clock;
use crate::dataset::{BadRecords, Measured, is_template};
use crate::defaults::{ConfigArgs, Defaults, Value};
use crate::draft::{Draft, Finished};
use crate::failure::Failure;
use crate::files::Files;
use crate::records::RecordArgs;
use crate::screen;
use crate::selection::{Kind, Many, Selection, SelectionArgs, read_list};
use crate::signing::{Signing, SigningArgs};
use crate::writing::{Writing, done};

/// Attest where a file or folder was collected
///
/// Hashes the data in one pass, counts its records where the format has any, and writes an
/// origin/v1 statement to DATA.attestation. Doing the same again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto attest origin orders.csv --source https://erp.example.com/orders --collector etl/orders
  makoto attest origin readings.jsonl.gz --source mqtt://plant/+/temperature --collector edge-07 \\
      --source-type stream --method push --geography DE --license CC-BY-4.0
  makoto attest origin orders.csv --source erp --collector nightly --level L2 \\
      --signer file:team.key --passphrase-file pass --tsa https://tsa.example.com
  makoto attest origin parts/ --source s3://bucket/parts --collector nightly
  makoto attest origin 'data/**/*.csv' --name 'sales/{stem}' --source erp --collector nightly
  makoto attest origin table/ --files-from snapshot.txt --source erp --collector nightly
  find data -name '*.csv' -print0 | makoto attest origin --files-from - --source erp \\
      --collector nightly
  curl -sf https://example.com/a.csv | makoto attest origin - --save a.csv --collector fetch \\
      --source https://example.com/a.csv")]
pub(crate) struct Origin {
    /// The files or folders, or - for stdin; a pattern in quotes, such as 'data/**/*.csv', is
    /// matched here
    #[arg(value_name = "DATA", required_unless_present = "files_from")]
    data: Vec<PathBuf>,

    #[command(flatten)]
    selection: SelectionArgs,

    /// URI or identifier of the source; needed here or in a makoto.toml
    #[arg(long, value_name = "URI")]
    source: Option<String>,

    /// Identifier of the collecting system or process; needed here or in a makoto.toml
    #[arg(long, value_name = "ID")]
    collector: Option<String>,

    /// Name of the dataset; {stem}, {file} and {parent} stand for the file's stem and name, and
    /// the name of its folder [default: dataset:{stem}]
    #[arg(long)]
    name: Option<String>,

    /// Type of source
    #[arg(long, value_enum)]
    source_type: Option<SourceTypeArg>,

    /// How the data was obtained
    #[arg(long, value_enum)]
    method: Option<MethodArg>,

    /// When it was collected (RFC 3339) [default: now, or SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "TIME")]
    collected_at: Option<String>,

    /// Where it was collected or is stored
    #[arg(long, value_name = "PLACE")]
    geography: Option<String>,

    #[command(flatten)]
    consent: ConsentArgs,

    #[command(flatten)]
    collector_facts: CollectorArgs,

    #[command(flatten)]
    schema: SchemaArgs,

    #[command(flatten)]
    dta: DtaArgs,

    #[command(flatten)]
    figures: FigureArgs,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    pipe: PipeArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

impl Origin {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let stamp = clock::stamp()?;
        let stdin = Path::new("-");
        let list = self.selection.files_from.as_deref();
        let passphrase = self.signing.signer.passphrase();
        if self.data.iter().any(|path| path == stdin) {
            passphrase.refuse_stdin("the data")?;
        }
        if list == Some(stdin) {
            passphrase.refuse_stdin("the list of files")?;
        }
        if let ([folder], Some(list), false) = (
            &self.data[..],
            &self.selection.files_from,
            self.selection.each,
        ) && folder.is_dir()
        {
            return self.attest_listed(folder, list, &stamp, output);
        }
        let kind = Kind::Data(self.records.links());
        match self.selection.select(&self.data, kind)? {
            Selection::One(path) if path == Path::new("-") => self.attest_stdin(&stamp, output),
            Selection::One(path) => self.attest_one(&path, &stamp, output),
            Selection::Many(many) => self.attest_many(many, &stamp, output),
        }
    }

    /// Attests a folder as one dataset of the files that a list names.
    fn attest_listed(
        &self,
        folder: &Path,
        list: &Path,
        stamp: &DateTime,
        output: Output,
    ) -> Result<u8, Failure> {
        self.pipe.refuse_without_pipe()?;
        if self.write.no_manifest {
            return Err(Failure::usage(
                "--no-manifest leaves nobody a way to know which files are covered",
            ));
        }
        let said = self.say(folder)?;
        self.write.refuse_collisions(&[], &[folder.to_owned()])?;
        let signing = self.signing.open(Some(&said.defaults))?;
        let list = read_list(list, self.selection.null)?;
        let data = Measured::read_listed(folder, list, &self.records)?;
        let finished = self.statement(&data, said, stamp)?;
        self.writing(signing.as_ref(), output)
            .write(&[data], &finished)?;
        Ok(0)
    }

    fn attest_stdin(&self, stamp: &DateTime, output: Output) -> Result<u8, Failure> {
        let output = self.pipe.output(output)?;
        if self.name.as_deref().is_none_or(is_template) && !self.pipe.is_saved() {
            return Err(Failure::usage("stdin has no name, so it needs --name")
                .hint("give --name and --out, or --save to write the bytes to a file"));
        }
        if self.write.out.is_none() && !self.pipe.is_saved() {
            return Err(
                Failure::usage("nothing lies beside stdin, so it needs --out")
                    .hint("give --out for the attestation, or --save to write the bytes to a file"),
            );
        }
        let path = self.pipe.path().to_owned();
        let said = self.say(&path)?;
        let signing = self.signing.open(Some(&said.defaults))?;
        self.write.refuse_collisions(&[], &[path])?;
        let mut piped = self.pipe.read(&self.records)?;
        let finished = self.statement(&piped.data, said, stamp)?;
        let writing = self.writing(signing.as_ref(), output);
        // Bytes that cannot be attested are not kept.
        writing.plan(std::slice::from_ref(&piped.data), &finished)?;
        piped.keep()?;
        writing.write(&[piped.data], &finished)?;
        Ok(0)
    }

    fn attest_one(&self, path: &Path, stamp: &DateTime, output: Output) -> Result<u8, Failure> {
        self.pipe.refuse_without_pipe()?;
        let said = self.say(path)?;
        self.write.refuse_collisions(&[], &[path.to_owned()])?;
        let signing = self.signing.open(Some(&said.defaults))?;
        let data = Measured::read(path, &self.records, BadRecords::Refuse)?;
        let finished = self.statement(&data, said, stamp)?;
        if let Some(written) = self.written_long_before(&data, stamp) {
            screen::note(format!(
                "note: the data was last written at {written}, more than a day from the \
                 collection time {stamp}; --collected-at gives the real one"
            ));
        }
        self.writing(signing.as_ref(), output)
            .write(&[data], &finished)?;
        Ok(0)
    }

    fn attest_many(&self, many: Many, stamp: &DateTime, output: Output) -> Result<u8, Failure> {
        self.pipe.refuse_without_pipe()?;
        if self.write.out.is_some() {
            return Err(
                Failure::usage("--out names one file, and there may be many datasets")
                    .hint("leave --out away: each attestation is written beside its data"),
            );
        }
        if let Some(name) = self.name.as_deref().filter(|name| !is_template(name)) {
            return Err(Failure::usage(format!(
                "--name {name:?} would be the name of many datasets"
            ))
            .hint("use {stem} or {file} in it, which stand for the name of each file"));
        }
        let fail_fast = many.fail_fast;
        let batch = Batch::new(many, output);
        let files = Folders::default();
        let mut data = Files::default();
        let mut agreement = Agreement::default();
        for path in batch.paths() {
            data.insert(path);
            // What is wrong with a file is told of each dataset that it speaks of.
            if let Ok(defaults) = files.defaults(path, &self.config) {
                if self.name.is_none() {
                    agreement.refuse_same_name(&defaults)?;
                }
                if !self.write.store.is_typed() {
                    agreement.refuse_other_store(defaults)?;
                }
            }
        }
        if let Some(defaults) = agreement.first() {
            self.write.store.configure(defaults);
        }
        self.write
            .refuse_places(&batch.paths().collect::<Vec<_>>())?;
        let signing = match batch.paths().next() {
            Some(first) => self
                .signing
                .open(Some(&files.defaults(first, &self.config)?))?,
            None => None,
        };
        let prepare = |path: &Path, progress: &Progress<'_>| {
            data.refuse_place(&attestation_path(path)?)?;
            if path.is_dir() {
                data.refuse_place(&manifest_path(path)?)?;
            }
            let said = self.say_by(files.defaults(path, &self.config)?)?;
            Signing::refuse_others(signing.as_ref(), &self.signing, &said.defaults)?;
            let records = BadRecords::Refuse;
            let data = Measured::read_telling(path, &self.records, records, progress)?;
            let finished = self.statement(&data, said, stamp)?;
            if fail_fast {
                // Written together, others would follow the first that cannot be.
                self.writing(signing.as_ref(), output)
                    .plan(std::slice::from_ref(&data), &finished)?;
            }
            Ok((data, finished))
        };
        let put = |ready: Vec<(Measured, Finished)>| {
            let put = self.writing(signing.as_ref(), output).put_many(&ready);
            let each = ready.iter().zip(put);
            each.map(|((data, finished), put)| match put {
                Ok(put) => {
                    let mut done = done(data, finished, &put);
                    if self.written_long_before(data, stamp).is_some() {
                        done.notes.push(OLD_DATA.to_owned());
                    }
                    done
                }
                Err(failure) => Done::failed(&data.path, &failure),
            })
            .collect()
        };
        Ok(batch.run(prepare, |_| true, |all| with_failures(all, put)))
    }

    /// What is said of the dataset at `path`, whatever is in it.
    fn say(&self, path: &Path) -> Result<Said, Failure> {
        let defaults = Defaults::find(&self.config, path)?;
        self.write.store.configure(&defaults);
        self.say_by(defaults)
    }

    fn say_by(&self, defaults: Defaults) -> Result<Said, Failure> {
        Ok(Said {
            values: self.said(&defaults)?,
            defaults,
        })
    }

    /// The statement about one dataset.
    fn statement(
        &self,
        data: &Measured,
        said: Said,
        stamp: &DateTime,
    ) -> Result<Finished, Failure> {
        let mut draft = self.draft(data, stamp);
        for (path, value) in said.values {
            draft.set_value(&path, value);
        }
        let name = said
            .defaults
            .name(self.name.as_deref(), data.manifest.is_some())?;
        let subjects = vec![data.subject(&name.text)];
        draft.came_from("subject[0].name".to_owned(), name);
        draft.finish(PredicateType::Origin, subjects, Masker::new())
    }

    fn writing<'a>(&'a self, signing: Option<&'a Signing>, output: Output) -> Writing<'a> {
        Writing {
            signing,
            args: &self.write,
            times: match self.collected_at {
                Some(_) => Times::Compare,
                None => Times::Ignore,
            },
            output,
        }
    }

    /// What was typed or else stands in a `makoto.toml`, by its path in the statement.
    fn said(&self, defaults: &Defaults) -> Result<Vec<(String, Option<Value>)>, Failure> {
        let source = defaults.needed("source", self.source.as_deref(), "--source URI")?;
        let collector =
            defaults.needed("collector", self.collector.as_deref(), "--collector ID")?;
        let source_type = defaults.word("source-type", self.source_type)?;
        let method = defaults.word("method", self.method)?;
        let facts = &self.collector_facts;
        let mut said: Vec<_> = [
            ("origin.source", Some(source)),
            ("origin.sourceType", source_type),
            ("origin.collectionMethod", method),
            (
                "origin.geography",
                defaults.value("geography", self.geography.as_deref()),
            ),
            ("collector.id", Some(collector)),
            (
                "collector.environment",
                defaults.value("environment", facts.environment.as_deref()),
            ),
            (
                "collector.platform",
                defaults.value("platform", facts.platform.as_deref()),
            ),
            (
                "dtaCompliance.useStandard.license",
                defaults.value("licence", self.dta.license.as_deref()),
            ),
        ]
        .map(|(path, value)| (path.to_owned(), value))
        .into();
        let typed = &self.consent;
        for (key, value) in [
            ("consent.type", &typed.consent),
            ("consent.reference", &typed.consent_reference),
            ("consent.obtained", &typed.consent_obtained),
            ("consent.expires", &typed.consent_expires),
        ] {
            // A legal ground is one thing: what was typed is not completed by another's parts.
            let value = match typed.consent {
                Some(_) => value.as_deref().map(|value| Value::typed(key, value)),
                None => defaults.value(key, None),
            };
            said.push((format!("origin.{key}"), value));
        }
        Ok(said)
    }

    fn draft(&self, data: &Measured, stamp: &DateTime) -> Draft {
        let mut draft = Draft::default();
        let collected_at = self.collected_at.as_deref().unwrap_or(stamp.as_str());
        draft.set("origin.collectionTimestamp", Some(collected_at));
        draft.set(
            "collector.version",
            string_map(&self.collector_facts.collector_version),
        );
        draft.set("schema.format", self.schema.schema_format.as_deref());
        draft.set("schema.schemaRef", self.schema.schema_ref.as_deref());
        draft.set(
            "schema.schemaDigest.sha256",
            self.schema.schema_digest.as_deref(),
        );
        draft.set(
            "schema.schemaVersion",
            self.schema.schema_version.as_deref(),
        );
        draft.set("metadata.bytesCollected", Some(data.bytes));
        draft.set(
            "metadata.recordsCollected",
            data.records.as_ref().map(|(_, r)| r.count),
        );
        draft.set("metadata.recordsDropped", self.figures.records_dropped);
        draft.set(
            "metadata.collectionDuration",
            self.figures.collection_duration.as_deref(),
        );
        let dta = &self.dta;
        for (path, value) in [
            ("standardsVersion", &dta.dta_version),
            ("sourceStandard.datasetTitle", &dta.dta_title),
            ("sourceStandard.datasetIssuer", &dta.dta_issuer),
            ("sourceStandard.description", &dta.dta_description),
            ("provenanceStandard.dataOriginGeography", &dta.dta_geography),
            ("provenanceStandard.method", &dta.dta_method),
            ("provenanceStandard.dataFormat", &dta.dta_format),
            (
                "useStandard.confidentialityClassification",
                &dta.dta_confidentiality,
            ),
            ("useStandard.intendedDataUse", &dta.dta_use),
        ] {
            draft.set(&format!("dtaCompliance.{path}"), value.as_deref());
        }
        draft
    }

    /// When the data was written, if that is long before it was collected and nobody said when
    /// that was: then the producer should say so (P1, timing).
    fn written_long_before(&self, data: &Measured, stamp: &DateTime) -> Option<String> {
        const DAY: i64 = 24 * 60 * 60;
        if self.collected_at.is_some() || !clock::is_read() {
            return None;
        }
        let written = data.fingerprint?.modified_unix();
        let is_old = (stamp.unix_seconds() - written).abs() > DAY;
        is_old.then(|| DateTime::from_unix(written).map_or(String::new(), |t| t.to_string()))
    }
}

/// What is said once of all old data in a batch.
const OLD_DATA: &str = "note: some data was last written more than a day from the collection \
                        time; --collected-at gives the real one";

/// What is said of a dataset by options and files.
struct Said {
    values: Vec<(String, Option<Value>)>,
    defaults: Defaults,
}

/// The defaults of folders, each looked for once.
#[derive(Default)]
struct Folders(Mutex<HashMap<PathBuf, Defaults>>);

impl Folders {
    /// The defaults for `data`: those that are found for its neighbours.
    fn defaults(&self, data: &Path, args: &ConfigArgs) -> Result<Defaults, Failure> {
        let place = place_of(data).unwrap_or_else(|| data.to_owned());
        let folder = place.parent().unwrap_or(Path::new("")).to_owned();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(defaults) = known.get(&folder) {
            return Ok(defaults.at(data));
        }
        let defaults = Defaults::find(args, data)?;
        known.insert(folder, defaults.clone());
        Ok(defaults)
    }
}
