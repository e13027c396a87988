//! Datasets in Google Cloud Storage and in Azure: servers of both protocols on this machine, and
//! the proxy of [`crate::objects`] before them.
//!
//! The server of Google's protocol knows conditions in its JSON interface and not in the XML one,
//! which the binary speaks. So there the attestation is a file, except where a front hands a
//! request to write from one to the other.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, fails, passes, text};
use crate::front::front;
use crate::objects::{ROWS, Weather, free_port, many_bytes, proxy};
use crate::parquet::{Column, INT32, PLAIN, Page, REQUIRED, file, plain};
use crate::sandbox::{ORIGIN, Ran, Sandbox, finish, until};
use crate::tables::{part, root};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Google,
    Azure,
}

const BOTH: [Service; 2] = [Service::Google, Service::Azure];

/// Key of the account `makoto` of the server.
const KEY: &str = "bm90LWEtc2VjcmV0";

/// A token of that account, signed with its key.
const TOKEN: &str = "sv=2018-11-09&ss=b&srt=sco&sp=rwdlacup&se=2099-01-01T00:00:00Z\
                     &sig=UzUNf1%2BbYJX76BzOFvcl8DdHAPm13lyAEOTL2f2%2FvfA%3D";

/// A server with an empty bucket or container. It ends with the test.
struct Cloud {
    service: Service,
    server: Child,
    port: u16,
    sandbox: Sandbox,
}

impl Cloud {
    fn start(service: Service) -> Self {
        let sandbox = Sandbox::new();
        let port = free_port();
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
        let mut command = match service {
            Service::Google => {
                let mut command = Command::new(peers.join("fake-gcs-server"));
                command.args([
                    "-backend",
                    "memory",
                    "-scheme",
                    "http",
                    "-host",
                    "127.0.0.1",
                ]);
                command.args(["-public-host", "127.0.0.1", "-port", &port.to_string()]);
                command
            }
            Service::Azure => {
                let main = "azurite/node_modules/azurite/dist/src/blob/main.js";
                let mut command = Command::new("node");
                command.arg(peers.join(main));
                command.args(["--blobPort", &port.to_string(), "--location"]);
                command.arg(sandbox.path("."));
                command.args(["--silent", "--disableTelemetry"]);
                command.env("AZURITE_ACCOUNTS", format!("makoto:{KEY}"));
                command
            }
        };
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = server
            .unwrap_or_else(|error| panic!("{service:?}: {error}; scripts/prepare installs it"));
        let cloud = Self {
            service,
            server,
            port,
            sandbox,
        };
        until("the server listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        match service {
            Service::Google => {
                let bucket = b"{\"name\":\"bucket\",\"versioning\":{\"enabled\":true}}";
                cloud.send("POST", "/storage/v1/b?project=x", bucket);
            }
            Service::Azure => {
                let place = format!("/makoto/bucket?restype=container&{TOKEN}");
                cloud.send("PUT", &place, b"");
            }
        }
        cloud
    }

    /// Another program's request, which must succeed.
    fn send(&self, method: &str, place: &str, body: &[u8]) -> String {
        let url = format!("http://127.0.0.1:{}{place}", self.port);
        let mut curl = Command::new("curl");
        curl.args(["-sf", "-X", method, "-H", "content-type: application/json"]);
        curl.args(["-H", "x-ms-blob-type: BlockBlob", &url]);
        if method != "GET" {
            curl.args(["--data-binary", "@-"]);
        }
        let ran = finish(&mut curl, body);
        assert_eq!(ran.status, 0, "{place} {ran:?}");
        ran.stdout
    }

    fn put(&self, key: &str, body: &[u8]) {
        match self.service {
            Service::Google => {
                let place = format!("/upload/storage/v1/b/bucket/o?uploadType=media&name={key}");
                self.send("POST", &place, body);
            }
            Service::Azure => {
                self.send("PUT", &format!("/makoto/bucket/{key}?{TOKEN}"), body);
            }
        }
    }

