//! References of inputs that lead to a host: followed where the policy allows it, and told.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use makoto::attestation::Attestation;
use makoto::json::Json;

use crate::document::{at, fails, has_check, text, with};
use crate::judged::{BY, COLLECTOR, POLICY, attest, passes, sign, signed};
use crate::sandbox::Sandbox;

/// A host on loopback: what lies at each path, and who asked.
struct Shop {
    address: String,
    wares: Mutex<HashMap<String, Ware>>,
    asked: Mutex<Vec<String>>,
}

#[derive(Clone)]
enum Ware {
    Bytes(Vec<u8>),
    Elsewhere(String),
    Endless,
    Half(Vec<u8>),
}

impl Shop {
    fn open() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let shop = Arc::new(Self {
            address: listener.local_addr().expect("an address").to_string(),
            wares: Mutex::default(),
            asked: Mutex::default(),
        });
        let keeper = Arc::clone(&shop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                keeper.serve(stream);
            }
        });
        shop
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut part) {
                Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked.lock().expect("whole").push(path.clone());
        let ware = self.wares.lock().expect("whole").get(&path).cloned();
        // Whoever has had enough closes the connection.
        let _ = match ware {
            None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            Some(Ware::Elsewhere(url)) => write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
            ),
            Some(Ware::Bytes(bytes)) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
                stream.write_all(&[head.as_bytes(), &bytes].concat())
            }
            Some(Ware::Half(bytes)) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
                stream.write_all(&[head.as_bytes(), &bytes[..bytes.len() / 2]].concat())
            }
            Some(Ware::Endless) => {
                let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while written.is_ok() {
                    written = stream.write_all(&[b' '; 64 << 10]);
                }
                written
            }
        };
    }

    fn put(&self, path: &str, ware: Ware) {
        self.wares.lock().expect("whole").insert(path.into(), ware);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("whole"))
    }
}

/// A step over orders that lie elsewhere: signed, with a reference to `reference`, and a policy
/// with `ref-hosts` of these.
fn step(reference: &str, hosts: &[&str]) -> Sandbox {
    let sandbox = signed();
    refer(&sandbox, reference);
    allow(&sandbox, hosts);
    sandbox
}

/// Attests and signs the step anew.
fn refer(sandbox: &Sandbox, reference: &str) {
    sandbox.write("away/clean.csv", "id,total\n1,9.50\n");
    let step = ["attest", "transform", "away/clean.csv"];
    let input = ["--input", "data/orders.csv", "--type", "filter"];
    let by = ["--executor", COLLECTOR];
    let at = "2026-11-01T08:00:00Z";
    let times = ["--started", at, "--finished", at];
    let sidecar = "away/clean.csv.attestation";
    let _ = std::fs::remove_file(sandbox.path(sidecar));
    sandbox
        .makoto(&[&step[..], &input, &by, &times].concat())
        .ends(0, &[]);
    let statement = sandbox.json(sidecar);
    let input = "predicate.inputs.0";
    let statement = with(&statement, input, "attestationRef", Some(reference.into()));
    sandbox.write(sidecar, statement.to_string());
    sign(sandbox, "away/clean.csv", "collector");
}

/// Where a registry has the attestation of the orders, and its bytes.
fn pinned(sandbox: &Sandbox) -> (String, Vec<u8>) {
    let bundle = sandbox.read("data/orders.csv.attestation");
    let id = Attestation::parse(&bundle).expect("an attestation").id;
    (format!("/attestations/id/sha256:{id}"), bundle)
}

fn allow(sandbox: &Sandbox, hosts: &[&str]) {
    let hosts = Json::from_iter(hosts.iter().map(|host| Json::from(*host))).to_string();
    let policy = POLICY.replacen('\n', &format!("\nref-hosts = {hosts}\n"), 1);
    sandbox.write("trust/policy.toml", policy);
}

fn verify(sandbox: &Sandbox) -> (i32, Json) {
    sandbox.verify("away/clean.csv", &BY)
}

