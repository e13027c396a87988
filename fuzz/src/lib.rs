//! What each parser must hold for any bytes. The fuzzer and an ordinary test run the same.

use makoto::attestation::Attestation;
use makoto::canonical::to_canonical;
use makoto::datetime::{DateTime, Duration};
use makoto::digest::Digest;
use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::key::{PublicKey, SigningKey};
use makoto::limits::Limits;
use makoto::manifest::Manifest;
use makoto::merkle::{verify_consistency, verify_inclusion};
use makoto::pem;
use makoto::policy::Policy;
use makoto::record::{Encoding, Format, Quote, Records, Settings};
use makoto::report::{Level, Verdict};
use makoto::secret::{MASK, Masker};
use makoto::validate::validate;

/// A document is read or refused, and what is written is read back as the same.
pub fn document(data: &[u8]) {
    let now = DateTime::from_unix(0).expect("1970 is a year");
    let at_l1 = validate(data, Level::L1, now.clone());
    let at_l2 = validate(data, Level::L2, now);
    assert!(
        at_l1.verdict != Verdict::Fail || at_l2.verdict == Verdict::Fail,
        "L2 is stricter"
    );
    assert_eq!(at_l1.level, None, "no data was seen");
    let _ = Attestation::parse_file(data);
    let Ok(value) = Json::parse(data, &Limits::DEFAULT) else {
        return;
    };
    let text = value.to_string();
    assert_eq!(
        Json::parse(text.as_bytes(), &Limits::DEFAULT).as_ref(),
        Ok(&value)
    );
    if let Ok(canonical) = to_canonical(&value) {
        let again = Json::parse(&canonical, &Limits::DEFAULT).expect("canonical form is JSON");
        assert_eq!(to_canonical(&again).as_deref(), Ok(canonical.as_slice()));
    }
}

/// Data is cut into the same records wherever it is cut into chunks.
pub fn records(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let format = if choice & 1 == 0 {
        Format::Csv
    } else {
        Format::JsonLines
    };
    let mut settings = Settings::for_format(format);
    settings.header = Some(choice & 2 == 0);
    if choice & 4 != 0 {
        settings.quote = Some(Quote::None);
    }
    if choice & 8 != 0 && format == Format::JsonLines {
        settings.encoding = Some(Encoding::Rfc8785);
    }
    let _ = Records::of(data, &settings);
    let splitter = settings.splitter().expect("a format of lines");
    let mut whole = Vec::new();
    if splitter.split(data, true, &mut whole).is_err() {
        return;
    }
    let cut = data.len() / 2;
    let mut parts = Vec::new();
    let Ok(consumed) = splitter.split(&data[..cut], false, &mut parts) else {
        panic!("the beginning of good data is good");
    };
    let mut records: Vec<_> = parts.iter().map(|span| span.of(data).to_vec()).collect();
    let mut rest = Vec::new();
    splitter
        .split(&data[consumed..], true, &mut rest)
        .expect("good data");
    records.extend(rest.iter().map(|span| span.of(&data[consumed..]).to_vec()));
    let whole: Vec<_> = whole.iter().map(|span| span.of(data).to_vec()).collect();
    assert_eq!(records, whole);
}

/// A manifest has one form.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.to_text().as_bytes(), data);
        assert_eq!(manifest.dir_hash(), Digest::of(data));
    }
}

