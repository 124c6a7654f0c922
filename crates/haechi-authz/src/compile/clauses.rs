//! The clauses of a route as Cedar expressions.

use super::messages::{faults_of, of_error, of_warning};
use super::{Checks, ClausePolicy, CompiledText, Diagnostics, PolicyFault, names, scope};
use crate::expr::{EntityName, Expr, Var};
use crate::rule::Clause;
use crate::schema::{OWN_ATTRIBUTES, quoted};
use crate::{RouteIndex, Vocabulary};
use cedar_policy::{Expression, Policy, PolicySet, ValidationMode, ValidationWarning, Validator};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What must hold on the route, clause by clause. Decision points are asked elsewhere.
pub(super) fn of_route(
    vocabulary: &Vocabulary,
    checks: &Checks,
    route: RouteIndex,
    told: &mut Diagnostics,
) -> Vec<ClausePolicy> {
    let Some(facts) = vocabulary.route(route) else { return Vec::new() };
    let mut compiled = Vec::new();
    for (index, clause) in facts.rule.clauses().iter().enumerate() {
        let holds = match clause {
            Clause::Roles(names) => Some(roles(names)),
            Clause::Scopes(names) => Some(scopes(names)),
            Clause::When(when) => {
                let at = ClausePlace { within: CompiledText::Condition(route), route: Some(route) };
                match checks.validator() {
                    Ok(validator) => condition(vocabulary, validator, at, &when.text, told),
                    Err(fault) => {
                        told.faults.push(fault);
                        None
                    }
                }
            }
            Clause::External(_) => None,
        };
        compiled.extend(holds.map(|holds| ClausePolicy { index, holds }));
    }
    compiled
}

fn roles(names: &[Arc<str>]) -> Expr {
    let roles = names.iter().map(|name| Expr::Entity(EntityName::new("Role", name))).collect();
    Expr::Binary("in".into(), Box::new(Expr::Var(Var::Principal)), Box::new(Expr::Set(roles)))
}

fn scopes(names: &[Arc<str>]) -> Expr {
    let held = Expr::Attr(Box::new(Expr::Var(Var::Principal)), "scopes".into());
    let wanted = names.iter().map(|name| Expr::Literal(Json::String(name.to_string()))).collect();
    Expr::Binary("containsAll".into(), Box::new(held), Box::new(Expr::Set(wanted)))
}

/// Where a condition stands.
#[derive(Clone, Copy)]
pub(super) struct ClausePlace {
    /// What faults are said to be in.
    pub(super) within: CompiledText,
    /// The route that it is about, if it is about one.
    pub(super) route: Option<RouteIndex>,
}

/// A condition, with everything that it reads tested first.
pub(super) fn condition(
    vocabulary: &Vocabulary,
    validator: &Validator,
    at: ClausePlace,
    text: &str,
    told: &mut Diagnostics,
) -> Option<Expr> {
    let ClausePlace { within, route } = at;
    let faults = &mut told.faults;
    if let Err(fault) = super::depth::check(text, within) {
        faults.push(fault);
        return None;
    }
    // By itself first, so that no bracket of it can close one of ours.
    if let Err(errors) = text.parse::<Expression>() {
        faults.extend(faults_of(&errors, within, 0, text.len()));
        return None;
    }
    let expr = match parse(&format!("permit(principal, action, resource) when {{\n{text}\n}};")) {
        Ok(expr) => expr,
        Err(message) => {
            faults.push(PolicyFault { within, offset: 0, length: 0, message, help: None });
            return None;
        }
    };
    let before = faults.len();
    names::check(vocabulary, route, &expr, text, |offset, length, message, help| {
        faults.push(PolicyFault { within, offset, length, message, help });
    });
    if faults.len() > before {
        return None;
    }
    let guards = guards(&expr);
    let about = route.and_then(|route| vocabulary.route(route));
    let resource = about.map_or_else(String::new, |facts| format!(" == Route::{}", quoted(&facts.name)));
    let head = format!("forbid(principal, action, resource{resource}) unless {{\n{guards}(");
    validated(validator, &head, text, within, told)?;
    let head = format!("permit(principal, action, resource{resource}) when {{\n{guards}(");
    if is_impossible(validator, &format!("{head}{text}\n)}};")) {
        let message = "the condition never holds: nobody can pass".into();
        told.odd.push(PolicyFault { within, offset: 0, length: text.len(), message, help: None });
    }
    parse(&format!("permit(principal, action, resource) when {{\n{guards}({text}\n)}};")).ok()
}

