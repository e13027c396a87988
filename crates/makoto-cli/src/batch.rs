//! One command over many datasets: every one is tried, a line tells what became of each, and the
//! last line sums up.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use makoto::json::Json;
use makoto::report::{Report, Verdict};
use makoto_data::{MOST, Progress, share_out};

use crate::command::Output;
use crate::failure::Failure;
use crate::progress::Bar;
use crate::screen::{self, Plain};
use crate::selection::{Entry, Many};
use crate::sink::Sinks;

/// Bytes of data in one round, so that little is lost when a run is stopped, and each of
/// several large files is told of as it is done.
const ROUND_BYTES: u64 = 64 << 20;

/// Threads. Large files use every core by themselves, each at the price of the bytes that it
/// has in flight.
const MOST_THREADS: usize = 4;

/// What became of one dataset.
#[derive(Debug)]
pub(crate) struct Done {
    /// In one word, for the summary.
    pub(crate) word: &'static str,
    /// 0 it succeeded, 1 it does not pass, 2 it could not be told.
    pub(crate) status: u8,
    /// What a person is told.
    pub(crate) line: String,
    /// What a program is told.
    pub(crate) json: Json,
    /// What is told once, however many say it.
    pub(crate) notes: Vec<String>,
    /// What reports beside the screen are told: a report, or why there is none.
    pub(crate) told: Option<Result<Report, Failure>>,
}

impl Done {
    /// A dataset or document that was judged; `json` is what a program is told.
    pub(crate) fn judged(path: &Path, report: Report, json: Json) -> Self {
        Self {
            word: match report.verdict {
                Verdict::Pass => "passed",
                Verdict::Fail => "failed",
                Verdict::Unknown => "could not be told",
            },
            status: report.verdict.exit_status(),
            line: screen::judged(&path.to_string_lossy(), &report),
            json,
            notes: Vec::new(),
            told: Some(Ok(report)),
        }
    }

    /// A dataset for which the command stopped.
    pub(crate) fn failed(path: &Path, failure: Failure) -> Self {
        let shown = path.to_string_lossy();
        Self {
            word: "failed",
            status: failure.status,
            line: format!("{}: FAILED, {}", Plain(&shown), Plain(&failure.message)),
            json: failure.to_report().to_json(),
            notes: failure
                .hint
                .iter()
                .map(|hint| format!("hint: {hint}"))
                .collect(),
            told: Some(Err(failure)),
        }
    }
}

