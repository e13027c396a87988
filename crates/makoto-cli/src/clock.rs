//! The only place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use makoto::datetime::DateTime;

use crate::failure::Failure;

/// The time now.
pub(crate) fn now() -> Result<DateTime, Failure> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since_1970.map_or(0, |duration| duration.as_nanos());
    // Milliseconds are as much as a clock is worth.
    let millis = i128::try_from(nanos / 1_000_000).unwrap_or_default();
    DateTime::from_unix_nanos(millis * 1_000_000)
        .map_err(|error| Failure::usage(format!("the clock is wrong: {error}")))
}

/// The time now in whole seconds, rounded down: not later than a timestamp of this second, as
/// many authorities give whole seconds only.
pub(crate) fn now_in_seconds() -> Result<DateTime, Failure> {
    DateTime::from_unix(now()?.unix_seconds())
        .map_err(|error| Failure::usage(format!("the clock is wrong: {error}")))
}

/// Whether [`stamp`] reads the clock, and is not told the time.
pub(crate) fn is_read() -> bool {
    std::env::var_os("SOURCE_DATE_EPOCH").is_none()
}

/// The time to write into a statement: `SOURCE_DATE_EPOCH` when it is set (seconds since 1970,
/// <https://reproducible-builds.org/specs/source-date-epoch/>), else the time now.
pub(crate) fn stamp() -> Result<DateTime, Failure> {
    let Some(epoch) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return now();
    };
    let seconds = epoch.to_str().and_then(|text| text.parse().ok());
    seconds
        .and_then(|seconds| DateTime::from_unix(seconds).ok())
        .ok_or_else(|| {
            Failure::usage(format!(
                "SOURCE_DATE_EPOCH is {epoch:?}, needed seconds since 1970"
            ))
        })
}
