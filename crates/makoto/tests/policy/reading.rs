//! How policies are read.

use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::policy::{LineageRule, Policy, SignerRule};
use makoto::problem::Problem;
use makoto::report::Level;

pub(crate) const KEY: &str =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The policy of `docs/policy.md` with everything in it.
pub(crate) const WHOLE: &str = r#"version = 1
trusted-root = "trusted_root.json"
trusted-keys = "trusted_keys.pem"
max-age = "30d"
strict = true

[[keysets]]
file = "partner.keys"
name = "partner"
key = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
at-least = 3

[[dataset]]
name = "dataset:sales_*"
paths = ["warehouse/sales/*"]
require = "L2"
signers = [
  { uri = "https://acme.example/collectors/*", ca = "acme-workloads" },
  { key = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", owner = "data-team", from = 2026-01-01T00:00:00Z },
  { keyset = "partner" },
]
sources = ["https://erp.example.com/**"]
max-age = "90s"
clock-skew = "1m"

[[dataset]]
name = "dataset:**"
require = "L1"
"#;

pub(crate) fn read(text: &str) -> Result<Policy, Vec<Problem>> {
    Policy::read(text.as_bytes(), &Limits::DEFAULT)
}

/// A policy with one dataset that has these lines.
pub(crate) fn dataset(lines: &str) -> String {
    format!(
        "version = 1\ntrusted-root = 'r'\ntrusted-keys = 'k'\n[[dataset]]\nname = 'd'\nrequire = 'L2'\n{lines}\n"
    )
}

/// A policy that allows this signer.
pub(crate) fn allowing(signer: &str) -> String {
    dataset(&format!("signers = [{signer}]"))
}

fn problems(text: &str) -> Vec<(usize, String)> {
    let problems = read(text).expect_err(text);
    let told = |problem: Problem| (problem.line.unwrap_or_default(), problem.message);
    problems.into_iter().map(told).collect()
}

/// Asserts that this is wrong with the policy and nothing else.
fn refused(text: &str, line: usize, words: &str) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{text}\n{found:?}");
    assert_eq!(found[0].0, line, "{text}\n{found:?}");
    assert!(found[0].1.contains(words), "{words:?} not in {found:?}");
}

#[test]
fn a_policy_is_its_rules_with_the_defaults_filled_in() {
    let policy = read(WHOLE).expect("good");
    assert_eq!(policy.digest(), Digest::of(WHOLE.as_bytes()));
    assert_eq!(policy.trusted_root(), Some("trusted_root.json"));
    assert_eq!(policy.trusted_keys(), Some("trusted_keys.pem"));
    let [set] = policy.key_sets() else {
        panic!("{:?}", policy.key_sets());
    };
    assert_eq!(
        (set.name.as_str(), set.file.as_str()),
        ("partner", "partner.keys")
    );
    assert_eq!(
        (set.at_least, format!("{:?}", set.key)),
        (Some(3), KEY.to_owned())
    );
    let [sales, rest] = policy.rules() else {
        panic!("{:?}", policy.rules());
    };
    assert_eq!((sales.line(), rest.line()), (13, 26));
    assert_eq!((sales.require(), rest.require()), (Level::L2, Level::L1));
    assert_eq!(sales.lineage(), LineageRule::Full);
    assert_eq!(rest.lineage(), LineageRule::None);
    assert_eq!(sales.signers().len(), 3);
    let seconds = |rule: &makoto::policy::Rule| {
        (
            rule.max_age().map(|age| age.get()),
            rule.clock_skew().get(),
            rule.max_signing_delay().get(),
        )
    };
    assert_eq!(seconds(sales), (Some(90), 60, 86_400));
    assert_eq!(seconds(rest), (Some(30 * 86_400), 300, 86_400));
    assert!(sales.strict() && rest.strict() && !sales.certificate_time());
    assert_eq!((sales.signer_threshold(), sales.tsa_threshold()), (1, 1));
    assert_eq!(sales.depth(), None);
}

