//! Tokens over signatures (attacks 27 to 30 and their neighbours).

use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use makoto::chain::ChainError;
use makoto::timestamp::{Request, ResponseError, Timestamp, TimestampError};
use makoto::trusted_root::TrustedRoot;

use crate::openssl::{AUTHORITY, LONG, TSA, Workshop};

const SIGNATURE: &[u8] = b"the bytes of a signature";

/// One root with an authority, an intermediate one, and a good TSA of each kind under it.
struct Fixture {
    workshop: Workshop,
    root: TrustedRoot,
    token: Vec<u8>,
    content: Vec<u8>,
}

/// openssl's files are shared, so one test at a time uses them.
fn fixture() -> std::sync::MutexGuard<'static, Fixture> {
    static FIXTURE: OnceLock<Mutex<Fixture>> = OnceLock::new();
    let made = FIXTURE.get_or_init(|| {
        let workshop = Workshop::new();
        workshop.issue("anchor", "P-256", "anchor", AUTHORITY, LONG);
        workshop.issue("middle", "P-384", "anchor", AUTHORITY, LONG);
        workshop.issue("tsa", "P-256", "middle", TSA, LONG);
        let root = workshop.root(&[], &[("acme-time", &["middle", "anchor"])]);
        let request = Request::new(SIGNATURE, 7).to_der().expect("a request");
        let reply = workshop.reply(&request, "tsa", "t");
        let accepted = Request::new(SIGNATURE, 7).accept(&reply, &root);
        let token = accepted.expect("the good token").token;
        let content = workshop.content(&token);
        Mutex::new(Fixture {
            workshop,
            root,
            token,
            content,
        })
    });
    // A failed test must not make the others fail for another cause.
    made.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Fixture {
    fn verify(&self, token: &[u8]) -> Result<Timestamp, TimestampError> {
        Timestamp::verify(token, SIGNATURE, &self.root)
    }

    /// The good token's content, signed by another certificate.
    fn forged(&self, signer: &str) -> Result<Timestamp, TimestampError> {
        let token = self
            .workshop
            .forge(&self.content, signer, &["-cades", "-md", "sha256"]);
        self.verify(&token)
    }
}

