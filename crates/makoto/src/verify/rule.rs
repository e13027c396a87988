//! One rule of a policy, held against the signatures of one statement.

use super::signatory::Signatory;
use super::trust::{Holder, Trust, with_causes};
use super::verified::{TrustedTime, VerifiedSigner};
use crate::datetime::DateTime;
use crate::policy::{Rule, Seconds, SignerRule};
use crate::predicate::Predicate;
use crate::report::{Check, Outcome};
use crate::statement::Statement;

/// Longest validity of a certificate that may stand for a time (FORMATS §5).
const SHORT_LIVED_SECONDS: i64 = 15 * 60;

/// A rule, and what it is asked about.
pub(super) struct Question<'a> {
    pub(super) trust: &'a Trust,
    pub(super) rule: &'a Rule,
    pub(super) statement: &'a Statement,
    pub(super) now: &'a DateTime,
}

/// What came of it.
pub(super) struct Answer {
    /// Signers that the rule allows, each once.
    pub(super) signers: Vec<VerifiedSigner>,
    pub(super) checks: Vec<Check>,
    /// Whether all of it holds.
    pub(super) holds: bool,
}

/// A signer that the rule allows.
struct Allowed {
    name: String,
    voucher: String,
    actor: Actor,
}

/// What was found of one signature, in the order of the specification.
struct Found {
    signer: Option<VerifiedSigner>,
    /// Whether the signer is who is said to have done it.
    actor: Actor,
    checks: Vec<Check>,
}

/// What a signer has to do with `collector.id` or `executor.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    /// It is one of its names.
    Itself,
    /// It signed with a bare key, and its owner has another name.
    BareKey,
    /// Its certificate names another.
    Another,
}

impl Found {
    fn failures(&self) -> usize {
        let failed = |check: &&Check| check.outcome == Outcome::Fail;
        self.checks.iter().filter(failed).count()
    }
}

