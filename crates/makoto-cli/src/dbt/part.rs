//! A value in one of dbt's files, with where it stands.

use std::path::Path;

use makoto::datetime::DateTime;
use makoto::json::Json;
use makoto::shape::At;

use crate::failure::Failure;
use crate::screen::Plain;

static NOTHING: Json = Json::Null;

/// A value, its file and its path in it. What is absent is `null`, as dbt has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    file: &'a Path,
    at: At<'a>,
    value: &'a Json,
}

impl<'a> Part<'a> {
    pub(super) fn of(file: &'a Path, value: &'a Json) -> Self {
        let at = At::Top;
        Self { file, at, value }
    }

    pub(super) fn value(&self) -> &'a Json {
        self.value
    }

    pub(super) fn member<'b>(&'b self, key: &'b str) -> Part<'b> {
        Part {
            file: self.file,
            at: self.at.field(key),
            value: self.value.get(key).unwrap_or(&NOTHING),
        }
    }

    pub(super) fn members(&self) -> Result<impl Iterator<Item = (&String, Part<'_>)>, Failure> {
        let members = self
            .value
            .as_object()
            .ok_or_else(|| self.wrong("an object"))?;
        Ok(members.iter().map(|(key, value)| {
            let (file, at) = (self.file, self.at.field(key));
            (key, Part { file, at, value })
        }))
    }

    /// The items of an array; none of `null`.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = Part<'_>>, Failure> {
        let items = match self.value {
            Json::Null => &[],
            Json::Array(items) => items.as_slice(),
            _ => return Err(self.wrong("an array")),
        };
        Ok(items.iter().enumerate().map(|(index, value)| {
            let (file, at) = (self.file, self.at.item(index));
            Part { file, at, value }
        }))
    }

    /// The text; `None` of `null`.
    pub(super) fn text(&self) -> Result<Option<String>, Failure> {
        match self.value {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.clone())),
            _ => Err(self.wrong("a string")),
        }
    }

    pub(super) fn needed_text(&self) -> Result<String, Failure> {
        self.text()?.ok_or_else(|| self.wrong("a string"))
    }

    /// The time; `None` of `null`.
    pub(super) fn time(&self) -> Result<Option<DateTime>, Failure> {
        let time =
            |text: String| DateTime::parse(&text).map_err(|_| self.wrong("an RFC 3339 time"));
        self.text()?.map(time).transpose()
    }

    pub(super) fn is_true(&self) -> bool {
        self.value == &Json::Bool(true)
    }

    /// A failure: this is not what is needed here.
    pub(super) fn wrong(&self, needed: &str) -> Failure {
        let found = match self.value {
            Json::Null => "missing".to_owned(),
            Json::String(text) => format!("{text:?}"),
            other => other.kind().to_owned(),
        };
        let file = self.file.to_string_lossy();
        let message = format!("{}: {} is {found}, needed {needed}", Plain(&file), self.at);
        Failure::usage(message)
    }
}
