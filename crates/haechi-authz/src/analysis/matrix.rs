//! Who may do what, before any request: allow, deny, or on which condition.

use super::access::CallerOrigin;
use super::residual::{Known, and, may_err, or, truth};
use crate::compile::FilePolicy;
use crate::expr::Expr;
use crate::slice::{concerns_action, made};
use crate::vocabulary::action_index;
use crate::{Compiled, RouteFacts, RouteIndex};
use cedar_policy::Effect;
use haechi_core::Role;
use http::Method;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What a kind of caller may do on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whether the rules allow; `None` where that depends on what is not known before a request.
    pub allows: Option<bool>,
    /// On which condition, in Cedar, where it depends on one.
    pub condition: Option<String>,
    /// The decision points that must say yes besides.
    pub outside: Vec<Arc<str>>,
}

impl Cell {
    const fn decided(allows: bool) -> Self {
        Self { allows: Some(allows), condition: None, outside: Vec::new() }
    }
}

/// What callers may do who came by `way` and were given `role` alone, or no role. `None` where this way in has no such callers.
pub fn cell(
    compiled: &Compiled,
    route: RouteIndex,
    method: &Method,
    way: &CallerOrigin,
    role: Option<&Role>,
) -> Option<Cell> {
    let vocabulary = compiled.vocabulary();
    let roles = way.gives(role, vocabulary)?;
    let facts = vocabulary.route(route)?;
    let Some(action) = action_index(method) else { return Some(Cell::decided(false)) };
    let known = Known { vocabulary, route, action, way, roles: &roles };
    Some(of_rules(compiled, facts, &known))
}

fn of_rules(compiled: &Compiled, facts: &RouteFacts, known: &Known<'_>) -> Cell {
    let mut condition = Expr::bool(true);
    for clause in compiled.clauses(known.route) {
        condition = and(condition, known.fold(&clause.holds));
    }
    let mut permitted = Expr::bool(facts.rule.grants());
    for policy in about(compiled, facts, known.action) {
        let holds = known.fold(&policy.whole());
        match policy.effect {
            Effect::Forbid => condition = and(condition, not(holds)),
            // A permit that errs denies, even where another permits.
            Effect::Permit if may_err(&holds) && truth(&permitted) == Some(true) => {
                condition = and(condition, Expr::bool(true).and(holds.clone().or(not(holds))));
            }
            Effect::Permit => permitted = or(permitted, holds),
        }
    }
    let condition = and(condition, permitted);
    let outside: Vec<Arc<str>> = facts.rule.external().cloned().collect();
    match truth(&condition) {
        Some(false) => Cell::decided(false),
        Some(true) if outside.is_empty() => Cell::decided(true),
        Some(true) => Cell { allows: None, condition: None, outside },
        None => Cell { allows: None, condition: Some(text(&condition)), outside },
    }
}

fn not(expr: Expr) -> Expr {
    truth(&expr).map_or_else(|| expr.not(), |value| Expr::bool(!value))
}

fn about<'a>(
    compiled: &'a Compiled,
    facts: &'a RouteFacts,
    action: usize,
) -> impl Iterator<Item = &'a FilePolicy> {
    compiled
        .policies()
        .iter()
        .filter(move |policy| concerns_action(&policy.scope.action, action) && policy.scope.is_about(facts))
}

/// In Cedar, without tests for what is read in the same breath: a missing fact makes a condition false.
fn text(condition: &Expr) -> String {
    let mut parts = Vec::new();
    flatten(condition, &mut parts);
    let needed = |part: &&Expr| match part {
        Expr::Has(record, name) => {
            let read = Expr::Attr(record.clone(), name.clone());
            !parts.iter().any(|other| mentions(other, &read))
        }
        _ => true,
    };
    let kept = parts.iter().copied().filter(needed).cloned().reduce(Expr::and);
    cedar(&kept.unwrap_or_else(|| condition.clone()))
}

fn flatten<'a>(expr: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Binary(op, left, right) if op == "&&" => {
            flatten(left, parts);
            flatten(right, parts);
        }
        other => parts.push(other),
    }
}

fn mentions(expr: &Expr, wanted: &Expr) -> bool {
    expr == wanted || expr.children().into_iter().any(|child| mentions(child, wanted))
}

/// The text of an expression.
fn cedar(expr: &Expr) -> String {
    let condition = json!({ "kind": "when", "body": expr.to_json() });
    let policy = made("m", "permit", &Json::Null, Some(condition)).ok().and_then(|policy| policy.to_cedar());
    let whole = policy.unwrap_or_default();
    let body = whole.split_once("when {").and_then(|(_, rest)| rest.rsplit_once('}'));
    let body = body.map_or(whole.as_str(), |(body, _)| body);
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}
