//! What signatures may cost a verifier: budgets that hide no good statement.

use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::report::{Outcome, Verdict};

use crate::world::{By, Case, DATA, SIGNED, base64, bundle, bytes, good, origin, stamped};

#[test]
fn signatures_that_cost_too_much_are_not_tried_and_hide_nothing() {
    // Thirty-two signatures over four megabytes, which an Ed25519 key hashes for each.
    let statement = origin("dataset:sales", DATA).to_string();
    let long = format!("{{\"x\":\"{}\",{}", "x".repeat(4 << 20), &statement[1..]);
    let signature = Json::from([("sig", base64(b"junk").into())]);
    let most = makoto::limits::Limits::DEFAULT.envelope_items;
    let junk = Json::from([
        ("payload", base64(long.as_bytes()).into()),
        ("payloadType", "application/vnd.in-toto+json".into()),
        ("signatures", std::iter::repeat_n(signature, most).collect()),
    ]);
    let case = |attestations: String| Case {
        attestations: attestations.into_bytes(),
        keys: &["heir", "stranger"],
        ..Case::default()
    };
    let report = case(junk.to_string()).report();
    assert_eq!(report.verdict, Verdict::Unknown, "{:#?}", report.checks);
    let text = String::from_utf8_lossy(good());
    let report = case(format!("{text}\n{junk}")).passes();
    let mut skipped = report.with_outcome(Outcome::Skip);
    assert!(
        skipped.any(|check| check.id == "D1"),
        "{:#?}",
        report.checks
    );
    // Whether one of them says something else is not known.
    let strict = Case {
        policy: crate::world::policy(crate::world::COLLECTOR_RULE, "strict = true"),
        ..case(format!("{text}\n{junk}"))
    };
    assert_eq!(strict.report().verdict, Verdict::Unknown);
}

/// A token as everybody's, with four pairs of authorities in it that share their names.
fn with_twins(signature: &[u8]) -> Vec<u8> {
    let token = crate::world::token(signature, "tsa", SIGNED);
    crate::world::in_workshop(|workshop| {
        use crate::openssl::{AUTHORITY, LONG};
        let mut twins = Vec::new();
        for name in ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"] {
            workshop.key(name, "P-256");
            workshop.certify(
                name,
                &format!("/O={}", &name[..1]),
                "tsa-ca",
                AUTHORITY,
                LONG,
            );
            twins.extend(workshop.read(&format!("{name}.pem")));
        }
        workshop.write("twins.pem", twins);
        let content = workshop.content(&token);
        let more = ["-cades", "-md", "sha256", "-certfile", "twins.pem"];
        workshop.forge(&content, "tsa", &more)
    })
}

#[test]
fn what_comes_along_with_a_signature_counts_for_what_it_costs() {
    crate::world::in_workshop(|workshop| {
        use crate::openssl::{LONG, SIGNER};
        workshop.issue("slow", "rsa:4096", "slow", SIGNER, LONG);
    });
    let leaf = |name: &str| crate::world::in_workshop(|workshop| workshop.der(name));
    let statement = bytes(&origin("dataset:sales", DATA));
    let junk = |leaf: Vec<u8>| {
        let mut envelope = stamped(&statement, By::Key("stranger"), "tsa", SIGNED);
        envelope.unverified_signatures[0].certificates.push(leaf);
        envelope
    };
    let verdict = |envelope: &Envelope, count: usize| {
        let line = String::from_utf8_lossy(&bundle(envelope)).into_owned() + "\n";
        let case = Case {
            attestations: line.repeat(count).into_bytes(),
            ..Case::default()
        };
        case.report().verdict
    };
    // As many as are tried with a small key are not with a large one.
    assert_eq!(verdict(&junk(leaf("other")), 800), Verdict::Fail);
    assert_eq!(verdict(&junk(leaf("slow")), 100), Verdict::Fail);
    assert_eq!(verdict(&junk(leaf("slow")), 800), Verdict::Unknown);
    // Nor are tokens that lead to many paths.
    let mut envelope = junk(leaf("other"));
    let signature = &mut envelope.unverified_signatures[0];
    signature.tokens = vec![signature.tokens[0].clone(); 32];
    assert_eq!(verdict(&envelope, 20), Verdict::Fail);
    let signature = &mut envelope.unverified_signatures[0];
    signature.tokens = vec![with_twins(&signature.bytes); 32];
    assert_eq!(verdict(&envelope, 1), Verdict::Fail);
    assert_eq!(verdict(&envelope, 20), Verdict::Unknown);
}

