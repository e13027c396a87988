//! Secrets inside a text: a command for a shell, a URL, a connection string, a header.

use super::MASK;
use super::name::{
    Hides, attached_option_of, is_known_program, is_secret_value, option_of, words_of,
};

/// A secret in a text, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) start: usize,
    pub(super) end: usize,
    /// How it was recognised.
    pub(super) why: String,
}

/// The secrets in `text`, in order and apart from each other.
pub(super) fn secrets_in(text: &str) -> Vec<Secret> {
    if text.contains("PRIVATE KEY-----") {
        let why = "a private key".to_owned();
        let (start, end) = (0, text.len());
        return vec![Secret { start, end, why }];
    }
    let of_commands = in_commands(text);
    let mut secrets = of_commands.clone();
    let mut position = 0;
    while let Some(start) = next_word(text, position) {
        let end = start + length_while(&text[start..], is_word);
        let word = &text[start..end];
        if of_commands
            .iter()
            .any(|secret| secret.start < end && secret.end > start)
        {
            position = end;
            continue;
        }
        let found = in_url(text, end)
            .or_else(|| after_name(text, word, end))
            .or_else(|| after_option(text, word, end))
            .or_else(|| after_scheme(text, word, end))
            .or_else(|| {
                let why = token_shape(word)?.to_owned();
                Some(Secret { start, end, why })
            })
            .filter(|secret| secret.start < secret.end)
            .filter(|secret| &text[secret.start..secret.end] != MASK);
        position = match found {
            Some(secret) => {
                let end = secret.end;
                secrets.push(secret);
                end
            }
            None => end,
        };
    }
    secrets.sort_by_key(|secret| secret.start);
    // Found in two ways, it is masked once.
    secrets.dedup_by(|next, kept| {
        let overlaps = next.start < kept.end;
        if overlaps {
            kept.end = kept.end.max(next.end);
        }
        overlaps
    });
    secrets
}

/// Secrets by the short options of known programs, when the text is a command for a shell.
fn in_commands(text: &str) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut program = "";
    let mut previous: Option<&str> = None;
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        let gap = length_while(rest, ends_word);
        if rest[..gap].contains(is_operator) {
            (program, previous) = ("", None);
        }
        let start = position + gap;
        let end = start + shell_word(&text[start..]);
        if start == end {
            break;
        }
        position = end;
        let word = &text[start..end];
        let by_previous = previous.and_then(|option| option_of(program, option));
        let attached = attached_option_of(program, word);
        let (from, hides) = match (by_previous, attached) {
            (Some(hides), _) => (start, Some(hides)),
            (None, Some((option, _, hides))) => (start + option.len(), Some(hides)),
            (None, None) => (start, None),
        };
        if let Some(hides) = hides {
            let quoted = |quote| {
                let word = &text[from..end];
                word.len() > 1 && word.starts_with(quote) && word.ends_with(quote)
            };
            let quotes = usize::from(quoted('"') || quoted('\''));
            let (from, to) = (from + quotes, end - quotes);
            let shown = match (hides, text[from..to].find(':')) {
                (Hides::Everything, _) => Some(0),
                (Hides::AfterColon, colon) => colon.map(|colon| colon + 1),
            };
            let known = shown.filter(|shown| from + shown < to);
            secrets.extend(known.map(|shown| Secret {
                start: from + shown,
                end: to,
                why: format!("password for {program}"),
            }));
        }
        previous = (hides.is_none()).then_some(word);
        let base = word.rsplit('/').next().unwrap_or_default();
        if is_known_program(base) {
            program = base;
        }
    }
    secrets.retain(|secret| &text[secret.start..secret.end] != MASK);
    secrets
}

fn is_operator(character: char) -> bool {
    matches!(character, ';' | '|' | '&' | '(' | ')' | '\n')
}

fn ends_word(character: char) -> bool {
    character.is_whitespace() || is_operator(character) || matches!(character, '<' | '>')
}

/// Length of the shell word at the start of `text`, with its quotes.
fn shell_word(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match (escaped, quote) {
            (true, _) => escaped = false,
            (false, Some(open)) if character == open => quote = None,
            (false, Some('\'')) => {}
            (false, _) if character == '\\' => escaped = true,
            (false, Some(_)) => {}
            (false, None) if is_quote(character) => quote = Some(character),
            (false, None) if ends_word(character) => return index,
            (false, None) => {}
        }
    }
    text.len()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

fn next_word(text: &str, position: usize) -> Option<usize> {
    text[position..].find(is_word).map(|at| position + at)
}

fn length_while(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.find(|c| !test(c)).unwrap_or(text.len())
}

fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'')
}

/// `scheme://user:secret@host`, `scheme://secret@host`: `end` is that of the scheme.
fn in_url(text: &str, end: usize) -> Option<Secret> {
    let rest = text[end..].strip_prefix("://")?;
    let start = end + 3;
    let word = &rest[..length_while(rest, |c| !c.is_whitespace() && !is_quote(c))];
    let authority = &word[..length_while(word, |c| !matches!(c, '/' | '?' | '#'))];
    // A password may hold what ends an authority; then what stands before is no port.
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let no_port = port.is_some_and(|port| !port.chars().all(|c| c.is_ascii_digit()));
    let userinfo = match authority.rfind('@') {
        Some(at) => &authority[..at],
        None if no_port => &word[..word.rfind('@')?],
        None => return None,
    };
    const SHORTEST_TOKEN: usize = 12;
    let secret_from = match userinfo.find(':') {
        Some(colon) => colon + 1,
        None if userinfo.len() >= SHORTEST_TOKEN => 0,
        None => return None,
    };
    Some(Secret {
        start: start + secret_from,
        end: start + userinfo.len(),
        why: "password in a URL".to_owned(),
    })
}

