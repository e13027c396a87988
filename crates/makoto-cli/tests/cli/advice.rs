//! What somebody is told who names the wrong thing, and that nothing passes by it.

use crate::sandbox::{ORIGIN, Sandbox};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", "id\n1\n");
    sandbox.write("parts/deep/a.csv", "id\n1\n");
    for data in ["orders.csv", "parts"] {
        let attest = [&["attest", "origin", data], &ORIGIN[..]].concat();
        sandbox.makoto(&attest).ends(0, &[]);
    }
    sandbox
}

#[test]
fn an_attestation_in_the_place_of_its_data_is_told_apart() {
    let sandbox = sandbox();
    for (named, hint) in [
        ("orders.csv.attestation", "`makoto verify orders.csv`"),
        ("parts.attestation", "`makoto verify parts`"),
        ("parts.manifest", "`makoto verify parts`"),
    ] {
        sandbox
            .makoto(&["verify", named])
            .ends(1, &["hint: ", hint]);
    }
    // Without the data, there is still the statement to read.
    std::fs::remove_file(sandbox.path("orders.csv")).expect("removed");
    let ran = sandbox.makoto(&["verify", "orders.csv.attestation"]);
    ran.ends(1, &["`makoto validate orders.csv.attestation`"]);
    // An attestation that is attested is data like any other.
    let attest = ["attest", "origin", "parts.manifest"];
    sandbox
        .makoto(&[&attest[..], &ORIGIN].concat())
        .ends(0, &[]);
    let ran = sandbox.makoto(&["verify", "parts.manifest"]);
    assert!(!ran.ends(0, &[]).stderr.contains("hint"), "{ran:?}");
}

#[test]
fn a_file_of_an_attested_folder_is_told_how_it_is_verified() {
    let sandbox = sandbox();
    let ran = sandbox.makoto(&["verify", "parts/deep/a.csv"]);
    ran.ends(1, &["hint: ", "`makoto verify parts --member deep/a.csv`"]);
    sandbox
        .makoto(&["verify", "parts", "--member", "deep/a.csv"])
        .ends(0, &[]);
    // What lies in no attested folder gets no such advice.
    sandbox.write("other/a.csv", "id\n");
    let ran = sandbox.makoto(&["verify", "other/a.csv"]);
    assert!(!ran.ends(1, &[]).stderr.contains("--member"), "{ran:?}");
}

#[test]
fn the_end_of_a_name_is_not_the_name_and_is_told() {
    let sandbox = sandbox();
    let ran = sandbox.makoto(&["verify", "orders.csv", "--as", "orders"]);
    ran.ends(1, &["hint: ", "--as dataset:orders"]);
    sandbox
        .makoto(&["verify", "orders.csv", "--as", "dataset:orders"])
        .ends(0, &[]);
    for other in ["order", "dataset", "dataset:order", "rders"] {
        let ran = sandbox.makoto(&["verify", "orders.csv", "--as", other]);
        assert!(!ran.ends(1, &[]).stderr.contains("hint"), "{ran:?}");
    }
}

#[test]
fn what_is_wanting_in_what_passes_is_named() {
    let sandbox = sandbox();
    let ran = sandbox.makoto(&["verify", "orders.csv"]);
    let told = &ran.ends(0, &[]).stdout;
    assert!(
        told.contains("not given: sourceType, collectionMethod (--verbose)"),
        "{told}"
    );
    let more = ["--source-type", "api", "--method", "pull", "--replace"];
    let attest = [&["attest", "origin", "orders.csv"], &ORIGIN[..], &more].concat();
    sandbox.makoto(&attest).ends(0, &[]);
    let ran = sandbox.makoto(&["verify", "orders.csv"]);
    let told = &ran.ends(0, &[]).stdout;
    assert!(
        !told.contains("not given") && !told.contains("warning"),
        "{told}"
    );
    sandbox.write("list", "deep/a.csv\n");
    sandbox.write("parts/other", "x");
    let listed = [
        "attest",
        "origin",
        "parts",
        "--files-from",
        "list",
        "--replace",
    ];
    sandbox
        .makoto(&[&listed[..], &ORIGIN, &more[..4]].concat())
        .ends(0, &[]);
    let ran = sandbox.makoto(&["verify", "parts"]);
    let told = &ran.ends(0, &[]).stdout;
    assert!(told.contains("1 warning, see --verbose"), "{told}");
    let ran = sandbox.makoto(&["verify", "parts", "--verbose"]);
    assert!(
        ran.ends(0, &[]).stdout.contains("1 other file(s)"),
        "{ran:?}"
    );
}
