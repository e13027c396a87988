//! As much of Thrift's compact protocol as it takes to look at a Parquet file before the
//! `parquet` crate does: that crate believes sizes and nesting, and a footer that lies about them
//! would end the program by its memory or its stack.

use makoto::limits::Limits;
use parquet::basic::Encoding;

/// Why bytes are not what they should be. `None`: they end too early.
pub(super) type Broken = Option<&'static str>;

/// Nesting of values that nobody looks at.
const DEPTH: usize = 32;

/// A reader over bytes of the compact protocol.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Types of values, as they stand in the headers of fields and lists.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

impl<'a> Compact<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = *self.bytes.get(self.at).ok_or(None)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Some("a number is longer than ten bytes"))
    }

    fn signed(&mut self) -> Result<i64, Broken> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn i32(&mut self) -> Result<i32, Broken> {
        i32::try_from(self.signed()?).map_err(|_| Some("a number is out of range"))
    }

    fn pass(&mut self, count: u64) -> Result<(), Broken> {
        let left = self.bytes.len() - self.at;
        let count = usize::try_from(count).map_err(|_| None)?;
        if count > left {
            return Err(None);
        }
        self.at += count;
        Ok(())
    }

    /// The next field of a struct: its number and type; `None` at the end of the struct.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Broken> {
        let header = self.byte()?;
        if header == 0 {
            return Ok(None);
        }
        *last = match header >> 4 {
            0 => self.signed()?,
            delta => last.saturating_add(i64::from(delta)),
        };
        Ok(Some((*last, header & 15)))
    }

    /// Length and type of the items of a list. Each item takes a byte at least.
    fn list(&mut self) -> Result<(u64, u8), Broken> {
        let header = self.byte()?;
        let size = match header >> 4 {
            15 => self.varint()?,
            size => u64::from(size),
        };
        if size > (self.bytes.len() - self.at) as u64 {
            return Err(None);
        }
        Ok((size, header & 15))
    }

    fn skip(&mut self, of: u8, depth: usize) -> Result<(), Broken> {
        if depth == 0 {
            return Err(Some("values are nested too deep"));
        }
        match of {
            kind::TRUE | kind::FALSE => Ok(()),
            kind::BYTE => self.pass(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.pass(8),
            kind::UUID => self.pass(16),
            kind::BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            kind::LIST | kind::SET => {
                let (size, item) = self.list()?;
                (0..size).try_for_each(|_| self.skip_item(item, depth - 1))
            }
            kind::MAP => match self.varint()? {
                0 => Ok(()),
                size => {
                    let types = self.byte()?;
                    (0..size).try_for_each(|_| {
                        self.skip_item(types >> 4, depth - 1)?;
                        self.skip_item(types & 15, depth - 1)
                    })
                }
            },
            kind::STRUCT => {
                let mut last = 0;
                while let Some((_, of)) = self.field(&mut last)? {
                    self.skip(of, depth - 1)?;
                }
                Ok(())
            }
            _ => Err(Some("a value is of no known type")),
        }
    }

    /// In lists and maps a boolean takes a byte; as a field it stands in the header.
    fn skip_item(&mut self, of: u8, depth: usize) -> Result<(), Broken> {
        match of {
            kind::TRUE | kind::FALSE => self.pass(1),
            of => self.skip(of, depth),
        }
    }
}

/// Walks through a footer, so that its lists are as long as they say and its schema is not
/// nested deeper than a stack can bear.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), Broken> {
    const SCHEMA: i64 = 2;
    const ROW_GROUPS: i64 = 4;
    /// Their numbers have 16 bits.
    const MOST_ROW_GROUPS: u64 = 32_767;
    let mut footer = Compact::new(bytes);
    let mut last = 0;
    while let Some((number, of)) = footer.field(&mut last)? {
        match (number, of) {
            (SCHEMA, kind::LIST) => check_schema(&mut footer)?,
            (ROW_GROUPS, kind::LIST) => {
                let (size, item) = footer.list()?;
                if size > MOST_ROW_GROUPS {
                    return Err(Some("it has more than 32767 row groups"));
                }
                (0..size).try_for_each(|_| footer.skip_item(item, DEPTH))?;
            }
            _ => footer.skip(of, DEPTH)?,
        }
    }
    Ok(())
}

