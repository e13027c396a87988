//! What a user of the command `makoto` sees: the real binary, real files, real signals.
//!
//! Each test has a folder of its own and leaves nothing behind, no process either.

mod actions;
mod append;
mod attest;
mod batch;
mod batch_places;
mod budgets;
mod config;
mod config_places;
mod crash;
mod dbt;
mod dbt_refuses;
mod doctor;
mod document;
mod find;
mod folder;
mod folder_names;
mod hostile;
mod junit;
mod man;
mod masking;
mod member;
mod package;
mod parameters;
mod pipe;
mod records;
mod run;
mod run_refuses;
mod sandbox;
mod stop;
mod store;
mod stream_chain;
mod stream_window;
mod terminal;
mod transform;
mod two_readings;
mod validate;
mod verify;
mod verify_copy;
mod verify_forged;
