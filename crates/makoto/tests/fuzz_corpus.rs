//! Runs what the fuzzer found, and some seeds, as an ordinary test.

#[allow(unreachable_pub, reason = "they are public in the crate of the fuzzer")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

fn run(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).expect("a corpus") {
        let path = entry.expect("an entry").path();
        let data = std::fs::read(&path).expect("a readable input");
        check(&data);
        // Each input also without its end, which is where parsers forget to look.
        check(&data[..data.len() / 2]);
        check(&data[..data.len().saturating_sub(1)]);
        count += 1;
    }
    assert!(count > 5, "only {count} inputs in {}", corpus.display());
}

#[test]
fn documents_are_read_or_refused_and_written_as_read() {
    run("document", targets::document);
}

#[test]
fn records_are_the_same_wherever_data_is_cut() {
    run("records", targets::records);
}

#[test]
fn a_manifest_has_one_form() {
    run("manifest", targets::manifest);
}

#[test]
fn scalars_keep_their_text() {
    run("scalars", targets::scalars);
}

#[test]
fn what_is_reported_as_masked_is_masked() {
    run("secrets", targets::secrets);
}

#[test]
fn a_proof_that_holds_does_so_for_one_leaf_and_root_only() {
    run("proofs", targets::proofs);
}

#[test]
fn a_bundle_that_is_written_is_read_as_the_same() {
    run("envelopes", targets::envelopes);
}

#[test]
fn a_policy_is_for_whole_names_and_is_refused_with_reasons() {
    run("policies", targets::policies);
}
