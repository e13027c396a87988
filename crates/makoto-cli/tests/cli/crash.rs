//! Killed, out of space, or two at once: what is there is whole.

use std::fs::File;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use makoto::attestation::Attestation;

use crate::document::{at, passes, text};
use crate::sandbox::{MAKOTO, ORIGIN, Ran, Sandbox, finish, is_empty_folder, until, wait};

/// Starts the binary and does not wait for it.
fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command();
    let command = command.args(arguments).stdin(Stdio::null());
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("makoto can be started")
}

/// Kills the binary as soon as it has the data open.
fn kill_while_reading(sandbox: &Sandbox, data: &str, arguments: &[&str]) {
    let mut makoto = start(sandbox, arguments);
    let fds = format!("/proc/{}/fd", makoto.id());
    let data = sandbox
        .path(data)
        .canonicalize()
        .expect("the data is there");
    until("makoto reads the data", || {
        let mut open = std::fs::read_dir(&fds).ok()?.flatten();
        open.find(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file == data))
    });
    makoto.kill().expect("makoto is there");
    assert_eq!(wait(&mut makoto), 137, "it was killed while it read");
}

fn sparse(sandbox: &Sandbox, name: &str) {
    let file = File::create(sandbox.path(name)).expect("a file");
    file.set_len(4 << 30).expect("a sparse file");
}

/// Names in the folder but for temporary files, which say that they are.
fn named(sandbox: &Sandbox) -> Vec<String> {
    let mut names = sandbox.names();
    names.retain(|name| !(name.starts_with(".makoto-") && name.ends_with(".tmp")));
    names
}

#[test]
fn killed_while_it_reads_it_leaves_nothing() {
    let sandbox = Sandbox::new();
    sparse(&sandbox, "data.bin");
    let attest = [&["attest", "origin", "data.bin"], &ORIGIN[..]].concat();
    kill_while_reading(&sandbox, "data.bin", &attest);
    assert_eq!(sandbox.names(), ["data.bin"]);
    sandbox.write("data.bin.attestation", "{}");
    let before = sandbox.stamp("data.bin.attestation");
    let replace = [&attest[..], &["--replace"]].concat();
    kill_while_reading(&sandbox, "data.bin", &replace);
    assert_eq!(sandbox.stamp("data.bin.attestation"), before);
}

#[test]
fn killed_while_it_copies_it_leaves_no_copy_of_that_name() {
    let sandbox = Sandbox::new();
    sandbox.write("data.bin", vec![7; 100_000_000]);
    sandbox.attested("data.bin", &[]);
    let verify = ["verify", "data.bin", "--output", "copy.bin"];
    kill_while_reading(&sandbox, "data.bin", &verify);
    assert_eq!(named(&sandbox), ["data.bin", "data.bin.attestation"]);
    passes(&sandbox.verify("data.bin", &["--output", "copy.bin"]));
}

#[test]
fn killed_at_any_moment_the_attestation_is_the_old_or_the_new_one() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    let padding = "x".repeat(100_000);
    sandbox.attested(
        "data.csv",
        &["--geography", "0", "--dta-description", &padding],
    );
    for round in 1..=60_u64 {
        let place = round.to_string();
        let facts = [
            "--geography",
            &place,
            "--dta-description",
            &padding,
            "--replace",
        ];
        let attest = [&["attest", "origin", "data.csv"], &ORIGIN[..], &facts].concat();
        let mut makoto = start(&sandbox, &attest);
        thread::sleep(Duration::from_micros(round * 400));
        makoto.kill().expect("makoto can be killed");
        assert!(matches!(wait(&mut makoto), 0 | 137));
        passes(&sandbox.verify("data.csv", &[]));
        assert_eq!(named(&sandbox), ["data.csv", "data.csv.attestation"]);
    }
}

