use clap::{Args, CommandFactory as _};

use crate::failure::Failure;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  makoto completions bash > /etc/bash_completion.d/makoto")]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let mut script = Vec::new();
        let mut command = super::Makoto::command();
        clap_complete::generate(self.shell, &mut command, "makoto", &mut script);
        crate::screen::document(&script);
        Ok(0)
    }
}
