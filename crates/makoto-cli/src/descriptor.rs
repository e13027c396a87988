//! A file descriptor that this process was started with, known by its number.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use zeroize::Zeroizing;

/// A second descriptor of what number `number` is open on, closed in programs that are started.
///
/// Both share one position: what is read through it is gone for everybody else, in pipes and
/// sockets for good. The number itself stays open, as closing it is beyond safe Rust.
pub(crate) fn inherited(number: u32) -> io::Result<File> {
    if number == 0 {
        return Ok(io::stdin().as_fd().try_clone_to_owned()?.into());
    }
    let raw = i32::try_from(number).map_err(|_| Errno::BADF)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty());
    match own.and_then(|own| pidfd_getfd(own, raw, PidfdGetfdFlags::empty())) {
        Ok(descriptor) => Ok(descriptor.into()),
        // Containers forbid it, and kernels before 5.6 have it not.
        Err(Errno::PERM | Errno::NOSYS) => reopened(number),
        Err(error) => Err(error.into()),
    }
}

/// As [`inherited`], by its name in `/proc`, which a socket has not. A file has a position of its
/// own then, and starts at that of the number.
fn reopened(number: u32) -> io::Result<File> {
    let mut file = File::open(format!("/proc/self/fd/{number}"))?;
    if file.metadata()?.is_file() {
        let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
        let position = told.lines().find_map(|line| line.strip_prefix("pos:"));
        let position = position.and_then(|text| text.trim().parse().ok());
        file.seek(SeekFrom::Start(position.ok_or(io::ErrorKind::InvalidData)?))?;
    }
    Ok(file)
}

/// The first line, with its end if there is one, and of a longer one `most + 1` bytes. Not a byte
/// more is taken: a pipe that stays open is not waited for, and what follows is somebody else's.
pub(crate) fn first_line(mut source: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    const PAUSE: Duration = Duration::from_millis(10);
    // Never grown, so that no copy of the secret stays behind.
    let mut line = Zeroizing::new(Vec::with_capacity(most + 1));
    let mut byte = Zeroizing::new([0]);
    while line.len() <= most && line.last() != Some(&b'\n') {
        match source.read(&mut byte[..]) {
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever made the pipe may have said that nobody waits for it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_descriptor_is_read_where_it_stands() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"first\nsecond\n").expect("written");
        let number = file.as_raw_fd().unsigned_abs();
        for open in [inherited, reopened] {
            file.seek(SeekFrom::Start(6)).expect("sought");
            let read = first_line(open(number).expect("opened"), 100).expect("read");
            assert_eq!(*read, b"second\n");
        }
        // Where the position is shared, what was read is behind it.
        file.seek(SeekFrom::Start(0)).expect("sought");
        first_line(inherited(number).expect("opened"), 100).expect("read");
        let mut rest = String::new();
        file.read_to_string(&mut rest).expect("read");
        assert_eq!(rest, "second\n");
    }

    #[test]
    fn a_line_is_read_to_its_end_and_no_further() {
        let line = |bytes: &[u8]| first_line(bytes, 4).expect("read").to_vec();
        assert_eq!(line(b"ab\ncd"), b"ab\n");
        assert_eq!(line(b"ab"), b"ab");
        assert_eq!(line(b"abcd\n"), b"abcd\n");
        assert_eq!(line(b"abcdefg\n"), b"abcde");
        assert_eq!(line(b""), b"");
    }
}