    /// The attestation of the object at `key`, where [`Self::attest`] writes it.
    fn attestation(&self, key: &str) -> String {
        let name = format!("{key}.attestation");
        match self.service {
            Service::Google => self.sandbox.read_text(&name),
            Service::Azure => self.send("GET", &format!("/makoto/bucket/{name}?{TOKEN}"), b""),
        }
    }

    fn statement(&self, key: &str) -> Json {
        crate::sandbox::parse(self.attestation(key).as_bytes())
    }

    /// Options that name the attestation of the object at `key`.
    fn place(&self, option: &'static str, key: &str) -> Vec<String> {
        match self.service {
            Service::Google => vec![option.to_owned(), format!("{key}.attestation")],
            Service::Azure => Vec::new(),
        }
    }

    fn url(&self, key: &str) -> String {
        match self.service {
            Service::Google => format!("gs://bucket/{key}"),
            Service::Azure => format!("az://bucket/{key}"),
        }
    }

    /// The binary with this server, spoken to by way of `port`, and nothing else.
    fn command(&self, port: u16) -> Command {
        let mut command = self.sandbox.command();
        for (key, _) in std::env::vars_os() {
            let key = key.to_string_lossy().into_owned();
            if ["GOOGLE_", "AZURE_", "AWS_", "STORAGE_"]
                .iter()
                .any(|of| key.starts_with(of))
            {
                command.env_remove(key);
            }
        }
        let server = format!("http://127.0.0.1:{port}");
        match self.service {
            Service::Google => command.env("STORAGE_EMULATOR_HOST", server),
            Service::Azure => command
                .env("AZURE_STORAGE_ACCOUNT_NAME", "makoto")
                .env("AZURE_STORAGE_ACCOUNT_KEY", KEY)
                .env("AZURE_STORAGE_ENDPOINT", format!("{server}/makoto")),
        };
        command
    }

    fn makoto(&self, arguments: &[&str]) -> Ran {
        finish(self.command(self.port).args(arguments), b"")
    }

    /// What attests the object at `key`, in an object beside it.
    fn attesting_beside(&self, key: &str, port: u16) -> Command {
        let mut command = self.command(port);
        command
            .args(["attest", "origin", &self.url(key)])
            .args(ORIGIN);
        command
    }

    /// The object beside the one at `key`.
    fn beside(&self, key: &str) -> String {
        match self.service {
            Service::Google => self.send("GET", &format!("/bucket/{key}.attestation"), b""),
            Service::Azure => self.attestation(key),
        }
    }

    /// What attests the object at `key`.
    fn attesting(&self, key: &str, port: u16) -> Command {
        let mut command = self.command(port);
        command
            .args(["attest", "origin", &self.url(key)])
            .args(ORIGIN);
        command.args(self.place("--out", key));
        command
    }

    fn attest(&self, key: &str, more: &[&str]) -> Ran {
        finish(self.attesting(key, self.port).args(more), b"")
    }

    fn verify(&self, url: &str, more: &[&str]) -> (i32, Json) {
        let (_, key) = url.rsplit_once('/').expect("a URL");
        let key = key.split('?').next().unwrap_or_default();
        let mut command = self.command(self.port);
        command.args(["verify", url, "--json"]).args(more);
        let ran = finish(command.args(self.place("--attestation", key)), b"");
        (ran.status, ran.json())
    }

