//! Checking a DBOM against the attestations that it names: everything that can be worked out
//! again is, and what the document claims of itself counts for nothing.

use std::collections::HashMap;

use super::create::{Bill, NoDbom, Part};
use super::{Dbom, GraphFormat};
use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::json::{Json, Object};
use crate::limits::Limits;
use crate::lineage::{Direction, Drawing, Library, Lineage, Producer, Reach};
use crate::report::{Check, Level, Outcome, Report, ReportSubject, Verdict};
use crate::shape::{At, Findings, Shape as _};

/// What a DBOM is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Digest of the data, when it was read.
    pub data: Option<Digest>,
    /// The level that is needed.
    pub level: Level,
    /// How far its lineage is walked.
    pub reach: Reach,
}

/// Judges the DBOM in `document` by the attestations in `library`.
///
/// It passes at L1 when every source and step behind the dataset is in it and nothing else, in an
/// order that their digests allow, and every field that the attestations tell says what they say.
/// The level is worked out; a higher one that the document claims fails it.
pub fn verify<L: Library>(
    document: &[u8],
    library: &mut L,
    asked: &Asked,
    now: DateTime,
) -> Report {
    let value = match Json::parse(document, &Limits::DEFAULT) {
        Ok(value) => value,
        Err(error) => return crate::validate::refusal(&error.into(), now),
    };
    let fail = |id, path: &str, message: &str| Check::new(id, Outcome::Fail, path, message);
    if super::import::is_old_form(&value) {
        let check = match asked.level {
            Level::L1 => {
                let message = "is of the old form 0.1, which names no attestations; `makoto dbom import` makes \
                               a DBOM 1.0.0 of it";
                return Report::unknown(
                    Check::new("DBOM", Outcome::Skip, "schema_version", message),
                    now,
                );
            }
            _ => "the signature of the old form 0.1 is a bare SHA-256, which proves no signer",
        };
        return Report::from_checks(vec![fail("L2.P.1", "signature", check)], now);
    }
    if value.get("_type").is_some() {
        let message = "is a statement, not a DBOM";
        return Report::from_checks(vec![fail("DBOM", "_type", message)], now);
    }
    let mut findings = Findings::at_level(Level::L1);
    findings.file_under(super::REQUIREMENTS);
    let read = Dbom::read(value.clone(), &At::Top, &mut findings);
    let failed = findings.failed();
    let mut examination = Examination {
        checks: findings.into_checks(),
        now,
        unknown: false,
    };
    let Some(dbom) = read.filter(|_| !failed) else {
        return examination.report(None, None);
    };
    if asked.level > Level::L1 {
        let message = format!(
            "the DBOM is unsigned, and {} needs a signature",
            asked.level
        );
        examination.checks.push(fail("L2.P.1", "", &message));
    }
    let digest = dbom
        .dataset
        .digest
        .as_ref()
        .and_then(|digest| digest.sha256);
    let Some(sha256) = digest else {
        let message = "is missing, so that the document is bound to no data";
        examination.skip("DBOM", "dataset.digest.sha256", message);
        return examination.report(Some(&dbom), None);
    };
    examination.data(sha256, asked.data);
    let lineage = Lineage::walk(library, sha256, Direction::Back, asked.reach);
    if lineage.tops.is_empty() {
        examination.last_step(&dbom, sha256, library);
    }
    examination.checks.extend(lineage.checks.iter().cloned());
    match Bill::of(&lineage) {
        Ok(bill) => examination.compare(&value, &dbom, &bill, &lineage),
        Err(NoDbom::Conflict(why)) => {
            examination.checks.push(fail("D1", "", &why));
        }
        // The findings of the walk say why.
        Err(NoDbom::Incomplete(_) | NoDbom::Contradiction(_)) => examination.unknown = true,
    }
    examination.report(Some(&dbom), lineage.level())
}

struct Examination {
    checks: Vec<Check>,
    now: DateTime,
    unknown: bool,
}

impl Examination {
    fn check(
        &mut self,
        id: &'static str,
        outcome: Outcome,
        path: &str,
        message: impl Into<String>,
    ) {
        self.checks.push(Check::new(id, outcome, path, message));
    }

