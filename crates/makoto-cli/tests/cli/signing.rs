//! Statements that are signed when they are made, with OpenSSL on the other side.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::attestation::Attestation;
use makoto::datetime::DateTime;
use makoto::envelope::Envelope;
use makoto::json::Json;

use crate::document::at;
use crate::openssl::LONG;
use crate::sandbox::{Ran, Sandbox, parse};
use crate::tsa::{Answer, Authorities};
use crate::verify::ORDERS;

pub(crate) const SIGNER: [&str; 4] = ["--signer", "file:k", "--passphrase-file", "pass"];

/// What the certificate of the tests names.
pub(crate) const COLLECTOR: &str = "https://acme.example/collectors/1";

/// Data, a key `k`, and a further key `k2`.
pub(crate) fn signers() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("orders.csv", ORDERS);
    sandbox.write("pass", "correct horse\n");
    sandbox.set_mode("pass", 0o600);
    for key in ["k", "k2"] {
        let ran = sandbox.makoto(&["key", "generate", "--out", key, "--passphrase-file", "pass"]);
        ran.ends(0, &[]);
    }
    sandbox
}

/// As [`signers`], with the key `k` of a certificate `chain.pem` and a trusted root `root.json`.
pub(crate) fn certified() -> (Sandbox, Arc<Authorities>) {
    let (sandbox, authorities) = (signers(), Authorities::new());
    let workshop = &authorities.workshop;
    workshop.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "signer.key",
        "-v2",
        "aes256",
        "-passout",
        "pass:correct horse",
        "-out",
        "k",
    ]);
    sandbox.write("k", workshop.read("k"));
    sandbox.set_mode("k", 0o600);
    let chain = [workshop.read("signer.pem"), workshop.read("ca.pem")].concat();
    sandbox.write("chain.pem", chain);
    sandbox.write("root.json", authorities.root("ca"));
    (sandbox, authorities)
}

/// The time in so many seconds.
pub(crate) fn time_in(seconds: i64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock");
    let now = i64::try_from(now.as_secs()).expect("not that late");
    DateTime::from_unix(now + seconds)
        .expect("a time")
        .to_string()
}

pub(crate) fn origin(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let origin = [
        "attest",
        "origin",
        "orders.csv",
        "--source",
        "https://erp.example.com/orders",
    ];
    sandbox.makoto(&[&origin, more].concat())
}

/// `attest origin` at L2 by the certificate, with these options on top.
pub(crate) fn at_l2(sandbox: &Sandbox, tsa: &str, more: &[&str]) -> Ran {
    let options = [
        "--certificate",
        "chain.pem",
        "--trusted-root",
        "root.json",
        "--tsa",
        tsa,
        "--level",
        "L2",
        "--collector",
        COLLECTOR,
    ];
    origin(sandbox, &[&SIGNER, &options[..], more].concat())
}

pub(crate) fn envelope(file: &[u8]) -> Envelope {
    let found = Envelope::find(&parse(file)).expect("an envelope");
    found.expect("an envelope that can be read")
}

pub(crate) fn count(sandbox: &Sandbox, file: &str) -> usize {
    Attestation::parse_file(&sandbox.read(file))
        .expect("an attestation file")
        .len()
}

#[test]
fn an_attestation_by_a_certificate_is_a_bundle_with_leaf_and_token() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let ran = at_l2(&sandbox, &tsa, &[]);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("1 timestamp(s)"), "{ran:?}");
    let bundle = sandbox.json("orders.csv.attestation");
    assert_eq!(
        at(&bundle, "mediaType").as_str(),
        Some("application/vnd.dev.sigstore.bundle.v0.3+json")
    );
    let leaf = STANDARD.encode(authorities.workshop.der("signer"));
    assert_eq!(
        at(&bundle, "verificationMaterial.certificate.rawBytes").as_str(),
        Some(&*leaf)
    );
    let envelope = envelope(&sandbox.read("orders.csv.attestation"));
    let signature = &envelope.unverified_signatures[0];
    assert_eq!(
        (signature.certificates.len(), signature.tokens.len()),
        (1, 1)
    );
}

