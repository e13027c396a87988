//! `makoto attest dbt`: runs that are not what they say, and manifests that nobody's dbt wrote.

use std::os::unix::fs::symlink;

use makoto::json::{Json, Object};

use crate::dbt_shop::{Shop, attest, attestations, materialized, node, result, strings};
use crate::document::text;
use crate::sandbox::{Ran, Sandbox};

/// Checks that a run is refused with these words and that nothing was written.
#[track_caller]
fn refused(sandbox: &Sandbox, ran: &Ran, status: i32, words: &[&str]) {
    ran.ends(status, words);
    assert_eq!(attestations(sandbox), [] as [&str; 0]);
}

#[track_caller]
fn refuses(change: impl FnOnce(&mut Shop, &Sandbox), status: i32, words: &[&str]) {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    change(&mut shop, &sandbox);
    refused(&sandbox, &shop.attest(&sandbox, &[]), status, words);
}

fn reads(nodes: &[&str]) -> Json {
    [("nodes", strings(nodes))].into()
}

#[test]
fn missing_data_stops_everything_unless_it_is_to_be_left_out() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    std::fs::remove_file(sandbox.path("data/by_region.csv")).expect("it is there");
    let ran = shop.attest(&sandbox, &[]);
    let words = [
        "data has no data of model.shop.by_region",
        "--map model.shop.by_region=PATH",
        "--skip-missing",
    ];
    refused(&sandbox, &ran, 2, &words);
    let ran = attest(&sandbox, &["--skip-missing"]);
    ran.ends(0, &[]);
    let line = "not attested: model.shop.by_region (no data of model.shop.by_region)";
    assert!(ran.stdout.contains(line), "{ran:?}");
    assert_eq!(attestations(&sandbox), ["dear.csv.attestation"]);
}

#[test]
fn a_model_whose_input_is_missing_is_never_attested_without_it() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    std::fs::remove_file(sandbox.path("shop/seeds/regions.csv")).expect("it is there");
    let ran = shop.attest(&sandbox, &[]);
    refused(&sandbox, &ran, 2, &["no data of seed.shop.regions"]);
    attest(&sandbox, &["--skip-missing"]).ends(0, &[]);
    assert_eq!(attestations(&sandbox), ["by_region.csv.attestation"]);
    let map = "seed.shop.regions=regions.csv";
    sandbox.write("regions.csv", "city,region\n");
    attest(&sandbox, &["--map", map, "--replace"]).ends(0, &[]);
    assert_eq!(attestations(&sandbox).len(), 2);
}

#[test]
fn a_map_must_name_a_node_that_counts_and_a_file_that_is_there() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    shop.write(&sandbox);
    for (maps, words) in [
        (&["model.shop.none=data/dear.csv"][..], "has no such node"),
        (
            &["model.shop.placed=data/dear.csv"],
            "is that node or reads it",
        ),
        (&["model.shop.dear=none.csv"], "there is no file none.csv"),
        (&["model.shop.dear"], "needed KEY=VALUE"),
        (
            &[
                "model.shop.dear=data/dear.csv",
                "model.shop.dear=data/dear.csv",
            ],
            "is given twice",
        ),
    ] {
        let maps: Vec<_> = maps.iter().flat_map(|map| ["--map", map]).collect();
        refused(&sandbox, &attest(&sandbox, &maps), 2, &[words]);
    }
}

