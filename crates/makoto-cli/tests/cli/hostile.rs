//! Data that is no plain file, that moves, that is far larger than it looks, or is broken.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::document::text;
use crate::sandbox::{MAKOTO, ORIGIN, Ran, Sandbox, finish, measured};

/// Runs the binary as somebody who is not root, to whom modes mean something.
fn as_nobody(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    if !rustix::process::getuid().is_root() {
        return sandbox.makoto(arguments);
    }
    // Nobody may look into the build folder of root, or into a new temporary folder.
    let shared = Sandbox::new();
    for place in [&shared, sandbox] {
        let mode = place.mode("");
        place.set_mode("", mode | 0o055);
    }
    // Copied by another program: while this one has it open for writing, a child of another test
    // may have it open too, and then it cannot be run.
    let mut copy = sandbox.program("cp");
    finish(copy.arg(MAKOTO).arg(shared.path("makoto")), b"").ends(0, &[]);
    let somebody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = sandbox.program("setpriv");
    finish(
        command
            .args(somebody)
            .arg(shared.path("makoto"))
            .args(arguments),
        b"",
    )
}

fn pipe(sandbox: &Sandbox, name: &str) {
    finish(sandbox.program("mkfifo").arg(name), b"").ends(0, &[]);
}

#[test]
fn a_pipe_is_refused_without_waiting() {
    let sandbox = Sandbox::new();
    pipe(&sandbox, "pipe.csv");
    sandbox.write("in.csv", "a\n");
    let transform = [
        "attest",
        "transform",
        "in.csv",
        "--input",
        "pipe.csv",
        "--executor",
        "e",
    ];
    let output = [
        "attest",
        "transform",
        "pipe.csv",
        "--input",
        "in.csv",
        "--executor",
        "e",
    ];
    let run = [
        "run", "--input", "pipe.csv", "--output", "o", "--", "touch", "o",
    ];
    for arguments in [&transform[..], &output, &run, &["validate", "pipe.csv"]] {
        sandbox
            .makoto(arguments)
            .ends(2, &["pipe.csv", "named pipe"]);
    }
    sandbox
        .attest("pipe.csv", &[])
        .ends(2, &["pipe.csv", "named pipe", "hint:"]);
    sandbox
        .attest("pipe.csv", &["--format", "bytes"])
        .ends(2, &["named pipe"]);
    let given = ["verify", "in.csv", "--attestation", "pipe.csv"];
    sandbox.makoto(&given).ends(2, &["named pipe"]);
    assert_eq!(sandbox.names(), ["in.csv", "pipe.csv"]);
    sandbox.attested("in.csv", &["--out", "a"]);
    let given = ["verify", "pipe.csv", "--attestation", "a"];
    sandbox.makoto(&given).ends(2, &["named pipe"]);
}

#[test]
fn a_pipe_in_the_place_of_an_attestation_is_refused_without_waiting() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n");
    pipe(&sandbox, "data.csv.attestation");
    for more in [&[][..], &["--replace"], &["--append"]] {
        sandbox
            .attest("data.csv", more)
            .ends(2, &["data.csv.attestation", "named pipe"]);
    }
    sandbox
        .makoto(&["verify", "data.csv"])
        .ends(2, &["data.csv.attestation", "named pipe"]);
    let step = [
        "run", "--input", "data.csv", "--output", "o", "--", "touch", "o",
    ];
    sandbox.makoto(&step).ends(2, &["named pipe"]);
    assert!(!sandbox.exists("o"));
    sandbox.write("parts/a", "1");
    pipe(&sandbox, "parts.manifest");
    let ran = sandbox.attest("parts", &[]);
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(!sandbox.exists("parts.attestation"));
}

