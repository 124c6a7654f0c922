//! Printing: what was asked for on stdout, everything said about it on stderr.

use super::{Common, Failure, Form, Format};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

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

/// A list of records: JSON or comma-separated values for programs, columns for people. `fields` are the members of a record that are values.
pub(crate) fn list<T: Serialize>(
    common: &Common,
    records: &[T],
    (heads, fields): (&[&str], &[&str]),
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    match (common.output, common.form) {
        (Format::Json, _) => json(&records),
        (Format::Text, Form::Csv) => csv(records, fields),
        (Format::Text, _) => {
            let rows: Vec<Vec<String>> = records.iter().map(row).collect();
            headed(heads, &rows).iter().try_for_each(|text| line(text))?;
            // Heads alone could be the beginning of something that is still to come.
            if records.is_empty() {
                said("none");
            }
            Ok(())
        }
    }
}

fn csv<T: Serialize>(records: &[T], fields: &[&str]) -> Result<(), Failure> {
    let mut text = csv_line(fields.iter().map(|field| (*field).to_owned()));
    for record in records {
        let record = serde_json::to_value(record).map_err(Failure::fault)?;
        text.push_str(&csv_line(fields.iter().map(|field| csv_value(record.get(field)))));
    }
    line(text.trim_end())
}

fn csv_value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            csv_cell(&all.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        }
        Some(other) => other.to_string(),
    }
}

/// The same with heads and cells of its own, and comma-separated values where that form was asked for: with heads of their own, because programs read them, and with everything that a
/// record has.
pub(crate) fn list_or_csv<T: Serialize>(
    common: &Common,
    records: &[T],
    table: (&[&str], impl Fn(&T) -> Vec<String>),
    csv: (&[&str], impl Fn(&T) -> Vec<String>),
) -> Result<(), Failure> {
    if common.form != Form::Csv {
        return list(common, records, (table.0, &[]), table.1);
    }
    let heads = csv_line(csv.0.iter().map(|head| (*head).to_owned()));
    let text = records.iter().map(|record| csv_line(csv.1(record).into_iter()));
    line(std::iter::once(heads).chain(text).collect::<String>().trim_end())
}

/// A line of comma-separated values (RFC 4180).
pub(crate) fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    format!("{}\r\n", cells.map(quoted).collect::<Vec<_>>().join(","))
}

/// Several texts in one cell of comma-separated values: `a;b`, or a JSON list where one of them could not be told apart so.
pub(crate) fn csv_cell<T: ToString>(texts: &[T]) -> String {
    let texts: Vec<String> = texts.iter().map(T::to_string).collect();
    let plain = |text: &String| {
        !text.is_empty() && !text.contains(';') && !text.starts_with('[') && text.trim() == text
    };
    if texts.iter().all(plain) { texts.join(";") } else { Value::from(texts).to_string() }
}

/// Rows under their heads, each column as wide as its widest value.
pub(crate) fn headed(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| head.to_uppercase()).collect();
    columns(&std::iter::once(heads).chain(rows.iter().cloned()).collect::<Vec<_>>())
}

/// Rows, each column as wide as its widest value on a terminal, where a Korean syllable takes two places.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.width()).max().unwrap_or(0)
    };
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most).map(width).collect();
    let padded = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| cell.clone() + &" ".repeat(width.saturating_sub(cell.width())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

/// Text without anything that a terminal would obey, and without what hides text or turns its direction.
pub(crate) fn shown(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if is_odd(c) { '\u{fffd}' } else { c }).collect()
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
    // `policy` and `policies`, `key` and `keys`.
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{csv_cell, csv_line, csv_value, headed};

    #[test]
    fn nouns_are_counted() {
        let counted = |noun| [0, 1, 2].map(|count| super::counted(count, noun));
        assert_eq!(counted("policy"), ["0 policies", "1 policy", "2 policies"]);
        assert_eq!(counted("key"), ["0 keys", "1 key", "2 keys"]);
        assert_eq!(counted("route"), ["0 routes", "1 route", "2 routes"]);
    }

    #[test]
    fn cells_keep_what_they_hold() {
        let cells = ["a", "b,c", "say \"so\"", ""].map(str::to_owned);
        assert_eq!(csv_line(cells.into_iter()), "a,\"b,c\",\"say \"\"so\"\"\",\r\n");
        assert_eq!(csv_cell(&["USER", "관리자"]), "USER;관리자");
        assert_eq!(csv_cell(&["a;b", "c"]), r#"["a;b","c"]"#);
        assert_eq!(csv_cell::<String>(&[]), "");
    }

    #[test]
    fn values_become_cells() {
        let record = serde_json::json!({ "a": "x", "b": ["y", "z"], "c": { "d": 1 }, "e": null, "f": 7 });
        let cells = ["a", "b", "c", "e", "f", "g"].map(|field| csv_value(record.get(field)));
        assert_eq!(cells, ["x", "y;z", "{\"d\":1}", "", "7", ""]);
    }

    #[test]
    fn columns_line_up_and_obey_nobody() {
        let rows =
            [vec!["alice".to_owned(), "USER".to_owned()], vec!["\u{1b}[2J".to_owned(), "-".to_owned()]];
        assert_eq!(headed(&["name", "roles"], &rows), ["NAME   ROLES", "alice  USER", "\u{fffd}[2J   -"]);
        let rows =
            [vec!["김민아".to_owned(), "관리자".to_owned()], vec!["a\u{202e}b".to_owned(), "-".to_owned()]];
        assert_eq!(
            headed(&["name", "roles"], &rows),
            ["NAME    ROLES", "김민아  관리자", "a\u{fffd}b     -"]
        );
    }
}
