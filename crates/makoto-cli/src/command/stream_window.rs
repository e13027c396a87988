use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use makoto::attestation::Attestation;
use makoto::datetime::{DateTime, Duration};
use makoto::json::{Json, Object};
use makoto::predicate::PredicateType;
use makoto::predicate::stream_window::{Alignment, WindowType};
use makoto::record::Records;
use makoto::secret::Masker;
use makoto::statement::Times;
use makoto::window::{Apart, Bounds, BoundsError, ChainError, Link, Successor, window_id};
use makoto_data::Sidecar;

use super::Output;
use super::attest::{WriteArgs, add_json, key_value, string_map};
use crate::dataset::{BadRecords, Measured, same_file};
use crate::defaults::{ConfigArgs, Defaults};
use crate::draft::Draft;
use crate::failure::Failure;
use crate::records::RecordArgs;
use crate::screen::Plain;
use crate::signing::SigningArgs;
use crate::writing::Writing;

/// Attest the records of one window of a stream
///
/// The file holds the records of the window, in the order of the stream. Hashes it in one pass,
/// counts its records and the root of their tree, and writes a stream-window/v1 statement to
/// DATA.attestation. With --previous, the window follows another one in its chain.
///
/// What cannot be seen in the file is declared: the stream, the bounds, the figures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto attest stream-window 0800.jsonl --stream iot --source mqtt://plant/+/temperature \\
      --collector edge-07 --start 2026-11-21T08:00:00Z --duration PT1M
  makoto attest stream-window 0801.jsonl --stream iot --source mqtt://plant/+/temperature \\
      --collector edge-07 --start 2026-11-21T08:01:00Z --duration PT1M --previous 0800.jsonl.attestation
  makoto attest stream-window w.csv --stream clicks --source kafka://k:9092/clicks --collector c \\
      --type sliding --start 2026-11-21T08:00:00Z --duration PT10M --slide PT1M --partition 3")]
pub(crate) struct StreamWindow {
    /// The file with the records of the window
    data: PathBuf,

    /// Identifier of the stream
    #[arg(long, value_name = "ID")]
    stream: String,

    /// URI or identifier of where the stream comes from; needed here or in a makoto.toml
    #[arg(long, value_name = "URI")]
    source: Option<String>,

    /// Identifier of the collecting system or process; needed here or in a makoto.toml
    #[arg(long, value_name = "ID")]
    collector: Option<String>,

    /// Version of a component of the collector (repeatable)
    #[arg(long, value_name = "NAME=VERSION", value_parser = key_value)]
    collector_version: Vec<(String, String)>,

    /// Topic or subscription
    #[arg(long)]
    topic: Option<String>,

    /// Partition that was read (repeatable)
    #[arg(long = "partition", value_name = "PARTITION")]
    partitions: Vec<String>,

    /// Name of the window [default: stream:<ID>:window_<start as YYYYMMDD_HHMMSS>]
    #[arg(long)]
    name: Option<String>,

    /// Number of the window among those with the same start, to tell their names apart
    #[arg(long, value_name = "NUMBER", conflicts_with = "name")]
    sequence: Option<u64>,

    #[command(flatten)]
    window: WindowArgs,

    #[command(flatten)]
    figures: FigureArgs,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Window")]
struct WindowArgs {
    /// Kind of window
    #[arg(long = "type", value_enum, default_value = "tumbling")]
    kind: Kind,

    /// First moment of the window (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<DateTime>,

    /// First moment after the window (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    end: Option<DateTime>,

    /// Length of the window (ISO 8601, such as PT1M); with --start or --end it gives the other
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,

    /// Distance of the starts of sliding windows (ISO 8601)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    slide: Option<Duration>,

    /// Pause that ends a session (ISO 8601)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    gap: Option<Duration>,

    /// What closes a global window, such as `count:1000`
    #[arg(long)]
    trigger: Option<String>,

    /// What the bounds are aligned to
    #[arg(long, value_parser = PossibleValuesParser::new(Alignment::WORDS))]
    alignment: Option<String>,

    /// Watermark when the window closed (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    watermark: Option<DateTime>,

    /// How late a record may come (ISO 8601)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    allowed_lateness: Option<Duration>,

    /// Attestation of the window before; without it, this window is the first of a chain
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Figures")]
struct FigureArgs {
    /// A figure over the records (repeatable); VALUE is read as JSON where it is JSON
    #[arg(long = "aggregate", value_name = "KEY=VALUE", value_parser = key_value)]
    aggregates: Vec<(String, String)>,

