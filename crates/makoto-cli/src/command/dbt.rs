use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::{Json, Object};
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;
use makoto_data::{NewFile, Written, attestation_path, fingerprint, folder_files, manifest_path};

use super::Output;
use super::attest::{WriteArgs, Writing, key_value, tell_masked, told_as_json};
use super::step::{Input, TRANSFORMS, fill_data};
use crate::dataset::{Attested, BadRecords, Measured, RecordArgs};
use crate::dbt::node::{Kind, Node};
use crate::dbt::place::Places;
use crate::dbt::{DbtRun, NodeResult};
use crate::draft::{Draft, Finished};
use crate::failure::Failure;
use crate::screen::{self, Plain};

/// Ids that an error names; the rest are counted.
const SHOWN: usize = 10;

/// Clocks of file systems tick in steps of up to two seconds.
const TICK: i64 = 2;

/// Attest what a run of dbt made
///
/// Reads manifest.json and run_results.json in dbt's target folder, and writes a transform/v1
/// statement beside the data of every model and snapshot that the run made. The dbt project
/// needs no change.
///
/// The data of a node is the file or folder in --data with the name of its table: `orders.csv`,
/// `orders.parquet`, `orders/`; with the schema, `main.orders.csv` or `main/orders.csv`. A seed is
/// the CSV file of the project. What lies elsewhere is named with --map.
///
/// Nothing is written before all data was found and measured.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto attest dbt target --data export
  makoto attest dbt target --data export --map source.shop.raw.orders=/lake/orders.parquet
  makoto attest dbt target --data export --executor ci/nightly \\
      --code-uri git+https://github.com/acme/shop --code-commit 1f2e3d4c")]
pub(crate) struct Dbt {
    /// dbt's target folder, with manifest.json and run_results.json of one run
    #[arg(value_name = "TARGET_DIR")]
    target: PathBuf,

    /// The folder with the data of models and sources
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Where the data of a node is, by its unique_id (repeatable)
    #[arg(long = "map", value_name = "NODE=PATH", value_parser = node_path)]
    named: Vec<(String, PathBuf)>,

    /// Leave out models whose data, or the data of an input, is not there
    #[arg(long)]
    skip_missing: bool,

    /// The folder of the dbt project, with its models and seeds [default: the one above TARGET_DIR]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// Identifier of the system that executed the run [default: dbt/<project>]
    #[arg(long, value_name = "ID")]
    executor: Option<String>,

    /// Where the code is [default: the path of the model's file in its project]
    #[arg(long, value_name = "URI")]
    code_uri: Option<String>,

    /// Commit of the code
    #[arg(long, value_name = "COMMIT", requires = "code_uri")]
    code_commit: Option<String>,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    write: WriteArgs,
}

fn node_path(text: &str) -> Result<(String, PathBuf), String> {
    key_value(text).map(|(node, path)| (node, path.into()))
}

/// A model that will be attested.
struct Step<'a> {
    node: &'a Node,
    result: &'a NodeResult,
    /// Nodes that it reads.
    inputs: Vec<&'a Node>,
    /// Ephemeral models in its code.
    code: Vec<&'a Node>,
}

/// Which models will be attested, where all data is, and what is left out.
#[derive(Default)]
struct Plan<'a> {
    steps: Vec<Step<'a>>,
    paths: BTreeMap<&'a str, PathBuf>,
    left_out: Vec<(&'a str, String)>,
}

/// A statement that is ready to be written.
struct Ready<'a> {
    node: &'a Node,
    data: [Measured; 1],
    finished: Finished,
}

impl Dbt {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let run = DbtRun::read(&self.target)?;
        let places = Places::new(
            &self.data,
            self.project_folder()?,
            run.project.as_deref(),
            self.records.links(),
            &self.named,
            &run.nodes,
        )?;
        let plan = self.plan(&run, &places)?;
        self.refuse_unused_names(&plan)?;
        let data: Vec<_> = plan.paths.iter().map(|(id, path)| (*id, &**path)).collect();
        refuse_shared(&plan, &data)?;

