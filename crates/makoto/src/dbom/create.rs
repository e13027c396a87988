//! Making a DBOM from a walked lineage: nothing in it is typed by hand but what describes the
//! document itself.

use std::collections::{BTreeMap, BTreeSet};

use super::licence;
use crate::datetime::DateTime;
use crate::digest::{Digest, Hasher};
use crate::json::{Json, Object};
use crate::limits::Limits;
use crate::lineage::{Drawing, Lineage, Producer, Stage};
use crate::predicate::transform::IntervalUnit;
use crate::predicate::{Predicate, PredicateType};
use crate::report::{Level, Outcome, TOOL_VERSION};
use crate::shape::Shape as _;
use crate::statement::Subject;

/// What a DBOM says about itself and its dataset beyond the lineage.
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// Version of the dataset.
    pub version: Option<String>,
    /// What the dataset is.
    pub description: Option<String>,
    /// Organisation that made it.
    pub organization: Option<String>,
    /// Address of that organisation.
    pub contact: Option<String>,
    /// Until when the document holds.
    pub valid_until: Option<DateTime>,
    /// Whether the data was read and equals its attestation.
    pub data_was_read: bool,
}

/// Why no DBOM can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDbom {
    /// A way back does not reach an origin.
    #[error("the lineage is not complete: {0}")]
    Incomplete(String),
    /// Attestations contradict each other.
    #[error("the lineage does not hold: {0}")]
    Contradiction(String),
    /// Several attestations of the dataset say different things.
    #[error("{0}")]
    Conflict(String),
}

/// What a lineage says about its dataset, in the members of a DBOM.
#[derive(Debug, Clone)]
pub(super) struct Bill {
    pub(super) dataset: Object,
    pub(super) sources: Vec<Part>,
    pub(super) steps: Vec<Part>,
    pub(super) level: Level,
}

/// A source or a transformation.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) id: Digest,
    pub(super) members: Object,
}

impl Part {
    pub(super) fn name(&self) -> &str {
        self.members
            .get("name")
            .and_then(Json::as_str)
            .unwrap_or_default()
    }
}

/// The DBOM of a complete lineage.
///
/// # Errors
/// [`NoDbom`] when the lineage is not complete, contradicts itself, or the dataset's own
/// attestations do: a bill that leaves something out is worse than none.
pub fn create(lineage: &Lineage, described: &Described, now: &DateTime) -> Result<Json, NoDbom> {
    let bill = Bill::of(lineage)?;
    let mut dataset = bill.dataset.clone();
    set(&mut dataset, "version", described.version.as_deref());
    set(
        &mut dataset,
        "description",
        described.description.as_deref(),
    );
    let mut creator = Object::new();
    set(
        &mut creator,
        "organization",
        described.organization.as_deref(),
    );
    set(&mut creator, "contact", described.contact.as_deref());
    if !creator.is_empty() {
        dataset.insert("creator", Json::Object(creator));
    }
    let justification = format!(
        "{} attestation(s) were found and every digest among them agrees; no signature was verified",
        lineage.stages.len()
    );
    let mut compliance: Object = [
        ("overallMakotoLevel", bill.level.as_str()),
        ("levelJustification", &justification),
    ]
    .into_iter()
    .collect();
    if let Some(licences) = licence::summary(&bill.sources, !bill.steps.is_empty()) {
        compliance.insert("licences", licences);
    }
    let tool = [("tool", "makoto".into()), ("version", TOOL_VERSION.into())];
    let verification = [
        ("chainVerified", true.into()),
        ("attestationCount", (lineage.stages.len() as u64).into()),
        ("verificationTimestamp", now.as_str().into()),
        ("verifier", tool.clone().into()),
    ];
    let mut metadata: Object = [
        ("generator", Json::from(tool)),
        ("created", now.as_str().into()),
    ]
    .into_iter()
    .collect();
    set(
        &mut metadata,
        "validUntil",
        described.valid_until.as_ref().map(DateTime::as_str),
    );
    let graph = [
        ("format", "mermaid".into()),
        ("content", lineage.draw(Drawing::Mermaid).into()),
    ];
    let members = |parts: &[Part]| {
        parts
            .iter()
            .map(|part| Json::Object(part.members.clone()))
            .collect()
    };
    Ok(Json::from([
        ("dbomVersion", "1.0.0".into()),
        (
            "dbomId",
            format!("urn:dbom:sha256:{}", identity(lineage)).into(),
        ),
        ("dataset", Json::Object(dataset)),
        ("sources", members(&bill.sources)),
        ("transformations", members(&bill.steps)),
        ("lineageGraph", graph.into()),
        ("compliance", Json::Object(compliance)),
        ("verification", verification.into()),
        ("metadata", Json::Object(metadata)),
        ("basis", basis(described.data_was_read)),
    ]))
}

