//! Where a passphrase comes from: a file, a descriptor, or the terminal. Never the command line
//! or the environment, which other programs can read.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use makoto::limits::Limits;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::secret_file;

/// Where the passphrase of a key is read from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PassphraseArgs {
    /// File with the passphrase of the key, mode 0600
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Open file descriptor to read the passphrase of the key from
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl PassphraseArgs {
    /// The passphrase of a key that is there.
    pub(crate) fn read(&self, key: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => prompt(&format!("passphrase of {key}: ")),
        }
    }

    /// The passphrase of a key that is made, typed twice at the terminal.
    pub(crate) fn read_new(&self, key: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if let Some(passphrase) = self.given()? {
            return Ok(passphrase);
        }
        let first = prompt(&format!("new passphrase of {key}: "))?;
        let second = prompt("the same again: ")?;
        match *first == *second {
            true => Ok(first),
            false => Err(Failure::usage("the two passphrases are not the same")),
        }
    }

    fn given(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let most = Limits::DEFAULT.passphrase_bytes;
        let read = match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => secret_file::read(path, "passphrase file", most)?,
            (None, Some(descriptor)) => {
                let what = format!("file descriptor {descriptor}");
                let file = File::open(format!("/proc/self/fd/{descriptor}"));
                let file = file.map_err(|error| {
                    Failure::usage(format!("cannot read {what}: {error}"))
                        .hint(format!("open it in the shell, such as {descriptor}< FILE"))
                })?;
                secret_file::read_bounded(file, &what, most)?
            }
            (None, None) => return Ok(None),
        };
        checked(read).map(Some)
    }
}

/// Cuts one line end off, which editors add. Nothing else is cut.
fn checked(mut passphrase: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if passphrase.ends_with(b"\n") {
        passphrase.pop();
        if passphrase.ends_with(b"\r") {
            passphrase.pop();
        }
    }
    match passphrase.is_empty() {
        true => Err(Failure::usage("the passphrase is empty")
            .hint("write a passphrase on the first line, and nothing else")),
        false => Ok(passphrase),
    }
}

fn prompt(text: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("there is no terminal to ask for the passphrase")
                .hint("add --passphrase-file FILE or --passphrase-fd N"),
        );
    }
    let typed = rpassword::prompt_password(text)
        .map_err(|error| Failure::usage(format!("cannot ask for the passphrase: {error}")))?;
    checked(Zeroizing::new(typed.into_bytes()))
}