#[test]
fn data_that_could_be_two_things_is_not_guessed_at() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    sandbox.write("data/dear.parquet", "PAR1");
    let ran = shop.attest(&sandbox, &[]);
    let words = [
        "both data/dear.csv and data/dear.parquet",
        "--map model.shop.dear=PATH",
    ];
    refused(&sandbox, &ran, 2, &words);
    std::fs::remove_file(sandbox.path("data/dear.parquet")).expect("it is there");

    // Another table of the same name, in another schema.
    let mut other = node(
        "model.shop.other",
        "models/o.sql",
        "x",
        &["seed.shop.orders"],
    );
    other.insert("alias", "dear".into());
    other.insert("schema", "marts".into());
    shop.add(other);
    let ran = shop.attest(&sandbox, &[]);
    let words = ["data/dear.csv could be the data of \"model.shop.dear\" or of another table"];
    refused(&sandbox, &ran, 2, &words);
    let [from, to] = ["data/dear.csv", "data/main.dear.csv"].map(|name| sandbox.path(name));
    std::fs::rename(from, to).expect("it is there");
    attest(&sandbox, &[]).ends(0, &[]);
    let dear = sandbox.json("data/main.dear.csv.attestation");
    assert_eq!(text(&dear, "subject.0.name"), "dataset:main.dear");
}

#[test]
fn one_file_is_not_the_data_of_two_tables_nor_inside_other_data() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    shop.write(&sandbox);
    let map = "model.shop.by_region=data/../data/dear.csv";
    let ran = attest(&sandbox, &["--map", map]);
    refused(&sandbox, &ran, 2, &["is the data of both"]);
    sandbox.write("folder/x.csv", "a\n");
    let maps = [
        "model.shop.by_region=folder/x.csv",
        "model.shop.dear=folder",
    ];
    let ran = attest(&sandbox, &["--map", maps[0], "--map", maps[1]]);
    refused(
        &sandbox,
        &ran,
        2,
        &["folder, the data of", "would change when"],
    );
    let map = "model.shop.by_region=data/dear.csv.attestation";
    sandbox.write("data/dear.csv.attestation", "x\n");
    let ran = attest(&sandbox, &["--map", map]);
    ran.ends(2, &["would change when \"model.shop.dear\" is attested"]);
    assert_eq!(sandbox.read_text("data/dear.csv.attestation"), "x\n");
}

#[test]
fn names_of_tables_lead_nowhere_but_into_the_folder() {
    for alias in [
        "../secret",
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a\\b",
        "a\0b",
    ] {
        let words = [
            "\"model.shop.dear\" is no name of a file",
            "--map model.shop.dear=PATH",
        ];
        let change = |shop: &mut Shop, sandbox: &Sandbox| {
            sandbox.write("secret.csv", "a\n1\n");
            shop.change("model.shop.dear", "alias", alias.into());
        };
        refuses(change, 2, &words);
        let change = |shop: &mut Shop, _: &Sandbox| {
            shop.change("model.shop.dear", "schema", alias.into());
        };
        refuses(change, 2, &words);
    }
    // A name as long as no file system has it is not there.
    let change = |shop: &mut Shop, _: &Sandbox| {
        shop.change("model.shop.dear", "alias", "x".repeat(5000).into());
    };
    refuses(change, 2, &["has no data of model.shop.dear"]);
}

#[test]
fn a_link_in_the_folder_leads_out_of_it_for_nobody() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    shop.write(&sandbox);
    sandbox.write("secret.csv", "a\n1\n");
    std::fs::remove_file(sandbox.path("data/dear.csv")).expect("it is there");
    symlink("../secret.csv", sandbox.path("data/dear.csv")).expect("a new link");
    refused(&sandbox, &attest(&sandbox, &[]), 2, &["dear.csv is a link"]);
    let ran = attest(&sandbox, &["--follow"]);
    refused(
        &sandbox,
        &ran,
        2,
        &["is a link that leads out of the folder"],
    );
}

#[test]
fn a_file_outside_the_project_is_not_read_as_code() {
    for file in ["../secret.sql", "/etc/hostname", "models/../../secret.sql"] {
        let sandbox = Sandbox::new();
        let mut shop = Shop::open(&sandbox);
        sandbox.write("secret.sql", "select 2");
        shop.change("model.shop.dear", "original_file_path", file.into());
        shop.attest(&sandbox, &[]).ends(0, &[]);
        let dear = sandbox.json("data/dear.csv.attestation");
        let scope = text(&dear, "predicate.transform.codeScope");
        assert_eq!(scope, "checksum of dbt, the file was not seen", "{file}");
        let digest = text(&dear, "predicate.transform.codeRef.digest.sha256");
        assert_eq!(digest, "", "{file}");
    }
}

