//! What dbt writes of a run: `manifest.json` and `run_results.json` in its target folder.
//!
//! Both are claims of whoever wrote them. Names in them lead to no file outside the folders that
//! the user named; see [`place`].

pub(crate) mod node;
mod part;
pub(crate) mod place;
pub(crate) mod plan;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use makoto::datetime::DateTime;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto_data::{Fingerprint, fingerprint, read_limited};

use self::node::Nodes;
use self::part::Part;
use crate::failure::Failure;
use crate::screen::Plain;

/// Versions of `manifest.json` that are understood: dbt 1.6 to 1.11.
const MANIFESTS: [u32; 3] = [10, 11, 12];

/// Versions of `run_results.json` that are understood.
const RUN_RESULTS: [u32; 3] = [4, 5, 6];

/// Commands of dbt that make data. `dbt compile` and `dbt docs generate` say "success" of models
/// that they only compiled.
const MAKES_DATA: [&str; 4] = ["build", "retry", "run", "snapshot"];

/// A run of dbt, as its two files tell it.
#[derive(Debug)]
pub(crate) struct DbtRun {
    pub(crate) project: Option<String>,
    pub(crate) dbt_version: Option<String>,
    pub(crate) adapter: Option<String>,
    pub(crate) invocation_id: String,
    /// Variables of the command line.
    pub(crate) vars: Option<Json>,
    /// The part of its inputs that the run was limited to with `--sample`.
    pub(crate) sample: Option<Json>,
    pub(crate) full_refresh: bool,
    /// Whether nodes that the run did not make may have been read in another environment.
    pub(crate) defers: bool,
    pub(crate) nodes: Nodes,
    pub(crate) results: Vec<NodeResult>,
    read_as: [(PathBuf, Option<Fingerprint>); 2],
}

/// What became of one node.
#[derive(Debug)]
pub(crate) struct NodeResult {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) started: Option<DateTime>,
    pub(crate) finished: Option<DateTime>,
}

impl DbtRun {
    /// Reads the two files in dbt's target folder.
    pub(crate) fn read(target: &Path) -> Result<Self, Failure> {
        let paths = [
            target.join("manifest.json"),
            target.join("run_results.json"),
        ];
        let [manifest_path, results_path] = &paths;
        let mut read_as = Vec::new();
        for path in &paths {
            read_as.push((path.clone(), fingerprint(path)?));
        }
        let read_as = <[_; 2]>::try_from(read_as).unwrap_or_default();
        let manifest = parse(manifest_path)?;
        let manifest = Part::of(manifest_path, &manifest);
        let about = manifest.member("metadata");
        check_version(&about, "manifest", &MANIFESTS)?;
        let invocation_id = about.member("invocation_id").needed_text()?;

        let results = parse(results_path)?;
        let results = Part::of(results_path, &results);
        let about_results = results.member("metadata");
        check_version(&about_results, "run-results", &RUN_RESULTS)?;
        let other = about_results.member("invocation_id").needed_text()?;
        if other != invocation_id {
            return Err(Failure::contradiction(format!(
                "manifest.json is of invocation {invocation_id:?}, and run_results.json of {other:?}"
            ))
            .hint("a later dbt command wrote one of them; attest right after `dbt build` or `dbt run`, or keep both files of one run with `dbt build --target-path`"));
        }
        let arguments = results.member("args");
        check_command(&arguments)?;
        let of_manifest = |key: &'static str| about.member(key).text();
        let is_given = |json: &Json| !matches!(json, Json::Null | Json::Bool(false));
        let vars = arguments.member("vars").value().clone();
        let has_vars = vars
            .as_object()
            .map_or(is_given(&vars), |vars| !vars.is_empty());
        let sample = arguments.member("sample").value().clone();
        Ok(Self {
            project: of_manifest("project_name")?,
            dbt_version: of_manifest("dbt_version")?,
            adapter: of_manifest("adapter_type")?,
            invocation_id,
            vars: has_vars.then_some(vars),
            sample: is_given(&sample).then_some(sample),
            full_refresh: arguments.member("full_refresh").is_true(),
            defers: arguments.member("defer").is_true(),
            nodes: Nodes::read(&manifest)?,
            results: read_results(&results)?,
            read_as,
        })
    }

    /// Refuses when a file moved since it was read: dbt ran again, and the data is of that run.
    pub(crate) fn refuse_changed(&self) -> Result<(), Failure> {
        for (path, then) in &self.read_as {
            if fingerprint(path)? != *then {
                return Err(Failure::contradiction(format!(
                    "{} changed while the data was read, so nothing was attested",
                    Plain(&path.to_string_lossy())
                ))
                .hint("wait until dbt has ended, then run the command again"));
            }
        }
        Ok(())
    }
}

fn parse(path: &Path) -> Result<Json, Failure> {
    let shown = Plain(&path.to_string_lossy()).to_string();
    let bytes = read_limited(path, Limits::DBT.document_bytes)?;
    let bytes = bytes.ok_or_else(|| {
        Failure::usage(format!("there is no file {shown}"))
            .hint("name dbt's target folder, in which `dbt build` left manifest.json and run_results.json")
    })?;
    Json::parse(&bytes, &Limits::DBT).map_err(|error| Failure::usage(format!("{shown}: {error}")))
}

fn check_version(about: &Part<'_>, kind: &str, known: &[u32]) -> Result<(), Failure> {
    let schema = about.member("dbt_schema_version");
    let text = schema.needed_text()?;
    let version = text
        .strip_prefix("https://schemas.getdbt.com/dbt/")
        .and_then(|rest| rest.strip_prefix(kind)?.strip_prefix("/v"))
        .and_then(|rest| rest.strip_suffix(".json")?.parse().ok());
    match version.is_some_and(|version| known.contains(&version)) {
        true => Ok(()),
        false => Err(schema.wrong(&format!("{kind} of a version among {known:?}"))),
    }
}

/// Refuses runs that made no data, or none of their inputs.
fn check_command(arguments: &Part<'_>) -> Result<(), Failure> {
    let which = arguments.member("which").text()?.unwrap_or_default();
    if !MAKES_DATA.contains(&which.as_str()) {
        return Err(Failure::usage(format!(
            "the run is one of `dbt {which}`, needed one that makes data: {}",
            MAKES_DATA.join(", ")
        ))
        .hint("run_results.json is written again by most dbt commands; attest right after `dbt build` or `dbt run`"));
    }
    if arguments.member("empty").is_true() {
        return Err(Failure::usage(
            "the run was made with --empty, so its models have no rows of their inputs",
        )
        .hint("run dbt without --empty"));
    }
    Ok(())
}

fn read_results(file: &Part<'_>) -> Result<Vec<NodeResult>, Failure> {
    let results = file.member("results");
    let mut seen = HashSet::new();
    let mut read = Vec::new();
    for result in results.items()? {
        let id = result.member("unique_id").needed_text()?;
        if !seen.insert(id.clone()) {
            let needed = "one result for each node";
            return Err(result.member("unique_id").wrong(needed));
        }
        let timing = result.member("timing");
        let (mut started, mut finished) = (None, None);
        for step in timing.items()? {
            if step.member("name").text()?.as_deref() == Some("execute") {
                started = step.member("started_at").time()?;
                finished = step.member("completed_at").time()?;
            }
        }
        read.push(NodeResult {
            id,
            status: result.member("status").needed_text()?,
            started,
            finished,
        });
    }
    Ok(read)
}
