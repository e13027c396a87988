//! Trusted roots as documents.

use makoto::json::{Json, Object};
use makoto::limits::Limits;
use makoto::trusted_root::{TrustedRoot, TrustedRootError};

use crate::openssl::{AUTHORITY, LONG, Workshop, document};

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.issue("anchor", "P-256", "anchor", AUTHORITY, LONG);
    workshop
}

fn read(root: &Json) -> Result<TrustedRoot, TrustedRootError> {
    TrustedRoot::from_json(root.to_string().as_bytes())
}

fn members(json: &mut Json) -> &mut Object {
    match json {
        Json::Object(members) => members,
        other => panic!("{other}"),
    }
}

fn list(item: Json) -> Json {
    [item].into_iter().collect()
}

fn none() -> Json {
    Json::Array(Vec::new())
}

#[test]
fn a_root_is_written_as_it_was_read_with_its_logs() {
    let workshop = workshop();
    let authority = workshop.authority("acme", &["anchor"]);
    let mut root = document(list(authority.clone()), list(authority));
    let log =
        r#"[{"baseUrl":"https://log.example","publicKey":{"rawBytes":"AAAA"},"operator":"log"}]"#;
    let log = Json::parse(log.as_bytes(), &Limits::DEFAULT).expect("JSON");
    members(&mut root).insert("tlogs", log);
    members(&mut root).insert("ctlogs", none());
    members(&mut root).insert("somethingNewer", true.into());
    let read = read(&root).expect("a root");
    assert_eq!(read.to_json(), root);
    assert_eq!(read.certificate_authorities()[0].id(), "acme");
    assert_eq!(read.timestamp_authorities()[0].id(), "acme");
}

#[test]
fn a_root_of_v0_1_is_read_and_written_as_v0_2() {
    let workshop = workshop();
    let mut authority = workshop.authority("acme", &["anchor"]);
    members(&mut authority).remove("operator");
    members(&mut authority).insert("uri", "https://ca.example".into());
    let mut root = document(list(authority), none());
    let newest = root.clone();
    for old in [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    ] {
        members(&mut root).insert("mediaType", old.into());
        let read = read(&root).expect("a root");
        assert_eq!(read.certificate_authorities()[0].id(), "https://ca.example");
        assert_eq!(read.certificate_authorities()[0].operator, None);
        assert_eq!(read.to_json(), newest);
    }
    members(&mut root).insert(
        "mediaType",
        "application/vnd.dev.sigstore.trustedroot.v0.3+json".into(),
    );
    assert!(matches!(read(&root), Err(TrustedRootError::Wrong(_))));
    members(&mut root).remove("mediaType");
    assert!(matches!(read(&root), Err(TrustedRootError::Wrong(_))));
}

#[test]
fn a_root_is_never_trusted_in_part() {
    let workshop = workshop();
    let good = workshop.authority("acme", &["anchor"]);
    assert!(read(&document(list(good.clone()), none())).is_ok());
    let wrong = |change: &dyn Fn(&mut Object), path: &str| {
        let mut authority = good.clone();
        change(members(&mut authority));
        let both = [good.clone(), authority].into_iter().collect();
        match read(&document(both, none())) {
            Err(TrustedRootError::Wrong(checks)) => {
                assert!(checks.iter().any(|check| check.path == path), "{checks:?}");
            }
            other => panic!("{path}: {other:?}"),
        }
    };
    let chain = |raw: &str| -> Json {
        let link = Json::from([("rawBytes", raw.into())]);
        [("certificates", list(link))].into()
    };
    let text = good.to_string();
    let raw = text
        .split('"')
        .find(|part| part.starts_with("MII"))
        .expect("base64");
    let at = "certificateAuthorities[1]";
    let raw_at = format!("{at}.certChain.certificates[0].rawBytes");
    wrong(&|authority| drop(authority.remove("operator")), at);
    wrong(
        &|authority| drop(authority.remove("certChain")),
        &format!("{at}.certChain"),
    );
    for changed in [
        "",
        "AAAA",
        &raw[4..],
        &format!("{raw}AAAA"),
        &format!(" {raw}"),
    ] {
        wrong(
            &|authority| drop(authority.insert("certChain", chain(changed))),
            &raw_at,
        );
    }
    let empty = Json::from([("certificates", none())]);
    let certificates = format!("{at}.certChain.certificates");
    wrong(
        &|authority| drop(authority.insert("certChain", empty.clone())),
        &certificates,
    );
    let backwards = Json::from([
        ("start", "2022-01-02T00:00:00Z".into()),
        ("end", "2022-01-01T00:00:00Z".into()),
    ]);
    let end = format!("{at}.validFor.end");
    wrong(
        &|authority| drop(authority.insert("validFor", backwards.clone())),
        &end,
    );
    let long = [(
        "certificates",
        vec![Json::from([("rawBytes", raw.into())]); 11].into(),
    )];
    wrong(
        &|authority| drop(authority.insert("certChain", long.clone().into())),
        &format!("{at}.certChain"),
    );
}

#[test]
fn bytes_that_are_no_document_are_no_root() {
    for bytes in [&b""[..], b"{", b"{}{}", b"\xff"] {
        assert!(matches!(
            TrustedRoot::from_json(bytes),
            Err(TrustedRootError::NotJson(_))
        ));
    }
    assert!(matches!(
        TrustedRoot::from_json(b"[]"),
        Err(TrustedRootError::Wrong(_))
    ));
}
