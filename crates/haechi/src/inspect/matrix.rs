//! Who may do what, before any request. Routes and methods are the rows, kinds of callers the columns.

use crate::config::Config;
use crate::wire::rules::access;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{CallerOrigin, Cell, cell};
use haechi_core::{CallerKind, Role};
use http::Method;
use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Matrix {
    /// The configuration that it was made of.
    pub(crate) file: String,
    /// The kinds of callers, in the order of the cells.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// Methods of a route for which the same holds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) route: String,
    /// Whether the gate brings the route itself; no policy is about such a route.
    pub(crate) built_in: bool,
    pub(crate) pattern: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) authenticators: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) cells: Vec<Entry>,
}

/// What one kind of caller may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) outcome: Outcome,
    /// On which condition, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Allow,
    Deny,
    Depends,
}

impl Outcome {
    pub(crate) const fn word(self) -> &'static str {
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

impl Column<'_> {
    fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::NoRole => "no role".to_owned(),
            Self::Role(role) => role.to_string(),
        }
    }
}

/// Of all routes, or only those of these names.
pub(crate) fn made(config: &Config, file: String, only: &[String]) -> Matrix {
    let columns = columns(config);
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
    Matrix { file, columns: columns.iter().map(Column::name).collect(), rows }
}

/// What each kind of caller may do on one route with one method, and on which condition or why not.
pub(crate) fn kinds(
    config: &Config,
    route: RouteIndex,
    method: &Method,
    ways: &[CallerOrigin],
) -> Vec<(String, Outcome, Option<String>)> {
    let told = columns(config).into_iter().map(|column| {
        let Entry { outcome, note } = entry(config, route, method, ways, &column);
        (column.name(), outcome, note)
    });
    told.collect()
}

/// What stands in one cell, by what its row and column are called; and whether the route asks nobody who they are.
pub(crate) fn of_kind(config: &Config, route: &str, method: &Method, caller: &str) -> Option<(bool, Entry)> {
    let access = access(config);
    let routes = config.policies.vocabulary().indexed_routes().zip(&access);
    let ((index, _), access) = routes
        .filter(|((_, facts), _)| *facts.name == *route)
        .find(|((_, facts), _)| facts.methods.is_any() || facts.methods.told().contains(method))?;
    let column = columns(config).into_iter().find(|column| column.name() == caller)?;
    let is_open = access.ways.iter().any(|way| way.kind == CallerKind::Anonymous);
    Some((is_open, entry(config, index, method, &access.ways, &column)))
}

fn columns(config: &Config) -> Vec<Column<'_>> {
    let declared = config.roles.names().filter(|role| !role.starts_with(haechi_core::role::RESERVED_PREFIX));
    [Column::Anonymous, Column::NoRole].into_iter().chain(declared.map(Column::Role)).collect()
}

/// What this kind of caller may do. A route that asks for a certain login lets in nobody else, whatever its policies say.
fn entry(
    config: &Config,
    route: RouteIndex,
    method: &Method,
    ways: &[CallerOrigin],
    column: &Column<'_>,
) -> Entry {
    let found = of_policies(config, route, method, ways, column);
    let login = config.routes.get(route.get()).and_then(|route| route.settings.step_up.wanted());
    match login {
        Some(login) if found.outcome != Outcome::Deny => {
            let note =
                found.note.into_iter().chain([format!("the credential has {login}")]).collect::<Vec<_>>();
            Entry { outcome: Outcome::Depends, note: Some(note.join(", and ")) }
        }
        _ => found,
    }
}

/// The same, by policies alone, whichever way the caller came; told for each way where that matters.
fn of_policies(
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
