//! What changed about a route besides who may pass: what it takes, and how its callers are authenticated.

use crate::config::Config;
use crate::config::meant::{Authenticate, Route};
use std::sync::Arc;

/// In the order of the route's keys; nothing for a route that is on one side only.
pub(super) fn notes(old: &Config, new: &Config, name: &str) -> Vec<String> {
    let find = |config: &Config| config.routes.iter().find(|route| &*route.name == name).cloned();
    let (Some(before), Some(now)) = (find(old), find(new)) else { return Vec::new() };
    let mut notes = Vec::new();
    let mut differs = |what: &str, before: String, now: String| {
        if before != now {
            notes.push(format!("{what}: {before} -> {now}"));
        }
    };
    differs("path", format!("`{}`", before.path), format!("`{}`", now.path));
    differs("hosts", hosts(&before), hosts(&now));
    differs("methods", methods(&before), methods(&now));
    differs("authenticate", authenticate(&before.authenticate), authenticate(&now.authenticate));
    let login = |route: &Route| route.settings.step_up.wanted().unwrap_or_else(|| "any login".to_owned());
    differs("step_up", login(&before), login(&now));
    let service = |route: &Route| format!("`{}`", route.service.as_deref().unwrap_or("none"));
    differs("service", service(&before), service(&now));
    for name in authenticators(&now.authenticate) {
        let (before, now) = (old.authenticators.get(name), new.authenticators.get(name));
        if before.is_some() && before != now {
            notes.push(format!("the authenticator `{name}` is configured differently"));
        }
    }
    notes
}

fn hosts(route: &Route) -> String {
    let mut hosts: Vec<String> = route.hosts.iter().map(|host| format!("`{}`", host.as_str())).collect();
    hosts.sort_unstable();
    if hosts.is_empty() { "any".into() } else { hosts.join(", ") }
}

fn methods(route: &Route) -> String {
    if route.methods.is_any() {
        return "any".into();
    }
    let mut methods: Vec<&str> = route.methods.told().iter().map(http::Method::as_str).collect();
    methods.sort_unstable();
    methods.join(", ")
}

fn authenticate(authenticate: &Authenticate) -> String {
    let listed =
        |names: &[Arc<str>]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match authenticate {
        Authenticate::Open(open) => format!("`{}`", open.word),
        Authenticate::Any(names) if names.len() == 1 => listed(names),
        Authenticate::Any(names) => format!("any of {}", listed(names)),
        Authenticate::All(names) => format!("all of {}", listed(names)),
    }
}

fn authenticators(authenticate: &Authenticate) -> &[Arc<str>] {
    match authenticate {
        Authenticate::Open(_) => &[],
        Authenticate::Any(names) | Authenticate::All(names) => names,
    }
}
