//! What a statement says of its data.

use crate::json::Json;
use crate::predicate::Predicate;
use crate::report::{Basis, Fact};
use crate::shape::Shape;
use crate::statement::{Statement, Subject};

/// What the statement says and nobody compared with the data, by its producer's word or by a
/// signer's.
pub(super) fn claims(
    statement: &Statement,
    subject: &Subject,
    place: &str,
    basis: Basis,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut declare = |path: &str, value: Option<Json>| {
        facts.extend(value.map(|value| Fact {
            path: path.to_owned(),
            value,
            basis,
        }));
    };
    declare(&format!("{place}.name"), Some(subject.name.write()));
    for (key, time) in [
        ("windowStart", &subject.digest.window_start),
        ("windowEnd", &subject.digest.window_end),
    ] {
        declare(
            &format!("{place}.digest.{key}"),
            time.as_ref().map(Shape::write),
        );
    }
    match &statement.predicate {
        Predicate::Origin(predicate) => {
            let origin = &predicate.origin;
            declare("predicate.origin.source", Some(origin.source.write()));
            let time = origin.collection_timestamp.write();
            declare("predicate.origin.collectionTimestamp", Some(time));
            declare(
                "predicate.origin.geography",
                origin.geography.as_ref().map(Shape::write),
            );
            declare(
                "predicate.origin.consent",
                origin.consent.as_ref().map(Shape::write),
            );
            declare(
                "predicate.collector.id",
                Some(predicate.collector.id.write()),
            );
            declare(
                "predicate.schema",
                predicate.schema.as_ref().map(Shape::write),
            );
            let dta = predicate.dta_compliance.as_ref().map(Shape::write);
            declare("predicate.dtaCompliance", dta);
        }
        Predicate::Transform(predicate) => {
            declare(
                "predicate.transform.type",
                Some(predicate.transform.kind.write()),
            );
            let name = predicate.transform.name.as_ref().map(Shape::write);
            declare("predicate.transform.name", name);
            declare("predicate.executor.id", Some(predicate.executor.id.write()));
            declare("predicate.inputs", Some(predicate.inputs.write()));
            let metadata = predicate.metadata.as_ref();
            let started = metadata.and_then(|m| m.started_on.as_ref());
            let finished = metadata.and_then(|m| m.finished_on.as_ref());
            declare("predicate.metadata.startedOn", started.map(Shape::write));
            declare("predicate.metadata.finishedOn", finished.map(Shape::write));
        }
        Predicate::StreamWindow(predicate) => {
            declare("predicate.stream.id", Some(predicate.stream.id.write()));
            declare("predicate.window", Some(predicate.window.write()));
            let root = predicate.integrity.merkle_tree.root.write();
            declare("predicate.integrity.merkleTree.root", Some(root));
        }
    }
    facts
}
