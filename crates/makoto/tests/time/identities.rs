//! Certificates of signers (attacks 21 to 23, 26 and 92).

use std::sync::OnceLock;

use makoto::certificate::CertificateError;
use makoto::chain::ChainError;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::identity::{Identity, IdentityError};
use makoto::json::Json;
use makoto::trusted_root::TrustedRoot;

use crate::openssl::{AUTHORITY, LONG, SIGNER, Workshop, document};

const YEAR: (&str, &str) = ("20220101000000Z", "20221231235959Z");

struct Fixture {
    workshop: Workshop,
    root: TrustedRoot,
}

/// A root, an intermediate authority, and a signer whose certificate was valid in 2022. Each
/// test issues what it needs in a workshop of its own, with the keys from here.
fn fixture() -> Fixture {
    static MADE: OnceLock<Workshop> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let workshop = Workshop::new();
        workshop.issue("anchor", "P-256", "anchor", AUTHORITY, LONG);
        workshop.issue("middle", "P-256", "anchor", AUTHORITY, LONG);
        workshop.issue("signer", "P-256", "middle", SIGNER, YEAR);
        workshop
    });
    let workshop = Workshop::new();
    for name in ["anchor", "middle", "signer"] {
        for end in ["key", "pem", "der"] {
            let file = format!("{name}.{end}");
            workshop.write(&file, made.read(&file));
        }
    }
    let root = workshop.root(&[("acme", &["middle", "anchor"])], &[]);
    Fixture { workshop, root }
}

fn at(time: &str) -> DateTime {
    DateTime::parse(time).expect("a time")
}

fn summer() -> DateTime {
    at("2022-06-30T12:00:00Z")
}

impl Fixture {
    /// A trusted root that leaves the authorities below the anchor to it.
    fn anchor_alone(&self) -> TrustedRoot {
        self.workshop.root(&[("acme", &["anchor"])], &[])
    }

    fn verify(&self, name: &str, time: &DateTime) -> Result<Identity, IdentityError> {
        Identity::verify(&self.workshop.der(name), &[], &self.root, time)
    }

    /// Issues a certificate of this extension text and verifies it.
    fn issued(
        &self,
        name: &str,
        issuer: &str,
        extensions: &str,
    ) -> Result<Identity, IdentityError> {
        self.workshop.issue(name, "P-256", issuer, extensions, YEAR);
        self.verify(name, &summer())
    }
}

