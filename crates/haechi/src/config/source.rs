//! A configuration file's text, and places in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stretch of the file. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Counts from 1.
    pub line: usize,
    /// Counts from 1, in characters.
    pub column: usize,
}

impl Span {
    /// The same, where the text begins on the line `first` of another.
    #[must_use]
    pub(crate) fn below(self, first: usize) -> Self {
        let below = |at: Position| Position { line: at.line + first - 1, ..at };
        Self { start: below(self.start), end: below(self.end) }
    }
}

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Longer lines are not shown.
const MAX_LINE: usize = 4096;

/// The file and its text, with the files that it includes below it: one text with one count of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    file: PathBuf,
    text: Arc<str>,
    /// The included files, with the line on which each begins, in order.
    included: Vec<(usize, PathBuf)>,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// Where secrets are written in clear, so that no snippet shows them.
    secrets: Vec<Span>,
    /// Whether secrets may stand in it at all.
    may_hold_secrets: bool,
}

impl Source {
    pub(crate) fn new(file: &Path, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        // As YAML counts (1.2, 5.4): a CR alone ends a line too. Another count would star other lines than those with secrets.
        let next = text.bytes().skip(1).chain([0]);
        let ends = text.bytes().zip(next).enumerate();
        let ends = ends.filter(|(_, (byte, next))| *byte == b'\n' || (*byte == b'\r' && *next != b'\n'));
        let lines = std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect();
        let included = Vec::new();
        Self { file: file.to_owned(), text, included, lines, secrets: Vec::new(), may_hold_secrets: true }
    }

    /// A file of policies. They are no secret, and `password:` in one names nothing.
    pub(crate) fn of_policies(file: &Path, text: String) -> Self {
        Self { may_hold_secrets: false, ..Self::new(file, text) }
    }

    /// Appends the texts of included files, and returns the lines on which they begin.
    pub(crate) fn append(&mut self, files: &[(PathBuf, String)]) -> Vec<usize> {
        let mut whole = self.text.to_string();
        let mut starts = Vec::with_capacity(files.len());
        for (_, text) in files {
            if !whole.is_empty() && !whole.ends_with(['\n', '\r']) {
                whole.push('\n');
            }
            starts.push(whole.len());
            whole.push_str(text);
        }
        let Self { text, lines, .. } = Self::new(&self.file, whole);
        let firsts: Vec<usize> =
            starts.iter().map(|start| lines.partition_point(|line| line <= start).max(1)).collect();
        self.included.extend(firsts.iter().copied().zip(files.iter().map(|(file, _)| file.clone())));
        (self.text, self.lines) = (text, lines);
        firsts
    }

    /// The configuration itself.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The file that a place is in, and the place there.
    pub(crate) fn place_of(&self, at: Position) -> (&Path, Position) {
        let before = self.included.partition_point(|(first, _)| *first <= at.line);
        match before.checked_sub(1).and_then(|index| self.included.get(index)) {
            Some((first, file)) => (file, Position { line: at.line + 1 - first, ..at }),
            None => (&self.file, at),
        }
    }

    /// The line of a place, for a message about another one: with its file, where that is another.
    pub(crate) fn line_beside(&self, at: Position, other: Position) -> String {
        let ((file, place), (here, _)) = (self.place_of(at), self.place_of(other));
        if file == here {
            format!("line {}", place.line)
        } else {
            format!("line {} of `{}`", place.line, file.display())
        }
    }

    pub(crate) const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The place of the character that holds a byte.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..).unwrap_or_default().char_indices();
        let column = before.take_while(|(index, c)| start + index + c.len_utf8() <= byte).count() + 1;
        Position { line, column }
    }

    /// The byte at which a place begins; the end of the text for a place behind it.
    pub(crate) fn byte(&self, at: Position) -> usize {
        let Some(&start) = self.lines.get(at.line.saturating_sub(1)) else { return self.text.len() };
        let mut before = self.text.get(start..).unwrap_or_default().char_indices();
        before.nth(at.column.saturating_sub(1)).map_or(self.text.len(), |(index, _)| start + index)
    }

    pub(crate) fn hide(&mut self, secret: Span) {
        self.secrets.push(secret);
    }

    /// The text of one line as it may be shown: what is secret is starred, what a terminal would obey is blanked.
    pub(crate) fn shown_line(&self, line: usize) -> String {
        let text = self.line(line);
        if text.len() > MAX_LINE {
            return format!("(a line of {} bytes)", text.len());
        }
        let in_clear = if self.may_hold_secrets { secret_from(text) } else { usize::MAX };
        text.chars()
            .enumerate()
            .map(|(index, c)| match c {
                _ if c.is_whitespace() => ' ',
                _ if index >= in_clear || self.is_secret(Position { line, column: index + 1 }) => '*',
                _ if c.is_control() || is_bidi_control(c) => '\u{fffd}',
                _ => c,
            })
            .collect()
    }

    /// The text of a span as it was written, for messages: `${env:…}` stays unexpanded, secrets are starred, long text is cut.
    pub(crate) fn written(&self, span: Span) -> String {
        if self.line(span.start.line).len() > MAX_LINE {
            return "…".to_owned();
        }
        let line = self.shown_line(span.start.line);
        let end = if span.end.line == span.start.line { span.end.column } else { usize::MAX };
        let width = end.saturating_sub(span.start.column);
        let text: String = line.chars().skip(span.start.column.saturating_sub(1)).take(width).collect();
        let text = text.trim_end();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(text);
        if unquoted.chars().count() <= 80 {
            unquoted.to_owned()
        } else {
            unquoted.chars().take(77).chain("...".chars()).collect()
        }
    }

    /// The files that it was read from, each with its text, in which what is secret is starred.
    pub(crate) fn without_secrets(&self) -> Vec<(&Path, String)> {
        let files = std::iter::once((1, &*self.file))
            .chain(self.included.iter().map(|(first, file)| (*first, &**file)));
        let ends = self.included.iter().map(|(first, _)| *first).chain([usize::MAX]);
        files
            .zip(ends)
            .map(|((first, file), end)| {
                let lines = (first..end.min(self.lines.len() + 1)).map(|line| self.starred_line(line));
                (file, lines.collect::<Vec<_>>().join("\n"))
            })
            .collect()
    }

    fn starred_line(&self, line: usize) -> String {
        let text = self.line(line);
        let in_clear = if self.may_hold_secrets { secret_from(text) } else { usize::MAX };
        let star = |(index, c): (usize, char)| {
            let is_secret = index >= in_clear || self.is_secret(Position { line, column: index + 1 });
            if is_secret && !c.is_whitespace() { '*' } else { c }
        };
        text.chars().enumerate().map(star).collect()
    }

    fn line(&self, line: usize) -> &str {
        let Some(&start) = self.lines.get(line.saturating_sub(1)) else { return "" };
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    fn is_secret(&self, at: Position) -> bool {
        self.secrets.iter().any(|span| span.start <= at && at < span.end)
    }
}