#[test]
fn a_seed_is_a_csv_file_inside_the_project() {
    for file in ["profiles.yml", "../secret.csv", "seeds/link.csv"] {
        let change = |shop: &mut Shop, sandbox: &Sandbox| {
            sandbox.write("shop/profiles.yml", "a: 1\n");
            sandbox.write("secret.csv", "a\n1\n");
            symlink("../../secret.csv", sandbox.path("shop/seeds/link.csv")).expect("a new link");
            let mut seed = node("seed.shop.orders", file, "", &[]);
            seed.insert("checksum", Json::Null);
            shop.add(seed);
        };
        refuses(change, 2, &["has no data of seed.shop.orders"]);
    }
}

#[test]
fn code_and_seeds_that_are_not_what_dbt_read_are_refused() {
    for file in ["models/dear.sql", "models/placed.sql", "seeds/orders.csv"] {
        let change = |_: &mut Shop, sandbox: &Sandbox| {
            sandbox.write(&format!("shop/{file}"), "another\n");
        };
        let words = [&format!("shop/{file} is not the file that dbt read")[..]];
        refuses(change, 1, &words);
    }
    // White space around it is none of dbt's business.
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    sandbox.write("shop/models/dear.sql", "\u{1f} \u{a0}select 2\r\n");
    shop.attest(&sandbox, &[]).ends(0, &[]);
}

#[test]
fn files_of_two_runs_or_of_no_run_are_refused() {
    let about = |shop: &mut Shop, index: usize, version, invocation| {
        shop.about[index] = (version, invocation);
    };
    refuses(
        |shop, _| about(shop, 1, "run-results/v6", "two"),
        1,
        &["manifest.json is of invocation \"one\", and run_results.json of \"two\""],
    );
    for (index, version) in [
        (0, "manifest/v13"),
        (0, "manifest/v9"),
        (0, "catalog/v1"),
        (1, "run-results/v7"),
        (1, "manifest/v12"),
    ] {
        let words = ["metadata.dbt_schema_version is", "of a version among"];
        refuses(|shop, _| about(shop, index, version, "one"), 2, &words);
    }
    for which in ["compile", "generate", "seed", "test", ""] {
        refuses(
            |shop, _| drop(shop.arguments.insert("which", which.into())),
            2,
            &[
                &format!("the run is one of `dbt {which}`"),
                "build, retry, run, snapshot",
            ],
        );
    }
    refuses(
        |shop, _| drop(shop.arguments.insert("empty", true.into())),
        2,
        &["made with --empty"],
    );
    refuses(
        |shop, _| {
            shop.results
                .retain(|one| !text(one, "unique_id").starts_with("model"))
        },
        1,
        &["no model that could be attested"],
    );
    for file in ["manifest.json", "run_results.json"] {
        let sandbox = Sandbox::new();
        Shop::open(&sandbox).write(&sandbox);
        let path = sandbox.path("shop/target").join(file);
        std::fs::remove_file(path).expect("it is there");
        let words = [&format!("there is no file shop/target/{file}")[..]];
        refused(&sandbox, &attest(&sandbox, &[]), 2, &words);
    }
}

#[test]
fn what_was_deferred_must_be_said_where_it_was_read() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    shop.arguments.insert("defer", true.into());
    shop.results = vec![result("model.shop.by_region", "success")];
    let ran = shop.attest(&sandbox, &[]);
    refused(
        &sandbox,
        &ran,
        2,
        &["no data of model.shop.dear; with --defer"],
    );
    attest(&sandbox, &["--map", "model.shop.dear=data/dear.csv"]).ends(0, &[]);
}

