//! A store gives back what was put into it, and nothing that it cannot prove to be that.

use std::fs;
use std::path::{Path, PathBuf};

use makoto::digest::Digest;
use makoto_data::{Kept, Store, StoreError};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn origin(name: &str, sha256: &Digest) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","predicate":{{"collector":{{"id":"c"}},"origin":{{"collectionTimestamp":"2026-11-21T08:00:00Z","source":"s"}}}},"predicateType":"https://makoto.dev/origin/v1","subject":[{{"digest":{{"sha256":"{sha256}"}},"name":"{name}"}}]}}"#
    )
}

fn transform(input: &Digest, output: &Digest) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","predicate":{{"executor":{{"id":"e"}},"inputs":[{{"digest":{{"sha256":"{input}"}},"name":"in"}}],"transform":{{"type":"https://makoto.dev/transforms/filter"}}}},"predicateType":"https://makoto.dev/transform/v1","subject":[{{"digest":{{"sha256":"{output}"}},"name":"out"}}]}}"#
    )
}

/// A DSSE envelope around a statement, laid out over several lines, with a signature of nobody.
fn envelope(statement: &str, signature: &str) -> String {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::STANDARD.encode(statement);
    format!(
        "{{\n \"payloadType\": \"application/vnd.in-toto+json\",\n \"payload\": \"{payload}\",\n \"signatures\": [{{\"sig\": \"{signature}\"}}]\n}}\n"
    )
}

fn new_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::create(&folder.path().join("store")).expect("a store");
    (folder, store)
}

fn put(store: &Store, document: &str) -> (Digest, Kept) {
    let stored = store.put(document.as_bytes()).expect("it can be stored");
    assert_eq!(stored.len(), 1);
    (stored[0].id, stored[0].outcome)
}

fn entry(store: &Store, index: &str, digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    store.root().join(index).join(&hex[..2]).join(&hex[2..])
}

fn ids(found: &[makoto_data::Located]) -> Vec<Digest> {
    found.iter().map(|one| one.attestation.id).collect()
}

