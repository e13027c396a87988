//! `makoto attest dbt`: a run of dbt, told by its two files.

use std::path::Path;
use std::process::{Command, Stdio};

use makoto::digest::Digest;
use makoto::json::Json;

use crate::dbt_shop::{Shop, attest, attestations, node, reference, result, strings};
use crate::document::{at, passes, text};
use crate::sandbox::{Sandbox, finish};

#[test]
fn every_model_of_a_run_is_attested_after_what_it_reads() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    sandbox.attested("shop/seeds/orders.csv", &["--name", "dataset:raw"]);
    let ran = shop.attest(&sandbox, &[]);
    ran.ends(0, &["shop/seeds/regions.csv has no attestation of its own"]);
    assert!(
        ran.stdout
            .contains("not attested: 2 seed(s) (status success)")
    );
    let dear = sandbox.json("data/dear.csv.attestation");
    let predicate = at(&dear, "predicate");
    for (path, expected) in [
        ("inputs.0.name", "dataset:raw"),
        (
            "inputs.0.digest.sha256",
            &sandbox.sha256("shop/seeds/orders.csv"),
        ),
        (
            "inputs.0.attestationRef",
            &reference(&sandbox, "shop/seeds/orders.csv.attestation"),
        ),
        ("inputs.1.name", "dataset:regions"),
        (
            "inputs.1.digest.sha256",
            &sandbox.sha256("shop/seeds/regions.csv"),
        ),
        ("inputs.1.attestationRef", ""),
        ("transform.type", "https://makoto.dev/transforms/sql"),
        ("transform.name", "dear"),
        ("transform.description", "Dear orders"),
        ("transform.codeRef.uri", "models/dear.sql"),
        (
            "transform.codeRef.digest.sha256",
            &sandbox.sha256("shop/models/dear.sql"),
        ),
        (
            "transform.codeRef.digest.dbtChecksum",
            &Digest::of(b"select 2").to_string(),
        ),
        ("transform.codeScope", "model file hashed, macros were not"),
        ("transform.parameters.unique_id", "model.shop.dear"),
        ("transform.parameters.materialized", "table"),
        (
            "transform.parameters.ephemeral.0.unique_id",
            "model.shop.placed",
        ),
        (
            "transform.parameters.ephemeral.0.digest.sha256",
            &sandbox.sha256("shop/models/placed.sql"),
        ),
        ("executor.id", "dbt/shop"),
        ("executor.version.dbt", "1.10.23"),
        ("executor.version.adapter", "duckdb"),
        ("metadata.startedOn", "2020-01-01T08:00:00.500000Z"),
        ("metadata.finishedOn", "2020-01-01T08:00:01.250000Z"),
        ("metadata.invocationId", "one"),
    ] {
        assert_eq!(text(predicate, path), expected, "{path}");
    }
    assert_eq!(at(predicate, "metadata.recordsInput"), &Json::from(3));
    assert_eq!(at(predicate, "metadata.recordsOutput"), &Json::from(1));
    assert_eq!(at(predicate, "inputs").as_array().map(<[_]>::len), Some(2));
    assert_eq!(text(&dear, "subject.0.name"), "dataset:dear");
    let by_region = sandbox.json("data/by_region.csv.attestation");
    assert_eq!(
        text(&by_region, "predicate.inputs.0.attestationRef"),
        reference(&sandbox, "data/dear.csv.attestation")
    );
    passes(&sandbox.verify("data/dear.csv", &["--as", "dataset:dear"]));
    passes(&sandbox.verify("data/by_region.csv", &[]));
    assert!(!sandbox.exists("data/placed.csv.attestation"));
}

#[test]
fn the_same_run_again_changes_nothing_and_another_run_is_other_facts() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    shop.attest(&sandbox, &[]).ends(0, &[]);
    let files = [
        "data/dear.csv.attestation",
        "data/by_region.csv.attestation",
    ];
    let before = files.map(|file| sandbox.stamp(file));
    let ran = attest(&sandbox, &["--json"]);
    assert_eq!(text(&ran.json(), "models.1.written.0.outcome"), "unchanged");
    assert_eq!(files.map(|file| sandbox.stamp(file)), before);

    shop.about = shop.about.map(|(version, _)| (version, "two"));
    shop.attest(&sandbox, &[])
        .ends(1, &["is there already and says something else"]);
    assert_eq!(files.map(|file| sandbox.stamp(file)), before);
    attest(&sandbox, &["--replace"]).ends(0, &[]);
    let by_region = sandbox.json(files[1]);
    assert_eq!(text(&by_region, "predicate.metadata.invocationId"), "two");
    let expected = reference(&sandbox, files[0]);
    assert_eq!(
        text(&by_region, "predicate.inputs.0.attestationRef"),
        expected
    );
}

