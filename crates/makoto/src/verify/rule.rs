//! One rule of a policy, held against the signatures of one statement.

use super::signatory::Signatory;
use super::trust::{Holder, NoHolder, Trust, with_causes};
use super::verified::{TrustedTime, VerifiedSigner};
use crate::datetime::DateTime;
use crate::policy::{Rule, SignerPart, SignerRule};
use crate::predicate::Predicate;
use crate::report::{Check, Outcome, Role};
use crate::statement::Statement;
use crate::timestamp::TimestampError;

/// A rule, and what it is asked about.
pub(super) struct Question<'a> {
    pub(super) trust: &'a Trust,
    pub(super) rule: &'a Rule,
    /// Who may sign: whom the rule allows, or the others for it where it says nothing of that.
    pub(super) signers: &'a [&'a SignerRule],
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
    /// Every name by which it does, at least one.
    names: Vec<String>,
    /// Who vouches for the first of them.
    voucher: String,
    actor: Actor,
}

/// What was found of one signature, in the order of the specification.
struct Found {
    signer: Option<VerifiedSigner>,
    /// Every name by which the rule allows the signer.
    names: Vec<String>,
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
    /// Whether both are by one signer: one key under two names, or one name with two keys,
    /// whoever vouches for it (attack 90).
    fn is_by_who_made(&self, other: &Self) -> bool {
        let key = |found: &Self| found.signer.as_ref().map(VerifiedSigner::key).copied();
        let has = |name: &String| other.names.iter().any(|one| one.eq_ignore_ascii_case(name));
        key(self) == key(other) || self.names.iter().any(has)
    }

    fn failures(&self) -> usize {
        let failed =
            |check: &&Check| check.outcome == Outcome::Fail && check.role != Role::Consequence;
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
        let mut answer = Answer {
            signers: Vec::new(),
            checks: Vec::new(),
            holds: false,
        };
        let mut actors = Vec::new();
        for one in distinct(good) {
            answer.checks.extend(one.checks);
            actors.push(one.actor);
            answer.signers.extend(one.signer);
        }
        // Whoever signs as well, to approve, need not have done it.
        if let Some(check) = self.actor(&answer.signers, &actors) {
            answer.checks.push(check);
        }
        let needed = self.rule.signer_threshold();
        let failed = |check: &Check| check.outcome == Outcome::Fail;
        if answer.signers.len() >= needed {
            answer.holds = !answer.checks.iter().any(failed);
        } else {
            if !answer.signers.is_empty() {
                let message = format!(
                    "{} distinct signer(s) that the rule for {:?} allows, needed {needed}",
                    answer.signers.len(),
                    self.rule.name().as_str()
                );
                answer.checks.push(check("L2.V.4", Outcome::Fail, message));
            }
            // The signature that came nearest says what is missing.
            let nearest = bad.into_iter().min_by_key(Found::failures);
            let nearest = nearest.map(|found| found.checks).unwrap_or_default();
            answer.checks.extend(nearest);
        }
        if let Some(check) = self.source() {
            answer.holds &= check.outcome != Outcome::Fail;
            answer.checks.push(check);
        }
        answer
    }

    /// What the rule asks of the word of a statement: its source, its age.
    pub(super) fn claims(&self) -> Vec<Check> {
        let mut checks: Vec<_> = self.source().into_iter().collect();
        if self.rule.max_age().is_some() {
            checks.push(match self.statement.claimed_time() {
                Some(claimed) => self.age(claimed),
                None => {
                    let message = "the statement does not say when it was done, and the rule has a \
                                   max-age";
                    Check::new("L2.V.7", Outcome::Fail, "", message)
                }
            });
        }
        checks
    }

    fn look_at(&self, signatory: &Signatory) -> Found {
        let mut checks = Vec::new();
        let time = self.time_of(signatory);
        // Without a trusted time nothing passes; what else is wrong is told as of now.
        let moment = time.as_ref().map_or(self.now, TrustedTime::earliest);
        let holders = self.trust.holders(signatory, time.as_ref(), moment);
        let allowed = self.allowed(holders, time.as_ref(), &mut checks);
        match &time {
            None => self.tell_no_time(signatory, &mut checks),
            Some(time) => {
                self.check_time(time, signatory, &mut checks);
                checks.extend(signatory.refused_tokens.iter().map(another_token));
            }
        }
        let actor = allowed.as_ref().map(|allowed| allowed.actor);
        let names = allowed.as_ref().map(|allowed| allowed.names.clone());
        let signer = allowed.zip(time).and_then(|(allowed, time)| {
            Some(VerifiedSigner {
                name: allowed.names.into_iter().next()?,
                voucher: allowed.voucher,
                key: signatory.key,
                algorithm: signatory.algorithm,
                time,
            })
        });
        Found {
            signer,
            names: names.unwrap_or_default(),
            actor: actor.unwrap_or(Actor::Another),
            checks,
        }
    }

