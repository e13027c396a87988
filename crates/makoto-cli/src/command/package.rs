//! Judging a package: every dataset in it, by the statement that came with it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::record::{RecordError, Records, Settings};
use makoto::report::{Check, Level, Outcome, Report, Role, Verdict};
use makoto::validate::refusal;
use makoto::verify::{Asked, Candidates, Evidence, FileEvidence, FolderEvidence};
use makoto_data::{
    ATTESTATION, Dataset, Package, PackageError, PackageTrust, attestation_path, further_name,
};

use crate::dataset::named;
use crate::failure::Failure;
use crate::judge::Judge;
use crate::progress::Bar;
use crate::screen::{self, Detail, Plain};

use super::Output;

/// The verdict on a package.
pub(crate) struct Judged {
    /// On the whole.
    pub(crate) report: Report,
    /// On each dataset, by its name in the package.
    pub(crate) datasets: Vec<(String, Report)>,
}

/// What is asked of a package.
pub(crate) struct AskedOfPackage<'a> {
    pub(crate) level: Option<Level>,
    /// The name that each dataset must have, in which {stem} and {file} stand for its own.
    pub(crate) name: Option<&'a str>,
    /// The one dataset that is to be looked at.
    pub(crate) member: Option<&'a str>,
}

/// Whether the data at `path` is to be judged as a package: a ZIP file without an attestation
/// beside it, which would make it data as any other.
pub(crate) fn is_package(path: &Path) -> Result<bool, Failure> {
    let beside = attestation_path(path)?.symlink_metadata().is_ok();
    Ok(!beside && Package::is_likely(path)?)
}

/// Judges the package at `path`. One that is not sound fails; one that cannot be read within the
/// budget cannot be told.
pub(crate) fn judge(
    path: &Path,
    asked: &AskedOfPackage<'_>,
    judge: &Judge<'_>,
) -> Result<Judged, Failure> {
    match Package::open(path).and_then(|package| judge_open(&package, asked, judge)) {
        Ok(judged) => judged,
        Err(error) => refused(path, error, judge.now()),
    }
}

/// Judges a package that is open.
pub(crate) fn judge_open(
    package: &Package,
    asked: &AskedOfPackage<'_>,
    judge: &Judge<'_>,
) -> Result<Result<Judged, Failure>, PackageError> {
    let now = judge.now();
    let attestations = match Attestation::parse_file(&package.attestation()?) {
        Ok(attestations) => attestations,
        Err(error) => return Ok(Ok(Judged::whole(refusal(&error, now.clone())))),
    };
    let trust = package.unverified_trust()?;
    let mut datasets = package.datasets(trust.as_ref());
    if let Some(member) = asked.member {
        datasets.retain(|dataset| {
            let name = dataset.name().trim_end_matches('/');
            name == member || name.strip_prefix("data/") == Some(member)
        });
    }
    if datasets.is_empty() {
        let message = "the package holds no such data, or none at all";
        let check = Check::new("V3", Outcome::Fail, "", message);
        return Ok(Ok(Judged::whole(Report::from_checks(
            vec![check],
            now.clone(),
        ))));
    }
    let (further, mut strange) = match judge.has_policy() {
        true => further(package)?,
        // Nobody asks for them then.
        false => (Vec::new(), Vec::new()),
    };
    let subjects = subjects_of(&attestations);
    let candidates = Candidates::read(attestations);
    let bar = Bar::reading(package.path());
    let progress = |bytes| bar.add(bytes);
    let mut judged = Vec::new();
    let mut told = HashSet::new();
    let mut members_of: HashMap<Digest, usize> = HashMap::new();
    for dataset in datasets {
        let name = match asked.name.map(|name| name_of(&dataset, name)) {
            Some(Ok(name)) => Some(name),
            Some(Err(failure)) => return Ok(Err(failure)),
            None => None,
        };
        let asked = Asked {
            level: asked.level,
            name: name.as_deref(),
            places: &[],
        };
        let evidence = evidence(package, &dataset, &candidates, &asked, &progress)?;
        let sha256 = evidence.sha256();
        let members = members_of.entry(sha256).or_default();
        *members += 1;
        let subjects = subjects.get(&sha256).copied().unwrap_or_default();
        let uncovered = |what| uncovered(what, &sha256, judge);
        let mut report = match subjects {
            0 => uncovered("no subject of ATTESTATION.json has its sha256"),
            few if few < *members => uncovered("another member has the bytes of that one subject"),
            _ => judge.judge_with(package.path(), &candidates, &evidence, &asked, &further),
        };
        tell_once(&mut report, &mut told);
        judged.push((dataset.name().to_owned(), report));
    }
    strange.extend(trust.map(|trust| brought_along(&trust, package.path(), judge)));
    package.refuse_changed()?;
    let unread = match judge.has_policy() {
        true => 0,
        false => package.further().len(),
    };
    Ok(Ok(Judged::of(judged, unread, strange, now)))
}

