use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::lineage::{Direction, Lineage, Reach};
use makoto::manifest::check_path;
use makoto::report::{Outcome, Verdict};
use makoto_data::{
    ATTESTATION, Catalog, Links, PackageTrust, PackageWriter, Recursion, attestation_path,
    digest_file, further_name, list_folder, member_path, one_line,
};

use super::Output;
use super::package::{AskedOfPackage, Judged, judge_open};
use super::store::StoreArgs;
use crate::catalog::folder_of;
use crate::clock;
use crate::dataset::{refuse_overwriting, same_file};
use crate::failure::Failure;
use crate::judge::Judge;
use crate::package_trust::collect;
use crate::progress::Bar;
use crate::screen::{self, Plain};
use crate::table::attested_folder;
use crate::trust::beside;

/// Put data and its attestations into one ZIP file
///
/// For where there is no network: `makoto verify P.zip` reads everything from the package. Only
/// data that is what its attestation says is packed. The attestations of everything that the
/// data was made from come along, as far as they are found; what is missing is told. The same
/// data and attestations give the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto pack orders.csv -o orders.zip
  makoto pack orders.csv parts/ -o delivery.zip --store /srv/attestations
  makoto pack orders.csv -o orders.zip --policy policy.toml
  makoto verify delivery.zip")]
pub(crate) struct Pack {
    /// Files and folders
    #[arg(required = true, value_name = "DATA")]
    data: Vec<PathBuf>,

    /// The package
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Also look for attestations in this folder and those below it (repeatable)
    #[arg(long = "in", value_name = "DIR")]
    folders: Vec<PathBuf>,

    #[command(flatten)]
    store: StoreArgs,

    /// Judge the data by this policy, and take it along with everything that it names; it counts for
    /// whoever is told its digest (see `makoto verify --package-trust`)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The name that the data must have by that policy, in which {stem} and {file} stand for each
    /// dataset's own
    #[arg(long = "as", value_name = "NAME", requires = "policy")]
    name: Option<String>,

    /// Replace a file that is there
    #[arg(long)]
    replace: bool,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    follow: bool,
}

/// A dataset that is to be packed, with what attests it.
struct Item {
    path: PathBuf,
    sha256: Digest,
    /// Each file: its name in the package, where it is, and its SHA-256.
    files: Vec<(String, PathBuf, Digest)>,
    documents: Vec<Vec<u8>>,
}

