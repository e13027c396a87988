//! What somebody probably meant, when what was asked for cannot be verified as it was named.
//!
//! Advice is about names only. Nothing is verified by another name than the one that was given.

use std::path::Path;

use makoto::report::{Outcome, Report, Verdict};
use makoto_data::attestation_path;

use crate::object;
use crate::screen::Plain;

/// The next step after `report` on `data`, of which the name `asked` was asked for, when another
/// path or name is likely to be meant.
pub(crate) fn on(data: &Path, asked: Option<&str>, report: &Report) -> Option<String> {
    if report.verdict == Verdict::Pass || object::is_url(data) {
        return None;
    }
    let is_about_nothing = report.attestation.is_none()
        && report
            .with_outcome(Outcome::Fail)
            .any(|check| check.id == "V1");
    match is_about_nothing {
        true => on_companion(data).or_else(|| on_member(data)),
        false => on_name(asked?, report),
    }
}

/// An attestation or a manifest was named in the place of the data.
fn on_companion(data: &Path) -> Option<String> {
    let shown = |path: &Path| Plain(&path.to_string_lossy()).to_string();
    let end = data.extension()?.to_str()?;
    if !["attestation", "manifest"].contains(&end) {
        return None;
    }
    let about = data.with_extension("");
    Some(match (about.exists(), end) {
        (true, _) => format!(
            "this is the {end} of {0}, which is the data: `makoto verify {0}`",
            shown(&about)
        ),
        (false, "attestation") => format!(
            "this is an attestation; name the data and `--attestation {0}`, or read it with `makoto validate {0}`",
            shown(data)
        ),
        (false, _) => return None,
    })
}

/// A file was named that lies in a folder beside which there is an attestation.
fn on_member(data: &Path) -> Option<String> {
    let above = data.ancestors().skip(1);
    let folder = above
        .filter(|folder| folder.file_name().is_some())
        .find(|folder| attestation_path(folder).is_ok_and(|path| path.is_file()))?;
    let member = data.strip_prefix(folder).ok()?;
    let (folder, member) = (folder.to_string_lossy(), member.to_string_lossy());
    Some(format!(
        "the folder {0} above it has an attestation: `makoto verify {0} --member {1}`",
        Plain(&folder),
        Plain(&member)
    ))
}

/// The end of the name was asked for, as what stands before it is often left out.
fn on_name(asked: &str, report: &Report) -> Option<String> {
    let claimed = report.subject.as_ref()?.name.as_str();
    let (_, end) = claimed.split_once(':')?;
    (end == asked).then(|| {
        let claimed = Plain(claimed);
        format!("--as takes the whole name; if {claimed} is what you mean: --as {claimed}")
    })
}