fn chain_error(result: Result<Identity, IdentityError>) -> ChainError {
    match result {
        Err(IdentityError::Chain(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_identity_tells_its_names_and_who_vouches_for_it() {
    let fixture = fixture();
    let identity = fixture
        .verify("signer", &summer())
        .expect("the good signer");
    assert_eq!(identity.uris(), ["https://acme.example/collectors/1"]);
    assert_eq!(identity.emails(), ["ci@acme.example"]);
    assert_eq!(identity.dns_names(), ["etl.acme.example"]);
    assert_eq!(identity.organizations(), ["Acme"]);
    assert_eq!(identity.organizational_units(), ["Data"]);
    assert_eq!(identity.authority(), "acme");
    assert_eq!(identity.not_before(), &at("2022-01-01T00:00:00Z"));
    assert_eq!(identity.not_after(), &at("2022-12-31T23:59:59Z"));
    // A UTF8String of 21 bytes: the value as it stands in the certificate.
    let issuer = identity
        .extension("1.3.6.1.4.1.57264.1.8")
        .expect("the extension");
    assert_eq!(issuer, b"\x0c\x15https://token.example");
    assert_eq!(identity.extension("1.3.6.1.4.1.57264.1.9"), None);
    let workshop = &fixture.workshop;
    workshop.openssl(&[
        "pkey",
        "-in",
        "signer.key",
        "-pubout",
        "-outform",
        "DER",
        "-out",
        "spki",
    ]);
    assert_eq!(identity.spki_digest(), Digest::of(&workshop.read("spki")));
}

#[test]
fn attack_21_and_22_what_counts_is_the_trusted_time() {
    let fixture = fixture();
    for inside in [
        "2022-01-01T00:00:00Z",
        "2022-12-31T23:59:59Z",
        "2023-01-01T00:59:59+01:00",
    ] {
        assert!(fixture.verify("signer", &at(inside)).is_ok(), "{inside}");
    }
    for late in ["2023-01-01T00:00:00Z", "2026-11-21T08:00:00Z"] {
        let error = chain_error(fixture.verify("signer", &at(late)));
        assert!(
            matches!(error, ChainError::Expired { .. }),
            "{late}: {error:?}"
        );
    }
    let error = chain_error(fixture.verify("signer", &at("2021-12-31T23:59:59Z")));
    assert!(matches!(error, ChainError::NotYetValid { .. }), "{error:?}");
    assert!(
        fixture
            .verify("signer", &at("1969-12-31T23:59:59Z"))
            .is_err()
    );
}

#[test]
fn attack_23_a_leaf_is_no_authority() {
    let fixture = fixture();
    // Issued by the signer's own certificate, which comes along.
    fixture
        .workshop
        .issue("victim", "P-256", "signer", SIGNER, YEAR);
    let (victim, signer) = (
        fixture.workshop.der("victim"),
        fixture.workshop.der("signer"),
    );
    let error = chain_error(Identity::verify(
        &victim,
        &[&signer],
        &fixture.root,
        &summer(),
    ));
    assert_eq!(error, ChainError::IssuerIsNoAuthority);
    let authority = SIGNER.replace("CA:FALSE", "CA:TRUE");
    let error = chain_error(fixture.issued("authority", "middle", &authority));
    assert!(matches!(error, ChainError::LeafIsAuthority(_)), "{error:?}");
    // An authority by its basic constraints, whose key usage says otherwise, or says nothing.
    for (name, usage) in [
        ("no-signing", "keyUsage=critical,cRLSign\n"),
        ("no-usage", ""),
    ] {
        let extensions = format!("basicConstraints=critical,CA:TRUE\n{usage}");
        fixture
            .workshop
            .issue(name, "P-256", "anchor", &extensions, LONG);
        let leaf = format!("under-{name}");
        fixture.workshop.issue(&leaf, "P-256", name, SIGNER, YEAR);
        let (leaf, along) = (fixture.workshop.der(&leaf), fixture.workshop.der(name));
        let root = fixture.anchor_alone();
        let error = chain_error(Identity::verify(&leaf, &[&along], &root, &summer()));
        assert!(
            matches!(error, ChainError::KeyUsage { .. }),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn attack_23_a_signer_has_the_usages_of_one() {
    let fixture = fixture();
    let usage = "keyUsage=critical,digitalSignature\n";
    for (name, other) in [
        ("none", ""),
        ("encipher", "keyUsage=critical,keyEncipherment\n"),
    ] {
        let error = chain_error(fixture.issued(name, "middle", &SIGNER.replace(usage, other)));
        assert!(
            matches!(error, ChainError::KeyUsage { .. }),
            "{name}: {error:?}"
        );
    }
    let purpose = "extendedKeyUsage=codeSigning\n";
    for (name, other) in [
        ("no-purpose", ""),
        ("server", "extendedKeyUsage=serverAuth\n"),
        ("tsa", "extendedKeyUsage=critical,timeStamping\n"),
        ("any", "extendedKeyUsage=anyExtendedKeyUsage\n"),
    ] {
        let error = chain_error(fixture.issued(name, "middle", &SIGNER.replace(purpose, other)));
        assert!(
            matches!(error, ChainError::ExtendedKeyUsage { .. }),
            "{name}: {error:?}"
        );
    }
    let both = SIGNER.replace("codeSigning", "codeSigning,clientAuth");
    assert!(fixture.issued("both", "middle", &both).is_ok());
    let unknown = format!("{SIGNER}1.2.3.4=critical,ASN1:NULL\n");
    assert_eq!(
        chain_error(fixture.issued("unknown", "middle", &unknown)),
        ChainError::CriticalExtension
    );
    let nameless = SIGNER.replace("subjectAltName=URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example\n", "");
    let error = fixture.issued("nameless", "middle", &nameless);
    assert!(
        matches!(error, Err(IdentityError::Nameless(_))),
        "{error:?}"
    );
}

#[test]
fn attack_23_an_issuer_stays_within_its_purposes() {
    let fixture = fixture();
    for (name, purpose, good) in [
        ("code", "codeSigning", true),
        ("mail", "emailProtection", false),
    ] {
        let extensions = format!("{AUTHORITY}extendedKeyUsage={purpose}\n");
        fixture
            .workshop
            .issue(name, "P-256", "anchor", &extensions, LONG);
        let leaf = format!("under-{name}");
        fixture.workshop.issue(&leaf, "P-256", name, SIGNER, YEAR);
        let (leaf, along) = (fixture.workshop.der(&leaf), fixture.workshop.der(name));
        let root = fixture.anchor_alone();
        let found = Identity::verify(&leaf, &[&along], &root, &summer());
        assert_eq!(found.is_ok(), good, "{name}: {found:?}");
    }
}

#[test]
fn attack_23_a_path_is_not_longer_than_its_authorities_allow() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let zero = AUTHORITY.replace("CA:TRUE", "CA:TRUE,pathlen:0");
    // The anchor allows none below it: webpki does not look at an anchor's constraints.
    workshop.issue("short", "P-256", "short", &zero, LONG);
    workshop.issue("short-middle", "P-256", "short", AUTHORITY, LONG);
    workshop.issue("direct", "P-256", "short", SIGNER, YEAR);
    workshop.issue("deep", "P-256", "short-middle", SIGNER, YEAR);
    let root = workshop.root(&[("short", &["short"])], &[]);
    assert!(Identity::verify(&workshop.der("direct"), &[], &root, &summer()).is_ok());
    let along = workshop.der("short-middle");
    let deep = Identity::verify(&workshop.der("deep"), &[&along], &root, &summer());
    assert_eq!(chain_error(deep), ChainError::PathLength);
    // The same one below the anchor.
    workshop.issue("zero", "P-256", "anchor", &zero, LONG);
    workshop.issue("below-zero", "P-256", "zero", AUTHORITY, LONG);
    workshop.issue("deeper", "P-256", "below-zero", SIGNER, YEAR);
    let along = [workshop.der("zero"), workshop.der("below-zero")];
    let deeper = workshop.der("deeper");
    let found = Identity::verify(&deeper, &[&along[0], &along[1]], &fixture.root, &summer());
    assert_eq!(chain_error(found), ChainError::PathLength);
}

#[test]
fn attack_23_a_root_that_is_sent_along_is_not_trusted() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("mallory", "P-256", "mallory", AUTHORITY, LONG);
    workshop.issue("fake", "P-256", "mallory", SIGNER, YEAR);
    let (fake, mallory) = (workshop.der("fake"), workshop.der("mallory"));
    let found = Identity::verify(&fake, &[&mallory], &fixture.root, &summer());
    assert!(matches!(
        chain_error(found),
        ChainError::UnknownAuthority(_)
    ));
    // A root of the same name and another key is another root.
    workshop.key("forged", "P-256");
    workshop.certify(
        "forged",
        "/O=Acme/OU=Data/CN=anchor",
        "forged",
        AUTHORITY,
        LONG,
    );
    workshop.issue("fake-2", "P-256", "forged", SIGNER, YEAR);
    let found = Identity::verify(
        &workshop.der("fake-2"),
        &[&workshop.der("forged")],
        &fixture.root,
        &summer(),
    );
    assert_eq!(chain_error(found), ChainError::Signature);
    // A self-signed leaf vouches for nobody, not even as the anchor.
    workshop.issue("self", "P-256", "self", SIGNER, YEAR);
    let alone = workshop.root(&[("self", &["self"])], &[]);
    let found = Identity::verify(&workshop.der("self"), &[], &alone, &summer());
    assert_eq!(chain_error(found), ChainError::IssuerIsNoAuthority);
}

#[test]
fn attack_92_an_identity_names_the_authority_that_vouches_for_it() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("partner", "P-256", "partner", AUTHORITY, LONG);
    workshop.issue("impostor", "P-256", "partner", SIGNER, YEAR);
    let root = workshop.root(
        &[("acme", &["middle", "anchor"]), ("partner", &["partner"])],
        &[],
    );
    let verify = |name: &str| Identity::verify(&workshop.der(name), &[], &root, &summer());
    let (signer, impostor) = (
        verify("signer").expect("acme's"),
        verify("impostor").expect("partner's"),
    );
    assert_eq!(signer.uris(), impostor.uris());
    assert_eq!(signer.authority(), "acme");
    assert_eq!(impostor.authority(), "partner");
}

#[test]
fn attack_92_what_comes_along_moves_nobody_to_another_authority_of_one_anchor() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("other", "P-256", "anchor", AUTHORITY, LONG);
    workshop.issue("others", "P-256", "other", SIGNER, YEAR);
    let (middle, other) = (workshop.der("middle"), workshop.der("other"));
    let (middle, other) = (middle.as_slice(), other.as_slice());
    let authority = |root: &TrustedRoot, leaf: &str, along: &[&[u8]]| {
        let found = Identity::verify(&workshop.der(leaf), along, root, &summer());
        found.map(|identity| identity.authority().to_owned())
    };
    let root = workshop.root(
        &[("x", &["middle", "anchor"]), ("y", &["other", "anchor"])],
        &[],
    );
    for along in [&[][..], &[other], &[middle], &[other, middle]] {
        assert_eq!(authority(&root, "others", along).as_deref(), Ok("y"));
        assert_eq!(authority(&root, "signer", along).as_deref(), Ok("x"));
    }
    // Who lists the anchor alone stands for all below it that nobody else lists.
    let root = workshop.root(&[("all", &["anchor"]), ("y", &["other", "anchor"])], &[]);
    for along in [&[][..], &[other]] {
        assert_eq!(authority(&root, "others", along).as_deref(), Ok("y"));
    }
    assert_eq!(authority(&root, "signer", &[middle]).as_deref(), Ok("all"));
    // Only below an authority is there room for others.
    let root = workshop.root(&[("y", &["other", "anchor"])], &[]);
    let error = chain_error(Identity::verify(
        &workshop.der("signer"),
        &[middle],
        &root,
        &summer(),
    ));
    assert!(
        matches!(error, ChainError::UnknownAuthority(_)),
        "{error:?}"
    );
}

#[test]
fn attack_92_authorities_that_certified_one_another_take_over_nobody() {
    let workshop = Workshop::new();
    for name in ["a", "b"] {
        workshop.issue(name, "P-256", name, AUTHORITY, LONG);
    }
    // The key and the name of a, by the word of b.
    workshop.write("a-by-b.key", workshop.read("a.key"));
    workshop.certify("a-by-b", "/O=Acme/OU=Data/CN=a", "b", AUTHORITY, LONG);
    workshop.issue("b-low", "P-256", "b", AUTHORITY, LONG);
    workshop.write("a-by-low.key", workshop.read("a.key"));
    workshop.certify("a-by-low", "/O=Acme/OU=Data/CN=a", "b-low", AUTHORITY, LONG);
    workshop.issue("middle-of-a", "P-256", "a", AUTHORITY, LONG);
    workshop.issue("leaf", "P-256", "a", SIGNER, YEAR);
    workshop.issue("low-leaf", "P-256", "middle-of-a", SIGNER, YEAR);
    let (by_b, by_low) = (workshop.der("a-by-b"), workshop.der("a-by-low"));
    let middle = workshop.der("middle-of-a");
    let (by_b, by_low, middle) = (by_b.as_slice(), by_low.as_slice(), middle.as_slice());
    let orders: [[(&str, &[&str]); 2]; 4] = [
        [("a", &["a"]), ("b", &["b"])],
        [("b", &["b"]), ("a", &["a"])],
        [("b", &["b-low", "b"]), ("a", &["a"])],
        [("a", &["a"]), ("b", &["b-low", "b"])],
    ];
    for order in orders {
        let root = workshop.root(&order, &[]);
        let verify = |leaf: &str, along: &[&[u8]]| {
            Identity::verify(&workshop.der(leaf), along, &root, &summer())
        };
        let authority = |leaf: &str, along: &[&[u8]]| {
            verify(leaf, along).map(|identity| identity.authority().to_owned())
        };
        for along in [&[][..], &[by_b], &[by_low], &[by_b, by_low]] {
            assert_eq!(authority("leaf", along).as_deref(), Ok("a"), "{order:?}");
        }
        // Where only what came along completes the path, it must lead to one authority.
        assert_eq!(authority("low-leaf", &[middle]).as_deref(), Ok("a"));
        let cross = match order.iter().any(|(_, chain)| chain.len() > 1) {
            true => by_low,
            false => by_b,
        };
        let error = chain_error(verify("low-leaf", &[middle, cross]));
        assert!(matches!(error, ChainError::Ambiguous { .. }), "{error:?}");
    }
}

#[test]
fn a_chain_that_is_sent_whole_is_as_good_as_its_lower_part() {
    let workshop = Workshop::new();
    workshop.issue("root", "P-256", "root", AUTHORITY, LONG);
    workshop.issue("issuing", "P-256", "root", AUTHORITY, LONG);
    workshop.issue("sub", "P-256", "issuing", AUTHORITY, LONG);
    workshop.issue("leaf", "P-256", "sub", SIGNER, YEAR);
    // The root once more, of the same name and key.
    workshop.write("again.key", workshop.read("root.key"));
    workshop.certify("again", "/O=Acme/OU=Data/CN=root", "again", AUTHORITY, LONG);
    let (sub, issuing) = (workshop.der("sub"), workshop.der("issuing"));
    for cas in [
        &[("issuing", &["issuing", "root"][..]), ("rootca", &["root"])][..],
        &[("rootca", &["root"]), ("again", &["again"])],
    ] {
        let root = workshop.root(cas, &[]);
        let whole: [&[u8]; 2] = [&sub, &issuing];
        let found = Identity::verify(&workshop.der("leaf"), &whole, &root, &summer());
        let found = found.map(|identity| identity.authority().to_owned());
        assert_eq!(found.as_deref(), Ok(cas[0].0));
    }
}

#[test]
fn attack_92_an_authority_that_may_not_issue_is_not_replaced_by_one_that_certified_it() {
    let workshop = Workshop::new();
    let narrow = format!("{AUTHORITY}nameConstraints=critical,permitted;DNS:other.example\n");
    workshop.issue("a", "P-256", "a", &narrow, LONG);
    workshop.issue("b", "P-256", "b", AUTHORITY, LONG);
    workshop.write("a-by-b.key", workshop.read("a.key"));
    workshop.certify("a-by-b", "/O=Acme/OU=Data/CN=a", "b", AUTHORITY, LONG);
    workshop.issue("leaf", "P-256", "a", SIGNER, YEAR);
    let root = workshop.root(&[("a", &["a"]), ("b", &["b"])], &[]);
    for along in [&[][..], &[workshop.der("a-by-b").as_slice()]] {
        let found = Identity::verify(&workshop.der("leaf"), along, &root, &summer());
        let error = chain_error(found);
        assert!(matches!(error, ChainError::NameConstraints(_)), "{error:?}");
    }
    // Where b alone is trusted, its word is.
    let root = workshop.root(&[("b", &["b"])], &[]);
    let cross = workshop.der("a-by-b");
    let found = Identity::verify(&workshop.der("leaf"), &[&cross], &root, &summer());
    assert_eq!(found.expect("b's").authority(), "b");
}

#[test]
fn attack_26_an_authority_that_is_retired_is_not_revived_by_another_of_its_anchor() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("other", "P-256", "anchor", AUTHORITY, LONG);
    let middle = workshop.der("middle");
    let ended = |until: &str| {
        let Json::Object(mut retired) = workshop.authority("x", &["middle", "anchor"]) else {
            panic!("an object");
        };
        let window = [
            ("start", "2020-01-01T00:00:00Z".into()),
            ("end", until.into()),
        ];
        retired.insert("validFor", window.into());
        let cas = [
            Json::Object(retired),
            workshop.authority("y", &["other", "anchor"]),
            workshop.authority("all", &["anchor"]),
        ];
        let root = document(cas.into_iter().collect(), Json::Array(Vec::new()));
        TrustedRoot::from_json(root.to_string().as_bytes()).expect("a trusted root")
    };
    let verify =
        |root: &TrustedRoot| Identity::verify(&workshop.der("signer"), &[&middle], root, &summer());
    let good = verify(&ended("2022-12-31T00:00:00Z")).expect("trusted then");
    assert_eq!(good.authority(), "x");
    let error = chain_error(verify(&ended("2022-01-31T00:00:00Z")));
    assert!(
        matches!(&error, ChainError::AuthorityNotTrustedThen { authority, .. } if authority == "x"),
        "{error:?}"
    );
}

#[test]
fn an_authority_issues_only_for_the_names_it_may() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let san = |names: &str| {
        let own = "subjectAltName=URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example";
        SIGNER.replace(own, &format!("subjectAltName={names}"))
    };
    for (name, constraint) in [
        ("dns", "permitted;DNS:acme.example"),
        ("uri", "permitted;URI:acme.example"),
        ("email", "permitted;email:acme.example"),
        ("not-uri", "excluded;URI:evil.example"),
    ] {
        let extensions = format!("{AUTHORITY}nameConstraints=critical,{constraint}\n");
        workshop.issue(name, "P-256", "anchor", &extensions, LONG);
    }
    let root = fixture.anchor_alone();
    let verify = |issuer: &str, leaf: &str, names: &str| {
        workshop.issue(leaf, "P-256", issuer, &san(names), YEAR);
        Identity::verify(
            &workshop.der(leaf),
            &[&workshop.der(issuer)],
            &root,
            &summer(),
        )
    };
    assert!(verify("dns", "inside", "DNS:etl.acme.example").is_ok());
    for (issuer, leaf, names) in [
        ("dns", "outside", "DNS:etl.evil.example"),
        ("dns", "suffix", "DNS:evil-acme.example"),
        // Constraints on URIs and e-mail addresses are not worked out: they refuse every one.
        ("uri", "uri-outside", "URI:https://evil.example/1"),
        ("uri", "uri-inside", "URI:https://acme.example/1"),
        ("email", "mail-outside", "email:ci@evil.example"),
        ("not-uri", "uri-excluded", "URI:https://evil.example/1"),
    ] {
        let error = chain_error(verify(issuer, leaf, names));
        assert!(
            matches!(error, ChainError::NameConstraints(_)),
            "{leaf}: {error:?}"
        );
    }
}

#[test]
fn keys_and_hashes_of_chains_are_those_of_the_list() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    for (name, kind) in [
        ("rsa", "rsa:2048"),
        ("p384", "P-384"),
        ("p521", "P-521"),
        ("ed", "ed25519"),
    ] {
        workshop.issue(name, kind, name, AUTHORITY, LONG);
        let leaf = format!("by-{name}");
        workshop.issue(&leaf, "P-256", name, SIGNER, YEAR);
        let root = workshop.root(&[(name, &[name])], &[]);
        let found = Identity::verify(&workshop.der(&leaf), &[], &root, &summer());
        assert!(found.is_ok(), "{name}: {found:?}");
    }
    workshop.issue("small", "rsa:1024", "small", AUTHORITY, LONG);
    workshop.issue("by-small", "P-256", "small", SIGNER, YEAR);
    let root = workshop.root(&[("small", &["small"])], &[]);
    let found = Identity::verify(&workshop.der("by-small"), &[], &root, &summer());
    assert_eq!(chain_error(found), ChainError::Signature);
    let config = String::from_utf8(workshop.read("config")).expect("text");
    workshop.write(
        "config",
        config.replace("default_md=sha256", "default_md=sha1"),
    );
    workshop.issue("sha1", "P-256", "middle", SIGNER, YEAR);
    assert_eq!(
        chain_error(fixture.verify("sha1", &summer())),
        ChainError::Algorithm
    );
}