#[test]
fn openssl_verifies_our_signature_over_the_pae_and_our_token() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    at_l2(&sandbox, &tsa, &[]).ends(0, &[]);
    let envelope = envelope(&sandbox.read("orders.csv.attestation"));
    let signature = &envelope.unverified_signatures[0];
    let workshop = &authorities.workshop;
    workshop.write("pae", envelope.pae());
    workshop.write("sig", &signature.bytes);
    workshop.write("tst", &signature.tokens[0]);
    workshop.openssl(&[
        "x509",
        "-in",
        "signer.pem",
        "-pubkey",
        "-noout",
        "-out",
        "pub",
    ]);
    workshop.openssl(&[
        "dgst",
        "-sha256",
        "-verify",
        "pub",
        "-signature",
        "sig",
        "pae",
    ]);
    workshop.openssl(&[
        "ts",
        "-verify",
        "-data",
        "sig",
        "-in",
        "tst",
        "-token_in",
        "-CAfile",
        "ca.pem",
    ]);
}

#[test]
fn doing_it_again_changes_nothing_and_asks_nobody() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    at_l2(&sandbox, &tsa, &[]).ends(0, &[]);
    let (before, asked) = (sandbox.stamp("orders.csv.attestation"), authorities.asked());
    let again = at_l2(&sandbox, &tsa, &[]);
    again.ends(0, &[]);
    assert!(again.stdout.contains("(unchanged)"), "{again:?}");
    assert_eq!(sandbox.stamp("orders.csv.attestation"), before);
    assert_eq!(authorities.asked(), asked);
    // A signature that was only said to be ours is none.
    let mut forged = envelope(&sandbox.read("orders.csv.attestation"));
    let at = forged.unverified_signatures[0].bytes.len() - 1;
    forged.unverified_signatures[0].bytes[at] ^= 1;
    let forged = forged.to_bundle().expect("a bundle").to_string();
    sandbox.write("orders.csv.attestation", &forged);
    at_l2(&sandbox, &tsa, &[]).ends(1, &["is there already"]);
    at_l2(&sandbox, &tsa, &["--replace"]).ends(0, &[]);
    assert_ne!(sandbox.read("orders.csv.attestation"), forged.into_bytes());
}

#[test]
fn an_unsigned_attestation_does_not_pass_for_a_signed_one() {
    let sandbox = signers();
    sandbox.attested("orders.csv", &[]);
    let unsigned = sandbox.read("orders.csv.attestation");
    sandbox
        .attest("orders.csv", &SIGNER)
        .ends(1, &["is there already", "--replace"]);
    assert_eq!(sandbox.read("orders.csv.attestation"), unsigned);
    sandbox
        .attest("orders.csv", &[&SIGNER[..], &["--append"]].concat())
        .ends(0, &["bare key"]);
    assert_eq!(count(&sandbox, "orders.csv.attestation"), 2);
}

#[test]
fn a_signature_that_only_names_our_key_does_not_stay_as_ours() {
    let sandbox = signers();
    sandbox.attest("orders.csv", &SIGNER).ends(0, &[]);
    sandbox.attest("orders.csv", &SIGNER).ends(0, &[]);
    let mut forged = envelope(&sandbox.read("orders.csv.attestation"));
    let last = forged.unverified_signatures[0].bytes.len() - 1;
    forged.unverified_signatures[0].bytes[last] ^= 1;
    let forged = forged.to_bundle().expect("a bundle").to_string();
    sandbox.write("orders.csv.attestation", &forged);
    sandbox
        .attest("orders.csv", &SIGNER)
        .ends(1, &["is there already"]);
}

#[test]
fn a_certificate_speaks_for_nobody_else() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    at_l2(&sandbox, &tsa, &[]).ends(0, &[]);
    std::fs::remove_file(sandbox.path("orders.csv.attestation")).expect("a file");
    for other in [
        "https://acme.example/collectors/12",
        "https://acme.example/collectors",
        "etl/1",
    ] {
        let options = ["--certificate", "chain.pem", "--collector", other];
        let ran = origin(&sandbox, &[&SIGNER[..], &options].concat());
        ran.ends(1, &["L2.P.5", other, COLLECTOR]);
        assert!(!sandbox.exists("orders.csv.attestation"));
    }
    for own in ["ci@ACME.example", "ETL.acme.example"] {
        let options = [
            "--certificate",
            "chain.pem",
            "--collector",
            own,
            "--replace",
        ];
        origin(&sandbox, &[&SIGNER[..], &options].concat()).ends(0, &[]);
    }
}