        let writing = Writing {
            args: &self.write,
            // No clock is read: every time in the statements was stated by dbt.
            times: Times::Compare,
            output,
        };
        let (ready, bare) = self.measure(&run, &places, &plan, &writing)?;
        run.refuse_changed()?;
        let mut written = Vec::new();
        for ready in &ready {
            let put = writing.put(&ready.data, &ready.finished)?;
            tell_masked(&ready.finished);
            if output == Output::Text {
                writing.show(&ready.data, &put);
            }
            written.push((ready, put));
        }
        match output {
            Output::Json => screen::json(&as_json(&written, &plan, &bare)),
            _ => show_left_out(&run, &plan),
        }
        tell_bare(&bare);
        screen::note(
            "note: files are taken for the tables that dbt read and made; makoto did not see it read or write them",
        );
        Ok(0)
    }

    /// The project's folder, as far as it is known.
    fn project_folder(&self) -> Result<Option<PathBuf>, Failure> {
        let is_project = |folder: &Path| folder.join("dbt_project.yml").is_file();
        if let Some(folder) = &self.project {
            return match is_project(folder) {
                true => Ok(Some(folder.clone())),
                false => Err(Failure::usage(format!(
                    "--project: there is no dbt_project.yml in {}",
                    Plain(&folder.to_string_lossy())
                ))),
            };
        }
        let above = match (self.target.file_name(), self.target.parent()) {
            (Some(_), Some(parent)) if parent.as_os_str().is_empty() => PathBuf::from("."),
            (Some(_), Some(parent)) => parent.to_owned(),
            _ => self.target.join(".."),
        };
        Ok(is_project(&above).then_some(above))
    }

    /// Finds the data of every model that the run made, and of what it read.
    fn plan<'a>(&self, run: &'a DbtRun, places: &Places<'a>) -> Result<Plan<'a>, Failure> {
        let mut results = HashMap::new();
        let mut plan = Plan::default();
        for result in &run.results {
            let is_made = match (run.nodes.find(&result.id), result.id.split('.').next()) {
                (Some(node), _) => node.is_made(),
                (None, Some("model" | "snapshot")) => {
                    return Err(Failure::usage(format!(
                        "run_results.json has {:?}, and manifest.json does not",
                        result.id
                    )));
                }
                (None, _) => false,
            };
            match is_made && result.status == "success" {
                true => drop(results.insert(result.id.as_str(), result)),
                false => plan.leave_out(&result.id, format!("status {}", result.status)),
            }
        }
        let made: BTreeSet<_> = results.keys().copied().collect();
        let mut missing = BTreeSet::new();
        for node in run.nodes.in_order(&made)? {
            let reads = run.nodes.reads(node)?;
            if reads.data.is_empty() {
                plan.leave_out(&node.id, "it reads no other node; see attest origin".into());
                continue;
            }
            let mut lacks = Vec::new();
            for data in [node].into_iter().chain(reads.data.iter().copied()) {
                if plan.paths.contains_key(data.id.as_str()) {
                    continue;
                }
                // With --defer, dbt reads what it did not make from wherever it was made before.
                let is_elsewhere = run.defers
                    && data.kind != Kind::Source
                    && !made.contains(data.id.as_str())
                    && !places.is_named(&data.id);
                match is_elsewhere {
                    true => lacks.push(&data.id),
                    false => match places.data_of(data)? {
                        Some(path) => drop(plan.paths.insert(&data.id, path)),
                        None => lacks.push(&data.id),
                    },
                }
            }
            match results.get(node.id.as_str()) {
                Some(result) if lacks.is_empty() => plan.steps.push(Step {
                    node,
                    result,
                    inputs: reads.data,
                    code: reads.code,
                }),
                _ => plan.leave_out(&node.id, format!("no data of {}", listed(&lacks))),
            }
            missing.extend(lacks);
        }
        if !missing.is_empty() && !self.skip_missing {
            return Err(self.no_data(run, missing.into_iter().collect()));
        }
        if plan.steps.is_empty() {
            return Err(Failure::contradiction(
                "the run made no model that could be attested, so nothing was written",
            )
            .hint("run_results.json says what became of each node"));
        }
        if plan.steps.len() > 1 && self.write.out.is_some() {
            return Err(Failure::usage(format!(
                "--out names one file, and there are {} models",
                plan.steps.len()
            )));
        }
        // What was found for a model that is left out is not read.
        let used = |step: &Step<'a>| [step.node].into_iter().chain(step.inputs.clone());
        let used: BTreeSet<_> = plan.steps.iter().flat_map(used).map(|n| &*n.id).collect();
        plan.paths.retain(|id, _| used.contains(id));
        Ok(plan)
    }

    fn no_data(&self, run: &DbtRun, missing: Vec<&String>) -> Failure {
        let folder = self.data.to_string_lossy();
        let elsewhere = match run.defers {
            true => "; with --defer, what dbt did not make may have been read elsewhere",
            false => "",
        };
        Failure::usage(format!(
            "{} has no data of {}{elsewhere}",
            Plain(&folder),
            listed(&missing)
        ))
        .hint(format!(
            "nothing was written; put NAME.csv, NAME.parquet, … or SCHEMA.NAME.csv there, say where it is with --map {}=PATH, or leave out what lacks it with --skip-missing",
            missing.first().map_or("NODE", |id| id.as_str())
        ))
    }

    fn refuse_unused_names(&self, plan: &Plan<'_>) -> Result<(), Failure> {
        let unused = |(id, _): &&(String, PathBuf)| !plan.paths.contains_key(id.as_str());
        match self.named.iter().find(unused) {
            Some((id, _)) => Err(Failure::usage(format!(
                "--map {id:?}: no model that is attested is that node or reads it"
            ))),
            None => Ok(()),
        }
    }

    /// Measures all data and makes every statement, upstream first, so that a statement can refer
    /// to those of its inputs. Also returns inputs without an attestation.
    fn measure<'a>(
        &self,
        run: &DbtRun,
        places: &Places<'_>,
        plan: &Plan<'a>,
        writing: &Writing<'_>,
    ) -> Result<(Vec<Ready<'a>>, Vec<PathBuf>), Failure> {
        let mut known: HashMap<&str, Input> = HashMap::new();
        let mut bare = Vec::new();
        let mut all = Vec::new();
        for step in &plan.steps {
            for node in &step.inputs {
                if known.contains_key(node.id.as_str()) {
                    continue;
                }
                let path = &plan.paths[node.id.as_str()];
                if node.kind == Kind::Seed && !places.is_named(&node.id) {
                    places.code_of(node)?;
                }
                for input in Input::read_all(std::slice::from_ref(path), &self.records)? {
                    if input.attested.is_none() {
                        bare.push(path.clone());
                    }
                    known.insert(&node.id, input);
                }
            }
            let path = &plan.paths[step.node.id.as_str()];
            self.refuse_older(step, path)?;
            let data = Measured::read(path, &self.records, BadRecords::Refuse)?;
            let inputs = step
                .inputs
                .iter()
                .filter_map(|n| known.get(&*n.id).cloned());
            let inputs: Vec<_> = inputs.collect();
            let data = [data];
            let finished = self.statement(run, places, step, &inputs, &data)?;
            let sidecars = self.write.sidecars(&[path])?;
            for sidecar in &sidecars {
                NewFile::at(sidecar.path()).map_err(|error| {
                    let shown = sidecar.path().to_string_lossy();
                    Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
                })?;
            }
            let planned = writing.plan(&data, &finished)?;
            let attested = planned.first().map(|planned| Attested {
                name: places.name_of(step.node),
                reference: format!("urn:makoto:attestation:sha256:{}", planned.id),
            });
            let [measured] = &data;
            let as_input = Input {
                data: measured.clone(),
                attested,
            };
            known.insert(&step.node.id, as_input);
            all.push(Ready {
                node: step.node,
                data,
                finished,
            });
        }
        Ok((all, bare))
    }

    fn statement(
        &self,
        run: &DbtRun,
        places: &Places<'_>,
        step: &Step<'_>,
        inputs: &[Input],
        data: &[Measured; 1],
    ) -> Result<Finished, Failure> {
        let node = step.node;
        let mut draft = Draft::default();
        fill_data(&mut draft, inputs, data)?;
        draft.set("transform.type", Some(format!("{TRANSFORMS}sql")));
        draft.set("transform.name", Some(node.name.as_str()));
        draft.set("transform.description", node.description.as_deref());
        let mut parameters = Object::new();
        let mut parameter = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                parameters.insert(key, value);
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Json::from);
        parameter("unique_id", Some(node.id.as_str().into()));
        parameter("alias", Some(node.alias.as_str().into()));
        parameter("schema", text(&node.schema));
        parameter("relation_name", text(&node.relation));
        parameter("materialized", text(&node.materialized));
        parameter("full_refresh", run.full_refresh.then_some(true.into()));
        parameter("sample", run.sample.clone());
        parameter("vars", run.vars.clone());
        let mut ephemeral = Vec::new();
        for node in &step.code {
            let mut model = Object::from_iter([("unique_id", node.id.as_str())]);
            for (key, value) in [
                ("path", text(&node.file)),
                ("digest", places.code_of(node)?.to_json()),
            ] {
                value.map(|value| model.insert(key, value));
            }
            ephemeral.push(Json::Object(model));
        }
        parameter(
            "ephemeral",
            (!ephemeral.is_empty()).then(|| ephemeral.into()),
        );
        draft.set("transform.parameters", Some(parameters));
        let code = places.code_of(node)?;
        let uri = self.code_uri.as_deref().or(node.file.as_deref());
        draft.set("transform.codeRef.uri", uri.or(Some(&node.id)));
        draft.set("transform.codeRef.commit", self.code_commit.as_deref());
        draft.set("transform.codeRef.path", node.file.as_deref());
        draft.set("transform.codeRef.digest", code.to_json());
        draft.set("transform.codeScope", Some(code.scope()));
        draft.set("executor.id", Some(self.executor_id(run)?));
        draft.set("executor.version.dbt", run.dbt_version.as_deref());
        draft.set("executor.version.adapter", run.adapter.as_deref());
        let [started, finished] = [&step.result.started, &step.result.finished];
        draft.set("metadata.startedOn", started.as_ref().map(|t| t.as_str()));
        draft.set("metadata.finishedOn", finished.as_ref().map(|t| t.as_str()));
        draft.set("metadata.invocationId", Some(run.invocation_id.as_str()));
        let [measured] = data;
        let subject = measured.subject(&places.name_of(node));
        draft.finish(PredicateType::Transform, vec![subject], Masker::new())
    }

    fn executor_id(&self, run: &DbtRun) -> Result<String, Failure> {
        match (&self.executor, &run.project) {
            (Some(executor), _) => Ok(executor.clone()),
            (None, Some(project)) => Ok(format!("dbt/{project}")),
            (None, None) => Err(Failure::usage("manifest.json does not name its project")
                .hint("say with --executor who executed the run")),
        }
    }

    /// Refuses data that was there before dbt began to make it.
    fn refuse_older(&self, step: &Step<'_>, path: &Path) -> Result<(), Failure> {
        let written = match path.is_dir() {
            true => {
                let files = folder_files(path, self.records.links())?;
                files.iter().map(|f| f.fingerprint.modified_unix()).max()
            }
            false => fingerprint(path)?.map(|state| state.modified_unix()),
        };
        let Some((written, started)) = written.zip(step.result.started.as_ref()) else {
            return Ok(());
        };
        if written + TICK >= started.unix_seconds() {
            return Ok(());
        }
        Err(Failure::contradiction(format!(
            "{} was last written before dbt began to make {:?} at {}",
            Plain(&path.to_string_lossy()),
            step.node.id,
            started.as_str()
        ))
        .hint("nothing was written; export the tables again after the run"))
    }
}

