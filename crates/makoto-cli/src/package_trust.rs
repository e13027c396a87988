//! A policy that travels in a package, for whoever knows its digest from elsewhere.

use std::path::Path;

use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::limits::Limits;
use makoto::manifest::check_path;
use makoto::policy::Policy;
use makoto_data::{Package, PackageError, PackageTrust};

use crate::failure::Failure;
use crate::screen::Plain;
use crate::trust::{beside, read, shown, to_judge_by};

/// Reads the policy at `path` with everything that it names, to be put into a package.
pub(crate) fn collect(path: &Path, now: &DateTime) -> Result<PackageTrust, Failure> {
    // What nobody could judge by is not sent.
    to_judge_by(path, now)?;
    let bytes = read(path, Limits::DEFAULT.toml_bytes)?;
    let policy = Policy::read(&bytes, &Limits::DEFAULT).map_err(|_| changed(path))?;
    let mut named: Vec<&str> = Vec::new();
    named.extend(policy.trusted_root());
    named.extend(policy.trusted_keys());
    named.extend(policy.key_sets().iter().map(|set| set.file.as_str()));
    let mut files = Vec::new();
    for name in named {
        if check_path(name).is_err() {
            return Err(Failure::usage(format!(
                "{} names {:?}, which is not below its folder, so that it cannot travel with it",
                shown(path),
                Plain(name).to_string()
            ))
            .hint("put what the policy names beside it, and name it by that path"));
        }
        let bytes = read(&beside(path, name), Limits::DEFAULT.document_bytes)?;
        files.push((name.to_owned(), bytes));
    }
    PackageTrust::new(bytes, files)
        .map_err(|error| Failure::usage(format!("{}: {error}", shown(path))))
}

/// The policy that came along in the package at `path`, if it has the digest that a person named.
pub(crate) fn open(
    path: &Path,
    named: &Digest,
    now: &DateTime,
) -> Result<makoto::verify::Trust, Failure> {
    let refuse = |error: &PackageError| Failure::usage(format!("{} {error}", shown(path)));
    let package = Package::open(path).map_err(|error| refuse(&error))?;
    let found = package.unverified_trust().map_err(|error| refuse(&error))?;
    let trust = found.ok_or_else(|| {
        Failure::contradiction(format!("{} brings no policy along", shown(path)))
            .requirement("L2.V.4")
            .hint("name your own with --policy, or ask for a package that was made with `makoto pack --policy`")
    })?;
    if trust.digest() != named {
        return Err(Failure::contradiction(format!(
            "the policy that {} brings along is sha256:{}, and sha256:{named} was named",
            shown(path),
            trust.digest()
        ))
        .requirement("L2.V.4")
        .hint("ask whoever named the digest; a policy that only the package speaks for decides nothing"));
    }
    let unpacked = || {
        let folder = tempfile::tempdir()?;
        let policy = trust.write_into(folder.path())?;
        Ok((folder, policy))
    };
    let (_folder, policy) = unpacked().map_err(|error: std::io::Error| {
        Failure::usage(format!("cannot unpack the policy: {error}"))
    })?;
    to_judge_by(&policy, now)
}

fn changed(path: &Path) -> Failure {
    Failure::usage(format!("{} changed while it was read", shown(path)))
}