fn chain_error(result: Result<Timestamp, TimestampError>) -> ChainError {
    match result {
        Err(TimestampError::Chain(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("it is there");
    [&bytes[..at], to, &bytes[at + to.len()..]].concat()
}

#[test]
fn a_timestamp_tells_its_time_and_who_gave_it() {
    let fixture = fixture();
    let timestamp = fixture.verify(&fixture.token).expect("the good token");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let age = now.as_secs() as i64 - timestamp.time().unix_seconds();
    assert!((0..3_600).contains(&age), "{age}");
    assert_eq!(timestamp.operator(), Some("acme-time"));
    assert_eq!(timestamp.authority(), "acme-time");
    assert_eq!(timestamp.policy(), "1.2.3.4.1");
    assert_eq!(timestamp.accuracy_micros(), Some(1_500_100));
    assert!(!timestamp.serial().is_empty());
}

#[test]
fn authorities_with_rsa_and_elliptic_keys_are_accepted() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    for (name, kind) in [
        ("tsa-rsa", "rsa:2048"),
        ("tsa-384", "P-384"),
        ("tsa-521", "P-521"),
    ] {
        workshop.issue(name, kind, "middle", TSA, LONG);
        // The longest nonces, and those that would be negative numbers.
        for nonce in [0, 127, 128, u64::MAX] {
            let request = Request::new(SIGNATURE, nonce);
            let query = request.to_der().expect("a request");
            let reply = workshop.reply(&query, name, "t");
            let accepted = request.accept(&reply, &fixture.root);
            let accepted = accepted.unwrap_or_else(|error| panic!("{name} {nonce}: {error:?}"));
            assert_eq!(fixture.verify(&accepted.token), Ok(accepted.timestamp));
        }
    }
    // The signature algorithm says PSS, and its parameters say which.
    for (hash, salt) in [("sha256", "32"), ("sha384", "48"), ("sha512", "64")] {
        let salt = format!("rsa_pss_saltlen:{salt}");
        let more = [
            "-cades",
            "-md",
            hash,
            "-keyopt",
            "rsa_padding_mode:pss",
            "-keyopt",
            &salt,
        ];
        let token = workshop.forge(&fixture.content, "tsa-rsa", &more);
        assert!(fixture.verify(&token).is_ok(), "{hash}");
        let by_id = [&more[..], &["-keyid"]].concat();
        let token = workshop.forge(&fixture.content, "tsa-rsa", &by_id);
        assert!(fixture.verify(&token).is_ok(), "{hash} by key id");
    }
    let more = [
        "-cades",
        "-md",
        "sha256",
        "-keyopt",
        "rsa_padding_mode:pss",
        "-keyopt",
        "rsa_pss_saltlen:20",
    ];
    let token = workshop.forge(&fixture.content, "tsa-rsa", &more);
    assert!(matches!(
        fixture.verify(&token),
        Err(TimestampError::Algorithm(_))
    ));
    workshop.issue("tsa-small", "rsa:1024", "middle", TSA, LONG);
    assert_eq!(fixture.forged("tsa-small"), Err(TimestampError::Signature));
}

#[test]
fn attack_27_a_token_of_another_signature_is_refused() {
    let fixture = fixture();
    let other = Timestamp::verify(&fixture.token, b"another signature", &fixture.root);
    assert_eq!(other, Err(TimestampError::OtherImprint));
    let empty = Timestamp::verify(&fixture.token, b"", &fixture.root);
    assert_eq!(empty, Err(TimestampError::OtherImprint));
}

#[test]
fn attack_28_a_token_over_the_payload_is_refused() {
    let fixture = fixture();
    let payload = Request::new(b"{\"_type\":\"https://in-toto.io/Statement/v1\"}", 7);
    let reply = fixture
        .workshop
        .reply(&payload.to_der().expect("a request"), "tsa", "t");
    let accepted = payload
        .accept(&reply, &fixture.root)
        .expect("it is a good token");
    assert_eq!(
        fixture.verify(&accepted.token),
        Err(TimestampError::OtherImprint)
    );
}

#[test]
fn attack_29_a_certificate_without_critical_and_sole_time_stamping_is_refused() {
    let fixture = fixture();
    let critical = "extendedKeyUsage=critical,timeStamping";
    for (name, usage) in [
        ("tsa-not-critical", "extendedKeyUsage=timeStamping"),
        (
            "tsa-two-purposes",
            "extendedKeyUsage=critical,timeStamping,codeSigning",
        ),
        ("tsa-other-purpose", "extendedKeyUsage=critical,codeSigning"),
        (
            "tsa-any-purpose",
            "extendedKeyUsage=critical,anyExtendedKeyUsage",
        ),
        ("tsa-no-purpose", ""),
    ] {
        let extensions = TSA.replace(critical, usage);
        fixture
            .workshop
            .issue(name, "P-256", "middle", &extensions, LONG);
        let error = chain_error(fixture.forged(name));
        assert!(
            matches!(error, ChainError::ExtendedKeyUsage { .. }),
            "{name}: {error:?}"
        );
    }
    let encipher = TSA.replace("digitalSignature", "keyEncipherment");
    fixture
        .workshop
        .issue("tsa-encipher", "P-256", "middle", &encipher, LONG);
    let error = chain_error(fixture.forged("tsa-encipher"));
    assert!(matches!(error, ChainError::KeyUsage { .. }), "{error:?}");
    let authority = TSA.replace("CA:FALSE", "CA:TRUE");
    fixture
        .workshop
        .issue("tsa-authority", "P-256", "middle", &authority, LONG);
    let error = chain_error(fixture.forged("tsa-authority"));
    assert!(matches!(error, ChainError::LeafIsAuthority(_)), "{error:?}");
    // The unchanged neighbour, by the same way.
    assert!(fixture.forged("tsa").is_ok());
}

#[test]
fn attack_30_an_unknown_authority_is_refused_even_under_the_root_of_signers() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("stranger", "P-256", "stranger", AUTHORITY, LONG);
    workshop.issue("tsa-stranger", "P-256", "stranger", TSA, LONG);
    let error = chain_error(fixture.forged("tsa-stranger"));
    assert!(
        matches!(error, ChainError::UnknownAuthority(_)),
        "{error:?}"
    );
    // Its root in the bag changes nothing.
    let more = ["-cades", "-md", "sha256", "-certfile", "stranger.pem"];
    let token = workshop.forge(&fixture.content, "tsa-stranger", &more);
    let error = chain_error(fixture.verify(&token));
    assert!(
        matches!(error, ChainError::UnknownAuthority(_)),
        "{error:?}"
    );
    let signers = workshop.root(
        &[("acme", &["stranger"])],
        &[("acme-time", &["middle", "anchor"])],
    );
    let error = chain_error(Timestamp::verify(&token, SIGNATURE, &signers));
    assert!(
        matches!(error, ChainError::UnknownAuthority(_)),
        "{error:?}"
    );
    let named = workshop.root(&[], &[("stranger", &["stranger"])]);
    assert!(Timestamp::verify(&token, SIGNATURE, &named).is_ok());
}

#[test]
fn a_chain_that_had_expired_at_the_time_of_the_token_is_refused() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let year = ("20220101000000Z", "20221231235959Z");
    workshop.issue("tsa-2022", "P-256", "middle", TSA, year);
    let now = fixture.verify(&fixture.token).expect("the good token");
    let digits: String = now
        .time()
        .as_str()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let at = |time: &str| {
        let content = replaced(&fixture.content, &digits.as_bytes()[..14], time.as_bytes());
        workshop.forge(&content, "tsa-2022", &["-cades", "-md", "sha256"])
    };
    assert!(matches!(
        chain_error(fixture.forged("tsa-2022")),
        ChainError::Expired { .. }
    ));
    // It expired since then, and counts still.
    for time in ["20220101000000", "20220630120000", "20221231235959"] {
        assert!(fixture.verify(&at(time)).is_ok(), "{time}");
    }
    let after = chain_error(fixture.verify(&at("20230101000000")));
    assert!(matches!(after, ChainError::Expired { .. }), "{after:?}");
    let before = chain_error(fixture.verify(&at("20211231235959")));
    assert!(
        matches!(before, ChainError::NotYetValid { .. }),
        "{before:?}"
    );
    // An anchor that expired is no anchor any more.
    workshop.issue("anchor-2022", "P-256", "anchor-2022", AUTHORITY, year);
    workshop.issue("tsa-outlives", "P-256", "anchor-2022", TSA, LONG);
    let root = workshop.root(&[], &[("old", &["anchor-2022"])]);
    let token = workshop.forge(
        &fixture.content,
        "tsa-outlives",
        &["-cades", "-md", "sha256"],
    );
    let error = chain_error(Timestamp::verify(&token, SIGNATURE, &root));
    assert!(matches!(error, ChainError::Expired { .. }), "{error:?}");
}

