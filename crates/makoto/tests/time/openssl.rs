//! Authorities made by the openssl command line in a folder of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use makoto::json::Json;
use makoto::trusted_root::TrustedRoot;
use tempfile::TempDir;

/// A folder with keys and certificates, by name.
pub(crate) struct Workshop(TempDir);

/// Extensions of certificates.
pub(crate) const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
pub(crate) const TSA: &str = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash\n";
pub(crate) const SIGNER: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=URI:https://acme.example/collectors/1,email:ci@acme.example,DNS:etl.acme.example\n1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.example\n";

/// A validity that lasts as long as these tests matter.
pub(crate) const LONG: (&str, &str) = ("20200101000000Z", "20991231235959Z");

const CONFIG: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=DIR/index\nnew_certs_dir=DIR\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\nemail_in_dn=no\n[p]\norganizationName=optional\norganizationalUnitName=optional\ncommonName=optional\n[req]\ndistinguished_name=n\nprompt=no\n[n]\n[tsa]\ndefault_tsa=t\n[t]\nserial=DIR/serial\ndefault_policy=1.2.3.4.1\ndigests=sha256,sha384,sha512,sha1\naccuracy=secs:1,millisecs:500,microsecs:100\nordering=no\ntsa_name=yes\ness_cert_id_chain=no\ness_cert_id_alg=sha256\nsigner_digest=sha256\n[t2]\nserial=DIR/serial\ndefault_policy=1.2.3.4.1\ndigests=sha256,sha512\nclock_precision_digits=6\ness_cert_id_alg=sha512\nsigner_digest=sha512\n[t1]\nserial=DIR/serial\ndefault_policy=1.2.3.4.1\ndigests=sha256\ness_cert_id_alg=sha1\nsigner_digest=sha256\n";

