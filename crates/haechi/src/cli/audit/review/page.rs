//! A review as text, comma-separated values, and a page for auditors.

use crate::cli::output::{counted, csv_line, headed};
use crate::cli::page::escaped;
use crate::evidence::review::{Access, Account, Review};
use haechi_core::{Clock, SystemClock};
use std::fmt::Write;

const ACCESS: [&str; 5] = ["route", "role", "requests", "last used", ""];
const ACCOUNTS: [&str; 6] = ["kind", "name", "roles", "requests", "last used", ""];

const STYLE: &str = "
:root { color-scheme: light dark; }
body { margin: 2.5rem auto; max-width: 76rem; padding: 0 1.5rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 0; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
th, td { padding: .4rem .6rem; text-align: left; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
tr.unused td { font-weight: 600; }
@media print { body { margin: 0; max-width: none; font-size: 10px; } tr { break-inside: avoid; } }
";

fn mark(unused: bool) -> String {
    if unused { "unused" } else { "" }.to_owned()
}

fn last(at: &Option<String>) -> String {
    at.clone().unwrap_or_else(|| "never".to_owned())
}

fn access_row(one: &Access) -> Vec<String> {
    vec![
        one.route.clone(),
        one.role.clone(),
        one.requests.to_string(),
        last(&one.last_used),
        mark(one.unused),
    ]
}

fn account_row(one: &Account) -> Vec<String> {
    let Account { kind, name, roles, requests, last_used, unused, .. } = one;
    vec![
        (*kind).to_owned(),
        name.clone(),
        roles.join(" "),
        requests.to_string(),
        last(last_used),
        mark(*unused),
    ]
}

fn unused(review: &Review) -> (usize, usize) {
    let access = review.access.iter().filter(|one| one.unused).count();
    (access, review.accounts.iter().filter(|one| one.unused).count())
}

pub(super) fn text(review: &Review) -> String {
    let mut lines = headed(&ACCESS, &review.access.iter().map(access_row).collect::<Vec<_>>());
    if !review.accounts.is_empty() {
        lines.push(String::new());
        lines.extend(headed(&ACCOUNTS, &review.accounts.iter().map(account_row).collect::<Vec<_>>()));
    }
    let (access, accounts) = unused(review);
    lines.push(String::new());
    lines.push(format!(
        "since {}: {} of {} unused, {} of {}",
        review.since,
        access,
        counted(review.access.len(), "grant"),
        accounts,
        counted(review.accounts.len(), "account")
    ));
    lines.join("\n")
}

/// One table: what a row is about stands first.
pub(super) fn csv(review: &Review) -> String {
    let heads = ["about", "route", "role", "kind", "name", "id", "roles", "requests", "last_used", "unused"];
    let mut lines = vec![csv_line(heads.iter().map(|head| (*head).to_owned()))];
    let time = |at: &Option<String>| at.clone().unwrap_or_default();
    for one in &review.access {
        let cells = [
            "access",
            &one.route,
            &one.role,
            "",
            "",
            "",
            "",
            &one.requests.to_string(),
            &time(&one.last_used),
            &one.unused.to_string(),
        ];
        lines.push(csv_line(cells.iter().map(|cell| (*cell).to_owned())));
    }
    for one in &review.accounts {
        let cells = [
            "account",
            "",
            "",
            one.kind,
            &one.name,
            &one.id,
            &one.roles.join(" "),
            &one.requests.to_string(),
            &time(&one.last_used),
            &one.unused.to_string(),
        ];
        lines.push(csv_line(cells.iter().map(|cell| (*cell).to_owned())));
    }
    lines.join("\n")
}

pub(super) fn html(review: &Review) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_html(review, &mut out);
    out
}

fn write_html(review: &Review, out: &mut String) -> std::fmt::Result {
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(
        out,
        "<title>Access review</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Access review</h1>"
    )?;
    let (access, accounts) = unused(review);
    let from = review.trail_from.as_deref().unwrap_or("nowhere");
    writeln!(
        out,
        "<p>Made by Haechi {} at {}. Requests that were let through since {}; the audit trail begins at {from}. {access} of {} and {accounts} of {} were not used.</p>",
        env!("CARGO_PKG_VERSION"),
        SystemClock.now().rfc3339(),
        review.since,
        counted(review.access.len(), "grant"),
        counted(review.accounts.len(), "account")
    )?;
    writeln!(out, "<h2>Which roles may use which routes</h2>")?;
    table(out, &ACCESS, review.access.iter().map(|one| (one.unused, access_row(one))))?;
    writeln!(out, "<h2>Who may call</h2>")?;
    table(out, &ACCOUNTS, review.accounts.iter().map(|one| (one.unused, account_row(one))))?;
    writeln!(out, "</body>\n</html>")
}

fn table(
    out: &mut String,
    heads: &[&str],
    rows: impl Iterator<Item = (bool, Vec<String>)>,
) -> std::fmt::Result {
    let heads = heads.iter().map(|head| format!("<th>{head}</th>")).collect::<String>();
    writeln!(out, "<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>")?;
    for (unused, cells) in rows {
        let class = if unused { " class=\"unused\"" } else { "" };
        let cells = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect::<String>();
        writeln!(out, "<tr{class}>{cells}</tr>")?;
    }
    writeln!(out, "</tbody>\n</table>")
}
