//! Arrow IPC files, which Feather version 2 is as well.
//!
//! A file is a list of blocks, each a message about buffers and the buffers themselves. The
//! `arrow-ipc` crate checks arrays; what it believes without looking, the sizes of blocks and of
//! what is inflated, is looked at here first.

use std::io::Read;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{
    Block, CompressionType, Message, MetadataVersion, root_as_footer, root_as_message,
};
use makoto::limits::Limits;
use makoto::record::RecordError;

use super::schema::RowSchema;
use super::stored::Stored;
use super::{Batches, Table};

/// Opens an Arrow IPC file.
///
/// # Errors
/// [`RecordError`] for what is no such file, a schema that rows cannot have, and dictionaries
/// that cannot be read.
pub(super) fn open(stored: &Arc<Stored>) -> Result<Table, RecordError> {
    let footer = read_footer(stored)?;
    let broken = |why: &str| stored.broken(why);
    let footer = root_as_footer(&footer)
        .map_err(|error| stored.broken(format!("its footer is not right: {error}")))?;
    let schema = footer
        .schema()
        .ok_or_else(|| broken("its footer has no schema"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(broken(
            "its numbers have the bytes of another machine's order",
        ));
    }
    let schema = Arc::new(fb_to_schema(schema));
    let row_schema = RowSchema::of(&schema, &[])?;
    // Each message says its own version; some writers say another one in the footer, and the
    // decoder lets that pass where the footer seems to say none, which is this value.
    let mut decoder = FileDecoder::new(schema, MetadataVersion::V1);
    let mut held = 0;
    for block in footer.dictionaries().iter().flatten() {
        let (bytes, size) = read_block(stored, block)?;
        held += size;
        within_budget(held, "bytes of dictionaries")?;
        decoder
            .read_dictionary(block, &bytes)
            .map_err(|error| stored.broken(error.to_string()))?;
    }
    let blocks: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    let mut rows = 0_u64;
    for block in &blocks {
        let head = read_head(stored, block)?;
        let batch = message(stored, &head)?.header_as_record_batch();
        let length = batch.map(|batch| u64::try_from(batch.length()));
        let sum = match length {
            Some(Ok(length)) => rows.checked_add(length),
            _ => None,
        };
        rows = sum.ok_or_else(|| broken("a block is no record batch"))?;
    }
    Ok(Table {
        schema: row_schema,
        rows,
        batches: Box::new(Reader {
            stored: Arc::clone(stored),
            decoder,
            blocks: blocks.into_iter(),
        }),
    })
}

fn read_footer(stored: &Stored) -> Result<Vec<u8>, RecordError> {
    const MAGIC: &[u8; 6] = b"ARROW1";
    const TAIL: u64 = 10;
    let front = stored.read_some(0, 8)?;
    match front.as_slice() {
        [0xff, 0xff, 0xff, 0xff, ..] => {
            let why = "it is an Arrow stream, which has no footer; write it as an Arrow file";
            return Err(stored.broken(why));
        }
        [b'F', b'E', b'A', b'1', ..] => {
            let why = "it is Feather version 1; version 2 is needed";
            return Err(stored.broken(why));
        }
        _ => {}
    }
    let tail_at = stored.size.saturating_sub(TAIL);
    let tail = stored.read_some(tail_at, TAIL as usize)?;
    let length = match tail.split_first_chunk::<4>() {
        Some((length, magic)) if magic == MAGIC && front.starts_with(MAGIC) => {
            u32::from_le_bytes(*length)
        }
        _ => return Err(stored.broken("it does not begin and end with ARROW1")),
    };
    let start = tail_at.checked_sub(length.into());
    let start = start.ok_or_else(|| stored.broken("its footer is longer than the file"))?;
    let limit = Limits::DEFAULT.table_footer_bytes;
    if length as usize > limit {
        return Err(RecordError::TableTooLarge {
            what: "bytes of the footer",
            limit: limit as u64,
        });
    }
    stored.read(start, length as usize)
}

struct Reader {
    stored: Arc<Stored>,
    decoder: FileDecoder,
    blocks: std::vec::IntoIter<Block>,
}

impl Batches for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        let Some(block) = self.blocks.next() else {
            return Ok(None);
        };
        let (bytes, _) = read_block(&self.stored, &block)?;
        let batch = self.decoder.read_record_batch(&block, &bytes);
        let batch = batch.map_err(|error| self.stored.broken(error.to_string()))?;
        match batch {
            Some(batch) => Ok(Some(batch)),
            None => Err(self.stored.broken("a block is no record batch")),
        }
    }
}

