//! The Data Bill of Materials, version 1.0.0 (seed 002).
//!
//! This file is its shape. What a DBOM says of levels and signatures is a claim: one is made from
//! a walked lineage ([`create()`]), and checked by walking it again ([`verify()`]).

mod create;
mod diff;
mod import;
mod licence;
mod verify;

pub use create::{Described, NoDbom, create};
pub use diff::{Change, diff};
pub use import::{OldDbom, import};
pub use verify::{Asked, verify};

use std::collections::HashMap;

use crate::datetime::DateTime;
use crate::document;
use crate::json::Json;
use crate::predicate::PredicateType;
use crate::report::{Check, Level};
use crate::scalar::{
    AnyText, Date, LooseCount, NonNegative, Percentage, Positive, Ratio, Sha512, Text, Uint, Uri,
    closed_vocabulary,
};
use crate::shape::{At, Findings, Need, NonEmpty, Requirements, Shape};

/// Everything about a DBOM is filed under one name.
const REQUIREMENTS: Requirements = Requirements {
    complete: "DBOM",
    form: "DBOM",
    recommended: "DBOM",
};

document! {
    /// A Data Bill of Materials.
    pub struct Dbom {
        /// Version of the format.
        required dbom_version: DbomVersion = "dbomVersion",
        /// Identifier of this document.
        recommended dbom_id: Uri = "dbomId",
        /// The dataset it is about.
        required dataset: Dataset = "dataset",
        /// Where its data came from.
        required sources: NonEmpty<Source> = "sources",
        /// What was done to it, in order.
        optional transformations: Vec<Transformation> = "transformations",
        /// A drawing of the lineage.
        optional lineage_graph: LineageGraph = "lineageGraph",
        /// Compliance claims.
        optional compliance: Compliance = "compliance",
        /// Claims about a verification; never evidence.
        optional claimed_verification: ClaimedVerification = "verification",
        /// About the document.
        optional metadata: DbomMetadata = "metadata",
    }
    => parts_agree
}

impl Dbom {
    /// Whether a document looks like a DBOM and not like a statement.
    pub fn is_likely(value: &Json) -> bool {
        let has = |key: &str| value.get(key).is_some();
        let statement = has("_type") || has("subject") || has("predicateType");
        !statement
            && ["dbomVersion", "dbomId", "dataset", "sources"]
                .into_iter()
                .any(has)
    }

    /// Reads a DBOM and reports everything that is wrong with its shape.
    pub fn check(value: Json) -> Vec<Check> {
        let mut findings = Findings::at_level(Level::L1);
        findings.file_under(REQUIREMENTS);
        Self::read(value, &At::Top, &mut findings);
        findings.into_checks()
    }
}

closed_vocabulary! {
    /// Version of the DBOM format.
    pub enum DbomVersion {
        /// 1.0.0
        V1_0_0 = "1.0.0",
    }
}

document! {
    /// The dataset that a DBOM is about.
    pub struct Dataset {
        /// Its name.
        required name: Text = "name",
        /// Its version.
        optional version: AnyText = "version",
        /// What it is.
        optional description: AnyText = "description",
        /// When it was made.
        optional created: DateTime = "created",
        /// Who made it.
        optional creator: Creator = "creator",
        /// Its digests.
        optional digest: DatasetDigest = "digest",
        /// Level that the document claims for it.
        optional claimed_level: Level = "makotoLevel",
    }
    => bound_to_data
}

fn bound_to_data(dataset: &Dataset, at: &At<'_>, findings: &mut Findings) {
    let digest = dataset.digest.as_ref();
    if digest.is_none_or(|digest| digest.sha256.is_none()) {
        let at = at.field("digest");
        findings.missing(
            &at.field("sha256"),
            Need::Recommended,
            "a digest that binds this document to data",
        );
    }
}

document! {
    /// Who made a dataset.
    pub struct Creator {
        /// Organisation.
        optional organization: AnyText = "organization",
        /// Address.
        optional contact: AnyText = "contact",
    }
}

document! {
    /// Digests of a dataset.
    pub struct DatasetDigest {
        /// SHA-256 of the data as stored.
        optional sha256: crate::digest::Digest = "sha256",
        /// SHA-512 of the data as stored.
        optional sha512: Sha512 = "sha512",
        /// Records in it.
        optional record_count: LooseCount = "recordCount",
        /// Its format.
        optional format: AnyText = "format",
        /// Its size in bytes.
        optional size_bytes: Uint = "sizeBytes",
    }
}

document! {
    /// One source of a dataset.
    pub struct Source {
        /// Its name.
        required name: Text = "name",
        /// What it is.
        optional description: AnyText = "description",
        /// Its attestation.
        recommended attestation_ref: Uri = "attestationRef",
        /// Predicate type of its attestation.
        optional attestation_type: Uri = "attestationType",
        /// Level that the document claims for it.
        optional claimed_level: Level = "makotoLevel",
        /// Where the data comes from.
        optional geography: AnyText = "geography",
        /// Legal ground for its use.
        optional consent: DbomConsent = "consent",
        /// Its licence.
        optional license: License = "license",
        /// Its share of the dataset.
        optional contribution: Contribution = "contribution",
    }
    => attestation_type_is_known
}

