//! Datasets in an object store: a real server of the S3 protocol on this machine, and a proxy
//! before it that cuts and holds up its answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use makoto::digest::Digest;
use makoto::json::Json;

use crate::document::{at, fails, passes, text};
use crate::sandbox::{MAKOTO, ORIGIN, Ran, Sandbox, finish, until};

/// A server with an empty bucket. It ends with the test.
struct Gateway {
    server: Child,
    port: u16,
    sandbox: Sandbox,
}

pub(crate) const ROWS: &[u8] = b"id,city\n1,Kyoto\n2,Nara\n";

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Gateway {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        for folder in ["root/bucket", "versions"] {
            std::fs::create_dir_all(sandbox.path(folder)).expect("a folder");
        }
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/versitygw");
        let port = free_port();
        let server = Command::new(&program)
            .args([
                "--access",
                "makoto",
                "--secret",
                "not-a-secret",
                "--quiet",
                "--port",
            ])
            .arg(format!("127.0.0.1:{port}"))
            .args(["posix", "--versioning-dir"])
            .args([sandbox.path("versions"), sandbox.path("root")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = server.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; scripts/prepare installs it",
                program.display()
            )
        });
        until("the server listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            server,
            port,
            sandbox,
        }
    }

    /// Another program's request, which must succeed.
    fn put(&self, place: &str, body: &[u8]) {
        let url = format!("http://127.0.0.1:{}/bucket{place}", self.port);
        let mut curl = Command::new("curl");
        curl.args([
            "-sf",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "-u",
            "makoto:not-a-secret",
        ])
        .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(["-X", "PUT", "--data-binary", "@-", &url]);
        let ran = finish(&mut curl, body);
        assert_eq!(ran.status, 0, "{place} {ran:?}");
    }

    fn keep_versions(&self) {
        let on = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                  <Status>Enabled</Status></VersioningConfiguration>";
        self.put("?versioning=", on.as_bytes());
    }

    fn object(&self, key: &str) -> PathBuf {
        self.sandbox.path(&format!("root/bucket/{key}"))
    }

    /// The binary with this server, spoken to by way of `port`.
    fn command(&self, port: u16) -> Command {
        let mut command = self.sandbox.command();
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("AWS_") {
                command.env_remove(key);
            }
        }
        command
            .env("AWS_ACCESS_KEY_ID", "makoto")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
        command
    }

    fn makoto(&self, arguments: &[&str]) -> Ran {
        finish(self.command(self.port).args(arguments), b"")
    }

    fn attest(&self, data: &str, more: &[&str]) -> Ran {
        self.makoto(&[&["attest", "origin", data], &ORIGIN[..], more].concat())
    }

    fn verify(&self, data: &str, more: &[&str]) -> (i32, Json) {
        let ran = self.makoto(&[&["verify", data, "--json"], more].concat());
        (ran.status, ran.json())
    }

    fn statement(&self, key: &str) -> Json {
        let bytes = std::fs::read(self.object(key)).expect("it was written");
        crate::sandbox::parse(&bytes)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_object_is_attested_beside_itself_and_verified() {
    let gateway = Gateway::start();
    gateway.put("/a/orders.csv", ROWS);
    let url = "s3://bucket/a/orders.csv";
    let ran = gateway.attest(url, &[]);
    ran.ends(0, &[]);
    assert!(
        ran.stdout
            .contains("attestation: s3://bucket/a/orders.csv.attestation (new)"),
        "{ran:?}"
    );
    let statement = gateway.statement("a/orders.csv.attestation");
    assert_eq!(
        text(&statement, "subject.0.digest.sha256"),
        Digest::of(ROWS).to_string()
    );
    assert_eq!(text(&statement, "subject.0.digest.recordCount"), "2");
    assert_eq!(text(&statement, "subject.0.name"), "dataset:orders");
    assert_eq!(text(&statement, "subject.0.uri"), url);
    passes(&gateway.verify(url, &["--as", "dataset:orders", "--output", "copy.csv"]));
    assert_eq!(gateway.sandbox.read("copy.csv"), ROWS);
    // The same facts about the bytes as for a file.
    gateway.sandbox.write("orders.csv", ROWS);
    let local = gateway.sandbox.attested("orders.csv", &[]);
    assert_eq!(
        at(&local, "subject.0.digest"),
        at(&statement, "subject.0.digest")
    );
    // Other bytes do not pass, and nothing is copied.
    gateway.put("/a/orders.csv", b"id,city\n1,Kyoto\n");
    fails(
        &gateway.verify(url, &["--output", "other.csv"]),
        &["digest.sha256"],
    );
    assert!(!gateway.sandbox.exists("other.csv"));
}

#[test]
fn an_attestation_that_is_there_is_kept_replaced_or_appended_to() {
    let gateway = Gateway::start();
    gateway.put("/a.csv", ROWS);
    gateway.attest("s3://bucket/a.csv", &[]).ends(0, &[]);
    let first = std::fs::read(gateway.object("a.csv.attestation")).expect("there");
    let again = gateway.attest("s3://bucket/a.csv", &[]);
    assert!(again.ends(0, &[]).stdout.contains("(unchanged)"));
    gateway
        .attest("s3://bucket/a.csv", &["--geography", "JP"])
        .ends(1, &["--replace"]);
    assert_eq!(
        std::fs::read(gateway.object("a.csv.attestation")).expect("there"),
        first
    );
    gateway
        .attest("s3://bucket/a.csv", &["--geography", "JP", "--append"])
        .ends(0, &[]);
    let both = std::fs::read(gateway.object("a.csv.attestation")).expect("there");
    assert!(both.starts_with(&first) && both.len() > first.len());
    gateway
        .attest("s3://bucket/a.csv", &["--geography", "FR", "--replace"])
        .ends(0, &[]);
    passes(&gateway.verify("s3://bucket/a.csv", &[]));
    // What is no attestation and lies in its place is somebody's.
    gateway.put("/b.csv", ROWS);
    gateway.put("/b.csv.attestation", b"notes");
    gateway
        .attest("s3://bucket/b.csv", &[])
        .ends(1, &["is no attestation"]);
    assert_eq!(
        std::fs::read(gateway.object("b.csv.attestation")).expect("there"),
        b"notes"
    );
}

/// This server looks whether a place is free and then writes, so that of two at once both may
/// pass. That one is refused is shown with the other stores.
#[test]
fn of_two_that_attest_different_facts_at_once_the_whole_statement_of_a_winner_stands() {
    let gateway = Gateway::start();
    for round in 0..5 {
        let key = format!("{round}.csv");
        gateway.put(&format!("/{key}"), ROWS);
        let url = format!("s3://bucket/{key}");
        let attest = |place: &'static str| gateway.attest(&url, &["--geography", place]).status;
        let (de, fr) = thread::scope(|scope| {
            let (de, fr) = (scope.spawn(|| attest("DE")), scope.spawn(|| attest("FR")));
            (de.join().expect("it ran"), fr.join().expect("it ran"))
        });
        let statement = gateway.statement(&format!("{key}.attestation"));
        let status = match text(&statement, "predicate.origin.geography") {
            "DE" => de,
            "FR" => fr,
            other => panic!("{other}"),
        };
        assert_eq!(status, 0, "{de} {fr}");
    }
}

#[test]
fn a_statement_names_the_version_that_was_read() {
    let gateway = Gateway::start();
    gateway.keep_versions();
    gateway.put("/a.csv", ROWS);
    gateway.attest("s3://bucket/a.csv", &[]).ends(0, &[]);
    let statement = gateway.statement("a.csv.attestation");
    let uri = text(&statement, "subject.0.uri").to_owned();
    let annotation = at(&statement, "subject.0.annotations");
    let place = annotation
        .get("https://makoto.dev/object/v1")
        .expect("annotated");
    assert!(!text(place, "etag").is_empty(), "{place}");
    assert_eq!(
        uri,
        format!("s3://bucket/a.csv?versionId={}", text(place, "versionId"))
    );
    gateway.put("/a.csv", b"id,city\n");
    fails(
        &gateway.verify("s3://bucket/a.csv", &[]),
        &["digest.sha256"],
    );
    passes(&gateway.verify(&uri, &[]));
}

#[test]
fn what_is_not_there_or_not_allowed_is_told_and_nothing_is_written() {
    let gateway = Gateway::start();
    gateway.put("/a.csv", ROWS);
    gateway
        .attest("s3://bucket/gone.csv", &[])
        .ends(2, &["there is no object s3://bucket/gone.csv"]);
    gateway
        .makoto(&["verify", "s3://bucket/gone.csv"])
        .ends(2, &["there is no object"]);
    fails(
        &gateway.verify("s3://bucket/a.csv", &[]),
        &["no attestation"],
    );
    for (url, why) in [
        ("s3://bucket/", "prefix"),
        ("s3://bucket", "needed s3://bucket/key"),
        ("abfss://bucket/a.csv", "this version reads s3://"),
        ("https://127.0.0.1/a.csv", "this version reads s3://"),
    ] {
        gateway.attest(url, &[]).ends(2, &[why]);
        gateway.makoto(&["verify", url]).ends(2, &[why]);
    }
    let attest = [&["attest", "origin", "s3://bucket/a.csv"], &ORIGIN[..]].concat();
    let wrong = |key: &str, value: &str| {
        finish(
            gateway.command(gateway.port).args(&attest).env(key, value),
            b"",
        )
    };
    wrong("AWS_SECRET_ACCESS_KEY", "other").ends(2, &["does not allow", "AWS_ACCESS_KEY_ID"]);
    wrong("AWS_ENDPOINT_URL", "http://store.example.com").ends(2, &["is plain http"]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    wrong("AWS_ENDPOINT_URL", &nobody).ends(2, &["the object store failed"]);
    assert!(!gateway.object("a.csv.attestation").exists());
    let bad = b"id\n\"open\n";
    gateway.put("/bad.csv", bad);
    gateway
        .attest("s3://bucket/bad.csv", &[])
        .ends(2, &["s3://bucket/bad.csv"]);
    assert!(!gateway.object("bad.csv.attestation").exists());
}

#[test]
fn objects_are_inputs_and_may_be_many() {
    let gateway = Gateway::start();
    gateway.put("/a.csv", ROWS);
    gateway.put("/b.csv", ROWS);
    let both = ["s3://bucket/a.csv", "s3://bucket/b.csv", "s3://bucket/gone"];
    let ran = gateway.makoto(&[&["attest", "origin"], &both[..], &ORIGIN].concat());
    ran.ends(2, &["3 datasets: 2 attested, 1 failed"]);
    gateway
        .makoto(&["verify", both[0], both[1]])
        .ends(0, &["2 datasets: 2 passed"]);
    gateway.sandbox.write("out.csv", "id\n");
    let transform = [
        "attest",
        "transform",
        "out.csv",
        "--executor",
        "x",
        "--input",
        both[0],
    ];
    let ran = gateway.makoto(&[&transform[..], &["--json"]].concat());
    let statement = gateway.sandbox.written(&ran.json());
    assert_eq!(text(&statement, "predicate.inputs.0.name"), "dataset:a");
    assert_eq!(
        text(&statement, "predicate.inputs.0.digest.sha256"),
        Digest::of(ROWS).to_string()
    );
    let reference = text(&statement, "predicate.inputs.0.attestationRef");
    assert!(
        reference.starts_with("urn:makoto:attestation:sha256:"),
        "{statement}"
    );
    // An input that is not what its attestation says is refused.
    gateway.put("/a.csv", b"id,city\n");
    gateway
        .makoto(&[&transform[..], &["--replace"]].concat())
        .ends(1, &["is not what its attestation says"]);
}

/// What a proxy does to the answers of the server.
#[derive(Default)]
pub(crate) struct Weather {
    /// Bytes of answers that pass before it acts.
    pub(crate) lets_pass: AtomicU64,
    /// Whether it then ends connections; otherwise it holds them up.
    pub(crate) cuts: bool,
    /// Whether it is over.
    pub(crate) is_over: AtomicBool,
    pub(crate) passed: AtomicU64,
}

/// Starts a proxy before the server. Its threads end with the test program.
pub(crate) fn proxy(server: u16, weather: Arc<Weather>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server)))
            else {
                return;
            };
            let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
            let (from, to) = (clone(&client), clone(&server));
            thread::spawn(move || pump(from, to, |_| true));
            let weather = Arc::clone(&weather);
            thread::spawn(move || {
                pump(server, client, |count| {
                    let passed = weather.passed.fetch_add(count, Ordering::SeqCst) + count;
                    while passed > weather.lets_pass.load(Ordering::SeqCst)
                        && !weather.is_over.load(Ordering::SeqCst)
                    {
                        if weather.cuts {
                            return false;
                        }
                        thread::sleep(Duration::from_millis(5));
                    }
                    true
                });
            });
        }
    });
    port
}

