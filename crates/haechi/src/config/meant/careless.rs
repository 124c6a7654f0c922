//! Warnings about careless settings, which load all the same.

use super::names::Resolver;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::written;
use haechi_core::pattern::Segment;
use ipnet::IpNet;

/// Warns of each.
pub(super) fn careless(resolver: &mut Resolver<'_>) {
    let written = resolver.written;
    for network in &written.trusted_proxies {
        if let Some(whom) = everybody(&network.value) {
            let shown = resolver.written_at(network.span);
            let message = format!("`{shown}` trusts {whom} to say where a request comes from");
            let help =
                "name the addresses of your proxies alone: who is trusted can pretend to be any client";
            resolver.warnings.push(Fault::new(network.span, message).help(help));
        }
    }
    for route in &written.routes {
        odd_paths_beside_closed_routes(resolver, route);
    }
}

/// Who is in a network that is no network of proxies.
fn everybody(network: &IpNet) -> Option<&'static str> {
    match (network, network.prefix_len()) {
        (_, 0) => Some("everybody"),
        (IpNet::V4(_) | IpNet::V6(_), 1..=6) => Some("a large part of the internet"),
        _ => None,
    }
}

/// A route that takes everything below a path, odd paths among them, may be asked for what a closed route answers: its backend could read such a
/// path as one of that route.
fn odd_paths_beside_closed_routes(resolver: &mut Resolver<'_>, route: &At<written::Route>) {
    let is_open = |route: &written::Route| {
        matches!(
            (&route.authenticate, &route.authorize),
            (
                Some(At { value: written::Authenticate::Open(_), .. }),
                Some(At { value: written::Authorize::Any, .. })
            )
        )
    };
    let below = |route: &written::Route| -> Option<Vec<Segment>> {
        let pattern = route.matches.as_ref()?.path.as_ref()?;
        let mut segments = pattern.segments().to_vec();
        (segments.pop() == Some(Segment::Rest)).then_some(segments)
    };
    let (Some(name), Some(below)) = (&route.name, below(route)) else { return };
    if route.allow_in_path.is_empty() {
        return;
    }
    let is_below = |other: &&At<written::Route>| {
        let path = other.matches.as_ref().and_then(|matches| matches.path.as_ref());
        let same = other.name.as_ref().is_some_and(|other| other.value == name.value);
        path.is_some_and(|path| path.segments().starts_with(&below)) && !same && !is_open(other)
    };
    let closed = resolver.written.routes.iter().filter(is_below).find_map(|other| other.name.as_ref());
    if let Some(closed) = closed {
        let message = format!(
            "the route `{}` takes odd paths (`allow_in_path`) beside the closed route `{}`",
            name.value, closed.value
        );
        let help = "a backend that reads such a path in another way may answer for the closed route; give the odd paths a route of their own";
        resolver.warnings.push(Fault::new(name.span, message).help(help));
    }
}
