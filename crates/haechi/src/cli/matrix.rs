//! `haechi matrix`: who may do what, before any request. Routes and methods are the rows, kinds of callers the columns.

mod html;

use super::{Common, Failure, Form, MatrixArgs, configuration, output};
use crate::config::Config;
use crate::wire::access;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{CallerOrigin, Cell, cell};
use haechi_core::{CallerKind, Role};
use http::Method;
use serde::Serialize;
use std::fmt::Write;

/// All of it.
#[derive(Debug, Serialize)]
struct Matrix {
    /// The configuration that it was made of.
    file: String,
    /// The kinds of callers, in the order of the cells.
    columns: Vec<String>,
    rows: Vec<Row>,
}

/// Methods of a route for which the same holds.
#[derive(Debug, Serialize)]
struct Row {
    route: String,
    /// Whether the gate brings the route itself; no policy is about such a route.
    built_in: bool,
    pattern: String,
    hosts: Vec<String>,
    authenticators: Vec<String>,
    methods: Vec<String>,
    cells: Vec<Entry>,
}

/// What one kind of caller may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Entry {
    outcome: Outcome,
    /// On which condition, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Allow,
    Deny,
    Depends,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Depends => "depends",
        }
    }
}

/// A kind of caller.
enum Column<'a> {
    Anonymous,
    NoRole,
    Role(&'a Role),
}

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

fn made(config: &Config, file: String, only: &[String]) -> Matrix {
    let declared =
        || config.roles.names().filter(|role| !role.starts_with(haechi_core::role::RESERVED_PREFIX));
    let columns: Vec<Column<'_>> =
        [Column::Anonymous, Column::NoRole].into_iter().chain(declared().map(Column::Role)).collect();
    let access = access(config);
    let mut rows: Vec<Row> = Vec::new();
    for ((index, route), access) in config.policies.vocabulary().indexed_routes().zip(&access) {
        if !only.is_empty() && !only.iter().any(|name| **name == *route.name) {
            continue;
        }
        let first = rows.len();
        // What has no name of its own is one kind of method: `other`, as in policies.
        let other = route.methods.is_any().then(|| Method::from_bytes(b"other").ok()).flatten();
        for method in route.methods.told().iter().chain(&other) {
            let cells: Vec<Entry> =
                columns.iter().map(|column| entry(config, index, method, &access.ways, column)).collect();
            let same = rows.iter_mut().skip(first).find(|row| row.cells == cells);
            match same {
                Some(row) => row.methods.push(method.to_string()),
                None => rows.push(Row {
                    route: route.name.to_string(),
                    built_in: route.rule.is_built_in(),
                    pattern: route.pattern.to_string(),
                    hosts: access.hosts.iter().map(ToString::to_string).collect(),
                    authenticators: access.ways.iter().map(|way| way.authenticator.to_string()).collect(),
                    methods: vec![method.to_string()],
                    cells,
                }),
            }
        }
    }
    let name = |column: &Column<'_>| match column {
        Column::Anonymous => "anonymous".to_owned(),
        Column::NoRole => "no role".to_owned(),
        Column::Role(role) => role.to_string(),
    };
    Matrix { file, columns: columns.iter().map(name).collect(), rows }
}

/// What this kind of caller may do, whichever way it came; told for each way where that matters.
fn entry(
    config: &Config,
    route: RouteIndex,
    method: &Method,
    ways: &[CallerOrigin],
    column: &Column<'_>,
) -> Entry {
    let open = ways.iter().any(|way| way.kind == CallerKind::Anonymous);
    let role = match column {
        // Such a route asks nobody who they are.
        _ if open => None,
        Column::Anonymous => {
            return Entry { outcome: Outcome::Deny, note: Some("401: asks for a credential".into()) };
        }
        Column::NoRole => None,
        Column::Role(role) => Some(*role),
    };
    let mut found: Vec<(&str, Entry)> = Vec::new();
    for way in ways {
        if let Some(cell) = cell(&config.policies, route, method, way, role) {
            found.push((&way.authenticator, spoken(cell)));
        }
    }
    let Some((_, first)) = found.first() else {
        return Entry { outcome: Outcome::Deny, note: Some("no authenticator of the route says so".into()) };
    };
    if found.iter().all(|(_, entry)| entry == first) {
        return first.clone();
    }
    let told = found.iter().map(|(name, entry)| match &entry.note {
        Some(note) => format!("{name}: {note}"),
        None => format!("{name}: {}", entry.outcome.word()),
    });
    Entry { outcome: Outcome::Depends, note: Some(told.collect::<Vec<_>>().join("; ")) }
}

fn spoken(cell: Cell) -> Entry {
    let outside = cell.outside.iter().map(|name| format!("`{name}` says yes"));
    let note: Vec<String> = cell.condition.into_iter().chain(outside).collect();
    let outcome = match cell.allows {
        Some(true) => Outcome::Allow,
        Some(false) => Outcome::Deny,
        None => Outcome::Depends,
    };
    Entry { outcome, note: (!note.is_empty()).then(|| note.join(", and ")) }
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
