//! Published keys: replaced, retired, taken back, rolled back (attacks 25, 26 and 91).

use makoto::digest::Digest;
use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::key::Signer;
use makoto::key_set::{
    KeySet, KeySetDraft, KeySetError, OwnerRole, PAYLOAD_TYPE, PublishedKey, Remembered,
};
use makoto::limits::Limits;
use makoto::policy::Policy;
use makoto::report::{Outcome, Report};
use makoto::trusted_root::TrustedRoot;
use makoto::verify::{Trust, TrustError};

use crate::openssl::SIGNER;
use crate::world::{
    By, COLLECTOR_RULE, Case, DATA, NOW, SIGNED, at, base64, bundle, bytes, in_workshop, key,
    origin, policy, public, signed, unstamped,
};

const PUBLISHED: &str = "2026-05-01T00:00:00Z";
const EXPIRES: &str = "2026-12-31T00:00:00Z";
const RULE: &str = r#"{ keyset = "partner" }"#;

fn draft(version: u64) -> KeySetDraft {
    KeySetDraft {
        version,
        expires: at(EXPIRES),
        owner: "data-team".to_owned(),
        owner_key: public("owner"),
        keys: vec![published("team")],
    }
}

fn published(name: &str) -> PublishedKey {
    PublishedKey {
        key: public(name),
        from: at(PUBLISHED),
        until: None,
        compromised_since: None,
        reason: None,
    }
}

fn written(draft: &KeySetDraft, by: &[&str]) -> Vec<u8> {
    let keys: Vec<_> = by.iter().map(|name| key(name)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    draft.sign(&signers).expect("a key set")
}

fn read(bytes: &[u8], remembered: Option<&Remembered>) -> Result<KeySet, KeySetError> {
    KeySet::verify(bytes, &public("owner"), remembered, None, &at(NOW))
}

fn set(draft: &KeySetDraft) -> Vec<u8> {
    written(draft, &["owner"])
}

fn remembered(set: &[u8]) -> Remembered {
    read(set, None).expect("verifies").to_remembered()
}

/// A key set with one change to its one key.
fn changed(change: impl FnOnce(&mut PublishedKey)) -> Vec<u8> {
    let mut draft = draft(2);
    change(&mut draft.keys[0]);
    set(&draft)
}

/// What the team signed, by a policy that takes the partner's key set.
fn case(partner: Vec<u8>) -> Case<'static> {
    Case {
        policy: policy(RULE, ""),
        attestations: signed(&origin("dataset:sales", DATA), By::Key("team")),
        key_sets: vec![("partner", partner)],
        ..Case::default()
    }
}

fn says(report: &Report, id: &str, text: &str) {
    let mut failed = report.with_outcome(Outcome::Fail);
    let found = failed.any(|check| check.id == id && check.message.contains(text));
    assert!(found, "{id} {text:?}: {:#?}", report.checks);
}

/// An envelope that any key may sign around any payload.
fn envelope(payload: &[u8], by: &str) -> Vec<u8> {
    let envelope = Envelope::sign(PAYLOAD_TYPE, payload, &key(by)).expect("signed");
    let signature = &envelope.unverified_signatures[0];
    let signature = Json::from([("sig", base64(&signature.bytes).into())]);
    let document = Json::from([
        ("payloadType", PAYLOAD_TYPE.into()),
        ("payload", base64(payload).into()),
        ("signatures", [signature].into_iter().collect()),
    ]);
    document.to_string().into_bytes()
}

/// The payload of a good set after a change to its text.
fn edited(from: &str, to: &str) -> Result<KeySet, KeySetError> {
    let bytes = written(&draft(1), &["owner"]);
    let document = Json::parse(&bytes, &Limits::DEFAULT).expect("JSON");
    let found = Envelope::find_typed(&document, PAYLOAD_TYPE).expect("an envelope");
    let payload = found.expect("an envelope").unverified_payload;
    let payload = String::from_utf8(payload).expect("text");
    assert!(payload.contains(from), "{payload}");
    read(
        &envelope(payload.replacen(from, to, 1).as_bytes(), "owner"),
        None,
    )
}

