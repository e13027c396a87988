//! How many rows of a row group may be decoded at once.
//!
//! A batch of rows is made of whole pages and of all items of its lists, and a few bytes of runs
//! can hold a thousand million items. So repetition levels, which say where each row ends, are
//! counted before anything is decoded, and batches are made so small that the worst of them is
//! within the budget.

use makoto::limits::Limits;
use makoto::record::RecordError;
use parquet::basic::Encoding;

use super::pages::{Chunk, PageAt};
use super::thrift::{Compact, PageKind};
use crate::rows::stored::Stored;

/// Rows of a batch, where memory is no matter: enough that handing batches around costs nothing.
const MOST_ROWS: usize = 8192;

/// Rows that are counted together.
const BLOCK_ROWS: u64 = 64;

/// Items after which rows are not counted together any more.
const BLOCK_ITEMS: u64 = 16 << 10;

/// How many rows of a row group with these columns may be decoded at once: a power of two.
///
/// # Errors
/// [`RecordError::TableTooLarge`] when one row is too many, and what loading pages may give.
pub(super) fn rows_at_once(
    stored: &Stored,
    chunks: &[impl AsRef<Chunk>],
) -> Result<usize, RecordError> {
    let limits = Limits::DEFAULT;
    let columns: Result<Vec<_>, _> = chunks
        .iter()
        .map(|chunk| Column::of(stored, chunk.as_ref()))
        .collect();
    let columns = columns?;
    let cost = |rows: usize| -> usize {
        let costs = columns.iter().map(|column| column.cost(rows as u64));
        costs.fold(0, usize::saturating_add)
    };
    let worst = |rows: usize| -> usize {
        let shared = columns.iter().map(|column| column.shared_prefixes);
        shared.fold(0, usize::saturating_add).saturating_mul(rows)
    };
    let least = cost(1);
    if least > limits.table_bytes {
        return Err(RecordError::TableTooLarge {
            what: "bytes of pages that must be held to read one row",
            limit: limits.table_bytes as u64,
        });
    }
    let wanted = limits.batch_bytes.max(least.saturating_mul(2));
    let mut rows = MOST_ROWS;
    while rows > 1 && (cost(rows) > wanted || worst(rows) > limits.table_bytes / 4) {
        rows /= 2;
    }
    Ok(rows)
}

/// What a column takes to be read.
struct Column {
    /// Bytes of a row, and of an item of a list.
    width: usize,
    /// Bytes that are there all the time: a dictionary, and the largest page.
    always: usize,
    /// Bytes that one value may take in an encoding by which values share what they begin with.
    shared_prefixes: usize,
    blocks: Vec<Block>,
}

/// Rows that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Block {
    rows: u64,
    /// Values in them: items of lists, and one for each row without.
    items: u64,
    /// Bytes of the pages that begin in them.
    bytes: usize,
    /// Whether each row has one value, so that a part of the block is a part of the items.
    is_even: bool,
}

impl Column {
    fn of(stored: &Stored, chunk: &Chunk) -> Result<Self, RecordError> {
        let sizes = |data: bool| {
            let pages = chunk
                .pages
                .iter()
                .filter(move |page| page.is_data() == data);
            pages.map(|page| page.header.uncompressed)
        };
        let deltas = chunk
            .pages
            .iter()
            .filter(|page| page.encoding() == Some(Encoding::DELTA_BYTE_ARRAY));
        Ok(Self {
            // Levels are two bytes each, and vectors grow by doubling.
            width: match chunk.max_repetition {
                0 => chunk.width() + 2,
                _ => 2 * (chunk.width() + 4),
            },
            always: sizes(false)
                .fold(0, usize::saturating_add)
                .saturating_add(sizes(true).max().unwrap_or(0)),
            shared_prefixes: deltas
                .map(|page| page.header.uncompressed)
                .max()
                .unwrap_or(0),
            blocks: blocks(stored, chunk)?,
        })
    }

    /// Bytes that `rows` rows in a row take at most, wherever they begin.
    fn cost(&self, rows: u64) -> usize {
        let cost = |block: &Block| {
            let items = match block.is_even {
                true => block.items.min(rows),
                false => block.items,
            };
            let items = usize::try_from(items).unwrap_or(usize::MAX);
            items.saturating_mul(self.width).saturating_add(block.bytes)
        };
        let (mut most, mut sum, mut covered, mut end) = (0, 0_usize, 0_u64, 0);
        for (first, block) in self.blocks.iter().enumerate() {
            // Of the first block one row may be in the window.
            while end < self.blocks.len() && (end <= first || covered - block.rows + 1 < rows) {
                sum = sum.saturating_add(cost(&self.blocks[end]));
                covered += self.blocks[end].rows;
                end += 1;
            }
            most = most.max(sum);
            sum = sum.saturating_sub(cost(block));
            covered -= block.rows;
        }
        most.saturating_add(self.always)
    }
}