/// Not told, with these words.
fn unknown(verified: &(i32, Json), words: &[&str]) {
    let (status, report) = verified;
    assert_eq!(
        (*status, text(report, "verdict")),
        (2, "unknown"),
        "{report}"
    );
    assert_eq!(at(report, "level"), &Json::Null);
    assert!(has_check(report, "skip", words), "{report}");
}

#[test]
fn a_reference_is_followed_where_the_policy_allows_the_host_and_told_as_unpinned() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[&shop.address]);
    shop.put(
        "/orders",
        Ware::Bytes(sandbox.read("data/orders.csv.attestation")),
    );
    let verified = verify(&sandbox);
    passes(&verified);
    assert_eq!(shop.asked(), ["/orders"]);
    assert!(
        has_check(&verified.1, "warn", &["L2.P.9", "unpinned", "/orders"]),
        "{}",
        verified.1
    );
    // Whoever is strict wants to know which statement was meant.
    let policy = sandbox.read_text("trust/policy.toml");
    sandbox.write(
        "trust/policy.toml",
        policy.replacen('\n', "\nstrict = true\nmax-signing-delay = \"3650d\"\n", 1),
    );
    fails(&verify(&sandbox), &["L2.P.9", "unpinned"]);
    let ran = sandbox.makoto(&[&["verify", "away/clean.csv"], &BY[..]].concat());
    assert!(ran.stdout.contains("a reference with a digest"), "{ran:?}");
}

#[test]
fn nobody_is_asked_whom_the_policy_does_not_name() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[]);
    shop.put(
        "/orders",
        Ware::Bytes(sandbox.read("data/orders.csv.attestation")),
    );
    let port = shop.address.trim_start_matches("127.0.0.1:");
    let localhost = format!("localhost:{port}");
    for hosts in [&[][..], &["registry.example", "127.0.0.1"], &[&localhost]] {
        allow(&sandbox, hosts);
        unknown(&verify(&sandbox), &["L2.V.8", "ref-hosts"]);
    }
    // One rule allows it, and the others that apply do not.
    let own = format!(
        "\nname = \"dataset:clean\"\nref-hosts = [\"{}\"]\n",
        shop.address
    );
    let policy = POLICY.replace("\nname = \"dataset:clean\"\n", &own);
    sandbox.write("trust/policy.toml", &policy);
    unknown(&verify(&sandbox), &["ref-hosts"]);
    assert!(shop.asked().is_empty());
    let named = [&BY[..], &["--as", "dataset:clean"]].concat();
    passes(&sandbox.verify("away/clean.csv", &named));
    // An address that says one host and means another.
    allow(&sandbox, &["registry.example", &shop.address]);
    for reference in [
        format!("http://registry.example@{}/orders", shop.address),
        format!("ftp://{}/orders", shop.address),
        format!(
            "file://{}",
            sandbox.path("data/orders.csv.attestation").display()
        ),
    ] {
        shop.asked();
        refer(&sandbox, &reference);
        unknown(&verify(&sandbox), &["L2.V.8", "is followed only if"]);
        assert!(shop.asked().is_empty(), "{reference}");
    }
}

#[test]
fn what_is_fetched_is_verified_by_the_same_door() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[&shop.address]);
    let good = sandbox.read("data/orders.csv.attestation");
    // Of other data, by a stranger, and by nobody.
    sandbox.write("other/orders.csv", "id,total\n3,1.00\n");
    attest(&sandbox, "other/orders.csv", &[]);
    let bare = sandbox.read("other/orders.csv.attestation");
    sign(&sandbox, "other/orders.csv", "collector");
    let other = sandbox.read("other/orders.csv.attestation");
    shop.put("/orders", Ware::Bytes(other.clone()));
    fails(&verify(&sandbox), &["L2.V.8", "other data"]);
    shop.put("/orders", Ware::Bytes(bare));
    fails(&verify(&sandbox), &["L2.V.8", "unsigned"]);
    sandbox.write("copy/orders.csv", sandbox.read("data/orders.csv"));
    attest(&sandbox, "copy/orders.csv", &[]);
    sign(&sandbox, "copy/orders.csv", "other");
    let stranger = sandbox.read("copy/orders.csv.attestation");
    shop.put("/orders", Ware::Bytes(stranger));
    fails(&verify(&sandbox), &["L2.V.8", "L2.V.4"]);
    // Which of several is meant, nobody said.
    shop.put("/orders", Ware::Bytes([&good[..], b"\n", &other].concat()));
    unknown(&verify(&sandbox), &["L2.V.8", "or several"]);
    shop.put("/orders", Ware::Bytes(good));
    passes(&verify(&sandbox));
}