    fn skip(&mut self, id: &'static str, path: &str, message: impl Into<String>) {
        self.unknown = true;
        self.check(id, Outcome::Skip, path, message);
    }

    fn report(self, dbom: Option<&Dbom>, level: Option<Level>) -> Report {
        let mut report = Report::from_checks(self.checks, self.now);
        match (report.verdict, self.unknown) {
            (Verdict::Pass, true) => report.verdict = Verdict::Unknown,
            (Verdict::Pass, false) => (report.level, report.lineage_level) = (level, level),
            _ => {}
        }
        report.subject = dbom.map(|dbom| ReportSubject {
            name: dbom.dataset.name.as_str().to_owned(),
            name_asked_for: false,
            member: None,
            digest: dbom
                .dataset
                .digest
                .as_ref()
                .map_or(Json::Null, |d| d.write()),
        });
        report
    }

    fn data(&mut self, declared: Digest, found: Option<Digest>) {
        let path = "dataset.digest.sha256";
        match found {
            None => self.check(
                "V3",
                Outcome::Warn,
                path,
                "not checked: the data was not read",
            ),
            Some(found) if found == declared => {
                self.check("V3", Outcome::Pass, path, "equals what the data has");
            }
            Some(found) => {
                let message =
                    format!("does not match: the DBOM says {declared}, the data has {found}");
                let check = Check::new("V3", Outcome::Fail, path, message);
                self.checks
                    .push(check.compared(found.to_string(), declared.to_string()));
            }
        }
    }

    /// No attestation is about the dataset. If the last step of the document is here, it is about
    /// something else.
    fn last_step<L: Library>(&mut self, dbom: &Dbom, sha256: Digest, library: &mut L) {
        let steps = dbom.transformations.as_deref().unwrap_or_default();
        let last = steps.iter().enumerate().max_by(|(_, a), (_, b)| {
            a.order
                .number()
                .to_f64()
                .total_cmp(&b.order.number().to_f64())
        });
        let reference = match last {
            Some((index, step)) => (
                format!("transformations[{index}]"),
                step.attestation_ref.as_ref(),
            ),
            None => {
                let source = &dbom.sources.as_slice()[0];
                ("sources[0]".to_owned(), source.attestation_ref.as_ref())
            }
        };
        let (place, Some(reference)) = reference else {
            return;
        };
        let id = Attestation::pinned_id(reference.as_str());
        if let Some(id) = id
            && let Ok(Some(_)) = library.get(&id)
        {
            let message = format!("is {sha256}, which is no subject of the attestation of {place}");
            self.check("L2.V.10", Outcome::Fail, "dataset.digest.sha256", message);
        }
    }

    fn compare(&mut self, document: &Json, dbom: &Dbom, bill: &Bill, lineage: &Lineage) {
        self.drawing(dbom, lineage);
        let member = |key: &str| document.get(key);
        self.dataset(member("dataset"), bill, lineage);
        let sources = parts(member("sources"));
        self.parts("sources", sources, &bill.sources, lineage);
        let steps = parts(member("transformations"));
        self.parts("transformations", steps, &bill.steps, lineage);
        self.order(dbom, lineage);
        let compliance = dbom.compliance.as_ref().and_then(|c| c.claimed_level);
        self.claim("compliance.overallMakotoLevel", compliance, bill.level);
        if member("verification").is_some() {
            let message = "not used: what a document says of its own verification is no evidence";
            self.check("L2.V.2", Outcome::Skip, "verification", message);
        }
        let valid_until = dbom.metadata.as_ref().and_then(|m| m.valid_until.as_ref());
        if let Some(valid_until) = valid_until.filter(|until| **until < self.now) {
            let message = format!("is {valid_until}, which is over");
            self.check("L2.V.7", Outcome::Warn, "metadata.validUntil", message);
        }
        if !self
            .checks
            .iter()
            .any(|check| check.outcome == Outcome::Fail)
        {
            let (sources, steps) = (bill.sources.len(), bill.steps.len());
            let message = format!(
                "lists exactly the {sources} source(s) and {steps} step(s) behind the data"
            );
            self.check("DBOM", Outcome::Pass, "", message);
        }
    }

