//! Asking a timestamp authority (RFC 3161 §3.4).

use std::time::Duration;

use makoto::limits::Limits;
use makoto::timestamp::Request;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url, header};
use tokio::runtime::{Builder, Runtime};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// A timestamp authority, by its URL. The answers are signed, so plain `http` is as good as `https`
/// for what they say; who listens on the way learns the hash of a signature.
#[derive(Debug)]
pub struct Tsa {
    url: Url,
    client: Client,
    runtime: Runtime,
}

/// Why an authority gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    /// It is no URL of http or https.
    #[error("timestamp authority {0:?} is not a URL that starts with http:// or https://")]
    Url(String),
    /// The request cannot be sent.
    #[error("timestamp authority {url} cannot be asked: {why}")]
    Unreachable {
        /// The authority.
        url: String,
        /// Why, with the causes.
        why: String,
    },
    /// It did not answer in time.
    #[error("timestamp authority {url} did not answer within {seconds} s")]
    Slow {
        /// The authority.
        url: String,
        /// The deadline.
        seconds: u64,
    },
    /// It answered with something else than a page that was found.
    #[error("timestamp authority {url} answered with status {status}, needed 200")]
    Status {
        /// The authority.
        url: String,
        /// The status, such as 302 or 503.
        status: u16,
    },
    /// It answered with another type of document.
    #[error("timestamp authority {url} answered with {found:?}, needed {REPLY:?}")]
    Type {
        /// The authority.
        url: String,
        /// The type.
        found: String,
    },
    /// Its answer is larger than the budget.
    #[error("timestamp authority {url} answered with more than {limit} bytes")]
    TooLarge {
        /// The authority.
        url: String,
        /// The budget.
        limit: usize,
    },
}

impl Tsa {
    /// The authority at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TsaError::Url`], and [`TsaError::Unreachable`] when no client can be made.
    pub fn at(url: &str) -> Result<Self, TsaError> {
        let wrong = || TsaError::Url(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(wrong());
        }
        let unreachable = |why: String| TsaError::Unreachable {
            url: parsed.to_string(),
            why,
        };
        let limits = Limits::DEFAULT;
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(limits.connect_seconds))
            .timeout(Duration::from_secs(limits.tsa_seconds))
            .build()
            .map_err(|error| unreachable(causes(&error)))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            url: parsed,
            client,
            runtime,
        })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Sends the request and hands out the answer, of which nothing was checked but its type and
    /// its size.
    ///
    /// # Errors
    /// [`TsaError`], each variant a cause of its own.
    pub fn ask(&self, request: &Request<'_>) -> Result<Vec<u8>, TsaError> {
        let query = request.to_der();
        let query = query.map_err(|error| self.unreachable(error.to_string()))?;
        self.runtime.block_on(self.exchange(query))
    }

    async fn exchange(&self, query: Vec<u8>) -> Result<Vec<u8>, TsaError> {
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, QUERY)
            .header(header::ACCEPT, REPLY)
            .body(query);
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(TsaError::Status {
                url: self.url.to_string(),
                status: status.as_u16(),
            });
        }
        let found = response.headers().get(header::CONTENT_TYPE);
        let found = found
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if found.split(';').next().map(str::trim) != Some(REPLY) {
            return Err(TsaError::Type {
                url: self.url.to_string(),
                found: found.chars().take(80).collect(),
            });
        }
        self.body(response).await
    }

    /// The body, of which no more than the budget is ever held.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, TsaError> {
        let limit = Limits::DEFAULT.timestamp_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            if body.len() + chunk.len() > limit {
                let url = self.url.to_string();
                return Err(TsaError::TooLarge { url, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, error: &reqwest::Error) -> TsaError {
        match error.is_timeout() {
            true => TsaError::Slow {
                url: self.url.to_string(),
                seconds: Limits::DEFAULT.tsa_seconds,
            },
            false => self.unreachable(causes(error)),
        }
    }

    fn unreachable(&self, why: String) -> TsaError {
        let url = self.url.to_string();
        TsaError::Unreachable { url, why }
    }
}

/// The causes of an error, without the URL that the message names already.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