    /// The names by which the rule allows the holders, and who vouches for the first.
    fn allowed(
        &self,
        holders: Vec<Result<Holder, NoHolder>>,
        time: Option<&TrustedTime>,
        checks: &mut Vec<Check>,
    ) -> Option<Allowed> {
        let mut refused = Vec::new();
        let mut late = None;
        let mut strangers = Vec::new();
        let mut found: Option<Allowed> = None;
        for holder in holders {
            let holder = match holder {
                Ok(holder) => holder,
                Err(why) => {
                    refused.push(why);
                    continue;
                }
            };
            for signer in self.signers {
                match signer.matches(&holder.as_signer()) {
                    Ok(names) => match out_of_period(signer, time) {
                        Some(why) => late = Some(why),
                        None => {
                            let actor = self.actor_as(&holder, &names);
                            let names = names.into_iter().map(str::to_owned);
                            match &mut found {
                                Some(found) => {
                                    found.names.extend(names);
                                    found.actor = found.actor.min(actor);
                                }
                                None => {
                                    found = Some(Allowed {
                                        names: names.collect(),
                                        voucher: holder.voucher(),
                                        actor,
                                    });
                                }
                            }
                        }
                    },
                    Err(mismatch) => strangers.push(mismatch),
                }
            }
        }
        if let Some(allowed) = found {
            let (name, voucher) = (&allowed.names[0], &allowed.voucher);
            let message = format!("signed by {name:?}, by {voucher}");
            checks.push(check("L2.V.3", Outcome::Pass, message));
            let rule = self.rule.name().as_str();
            let message = format!("the rule for {rule:?} allows {name:?}");
            checks.push(check("L2.V.4", Outcome::Pass, message));
            return Some(allowed);
        }
        // Who is allowed at another time is no stranger, and who is of another kind came no nearer
        // than whoever was refused.
        let strangers = strangers.iter().max_by_key(|mismatch| mismatch.nearness());
        let strangers = strangers.filter(|mismatch| {
            let is_near = mismatch.part != SignerPart::Kind || refused.is_empty();
            late.is_none() && is_near
        });
        match (late.as_ref().or(refused.first()), strangers) {
            (Some(why), None) => {
                checks.push(check("L2.V.3", Outcome::Fail, why.to_string()));
                if why.is_over() {
                    let message = "the key signs nothing after it was retired or taken back";
                    let follows = check("L3.PL.6", Outcome::Fail, message.to_owned());
                    checks.push(follows.role(Role::Consequence));
                }
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

    /// What one of the holders, whom the rule calls `names`, has to do with who did it.
    fn actor_as(&self, holder: &Holder, names: &[&str]) -> Actor {
        let actor = self.statement.predicate.actor().unwrap_or_default();
        match (holder.speaks_for(actor, names), holder) {
            (true, _) => Actor::Itself,
            (false, Holder::Certificate(_)) => Actor::Another,
            (false, _) => Actor::BareKey,
        }
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
                (Outcome::Warn, message)
            }
        };
        Some(Check::new("L2.V.5", outcome, path, message))
    }

    /// Whether the rule allows the source of an origin, or of a window, which is one as well.
    pub(super) fn source(&self) -> Option<Check> {
        let allowed = self.rule.sources()?;
        let rule = self.rule.name().as_str();
        let (path, source) = match &self.statement.predicate {
            Predicate::Origin(origin) => (
                "predicate.origin.source",
                Some(origin.origin.source.as_str()),
            ),
            Predicate::StreamWindow(window) => {
                let source = window.stream.source.as_ref();
                (
                    "predicate.stream.source",
                    source.map(|source| source.as_str()),
                )
            }
            Predicate::Transform(_) => return None,
        };
        let (outcome, message) = match source {
            None => {
                let message = format!("is missing, and the rule for {rule:?} allows named sources");
                (Outcome::Fail, message)
            }
            Some(source) if allowed.iter().any(|pattern| pattern.matches(source)) => {
                (Outcome::Pass, "is a source that the rule allows".to_owned())
            }
            Some(source) => {
                let message = format!("is {source:?}, which the rule for {rule:?} does not allow");
                (Outcome::Fail, message)
            }
        };
        Some(Check::new("L2.V.4", outcome, path, message))
    }
}

/// A token that gives no time takes nothing from one that does.
fn another_token(error: &TimestampError) -> Check {
    let message = format!("another timestamp is not verified: {}", with_causes(error));
    check("L2.V.6", Outcome::Warn, message)
}

/// The best signature of each signer: by who did it, and then the earliest. Who has two names of two
/// others makes them all one.
fn distinct(found: Vec<Found>) -> Vec<Found> {
    let mut signers: Vec<Vec<Found>> = Vec::new();
    for one in found {
        let (same, mut others): (Vec<_>, Vec<_>) = signers
            .into_iter()
            .partition(|signer| signer.iter().any(|known| known.is_by_who_made(&one)));
        let mut same: Vec<_> = same.into_iter().flatten().collect();
        same.push(one);
        others.push(same);
        signers = others;
    }
    let time = |found: &Found| {
        found
            .signer
            .as_ref()
            .map(|signer| signer.time.earliest().clone())
    };
    let best = |signer: Vec<Found>| signer.into_iter().min_by_key(|one| (one.actor, time(one)));
    signers.into_iter().filter_map(best).collect()
}

pub(super) fn check(id: &'static str, outcome: Outcome, message: String) -> Check {
    Check::new(id, outcome, "signatures", message)
}

/// Why a key that a rule names does not count at a time: it must at every moment of it.
fn out_of_period(signer: &SignerRule, time: Option<&TrustedTime>) -> Option<NoHolder> {
    let SignerRule::Key(rule) = signer else {
        return None;
    };
    let counts = match time {
        Some(time) => rule.counts_at(Some(time.earliest())) && rule.counts_at(Some(time.latest())),
        None => rule.counts_at(None),
    };
    if counts {
        return None;
    }
    let moment = |time: Option<&DateTime>| time.map_or("…".to_owned(), ToString::to_string);
    let (from, until) = (moment(rule.from()), moment(rule.until()));
    let owner = rule.owner();
    let signed = time.map(TrustedTime::latest);
    let why = match signed {
        Some(signed) => {
            format!("the key of {owner:?} counts from {from} until {until}, and signed by {signed}")
        }
        None => format!("the key of {owner:?} counts at a verified time only"),
    };
    let is_over = signed
        .zip(rule.until())
        .is_some_and(|(signed, until)| signed > until);
    Some(NoHolder::Named { why, is_over })
}
