//! The tables of a policy file.

use super::KeySetReference;
use super::pattern::{
    DnsPattern, EmailPattern, NamePattern, PlacePattern, SourcePattern, UriPattern,
};
use super::rule::LineageRule;
use super::scalar::{Count, FilePath, FormatVersion, Host, KeyId, RequiredLevel, Seconds};
use crate::datetime::DateTime;
use crate::document;
use crate::json::Object;
use crate::problem::refuse_unknown;
use crate::scalar::{StringMap, Text, Uint};
use crate::shape::{At, Findings, NonEmpty, Shape};

document! {
    /// A policy. Keys that a dataset can have as well are the default for all datasets.
    pub(super) struct PolicyFile {
        /// Version of the format, 1.
        required version: FormatVersion = "version",
        /// File with the certificate and timestamp authorities, relative to this one.
        optional trusted_root: FilePath = "trusted-root",
        /// PEM file with the public keys that are named here, relative to this one.
        optional trusted_keys: FilePath = "trusted-keys",
        /// Ids of authorities of the trusted root whose certificates live for minutes.
        optional short_lived: Vec<Text> = "short-lived",
        /// Signed lists of the keys of one owner.
        optional keysets: Vec<KeySetEntry> = "keysets",
        /// Who may sign which data.
        optional dataset: Vec<DatasetEntry> = "dataset",
        /// How many distinct signers are needed; 1 when absent.
        optional signer_threshold: Count = "signer-threshold",
        /// How many distinct operators of timestamp authorities are needed; 1 when absent.
        optional tsa_threshold: Count = "tsa-threshold",
        /// How old data may be; any age when absent.
        optional max_age: Seconds = "max-age",
        /// How far a claimed time may lie after the timestamp; 5m when absent.
        optional clock_skew: Seconds = "clock-skew",
        /// How far the timestamp may lie after the claimed time; 24h when absent.
        optional max_signing_delay: Seconds = "max-signing-delay",
        /// Whether the validity of a certificate of at most 15 minutes counts as time.
        optional certificate_time: bool = "certificate-time",
        /// Whether findings fail.
        optional strict: bool = "strict",
        /// Hosts from which attestations of inputs may be fetched without a digest.
        optional ref_hosts: Vec<Host> = "ref-hosts",
    }
    => only_known_sections, schema closed
}

document! {
    /// Who may sign the data of these names, and what else is needed of it.
    pub(super) struct DatasetEntry {
        /// Names of datasets: * is any run of characters without /, ** any run.
        required name: NamePattern = "name",
        /// Where such data is: paths relative to this file, or URLs.
        optional paths: Vec<PlacePattern> = "paths",
        /// Level that the data must reach.
        required require: RequiredLevel = "require",
        /// What is needed of the history; full from L2 on when absent.
        optional lineage: LineageRule = "lineage",
        /// How many steps back a full history goes; to its origins when absent.
        optional depth: Count = "depth",
        /// Who may sign; nobody when empty. Needed from L2 on.
        optional signers: Vec<SignerEntry> = "signers",
        /// Sources that origins may name; any when absent.
        optional sources: NonEmpty<SourcePattern> = "sources",
        /// How many distinct signers are needed.
        optional signer_threshold: Count = "signer-threshold",
        /// How many distinct operators of timestamp authorities are needed.
        optional tsa_threshold: Count = "tsa-threshold",
        /// How old data may be.
        optional max_age: Seconds = "max-age",
        /// How far a claimed time may lie after the timestamp.
        optional clock_skew: Seconds = "clock-skew",
        /// How far the timestamp may lie after the claimed time.
        optional max_signing_delay: Seconds = "max-signing-delay",
        /// Whether the validity of a certificate of at most 15 minutes counts as time.
        optional certificate_time: bool = "certificate-time",
        /// Whether findings fail.
        optional strict: bool = "strict",
        /// Hosts from which attestations of inputs may be fetched without a digest.
        optional ref_hosts: Vec<Host> = "ref-hosts",
    }
    => only_known_keys, schema closed
}

document! {
    /// Somebody who may sign: a name in a certificate with who vouches for it, a key with its
    /// owner, or any key of a key set.
    pub(super) struct SignerEntry {
        /// URI in the certificate: * is one segment of the path, ** any number of them.
        optional uri: UriPattern = "uri",
        /// E-mail address in the certificate; *@example.com for everybody of a domain.
        optional email: EmailPattern = "email",
        /// DNS name in the certificate: * is one label.
        optional dns: DnsPattern = "dns",
        /// Id of the authority in the trusted root that must vouch for the name.
        optional ca: Text = "ca",
        /// Issuer of the token that the certificate was given for.
        optional oidc_issuer: Text = "oidc-issuer",
        /// Organization that the certificate must name.
        optional org: Text = "org",
        /// Organizational unit that the certificate must name.
        optional ou: Text = "ou",
        /// Text that extensions of the certificate must have, by object identifier.
        optional extensions: StringMap = "extensions",
        /// Id of a public key, whose bytes are in trusted-keys.
        optional key: KeyId = "key",
        /// Whose key it is.
        optional owner: Text = "owner",
        /// First moment at which the key counts.
        optional from: DateTime = "from",
        /// Last moment at which the key counts.
        optional until: DateTime = "until",
        /// Name of a key set.
        optional keyset: Text = "keyset",
    }
    => names_one_signer, schema closed
}