#[test]
fn another_certificate_in_the_bag_is_not_taken_for_the_signers() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    // The good certificate comes along with a token that a stranger's key signed.
    workshop.key("thief", "P-256");
    workshop.certify(
        "thief",
        "/CN=thief",
        "middle",
        &TSA.replace("timeStamping", "codeSigning"),
        LONG,
    );
    let more = ["-cades", "-md", "sha256", "-certfile", "tsa.pem"];
    let token = workshop.forge(&fixture.content, "thief", &more);
    let error = chain_error(fixture.verify(&token));
    assert!(
        matches!(error, ChainError::ExtendedKeyUsage { .. }),
        "{error:?}"
    );
    // Without its own certificate there is none that the token names.
    let more = [
        "-cades",
        "-md",
        "sha256",
        "-certfile",
        "tsa.pem",
        "-nocerts",
    ];
    let token = workshop.forge(&fixture.content, "thief", &more);
    assert_eq!(fixture.verify(&token), Err(TimestampError::NoCertificate));
    // One more that has nothing to do with it does no harm.
    let more = ["-cades", "-md", "sha256", "-certfile", "thief.pem"];
    let token = workshop.forge(&fixture.content, "tsa", &more);
    assert!(fixture.verify(&token).is_ok());
    // Two certificates of one key: the signature fits both, the token names one.
    fs_copy(workshop, "tsa.key", "twin.key");
    workshop.certify(
        "twin",
        "/CN=twin",
        "middle",
        &TSA.replace("critical,timeStamping", "timeStamping"),
        LONG,
    );
    let twin = workshop.forge(
        &fixture.content,
        "twin",
        &["-cades", "-md", "sha256", "-certfile", "tsa.pem"],
    );
    let error = chain_error(fixture.verify(&twin));
    assert!(
        matches!(error, ChainError::ExtendedKeyUsage { .. }),
        "{error:?}"
    );
}

