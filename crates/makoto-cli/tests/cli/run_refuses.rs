//! When `makoto run` attests nothing.

use std::os::unix::fs::symlink;

use crate::run::{inputs, run};
use crate::sandbox::Sandbox;

/// Checks that nothing was attested and nothing half-written is left.
#[track_caller]
fn nothing_attested(sandbox: &Sandbox) {
    let names = sandbox.names();
    let wrong = |name: &&String| name.starts_with('.') || *name == "out.csv.attestation";
    assert_eq!(names.iter().find(wrong), None, "{names:?}");
}

#[test]
fn the_exit_status_of_a_failed_command_is_handed_through() {
    for (script, status) in [
        ("cp in.csv out.csv; exit 7", 7),
        ("cp in.csv out.csv; exit 1", 1),
        ("cp in.csv out.csv; exit 255", 255),
        ("cp in.csv out.csv; kill -TERM $$", 143),
        ("cp in.csv out.csv; kill -KILL $$", 137),
    ] {
        let sandbox = inputs();
        run(&sandbox, &[], &["sh", "-c", script]).ends(status, &["nothing was attested"]);
        assert!(sandbox.exists("out.csv"));
        nothing_attested(&sandbox);
    }
}

#[test]
fn a_command_that_cannot_be_started_is_named() {
    let sandbox = inputs();
    sandbox.write("plain.txt", "not a program");
    for command in ["no-such-command", "./no-such-command", "./plain.txt", "."] {
        run(&sandbox, &[], &[command]).ends(2, &[command]);
        nothing_attested(&sandbox);
    }
    run(&sandbox, &[], &[]).ends(2, &["CMD"]);
}

#[test]
fn an_output_that_the_command_did_not_touch_is_refused() {
    let sandbox = inputs();
    sandbox.write("out.csv", "left from before");
    run(&sandbox, &[], &["true"]).ends(1, &["out.csv", "left as it was"]);
    nothing_attested(&sandbox);
    sandbox.write("parts/a", "left from before");
    let step = [
        "run", "--input", "in.csv", "--output", "parts", "--", "true",
    ];
    sandbox.makoto(&step).ends(1, &["parts", "left as it was"]);
    assert!(!sandbox.exists("parts.attestation") && !sandbox.exists("parts.manifest"));
}

#[test]
fn a_file_from_before_in_an_output_folder_is_refused() {
    let sandbox = inputs();
    sandbox.write("parts/stale", "left from before");
    let step = |script| {
        [
            "run", "--input", "in.csv", "--output", "parts", "--", "sh", "-c", script,
        ]
    };
    let ran = sandbox.makoto(&step("echo new > parts/new"));
    ran.ends(1, &["parts/stale", "left as it was"]);
    assert!(!sandbox.exists("parts.attestation") && !sandbox.exists("parts.manifest"));
    sandbox
        .makoto(&step("rm parts/stale && echo new > parts/new"))
        .ends(0, &[]);
}

