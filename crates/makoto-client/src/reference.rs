//! References to attestations that lie elsewhere, followed where a policy allows the host.

use std::time::{Duration, Instant};

use makoto::attestation::{Attestation, AttestationError};
use makoto::limits::Limits;
use reqwest::header::ACCEPT;

use crate::address::Address;
use crate::exchange::{Bounds, Exchange, ExchangeError, Fault};

/// Follows the references of one verdict, all of them within [`Limits::reference_seconds`].
#[derive(Debug)]
pub struct References {
    /// Made for the first that is followed.
    exchange: Option<Exchange>,
    left: Duration,
}

/// Why there is nothing at a reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The others took all the time.
    #[error(
        "the {} seconds for what one verdict fetches are over",
        Limits::DEFAULT.reference_seconds
    )]
    Over,
    /// It gives no answer.
    #[error(transparent)]
    NoAnswer(#[from] ExchangeError),
    /// The answer is no attestation.
    #[error(transparent)]
    Answer(#[from] AttestationError),
}

impl Default for References {
    fn default() -> Self {
        Self {
            exchange: None,
            left: Duration::from_secs(Limits::DEFAULT.reference_seconds),
        }
    }
}

impl References {
    /// The attestations at `reference`; `None` when it is not at one of `hosts`, of which nobody
    /// else is asked. Hosts are written as in a policy: `name` for `https` at port 443, else
    /// `name:port`.
    ///
    /// Plain `http` is asked where `hosts` say its port: what comes back is an attestation, which is
    /// verified by its signature.
    ///
    /// # Errors
    /// [`ReferenceError`]; redirects are not followed, since a host that was not named would be
    /// asked.
    pub fn follow(
        &mut self,
        reference: &str,
        hosts: &[String],
    ) -> Result<Option<Vec<Attestation>>, ReferenceError> {
        let address = Address::parse(reference).ok();
        let address = address.filter(|address| hosts.iter().any(|host| address.is_at(host)));
        let Some(address) = address else {
            return Ok(None);
        };
        if self.left.is_zero() {
            return Err(ReferenceError::Over);
        }
        let begun = Instant::now();
        let found = self.ask(&address).map_err(|fault| {
            let peer = address.to_string();
            ReferenceError::from(ExchangeError { peer, fault })
        });
        let found = found.and_then(|bytes| Ok(Attestation::parse_file(&bytes)?));
        self.left = self.left.saturating_sub(begun.elapsed());
        found.map(Some)
    }

    fn ask(&mut self, address: &Address) -> Result<Vec<u8>, Fault> {
        let exchange = match self.exchange.take() {
            Some(exchange) => exchange,
            None => Exchange::prepare()?,
        };
        let bounds = Bounds {
            deadline: self.left,
            bytes: Limits::DEFAULT.sidecar_bytes,
            media_type: None,
        };
        let url = address.url().clone();
        let answer = exchange.ask(&bounds, |client| {
            client.get(url).header(ACCEPT, "application/json")
        });
        self.exchange = Some(exchange);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ReferenceError, References};

    #[test]
    fn nobody_is_asked_once_the_time_is_over() {
        let mut references = References {
            exchange: None,
            left: Duration::ZERO,
        };
        let hosts = ["127.0.0.1:1".to_owned()];
        let followed = references.follow("http://127.0.0.1:1/a", &hosts);
        assert!(
            matches!(followed, Err(ReferenceError::Over)),
            "{followed:?}"
        );
        // Whom nobody may ask is not asked, and that is no matter of time.
        let followed = references.follow("http://127.0.0.1:2/a", &hosts);
        assert!(matches!(followed, Ok(None)), "{followed:?}");
    }

    #[test]
    fn every_question_takes_of_the_time() {
        let mut references = References::default();
        let whole = references.left;
        let hosts = ["127.0.0.1:1".to_owned()];
        let followed = references.follow("http://127.0.0.1:1/a", &hosts);
        assert!(
            matches!(followed, Err(ReferenceError::NoAnswer(_))),
            "{followed:?}"
        );
        assert!(references.left < whole);
    }
}
