//! Rows of tables as records: how they are spelled stands in `docs/rows.md`.
//!
//! One thread at a time decodes the next batch, whose place among the rows is then known; all
//! threads write rows of batches as text and hash them. Trees of batches are ranges of leaves
//! that are appended in order, as in [`crate::pipeline`]. The stored bytes are hashed by one
//! thread meanwhile.

mod ipc;
mod parquet;
mod schema;
mod stored;
mod text;
mod write;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range as Span;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use arrow_array::RecordBatch;
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::merkle::{LeafHasher, Range};
use makoto::record::{Format, RecordError, Records};

pub(crate) use schema::RowSchema;
pub(crate) use stored::Stored;

use crate::error::DataError;
use crate::file::{Tap, hash_all};
use write::Rows;

/// Rows of a batch that a thread takes at a time.
const ROWS: usize = 8192;

/// Tables up to this size are not worth starting a thread for.
const SMALL: u64 = 256 << 10;

/// More threads than this would only wait for the one that decodes.
const MOST_THREADS: usize = 8;

/// Gives one batch of rows after the other.
trait Batches: Send {
    /// The next batch; `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>, RecordError>;
}

/// A table whose footer was read.
pub(crate) struct Table {
    pub(crate) schema: RowSchema,
    /// How many rows its footer says it has. They may turn out to be others.
    pub(crate) rows: u64,
    batches: Box<dyn Batches>,
}

impl Table {
    /// Reads the footer of a table.
    pub(crate) fn open(stored: &Arc<Stored>, format: Format) -> Result<Self, RecordError> {
        guarded(stored, || match format {
            Format::Parquet => parquet::open(stored),
            Format::Arrow => ipc::open(stored),
            Format::Csv | Format::JsonLines => Err(stored.broken("its records are lines")),
        })
    }
}

/// The rows of a part of a larger table.
pub(crate) type PartRows = Result<(Range, RowSchema), RecordError>;

/// Hashes what `tap` reads, and counts the rows of the table in the same file.
pub(crate) fn run(
    tap: Tap<'_>,
    stored: &Arc<Stored>,
    format: Format,
) -> Result<(Digest, Result<Records, RecordError>), DataError> {
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let (digest, rows) = run_part(tap, stored, format, 0, threads)?;
    let records = rows.and_then(|(range, schema)| {
        Ok(Records {
            count: range.len(),
            root: range.root(),
            header_digest: None,
            schema_digest: Some(schema.digest()?),
        })
    });
    Ok((digest, records))
}

/// As [`run`], of a table whose first row is row `first_row` of a larger one, from 0.
pub(crate) fn run_part(
    tap: Tap<'_>,
    stored: &Arc<Stored>,
    format: Format,
    first_row: u64,
    threads: usize,
) -> Result<(Digest, PartRows), DataError> {
    let threads = match stored.size {
        0..=SMALL => 1,
        _ => threads,
    };
    let pass = Table::open(stored, format);
    let pass = pass.map(|table| Pass::new(Arc::clone(stored), table, first_row));
    let digest = thread::scope(|scope| {
        if let Ok(pass) = &pass {
            (1..threads).for_each(|_| drop(scope.spawn(|| pass.work())));
        }
        let digest = hash_all(tap);
        match (&digest, &pass) {
            (Ok(_), Ok(pass)) => pass.work(),
            (Err(_), Ok(pass)) => pass.stop(),
            (_, Err(_)) => {}
        }
        digest
    });
    let rows = pass.and_then(Pass::finish);
    match stored.take_failure() {
        Some(failure) => Err(failure),
        None => Ok((digest?, rows)),
    }
}

/// The way of the rows of one table into their tree.
struct Pass {
    stored: Arc<Stored>,
    schema: RowSchema,
    first_row: u64,
    source: Mutex<Source>,
    tree: Mutex<Tree>,
    /// Bytes of text written so far, and how many may be.
    written: AtomicU64,
    most_text: u64,
}

struct Source {
    batches: Box<dyn Batches>,
    /// The batch that is handed out, and the rows of it that nobody has taken.
    batch: Option<(RecordBatch, Span<usize>)>,
    next_part: u64,
    next_row: u64,
    /// Rows that there are to be.
    end_row: u64,
    stopped: bool,
}

/// Rows that follow each other, for one thread.
struct Part {
    index: u64,
    first_row: u64,
    batch: RecordBatch,
    rows: Span<usize>,
}

struct Tree {
    done: Range,
    /// Parts that were finished before the one that comes next.
    ahead: BTreeMap<u64, Range>,
    next_part: u64,
    /// The first part that failed, and how.
    bad: Option<(u64, RecordError)>,
}

