//! `makoto verify --policy`: real certificates, keys and timestamps by openssl, judged by the
//! command.

use std::sync::{LazyLock, Mutex, PoisonError};

use makoto::envelope::{Envelope, PAYLOAD_TYPE};
use makoto::json::Json;
use makoto::key::SigningKey;
use makoto::timestamp::Request;
use makoto_data::Store;

use crate::document::{at, fails, has_check, text};
use crate::openssl::{AUTHORITY, LONG, SIGNER, TSA, Workshop, document};
use crate::sandbox::Sandbox;

pub(crate) const COLLECTOR: &str = "https://acme.example/collectors/1";

static WORKSHOP: LazyLock<Mutex<Workshop>> = LazyLock::new(|| {
    let workshop = Workshop::new();
    workshop.issue("ca", "P-256", "ca", AUTHORITY, LONG);
    workshop.issue("tsa-ca", "P-256", "tsa-ca", AUTHORITY, LONG);
    workshop.issue("tsa", "P-256", "tsa-ca", TSA, LONG);
    workshop.issue("collector", "P-256", "ca", SIGNER, LONG);
    let other = SIGNER.replace("collectors/1", "collectors/2");
    workshop.issue("other", "P-256", "ca", &other, LONG);
    Mutex::new(workshop)
});

