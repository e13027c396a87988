//! Progress of long work, on a terminal only.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: u64 = 64 << 20;

/// A bar of bytes on stderr; nothing when stderr is no terminal or the work is short.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Bytes read so far, where the bar counts datasets.
    batch_bytes: Option<AtomicU64>,
}

impl Bar {
    /// A bar for reading the file or folder at `path`.
    pub(crate) fn reading(path: &Path) -> Self {
        let size = std::fs::metadata(path).map(|data| (data.is_file(), data.len()));
        let bar = match size {
            Ok((true, size)) if size < PATIENCE => ProgressBar::hidden(),
            Ok((true, size)) => ProgressBar::with_draw_target(Some(size), target()).with_style(
                style("{msg} {bar:24} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left"),
            ),
            // The size of a folder is known when it has been read.
            _ => ProgressBar::with_draw_target(None, target())
                .with_style(style("{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}")),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        bar.set_message(crate::screen::Plain(&name).to_string());
        tick(&bar);
        Self {
            bar,
            batch_bytes: None,
        }
    }

    /// A bar over `count` datasets.
    pub(crate) fn over(count: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count as u64), target()).with_style(style(
            "{bar:24} {pos}/{len} datasets, {msg}, {elapsed}, {eta} left",
        ));
        bar.set_message(HumanBytes(0).to_string());
        tick(&bar);
        Self {
            bar,
            batch_bytes: Some(AtomicU64::new(0)),
        }
    }

    /// Tells that another dataset of a batch was read.
    pub(crate) fn next_file(&self) {
        self.bar.inc(1);
    }

    /// Writes lines while the bar is away.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Tells of more bytes.
    pub(crate) fn add(&self, bytes: u64) {
        match &self.batch_bytes {
            None => self.bar.inc(bytes),
            Some(all) => {
                let all = all.fetch_add(bytes, Ordering::Relaxed) + bytes;
                // Words cost more than the hashing of a small file.
                if !self.bar.is_hidden() {
                    self.bar.set_message(HumanBytes(all).to_string());
                }
            }
        }
    }
}

/// Keeps a bar moving where it is seen. A thread does it, which a hidden bar is not worth.
fn tick(bar: &ProgressBar) {
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(5)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
