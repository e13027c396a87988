//! Bytes that come once: a pipe, or an object that is fetched.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use makoto::digest::Digest;
use makoto::record::{Compression, RecordError, Records, Settings};

use crate::error::DataError;
use crate::file::{Source, Tap, shown_by};
use crate::{Progress, pipeline};

/// Bytes that come once, of which the first few were looked at.
pub struct Stream<'a> {
    name: PathBuf,
    expected: Option<u64>,
    head: Vec<u8>,
    rest: Box<dyn Read + Send + 'a>,
}

/// Digests of what came.
#[derive(Debug, Clone)]
pub struct StreamDigest {
    /// SHA-256 of all bytes.
    pub sha256: Digest,
    /// Number of bytes.
    pub bytes: u64,
    /// The records, if they were asked for.
    pub records: Option<Result<Records, RecordError>>,
}

impl<'a> Stream<'a> {
    /// The bytes that `source` gives, which errors call `name`. When `expected` bytes are known
    /// to come, fewer or more are an error.
    ///
    /// # Errors
    /// [`DataError::Io`] when the first bytes cannot be read.
    pub fn open(
        name: &Path,
        expected: Option<u64>,
        mut source: impl Read + Send + 'a,
    ) -> Result<Self, DataError> {
        /// As many as tell a compression.
        const HEAD: u64 = 4;
        let mut head = Vec::new();
        Read::by_ref(&mut source)
            .take(HEAD)
            .read_to_end(&mut head)
            .map_err(DataError::io(name))?;
        Ok(Self {
            name: name.to_owned(),
            expected,
            head,
            rest: Box::new(source),
        })
    }

    /// Compression that the first bytes show.
    pub fn apparent_compression(&self) -> Compression {
        shown_by(&self.head)
    }

    /// Hashes the bytes as they come; with `settings`, counts their records and hashes their
    /// tree as well; with `copy`, writes the same bytes there. Memory does not grow with them.
    ///
    /// # Errors
    /// [`DataError`], as for a file. That whoever wrote into a pipe stopped before it was done
    /// cannot be seen here.
    pub fn digest(
        self,
        settings: Option<&Settings>,
        progress: &Progress<'_>,
        mut copy: Option<&mut (dyn Write + Send)>,
    ) -> Result<StreamDigest, DataError> {
        let bytes = AtomicU64::new(0);
        let counting = |count| {
            bytes.fetch_add(count, Ordering::Relaxed);
            progress(count);
        };
        // Borrowed anew, since everything that a tap holds lives equally long.
        let copy: Option<&mut (dyn Write + Send)> = match &mut copy {
            Some(copy) => Some(&mut **copy),
            None => None,
        };
        let source = Source::Stream(Box::new(Cursor::new(self.head).chain(self.rest)));
        let tap = Tap::on(source, &self.name, self.expected, &counting, copy);
        let (sha256, records) = pipeline::run(tap, settings)?;
        Ok(StreamDigest {
            sha256,
            bytes: bytes.into_inner(),
            records,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use makoto::record::Format;

    fn digest(bytes: &[u8], expected: Option<u64>) -> Result<StreamDigest, DataError> {
        // A reader that gives little at a time, as pipes do.
        let slow = bytes.chunks(3).map(Cursor::new).fold(
            Box::new(std::io::empty()) as Box<dyn Read + Send>,
            |before, next| Box::new(before.chain(next)),
        );
        let settings = Settings::for_format(Format::JsonLines);
        Stream::open(Path::new("-"), expected, slow)?.digest(Some(&settings), &|_| {}, None)
    }

    #[test]
    fn bytes_that_come_in_pieces_are_the_same_bytes() {
        let whole = digest(b"{\"a\":1}\n{\"a\":2}\n", None).expect("readable");
        assert_eq!(whole.sha256, Digest::of(b"{\"a\":1}\n{\"a\":2}\n"));
        assert_eq!(whole.bytes, 16);
        let records = whole.records.expect("asked for").expect("good");
        assert_eq!(records.count, 2);
        assert_eq!(digest(b"", None).expect("readable").sha256, Digest::of(b""));
    }

    #[test]
    fn fewer_or_more_bytes_than_were_promised_are_an_error() {
        assert!(digest(b"12345678\n", Some(9)).is_ok());
        for wrong in [0, 3, 8, 10, 1_000_000] {
            let refused = digest(b"12345678\n", Some(wrong));
            assert!(matches!(refused, Err(DataError::Changed { .. })), "{wrong}");
        }
    }
}