#[test]
fn data_from_before_the_run_is_not_what_it_made() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    shop.write(&sandbox);
    for file in ["data/dear.csv", "data/by_region/part.txt"] {
        let sandbox = Sandbox::new();
        Shop::open(&sandbox).write(&sandbox);
        sandbox.write(file, "a\n");
        if file.ends_with(".txt") {
            std::fs::remove_file(sandbox.path("data/by_region.csv")).expect("it is there");
        }
        let age = |time: &str| {
            let touch = format!("touch -d {time} {file}");
            crate::sandbox::finish(&mut sandbox.shell(&touch), b"").ends(0, &[]);
        };
        age("2020-01-01T07:59:57Z");
        let ran = attest(&sandbox, &[]);
        refused(
            &sandbox,
            &ran,
            1,
            &["was last written before dbt began to make"],
        );
        age("2020-01-01T07:59:59Z");
        attest(&sandbox, &[]).ends(0, &[]);
    }
}

#[test]
fn an_attestation_that_is_in_the_way_stops_all_of_them() {
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    sandbox.attested("data/by_region.csv", &[]);
    let before = sandbox.stamp("data/by_region.csv.attestation");
    shop.attest(&sandbox, &[])
        .ends(1, &["by_region.csv.attestation is there already"]);
    assert_eq!(attestations(&sandbox), ["by_region.csv.attestation"]);
    assert_eq!(sandbox.stamp("data/by_region.csv.attestation"), before);
    attest(&sandbox, &["--out", "one.attestation", "--replace"]).ends(2, &["there are 2 models"]);

    // The same for the manifest of a folder.
    let sandbox = Sandbox::new();
    let shop = Shop::open(&sandbox);
    std::fs::remove_file(sandbox.path("data/by_region.csv")).expect("it is there");
    sandbox.write("data/by_region/part.txt", "x");
    sandbox.write("data/by_region.manifest", "mine\n");
    let ran = shop.attest(&sandbox, &[]);
    refused(
        &sandbox,
        &ran,
        2,
        &["by_region.manifest is there already and is no manifest"],
    );
    assert_eq!(sandbox.read_text("data/by_region.manifest"), "mine\n");
}

#[test]
fn an_input_that_is_not_what_its_attestation_says_is_refused() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    sandbox.attested("shop/seeds/orders.csv", &[]);
    sandbox.write("shop/seeds/orders.csv", "id,city\n9,Kobe\n");
    let new = node(
        "seed.shop.orders",
        "seeds/orders.csv",
        "id,city\n9,Kobe\n",
        &[],
    );
    shop.add(new);
    let ran = shop.attest(&sandbox, &[]);
    refused(
        &sandbox,
        &ran,
        1,
        &["orders.csv is not what its attestation says"],
    );
}

#[test]
fn circles_and_nodes_that_are_not_there_are_told() {
    let [placed, dear, by_region] =
        ["placed", "dear", "by_region"].map(|n| format!("model.shop.{n}"));
    for (from, to) in [
        (&dear, &dear),
        (&placed, &placed),
        (&dear, &by_region),
        (&placed, &dear),
    ] {
        refuses(
            |shop, _| shop.change(from, "depends_on", reads(&[to])),
            2,
            &["depend on each other in a circle", from],
        );
    }
    for to in ["model.shop.none", "test.shop.t", "", "macro.shop.m"] {
        let change = |shop: &mut Shop, _: &Sandbox| {
            shop.add(node("test.shop.t", "x", "x", &[]));
            shop.change(&placed, "depends_on", reads(&[to]));
        };
        refuses(
            change,
            2,
            &[&format!("depends on {to:?}, and manifest.json has no")],
        );
    }
    let unknown = |shop: &mut Shop, _: &Sandbox| {
        shop.results.push(result("model.shop.none", "success"));
    };
    refuses(unknown, 2, &["run_results.json has \"model.shop.none\""]);
    let twice = |shop: &mut Shop, _: &Sandbox| shop.results.push(result(&dear, "success"));
    refuses(twice, 2, &["needed one result for each node"]);
}

