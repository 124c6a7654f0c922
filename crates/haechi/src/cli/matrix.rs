//! `haechi matrix`: who may do what, before any request. Routes and methods are the rows, kinds of callers the columns.

mod html;

use super::{Common, Failure, Form, MatrixArgs, configuration, output};
use crate::inspect::matrix::{Matrix, Outcome, made};
use std::fmt::Write;

/// Prints it. Nobody is asked and no store is opened.
pub(crate) fn matrix(common: &Common, arguments: &MatrixArgs) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    let names = config.route_names();
    if let Some(name) = arguments.routes.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Failure::usage(format!("there is no route `{name}`")));
    }
    let matrix = made(&config, common.config.display().to_string(), &arguments.routes);
    match common.form {
        Form::Json => output::json(&matrix),
        Form::Csv => output::line(csv(&matrix).trim_end()),
        Form::Html => output::line(html::page(&matrix).trim_end()),
        _ => output::line(table(&matrix).trim_end()),
    }
}

/// For people: conditions are numbered, and stand below.
fn table(matrix: &Matrix) -> String {
    let mut notes: Vec<&str> = Vec::new();
    let mut rows = vec![["route", "path", "methods"].map(str::to_owned).to_vec()];
    if let Some(heads) = rows.first_mut() {
        heads.extend(matrix.columns.iter().cloned());
    }
    for row in &matrix.rows {
        let name = if row.built_in { format!("{} (built in)", row.route) } else { row.route.clone() };
        let mut cells = vec![name, row.pattern.clone(), row.methods.join(" ")];
        for entry in &row.cells {
            let number = entry.note.as_deref().filter(|_| entry.outcome == Outcome::Depends).map(|note| {
                notes.iter().position(|known| *known == note).unwrap_or_else(|| {
                    notes.push(note);
                    notes.len() - 1
                })
            });
            let number = number.map_or_else(String::new, |number| format!(" [{}]", number + 1));
            cells.push(format!("{}{number}", entry.outcome.word()));
        }
        rows.push(cells);
    }
    let mut out = output::columns(&rows).join("\n");
    out.push('\n');
    for (number, note) in notes.iter().enumerate() {
        // Writing to a `String` does not fail.
        let _ = write!(out, "\n[{}] {}", number + 1, output::shown(note));
    }
    out
}

/// RFC 4180, one line for each route and method.
fn csv(matrix: &Matrix) -> String {
    let heads = ["route", "path", "hosts", "authenticators", "method", "built in"].map(str::to_owned);
    let mut out = output::csv_line(heads.iter().chain(&matrix.columns).cloned());
    for row in &matrix.rows {
        for method in &row.methods {
            let lists = [row.hosts.join(" "), row.authenticators.join(" "), method.clone()];
            let built_in = if row.built_in { "yes" } else { "no" }.to_owned();
            let cells = row.cells.iter().map(|entry| match (&entry.outcome, &entry.note) {
                (Outcome::Depends, Some(note)) => format!("depends: {note}"),
                (outcome, _) => outcome.word().to_owned(),
            });
            let names = [row.route.clone(), row.pattern.clone()].into_iter();
            out.push_str(&output::csv_line(names.chain(lists).chain([built_in]).chain(cells)));
        }
    }
    out
}