impl<'a> Plan<'a> {
    fn leave_out(&mut self, id: &'a str, why: String) {
        self.left_out.push((id, why));
    }
}

/// Refuses one file for two tables, data inside other data, and data with the name of an
/// attestation that would be written.
fn refuse_shared(plan: &Plan<'_>, data: &[(&str, &Path)]) -> Result<(), Failure> {
    let outputs: BTreeSet<_> = plan
        .steps
        .iter()
        .map(|step| step.node.id.as_str())
        .collect();
    let mut places: BTreeMap<PathBuf, (&str, &Path)> = BTreeMap::new();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for (id, path) in data {
        if let Some((other, _)) = places.insert(real(path), (id, path))
            && (outputs.contains(id) || outputs.contains(other))
        {
            return Err(Failure::usage(format!(
                "{} is the data of both {other:?} and {id:?}",
                Plain(&path.to_string_lossy())
            ))
            .hint("give each table a file of its own, with --map"));
        }
    }
    for (place, (id, path)) in places.iter().filter(|(_, (id, _))| outputs.contains(id)) {
        let mut ancestors = place.ancestors().skip(1);
        let above = ancestors.find_map(|above| places.get(above));
        let written = [attestation_path(path)?, manifest_path(path)?];
        let taken = written.iter().find_map(|file| places.get(&real(file)));
        if let Some((other, data)) = above.or(taken) {
            return Err(Failure::usage(format!(
                "{}, the data of {other:?}, would change when {id:?} is attested",
                Plain(&data.to_string_lossy())
            ))
            .hint("move one of them to another folder, or name another file with --map"));
        }
    }
    Ok(())
}

