//! The structure of a ZIP archive, read so strictly that every reader sees the same members.
//!
//! Many archives can be read in two ways: a directory that names other bytes than the local
//! headers do, entries that overlap, a second directory in front of the first. Whoever unpacks
//! with another program must get what was verified, so an archive passes here only when its
//! entries, directory and end fill the file without gap or overlap, and say the same.
//!
//! Follows APPNOTE.TXT 6.3: stored and deflated members, ZIP64, data descriptors. Nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use makoto::limits::Limits;
use makoto::manifest::Manifest;

use super::PackageError;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;

/// Bits of the general purpose flag that change nothing that we read: two of how hard it was
/// deflated, and one that the name is UTF-8.
const HARMLESS_FLAGS: u16 = 1 << 1 | 1 << 2 | UTF_8;
const HAS_DESCRIPTOR: u16 = 1 << 3;
pub(super) const UTF_8: u16 = 1 << 11;

/// Extra fields that give the entry another name or size in some readers.
const UNICODE_PATH: u16 = 0x7075;
pub(super) const ZIP64: u16 = 0x0001;

/// How a member is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// A member of an archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) method: Method,
    /// Bytes of its content.
    pub(super) size: u64,
    /// Bytes that are stored.
    pub(super) stored: u64,
    pub(super) crc: u32,
    /// Where the stored bytes start.
    pub(super) start: u64,
    flags: u16,
    local: u64,
}

/// Little-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PackageError> {
        let cut = self.0.split_at_checked(count);
        let (taken, rest) = cut.ok_or_else(|| PackageError::form("a header is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, PackageError> {
        let taken = self.take(bytes)?.iter().rev();
        Ok(taken.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u16(&mut self) -> Result<u16, PackageError> {
        Ok(self.number(2)? as u16)
    }

    fn u32(&mut self) -> Result<u32, PackageError> {
        Ok(self.number(4)? as u32)
    }
}

fn read(file: &File, from: u64, length: usize) -> Result<Vec<u8>, PackageError> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)
        .map_err(PackageError::Io)?;
    Ok(bytes)
}

/// Where the directory is.
struct Directory {
    entries: u64,
    start: u64,
    size: u64,
}

