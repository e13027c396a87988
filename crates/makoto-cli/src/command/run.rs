use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use makoto::datetime::DateTime;
use makoto::json::Json;
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;
use makoto_data::{
    DataError, Existing, Fingerprint, FolderFile, Links, NewFile, entry_fingerprint, fingerprint,
    folder_files,
};

use super::Output;
use super::attest::WriteArgs;
use super::step::{Input, StepArgs, refuse_in_place, subjects};
use crate::clock;
use crate::code::Code;
use crate::dataset::{BadRecords, Measured};
use crate::defaults::{ConfigArgs, Defaults, Value};
use crate::draft::{Draft, Finished};
use crate::failure::Failure;
use crate::records::RecordArgs;
use crate::screen::{self, Plain};
use crate::signals::StopSignals;
use crate::signing::SigningArgs;
use crate::writing::Writing;

/// Run a command and attest what it made of its inputs
///
/// Hashes the declared inputs, runs the command, hashes the outputs, and writes a transform/v1
/// statement beside each output with real times, exit status, the command line (secrets
/// masked), and the digest of the script and its interpreter where a file is executed.
///
/// Inputs are declared, not observed: makoto does not see what else the command reads. When the
/// command fails, its exit status is this command's, and nothing is attested.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto run --input raw.csv --output clean.csv -- python3 clean.py {input} {output}
  makoto run --input a.csv --input b.csv --output ab.csv --type join -- sh -c 'cat a.csv b.csv > ab.csv'
  makoto run --input raw.csv --output clean.csv --level L2 --signer file:team.key \\
      --passphrase-file pass --tsa https://tsa.example.com -- python3 clean.py {input} {output}
  makoto run --input raw.csv --output clean.csv --dry-run -- python3 clean.py {input} {output}

{input} and {output} stand for the declared paths; with several, an argument that is just
{input} becomes one argument for each.")]
pub(crate) struct Run {
    /// An input: a file or folder (repeatable)
    #[arg(long = "input", value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// An output: a file or folder (repeatable)
    #[arg(long = "output", value_name = "OUT", required = true)]
    outputs: Vec<PathBuf>,

    /// Name of the output, one for each in order [default: dataset:<file stem>]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,

    /// Identifier of the system that executes the step [default: user@host]
    #[arg(long, value_name = "ID")]
    executor: Option<String>,

    /// Show what would be run and written, and stop
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    step: StepArgs,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    config: ConfigArgs,

    /// The command, after --
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Run {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        refuse_in_place(&self.inputs, &self.outputs)?;
        let defaults = Defaults::find(&self.config, &self.outputs[0])?;
        self.write.store.configure(&defaults);
        self.write.refuse_collisions(&self.inputs, &self.outputs)?;
        let command = self.expanded()?;
        self.refuse_existing_attestations()?;
        self.signing.signer.passphrase().refuse_for_command()?;
        let signing = self.signing.open(Some(&defaults))?;
        let links = self.records.links();
        let inputs_before = states(&self.inputs, links)?;
        let inputs = Input::read_all(&self.inputs, &self.records, &self.write.store)?;
        Input::refuse_unsigned(&inputs, signing.as_ref())?;
        let code = Code::of(&command, &[&self.inputs[..], &self.outputs[..]].concat())?;
        let statement = self.rehearse(&defaults, &inputs, &code)?;
        if let Some(signing) = &signing {
            signing.rehearse(&statement.statement)?;
        }
        if self.dry_run {
            self.show_plan(&command, &self.executor(&defaults), &inputs, &code);
            return Ok(0);
        }
        let outputs_before = states(&self.outputs, links)?;

        let started = clock::now()?;
        let ended = execute(&command)?;
        let finished = clock::now()?;
        if let Some(status) = refused_status(&ended) {
            let why = "the command did not succeed, so nothing was attested";
            screen::note(format!("note: {why}"));
            screen::error_on_github(&[why]);
            return Ok(status);
        }

        refuse_changed_inputs(&inputs, inputs_before, &self.records)?;
        code.refuse_changed()?;
        refuse_untouched_outputs(&self.outputs, &outputs_before, links)?;
        refuse_in_place(&self.inputs, &self.outputs)?;
        let read = |path: &PathBuf| Measured::read(path, &self.records, BadRecords::Refuse);
        let outputs: Result<Vec<_>, _> = self.outputs.iter().map(read).collect();
        let outputs = outputs?;

        let times = [started, finished];
        let statement = self.statement(&defaults, &inputs, &outputs, &code, &times)?;
        let writing = Writing {
            signing: signing.as_ref(),
            args: &self.write,
            times: Times::Ignore,
            output: match output {
                // The command's own output may be piped on; the report goes beside it.
                Output::Text => Output::Aside,
                other => other,
            },
        };
        writing.write(&outputs, &statement)?;
        screen::note(format!(
            "note: {} input(s) are declared, not observed; code: {}",
            inputs.len(),
            code.scope()
        ));
        Ok(0)
    }

