//! Whom rules allow (attacks 17, 19 and 92), with certificates that openssl makes.

use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::identity::Identity;
use makoto::policy::{Signer, SignerMismatch, SignerPart, SignerRule};
use makoto::trusted_root::TrustedRoot;

use crate::openssl::{AUTHORITY, LONG, Workshop};
use crate::reading::{KEY, allowing, read};

/// Two authorities that anybody could mix up.
struct Fixture {
    workshop: Workshop,
    root: TrustedRoot,
}

fn fixture() -> Fixture {
    let workshop = Workshop::new();
    workshop.issue("acme", "P-256", "acme", AUTHORITY, LONG);
    workshop.issue("other", "P-256", "other", AUTHORITY, LONG);
    let root = workshop.root(&[("acme", &["acme"]), ("other", &["other"])], &[]);
    Fixture { workshop, root }
}

impl Fixture {
    /// Issues a certificate with these names and more extensions, and verifies it.
    fn identity(&self, issuer: &str, names: &str, more: &str) -> Identity {
        let extensions = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName={names}\n{more}\n"
        );
        self.workshop
            .issue("signer", "P-256", issuer, &extensions, LONG);
        let der = self.workshop.der("signer");
        let time = DateTime::parse("2026-01-01T00:00:00Z").expect("a time");
        Identity::verify(&der, &[], &self.root, &time).expect("a good certificate")
    }
}

fn rule(signer: &str) -> SignerRule {
    let policy =
        read(&allowing(signer)).unwrap_or_else(|problems| panic!("{signer}: {problems:?}"));
    policy.rules()[0].signers()[0].clone()
}

fn allows(signer: &str, identity: &Identity) -> Result<(), SignerMismatch> {
    rule(signer)
        .matches(&Signer::Certificate(identity))
        .map(drop)
}

fn differs(signer: &str, identity: &Identity) -> SignerPart {
    allows(signer, identity).expect_err(signer).part
}

#[test]
fn a_name_with_who_vouches_for_it_is_allowed() {
    let fixture = fixture();
    let names = "URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example";
    let more = "1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.example\n1.3.6.1.4.1.57264.1.12=ASN1:UTF8String:https://git.example/acme/etl";
    let identity = fixture.identity("acme", names, more);
    for signer in [
        "{ uri = 'https://acme.example/collectors/1', ca = 'acme' }",
        "{ uri = 'https://acme.example/collectors/*', ca = 'acme' }",
        "{ uri = 'https://acme.example/**', ca = 'acme' }",
        "{ email = 'ci@ACME.example', ca = 'acme' }",
        "{ email = '*@acme.example', ca = 'acme', org = 'Acme', ou = 'Data' }",
        "{ dns = 'ETL.acme.example', ca = 'acme' }",
        "{ dns = '*.acme.example', oidc-issuer = 'https://token.example' }",
        "{ dns = '*.acme.example', ca = 'acme', extensions = { '1.3.6.1.4.1.57264.1.12' = 'https://git.example/acme/etl' } }",
    ] {
        assert_eq!(allows(signer, &identity), Ok(()), "{signer}");
    }
    for (signer, part) in [
        (
            "{ uri = 'https://acme.example/collectors/2', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ uri = 'https://acme.example/*', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ uri = 'https://acme.example/collectors/*/*', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ uri = 'https://ACME.example/collectors/1', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ email = 'CI@acme.example', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ email = '*@mail.acme.example', ca = 'acme' }",
            SignerPart::Name,
        ),
        (
            "{ dns = '*.*.acme.example', ca = 'acme' }",
            SignerPart::Name,
        ),
        ("{ dns = 'acme.example', ca = 'acme' }", SignerPart::Name),
        (
            "{ dns = '*.acme.example', ca = 'acme', org = 'Acm' }",
            SignerPart::Organization,
        ),
        (
            "{ dns = '*.acme.example', ca = 'acme', ou = 'data' }",
            SignerPart::OrganizationalUnit,
        ),
        (
            "{ dns = '*.acme.example', oidc-issuer = 'https://token.example/' }",
            SignerPart::Issuer,
        ),
        (
            "{ dns = '*.acme.example', ca = 'acme', oidc-issuer = 'https://other.example' }",
            SignerPart::Issuer,
        ),
        (
            "{ dns = '*.acme.example', ca = 'acme', extensions = { '1.2.3' = 'x' } }",
            SignerPart::Extension("1.2.3".to_owned()),
        ),
    ] {
        assert_eq!(differs(signer, &identity), part, "{signer}");
    }
}

