//! `makoto verify DATA --output F`: the bytes that were verified, or nothing.

use std::os::unix::fs::symlink;

use crate::document::{fails, passes};
use crate::records::gzip;
use crate::sandbox::Sandbox;
use crate::verify::{ORDERS, orders};

#[test]
fn a_copy_is_made_only_of_data_that_passes() {
    let sandbox = orders();
    sandbox.set_mode("orders.csv", 0o640);
    passes(&sandbox.verify("orders.csv", &["--output", "copy.csv"]));
    assert_eq!(sandbox.read_text("copy.csv"), ORDERS);
    assert_eq!(sandbox.mode("copy.csv"), 0o640);
    sandbox.write("orders.csv", "id,total\n");
    let before = sandbox.names();
    let copy = sandbox.stamp("copy.csv");
    for output in ["copy.csv", "new.csv"] {
        fails(
            &sandbox.verify("orders.csv", &["--output", output]),
            &["V3"],
        );
        assert_eq!(sandbox.names(), before);
        assert_eq!(sandbox.stamp("copy.csv"), copy);
    }
    sandbox.write("orders.csv", ORDERS);
    for options in [
        &["--output", "new.csv", "--level", "L2"][..],
        &["--output", "new.csv", "--as", "dataset:other"],
        &["--output", "new.csv", "--attestation", "gone"],
    ] {
        assert_eq!(sandbox.verify("orders.csv", options).0, 1);
        assert_eq!(sandbox.names(), before, "{options:?}");
    }
    assert_eq!(
        sandbox.verify("orders.csv", &["--output", "no/new.csv"]).0,
        2
    );
    passes(&sandbox.verify("orders.csv", &["--output", "copy.csv"]));
    assert_eq!(sandbox.read_text("copy.csv"), ORDERS);
    assert_eq!(sandbox.names(), before);
}

#[test]
fn a_copy_of_compressed_data_is_the_stored_bytes() {
    let sandbox = Sandbox::new();
    let stored = gzip(ORDERS.as_bytes(), 6);
    sandbox.write("orders.csv.gz", &stored);
    sandbox.attested("orders.csv.gz", &[]);
    passes(&sandbox.verify("orders.csv.gz", &["--output", "copy.gz"]));
    assert_eq!(sandbox.read("copy.gz"), stored);
}

#[test]
fn a_copy_does_not_overwrite_the_attestation_it_was_verified_by() {
    let sandbox = orders();
    let before = sandbox.stamp("orders.csv.attestation");
    for output in ["orders.csv.attestation", "./orders.csv.attestation"] {
        let ran = sandbox.makoto(&["verify", "orders.csv", "--output", output]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert_eq!(sandbox.stamp("orders.csv.attestation"), before);
    }
}

#[test]
fn a_copy_takes_the_place_of_a_link_and_not_of_what_it_names() {
    let sandbox = orders();
    sandbox.write("precious", "mine");
    symlink("precious", sandbox.path("copy.csv")).expect("a link");
    passes(&sandbox.verify("orders.csv", &["--output", "copy.csv"]));
    assert_eq!(sandbox.read_text("precious"), "mine");
    assert_eq!(sandbox.read_text("copy.csv"), ORDERS);
    let link = sandbox
        .path("copy.csv")
        .symlink_metadata()
        .expect("it is there");
    assert!(link.is_file());
}
