//! Writing rows: one RFC 8785 object each, with the members in the order of the columns.
//!
//! A batch is prepared column by column, so that writing a row looks nothing up and allocates
//! nothing: each cell knows its `,"name":` and where its values are.

use arrow_array::cast::AsArray as _;
use arrow_array::types::*;
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, Float16Array, LargeBinaryArray,
    LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};
use makoto::limits::Limits;
use makoto::record::RecordError;

use super::schema::{Column, Kind, RowSchema, Unit, Value, below};
use super::text;

/// A row that cannot be written.
#[derive(Debug)]
enum Bad {
    TooLong,
    Value { column: String, why: String },
}

impl Bad {
    fn value(why: impl Into<String>) -> Self {
        Self::Value {
            column: String::new(),
            why: why.into(),
        }
    }

    /// The same, in the member `name`.
    fn in_column(self, name: &str) -> Self {
        match self {
            Self::TooLong => Self::TooLong,
            Self::Value { column, why } if column.is_empty() => Self::Value {
                column: name.to_owned(),
                why,
            },
            Self::Value { column, why } => Self::Value {
                column: below(name, &column),
                why,
            },
        }
    }
}

/// The rows of a batch, ready to be written.
pub(super) struct Rows<'a>(Vec<Member<'a>>);

struct Member<'a> {
    /// `{"name":` or `,"name":`
    prefix: Vec<u8>,
    name: &'a str,
    cells: Cells<'a>,
}

struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