fn attestation_type_is_known(source: &Source, at: &At<'_>, findings: &mut Findings) {
    if let Some(kind) = &source.attestation_type
        && PredicateType::from_url(kind.as_str()).is_none()
    {
        findings.warn(
            &at.field("attestationType"),
            format!("is {:?}, which is no Makoto predicate type", kind.as_str()),
        );
    }
}

document! {
    /// Legal ground for the use of a source.
    pub struct DbomConsent {
        /// Kind of ground.
        optional kind: crate::predicate::origin::ConsentType = "type",
        /// Document that gives it.
        optional reference: Uri = "reference",
        /// When it was obtained.
        optional obtained: DateTime = "obtained",
    }
}

/// A licence: an object, or a string as in published examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum License {
    /// The object of the schemas.
    Described(LicenseObject),
    /// A string.
    Named(AnyText),
}

document! {
    /// A licence.
    pub struct LicenseObject {
        /// Kind of licence.
        optional kind: AnyText = "type",
        /// Identifier, such as an SPDX one.
        optional identifier: AnyText = "identifier",
        /// Its text.
        optional reference: Uri = "reference",
    }
}

impl Shape for License {
    const NEEDED: &'static str = "a licence as an object or a string";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match value {
            Json::String(_) => {
                findings.warn(at, "is a string; the schemas have an object");
                AnyText::read(value, at, findings).map(Self::Named)
            }
            Json::Object(_) => Shape::read(value, at, findings).map(Self::Described),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Described(license) => license.write(),
            Self::Named(name) => name.write(),
        }
    }

    fn schema() -> Json {
        [(
            "anyOf",
            [LicenseObject::schema(), AnyText::schema()]
                .into_iter()
                .collect(),
        )]
        .into()
    }
}

document! {
    /// Share of a source in a dataset.
    pub struct Contribution {
        /// Records from it.
        optional record_count: Uint = "recordCount",
        /// Share of the records in percent.
        optional record_percentage: Percentage = "recordPercentage",
    }
}

document! {
    /// One step from the sources to the dataset.
    pub struct Transformation {
        /// Place in the order, from 1.
        required order: Positive = "order",
        /// Its name.
        required name: Text = "name",
        /// What it does.
        optional description: AnyText = "description",
        /// Its attestation.
        recommended attestation_ref: Uri = "attestationRef",
        /// Predicate type of its attestation.
        optional attestation_type: Uri = "attestationType",
        /// Level that the document claims for it.
        optional claimed_level: Level = "makotoLevel",
        /// Names of its inputs.
        optional inputs: Vec<AnyText> = "inputs",
        /// Names of its outputs.
        optional outputs: Vec<AnyText> = "outputs",
        /// Type of transformation.
        optional transform_type: Uri = "transformType",
    }
}

document! {
    /// A drawing of the lineage.
    pub struct LineageGraph {
        /// Its language.
        optional format: GraphFormat = "format",
        /// The drawing.
        optional content: AnyText = "content",
        /// Where it is.
        optional url: Uri = "url",
    }
}

closed_vocabulary! {
    /// Language of a drawing: the union of the published lists.
    pub enum GraphFormat {
        /// Graphviz.
        GraphvizDot = "graphviz-dot",
        /// Mermaid.
        Mermaid = "mermaid",
        /// JSON-LD.
        JsonLd = "json-ld",
        /// JSON graph.
        JsonGraph = "json-graph",
        /// Cytoscape.
        Cytoscape = "cytoscape",
    }
}

document! {
    /// Compliance claims.
    pub struct Compliance {
        /// Level that the document claims for the whole.
        optional claimed_level: Level = "overallMakotoLevel",
        /// Why.
        optional level_justification: AnyText = "levelJustification",
        /// Privacy measures.
        optional privacy_assessment: PrivacyAssessment = "privacyAssessment",
        /// Regulations.
        optional regulatory_compliance: Vec<RegulatoryStatus> = "regulatoryCompliance",
        /// Data & Trust Alliance standards.
        optional dta_compliance: DbomDta = "dtaCompliance",
    }
}

document! {
    /// Privacy measures.
    pub struct PrivacyAssessment {
        /// Personal data was removed.
        optional pii_removed: bool = "piiRemoved",
        /// Anonymisation was verified.
        optional anonymization_verified: bool = "anonymizationVerified",
        /// k of k-anonymity.
        optional k_anonymity: Positive = "kAnonymity",
        /// l of l-diversity.
        optional l_diversity: Positive = "lDiversity",
        /// t of t-closeness.
        optional t_closeness: Ratio = "tCloseness",
        /// Differential privacy.
        optional differential_privacy: DifferentialPrivacy = "differentialPrivacy",
    }
}