impl Pack {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        self.refuse_collisions()?;
        let items: Result<Vec<_>, _> = self.data.iter().map(|path| self.item(path)).collect();
        let mut items = items?;
        items.sort_by(|a, b| a.files[0].0.cmp(&b.files[0].0));
        let attestation = joined(items.iter().flat_map(|item| &item.documents))?;
        let mut members = BTreeMap::new();
        for (name, path, sha256) in items.iter().flat_map(|item| &item.files) {
            if members.insert(name.as_str(), (path, sha256)).is_some() {
                let name = Plain(name);
                return Err(
                    Failure::usage(format!("two datasets would be named {name}"))
                        .hint("pack them into two packages, or rename one"),
                );
            }
        }
        let trust = self.policy.as_deref().map(collect).transpose()?;
        self.refuse_overwriting(trust.as_ref())?;
        let catalog = self.catalog_of_all()?;
        let history = History::of(&items, &attestation, catalog, members.len());
        history.warn();
        let cannot = |error: std::io::Error| self.cannot_write(&error);
        let mut package = PackageWriter::at(&self.output).map_err(cannot)?;
        let mut add = |name: &str, bytes: &[u8]| {
            let write = |to: &mut (dyn Write + Send)| to.write_all(bytes);
            package.add(name, write, |error| error).map_err(cannot)
        };
        add(ATTESTATION, &attestation)?;
        let mut private = Vec::new();
        for id in &history.further {
            if let Some(found) = history.catalog.with_id(id)? {
                add(&further_name(id), &joined(&found.documents)?)?;
                private.extend(found.places);
            }
        }
        for (name, (path, sha256)) in &members {
            let bar = Bar::reading(path);
            let copy = |to: &mut (dyn Write + Send)| {
                let digest = digest_file(path, None, &|bytes| bar.add(bytes), Some(to))?;
                match digest.sha256 == **sha256 {
                    true => Ok(()),
                    false => Err(changed(path)),
                }
            };
            package.add(name, copy, cannot)?;
        }
        for (name, bytes) in trust.iter().flat_map(PackageTrust::members) {
            let write = |to: &mut (dyn Write + Send)| to.write_all(bytes);
            package.add(&name, write, |error| error).map_err(cannot)?;
        }
        let (package, file) = package
            .finish(&self.output)
            .map_err(|error| self.unsound(&error))?;
        // What a reader would refuse is not written.
        let asked = AskedOfPackage {
            level: None,
            name: self.name.as_deref(),
            member: None,
        };
        let now = clock::now()?;
        let judge = match &trust {
            Some(trust) => Judge::of_package(&self.output, trust, now)?,
            None => Judge::without_policy(now),
        };
        let judged =
            judge_open(&package, &asked, &judge).map_err(|error| self.unsound(&error))??;
        refuse_unless_passed(&judged, output)?;
        // What came from a file that few may read stays among them.
        let mut readers: Vec<_> = items.iter().map(|item| item.path.as_path()).collect();
        readers.extend(private.iter().map(|place| place.file()));
        let named = self.named_by_policy(trust.as_ref());
        readers.extend(named.iter().map(PathBuf::as_path));
        file.keep_for_readers_of(&readers).map_err(cannot)?;
        self.tell(
            output,
            &attestation,
            &members.into_keys().collect::<Vec<_>>(),
            &history,
            trust.as_ref(),
        );
        Ok(0)
    }

    /// The policy, and the files that it names.
    fn named_by_policy(&self, trust: Option<&PackageTrust>) -> Vec<PathBuf> {
        let Some(policy) = &self.policy else {
            return Vec::new();
        };
        let names = trust.into_iter().flat_map(PackageTrust::names);
        let named = names.map(|name| beside(policy, name));
        named.chain([policy.clone()]).collect()
    }

    /// Refuses to write where something is that is read, or that is no plain file.
    fn refuse_overwriting(&self, trust: Option<&PackageTrust>) -> Result<(), Failure> {
        let mut reads = self.named_by_policy(trust);
        for data in &self.data {
            reads.push(attestation_path(data)?);
        }
        let reads: Vec<_> = reads.iter().map(PathBuf::as_path).collect();
        refuse_overwriting("--output", &self.output, &reads)
    }

    fn refuse_collisions(&self) -> Result<(), Failure> {
        let shown = self.output.to_string_lossy();
        let shown = Plain(&shown);
        let output = std::path::absolute(&self.output).unwrap_or_else(|_| self.output.clone());
        let folder = output
            .parent()
            .and_then(|folder| folder.canonicalize().ok());
        for data in &self.data {
            let canonical = data.canonicalize();
            let inside = canonical.is_ok_and(|data| {
                data.is_dir()
                    && folder
                        .as_ref()
                        .is_some_and(|folder| folder.starts_with(&data))
            });
            if inside || same_file(data, &self.output) {
                return Err(Failure::usage(format!(
                    "{shown} is, or lies in, the data to be packed"
                ))
                .hint("name another file for the package"));
            }
        }
        if self.output.symlink_metadata().is_ok() && !self.replace {
            return Err(Failure::contradiction(format!("{shown} is there already"))
                .hint("--replace writes the package in its place"));
        }
        Ok(())
    }

    /// Hashes the data at `path` and finds what attests it.
    fn item(&self, path: &Path) -> Result<Item, Failure> {
        let shown = Plain(&path.to_string_lossy()).to_string();
        let named = match path.file_name() {
            Some(name) => name.to_owned(),
            None => path
                .canonicalize()
                .ok()
                .and_then(|path| Some(path.file_name()?.to_owned()))
                .unwrap_or_default(),
        };
        let name = named.to_str().filter(|name| check_path(name).is_ok());
        let name = name.ok_or_else(|| {
            Failure::usage(format!("the name of {shown} cannot stand in a package"))
                .hint("rename it")
        })?;
        let links = match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        };
        let catalog = self.catalog(path)?;
        let mut files = Vec::new();
        let sha256 = if path.is_dir() {
            let (folder, exclude) = attested_folder(path, links, &catalog)?;
            let manifest = folder.manifest;
            for file in list_folder(path, links, &exclude)?.files {
                let sha256 = manifest.get(&file.name).ok_or_else(|| changed(path))?;
                let place = member_path(path, &file.name, links)?;
                files.push((format!("data/{name}/{}", file.name), place, *sha256));
            }
            manifest.dir_hash()
        } else {
            let bar = Bar::reading(path);
            let sha256 = digest_file(path, None, &|bytes| bar.add(bytes), None)?.sha256;
            files.push((format!("data/{name}"), path.to_owned(), sha256));
            sha256
        };
        Ok(Item {
            documents: documents(path, &sha256, &catalog)?,
            sha256,
            path: path.to_owned(),
            files,
        })
    }

    /// Everything that may attest the data at `path`.
    fn catalog(&self, path: &Path) -> Result<Catalog, Failure> {
        let mut catalog = self.store.catalog()?;
        catalog.add_sidecar(&attestation_path(path)?)?;
        for folder in &self.folders {
            catalog.add_folder(folder, Recursion::FoldersBelow)?;
        }
        Ok(catalog)
    }

    /// Everything that may hold attestations of what the data was made from.
    fn catalog_of_all(&self) -> Result<Catalog, Failure> {
        let mut catalog = self.store.catalog_so_far()?;
        for path in &self.data {
            catalog.add_sidecar(&attestation_path(path)?)?;
        }
        for path in &self.data {
            catalog.add_folder(&folder_of(path), Recursion::FolderOnly)?;
        }
        for folder in &self.folders {
            catalog.add_folder(folder, Recursion::FoldersBelow)?;
        }
        Ok(catalog)
    }

    fn unsound(&self, error: &makoto_data::PackageError) -> Failure {
        let shown = self.output.to_string_lossy();
        Failure::usage(format!("the package {} {error}", Plain(&shown)))
            .hint("nothing was written; rename the files that are named, or pack fewer")
    }

    fn cannot_write(&self, error: &std::io::Error) -> Failure {
        let shown = self.output.to_string_lossy();
        Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
    }

    fn tell(
        &self,
        output: Output,
        attestation: &[u8],
        members: &[&str],
        history: &History,
        trust: Option<&PackageTrust>,
    ) {
        let shown = self.output.to_string_lossy();
        let statements = Attestation::parse_file(attestation).unwrap_or_default();
        let ids = statements.iter().map(|one| format!("sha256:{}", one.id));
        let further = history.further.iter().map(|id| format!("sha256:{id}"));
        if output == Output::Json {
            screen::json(&Json::from([
                ("package", shown.into_owned().into()),
                ("attestations", ids.map(Json::from).collect()),
                ("members", members.iter().copied().map(Json::from).collect()),
                ("further", further.map(Json::from).collect()),
                ("lineageComplete", history.open.is_empty().into()),
                ("packageTrust", trust.map(digest_of).into()),
            ]));
            return;
        }
        let count = members.len();
        screen::result(format!("{}: {count} file(s) of data", Plain(&shown)));
        ids.for_each(|id| screen::result(format!("  {ATTESTATION}: {id}")));
        if !history.further.is_empty() {
            let count = history.further.len();
            screen::result(format!(
                "  {count} further statement(s) of what it was made from"
            ));
        }
        if let Some(trust) = trust {
            screen::result(format!(
                "  the policy counts for whoever verifies with --package-trust {}",
                digest_of(trust)
            ));
        }
    }
}

