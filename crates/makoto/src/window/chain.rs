//! How a window follows another: `previousWindow` and `chain` say the same thing twice, and are
//! made here together so that they agree.

use super::Bounds;
use crate::attestation::Attestation;
use crate::datetime::Duration;
use crate::json::{Json, Object};
use crate::predicate::Predicate;
use crate::predicate::stream_window::{HashAlgorithm, PreviousWindow, StreamWindow, WindowType};
use crate::report::{Level, Outcome};
use crate::statement::{Statement, Subject};

/// A window that looks for its place in a chain.
#[derive(Debug, Clone)]
pub struct Successor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its stream.
    pub stream: &'a str,
    /// Its kind.
    pub kind: WindowType,
    /// Its bounds.
    pub bounds: &'a Bounds,
    /// Distance of the starts of sliding windows.
    pub slide: Option<&'a Duration>,
}

/// The place of a window in its chain: two members of `integrity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `previousWindow`
    pub previous_window: Json,
    /// `chain`
    pub chain: Json,
}

/// Why a window does not follow another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The statement of the other is not valid.
    #[error("the statement of the window before is not valid: {0}")]
    Invalid(String),
    /// It is another kind of statement.
    #[error("the statement is about {0}, needed a stream-window")]
    NotAWindow(&'static str),
    /// It is about several things.
    #[error("the statement before names {0} subjects, needed the one window")]
    Subjects(usize),
    /// It does not say what a link needs.
    #[error("the window before has no {0}")]
    Lacks(&'static str),
    /// It is of another stream.
    #[error("the window before is of stream {found:?}, needed {needed:?}")]
    OtherStream {
        /// Its stream.
        found: String,
        /// The stream of the window that would follow.
        needed: String,
    },
    /// It is of another kind.
    #[error("the window before is {found}, needed {needed}")]
    OtherKind {
        /// Its kind.
        found: &'static str,
        /// The kind of the window that would follow.
        needed: &'static str,
    },
    /// It has the same name.
    #[error("the window before has the same name, {0:?}")]
    SameName(String),
    /// It is not over when the next one starts.
    #[error("the window before ends at {found}, which is after this one's {bound} {moment}")]
    Overlaps {
        /// Its end.
        found: String,
        /// Which bound of the window that would follow must not be before it.
        bound: &'static str,
        /// That bound.
        moment: String,
    },
    /// Sliding windows move on by exactly their slide.
    #[error(
        "the window before starts at {found}, and with slide {slide} this one starts at {start}"
    )]
    Slide {
        /// Its start.
        found: String,
        /// The distance.
        slide: String,
        /// The start of the window that would follow.
        start: String,
    },
    /// Its number in the chain cannot be counted on.
    #[error("the window before is number {0} of its chain, which cannot be counted on")]
    Length(String),
}

impl Link {
    /// The place of the first window of a chain.
    pub fn first(name: &str) -> Self {
        Self {
            previous_window: Json::Null,
            chain: [("chainLength", 1.into()), ("genesisWindowId", name.into())].into(),
        }
    }

    /// The place of `next` after the window that `previous` attests. What that says is taken at
    /// its word: no signature is verified, and its data is not looked at.
    ///
    /// # Errors
    /// [`ChainError`] when `next` does not follow it.
    pub fn after(previous: &Attestation, next: &Successor<'_>) -> Result<Self, ChainError> {
        let (subject, window) = window_of(previous)?;
        follows(&subject, &window, next)?;
        let name = subject.name.as_str();
        let tree = &window.integrity.merkle_tree;
        if tree.algorithm != HashAlgorithm::Sha256 {
            return Err(ChainError::Lacks("tree of SHA-256"));
        }
        let root = tree.root.as_str();
        let digest = Json::from([
            ("sha256", subject.digest.sha256.to_string().into()),
            ("merkleRoot", root.into()),
        ]);
        let mut chain =
            Object::from_iter([("previousWindowId", name), ("previousMerkleRoot", root)]);
        let (length, genesis) = number_and_start(name, &window)?;
        if let Some(length) = length {
            let longer = length.checked_add(1).filter(|length| *length < 1 << 53);
            let longer = longer.ok_or_else(|| ChainError::Length(length.to_string()))?;
            chain.insert("chainLength", longer.into());
        }
        if let Some(genesis) = genesis {
            chain.insert("genesisWindowId", genesis.into());
        }
        Ok(Self {
            previous_window: [
                ("name", name.into()),
                ("digest", digest),
                ("attestationRef", previous.reference().into()),
            ]
            .into(),
            chain: Json::Object(chain),
        })
    }
}

