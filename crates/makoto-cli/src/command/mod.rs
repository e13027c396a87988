//! The commands, one file each.

mod allow;
mod allow_key_set;
pub(crate) mod attest;
mod claims;
mod completions;
mod dbom;
mod dbt;
mod deferred;
mod doctor;
mod find;
mod folder;
mod key;
mod key_set;
mod key_set_show;
mod known;
mod lineage;
mod man;
mod origin;
mod pack;
pub(crate) mod package;
mod part;
mod pipe;
mod policy;
mod run;
mod schema;
mod sign;
mod step;
pub(crate) mod store;
mod stream_window;
mod timestamp;
mod transform;
mod trust;
mod validate;
mod verify;

use clap::{Parser, Subcommand, ValueEnum};
use makoto::report::Level;

pub(crate) use store::newest_last;

use self::deferred::Deferred;
use crate::failure::Failure;
use crate::screen;

/// Proves where data came from and what was done to it.
///
/// A producer attests data; a consumer verifies that the data still is what its attestation
/// says. Exit status: 0 it is, 1 it is not, 2 it could not be told.
#[derive(Debug, Parser)]
#[command(name = "makoto", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Makoto {
    /// Print the result as JSON on stdout
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  makoto attest origin orders.csv --source https://erp.example.com/orders --collector etl/orders
  makoto run --input orders.csv --output clean.csv -- python3 clean.py {input} {output}
  makoto verify clean.csv";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an attestation beside data
    #[command(subcommand)]
    Attest(Deferred<Attest>),
    /// Run a command and attest what it made of its inputs
    Run(Deferred<Box<run::Run>>),
    /// Sign a statement that is there
    Sign(Deferred<sign::Sign>),
    /// Add the time to signatures that are there
    Timestamp(Deferred<timestamp::TimestampCommand>),
    /// Check that data still is what its attestation says
    Verify(Deferred<verify::Verify>),
    /// Find the attestations of data
    Find(Deferred<find::Find>),
    /// Put data and its attestations into one ZIP file
    Pack(Deferred<pack::Pack>),
    /// Check statements, envelopes, bundles or DBOMs, without their data
    Validate(Deferred<validate::Validate>),
    /// Show where data came from, step by step
    Lineage(Deferred<lineage::LineageCommand>),
    /// Make, check and compare data bills of materials
    #[command(subcommand)]
    Dbom(Deferred<dbom::DbomCommand>),
    /// Make and show keys to sign with
    #[command(subcommand)]
    Key(Deferred<key::KeyCommand>),
    /// Say who is trusted: trusted roots of authorities
    #[command(subcommand)]
    Trust(Deferred<trust::TrustCommand>),
    /// Say who may sign which data
    #[command(subcommand)]
    Policy(Deferred<policy::PolicyCommand>),
    /// Show what would be used for data, where it comes from, and what is wrong here
    Doctor(Deferred<doctor::Doctor>),
    /// Print the JSON Schema of a kind of document
    Schema(Deferred<schema::Schema>),
    /// Print a completion script for a shell
    Completions(Deferred<completions::Completions>),
    /// Write manual pages, one for each command
    Man(Deferred<man::Man>),
}

#[derive(Debug, Subcommand)]
enum Attest {
    Origin(Box<origin::Origin>),
    Transform(Box<transform::Transform>),
    Dbt(Box<dbt::Dbt>),
    StreamWindow(Box<stream_window::StreamWindow>),
}

impl Attest {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        match self {
            Self::Origin(command) => command.run(output),
            Self::Transform(command) => command.run(output),
            Self::Dbt(command) => command.run(output),
            Self::StreamWindow(command) => command.run(output),
        }
    }
}

/// Where a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To a person.
    Text,
    /// To a person, on stderr: stdout is somebody else's.
    Aside,
    /// To a program.
    Json,
}

impl Makoto {
    /// Runs the command. Returns its exit status.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let output = self.output();
        match &self.command {
            Command::Attest(command) => command.run(output),
            Command::Run(command) => command.run(output),
            Command::Sign(command) => command.run(output),
            Command::Timestamp(command) => command.run(output),
            Command::Verify(command) => command.run(output),
            Command::Find(command) => command.run(output),
            Command::Pack(command) => command.run(output),
            Command::Validate(command) => command.run(output),
            Command::Lineage(command) => command.run(output),
            Command::Dbom(command) => command.run(output),
            Command::Key(command) => command.run(output),
            Command::Trust(command) => command.run(output),
            Command::Policy(command) => command.run(output),
            Command::Doctor(command) => command.run(output),
            Command::Schema(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }

    /// Tells of a command that stopped. Returns its exit status.
    pub(crate) fn report(&self, failure: &Failure) -> u8 {
        screen::failure(failure);
        if self.output() == Output::Json {
            screen::json(&failure.to_report().to_json());
        }
        failure.status
    }

    fn output(&self) -> Output {
        match self.json {
            true => Output::Json,
            false => Output::Text,
        }
    }
}

/// A level, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LevelArg {
    /// Provenance exists
    #[value(name = "L1")]
    L1,
    /// Provenance is authentic
    #[value(name = "L2")]
    L2,
    /// Provenance is unforgeable
    #[value(name = "L3")]
    L3,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::L1 => Self::L1,
            LevelArg::L2 => Self::L2,
            LevelArg::L3 => Self::L3,
        }
    }
}
