//! Acme: authorities, signers, timestamps of a fixed clock, and data that verifies at L2.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::attestation::Attestation;
use makoto::canonical::to_canonical;
use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::envelope::{Envelope, PAYLOAD_TYPE};
use makoto::json::Json;
use makoto::key::{PublicKey, SigningKey};
use makoto::key_set::KeySet;
use makoto::limits::Limits;
use makoto::policy::Policy;
use makoto::report::{Outcome, Report, Verdict};
use makoto::timestamp::Request;
use makoto::trusted_root::TrustedRoot;
use makoto::validate::refusal;
use makoto::verify::{Asked, Attestations, Candidates, Evidence, FileEvidence, Trust};
use makoto_data::Stream;

use crate::command;
use crate::openssl::{AUTHORITY, LONG, SIGNER, TSA, Workshop};

pub(crate) const DATA: &[u8] = b"id,amount\n1,10\n2,20\n";
pub(crate) const CLEAN: &[u8] = b"id,amount\n1,10\n";
pub(crate) const COLLECTED: &str = "2026-06-01T08:00:00Z";
pub(crate) const SIGNED: &str = "2026-06-01T08:01:00Z";
pub(crate) const NOW: &str = "2026-06-02T08:00:00Z";
pub(crate) const COLLECTOR: &str = "https://acme.example/collectors/1";

/// Validity of certificates that have expired by [`NOW`], and were valid at [`SIGNED`].
pub(crate) const THAT_DAY: (&str, &str) = ("20260601000000Z", "20260601235959Z");

/// openssl's files are shared, so one at a time uses them.
static WORKSHOP: LazyLock<Mutex<Workshop>> = LazyLock::new(|| {
    let workshop = Workshop::new();
    workshop.issue("ca", "P-256", "ca", AUTHORITY, LONG);
    workshop.issue("rival-ca", "P-256", "rival-ca", AUTHORITY, LONG);
    workshop.issue("tsa-ca", "P-256", "tsa-ca", AUTHORITY, LONG);
    workshop.issue("tsa", "P-256", "tsa-ca", TSA, LONG);
    workshop.issue("tsa2-ca", "P-256", "tsa2-ca", AUTHORITY, LONG);
    workshop.issue("tsa2", "P-256", "tsa2-ca", TSA, LONG);
    workshop.issue("collector", "P-256", "ca", SIGNER, LONG);
    let other = SIGNER.replace("collectors/1", "collectors/2");
    let other = other.replace("ci@acme.example", "other@acme.example");
    workshop.issue("other", "P-256", "ca", &other, LONG);
    workshop.issue("expired", "P-256", "ca", SIGNER, THAT_DAY);
    workshop.issue("impostor", "P-256", "rival-ca", SIGNER, LONG);
    workshop.key("team", "P-256");
    workshop.key("owner", "P-256");
    workshop.key("heir", "ed25519");
    workshop.key("stranger", "ed25519");
    Mutex::new(workshop)
});