/// The character from which a line may hold a secret in clear, whatever the parser made of it; beyond the end for most lines.
fn secret_from(line: &str) -> usize {
    const KEYS: [&str; 2] = ["secret", "password"];
    let lower = line.to_ascii_lowercase();
    let places = KEYS.iter().flat_map(|key| lower.match_indices(key));
    let named = places.filter_map(|(start, key)| {
        let after_key = start + key.len();
        let colon = lower.get(after_key..)?.find(':')? + after_key + 1;
        let value = line.get(colon..)?.trim_start_matches([' ', '"', '\'']);
        (!value.starts_with("${") && !value.starts_with('{')).then_some(colon)
    });
    let in_url = line.find("://").and_then(|scheme| {
        let rest = line.get(scheme + 3..)?;
        let at = rest.find('@')?;
        (!rest.get(..at)?.contains([' ', '/'])).then_some(scheme + 3)
    });
    let byte = named.chain(in_url).min().unwrap_or(line.len());
    line.get(..byte).map_or(0, |before| before.chars().count())
}

/// Characters that reorder what a terminal shows.
const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{Position, Source, Span};
    use std::path::Path;

    fn shown(text: &str) -> String {
        Source::new(Path::new("haechi.yaml"), text).shown_line(1)
    }

    #[test]
    fn secrets_in_clear_are_starred_whatever_the_parser_made_of_them() {
        assert_eq!(shown("  client_secret: hunter2, x: [").trim_end(), "  client_secret: ******** ** *");
        assert_eq!(shown("  secret: ${env:SECRET} # why"), "  secret: ${env:SECRET} # why");
        let two = "{ a: { secret: ${env:A} }, b: { secret: hunter2 } }";
        assert_eq!(shown(two), "{ a: { secret: ${env:A} }, b: { secret: ******* * *");
        assert_eq!(shown("store: postgres://u:hunter2@db/x"), "store: postgres://**************");
        assert_eq!(shown("url: https://sso.example.com/@x"), "url: https://sso.example.com/@x");
    }

    #[test]
    fn spans_known_to_be_secret_are_starred() {
        let mut source = Source::new(Path::new("haechi.yaml"), "a: [hunter2, b]");
        let at = |column| Position { line: 1, column };
        source.hide(Span { start: at(5), end: at(12) });
        assert_eq!(source.shown_line(1), "a: [*******, b]");
        assert_eq!(source.written(Span { start: at(5), end: at(12) }), "*******");
    }

    #[test]
    fn a_lone_carriage_return_moves_no_secret_into_view() {
        let mut source = Source::new(Path::new("haechi.yaml"), "# a\rb: 1\r\nc: hunter2\n");
        let at = |column| Position { line: 3, column };
        source.hide(Span { start: at(4), end: at(11) });
        assert_eq!(["# a", "b: 1", "c: *******", ""], [1, 2, 3, 4].map(|line| source.shown_line(line)));
    }

    #[test]
    fn bytes_and_places_are_the_same_thing() {
        let text = "a: 한글\r\n\n  b\n";
        let source = Source::new(Path::new("haechi.yaml"), text);
        let places = [(0, 1, 1), (3, 1, 4), (6, 1, 5), (11, 2, 1), (14, 3, 3), (16, 4, 1)];
        for (byte, line, column) in places {
            assert_eq!(source.position(byte), Position { line, column }, "{byte}");
            assert_eq!(source.byte(Position { line, column }), byte);
        }
        assert_eq!(source.position(4), Position { line: 1, column: 4 }, "inside a character");
        assert_eq!(source.position(1000), Position { line: 4, column: 1 });
        assert_eq!(source.byte(Position { line: 9, column: 9 }), text.len());
    }

    #[test]
    fn policies_are_shown_as_they_are() {
        let policy = "context.headers.secret == \"a\" ? x : y";
        assert_eq!(Source::of_policies(Path::new("a.cedar"), policy.into()).shown_line(1), policy);
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_shown() {
        assert_eq!(shown("a: \u{1b}[31m\u{202e}x"), "a: \u{fffd}[31m\u{fffd}x");
    }
}