#[track_caller]
fn is_damaged<T: std::fmt::Debug>(found: Result<T, StoreError>, told: &str) {
    match found {
        Err(error @ StoreError::Damaged { .. }) => {
            let shown = error.to_string();
            assert!(shown.starts_with("store is damaged: "), "{shown}");
            assert!(shown.contains(told), "{told:?} is not in {shown}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_statement_is_found_by_its_id_its_subject_and_its_input() {
    let (_folder, store) = new_store();
    let (raw, clean) = (digest("raw"), digest("clean"));
    let (first, outcome) = put(&store, &origin("raw", &raw));
    assert_eq!(outcome, Kept::New);
    let (second, _) = put(&store, &transform(&raw, &clean));
    let again = Store::open(store.root()).expect("a store");
    assert_eq!(ids(&again.with_id(&first).expect("found")), [first]);
    assert_eq!(ids(&again.about(&raw).expect("found")), [first]);
    assert_eq!(ids(&again.about(&clean).expect("found")), [second]);
    assert_eq!(ids(&again.reading(&raw).expect("found")), [second]);
    assert!(again.reading(&clean).expect("searched").is_empty());
    assert!(again.with_id(&raw).expect("searched").is_empty());
    assert!(again.about(&first).expect("searched").is_empty());
    let found = again.with_id(&first).expect("found");
    assert_eq!(found[0].place.file(), entry(&store, "id", &first));
    let bytes = fs::read(found[0].place.file()).expect("the object");
    assert_eq!(bytes, origin("raw", &raw).as_bytes());
}

#[test]
fn putting_the_same_again_changes_nothing() {
    let (_folder, store) = new_store();
    let statement = origin("raw", &digest("raw"));
    let (id, _) = put(&store, &statement);
    let object = entry(&store, "id", &id);
    let before = fs::metadata(&object)
        .expect("the object")
        .modified()
        .expect("a time");
    for same in [statement.clone(), format!("  {statement}\n\n")] {
        assert_eq!(put(&store, &same), (id, Kept::Unchanged));
    }
    let after = fs::metadata(&object)
        .expect("the object")
        .modified()
        .expect("a time");
    assert_eq!(before, after);
}

#[test]
fn envelopes_around_one_statement_stand_side_by_side() {
    let (_folder, store) = new_store();
    let statement = origin("raw", &digest("raw"));
    let (id, _) = put(&store, &statement);
    for (signature, outcome) in [
        ("AA==", Kept::Added),
        ("AQ==", Kept::Added),
        ("AA==", Kept::Unchanged),
    ] {
        assert_eq!(put(&store, &envelope(&statement, signature)), (id, outcome));
    }
    assert_eq!(put(&store, &statement), (id, Kept::Unchanged));
    let signatures: Vec<_> = store
        .about(&digest("raw"))
        .expect("found")
        .iter()
        .map(|one| one.attestation.unverified_signatures())
        .collect();
    assert_eq!(signatures, [None, Some(1), Some(1)]);
}

#[test]
fn a_statement_over_several_lines_keeps_its_id() {
    let (_folder, store) = new_store();
    let statement = origin("raw", &digest("raw")).replace("\"predicate\":", "\"predicate\":\n ");
    let (id, _) = put(&store, &statement);
    assert_eq!(id, digest(&statement));
    assert_eq!(ids(&store.with_id(&id).expect("found")), [id]);
    // Only the envelope can be a line of several, and it holds the statement.
    assert_eq!(
        put(&store, &envelope(&statement, "AA==")),
        (id, Kept::Added)
    );
    assert_eq!(
        put(&store, &envelope(&statement, "AQ==")),
        (id, Kept::Added)
    );
    assert_eq!(ids(&store.with_id(&id).expect("found")), [id, id]);
    assert_eq!(put(&store, &statement), (id, Kept::Unchanged));
}

#[test]
fn what_does_not_conform_is_refused_and_nothing_of_it_is_written() {
    let (_folder, store) = new_store();
    let good = origin("raw", &digest("raw"));
    for (bad, told) in [
        ("{}".to_owned(), "cannot be stored"),
        ("not json".to_owned(), "not valid JSON"),
        (String::new(), "empty"),
        (good.replace("\"s\"", "\"\""), "predicate.origin.source"),
        (good.replace("origin/v1", "other/v1"), "predicateType"),
    ] {
        for document in [bad.clone(), format!("{good}\n{bad}\n")] {
            if bad.is_empty() && document.contains('{') {
                continue;
            }
            let error = store.put(document.as_bytes()).expect_err("it is refused");
            assert!(
                error.to_string().contains(told),
                "{told:?} is not in {error}"
            );
        }
    }
    let names: Vec<_> = fs::read_dir(store.root()).expect("the store").collect();
    assert_eq!(names.len(), 1, "only the marker: {names:?}");
    let two = format!("{good}\n{}\n", origin("b", &digest("b")));
    assert_eq!(store.put(two.as_bytes()).expect("stored").len(), 2);
}

#[test]
fn only_a_store_or_an_empty_folder_becomes_a_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(
        Store::open(&at("gone")),
        Err(StoreError::NotAStore { .. })
    ));
    fs::create_dir(at("empty")).expect("a folder");
    fs::create_dir(at("full")).expect("a folder");
    fs::write(at("full/orders.csv"), "a\n").expect("a file");
    assert!(matches!(
        Store::open(&at("empty")),
        Err(StoreError::NotAStore { .. })
    ));
    assert!(matches!(
        Store::create(&at("full")),
        Err(StoreError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_dir(at("full")).expect("a folder").count(), 1);
    for name in ["empty", "a/b/c"] {
        Store::create(&at(name)).expect("a store");
        Store::create(&at(name)).expect("the same store");
        Store::open(&at(name)).expect("the same store");
    }
    for marker in ["makoto store v2\n", "makoto store v1", "", "{}"] {
        fs::write(at("empty/makoto-store"), marker).expect("a file");
        for opened in [Store::open(&at("empty")), Store::create(&at("empty"))] {
            assert!(
                matches!(opened, Err(StoreError::Version { .. })),
                "{marker:?}"
            );
        }
    }
    fs::write(at("file"), "a").expect("a file");
    assert!(Store::open(&at("file")).is_err());
    assert!(Store::create(&at("file")).is_err());
}

#[test]
fn a_damaged_store_says_so() {
    let (_folder, store) = new_store();
    let (raw, other) = (digest("raw"), digest("other"));
    let (id, _) = put(&store, &origin("raw", &raw));
    let (other_id, _) = put(&store, &origin("other", &other));
    let object = entry(&store, "id", &id);
    let good = fs::read(&object).expect("the object");

    // An object under another's name.
    fs::copy(entry(&store, "id", &other_id), &object).expect("copied");
    is_damaged(
        store.with_id(&id),
        &format!("holds the statement sha256:{other_id}"),
    );
    is_damaged(store.about(&raw), "holds the statement");
    is_damaged(store.put(&good), "holds the statement");

    // A part of one, with nothing in it, and one byte changed.
    for bad in [&good[..good.len() - 1], &good[..0]] {
        fs::write(&object, bad).expect("written");
        is_damaged(store.with_id(&id), "holds no attestation");
        is_damaged(store.about(&raw), "holds no attestation");
    }
    let mut flipped = good.clone();
    let at = good.len() / 2;
    flipped[at] ^= 1;
    fs::write(&object, &flipped).expect("written");
    assert!(matches!(
        store.with_id(&id),
        Err(StoreError::Damaged { .. })
    ));
    fs::write(&object, &good).expect("written");
    assert_eq!(ids(&store.about(&raw).expect("found")), [id]);

    // Filed under a digest that is not in the statement.
    let planted = entry(&store, "subject", &other).join(id.to_string());
    fs::write(&planted, "").expect("written");
    is_damaged(store.about(&other), "has no such subject");
    fs::remove_file(&planted).expect("removed");
    let planted = entry(&store, "input", &raw);
    fs::create_dir_all(&planted).expect("a folder");
    fs::write(planted.join(id.to_string()), "").expect("written");
    is_damaged(store.reading(&raw), "has no such input");
}

#[test]
fn an_entry_whose_object_never_came_means_nothing_and_is_completed() {
    let (_folder, store) = new_store();
    let raw = digest("raw");
    let statement = origin("raw", &raw);
    let (id, _) = put(&store, &statement);
    fs::remove_file(entry(&store, "id", &id)).expect("removed");
    assert!(store.about(&raw).expect("searched").is_empty());
    assert_eq!(put(&store, &statement), (id, Kept::New));
    assert_eq!(ids(&store.about(&raw).expect("found")), [id]);
    // Names that no writer gives are passed by, as is what a killed one leaves.
    for name in [".makoto-x.tmp", "README", &id.to_string().to_uppercase()] {
        fs::write(entry(&store, "subject", &raw).join(name), "").expect("written");
    }
    assert_eq!(ids(&store.about(&raw).expect("found")), [id]);
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder");
    let below = entries.map(|entry| {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a kind").is_dir() {
            true => count(&entry.path()),
            false => 1,
        }
    });
    below.sum()
}

#[test]
fn a_statement_with_a_hundred_thousand_subjects_is_found_by_each() {
    // Two hundred thousand files are made and removed: in memory, where that is possible.
    let memory = Path::new("/dev/shm");
    let folder = match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().expect("a temporary folder"),
    };
    let store = Store::create(&folder.path().join("store")).expect("a store");
    let subject = |n: usize| {
        format!(
            r#"{{"digest":{{"sha256":"{}"}},"name":"part-{n}"}}"#,
            digest(&n.to_string())
        )
    };
    let subjects: Vec<_> = (0..100_000).map(subject).collect();
    let one = origin("raw", &digest("0"));
    let (before, after) = one.split_once("\"subject\":").expect("a statement");
    assert!(after.starts_with('['));
    let statement = format!("{before}\"subject\":[{}]}}", subjects.join(","));
    let (id, outcome) = put(&store, &statement);
    assert_eq!(outcome, Kept::New);
    assert_eq!(count(&store.root().join("subject")), 100_000);
    for part in ["0", "50000", "99999"] {
        assert_eq!(ids(&store.about(&digest(part)).expect("found")), [id]);
    }
    assert!(store.about(&digest("100000")).expect("searched").is_empty());
}

#[test]
fn many_are_put_as_if_each_were_put_alone() {
    let (_folder, store) = new_store();
    let (raw, clean) = (digest("raw"), digest("clean"));
    let there = origin("there", &raw);
    let (known, _) = put(&store, &there);
    // More than one group.
    let new: Vec<_> = (0..300)
        .map(|index| origin(&format!("new {index}"), &clean))
        .collect();
    let two = format!("{}\n{}\n", origin("one", &raw), transform(&raw, &clean));
    let enveloped = envelope(&there, "AA==");
    let mut many: Vec<&[u8]> = vec![b"{}", there.as_bytes(), enveloped.as_bytes()];
    many.push(two.as_bytes());
    many.extend(new.iter().map(String::as_bytes));
    many.push(new[0].as_bytes());
    let stored = store.put_many(&many);
    assert_eq!(stored.len(), many.len());
    assert!(matches!(stored[0], Err(StoreError::NotConforming { .. })));
    let outcomes = |index: usize| -> Vec<Kept> {
        let stored = stored[index].as_ref().expect("it is stored");
        stored.iter().map(|one| one.outcome).collect()
    };
    assert_eq!(outcomes(1), [Kept::Unchanged]);
    assert_eq!(outcomes(2), [Kept::Added]);
    assert_eq!(outcomes(3), [Kept::New, Kept::New]);
    for (index, statement) in new.iter().enumerate() {
        assert_eq!(outcomes(4 + index), [Kept::New]);
        let id = digest(statement);
        let object = fs::read(entry(&store, "id", &id)).expect("the object");
        assert_eq!(object, statement.as_bytes());
    }
    assert_eq!(
        outcomes(many.len() - 1),
        [Kept::Unchanged],
        "it came before"
    );
    assert_eq!(ids(&store.with_id(&known).expect("found")), [known, known]);
    assert_eq!(store.about(&clean).expect("found").len(), 301);
}
