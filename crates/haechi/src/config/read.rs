//! From the tree to typed values, with every fault noted on the way.

use super::placeholder::Surroundings;
use super::report::Fault;
use super::source::{At, Source, Span};
use super::yaml::{Key, Kind, Node};
use serde_json::{Map, Value as Json, json};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// Something that can be written in a configuration: how it is read, and how the JSON Schema describes it. One description for both.
pub(crate) trait Value: Sized {
    /// `None` when it is not one, which has then been noted.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
    /// The JSON Schema of what [`Value::read`] takes.
    fn schema(defs: &mut Defs) -> Json;
    /// How a default of this type is written.
    fn shown(&self) -> Json {
        Json::Null
    }
}

/// Something that a configuration may name and that is defined elsewhere, such as a type of authenticator. Whoever reads it knows what it is.
pub(crate) trait Definition: Any + Debug + Sync {}

/// Everything of the sort that a configuration may name.
pub(crate) type Definitions = &'static [&'static dyn Definition];

/// What a schema refers to by name.
pub(crate) struct Defs {
    pub(crate) definitions: Definitions,
    known: BTreeMap<&'static str, Json>,
}

impl Defs {
    /// Nothing yet, for a configuration that may name these definitions.
    pub(crate) const fn new(definitions: Definitions) -> Self {
        Self { definitions, known: BTreeMap::new() }
    }

    /// A reference to the definition `name`, which `describe` gives on first use.
    pub(crate) fn refer(&mut self, name: &'static str, describe: impl FnOnce(&mut Self) -> Json) -> Json {
        if !self.known.contains_key(name) {
            self.known.insert(name, Json::Null);
            let described = describe(self);
            self.known.insert(name, described);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// What was described under this name.
    pub(super) fn known(&self, name: &str) -> Option<&Json> {
        self.known.get(name)
    }

    pub(crate) fn into_json(self) -> Json {
        Json::Object(self.known.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect())
    }
}

/// Text that matches `pattern`, or a placeholder for such text.
pub(crate) fn text_schema(defs: &mut Defs, name: &'static str, description: &str, pattern: &str) -> Json {
    let placeholder = placeholder_schema(defs);
    let text = json!({ "type": "string", "pattern": pattern });
    defs.refer(name, |_| json!({ "description": description, "anyOf": [text, placeholder] }))
}

pub(crate) fn placeholder_schema(defs: &mut Defs) -> Json {
    defs.refer("placeholder", |_| {
        json!({
            "description": "A value that stands elsewhere: `${env:NAME}` or `${file:PATH}`.",
            "type": "string",
            "pattern": r"\$\{(env|file):[^}]+\}",
        })
    })
}

/// A key that may be left out. Left out and written wrongly are told apart, so that one fault is not reported as two.
#[derive(Clone, Debug)]
pub(crate) enum Maybe<T> {
    Absent,
    Faulty,
    Given(T),
}

impl<T> Maybe<T> {
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(crate) const fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            _ => None,
        }
    }

    /// What `meaning` makes of what is given; `None` when either is faulty.
    pub(super) fn resolve<U>(&self, meaning: impl FnOnce(&T) -> Option<U>) -> Option<Option<U>> {
        match self {
            Self::Absent => Some(None),
            Self::Faulty => None,
            Self::Given(value) => meaning(value).map(Some),
        }
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) definitions: Definitions,
    pub(crate) source: &'a mut Source,
    pub(crate) faults: Vec<Fault>,
    pub(crate) surroundings: &'a Surroundings<'a>,
}

impl Reader<'_> {
    /// Notes a fault. `None`, so that it can stand for the value that is not there.
    pub(crate) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// The folder to which paths are relative that stand at a place: that of the file which they are written in.
    pub(crate) fn folder(&self, at: Span) -> &Path {
        match self.source.place_of(at.start).0 {
            file if file == self.source.file() => self.surroundings.folder,
            included => included.parent().unwrap_or(self.surroundings.folder),
        }
    }

    /// The path of a file that is read as well; see [`Surroundings::watched`].
    pub(crate) fn watched(&self, at: Span, relative: &str) -> PathBuf {
        self.surroundings.watched(self.folder(at), relative)
    }

    /// What a node says as it is written, for messages.
    pub(crate) fn written(&self, span: Span) -> String {
        self.source.written(span)
    }

    pub(crate) fn expected<T>(&mut self, what: &str, node: &Node) -> Option<T> {
        if matches!(node.kind, Kind::Faulty) {
            return None;
        }
        self.fault(Fault::new(node.span, format!("expected {what}, found {}", node.kind_name())))
    }

    /// A single value with its placeholders put in.
    pub(crate) fn scalar(&mut self, what: &str, node: &Node) -> Option<String> {
        let Kind::Scalar { text, .. } = &node.kind else { return self.expected(what, node) };
        if node.is_null() {
            return self.expected(what, node);
        }
        match self.surroundings.expand(self.folder(node.span), text) {
            Ok(text) => Some(text),
            Err(why) => self.fault(Fault::new(node.span, why)),
        }
    }

    /// Text: a number or boolean without quotes is not taken for it, because YAML readers differ about what it says.
    pub(crate) fn text(&mut self, what: &str, node: &Node) -> Option<String> {
        if let Kind::Scalar { text, plain: true } = &node.kind
            && !node.is_null()
            && is_number_or_bool(text)
        {
            let fault = Fault::new(node.span, format!("expected {what}, found the bare value `{text}`"));
            return self.fault(fault.help(format!("quote it: `\"{text}\"`")));
        }
        self.scalar(what, node)
    }

    /// A single value read by `parse`, whose error says what would be right.
    pub(crate) fn parsed<T>(
        &mut self,
        what: &str,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.scalar(what, node)?;
        let stands_elsewhere = !matches!(&node.kind, Kind::Scalar { text: written, .. } if *written == text);
        match parse(&text) {
            Ok(value) => Some(value),
            Err(help) => {
                let help =
                    if stands_elsewhere { "look at the value that it stands for".into() } else { help };
                let message = format!("`{}` is not {what}", self.written(node.span));
                self.fault(Fault::new(node.span, message).help(help))
            }
        }
    }

    /// The entries of a mapping.
    pub(crate) fn mapping<'n>(&mut self, what: &str, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        match &node.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => self.expected(what, node),
        }
    }

    /// The entries of a mapping whose keys are known; notes the keys that are not.
    pub(crate) fn fields<'n>(
        &mut self,
        what: &'static str,
        node: &'n Node,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let entries = self.mapping(what, node)?;
        for (key, _) in entries {
            if !known.contains(&&*key.text) {
                let message = format!("`{}` is not a key of {what}", self.written(key.span));
                self.faults.push(Fault::new(key.span, message).suggest(&key.text, known.iter().copied()));
            }
        }
        Some(Fields { what, entries, span: node.span })
    }

    /// Notes something that is planned, and not in this version.
    pub(crate) fn unbuilt(&mut self, span: Span, what: &str) {
        let fault = Fault::new(span, format!("{what} is not built in this version"));
        self.faults.push(fault.help("remove it"));
    }
}