#[test]
fn members_of_the_wrong_kind_are_told_with_their_place() {
    let dear = "model.shop.dear";
    for (key, value, words) in [
        (
            "unique_id",
            Json::from("model.shop.x"),
            "needed \"model.shop.dear\", under which it stands",
        ),
        (
            "unique_id",
            Json::Null,
            "unique_id is missing, needed a string",
        ),
        ("alias", 5.into(), "alias is a number, needed a string"),
        (
            "depends_on",
            [("nodes", "x".into())].into(),
            "depends_on.nodes is \"x\", needed an array",
        ),
        (
            "checksum",
            [("name", "sha256".into()), ("checksum", "abc".into())].into(),
            "checksum.checksum is \"abc\", needed 64",
        ),
    ] {
        refuses(
            |shop, _| shop.change(dear, key, value),
            2,
            &[words, "nodes[\"model.shop.dear\"]"],
        );
    }
    let times = [
        ("name", "execute".into()),
        ("started_at", "yesterday".into()),
    ];
    let change = |shop: &mut Shop, _: &Sandbox| {
        let mut one = result(dear, "success");
        if let Json::Object(members) = &mut one {
            members.insert("timing", [Json::from(times)].into_iter().collect());
        }
        shop.results = vec![one];
    };
    refuses(
        change,
        2,
        &["results[0].timing[0].started_at is \"yesterday\""],
    );
}

#[test]
fn manifests_of_absurd_size_or_depth_are_refused() {
    let sandbox = Sandbox::new();
    Shop::open(&sandbox).write(&sandbox);
    let path = sandbox.path("shop/target/manifest.json");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is there");
    file.set_len((128 << 20) + 1).expect("a sparse file");
    refused(
        &sandbox,
        &attest(&sandbox, &[]),
        2,
        &["manifest.json is larger than 134217728 bytes"],
    );
    for (content, words) in [
        ("[".repeat(200_000), "nested deeper than 128"),
        (
            format!("[{}1]", "1,".repeat(4_100_000)),
            "more than 4000000 values",
        ),
        ("{}".to_owned(), "metadata.dbt_schema_version is missing"),
        ("[]".to_owned(), "metadata.dbt_schema_version is missing"),
        (
            "{\"metadata\":1,\"metadata\":1}".to_owned(),
            "duplicate key",
        ),
    ] {
        std::fs::write(&path, content).expect("it can be written");
        refused(&sandbox, &attest(&sandbox, &[]), 2, &[words]);
    }
}

#[test]
fn a_long_chain_of_models_ends_and_names_do_not_act_on_the_terminal() {
    let sandbox = Sandbox::new();
    let mut shop = Shop::open(&sandbox);
    const LINKS: usize = 20_000;
    for link in 0..LINKS {
        let id = format!("model.shop.e{link}");
        let next = match link + 1 {
            LINKS => "seed.shop.orders".to_owned(),
            next => format!("model.shop.e{next}"),
        };
        let mut model: Object = node(&id, "models/e.sql", "x", &[&next]);
        model.insert("config", materialized("ephemeral"));
        shop.add(model);
    }
    shop.change("model.shop.dear", "depends_on", reads(&["model.shop.e0"]));
    shop.attest(&sandbox, &[]).ends(0, &[]);
    shop.change(
        &format!("model.shop.e{}", LINKS - 1),
        "depends_on",
        reads(&["model.shop.e0"]),
    );
    let ran = shop.attest(&sandbox, &["--replace"]);
    ran.ends(2, &["in a circle: \"model.shop.e0\"", "19992 more"]);

    let evil = "model.shop.\u{1b}[2J\u{202e}";
    shop.results.push(result(evil, "error\u{1b}[2J"));
    shop.add(node(evil, "x", "x", &[]));
    shop.change(
        &format!("model.shop.e{}", LINKS - 1),
        "depends_on",
        reads(&["seed.shop.orders"]),
    );
    let ran = shop.attest(&sandbox, &["--replace"]);
    ran.ends(0, &[]);
    assert!(ran.stdout.contains("(status error\\u{1b}[2J)"), "{ran:?}");
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}
