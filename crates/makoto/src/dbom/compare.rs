//! Comparing what a DBOM says, field by field, with the bill that the attestations give.

use std::collections::HashMap;

use super::create::{BASIS, Bill, DECLARED, ID, Part, identity};
use super::verify::Examination;
use super::{Dbom, GraphFormat, licence};
use crate::attestation::Attestation;
use crate::digest::Digest;
use crate::json::{Json, Object};
use crate::lineage::{Drawing, Lineage, Producer};
use crate::report::{Check, Level, Outcome, TOOL_VERSION};
use crate::scalar::AnyText;

impl Examination {
    pub(super) fn compare(&mut self, document: &Json, dbom: &Dbom, bill: &Bill, lineage: &Lineage) {
        self.drawing(dbom, lineage);
        let member = |key: &str| document.get(key);
        self.dataset(member("dataset"), bill, lineage);
        let sources = parts(member("sources"));
        self.parts("sources", sources, &bill.sources, lineage);
        let steps = parts(member("transformations"));
        self.parts("transformations", steps, &bill.steps, lineage);
        self.order(dbom, lineage);
        self.compliance(member("compliance"), dbom, bill);
        self.basis(member("basis"));
        self.identity(dbom, lineage);
        if member("verification").is_some() {
            let message = "not used: what a document says of its own verification is no evidence";
            self.check("L2.V.2", Outcome::Skip, "verification", message);
        }
        let valid_until = dbom.metadata.as_ref().and_then(|m| m.valid_until.as_ref());
        if let Some(valid_until) = valid_until.filter(|until| **until < self.now) {
            let message = format!("is {valid_until}, which is over");
            self.check("L2.V.7", Outcome::Warn, "metadata.validUntil", message);
        }
        if !self.failed {
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
            self.push(check.compared(claimed.as_str(), level.as_str()));
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
        match (claimed.get("created"), bill.dataset.get("created")) {
            (Some(_), None) => self.own_word("dataset.created"),
            (claimed, found) => self.field("dataset.created", claimed, found),
        }
        for key in ["version", "description", "creator"] {
            if claimed.get(key).is_some() {
                self.own_word(&format!("dataset.{key}"));
            }
        }
    }

    /// Says that a field is nothing but the word of the document.
    fn own_word(&mut self, path: &str) {
        let message = "not checked: only this document says so";
        self.check("DBOM", Outcome::Skip, path, message);
    }

    fn compliance(&mut self, claimed: Option<&Json>, dbom: &Dbom, bill: &Bill) {
        let level = dbom.compliance.as_ref().and_then(|c| c.claimed_level);
        self.claim("compliance.overallMakotoLevel", level, bill.level);
        let member = |key: &str| claimed.and_then(|claimed| claimed.get(key));
        let found = licence::summary(&bill.sources, !bill.steps.is_empty());
        let path = "compliance.licences";
        self.field(path, member("licences"), found.as_ref());
        self.left_out(path, member("licences"), found.as_ref());
        for key in [
            "levelJustification",
            "privacyAssessment",
            "regulatoryCompliance",
            "dtaCompliance",
        ] {
            if member(key).is_some() {
                self.own_word(&format!("compliance.{key}"));
            }
        }
    }

    /// No field may be said to stand on more than it does.
    fn basis(&mut self, claimed: Option<&Json>) {
        let members = match claimed {
            None => return,
            Some(Json::Object(members)) => members,
            Some(other) => {
                let message = format!("is {}, needed an object", other.kind());
                return self.check("DBOM", Outcome::Fail, "basis", message);
            }
        };
        for (field, said) in members.iter() {
            let known = BASIS.iter().find(|(known, _)| known == field);
            let said = said.as_str().unwrap_or_default();
            let holds = known.is_some_and(|(_, basis)| said == *basis || said == DECLARED);
            if !holds {
                let most = known.map_or("nothing of this field", |(_, basis)| basis);
                let message = format!("is {said:?}, but the evidence gives {most}");
                self.check("DBOM", Outcome::Fail, &format!("basis[{field:?}]"), message);
            }
        }
    }

    /// An identifier that is worked out from the lineage must be that of this one.
    fn identity(&mut self, dbom: &Dbom, lineage: &Lineage) {
        let said = dbom.dbom_id.as_ref().map(|id| id.as_str());
        let own = said.and_then(|said| said.strip_prefix(ID));
        let found = identity(lineage).to_string();
        if let Some(own) = own.filter(|own| **own != found) {
            let message = format!("is that of other attestations: these give {ID}{found}");
            let check = Check::new("DBOM", Outcome::Fail, "dbomId", message);
            self.push(check.compared(own, found));
        }
    }

    /// Tells of a field that the attestations have and the document does not: what binds whoever
    /// uses the data must not get lost by leaving it out.
    fn left_out(&mut self, path: &str, claimed: Option<&Json>, found: Option<&Json>) {
        if let (None, Some(found)) = (claimed, found) {
            let message = format!(
                "is left out; the attestation gives {}",
                crate::shape::excerpt(found)
            );
            self.check("DBOM", Outcome::Warn, path, message);
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
                self.push(check.compared(text(claimed), found));
            }
        }
    }