#[test]
fn of_two_that_attest_different_facts_at_once_one_wins_and_the_other_is_told() {
    let sandbox = Sandbox::new();
    for round in 0..10 {
        let data = format!("data{round}.csv");
        sandbox.write(&data, "a\n1\n");
        let places = ["DE", "FR"];
        let ran: Vec<(i32, &str)> = thread::scope(|scope| {
            let attest = |place| {
                let (sandbox, data) = (&sandbox, &data);
                scope.spawn(move || (sandbox.attest(data, &["--geography", place]).status, place))
            };
            let running = places.map(attest);
            running.map(|one| one.join().expect("it ran")).to_vec()
        });
        let mut statuses: Vec<_> = ran.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [0, 1]);
        let winner = ran
            .iter()
            .find(|(status, _)| *status == 0)
            .expect("one won");
        let statement = sandbox.json(&format!("{data}.attestation"));
        assert_eq!(text(&statement, "predicate.origin.geography"), winner.1);
        passes(&sandbox.verify(&data, &[]));
    }
    assert!(sandbox.names().iter().all(|name| name.starts_with("data")));
}

#[test]
fn two_that_attest_the_same_facts_at_once_agree() {
    let sandbox = Sandbox::new();
    for round in 0..10 {
        let data = format!("data{round}.csv");
        sandbox.write(&data, "a\n1\n");
        thread::scope(|scope| {
            for _ in 0..4 {
                let (sandbox, data) = (&sandbox, &data);
                scope.spawn(move || sandbox.attest(data, &[]).ends(0, &[]).status);
            }
        });
        sandbox.json(&format!("{data}.attestation"));
        passes(&sandbox.verify(&data, &[]));
    }
}

#[test]
fn eight_that_append_at_once_leave_eight_whole_lines() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    thread::scope(|scope| {
        for index in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let place = format!("place-{index}");
                let facts = ["--append", "--geography", &place];
                sandbox.attest("data.csv", &facts).ends(0, &[]).status
            });
        }
    });
    let sidecar = sandbox.read("data.csv.attestation");
    let lines = Attestation::parse_file(&sidecar).expect("each line is whole");
    let mut places: Vec<_> = lines
        .iter()
        .map(|line| text(&line.statement, "predicate.origin.geography").to_owned())
        .collect();
    places.sort();
    let expected: Vec<_> = (0..8).map(|index| format!("place-{index}")).collect();
    assert_eq!(places, expected);
    passes(&sandbox.verify("data.csv", &[]));
    assert_eq!(sandbox.names(), ["data.csv", "data.csv.attestation"]);
}

#[test]
fn a_reader_beside_a_writer_always_sees_a_whole_attestation() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 0..30 {
                let place = round.to_string();
                let facts = ["--replace", "--geography", &place];
                sandbox.attest("data.csv", &facts).ends(0, &[]);
            }
        });
        while !writing.is_finished() {
            passes(&sandbox.verify("data.csv", &[]));
        }
    });
}

/// Facts that need more space than there is.
fn many_facts() -> Vec<String> {
    ["--replace", "--dta-description"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("'{}'", "x".repeat(9_000))])
        .collect()
}

/// Checks that a run without space to write told so and lost nothing.
#[track_caller]
fn lost_nothing(sandbox: &Sandbox, ran: &Ran, before: &crate::sandbox::Stamp) {
    ran.ends(2, &["cannot write", "data.csv.attestation"]);
    assert_eq!(&sandbox.stamp("data.csv.attestation"), before);
    assert_eq!(sandbox.names(), ["data.csv", "data.csv.attestation"]);
    passes(&sandbox.verify("data.csv", &[]));
}

