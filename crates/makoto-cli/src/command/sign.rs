use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::canonical::to_canonical;
use makoto::json::Json;
use makoto::statement::Times;
use makoto_data::{Existing, Sidecar};

use super::Output;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::sealing::SealArgs;
use crate::trust;

/// Sign a statement
///
/// Puts the statement, byte for byte as it stands in the file, into a Sigstore bundle (DSSE) with
/// a signature and, with --tsa, a timestamp. A bare statement is replaced by its bundle; a statement
/// that is signed already gets a further bundle by this key, as a further line. Its id stays the
/// same. Signing the same again with the same key changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto sign orders.csv.attestation --signer file:team.key
  makoto sign orders.csv.attestation --signer file:ci.key --certificate chain.pem \\
      --tsa https://tsa.example/ --trusted-root trusted_root.json
  makoto sign statement.json --signer file:team.key --out orders.csv.attestation")]
pub(crate) struct Sign {
    /// The statement, or a bundle around it
    #[arg(value_name = "STATEMENT")]
    statement: PathBuf,

    /// Write the bundle here, and leave the file as it is
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Sign bytes that are not in canonical form (RFC 8785), as they are
    #[arg(long)]
    as_is: bool,

    #[command(flatten)]
    seal: SealArgs,
}

impl Sign {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let bytes = trust::read(
            &self.statement,
            makoto::limits::Limits::DEFAULT.sidecar_bytes,
        )?;
        let shown = trust::shown(&self.statement);
        let documents =
            Attestation::documents(&bytes).map_err(|error| Failure::of(&error).about(&shown))?;
        let (line, attestation) = one_statement(&documents, &shown)?;
        let payload = match &attestation.envelope {
            Some(envelope) => envelope.unverified_payload.clone(),
            None => line.to_vec(),
        };
        self.refuse_other_form(&payload, &attestation.statement)?;
        let Some(sealer) = self.seal.open(None, &clock::now()?)? else {
            return Err(Failure::usage("there is nothing to sign with")
                .hint("name a key with --signer file:KEY; `makoto key generate` makes one"));
        };
        sealer.look_at(&attestation.statement, self.seal.level())?;
        let target = self.out.as_deref().unwrap_or(&self.statement);
        let sidecar = Sidecar::at(target.to_owned());
        let there = sidecar.read()?.unwrap_or_default();
        let there = Attestation::documents(&there).unwrap_or_default();
        let mut of_id = there.iter().filter(|(_, one)| one.id == attestation.id);
        let outcome = match of_id.any(|(_, one)| sealer.has_sealed(one)) {
            true => "unchanged",
            false => {
                let bundle = sealer.seal(&payload)?;
                let readers = self.statement.as_path();
                let existing = Existing::Keep;
                sidecar.write(&bundle, readers, existing, Times::Compare)?;
                "signed"
            }
        };
        self.tell(target, &attestation.id.to_string(), outcome, output);
        Ok(0)
    }

    /// Two programs that write the same facts must write the same bytes, or one statement has two
    /// ids.
    fn refuse_other_form(&self, payload: &[u8], statement: &Json) -> Result<(), Failure> {
        let canonical = to_canonical(statement);
        if self.as_is || canonical.is_ok_and(|canonical| canonical == payload) {
            return Ok(());
        }
        Err(
            Failure::usage("the statement is not in canonical form (RFC 8785)")
                .hint("write it in that form, or sign its bytes as they are with --as-is"),
        )
    }

    fn tell(&self, target: &Path, id: &str, outcome: &str, output: Output) {
        let path = target.to_string_lossy();
        match output {
            Output::Json => screen::json(&Json::from([
                ("path", path.into_owned().into()),
                ("attestation", format!("sha256:{id}").into()),
                ("outcome", outcome.into()),
            ])),
            Output::Text | Output::Aside => {
                screen::result(format!("{}: {outcome}, sha256:{id}", Plain(&path)));
            }
        }
    }
}

/// The one statement of a file, however many signed it.
pub(super) fn one_statement<'a>(
    documents: &'a [(&'a [u8], Attestation)],
    shown: &str,
) -> Result<&'a (&'a [u8], Attestation), Failure> {
    let first = documents.first();
    let first = first.ok_or_else(|| Failure::usage(format!("{shown} holds no statement")))?;
    match documents.iter().all(|(_, one)| one.id == first.1.id) {
        true => Ok(first),
        false => Err(Failure::usage(format!("{shown} holds several statements"))
            .hint("put the one to be signed into a file of its own")),
    }
}
