//! How single values are spelled in a row. Nothing here allocates but the row itself.

use arrow_buffer::i256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::schema::Unit;

const DAY: i64 = 24 * 60 * 60;

/// Appends a string as RFC 8785 writes it. `bytes` may be anything; what is not UTF-8 is refused.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), &'static str> {
    // Folded and not searched, so that the compiler looks at sixteen bytes at once.
    let plain = |byte: &u8| !matches!(*byte, 0..0x20 | b'"' | b'\\' | 0x80..);
    out.push(b'"');
    if bytes.iter().fold(true, |all, byte| all & plain(byte)) {
        out.extend_from_slice(bytes);
    } else {
        std::str::from_utf8(bytes).map_err(|_| "is not valid UTF-8")?;
        escaped(out, bytes);
    }
    out.push(b'"');
    Ok(())
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut plain = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..index]);
        match short {
            0 => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            short => out.extend_from_slice(&[b'\\', short]),
        }
        plain = index + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Appends bytes in standard base64, padded.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The space is exactly what the encoder asks for.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    out.truncate(start + written.unwrap_or(0));
    out.push(b'"');
}

/// Appends an integer as a number.
pub(super) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an integer as a string: readers of JSON round numbers above 2^53.
pub(super) fn quoted_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    integer(out, value);
    out.push(b'"');
}

/// Appends a double as RFC 8785 writes it; what is no number, as a word.
pub(super) fn double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
        return;
    }
    out.extend_from_slice(match value {
        value if value.is_nan() => b"\"NaN\"".as_slice(),
        value if value > 0.0 => b"\"Infinity\"",
        _ => b"\"-Infinity\"",
    });
}

/// Appends a decimal with `scale` digits after the point, without an exponent.
pub(super) fn decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let mut buffer = itoa::Buffer::new();
    decimal_digits(out, buffer.format(unscaled), scale);
}

/// As [`decimal`], for wider numbers.
pub(super) fn wide_decimal(out: &mut Vec<u8>, unscaled: i256, scale: i8) {
    match unscaled.to_i128() {
        Some(narrow) => decimal(out, narrow, scale),
        // Numbers of more than 38 digits are rare enough to allocate for.
        None => decimal_digits(out, &unscaled.to_string(), scale),
    }
}

/// As [`decimal`], from the big-endian two's complement that Parquet stores.
pub(super) fn stored_decimal(
    out: &mut Vec<u8>,
    bytes: &[u8],
    scale: i8,
) -> Result<(), &'static str> {
    let first = *bytes.first().ok_or("is a decimal without bytes")?;
    let mut wide = [if first & 0x80 == 0 { 0 } else { 0xff }; 32];
    let start = 32_usize
        .checked_sub(bytes.len())
        .ok_or("is a decimal of more than 32 bytes")?;
    wide[start..].copy_from_slice(bytes);
    wide_decimal(out, i256::from_be_bytes(wide), scale);
    Ok(())
}

fn decimal_digits(out: &mut Vec<u8>, digits: &str, scale: i8) {
    out.push(b'"');
    let digits = match digits.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits.as_bytes()
        }
        None => digits.as_bytes(),
    };
    match usize::try_from(scale) {
        Ok(0) => out.extend_from_slice(digits),
        Ok(scale) => {
            let whole = digits.len().saturating_sub(scale);
            match whole {
                0 => out.push(b'0'),
                _ => out.extend_from_slice(&digits[..whole]),
            }
            out.push(b'.');
            let missing = scale.saturating_sub(digits.len());
            out.resize(out.len() + missing, b'0');
            out.extend_from_slice(&digits[whole..]);
        }
        Err(_) => {
            out.extend_from_slice(digits);
            if digits != b"0" {
                let zeros = usize::from(scale.unsigned_abs());
                out.resize(out.len() + zeros, b'0');
            }
        }
    }
    out.push(b'"');
}

/// Appends the date of a day counted from 1970-01-01.
pub(super) fn date(out: &mut Vec<u8>, days: i64) -> Result<(), &'static str> {
    out.push(b'"');
    push_date(out, days)?;
    out.push(b'"');
    Ok(())
}

/// Appends a time of day.
pub(super) fn time(out: &mut Vec<u8>, value: i64, unit: Unit) -> Result<(), &'static str> {
    let per_second = unit.per_second();
    let seconds = value.div_euclid(per_second);
    if !(0..DAY).contains(&seconds) {
        return Err("is not a time within a day");
    }
    out.push(b'"');
    push_time(out, seconds, value.rem_euclid(per_second), unit);
    out.push(b'"');
    Ok(())
}

/// Appends a moment, with `Z` when it is an instant.
pub(super) fn timestamp(
    out: &mut Vec<u8>,
    value: i64,
    unit: Unit,
    utc: bool,
) -> Result<(), &'static str> {
    let per_second = unit.per_second();
    let seconds = value.div_euclid(per_second);
    moment(
        out,
        seconds.div_euclid(DAY),
        seconds.rem_euclid(DAY),
        value.rem_euclid(per_second),
        unit,
        utc,
    )
}

