//! A root, an authority below it, and a signer, in a workshop of each test.

use std::sync::OnceLock;

use makoto::chain::ChainError;
use makoto::datetime::DateTime;
use makoto::identity::{Identity, IdentityError};
use makoto::trusted_root::TrustedRoot;

use crate::openssl::{AUTHORITY, LONG, SIGNER, Workshop};

pub(crate) const YEAR: (&str, &str) = ("20220101000000Z", "20221231235959Z");

pub(crate) struct Fixture {
    pub(crate) workshop: Workshop,
    pub(crate) root: TrustedRoot,
}

/// A root, an intermediate authority, and a signer whose certificate was valid in 2022. Each
/// test issues what it needs in a workshop of its own, with the keys from here.
pub(crate) fn fixture() -> Fixture {
    static MADE: OnceLock<Workshop> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let workshop = Workshop::new();
        workshop.issue("anchor", "P-256", "anchor", AUTHORITY, LONG);
        workshop.issue("middle", "P-256", "anchor", AUTHORITY, LONG);
        workshop.issue("signer", "P-256", "middle", SIGNER, YEAR);
        workshop
    });
    let workshop = Workshop::new();
    for name in ["anchor", "middle", "signer"] {
        for end in ["key", "pem", "der"] {
            let file = format!("{name}.{end}");
            workshop.write(&file, made.read(&file));
        }
    }
    let root = workshop.root(&[("acme", &["middle", "anchor"])], &[]);
    Fixture { workshop, root }
}

pub(crate) fn at(time: &str) -> DateTime {
    DateTime::parse(time).expect("a time")
}

pub(crate) fn summer() -> DateTime {
    at("2022-06-30T12:00:00Z")
}

impl Fixture {
    /// A trusted root that leaves the authorities below the anchor to it.
    pub(crate) fn anchor_alone(&self) -> TrustedRoot {
        self.workshop.root(&[("acme", &["anchor"])], &[])
    }

    pub(crate) fn verify(&self, name: &str, time: &DateTime) -> Result<Identity, IdentityError> {
        Identity::verify(&self.workshop.der(name), &[], &self.root, time)
    }

    /// Issues a certificate of this extension text and verifies it.
    pub(crate) fn issued(
        &self,
        name: &str,
        issuer: &str,
        extensions: &str,
    ) -> Result<Identity, IdentityError> {
        self.workshop.issue(name, "P-256", issuer, extensions, YEAR);
        self.verify(name, &summer())
    }
}

pub(crate) fn chain_error(result: Result<Identity, IdentityError>) -> ChainError {
    match result {
        Err(IdentityError::Chain(error)) => error,
        other => panic!("{other:?}"),
    }
}