#[test]
fn a_certificate_must_fit_the_key_the_time_and_the_root() {
    let (sandbox, authorities) = certified();
    let workshop = &authorities.workshop;
    let csr = "/O=Acme/CN=signer";
    let old = ("20200101000000Z", "20210101000000Z");
    workshop.certify("signer", csr, "ca", crate::openssl::SIGNER, old);
    sandbox.write("old.pem", workshop.read("signer.pem"));
    let server = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=URI:https://acme.example/collectors/1\n";
    workshop.certify("signer", csr, "ca", server, LONG);
    sandbox.write("server.pem", workshop.read("signer.pem"));
    sandbox.write("other.pem", workshop.read("tsa.pem"));
    sandbox.write("other-root.json", authorities.root("other-ca"));
    for (certificate, root, reason) in [
        ("old.pem", "root.json", "valid from"),
        ("server.pem", "root.json", "code signing"),
        ("other.pem", "root.json", "is of key"),
        (
            "chain.pem",
            "other-root.json",
            "issued by none of the authorities",
        ),
        ("k.pub", "root.json", "CERTIFICATE"),
        ("missing.pem", "root.json", "there is no certificate"),
    ] {
        let options = ["--certificate", certificate, "--trusted-root", root];
        let collector = ["--collector", COLLECTOR];
        origin(&sandbox, &[&SIGNER[..], &options, &collector].concat()).ends(2, &[reason]);
        assert!(!sandbox.exists("orders.csv.attestation"), "{certificate}");
    }
}

#[test]
fn level_l2_writes_nothing_that_could_not_be_verified_at_l2() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let level = ["--level", "L2", "--collector", COLLECTOR];
    origin(&sandbox, &level).ends(2, &["needs a signer", "L2.P.1"]);
    origin(&sandbox, &[&SIGNER[..], &level].concat()).ends(2, &["L2.P.6", "--tsa"]);
    sandbox.write("raw.csv", ORDERS);
    let transform = [
        "attest",
        "transform",
        "orders.csv",
        "--input",
        "raw.csv",
        "--executor",
        COLLECTOR,
    ];
    let l2 = [
        "--tsa",
        &tsa,
        "--trusted-root",
        "root.json",
        "--level",
        "L2",
    ];
    let times = [
        "--started",
        "2026-11-21T08:00:00Z",
        "--finished",
        "2026-11-21T08:01:00Z",
    ];
    let attest = |more: &[&str]| sandbox.makoto(&[&transform, &SIGNER[..], &l2, more].concat());
    // The input has no attestation that could be referred to; then no times.
    attest(&times).ends(1, &["L2.P.9"]);
    // What nobody signed makes nothing that is L2.
    sandbox.attested("raw.csv", &[]);
    attest(&times).ends(1, &["raw.csv", "L2.V.8", "makoto sign"]);
    let sign = ["sign", "raw.csv.attestation"];
    sandbox.makoto(&[&sign, &SIGNER[..]].concat()).ends(0, &[]);
    // Nor what has no time, no signature, or one of a certificate that did not make it.
    let no_time = ["raw.csv", "L2.V.8", "a time", "makoto timestamp"];
    attest(&times).ends(1, &no_time);
    let stamp = ["timestamp", "raw.csv.attestation"];
    sandbox.makoto(&[&stamp, &l2[..4]].concat()).ends(0, &[]);
    let good = sandbox.read_text("raw.csv.attestation");
    let raw = crate::signing::envelope(good.as_bytes());
    let mut none = raw.clone();
    none.unverified_signatures.clear();
    let mut foreign = raw.clone();
    let leaf = authorities.workshop.der("signer");
    foreign.unverified_signatures[0].certificates = vec![leaf];
    let bare = Json::from([
        ("payload", STANDARD.encode(&none.unverified_payload).into()),
        ("payloadType", none.payload_type.as_str().into()),
        ("signatures", Json::Array(Vec::new())),
    ]);
    sandbox.write("raw.csv.attestation", bare.to_string());
    attest(&times).ends(1, &["raw.csv", "L2.V.8", "unsigned"]);
    foreign.unverified_signatures[0].bytes[20] ^= 1;
    let changed = foreign.to_bundle().expect("one signature").to_string();
    sandbox.write("raw.csv.attestation", changed);
    attest(&times).ends(1, &no_time[..2]);
    sandbox.write("raw.csv.attestation", good);
    attest(&times[..2]).ends(1, &["L2.P.7"]);
    assert!(!sandbox.exists("orders.csv.attestation"));
    attest(&times).ends(0, &[]);
}

