//! Parquet: a file to batches of rows, whatever its footer and its pages say of themselves.
//!
//! The `parquet` crate decodes; what it believes without looking is looked at here first: the
//! footer (`thrift`), the pages and their sizes (`pages`, `codec`), and how many items a batch of
//! rows has (`levels`). It is given types of Parquet's own that leave nothing to interpret, so
//! that what an integer or a text means is decided in one place, by us. The Arrow schema that
//! some writers embed is not looked at: the same table written by others would not have it.

mod codec;
mod levels;
mod pages;
mod thrift;

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields};
use makoto::limits::Limits;
use makoto::record::RecordError;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{
    FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema,
};
use parquet::basic::Type as Physical;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::schema::{Kind, RowSchema, Unit};
use super::stored::Stored;
use super::{Batches, Table};
use pages::{Chunk, Pages};

/// Opens a Parquet file.
///
/// # Errors
/// [`RecordError`] for what is no Parquet file, a schema that rows cannot have, and a footer that
/// contradicts itself.
pub(super) fn open(stored: &Arc<Stored>) -> Result<Table, RecordError> {
    let metadata = read_footer(stored)?;
    let broken = |error: parquet::errors::ParquetError| stored.broken(error.to_string());
    let original = metadata.file_metadata().schema_descr();
    let arrow = parquet_to_arrow_schema(original, None).map_err(broken)?;
    let leaves = plain_leaves(arrow.fields(), original);
    let schema = RowSchema::of(&arrow, &leaves)?;

    let plain = plain_type(original.root_schema_ptr(), &leaves, &mut 0).map_err(broken)?;
    let plain = SchemaDescriptor::new(plain);
    let arrow = parquet_to_arrow_schema(&plain, None).map_err(broken)?;
    let views = views(arrow.fields());
    let levels = parquet_to_arrow_field_levels(&plain, ProjectionMask::all(), Some(&views));
    let levels = levels.map_err(broken)?;

    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        let count = u64::try_from(group.num_rows()).ok();
        let sum = count.and_then(|count| rows.checked_add(count));
        rows = sum.ok_or_else(|| stored.broken("a row group has a negative number of rows"))?;
        if group.columns().len() != original.num_columns() {
            return Err(stored.broken("a row group has other columns than the schema"));
        }
    }
    let said = metadata.file_metadata().num_rows();
    if u64::try_from(said) != Ok(rows) {
        let why = format!("its footer says {said} rows, its row groups have {rows}");
        return Err(stored.broken(why));
    }
    Ok(Table {
        schema,
        rows,
        batches: Box::new(Reader {
            stored: Arc::clone(stored),
            metadata: Arc::new(metadata),
            levels,
            next_group: 0,
            open: None,
            failure: FirstFailure::default(),
        }),
    })
}

fn read_footer(stored: &Stored) -> Result<ParquetMetaData, RecordError> {
    const MAGIC: &[u8; 4] = b"PAR1";
    const ENCRYPTED: &[u8; 4] = b"PARE";
    const TAIL: u64 = 8;
    let front = stored.read_some(0, MAGIC.len())?;
    let tail_at = stored.size.saturating_sub(TAIL);
    let tail = stored.read_some(tail_at, TAIL as usize)?;
    let (length, magic) = match tail.split_first_chunk::<4>() {
        Some((length, magic)) if stored.size >= 12 => (u32::from_le_bytes(*length), magic),
        _ => return Err(stored.broken("it is too short to have a footer")),
    };
    if magic == ENCRYPTED {
        return Err(stored.broken("its footer is encrypted"));
    }
    if magic != MAGIC || front != MAGIC {
        return Err(stored.broken("it does not begin and end with PAR1"));
    }
    let start = tail_at.checked_sub(length.into());
    let start = start.ok_or_else(|| stored.broken("its footer is longer than the file"))?;
    let limit = Limits::DEFAULT.table_footer_bytes;
    if length as usize > limit {
        return Err(RecordError::TableTooLarge {
            what: "bytes of the footer",
            limit: limit as u64,
        });
    }
    let footer = stored.read(start, length as usize)?;
    thrift::check_footer(&footer).map_err(|why| {
        let why = why.unwrap_or("it ends too early");
        stored.broken(format!("its footer is not right: {why}"))
    })?;
    ParquetMetaDataReader::decode_metadata(&footer)
        .map_err(|error| stored.broken(format!("its footer is not right: {error}")))
}

/// The kinds of leaves that are decoded as plain bytes and interpreted by us: texts, whose UTF-8
/// is checked there and then; decimals of any length, which a dictionary would multiply; and
/// INT96, whose nanoseconds do not fit 64 bits for all years.
fn plain_leaves(fields: &Fields, schema: &SchemaDescriptor) -> Vec<Option<Kind>> {
    let mut types = Vec::new();
    fields
        .iter()
        .for_each(|field| leaf_types(field, &mut types));
    let physical = schema.columns().iter().map(|column| column.physical_type());
    let kind = |(of, physical): (&DataType, Physical)| match (physical, of) {
        (Physical::BYTE_ARRAY, DataType::Utf8) => Some(Kind::String),
        (
            Physical::BYTE_ARRAY,
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale),
        ) => Some(Kind::Decimal {
            precision: *precision,
            scale: *scale,
        }),
        (Physical::INT96, DataType::Timestamp(..)) => Some(Kind::Timestamp {
            unit: Unit::Nano,
            utc: false,
        }),
        _ => None,
    };
    types.iter().zip(physical).map(kind).collect()
}