#[test]
fn a_published_key_signs_in_the_name_of_its_owner() {
    let report = case(set(&draft(1))).passes();
    let judged = report.judged.as_ref().expect("a policy");
    assert_eq!(judged.signers.len(), 1);
    assert_eq!(judged.signers[0].name, "data-team");
    // The same key without a set that publishes it is nobody's.
    let mut empty = draft(1);
    empty.keys = vec![published("stranger")];
    case(set(&empty)).fails(&["L2.V.1"]);
}

#[test]
fn a_set_under_another_name_allows_nobody() {
    let mut other = case(set(&draft(1)));
    let mut elsewhere = draft(1);
    elsewhere.keys = vec![published("stranger")];
    other.key_sets = vec![("partner", set(&elsewhere)), ("rival", set(&draft(2)))];
    other.fails(&["L2.V.4"]);
    case(set(&draft(1))).passes();
}

#[test]
fn attack_25_a_published_key_is_replaced_by_the_attackers() {
    let mut theirs = draft(2);
    theirs.keys = vec![published("stranger")];
    // Signed by themselves, in the owner's name.
    theirs.owner_key = public("stranger");
    let refused = read(&written(&theirs, &["stranger"]), None);
    let pinned = |result: Result<KeySet, KeySetError>| {
        matches!(
            result,
            Err(KeySetError::NotSigned { role: OwnerRole::Pinned, key }) if key == public("owner").key_id()
        )
    };
    assert!(pinned(refused));
    // One byte of the good set changed, and its signature kept.
    let good = written(&draft(1), &["owner"]);
    let text = String::from_utf8(good.clone()).expect("text");
    let payload = text.find("payload\":\"").expect("a payload") + 30;
    let mut bad = good.clone();
    bad[payload] = if bad[payload] == b'A' { b'B' } else { b'A' };
    assert!(read(&bad, None).is_err());
    // What they sign with their own key is nobody's.
    let mut forged = case(set(&draft(1)));
    forged.attestations = signed(&origin("dataset:sales", DATA), By::Key("stranger"));
    forged.fails(&["L2.V.1"]);
    read(&good, None).expect("the unchanged set");
    case(set(&draft(1))).passes();
}

#[test]
fn attack_26_the_key_was_retired_or_compromised_before_it_signed() {
    let before = "2026-06-01T08:00:59Z";
    let after = "2026-06-01T08:01:01Z";
    let retired = |time: &str| changed(|key| key.until = Some(at(time)));
    says(
        &case(retired(before)).fails(&["L2.V.3", "L3.PL.6"]),
        "L2.V.3",
        "was retired",
    );
    case(retired(SIGNED)).passes();
    case(retired(after)).passes();
    let compromised = |time: &str| {
        changed(|key| {
            key.compromised_since = Some(at(time));
            key.reason = Some("laptop stolen".to_owned());
        })
    };
    for time in [before, SIGNED] {
        let report = case(compromised(time)).fails(&["L2.V.3", "L3.PL.6"]);
        says(&report, "L2.V.3", "laptop stolen");
    }
    case(compromised(after)).passes();
    let published = |time: &str| changed(|key| key.from = at(time));
    says(
        &case(published(after)).fails(&["L2.V.3"]),
        "L2.V.3",
        "counts from",
    );
    case(published(SIGNED)).passes();
    case(published(before)).passes();
}

#[test]
fn a_key_that_was_taken_back_is_refused_wherever_a_rule_names_it() {
    let id = public("team").key_id();
    let by_id = format!(r#"{{ key = "{id}", owner = "data-team" }}"#);
    let named = |partner: Vec<u8>, keys: &'static [&'static str]| Case {
        policy: policy(&by_id, ""),
        keys,
        ..case(partner)
    };
    let before = Some(at("2026-06-01T08:00:59Z"));
    let compromised = || changed(|key| key.compromised_since = before.clone());
    let retired = || changed(|key| key.until = before.clone());
    for keys in [&["team"][..], &[]] {
        named(set(&draft(1)), keys).passes();
        says(
            &named(compromised(), keys).fails(&["L2.V.3"]),
            "L2.V.3",
            "compromised",
        );
        says(
            &named(retired(), keys).fails(&["L2.V.3"]),
            "L2.V.3",
            "retired",
        );
    }
    // One of two sets is enough.
    let mut both = case(set(&draft(1)));
    both.key_sets.push(("other", compromised()));
    both.fails(&["L2.V.3"]);
    both.key_sets[1].1 = set(&draft(1));
    both.passes();
}