document! {
    /// Parameters of differential privacy.
    pub struct DifferentialPrivacy {
        /// ε
        optional epsilon: NonNegative = "epsilon",
        /// δ
        optional delta: Ratio = "delta",
    }
}

document! {
    /// How a dataset stands to one regulation.
    pub struct RegulatoryStatus {
        /// The regulation.
        required regulation: AnyText = "regulation",
        /// How it stands.
        required status: RegulatoryVerdict = "status",
        /// Remarks.
        optional notes: AnyText = "notes",
        /// When it was assessed.
        optional assessment_date: Date = "assessmentDate",
        /// By whom.
        optional assessor: AnyText = "assessor",
    }
}

closed_vocabulary! {
    /// How a dataset stands to a regulation.
    pub enum RegulatoryVerdict {
        /// It complies.
        Compliant = "compliant",
        /// It does not.
        NonCompliant = "non-compliant",
        /// In part.
        Partial = "partial",
        /// It does not apply.
        NotApplicable = "not-applicable",
        /// Not yet known.
        PendingReview = "pending-review",
    }
}

document! {
    /// Data & Trust Alliance standards.
    pub struct DbomDta {
        /// Version of the standards.
        optional standards_version: AnyText = "standardsVersion",
        /// Claim: all fields are present.
        optional all_fields_present: bool = "allFieldsPresent",
    }
}

document! {
    /// What a document claims about its own verification; never evidence.
    pub struct ClaimedVerification {
        /// Claim: the chain was verified.
        optional chain_verified: bool = "chainVerified",
        /// Claim: all signatures are valid.
        optional all_signatures_valid: bool = "allSignaturesValid",
        /// Claim: attestations seen.
        optional attestation_count: Uint = "attestationCount",
        /// Claim: when.
        optional verification_timestamp: DateTime = "verificationTimestamp",
        /// Claim: by what.
        optional verifier: Tool = "verifier",
        /// Claim: what went wrong.
        optional errors: Vec<ClaimedError> = "errors",
    }
}

document! {
    /// A program.
    pub struct Tool {
        /// Its name.
        optional tool: AnyText = "tool",
        /// Its version.
        optional version: AnyText = "version",
    }
}

document! {
    /// An error that a document reports of its own verification.
    pub struct ClaimedError {
        /// Its code.
        optional code: AnyText = "code",
        /// In words.
        optional message: AnyText = "message",
        /// The attestation.
        optional attestation_ref: Uri = "attestationRef",
    }
}

document! {
    /// About a DBOM.
    pub struct DbomMetadata {
        /// What made it.
        optional generator: Tool = "generator",
        /// When.
        optional created: DateTime = "created",
        /// Until when it holds.
        optional valid_until: DateTime = "validUntil",
        /// Who may read it.
        optional access_control: AccessControl = "accessControl",
        /// Tags.
        optional tags: Vec<AnyText> = "tags",
    }
}

document! {
    /// Who may read a DBOM.
    pub struct AccessControl {
        /// Circle of readers.
        optional visibility: Visibility = "visibility",
        /// Readers by name.
        optional allowed_consumers: Vec<AnyText> = "allowedConsumers",
    }
}

closed_vocabulary! {
    /// Circle of readers.
    pub enum Visibility {
        /// Everyone.
        Public = "public",
        /// The organisation.
        Internal = "internal",
        /// A part of it.
        Confidential = "confidential",
        /// Named readers.
        Restricted = "restricted",
    }
}

/// Rules between the parts: orders are distinct, and no level is claimed above the weakest part.
fn parts_agree(dbom: &Dbom, at: &At<'_>, findings: &mut Findings) {
    let steps = dbom.transformations.as_deref().unwrap_or_default();
    let steps_at = at.field("transformations");
    let mut orders = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let order = step.order.number();
        if let Some(first) = orders.insert(order.to_f64().to_bits(), index) {
            let here = steps_at.item(index);
            let message = format!("is {}, as in transformations[{first}]", order.token());
            findings.contradiction(&here.field("order"), message);
        } else if order.to_f64() > steps.len() as f64 {
            let here = steps_at.item(index);
            findings.warn(
                &here.field("order"),
                format!("is {}, which leaves a gap", order.token()),
            );
        }
    }

    let weakest = dbom
        .sources
        .as_slice()
        .iter()
        .map(|source| source.claimed_level)
        .chain(steps.iter().map(|step| step.claimed_level))
        .flatten()
        .min();
    let compliance = dbom.compliance.as_ref().and_then(|c| c.claimed_level);
    let (dataset_at, compliance_at) = (at.field("dataset"), at.field("compliance"));
    for (claim, at) in [
        (dbom.dataset.claimed_level, dataset_at.field("makotoLevel")),
        (compliance, compliance_at.field("overallMakotoLevel")),
    ] {
        if let (Some(claim), Some(weakest)) = (claim, weakest)
            && claim > weakest
        {
            let message =
                format!("claims {claim}, but the weakest part claims makotoLevel {weakest}");
            findings.warn(&at, message);
        }
    }
}

#[cfg(test)]
mod tests;
