//! What to do after a verdict, in one line.

use makoto::report::{Check, Level, Outcome, Report, Verdict};

/// The next step after `report`.
pub(crate) fn next_step(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Pass => after_pass(report),
        Verdict::Unknown => after_unknown(report),
        Verdict::Fail => after_failure(report),
    }
}

fn after_pass(report: &Report) -> &'static str {
    match report.level {
        Some(Level::L1) => {
            "L1 is the producer's own word; ask for a signed attestation where that is not enough"
        }
        Some(_) => "nothing; what a signer you trust says that is not true, no signature tells",
        None if has(report, Outcome::Skip, "L2.V.1") => {
            "no signature was checked; `makoto verify DATA --policy P` does, and compares the data"
        }
        None => "`makoto verify DATA` compares the data with it",
    }
}

fn after_unknown(report: &Report) -> &'static str {
    let open = |id: &str, part: &str| {
        let mut skipped = report.with_outcome(Outcome::Skip);
        skipped.any(|check| check.id == id && check.message.contains(part))
    };
    if open("L2.V.8", "the budget of signatures") {
        return "name fewer keys in the policy, or ask for the data in smaller parts";
    }
    if report.judged.is_some() && open("L2.V.9", "were not followed") {
        return "ask the producer to sign it: what nobody signed says nothing of its inputs that counts";
    }
    if has(report, Outcome::Skip, "L2.V.8") {
        return "name where the missing attestations are with --store or --in";
    }
    if report.judged.is_some() && has(report, Outcome::Skip, "L2.V.9") {
        return "whole lineages are not walked yet; lineage = \"direct\" or depth = 1 in its rule looks \
                one step back";
    }
    if has(report, Outcome::Skip, "L2.V.9") {
        return "name where the missing attestations are with --store or --in";
    }
    "a budget was reached; ask its producer for it in smaller parts"
}

fn after_failure(report: &Report) -> &'static str {
    let failed = |id: &str| has(report, Outcome::Fail, id);
    let says = |id: &str, part: &str| {
        let mut failed = report.with_outcome(Outcome::Fail);
        failed.any(|check| check.id == id && check.message.contains(part))
    };
    let is_at = |id: &str, end: &str| {
        let mut failed = report.with_outcome(Outcome::Fail);
        failed.any(|check| check.id == id && check.path.ends_with(end))
    };
    let is_judged = report.judged.is_some();
    match () {
        () if failed("L2.P.1") && is_judged => "ask the producer for a signed attestation",
        () if failed("L2.P.1") => {
            "ask the producer for a signed attestation, or ask for --level L1"
        }
        () if failed("L2.V.4") && !is_judged => {
            "name whom you trust in a policy, see `makoto policy init`, and give it with --policy"
        }
        () if failed("L2.P.4") => {
            "get the key set anew from its owner, and ask why if it is older than the one that you had"
        }
        () if says("L2.V.1", "no trusted key") => {
            "if you trust whose key it is, `makoto policy allow --key PUB` adds it; if not, do not trust the \
             statement"
        }
        () if failed("L2.V.1") || failed("L2.P.2") => {
            "do not trust the statement; get it again, or ask the producer to sign it"
        }
        () if failed("V1") || failed("P1") => {
            "ask whoever made the data for a good attestation of it"
        }
        () if failed("V3") => {
            "do not use the data as attested; get it again, or ask its producer to attest this version"
        }
        () if failed("V2") && failed("L2.V.4") => {
            "check the name that you gave with --as; it is not what the statement calls this data"
        }
        () if is_at("L2.V.4", "subject.name") => {
            "check that this is the dataset you meant; `makoto policy allow --name NAME` makes a rule for it"
        }
        () if is_at("L2.V.4", ".source") => {
            "do not use it if it must come from elsewhere; `sources` in the rule lists where it may come from"
        }
        () if says("L2.V.4", "distinct signer(s)") && (failed("L2.P.6") || failed("L2.V.6")) => {
            "ask for the times of the signature that counts for nobody yet; `makoto timestamp` adds one"
        }
        () if says("L2.V.4", "distinct signer(s)") => {
            "let somebody else whom the rule allows sign it too: `makoto sign`, with --approve if they did \
             not do it"
        }
        () if failed("L2.V.4") && is_only_claimed(report) => {
            "say which dataset it should be with --as NAME: where a name is only claimed, every rule must hold"
        }
        () if says("L2.V.3", "none of the authorities") => {
            "if you trust who issued the certificate, write a trusted root with `makoto trust init --ca`; \
             if not, do not trust it"
        }
        () if failed("L2.V.3") => {
            "do not use it; ask the producer to sign it with a certificate or key that counts"
        }
        () if failed("L2.V.4") => {
            "if the signer is the right one, `makoto policy allow` adds it; if not, do not trust it"
        }
        () if failed("L2.V.5") => "ask whoever is said to have done it to sign it",
        () if says("L2.V.6", "is after") => "check the clock here, or the time given with --at",
        () if says("L2.V.6", "before it happened") => {
            "ask the producer to set its clock, and to attest the data again"
        }
        () if failed("L2.V.6") || failed("L2.P.6") => {
            "ask the producer for a timestamp by an authority in your trusted root"
        }
        () if says("L2.P.7", "is missing") => {
            "ask the producer to attest it with the times at which it was done"
        }
        () if failed("L2.P.7") => {
            "ask the producer to sign when it is made; `max-signing-delay` in the rule says how late is too late"
        }
        () if failed("D1") && is_judged => "ask the signers named above where the data is from",
        () if failed("L2.V.7") => "get newer data, or allow older with max-age",
        () if says("L2.P.9", "unpinned") => {
            "ask the producer for a reference with a digest, urn:makoto:attestation:sha256:…"
        }
        () if says("L2.V.8", "L2.P.6") => {
            "ask for a time of the input's attestation, which `makoto timestamp` adds"
        }
        () if failed("L2.V.8") || failed("L2.P.9") => {
            "get the input signed by whom its own rule allows; `makoto policy allow` adds a signer for it"
        }
        () if failed("L3.V.7") => "ask for --level L2, or require no more in the policy",
        () if is_about_a_name(report) => "check whether this is the dataset you meant",
        () => "mend what is named above; --verbose lists every finding",
    }
}

