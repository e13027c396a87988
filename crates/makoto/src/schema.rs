//! The published JSON Schemas (2020-12), generated from the types that the reader uses.

use crate::dbom::Dbom;
use crate::json::{Json, Object};
use crate::policy::Policy;
use crate::predicate::PredicateType;
use crate::shape::{NonEmpty, Shape};
use crate::statement::{STATEMENT_TYPE, Subject};

/// A kind of document with a published schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A statement of this predicate type.
    Statement(PredicateType),
    /// A DBOM 1.0.0.
    Dbom,
    /// A policy, as JSON would write its TOML.
    Policy,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Statement(PredicateType::Origin),
        Self::Statement(PredicateType::Transform),
        Self::Statement(PredicateType::StreamWindow),
        Self::Dbom,
        Self::Policy,
    ];

    /// The kind's name, as in `makoto schema NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statement(PredicateType::Origin) => "origin",
            Self::Statement(PredicateType::Transform) => "transform",
            Self::Statement(PredicateType::StreamWindow) => "stream-window",
            Self::Dbom => "dbom",
            Self::Policy => "policy",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The schema of a whole document of this kind.
    ///
    /// Says everything that JSON Schema can say. What it cannot (duplicate keys, times in
    /// order, counts that agree, dates that exist) only the reader checks.
    pub fn schema(self) -> Json {
        let mut schema = match self {
            Self::Statement(kind) => statement_schema(kind),
            Self::Dbom => Dbom::schema(),
            Self::Policy => Policy::schema(),
        };
        if let Json::Object(members) = &mut schema {
            let id = format!("urn:makoto:schema:{}", self.name());
            members.insert("$id".to_owned(), id.into());
            let draft = "https://json-schema.org/draft/2020-12/schema";
            members.insert("$schema".to_owned(), draft.into());
        }
        schema
    }
}

fn statement_schema(kind: PredicateType) -> Json {
    let constant = |text: &str| Json::from([("const", text.into())]);
    let properties: Object = [
        ("_type", constant(STATEMENT_TYPE)),
        ("subject", NonEmpty::<Subject>::schema()),
        ("predicateType", constant(kind.url())),
        ("predicate", kind.schema()),
    ]
    .into_iter()
    .collect();
    let required = ["_type", "subject", "predicateType", "predicate"];
    Json::from([
        ("type", "object".into()),
        (
            "description",
            format!("in-toto Statement v1 with predicate {}.", kind.url()).into(),
        ),
        ("properties", Json::Object(properties)),
        ("required", required.map(Json::from).into_iter().collect()),
    ])
}