    fn parts(&mut self, kind: &str, claimed: &[Json], bill: &[Part], lineage: &Lineage) {
        let mut open: HashMap<(Digest, &str), &Part> = HashMap::new();
        let mut behind: HashMap<Digest, &Part> = HashMap::new();
        for part in bill {
            open.insert((part.id, part.name()), part);
            behind.insert(part.id, part);
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
                let message = match behind.get(&id) {
                    Some(other) => format!(
                        "is {name:?}, but its attestation says {:?}, or it is listed twice",
                        other.name()
                    ),
                    None => format!(
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
        let readers = match left_out.is_empty() {
            true => HashMap::new(),
            false => readers(lineage),
        };
        for part in left_out {
            let reader = readers.get(&part.id).map_or(String::new(), |title| {
                format!(", which {title:?} lists as an input")
            });
            let message = format!("leave out {:?} (sha256:{}){reader}", part.name(), part.id);
            self.check("L2.V.9", Outcome::Fail, kind, message);
        }
    }

    fn part(&mut self, place: &str, claimed: &Json, found: &Part) {
        let path = |key: &str| format!("{place}.{key}");
        let members = |key: &str| (claimed.get(key), found.members.get(key));
        for key in ["attestationType", "inputs", "outputs", "transformType"] {
            let (claimed, found) = members(key);
            self.field(&path(key), claimed, found);
        }
        match members("description") {
            (Some(_), None) => self.own_word(&path("description")),
            (claimed, found) => self.field(&path("description"), claimed, found),
        }
        for key in ["geography", "consent"] {
            let (claimed, found) = members(key);
            self.field(&path(key), claimed, found);
            self.left_out(&path(key), claimed, found);
        }
        let (said, given) = members("license");
        self.license(&path("license"), said, given);
        self.left_out(&path("license"), said, given);
        let (said, given) = members("contribution");
        self.contribution(&path("contribution"), said, given);
        self.left_out(&path("contribution"), said, given);
        let said = claimed.get("makotoLevel");
        let given = found.members.get("makotoLevel");
        let level = |value: Option<&Json>| value.and_then(Json::as_str).and_then(level);
        if let Some(given) = level(given) {
            self.claim(&path("makotoLevel"), level(said), given);
        }
    }

    /// A licence is a string or an object; an attestation gives its identifier only.
    fn license(&mut self, path: &str, claimed: Option<&Json>, found: Option<&Json>) {
        let identifier = |license: &Json| match license {
            Json::Object(members) => members.get("identifier").cloned(),
            other => Some(other.clone()),
        };
        let found = found.and_then(identifier);
        self.field(path, claimed.and_then(identifier).as_ref(), found.as_ref());
        if let Some(Json::Object(claimed)) = claimed {
            for (key, _) in claimed.iter().filter(|(key, _)| *key != "identifier") {
                self.own_word(&format!("{path}.{key}"));
            }
        }
    }

    fn contribution(&mut self, path: &str, claimed: Option<&Json>, found: Option<&Json>) {
        let of = |part: Option<&Json>, key: &str| part?.get(key).cloned();
        let count = "recordCount";
        let (said, given) = (of(claimed, count), of(found, count));
        self.field(&format!("{path}.{count}"), said.as_ref(), given.as_ref());
        // Others may have written more digits, or fewer.
        let share = "recordPercentage";
        let (said, given) = (of(claimed, share), of(found, share));
        let tenths = |value: &Option<Json>| match value {
            Some(Json::Number(number)) => Some((number.to_f64() * 10.0).round()),
            _ => None,
        };
        if said.is_none() || tenths(&said) != tenths(&given) {
            self.field(&format!("{path}.{share}"), said.as_ref(), given.as_ref());
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
        let path = "lineageGraph";
        if graph.url.is_some() {
            self.own_word("lineageGraph.url");
        }
        let Some(content) = &graph.content else {
            return;
        };
        let drawing = match graph.format {
            Some(GraphFormat::Mermaid) => Some(Drawing::Mermaid),
            Some(GraphFormat::GraphvizDot) => Some(Drawing::Dot),
            _ => None,
        };
        if drawing.is_some_and(|drawing| content.as_str() == lineage.draw(drawing)) {
            let message = "is the drawing of these attestations";
            return self.check("DBOM", Outcome::Pass, path, message);
        }
        let message = "is not the drawing that the attestations give; do not go by it";
        let generator = dbom.metadata.as_ref().and_then(|m| m.generator.as_ref());
        let is = |text: &Option<AnyText>, expected: &str| {
            text.as_ref().is_some_and(|text| text.as_str() == expected)
        };
        let is_ours = generator
            .is_some_and(|tool| is(&tool.tool, "makoto") && is(&tool.version, TOOL_VERSION));
        // Another program, or another version of this one, may draw the same in another way.
        match is_ours {
            true => self.check("L2.V.9", Outcome::Fail, path, message),
            false => self.skip("DBOM", path, message),
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

/// For each attestation, the title of a step that lists what it made as an input.
fn readers(lineage: &Lineage) -> HashMap<Digest, String> {
    let mut readers = HashMap::new();
    for link in &lineage.links {
        if let Producer::Stage(producer) = link.producer {
            let title = || lineage.stages[link.reader].title();
            readers
                .entry(lineage.stages[producer].id)
                .or_insert_with(title);
        }
    }
    readers
}
