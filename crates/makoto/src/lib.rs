//! Makoto's core: what a statement about data says, whether the data still is what it says,
//! and why.
//!
//! Nothing here opens a file or a socket, or reads the clock or the environment: bytes and time
//! are arguments, so every rule can be shown in a test with fixed inputs. The one secret is a
//! signing key that the caller hands over. Reading datasets is `makoto-data`'s business.

pub mod attestation;
pub mod authority;
pub mod canonical;
pub mod certificate;
pub mod chain;
pub mod config;
pub mod datetime;
pub mod dbom;
pub mod digest;
pub mod envelope;
pub mod exclude;
pub mod folder;
pub mod identity;
pub mod json;
pub mod key;
pub mod key_set;
pub mod limits;
pub mod lineage;
pub mod manifest;
pub mod merkle;
pub mod pattern;
pub mod pem;
pub mod policy;
pub mod predicate;
pub mod problem;
pub mod record;
pub mod report;
pub mod scalar;
pub mod schema;
pub mod secret;
pub mod shape;
pub mod statement;
pub mod timestamp;
pub mod toml;
pub mod trusted_root;
pub mod validate;
pub mod verify;
pub mod window;
