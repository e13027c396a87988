use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::attestation::Attestation;
use makoto::certificate::Certificate;
use makoto::envelope::{Envelope, Signature};
use makoto::identity::Identity;
use makoto::json::Json;
use makoto::key::PublicKey;
use makoto::limits::Limits;
use makoto::pem;
use makoto::policy::{Policy, Rule, Signer};
use makoto::trusted_root::{Authority, TrustedRoot};
use makoto_data::{NewFile, attestation_path, lock_folder, read_limited};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::Output;
use super::allow_key_set::{KeySetArgs, NewKeySet};
use super::trust::{TRUSTED_KEYS, public_key};
use crate::defaults::located;
use crate::failure::Failure;
use crate::screen::{self, Plain};
use crate::trust::{beside, read, shown, write_new};

/// Let a signer sign the data of a name
///
/// Adds the signer to the rule of that name, or makes the rule, and keeps comments and everything
/// else in the file. --from takes the signer from an attestation: what it claims is shown, its
/// signature is checked with the certificate that it names, and you are asked. Whether the signer
/// is who it says, nobody can tell from the attestation alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto policy allow --name 'dataset:sales_*' --uri 'https://acme.example/collectors/*' \\
      --ca acme-workloads
  makoto policy allow --name 'dataset:partner' --key partner.pub --owner partner
  makoto policy allow --name 'dataset:sales_*' --keyset acme --keyset-file keys.json \\
      --keyset-key owner.pub
  makoto policy allow --name 'dataset:sales_*' --from sales.csv.attestation")]
pub(crate) struct Allow {
    /// The policy
    #[arg(long, value_name = "FILE", default_value = "policy.toml")]
    policy: PathBuf,

    /// Pattern of dataset names, as it stands in the policy
    #[arg(long, value_name = "PATTERN")]
    name: String,

    /// URI in the signer's certificate; * is one segment of the path, ** any number
    #[arg(long, value_name = "PATTERN", group = "signer")]
    uri: Option<String>,

    /// E-mail address in the signer's certificate; *@example.com is everybody of a domain
    #[arg(long, value_name = "PATTERN", group = "signer")]
    email: Option<String>,

    /// DNS name in the signer's certificate; * is one label
    #[arg(long, value_name = "PATTERN", group = "signer")]
    dns: Option<String>,

    /// Public key of the signer
    #[arg(long, value_name = "PUB", group = "signer", requires = "owner")]
    key: Option<PathBuf>,

    #[command(flatten)]
    set: KeySetArgs,

    /// Id of the authority in the trusted root that must vouch for the name
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    ca: Option<String>,

    /// Issuer of the token that the certificate must have been given for
    #[arg(long, value_name = "URL", conflicts_with = "key")]
    oidc_issuer: Option<String>,

    /// Whose key it is
    #[arg(long, value_name = "NAME", requires = "key")]
    owner: Option<String>,

    /// Attestation that the signer signed
    #[arg(long, value_name = "BUNDLE")]
    from: Option<PathBuf>,

    /// Do not ask
    #[arg(long, requires = "from")]
    yes: bool,
}

/// A signer as the policy is to say it.
struct Entry {
    keys: Vec<(&'static str, String)>,
    /// The PEM block of a key, with its id.
    pem: Option<(String, String)>,
    /// A key set to be put into the policy.
    set: Option<NewKeySet>,
}

impl Allow {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let read_policy = || read(&self.policy, Limits::DEFAULT.toml_bytes);
        let policy = self.understood(&read_policy()?)?;
        self.set.refuse_unknown(&policy)?;
        let entry = match &self.from {
            Some(bundle) => self.signer_of(bundle, &policy)?,
            None => self.typed()?,
        };
        // Nobody waits for the answer of a person: the file is read again in its own turn.
        let _turns = self.take_turns(&policy)?;
        let bytes = read_policy()?;
        let policy = self.understood(&bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut document: DocumentMut = text
            .parse()
            .map_err(|_| Failure::usage(format!("{} is not TOML", shown(&self.policy))))?;
        let put = match &entry.set {
            Some(set) => set.add(&policy, &mut document)?,
            None => false,
        };
        if let Some((_, block)) = &entry.pem {
            self.keep_key(&entry, block, &policy, &mut document)?;
        }
        let added = self.add(&mut document, &entry)?;
        if put || added {
            let changed = document.to_string();
            let policy = self.understood(changed.as_bytes());
            let policy = policy.map_err(|failure| {
                failure.hint("nothing was written; give what is named above in another form")
            })?;
            self.refuse_unknown_authority(&policy)?;
            self.write(&self.policy, changed.as_bytes())?;
        }
        self.tell(&entry, added, output);
        Ok(0)
    }

