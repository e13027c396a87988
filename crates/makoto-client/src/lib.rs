//! The outside world: what is fetched from others.
//!
//! Every fetch has a ceiling of bytes, a deadline for the whole answer, and goes to the one host
//! that was named: redirects are not followed. What comes back is judged in `makoto` before
//! anyone here hands it on. HTTP, TLS and the runtime stay inside.

pub mod tsa;