#[test]
fn the_models_of_a_run_are_signed_and_refer_to_each_other_as_before() {
    let sandbox = crate::signing::signers();
    let shop = Shop::open(&sandbox);
    sandbox.attested("shop/seeds/orders.csv", &["--name", "dataset:raw"]);
    shop.attest(&sandbox, &crate::signing::SIGNER).ends(0, &[]);
    let bundle = sandbox.json("data/dear.csv.attestation");
    assert!(bundle.get("dsseEnvelope").is_some(), "{bundle}");
    let read = |name: &str| {
        let bytes = sandbox.read(name);
        let attestation = makoto::attestation::Attestation::parse(&bytes);
        attestation.expect("an attestation")
    };
    let orders = read("shop/seeds/orders.csv.attestation");
    let dear = read("data/dear.csv.attestation");
    assert_eq!(
        text(&dear.statement, "predicate.inputs.0.attestationRef"),
        orders.reference()
    );
}

#[test]
fn nothing_that_is_l2_is_made_of_a_source_that_nobody_signed() {
    let (sandbox, authorities) = crate::signing::certified();
    let tsa = authorities.serve(crate::tsa::Answer::Honest);
    let shop = Shop::open(&sandbox);
    for seed in ["orders", "people"] {
        let file = format!("shop/seeds/{seed}.csv");
        if sandbox.exists(&file) {
            sandbox.attested(&file, &[]);
        }
    }
    let l2 = [
        "--tsa",
        &tsa,
        "--trusted-root",
        "root.json",
        "--level",
        "L2",
    ];
    let ran = shop.attest(&sandbox, &[&crate::signing::SIGNER[..], &l2].concat());
    ran.ends(1, &["L2.V.8", "unsigned", "makoto sign"]);
    assert!(!sandbox.exists("data/dear.csv.attestation"));
}

#[test]
fn a_kept_upstream_attestation_is_the_one_that_is_referred_to() {
    let sandbox = Sandbox::new();
    Shop::open(&sandbox).attest(&sandbox, &[]).ends(0, &[]);
    // The same statement over several lines has the id of the bytes as they stand there.
    let spaced = format!("{:#}\n", sandbox.json("data/dear.csv.attestation"));
    let id = Digest::of(spaced.trim().as_bytes());
    sandbox.write("data/dear.csv.attestation", spaced);
    attest(&sandbox, &["--replace"]).ends(0, &[]);
    let by_region = sandbox.json("data/by_region.csv.attestation");
    assert_eq!(
        text(&by_region, "predicate.inputs.0.attestationRef"),
        format!("urn:makoto:attestation:sha256:{id}")
    );
}

#[test]
fn data_is_found_by_table_by_schema_in_folders_and_where_it_is_said_to_be() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    shop.write(&sandbox);
    let [from, content] = ["data/dear.csv", "id\n1\n"];
    let remove = |name: &str| {
        let path = sandbox.path(name);
        match path.is_dir() {
            true => std::fs::remove_dir_all(path),
            false => std::fs::remove_file(path),
        }
        .expect("it is there");
    };
    remove(from);
    for (file, table) in [
        ("data/dear.csv.gz", "data/dear.csv.gz"),
        ("data/dear.parquet", "data/dear.parquet"),
        ("data/main.dear.jsonl", "data/main.dear.jsonl"),
        ("data/main/dear.csv", "data/main/dear.csv"),
        ("data/dear/region=1/part.txt", "data/dear"),
        ("elsewhere.csv", "elsewhere.csv"),
    ] {
        sandbox.write(
            file,
            if file.ends_with(".jsonl") {
                "{}\n"
            } else {
                content
            },
        );
        let bytes = ["--format", "bytes"];
        let mut more = vec!["--replace"];
        // What is written here is neither.
        more.extend(if file.ends_with(".gz") || file.ends_with(".parquet") {
            &bytes[..]
        } else {
            &[]
        });
        if file == "elsewhere.csv" {
            more.extend(["--map", "model.shop.dear=elsewhere.csv"]);
        }
        attest(&sandbox, &more).ends(0, &[]);
        passes(&sandbox.verify(table, &["--as", "dataset:dear"]));
        let by_region = sandbox.json("data/by_region.csv.attestation");
        assert_eq!(
            text(&by_region, "predicate.inputs.0.attestationRef"),
            reference(&sandbox, &format!("{table}.attestation")),
            "{file}"
        );
        remove(table);
    }
}

