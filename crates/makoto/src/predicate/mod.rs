//! The three predicate types of Makoto v0.1.

pub mod origin;
pub mod stream_window;
pub mod transform;

use crate::json::Json;
use crate::shape::{At, Findings, Requirements, Shape};
pub use origin::Origin;
pub use stream_window::StreamWindow;
pub use transform::Transform;

/// What a statement says about its subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// `https://makoto.dev/origin/v1`: where data was collected.
    Origin(Box<Origin>),
    /// `https://makoto.dev/transform/v1`: what was done to data.
    Transform(Box<Transform>),
    /// `https://makoto.dev/stream-window/v1`: one window of a stream.
    StreamWindow(Box<StreamWindow>),
}

/// One of the three predicate types, by its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredicateType {
    /// `https://makoto.dev/origin/v1`
    Origin,
    /// `https://makoto.dev/transform/v1`
    Transform,
    /// `https://makoto.dev/stream-window/v1`
    StreamWindow,
}

impl PredicateType {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Origin, Self::Transform, Self::StreamWindow];

    /// The full URL, the only spelling that is accepted.
    pub fn url(self) -> &'static str {
        match self {
            Self::Origin => "https://makoto.dev/origin/v1",
            Self::Transform => "https://makoto.dev/transform/v1",
            Self::StreamWindow => "https://makoto.dev/stream-window/v1",
        }
    }

    /// The type with exactly this URL.
    pub fn from_url(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.url() == url)
    }

    pub(crate) fn schema(self) -> Json {
        match self {
            Self::Origin => Origin::schema(),
            Self::Transform => Transform::schema(),
            Self::StreamWindow => StreamWindow::schema(),
        }
    }
}

impl Predicate {
    /// Its type.
    pub fn kind(&self) -> PredicateType {
        match self {
            Self::Origin(_) => PredicateType::Origin,
            Self::Transform(_) => PredicateType::Transform,
            Self::StreamWindow(_) => PredicateType::StreamWindow,
        }
    }

    /// The id of who collected or did it: `collector.id`, `executor.id`.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::Origin(origin) => Some(origin.collector.id.as_str()),
            Self::Transform(transform) => Some(transform.executor.id.as_str()),
            Self::StreamWindow(window) => {
                let collector = window.collector.as_ref()?;
                Some(collector.id.as_str())
            }
        }
    }

    pub(crate) fn read(
        kind: PredicateType,
        value: Json,
        at: &At<'_>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let recommended = match kind {
            PredicateType::Origin => "P2",
            PredicateType::Transform => "P3",
            PredicateType::StreamWindow => "PL1",
        };
        findings.file_under(Requirements {
            complete: "V4",
            form: "V2",
            recommended,
        });
        match kind {
            PredicateType::Origin => Shape::read(value, at, findings).map(Self::Origin),
            PredicateType::Transform => Shape::read(value, at, findings).map(Self::Transform),
            PredicateType::StreamWindow => Shape::read(value, at, findings).map(Self::StreamWindow),
        }
    }

    pub(crate) fn write(&self) -> Json {
        match self {
            Self::Origin(origin) => origin.write(),
            Self::Transform(transform) => transform.write(),
            Self::StreamWindow(window) => window.write(),
        }
    }
}

impl<T: Shape> Shape for Box<T> {
    const NEEDED: &'static str = T::NEEDED;

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        T::read(value, at, findings).map(Self::new)
    }

    fn write(&self) -> Json {
        T::write(self)
    }

    fn schema() -> Json {
        T::schema()
    }
}
