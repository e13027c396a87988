//! Licences of the sources, side by side, and where they do not go together.
//!
//! Licences are declared by whoever collected the data. What is told here is what their names
//! say, so that a person looks; it is no legal advice.

use std::collections::BTreeMap;

use super::create::Part;
use crate::json::Json;

/// The licences that the sources declare and the conflicts among them; `None` when no source
/// declares any.
pub(super) fn summary(sources: &[Part], has_steps: bool) -> Option<Json> {
    let mut declared: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut without = Vec::new();
    for source in sources {
        let license = source
            .members
            .get("license")
            .and_then(|l| l.get("identifier"));
        match license.and_then(Json::as_str) {
            Some(license) => declared.entry(license).or_default().push(source.name()),
            None => without.push(source.name()),
        }
    }
    if declared.is_empty() {
        return None;
    }
    let mut conflicts = conflicts(&declared, has_steps);
    if !without.is_empty() {
        conflicts.push(format!("no licence is declared for {}", without.join(", ")));
    }
    let names = |names: &[&str]| -> Json { names.iter().copied().map(Json::from).collect() };
    let declared = declared.iter().map(|(license, sources)| {
        Json::from([
            ("identifier", (*license).into()),
            ("sources", names(sources)),
        ])
    });
    Some(Json::from([
        ("declared", declared.collect()),
        ("conflicts", conflicts.into_iter().map(Json::from).collect()),
    ]))
}

/// What a licence asks for, by its SPDX name.
struct Terms {
    share_alike: bool,
    no_derivatives: bool,
    non_commercial: bool,
}

impl Terms {
    fn of(license: &str) -> Self {
        let upper = license.to_ascii_uppercase();
        let has = |part: &str| upper.split(['-', ' ', '_']).any(|word| word == part);
        Self {
            share_alike: has("SA") || has("ODBL") || has("GPL") || has("AGPL"),
            no_derivatives: has("ND"),
            non_commercial: has("NC"),
        }
    }
}

fn conflicts(declared: &BTreeMap<&str, Vec<&str>>, has_steps: bool) -> Vec<String> {
    let with = |wanted: &dyn Fn(&Terms) -> bool| -> Vec<&str> {
        let licenses = declared.keys().copied();
        licenses
            .filter(|license| wanted(&Terms::of(license)))
            .collect()
    };
    let mut found = Vec::new();
    if has_steps {
        for license in with(&|terms| terms.no_derivatives) {
            found.push(format!(
                "{license} allows no derivatives, and the data was transformed"
            ));
        }
    }
    let share_alike = with(&|terms| terms.share_alike);
    if share_alike.len() > 1 {
        let all = share_alike.join(" and ");
        found.push(format!(
            "{all} each ask for the same licence on what is made of them"
        ));
    }
    let non_commercial = with(&|terms| terms.non_commercial);
    for one in &share_alike {
        for other in non_commercial.iter().filter(|other| *other != one) {
            found.push(format!(
                "{one} must stay as free as it is, and {other} forbids commercial use"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(licenses: &[&str], has_steps: bool) -> usize {
        let declared = licenses
            .iter()
            .map(|license| (*license, vec!["source"]))
            .collect();
        conflicts(&declared, has_steps).len()
    }

    #[test]
    fn only_licences_that_do_not_go_together_are_told() {
        assert_eq!(
            told(&["CC-BY-4.0", "CC0-1.0", "MIT", "public-domain"], true),
            0
        );
        assert_eq!(told(&["CC-BY-SA-4.0", "CC-BY-4.0"], true), 0);
        assert_eq!(told(&["CC-BY-SA-4.0", "ODbL-1.0"], true), 1);
        assert_eq!(told(&["CC-BY-SA-4.0", "CC-BY-NC-4.0"], true), 1);
        assert_eq!(told(&["CC-BY-NC-SA-4.0"], true), 0);
        assert_eq!(told(&["CC-BY-ND-4.0"], true), 1);
        assert_eq!(told(&["CC-BY-ND-4.0"], false), 0);
    }
}
