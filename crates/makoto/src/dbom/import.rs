//! The old form `schema_version 0.1`, read for import. Its `signature` is a bare SHA-256 that
//! anyone can compute, so it is worth L1 at most, and its hashes lead to no attestations.

use crate::datetime::DateTime;
use crate::digest::{Digest, Hasher};
use crate::document;
use crate::json::{Json, Object};
use crate::report::{Check, Level, Outcome, TOOL_VERSION};
use crate::scalar::{AnyText, Positive, Text, closed_vocabulary};
use crate::shape::{At, Findings, NonEmpty, Shape as _};

document! {
    /// A DBOM of the old form.
    pub struct OldDbom {
        /// Version of the form.
        required version: OldVersion = "schema_version",
        /// Its identifier.
        required id: Text = "id",
        /// When it was made.
        required created_at: DateTime = "created_at",
        /// The data.
        required source: OldSource = "source",
        /// A digest that calls itself a signature.
        required signature: OldSignature = "signature",
        /// What was done, in order.
        required lineage: NonEmpty<OldStep> = "lineage",
    }
}

closed_vocabulary! {
    /// Version of the old form.
    pub enum OldVersion {
        /// 0.1
        V0_1 = "0.1",
    }
}

document! {
    /// The data of an old DBOM.
    pub struct OldSource {
        /// Where it is.
        required uri: Text = "uri",
        /// Its hash.
        required hash: OldHash = "hash",
        /// Its format.
        required format: AnyText = "format",
    }
}

document! {
    /// A hash.
    pub struct OldHash {
        /// How it was made.
        required algorithm: OldAlgorithm = "algorithm",
        /// Its value.
        required value: Digest = "value",
    }
}

closed_vocabulary! {
    /// The one algorithm of the old form.
    pub enum OldAlgorithm {
        /// SHA-256.
        Sha256 = "sha256",
    }
}

document! {
    /// What the old form calls a signature.
    pub struct OldSignature {
        /// How it was made.
        required algorithm: OldAlgorithm = "algorithm",
        /// Its value.
        required value: Digest = "value",
        /// Who is said to have made it.
        required signer: AnyText = "signer",
    }
}

document! {
    /// A step of an old DBOM.
    pub struct OldStep {
        /// Its place, from 1.
        required step: Positive = "step",
        /// What it did.
        required description: AnyText = "description",
        /// With what.
        required tool: AnyText = "tool",
        /// Hash of its input; `n/a` of the first step.
        required input_hash: AnyText = "input_hash",
        /// Hash of its output.
        required output_hash: AnyText = "output_hash",
    }
}

/// Whether a document is of the old form, whole or not.
pub(super) fn is_old_form(value: &Json) -> bool {
    value.get("schema_version").is_some() && value.get("dbomVersion").is_none()
}

/// Makes a DBOM 1.0.0 of one of the old form, with the findings about it.
///
/// The result has no attestation references: nothing in it can be verified until the dataset and
/// its steps are attested. `None` when the document is not of the old form, or its steps do not
/// fit together.
pub fn import(value: Json, now: &DateTime) -> (Option<Json>, Vec<Check>) {
    let mut findings = Findings::at_level(Level::L1);
    findings.file_under(super::REQUIREMENTS);
    let old = OldDbom::read(value, &At::Top, &mut findings);
    if let Some(old) = &old {
        steps_fit(old, &mut findings);
    }
    let old = old.filter(|_| !findings.failed());
    let mut checks = findings.into_checks();
    let Some(old) = old else {
        return (None, checks);
    };
    let message = "was not carried over: a bare SHA-256 proves no signer";
    checks.push(Check::new("L2.P.1", Outcome::Warn, "signature", message));
    (Some(convert(&old, now)), checks)
}

fn steps_fit(old: &OldDbom, findings: &mut Findings) {
    let top = At::Top;
    let lineage_at = top.field("lineage");
    let steps = old.lineage.as_slice();
    for (index, step) in steps.iter().enumerate() {
        let at = lineage_at.item(index);
        if step.step.number().as_u64() != Some(index as u64 + 1) {
            let message = format!("is {}, needed {}", step.step.number().token(), index + 1);
            findings.contradiction(&at.field("step"), message);
        }
        let before = index
            .checked_sub(1)
            .map(|before| steps[before].output_hash.as_str());
        if let Some(before) = before.filter(|before| *before != step.input_hash.as_str()) {
            let message = format!(
                "is {:?}, but the step before made {before:?}",
                step.input_hash.as_str()
            );
            findings.contradiction(&at.field("input_hash"), message);
        }
    }
    let (last, data) = (&steps[steps.len() - 1], old.source.hash.value.to_string());
    if last.output_hash.as_str() != data {
        let at = lineage_at.item(steps.len() - 1);
        let message = format!(
            "is {:?}, but the data has {data:?}",
            last.output_hash.as_str()
        );
        findings.contradiction(&at.field("output_hash"), message);
    }
}

fn convert(old: &OldDbom, now: &DateTime) -> Json {
    let file = old
        .source
        .uri
        .as_str()
        .trim_end_matches('/')
        .rsplit('/')
        .next();
    let name = file
        .filter(|name| !name.trim().is_empty())
        .unwrap_or(old.id.as_str());
    let digest = [
        ("sha256", old.source.hash.value.to_string().into()),
        ("format", old.source.format.as_str().into()),
    ];
    let dataset = [
        ("name", name.into()),
        ("created", old.created_at.as_str().into()),
        ("digest", digest.into()),
        ("makotoLevel", Level::L1.as_str().into()),
    ];
    let description = format!(
        "imported from {} of form 0.1; not attested",
        old.id.as_str()
    );
    let source = [
        ("name", old.source.uri.as_str().into()),
        ("description", description.into()),
    ];
    let steps = old
        .lineage
        .as_slice()
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let mut members = Object::new();
            members.insert("order", (index as u64 + 1).into());
            members.insert("name", format!("step {}", index + 1).into());
            members.insert("description", step.description.as_str().into());
            members.insert("tool", step.tool.as_str().into());
            let list =
                |hash: &AnyText| -> Json { std::iter::once(Json::from(hash.as_str())).collect() };
            members.insert("inputs", list(&step.input_hash));
            members.insert("outputs", list(&step.output_hash));
            Json::Object(members)
        });
    let tool = [("tool", "makoto".into()), ("version", TOOL_VERSION.into())];
    let mut hasher = Hasher::new();
    hasher.update(old.id.as_str().as_bytes());
    hasher.update(old.source.hash.value.as_bytes());
    Json::from([
        ("dbomVersion", "1.0.0".into()),
        (
            "dbomId",
            format!("urn:dbom:imported:{}", hasher.finish()).into(),
        ),
        ("dataset", dataset.into()),
        ("sources", std::iter::once(Json::from(source)).collect()),
        ("transformations", steps.collect()),
        (
            "metadata",
            [("generator", tool.into()), ("created", now.as_str().into())].into(),
        ),
    ])
}
