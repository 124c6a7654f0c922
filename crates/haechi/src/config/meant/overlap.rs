//! Route conflicts: no two routes win the same request, and none lies below what the gate answers itself.

use super::built_in::{BuiltInRoute, DISCOVERY_PATH, JWKS_PATH};
use super::identity::{DEFAULT_PATH, Identity};
use super::names::Resolver;
use super::route::Route;
use crate::config::report::Fault;
use haechi_core::pattern::Segment;
use haechi_core::{HostPattern, PathPattern};
use std::collections::HashMap;

/// Paths that the gate answers itself wherever it signs tokens.
const OWN_PATHS: [&str; 2] = [JWKS_PATH, DISCOVERY_PATH];

/// What of a pattern decides which requests it takes: parameters and `*` are alike.
#[derive(PartialEq, Eq, Hash)]
enum Shape<'a> {
    Literal(&'a str),
    Mixed(&'a str, &'a str),
    One,
    Rest,
}

fn shape(pattern: &PathPattern) -> Vec<Shape<'_>> {
    let segments = pattern.segments().iter();
    segments
        .map(|segment| match segment {
            Segment::Literal(text) => Shape::Literal(text),
            Segment::Mixed(mixed) => Shape::Mixed(&mixed.before, &mixed.after),
            Segment::Param(_) | Segment::Any => Shape::One,
            Segment::Rest => Shape::Rest,
        })
        .collect()
}

/// Notes routes that could both win, and those that the gate would answer itself.
pub(super) fn all_apart(
    resolver: &mut Resolver<'_>,
    routes: &[Route],
    identity: Option<&Option<Identity>>,
    answered: &[BuiltInRoute],
) {
    routes_apart(resolver, routes);
    clear_of_own_paths(resolver, routes, identity, answered);
}

/// Notes routes that could both win. Two such share a host (or both name none), the shape of their pattern, and a method.
fn routes_apart(resolver: &mut Resolver<'_>, routes: &[Route]) {
    let mut alike: HashMap<(Option<&HostPattern>, Vec<Shape<'_>>), Vec<&Route>> = HashMap::new();
    for route in routes {
        let hosts: Vec<Option<&HostPattern>> =
            if route.hosts.is_empty() { vec![None] } else { route.hosts.iter().map(Some).collect() };
        let mut rivals: Vec<&Route> = Vec::new();
        for host in hosts {
            let others = alike.entry((host, shape(&route.path))).or_default();
            rivals.extend(others.iter().filter(|other| other.methods.overlaps(&route.methods)));
            others.push(route);
        }
        if let Some(rival) = rivals.first() {
            let message = format!(
                "routes `{}` and `{}` could both win a request",
                resolver.written_at(rival.span),
                resolver.written_at(route.span)
            );
            let line = resolver.source.line_beside(rival.span.start, route.span.start);
            let help = format!(
                "the other stands on {line}, column {}; give them different paths, methods or hosts",
                rival.span.start.column
            );
            resolver.faults.push(Fault::new(route.span, message).help(help));
        }
    }
}

/// Notes routes all of whose requests the gate would answer itself.
fn clear_of_own_paths(
    resolver: &mut Resolver<'_>,
    routes: &[Route],
    identity: Option<&Option<Identity>>,
    answered: &[BuiltInRoute],
) {
    if answered.is_empty() {
        return;
    }
    let identity = identity.and_then(Option::as_ref);
    let own = PathPattern::parse(identity.map_or(DEFAULT_PATH, |identity| &identity.path)).ok();
    let own_segments = own.as_ref().map(PathPattern::segments).unwrap_or_default();
    for route in routes {
        let below = route.path.segments().starts_with(own_segments) && !own_segments.is_empty();
        if below || (identity.is_some() && OWN_PATHS.contains(&route.path.as_str())) {
            let name = resolver.written_at(route.span);
            let message = format!("the gate itself answers what route `{name}` is for");
            let help = if below {
                "choose a path that is not below the identity provider's, or move `identity.path`"
            } else {
                "this path is the identity provider's; choose another"
            };
            resolver.faults.push(Fault::new(route.span, message).help(help));
        }
    }
}
