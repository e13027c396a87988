//! A policy that travels in a package, and counts for whoever knows its digest alone.

use crate::document::{fails, has_check, text};
use crate::judged::{BY, POLICY, passes, signed};
use crate::sandbox::{Ran, Sandbox, finish};

fn pack(sandbox: &Sandbox, policy: &str) -> Ran {
    let pack = ["pack", "data/orders.csv", "-o", "orders.zip", "--replace"];
    sandbox.makoto(&[&pack[..], &["--policy", policy]].concat())
}

/// The digest that `pack` tells of the policy.
fn digest_in(ran: &Ran) -> String {
    let line = ran
        .stdout
        .lines()
        .find(|line| line.contains("--package-trust"));
    let digest = line.and_then(|line| line.split_whitespace().last());
    digest.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

/// Writes members of a package anew, as anyone can.
fn rewrite(sandbox: &Sandbox, package: &str, member: &str, content: &str) {
    let python = "import sys, zipfile\n\
        package, member, content = sys.argv[1:]\n\
        with zipfile.ZipFile(package) as old:\n\
        \x20   all = {name: old.read(name) for name in old.namelist()}\n\
        all[member] = content.encode()\n\
        with zipfile.ZipFile(package, 'w') as new:\n\
        \x20   for name, bytes in all.items():\n\
        \x20       new.writestr(name, bytes)\n";
    let mut command = sandbox.program("python3");
    let ran = finish(command.args(["-c", python, package, member, content]), b"");
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_policy_in_a_package_counts_by_its_digest_alone() {
    let sandbox = signed();
    let ran = pack(&sandbox, BY[1]);
    ran.ends(0, &[]);
    let digest = digest_in(&ran);
    std::fs::remove_dir_all(sandbox.path("trust")).expect("removed");
    passes(&sandbox.verify("orders.zip", &["--package-trust", &digest]));
    // At L1 it decides nothing, and that it is there is told.
    let (status, report) = sandbox.verify("orders.zip", &[]);
    assert_eq!((status, text(&report, "level")), (0, "L1"), "{report}");
    assert!(has_check(&report, "skip", &["L2.V.4", &digest]), "{report}");
    // The digest is that of the files as a folder.
    let mut unzip = sandbox.program("python3");
    unzip.args(["-m", "zipfile", "-e", "orders.zip", "out"]);
    assert_eq!(finish(&mut unzip, b"").status, 0);
    let statement = sandbox.attested("out/trust", &[]);
    let folder = text(&statement, "subject.0.digest.sha256");
    assert_eq!(digest, format!("sha256:{folder}"));
}

#[test]
fn attack_88_a_policy_that_was_swapped_in_a_package_is_not_the_one_that_was_named() {
    let sandbox = signed();
    let ran = pack(&sandbox, BY[1]);
    let digest = digest_in(&ran);
    let named = ["--package-trust", digest.as_str()];
    passes(&sandbox.verify("orders.zip", &named));
    let lax = POLICY.replace("collectors/1", "**");
    for (member, content) in [
        ("trust/policy.toml", lax.as_str()),
        ("trust/more.pem", "one file more"),
        ("trust/trusted_root.json", "{}"),
    ] {
        std::fs::copy(sandbox.path("orders.zip"), sandbox.path("bad.zip")).expect("copied");
        rewrite(&sandbox, "bad.zip", member, content);
        fails(&sandbox.verify("bad.zip", &named), &["L2.V.4", &digest]);
        // Whoever has a policy of their own is not moved by any.
        passes(&sandbox.verify("bad.zip", &BY));
    }
    let ran = sandbox.makoto(&["pack", "data/orders.csv", "-o", "bare.zip"]);
    ran.ends(0, &[]);
    fails(
        &sandbox.verify("bare.zip", &named),
        &["L2.V.4", "no policy"],
    );
    passes(&sandbox.verify("orders.zip", &named));
}

#[test]
fn a_policy_of_a_package_is_asked_for_in_one_way() {
    let sandbox = signed();
    let digest = digest_in(&pack(&sandbox, BY[1]));
    let named = ["--package-trust", digest.as_str()];
    for (arguments, told) in [
        (&["orders.zip", BY[0], BY[1]][..], "cannot be used with"),
        (&["data/orders.csv"], "no sound package"),
        (&["orders.zip", "data/orders.csv"], "one package"),
    ] {
        let ran = sandbox.makoto(&[&["verify"], arguments, &named].concat());
        ran.ends(2, &[told]);
    }
    let short = ["verify", "orders.zip", "--package-trust", "sha256:abc"];
    sandbox.makoto(&short).ends(2, &["64"]);
}

#[test]
fn what_could_not_be_judged_by_its_policy_is_not_packed() {
    let sandbox = signed();
    let stranger = POLICY.replace("collectors/1", "collectors/2");
    sandbox.write("trust/stranger.toml", stranger);
    pack(&sandbox, "trust/stranger.toml").ends(1, &["nothing was packed"]);
    let outside = POLICY.replace("trusted_root.json", "../trust/trusted_root.json");
    sandbox.write("trust/outside.toml", outside);
    pack(&sandbox, "trust/outside.toml").ends(2, &["not below its folder"]);
    sandbox.write("trust/broken.toml", "version = 1\n");
    pack(&sandbox, "trust/broken.toml").ends(2, &["trusted-root"]);
    assert!(!sandbox.exists("orders.zip"));
}
