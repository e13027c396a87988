//! `makoto trust` and `makoto policy`: who is trusted, written and checked.

use makoto::digest::Digest;
use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::key::SigningKey;
use makoto::limits::Limits;
use makoto::pem;
use makoto::trusted_root::TrustedRoot;

use crate::document::{at, text};
use crate::sandbox::{Ran, Sandbox};

const CA: &str = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign";

/// A folder with the certificates of two authorities, a signer of the first, and a public key.
fn workshop() -> Sandbox {
    let sandbox = Sandbox::new();
    let request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650";
    let script = format!(
        "set -e
         {request} -keyout ca.key -out ca.pem -subj /O=Acme/CN=CA {CA}
         {request} -keyout other.key -out other.pem -subj /O=Other/CN=Other {CA}
         {request} -keyout signer.key -out signer.pem -subj /O=Acme/CN=signer -CA ca.pem -CAkey ca.key \
           -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
           -addext extendedKeyUsage=codeSigning -addext subjectAltName=URI:https://acme.example/collectors/1
         {request} -keyout many.key -out many.pem -subj /O=Acme/CN=many -CA ca.pem -CAkey ca.key \
           -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
           -addext extendedKeyUsage=codeSigning \
           -addext subjectAltName=URI:https://acme.example/a,email:a@acme.example
         openssl genpkey -algorithm ed25519 -out p.key
         openssl pkey -in p.key -pubout -out p.pub
         cat ca.pem other.pem > mixed.pem"
    );
    let ran = crate::sandbox::finish(&mut sandbox.shell(&script), b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    sandbox
}

/// As [`workshop`], with a root of "acme" for names and for times, and an empty policy.
fn with_policy() -> Sandbox {
    let sandbox = workshop();
    let init = [
        "trust",
        "init",
        "--ca",
        "ca.pem",
        "--operator-ca",
        "acme",
        "--tsa",
        "ca.pem",
    ];
    sandbox.makoto(&init).ends(0, &[]);
    let init = ["policy", "init", "--name", "dataset:sales_*"];
    sandbox.makoto(&init).ends(0, &[]);
    sandbox
}

fn allow(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let command = ["policy", "allow", "--name", "dataset:sales_*"];
    sandbox.makoto(&[&command, more].concat())
}

#[test]
fn a_trusted_root_is_made_from_certificates_and_not_overwritten() {
    let sandbox = workshop();
    let init = [
        "trust",
        "init",
        "--ca",
        "ca.pem",
        "--tsa",
        "other.pem",
        "--key",
        "p.pub",
    ];
    sandbox.makoto(&init).ends(0, &[]);
    let written = sandbox.read("trusted_root.json");
    let root = TrustedRoot::from_json(&written).expect("a trusted root");
    assert_eq!(root.certificate_authorities()[0].id(), "Acme");
    assert_eq!(root.timestamp_authorities()[0].id(), "Other");
    let json = sandbox.json("trusted_root.json");
    let start = text(&json, "certificateAuthorities.0.validFor.start");
    assert!(start.ends_with('Z') && start.contains('T'), "{start}");
    assert_eq!(sandbox.read("trusted_keys.pem"), sandbox.read("p.pub"));
    let stamp = sandbox.stamp("trusted_root.json");
    sandbox
        .makoto(&init)
        .ends(2, &["is there already", "hint:"]);
    sandbox
        .makoto(&init[..6])
        .ends(2, &["cannot write trusted_root.json", "hint:"]);
    assert_eq!(sandbox.stamp("trusted_root.json"), stamp);
}

#[test]
fn what_is_no_authority_gets_no_trust() {
    let sandbox = workshop();
    for (option, file, words) in [
        ("--ca", "signer.pem", "is no authority's"),
        ("--ca", "ca.key", "holds a private key"),
        ("--ca", "p.pub", "has a block of \"PUBLIC KEY\""),
        ("--ca", "mixed.pem", "is not issued by the next one"),
        ("--ca", "none.pem", "is not there"),
        (
            "--tsa",
            "signer.pem",
            "neither an authority's nor for time stamping",
        ),
    ] {
        let ran = sandbox.makoto(&["trust", "init", option, file]);
        ran.ends(2, &[words, "hint:"]);
        assert!(!sandbox.exists("trusted_root.json"));
    }
    let key = ["trust", "init", "--ca", "ca.pem", "--key", "p.key"];
    sandbox.makoto(&key).ends(2, &["holds a private key"]);
    assert!(!sandbox.exists("trusted_root.json"));
    sandbox
        .makoto(&["trust", "init"])
        .ends(2, &["nobody to trust"]);
    for (key, options) in [
        ("small", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024"),
        (
            "strange",
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
        ),
    ] {
        let make = format!(
            "openssl genpkey {options} -out {key}.key && openssl req -x509 -key {key}.key -out {key}.pem -subj /O=K/CN=K {CA}"
        );
        let made = crate::sandbox::finish(&mut sandbox.shell(&make), b"");
        assert_eq!(made.status, 0, "{made:?}");
        let init = ["trust", "init", "--ca", &format!("{key}.pem")];
        sandbox
            .makoto(&init)
            .ends(2, &["key that is not accepted", "hint:"]);
        assert!(!sandbox.exists("trusted_root.json"));
    }
    let expired = "openssl req -x509 -key ca.key -out old.pem -subj /O=Old/CN=Old -not_before 20200101000000Z -not_after 20210101000000Z";
    let made = crate::sandbox::finish(&mut sandbox.shell(&format!("{expired} {CA}")), b"");
    if made.status == 0 {
        let old = ["trust", "init", "--ca", "old.pem"];
        sandbox
            .makoto(&old)
            .ends(2, &["expired at 2021-01-01T00:00:00Z", "hint:"]);
    }
}

#[test]
fn a_signer_is_allowed_and_comments_stay() {
    let sandbox = with_policy();
    let mine = sandbox.read_text("policy.toml") + "# mine\n";
    sandbox.write("policy.toml", &mine);
    let signer = ["--uri", "https://acme.example/collectors/*", "--ca", "acme"];
    allow(&sandbox, &signer).ends(0, &[]);
    let after = sandbox.read_text("policy.toml");
    assert!(
        after.ends_with("# mine\n") && after.contains("# max-age"),
        "{after}"
    );
    let stamp = sandbox.stamp("policy.toml");
    let again = allow(&sandbox, &signer);
    assert!(again.stdout.contains("already"), "{again:?}");
    assert_eq!(sandbox.stamp("policy.toml"), stamp);
    allow(&sandbox, &["--key", "p.pub", "--owner", "p"]).ends(0, &[]);
    let other = [
        "policy", "allow", "--name", "x", "--key", "p.pub", "--owner", "p",
    ];
    sandbox.makoto(&other).ends(0, &[]);
    assert_eq!(sandbox.read("trusted_keys.pem"), sandbox.read("p.pub"));
    let ran = sandbox.makoto(&["policy", "check", "policy.toml", "--json"]);
    ran.ends(0, &[]);
    let told = ran.json();
    assert_eq!(at(&told, "ok"), &Json::from(true));
    let digest = Digest::of(&sandbox.read("policy.toml"));
    assert_eq!(text(&told, "digest"), format!("sha256:{digest}"));
    assert_eq!(text(&told, "rules.1.name"), "x");
    assert_eq!(
        at(&told, "rules.0.signers").as_array().map(<[Json]>::len),
        Some(2)
    );
}

#[test]
fn the_defaults_of_the_template_hold_for_all_rules_once_uncommented() {
    let sandbox = with_policy();
    std::fs::remove_file(sandbox.path("policy.toml")).expect("removed");
    sandbox.makoto(&["policy", "init"]).ends(0, &[]);
    let allow = |name: &str| {
        let arguments = ["policy", "allow", "--name", name, "--key", "p.pub"];
        let ran = sandbox.makoto(&[&arguments[..], &["--owner", "p"]].concat());
        ran.ends(0, &[]);
    };
    allow("one");
    let text = sandbox.read_text("policy.toml");
    let text = text.replace("# max-age", "max-age");
    let text = text.replace("# strict = false", "strict = true");
    sandbox.write("policy.toml", text);
    allow("two");
    let told = sandbox.makoto(&["policy", "check", "policy.toml", "--json"]);
    let told = told.ends(0, &[]).json();
    for rule in ["rules.0", "rules.1"] {
        let rule = at(&told, rule);
        assert_eq!(
            at(rule, "maxAgeSeconds"),
            &Json::from(30 * 86_400),
            "{told}"
        );
        assert_eq!(at(rule, "strict"), &Json::from(true), "{told}");
    }
}

#[test]
fn a_signer_that_could_be_anybody_is_not_allowed() {
    let sandbox = with_policy();
    let stamp = sandbox.stamp("policy.toml");
    for (signer, words) in [
        (
            &["--email", "*@acme.example"][..],
            "alone says not who vouches",
        ),
        (
            &["--email", "@acme.example", "--ca", "acme"],
            "needed *@example.com for everybody",
        ),
        (
            &["--uri", "https://*/x", "--ca", "acme"],
            "without * in its host",
        ),
        (&["--dns", "*.com", "--ca", "acme"], "at least two labels"),
        (
            &["--uri", "https://a.example/x", "--ca", "other"],
            "has the id \"other\"",
        ),
        (&["--key", "p.key", "--owner", "p"], "holds a private key"),
        (&[], "nobody is named"),
    ] {
        allow(&sandbox, signer).ends(2, &[words, "hint:"]);
        assert_eq!(sandbox.stamp("policy.toml"), stamp, "{signer:?}");
    }
}

#[test]
fn every_problem_is_told_with_its_line() {
    let sandbox = with_policy();
    let lines = "version = 1\nmax_age = '1d'\nwitnesses = []\n[[dataset]]\nname = 'd'\nrequire = 'L2'\nsigners = [{ uri = 'https://a.example/x' }]\n";
    sandbox.write("bad.toml", lines);
    let ran = sandbox.makoto(&["policy", "check", "bad.toml"]);
    ran.ends(1, &[]);
    for told in [
        "bad.toml:2: max_age is not a key of this file; did you mean \"max-age\"?",
        "bad.toml:3: witnesses is not evaluated by this version",
        "bad.toml:7: dataset[0].signers[0] says of uri not who vouches for it",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {ran:?}");
    }
    // The files that it names are read, too.
    let good = "version = 1\ntrusted-root = 'trusted_root.json'\ntrusted-keys = 'p.pub'\n[[dataset]]\nname = 'd'\nrequire = 'L2'\ntsa-threshold = 2\nsigners = [{ uri = 'https://a.example/x', ca = 'CA' }]\n";
    sandbox.write("good.toml", good.replace("'CA'", "'acme'"));
    let ran = sandbox.makoto(&["policy", "check", "good.toml"]);
    ran.ends(0, &[]);
    for told in [
        "decides nothing: no rule names it",
        "nothing can pass \"d\"",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {ran:?}");
    }
    sandbox.write("good.toml", good.replace("'CA'", "'evil'"));
    let ran = sandbox.makoto(&["policy", "check", "good.toml"]);
    assert!(
        ran.stdout.contains("good.toml:4: no certificate authority"),
        "{ran:?}"
    );
    ran.ends(1, &[]);
    sandbox.write("good.toml", good.replace("trusted_root.json", "none.json"));
    let ran = sandbox.makoto(&["policy", "check", "good.toml"]);
    assert!(
        ran.stdout.contains("good.toml:2: none.json is not there"),
        "{ran:?}"
    );
    sandbox
        .makoto(&["policy", "check", "none.toml"])
        .ends(2, &["is not there"]);
}

/// Signs a statement with the key `<name>.key` and writes its bundle; the certificate
/// `<certificate>.pem` goes along.
fn bundle(sandbox: &Sandbox, name: &str, certificate: Option<&str>) -> Json {
    let key = SigningKey::from_pkcs8_pem(&sandbox.read(&format!("{name}.key"))).expect("a key");
    let statement = br#"{"subject":[{"name":"dataset:sales_1"}]}"#;
    let signed = Envelope::sign("application/vnd.in-toto+json", statement, &key);
    let mut envelope = signed.expect("signed");
    if let Some(certificate) = certificate {
        let pem = sandbox.read(&format!("{certificate}.pem"));
        let chain = pem::certificates(&pem, &Limits::DEFAULT).expect("a certificate");
        envelope.unverified_signatures[0].certificates = vec![chain[0].der().to_vec()];
    }
    let bundle = envelope.to_bundle().expect("a bundle");
    sandbox.write("sales.attestation", bundle.to_string());
    bundle
}

#[test]
fn a_signer_is_taken_from_what_it_signed_when_a_person_agrees() {
    let sandbox = with_policy();
    let from = ["--from", "sales.attestation"];
    let yes = ["--from", "sales.attestation", "--yes"];
    let before = sandbox.stamp("policy.toml");
    bundle(&sandbox, "signer", Some("signer"));
    // Nobody is there to be asked.
    let claims = [
        "claims, and nobody has verified:",
        "dataset:sales_1",
        "https://acme.example/collectors/1",
        "add --yes",
    ];
    allow(&sandbox, &from).ends(2, &claims);
    assert_eq!(sandbox.stamp("policy.toml"), before);
    allow(&sandbox, &yes).ends(0, &claims[..3]);
    let signer = "{ uri = \"https://acme.example/collectors/1\", ca = \"acme\" }";
    assert!(sandbox.read_text("policy.toml").contains(signer));

    let before = sandbox.stamp("policy.toml");
    // Somebody else's signature beside the certificate of a signer.
    bundle(&sandbox, "p", Some("signer"));
    allow(&sandbox, &yes).ends(1, &["no trusted key made the signature", "hint:"]);
    // A certificate that no authority of the root vouches for.
    bundle(&sandbox, "other", Some("other"));
    allow(&sandbox, &yes).ends(1, &["hint: if its authority is to be trusted"]);
    // A bare key is not in the bundle.
    bundle(&sandbox, "p", None);
    allow(&sandbox, &yes).ends(1, &["names a bare key", "--key PUB"]);
    sandbox.write("sales.attestation", r#"{"subject":[]}"#);
    allow(&sandbox, &yes).ends(1, &["is not signed", "hint:"]);
    assert_eq!(sandbox.stamp("policy.toml"), before);

    // The data in the place of its attestation.
    sandbox.write("sales", "a\n1\n");
    allow(&sandbox, &["--from", "sales"]).ends(2, &["this is data", "--from sales.attestation"]);
    allow(&sandbox, &["--from", "p.pub"]).ends(2, &["p.pub: ", "hint: name the attestation"]);
    // What the certificate does not say is not written into the policy.
    bundle(&sandbox, "signer", Some("signer"));
    let says = |more: &[&str]| allow(&sandbox, &[&yes[..], more].concat());
    says(&["--ca", "other"]).ends(1, &["is \"acme\", needed \"other\"", "hint:"]);
    says(&["--oidc-issuer", "https://i.example"]).ends(1, &["issuer", "https://i.example"]);
    says(&["--uri", "https://evil.example/x"]).ends(1, &["needed", "https://evil.example/x"]);
    assert_eq!(sandbox.stamp("policy.toml"), before);
    says(&["--ca", "acme", "--uri", "https://acme.example/collectors/*"]).ends(0, &[]);
    let signer = "{ uri = \"https://acme.example/collectors/*\", ca = \"acme\" }";
    assert!(sandbox.read_text("policy.toml").contains(signer));
    // Of several names none is taken unasked.
    let before = sandbox.stamp("policy.toml");
    bundle(&sandbox, "many", Some("many"));
    let names = [
        "uri \"https://acme.example/a\"",
        "email \"a@acme.example\"",
        "--email",
    ];
    allow(&sandbox, &yes).ends(1, &names);
    assert_eq!(sandbox.stamp("policy.toml"), before);
    says(&["--email", "a@acme.example"]).ends(0, &[]);
    let signer = "{ email = \"a@acme.example\", ca = \"acme\" }";
    assert!(sandbox.read_text("policy.toml").contains(signer));

    let key = ["--key", "p.pub", "--owner", "p"];
    bundle(&sandbox, "signer", None);
    let ran = allow(&sandbox, &[&yes[..], &key].concat());
    ran.ends(1, &["no trusted key made the signature"]);
    assert!(!sandbox.exists("trusted_keys.pem"));
    bundle(&sandbox, "p", None);
    allow(&sandbox, &[&yes[..], &key].concat()).ends(0, &[]);
    assert_eq!(sandbox.read("trusted_keys.pem"), sandbox.read("p.pub"));
}

#[test]
fn terms_that_do_nothing_are_told() {
    let sandbox = with_policy();
    allow(
        &sandbox,
        &["--uri", "https://acme.example/*", "--ca", "acme"],
    )
    .ends(0, &[]);
    let written = sandbox.read_text("policy.toml");
    let check = |head: &str| {
        sandbox.write("policy.toml", format!("{head}\n{written}"));
        sandbox.makoto(&["policy", "check", "policy.toml"])
    };
    let ran = check("certificate-time = true");
    assert!(
        ran.stdout.contains("certificate-time does nothing"),
        "{ran:?}"
    );
    let ran = check("short-lived = [\"nobody\"]");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("short-lived names \"nobody\""),
        "{ran:?}"
    );
    let ran = check("certificate-time = true\nshort-lived = [\"acme\"]");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!ran.stdout.contains("does nothing"), "{ran:?}");
    let ran = check("certificate-time = true\nshort-lived = [\"acme\"]\ntsa-threshold = 2");
    assert!(
        ran.stdout.contains("no second timestamp authority"),
        "{ran:?}"
    );
}
