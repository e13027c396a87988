//! Data that comes through a pipe: `makoto attest origin -`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto_data::{NewFile, Stream};

use super::Output;
use crate::dataset::{BadRecords, Measured, refuse_overwriting};
use crate::failure::Failure;
use crate::progress::Bar;
use crate::records::RecordArgs;
use crate::screen::Plain;

/// What becomes of bytes that come through a pipe.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pipes")]
pub(crate) struct PipeArgs {
    /// Write the bytes from stdin here as they pass; the file has its name once they are attested
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Write the bytes from stdin to stdout as they pass; results go to stderr
    #[arg(long)]
    pass: bool,
}

/// What came through the pipe.
pub(crate) struct Piped {
    pub(crate) data: Measured,
    saved: Option<NewFile>,
}

impl PipeArgs {
    /// Refuses options that would silently mean nothing where data is not stdin.
    pub(crate) fn refuse_without_pipe(&self) -> Result<(), Failure> {
        let given = [("--save", self.save.is_some()), ("--pass", self.pass)];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!("{option} needs the data - (stdin)"))),
            None => Ok(()),
        }
    }

    /// Where results go.
    pub(crate) fn output(&self, output: Output) -> Result<Output, Failure> {
        match (self.pass, output) {
            (true, Output::Json) => Err(Failure::usage(
                "--pass and --json would both write to stdout",
            )),
            (true, _) => Ok(Output::Aside),
            (false, output) => Ok(output),
        }
    }

    /// What stands for the data on disk: the file that it is saved in, or `-`.
    pub(crate) fn path(&self) -> &Path {
        self.save.as_deref().unwrap_or(Path::new("-"))
    }

    /// Whether the data will have a name of its own.
    pub(crate) fn is_saved(&self) -> bool {
        self.save.is_some()
    }

    /// Reads stdin to its end.
    pub(crate) fn read(&self, records: &RecordArgs) -> Result<Piped, Failure> {
        let mut saved = match &self.save {
            Some(path) => Some(new_file(path)?),
            None => None,
        };
        let file = saved.as_mut().map(|file| file.file().try_clone());
        let stdout = self.pass.then(|| {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            stdout.map(File::from)
        });
        let copies: io::Result<Vec<_>> = file.into_iter().chain(stdout).collect();
        let copies =
            copies.map_err(|error| Failure::usage(format!("cannot copy stdin: {error}")))?;
        let mut copies = Copies(copies);
        let bar = Bar::reading(Path::new("-"));
        let stream = Stream::open(Path::new("stdin"), None, io::stdin())?;
        let data = Measured::of_stream(
            self.path(),
            stream,
            records,
            BadRecords::Refuse,
            &|bytes| bar.add(bytes),
            Some(&mut copies),
        )?;
        Ok(Piped { data, saved })
    }
}

impl Piped {
    /// Gives the saved bytes their name.
    pub(crate) fn keep(&mut self) -> Result<(), Failure> {
        let path = &self.data.path;
        match self.saved.take() {
            Some(saved) => saved.keep(path).map_err(|error| cannot_write(path, &error)),
            None => Ok(()),
        }
    }
}

fn new_file(path: &Path) -> Result<NewFile, Failure> {
    refuse_overwriting("--save", path, &[])?;
    NewFile::at(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let shown = path.to_string_lossy();
    Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
}

/// Writes the same bytes to several files.
struct Copies(Vec<File>);

impl Write for Copies {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for file in &mut self.0 {
            file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
