use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::limits::Limits;
use makoto::report::Report;
use makoto::validate::validate;
use makoto_data::Sidecar;

use super::{LevelArg, Output};
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Detail};
use crate::sink::{SinkArgs, Sinks};

/// Check one statement, envelope, bundle or DBOM, without its data
///
/// Reports every finding at once. Says nothing about data: `makoto verify` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto validate orders.csv.attestation
  makoto validate orders.csv.attestation --junit report.xml
  curl -s https://registry.example.com/attestations/… | makoto validate - --json")]
pub(crate) struct Validate {
    /// The document, or - for stdin
    file: PathBuf,

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
        let mut sinks = Sinks::open(&self.sinks, "validate", output, &[&self.file])?;
        let told = self.validate();
        if let Ok(report) = &told {
            match output {
                Output::Json => screen::json(&report.to_json()),
                Output::Text | Output::Aside => {
                    let detail = match self.verbose {
                        true => Detail::Everything,
                        false => Detail::Findings,
                    };
                    screen::report(&self.file.to_string_lossy(), report, detail);
                }
            }
        }
        sinks.tell(&self.file, &told);
        sinks.finish();
        Ok(told?.verdict.exit_status())
    }

    fn validate(&self) -> Result<Report, Failure> {
        let document = self.read()?;
        Ok(validate(&document, self.level.into(), clock::now()?))
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        if self.file == Path::new("-") {
            let mut document = Vec::new();
            // One byte more than is accepted, so that the reader sees that it is too long.
            let limit = Limits::DEFAULT.document_bytes as u64 + 1;
            std::io::stdin()
                .take(limit)
                .read_to_end(&mut document)
                .map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
            return Ok(document);
        }
        let file = Sidecar::at(self.file.clone()).read()?;
        file.ok_or_else(|| {
            let name = self.file.to_string_lossy();
            Failure::usage(format!("there is no file {name}"))
        })
    }
}