fn blocks(stored: &Stored, chunk: &Chunk) -> Result<Vec<Block>, RecordError> {
    let data = || chunk.pages.iter().filter(|page| page.is_data());
    let bytes = data().map(|page| page.header.uncompressed);
    let bytes = bytes.fold(0, usize::saturating_add);
    let items: u64 = data().map(PageAt::values).sum();
    if chunk.max_repetition == 0 {
        let block = |page: &PageAt| Block {
            rows: page.values(),
            items: page.values(),
            bytes: page.header.uncompressed,
            is_even: true,
        };
        return Ok(data().map(block).collect());
    }
    let width = (chunk.width() + 4) as u64;
    if items.saturating_mul(width) < Limits::DEFAULT.batch_bytes as u64 / 8 {
        // Too little to be worth looking at.
        return Ok(vec![Block {
            rows: items,
            items,
            bytes,
            is_even: false,
        }]);
    }
    let mut tally = Tally::default();
    for page in data() {
        let bytes = chunk.load(stored, page)?;
        tally.open.bytes = tally.open.bytes.saturating_add(page.header.uncompressed);
        let broken = |why: &str| stored.broken(format!("column {:?}: a page {why}", chunk.name));
        let (levels, encoding, _) = sections(chunk, page, &bytes).map_err(broken)?;
        let bits = bits_of(chunk.max_repetition);
        let counted = match encoding {
            Encoding::RLE => tally.runs(levels, bits, page.values()),
            _ => {
                tally.packed(levels, bits, page.values(), Order::HighFirst);
                Some(())
            }
        };
        counted.ok_or_else(|| broken("has repetition levels that are not right"))?;
    }
    tally.close();
    Ok(tally.blocks)
}

/// Counts rows and their items from repetition levels: a level of 0 begins a row.
#[derive(Default)]
struct Tally {
    blocks: Vec<Block>,
    open: Block,
}

/// Which bits of a byte come first.
#[derive(Clone, Copy)]
enum Order {
    LowFirst,
    HighFirst,
}

impl Tally {
    /// The hybrid of runs and packed levels (Parquet's RLE). `None` when it ends too early.
    fn runs(&mut self, mut levels: &[u8], bits: usize, mut left: u64) -> Option<()> {
        while left > 0 {
            let mut head = Compact::new(levels);
            let header = head.varint().ok()?;
            levels = levels.get(head.position()..)?;
            let count = header >> 1;
            if header & 1 == 0 {
                let (value, rest) = levels.split_at_checked(bits.div_ceil(8))?;
                levels = rest;
                let is_zero = value.iter().all(|byte| *byte == 0);
                self.run(is_zero, count.min(left));
                left -= count.min(left);
            } else {
                let length = usize::try_from(count).ok()?.checked_mul(bits)?;
                let values = count.saturating_mul(8).min(left);
                // The last group may be cut short.
                let packed = levels.get(..length).unwrap_or(levels);
                let there = (packed.len() * 8 / bits) as u64;
                self.packed(packed, bits, values.min(there), Order::LowFirst);
                if there < values {
                    return None;
                }
                levels = &levels[packed.len()..];
                left -= values;
            }
        }
        Some(())
    }

    fn packed(&mut self, levels: &[u8], bits: usize, count: u64, order: Order) {
        for index in 0..count as usize {
            let is_set = |bit: usize| {
                let byte = levels.get(bit / 8).copied().unwrap_or(0);
                match order {
                    Order::LowFirst => byte >> (bit % 8) & 1 == 1,
                    Order::HighFirst => byte << (bit % 8) & 0x80 != 0,
                }
            };
            let is_zero = !(index * bits..(index + 1) * bits).any(is_set);
            self.run(is_zero, 1);
        }
    }

    fn run(&mut self, begins_rows: bool, count: u64) {
        if !begins_rows {
            self.open.items += count;
            return;
        }
        let mut count = count;
        if count > 2 * BLOCK_ROWS {
            // The last of these rows may have more items to come.
            self.close();
            self.blocks.push(Block {
                rows: count - 1,
                items: count - 1,
                bytes: std::mem::take(&mut self.open.bytes),
                is_even: true,
            });
            count = 1;
        }
        for _ in 0..count {
            if self.open.rows >= BLOCK_ROWS || self.open.items >= BLOCK_ITEMS {
                self.close();
            }
            self.open.rows += 1;
            self.open.items += 1;
        }
    }

