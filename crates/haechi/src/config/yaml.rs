//! YAML into a small tree with places.
//!
//! Tags, several documents and repeated keys are refused. An alias stands for the value of its anchor, a merge key (`<<`) for the keys of a mapping
//! that are not written beside it; what both add is bounded, and keeps the places where it was written.

use super::report::Fault;
use super::source::{Position, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// So deep may values nest; the deepest key stands at 6.
const MAX_DEPTH: usize = 32;

/// So many values may aliases add, and so many bytes of text.
const MAX_ALIASED: usize = 50_000;
const MAX_ALIASED_BYTES: usize = 4 * 1024 * 1024;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text as YAML reads it; `plain` where it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// In the order written, without repeats.
    Mapping(Vec<(Key, Node)>),
    /// Something that was reported already.
    Faulty,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    pub(crate) const fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain: true } => matches!(text.as_bytes(), b"" | b"~" | b"null"),
            _ => false,
        }
    }

    fn size(&self) -> Size {
        let mut size = Size { values: 1, bytes: 0, depth: 0 };
        let mut add = |node: &Self| {
            let inner = node.size();
            size.values += inner.values;
            size.bytes += inner.bytes;
            size.depth = size.depth.max(inner.depth + 1);
        };
        match &self.kind {
            Kind::Scalar { text, .. } => size.bytes = text.len(),
            Kind::Sequence(items) => items.iter().for_each(add),
            Kind::Mapping(entries) => {
                entries.iter().for_each(|(_, node)| add(node));
                size.bytes += entries.iter().map(|(key, _)| key.text.len()).sum::<usize>();
            }
            Kind::Faulty => {}
        }
        size
    }

    pub(crate) const fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Faulty => "something unreadable",
        }
    }
}

/// Reads one document. `None` where there is none, or where it cannot be read at all.
pub(crate) fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Node> {
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        documents: 0,
        anchored: HashMap::new(),
        aliased: Size::default(),
        faults,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, to_span(span))?,
            Err(error) => {
                let at = position(*error.marker());
                let message = format!("this is not YAML: {}", error.info());
                let help =
                    "quote text that holds `{`, `[`, `: ` or ` #`; check indentation and closing brackets";
                builder.faults.push(Fault::new(Span { start: at, end: at }, message).help(help));
                return None;
            }
        }
    }
    builder.root
}

/// Moves the places of a value that was read from a text which begins on the line `first` of another.
pub(crate) fn move_below(node: &mut Node, first: usize) {
    node.span = node.span.below(first);
    match &mut node.kind {
        Kind::Sequence(items) => items.iter_mut().for_each(|item| move_below(item, first)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                key.span = key.span.below(first);
                move_below(value, first);
            }
        }
        Kind::Scalar { .. } | Kind::Faulty => {}
    }
}

fn to_span(span: saphyr_parser::Span) -> Span {
    Span { start: position(span.start), end: position(span.end) }
}

fn position(marker: saphyr_parser::Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A sequence or mapping whose end has not come. An anchor of 0 is none.
struct Open {
    what: OpenKind,
    anchor: usize,
    span: Span,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Key, Node)>, lines: HashMap<String, usize>, key: Option<Node>, merged: Vec<Node> },
}

/// How much a value weighs.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
    depth: usize,
}

struct Builder<'a> {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// By anchor: the values that aliases stand for.
    anchored: HashMap<usize, Node>,
    /// What aliases have added.
    aliased: Size,
    faults: &'a mut Vec<Fault>,
}