#[test]
fn a_key_that_a_certificate_names_is_taken_back_as_well() {
    let mut draft = draft(1);
    draft.keys = vec![published("collector")];
    let good = || Case {
        key_sets: vec![("partner", set(&draft))],
        ..Case::default()
    };
    good().passes();
    let mut taken = draft.clone();
    taken.keys[0].compromised_since = Some(at(SIGNED));
    let bad = Case {
        key_sets: vec![("partner", set(&taken))],
        ..Case::default()
    };
    bad.fails(&["L2.V.3"]);
}

#[test]
fn attack_26_a_published_key_counts_at_every_moment_of_an_interval() {
    in_workshop(|workshop| {
        let validity = ("20260601080000Z", "20260601081000Z");
        workshop.issue("brief-published", "P-256", "ca", SIGNER, validity);
    });
    let statement = bytes(&origin("dataset:sales", DATA));
    let good = bundle(&unstamped(&statement, By::Certificate("brief-published")));
    let by = |rule: &str, change: &dyn Fn(&mut PublishedKey)| {
        let mut draft = draft(1);
        draft.keys = vec![published("brief-published")];
        change(&mut draft.keys[0]);
        let head = "version = 1\nshort-lived = [\"acme\"]\n";
        let text = policy(rule, "certificate-time = true");
        Case {
            policy: text.replace("version = 1\n", head),
            attestations: good.clone(),
            key_sets: vec![("partner", set(&draft))],
            ..Case::default()
        }
    };
    let case = |change: &dyn Fn(&mut PublishedKey)| by(RULE, change);
    // The certificate was valid from 08:00 to 08:10, and when in it the key signed, nobody knows.
    case(&|_| ()).passes();
    case(&|key| key.until = Some(at("2026-06-01T08:10:00Z"))).passes();
    case(&|key| key.until = Some(at("2026-06-01T08:09:59Z"))).fails(&["L2.V.3", "L3.PL.6"]);
    case(&|key| key.from = at("2026-06-01T08:00:00Z")).passes();
    case(&|key| key.from = at("2026-06-01T08:00:01Z")).fails(&["L2.V.3"]);
    // That it is published later takes nothing from the certificate, and that it is retired does.
    by(COLLECTOR_RULE, &|key| key.from = at("2026-06-01T08:00:01Z")).passes();
    by(COLLECTOR_RULE, &|key| {
        key.until = Some(at("2026-06-01T08:09:59Z"))
    })
    .fails(&["L2.V.3"]);
    let since = |time: &'static str| {
        move |key: &mut PublishedKey| {
            key.compromised_since = Some(at(time));
            key.reason = Some("stolen".to_owned());
        }
    };
    case(&since("2026-06-01T08:10:01Z")).passes();
    case(&since("2026-06-01T08:10:00Z")).fails(&["L2.V.3"]);
}

#[test]
fn attack_91_a_key_set_is_rolled_back_to_before_a_revocation() {
    let first = set(&draft(1));
    let mut taken = draft(2);
    taken.keys[0].compromised_since = Some(at(SIGNED));
    let second = set(&taken);
    case(first.clone()).passes();
    case(second.clone()).fails(&["L2.V.3"]);
    let old = written(&draft(1), &["owner"]);
    assert!(matches!(
        read(&old, Some(&remembered(&second))),
        Err(KeySetError::Older {
            found: 1,
            needed: 2,
            ..
        })
    ));
    let at_least = |least| KeySet::verify(&old, &public("owner"), None, Some(least), &at(NOW));
    assert!(matches!(
        at_least(2),
        Err(KeySetError::Older {
            found: 1,
            needed: 2,
            ..
        })
    ));
    at_least(1).expect("the least version");
    read(&old, Some(&remembered(&first))).expect("the same again");
    read(&written(&taken, &["owner"]), Some(&remembered(&first))).expect("a later one");
}

