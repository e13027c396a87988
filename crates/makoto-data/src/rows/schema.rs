//! The schema of a table, in words of our own, so that it depends on neither the program that
//! wrote the file nor a version of the library that reads it.
//!
//! `docs/rows.md` says the same for readers. Types that give the same rows have the same word:
//! whether a string is kept as a view, behind a dictionary or with long offsets is not told.

use std::collections::HashSet;
use std::fmt::Write as _;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use makoto::canonical::to_canonical;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::record::RecordError;

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSchema {
    pub(crate) columns: Vec<Column>,
}

/// A column, or a member of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// What the cells of a column may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

/// The type of a value, as far as its text depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Always null.
    Null,
    Boolean,
    /// An integer of at most 32 bits, which a double holds: a number.
    Small(&'static str),
    /// An integer of 64 bits: a string.
    Large(&'static str),
    Float(&'static str),
    Decimal {
        precision: u8,
        scale: i8,
    },
    String,
    Binary,
    Fixed(i32),
    Date,
    Time(Unit),
    Timestamp {
        unit: Unit,
        /// Whether it is an instant, and not what some clock showed.
        utc: bool,
    },
    /// A count of units.
    Duration(Unit),
    List(Box<Value>),
    Map(Box<[Value; 2]>),
    Struct(Vec<Column>),
}

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Second,
    Milli,
    Micro,
    Nano,
}

impl Unit {
    /// Digits of the fraction of a second.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Second => 0,
            Self::Milli => 3,
            Self::Micro => 6,
            Self::Nano => 9,
        }
    }

    /// Units in a second.
    pub(crate) fn per_second(self) -> i64 {
        10_i64.pow(self.digits() as u32)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
        }
    }
}

impl From<&TimeUnit> for Unit {
    fn from(unit: &TimeUnit) -> Self {
        match unit {
            TimeUnit::Second => Self::Second,
            TimeUnit::Millisecond => Self::Milli,
            TimeUnit::Microsecond => Self::Micro,
            TimeUnit::Nanosecond => Self::Nano,
        }
    }
}

impl RowSchema {
    /// The schema of a table. `leaves` are the kinds of leaves that Arrow's type does not tell,
    /// by their place among all leaves.
    ///
    /// # Errors
    /// [`RecordError::Column`] for a type whose values have no text, two columns of one name,
    /// and a table without columns.
    pub(crate) fn of(schema: &Schema, leaves: &[Option<Kind>]) -> Result<Self, RecordError> {
        let mut reader = Reader { leaves, next: 0 };
        let columns = reader.columns(schema.fields(), "", 0)?;
        if columns.is_empty() {
            return Err(refuse(
                "",
                "the table has no columns, so there is nothing in its rows",
            ));
        }
        Ok(Self { columns })
    }

    /// SHA-256 of the schema as RFC 8785 JSON: an array of `{name, nullable, type}`.
    pub(crate) fn digest(&self) -> Result<Digest, RecordError> {
        let json = columns_json(&self.columns);
        let bytes = to_canonical(&json).map_err(|error| refuse("", error.to_string()))?;
        Ok(Digest::of(&bytes))
    }

    /// The first column that is not the same in `other`, and in which way.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let most = self.columns.len().max(other.columns.len());
        (0..most).find_map(|index| {
            let place = index + 1;
            match (self.columns.get(index), other.columns.get(index)) {
                (Some(one), Some(two)) if one == two => None,
                (Some(one), Some(two)) if one.name != two.name => Some(format!(
                    "column {place} is {:?} in one and {:?} in the other",
                    one.name, two.name
                )),
                (Some(one), Some(two)) => Some(format!(
                    "column {:?} is {} in one and {} in the other",
                    one.name,
                    value_json(&one.value),
                    value_json(&two.value)
                )),
                (Some(only), None) | (None, Some(only)) => Some(format!(
                    "column {place}, {:?}, is in one of them only",
                    only.name
                )),
                (None, None) => None,
            }
        })
    }
}

fn refuse(column: &str, why: impl Into<String>) -> RecordError {
    RecordError::Column {
        column: column.to_owned(),
        why: why.into(),
    }
}

/// `path` and the name of a member of it, with a dot between.
pub(crate) fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

struct Reader<'a> {
    leaves: &'a [Option<Kind>],
    next: usize,
}

