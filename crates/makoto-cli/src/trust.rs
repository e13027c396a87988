//! A policy with the files that it names.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use makoto::datetime::DateTime;
use makoto::digest::Digest;
use makoto::key::PublicKey;
use makoto::key_set::KeySet;
use makoto::limits::Limits;
use makoto::pem;
use makoto::policy::{KeySetReference, Policy, Rule, SignerRule};
use makoto::problem::Problem;
use makoto::report::Level;
use makoto::toml::Document;
use makoto::trusted_root::{Authority, TrustedRoot};
use makoto_data::{KeySetMemory, NewFile, read_limited};

use crate::doubt;
use crate::failure::Failure;
use crate::policy_files::PolicyFiles;
use crate::screen::{self, Plain};

/// A policy with its trusted root and keys, and everything that is wrong with them.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    pub(crate) policy: Policy,
    pub(crate) root: Option<TrustedRoot>,
    /// SHA-256 of the trusted root's bytes.
    root_digest: Option<Digest>,
    pub(crate) keys: Vec<PublicKey>,
    /// What makes it unusable.
    pub(crate) problems: Vec<Problem>,
    /// What is surely not meant.
    pub(crate) warnings: Vec<Problem>,
}

/// The bytes of a file that a person named.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    read_limited(path, most)?.ok_or_else(|| {
        Failure::usage(format!("{} is not there", shown(path)))
            .hint("check the path; it is taken from the folder you are in")
    })
}

/// Writes a file that is not there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = NewFile::at(path)?;
        file.file().write_all(bytes)?;
        file.keep_new_by_umask()
    };
    write().map_err(|error: std::io::Error| {
        let failure = Failure::usage(format!("cannot write {}: {error}", shown(path)));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => failure.hint(
                "what is trusted is not overwritten: name another file with --out, or move that one away",
            ),
            _ => failure,
        }
    })
}

/// A path for a message.
pub(crate) fn shown(path: &Path) -> String {
    Plain(&path.to_string_lossy()).to_string()
}

/// The path of a file that a policy names.
pub(crate) fn beside(policy: &Path, file: &str) -> PathBuf {
    policy.parent().unwrap_or(Path::new("")).join(file)
}

/// Reads a policy with everything that it names, to judge by.
pub(crate) fn to_judge_by(
    files: PolicyFiles<'_>,
    now: &DateTime,
) -> Result<makoto::verify::Trust, Failure> {
    let (bytes, policy) = read_policy(files)?;
    let text = String::from_utf8_lossy(&bytes);
    let trust = Trust::load(files, policy, &text, now);
    if !trust.problems.is_empty() {
        return Err(unusable(files, &trust.problems));
    }
    let key_sets = trust.policy.key_sets().iter();
    let key_sets = key_sets
        .map(|reference| read_key_set(files, reference, &trust.keys, now, Accepted::Remember));
    let key_sets = key_sets.collect::<Result<_, Failure>>();
    let key_sets = key_sets.map_err(|failure| match trust.root_digest {
        Some(root) => failure.judged_by(trust.policy.digest(), root),
        None => failure,
    })?;
    trust.complete(files, key_sets)
}

/// Reads a policy alone.
pub(crate) fn read_policy(files: PolicyFiles<'_>) -> Result<(Vec<u8>, Policy), Failure> {
    let bytes = files.policy()?;
    match Policy::read(&bytes, &Limits::DEFAULT) {
        Ok(policy) => Ok((bytes, policy)),
        Err(problems) => Err(unusable(files, &problems)),
    }
}

/// What happens with a key set that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// An older one is refused from then on.
    Remember,
    /// Nothing: it was only looked at.
    Forget,
}

