use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use makoto::authority::{AuthorityError, NewAuthority, Vouches};
use makoto::datetime::DateTime;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::pem::{self, PemError};
use makoto::trusted_root::TrustedRoot;

use super::Output;
use crate::clock;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::trust::{beside, read, shown, write_new};

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    Init(Init),
}

impl TrustCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self {
            Self::Init(command) => command.run(output),
        }
    }
}

/// Name of the file of public keys beside a trusted root.
pub(crate) const TRUSTED_KEYS: &str = "trusted_keys.pem";

/// Write a trusted root from the certificates of authorities
///
/// Each PEM file holds one authority: its certificates from the lowest to the trust anchor. Their
/// order, signatures and validity are checked; that they are whose they say is for you to know.
/// Nothing that is there is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto trust init --ca workloads-ca.pem --tsa tsa-chain.pem
  makoto trust init --ca ca.pem --operator-ca acme-workloads --tsa tsa.pem --key partner.pub")]
pub(crate) struct Init {
    /// Certificates of an authority that vouches for names of signers; may be repeated
    #[arg(long, value_name = "PEM")]
    ca: Vec<PathBuf>,

    /// Certificates of a timestamp authority; may be repeated
    #[arg(long, value_name = "PEM")]
    tsa: Vec<PathBuf>,

    /// Public key to keep in trusted_keys.pem beside the root; may be repeated
    #[arg(long, value_name = "PUB")]
    key: Vec<PathBuf>,

    /// What rules call the authority, one for each --ca [default: its organization]
    #[arg(long, value_name = "NAME")]
    operator_ca: Vec<String>,

    /// What the timestamp authority is called, one for each --tsa [default: its organization]
    #[arg(long, value_name = "NAME")]
    operator_tsa: Vec<String>,

    /// The trusted root
    #[arg(long, value_name = "FILE", default_value = "trusted_root.json")]
    out: PathBuf,
}

impl Init {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        if self.ca.is_empty() && self.tsa.is_empty() {
            return Err(Failure::usage("there is nobody to trust, needed --ca or --tsa")
                .hint("--ca names the PEM file of an authority for signers, --tsa that of one for times"));
        }
        let now = clock::now()?;
        let mut authorities = Vec::new();
        for (kind, files, operators) in [
            (Vouches::Names, &self.ca, &self.operator_ca),
            (Vouches::Times, &self.tsa, &self.operator_tsa),
        ] {
            if !operators.is_empty() && operators.len() != files.len() {
                let (option, most) = (option(kind), files.len());
                return Err(Failure::usage(format!(
                    "--operator-{option} is given {} times and --{option} {most} times",
                    operators.len()
                ))
                .hint("give a name for each, or for none"));
            }
            for (index, file) in files.iter().enumerate() {
                let operator = operators.get(index).map(String::as_str);
                authorities.push(authority(kind, file, operator, &now)?);
            }
        }
        let root = TrustedRoot::of(&authorities).map_err(|error| Failure::of(&error))?;
        let keys = self.keys()?;
        let keys_file = beside(&self.out, TRUSTED_KEYS);
        if !keys.is_empty() && keys_file.exists() {
            return Err(
                Failure::usage(format!("{} is there already", shown(&keys_file)))
                    .hint("add a key to it with `makoto policy allow --key PUB --owner NAME`"),
            );
        }
        write_new(&self.out, format!("{:#}\n", root.to_json()).as_bytes())?;
        if !keys.is_empty() {
            write_new(&keys_file, keys.as_bytes())?;
        }
        self.tell(&root, (!keys.is_empty()).then_some(&keys_file), output);
        Ok(0)
    }

    /// The public keys as one file.
    fn keys(&self) -> Result<String, Failure> {
        let mut whole = String::new();
        for file in &self.key {
            whole.push_str(&public_key(file)?.1);
        }
        if !whole.is_empty() {
            pem::public_keys(whole.as_bytes(), &Limits::DEFAULT)
                .map_err(|error| Failure::usage(format!("--key: {error}")))?;
        }
        Ok(whole)
    }

    fn tell(&self, root: &TrustedRoot, keys: Option<&PathBuf>, output: Output) {
        let kinds = [
            ("ca", root.certificate_authorities()),
            ("tsa", root.timestamp_authorities()),
        ];
        let out = self.out.to_string_lossy();
        if output == Output::Json {
            let list = kinds.iter().flat_map(|(kind, all)| {
                all.iter()
                    .map(|one| Json::from([("kind", (*kind).into()), ("id", one.id().into())]))
            });
            screen::json(&Json::from([
                ("trustedRoot", out.as_ref().into()),
                (
                    "trustedKeys",
                    keys.map(|keys| keys.to_string_lossy().into_owned()).into(),
                ),
                ("authorities", list.collect()),
            ]));
            return;
        }
        screen::result(format!("{}: trusted root", Plain(&out)));
        for (kind, all) in kinds {
            for authority in all {
                let end = authority.valid_for.as_ref().and_then(|it| it.end.as_ref());
                let end = end.map_or_else(String::new, |end| format!(", until {end}"));
                let anchor = authority.chain().map(|(_, anchor)| anchor.digest());
                let anchor = anchor.map_or_else(String::new, |it| format!(", anchor sha256:{it}"));
                screen::result(format!(
                    "  {kind:<4} {:?}{end}{anchor}",
                    Plain(authority.id()).to_string()
                ));
            }
        }
        if let Some(keys) = keys {
            screen::result(format!("{}: {} key(s)", shown(keys), self.key.len()));
        }
        screen::note(format!(
            "next: makoto policy init --trusted-root {}",
            Plain(&out)
        ));
    }
}

