//! The pages of a column chunk: where they are, looked through before anything is decoded, and
//! the reader that hands them to the `parquet` crate.

use std::sync::Arc;

use bytes::Bytes;
use makoto::limits::Limits;
use makoto::record::RecordError;
use parquet::basic::{CompressionCodec, Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;

use super::codec::inflate;
use super::levels;
use super::thrift::{Compact, PageHeader, PageKind};
use crate::rows::stored::Stored;

/// A column chunk whose page headers were read.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) pages: Vec<PageAt>,
    /// Path of the column, for errors.
    pub(super) name: String,
    codec: CompressionCodec,
    physical: Type,
    pub(super) type_length: usize,
    pub(super) max_definition: i16,
    pub(super) max_repetition: i16,
}

/// A page and where its bytes begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageAt {
    offset: u64,
    pub(super) header: PageHeader,
}

impl PageAt {
    /// How many values it has, nulls counted.
    pub(super) fn values(&self) -> u64 {
        match self.header.page {
            PageKind::V1 { values, .. } | PageKind::V2 { values, .. } => values.into(),
            PageKind::Dictionary { .. } | PageKind::Other => 0,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        matches!(self.header.page, PageKind::V1 { .. } | PageKind::V2 { .. })
    }

    pub(super) fn encoding(&self) -> Option<Encoding> {
        match self.header.page {
            PageKind::V1 { encoding, .. } | PageKind::V2 { encoding, .. } => Some(encoding),
            PageKind::Dictionary { .. } | PageKind::Other => None,
        }
    }
}

impl Chunk {
    /// Reads the headers of all pages. `pages_left` is what the row group may still have.
    pub(super) fn scan(
        stored: &Stored,
        column: &ColumnChunkMetaData,
        pages_left: &mut usize,
    ) -> Result<Self, RecordError> {
        let described = column.column_descr();
        let name = column.column_path().string();
        let broken = |why: &str| stored.broken(format!("column {name:?}: {why}"));
        if column.file_path().is_some() {
            return Err(broken("its data is in another file, which is not read"));
        }
        let offset =
            |offset: i64| u64::try_from(offset).map_err(|_| broken("an offset is negative"));
        let data = offset(column.data_page_offset())?;
        // Some writers say 0 where there is no dictionary.
        let dictionary = column.dictionary_page_offset().filter(|at| *at > 0);
        let start = match dictionary {
            Some(dictionary) => offset(dictionary)?.min(data),
            None => data,
        };
        let length = offset(column.compressed_size())?;
        let end = start.checked_add(length).filter(|end| *end <= stored.size);
        let end = end.ok_or_else(|| broken("its pages are beyond the end of the file"))?;
        let mut pages = Vec::new();
        let mut at = start;
        while at < end {
            let (header, length) = read_header(stored, at, end).map_err(|why| match why {
                Ok(why) => broken(why),
                Err(error) => error,
            })?;
            at += length as u64;
            if header.compressed as u64 > end - at {
                return Err(broken("a page is longer than its column chunk"));
            }
            let limit = Limits::DEFAULT.table_bytes;
            if header.compressed.max(header.uncompressed) > limit {
                return Err(RecordError::TableTooLarge {
                    what: "bytes of one page",
                    limit: limit as u64,
                });
            }
            *pages_left = pages_left
                .checked_sub(1)
                .ok_or(RecordError::TableTooLarge {
                    what: "pages of one row group",
                    limit: Limits::DEFAULT.table_pages as u64,
                })?;
            let page = PageAt { offset: at, header };
            // The reader takes a data page without values for the end of the column.
            let is_empty = page.is_data() && page.values() == 0;
            if !is_empty && !matches!(header.page, PageKind::Other) {
                pages.push(page);
            }
            at += header.compressed as u64;
        }
        Ok(Self {
            pages,
            codec: column.compression_codec(),
            physical: described.physical_type(),
            type_length: usize::try_from(described.type_length()).unwrap_or(0),
            max_definition: described.max_def_level(),
            max_repetition: described.max_rep_level(),
            name,
        })
    }

