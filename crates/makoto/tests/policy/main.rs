//! Policies: how they are read, and whom and what their rules match.

mod matching;
#[path = "../time/openssl.rs"]
#[expect(dead_code, reason = "timestamps are told about elsewhere")]
mod openssl;
mod reading;
mod signers;
