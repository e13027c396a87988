//! Progress of long work, on a terminal only.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: u64 = 64 << 20;

/// A bar of bytes on stderr; nothing when stderr is no terminal or the work is short.
pub(crate) struct Bar(ProgressBar);

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
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Tells of more bytes.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(5)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
