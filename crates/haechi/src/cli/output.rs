//! Printing: what was asked for on stdout, everything said about it on stderr.

use super::{Failure, Format};
use serde::Serialize;
use std::io::{self, Write};

/// Prints a value as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::fault)?;
    line(&text)
}

/// Prints a line on stdout.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever closed the pipe has read what they wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::fault(error)),
        _ => Ok(()),
    }
}

/// Says something on stderr. Nobody could be told if that failed.
pub(crate) fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Says that something is done.
pub(crate) fn said(text: &str) {
    to_stderr(&format!("{}\n", shown(text)));
}

/// A list of records: JSON for programs, columns for people.
pub(crate) fn list<T: Serialize>(
    format: Format,
    records: &[T],
    heads: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    match format {
        Format::Json => json(&records),
        Format::Text => {
            let rows: Vec<Vec<String>> = records.iter().map(row).collect();
            headed(heads, &rows).iter().try_for_each(|text| line(text))
        }
    }
}

/// Rows under their heads, each column as wide as its widest value.
fn headed(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| head.to_uppercase()).collect();
    columns(&std::iter::once(heads).chain(rows.iter().cloned()).collect::<Vec<_>>())
}

/// Rows, each column as wide as its widest value.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most).map(width).collect();
    let padded = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

/// Text without anything that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `a, b`, or `-` for none.
pub(crate) fn words<T: ToString>(words: &[T]) -> String {
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// `1 route`, `2 routes`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::headed;

    #[test]
    fn columns_line_up_and_obey_nobody() {
        let rows =
            [vec!["alice".to_owned(), "USER".to_owned()], vec!["\u{1b}[2J".to_owned(), "-".to_owned()]];
        assert_eq!(headed(&["name", "roles"], &rows), ["NAME   ROLES", "alice  USER", "\u{fffd}[2J   -"]);
    }
}
