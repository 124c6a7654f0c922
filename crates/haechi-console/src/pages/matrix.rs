//! Who may do what: routes by kinds of callers, and what is proved of one cell.

use super::candidate::example;
use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{address, choice, filter, plain, text};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};

const PAGE: &str = "/console/matrix";
const OUTCOMES: [&str; 3] = ["allow", "deny", "depends"];

/// The grid, or the part of it that was asked for.
pub(crate) async fn show(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let one = |name: &str| ask.query.one(name);
    let matrix = ask.reads.json("/api/v1/matrix").await?;
    let names: Vec<String> = list(&matrix, "columns").iter().map(|name| plain(Some(name))).collect();
    let outcomes = OUTCOMES.map(|outcome| (outcome, words.word(outcome)));
    let callers: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
    // The columns that were asked for, by their place.
    let columns: Vec<(usize, &String)> = names
        .iter()
        .enumerate()
        .filter(|(_, name)| one("caller").is_empty() || **name == one("caller"))
        .collect();
    let cells = |row: &Value| -> Vec<Value> {
        columns.iter().filter_map(|(at, _)| list(row, "cells").get(*at).cloned()).collect()
    };
    let is_wanted = |row: &&Value| {
        let has =
            |name: &str, wanted: &str| plain(row.get(name)).to_lowercase().contains(&wanted.to_lowercase());
        let outcome = one("outcome");
        has("route", one("route"))
            && (has("pattern", one("path")))
            && (outcome.is_empty() || cells(row).iter().any(|cell| plain(cell.get("outcome")) == outcome))
    };
    let rows: Vec<&Value> = list(&matrix, "rows").iter().filter(is_wanted).collect();
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("route", words.route, one("route")))
            (filter("path", words.path, one("path")))
            (choice("caller", words.caller, (one("caller"), words.any), &callers))
            (choice("outcome", words.outcome, (one("outcome"), words.any), &outcomes))
            button type="submit" { (words.show) }
        }
        p .dim { (words.matrix_hint) }
        @if rows.is_empty() { p .dim { (words.none) } } @else {
            div .scroll tabindex="0" role="region" aria-label=(words.matrix) {
                table {
                    thead { tr {
                        th scope="col" { (words.route) }
                        th scope="col" { (words.request) }
                        @for (_, name) in &columns { th scope="col" { bdi { (name) } } }
                    } }
                    tbody { @for row in &rows {
                        tr {
                            th scope="row" { (text(row, "/route")) @if is(row, "built_in") { " " span .dim { (words.built_in) } } }
                            td { (text(row, "/methods")) " " code { (text(row, "/pattern")) } }
                            @for ((_, name), cell) in columns.iter().zip(cells(row)) { td { (entry(words, row, name, &cell)) } }
                        }
                    } }
                }
            }
        }
    };
    let records = json!(rows);
    Ok(Shown { records: Some(records), ..Shown::page(words.matrix, PAGE, body) })
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is(row: &Value, name: &str) -> bool {
    row.get(name).and_then(Value::as_bool) == Some(true)
}

/// What stands in a cell, which leads to what is proved of it.
fn entry(words: &Said, row: &Value, caller: &str, cell: &Value) -> Markup {
    let method = plain(list(row, "methods").first());
    let route = plain(row.get("route"));
    let to = address("/console/matrix/cell", &[("route", &route), ("method", &method), ("caller", caller)]);
    html! {
        a href=(to) { (outcome(words, cell)) span .hidden { " " (route) " " (caller) } }
        @if let Some(note) = cell.get("note").and_then(Value::as_str) { div { code { bdi { (note) } } } }
    }
}

fn outcome(words: &Said, cell: &Value) -> Markup {
    let (class, word) = match cell.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "allow" => ("good", words.allow),
        "deny" => ("bad", words.deny),
        _ => ("", words.depends),
    };
    html! { span class=(class) { (word) } }
}

/// One cell: its proof, or who shows that it depends.
pub(crate) async fn cell(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = ["route", "method", "caller"].map(|name| (name, ask.query.one(name)));
    let told = ask.reads.json(&address("/api/v1/matrix/cell", &asked)).await?;
    let body = html! {
        dl {
            dt { (words.route) } dd { (text(&told, "/route")) }
            dt { (words.method) } dd { (text(&told, "/method")) }
            dt { (words.caller) } dd { (text(&told, "/caller")) }
            dt { (words.outcome) } dd { (outcome(words, &told)) }
            @if let Some(note) = told.get("note").and_then(Value::as_str) {
                dt { (words.condition) } dd { code { bdi { (note) } } }
            }
        }
        (finding(words, (words.nobody_passes, words.passes), told.get("nobody_passes")))
        (finding(words, (words.everybody_passes, words.does_not_pass), told.get("everybody_passes")))
        p .more {
            a href=(address(PAGE, &[("route", asked[0].1)])) { (words.matrix) }
            a href=(address("/console/decisions", &[("route", asked[0].1)])) { (words.decisions) }
        }
    };
    Ok(Shown { records: Some(json!([told])), ..Shown::page(words.cell, PAGE, body) })
}

/// A sentence, and that it is proved, or who shows that it is not true.
fn finding(words: &Said, (title, shows): (&str, &str), found: Option<&Value>) -> Markup {
    let Some(found) = found else { return html! {} };
    html! {
        h2 { (title) }
        @match found.get("outcome").and_then(Value::as_str).unwrap_or_default() {
            "proved" => p { span .good { (words.proved) } " " span .dim { (words.proved_how) } },
            "does_not_hold" => { p { span .bad { (words.does_not_hold) } " " (shows) ":" } div { (example(words, found.get("example"))) } },
            _ => p { span .bad { (words.not_decided) } " " (text(found, "/why")) },
        }
    }
}
