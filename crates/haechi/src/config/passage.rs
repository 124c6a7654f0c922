//! Texts that stand in a configuration and have places of their own: where a byte of one was written.

use super::source::{Position, Source, Span};

impl Source {
    /// Where byte `offset` of `text` was written, which a scalar at `span` says. YAML has several ways to say a text: quotes with escapes, lines
    /// that are folded, blocks that are indented. Where what is written does not lead to `text`, as with placeholders, it is the scalar's own place.
    pub(super) fn place_in(&self, span: Span, text: &str, offset: usize) -> Position {
        let start = self.byte(span.start);
        let written = self.text().get(start..).unwrap_or_default();
        let mut walk = Cursor::begin(written);
        let mut read = text.char_indices().peekable();
        while let Some((index, c)) = read.next() {
            if c.is_whitespace() {
                // Folding makes other white space of it, but white space it stays.
                walk.skip_space();
                if index >= offset {
                    return self.position(start + walk.at);
                }
                while read.next_if(|(_, c)| c.is_whitespace()).is_some() {}
                walk.skip_space();
                continue;
            }
            walk.skip_space();
            let at = walk.at;
            if !walk.take(c) {
                return self.position(start);
            }
            if index + c.len_utf8() > offset {
                return self.position(start + at);
            }
        }
        self.position(start + walk.at)
    }

    /// The same for a stretch.
    pub(super) fn span_in(&self, span: Span, text: &str, offset: usize, length: usize) -> Span {
        let start = self.place_in(span, text, offset);
        let last = text.get(offset..offset + length).and_then(|part| part.char_indices().next_back());
        let end = match last {
            Some((index, _)) => self.place_in(span, text, offset + index),
            None => start,
        };
        Span { start, end: Position { column: end.column + 1, ..end } }
    }
}

/// A way through what is written, beside what it says.
struct Cursor<'a> {
    written: &'a str,
    at: usize,
    quote: Option<char>,
}

impl<'a> Cursor<'a> {
    fn begin(written: &'a str) -> Self {
        let first = written.chars().next();
        let (at, quote) = match first {
            Some(quote @ ('"' | '\'')) => (1, Some(quote)),
            // A block begins on the line after its header.
            Some('|' | '>') => (written.find('\n').map_or(written.len(), |end| end + 1), None),
            _ => (0, None),
        };
        Self { written, at, quote }
    }

    fn rest(&self) -> &'a str {
        self.written.get(self.at..).unwrap_or_default()
    }

    /// White space, and what double quotes write for it.
    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let plain = rest.len() - rest.trim_start().len();
            let escaped = ["\\n", "\\t", "\\r", "\\ ", "\\\n", "\\\r"];
            let skipped = match plain {
                0 if self.quote == Some('"') && escaped.iter().any(|escape| rest.starts_with(escape)) => 2,
                0 => return,
                some => some,
            };
            self.at += skipped;
        }
    }

    /// Takes what is written for `c`; false where something else is.
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest();
        let written = match (self.quote, rest.chars().next()) {
            (Some('\''), Some('\'')) if c == '\'' => 2,
            (Some('"'), Some('\\')) => match rest.chars().nth(1) {
                Some('x') => 4,
                Some('u') => 6,
                Some('U') => 10,
                _ => 2,
            },
            (_, Some(same)) if same == c => c.len_utf8(),
            _ => return false,
        };
        self.at += written;
        self.written.is_char_boundary(self.at)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::source::Source;
    use crate::config::yaml::{Kind, parse};
    use std::path::Path;

    /// Line and column of `needle` in the value of `when`.
    fn place(yaml: &str, needle: &str) -> (usize, usize) {
        let source = Source::new(Path::new("haechi.yaml"), yaml);
        let node = parse(yaml, &mut Vec::new()).unwrap();
        let Kind::Mapping(entries) = node.kind else { panic!("a mapping") };
        let (_, value) = entries.into_iter().find(|(key, _)| key.text == "when").unwrap();
        let Kind::Scalar { text, .. } = &value.kind else { panic!("a scalar") };
        let offset = text.find(needle).unwrap_or_else(|| panic!("{needle} in {text:?}"));
        let span = source.span_in(value.span, text, offset, needle.len());
        assert_eq!(
            (span.end.line, span.end.column.max(1)),
            (span.start.line, span.start.column + needle.chars().count()),
            "{yaml}"
        );
        (span.start.line, span.start.column)
    }

    #[test]
    fn every_way_to_write_a_text_leads_back_to_it() {
        assert_eq!(place("a: 1\nwhen: principal.x == 한글.y # z\n", "y"), (2, 25));
        assert_eq!(place("when: a\n  b\n\n   c d\n", "d"), (4, 6));
        assert_eq!(place("when:   'it''s here'\n", "here"), (1, 16));
        assert_eq!(place("{ when: \"a \\\"b\\\" c\" }", "c"), (1, 18));
        assert_eq!(place("when: \"\\u0061\\x62\\tc\\n d\"", "d"), (1, 24));
        assert_eq!(place("when: \"a \\\n   b\"", "b"), (2, 4));
        assert_eq!(place("when: |\n  a &&\n    b\n", "b"), (3, 5));
        assert_eq!(place("x:\nwhen: >-  # folded\n\n  a\n  b\n\n  c\n", "c"), (7, 3));
        assert_eq!(place("when: |2\n    \"a\" == b\n", "b"), (2, 12));
        assert_eq!(place("when: |\r\n  a\r\n  b\r\n", "b"), (3, 3));
    }

    #[test]
    fn what_stands_elsewhere_has_the_place_of_its_placeholder() {
        let yaml = "when: a == ${env:X} && b";
        let source = Source::new(Path::new("haechi.yaml"), yaml);
        let node = parse(yaml, &mut Vec::new()).unwrap();
        let Kind::Mapping(entries) = node.kind else { panic!("a mapping") };
        let place = |offset| source.place_in(entries[0].1.span, "a == 5 && b", offset).column;
        assert_eq!((place(0), place(2), place(10)), (7, 9, 7));
    }
}