/// The values of a column, by the way in which they are kept.
enum Values<'a> {
    Null,
    Boolean(&'a BooleanBuffer),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    Int64(&'a [i64]),
    UInt64(&'a [u64]),
    Float16(&'a Float16Array),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    StoredDecimal(&'a BinaryViewArray, i8),
    String(Bytes<'a>),
    Binary(Bytes<'a>),
    Int96(&'a FixedSizeBinaryArray),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], Unit),
    Time64(&'a [i64], Unit),
    Timestamp(&'a [i64], Unit, bool),
    Dictionary(Keys<'a>, Box<Cells<'a>>),
    List(Offsets<'a>, Box<Cells<'a>>),
    Map(&'a [i32], Box<[Cells<'a>; 2]>),
    Struct(Vec<Member<'a>>),
}

enum Bytes<'a> {
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    String(&'a StringArray),
    LargeString(&'a LargeStringArray),
    StringView(&'a StringViewArray),
    Fixed(&'a FixedSizeBinaryArray),
}

enum Keys<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
}

/// Where the items of each list are.
enum Offsets<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
    SmallView(&'a [i32], &'a [i32]),
    LargeView(&'a [i64], &'a [i64]),
}

impl<'a> Rows<'a> {
    /// Prepares the rows of `batch`, whose schema is `schema`.
    pub(super) fn of(batch: &'a RecordBatch, schema: &'a RowSchema) -> Result<Self, RecordError> {
        members(&schema.columns, batch.columns())
            .map(Self)
            .map_err(|why| RecordError::Column {
                column: String::new(),
                why,
            })
    }

    /// Appends the row at `index` to `out`, which is empty. `number` is the row's own, from 1.
    pub(super) fn write(
        &self,
        index: usize,
        out: &mut Vec<u8>,
        number: impl FnOnce() -> u64,
    ) -> Result<(), RecordError> {
        let limit = Limits::DEFAULT.record_bytes;
        write_members(&self.0, index, out).map_err(|bad| match bad {
            Bad::TooLong => RecordError::RowTooLong {
                row: number(),
                limit,
            },
            Bad::Value { column, why } => RecordError::Row {
                row: number(),
                column,
                why,
            },
        })
    }
}

fn write_members(members: &[Member<'_>], index: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    if members.is_empty() {
        out.push(b'{');
    }
    for member in members {
        out.extend_from_slice(&member.prefix);
        member
            .cells
            .write(index, out)
            .map_err(|bad| bad.in_column(member.name))?;
        within_limit(out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Lists and long strings must not fill the memory before their row is seen to be too long.
fn within_limit(out: &[u8]) -> Result<(), Bad> {
    match out.len() > Limits::DEFAULT.record_bytes {
        true => Err(Bad::TooLong),
        false => Ok(()),
    }
}

impl Cells<'_> {
    fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(index)) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            Values::Null => out.extend_from_slice(b"null"),
            Values::Boolean(values) => out.extend_from_slice(match values.value(index) {
                true => b"true",
                false => b"false",
            }),
            Values::Int8(values) => text::integer(out, values[index]),
            Values::Int16(values) => text::integer(out, values[index]),
            Values::Int32(values) => text::integer(out, values[index]),
            Values::UInt8(values) => text::integer(out, values[index]),
            Values::UInt16(values) => text::integer(out, values[index]),
            Values::UInt32(values) => text::integer(out, values[index]),
            Values::Int64(values) => text::quoted_integer(out, values[index]),
            Values::UInt64(values) => text::quoted_integer(out, values[index]),
            Values::Float16(values) => text::double(out, values.value(index).to_f64()),
            Values::Float32(values) => text::double(out, f64::from(values[index])),
            Values::Float64(values) => text::double(out, values[index]),
            Values::Decimal32(values, scale) => text::decimal(out, values[index].into(), *scale),
            Values::Decimal64(values, scale) => text::decimal(out, values[index].into(), *scale),
            Values::Decimal128(values, scale) => text::decimal(out, values[index], *scale),
            Values::Decimal256(values, scale) => text::wide_decimal(out, values[index], *scale),
            Values::StoredDecimal(values, scale) => {
                text::stored_decimal(out, values.value(index), *scale).map_err(Bad::value)?;
            }
            Values::String(values) => {
                let bytes = values.at(index);
                within_limit(bytes)?;
                text::string(out, bytes).map_err(Bad::value)?;
            }
            Values::Binary(values) => {
                let bytes = values.at(index);
                within_limit(bytes)?;
                text::base64(out, bytes);
            }
            Values::Int96(values) => text::int96(out, values.value(index)).map_err(Bad::value)?,
            Values::Date32(values) => {
                text::date(out, values[index].into()).map_err(Bad::value)?;
            }
            Values::Date64(values) => {
                const DAY: i64 = 24 * 60 * 60 * 1000;
                let value = values[index];
                if value % DAY != 0 {
                    let why = format!("is a date with a time of day, {value} ms since 1970");
                    return Err(Bad::value(why));
                }
                text::date(out, value / DAY).map_err(Bad::value)?;
            }
            Values::Time32(values, unit) => {
                text::time(out, values[index].into(), *unit).map_err(Bad::value)?;
            }
            Values::Time64(values, unit) => {
                text::time(out, values[index], *unit).map_err(Bad::value)?;
            }
            Values::Timestamp(values, unit, utc) => {
                text::timestamp(out, values[index], *unit, *utc).map_err(Bad::value)?;
            }
            Values::Dictionary(keys, values) => {
                let key = keys
                    .at(index)
                    .ok_or_else(|| Bad::value("has no dictionary entry"))?;
                values.write(key, out)?;
            }
            Values::List(offsets, items) => {
                let range = offsets
                    .at(index)
                    .ok_or_else(|| Bad::value("is a broken list"))?;
                out.push(b'[');
                for (count, item) in range.enumerate() {
                    if count > 0 {
                        out.push(b',');
                    }
                    items.write(item, out).map_err(|bad| bad.in_column("[]"))?;
                    within_limit(out)?;
                }
                out.push(b']');
            }
            Values::Map(offsets, entries) => {
                let range = range(offsets[index], offsets[index + 1]);
                let range = range.ok_or_else(|| Bad::value("is a broken map"))?;
                out.push(b'[');
                for (count, entry) in range.enumerate() {
                    out.extend_from_slice(if count > 0 { b",[" } else { b"[" });
                    entries[0]
                        .write(entry, out)
                        .map_err(|bad| bad.in_column("key"))?;
                    out.push(b',');
                    entries[1]
                        .write(entry, out)
                        .map_err(|bad| bad.in_column("value"))?;
                    out.push(b']');
                    within_limit(out)?;
                }
                out.push(b']');
            }
            Values::Struct(members) => write_members(members, index, out)?,
        }
        Ok(())
    }
}

impl Bytes<'_> {
    fn at(&self, index: usize) -> &[u8] {
        match self {
            Self::Binary(array) => array.value(index),
            Self::LargeBinary(array) => array.value(index),
            Self::BinaryView(array) => array.value(index),
            Self::String(array) => array.value(index).as_bytes(),
            Self::LargeString(array) => array.value(index).as_bytes(),
            Self::StringView(array) => array.value(index).as_bytes(),
            Self::Fixed(array) => array.value(index),
        }
    }
}

impl Keys<'_> {
    fn at(&self, index: usize) -> Option<usize> {
        match self {
            Self::Int8(keys) => usize::try_from(keys[index]).ok(),
            Self::Int16(keys) => usize::try_from(keys[index]).ok(),
            Self::Int32(keys) => usize::try_from(keys[index]).ok(),
            Self::Int64(keys) => usize::try_from(keys[index]).ok(),
            Self::UInt8(keys) => Some(keys[index].into()),
            Self::UInt16(keys) => Some(keys[index].into()),
            Self::UInt32(keys) => usize::try_from(keys[index]).ok(),
            Self::UInt64(keys) => usize::try_from(keys[index]).ok(),
        }
    }
}

impl Offsets<'_> {
    fn at(&self, index: usize) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Small(offsets) => range(offsets[index], offsets[index + 1]),
            Self::Large(offsets) => range(offsets[index], offsets[index + 1]),
            Self::Fixed(length) => Some(index * length..(index + 1) * length),
            Self::SmallView(offsets, sizes) => {
                range(offsets[index], offsets[index].checked_add(sizes[index])?)
            }
            Self::LargeView(offsets, sizes) => {
                range(offsets[index], offsets[index].checked_add(sizes[index])?)
            }
        }
    }
}