#[test]
fn attack_17_somebody_who_is_not_in_the_policy_is_told_what_is_needed() {
    let fixture = fixture();
    let mallory = fixture.identity("acme", "email:mallory@evil.example", "");
    let mismatch =
        allows("{ email = '*@acme.example', ca = 'acme' }", &mallory).expect_err("mallory");
    assert_eq!(
        mismatch.to_string(),
        "name of the signer is \"mallory@evil.example\", needed e-mail \"*@acme.example\""
    );
    let mismatch =
        allows("{ uri = 'https://acme.example/x', ca = 'acme' }", &mallory).expect_err("mallory");
    assert_eq!(mismatch.found, "nothing");
    // A certificate's key is no bare key, and the other way round.
    assert_eq!(
        differs(&format!("{{ key = '{KEY}', owner = 'o' }}"), &mallory),
        SignerPart::Kind
    );
}

#[test]
fn attack_19_names_that_only_look_like_the_domain_never_match() {
    let fixture = fixture();
    let signer = "{ email = '*@example.com', ca = 'acme' }";
    for address in ["a@example.com", "a.b+c@EXAMPLE.com", "A@Example.Com"] {
        let identity = fixture.identity("acme", &format!("email:{address}"), "");
        assert_eq!(allows(signer, &identity), Ok(()), "{address}");
    }
    for address in [
        "mallory@example.com.evil.net",
        "mallory@evil-example.com",
        "mallory@sub.example.com",
        "mallory@example.com@evil.net",
        "mallory%evil.net@example.com",
        "@example.com",
        "*@example.com",
        "\"a@b\"@example.com",
        "mallory@example.com.",
        "a..b@example.com",
    ] {
        let name = format!("@n\n[n]\nemail={address}");
        let identity = fixture.identity("acme", &name, "");
        assert_eq!(differs(signer, &identity), SignerPart::Name, "{address}");
    }
    for uri in [
        "https://acme.example/collectors/..",
        "https://acme.example/collectors/%2e%2e",
        "https://acme.example/collectors/%41",
        "https://acme.example/collectors/",
        "https://acme.example/collectors",
        "https://acme.example/collectors/a/b",
        "https://acme.example/collectors/a?x",
        "https://acme.example/collectors/a\\#x",
        "https://acme.example.evil.net/collectors/a",
        "https://acme.example@evil.net/collectors/a",
        "https://acme.example:444/collectors/a",
        "http://acme.example/collectors/a",
        "https://acme.example//collectors/a",
        "https://acme.example/collectors/*",
    ] {
        let identity = fixture.identity("acme", &format!("@n\n[n]\nURI={uri}"), "");
        let signer = "{ uri = 'https://acme.example/collectors/*', ca = 'acme' }";
        assert_eq!(differs(signer, &identity), SignerPart::Name, "{uri}");
    }
    for wrong in [
        "{ email = '@example.com', ca = 'acme' }",
        "{ email = 'a*@example.com', ca = 'acme' }",
        "{ email = '*@*.com', ca = 'acme' }",
        "{ email = '*', ca = 'acme' }",
        "{ email = 'a@b@c', ca = 'acme' }",
        "{ email = 'm\u{e4}x@example.com', ca = 'acme' }",
        "{ dns = '*.com', ca = 'acme' }",
        "{ dns = '*', ca = 'acme' }",
        "{ dns = 'a*.example.com', ca = 'acme' }",
        "{ uri = 'https://*/x', ca = 'acme' }",
        "{ uri = 'https://a.example/%41', ca = 'acme' }",
        "{ uri = 'https://a.example/../x', ca = 'acme' }",
        "{ uri = 'https://a.example/x*', ca = 'acme' }",
        "{ uri = '*', ca = 'acme' }",
        "{ uri = '**', ca = 'acme' }",
    ] {
        let problems = read(&allowing(wrong)).expect_err(wrong);
        assert!(
            problems.iter().all(|problem| problem.line == Some(7)),
            "{problems:?}"
        );
    }
}