    /// Bytes that a value takes once it is decoded.
    pub(super) fn width(&self) -> usize {
        match self.physical {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            // A view; the bytes are those of the page.
            Type::BYTE_ARRAY => 16,
            Type::FIXED_LEN_BYTE_ARRAY => self.type_length.max(16),
        }
    }

    /// The bytes of a page, inflated.
    pub(super) fn load(&self, stored: &Stored, page: &PageAt) -> Result<Bytes, RecordError> {
        let broken = |why: String| stored.broken(format!("column {:?}: a page {why}", self.name));
        let PageHeader {
            compressed,
            uncompressed,
            page: kind,
        } = page.header;
        let bytes = stored.read(page.offset, compressed)?;
        // In the second version of pages the levels stand before what is compressed.
        let plain = match kind {
            PageKind::V2 {
                definitions,
                repetitions,
                ..
            } => definitions as usize + repetitions as usize,
            _ => 0,
        };
        let is_compressed = !matches!(
            kind,
            PageKind::V2 {
                is_compressed: false,
                ..
            }
        );
        let codec = match is_compressed {
            true => self.codec,
            false => CompressionCodec::UNCOMPRESSED,
        };
        if codec == CompressionCodec::UNCOMPRESSED {
            return match compressed == uncompressed && plain <= compressed {
                true => Ok(bytes.into()),
                false => Err(broken("has two sizes and is not compressed".to_owned())),
            };
        }
        let rest = uncompressed.checked_sub(plain);
        let (Some(rest), Some((levels, body))) = (rest, bytes.split_at_checked(plain)) else {
            return Err(broken("is shorter than its levels".to_owned()));
        };
        let body = match rest {
            // A page of nulls has nothing to inflate.
            0 => Vec::new(),
            _ => inflate(codec, body, rest).map_err(broken)?,
        };
        Ok(match plain {
            0 => body.into(),
            _ => [levels, &body].concat().into(),
        })
    }

    /// The page as the `parquet` crate takes it. What that crate would believe and could end the
    /// program by is checked.
    fn page(&self, stored: &Stored, page: &PageAt) -> Result<Page, RecordError> {
        let buf = self.load(stored, page)?;
        self.check(page, &buf)
            .map_err(|why| stored.broken(format!("column {:?}: a page {why}", self.name)))?;
        Ok(match page.header.page {
            PageKind::Dictionary { values, encoding } => Page::DictionaryPage {
                buf,
                num_values: values,
                encoding,
                is_sorted: false,
            },
            PageKind::V1 {
                values,
                encoding,
                definitions,
                repetitions,
            } => Page::DataPage {
                buf,
                num_values: values,
                encoding,
                def_level_encoding: definitions,
                rep_level_encoding: repetitions,
                statistics: None,
            },
            PageKind::V2 {
                values,
                nulls,
                rows,
                encoding,
                definitions,
                repetitions,
                is_compressed,
            } => Page::DataPageV2 {
                buf,
                num_values: values,
                encoding,
                num_nulls: nulls,
                num_rows: rows,
                def_levels_byte_len: definitions,
                rep_levels_byte_len: repetitions,
                is_compressed,
                statistics: None,
            },
            PageKind::Other => return Err(stored.broken("a page holds no values")),
        })
    }

