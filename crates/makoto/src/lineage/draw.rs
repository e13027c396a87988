//! Drawing a lineage: a tree for people, Mermaid and Graphviz for pages, JSON for programs.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::{Direction, Lineage, Link, Producer, Stage};
use crate::digest::Digest;
use crate::json::{Json, Object};
use crate::predicate::PredicateType;
use crate::predicate::transform::{Interval, IntervalUnit};
use crate::scalar::is_deceptive;
use crate::shape::Shape as _;

/// Lines of a tree. Nobody reads more, and programs take the JSON.
const MOST_LINES: usize = 500;

/// Levels of a tree that are drawn; deeper ones leave the screen to the right.
const MOST_LEVELS: usize = 40;

/// A language for drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// A tree of lines.
    Text,
    /// Mermaid, as Markdown pages show it.
    Mermaid,
    /// Graphviz.
    Dot,
}

impl Lineage {
    /// The lineage as a drawing, each line ended by LF. Names from documents are quoted where
    /// they are more than one plain word, and escaped for the language.
    pub fn draw(&self, drawing: Drawing) -> String {
        match drawing {
            Drawing::Text => Tree::of(self).draw(),
            Drawing::Mermaid => self.mermaid(),
            Drawing::Dot => self.dot(),
        }
    }

    /// What the graph is of, without its nodes and edges: direction, digest, whether it is
    /// complete, and the nodes that it starts at.
    pub fn head(&self) -> Object {
        let tops = self.tops.iter();
        let tops = tops.map(|top| format!("sha256:{}", self.stages[*top].id));
        let direction = match self.direction {
            Direction::Back => "back",
            Direction::Forward => "forward",
        };
        let head: [(&str, Json); 4] = [
            ("direction", direction.into()),
            ("sha256", self.target.to_string().into()),
            ("complete", self.is_complete().into()),
            ("tops", tops.map(Json::from).collect()),
        ];
        head.into_iter().collect()
    }

    /// The nodes of the graph: each attestation, and each input without one.
    pub fn nodes(&self) -> impl Iterator<Item = Json> {
        let mut drawn = HashSet::new();
        let open = self.links.iter().filter_map(move |link| {
            let kind = match link.producer {
                Producer::Stage(_) => return None,
                Producer::Missing => "missing",
                Producer::Beyond => "not-looked-at",
            };
            let input = self.input(link);
            drawn.insert(input.digest.sha256).then(|| {
                Json::from([
                    ("id", self.source_of(link).into()),
                    ("kind", kind.into()),
                    ("name", input.name.as_str().into()),
                ])
            })
        });
        self.stages.iter().map(node).chain(open)
    }

    /// The edges of the graph, from what made a dataset to what read it, by the ids of the nodes.
    pub fn edges(&self) -> impl Iterator<Item = Json> {
        self.links.iter().map(|link| {
            let input = self.input(link);
            let reader = format!("sha256:{}", self.stages[link.reader].id);
            Json::from([
                ("from", self.source_of(link).into()),
                ("to", reader.into()),
                ("input", (link.input as u64).into()),
                ("name", input.name.as_str().into()),
                ("sha256", input.digest.sha256.to_string().into()),
                (
                    "interval",
                    input.interval.as_ref().map(|i| i.write()).into(),
                ),
                ("certain", link.certain.into()),
            ])
        })
    }

    /// The id of the node that an edge starts at. Where nobody attested the data, its own digest
    /// has to stand for it.
    fn source_of(&self, link: &Link) -> String {
        match link.producer {
            Producer::Stage(producer) => format!("sha256:{}", self.stages[producer].id),
            Producer::Missing | Producer::Beyond => {
                format!("sha256:{}", self.input(link).digest.sha256)
            }
        }
    }

    fn mermaid(&self) -> String {
        let mut out = "flowchart LR\n".to_owned();
        for (index, stage) in self.stages.iter().enumerate() {
            let (open, close) = match stage.is_origin() {
                true => ("[(", ")]"),
                false => ("[", "]"),
            };
            let label = for_mermaid(&label(stage).join("\n"));
            let _ = writeln!(out, "  n{index}{open}\"{label}\"{close}");
        }
        self.each_edge(|from, to, text, link| match from {
            From::Stage(from) => {
                let arrow = if link.certain { "-->" } else { "-.->" };
                let _ = writeln!(out, "  n{from} {arrow}|\"{}\"| n{to}", for_mermaid(text));
            }
            From::Open(number, said) => {
                let _ = writeln!(
                    out,
                    "  m{number}{{{{\"{}\"}}}} -.-> n{to}",
                    for_mermaid(&format!("{text}\n{said}"))
                );
            }
        });
        out
    }

