//! The record of a decision, for people.

use crate::cli::output::shown;
use crate::shell::quoted;
use haechi_admin::decisions::{CallerRecord, DecisionRecord, Origin, Place, RequestRecord};
use haechi_core::Outcome;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Writes it out, from the outcome to how to look closer.
pub(super) fn render(record: &DecisionRecord, config: &Path) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_all(record, config, &mut out);
    // What a client chose the letters of goes to a terminal.
    out.lines().map(shown).collect::<Vec<_>>().join("\n")
}

fn write_all(record: &DecisionRecord, config: &Path, out: &mut String) -> std::fmt::Result {
    let DecisionRecord { request, caller, .. } = record;
    writeln!(out, "{}  {} {}{}", spoken(record.outcome), request.method, request.host, request.path)?;
    write_why(record, out)?;
    write_read(record, out)?;
    let over = if request.secure { "TLS" } else { "plain HTTP" };
    writeln!(out, "\nrequest\n  route {}, from {} over {over}", request.route, request.client)?;
    for (name, value) in &request.headers {
        writeln!(out, "  {name}: {value}")?;
    }
    writeln!(out, "  {}, generation {}", record.time, record.generation)?;
    writeln!(out, "  request {}, decision {}", request.id, record.id)?;
    if record.supposed {
        writeln!(out, "  nobody sent it: somebody asked by AuthZEN what would become of it")?;
    }
    write_caller(caller, out)?;
    writeln!(out, "\nlook closer, under the configuration as it is now\n  {}", again(record, config))
}

const fn spoken(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::Deny => "denied",
        Outcome::Unavailable => "could not be decided (503)",
    }
}

fn write_why(record: &DecisionRecord, out: &mut String) -> std::fmt::Result {
    if let Some(reason) = &record.reason {
        writeln!(out, "  because {reason}")?;
    }
    if !record.any_of_roles.is_empty() {
        writeln!(out, "  any of these roles would have done: {}", record.any_of_roles.join(", "))?;
    }
    if !record.all_of_scopes.is_empty() {
        writeln!(out, "  all of these scopes are needed: {}", record.all_of_scopes.join(" "))?;
    }
    for origin in &record.decided_by {
        writeln!(out, "  decided by {}", named(origin))?;
    }
    for error in &record.errors {
        writeln!(out, "  {} could not be evaluated: {}", named(&error.origin), error.message)?;
    }
    if let Some(external) = &record.external {
        let said = if external.allowed { "yes" } else { "no" };
        let kept = if external.cached { ", an answer that was kept" } else { "" };
        writeln!(out, "  the decision point `{}` said {said}{kept}", external.name)?;
    }
    if let Some(shadow) = &record.shadow {
        let reason = shadow.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        writeln!(out, "  the shadow policies: {}{reason}", spoken(shadow.outcome))?;
        for origin in &shadow.decided_by {
            writeln!(out, "    by {}", named(origin))?;
        }
    }
    Ok(())
}

fn named(origin: &Origin) -> String {
    let at = |place: &Place| format!("{}:{}:{}", place.file, place.line, place.column);
    match origin {
        Origin::Route => "the route itself".to_owned(),
        Origin::Clause { name, place: None } => format!("the clause `{name}`"),
        Origin::Clause { name, place: Some(place) } => format!("the clause `{name}`, {}", at(place)),
        Origin::Policy { place, id: None } => format!("the policy {}", at(place)),
        Origin::Policy { place, id: Some(id) } => format!("the policy `{id}`, {}", at(place)),
    }
}

fn write_read(record: &DecisionRecord, out: &mut String) -> std::fmt::Result {
    if record.read.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nread")?;
    let width = record.read.iter().map(|fact| fact.name.chars().count()).max().unwrap_or(0);
    for fact in &record.read {
        match &fact.value {
            Value::Null => writeln!(out, "  {:<width$}  -", fact.name)?,
            value => writeln!(out, "  {:<width$}  {value}", fact.name)?,
        }
    }
    Ok(())
}

fn write_caller(caller: &CallerRecord, out: &mut String) -> std::fmt::Result {
    let issuer = if caller.issuer.is_empty() { String::new() } else { format!(", of {}", caller.issuer) };
    let subject = if caller.subject.is_empty() { "nobody in particular" } else { &caller.subject };
    writeln!(out, "\ncaller\n  {subject}  by {}{issuer}", caller.authenticator)?;
    if !caller.roles.is_empty() {
        writeln!(out, "  roles   {}", caller.roles.join(", "))?;
    }
    if !caller.scopes.is_empty() {
        writeln!(out, "  scopes  {}", caller.scopes.join(", "))?;
    }
    for (name, value) in &caller.attributes {
        writeln!(out, "  {name} = {value}")?;
    }
    Ok(())
}

/// The command that explains the same request, for the same sort of caller at the same time.
fn again(record: &DecisionRecord, config: &Path) -> String {
    let DecisionRecord { request, caller, time, .. } = record;
    let RequestRecord { method, path, host, client, secure, .. } = request;
    let mut words = vec!["haechi".to_owned(), "explain".to_owned()];
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    flag("-c", &config.display().to_string());
    for (name, value) in
        [("--method", method), ("--host", host), ("--path", path), ("--ip", client), ("--time", time)]
    {
        flag(name, value);
    }
    if caller.kind != "Anonymous" {
        flag("--authenticator", &caller.authenticator);
        caller.roles.iter().for_each(|role| flag("--role", role));
        caller.scopes.iter().for_each(|scope| flag("--scope", scope));
        for (name, value) in &caller.attributes {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            flag("--attr", &format!("{name}={value}"));
        }
    } else {
        words.push("--anonymous".to_owned());
    }
    if *secure {
        words.push("--secure".to_owned());
    }
    words.join(" ")
}