/// The window that a statement is about.
fn window_of(previous: &Attestation) -> Result<(Subject, StreamWindow), ChainError> {
    let (statement, checks) = Statement::read(previous.statement.clone(), Level::L1);
    let Some(statement) = statement else {
        let failed = checks.iter().find(|check| check.outcome == Outcome::Fail);
        let told = failed.map(|check| format!("{} {}", check.path, check.message));
        return Err(ChainError::Invalid(told.unwrap_or_default()));
    };
    let Predicate::StreamWindow(window) = statement.predicate else {
        return Err(ChainError::NotAWindow(statement.predicate.kind().url()));
    };
    match statement.subject.as_slice() {
        [subject] => Ok((subject.clone(), *window)),
        subjects => Err(ChainError::Subjects(subjects.len())),
    }
}

fn follows(
    subject: &Subject,
    window: &StreamWindow,
    next: &Successor<'_>,
) -> Result<(), ChainError> {
    if window.stream.id.as_str() != next.stream {
        return Err(ChainError::OtherStream {
            found: window.stream.id.as_str().to_owned(),
            needed: next.stream.to_owned(),
        });
    }
    let kind = window.window.kind;
    if kind != next.kind {
        return Err(ChainError::OtherKind {
            found: kind.as_str(),
            needed: next.kind.as_str(),
        });
    }
    if subject.name.as_str() == next.name {
        return Err(ChainError::SameName(next.name.to_owned()));
    }
    let start = subject.digest.window_start.as_ref();
    let start = start.ok_or(ChainError::Lacks("windowStart"))?;
    let end = subject.digest.window_end.as_ref();
    let end = end.ok_or(ChainError::Lacks("windowEnd"))?;
    let (bound, moment) = match kind {
        WindowType::Tumbling | WindowType::Session => ("start", next.bounds.start()),
        // The order of a chain is the order in which windows close.
        WindowType::Sliding | WindowType::Global => ("end", next.bounds.end()),
    };
    if end > moment {
        return Err(ChainError::Overlaps {
            found: end.to_string(),
            bound,
            moment: moment.to_string(),
        });
    }
    if let (WindowType::Sliding, Some(slide)) = (kind, next.slide) {
        let expected = slide
            .fixed_nanos()
            .and_then(|slide| start.unix_nanos().checked_add(slide));
        if expected != Some(next.bounds.start().unix_nanos()) {
            return Err(ChainError::Slide {
                found: start.to_string(),
                slide: slide.as_str().to_owned(),
                start: next.bounds.start().to_string(),
            });
        }
    }
    Ok(())
}

/// The number of the window called `name` in its chain, and the chain's first window; unknown
/// when it does not say.
fn number_and_start(
    name: &str,
    window: &StreamWindow,
) -> Result<(Option<u64>, Option<String>), ChainError> {
    let Some(chain) = &window.integrity.chain else {
        let is_first = match window.integrity.previous_window {
            None | Some(PreviousWindow::First) => true,
            Some(PreviousWindow::Reference(_) | PreviousWindow::Window(_)) => false,
        };
        return Ok(match is_first {
            true => (Some(1), Some(name.to_owned())),
            false => (None, None),
        });
    };
    let length = match &chain.chain_length {
        Some(length) => {
            let number = length.number();
            let count = number.as_u64();
            Some(count.ok_or_else(|| ChainError::Length(number.token().to_owned()))?)
        }
        None => None,
    };
    let genesis = chain.genesis_window_id.as_ref();
    Ok((length, genesis.map(|genesis| genesis.as_str().to_owned())))
}
