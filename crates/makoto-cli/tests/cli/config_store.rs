//! `store` in a `makoto.toml`: used as if it were typed, told, and never by what verifies.

use crate::document::passes;
use crate::sandbox::{Ran, Sandbox, finish};

const FILE: &str = "[defaults]\nsource = \"erp\"\ncollector = \"etl\"\nexecutor = \"etl\"\n\
                    store = \"kept\"\n";

fn shop(file: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("shop/makoto.toml", file);
    sandbox.write("shop/raw/a.csv", "id\n1\n");
    sandbox.write("shop/raw/b.csv", "id\n2\n");
    sandbox
}

fn attest(sandbox: &Sandbox, data: &str, more: &[&str]) -> Ran {
    sandbox.makoto(&[&["attest", "origin", data], more].concat())
}

fn is_stored(sandbox: &Sandbox, store: &str, data: &str) -> bool {
    let verify = ["verify", data, "--store", store];
    !sandbox.path(&format!("{data}.attestation")).exists() && sandbox.makoto(&verify).status == 0
}

#[test]
fn a_store_that_the_file_names_is_used_and_told() {
    let sandbox = shop(FILE);
    let ran = attest(&sandbox, "shop/raw/a.csv", &["--no-sidecar"]);
    ran.ends(
        0,
        &["the store shop/kept is named by [defaults] in shop/makoto.toml:5"],
    );
    assert!(
        ran.stdout.contains("(new, named by makoto.toml)"),
        "{ran:?}"
    );
    assert!(is_stored(&sandbox, "shop/kept", "shop/raw/a.csv"));
    assert!(!is_stored(&sandbox, "shop/kept", "shop/raw/b.csv"));
}

#[test]
fn a_store_that_is_typed_wins_and_without_the_file_there_is_none() {
    let sandbox = shop(FILE);
    let typed = ["--no-sidecar", "--store", "mine"];
    let ran = attest(&sandbox, "shop/raw/a.csv", &typed);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!ran.stderr.contains("is named by"), "{ran:?}");
    assert!(is_stored(&sandbox, "mine", "shop/raw/a.csv"));
    assert!(!sandbox.path("shop/kept").exists());
    let none = [
        "--no-sidecar",
        "--no-config",
        "--source",
        "erp",
        "--collector",
        "etl",
    ];
    attest(&sandbox, "shop/raw/a.csv", &none).ends(2, &["no store"]);
    assert!(!sandbox.path("shop/kept").exists());
}

#[test]
fn the_file_counts_before_the_environment() {
    let sandbox = shop(FILE);
    let attest = ["attest", "origin", "shop/raw/a.csv", "--no-sidecar"];
    let ran = finish(
        sandbox.command().args(attest).env("MAKOTO_STORE", "other"),
        b"",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(is_stored(&sandbox, "shop/kept", "shop/raw/a.csv"));
    assert!(!sandbox.path("other").exists());
}

#[test]
fn a_step_goes_into_the_store_of_the_file() {
    let sandbox = shop(FILE);
    attest(&sandbox, "shop/raw/a.csv", &["--no-sidecar"]).ends(0, &[]);
    let run = [
        "run",
        "--input",
        "shop/raw/a.csv",
        "--output",
        "shop/out.csv",
        "--no-sidecar",
        "--",
        "cp",
        "{input}",
        "{output}",
    ];
    let ran = sandbox.makoto(&run);
    ran.ends(0, &["is named by [defaults]"]);
    let lineage = ["lineage", "shop/out.csv", "--store", "shop/kept"];
    sandbox.makoto(&lineage).ends(0, &[]);
    let step = [
        "attest",
        "transform",
        "--input",
        "shop/raw/b.csv",
        "shop/raw/c.csv",
    ];
    sandbox.write("shop/raw/c.csv", "id\n2\n");
    let ran = sandbox.makoto(&[&step[..], &["--type", "copy", "--no-sidecar"]].concat());
    ran.ends(0, &["is named by [defaults]"]);
    assert!(is_stored(&sandbox, "shop/kept", "shop/raw/c.csv"));
}

#[test]
fn a_store_of_the_file_that_cannot_be_used_stops_everything_and_names_the_file() {
    let sandbox = shop(&FILE.replace("kept", "raw"));
    let ran = attest(&sandbox, "shop/raw/a.csv", &[]);
    ran.ends(
        2,
        &["holds other files (named by [defaults] in shop/makoto.toml:5)"],
    );
    let ran = attest(&sandbox, "shop/raw", &[]);
    ran.ends(2, &["is in the data shop/raw", "shop/makoto.toml:5"]);
    assert!(!sandbox.path("shop/raw/a.csv.attestation").exists());
}

#[test]
fn a_batch_has_one_store_and_files_that_name_two_are_refused() {
    let sandbox = shop(FILE);
    let ran = attest(&sandbox, "shop/raw/*.csv", &["--no-sidecar"]);
    ran.ends(
        0,
        &["2 attested", "is named by [defaults] in shop/makoto.toml:5"],
    );
    assert!(is_stored(&sandbox, "shop/kept", "shop/raw/a.csv"));
    assert!(is_stored(&sandbox, "shop/kept", "shop/raw/b.csv"));

    let two = format!("{FILE}[[dataset]]\nmatch = \"raw/b.csv\"\nstore = \"other\"\n");
    let sandbox = shop(&two);
    let ran = attest(&sandbox, "shop/raw/*.csv", &["--no-sidecar"]);
    ran.ends(
        2,
        &["different stores: shop/kept for shop/raw/a.csv, shop/other for"],
    );
    assert!(!sandbox.path("shop/kept").exists() && !sandbox.path("shop/other").exists());
    attest(
        &sandbox,
        "shop/raw/*.csv",
        &["--no-sidecar", "--store", "mine"],
    )
    .ends(0, &["2 attested"]);
}

#[test]
fn one_fixed_name_in_the_file_for_many_is_refused_with_the_fix() {
    let named = format!("{FILE}name = \"sales\"\n");
    let sandbox = shop(&named);
    let ran = attest(&sandbox, "shop/raw/*.csv", &[]);
    ran.ends(
        2,
        &[
            "would both be named \"sales\", from [defaults] in shop/makoto.toml:6",
            "hint: use {stem}",
        ],
    );
    assert!(!sandbox.path("shop/raw/a.csv.attestation").exists());
    assert!(!sandbox.path("shop/kept").exists());
    attest(&sandbox, "shop/raw/a.csv", &[]).ends(0, &[]);
    attest(
        &sandbox,
        "shop/raw/*.csv",
        &["--name", "sales/{stem}", "--replace"],
    )
    .ends(0, &["1 replaced, 1 attested"]);

    // A section that names one of them is about that one alone.
    let one = format!("{FILE}[[dataset]]\nmatch = \"raw/b.csv\"\nname = \"sales\"\n");
    let sandbox = shop(&one);
    attest(&sandbox, "shop/raw/*.csv", &[]).ends(0, &["2 attested"]);
    passes(&sandbox.verify("shop/raw/b.csv", &["--as", "sales"]));
}

#[test]
fn what_verifies_or_looks_takes_no_store_from_the_file() {
    let sandbox = shop(FILE);
    attest(&sandbox, "shop/raw/a.csv", &["--no-sidecar"]).ends(0, &[]);
    sandbox.makoto(&["verify", "shop/raw/a.csv"]).ends(1, &[]);
    sandbox.makoto(&["find", "shop/raw/a.csv"]).ends(2, &[]);
    let ran = sandbox.makoto(&["lineage", "shop/raw/a.csv"]);
    assert_ne!(ran.status, 0, "{ran:?}");
}