#[test]
fn without_space_the_old_attestation_stays_whole() {
    let sandbox = Sandbox::new();
    sandbox.write("data.csv", "a\n1\n");
    sandbox.attested("data.csv", &[]);
    let before = sandbox.stamp("data.csv.attestation");
    let attest = format!(
        "exec \"$makoto\" attest origin data.csv {} {}",
        ORIGIN.join(" "),
        many_facts().join(" ")
    );
    // No byte can be written, and then some but not all.
    for blocks in [0, 1, 8] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; {attest}");
        let ran = finish(&mut sandbox.shell(&script), b"");
        lost_nothing(&sandbox, &ran, &before);
    }
    // The same, ended by the signal in the middle of writing.
    let script = format!("ulimit -f 1; {attest}");
    let ran = finish(&mut sandbox.shell(&script), b"");
    assert_eq!(ran.status, 128 + 25, "{ran:?}");
    assert_eq!(sandbox.stamp("data.csv.attestation"), before);
    assert_eq!(named(&sandbox), ["data.csv", "data.csv.attestation"]);
    passes(&sandbox.verify("data.csv", &[]));
    let script = format!("ulimit -f 100; {attest}");
    finish(&mut sandbox.shell(&script), b"").ends(0, &[]);
}

#[test]
fn on_a_full_disk_nothing_is_lost() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("disk")).expect("a folder");
    // A file system of its own for one process, gone with it. Where that is not allowed, the
    // test above is the nearest thing.
    let mount = "mount -t tmpfs -o size=64k tmpfs disk && cd disk";
    let script = format!(
        "{mount} || exit 77
         set -e
         printf 'a\\n1\\n' > data.csv
         $makoto attest origin data.csv {origin} >/dev/null 2>&1
         cp data.csv.attestation ../before
         dd if=/dev/zero of=filler bs=1k count=100 2>/dev/null || true
         set +e
         $makoto attest origin data.csv {origin} {facts}; echo status $?
         $makoto verify filler --attestation data.csv.attestation --output copy; echo status $?
         cmp data.csv.attestation ../before && echo same
         $makoto verify data.csv >/dev/null; echo status $?
         rm filler; ls -A",
        origin = ORIGIN.join(" "),
        facts = many_facts().join(" "),
    );
    let mut command = sandbox.program("unshare");
    let ran = finish(
        command
            .args(["-rm", "sh", "-c", &script])
            .env("makoto", MAKOTO),
        b"",
    );
    assert!(is_empty_folder(&sandbox.path("disk")));
    if ran.status != 0 && !ran.stdout.contains("status") {
        assert!(!ran.stderr.contains("makoto"), "{ran:?}");
        return;
    }
    let said: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| !line.starts_with("  "))
        .collect();
    assert_eq!(
        said,
        [
            "status 2",
            "status 2",
            "same",
            "status 0",
            "data.csv",
            "data.csv.attestation"
        ],
        "{ran:?}"
    );
    assert_eq!(
        ran.stderr.matches("No space left on device").count(),
        2,
        "{ran:?}"
    );
}

#[test]
fn a_copy_that_does_not_fit_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("data.bin", vec![7; 1_000_000]);
    sandbox.attested("data.bin", &[]);
    let before = sandbox.names();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$makoto\" verify data.bin --output copy.bin";
    let ran = finish(&mut sandbox.shell(script), b"");
    ran.ends(2, &["cannot write the copy"]);
    assert_eq!(sandbox.names(), before);
}

#[test]
fn a_step_whose_attestation_does_not_fit_is_not_half_attested() {
    let sandbox = Sandbox::new();
    sandbox.write("in.csv", "a\n1\n");
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$makoto\" run --input in.csv --output out.csv -- touch out.csv";
    let ran = finish(&mut sandbox.shell(script), b"");
    ran.ends(2, &["cannot write", "out.csv.attestation"]);
    assert_eq!(sandbox.names(), ["in.csv", "out.csv"]);
}

#[test]
fn a_folder_whose_manifest_does_not_fit_keeps_the_old_one() {
    let sandbox = Sandbox::new();
    for index in 0..300 {
        sandbox.write(&format!("parts/{index}"), "1");
    }
    sandbox.attested("parts", &[]);
    let stamps = || ["parts.attestation", "parts.manifest"].map(|name| sandbox.stamp(name));
    let before = stamps();
    sandbox.write("parts/0", "2");
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$makoto\" attest origin parts --replace --source s --collector c";
    finish(&mut sandbox.shell(script), b"").ends(2, &["cannot write"]);
    assert_eq!(stamps(), before);
    let (_, report) = sandbox.verify("parts", &[]);
    assert_eq!(text(&report, "verdict"), "fail");
    assert!(at(&report, "checks").to_string().contains("was changed"));
}

