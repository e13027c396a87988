use clap::{Args, ValueEnum};
use makoto::json::Json;
use makoto::lineage::{Direction, Drawing, Lineage, Reach};
use makoto::report::{Outcome, Report, Verdict};

use super::Output;
use crate::catalog::CatalogArgs;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::target::Target;

/// Show where data came from, step by step
///
/// Walks from the data back to its origins through the digests and references in the
/// attestations that are found beside it, in the folders and in the stores that are named. A
/// stage without an attestation, a cycle, attestations that contradict each other and a walk that
/// was stopped are shown as such. With --impact it walks the other way, to everything that is
/// known to have been made of the data.
///
/// No signature is verified: a lineage is the word of those who wrote it.
#[derive(Debug, Args)]
#[command(
    name = "lineage",
    after_help = "\
Examples:
  makoto lineage report.parquet
  makoto lineage report.parquet --store /srv/attestations --format mermaid
  makoto lineage sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 --in .
  makoto lineage orders.csv --impact --in warehouse/"
)]
pub(crate) struct LineageCommand {
    /// The file or folder, or sha256:HEX of it
    #[arg(value_name = "DATA|sha256:HEX")]
    target: Target,

    /// Walk forward, to what was made of the data
    #[arg(long)]
    impact: bool,

    /// Stop after this many steps
    #[arg(long, value_name = "STEPS")]
    depth: Option<usize>,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    catalog: CatalogArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A tree
    Text,
    /// Nodes and edges by id
    Json,
    /// Mermaid, as Markdown pages show it
    Mermaid,
    /// Graphviz
    Dot,
}

impl LineageCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let now = clock::now()?;
        let near: Vec<_> = self.target.path().into_iter().collect();
        let mut catalog = self.catalog.catalog(&near)?;
        let sha256 = self.target.sha256(&catalog)?;
        let direction = match self.impact {
            true => Direction::Forward,
            false => Direction::Back,
        };
        let lineage = Lineage::walk(
            &mut catalog,
            sha256,
            direction,
            Reach::within_limits(self.depth),
        );
        let report = lineage.report(now);
        match (output, self.format) {
            (Output::Json, _) | (_, Format::Json) => told(&lineage, &report),
            (_, Format::Mermaid) => self.drawn(&lineage, Drawing::Mermaid, &report),
            (_, Format::Dot) => self.drawn(&lineage, Drawing::Dot, &report),
            (_, Format::Text) => {
                for line in lineage.draw(Drawing::Text).lines() {
                    screen::result(Plain(line));
                }
                screen::result("");
                self.sum_up(&lineage, &report, screen::result);
            }
        }
        Ok(report.verdict.exit_status())
    }

    /// A drawing is for a program, so what else there is to say goes to stderr.
    fn drawn(&self, lineage: &Lineage, drawing: Drawing, report: &Report) {
        for line in lineage.draw(drawing).lines() {
            screen::result(line);
        }
        self.sum_up(lineage, report, screen::note);
    }

    fn sum_up(&self, lineage: &Lineage, report: &Report, say: impl Fn(String)) {
        let shown = self.target.shown();
        let what = Plain(&shown);
        let word = match (self.impact, report.verdict) {
            (true, Verdict::Pass) => format!(
                "{} step(s) are known to have read it or what was made of it",
                lineage.stages.len()
            ),
            (true, _) => "only a part is shown".to_owned(),
            (false, Verdict::Pass) => "lineage complete at L1".to_owned(),
            (false, Verdict::Fail) => "lineage FAILS".to_owned(),
            (false, Verdict::Unknown) => "lineage INCOMPLETE".to_owned(),
        };
        say(format!("{what}: {word}"));
        for check in &report.checks {
            let told = match check.outcome {
                Outcome::Pass => format!("  {}", check.message),
                outcome => format!("  {:4}  {:7} {}", outcome.as_str(), check.id, check.message),
            };
            say(Plain(&told).to_string());
        }
        say(format!("  next: {}", self.next_step(lineage, report)));
    }

    fn next_step(&self, lineage: &Lineage, report: &Report) -> &'static str {
        match (self.impact, report.verdict) {
            (true, _) => {
                "others may have read it who left no attestation here; --store and --in widen the search"
            }
            (false, Verdict::Pass) => {
                "no signature was verified; `makoto dbom create` writes this down as a bill"
            }
            (false, Verdict::Fail) => {
                "do not rely on this history; ask whoever made the stage named above"
            }
            (false, Verdict::Unknown) if lineage.stages.is_empty() => {
                "name where attestations are with --store or --in, or attest the data"
            }
            (false, Verdict::Unknown) => {
                "name where the missing attestations are with --store or --in"
            }
        }
    }
}

/// Tells the report and the graph as one JSON object.
fn told(lineage: &Lineage, report: &Report) {
    let mut head = lineage.head();
    if let Json::Object(report) = report.to_json() {
        for (key, value) in report.iter() {
            head.insert(key.as_str(), value.clone());
        }
    }
    let lists: [(&str, &mut dyn Iterator<Item = Json>); 2] = [
        ("nodes", &mut lineage.nodes()),
        ("edges", &mut lineage.edges()),
    ];
    screen::json_with_lists(&head, lists);
}
