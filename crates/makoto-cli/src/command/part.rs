//! `--input-part`: which part of an input a step read.

use std::path::PathBuf;
use std::str::FromStr;

use makoto::json::{Json, Object};

use super::step::Input;
use crate::dataset::same_file;
use crate::failure::Failure;
use crate::screen::Plain;

/// Key of an input that holds the part of it that was read.
const INTERVAL: &str = "https://makoto.dev/interval/v1";

/// A part of an input: `PATH=records:START..END`, `PATH=offsets:START..END[@PARTITION]`. What is
/// at END was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    path: PathBuf,
    unit: Unit,
    start: u64,
    end: u64,
    partition: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Records,
    Offsets,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Offsets => "offsets",
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let needed = || "needed PATH=records:START..END or PATH=offsets:START..END[@PARTITION]";
        // A path may have an equals sign in it, an interval has none.
        let (path, interval) = text.rsplit_once('=').ok_or_else(needed)?;
        let (unit, bounds) = interval.split_once(':').ok_or_else(needed)?;
        let unit = match unit {
            "records" => Unit::Records,
            "offsets" => Unit::Offsets,
            _ => return Err(needed().to_owned()),
        };
        let (bounds, partition) = match bounds.split_once('@') {
            Some((bounds, partition)) => (bounds, Some(number(partition)?)),
            None => (bounds, None),
        };
        let (start, end) = bounds.split_once("..").ok_or_else(needed)?;
        let (start, end) = (number(start)?, number(end)?);
        if path.is_empty() {
            return Err(needed().to_owned());
        }
        if start >= end {
            return Err(format!(
                "{start}..{end} is empty: what is at END was not read"
            ));
        }
        if partition.is_some() && unit == Unit::Records {
            return Err("records have no partition".to_owned());
        }
        Ok(Self {
            path: path.into(),
            unit,
            start,
            end,
            partition,
        })
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("{text:?} is no number of 64 bits"))
}

impl Part {
    /// The parts of each input, in their order.
    ///
    /// # Errors
    /// When a part is of no input, or of more records than the input has.
    pub(crate) fn of_each<'a>(
        parts: &'a [Self],
        inputs: &[Input],
    ) -> Result<Vec<Vec<&'a Self>>, Failure> {
        let mut of_each = vec![Vec::new(); inputs.len()];
        for part in parts {
            let is_it = |input: &Input| input.data.path == part.path;
            let same = |input: &Input| same_file(&input.data.path, &part.path);
            let place = inputs.iter().position(is_it);
            let place = place.or_else(|| inputs.iter().position(same));
            let Some(place) = place else {
                let shown = part.path.to_string_lossy();
                return Err(Failure::usage(format!(
                    "--input-part is of {}, which is no input",
                    Plain(&shown)
                ))
                .hint("name the path as --input does"));
            };
            part.fits(&inputs[place])?;
            of_each[place].push(part);
        }
        Ok(of_each)
    }

    fn fits(&self, input: &Input) -> Result<(), Failure> {
        let count = input
            .data
            .records
            .as_ref()
            .map(|(_, records)| records.count);
        match count.filter(|count| self.unit == Unit::Records && self.end > *count) {
            None => Ok(()),
            Some(count) => {
                let shown = input.data.path.to_string_lossy();
                Err(Failure::contradiction(format!(
                    "{} has {count} records, so that records up to {} cannot have been read",
                    Plain(&shown),
                    self.end
                )))
            }
        }
    }

    /// How many records it is, if it is of records.
    pub(crate) fn records(&self) -> Option<u64> {
        (self.unit == Unit::Records).then(|| self.end - self.start)
    }

    /// The input `whole`, as JSON, with this part of it.
    pub(crate) fn of(&self, whole: &Json) -> Json {
        let mut interval = Object::new();
        interval.insert("unit", self.unit.as_str().into());
        interval.insert("start", self.start.to_string().into());
        interval.insert("end", self.end.to_string().into());
        if let Some(partition) = self.partition {
            interval.insert("partition", partition.into());
        }
        let mut input = whole.clone();
        if let Json::Object(members) = &mut input {
            members.insert(INTERVAL, Json::Object(interval));
        }
        input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_unit_and_two_ends() {
        let part: Part = "a=b.csv=records:0..9".parse().expect("a part");
        assert_eq!(
            (part.path.to_str(), part.records()),
            (Some("a=b.csv"), Some(9))
        );
        let part: Part = "t.jsonl=offsets:5..18446744073709551615@3"
            .parse()
            .expect("a part");
        assert_eq!((part.partition, part.records()), (Some(3), None));
        for near in [
            "a.csv",
            "=records:0..9",
            "a.csv=0..9",
            "a.csv=bytes:0..9",
            "a.csv=records:0-9",
            "a.csv=records:9..9",
            "a.csv=records:9..0",
            "a.csv=records:-1..9",
            "a.csv=records:+1..9",
            "a.csv=records:0..",
            "a.csv=records:0..9@1",
            "a.csv=offsets:0..9@",
            "a.csv=offsets:0..18446744073709551616",
        ] {
            assert!(near.parse::<Part>().is_err(), "{near}");
        }
    }
}
