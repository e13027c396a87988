//! The payload of a key set, as it is written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::datetime::DateTime;
use crate::document;
use crate::json::{Json, Object};
use crate::key::PublicKey;
use crate::limits::Limits;
use crate::problem::refuse_unknown;
use crate::scalar::{Positive, Text};
use crate::shape::{At, Findings, Shape};

document! {
    /// A list of the public keys of one owner.
    pub(super) struct KeySetFile {
        /// Counts up with every change.
        required version: Positive = "version",
        /// Last moment at which the list may be used.
        required expires: DateTime = "expires",
        /// Whose keys they are.
        required owner: Text = "owner",
        /// The key that signs this list, as base64 of its SubjectPublicKeyInfo.
        required owner_key: PublicKey = "ownerKey",
        /// The keys. One that was published stays listed.
        required keys: Vec<KeyEntry> = "keys",
    }
    => is_right_in_itself, schema closed
}

document! {
    /// A key and when it counts.
    pub(super) struct KeyEntry {
        /// The key, as base64 of its SubjectPublicKeyInfo.
        required spki: PublicKey = "spki",
        /// First moment at which the key counts.
        required from: DateTime = "from",
        /// Last moment at which the key counts.
        optional until: DateTime = "until",
        /// Moment from which somebody else may have the key.
        optional compromised_since: DateTime = "compromisedSince",
        /// Why it was taken back, for people.
        optional reason: Text = "reason",
    }
    => is_a_period, schema closed
}

impl KeySetFile {
    /// The version. What was read has one.
    pub(super) fn version(&self) -> u64 {
        self.version.number().as_u64().unwrap_or_default()
    }
}

fn closed(schema: &mut Object) {
    schema.insert("additionalProperties", false.into());
}

fn is_right_in_itself(file: &KeySetFile, at: &At<'_>, findings: &mut Findings) {
    // A member that is passed over could have taken a key back.
    refuse_unknown::<KeySetFile>(&file.extra, at, findings, |_| None);
    if file.version.number().as_u64().is_none() {
        findings.contradiction(&at.field("version"), "is larger than any version");
    }
    let at = at.field("keys");
    let (found, most) = (file.keys.len(), Limits::DEFAULT.key_set_keys);
    if found > most {
        findings.contradiction(&at, format!("has {found} keys, needed at most {most}"));
        return;
    }
    for (index, entry) in file.keys.iter().enumerate() {
        if file.keys[..index].iter().any(|one| one.spki == entry.spki) {
            let message = format!("{} is listed twice", entry.spki.key_id());
            findings.contradiction(&at.item(index).field("spki"), message);
        }
    }
}

fn is_a_period(entry: &KeyEntry, at: &At<'_>, findings: &mut Findings) {
    refuse_unknown::<KeyEntry>(&entry.extra, at, findings, |_| None);
    if let Some(until) = &entry.until
        && *until < entry.from
    {
        let message = format!("{until} is before from {}", entry.from);
        findings.contradiction(&at.field("until"), message);
    }
}

impl Shape for PublicKey {
    const NEEDED: &'static str = "a SubjectPublicKeyInfo in DER, as padded base64";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let decoded = value.as_str().and_then(|text| {
            let standard = STANDARD.decode(text);
            standard.or_else(|_| URL_SAFE.decode(text)).ok()
        });
        let Some(der) = decoded else {
            findings.wrong(at, &value, Self::NEEDED);
            return None;
        };
        let read = Self::from_spki_der(&der);
        read.inspect_err(|error| findings.contradiction(at, error.to_string()))
            .ok()
    }

    fn write(&self) -> Json {
        STANDARD.encode(self.to_spki_der()).into()
    }

    fn schema() -> Json {
        [
            ("type", "string".into()),
            ("contentEncoding", "base64".into()),
        ]
        .into()
    }
}
