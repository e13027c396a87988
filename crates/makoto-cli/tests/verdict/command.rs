//! The same verdict from the binary, over files and by its exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use makoto::json::Json;
use makoto::key::PublicKey;
use makoto::limits::Limits;
use makoto::report::{Level, Report};

use crate::world::Case;

/// Asserts that `makoto verify` ends as `report` says, at the same time and with the same checks.
#[track_caller]
pub(crate) fn agrees(case: &Case<'_>, report: &Report) {
    let ran = run(case);
    let (said, told) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    let status = i32::from(report.verdict.exit_status());
    assert_eq!(ran.status.code(), Some(status), "{said}{told}");
    let json = Json::parse(&ran.stdout, &Limits::DEFAULT);
    let json = json.unwrap_or_else(|error| panic!("{error}: {said}{told}"));
    let library = report.to_json();
    let mut members = vec!["verdict", "level", "lineageLevel", "checks"];
    if report.judged.is_some() {
        members.extend(["lineageComplete", "signers"]);
    }
    for member in members {
        assert_eq!(json.get(member), library.get(member), "{member}");
    }
}

/// Writes the case into a folder of its own and verifies it there.
fn run(case: &Case<'_>) -> Output {
    let folder = tempfile::Builder::new().prefix("makoto-verdict-").tempdir();
    let folder = folder.expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("a folder");
        fs::write(path, bytes).expect("the file can be written");
    };
    let data = case.path.unwrap_or("anywhere/data.csv");
    write(data, case.data);
    write(&format!("{data}.attestation"), &case.attestations);
    write("policy.toml", case.policy().as_bytes());
    write("root.json", &case.root());
    let keys = case.keys();
    let keys: String = keys.iter().map(PublicKey::to_spki_pem).collect();
    write("keys.pem", keys.as_bytes());
    for (name, set) in &case.key_sets {
        write(&format!("{name}.json"), set);
    }
    for (index, bundle) in case.inputs.iter().enumerate() {
        write(&format!("inputs/{index}.attestation"), bundle);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_makoto"));
    command
        .current_dir(folder.path())
        .args(["verify", data, "--policy", "policy.toml", "--json"])
        .args(["--at", case.now])
        .env_remove("MAKOTO_STORE")
        .env_remove("GITHUB_ACTIONS")
        .env("XDG_STATE_HOME", folder.path().join("state"));
    if let Some(name) = case.name {
        command.args(["--as", name]);
    }
    if let Some(level) = case.level {
        let level = match level {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
        };
        command.args(["--level", level]);
    }
    if !case.inputs.is_empty() {
        command.args(["--in", "inputs"]);
    }
    command.output().expect("makoto runs")
}