fn range<T: TryInto<usize>>(start: T, end: T) -> Option<std::ops::Range<usize>> {
    Some(start.try_into().ok()?..end.try_into().ok()?)
}

fn members<'a>(
    columns: &'a [Column],
    arrays: &'a [arrow_array::ArrayRef],
) -> Result<Vec<Member<'a>>, String> {
    if columns.len() != arrays.len() {
        return Err("has other columns than its schema".to_owned());
    }
    let mut prefix = b"{".to_vec();
    let mut members = Vec::with_capacity(columns.len());
    for (column, array) in columns.iter().zip(arrays) {
        // A name is UTF-8 already.
        text::string(&mut prefix, column.name.as_bytes())?;
        prefix.push(b':');
        members.push(Member {
            prefix: std::mem::replace(&mut prefix, b",".to_vec()),
            name: &column.name,
            cells: cells(array.as_ref(), &column.value)?,
        });
    }
    Ok(members)
}

fn cells<'a>(array: &'a dyn Array, value: &'a Value) -> Result<Cells<'a>, String> {
    Ok(Cells {
        nulls: array.nulls().filter(|nulls| nulls.null_count() > 0),
        values: values(array, &value.kind)?,
    })
}

fn values<'a>(array: &'a dyn Array, kind: &'a Kind) -> Result<Values<'a>, String> {
    use DataType as D;
    macro_rules! slice {
        ($type:ty) => {
            array.as_primitive::<$type>().values()
        };
    }
    let bytes = |bytes| match kind {
        Kind::String => Values::String(bytes),
        _ => Values::Binary(bytes),
    };
    Ok(match array.data_type() {
        D::Null => Values::Null,
        D::Boolean => Values::Boolean(array.as_boolean().values()),
        D::Int8 => Values::Int8(slice!(Int8Type)),
        D::Int16 => Values::Int16(slice!(Int16Type)),
        D::Int32 => Values::Int32(slice!(Int32Type)),
        D::UInt8 => Values::UInt8(slice!(UInt8Type)),
        D::UInt16 => Values::UInt16(slice!(UInt16Type)),
        D::UInt32 => Values::UInt32(slice!(UInt32Type)),
        D::Int64 => Values::Int64(slice!(Int64Type)),
        D::UInt64 => Values::UInt64(slice!(UInt64Type)),
        D::Float16 => Values::Float16(array.as_primitive::<Float16Type>()),
        D::Float32 => Values::Float32(slice!(Float32Type)),
        D::Float64 => Values::Float64(slice!(Float64Type)),
        D::Decimal32(_, scale) => Values::Decimal32(slice!(Decimal32Type), *scale),
        D::Decimal64(_, scale) => Values::Decimal64(slice!(Decimal64Type), *scale),
        D::Decimal128(_, scale) => Values::Decimal128(slice!(Decimal128Type), *scale),
        D::Decimal256(_, scale) => Values::Decimal256(slice!(Decimal256Type), *scale),
        D::Utf8 => bytes(Bytes::String(array.as_string())),
        D::LargeUtf8 => bytes(Bytes::LargeString(array.as_string())),
        D::Utf8View => bytes(Bytes::StringView(array.as_string_view())),
        D::Binary => bytes(Bytes::Binary(array.as_binary())),
        D::LargeBinary => bytes(Bytes::LargeBinary(array.as_binary())),
        D::BinaryView => match kind {
            Kind::Decimal { scale, .. } => Values::StoredDecimal(array.as_binary_view(), *scale),
            _ => bytes(Bytes::BinaryView(array.as_binary_view())),
        },
        D::FixedSizeBinary(_) => match kind {
            Kind::Timestamp { .. } => Values::Int96(array.as_fixed_size_binary()),
            _ => Values::Binary(Bytes::Fixed(array.as_fixed_size_binary())),
        },
        D::Date32 => Values::Date32(slice!(Date32Type)),
        D::Date64 => Values::Date64(slice!(Date64Type)),
        D::Time32(unit) => {
            let values = match unit {
                TimeUnit::Second => slice!(Time32SecondType),
                _ => slice!(Time32MillisecondType),
            };
            Values::Time32(values, unit.into())
        }
        D::Time64(unit) => {
            let values = match unit {
                TimeUnit::Microsecond => slice!(Time64MicrosecondType),
                _ => slice!(Time64NanosecondType),
            };
            Values::Time64(values, unit.into())
        }
        D::Timestamp(unit, zone) => {
            let values = match unit {
                TimeUnit::Second => slice!(TimestampSecondType),
                TimeUnit::Millisecond => slice!(TimestampMillisecondType),
                TimeUnit::Microsecond => slice!(TimestampMicrosecondType),
                TimeUnit::Nanosecond => slice!(TimestampNanosecondType),
            };
            Values::Timestamp(values, unit.into(), zone.is_some())
        }
        // A count of units is a 64-bit integer.
        D::Duration(unit) => Values::Int64(match unit {
            TimeUnit::Second => slice!(DurationSecondType),
            TimeUnit::Millisecond => slice!(DurationMillisecondType),
            TimeUnit::Microsecond => slice!(DurationMicrosecondType),
            TimeUnit::Nanosecond => slice!(DurationNanosecondType),
        }),
        D::Dictionary(key, _) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.keys();
            macro_rules! keys {
                ($name:ident, $type:ty) => {
                    Keys::$name(keys.as_primitive::<$type>().values())
                };
            }
            let keys = match key.as_ref() {
                D::Int8 => keys!(Int8, Int8Type),
                D::Int16 => keys!(Int16, Int16Type),
                D::Int32 => keys!(Int32, Int32Type),
                D::Int64 => keys!(Int64, Int64Type),
                D::UInt8 => keys!(UInt8, UInt8Type),
                D::UInt16 => keys!(UInt16, UInt16Type),
                D::UInt32 => keys!(UInt32, UInt32Type),
                _ => keys!(UInt64, UInt64Type),
            };
            let values = dictionary.values().as_ref();
            let entries = Cells {
                nulls: values.nulls().filter(|nulls| nulls.null_count() > 0),
                values: self::values(values, kind)?,
            };
            Values::Dictionary(keys, Box::new(entries))
        }
        _ => return nested(array, kind),
    })
}

