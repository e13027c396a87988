//! Files with a secret in them: keys and passphrases.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::screen::Plain;

/// Reads a file that only its owner may read: regular, no link, owned by this user, and with no
/// permissions for others. It is checked through the descriptor that it is read from.
pub(crate) fn read(path: &Path, what: &str, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.to_string_lossy();
    let shown = Plain(&shown);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => Failure::usage(format!(
            "{what} {shown} is a symbolic link, needed a regular file"
        ))
        .hint("name the file itself"),
        rustix::io::Errno::NOENT => Failure::usage(format!("{what} {shown} is not there"))
            .hint("check the path; it is taken from the folder you are in"),
        error => Failure::usage(format!("cannot read {what} {shown}: {error}")),
    })?;
    let file = File::from(file);
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {what} {shown}: {error}"));
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::usage(format!(
            "{what} {shown} is not a regular file"
        )));
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(Failure::usage(format!(
            "{what} {shown} belongs to user {}, needed {user}, who runs this",
            metadata.uid()
        ))
        .hint("copy it to a file of your own, with mode 0600"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Failure::usage(format!(
            "{what} {shown} has mode {mode:04o}, needed 0600: others could use it"
        ))
        .hint(format!("chmod 600 {shown}")));
    }
    read_bounded(file, &format!("{what} {shown}"), most)
}

/// Reads everything, up to a budget.
pub(crate) fn read_bounded(
    source: impl Read,
    what: &str,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Never grown, so that no copy of the secret stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    source
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read {what}: {error}")))?;
    match bytes.len() > most {
        true => Err(Failure::usage(format!(
            "{what} is longer than {most} bytes"
        ))),
        false => Ok(bytes),
    }
}
