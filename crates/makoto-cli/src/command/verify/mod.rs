mod verification;

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::Json;
use makoto::report::Report;
use makoto_data::{Catalog, Links, Progress, attestation_path};

use super::package::Judged;
use super::store::StoreArgs;
use super::{LevelArg, Output};
use crate::batch::{Batch, Done};
use crate::failure::Failure;
use crate::naming::is_template;
use crate::progress::Bar;
use crate::screen::{self, Detail};
use crate::selection::{Kind, Many, Selection, SelectionArgs};
use crate::sink::{SinkArgs, Sinks};
use verification::Verification;

/// Check that data still is what its attestation says
///
/// Reads DATA.attestation, and the stores that are named, hashes the data again, and counts its
/// records again as the attestation says they were counted. Nothing that lies beside the data or
/// in a store is trusted: at L1 an attestation is its producer's own word. Of a package (a ZIP file
/// with ATTESTATION.json, see `makoto pack`), every member is checked without unpacking it.
///
/// What is read by path after a verification may have changed since; --output gives a copy of
/// exactly the bytes that were verified.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto verify orders.csv
  makoto verify orders.csv --as dataset:orders --output trusted/orders.csv
  makoto verify orders.csv --store /srv/attestations
  makoto verify parts/ --json
  makoto verify 'data/**/*.csv' --junit report.xml
  curl -sf https://example.com/a.csv | makoto verify - --attestation a.csv.attestation --output a.csv
  makoto verify parts/ --member 2026/11/part-3.csv")]
pub(crate) struct Verify {
    /// The files or folders, or - for stdin; a pattern in quotes, such as 'data/**/*.csv', is
    /// matched here
    #[arg(value_name = "DATA", required_unless_present = "files_from")]
    data: Vec<PathBuf>,

    #[command(flatten)]
    selection: SelectionArgs,

    /// The attestation, when it is not DATA.attestation
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,

    /// The level that is needed
    #[arg(long, value_enum, default_value = "L1")]
    level: LevelArg,

    /// The name that the data must have, in which {stem}, {file} and {parent} stand for the
    /// file's stem, its name and that of its folder; without it, the name is only claimed
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,

    /// Copy the bytes here as they are read, if they pass
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Check only this file of a folder, by the folder's manifest; or this dataset of a package
    #[arg(long, value_name = "PATH", conflicts_with = "output")]
    member: Option<String>,

    /// Count links in a folder as what they name, as long as that is inside the folder
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    store: StoreArgs,

    /// Show every check, fact and threat
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    sinks: SinkArgs,
}

impl Verify {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let kind = Kind::Data(self.links());
        match self.selection.select(&self.data, kind)? {
            Selection::One(data) => self.verify_one(&data, output),
            Selection::Many(many) => self.verify_many(many, output),
        }
    }

    fn verify_one(&self, data: &Path, output: Output) -> Result<u8, Failure> {
        let mut sinks = self.open_sinks(data, output)?;
        let told = self.stores().and_then(|stores| {
            let bar = Bar::reading(data);
            let progress = |bytes| bar.add(bytes);
            self.of(data, &stores, &progress).judge()
        });
        if let Ok(judgement) = &told {
            let detail = match self.verbose {
                true => Detail::Everything,
                false => Detail::ThreeLines,
            };
            judgement.show(data, output, detail);
        }
        let told = told.map(Judgement::into_report);
        sinks.tell(data, &told);
        sinks.finish();
        Ok(told?.verdict.exit_status())
    }

    fn open_sinks(&self, data: &Path, output: Output) -> Result<Sinks, Failure> {
        // Data without a name is refused later, by what it is.
        let attestation = match &self.attestation {
            Some(path) => Some(path.clone()),
            None => attestation_path(data).ok(),
        };
        let mut used = vec![data];
        used.extend(attestation.as_deref());
        used.extend(self.output.as_deref());
        Sinks::open(&self.sinks, "verify", output, &used)
    }

    fn verify_many(&self, many: Many, output: Output) -> Result<u8, Failure> {
        self.refuse_many()?;
        let sinks = Sinks::open(&self.sinks, "verify", output, &many.places())?;
        let stores = self.stores()?;
        let verify = |data: &Path, progress: &Progress<'_>| {
            let judgement = self.of(data, &stores, progress).judge()?;
            Ok(judgement)
        };
        let judge = |judgements: Vec<(&Path, Judgement)>| {
            let judgements = judgements.into_iter();
            let done = judgements.map(|(data, judgement)| judgement.into_done(data));
            done.collect()
        };
        let batch = Batch::new(many, output).telling(sinks);
        Ok(batch.run(verify, judge))
    }

    /// Refuses options that are about one dataset.
    fn refuse_many(&self) -> Result<(), Failure> {
        let one_name = self.name.as_deref().is_some_and(|name| !is_template(name));
        let about_one = [
            ("--attestation", self.attestation.is_some()),
            ("--output", self.output.is_some()),
            ("--member", self.member.is_some()),
            ("--verbose", self.verbose),
            ("--as with one name", one_name),
        ];
        match about_one.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!(
                "{option} is about one dataset, and there may be many"
            ))
            .hint("verify that dataset alone; --json tells everything about each of many")),
            None => Ok(()),
        }
    }

    /// The stores that are asked, besides what lies beside the data.
    fn stores(&self) -> Result<Catalog, Failure> {
        match self.attestation {
            // Somebody said which statement counts.
            Some(_) => Ok(Catalog::new()),
            None => self.store.catalog(),
        }
    }

    fn links(&self) -> Links {
        match self.follow {
            true => Links::FollowInside,
            false => Links::Refuse,
        }
    }

    fn of<'a>(
        &'a self,
        data: &'a Path,
        stores: &'a Catalog,
        progress: &'a Progress<'a>,
    ) -> Verification<'a> {
        Verification {
            asks: self,
            data,
            stores,
            progress,
        }
    }
}

/// What came of a verification.
enum Judgement {
    /// Of a file or folder, and where its statement was found when that was not beside it.
    Data(Report, Option<String>),
    /// Of a package.
    Package(Judged),
}

impl Judgement {
    fn into_report(self) -> Report {
        match self {
            Self::Data(report, _) => report,
            Self::Package(judged) => judged.report,
        }
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Data(report, _) => report.to_json(),
            Self::Package(judged) => judged.to_json(),
        }
    }

    fn show(&self, data: &Path, output: Output, detail: Detail) {
        let report = match self {
            Self::Data(report, note) => {
                note.iter().for_each(screen::note);
                report
            }
            Self::Package(judged) => return judged.show(data, output, detail),
        };
        match output {
            Output::Json => screen::json(&report.to_json()),
            Output::Text | Output::Aside => {
                screen::report(&data.to_string_lossy(), report, detail);
            }
        }
    }

    fn into_done(self, data: &Path) -> Done {
        let json = self.to_json();
        let in_store = matches!(self, Self::Data(_, Some(_)));
        let mut done = Done::judged(data, self.into_report(), json);
        if in_store {
            let note = "note: some statements were found in a store; --json tells where each was";
            done.notes.push(note.to_owned());
        }
        done
    }
}