impl Reader<'_> {
    fn columns<'f>(
        &mut self,
        fields: impl IntoIterator<Item = &'f std::sync::Arc<Field>>,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Column>, RecordError> {
        let mut names = HashSet::new();
        let mut columns = Vec::new();
        for field in fields {
            let path = below(path, field.name());
            if !names.insert(field.name().as_str()) {
                let why = "there are two columns of this name, so a row cannot tell them apart";
                return Err(refuse(&path, why));
            }
            columns.push(Column {
                name: field.name().clone(),
                value: self.value(field, &path, depth)?,
            });
        }
        Ok(columns)
    }

    fn value(&mut self, field: &Field, path: &str, depth: usize) -> Result<Value, RecordError> {
        let limit = Limits::DEFAULT.table_depth;
        if depth > limit {
            return Err(refuse(
                path,
                format!("is nested deeper than {limit} levels"),
            ));
        }
        Ok(Value {
            kind: self.kind(field.data_type(), path, depth + 1)?,
            nullable: field.is_nullable(),
        })
    }

    fn kind(&mut self, of: &DataType, path: &str, depth: usize) -> Result<Kind, RecordError> {
        Ok(match of {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                Kind::List(Box::new(self.value(item, &below(path, "[]"), depth)?))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    let key = self.value(&fields[0], &below(path, "key"), depth)?;
                    let value = self.value(&fields[1], &below(path, "value"), depth)?;
                    Kind::Map(Box::new([key, value]))
                }
                _ => return Err(refuse(path, "is a map without keys and values")),
            },
            DataType::Struct(fields) => Kind::Struct(self.columns(fields, path, depth)?),
            DataType::Dictionary(_, value) => self.kind(value, path, depth)?,
            leaf => {
                let known = self.leaves.get(self.next).cloned().flatten();
                self.next += 1;
                match known {
                    Some(kind) => kind,
                    None => leaf_kind(leaf).map_err(|why| refuse(path, why))?,
                }
            }
        })
    }
}

fn leaf_kind(of: &DataType) -> Result<Kind, String> {
    Ok(match of {
        DataType::Null => Kind::Null,
        DataType::Boolean => Kind::Boolean,
        DataType::Int8 => Kind::Small("int8"),
        DataType::Int16 => Kind::Small("int16"),
        DataType::Int32 => Kind::Small("int32"),
        DataType::UInt8 => Kind::Small("uint8"),
        DataType::UInt16 => Kind::Small("uint16"),
        DataType::UInt32 => Kind::Small("uint32"),
        DataType::Int64 => Kind::Large("int64"),
        DataType::UInt64 => Kind::Large("uint64"),
        DataType::Float16 => Kind::Float("float16"),
        DataType::Float32 => Kind::Float("float32"),
        DataType::Float64 => Kind::Float("float64"),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Kind::Decimal {
            precision: *precision,
            scale: *scale,
        },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Binary,
        DataType::FixedSizeBinary(length) => Kind::Fixed(*length),
        DataType::Date32 | DataType::Date64 => Kind::Date,
        DataType::Time32(unit) | DataType::Time64(unit) => Kind::Time(unit.into()),
        DataType::Timestamp(unit, zone) => Kind::Timestamp {
            unit: unit.into(),
            utc: zone.is_some(),
        },
        DataType::Duration(unit) => Kind::Duration(unit.into()),
        DataType::Interval(_) => {
            return Err("is an interval, which has no one form as text".to_owned());
        }
        DataType::Union(..) => return Err("is a union, which has no form as JSON".to_owned()),
        DataType::RunEndEncoded(..) => {
            return Err("is run-end encoded, which is not read".to_owned());
        }
        other => return Err(format!("is of type {other}, which is not read")),
    })
}

fn columns_json(columns: &[Column]) -> Json {
    let column = |column: &Column| {
        let mut json = value_json(&column.value);
        if let Json::Object(members) = &mut json {
            members.insert("name", column.name.as_str().into());
        }
        json
    };
    columns.iter().map(column).collect()
}

fn value_json(value: &Value) -> Json {
    Json::from([
        ("nullable", Json::Bool(value.nullable)),
        ("type", kind_json(&value.kind)),
    ])
}

fn kind_json(kind: &Kind) -> Json {
    let mut word = String::new();
    let _ = match kind {
        Kind::Null => write!(word, "null"),
        Kind::Boolean => write!(word, "boolean"),
        Kind::Small(name) | Kind::Large(name) | Kind::Float(name) => write!(word, "{name}"),
        Kind::Decimal { precision, scale } => write!(word, "decimal({precision},{scale})"),
        Kind::String => write!(word, "string"),
        Kind::Binary => write!(word, "binary"),
        Kind::Fixed(length) => write!(word, "fixed({length})"),
        Kind::Date => write!(word, "date"),
        Kind::Time(unit) => write!(word, "time({})", unit.word()),
        Kind::Timestamp { unit, utc: false } => write!(word, "timestamp({})", unit.word()),
        Kind::Timestamp { unit, utc: true } => write!(word, "timestamp({},UTC)", unit.word()),
        Kind::Duration(unit) => write!(word, "duration({})", unit.word()),
        Kind::List(item) => return [("list", value_json(item))].into(),
        Kind::Map(entry) => {
            let entry: Json = entry.iter().map(value_json).collect();
            return [("map", entry)].into();
        }
        Kind::Struct(columns) => return [("struct", columns_json(columns))].into(),
    };
    word.into()
}
