//! Why an object could not be read or written.

use object_store::Error;

use crate::url::ObjectUrl;

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The URL names no object that this version can read.
    #[error("{url:?} names no object: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The endpoint would be spoken to in plain text.
    #[error(
        "the endpoint {endpoint:?} is plain http, where anyone on the way can read and change what passes; needed https"
    )]
    PlainHttp {
        /// The endpoint.
        endpoint: String,
        /// The setting that would allow it.
        allow: &'static str,
    },
    /// The settings in the environment or in a profile are not valid.
    #[error("the object store cannot be set up: {0}")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(ObjectUrl),
    /// The store does not let us.
    #[error("the object store does not allow {what} {url}")]
    Denied {
        /// What was tried.
        what: &'static str,
        /// With which object.
        url: ObjectUrl,
    },
    /// It has no version and no etag, so that nothing says whether it changes.
    #[error("{0} has neither a version nor an etag, so it could change unseen while it is read")]
    NotPinned(ObjectUrl),
    /// Another object has its place since we began.
    #[error("{0} changed while it was read or written")]
    Changed(ObjectUrl),
    /// It is larger than the budget.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// The object.
        url: ObjectUrl,
        /// The budget.
        limit: usize,
    },
    /// The store did not answer in time, or not as it should.
    #[error("the object store failed {what} {url}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// With which object.
        url: ObjectUrl,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ObjectError {
    /// Settings of which `why` says what is wrong.
    pub(crate) fn settings(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Settings(why.into())
    }

    /// What an error of the store means for `what` was done with the object at `url`.
    pub(crate) fn of(what: &'static str, url: &ObjectUrl) -> impl FnOnce(Error) -> Self {
        let url = url.clone();
        move |error| match error {
            Error::NotFound { .. } => Self::NotFound(url),
            Error::Precondition { .. } | Error::AlreadyExists { .. } => Self::Changed(url),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Self::Denied { what, url }
            }
            other => Self::Failed {
                what,
                url,
                source: Box::new(other),
            },
        }
    }

    /// What it means for an object that was there. One that was replaced may be gone with its
    /// version.
    pub(crate) fn while_it_is_read(self) -> Self {
        match self {
            Self::NotFound(url) => Self::Changed(url),
            other => other,
        }
    }
}