/// Appends the moment that a Parquet INT96 holds: nanoseconds of the day, and the Julian day.
pub(super) fn int96(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), &'static str> {
    /// Julian day of 1970-01-01.
    const EPOCH: i64 = 2_440_588;
    const SECOND: i64 = 1_000_000_000;
    let (nanos, day) = bytes
        .split_first_chunk::<8>()
        .and_then(|(nanos, day)| Some((*nanos, *day.first_chunk::<4>()?)))
        .ok_or("is not 12 bytes")?;
    let nanos = i64::from_le_bytes(nanos);
    if !(0..DAY * SECOND).contains(&nanos) {
        return Err("is not a time within a day");
    }
    let day = i64::from(i32::from_le_bytes(day)) - EPOCH;
    moment(out, day, nanos / SECOND, nanos % SECOND, Unit::Nano, false)
}

fn moment(
    out: &mut Vec<u8>,
    day: i64,
    second: i64,
    fraction: i64,
    unit: Unit,
    utc: bool,
) -> Result<(), &'static str> {
    out.push(b'"');
    push_date(out, day)?;
    out.push(b'T');
    push_time(out, second, fraction, unit);
    if utc {
        out.push(b'Z');
    }
    out.push(b'"');
    Ok(())
}

fn push_date(out: &mut Vec<u8>, days: i64) -> Result<(), &'static str> {
    /// Days from 0000-03-01 to 1970-01-01, and in 400 years.
    const TO_EPOCH: i64 = 719_468;
    const ERA: i64 = 146_097;
    let outside = "is outside of the years 0000 to 9999";
    let days = days.checked_add(TO_EPOCH).ok_or(outside)?;
    // Years that begin in March have the leap day at their end.
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = match month {
        0..=9 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    let year = year_of_era + era * 400 + next_year;
    if !(0..=9999).contains(&year) {
        return Err(outside);
    }
    push_two(out, year / 100);
    push_two(out, year % 100);
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
    Ok(())
}

fn push_time(out: &mut Vec<u8>, second: i64, mut fraction: i64, unit: Unit) {
    push_two(out, second / 3600);
    out.push(b':');
    push_two(out, second / 60 % 60);
    out.push(b':');
    push_two(out, second % 60);
    let digits = unit.digits();
    if digits > 0 {
        let mut text = [b'.'; 10];
        for digit in text[1..=digits].iter_mut().rev() {
            *digit = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        out.extend_from_slice(&text[..=digits]);
    }
}

fn push_two(out: &mut Vec<u8>, number: i64) {
    let number = number as u8;
    out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), &'static str>,
    ) -> Result<String, &'static str> {
        let mut out = Vec::new();
        write(&mut out).map(|()| String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn decimals_have_the_digits_of_their_scale() {
        for (unscaled, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (-12345, 2, "-123.45"),
            (123, 3, "0.123"),
            (123, -2, "12300"),
            (-7, -1, "-70"),
            (0, -3, "0"),
        ] {
            let mut out = Vec::new();
            decimal(&mut out, unscaled, scale);
            assert_eq!(
                out,
                format!("\"{expected}\"").as_bytes(),
                "{unscaled} {scale}"
            );
        }
    }

    #[test]
    fn stored_decimals_are_signed_and_big_endian() {
        let stored = |bytes: &[u8]| text(|out| stored_decimal(out, bytes, 1));
        assert_eq!(stored(&[0xff]).as_deref(), Ok("\"-0.1\""));
        assert_eq!(stored(&[0, 0xff]).as_deref(), Ok("\"25.5\""));
        assert_eq!(stored(&[0x80; 32]).map(|text| text.len()), Ok(81));
        assert!(stored(&[]).is_err());
        assert!(stored(&[0; 33]).is_err());
    }

    #[test]
    fn dates_before_1970_and_on_leap_days_are_right_and_years_have_four_digits() {
        let dates = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (-25_509, "1900-02-28"),
            (-25_508, "1900-03-01"),
            (-719_528, "0000-01-01"),
            (2_932_896, "9999-12-31"),
        ];
        for (days, expected) in dates {
            assert_eq!(text(|out| date(out, days)), Ok(format!("\"{expected}\"")));
        }
        for days in [-719_529, 2_932_897, i64::MAX, i64::MIN] {
            assert!(text(|out| date(out, days)).is_err(), "{days}");
        }
    }

    #[test]
    fn moments_before_1970_count_their_fraction_forwards() {
        let moment = |value, unit, utc| text(|out| timestamp(out, value, unit, utc));
        let before = moment(-1, Unit::Nano, true);
        assert_eq!(before.as_deref(), Ok("\"1969-12-31T23:59:59.999999999Z\""));
        let after = moment(1_500, Unit::Milli, false);
        assert_eq!(after.as_deref(), Ok("\"1970-01-01T00:00:01.500\""));
        assert!(moment(i64::MAX, Unit::Second, true).is_err());
        assert!(moment(i64::MIN, Unit::Micro, true).is_err());
    }

    #[test]
    fn a_time_is_within_its_day() {
        let at = |value| text(|out| time(out, value, Unit::Milli));
        assert_eq!(at(86_399_999).as_deref(), Ok("\"23:59:59.999\""));
        assert!(at(86_400_000).is_err());
        assert!(at(-1).is_err());
    }

    #[test]
    fn strings_are_escaped_and_must_be_utf_8() {
        let of = |bytes: &[u8]| text(|out| string(out, bytes));
        assert_eq!(of(b"a").as_deref(), Ok("\"a\""));
        assert_eq!(
            of("\0\u{1f}\t\"\\é\u{7f}/".as_bytes()).as_deref(),
            Ok("\"\\u0000\\u001f\\t\\\"\\\\é\u{7f}/\"")
        );
        assert!(of(b"\xed\xa0\x80").is_err(), "a lone surrogate");
        assert!(of(b"ok\xff").is_err());
    }
}
