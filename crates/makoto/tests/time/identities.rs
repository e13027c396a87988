//! Certificates of signers (attacks 21 to 23 and 26).

use makoto::certificate::CertificateError;
use makoto::chain::ChainError;
use makoto::digest::Digest;
use makoto::identity::{Identity, IdentityError};
use makoto::trusted_root::TrustedRoot;

use crate::acme::{YEAR, at, chain_error, fixture, summer};
use crate::openssl::{AUTHORITY, LONG, SIGNER, document};

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