#[test]
fn nothing_is_written_that_was_signed_before_it_happened() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let now = time_in(0);
    let certified = ["--certificate", "chain.pem", "--collector", COLLECTOR];
    let stamped = ["--tsa", &tsa, "--trusted-root", "root.json"];
    let attest = |collected: &str, more: &[&str]| {
        let when = ["--collected-at", collected];
        origin(
            &sandbox,
            &[&SIGNER[..], &certified, &stamped, &when, more].concat(),
        )
    };
    for level in [&[][..], &["--level", "L2"]] {
        attest(&time_in(900), level).ends(1, &["before it happened", "L2.P.7"]);
        assert!(!sandbox.exists("orders.csv.attestation"));
    }
    attest(&now, &["--level", "L2"]).ends(0, &[]);
}

#[test]
fn the_key_in_an_address_is_shown_nowhere() {
    let sandbox = signers();
    // Nobody listens there.
    for address in [
        "http://127.0.0.1:1/stamp?api_key=hunter22",
        "http://u:hunter22@127.0.0.1/",
        "ftp://127.0.0.1/x?api_key=hunter22",
        "http://127.0.0.1:99999/x?api_key=hunter22",
        "http://u:hunter22@127.0.0.1:99999/",
        "127.0.0.1/x?api_key=hunter22",
        "http://u:hunter22@127.0.0.1 a/",
    ] {
        let stamped = ["--tsa", address, "--collector", COLLECTOR];
        let ran = origin(&sandbox, &[&SIGNER[..], &stamped].concat());
        ran.ends(2, &["127.0.0.1"]);
        assert!(!format!("{ran:?}").contains("hunter22"), "{ran:?}");
    }
}

#[test]
fn a_certificate_that_no_verifier_accepts_is_refused_without_a_root_too() {
    let (sandbox, authorities) = certified();
    let workshop = &authorities.workshop;
    let arguments =
        "req -x509 -new -config config -key signer.key -subj /CN=own -days 30 -out own.pem";
    let mut arguments: Vec<_> = arguments.split(' ').collect();
    for extension in [
        "subjectAltName=URI:https://acme.example/collectors/1",
        "extendedKeyUsage=codeSigning",
        "keyUsage=digitalSignature",
        "basicConstraints=critical,CA:TRUE",
    ] {
        arguments.extend(["-addext", extension]);
    }
    workshop.openssl(&arguments);
    sandbox.write("own.pem", workshop.read("own.pem"));
    let certificate = |file: &'static str| ["--certificate", file, "--collector", COLLECTOR];
    let attest = |file| origin(&sandbox, &[&SIGNER[..], &certificate(file)].concat());
    attest("own.pem").ends(2, &["own.pem", "authority's"]);
    // The right certificate, and after it one that did not issue it.
    let leaf = sandbox.read_text("chain.pem");
    let end = "-----END CERTIFICATE-----\n";
    let leaf = &leaf[..leaf.find(end).expect("a certificate") + end.len()];
    sandbox.write(
        "mixed.pem",
        format!("{leaf}{}", sandbox.read_text("own.pem")),
    );
    attest("mixed.pem").ends(2, &["mixed.pem", "issued by none"]);
    // Issued by SHA-1, which the leaf alone says.
    let issue = "x509 -req -in signer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -sha1 -extfile signer.ext -out old.pem";
    let issue: Vec<_> = issue.split(' ').collect();
    workshop.openssl(&issue);
    sandbox.write("old.pem", workshop.read("old.pem"));
    attest("old.pem").ends(2, &["old.pem", "signature that is not accepted"]);
    assert!(!sandbox.exists("orders.csv.attestation"));
    attest("chain.pem").ends(0, &[]);
}

