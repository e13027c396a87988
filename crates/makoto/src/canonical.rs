//! The RFC 8785 (JCS) writer: the same facts give the same bytes.
//!
//! Integers outside ±(2^53−1) and numbers that no double holds are refused. Other fractions are
//! written as the nearest double, as RFC 8785 says.

use std::fmt::Write as _;

use crate::json::{Json, Number, Object, segment, write_string};

/// A value that RFC 8785 cannot write without changing it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number} at {} cannot be written in canonical form: {why}", if path.is_empty() { "the top" } else { path })]
pub struct NotCanonical {
    /// The number as it was written.
    pub number: String,
    /// Where it stands.
    pub path: String,
    /// Which rule it breaks.
    pub why: &'static str,
}

/// Writes `value` as one RFC 8785 line without a final newline.
///
/// # Errors
/// [`NotCanonical`] names the first number outside the range of exact doubles.
pub fn to_canonical(value: &Json) -> Result<Vec<u8>, NotCanonical> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out.into_bytes())
}

/// Largest integer n such that n and n+1 are both exact doubles: 2^53 − 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn write(out: &mut String, value: &Json) -> Result<(), NotCanonical> {
    match value {
        Json::Null | Json::Bool(_) => {
            let _ = write!(out, "{value}");
        }
        Json::Number(number) => write_number(out, number)?,
        Json::String(text) => {
            let _ = write_string(out, text);
        }
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, item).map_err(|error| error.below(&format!("[{index}]")))?;
            }
            out.push(']');
        }
        Json::Object(members) => write_object(out, members)?,
    }
    Ok(())
}

fn write_object(out: &mut String, members: &Object) -> Result<(), NotCanonical> {
    let mut entries: Vec<_> = members.iter().collect();
    // RFC 8785 §3.2.3 sorts by UTF-16 code units. That is the order of UTF-8 bytes, which the
    // map has already, unless a key leaves the basic plane (a lead byte of 0xF0 or more).
    if entries
        .iter()
        .any(|(key, _)| key.bytes().any(|b| b >= 0xf0))
    {
        entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    }
    out.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _ = write_string(out, key);
        out.push(':');
        write(out, value).map_err(|error| error.below(&segment(key)))?;
    }
    out.push('}');
    Ok(())
}

fn write_number(out: &mut String, number: &Number) -> Result<(), NotCanonical> {
    let refuse = |why| NotCanonical {
        number: number.token().to_owned(),
        path: String::new(),
        why,
    };
    let value = number.to_f64();
    if !value.is_finite() {
        return Err(refuse("no double holds it"));
    }
    if value.abs() > MAX_SAFE_INTEGER && value.fract() == 0.0 {
        return Err(refuse(
            "an integer outside ±(2^53−1); write it as a decimal string",
        ));
    }
    out.push_str(ryu_js::Buffer::new().format_finite(value));
    Ok(())
}

impl NotCanonical {
    fn below(mut self, segment: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, segment);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn canonical(text: &str) -> Result<String, NotCanonical> {
        let value = Json::parse(text.as_bytes(), &Limits::DEFAULT).expect("good JSON");
        to_canonical(&value).map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn the_example_of_rfc_8785_section_3_2_3_is_written_byte_for_byte() {
        let text = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        // 1E30 is an integer no double-based reader keeps apart from its neighbours.
        let error = canonical(text).expect_err("refused");
        assert_eq!(error.path, "numbers[1]");
        assert_eq!(
            canonical(&text.replace("1E30,", "")).expect("written"),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
    }

    #[test]
    fn keys_are_sorted_by_utf_16_code_units() {
        assert_eq!(
            canonical(
                r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#
            )
            .expect("written"),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn integers_are_exact_or_refused_at_both_ends() {
        assert_eq!(
            canonical("[9007199254740991,-9007199254740991,-0]").expect("written"),
            "[9007199254740991,-9007199254740991,0]"
        );
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "1e21",
            "1e400",
            "1.7e308",
        ] {
            assert!(canonical(text).is_err(), "{text}");
        }
    }
}
