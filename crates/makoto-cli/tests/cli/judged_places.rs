//! Rules that are chosen by where the data is: by its paths, links and packages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::document::fails;
use crate::judged::{BY, COLLECTOR, POLICY, attest, passes, sign, signed, trust};
use crate::sandbox::Sandbox;

/// Rules by place: `strict/` for the collector, `lax/` for the other.
const PLACES: &str = r#"version = 1
trusted-root = "trust/trusted_root.json"

[[dataset]]
name = "dataset:strict"
paths = ["strict/*"]
require = "L2"
signers = [{ uri = "https://acme.example/collectors/1", ca = "acme" }]

[[dataset]]
name = "dataset:lax"
paths = ["lax/*", "linked/*"]
require = "L2"
signers = [{ uri = "https://acme.example/collectors/2", ca = "acme" }]
"#;

/// Data of `name`, attested and signed in its folder.
fn placed(sandbox: &Sandbox, data: &str, name: &str, signer: &str, collector: &str) {
    sandbox.write(data, format!("id,v\n1,{name}\n"));
    let by = [
        "--source",
        "https://erp.acme.example/x",
        "--collector",
        collector,
    ];
    let attest = ["attest", "origin", data, "--name", name];
    sandbox.makoto(&[&attest, &by[..]].concat()).ends(0, &[]);
    sign(sandbox, data, signer);
}

#[test]
fn attack_87_a_link_does_not_choose_the_rule() {
    let sandbox = Sandbox::new();
    trust(&sandbox, "trust");
    sandbox.write("policy.toml", PLACES);
    let other = "https://acme.example/collectors/2";
    placed(
        &sandbox,
        "strict/a.csv",
        "dataset:strict",
        "collector",
        COLLECTOR,
    );
    placed(&sandbox, "lax/x.csv", "dataset:lax", "other", other);
    let by = ["--policy", "policy.toml"];
    passes(&sandbox.verify("strict/a.csv", &by));
    passes(&sandbox.verify("lax/x.csv", &by));
    // The file by a link, with its own good attestation beside it.
    symlink("../lax/x.csv", sandbox.path("strict/x.csv")).expect("a link");
    sandbox.write(
        "strict/x.csv.attestation",
        sandbox.read("lax/x.csv.attestation"),
    );
    fails(
        &sandbox.verify("strict/x.csv", &by),
        &["L2.V.4", "dataset:strict"],
    );
    fails(
        &sandbox.verify("lax/../strict/x.csv", &by),
        &["L2.V.4", "dataset:strict"],
    );
    // The folder by a link, which the lax rule is for, and the strict one for what it leads to.
    symlink("strict", sandbox.path("linked")).expect("a link");
    fails(&sandbox.verify("linked/a.csv", &by), &["L2.V.4"]);
    // By a name of the whole folder that lies elsewhere, by a link in the middle, by a link to the
    // link, and by a name that is no text.
    let strict = ["L2.V.4", "dataset:strict"];
    let elsewhere = Sandbox::new();
    symlink(sandbox.path(""), elsewhere.path("alias")).expect("a link");
    let alias = elsewhere.path("alias/strict/x.csv");
    fails(&sandbox.verify(&alias.to_string_lossy(), &by), &strict);
    std::fs::create_dir(sandbox.path("sub")).expect("a folder");
    symlink("..", sandbox.path("sub/up")).expect("a link");
    fails(&sandbox.verify("sub/up/strict/x.csv", &by), &strict);
    symlink("../strict/x.csv", sandbox.path("sub/y.csv")).expect("a link");
    sandbox.write(
        "sub/y.csv.attestation",
        sandbox.read("lax/x.csv.attestation"),
    );
    fails(&sandbox.verify("sub/y.csv", &by), &strict);
    let odd = sandbox.path("strict").join(OsStr::from_bytes(b"\xff.csv"));
    symlink("../lax/x.csv", &odd).expect("a link");
    let beside = OsStr::from_bytes(b"\xff.csv.attestation");
    let good = sandbox.read("lax/x.csv.attestation");
    std::fs::write(sandbox.path("strict").join(beside), good).expect("written");
    let mut command = sandbox.command();
    command.arg("verify").arg(&odd).args(by).arg("--json");
    let ran = crate::sandbox::finish(&mut command, b"");
    fails(&(ran.status, ran.json()), &strict);
    // Good data is good by every name that its rule allows.
    passes(&sandbox.verify(&elsewhere.path("alias/strict/a.csv").to_string_lossy(), &by));
    passes(&sandbox.verify("sub/up/lax/x.csv", &by));
    passes(&sandbox.verify("lax/x.csv", &by));
}

#[test]
fn attack_87_a_package_in_the_place_of_the_data_is_no_data() {
    let sandbox = signed();
    sandbox
        .makoto(&["pack", "data/orders.csv", "--output", "orders.zip"])
        .ends(0, &[]);
    passes(&sandbox.verify("orders.zip", &BY));
    let named = ["--as", "dataset:orders"];
    passes(&sandbox.verify("orders.zip", &[&BY[..], &named].concat()));
    // Whoever is sure of the verdict reads the file as a table.
    sandbox.write("got/orders.csv", sandbox.read("orders.zip"));
    fails(
        &sandbox.verify("got/orders.csv", &[&BY[..], &named].concat()),
        &["V1"],
    );
    let batch = [&["verify", "got/*.csv"], &BY[..]].concat();
    sandbox.makoto(&batch).ends(1, &["looks like a package"]);
    passes(&sandbox.verify(
        "got/orders.csv",
        &[&BY[..], &["--member", "orders.csv"]].concat(),
    ));
}

#[test]
fn a_rule_is_chosen_by_the_place_of_the_data() {
    let sandbox = signed();
    let policy = POLICY.replace(
        "require = \"L2\"\nsigners",
        "require = \"L2\"\npaths = [\"../x/*\"]\nsigners",
    );
    sandbox.write("trust/bad.toml", policy);
    sandbox
        .makoto(&["verify", "data/orders.csv", "--policy", "trust/bad.toml"])
        .ends(2, &["paths"]);
    let by_place = POLICY.replacen(
        "require = \"L2\"",
        "require = \"L2\"\npaths = [\"data/*.csv\"]",
        1,
    );
    sandbox.write(
        "policy.toml",
        by_place.replace("trusted_root", "trust/trusted_root"),
    );
    let by = ["--policy", "policy.toml"];
    passes(&sandbox.verify("data/orders.csv", &by));
    // Other data of the same signer in its place.
    attest(
        &sandbox,
        "data/orders.csv",
        &["--name", "dataset:clean", "--replace"],
    );
    sign(&sandbox, "data/orders.csv", "collector");
    fails(
        &sandbox.verify("data/orders.csv", &by),
        &["L2.V.4", "must be called"],
    );
}