fn fs_copy(workshop: &Workshop, from: &str, to: &str) {
    workshop.write(to, workshop.read(from));
}

#[test]
fn a_token_without_certificates_is_completed_from_the_trusted_root() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let more = ["-cades", "-md", "sha256", "-nocerts"];
    let token = workshop.forge(&fixture.content, "tsa", &more);
    assert_eq!(fixture.verify(&token), Err(TimestampError::NoCertificate));
    let root = workshop.root(&[], &[("acme-time", &["tsa", "middle", "anchor"])]);
    assert!(Timestamp::verify(&token, SIGNATURE, &root).is_ok());
}

#[test]
fn a_token_names_its_certificate_by_more_than_sha1() {
    let fixture = fixture();
    let request = Request::new(SIGNATURE, 7);
    let query = request.to_der().expect("a request");
    let reply = fixture.workshop.reply(&query, "tsa", "t1");
    let error = ResponseError::Token(TimestampError::OnlySha1);
    assert_eq!(request.accept(&reply, &fixture.root), Err(error));
    let unnamed = fixture
        .workshop
        .forge(&fixture.content, "tsa", &["-md", "sha256"]);
    assert!(matches!(
        fixture.verify(&unnamed),
        Err(TimestampError::Form(_))
    ));
    let unsigned = fixture
        .workshop
        .forge(&fixture.content, "tsa", &["-md", "sha256", "-noattr"]);
    assert!(matches!(
        fixture.verify(&unsigned),
        Err(TimestampError::Form(_))
    ));
}

#[test]
fn a_time_may_have_a_fraction_and_other_hashes_do_as_well() {
    let fixture = fixture();
    let request = Request::new(SIGNATURE, 7);
    let query = request.to_der().expect("a request");
    let reply = fixture.workshop.reply(&query, "tsa", "t2");
    let accepted = request.accept(&reply, &fixture.root).expect("a token");
    // One in a million has none.
    assert!(accepted.timestamp.time().as_str().len() > "2026-11-21T08:00:00Z".len());
    assert_eq!(accepted.timestamp.accuracy_micros(), None);
}

#[test]
fn the_signers_identifier_is_that_of_the_certificate_that_was_signed_for() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let root = workshop.root(&[], &[("acme-time", &["tsa", "middle", "anchor"])]);
    let more = ["-cades", "-md", "sha256", "-nocerts"];
    let token = workshop.forge(&fixture.content, "tsa", &more);
    assert!(Timestamp::verify(&token, SIGNATURE, &root).is_ok());
    // The identifier is not signed: anyone can point it at another certificate.
    let der = workshop.der("tsa");
    let version = [0xa0, 0x03, 0x02, 0x01, 0x02, 0x02];
    let at = der
        .windows(6)
        .position(|part| part == version)
        .expect("version 3");
    let serial = &der[at + 7..at + 7 + usize::from(der[at + 6])];
    let mut other = serial.to_vec();
    other[serial.len() - 1] ^= 1;
    let changed = replaced(&token, serial, &other);
    let found = Timestamp::verify(&changed, SIGNATURE, &root);
    assert_eq!(found, Err(TimestampError::OtherCertificate));
}

