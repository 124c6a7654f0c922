//! Resources of which clients are told where to get tokens for them (RFC 9728).

use super::authenticator::Authenticator;
use super::identity::Identity;
use super::names::Resolver;
use super::route::{Authenticate, Route};
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::written;
use haechi_core::pattern::Segment;
use haechi_proxy::ProtectedResource;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All of them. `None` where a fault was noted, here or before.
pub(super) fn all(
    resolver: &mut Resolver<'_>,
    identity: Option<&Option<Identity>>,
    authenticators: Option<&BTreeMap<Arc<str>, Authenticator>>,
    routes: &[Route],
) -> Option<Vec<ProtectedResource>> {
    let mut all: Vec<ProtectedResource> = Vec::new();
    let mut complete = true;
    for written in &resolver.written.protected_resources {
        let issuers = |path: &ProtectedResource| {
            let own = identity.and_then(Option::as_ref).map(|identity| identity.issuer.clone());
            issuers(path, own.as_ref(), authenticators, routes)
        };
        match resource(resolver, written, issuers) {
            Some(resource) if all.iter().any(|known| known.path() == resource.path()) => {
                let fault = Fault::new(written.span, "this path is named twice");
                resolver.faults.push(fault.help("name each resource once"));
                complete = false;
            }
            Some(resource) => all.push(resource),
            None => complete = false,
        }
    }
    complete.then_some(all)
}

fn resource(
    resolver: &mut Resolver<'_>,
    written: &At<written::ProtectedResource>,
    issuers: impl Fn(&ProtectedResource) -> Vec<Arc<str>>,
) -> Option<ProtectedResource> {
    let path = written.path.as_ref()?;
    if !path.segments().iter().all(|segment| matches!(segment, Segment::Literal(_))) {
        let fault = Fault::new(path.span, "a resource is everything below a path, and this is a pattern");
        return resolver.fault(fault.help("write the path alone: `/mcp`"));
    }
    let mut members = Map::new();
    let path = path.canonical();
    let servers: Vec<String> = match written.authorization_servers.given() {
        Some(named) => named.iter().map(|server| without_slash(server.as_str()).to_owned()).collect(),
        None if written.authorization_servers.is_absent() => {
            let found = issuers(&ProtectedResource::new(&path, Map::new()));
            found.iter().map(ToString::to_string).collect()
        }
        None => return None,
    };
    if servers.is_empty() {
        let fault = Fault::new(written.span, "nobody is known to issue tokens for this resource");
        return resolver.fault(fault.help(
            "name `authorization_servers`, or a route below the path whose `jwt` or `introspection` authenticator has an issuer",
        ));
    }
    members.insert("authorization_servers".to_owned(), json!(servers));
    if !written.scopes.is_empty() {
        let scopes: Vec<&str> = written.scopes.iter().map(|scope| &*scope.0).collect();
        members.insert("scopes_supported".to_owned(), json!(scopes));
    }
    members.insert("bearer_methods_supported".to_owned(), json!(["header"]));
    let more = [
        ("resource_name", written.name.given().cloned()),
        ("resource_documentation", written.documentation.given().map(ToString::to_string)),
    ];
    members
        .extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?)))));
    Some(ProtectedResource::new(&path, members))
}

/// An issuer is compared as text, and an address without a path gets a slash when it is read.
fn without_slash(url: &str) -> &str {
    let bare = url.strip_suffix('/').unwrap_or(url);
    if bare.matches('/').count() == 2 { bare } else { url }
}

/// Whose tokens the routes below the resource's path take.
fn issuers(
    resource: &ProtectedResource,
    own: Option<&Arc<str>>,
    authenticators: Option<&BTreeMap<Arc<str>, Authenticator>>,
    routes: &[Route],
) -> Vec<Arc<str>> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for route in routes.iter().filter(|route| resource.covers(route.path.as_str())) {
        let (Authenticate::Any(names) | Authenticate::All(names)) = &route.authenticate else { continue };
        let known = names.iter().filter_map(|name| authenticators?.get(name));
        for issuer in known.filter_map(|known| known.settings.authorization_server(own)) {
            if !found.contains(&issuer) {
                found.push(issuer);
            }
        }
    }
    found
}
