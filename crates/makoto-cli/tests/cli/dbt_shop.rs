//! A small project of dbt and one run of it.

use std::collections::BTreeMap;

use makoto::digest::Digest;
use makoto::json::{Json, Object};

use crate::sandbox::{Ran, Sandbox};

/// A small project and one run of it, as dbt would have written them: two seeds, an ephemeral
/// model over both, a table over that, and a view over the table.
pub(crate) struct Shop {
    pub(crate) nodes: BTreeMap<String, Object>,
    pub(crate) sources: BTreeMap<String, Object>,
    pub(crate) results: Vec<Json>,
    pub(crate) arguments: Object,
    /// Versions of the two files and the invocations that they are of.
    pub(crate) about: [(&'static str, &'static str); 2],
}

/// dbt's checksum: of the text without white space around it.
fn checksum(text: &str) -> Json {
    let digest = Digest::of(text.trim().as_bytes()).to_string();
    [("name", "sha256".into()), ("checksum", digest.into())].into()
}

pub(crate) fn strings(items: &[&str]) -> Json {
    items.iter().map(|item| Json::from(*item)).collect()
}

pub(crate) fn result(id: &str, status: &str) -> Json {
    let execute = [
        ("name", "execute".into()),
        ("started_at", "2020-01-01T08:00:00.500000Z".into()),
        ("completed_at", "2020-01-01T08:00:01.250000Z".into()),
    ];
    Json::from([
        ("unique_id", id.into()),
        ("status", status.into()),
        ("timing", [Json::from(execute)].into_iter().collect()),
    ])
}

/// A node that stands in the `file` of the project with this `text`.
pub(crate) fn node(id: &str, file: &str, text: &str, reads: &[&str]) -> Object {
    let mut parts = id.split('.');
    let kind = parts.next().expect("a kind");
    let name = parts.next_back().expect("a name");
    let materialized = match kind {
        "model" => "table",
        other => other,
    };
    Object::from_iter([
        ("unique_id", Json::from(id)),
        ("resource_type", kind.into()),
        ("name", name.into()),
        ("alias", name.into()),
        ("database", "shop".into()),
        ("schema", "main".into()),
        (
            "relation_name",
            format!("\"shop\".\"main\".\"{name}\"").into(),
        ),
        ("config", [("materialized", materialized.into())].into()),
        ("description", "".into()),
        ("package_name", "shop".into()),
        ("original_file_path", file.into()),
        ("checksum", checksum(text)),
        ("depends_on", [("nodes", strings(reads))].into()),
    ])
}

impl Shop {
    /// The shop, with its files and the tables that the run made.
    pub(crate) fn open(sandbox: &Sandbox) -> Self {
        let mut shop = Self {
            nodes: BTreeMap::new(),
            sources: BTreeMap::new(),
            results: Vec::new(),
            arguments: Object::from_iter([("which", "build")]),
            about: [("manifest/v12", "one"), ("run-results/v6", "one")],
        };
        sandbox.write("shop/dbt_project.yml", "name: shop\n");
        let seeds = ["seed.shop.orders", "seed.shop.regions"];
        for (id, file, text, reads) in [
            (
                seeds[0],
                "seeds/orders.csv",
                "id,city\n1,Kyoto\n2,Nara\n",
                &[][..],
            ),
            (
                seeds[1],
                "seeds/regions.csv",
                "city,region\nNara,Kansai\n",
                &[],
            ),
            (
                "model.shop.placed",
                "models/placed.sql",
                "select 1\n",
                &seeds,
            ),
            (
                "model.shop.dear",
                "models/dear.sql",
                "\nselect 2\n\n",
                &["model.shop.placed"],
            ),
            (
                "model.shop.by_region",
                "models/by_region.sql",
                "select 3\n",
                &["model.shop.dear"],
            ),
        ] {
            sandbox.write(&format!("shop/{file}"), text);
            shop.add(node(id, file, text, reads));
        }
        shop.change("model.shop.placed", "config", materialized("ephemeral"));
        shop.change("model.shop.dear", "description", "Dear orders".into());
        sandbox.write("data/dear.csv", "id,city,region\n2,Nara,Kansai\n");
        sandbox.write("data/by_region.csv", "region,n\nKansai,1\n");
        shop.results = [
            seeds[0],
            seeds[1],
            "model.shop.dear",
            "model.shop.by_region",
        ]
        .map(|id| result(id, "success"))
        .into();
        shop
    }

    pub(crate) fn add(&mut self, node: Object) {
        let id = node.get("unique_id").and_then(Json::as_str);
        let id = id.expect("an id").to_owned();
        self.nodes.insert(id, node);
    }

    pub(crate) fn change(&mut self, id: &str, key: &str, value: Json) {
        let node = self.nodes.get_mut(id).expect("a node");
        node.insert(key, value);
    }

    /// Writes dbt's files.
    pub(crate) fn write(&self, sandbox: &Sandbox) {
        let object = |nodes: &BTreeMap<String, Object>| {
            let nodes = nodes.iter();
            Json::Object(
                nodes
                    .map(|(id, node)| (id, Json::Object(node.clone())))
                    .collect(),
            )
        };
        let about = self.about.map(|(version, invocation)| {
            let version = format!("https://schemas.getdbt.com/dbt/{version}.json");
            Json::from([
                ("dbt_schema_version", version.into()),
                ("dbt_version", "1.10.23".into()),
                ("invocation_id", invocation.into()),
                ("project_name", "shop".into()),
                ("adapter_type", "duckdb".into()),
            ])
        });
        let [about_manifest, about_results] = about;
        let manifest = Json::from([
            ("metadata", about_manifest),
            ("nodes", object(&self.nodes)),
            ("sources", object(&self.sources)),
        ]);
        let results = Json::from([
            ("metadata", about_results),
            ("results", self.results.iter().cloned().collect()),
            ("args", Json::Object(self.arguments.clone())),
        ]);
        sandbox.write("shop/target/manifest.json", manifest.to_string());
        sandbox.write("shop/target/run_results.json", results.to_string());
    }

    /// Writes dbt's files and attests the run.
    pub(crate) fn attest(&self, sandbox: &Sandbox, more: &[&str]) -> Ran {
        self.write(sandbox);
        attest(sandbox, more)
    }
}

pub(crate) fn attest(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let command = ["attest", "dbt", "shop/target", "--data", "data"];
    sandbox.makoto(&[&command[..], more].concat())
}

pub(crate) fn materialized(how: &str) -> Json {
    [("materialized", how.into())].into()
}

/// Names of the attestations beside the tables.
pub(crate) fn attestations(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("data")).expect("the folder can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<_> = names
        .filter(|name| name.ends_with(".attestation"))
        .collect();
    names.sort();
    names
}

/// The id by which the attestation in a file is referred to.
pub(crate) fn reference(sandbox: &Sandbox, file: &str) -> String {
    format!("urn:makoto:attestation:sha256:{}", sandbox.sha256(file))
}
