//! The parallel pass over a file finds what a plain one over the same bytes finds.

use std::io::Write as _;
use std::path::Path;

use makoto::digest::Digest;
use makoto::record::{
    Compression, Encoding, Format, Quote, RecordError, Records, Separator, Settings,
};
use makoto_data::{FileDigest, digest_file};

/// Larger than several chunks and than what is hashed on one thread.
const LARGE: usize = 3 << 20;

/// Numbers that look random and are the same each time (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// CSV with quoted fields that hold delimiters, quotes and line ends, and with empty lines.
fn csv(noise: &mut Noise, length: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < length {
        for field in 0..=noise.below(4) {
            if field > 0 {
                data.push(b',');
            }
            let most = if noise.below(50) == 0 { 300_000 } else { 40 };
            let size = noise.below(most);
            if noise.below(3) == 0 {
                data.push(b'"');
                for _ in 0..size {
                    data.extend_from_slice(match noise.below(12) {
                        0 => b"\r\n",
                        1 => b"\"\"",
                        2 => b",",
                        3 => b"\n",
                        _ => b"x",
                    });
                }
                data.push(b'"');
            } else {
                data.extend((0..size).map(|_| b'a' + noise.below(26) as u8));
            }
        }
        data.extend_from_slice(if noise.below(2) == 0 { b"\r\n" } else { b"\n" });
    }
    data
}

fn json_lines(noise: &mut Noise, length: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < length {
        let padding = " ".repeat(noise.below(200) as usize);
        let line = format!("{{\"b\":{}{padding},\"a\":\"é\"}}", noise.below(1 << 40));
        data.extend_from_slice(line.as_bytes());
        data.extend_from_slice(match noise.below(9) {
            0 => b"\r\n",
            1 => b"\n\n",
            _ => b"\n",
        });
    }
    data
}

fn compressed(data: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => data.to_vec(),
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(data).expect("in memory");
            gzip.finish().expect("in memory")
        }
        Compression::Zstd => zstd::encode_all(data, 1).expect("in memory"),
    }
}

fn digest(path: &Path, stored: &[u8], settings: &Settings) -> FileDigest {
    std::fs::write(path, stored).expect("a temporary file");
    let read = std::sync::atomic::AtomicU64::new(0);
    let progress = |bytes| {
        read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    let mut copy = Vec::new();
    let digest = digest_file(path, Some(settings), &progress, Some(&mut copy)).expect("readable");
    assert_eq!(digest.sha256, Digest::of(stored));
    assert_eq!(copy, stored, "the copy has the bytes that were hashed");
    assert_eq!(read.into_inner(), stored.len() as u64);
    digest
}

#[test]
fn a_parallel_pass_finds_the_same_records_in_every_compression() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let mut noise = Noise(7);
    let mut cases = Vec::new();
    for length in [
        0,
        1,
        1000,
        (128 << 10) - 1,
        128 << 10,
        (128 << 10) + 1,
        LARGE,
    ] {
        let mut settings = Settings::for_format(Format::Csv);
        settings.header = Some(length % 2 == 0);
        cases.push((csv(&mut noise, length), settings.clone()));
        settings.quote = Some(Quote::None);
        settings.delimiter = Some(Separator::TAB);
        cases.push((csv(&mut noise, length), settings));
        let mut settings = Settings::for_format(Format::JsonLines);
        cases.push((json_lines(&mut noise, length), settings.clone()));
        settings.encoding = Some(Encoding::Rfc8785);
        cases.push((json_lines(&mut noise, length), settings));
    }
    for (data, mut settings) in cases {
        let expected = Records::of(&data, &settings).expect("good data");
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            settings.compression = Some(compression);
            let found = digest(&path, &compressed(&data, compression), &settings).records;
            let found = found.expect("asked for").expect("good data");
            assert_eq!(found, expected, "{} bytes, {settings:?}", data.len());
        }
    }
}

#[test]
fn the_last_record_may_end_with_the_file_at_any_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let mut noise = Noise(11);
    let settings = Settings::for_format(Format::JsonLines);
    let data = json_lines(&mut noise, 140 << 10);
    for end in (0..300).map(|cut| data.len() - cut) {
        let found = digest(&path, &data[..end], &settings)
            .records
            .expect("asked for");
        assert_eq!(found, Records::of(&data[..end], &settings));
    }
}

#[test]
fn a_bad_record_is_named_by_its_line_and_the_bytes_are_hashed_all_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let mut settings = Settings::for_format(Format::JsonLines);
    settings.encoding = Some(Encoding::Rfc8785);
    let mut data = json_lines(&mut Noise(3), LARGE);
    let line = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    data.extend_from_slice(b"{\"a\":1,\"a\":2}\n");
    // A later one does not hide the first.
    data.extend(json_lines(&mut Noise(4), LARGE));
    data.extend_from_slice(b"nonsense\n");
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        settings.compression = Some(compression);
        let found = digest(&path, &compressed(&data, compression), &settings).records;
        match found {
            Some(Err(RecordError::Record { line: found, .. })) => assert_eq!(found, line),
            other => panic!("{other:?}"),
        }
    }

    let settings = Settings::for_format(Format::Csv);
    let mut data = csv(&mut Noise(5), LARGE);
    let line = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    data.extend_from_slice(b"a,b\"c\n");
    data.extend(csv(&mut Noise(6), LARGE));
    match digest(&path, &data, &settings).records {
        Some(Err(RecordError::Quoting { line: found, .. })) => assert_eq!(found, line),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_compressed_as_said_is_refused_and_hashed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let data = json_lines(&mut Noise(9), LARGE);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut settings = Settings::for_format(Format::JsonLines);
        settings.compression = Some(compression);
        let whole = compressed(&data, compression);
        let mut followed = whole.clone();
        followed.extend_from_slice(b"and more");
        for stored in [
            &data,
            &whole[..whole.len() / 2],
            &whole[..whole.len() - 1],
            &followed[..],
        ] {
            match digest(&path, stored, &settings).records {
                Some(Err(RecordError::NotCompressed(_))) => {}
                other => panic!("{compression:?}: {other:?}"),
            }
        }
        // Several members in one file are one content.
        let twice = [whole.as_slice(), &whole].concat();
        let found = digest(&path, &twice, &settings).records.expect("asked for");
        let expected = Records::of(&[data.as_slice(), &data].concat(), &settings);
        assert_eq!(found, expected);
    }
}