/// Refuses to pack what a reader would not accept.
fn refuse_unless_passed(judged: &Judged, output: Output) -> Result<(), Failure> {
    let why = match judged.report.verdict {
        Verdict::Pass => return Ok(()),
        Verdict::Fail => Failure::contradiction("nothing was packed, as it would not pass"),
        Verdict::Unknown => Failure::usage("nothing was packed, as it could not be told to pass"),
    };
    let open = judged.datasets.iter();
    let open = open.filter(|(_, report)| report.verdict != Verdict::Pass);
    match output {
        Output::Text | Output::Aside => {
            open.for_each(|(name, report)| {
                screen::report(name, report, screen::Detail::Findings);
            });
        }
        Output::Json => open.for_each(|(name, report)| {
            screen::note(screen::judged(name, report));
        }),
    }
    Err(why.hint("see `makoto verify` on it"))
}

fn digest_of(trust: &PackageTrust) -> String {
    format!("sha256:{}", trust.digest())
}

fn changed(path: &Path) -> Failure {
    let shown = path.to_string_lossy();
    Failure::usage(format!("{} changed while it was read", Plain(&shown)))
        .hint("wait until nothing writes to it, then run the command again")
}

/// The attestations of what the data was made from.
struct History {
    catalog: Catalog,
    /// Ids of those that are not in the package already.
    further: BTreeSet<Digest>,
    /// Why it is not whole, if it is not.
    open: Vec<String>,
}

