//! Reading keys that another gateway has given out: comma-separated values, or a JSON object on each line.
//!
//! What is said of a fault never repeats a cell, because a cell may be a key.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use haechi_authn::imported_key::{self, BadSecretError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What may be said of a key, under each of the names that it may have.
const FIELDS: [(&str, &[&str]); 11] = [
    ("sha256", &["sha256", "hash", "key_sha256"]),
    ("key", &["key", "secret", "api_key"]),
    ("owner", &["owner", "consumer", "username"]),
    ("name", &["name"]),
    ("roles", &["roles", "role", "groups"]),
    ("scopes", &["scopes", "scope"]),
    ("attributes", &["attributes", "attrs"]),
    ("expires", &["expires", "expires_at"]),
    ("allowed_addresses", &["allowed_addresses", "allow_ip", "allowed_ips"]),
    ("limit", &["limit", "rate_limit"]),
    ("quota", &["quota"]),
];

/// A line of the file: its number, and what stands in it or what is wrong with it.
pub(super) type Line = (usize, Result<Row, String>);

/// What a line says, by the first of each field's names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row(BTreeMap<&'static str, Cell>);

/// What stands under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Text(String),
    List(Vec<String>),
    /// Names and values; a name stands several times where it has several values.
    Pairs(Vec<(String, String)>),
}

impl Row {
    /// The text under `name`; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Cell::Text(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("`{name}` is not a text")),
        }
    }

    /// The texts under `name`.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, String> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Cell::List(texts)) => Ok(texts.clone()),
            Some(Cell::Text(text)) => separated(name, text),
            Some(Cell::Pairs(_)) => Err(format!("`{name}` is not a list")),
        }
    }

    /// The names and values under `name`.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, String> {
        let texts = match self.0.get(name) {
            Some(Cell::Pairs(pairs)) => return Ok(pairs.clone()),
            Some(Cell::Text(text)) if text.trim_start().starts_with('{') => {
                let map = serde_json::from_str::<Map<String, Value>>(text);
                return pairs_of(name, &map.map_err(|_| format!("`{name}` is not a JSON object"))?);
            }
            _ => self.list(name)?,
        };
        let pair = |text: &String| super::input::pair(text).map_err(|why| format!("`{name}`: {why}"));
        texts.iter().map(pair).collect()
    }

    /// The hash of the key, and whether it is known to have our form.
    pub(super) fn secret(&self) -> Result<([u8; 32], bool), String> {
        match (self.text("sha256")?, self.0.get("key")) {
            (Some(_), Some(_)) => Err("both `sha256` and `key` are given; give one of them".into()),
            (Some(hash), None) => {
                Ok((parse_hash(hash).ok_or("`sha256` is not 32 bytes in hex or base64")?, false))
            }
            (None, Some(Cell::Text(key))) => {
                let sha256 =
                    imported_key::sha256_of(key.as_bytes()).map_err(|why: BadSecretError| why.to_string())?;
                Ok((sha256, haechi_authn::api_key::ApiKey::parse(key.as_bytes()).is_ok()))
            }
            (None, _) => Err("it has neither `sha256` nor `key`".into()),
        }
    }
}

/// The lines of a file that have something in them.
///
/// # Errors
/// What makes the whole file unreadable.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') { Ok(json_lines(text)) } else { csv_lines(text) }
}

fn json_lines(text: &str) -> Vec<Line> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| (number, json_row(line))).collect()
}

fn json_row(line: &str) -> Result<Row, String> {
    let map: Map<String, Value> = serde_json::from_str(line)
        .map_err(|fault| format!("it is not a JSON object (column {})", fault.column()))?;
    let mut row = Row::default();
    for (key, value) in &map {
        let field = field(key)?;
        let cell = match value {
            Value::Null => continue,
            Value::Object(map) => Cell::Pairs(pairs_of(field, map)?),
            Value::Array(values) => {
                Cell::List(values.iter().map(|value| plain(field, value)).collect::<Result<_, _>>()?)
            }
            one => Cell::Text(plain(field, one)?),
        };
        row.put(field, cell)?;
    }
    Ok(row)
}

fn pairs_of(field: &str, map: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (name, value) in map {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            pairs.push((name.clone(), plain(field, value)?));
        }
    }
    Ok(pairs)
}

fn plain(field: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("`{field}` holds something other than text, numbers, `true` and `false`")),
    }
}

