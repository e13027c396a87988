//! Keys that an owner publishes, retires and takes back, and what a verifier remembers of that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::{fails, has_check, text};
use crate::sandbox::{Sandbox, finish, parse};
use crate::signing::{SIGNER, signers};
use crate::tsa::{Answer, Authorities};

const OWNER: [&str; 4] = ["--owner-key", "owner", "--passphrase-file", "pass"];

/// Orders that `k` signed, a key set with `k` by the owner's key, and a policy that pins it.
fn published() -> Sandbox {
    let (sandbox, authorities) = (signers(), Authorities::new());
    let tsa = authorities.serve(Answer::Honest);
    sandbox
        .makoto(&[
            "key",
            "generate",
            "--out",
            "owner",
            "--passphrase-file",
            "pass",
        ])
        .ends(0, &[]);
    sandbox.write("root.json", authorities.root("ca"));
    let attest = [
        "attest",
        "origin",
        "orders.csv",
        "--source",
        "https://erp.example.com",
        "--collector",
        "data-team",
        "--tsa",
        &tsa,
    ];
    sandbox
        .makoto(&[&attest[..], &SIGNER].concat())
        .ends(0, &[]);
    key(
        &sandbox,
        &[
            "publish",
            "k.pub",
            "--owner",
            "data-team",
            "--from",
            "2026-01-01T00:00:00Z",
        ],
    );
    sandbox.write("keys.pem", sandbox.read("owner.pub"));
    policy(&sandbox, "");
    sandbox
}

fn key(sandbox: &Sandbox, arguments: &[&str]) {
    let arguments = [&["key"], arguments, &OWNER].concat();
    sandbox.makoto(&arguments).ends(0, &[]);
}

fn id(sandbox: &Sandbox, name: &str) -> String {
    let shown = sandbox.makoto(&["key", "show", name, "--json"]);
    shown.ends(0, &[]);
    text(&parse(shown.stdout.as_bytes()), "id").to_owned()
}

fn policy(sandbox: &Sandbox, more: &str) {
    let owner = id(sandbox, "owner.pub");
    let policy = format!(
        "version = 1\ntrusted-root = \"root.json\"\ntrusted-keys = \"keys.pem\"\n\n[[keysets]]\n\
         name = \"acme\"\nfile = \"keys.json\"\nkey = \"{owner}\"\n{more}\n[[dataset]]\n\
         name = \"dataset:*\"\nrequire = \"L2\"\nsigners = [{{ keyset = \"acme\" }}]\n"
    );
    sandbox.write("policy.toml", policy);
}

const BY: [&str; 2] = ["--policy", "policy.toml"];

#[test]
fn a_key_that_its_owner_published_counts_and_is_shown_by_the_owners_name() {
    let sandbox = published();
    let (status, report) = sandbox.verify("orders.csv", &BY);
    assert_eq!((status, text(&report, "level")), (0, "L2"), "{report}");
    assert_eq!(text(&report, "signers.0.name"), "data-team");
    // Another key of nobody's set does not.
    let other = [
        &["sign", "orders.csv.attestation", "--out", "other"],
        &SIGNER[..],
    ]
    .concat();
    let other: Vec<_> = other
        .iter()
        .map(|one| one.replace("file:k", "file:k2"))
        .collect();
    let other: Vec<_> = other.iter().map(String::as_str).collect();
    sandbox.makoto(&other).ends(0, &[]);
    let refused = sandbox.verify(
        "orders.csv",
        &[&BY[..], &["--attestation", "other"]].concat(),
    );
    assert_eq!(refused.0, 1, "{}", refused.1);
}