#[test]
fn a_policy_without_rules_trusts_nothing() {
    let policy = read("version = 1\n").expect("good");
    assert!(policy.rules().is_empty());
}

#[test]
fn what_is_not_evaluated_is_refused_and_never_overlooked() {
    for key in [
        "witnesses",
        "quorum",
        "platforms",
        "verifiers",
        "genesis",
        "cadence",
    ] {
        let words = format!("{key} is not evaluated by this version");
        refused(&format!("version = 1\n{key} = 1\n"), 2, &words);
        let signer = format!("{{ key = '{KEY}', owner = 'o' }}");
        let text = format!("{}{key} = 1\n", allowing(&signer));
        refused(&text, 8, &format!("dataset[0].{words}"));
    }
    for key in ["require-hardware", "vsa-max-age", "chain"] {
        refused(
            &format!("version = 1\n{key} = true\n"),
            2,
            "is not evaluated",
        );
    }
}

#[test]
fn a_key_that_nobody_reads_is_an_error() {
    let good = format!("key = '{KEY}', owner = 'o'");
    refused(
        "version = 1\ntrusted_root = 'x'",
        2,
        "did you mean \"trusted-root\"?",
    );
    refused("version = 1\nzzz = 1", 2, "zzz is not a key of this file");
    let signers = allowing(&format!("{{ {good} }}"));
    let age = format!("{signers}max-agee = '1d'");
    refused(
        &age,
        8,
        "dataset[0].max-agee is not a key of this file; did you mean \"max-age\"?",
    );
    let owner = allowing(&format!("{{ {good}, ounn = 'x' }}"));
    refused(
        &owner,
        7,
        "dataset[0].signers[0].ounn is not a key of this file",
    );
    refused(
        &format!("{signers}Strict = true"),
        8,
        "did you mean \"strict\"?",
    );
}

#[test]
fn a_signer_is_one_thing_and_somebody_vouches_for_it() {
    let refuse = |signer: &str, words: &str| refused(&allowing(signer), 7, words);
    refuse(
        "{}",
        "names nobody, needed one of uri, email, dns, key and keyset",
    );
    refuse(
        "{ uri = 'https://a.example/b' }",
        "says of uri not who vouches for it",
    );
    refuse(
        "{ email = 'ci@a.example', org = 'A' }",
        "says of email not who vouches",
    );
    refuse("{ dns = 'etl.a.example' }", "says of dns not who vouches");
    refuse(
        "{ uri = 'https://a.example/b', dns = 'a.example', ca = 'x' }",
        "has uri and dns",
    );
    refuse(&format!("{{ key = '{KEY}' }}"), "owner is missing");
    refuse(
        &format!("{{ key = '{KEY}', owner = 'o', ca = 'x' }}"),
        "ca does not go together with key",
    );
    refuse("{ keyset = 'none' }", "\"none\" is the name of no key set");
    refuse(
        "{ uri = 'https://a.example/b', ca = 'x', until = 2026-01-01T00:00:00Z }",
        "until does not go",
    );
    refuse(
        "{ key = 'sha256:9F', owner = 'o' }",
        "needed sha256: and 64 lower-case hex digits",
    );
    refuse(
        &format!(
            "{{ key = '{KEY}', owner = 'o', from = 2026-02-01T00:00:00Z, until = 2026-01-01T00:00:00Z }}"
        ),
        "is before from",
    );
    refuse(
        "{ uri = 'https://a.example/b', ca = 'x', extensions = { issuer = 'x' } }",
        "is not an object identifier",
    );
    for good in [
        "{ uri = 'https://a.example/b', ca = 'x' }",
        "{ email = '*@a.example', oidc-issuer = 'https://token.example' }",
        "{ dns = '*.a.example', ca = 'x', org = 'A', ou = 'B', extensions = { '1.2.3' = 'x' } }",
    ] {
        read(&allowing(good)).expect(good);
    }
}

