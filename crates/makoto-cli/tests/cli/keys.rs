//! `makoto key`: keys that are made, shown and refused, with OpenSSL on the other side.

use std::os::unix::fs::symlink;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sandbox::{self, MAKOTO, Ran, Sandbox};

const PASSPHRASE: &str = "correct horse\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("pass", PASSPHRASE);
    sandbox.set_mode("pass", 0o600);
    sandbox
}

fn finish(command: &mut Command) -> Ran {
    sandbox::finish(command, b"")
}

fn key(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.arg("key").args(arguments);
    finish(command.args(["--passphrase-file", "pass"]))
}

fn openssl(sandbox: &Sandbox, arguments: &str) -> Ran {
    let ran = finish(
        sandbox
            .program("openssl")
            .args(arguments.split_whitespace()),
    );
    assert_eq!(ran.status, 0, "openssl {arguments}: {}", ran.stderr);
    ran
}

/// A key that is shown is refused with this in the reason.
fn refused(sandbox: &Sandbox, name: &str, reason: &str) {
    let ran = key(sandbox, &["show", name]);
    assert_eq!(ran.status, 2, "{name}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(reason), "{name}: {}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn openssl_reads_the_keys_that_we_make() {
    let sandbox = sandbox();
    for algorithm in ["es256", "es384", "ed25519", "ps256"] {
        let made = key(
            &sandbox,
            &["generate", "--algorithm", algorithm, "--out", algorithm],
        );
        assert_eq!(made.status, 0, "{}", made.stderr);
        assert_eq!(sandbox.mode(algorithm), 0o600);
        let public = format!("{algorithm}.pub");
        let arguments = format!("pkey -in {algorithm} -passin file:pass -pubout");
        assert_eq!(
            openssl(&sandbox, &arguments).stdout,
            sandbox.read_text(&public)
        );
        let shown = key(&sandbox, &["show", algorithm]);
        assert_eq!(shown.stdout, sandbox.read_text(&public));
        assert!(
            shown.stderr.contains(made.stdout.trim()),
            "{}",
            shown.stderr
        );
    }
}

#[test]
fn we_read_the_keys_that_openssl_makes() {
    let sandbox = sandbox();
    let p256 = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    openssl(
        &sandbox,
        &format!("{p256} -aes256 -pass file:pass -out pbkdf2"),
    );
    openssl(&sandbox, &format!("{p256} -out plain"));
    let topk8 = "pkcs8 -topk8 -in plain -passout file:pass";
    openssl(&sandbox, &format!("{topk8} -v2 aes256 -scrypt -out scrypt"));
    for name in ["pbkdf2", "scrypt"] {
        sandbox.set_mode(name, 0o600);
        let shown = key(&sandbox, &["show", name]);
        let arguments = format!("pkey -in {name} -passin file:pass -pubout");
        assert_eq!(shown.stdout, openssl(&sandbox, &arguments).stdout);
    }
    for (form, reason) in [
        ("-v2 aes128", "another cipher"),
        ("-v2 aes256 -v2prf hmacWithSHA512", "another hash"),
        ("-v2 aes256 -iter 10000001", "PBKDF2 rounds of 10000001"),
        (
            "-v2 aes256 -scrypt -scrypt_N 16384 -scrypt_r 8 -scrypt_p 40",
            "scrypt work of 5242880",
        ),
    ] {
        openssl(&sandbox, &format!("{topk8} {form} -out other"));
        sandbox.set_mode("other", 0o600);
        refused(&sandbox, "other", reason);
    }
}

#[test]
fn hostile_key_files_are_refused() {
    let sandbox = sandbox();
    assert_eq!(key(&sandbox, &["generate", "--out", "good"]).status, 0);
    assert_eq!(key(&sandbox, &["show", "good"]).status, 0);
    let good = sandbox.read_text("good");
    let private = |name: &str, text: &str| {
        sandbox.write(name, text);
        sandbox.set_mode(name, 0o600);
    };
    private("cut", &good[..good.len() / 2]);
    refused(&sandbox, "cut", "not one block of PEM");
    private("huge", &"A".repeat(40_000));
    refused(&sandbox, "huge", "longer than 32768 bytes");
    private(
        "label",
        &good.replace("ENCRYPTED PRIVATE KEY", "ENCRYPTED KEY"),
    );
    refused(&sandbox, "label", "ENCRYPTED KEY");
    private("open", &good);
    sandbox.set_mode("open", 0o644);
    refused(&sandbox, "open", "mode 0644, needed 0600");
    symlink(sandbox.path("good"), sandbox.path("link")).expect("a link");
    refused(&sandbox, "link", "symbolic link");
    let made = Command::new("mkfifo").arg(sandbox.path("fifo")).status();
    assert!(made.expect("mkfifo runs").success());
    refused(&sandbox, "fifo", "not a regular file");
    let scripts = [
        (
            "plain",
            "genpkey -algorithm ED25519 -out plain",
            "in plain text",
        ),
        (
            "p521",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -aes256 -pass file:pass -out p521",
            "P-521",
        ),
        (
            "small",
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes256 -pass file:pass -out small",
            "2048 bits",
        ),
    ];
    for (name, script, reason) in scripts {
        openssl(&sandbox, script);
        sandbox.set_mode(name, 0o600);
        refused(&sandbox, name, reason);
    }
}

#[test]
fn a_passphrase_is_private_and_the_right_one() {
    let sandbox = sandbox();
    assert_eq!(key(&sandbox, &["generate", "--out", "good"]).status, 0);
    sandbox.write("pass", "another\n");
    refused(&sandbox, "good", "is not opened by the passphrase");
    sandbox.write("pass", "\n");
    refused(&sandbox, "good", "passphrase file pass is empty");
    sandbox.write("pass", PASSPHRASE);
    sandbox.set_mode("pass", 0o640);
    refused(&sandbox, "good", "mode 0640");
    sandbox.set_mode("pass", 0o600);
    assert_eq!(key(&sandbox, &["show", "good"]).status, 0);
    let by_descriptor = "\"$makoto\" key show good --passphrase-fd 3 3< pass";
    assert_eq!(finish(&mut sandbox.shell(by_descriptor)).status, 0);
    let none = finish(&mut sandbox.shell("\"$makoto\" key show good < /dev/null"));
    assert_eq!(none.status, 2);
    assert!(none.stderr.contains("no terminal"), "{}", none.stderr);
}

#[test]
fn a_private_key_in_the_environment_is_refused() {
    let sandbox = sandbox();
    assert_eq!(key(&sandbox, &["generate", "--out", "good"]).status, 0);
    let mut command = sandbox.command();
    command.args(["key", "show", "good", "--passphrase-file", "pass"]);
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----";
    let ran = finish(command.env("KEY", pem));
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("variable \"KEY\""), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter22"), "{}", ran.stderr);
    // As CI systems keep it: the same in base64, and a key in DER.
    openssl(
        &sandbox,
        "genpkey -algorithm ED25519 -outform DER -out plain.der",
    );
    for secret in [pem.as_bytes().to_vec(), sandbox.read("plain.der")] {
        let secret = STANDARD.encode(secret);
        let mut command = sandbox.command();
        command.args(["key", "show", "good", "--passphrase-file", "pass"]);
        let ran = finish(command.env("KEY", &secret));
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("variable \"KEY\""), "{}", ran.stderr);
        assert!(!ran.stderr.contains(&secret), "{}", ran.stderr);
    }
}

#[test]
fn a_private_key_in_the_place_of_its_path_is_refused_and_not_shown() {
    let sandbox = sandbox();
    sandbox.write("orders.csv", "id\n1\n");
    openssl(
        &sandbox,
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out plain.der",
    );
    let secret = STANDARD.encode(sandbox.read("plain.der"));
    let shows = |ran: &Ran| [&ran.stdout, &ran.stderr].map(|told| told.contains(&secret[40..56]));
    let attest = |more: &[&str]| sandbox.attest("orders.csv", more);
    let equals = format!("--signer={secret}");
    for typed in [&["--signer", secret.as_str()][..], &[equals.as_str()]] {
        let ran = attest(typed);
        ran.ends(2, &["a private key itself"]);
        assert_eq!(shows(&ran), [false; 2], "{ran:?}");
    }
    // What may be half of one is not shown either.
    let ran = attest(&["--signer", &secret[..60]]);
    ran.ends(2, &["not shown"]);
    assert_eq!(shows(&ran), [false; 2], "{ran:?}");
    for text in [secret.as_str(), &secret[..60]] {
        sandbox.write("makoto.toml", format!("[defaults]\nsigner = '{text}'\n"));
        for ran in [attest(&[]), sandbox.makoto(&["doctor"])] {
            assert_ne!(ran.status, 0, "{ran:?}");
            assert_eq!(shows(&ran), [false; 2], "{ran:?}");
        }
    }
    assert!(!sandbox.exists("orders.csv.attestation"));
}

#[test]
fn a_key_is_never_written_over() {
    let sandbox = sandbox();
    let two = "\"$makoto\" key generate --out k --passphrase-file pass & \
               \"$makoto\" key generate --out k --passphrase-file pass; wait";
    finish(&mut sandbox.shell(two));
    let shown = key(&sandbox, &["show", "k"]);
    assert_eq!(shown.stdout, sandbox.read_text("k.pub"), "one of them won");
    assert_eq!(sandbox.names(), ["k", "k.pub", "pass"]);
    let before = (sandbox.stamp("k"), sandbox.stamp("k.pub"));
    let again = key(&sandbox, &["generate", "--out", "k"]);
    assert_eq!(again.status, 2);
    assert!(
        again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
    assert_eq!((sandbox.stamp("k"), sandbox.stamp("k.pub")), before);
}

#[test]
fn a_private_key_on_the_command_line_is_refused_and_not_shown() {
    let sandbox = sandbox();
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----";
    let origin = ["attest", "origin", "pass", "--source", "s"];
    for arguments in [
        &[&origin[..], &["--signer", pem]].concat()[..],
        &[&origin[..], &["--certificate", pem]].concat(),
        &[&origin[..], &["--passphrase-file", pem]].concat(),
        &["key", "publish", "k.pub", "--owner-key", pem],
        &["key", "show", pem],
        &["key", "show", "--json", pem],
    ] {
        let ran = sandbox.makoto(arguments);
        ran.ends(2, &["is a private key itself", "hint:"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("hunter22"), "{said}");
    }
}

/// A key `good`, with its passphrase in `pass`.
fn with_key() -> Sandbox {
    let sandbox = sandbox();
    assert_eq!(key(&sandbox, &["generate", "--out", "good"]).status, 0);
    sandbox
}

fn script(sandbox: &Sandbox, script: &str) -> Ran {
    finish(
        sandbox
            .program("bash")
            .args(["-c", script])
            .env("makoto", MAKOTO),
    )
}

#[test]
fn a_passphrase_is_one_line_of_a_descriptor_from_where_it_stands() {
    let sandbox = with_key();
    sandbox.write("second", format!("another\n{PASSPHRASE}"));
    let show = "\"$makoto\" key show good --passphrase-fd";
    // A line of a file was read already.
    let read = format!("exec 3< second; read -r line <&3; {show} 3");
    script(&sandbox, &read).ends(0, &[]);
    // What follows in a pipe is somebody else's.
    let rest = format!("printf '{PASSPHRASE}rest' | {{ {show} 0 && cat >&2; }}");
    script(&sandbox, &rest).ends(0, &["rest"]);
    // A pipe that stays open does not keep anybody waiting.
    let open = format!("mkfifo p; exec 3<> p; echo correct horse >&3; {show} 3");
    script(&sandbox, &open).ends(0, &[]);
    let socket = "import os, socket, sys
here, there = socket.socketpair()
there.send(b'correct horse\\n')
os.dup2(here.fileno(), 7)
os.execv(sys.argv[1], ['makoto', 'key', 'show', 'good', '--passphrase-fd', '7'])";
    let mut command = sandbox.program("python3");
    finish(command.args(["-c", socket, MAKOTO])).ends(0, &[]);
    script(&sandbox, &format!("{show} 42")).ends(2, &["cannot read file descriptor 42", "hint:"]);
    let long = format!("{show} 3 3< <(head -c 9000 /dev/zero)");
    script(&sandbox, &long).ends(2, &["longer than 1024 bytes"]);
}

#[test]
fn a_command_that_is_run_finds_no_passphrase_in_a_descriptor() {
    let sandbox = with_key();
    sandbox.write("in.csv", "a\n1\n");
    let run = "\"$makoto\" run --input in.csv --output out.csv --replace --signer file:good --passphrase-fd";
    let command = "-- sh -c 'cat <&3 > seen; cp in.csv out.csv'";
    let pipe = format!("{run} 3 {command} 3< <(cat pass)");
    script(&sandbox, &pipe).ends(0, &[]);
    assert_eq!(sandbox.read_text("seen"), "");
    // A file could be wound back: nothing is run.
    std::fs::remove_file(sandbox.path("seen")).expect("removed");
    let file = format!("{run} 3 {command} 3< pass");
    script(&sandbox, &file).ends(2, &["could read the passphrase from it again", "hint:"]);
    assert!(!sandbox.exists("seen"));
}

#[test]
fn stdin_is_not_both_data_and_passphrase() {
    let sandbox = with_key();
    let origin = ["attest", "origin", "--source", "s", "--collector", "c"];
    let signer = ["--signer", "file:good", "--passphrase-fd", "0"];
    for (more, told) in [
        (
            &["-", "--name", "dataset:d", "--out", "a"][..],
            "the data is",
        ),
        (&["--files-from", "-"], "the list of files is"),
        (&[".", "--files-from", "-"], "the list of files is"),
    ] {
        let mut command = sandbox.command();
        command.args(origin).args(signer).args(more);
        let ran = sandbox::finish(&mut command, PASSPHRASE.as_bytes());
        ran.ends(2, &["--passphrase-fd 0 is stdin", told, "hint:"]);
    }
}

#[test]
fn a_passphrase_without_a_signer_is_not_passed_over() {
    let sandbox = sandbox();
    for option in [["--passphrase-file", "pass"], ["--passphrase-fd", "3"]] {
        let ran = sandbox.attest("pass", &option);
        ran.ends(2, &[option[0], "needs a signer", "hint: add --signer"]);
    }
    assert_eq!(sandbox.names(), ["pass"]);
}

/// Runs the rest of the command line at a terminal of its own, and once something is asked there
/// without being shown, types the first argument, or sends the signal of that number. Prints the
/// end of the program, what it said, and whether the terminal shows what is typed.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys, termios
answers, command = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
shows = lambda: bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
said = b""
def read():
    global said
    try:
        more = os.read(terminal, 1000)
    except OSError:
        more = b""
    said += more
    return more
for answer in answers.split("|"):
    while not said.endswith(b": "):
        assert read(), said
    while shows():
        pass
    said += b"."
    if answer.isdigit():
        os.kill(pid, int(answer))
    else:
        os.write(terminal, answer.encode().decode("unicode_escape").encode())
while read():
    pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, shows(), said.decode())
"#;

fn at_a_terminal(sandbox: &Sandbox, answers: &str, arguments: &[&str]) -> String {
    let mut command = sandbox.program("python3");
    command.args(["-c", AT_A_TERMINAL, answers, MAKOTO]);
    let ran = finish(command.args(arguments));
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.stdout
}

#[test]
fn a_passphrase_is_typed_at_a_terminal_and_not_shown() {
    let sandbox = sandbox();
    let generate = ["key", "generate", "--out", "typed"];
    let said = at_a_terminal(&sandbox, "correct horse\\r|correct horse\\r", &generate);
    assert!(said.starts_with("0 True"), "{said}");
    assert!(said.contains("new passphrase of typed: "), "{said}");
    assert!(!said.contains("horse"), "{said}");
    assert_eq!(key(&sandbox, &["show", "typed"]).status, 0);
    let generate = ["key", "generate", "--out", "other"];
    let said = at_a_terminal(&sandbox, "correct horse\\r|correct hrose\\r", &generate);
    assert!(said.starts_with("2 True"), "{said}");
    assert!(said.contains("are not the same"), "{said}");
    assert!(!sandbox.exists("other"));
}

#[test]
fn a_terminal_that_was_asked_for_a_passphrase_shows_again_what_is_typed() {
    let sandbox = with_key();
    for (answer, ended) in [("\\x03", -2), ("2", -2), ("15", -15), ("1", -1)] {
        let said = at_a_terminal(&sandbox, answer, &["key", "show", "good"]);
        assert!(
            said.starts_with(&format!("{ended} True")),
            "{answer}: {said}"
        );
    }
    // A command that is run afterwards is the one to say what a signal does.
    sandbox.write("in.csv", "a\n1\n");
    let step =
        "trap 'exit 9' TERM; cp in.csv out.csv; kill -TERM $PPID; while :; do sleep 0.02; done";
    let run = [
        "run",
        "--input",
        "in.csv",
        "--output",
        "out.csv",
        "--signer",
        "file:good",
    ];
    let run = [&run[..], &["--", "sh", "-c", step]].concat();
    let said = at_a_terminal(&sandbox, "correct horse\\r", &run);
    assert!(said.starts_with("9 True"), "{said}");
}

#[test]
fn a_passphrase_that_nobody_could_type_is_refused_by_name() {
    let sandbox = with_key();
    for (bytes, reason) in [
        (
            &b"correct horse\nbattery\n"[..],
            "pass has more than one line",
        ),
        (b"\nbattery\n", "pass has more than one line"),
        (
            b"\xef\xbb\xbfcorrect horse\n",
            "pass starts with a byte order mark",
        ),
        (b"correct\thorse\n", "pass has a control character"),
        (b"correct horse\0", "pass has a control character"),
    ] {
        sandbox.write("pass", bytes);
        refused(&sandbox, "good", reason);
    }
    sandbox.write("pass", "correct horse\r\n");
    assert_eq!(key(&sandbox, &["show", "good"]).status, 0);
}

#[test]
fn what_is_refused_says_how_it_would_be_taken() {
    let sandbox = with_key();
    symlink("pass", sandbox.path("link")).expect("a link");
    let show = |file: &str| {
        let show = ["key", "show", "good", "--passphrase-file", file];
        sandbox.makoto(&show)
    };
    show("link").ends(2, &["symbolic link", "--passphrase-fd 3 3< link"]);
    let pipe = "\"$makoto\" key show good --passphrase-file <(cat pass)";
    script(&sandbox, pipe).ends(2, &["--passphrase-fd"]);
    script(&sandbox, "mkfifo fifo").ends(0, &[]);
    show("fifo").ends(2, &["not a regular file", "--passphrase-fd 3 3< fifo"]);
    show("none").ends(
        2,
        &["passphrase file none is not there", "hint: check the path"],
    );
    sandbox.set_mode("pass", 0o644);
    show("pass").ends(2, &["chmod 600 pass; or", "--passphrase-fd 3 3< pass"]);
    sandbox.set_mode("pass", 0o600);

    let sign = |key: &str| sandbox.attest("pass", &["--signer", key, "--passphrase-file", "pass"]);
    sign("file:none").ends(2, &["key none is not there", "hint: check the path"]);
    sign("file:good.pub").ends(
        2,
        &[
            "is a public key",
            "hint: the private key of it is probably good",
        ],
    );
    let show = sandbox.makoto(&["key", "show", "none"]);
    show.ends(2, &["key none is not there", "hint: check the path"]);
}
