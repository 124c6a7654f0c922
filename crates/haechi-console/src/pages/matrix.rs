//! Who may do what: routes by kinds of callers.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{address, filter, plain, text};
use maud::{Markup, html};
use serde_json::{Value, json};

const PAGE: &str = "/console/matrix";

/// The grid, of one route where one is asked for.
pub(crate) async fn show(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("route", ask.query.one("route"))];
    let matrix = ask.reads.json(&address("/api/v1/matrix", &asked)).await?;
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (columns, rows) = (list(&matrix, "columns"), list(&matrix, "rows"));
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("route", words.route, asked[0].1))
            button type="submit" { (words.show) }
        }
        div .scroll tabindex="0" role="region" aria-label=(words.matrix) {
            table {
                thead { tr {
                    th scope="col" { (words.route) }
                    th scope="col" { (words.request) }
                    @for column in &columns { th scope="col" { bdi { (plain(Some(column))) } } }
                } }
                tbody { @for row in &rows {
                    tr {
                        th scope="row" { (text(row, "/route")) @if is(row, "built_in") { " " span .dim { (words.built_in) } } }
                        td { (text(row, "/methods")) " " code { (text(row, "/pattern")) } }
                        @for cell in list(row, "cells") { td { (shown(ask, row, &cell)) } }
                    }
                } }
            }
        }
    };
    let records = json!([matrix]);
    Ok(Shown { records: Some(records), ..Shown::page(words.matrix, PAGE, body) })
}

fn is(row: &Value, name: &str) -> bool {
    row.get(name).and_then(Value::as_bool) == Some(true)
}

fn shown(ask: &Ask<'_>, row: &Value, cell: &Value) -> Markup {
    let words = ask.words;
    let pattern = plain(row.get("pattern"));
    // What a request can have in its path is asked about as it stands.
    let to = address("/console/who-can", &[("path", &pattern)]);
    let (class, word) = match cell.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "allow" => ("good", words.allow),
        "deny" => ("bad", words.deny),
        _ => ("", words.depends),
    };
    html! {
        @if pattern.contains(['{', '*']) { span class=(class) { (word) } }
        @else { a class=(class) href=(to) { (word) } }
        @if let Some(note) = cell.get("note").and_then(Value::as_str) { div { code { bdi { (note) } } } }
    }
}