document! {
    /// A signed list of the keys of one owner.
    pub(super) struct KeySetEntry {
        /// Its file, relative to this one.
        required file: FilePath = "file",
        /// What signers call it.
        required name: Text = "name",
        /// Id of the owner's key, whose bytes are in trusted-keys.
        required key: KeyId = "key",
        /// The least version that is accepted.
        optional at_least: Uint = "at-least",
    }
    => only_known_in_key_set, schema closed
}

impl PolicyFile {
    pub(super) fn key_sets(&self) -> Vec<KeySetReference> {
        let reference = |entry: &KeySetEntry| KeySetReference {
            file: entry.file.as_str().to_owned(),
            name: entry.name.as_str().to_owned(),
            key: entry.key.0,
            at_least: entry
                .at_least
                .as_ref()
                .and_then(|least| least.number().as_u64()),
        };
        self.keysets.iter().flatten().map(reference).collect()
    }
}

/// Tells a schema that no other keys are accepted.
fn closed(schema: &mut Object) {
    schema.insert("additionalProperties", false.into());
}

/// Keys of FORMATS §5 that nothing looks at yet. What they ask for would silently not be asked.
const NOT_EVALUATED: [&str; 9] = [
    "witnesses",
    "quorum",
    "platforms",
    "verifiers",
    "genesis",
    "cadence",
    "require-hardware",
    "vsa-max-age",
    "chain",
];

fn refuse<T: Shape>(unknown: &Object, at: &At<'_>, findings: &mut Findings) {
    refuse_unknown::<T>(unknown, at, findings, |key| {
        NOT_EVALUATED
            .contains(&key)
            .then_some("is not evaluated by this version; remove it, or verify with a newer one")
    });
}

fn only_known_sections(file: &PolicyFile, at: &At<'_>, findings: &mut Findings) {
    refuse::<PolicyFile>(&file.extra, at, findings);
}

fn only_known_keys(entry: &DatasetEntry, at: &At<'_>, findings: &mut Findings) {
    refuse::<DatasetEntry>(&entry.extra, at, findings);
    // Signers that could not be read are no missing ones.
    let is_missing = entry.signers.is_none() && !findings.failed();
    if is_missing && entry.require != RequiredLevel::L1 {
        let message = "is missing, needed who may sign; `makoto policy allow` adds a signer";
        findings.contradiction(&at.field("signers"), message);
    }
}

fn only_known_in_key_set(entry: &KeySetEntry, at: &At<'_>, findings: &mut Findings) {
    refuse::<KeySetEntry>(&entry.extra, at, findings);
    if let Some(least) = &entry.at_least
        && least.number().as_u64().is_none()
    {
        findings.contradiction(&at.field("at-least"), "is larger than any version");
    }
}

fn names_one_signer(entry: &SignerEntry, at: &At<'_>, findings: &mut Findings) {
    refuse::<SignerEntry>(&entry.extra, at, findings);
    let named = [
        ("uri", entry.uri.is_some()),
        ("email", entry.email.is_some()),
        ("dns", entry.dns.is_some()),
        ("key", entry.key.is_some()),
        ("keyset", entry.keyset.is_some()),
    ];
    let named: Vec<_> = named
        .iter()
        .filter(|(_, is)| *is)
        .map(|(key, _)| *key)
        .collect();
    if named.is_empty() && findings.failed() {
        // What could not be read is named all the same, and has a finding of its own.
        return;
    }
    let [kind] = named[..] else {
        let found = match &named[..] {
            [] => "names nobody".to_owned(),
            many => format!("has {}", many.join(" and ")),
        };
        let message = format!("{found}, needed one of uri, email, dns, key and keyset");
        findings.contradiction(at, message);
        return;
    };
    let of_certificate = [
        ("ca", entry.ca.is_some()),
        ("oidc-issuer", entry.oidc_issuer.is_some()),
        ("org", entry.org.is_some()),
        ("ou", entry.ou.is_some()),
        ("extensions", entry.extensions.is_some()),
    ];
    let of_key = [
        ("owner", entry.owner.is_some()),
        ("from", entry.from.is_some()),
        ("until", entry.until.is_some()),
    ];
    let foreign = match kind {
        "key" => of_certificate.to_vec(),
        "keyset" => [&of_certificate[..], &of_key].concat(),
        _ => of_key.to_vec(),
    };
    for (key, _) in foreign.iter().filter(|(_, is)| *is) {
        let message = format!("does not go together with {kind}");
        findings.contradiction(&at.field(key), message);
    }
    match kind {
        "key" if entry.owner.is_none() => {
            let message = "is missing, needed whose key it is";
            findings.contradiction(&at.field("owner"), message);
        }
        "uri" | "email" | "dns" if entry.ca.is_none() && entry.oidc_issuer.is_none() => {
            let message = format!(
                "says of {kind} not who vouches for it, needed ca (the id of an authority in the \
                 trusted root) or oidc-issuer"
            );
            findings.contradiction(at, message);
        }
        _ => {}
    }
    if let (Some(from), Some(until)) = (&entry.from, &entry.until)
        && until < from
    {
        findings.contradiction(&at.field("until"), format!("{until} is before from {from}"));
    }
    let extensions = entry
        .extensions
        .iter()
        .flat_map(|map| map.as_object().iter());
    for (oid, _) in extensions {
        let number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !oid.contains('.') || !oid.split('.').all(number) {
            let message = "is not an object identifier, such as \"1.3.6.1.4.1.57264.1.12\"";
            findings.contradiction(&at.field("extensions").field(oid), message);
        }
    }
}
