//! Judging data by a policy, in the order of the specification: fetch, signature, identity,
//! policy, time, data, direct inputs.

use super::candidates::{Candidates, Chosen};
use super::effort::Effort;
use super::evidence::Evidence;
use super::inputs::{Attestations, Inputs};
use super::rule::Question;
use super::scope::{Named, Scope, ScopeFacts};
use super::trust::Trust;
use super::verified::{Authentication, VerifiedAttestation, VerifiedSigner};
use super::{Asked, compare, form_of, lineage_not_walked, nothing, report};
use crate::datetime::DateTime;
use crate::policy::{LineageRule, Rule};
use crate::predicate::Predicate;
use crate::report::{Basis, Check, Judged, Level, Outcome, Report, ReportSigner, Role, Verdict};

impl Trust {
    /// Judges data by the statements about it, the policy, and the attestations of its direct
    /// inputs.
    ///
    /// Of several statements, the newest that verifies counts; one that nobody signed can be put
    /// beside the data by anyone, and takes nothing away. The level that is needed is the one
    /// asked for, else the one that the rules require; a weaker one is a failure. What cannot be
    /// found is `Unknown`, never a pass.
    pub fn verify(
        &self,
        candidates: &Candidates,
        evidence: &Evidence,
        asked: &Asked<'_>,
        attestations: &mut dyn Attestations,
        now: DateTime,
    ) -> Report {
        let sha256 = evidence.sha256();
        let named = match (asked.name, asked.places) {
            (Some(name), _) => Named::AskedFor(name),
            (None, []) => Named::Claimed,
            (None, places) => Named::At(places),
        };
        let mut effort = Effort::whole();
        let (chosen, mut is_cut) = candidates.to_authenticate(&sha256, asked.name);
        let mut tried = Vec::new();
        let mut is_found = false;
        for chosen in chosen {
            // Older ones can only conflict, and its inputs have to be looked at.
            if is_found && effort.is_half_spent() {
                is_cut = true;
                break;
            }
            let envelopes = candidates.envelopes(&chosen.candidate.id);
            let (affordable, is_all) = effort.afford(&envelopes, self);
            is_cut |= !is_all;
            // Without any that can be tried, it is not known whether it is signed.
            if is_all || !affordable.is_empty() {
                let told = self.authenticate(&affordable, &sha256, named, &now);
                is_found |= told.verified.is_some();
                if told.verified.is_some() {
                    effort.refund(&affordable, self);
                }
                tried.push((chosen, told));
            }
        }
        let verified = tried.iter().position(|(_, told)| told.verified.is_some());
        // Where L1 is enough, nobody asks who signed.
        let is_word_enough = tried.first().is_some_and(|(chosen, _)| {
            let rules = self.rules_of(chosen, named);
            let required = rules.map(|rules| rules.facts().require);
            required.is_some() && required.max(asked.level) == Some(Level::L1)
        });
        if is_cut && verified.is_none() && !is_word_enough {
            let message = format!(
                "there are more statements or signatures about these bytes than are tried, and none \
                 of {} verifies",
                tried.len()
            );
            return Report::unknown(Check::new("L2.V.1", Outcome::Skip, "", message), now);
        }
        let Some((chosen, told)) = tried.get(verified.unwrap_or(0)) else {
            return nothing(now);
        };
        let verified = told.verified.as_ref();
        let rules = self.rules_of(chosen, named);
        let scope = told.scope.clone();
        let scope = scope.or_else(|| rules.as_ref().map(Scope::facts));
        let scope = scope.as_ref();
        let required = scope.map(|scope| scope.require);
        // Without a rule nothing is trusted, whatever is asked for.
        let needed = required.max(asked.level).unwrap_or(Level::L2);

        let mut findings = form_of(candidates, chosen, evidence);
        let signed = told.checks.iter().cloned();
        match (needed, scope) {
            // The rules are content with less; what is missing for more is still told.
            (Level::L1, Some(_)) => {
                let claims = rules.map(|rules| self.claims(chosen, &rules, &now));
                let claims = claims.unwrap_or_default();
                let signed = signed.filter(|check| !claims.contains(check));
                findings.checks.extend(signed.map(as_warning));
                findings.checks.extend(claims);
            }
            _ => findings.checks.extend(signed),
        }
        findings.checks.extend(conflict(&tried, scope));
        let is_open = is_cut && scope.is_some_and(|scope| scope.strict);
        if is_cut {
            let message = "not all statements about these bytes were tried, and one may conflict";
            let check = Check::new("D1", Outcome::Skip, "predicate", message);
            findings.checks.push(check);
        }
        let basis = match verified {
            Some(_) => Basis::Signed,
            None => Basis::Declared,
        };
        let before = findings.checks.len();
        compare(&mut findings, chosen, evidence, asked, basis);
        let failed = |check: &Check| check.id == "V3" && check.outcome == Outcome::Fail;
        let data_differs = findings.checks[before..].iter().any(failed);
        findings
            .checks
            .push(binding(data_differs, verified.is_some(), evidence));

        let mut judgement = Judgement {
            level: Level::L1,
            lineage_level: None,
            checks: Vec::new(),
            not_told: findings.not_told || is_open,
        };
        match (verified, scope) {
            (Some(verified), Some(scope)) if !data_differs => {
                // Nobody is asked for what decides nothing.
                let hosts: &[String] = match needs_inputs(scope, needed) {
                    true => &scope.ref_hosts,
                    false => &[],
                };
                let inputs = Inputs::of(verified, hosts, self, attestations, &now, &mut effort);
                judgement.of_inputs(inputs, scope, needed);
            }
            _ => judgement.of_unsigned(chosen, scope),
        }
        if needed > Level::L2 {
            let message = format!("{needed} is not verified by this version, L2 is the highest");
            let check = Check::new("L3.V.7", Outcome::Fail, "", message);
            judgement.checks.push(check);
        }
        findings.checks.append(&mut judgement.checks);

        let mut report = report(findings, chosen, evidence, asked, now);
        if report.verdict == Verdict::Pass {
            match judgement.not_told {
                true => report.verdict = Verdict::Unknown,
                false => {
                    report.level = Some(judgement.level);
                    report.lineage_level = judgement.lineage_level;
                }
            }
        }
        let signers = verified.filter(|_| report.verdict != Verdict::Fail);
        let signers = signers
            .map(VerifiedAttestation::signers)
            .unwrap_or_default();
        report.judged = Some(Judged {
            policy: self.policy().digest(),
            trusted_root: *self.root_digest(),
            signers: signers.iter().map(ReportSigner::from).collect(),
        });
        report
    }

