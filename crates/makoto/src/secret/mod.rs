//! Keeping secrets out of statements (P3, "sanitized of secrets").
//!
//! A secret is masked by its value: not hashed, since a hash of a short secret is the secret to
//! anyone who tries. It is known by the name of its key (`password`, `api-token`, …) or by the
//! shape of the value (well-known token prefixes, private keys, JSON web tokens). Once known,
//! the same value is masked wherever else a secret may stand.
//!
//! This is a net and not a wall: a secret without a name or a shape passes through it.

mod name;
mod text;

use std::collections::BTreeSet;

pub use name::is_secret_name;

use crate::json::{Json, segment};
use crate::limits::Limits;

/// What stands in place of a secret. Valid inside a URI, so that masked URIs stay URIs.
pub const MASK: &str = "***";

/// An address to be shown: without user name, password and query, in which keys are given to some.
/// Where it cannot be told what stands before a host, more is left out.
pub fn address_without_secrets(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (place, rest) = address.split_at(end);
    let more = if rest.is_empty() { "" } else { "?…" };
    let (scheme, place) = match place.split_once("://") {
        Some((scheme, place)) => (format!("{scheme}://"), place),
        None => (String::new(), place),
    };
    match place.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{host}{more}"),
        None => format!("{scheme}{place}{more}"),
    }
}

/// A secret that was masked: where, and why it was taken for one. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Path of the value in the document, or position of the argument.
    pub path: String,
    /// How it was recognised.
    pub why: String,
}

/// Masks secrets in documents and command lines, and remembers their values and places.
#[derive(Debug, Default)]
pub struct Masker {
    values: BTreeSet<String>,
    masked: Vec<Masked>,
}

impl Masker {
    /// One that knows no secrets yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The secrets that were masked so far.
    pub fn masked(&self) -> &[Masked] {
        &self.masked
    }

