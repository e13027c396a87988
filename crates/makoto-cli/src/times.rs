//! The time of a signature: whom to ask for it, and what their tokens say.

use std::path::PathBuf;

use clap::Args;
use makoto::certificate::Certificate;
use makoto::datetime::DateTime;
use makoto::envelope::Envelope;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::policy::CLOCK_SKEW;
use makoto::report::Level;
use makoto::statement::Statement;
use makoto::timestamp::{Timestamp, Untrusted};
use makoto::trusted_root::TrustedRoot;
use makoto_client::tsa::{Trust, Tsa, TsaError};
use makoto_client::{ExchangeError, Fault};

use crate::defaults::{Defaults, Value};
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::signing::open_root;

/// Who is asked for the time.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct TimeArgs {
    /// Address of a timestamp authority (RFC 3161) to ask for the time (repeatable)
    #[arg(long = "tsa", value_name = "URL")]
    pub(crate) tsas: Vec<String>,

    /// Trusted root against which certificate and timestamps are verified before they are used
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
}

/// The authorities to ask, and whose answers are taken.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) tsas: Vec<Tsa>,
    pub(crate) root: Option<TrustedRoot>,
}

/// What a good token says.
#[derive(Debug)]
pub(crate) struct Told {
    /// Who made it: the authority in the trusted root, or without one the certificate in the
    /// token, which anyone can make.
    pub(crate) maker: String,
    /// When it says that the signature existed.
    time: DateTime,
}

impl TimeArgs {
    /// Reads the trusted root and the addresses. Asks nobody yet.
    pub(crate) fn open(
        &self,
        defaults: Option<&Defaults>,
    ) -> Result<(Times, Option<Value>), Failure> {
        let mut addresses = self.tsas.clone();
        let mut from_file = None;
        if let (true, Some(defaults)) = (addresses.is_empty(), defaults) {
            from_file = defaults.value("tsa", None);
            addresses.extend(from_file.iter().map(|value| value.text.clone()));
        }
        let mut tsas = Vec::new();
        for address in &addresses {
            let tsa = Tsa::at(address).map_err(refused)?;
            if tsas.contains(&tsa) {
                return Err(
                    Failure::usage(format!("--tsa {} is given twice", tsa.address()))
                        .hint("name each authority once"),
                );
            }
            tsas.push(tsa);
        }
        let root = self.trusted_root.as_deref().map(open_root).transpose()?;
        if root.is_none() && !tsas.is_empty() {
            screen::note(
                "note: timestamps are checked against their own certificate only, which anyone can make; --trusted-root F says whose are trusted",
            );
        }
        Ok((Times { tsas, root }, from_file))
    }
}

impl Times {
    /// A token of each authority over the bytes of `signature`, checked.
    pub(crate) fn stamp(&self, signature: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let ask = |tsa: &Tsa| tsa.stamp(signature, self.trust()).map_err(refused);
        self.tsas.iter().map(ask).collect()
    }

    /// Refuses a time at which the signer's certificate did not count, or that is before what the
    /// statement says was done (L2.P.7): no verifier would accept them together. Looks at the tokens
    /// `among` those of the signatures.
    pub(crate) fn refuse_disagreeing(
        &self,
        envelope: &Envelope,
        among: impl Fn(&Vec<u8>) -> bool,
    ) -> Result<(), Failure> {
        let statement = Json::parse(&envelope.unverified_payload, &Limits::DEFAULT).ok();
        let statement = statement.and_then(|value| Statement::read(value, Level::L1).0);
        let claimed = statement.as_ref().and_then(Statement::claimed_time);
        for signature in &envelope.unverified_signatures {
            let leaf = signature.certificates.first();
            let leaf = leaf.and_then(|der| Certificate::from_der(der).ok());
            for token in signature.tokens.iter().filter(|token| among(token)) {
                if let Some(told) = self.read(token, &signature.bytes) {
                    refuse_time(&told.time, leaf.as_ref(), claimed)?;
                }
            }
        }
        Ok(())
    }

    /// What a token says, if it is good.
    pub(crate) fn read(&self, token: &[u8], signature: &[u8]) -> Option<Told> {
        match &self.root {
            Some(root) => {
                let stamp = Timestamp::verify(token, signature, root).ok()?;
                Some(Told {
                    maker: stamp.authority().to_owned(),
                    time: stamp.time().clone(),
                })
            }
            None => {
                let stamp = Untrusted::of(token, signature).ok()?;
                Some(Told {
                    maker: stamp.certificate().digest().to_string(),
                    time: stamp.claimed_time().clone(),
                })
            }
        }
    }

    /// How many makers have given a good token.
    pub(crate) fn count(&self, tokens: &[Vec<u8>], signature: &[u8]) -> usize {
        let makers = tokens
            .iter()
            .filter_map(|token| Some(self.read(token, signature)?.maker));
        makers.collect::<std::collections::BTreeSet<_>>().len()
    }

    fn trust(&self) -> Trust<'_> {
        match &self.root {
            Some(root) => Trust::Root(root),
            None => Trust::AnyoneInsecure,
        }
    }
}

fn refuse_time(
    time: &DateTime,
    leaf: Option<&Certificate>,
    claimed: Option<&DateTime>,
) -> Result<(), Failure> {
    if let Some(leaf) = leaf
        && (time < leaf.not_before() || leaf.not_after() < time)
    {
        let (from, to) = (leaf.not_before(), leaf.not_after());
        return Err(Failure::contradiction(format!(
            "the timestamp authority says {time}, and the certificate is valid from {from} to {to} (L2.V.3)"
        ))
        .hint("nothing was written; get a certificate that is valid now"));
    }
    let Some(claimed) = claimed else {
        return Ok(());
    };
    let early = claimed.unix_seconds() - time.unix_seconds();
    match u64::try_from(early) {
        Ok(early) if early > CLOCK_SKEW.get() => Err(Failure::contradiction(format!(
            "the statement says {claimed}, and the timestamp authority {time}: signed before it happened, by more than the {CLOCK_SKEW} that clocks may differ (L2.P.7)"
        ))
        .hint("nothing was written; set the clock, or give the time at which it was done")),
        _ => Ok(()),
    }
}

/// An authority that gave no time.
fn refused(error: TsaError) -> Failure {
    let failure = Failure::of(&error);
    let hint = match error {
        TsaError::Answer { .. } => {
            "nothing was written; the authority's answer cannot be used, ask whoever runs it, or another one"
        }
        TsaError::Address(_) => {
            "give --tsa an address such as https://tsa.example.com/api/v1/timestamp"
        }
        TsaError::NoAnswer(ExchangeError {
            fault: Fault::Redirect(_),
            ..
        }) => "nothing was written; give --tsa the address that it leads to, if you trust it",
        _ => "nothing was written; run the command again when the authority can be reached",
    };
    Failure::usage(Plain(&failure.message).to_string()).hint(hint)
}