#[test]
fn a_rule_that_contradicts_itself_is_refused() {
    let signer = format!("signers = [{{ key = '{KEY}', owner = 'o' }}]\n");
    let refuse =
        |lines: &str, words: &str| refused(&dataset(&format!("{signer}{lines}")), 8, words);
    refuse(
        "lineage = 'none'",
        "which gives at most L1, and require is \"L2\"",
    );
    refuse("depth = 2\nlineage = 'direct'", "depth is for lineage");
    refuse("depth = 0", "needed a whole number from 1 to 1000");
    refuse("signer-threshold = 0", "needed a whole number");
    refuse("signer-threshold = -1", "needed a whole number");
    refuse("clock-skew = '5'", "needed a whole number and its unit");
    refuse("clock-skew = 300", "needed a non-empty string");
    refuse("max-age = '-1d'", "needed a whole number and its unit");
    refuse(
        "max-age = '99999999999999999999d'",
        "needed a whole number and its unit",
    );
    refuse(
        "ref-hosts = ['https://a.example']",
        "needed a host in lower case",
    );
    refuse("certificate-time = 'yes'", "needed true or false");
    refuse("sources = []", "is empty");
    // What nobody signed says nothing of its inputs that counts.
    let at_l1 = |lines: &str| {
        format!("version = 1\n[[dataset]]\nname = 'dataset:a'\nrequire = 'L1'\n{lines}\n")
    };
    refused(&at_l1("lineage = 'direct'"), 5, "lineage needs signers");
    read(&at_l1("lineage = 'none'")).expect("good");
    // Nobody may sign: nothing passes, and that is what the file says.
    read(&dataset("signers = []")).expect("good");
    refused(&dataset(""), 4, "signers is missing, needed who may sign");
    // The same key twice is one signer.
    let twice = format!(
        "signer-threshold = 2\nsigners = [{{ key = '{KEY}', owner = 'o' }}, {{ key = '{KEY}', owner = 'p' }}]"
    );
    refused(
        &dataset(&twice),
        8,
        "has 1 distinct keys, and signer-threshold is 2",
    );
    refused("version = 2\n", 1, "needed 1, the only version");
    refused("", 1, "version is missing");
    refused(
        "version = 1\n[[dataset]]\nname = 'd'\n",
        2,
        "require is missing",
    );
}

#[test]
fn what_rules_lean_on_must_be_named() {
    let text =
        allowing("{ uri = 'https://a.example/b', ca = 'x' }").replace("trusted-root = 'r'\n", "");
    refused(&text, 1, "trusted-root is missing");
    let text =
        allowing(&format!("{{ key = '{KEY}', owner = 'o' }}")).replace("trusted-keys = 'k'\n", "");
    refused(&text, 1, "trusted-keys is missing");
    refused(
        "version = 1\ntrusted-root = 'https://a.example/root.json'\n",
        2,
        "nothing is fetched",
    );
    let sets = format!(
        "trusted-keys = 'k'\n{0}{0}",
        format!("[[keysets]]\nfile = 'f'\nname = 'n'\nkey = '{KEY}'\n")
    );
    refused(
        &format!("version = 1\n{sets}"),
        9,
        "is the name of an earlier key set",
    );
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_lines() {
    let found =
        problems("version = 1\nzzz = 1\n[[dataset]]\nname = 'd'\nrequire = 'L4'\nmax-age = 'x'\n");
    let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 5, 6], "{found:?}");
}

#[test]
fn a_signer_rule_can_be_told_in_words() {
    let policy = read(WHOLE).expect("good");
    let told: Vec<_> = policy.rules()[0]
        .signers()
        .iter()
        .map(SignerRule::to_string)
        .collect();
    assert_eq!(
        told[0],
        "URI \"https://acme.example/collectors/*\" from the authority \"acme-workloads\""
    );
    assert_eq!(told[1], format!("key {KEY} of \"data-team\""));
    assert_eq!(told[2], "a key of the key set \"partner\"");
}