pub(crate) fn in_workshop<T>(work: impl FnOnce(&Workshop) -> T) -> T {
    work(&WORKSHOP.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Puts the bare statement beside `data` into a bundle signed by the certificate `signer`, with
/// a token.
pub(crate) fn sign(sandbox: &Sandbox, data: &str, signer: &str) {
    let sidecar = format!("{data}.attestation");
    let payload = sandbox.read(&sidecar);
    let bundle = in_workshop(|workshop| {
        let key = SigningKey::from_pkcs8_pem(&workshop.read(&format!("{signer}.key")));
        let key = key.expect("a key");
        let mut envelope = Envelope::sign(PAYLOAD_TYPE, &payload, &key).expect("signed");
        let signature = &mut envelope.unverified_signatures[0];
        signature.certificates.push(workshop.der(signer));
        let request = Request::new(&signature.bytes, 7);
        let query = request.to_der().expect("a request");
        let root = workshop.root(&[], &[("acme-time", &["tsa-ca"])]);
        let accepted = request.accept(&workshop.reply(&query, "tsa", "t"), &root);
        signature.tokens.push(accepted.expect("a token").token);
        envelope.to_bundle().expect("one signature").to_string()
    });
    sandbox.write(&sidecar, bundle);
}

/// Attested and signed orders, and a policy beside the folder of the data.
pub(crate) fn signed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("data/orders.csv", crate::verify::ORDERS);
    attest(&sandbox, "data/orders.csv", &[]);
    sign(&sandbox, "data/orders.csv", "collector");
    trust(&sandbox, "trust");
    sandbox
}

pub(crate) fn attest(sandbox: &Sandbox, data: &str, more: &[&str]) {
    let source = ["--source", "https://erp.acme.example/orders"];
    let arguments = [&["attest", "origin", data], &source[..], more].concat();
    let arguments = [&arguments[..], &["--collector", COLLECTOR]].concat();
    sandbox.makoto(&arguments).ends(0, &[]);
}

/// Writes a trusted root and a policy into `folder`.
pub(crate) fn trust(sandbox: &Sandbox, folder: &str) {
    let root = in_workshop(|workshop| {
        let ca = workshop.authority("acme", &["ca"]);
        let tsa = workshop.authority("acme-time", &["tsa-ca"]);
        document(Json::from_iter([ca]), Json::from_iter([tsa])).to_string()
    });
    sandbox.write(&format!("{folder}/trusted_root.json"), root);
    sandbox.write(&format!("{folder}/policy.toml"), POLICY);
}

pub(crate) const POLICY: &str = r#"version = 1
trusted-root = "trusted_root.json"

[[dataset]]
name = "dataset:orders"
require = "L2"
signers = [{ uri = "https://acme.example/collectors/1", ca = "acme" }]

[[dataset]]
name = "dataset:clean"
require = "L2"
signers = [{ uri = "https://acme.example/collectors/1", ca = "acme" }]
"#;

pub(crate) const BY: [&str; 2] = ["--policy", "trust/policy.toml"];

pub(crate) fn passes((status, report): &(i32, Json)) {
    assert_eq!((*status, text(report, "verdict")), (0, "pass"), "{report}");
    assert_eq!(text(report, "level"), "L2");
}

#[test]
fn a_signed_file_passes_at_l2_and_says_by_whom_and_when() {
    let sandbox = signed();
    let arguments = [&["verify", "data/orders.csv"], &BY[..]].concat();
    let ran = sandbox.makoto(&arguments);
    ran.ends(0, &[]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "data/orders.csv: passes at L2", "{ran:?}");
    assert!(
        lines[1].contains("the bytes are what was signed"),
        "{ran:?}"
    );
    assert_eq!(lines[2], format!("  who:  {COLLECTOR}, by acme"));
    assert!(lines[3].starts_with("  when: ") && lines[3].ends_with("by acme-time"));
    // Of many datasets, each has a line that says as much.
    let pattern = ["verify", "data/*.csv", "--each"];
    let ran = sandbox.makoto(&[&pattern, &BY[..]].concat());
    ran.ends(0, &[]);
    let line = format!("data/orders.csv: passes at L2, signed by {COLLECTOR}");
    assert_eq!(ran.stdout.lines().next(), Some(&*line), "{ran:?}");

    let (status, report) = sandbox.verify("data/orders.csv", &BY);
    passes(&(status, report.clone()));
    assert_eq!(text(&report, "level"), "L2");
    assert_eq!(text(&report, "lineageLevel"), "L2");
    let policy = format!("sha256:{}", sandbox.sha256("trust/policy.toml"));
    assert_eq!(text(&report, "policy.digest"), policy);
    let root = format!("sha256:{}", sandbox.sha256("trust/trusted_root.json"));
    assert_eq!(text(&report, "trustedRoot.digest"), root);
    assert_eq!(text(&report, "signers.0.name"), COLLECTOR);
    assert_eq!(text(&report, "signers.0.timestampAuthority"), "acme-time");
    assert_eq!(text(&report, "tool.name"), "makoto");
}

#[test]
fn without_a_policy_nobody_is_trusted_and_l1_says_so() {
    let sandbox = signed();
    crate::document::passes(&sandbox.verify("data/orders.csv", &[]));
    let refused = sandbox.verify("data/orders.csv", &["--level", "L2"]);
    fails(&refused, &["L2.V.4", "no policy"]);
    let ran = sandbox.makoto(&["verify", "data/orders.csv", "--level", "L2"]);
    ran.ends(1, &[]);
    assert!(ran.stdout.contains("--policy"), "{ran:?}");
}

#[test]
fn attack_88_a_policy_that_comes_with_the_data_decides_nothing() {
    let sandbox = signed();
    trust(&sandbox, "data");
    trust(&sandbox, ".");
    fails(
        &sandbox.verify("data/orders.csv", &["--level", "L2"]),
        &["L2.V.4"],
    );
    passes(&sandbox.verify("data/orders.csv", &BY));
}

#[test]
fn a_forged_copy_is_refused_with_the_reason() {
    let sandbox = signed();
    // The data and an unsigned statement that agree.
    sandbox.write("copy/orders.csv", "id,total\n1,950\n");
    attest(&sandbox, "copy/orders.csv", &[]);
    fails(
        &sandbox.verify("copy/orders.csv", &BY),
        &["L2.P.1", "unsigned"],
    );
    // Signed by a colleague whom the rule does not name.
    sign(&sandbox, "copy/orders.csv", "other");
    fails(
        &sandbox.verify("copy/orders.csv", &BY),
        &["L2.V.4", "collectors/2"],
    );
    // Under the good bundle.
    sandbox.write(
        "copy/orders.csv.attestation",
        sandbox.read("data/orders.csv.attestation"),
    );
    let refused = sandbox.verify("copy/orders.csv", &BY);
    fails(&refused, &["V3"]);
    assert!(has_check(&refused.1, "fail", &["L2.V.10"]), "{}", refused.1);
    assert_eq!(at(&refused.1, "signers").as_array(), Some(&[][..]));
}

#[test]
fn a_copy_is_written_of_what_passed_and_of_nothing_else() {
    let sandbox = signed();
    let to_copy = [&BY[..], &["--output", "copy.csv"]].concat();
    passes(&sandbox.verify("data/orders.csv", &to_copy));
    assert_eq!(sandbox.read("copy.csv"), sandbox.read("data/orders.csv"));
    let refused = [
        &BY[..],
        &["--output", "again.csv", "--at", "2020-01-01T00:00:00Z"],
    ]
    .concat();
    fails(&sandbox.verify("data/orders.csv", &refused), &["L2.V.6"]);
    assert!(!sandbox.exists("again.csv"));
}

#[test]
fn direct_inputs_are_found_beside_the_data_and_in_stores_and_verified() {
    let sandbox = signed();
    sandbox.write("data/clean.csv", "id,total\n1,9.50\n");
    let step = [
        "attest",
        "transform",
        "data/clean.csv",
        "--input",
        "data/orders.csv",
        "--type",
        "filter",
        "--executor",
        COLLECTOR,
        "--started",
        "2026-11-01T08:00:00Z",
        "--finished",
        "2026-11-01T08:00:00Z",
    ];
    let ran = sandbox.makoto(&step);
    ran.ends(0, &[]);
    sign(&sandbox, "data/clean.csv", "collector");
    let verified = sandbox.verify("data/clean.csv", &BY);
    passes(&verified);
    assert_eq!(text(&verified.1, "lineageLevel"), "L2");
    assert!(has_check(
        &verified.1,
        "pass",
        &["L2.V.8", "1 direct input"]
    ));
    // Elsewhere, without its input's attestation, nobody can tell.
    for name in ["clean.csv", "clean.csv.attestation"] {
        sandbox.write(
            &format!("alone/{name}"),
            sandbox.read(&format!("data/{name}")),
        );
    }
    let (status, report) = sandbox.verify("alone/clean.csv", &BY);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    assert!(
        has_check(&report, "skip", &["L2.V.8", "was not found"]),
        "{report}"
    );
    // A folder to look in, or a store, has it.
    passes(&sandbox.verify("alone/clean.csv", &[&BY[..], &["--in", "data"]].concat()));
    sandbox
        .makoto(&[
            "attest",
            "origin",
            "data/orders.csv",
            "--store",
            "store",
            "--source",
            "x",
            "--collector",
            "y",
            "--no-sidecar",
        ])
        .ends(0, &[]);
    // Another statement about the same bytes is not the one that was referred to.
    let in_store = [&BY[..], &["--store", "store"]].concat();
    assert_eq!(sandbox.verify("alone/clean.csv", &in_store).0, 2);
    let store = Store::open(&sandbox.path("store")).expect("a store");
    let bundle = sandbox.read("data/orders.csv.attestation");
    store.put(&bundle).expect("put");
    passes(&sandbox.verify("alone/clean.csv", &in_store));
}

#[test]
fn a_verdict_is_as_of_the_time_that_is_asked_for() {
    let sandbox = signed();
    let at_time = |time: &str| {
        let asked = [&BY[..], &["--at", time]].concat();
        sandbox.verify("data/orders.csv", &asked)
    };
    let (status, report) = at_time("2050-01-01T00:00:00Z");
    passes(&(status, report.clone()));
    assert_eq!(text(&report, "time"), "2050-01-01T00:00:00Z");
    // Nobody had signed it then.
    fails(&at_time("2020-06-01T00:00:00Z"), &["L2.V.6", "is after"]);
    let asked = [&["verify", "data/orders.csv", "--at", "tomorrow"], &BY[..]].concat();
    sandbox.makoto(&asked).ends(2, &["--at"]);
}

#[test]
fn every_report_by_a_policy_says_by_which_one_it_was_made() {
    let sandbox = signed();
    let policy = format!("sha256:{}", sandbox.sha256("trust/policy.toml"));
    let root = format!("sha256:{}", sandbox.sha256("trust/trusted_root.json"));
    let good = sandbox.read_text("data/orders.csv.attestation");
    let told = |attestation: Option<&str>, status: i32| {
        match attestation {
            Some(text) => drop(sandbox.write("data/orders.csv.attestation", text)),
            None => {
                std::fs::remove_file(sandbox.path("data/orders.csv.attestation")).expect("removed")
            }
        }
        let (found, report) = sandbox.verify("data/orders.csv", &BY);
        assert_eq!(found, status, "{report}");
        assert_eq!(text(&report, "policy.digest"), policy, "{report}");
        assert_eq!(text(&report, "trustedRoot.digest"), root, "{report}");
    };
    told(Some(&good), 0);
    told(
        Some(&good.replacen("\"payload\":", "\"payload\":\"\",\"payload\":", 1)),
        1,
    );
    told(Some("{"), 1);
    told(Some("{\"messageSignature\":{}}"), 1);
    told(None, 1);
}

#[test]
fn a_suite_of_tests_says_by_which_policy_it_came_about() {
    let sandbox = signed();
    let policy = format!("sha256:{}", sandbox.sha256("trust/policy.toml"));
    let suite = |data: &str, status: i32| {
        let asked = [&["verify", data, "--junit", "report.xml"], &BY[..]].concat();
        sandbox.makoto(&asked).ends(status, &[]);
        crate::junit::read(&sandbox, "report.xml")
    };
    let good = suite("data/orders.csv", 0);
    assert_eq!(text(&good, "suites.0.properties.level"), "L2");
    assert_eq!(text(&good, "suites.0.properties.policy"), policy);
    sandbox.write("data/orders.csv", "id,total\n1,950\n");
    let bad = suite("data/orders.csv", 1);
    assert_eq!(text(&bad, "suites.0.properties.verdict"), "fail");
    assert_eq!(text(&bad, "suites.0.properties.policy"), policy);
}

#[test]
fn a_step_over_a_step_says_what_can_be_asked_for_instead() {
    let sandbox = signed();
    for (made, of) in [("clean", "orders"), ("report", "clean")] {
        let (made, of) = (format!("data/{made}.csv"), format!("data/{of}.csv"));
        sandbox.write(&made, format!("id\n{made}\n"));
        let step = [
            "attest",
            "transform",
            &made,
            "--input",
            &of,
            "--executor",
            COLLECTOR,
        ];
        let times = [
            "--started",
            "2026-11-01T08:00:00Z",
            "--finished",
            "2026-11-01T08:00:00Z",
        ];
        sandbox.makoto(&[&step[..], &times].concat()).ends(0, &[]);
        sign(&sandbox, &made, "collector");
    }
    let rule = POLICY.replace("dataset:clean", "dataset:*");
    let judged = |terms: &str| {
        sandbox.write("trust/policy.toml", format!("{rule}{terms}\n"));
        let asked = ["verify", "data/report.csv", "--as", "dataset:report"];
        sandbox.makoto(&[&asked, &BY[..]].concat())
    };
    let ran = judged("");
    ran.ends(2, &[]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(
        lines[1].contains("walks no further") && !lines[1].contains("max-age"),
        "{ran:?}"
    );
    let next = lines.last().expect("a next step");
    assert!(next.contains("lineage = \"direct\""), "{ran:?}");
    judged("lineage = \"direct\"").ends(0, &[]);
    judged("depth = 1").ends(0, &[]);
}

#[test]
fn a_policy_that_cannot_be_used_says_why_before_anything_is_read() {
    let sandbox = signed();
    for (from, to, told) in [
        ("version = 1", "version = 7", "line 1"),
        ("require", "requires", "line"),
        ("ca = \"acme\"", "ca = \"nobody\"", "nobody"),
        ("trusted_root.json", "gone.json", "gone.json"),
    ] {
        sandbox.write("trust/bad.toml", POLICY.replace(from, to));
        let ran = sandbox.makoto(&["verify", "data/orders.csv", "--policy", "trust/bad.toml"]);
        ran.ends(2, &[told]);
    }
    sandbox
        .makoto(&["verify", "data/orders.csv", "--policy", "gone.toml"])
        .ends(2, &["gone.toml is not there"]);
    sandbox
        .makoto(&["verify", "data/orders.csv", "--at", "2026-01-01T00:00:00Z"])
        .ends(2, &["--policy"]);
}

#[test]
fn what_stops_before_a_verdict_says_by_which_policy_it_was_asked() {
    let sandbox = signed();
    let (status, report) = sandbox.verify("data/none.csv", &BY);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    let policy = format!("sha256:{}", sandbox.sha256("trust/policy.toml"));
    assert_eq!(text(&report, "policy.digest"), policy, "{report}");
    let root = format!("sha256:{}", sandbox.sha256("trust/trusted_root.json"));
    assert_eq!(text(&report, "trustedRoot.digest"), root);
    // A policy that cannot be used is nobody's fault who attested.
    let bad = POLICY.replace("require", "requires");
    sandbox.write("trust/policy.toml", bad);
    let (status, report) = sandbox.verify("data/orders.csv", &BY);
    assert_eq!(
        (status, text(&report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    assert!(
        has_check(&report, "skip", &["L2.V.4", "require is missing"]),
        "{report}"
    );
}

#[test]
fn a_history_that_is_not_whole_is_told_in_the_three_lines() {
    let sandbox = signed();
    let times = [
        "--started",
        "2026-11-01T08:00:00Z",
        "--finished",
        "2026-11-01T08:00:00Z",
    ];
    for (output, input) in [
        ("data/clean.csv", "data/orders.csv"),
        ("data/twice.csv", "data/clean.csv"),
    ] {
        sandbox.write(output, format!("id,total\n1,{}\n", output.len()));
        let step = [
            "attest",
            "transform",
            output,
            "--input",
            input,
            "--executor",
            COLLECTOR,
        ];
        let named = ["--name", "dataset:clean"];
        sandbox
            .makoto(&[&step[..], &times, &named].concat())
            .ends(0, &[]);
        sign(&sandbox, output, "collector");
    }
    let direct = POLICY.replace(
        "require = \"L2\"\n",
        "require = \"L2\"\nlineage = \"direct\"\n",
    );
    sandbox.write("trust/policy.toml", direct);
    let verify = |data: &str| sandbox.makoto(&[&["verify", data][..], &BY].concat());
    let told = "steps themselves, and the policy looks no further";
    let ran = verify("data/twice.csv");
    ran.ends(0, &[]);
    assert!(ran.stdout.contains(told), "{ran:?}");
    let ran = verify("data/clean.csv");
    ran.ends(0, &[]);
    assert!(!ran.stdout.contains(told), "{ran:?}");
}
