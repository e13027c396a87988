use std::path::Path;

use makoto::json::Json;
use makoto::key::PublicKey;
use makoto::key_set::{KeySet, KeySetError, PublishedKey};

use super::Output;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::trust::shown;

/// Whether a file that was given as a key is a key set.
pub(super) fn is_key_set(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Shows the key set in `bytes`, verified by the key of its owner if that is given.
pub(super) fn show(
    path: &Path,
    bytes: &[u8],
    owner_key: Option<&PublicKey>,
    output: Output,
) -> Result<u8, Failure> {
    let refuse = |error: KeySetError| Failure::of(&error).about(&shown(path));
    let claimed = KeySet::claimed_owner_key(bytes).map_err(refuse)?;
    let now = clock::now()?;
    let verify = |now: &_| KeySet::verify(bytes, owner_key.unwrap_or(&claimed), None, None, now);
    let mut has_expired = false;
    let set = verify(&now).or_else(|error| match error {
        KeySetError::Expired { expires, .. } => {
            has_expired = true;
            verify(&expires)
        }
        error => Err(error),
    });
    let set = set
        .map_err(|error| Failure::contradiction(Failure::of(&error).message).about(&shown(path)))?;
    match output {
        Output::Json => screen::json(&facts(&set, owner_key.is_some())),
        Output::Text | Output::Aside => {
            let end = if has_expired { "EXPIRED" } else { "until" };
            screen::result(Plain(&format!(
                "{}: key set of {}, version {}, {end} {}",
                shown(path),
                set.owner(),
                set.version(),
                set.expires()
            )));
            for published in set.keys() {
                screen::result(Plain(&format!("  {}", told(published))));
            }
            screen::note(match owner_key {
                Some(key) => format!("verified by the owner's key {}", key.key_id()),
                None => format!(
                    "not verified: it names {} as its owner's key, and anyone can make such a set; add --keyset-key PUB",
                    set.owner_key().key_id()
                ),
            });
        }
    }
    Ok(0)
}

fn told(published: &PublishedKey) -> String {
    let mut text = format!("{} from {}", published.key.key_id(), published.from);
    if let Some(until) = &published.until {
        text.push_str(&format!(" until {until}"));
    }
    if let Some(since) = &published.compromised_since {
        text.push_str(&format!(", TAKEN BACK from {since} on"));
    }
    if let Some(reason) = &published.reason {
        text.push_str(&format!(" ({reason:?})"));
    }
    text
}

fn facts(set: &KeySet, verified: bool) -> Json {
    let keys = set.keys().iter().map(|published| {
        let moment = |moment: &Option<_>| Json::from(moment.as_ref().map(ToString::to_string));
        Json::from([
            ("id", published.key.key_id().into()),
            ("from", published.from.as_str().into()),
            ("until", moment(&published.until)),
            ("compromisedSince", moment(&published.compromised_since)),
            ("reason", published.reason.clone().into()),
            ("publicKey", published.key.to_spki_pem().into()),
        ])
    });
    Json::from([
        ("owner", set.owner().into()),
        ("version", set.version().into()),
        ("expires", set.expires().as_str().into()),
        ("ownerKey", set.owner_key().key_id().into()),
        ("verified", verified.into()),
        ("keys", keys.collect()),
    ])
}