/// Passes bytes on as long as `may_pass` says so, and then closes both ends.
fn pump(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(u64) -> bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !may_pass(count as u64) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Bytes of many ranges.
pub(crate) fn many_bytes() -> Vec<u8> {
    (0..40_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// An object of many ranges.
fn big(gateway: &Gateway) -> Vec<u8> {
    let bytes = many_bytes();
    gateway.put("/big.bin", &bytes);
    bytes
}

#[test]
fn a_store_that_fails_in_the_middle_is_asked_again_and_then_told() {
    let gateway = Gateway::start();
    let bytes = big(&gateway);
    let attest = [&["attest", "origin", "s3://bucket/big.bin"], &ORIGIN[..]].concat();
    let weather = Arc::new(Weather {
        lets_pass: 10_000_000.into(),
        cuts: true,
        ..Weather::default()
    });
    let port = proxy(gateway.port, Arc::clone(&weather));
    let ran = finish(gateway.command(port).args(&attest), b"");
    ran.ends(2, &["s3://bucket/big.bin"]);
    assert!(!gateway.object("big.bin.attestation").exists());
    // A short failure is bridged, and the bytes are right.
    let short = Arc::new(Weather {
        lets_pass: 10_000_000.into(),
        cuts: true,
        ..Weather::default()
    });
    let port = proxy(gateway.port, Arc::clone(&short));
    let over = thread::spawn(move || {
        until("the store failed", || {
            (short.passed.load(Ordering::SeqCst) > 10_000_000).then_some(())
        });
        thread::sleep(Duration::from_millis(20));
        short.is_over.store(true, Ordering::SeqCst);
    });
    let ran = finish(gateway.command(port).args(&attest), b"");
    over.join().expect("it was over");
    ran.ends(0, &[]);
    let statement = gateway.statement("big.bin.attestation");
    assert_eq!(
        text(&statement, "subject.0.digest.sha256"),
        Digest::of(&bytes).to_string()
    );
}

#[test]
fn a_store_that_does_not_go_on_is_not_waited_for_without_end() {
    let gateway = Gateway::start();
    big(&gateway);
    let port = proxy(
        gateway.port,
        Arc::new(Weather {
            lets_pass: 10_000_000.into(),
            ..Weather::default()
        }),
    );
    let attest = [&["attest", "origin", "s3://bucket/big.bin"], &ORIGIN[..]].concat();
    let ran = finish(
        gateway.command(port).args(&attest).env("AWS_TIMEOUT", "1s"),
        b"",
    );
    ran.ends(2, &["s3://bucket/big.bin"]);
    assert!(!gateway.object("big.bin.attestation").exists());
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_never_attested() {
    let gateway = Gateway::start();
    let mut bytes = big(&gateway);
    let weather = Arc::new(Weather {
        lets_pass: 3_000_000.into(),
        ..Weather::default()
    });
    let port = proxy(gateway.port, Arc::clone(&weather));
    let attest = [&["attest", "origin", "s3://bucket/big.bin"], &ORIGIN[..]].concat();
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| finish(gateway.command(port).args(&attest), b""));
        until("it is being read", || {
            (weather.passed.load(Ordering::SeqCst) > 3_000_000).then_some(())
        });
        // The same size, and one other byte.
        bytes[39_999_999] ^= 1;
        gateway.put("/big.bin", &bytes);
        weather.is_over.store(true, Ordering::SeqCst);
        running.join().expect("it ran")
    });
    ran.ends(2, &["changed while it was read"]);
    assert!(!gateway.object("big.bin.attestation").exists());
}

#[test]
fn credentials_and_the_server_may_stand_in_a_profile() {
    let gateway = Gateway::start();
    gateway.put("/a.csv", ROWS);
    let config = format!(
        "[profile lab]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:{}\n",
        gateway.port
    );
    gateway.sandbox.write("home/.aws/config", config);
    let keys = "[lab]\naws_access_key_id = makoto\naws_secret_access_key = not-a-secret\n";
    gateway.sandbox.write("home/.aws/credentials", keys);
    let attest = [&["attest", "origin", "s3://bucket/a.csv"], &ORIGIN[..]].concat();
    let with = |profile: &str| {
        let mut command = gateway.command(gateway.port);
        for key in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "AWS_ENDPOINT_URL",
        ] {
            command.env_remove(key);
        }
        command.env("HOME", gateway.sandbox.path("home"));
        finish(command.env("AWS_PROFILE", profile).args(&attest), b"")
    };
    with("other").ends(2, &["there is no profile \"other\""]);
    assert!(!gateway.object("a.csv.attestation").exists());
    with("lab").ends(0, &[]);
    // A server that a profile names is held to the same rule.
    let far = "[profile lab]\nendpoint_url = http://far.example\n";
    gateway.sandbox.write("home/.aws/config", far);
    with("lab").ends(2, &["is plain http"]);
}

#[test]
fn the_page_does_what_it_says() {
    let gateway = Gateway::start();
    gateway.put("/orders.csv", ROWS);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/batches.md");
    let page = std::fs::read_to_string(page).expect("a page");
    let (_, block) = page.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let binary = Path::new(MAKOTO)
        .parent()
        .expect("a folder")
        .display()
        .to_string();
    let path = format!("{binary}:{}", std::env::var("PATH").expect("a PATH"));
    let mut bash = gateway.command(gateway.port);
    let environment: Vec<_> = bash
        .get_envs()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
        .collect();
    bash = gateway.sandbox.program("bash");
    bash.args(["-euc", block])
        .env("PATH", path)
        .envs(environment);
    finish(&mut bash, b"").ends(0, &[]);
    assert_eq!(gateway.sandbox.read("orders.csv"), ROWS);
    assert!(gateway.sandbox.exists("orders.csv.attestation"));
}