#[test]
fn a_changed_cut_or_longer_certificate_is_refused() {
    let fixture = fixture();
    let der = fixture.workshop.der("signer");
    let verify = |der: &[u8]| Identity::verify(der, &[], &fixture.root, &summer());
    for end in 0..der.len() {
        let error = verify(&der[..end]);
        assert!(
            matches!(error, Err(IdentityError::Certificate(_))),
            "cut at {end}"
        );
    }
    let longer = verify(&[&der[..], &[0]].concat());
    assert!(matches!(
        longer,
        Err(IdentityError::Certificate(CertificateError::Malformed(_)))
    ));
    for place in 0..der.len() {
        let mut changed = der.clone();
        changed[place] ^= 1;
        assert!(verify(&changed).is_err(), "byte {place}");
    }
    assert!(verify(&der).is_ok());
    let along = vec![&der[..]; 11];
    let many = Identity::verify(&der, &along, &fixture.root, &summer());
    assert_eq!(chain_error(many), ChainError::TooMany(11));
    let cut = Identity::verify(&der, &[&der[..9]], &fixture.root, &summer());
    assert!(matches!(cut, Err(IdentityError::Along { index: 0, .. })));
}

#[test]
fn attack_19_a_name_with_nul_is_refused() {
    let fixture = fixture();
    let extensions = SIGNER.replace(
        "subjectAltName=URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example",
        "subjectAltName=DER:30:0c:81:0a:61:40:62:2e:63:00:2e:64:2e:65",
    );
    let error = fixture.issued("nul", "middle", &extensions);
    assert_eq!(
        error,
        Err(IdentityError::Certificate(CertificateError::Name(
            "a@b.c\0.d.e".to_owned()
        )))
    );
}