impl Builder<'_> {
    /// `None` ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(_) => return self.begin_document(span),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let kind = Kind::Scalar { text: text.into_owned(), plain };
                let kind = self.untagged(kind, tag.is_some(), span);
                self.finished(Node { kind, span }, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.untagged(Kind::Faulty, tag.is_some(), span);
                return self.begin(Open { what: OpenKind::Sequence(Vec::new()), anchor, span }, span);
            }
            Event::MappingStart(anchor, tag) => {
                self.untagged(Kind::Faulty, tag.is_some(), span);
                let (entries, lines, merged) = (Vec::new(), HashMap::new(), Vec::new());
                let what = OpenKind::Mapping { entries, lines, key: None, merged };
                return self.begin(Open { what, anchor, span }, span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    fn begin_document(&mut self, span: Span) -> Option<()> {
        self.documents += 1;
        if self.documents > 1 {
            self.faults
                .push(Fault::new(span, "a configuration is one YAML document").help("remove this `---`"));
            return None;
        }
        Some(())
    }

    fn untagged(&mut self, kind: Kind, tagged: bool, span: Span) -> Kind {
        if !tagged {
            return kind;
        }
        self.faults.push(Fault::new(span, "tags (`!…`) are not taken").help("write the plain value"));
        Kind::Faulty
    }

    /// The value of the anchor once more. `None` ends the reading.
    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some(node) = self.anchored.get(&anchor).cloned() else {
            // The parser knows the anchor, so it belongs to a value whose end has not come.
            self.faults.push(Fault::new(span, "the alias stands inside the value of its own anchor"));
            self.add(Node { kind: Kind::Faulty, span });
            return Some(());
        };
        let size = node.size();
        self.aliased.values = self.aliased.values.saturating_add(size.values);
        self.aliased.bytes = self.aliased.bytes.saturating_add(size.bytes);
        let message = if self.open.len().saturating_add(size.depth) > MAX_DEPTH {
            format!("values nest deeper than {MAX_DEPTH} levels")
        } else if self.aliased.values > MAX_ALIASED || self.aliased.bytes > MAX_ALIASED_BYTES {
            format!("aliases stand for more than {MAX_ALIASED} values, or {MAX_ALIASED_BYTES} bytes")
        } else {
            self.add(node);
            return Some(());
        };
        self.faults.push(Fault::new(span, message));
        None
    }

    fn begin(&mut self, open: Open, span: Span) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            self.faults.push(Fault::new(span, format!("values nest deeper than {MAX_DEPTH} levels")));
            return None;
        }
        self.open.push(open);
        Some(())
    }

    fn end(&mut self, end: Span) {
        let Some(Open { what, anchor, span }) = self.open.pop() else { return };
        let node = match what {
            OpenKind::Sequence(items) => Node {
                span: visible(span, end, items.first().map(|item| item.span)),
                kind: Kind::Sequence(items),
            },
            OpenKind::Mapping { mut entries, merged, .. } => {
                let first = entries.first().map(|(key, _)| key.span);
                merged.iter().for_each(|from| merge(from, &mut entries, self.faults));
                Node { span: visible(span, end, first), kind: Kind::Mapping(entries) }
            }
        };
        self.finished(node, anchor);
    }

    fn finished(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchored.insert(anchor, node.clone());
        }
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.what) {
            None => self.root = Some(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { entries, lines, key, merged }) => match key.take() {
                None => *key = Some(node),
                Some(key) if is_merge_key(&key) => merged.push(node),
                Some(key) => {
                    if let Some(key) = readable_key(key, lines, self.faults) {
                        entries.push((key, node));
                    }
                }
            },
        }
    }
}

fn is_merge_key(key: &Node) -> bool {
    matches!(&key.kind, Kind::Scalar { text, plain: true } if text == "<<")
}

/// Adds the keys of a mapping, or of each of a list of them, that are not there yet.
fn merge(from: &Node, entries: &mut Vec<(Key, Node)>, faults: &mut Vec<Fault>) {
    let mut add = |node: &Node| match &node.kind {
        Kind::Mapping(more) => {
            for (key, value) in more {
                if !entries.iter().any(|(known, _)| known.text == key.text) {
                    entries.push((key.clone(), value.clone()));
                }
            }
        }
        Kind::Faulty => {}
        _ => faults.push(
            Fault::new(node.span, format!("`<<` takes a mapping, and this is {}", node.kind_name()))
                .help("write `<<: *name`, or `<<: [*one, *other]`"),
        ),
    };
    match &from.kind {
        Kind::Sequence(items) => items.iter().for_each(add),
        _ => add(from),
    }
}

/// What to underline of a sequence or mapping: in block style the first of what it holds, in flow style all that stands on the first line.
fn visible(start: Span, end: Span, first: Option<Span>) -> Span {
    if start.start == start.end { first.unwrap_or(start) } else { Span { start: start.start, end: end.end } }
}

fn readable_key(node: Node, lines: &mut HashMap<String, usize>, faults: &mut Vec<Fault>) -> Option<Key> {
    let Kind::Scalar { text, .. } = node.kind else {
        if !matches!(node.kind, Kind::Faulty) {
            faults.push(Fault::new(node.span, "a key is a single word").help("write `key: value`"));
        }
        return None;
    };
    if let Some(line) = lines.get(&text) {
        let shown: String = text.chars().take(80).filter(|c| !c.is_control()).collect();
        let fault = Fault::new(node.span, format!("`{shown}` stands twice"));
        faults.push(fault.help(format!("the first is on line {line}; keep one of them")));
        return None;
    }
    lines.insert(text.clone(), node.span.start.line);
    Some(Key { text, span: node.span })
}

