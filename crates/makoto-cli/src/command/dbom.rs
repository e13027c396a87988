use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use makoto::canonical::to_canonical;
use makoto::datetime::DateTime;
use makoto::dbom::{self, Asked, Change, Dbom, Described, NoDbom};
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::lineage::{Direction, Lineage, Reach};
use makoto::report::{Check, Outcome, Report};
use makoto_data::{Catalog, NewFile, Sidecar};

use super::{LevelArg, Output};
use crate::catalog::CatalogArgs;
use crate::clock;
use crate::failure::Failure;
use crate::files::same_file;
use crate::screen::{self, Detail, Plain};
use crate::target::Target;

#[derive(Debug, Subcommand)]
pub(crate) enum DbomCommand {
    Create(Box<Create>),
    Verify(Verify),
    Diff(Diff),
    Import(Import),
}

impl DbomCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self {
            Self::Create(command) => command.run(output),
            Self::Verify(command) => command.run(output),
            Self::Diff(command) => command.run(output),
            Self::Import(command) => command.run(output),
        }
    }
}

/// Write the bill of a dataset from its lineage
///
/// Sources, steps and their order, levels, licences and their conflicts, consents, geography and
/// shares come from the attestations; nothing is typed. A lineage that is not complete, or
/// contradicts itself, gives no bill.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto dbom create report.parquet -o report.dbom.json
  makoto dbom create report.parquet -o report.dbom.json --store /srv/attestations \\
      --dataset-version 3.0.0 --organization 'Example Corp'")]
pub(crate) struct Create {
    /// The file or folder, or sha256:HEX of it
    #[arg(value_name = "DATA|sha256:HEX")]
    target: Target,

    #[command(flatten)]
    out: OutArgs,

    /// Version of the dataset
    #[arg(long, value_name = "VERSION")]
    dataset_version: Option<String>,

    /// What the dataset is, in words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Organisation that made the dataset
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,

    /// Address of that organisation
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,

    /// Until when the bill holds (RFC 3339)
    #[arg(long, value_name = "TIME")]
    valid_until: Option<String>,

    #[command(flatten)]
    catalog: CatalogArgs,
}

/// Check a bill against the attestations that it names
///
/// Walks the lineage of the dataset again and compares: a source or step that is left out or
/// added, an order that the inputs contradict, a level above the evidence, a share, licence or
/// place that no attestation tells all fail. What a bill says of its own verification is not
/// used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto dbom verify report.dbom.json report.parquet
  makoto dbom verify report.dbom.json --store /srv/attestations --json")]
pub(crate) struct Verify {
    /// The bill
    #[arg(value_name = "DBOM")]
    dbom: PathBuf,

    /// The data; without it, only the attestations are looked at
    data: Option<PathBuf>,

    /// The level that is needed
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    /// Show every check
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    catalog: CatalogArgs,
}

/// Show what changed between two bills
///
/// Sources and steps are matched by name. What a bill says about itself, such as its time, is
/// not compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto dbom diff report-2.dbom.json report-3.dbom.json
  makoto dbom diff old.json new.json --exit-code")]
pub(crate) struct Diff {
    /// The older bill
    old: PathBuf,

    /// The newer bill
    new: PathBuf,

    /// Exit with 1 when there are differences
    #[arg(long)]
    exit_code: bool,
}

/// Make a bill 1.0.0 of one of the old form 0.1
///
/// The old form names no attestations and its signature is a bare SHA-256, so the result is
/// worth L1 at most, and verifies only once its dataset and steps are attested.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makoto dbom import old.dbom.json -o new.dbom.json")]
pub(crate) struct Import {
    /// The old bill
    old: PathBuf,

    #[command(flatten)]
    out: OutArgs,
}

/// Where a bill is written.
#[derive(Debug, Args)]
struct OutArgs {
    /// Write the bill here
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: PathBuf,

    /// Replace a file that is there
    #[arg(long)]
    replace: bool,
}