impl Row {
    fn put(&mut self, field: &'static str, cell: Cell) -> Result<(), String> {
        match self.0.insert(field, cell) {
            None => Ok(()),
            Some(_) => Err(format!("`{field}` is given twice")),
        }
    }
}

fn field(name: &str) -> Result<&'static str, String> {
    let named =
        FIELDS.iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim())));
    let known = || FIELDS.map(|(field, _)| field).join("`, `");
    named.map(|(field, _)| *field).ok_or_else(|| {
        // A file without heads would begin with a key.
        format!("a column has an unknown name; known are `{}`", known())
    })
}

fn csv_lines(text: &str) -> Result<Vec<Line>, String> {
    let mut records = csv_records(text)?.into_iter();
    let (_, heads) = records.next().ok_or("the file is empty")?;
    let heads: Vec<&'static str> = heads.iter().map(|head| field(head)).collect::<Result<_, _>>()?;
    if let Some(twice) =
        heads.iter().enumerate().find(|(at, head)| heads.iter().take(*at).any(|other| other == *head))
    {
        return Err(format!("two columns are `{}`", twice.1));
    }
    let row = |cells: Vec<String>| {
        if cells.len() != heads.len() {
            return Err(format!("it has {} cells, and the first line has {}", cells.len(), heads.len()));
        }
        let cells = heads.iter().zip(cells).filter(|(_, text)| !text.trim().is_empty());
        Ok(Row(cells.map(|(head, text)| (*head, Cell::Text(text))).collect()))
    };
    Ok(records.map(|(number, cells)| (number, row(cells))).collect())
}

/// Records of comma-separated values (RFC 4180), each with the number of the line in which it begins. Empty lines are passed over.
pub(super) fn csv_records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let (mut records, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begin, mut quoted, mut was_quoted) = (1, 1, false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            c if quoted => cell.push(c),
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => return Err(format!("line {line} has a `\"` inside a cell that does not begin with one")),
            ',' => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\n' => {
                end_record(&mut records, &mut cells, &mut cell, (begin, was_quoted));
                (begin, was_quoted) = (line, false);
            }
            '\r' if rest.peek().is_none_or(|next| *next == '\n') => {}
            c if was_quoted && !c.is_whitespace() => {
                return Err(format!("line {line} has something behind a closing `\"`"));
            }
            c => cell.push(c),
        }
    }
    if quoted {
        return Err(format!("the `\"` of line {begin} is not closed"));
    }
    end_record(&mut records, &mut cells, &mut cell, (begin, was_quoted));
    Ok(records)
}

fn end_record(
    records: &mut Vec<(usize, Vec<String>)>,
    cells: &mut Vec<String>,
    cell: &mut String,
    (begin, was_quoted): (usize, bool),
) {
    if cells.is_empty() && cell.trim().is_empty() && !was_quoted {
        cell.clear();
        return;
    }
    cells.push(std::mem::take(cell));
    records.push((begin, std::mem::take(cells)));
}

