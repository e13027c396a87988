//! The command `makoto`.
//!
//! What was typed is read by `clap` in [`command`]; each command turns it into what it means,
//! asks `makoto` and `makoto-data`, and shows the answer through [`screen`].

mod advice;
mod agreement;
mod batch;
mod catalog;
mod clock;
mod code;
mod command;
mod dataset;
mod dbt;
mod defaults;
mod descriptor;
mod doubt;
mod draft;
mod failure;
mod files;
mod github;
mod judge;
mod next;
mod object;
mod package_trust;
mod passphrase;
mod pattern;
mod policy_files;
mod progress;
mod records;
mod screen;
mod secret_file;
mod selection;
mod signals;
mod signer;
mod signing;
mod sink;
mod table;
mod target;
mod terminal;
mod times;
mod trust;
mod writing;

use std::process::ExitCode;

use clap::Parser as _;

use crate::command::Makoto;

fn main() -> ExitCode {
    let parsed = Makoto::try_parse();
    if let Err(failure) = signer::refuse_keys_in_arguments() {
        return match parsed {
            Ok(makoto) => makoto.report(&failure).into(),
            // What clap says would show the key.
            Err(_) => {
                screen::failure(&failure);
                failure.status.into()
            }
        };
    }
    let makoto = match parsed {
        Ok(makoto) => makoto,
        Err(wrong) if wrong.use_stderr() => {
            screen::note(wrong.render().ansi().to_string().trim_end());
            return 2.into();
        }
        Err(help) => help.exit(),
    };
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
