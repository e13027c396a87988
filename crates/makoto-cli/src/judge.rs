//! Judging data: by no policy, or by the one that the caller names.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::report::{Judged, Report};
use makoto::verify::{Asked, Attestations, Candidates, Evidence, Trust, verify};
use makoto_client::reference::References;
use makoto_data::{Catalog, PackageTrust};

use crate::catalog::{CatalogArgs, folder_of};
use crate::clock;
use crate::failure::Failure;
use crate::object;
use crate::package_trust;
use crate::policy_files::PolicyFiles;
use crate::trust::to_judge_by;

/// By what data is judged.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct PolicyArgs {
    /// Judge by this policy, which names whom to trust for which data (see `makoto policy`);
    /// nothing that lies beside the data is ever taken for one
    #[arg(long, value_name = "FILE", group = "judged_by")]
    policy: Option<PathBuf>,

    /// Judge a package by the policy that came along in it, if it has this digest, which you know
    /// from elsewhere; without it, what a package brings along decides nothing
    #[arg(long, value_name = "sha256:DIGEST", group = "judged_by", value_parser = typed_digest)]
    package_trust: Option<Digest>,

    /// Judge as of this time (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", requires = "judged_by")]
    at: Option<String>,
}

fn typed_digest(text: &str) -> Result<Digest, String> {
    let hex = text.strip_prefix("sha256:");
    let hex = hex.ok_or("needed sha256: and 64 hex digits, as `makoto pack` prints them")?;
    hex.parse()
        .map_err(|error: makoto::digest::NotADigest| error.to_string())
}

/// Whoever judges data. Made once for a command, whatever the number of datasets.
pub(crate) struct Judge<'a> {
    court: Option<Court>,
    now: DateTime,
    /// Where attestations of inputs are looked for. Without any, nobody is asked for one either.
    places: Option<&'a CatalogArgs>,
    /// What was found there, by the folder of the data.
    catalogs: Mutex<HashMap<PathBuf, Arc<Catalog>>>,
}

/// A policy, with the folder that its paths start from.
struct Court {
    trust: Trust,
    /// The folder as it is called, and where it lies. None when it came in a package: no data is
    /// below it.
    folders: Vec<PathBuf>,
    /// The digest by which it was named, if it came in a package.
    packed: Option<Digest>,
}

impl<'a> Judge<'a> {
    /// Reads the policy and everything that it names, from the one dataset if that is what brings it
    /// along.
    pub(crate) fn new(
        args: &PolicyArgs,
        places: &'a CatalogArgs,
        one: Option<&Path>,
    ) -> Result<Self, Failure> {
        let now = match &args.at {
            None => clock::now()?,
            Some(text) => {
                DateTime::parse(text).map_err(|error| Failure::usage(format!("--at: {error}")))?
            }
        };
        let court = match (&args.policy, &args.package_trust, one) {
            (Some(policy), ..) => Some(Court::beside(policy, &now)?),
            (None, Some(digest), Some(package)) => {
                let trust = package_trust::open(package, digest)?;
                Some(Court::packed(package, &trust, &now)?)
            }
            (None, Some(_), None) => {
                return Err(Failure::usage("--package-trust is about one package")
                    .hint("verify each package with the digest of its own policy"));
            }
            (None, None, _) => None,
        };
        Ok(Self {
            court,
            now,
            places: Some(places),
            catalogs: Mutex::default(),
        })
    }

    /// One that judges `package` by what it brings along.
    pub(crate) fn of_package(
        package: &Path,
        trust: &PackageTrust,
        now: DateTime,
    ) -> Result<Self, Failure> {
        Ok(Self {
            court: Some(Court::packed(package, trust, &now)?),
            ..Self::without_policy(now)
        })
    }

    /// The digest of the policy in a package, if that is what it judges by.
    pub(crate) fn package_trust(&self) -> Option<&Digest> {
        self.court.as_ref()?.packed.as_ref()
    }

    /// Whether it judges by a policy.
    pub(crate) fn has_policy(&self) -> bool {
        self.court.is_some()
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
        if let (Some((policy, root)), None) = (self.digests(), &report.judged) {
            report.judged = Some(Judged::by_nobody(policy, root));
        }
    }

    /// Says the same of what stopped before there was a verdict.
    pub(crate) fn signs_failure(&self, failure: Failure) -> Failure {
        match self.digests() {
            Some((policy, root)) => failure.judged_by(policy, root),
            None => failure,
        }
    }

