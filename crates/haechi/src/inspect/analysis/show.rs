//! An example for people: the request, the caller, and the command that explains it.

use super::loaded::Loaded;
use crate::inspect::explain::vouching;
use crate::shell::quoted;
use haechi_authn::{LoginExample, StepUp};
use haechi_authz::analysis::Example;
use haechi_core::{AttributeValue, CallerKind};
use std::fmt::Write;

impl Loaded {
    pub(super) fn header<'a>(&'a self, name: &'a str) -> &'a str {
        self.config.policies.vocabulary().headers.get(name).map_or(name, |field| field)
    }
}

/// The request and the caller, a line each, with nothing that does not matter. The login is told where it is this one.
pub(crate) fn lines(loaded: &Loaded, example: &Example, login: Option<&LoginExample>) -> Vec<String> {
    let mut request = format!("{} {}", example.method, example.path);
    // Writing to a `String` does not fail.
    if matters(example, "host") || example.host != "localhost" {
        let _ = write!(request, " on {}", example.host);
    }
    if matters(example, "ip") {
        let _ = write!(request, ", from {}", example.ip);
    }
    if matters(example, "time") {
        let _ = write!(request, ", at {}", time(example));
    }
    if matters(example, "secure") {
        request.push_str(if example.secure { ", over TLS" } else { ", without TLS" });
    }
    for (name, value) in &example.headers {
        let _ = write!(request, ", with `{}: {value}`", loaded.header(name));
    }
    let login = login.map_or_else(String::new, |login| format!(", {login}"));
    vec![request, caller(example) + &login]
}

fn caller(example: &Example) -> String {
    let mut who = match example.kind {
        CallerKind::Anonymous => return format!("nobody in particular (`{}`)", example.authenticator),
        CallerKind::User => format!("a user from `{}`", example.authenticator),
        CallerKind::ApiKey => format!("an API key from `{}`", example.authenticator),
    };
    if matters(example, "subject") {
        let _ = write!(who, ", subject `{}`", example.subject);
    }
    if matters(example, "issuer") && matters(example, "subject") {
        let _ = write!(who, " of `{}`", example.issuer);
    }
    match &*example.roles {
        [] => who.push_str(", without a role"),
        [one] => drop(write!(who, ", with the role {one}")),
        several => drop(write!(who, ", with the roles {}", several.join(", "))),
    }
    if !example.scopes.is_empty() {
        let _ = write!(who, ", with the scopes {}", example.scopes.join(" "));
    }
    for (name, value) in &example.attributes {
        match value {
            AttributeValue::String(text) => drop(write!(who, ", {name} \"{text}\"")),
            other => drop(write!(who, ", {name} {other}")),
        }
    }
    who
}

/// The command that explains it. The caller has this login, or one that the route takes.
pub(crate) fn explain_command(loaded: &Loaded, example: &Example, login: Option<&LoginExample>) -> String {
    let mut words =
        vec!["haechi".to_owned(), "explain".into(), "-c".into(), loaded.file.display().to_string()];
    let mut flag = |name: &str, value: &str| words.extend([format!("--{name}"), value.to_owned()]);
    flag("method", example.method.as_str());
    flag("path", example.path.as_str());
    if matters(example, "host") || example.host != "localhost" {
        flag("host", &example.host);
    }
    if matters(example, "ip") {
        flag("ip", &example.ip.to_string());
    }
    if matters(example, "time") {
        flag("time", &time(example));
    }
    for (name, value) in &example.headers {
        flag("header", &format!("{}: {value}", loaded.header(name)));
    }
    if example.kind != CallerKind::Anonymous {
        suppose(loaded, example, login, &mut flag);
    }
    if matters(example, "secure") && example.secure {
        words.push("--secure".into());
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn suppose(
    loaded: &Loaded,
    example: &Example,
    login: Option<&LoginExample>,
    flag: &mut impl FnMut(&str, &str),
) {
    let plain = example.roles.is_empty() && example.scopes.is_empty() && example.attributes.is_empty();
    if plain || !loaded.asks_first(example) {
        flag("authenticator", &example.authenticator);
    }
    if matters(example, "subject") {
        flag("subject", &example.subject);
    }
    if example.issuer != vouching(&loaded.config, &example.authenticator).issuer {
        flag("issuer", &example.issuer);
    }
    let route = loaded.config.routes.iter().find(|route| *route.name == *example.route);
    let asked = route.map(|route| &route.settings.step_up).filter(|asked| !asked.is_empty());
    let own = asked.and_then(|asked| asked.satisfied_with(&StepUp::default()));
    if let Some(LoginExample { acr, age }) = login.or(own.as_ref()) {
        acr.iter().for_each(|acr| flag("acr", acr));
        flag("login-age", &format!("{}s", age.as_secs()));
    }
    for role in &example.roles {
        flag("role", role);
    }
    for scope in &example.scopes {
        flag("scope", scope);
    }
    for (name, value) in &example.attributes {
        match value {
            AttributeValue::Set(members) if !members.is_empty() => {
                members.iter().for_each(|member| flag("attr", &format!("{name}={member}")));
            }
            value => flag("attr", &format!("{name}={value}")),
        }
    }
}

fn matters(example: &Example, fact: &str) -> bool {
    example.matters.iter().any(|known| known == fact)
}

fn time(example: &Example) -> String {
    let text = example.time.rfc3339_millis().to_string();
    text.replace(".000Z", "Z")
}
