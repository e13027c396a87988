//! What changed between two DBOMs, such as those of two versions of a dataset.

use std::collections::BTreeMap;

use crate::json::{Json, Object};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: `dataset.digest.sha256`, `sources["orders"].license`.
    pub path: String,
    /// What stood in the old one.
    pub old: Option<Json>,
    /// What stands in the new one.
    pub new: Option<Json>,
}

impl Change {
    /// The change as JSON; a side that has nothing is left out.
    pub fn to_json(&self) -> Json {
        let mut members: Object = [("path", self.path.as_str())].into_iter().collect();
        for (key, value) in [("old", &self.old), ("new", &self.new)] {
            if let Some(value) = value {
                members.insert(key, value.clone());
            }
        }
        Json::Object(members)
    }
}

/// Differences between two DBOMs, by path. Sources and transformations are matched by name, so
/// that one more at the front does not change all that follow. What a document says about itself
/// (its id, drawing, verification and times) is not compared.
pub fn diff(old: &Json, new: &Json) -> Vec<Change> {
    let mut changes = Vec::new();
    for key in ["dataset", "compliance"] {
        compare(key, old.get(key), new.get(key), &mut changes);
    }
    for key in ["sources", "transformations"] {
        let (old, new) = (by_name(old.get(key)), by_name(new.get(key)));
        let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let place = format!("{key}[{:?}]", name.0);
            let place = match name.1 {
                0 => place,
                again => format!("{place}[{again}]"),
            };
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => compare(&place, Some(old), Some(new), &mut changes),
                (old, new) => changes.push(Change {
                    path: place,
                    old: old.map(|part| (*part).clone()),
                    new: new.map(|part| (*part).clone()),
                }),
            }
        }
    }
    changes
}

/// Items by name, and by their number among those of the same name.
fn by_name(items: Option<&Json>) -> BTreeMap<(String, usize), &Json> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let items = items.and_then(Json::as_array).unwrap_or_default().iter();
    items
        .map(|item| {
            let name = item
                .get("name")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned();
            let again = seen.entry(name.clone()).or_default();
            *again += 1;
            ((name, *again - 1), item)
        })
        .collect()
}

fn compare(path: &str, old: Option<&Json>, new: Option<&Json>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Some(Json::Object(one)), Some(Json::Object(two))) => {
            let mut keys: Vec<_> = one.keys().chain(two.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(
                    &format!("{path}.{key}"),
                    one.get(key),
                    two.get(key),
                    changes,
                );
            }
        }
        _ if old == new => {}
        _ => changes.push(Change {
            path: path.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}