#[test]
fn attack_91_a_revoked_key_claims_an_earlier_time_without_a_token() {
    let mut taken = case(changed(|key| {
        key.compromised_since = Some(at("2026-06-01T12:00:00Z"));
    }));
    taken.passes();
    // The statement says a time before that, and nobody else does.
    let statement = bytes(&origin("dataset:sales", DATA));
    taken.attestations = bundle(&unstamped(&statement, By::Key("team")));
    let report = taken.fails(&["L2.V.3", "L2.V.6"]);
    says(&report, "L2.V.3", "verified time only");
}

#[test]
fn two_sets_of_one_version_are_not_taken_for_one() {
    let first = set(&draft(1));
    let mut second = draft(1);
    second.keys.push(published("stranger"));
    let second = written(&second, &["owner"]);
    read(&second, None).expect("good in itself");
    assert!(matches!(
        read(&second, Some(&remembered(&first))),
        Err(KeySetError::Equivocation { version: 1, .. })
    ));
    // The same payload with another signature is the same set.
    read(&written(&draft(1), &["owner"]), Some(&remembered(&first))).expect("signed again");
}

#[test]
fn a_new_owner_key_needs_the_old_one_to_sign_as_well() {
    let mut heir = draft(2);
    heir.owner_key = public("heir");
    let both = written(&heir, &["owner", "heir"]);
    let rotated = read(&both, None).expect("signed by both");
    assert_eq!(*rotated.owner_key(), public("heir"));
    KeySet::verify(&both, &public("heir"), None, None, &at(NOW)).expect("by whoever pins the heir");
    // The old key alone cannot name an heir, nor the heir itself.
    assert!(matches!(
        heir.sign(&[&key("owner")]),
        Err(makoto::key_set::DraftError::OwnerAbsent(_))
    ));
    assert!(matches!(
        read(&written(&heir, &["heir"]), None),
        Err(KeySetError::NotSigned {
            role: OwnerRole::Pinned,
            ..
        })
    ));
    let named = base64(public("owner").to_spki_der());
    assert!(matches!(
        edited(&named, &base64(public("heir").to_spki_der())),
        Err(KeySetError::NotSigned {
            role: OwnerRole::Named,
            ..
        })
    ));
    // After that, the old key alone cannot take it back.
    let back = written(&draft(3), &["owner"]);
    read(&back, None).expect("good for whoever saw no other");
    assert!(matches!(
        read(&back, Some(&rotated.to_remembered())),
        Err(KeySetError::NotSigned {
            role: OwnerRole::Remembered,
            ..
        })
    ));
}

#[test]
fn a_set_that_expired_is_refused() {
    let bytes = written(&draft(1), &["owner"]);
    let by = |now| KeySet::verify(&bytes, &public("owner"), None, None, &at(now));
    by(EXPIRES).expect("its last moment");
    assert!(matches!(
        by("2026-12-31T00:00:01Z"),
        Err(KeySetError::Expired { .. })
    ));
}