/// The same dataset made in the same way has the same identifier.
fn identity(lineage: &Lineage) -> Digest {
    let ids: BTreeSet<_> = lineage.stages.iter().map(|stage| stage.id).collect();
    let mut hasher = Hasher::new();
    hasher.update(lineage.target.as_bytes());
    ids.iter().for_each(|id| hasher.update(id.as_bytes()));
    hasher.finish()
}

/// Which fields are whose word. Nothing is `signed` at L1.
fn basis(data_was_read: bool) -> Json {
    let data = if data_was_read {
        "recomputed"
    } else {
        "declared"
    };
    Json::from([
        ("dataset.name", "declared".into()),
        ("dataset.version", "declared".into()),
        ("dataset.description", "declared".into()),
        ("dataset.creator", "declared".into()),
        ("dataset.created", "declared".into()),
        ("dataset.digest.sha256", data.into()),
        ("dataset.digest.recordCount", "declared".into()),
        ("dataset.digest.format", "declared".into()),
        ("dataset.makotoLevel", "recomputed".into()),
        ("sources[].name", "declared".into()),
        ("sources[].attestationRef", "recomputed".into()),
        ("sources[].attestationType", "recomputed".into()),
        ("sources[].makotoLevel", "recomputed".into()),
        ("sources[].geography", "declared".into()),
        ("sources[].consent", "declared".into()),
        ("sources[].license", "declared".into()),
        ("sources[].contribution", "declared".into()),
        ("transformations[].name", "declared".into()),
        ("transformations[].order", "recomputed".into()),
        ("transformations[].attestationRef", "recomputed".into()),
        ("transformations[].attestationType", "recomputed".into()),
        ("transformations[].makotoLevel", "recomputed".into()),
        ("transformations[].inputs", "recomputed".into()),
        ("transformations[].outputs", "recomputed".into()),
        ("transformations[].transformType", "declared".into()),
        ("lineageGraph", "recomputed".into()),
        ("compliance.overallMakotoLevel", "recomputed".into()),
        ("compliance.licences", "declared".into()),
    ])
}

impl Bill {
    pub(super) fn of(lineage: &Lineage) -> Result<Self, NoDbom> {
        let told = |outcome: Outcome| {
            let mut checks = lineage
                .checks
                .iter()
                .filter(move |check| check.outcome == outcome);
            checks.next().map(|check| match check.path.as_str() {
                "" => check.message.clone(),
                path => format!("{path} {}", check.message),
            })
        };
        if let Some(why) = told(Outcome::Fail) {
            return Err(NoDbom::Contradiction(why));
        }
        let Some(level) = lineage.level() else {
            return Err(NoDbom::Incomplete(told(Outcome::Skip).unwrap_or_default()));
        };
        let top = lineage.tops.first().and_then(|top| {
            let stage = &lineage.stages[*top];
            Some((stage, stage.subject(&lineage.target)?))
        });
        let Some((stage, subject)) = top else {
            return Err(NoDbom::Incomplete(
                "the dataset has no attestation".to_owned(),
            ));
        };
        if let Some(conflict) = lineage
            .checks
            .iter()
            .find(|c| c.id == "D1" && c.path.is_empty())
        {
            return Err(NoDbom::Conflict(conflict.message.clone()));
        }
        Ok(Self {
            dataset: dataset(stage, subject, level),
            sources: sources(lineage, level),
            steps: steps(lineage, level),
            level,
        })
    }
}

