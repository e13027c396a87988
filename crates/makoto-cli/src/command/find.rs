use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto_data::{
    ATTESTATION, Catalog, Found, Links, Package, Place, Recursion, attestation_path, digest_file,
    digest_folder,
};

use super::Output;
use super::package::is_package;
use super::store::StoreArgs;
use crate::failure::Failure;
use crate::progress::Bar;
use crate::screen::{self, Plain};

/// Find the attestations of data
///
/// Hashes the data and looks for statements about just these bytes: beside it, in the other
/// attestation files of its folder, in folders, packages and stores that are named. So data that
/// was renamed is found as well. What is found is not verified: `makoto verify` does that.
///
/// Exit status: 0 something was found, 2 nothing was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto find orders.csv
  makoto find renamed.csv --store /srv/attestations --in ~/Downloads
  makoto find sha256:9f2c0a53… --store /srv/attestations --json
  makoto find orders.csv --explain")]
pub(crate) struct Find {
    /// The file or folder; or `sha256:HEX` of data or of a statement, or a statement's URN
    data: PathBuf,

    /// Also look in this folder and those below it, or in this package (repeatable)
    #[arg(long = "in", value_name = "DIR")]
    folders: Vec<PathBuf>,

    #[command(flatten)]
    store: StoreArgs,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    follow: bool,

    /// Print the rules by which attestations are found, so that it can be done by hand
    #[arg(long)]
    explain: bool,
}

/// What is looked for.
enum Query {
    /// Data at a path, with its SHA-256.
    Data(PathBuf, Digest),
    /// Data or a statement with this SHA-256.
    Either(Digest),
    /// A statement with this id.
    Statement(Digest),
}

/// How a statement answers the query.
#[derive(Clone, Copy)]
enum Matched {
    Subject,
    Id,
    /// It is what a package says of its members, and the package was asked for.
    Members,
}

/// A place that was looked at, and what came of it.
struct Checked {
    rule: &'static str,
    place: String,
    result: String,
}

const REFERENCE: &str = "urn:makoto:attestation:sha256:";

