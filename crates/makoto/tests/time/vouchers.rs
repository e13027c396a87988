//! Which authority of the trusted root vouches for a certificate, whatever comes along with it
//! (attacks 26 and 92).

use makoto::chain::ChainError;
use makoto::identity::Identity;
use makoto::json::Json;
use makoto::trusted_root::TrustedRoot;

use crate::acme::{YEAR, chain_error, fixture, summer};
use crate::openssl::{AUTHORITY, LONG, SIGNER, Workshop, document};

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