/// The entries of a record.
pub(crate) struct Fields<'n> {
    what: &'static str,
    entries: &'n [(Key, Node)],
    span: Span,
}

impl Fields<'_> {
    pub(crate) fn required<T: Value>(&self, reader: &mut Reader<'_>, key: &str, doc: &str) -> Option<T> {
        match self.node(key) {
            Some(node) => T::read(node, reader),
            None => {
                let message = format!("{} needs `{key}`", self.what);
                reader.fault(Fault::new(self.span, message).help(format!("add `{key}`: {doc}")))
            }
        }
    }

    pub(crate) fn optional<T: Value>(&self, reader: &mut Reader<'_>, key: &str, _: &str) -> Maybe<T> {
        match self.node(key) {
            None => Maybe::Absent,
            Some(node) => T::read(node, reader).map_or(Maybe::Faulty, Maybe::Given),
        }
    }

    pub(crate) fn default<T: Value>(&self, reader: &mut Reader<'_>, key: &str, default: T) -> T {
        self.node(key).and_then(|node| T::read(node, reader)).unwrap_or(default)
    }

    /// A record that may be left out, and then is one without keys.
    pub(crate) fn section<T: Value>(&self, reader: &mut Reader<'_>, key: &str) -> Option<T> {
        let empty = Node { kind: Kind::Mapping(Vec::new()), span: self.span };
        self.node(key).and_then(|node| T::read(node, reader)).or_else(|| T::read(&empty, reader))
    }

    fn node(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }
}

/// Whether YAML 1.2's core schema reads this as something other than text.
fn is_number_or_bool(text: &str) -> bool {
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE" | "Null" | "NULL")
        || (number.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok())
        || number.strip_prefix("0x").is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok())
        || number.strip_prefix("0o").is_some_and(|octal| u64::from_str_radix(octal, 8).is_ok())
}

impl<T: Value> Value for At<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(|value| Self { value, span: node.span })
    }

    fn schema(defs: &mut Defs) -> Json {
        T::schema(defs)
    }

    fn shown(&self) -> Json {
        self.value.shown()
    }
}

/// A list. What cannot be read is noted and left out, so that the rest is still looked at; an empty list is one that was written so.
impl<T: Value> Value for Vec<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Sequence(items) = &node.kind else { return reader.expected("a list", node) };
        let read: Self = items.iter().filter_map(|item| T::read(item, reader)).collect();
        (!read.is_empty() || items.is_empty()).then_some(read)
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "type": "array", "items": T::schema(defs) })
    }

    fn shown(&self) -> Json {
        self.iter().map(Value::shown).collect()
    }
}

/// A mapping from names to values of one kind. A name stays even where its value cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Named<N, T>(pub(crate) Vec<(At<N>, Option<T>)>);

impl<N: Name, T: Value> Value for Named<N, T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.mapping("a mapping from names", node)?;
        let mut named = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let value = T::read(node, reader);
            match N::parse(&key.text) {
                Ok(name) => named.push((At { value: name, span: key.span }, value)),
                Err(why) => {
                    let message = format!("`{}` is not {}", reader.written(key.span), N::WHAT);
                    reader.faults.push(Fault::new(key.span, message).help(why));
                }
            }
        }
        Some(Self(named))
    }

    fn schema(defs: &mut Defs) -> Json {
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("propertyNames".into(), json!({ "pattern": N::PATTERN }));
        schema.insert("additionalProperties".into(), T::schema(defs));
        Json::Object(schema)
    }
}

/// A kind of name.
pub(crate) trait Name: Sized {
    /// With its article.
    const WHAT: &'static str;
    /// What it must look like, as JSON Schema writes it.
    const PATTERN: &'static str;
    /// Reads one; the error says what would be right.
    fn parse(text: &str) -> Result<Self, String>;
}
