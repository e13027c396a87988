use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::canonical::to_canonical;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::report::Level;
use makoto_data::{Sidecar, attestation_path, one_line};

use super::Output;
use super::store::{InStore, StoreArgs};
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::signing::{Signing, SigningArgs, envelope_of};

/// Sign a statement that is there
///
/// Signs exactly the bytes of the statement and writes a Sigstore bundle in its place, which
/// holds it. A file that is signed already gets one more line for each further signer; the same
/// signer again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto sign orders.csv.attestation --signer file:team.key
  makoto sign statement.json --signer file:team.key --tsa https://tsa.example.com --out signed.jsonl
  makoto sign orders.csv.attestation --signer file:job.key --certificate chain.pem \\
      --tsa https://tsa.example.com --trusted-root trusted_root.json
  makoto sign orders.csv.attestation --approve --signer file:lead.key --certificate lead.pem \
      --tsa https://tsa.example.com --trusted-root trusted_root.json")]
pub(crate) struct Sign {
    /// The statement, or bundles around it
    #[arg(value_name = "STATEMENT")]
    statement: PathBuf,

    /// Write the bundle here, beside the bundles of the same statement that are there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Sign bytes that are not the canonical form of the statement (RFC 8785)
    #[arg(long)]
    as_is: bool,

    /// Approve what somebody else did and signed: the certificate need not name the statement's
    /// collector or executor; for policies with signer-threshold
    #[arg(long, requires = "certificate")]
    approve: bool,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    store: StoreArgs,
}

impl Sign {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let read = Sidecar::at(self.statement.clone()).read()?;
        let read = read.ok_or_else(|| {
            Failure::usage(format!("there is no statement {}", shown(&self.statement)))
                .hint("check the path; it is taken from the folder you are in")
        })?;
        let (payload, statement) = self.payload(&read)?;
        let out = self.out.as_ref().unwrap_or(&self.statement);
        let sidecar = Sidecar::at(out.clone());
        let before = match &self.out {
            Some(_) => sidecar.read()?,
            None => Some(read.clone()),
        };
        let bundles = bundles(out, before.as_deref(), &Digest::of(&payload))?;
        // Who asks for the time of a signature means it to be verified.
        let least = match self.signing.time.tsas.is_empty() {
            true => Level::L1,
            false => Level::L2,
        };
        let signing = self.signing.open_for(None, least)?.ok_or_else(|| {
            Failure::usage("no signer is given (L2.P.1)").hint("add --signer file:K")
        })?;
        let signing = match self.approve {
            true => {
                self.refuse_approving_nothing(&read, &statement, &signing)?;
                signing.approving()
            }
            false => signing,
        };
        self.store.rehearse(&[])?;
        let id = format!("sha256:{}", Digest::of(&payload));
        if let Some(bundle) = bundles.iter().find(|bundle| signing.made(bundle)) {
            // What would be refused now is refused, whoever signed it before.
            signing.check(&statement)?;
            signing.refuse_disagreeing(bundle)?;
            let file = before.as_deref().unwrap_or_default();
            keep((out, file), &id, "unchanged", &self.store, output)?;
            return Ok(0);
        }
        let signed = signing.sign(&payload, &statement)?;
        let document = signing.stamp(signed)?.to_document();
        let mut after = Vec::new();
        for bundle in &bundles {
            after.extend_from_slice(&one_line(bundle));
            after.push(b'\n');
        }
        after.extend_from_slice(&document);
        if !bundles.is_empty() {
            after.push(b'\n');
        }
        let readable = Attestation::parse_file(&after);
        if after.len() > Limits::DEFAULT.sidecar_bytes || readable.is_err() {
            return Err(Failure::usage(format!(
                "{} would be larger than an attestation file may be",
                shown(out)
            )));
        }
        sidecar.swap(before.as_deref(), &after, &self.statement)?;
        let word = match (bundles.len(), &before) {
            (0, None) => "new",
            (0, Some(_)) => "signed",
            _ => "appended",
        };
        keep((out, &after), &id, word, &self.store, output)?;
        Ok(0)
    }

    /// Refuses to approve what nobody else signed who may have done it. No signature is verified
    /// here: that is for the policy of whoever reads it, and `strict = true` asks for it there.
    fn refuse_approving_nothing(
        &self,
        file: &[u8],
        statement: &Json,
        signing: &Signing,
    ) -> Result<(), Failure> {
        let documents = Attestation::documents(file).unwrap_or_default();
        let envelopes = documents.iter().filter_map(|(one, _)| envelope_of(one));
        let mut may_be = envelopes.map(|one| signing.may_be_by_the_actor(&one, statement));
        match may_be.any(|may_be| may_be) {
            true => Ok(()),
            false => Err(Failure::contradiction(format!(
                "nobody who may have done it has signed {} yet (L2.P.5)",
                shown(&self.statement)
            ))
            .hint("let the collector or executor sign it first, with `makoto sign` or when it is attested")),
        }
    }

    /// The bytes to sign: those of the file, or those that all its bundles are around.
    fn payload(&self, file: &[u8]) -> Result<(Vec<u8>, Json), Failure> {
        let refuse = |error: &dyn std::error::Error| {
            let message = Failure::of(error).message;
            let failure =
                Failure::contradiction(format!("{}: {}", shown(&self.statement), Plain(&message)));
            match attestation_path(&self.statement) {
                Ok(path) if path.exists() => failure.hint(format!(
                    "this looks like the data; its statement is {}",
                    shown(&path)
                )),
                _ => failure,
            }
        };
        let documents = Attestation::documents(file).map_err(|error| refuse(&error))?;
        let mut found: Option<(Vec<u8>, Json)> = None;
        for (document, attestation) in &documents {
            let payload = match attestation.unverified_signatures() {
                Some(_) => envelope_of(document)
                    .map(|one| one.unverified_payload)
                    .ok_or_else(|| {
                        Failure::contradiction(format!("{} has no payload", shown(&self.statement)))
                    })?,
                // All of the file, its last line end too: what is signed is what is there.
                None if documents.len() == 1 => file.to_vec(),
                None => document.to_vec(),
            };
            match &found {
                Some((first, _)) if *first != payload => {
                    return Err(Failure::usage(format!(
                        "{} holds several statements, needed one",
                        shown(&self.statement)
                    ))
                    .hint("put the statement to be signed into a file of its own"));
                }
                Some(_) => {}
                None => found = Some((payload, attestation.statement.clone())),
            }
        }
        let Some((payload, statement)) = found else {
            return Err(Failure::usage(format!(
                "{} is empty",
                shown(&self.statement)
            )));
        };
        let canonical = to_canonical(&statement).is_ok_and(|canonical| canonical == payload);
        if !canonical && !self.as_is {
            return Err(Failure::contradiction(format!(
                "{} is not the canonical form of its statement (RFC 8785), which other programs may not write again byte by byte",
                shown(&self.statement)
            ))
            .hint("write it as one canonical line without a line end, or add --as-is to sign these very bytes"));
        }
        Ok((payload, statement))
    }
}

