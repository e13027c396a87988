//! Which models of a run can be attested, and where their data and that of their inputs is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use makoto::limits::Limits;
use makoto_data::{attestation_path, manifest_path};

use super::node::{Kind, Node};
use super::place::Places;
use super::{DbtRun, NodeResult};
use crate::failure::Failure;
use crate::screen::Plain;

/// Ids that an error names; the rest are counted.
const SHOWN: usize = 10;

/// A model or snapshot that will be attested.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) node: &'a Node,
    pub(crate) result: &'a NodeResult,
    /// Nodes that it reads.
    pub(crate) inputs: Vec<&'a Node>,
    /// Ephemeral models in its code.
    pub(crate) code: Vec<&'a Node>,
}

/// What to do with models whose data, or the data of an input, is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Refuse,
    LeaveOut,
}

/// What will be attested, each after what it reads.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    paths: BTreeMap<&'a str, PathBuf>,
    /// Nodes of the run that are not attested, and why.
    pub(crate) left_out: Vec<(&'a str, String)>,
}

impl<'a> Plan<'a> {
    /// Finds the data of everything that the run made, and of what that read.
    pub(crate) fn of(
        run: &'a DbtRun,
        places: &Places<'a>,
        missing: Missing,
    ) -> Result<Self, Failure> {
        let mut plan = Self::default();
        let made = plan.sort_results(run)?;
        let ids = made.keys().copied().collect();
        let mut lacking = BTreeSet::new();
        let mut visited = 0;
        for node in run.nodes.in_order(&ids)? {
            let reads = run.nodes.reads(node)?;
            // Ephemeral models in a chain, and models that all read its end, multiply.
            visited += reads.code.len() + reads.data.len();
            if visited > Limits::DBT.values {
                return Err(Failure::usage(format!(
                    "the models in manifest.json read more than {} nodes",
                    Limits::DBT.values
                )));
            }
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
                    && !made.contains_key(data.id.as_str())
                    && !places.is_named(&data.id);
                let found = match is_elsewhere {
                    true => None,
                    false => places.data_of(data)?,
                };
                match found {
                    Some(path) => drop(plan.paths.insert(&data.id, path)),
                    None => lacks.push(data.id.as_str()),
                }
            }
            match made.get(node.id.as_str()) {
                Some(result) if lacks.is_empty() => plan.steps.push(Step {
                    node,
                    result,
                    inputs: reads.data,
                    code: reads.code,
                }),
                _ => plan.leave_out(&node.id, format!("no data of {}", listed(&lacks))),
            }
            lacking.extend(lacks);
        }
        if missing == Missing::Refuse && !lacking.is_empty() {
            return Err(no_data(run, places, &Vec::from_iter(lacking)));
        }
        if plan.steps.is_empty() {
            return Err(Failure::contradiction(
                "the run made no model that could be attested, so nothing was written",
            )
            .hint("run_results.json says what became of each node"));
        }
        // What was found for a model that is left out is not read.
        let used = |step: &Step<'a>| [step.node].into_iter().chain(step.inputs.clone());
        let used: BTreeSet<_> = plan.steps.iter().flat_map(used).map(|n| &*n.id).collect();
        plan.paths.retain(|id, _| used.contains(id));
        plan.refuse_shared()?;
        Ok(plan)
    }

    /// Where the data of a node is that a step made or reads.
    pub(crate) fn path(&self, node: &Node) -> &Path {
        &self.paths[node.id.as_str()]
    }

    /// Whether a step made this node or reads it.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.paths.contains_key(id)
    }

    /// What the run made, by id. The rest is left out.
    fn sort_results(
        &mut self,
        run: &'a DbtRun,
    ) -> Result<HashMap<&'a str, &'a NodeResult>, Failure> {
        let mut made = HashMap::new();
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
                true => drop(made.insert(result.id.as_str(), result)),
                false => self.leave_out(&result.id, format!("status {}", result.status)),
            }
        }
        Ok(made)
    }

    fn leave_out(&mut self, id: &'a str, why: String) {
        self.left_out.push((id, why));
    }

    /// Refuses one file for two tables, and data that writing an attestation would change.
    fn refuse_shared(&self) -> Result<(), Failure> {
        let outputs: BTreeSet<_> = self.steps.iter().map(|step| &*step.node.id).collect();
        let mut places: BTreeMap<PathBuf, (&str, &Path)> = BTreeMap::new();
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        for (id, path) in &self.paths {
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
}

fn no_data(run: &DbtRun, places: &Places<'_>, lacking: &[&str]) -> Failure {
    let elsewhere = match run.defers {
        true => "; with --defer, what dbt did not make may have been read elsewhere",
        false => "",
    };
    Failure::usage(format!(
        "{} has no data of {}{elsewhere}",
        Plain(&places.data().to_string_lossy()),
        listed(lacking)
    ))
    .hint(format!(
        "nothing was written; put NAME.csv, NAME.parquet, … or SCHEMA.NAME.csv there, say where it is with --map {}=PATH, or leave out what lacks it with --skip-missing",
        lacking.first().unwrap_or(&"NODE")
    ))
}

/// The first few ids, and how many more there are.
fn listed(ids: &[&str]) -> String {
    let mut shown: Vec<_> = ids.iter().take(SHOWN).map(|id| id.to_string()).collect();
    if ids.len() > SHOWN {
        shown.push(format!("{} more", ids.len() - SHOWN));
    }
    shown.join(", ")
}