/// Findings about a lineage that are told one by one.
const MOST_TOLD: usize = 8;

impl History {
    /// Walks the lineage of each item. `attestation` is what the package has, besides `members`
    /// files.
    fn of(items: &[Item], attestation: &[u8], mut catalog: Catalog, members: usize) -> Self {
        let known = Attestation::parse_file(attestation).unwrap_or_default();
        let known: BTreeSet<_> = known.iter().map(|one| one.id).collect();
        let mut further = BTreeSet::new();
        let mut open = Vec::new();
        for item in items {
            let room = Limits::DEFAULT.package_members;
            let mut reach = Reach::within_limits(None);
            reach.stages = room.saturating_sub(members + further.len() + 1);
            let lineage = Lineage::walk(&mut catalog, item.sha256, Direction::Back, reach);
            let ids = lineage.stages.iter().map(|stage| stage.id);
            further.extend(ids.filter(|id| !known.contains(id)));
            let checks = lineage.checks.iter();
            let checks = checks.filter(|check| {
                check.outcome == Outcome::Fail
                    || check.outcome == Outcome::Skip && !lineage.is_complete()
            });
            open.extend(checks.map(screen::told));
        }
        Self {
            catalog,
            further,
            open,
        }
    }

    fn warn(&self) {
        if self.open.is_empty() {
            return;
        }
        screen::note("warning: the package has not the whole lineage of the data");
        for one in self.open.iter().take(MOST_TOLD) {
            screen::note(format!("  {}", Plain(one)));
        }
        if self.open.len() > MOST_TOLD {
            let more = self.open.len() - MOST_TOLD;
            screen::note(format!("  and {more} more; `makoto lineage` has them all"));
        }
    }
}

/// Documents as one attestation file, each once.
fn joined<'a>(all: impl IntoIterator<Item = &'a Vec<u8>>) -> Result<Vec<u8>, Failure> {
    let mut documents: Vec<&Vec<u8>> = Vec::new();
    for document in all {
        if !documents.contains(&document) {
            documents.push(document);
        }
    }
    // A statement without an envelope is in every envelope of the same id, byte for byte.
    let read: Vec<_> = documents
        .iter()
        .map(|one| Attestation::parse(one))
        .collect();
    let enveloped = read.iter().flatten();
    let enveloped = enveloped.filter(|one| one.unverified_signatures().is_some());
    let enveloped: BTreeSet<_> = enveloped.map(|one| one.id).collect();
    let is_needed =
        |one: &Attestation| one.unverified_signatures().is_some() || !enveloped.contains(&one.id);
    let mut needed = read.iter().map(|one| one.as_ref().is_ok_and(is_needed));
    documents.retain(|_| needed.next().unwrap_or(true));
    if let [only] = documents.as_slice() {
        return Ok((*only).clone());
    }
    let mut lines = Vec::new();
    for document in documents {
        let is_bare =
            Attestation::parse(document).is_ok_and(|one| one.unverified_signatures().is_none());
        if is_bare && document.contains(&b'\n') {
            return Err(Failure::usage(
                "a statement spans several lines, so that it cannot stand beside another in a package",
            )
            .hint("pack each dataset on its own"));
        }
        lines.extend(one_line(document));
        lines.push(b'\n');
    }
    Ok(lines)
}

/// What is said of the data, the newest last.
fn documents(path: &Path, sha256: &Digest, catalog: &Catalog) -> Result<Vec<Vec<u8>>, Failure> {
    let found = catalog.about(sha256)?;
    if !found.is_empty() {
        let documents = found.into_iter().rev().flat_map(|found| found.documents);
        return Ok(documents.collect());
    }
    let shown = Plain(&path.to_string_lossy()).to_string();
    Err(match attestation_path(path)?.symlink_metadata() {
        Ok(_) => Failure::contradiction(format!(
            "{shown} is not what its attestation says: no statement has sha256 {sha256}"
        ))
        .hint("see `makoto verify` on it"),
        Err(_) => Failure::usage(format!("{shown} has no attestation that is known here"))
            .hint("attest it first, or name where its attestation is: --in DIR, --store DIR"),
    })
}