    fn check(&self, page: &PageAt, bytes: &[u8]) -> Result<(), &'static str> {
        match page.header.page {
            PageKind::Dictionary { values, .. } => {
                let least = match self.physical {
                    // Each has its length before it.
                    Type::BYTE_ARRAY => 4,
                    Type::FIXED_LEN_BYTE_ARRAY => self.type_length.max(1),
                    _ => self.width(),
                };
                let fits = (values as usize).checked_mul(least);
                match fits.is_some_and(|fits| fits <= bytes.len()) {
                    true => Ok(()),
                    false => Err("is a dictionary of more values than it has bytes"),
                }
            }
            PageKind::V1 { encoding, .. } | PageKind::V2 { encoding, .. } => {
                let values = levels::values_of(self, page, bytes)?;
                check_deltas(encoding, values, page.values())
            }
            PageKind::Other => Ok(()),
        }
    }
}

fn read_header(
    stored: &Stored,
    at: u64,
    end: u64,
) -> Result<(PageHeader, usize), Result<&'static str, RecordError>> {
    /// Headers have statistics in them, and those the ends of long strings.
    const SIZES: [usize; 3] = [512, 64 << 10, 4 << 20];
    for size in SIZES {
        let most = usize::try_from(end - at).unwrap_or(size).min(size);
        let bytes = stored.read_some(at, most).map_err(Err)?;
        match PageHeader::read(&bytes) {
            Ok(read) => return Ok(read),
            Err(Some(why)) => return Err(Ok(why)),
            Err(None) if bytes.len() < size => return Err(Ok("a page header ends too early")),
            Err(None) => {}
        }
    }
    Err(Ok("a page header is longer than 4 MiB"))
}

/// Refuses delta encodings that say they have more values than the page: the reader makes room
/// for what they say.
fn check_deltas(encoding: Encoding, bytes: &[u8], values: u64) -> Result<(), &'static str> {
    let lists = match encoding {
        Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let mut at = 0;
    for _ in 0..lists {
        let list = bytes.get(at..).unwrap_or_default();
        at += delta_list(list, values).ok_or("has deltas that are not right")?;
    }
    Ok(())
}

/// Length of a list of deltas of at most `most` values; `None` when it is not right.
fn delta_list(bytes: &[u8], most: u64) -> Option<usize> {
    let mut list = Compact::new(bytes);
    let block = list.varint().ok()?;
    let parts = list.varint().ok()?;
    let count = list.varint().ok()?;
    list.varint().ok()?;
    let is_right = (128..=1 << 20).contains(&block) && parts > 0 && block % parts == 0;
    if !is_right || block / parts % 8 != 0 || count > most {
        return None;
    }
    let mut at = list.position();
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let mut head = Compact::new(bytes.get(at..)?);
        head.varint().ok()?;
        at += head.position();
        let widths = bytes.get(at..at.checked_add(parts as usize)?)?;
        at += widths.len();
        for width in widths {
            // Parts without values need not be there.
            if left > 0 {
                at = at.checked_add(usize::from(*width) * (block / parts / 8) as usize)?;
                left = left.saturating_sub(block / parts);
            }
        }
    }
    Some(at)
}

/// Hands the pages of a chunk over, one after the other.
pub(super) struct Pages {
    stored: Arc<Stored>,
    chunk: Arc<Chunk>,
    next: usize,
    failure: super::FirstFailure,
}

impl Pages {
    pub(super) fn new(
        stored: Arc<Stored>,
        chunk: Arc<Chunk>,
        failure: super::FirstFailure,
    ) -> Self {
        Self {
            stored,
            chunk,
            next: 0,
            failure,
        }
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let Some(page) = self.chunk.pages.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        self.chunk
            .page(&self.stored, page)
            .map(Some)
            .map_err(|error| {
                // The crate's own error has no room for ours.
                let text = error.to_string();
                self.failure.set(error);
                ParquetError::General(text)
            })
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        let page = self.chunk.pages.get(self.next);
        Ok(page.map(|page| PageMetadata {
            num_rows: match page.header.page {
                PageKind::V2 { rows, .. } => Some(rows as usize),
                _ => None,
            },
            num_levels: page.is_data().then_some(page.values() as usize),
            is_dict: matches!(page.header.page, PageKind::Dictionary { .. }),
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.next += 1;
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