fn set(members: &mut Object, key: &str, value: Option<impl Into<Json>>) {
    if let Some(value) = value {
        members.insert(key, value.into());
    }
}

fn dataset(stage: &Stage, subject: &Subject, level: Level) -> Object {
    let mut digest = Object::from_iter([("sha256", subject.digest.sha256.to_string())]);
    set(
        &mut digest,
        "recordCount",
        subject.digest.record_count.as_ref().map(|c| c.as_str()),
    );
    let settings = subject
        .annotations
        .as_ref()
        .and_then(|a| a.records.as_ref());
    set(
        &mut digest,
        "format",
        settings.map(|settings| settings.format.as_str()),
    );
    let mut dataset = Object::new();
    dataset.insert("name", subject.name.as_str().into());
    dataset.insert("digest", Json::Object(digest));
    dataset.insert("makotoLevel", level.as_str().into());
    set(
        &mut dataset,
        "created",
        made_at(stage).map(DateTime::as_str),
    );
    dataset
}

/// When a stage says that its data was made.
fn made_at(stage: &Stage) -> Option<&DateTime> {
    match &stage.statement.predicate {
        Predicate::Origin(origin) => Some(&origin.origin.collection_timestamp),
        Predicate::Transform(transform) => transform.metadata.as_ref()?.finished_on.as_ref(),
        Predicate::StreamWindow(_) => None,
    }
}

/// A dataset that enters the lineage: an origin, and the subject of it that is used.
type SourceKey = (usize, Digest);

fn sources(lineage: &Lineage, level: Level) -> Vec<Part> {
    let mut used: BTreeMap<SourceKey, Share> = BTreeMap::new();
    for top in lineage
        .tops
        .iter()
        .filter(|top| lineage.stages[**top].is_origin())
    {
        used.insert((*top, lineage.target), Share::Whole);
    }
    for link in &lineage.links {
        let input = lineage.input(link);
        if let Producer::Stage(producer) = link.producer
            && lineage.stages[producer].is_origin()
        {
            let part = match &input.interval {
                None => Share::Whole,
                Some(interval) if interval.unit == IntervalUnit::Records => {
                    interval.length().map_or(Share::Unknown, Share::Records)
                }
                Some(_) => Share::Unknown,
            };
            let share = used.entry((producer, input.digest.sha256)).or_insert(part);
            *share = share.and(part, link.certain);
        }
    }
    let counts: Vec<_> = used
        .iter()
        .map(|((stage, sha256), share)| share.records(lineage.stages[*stage].subject(sha256)))
        .collect();
    let total: Option<u64> = counts.iter().copied().sum();
    let mut parts: Vec<_> = used
        .keys()
        .zip(counts)
        .map(|((stage, sha256), count)| {
            source(&lineage.stages[*stage], sha256, level, count, total)
        })
        .collect();
    parts.sort_by(|a, b| (a.name(), a.id).cmp(&(b.name(), b.id)));
    parts
}

/// How much of a source was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Whole,
    Records(u64),
    Unknown,
}

impl Share {
    fn and(self, other: Self, certain: bool) -> Self {
        match (self, other) {
            _ if !certain => Self::Unknown,
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (Self::Records(one), Self::Records(two)) if one == two => self,
            // Whether two parts overlap is not said.
            _ => Self::Unknown,
        }
    }