    fn is_attested(&self, key: &str) -> bool {
        let name = format!("{key}.attestation");
        match self.service {
            Service::Google => self.sandbox.exists(&name),
            Service::Azure => {
                let ran = self.makoto(&["verify", &self.url(&name)]);
                !ran.stderr.contains("there is no object")
            }
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_object_is_attested_and_verified() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        cloud.put("orders.csv", ROWS);
        let url = cloud.url("orders.csv");
        let ran = cloud.attest("orders.csv", &[]);
        ran.ends(0, &[]);
        let is_beside = format!("attestation: {url}.attestation (new)");
        assert_eq!(
            ran.stdout.contains(&is_beside),
            service == Service::Azure,
            "{ran:?}"
        );
        let statement = cloud.statement("orders.csv");
        assert_eq!(
            text(&statement, "subject.0.digest.sha256"),
            Digest::of(ROWS).to_string()
        );
        assert_eq!(text(&statement, "subject.0.digest.recordCount"), "2");
        passes(&cloud.verify(&url, &["--as", "dataset:orders", "--output", "copy.csv"]));
        assert_eq!(cloud.sandbox.read("copy.csv"), ROWS);
        // Other bytes do not pass, and nothing is copied.
        cloud.put("orders.csv", b"id,city\n1,Kyoto\n");
        fails(
            &cloud.verify(&url, &["--output", "other.csv"]),
            &["digest.sha256"],
        );
        assert!(!cloud.sandbox.exists("other.csv"));
    }
}

#[test]
fn rows_of_a_table_in_a_store_are_counted_and_a_footer_that_lies_is_told() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        cloud.put("t.parquet", &part(0, 12));
        cloud.attest("t.parquet", &[]).ends(0, &[]);
        let statement = cloud.statement("t.parquet");
        assert_eq!(text(&statement, "subject.0.digest.recordCount"), "12");
        assert_eq!(text(&statement, "subject.0.digest.merkleRoot"), root(12));
        passes(&cloud.verify(&cloud.url("t.parquet"), &[]));
        // It promises five rows, and four are there.
        let page = Page::data(5, PLAIN, plain(0..4));
        let lie = file(&[Column::new("n", INT32, REQUIRED, vec![page])], 5);
        cloud.put("lie.parquet", &lie);
        let url = cloud.url("lie.parquet");
        let ran = cloud.attest("lie.parquet", &[]);
        ran.ends(2, &[&url, "cannot be read as Parquet", "--format bytes"]);
        assert!(!cloud.is_attested("lie.parquet"));
    }
}

#[test]
fn a_statement_names_what_pins_the_object() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        cloud.put("a.csv", ROWS);
        cloud.attest("a.csv", &[]).ends(0, &[]);
        let statement = cloud.statement("a.csv");
        let uri = text(&statement, "subject.0.uri").to_owned();
        let annotation = at(&statement, "subject.0.annotations");
        let place = annotation
            .get("https://makoto.dev/object/v1")
            .expect("annotated");
        assert!(!text(place, "etag").is_empty(), "{place}");
        cloud.put("a.csv", b"id,city\n");
        fails(&cloud.verify(&cloud.url("a.csv"), &[]), &["digest.sha256"]);
        match service {
            Service::Google => {
                let generation = text(place, "versionId");
                assert_eq!(uri, format!("gs://bucket/a.csv?generation={generation}"));
                passes(&cloud.verify(&uri, &[]));
                let other = "gs://bucket/a.csv?generation=1";
                cloud
                    .makoto(&["verify", other])
                    .ends(2, &["there is no object"]);
            }
            // The server has no versions.
            Service::Azure => assert_eq!(uri, "az://bucket/a.csv"),
        }
    }
}

#[test]
fn an_attestation_that_is_there_is_kept_replaced_or_appended_to() {
    let cloud = Cloud::start(Service::Azure);
    cloud.put("a.csv", ROWS);
    cloud.attest("a.csv", &[]).ends(0, &[]);
    let first = cloud.attestation("a.csv");
    let again = cloud.attest("a.csv", &[]);
    assert!(again.ends(0, &[]).stdout.contains("(unchanged)"));
    cloud
        .attest("a.csv", &["--geography", "JP"])
        .ends(1, &["--replace"]);
    assert_eq!(cloud.attestation("a.csv"), first);
    cloud
        .attest("a.csv", &["--geography", "JP", "--append"])
        .ends(0, &[]);
    let both = cloud.attestation("a.csv");
    assert!(both.starts_with(&first) && both.len() > first.len());
    cloud
        .attest("a.csv", &["--geography", "FR", "--replace"])
        .ends(0, &[]);
    passes(&cloud.verify("az://bucket/a.csv", &[]));
    // What is no attestation and lies in its place is somebody's.
    cloud.put("b.csv", ROWS);
    cloud.put("b.csv.attestation", b"notes");
    cloud.attest("b.csv", &[]).ends(1, &["is no attestation"]);
    assert_eq!(cloud.attestation("b.csv"), "notes");
}