    /// The rules for a statement by the name that it claims, verified or not.
    fn rules_of(&self, chosen: &Chosen<'_>, named: Named<'_>) -> Option<Scope<'_>> {
        let (_, subject) = chosen.subject?;
        Scope::of(self.policy(), named, subject.name.as_str()).ok()
    }

    /// What rules that are content with L1 ask of the word of a statement.
    fn claims(&self, chosen: &Chosen<'_>, rules: &Scope<'_>, now: &DateTime) -> Vec<Check> {
        let Some(statement) = &chosen.candidate.statement else {
            return Vec::new();
        };
        let claims = |rule: &&Rule| {
            let question = Question {
                trust: self,
                rule,
                signers: &[],
                statement,
                now,
            };
            question.claims()
        };
        rules.rules().iter().flat_map(claims).collect()
    }
}

/// What is known of the level so far.
struct Judgement {
    level: Level,
    lineage_level: Option<Level>,
    checks: Vec<Check>,
    not_told: bool,
}

impl Judgement {
    /// A verified statement about this data has the level that its direct inputs allow.
    fn of_inputs(&mut self, inputs: Inputs, scope: &ScopeFacts, needed: Level) {
        let holds = !inputs.failed && !inputs.not_told;
        let is_needed = needs_inputs(scope, needed);
        let mut told = inputs.told.into_checks("L2.V.8");
        if scope.strict && is_needed {
            let findings = told.iter_mut();
            // Findings are about an input; how many more there are is none.
            let findings = findings.filter(|check| !check.path.is_empty());
            for finding in findings.filter(|check| check.outcome == Outcome::Warn) {
                finding.outcome = Outcome::Fail;
            }
        }
        match is_needed {
            true => self.checks.extend(told),
            false => self.checks.extend(told.into_iter().map(as_warning)),
        }
        self.not_told |= is_needed && inputs.not_told;
        let is_whole = holds && inputs.further == 0;
        if scope.lineage == LineageRule::None {
            if is_needed {
                let message =
                    "the policy looks at no inputs (lineage = \"none\"), which gives L1 at most";
                self.checks
                    .push(Check::new("L2.V.9", Outcome::Fail, "", message));
            }
            return;
        }
        if holds {
            self.level = Level::L2;
            self.lineage_level = is_whole.then_some(Level::L2);
        }
        if holds && !is_whole {
            // A lineage that the policy cuts off is incomplete, and not verified.
            let is_enough = scope.lineage != LineageRule::Full || scope.depth == Some(1);
            let why = match is_enough {
                true => "the policy looks no further",
                false => "this version walks no further",
            };
            let message = format!(
                "{} direct input(s) are steps themselves, and {why}",
                inputs.further
            );
            let check = Check::new("L2.V.9", Outcome::Skip, "predicate.inputs", message);
            self.checks.push(check);
            self.not_told |= is_needed && !is_enough;
        }
    }

