//! What is known of data before it is judged: the attestation beside it, and stores to ask.

use std::borrow::Cow;
use std::path::PathBuf;

use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::report::{Check, Outcome, Report};
use makoto::validate::refusal;
use makoto::verify::Candidates;
use makoto_data::{Catalog, Sidecar, SidecarError};

use super::newest_last;
use crate::failure::Failure;
use crate::screen::Plain;

/// An attestation file, and stores in which there may be more about the same data.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    path: PathBuf,
    beside: Option<Vec<Attestation>>,
    /// The statements beside the data.
    candidates: Candidates,
    stores: &'a Catalog,
}

impl<'a> Known<'a> {
    /// Reads the attestation file at `path`, or reports why there is nothing to judge by.
    pub(crate) fn read(
        path: PathBuf,
        stores: &'a Catalog,
        now: &DateTime,
    ) -> Result<Result<Self, Box<Report>>, Failure> {
        let report = |report| Ok(Err(Box::new(report)));
        let beside = match Sidecar::at(path.clone()).read() {
            Ok(Some(bytes)) => match Attestation::parse_file(&bytes) {
                Ok(attestations) => Some(attestations),
                Err(error) => return report(refusal(&error, now.clone())),
            },
            Ok(None) => None,
            Err(SidecarError::TooLarge { limit, .. }) => {
                let message = format!("the attestation is larger than {limit} bytes");
                let check = Check::new("V1", Outcome::Skip, "", message);
                return report(Report::unknown(check, now.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let known = Self {
            path,
            candidates: Candidates::read(beside.clone().unwrap_or_default()),
            beside,
            stores,
        };
        if known.beside.is_none() && known.stores.is_empty() {
            return report(known.absent("", now));
        }
        Ok(Ok(known))
    }

    /// The statements beside the data, which say how to read it.
    pub(crate) fn beside(&self) -> &Candidates {
        &self.candidates
    }

    /// Every statement by which data of this digest may be judged, or the report that there is
    /// none. What lies beside the data counts before what is in a store.
    pub(crate) fn candidates(
        &self,
        sha256: &Digest,
        now: &DateTime,
    ) -> Result<Result<Cow<'_, Candidates>, Box<Report>>, Failure> {
        let mut all = newest_last(self.stores, sha256)?;
        match (&self.beside, all.is_empty()) {
            (Some(_), true) => Ok(Ok(Cow::Borrowed(&self.candidates))),
            (Some(beside), false) => {
                all.extend(beside.iter().cloned());
                Ok(Ok(Cow::Owned(Candidates::read(all))))
            }
            (None, false) => Ok(Ok(Cow::Owned(Candidates::read(all)))),
            (None, true) => {
                let about = format!(", and nothing about sha256 {sha256} in a store");
                Ok(Err(Box::new(self.absent(&about, now))))
            }
        }
    }

    /// Adds to the report that its statement was found elsewhere than beside the data. Returns
    /// what a person is told of it.
    pub(crate) fn add_place(
        &self,
        sha256: &Digest,
        report: &mut Report,
    ) -> Result<Option<String>, Failure> {
        let Some(id) = report.attestation.clone() else {
            return Ok(None);
        };
        let is_it = |one: &Attestation| format!("sha256:{}", one.id) == id;
        let beside = self.beside.as_deref().unwrap_or_default();
        if beside.iter().any(is_it) {
            return Ok(None);
        }
        let found = self.stores.about(sha256)?;
        let Some(found) = found.iter().find(|found| is_it(&found.attestation)) else {
            return Ok(None);
        };
        let place = found.places.first();
        let message = place.map(|place| format!("the statement was found in a store, at {place}"));
        if let Some(message) = &message {
            let check = Check::new("V1", Outcome::Pass, "", message.as_str());
            report.checks.push(check);
        }
        if self.beside.is_some() {
            let message = format!("{} is about other bytes", self.path.display());
            report
                .checks
                .push(Check::new("V3", Outcome::Warn, "", message));
        }
        Ok(message.map(|message| format!("note: {}", Plain(&message))))
    }

    fn absent(&self, more: &str, now: &DateTime) -> Report {
        let shown = self.path.to_string_lossy();
        let message = format!("no attestation: there is no file {shown}{more}");
        let check = Check::new("V1", Outcome::Fail, "", message);
        Report::from_checks(vec![check], now.clone())
    }
}
