//! What `attest transform` and `run` have in common: the inputs, the step and its executor.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::report::Level;
use makoto_data::Sidecar;

use super::attest::{add_json, key_value, string_map};
use super::part::Part;
use super::store::StoreArgs;
use crate::dataset::{Attested, BadRecords, Measured};
use crate::defaults::{Defaults, Value};
use crate::draft::Draft;
use crate::failure::Failure;
use crate::files::Files;
use crate::records::RecordArgs;
use crate::screen::Plain;
use crate::signing::Signing;

/// Where short names of transformations lead.
pub(crate) const TRANSFORMS: &str = "https://makoto.dev/transforms/";

/// What a step does, and who executes it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Step")]
pub(crate) struct StepArgs {
    /// Type of transformation: a URI, or a short name such as `filter`, `join`, `sql`
    #[arg(long = "type", value_name = "TYPE", default_value = "command")]
    pub(crate) kind: String,

    /// Name of the step, for people [default: the end of its type]
    #[arg(long, value_name = "TEXT")]
    step: Option<String>,

    /// What the step does, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Version of the step
    #[arg(long, value_name = "VERSION")]
    step_version: Option<String>,

    /// A parameter of the step (repeatable); VALUE is read as JSON where it is JSON
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    parameters: Vec<(String, String)>,

    /// A file with parameters, as a JSON object
    #[arg(long = "params", value_name = "FILE")]
    parameters_file: Option<PathBuf>,

    /// The part of an input that was read, when it was not all of it (repeatable):
    /// `records:START..END`, or `offsets:START..END` with `@PARTITION`; what is at END was not read
    #[arg(long = "input-part", value_name = "PATH=UNIT:START..END")]
    parts: Vec<Part>,

    /// Platform that hosts the executor
    #[arg(long)]
    platform: Option<String>,

    /// Version of a component of the executor (repeatable)
    #[arg(long, value_name = "NAME=VERSION", value_parser = key_value)]
    executor_version: Vec<(String, String)>,

    /// Where the executor runs, such as `production`
    #[arg(long, value_name = "ENV")]
    environment: Option<String>,

    /// What separates the step from others: none, process, container, vm, tee or hsm
    #[arg(long, value_name = "KIND")]
    isolation: Option<String>,
}

/// An input that was read, with its own attestation if it has one.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) data: Measured,
    pub(crate) attested: Option<Attested>,
}

impl Input {
    /// Reads the inputs at `paths` and finds their attestations, beside them or in a store.
    pub(crate) fn read_all(
        paths: &[PathBuf],
        records: &RecordArgs,
        stores: &StoreArgs,
    ) -> Result<Vec<Self>, Failure> {
        let stores = stores.catalog_so_far()?;
        let read = |path: &PathBuf| {
            let data = Measured::read(path, records, BadRecords::Skip)?;
            let attested = data.attested(&stores)?;
            Ok(Self { data, attested })
        };
        paths.iter().map(read).collect()
    }

    /// Refuses inputs that no verifier could find signed, at a time that others can verify, where
    /// what is made of them must be L2. Whom a verifier trusts is not known here.
    pub(crate) fn refuse_unsigned<'i>(
        inputs: impl IntoIterator<Item = &'i Self>,
        signing: Option<&Signing>,
    ) -> Result<(), Failure> {
        let Some(signing) = signing.filter(|signing| signing.level() >= Level::L2) else {
            return Ok(());
        };
        for input in inputs {
            let Some(attested) = &input.attested else {
                continue;
            };
            let path = input.data.path.to_string_lossy();
            let what = match attested
                .envelopes
                .iter()
                .all(|one| one.unverified_signatures.is_empty())
            {
                true => "is unsigned",
                false if attested.envelopes.iter().any(|one| signing.is_sound(one)) => continue,
                false => "has no signature that holds and has a time that counts",
            };
            return Err(Failure::contradiction(format!(
                "the attestation of the input {} {what}, so that nothing made of it is L2 (L2.V.8)",
                Plain(&path)
            ))
            .hint("nothing was written; sign it first with `makoto sign --tsa`, or add a time with `makoto timestamp`"));
        }
        Ok(())
    }

    fn to_json(&self) -> Result<Json, Failure> {
        let name = match &self.attested {
            Some(attested) => attested.name.clone(),
            None => self.data.default_name()?,
        };
        let digest = [("sha256", self.data.sha256.to_string().into())];
        let mut input = Json::from([("name", name.into()), ("digest", digest.into())]);
        if let (Some(attested), Json::Object(members)) = (&self.attested, &mut input) {
            let reference = attested.reference.as_str();
            members.insert("attestationRef", reference.into());
        }
        Ok(input)
    }
}

impl StepArgs {
    /// The full URI of the type.
    pub(crate) fn type_uri(&self) -> String {
        let is_short = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match !self.kind.is_empty() && self.kind.chars().all(is_short) {
            true => format!("{TRANSFORMS}{}", self.kind),
            false => self.kind.clone(),
        }
    }

