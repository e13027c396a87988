//! `https://makoto.dev/transform/v1`: what was done to data (requirement P3).

use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::document;
use crate::json::Object;
use crate::report::Level;
use crate::scalar::{
    AnyText, Count, LooseDigestSet, NonNegative, StringMap, Text, Uint, Uri, closed_vocabulary,
    strings_only, strings_only_schema,
};
use crate::shape::{At, Findings, NonEmpty};

document! {
    /// Predicate of a transform statement.
    pub struct Transform {
        /// Every input of the step, with its digest.
        required inputs: NonEmpty<Input> = "inputs",
        /// What was done.
        required transform: Step = "transform",
        /// The system that did it.
        required executor: Executor = "executor",
        /// When it ran, and its figures.
        optional metadata: ExecutionMetadata = "metadata",
        /// Claims of the executor about itself; never evidence.
        optional verification: SelfVerification = "verification",
    }
}

document! {
    /// One input of a step.
    pub struct Input {
        /// Name of the input.
        required name: Text = "name",
        /// Digests of the input.
        required("L2.P.8") digest: InputDigest = "digest",
        /// The attestation of the input.
        from_l2("L2.P.9") attestation_ref: Uri = "attestationRef",
        /// Level that the producer claims for the input.
        optional claimed_level: Level = "makotoLevel",
        /// The part of the input that was read; all of it when absent.
        optional interval: Interval = "https://makoto.dev/interval/v1",
    }
}

document! {
    /// A part of an input, half open: what is at `end` was not read.
    pub struct Interval {
        /// What is counted.
        required unit: IntervalUnit = "unit",
        /// The first that was read.
        required start: Count = "start",
        /// The first that was not.
        required end: Count = "end",
        /// Partition of the offsets.
        optional partition: Uint = "partition",
    }
    => start_is_before_end
}

closed_vocabulary! {
    /// What an interval counts.
    pub enum IntervalUnit {
        /// Records, from 0.
        Records = "records",
        /// Offsets of a log, such as a Kafka partition's.
        Offsets = "offsets",
    }
}

fn start_is_before_end(interval: &Interval, at: &At<'_>, findings: &mut Findings) {
    if interval.length().is_none() {
        let (start, end) = (interval.start.as_str(), interval.end.as_str());
        let message =
            format!("is {end:?}, needed a number of 64 bits that is not below start {start:?}");
        findings.contradiction(&at.field("end"), message);
    }
}

impl Interval {
    /// How many it holds; `None` when its ends are in the wrong order.
    pub fn length(&self) -> Option<u64> {
        self.bounds().map(|(start, end)| end - start)
    }

    /// The first that was read and the first that was not; `None` when they are in the wrong
    /// order.
    pub fn bounds(&self) -> Option<(u64, u64)> {
        let number = |count: &Count| count.as_str().parse::<u64>().ok();
        let (start, end) = (number(&self.start)?, number(&self.end)?);
        (start <= end).then_some((start, end))
    }
}

document! {
    /// Digests of an input. Unknown keys are strings that never count towards a match.
    pub struct InputDigest {
        /// SHA-256 of the input as stored.
        required("L2.P.8") sha256: Digest = "sha256",
    }
    => unknown_digests_are_strings, schema strings_only_schema
}

fn unknown_digests_are_strings(digest: &InputDigest, at: &At<'_>, findings: &mut Findings) {
    strings_only(&digest.extra, at, findings);
}

document! {
    /// What a step does.
    pub struct Step {
        /// Type of transformation.
        required kind: Uri = "type",
        /// Name for people.
        recommended name: AnyText = "name",
        /// Version of the step.
        optional version: AnyText = "version",
        /// What it does, in words.
        optional description: AnyText = "description",
        /// Configuration, cleaned of secrets.
        recommended parameters: Object = "parameters",
        /// The code that ran.
        optional code_ref: CodeRef = "codeRef",
    }
    => name_is_not_empty
}

fn name_is_not_empty(step: &Step, at: &At<'_>, findings: &mut Findings) {
    let empty = |name: &AnyText| name.as_str().chars().all(crate::scalar::is_invisible);
    if step.name.as_ref().is_some_and(empty) {
        findings.warn(&at.field("name"), "is empty");
    }
}

document! {
    /// The code that ran.
    pub struct CodeRef {
        /// Where the code is.
        required uri: Text = "uri",
        /// Commit of its repository.
        optional commit: AnyText = "commit",
        /// Path in its repository.
        optional path: AnyText = "path",
        /// Digest of the code.
        optional digest: LooseDigestSet = "digest",
    }
}

document! {
    /// The system that executed a step.
    pub struct Executor {
        /// Identifier of the system; from L2 on it matches the signer.
        required id: Text = "id",
        /// Platform that hosts it; required at L3.
        optional platform: AnyText = "platform",
        /// Versions of its components.
        optional version: StringMap = "version",
        /// Where it runs.
        optional environment: AnyText = "environment",
        /// What separates the step from others.
        optional isolation: Isolation = "isolation",
    }
}

closed_vocabulary! {
    /// What separates a step from others: the union of the published lists.
    pub enum Isolation {
        /// Nothing.
        None = "none",
        /// A process.
        Process = "process",
        /// A container.
        Container = "container",
        /// A virtual machine.
        Vm = "vm",
        /// Hardware, as an older schema says.
        Hardware = "hardware",
        /// A trusted execution environment.
        Tee = "tee",
        /// A hardware security module.
        Hsm = "hsm",
    }
}

document! {
    /// When a step ran, and its figures.
    pub struct ExecutionMetadata {
        /// Identifier of this run.
        optional invocation_id: AnyText = "invocationId",
        /// When processing started.
        from_l2("L2.P.7") started_on: DateTime = "startedOn",
        /// When processing completed.
        from_l2("L2.P.7") finished_on: DateTime = "finishedOn",
        /// How long it took.
        optional duration_seconds: NonNegative = "durationSeconds",
        /// Records read.
        optional records_input: Uint = "recordsInput",
        /// Records written.
        optional records_output: Uint = "recordsOutput",
        /// Records dropped.
        optional records_dropped: Uint = "recordsDropped",
        /// Records modified.
        optional records_modified: Uint = "recordsModified",
        /// Bytes read.
        optional bytes_input: Uint = "bytesInput",
        /// Bytes written.
        optional bytes_output: Uint = "bytesOutput",
    }
    => finished_after_started
}

fn finished_after_started(metadata: &ExecutionMetadata, at: &At<'_>, findings: &mut Findings) {
    if let (Some(started), Some(finished)) = (&metadata.started_on, &metadata.finished_on)
        && finished < started
    {
        let message = format!("{finished} is before startedOn {started}");
        findings.contradiction(&at.field("finishedOn"), message);
    }
}

document! {
    /// What an executor claims about its own checks.
    pub struct SelfVerification {
        /// Claim: input hashes were verified.
        optional claimed_input_hash_verified: bool = "inputHashVerified",
        /// Claim: the step is deterministic.
        optional claimed_deterministic: bool = "transformDeterministic",
        /// Claim: the output was reproduced.
        optional claimed_reproducible: bool = "outputReproducible",
    }
}
