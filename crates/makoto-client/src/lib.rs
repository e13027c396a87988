//! The outside world: what is fetched from others.
//!
//! Every fetch has a ceiling of bytes, a deadline for the whole answer, and goes to the one host
//! that was named: redirects are not followed. What comes back is judged in `makoto` before
//! anyone here hands it on. HTTP, TLS and the runtime stay inside.

mod address;
mod exchange;
pub mod reference;
pub mod tsa;

pub use address::{Address, AddressError};
pub use exchange::{ExchangeError, Fault};
