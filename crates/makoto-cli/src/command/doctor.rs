use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::config::{FILE_NAME, KEYS};
use makoto::json::Json;
use makoto::report::TOOL_VERSION;
use makoto_data::{NewFile, attestation_path, manifest_path};

use super::Output;
use super::run::default_executor;
use crate::clock;
use crate::defaults::{ConfigArgs, Defaults, From, Looked, Value, located, refused, shown};
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Show what would be used for data, where it comes from, and what is wrong here
///
/// Tells which makoto.toml is read, which value it gives for which key, where the attestation
/// would be, and what of the surroundings matters: the folder, the clock, the terminal. Writes
/// nothing and reads no data. Exit status 1 when something is wrong; each problem comes with its
/// next step.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto doctor
  makoto doctor raw/orders.csv
  makoto doctor raw/orders.csv --json")]
pub(crate) struct Doctor {
    /// The file or folder, which need not be there yet [default: any file in this folder]
    data: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

/// What was found, in the order in which it is shown.
#[derive(Debug, Default)]
struct Findings {
    /// What is, and of which thing.
    facts: Vec<(&'static str, String)>,
    values: Vec<Value>,
    /// Keys without a value.
    unset: Vec<&'static str>,
    /// What is wrong, and what to do next.
    problems: Vec<(String, String)>,
    /// What is right and good to know.
    remarks: Vec<String>,
}

impl Findings {
    fn fact(&mut self, what: &'static str, is: impl Into<String>) {
        self.facts.push((what, is.into()));
    }

    fn problem(&mut self, what: impl Into<String>, next: &str) {
        self.problems.push((what.into(), next.to_owned()));
    }
}

impl Doctor {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let mut findings = Findings::default();
        findings.fact("version", format!("makoto {TOOL_VERSION}"));
        self.look_for_defaults(&mut findings);
        if let Some(data) = &self.data {
            look_at_places(data, &mut findings);
        }
        look_at_folder(self.data.as_deref(), &mut findings);
        look_at_clock(&mut findings);
        look_at_surroundings(&mut findings);
        match output {
            Output::Json => screen::json(&findings.to_json()),
            Output::Text | Output::Aside => findings.show(),
        }
        Ok(u8::from(!findings.problems.is_empty()))
    }

    fn look_for_defaults(&self, findings: &mut Findings) {
        // Without data, what holds for a file in this folder that no section names.
        let data = self.data.clone().unwrap_or_else(|| PathBuf::from("data"));
        let looked = match Looked::find(&self.config, &data) {
            Ok(looked) => looked,
            Err(error) => {
                let failure = refused(&error);
                findings.fact("config", "cannot be read");
                findings.problem(failure.message, &failure.hint.unwrap_or_default());
                return;
            }
        };
        for folder in &looked.search.folders {
            findings.fact("looked in", shown(folder));
        }
        if let Some(stopped) = &looked.search.stopped {
            let folder = shown(&stopped.folder);
            findings.fact(
                "stopped at",
                format!("{folder}, where others may put files"),
            );
            if stopped.passed_over {
                let message =
                    format!("the {FILE_NAME} in {folder} is not read: others may put files there");
                findings.problem(message, "move the data and the file to a folder of your own, or name the file with --config");
            }
        }
        let (file, config) = match looked.file {
            None => {
                let why = match self.config.no_config {
                    true => "not asked for (--no-config)",
                    false => "none found",
                };
                findings.fact("config", why);
                (None, None)
            }
            Some((file, Ok(config))) => {
                findings.fact("config", shown(&file.path));
                (Some(file), Some(config))
            }
            Some((file, Err(problems))) => {
                findings.fact("config", format!("{}, which is wrong", shown(&file.path)));
                for problem in problems {
                    let message = located(&file.path, &problem);
                    findings.problem(
                        message,
                        "mend the file, or add --no-config to leave it aside",
                    );
                }
                return;
            }
        };
        let asked = self.config.asked();
        let defaults = Defaults::of(looked.search, file.zip(config), asked, &data);
        self.values(&defaults, findings);
        let is_set = |key: &&str| findings.values.iter().any(|value| value.key == *key);
        findings.unset = KEYS.into_iter().filter(|key| !is_set(key)).collect();
        if let Some((_, path)) = defaults.store() {
            let there = match path.is_dir() {
                true => "",
                false => " (not there)",
            };
            findings.fact("store", format!("{}{there}", shown(&path)));
        }
    }