    /// Records that came too late and are not in the window
    #[arg(long, value_name = "COUNT")]
    late_records: Option<u64>,

    /// Records that were dropped
    #[arg(long, value_name = "COUNT")]
    dropped_records: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Side by side
    Tumbling,
    /// Overlapping; needs --slide
    Sliding,
    /// Ended by a pause
    Session,
    /// Closed by a trigger; needs --trigger
    Global,
}

impl From<Kind> for WindowType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Tumbling => Self::Tumbling,
            Kind::Sliding => Self::Sliding,
            Kind::Session => Self::Session,
            Kind::Global => Self::Global,
        }
    }
}

fn time(text: &str) -> Result<DateTime, String> {
    DateTime::parse(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| "needed an ISO 8601 duration such as PT1M".to_owned())
}

impl StreamWindow {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let defaults = Defaults::find(&self.config, &self.data)?;
        self.write.store.configure(&defaults);
        self.write
            .refuse_collisions(&[], std::slice::from_ref(&self.data))?;
        self.window.refuse_leftovers()?;
        let source = defaults.needed("source", self.source.as_deref(), "--source URI")?;
        let collector =
            defaults.needed("collector", self.collector.as_deref(), "--collector ID")?;
        let bounds = self.window.bounds()?;
        let name = self.name(&bounds);
        let link = self.link(&name, &bounds)?;
        let signing = self.signing.open(Some(&defaults))?;
        let data = Measured::read(&self.data, &self.records, BadRecords::Refuse)?;
        let Some((_, records)) = &data.records else {
            return Err(Failure::usage(format!(
                "{} has no records that can be counted, and a window is made of them",
                Plain(&self.data.to_string_lossy())
            ))
            .hint("name a file, and its format with --format csv or --format jsonl"));
        };
        let mut draft = self.draft(&bounds, records)?;
        draft.set_value("stream.source", Some(source));
        draft.set_value("collector.id", Some(collector));
        draft.set("integrity.previousWindow", Some(link.previous_window));
        draft.set("integrity.chain", Some(link.chain));
        let subject = subject(&data, &name, &bounds);
        let finished = draft.finish(PredicateType::StreamWindow, vec![subject], Masker::new())?;
        let writing = Writing {
            signing: signing.as_ref(),
            args: &self.write,
            // No clock is read: every time in the statement was stated.
            times: Times::Compare,
            output,
        };
        writing.write(&[data], &finished)?;
        Ok(0)
    }

    fn name(&self, bounds: &Bounds) -> String {
        let apart = Apart {
            partition: match self.partitions.as_slice() {
                [partition] => Some(partition),
                _ => None,
            },
            sequence: self.sequence,
        };
        match &self.name {
            Some(name) => name.clone(),
            None => window_id(&self.stream, bounds.start(), apart),
        }
    }

    /// The place in the chain, after the window that was named.
    fn link(&self, name: &str, bounds: &Bounds) -> Result<Link, Failure> {
        let Some(file) = &self.window.previous else {
            return Ok(Link::first(name));
        };
        let successor = Successor {
            name,
            stream: &self.stream,
            kind: self.window.kind.into(),
            bounds,
            slide: self.window.slide.as_ref(),
        };
        let sidecars = self.write.sidecars(&[&self.data])?;
        if self.write.replace && sidecars.iter().any(|own| same_file(own.path(), file)) {
            return Err(Failure::usage(
                "--previous would be replaced by the attestation that refers to it",
            )
            .hint("use --append, or another --out"));
        }
        let previous = read_previous(file)?;
        Link::after(&previous, &successor).map_err(|error| {
            let shown = file.to_string_lossy();
            let failure = Failure::contradiction(format!("{}: {error}", Plain(&shown)));
            failure.hint(match error {
                ChainError::SameName(_) => "give this window a --sequence or a --name",
                _ => "name the attestation of the window that this one follows, or none to start a chain",
            })
        })
    }

    fn draft(&self, bounds: &Bounds, records: &Records) -> Result<Draft, Failure> {
        let mut draft = Draft::default();
        let window = &self.window;
        let text = |duration: &Option<Duration>| duration.as_ref().map(|d| d.as_str().to_owned());
        let length = text(&window.duration).or_else(|| text(&bounds.duration()));
        let partitions = self.partitions.iter().map(|p| Json::from(p.as_str()));
        let partitions: Vec<Json> = partitions.collect();
        draft.set("stream.id", Some(self.stream.as_str()));
        draft.set("stream.topic", self.topic.as_deref());
        draft.set(
            "stream.partitions",
            Some(partitions).filter(|partitions| !partitions.is_empty()),
        );
        draft.set("window.type", Some(WindowType::from(window.kind).as_str()));
        draft.set("window.duration", length);
        draft.set("window.slide", text(&window.slide));
        draft.set("window.gap", text(&window.gap));
        draft.set("window.trigger", window.trigger.as_deref());
        draft.set("window.alignment", window.alignment.as_deref());
        draft.set(
            "window.watermark",
            window.watermark.as_ref().map(DateTime::as_str),
        );
        draft.set("window.allowedLateness", text(&window.allowed_lateness));
        draft.set("integrity.merkleTree.algorithm", Some("sha256"));
        draft.set("integrity.merkleTree.leafCount", Some(records.count));
        draft.set("integrity.merkleTree.root", Some(records.root.to_string()));
        draft.set("collector.version", string_map(&self.collector_version));
        self.figures.fill(&mut draft)?;
        Ok(draft)
    }
}