/// Reads the members of the archive in `file`, which has `length` bytes, in the order of their
/// names. Folders among them, which have no bytes, are left out.
pub(super) fn entries(file: &File, length: u64) -> Result<Vec<Entry>, PackageError> {
    let limits = Limits::DEFAULT;
    let directory = directory(file, length)?;
    if directory.entries > limits.package_members as u64
        || directory.size > limits.package_directory_bytes
    {
        return Err(PackageError::Budget(format!(
            "it has more than {} members, or their names more than {} bytes",
            limits.package_members, limits.package_directory_bytes
        )));
    }
    let bytes = read(file, directory.start, directory.size as usize)?;
    let mut fields = Fields(&bytes);
    let mut entries = Vec::new();
    for _ in 0..directory.entries {
        entries.push(central(&mut fields)?);
    }
    if !fields.0.is_empty() {
        return Err(PackageError::form(
            "its directory holds more than its entries",
        ));
    }
    // In the order of the file, each must end where the next begins.
    entries.sort_by_key(|entry| entry.local);
    let ends: Vec<_> = entries.iter().skip(1).map(|entry| entry.local).collect();
    let mut expected = 0;
    for (entry, end) in entries
        .iter_mut()
        .zip(ends.into_iter().chain([directory.start]))
    {
        if entry.local != expected {
            return Err(PackageError::member(
                &entry.name,
                "does not start where the one before it ends: bytes between or overlapping",
            ));
        }
        local(file, entry, end)?;
        expected = end;
    }
    if expected != directory.start {
        return Err(PackageError::form("something lies before its directory"));
    }
    refuse_names(&entries)?;
    refuse_bomb(&entries)?;
    entries.retain(|entry| !entry.name.ends_with('/'));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Finds the directory by the end of the file, which must be that of the archive.
fn directory(file: &File, length: u64) -> Result<Directory, PackageError> {
    let no_end = || {
        PackageError::form(
            "it does not end with the end record of an archive: it is cut short, has a comment, or something follows it",
        )
    };
    let end = length.checked_sub(22).ok_or_else(no_end)?;
    let bytes = read(file, end, 22)?;
    let mut fields = Fields(&bytes);
    if fields.u32()? != END {
        return Err(no_end());
    }
    let disks = [fields.u16()?, fields.u16()?];
    let counts = [fields.u16()?, fields.u16()?];
    let (size, start) = (fields.u32()?, fields.u32()?);
    if fields.u16()? != 0 {
        return Err(no_end());
    }
    let is_64 = disks.contains(&u16::MAX)
        || counts.contains(&u16::MAX)
        || [size, start].contains(&u32::MAX);
    let (directory, ends) = match is_64 {
        true => directory_64(file, end)?,
        false => {
            if disks != [0, 0] || counts[0] != counts[1] {
                return Err(PackageError::form("it is one part of several"));
            }
            let directory = Directory {
                entries: counts[0].into(),
                start: start.into(),
                size: size.into(),
            };
            (directory, end)
        }
    };
    if directory.start.checked_add(directory.size) != Some(ends) {
        return Err(PackageError::form(
            "its directory is not where the end record says, or something lies before the archive or behind the directory",
        ));
    }
    Ok(directory)
}

/// The ZIP64 end record and its locator, right before the end record. Returns where they start.
fn directory_64(file: &File, end: u64) -> Result<(Directory, u64), PackageError> {
    let wrong = || PackageError::form("its ZIP64 end record is missing or not in its place");
    let record = end.checked_sub(20 + 56).ok_or_else(wrong)?;
    let bytes = read(file, record, 20 + 56)?;
    let mut fields = Fields(&bytes);
    let signature = fields.u32()?;
    let size = fields.number(8)?;
    fields.take(4)?;
    let disks = [fields.u32()?, fields.u32()?];
    let counts = [fields.number(8)?, fields.number(8)?];
    let directory = Directory {
        entries: counts[0],
        size: fields.number(8)?,
        start: fields.number(8)?,
    };
    let locator = (
        fields.u32()?,
        fields.u32()?,
        fields.number(8)?,
        fields.u32()?,
    );
    let expected = (LOCATOR_64, 0, record, 1);
    if (signature, size, disks, locator) != (END_64, 44, [0, 0], expected) || counts[0] != counts[1]
    {
        return Err(wrong());
    }
    Ok((directory, record))
}

/// Reads one entry of the directory.
fn central(fields: &mut Fields<'_>) -> Result<Entry, PackageError> {
    if fields.u32()? != CENTRAL {
        return Err(PackageError::form(
            "its directory holds something that is no entry",
        ));
    }
    fields.take(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?;
    let crc = fields.u32()?;
    let (stored, size) = (fields.u32()?, fields.u32()?);
    let [name, extra, comment] = [fields.u16()?, fields.u16()?, fields.u16()?];
    let disk = fields.u16()?;
    fields.take(2)?;
    let attributes = fields.u32()?;
    let local = fields.u32()?;
    let name = read_name(fields.take(name.into())?, flags)?;
    let refuse = |what: &str| PackageError::member(&name, what);
    let extra = fields.take(extra.into())?;
    fields.take(comment.into())?;
    if flags & !(HARMLESS_FLAGS | HAS_DESCRIPTOR) != 0 {
        return Err(refuse(
            "is encrypted, or uses something that few readers know",
        ));
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        _ => return Err(refuse("is compressed in a way other than deflate")),
    };
    refuse_kind(&name, attributes).map_err(&refuse)?;
    let wide = wide(&name, extra, &[size, stored, local])?;
    let [size, stored, local] = wide[..] else {
        return Err(refuse("has no sizes"));
    };
    if disk != 0 {
        return Err(refuse("is in another part of the archive"));
    }
    let entry = Entry {
        method,
        size,
        stored,
        crc,
        start: 0,
        flags,
        local,
        name: name.clone(),
    };
    if method == Method::Stored && size != stored || name.ends_with('/') && size != 0 {
        return Err(refuse("has two sizes, or is a folder with bytes"));
    }
    Ok(entry)
}

fn read_name(bytes: &[u8], flags: u16) -> Result<String, PackageError> {
    let name = std::str::from_utf8(bytes)
        .map_err(|_| PackageError::form("it has a name that is not UTF-8"))?;
    if flags & UTF_8 == 0 && !name.is_ascii() {
        return Err(PackageError::member(
            name,
            "has a name that is not marked as UTF-8",
        ));
    }
    Ok(name.to_owned())
}

/// Refuses links, devices and other things that have no stored bytes, by their Unix mode, and
/// folders that do not look like one.
fn refuse_kind(name: &str, attributes: u32) -> Result<(), &'static str> {
    const KIND: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    const DOS_FOLDER: u32 = 0x10;
    let is_folder = name.ends_with('/');
    let kind = (attributes >> 16) & KIND;
    let fits = match is_folder {
        true => kind == 0 || kind == FOLDER,
        false => (kind == 0 || kind == FILE) && attributes & DOS_FOLDER == 0,
    };
    match fits {
        true => Ok(()),
        false => Err("is a link or a device, or a folder and a file at once"),
    }
}

/// The values that did not fit into four bytes, from the ZIP64 extra field; the others as they
/// are.
fn wide(name: &str, mut extra: &[u8], narrow: &[u32]) -> Result<Vec<u64>, PackageError> {
    let mut found = None;
    while !extra.is_empty() {
        let mut fields = Fields(extra);
        let (id, size) = (fields.u16()?, fields.u16()?);
        let body = fields.take(size.into())?;
        extra = fields.0;
        let twice = id == ZIP64 && found.replace(body).is_some();
        if twice || id == UNICODE_PATH {
            let what = "has extra fields that give it another name or size";
            return Err(PackageError::member(name, what));
        }
    }
    let mut fields = Fields(found.unwrap_or_default());
    let value = |narrow: &u32| match *narrow {
        u32::MAX => fields.number(8),
        narrow => Ok(narrow.into()),
    };
    narrow.iter().map(value).collect()
}

/// Reads the header in front of a member, which must say what the directory says, and finds
/// where the stored bytes start. They must end at `end`.
fn local(file: &File, entry: &mut Entry, end: u64) -> Result<(), PackageError> {
    let name = entry.name.clone();
    let refuse = |what: &str| PackageError::member(&name, what);
    let room = end.checked_sub(entry.local);
    let room = room
        .filter(|room| *room >= 30)
        .ok_or_else(|| refuse("overlaps another"))?;
    let header = read(file, entry.local, 30)?;
    let mut fields = Fields(&header);
    let signature = fields.u32()?;
    fields.take(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?;
    let crc = fields.u32()?;
    let (stored, size) = (fields.u32()?, fields.u32()?);
    let [name_length, extra_length] = [fields.u16()?, fields.u16()?].map(u64::from);
    let data = entry.local + 30 + name_length + extra_length;
    let data_end = data.checked_add(entry.stored).filter(|at| *at <= end);
    let (Some(data_end), true) = (data_end, 30 + name_length + extra_length <= room) else {
        return Err(refuse("overlaps another"));
    };
    let rest = read(
        file,
        entry.local + 30,
        (name_length + extra_length) as usize,
    )?;
    let (local_name, extra) = rest.split_at(name_length as usize);
    let expected_method = match entry.method {
        Method::Stored => 0,
        Method::Deflated => 8,
    };
    let mut same = (signature, flags, method) == (LOCAL, entry.flags, expected_method)
        && local_name == name.as_bytes();
    let has_descriptor = flags & HAS_DESCRIPTOR != 0;
    if has_descriptor {
        let tail = read(file, data_end, (end - data_end).min(25) as usize)?;
        same &= (crc == 0 || crc == entry.crc) && is_descriptor(&tail, entry);
    } else {
        let sizes = wide(&name, extra, &[size, stored])?;
        same &= data_end == end && crc == entry.crc && sizes == [entry.size, entry.stored];
    }
    if !same {
        return Err(refuse("is not what the archive's directory says of it"));
    }
    entry.start = data;
    Ok(())
}

/// Whether `tail` is just the descriptor that follows a member: its checksum and sizes, with or
/// without a signature, in four or eight bytes each.
fn is_descriptor(tail: &[u8], entry: &Entry) -> bool {
    let body = |width: usize| {
        let mut body = entry.crc.to_le_bytes().to_vec();
        body.extend(&entry.stored.to_le_bytes()[..width]);
        body.extend(&entry.size.to_le_bytes()[..width]);
        body
    };
    let fits = |width: usize| width == 8 || entry.size.max(entry.stored) <= u32::MAX.into();
    let signed = tail.strip_prefix(&DESCRIPTOR.to_le_bytes());
    let forms = [Some(tail), signed].into_iter().flatten();
    forms.into_iter().any(|form| {
        [4, 8]
            .into_iter()
            .any(|width| fits(width) && form == body(width))
    })
}

/// Refuses names that leave the folder they are unpacked in, and two that are one file there.
fn refuse_names(entries: &[Entry]) -> Result<(), PackageError> {
    let no_digest = makoto::digest::Digest::from([0; 32]);
    let plain = |entry: &Entry| (entry.name.trim_end_matches('/').to_owned(), no_digest);
    Manifest::new(entries.iter().map(plain))
        .map_err(|error| PackageError::form(&error.to_string()))?;
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    for name in &names {
        if name.ends_with("//") {
            return Err(PackageError::member(name, "is not a plain relative path"));
        }
        // A file that others are to be in.
        let below = format!("{name}/");
        let next = names.partition_point(|other| *other < below.as_str());
        if names
            .get(next)
            .is_some_and(|other| other.starts_with(&below))
            && !name.ends_with('/')
        {
            return Err(PackageError::member(name, "is a file and a folder at once"));
        }
    }
    Ok(())
}

/// Refuses an archive that would inflate without end.
fn refuse_bomb(entries: &[Entry]) -> Result<(), PackageError> {
    let limits = Limits::DEFAULT;
    let deflated = entries
        .iter()
        .filter(|entry| entry.method == Method::Deflated);
    let (size, stored) = deflated.fold((0_u64, 0_u64), |(size, stored), entry| {
        (
            size.saturating_add(entry.size),
            stored.saturating_add(entry.stored),
        )
    });
    let allowed = stored.saturating_mul(limits.inflation_ratio);
    match size > allowed.max(limits.inflation_floor) {
        true => Err(PackageError::Budget(format!(
            "it inflates to more than {} times its size",
            limits.inflation_ratio
        ))),
        false => Ok(()),
    }
}