/// Runs `work` with the one workshop.
pub(crate) fn in_workshop<T>(work: impl FnOnce(&Workshop) -> T) -> T {
    // A failed test must not make the others fail for another cause.
    work(&WORKSHOP.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Who signs: a certificate with its key, or a bare key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Certificate(&'static str),
    Key(&'static str),
}

pub(crate) fn key(name: &str) -> SigningKey {
    let pem = in_workshop(|workshop| workshop.read(&format!("{name}.key")));
    SigningKey::from_pkcs8_pem(&pem).expect("a key of ours")
}

pub(crate) fn public(name: &str) -> PublicKey {
    key(name).public_key().clone()
}

/// Any bytes signed by a key of P-256, as another program would.
pub(crate) fn sign_bytes(name: &str, bytes: &[u8]) -> Vec<u8> {
    let pem = in_workshop(|workshop| workshop.read(&format!("{name}.key")));
    let pem = String::from_utf8(pem).expect("PEM");
    let (_, der) = pkcs8::SecretDocument::from_pem(&pem).expect("PEM");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_bytes());
    let pair = pair.expect("a key of P-256");
    let signature = pair.sign(&SystemRandom::new(), bytes).expect("signed");
    signature.as_ref().to_vec()
}

/// A token of `tsa` over `signature` that says `time`: what openssl answers, with another time,
/// signed again by the same authority.
pub(crate) fn token(signature: &[u8], tsa: &str, time: &str) -> Vec<u8> {
    let request = Request::new(signature, 7).to_der().expect("a request");
    in_workshop(|workshop| {
        let reply = workshop.reply(&request, tsa, "t");
        let digits: String = time.chars().filter(char::is_ascii_digit).collect();
        let mut content = workshop.content(&token_of(&reply));
        let at = content.windows(16).position(|window| {
            window[0] == 15 && window[1..15].iter().all(u8::is_ascii_digit) && window[15] == b'Z'
        });
        let at = at.expect("a time") + 1;
        content[at..at + 14].copy_from_slice(digits.as_bytes());
        workshop.forge(&content, tsa, &["-cades", "-md", "sha256"])
    })
}

/// The token in a response: what follows the status.
fn token_of(reply: &[u8]) -> Vec<u8> {
    // SEQUENCE { SEQUENCE { INTEGER 0 }, token }, both with lengths of two bytes.
    let body = &reply[4..];
    let status = 2 + usize::from(body[1]);
    body[status..].to_vec()
}

pub(crate) fn at(time: &str) -> DateTime {
    DateTime::parse(time).expect("a time")
}

pub(crate) fn origin(name: &str, data: &[u8]) -> Json {
    origin_of(
        name,
        data,
        "https://erp.acme.example/sales",
        COLLECTED,
        COLLECTOR,
    )
}

pub(crate) fn origin_of(
    name: &str,
    data: &[u8],
    source: &str,
    collected: &str,
    collector: &str,
) -> Json {
    statement(
        "origin",
        &[(name, data)],
        [
            (
                "origin",
                [
                    ("source", source.into()),
                    ("sourceType", "api".into()),
                    ("collectionMethod", "pull".into()),
                    ("collectionTimestamp", collected.into()),
                ]
                .into(),
            ),
            ("collector", [("id", collector.into())].into()),
        ]
        .into(),
    )
}

pub(crate) fn statement(kind: &str, subjects: &[(&str, &[u8])], predicate: Json) -> Json {
    let subject = |(name, data): &(&str, &[u8])| {
        let sha256 = Digest::of(data).to_string();
        Json::from([
            ("name", (*name).into()),
            ("digest", [("sha256", sha256.into())].into()),
        ])
    };
    [
        ("_type", "https://in-toto.io/Statement/v1".into()),
        ("subject", subjects.iter().map(subject).collect()),
        (
            "predicateType",
            format!("https://makoto.dev/{kind}/v1").into(),
        ),
        ("predicate", predicate),
    ]
    .into()
}

/// An input: name, SHA-256, and the id of its attestation.
pub(crate) fn input(name: &str, sha256: &Digest, id: Option<&Digest>) -> Json {
    let digest = Json::from([("sha256", sha256.to_string().into())]);
    let mut input = makoto::json::Object::new();
    input.insert("name", name.into());
    input.insert("digest", digest);
    if let Some(id) = id {
        input.insert("attestationRef", Attestation::reference_to(id).into());
    }
    Json::Object(input)
}

pub(crate) fn transform(name: &str, data: &[u8], inputs: Vec<Json>) -> Json {
    statement(
        "transform",
        &[(name, data)],
        [
            ("inputs", Json::Array(inputs)),
            (
                "transform",
                [
                    ("type", "https://makoto.dev/transforms/filter".into()),
                    ("name", "filter".into()),
                ]
                .into(),
            ),
            ("executor", [("id", COLLECTOR.into())].into()),
            (
                "metadata",
                [
                    ("startedOn", COLLECTED.into()),
                    ("finishedOn", COLLECTED.into()),
                ]
                .into(),
            ),
        ]
        .into(),
    )
}

/// A window of ten seconds of `stream`.
pub(crate) fn window(name: &str, data: &[u8], stream: makoto::json::Object) -> Json {
    let sha256 = Digest::of(data).to_string();
    let digest = [
        ("sha256", sha256.as_str().into()),
        ("recordCount", "2".into()),
        ("merkleRoot", sha256.as_str().into()),
        ("windowStart", "2026-06-01T07:59:50Z".into()),
        ("windowEnd", COLLECTED.into()),
    ];
    [
        ("_type", "https://in-toto.io/Statement/v1".into()),
        (
            "subject",
            Json::from_iter([Json::from([
                ("name", name.into()),
                ("digest", digest.into()),
            ])]),
        ),
        (
            "predicateType",
            "https://makoto.dev/stream-window/v1".into(),
        ),
        (
            "predicate",
            [
                ("stream", Json::Object(stream)),
                (
                    "window",
                    [("type", "tumbling".into()), ("duration", "PT10S".into())].into(),
                ),
                (
                    "integrity",
                    [(
                        "merkleTree",
                        [
                            ("algorithm", "sha256".into()),
                            ("leafCount", 2_u64.into()),
                            ("root", sha256.as_str().into()),
                        ]
                        .into(),
                    )]
                    .into(),
                ),
                ("collector", [("id", COLLECTOR.into())].into()),
            ]
            .into(),
        ),
    ]
    .into()
}

pub(crate) fn bytes(statement: &Json) -> Vec<u8> {
    to_canonical(statement).expect("canonical")
}

/// An envelope around `payload`, with the certificate of the signer and no token.
pub(crate) fn unstamped(payload: &[u8], by: By) -> Envelope {
    let (name, certificate) = match by {
        By::Certificate(name) => (name, Some(in_workshop(|workshop| workshop.der(name)))),
        By::Key(name) => (name, None),
    };
    let mut envelope = Envelope::sign(PAYLOAD_TYPE, payload, &key(name)).expect("signed");
    envelope.unverified_signatures[0]
        .certificates
        .extend(certificate);
    envelope
}

/// The same with a token of `tsa` that says `time`.
pub(crate) fn stamped(payload: &[u8], by: By, tsa: &str, time: &str) -> Envelope {
    let mut envelope = unstamped(payload, by);
    let signature = &mut envelope.unverified_signatures[0];
    let token = token(&signature.bytes, tsa, time);
    signature.tokens.push(token);
    envelope
}

/// The bundle of a statement, signed and stamped as everything good is.
pub(crate) fn signed(statement: &Json, by: By) -> Vec<u8> {
    bundle(&stamped(&bytes(statement), by, "tsa", SIGNED))
}

pub(crate) fn bundle(envelope: &Envelope) -> Vec<u8> {
    envelope
        .to_bundle()
        .expect("one signature")
        .to_string()
        .into_bytes()
}

/// The good bundle about [`DATA`] by the collector's certificate, made once.
pub(crate) fn good() -> &'static [u8] {
    static GOOD: LazyLock<Vec<u8>> =
        LazyLock::new(|| signed(&origin("dataset:sales", DATA), By::Certificate("collector")));
    &GOOD
}

pub(crate) fn root() -> Json {
    in_workshop(|workshop| {
        workshop.root_document(
            &[("acme", &["ca"]), ("rival", &["rival-ca"])],
            &[("acme-time", &["tsa-ca"]), ("other-time", &["tsa2-ca"])],
        )
    })
}

/// The signer that the good policy allows.
pub(crate) const COLLECTOR_RULE: &str =
    r#"{ uri = "https://acme.example/collectors/1", ca = "acme" }"#;

/// A policy with one rule for sales, and more terms.
pub(crate) fn policy(signers: &str, terms: &str) -> String {
    format!(
        "version = 1\ntrusted-root = \"root.json\"\n[[dataset]]\nname = \"dataset:sales*\"\nrequire = \"L2\"\nsigners = [{signers}]\n{terms}\n"
    )
}

pub(crate) fn good_policy() -> String {
    policy(COLLECTOR_RULE, "")
}

/// Everything that a verdict depends on. Tests change one thing.
pub(crate) struct Case<'a> {
    pub(crate) policy: String,
    pub(crate) attestations: Vec<u8>,
    pub(crate) data: &'a [u8],
    pub(crate) name: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) level: Option<makoto::report::Level>,
    pub(crate) now: &'a str,
    pub(crate) keys: &'a [&'a str],
    /// Other authorities than everybody's.
    pub(crate) root: Option<Json>,
    /// Key sets of the owner by their names, as files.
    pub(crate) key_sets: Vec<(&'a str, Vec<u8>)>,
    /// Bundles of inputs, found by their ids.
    pub(crate) inputs: Vec<Vec<u8>>,
}