    /// Fills in inputs, step, executor and the figures that follow from inputs and outputs.
    pub(crate) fn fill(
        &self,
        draft: &mut Draft,
        executor: Value,
        defaults: &Defaults,
        inputs: &[Input],
        outputs: &[Measured],
    ) -> Result<(), Failure> {
        let kind = self.type_uri();
        let short = kind
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or(&kind);
        fill_parts(draft, inputs, &self.parts, outputs)?;
        draft.set("transform.type", Some(kind.as_str()));
        draft.set(
            "transform.name",
            Some(self.step.as_deref().unwrap_or(short)),
        );
        draft.set("transform.version", self.step_version.as_deref());
        draft.set("transform.description", self.description.as_deref());
        draft.set("transform.parameters", self.parameters()?);
        let platform = defaults.value("platform", self.platform.as_deref());
        let environment = defaults.value("environment", self.environment.as_deref());
        draft.set_value("executor.id", Some(executor));
        draft.set_value("executor.platform", platform);
        draft.set("executor.version", string_map(&self.executor_version));
        draft.set_value("executor.environment", environment);
        draft.set("executor.isolation", self.isolation.as_deref());
        Ok(())
    }

    fn parameters(&self) -> Result<Option<Json>, Failure> {
        let mut parameters = match &self.parameters_file {
            Some(file) => read_parameters(file)?,
            None => Default::default(),
        };
        add_json(&mut parameters, &self.parameters, "parameter")?;
        Ok((!parameters.is_empty()).then_some(Json::Object(parameters)))
    }
}

fn read_parameters(file: &Path) -> Result<makoto::json::Object, Failure> {
    let shown = Plain(&file.to_string_lossy()).to_string();
    let bytes = Sidecar::at(file.to_owned()).read()?;
    let bytes = bytes.ok_or_else(|| Failure::usage(format!("there is no file {shown}")))?;
    match Json::parse(&bytes, &Limits::DEFAULT) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(other) => Err(Failure::usage(format!(
            "{shown} holds {}, needed an object",
            other.kind()
        ))),
        Err(error) => Err(Failure::usage(format!("{shown}: {error}"))),
    }
}

/// Fills in the inputs, and the figures that follow from inputs and outputs.
pub(crate) fn fill_data(
    draft: &mut Draft,
    inputs: &[Input],
    outputs: &[Measured],
) -> Result<(), Failure> {
    fill_parts(draft, inputs, &[], outputs)
}

/// As [`fill_data`], with the parts of inputs that were read.
fn fill_parts(
    draft: &mut Draft,
    inputs: &[Input],
    parts: &[Part],
    outputs: &[Measured],
) -> Result<(), Failure> {
    let parts = Part::of_each(parts, inputs)?;
    let mut inputs_json = Vec::new();
    let mut records_read = Some(0_u64);
    for (input, parts) in inputs.iter().zip(&parts) {
        let whole = input.to_json()?;
        let records = match parts.as_slice() {
            [] => {
                inputs_json.push(whole);
                records_of(&[&input.data])
            }
            parts => {
                inputs_json.extend(parts.iter().map(|part| part.of(&whole)));
                parts.iter().map(|part| part.records()).sum()
            }
        };
        records_read = records_read
            .zip(records)
            .and_then(|(one, two)| one.checked_add(two));
    }
    draft.set("inputs", Some(inputs_json));
    let read: Vec<_> = inputs.iter().map(|input| &input.data).collect();
    let written: Vec<_> = outputs.iter().collect();
    draft.set("metadata.recordsInput", records_read);
    draft.set("metadata.recordsOutput", records_of(&written));
    // How many bytes a part has was not measured.
    let whole = parts.iter().all(Vec::is_empty);
    draft.set("metadata.bytesInput", whole.then(|| bytes_of(&read)));
    draft.set("metadata.bytesOutput", Some(bytes_of(&written)));
    Ok(())
}

/// Records in all of `data`, if they were counted in each.
fn records_of(data: &[&Measured]) -> Option<u64> {
    let counts = data.iter().map(|data| Some(data.records.as_ref()?.1.count));
    counts.sum()
}

fn bytes_of(data: &[&Measured]) -> u64 {
    data.iter().map(|data| data.bytes).sum()
}

/// Refuses inputs and outputs that are the same file, by whatever path or link.
pub(crate) fn refuse_in_place(inputs: &[PathBuf], outputs: &[PathBuf]) -> Result<(), Failure> {
    let mut read = Files::default();
    for input in inputs {
        read.insert(input);
    }
    for output in outputs {
        if read.find(output).is_some() {
            let shown = output.to_string_lossy();
            return Err(
                Failure::usage(format!("{} is both input and output", Plain(&shown)))
                    .hint("write the result to another file, so that the input stays what it was"),
            );
        }
    }
    Ok(())
}

/// Subjects for `outputs`: the names given, in order, or the default ones.
pub(crate) fn subjects(
    outputs: &[Measured],
    names: &[String],
    defaults: &Defaults,
    draft: &mut Draft,
) -> Result<Vec<Json>, Failure> {
    if !names.is_empty() && names.len() != outputs.len() {
        return Err(Failure::usage(format!(
            "{} name(s) for {} output(s); needed one for each",
            names.len(),
            outputs.len()
        )));
    }
    let mut taken = HashSet::new();
    let mut subjects = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        let typed = names.get(index).map(String::as_str);
        let value = defaults
            .at(&output.path)
            .name(typed, output.manifest.is_some())?;
        let name = value.text.clone();
        draft.came_from(format!("subject[{index}].name"), value);
        subjects.push(output.subject(&name));
        if let Some(name) = taken.replace(name) {
            return Err(
                Failure::usage(format!("two outputs would be named {name:?}"))
                    .hint("give each output a --name, in order"),
            );
        }
    }
    Ok(subjects)
}