fn has(report: &Report, outcome: Outcome, id: &str) -> bool {
    report.with_outcome(outcome).any(|check| check.id == id)
}

fn is_about_a_name(report: &Report) -> bool {
    let is_name = |check: &Check| check.path.ends_with(".name");
    report.with_outcome(Outcome::Fail).any(is_name)
}

/// Whether a policy with several rules judged data of which only its own statement says the name.
fn is_only_claimed(report: &Report) -> bool {
    let claimed = report
        .subject
        .as_ref()
        .is_some_and(|subject| !subject.name_asked_for);
    let allowed = report
        .with_outcome(Outcome::Pass)
        .any(|check| check.id == "L2.V.4");
    claimed && allowed
}

#[cfg(test)]
mod tests {
    use makoto::datetime::DateTime;
    use makoto::digest::Digest;
    use makoto::report::Judged;

    use super::*;

    fn after(id: &'static str, path: &str, message: &str) -> &'static str {
        let check = Check::new(id, Outcome::Fail, path, message);
        let mut report = Report::from_checks(vec![check], DateTime::unix_epoch());
        report.judged = Some(Judged {
            policy: Digest::of(b"policy"),
            trusted_root: Digest::of(b"root"),
            signers: Vec::new(),
        });
        next_step(&report)
    }

    #[test]
    fn the_next_step_is_about_what_failed() {
        for (id, path, message, part) in [
            (
                "L2.V.1",
                "signatures",
                "no trusted key made the signature (1 tried)",
                "allow --key",
            ),
            (
                "L2.V.4",
                "subject.name",
                "no rule of the policy is for it",
                "allow --name",
            ),
            (
                "L2.V.4",
                "predicate.origin.source",
                "is not allowed",
                "`sources`",
            ),
            (
                "L2.V.4",
                "signatures",
                "1 distinct signer(s) that the rule allows, needed 2",
                "--approve",
            ),
            (
                "L2.V.4",
                "signatures",
                "the rule does not allow the signer",
                "`makoto policy allow` adds it",
            ),
            (
                "L2.V.8",
                "predicate.inputs[0]",
                "is not verified: L2.P.6 no timestamp",
                "makoto timestamp",
            ),
            (
                "L2.V.8",
                "predicate.inputs[0]",
                "is not verified: L2.V.4",
                "signed by whom",
            ),
        ] {
            let next = after(id, path, message);
            assert!(next.contains(part), "{id} {path}: {next}");
        }
    }
}
