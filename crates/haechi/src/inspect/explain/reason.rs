//! Reasons, rules and facts in words.

use super::told::RuleExplanation;
use crate::config::Config;
use haechi_authz::schema::quoted;
use haechi_authz::{
    Clause, Decision, DenyReason, FactValue, Facts, Finding, Place, Read, RequestFacts, RouteIndex, Source,
    Vocabulary,
};
use haechi_core::AttributeValue;

/// Why a request is denied, with what is missing.
pub(super) fn because(decision: &Decision, facts: &Facts<'_>) -> String {
    let Some(reason) = decision.reason() else { return String::new() };
    match &reason {
        DenyReason::Roles(names) => match &names[..] {
            [one] => format!("the caller does not hold the role `{one}`"),
            several => format!("the caller holds none of the roles `{}`", several.join("`, `")),
        },
        DenyReason::Scopes(names) => {
            let missing: Vec<&str> =
                names.iter().filter(|name| !facts.caller.has_scope(name)).map(|name| &**name).collect();
            match &missing[..] {
                [one] => format!("the caller was not granted the scope `{one}`"),
                several => format!("the caller was not granted the scopes `{}`", several.join("`, `")),
            }
        }
        DenyReason::Error(source) => {
            let errors = &decision.verdict.errors;
            let message = errors.iter().find(|(of, _)| of == source).map(|(_, message)| message);
            let message = message.map_or_else(String::new, |message| format!(": {message}"));
            format!("{}{message}", reason.describe())
        }
        other => other.describe(),
    }
}

/// What permits a request; `clauses` says whether the route has any.
pub(super) fn permitted_by(decision: &Decision, clauses: bool) -> String {
    let policies: Vec<String> = decision
        .verdict
        .decided_by
        .iter()
        .filter(|source| matches!(source, Source::Policy(..)))
        .map(Source::to_string)
        .collect();
    let outside = decision.external.as_ref();
    let outside = outside.map_or_else(String::new, |point| format!(", and `{}` says yes", point.name));
    match &policies[..] {
        [] if clauses => format!("every clause of the route holds{outside}"),
        [] => format!("the route lets through whoever comes this far{outside}"),
        [one] => format!("{one} permits it{outside}"),
        several => format!("{} permit it{outside}", several.join(", ")),
    }
}

/// A clause or policy with its text and place.
pub(super) fn rule_says(
    finding: Finding,
    config: &Config,
    route: RouteIndex,
    decision: &Decision,
) -> RuleExplanation {
    let route = config.routes.get(route.get());
    let of_route = route.map(|route| {
        let (file, at) = config.warnings.place_of(route.span.start);
        Place {
            file: file.display().to_string().into(),
            line: u32::try_from(at.line).unwrap_or(u32::MAX),
            column: u32::try_from(at.column).unwrap_or(u32::MAX),
        }
    });
    let mut clauses = route.into_iter().flat_map(|route| route.authorize.clauses());
    let clause = clauses.find(|clause| clause.source() == finding.source);
    let (effect, text, place) = match (&finding.source, clause) {
        (_, Some(Clause::Roles(names))) => {
            ("requires", format!("roles: any of {}", names.join(", ")), of_route)
        }
        (_, Some(Clause::Scopes(names))) => {
            ("requires", format!("scopes: all of {}", names.join(", ")), of_route)
        }
        (_, Some(Clause::When(condition))) => {
            let text = condition.text.split_whitespace().collect::<Vec<_>>().join(" ");
            ("requires", format!("when: {text}"), Some(condition.place.clone()))
        }
        (Source::Policy(place, id), _) => {
            let effect = if finding.permits { "permit" } else { "forbid" };
            (effect, id.as_ref().map_or_else(String::new, |id| format!("`{id}`")), Some(place.clone()))
        }
        (Source::Grant, _) if of_route.is_none() => ("grant", "built in".to_owned(), None),
        (Source::Grant, _) => ("grant", "authorize: any".to_owned(), of_route),
        (source, _) => ("requires", source.to_string(), of_route),
    };
    let decided = decision.verdict.decided_by.contains(&finding.source)
        || decision.verdict.errors.iter().any(|(source, _)| *source == finding.source);
    RuleExplanation { effect, text, place, says: finding.says, decided, source: finding.source }
}

/// What a fact was: `Some(None)` where it is missing, `None` where it stands elsewhere in the explanation.
pub(super) fn fact(read: &Read, facts: &Facts<'_>, vocabulary: &Vocabulary) -> Option<Option<String>> {
    let is_told = matches!(
        read,
        Read::Subject
            | Read::Issuer
            | Read::Authenticator
            | Read::Attribute(_)
            | Read::Host
            | Read::Path
            | Read::Param(_)
            | Read::Header(_)
            | Read::Ip
            | Read::Time
            | Read::Secure
    );
    let source = RequestFacts { facts: *facts, vocabulary };
    is_told.then(|| read.value(&source).ok().and_then(|value| in_words(&value)))
}

fn in_words(value: &FactValue<'_>) -> Option<String> {
    Some(match value {
        FactValue::Text(text) => quoted(text),
        FactValue::Attribute(AttributeValue::String(text)) => quoted(text),
        FactValue::Attribute(AttributeValue::Set(members)) => {
            let members = members.iter().map(|member| quoted(member));
            format!("[{}]", members.collect::<Vec<_>>().join(", "))
        }
        FactValue::Attribute(other) => other.to_string(),
        FactValue::Ip(address) => address.to_string(),
        FactValue::Time(at) => at.rfc3339().to_string(),
        FactValue::Bool(value) => value.to_string(),
        _ => return None,
    })
}