/// Reads and verifies a key set that a policy names.
fn read_key_set(
    files: PolicyFiles<'_>,
    reference: &KeySetReference,
    keys: &[PublicKey],
    now: &DateTime,
    then: Accepted,
) -> Result<(String, KeySet), Failure> {
    let pinned = keys.iter().find(|key| *key.id() == reference.key);
    let pinned = pinned.ok_or_else(|| {
        Failure::usage(format!(
            "key set {:?} is pinned to sha256:{}, which is not among the trusted keys",
            Plain(&reference.name).to_string(),
            reference.key
        ))
        .hint("add the owner's public key to the file that trusted-keys names")
    })?;
    let bytes = files.read(&reference.file, Limits::DEFAULT.document_bytes)?;
    let memory = memory();
    let remembered = match &memory {
        Some(memory) => memory.recall(pinned.id()).map_err(|error| {
            let kept = shown(&memory.path_of(pinned.id()));
            Failure::of(&error).hint(format!(
                "look why, and remove {kept} if the key set is surely the newest"
            ))
        })?,
        None => None,
    };
    let set = KeySet::verify(&bytes, pinned, remembered.as_ref(), reference.at_least, now);
    let set = set.map_err(|error| {
        let message = Failure::of(&error).message;
        Failure::contradiction(message)
            .requirement("L2.P.4")
            .about(&files.shown(&reference.file))
            .hint("get the key set anew from its owner, and ask why if it is older than the one that you had")
    })?;
    let accepted = set.to_remembered();
    if then == Accepted::Remember && remembered.as_ref() != Some(&accepted) {
        remember(memory.as_ref(), pinned, &set);
    }
    Ok((reference.name.clone(), set))
}

/// Where key sets that were accepted are remembered: below `$XDG_STATE_HOME`, or
/// `~/.local/state`. Nowhere without a home.
fn memory() -> Option<KeySetMemory> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(KeySetMemory::at(state?.join("makoto/keysets")))
}

/// Remembers a set under the pinned key and under the one that it names, so that moving the pin
/// loses nothing. That it could not be is told, and stops nothing: at-least in the policy guards
/// as well.
fn remember(memory: Option<&KeySetMemory>, pinned: &PublicKey, set: &KeySet) {
    let accepted = set.to_remembered();
    let Some(memory) = memory else {
        screen::note(
            "note: there is no home to remember the key set in; at-least in the policy guards against older ones",
        );
        return;
    };
    for key in [pinned.id(), set.owner_key().id()] {
        if let Err(error) = memory.remember(key, &accepted) {
            let why = error.to_string();
            screen::note(format!(
                "note: the key set is not remembered: {}; at-least in the policy guards against older ones",
                Plain(&why)
            ));
            return;
        }
    }
}

/// A policy that is not used, with what is wrong with it.
fn unusable(files: PolicyFiles<'_>, problems: &[Problem]) -> Failure {
    const SHOWN: usize = 5;
    let told = problems
        .iter()
        .take(SHOWN)
        .map(|problem| match problem.line {
            Some(line) => format!("line {line}: {}", problem.message),
            None => problem.message.clone(),
        });
    let told: Vec<_> = told.collect();
    let more = match problems.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let policy = files.shown_policy();
    Failure::usage(format!("{policy}: {}{more}", told.join("; ")))
        .hint(files.hint())
        .requirement("L2.V.4")
}

impl Trust {
    /// Takes a policy with the files that it names. What is wrong with them is told with the line
    /// of the policy.
    pub(crate) fn load(files: PolicyFiles<'_>, policy: Policy, text: &str, now: &DateTime) -> Self {
        let mut trust = Self {
            root: None,
            root_digest: None,
            keys: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            policy,
        };
        let line = |key: &str| {
            let starts = |line: &str| line.trim_start().starts_with(key);
            text.lines().position(starts).map(|index| index + 1)
        };
        if let Some(file) = trust.policy.trusted_root() {
            match read_root(files, file) {
                Ok((root, digest)) => {
                    trust.root = Some(root);
                    trust.root_digest = Some(digest);
                }
                Err(message) => trust.problem(line("trusted-root"), message),
            }
        }
        if let Some(file) = trust.policy.trusted_keys() {
            match read_keys(files, file) {
                Ok(keys) => trust.keys = keys,
                Err(message) => trust.problem(line("trusted-keys"), message),
            }
        }
        trust.check_keys(files, line("trusted-keys"));
        trust.check_authorities(now, line("trusted-root"));
        trust
    }