impl Default for Case<'_> {
    /// The good set.
    fn default() -> Self {
        Self {
            policy: good_policy(),
            attestations: good().to_vec(),
            data: DATA,
            name: None,
            path: None,
            level: None,
            now: NOW,
            keys: &[],
            root: None,
            key_sets: Vec::new(),
            inputs: Vec::new(),
        }
    }
}

struct Shelf(HashMap<Digest, Vec<Attestation>>);

impl Attestations for Shelf {
    fn with_id(&mut self, id: &Digest) -> Result<Vec<Attestation>, String> {
        Ok(self.0.get(id).cloned().unwrap_or_default())
    }
}

impl Case<'_> {
    /// The policy with the keys and key sets that it lists.
    pub(crate) fn policy(&self) -> String {
        let owner = public("owner").key_id();
        let mut text = match self.keys() {
            keys if keys.is_empty() => self.policy.clone(),
            _ => format!("trusted-keys = \"keys.pem\"\n{}", self.policy),
        };
        for (name, _) in &self.key_sets {
            let file = format!("file = \"{name}.json\"");
            text += &format!("[[keysets]]\n{file}\nname = \"{name}\"\nkey = \"{owner}\"\n");
        }
        text
    }

    /// The keys that the policy trusts, that of the owner of key sets too.
    pub(crate) fn keys(&self) -> Vec<PublicKey> {
        let owner = (!self.key_sets.is_empty()).then_some(&"owner");
        let names = self.keys.iter().chain(owner);
        names.map(|name| public(name)).collect()
    }

    /// The trusted root as a file.
    pub(crate) fn root(&self) -> Vec<u8> {
        let root = self.root.clone().unwrap_or_else(root);
        root.to_string().into_bytes()
    }

    /// What the library says, alone: for data that is in no file.
    pub(crate) fn judge(&self) -> Report {
        let attestations = match Attestation::parse_file(&self.attestations) {
            Ok(attestations) => attestations,
            Err(error) => return refusal(&error, at(self.now)),
        };
        let candidates = Candidates::read(attestations);
        let sha256 = Digest::of(self.data);
        let settings = candidates.settings_for(&sha256, self.name).flatten();
        let stream = Stream::open(Path::new("data"), None, Cursor::new(self.data.to_vec()));
        let read = stream.and_then(|stream| stream.digest(settings, &|_| (), None));
        let read = read.expect("the data can be read");
        let evidence = Evidence::File(Box::new(FileEvidence {
            sha256,
            bytes: read.bytes,
            records: settings.cloned().zip(read.records),
        }));
        let places: Vec<_> = self.path.iter().map(|path| (*path).to_owned()).collect();
        let asked = Asked {
            level: self.level,
            name: self.name,
            places: &places,
        };
        let mut shelf = Shelf(HashMap::new());
        for bundle in &self.inputs {
            for one in Attestation::parse_file(bundle).expect("attestations") {
                shelf.0.entry(one.id).or_default().push(one);
            }
        }
        let policy = Policy::read(self.policy().as_bytes(), &Limits::DEFAULT);
        let policy = policy.unwrap_or_else(|problems| panic!("{problems:?}"));
        let root = self.root();
        let digest = Digest::of(&root);
        let root = TrustedRoot::from_json(&root).expect("a trusted root");
        let sets = self.key_sets.iter().map(|(name, set)| {
            let set = KeySet::verify(set, &public("owner"), None, None, &at(self.now));
            ((*name).to_owned(), set.expect("a key set"))
        });
        let trust = Trust::new(policy, root, digest, self.keys(), sets.collect());
        let trust = trust.expect("nothing is missing");
        trust.verify(&candidates, &evidence, &asked, &mut shelf, at(self.now))
    }

    /// What the library and the command say, which is the same.
    #[track_caller]
    pub(crate) fn report(&self) -> Report {
        let report = self.judge();
        command::agrees(self, &report);
        report
    }

    /// Asserts that it passes at L2, and hands out the report.
    #[track_caller]
    pub(crate) fn passes(&self) -> Report {
        let report = self.report();
        assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.checks);
        assert_eq!(report.level, Some(makoto::report::Level::L2));
        report
    }

    /// Asserts that it fails by each of these requirements.
    #[track_caller]
    pub(crate) fn fails(&self, ids: &[&str]) -> Report {
        let report = self.report();
        assert_eq!(report.verdict, Verdict::Fail, "{:#?}", report.checks);
        assert_eq!(report.level, None);
        let judged = report.judged.as_ref();
        let nobody = judged.is_none_or(|judged| judged.signers.is_empty());
        assert!(nobody, "nobody is shown as verified");
        for id in ids {
            let mut failed = report.with_outcome(Outcome::Fail);
            assert!(
                failed.any(|check| check.id == *id),
                "{id}: {:#?}",
                report.checks
            );
        }
        report
    }

    /// Asserts that it passes with a finding of this requirement.
    #[track_caller]
    pub(crate) fn warns(&self, id: &str) -> Report {
        let report = self.passes();
        let warned = report
            .with_outcome(Outcome::Warn)
            .any(|check| check.id == id);
        assert!(warned, "{id}: {:#?}", report.checks);
        report
    }
}

/// Base64 as everything is written.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
