//! What the trail has about a person, as one page that stands alone.

use crate::cli::page::escaped;
use crate::evidence::people::Person;
use haechi_core::{Clock, SystemClock};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; }
body { margin: 2.5rem auto; max-width: 76rem; padding: 0 1.5rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
code, pre { font: .86em ui-monospace, monospace; white-space: pre-wrap; margin: 0; }
@media print { body { margin: 0; max-width: none; font-size: 10px; } tr { break-inside: avoid; } }
";

pub(super) fn page(subject: &str, people: &BTreeSet<Person>, records: &[Value]) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_page(&mut out, subject, people, records);
    out
}

fn write_page(
    out: &mut String,
    subject: &str,
    people: &BTreeSet<Person>,
    records: &[Value],
) -> std::fmt::Result {
    let subject = escaped(subject);
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(
        out,
        "<title>What is recorded about {subject}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    )?;
    writeln!(out, "<h1>What is recorded about {subject}</h1>")?;
    let now = SystemClock.now().rfc3339();
    writeln!(
        out,
        "<p>{} records, exported at {now} from the audit trail of the API gateway.</p>\n<ul>",
        records.len()
    )?;
    for person in people {
        writeln!(
            out,
            "<li><code>{}</code>, known to <code>{}</code></li>",
            escaped(&person.subject),
            escaped(&person.issuer)
        )?;
    }
    writeln!(
        out,
        "</ul>\n<table>\n<thead><tr><th>when</th><th>what</th><th>about</th><th>from where</th><th>with what</th></tr></thead>\n<tbody>"
    )?;
    for record in records {
        row(out, record)?;
    }
    writeln!(out, "</tbody>\n</table>\n</body>\n</html>")
}

fn row(out: &mut String, record: &Value) -> std::fmt::Result {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let person = record.get("person").or_else(|| record.get("by").and_then(|by| by.get("person")));
    let client = person.and_then(|person| person.get("client")).and_then(Value::as_str).unwrap_or_default();
    let what = [text("event"), text("outcome"), text("reason")];
    let what = what.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    let about = match text("method") {
        "" => text("target").to_owned(),
        method => format!("{method} {}{}", text("host"), text("path")),
    };
    let mut with = Vec::new();
    for (name, value) in [
        ("roles", record.get("roles")),
        ("scopes", of(person, "scopes")),
        ("attributes", of(person, "attributes")),
        ("headers", record.get("headers")),
        ("details", record.get("details")),
    ] {
        if let Some(value) = value.filter(|value| !is_empty(value)) {
            with.push(format!("{name}: {value}"));
        }
    }
    let cells = [text("at"), &what, &about, client].map(escaped).join("</td><td>");
    writeln!(out, "<tr><td>{cells}</td><td><pre>{}</pre></td></tr>", escaped(&with.join("\n")))
}

fn of<'a>(person: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    person.and_then(|person| person.get(name))
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}