impl Find {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let query = self.query()?;
        let mut checked = Vec::new();
        let catalog = self.catalog(&query, &mut checked)?;
        let mut found = answers(&catalog, &query)?;
        if let Query::Data(path, _) = &query
            && path.is_file()
            && is_package(path)?
        {
            found.extend(in_package(path, &mut checked)?);
        }
        for (place, why) in catalog.skipped() {
            checked.push(Checked {
                rule: rule(place),
                place: place.to_string(),
                result: why.clone(),
            });
        }
        if let (Query::Data(path, _), Some(first)) = (&query, checked.first_mut()) {
            first.result = sidecar_result(path, &catalog, &found)?;
        }
        if output == Output::Json {
            screen::json(&self.as_json(&query, &found, &checked));
        } else {
            if self.explain {
                explain(&query);
            }
            self.show(&query, &found, &checked);
        }
        Ok(if found.is_empty() { 2 } else { 0 })
    }

    fn query(&self) -> Result<Query, Failure> {
        let text = self.data.to_str().unwrap_or_default();
        let bad = |error: makoto::digest::NotADigest| {
            Failure::usage(format!("{}: {error}", Plain(text)))
                .hint("give all 64 hex digits, in lower case; a file of that name is ./sha256:…")
        };
        if let Some(hex) = text.strip_prefix(REFERENCE) {
            return Ok(Query::Statement(hex.parse().map_err(bad)?));
        }
        if let Some(hex) = text.strip_prefix("sha256:") {
            return Ok(Query::Either(hex.parse().map_err(bad)?));
        }
        let bar = Bar::reading(&self.data);
        let progress = |bytes| bar.add(bytes);
        let links = match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        };
        let sha256 = match self.data.is_dir() {
            true => digest_folder(&self.data, links, &progress)?
                .manifest
                .dir_hash(),
            false => digest_file(&self.data, None, &progress, None)?.sha256,
        };
        Ok(Query::Data(self.data.clone(), sha256))
    }

    /// Everything that is to be looked through, by the rules and in their order.
    fn catalog(&self, query: &Query, checked: &mut Vec<Checked>) -> Result<Catalog, Failure> {
        let mut look = |rule, path: &Path, result: &str| {
            checked.push(Checked {
                rule,
                place: path.to_string_lossy().into_owned(),
                result: result.to_owned(),
            });
        };
        let mut catalog = self.store.catalog()?;
        if let Query::Data(path, _) = query {
            let sidecar = attestation_path(path)?;
            look("sidecar", &sidecar, "");
            catalog.add_sidecar(&sidecar)?;
            let folder = match sidecar.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            look("folder", folder, "searched");
            catalog.add_folder(folder, Recursion::FolderOnly)?;
        }
        for folder in &self.folders {
            if folder.is_file() {
                look("package", folder, "searched");
                catalog.add_package(&open_package(folder)?)?;
                continue;
            }
            look("folder", folder, "searched, with the folders below");
            catalog.add_folder(folder, Recursion::FoldersBelow)?;
        }
        for root in self.store.roots().0 {
            look("store", &root, "searched");
        }
        Ok(catalog)
    }

    fn show(&self, query: &Query, found: &[(Found, Matched)], checked: &[Checked]) {
        let shown = self.data.to_string_lossy();
        let about = match query {
            Query::Data(_, sha256) => format!("sha256 {sha256}"),
            Query::Either(_) => "data or a statement".to_owned(),
            Query::Statement(_) => "a statement".to_owned(),
        };
        screen::result(format!("{}: {about}", Plain(&shown)));
        for (found, matched) in found {
            let (name, kind) = described(&found.attestation, query);
            for place in &found.places {
                let (rule, place) = (rule(place), place.to_string());
                screen::result(format!("  {rule:8} {}", Plain(&place)));
            }
            let as_what = match matched {
                Matched::Subject => "",
                Matched::Id => ", by its id",
                Matched::Members => ", a member of the package",
            };
            screen::result(format!(
                "           {} of {}{as_what}",
                Plain(&kind),
                Plain(&name)
            ));
            screen::result(format!("           sha256:{}", found.attestation.id));
        }
        for one in checked {
            let word = one.result.as_str();
            if !word.starts_with("searched") && !word.starts_with("found") && word != "not there" {
                let place = Plain(&one.place).to_string();
                screen::result(format!("  {:8} {place} {}", one.rule, Plain(word)));
            }
        }
        if found.is_empty() {
            screen::note("nothing was found, so this data has no attestation that is known here");
            screen::note(
                "hint: ask whoever made the data for its attestation, or name another place: --in DIR, --store DIR",
            );
            return;
        }
        let first = &found[0].0;
        let of_members = |(_, matched): &(Found, Matched)| matches!(matched, Matched::Members);
        if found.len() > 1 && !found.iter().all(of_members) {
            let count = found.len();
            screen::result(format!(
                "  {count} statements; `verify` takes the first that lies beside the data or in a store: {}",
                taken(found).as_deref().unwrap_or("none")
            ));
        }
        let next = match (query, first.places.first()) {
            (Query::Data(..), Some(Place::Folder(file))) => {
                format!("--attestation {}", file.display())
            }
            (Query::Data(..), Some(Place::Store(file))) => {
                let root = file.ancestors().nth(3).unwrap_or(file);
                format!("--store {}", root.display())
            }
            _ => String::new(),
        };
        let data = match query {
            Query::Data(path, _) => path.to_string_lossy().into_owned(),
            Query::Either(_) | Query::Statement(_) => "DATA".to_owned(),
        };
        let command = format!("makoto verify {data} {next}");
        screen::result(format!(
            "  next: nothing of this is verified; {} compares the data with it",
            Plain(command.trim_end())
        ));
    }

    fn as_json(&self, query: &Query, found: &[(Found, Matched)], checked: &[Checked]) -> Json {
        let (Query::Data(_, sha256) | Query::Either(sha256) | Query::Statement(sha256)) = query;
        let each = found.iter().flat_map(|(found, matched)| {
            found.places.iter().map(move |place| {
                let one = &found.attestation;
                let matched = match matched {
                    Matched::Subject => "subject",
                    Matched::Id => "id",
                    Matched::Members => "members",
                };
                Json::from([
                    ("attestation", format!("sha256:{}", one.id).into()),
                    ("matched", matched.into()),
                    ("rule", rule(place).into()),
                    ("place", place.to_string().into()),
                    ("subject", subject(one, query).cloned().into()),
                    (
                        "predicateType",
                        one.statement.get("predicateType").cloned().into(),
                    ),
                    ("verified", Json::Bool(false)),
                ])
            })
        });
        let taken = match query {
            Query::Data(..) => taken(found),
            Query::Either(_) | Query::Statement(_) => None,
        };
        let checked = checked.iter().map(|one| {
            Json::from([
                ("rule", one.rule.into()),
                ("place", one.place.as_str().into()),
                ("result", one.result.as_str().into()),
            ])
        });
        let mut members = Json::from([
            ("query", self.data.to_string_lossy().into_owned().into()),
            ("sha256", sha256.to_string().into()),
            ("found", each.collect()),
            ("verifyTakes", taken.into()),
            ("checked", checked.collect()),
        ]);
        if let (true, Json::Object(members)) = (self.explain, &mut members) {
            members.insert("rules", RULES.map(Json::from).into_iter().collect());
        }
        members
    }
}

/// Id of the statement that `verify` judges the data by, without `--attestation`.
fn taken(found: &[(Found, Matched)]) -> Option<String> {
    let is_taken = |found: &Found| {
        let mut places = found.places.iter();
        places.any(|place| matches!(place, Place::Sidecar(_) | Place::Store(_)))
    };
    let (found, _) = found.iter().find(|(found, _)| is_taken(found))?;
    Some(format!("sha256:{}", found.attestation.id))
}

