mod facts;
mod many;

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;

use super::Output;
use super::attest::WriteArgs;
use super::pipe::PipeArgs;
use crate::clock;
use crate::dataset::{BadRecords, Measured, RecordArgs};
use crate::defaults::{ConfigArgs, Defaults, Value};
use crate::draft::Finished;
use crate::failure::Failure;
use crate::naming::{is_template, named};
use crate::screen;
use crate::selection::{Kind, Selection, SelectionArgs};
use crate::writing::Writing;
use facts::{
    CollectorArgs, ConsentArgs, DtaArgs, FigureArgs, MethodArg, SchemaArgs, SourceTypeArg,
};

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
  makoto attest origin parts/ --source s3://bucket/parts --collector nightly
  makoto attest origin 'data/**/*.csv' --name 'sales/{stem}' --source erp --collector nightly
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

    /// Name of the dataset; {stem}, {file} and {parent} stand for the file's stem, its name
    /// and that of its folder [default: dataset:{stem}]
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
    config: ConfigArgs,
}

/// What was typed or else stands in a `makoto.toml`, by its path in the statement.
type Said = Vec<(String, Option<Value>)>;

impl Origin {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let stamp = clock::stamp()?;
        let kind = Kind::Data(self.records.links());
        match self.selection.select(&self.data, kind)? {
            Selection::One(path) if path == Path::new("-") => self.attest_stdin(&stamp, output),
            Selection::One(path) => self.attest_one(&path, &stamp, output),
            Selection::Many(many) => self.attest_many(many, &stamp, output),
        }
    }

    fn attest_stdin(&self, stamp: &DateTime, output: Output) -> Result<u8, Failure> {
        let output = self.pipe.output(output)?;
        if self.name.as_deref().is_none_or(is_template) && !self.pipe.is_saved() {
            return Err(Failure::usage("stdin has no name, so it needs --name")
                .hint("give --name and --out, or --save to write the bytes to a file"));
        }
        let has_place = self.write.out.is_some() || self.write.no_sidecar;
        if !has_place && !self.pipe.is_saved() {
            return Err(
                Failure::usage("nothing lies beside stdin, so it needs --out")
                    .hint("give --out for the attestation, or --save to write the bytes to a file"),
            );
        }
        let path = self.pipe.path();
        self.write.refuse_collisions(&[], &[path.to_owned()])?;
        let defaults = Defaults::find(&self.config, path)?;
        let said = self.said(&defaults)?;
        let mut piped = self.pipe.read(&self.records)?;
        let finished = self.statement(&piped.data, said, &defaults, stamp)?;
        let writing = self.writing(output);
        // Bytes that cannot be attested are not kept.
        writing.plan(std::slice::from_ref(&piped.data), &finished)?;
        piped.keep()?;
        writing.write(&[piped.data], &finished)?;
        Ok(0)
    }

    fn attest_one(&self, path: &Path, stamp: &DateTime, output: Output) -> Result<u8, Failure> {
        self.pipe.refuse_without_pipe()?;
        self.write.refuse_collisions(&[], &[path.to_owned()])?;
        let defaults = Defaults::find(&self.config, path)?;
        let said = self.said(&defaults)?;
        let data = Measured::read(path, &self.records, BadRecords::Refuse)?;
        let finished = self.statement(&data, said, &defaults, stamp)?;
        if let Some(written) = self.written_long_before(&data, stamp) {
            screen::note(format!(
                "note: the data was last written at {written}, more than a day from the \
                 collection time {stamp}; --collected-at gives the real one"
            ));
        }
        self.writing(output).write(&[data], &finished)?;
        Ok(0)
    }

    /// The statement about one dataset.
    fn statement(
        &self,
        data: &Measured,
        said: Said,
        defaults: &Defaults,
        stamp: &DateTime,
    ) -> Result<Finished, Failure> {
        let mut draft = self.draft(data, stamp);
        for (path, value) in said {
            draft.set_value(&path, value);
        }
        let is_folder = data.manifest.is_some();
        let typed = match &self.name {
            Some(name) => Some(named(&data.path, is_folder, name)?),
            None => None,
        };
        let name = defaults.name(typed.as_deref(), is_folder)?;
        let subjects = vec![data.subject(&name.text)];
        draft.came_from("subject[0].name".to_owned(), name);
        draft.finish(PredicateType::Origin, subjects, Masker::new())
    }

    fn writing(&self, output: Output) -> Writing<'_> {
        Writing {
            args: &self.write,
            times: match self.collected_at {
                Some(_) => Times::Compare,
                None => Times::Ignore,
            },
            output,
        }
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
