//! Verdicts by a policy: the attacks of the specification, each from a set that verifies, by one
//! change, with the requirement that refuses it.

mod data;
mod envelopes;
mod inputs;
mod key_sets;
#[path = "../time/openssl.rs"]
mod openssl;
mod other_side;
mod signers;
mod times;
mod world;