#[test]
fn attack_26_an_authority_counts_only_while_the_root_trusts_it() {
    let fixture = fixture();
    let window = |start: &str, end: Option<&str>| {
        let mut authority = fixture.workshop.authority("acme", &["middle", "anchor"]);
        let mut valid = makoto::json::Object::new();
        valid.insert("start", start.into());
        if let Some(end) = end {
            valid.insert("end", end.into());
        }
        let makoto::json::Json::Object(members) = &mut authority else {
            panic!("an object");
        };
        members.insert("validFor", valid.into());
        let root = document([authority].into_iter().collect(), Vec::new().into());
        TrustedRoot::from_json(root.to_string().as_bytes()).expect("a root")
    };
    let verify = |root: &TrustedRoot| {
        Identity::verify(&fixture.workshop.der("signer"), &[], root, &summer())
    };
    let good = [
        window("2022-01-01T00:00:00Z", None),
        window("2022-06-30T12:00:00Z", Some("2022-06-30T12:00:00Z")),
    ];
    assert!(good.iter().all(|root| verify(root).is_ok()));
    for bad in [
        window("2022-06-30T12:00:01Z", None),
        window("2022-01-01T00:00:00Z", Some("2022-06-30T11:59:59Z")),
    ] {
        let error = chain_error(verify(&bad));
        assert!(
            matches!(error, ChainError::AuthorityNotTrustedThen { .. }),
            "{error:?}"
        );
    }
}
