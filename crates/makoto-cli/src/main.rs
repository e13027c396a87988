//! The command `makoto`.
//!
//! What was typed is read by `clap` in [`command`]; each command turns it into what it means,
//! asks `makoto` and `makoto-data`, and shows the answer through [`screen`].

mod batch;
mod clock;
mod code;
mod command;
mod dataset;
mod draft;
mod failure;
mod files;
mod object;
mod pattern;
mod progress;
mod screen;
mod selection;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::command::Makoto;

fn main() -> ExitCode {
    let makoto = Makoto::parse();
    let status = match makoto.run() {
        Ok(status) => status,
        Err(failure) => makoto.report(&failure),
    };
    match (status, screen::lost_results()) {
        (0, true) => {
            screen::note("error: the result could not be written");
            2.into()
        }
        _ => status.into(),
    }
}
