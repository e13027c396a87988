//! Keeping secrets out of statements (P3, "sanitized of secrets").
//!
//! A secret is masked by its value: not hashed, since a hash of a short secret is the secret to
//! anyone who tries. It is known by the name of its key (`password`, `api-token`, …) or by the
//! shape of the value (well-known token prefixes, private keys, JSON web tokens). Once known,
//! the same value is masked wherever else it occurs.

use crate::json::Json;

/// What stands in place of a secret. Valid inside a URI, so that masked URIs stay URIs.
pub const MASK: &str = "***";

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
    values: Vec<String>,
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

    /// Masks what is known by its key or shape in every string below `value`.
    pub fn mask_document(&mut self, value: &mut Json, path: &str) {
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let path = format!("{path}.{key}");
                    match is_secret_name(key) {
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

    /// Masks a command line: values of secret flags (`--password X`, `--token=X`, `KEY=X`), and
    /// what is known by its shape.
    pub fn mask_arguments(&mut self, arguments: &[String], path: &str) -> Vec<String> {
        let mut previous_flag: Option<&str> = None;
        let mut masked = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let flag = argument
                .strip_prefix('-')
                .map(|flag| flag.trim_start_matches('-'));
            let takes_secret = previous_flag.is_some_and(is_secret_name) && flag.is_none();
            masked.push(match (takes_secret, previous_flag) {
                (true, Some(name)) => {
                    self.remember(argument, &path, &format!("value of {name:?}"));
                    MASK.to_owned()
                }
                _ => self.mask_text(argument, &path),
            });
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            previous_flag = flag.filter(|flag| flag.chars().all(is_name));
        }
        masked
    }

    /// Masks every value that is known by now wherever else it occurs below `value`.
    ///
    /// Short values are left alone: they would be found in ordinary words.
    pub fn mask_known_values(&self, value: &mut Json) {
        match value {
            Json::Object(members) => members.values_mut().for_each(|v| self.mask_known_values(v)),
            Json::Array(items) => items.iter_mut().for_each(|v| self.mask_known_values(v)),
            Json::String(text) => {
                for secret in self.values.iter().filter(|secret| secret.len() >= 6) {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), MASK);
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn mask_whole(&mut self, value: &mut Json, path: &str, key: &str) {
        match value {
            Json::Object(members) => {
                for (inner, member) in members {
                    self.mask_whole(member, &format!("{path}.{inner}"), key);
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
                self.remember(&text, path, &format!("value of {key:?}"));
                *value = MASK.into();
            }
        }
    }

    fn mask_text(&mut self, text: &str, path: &str) -> String {
        if text.contains("PRIVATE KEY-----") {
            self.remember(text, path, "a private key");
            return MASK.to_owned();
        }
        let text = self.mask_url_password(text, path);
        self.mask_words(&text, path)
    }

    /// Masks the password in `scheme://user:password@host`.
    fn mask_url_password(&mut self, text: &str, path: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(scheme) = rest.find("://") {
            let (before, after) = rest.split_at(scheme + 3);
            out.push_str(before);
            rest = after;
            let authority = after
                .split(['/', '?', '#', ' ', '"', '\''])
                .next()
                .unwrap_or("");
            let userinfo = authority.rfind('@').map(|at| &authority[..at]);
            if let Some((user, password)) = userinfo.and_then(|info| info.split_once(':'))
                && !password.is_empty()
            {
                self.remember(password, path, "password in a URL");
                out.push_str(user);
                out.push(':');
                out.push_str(MASK);
                rest = &after[user.len() + 1 + password.len()..];
            }
        }
        out.push_str(rest);
        out
    }

    /// Masks words that have the shape of a token, and `name=value` and `name: value` where the
    /// name is that of a secret.
    fn mask_words(&mut self, text: &str, path: &str) -> String {
        let mut out = String::new();
        let mut secret_name: Option<String> = None;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_separator).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let shape = token_shape(word);
            match (&secret_name, shape) {
                (Some(name), _) if !word.is_empty() && !is_scheme_word(word) && word != MASK => {
                    let why = format!("value of {name:?}");
                    self.remember(word, path, &why);
                    out.push_str(MASK);
                    secret_name = None;
                }
                (_, Some(shape)) => {
                    self.remember(word, path, shape);
                    out.push_str(MASK);
                }
                _ => out.push_str(word),
            }
            let gap_end = after.find(|c| !is_separator(c)).unwrap_or(after.len());
            let (gap, next) = after.split_at(gap_end);
            let introduces = gap.trim() == "=" || gap == ": " || gap == ":" || gap.trim() == "=\"";
            if introduces && is_secret_name(word) && (gap.contains('=') || word.len() > 3) {
                secret_name = Some(word.to_owned());
            } else if is_scheme_word(word) && gap.trim().is_empty() {
                secret_name.get_or_insert_with(|| word.to_owned());
            } else if !is_scheme_word(word) {
                secret_name = None;
            }
            out.push_str(gap);
            rest = next;
        }
        out
    }

    fn remember(&mut self, value: &str, path: &str, why: &str) {
        if value == MASK {
            return;
        }
        self.values.push(value.to_owned());
        self.masked.push(Masked {
            path: path.to_owned(),
            why: why.to_owned(),
        });
    }
}

/// The authorization scheme before a token: `Bearer abc`.
fn is_scheme_word(word: &str) -> bool {
    matches!(word, "Bearer" | "bearer" | "Basic")
}

fn is_separator(character: char) -> bool {
    !(character.is_alphanumeric()
        || matches!(character, '_' | '-' | '.' | '+' | '/' | '*' | '%' | '~'))
}

/// Whether a key, flag or variable of this name holds a secret.
///
/// The name is taken apart into words (`apiKey`, `api-key`, `API_KEY`). A last word such as
/// `file` or `id` says that the value only points to the secret; `join key` and the like name
/// columns.
pub fn is_secret_name(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "password",
        "passwd",
        "pwd",
        "pass",
        "passphrase",
        "token",
        "secret",
        "key",
        "salt",
        "credential",
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "pin",
        "pepper",
        "signature",
        "sas",
    ];
    const POINTS_TO_IT: &[&str] = &[
        "file",
        "path",
        "fd",
        "name",
        "id",
        "type",
        "column",
        "field",
        "length",
        "size",
        "count",
        "url",
        "uri",
        "arn",
        "version",
        "algorithm",
    ];
    const COLUMN: &[&str] = &[
        "primary",
        "foreign",
        "join",
        "sort",
        "partition",
        "group",
        "order",
        "unique",
        "natural",
        "surrogate",
        "cluster",
        "index",
        "public",
        "dedup",
        "merge",
        "row",
        "max",
        "min",
        "num",
    ];
    let words = words_of(name);
    // Names are also run together: PGPASSWORD, mysecret.
    const ENDS: &[&str] = &[
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
    ];
    let is_secret = |word: &String| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        SECRET.contains(&word.as_str())
            || SECRET.contains(&singular)
            || ENDS.iter().any(|end| singular.ends_with(end))
    };
    let Some(last) = words.last() else {
        return false;
    };
    words.iter().any(is_secret)
        && !POINTS_TO_IT.contains(&last.as_str())
        && !words.iter().any(|word| COLUMN.contains(&word.as_str()))
}

fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let starts_word = character.is_uppercase() && after_lower;
        if !character.is_alphanumeric() || starts_word {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        after_lower = character.is_lowercase() || character.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What kind of token `word` looks like, by the published prefixes of its issuer.
fn token_shape(word: &str) -> Option<&'static str> {
    const PREFIXES: &[(&str, usize, &str)] = &[
        ("AKIA", 20, "an AWS access key"),
        ("ASIA", 20, "an AWS access key"),
        ("ghp_", 36, "a GitHub token"),
        ("gho_", 36, "a GitHub token"),
        ("ghu_", 36, "a GitHub token"),
        ("ghs_", 36, "a GitHub token"),
        ("ghr_", 36, "a GitHub token"),
        ("github_pat_", 40, "a GitHub token"),
        ("glpat-", 20, "a GitLab token"),
        ("xoxb-", 20, "a Slack token"),
        ("xoxp-", 20, "a Slack token"),
        ("xoxa-", 20, "a Slack token"),
        ("xapp-", 20, "a Slack token"),
        ("AIza", 35, "a Google API key"),
        ("ya29.", 20, "a Google token"),
        ("sk-", 24, "an API key"),
        ("sk_live_", 20, "a Stripe key"),
        ("sk_test_", 20, "a Stripe key"),
        ("rk_live_", 20, "a Stripe key"),
        ("npm_", 36, "an npm token"),
        ("pypi-", 40, "a PyPI token"),
        ("hf_", 30, "a Hugging Face token"),
        ("dop_v1_", 40, "a DigitalOcean token"),
        ("hvs.", 24, "a Vault token"),
        ("SG.", 40, "a SendGrid key"),
        ("AGE-SECRET-KEY-", 40, "an age key"),
    ];
    let prefixed = PREFIXES
        .iter()
        .find(|(prefix, length, _)| word.starts_with(prefix) && word.len() >= *length);
    if let Some((_, _, what)) = prefixed {
        return Some(what);
    }
    let parts: Vec<_> = word.split('.').collect();
    let is_jwt = parts.len() == 3 && parts[0].starts_with("eyJ") && parts[1].starts_with("eyJ");
    is_jwt.then_some("a JSON web token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn masked(text: &str) -> (String, usize) {
        let mut value = Json::parse(text.as_bytes(), &Limits::DEFAULT).expect("good JSON");
        let mut masker = Masker::new();
        masker.mask_document(&mut value, "parameters");
        masker.mask_known_values(&mut value);
        (value.to_string(), masker.masked().len())
    }

    #[test]
    fn secrets_are_known_by_the_name_of_their_key() {
        for name in [
            "password",
            "db_password",
            "dbPassword",
            "API-KEY",
            "apiKey",
            "accessToken",
            "SALT",
            "client.secret",
            "credentials",
            "aws_secret_access_key",
            "Authorization",
            "key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "rows",
            "keyboard",
            "tokenizer",
            "passenger",
            "primary_key",
            "join_keys",
            "max_tokens",
            "key_file",
            "secret_name",
            "salty_snacks",
            "compass",
            "monkey",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
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
    fn tokens_and_passwords_inside_text_are_masked() {
        for (text, expected) in [
            ("postgres://u:p4ss@h/db", "postgres://u:***@h/db"),
            ("postgres://u:a:b@c@h/db", "postgres://u:***@h/db"),
            ("https://h/x?token=abc&n=1", "https://h/x?token=***&n=1"),
            ("host=h password=abc n=1", "host=h password=*** n=1"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("use AKIAIOSFODNN7EXAMPLE now", "use *** now"),
            ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "***"),
            ("eyJhbGciOi.eyJzdWIiOi.sig", "***"),
            ("-----BEGIN EC PRIVATE KEY-----\nabc", "***"),
            ("https://h/x?rows=5", "https://h/x?rows=5"),
            ("sort key: name", "sort key: name"),
            ("s3://bucket/key/file.csv", "s3://bucket/key/file.csv"),
        ] {
            let mut masker = Masker::new();
            assert_eq!(masker.mask_text(text, ""), expected);
        }
    }

    #[test]
    fn values_of_secret_flags_are_masked_on_a_command_line() {
        let arguments = [
            "psql",
            "--password",
            "abc",
            "--api-key=def",
            "PGPASSWORD=ghi",
            "--token-file",
            "t.txt",
            "--token",
            "--verbose",
            "rows",
        ]
        .map(str::to_owned);
        let mut masker = Masker::new();
        assert_eq!(
            masker.mask_arguments(&arguments, "command").join(" "),
            "psql --password *** --api-key=*** PGPASSWORD=*** --token-file t.txt --token --verbose rows"
        );
    }
}