    /// Ends the block of rows that were counted so far.
    fn close(&mut self) {
        if self.open.items > 0 {
            self.blocks.push(std::mem::take(&mut self.open));
        }
    }
}

/// The encoded values of a page, behind its levels.
pub(super) fn values_of<'a>(
    chunk: &Chunk,
    page: &PageAt,
    bytes: &'a [u8],
) -> Result<&'a [u8], &'static str> {
    sections(chunk, page, bytes).map(|(_, _, values)| values)
}

/// Repetition levels and their encoding, and the values.
fn sections<'a>(
    chunk: &Chunk,
    page: &PageAt,
    bytes: &'a [u8],
) -> Result<(&'a [u8], Encoding, &'a [u8]), &'static str> {
    let short = "is shorter than its levels";
    match page.header.page {
        PageKind::V1 {
            values,
            definitions,
            repetitions,
            ..
        } => {
            let (levels, rest) =
                first_levels(bytes, chunk.max_repetition, repetitions, values).ok_or(short)?;
            let (_, rest) =
                first_levels(rest, chunk.max_definition, definitions, values).ok_or(short)?;
            Ok((levels, repetitions, rest))
        }
        PageKind::V2 {
            definitions,
            repetitions,
            ..
        } => {
            let (levels, rest) = bytes.split_at_checked(repetitions as usize).ok_or(short)?;
            let (_, rest) = rest.split_at_checked(definitions as usize).ok_or(short)?;
            Ok((levels, Encoding::RLE, rest))
        }
        PageKind::Dictionary { .. } | PageKind::Other => Ok((&[], Encoding::RLE, bytes)),
    }
}

/// The levels at the front of a page of the first version, and what follows.
#[allow(deprecated, reason = "old files have packed levels")]
fn first_levels(
    bytes: &[u8],
    highest: i16,
    encoding: Encoding,
    values: u32,
) -> Option<(&[u8], &[u8])> {
    if highest == 0 {
        return Some((&[], bytes));
    }
    match encoding {
        Encoding::RLE => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        }
        Encoding::BIT_PACKED => {
            let bits = bits_of(highest).checked_mul(values as usize)?;
            bytes.split_at_checked(bits.div_ceil(8))
        }
        _ => None,
    }
}

/// Bits that a level takes.
fn bits_of(highest: i16) -> usize {
    (i16::BITS - highest.leading_zeros()).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(levels: &[u8], count: u64) -> Option<(u64, u64)> {
        let mut tally = Tally::default();
        tally.runs(levels, 1, count)?;
        tally.close();
        let rows = tally.blocks.iter().map(|block| block.rows).sum();
        let items = tally.blocks.iter().map(|block| block.items).sum();
        Some((rows, items))
    }

    #[test]
    fn rows_and_items_are_counted_in_runs_and_packed_levels() {
        // 1000 rows of one item; one row of 1 + 300 items; 0 1 1 0 1 0 0 1 packed.
        let levels = [0xd0, 0x0f, 0, 0xd8, 0x04, 1, 0x03, 0b1001_0110];
        assert_eq!(tally(&levels, 1000), Some((1000, 1000)));
        assert_eq!(tally(&levels, 1300), Some((1000, 1300)));
        assert_eq!(tally(&levels, 1308), Some((1004, 1308)));
        assert_eq!(tally(&levels, 1309), None);
    }

    #[test]
    fn the_worst_rows_in_a_row_count_wherever_they_begin() {
        let even = |rows| Block {
            rows,
            items: rows,
            bytes: 10,
            is_even: true,
        };
        let long = Block {
            rows: 1,
            items: 1000,
            bytes: 10,
            is_even: false,
        };
        let column = Column {
            width: 1,
            always: 0,
            shared_prefixes: 0,
            blocks: vec![even(100), long, even(100), even(1), long],
        };
        assert_eq!(column.cost(1), 1010);
        // A row of the first block and the long one; more rows take more of the neighbours.
        assert_eq!(column.cost(2), 1010 + 12);
        assert_eq!(column.cost(4), 1010 + 14 + 14);
        assert_eq!(column.cost(1000), 2 * 1010 + 110 + 110 + 11);
    }
}
