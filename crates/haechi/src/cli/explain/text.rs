//! An explanation for people.

use super::Explanation;
use std::fmt::Write;

/// Writes it out, from the request to the outcome.
pub(super) fn render(told: &Explanation) -> String {
    let mut out = format!("{} {}{}\n", told.method, told.host, told.path);
    // Writing to a `String` does not fail.
    let _ = write_all(told, &mut out);
    out
}

fn write_all(told: &Explanation, out: &mut String) -> std::fmt::Result {
    if let Some(route) = &told.route {
        writeln!(out, "\nroute\n  {}  {}  ({})", route.name, route.pattern, route.why)?;
        for other in &told.passed_over {
            writeln!(out, "  not {}: {}", other.name, other.why)?;
        }
    }
    if !told.authenticators.is_empty() {
        writeln!(out, "\nauthenticate")?;
        for asked in &told.authenticators {
            let reason = asked.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            writeln!(out, "  {}  {}{reason}", asked.authenticator, asked.result)?;
        }
    }
    if let Some(caller) = &told.caller {
        let subject = if caller.subject.is_empty() { "nobody in particular" } else { &caller.subject };
        writeln!(out, "\ncaller\n  {subject}  by {}", caller.authenticator)?;
        if !caller.roles.is_empty() {
            writeln!(out, "  roles   {}", caller.roles.join(", "))?;
        }
        if !caller.scopes.is_empty() {
            writeln!(out, "  scopes  {}", caller.scopes.join(", "))?;
        }
        for (name, value) in &caller.attributes {
            writeln!(out, "  {name} = {value}")?;
        }
        writeln!(out, "\nauthorize")?;
        if told.clauses.is_empty() {
            writeln!(out, "  any  holds for everyone")?;
        }
        for clause in &told.clauses {
            writeln!(out, "  {}  {}", clause.clause, if clause.holds { "holds" } else { "DOES NOT HOLD" })?;
        }
    }
    if let Some(service) = &told.service {
        writeln!(out, "\nforward to {service}, with")?;
        for (name, value) in &told.headers {
            writeln!(out, "  {name}: {value}")?;
        }
    }
    let why = told.refused.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    writeln!(out, "\n=> {} ({}){why}", told.outcome, told.status)
}