fn answers(catalog: &Catalog, query: &Query) -> Result<Vec<(Found, Matched)>, Failure> {
    let mut answers = Vec::new();
    if let Query::Data(_, digest) | Query::Either(digest) = query {
        let about = catalog.about(digest)?;
        answers.extend(about.into_iter().map(|found| (found, Matched::Subject)));
    }
    if let Query::Statement(digest) | Query::Either(digest) = query {
        let found = catalog.with_id(digest)?;
        answers.extend(found.map(|found| (found, Matched::Id)));
    }
    Ok(answers)
}

fn open_package(path: &Path) -> Result<Package, Failure> {
    Package::open(path).map_err(|error| {
        let shown = path.to_string_lossy();
        Failure::usage(format!("{} {error}", Plain(&shown)))
    })
}

/// What the package at `path` says of its members, the newest first.
fn in_package(path: &Path, checked: &mut Vec<Checked>) -> Result<Vec<(Found, Matched)>, Failure> {
    let place = Place::Package {
        package: path.to_owned(),
        member: ATTESTATION.to_owned(),
    };
    let mut look = |result: String| {
        checked.push(Checked {
            rule: "package",
            place: place.to_string(),
            result,
        });
        Ok(Vec::new())
    };
    let bytes = match Package::open(path).and_then(|package| package.attestation()) {
        Ok(bytes) => bytes,
        Err(error) => return look(format!("as a package, the file {error}")),
    };
    let documents = match Attestation::documents(&bytes) {
        Ok(documents) => documents,
        Err(error) => return look(format!("is no attestation: {error}")),
    };
    let found = documents.into_iter().rev().map(|(document, attestation)| {
        let found = Found {
            attestation,
            further: Vec::new(),
            documents: vec![document.to_vec()],
            places: vec![place.clone()],
        };
        (found, Matched::Members)
    });
    Ok(found.collect())
}

/// What came of looking beside the data.
fn sidecar_result(
    data: &Path,
    catalog: &Catalog,
    found: &[(Found, Matched)],
) -> Result<String, Failure> {
    let sidecar = attestation_path(data)?;
    let here = |place: &Place| matches!(place, Place::Sidecar(_));
    let result = if found.iter().any(|(found, _)| found.places.iter().any(here)) {
        "found"
    } else if catalog.skipped().any(|(place, _)| here(place)) {
        "found, and not readable"
    } else if sidecar.symlink_metadata().is_ok() {
        "is about other bytes"
    } else {
        "not there"
    };
    Ok(result.to_owned())
}

fn rule(place: &Place) -> &'static str {
    match place {
        Place::Sidecar(_) => "sidecar",
        Place::Folder(_) => "folder",
        Place::Store(_) => "store",
        Place::Package { .. } => "package",
    }
}

/// The subject that was asked for; of a statement that was asked for by its id, the first one.
fn subject<'a>(attestation: &'a Attestation, query: &Query) -> Option<&'a Json> {
    let subjects = attestation.statement.get("subject")?.as_array()?;
    let (Query::Data(_, sha256) | Query::Either(sha256) | Query::Statement(sha256)) = query;
    let hex = sha256.to_string();
    let is_it = |one: &&Json| {
        let digest = one.get("digest").and_then(|digest| digest.get("sha256"));
        digest.and_then(Json::as_str) == Some(&hex)
    };
    subjects.iter().find(is_it).or(subjects.first())
}

/// Name of the subject, and the kind of statement.
fn described(attestation: &Attestation, query: &Query) -> (String, String) {
    let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or("?").to_owned();
    let name = subject(attestation, query).and_then(|subject| subject.get("name"));
    let kind = text(attestation.statement.get("predicateType"));
    let kind = kind.strip_prefix("https://makoto.dev/").unwrap_or(&kind);
    (format!("{:?}", text(name)), kind.to_owned())
}

const RULES: [&str; 5] = [
    "beside the data: DATA.attestation; of a folder DIR/, DIR.attestation; its last line is the newest",
    "other files *.attestation in the data's folder, then in each --in DIR and the folders below it, by name: the subject with the data's sha256",
    "each store: DIR/subject/<first 2 hex digits of the sha256>/<other 62>/ lists ids of statements; a statement is DIR/id/<first 2 of its id>/<other 62>; of several, the one that states the latest time",
    "a ZIP package that is named: its member ATTESTATION.json",
    "only a statement with a subject whose digest.sha256 is that of the data counts; `sha256sum FILE` gives it; of a folder, it is the sha256 of the lines `<sha256>  <path>` of its files, sorted by path",
];

fn explain(query: &Query) {
    screen::result("rules, in this order:");
    for (index, rule) in RULES.iter().enumerate() {
        screen::result(format!("  {}. {rule}", index + 1));
    }
    if let Query::Data(_, sha256) = query {
        let hex = sha256.to_string();
        screen::result(format!(
            "  so here, in a store: subject/{}/{}/",
            &hex[..2],
            &hex[2..]
        ));
    }
}
