//! How much work signatures may make.

use super::trust::Trust;
use crate::certificate::Certificate;
use crate::envelope::{DIAGNOSED_KEYS, Envelope};
use crate::limits::Limits;
use crate::timestamp::paths;

/// Bytes whose hashing takes as long as one more key.
const BYTES_PER_ATTEMPT: usize = 64 << 10;

/// A token has a signature and a chain of its own, most of them on larger curves.
const ATTEMPTS_PER_TOKEN: u64 = 8;

/// Rules that are held against a signature in the time that an attempt takes.
const RULES_PER_ATTEMPT: u64 = 16;

/// Certificates that came along make paths to each authority, twice as many with each two of a name.
const ATTEMPTS_PER_PATH: u64 = 32;

/// How often as much it takes to find out why a single signature does not hold.
const DIAGNOSIS: u64 = 8;

/// What is left of the attempts for one verdict.
#[derive(Debug)]
pub(super) struct Effort(u64);

impl Effort {
    /// The whole budget.
    pub(super) fn whole() -> Self {
        Self(Limits::DEFAULT.signature_attempts)
    }

    /// Gives back what finding out why a signature does not hold would have cost, of the `envelopes`
    /// around a statement that verifies: of a single one, nobody asked. Of several, some may not hold.
    pub(super) fn refund(&mut self, envelopes: &[&Envelope], trust: &Trust) {
        if let [one] = envelopes {
            let back = Cost::of(one, trust).diagnosis;
            self.0 = self.0.saturating_add(back);
        }
    }

    /// Whether more than half is spent.
    pub(super) fn is_half_spent(&self) -> bool {
        self.0 < Limits::DEFAULT.signature_attempts / 2
    }

    /// The first of `envelopes` whose signatures can be tried with all keys of `trust`, each for what
    /// it costs at most, and whether that is all of them. One that costs too much hides no other.
    pub(super) fn afford<'e>(
        &mut self,
        envelopes: &[&'e Envelope],
        trust: &Trust,
    ) -> (Vec<&'e Envelope>, bool) {
        let mut affordable = Vec::new();
        for envelope in envelopes {
            if let Some(left) = self.0.checked_sub(Cost::of(envelope, trust).all()) {
                self.0 = left;
                affordable.push(*envelope);
            }
        }
        let is_all = affordable.len() == envelopes.len();
        (affordable, is_all)
    }
}

/// Attempts that an envelope takes at most.
struct Cost {
    /// To verify it.
    certain: u64,
    /// To find out what is wrong with it, should it be.
    diagnosis: u64,
}

impl Cost {
    /// A key that hashes the payload anew for each signature counts for more.
    fn of(envelope: &Envelope, trust: &Trust) -> Self {
        let keys = trust.keys();
        let signatures = envelope.unverified_signatures.len() as u64;
        let again = 1 + envelope.unverified_payload.len() / BYTES_PER_ATTEMPT;
        let each = keys.iter().map(|key| match key.hashes_apart() {
            true => key.algorithms().len() as u64,
            false => again as u64,
        });
        // Certificates that came along bring a key each, which every signature is tried with.
        let leaves = envelope.unverified_signatures.iter();
        let leaves = leaves.filter_map(|signature| signature.certificates.first());
        let rsa = leaves.map(|leaf| rsa_attempts(leaf)).sum::<u64>();
        let own = signatures * again as u64 + rsa;
        let attempts = signatures * (own + each.sum::<u64>());
        let tokens = envelope.unverified_signatures.iter();
        let tokens = tokens.flat_map(|signature| &signature.tokens);
        let tokens: u64 = tokens.map(|token| ATTEMPTS_PER_TOKEN * paths(token)).sum();
        let chains = envelope.unverified_signatures.iter();
        let chains = chains.filter(|signature| signature.certificates.len() > 1);
        let authorities = trust.root().certificate_authorities().len() as u64;
        let chains = chains.count() as u64 * authorities * ATTEMPTS_PER_PATH;
        let rules = signatures * trust.policy().rules().len() as u64 / RULES_PER_ATTEMPT;
        Self {
            certain: attempts + tokens + chains + rules,
            diagnosis: match signatures == 1 && keys.len() < DIAGNOSED_KEYS {
                true => attempts * DIAGNOSIS,
                false => 0,
            },
        }
    }

    fn all(&self) -> u64 {
        self.certain + self.diagnosis
    }
}

/// What a signature by the RSA key of a certificate takes more than others, all paddings and hashes
/// tried: by the square of its length, and by its exponent, which is the usual one or as slow as can be.
fn rsa_attempts(certificate: &[u8]) -> u64 {
    const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const USUAL_EXPONENT: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];
    const BYTES_OF_2048: usize = 256;
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return 0;
    };
    let key = certificate.spki();
    if memchr::memmem::find(&key, RSA_ENCRYPTION).is_none() {
        return 0;
    }
    let size = (key.len() / BYTES_OF_2048) as u64;
    let slowness = match key.ends_with(USUAL_EXPONENT) {
        true => 1,
        false => 4,
    };
    size * size * slowness
}
