//! How documents are read: one table of fields per type gives the Rust type, the reader that
//! reports every finding at once, the writer, and the published JSON Schema.
//!
//! A [`Shape`] is a type that can be read from [`Json`] with findings, written back, and
//! described. [`document!`](crate::document) makes one from a table of fields.

use std::fmt;

use crate::json::{Json, Object, segment};
use crate::limits::Limits;
use crate::report::{Check, Level, Outcome};

/// A type that documents are made of.
pub trait Shape: Sized {
    /// What the reader needs here, to be read after "needed".
    const NEEDED: &'static str;

    /// Reads `value`, adding a finding for everything that is wrong with it.
    ///
    /// `None` means a finding of outcome `Fail` was added and no value can be made.
    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self>;

    /// The value as it is written.
    fn write(&self) -> Json;

    /// JSON Schema 2020-12 of the accepted values.
    fn schema() -> Json;

    /// Reports that the field is absent although it is needed or recommended.
    fn absent(at: &At<'_>, need: Need, findings: &mut Findings) {
        findings.missing(at, need, Self::NEEDED);
    }
}

/// How the absence of a field is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A failure at every level.
    Required,
    /// A failure at every level, and from L2 on one of this requirement.
    RequiredBy(&'static str),
    /// A warning.
    Recommended,
    /// Nothing.
    Optional,
    /// A warning at L1 and a failure of this requirement from L2 on.
    FromL2(&'static str),
}

/// A place in a document.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    /// The document itself.
    Top,
    /// A member of an object.
    Field(&'a At<'a>, &'a str),
    /// An item of an array.
    Item(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The member `key` of the object here.
    pub fn field(&'a self, key: &'a str) -> At<'a> {
        At::Field(self, key)
    }

    /// The item `index` of the array here.
    pub fn item(&'a self, index: usize) -> At<'a> {
        At::Item(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Top => Ok(()),
            At::Item(parent, index) => write!(f, "{parent}[{index}]"),
            At::Field(parent, key) => {
                let key = segment(key);
                let dot = match parent {
                    At::Top => "",
                    _ if key.starts_with('[') => "",
                    _ => ".",
                };
                write!(f, "{parent}{dot}{key}")
            }
        }
    }
}

/// The requirements that findings are filed under while one part of a document is read.
#[derive(Debug, Clone, Copy)]
pub struct Requirements {
    /// For a required field that is missing or empty.
    pub complete: &'static str,
    /// For a value of the wrong form.
    pub form: &'static str,
    /// For a recommended field that is missing.
    pub recommended: &'static str,
}

/// Everything found in one document.
#[derive(Debug)]
pub struct Findings {
    checks: Vec<Check>,
    level: Level,
    requirements: Requirements,
    dropped: usize,
}

impl Findings {
    /// None yet, for a document that is judged by the rules of `level`.
    pub fn at_level(level: Level) -> Self {
        Self {
            checks: Vec::new(),
            level,
            requirements: Requirements {
                complete: "V2",
                form: "V2",
                recommended: "P4",
            },
            dropped: 0,
        }
    }

    /// Files what follows under other requirements, until the next call.
    pub fn file_under(&mut self, requirements: Requirements) {
        self.requirements = requirements;
    }

    /// Adds a finding of the wrong form.
    pub fn wrong(&mut self, at: &At<'_>, found: &Json, needed: &str) {
        let id = match found {
            Json::Null => self.requirements.complete,
            _ => self.requirements.form,
        };
        let found = excerpt(found);
        let message = format!("is {found}, needed {needed}");
        let check = Check::new(id, Outcome::Fail, &at.to_string(), message);
        self.add(check.compared(found, needed));
    }

    /// Adds a finding that a value is there but empty.
    pub fn empty(&mut self, at: &At<'_>, found: &Json, needed: &str) {
        let id = self.requirements.complete;
        let message = format!("is empty, needed {needed}");
        let check = Check::new(id, Outcome::Fail, &at.to_string(), message);
        self.add(check.compared(excerpt(found), needed));
    }

    /// Adds a finding about how values stand to each other.
    pub fn contradiction(&mut self, at: &At<'_>, message: impl Into<String>) {
        let id = self.requirements.form;
        self.add(Check::new(id, Outcome::Fail, &at.to_string(), message));
    }

    /// Adds a warning.
    pub fn warn(&mut self, at: &At<'_>, message: impl Into<String>) {
        let id = self.requirements.form;
        self.add(Check::new(id, Outcome::Warn, &at.to_string(), message));
    }

    /// Adds a finding that a field is not there.
    pub fn missing(&mut self, at: &At<'_>, need: Need, needed: &str) {
        let (id, outcome) = match need {
            Need::RequiredBy(id) if self.level >= Level::L2 => (id, Outcome::Fail),
            Need::Required | Need::RequiredBy(_) => (self.requirements.complete, Outcome::Fail),
            Need::Recommended => (self.requirements.recommended, Outcome::Warn),
            Need::FromL2(id) if self.level >= Level::L2 => (id, Outcome::Fail),
            Need::FromL2(id) => (id, Outcome::Warn),
            Need::Optional => return,
        };
        let message = match outcome {
            Outcome::Fail => format!("is missing, needed {needed}"),
            _ => format!("is missing; recommended: {needed}"),
        };
        self.add(Check::new(id, outcome, &at.to_string(), message).compared("nothing", needed));
    }

    /// Whether a finding fails the document.
    pub fn failed(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.outcome == Outcome::Fail)
    }

    /// All findings, in the order of reading.
    pub fn into_checks(mut self) -> Vec<Check> {
        if self.dropped > 0 {
            let message = format!("{} more findings are not listed", self.dropped);
            let id = self.requirements.form;
            self.checks.push(Check::new(id, Outcome::Fail, "", message));
        }
        self.checks
    }

    fn add(&mut self, check: Check) {
        let full = self.checks.len() >= Limits::DEFAULT.findings;
        // A failure is never crowded out by warnings.
        if full && (check.outcome != Outcome::Fail || self.failed()) {
            self.dropped += usize::from(check.outcome == Outcome::Fail);
            return;
        }
        self.checks.push(check);
    }
}

/// The value in a few words, for a message.
pub(crate) fn excerpt(value: &Json) -> String {
    const LONGEST: usize = 80;
    match value {
        Json::Array(items) if items.is_empty() => "an empty array".to_owned(),
        Json::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Json::Array(_) | Json::Object(_) | Json::Null => value.kind().to_owned(),
        _ => {
            let text = value.to_string();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

impl<T: Shape> Shape for Vec<T> {
    const NEEDED: &'static str = "an array";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        let Json::Array(items) = value else {
            findings.wrong(at, &value, Self::NEEDED);
            return None;
        };
        let read: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| T::read(item, &at.item(index), findings))
            .collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Json {
        self.iter().map(T::write).collect()
    }

    fn schema() -> Json {
        [("type", "array".into()), ("items", T::schema())].into()
    }
}

/// An array with at least one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonEmpty<T>(Vec<T>);

impl<T> NonEmpty<T> {
    /// The items.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Shape> Shape for NonEmpty<T> {
    const NEEDED: &'static str = "an array with at least one item";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        if value.as_array().is_some_and(<[Json]>::is_empty) {
            findings.empty(at, &value, Self::NEEDED);
            return None;
        }
        Vec::read(value, at, findings).map(Self)
    }

    fn write(&self) -> Json {
        self.0.write()
    }

    fn schema() -> Json {
        let mut schema = Vec::<T>::schema();
        if let Json::Object(members) = &mut schema {
            members.insert("minItems".to_owned(), 1.into());
        }
        schema
    }
}