#[test]
fn what_a_verifier_will_ask_for_is_asked_for_whenever_it_is_signed() {
    let sandbox = signers();
    sandbox.attest("orders.csv", &[]).ends(0, &[]);
    sandbox.write("clean.csv", ORDERS);
    let step = ["attest", "transform", "clean.csv", "--input", "orders.csv"];
    let by = ["--executor", COLLECTOR];
    let attest = |more: &[&str]| sandbox.makoto(&[&step[..], &by, &SIGNER, more].concat());
    attest(&[]).ends(1, &["L2.P.7", "startedOn", "--level L1"]);
    assert!(!sandbox.exists("clean.csv.attestation"));
    let at = "2026-11-01T08:00:00Z";
    let times = ["--started", at, "--finished", at];
    attest(&times).ends(0, &[]);
    // The same of a statement that is there already.
    sandbox
        .makoto(&[&step[..], &by, &["--out", "bare.json"]].concat())
        .ends(0, &[]);
    let sign = ["sign", "bare.json", "--out", "signed.json"];
    let sign = |more: &[&str]| sandbox.makoto(&[&sign[..], &SIGNER, more].concat());
    sign(&[]).ends(1, &["L2.P.7", "nothing was written"]);
    assert!(!sandbox.exists("signed.json"));
    sign(&["--level", "L1"]).ends(0, &[]);
    // What no level accepts has no such way out.
    let bare = sandbox.read_text("bare.json");
    sandbox.write("bare.json", bare.replace("\"sha256\":", "\"sha512\":"));
    let again = ["sign", "bare.json", "--out", "other.json"];
    let ran = sandbox.makoto(&[&again[..], &SIGNER].concat());
    ran.ends(1, &["sha256 is missing", "nothing was written"]);
    assert!(!ran.stderr.contains("--level L1"), "{ran:?}");
}

#[test]
fn run_asks_before_the_command_runs_whether_it_can_be_signed() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let down = authorities.serve(Answer::ServerError);
    sandbox.attested("orders.csv", &[]);
    let sign = ["sign", "orders.csv.attestation", "--tsa", &tsa];
    sandbox.makoto(&[&sign, &SIGNER[..]].concat()).ends(0, &[]);
    sandbox.write("wrong", "wrong\n");
    sandbox.set_mode("wrong", 0o600);
    let run = |executor: &str, pass: &str, tsa: &str| {
        sandbox.makoto(&[
            "run",
            "--input",
            "orders.csv",
            "--output",
            "out",
            "--executor",
            executor,
            "--signer",
            "file:k",
            "--passphrase-file",
            pass,
            "--certificate",
            "chain.pem",
            "--trusted-root",
            "root.json",
            "--tsa",
            tsa,
            "--level",
            "L2",
            "--",
            "cp",
            "orders.csv",
            "out",
        ])
    };
    run(COLLECTOR, "wrong", &tsa).ends(2, &["passphrase"]);
    run("someone/else", "pass", &tsa).ends(1, &["L2.P.5"]);
    run(COLLECTOR, "pass", &down).ends(2, &["503"]);
    assert!(!sandbox.exists("out"));
    run(COLLECTOR, "pass", &tsa).ends(0, &[]);
    assert_eq!(
        envelope(&sandbox.read("out.attestation")).unverified_signatures[0]
            .tokens
            .len(),
        1
    );
}

#[test]
fn signer_and_tsa_of_a_makoto_toml_are_used_and_told_and_what_is_typed_wins() {
    let (sandbox, authorities) = certified();
    let tsa = authorities.serve(Answer::Honest);
    let toml = format!("[defaults]\nsigner = 'file:k'\ntsa = '{tsa}'\n");
    sandbox.write("makoto.toml", toml);
    let pass = ["--passphrase-file", "pass"];
    let ran = sandbox.attest("orders.csv", &pass);
    ran.ends(
        0,
        &["from makoto.toml: signer, tsa", "which anyone can make"],
    );
    let by_file = envelope(&sandbox.read("orders.csv.attestation"));
    assert_eq!(by_file.unverified_signatures[0].tokens.len(), 1);
    let typed = ["--signer", "file:k2", "--replace"];
    sandbox
        .attest("orders.csv", &[&pass[..], &typed].concat())
        .ends(0, &[]);
    let typed = envelope(&sandbox.read("orders.csv.attestation"));
    let key = |envelope: &Envelope| envelope.unverified_signatures[0].key_id.clone();
    assert_ne!(key(&typed), key(&by_file));
    let hint: Json = sandbox.json("orders.csv.attestation");
    let hint = at(&hint, "verificationMaterial.publicKey.hint").as_str();
    assert_eq!(hint, key(&typed).as_deref());
}

#[test]
fn many_datasets_are_signed_one_by_one() {
    let sandbox = signers();
    sandbox.write("more.csv", "a\n1\n");
    let both = ["attest", "origin", "orders.csv", "more.csv"];
    let options = [
        "--source",
        "https://erp.example.com",
        "--collector",
        "etl/orders",
    ];
    sandbox
        .makoto(&[&both, &options[..], &SIGNER].concat())
        .ends(0, &[]);
    for file in ["orders.csv.attestation", "more.csv.attestation"] {
        assert_eq!(envelope(&sandbox.read(file)).unverified_signatures.len(), 1);
    }
}
