//! Timestamp authorities over HTTP (RFC 3161 §3.4).

use std::time::Duration;

use aws_lc_rs::rand;
use makoto::limits::Limits;
use makoto::timestamp::{Request, ResponseError};
use makoto::trusted_root::TrustedRoot;
use reqwest::header::CONTENT_TYPE;

use crate::address::{Address, AddressError};
use crate::exchange::{Bounds, Exchange, ExchangeError};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// A timestamp authority by its address. Being named here does not make it a trusted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tsa {
    address: Address,
}

/// Whose tokens are accepted.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Those of the timestamp authorities in a trusted root.
    Root(&'a TrustedRoot),
    /// Anyone's that agree with themselves. They prove a time only to who trusts the authority.
    AnyoneInsecure,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    /// The address cannot be asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No request can be made.
    #[error("no request can be made: {0}")]
    Unprepared(String),
    /// It gives no answer.
    #[error(transparent)]
    NoAnswer(#[from] ExchangeError),
    /// The answer gives no timestamp that can be used.
    #[error("the answer of the timestamp authority {tsa} is refused")]
    Answer {
        /// The authority.
        tsa: Address,
        /// Why.
        source: Box<ResponseError>,
    },
}

impl Tsa {
    /// The authority at `url`: `https`, or `http`, since a token is signed by itself. Whoever
    /// listens on plain `http` learns the hash of a signature, and can withhold the answer.
    ///
    /// # Errors
    /// [`TsaError::Address`].
    pub fn at(url: &str) -> Result<Self, TsaError> {
        let address = Address::parse(url)?;
        Ok(Self { address })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for a token over the bytes of `signature` and checks the whole answer.
    ///
    /// # Errors
    /// [`TsaError`]; a token that is returned is over these bytes and was made for this request.
    pub fn stamp(&self, signature: &[u8], trust: Trust<'_>) -> Result<Vec<u8>, TsaError> {
        let mut nonce = [0; 8];
        let unprepared = |why: String| TsaError::Unprepared(why);
        rand::fill(&mut nonce).map_err(|_| unprepared("the system gives no randomness".into()))?;
        let request = Request::new(signature, u64::from_be_bytes(nonce));
        let query = request.to_der();
        let query = query.map_err(|error| unprepared(error.to_string()))?;
        let limits = Limits::DEFAULT;
        let bounds = Bounds {
            deadline: Duration::from_secs(limits.timestamp_seconds),
            bytes: limits.timestamp_bytes,
            media_type: Some(REPLY),
        };
        let url = self.address.url().clone();
        let asked = Exchange::prepare().and_then(|exchange| {
            exchange.ask(&bounds, |client| {
                client.post(url).header(CONTENT_TYPE, QUERY).body(query)
            })
        });
        let response = asked.map_err(|fault| ExchangeError {
            peer: format!("the timestamp authority {}", self.address),
            fault,
        })?;
        let token = match trust {
            Trust::Root(root) => request
                .accept(&response, root)
                .map(|accepted| accepted.token),
            Trust::AnyoneInsecure => request
                .accept_without_root_insecure(&response)
                .map(|(token, _)| token),
        };
        token.map_err(|error| TsaError::Answer {
            tsa: self.address.clone(),
            source: Box::new(error),
        })
    }
}