    fn dot(&self) -> String {
        let mut out = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        for (index, stage) in self.stages.iter().enumerate() {
            let shape = if stage.is_origin() { "cylinder" } else { "box" };
            let label = for_dot(&label(stage).join("\n"));
            let _ = writeln!(out, "  n{index} [label=\"{label}\" shape={shape}];");
        }
        self.each_edge(|from, to, text, link| match from {
            From::Stage(from) => {
                let style = if link.certain { "solid" } else { "dashed" };
                let _ = writeln!(
                    out,
                    "  n{from} -> n{to} [label=\"{}\" style={style}];",
                    for_dot(text)
                );
            }
            From::Open(number, said) => {
                let label = for_dot(&format!("{text}\n{said}"));
                let _ = writeln!(out, "  m{number} [label=\"{label}\" style=dashed];");
                let _ = writeln!(out, "  m{number} -> n{to} [style=dashed];");
            }
        });
        out.push_str("}\n");
        out
    }

    fn each_edge(&self, mut draw: impl FnMut(From, usize, &str, &Link)) {
        for (number, link) in self.links.iter().enumerate() {
            let from = match link.producer {
                Producer::Stage(producer) => From::Stage(producer),
                Producer::Missing => From::Open(number, "no attestation"),
                Producer::Beyond => From::Open(number, "not looked at"),
            };
            draw(from, link.reader, &input_text(self, link), link);
        }
    }
}

/// Where an edge of a drawing starts.
enum From {
    /// At a stage.
    Stage(usize),
    /// At an input that nothing is known of; its number, and why.
    Open(usize, &'static str),
}

fn node(stage: &Stage) -> Json {
    let statement = &stage.statement;
    let subjects = statement.subject.as_slice().iter().map(|subject| {
        let digest = &subject.digest;
        let mut members: Object = [("name", subject.name.as_str())].into_iter().collect();
        members.insert("sha256", digest.sha256.to_string().into());
        if let Some(count) = &digest.record_count {
            members.insert("recordCount", count.as_str().into());
        }
        Json::Object(members)
    });
    let places = stage.places.iter().map(|place| Json::from(place.as_str()));
    Json::from([
        ("id", format!("sha256:{}", stage.id).into()),
        ("kind", kind(stage).into()),
        ("name", stage.title().into()),
        ("predicateType", statement.predicate.kind().url().into()),
        ("distance", (stage.distance as u64).into()),
        ("subjects", subjects.collect()),
        ("places", places.collect()),
        ("signatureVerified", false.into()),
    ])
}

fn kind(stage: &Stage) -> &'static str {
    match stage.statement.predicate.kind() {
        PredicateType::Origin => "origin",
        PredicateType::Transform => "transform",
        PredicateType::StreamWindow => "stream-window",
    }
}

/// What a stage is, in two lines: what it made, and how.
fn label(stage: &Stage) -> [String; 2] {
    const NAMED: usize = 3;
    let mut names: Vec<_> = stage.names().take(NAMED).map(word).collect();
    let more = stage.statement.subject.as_slice().len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    [
        names.join(", "),
        format!("{} {}", kind(stage), word(&stage.title())),
    ]
}

/// A name from a document as one word: quoted when something in it could pass for a part of the
/// drawing, such as an arrow or another line.
fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/@+=~%?&#,".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

fn input_text(lineage: &Lineage, link: &Link) -> String {
    let input = lineage.input(link);
    match &input.interval {
        None => word(input.name.as_str()),
        Some(interval) => {
            let name = word(input.name.as_str());
            format!("{name} ({})", interval_text(interval))
        }
    }
}

/// An interval in words: `records 0 up to 999`, `offsets 5 up to 9 of partition 2`.
fn interval_text(interval: &Interval) -> String {
    let unit = match interval.unit {
        IntervalUnit::Records => "records",
        IntervalUnit::Offsets => "offsets",
    };
    let partition = interval.partition.as_ref().map(|number| number.write());
    let partition = partition.map_or(String::new(), |number| format!(" of partition {number}"));
    format!(
        "{unit} {} up to {}{partition}",
        interval.start.as_str(),
        interval.end.as_str()
    )
}

