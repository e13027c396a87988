//! Verdicts by a policy: the attacks of the specification, each from a set that verifies, by one
//! change, with the requirement that refuses it and the exit status of the command.
//!
//! Every verdict is asked for twice, of the library and of the binary over files, and must be the
//! same.

mod command;
mod data;
mod effort;
mod envelopes;
mod inputs;
mod key_sets;
#[allow(dead_code, reason = "other tests forge tokens with it")]
#[path = "../../../makoto/tests/time/openssl.rs"]
mod openssl;
mod other_side;
mod signers;
mod times;
mod world;