    fn executor(&self, defaults: &Defaults) -> Value {
        let given = defaults.value("executor", self.executor.as_deref());
        given.unwrap_or_else(|| Value::built_in("executor", default_executor()))
    }

    fn statement(
        &self,
        defaults: &Defaults,
        inputs: &[Input],
        outputs: &[Measured],
        code: &Code,
        [started, finished]: &[DateTime; 2],
    ) -> Result<Finished, Failure> {
        let mut draft = Draft::default();
        let executor = self.executor(defaults);
        self.step
            .fill(&mut draft, executor, defaults, inputs, outputs)?;
        if draft.has("transform.parameters.command") {
            return Err(
                Failure::usage("the parameter \"command\" is the command line itself")
                    .hint("give that --param another name"),
            );
        }
        let mut masker = Masker::new();
        let command = masker.mask_arguments(&self.expanded()?, "command");
        let command: Vec<Json> = command.into_iter().map(Json::from).collect();
        draft.set("transform.parameters.command", Some(command));
        code.fill(&mut draft);
        draft.set("metadata.startedOn", Some(started.as_str()));
        draft.set("metadata.finishedOn", Some(finished.as_str()));
        draft.set("metadata.exitStatus", Some(0));
        let subjects = subjects(outputs, &self.names, defaults, &mut draft)?;
        draft.finish(PredicateType::Transform, subjects, masker)
    }

    /// Makes the statement with outputs that are not there yet, and looks whether its files can
    /// be written: what would stop it afterwards must stop it before the command runs.
    fn rehearse(
        &self,
        defaults: &Defaults,
        inputs: &[Input],
        code: &Code,
    ) -> Result<Finished, Failure> {
        let outputs: Vec<_> = self
            .outputs
            .iter()
            .map(|path| Measured::expected(path))
            .collect();
        let now = clock::now()?;
        let statement = self.statement(defaults, inputs, &outputs, code, &[now.clone(), now])?;
        let paths: Vec<_> = self.outputs.iter().map(PathBuf::as_path).collect();
        for sidecar in self.write.sidecars(&paths)? {
            NewFile::at(sidecar.path()).map_err(|error| {
                let shown = sidecar.path().to_string_lossy();
                Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
                    .hint("the command was not run; make the folder, or give another --out")
            })?;
        }
        Ok(statement)
    }

    /// The command with `{input}` and `{output}` filled in.
    fn expanded(&self) -> Result<Vec<String>, Failure> {
        let mut expanded = Vec::new();
        for argument in &self.command {
            let places = [("{input}", &self.inputs), ("{output}", &self.outputs)];
            if let Some((_, paths)) = places.iter().find(|(place, _)| argument == place) {
                for path in paths.iter() {
                    expanded.push(utf8(path)?);
                }
                continue;
            }
            let mut argument = argument.clone();
            for (place, paths) in places {
                if !argument.contains(place) {
                    continue;
                }
                let [path] = paths.as_slice() else {
                    return Err(Failure::usage(format!(
                        "{place} inside {argument:?} stands for {} paths",
                        paths.len()
                    ))
                    .hint(format!(
                        "make {place} an argument of its own, or write the paths"
                    )));
                };
                argument = argument.replace(place, &utf8(path)?);
            }
            expanded.push(argument);
        }
        Ok(expanded)
    }