/// Scalars keep their text and have one spelling.
pub fn scalars(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(time) = DateTime::parse(text) {
        assert_eq!(time.as_str(), text);
    }
    if let Some(duration) = Duration::parse(text) {
        assert_eq!(duration.as_str(), text);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
}

/// Masking keeps the arguments apart, and what it reports stands in the result.
pub fn secrets(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let arguments: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let mut masker = Masker::new();
    let masked = masker.mask_arguments(&arguments, "command");
    assert_eq!(masked.len(), arguments.len());
    let changed = masked != arguments;
    assert_eq!(changed, !masker.masked().is_empty());
    assert!(!changed || masked.iter().any(|argument| argument.contains(MASK)));
}

/// A proof ends, and one that holds does so for one leaf, one root and one length only. (Noise
/// may well be a proof: any hashes lead to some root, and a fuzzer puts it in place.)
pub fn proofs(data: &[u8]) {
    let mut hashes = data.chunks_exact(32).map(|chunk| {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(chunk);
        Digest::from(bytes)
    });
    let (Some(leaf), Some(root)) = (hashes.next(), hashes.next()) else {
        return;
    };
    let proof: Vec<_> = hashes.collect();
    let longer = [proof.as_slice(), &[root]].concat();
    let other = Digest::of(data);
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&data[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    for (first, second) in [(number(0), number(8)), (number(0) % 64, number(8) % 64)] {
        let included = |leaf, proof: &[Digest], root| {
            verify_inclusion(leaf, first, second, proof, root).is_ok()
        };
        if included(&leaf, &proof, &root) {
            assert!(!included(&other, &proof, &root));
            assert!(!included(&leaf, &proof, &other));
            assert!(!included(&leaf, &longer, &root));
        }
        let consistent = |older, proof: &[Digest], newer| {
            verify_consistency(first, second, proof, older, newer).is_ok()
        };
        if consistent(&leaf, &proof, &root) {
            assert!(!consistent(&other, &proof, &root));
            assert!(!consistent(&leaf, &proof, &other));
            assert!(!consistent(&leaf, &longer, &root));
        }
    }
}

/// An envelope is read or refused; one of a single signature is the same when it is read again
/// from the bundle that is written of it. Noise is no key's signature.
pub fn envelopes(data: &[u8]) {
    if let Ok(key) = PublicKey::from_spki_der(data).or_else(|_| PublicKey::from_spki_pem(data)) {
        let again = PublicKey::from_spki_der(key.to_spki_der());
        assert_eq!(again.as_ref(), Ok(&key));
        assert!(key.verify(data, data).is_err());
    }
    let _ = SigningKey::from_pkcs8_der(data);
    let Ok(value) = Json::parse(data, &Limits::DEFAULT) else {
        return;
    };
    let Some(Ok(envelope)) = Envelope::find(&value) else {
        return;
    };
    let checked = envelope.check_signatures(&[]);
    assert_eq!(checked.len(), envelope.unverified_signatures.len());
    assert!(checked.iter().all(Result::is_err));
    if let Ok(bundle) = envelope.to_bundle() {
        let mut expected = envelope;
        // Only the leaf is written, and with it no hint at the key.
        let signature = &mut expected.unverified_signatures[0];
        signature.certificates.truncate(1);
        if !signature.certificates.is_empty() {
            signature.key_id = None;
        }
        assert_eq!(Envelope::find(&bundle), Some(Ok(expected)));
    }
}

/// A policy is read or refused with a reason; its rules are for whole names, whatever these are.
pub fn policies(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Policy::read(data, &Limits::DEFAULT) {
        Err(problems) => {
            let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
            let in_file = |line: usize| (1..=lines).contains(&line);
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|one| one.line.is_none_or(in_file)));
        }
        Ok(policy) => {
            assert_eq!(policy.digest(), Digest::of(data));
            for rule in policy.rules() {
                let literal = rule.name().as_str();
                let is_long = literal.len() > Limits::DEFAULT.matched_name_bytes;
                assert!(is_long || rule.name().matches(literal));
                assert!(rule.signer_threshold() > 0 && rule.tsa_threshold() > 0);
            }
            let _ = policy.rules().iter().any(|rule| rule.name().matches(&text));
            assert!(!policy.rules().iter().any(|rule| rule.is_at("../up")));
        }
    }
    let _ = pem::certificates(data, &Limits::DEFAULT);
    if let Ok(keys) = pem::public_keys(data, &Limits::DEFAULT) {
        let written = keys
            .iter()
            .map(|key| pem::to_pem("PUBLIC KEY", key.to_spki_der()));
        let written = written.collect::<String>();
        assert_eq!(
            pem::public_keys(written.as_bytes(), &Limits::DEFAULT),
            Ok(keys)
        );
    }
}
