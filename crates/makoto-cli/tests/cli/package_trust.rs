//! A policy that travels in a package, and counts for whoever knows its digest alone.

use makoto::digest::Digest;

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
    assert!(
        has_check(&report, "skip", &["L2.V.4", "came along"]),
        "{report}"
    );
    let ran = sandbox.makoto(&["verify", "orders.zip"]);
    ran.ends(
        0,
        &["trust/policy.toml", "trust/trusted_root.json", "no data"],
    );
    let (_, report) = sandbox.verify("orders.zip", &["--package-trust", &digest]);
    assert!(has_check(&report, "pass", &["L2.V.4", &digest]), "{report}");
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
        ("trust/trusted_root.json", "{}"),
    ] {
        std::fs::copy(sandbox.path("orders.zip"), sandbox.path("bad.zip")).expect("copied");
        rewrite(&sandbox, "bad.zip", member, content);
        fails(&sandbox.verify("bad.zip", &named), &["L2.V.4", &digest]);
        let junit = ["--junit", "j.xml"];
        fails(
            &sandbox.verify("bad.zip", &[&named[..], &junit].concat()),
            &["L2.V.4"],
        );
        assert!(sandbox.read_text("j.xml").contains("failures=\"1\""));
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
fn what_no_policy_names_is_data_wherever_it_lies() {
    let sandbox = signed();
    let digest = digest_in(&pack(&sandbox, BY[1]));
    let named = ["--package-trust", digest.as_str()];
    rewrite(&sandbox, "orders.zip", "trust/customers.csv", "a\n1\n");
    for by in [&[][..], &BY, &named] {
        fails(&sandbox.verify("orders.zip", by), &["V3", "not attested"]);
    }
    pack(&sandbox, BY[1]).ends(0, &[]);
    // Without a policy that can be read, nothing there is its file.
    rewrite(&sandbox, "orders.zip", "trust/policy.toml", "version = 2\n");
    fails(&sandbox.verify("orders.zip", &[]), &["V3", "not attested"]);
}

#[test]
fn a_policy_in_a_package_names_only_what_came_along() {
    let sandbox = signed();
    for elsewhere in ["../trusted_root.json", "/trusted_root.json"] {
        pack(&sandbox, BY[1]).ends(0, &[]);
        let root = sandbox.read("trust/trusted_root.json");
        let elsewhere = match elsewhere.strip_prefix('/') {
            None => elsewhere.to_owned(),
            Some(name) => sandbox.path(name).display().to_string(),
        };
        // Where the package is, there is such a file.
        sandbox.write("trusted_root.json", &root);
        let policy = POLICY.replace("trusted_root.json", &elsewhere);
        rewrite(&sandbox, "orders.zip", "trust/policy.toml", &policy);
        // Only the policy is left of what it names, and its digest is known.
        let mut python = sandbox.program("python3");
        let script = "import zipfile\n\
            with zipfile.ZipFile('orders.zip') as old:\n\
            \x20   all = {n: old.read(n) for n in old.namelist() if n != 'trust/trusted_root.json'}\n\
            with zipfile.ZipFile('orders.zip', 'w') as new:\n\
            \x20   for name, bytes in all.items():\n\
            \x20       new.writestr(name, bytes)\n";
        let ran = finish(python.args(["-c", script]), b"");
        assert_eq!(ran.status, 0, "{ran:?}");
        let manifest = format!("{}  policy.toml\n", Digest::of(policy.as_bytes()));
        let digest = format!("sha256:{}", Digest::of(manifest.as_bytes()));
        let verify = ["verify", "orders.zip", "--package-trust", &digest];
        sandbox.makoto(&verify).ends(2, &["orders.zip!trust/"]);
        std::fs::remove_file(sandbox.path("trusted_root.json")).expect("removed");
    }
}

#[test]
fn a_policy_for_several_datasets_travels_with_their_names() {
    let sandbox = signed();
    let prices = "[[dataset]]\nname = \"dataset:prices\"\nrequire = \"L2\"\nsigners = []\n";
    sandbox.write("trust/two.toml", format!("{POLICY}{prices}"));
    // By its claimed name alone, every rule must hold.
    pack(&sandbox, "trust/two.toml").ends(1, &["nothing was packed"]);
    let template = "dataset:{stem}";
    let pack = [
        "pack",
        "data/orders.csv",
        "-o",
        "orders.zip",
        "--as",
        template,
    ];
    let ran = sandbox.makoto(&[&pack[..], &["--policy", "trust/two.toml"]].concat());
    ran.ends(0, &[]);
    let digest = digest_in(&ran);
    let named = ["--package-trust", digest.as_str(), "--as", template];
    passes(&sandbox.verify("orders.zip", &named));
    fails(&sandbox.verify("orders.zip", &named[..2]), &["L2.V.4"]);
}

#[test]
fn a_package_that_is_not_sound_fails_with_its_policy_as_without() {
    let sandbox = signed();
    let digest = digest_in(&pack(&sandbox, BY[1]));
    let mut bytes = sandbox.read("orders.zip");
    let at = bytes.windows(9).position(|part| part == b"version =");
    bytes[at.expect("the policy")] ^= 1;
    sandbox.write("orders.zip", bytes);
    for by in [&["--package-trust", digest.as_str()][..], &BY, &[]] {
        let (status, report) = sandbox.verify("orders.zip", by);
        assert_eq!((status, text(&report, "verdict")), (1, "fail"), "{report}");
    }
    let absent = ["verify", "absent.zip", "--package-trust", &digest];
    sandbox.makoto(&absent).ends(2, &["No such file"]);
}

#[test]
fn a_policy_of_a_package_is_asked_for_in_one_way() {
    let sandbox = signed();
    let digest = digest_in(&pack(&sandbox, BY[1]));
    let named = ["--package-trust", digest.as_str()];
    for (arguments, told) in [
        (&["orders.zip", BY[0], BY[1]][..], "cannot be used with"),
        (&["orders.zip", "data/orders.csv"], "one package"),
    ] {
        let ran = sandbox.makoto(&[&["verify"], arguments, &named].concat());
        ran.ends(2, &[told]);
    }
    let (status, report) = sandbox.verify("data/orders.csv", &named);
    assert_eq!((status, text(&report, "verdict")), (1, "fail"), "{report}");
    // Not by a list of one either.
    sandbox.write("list", "data/orders.csv\n");
    let listed = ["verify", "orders.zip", "--files-from", "list"];
    sandbox
        .makoto(&[&listed, &named[..]].concat())
        .ends(2, &["one package"]);
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
    let root = sandbox.read("trust/trusted_root.json");
    sandbox.write("other/policy.toml", root);
    let twice = POLICY.replace("trusted_root.json", "policy.toml");
    sandbox.write("other/own.toml", twice);
    pack(&sandbox, "other/own.toml").ends(2, &["as the policy is in a package"]);
    assert!(!sandbox.exists("orders.zip"));
    // Neither the policy nor what it names is overwritten.
    for own in ["trust/policy.toml", "trust/trusted_root.json"] {
        let before = sandbox.read(own);
        let pack = ["pack", "data/orders.csv", "-o", own, "--replace"];
        let ran = sandbox.makoto(&[&pack[..], &BY].concat());
        ran.ends(2, &["being read"]);
        assert_eq!(sandbox.read(own), before);
    }
    // `./` is the same folder.
    let here = POLICY.replace("trusted_root.json", "./trusted_root.json");
    sandbox.write("trust/here.toml", here);
    let ran = pack(&sandbox, "trust/here.toml");
    ran.ends(0, &[]);
    let digest = digest_in(&ran);
    passes(&sandbox.verify("orders.zip", &["--package-trust", &digest]));
}
