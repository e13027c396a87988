//! Whatever bytes a table is made of, its rows are counted or refused: no panic, no end of the
//! program, no hang, and no more memory than the budget.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::record::{Format, RecordError, Records, Settings};
use makoto_data::digest_file;

/// A file of the test kit and its format.
fn case(id: &str) -> (Vec<u8>, Format) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testkit/rows");
    let bytes = std::fs::read(folder.join(format!("{id}.json"))).expect("a case");
    let case = Json::parse(&bytes, &Limits::DEFAULT).expect("a case in JSON");
    let data = case.get("data_base64").and_then(Json::as_str);
    let data = STANDARD.decode(data.expect("data")).expect("base64");
    let format = match case.get("format").and_then(Json::as_str) {
        Some("parquet") => Format::Parquet,
        _ => Format::Arrow,
    };
    (data, format)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn count(&self, data: &[u8], format: Format) -> Result<Records, RecordError> {
        let path = self.0.path().join("table");
        std::fs::write(&path, data).expect("a temporary file");
        let settings = Settings::for_format(format);
        let start = Instant::now();
        let found = digest_file(&path, Some(&settings), &|_| {}, None).expect("readable");
        let time = start.elapsed();
        assert!(time < Duration::from_secs(120), "took {time:?}");
        assert_eq!(found.sha256, Digest::of(data));
        found.records.expect("rows were asked for")
    }
}

/// Peak resident memory of this program in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number") / 1024
}

/// Numbers that look random and are the same each time (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// How often each file is spoilt: `MAKOTO_ROUNDS` in a longer run.
fn rounds() -> usize {
    let rounds = std::env::var("MAKOTO_ROUNDS").ok();
    rounds.map_or(150, |rounds| rounds.parse().expect("a number"))
}

const FILES: [&str; 14] = [
    "stored-plain-parquet",
    "stored-dictionary-parquet",
    "stored-page-v2-parquet",
    "stored-gzip-parquet",
    "stored-delta-parquet",
    "stored-delta-length-parquet",
    "stored-row-groups-parquet",
    "list-of-struct-parquet",
    "map-parquet",
    "int96-dictionary",
    "duckdb-parquet",
    "stored-plain-arrow",
    "stored-lz4-arrow",
    "dictionary-grows-arrow",
];

#[test]
fn spoilt_bytes_are_counted_or_refused_and_never_end_the_program() {
    let folder = Folder::new();
    let mut refused = 0;
    for (seed, id) in FILES.into_iter().enumerate() {
        let (good, format) = case(id);
        let before = folder.count(&good, format).expect("a good file");
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15 + seed as u64);
        for round in 0..rounds() {
            let mut data = good.clone();
            for _ in 0..=noise.below(3) {
                let at = noise.below(data.len());
                data[at] = match noise.below(4) {
                    0 => data[at] ^ 1 << noise.below(8),
                    1 => 0xff,
                    2 => 0,
                    _ => noise.below(256) as u8,
                };
            }
            if round % 10 == 0 {
                data.truncate(noise.below(data.len()));
            }
            match folder.count(&data, format) {
                Ok(found) => assert_eq!(
                    found.schema_digest.is_some(),
                    before.schema_digest.is_some()
                ),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        refused > FILES.len() * rounds() / 10,
        "{refused} were refused"
    );
    assert!(peak() < 1500, "{} MiB", peak());
}
