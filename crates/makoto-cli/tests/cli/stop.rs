//! Ctrl-C and friends: both stop, nothing is half-written, nobody is left behind.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::run::inputs;
use crate::sandbox::{Sandbox, until, wait};

/// Until a signal comes.
const FOR_EVER: &str = "while :; do sleep 0.02; done";

/// Starts `run` with a command that sets its traps, tells its process id, and does `rest`.
fn start(sandbox: &Sandbox, traps: &str, rest: &str) -> (Child, Pid) {
    let script = format!("{traps} cp in.csv out.csv; echo $$ > pid.new; mv pid.new pid; {rest}");
    let step = [
        "run", "--input", "in.csv", "--output", "out.csv", "--", "sh", "-c", &script,
    ];
    let mut command = sandbox.command();
    let command = command.args(step).stdin(Stdio::null());
    let makoto = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("makoto can be started");
    let pid = until("the command has started", || {
        let text = std::fs::read_to_string(sandbox.path("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    });
    (makoto, pid)
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("makoto is there");
}

#[track_caller]
fn nothing_is_left(sandbox: &Sandbox, command: Pid) {
    assert!(
        test_kill_process(command).is_err(),
        "the command still runs"
    );
    let names = sandbox.names();
    assert_eq!(names, ["in.csv", "in.csv.attestation", "out.csv", "pid"]);
}

#[test]
fn a_signal_to_makoto_alone_stops_the_command_too() {
    for (stop, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let sandbox = inputs();
        let (mut makoto, command) = start(&sandbox, "", "exec sleep 60");
        signal(&makoto, stop);
        assert_eq!(wait(&mut makoto), status);
        nothing_is_left(&sandbox, command);
    }
}

#[test]
fn a_command_that_tidies_up_and_says_it_is_well_is_not_attested_either() {
    let sandbox = inputs();
    let traps = "trap 'exit 0' INT;";
    let (mut makoto, command) = start(&sandbox, traps, FOR_EVER);
    signal(&makoto, Signal::INT);
    assert_eq!(wait(&mut makoto), 130);
    nothing_is_left(&sandbox, command);
}

#[test]
fn a_command_that_ends_by_its_own_status_after_a_signal_keeps_it() {
    let sandbox = inputs();
    let traps = "trap 'exit 9' TERM;";
    let (mut makoto, command) = start(&sandbox, traps, FOR_EVER);
    signal(&makoto, Signal::TERM);
    assert_eq!(wait(&mut makoto), 9);
    nothing_is_left(&sandbox, command);
}

#[test]
fn a_command_that_takes_its_time_to_stop_is_waited_for() {
    let sandbox = inputs();
    let traps = "trap 'sleep 0.3; echo tidy >> out.csv; exit 3' INT;";
    let (mut makoto, command) = start(&sandbox, traps, FOR_EVER);
    signal(&makoto, Signal::INT);
    assert_eq!(wait(&mut makoto), 3);
    assert!(sandbox.read_text("out.csv").ends_with("tidy\n"));
    nothing_is_left(&sandbox, command);
}

#[test]
fn a_step_that_no_signal_reached_is_attested() {
    let sandbox = inputs();
    let (mut makoto, _) = start(
        &sandbox,
        "",
        "while [ ! -e seen ]; do sleep 0.01; done; rm pid seen",
    );
    sandbox.write("seen", "");
    assert_eq!(wait(&mut makoto), 0);
    let expected = [
        "in.csv",
        "in.csv.attestation",
        "out.csv",
        "out.csv.attestation",
    ];
    assert_eq!(sandbox.names(), expected);
}