    /// Reads the key sets as `verify` does, and looks whether it could start with all of it. What
    /// is wrong becomes a problem. Remembers nothing.
    pub(crate) fn rehearse(&mut self, files: PolicyFiles<'_>, bytes: &[u8], now: &DateTime) {
        let document = Document::parse(bytes, &Limits::DEFAULT).ok();
        let mut key_sets = Vec::new();
        for (index, reference) in self.policy.key_sets().to_vec().iter().enumerate() {
            let is_named = self.keys.iter().any(|key| *key.id() == reference.key);
            if !is_named || !files.has(&reference.file) {
                // That is a problem already.
                continue;
            }
            let line = document.as_ref();
            let line = line.map(|all| all.line_of(&format!("keysets[{index}]")));
            match read_key_set(files, reference, &self.keys, now, Accepted::Forget) {
                Ok(set) => key_sets.push(set),
                Err(failure) => self.problem(line, failure.message),
            }
        }
        self.warnings
            .extend(doubt::about(&self.policy, bytes, &key_sets));
        if self.problems.is_empty()
            && let Err(failure) = self.clone().complete(files, key_sets)
        {
            self.problem(None, failure.message);
        }
    }

    /// What the verifier judges by.
    fn complete(
        self,
        files: PolicyFiles<'_>,
        key_sets: Vec<(String, KeySet)>,
    ) -> Result<makoto::verify::Trust, Failure> {
        let (Some(root), Some(digest)) = (self.root, self.root_digest) else {
            return Err(
                Failure::usage(format!("{} names no trusted-root", files.shown_policy()))
                    .hint("write one with `makoto trust init`, and name it there"),
            );
        };
        makoto::verify::Trust::new(self.policy, root, digest, self.keys, key_sets)
            .map_err(|error| Failure::of(&error).about(&files.shown_policy()))
    }

    fn problem(&mut self, line: Option<usize>, message: impl Into<String>) {
        let message = message.into();
        self.problems.push(Problem { line, message });
    }

    fn warn(&mut self, line: Option<usize>, message: impl Into<String>) {
        let message = message.into();
        self.warnings.push(Problem { line, message });
    }

    fn check_keys(&mut self, files: PolicyFiles<'_>, line: Option<usize>) {
        let has = |id| self.keys.iter().any(|key| *key.id() == id);
        // Whether a set publishes it is known once sets are read, and `Trust` asks for it.
        let may_be_published = !self.policy.key_sets().is_empty();
        let mut problems = Vec::new();
        let mut named = Vec::new();
        for rule in self.policy.rules() {
            for signer in rule.signers() {
                if let SignerRule::Key(key) = signer {
                    named.push(key.id());
                    if !has(key.id()) && !may_be_published {
                        let message = format!(
                            "{signer} is not among the trusted keys: add its PEM with `makoto policy allow --key PUB`"
                        );
                        problems.push((Some(rule.line()), message));
                    }
                }
            }
        }
        for set in self.policy.key_sets() {
            named.push(set.key);
            if !has(set.key) {
                let message = format!(
                    "key sha256:{} of the key set {:?} is not among the trusted keys",
                    set.key, set.name
                );
                problems.push((line, message));
            }
            if !files.has(&set.file) {
                let message = format!(
                    "{} of the key set {:?} is not there",
                    files.shown(&set.file),
                    set.name
                );
                problems.push((line, message));
            }
        }
        let idle: Vec<_> = self
            .keys
            .iter()
            .filter(|key| !named.contains(key.id()))
            .map(|key| format!("key {} decides nothing: no rule names it", key.key_id()))
            .collect();
        for (line, message) in problems {
            self.problem(line, message);
        }
        for message in idle {
            self.warn(line, message);
        }
    }

