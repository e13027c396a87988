use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::report::{Report, Verdict};
use makoto::validate::validate;
use makoto_data::Sidecar;

use super::store::StoreArgs;
use super::{LevelArg, Output};
use crate::batch::Batch;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Detail};
use crate::selection::{Kind, Selection, SelectionArgs};
use crate::sink::{SinkArgs, Sinks};

/// Check statements, envelopes, bundles or DBOMs, without their data
///
/// Reports every finding at once. Says nothing about data: `makoto verify` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto validate orders.csv.attestation
  makoto validate orders.csv.attestation --junit report.xml
  curl -s https://registry.example.com/attestations/… | makoto validate - --json
  makoto validate sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \\
      --store /srv/attestations
  makoto validate --each warehouse/")]
pub(crate) struct Validate {
    /// The documents, or - for stdin; a pattern in quotes is matched here. An id, sha256:HEX, names
    /// an attestation in a store
    #[arg(value_name = "FILE|sha256:ID", required_unless_present = "files_from")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    selection: SelectionArgs,

    /// The level whose rules hold
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    #[command(flatten)]
    store: StoreArgs,

    /// Show every check
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

impl Validate {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self.selection.select(&self.files, Kind::Documents)? {
            Selection::One(file) => {
                let mut sinks = Sinks::open(&self.sinks, "validate", output, &[&file])?;
                let told = self.validate(&file);
                if let Ok(report) = &told {
                    self.show(&file, report, output);
                }
                sinks.tell(&file, &told);
                sinks.finish();
                Ok(told?.verdict.exit_status())
            }
            Selection::Many(many) => {
                let batch = Batch::new(many, output);
                let files: Vec<_> = batch.paths().collect();
                let mut sinks = Sinks::open(&self.sinks, "validate", output, &files)?;
                let status = batch.run(
                    |file, _| self.validate(file),
                    |report| report.verdict == Verdict::Pass,
                    |all| sinks.tell_all(all),
                );
                sinks.finish();
                Ok(status)
            }
        }
    }

    fn show(&self, file: &Path, report: &Report, output: Output) {
        match output {
            Output::Json => screen::json(&report.to_json()),
            Output::Text | Output::Aside => {
                let detail = match self.verbose {
                    true => Detail::Everything,
                    false => Detail::Findings,
                };
                screen::report(&file.to_string_lossy(), report, detail);
            }
        }
    }

    fn validate(&self, file: &Path) -> Result<Report, Failure> {
        let document = match self.id_of(file) {
            Some(id) => self.in_store(&id)?,
            None => read(file)?,
        };
        Ok(validate(&document, self.level.into(), clock::now()?))
    }
}

impl Validate {
    /// The id that an argument is, unless a file has that name.
    fn id_of(&self, file: &Path) -> Option<Digest> {
        let id = file.to_str()?.strip_prefix("sha256:")?.parse().ok()?;
        (!file.exists()).then_some(id)
    }

    /// The document of an attestation in the stores; of several envelopes the first.
    fn in_store(&self, id: &Digest) -> Result<Vec<u8>, Failure> {
        let stores = self.store.catalog()?;
        if stores.is_empty() {
            return Err(
                Failure::usage("an id needs a store to look in").hint("name one with --store DIR")
            );
        }
        let found = stores.with_id(id)?;
        let document = found.and_then(|found| found.documents.into_iter().next());
        document.ok_or_else(|| {
            Failure::usage(format!("no store has the attestation sha256:{id}"))
                .hint("name another with --store DIR")
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        let mut document = Vec::new();
        // One byte more than is accepted, so that the reader sees that it is too long.
        let limit = Limits::DEFAULT.document_bytes as u64 + 1;
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut document)
            .map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
        return Ok(document);
    }
    let document = Sidecar::at(file.to_owned()).read()?;
    document.ok_or_else(|| {
        let name = file.to_string_lossy();
        Failure::usage(format!("there is no file {name}"))
    })
}
