use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::policy::{LineageRule, Policy, Rule, SignerRule};
use makoto::problem::Problem;

use super::Output;
use super::allow::Allow;
use super::trust::TRUSTED_KEYS;
use crate::clock;
use crate::defaults::located;
use crate::failure::Failure;
use crate::policy_files::PolicyFiles;
use crate::screen::{self, Plain};
use crate::trust::{Trust, beside, read, shown, write_new};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Init(Init),
    Check(Check),
    Allow(Box<Allow>),
}

impl PolicyCommand {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        match self {
            Self::Init(command) => command.run(output),
            Self::Check(command) => command.run(output),
            Self::Allow(command) => command.run(output),
        }
    }
}

/// Write a policy that trusts nobody yet
///
/// It names the trusted root, and a dataset for each --name, with a comment for what can be added.
/// Nothing that is there is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto policy init --trusted-root trusted_root.json --name 'dataset:sales_*'
  makoto policy allow --policy policy.toml --name 'dataset:sales_*' \\
      --uri 'https://acme.example/collectors/*' --ca acme-workloads")]
pub(crate) struct Init {
    /// The trusted root
    #[arg(long, value_name = "FILE", default_value = "trusted_root.json")]
    trusted_root: PathBuf,

    /// Pattern of dataset names to have a rule for; may be repeated
    #[arg(long, value_name = "PATTERN")]
    name: Vec<String>,

    /// The policy
    #[arg(long, value_name = "FILE", default_value = "policy.toml")]
    out: PathBuf,
}

const HEAD: &str = "\
# Who may sign which data. What is not listed is not trusted.
# Check this file with `makoto policy check`; add signers with `makoto policy allow`.
version = 1

# Authorities that vouch for names of signers and for times; paths are relative to this file.
";

const DEFAULTS: &str = "
# What holds for all datasets that do not say otherwise.
# max-age = \"30d\"             # refuse older data
# clock-skew = \"5m\"           # how far a claimed time may lie after the timestamp
# max-signing-delay = \"24h\"   # how far the timestamp may lie after the claimed time
# strict = false              # true: findings fail
";

impl Init {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let text = self.text();
        let policy = Policy::read(text.as_bytes(), &Limits::DEFAULT);
        policy.map_err(|problems| {
            let told: Vec<_> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            Failure::usage(told.join("; ")).hint("see docs/policy.md for patterns of names")
        })?;
        write_new(&self.out, text.as_bytes())?;
        let out = self.out.to_string_lossy();
        match output {
            Output::Json => screen::json(&Json::from([("policy", out.as_ref().into())])),
            Output::Text | Output::Aside => {
                screen::result(format!("{}: trusts nobody yet", Plain(&out)));
                screen::note(format!(
                    "next: makoto policy allow --policy {} --name PATTERN --uri URI --ca ID",
                    Plain(&out)
                ));
            }
        }
        Ok(0)
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        let root = relative(&self.trusted_root, &self.out);
        text.push_str(&format!("trusted-root = {}\n", quoted(&root)));
        if beside(&self.out, TRUSTED_KEYS).exists() {
            text.push_str(&format!("trusted-keys = {}\n", quoted(TRUSTED_KEYS)));
        }
        text.push_str(DEFAULTS);
        for name in &self.name {
            text.push_str(&format!(
                "\n[[dataset]]\nname = {}\nrequire = \"L2\"\n# paths = [\"warehouse/*\"]\nsigners = []\n",
                quoted(name)
            ));
        }
        text
    }
}

/// The path as the policy names it: relative to the policy where that is plain to see.
pub(super) fn relative(file: &Path, policy: &Path) -> String {
    let folder = policy.parent().unwrap_or(Path::new(""));
    let path = match file.strip_prefix(folder) {
        Ok(inside) => inside.to_owned(),
        Err(_) => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
    };
    path.to_string_lossy().into_owned()
}

/// The text as TOML writes it.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

/// Tell everything that is wrong with a policy, and what it allows
///
/// Reads the trusted root, the keys and the key sets too, as `makoto verify` does. Exit status 1 when something is wrong; warnings are
/// for what can surely not be meant, such as a rule that nothing can meet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto policy check policy.toml
  makoto policy check policy.toml --json")]
pub(crate) struct Check {
    /// The policy
    policy: PathBuf,
}

impl Check {
    fn run(&self, output: Output) -> Result<u8, Failure> {
        let bytes = read(&self.policy, Limits::DEFAULT.toml_bytes)?;
        let (trust, problems) = match Policy::read(&bytes, &Limits::DEFAULT) {
            Ok(policy) => {
                let text = String::from_utf8_lossy(&bytes);
                let now = clock::now()?;
                let files = PolicyFiles::At(&self.policy);
                let mut trust = Trust::load(files, policy, &text, &now);
                trust.rehearse(files, &bytes, &now);
                let problems = std::mem::take(&mut trust.problems);
                (Some(trust), problems)
            }
            Err(problems) => (None, problems),
        };
        match output {
            Output::Json => screen::json(&self.to_json(trust.as_ref(), &problems)),
            Output::Text | Output::Aside => self.show(trust.as_ref(), &problems),
        }
        Ok(u8::from(!problems.is_empty()))
    }