fn check_schema(footer: &mut Compact<'_>) -> Result<(), Broken> {
    const CHILDREN: i64 = 5;
    let (size, item) = footer.list()?;
    if item != kind::STRUCT {
        return Err(Some("its schema is no list of elements"));
    }
    // Elements stand in the order of a walk; each says how many of the next are below it.
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..size {
        let mut children = 0;
        let mut last = 0;
        while let Some((number, of)) = footer.field(&mut last)? {
            match (number, of) {
                (CHILDREN, kind::I32) => {
                    let count = footer.i32()?;
                    children = u64::try_from(count)
                        .map_err(|_| Some("a group has a negative number of members"))?;
                }
                _ => footer.skip(of, DEPTH)?,
            }
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > Limits::DEFAULT.table_depth {
            return Err(Some("its schema is nested deeper than 64 levels"));
        }
    }
    Ok(())
}

/// What stands before a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageHeader {
    pub(super) compressed: usize,
    pub(super) uncompressed: usize,
    pub(super) page: PageKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum PageKind {
    Dictionary {
        values: u32,
        encoding: Encoding,
    },
    V1 {
        values: u32,
        encoding: Encoding,
        definitions: Encoding,
        repetitions: Encoding,
    },
    V2 {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        definitions: u32,
        repetitions: u32,
        is_compressed: bool,
    },
    /// Something that holds no values.
    Other,
}

impl PageHeader {
    /// Reads the header at the front of `bytes`. Returns it with its length.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Broken> {
        let mut header = Compact::new(bytes);
        let (mut page_type, mut uncompressed, mut compressed) = (None, None, None);
        let mut kinds = [None; 3];
        let mut last = 0;
        while let Some((number, of)) = header.field(&mut last)? {
            match (number, of) {
                (1, kind::I32) => page_type = Some(header.i32()?),
                (2, kind::I32) => uncompressed = Some(header.i32()?),
                (3, kind::I32) => compressed = Some(header.i32()?),
                (5, kind::STRUCT) => kinds[0] = Some(header.data_page()?),
                (7, kind::STRUCT) => kinds[1] = Some(header.dictionary_page()?),
                (8, kind::STRUCT) => kinds[2] = Some(header.data_page_v2()?),
                _ => header.skip(of, DEPTH)?,
            }
        }
        let size = |size: Option<i32>| {
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.ok_or(Some("a page has no size, or a negative one"))
        };
        let page = match page_type {
            Some(0) => kinds[0],
            Some(2) => kinds[1],
            Some(3) => kinds[2],
            _ => Some(PageKind::Other),
        };
        let read = Self {
            compressed: size(compressed)?,
            uncompressed: size(uncompressed)?,
            page: page.ok_or(Some("a page does not say what is in it"))?,
        };
        Ok((read, header.at))
    }
}

