//! Who may do what, before any request: allow, deny, or on which condition.

use super::access::CallerOrigin;
use super::condition::text;
use super::residual::{Known, and, may_err, or, truth};
use crate::compile::FilePolicy;
use crate::expr::Expr;
use crate::slice::concerns_action;
use crate::vocabulary::action_index;
use crate::{Compiled, RouteFacts, RouteIndex};
use cedar_policy::Effect;
use haechi_core::Role;
use http::Method;
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