const GENERATE: &str = "key generate --out k --passphrase-file";

/// A folder with a passphrase, in `pass`.
fn with_passphrase() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("pass", "correct horse\n");
    sandbox.set_mode("pass", 0o600);
    sandbox
}

#[test]
fn a_key_is_whole_or_not_there_whenever_its_maker_is_killed() {
    let (mut without, mut with) = (0, 0);
    for delay in 0.. {
        let sandbox = with_passphrase();
        let arguments: Vec<_> = GENERATE.split(' ').chain(["pass"]).collect();
        let mut makoto = start(&sandbox, &arguments);
        // Late enough after a while, however slow the machine is.
        thread::sleep(Duration::from_millis(delay * delay * 8));
        let _ = makoto.kill();
        wait(&mut makoto);
        let show = ["key", "show", "k", "--passphrase-file", "pass"];
        match &named(&sandbox)
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()[..]
        {
            ["pass"] => without += 1,
            ["k", "k.pub", "pass"] => {
                let shown = sandbox.makoto(&show);
                shown.ends(0, &[]);
                assert_eq!(shown.stdout, sandbox.read_text("k.pub"));
                with += 1;
            }
            ["k", "pass"] => {
                sandbox.makoto(&show).ends(0, &[]);
            }
            names => panic!("{names:?}"),
        }
        if with > 0 {
            break;
        }
    }
    assert!(without > 0, "the first is killed before it has begun");
}

#[test]
fn a_key_without_its_public_half_is_mended() {
    let sandbox = with_passphrase();
    let arguments: Vec<_> = GENERATE.split(' ').chain(["pass"]).collect();
    sandbox.makoto(&arguments).ends(0, &[]);
    let public = sandbox.read_text("k.pub");
    std::fs::remove_file(sandbox.path("k.pub")).expect("removed");
    let stamp = sandbox.stamp("k");
    let mend = "`makoto key show k > k.pub`";
    sandbox
        .makoto(&arguments)
        .ends(2, &["its public key is not", mend]);
    assert_eq!(sandbox.stamp("k"), stamp);
    let script = "\"$makoto\" key show k --passphrase-file pass > k.pub";
    finish(&mut sandbox.shell(script), b"").ends(0, &[]);
    assert_eq!(sandbox.read_text("k.pub"), public);
}

#[test]
fn without_space_there_is_no_part_of_a_key() {
    let sandbox = with_passphrase();
    let script = format!("trap '' XFSZ; ulimit -f 0; exec \"$makoto\" {GENERATE} pass");
    finish(&mut sandbox.shell(&script), b"").ends(2, &["cannot write k:"]);
    assert_eq!(sandbox.names(), ["pass"]);
    let script = format!("ulimit -f 0; exec \"$makoto\" {GENERATE} pass");
    assert_eq!(finish(&mut sandbox.shell(&script), b"").status, 128 + 25);
    assert_eq!(named(&sandbox), ["pass"]);
    // Two pages: one is full, and the private key takes the other.
    std::fs::create_dir(sandbox.path("disk")).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o size=8k tmpfs disk && cd disk || exit 77
         dd if=/dev/zero of=filler bs=4k count=1 2>/dev/null
         $makoto {GENERATE} ../pass; echo status $?
         rm filler; $makoto key show k --passphrase-file ../pass > k.pub; echo status $?
         ls -A"
    );
    let mut command = sandbox.program("unshare");
    let command = command.args(["-rm", "sh", "-c", &script]);
    let ran = finish(command.env("makoto", MAKOTO), b"");
    if ran.status != 0 && !ran.stdout.contains("status") {
        return;
    }
    assert_eq!(ran.stdout, "status 2\nstatus 0\nk\nk.pub\n", "{ran:?}");
    ran.ends(
        0,
        &[
            "cannot write k.pub",
            "k is there and good; `makoto key show k > k.pub`",
        ],
    );
}
