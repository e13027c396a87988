//! The nodes of a dbt project, and which of them read which.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use makoto::digest::Digest;

use super::part::Part;
use crate::failure::Failure;

/// Names of a cycle that are shown; the first few are enough to find it.
const SHOWN: usize = 8;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Model,
    Snapshot,
    Seed,
    Source,
    /// A test, an operation, or another thing that has no data.
    Other,
}

/// A node of a dbt project.
#[derive(Debug)]
pub(crate) struct Node {
    /// `unique_id`, such as `model.shop.orders`.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Name of its table: `alias`, or `identifier` of a source.
    pub(crate) alias: String,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) relation: Option<String>,
    pub(crate) materialized: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) package: String,
    /// `original_file_path`, from the folder of its package.
    pub(crate) file: Option<String>,
    /// SHA-256 of the file without white space around it, as dbt computes it.
    pub(crate) checksum: Option<Digest>,
    depends_on: Vec<String>,
}

impl Node {
    fn read(id: &str, part: &Part<'_>) -> Result<Self, Failure> {
        let text = |key: &'static str| part.member(key).text();
        let own = part.member("unique_id");
        if own.needed_text()? != id {
            return Err(own.wrong(&format!("{id:?}, under which it stands")));
        }
        let kind = match part.member("resource_type").needed_text()?.as_str() {
            "model" => Kind::Model,
            "snapshot" => Kind::Snapshot,
            "seed" => Kind::Seed,
            "source" => Kind::Source,
            _ => Kind::Other,
        };
        let name = part.member("name").needed_text()?;
        let alias = match kind {
            Kind::Source => text("identifier")?,
            _ => text("alias")?,
        };
        let checksum = part.member("checksum");
        let value = checksum.member("checksum");
        let checksum = match checksum.member("name").text()?.as_deref() {
            Some("sha256") => {
                let parsed = value.needed_text()?.parse();
                Some(parsed.map_err(|_| value.wrong("64 lower-case hexadecimal digits"))?)
            }
            _ => None,
        };
        let depends_on = part.member("depends_on");
        let nodes = depends_on.member("nodes");
        let depends_on: Result<_, _> = nodes.items()?.map(|item| item.needed_text()).collect();
        Ok(Self {
            id: id.to_owned(),
            kind,
            alias: alias.unwrap_or_else(|| name.clone()),
            name,
            database: text("database")?,
            schema: text("schema")?,
            relation: text("relation_name")?,
            materialized: part.member("config").member("materialized").text()?,
            description: text("description")?.filter(|text| !text.trim().is_empty()),
            package: part.member("package_name").needed_text()?,
            file: text("original_file_path")?,
            checksum,
            depends_on: depends_on?,
        })
    }

    /// Whether the run makes data of it, if it succeeds.
    pub(crate) fn is_made(&self) -> bool {
        matches!(self.kind, Kind::Model | Kind::Snapshot) && !self.is_looked_through()
    }

    /// Whether it is only text inside the models that name it.
    fn is_looked_through(&self) -> bool {
        self.kind == Kind::Model && self.materialized.as_deref() == Some("ephemeral")
    }

    /// The table that it is, for telling whether two nodes are the same data.
    pub(crate) fn table(&self) -> [&str; 3] {
        let [database, schema] = [&self.database, &self.schema];
        let [database, schema] = [database, schema].map(|part| part.as_deref().unwrap_or_default());
        [database, schema, &self.alias]
    }
}

/// What a node reads.
#[derive(Debug, Default)]
pub(crate) struct Reads<'a> {
    /// Nodes with data.
    pub(crate) data: Vec<&'a Node>,
    /// Ephemeral models, whose code is part of the node's own.
    pub(crate) code: Vec<&'a Node>,
}

/// The nodes of a project.
#[derive(Debug)]
pub(crate) struct Nodes(BTreeMap<String, Node>);

impl Nodes {
    pub(super) fn read(manifest: &Part<'_>) -> Result<Self, Failure> {
        let mut nodes = BTreeMap::new();
        for key in ["nodes", "sources"] {
            let part = manifest.member(key);
            for (id, node) in part.members()? {
                let twice = nodes.insert(id.clone(), Node::read(id, &node)?);
                if twice.is_some() {
                    return Err(node.wrong("a node that is not among the others as well"));
                }
            }
        }
        Ok(Self(nodes))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.values()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Node> {
        self.0.get(id)
    }

    fn get(&self, id: &str) -> Result<&Node, Failure> {
        let found = self.find(id);
        found.ok_or_else(|| Failure::usage(format!("manifest.json has no node {id:?}")))
    }

    fn dependency(&self, node: &Node, id: &str) -> Result<&Node, Failure> {
        let found = self.find(id).filter(|found| found.kind != Kind::Other);
        found.ok_or_else(|| {
            Failure::usage(format!(
                "{:?} depends on {id:?}, and manifest.json has no model, seed, snapshot or source of that id",
                node.id
            ))
        })
    }

    /// The nodes of `made`, each after those of them that it reads.
    ///
    /// # Errors
    /// A node that is not there, and a circle.
    pub(crate) fn in_order(&self, made: &BTreeSet<&str>) -> Result<Vec<&Node>, Failure> {
        let mut done: HashMap<&str, bool> = HashMap::new();
        let mut order = Vec::new();
        for id in made {
            if done.contains_key(id) {
                continue;
            }
            done.insert(id, false);
            // A stack of our own: a manifest may hold a chain of any length.
            let mut open = vec![(self.get(id)?, 0)];
            while let Some((node, next)) = open.last_mut() {
                let node = *node;
                let Some(id) = node.depends_on.get(*next) else {
                    done.insert(&node.id, true);
                    order.extend(made.contains(node.id.as_str()).then_some(node));
                    open.pop();
                    continue;
                };
                *next += 1;
                let below = self.dependency(node, id)?;
                match done.get(below.id.as_str()) {
                    Some(true) => {}
                    Some(false) => return Err(cycle(&open, below)),
                    None if made.contains(below.id.as_str()) || below.is_looked_through() => {
                        done.insert(&below.id, false);
                        open.push((below, 0));
                    }
                    None => {}
                }
            }
        }
        Ok(order)
    }

    /// What `node` reads; ephemeral models are looked through to what they read.
    pub(crate) fn reads(&self, node: &Node) -> Result<Reads<'_>, Failure> {
        let mut reads = Reads::default();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = node.depends_on.iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let below = self.dependency(node, id)?;
            match below.is_looked_through() {
                true => {
                    open.extend(below.depends_on.iter().map(String::as_str));
                    reads.code.push(below);
                }
                false => reads.data.push(below),
            }
        }
        reads.data.sort_by(|a, b| a.id.cmp(&b.id));
        reads.code.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(reads)
    }
}

fn cycle(open: &[(&Node, usize)], closes: &Node) -> Failure {
    let nodes = open.iter().map(|(node, _)| node.id.as_str());
    let inside: Vec<_> = nodes.skip_while(|id| *id != closes.id).collect();
    let shown = inside.iter().take(SHOWN).map(|id| format!("{id:?}"));
    let mut shown: Vec<_> = shown.collect();
    if inside.len() > SHOWN {
        shown.push(format!("{} more", inside.len() - SHOWN));
    }
    Failure::usage(format!(
        "nodes in manifest.json depend on each other in a circle: {}",
        shown.join(", ")
    ))
    .hint("dbt never writes such a manifest; see where it comes from")
}