    fn check_authorities(&mut self, now: &DateTime, line: Option<usize>) {
        if self.policy.rules().is_empty() {
            self.warn(None, "has no [[dataset]], so nothing is trusted: add a signer with `makoto policy allow`");
        }
        let Some(root) = self.root.clone() else {
            return;
        };
        let all = root.certificate_authorities().iter();
        for authority in all.chain(root.timestamp_authorities()) {
            if let Some(end) = ended(authority, now) {
                let message = format!(
                    "authority {:?} is trusted until {end} only: what was signed later is not",
                    authority.id()
                );
                self.warn(line, message);
            }
        }
        let cas = distinct(root.certificate_authorities());
        let marked: Vec<_> = cas
            .iter()
            .filter(|ca| self.policy.is_short_lived(ca))
            .collect();
        let by_certificate = self
            .policy
            .rules()
            .iter()
            .find(|rule| rule.certificate_time());
        if let Some(rule) = by_certificate
            && marked.is_empty()
        {
            let message = format!(
                "certificate-time does nothing: no authority of the trusted root is in short-lived, which could list {}",
                listed(&cas)
            );
            self.warn(Some(rule.line()), message);
        }
        for unknown in self
            .policy
            .short_lived()
            .iter()
            .filter(|one| !cas.contains(&one.as_str()))
        {
            let message = format!(
                "short-lived names {unknown:?}, and no certificate authority of the trusted root has that id, needed one of {}",
                listed(&cas)
            );
            self.problems.push(Problem { line, message });
        }
        let rules: Vec<Rule> = self.policy.rules().to_vec();
        for rule in &rules {
            self.check_rule(rule, &root);
        }
    }

    fn check_rule(&mut self, rule: &Rule, root: &TrustedRoot) {
        let at = Some(rule.line());
        let name = rule.name().as_str();
        let cas = distinct(root.certificate_authorities());
        for signer in rule.signers() {
            let SignerRule::Certificate(certificate) = signer else {
                continue;
            };
            match certificate.authority() {
                Some(ca) if !cas.contains(&ca) => {
                    let message = format!(
                        "no certificate authority of the trusted root has the id {ca:?}, needed one of {}",
                        listed(&cas)
                    );
                    self.problem(at, message);
                }
                None if cas.len() > 1 => {
                    let message = format!(
                        "{signer}: any of {} can say so; add ca = \"…\" for the one that should",
                        listed(&cas)
                    );
                    self.warn(at, message);
                }
                None if cas.is_empty() => {
                    self.problem(
                        at,
                        format!("{signer}: the trusted root has no certificate authority"),
                    );
                }
                _ => {}
            }
        }
        if rule.require() >= Level::L2 {
            if rule.signers().is_empty() {
                self.warn(at, format!("nobody may sign {name:?}, so nothing passes: add a signer with `makoto policy allow`"));
            }
            let tsas = distinct(root.timestamp_authorities());
            if rule.tsa_threshold() > 1 && rule.certificate_time() {
                let message = format!(
                    "certificate-time does nothing for {name:?}: a certificate is no second timestamp authority, and tsa-threshold is {}",
                    rule.tsa_threshold()
                );
                self.warn(at, message);
            }
            let may_be_certificate = rule.certificate_time() && rule.tsa_threshold() == 1;
            if tsas.len() < rule.tsa_threshold() && !may_be_certificate {
                let message = format!(
                    "nothing can pass {name:?}: it needs the time of {} timestamp authorities, and the trusted root has {}",
                    rule.tsa_threshold(),
                    tsas.len()
                );
                self.warn(at, message);
            }
        }
    }
}

fn read_root(files: PolicyFiles<'_>, name: &str) -> Result<(TrustedRoot, Digest), String> {
    let bytes = files.read(name, Limits::DEFAULT.document_bytes);
    let bytes = bytes.map_err(|failure| failure.message)?;
    TrustedRoot::from_json(&bytes)
        .map(|root| (root, Digest::of(&bytes)))
        .map_err(|error| format!("{}: {}", files.shown(name), Failure::of(&error).message))
}

fn read_keys(files: PolicyFiles<'_>, name: &str) -> Result<Vec<PublicKey>, String> {
    let bytes = files.read(name, Limits::DEFAULT.pem_bytes);
    let bytes = bytes.map_err(|failure| failure.message)?;
    pem::public_keys(&bytes, &Limits::DEFAULT)
        .map_err(|error| format!("{} {error}", files.shown(name)))
}

fn ended<'a>(authority: &'a Authority, now: &DateTime) -> Option<&'a DateTime> {
    let end = authority.valid_for.as_ref()?.end.as_ref()?;
    (end < now).then_some(end)
}

/// Ids of authorities, each once.
fn distinct(authorities: &[Authority]) -> Vec<&str> {
    let mut ids: Vec<_> = authorities.iter().map(Authority::id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn listed(ids: &[&str]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("{id:?}")).collect();
    match ids.is_empty() {
        true => "none that it has".to_owned(),
        false => ids.join(", "),
    }
}
