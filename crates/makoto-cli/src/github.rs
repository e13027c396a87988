//! Workflow commands: lines that GitHub Actions acts on when a step prints them.
//!
//! A runner reads every line of stdout and stderr. A line that starts with `::` is a command, and
//! so is one with `##[` anywhere in it. Names come from documents and folders, so a line of text
//! must never become one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::screen::Plain;

/// Characters of a message. GitHub keeps 4,096 UTF-16 units, and cuts the rest without a sign.
const MESSAGE: usize = 2_000;

/// Characters of a title. GitHub keeps 255.
const TITLE: usize = 250;

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
        let _ = write!(command, "file={},", property(&Plain(file).to_string()));
    }
    let _ = write!(command, "title={}::", property(&cut(title, TITLE)));
    let lines: Vec<_> = lines.iter().map(|line| cut(line, MESSAGE)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let text = lines.join("\n");
    command.push_str(&data(&shortened(&text, MESSAGE)));
    without_marker(&command, "\\u{23}").into_owned()
}

/// As many characters of a text, escaped for a terminal.
pub(crate) fn cut(text: &str, most: usize) -> String {
    shortened(&Plain(text).to_string(), most).into_owned()
}

fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
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
    let line = without_marker(line, "\\u{23}");
    let mut seen = seen(&line).filter(|(_, c)| !c.is_whitespace());
    match [seen.next(), seen.next()] {
        [Some((at, ':')), Some((_, ':'))] => {
            format!("{}\\u{{3a}}{}", &line[..at], &line[at + 1..])
        }
        _ => line.to_string(),
    }
}

/// The text without `##[`, whose first character is replaced.
pub(crate) fn without_marker<'a>(text: &'a str, number_sign: &str) -> Cow<'a, str> {
    if !text.contains('#') {
        return text.into();
    }
    let (mut last, mut before) = ((0, ' '), (0, ' '));
    let (mut told, mut from) = (String::new(), 0);
    for (at, character) in seen(text) {
        if (before.1, last.1, character) == ('#', '#', '[') {
            told.push_str(&text[from..before.0]);
            told.push_str(number_sign);
            from = before.0 + 1;
        }
        (before, last) = (last, (at, character));
    }
    told.push_str(&text[from..]);
    told.into()
}

/// The characters of a line that a runner sees. It compares text by the rules of a language,
/// which skip some characters that have no shape; all that could be one are left out here.
fn seen(text: &str) -> impl Iterator<Item = (usize, char)> {
    let characters = text.char_indices();
    characters.filter(|(_, c)| c.is_ascii() || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_ends_no_property_early() {
        let lines = ["100% of a:b,c", "next\r::error::##[x"];
        let told = message(Severity::Error, Some("a:b,c%\n.csv"), "x::y", &lines);
        assert_eq!(
            told,
            "::error file=a%3Ab%2Cc%25\\u{a}.csv,title=x%3A%3Ay::\
             100%25 of a:b,c%0Anext\\u{d}::error::\\u{23}#[x"
        );
        let told = message(Severity::Warning, None, "t", &["m"]);
        assert_eq!(told, "::warning title=t::m");
        assert_eq!(data("%\r\n"), "%25%0D%0A");
    }

    #[test]
    fn a_long_message_is_cut_with_a_sign() {
        for lines in [&["é"; 5_000][..], &[&"é".repeat(5_000)]] {
            let told = message(Severity::Error, None, &"t".repeat(300), lines);
            assert!(told.ends_with('…') && told.contains("t…::"), "{told}");
            assert!(told.replace("%0A", "\n").chars().count() < 2_300, "{told}");
        }
    }

    #[test]
    fn a_line_of_text_is_never_a_command() {
        for (line, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            (" \u{3000}::add-mask::a", " \u{3000}\\u{3a}:add-mask::a"),
            (":::x", "\\u{3a}::x"),
            ("\u{fe0f}:\u{fe00}:x", "\u{fe0f}\\u{3a}\u{fe00}:x"),
            ("a ##[add-mask]x", "a \\u{23}#[add-mask]x"),
            ("#\u{fe0f}#\u{fe0f}[x]", "\\u{23}\u{fe0f}#\u{fe0f}[x]"),
            ("###[group]##[x]", "#\\u{23}#[group]\\u{23}#[x]"),
            ("::##[x", "\\u{3a}:\\u{23}#[x"),
            // Near neighbours that no runner acts on.
            ("a ::error::x", "a ::error::x"),
            (":é:error", ":é:error"),
            ("## [x]", "## [x]"),
            ("#[x]", "#[x]"),
            ("##", "##"),
            ("", ""),
        ] {
            assert_eq!(inert_line(line), shown, "{line:?}");
        }
    }
}