/// `name=secret`, `name: secret`, `"name": "secret"`: `end` is that of the name.
fn after_name(text: &str, word: &str, end: usize) -> Option<Secret> {
    let name = word.trim_start_matches('-');
    let mut rest = &text[end..];
    rest = rest.strip_prefix(is_quote).unwrap_or(rest);
    rest = rest.trim_start_matches(' ');
    let by_colon = rest.starts_with(':');
    let before = rest.trim_start_matches([':', '=']);
    let spaced = text[end..].starts_with(' ') || before.starts_with(' ');
    rest = rest.strip_prefix([':', '='])?;
    // `sort key: name` in a sentence is no header, and `scheme://` no name.
    let headers = ["key", "pin", "pass"];
    if rest.starts_with("//") || (by_colon && headers.contains(&name)) {
        return None;
    }
    rest = rest.trim_start_matches(' ');
    let start = text.len() - rest.len();
    let in_url = text[..end].contains("://");
    let whole_line = words_of(name)
        .iter()
        .any(|w| w == "authorization" || w == "cookie");
    let (start, length) = match rest.chars().next().filter(|c| is_quote(*c)) {
        Some(quote) if by_colon || spaced => (start + 1, length_while(&rest[1..], |c| c != quote)),
        // A fragment follows the query of a URL; elsewhere `#` may belong to the secret.
        None if in_url => {
            let ends =
                |c: char| c.is_whitespace() || is_quote(c) || matches!(c, '&' | ';' | ',' | '#');
            (start, length_while(rest, |c| !ends(c)))
        }
        None if whole_line => (start, length_while(rest, |c| !is_quote(c) && c != '\n')),
        None if by_colon => {
            let ends = |c: char| c.is_whitespace() || is_quote(c) || matches!(c, '&' | ';' | ',');
            (start, length_while(rest, |c| !ends(c)))
        }
        _ => (start, shell_word(rest)),
    };
    let value = &text[start..start + length];
    // `token = next(x)` is code.
    let is_code = spaced && text[start + length..].starts_with('(');
    (is_secret_value(name, value) && !is_code).then(|| Secret {
        start,
        end: start + length,
        why: format!("value of {name:?}"),
    })
}

/// `--password secret` inside a longer text: `end` is that of the option.
fn after_option(text: &str, word: &str, end: usize) -> Option<Secret> {
    let name = word.strip_prefix('-')?.trim_start_matches('-');
    let rest = text[end..].strip_prefix(' ')?.trim_start_matches(' ');
    let start = text.len() - rest.len();
    let length = shell_word(rest);
    let is_value = !rest.starts_with("--") && is_secret_value(name, &rest[..length]);
    is_value.then(|| Secret {
        start,
        end: start + length,
        why: format!("value of {name:?}"),
    })
}

/// `Bearer secret`: `end` is that of the scheme.
fn after_scheme(text: &str, word: &str, end: usize) -> Option<Secret> {
    if !matches!(word, "Bearer" | "bearer" | "Basic") {
        return None;
    }
    let rest = text[end..].strip_prefix(' ')?;
    let length = length_while(rest, |c| !c.is_whitespace() && !is_quote(c));
    (length >= 8).then(|| Secret {
        start: end + 1,
        end: end + 1 + length,
        why: format!("value of {word:?}"),
    })
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

    #[test]
    fn secrets_inside_a_text_are_found_whole() {
        for (text, secrets) in [
            ("postgres://u:p4ss@h/db", &["p4ss"][..]),
            ("postgres://u:a:b@c@h/db", &["a:b@c"]),
            ("postgres://u:p/a#s@h/db", &["p/a#s"]),
            ("https://h:8080/x@y", &[]),
            ("https://0123456789abcdef@h/repo", &["0123456789abcdef"]),
            ("https://alice@h/repo", &[]),
            ("https://h/x?token=abc&n=1", &["abc"]),
            ("https://h/x?sv=1&sig=a%2Fb", &["a%2Fb"]),
            ("host=h password=hun!ter2secret n=1", &["hun!ter2secret"]),
            (
                "Authorization: token hunter2secret",
                &["token hunter2secret"],
            ),
            ("\"Authorization: Bearer abc.def\" x", &["Bearer abc.def"]),
            ("use Bearer abcdefgh now", &["abcdefgh"]),
            ("Cookie: a=b; c=d", &["a=b; c=d"]),
            ("password='hunter2 secret' x", &["'hunter2 secret'"]),
            ("password=\"a\\\"b\"c x", &["\"a\\\"b\"c"]),
            ("password = \"a b\" x", &["a b"]),
            ("pg:host=h;password=a;n=1", &["a"]),
            ("{'password': 'a', 'n': 1}", &["a"]),
            ("mysql --password X -h y", &["X"]),
            ("use AKIAIOSFODNN7EXAMPLE now", &["AKIAIOSFODNN7EXAMPLE"]),
            (
                "ghp_0123456789abcdefghijABCDEFGHIJ012345",
                &["ghp_0123456789abcdefghijABCDEFGHIJ012345"],
            ),
            ("eyJhbGciOi.eyJzdWIiOi.sig", &["eyJhbGciOi.eyJzdWIiOi.sig"]),
            ("https://h/x?rows=5", &[]),
            ("sort key: name", &[]),
            ("s3://bucket/key/file.csv", &[]),
            ("password=***", &[]),
        ] {
            let found: Vec<_> = secrets_in(text)
                .iter()
                .map(|secret| &text[secret.start..secret.end])
                .collect();
            assert_eq!(found, secrets, "{text}");
        }
    }
}