fn leaf_types(field: &Field, types: &mut Vec<DataType>) {
    match field.data_type() {
        DataType::List(item) => leaf_types(item, types),
        DataType::Map(entries, _) => leaf_types(entries, types),
        DataType::Struct(fields) => fields.iter().for_each(|field| leaf_types(field, types)),
        leaf => types.push(leaf.clone()),
    }
}

/// The type with [`plain_leaves`] as bytes.
fn plain_type(of: TypePtr, leaves: &[Option<Kind>], next: &mut usize) -> ParquetResult<TypePtr> {
    /// Length of an INT96.
    const INT96: i32 = 12;
    let info = of.get_basic_info();
    let repetition = info.has_repetition().then(|| info.repetition());
    if of.is_primitive() {
        let kind = leaves.get(*next).cloned().flatten();
        *next += 1;
        let (physical, length) = match kind {
            None => return Ok(of),
            Some(Kind::Timestamp { .. }) => (Physical::FIXED_LEN_BYTE_ARRAY, INT96),
            Some(_) => (Physical::BYTE_ARRAY, -1),
        };
        let mut plain = Type::primitive_type_builder(of.name(), physical).with_length(length);
        if let Some(repetition) = repetition {
            plain = plain.with_repetition(repetition);
        }
        return plain.build().map(Arc::new);
    }
    let members = of.get_fields().iter();
    let members: ParquetResult<Vec<_>> = members
        .map(|member| plain_type(Arc::clone(member), leaves, next))
        .collect();
    let mut group = Type::group_type_builder(of.name())
        .with_fields(members?)
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned());
    if let Some(repetition) = repetition {
        group = group.with_repetition(repetition);
    }
    group.build().map(Arc::new)
}

/// The same fields with bytes as views into their pages, so that a long string in a dictionary
/// is not copied for each row that has it.
fn views(fields: &Fields) -> Fields {
    let view = |field: &Arc<Field>| Arc::new(view(field));
    fields.iter().map(view).collect()
}

fn view(field: &Field) -> Field {
    let of = match field.data_type() {
        DataType::Binary => DataType::BinaryView,
        DataType::List(item) => DataType::List(Arc::new(view(item))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(view(entries)), *sorted),
        DataType::Struct(fields) => DataType::Struct(views(fields)),
        other => other.clone(),
    };
    field.clone().with_data_type(of)
}

/// The error of ours behind one of the `parquet` crate's, which has only its words.
#[derive(Debug, Clone, Default)]
struct FirstFailure(Arc<Mutex<Option<RecordError>>>);

impl FirstFailure {
    fn set(&self, error: RecordError) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
    }

    fn take(&self) -> Option<RecordError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}

/// Reads one row group after the other.
struct Reader {
    stored: Arc<Stored>,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    next_group: usize,
    open: Option<OpenGroup>,
    failure: FirstFailure,
}

struct OpenGroup {
    batches: ParquetRecordBatchReader,
    /// Rows that the footer says are still to come.
    left: usize,
}

impl Batches for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>, RecordError> {
        loop {
            let Some(group) = &mut self.open else {
                match self.metadata.row_groups().get(self.next_group) {
                    None => return Ok(None),
                    // Its columns need not have any pages.
                    Some(group) if group.num_rows() == 0 => {}
                    Some(_) => self.open = Some(self.open_group(self.next_group)?),
                }
                self.next_group += 1;
                continue;
            };
            let batch = group.batches.next().transpose().map_err(|error| {
                let ours = self.failure.take();
                ours.unwrap_or_else(|| self.stored.broken(error.to_string()))
            })?;
            match batch.filter(|batch| batch.num_rows() > 0) {
                Some(batch) if batch.num_rows() <= group.left => {
                    group.left -= batch.num_rows();
                    return Ok(Some(batch));
                }
                None if group.left == 0 => self.open = None,
                _ => {
                    let why = "a row group has another number of rows than its footer says";
                    return Err(self.stored.broken(why));
                }
            }
        }
    }
}

impl Reader {
    fn open_group(&self, index: usize) -> Result<OpenGroup, RecordError> {
        let metadata = self.metadata.row_group(index);
        let mut pages_left = Limits::DEFAULT.table_pages;
        let chunks: Result<Vec<_>, _> = metadata
            .columns()
            .iter()
            .map(|column| Chunk::scan(&self.stored, column, &mut pages_left).map(Arc::new))
            .collect();
        let chunks = chunks?;
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(usize::MAX);
        for chunk in chunks.iter().filter(|chunk| chunk.max_repetition == 0) {
            let values: u64 = chunk.pages.iter().map(|page| page.values()).sum();
            if values != rows as u64 {
                let name = &chunk.name;
                let why = format!("column {name:?} has {values} values for {rows} rows");
                return Err(self.stored.broken(why));
            }
        }
        let at_once = levels::rows_at_once(&self.stored, &chunks)?;
        let group = Group {
            reader: self,
            index,
            chunks,
        };
        let batches =
            ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &group, at_once, None)
                .map_err(|error| {
                    let ours = self.failure.take();
                    ours.unwrap_or_else(|| self.stored.broken(error.to_string()))
                })?;
        Ok(OpenGroup {
            batches,
            left: rows,
        })
    }
}

/// One row group, as the `parquet` crate asks for it.
struct Group<'a> {
    reader: &'a Reader,
    index: usize,
    chunks: Vec<Arc<Chunk>>,
}

impl RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        let rows = self.reader.metadata.row_group(self.index).num_rows();
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    fn column_chunks(&self, column: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let pages = Pages::new(
            Arc::clone(&self.reader.stored),
            Arc::clone(&self.chunks[column]),
            self.reader.failure.clone(),
        );
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.reader.metadata.row_group(self.index)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.reader.metadata
    }
}

struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
