//! What a user of the command `makoto` sees: the real binary, real files, real signals.
//!
//! Each test has a folder of its own and leaves nothing behind, no process either.

mod append;
mod attest;
mod batch;
mod budgets;
mod crash;
mod document;
mod folder;
mod folder_names;
mod hostile;
mod listed;
mod masking;
mod member;
mod objects;
mod parameters;
mod pipe;
mod records;
mod run;
mod run_refuses;
mod sandbox;
mod stop;
mod terminal;
mod transform;
mod two_readings;
mod validate;
mod verify;
mod verify_copy;
mod verify_forged;