    /// Digests of the policy and of its trusted root.
    fn digests(&self) -> Option<(Digest, Digest)> {
        let trust = &self.court.as_ref()?.trust;
        Some((trust.policy().digest(), *trust.root_digest()))
    }

    /// The verdict on what was found in the data at `path`.
    pub(crate) fn judge(
        &self,
        path: &Path,
        candidates: &Candidates,
        evidence: &Evidence,
        asked: &Asked<'_>,
    ) -> Report {
        self.judge_with(path, candidates, evidence, asked, &[])
    }

    /// The same, where attestations of inputs may come along as well.
    pub(crate) fn judge_with(
        &self,
        path: &Path,
        candidates: &Candidates,
        evidence: &Evidence,
        asked: &Asked<'_>,
        further: &[Attestation],
    ) -> Report {
        let Some(court) = &self.court else {
            return verify(candidates, evidence, asked, self.now.clone());
        };
        let places = court.places_of(path);
        let asked = Asked {
            places: &places,
            ..*asked
        };
        let mut inputs = Inputs {
            judge: self,
            path,
            further,
            references: self.places.map(|_| References::default()),
        };
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
    fn beside(policy: &Path, now: &DateTime) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::usage(format!("cannot read the policy's folder: {error}"))
        };
        let folder = folder_of(policy);
        let called = std::path::absolute(&folder).map_err(unreadable)?;
        let folder = folder.canonicalize().map_err(unreadable)?;
        Ok(Self {
            trust: to_judge_by(PolicyFiles::At(policy), now)?,
            folders: vec![folded(&called), folder],
            packed: None,
        })
    }

    fn packed(package: &Path, trust: &PackageTrust, now: &DateTime) -> Result<Self, Failure> {
        Ok(Self {
            trust: to_judge_by(PolicyFiles::Packed { package, trust }, now)?,
            folders: Vec::new(),
            packed: Some(*trust.digest()),
        })
    }

    /// The data's places as the policy writes them: relative to its folder, or a URL. Data that is
    /// reached by links has several, and the rules for all of them count: who puts a link chooses
    /// where it leads. Of data that lies elsewhere, none: no rule speaks of it by its path.
    fn places_of(&self, path: &Path) -> Vec<String> {
        // Standard input is nowhere, whatever a file is called.
        if path == Path::new("-") {
            return Vec::new();
        }
        if object::is_url(path) {
            return path.to_str().map(str::to_owned).into_iter().collect();
        }
        let mut places = Vec::new();
        for name in names_of(path) {
            for folder in &self.folders {
                let Ok(place) = name.strip_prefix(folder) else {
                    continue;
                };
                let place = place.to_string_lossy().into_owned();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }
}

/// Every absolute name that a path has on the way to where it lies: as it is called, once more for
/// each link, and without any.
fn names_of(path: &Path) -> Vec<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let Ok(called) = std::path::absolute(path) else {
        return Vec::new();
    };
    let mut names = vec![folded(&called)];
    let (mut done, mut rest) = (PathBuf::new(), called);
    let mut links = 0;
    while let Some(part) = rest.components().next() {
        let after = rest.strip_prefix(part).unwrap_or(Path::new("")).to_owned();
        match part {
            Component::Normal(_) => {
                let next = done.join(part);
                match next.read_link() {
                    Ok(target) if links < MOST_LINKS => {
                        links += 1;
                        names.push(folded(&next.join(&after)));
                        // A target that is absolute begins anew.
                        rest = done.join(target).join(&after);
                        done = PathBuf::new();
                        continue;
                    }
                    _ => done = next,
                }
            }
            Component::ParentDir => drop(done.pop()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => done.push(part),
        }
        rest = after;
    }
    names.push(done);
    names
}

/// A path without `.` and `..`, as it is written.
fn folded(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(folded.pop()),
            part => folded.push(part),
        }
    }
    folded
}

/// The attestations of inputs, looked for when a statement has any.
struct Inputs<'a> {
    judge: &'a Judge<'a>,
    path: &'a Path,
    /// Those that came along.
    further: &'a [Attestation],
    /// Those that lie elsewhere, where anybody may be asked.
    references: Option<References>,
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
        let mut all = all.unwrap_or_default();
        all.extend(self.further.iter().filter(|one| one.id == *id).cloned());
        Ok(all)
    }

    fn at(
        &mut self,
        reference: &str,
        hosts: &[String],
    ) -> Result<Option<Vec<Attestation>>, String> {
        let Some(references) = &mut self.references else {
            return Ok(None);
        };
        let followed = references.follow(reference, hosts);
        followed.map_err(|error| error.to_string())
    }
}