#[test]
fn of_two_that_attest_different_facts_at_once_one_wins() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        let port = match service {
            Service::Google => front(cloud.port),
            Service::Azure => cloud.port,
        };
        for round in 0..5 {
            let key = format!("{round}.csv");
            cloud.put(&key, ROWS);
            let attest = |place| {
                let mut command = cloud.attesting_beside(&key, port);
                finish(command.args(["--geography", place]), b"").status
            };
            let (de, fr) = thread::scope(|scope| {
                let (de, fr) = (scope.spawn(|| attest("DE")), scope.spawn(|| attest("FR")));
                (de.join().expect("it ran"), fr.join().expect("it ran"))
            });
            let winner = match (de, fr) {
                (0, 1 | 2) => "DE",
                (1 | 2, 0) => "FR",
                other => panic!("{service:?} {other:?}"),
            };
            let statement = crate::sandbox::parse(cloud.beside(&key).as_bytes());
            assert_eq!(text(&statement, "predicate.origin.geography"), winner);
        }
    }
}

#[test]
fn in_googles_store_an_attestation_is_written_only_in_a_place_as_it_was() {
    let cloud = Cloud::start(Service::Google);
    let port = front(cloud.port);
    let attest =
        |key: &str, more: &[&str]| finish(cloud.attesting_beside(key, port).args(more), b"");
    cloud.put("a.csv", ROWS);
    let ran = attest("a.csv", &[]);
    let beside = "attestation: gs://bucket/a.csv.attestation (new)";
    assert!(ran.ends(0, &[]).stdout.contains(beside), "{ran:?}");
    let first = cloud.beside("a.csv");
    attest("a.csv", &["--geography", "JP"]).ends(1, &["--replace"]);
    assert_eq!(cloud.beside("a.csv"), first);
    attest("a.csv", &["--geography", "JP", "--append"]).ends(0, &[]);
    let both = cloud.beside("a.csv");
    assert!(both.starts_with(&first) && both.len() > first.len());
    attest("a.csv", &["--geography", "FR", "--replace"]).ends(0, &[]);
    cloud.makoto(&["verify", "gs://bucket/a.csv"]).ends(0, &[]);
    cloud.put("b.csv", ROWS);
    cloud.put("b.csv.attestation", b"notes");
    attest("b.csv", &[]).ends(1, &["is no attestation"]);
    assert_eq!(cloud.beside("b.csv"), "notes");
}

#[test]
fn what_is_not_there_or_not_allowed_is_told_and_nothing_is_written() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        cloud.put("a.csv", ROWS);
        let gone = cloud.url("gone.csv");
        cloud
            .attest("gone.csv", &[])
            .ends(2, &["there is no object", &gone]);
        cloud
            .makoto(&["verify", &gone])
            .ends(2, &["there is no object"]);
        let attest = || cloud.attesting("a.csv", cloud.port);
        let with = |key: &str, value: &str| finish(attest().env(key, value), b"");
        let nobody = format!("http://127.0.0.1:{}", free_port());
        match service {
            Service::Google => {
                with("STORAGE_EMULATOR_HOST", "http://far.example")
                    .ends(2, &["is plain http", "GOOGLE_ALLOW_HTTP"]);
                with("STORAGE_EMULATOR_HOST", &nobody).ends(2, &["the object store failed"]);
                let mut file = attest();
                file.env_remove("STORAGE_EMULATOR_HOST");
                file.env(
                    "GOOGLE_APPLICATION_CREDENTIALS",
                    cloud.sandbox.path("gone.json"),
                );
                finish(&mut file, b"").ends(2, &["cannot be set up", "gone.json"]);
            }
            Service::Azure => {
                with("AZURE_STORAGE_ENDPOINT", "http://far.example")
                    .ends(2, &["is plain http", "AZURE_ALLOW_HTTP"]);
                with("AZURE_STORAGE_ENDPOINT", &nobody).ends(2, &["the object store failed"]);
                with("AZURE_STORAGE_ACCOUNT_KEY", "b3RoZXI=")
                    .ends(2, &["does not allow", "AZURE_STORAGE_CONNECTION_STRING"]);
            }
        }
        assert!(!cloud.is_attested("a.csv"));
    }
}