/// `a;b`, or a JSON list.
pub(super) fn separated(name: &str, text: &str) -> Result<Vec<String>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|_| format!("`{name}` is not a JSON list of texts"));
    }
    Ok(text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// 32 bytes in hex, or in base64 of either alphabet, with or without padding.
fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    if text.len() == 64 && text.is_ascii() {
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let bytes = digits?
            .chunks_exact(2)
            .filter_map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok())
            .collect::<Vec<u8>>();
        return bytes.try_into().ok();
    }
    let text = text.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Row, csv_records, lines, parse_hash};
    use proptest::prelude::*;

    fn row(text: &str) -> Row {
        lines(text).unwrap().pop().unwrap().1.unwrap()
    }

    fn fault(text: &str) -> String {
        match lines(text) {
            Err(whole) => whole,
            Ok(mut lines) => lines.pop().unwrap().1.unwrap_err(),
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let csv = row(
            "Key,owner,roles,attributes,expires_at,allow_ip,limit\r\nGQMqzkxqbVfDgaQgNZxQ,acme,USER; 관리자,tenant=acme;groups=a;groups=b,90d,10.0.0.0/8,100/1m\r\n",
        );
        let json = row(
            r#"{"key":"GQMqzkxqbVfDgaQgNZxQ","owner":"acme","roles":["USER","관리자"],"attributes":{"groups":["a","b"],"tenant":"acme"},"expires":"90d","allowed_addresses":["10.0.0.0/8"],"rate_limit":"100/1m","quota":null}"#,
        );
        for field in ["owner", "expires", "limit", "quota", "name"] {
            assert_eq!(csv.text(field), json.text(field), "{field}");
        }
        for field in ["roles", "allowed_addresses", "scopes"] {
            assert_eq!(csv.list(field), json.list(field), "{field}");
        }
        let mut pairs = csv.pairs("attributes").unwrap();
        pairs.sort();
        assert_eq!(Ok(pairs), json.pairs("attributes"));
        assert_eq!(csv.secret(), json.secret());
        assert_eq!(row("owner,roles\nacme,\"[\"\"a;b\"\"]\"").list("roles"), Ok(vec!["a;b".into()]));
        let attributes = row("owner,attributes\nacme,\"{\"\"clearance\"\":3}\"").pairs("attributes");
        assert_eq!(attributes, Ok(vec![("clearance".into(), "3".into())]));
    }

    #[test]
    fn a_fault_never_repeats_what_may_be_a_key() {
        let secret = "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHp";
        for text in [
            format!("{secret},acme\n"),
            format!("key,owner\n{secret}\n"),
            format!("key,owner\n{secret},\"open\n"),
            format!("key,owner\n{secret},a\"b\n"),
            format!("{{\"{secret}\": 1}}"),
            format!("{{\"key\": \"{secret}"),
            format!("{{\"key\": \"a\", \"secret\": \"{secret}\"}}"),
            format!("{{\"owner\": {{\"{secret}\": {{}}}}}}"),
        ] {
            let said = fault(&text);
            assert!(!said.contains(secret) && !said.is_empty(), "{said}");
        }
        for (text, part) in [
            ("sha256,key\naa,bb", "both"),
            ("owner\nacme", "neither"),
            ("sha256\nzz", "hex or base64"),
            ("key\nshort", "characters long"),
            ("{\"key\":[\"a\"]}", "neither"),
        ] {
            assert!(row(text).secret().unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn records_keep_their_lines() {
        let text = "a,b\n\n\"x\ny\",\"say \"\"so\"\"\"\r\nlast, cell \n";
        let records = csv_records(text).unwrap();
        let expected: [(usize, &[&str]); 3] =
            [(1, &["a", "b"]), (3, &["x\ny", "say \"so\""]), (5, &["last", " cell "])];
        assert_eq!(records.len(), 3);
        for ((line, cells), (expected_line, expected)) in records.iter().zip(expected) {
            assert_eq!(
                (*line, cells.iter().map(String::as_str).collect::<Vec<_>>()),
                (expected_line, expected.to_vec())
            );
        }
    }

    #[test]
    fn hashes_in_every_usual_spelling() {
        let hex = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
        let expected = parse_hash(hex).unwrap();
        assert_eq!(expected[..4], [0xff, 0xee, 0xdd, 0xcc]);
        for text in [
            &hex.to_uppercase(),
            "sha256:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
            "/+7dzLuqmYh3ZlVEMyIRAP/u3cy7qpmId2ZVRDMiEQA=",
            "_-7dzLuqmYh3ZlVEMyIRAP_u3cy7qpmId2ZVRDMiEQA",
        ] {
            assert_eq!(parse_hash(text), Some(expected), "{text}");
        }
        for text in ["", "ff", &hex[1..], &format!("{hex}0"), &hex.replace('f', "g"), "not base64 at all"] {
            assert_eq!(parse_hash(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(rows in prop::collection::vec(prop::collection::vec("[ -~\r\n가]{0,8}", 2..4), 0..6)) {
            let written: String = rows.iter().map(|cells| super::super::output::csv_line(cells.iter().map(|cell| format!("x{cell}")))).collect();
            let read: Vec<Vec<String>> = csv_records(&written).unwrap().into_iter().map(|(_, cells)| cells).collect();
            let expected: Vec<Vec<String>> = rows.iter().map(|cells| cells.iter().map(|cell| format!("x{cell}")).collect()).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,200}", tail in "[\"\\[\\]{},:;\r\n a-z]{0,100}") {
            for text in [&text, &tail, &format!("owner,key\n{tail}")] {
                if let Ok(lines) = lines(text) {
                    for (_, row) in lines {
                        if let Ok(row) = row {
                            drop((row.secret(), row.pairs("attributes"), row.list("roles"), row.text("owner")));
                        }
                    }
                }
            }
        }
    }
}