impl Create {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let stamp = clock::stamp()?;
        let near: Vec<_> = self.target.path().into_iter().collect();
        self.out.refuse_collision(&near)?;
        let valid_until = self.valid_until.as_deref().map(DateTime::parse).transpose();
        let described = Described {
            version: self.dataset_version.clone(),
            description: self.description.clone(),
            organization: self.organization.clone(),
            contact: self.contact.clone(),
            valid_until: valid_until.map_err(|error| Failure::usage(error.to_string()))?,
            data_was_read: self.target.path().is_some(),
        };
        let mut catalog = self.catalog.catalog(&near)?;
        let sha256 = self.target.sha256(&catalog)?;
        let lineage = Lineage::walk(
            &mut catalog,
            sha256,
            Direction::Back,
            Reach::within_limits(None),
        );
        let dbom = dbom::create(&lineage, &described, &stamp).map_err(|why| {
            let failure = match why {
                NoDbom::Incomplete(_) => Failure::usage(format!("no bill was written: {why}")),
                NoDbom::Contradiction(_) | NoDbom::Conflict(_) => {
                    Failure::contradiction(format!("no bill was written: {why}"))
                }
            };
            failure.hint("see `makoto lineage` on it; --store and --in widen the search")
        })?;
        for check in lineage
            .checks
            .iter()
            .filter(|check| check.outcome == Outcome::Warn)
        {
            screen::note(format!("warning: {}", Plain(&screen::told(check))));
        }
        self.out.write(&dbom, near.first().copied())?;
        match output {
            Output::Json => screen::json(&dbom),
            Output::Text | Output::Aside => tell(&self.out.out, &dbom),
        }
        Ok(0)
    }
}

impl Verify {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now()?;
        let bytes = read(&self.dbom)?;
        let mut near = vec![self.dbom.as_path()];
        near.extend(self.data.as_deref());
        let mut catalog = self.catalog.catalog(&near)?;
        let data = match &self.data {
            Some(data) => Some(Target::Data(data.clone()).sha256(&catalog)?),
            None => None,
        };
        let report = self.judge(&bytes, data, &mut catalog, now);
        match output {
            Output::Json => screen::json(&report.to_json()),
            Output::Text | Output::Aside => {
                let detail = match self.verbose {
                    true => Detail::Everything,
                    false => Detail::Findings,
                };
                screen::report(&self.dbom.to_string_lossy(), &report, detail);
            }
        }
        Ok(report.verdict.exit_status())
    }

    fn judge(
        &self,
        bytes: &[u8],
        data: Option<Digest>,
        library: &mut Catalog,
        now: DateTime,
    ) -> Report {
        let asked = Asked {
            data,
            level: self.level.into(),
            reach: Reach::within_limits(None),
        };
        dbom::verify(bytes, library, &asked, now)
    }
}

impl Diff {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let changes = dbom::diff(&read_dbom(&self.old)?, &read_dbom(&self.new)?);
        match output {
            Output::Json => {
                let changes: Json = changes.iter().map(Change::to_json).collect();
                screen::json(&Json::from([("changes", changes)]));
            }
            Output::Text | Output::Aside => {
                changes.iter().for_each(tell_change);
                if changes.is_empty() {
                    screen::result("no difference");
                }
            }
        }
        Ok(u8::from(self.exit_code && !changes.is_empty()))
    }
}

impl Import {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let stamp = clock::stamp()?;
        self.out.refuse_collision(&[&self.old])?;
        let (dbom, checks) = dbom::import(parse(&self.old)?, &stamp);
        let Some(dbom) = dbom else {
            let failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
            let failed: Vec<_> = failed.map(screen::told).collect();
            let shown = self.old.to_string_lossy();
            return Err(Failure::contradiction(format!(
                "{} is no bill of form 0.1: {}",
                Plain(&shown),
                failed.join("; ")
            )));
        };
        for check in &checks {
            screen::note(format!("warning: {}", Plain(&screen::told(check))));
        }
        self.out.write(&dbom, Some(&self.old))?;
        match output {
            Output::Json => screen::json(&dbom),
            Output::Text | Output::Aside => tell(&self.out.out, &dbom),
        }
        Ok(0)
    }
}