impl Pass {
    /// A pass over a table whose first row is row `first_row` of the dataset, from 0.
    fn new(stored: Arc<Stored>, table: Table, first_row: u64) -> Self {
        let limits = Limits::DEFAULT;
        let in_proportion = stored.size.saturating_mul(limits.row_inflation_ratio);
        Self {
            schema: table.schema,
            first_row,
            source: Mutex::new(Source {
                batches: table.batches,
                batch: None,
                next_part: 0,
                next_row: first_row,
                end_row: first_row.saturating_add(table.rows),
                stopped: false,
            }),
            tree: Mutex::new(Tree {
                done: Range::starting_at(first_row),
                ahead: BTreeMap::new(),
                next_part: 0,
                bad: None,
            }),
            written: AtomicU64::new(0),
            most_text: in_proportion.max(limits.row_inflation_floor),
            stored,
        }
    }

    /// Takes part in the work until there is none left.
    fn work(&self) {
        let mut text = Vec::new();
        while let Some(part) = self.take() {
            let range = guarded(&self.stored, || self.leaves(&part, &mut text));
            match range {
                Ok(range) => lock(&self.tree).append(part.index, range),
                Err(error) => self.refuse(part.index, error),
            }
        }
    }

    /// Makes all threads stop at their next part.
    fn stop(&self) {
        lock(&self.source).stopped = true;
    }

    /// The next rows; `None` when there are none, or no more are needed.
    fn take(&self) -> Option<Part> {
        let mut source = lock(&self.source);
        if source.stopped {
            return None;
        }
        let index = source.next_part;
        let taken = guarded(&self.stored, || source.take(&self.stored));
        match taken {
            Ok(Some(part)) => return Some(part),
            Ok(None) => source.stopped = true,
            Err(error) => {
                source.stopped = true;
                drop(source);
                lock(&self.tree).refuse(index, error);
            }
        }
        None
    }

    fn refuse(&self, index: u64, error: RecordError) {
        lock(&self.tree).refuse(index, error);
        self.stop();
    }

    fn leaves(&self, part: &Part, text: &mut Vec<u8>) -> Result<Range, RecordError> {
        /// A row costs time whatever its length: about as much as this many bytes of text.
        const EACH: u64 = 64;
        /// Text after which the others are told of it.
        const OFTEN: u64 = 1 << 20;
        let rows = Rows::of(&part.batch, &self.schema)?;
        let mut range = Range::starting_at(part.first_row);
        let mut hasher = LeafHasher::new();
        let mut written = 0;
        let start = part.rows.start;
        for row in part.rows.clone() {
            text.clear();
            rows.write(row, text, || {
                part.first_row - self.first_row + (row - start) as u64 + 1
            })?;
            range.push(hasher.hash(text));
            written += text.len() as u64 + EACH;
            if written > OFTEN {
                self.count(std::mem::take(&mut written))?;
            }
        }
        self.count(written)?;
        Ok(range)
    }

    fn count(&self, written: u64) -> Result<(), RecordError> {
        let before = self.written.fetch_add(written, Ordering::Relaxed);
        match before + written > self.most_text {
            true => Err(RecordError::RowInflation {
                ratio: Limits::DEFAULT.row_inflation_ratio,
            }),
            false => Ok(()),
        }
    }

    /// What came of it.
    fn finish(self) -> PartRows {
        let into = PoisonError::into_inner;
        let tree = self.tree.into_inner().unwrap_or_else(into);
        match tree.bad {
            Some((_, error)) => Err(error),
            None => Ok((tree.done, self.schema)),
        }
    }
}

impl Source {
    fn take(&mut self, stored: &Stored) -> Result<Option<Part>, RecordError> {
        let (batch, left) = match self.batch.take() {
            Some(batch) => batch,
            None => match self.batches.next()? {
                Some(batch) => {
                    let rows = 0..batch.num_rows();
                    (batch, rows)
                }
                None if self.next_row == self.end_row => return Ok(None),
                None => return Err(stored.broken("it has fewer rows than it says")),
            },
        };
        let end = left.end.min(left.start + ROWS);
        let part = Part {
            index: self.next_part,
            first_row: self.next_row,
            batch: batch.clone(),
            rows: left.start..end,
        };
        self.next_part += 1;
        self.next_row += (end - left.start) as u64;
        if self.next_row > self.end_row {
            return Err(stored.broken("it has more rows than it says"));
        }
        if end < left.end {
            self.batch = Some((batch, end..left.end));
        }
        Ok(Some(part))
    }
}

impl Tree {
    fn append(&mut self, index: u64, range: Range) {
        self.ahead.insert(index, range);
        while let Some(range) = self.ahead.remove(&self.next_part) {
            if self.done.append(&range).is_err() {
                unreachable!("parts are handed out one after the other");
            }
            self.next_part += 1;
        }
    }