fn nested<'a>(array: &'a dyn Array, kind: &'a Kind) -> Result<Values<'a>, String> {
    use DataType as D;
    let list = |offsets, items: &'a arrow_array::ArrayRef| match kind {
        Kind::List(item) => Ok(Values::List(
            offsets,
            Box::new(cells(items.as_ref(), item)?),
        )),
        _ => Err("is a list, which its schema does not say".to_owned()),
    };
    match (array.data_type(), kind) {
        (D::List(_), _) => {
            let array = array.as_list::<i32>();
            list(Offsets::Small(array.value_offsets()), array.values())
        }
        (D::LargeList(_), _) => {
            let array = array.as_list::<i64>();
            list(Offsets::Large(array.value_offsets()), array.values())
        }
        (D::FixedSizeList(_, length), _) => {
            let length = usize::try_from(*length).unwrap_or(0);
            list(Offsets::Fixed(length), array.as_fixed_size_list().values())
        }
        (D::ListView(_), _) => {
            let array = array.as_list_view::<i32>();
            let offsets = Offsets::SmallView(array.value_offsets(), array.value_sizes());
            list(offsets, array.values())
        }
        (D::LargeListView(_), _) => {
            let array = array.as_list_view::<i64>();
            let offsets = Offsets::LargeView(array.value_offsets(), array.value_sizes());
            list(offsets, array.values())
        }
        (D::Map(..), Kind::Map(entry)) => {
            let array = array.as_map();
            let [key, value] = entry.as_ref();
            let entries = [
                cells(array.keys().as_ref(), key)?,
                cells(array.values().as_ref(), value)?,
            ];
            Ok(Values::Map(array.value_offsets(), Box::new(entries)))
        }
        (D::Struct(_), Kind::Struct(columns)) => {
            let members = members(columns, array.as_struct().columns())?;
            Ok(Values::Struct(members))
        }
        (other, _) => Err(format!("is of type {other}, which its schema does not say")),
    }
}
