#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| makoto_fuzz::policies(data));
