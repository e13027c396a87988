//! Where reports go besides the screen: a JUnit file, and the pages of GitHub Actions.
//!
//! Each gets one report per dataset, and is finished once when there are no more. What they hold
//! in memory does not grow with the number of datasets.

mod actions;
mod junit;

use std::path::{Path, PathBuf};

use clap::Args;
use makoto::report::Report;

use crate::batch::Done;
use crate::command::Output;
use crate::failure::Failure;
use crate::github;
use actions::Actions;
use junit::Junit;

/// Where else reports are wanted.
#[derive(Debug, Clone, Args)]
pub(crate) struct SinkArgs {
    /// Write every check as JUnit XML too, for CI systems that show tests
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// All places where reports go besides the screen.
pub(crate) struct Sinks {
    junit: Option<Junit>,
    actions: Option<Actions>,
}

impl Sinks {
    /// Opens what is asked for and what the environment has, before any work is done. Nothing is
    /// written in the place of `reads`, or into one of them that is a folder.
    pub(crate) fn open(
        args: &SinkArgs,
        command: &'static str,
        output: Output,
        reads: &[&Path],
    ) -> Result<Self, Failure> {
        let junit = match &args.junit {
            Some(path) => Some(Junit::open(path, command, reads)?),
            None => None,
        };
        let actions = github::is_runner().then(|| Actions::new(command, output));
        Ok(Self { junit, actions })
    }

    /// Tells what came of one dataset or document: a report, or why there is none.
    pub(crate) fn tell(&mut self, what: &Path, told: &Result<Report, Failure>) {
        match told {
            Ok(report) => {
                self.add(what, report);
                if let Some(actions) = &mut self.actions {
                    actions.annotate(what, report);
                }
            }
            // GitHub is told where the failure is shown, as of failures of other commands.
            Err(failure) => self.add(what, &failure.to_report()),
        }
    }

    /// Tells what came of each of many, and returns it as a batch tells it.
    pub(crate) fn tell_all(&mut self, all: Vec<(&Path, Result<Report, Failure>)>) -> Vec<Done> {
        let all = all.into_iter();
        all.map(|(what, told)| {
            self.tell(what, &told);
            Done::told(what, &told)
        })
        .collect()
    }

    fn add(&mut self, what: &Path, report: &Report) {
        if let Some(junit) = &mut self.junit {
            junit.add(what, report);
        }
        if let Some(actions) = &mut self.actions {
            actions.add(what, report);
        }
    }

    /// Completes what was opened. A report that cannot be written is a lost result, and a summary
    /// is only noted.
    pub(crate) fn finish(self) {
        if let Some(junit) = self.junit {
            junit.finish();
        }
        if let Some(actions) = self.actions {
            actions.finish();
        }
    }
}