impl Compact<'_> {
    fn data_page(&mut self) -> Result<PageKind, Broken> {
        let [values, encoding, definitions, repetitions] = self.numbers([None; 4])?;
        Ok(PageKind::V1 {
            values: count(values)?,
            encoding: encoding_of(encoding)?,
            definitions: encoding_of(definitions)?,
            repetitions: encoding_of(repetitions)?,
        })
    }

    fn dictionary_page(&mut self) -> Result<PageKind, Broken> {
        let [values, encoding] = self.numbers([None; 2])?;
        Ok(PageKind::Dictionary {
            values: count(values)?,
            encoding: encoding_of(encoding)?,
        })
    }

    fn data_page_v2(&mut self) -> Result<PageKind, Broken> {
        let compressed_by_default = Some(1);
        let [
            values,
            nulls,
            rows,
            encoding,
            definitions,
            repetitions,
            is_compressed,
        ] = self.numbers([None, None, None, None, None, None, compressed_by_default])?;
        Ok(PageKind::V2 {
            values: count(values)?,
            nulls: count(nulls)?,
            rows: count(rows)?,
            encoding: encoding_of(encoding)?,
            definitions: count(definitions)?,
            repetitions: count(repetitions)?,
            is_compressed: is_compressed != Some(0),
        })
    }

    /// The numbers and booleans in the first fields of a struct.
    fn numbers<const N: usize>(
        &mut self,
        mut numbers: [Option<i32>; N],
    ) -> Result<[Option<i32>; N], Broken> {
        let mut last = 0;
        while let Some((number, of)) = self.field(&mut last)? {
            let slot = usize::try_from(number - 1).ok();
            match (slot.and_then(|slot| numbers.get_mut(slot)), of) {
                (Some(slot), kind::I32) => *slot = Some(self.i32()?),
                (Some(slot), kind::TRUE) => *slot = Some(1),
                (Some(slot), kind::FALSE) => *slot = Some(0),
                _ => self.skip(of, DEPTH)?,
            }
        }
        Ok(numbers)
    }
}

fn count(number: Option<i32>) -> Result<u32, Broken> {
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or(Some("a page has no count, or a negative one"))
}

fn encoding_of(number: Option<i32>) -> Result<Encoding, Broken> {
    #[allow(deprecated, reason = "old files have it")]
    Ok(match number {
        Some(0) => Encoding::PLAIN,
        Some(2) => Encoding::PLAIN_DICTIONARY,
        Some(3) => Encoding::RLE,
        Some(4) => Encoding::BIT_PACKED,
        Some(5) => Encoding::DELTA_BINARY_PACKED,
        Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Some(7) => Encoding::DELTA_BYTE_ARRAY,
        Some(8) => Encoding::RLE_DICTIONARY,
        Some(9) => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(Some("a page has an encoding that is not known")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with `groups` nested groups and nothing else.
    fn nested(groups: usize) -> Vec<u8> {
        let mut footer = vec![0x15, 2, 0x19, 0xfc];
        let mut size = groups + 1;
        while size >= 0x80 {
            footer.push(size as u8 | 0x80);
            size >>= 7;
        }
        footer.push(size as u8);
        for _ in 0..groups {
            footer.extend([0x48, 1, b'a', 0x15, 2, 0]);
        }
        footer.extend([0x48, 1, b'a', 0, 0]);
        footer
    }

    #[test]
    fn a_schema_is_nested_no_deeper_than_its_budget() {
        let limit = Limits::DEFAULT.table_depth;
        assert_eq!(check_footer(&nested(limit)), Ok(()));
        assert!(matches!(check_footer(&nested(limit + 1)), Err(Some(_))));
        assert!(matches!(check_footer(&nested(1_000_000)), Err(Some(_))));
    }

    #[test]
    fn lists_that_say_they_are_longer_than_the_footer_are_refused() {
        // Row groups: 2^31 − 1 structs.
        let footer = [0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0];
        assert_eq!(check_footer(&footer), Err(None));
    }

    #[test]
    fn every_prefix_of_a_header_ends_too_early() {
        let header = [
            0x15, 0, 0x15, 20, 0x15, 20, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0,
        ];
        let (read, length) = PageHeader::read(&header).expect("a header");
        assert_eq!((read.compressed, read.uncompressed, length), (10, 10, 17));
        assert!(matches!(read.page, PageKind::V1 { values: 3, .. }));
        for end in 0..header.len() {
            assert!(
                matches!(PageHeader::read(&header[..end]), Err(None)),
                "{end}"
            );
        }
    }
}