    fn show(&self, trust: Option<&Trust>, problems: &[Problem]) {
        for rule in trust.iter().flat_map(|trust| trust.policy.rules()) {
            screen::result(Plain(&summary(rule)));
            for signer in rule.signers() {
                screen::result(Plain(&format!("  {}", told(signer))));
            }
        }
        let told = |kind: &str, all: &[Problem]| {
            for problem in all {
                let place = located(&self.policy, problem);
                screen::result(format!("{kind}: {}", Plain(&place)));
            }
        };
        told("problem", problems);
        told("warning", trust.map_or(&[], |trust| &trust.warnings));
        let warnings = trust.map_or(0, |trust| trust.warnings.len());
        screen::result(match (problems.len(), warnings) {
            (0, 0) => format!("{}: all is well", shown(&self.policy)),
            (0, warnings) => format!("{}: {warnings} warning(s)", shown(&self.policy)),
            (problems, _) => format!("{}: {problems} problem(s)", shown(&self.policy)),
        });
    }

    fn to_json(&self, trust: Option<&Trust>, problems: &[Problem]) -> Json {
        let list = |all: &[Problem]| -> Json {
            let one = |problem: &Problem| {
                Json::from([
                    ("line", problem.line.map(|line| line as u64).into()),
                    ("message", problem.message.as_str().into()),
                ])
            };
            all.iter().map(one).collect()
        };
        let rules = trust.iter().flat_map(|trust| trust.policy.rules());
        Json::from([
            ("policy", self.policy.to_string_lossy().into_owned().into()),
            (
                "digest",
                trust
                    .map(|trust| format!("sha256:{}", trust.policy.digest()))
                    .into(),
            ),
            ("ok", problems.is_empty().into()),
            ("problems", list(problems)),
            ("warnings", list(trust.map_or(&[], |trust| &trust.warnings))),
            ("rules", rules.map(rule_json).collect()),
        ])
    }
}

/// What a rule needs, on one line.
fn summary(rule: &Rule) -> String {
    let lineage = match (rule.lineage(), rule.depth()) {
        (LineageRule::None, _) => "no lineage".to_owned(),
        (LineageRule::Direct, _) => "direct inputs".to_owned(),
        (LineageRule::Full, None) => "full lineage".to_owned(),
        (LineageRule::Full, Some(depth)) => format!("lineage of {depth} step(s)"),
    };
    let mut line = format!("{}  {}, {lineage}", rule.name().as_str(), rule.require());
    if let Some(age) = rule.max_age() {
        line.push_str(&format!(", at most {age} old"));
    }
    if rule.signer_threshold() > 1 {
        line.push_str(&format!(", {} signers", rule.signer_threshold()));
    }
    if rule.tsa_threshold() > 1 {
        line.push_str(&format!(", {} timestamp authorities", rule.tsa_threshold()));
    }
    for (says, word) in [
        (rule.strict(), ", strict"),
        (rule.certificate_time(), ", certificate time"),
        (rule.sources().is_some(), ", named sources only"),
    ] {
        line.push_str(if says { word } else { "" });
    }
    line
}

fn told(signer: &SignerRule) -> String {
    let SignerRule::Key(key) = signer else {
        return signer.to_string();
    };
    let mut text = signer.to_string();
    if let Some(from) = key.from() {
        text.push_str(&format!(" from {from}"));
    }
    if let Some(until) = key.until() {
        text.push_str(&format!(" until {until}"));
    }
    text
}

fn rule_json(rule: &Rule) -> Json {
    let paths = rule.paths().iter().map(|path| Json::from(path.as_str()));
    let signers = rule.signers().iter().map(|signer| Json::from(told(signer)));
    Json::from([
        ("name", rule.name().as_str().into()),
        ("line", (rule.line() as u64).into()),
        ("paths", paths.collect()),
        ("require", rule.require().as_str().into()),
        ("lineage", rule.lineage().as_str().into()),
        ("depth", rule.depth().map(|depth| depth as u64).into()),
        ("signers", signers.collect()),
        ("signerThreshold", (rule.signer_threshold() as u64).into()),
        ("tsaThreshold", (rule.tsa_threshold() as u64).into()),
        ("maxAgeSeconds", rule.max_age().map(|age| age.get()).into()),
        ("clockSkewSeconds", rule.clock_skew().get().into()),
        (
            "maxSigningDelaySeconds",
            rule.max_signing_delay().get().into(),
        ),
        ("certificateTime", rule.certificate_time().into()),
        ("strict", rule.strict().into()),
    ])
}
