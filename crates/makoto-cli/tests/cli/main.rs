//! What a user of the command `makoto` sees: the real binary, real files, real signals.
//!
//! Each test has a folder of its own and leaves nothing behind, no process either.

mod actions;
mod advice;
mod append;
mod attest;
mod batch;
mod budgets;
mod clouds;
mod config;
mod config_places;
mod config_store;
mod crash;
mod dbom;
mod dbom_edited;
mod dbt;
mod dbt_refuses;
mod doctor;
mod document;
mod find;
mod folder;
mod folder_names;
mod front;
mod history;
mod hostile;
mod judged;
mod junit;
mod keys;
mod lineage;
mod lineage_attacks;
mod lineage_bounds;
mod listed;
mod listed_rows;
mod man;
mod masking;
mod member;
mod objects;
#[allow(dead_code, reason = "other tests forge tokens with it")]
#[path = "../../../makoto/tests/time/openssl.rs"]
mod openssl;
mod package;
mod package_hostile;
mod parameters;
mod parquet;
mod pipe;
mod policy;
mod records;
mod rows;
mod run;
mod run_refuses;
mod sandbox;
mod signing;
mod stop;
mod store;
mod stream_chain;
mod stream_window;
mod tables;
mod terminal;
mod transform;
mod tsa;
mod tsa_lies;
mod two_readings;
mod validate;
mod verify;
mod verify_copy;
mod verify_forged;
