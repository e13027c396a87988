//! Packages judged by a policy: what comes along in one decides nothing.

use makoto::json::Json;

use crate::document::{at, fails, has_check, text};
use crate::judged::{BY, COLLECTOR, POLICY, attest, in_workshop, passes, sign, signed, trust};

#[test]
fn attack_88_trust_that_comes_in_a_package_or_beside_the_data_changes_no_verdict() {
    let sandbox = signed();
    // Signed by somebody whom the given policy does not allow, and the data's own would.
    std::fs::remove_file(sandbox.path("data/orders.csv.attestation")).expect("removed");
    attest(&sandbox, "data/orders.csv", &[]);
    sign(&sandbox, "data/orders.csv", "other");
    trust(&sandbox, "data");
    let lax = POLICY.replace("collectors/1", "**");
    for file in [
        "data/policy.toml",
        "policy.toml",
        "data/orders.csv.policy.toml",
    ] {
        sandbox.write(file, &lax);
    }
    let key = in_workshop(|workshop| workshop.read("other.pem"));
    for file in ["data/keys.json", "data/trusted_keys.pem", "data/cosign.pub"] {
        sandbox.write(file, &key);
    }
    fails(
        &sandbox.verify("data/orders.csv", &BY),
        &["L2.V.4", "collectors/2"],
    );
    let own = ["--policy", "data/policy.toml"];
    passes(&sandbox.verify("data/orders.csv", &own));
    // The same in a package that brings all of it along.
    let pack = ["pack", "data/orders.csv", "--output", "orders.zip"];
    sandbox.makoto(&pack).ends(0, &[]);
    let python = "import sys, zipfile\n\
        with zipfile.ZipFile('orders.zip', 'a') as package:\n\
        \x20   for name in sys.argv[1:]:\n\
        \x20       package.write('data/' + name, name)\n";
    let mut command = sandbox.program("python3");
    let files = ["policy.toml", "trusted_root.json", "keys.json"];
    let added = crate::sandbox::finish(command.args(["-c", python]).args(files), b"");
    assert_eq!(added.status, 0, "{added:?}");
    let (status, report) = sandbox.verify("orders.zip", &BY);
    assert_eq!((status, text(&report, "verdict")), (1, "fail"), "{report}");
    assert_eq!(at(&report, "level"), &Json::Null);
}

#[test]
fn what_comes_along_in_a_package_is_an_attestation_or_proves_nothing() {
    let sandbox = signed();
    sandbox.write("data/clean.csv", "id,total\n1,9.50\n");
    let step = [
        "attest",
        "transform",
        "data/clean.csv",
        "--input",
        "data/orders.csv",
    ];
    let times = [
        "--started",
        "2026-11-01T08:00:00Z",
        "--finished",
        "2026-11-01T08:00:00Z",
    ];
    let by = ["--executor", COLLECTOR];
    sandbox
        .makoto(&[&step[..], &by, &times].concat())
        .ends(0, &[]);
    sign(&sandbox, "data/clean.csv", "collector");
    sandbox
        .makoto(&["pack", "data/clean.csv", "--output", "all.zip"])
        .ends(0, &[]);
    // The attestation of its input came along, and is all there is.
    std::fs::remove_dir_all(sandbox.path("data")).expect("removed");
    let verified = sandbox.verify("all.zip", &BY);
    passes(&verified);
    assert_eq!(text(&verified.1, "lineageLevel"), "L2");
    let add = "import sys, zipfile\n\
        with zipfile.ZipFile('all.zip', 'a') as package:\n\
        \x20   package.writestr('attestations/%s.json' % ('0' * 64), sys.argv[1])\n";
    let good = sandbox.read("all.zip");
    for hidden in ["id,v\n1,EVIL\n", "{\"_type\":\"x\"}"] {
        sandbox.write("all.zip", &good);
        let mut command = sandbox.program("python3");
        let added = crate::sandbox::finish(command.args(["-c", add, hidden]), b"");
        assert_eq!(added.status, 0, "{added:?}");
        let verified = sandbox.verify("all.zip", &BY);
        passes(&verified);
        let told = ["V1", "attestations/000", "proves nothing"];
        assert!(has_check(&verified.1, "warn", &told), "{}", verified.1);
    }
}

#[test]
fn a_member_that_was_changed_fails_and_nobody_signed_the_package() {
    let sandbox = signed();
    sandbox.write("data/clean.csv", "id,total\n1,9.50\n");
    attest(&sandbox, "data/clean.csv", &[]);
    sign(&sandbox, "data/clean.csv", "collector");
    sandbox
        .makoto(&[
            "pack",
            "data/orders.csv",
            "data/clean.csv",
            "--output",
            "two.zip",
        ])
        .ends(0, &[]);
    let (status, report) = sandbox.verify("two.zip", &BY);
    // Each has a statement of its own, and what that lacks is told of each.
    for name in ["data/orders.csv", "data/clean.csv"] {
        assert!(
            has_check(&report, "warn", &[name, "sourceType"]),
            "{report}"
        );
    }
    assert_eq!(
        (status, text(&report, "signers.0.name")),
        (0, COLLECTOR),
        "{report}"
    );
    let python = "import zipfile\n\
        with zipfile.ZipFile('two.zip') as package:\n\
        \x20   all = [(info, package.read(info)) for info in package.infolist()]\n\
        with zipfile.ZipFile('two.zip', 'w') as package:\n\
        \x20   for info, data in all:\n\
        \x20       package.writestr(info, data.replace(b'9.50', b'9.51') if info.filename == 'data/clean.csv' else data)\n";
    let mut command = sandbox.program("python3");
    let changed = crate::sandbox::finish(command.args(["-c", python]), b"");
    assert_eq!(changed.status, 0, "{changed:?}");
    let refused = sandbox.verify("two.zip", &BY);
    fails(&refused, &["V3"]);
    assert!(has_check(&refused.1, "fail", &["L2.V.10"]), "{}", refused.1);
    assert_eq!(at(&refused.1, "signers").as_array(), Some(&[][..]));
}
