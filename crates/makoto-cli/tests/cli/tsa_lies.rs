//! Timestamp authorities that lie, stall or are down: nothing is written (L2.PL.6).

use crate::sandbox::{Ran, Sandbox};
use crate::signing::{SIGNER, signers};
use crate::tsa::{Answer, Authorities};

fn attest(sandbox: &Sandbox, tsa: &str, more: &[&str]) -> Ran {
    sandbox.attest("orders.csv", &[&SIGNER[..], &["--tsa", tsa], more].concat())
}

#[test]
fn a_lying_authority_is_refused_with_and_without_a_root_and_nothing_is_written() {
    let (sandbox, authorities) = (signers(), Authorities::new());
    sandbox.write("root.json", authorities.root("ca"));
    for (answer, reason) in [
        (Answer::OtherImprint, "over other bytes"),
        (Answer::Changed, "signature of the timestamp is wrong"),
        (Answer::Rejection, "refused with status 2"),
        (Answer::Endless, "more than 131072 bytes"),
        (Answer::Close, "127.0.0.1"),
        (Answer::CutOff, "broke off"),
        (Answer::Redirect, "redirects elsewhere (302)"),
        (Answer::Html, "\"text/html\""),
        (Answer::ServerError, "HTTP status 503"),
    ] {
        let tsa = authorities.serve(answer);
        for root in [&[][..], &["--trusted-root", "root.json"]] {
            attest(&sandbox, &tsa, root).ends(2, &[reason, "nothing was written"]);
            assert!(!sandbox.exists("orders.csv.attestation"), "{answer:?}");
        }
    }
    let honest = authorities.serve(Answer::Honest);
    attest(&sandbox, &honest, &["--trusted-root", "root.json"]).ends(0, &[]);
}

#[test]
fn an_old_answer_sent_again_is_refused() {
    let (sandbox, authorities) = (signers(), Authorities::new());
    let tsa = authorities.serve(Answer::Replay);
    sandbox.attest("orders.csv", &SIGNER).ends(0, &[]);
    let stamp = ["timestamp", "orders.csv.attestation", "--tsa", &tsa];
    sandbox.makoto(&stamp).ends(0, &[]);
    let before = sandbox.stamp("orders.csv.attestation");
    // The signature is the same, so that only the nonce tells.
    sandbox.makoto(&stamp).ends(2, &["answer has nonce"]);
    assert_eq!(sandbox.stamp("orders.csv.attestation"), before);
}

#[test]
fn an_authority_that_says_nothing_is_waited_for_ten_seconds() {
    let (sandbox, authorities) = (signers(), Authorities::new());
    let tsa = authorities.serve(Answer::Silence);
    attest(&sandbox, &tsa, &[]).ends(2, &["no whole answer within 10 seconds"]);
    assert!(!sandbox.exists("orders.csv.attestation"));
}

#[test]
fn an_authority_that_the_root_does_not_know_is_refused() {
    let (sandbox, authorities) = (signers(), Authorities::new());
    sandbox.write("other.json", authorities.root("other-ca"));
    let tsa = authorities.serve(Answer::Honest);
    let root = ["--trusted-root", "other.json"];
    attest(&sandbox, &tsa, &root).ends(2, &["issued by none of the authorities"]);
    assert!(!sandbox.exists("orders.csv.attestation"));
    attest(&sandbox, &tsa, &[]).ends(0, &["which anyone can make"]);
}

#[test]
fn nobody_at_the_address_and_addresses_of_nothing_are_told() {
    let sandbox = signers();
    attest(&sandbox, "http://127.0.0.1:1/", &[]).ends(2, &["cannot reach"]);
    attest(&sandbox, "ftp://tsa.example", &[]).ends(2, &["needed http:// or https://"]);
    let ran = attest(&sandbox, "https://u:hunter22@tsa.example", &[]);
    ran.ends(2, &["without user name and password"]);
    assert!(!ran.stderr.contains("hunter22"), "{ran:?}");
    assert!(!sandbox.exists("orders.csv.attestation"));
}

#[test]
fn one_of_two_authorities_down_leaves_nothing() {
    let (sandbox, authorities) = (signers(), Authorities::new());
    let good = authorities.serve(Answer::Honest);
    let down = authorities.serve(Answer::Close);
    attest(&sandbox, &good, &["--tsa", &down]).ends(2, &["nothing was written"]);
    attest(&sandbox, &good, &["--tsa", &good]).ends(2, &["given twice"]);
    assert!(!sandbox.exists("orders.csv.attestation"));
}
