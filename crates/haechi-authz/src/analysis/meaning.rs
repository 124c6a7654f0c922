//! Whom a route lets pass, as one condition: it holds exactly where the engine allows.

use super::access::Side;
use super::field::{all, any, not};
use super::rewrite::UnsupportedError;
use crate::expr::Expr;
use crate::{RouteIndex, Source};
use cedar_policy::Effect;

/// The condition of the route with this index, apart from decision points, which are taken to say yes.
///
/// # Errors
/// Which policy or clause cannot be analysed.
pub(super) fn of_route(side: &Side<'_>, route: RouteIndex) -> Result<Expr, String> {
    let rewriter = side.rewriter(route).ok_or("there is no such route")?;
    let written = rewriter.route.rule.clauses();
    let mut parts = Vec::new();
    for clause in side.compiled.clauses(route) {
        let source = written.get(clause.index).map_or(Source::Grant, crate::Clause::source);
        parts.push(rewriter.rewrite(&clause.holds).map_err(|beyond| told(&source, &beyond))?);
    }
    let mut permits = Vec::new();
    for policy in side.compiled.policies().iter().filter(|policy| policy.scope.is_about(rewriter.route)) {
        let whole = rewriter.rewrite(&policy.whole()).map_err(|beyond| told(&policy.source, &beyond))?;
        match policy.effect {
            Effect::Forbid => parts.push(not(whole)),
            Effect::Permit => {
                // A permit that errs denies even where another one permits: it is always looked at.
                parts.push(looked_at(&whole));
                permits.push(whole);
            }
        }
    }
    if !rewriter.route.rule.grants() {
        parts.push(any(permits));
    }
    Ok(all(parts))
}

/// True, unless looking at it is an error. What cannot err need not be looked at.
fn looked_at(whole: &Expr) -> Expr {
    if may_err(whole) { whole.clone().or(Expr::bool(true)) } else { Expr::bool(true) }
}

/// Arithmetic is all that can fail in what was strictly validated.
fn may_err(expr: &Expr) -> bool {
    let here = match expr {
        Expr::Binary(op, ..) => ["+", "-", "*", "%"].contains(&op.as_str()),
        Expr::Unary(op, _) => op == "neg",
        Expr::Call(..) => true,
        _ => false,
    };
    here || expr.children().into_iter().any(may_err)
}

fn told(source: &Source, beyond: &UnsupportedError) -> String {
    format!("{source}: {beyond}")
}