/// How many subjects of one statement have each digest, of the statement with the most.
fn subjects_of(attestations: &[Attestation]) -> HashMap<Digest, usize> {
    let mut most = HashMap::new();
    for attestation in attestations {
        let mut own: HashMap<Digest, usize> = HashMap::new();
        for digest in attestation.subjects() {
            *own.entry(digest).or_default() += 1;
        }
        for (digest, count) in own {
            let known = most.entry(digest).or_default();
            *known = count.max(*known);
        }
    }
    most
}

/// Leaves out warnings that were told of an earlier dataset of the same statement in the same words, and
/// failures but for a few: they are about what both have in common, and there may be very many.
fn tell_once(report: &mut Report, told: &mut HashSet<(Option<String>, String, String)>) {
    const FAILURES_AGAIN: usize = 10;
    let mut failures = 0;
    report.checks.retain(|check| match check.outcome {
        Outcome::Pass | Outcome::Skip => true,
        Outcome::Warn | Outcome::Fail => {
            let statement = report.attestation.clone();
            let is_new = told.insert((statement, check.path.clone(), check.message.clone()));
            let is_failure = check.outcome == Outcome::Fail;
            failures += usize::from(is_failure && !is_new);
            is_new || is_failure && failures <= FAILURES_AGAIN
        }
    });
    report.checks.shrink_to_fit();
}

/// The further statements of a package, and the members beside them that are none. These decide
/// nothing; that they are there is told.
fn further(package: &Package) -> Result<(Vec<Attestation>, Vec<Check>), PackageError> {
    let (mut all, mut strange) = (Vec::new(), Vec::new());
    let limits = Limits::DEFAULT;
    let (mut bytes, mut values) = (0, 0);
    for name in package.further() {
        let document = package.document(&name)?;
        bytes += document.len();
        let is_named = |one: &Attestation| further_name(&one.id) == name;
        let read = Attestation::parse_file(&document);
        values += read
            .iter()
            .flatten()
            .map(Attestation::values)
            .sum::<usize>();
        if bytes > limits.sidecar_bytes || values > limits.sidecar_values {
            let what = "has more further statements than an attestation file may hold";
            return Err(PackageError::Budget(what.to_owned()));
        }
        match read {
            Ok(further) if further.iter().all(is_named) => all.extend(further),
            _ => {
                let message = "is not the attestation that its name says, and proves nothing";
                strange.push(Check::new("V1", Outcome::Warn, &name, message));
            }
        }
    }
    Ok((all, strange))
}

/// What is said of a policy that came along. Whoever reads the members must know that it is no data.
fn brought_along(trust: &PackageTrust, package: &Path, judge: &Judge<'_>) -> Check {
    if judge.package_trust() == Some(trust.digest()) {
        let message = format!(
            "judged by the policy that came along, sha256:{}, as was asked for",
            trust.digest()
        );
        return Check::new("L2.V.4", Outcome::Pass, "trust/", message);
    }
    let members: Vec<_> = trust.members().map(|(name, _)| name).collect();
    let (package, names) = (package.to_string_lossy(), members.join(", "));
    screen::note(format!(
        "note: {} brings a policy along, which is no data and decides nothing: {}",
        Plain(&package),
        Plain(&names)
    ));
    let message = "a policy that came along decides nothing; --package-trust judges by one whose digest is \
                   known from elsewhere";
    Check::new("L2.V.4", Outcome::Skip, "trust/", message)
}

