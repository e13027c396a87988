//! Datasets in object stores: an object is read in order, pinned to one version, and the
//! attestation beside it is written only if nothing else is there.
//!
//! A crate of its own, because whoever links it links HTTP, TLS and an async runtime. None of
//! that is seen from outside: every call blocks. The environment is an argument.

mod amazon;
mod azure;
mod environment;
mod error;
mod google;
mod object;
mod profile;
mod store;
mod url;

pub use error::ObjectError;
pub use object::{Object, Reader};
pub use store::{Condition, Small, Store};
pub use url::{ObjectUrl, Service};
