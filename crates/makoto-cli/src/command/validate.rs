use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::limits::Limits;
use makoto::report::Report;
use makoto::validate::validate;
use makoto_data::{Progress, Sidecar};

use super::{LevelArg, Output};
use crate::batch::{Batch, Done};
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Detail};
use crate::selection::{Kind, Many, Selection, SelectionArgs};
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
  makoto validate --each warehouse/")]
pub(crate) struct Validate {
    /// The documents, or - for stdin; a pattern in quotes is matched here
    #[arg(value_name = "FILE", required_unless_present = "files_from")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    selection: SelectionArgs,

    /// The level whose rules hold
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    /// Show every check
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

impl Validate {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self.selection.select(&self.files, Kind::Documents)? {
            Selection::One(file) => self.validate_one(&file, output),
            Selection::Many(many) => self.validate_many(many, output),
        }
    }

    fn validate_one(&self, file: &Path, output: Output) -> Result<u8, Failure> {
        let mut sinks = Sinks::open(&self.sinks, "validate", output, &[file])?;
        let told = self.validate(file);
        if let Ok(report) = &told {
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
        sinks.tell(file, &told);
        sinks.finish();
        Ok(told?.verdict.exit_status())
    }

    fn validate_many(&self, many: Many, output: Output) -> Result<u8, Failure> {
        let sinks = Sinks::open(&self.sinks, "validate", output, &many.places())?;
        let validate = |file: &Path, _: &Progress<'_>| self.validate(file);
        let judge = |reports: Vec<(&Path, Report)>| {
            let reports = reports.into_iter();
            reports
                .map(|(file, report)| {
                    let json = report.to_json();
                    Done::judged(file, report, json)
                })
                .collect()
        };
        let batch = Batch::new(many, output).telling(sinks);
        Ok(batch.run(validate, judge))
    }

    fn validate(&self, file: &Path) -> Result<Report, Failure> {
        let document = read(file)?;
        Ok(validate(&document, self.level.into(), clock::now()?))
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