/// Escapes what Mermaid or the page around it would act on.
fn for_mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("<br/>"),
            c if c.is_control() || is_deceptive(c) || "\"#<>&;`|{}[]()\\".contains(c) => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    // Before it reads a line, Mermaid takes its last semicolon for the end of one of these.
    out.replace("style", "#115;tyle")
        .replace("classDef", "#99;lassDef")
}

fn for_dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => out.extend(['\\', character]),
            // Graphviz reads entities in labels.
            '&' => out.push_str("&amp;"),
            c if c.is_control() || is_deceptive(c) => {
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A tree of lines. Every stage is drawn with what is behind it once, and named where it comes
/// again.
struct Tree<'a> {
    lineage: &'a Lineage,
    /// Links of each stage, by the end at which the tree arrives first.
    links: HashMap<usize, Vec<&'a Link>>,
}

impl<'a> Tree<'a> {
    fn of(lineage: &'a Lineage) -> Self {
        let mut links: HashMap<usize, Vec<_>> = HashMap::new();
        for link in &lineage.links {
            let from = match (lineage.direction, link.producer) {
                (Direction::Back, _) => link.reader,
                (Direction::Forward, Producer::Stage(producer)) => producer,
                (Direction::Forward, _) => continue,
            };
            links.entry(from).or_default().push(link);
        }
        Self { lineage, links }
    }

    fn draw(&self) -> String {
        let mut out = String::new();
        let mut drawn = vec![false; self.lineage.stages.len()];
        let mut lines = 0;
        // What is still to be drawn, the next last: indentation, the branch, and what is there.
        let tops = self.lineage.tops.iter().rev();
        let mut open: Vec<_> = tops
            .map(|top| (String::new(), "", Twig::Stage(*top, None)))
            .collect();
        while let Some((indent, branch, twig)) = open.pop() {
            if lines == MOST_LINES {
                let _ = writeln!(out, "… and more; --format json has everything");
                break;
            }
            lines += 1;
            let (stage, text) = match twig {
                Twig::Open(link) => (None, self.open_text(link)),
                Twig::Stage(stage, link) => (Some(stage), self.stage_text(stage, link)),
            };
            let again = stage.is_some_and(|stage| drawn[stage]);
            let note = if again { " (as above)" } else { "" };
            let _ = writeln!(out, "{indent}{branch}{text}{note}");
            let Some(stage) = stage.filter(|_| !again) else {
                continue;
            };
            drawn[stage] = true;
            let below = match branch {
                "" => indent,
                "└─ " => format!("{indent}   "),
                _ => format!("{indent}│  "),
            };
            let links = self.links.get(&stage).map_or(&[][..], Vec::as_slice);
            if below.chars().count() / 3 >= MOST_LEVELS && !links.is_empty() {
                let _ = writeln!(
                    out,
                    "{below}└─ … deeper than is drawn; --format json has everything"
                );
                continue;
            }
            for (place, link) in links.iter().rev().enumerate() {
                let branch = if place == 0 { "└─ " } else { "├─ " };
                let next = match (self.lineage.direction, link.producer) {
                    (Direction::Back, Producer::Stage(stage)) => Twig::Stage(stage, Some(*link)),
                    (Direction::Forward, _) => Twig::Stage(link.reader, Some(*link)),
                    (Direction::Back, _) => Twig::Open(link),
                };
                open.push((below.clone(), branch, next));
            }
        }
        out
    }

    fn stage_text(&self, stage: usize, link: Option<&Link>) -> String {
        let stage = &self.lineage.stages[stage];
        let [names, made] = label(stage);
        let doubt = match link {
            Some(link) if !link.certain => "possibly ",
            _ => "",
        };
        let part = link.and_then(|link| self.lineage.input(link).interval.as_ref());
        let part = part.map_or(String::new(), |part| {
            format!(" ({} only)", interval_text(part))
        });
        format!("{doubt}{names}{part}  ← {made}  {}", short(&stage.id))
    }

    fn open_text(&self, link: &Link) -> String {
        let said = match link.producer {
            Producer::Beyond => "not looked at",
            _ => "NO ATTESTATION",
        };
        let sha256 = &self.lineage.input(link).digest.sha256;
        format!(
            "{}  ← {said}  data {}",
            input_text(self.lineage, link),
            short(sha256)
        )
    }
}

#[derive(Clone, Copy)]
enum Twig<'a> {
    Stage(usize, Option<&'a Link>),
    Open(&'a Link),
}

fn short(digest: &Digest) -> String {
    format!("sha256:{}…", &digest.to_string()[..12])
}
