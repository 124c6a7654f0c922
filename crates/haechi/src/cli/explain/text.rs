//! An explanation for people: the outcome and its reason first, then how it came about.

use crate::inspect::explain::{AuthenticatorAttempt, Explanation, LimitShown, RuleExplanation};
use haechi_authz::RuleResult;
use std::fmt::Write;

/// Writes it out. Policies that are about something else are counted, or with `all` listed.
pub(crate) fn render(told: &Explanation, all: bool) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_all(told, all, &mut out);
    out
}

fn write_all(told: &Explanation, all: bool, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{} ({})  {} {}{}", told.outcome, told.status, told.method, told.host, told.path)?;
    writeln!(out, "  because {}", told.because)?;
    let mut blocks = vec![
        ("route", routes(told)),
        ("asked", asked(told)),
        ("limits", limits(told)),
        ("caller", caller(told)),
        ("rules", rules(told, all)),
        ("facts", facts(told)),
    ];
    if let Some(external) = &told.external {
        let said = if external.allowed { "yes" } else { "no" };
        blocks.push(("outside", vec![vec![format!("`{}` says {said}", external.name)]]));
    }
    if let Some(shadow) = &told.shadow {
        let line = format!("the shadow policies would {}: {}", shadow.outcome, shadow.because);
        blocks.push(("shadow", vec![vec![line]]));
    }
    if let Some(service) = &told.service {
        let headers = told.headers.iter().map(|(name, value)| vec![format!("{name}: {value}")]);
        let credential = told.credential.iter().map(|credential| vec![format!("gets {credential}")]);
        blocks
            .push(("to", std::iter::once(vec![service.clone()]).chain(headers).chain(credential).collect()));
    }
    if let Some(change) = &told.change {
        blocks.push(("help", vec![vec![help(&change.said, change.steps.is_empty())]]));
    }
    if blocks.iter().any(|(_, rows)| !rows.is_empty()) {
        writeln!(out)?;
    }
    for (label, rows) in blocks {
        for (index, row) in aligned(&rows).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(out, "  {label:<8} {row}")?;
        }
    }
    Ok(())
}

fn help(said: &str, nothing: bool) -> String {
    if nothing { said.to_owned() } else { format!("to allow it, {said}") }
}

fn routes(told: &Explanation) -> Vec<Vec<String>> {
    let chosen = told.route.iter().map(|route| (route.name.clone(), route));
    let others = told.passed_over.iter().map(|route| (format!("not {}", route.name), route));
    chosen.chain(others).map(|(name, route)| vec![name, route.pattern.clone(), route.why.clone()]).collect()
}

fn asked(told: &Explanation) -> Vec<Vec<String>> {
    let row = |asked: &AuthenticatorAttempt| {
        let reason = asked.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        vec![asked.authenticator.clone(), format!("{}{reason}", asked.result)]
    };
    told.authenticators.iter().map(row).collect()
}

fn limits(told: &Explanation) -> Vec<Vec<String>> {
    let row = |limit: &LimitShown| {
        let LimitShown { name, requests, per_seconds, burst, when } = limit;
        vec![name.clone(), format!("{requests} in {per_seconds} s, {burst} at once"), (*when).to_owned()]
    };
    told.limits.iter().map(row).collect()
}

fn caller(told: &Explanation) -> Vec<Vec<String>> {
    let Some(caller) = &told.caller else { return Vec::new() };
    let subject = if caller.subject.is_empty() { "nobody in particular" } else { &caller.subject };
    let issuer =
        if caller.issuer.is_empty() { String::new() } else { format!(", vouched for by {}", caller.issuer) };
    let mut rows = vec![vec![format!("{subject}, through `{}`{issuer}", caller.authenticator)]];
    if !caller.roles.is_empty() {
        rows.push(vec![format!("roles: {}", caller.roles.join(", "))]);
    }
    if !caller.scopes.is_empty() {
        rows.push(vec![format!("scopes: {}", caller.scopes.join(", "))]);
    }
    rows.extend(caller.attributes.iter().map(|(name, value)| vec![format!("{name}: {value}")]));
    rows
}

fn rules(told: &Explanation, all: bool) -> Vec<Vec<String>> {
    let told_of = |rule: &&RuleExplanation| all || rule.says != RuleResult::NotApplicable;
    let mut rows: Vec<Vec<String>> = told.rules.iter().filter(told_of).map(rule).collect();
    let others = told.rules.len() - rows.len();
    if others > 0 {
        let (is, it) = if others == 1 { ("policy is", "it") } else { ("policies are", "them") };
        rows.push(vec![format!("{others} {is} about other callers, methods or routes; `--all` lists {it}")]);
    }
    rows
}

fn rule(rule: &RuleExplanation) -> Vec<String> {
    let says = match &rule.says {
        RuleResult::True => "true",
        RuleResult::False => "false",
        RuleResult::NotApplicable => "n/a",
        RuleResult::Error(_) => "ERROR",
    };
    let place = rule.place.as_ref().map_or_else(String::new, ToString::to_string);
    let mark = if rule.decided { ">" } else { " " };
    let mut cells = match rule.effect {
        "requires" | "grant" => vec![format!("{mark} {says}"), rule.text.clone(), place],
        effect if rule.text.is_empty() => vec![format!("{mark} {says}"), format!("{effect} {place}")],
        effect => vec![format!("{mark} {says}"), format!("{effect} {}", rule.text), place],
    };
    if let RuleResult::Error(message) = &rule.says {
        cells.push(message.clone());
    }
    cells
}

fn facts(told: &Explanation) -> Vec<Vec<String>> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "missing".into());
    told.facts.iter().map(|looked| vec![looked.fact.clone(), value(&looked.value)]).collect()
}

/// Rows with their cells below each other; a row of one cell takes the whole width. Nothing that a terminal would obey.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| crate::cli::output::shown(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > 1).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let padded = |row: &Vec<String>| match &row[..] {
        [only] => only.clone(),
        cells => {
            let cells = cells.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        }
    };
    rows.iter().map(padded).collect()
}
