//! What is wrong with a text, told beside the lines where it stands.

use crate::words::Said;
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeSet;

/// A text of so many lines is shown whole; of a longer one what is around its faults.
const SHORT: usize = 300;
/// So many lines around a fault are shown.
const AROUND: usize = 4;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    file: String,
    /// From 1; `None` where no place is at fault.
    line: Option<usize>,
    /// From 1, in characters.
    column: usize,
    message: String,
    help: String,
}

impl Fault {
    /// All that a call told of, as far as it tells of faults in texts.
    pub(crate) fn all(told: &Value) -> Vec<Self> {
        told.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Self::of).collect()
    }

    fn of(told: &Value) -> Option<Self> {
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        let number =
            |name: &str| told.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        Some(Self {
            message: text("message")?,
            file: text("file").unwrap_or_default(),
            line: number("line").filter(|line| *line > 0),
            column: number("column").unwrap_or(1).max(1),
            help: text("help").unwrap_or_default(),
        })
    }

    /// Whether it stands in the text of this name, which is a file's, or what a policy of the store is called.
    fn is_in(&self, name: &str) -> bool {
        self.file == name || self.file.rsplit('/').next() == Some(name)
    }
}

/// The faults, each with a link to its line, and the lines of `text`, which stands in `name`, with what is wrong marked.
pub(crate) fn shown(words: &Said, (name, text): (&str, &str), faults: &[Fault]) -> Markup {
    let here = |fault: &&Fault| fault.is_in(name) && fault.line.is_some();
    let lines: Vec<&str> = text.lines().collect();
    html! {
        div #problem .problem role="alert" {
            p { (words.faults) " " (faults.len()) }
            ol {
                @for fault in faults {
                    li {
                        @match fault.line {
                            Some(line) if here(&fault) => a href={ "#line-" (line) } { (words.line) " " (line) ":" (fault.column) },
                            Some(line) => bdi { (fault.file) ":" (line) ":" (fault.column) },
                            None => bdi { (fault.file) },
                        }
                        " " bdi { (fault.message) }
                        @if !fault.help.is_empty() { div .dim { bdi { (fault.help) } } }
                    }
                }
            }
        }
        @if faults.iter().any(|fault| here(&fault)) {
            div .scroll .source tabindex="0" role="region" aria-label=(words.lines_with_faults) {
                @for (index, line) in around(&lines, faults.iter().filter(here)) {
                    @let number = index + 1;
                    @let wrong: Vec<&Fault> = faults.iter().filter(here).filter(|fault| fault.line == Some(number)).collect();
                    div #{ "line-" (number) } .faulty[!wrong.is_empty()] {
                        span .number { (number) }
                        code { (marked(line, wrong.first().map(|fault| fault.column))) }
                        @for fault in wrong { div .fault { bdi { (fault.message) } } }
                    }
                }
            }
        }
    }
}

/// The lines that are shown, by their index.
fn around<'a>(lines: &[&'a str], faults: impl Iterator<Item = &'a Fault>) -> Vec<(usize, &'a str)> {
    let at: BTreeSet<usize> = faults
        .filter_map(|fault| fault.line)
        .flat_map(|line| line.saturating_sub(1 + AROUND)..line + AROUND)
        .collect();
    let is_shown = |index: &usize| lines.len() <= SHORT || at.contains(index);
    lines.iter().copied().enumerate().filter(|(index, _)| is_shown(index)).collect()
}

/// A line, in which the word at this column is marked.
fn marked(line: &str, column: Option<usize>) -> Markup {
    let Some(column) = column else { return html! { (line) } };
    let begin = line.char_indices().nth(column - 1).map_or(line.len(), |(at, _)| at);
    let (before, rest) = line.split_at(begin);
    let is_word = |c: char| c.is_alphanumeric() || "_-.@/\"'`".contains(c);
    let length = rest.find(|c| !is_word(c)).filter(|length| *length > 0);
    let length = length.unwrap_or_else(|| {
        if rest.starts_with(is_word) { rest.len() } else { rest.chars().next().map_or(0, char::len_utf8) }
    });
    let (wrong, after) = rest.split_at(length);
    html! { (before) mark { (wrong) } (after) }
}

#[cfg(test)]
mod tests {
    use super::{Fault, around, marked};
    use serde_json::json;

    fn fault(line: u64, column: u64) -> Fault {
        let told = json!([{ "file": "/etc/haechi.yaml", "line": line, "column": column, "message": "m", "help": null }]);
        Fault::all(&told).remove(0)
    }

    #[test]
    fn the_word_at_the_place_is_marked_and_stays_text() {
        let shown = |line: &str, column| marked(line, Some(column)).into_string();
        assert_eq!(shown("roles: [USERR]", 9), "roles: [<mark>USERR</mark>]");
        assert_eq!(shown("a: 한국 b", 4), "a: <mark>한국</mark> b");
        assert_eq!(shown("a: {", 4), "a: <mark>{</mark>");
        assert_eq!(shown("a", 9), "a<mark></mark>");
        assert_eq!(shown("<script>", 2), "&lt;<mark>script</mark>&gt;");
    }

    #[test]
    fn of_a_long_text_what_is_around_the_faults_is_shown() {
        let lines = vec!["x"; 1000];
        let (first, last) = (fault(1, 1), fault(1000, 1));
        let shown: Vec<usize> =
            around(&lines, [&first, &last].into_iter()).into_iter().map(|(index, _)| index).collect();
        assert_eq!(shown, [0, 1, 2, 3, 4, 995, 996, 997, 998, 999]);
        assert_eq!(around(&lines[..300], [&first].into_iter()).len(), 300);
    }

    #[test]
    fn a_fault_stands_in_one_text() {
        assert!(
            fault(1, 1).is_in("haechi.yaml")
                && !fault(1, 1).is_in("yaml")
                && !fault(1, 1).is_in("other.yaml")
        );
        assert!(Fault::all(&json!([{ "name": "a property" }])).is_empty());
    }
}
