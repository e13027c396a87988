//! Where the data and the code of a dbt node lie.
//!
//! A manifest names tables and files, and must not make us read outside the folders that the user
//! named: its names are parts of a path below those folders, and never `..` or a link out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::manifest::check_path;
use makoto_data::{Links, fingerprint, member_path, read_limited};

use super::node::{Kind, Node, Nodes};
use crate::failure::Failure;
use crate::screen::Plain;

/// The ends of names under which tables are stored; the empty one is a folder of part files.
const ENDS: [&str; 11] = [
    "", ".arrow", ".avro", ".csv", ".feather", ".json", ".jsonl", ".ndjson", ".orc", ".parquet",
    ".tsv",
];

/// What compression adds to those.
const COMPRESSED: [&str; 3] = ["", ".gz", ".zst"];

/// Where the packages of a project are.
const PACKAGES: &str = "dbt_packages";

/// The folders in which a run's data and code are looked for.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    data: &'a Path,
    project: Option<PathBuf>,
    project_name: Option<&'a str>,
    links: Links,
    /// Data that the user has named, by node.
    named: BTreeMap<&'a str, &'a Path>,
    /// Tables by their alias alone.
    tables: HashMap<&'a str, BTreeSet<[&'a str; 3]>>,
    schemas: BTreeSet<&'a str>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(
        data: &'a Path,
        project: Option<PathBuf>,
        project_name: Option<&'a str>,
        links: Links,
        named: &'a [(String, PathBuf)],
        nodes: &'a Nodes,
    ) -> Result<Self, Failure> {
        let shown = data.to_string_lossy();
        if !data.is_dir() {
            let message = format!("{} is no folder", Plain(&shown));
            return Err(Failure::usage(message).hint("--data names the folder with the tables"));
        }
        let mut places = Self {
            data,
            project,
            project_name,
            links,
            named: BTreeMap::new(),
            tables: HashMap::new(),
            schemas: BTreeSet::new(),
        };
        for (id, path) in named {
            if nodes.find(id).is_none() {
                return Err(Failure::usage(format!(
                    "--map {id:?}: manifest.json has no such node"
                )));
            }
            if places.named.insert(id, path).is_some() {
                return Err(Failure::usage(format!("--map {id:?} is given twice")));
            }
        }
        for node in nodes.iter().filter(|node| node.kind != Kind::Other) {
            let tables = places.tables.entry(&node.alias).or_default();
            tables.insert(node.table());
            places.schemas.extend(node.schema.as_deref());
        }
        Ok(places)
    }

    /// The folder in which data is looked for.
    pub(crate) fn data(&self) -> &Path {
        self.data
    }

    /// Whether the user has said where the data of this node is.
    pub(crate) fn is_named(&self, id: &str) -> bool {
        self.named.contains_key(id)
    }

    /// Whether no other table has the name of this one.
    fn is_alone(&self, node: &Node) -> bool {
        let tables = self.tables.get(node.alias.as_str());
        tables.is_none_or(|tables| tables.len() < 2)
    }

    /// The name of a node's data: with its schema where another table is called alike.
    pub(crate) fn name_of(&self, node: &Node) -> String {
        match (&node.schema, self.is_alone(node)) {
            (Some(schema), false) => format!("dataset:{schema}.{}", node.alias),
            _ => format!("dataset:{}", node.alias),
        }
    }

    /// The file or folder with the data of `node`; `None` when there is none.
    pub(crate) fn data_of(&self, node: &Node) -> Result<Option<PathBuf>, Failure> {
        if let Some(path) = self.named.get(node.id.as_str()) {
            if fingerprint(path)?.is_none() {
                let shown = path.to_string_lossy();
                return Err(Failure::usage(format!(
                    "--map {:?}: there is no file {}",
                    node.id,
                    Plain(&shown)
                )));
            }
            return Ok(Some(path.to_path_buf()));
        }
        // Seeds are CSV files; another file of the project is none of a manifest's business.
        if node.kind == Kind::Seed
            && let Some(path) = self.file_of(node)
            && path.extension().is_some_and(|end| end == "csv")
        {
            return Ok(Some(path));
        }
        check_name(node, "alias", &node.alias)?;
        let mut names = Vec::new();
        if let Some(schema) = &node.schema {
            check_name(node, "schema", schema)?;
            names.push(format!("{schema}.{}", node.alias));
            names.push(format!("{schema}/{}", node.alias));
        }
        let (own, shared) = match self.is_alone(node) {
            true => (vec![node.alias.clone()], vec![]),
            false => (vec![], vec![node.alias.clone()]),
        };
        let mut found = self.stored(own.iter().chain(&names))?;
        if found.is_empty()
            && let [path, ..] = self.stored(shared.iter())?.as_slice()
        {
            return Err(Failure::usage(format!(
                "{} could be the data of {:?} or of another table called {:?}",
                Plain(&path.to_string_lossy()),
                node.id,
                node.alias
            ))
            .hint("put the schema before its name, as in SCHEMA.NAME.csv, or say whose it is with --map"));
        }
        if let [one, other, ..] = found.as_slice() {
            let [one, other] = [one, other].map(|path| path.to_string_lossy());
            return Err(Failure::usage(format!(
                "both {} and {} could be the data of {:?}",
                Plain(&one),
                Plain(&other),
                node.id
            ))
            .hint(format!("say which it is with --map {}=PATH", node.id)));
        }
        Ok(found.pop())
    }

    /// What is stored under these names below the data folder, with any end.
    fn stored<'n>(&self, names: impl Iterator<Item = &'n String>) -> Result<Vec<PathBuf>, Failure> {
        let mut found = Vec::new();
        for name in names {
            for end in ENDS {
                for compressed in COMPRESSED {
                    if end.is_empty() && !compressed.is_empty() {
                        continue;
                    }
                    let file = format!("{name}{end}{compressed}");
                    if is_absent(&self.data.join(&file)) {
                        continue;
                    }
                    let path = member_path(self.data, &file, self.links)?;
                    // A folder may hold the tables of a schema, and a file without an end be anything.
                    let is_table = !self.schemas.contains(name.as_str()) && path.is_dir();
                    if !end.is_empty() || is_table {
                        found.push(path);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The file of the project that holds a node's code, or a seed's data, if it is there.
    fn file_of(&self, node: &Node) -> Option<PathBuf> {
        let (project, file) = (self.project.as_deref()?, node.file.as_deref()?);
        let file = match self.project_name == Some(node.package.as_str()) {
            true => file.to_owned(),
            false => format!("{PACKAGES}/{}/{file}", node.package),
        };
        // A file that lies elsewhere or is not there is not seen; the statement says so.
        let path = member_path(project, &file, self.links).ok()?;
        let plain = path.strip_prefix(".").map(Path::to_owned);
        Some(plain.unwrap_or(path))
    }

    /// Digests of a node's file, and whether it was seen.
    ///
    /// # Errors
    /// When the file is there and is not the one that dbt read.
    pub(crate) fn code_of(&self, node: &Node) -> Result<Code, Failure> {
        let Some(checksum) = node.checksum else {
            return Ok(Code::default());
        };
        let mut code = Code {
            dbt: Some(checksum),
            seen: None,
        };
        let Some(path) = self.file_of(node) else {
            return Ok(code);
        };
        let bytes = read_limited(&path, Limits::DEFAULT.document_bytes)?.unwrap_or_default();
        let stripped = std::str::from_utf8(&bytes).map(|text| text.trim_matches(is_python_space));
        let stripped = stripped.map(|text| Digest::of(text.as_bytes()));
        let digest = Digest::of(&bytes);
        if stripped != Ok(checksum) && digest != checksum {
            return Err(Failure::contradiction(format!(
                "{} is not the file that dbt read for {:?}: manifest.json has another checksum",
                Plain(&path.to_string_lossy()),
                node.id
            ))
            .hint("run dbt again, or name the project as it was with --project"));
        }
        code.seen = Some(digest);
        Ok(code)
    }
}

/// Digests of the file behind a node.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Code {
    /// dbt's: of the text without white space around it.
    dbt: Option<Digest>,
    /// Of the file as it lies there.
    pub(crate) seen: Option<Digest>,
}

impl Code {
    /// As a digest set; `None` when nothing is known.
    pub(crate) fn to_json(self) -> Option<Json> {
        let digests = [("dbtChecksum", self.dbt), ("sha256", self.seen)];
        let known = digests.into_iter();
        let known = known.filter_map(|(key, digest)| Some((key, digest?.to_string())));
        self.dbt.map(|_| Json::Object(known.collect()))
    }

    /// What of the code was hashed.
    pub(crate) fn scope(self) -> &'static str {
        match (self.seen, self.dbt) {
            (Some(_), _) => "model file hashed, macros were not",
            (None, Some(_)) => "checksum of dbt, the file was not seen",
            (None, None) => "not hashed",
        }
    }
}

/// What Python's `str.strip` takes away, by which dbt's checksums are computed.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Whether nothing is there. A name that no file system can hold is not there either.
fn is_absent(path: &Path) -> bool {
    use std::io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    let found = std::fs::symlink_metadata(path).map_err(|error| error.kind());
    matches!(found, Err(NotFound | NotADirectory | InvalidFilename))
}

/// Refuses a name that leads anywhere but to one entry of a folder.
fn check_name(node: &Node, what: &str, name: &str) -> Result<(), Failure> {
    if check_path(name).is_ok() && !name.contains('/') {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the {what} {name:?} of {:?} is no name of a file",
        node.id
    ))
    .hint(format!("say where its data is with --map {}=PATH", node.id)))
}
