//! Whether every name in a policy is one that the configuration has. Cedar takes any role, and takes `has` of a misspelt attribute for false.

use crate::expr::{Expr, Var};
use crate::schema::OWN_ATTRIBUTES;
use crate::vocabulary::ACTIONS;
use crate::{RouteIndex, Vocabulary};

/// Takes one fault: where in the text, how long, what, and what would be right.
type Report<'a> = &'a mut dyn FnMut(usize, usize, String, Option<String>);

const CONTEXT: [&str; 7] = ["host", "path", "params", "headers", "ip", "time", "secure"];

/// Reports every name in `expr` that is not there. `text` is what it was read from; with a `route`, only that route's own parameters are there.
pub(super) fn check(
    vocabulary: &Vocabulary,
    route: Option<RouteIndex>,
    expr: &Expr,
    text: &str,
    mut report: impl FnMut(usize, usize, String, Option<String>),
) {
    let mut told = Vec::new();
    walk(expr, &mut |kind, name| {
        if told.iter().any(|known: &(String, String)| known.0 == kind && known.1 == name) {
            return;
        }
        told.push((kind.to_owned(), name.to_owned()));
        unknown(vocabulary, route, kind, name, text, &mut report);
    });
}

fn walk(expr: &Expr, told: &mut dyn FnMut(&str, &str)) {
    match expr {
        Expr::Attr(left, name) | Expr::Has(left, name) => match &**left {
            Expr::Var(Var::Principal) => told("caller attribute", name),
            Expr::Var(Var::Context) => told("fact about requests", name),
            Expr::Attr(inner, record) if **inner == Expr::Var(Var::Context) && record == "params" => {
                told("path parameter", name);
            }
            Expr::Attr(inner, record) if **inner == Expr::Var(Var::Context) && record == "headers" => {
                told("context header", name);
            }
            _ => {}
        },
        Expr::Entity(_) | Expr::Literal(_) => {
            expr.entities().iter().for_each(|entity| told(&entity.kind, &entity.id));
        }
        _ => {}
    }
    expr.children().into_iter().for_each(|child| walk(child, told));
}

fn unknown(
    vocabulary: &Vocabulary,
    route: Option<RouteIndex>,
    kind: &str,
    name: &str,
    text: &str,
    report: Report<'_>,
) {
    let known: Vec<&str> = match kind {
        "caller attribute" => {
            OWN_ATTRIBUTES.into_iter().chain(vocabulary.attributes.keys().map(|name| &**name)).collect()
        }
        "fact about requests" => CONTEXT.to_vec(),
        "context header" => vocabulary.headers.keys().map(|name| &**name).collect(),
        "path parameter" => match route.and_then(|route| vocabulary.route(route)) {
            Some(route) => route.pattern.params().collect(),
            None => vocabulary.params(),
        },
        "Role" => vocabulary.roles.names().map(|role| &**role).collect(),
        "Route" => {
            let own = vocabulary.routes.iter().filter(|route| !route.rule.is_built_in());
            own.map(|route| &*route.name).collect()
        }
        "Service" => vocabulary.routes.iter().filter_map(|route| route.service.as_deref()).collect(),
        "Action" => ACTIONS.iter().map(|(name, _)| *name).chain(["read", "write"]).collect(),
        _ => return,
    };
    if known.contains(&name) {
        return;
    }
    let (offset, length) = position(text, kind, name);
    if kind == "Route" && vocabulary.index_of(name).is_some() {
        let message = format!("no policy is about the built-in route `{name}`");
        let help = "the login and its like stay open whatever policies say; name a route of yours";
        return report(offset, length, message, Some(help.to_owned()));
    }
    let whose = match (kind, route.and_then(|route| vocabulary.route(route))) {
        ("path parameter", Some(route)) => format!(" of the route `{}`", route.name),
        _ => String::new(),
    };
    report(offset, length, format!("there is no {} `{name}`{whose}", spoken(kind)), help(kind, name, &known));
}

fn spoken(kind: &str) -> &str {
    match kind {
        "Role" => "role",
        "Route" => "route",
        "Service" => "service",
        "Action" => "action",
        other => other,
    }
}

fn help(kind: &str, name: &str, known: &[&str]) -> Option<String> {
    let distance = |other: &&&str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = known.iter().min_by_key(distance).filter(|other| distance(other) <= 1 + name.len() / 4);
    if let Some(near) = near {
        return Some(format!("did you mean `{near}`?"));
    }
    let declare = match kind {
        "caller attribute" => "declare it under `caller_attributes`",
        "context header" => "declare it under `context_headers`",
        "Role" => "declare it under `roles`",
        "path parameter" => "name it in the route's path: `{name}`",
        _ => "",
    };
    if known.is_empty() {
        return (!declare.is_empty()).then(|| declare.to_owned());
    }
    let mut list: Vec<String> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
    list.dedup();
    let there = format!("there are {}", list.join(", "));
    Some(if declare.is_empty() { there } else { format!("{there}; or {declare}") })
}

/// Where a name stands in the text: as a word after a dot or `has`, or in quotes. The beginning of the text where it is not found.
fn position(text: &str, kind: &str, name: &str) -> (usize, usize) {
    let entity = kind.chars().next().is_some_and(char::is_uppercase);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (offset, _) in text.match_indices(name) {
        let (before, after) =
            (text.get(..offset).unwrap_or_default(), text.get(offset + name.len()..).unwrap_or_default());
        let quoted = before.ends_with('"') && after.starts_with('"');
        let bare = !before.ends_with(is_word) && !after.starts_with(is_word) && !before.ends_with('"');
        let attribute = before.trim_end().ends_with(['.', '[']) || before.trim_end().ends_with("has");
        if quoted || (!entity && bare && attribute) {
            return (offset, name.len());
        }
    }
    (0, 1)
}