#[test]
fn what_is_not_known_in_a_set_is_refused() {
    edited("data-team", "data-team").expect("nothing changed");
    let twice = format!("{{\"from\":\"{PUBLISHED}\",\"spki\":");
    for (from, to) in [
        ("\"owner\":", "\"revoked\":[],\"owner\":"),
        (
            "\"from\":",
            "\"compromised-since\":\"2026-01-01T00:00:00Z\",\"from\":",
        ),
        ("\"version\":1", "\"version\":0"),
        ("\"version\":1", "\"version\":1.5"),
        ("\"version\":1", "\"version\":-1"),
        ("\"version\":1", "\"version\":\"1\""),
        ("\"version\":1", "\"version\":18446744073709551616"),
        ("\"version\":1", "\"version\":1,\"version\":2"),
        ("\"owner\":\"data-team\"", "\"owner\":\"\""),
        ("\"expires\":", "\"expired\":"),
        ("2026-12-31T00:00:00Z", "2026-12-31"),
        (
            twice.as_str(),
            "{\"from\":\"2026-05-01T00:00:00Z\",\"until\":\"2026-04-30T23:59:59Z\",\"spki\":",
        ),
        ("\"spki\":\"MF", "\"spki\":\"NF"),
        ("\"keys\":[", "\"keys\":[{},"),
    ] {
        let refused = edited(from, to);
        assert!(
            matches!(
                refused,
                Err(KeySetError::Wrong(_) | KeySetError::NotJson(_))
            ),
            "{to}: {refused:?}"
        );
    }
}

#[test]
fn a_key_is_listed_once_and_not_too_often() {
    let mut twice = draft(1);
    twice.keys.push(published("team"));
    let wrong = twice.sign(&[&key("owner")]);
    assert!(matches!(wrong, Err(makoto::key_set::DraftError::Wrong(_))));
    let mut many = draft(1);
    many.keys = vec![published("team"); Limits::DEFAULT.key_set_keys + 1];
    let Err(makoto::key_set::DraftError::Wrong(check)) = many.sign(&[&key("owner")]) else {
        panic!("too many keys");
    };
    assert!(check.message.contains("257 keys"), "{}", check.message);
}

#[test]
fn only_bare_dsse_of_the_right_type_is_a_key_set() {
    let team = unstamped(&bytes(&origin("dataset:sales", DATA)), By::Key("owner"));
    let good = written(&draft(1), &["owner"]);
    let text = String::from_utf8(good).expect("text");
    let bundled = format!("{{\"dsseEnvelope\":{text}}}");
    let unsigned = written(&draft(1), &["owner"]);
    let unsigned = String::from_utf8(unsigned).expect("text");
    let start = unsigned.find("\"signatures\":[").expect("signatures") + 14;
    let unsigned = format!("{}]}}", &unsigned[..start]);
    assert!(matches!(
        read(unsigned.as_bytes(), None),
        Err(KeySetError::NotSigned {
            role: OwnerRole::Pinned,
            ..
        })
    ));
    assert!(matches!(
        read(bundled.as_bytes(), None),
        Err(KeySetError::NotDsse)
    ));
    assert!(matches!(
        read(&bundle(&team), None),
        Err(KeySetError::NotDsse)
    ));
    assert!(matches!(
        read(text.replace("keyset+json", "keyset2json").as_bytes(), None),
        Err(KeySetError::Envelope(_))
    ));
    assert!(matches!(read(b"{}", None), Err(KeySetError::NotDsse)));
    for cut in [0, 1, text.len() / 2, text.len() - 3] {
        assert!(matches!(
            read(&text.as_bytes()[..cut], None),
            Err(KeySetError::NotJson(_))
        ));
    }
}

#[test]
fn a_key_set_that_the_policy_lists_has_to_be_given() {
    let trust = |signers: &str, sets| {
        let listed = Case {
            policy: policy(signers, ""),
            ..case(set(&draft(1)))
        };
        let policy = Policy::read(listed.policy().as_bytes(), &Limits::DEFAULT);
        let root = TrustedRoot::from_json(&listed.root()).expect("a trusted root");
        let digest = Digest::of(b"root");
        Trust::new(policy.expect("a policy"), root, digest, Vec::new(), sets)
    };
    // No rule names it, and it could take back what a rule does name.
    for signers in [RULE, COLLECTOR_RULE] {
        assert!(matches!(
            trust(signers, Vec::new()),
            Err(TrustError::KeySetNotGiven(name)) if name == "partner"
        ));
        let partner = read(&set(&draft(1)), None).expect("verifies");
        trust(signers, vec![("partner".to_owned(), partner)]).expect("nothing is missing");
    }
}
