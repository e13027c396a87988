//! What a check found, and the verdict over all checks. Every surface shows this report.

use std::fmt;

use crate::datetime::DateTime;
use crate::digest::Digest;
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
    /// The document says so, and a signer that the policy allows signed it.
    Signed,
}

impl Basis {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Recomputed => "recomputed",
            Self::Signed => "signed",
        }
    }
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

/// What a verification trusted, and whom it found. All of it is the verifier's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// SHA-256 of the policy.
    pub policy: Digest,
    /// SHA-256 of the trusted root.
    pub trusted_root: Digest,
    /// Signers that the policy allows for this dataset; none when the verdict is not a pass.
    pub signers: Vec<ReportSigner>,
}

impl Judged {
    /// By this policy and trusted root, with nobody found.
    pub fn by_nobody(policy: Digest, trusted_root: Digest) -> Self {
        Self {
            policy,
            trusted_root,
            signers: Vec::new(),
        }
    }
}

/// A signer that was verified and that the policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSigner {
    /// The name that the policy knows: a URI, e-mail address or DNS name, or a key's owner.
    pub name: String,
    /// Who vouches for it: an authority of the trusted root, the policy, or a key set.
    pub voucher: String,
    /// SHA-256 of the key.
    pub key: Digest,
    /// Algorithm of the signature.
    pub algorithm: &'static str,
    /// The first and the last moment at which it may have been made; one moment, when a timestamp
    /// authority says so.
    pub time: (DateTime, DateTime),
    /// The timestamp authority.
    pub timestamp_authority: Option<String>,
}

impl ReportSigner {
    fn to_json(&self) -> Json {
        let (from, to) = &self.time;
        Json::from([
            ("name", self.name.as_str().into()),
            ("voucher", self.voucher.as_str().into()),
            ("key", format!("sha256:{}", self.key).into()),
            ("algorithm", self.algorithm.into()),
            ("notBefore", from.as_str().into()),
            ("notAfter", to.as_str().into()),
            (
                "timestampAuthority",
                self.timestamp_authority.clone().into(),
            ),
        ])
    }
}

impl Judged {
    fn members(&self) -> [(&'static str, Json); 3] {
        let digest = |digest: &Digest| Json::from([("digest", format!("sha256:{digest}").into())]);
        let signers = self.signers.iter().map(ReportSigner::to_json);
        [
            ("policy", digest(&self.policy)),
            ("trustedRoot", digest(&self.trusted_root)),
            ("signers", signers.collect()),
        ]
    }
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
    /// By what policy it was judged; `None` without one.
    pub judged: Option<Judged>,
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
            judged: None,
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
    /// L1 documents source (D1) and processing (D3) by the producer's own word (seed 003,
    /// "Threat Mitigations"). L2 mitigates D1, D2, D3 and D8, and D4 in part (seed 004, "Threats
    /// Mitigated"); what a trusted signer says that is not true, it does not find.
    pub fn threats(&self) -> [(&'static str, Coverage); 8] {
        use Coverage::{Full, None as Not, Partial};
        let level = self.level.filter(|_| self.verdict == Verdict::Pass);
        let covered = match level {
            None => [Not; 8],
            Some(Level::L1) => [Partial, Not, Partial, Not, Not, Not, Not, Not],
            Some(Level::L2 | Level::L3) => [Full, Full, Full, Partial, Not, Not, Not, Full],
        };
        let ids = ["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8"];
        std::array::from_fn(|index| (ids[index], covered[index]))
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
                ("basis", fact.basis.as_str().into()),
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
        let mut members: Object = [
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
        ]
        .into_iter()
        .collect();
        if let Some(judged) = &self.judged {
            members.insert("lineageComplete", self.lineage_level.is_some().into());
            for (key, value) in judged.members() {
                members.insert(key, value);
            }
        }
        Json::Object(members)
    }
}