impl OutArgs {
    /// Refuses to write in the place of what is read, or of a file that is there.
    fn refuse_collision(&self, read: &[&Path]) -> Result<(), Failure> {
        let shown = self.out.to_string_lossy();
        let own = self
            .out
            .extension()
            .is_some_and(|end| end == "attestation" || end == "manifest");
        if own || read.iter().any(|read| same_file(read, &self.out)) {
            return Err(Failure::usage(format!(
                "{} is what is being read, or has the name of an attestation",
                Plain(&shown)
            ))
            .hint("name another file with -o"));
        }
        match self.out.symlink_metadata() {
            Ok(entry) if !entry.is_file() => Err(Failure::usage(format!(
                "{} is there and is no plain file",
                Plain(&shown)
            ))),
            Ok(_) if !self.replace => Err(Failure::contradiction(format!(
                "{} is there already",
                Plain(&shown)
            ))
            .hint("--replace writes the new bill in its place")),
            _ => Ok(()),
        }
    }

    /// Writes the bill, to be read by whoever may read `like`.
    fn write(&self, dbom: &Json, like: Option<&Path>) -> Result<(), Failure> {
        let bytes = to_canonical(dbom)
            .map_err(|error| Failure::usage(format!("the bill cannot be written: {error}")))?;
        let limit = Limits::DEFAULT.document_bytes;
        if bytes.len() > limit {
            return Err(Failure::usage(format!(
                "the bill would be {} bytes, and a document may have {limit}",
                bytes.len()
            ))
            .hint("make bills of the datasets that it was made of"));
        }
        let shown = self.out.to_string_lossy();
        let write = || {
            let mut file = NewFile::at(&self.out)?;
            file.file().write_all(&bytes)?;
            file.keep(like.unwrap_or(Path::new(".")))
        };
        write().map_err(|error| Failure::usage(format!("cannot write {}: {error}", Plain(&shown))))
    }
}

fn tell(out: &Path, dbom: &Json) {
    let count = |key: &str| {
        dbom.get(key)
            .and_then(Json::as_array)
            .map_or(0, <[Json]>::len)
    };
    let shown = out.to_string_lossy();
    screen::result(format!(
        "{}: {} source(s), {} transformation(s)",
        Plain(&shown),
        count("sources"),
        count("transformations")
    ));
    let conflicts = dbom
        .get("compliance")
        .and_then(|c| c.get("licences")?.get("conflicts")?.as_array());
    for conflict in conflicts
        .unwrap_or_default()
        .iter()
        .filter_map(Json::as_str)
    {
        screen::note(format!("warning: licences: {}", Plain(conflict)));
    }
}

fn tell_change(change: &Change) {
    let text = |value: &Json| value.as_str().map_or(value.to_string(), str::to_owned);
    let line = match (&change.old, &change.new) {
        (None, Some(_)) if change.path.ends_with(']') => format!("+ {}", change.path),
        (Some(_), None) if change.path.ends_with(']') => format!("- {}", change.path),
        (old, new) => {
            let [old, new] =
                [old, new].map(|side| side.as_ref().map_or("nothing".to_owned(), text));
            format!("~ {}: {old} → {new}", change.path)
        }
    };
    screen::result(Plain(&line));
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.to_string_lossy();
    let bytes = Sidecar::at(path.to_owned()).read()?;
    bytes.ok_or_else(|| Failure::usage(format!("there is no file {}", Plain(&shown))))
}

fn parse(path: &Path) -> Result<Json, Failure> {
    let shown = path.to_string_lossy();
    Json::parse(&read(path)?, &Limits::DEFAULT)
        .map_err(|error| Failure::usage(format!("{}: {error}", Plain(&shown))))
}

fn read_dbom(path: &Path) -> Result<Json, Failure> {
    let value = parse(path)?;
    let failed = Dbom::check(value.clone())
        .into_iter()
        .find(|check: &Check| check.outcome == Outcome::Fail);
    match failed {
        None => Ok(value),
        Some(check) => {
            let shown = path.to_string_lossy();
            let told = screen::told(&check);
            Err(Failure::usage(format!(
                "{} is no DBOM 1.0.0: {}",
                Plain(&shown),
                Plain(&told)
            )))
        }
    }
}
