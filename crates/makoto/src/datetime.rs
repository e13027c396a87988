//! Times: RFC 3339 with a zone, the profile of ISO 8601 that can be compared with a
//! timestamp authority's clock (conflict C8), and ISO 8601 durations.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, with the text it was written with.
///
/// Compared by the instant it names, whatever its zone. A leap second is accepted only where
/// one can be: at 23:59:60 UTC on the last day of a month.
#[derive(Debug, Clone)]
pub struct DateTime {
    text: String,
    instant: OffsetDateTime,
}

/// Text or a number that names no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 date and time with a zone, such as 2026-11-21T08:00:00Z")]
pub struct NotADateTime(String);

impl DateTime {
    /// Reads an RFC 3339 `date-time`.
    ///
    /// # Errors
    /// [`NotADateTime`] for every other form, such as a date alone or a missing zone.
    pub fn parse(text: &str) -> Result<Self, NotADateTime> {
        let refuse = || NotADateTime(text.chars().take(80).collect());
        // The library follows a note in RFC 3339 §5.6 that allows any separator; the grammar
        // of the same section does not.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return Err(refuse());
        }
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refuse())?;
        Ok(Self {
            text: text.to_owned(),
            instant,
        })
    }

    /// 1970-01-01T00:00:00Z.
    pub fn unix_epoch() -> Self {
        Self {
            text: "1970-01-01T00:00:00Z".to_owned(),
            instant: OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// The time `seconds` after 1970-01-01T00:00:00Z, written in UTC.
    ///
    /// # Errors
    /// [`NotADateTime`] outside the years 0000 to 9999.
    pub fn from_unix(seconds: i64) -> Result<Self, NotADateTime> {
        Self::from_unix_nanos(i128::from(seconds) * 1_000_000_000)
    }

    /// The time `nanos` nanoseconds after 1970-01-01T00:00:00Z, written in UTC and with as
    /// many digits as it needs.
    ///
    /// # Errors
    /// [`NotADateTime`] outside the years 0000 to 9999.
    pub fn from_unix_nanos(nanos: i128) -> Result<Self, NotADateTime> {
        let refuse = || NotADateTime(nanos.to_string());
        let instant = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| refuse())?;
        let text = instant.format(&Rfc3339).map_err(|_| refuse())?;
        Ok(Self { text, instant })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn unix_seconds(&self) -> i64 {
        self.instant.unix_timestamp()
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub fn unix_nanos(&self) -> i128 {
        self.instant.unix_timestamp_nanos()
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.instant == other.instant
    }
}

impl Eq for DateTime {}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.instant.cmp(&other.instant)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An ISO 8601 duration: `PT1M`, `P1DT12H`, `P2W`; upper case, seconds may have a fraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duration(String);

/// The accepted durations as an ECMA 262 pattern, for the published schemas.
pub const DURATION_PATTERN: &str = r"^P(?:[0-9]+W|(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?)$";

impl Duration {
    /// Reads a duration; `None` for every other form.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let valid = match rest.strip_suffix('W') {
            Some(weeks) => is_digits(weeks),
            None => {
                let (date, time) = match rest.split_once('T') {
                    Some((date, time)) => (date, Some(time)),
                    None => (rest, None),
                };
                let date_valid = takes_units(date, "YMD", false);
                let time_valid = time.is_none_or(|t| !t.is_empty() && takes_units(t, "HMS", true));
                date_valid && time_valid && !rest.is_empty()
            }
        };
        valid.then(|| Self(text.to_owned()))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The duration of so many nanoseconds, in days, hours, minutes and seconds; `None` below 0.
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        let mut rest = u128::try_from(nanos).ok()?;
        let mut text = "P".to_owned();
        for (unit, letter) in UNITS {
            if letter == 'H' && rest > 0 {
                text.push('T');
            }
            let (count, below) = (rest / unit, rest % unit);
            match (letter, count, below) {
                ('S', _, 1..) => {
                    let fraction = format!("{below:09}");
                    let fraction = fraction.trim_end_matches('0');
                    text.push_str(&format!("{count}.{fraction}S"));
                }
                (_, 1.., _) => text.push_str(&format!("{count}{letter}")),
                _ => {}
            }
            rest = below;
        }
        if text == "P" {
            text.push_str("T0S");
        }
        Some(Self(text))
    }

    /// Its length in nanoseconds; `None` when it has none that is the same everywhere, as a
    /// month has not, or one that no clock counts.
    pub fn fixed_nanos(&self) -> Option<i128> {
        let (date, time) = self.0[1..].split_once('T').unwrap_or((&self.0[1..], ""));
        let mut nanos = 0_i128;
        for (part, units) in [(date, "WD"), (time, "HMS")] {
            let mut rest = part;
            while let Some(end) = rest.find(|c: char| c.is_ascii_uppercase()) {
                let (number, letter) = (&rest[..end], &rest[end..=end]);
                rest = &rest[end + 1..];
                let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
                let whole: i128 = whole.parse().ok()?;
                if !units.contains(letter) {
                    // Years and months, unless there are none of them.
                    match whole {
                        0 => continue,
                        _ => return None,
                    }
                }
                let unit = match letter {
                    "W" => 7 * UNITS[0].0,
                    _ => UNITS.iter().find(|(_, unit)| letter.starts_with(*unit))?.0,
                };
                let fraction = fraction.trim_end_matches('0');
                let fraction: i128 = match fraction.len() {
                    0 => 0,
                    1..=9 => format!("{fraction:0<9}").parse().ok()?,
                    _ => return None,
                };
                let part = whole.checked_mul(i128::try_from(unit).ok()?)?;
                nanos = nanos.checked_add(part)?.checked_add(fraction)?;
            }
        }
        Some(nanos)
    }

    /// Whether every number in it is zero.
    pub fn is_zero(&self) -> bool {
        !self.0.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    }
}