#[test]
fn a_change_of_attributes_does_not_make_an_output() {
    let sandbox = inputs();
    sandbox.write("out.csv", "left from before");
    run(&sandbox, &[], &["chmod", "600", "out.csv"]).ends(1, &["out.csv", "left as it was"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_output_that_became_a_link_to_the_input_is_refused() {
    let sandbox = inputs();
    run(&sandbox, &[], &["ln", "-s", "in.csv", "out.csv"]).ends(2, &["both input and output"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_input_behind_a_link_that_was_led_elsewhere_and_back_is_refused() {
    let sandbox = inputs();
    sandbox.write("evil.csv", "id\n666\n");
    std::os::unix::fs::symlink("in.csv", sandbox.path("link.csv")).expect("a link");
    let script = "ln -sfn evil.csv link.csv; cat link.csv > out.csv; ln -sfn in.csv link.csv";
    let step = [
        "run", "--input", "link.csv", "--output", "out.csv", "--", "sh", "-c", script,
    ];
    sandbox.makoto(&step).ends(1, &["link.csv", "changed"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_output_that_was_never_made_is_refused() {
    let sandbox = inputs();
    run(&sandbox, &[], &["true"]).ends(1, &["out.csv", "does not exist"]);
    nothing_attested(&sandbox);
    // One of two outputs is not enough.
    let options = ["--output", "two.csv"];
    run(&sandbox, &options, &["cp", "in.csv", "out.csv"]).ends(1, &["two.csv", "does not exist"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_output_that_the_command_removed_is_refused() {
    let sandbox = inputs();
    sandbox.write("out.csv", "left from before");
    run(&sandbox, &[], &["rm", "out.csv"]).ends(1, &["out.csv", "does not exist"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_output_that_is_no_file_is_refused() {
    for made in [
        "mkfifo out.csv",
        "mkdir out.csv",
        "ln -s /dev/zero out.csv",
        "ln -s gone out.csv",
    ] {
        let sandbox = inputs();
        let ran = run(&sandbox, &[], &["sh", "-c", made]);
        assert!(matches!(ran.status, 1 | 2), "{made}: {ran:?}");
        assert!(ran.stderr.contains("out.csv"), "{made}: {ran:?}");
        nothing_attested(&sandbox);
    }
}

#[test]
fn an_output_whose_records_cannot_be_counted_is_refused() {
    let sandbox = inputs();
    let script = "printf 'a\\n\"open\\n' > out.csv";
    run(&sandbox, &[], &["sh", "-c", script]).ends(2, &["out.csv", "line 2"]);
    nothing_attested(&sandbox);
    run(&sandbox, &["--format", "bytes"], &["sh", "-c", script]).ends(0, &[]);
}

#[test]
fn an_input_that_changed_while_the_command_ran_is_refused() {
    for change in [
        "echo 4 >> in.csv",
        "printf 'a\\n1\\n2\\n4\\n' > in.csv",
        ": > in.csv",
        "rm in.csv",
        // Its time set back.
        "touch -r in.csv then; printf 'a\\n1\\n2\\n4\\n' > in.csv; touch -r then in.csv",
        "printf 'a\\n1\\n2\\n4\\n' > in.csv; touch -d 2020-01-01T00:00:00Z in.csv",
        // Another file of the same size and time in its place.
        "printf 'a\\n1\\n2\\n4\\n' > new; touch -r in.csv new; mv new in.csv",
    ] {
        let sandbox = inputs();
        let script = format!("cp in.csv out.csv; {change}");
        run(&sandbox, &[], &["sh", "-c", &script]).ends(1, &["in.csv", "changed"]);
        nothing_attested(&sandbox);
    }
}

#[test]
fn an_input_long_unchanged_is_watched_as_well() {
    let sandbox = inputs();
    // No file system's clock is as coarse as this.
    let past = ["-d", "2020-01-01T00:00:00Z", "in.csv"];
    crate::sandbox::finish(sandbox.program("touch").args(past), b"").ends(0, &[]);
    let swap = "cp in.csv out.csv; cp in.csv then; echo 9 > in.csv; cat then > in.csv; touch -r then in.csv";
    let ran = run(&sandbox, &[], &["sh", "-c", swap]);
    // The bytes are back where they were, but the command may have read others meanwhile.
    assert_eq!(ran.status, 1, "{ran:?}");
    nothing_attested(&sandbox);
    run(
        &sandbox,
        &[],
        &["sh", "-c", "cat in.csv > out.csv; echo >> out.csv"],
    )
    .ends(0, &[]);
}

#[test]
fn an_input_folder_that_changed_while_the_command_ran_is_refused() {
    for change in [
        "echo > parts/new",
        "rm parts/b",
        "echo x > parts/a",
        "mv parts/a parts/c",
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("parts/a", "1");
        sandbox.write("parts/b", "2");
        let script = format!("echo > out; {change}");
        let step = [
            "run", "--input", "parts", "--output", "out", "--", "sh", "-c",
        ];
        let ran = sandbox.makoto(&[&step[..], &[&script]].concat());
        ran.ends(1, &["parts", "changed"]);
        assert!(!sandbox.exists("out.attestation"), "{change}");
        let ran = sandbox.makoto(&[&step[..], &["cat parts/* > out"]].concat());
        ran.ends(0, &[]);
    }
}

#[test]
fn code_that_changed_while_it_ran_is_refused() {
    let sandbox = inputs();
    sandbox.write("clean.sh", "cp in.csv out.csv\necho '#' >> clean.sh\n");
    run(&sandbox, &[], &["sh", "clean.sh"]).ends(1, &["clean.sh", "changed"]);
    nothing_attested(&sandbox);
}

#[test]
fn an_attestation_that_is_there_is_refused_before_the_command_runs() {
    let sandbox = inputs();
    let command = ["sh", "-c", "touch ran; date +%N > out.csv"];
    run(&sandbox, &[], &command).ends(0, &[]);
    std::fs::remove_file(sandbox.path("ran")).expect("the command ran");
    let (data, sidecar) = (
        sandbox.stamp("out.csv"),
        sandbox.stamp("out.csv.attestation"),
    );
    run(&sandbox, &[], &command).ends(
        1,
        &["out.csv.attestation", "not run", "--replace", "--append"],
    );
    assert!(!sandbox.exists("ran"));
    assert_eq!(sandbox.stamp("out.csv"), data);
    assert_eq!(sandbox.stamp("out.csv.attestation"), sidecar);
    run(&sandbox, &["--append"], &command).ends(0, &["appended"]);
    assert_eq!(sandbox.read_text("out.csv.attestation").lines().count(), 2);
    run(&sandbox, &["--replace"], &command).ends(0, &["replaced"]);
    assert_eq!(sandbox.read_text("out.csv.attestation").lines().count(), 1);
}

#[test]
fn an_input_that_is_not_what_it_was_attested_to_be_is_refused_before_the_command_runs() {
    let sandbox = inputs();
    sandbox.write("in.csv", "a\n9\n");
    run(&sandbox, &[], &["touch", "out.csv"]).ends(1, &["in.csv", "not what its attestation says"]);
    assert!(!sandbox.exists("out.csv"));
}

#[test]
fn an_output_that_is_the_input_is_refused_before_the_command_runs() {
    let sandbox = inputs();
    symlink("in.csv", sandbox.path("out.csv")).expect("a link");
    run(&sandbox, &[], &["touch", "ran"]).ends(2, &["both input and output"]);
    assert!(!sandbox.exists("ran"));
}

#[test]
fn facts_that_would_not_make_a_statement_are_refused_before_the_command_runs() {
    for wrong in [
        &["--isolation", "moat"][..],
        &["--type", "Not A Type"],
        &["--executor", ""],
        &["--name", "one", "--name", "two"],
        &["--name", ""],
        &["--param", "n=9007199254740993"],
        &["--param", "n=1", "--param", "n=2"],
        &["--params", "gone.json"],
    ] {
        let sandbox = inputs();
        let ran = run(
            &sandbox,
            wrong,
            &["sh", "-c", "touch ran; cp in.csv out.csv"],
        );
        assert_eq!(ran.status, 2, "{wrong:?} {ran:?}");
        nothing_attested(&sandbox);
        // The step may have taken an hour; a typing error is told before it.
        assert!(!sandbox.exists("ran"), "{wrong:?} {ran:?}");
    }
}

#[test]
fn an_attestation_that_cannot_be_written_is_refused_before_the_command_runs() {
    let sandbox = inputs();
    let options = ["--out", "no/such/folder/x.attestation"];
    let ran = run(
        &sandbox,
        &options,
        &["sh", "-c", "touch ran; cp in.csv out.csv"],
    );
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(!sandbox.exists("ran"), "{ran:?}");
}
