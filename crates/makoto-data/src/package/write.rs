//! Writing a package: the same data and attestations give the same bytes.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use flate2::Crc;
use makoto::digest::Digest;

use super::archive::{UTF_8, ZIP64};
use super::{FURTHER, Package, PackageError};
use crate::new_file::NewFile;

/// 1980-01-01 00:00, the first moment that a ZIP file knows: when it was written is nobody's
/// fact.
const DATE: u16 = 1 << 5 | 1;

/// Made by a Unix program of APPNOTE 4.5, which has ZIP64.
const MADE_BY: u16 = 3 << 8 | VERSION;
const VERSION: u16 = 45;

/// A plain file that its owner may write and everyone may read.
const FILE_MODE: u32 = 0o100_644;

/// Name of the member that holds the further statement `id`.
pub fn further_name(id: &Digest) -> String {
    format!("{FURTHER}{id}.json")
}

/// A package that is being written. It has no name yet.
#[derive(Debug)]
pub struct PackageWriter {
    file: NewFile,
    directory: Vec<u8>,
    entries: u64,
}

/// The member that is being written, which is checked and counted.
struct Member<'a> {
    file: &'a mut File,
    crc: Crc,
    length: u64,
}

impl Write for Member<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PackageWriter {
    /// Starts a package that will be at `path`.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: NewFile::at(path)?,
            directory: Vec::new(),
            entries: 0,
        })
    }

    /// Adds a member; `content` writes it, as it is.
    ///
    /// # Errors
    /// Those of `content`, and of writing, in the form that `cannot_write` gives them.
    pub fn add<E>(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), E>,
        cannot_write: impl Fn(io::Error) -> E,
    ) -> Result<(), E> {
        let file = self.file.file();
        let start = file.stream_position().map_err(&cannot_write)?;
        // Its sizes are known at its end; room for the largest is left.
        let header = header(name, 0, 0);
        file.write_all(&header).map_err(&cannot_write)?;
        let mut member = Member {
            file,
            crc: Crc::new(),
            length: 0,
        };
        content(&mut member)?;
        let (crc, length) = (member.crc.sum(), member.length);
        let header = self::header(name, crc, length);
        file.write_all_at(&header, start).map_err(&cannot_write)?;
        self.entries += 1;
        self.directory.extend(entry(name, crc, length, start));
        Ok(())
    }

    /// Ends the package that will be at `path`, to be read again before it is given its name.
    ///
    /// # Errors
    /// When it cannot be written, or a reader would refuse it.
    pub fn finish(mut self, path: &Path) -> Result<(Package, NewFile), PackageError> {
        let file = self.file.file();
        let start = file.seek(SeekFrom::End(0)).map_err(PackageError::Io)?;
        file.write_all(&self.directory).map_err(PackageError::Io)?;
        let size = self.directory.len() as u64;
        let end = end(self.entries, size, start);
        file.write_all(&end).map_err(PackageError::Io)?;
        let again = file.try_clone().map_err(PackageError::Io)?;
        Ok((Package::of_file(again, path)?, self.file))
    }
}

/// Bytes of fields, little-endian.
struct Fields(Vec<u8>);

impl Fields {
    fn u16(mut self, values: &[u16]) -> Self {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn u32(mut self, values: &[u32]) -> Self {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn u64(mut self, values: &[u64]) -> Self {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend(text.as_bytes());
        self
    }
}

fn flags(name: &str) -> u16 {
    if name.is_ascii() { 0 } else { UTF_8 }
}

/// Every size stands in the ZIP64 field: one form for all.
fn header(name: &str, crc: u32, length: u64) -> Vec<u8> {
    let fields = Fields(Vec::new())
        .u32(&[0x0403_4b50])
        .u16(&[VERSION, flags(name), 0, 0, DATE])
        .u32(&[crc, u32::MAX, u32::MAX])
        .u16(&[name.len() as u16, 20])
        .text(name);
    fields.u16(&[ZIP64, 16]).u64(&[length, length]).0
}

fn entry(name: &str, crc: u32, length: u64, start: u64) -> Vec<u8> {
    let fields = Fields(Vec::new())
        .u32(&[0x0201_4b50])
        .u16(&[MADE_BY, VERSION, flags(name), 0, 0, DATE])
        .u32(&[crc, u32::MAX, u32::MAX])
        .u16(&[name.len() as u16, 28, 0, 0, 0])
        .u32(&[FILE_MODE << 16, u32::MAX])
        .text(name);
    fields.u16(&[ZIP64, 24]).u64(&[length, length, start]).0
}

fn end(entries: u64, size: u64, start: u64) -> Vec<u8> {
    Fields(Vec::new())
        .u32(&[0x0606_4b50])
        .u64(&[44])
        .u16(&[MADE_BY, VERSION])
        .u32(&[0, 0])
        .u64(&[entries, entries, size, start])
        .u32(&[0x0706_4b50, 0])
        .u64(&[start + size])
        .u32(&[1, 0x0605_4b50])
        .u16(&[0, 0, u16::MAX, u16::MAX])
        .u32(&[u32::MAX, u32::MAX])
        .u16(&[0])
        .0
}