impl Question<'_> {
    /// Asks the rule. All of its conditions must hold for one and the same signature, and for as
    /// many distinct signers as it needs.
    pub(super) fn answer(&self, signatories: &[Signatory]) -> Answer {
        let found: Vec<_> = signatories.iter().map(|one| self.look_at(one)).collect();
        let (good, bad): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|found| found.signer.is_some() && found.failures() == 0);
        let mut actors = Vec::new();
        let mut answer = Answer {
            signers: Vec::new(),
            checks: Vec::new(),
            holds: false,
        };
        for found in good {
            let Some(signer) = found.signer else { continue };
            // One key under two names, or one name with two keys, is one signer (attack 90).
            let is_known = |known: &VerifiedSigner| {
                known.key == signer.key
                    || (&known.name, &known.voucher) == (&signer.name, &signer.voucher)
            };
            if !answer.signers.iter().any(is_known) {
                answer.checks.extend(found.checks);
                actors.push(found.actor);
                answer.signers.push(signer);
            }
        }
        // Whoever signs as well, to approve, need not have done it.
        if let Some(check) = self.actor(&answer.signers, &actors) {
            answer.checks.push(check);
        }
        let needed = self.rule.signer_threshold();
        let failed = |check: &Check| check.outcome == Outcome::Fail;
        if answer.signers.len() >= needed {
            answer.holds = !answer.checks.iter().any(failed);
        } else if answer.signers.is_empty() {
            // The signature that came nearest says what is missing.
            let nearest = bad.into_iter().min_by_key(Found::failures);
            answer
                .checks
                .extend(nearest.map(|found| found.checks).unwrap_or_default());
        } else {
            let message = format!(
                "{} distinct signer(s) that the rule for {:?} allows, needed {needed}",
                answer.signers.len(),
                self.rule.name().as_str()
            );
            answer
                .checks
                .push(Check::new("L2.V.4", Outcome::Fail, "signatures", message));
        }
        if let Some(check) = self.source() {
            answer.holds &= check.outcome != Outcome::Fail;
            answer.checks.push(check);
        }
        answer
    }

    fn look_at(&self, signatory: &Signatory) -> Found {
        let mut checks = Vec::new();
        let time = self.time_of(signatory);
        // Without a trusted time nothing passes; what else is wrong is told as of now.
        let trusted = time.as_ref().map(TrustedTime::earliest);
        let moment = trusted.unwrap_or(self.now);
        let holders = self.trust.holders(signatory, time.as_ref(), moment);
        let allowed = self.allowed(holders, trusted, &mut checks);
        match &time {
            None => self.tell_no_time(signatory, &mut checks),
            Some(time) => self.check_time(time, &mut checks),
        }
        let actor = allowed.as_ref().map(|allowed| allowed.actor);
        let signer = allowed.zip(time).map(|(allowed, time)| VerifiedSigner {
            name: allowed.name,
            voucher: allowed.voucher,
            key: signatory.key,
            algorithm: signatory.algorithm,
            time,
        });
        let actor = actor.unwrap_or(Actor::Another);
        Found {
            signer,
            actor,
            checks,
        }
    }

    /// The name by which the rule allows one of the holders, and who vouches for it.
    fn allowed(
        &self,
        holders: Vec<Result<Holder, String>>,
        time: Option<&DateTime>,
        checks: &mut Vec<Check>,
    ) -> Option<Allowed> {
        let mut refused = Vec::new();
        let mut strangers = Vec::new();
        for holder in holders {
            let holder = match holder {
                Ok(holder) => holder,
                Err(why) => {
                    refused.push(why);
                    continue;
                }
            };
            for signer in self.rule.signers() {
                match signer.matches(&holder.as_signer()) {
                    Ok(()) => {
                        if let Some(why) = out_of_period(signer, time) {
                            refused.push(why);
                            continue;
                        }
                        let (name, voucher) = holder.named_by(signer);
                        let message = format!("signed by {name:?}, by {voucher}");
                        checks.push(check("L2.V.3", Outcome::Pass, message));
                        let message = format!(
                            "the rule for {:?} allows {name:?}",
                            self.rule.name().as_str()
                        );
                        checks.push(check("L2.V.4", Outcome::Pass, message));
                        let actor = self.statement.predicate.actor().unwrap_or_default();
                        let actor = match (holder.speaks_for(actor, &name), &holder) {
                            (true, _) => Actor::Itself,
                            (false, Holder::Certificate(_)) => Actor::Another,
                            (false, _) => Actor::BareKey,
                        };
                        return Some(Allowed {
                            name,
                            voucher,
                            actor,
                        });
                    }
                    Err(mismatch) => strangers.push(mismatch.to_string()),
                }
            }
        }
        match (refused.first(), strangers.first()) {
            (Some(why), None) => {
                checks.push(check("L2.V.3", Outcome::Fail, why.clone()));
            }
            (_, Some(nearest)) => {
                let message = format!(
                    "the rule for {:?} does not allow the signer: {nearest}",
                    self.rule.name().as_str()
                );
                checks.push(check("L2.V.4", Outcome::Fail, message));
            }
            (None, None) => {
                let message = format!("the rule for {:?} allows nobody", self.rule.name().as_str());
                checks.push(check("L2.V.4", Outcome::Fail, message));
            }
        }
        None
    }

    /// Whether who is said to have done it is among those who signed (L2.V.5).
    fn actor(&self, signers: &[VerifiedSigner], actors: &[Actor]) -> Option<Check> {
        let (signer, nearest) = signers
            .iter()
            .zip(actors)
            .min_by_key(|(_, actor)| **actor)?;
        let name = signer.name();
        let actor = self.statement.predicate.actor().unwrap_or_default();
        let path = match self.statement.predicate {
            Predicate::Transform(_) => "predicate.executor.id",
            Predicate::Origin(_) | Predicate::StreamWindow(_) => "predicate.collector.id",
        };
        let (outcome, message) = match (nearest, self.rule.strict()) {
            (Actor::Itself, _) => {
                let message = format!("is {actor:?}, a name of who signed");
                (Outcome::Pass, message)
            }
            (_, true) => (Outcome::Fail, format!("is {actor:?}, but {name:?} signed")),
            (Actor::Another, false) => {
                (Outcome::Warn, format!("is {actor:?}, but {name:?} signed"))
            }
            (Actor::BareKey, false) => {
                let message =
                    format!("is {actor:?}, by the word of {name:?}, who signed with a bare key");
                (Outcome::Pass, message)
            }
        };
        Some(Check::new("L2.V.5", outcome, path, message))
    }

    /// When it was signed, as far as the rule takes anyone's word for it.
    fn time_of(&self, signatory: &Signatory) -> Option<TrustedTime> {
        let first = signatory.timestamps.first();
        if let Some(first) = first
            && signatory.operators() >= self.rule.tsa_threshold()
        {
            return Some(TrustedTime::Stamped {
                time: first.time().clone(),
                authority: first.authority().to_owned(),
            });
        }
        if first.is_some() || !self.rule.certificate_time() {
            return None;
        }
        let (from, to) = signatory.validity()?;
        let short = to.unix_seconds() - from.unix_seconds() <= SHORT_LIVED_SECONDS;
        let identity = signatory.identity_at(&from, self.trust.root())?.ok()?;
        let marked = self.trust.policy().is_short_lived(identity.authority());
        (short && marked).then_some(TrustedTime::Within { from, to })
    }

    fn tell_no_time(&self, signatory: &Signatory, checks: &mut Vec<Check>) {
        let needed = self.rule.tsa_threshold();
        let message = match (signatory.operators(), signatory.refused_tokens.first()) {
            (0, None) => {
                let message = "the signature has no timestamp";
                checks.push(check("L2.P.6", Outcome::Fail, message.to_owned()));
                "there is no trusted time".to_owned()
            }
            (0, Some(error)) => with_causes(error),
            (found, _) => format!("timestamps by {found} operator(s), needed {needed}"),
        };
        checks.push(check("L2.V.6", Outcome::Fail, message));
        for check in checks
            .iter_mut()
            .filter(|check| check.outcome == Outcome::Pass)
        {
            // They were looked at as of now, which proves nothing of the moment of signing.
            check.outcome = Outcome::Skip;
            check.message.push_str(", if it was signed now");
        }
    }

    /// Holds the time that the statement claims against the trusted one (FORMATS §5).
    fn check_time(&self, time: &TrustedTime, checks: &mut Vec<Check>) {
        let (earliest, latest) = (time.earliest(), time.latest());
        let message = match time {
            TrustedTime::Stamped { time, authority } => {
                format!("signed by {time}, by {authority:?}")
            }
            TrustedTime::Within { from, to } => {
                format!("signed between {from} and {to}, while its certificate was valid")
            }
        };
        checks.push(check("L2.V.6", Outcome::Pass, message));
        let skew = as_i64(self.rule.clock_skew());
        if seconds_between(self.now, earliest) > skew {
            let message = format!("the signature's time {earliest} is after {}", self.now);
            checks.push(check("L2.V.6", Outcome::Fail, message));
        }
        let Some(claimed) = self.statement.claimed_time() else {
            let message = "the statement does not say when it was done".to_owned();
            checks.push(check("L2.P.7", Outcome::Fail, message));
            return;
        };
        let delay = seconds_between(claimed, latest);
        if -delay > skew {
            let message = format!(
                "the statement says {claimed}, but was signed by {latest}: before it happened, by more \
                 than the {} that clocks may differ",
                self.rule.clock_skew()
            );
            checks.push(check("L2.V.6", Outcome::Fail, message));
        } else if delay > as_i64(self.rule.max_signing_delay()) {
            let outcome = match self.rule.strict() {
                true => Outcome::Fail,
                false => Outcome::Warn,
            };
            let message = format!(
                "the statement says {claimed}, and was signed {delay} s later, more than the {} of \
                 the rule",
                self.rule.max_signing_delay()
            );
            checks.push(check("L2.P.7", outcome, message));
        } else {
            let message = format!("the statement's own time, {claimed}, agrees with it");
            checks.push(check("L2.P.7", Outcome::Pass, message));
        }
        // A fresh token over an old signature does not make the data younger (attack 89).
        let oldest = claimed.min(earliest);
        let age = seconds_between(oldest, self.now);
        checks.push(match self.rule.max_age() {
            Some(most) if age > as_i64(most) => {
                let message = format!("is {age} s old, the rule allows {most}");
                check("L2.V.7", Outcome::Fail, message)
            }
            Some(most) => check(
                "L2.V.7",
                Outcome::Pass,
                format!("is {age} s old, at most {most}"),
            ),
            None => {
                let message = format!("is {age} s old; the rule sets no max-age");
                check("L2.V.7", Outcome::Skip, message)
            }
        });
    }

    /// Whether the rule allows the source of an origin.
    fn source(&self) -> Option<Check> {
        let allowed = self.rule.sources()?;
        let Predicate::Origin(origin) = &self.statement.predicate else {
            return None;
        };
        let source = origin.origin.source.as_str();
        const PATH: &str = "predicate.origin.source";
        Some(
            match allowed.iter().any(|pattern| pattern.matches(source)) {
                true => Check::new(
                    "L2.V.4",
                    Outcome::Pass,
                    PATH,
                    "is a source that the rule allows",
                ),
                false => {
                    let message = format!(
                        "is {source:?}, which the rule for {:?} does not allow",
                        self.rule.name().as_str()
                    );
                    Check::new("L2.V.4", Outcome::Fail, PATH, message)
                }
            },
        )
    }
}

fn check(id: &'static str, outcome: Outcome, message: String) -> Check {
    Check::new(id, outcome, "signatures", message)
}

/// Why a key that a rule names does not count at a time.
fn out_of_period(signer: &SignerRule, time: Option<&DateTime>) -> Option<String> {
    let SignerRule::Key(rule) = signer else {
        return None;
    };
    if rule.counts_at(time) {
        return None;
    }
    let moment = |time: Option<&DateTime>| time.map_or("…".to_owned(), ToString::to_string);
    let (from, until) = (moment(rule.from()), moment(rule.until()));
    Some(match time {
        Some(time) => format!(
            "the key of {:?} counts from {from} until {until}, and signed by {time}",
            rule.owner()
        ),
        None => format!(
            "the key of {:?} counts at a verified time only",
            rule.owner()
        ),
    })
}

fn as_i64(seconds: Seconds) -> i64 {
    // At most a thousand years.
    i64::try_from(seconds.get()).unwrap_or(i64::MAX)
}

/// Whole seconds from one moment to another.
fn seconds_between(from: &DateTime, to: &DateTime) -> i64 {
    to.unix_seconds() - from.unix_seconds()
}