    /// The outputs will be written by the command, so an attestation that is there already will
    /// be about other data. What to do with it must be said before, not after, the command ran.
    fn refuse_existing_attestations(&self) -> Result<(), Failure> {
        if self.write.existing() != Existing::Keep {
            return Ok(());
        }
        let paths: Vec<_> = self.outputs.iter().map(PathBuf::as_path).collect();
        for sidecar in self.write.sidecars(&paths)? {
            if fingerprint(sidecar.path())?.is_some() {
                let shown = sidecar.path().to_string_lossy();
                return Err(Failure::contradiction(format!(
                    "{} is there already; the command was not run",
                    Plain(&shown)
                ))
                .hint("--replace writes the new statement in its place, --append adds it as a further line"));
            }
        }
        Ok(())
    }

    fn show_plan(&self, command: &[String], executor: &Value, inputs: &[Input], code: &Code) {
        let mut masker = Masker::new();
        let masked = masker.mask_arguments(command, "command");
        let mut masked: Json = masked.into_iter().map(Json::from).collect();
        masker.mask_known_values(&mut masked);
        screen::result("would run:");
        for argument in masked.as_array().unwrap_or_default() {
            let argument = argument.as_str().unwrap_or_default();
            screen::result(format!("  {}", Plain(argument)));
        }
        screen::result(format!(
            "as {} ({})",
            Plain(&executor.text),
            Plain(&self.step.type_uri())
        ));
        if let Some(place) = executor.place() {
            screen::note(format!("note: executor from {}", Plain(&place.to_string())));
        }
        screen::result(format!("code: {}", code.scope()));
        for input in inputs {
            let shown = input.data.path.to_string_lossy();
            let attested = match &input.attested {
                Some(attested) => attested.reference.as_str(),
                None => "no attestation of its own",
            };
            screen::result(format!("input {}: {attested}", Plain(&shown)));
        }
        for output in &self.outputs {
            screen::result(format!("output {}", Plain(&output.to_string_lossy())));
        }
    }
}

fn utf8(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.to_string_lossy();
        Failure::usage(format!("the path {} is not valid UTF-8", Plain(&shown)))
    })
}

/// `user@host`, when nobody said who executes the step.
pub(super) fn default_executor() -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    format!("{user}@{host}")
}

/// How a command ended.
struct Ended {
    status: ExitStatus,
    /// The signal that asked to stop, if one came.
    signal: Option<i32>,
}

/// Runs the command with this terminal, standard streams and environment.
fn execute(command: &[String]) -> Result<Ended, Failure> {
    let signals = StopSignals::catch()?;
    let shown = &command[0];
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .spawn()
        .map_err(|error| Failure::usage(format!("cannot run {shown:?}: {error}")))?;
    let (status, signal) = signals
        .wait(&mut child)
        .map_err(|error| Failure::usage(format!("cannot wait for {shown:?}: {error}")))?;
    Ok(Ended { status, signal })
}

/// The exit status to end with when the command did not succeed: its own, or 128 and the signal
/// that ended it or asked to stop, as shells do.
fn refused_status(ended: &Ended) -> Option<u8> {
    let by_signal = |signal: i32| u8::try_from(128 + signal).unwrap_or(u8::MAX);
    match (ended.status.code(), ended.status.signal(), ended.signal) {
        (Some(0), _, None) => None,
        (Some(0), _, Some(signal)) | (None, Some(signal), _) => Some(by_signal(signal)),
        (Some(code), _, _) => Some(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, None, _) => Some(u8::MAX),
    }
}