impl Shape for bool {
    const NEEDED: &'static str = "true or false";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match value {
            Json::Bool(value) => Some(value),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        (*self).into()
    }

    fn schema() -> Json {
        [("type", "boolean".into())].into()
    }
}

/// Any object, kept as it is.
impl Shape for Object {
    const NEEDED: &'static str = "an object";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match value {
            Json::Object(members) => Some(members),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        Json::Object(self.clone())
    }

    fn schema() -> Json {
        [("type", "object".into())].into()
    }
}

/// One row of a [`document!`](crate::document) table, as the schema shows it.
#[derive(Debug)]
pub struct Field {
    /// Key in the document.
    pub key: &'static str,
    /// What it is, from the field's doc comment.
    pub doc: &'static str,
    /// How its absence is judged.
    pub need: Need,
    /// Schema of its value.
    pub schema: fn() -> Json,
}

/// JSON Schema of an object with these fields; unknown ones are accepted.
pub fn object_schema(doc: &str, fields: &[Field]) -> Object {
    let properties = fields.iter().map(|field| {
        let mut schema = (field.schema)();
        if let Json::Object(members) = &mut schema {
            let note = match field.need {
                Need::Recommended => " Recommended.",
                Need::FromL2(_) => " Recommended; required from L2 on.",
                Need::Required | Need::RequiredBy(_) | Need::Optional => "",
            };
            members.insert(
                "description".to_owned(),
                format!("{}{note}", field.doc.trim()).into(),
            );
        }
        (field.key.to_owned(), schema)
    });
    let required = fields
        .iter()
        .filter(|field| matches!(field.need, Need::Required | Need::RequiredBy(_)))
        .map(|field| field.key.into());
    [
        ("type", "object".into()),
        ("description", doc.trim().into()),
        ("properties", Json::Object(properties.collect())),
        ("required", required.collect()),
    ]
    .into_iter()
    .collect()
}

