//! Timestamp authorities over HTTP (RFC 3161 §3.4).

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand;
use makoto::limits::Limits;
use makoto::timestamp::{Request, ResponseError};
use makoto::trusted_root::TrustedRoot;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// A timestamp authority by its address. Being named here does not make it a trusted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tsa {
    url: Url,
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
    #[error("{url:?} is no address of a timestamp authority: {needed}")]
    Address {
        /// What was given; without a password, should it have one.
        url: String,
        /// What is needed.
        needed: &'static str,
    },
    /// Nothing here can ask: no randomness, no runtime, or no TLS.
    #[error("no request can be made: {0}")]
    Unprepared(String),
    /// Nobody answers there.
    #[error("cannot reach the timestamp authority {tsa}: {why}")]
    Unreachable {
        /// The authority.
        tsa: Tsa,
        /// What went wrong.
        why: String,
    },
    /// It takes too long.
    #[error("the timestamp authority {tsa} gave no whole answer within {seconds} seconds")]
    TimedOut {
        /// The authority.
        tsa: Tsa,
        /// The deadline.
        seconds: u64,
    },
    /// The answer broke off.
    #[error("the answer of the timestamp authority {tsa} broke off: {why}")]
    BrokenOff {
        /// The authority.
        tsa: Tsa,
        /// What went wrong.
        why: String,
    },
    /// It sends us elsewhere.
    #[error("the timestamp authority {tsa} redirects elsewhere ({status}), which is not followed")]
    Redirect {
        /// The authority.
        tsa: Tsa,
        /// The HTTP status.
        status: u16,
    },
    /// It answers with an error of HTTP.
    #[error("the timestamp authority {tsa} answered with HTTP status {status}, needed 200")]
    Status {
        /// The authority.
        tsa: Tsa,
        /// The HTTP status.
        status: u16,
    },
    /// It answers with something else, such as a page.
    #[error("the timestamp authority {tsa} answered with {found:?}, needed {REPLY:?}")]
    ContentType {
        /// The authority.
        tsa: Tsa,
        /// The media type.
        found: String,
    },
    /// It answers with more than is read.
    #[error("the answer of the timestamp authority {tsa} has more than {limit} bytes")]
    TooLarge {
        /// The authority.
        tsa: Tsa,
        /// The budget.
        limit: usize,
    },
    /// The answer gives no timestamp that can be used.
    #[error("the answer of the timestamp authority {tsa} is refused")]
    Answer {
        /// The authority.
        tsa: Tsa,
        /// Why.
        source: Box<ResponseError>,
    },
}

impl Tsa {
    /// The authority at `url`: `https`, or `http`, since a token is signed by itself. Whoever
    /// listens on plain `http` learns the hash of a signature, and can withhold the answer.
    ///
    /// # Errors
    /// [`TsaError::Address`] for other schemes, and for addresses with a password, which would
    /// be shown with the address.
    pub fn at(url: &str) -> Result<Self, TsaError> {
        let refuse = |url: &str, needed| {
            let url = without_secrets(url);
            Err(TsaError::Address { url, needed })
        };
        let Ok(parsed) = Url::parse(url) else {
            return refuse(url, "needed http:// or https:// and a host");
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return refuse(url, "needed one without user name and password");
        }
        match (parsed.scheme(), parsed.host_str()) {
            ("http" | "https", Some(_)) => Ok(Self { url: parsed }),
            _ => refuse(url, "needed http:// or https:// and a host"),
        }
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| unprepared(error.to_string()))?;
        let response = runtime.block_on(self.post(query))?;
        let token = match trust {
            Trust::Root(root) => request
                .accept(&response, root)
                .map(|accepted| accepted.token),
            Trust::AnyoneInsecure => request
                .accept_without_root_insecure(&response)
                .map(|(token, _)| token),
        };
        token.map_err(|error| TsaError::Answer {
            tsa: self.clone(),
            source: Box::new(error),
        })
    }

    async fn post(&self, query: Vec<u8>) -> Result<Vec<u8>, TsaError> {
        let limits = Limits::DEFAULT;
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(limits.connect_seconds))
            // Counts until the last byte of the body, however it trickles.
            .timeout(Duration::from_secs(limits.timestamp_seconds))
            .build()
            .map_err(|error| TsaError::Unprepared(innermost(&error)))?;
        let asked = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, QUERY)
            .body(query)
            .send();
        let response = asked.await.map_err(|error| self.failed(&error))?;
        self.check_head(&response)?;
        self.read(response).await
    }

    fn check_head(&self, response: &Response) -> Result<(), TsaError> {
        let tsa = self.clone();
        let status = response.status();
        if status.is_redirection() {
            let status = status.as_u16();
            return Err(TsaError::Redirect { tsa, status });
        }
        if status != StatusCode::OK {
            let status = status.as_u16();
            return Err(TsaError::Status { tsa, status });
        }
        let header = response.headers().get(CONTENT_TYPE);
        let found = header.map(HeaderValue::as_bytes).unwrap_or_default();
        let found = String::from_utf8_lossy(found);
        let media_type = found.split(';').next().unwrap_or_default().trim();
        match media_type.eq_ignore_ascii_case(REPLY) {
            true => Ok(()),
            false => Err(TsaError::ContentType {
                tsa,
                found: found.chars().take(80).collect(),
            }),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, TsaError> {
        let limit = Limits::DEFAULT.timestamp_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            if body.len() + chunk.len() > limit {
                let tsa = self.clone();
                return Err(TsaError::TooLarge { tsa, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, error: &reqwest::Error) -> TsaError {
        let tsa = self.clone();
        let why = innermost(error);
        match () {
            () if error.is_timeout() => TsaError::TimedOut {
                tsa,
                seconds: Limits::DEFAULT.timestamp_seconds,
            },
            () if error.is_connect() => TsaError::Unreachable { tsa, why },
            () => TsaError::BrokenOff { tsa, why },
        }
    }
}

/// The address without its query, in which keys are given to some authorities.
impl fmt::Display for Tsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        let had_query = shown.query().is_some();
        shown.set_query(None);
        shown.set_fragment(None);
        match had_query {
            true => write!(f, "{shown}?…"),
            false => shown.fmt(f),
        }
    }
}

/// An address as it was typed, without user name, password and query.
fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (shown, rest) = url.split_at(end);
    let shown = match shown.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => shown.to_owned(),
    };
    match rest.is_empty() {
        true => shown,
        false => format!("{shown}?…"),
    }
}

/// The cause of all causes, which is the one that a person can do something about.
///
/// The outermost says the whole address, with a key that may stand in it.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "the connection failed".to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Tsa, TsaError};

    #[test]
    fn an_address_is_http_with_a_host_and_no_password() {
        for good in ["http://127.0.0.1:3004/api", "https://tsa.example"] {
            assert!(Tsa::at(good).is_ok(), "{good}");
        }
        for bad in [
            "tsa.example",
            "ftp://tsa.example",
            "file:///etc/passwd",
            "http://",
            "",
        ] {
            assert!(
                matches!(Tsa::at(bad), Err(TsaError::Address { .. })),
                "{bad}"
            );
        }
        let error = Tsa::at("https://user:hunter22@tsa.example").map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| !error.contains("hunter22")));
    }
}
