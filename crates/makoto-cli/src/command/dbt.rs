use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use makoto::json::{Json, Object};
use makoto::predicate::PredicateType;
use makoto::secret::{Masked, Masker};
use makoto::statement::Times;
use makoto_data::{NewFile, fingerprint, folder_files};

use super::Output;
use super::attest::{WriteArgs, key_value};
use super::step::{Input, TRANSFORMS, fill_data};
use crate::dataset::{Attested, BadRecords, Measured};
use crate::dbt::DbtRun;
use crate::dbt::node::{Kind, Node};
use crate::dbt::place::Places;
use crate::dbt::plan::{Missing, Plan, Step};
use crate::draft::{Draft, Finished};
use crate::failure::Failure;
use crate::records::RecordArgs;
use crate::screen::{self, Plain};
use crate::signing::SigningArgs;
use crate::writing::{Put, Writing, tell_masked, told_as_json};

/// Inputs that a note names; the rest are counted.
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

    #[command(flatten)]
    signing: SigningArgs,
}

fn node_path(text: &str) -> Result<(String, PathBuf), String> {
    key_value(text).map(|(node, path)| (node, path.into()))
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
        let missing = match self.skip_missing {
            true => Missing::LeaveOut,
            false => Missing::Refuse,
        };
        let plan = Plan::of(&run, &places, missing)?;
        self.refuse_unused_names(&plan)?;
        if plan.steps.len() > 1 && self.write.out.is_some() {
            return Err(Failure::usage(format!(
                "--out names one file, and there are {} models",
                plan.steps.len()
            )));
        }
        let signing = self.signing.open(None)?;
        let writing = Writing {
            signing: signing.as_ref(),
            args: &self.write,
            // No clock is read: every time in the statements was stated by dbt.
            times: Times::Compare,
            output,
        };
        let (ready, bare) = self.measure(&run, &places, &plan, &writing)?;
        run.refuse_changed()?;
        let mut written = Vec::new();
        let mut told: Vec<&Masked> = Vec::new();
        for ready in &ready {
            let put = writing.put(&ready.data, &ready.finished)?;
            for masked in &ready.finished.masked {
                // Variables of the run are masked in every statement, and told once.
                if !told.contains(&masked) {
                    tell_masked(masked);
                    told.push(masked);
                }
            }
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

    fn refuse_unused_names(&self, plan: &Plan<'_>) -> Result<(), Failure> {
        match self.named.iter().find(|(id, _)| !plan.has(id)) {
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
                let path = plan.path(node);
                if node.kind == Kind::Seed && !places.is_named(&node.id) {
                    places.code_of(node)?;
                }
                for input in Input::read_all(&[path.to_owned()], &self.records, &self.write.store)?
                {
                    if input.attested.is_none() {
                        bare.push(path.to_owned());
                    }
                    Input::refuse_unsigned([&input], writing.signing)?;
                    known.insert(&node.id, input);
                }
            }
            let path = plan.path(step.node);
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
                // It will be signed by the same signer as what is made of it.
                envelopes: Vec::new(),
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
        screen::result(format!("not attested: {count} {}(s) ({why})", Plain(kind)));
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

type Done<'r, 'a> = (&'r Ready<'a>, Put);

fn as_json(written: &[Done<'_, '_>], plan: &Plan<'_>, bare: &[PathBuf]) -> Json {
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