    fn refuse(&mut self, index: u64, error: RecordError) {
        if self.bad.as_ref().is_none_or(|(first, _)| index < *first) {
            self.bad = Some((index, error));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// Whether a panic on this thread is caught and told as an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what decodes a table. The crates that decode stop by a panic at some of what a spoilt or
/// hostile file says, and such a file is no reason for this program to end: it is an error like
/// any other. Nothing that was half done is used afterwards.
fn guarded<T>(
    stored: &Stored,
    work: impl FnOnce() -> Result<T, RecordError>,
) -> Result<T, RecordError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                tell(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.unwrap_or_else(|_| Err(stored.broken("it contradicts itself, so it was not read on")))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs::File;
    use std::path::Path;

    use arrow_array::{ArrayRef, Int32Array};
    use makoto::merkle::{leaf_hash, root_of};

    use super::*;

    /// Batches of these many rows each, and then perhaps a panic.
    struct Made {
        batches: VecDeque<usize>,
        next: i32,
        panics: bool,
    }

    impl Batches for Made {
        fn next(&mut self) -> Result<Option<RecordBatch>, RecordError> {
            let Some(rows) = self.batches.pop_front() else {
                assert!(!self.panics, "as a decoder may");
                return Ok(None);
            };
            let first = self.next;
            self.next += rows as i32;
            let array = Arc::new(Int32Array::from_iter_values(first..self.next)) as ArrayRef;
            Ok(Some(
                RecordBatch::try_from_iter([("n", array)]).expect("a batch"),
            ))
        }
    }

    fn pass(batches: &[usize], said: usize, panics: bool) -> Pass {
        let file = Arc::new(File::open("/dev/null").expect("a file"));
        let stored = Arc::new(Stored::new(file, Path::new("t"), 0, Format::Parquet));
        let array = Arc::new(Int32Array::from(vec![0])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("n", array)]).expect("a batch");
        let table = Table {
            schema: RowSchema::of(&batch.schema(), &[]).expect("a schema"),
            rows: said as u64,
            batches: Box::new(Made {
                batches: batches.iter().copied().collect(),
                next: 0,
                panics,
            }),
        };
        Pass::new(stored, table, 0)
    }

    #[test]
    fn batches_of_any_size_on_any_number_of_threads_have_one_root() {
        const COUNT: usize = 3 * ROWS + 10;
        let leaves: Vec<_> = (0..COUNT)
            .map(|n| leaf_hash(format!("{{\"n\":{n}}}").as_bytes()))
            .collect();
        for batches in [vec![COUNT], vec![1; 20], vec![7, ROWS, 2, 2 * ROWS, 1]] {
            let count = batches.iter().sum::<usize>();
            for threads in 1..4 {
                let pass = pass(&batches, count, false);
                thread::scope(|scope| {
                    (0..threads).for_each(|_| drop(scope.spawn(|| pass.work())));
                });
                let (range, _) = pass.finish().expect("counted");
                assert_eq!(range.len(), count as u64);
                assert_eq!(
                    range.root(),
                    root_of(&leaves[..count]),
                    "{batches:?} {threads}"
                );
            }
        }
    }

    #[test]
    fn a_table_has_the_rows_that_it_says() {
        for (said, is_right) in [(9, false), (10, true), (11, false)] {
            let pass = pass(&[4, 6], said, false);
            pass.work();
            assert_eq!(pass.finish().is_ok(), is_right, "{said}");
        }
    }

    #[test]
    fn a_panic_of_a_decoder_is_an_error_of_the_file() {
        let pass = pass(&[4], 4, true);
        pass.work();
        assert!(matches!(pass.finish(), Err(RecordError::NotATable { .. })));
    }

    #[test]
    fn rows_out_of_all_proportion_to_their_file_are_refused() {
        let cost = |rows: u64| rows * (64 + "{\"n\":0}".len() as u64);
        for (most, is_right) in [(cost(10), true), (cost(10) - 1, false)] {
            let mut pass = pass(&[10], 10, false);
            pass.most_text = most;
            pass.work();
            let refused = matches!(pass.finish(), Err(RecordError::RowInflation { .. }));
            assert_eq!(refused, !is_right);
        }
    }

    #[test]
    fn a_schema_that_drifts_is_told_by_its_first_other_column() {
        use arrow_schema::{DataType, Field, Schema};
        let schema = |fields: &[(&str, DataType)]| {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(name, of)| Field::new(*name, of.clone(), true))
                .collect();
            RowSchema::of(&Schema::new(fields), &[]).expect("a schema")
        };
        let one = schema(&[("a", DataType::Int32), ("b", DataType::Utf8)]);
        let same = schema(&[("a", DataType::Int32), ("b", DataType::LargeUtf8)]);
        assert_eq!(one.difference(&same), None);
        assert_eq!(one.digest(), same.digest());
        for (other, told) in [
            (
                schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]),
                "int64",
            ),
            (
                schema(&[("b", DataType::Utf8), ("a", DataType::Int32)]),
                "column 1",
            ),
            (
                schema(&[("a", DataType::Int32)]),
                "\"b\", is in one of them only",
            ),
        ] {
            let difference = one.difference(&other).expect("another schema");
            assert!(difference.contains(told), "{difference}");
            assert_ne!(one.digest(), other.digest());
        }
    }
}