/// The first few ids, and how many more there are.
fn listed(ids: &[&String]) -> String {
    let mut shown: Vec<_> = ids.iter().take(SHOWN).map(|id| id.to_string()).collect();
    if ids.len() > SHOWN {
        shown.push(format!("{} more", ids.len() - SHOWN));
    }
    shown.join(", ")
}

/// Shows what was not attested: each model, test that failed, and so on; what went well and has
/// no data of its own is counted.
fn show_left_out(run: &DbtRun, plan: &Plan<'_>) {
    let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (id, why) in &plan.left_out {
        let kind = id.split('.').next().unwrap_or_default();
        let is_made = run.nodes.find(id).is_some_and(Node::is_made);
        match why.as_str() {
            "status success" | "status pass" if !is_made => {
                *counted.entry((kind, why)).or_default() += 1;
            }
            _ => screen::result(format!("not attested: {} ({})", Plain(id), Plain(why))),
        }
    }
    for ((kind, why), count) in counted {
        screen::result(format!("not attested: {count} {} ({why})", Plain(kind)));
    }
}

fn tell_bare(bare: &[PathBuf]) {
    for path in bare.iter().take(SHOWN) {
        let shown = path.to_string_lossy();
        let shown = Plain(&shown);
        screen::note(format!(
            "note: {shown} has no attestation of its own; makoto attest origin {shown} --source … --collector …"
        ));
    }
    if bare.len() > SHOWN {
        let more = bare.len() - SHOWN;
        screen::note(format!(
            "note: {more} more inputs have no attestation of their own"
        ));
    }
}

type Put<'r, 'a> = (&'r Ready<'a>, Vec<(PathBuf, Written)>);

fn as_json(written: &[Put<'_, '_>], plan: &Plan<'_>, bare: &[PathBuf]) -> Json {
    let models = written.iter().map(|(ready, put)| {
        let mut told = told_as_json(&ready.finished, put);
        if let Json::Object(members) = &mut told {
            members.insert("node", ready.node.id.as_str().into());
        }
        told
    });
    let left_out = plan
        .left_out
        .iter()
        .map(|(id, why)| Json::from([("node", (*id).into()), ("why", why.as_str().into())]));
    let bare = bare.iter().map(|path| path.to_string_lossy().into_owned());
    Json::from([
        ("models", models.collect()),
        ("notAttested", left_out.collect()),
        ("inputsWithoutAttestation", bare.map(Json::from).collect()),
    ])
}
