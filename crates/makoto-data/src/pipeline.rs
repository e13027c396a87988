//! One pass over a file by several threads: SHA-256 of the whole, records, and their tree.
//!
//! SHA-256 of a file is sequential, and hashing the leaves and nodes of the tree costs more
//! than that again. So the work is cut into chunks of whole records, and every thread takes
//! whatever is ready: the next chunk of the sequential hash (first, since nobody else can
//! hurry it), the tree over a chunk's records, or reading the next chunk. No thread has a role
//! of its own; a fast one does more.
//!
//! Chunks are cut in order, so each knows the index of its first record and its tree can be
//! built apart ([`Range`]) and appended in order. Memory is bounded by the bytes in flight.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use makoto::digest::{Digest, Hasher};
use makoto::limits::Limits;
use makoto::merkle::Range;
use makoto::record::{
    Compression, Encoding, RecordError, Records, Settings, Span, Splitter, push_leaves,
};

use crate::error::DataError;
use crate::file::Tap;
use crate::inflate::Inflated;

/// Bytes read at a time. Large enough that handing chunks around costs nothing, small enough
/// that a chunk is still in the cache when its records are hashed.
const CHUNK: usize = 128 << 10;

/// Bytes read at a time of a small file: fresh memory costs more than hashing what is in it.
const LEAST_CHUNK: usize = 4 << 10;

/// Files up to this size are not worth starting a thread for.
const SMALL: u64 = 1 << 20;

/// More threads than this only wait: one of them is always at the sequential hash.
const MOST_THREADS: usize = 8;

/// Hashes what `tap` reads and, with `settings`, counts its records.
pub(crate) fn run(
    tap: Tap<'_>,
    settings: Option<&Settings>,
) -> Result<(Digest, Option<Result<Records, RecordError>>), DataError> {
    let threads = match tap.expected() {
        0..=SMALL => 1,
        _ => thread::available_parallelism().map_or(1, |n| n.get().clamp(1, MOST_THREADS)),
    };
    let encoding = settings.map_or(Encoding::Bytes, Settings::encoding);
    let reader = Reader::new(tap, settings);
    let shared = Shared {
        encoding,
        state: Mutex::new(State::new(reader)),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let state = shared
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    // Rows are not cut from a stream of bytes; nothing is told of them here.
    state.finish(settings.and_then(Settings::splitter).is_some())
}

/// Some whole records, or just bytes.
#[derive(Default)]
struct Chunk {
    /// Kept at its full length when the chunk is used again, so that it is zeroed once.
    buffer: Vec<u8>,
    /// Bytes of the buffer that are the chunk's.
    length: usize,
    records: Vec<Span>,
    /// Place of the chunk among all chunks.
    index: u64,
    /// Index of the first record.
    first_record: u64,
    /// Line on which the bytes start.
    first_line: u64,
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

/// What a thread can do next.
enum Job<'a> {
    Hash(Hasher, Arc<Chunk>),
    Tree(Arc<Chunk>),
    Read(Box<Reader<'a>>, Chunk),
}

struct Shared<'a> {
    encoding: Encoding,
    state: Mutex<State<'a>>,
    changed: Condvar,
}

struct State<'a> {
    /// Away while a thread reads, and gone at the end of the file.
    reader: Option<Box<Reader<'a>>>,
    /// Away while a thread hashes. Of a compressed file, not here before its end.
    hasher: Option<Hasher>,
    to_hash: VecDeque<Arc<Chunk>>,
    to_tree: VecDeque<Arc<Chunk>>,
    /// Jobs that threads are at.
    running: usize,
    in_flight: usize,
    /// Chunks to use again.
    free: Vec<Chunk>,
    tree: Range,
    /// Trees of chunks that were finished before the one that comes next.
    ahead: BTreeMap<u64, Range>,
    next_tree: u64,
    header_digest: Option<Digest>,
    /// The first record that broke a rule, with the chunk it is in.
    bad_record: Option<(u64, RecordError)>,
    failure: Option<DataError>,
    panicked: bool,
}

