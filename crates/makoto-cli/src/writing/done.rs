//! What became of the attestation of one dataset of many.

use makoto_data::{Kept, Outcome};

use super::told::{from_file, masked, not_given, told_as_json, word};
use super::{Put, Writing};
use crate::batch::Done;
use crate::dataset::Measured;
use crate::draft::Finished;
use crate::screen::Plain;

impl Writing<'_> {
    /// What became of one of many.
    pub(crate) fn done(&self, data: &Measured, finished: &Finished, put: &Put) -> Done {
        let beside = put.sidecars.first().map(|(_, written)| written.outcome);
        let shown = data.path.to_string_lossy();
        let mut line = format!("{}: ", Plain(&shown));
        if let Some(outcome) = beside {
            line.push_str(&format!("{}, ", word(outcome)));
        }
        line.push_str(&format!("sha256 {}", data.sha256));
        if let Some((_, records)) = &data.records {
            line.push_str(&counted(records.count, "record"));
        }
        if let Some(manifest) = &data.manifest {
            line.push_str(&counted(manifest.len() as u64, "file"));
        }
        for one in &put.stores {
            let root = one.root.to_string_lossy();
            line.push_str(&format!(", {} in the store {}", one.word(), Plain(&root)));
        }
        let masked = finished.masked.iter().map(masked);
        let said = masked.chain(from_file(finished)).chain(not_given(finished));
        Done {
            word: in_a_word(put),
            status: 0,
            line,
            json: told_as_json(finished, put),
            notes: said.chain(self.by_environment()).collect(),
            told: None,
        }
    }

    /// That a store was written because the environment names it.
    fn by_environment(&self) -> Option<String> {
        let (roots, by_environment) = self.args.store.roots();
        let root = roots.first().filter(|_| by_environment)?.to_string_lossy();
        let root = Plain(&root);
        Some(format!(
            "note: written into {root} as well, which MAKOTO_STORE names"
        ))
    }
}

fn in_a_word(put: &Put) -> &'static str {
    match put.sidecars.first().map(|(_, written)| written.outcome) {
        Some(Outcome::New) => "attested",
        Some(Outcome::Unchanged) | None => {
            let is_there = |kept| kept == Kept::Unchanged;
            match put.stores.iter().all(|one| is_there(one.stored.outcome)) {
                true => "unchanged",
                false if put.sidecars.is_empty() => "attested",
                false => "stored",
            }
        }
        Some(other) => word(other),
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!(", {count} {noun}{plural}")
}