#[test]
fn attack_91_an_older_set_is_refused_once_a_newer_one_was_seen() {
    let sandbox = published();
    let first = sandbox.read("keys.json");
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    let k = id(&sandbox, "k.pub");
    let revoke = [
        "revoke",
        &k,
        "--from",
        "2026-02-01T00:00:00Z",
        "--reason",
        "laptop stolen",
    ];
    key(&sandbox, &revoke);
    fails(
        &sandbox.verify("orders.csv", &BY),
        &["L2.V.3", "2026-02-01"],
    );
    // The set from before the revocation.
    sandbox.write("keys.json", &first);
    let ran = sandbox.makoto(&[&["verify", "orders.csv"], &BY[..]].concat());
    ran.ends(1, &["version"]);
    let told = sandbox.makoto(&[&["verify", "orders.csv", "--json"], &BY[..]].concat());
    assert!(told.stdout.contains("\"id\":\"L2.P.4\""), "{told:?}");
    let report = told.json();
    let digest = format!("sha256:{}", sandbox.sha256("policy.toml"));
    assert_eq!(text(&report, "policy.digest"), digest);
    assert!(text(&report, "trustedRoot.digest").starts_with("sha256:"));
    let junit = ["--junit", "j.xml"];
    let (status, _) = sandbox.verify("orders.csv", &[&BY[..], &junit].concat());
    assert_eq!(status, 1);
    assert!(sandbox.read_text("j.xml").contains("L2.P.4"));
    // A verifier that has seen nothing is guarded by the policy.
    std::fs::remove_dir_all(sandbox.path("state")).expect("removed");
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    policy(&sandbox, "at-least = 2\n");
    sandbox
        .makoto(&[&["verify", "orders.csv"], &BY[..]].concat())
        .ends(1, &["version"]);
}

#[test]
fn attack_25_a_set_by_another_owner_in_the_place_of_the_pinned_ones() {
    let sandbox = published();
    let good = sandbox.read("keys.json");
    std::fs::remove_file(sandbox.path("keys.json")).expect("removed");
    let forged = [
        "key",
        "publish",
        "k.pub",
        "--owner",
        "data-team",
        "--owner-key",
        "k2",
        "--passphrase-file",
        "pass",
    ];
    sandbox.makoto(&forged).ends(0, &[]);
    sandbox
        .makoto(&[&["verify", "orders.csv"], &BY[..]].concat())
        .ends(1, &["keys.json"]);
    let told = sandbox.makoto(&[&["verify", "orders.csv", "--json"], &BY[..]].concat());
    assert!(told.stdout.contains("\"id\":\"L2.P.4\""), "{told:?}");
    sandbox.write("keys.json", good);
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
}

#[test]
fn a_key_that_was_rotated_still_counts_for_what_it_signed() {
    let sandbox = published();
    let k = id(&sandbox, "k.pub");
    key(
        &sandbox,
        &["rotate", &k, "k2.pub", "--at", "2099-01-01T00:00:00Z"],
    );
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    // Retired before it signed.
    let sandbox = published();
    let k = id(&sandbox, "k.pub");
    key(
        &sandbox,
        &["rotate", &k, "k2.pub", "--at", "2026-02-01T00:00:00Z"],
    );
    fails(&sandbox.verify("orders.csv", &BY), &["L2.V.3"]);
}