    /// Waits for the turn to change the policy, and the keys that lie elsewhere. Everybody takes
    /// turns in the same order, so that no two wait for each other.
    fn take_turns(&self, policy: &Policy) -> Result<Vec<File>, Failure> {
        let keys = beside(&self.policy, policy.trusted_keys().unwrap_or(TRUSTED_KEYS));
        let folder = |path: &Path| {
            std::path::absolute(path)
                .ok()?
                .parent()?
                .canonicalize()
                .ok()
        };
        let mut files = vec![(folder(&self.policy), &self.policy), (folder(&keys), &keys)];
        files.sort();
        files.dedup_by(|one, other| one.0 == other.0);
        let turns = files.iter().map(|(_, file)| lock_folder(file));
        Ok(turns.collect::<Result<_, _>>()?)
    }

    /// The policy, which must be right before and after.
    fn understood(&self, bytes: &[u8]) -> Result<Policy, Failure> {
        Policy::read(bytes, &Limits::DEFAULT).map_err(|problems| {
            let told: Vec<_> = problems
                .iter()
                .take(5)
                .map(|problem| located(&self.policy, problem))
                .collect();
            Failure::usage(told.join("; ")).hint(format!(
                "nothing was written; `makoto policy check {}` tells all",
                shown(&self.policy)
            ))
        })
    }

    fn typed(&self) -> Result<Entry, Failure> {
        if let (Some(file), Some(owner)) = (&self.key, &self.owner) {
            let (id, block) = public_key(file)?;
            return Ok(Entry {
                keys: vec![("key", id.clone()), ("owner", owner.clone())],
                pem: Some((id, block)),
                set: None,
            });
        }
        if let Some(name) = &self.set.keyset {
            let set = self.set.read(&self.policy)?;
            return Ok(Entry {
                keys: vec![("keyset", name.clone())],
                pem: set.as_ref().map(|set| set.pem.clone()),
                set,
            });
        }
        let Some(name) = self.typed_name() else {
            return Err(Failure::usage("nobody is named")
                .hint("needed one of --uri, --email, --dns (each with --ca or --oidc-issuer), --key, --keyset and --from"));
        };
        if self.ca.is_none() && self.oidc_issuer.is_none() {
            return Err(Failure::usage(format!(
                "--{} alone says not who vouches for the name",
                name.0
            ))
            .hint(
                "add --ca ID, the id of an authority in the trusted root, or --oidc-issuer URL",
            ));
        }
        let mut keys = vec![name];
        for (key, value) in [("ca", &self.ca), ("oidc-issuer", &self.oidc_issuer)] {
            keys.extend(value.clone().map(|value| (key, value)));
        }
        Ok(Entry {
            keys,
            pem: None,
            set: None,
        })
    }

    /// The name in a certificate that was typed.
    fn typed_name(&self) -> Option<(&'static str, String)> {
        let names = [
            ("uri", &self.uri),
            ("email", &self.email),
            ("dns", &self.dns),
        ];
        let mut names = names.into_iter();
        names.find_map(|(key, name)| Some((key, name.clone()?)))
    }