#[test]
fn a_host_that_gives_nothing_leaves_the_verdict_open() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[&shop.address]);
    let good = sandbox.read("data/orders.csv.attestation");
    shop.put("/whole", Ware::Bytes(good.clone()));
    for (ware, why) in [
        (
            Ware::Elsewhere(shop.url("/whole")),
            "redirects elsewhere (302)",
        ),
        (
            Ware::Bytes(b"<h1>log in</h1>".to_vec()),
            "could not be fetched",
        ),
        (Ware::Endless, "bytes"),
        (Ware::Half(good), "broke off"),
    ] {
        shop.put("/orders", ware);
        unknown(&verify(&sandbox), &["L2.V.8", why]);
    }
    assert!(!shop.asked().contains(&"/whole".to_owned()));
    refer(&sandbox, &shop.url("/nothing"));
    unknown(&verify(&sandbox), &["HTTP status 404"]);
    allow(&sandbox, &["127.0.0.1:1"]);
    refer(&sandbox, "http://127.0.0.1:1/orders");
    unknown(&verify(&sandbox), &["cannot reach"]);
}

#[test]
fn a_reference_with_a_digest_is_looked_for_here_first_and_checked_wherever_it_lies() {
    let shop = Shop::open();
    let sandbox = signed();
    let (path, bundle) = pinned(&sandbox);
    refer(&sandbox, &shop.url(&path));
    unknown(&verify(&sandbox), &["L2.V.8", "was not found"]);
    allow(&sandbox, &[&shop.address]);
    shop.put(&path, Ware::Bytes(bundle));
    let verified = verify(&sandbox);
    passes(&verified);
    assert!(
        !has_check(&verified.1, "warn", &["unpinned"]),
        "{}",
        verified.1
    );
    assert_eq!(shop.asked(), [path.as_str()]);
    // Beside the data, nobody need be asked.
    let near = [&BY[..], &["--in", "data"]].concat();
    passes(&sandbox.verify("away/clean.csv", &near));
    assert!(shop.asked().is_empty());
    // The host hands out another one about the same data.
    sandbox.write("copy/orders.csv", sandbox.read("data/orders.csv"));
    attest(&sandbox, "copy/orders.csv", &["--name", "dataset:clean"]);
    sign(&sandbox, "copy/orders.csv", "collector");
    shop.put(
        &path,
        Ware::Bytes(sandbox.read("copy/orders.csv.attestation")),
    );
    fails(&verify(&sandbox), &["L2.V.8", "is another than sha256:"]);
}

#[test]
fn what_anyone_puts_beside_the_data_hides_nothing_that_lies_elsewhere() {
    let shop = Shop::open();
    let sandbox = signed();
    let (path, bundle) = pinned(&sandbox);
    refer(&sandbox, &shop.url(&path));
    allow(&sandbox, &[&shop.address]);
    let envelope = at(&crate::sandbox::parse(&bundle), "dsseEnvelope").clone();
    let unsigned = with(&envelope, "", "signatures", Some(Json::Array(Vec::new())));
    sandbox.write("away/orders.csv.attestation", unsigned.to_string());
    fails(&verify(&sandbox), &["L2.V.8", "unsigned"]);
    shop.put(&path, Ware::Bytes(bundle));
    passes(&verify(&sandbox));
    allow(&sandbox, &[]);
    fails(&verify(&sandbox), &["L2.V.8", "unsigned"]);
}

