//! Inflating what is stored, within a budget, while the stored bytes are hashed.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use makoto::digest::Hasher;
use makoto::limits::Limits;
use makoto::record::{Compression, RecordError};

use crate::error::DataError;
use crate::file::Tap;

/// Largest window of a Zstandard frame, as a power of two: 32 MiB, which level 20 uses, and four
/// times what RFC 8878 asks a reader to support. It is memory that a frame's author makes the
/// reader spend.
const ZSTD_WINDOW_LOG: u32 = 25;

/// Hashes what passes through.
struct Stored<'a> {
    tap: Tap<'a>,
    hasher: Hasher,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.tap.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// The stored bytes as a decoder reads them. The decoder owns its reader, and what was read
/// must be had back whatever becomes of the decoder.
struct Shared<'a>(Arc<Mutex<Stored<'a>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read(buffer)
    }
}

/// The content of a compressed file.
pub(crate) struct Inflated<'a> {
    stored: Arc<Mutex<Stored<'a>>>,
    decoder: io::Result<Box<dyn Read + Send + 'a>>,
    produced: u64,
}

impl<'a> Inflated<'a> {
    pub(crate) fn new(tap: Tap<'a>, compression: Compression) -> Self {
        let stored = Arc::new(Mutex::new(Stored {
            tap,
            hasher: Hasher::new(),
        }));
        Self {
            decoder: decoder(Shared(Arc::clone(&stored)), compression),
            stored,
            produced: 0,
        }
    }

    /// Reads some content; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RecordError> {
        let refuse = |error: &io::Error| {
            let mut why = error.to_string();
            if why.contains("too much memory") {
                why = format!(
                    "its window is larger than {} MiB",
                    1 << (ZSTD_WINDOW_LOG - 20)
                );
            }
            RecordError::NotCompressed(why)
        };
        let decoder = self.decoder.as_mut().map_err(|error| refuse(error))?;
        let count = decoder.read(buffer).map_err(|error| refuse(&error))?;
        self.produced += count as u64;
        let limits = Limits::DEFAULT;
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let in_proportion = stored
            .tap
            .bytes_read()
            .saturating_mul(limits.inflation_ratio);
        if self.produced > in_proportion.max(limits.inflation_floor) {
            return Err(RecordError::Inflation {
                ratio: limits.inflation_ratio,
            });
        }
        Ok(count)
    }

    /// Hashes what is left of the stored bytes, and returns the hash of all of them.
    pub(crate) fn finish(self) -> Result<Hasher, DataError> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let drained = io::copy(&mut *stored, &mut io::sink());
        match (stored.tap.take_failure(), drained) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) => Err(DataError::Copy(error)),
            (None, Ok(_)) => Ok(stored.hasher.clone()),
        }
    }
}

fn decoder<'a>(
    stored: Shared<'a>,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(stored),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(stored)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(stored)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}
