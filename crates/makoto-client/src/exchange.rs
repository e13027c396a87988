//! Questions to addresses, and their whole answers.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use makoto::limits::Limits;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::runtime::Runtime;

/// What is spent on an answer, and what it must be.
pub(crate) struct Bounds {
    /// Until the last byte, however it trickles.
    pub(crate) deadline: Duration,
    /// Bytes of the body.
    pub(crate) bytes: usize,
    /// Its media type; `None` for any.
    pub(crate) media_type: Option<&'static str>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct ExchangeError {
    /// Whom was asked, as it is shown.
    pub(crate) peer: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What goes wrong with an answer.
#[derive(Debug)]
pub enum Fault {
    /// Nothing here can ask: no runtime, or no TLS.
    Unprepared(String),
    /// Nobody answers there.
    Unreachable(String),
    /// It takes longer than this.
    TimedOut(Duration),
    /// The answer broke off.
    BrokenOff(String),
    /// It sends us elsewhere, with this HTTP status.
    Redirect(u16),
    /// It answers with this HTTP status.
    Status(u16),
    /// It answers with something else, such as a page.
    MediaType {
        /// What it is.
        found: String,
        /// What it should be.
        needed: &'static str,
    },
    /// It answers with more than this many bytes.
    TooLarge(usize),
}

/// Asks others, one question after the other, and keeps their connections open.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: Client,
    /// Taken when it is over: whoever looks up a name and gets no answer is not waited for.
    runtime: Option<Runtime>,
}

impl Exchange {
    /// Prepares to ask.
    ///
    /// # Errors
    /// [`Fault::Unprepared`].
    pub(crate) fn prepare() -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(Limits::DEFAULT.connect_seconds))
            .build();
        Ok(Self {
            client: client.map_err(|error| Fault::Unprepared(innermost(&error)))?,
            runtime: Some(runtime.map_err(|error| Fault::Unprepared(error.to_string()))?),
        })
    }

    /// Sends what `question` makes of a client, and reads the whole answer.
    ///
    /// # Errors
    /// [`Fault`]; redirects are not followed.
    pub(crate) fn ask(
        &self,
        bounds: &Bounds,
        question: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Vec<u8>, Fault> {
        let Some(runtime) = &self.runtime else {
            return Err(Fault::Unprepared("it is over".to_owned()));
        };
        let question = question(&self.client).timeout(bounds.deadline);
        runtime.block_on(async {
            let asked = question.send().await;
            let response = asked.map_err(|error| bounds.failed(&error))?;
            bounds.check_head(&response)?;
            bounds.read(response).await
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bounds {
    fn check_head(&self, response: &Response) -> Result<(), Fault> {
        let status = response.status();
        if status.is_redirection() {
            return Err(Fault::Redirect(status.as_u16()));
        }
        if status != StatusCode::OK {
            return Err(Fault::Status(status.as_u16()));
        }
        let Some(needed) = self.media_type else {
            return Ok(());
        };
        let header = response.headers().get(CONTENT_TYPE);
        let found = header.map(HeaderValue::as_bytes).unwrap_or_default();
        let found = String::from_utf8_lossy(found);
        let media_type = found.split(';').next().unwrap_or_default().trim();
        match media_type.eq_ignore_ascii_case(needed) {
            true => Ok(()),
            false => Err(Fault::MediaType {
                found: found.chars().take(80).collect(),
                needed,
            }),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            if body.len() + chunk.len() > self.bytes {
                return Err(Fault::TooLarge(self.bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, error: &reqwest::Error) -> Fault {
        let why = innermost(error);
        match () {
            // Connecting has a time of its own, which is shorter.
            () if error.is_timeout() && error.is_connect() => Fault::Unreachable(why),
            () if error.is_timeout() => Fault::TimedOut(self.deadline),
            () if error.is_connect() => Fault::Unreachable(why),
            () => Fault::BrokenOff(why),
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = &self.peer;
        match &self.fault {
            Fault::Unprepared(why) => write!(f, "{peer} cannot be asked: {why}"),
            Fault::Unreachable(why) => write!(f, "cannot reach {peer}: {why}"),
            Fault::TimedOut(deadline) => {
                let seconds = deadline.as_secs();
                write!(f, "{peer} gave no whole answer within {seconds} seconds")
            }
            Fault::BrokenOff(why) => write!(f, "the answer of {peer} broke off: {why}"),
            Fault::Redirect(status) => {
                write!(
                    f,
                    "{peer} redirects elsewhere ({status}), which is not followed"
                )
            }
            Fault::Status(status) => {
                write!(f, "{peer} answered with HTTP status {status}, needed 200")
            }
            Fault::MediaType { found, needed } => {
                write!(f, "{peer} answered with {found:?}, needed {needed:?}")
            }
            Fault::TooLarge(limit) => {
                write!(f, "the answer of {peer} has more than {limit} bytes")
            }
        }
    }
}

impl std::error::Error for ExchangeError {}

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
