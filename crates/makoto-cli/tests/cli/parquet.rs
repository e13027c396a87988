//! Parquet files written by hand, so that they can say what no writer would.

/// Appends fields of Thrift's compact protocol.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thrift(Vec<u8>, u8);

impl Thrift {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    fn header(&mut self, field: u8, kind: u8) {
        assert!(field > self.1, "fields are in order");
        self.0.push((field - self.1) << 4 | kind);
        self.1 = field;
    }

    pub(crate) fn i32(mut self, field: u8, value: i32) -> Self {
        self.header(field, 5);
        self.zigzag(value.into());
        self
    }

    pub(crate) fn i64(mut self, field: u8, value: i64) -> Self {
        self.header(field, 6);
        self.zigzag(value);
        self
    }

    fn text(mut self, field: u8, text: &str) -> Self {
        self.header(field, 8);
        self.varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn structure(mut self, field: u8, of: Self) -> Self {
        self.header(field, 12);
        self.0.extend_from_slice(&of.end());
        self
    }

    fn list(mut self, field: u8, items: &[Self]) -> Self {
        self.header(field, 9);
        self.list_header(items.len(), 12);
        items
            .iter()
            .for_each(|item| self.0.extend(item.clone().end()));
        self
    }

    fn list_header(&mut self, size: usize, kind: u8) {
        self.0.push(0xf0 | kind);
        self.varint(size as u64);
    }

    fn numbers(mut self, field: u8, numbers: &[i32]) -> Self {
        self.header(field, 9);
        self.list_header(numbers.len(), 5);
        numbers
            .iter()
            .for_each(|number| self.zigzag((*number).into()));
        self
    }

    fn texts(mut self, field: u8, texts: &[&str]) -> Self {
        self.header(field, 9);
        self.list_header(texts.len(), 8);
        for text in texts {
            self.varint(text.len() as u64);
            self.0.extend_from_slice(text.as_bytes());
        }
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

/// Physical types.
pub(crate) const INT32: i32 = 1;
pub(crate) const INT64: i32 = 2;
pub(crate) const BYTE_ARRAY: i32 = 6;

/// Repetitions.
pub(crate) const REQUIRED: i32 = 0;
pub(crate) const REPEATED: i32 = 2;

/// Encodings.
pub(crate) const PLAIN: i32 = 0;
pub(crate) const RLE: i32 = 3;
pub(crate) const DELTA_LENGTH: i32 = 6;
pub(crate) const RLE_DICTIONARY: i32 = 8;

/// A column and its pages in one row group.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) physical: i32,
    pub(crate) repetition: i32,
    /// Whether it is marked as text.
    pub(crate) is_text: bool,
    pub(crate) codec: i32,
    pub(crate) values: i64,
    pub(crate) pages: Vec<Page>,
    /// What is said of its length, when that is a lie.
    pub(crate) length: Option<i64>,
    /// What is said of its offset, when that is a lie.
    pub(crate) offset: Option<i64>,
}

/// A page with the sizes in its header.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) is_dictionary: bool,
    pub(crate) values: i32,
    pub(crate) encoding: i32,
    pub(crate) bytes: Vec<u8>,
    /// What is said of its sizes, when that is a lie: inflated and stored.
    pub(crate) sizes: Option<(i32, i32)>,
}

impl Page {
    pub(crate) fn data(values: i32, encoding: i32, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            is_dictionary: false,
            values,
            encoding,
            bytes: bytes.into(),
            sizes: None,
        }
    }

    pub(crate) fn dictionary(values: i32, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            is_dictionary: true,
            ..Self::data(values, PLAIN, bytes)
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let length = self.bytes.len() as i32;
        let (inflated, stored) = self.sizes.unwrap_or((length, length));
        let kind = if self.is_dictionary { 2 } else { 0 };
        let header = Thrift::default()
            .i32(1, kind)
            .i32(2, inflated)
            .i32(3, stored);
        let of = Thrift::default().i32(1, self.values).i32(2, self.encoding);
        let header = match self.is_dictionary {
            true => header.structure(7, of),
            false => header.structure(5, of.i32(3, RLE).i32(4, RLE)),
        };
        out.extend_from_slice(&header.end());
        out.extend_from_slice(&self.bytes);
    }
}

