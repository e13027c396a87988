//! Workflow commands: lines that GitHub Actions acts on when a step prints them.
//!
//! A runner reads every line of stdout and stderr. A line that starts with `::` is a command, and
//! so is one with `##[` anywhere in it. Names come from documents and folders, so a line of text
//! must never become one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::screen::Plain;

/// Whether this is a step of GitHub Actions.
pub(crate) fn is_runner() -> bool {
    static RUNNER: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"));
    *RUNNER
}

/// How GitHub shows a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// The workflow command that shows a message, at `file` when it is about one. Every text in it is
/// escaped for a terminal too: a runner's log is read on one.
pub(crate) fn message(
    severity: Severity,
    file: Option<&str>,
    title: &str,
    lines: &[&str],
) -> String {
    let mut command = String::from(match severity {
        Severity::Error => "::error ",
        Severity::Warning => "::warning ",
    });
    if let Some(file) = file {
        let _ = write!(command, "file={},", property(&cut(file)));
    }
    let _ = write!(command, "title={}::", property(&cut(title)));
    let lines: Vec<_> = lines.iter().map(|line| cut(line)).collect();
    command.push_str(&data(&lines.join("\n")));
    command
}

/// As much of a text as is worth showing there, escaped for a terminal.
pub(crate) fn cut(text: &str) -> String {
    /// GitHub shows 4 KB of a message, and cuts it without a sign.
    const MOST: usize = 1_000;
    let plain = Plain(text).to_string();
    match plain.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The same text, with what a runner would take for a command escaped.
pub(crate) fn inert(text: &str) -> Cow<'_, str> {
    if !is_runner() {
        return text.into();
    }
    let lines = text.split('\n').map(inert_line);
    lines.collect::<Vec<_>>().join("\n").into()
}

fn inert_line(line: &str) -> String {
    let line = line.replace("##[", "#\\u{23}[");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => {
            let blank = &line[..line.len() - rest.len() - 2];
            format!("{blank}\\u{{3a}}:{rest}")
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_ends_no_property_early() {
        let lines = ["100% of a:b,c", "next\r::error::x"];
        let told = message(Severity::Error, Some("a:b,c%\n.csv"), "x::y", &lines);
        assert_eq!(
            told,
            "::error file=a%3Ab%2Cc%25\\u{a}.csv,title=x%3A%3Ay::\
             100%25 of a:b,c%0Anext\\u{d}::error::x"
        );
        let told = message(Severity::Warning, None, "t", &["m"]);
        assert_eq!(told, "::warning title=t::m");
        assert_eq!(data("%\r\n"), "%25%0D%0A");
    }

    #[test]
    fn a_long_message_is_cut_with_a_sign() {
        let told = message(Severity::Error, None, "t", &[&"é".repeat(5_000)]);
        assert!(told.ends_with("é…") && told.chars().count() < 1_100);
    }

    #[test]
    fn a_line_of_text_is_never_a_command() {
        for (line, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            (" \u{3000}::add-mask::a", " \u{3000}\\u{3a}:add-mask::a"),
            (":::x", "\\u{3a}::x"),
            ("a ##[add-mask]x", "a #\\u{23}[add-mask]x"),
            ("###[group]", "##\\u{23}[group]"),
            ("::##[x", "\\u{3a}:#\\u{23}[x"),
            // Near neighbours that no runner acts on.
            ("a ::error::x", "a ::error::x"),
            (": :error", ": :error"),
            ("## [x]", "## [x]"),
            ("#[x]", "#[x]"),
        ] {
            assert_eq!(inert_line(line), shown, "{line:?}");
            assert!(!inert_line(line).contains("##["), "{line:?}");
        }
    }
}
