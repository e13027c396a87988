//! A folder of its own for a test, and the binary run in it.

use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use makoto::attestation::Attestation;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use tempfile::TempDir;

use crate::document::text;

/// The binary under test.
pub(crate) const MAKOTO: &str = env!("CARGO_BIN_EXE_makoto");

/// What every origin needs and no test cares about.
pub(crate) const ORIGIN: [&str; 4] = [
    "--source",
    "https://erp.example.com/orders",
    "--collector",
    "etl/orders",
];

/// Longer than anything here takes on a slow machine. A test that would hang fails instead.
const DEADLINE: Duration = Duration::from_secs(600);

/// A folder of its own for a test.
pub(crate) struct Sandbox(TempDir);

/// How the binary ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status, or 128 and the signal.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What tells whether a file was written again, even with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: Vec<u8>,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("makoto-test-").tempdir();
        Self(folder.expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("the folder can be made");
        }
        fs::write(&path, bytes).expect("the file can be written");
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("the file is text")
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    pub(crate) fn sha256(&self, name: &str) -> String {
        Digest::of(&self.read(name)).to_string()
    }

    pub(crate) fn stamp(&self, name: &str) -> Stamp {
        let metadata = fs::metadata(self.path(name)).expect("the file is there");
        Stamp {
            bytes: self.read(name),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        let metadata = fs::metadata(self.path(name)).expect("the file is there");
        metadata.permissions().mode() & 0o777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), permissions).expect("the mode can be set");
    }

    /// Names of everything in the folder, hidden files too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder can be read");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.expect("the folder can be read");
            entry.file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The one JSON document in a file.
    pub(crate) fn json(&self, name: &str) -> Json {
        parse(&self.read(name))
    }

    /// The binary, in this folder, with nothing in its environment that would change times.
    pub(crate) fn command(&self) -> Command {
        self.program(MAKOTO)
    }

    /// A shell script in this folder, with the binary as `$makoto`.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = self.program("sh");
        command.args(["-c", script]).env("makoto", MAKOTO);
        command
    }

    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("MAKOTO_STORE")
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .env_remove("CLICOLOR_FORCE")
            .env_remove("GITHUB_ACTIONS");
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn makoto(&self, arguments: &[&str]) -> Ran {
        finish(self.command().args(arguments), b"")
    }

    /// `attest origin DATA` with what it needs and what is given.
    pub(crate) fn attest(&self, data: &str, more: &[&str]) -> Ran {
        self.makoto(&[&["attest", "origin", data], &ORIGIN[..], more].concat())
    }

    /// As [`Sandbox::attest`], which must succeed. Returns the statement as it was written.
    pub(crate) fn attested(&self, data: &str, more: &[&str]) -> Json {
        let ran = self.attest(data, &[more, &["--json"]].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        self.written(&ran.json())
    }

    /// The statement that a report says was written, from the file that it names.
    pub(crate) fn written(&self, told: &Json) -> Json {
        let file = self.read(text(told, "written.0.path"));
        let statements = Attestation::parse_file(&file).expect("an attestation file");
        let id = text(told, "written.0.attestation");
        let written = statements
            .into_iter()
            .find(|one| format!("sha256:{}", one.id) == id);
        written.expect("the file holds what was written").statement
    }

    /// `verify DATA --json` with what is given. Returns the exit status and the report.
    pub(crate) fn verify(&self, data: &str, more: &[&str]) -> (i32, Json) {
        let ran = self.makoto(&[&["verify", data, "--json"], more].concat());
        (ran.status, ran.json())
    }
}

/// Runs a program to its end, with these bytes as its standard input.
pub(crate) fn finish(command: &mut Command, stdin: &[u8]) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    let stdin = stdin.to_vec();
    // A program that reads nothing closes the pipe early; that is its good right.
    let writing = thread::spawn(move || drop(input.write_all(&stdin)));
    let stdout = drain(child.stdout.take().expect("stdout is a pipe"));
    let stderr = drain(child.stderr.take().expect("stderr is a pipe"));
    let status = wait(&mut child);
    let said = |reader: thread::JoinHandle<Vec<u8>>| {
        let bytes = reader.join().expect("the pipe can be read");
        String::from_utf8(bytes).expect("what is said is UTF-8")
    };
    drop(writing);
    Ran {
        status,
        stdout: said(stdout),
        stderr: said(stderr),
    }
}

/// Runs the binary and watches its peak memory, in KiB.
pub(crate) fn measured(sandbox: &Sandbox, arguments: &[&str]) -> (Ran, u64) {
    let mut command = sandbox.command();
    let command = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("makoto can be started");
    // What says much would wait for a reader for ever.
    let stdout = drain(child.stdout.take().expect("stdout is a pipe"));
    let stderr = drain(child.stderr.take().expect("stderr is a pipe"));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0_u64;
    until("makoto ends", || {
        // A process that has ended has no memory any more.
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        match number {
            Some(kib) => {
                peak = peak.max(kib);
                None
            }
            None => Some(()),
        }
    });
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        let bytes = reader.join().expect("the pipe can be read");
        String::from_utf8(bytes).expect("UTF-8")
    };
    let ran = Ran {
        status: wait(&mut child),
        stdout: text(stdout),
        stderr: text(stderr),
    };
    (ran, peak)
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe can be read");
        bytes
    })
}

/// Waits for a child. Returns its exit status, or 128 and the signal that ended it.
pub(crate) fn wait(child: &mut Child) -> i32 {
    let status = until("the program ends", || {
        child.try_wait().expect("the child can be waited for")
    });
    code(status)
}

pub(crate) fn code(status: ExitStatus) -> i32 {
    let by_signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(by_signal)
}

/// Looks again and again until there is something, or the deadline has passed.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

impl Ran {
    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Json {
        match Json::parse(self.stdout.as_bytes(), &Limits::DEFAULT) {
            Ok(json) => json,
            Err(error) => panic!("{error}: {self:?}"),
        }
    }

    /// Checks how it ended and that each text is on stderr.
    #[track_caller]
    pub(crate) fn ends(&self, status: i32, told: &[&str]) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        for text in told {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        }
        self
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Json {
    match Json::parse(bytes, &Limits::DEFAULT) {
        Ok(json) => json,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(bytes)),
    }
}

/// Names of the entries of any folder.
pub(crate) fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).expect("the folder can be read").count() == 0
}