/// Strict validation of the condition, with messages in terms of what was written.
fn validated(
    validator: &Validator,
    head: &str,
    text: &str,
    within: CompiledText,
    told: &mut Diagnostics,
) -> Option<()> {
    let Some(set) = alone(&format!("{head}{text}\n)}};")) else {
        let message = "the expression cannot stand in a policy".into();
        told.faults.push(PolicyFault { within, offset: 0, length: 0, message, help: None });
        return None;
    };
    let result = validator.validate(&set, ValidationMode::Strict);
    let before = told.faults.len();
    let errors = result.validation_errors();
    told.faults.extend(errors.map(|error| of_error(error, within, head.len(), text)));
    for warning in result.validation_warnings() {
        // The clause forbids what does not fulfil the condition: impossible is what nobody can fail.
        told.odd.push(match warning {
            ValidationWarning::ImpossiblePolicy(_) => {
                let message = "the condition always holds: it asks for nothing".into();
                PolicyFault { within, offset: 0, length: text.len(), message, help: None }
            }
            other => of_warning(other, within, head.len(), text),
        });
    }
    (told.faults.len() == before).then_some(())
}

fn is_impossible(validator: &Validator, policy: &str) -> bool {
    let result = alone(policy).map(|set| validator.validate(&set, ValidationMode::Strict));
    let impossible = |warning: &ValidationWarning| matches!(warning, ValidationWarning::ImpossiblePolicy(_));
    result.is_some_and(|result| result.validation_warnings().any(impossible))
}

fn alone(policy: &str) -> Option<PolicySet> {
    Policy::parse(None, policy).ok().and_then(|policy| PolicySet::from_policies([policy]).ok())
}

fn parse(policy: &str) -> Result<Expr, String> {
    let policy = Policy::parse(None, policy).map_err(|error| error.to_string())?;
    let json = policy.to_json().map_err(|error| error.to_string())?;
    scope::conditions(&json).map_err(|error| error.to_string())
}

/// A missing attribute makes a condition false: every optional attribute that is read and never tested with `has` is tested first.
fn guards(expr: &Expr) -> String {
    let (mut read, mut tested) = (BTreeSet::new(), BTreeSet::new());
    optional(expr, &mut read, &mut tested);
    read.difference(&tested).map(|(record, name)| format!("{record} has {} && ", quoted(name))).collect()
}

fn optional<'a>(
    expr: &'a Expr,
    read: &mut BTreeSet<(&'static str, &'a str)>,
    tested: &mut BTreeSet<(&'static str, &'a str)>,
) {
    if let Expr::Attr(left, name) | Expr::Has(left, name) = expr
        && let Some(record) = record(left, name)
    {
        let seen = if matches!(expr, Expr::Has(..)) { &mut *tested } else { &mut *read };
        seen.insert((record, name.as_str()));
    }
    expr.children().into_iter().for_each(|child| optional(child, read, tested));
}

fn record(left: &Expr, name: &str) -> Option<&'static str> {
    match left {
        Expr::Var(Var::Principal) => (!OWN_ATTRIBUTES.contains(&name)).then_some("principal"),
        Expr::Attr(inner, record) if **inner == Expr::Var(Var::Context) => match record.as_str() {
            "params" => Some("context.params"),
            "headers" => Some("context.headers"),
            _ => None,
        },
        _ => None,
    }
}
