//! The outside world for Makoto: timestamp authorities (RFC 3161) over HTTP.
//!
//! Every fetch has a ceiling of bytes and a deadline, and goes to the one host that was named:
//! no redirect is followed. What comes back is unverified; the core judges it.

mod tsa;

pub use tsa::{Tsa, TsaError};