impl Workshop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("makoto-time-").tempdir();
        let workshop = Self(folder.expect("a temporary folder"));
        let dir = workshop.0.path().display().to_string();
        workshop.write("config", CONFIG.replace("DIR", &dir));
        workshop.write("index", "");
        workshop.write("serial", "1000\n");
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the file can be written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs openssl in the folder, so that its arguments are names.
    pub(crate) fn openssl(&self, arguments: &[&str]) {
        let ran = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("openssl is installed");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "openssl {arguments:?}: {said}");
    }

    /// Makes `<name>.key`; `kind` is `rsa:2048`, `P-256` and the like, or `ed25519`.
    pub(crate) fn key(&self, name: &str, kind: &str) {
        let out = format!("{name}.key");
        let option;
        let mut arguments = vec!["genpkey", "-out", &out, "-algorithm"];
        match kind.split_once(':') {
            Some((_, bits)) => {
                option = format!("rsa_keygen_bits:{bits}");
                arguments.extend(["RSA", "-pkeyopt", &option]);
            }
            None if kind.starts_with("P-") => {
                option = format!("ec_paramgen_curve:{kind}");
                arguments.extend(["EC", "-pkeyopt", &option]);
            }
            None => arguments.push(kind),
        }
        self.openssl(&arguments);
    }

    /// Issues `<name>.pem` and `<name>.der` with a new key, by `issuer` or itself.
    pub(crate) fn issue(
        &self,
        name: &str,
        kind: &str,
        issuer: &str,
        extensions: &str,
        validity: (&str, &str),
    ) {
        self.key(name, kind);
        self.certify(
            name,
            &format!("/O=Acme/OU=Data/CN={name}"),
            issuer,
            extensions,
            validity,
        );
    }

    /// Issues `<name>.pem` and `<name>.der` for the key that is there.
    pub(crate) fn certify(
        &self,
        name: &str,
        subject: &str,
        issuer: &str,
        extensions: &str,
        (from, to): (&str, &str),
    ) {
        let file = |end: &str| format!("{name}.{end}");
        let (key, csr, pem, der, ext) = (
            file("key"),
            file("csr"),
            file("pem"),
            file("der"),
            file("ext"),
        );
        self.write(&ext, extensions);
        self.openssl(&[
            "req", "-new", "-config", "config", "-key", &key, "-subj", subject, "-out", &csr,
        ]);
        let (issuer_key, issuer_pem) = (format!("{issuer}.key"), format!("{issuer}.pem"));
        let mut arguments = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            "config",
            "-in",
            &csr,
            "-out",
            &pem,
            "-keyfile",
            &issuer_key,
            "-startdate",
            from,
            "-enddate",
            to,
            "-extfile",
            &ext,
            "-preserveDN",
        ];
        match issuer == name {
            true => arguments.push("-selfsign"),
            false => arguments.extend(["-cert", &issuer_pem]),
        }
        self.openssl(&arguments);
        self.openssl(&["x509", "-in", &pem, "-outform", "DER", "-out", &der]);
    }

    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        self.read(&format!("{name}.der"))
    }

    /// What the authority `tsa` answers to `query`; `section` of the configuration says how.
    pub(crate) fn reply(&self, query: &[u8], tsa: &str, section: &str) -> Vec<u8> {
        self.write("query", query);
        let (pem, key) = (format!("{tsa}.pem"), format!("{tsa}.key"));
        self.openssl(&[
            "ts",
            "-reply",
            "-config",
            "config",
            "-section",
            section,
            "-queryfile",
            "query",
            "-signer",
            &pem,
            "-inkey",
            &key,
            "-out",
            "reply",
        ]);
        self.read("reply")
    }

    /// Signs any content as a timestamp token; `more` goes to `openssl cms -sign`.
    pub(crate) fn forge(&self, content: &[u8], signer: &str, more: &[&str]) -> Vec<u8> {
        self.write("content", content);
        let (pem, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        let mut arguments = vec![
            "cms",
            "-sign",
            "-binary",
            "-nodetach",
            "-nosmimecap",
            "-outform",
            "DER",
            "-in",
            "content",
            "-out",
            "token",
            "-signer",
            &pem,
            "-inkey",
            &key,
        ];
        if !more.contains(&"-econtent_type") {
            arguments.extend(["-econtent_type", "1.2.840.113549.1.9.16.1.4"]);
        }
        arguments.extend(more);
        self.openssl(&arguments);
        self.read("token")
    }

    /// The TSTInfo of a token.
    pub(crate) fn content(&self, token: &[u8]) -> Vec<u8> {
        self.write("token", token);
        self.openssl(&[
            "cms",
            "-verify",
            "-noverify",
            "-nosigs",
            "-inform",
            "DER",
            "-in",
            "token",
            "-out",
            "content",
        ]);
        self.read("content")
    }

    /// An authority of a trusted root: its operator and its chain by names.
    pub(crate) fn authority(&self, operator: &str, chain: &[&str]) -> Json {
        let link = |name: &&str| Json::from([("rawBytes", STANDARD.encode(self.der(name)).into())]);
        [
            ("operator", operator.into()),
            (
                "certChain",
                [("certificates", chain.iter().map(link).collect())].into(),
            ),
        ]
        .into()
    }

    /// A trusted root with these authorities for certificates and for timestamps.
    pub(crate) fn root(&self, cas: &[(&str, &[&str])], tsas: &[(&str, &[&str])]) -> TrustedRoot {
        let root = self.root_document(cas, tsas).to_string();
        TrustedRoot::from_json(root.as_bytes()).expect("a trusted root")
    }

    /// The same as a document.
    pub(crate) fn root_document(&self, cas: &[(&str, &[&str])], tsas: &[(&str, &[&str])]) -> Json {
        let list = |authorities: &[(&str, &[&str])]| -> Json {
            let one = |(operator, chain): &(&str, &[&str])| self.authority(operator, chain);
            authorities.iter().map(one).collect()
        };
        document(list(cas), list(tsas))
    }
}

/// A trusted root of lists of authorities.
pub(crate) fn document(cas: Json, tsas: Json) -> Json {
    [
        (
            "mediaType",
            "application/vnd.dev.sigstore.trustedroot.v0.2+json".into(),
        ),
        ("certificateAuthorities", cas),
        ("timestampAuthorities", tsas),
    ]
    .into()
}
