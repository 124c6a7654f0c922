//! Differences for people.

use crate::cli::output::{self, counted};
use crate::cli::verdict::Verdict;
use crate::inspect::diff::{ConfirmedExample, DiffReport, Kind, RouteChange};
use haechi_authz::analysis::Relation;
use std::fmt::{Result, Write};

/// Writes them out: a paragraph for each route that changed, a line for all that did not.
pub(super) fn render(told: &DiffReport) -> String {
    let mut out = String::new();
    let (same, changed): (Vec<_>, Vec<_>) = told.routes.iter().partition(|route| route.is_same());
    // Writing to a `String` does not fail.
    for route in &changed {
        let _ = write_route(&mut out, route);
    }
    if !same.is_empty() {
        let names: Vec<String> = same.iter().map(|route| format!("`{}`", route.route)).collect();
        let _ = writeln!(out, "{:<12} {}", "same", names.join(", "));
    }
    let (count, questions) = (counted(told.routes.len(), "route"), counted(told.questions, "question"));
    let _ = writeln!(
        out,
        "\n{count}, {} changed, {} the same ({questions} to cvc5, {} ms)",
        changed.len(),
        same.len(),
        told.solver_ms
    );
    out
}

fn write_route(out: &mut String, route: &RouteChange) -> Result {
    let word = match (route.change, route.relation) {
        (Kind::Added, _) => "added",
        (Kind::Removed, _) => "removed",
        (Kind::Moved, _) => "moved",
        (Kind::Kept, Some(Relation::Wider)) => "wider",
        (Kind::Kept, Some(Relation::Narrower)) => "narrower",
        (Kind::Kept, Some(Relation::Same)) => "same access",
        (Kind::Kept, Some(Relation::Incomparable)) => "wider and narrower",
        (Kind::Kept, Some(Relation::Undecided) | None) => "not decided",
    };
    let verdict = match route.change {
        Kind::Kept if route.relation == Some(Relation::Same) => Verdict::Good,
        Kind::Kept if route.relation.is_none_or(|relation| relation == Relation::Undecided) => Verdict::Look,
        _ if route.is_wider() => Verdict::Bad,
        _ => Verdict::Look,
    };
    writeln!(out, "{} `{}`", verdict.out(&format!("{word:<12}")), route.route)?;
    for note in &route.notes {
        writeln!(out, "             {}", output::shown(note))?;
    }
    if let Some(shown) = &route.gained {
        write_shown(out, "may pass now", shown)?;
    }
    if let Some(shown) = &route.lost {
        write_shown(out, "could pass before", shown)?;
    }
    for why in &route.undecided {
        writeln!(out, "             not decided: {}", output::shown(why))?;
    }
    if route.gained.is_none()
        && route.lost.is_none()
        && route.undecided.is_empty()
        && route.change != Kind::Kept
    {
        writeln!(out, "             nobody passes there")?;
    }
    Ok(())
}

fn write_shown(out: &mut String, what: &str, shown: &ConfirmedExample) -> Result {
    writeln!(out, "             {what}, for example:")?;
    for line in &shown.lines {
        writeln!(out, "               {}", output::shown(line))?;
    }
    writeln!(out, "               before: {}", output::shown(&shown.before))?;
    writeln!(out, "               now:    {}", output::shown(&shown.now))?;
    writeln!(out, "               see: {}", output::shown(&shown.explain))
}