/// The name that `typed` gives a dataset.
fn name_of(dataset: &Dataset, typed: &str) -> Result<String, Failure> {
    let is_folder = matches!(dataset, Dataset::Folder { .. });
    let name = dataset.name().trim_end_matches('/');
    named(Path::new(name), is_folder, typed)
}

fn uncovered(what: &str, sha256: &Digest, judge: &Judge<'_>) -> Report {
    let message = format!("is not attested: {what}, {sha256}");
    let mut checks = vec![Check::new("V3", Outcome::Fail, "", message)];
    if judge.has_policy() {
        let message = format!("nothing that was signed is what the data is, sha256 {sha256}");
        let check = Check::new("L2.V.10", Outcome::Fail, "", message);
        checks.push(check.role(Role::Consequence));
    }
    Report::from_checks(checks, judge.now().clone())
}

/// What is found in a dataset when it is read as the statement about it says.
fn evidence(
    package: &Package,
    dataset: &Dataset,
    candidates: &Candidates,
    asked: &Asked<'_>,
    progress: &makoto_data::Progress<'_>,
) -> Result<Evidence, PackageError> {
    let member = match dataset {
        Dataset::File { member } => member,
        Dataset::Folder { prefix } => {
            let found = package.digest_folder(prefix, progress)?;
            // What the statement leaves out was not packed.
            let reading = candidates.folder_reading_for(&found.dir_hash(), asked.name);
            let reading = reading.unwrap_or_default();
            let records = match &reading.settings {
                Some(settings) => Some(package.count_table(prefix, settings.format, &|_| {})?),
                None => None,
            };
            return Ok(Evidence::Folder(Box::new(FolderEvidence {
                found,
                stored: None,
                unlisted: None,
                reading,
                excluded: 0,
                records,
            })));
        }
    };
    let to_try = candidates.settings_to_try(asked.name).cloned();
    let mut found = package.digest(member, to_try.as_ref(), progress)?;
    let mut counted_with = to_try;
    let wanted = candidates
        .settings_for(&found.sha256, asked.name)
        .flatten()
        .cloned();
    if wanted != counted_with {
        found = package.digest(member, wanted.as_ref(), &|_| {})?;
        counted_with = wanted;
    }
    let records: Option<(Settings, Result<Records, RecordError>)> = counted_with.zip(found.records);
    Ok(Evidence::File(Box::new(FileEvidence {
        sha256: found.sha256,
        bytes: found.bytes,
        records,
    })))
}

/// By what the datasets were judged, with everyone who signed one of them.
fn judged(datasets: &[(String, Report)]) -> Option<makoto::report::Judged> {
    let mut all = datasets
        .iter()
        .filter_map(|(_, report)| report.judged.as_ref());
    let mut judged = all.next()?.clone();
    for signer in all.flat_map(|other| &other.signers) {
        if !judged.signers.contains(signer) {
            judged.signers.push(signer.clone());
        }
    }
    Some(judged)
}

/// The report on a package that is not sound, or the failure to read it.
fn refused(path: &Path, error: PackageError, now: &DateTime) -> Result<Judged, Failure> {
    let shown = path.to_string_lossy();
    let message = format!("no attestation lies beside {shown}, and it {error}");
    let report = match error {
        PackageError::Form(_) => {
            let check = Check::new("V1", Outcome::Fail, "", message);
            Report::from_checks(vec![check], now.clone())
        }
        PackageError::Budget(_) => {
            let check = Check::new("V1", Outcome::Skip, "", message);
            Report::unknown(check, now.clone())
        }
        PackageError::Data(error) => return Err(error.into()),
        PackageError::Io(error) => {
            let shown = Plain(&shown);
            return Err(Failure::usage(format!("cannot read {shown}: {error}")));
        }
    };
    Ok(Judged::whole(report))
}