    /// Masks what is known by its key or shape in everything below `value`, which stands at
    /// `path`.
    pub fn mask_document(&mut self, value: &mut Json, path: &str) {
        match value {
            Json::Object(members) => {
                for (key, member) in members.iter_mut() {
                    let path = format!("{path}.{}", segment(key));
                    let counts = matches!(member, Json::Number(_)) && !name::may_be_a_number(key);
                    match is_secret_name(key) && !counts {
                        true => self.mask_whole(member, &path, key),
                        false => self.mask_document(member, &path),
                    }
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.mask_document(item, &format!("{path}[{index}]"));
                }
            }
            Json::String(text) => *text = self.mask_text(text, path),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// Masks a command line: values of secret options (`--password X`, `--token=X`, `KEY=X`,
    /// `curl -u name:X`), and what is known by its name or shape inside an argument.
    pub fn mask_arguments(&mut self, arguments: &[String], path: &str) -> Vec<String> {
        let mut program = "";
        let mut masked: Vec<String> = Vec::with_capacity(arguments.len());
        let mut previous: Option<&str> = None;
        for (index, argument) in arguments.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let of_previous = previous.and_then(|option| {
                let named = option.trim_start_matches('-');
                let long = option.starts_with('-') && name::is_plain(named);
                let by_name =
                    long && name::is_secret_value(named, argument) && !argument.starts_with("--");
                let by_program = name::option_of(program, option);
                by_program.or(by_name.then_some(name::Hides::Everything))
            });
            let attached = name::attached_option_of(program, argument);
            let assigned = argument.split_once('=').filter(|(name, value)| {
                let name = name.trim_start_matches('-');
                name::is_plain(name) && name::is_secret_value(name, value)
            });
            masked.push(match (of_previous, attached, assigned) {
                (Some(hides), _, _) => {
                    let option = previous.unwrap_or_default();
                    self.mask_value(argument, hides, option, &path)
                }
                (None, Some((option, value, hides)), _) => {
                    format!("{option}{}", self.mask_value(value, hides, option, &path))
                }
                (None, None, Some((name, value))) => {
                    let value = self.mask_value(value, name::Hides::Everything, name, &path);
                    format!("{name}={value}")
                }
                (None, None, None) => self.mask_text(argument, &path),
            });
            let named = of_previous.is_none() && attached.is_none();
            previous = Some(argument.as_str()).filter(|_| named);
            let base = argument.rsplit('/').next().unwrap_or_default();
            if name::is_known_program(base) {
                program = base;
            }
        }
        masked
    }

    /// Masks every value that is known by now wherever else it occurs below `value`.
    ///
    /// Values that could be ordinary words are left alone.
    pub fn mask_known_values(&self, value: &mut Json) {
        match value {
            Json::Object(members) => {
                members
                    .iter_mut()
                    .for_each(|(_, member)| self.mask_known_values(member));
            }
            Json::Array(items) => items
                .iter_mut()
                .for_each(|item| self.mask_known_values(item)),
            Json::String(text) => {
                for secret in self
                    .values
                    .iter()
                    .filter(|secret| is_no_ordinary_word(secret))
                {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), MASK);
                    }
                }
            }
            Json::Number(number) => {
                let token = number.token();
                if self.values.contains(token) && is_no_ordinary_word(token) {
                    *value = MASK.into();
                }
            }
            Json::Null | Json::Bool(_) => {}
        }
    }

    fn mask_whole(&mut self, value: &mut Json, path: &str, key: &str) {
        match value {
            Json::Object(members) => {
                for (inner, member) in members.iter_mut() {
                    self.mask_whole(member, &format!("{path}.{}", segment(inner)), key);
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.mask_whole(item, &format!("{path}[{index}]"), key);
                }
            }
            Json::Null | Json::Bool(_) => {}
            Json::Number(_) | Json::String(_) => {
                let text = match &*value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                *value = self
                    .mask_value(&text, name::Hides::Everything, key, path)
                    .into();
            }
        }
    }

    fn mask_value(&mut self, value: &str, hides: name::Hides, name: &str, path: &str) -> String {
        let (shown, secret) = match (hides, value.split_once(':')) {
            (name::Hides::AfterColon, Some((user, password))) => (format!("{user}:"), password),
            (name::Hides::AfterColon, None) => return value.to_owned(),
            (name::Hides::Everything, _) => (String::new(), value),
        };
        if secret.is_empty() || secret == MASK {
            return value.to_owned();
        }
        self.remember(secret, path, format!("value of {name:?}"));
        format!("{shown}{MASK}")
    }

    fn mask_text(&mut self, text: &str, path: &str) -> String {
        // A document inside a string, as in `curl -d '{"password":…}'`.
        if text.trim_start().starts_with(['{', '['])
            && let Ok(mut document) = Json::parse(text.as_bytes(), &Limits::DEFAULT)
        {
            let before = self.masked.len();
            self.mask_document(&mut document, path);
            return match self.masked.len() > before {
                true => document.to_string(),
                false => text.to_owned(),
            };
        }
        let found = text::secrets_in(text);
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for secret in found {
            self.remember(&text[secret.start..secret.end], path, secret.why);
            out.push_str(&text[end..secret.start]);
            out.push_str(MASK);
            end = secret.end;
        }
        out.push_str(&text[end..]);
        out
    }

    fn remember(&mut self, value: &str, path: &str, why: String) {
        self.values.insert(value.to_owned());
        self.masked.push(Masked {
            path: path.to_owned(),
            why,
        });
    }
}