/// The id of the one public key in a PEM file, and the block alone.
pub(crate) fn public_key(file: &Path) -> Result<(String, String), Failure> {
    let bytes = read(file, Limits::DEFAULT.pem_bytes)?;
    let keys = pem::public_keys(&bytes, &Limits::DEFAULT);
    let keys = keys.map_err(|error| wrong_pem(file, &error))?;
    let [key] = &keys[..] else {
        return Err(Failure::usage(format!(
            "{} has {} keys, needed one",
            shown(file),
            keys.len()
        ))
        .hint("name a file for each"));
    };
    Ok((key.key_id(), pem::to_pem("PUBLIC KEY", key.to_spki_der())))
}

fn authority(
    kind: Vouches,
    file: &Path,
    operator: Option<&str>,
    now: &DateTime,
) -> Result<NewAuthority, Failure> {
    let bytes = read(file, Limits::DEFAULT.pem_bytes)?;
    let chain = pem::certificates(&bytes, &Limits::DEFAULT);
    let chain = chain.map_err(|error| wrong_pem(file, &error))?;
    NewAuthority::new(kind, chain, operator, now).map_err(|error| {
        let hint = match &error {
            AuthorityError::Leaf(_) => {
                "a signer is not trusted here: give the certificate of its authority, and allow the signer with `makoto policy allow`"
            }
            AuthorityError::NoAnchor(_) => "put the certificates of its issuers after it",
            AuthorityError::NotForTimestamps(_) => "give the chain of a timestamp authority",
            AuthorityError::Order { .. } => {
                "put the certificates in order, from the lowest to the trust anchor, one chain in a file"
            }
            AuthorityError::Expired { .. } => "ask the authority for its current certificates",
            AuthorityError::NotYet { .. } => "check the clock, or wait",
            AuthorityError::Nameless(_) => match kind {
                Vouches::Names => "say what rules shall call it with --operator-ca",
                Vouches::Times => "say what it is called with --operator-tsa",
            },
            AuthorityError::Key(_) => "ask the authority for a certificate of another key",
            AuthorityError::Count(_) => "give one authority in a file",
        };
        Failure::usage(format!("{}: {error}", shown(file))).hint(hint)
    })
}

fn option(kind: Vouches) -> &'static str {
    match kind {
        Vouches::Names => "ca",
        Vouches::Times => "tsa",
    }
}

fn wrong_pem(file: &Path, error: &PemError) -> Failure {
    let failure = Failure::usage(format!("{} {error}", shown(file)));
    match error {
        PemError::PrivateKey(_) => failure.hint(
            "keep that file to yourself; `openssl pkey -in KEY -pubout` gives the public key of it",
        ),
        _ => failure.hint("needed PEM, as openssl writes it"),
    }
}
