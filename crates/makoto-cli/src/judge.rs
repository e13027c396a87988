//! Judging data: by no policy, or by the one that the caller names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::report::{Judged, Report};
use makoto::verify::{Asked, Attestations, Candidates, Evidence, Trust, verify};
use makoto_data::Catalog;

use crate::catalog::{CatalogArgs, folder_of};
use crate::clock;
use crate::failure::Failure;
use crate::object;
use crate::trust::to_judge_by;

/// By what data is judged.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct PolicyArgs {
    /// Judge by this policy, which names whom to trust for which data (see `makoto policy`);
    /// nothing that lies beside the data is ever taken for one
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Judge as of this time (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", requires = "policy")]
    at: Option<String>,
}

/// Whoever judges data. Made once for a command, whatever the number of datasets.
pub(crate) struct Judge<'a> {
    court: Option<Court>,
    now: DateTime,
    /// Where attestations of inputs are looked for.
    places: Option<&'a CatalogArgs>,
    /// What was found there, by the folder of the data.
    catalogs: Mutex<HashMap<PathBuf, Arc<Catalog>>>,
}

/// A policy, with the folder that its paths start from.
struct Court {
    trust: Trust,
    folder: PathBuf,
}

impl<'a> Judge<'a> {
    /// Reads the policy and everything that it names.
    pub(crate) fn new(args: &PolicyArgs, places: &'a CatalogArgs) -> Result<Self, Failure> {
        let now = match &args.at {
            None => clock::now()?,
            Some(text) => {
                DateTime::parse(text).map_err(|error| Failure::usage(format!("--at: {error}")))?
            }
        };
        let court = args.policy.as_deref().map(|policy| {
            let folder = folder_of(policy);
            let folder = folder.canonicalize().map_err(|error| {
                Failure::usage(format!("cannot read the policy's folder: {error}"))
            })?;
            let trust = to_judge_by(policy, &now)?;
            Ok::<_, Failure>(Court { trust, folder })
        });
        Ok(Self {
            court: court.transpose()?,
            now,
            places: Some(places),
            catalogs: Mutex::default(),
        })
    }

    /// One that trusts nobody, and gives L1 at most.
    pub(crate) fn without_policy(now: DateTime) -> Self {
        Self {
            court: None,
            now,
            places: None,
            catalogs: Mutex::default(),
        }
    }

    /// The time by which it judges.
    pub(crate) fn now(&self) -> &DateTime {
        &self.now
    }

    /// Says of a verdict by which policy it came about, also where nobody's signature was looked at.
    pub(crate) fn signs(&self, report: &mut Report) {
        if let (Some(court), None) = (&self.court, &report.judged) {
            report.judged = Some(Judged {
                policy: court.trust.policy().digest(),
                trusted_root: *court.trust.root_digest(),
                signers: Vec::new(),
            });
        }
    }

    /// The verdict on what was found in the data at `path`.
    pub(crate) fn judge(
        &self,
        path: &Path,
        candidates: &Candidates,
        evidence: &Evidence,
        asked: &Asked<'_>,
    ) -> Report {
        let Some(court) = &self.court else {
            return verify(candidates, evidence, asked, self.now.clone());
        };
        let place = court.place_of(path);
        let asked = Asked {
            path: place.as_deref(),
            ..*asked
        };
        let mut inputs = Inputs { judge: self, path };
        let now = self.now.clone();
        court
            .trust
            .verify(candidates, evidence, &asked, &mut inputs, now)
    }

    /// Everything that may hold attestations of the inputs of the data at `path`.
    fn catalog(&self, path: &Path) -> Result<Arc<Catalog>, Failure> {
        // Data that comes from elsewhere has no neighbours here.
        let near = path.exists().then_some(path);
        let folder = near.map_or_else(PathBuf::new, folder_of);
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = catalogs.get(&folder) {
            return Ok(Arc::clone(known));
        }
        let near: Vec<_> = near.into_iter().collect();
        let catalog = match self.places {
            Some(places) => places.catalog(&near)?,
            None => Catalog::new(),
        };
        let catalog = Arc::new(catalog);
        catalogs.insert(folder, Arc::clone(&catalog));
        Ok(catalog)
    }
}

impl Court {
    /// The data's path as the policy writes it: relative to its folder, or a URL. Of data that
    /// lies elsewhere, nothing: no rule speaks of it by its path.
    fn place_of(&self, path: &Path) -> Option<String> {
        // Standard input is nowhere, whatever a file is called.
        if path == Path::new("-") {
            return None;
        }
        if object::is_url(path) {
            return path.to_str().map(str::to_owned);
        }
        let place = path.canonicalize().ok()?;
        let place = place.strip_prefix(&self.folder).ok()?;
        place.to_str().map(str::to_owned)
    }
}

/// The attestations of inputs, looked for when a statement has any.
struct Inputs<'a> {
    judge: &'a Judge<'a>,
    path: &'a Path,
}

impl Attestations for Inputs<'_> {
    fn with_id(&mut self, id: &Digest) -> Result<Vec<Attestation>, String> {
        let catalog = self
            .judge
            .catalog(self.path)
            .map_err(|failure| failure.message)?;
        let found = catalog.with_id(id).map_err(|error| error.to_string())?;
        let all = found.map(|found| {
            let mut all = found.further;
            all.insert(0, found.attestation);
            all
        });
        Ok(all.unwrap_or_default())
    }
}
