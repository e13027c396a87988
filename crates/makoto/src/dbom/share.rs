//! How much of a source a dataset was made of, by records.

use crate::predicate::transform::{Interval, IntervalUnit};
use crate::statement::Subject;

/// How much of a source was read, by all steps that read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing.
    #[default]
    None,
    /// All of it.
    Whole,
    /// These records, each interval half open.
    Records(Vec<(u64, u64)>),
    /// Nobody can tell.
    Unknown,
}

impl Share {
    /// Adds what one step read: all of it when there is no interval. Where it is not certain that
    /// it came from this source, nothing can be told any more.
    pub(super) fn add(&mut self, interval: Option<&Interval>, certain: bool) {
        let bounds = match interval {
            None if certain => {
                *self = Self::Whole;
                return;
            }
            Some(interval) if certain && interval.unit == IntervalUnit::Records => {
                interval.bounds()
            }
            _ => None,
        };
        match (&mut *self, bounds) {
            (Self::Whole | Self::Unknown, _) => {}
            (Self::None, Some(bounds)) => *self = Self::Records(vec![bounds]),
            (Self::Records(all), Some(bounds)) => all.push(bounds),
            (Self::None | Self::Records(_), None) => *self = Self::Unknown,
        }
    }

    /// How many records that is of the source `subject`, each counted once. `None` when it cannot
    /// be told, or more was read than there is.
    pub(super) fn records(&self, subject: Option<&Subject>) -> Option<u64> {
        let count = subject?.records()?;
        match self {
            Self::None | Self::Unknown => None,
            Self::Whole => Some(count),
            Self::Records(intervals) => {
                let mut intervals = intervals.clone();
                intervals.sort_unstable();
                let (mut read, mut end) = (0, 0);
                for (first, last) in intervals {
                    read += last.max(end) - first.max(end);
                    end = end.max(last);
                }
                (end <= count).then_some(read)
            }
        }
    }
}