/// Whether a value can be looked for elsewhere without garbling ordinary text.
fn is_no_ordinary_word(value: &str) -> bool {
    let has = |test: fn(char) -> bool| value.chars().any(test);
    let mixed = has(char::is_uppercase)
        && value.chars().skip(1).any(char::is_uppercase)
        && has(char::is_lowercase);
    value.len() >= 6
        && (has(|c| c.is_ascii_digit()) || mixed || has(|c| "!@#$%^&*?~+=".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> (String, usize) {
        let mut value = Json::parse(text.as_bytes(), &Limits::DEFAULT).expect("good JSON");
        let mut masker = Masker::new();
        masker.mask_document(&mut value, "parameters");
        masker.mask_known_values(&mut value);
        (value.to_string(), masker.masked().len())
    }

    #[test]
    fn a_secret_is_masked_wherever_its_value_occurs() {
        let (text, count) = masked(
            r#"{"a":{"password":"hunter22","n":5},"note":"uses hunter22 twice hunter22","salt":[1234567,{"x":"y"}]}"#,
        );
        assert_eq!(
            text,
            r#"{"a":{"n":5,"password":"***"},"note":"uses *** twice ***","salt":["***",{"x":"***"}]}"#
        );
        assert_eq!(count, 3);
    }

    #[test]
    fn a_secret_that_is_an_ordinary_word_does_not_garble_the_rest() {
        let (text, _) = masked(r#"{"key":"dataset","note":"of the dataset"}"#);
        assert_eq!(text, r#"{"key":"***","note":"of the dataset"}"#);
        let (text, count) = masked(r#"{"tokens":200,"token_limit":100,"keys":["id"],"pin":1234}"#);
        assert_eq!(
            text,
            r#"{"keys":["id"],"pin":"***","token_limit":100,"tokens":200}"#
        );
        assert_eq!(count, 1);
    }

    #[test]
    fn secrets_are_masked_on_realistic_command_lines() {
        for (line, expected) in [
            ("psql|--password|abc", "psql|--password|***"),
            ("psql|--password|-abc", "psql|--password|***"),
            ("x|--api-key=def", "x|--api-key=***"),
            ("x|--password=p@ss!w0rd#1 xyz", "x|--password=***"),
            (
                "env|PGPASSWORD=hunter2!secret|psql",
                "env|PGPASSWORD=***|psql",
            ),
            ("x|--token-file|t.txt", "x|--token-file|t.txt"),
            ("x|--token|--verbose|rows", "x|--token|--verbose|rows"),
            ("mysql|-psecret|db", "mysql|-p***|db"),
            (
                "/usr/bin/curl|-u|alice:pw|https://h/",
                "/usr/bin/curl|-u|alice:***|https://h/",
            ),
            ("curl|-ualice:pw", "curl|-ualice:***"),
            ("curl|--user|alice", "curl|--user|alice"),
            (
                "sshpass|-p|pw|ssh|-p|2222|h",
                "sshpass|-p|***|ssh|-p|2222|h",
            ),
            ("redis-cli|-a|pw|GET|x", "redis-cli|-a|***|GET|x"),
            (
                "curl|-H|Authorization: token abc",
                "curl|-H|Authorization: ***",
            ),
            ("curl|-H|Cookie: a=b; session=c", "curl|-H|Cookie: ***"),
            (
                r#"curl|-d|{"user":"u","password":"p,q"}"#,
                r#"curl|-d|{"password":"***","user":"u"}"#,
            ),
            (
                "sh|-c|mysql --password X; ls",
                "sh|-c|mysql --password ***; ls",
            ),
            // Where the value ends is not clear, so all of it goes.
            ("sh|-c|password='a b' ./x", "sh|-c|password=***"),
            ("sort|-k|2|data.csv", "sort|-k|2|data.csv"),
            (
                "sort|--key|1|--key=2,2n|data.csv",
                "sort|--key|1|--key=2,2n|data.csv",
            ),
            ("x|--key|c0ffeec0ffeec0ffee", "x|--key|***"),
            ("awk|{ key=$2; n[key]+=1 }", "awk|{ key=$2; n[key]+=1 }"),
            (
                "python3|-c|token = next(x); print(key)",
                "python3|-c|token = next(x); print(key)",
            ),
            (
                "curl|-su|alice:pw|--user=bob:pw2",
                "curl|-su|alice:***|--user=bob:***",
            ),
            (
                "sh|-c|true; mysql -u root -psecret db",
                "sh|-c|true; mysql -u root -p*** db",
            ),
            (
                "sh|-c|curl -u 'alice:a b' h > x",
                "sh|-c|curl -u 'alice:***' h > x",
            ),
            (
                "sh|-c|sshpass -p pw ssh -p 22 h",
                "sh|-c|sshpass -p *** ssh -p 22 h",
            ),
            ("sh|-c|x --password=a,b c", "sh|-c|x --password=*** c"),
            (
                "sh|-c|true PGPASSWORD='a'b x",
                "sh|-c|true PGPASSWORD=*** x",
            ),
            ("zip|-P|pw|a.zip", "zip|-P|***|a.zip"),
            (
                "python3|train.py|--max-tokens|512",
                "python3|train.py|--max-tokens|512",
            ),
        ] {
            let arguments: Vec<_> = line.split('|').map(str::to_owned).collect();
            let masked = Masker::new().mask_arguments(&arguments, "command");
            assert_eq!(masked.join("|"), expected);
        }
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_a_key() {
        for (address, shown) in [
            ("https://tsa.example/a", "https://tsa.example/a"),
            (
                "https://u:hunter2@tsa.example/a?key=k",
                "https://…@tsa.example/a?…",
            ),
            ("https://u:a@b/c@tsa.example/", "https://…@tsa.example/"),
            ("u:hunter2@tsa.example#k", "…@tsa.example?…"),
            ("urn:makoto:attestation:x", "urn:makoto:attestation:x"),
        ] {
            assert_eq!(address_without_secrets(address), shown);
        }
    }
}
