use std::path::PathBuf;

use clap::Args;
use makoto::attestation::Attestation;
use makoto::limits::Limits;
use makoto_data::{Sidecar, attestation_path};

use super::Output;
use super::sign::keep;
use super::store::StoreArgs;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::signing::envelope_of;
use crate::times::TimeArgs;

/// Add the time to signatures that are there
///
/// Asks timestamp authorities about the signature of each bundle in the file, and writes their
/// tokens into it. Verifies no signature: `makoto verify` does.
#[derive(Debug, Args)]
#[command(
    name = "timestamp",
    after_help = "\
Example:
  makoto timestamp orders.csv.attestation --tsa https://tsa.example.com --trusted-root root.json"
)]
pub(crate) struct TimestampCommand {
    /// The bundle, or several as JSON Lines
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,

    #[command(flatten)]
    time: TimeArgs,

    #[command(flatten)]
    store: StoreArgs,
}

impl TimestampCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let shown = self.bundle.to_string_lossy();
        let shown = Plain(&shown);
        if self.time.tsas.is_empty() {
            return Err(Failure::usage("no timestamp authority is given").hint("add --tsa URL"));
        }
        let sidecar = Sidecar::at(self.bundle.clone());
        let before = sidecar.read()?.ok_or_else(|| {
            Failure::usage(format!("there is no bundle {shown}"))
                .hint("check the path; it is taken from the folder you are in")
        })?;
        let (times, _) = self.time.open(None)?;
        self.store.rehearse(&[])?;
        let documents = Attestation::documents(&before).map_err(|error| {
            let message = Failure::of(&error).message;
            let failure = Failure::contradiction(format!("{shown}: {}", Plain(&message)));
            match attestation_path(&self.bundle) {
                Ok(path) if path.exists() => {
                    let path = path.to_string_lossy().into_owned();
                    failure.hint(format!(
                        "this looks like the data; its bundle is {}",
                        Plain(&path)
                    ))
                }
                _ => failure,
            }
        })?;
        let (mut lines, mut added, mut refused) = (Vec::new(), false, Vec::new());
        for (document, _) in &documents {
            let mut envelope = envelope_of(document).ok_or_else(|| {
                Failure::contradiction(format!("{shown} has a statement that is not signed"))
                    .hint("sign it with `makoto sign`")
            })?;
            let [signature] = envelope.unverified_signatures.as_mut_slice() else {
                let count = envelope.unverified_signatures.len();
                return Err(Failure::contradiction(format!(
                    "{shown} has an envelope of {count} signatures, needed one bundle for each"
                )));
            };
            let makers = |token: &Vec<u8>| Some(times.read(token, &signature.bytes)?.maker);
            let there: Vec<_> = signature.tokens.iter().filter_map(makers).collect();
            // Who answers at an address is known only once it has answered.
            let mut new = times.stamp(&signature.bytes)?;
            new.retain(|token| makers(token).is_none_or(|maker| !there.contains(&maker)));
            if new.is_empty() {
                lines.push(document.to_vec());
                continue;
            }
            signature.tokens.extend(new.iter().cloned());
            if let Err(failure) = times.refuse_disagreeing(&envelope, |one| new.contains(one)) {
                // The others are none the worse for it.
                refused.push(failure);
                lines.push(document.to_vec());
                continue;
            }
            added = true;
            let bundle = envelope.to_bundle().map_err(|error| Failure::of(&error))?;
            lines.push(bundle.to_string().into_bytes());
        }
        match (refused.pop(), added) {
            (Some(failure), false) => return Err(failure),
            (last, _) => refused.extend(last),
        }
        for failure in &refused {
            screen::note(format!("note: left as it was: {}", Plain(&failure.message)));
        }
        let ids: Vec<_> = documents.iter().map(|(_, one)| one.id).collect();
        let id = ids
            .first()
            .map_or_else(String::new, |id| format!("sha256:{id}"));
        let after = if added {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| makoto_data::one_line(line))
                .collect();
            let mut after = lines.join(&b'\n');
            if lines.len() > 1 {
                after.push(b'\n');
            }
            // A token more than a bundle may have would make it unreadable.
            let readable = Attestation::parse_file(&after);
            if readable.is_err() || after.len() > Limits::DEFAULT.sidecar_bytes {
                return Err(Failure::usage(format!(
                    "{shown} has as many timestamps as a bundle may have"
                )));
            }
            sidecar.swap(Some(&before), &after, &self.bundle)?;
            after
        } else {
            before
        };
        let word = if added { "timestamped" } else { "unchanged" };
        keep((&self.bundle, &after), &id, word, &self.store, output)?;
        Ok(0)
    }
}