impl Column {
    pub(crate) fn new(name: &str, physical: i32, repetition: i32, pages: Vec<Page>) -> Self {
        let values = pages.iter().filter(|page| !page.is_dictionary);
        Self {
            name: name.to_owned(),
            physical,
            repetition,
            is_text: physical == BYTE_ARRAY,
            codec: 0,
            values: values.map(|page| i64::from(page.values)).sum(),
            pages,
            length: None,
            offset: None,
        }
    }

    fn schema(&self) -> Thrift {
        let schema = Thrift::default()
            .i32(1, self.physical)
            .i32(3, self.repetition);
        let schema = schema.text(4, &self.name);
        match self.is_text {
            true => schema.i32(6, 0),
            false => schema,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Thrift {
        let start = out.len() as i64;
        self.pages.iter().for_each(|page| page.write(out));
        let length = out.len() as i64 - start;
        let length = self.length.unwrap_or(length);
        let start = self.offset.unwrap_or(start);
        let metadata = Thrift::default()
            .i32(1, self.physical)
            .numbers(2, &[PLAIN])
            .texts(3, &[&self.name])
            .i32(4, self.codec)
            .i64(5, self.values)
            .i64(6, length)
            .i64(7, length)
            .i64(9, start);
        Thrift::default().i64(2, start).structure(3, metadata)
    }
}

/// A file of one row group with these columns, which says that it has `rows` rows.
pub(crate) fn file(columns: &[Column], rows: i64) -> Vec<u8> {
    let mut out = b"PAR1".to_vec();
    let chunks: Vec<_> = columns
        .iter()
        .map(|column| column.write(&mut out))
        .collect();
    let group = Thrift::default().list(1, &chunks).i64(2, 1000).i64(3, rows);
    let root = Thrift::default()
        .text(4, "schema")
        .i32(5, columns.len() as i32);
    let schema: Vec<_> = [root]
        .into_iter()
        .chain(columns.iter().map(Column::schema))
        .collect();
    with_footer(out, &schema, rows, &[group])
}

/// A file whose schema is `depth` groups in each other and a number.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    let group = |_| {
        let schema = Thrift::default().i32(3, REQUIRED).text(4, "g");
        schema.i32(5, 1)
    };
    let leaf = Thrift::default().i32(1, INT32).i32(3, REQUIRED);
    let schema: Vec<_> = (0..depth).map(group).chain([leaf.text(4, "n")]).collect();
    with_footer(b"PAR1".to_vec(), &schema, 0, &[])
}

fn with_footer(mut out: Vec<u8>, schema: &[Thrift], rows: i64, groups: &[Thrift]) -> Vec<u8> {
    let footer = Thrift::default()
        .i32(1, 1)
        .list(2, schema)
        .i64(3, rows)
        .list(4, groups)
        .end();
    out.extend_from_slice(&footer);
    out.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    out.extend_from_slice(b"PAR1");
    out
}

/// Numbers as they stand in a plain page.
pub(crate) fn plain(numbers: impl IntoIterator<Item = i32>) -> Vec<u8> {
    numbers.into_iter().flat_map(i32::to_le_bytes).collect()
}

/// Levels of one bit as runs, with their length before them.
pub(crate) fn levels(runs: &[(u64, u8)]) -> Vec<u8> {
    let mut bytes = Thrift::default();
    for (count, level) in runs {
        bytes.varint(count << 1);
        bytes.0.push(*level);
    }
    let mut out = (bytes.0.len() as u32).to_le_bytes().to_vec();
    out.extend(bytes.0);
    out
}