#[test]
fn a_source_is_an_input_and_so_is_a_model_that_another_run_made() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    let mut source = node("source.shop.raw.cities", "models/src.yml", "", &[]);
    source.insert("identifier", "city_list".into());
    shop.sources.insert("source.shop.raw.cities".into(), source);
    let reads = strings(&["source.shop.raw.cities", "model.shop.dear"]);
    shop.change(
        "model.shop.by_region",
        "depends_on",
        [("nodes", reads)].into(),
    );
    shop.results = vec![result("model.shop.by_region", "success")];
    sandbox.write("data/city_list.csv", "city\nNara\n");
    sandbox.attested("data/city_list.csv", &[]);
    shop.attest(&sandbox, &[])
        .ends(0, &["data/dear.csv has no attestation"]);
    let by_region = sandbox.json("data/by_region.csv.attestation");
    for (path, expected) in [
        ("0.name", "dataset:dear"),
        ("0.attestationRef", ""),
        ("1.name", "dataset:city_list"),
        (
            "1.attestationRef",
            &reference(&sandbox, "data/city_list.csv.attestation"),
        ),
    ] {
        assert_eq!(text(at(&by_region, "predicate.inputs"), path), expected);
    }
    assert_eq!(
        attestations(&sandbox),
        ["by_region.csv.attestation", "city_list.csv.attestation"]
    );
}

#[test]
fn what_was_not_attested_is_listed() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    shop.add(node(
        "model.shop.bad",
        "models/bad.sql",
        "x",
        &["model.shop.dear"],
    ));
    shop.add(node("model.shop.alone", "models/alone.sql", "x", &[]));
    for (id, status) in [
        ("model.shop.bad", "error"),
        ("model.shop.alone", "success"),
        ("test.shop.unique", "fail"),
        ("test.shop.not_null", "pass"),
        ("unit_test.shop.u", "pass"),
    ] {
        shop.results.push(result(id, status));
    }
    let ran = shop.attest(&sandbox, &[]);
    ran.ends(0, &[]);
    for line in [
        "not attested: model.shop.bad (status error)\n",
        "not attested: model.shop.alone (it reads no other node; see attest origin)\n",
        "not attested: test.shop.unique (status fail)\n",
        "not attested: 1 test(s) (status pass)\n",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} not in {ran:?}");
    }
    let json = attest(&sandbox, &["--json"]).json();
    let left_out = at(&json, "notAttested").as_array().expect("an array");
    assert_eq!(left_out.len(), 7);
    assert_eq!(text(&json, "models.0.node"), "model.shop.dear");
    assert!(!sandbox.exists("data/bad.csv.attestation"));
}

#[test]
fn a_secret_among_the_variables_is_in_no_statement() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    let vars = [("api_token", "hunter22".into()), ("limit", 200.into())];
    shop.arguments.insert("vars", vars.into());
    let about = "Dear orders, fetched with hunter22";
    shop.change("model.shop.dear", "description", about.into());
    let ran = shop.attest(&sandbox, &[]);
    ran.ends(
        0,
        &["masked: predicate.transform.parameters.vars.api_token"],
    );
    assert_eq!(ran.stderr.matches("masked:").count(), 1, "{ran:?}");
    for file in [
        "data/dear.csv.attestation",
        "data/by_region.csv.attestation",
    ] {
        assert!(!sandbox.read_text(file).contains("hunter22"));
        let vars = sandbox.json(file);
        let vars = at(&vars, "predicate.transform.parameters.vars").clone();
        assert_eq!(text(&vars, "api_token"), "***");
        assert_eq!(at(&vars, "limit"), &Json::from(200));
    }
}

#[test]
fn two_at_once_write_one_whole_attestation_each() {
    let sandbox = Sandbox::new();
    Shop::open(&sandbox).write(&sandbox);
    let command = ["attest", "dbt", "shop/target", "--data", "data"];
    let start = || {
        let mut makoto = sandbox.command();
        let quiet = makoto.args(command).stdout(Stdio::null());
        quiet.stderr(Stdio::null()).spawn().expect("it starts")
    };
    let both = [start(), start(), start()];
    for mut one in both {
        assert_eq!(crate::sandbox::wait(&mut one), 0);
    }
    passes(&sandbox.verify("data/by_region.csv", &[]));
    let by_region = sandbox.json("data/by_region.csv.attestation");
    let expected = reference(&sandbox, "data/dear.csv.attestation");
    assert_eq!(
        text(&by_region, "predicate.inputs.0.attestationRef"),
        expected
    );
}

