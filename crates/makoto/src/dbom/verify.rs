//! Checking a DBOM against the attestations that it names: everything that can be worked out
//! again is, and what the document claims of itself counts for nothing.

use super::Dbom;
use super::create::{Bill, NoDbom};
use crate::attestation::Attestation;
use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::json::Json;
use crate::limits::Limits;
use crate::lineage::{Direction, Library, Lineage, Reach, Told};
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
        checks: findings.into_checks().into(),
        now,
        unknown: false,
        failed: false,
    };
    let Some(dbom) = read.filter(|_| !failed) else {
        return examination.report(None, None);
    };
    if asked.level > Level::L1 {
        let message = format!(
            "the DBOM is unsigned, and {} needs a signature",
            asked.level
        );
        examination.push(fail("L2.P.1", "", &message));
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
    lineage
        .checks
        .iter()
        .cloned()
        .for_each(|check| examination.push(check));
    match Bill::of(&lineage) {
        Ok(bill) => examination.compare(&value, &dbom, &bill, &lineage),
        Err(NoDbom::Conflict(why)) => {
            examination.push(fail("D1", "", &why));
        }
        // The findings of the walk say why.
        Err(NoDbom::Incomplete(_) | NoDbom::Contradiction(_)) => examination.unknown = true,
    }
    examination.report(Some(&dbom), lineage.level())
}

pub(super) struct Examination {
    checks: Told,
    pub(super) now: DateTime,
    /// Whether something could not be told.
    unknown: bool,
    pub(super) failed: bool,
}

impl Examination {
    pub(super) fn push(&mut self, check: Check) {
        self.failed |= check.outcome == Outcome::Fail;
        self.checks.push(check);
    }

    pub(super) fn check(
        &mut self,
        id: &'static str,
        outcome: Outcome,
        path: &str,
        message: impl Into<String>,
    ) {
        self.push(Check::new(id, outcome, path, message));
    }

    pub(super) fn skip(&mut self, id: &'static str, path: &str, message: impl Into<String>) {
        self.unknown = true;
        self.check(id, Outcome::Skip, path, message);
    }

    fn report(self, dbom: Option<&Dbom>, level: Option<Level>) -> Report {
        let mut report = Report::from_checks(self.checks.into_checks("DBOM"), self.now);
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
                self.push(check.compared(found.to_string(), declared.to_string()));
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
}
