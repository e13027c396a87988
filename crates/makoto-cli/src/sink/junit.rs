//! JUnit XML: one test suite per dataset, one test case per requirement and place.
//!
//! There is no standard; this is the part that Jenkins, GitLab and others agree on.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use makoto::report::{Check, Level, Outcome, Report, TOOL_VERSION, Verdict};
use makoto_data::NewFile;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::dataset::{located, refuse_overwriting};
use crate::failure::Failure;
use crate::screen::{self, Plain};

const ROOT: &str = "testsuites";

/// A JUnit file that is being written. It gets its name when it is finished.
pub(crate) struct Junit {
    path: PathBuf,
    file: NewFile,
    xml: Writer<BufWriter<File>>,
    /// Whether everything was written so far.
    written: io::Result<()>,
}

impl Junit {
    /// Starts a file that will be at `path`.
    pub(super) fn open(path: &Path, command: &str, reads: &[&Path]) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Err(Failure::usage(
                "--junit needs a file; stdout has the result",
            ));
        }
        refuse_overwriting("--junit", path, reads)?;
        refuse_inside(path, reads)?;
        let cannot = |error: io::Error| {
            let shown = path.to_string_lossy();
            Failure::usage(format!("cannot write {}: {error}", Plain(&shown)))
                .hint("nothing was checked; make the folder, or give another --junit")
        };
        let mut file = NewFile::at(path).map_err(cannot)?;
        // The same open file: what is written here is in the other.
        let writer = BufWriter::new(file.file().try_clone().map_err(cannot)?);
        let mut junit = Self {
            path: path.to_owned(),
            file,
            xml: Writer::new_with_indent(writer, b' ', 2),
            written: Ok(()),
        };
        junit.written = junit.start(command);
        Ok(junit)
    }

    fn start(&mut self, command: &str) -> io::Result<()> {
        let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
        self.xml.write_event(Event::Decl(declaration))?;
        let name = format!("makoto {command}");
        let root = BytesStart::new(ROOT).with_attributes([("name", name.as_str())]);
        self.xml.write_event(Event::Start(root))
    }

    /// Adds the suite of one dataset.
    pub(super) fn add(&mut self, what: &Path, report: &Report) {
        if self.written.is_ok() {
            self.written = Suite::of(what, report).write(&mut self.xml);
        }
    }

    /// Ends the file and gives it its name.
    pub(super) fn finish(self) {
        let path = self.path.to_string_lossy().into_owned();
        if let Err(error) = self.keep() {
            screen::lose(&format!("cannot write {path}: {error}"));
        }
    }

    fn keep(mut self) -> io::Result<()> {
        self.written?;
        self.xml.write_event(Event::End(BytesEnd::new(ROOT)))?;
        let mut writer = self.xml.into_inner();
        writer.write_all(b"\n")?;
        writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        self.file.keep_by_umask()
    }
}

/// A report inside a folder that is verified would be one more file of it.
fn refuse_inside(path: &Path, reads: &[&Path]) -> Result<(), Failure> {
    let Some(place) = located(path) else {
        return Ok(());
    };
    let mut folders = reads.iter().filter_map(|read| read.canonicalize().ok());
    if folders.any(|folder| folder.is_dir() && place.starts_with(folder)) {
        let shown = path.to_string_lossy();
        let message = format!(
            "--junit {} is inside the folder to be checked",
            Plain(&shown)
        );
        return Err(Failure::usage(message).hint("write the report beside it"));
    }
    Ok(())
}

/// What one report becomes.
struct Suite<'a> {
    name: String,
    report: &'a Report,
    cases: Vec<Case<'a>>,
}

/// The checks of one requirement at one place.
struct Case<'a>(Vec<&'a Check>);

impl Case<'_> {
    /// How the case ended: what was not checked never counts as holding.
    fn outcome(&self) -> Outcome {
        let order = [Outcome::Fail, Outcome::Skip, Outcome::Warn];
        let ended = |outcome: &Outcome| self.0.iter().any(|check| check.outcome == *outcome);
        order.into_iter().find(ended).unwrap_or(Outcome::Pass)
    }

    fn name(&self) -> String {
        let check = self.0[0];
        text(format!("{} {}", check.id, check.path).trim_end())
    }

    /// Message of the first check that ended as the case did.
    fn message(&self) -> String {
        let outcome = self.outcome();
        let check = self.0.iter().find(|check| check.outcome == outcome);
        text(check.map_or("", |check| check.message.as_str()))
    }

    /// What the checks say that ended as `outcome`, with found and needed.
    fn told(&self, outcome: Outcome) -> String {
        let mut told = String::new();
        for check in self.0.iter().filter(|check| check.outcome == outcome) {
            let _ = writeln!(told, "{}", text(&check.message));
            for (word, value) in [("found: ", &check.found), ("needed:", &check.needed)] {
                if let Some(value) = value {
                    let _ = writeln!(told, "{word} {}", text(value));
                }
            }
        }
        told
    }
}