/// A program of the Python that this project's tests use; see scripts/prepare.
fn python(sandbox: &Sandbox, program: &str) -> Command {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin");
    let mut command = sandbox.program(&python.join(program).to_string_lossy());
    command
        .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        .env("DBT_PROFILES_DIR", ".")
        .current_dir(sandbox.path("shop"));
    command
}

#[test]
fn a_real_project_is_attested_as_dbt_leaves_it() {
    let sandbox = Sandbox::new();
    for (file, content) in [
        (
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nprofile: shop\n",
        ),
        (
            "profiles.yml",
            "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
        ),
        (
            "seeds/orders.csv",
            "id,city,price\n1,Kyoto,310\n2,Nara,270\n3,Kobe,195\n\n",
        ),
        (
            "seeds/regions.csv",
            "city,region\nKyoto,North\nNara,South\nKobe,South\n",
        ),
        (
            "models/placed.sql",
            "{{ config(materialized='ephemeral') }}\nselect * from {{ ref('orders') }} join {{ ref('regions') }} using (city)\n",
        ),
        (
            "models/dear.sql",
            "{{ config(materialized='table') }}\nselect * from {{ ref('placed') }} where price > {{ var('limit', 0) }} order by id\n",
        ),
        (
            "models/by_region.sql",
            "select region, count(*) as n from {{ ref('dear') }} group by region order by region\n",
        ),
        (
            "models/schema.yml",
            "models:\n  - name: dear\n    description: Dear orders\n    columns:\n      - name: id\n        data_tests: [unique]\n",
        ),
    ] {
        sandbox.write(&format!("shop/{file}"), content);
    }
    let build = [
        "--quiet",
        "build",
        "--no-version-check",
        "--vars",
        "{limit: 200}",
    ];
    let ran = finish(python(&sandbox, "dbt").args(build), b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    std::fs::create_dir(sandbox.path("data")).expect("a new folder");
    let export = "import duckdb
db = duckdb.connect('shop.duckdb', read_only=True)
for table in ['dear', 'by_region']:
    db.sql(f\"copy {table} to '../data/{table}.csv'\")
";
    finish(python(&sandbox, "python").args(["-c", export]), b"").ends(0, &[]);

    sandbox.attested("shop/seeds/orders.csv", &[]);
    let ran = attest(&sandbox, &[]);
    ran.ends(0, &["shop/seeds/regions.csv has no attestation"]);
    assert!(ran.stdout.contains("not attested: 1 test(s) (status pass)"));
    assert_eq!(
        sandbox.read_text("data/by_region.csv"),
        "region,n\nNorth,1\nSouth,1\n"
    );
    for table in ["dear", "by_region"] {
        let data = format!("data/{table}.csv");
        passes(&sandbox.verify(&data, &["--as", &format!("dataset:{table}")]));
    }
    let dear = sandbox.json("data/dear.csv.attestation");
    for (index, seed) in ["orders", "regions"].into_iter().enumerate() {
        let path = format!("predicate.inputs.{index}.digest.sha256");
        let expected = sandbox.sha256(&format!("shop/seeds/{seed}.csv"));
        assert_eq!(text(&dear, &path), expected, "{seed}");
    }
    let code = at(&dear, "predicate.transform.codeRef");
    assert_eq!(
        text(code, "digest.sha256"),
        sandbox.sha256("shop/models/dear.sql")
    );
    let parameters = at(&dear, "predicate.transform.parameters");
    assert_eq!(at(parameters, "vars.limit"), &Json::from(200));
    assert_eq!(
        text(parameters, "ephemeral.0.unique_id"),
        "model.shop.placed"
    );
    let by_region = sandbox.json("data/by_region.csv.attestation");
    let input = at(&by_region, "predicate.inputs.0");
    assert_eq!(
        text(input, "digest.sha256"),
        sandbox.sha256("data/dear.csv")
    );
    assert_eq!(
        text(input, "attestationRef"),
        reference(&sandbox, "data/dear.csv.attestation")
    );

    // dbt says "success" of models that it only compiled, and of another run.
    finish(python(&sandbox, "dbt").args(["--quiet", "compile"]), b"").ends(0, &[]);
    attest(&sandbox, &[]).ends(2, &["the run is one of `dbt compile`"]);
    finish(python(&sandbox, "dbt").args(["--quiet", "ls"]), b"").ends(0, &[]);
    attest(&sandbox, &[]).ends(1, &["is of invocation", "run_results.json of"]);
}
