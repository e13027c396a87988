//! Where a passphrase comes from: a file, a descriptor, or the terminal. Never the command line
//! or the environment, which other programs can read.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use makoto::limits::Limits;
use zeroize::Zeroizing;

use crate::descriptor;
use crate::failure::Failure;
use crate::secret_file;
use crate::terminal;
use crate::trust;

/// Where the passphrase of a key is read from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PassphraseArgs {
    /// File with the passphrase of the key, mode 0600
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Open file descriptor from which one line is read, the passphrase of the key
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl PassphraseArgs {
    /// The passphrase of a further key, by options of its own.
    pub(crate) fn of(file: Option<PathBuf>, descriptor: Option<u32>) -> Self {
        Self {
            passphrase_file: file,
            passphrase_fd: descriptor,
        }
    }

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

    /// The option that was given, if one was.
    pub(crate) fn option(&self) -> Option<&'static str> {
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(_), _) => Some("--passphrase-file"),
            (None, Some(_)) => Some("--passphrase-fd"),
            (None, None) => None,
        }
    }

    /// Refuses to take the passphrase from stdin where `other` is read from it.
    pub(crate) fn refuse_stdin(&self, other: &str) -> Result<(), Failure> {
        match self.passphrase_fd {
            Some(0) => Err(Failure::usage(format!(
                "--passphrase-fd 0 is stdin, and {other} is read from there"
            ))
            .hint("give the passphrase on another descriptor, such as --passphrase-fd 3")),
            _ => Ok(()),
        }
    }

    /// Refuses a descriptor that a command that is started could read the passphrase from again.
    /// From a pipe nobody can; the descriptor of a file stays open, and can be wound back.
    pub(crate) fn refuse_for_command(&self) -> Result<(), Failure> {
        let Some(number) = self.passphrase_fd else {
            return Ok(());
        };
        let metadata = open(number)?.metadata();
        match metadata.is_ok_and(|metadata| !metadata.is_file()) {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "file descriptor {number} is a file, and the command that is run could read the passphrase from it again"
            ))
            .hint(format!(
                "use a pipe, such as {number}< <(cat FILE), or --passphrase-file FILE"
            ))),
        }
    }

    fn given(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let most = Limits::DEFAULT.passphrase_bytes;
        let (read, what) = match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => {
                let shown = trust::shown(path);
                let read = secret_file::read(path, "passphrase file", most);
                let read = read.map_err(|failure| match path.exists() {
                    true => failure.or_hint(format!(
                        "open it in the shell: --passphrase-fd 3 3< {shown}"
                    )),
                    false => failure,
                });
                (read?, format!("passphrase file {shown}"))
            }
            (None, Some(number)) => {
                let line = descriptor::first_line(open(number)?, most);
                let line = line.map_err(|error| unreadable(number, &error))?;
                if line.len() > most && !line.ends_with(b"\n") {
                    return Err(Failure::usage(format!(
                        "file descriptor {number} has a line longer than {most} bytes"
                    )));
                }
                (line, format!("the line of file descriptor {number}"))
            }
            (None, None) => return Ok(None),
        };
        checked(read, &what).map(Some)
    }
}

fn open(number: u32) -> Result<File, Failure> {
    descriptor::inherited(number).map_err(|error| unreadable(number, &error))
}

fn unreadable(number: u32, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read file descriptor {number}: {error}"))
        .hint(format!("open it in the shell, such as {number}< FILE"))
}

/// Cuts one line end off, which editors add. Nothing else is cut: what nobody sees, and nobody
/// could type, is refused.
fn checked(mut passphrase: Zeroizing<Vec<u8>>, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if passphrase.ends_with(b"\n") {
        passphrase.pop();
        if passphrase.ends_with(b"\r") {
            passphrase.pop();
        }
    }
    let wrong = match &passphrase[..] {
        [] => "is empty",
        [0xef, 0xbb, 0xbf, ..] => "starts with a byte order mark",
        bytes if bytes.contains(&b'\n') => "has more than one line",
        bytes if bytes.iter().any(u8::is_ascii_control) => "has a control character",
        _ => return Ok(passphrase),
    };
    Err(Failure::usage(format!("{what} {wrong}"))
        .hint("write the passphrase on the first line, as it would be typed, and nothing else"))
}

fn prompt(text: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "there is no terminal to ask for the {}",
            text.trim_end_matches(": ")
        ))
        .hint("add --passphrase-file FILE or --passphrase-fd N"));
    }
    let typed = terminal::ask_unseen(text)
        .map_err(|error| Failure::usage(format!("cannot ask for the passphrase: {error}")))?;
    checked(Zeroizing::new(typed.into_bytes()), "the passphrase")
}
