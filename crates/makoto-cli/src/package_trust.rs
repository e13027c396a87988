//! A policy that travels in a package, for whoever knows its digest from elsewhere.

use std::path::Path;

use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto_data::{Package, PackageError, PackageTrust, PackageTrustError};

use crate::failure::Failure;
use crate::policy_files::PolicyFiles;
use crate::trust::{read_policy, shown};

/// Reads the policy at `path` with everything that it names, to be put into a package.
pub(crate) fn collect(path: &Path) -> Result<PackageTrust, Failure> {
    let files = PolicyFiles::At(path);
    let (bytes, policy) = read_policy(files)?;
    let limit = Limits::DEFAULT.document_bytes;
    let read = |name: &str| files.read(name, limit).map_err(Uncollected::Failure);
    PackageTrust::collect(bytes, &policy, read).map_err(|why| match why {
        Uncollected::Failure(failure) => failure,
        Uncollected::Form(why) => Failure::usage(format!(
            "{} cannot travel with what it names: {why}",
            shown(path)
        ))
        .hint("put what the policy names beside it, and name it by that path"),
    })
}

/// Why a policy was not put into a package.
enum Uncollected {
    Failure(Failure),
    Form(PackageTrustError),
}

impl From<PackageTrustError> for Uncollected {
    fn from(error: PackageTrustError) -> Self {
        Self::Form(error)
    }
}

/// The policy that came along in the package at `path`, if it has the digest that a person named.
pub(crate) fn open(path: &Path, named: &Digest) -> Result<PackageTrust, Failure> {
    let refuse = |error| unsound(path, error);
    let package = Package::open(path).map_err(refuse)?;
    let found = package.unverified_trust().map_err(refuse)?;
    let trust = found.ok_or_else(|| {
        Failure::contradiction(format!("{} brings no policy along", shown(path)))
            .requirement("L2.V.4")
            .hint("name your own with --policy, or ask for a package that was made with `makoto pack --policy`")
    })?;
    match trust.digest() == named {
        true => Ok(trust),
        false => Err(Failure::contradiction(format!(
            "the policy that {} brings along is another than sha256:{named}, which was named",
            shown(path)
        ))
        .requirement("L2.V.4")
        .hint("ask whoever named the digest; a policy that only the package speaks for decides nothing")),
    }
}

/// A package that is not read: one that is not sound fails, as it would without its policy.
fn unsound(path: &Path, error: PackageError) -> Failure {
    let message = format!("{} {error}", shown(path));
    match error {
        PackageError::Form(_) => Failure::contradiction(message).requirement("V1").hint(
            "get the package again; what does not read the same in every program proves nothing",
        ),
        // It names the file itself.
        PackageError::Data(error) => error.into(),
        PackageError::Budget(_) | PackageError::Io(_) => Failure::usage(message),
    }
}