impl Judged {
    fn whole(report: Report) -> Self {
        Self {
            report,
            datasets: Vec::new(),
        }
    }

    /// The verdict on all: as good as the worst.
    fn of(
        datasets: Vec<(String, Report)>,
        unread: usize,
        strange: Vec<Check>,
        now: &DateTime,
    ) -> Self {
        let message = format!("the package has one {ATTESTATION}");
        let mut checks = vec![Check::new("V1", Outcome::Pass, ATTESTATION, message)];
        for (name, report) in &datasets {
            checks.extend(report.checks.iter().map(|check| Check {
                path: format!("{name} {}", check.path).trim_end().to_owned(),
                ..check.clone()
            }));
        }
        if unread > 0 {
            let message =
                format!("{unread} further statement(s) in the package were not looked at");
            checks.push(Check::new(
                "L2.V.9",
                Outcome::Skip,
                "attestations/",
                message,
            ));
        }
        checks.extend(strange);
        let mut report = Report::from_checks(checks, now.clone());
        let has = |verdict| datasets.iter().any(|(_, report)| report.verdict == verdict);
        report.verdict = match (has(Verdict::Fail), has(Verdict::Unknown)) {
            (true, _) => Verdict::Fail,
            (_, true) => Verdict::Unknown,
            _ => Verdict::Pass,
        };
        if report.verdict == Verdict::Pass {
            report.level = datasets.iter().filter_map(|(_, report)| report.level).min();
            let lineages = datasets.iter().map(|(_, report)| report.lineage_level);
            report.lineage_level = lineages.min().flatten();
        }
        report.judged = judged(&datasets);
        // Nobody signed all of it.
        if let (Verdict::Fail, Some(judged)) = (report.verdict, &mut report.judged) {
            judged.signers.clear();
        }
        if let [(name, only)] = datasets.as_slice() {
            report.attestation = only.attestation.clone();
            report.subject = only.subject.clone();
            if let Some(subject) = &mut report.subject {
                subject.member = Some(name.clone());
            }
        }
        report.facts = datasets
            .iter()
            .flat_map(|(name, report)| {
                report.facts.iter().map(move |fact| makoto::report::Fact {
                    path: format!("{name} {}", fact.path),
                    ..fact.clone()
                })
            })
            .collect();
        Self { report, datasets }
    }

    /// Shows the verdict. Returns the exit status.
    pub(crate) fn show(&self, path: &Path, output: Output, detail: Detail) {
        let shown = path.to_string_lossy();
        match (output, self.datasets.as_slice()) {
            (Output::Json, _) => screen::json(&self.to_json()),
            (_, []) => screen::report(&shown, &self.report, detail),
            (_, datasets) => {
                for (name, report) in datasets {
                    screen::report(&format!("{shown} {name}"), report, detail);
                }
                if datasets.len() > 1 {
                    let passed = datasets.iter().filter(|(_, r)| r.verdict == Verdict::Pass);
                    let (passed, all) = (passed.count(), datasets.len());
                    let shown = Plain(&shown);
                    screen::result(format!("{shown}: {passed} of {all} datasets pass"));
                }
            }
        }
    }

    fn to_json(&self) -> Json {
        let members = self.datasets.iter().map(|(name, report)| {
            let subject = report.subject.as_ref().map(|subject| subject.name.as_str());
            Json::from([
                ("name", name.as_str().into()),
                ("verdict", report.verdict.as_str().into()),
                ("subject", subject.into()),
                ("attestation", report.attestation.clone().into()),
            ])
        });
        let mut json = self.report.to_json();
        if let Json::Object(object) = &mut json {
            object.insert("members", members.collect());
        }
        json
    }
}
