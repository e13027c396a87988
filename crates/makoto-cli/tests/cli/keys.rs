//! `makoto key`: keys that are made, shown and refused, with OpenSSL on the other side.

use std::os::unix::fs::symlink;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sandbox::{self, Ran, Sandbox};

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
    refused(&sandbox, "good", "the passphrase is empty");
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