    fn values(&self, defaults: &Defaults, findings: &mut Findings) {
        for key in KEYS {
            let value = match (key, &self.data) {
                ("name", None) => None,
                ("name", Some(data)) => match defaults.name(None, data.is_dir()) {
                    Ok(name) => Some(name),
                    Err(failure) => {
                        findings.problem(failure.message, &failure.hint.unwrap_or_default());
                        None
                    }
                },
                ("executor", _) => {
                    let value = defaults.value(key, None);
                    value.or_else(|| Some(Value::built_in(key, default_executor())))
                }
                _ => defaults.value(key, None),
            };
            findings.values.extend(value);
        }
    }
}

fn look_at_places(data: &Path, findings: &mut Findings) {
    let is_there = data.symlink_metadata().is_ok();
    let state = |path: &Path| match path.symlink_metadata() {
        Ok(_) => shown(path),
        Err(_) => format!("{} (not there)", shown(path)),
    };
    findings.fact("data", state(data));
    if let Ok(path) = attestation_path(data) {
        findings.fact("attestation", state(&path));
    }
    if let Ok(path) = manifest_path(data)
        && data.is_dir()
    {
        findings.fact("manifest", state(&path));
    }
    if is_there && data.metadata().is_err() {
        let message = format!("{} leads to nothing", data.display());
        findings.problem(message, "mend the link, or name the file itself");
    }
}

fn look_at_folder(data: Option<&Path>, findings: &mut Findings) {
    // The attestation lies beside the data, so its folder is the one that matters.
    let place = match data {
        Some(data) => attestation_path(data).ok(),
        None => Some(PathBuf::from("x.attestation")),
    };
    let Some(place) = place else {
        return;
    };
    let folder = match place.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let folder = shown(&folder);
    // Starting a file leaves nothing behind.
    match NewFile::at(&place) {
        Ok(_) => findings.fact("folder", format!("{folder} can be written")),
        Err(error) => {
            findings.fact("folder", format!("{folder} cannot be written"));
            let message = format!("no attestation can be written in {folder}: {error}");
            findings.problem(
                message,
                "make the folder or ask for the right to write there, or give --out",
            );
        }
    }
}

fn look_at_clock(findings: &mut Findings) {
    // 2025-01-01 and 2100-01-01: before this program, and after anything that it will see.
    const SANE: std::ops::Range<i64> = 1_735_689_600..4_102_444_800;
    let now = match clock::now() {
        Ok(now) => now,
        Err(failure) => return findings.problem(failure.message, "set the clock"),
    };
    findings.fact("clock", now.as_str());
    if !SANE.contains(&now.unix_seconds()) {
        findings.problem(format!("the clock says {now}"), "set the clock");
    }
    if clock::is_read() {
        return;
    }
    match clock::stamp() {
        Ok(stamp) => {
            let told = format!("set, so the time in statements is {stamp}");
            findings.fact("SOURCE_DATE_EPOCH", told);
        }
        Err(failure) => {
            findings.problem(
                failure.message,
                "unset SOURCE_DATE_EPOCH, or set it to seconds",
            );
        }
    }
}

fn look_at_surroundings(findings: &mut Findings) {
    let terminal = match (
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ) {
        (true, true) => "stdout and stderr",
        (true, false) => "stdout only",
        (false, true) => "stderr only",
        (false, false) => "none",
    };
    let colour = match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => "without colour",
        _ => "with colour",
    };
    findings.fact("terminal", format!("{terminal}, {colour}"));
    let Some(umask) = umask() else {
        return;
    };
    findings.fact("umask", format!("{umask:04o}"));
    if umask & 0o002 == 0 {
        let remark = "files that you make may be written by anyone, so data can change after it was attested; `umask 022` prevents that";
        findings.remarks.push(remark.to_owned());
    }
    if umask & 0o044 == 0o044 {
        let remark = "an attestation has the read permissions of its data, whatever the umask";
        findings.remarks.push(remark.to_owned());
    }
}

/// The file mode mask, as the system tells it without setting it.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

fn from(value: &Value) -> String {
    match &value.from {
        From::File(place) => place.to_string(),
        From::BuiltIn => "built in".to_owned(),
        From::Typed => "typed".to_owned(),
    }
}

impl Findings {
    fn show(&self) {
        let width = self.facts.iter().map(|(what, _)| what.len()).max();
        let width = width.unwrap_or_default();
        for (what, is) in &self.facts {
            screen::result(format!("{what:width$}  {}", Plain(is)));
        }
        screen::result("");
        let text = |value: &Value| Plain(&value.text).to_string();
        let keys = self.values.iter().map(|value| value.key.len()).max();
        let texts = self.values.iter().map(|value| text(value).chars().count());
        let (keys, texts) = (keys.unwrap_or_default(), texts.max().unwrap_or_default());
        for value in &self.values {
            let (key, text, from) = (value.key, text(value), from(value));
            let line = format!("{key:keys$}  {text:texts$}  {}", Plain(&from));
            screen::result(line);
        }
        if !self.unset.is_empty() {
            screen::result(format!("not set: {}", self.unset.join(", ")));
        }
        screen::result("");
        for (what, next) in &self.problems {
            screen::result(format!("problem: {}", Plain(what)));
            screen::result(format!("  next:  {}", Plain(next)));
        }
        for remark in &self.remarks {
            screen::result(format!("remark: {remark}"));
        }
        match self.problems.len() {
            0 => screen::result("all is well"),
            count => screen::result(format!("{count} problem(s)")),
        }
    }

    fn to_json(&self) -> Json {
        let facts = self
            .facts
            .iter()
            .map(|(what, is)| Json::from([("what", (*what).into()), ("is", is.as_str().into())]));
        let values = self.values.iter().map(|value| {
            let place = value.place();
            Json::from([
                ("key", value.key.into()),
                ("value", value.text.as_str().into()),
                ("from", from(value).into()),
                ("file", place.map(|place| place.file.as_str()).into()),
                ("line", place.map(|place| place.line).into()),
            ])
        });
        let problems = self.problems.iter().map(|(what, next)| {
            Json::from([
                ("message", what.as_str().into()),
                ("next", next.as_str().into()),
            ])
        });
        let remarks = self.remarks.iter().map(|remark| remark.as_str().into());
        Json::from([
            ("ok", self.problems.is_empty().into()),
            ("facts", facts.collect()),
            ("values", values.collect()),
            (
                "unset",
                self.unset.iter().map(|key| Json::from(*key)).collect(),
            ),
            ("problems", problems.collect()),
            ("remarks", remarks.collect()),
        ])
    }
}