impl WindowArgs {
    /// Refuses an option that would silently mean nothing, and asks for one that a kind needs.
    fn refuse_leftovers(&self) -> Result<(), Failure> {
        let of_kind = [
            ("--slide", self.slide.is_some(), Kind::Sliding, "sliding"),
            ("--gap", self.gap.is_some(), Kind::Session, "session"),
            ("--trigger", self.trigger.is_some(), Kind::Global, "global"),
        ];
        for (option, given, kind, word) in of_kind {
            if given && self.kind != kind {
                return Err(Failure::usage(format!("{option} needs --type {word}")));
            }
            // The gap of a session is its producer's business; the others make the window.
            if !given && self.kind == kind && kind != Kind::Session {
                return Err(Failure::usage(format!("--type {word} needs {option}")));
            }
        }
        if self.slide.as_ref().is_some_and(Duration::is_zero) {
            return Err(Failure::usage("--slide is zero, so no window would follow"));
        }
        Ok(())
    }

    fn bounds(&self) -> Result<Bounds, Failure> {
        let bounds = Bounds::new(
            self.start.as_ref(),
            self.end.as_ref(),
            self.duration.as_ref(),
        );
        bounds.map_err(|error| {
            let failure = Failure::usage(error.to_string());
            match error {
                BoundsError::TooFew => {
                    failure.hint("give --start and --end, or one of them and --duration")
                }
                BoundsError::NotFixed(_) | BoundsError::OtherDuration { .. } => {
                    failure.hint("give --start and --end alone; the duration follows from them")
                }
                BoundsError::Reversed { .. } | BoundsError::OutOfRange => {
                    failure.hint("check --start, --end and --duration")
                }
            }
        })
    }
}

impl FigureArgs {
    fn fill(&self, draft: &mut Draft) -> Result<(), Failure> {
        let mut figures = Object::new();
        add_json(&mut figures, &self.aggregates, "aggregate")?;
        // A checksum of digits is a text all the same.
        let checksum = figures.remove("checksum").map(|checksum| match checksum {
            Json::String(text) => text,
            other => other.to_string(),
        });
        draft.set("aggregates.checksum", checksum);
        let statistics = (!figures.is_empty()).then_some(figures);
        draft.set("aggregates.statistics", statistics);
        draft.set("metadata.lateRecords", self.late_records);
        draft.set("metadata.droppedRecords", self.dropped_records);
        Ok(())
    }
}

/// The subject of the data, with the bounds of the window.
fn subject(data: &Measured, name: &str, bounds: &Bounds) -> Json {
    let mut subject = data.subject(name);
    if let Json::Object(members) = &mut subject
        && let Some(Json::Object(digest)) = members.get_mut("digest")
    {
        digest.insert("windowStart", bounds.start().as_str().into());
        digest.insert("windowEnd", bounds.end().as_str().into());
    }
    subject
}

/// The newest statement in the attestation file of the window before.
fn read_previous(file: &Path) -> Result<Attestation, Failure> {
    let shown = Plain(&file.to_string_lossy()).to_string();
    let bytes = Sidecar::at(file.to_owned()).read()?;
    let bytes = bytes.ok_or_else(|| {
        Failure::usage(format!("there is no file {shown}"))
            .hint("--previous names the attestation of the window before")
    })?;
    let statements = Attestation::parse_file(&bytes).map_err(|error| {
        Failure::contradiction(format!("{shown} is no attestation: {error}"))
            .hint("--previous names the attestation of the window before, not its data")
    })?;
    let newest = statements.into_iter().next_back();
    newest.ok_or_else(|| Failure::contradiction(format!("{shown} holds no statement")))
}
