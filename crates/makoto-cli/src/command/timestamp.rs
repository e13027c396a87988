use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use makoto::attestation::Attestation;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto_data::NewFile;

use super::Output;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::sealing::StampArgs;
use crate::trust;

/// Add a trusted time to a signed statement
///
/// Asks timestamp authorities (RFC 3161) for the time of each signature of the bundle that has
/// none, checks the whole answer, and writes the bundle back with it. The signature stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto timestamp orders.csv.attestation --tsa https://tsa.example/
  makoto timestamp orders.csv.attestation --tsa https://tsa.example/ --trusted-root trusted_root.json")]
pub(crate) struct Timestamp {
    /// The bundle, or several as JSON Lines
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,

    #[command(flatten)]
    stamps: StampArgs,

    /// Ask for signatures that have a time as well
    #[arg(long)]
    again: bool,
}

impl Timestamp {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let bytes = trust::read(&self.bundle, Limits::DEFAULT.sidecar_bytes)?;
        let shown = trust::shown(&self.bundle);
        let documents =
            Attestation::documents(&bytes).map_err(|error| Failure::of(&error).about(&shown))?;
        let stamper = self.stamps.open()?;
        if stamper.is_empty() {
            return Err(
                Failure::usage("no timestamp authority was named").hint("name one with --tsa URL")
            );
        }
        let mut lines = Vec::new();
        let mut stamped = 0;
        for (line, attestation) in &documents {
            let Some(mut envelope) = attestation.envelope.clone() else {
                return Err(Failure::usage(format!("{shown} is not signed"))
                    .hint("sign it first with `makoto sign`"));
            };
            let [signature] = envelope.unverified_signatures.as_mut_slice() else {
                return Err(Failure::usage(format!(
                    "{shown} has {} signatures in one envelope, and a bundle has one",
                    envelope.unverified_signatures.len()
                ))
                .hint("sign the statement again, which writes a bundle for each signer"));
            };
            if !signature.tokens.is_empty() && !self.again {
                lines.push(line.to_vec());
                continue;
            }
            signature.tokens.extend(stamper.tokens(&signature.bytes)?);
            let bundle = envelope.to_bundle().map_err(|error| Failure::of(&error))?;
            lines.push(bundle.to_string().into_bytes());
            stamped += 1;
        }
        if stamped > 0 {
            let mut written = lines.join(&b'\n');
            if lines.len() > 1 {
                written.push(b'\n');
            }
            self.replace(&written)?;
        }
        let path = self.bundle.to_string_lossy();
        match output {
            Output::Json => screen::json(&Json::from([
                ("path", path.into_owned().into()),
                ("timestamped", Json::from(stamped as u64)),
            ])),
            Output::Text | Output::Aside => {
                screen::result(format!(
                    "{}: {stamped} signature(s) timestamped",
                    Plain(&path)
                ));
            }
        }
        Ok(0)
    }

    fn replace(&self, bytes: &[u8]) -> Result<(), Failure> {
        let write = || {
            let mut file = NewFile::at(&self.bundle)?;
            file.file().write_all(bytes)?;
            file.keep(&self.bundle)
        };
        write().map_err(|error: std::io::Error| {
            let shown = trust::shown(&self.bundle);
            Failure::usage(format!("cannot write {shown}: {error}"))
        })
    }
}
