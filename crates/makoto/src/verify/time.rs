//! When a rule takes a signature to have been made, and how old data may be (FORMATS §5).

use std::fmt;

use super::rule::{Question, check};
use super::signatory::Signatory;
use super::trust::with_causes;
use super::verified::TrustedTime;
use crate::datetime::DateTime;
use crate::policy::Seconds;
use crate::report::{Check, Outcome};
use crate::timestamp::Timestamp;

/// Longest validity of a certificate that may stand for a time (FORMATS §5).
const SHORT_LIVED_SECONDS: i64 = 15 * 60;

impl Question<'_> {
    /// When it was signed, as far as the rule takes anyone's word for it.
    ///
    /// Where the rule needs several operators, it is the moment by which as many of them had seen
    /// the signature: one alone, who may be wrong or lie, moves it no further back.
    pub(super) fn time_of(&self, signatory: &Signatory) -> Option<TrustedTime> {
        let times = self.times_of(signatory);
        let needed = self.rule.tsa_threshold();
        if let Some(time) = times.get(needed.saturating_sub(1)) {
            return Some(TrustedTime::Stamped {
                time: time.time().clone(),
                authority: time.authority().to_owned(),
            });
        }
        // A certificate is nobody's second word, and who takes away the tokens gains nothing.
        let may_be_certificate = self.rule.certificate_time() && needed == 1;
        if !signatory.timestamps.is_empty() || !may_be_certificate {
            return None;
        }
        let (from, to) = signatory.validity()?;
        let short = to.unix_seconds() - from.unix_seconds() <= SHORT_LIVED_SECONDS;
        let identity = signatory.identity_at(&from, self.trust.root())?.ok()?;
        let marked = self.trust.policy().is_short_lived(identity.authority());
        (short && marked).then_some(TrustedTime::Within { from, to })
    }

    /// The first time that each operator gave, of those that count.
    fn times_of<'s>(&self, signatory: &'s Signatory) -> Vec<&'s Timestamp> {
        signatory.first_times(|time| self.why_not(time).is_none())
    }

    /// Why a time counts for nothing, though its token is good.
    fn why_not(&self, time: &Timestamp) -> Option<String> {
        let (skew, stamped) = (self.rule.clock_skew(), time.time());
        if seconds_between(self.now, stamped) > as_i64(skew) {
            return Some(format!(
                "the signature's time {stamped} is after {}",
                self.now
            ));
        }
        let accuracy = time
            .accuracy_micros()
            .unwrap_or_default()
            .div_ceil(1_000_000);
        (accuracy > skew.get()).then(|| {
            format!(
                "the signature's time {stamped} may be {accuracy} s off, more than the {skew} that \
                 clocks may differ"
            )
        })
    }

    pub(super) fn tell_no_time(&self, signatory: &Signatory, checks: &mut Vec<Check>) {
        let needed = self.rule.tsa_threshold();
        let found = self.times_of(signatory).len();
        let mut useless = signatory
            .timestamps
            .iter()
            .filter_map(|time| self.why_not(time));
        let message = match (found, useless.next(), signatory.refused_tokens.first()) {
            (0, Some(why), _) => why,
            (0, None, Some(error)) => with_causes(error),
            (0, None, None) => {
                let message = "the signature has no timestamp";
                checks.push(check("L2.P.6", Outcome::Fail, message.to_owned()));
                "there is no trusted time".to_owned()
            }
            _ => format!("timestamps by {found} operator(s), needed {needed}"),
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
    pub(super) fn check_time(
        &self,
        time: &TrustedTime,
        signatory: &Signatory,
        checks: &mut Vec<Check>,
    ) {
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
        // Whoever saw it first, though others are needed as well, saw it too early.
        let seen = self.times_of(signatory);
        let seen = seen.first().map_or(latest, |first| first.time());
        if seconds_between(seen, claimed) > skew {
            let message = format!(
                "the statement says {claimed}, but was signed by {seen}: before it happened, by more \
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
                "the statement says {claimed}, and was signed {} later, more than the {} of the rule",
                Elapsed(delay),
                self.rule.max_signing_delay()
            );
            checks.push(check("L2.P.7", outcome, message));
        } else {
            let message = format!("the statement's own time, {claimed}, agrees with it");
            checks.push(check("L2.P.7", Outcome::Pass, message));
        }
        // A fresh token over an old signature does not make the data younger (attack 89).
        let first = signatory.timestamps.first().map(Timestamp::time);
        let oldest = claimed.min(first.unwrap_or(earliest)).min(earliest);
        checks.push(self.age(oldest));
    }

    /// Whether data as old as `oldest` is young enough.
    pub(super) fn age(&self, oldest: &DateTime) -> Check {
        let age = seconds_between(oldest, self.now);
        let (outcome, message) = match self.rule.max_age() {
            _ if -age > as_i64(self.rule.clock_skew()) => (
                Outcome::Fail,
                format!("the data is from {oldest}, and it is {}", self.now),
            ),
            Some(most) if age > as_i64(most) => (
                Outcome::Fail,
                format!("the data is {} old, the rule allows {most}", Elapsed(age)),
            ),
            Some(most) => (
                Outcome::Pass,
                format!("the data is {} old, at most {most}", Elapsed(age)),
            ),
            None => (
                Outcome::Skip,
                format!("the data is {} old; the rule sets no max-age", Elapsed(age)),
            ),
        };
        Check::new("L2.V.7", outcome, "", message)
    }
}

/// Seconds in the units that a policy is written in, as `30d1s`.
struct Elapsed(i64);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is younger than no time was within the clocks' difference.
        let mut rest = self.0.max(0);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
            if rest >= unit {
                write!(f, "{}{letter}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

fn as_i64(seconds: Seconds) -> i64 {
    // At most a thousand years.
    i64::try_from(seconds.get()).unwrap_or(i64::MAX)
}

/// Whole seconds from one moment to another.
fn seconds_between(from: &DateTime, to: &DateTime) -> i64 {
    to.unix_seconds() - from.unix_seconds()
}

#[cfg(test)]
mod tests {
    use super::Elapsed;

    #[test]
    fn a_time_that_passed_is_told_to_the_second() {
        for (seconds, told) in [
            (-300, "0s"),
            (0, "0s"),
            (59, "59s"),
            (3_600, "1h"),
            (30 * 86_400 + 1, "30d1s"),
            (86_400 + 3_600 + 60 + 1, "1d1h1m1s"),
        ] {
            assert_eq!(Elapsed(seconds).to_string(), told);
        }
    }
}