#[test]
fn a_good_signature_is_found_among_many_envelopes_around_the_same_statement() {
    let text = String::from_utf8_lossy(good());
    let payload = base64(&bytes(&origin("dataset:sales", DATA)));
    let signature = Json::from([("sig", base64(b"junk").into())]);
    let most = makoto::limits::Limits::DEFAULT.envelope_items;
    let junk = Json::from([
        ("payload", payload.into()),
        ("payloadType", "application/vnd.in-toto+json".into()),
        ("signatures", std::iter::repeat_n(signature, most).collect()),
    ]);
    let many: String = (0..2_000).map(|_| format!("{junk}\n")).collect();
    let case = |attestations: String| Case {
        attestations: attestations.into_bytes(),
        keys: &["team"],
        ..Case::default()
    };
    case(format!("{text}\n{many}")).passes();
    assert_eq!(case(many).report().verdict, Verdict::Unknown);
}

#[test]
fn more_statements_than_the_budget_are_no_verdict_unless_one_verifies() {
    let junk = |index: usize| {
        let statement = bytes(&crate::world::origin_of(
            "dataset:sales",
            DATA,
            &format!("https://junk.example/{index}"),
            crate::world::COLLECTED,
            "x",
        ));
        let envelope = Json::from([
            ("payload", base64(&statement).into()),
            ("payloadType", "application/vnd.in-toto+json".into()),
            (
                "signatures",
                Json::from_iter([Json::from([("sig", base64(b"junk").into())])]),
            ),
        ]);
        envelope.to_string()
    };
    let most = makoto::limits::Limits::DEFAULT.authenticated_statements;
    let lines: Vec<_> = (0..=most).map(junk).collect();
    let case = |attestations: String| Case {
        attestations: attestations.into_bytes(),
        ..Case::default()
    };
    assert_eq!(case(lines.join("\n")).report().verdict, Verdict::Unknown);
    let text = String::from_utf8_lossy(good());
    case(format!("{}\n{text}", lines.join("\n"))).passes();
}

#[test]
fn where_a_word_is_enough_signatures_that_nobody_can_afford_change_nothing() {
    let signature = Json::from([("sig", base64(b"junk").into())]);
    let most = makoto::limits::Limits::DEFAULT.envelope_items;
    let junk = |index: usize| {
        let source = format!("https://erp.acme.example/{index}");
        let time = "2026-06-01T08:00:00Z";
        let statement = crate::world::origin_of("dataset:sales", DATA, &source, time, "c");
        let signatures = std::iter::repeat_n(signature.clone(), most);
        let envelope = Json::from([
            ("payload", base64(&bytes(&statement)).into()),
            ("payloadType", "application/vnd.in-toto+json".into()),
            ("signatures", signatures.collect()),
        ]);
        format!("{envelope}\n")
    };
    let many: String = (0..64).map(junk).collect();
    let case = |level: &str| Case {
        policy: crate::world::good_policy().replace("\"L2\"", level),
        attestations: many.clone().into_bytes(),
        ..Case::default()
    };
    assert_eq!(case("\"L2\"").report().verdict, Verdict::Unknown);
    let report = case("\"L1\"").report();
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.checks);
    assert_eq!(report.level, Some(makoto::report::Level::L1));
}
