//! Windows of a stream: their bounds, their names, and the chain that they form (FORMATS §8).

mod chain;

pub use chain::{ChainError, Link, Successor};

use crate::datetime::{DateTime, Duration};

/// The bounds of a window, half open, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    start: DateTime,
    end: DateTime,
}

/// Why bounds are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// Two of start, end and duration are needed.
    #[error("the window has no bounds: needed two of start, end and duration")]
    TooFew,
    /// The window ends before or where it starts.
    #[error("the window ends at {end}, which is not after its start {start}")]
    Reversed {
        /// First moment.
        start: DateTime,
        /// First moment after.
        end: DateTime,
    },
    /// Start, end and duration do not fit.
    #[error("start and end are {found} apart, not {needed}")]
    OtherDuration {
        /// Length between them.
        found: String,
        /// Length that was said.
        needed: String,
    },
    /// A month or a year, from which no moment follows.
    #[error("{0} has no fixed length")]
    NotFixed(String),
    /// A moment that no clock shows.
    #[error("the window leaves the years 0000 to 9999")]
    OutOfRange,
}

impl Bounds {
    /// The bounds by two of the three; all three must fit.
    ///
    /// # Errors
    /// [`BoundsError`] when they are too few or contradict each other.
    pub fn new(
        start: Option<&DateTime>,
        end: Option<&DateTime>,
        duration: Option<&Duration>,
    ) -> Result<Self, BoundsError> {
        let length = match duration {
            Some(duration) => {
                let not_fixed = || BoundsError::NotFixed(duration.as_str().to_owned());
                Some(duration.fixed_nanos().ok_or_else(not_fixed)?)
            }
            None => None,
        };
        let nanos = DateTime::unix_nanos;
        let added = |one: i128, other: i128| one.checked_add(other).ok_or(BoundsError::OutOfRange);
        let (from, to) = match (start.map(nanos), end.map(nanos), length) {
            (Some(start), Some(end), _) => (start, end),
            (Some(start), None, Some(length)) => (start, added(start, length)?),
            (None, Some(end), Some(length)) => (added(end, -length)?, end),
            _ => return Err(BoundsError::TooFew),
        };
        let moment = |nanos| DateTime::from_unix_nanos(nanos).map_err(|_| BoundsError::OutOfRange);
        let (start, end) = (moment(from)?, moment(to)?);
        if to <= from {
            return Err(BoundsError::Reversed { start, end });
        }
        let bounds = Self { start, end };
        match duration {
            Some(duration) if length != Some(to - from) => Err(BoundsError::OtherDuration {
                found: bounds
                    .duration()
                    .map_or_else(String::new, |d| d.as_str().to_owned()),
                needed: duration.as_str().to_owned(),
            }),
            _ => Ok(bounds),
        }
    }

    /// First moment.
    pub fn start(&self) -> &DateTime {
        &self.start
    }

    /// First moment after.
    pub fn end(&self) -> &DateTime {
        &self.end
    }

    /// The time between them.
    pub fn duration(&self) -> Option<Duration> {
        Duration::from_nanos(self.end.unix_nanos() - self.start.unix_nanos())
    }
}

/// What tells windows of one stream apart that start in the same second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apart<'a> {
    /// The one partition that the window is of.
    pub partition: Option<&'a str>,
    /// Its number among windows with the same start.
    pub sequence: Option<u64>,
}

/// The name of the window of `stream` that starts at `start`:
/// `stream:<id>:window_<YYYYMMDD_HHMMSS>`, and what tells it apart.
pub fn window_id(stream: &str, start: &DateTime, apart: Apart<'_>) -> String {
    const SECOND: i128 = 1_000_000_000;
    let nanos = start.unix_nanos().rem_euclid(SECOND);
    // In UTC whatever the zone it was written in; whole seconds are always in range.
    let second = DateTime::from_unix(start.unix_seconds());
    let text = second.map_or_else(|_| start.to_string(), |second| second.to_string());
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    let mut id = format!("stream:{stream}:window_{date}_{time}");
    if nanos > 0 {
        id.push_str(&format!(".{nanos:09}"));
    }
    if let Some(partition) = apart.partition {
        id.push_str(&format!(".p{partition}"));
    }
    if let Some(sequence) = apart.sequence {
        id.push_str(&format!(".n{sequence}"));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime {
        DateTime::parse(text).expect(text)
    }

    fn bounds(start: &str, end: &str, duration: &str) -> Result<Bounds, BoundsError> {
        let moment = |text: &str| (!text.is_empty()).then(|| time(text));
        let duration = Duration::parse(duration);
        Bounds::new(
            moment(start).as_ref(),
            moment(end).as_ref(),
            duration.as_ref(),
        )
    }

    #[test]
    fn two_of_start_end_and_duration_give_the_third() {
        let (start, end) = ("2026-11-21T10:00:00+02:00", "2026-11-21T08:01:00Z");
        let expected = bounds(start, end, "").expect("good");
        assert_eq!(expected.start().as_str(), "2026-11-21T08:00:00Z");
        assert_eq!(expected.end().as_str(), "2026-11-21T08:01:00Z");
        assert_eq!(expected.duration(), Duration::parse("PT1M"));
        for (start, end, duration) in [
            (start, end, "PT60S"),
            (start, "", "PT1M"),
            ("", end, "PT1M"),
        ] {
            assert_eq!(bounds(start, end, duration), Ok(expected.clone()));
        }
    }

    #[test]
    fn bounds_that_do_not_fit_are_refused() {
        let (start, end) = ("2026-11-21T08:00:00Z", "2026-11-21T08:01:00Z");
        assert_eq!(bounds(start, "", ""), Err(BoundsError::TooFew));
        assert_eq!(bounds("", "", "PT1M"), Err(BoundsError::TooFew));
        for (start, end, duration) in [(start, start, ""), (end, start, ""), (start, "", "PT0S")] {
            let refused = bounds(start, end, duration);
            assert!(matches!(refused, Err(BoundsError::Reversed { .. })));
        }
        let other = bounds(start, end, "PT61S");
        assert!(matches!(other, Err(BoundsError::OtherDuration { .. })));
        assert!(matches!(
            bounds(start, "", "P1M"),
            Err(BoundsError::NotFixed(_))
        ));
        let years = format!("P{}D", 366 * 9_000);
        assert_eq!(bounds(start, "", &years), Err(BoundsError::OutOfRange));
        let huge = format!("P{}D", "9".repeat(24));
        assert_eq!(bounds("", end, &huge), Err(BoundsError::OutOfRange));
    }

    #[test]
    fn a_name_tells_the_start_in_utc_and_what_is_not_in_it() {
        let start = time("2026-11-21T01:02:03+02:00");
        let id = |start: &DateTime, apart| window_id("iot", start, apart);
        let plain = Apart::default();
        assert_eq!(id(&start, plain), "stream:iot:window_20261120_230203");
        let fraction = time("1969-12-31T23:59:59.25Z");
        assert_eq!(
            id(&fraction, plain),
            "stream:iot:window_19691231_235959.250000000"
        );
        let apart = Apart {
            partition: Some("3"),
            sequence: Some(7),
        };
        assert_eq!(id(&start, apart), "stream:iot:window_20261120_230203.p3.n7");
    }
}