#[test]
fn credentials_of_azure_come_in_three_forms() {
    let cloud = Cloud::start(Service::Azure);
    cloud.put("a.csv", ROWS);
    cloud.attest("a.csv", &[]).ends(0, &[]);
    let server = format!("http://127.0.0.1:{}/makoto", cloud.port);
    let bare = || {
        let mut command = cloud.command(cloud.port);
        command.env_remove("AZURE_STORAGE_ACCOUNT_KEY");
        command.args(["verify", "az://bucket/a.csv"]);
        command
    };
    finish(bare().env("AZURE_STORAGE_SAS_TOKEN", TOKEN), b"").ends(0, &[]);
    let changed = TOKEN.replace("sp=rwdlacup", "sp=rwdlacupx");
    finish(bare().env("AZURE_STORAGE_SAS_TOKEN", changed), b"").ends(2, &["does not allow"]);
    for (credential, status) in [
        (format!("AccountKey={KEY}"), 0),
        (format!("SharedAccessSignature={TOKEN}"), 0),
        ("AccountKey=b3RoZXI=".to_owned(), 2),
    ] {
        let text = format!("AccountName=makoto;{credential};BlobEndpoint={server}");
        finish(bare().env("AZURE_STORAGE_CONNECTION_STRING", text), b"").ends(status, &[]);
    }
    let half = finish(
        bare().env("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=x"),
        b"",
    );
    half.ends(2, &["AZURE_STORAGE_CONNECTION_STRING names no account"]);
}

#[test]
fn a_store_that_fails_in_the_middle_or_does_not_go_on_is_told() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        cloud.put("big.bin", &many_bytes());
        let url = cloud.url("big.bin");
        for cuts in [true, false] {
            let weather = Weather {
                lets_pass: 10_000_000.into(),
                cuts,
                ..Weather::default()
            };
            let port = proxy(cloud.port, Arc::new(weather));
            let mut command = cloud.attesting("big.bin", port);
            command
                .env("GOOGLE_TIMEOUT", "1s")
                .env("AZURE_TIMEOUT", "1s");
            finish(&mut command, b"").ends(2, &[&url, "the object store failed"]);
            assert!(!cloud.is_attested("big.bin"));
        }
        cloud.attest("big.bin", &[]).ends(0, &[]);
    }
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_never_attested() {
    for service in BOTH {
        let cloud = Cloud::start(service);
        let mut bytes = many_bytes();
        cloud.put("big.bin", &bytes);
        let first = Digest::of(&bytes).to_string();
        let weather = Arc::new(Weather {
            lets_pass: 3_000_000.into(),
            ..Weather::default()
        });
        let port = proxy(cloud.port, Arc::clone(&weather));
        let url = cloud.url("big.bin");
        let ran = thread::scope(|scope| {
            let running = scope.spawn(|| finish(&mut cloud.attesting("big.bin", port), b""));
            until("it is being read", || {
                (weather.passed.load(Ordering::SeqCst) > 3_000_000).then_some(())
            });
            // The same size, and one other byte.
            bytes[39_999_999] ^= 1;
            cloud.put("big.bin", &bytes);
            weather.is_over.store(true, Ordering::SeqCst);
            running.join().expect("it ran")
        });
        match service {
            // The version that was looked at is still there, and is what was attested.
            Service::Google => {
                ran.ends(0, &[]);
                let statement = cloud.statement("big.bin");
                assert_eq!(text(&statement, "subject.0.digest.sha256"), first);
                fails(&cloud.verify(&url, &[]), &["digest.sha256"]);
                passes(&cloud.verify(text(&statement, "subject.0.uri"), &[]));
            }
            Service::Azure => {
                ran.ends(2, &["changed while it was read"]);
                assert!(!cloud.is_attested("big.bin"));
            }
        }
    }
}