    /// Refuses an authority that the trusted root does not have: nobody could be meant.
    fn refuse_unknown_authority(&self, policy: &Policy) -> Result<(), Failure> {
        let (Some(ca), Some(root)) = (&self.ca, policy.trusted_root()) else {
            return Ok(());
        };
        let file = beside(&self.policy, root);
        let root = read(&file, Limits::DEFAULT.document_bytes)?;
        let root = TrustedRoot::from_json(&root).map_err(|error| Failure::of(&error))?;
        let ids = root.certificate_authorities().iter().map(Authority::id);
        let ids: Vec<_> = ids.collect();
        if ids.contains(&ca.as_str()) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "no certificate authority in {} has the id {ca:?}",
            shown(&file)
        ))
        .hint(format!("it has {ids:?}; nothing was written")))
    }

    /// The signer that a bundle names, if its signature holds and the person agrees.
    fn signer_of(&self, bundle: &Path, policy: &Policy) -> Result<Entry, Failure> {
        let no_attestation = |failure: Failure| match attestation_path(bundle) {
            Ok(beside) if beside.is_file() => failure.hint(format!(
                "this is data; its attestation lies beside it: --from {}",
                shown(&beside)
            )),
            _ => failure.hint("name the attestation that the signer signed, DATA.attestation"),
        };
        let bytes = read(bundle, Limits::DEFAULT.sidecar_bytes).map_err(no_attestation)?;
        let refuse = |why: &str| Failure::contradiction(format!("{}: {why}", shown(bundle)));
        let documents = Attestation::documents(&bytes);
        let documents = documents.map_err(|error| Failure::of(&error).about(&shown(bundle)));
        let documents = documents.map_err(no_attestation)?;
        let [(document, attestation)] = &documents[..] else {
            return Err(refuse("holds several attestations")
                .hint("name a file with the one whose signer is meant"));
        };
        let value = Json::parse(document, &Limits::DEFAULT).map_err(|error| Failure::of(&error))?;
        let envelope = Envelope::find(&value)
            .transpose()
            .map_err(|error| Failure::of(&error))?;
        let Some(envelope) = envelope else {
            return Err(refuse("is not signed").hint("ask the producer to sign it"));
        };
        let [signature] = &envelope.unverified_signatures[..] else {
            return Err(refuse("has not exactly one signature")
                .hint("name the signer with --uri, --email, --dns or --key"));
        };
        let (entry, claims) = match (signature.certificates.first(), &self.key) {
            (_, Some(_)) => {
                let entry = self.typed()?;
                let claims = "the signature holds for the key that you gave".to_owned();
                (entry, claims)
            }
            (Some(leaf), None) => self.certified(bundle, leaf, signature, policy)?,
            (None, None) => {
                return Err(refuse("names a bare key and does not hold it")
                    .hint("get the public key from its owner, then add --key PUB --owner NAME"));
            }
        };
        let key = match (&entry.pem, signature.certificates.first()) {
            (Some((_, block)), _) => PublicKey::from_spki_pem(block.as_bytes()),
            (None, leaf) => {
                let leaf = Certificate::from_der(leaf.map_or(&[][..], Vec::as_slice));
                let leaf = leaf.map_err(|error| Failure::of(&error))?;
                PublicKey::from_spki_der(&leaf.spki())
            }
        };
        let keys = [key.map_err(|error| refuse(&error.to_string()))?];
        for checked in envelope.check_signatures(&keys) {
            checked.map_err(|error| {
                refuse(&error.to_string()).hint("nothing was written: this signer did not sign it")
            })?;
        }
        screen::note(format!(
            "{} claims, and nobody has verified:",
            shown(bundle)
        ));
        let subjects = attestation
            .statement
            .get("subject")
            .and_then(Json::as_array);
        for subject in subjects.unwrap_or_default().iter().take(4) {
            let name = subject.get("name").and_then(Json::as_str);
            screen::note(format!("  dataset  {}", Plain(name.unwrap_or("no name"))));
        }
        screen::note(format!("  signer   {}", Plain(&claims)));
        self.agreed(&entry)?;
        Ok(entry)
    }

    /// The signer that a certificate names, with the authority that vouches for it.
    fn certified(
        &self,
        bundle: &Path,
        leaf: &[u8],
        signature: &Signature,
        policy: &Policy,
    ) -> Result<(Entry, String), Failure> {
        let refuse = |why: String| Failure::contradiction(format!("{}: {why}", shown(bundle)));
        let certificate = Certificate::from_der(leaf).map_err(|error| Failure::of(&error))?;
        let root = policy.trusted_root().ok_or_else(|| {
            refuse("the policy names no trusted root, so nobody vouches for its signer".to_owned())
                .hint("make one with `makoto trust init`, and name it as trusted-root")
        })?;
        let root = beside(&self.policy, root);
        let root = read(&root, Limits::DEFAULT.document_bytes)?;
        let root = TrustedRoot::from_json(&root).map_err(|error| Failure::of(&error))?;
        let along: Vec<_> = signature
            .certificates
            .iter()
            .skip(1)
            .map(Vec::as_slice)
            .collect();
        // Says which authority it is, not that it was valid when it signed: `verify` will.
        let identity = Identity::verify(leaf, &along, &root, certificate.not_before());
        let identity = identity.map_err(|error| {
            refuse(Failure::of(&error).message)
                .hint("if its authority is to be trusted, make a trusted root with it: `makoto trust init --ca PEM`")
        })?;
        let names = [
            ("uri", identity.uris()),
            ("email", identity.emails()),
            ("dns", identity.dns_names()),
        ];
        let names = names.iter().flat_map(|(key, names)| {
            let of_kind = move |name: &String| (*key, name.clone());
            names.iter().map(of_kind)
        });
        let names: Vec<_> = names.collect();
        let told: Vec<_> = names
            .iter()
            .map(|(key, name)| format!("{key} {name:?}"))
            .collect();
        let told = told.join(", ");
        let name = match (self.typed_name(), &names[..]) {
            (Some(typed), _) => typed,
            (None, [name]) => name.clone(),
            (None, []) => return Err(refuse("its certificate has no name".to_owned())),
            (None, _) => {
                return Err(refuse(format!("its certificate has several names: {told}"))
                    .hint("say which one is meant with --uri, --email or --dns"));
            }
        };
        let claims = format!(
            "{told}, certified by {:?} (its own validity {} to {})",
            identity.authority(),
            identity.not_before(),
            identity.not_after()
        );
        let ca = self.ca.as_deref().unwrap_or(identity.authority());
        let mut keys = vec![name, ("ca", ca.to_owned())];
        let issuer = self.oidc_issuer.iter().cloned();
        keys.extend(issuer.map(|issuer| ("oidc-issuer", issuer)));
        let entry = Entry {
            keys,
            pem: None,
            set: None,
        };
        entry.refuse_other(&identity).map_err(|why| {
            refuse(why).hint("nothing was written: this signer would not be the one that you name")
        })?;
        Ok((entry, claims))
    }

    fn agreed(&self, entry: &Entry) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let declined = || {
            Failure::usage("nobody was added")
                .hint("add --yes once you know that the signer is who it says")
        };
        if !std::io::stdin().is_terminal() {
            return Err(declined());
        }
        let question = format!("let {} sign {:?}? [y/N] ", entry.told(), self.name);
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{}", Plain(&question)).and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(declined()),
        }
    }

    /// Puts the key among the trusted ones. Until a rule names it, it decides nothing.
    fn keep_key(
        &self,
        entry: &Entry,
        block: &str,
        policy: &Policy,
        document: &mut DocumentMut,
    ) -> Result<(), Failure> {
        let name = policy.trusted_keys().unwrap_or(TRUSTED_KEYS);
        let file = beside(&self.policy, name);
        match read_limited(&file, Limits::DEFAULT.pem_bytes)? {
            None => write_new(&file, block.as_bytes())?,
            Some(there) => {
                let keys = pem::public_keys(&there, &Limits::DEFAULT);
                let keys = keys.map_err(|error| {
                    Failure::usage(format!("{} {error}", shown(&file)))
                        .hint("mend that file first; nothing was written")
                })?;
                let id = entry.pem.as_ref().map(|(id, _)| id.as_str());
                if !keys.iter().any(|key| Some(key.key_id().as_str()) == id) {
                    let mut bytes = there;
                    if !bytes.ends_with(b"\n") {
                        bytes.push(b'\n');
                    }
                    bytes.extend(block.as_bytes());
                    self.write(&file, &bytes)?;
                }
            }
        }
        if policy.trusted_keys().is_none() {
            document.insert("trusted-keys", toml_edit::value(TRUSTED_KEYS));
        }
        Ok(())
    }

    /// Adds the signer to the rule of the name. Returns false when it is there already.
    fn add(&self, document: &mut DocumentMut, entry: &Entry) -> Result<bool, Failure> {
        let by_hand = |what: &str| {
            Failure::usage(format!(
                "{} has {what} in a form that is not edited",
                shown(&self.policy)
            ))
            .hint(format!("add {} by hand", entry.to_toml()))
        };
        let is_named = |table: &Table| table.get("name").and_then(Item::as_str) == Some(&self.name);
        let there = document.get("dataset").and_then(Item::as_array_of_tables);
        let named = there.and_then(|rules| rules.iter().position(is_named));
        let new = named.is_none().then(|| new_section(document));
        let rules = document
            .entry("dataset")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        let rules = rules
            .as_array_of_tables_mut()
            .ok_or_else(|| by_hand("dataset"))?;
        if let Some(mut rule) = new {
            rule.insert("name", toml_edit::value(&self.name));
            rule.insert("require", toml_edit::value("L2"));
            rules.push(rule);
        }
        let index = named.unwrap_or(rules.len() - 1);
        let rule = rules.get_mut(index).ok_or_else(|| by_hand("dataset"))?;
        let signers = rule
            .entry("signers")
            .or_insert(toml_edit::value(Array::new()));
        if let Some(tables) = signers.as_array_of_tables_mut() {
            if tables
                .iter()
                .any(|one| entry.is(|key| one.get(key)?.as_str(), one.len()))
            {
                return Ok(false);
            }
            let mut table = Table::new();
            for (key, value) in &entry.keys {
                table.insert(key, toml_edit::value(value));
            }
            tables.push(table);
            return Ok(true);
        }
        let signers = signers.as_array_mut().ok_or_else(|| by_hand("signers"))?;
        let is_there = signers.iter().any(|one| {
            let table = one.as_inline_table();
            table.is_some_and(|one| entry.is(|key| one.get(key)?.as_str(), one.len()))
        });
        if is_there {
            return Ok(false);
        }
        let mut value = Value::InlineTable(entry.to_toml());
        value.decor_mut().set_prefix("\n  ");
        signers.push_formatted(value);
        signers.set_trailing("\n");
        signers.set_trailing_comma(true);
        Ok(true)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let write = || {
            let mut new = NewFile::at(file)?;
            new.file().write_all(bytes)?;
            new.keep(file)
        };
        write().map_err(|error: std::io::Error| {
            Failure::usage(format!("cannot write {}: {error}", shown(file)))
        })
    }

    fn tell(&self, entry: &Entry, added: bool, output: Output) {
        if output == Output::Json {
            let signer = entry
                .keys
                .iter()
                .map(|(key, value)| (*key, Json::from(value.as_str())));
            screen::json(&Json::from([
                ("policy", self.policy.to_string_lossy().into_owned().into()),
                ("name", self.name.as_str().into()),
                ("signer", Json::Object(signer.collect())),
                ("added", added.into()),
            ]));
            return;
        }
        let name = Plain(&self.name).to_string();
        let signer = entry.told();
        let signer = Plain(&signer);
        screen::result(match added {
            true => format!("{}: {signer} may sign {name}", shown(&self.policy)),
            false => format!("{}: {signer} may sign {name} already", shown(&self.policy)),
        });
    }
}