/// The state of a file or folder at one moment.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Absent,
    /// What the path leads to, and the path's own entry, which may be a link.
    File(Fingerprint, Fingerprint),
    Folder(Vec<FolderFile>),
}

impl State {
    fn of(path: &Path, links: Links) -> Result<Self, Failure> {
        if path.is_dir() {
            return match folder_files(path, links) {
                Ok(files) => Ok(Self::Folder(files)),
                Err(DataError::EmptyFolder { .. }) => Ok(Self::Folder(Vec::new())),
                Err(error) => Err(error.into()),
            };
        }
        match (fingerprint(path)?, entry_fingerprint(path)?) {
            (Some(file), Some(entry)) => Ok(Self::File(file, entry)),
            _ => Ok(Self::Absent),
        }
    }

    /// What in this state is as it was in `before`, if anything: the file, or a file of the
    /// folder. A change of attributes alone is none of the data.
    fn untouched_since(&self, before: &Self) -> Option<String> {
        match (self, before) {
            (Self::File(after, _), Self::File(before, _)) => {
                after.same_content_state(before).then(String::new)
            }
            (Self::Folder(after), Self::Folder(before)) => {
                let before: HashMap<_, _> = before
                    .iter()
                    .map(|file| (&file.name, &file.fingerprint))
                    .collect();
                let untouched = after.iter().find(|file| {
                    let then = before.get(&file.name);
                    then.is_some_and(|then| file.fingerprint.same_content_state(then))
                });
                untouched.map(|file| format!("/{}", file.name))
            }
            _ => None,
        }
    }

    /// Whether a write right after this state was taken might not show in the next: clocks of
    /// file systems tick in steps of up to two seconds.
    fn is_too_fresh(&self) -> bool {
        const TICK: i64 = 2;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs() as i64);
        let newest = match self {
            Self::Absent => None,
            Self::File(state, _) => Some(state.changed_unix()),
            Self::Folder(files) => files.iter().map(|f| f.fingerprint.changed_unix()).max(),
        };
        newest.is_some_and(|changed| changed + TICK >= now)
    }
}

/// A state, and whether it was too fresh to tell it from the next.
type Seen = (State, bool);

fn states(paths: &[PathBuf], links: Links) -> Result<Vec<Seen>, Failure> {
    let state = |path: &PathBuf| {
        let state = State::of(path, links)?;
        let fresh = state.is_too_fresh();
        Ok((state, fresh))
    };
    paths.iter().map(state).collect()
}

fn refuse_changed_inputs(
    inputs: &[Input],
    before: Vec<Seen>,
    records: &RecordArgs,
) -> Result<(), Failure> {
    for (input, (before, fresh)) in inputs.iter().zip(before) {
        let path = &input.data.path;
        let mut same = State::of(path, records.links())? == before;
        if same && fresh {
            let again = Measured::read(path, records, BadRecords::Skip)?;
            same = again.sha256 == input.data.sha256;
        }
        if !same {
            let shown = path.to_string_lossy();
            return Err(Failure::contradiction(format!(
                "input {} changed while the command ran, so nothing was attested",
                Plain(&shown)
            ))
            .hint("let the command read a copy, or run it when nothing writes to its inputs"));
        }
    }
    Ok(())
}

fn refuse_untouched_outputs(
    outputs: &[PathBuf],
    before: &[Seen],
    links: Links,
) -> Result<(), Failure> {
    for (path, (before, _)) in outputs.iter().zip(before) {
        let after = State::of(path, links)?;
        let shown = Plain(&path.to_string_lossy()).to_string();
        let message = match after.untouched_since(before) {
            _ if after == State::Absent => {
                format!("output {shown} does not exist after the command ran")
            }
            Some(file) => format!("output {shown}{file} was left as it was by the command"),
            None => continue,
        };
        return Err(
            Failure::contradiction(format!("{message}, so nothing was attested"))
                .hint("name just the files that the command writes, or let it fill a new folder"),
        );
    }
    Ok(())
}