#[test]
fn two_signers_and_other_content_types_are_refused() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    workshop.issue("tsa-second", "P-256", "middle", TSA, LONG);
    let more = [
        "-cades",
        "-md",
        "sha256",
        "-signer",
        "tsa-second.pem",
        "-inkey",
        "tsa-second.key",
    ];
    let token = workshop.forge(&fixture.content, "tsa", &more);
    assert_eq!(
        fixture.verify(&token),
        Err(TimestampError::Form("has not exactly one signer"))
    );
    let data = [
        "-cades",
        "-md",
        "sha256",
        "-econtent_type",
        "1.2.840.113549.1.7.1",
    ];
    let token = workshop.forge(&fixture.content, "tsa", &data);
    assert!(matches!(
        fixture.verify(&token),
        Err(TimestampError::Form(_))
    ));
    let weak = workshop.forge(&fixture.content, "tsa", &["-cades", "-md", "sha1"]);
    assert!(matches!(
        fixture.verify(&weak),
        Err(TimestampError::Hash(_) | TimestampError::OnlySha1)
    ));
}

#[test]
fn no_changed_cut_or_longer_token_is_accepted() {
    let fixture = fixture();
    let token = &fixture.token;
    for end in 0..token.len() {
        assert!(fixture.verify(&token[..end]).is_err(), "cut at {end}");
    }
    let longer = [&token[..], &[0]].concat();
    assert!(matches!(
        fixture.verify(&longer),
        Err(TimestampError::Malformed { .. })
    ));
    // Every byte of what was signed, and of the signature itself.
    let at = token
        .windows(fixture.content.len())
        .position(|part| part == fixture.content);
    let at = at.expect("the content is in the token");
    for place in at..at + fixture.content.len() {
        let mut changed = token.clone();
        changed[place] ^= 1;
        assert!(fixture.verify(&changed).is_err(), "byte {place}");
    }
    for place in token.len() - 60..token.len() {
        let mut changed = token.clone();
        changed[place] ^= 1;
        assert!(fixture.verify(&changed).is_err(), "byte {place}");
    }
    // One that only the digest of the content can tell: the serial number, or the policy.
    let policy = [0x06, 0x04, 0x2a, 0x03, 0x04, 0x01];
    let other = [0x06, 0x04, 0x2a, 0x03, 0x04, 0x02];
    let changed = replaced(token, &policy, &other);
    assert_eq!(
        fixture.verify(&changed),
        Err(TimestampError::ContentChanged)
    );
    assert!(fixture.verify(token).is_ok());
}

#[test]
fn an_answer_to_another_question_or_a_refusal_is_no_timestamp() {
    let fixture = fixture();
    let workshop = &fixture.workshop;
    let request = Request::new(SIGNATURE, 8);
    let query = request.to_der().expect("a request");
    let reply = workshop.reply(&query, "tsa", "t");
    assert!(request.accept(&reply, &fixture.root).is_ok());
    let replayed = Request::new(SIGNATURE, 9).accept(&reply, &fixture.root);
    assert!(
        matches!(replayed, Err(ResponseError::Nonce { .. })),
        "{replayed:?}"
    );
    let other = Request::new(b"other", 8).accept(&reply, &fixture.root);
    assert_eq!(
        other,
        Err(ResponseError::Token(TimestampError::OtherImprint))
    );
    let longer = [&reply[..], &[0]].concat();
    let longer = request.accept(&longer, &fixture.root);
    assert!(matches!(longer, Err(ResponseError::Malformed(_))));
    let short = request.accept(&reply[..reply.len() - 1], &fixture.root);
    assert!(matches!(short, Err(ResponseError::Malformed(_))));
    // Status rejection, text "no", failure bit 2; then granted without a token.
    let refusal = [
        0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x02, 0x30, 0x04, 0x0c, 0x02, b'n', b'o', 0x03, 0x02,
        0x05, 0x20,
    ];
    match request.accept(&refusal, &fixture.root) {
        Err(ResponseError::Refused {
            status,
            text,
            failure,
        }) => {
            assert_eq!((status, text.as_str(), failure), (2, "no", vec![2]));
        }
        other => panic!("{other:?}"),
    }
    let nothing = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00];
    assert_eq!(
        request.accept(&nothing, &fixture.root),
        Err(ResponseError::NoToken)
    );
}

#[test]
fn a_token_larger_than_the_budget_is_not_read() {
    let fixture = fixture();
    let large = vec![0x30; (128 << 10) + 1];
    assert_eq!(
        fixture.verify(&large),
        Err(TimestampError::TooLarge(large.len()))
    );
}
