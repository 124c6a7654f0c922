//! Reports of configuration errors and warnings, all at once.

use super::source::{Position, Source, Span};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing that is wrong, or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where it stands; `None` where the file itself is at fault.
    pub span: Option<Span>,
    /// What is wrong, with the offending text as it was written.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The file that it stands in, where it is another than the configuration.
    elsewhere: Option<Arc<Source>>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), help: None, elsewhere: None }
    }

    pub(crate) fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), help: None, elsewhere: None }
    }

    /// The same, in another file than the configuration.
    #[must_use]
    pub(crate) fn within(self, file: Arc<Source>) -> Self {
        Self { elsewhere: Some(file), ..self }
    }

    /// The same, in a text that begins on the line `first` of another.
    #[must_use]
    pub(crate) fn below(self, first: usize) -> Self {
        Self { span: self.span.map(|span| span.below(first)), ..self }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The nearest of `known` names to what was written, or all of them where they are few.
    #[must_use]
    pub(crate) fn suggest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().take(1000).collect();
        if written.len() > 128 {
            return self;
        }
        let nearest = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase()), name))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, name)| *distance <= 1.max(name.chars().count() / 3));
        match nearest {
            Some((_, name)) => self.help(format!("did you mean `{name}`?")),
            None if matches!(known.len(), 1..=24) => self.help(format!("known here: {}", listed(&known))),
            None => self,
        }
    }
}

/// `a`, `b`, `c` with backticks.
pub(crate) fn listed<T: fmt::Display>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// All that is wrong with a configuration and the files that it names. `Display` shows each fault with a snippet; no secret is ever shown.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    source: Box<Source>,
    faults: Vec<Fault>,
    /// How many more there are than are kept.
    more: usize,
    kind: &'static str,
    /// The files that were read, or were to be read, on the way.
    files: BTreeSet<PathBuf>,
}

/// Nobody reads more faults at once.
const MAX_FAULTS: usize = 200;

/// One fault as `--output json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct FaultLine<'a> {
    /// `error` or `warning`.
    severity: &'static str,
    file: &'a Path,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: Option<&'a str>,
}

impl Report {
    pub(crate) fn errors(source: Source, faults: Vec<Fault>) -> Self {
        Self::new(source, faults, "error")
    }

    pub(crate) fn warnings(source: Source, faults: Vec<Fault>) -> Self {
        Self::new(source, faults, "warning")
    }

    fn new(source: Source, mut faults: Vec<Fault>, kind: &'static str) -> Self {
        let place = |fault: &Fault| (fault.elsewhere.as_ref().map(|file| file.file().to_owned()), fault.span);
        faults.sort_by_cached_key(place);
        faults.dedup();
        let more = faults.len().saturating_sub(MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        Self { source: Box::new(source), faults, more, kind, files: BTreeSet::new() }
    }

    /// The same, and these as well.
    #[must_use]
    pub(crate) fn and(self, more: Vec<Fault>) -> Self {
        let all = Self::new(*self.source, self.faults.into_iter().chain(more).collect(), self.kind);
        Self { more: all.more + self.more, files: self.files, ..all }
    }

    /// The same, about a configuration that names these files.
    #[must_use]
    pub(crate) fn naming(self, files: BTreeSet<PathBuf>) -> Self {
        Self { files, ..self }
    }

    /// The files that the configuration names: what is wrong may be put right in one of them.
    pub(crate) fn watched_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The file that a place is in, and the place there.
    pub(crate) fn place_of(&self, at: Position) -> (&Path, Position) {
        self.source.place_of(at)
    }

    /// The first faults, by place, those of the configuration itself before those of other files.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The faults as flat records.
    pub(crate) fn lines(&self) -> impl Iterator<Item = FaultLine<'_>> {
        self.faults.iter().map(|fault| {
            let source = self.source_of(fault);
            let place = fault.span.map(|span| source.place_of(span.start));
            FaultLine {
                severity: self.kind,
                file: place.map_or_else(|| source.file(), |(file, _)| file),
                line: place.map(|(_, at)| at.line),
                column: place.map(|(_, at)| at.column),
                message: &fault.message,
                help: fault.help.as_deref(),
            }
        })
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}: {}", self.kind, fault.message)?;
            self.place(f, fault)?;
            if let Some(help) = &fault.help {
                writeln!(f, "  = help: {help}")?;
            }
        }
        if self.more > 0 { writeln!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl Report {
    /// The word that each of its faults begins with: `error` or `warning`.
    pub(crate) const fn kind(&self) -> &'static str {
        self.kind
    }

    fn source_of<'a>(&'a self, fault: &'a Fault) -> &'a Source {
        fault.elsewhere.as_deref().unwrap_or(&self.source)
    }

    fn place(&self, f: &mut fmt::Formatter<'_>, fault: &Fault) -> fmt::Result {
        let source = self.source_of(fault);
        let Some(span) = fault.span else { return writeln!(f, "  --> {}", source.file().display()) };
        let (file, Position { line, column }) = source.place_of(span.start);
        let file = file.display();
        let snippet = Snippet::of(&source.shown_line(span.start.line), span);
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "  --> {file}:{line}:{column}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", snippet.text)?;
        writeln!(f, "{margin} | {}", snippet.carets)
    }
}

/// The part of a line around a fault, and carets under it.
struct Snippet {
    text: String,
    carets: String,
}

impl Snippet {
    /// So much of a line is shown.
    const WIDTH: usize = 120;

    fn of(line: &str, span: Span) -> Self {
        let start = span.start.column.saturating_sub(1);
        let end = if span.end.line == span.start.line { span.end.column - 1 } else { usize::MAX };
        let from = start.saturating_sub(Self::WIDTH / 2);
        let shown: Vec<char> = line.chars().skip(from).take(Self::WIDTH).collect();
        let before = shown.iter().take(start - from).map(|c| columns(*c)).sum();
        let under = shown.iter().take(end.saturating_sub(from)).skip(start - from).map(|c| columns(*c)).sum();
        Self {
            text: shown.iter().collect::<String>().trim_end().to_owned(),
            carets: format!("{}{}", " ".repeat(before), "^".repeat(usize::max(under, 1))),
        }
    }
}

/// How many columns of a terminal a character fills, near enough for Hangul, Han and kana.
const fn columns(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' => 2,
        _ => 1,
    }
}