/// The message of a block, without its buffers.
fn read_head(stored: &Stored, block: &Block) -> Result<Vec<u8>, RecordError> {
    let place = |place: i64| u64::try_from(place).map_err(|_| stored.broken("a block is nowhere"));
    let length = place(block.metaDataLength().into())?;
    let limit = Limits::DEFAULT.table_footer_bytes as u64;
    if length > limit {
        return Err(RecordError::TableTooLarge {
            what: "bytes of one message",
            limit,
        });
    }
    stored.read(place(block.offset())?, length as usize)
}

fn message<'a>(stored: &Stored, head: &'a [u8]) -> Result<Message<'a>, RecordError> {
    // Before it stands its length, and in files of later versions a marker before that.
    let bytes = match head {
        [0xff, 0xff, 0xff, 0xff, _, _, _, _, message @ ..] => message,
        [_, _, _, _, message @ ..] => message,
        _ => return Err(stored.broken("a message is too short")),
    };
    root_as_message(bytes).map_err(|error| stored.broken(format!("a message is spoilt: {error}")))
}

/// A block whole, and the bytes that its buffers take when they are inflated.
fn read_block(stored: &Stored, block: &Block) -> Result<(Buffer, usize), RecordError> {
    let head = read_head(stored, block)?;
    let body = usize::try_from(block.bodyLength());
    let body = body.map_err(|_| stored.broken("a block has a negative length"))?;
    let length = head.len().saturating_add(body);
    within_budget(length, "bytes of one record batch")?;
    // A block that has an offset has a positive one, or its message would not have been read.
    let bytes = stored.read(block.offset() as u64, length)?;
    let size = size_of_buffers(stored, &head, &bytes[head.len()..])?;
    Ok((Buffer::from_vec(bytes), size))
}

fn size_of_buffers(stored: &Stored, head: &[u8], body: &[u8]) -> Result<usize, RecordError> {
    let message = message(stored, head)?;
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch()?.data());
    let batch = batch.ok_or_else(|| stored.broken("a block is no record batch"))?;
    let codec = batch.compression().map(|compression| compression.codec());
    let mut size = 0_usize;
    for buffer in batch.buffers().iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let end = start.zip(usize::try_from(buffer.length()).ok());
        let end = end.and_then(|(start, length)| start.checked_add(length));
        let bytes = start.zip(end).and_then(|(start, end)| body.get(start..end));
        let bytes = bytes.ok_or_else(|| stored.broken("a buffer is beyond its block"))?;
        size = size.saturating_add(match codec {
            Some(codec) => inflated_size(stored, codec, bytes)?,
            None => bytes.len(),
        });
        within_budget(size, "bytes of one record batch, inflated")?;
    }
    Ok(size)
}

/// The size that a compressed buffer says it has. One that has more is refused: the reader
/// inflates LZ4 for as long as there is anything left.
fn inflated_size(
    stored: &Stored,
    codec: CompressionType,
    bytes: &[u8],
) -> Result<usize, RecordError> {
    /// The length of a buffer that is not compressed although the others are.
    const PLAIN: i64 = -1;
    /// LZ4 cannot inflate further than this.
    const LZ4_RATIO: usize = 255;
    let Some((length, stream)) = bytes.split_first_chunk::<8>() else {
        return match bytes {
            [] => Ok(0),
            _ => Err(stored.broken("a compressed buffer has no length")),
        };
    };
    let length = match i64::from_le_bytes(*length) {
        PLAIN => return Ok(stream.len()),
        length => usize::try_from(length),
    };
    let length = length.map_err(|_| stored.broken("a compressed buffer has a negative length"))?;
    within_budget(length, "bytes of one buffer, inflated")?;
    let most = stream.len().saturating_mul(LZ4_RATIO);
    if codec == CompressionType::LZ4_FRAME && most > Limits::DEFAULT.table_bytes / 4 {
        let more = length as u64 + 1;
        let inflated = lz4_flex::frame::FrameDecoder::new(stream).take(more);
        let found = std::io::copy(&mut { inflated }, &mut std::io::sink());
        if found.ok() != Some(length as u64) {
            return Err(stored.broken("a compressed buffer has another length than it says"));
        }
    }
    Ok(length)
}

fn within_budget(size: usize, what: &'static str) -> Result<(), RecordError> {
    let limit = Limits::DEFAULT.table_bytes;
    match size > limit {
        true => Err(RecordError::TableTooLarge {
            what,
            limit: limit as u64,
        }),
        false => Ok(()),
    }
}