#[test]
fn a_step_is_not_attested_by_its_own_output() {
    let shop = Shop::open();
    let sandbox = signed();
    // What a step leaves as it was.
    sandbox.write("away/same.csv", crate::verify::ORDERS);
    let time = "2026-11-01T08:00:00Z";
    let step = [
        "attest",
        "transform",
        "away/same.csv",
        "--input",
        "data/orders.csv",
    ];
    let more = ["--name", "dataset:clean", "--executor", COLLECTOR];
    let times = ["--started", time, "--finished", time];
    sandbox
        .makoto(&[&step[..], &more, &times].concat())
        .ends(0, &[]);
    let sidecar = "away/same.csv.attestation";
    let reference = Some(shop.url("/same").as_str().into());
    let statement = with(
        &sandbox.json(sidecar),
        "predicate.inputs.0",
        "attestationRef",
        reference,
    );
    sandbox.write(sidecar, statement.to_string());
    sign(&sandbox, "away/same.csv", "collector");
    let direct = POLICY.replace(
        "require = \"L2\"\n",
        "require = \"L2\"\nlineage = \"direct\"\n",
    );
    let hosts = format!("\nref-hosts = [\"{}\"]\n", shop.address);
    sandbox.write("trust/policy.toml", direct.replacen('\n', &hosts, 1));
    shop.put("/same", Ware::Bytes(sandbox.read(sidecar)));
    fails(
        &sandbox.verify("away/same.csv", &BY),
        &["L2.V.9", "own output"],
    );
    shop.put(
        "/same",
        Ware::Bytes(sandbox.read("data/orders.csv.attestation")),
    );
    passes(&sandbox.verify("away/same.csv", &BY));
}

#[test]
fn a_key_in_a_reference_is_not_shown_in_what_is_told_of_it() {
    let shop = Shop::open();
    let reference = format!("http://user:hunter2@{}/a?key=SECRET", shop.address);
    let sandbox = step(&reference, &[&shop.address]);
    let told = |sandbox: &Sandbox| {
        let ran = sandbox.makoto(&[&["verify", "away/clean.csv"], &BY[..]].concat());
        assert!(
            !ran.stdout.contains("hunter2") && !ran.stdout.contains("SECRET"),
            "{ran:?}"
        );
        assert!(ran.stdout.contains(&shop.address), "{ran:?}");
    };
    told(&sandbox);
    refer(&sandbox, &shop.url("/a?key=SECRET"));
    told(&sandbox);
    // Followed, it is told without as well.
    let all = [&["verify", "away/clean.csv", "--verbose"], &BY[..]].concat();
    shop.put(
        "/a?key=SECRET",
        Ware::Bytes(sandbox.read("data/orders.csv.attestation")),
    );
    let ran = sandbox.makoto(&all);
    ran.ends(0, &[]);
    let unpinned = ran.stdout.lines().find(|line| line.contains("unpinned"));
    assert!(
        unpinned.is_some_and(|line| !line.contains("SECRET")),
        "{ran:?}"
    );
}

#[test]
fn a_package_is_made_for_where_nobody_can_be_asked() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[&shop.address]);
    shop.put(
        "/orders",
        Ware::Bytes(sandbox.read("data/orders.csv.attestation")),
    );
    passes(&verify(&sandbox));
    shop.asked();
    let pack = [
        "pack",
        "away/clean.csv",
        "--policy",
        "trust/policy.toml",
        "--output",
        "all.zip",
    ];
    let ran = sandbox.makoto(&pack);
    assert!(shop.asked().is_empty(), "{ran:?}");
    assert_ne!(ran.status, 0, "{ran:?}");
}

#[test]
fn nobody_is_asked_for_what_decides_nothing() {
    let shop = Shop::open();
    let sandbox = step(&shop.url("/orders"), &[&shop.address]);
    shop.put("/orders", Ware::Endless);
    unknown(&verify(&sandbox), &["L2.V.8"]);
    shop.asked();
    let policy = sandbox.read_text("trust/policy.toml");
    let lax = policy.replace("require = \"L2\"", "require = \"L1\"");
    sandbox.write("trust/policy.toml", lax);
    let (status, report) = verify(&sandbox);
    assert_eq!((status, text(&report, "level")), (0, "L1"), "{report}");
    assert!(shop.asked().is_empty());
}