    fn claim(&mut self, path: &str, claimed: Option<Level>, level: Level) {
        if let Some(claimed) = claimed.filter(|claimed| *claimed > level) {
            let message = format!("claims {claimed}, but the evidence gives {level}");
            let check = Check::new("DBOM", Outcome::Fail, path, message);
            self.checks
                .push(check.compared(claimed.as_str(), level.as_str()));
        }
    }

    fn dataset(&mut self, claimed: Option<&Json>, bill: &Bill, lineage: &Lineage) {
        let Some(Json::Object(claimed)) = claimed else {
            return;
        };
        let name = claimed
            .get("name")
            .and_then(Json::as_str)
            .unwrap_or_default();
        let tops = lineage.tops.iter().map(|top| &lineage.stages[*top]);
        let names: Vec<_> = tops
            .flat_map(|stage| stage.subjects(&lineage.target))
            .map(|subject| subject.name.as_str())
            .collect();
        if !names.contains(&name) {
            let message = format!(
                "is {name:?}, but the attestation calls the data {:?}",
                names.first()
            );
            self.check("DBOM", Outcome::Fail, "dataset.name", message);
        }
        let empty = Object::new();
        let inner = |members: &Object| match members.get("digest") {
            Some(Json::Object(digest)) => digest.clone(),
            _ => empty.clone(),
        };
        let (said, found) = (inner(claimed), inner(&bill.dataset));
        // What is not in the attestation was added by hand.
        for key in ["recordCount", "format", "sizeBytes", "sha512"] {
            self.field(
                &format!("dataset.digest.{key}"),
                said.get(key),
                found.get(key),
            );
        }
        let level = claimed
            .get("makotoLevel")
            .and_then(Json::as_str)
            .and_then(level);
        self.claim("dataset.makotoLevel", level, bill.level);
        for key in ["version", "description", "creator", "created"] {
            if claimed.get(key).is_some() && claimed.get(key) != bill.dataset.get(key) {
                let message = "not checked: only this document says so";
                self.check("DBOM", Outcome::Skip, &format!("dataset.{key}"), message);
            }
        }
    }

    /// Compares a field that the document has with what the attestations give.
    fn field(&mut self, path: &str, claimed: Option<&Json>, found: Option<&Json>) {
        let text = |value: &Json| value.as_str().map_or(value.to_string(), str::to_owned);
        match (claimed, found) {
            (None, _) => {}
            (Some(claimed), Some(found)) if text(claimed) == text(found) => {}
            (Some(claimed), found) => {
                let found = found.map_or("nothing".to_owned(), text);
                let message = format!(
                    "is {}, but the attestation gives {found}",
                    crate::shape::excerpt(claimed)
                );
                let check = Check::new("DBOM", Outcome::Fail, path, message);
                self.checks.push(check.compared(text(claimed), found));
            }
        }
    }

    fn parts(&mut self, kind: &str, claimed: &[Json], bill: &[Part], lineage: &Lineage) {
        let mut open: HashMap<(Digest, &str), &Part> = HashMap::new();
        for part in bill {
            open.insert((part.id, part.name()), part);
        }
        for (index, part) in claimed.iter().enumerate() {
            let place = format!("{kind}[{index}]");
            let name = part.get("name").and_then(Json::as_str).unwrap_or_default();
            let reference = part.get("attestationRef").and_then(Json::as_str);
            let Some(id) = reference.and_then(Attestation::pinned_id) else {
                let message = format!(
                    "{name:?} refers to no attestation by its digest, so that it cannot be checked"
                );
                self.skip("DBOM", &format!("{place}.attestationRef"), message);
                continue;
            };
            let Some(found) = open.remove(&(id, name)) else {
                let message = match bill.iter().find(|part| part.id == id) {
                    Some(other) if lineage.stages.iter().any(|stage| stage.id == id) => {
                        format!(
                            "is {name:?}, but its attestation says {:?}, or it is listed twice",
                            other.name()
                        )
                    }
                    _ => format!(
                        "{name:?} is not behind the dataset: no way back leads to sha256:{id}"
                    ),
                };
                self.check("L2.V.9", Outcome::Fail, &place, message);
                continue;
            };
            self.part(&place, part, found);
        }
        let mut left_out: Vec<_> = open.into_values().collect();
        left_out.sort_by_key(|part| (part.name().to_owned(), part.id));
        for part in left_out {
            let reader = readers(lineage, part.id);
            let message = format!("leave out {:?} (sha256:{}){reader}", part.name(), part.id);
            self.check("L2.V.9", Outcome::Fail, kind, message);
        }
    }