/// Many datasets, and what is counted of them.
pub(crate) struct Batch {
    many: Many,
    output: Output,
    bar: Bar,
    sinks: Option<Sinks>,
    stop: AtomicBool,
    worst: u8,
    counts: Vec<(&'static str, usize)>,
    told: HashSet<String>,
}

impl Batch {
    pub(crate) fn new(many: Many, output: Output) -> Self {
        Self {
            bar: Bar::over(many.entries.len()),
            many,
            output,
            sinks: None,
            stop: AtomicBool::new(false),
            worst: 0,
            counts: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Tells these sinks too what becomes of each.
    pub(crate) fn telling(self, sinks: Sinks) -> Self {
        let sinks = Some(sinks);
        Self { sinks, ..self }
    }

    /// Paths that will be tried.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.many.entries.iter().map(|entry| entry.path.as_path())
    }

    /// Does `prepare` for each path, several at a time, and then `complete` for those that are
    /// ready, many at a time. Returns the worst exit status: 1 when any does not pass, else 2
    /// when any could not be told.
    pub(crate) fn run<T: Send>(
        mut self,
        prepare: impl Fn(&Path, &Progress<'_>) -> Result<T, Failure> + Sync,
        complete: impl Fn(Vec<(&Path, T)>) -> Vec<Done>,
    ) -> u8 {
        let entries = std::mem::take(&mut self.many.entries);
        let mut rest = &entries[..];
        let mut tried = 0;
        while !rest.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (round, later) = rest.split_at(round_of(rest));
            rest = later;
            let prepared = self.prepare_all(round, &prepare);
            for (path, done) in complete_all(prepared, &complete) {
                tried += 1;
                self.tell(&path, done);
            }
        }
        let worst = self.worst;
        self.sum_up(entries.len() - tried);
        worst
    }

    /// Prepares a round. What was not tried because it was to stop is left away.
    fn prepare_all<'p, T: Send>(
        &self,
        round: &'p [Entry],
        prepare: &(impl Fn(&Path, &Progress<'_>) -> Result<T, Failure> + Sync),
    ) -> Vec<(&'p Path, Result<T, Failure>)> {
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
        let progress = |bytes| self.bar.add(bytes);
        let prepared = share_out(round.len(), threads, |index| {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let entry = &round[index];
            let result = match &entry.refused {
                None => prepare(&entry.path, &progress),
                Some(failure) => Err(failure.clone()),
            };
            if result.is_err() && self.many.fail_fast {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.bar.next_file();
            Some((entry.path.as_path(), result))
        });
        // Jobs are taken in order, so nothing before the first failure is missing, and what
        // another thread did after it does not count.
        let mut prepared: Vec<_> = prepared.into_iter().flatten().collect();
        let first = prepared.iter().position(|(_, result)| result.is_err());
        if let (true, Some(first)) = (self.many.fail_fast, first) {
            prepared.truncate(first + 1);
        }
        prepared
    }

    fn tell(&mut self, path: &Path, done: Done) {
        self.worst = worse(self.worst, done.status);
        if done.status != 0 && self.many.fail_fast {
            self.stop.store(true, Ordering::Relaxed);
        }
        match self.counts.iter_mut().find(|(word, _)| *word == done.word) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((done.word, 1)),
        }
        let new: Vec<_> = done
            .notes
            .into_iter()
            .filter(|note| self.told.insert(note.clone()))
            .collect();
        let Self {
            bar, sinks, output, ..
        } = self;
        bar.aside(|| {
            match output {
                Output::Json => screen::json(&with_path(path, done.status, done.json)),
                Output::Aside => screen::note(&done.line),
                Output::Text => screen::result(&done.line),
            }
            new.iter().for_each(|note| screen::note(Plain(note)));
            if let Some(Err(failure)) = &done.told {
                let hint = failure.hint.as_deref();
                let lines: Vec<_> = [done.line.as_str()].into_iter().chain(hint).collect();
                screen::error_on_github(&lines);
            }
            if let (Some(sinks), Some(told)) = (sinks, &done.told) {
                sinks.tell(path, told);
            }
        });
    }

    fn sum_up(self, not_tried: usize) {
        let Self {
            many,
            bar,
            sinks,
            mut counts,
            ..
        } = self;
        drop(bar);
        if let Some(sinks) = sinks {
            sinks.finish();
        }
        let all: usize = counts.iter().map(|(_, count)| count).sum();
        counts.extend([
            ("not tried", not_tried),
            (many.kind.left_out(), many.left_out),
        ]);
        let parts = counts.iter().filter(|(_, count)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(word, count)| format!("{} {word}", grouped(*count)))
            .collect();
        let plural = if all + not_tried == 1 { "" } else { "s" };
        screen::note(format!(
            "{} {}{plural}: {}",
            grouped(all + not_tried),
            many.kind.noun(),
            parts.join(", ")
        ));
    }
}

/// How many entries make the next round.
fn round_of(entries: &[Entry]) -> usize {
    let mut bytes = 0_u64;
    for (count, entry) in entries.iter().take(MOST).enumerate() {
        // How much a folder holds is known when it has been read.
        let size = match std::fs::metadata(&entry.path) {
            Ok(data) if data.is_dir() => ROUND_BYTES,
            Ok(data) => data.len(),
            Err(_) => 0,
        };
        bytes = bytes.saturating_add(size);
        if bytes > ROUND_BYTES {
            return count.max(1);
        }
    }
    entries.len().min(MOST)
}

fn complete_all<T>(
    prepared: Vec<(&Path, Result<T, Failure>)>,
    complete: impl Fn(Vec<(&Path, T)>) -> Vec<Done>,
) -> Vec<(PathBuf, Done)> {
    let mut ready = Vec::new();
    let mut results = Vec::new();
    for (path, result) in prepared {
        let failed = match result {
            Ok(value) => {
                ready.push((path, value));
                None
            }
            Err(failure) => Some(Done::failed(path, failure)),
        };
        results.push((path.to_owned(), failed));
    }
    let mut completed = complete(ready).into_iter();
    let each = results.into_iter();
    each.filter_map(|(path, failed)| Some((path, failed.or_else(|| completed.next())?)))
        .collect()
}

fn worse(one: u8, other: u8) -> u8 {
    match (one, other) {
        (1, _) | (_, 1) => 1,
        _ => one.max(other),
    }
}

/// The result as it stands among others: which dataset it is about, and how that one ended.
fn with_path(path: &Path, status: u8, mut json: Json) -> Json {
    if let Json::Object(members) = &mut json {
        members.insert("data", path.to_string_lossy().into_owned().into());
        members.insert("exitStatus", u64::from(status).into());
    }
    json
}

/// A count as people read it: 10,000.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        let shown = [0, 999, 1_000, 10_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "10,000", "1,234,567"]);
    }

    #[test]
    fn a_failure_is_worse_than_not_knowing() {
        let pairs = [(0, 0), (0, 2), (2, 1), (1, 2), (2, 0), (1, 0)];
        assert_eq!(pairs.map(|(a, b)| worse(a, b)), [0, 2, 1, 1, 2, 1]);
    }
}
