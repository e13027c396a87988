//! The data itself (attacks 1 and 2), and what a pass says.

use makoto::report::{Basis, Coverage, Level, Outcome};

use crate::world::{By, Case, DATA, origin, signed};

#[test]
fn the_good_set_passes_and_says_who_signed_and_when() {
    let report = Case::default().passes();
    assert_eq!(report.lineage_level, Some(Level::L2));
    let judged = report.judged.as_ref().expect("a policy");
    let [signer] = judged.signers.as_slice() else {
        panic!("{judged:?}");
    };
    assert_eq!(signer.name, "https://acme.example/collectors/1");
    assert_eq!(signer.voucher, "acme");
    assert_eq!(signer.algorithm, "ES256");
    assert_eq!(signer.time.0.as_str(), "2026-06-01T08:01:00Z");
    assert_eq!(signer.timestamp_authority.as_deref(), Some("acme-time"));
    for id in [
        "L2.P.1", "L2.P.2", "L2.P.7", "L2.V.1", "L2.V.2", "L2.V.3", "L2.V.4", "L2.V.5", "L2.V.6",
        "L2.V.8", "L2.V.10",
    ] {
        let mut passed = report.with_outcome(Outcome::Pass);
        assert!(
            passed.any(|check| check.id == id),
            "{id}: {:#?}",
            report.checks
        );
    }
    // In the order of the pipeline: signature, identity, policy, time, data, inputs.
    let lines = report.checks.iter().map(|check| check.id);
    let lines: Vec<_> = lines.filter(|id| id.starts_with("L2.V.")).collect();
    let pipeline = [
        "L2.V.1", "L2.V.2", "L2.V.3", "L2.V.4", "L2.V.6", "L2.V.7", "L2.V.5", "L2.V.10", "L2.V.8",
    ];
    assert_eq!(lines, pipeline);
    let signed = report
        .facts
        .iter()
        .filter(|fact| fact.basis == Basis::Signed);
    assert!(
        signed
            .clone()
            .any(|fact| fact.path == "predicate.origin.source")
    );
    assert_eq!(report.threats()[0], ("D1", Coverage::Full));
    assert_eq!(report.threats()[3], ("D4", Coverage::Partial));
    assert_eq!(report.threats()[4], ("D5", Coverage::None));
}

#[test]
fn attack_1_one_bit_of_the_data_is_flipped() {
    for index in [0, DATA.len() / 2, DATA.len() - 1] {
        let mut data = DATA.to_vec();
        data[index] ^= 1;
        let case = Case {
            data: &data,
            ..Case::default()
        };
        let report = case.fails(&["V3", "L2.V.10"]);
        let differs = report
            .with_outcome(Outcome::Fail)
            .find(|check| check.id == "V3");
        let differs = differs.expect("V3");
        assert!(differs.found.is_some() && differs.needed.is_some());
    }
    Case::default().passes();
}

#[test]
fn attack_2_line_ends_are_added_changed_or_everything_is_cut() {
    let crlf = String::from_utf8_lossy(DATA).replace('\n', "\r\n");
    for data in [&[DATA, b"\n"].concat(), crlf.as_bytes(), b"" as &[u8]] {
        let case = Case {
            data,
            ..Case::default()
        };
        case.fails(&["V3", "L2.V.10"]);
    }
    Case::default().passes();
    // An empty file is the data of the statement about an empty file alone.
    let empty = Case {
        attestations: signed(&origin("dataset:sales", b""), By::Certificate("collector")),
        data: b"",
        ..Case::default()
    };
    empty.passes();
    let not_empty = Case {
        data: DATA,
        ..empty
    };
    not_empty.fails(&["V3", "L2.V.10"]);
}

#[test]
fn another_name_than_was_asked_for_is_no_other_data() {
    let case = |name| Case {
        name: Some(name),
        ..Case::default()
    };
    let report = case("dataset:sales_fr").fails(&["V2"]);
    let mut failed = report.with_outcome(Outcome::Fail);
    assert!(failed.all(|check| check.id != "L2.V.10" && check.id != "V3"));
    case("dataset:sales").passes();
}