/// Makes a [`Shape`] from a table of fields.
///
/// Each row is `need name: Type = "key"` with a doc comment; `need` is `required`,
/// `required("requirement")`, `recommended`, `optional` or `from_l2("requirement")`. Members that no row names are kept in
/// `extra` and written back. `=> check` names a function that is called with the value that was
/// read, for rules between fields; `, schema refine` one that tells the schema of them.
#[macro_export]
macro_rules! document {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $need:ident $(($rule:literal))? $field:ident : $type:ty = $key:literal, )*
        }
        $(=> $check:path)?
        $(, schema $refine:path)?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $crate::document!(@type $need $type), )*
            /// Members that this version does not know.
            pub extra: $crate::json::Object,
        }

        impl $crate::shape::Shape for $name {
            const NEEDED: &'static str = "an object";

            fn read(
                value: $crate::json::Json,
                at: &$crate::shape::At<'_>,
                findings: &mut $crate::shape::Findings,
            ) -> Option<Self> {
                let mut extra = <$crate::json::Object as $crate::shape::Shape>::read(value, at, findings)?;
                $(
                    let $field = match extra.remove($key) {
                        Some(value) => {
                            <$type as $crate::shape::Shape>::read(value, &at.field($key), findings)
                        }
                        None => {
                            let need = $crate::document!(@need $need $($rule)?);
                            <$type as $crate::shape::Shape>::absent(&at.field($key), need, findings);
                            None
                        }
                    };
                )*
                let document = Self { $( $field: $crate::document!(@take $need $field), )* extra };
                $( $check(&document, at, findings); )?
                Some(document)
            }

            fn write(&self) -> $crate::json::Json {
                let mut members = self.extra.clone();
                $( $crate::document!(@write $need members, self.$field, $key); )*
                $crate::json::Json::Object(members)
            }

            fn schema() -> $crate::json::Json {
                let fields = [ $( $crate::shape::Field {
                    key: $key,
                    doc: concat!($($doc),+),
                    need: $crate::document!(@need $need $($rule)?),
                    schema: <$type as $crate::shape::Shape>::schema,
                }, )* ];
                #[allow(unused_mut, reason = "only refined schemas change")]
                let mut schema = $crate::shape::object_schema(concat!($($about),+), &fields);
                $( $refine(&mut schema); )?
                $crate::json::Json::Object(schema)
            }

            fn absent(
                at: &$crate::shape::At<'_>,
                need: $crate::shape::Need,
                findings: &mut $crate::shape::Findings,
            ) {
                use $crate::shape::Need;
                if matches!(need, Need::Required | Need::RequiredBy(_)) {
                    findings.missing(at, need, Self::NEEDED);
                    return;
                }
                // What an absent object would have held is what a reader misses.
                let rows: &[(Need, fn(&$crate::shape::At<'_>, Need, &mut $crate::shape::Findings), &str)] = &[
                    $( ($crate::document!(@need $need $($rule)?), <$type as $crate::shape::Shape>::absent, $key), )*
                ];
                for (inner, absent, key) in rows {
                    match (need, inner) {
                        (_, Need::FromL2(_)) => absent(&at.field(key), *inner, findings),
                        (Need::Recommended, Need::Required | Need::RequiredBy(_) | Need::Recommended) => absent(&at.field(key), need, findings),
                        (Need::FromL2(_), Need::Required | Need::RequiredBy(_)) => absent(&at.field(key), need, findings),
                        _ => {}
                    }
                }
            }
        }
    };
    (@type required $type:ty) => { $type };
    (@type $need:ident $type:ty) => { Option<$type> };
    (@need required) => { $crate::shape::Need::Required };
    (@need required $rule:literal) => { $crate::shape::Need::RequiredBy($rule) };
    (@need recommended) => { $crate::shape::Need::Recommended };
    (@need optional) => { $crate::shape::Need::Optional };
    (@need from_l2 $rule:literal) => { $crate::shape::Need::FromL2($rule) };
    (@take required $field:ident) => { $field? };
    (@take $need:ident $field:ident) => { $field };
    (@write required $members:ident, $value:expr, $key:literal) => {
        $members.insert($key.to_owned(), $crate::shape::Shape::write(&$value));
    };
    (@write $need:ident $members:ident, $value:expr, $key:literal) => {
        if let Some(value) = &$value {
            $members.insert($key.to_owned(), $crate::shape::Shape::write(value));
        }
    };
}