#[cfg(test)]
mod tests {
    use super::{Kind, Node, parse};

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        let mut faults = Vec::new();
        parse(text, &mut faults);
        faults
            .iter()
            .map(|f| {
                f.span
                    .map_or((0, 0, f.message.clone()), |s| (s.start.line, s.start.column, f.message.clone()))
            })
            .collect()
    }

    #[test]
    fn places_are_kept() {
        let node = parse("a:\n  - b: 한글\n    c: [1, 'x y']\n", &mut Vec::new()).unwrap();
        let Kind::Mapping(entries) = node.kind else { panic!("a mapping") };
        let Kind::Sequence(items) = &entries[0].1.kind else { panic!("a sequence") };
        let Kind::Mapping(entries) = &items[0].kind else { panic!("a mapping") };
        let (b, c) = (&entries[0], &entries[1]);
        assert_eq!((b.0.span.start.line, b.0.span.start.column), (2, 5));
        assert_eq!((b.1.span.start.column, b.1.span.end.column), (8, 10));
        assert_eq!((c.1.span.start.column, c.1.span.end.column), (8, 18));
    }

    #[test]
    fn what_is_not_plain_data_is_refused_at_its_place() {
        let refused = [
            ("a: 1\nb: *x\n", (2, 4), "this is not YAML"),
            ("a: &x [*x]\n", (1, 8), "its own anchor"),
            ("a: &x !t 1\nb: 1\n", (1, 4), "tags"),
            ("a: !!int 1\n", (1, 4), "tags"),
            ("a: {<<: 1}\n", (1, 9), "takes a mapping"),
            ("a: 1\nb: 2\na: 3\n", (3, 1), "`a` stands twice"),
            ("a: 1\n---\nb: 1\n", (2, 1), "one YAML document"),
            ("[a]: 1\n", (1, 1), "a key is"),
            ("a: [\n", (2, 1), "this is not YAML"),
        ];
        for (text, (line, column), part) in refused {
            let found = faults(text);
            assert!(
                matches!(&*found, [(l, c, message)] if (*l, *c) == (line, column) && message.contains(part)),
                "{text:?}: {found:?}"
            );
        }
    }

    fn shown(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { text, .. } => text.clone(),
            Kind::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            Kind::Mapping(entries) => {
                let all = entries.iter().map(|(key, node)| format!("{}:{}", key.text, shown(node)));
                format!("{{{}}}", all.collect::<Vec<_>>().join(","))
            }
            Kind::Faulty => "?".into(),
        }
    }

    #[test]
    fn an_alias_is_the_value_of_its_anchor_and_a_merge_key_adds_what_is_not_there() {
        for (text, expected) in [
            ("a: &x 1\nb: *x\n", "{a:1,b:1}"),
            ("a: &x {p: [1, 2]}\nb: *x\nc: [*x, *x]\n", "{a:{p:[1,2]},b:{p:[1,2]},c:[{p:[1,2]},{p:[1,2]}]}"),
            ("a: &x [1]\nb: &x [2]\nc: *x\n", "{a:[1],b:[2],c:[2]}"),
            ("a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}\n", "{a:{p:1,q:2},b:{q:3,p:1}}"),
            ("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n", "{a:{p:1},b:{p:2,q:2},c:{p:1,q:2}}"),
            ("a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}\n", "{a:{p:1},b:{q:2,p:1},c:{q:2,p:1}}"),
            ("a: {\"<<\": 1}\n", "{a:{<<:1}}"),
        ] {
            let mut faults = Vec::new();
            let node = parse(text, &mut faults).unwrap();
            assert_eq!((shown(&node).as_str(), faults.len()), (expected, 0), "{text:?}");
        }
        let node = parse("a: &x 1\nb: *x\n", &mut Vec::new()).unwrap();
        let Kind::Mapping(entries) = node.kind else { panic!("a mapping") };
        assert_eq!(entries[1].1.span.start.line, 1, "a fault in it is told where it was written");
    }

    #[test]
    fn what_aliases_add_is_bounded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let of = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![of; 10].join(", "));
        }
        assert!(faults(&text)[0].2.contains("aliases stand for more than"));
        let long = "x".repeat(64 * 1024);
        let many = vec!["*x"; 100].join(", ");
        assert!(faults(&format!("a: &x {long}\nb: [{many}]\n"))[0].2.contains("aliases stand for more than"));
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..40 {
            text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(faults(&text)[0].2.contains("nest deeper"));
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(faults(&"- ".repeat(1_000_000))[0].2.contains("nest deeper"));
        assert!(!faults(&"[".repeat(1_000_000)).is_empty());
    }
}
