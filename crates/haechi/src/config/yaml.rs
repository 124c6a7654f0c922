//! YAML into a small tree with places.
//!
//! Anchors, aliases, tags, merge keys, several documents and repeated keys are refused: a configuration says each thing once, where it stands.

use super::report::Fault;
use super::source::{Position, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// So deep may values nest; the deepest key stands at 6.
const MAX_DEPTH: usize = 32;

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
    let mut builder = Builder { open: Vec::new(), root: None, documents: 0, faults };
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

fn to_span(span: saphyr_parser::Span) -> Span {
    Span { start: position(span.start), end: position(span.end) }
}

fn position(marker: saphyr_parser::Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A sequence or mapping whose end has not come.
enum Open {
    Sequence { items: Vec<Node>, span: Span },
    Mapping { entries: Vec<(Key, Node)>, lines: HashMap<String, usize>, key: Option<Node>, span: Span },
}

struct Builder<'a> {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
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
                let kind = self.checked(kind, anchor, tag.is_some(), span);
                self.add(Node { kind, span });
            }
            Event::SequenceStart(anchor, tag) => {
                self.checked(Kind::Faulty, anchor, tag.is_some(), span);
                return self.begin(Open::Sequence { items: Vec::new(), span }, span);
            }
            Event::MappingStart(anchor, tag) => {
                self.checked(Kind::Faulty, anchor, tag.is_some(), span);
                let (entries, lines) = (Vec::new(), HashMap::new());
                return self.begin(Open::Mapping { entries, lines, key: None, span }, span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(_) => {
                self.faults.push(
                    Fault::new(span, "aliases are not taken").help("write the value out where it is used"),
                );
                self.add(Node { kind: Kind::Faulty, span });
            }
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

    fn checked(&mut self, kind: Kind, anchor: usize, tagged: bool, span: Span) -> Kind {
        let refused = match (anchor, tagged) {
            (0, false) => return kind,
            (0, true) => "tags (`!…`) are not taken",
            _ => "anchors (`&…`) are not taken",
        };
        self.faults.push(Fault::new(span, refused).help("write the plain value"));
        Kind::Faulty
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
        let node = match self.open.pop() {
            Some(Open::Sequence { items, span }) => Node {
                span: visible(span, end, items.first().map(|item| item.span)),
                kind: Kind::Sequence(items),
            },
            Some(Open::Mapping { entries, span, .. }) => {
                let first = entries.first().map(|(key, _)| key.span);
                Node { span: visible(span, end, first), kind: Kind::Mapping(entries) }
            }
            None => return,
        };
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, lines, key, .. }) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    if let Some(key) = readable_key(key, lines, self.faults) {
                        entries.push((key, node));
                    }
                }
            },
        }
    }
}

/// What to underline of a sequence or mapping: in block style the first of what it holds, in flow style all that stands on the first line.
fn visible(start: Span, end: Span, first: Option<Span>) -> Span {
    if start.start == start.end { first.unwrap_or(start) } else { Span { start: start.start, end: end.end } }
}

fn readable_key(node: Node, lines: &mut HashMap<String, usize>, faults: &mut Vec<Fault>) -> Option<Key> {
    let Kind::Scalar { text, plain } = node.kind else {
        if !matches!(node.kind, Kind::Faulty) {
            faults.push(Fault::new(node.span, "a key is a single word").help("write `key: value`"));
        }
        return None;
    };
    if plain && text == "<<" {
        let fault = Fault::new(node.span, "merge keys (`<<`) are not taken");
        faults.push(fault.help("write the keys out where they are used"));
        return None;
    }
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
    use super::{Kind, parse};

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
            ("a: &x 1\n", (1, 4), "anchors"),
            ("a: 1\nb: *x\n", (2, 4), "this is not YAML"),
            ("a: !!int 1\n", (1, 4), "tags"),
            ("a: {<<: {b: 1}}\n", (1, 5), "merge keys"),
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

    #[test]
    fn nesting_is_bounded() {
        assert!(faults(&"- ".repeat(1_000_000))[0].2.contains("nest deeper"));
        assert!(!faults(&"[".repeat(1_000_000)).is_empty());
    }
}