#[test]
fn devices_and_sockets_are_refused() {
    let sandbox = Sandbox::new();
    for device in ["/dev/zero", "/dev/null", "/dev/tty", "/dev/full"] {
        let out = ["--out", "out"];
        let ran = sandbox.attest(device, &out);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains(device), "{ran:?}");
    }
    sandbox
        .attest("/dev/zero", &["--out", "out"])
        .ends(2, &["a device"]);
    let piped = [
        &["attest", "origin", "/dev/stdin", "--out", "out"],
        &ORIGIN[..],
    ]
    .concat();
    finish(sandbox.command().args(piped), b"a\n").ends(2, &["/dev/stdin"]);
    let _socket = UnixListener::bind(sandbox.path("socket")).expect("a socket");
    sandbox.attest("socket", &[]).ends(2, &["socket"]);
    assert_eq!(sandbox.names(), ["socket"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n");
    sandbox.write("parts/a", "1");
    sandbox.attested("data.csv", &["--out", "readable"]);
    sandbox.set_mode("data.csv", 0);
    sandbox.set_mode("parts/a", 0);
    let before = sandbox.names();
    for data in ["data.csv", "parts"] {
        let attest = [&["attest", "origin", data, "--out", "out"], &ORIGIN[..]].concat();
        as_nobody(&sandbox, &attest).ends(2, &[data, "ermission denied"]);
    }
    let verify = ["verify", "data.csv", "--attestation", "readable", "--json"];
    let ran = as_nobody(&sandbox, &verify);
    ran.ends(2, &["data.csv", "ermission denied"]);
    assert_eq!(text(&ran.json(), "verdict"), "unknown");
    assert_eq!(sandbox.names(), before);
    sandbox.set_mode("data.csv", 0o644);
    as_nobody(&sandbox, &verify).ends(0, &[]);
    sandbox.set_mode("readable", 0);
    as_nobody(&sandbox, &verify).ends(2, &["readable", "ermission denied"]);
}

#[test]
fn in_a_folder_that_cannot_be_written_nothing_is_lost() {
    let sandbox = Sandbox::new();
    sandbox.write("ro/data.csv", "a\n1\n");
    sandbox.attested("ro/data.csv", &[]);
    let before = sandbox.stamp("ro/data.csv.attestation");
    sandbox.set_mode("ro", 0o555);
    let attest = [&["attest", "origin", "ro/data.csv"], &ORIGIN[..]].concat();
    let other = [&attest[..], &["--geography", "DE", "--replace"]].concat();
    as_nobody(&sandbox, &other).ends(2, &["ro/data.csv.attestation", "ermission denied"]);
    assert_eq!(sandbox.stamp("ro/data.csv.attestation"), before);
    // What needs no writing works.
    as_nobody(&sandbox, &attest).ends(0, &[]);
    as_nobody(&sandbox, &["verify", "ro/data.csv"]).ends(0, &[]);
    let copy = as_nobody(&sandbox, &["verify", "ro/data.csv", "--output", "ro/copy"]);
    copy.ends(2, &["ro/copy", "ermission denied"]);
    sandbox.set_mode("ro", 0o755);
    let names = std::fs::read_dir(sandbox.path("ro"))
        .expect("the folder")
        .count();
    assert_eq!(names, 2);
}

#[test]
fn ten_gibibytes_of_nothing_are_hashed_to_the_last_byte() {
    let sandbox = Sandbox::new();
    let file = File::create(sandbox.path("sparse.bin")).expect("a file");
    file.set_len(10 << 30).expect("a sparse file");
    let attest = [&["attest", "origin", "sparse.bin", "--json"], &ORIGIN[..]].concat();
    let (ran, peak) = measured(&sandbox, &attest);
    let told = ran.ends(0, &[]).json();
    // head -c 10737418240 /dev/zero | sha256sum
    let expected = "732377e7f4a2abdc13ddfa1eb4c9c497fd2a2b294674d056cf51581b47dd586d";
    assert_eq!(text(&told, "subject.0.digest.sha256"), expected);
    assert!(peak < 64 << 10, "{peak} KiB");
}

/// Attests a file while `disturb` works on it without end.
fn attest_while(name: &str, disturb: impl Fn(&Path) + Sync) {
    let sandbox = Sandbox::new();
    let record = format!("{}\n", "x".repeat(999));
    let path = sandbox.write(name, record.repeat(60_000));
    let stop = AtomicBool::new(false);
    let ran = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                disturb(&path);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let ran = sandbox.attest(name, &[]);
        stop.store(true, Ordering::Relaxed);
        ran
    });
    ran.ends(2, &[name, "changed while it was read", "hint:"]);
    assert_eq!(sandbox.names(), [name]);
}

#[test]
fn a_file_that_grows_while_it_is_hashed_is_refused() {
    for name in ["grows.bin", "grows.jsonl", "grows.csv"] {
        attest_while(name, |path| {
            let mut file = OpenOptions::new()
                .append(true)
                .open(path)
                .expect("the file");
            file.write_all(b"more\n").expect("it can grow");
        });
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_hashed_is_refused() {
    attest_while("shrinks.jsonl", |path| {
        let file = OpenOptions::new().write(true).open(path).expect("the file");
        let size = file.metadata().expect("its size").len();
        file.set_len(size - 1_000).expect("it can shrink");
    });
}

#[test]
fn a_file_that_is_written_in_place_while_it_is_hashed_is_refused() {
    attest_while("moves.jsonl", |path| {
        let mut file = OpenOptions::new().write(true).open(path).expect("the file");
        file.seek(SeekFrom::Start(5)).expect("it is long enough");
        file.write_all(b"y").expect("it can be written");
    });
}