    /// A statement that is not verified is its producer's word, and so are its inputs.
    fn of_unsigned(&mut self, chosen: &Chosen<'_>, scope: Option<&ScopeFacts>) {
        let statement = chosen.candidate.statement.as_ref();
        let not_walked = statement.and_then(lineage_not_walked);
        let is_needed = scope.is_some_and(|scope| scope.lineage != LineageRule::None);
        self.not_told |= is_needed && not_walked.is_some();
        self.lineage_level = not_walked.is_none().then_some(Level::L1);
        self.checks.extend(not_walked);
    }
}

/// Whether the inputs count. A rule for L1 looks at none, unless it says that it does.
fn needs_inputs(scope: &ScopeFacts, needed: Level) -> bool {
    needed > Level::L1 || scope.lineage != LineageRule::None
}

/// The same finding where less is needed.
fn as_warning(mut check: Check) -> Check {
    if check.outcome == Outcome::Fail {
        check.outcome = Outcome::Warn;
    }
    check
}

/// Whether the data is what was signed (L2.V.10); what differs was told by V3.
fn binding(data_differs: bool, is_verified: bool, evidence: &Evidence) -> Check {
    let found = evidence.sha256();
    let (outcome, message) = match (data_differs, is_verified) {
        (false, true) if matches!(evidence, Evidence::Member(_)) => (
            Outcome::Pass,
            "is the manifest, as it was signed, with the digest of the file; the others were not read"
                .to_owned(),
        ),
        (true, _) => (
            Outcome::Fail,
            format!("is not what the data is, sha256 {found}"),
        ),
        (false, true) => (
            Outcome::Pass,
            format!("is what the data is, sha256 {found}, and was signed"),
        ),
        (false, false) => (
            Outcome::Skip,
            format!("is what the data is, sha256 {found}, in a statement that is not verified"),
        ),
    };
    Check::new("L2.V.10", outcome, "subject", message).role(Role::Consequence)
}

/// That two trusted signers name different sources of the same bytes (attack 45).
fn conflict(tried: &[(Chosen<'_>, Authentication)], scope: Option<&ScopeFacts>) -> Option<Check> {
    let mut verified = tried.iter().filter_map(|(_, told)| told.verified.as_ref());
    let first = verified.next()?;
    let other = verified.find(|other| sources(other) != sources(first))?;
    let names = |one: &VerifiedAttestation| {
        let signers = one.signers().iter().map(VerifiedSigner::name);
        signers.collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "conflicting: {} signed sha256:{}, and {} signed sha256:{}, which names other sources of the \
         same data",
        names(first),
        first.id(),
        names(other),
        other.id()
    );
    let outcome = match scope.is_some_and(|scope| scope.strict) {
        true => Outcome::Fail,
        false => Outcome::Warn,
    };
    Some(Check::new("D1", outcome, "predicate", message))
}

/// Where data comes from, by the word of its statement.
fn sources(verified: &VerifiedAttestation) -> Vec<String> {
    match &verified.statement().predicate {
        Predicate::Origin(origin) => vec![origin.origin.source.as_str().to_owned()],
        Predicate::StreamWindow(window) => {
            let source = window.stream.source.as_ref().map(|source| source.as_str());
            let stream = [window.stream.id.as_str(), source.unwrap_or_default()];
            stream.map(str::to_owned).to_vec()
        }
        Predicate::Transform(transform) => {
            let inputs = transform.inputs.as_slice().iter();
            let mut digests: Vec<_> = inputs.map(|one| one.digest.sha256.to_string()).collect();
            digests.sort_unstable();
            digests
        }
    }
}