#[test]
fn attack_92_another_authority_of_the_root_cannot_vouch_for_the_name() {
    let fixture = fixture();
    let names = "email:ci@acme.example";
    let issuer = "1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.example";
    let good = fixture.identity("acme", names, issuer);
    let forged = fixture.identity("other", names, "");
    let signer = "{ email = 'ci@acme.example', ca = 'acme' }";
    assert_eq!(allows(signer, &good), Ok(()));
    let mismatch = allows(signer, &forged).expect_err("forged");
    assert_eq!(
        mismatch.to_string(),
        "authority is \"other\", needed \"acme\""
    );
    let signer = "{ email = 'ci@acme.example', oidc-issuer = 'https://token.example' }";
    assert_eq!(allows(signer, &good), Ok(()));
    assert_eq!(differs(signer, &forged), SignerPart::Issuer);
}

#[test]
fn an_issuer_has_one_reading() {
    let fixture = fixture();
    let signer = "{ email = 'ci@acme.example', oidc-issuer = 'https://token.example' }";
    let with = |extensions: &str| fixture.identity("acme", "email:ci@acme.example", extensions);
    let hex = |text: &str| {
        text.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(":")
    };
    let text = hex("https://token.example");
    let older = format!("1.3.6.1.4.1.57264.1.1=DER:{text}\n");
    let newer = "1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.example\n";
    for good in [older.clone(), newer.to_owned(), format!("{older}{newer}")] {
        assert_eq!(allows(signer, &with(&good)), Ok(()), "{good}");
    }
    let other = newer.replace("token", "other");
    for bad in [
        format!("{older}{other}"),
        format!("1.3.6.1.4.1.57264.1.8=DER:{text}\n"),
        "1.3.6.1.4.1.57264.1.1=ASN1:UTF8String:https://token.example\n".to_owned(),
        "1.3.6.1.4.1.57264.1.8=ASN1:OCTETSTRING:https://token.example\n".to_owned(),
        format!("1.3.6.1.4.1.57264.1.8=DER:0c:15:{text}:00\n"),
        other,
    ] {
        assert_eq!(differs(signer, &with(&bad)), SignerPart::Issuer, "{bad}");
    }
}

#[test]
fn a_key_counts_in_its_period_and_only_from_where_it_is_named() {
    let id: Digest = KEY.trim_start_matches("sha256:").parse().expect("hex");
    let signer = format!(
        "{{ key = '{KEY}', owner = 'o', from = 2026-01-01T00:00:00Z, until = 2026-12-31T23:59:59Z }}"
    );
    let rule = rule(&signer);
    let key = |id, keyset| Signer::Key {
        id,
        owner: "o",
        keyset,
    };
    assert_eq!(rule.matches(&key(id, None)), Ok(vec!["o"]));
    let part = |signer| rule.matches(&signer).expect_err("another").part;
    assert_eq!(part(key(Digest::of(b"x"), None)), SignerPart::Key);
    assert_eq!(part(key(id, Some("partner"))), SignerPart::Kind);
    let SignerRule::Key(rule) = rule else {
        panic!("{rule:?}");
    };
    let counts = |time: &str| rule.counts_at(Some(&DateTime::parse(time).expect("a time")));
    assert!(counts("2026-01-01T00:00:00Z") && counts("2026-12-31T23:59:59Z"));
    assert!(!counts("2025-12-31T23:59:59Z") && !counts("2027-01-01T00:00:00Z"));
    // Without a verified time nobody knows.
    assert!(!rule.counts_at(None));
}
