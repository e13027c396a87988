//! Which names and places rules are for (attacks 17, 18 and 87).

use makoto::policy::Policy;

use crate::reading::{KEY, dataset, read};

/// A policy with a rule for each name and its paths.
fn policy(rules: &[(&str, &str)]) -> Policy {
    let rule = |(name, paths): &(&str, &str)| {
        format!(
            "[[dataset]]\nname = '{name}'\npaths = [{paths}]\nrequire = 'L2'\nsigners = [{{ key = '{KEY}', owner = 'o' }}]\n"
        )
    };
    let rules: String = rules.iter().map(rule).collect();
    read(&format!(
        "version = 1\ntrusted-root = 'r'\ntrusted-keys = 'k'\n{rules}"
    ))
    .expect("good")
}

fn is_for(pattern: &str, name: &str) -> bool {
    policy(&[(pattern, "")]).rules()[0].name().matches(name)
}

#[test]
fn a_name_matches_whole_or_not_at_all() {
    for (pattern, name) in [
        ("dataset:sales", "dataset:sales"),
        ("dataset:sales_*", "dataset:sales_2026"),
        ("dataset:sales_*", "dataset:sales_"),
        ("warehouse/*/daily", "warehouse/sales/daily"),
        ("warehouse/**", "warehouse/sales/daily"),
        ("**", "anything/at: all"),
        ("*é", "caf\u{e9}"),
        ("*a*b", "aab"),
        ("**/z", "x/y/z"),
    ] {
        assert!(is_for(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("dataset:sales", "dataset:sales2"),
        ("dataset:sales", "xdataset:sales"),
        ("dataset:sales", "dataset:Sales"),
        ("dataset:sales_*", "dataset:sales_2026/private"),
        ("warehouse/*", "warehouse/sales/daily"),
        ("warehouse/**", "warehouse"),
        ("*", ""),
        ("dataset:sales", "dataset:sales\0"),
        ("a.c", "abc"),
        ("é", "e\u{301}"),
    ] {
        assert_eq!(is_for(pattern, name), pattern == "*", "{pattern} {name}");
    }
}

#[test]
fn a_hostile_name_is_answered_at_once_and_matches_nothing() {
    assert!(is_for("**", &"a".repeat(4 << 10)));
    assert!(!is_for("**", &"a".repeat((4 << 10) + 1)));
    let stars = "*a".repeat(500);
    assert!(!is_for(&stars, &format!("{}b", "a".repeat(4_000))));
}

#[test]
fn attack_87_every_rule_that_matches_is_told_and_not_only_the_first() {
    let policy = policy(&[
        ("dataset:**", "'lax/**'"),
        ("dataset:sales_*", "'lax/sales/*', 's3://warehouse/sales/*'"),
        ("scratch:*", "'scratch/*'"),
    ]);
    let named = |name: &str| {
        let rules = policy
            .rules()
            .iter()
            .filter(|rule| rule.name().matches(name));
        rules
            .map(|rule| rule.name().as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(named("dataset:sales_1"), "dataset:** dataset:sales_*");
    assert_eq!(named("dataset:other"), "dataset:**");
    // Attack 18: a signer is allowed by the rules of a name and has no say elsewhere.
    assert_eq!(named("scratch:x"), "scratch:*");
    // Attack 17: no rule means nobody.
    assert_eq!(named("elsewhere"), "");
    let at = |place: &str| {
        let rules = policy.rules().iter().filter(|rule| rule.is_at(place));
        rules
            .map(|rule| rule.name().as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(at("lax/sales/a.csv"), "dataset:** dataset:sales_*");
    assert_eq!(at("s3://warehouse/sales/a.csv"), "dataset:sales_*");
    for elsewhere in [
        "lax/../scratch/x",
        "scratch/../lax/sales/a.csv",
        "/lax/sales/a.csv",
        "./scratch/x",
        "scratch//x",
        "s3://warehouse/sales/..",
        "s3://warehouse/sales/%2e%2e",
        "s3://warehouse/sales/a?x",
        "s3://warehouse.evil.example/sales/a.csv",
        "S3://warehouse/sales/a.csv",
        "",
    ] {
        assert_eq!(at(elsewhere), "", "{elsewhere}");
    }
}

#[test]
fn a_source_is_this_text_or_a_pattern_of_uris() {
    let sources = |source: &str| {
        let lines = format!("signers = [{{ key = '{KEY}', owner = 'o' }}]\nsources = ['{source}']");
        read(&dataset(&lines))
    };
    let matches = |pattern: &str, source: &str| {
        let policy = sources(pattern).expect(pattern);
        let patterns = policy.rules()[0].sources().expect("sources");
        patterns[0].matches(source)
    };
    assert!(matches("erp orders", "erp orders"));
    assert!(matches(
        "https://a.example/x?y=%20",
        "https://a.example/x?y=%20"
    ));
    assert!(matches("https://a.example/**", "https://a.example/x/y"));
    assert!(!matches("erp orders", "erp orders2"));
    assert!(!matches(
        "https://a.example/**",
        "https://a.example.evil.net/x"
    ));
    assert!(!matches(
        "https://a.example/in/**",
        "https://a.example/in/%2e%2e/x"
    ));
    for wrong in ["https://*.example/x", "erp *", "https://a.example/x*"] {
        sources(wrong).expect_err(wrong);
    }
}

#[test]
fn a_pattern_that_could_be_misread_is_refused() {
    let name = |name: &str| {
        dataset("signers = [{ dns = 'a.example', ca = 'x' }]")
            .replace("name = 'd'", &format!("name = '{name}'"))
    };
    read(&name("d*")).expect("good");
    for wrong in ["", " ", "d ", "***"] {
        read(&name(wrong)).expect_err(wrong);
    }
    for wrong in ["/abs/*", "../up/*", "a//b", "a/", "https://*/x"] {
        read(&dataset(&format!(
            "signers = [{{ dns = 'a.example', ca = 'x' }}]\npaths = ['{wrong}']"
        )))
        .expect_err(wrong);
    }
}
