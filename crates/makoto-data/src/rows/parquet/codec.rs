//! Inflating pages. Each is inflated to exactly the size in its header, which is within a budget:
//! the `parquet` crate's own codecs inflate some formats for as long as there is anything left.

use std::io::Read;

use parquet::basic::CompressionCodec as Codec;

/// Inflates `stored` into exactly `size` bytes.
///
/// # Errors
/// In words, when it is not so compressed or has another size.
pub(super) fn inflate(codec: Codec, stored: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match codec {
        Codec::UNCOMPRESSED => out.extend_from_slice(stored),
        Codec::GZIP => {
            through(flate2::read::MultiGzDecoder::new(stored), size, &mut out)?;
        }
        Codec::BROTLI => {
            const BUFFER: usize = 4096;
            let decoder = brotli_decompressor::Decompressor::new(stored, BUFFER);
            through(decoder, size, &mut out)?;
        }
        Codec::SNAPPY => {
            let said = snap::raw::decompress_len(stored).map_err(text)?;
            if said != size {
                return Err(wrong_size(said));
            }
            out.resize(size, 0);
            let mut decoder = snap::raw::Decoder::new();
            let found = decoder.decompress(stored, &mut out).map_err(text)?;
            out.truncate(found);
        }
        Codec::ZSTD => {
            out.resize(size, 0);
            let found = zstd::bulk::decompress_to_buffer(stored, &mut out).map_err(text)?;
            out.truncate(found);
        }
        Codec::LZ4_RAW => lz4_block(stored, size, &mut out)?,
        Codec::LZ4 => lz4_in_any_frame(stored, size, &mut out)?,
        Codec::LZO => return Err("is compressed with LZO, which is not read".to_owned()),
    }
    match out.len() == size {
        true => Ok(out),
        false => Err(wrong_size(out.len())),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    format!("cannot be inflated: {error}")
}

fn wrong_size(found: usize) -> String {
    format!("inflates to {found} bytes or more, which is not what its header says")
}

fn through(decoder: impl Read, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    // One byte more than needed tells that there is more.
    let most = (size as u64).saturating_add(1);
    out.reserve(size);
    decoder.take(most).read_to_end(out).map_err(text).map(drop)
}

fn lz4_block(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.resize(size, 0);
    let found = lz4_flex::block::decompress_into(stored, out).map_err(text)?;
    out.truncate(found);
    Ok(())
}

/// What is marked as LZ4 is in Hadoop's frames, in LZ4's own, or in none, by the age of the
/// program that wrote it.
fn lz4_in_any_frame(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if hadoop_frames(stored, size, out).is_some() && out.len() == size {
        return Ok(());
    }
    out.clear();
    let framed = through(lz4_flex::frame::FrameDecoder::new(stored), size, out);
    if framed.is_ok() && out.len() == size {
        return Ok(());
    }
    out.clear();
    lz4_block(stored, size, out)
}

/// Frames of two big-endian sizes, inflated and stored, and a block.
fn hadoop_frames(mut stored: &[u8], size: usize, out: &mut Vec<u8>) -> Option<()> {
    while !stored.is_empty() {
        let (inflated, rest) = stored.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let inflated = u32::from_be_bytes(*inflated) as usize;
        let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let start = out.len();
        if inflated > size - start {
            return None;
        }
        out.resize(start + inflated, 0);
        let found = lz4_flex::block::decompress_into(block, &mut out[start..]).ok()?;
        if found != inflated {
            return None;
        }
        stored = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).expect("in memory");
        gzip.finish().expect("in memory")
    }

    #[test]
    fn a_page_has_exactly_the_size_of_its_header() {
        let plain = b"abcabcabcabcabcabcabcabc".repeat(20);
        let codecs = [
            (Codec::UNCOMPRESSED, plain.clone()),
            (Codec::GZIP, gzip(&plain)),
            (
                Codec::ZSTD,
                zstd::encode_all(plain.as_slice(), 3).expect("in memory"),
            ),
            (
                Codec::SNAPPY,
                snap::raw::Encoder::new()
                    .compress_vec(&plain)
                    .expect("in memory"),
            ),
        ];
        for (codec, stored) in codecs {
            let size = plain.len();
            assert_eq!(
                inflate(codec, &stored, size).as_ref(),
                Ok(&plain),
                "{codec}"
            );
            assert!(inflate(codec, &stored, size - 1).is_err(), "{codec}");
            assert!(inflate(codec, &stored, size + 1).is_err(), "{codec}");
            assert!(
                inflate(codec, &stored[..stored.len() / 2], size).is_err(),
                "{codec}"
            );
        }
    }

    #[test]
    fn a_bomb_is_inflated_no_further_than_its_header_says() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let error = inflate(Codec::GZIP, &bomb, 1000);
        let error = error.expect_err("refused");
        assert!(error.contains("1001 bytes or more"), "{error}");
    }
}
