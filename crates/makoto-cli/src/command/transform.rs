use std::path::PathBuf;

use clap::Args;
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;

use super::Output;
use super::attest::WriteArgs;
use super::step::{Input, StepArgs, refuse_in_place, subjects};
use crate::dataset::{BadRecords, Measured};
use crate::defaults::{ConfigArgs, Defaults};
use crate::draft::Draft;
use crate::failure::Failure;
use crate::records::RecordArgs;
use crate::selection::read_list;
use crate::signing::SigningArgs;
use crate::writing::Writing;

/// Attest what was done to data
///
/// Hashes inputs and outputs and writes one transform/v1 statement beside each output. An input
/// that has an attestation of its own is referred to by it. Use `makoto run` to run the step
/// and attest it at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto attest transform clean.csv --input raw.csv --type filter --executor etl/clean \\
      --param 'rows=\"price > 0\"'
  makoto attest transform clean.csv --input raw.csv --executor etl/clean --level L2 \\
      --signer file:team.key --passphrase-file pass --tsa https://tsa.example.com \\
      --started 2026-11-21T08:00:00Z --finished 2026-11-21T08:01:00Z
  makoto attest transform a.csv b.csv --input all.csv --type https://acme.example/split/v2 \\
      --executor etl/split --started 2026-11-21T08:00:00Z --finished 2026-11-21T08:01:00Z")]
pub(crate) struct Transform {
    /// The outputs: files or folders
    #[arg(required = true, value_name = "OUT")]
    outputs: Vec<PathBuf>,

    /// An input: a file or folder (repeatable)
    #[arg(
        long = "input",
        value_name = "IN",
        required_unless_present = "inputs_from"
    )]
    inputs: Vec<PathBuf>,

    /// Take further inputs from this file, one path on each line or separated by NUL; - for stdin
    #[arg(long, value_name = "LIST")]
    inputs_from: Option<PathBuf>,

    /// Identifier of the system that executed the step; needed here or in a makoto.toml
    #[arg(long, value_name = "ID")]
    executor: Option<String>,

    /// Name of the output, one for each in order [default: dataset:<file stem>]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    step: StepArgs,

    /// Where the code is
    #[arg(long, value_name = "URI", help_heading = "Step")]
    code_uri: Option<String>,

    /// Commit of the code
    #[arg(
        long,
        value_name = "COMMIT",
        help_heading = "Step",
        requires = "code_uri"
    )]
    code_commit: Option<String>,

    /// Path of the code in its repository
    #[arg(
        long,
        value_name = "PATH",
        help_heading = "Step",
        requires = "code_uri"
    )]
    code_path: Option<String>,

    /// SHA-256 of the code
    #[arg(long, value_name = "HEX", help_heading = "Step", requires = "code_uri")]
    code_digest: Option<String>,

    /// When processing started (RFC 3339)
    #[arg(long, value_name = "TIME", help_heading = "Step")]
    started: Option<String>,

    /// When processing completed (RFC 3339)
    #[arg(long, value_name = "TIME", help_heading = "Step")]
    finished: Option<String>,

    /// Identifier of the run
    #[arg(long, value_name = "ID", help_heading = "Step")]
    invocation_id: Option<String>,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

impl Transform {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let mut inputs = self.inputs.clone();
        if let Some(list) = &self.inputs_from {
            inputs.extend(read_list(list, false)?);
        }
        if inputs.is_empty() {
            return Err(Failure::usage(
                "the list of inputs is empty, needed at least one",
            ));
        }
        refuse_in_place(&inputs, &self.outputs)?;
        let defaults = Defaults::find(&self.config, &self.outputs[0])?;
        self.write.store.configure(&defaults);
        self.write.refuse_collisions(&inputs, &self.outputs)?;
        let executor = defaults.needed("executor", self.executor.as_deref(), "--executor ID")?;
        let signing = self.signing.open(Some(&defaults))?;
        let inputs = Input::read_all(&inputs, &self.records, &self.write.store)?;
        Input::refuse_unsigned(&inputs, signing.as_ref())?;
        let read = |path: &PathBuf| Measured::read(path, &self.records, BadRecords::Refuse);
        let outputs: Result<Vec<_>, _> = self.outputs.iter().map(read).collect();
        let outputs = outputs?;
        let mut draft = Draft::default();
        let subjects = subjects(&outputs, &self.names, &defaults, &mut draft)?;
        self.step
            .fill(&mut draft, executor, &defaults, &inputs, &outputs)?;
        draft.set("transform.codeRef.uri", self.code_uri.as_deref());
        draft.set("transform.codeRef.commit", self.code_commit.as_deref());
        draft.set("transform.codeRef.path", self.code_path.as_deref());
        draft.set(
            "transform.codeRef.digest.sha256",
            self.code_digest.as_deref(),
        );
        draft.set("metadata.startedOn", self.started.as_deref());
        draft.set("metadata.finishedOn", self.finished.as_deref());
        draft.set("metadata.invocationId", self.invocation_id.as_deref());
        let finished = draft.finish(PredicateType::Transform, subjects, Masker::new())?;
        let writing = Writing {
            signing: signing.as_ref(),
            args: &self.write,
            // No clock is read: every time in the statement was stated.
            times: Times::Compare,
            output,
        };
        writing.write(&outputs, &finished)?;
        Ok(0)
    }
}
