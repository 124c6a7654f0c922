//! A cell of the matrix, proved: that nobody of a kind passes, or that everybody does, or who shows that neither is true.

use super::InspectError;
use super::analysis::Loaded;
use super::matrix::{Entry, Outcome, of_kind};
use super::prove::{self, OnRoute};
use crate::config::{Config, Property};
use haechi_authn::StepUp;
use haechi_authz::analysis::{self, Demand, Group, PropertyScope, Solver};
use haechi_authz::compile::condition;
use haechi_core::{Role, role};
use http::Method;
use serde::Serialize;
use std::sync::Arc;

/// What stands in the cell, and what was found about it.
#[derive(Debug, Serialize)]
pub(crate) struct CellReport {
    route: String,
    method: String,
    caller: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether nobody of the kind passes; an example is somebody who does.
    #[serde(skip_serializing_if = "Option::is_none")]
    nobody_passes: Option<OnRoute>,
    /// Whether everybody of the kind passes; an example is somebody who does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    everybody_passes: Option<OnRoute>,
}

/// Which cell.
pub(crate) struct WantedCell {
    pub(crate) route: String,
    pub(crate) method: Method,
    /// As the matrix calls the column.
    pub(crate) caller: String,
}

/// Looks at a cell. `start` gives whoever proves.
///
/// # Errors
/// There is no such cell, and what `start` says.
pub(crate) async fn proved<E: From<InspectError>>(
    loaded: &Loaded,
    wanted: WantedCell,
    start: impl FnOnce() -> Result<Solver, E>,
) -> Result<CellReport, E> {
    let config = &loaded.config;
    let WantedCell { route, method, caller } = wanted;
    let missing =
        || InspectError::new(format!("the matrix has no cell of `{route}`, {method} and `{caller}`"));
    let (is_open, Entry { outcome, note }) = of_kind(config, &route, &method, &caller).ok_or_else(missing)?;
    let mut report = CellReport {
        route: route.clone(),
        method: method.to_string(),
        caller: caller.clone(),
        outcome,
        note,
        nobody_passes: None,
        everybody_passes: None,
    };
    if caller == ANONYMOUS && !is_open {
        // Nobody is anonymous there: nothing is to be proved of them.
        return Ok(report);
    }
    let group = group(config, &caller, is_open).map_err(InspectError::new)?;
    let property = |name: &str, demand| {
        let concern = PropertyScope::Routes(vec![route.as_str().into()]);
        let methods = vec![method.clone()];
        let rules = analysis::Property { name: name.to_owned(), concern, methods, demand };
        // With any login: where the route asks for a newer or stronger one, not everybody passes.
        Property { rules, login: StepUp::default() }
    };
    let mut properties = vec![property("nobody passes", Demand::Never(group.clone()))];
    if outcome != Outcome::Deny {
        properties.push(property("everybody passes", Demand::AlwaysIf(group)));
    }
    let mut solver = start()?;
    let answers = prove::ask(loaded, &properties, &mut solver).await.properties.into_iter();
    let mut found = answers.map(|answer| answer.routes.into_iter().next());
    (report.nobody_passes, report.everybody_passes) = (found.next().flatten(), found.next().flatten());
    Ok(report)
}

const ANONYMOUS: &str = "anonymous";

/// Callers of a kind: those who were given the role and no other, or none.
fn group(config: &Config, caller: &str, is_open: bool) -> Result<Group, String> {
    if is_open {
        return Ok(Group { anonymous: Some(true), ..Group::default() });
    }
    let given: Option<Role> = config.roles.names().find(|role| ***role == *caller).cloned();
    let held = config.roles.effective(given.as_slice());
    let others =
        config.roles.names().filter(|role| !held.contains(role) && !role.starts_with(role::RESERVED_PREFIX));
    let none: Vec<String> =
        others.map(|role| format!("!(principal in Role::{})", serde_json::Value::from(&**role))).collect();
    let when = match none.as_slice() {
        [] => None,
        none => {
            let text = none.join(" && ");
            let faults = |faults: Vec<haechi_authz::PolicyFault>| {
                faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
            };
            Some(condition(&config.policies, &text).map_err(faults)?)
        }
    };
    let direct_roles: Vec<Arc<str>> = given.iter().map(|role| Arc::from(&**role)).collect();
    Ok(Group { direct_roles, anonymous: Some(false), when, ..Group::default() })
}