#[test]
fn what_cannot_be_published_or_taken_back_changes_nothing() {
    let sandbox = published();
    let before = sandbox.read("keys.json");
    let k = id(&sandbox, "k.pub");
    for (arguments, told) in [
        (vec!["publish", "k.pub"], "in the key set already"),
        (vec!["publish", "k"], "a public key is published"),
        (
            vec!["publish", "k2.pub", "--owner", "web-team"],
            "is of \"data-team\"",
        ),
        (
            vec![
                "revoke",
                "sha256:00",
                "--from",
                "2026-01-01T00:00:00Z",
                "--reason",
                "x",
            ],
            "no id of a key",
        ),
        (
            vec!["revoke", &k, "--from", "yesterday", "--reason", "x"],
            "--from",
        ),
    ] {
        let arguments = [&["key"], &arguments[..], &OWNER].concat();
        let ran = sandbox.makoto(&arguments);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
    // Somebody else's key does not sign into it.
    let stranger = [
        "key",
        "publish",
        "k2.pub",
        "--owner-key",
        "k2",
        "--passphrase-file",
        "pass",
    ];
    assert_eq!(sandbox.makoto(&stranger).status, 2);
    assert_eq!(sandbox.read("keys.json"), before);
}

#[test]
fn a_memory_that_cannot_be_read_stops_everything() {
    let sandbox = published();
    sandbox.write("state", "a file where the folder would be");
    let ran = sandbox.makoto(&[&["verify", "orders.csv"], &BY[..]].concat());
    ran.ends(2, &["makoto/keysets"]);
    std::fs::remove_file(sandbox.path("state")).expect("removed");
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    let owner = id(&sandbox, "owner.pub").replace("sha256:", "");
    sandbox.write(&format!("state/makoto/keysets/{owner}.json"), "{}");
    sandbox
        .makoto(&[&["verify", "orders.csv"], &BY[..]].concat())
        .ends(2, &["does not hold what was remembered"]);
    let (_, report) = sandbox.verify("orders.csv", &BY);
    assert!(!has_check(&report, "pass", &["L2.V.4"]));
}

#[test]
fn of_changes_at_the_same_time_none_is_lost() {
    let sandbox = published();
    let all = "for name in a b c d e; do
          openssl genpkey -algorithm ed25519 -out $name.key
          openssl pkey -in $name.key -pubout -out $name.pub
        done
        for name in a b c d e; do
          \"$makoto\" key publish $name.pub --owner-key owner --passphrase-file pass &
          \"$makoto\" policy allow --name dataset:x --key $name.pub --owner $name &
        done
        wait";
    finish(&mut sandbox.shell(all), b"").ends(0, &[]);
    for name in ["a", "b", "c", "d", "e"] {
        let file = format!("{name}.pub");
        let twice = [&["key", "publish", &file], &OWNER[..]].concat();
        sandbox.makoto(&twice).ends(2, &["in the key set already"]);
        let pem = sandbox.read_text(&file);
        assert!(sandbox.read_text("keys.pem").contains(&pem), "{name}");
        let rule = format!(
            "{{ key = \"{}\", owner = \"{name}\" }}",
            id(&sandbox, &file)
        );
        assert!(sandbox.read_text("policy.toml").contains(&rule), "{name}");
    }
    sandbox
        .makoto(&["policy", "check", "policy.toml"])
        .ends(0, &[]);
}

#[test]
fn a_new_key_counts_from_the_second_on_in_which_it_was_published() {
    let sandbox = published();
    let k = id(&sandbox, "k.pub");
    key(&sandbox, &["publish", "k2.pub"]);
    sandbox.makoto(&[
        "key",
        "generate",
        "--out",
        "k3",
        "--passphrase-file",
        "pass",
    ]);
    key(&sandbox, &["rotate", &k, "k3.pub"]);
    let set = sandbox.json("keys.json");
    let payload = STANDARD.decode(text(&set, "payload")).expect("base64");
    let payload = parse(&payload);
    for moment in ["keys.0.until", "keys.1.from", "keys.2.from"] {
        let moment = text(&payload, moment);
        assert_eq!(moment.len(), "2026-01-01T00:00:00Z".len(), "{moment}");
    }
}

fn check(sandbox: &Sandbox, status: i32, told: &[&str]) {
    let ran = sandbox.makoto(&["policy", "check", "policy.toml"]);
    ran.ends(status, &[]);
    for text in told {
        assert!(ran.stdout.contains(text), "{text}: {ran:?}");
    }
}

#[test]
fn the_check_of_a_policy_reads_key_sets_as_verify_does() {
    let sandbox = published();
    check(&sandbox, 0, &["all is well"]);
    assert!(
        !sandbox.exists("state"),
        "what was looked at is not remembered"
    );
    let good = sandbox.read_text("keys.json");
    let problem = "problem: policy.toml:";
    sandbox.write("keys.json", "garbage");
    check(
        &sandbox,
        1,
        &[problem, "policy.toml:5: keys.json: key set is not one JSON"],
    );
    let spoilt = good.replacen("\"sig\":\"", "\"sig\":\"AAAA", 1);
    sandbox.write("keys.json", spoilt);
    check(&sandbox, 1, &[problem, "is not signed by"]);
    sandbox.write("keys.json", &good);
    policy(&sandbox, "at-least = 2\n");
    check(&sandbox, 1, &[problem, "needed at least 2"]);
    let ran = sandbox.makoto(&[&["verify", "orders.csv"], &BY[..]].concat());
    assert!(ran.status != 0, "{ran:?}");
    policy(&sandbox, "");
    sandbox.verify("orders.csv", &BY);
    key(&sandbox, &["publish", "k2.pub"]);
    sandbox.verify("orders.csv", &BY);
    sandbox.write("keys.json", &good);
    check(&sandbox, 1, &[problem, "which was seen before"]);
    let text = sandbox.read_text("policy.toml");
    let rootless = text
        .replace("trusted-root = \"root.json\"\n", "")
        .replace("L2", "L1");
    sandbox.write("keys.json", &good);
    std::fs::remove_dir_all(sandbox.path("state")).expect("removed");
    sandbox.write("policy.toml", rootless);
    check(
        &sandbox,
        1,
        &[problem.trim_end_matches(':'), "names no trusted-root"],
    );
}

#[test]
fn what_is_surely_not_meant_is_a_warning() {
    let sandbox = published();
    let k = id(&sandbox, "k.pub");
    let from = ["--from", "2026-02-01T00:00:00Z", "--reason", "stolen"];
    key(&sandbox, &[&["revoke", &k], &from[..]].concat());
    let pems = [sandbox.read("keys.pem"), sandbox.read("k.pub")].concat();
    sandbox.write("keys.pem", pems);
    let head = sandbox.read_text("policy.toml");
    let head = head.split("[[dataset]]").next().expect("a head");
    let rules = format!(
        "[[dataset]]\nname = \"a:*\"\nrequire = \"L2\"\nsigners = [{{ key = \"{k}\", owner = \"k\" }}]\n
         [[dataset]]\nname = \"a:b\"\nrequire = \"L2\"\nsigners = [{{ uri = \"https://x.example/x\", oidc-issuer = \"https://i.example\" }}]\n
         [[dataset]]\nname = \"a:c\"\nrequire = \"L2\"\nsigners = [{{ keyset = \"acme\" }}]\n
         [[dataset]]\nname = \"b:*\"\nrequire = \"L3\"\nsigners = []\n
         [[dataset]]\nname = \"c:*\"\nrequire = \"L1\"\nsigner-threshold = 2\nsigners = []\ntsa-threshold = 2\nstrict = true\nmax-age = \"1d\"\n"
    );
    sandbox.write("policy.toml", format!("{head}{rules}"));
    check(
        &sandbox,
        0,
        &[
            "was taken back by its owner: nothing counts that it signed from 2026-02-01",
            "\"a:b\" may match \"a:*\" of line 10 too, and they have no signer in common",
            "up to L2: nothing passes",
            "signers is not asked at L1, unless",
            "signer-threshold is not asked at L1, unless",
            "tsa-threshold is not asked at L1, unless",
            "strict is not asked at L1, unless",
        ],
    );
    let ran = sandbox.makoto(&["policy", "check", "policy.toml"]);
    assert!(!ran.stdout.contains("max-age is not asked"), "{ran:?}");
    // A key of the set is common to both.
    assert!(!ran.stdout.contains("\"a:c\" may match"), "{ran:?}");
}

#[test]
fn a_key_set_is_put_into_a_policy_and_allowed_with_one_command() {
    let sandbox = published();
    std::fs::remove_file(sandbox.path("policy.toml")).expect("removed");
    std::fs::remove_file(sandbox.path("keys.pem")).expect("removed");
    let init = ["policy", "init", "--trusted-root", "root.json"];
    sandbox.makoto(&init).ends(0, &[]);
    let allow = |more: &[&str]| {
        let allow = ["policy", "allow", "--name", "dataset:*", "--keyset", "acme"];
        sandbox.makoto(&[&allow, more].concat())
    };
    let before = sandbox.stamp("policy.toml");
    allow(&[]).ends(2, &["no key set \"acme\"", "--keyset-file"]);
    allow(&["--keyset-file", "keys.json"]).ends(2, &["--keyset-key"]);
    let stranger = ["--keyset-file", "keys.json", "--keyset-key", "k.pub"];
    allow(&stranger).ends(1, &["is not signed by", "hint:"]);
    assert_eq!(sandbox.stamp("policy.toml"), before);
    assert!(!sandbox.exists("trusted_keys.pem"));

    let set = ["--keyset-file", "keys.json", "--keyset-key", "owner.pub"];
    allow(&set).ends(0, &["version 1 of data-team"]);
    assert_eq!(sandbox.read("trusted_keys.pem"), sandbox.read("owner.pub"));
    let owner = id(&sandbox, "owner.pub");
    let section = format!(
        "[[keysets]]\nname = \"acme\"\nfile = \"keys.json\"\nkey = \"{owner}\"\nat-least = 1\n"
    );
    let text = sandbox.read_text("policy.toml");
    assert!(text.contains(&section), "{text}");
    assert!(text.find("# max-age") < text.find("[["), "{text}");
    check(&sandbox, 0, &["all is well"]);
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    // Once more, by itself, and for another name.
    let before = sandbox.stamp("policy.toml");
    allow(&set).ends(0, &[]);
    allow(&[]).ends(0, &[]);
    assert_eq!(sandbox.stamp("policy.toml"), before);
    let other = ["policy", "allow", "--name", "x", "--keyset", "acme"];
    sandbox.makoto(&other).ends(0, &[]);
    check(&sandbox, 0, &["all is well"]);
    // The name of another set.
    sandbox.write("other.json", sandbox.read("keys.json"));
    let other = ["--keyset-file", "other.json", "--keyset-key", "owner.pub"];
    allow(&other).ends(2, &["has a key set \"acme\" already", "hint:"]);
}

#[test]
fn a_key_set_is_shown_and_who_verified_it_is_told() {
    let sandbox = published();
    let (k, owner) = (id(&sandbox, "k.pub"), id(&sandbox, "owner.pub"));
    let back = ["--from", "2026-11-20T00:00:00Z", "--reason", "laptop"];
    key(&sandbox, &[&["revoke", &k], &back[..]].concat());
    let shown = sandbox.makoto(&["key", "show", "keys.json"]);
    shown.ends(0, &["not verified", &owner, "--keyset-key"]);
    let key = format!("{k} from 2026-01-01T00:00:00Z, TAKEN BACK from 2026-11-20T00:00:00Z on");
    for told in [
        "key set of data-team, version 2, until ",
        &key,
        "(\"laptop\")",
    ] {
        assert!(shown.stdout.contains(told), "{told}: {shown:?}");
    }
    let show = |pinned| sandbox.makoto(&["key", "show", "keys.json", "--keyset-key", pinned]);
    show("owner.pub").ends(0, &["verified by the owner's key"]);
    show("k.pub").ends(1, &["is not signed by"]);
    let json = ["key", "show", "keys.json", "--json"];
    let told = sandbox.makoto(&json).json();
    assert_eq!(text(&told, "keys.0.id"), k);
    assert_eq!(
        text(&told, "keys.0.compromisedSince"),
        "2026-11-20T00:00:00Z"
    );
    sandbox.write("x.json", "{}");
    sandbox
        .makoto(&["key", "show", "x.json"])
        .ends(2, &["x.json: key set is not bare DSSE"]);
    let one = ["key", "show", "k.pub", "--keyset-key", "owner.pub"];
    sandbox.makoto(&one).ends(2, &["is for a key set"]);
}

#[test]
fn an_owner_changes_the_own_key_and_both_sign() {
    let sandbox = published();
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    let rotate = |owner: &str, new: &str| {
        let rotate = [
            "key",
            "rotate-owner",
            "--owner-key",
            owner,
            "--new-owner-key",
            new,
        ];
        let passphrases = ["--passphrase-file", "pass", "--new-passphrase-file", "pass"];
        sandbox.makoto(&[&rotate[..], &passphrases].concat())
    };
    rotate("owner", "owner").ends(2, &["is the owner's key already"]);
    rotate("k", "k2").ends(2, &["is not signed by"]);
    rotate("owner", "k2").ends(0, &[]);
    // Both those who pin the old key and those who pin the new one accept it.
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    let pin = || {
        sandbox.write("keys.pem", sandbox.read("k2.pub"));
        let (old, new) = (id(&sandbox, "owner.pub"), id(&sandbox, "k2.pub"));
        let text = sandbox.read_text("policy.toml").replace(&old, &new);
        sandbox.write("policy.toml", text);
    };
    pin();
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    // The next set is of the new key alone.
    let publish = ["key", "publish", "owner.pub", "--passphrase-file", "pass"];
    let by = |owner| sandbox.makoto(&[&publish[..], &["--owner-key", owner]].concat());
    by("owner").ends(2, &["is the owner's former key", "hint:"]);
    by("k2").ends(0, &[]);
    assert_eq!(sandbox.verify("orders.csv", &BY).0, 0);
    policy(&sandbox, "");
    sandbox.write("keys.pem", sandbox.read("owner.pub"));
    assert_ne!(sandbox.verify("orders.csv", &BY).0, 0);
    // No passphrase of the new key, and nobody to ask.
    let none = [
        "key",
        "rotate-owner",
        "--owner-key",
        "k2",
        "--passphrase-file",
        "pass",
    ];
    let ran = sandbox.makoto(&[&none[..], &["--new-owner-key", "k"]].concat());
    ran.ends(
        2,
        &[
            "no terminal to ask for the passphrase of k",
            "--new-passphrase-file",
        ],
    );
}

#[test]
fn a_key_set_that_makes_no_sense_is_not_published() {
    let sandbox = published();
    let before = sandbox.read("keys.json");
    let key = |arguments: &[&str]| sandbox.makoto(&[&["key"], arguments, &OWNER].concat());
    let k = id(&sandbox, "k.pub");
    for (arguments, told) in [
        (&["publish", "owner.pub"][..], "is the owner's own key"),
        (&["rotate", &k, "owner.pub"], "is the owner's own key"),
        (
            &["publish", "k2.pub", "--expires", "2026-01-02T00:00:00Z"],
            "and it is ",
        ),
        (
            &[
                "publish",
                "k2.pub",
                "--expires",
                "2098-01-01T00:00:00Z",
                "--from",
                "2099-01-01T00:00:00Z",
            ],
            "counts from 2099-01-01T00:00:00Z on",
        ),
        (
            &[
                "rotate-owner",
                "--new-owner-key",
                "k",
                "--new-passphrase-file",
                "pass",
            ],
            "signs data, by this very set",
        ),
    ] {
        key(arguments).ends(2, &[told, "hint:"]);
    }
    assert_eq!(sandbox.read("keys.json"), before);
    // What is still to come can be meant, and is told.
    let back = |from| key(&["revoke", &k, "--from", from, "--reason", "stolen"]);
    back("2099-01-01T00:00:00Z").ends(0, &["note: until 2099-01-01T00:00:00Z"]);
    let now = back("2026-02-01T00:00:00Z");
    assert!(!now.ends(0, &[]).stderr.contains("note: until"), "{now:?}");
}