/// A section that is to be added. What stands below the last key of a file without sections is
/// about the keys at its top, and stays above the first section.
pub(super) fn new_section(document: &mut DocumentMut) -> Table {
    let is_section = |item: &Item| item.is_table() || item.is_array_of_tables();
    let mut above = String::new();
    if !document.iter().any(|(_, item)| is_section(item)) {
        above.push_str(document.trailing().as_str().unwrap_or_default());
        document.set_trailing("");
    }
    let mut section = Table::new();
    section.decor_mut().set_prefix(format!("{above}\n"));
    section
}

impl Entry {
    fn to_toml(&self) -> InlineTable {
        let mut table = InlineTable::new();
        for (key, value) in &self.keys {
            table.insert(*key, value.as_str().into());
        }
        table
    }

    /// Refuses to say of an identity what is not so: the verifier would not find it.
    fn refuse_other(&self, identity: &Identity) -> Result<(), String> {
        let policy = format!(
            "version = 1\ntrusted-root = \"r\"\n[[dataset]]\nname = \"n\"\nrequire = \"L2\"\nsigners = [{}]\n",
            self.to_toml()
        );
        let policy = Policy::read(policy.as_bytes(), &Limits::DEFAULT);
        let policy = policy.map_err(|problems| {
            let told = problems.into_iter().map(|problem| problem.message);
            told.collect::<Vec<_>>().join("; ")
        })?;
        for signer in policy.rules().iter().flat_map(Rule::signers) {
            if let Err(mismatch) = signer.matches(&Signer::Certificate(identity)) {
                return Err(mismatch.to_string());
            }
        }
        Ok(())
    }

    /// Whether a table of so many keys says this and nothing else.
    fn is<'a>(&self, value: impl Fn(&str) -> Option<&'a str>, keys: usize) -> bool {
        let same = |(key, needed): &(&str, String)| value(key) == Some(needed);
        keys == self.keys.len() && self.keys.iter().all(same)
    }

    fn told(&self) -> String {
        let parts = self
            .keys
            .iter()
            .map(|(key, value)| format!("{key} {value:?}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}