/// The bundles that a file has around the statement `id`. A bare statement there is held by the
/// bundle that takes its place.
fn bundles<'f>(path: &Path, file: Option<&'f [u8]>, id: &Digest) -> Result<Vec<&'f [u8]>, Failure> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let other = || {
        Failure::contradiction(format!(
            "{} is there already and says something else",
            shown(path)
        ))
        .hint("move that file away, or give another --out")
    };
    let documents = Attestation::documents(file).map_err(|_| other())?;
    let is_bare = |one: &Attestation| one.envelope.is_none();
    // A bare statement's id leaves white space out, which `--as-is` signs.
    let same = |(document, one): &(&[u8], Attestation)| {
        one.id == *id || (is_bare(one) && (Digest::of(file) == *id || Digest::of(document) == *id))
    };
    if !documents.iter().all(same) {
        return Err(other());
    }
    let signed = documents.iter().filter(|(_, one)| !is_bare(one));
    Ok(signed.map(|(document, _)| *document).collect())
}

fn shown(path: &Path) -> String {
    Plain(&path.to_string_lossy()).to_string()
}

/// Keeps what the file of bundles at `path` has in the stores as well, and tells what became of it.
pub(super) fn keep(
    (path, file): (&Path, &[u8]),
    id: &str,
    word: &str,
    stores: &StoreArgs,
    output: Output,
) -> Result<(), Failure> {
    let stored = stores.keep(file)?;
    match output {
        Output::Json => {
            let written = Json::from([
                ("path", path.to_string_lossy().into_owned().into()),
                ("outcome", word.into()),
                ("attestation", id.into()),
            ]);
            let written = [written].into_iter();
            let all = written.chain(stored.iter().map(InStore::to_json));
            screen::json(&Json::from([("written", all.collect::<Json>())]));
        }
        Output::Text | Output::Aside => {
            screen::result(format!("{}: {word}, attestation {id}", shown(path)));
            stores.told(&stored).for_each(screen::result);
        }
    }
    Ok(())
}
