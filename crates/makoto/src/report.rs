//! What a check found, and the verdict over all checks. Every surface shows this report.

use std::fmt;

use crate::datetime::DateTime;
use crate::json::{Json, Object};

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold; the verdict is [`Verdict::Fail`].
    Fail,
    /// It holds, with something a reader should know.
    Warn,
    /// It was not made. Never counts as holding.
    Skip,
}

impl Outcome {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything asked for holds. Exit status 0.
    Pass,
    /// Something does not hold. Exit status 1.
    Fail,
    /// It could not be told. Exit status 2.
    Unknown,
}

impl Verdict {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }

    /// The exit status of the command-line contract.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Unknown => 2,
        }
    }
}

/// A Makoto level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Provenance exists.
    L1,
    /// Provenance is authentic.
    L2,
    /// Provenance is unforgeable.
    L3,
}

impl Level {
    /// The name: `L1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a check is to the others of its report, for whoever tells only the telling ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It tells something of its own.
    #[default]
    Finding,
    /// It says why others failed, and tells more than they do.
    Explanation,
    /// It had to fail because another did, which tells more.
    Consequence,
}

/// One check against one requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Requirement of the specification: `V2`, `P4`, `L2.P.1`.
    pub id: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What it is to the other checks.
    pub role: Role,
    /// Where: a path in the document or the data; empty for the whole.
    pub path: String,
    /// What was checked and found, in one line without the path.
    pub message: String,
    /// What stands there.
    pub found: Option<String>,
    /// What should.
    pub needed: Option<String>,
}

impl Check {
    /// A check that is told by its message alone, and is a [`Role::Finding`].
    pub fn new(id: &'static str, outcome: Outcome, path: &str, message: impl Into<String>) -> Self {
        Self {
            id,
            outcome,
            role: Role::Finding,
            path: path.to_owned(),
            message: message.into(),
            found: None,
            needed: None,
        }
    }

    /// Adds what stands there and what should.
    #[must_use]
    pub fn compared(mut self, found: impl Into<String>, needed: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self.needed = Some(needed.into());
        self
    }

    /// Sets what it is to the other checks.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    fn to_json(&self) -> Json {
        let mut members: Object = [
            ("id", self.id),
            ("outcome", self.outcome.as_str()),
            ("path", &self.path),
            ("message", &self.message),
        ]
        .into_iter()
        .collect();
        for (key, value) in [("found", &self.found), ("needed", &self.needed)] {
            if let Some(value) = value {
                members.insert(key.to_owned(), value.as_str().into());
            }
        }
        Json::Object(members)
    }
}

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The document says so; nobody checked.
    Declared,
    /// It was worked out from the data and equals what the document says.
    Recomputed,
}

/// A fact about the data, with its basis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Path of the fact in the statement.
    pub path: String,
    /// Its value.
    pub value: Json,
    /// Whether it is a claim or was worked out.
    pub basis: Basis,
}

/// The subject that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSubject {
    /// Its name.
    pub name: String,
    /// Whether the caller asked for this name (`--as`). If not, the name is a claim.
    pub name_asked_for: bool,
    /// The one file of a folder that was looked at, when it was not the whole folder.
    pub member: Option<String>,
    /// Its digests as the statement lists them; what of them was recomputed is among the facts.
    pub digest: Json,
}

/// How far one of the threats D1–D8 is covered by what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Not covered.
    None,
    /// Partly covered.
    Partial,
    /// Covered.
    Full,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// Level of this attestation; `None` when it has none or the data was not looked at.
    pub level: Option<Level>,
    /// Weakest level in the whole graph; `None` when the graph was not walked to its origins.
    pub lineage_level: Option<Level>,
    /// The subject that was compared with the data.
    pub subject: Option<ReportSubject>,
    /// `sha256:<hex>` of the statement.
    pub attestation: Option<String>,
    /// Every check that was made, and those that were skipped.
    pub checks: Vec<Check>,
    /// Facts about the data, each declared or recomputed.
    pub facts: Vec<Fact>,
    /// When the report was made.
    pub time: DateTime,
}

/// Version of this product, written into every report.
pub const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

impl Report {
    /// A report without a level: `Fail` when a check failed, else `Pass`.
    pub fn from_checks(checks: Vec<Check>, time: DateTime) -> Self {
        let failed = checks.iter().any(|check| check.outcome == Outcome::Fail);
        Self {
            verdict: if failed { Verdict::Fail } else { Verdict::Pass },
            level: None,
            lineage_level: None,
            subject: None,
            attestation: None,
            checks,
            facts: Vec::new(),
            time,
        }
    }

    /// A report that could not come to an answer, and why.
    pub fn unknown(reason: Check, time: DateTime) -> Self {
        Self {
            verdict: Verdict::Unknown,
            ..Self::from_checks(vec![reason], time)
        }
    }

    /// The checks that ended as `outcome`.
    pub fn with_outcome(&self, outcome: Outcome) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(move |check| check.outcome == outcome)
    }

    /// How far each threat D1–D8 is covered by the level that was reached.
    ///
    /// L1 documents source (D1) and processing (D3) by the producer's own word; everything
    /// else needs a signature (seed 003, "Threat Mitigations").
    pub fn threats(&self) -> [(&'static str, Coverage); 8] {
        let self_attested = match self.level {
            Some(_) if self.verdict == Verdict::Pass => Coverage::Partial,
            _ => Coverage::None,
        };
        [
            ("D1", self_attested),
            ("D2", Coverage::None),
            ("D3", self_attested),
            ("D4", Coverage::None),
            ("D5", Coverage::None),
            ("D6", Coverage::None),
            ("D7", Coverage::None),
            ("D8", Coverage::None),
        ]
    }

    /// The report as JSON, in the form that `--json` prints.
    pub fn to_json(&self) -> Json {
        let subject = self.subject.as_ref().map(|subject| {
            Json::from([
                ("name", subject.name.as_str().into()),
                (
                    "nameBasis",
                    if subject.name_asked_for {
                        "asked for"
                    } else {
                        "claimed"
                    }
                    .into(),
                ),
                ("member", subject.member.clone().into()),
                ("digest", subject.digest.clone()),
            ])
        });
        let facts = self.facts.iter().map(|fact| {
            Json::from([
                ("path", fact.path.as_str().into()),
                ("value", fact.value.clone()),
                (
                    "basis",
                    match fact.basis {
                        Basis::Declared => "declared",
                        Basis::Recomputed => "recomputed",
                    }
                    .into(),
                ),
            ])
        });
        let threats = self.threats().map(|(id, coverage)| {
            let word = match coverage {
                Coverage::None => "none",
                Coverage::Partial => "partial",
                Coverage::Full => "full",
            };
            (id, word.into())
        });
        Json::from([
            ("verdict", self.verdict.as_str().into()),
            ("level", self.level.map(Level::as_str).into()),
            ("lineageLevel", self.lineage_level.map(Level::as_str).into()),
            ("subject", subject.into()),
            ("attestation", self.attestation.clone().into()),
            ("checks", self.checks.iter().map(Check::to_json).collect()),
            ("facts", facts.collect()),
            ("threats", Json::from(threats)),
            ("time", self.time.as_str().into()),
            (
                "tool",
                [("name", "makoto".into()), ("version", TOOL_VERSION.into())].into(),
            ),
        ])
    }
}
