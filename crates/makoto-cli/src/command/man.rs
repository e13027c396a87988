use std::fs::create_dir_all;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use makoto_data::NewFile;

use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Write manual pages, one for each command
///
/// Into DIR, which is made when it is not there: makoto.1, makoto-verify.1 and so on. Without
/// DIR, all of them are printed one after the other.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto man /usr/local/share/man/man1
  makoto man | man -l -")]
pub(crate) struct Man {
    /// The folder
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let mut command = super::Makoto::command().disable_help_subcommand(true);
        command.build();
        let mut pages = Vec::new();
        add_pages(&command, &mut pages);
        if let Some(dir) = &self.dir {
            create_dir_all(dir).map_err(|error| cannot_write(dir, &error))?;
        }
        for page in pages {
            let mut text = Vec::new();
            // Writing into memory does not fail.
            let _ = page.render(&mut text);
            match &self.dir {
                None => screen::document(&text),
                Some(dir) => {
                    let path = dir.join(page.get_filename());
                    write(&path, &text).map_err(|error| cannot_write(&path, &error))?;
                    screen::result(Plain(&path.to_string_lossy()));
                }
            }
        }
        Ok(0)
    }
}

/// The page of a command, and then those of its own commands.
fn add_pages(command: &clap::Command, pages: &mut Vec<clap_mangen::Man>) {
    pages.push(clap_mangen::Man::new(command.clone()));
    for command in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add_pages(command, pages);
    }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = NewFile::at(path)?;
    file.file().write_all(text)?;
    file.keep_by_umask()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let shown = path.to_string_lossy();
    Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
}
