//! Secrets that are known by a name: of a key, an option or a variable.

/// Whether a key, option or variable of this name holds a secret.
///
/// The name is taken apart into words (`apiKey`, `api-key`, `API_KEY`). A last word such as
/// `file` or `id` says that the value only points to the secret; `join key` and the like name
/// columns.
pub fn is_secret_name(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "password",
        "passwd",
        "pwd",
        "pw",
        "pass",
        "passphrase",
        "passcode",
        "token",
        "secret",
        "key",
        "salt",
        "credential",
        "apikey",
        "authorization",
        "bearer",
        "cookie",
        "pin",
        "otp",
        "pepper",
        "signature",
        "sig",
        "sas",
        "pat",
    ];
    const PLURAL: &[&str] = &[
        "passwords",
        "passphrases",
        "tokens",
        "secrets",
        "credentials",
        "cookies",
    ];
    // Names are also run together: PGPASSWORD, mysecret.
    const ENDS: &[&str] = &[
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
    ];
    const POINTS_TO_IT: &[&str] = &[
        "file",
        "path",
        "fd",
        "name",
        "id",
        "type",
        "column",
        "columns",
        "field",
        "fields",
        "length",
        "size",
        "count",
        "limit",
        "url",
        "uri",
        "arn",
        "version",
        "algorithm",
        "policy",
        "mode",
        "method",
        "ttl",
        "expiry",
        "expires",
        "rotation",
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
    // `keys` alone are columns; these keys are not.
    const KEYS: &[&str] = &["api", "access", "private", "encryption", "signing", "hmac"];

    let words = words_of(name);
    let is_secret = |word: &str| {
        let keys = word == "keys" && words.iter().any(|other| KEYS.contains(&other.as_str()));
        keys || SECRET.contains(&word)
            || PLURAL.contains(&word)
            || ENDS.iter().any(|end| word.ends_with(end))
    };
    let Some(last) = words.last() else {
        return false;
    };
    let points_to_it = POINTS_TO_IT.contains(&last.as_str()) && !name.ends_with("secret_id");
    words.iter().any(|word| is_secret(word))
        && !points_to_it
        && !words.iter().any(|word| COLUMN.contains(&word.as_str()))
}

/// Whether an option or variable of this name holds a secret in this value.
///
/// A lone `key` is more often a column than a secret, so its value must look like one.
pub(super) fn is_secret_value(name: &str, value: &str) -> bool {
    const SHORTEST_KEY: usize = 16;
    let looks_random = value.len() >= SHORTEST_KEY && value.bytes().any(|b| b.is_ascii_digit());
    // `$NAME` leads to the secret, which stands elsewhere.
    is_secret_name(name) && !value.starts_with('$') && (words_of(name) != ["key"] || looks_random)
}

/// Whether a secret of this name may be a number: a PIN is one, a number of tokens is not.
pub(super) fn may_be_a_number(name: &str) -> bool {
    let words = words_of(name);
    !words
        .iter()
        .any(|word| matches!(word.as_str(), "token" | "tokens" | "cookies"))
}

/// Whether a name of an option or variable is nothing but a name.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(plain)
}

pub(super) fn words_of(name: &str) -> Vec<String> {
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

/// How much of a value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hides {
    /// All of it.
    Everything,
    /// What follows the first colon: `name:password`.
    AfterColon,
}

/// Short options that hold a secret, by program: whether the value is attached (`-pX`), follows
/// as an argument of its own, or either.
const OPTIONS: &[(&[&str], &[&str], Value, Hides)] = &[
    (
        &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mariadb",
            "mariadb-dump",
        ],
        &["-p"],
        Value::Attached,
        Hides::Everything,
    ),
    (&["sshpass"], &["-p"], Value::Either, Hides::Everything),
    (&["redis-cli"], &["-a"], Value::Follows, Hides::Everything),
    (&["curl"], &["-u", "-U"], Value::Either, Hides::AfterColon),
    (
        &["curl"],
        &["--user", "--proxy-user"],
        Value::Follows,
        Hides::AfterColon,
    ),
    (
        &["curl"],
        &["--user=", "--proxy-user="],
        Value::Attached,
        Hides::AfterColon,
    ),
    (&["zip", "unzip"], &["-P"], Value::Either, Hides::Everything),
    (
        &["openssl"],
        &["-k", "-K", "-pass", "-passin", "-passout"],
        Value::Follows,
        Hides::Everything,
    ),
    (
        &["ldapsearch", "ldapmodify", "ldapadd"],
        &["-w"],
        Value::Follows,
        Hides::Everything,
    ),
    (
        &["mongo", "mongosh", "mongodump", "mongoexport"],
        &["-p"],
        Value::Follows,
        Hides::Everything,
    ),
    (
        &["docker", "podman"],
        &["-p"],
        Value::Follows,
        Hides::Everything,
    ),
    (&["ssh"], &[], Value::Follows, Hides::Everything),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Attached,
    Follows,
    Either,
}

/// Whether the short options of a program are known. `ssh` is, so that its own `-p` is not
/// taken for that of `sshpass` before it.
pub(super) fn is_known_program(name: &str) -> bool {
    OPTIONS
        .iter()
        .any(|(programs, ..)| programs.contains(&name))
}

/// What of the argument after `option` is secret.
pub(super) fn option_of(program: &str, option: &str) -> Option<Hides> {
    // `curl -su name:X` is `-s -u name:X`.
    let cluster = option
        .strip_prefix('-')
        .filter(|letters| letters.len() > 1 && letters.chars().all(|c| c.is_ascii_alphabetic()));
    let option = match cluster.and_then(|letters| letters.chars().last()) {
        Some('u') if program == "curl" => "-u",
        _ => option,
    };
    let row = OPTIONS.iter().find(|(programs, options, value, _)| {
        *value != Value::Attached && programs.contains(&program) && options.contains(&option)
    });
    row.map(|(.., hides)| *hides)
}

/// The option, and the secret that is attached to it.
pub(super) fn attached_option_of<'a>(
    program: &str,
    argument: &'a str,
) -> Option<(&'static str, &'a str, Hides)> {
    let rows = OPTIONS
        .iter()
        .filter(|(programs, _, value, _)| *value != Value::Follows && programs.contains(&program));
    rows.flat_map(|(_, options, _, hides)| options.iter().map(|option| (*option, *hides)))
        .find_map(|(option, hides)| {
            let value = argument.strip_prefix(option)?;
            (!value.is_empty()).then_some((option, value, hides))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "PGPASSWORD",
            "access_keys",
            "otp",
            "vault.secret_id",
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
            "keys",
            "pins",
            "cookie_policy",
            "token_limit",
            "auth",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