    fn part(&mut self, place: &str, claimed: &Json, found: &Part) {
        for key in [
            "attestationType",
            "geography",
            "consent",
            "license",
            "inputs",
            "outputs",
            "transformType",
        ] {
            self.field(
                &format!("{place}.{key}"),
                claimed.get(key),
                found.members.get(key),
            );
        }
        let contribution = |part: Option<&Json>, key: &str| part?.get(key).cloned();
        for key in ["recordCount", "recordPercentage"] {
            let claimed = contribution(claimed.get("contribution"), key);
            let found = contribution(found.members.get("contribution"), key);
            self.field(
                &format!("{place}.contribution.{key}"),
                claimed.as_ref(),
                found.as_ref(),
            );
        }
        let said = claimed
            .get("makotoLevel")
            .and_then(Json::as_str)
            .and_then(level);
        let found = found
            .members
            .get("makotoLevel")
            .and_then(Json::as_str)
            .and_then(level);
        if let Some(found) = found {
            self.claim(&format!("{place}.makotoLevel"), said, found);
        }
    }

    /// A step must come after whatever made its inputs.
    fn order(&mut self, dbom: &Dbom, lineage: &Lineage) {
        let steps = dbom.transformations.as_deref().unwrap_or_default();
        let order: HashMap<_, _> = steps
            .iter()
            .enumerate()
            .filter_map(|(index, step)| {
                let id = Attestation::pinned_id(step.attestation_ref.as_ref()?.as_str())?;
                Some((id, (index, step.order.number().to_f64())))
            })
            .collect();
        for link in &lineage.links {
            let Producer::Stage(producer) = link.producer else {
                continue;
            };
            let of = |stage: usize| order.get(&lineage.stages[stage].id).copied();
            if let (Some((_, made)), Some((index, read))) = (of(producer), of(link.reader))
                && made >= read
            {
                let name = lineage.input(link).name.as_str();
                let message = format!(
                    "is {read}, but its input {name:?} is made by the step of order {made}"
                );
                self.check(
                    "DBOM",
                    Outcome::Fail,
                    &format!("transformations[{index}].order"),
                    message,
                );
            }
        }
    }

    fn drawing(&mut self, dbom: &Dbom, lineage: &Lineage) {
        let Some(graph) = &dbom.lineage_graph else {
            return;
        };
        let drawing = match graph.format {
            Some(GraphFormat::Mermaid) => Some(Drawing::Mermaid),
            Some(GraphFormat::GraphvizDot) => Some(Drawing::Dot),
            _ => None,
        };
        let same = drawing.is_some_and(|drawing| {
            graph
                .content
                .as_ref()
                .is_some_and(|content| content.as_str() == lineage.draw(drawing))
        });
        match same {
            true => self.check(
                "DBOM",
                Outcome::Pass,
                "lineageGraph",
                "is the drawing of these attestations",
            ),
            false => {
                let message = "is not the drawing that the attestations give; do not go by it";
                self.check("DBOM", Outcome::Warn, "lineageGraph", message);
            }
        }
    }
}

fn parts(member: Option<&Json>) -> &[Json] {
    member.and_then(Json::as_array).unwrap_or_default()
}

fn level(text: &str) -> Option<Level> {
    [Level::L1, Level::L2, Level::L3]
        .into_iter()
        .find(|level| level.as_str() == text)
}

/// Who lists a part as an input, in words.
fn readers(lineage: &Lineage, id: Digest) -> String {
    let reads = |link: &&crate::lineage::Link| match link.producer {
        Producer::Stage(producer) => lineage.stages[producer].id == id,
        Producer::Missing | Producer::Beyond => false,
    };
    match lineage.links.iter().find(reads) {
        Some(link) => format!(
            ", which {:?} lists as an input",
            lineage.stages[link.reader].title()
        ),
        None => String::new(),
    }
}