/// Units of fixed length in nanoseconds, from the longest that is written to the shortest.
const UNITS: [(u128, char); 4] = [
    (24 * 3_600 * 1_000_000_000, 'D'),
    (3_600 * 1_000_000_000, 'H'),
    (60 * 1_000_000_000, 'M'),
    (1_000_000_000, 'S'),
];

/// Whether `text` is numbers each followed by its unit, units in order and at most once.
fn takes_units(mut text: &str, units: &str, fraction_in_last: bool) -> bool {
    let mut left = units;
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| !c.is_ascii_digit() && c != '.') else {
            return false;
        };
        let (number, unit_and_rest) = text.split_at(end);
        let Some(position) = unit_and_rest.chars().next().and_then(|c| left.find(c)) else {
            return false;
        };
        let is_last = left.len() - position == 1;
        let valid = match number.split_once('.') {
            Some((whole, fraction)) => {
                fraction_in_last && is_last && is_digits(whole) && is_digits(fraction)
            }
            None => is_digits(number),
        };
        if !valid {
            return false;
        }
        left = &left[position + 1..];
        text = &unit_and_rest[1..];
    }
    true
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_second_is_accepted_only_where_one_can_be() {
        for good in [
            "2016-12-31T23:59:60Z",
            "2016-12-31T15:59:60-08:00",
            "2025-01-15t08:00:00z",
        ] {
            assert!(DateTime::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "2025-06-15T12:30:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
        ] {
            assert!(DateTime::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_compared_by_instant_not_by_text() {
        let time = |text| DateTime::parse(text).expect("a time");
        assert!(time("2025-01-01T10:00:00+02:00") < time("2025-01-01T09:00:00Z"));
        assert_eq!(
            time("2025-01-01T10:00:00+02:00"),
            time("2025-01-01T08:00:00Z")
        );
        assert_eq!(
            DateTime::from_unix(0).expect("a time").as_str(),
            "1970-01-01T00:00:00Z"
        );
    }

    #[test]
    fn a_duration_of_fixed_length_is_that_many_nanoseconds() {
        const SECOND: i128 = 1_000_000_000;
        for (text, seconds) in [
            ("PT1M", 60),
            ("P1D", 86_400),
            ("P2W", 1_209_600),
            ("P1DT2H3M4S", 93_784),
            ("PT90S", 90),
            ("PT0S", 0),
            ("P0Y0M1D", 86_400),
        ] {
            let duration = Duration::parse(text).expect(text);
            assert_eq!(duration.fixed_nanos(), Some(seconds * SECOND), "{text}");
        }
        let fixed = |text: &str| Duration::parse(text).expect(text).fixed_nanos();
        assert_eq!(fixed("PT0.25S"), Some(SECOND / 4));
        assert_eq!(fixed("PT1.0000000000S"), Some(SECOND));
        for text in [
            "P1M",
            "P1Y",
            "P1MT1M",
            "PT0.0000000001S",
            &format!("PT{}S", "9".repeat(40)),
        ] {
            assert_eq!(fixed(text), None, "{text}");
        }
        for (nanos, text) in [
            (0, "PT0S"),
            (60 * SECOND, "PT1M"),
            (86_400 * SECOND, "P1D"),
            (93_784 * SECOND, "P1DT2H3M4S"),
            (SECOND / 4, "PT0.25S"),
            (3_600 * SECOND + 1, "PT1H0.000000001S"),
        ] {
            let duration = Duration::from_nanos(nanos).expect("not negative");
            assert_eq!(duration.as_str(), text);
            assert_eq!(fixed(text), Some(nanos));
        }
        assert_eq!(Duration::from_nanos(-1), None);
    }

    #[test]
    fn a_character_after_the_unit_is_not_skipped() {
        for bad in [
            "P", "PT", "P1DT", "P1S", "PT1M5H", "PT1", "P1W2D", "pt1m", "PT0,5S", "PT.5S", "PT5.S",
            "PT0.5H", "P1.5D", "PT1M\n", "-PT1M", "P١D", "PT1é", "PW", "P1D1D",
        ] {
            assert!(Duration::parse(bad).is_none(), "{bad}");
        }
        for good in ["PT1M", "P2W", "P1Y2M3DT4H5M6.7S", "PT0S", "P1D", "PT90S"] {
            assert!(Duration::parse(good).is_some(), "{good}");
        }
    }
}