    fn records(self, subject: Option<&Subject>) -> Option<u64> {
        let count = subject?
            .digest
            .record_count
            .as_ref()?
            .as_str()
            .parse()
            .ok()?;
        match self {
            Self::Whole => Some(count),
            Self::Records(read) => Some(read.min(count)),
            Self::Unknown => None,
        }
    }
}

fn source(
    stage: &Stage,
    sha256: &Digest,
    level: Level,
    count: Option<u64>,
    total: Option<u64>,
) -> Part {
    let mut members = Object::new();
    let name = stage.subject(sha256).map(|subject| subject.name.as_str());
    set(&mut members, "name", name);
    members.insert("attestationRef", stage.reference().into());
    let kind = stage.statement.predicate.kind();
    members.insert("attestationType", kind.url().into());
    members.insert("makotoLevel", level.as_str().into());
    if let Predicate::Origin(origin) = &stage.statement.predicate {
        let dta = origin.dta_compliance.as_ref();
        let dta_source = dta.and_then(|dta| dta.source_standard.as_ref());
        let dta_provenance = dta.and_then(|dta| dta.provenance_standard.as_ref());
        let description = dta_source.and_then(|s| s.description.as_ref());
        set(
            &mut members,
            "description",
            description.map(|text| text.as_str()),
        );
        let geography = origin.origin.geography.as_ref();
        let geography = geography.or(dta_provenance.and_then(|p| p.data_origin_geography.as_ref()));
        set(
            &mut members,
            "geography",
            geography.map(|text| text.as_str()),
        );
        set(
            &mut members,
            "consent",
            origin.origin.consent.as_ref().map(|c| c.write()),
        );
        let license = dta.and_then(|dta| dta.use_standard.as_ref()?.license.as_ref());
        let license = license.map(|text| Json::from([("identifier", text.as_str().into())]));
        set(&mut members, "license", license);
    }
    if let Some(count) = count {
        let mut contribution: Object = Object::new();
        contribution.insert("recordCount", count.into());
        let share = total
            .filter(|total| *total > 0)
            .map(|total| percentage(count, total));
        set(&mut contribution, "recordPercentage", share);
        members.insert("contribution", Json::Object(contribution));
    }
    Part {
        id: stage.id,
        members,
    }
}

/// Share in percent, with one digit after the point.
fn percentage(count: u64, total: u64) -> Json {
    let tenths = (u128::from(count) * 1000 + u128::from(total) / 2) / u128::from(total);
    let text = match tenths % 10 {
        0 => format!("{}", tenths / 10),
        tenth => format!("{}.{tenth}", tenths / 10),
    };
    Json::parse(text.as_bytes(), &Limits::DEFAULT).unwrap_or(Json::Null)
}

fn steps(lineage: &Lineage, level: Level) -> Vec<Part> {
    let order = lineage.in_order();
    let steps = order.iter().map(|stage| &lineage.stages[*stage]);
    let steps = steps.filter(|stage| !stage.is_origin()).enumerate();
    steps
        .map(|(place, stage)| step(stage, place as u64 + 1, level))
        .collect()
}

fn step(stage: &Stage, order: u64, level: Level) -> Part {
    let names = |names: &mut dyn Iterator<Item = &str>| -> Json { names.map(Json::from).collect() };
    let mut members = Object::new();
    members.insert("order", order.into());
    members.insert("name", stage.title().into());
    if let Predicate::Transform(transform) = &stage.statement.predicate {
        let step = &transform.transform;
        set(
            &mut members,
            "description",
            step.description.as_ref().map(|text| text.as_str()),
        );
        members.insert("transformType", step.kind.as_str().into());
    }
    members.insert("attestationRef", stage.reference().into());
    members.insert("attestationType", PredicateType::Transform.url().into());
    members.insert("makotoLevel", level.as_str().into());
    members.insert(
        "inputs",
        names(&mut stage.inputs().iter().map(|input| input.name.as_str())),
    );
    members.insert("outputs", names(&mut stage.names()));
    Part {
        id: stage.id,
        members,
    }
}