impl<'a> Shared<'a> {
    fn work(&self) {
        let _guard = StopOthersOnPanic(self);
        let mut state = self.lock();
        loop {
            let job = loop {
                if state.is_done() {
                    self.changed.notify_all();
                    return;
                }
                match state.next_job() {
                    Some(job) => break job,
                    None => {
                        let woken = self.changed.wait(state);
                        state = woken.unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            state.running += 1;
            drop(state);
            state = self.run(job);
            state.running -= 1;
            self.changed.notify_all();
        }
    }

    fn run(&self, job: Job<'a>) -> MutexGuard<'_, State<'a>> {
        match job {
            Job::Hash(mut hasher, chunk) => {
                hasher.update(chunk.bytes());
                let mut state = self.lock();
                state.hasher = Some(hasher);
                state.release(chunk);
                state
            }
            Job::Tree(chunk) => {
                let mut range = Range::starting_at(chunk.first_record);
                let pushed = push_leaves(
                    &mut range,
                    chunk.bytes(),
                    &chunk.records,
                    self.encoding,
                    chunk.first_line,
                );
                let mut state = self.lock();
                match pushed {
                    Ok(()) => state.append(chunk.index, range),
                    Err(error) => state.refuse(chunk.index, error),
                }
                state.release(chunk);
                state
            }
            Job::Read(mut reader, mut chunk) => {
                let step = reader.next(&mut chunk);
                let mut state = self.lock();
                state.take_in(reader, chunk, step);
                state
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is lost in a panic would leave the other threads waiting for it.
struct StopOthersOnPanic<'s, 'a>(&'s Shared<'a>);

impl Drop for StopOthersOnPanic<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().panicked = true;
            self.0.changed.notify_all();
        }
    }
}

impl<'a> State<'a> {
    fn new(reader: Reader<'a>) -> Self {
        Self {
            hasher: matches!(reader.input, Input::Plain(_)).then(Hasher::new),
            reader: Some(Box::new(reader)),
            to_hash: VecDeque::new(),
            to_tree: VecDeque::new(),
            running: 0,
            in_flight: 0,
            free: Vec::new(),
            tree: Range::starting_at(0),
            ahead: BTreeMap::new(),
            next_tree: 0,
            header_digest: None,
            bad_record: None,
            failure: None,
            panicked: false,
        }
    }

    fn is_done(&self) -> bool {
        let nothing_left = self.reader.is_none()
            && self.running == 0
            && self.to_hash.is_empty()
            && self.to_tree.is_empty();
        nothing_left || self.failure.is_some() || self.panicked
    }

    fn next_job(&mut self) -> Option<Job<'a>> {
        if let Some(hasher) = self.hasher.take() {
            match self.to_hash.pop_front() {
                Some(chunk) => return Some(Job::Hash(hasher, chunk)),
                None => self.hasher = Some(hasher),
            }
        }
        // Nobody must run dry: what is read ahead comes before the tree, as long as it is little.
        let little_ahead = self.to_hash.len() + self.to_tree.len() < 2;
        if !little_ahead && let Some(chunk) = self.to_tree.pop_front() {
            return Some(Job::Tree(chunk));
        }
        if self.in_flight < Limits::DEFAULT.in_flight_bytes
            && let Some(reader) = self.reader.take()
        {
            return Some(Job::Read(reader, self.free.pop().unwrap_or_default()));
        }
        self.to_tree.pop_front().map(Job::Tree)
    }

    fn take_in(&mut self, reader: Box<Reader<'a>>, chunk: Chunk, step: Result<Step, DataError>) {
        let step = match step {
            Ok(step) => step,
            Err(failure) => {
                self.failure = Some(failure);
                return;
            }
        };
        self.header_digest = self.header_digest.or(step.header_digest);
        let mut reader = reader;
        if let Some(error) = step.bad_record {
            self.refuse(chunk.index, error);
        }
        if self.bad_record.is_some() {
            // The bytes are still hashed; more records would only be thrown away.
            reader.splitter = None;
        }
        self.in_flight += chunk.buffer.len();
        let chunk = Arc::new(chunk);
        if matches!(reader.input, Input::Plain(_)) {
            self.to_hash.push_back(Arc::clone(&chunk));
        }
        if reader.splitter.is_some() {
            self.to_tree.push_back(Arc::clone(&chunk));
        }
        self.release(chunk);
        match step.end {
            None => self.reader = Some(reader),
            Some(End::Plain) => {}
            Some(End::Inflated(hasher)) => self.hasher = Some(hasher),
        }
    }

    fn append(&mut self, index: u64, range: Range) {
        if self.bad_record.is_some() {
            return;
        }
        self.ahead.insert(index, range);
        while let Some(range) = self.ahead.remove(&self.next_tree) {
            if self.tree.append(&range).is_err() {
                unreachable!("chunks are cut one after the other");
            }
            self.next_tree += 1;
        }
    }

    fn refuse(&mut self, index: u64, error: RecordError) {
        if self
            .bad_record
            .as_ref()
            .is_none_or(|(first, _)| index < *first)
        {
            self.bad_record = Some((index, error));
        }
        self.ahead.clear();
    }

    /// Gives a chunk up; when nobody else needs it, its memory is used again.
    fn release(&mut self, chunk: Arc<Chunk>) {
        if let Some(chunk) = Arc::into_inner(chunk) {
            self.in_flight -= chunk.buffer.len();
            // One huge record must not keep its memory for the rest of the file.
            if chunk.buffer.len() <= 4 * CHUNK {
                self.free.push(chunk);
            }
        }
    }

    fn finish(
        mut self,
        with_records: bool,
    ) -> Result<(Digest, Option<Result<Records, RecordError>>), DataError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let hasher = self.hasher.take().unwrap_or_default();
        let records = with_records.then(|| match self.bad_record {
            Some((_, error)) => Err(error),
            None => Ok(Records {
                count: self.tree.len(),
                root: self.tree.root(),
                header_digest: self.header_digest,
                schema_digest: None,
            }),
        });
        Ok((hasher.finish(), records))
    }
}

/// Cuts the content of a file into chunks of whole records.
struct Reader<'a> {
    input: Input<'a>,
    /// Bytes to read at a time, less than [`CHUNK`] where the content is.
    chunk: usize,
    /// Gone when no records were asked for, or one broke a rule.
    splitter: Option<Splitter>,
    header_expected: bool,
    /// Beginning of a record whose end was not read yet.
    carry: Vec<u8>,
    next_index: u64,
    next_record: u64,
    next_line: u64,
}

enum Input<'a> {
    /// Stored bytes are the content; they are hashed by whoever is free.
    Plain(Tap<'a>),
    /// Stored bytes are hashed as they are inflated.
    Inflated(Inflated<'a>),
    /// The content ended.
    Ended,
}

/// What came of reading a chunk.
#[derive(Default)]
struct Step {
    header_digest: Option<Digest>,
    bad_record: Option<RecordError>,
    end: Option<End>,
}

enum End {
    Plain,
    Inflated(Hasher),
}

impl<'a> Reader<'a> {
    fn new(tap: Tap<'a>, settings: Option<&Settings>) -> Self {
        let (input, chunk) = match settings.map_or(Compression::None, Settings::compression) {
            Compression::None => {
                // One more than is expected, so that one chunk sees the end.
                let whole = usize::try_from(tap.expected().saturating_add(1)).unwrap_or(CHUNK);
                (Input::Plain(tap), whole.clamp(LEAST_CHUNK, CHUNK))
            }
            compression => (Input::Inflated(Inflated::new(tap, compression)), CHUNK),
        };
        Self {
            input,
            chunk,
            splitter: settings.and_then(Settings::splitter),
            header_expected: settings.is_some_and(Settings::has_header),
            carry: Vec::new(),
            next_index: 0,
            next_record: 0,
            next_line: 1,
        }
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Step, DataError> {
        let mut step = Step::default();
        chunk.index = self.next_index;
        self.next_index += 1;
        chunk.records.clear();
        chunk.length = self.carry.len();
        if chunk.buffer.len() < chunk.length {
            chunk.buffer.resize(chunk.length, 0);
        }
        chunk.buffer[..chunk.length].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            let at_end = match self.fill(chunk)? {
                Ok(at_end) => at_end,
                Err(error) => {
                    self.stop_counting(chunk, &mut step, error);
                    true
                }
            };
            let cut = self.cut(chunk, at_end, &mut step);
            if at_end {
                step.end = Some(self.end()?);
            }
            if cut || at_end {
                break;
            }
        }
        if let (true, Some(header)) = (self.header_expected, chunk.records.first()) {
            step.header_digest = Some(Digest::of(header.of(chunk.bytes())));
            chunk.records.remove(0);
            self.header_expected = false;
        }
        chunk.first_record = self.next_record;
        self.next_record += chunk.records.len() as u64;
        chunk.first_line = self.next_line;
        if self.splitter.is_some() {
            self.next_line += memchr::memchr_iter(b'\n', chunk.bytes()).count() as u64;
        }
        Ok(step)
    }

    /// Reads the next bytes to the end of `chunk`; tells whether the content ended.
    fn fill(&mut self, chunk: &mut Chunk) -> Result<Result<bool, RecordError>, DataError> {
        // Twice as much each time, so that a record of many chunks is not searched for its end
        // more often than it doubles.
        let most = Limits::DEFAULT.record_bytes + CHUNK;
        let wanted = (2 * chunk.length).min(most).max(chunk.length + self.chunk);
        if chunk.buffer.len() < wanted {
            chunk.buffer.resize(wanted, 0);
        }
        while chunk.length < wanted {
            let space = &mut chunk.buffer[chunk.length..wanted];
            let count = match &mut self.input {
                Input::Plain(tap) => match (tap.read(space), tap.take_failure()) {
                    (_, Some(failure)) => return Err(failure),
                    (count, None) => count.unwrap_or(0),
                },
                Input::Inflated(inflated) => match inflated.read(space) {
                    Ok(count) => count,
                    Err(error) => return Ok(Err(error)),
                },
                Input::Ended => 0,
            };
            if count == 0 {
                return Ok(Ok(true));
            }
            chunk.length += count;
        }
        Ok(Ok(false))
    }

    /// Cuts the records off the front of `chunk` and carries the rest over. Returns false when
    /// not even one record is whole yet.
    fn cut(&mut self, chunk: &mut Chunk, at_end: bool, step: &mut Step) -> bool {
        let Some(splitter) = self.splitter else {
            return true;
        };
        let limit = Limits::DEFAULT.record_bytes;
        let mut records = std::mem::take(&mut chunk.records);
        records.clear();
        let split = splitter.split(chunk.bytes(), at_end, &mut records);
        chunk.records = records;
        let too_long = |start: usize| RecordError::TooLong {
            line: self.next_line + newlines(chunk.bytes(), start),
            limit,
        };
        let error = match split {
            Err(bad) => Some(RecordError::Quoting {
                line: self.next_line + newlines(chunk.bytes(), bad.start),
                why: bad.why,
            }),
            Ok(whole) if chunk.length - whole > limit => Some(too_long(whole)),
            // Only a chunk longer than the limit can hold such a record.
            Ok(_) if chunk.length > limit => chunk
                .records
                .iter()
                .find(|record| (record.end - record.start) as usize > limit)
                .map(|record| too_long(record.start as usize)),
            Ok(_) => None,
        };
        match (error, split) {
            (Some(error), _) => self.stop_counting(chunk, step, error),
            (None, Ok(0)) if !at_end => return false,
            (None, Ok(whole)) => {
                self.carry.extend_from_slice(&chunk.bytes()[whole..]);
                chunk.length = whole;
            }
            (None, Err(_)) => unreachable!("bad quoting is an error"),
        }
        true
    }

    /// From here on bytes are hashed and records are not counted.
    fn stop_counting(&mut self, chunk: &mut Chunk, step: &mut Step, error: RecordError) {
        chunk.records.clear();
        self.splitter = None;
        step.bad_record = Some(error);
    }

    fn end(&mut self) -> Result<End, DataError> {
        match std::mem::replace(&mut self.input, Input::Ended) {
            Input::Inflated(inflated) => Ok(End::Inflated(inflated.finish()?)),
            plain => {
                self.input = plain;
                Ok(End::Plain)
            }
        }
    }
}

fn newlines(bytes: &[u8], before: usize) -> u64 {
    memchr::memchr_iter(b'\n', &bytes[..before]).count() as u64
}
