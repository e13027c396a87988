//! References to attestations that lie elsewhere, followed where a policy allows the host.

use std::time::Duration;

use makoto::limits::Limits;
use reqwest::header::ACCEPT;

use crate::address::Address;
use crate::exchange::{Bounds, ExchangeError, exchange};

/// What lies at `reference`, whole, within `deadline`; `None` when it is not at one of `hosts`, of
/// which nobody else is asked. Hosts are written as in a policy: `name`, or `name:port` where the
/// port is not 443.
///
/// Plain `http` is asked where `hosts` say its port: what comes back is an attestation, which is
/// verified by its signature.
///
/// # Errors
/// [`ExchangeError`]; redirects are not followed, since a host that was not named would be asked.
pub fn fetch(
    reference: &str,
    hosts: &[String],
    deadline: Duration,
) -> Result<Option<Vec<u8>>, ExchangeError> {
    let address = Address::parse(reference).ok();
    let address = address.filter(|address| hosts.iter().any(|host| address.is_at(host)));
    let Some(address) = address else {
        return Ok(None);
    };
    let bounds = Bounds {
        deadline,
        bytes: Limits::DEFAULT.sidecar_bytes,
        media_type: None,
    };
    let found = exchange(address.to_string(), &bounds, |client| {
        let url = address.url().clone();
        client.get(url).header(ACCEPT, "application/json")
    })?;
    Ok(Some(found))
}