impl<'a> Suite<'a> {
    fn of(what: &Path, report: &'a Report) -> Self {
        let mut cases: Vec<Case<'_>> = Vec::new();
        let mut places = HashMap::new();
        for check in &report.checks {
            let place = (check.id, check.path.as_str());
            let index = *places.entry(place).or_insert(cases.len());
            match cases.get_mut(index) {
                Some(case) => case.0.push(check),
                None => cases.push(Case(vec![check])),
            }
        }
        let name = text(&what.to_string_lossy());
        Self {
            name,
            report,
            cases,
        }
    }

    fn write<W: io::Write>(&self, xml: &mut Writer<W>) -> io::Result<()> {
        let is_unknown = self.report.verdict == Verdict::Unknown;
        let ended = |outcome| self.cases.iter().filter(move |c| c.outcome() == outcome);
        let count = |outcome| ended(outcome).count().to_string();
        xml.create_element("testsuite")
            .with_attributes([
                ("name", self.name.as_str()),
                (
                    "tests",
                    &(self.cases.len() + usize::from(is_unknown)).to_string(),
                ),
                ("failures", &count(Outcome::Fail)),
                ("errors", &u8::from(is_unknown).to_string()),
                ("skipped", &count(Outcome::Skip)),
                ("timestamp", self.report.time.as_str()),
            ])
            .write_inner_content(|xml| {
                self.properties(xml)?;
                for case in &self.cases {
                    self.case(xml, case)?;
                }
                match is_unknown {
                    true => self.could_not_be_told(xml),
                    false => Ok(()),
                }
            })?;
        Ok(())
    }

    fn properties<W: io::Write>(&self, xml: &mut Writer<W>) -> io::Result<()> {
        let level = |level: Option<Level>| level.map_or("none", Level::as_str).to_owned();
        let report = self.report;
        let subject = report.subject.as_ref().map(|subject| text(&subject.name));
        let judged = report.judged.as_ref();
        let properties = [
            ("verdict", Some(report.verdict.as_str().to_owned())),
            ("level", Some(level(report.level))),
            ("lineageLevel", Some(level(report.lineage_level))),
            ("subject", subject),
            ("attestation", report.attestation.clone()),
            (
                "policy",
                judged.map(|judged| format!("sha256:{}", judged.policy)),
            ),
            (
                "trustedRoot",
                judged.map(|judged| format!("sha256:{}", judged.trusted_root)),
            ),
            ("makoto", Some(TOOL_VERSION.to_owned())),
        ];
        let write = |xml: &mut Writer<W>| {
            for (name, value) in &properties {
                if let Some(value) = value {
                    xml.create_element("property")
                        .with_attributes([("name", *name), ("value", value)])
                        .write_empty()?;
                }
            }
            Ok(())
        };
        xml.create_element("properties")
            .write_inner_content(write)?;
        Ok(())
    }

    fn case<W: io::Write>(&self, xml: &mut Writer<W>, case: &Case<'_>) -> io::Result<()> {
        let outcome = case.outcome();
        let message = case.message();
        let element = self.element(xml, &case.name());
        if outcome == Outcome::Pass {
            element.write_empty()?;
            return Ok(());
        }
        element.write_inner_content(|xml| {
            match outcome {
                Outcome::Fail => {
                    xml.create_element("failure")
                        .with_attributes([("type", case.0[0].id), ("message", &message)])
                        .write_text_content(BytesText::new(&case.told(outcome)))?;
                }
                Outcome::Skip => {
                    xml.create_element("skipped")
                        .with_attribute(("message", message.as_str()))
                        .write_empty()?;
                }
                Outcome::Warn | Outcome::Pass => {}
            }
            let warnings = case.told(Outcome::Warn);
            if !warnings.is_empty() {
                xml.create_element("system-out")
                    .write_text_content(BytesText::new(&warnings))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// A case of its own: skipped ones alone would look like a success.
    fn could_not_be_told<W: io::Write>(&self, xml: &mut Writer<W>) -> io::Result<()> {
        let message = text(&screen::reason(self.report));
        self.element(xml, "verdict").write_inner_content(|xml| {
            xml.create_element("error")
                .with_attributes([("type", "unknown"), ("message", &message)])
                .write_empty()?;
            Ok(())
        })?;
        Ok(())
    }

    /// Programs tell cases of all suites apart by class and name.
    fn element<'w, W: io::Write>(
        &self,
        xml: &'w mut Writer<W>,
        name: &str,
    ) -> quick_xml::writer::ElementWriter<'w, W> {
        xml.create_element("testcase")
            .with_attributes([("classname", self.name.as_str()), ("name", name)])
    }
}

/// Text that XML 1.0 can hold, escaped as on a screen. That leaves two characters over.
fn text(text: &str) -> String {
    let mut legal = String::new();
    for character in Plain(text).to_string().chars() {
        match character {
            '\u{fffe}' | '\u{ffff}' => legal.extend(character.escape_unicode()),
            _ => legal.push(character),
        }
    }
    legal
}
