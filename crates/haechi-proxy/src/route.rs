//! Which route a request takes: the most specific one, whatever the order in the file, at a cost that does not grow with the number of routes.

use crate::settings::{Route, Target};
use foldhash::fast::RandomState;
use haechi_authz::RouteIndex;
use haechi_core::path::percent_decode;
use haechi_core::pattern::{Mixed, Segment, between};
use haechi_core::{CanonicalPath, MethodSet};
use http::Method;
use std::collections::HashMap;

/// All routes as one tree per host.
#[derive(Debug)]
pub struct Router {
    hosts: HashMap<Box<str>, Tree, RandomState>,
    /// By what the names end with, from its dot on.
    wildcards: HashMap<Box<str>, Tree, RandomState>,
    any_host: Tree,
}

/// What looking for a route came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The route with this index.
    Route(RouteIndex),
    /// The winning pattern has no route for the method. The index of one of its routes, for the record, and what it does have.
    MethodNotAllowed {
        /// Any route of the pattern.
        route: RouteIndex,
        /// The methods that the pattern's routes take.
        allow: Vec<Method>,
    },
    /// No pattern matches.
    NotFound,
    /// The path spells a literal of some pattern in another way (`%40` for `@`), so a backend could take it for the other.
    Ambiguous,
}

/// Two routes that could both win.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the routes `{first}` and `{second}` match the same requests")]
pub struct Conflict {
    /// One of them.
    pub first: String,
    /// The other.
    pub second: String,
}

#[derive(Debug, Default)]
struct Tree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node, RandomState>,
    /// Parameters with text around them, those with more text first.
    mixed: Vec<(Mixed, Node)>,
    one: Option<Box<Node>>,
    rest: Vec<Leaf>,
    here: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    route: RouteIndex,
    methods: MethodSet,
}

impl Router {
    /// Builds the trees.
    ///
    /// # Errors
    /// [`Conflict`] when two routes have the same shape, a method and a host (or none) in common.
    pub fn new(routes: &[Route]) -> Result<Self, Conflict> {
        let (hosts, wildcards) = (HashMap::default(), HashMap::default());
        let mut router = Self { hosts, wildcards, any_host: Tree::default() };
        for (index, route) in indexed(routes) {
            if route.hosts.is_empty() {
                router.any_host.insert(index, routes)?;
            }
            for host in &route.hosts {
                let tree = match host.strip_prefix('*') {
                    Some(end) => router.wildcards.entry(end.into()),
                    None => router.hosts.entry(host.clone()),
                };
                tree.or_default().insert(index, routes)?;
            }
        }
        router.share_built_in(routes)?;
        Ok(router)
    }

    /// The embedded identity provider answers on every host, also where a host's own routes would match first.
    fn share_built_in(&mut self, routes: &[Route]) -> Result<(), Conflict> {
        let built_in = |route: &Route| matches!(route.target, Target::Identity(_));
        for (index, _) in indexed(routes).filter(|(_, route)| built_in(route)) {
            for tree in self.hosts.values_mut().chain(self.wildcards.values_mut()) {
                tree.insert(index, routes)?;
            }
        }
        Ok(())
    }

    /// Finds the route for a request to `host` (a canonical name, without a port).
    pub fn find(&self, host: &str, path: &CanonicalPath, method: &Method) -> Found {
        let named = self.hosts.get(host).map_or(Search::Nothing, |tree| tree.find(path));
        let search = match named {
            Search::Nothing => self.below_wildcards(host, path),
            found => found,
        };
        match search {
            Search::Nothing => Found::NotFound,
            Search::Ambiguous => Found::Ambiguous,
            Search::Leaves(leaves) => choose(leaves, method),
        }
    }

    /// A name goes before a wildcard, a longer wildcard before a shorter one, and that before none.
    fn below_wildcards(&self, host: &str, path: &CanonicalPath) -> Search<'_> {
        if !self.wildcards.is_empty() {
            // A label goes before the dot: what begins with one is no host.
            for (dot, _) in host.match_indices('.') {
                let tree = host.get(dot..).and_then(|end| self.wildcards.get(end));
                match tree.map_or(Search::Nothing, |tree| tree.find(path)) {
                    Search::Nothing => {}
                    found => return found,
                }
            }
        }
        self.any_host.find(path)
    }
}

fn indexed(routes: &[Route]) -> impl Iterator<Item = (RouteIndex, &Route)> {
    routes.iter().enumerate().map(|(place, route)| (RouteIndex::new(place), route))
}

fn choose(leaves: &[Leaf], method: &Method) -> Found {
    if let Some(leaf) = leaves.iter().find(|leaf| leaf.methods.contains(method)) {
        return Found::Route(leaf.route);
    }
    let allow = leaves.iter().flat_map(|leaf| leaf.methods.told().iter().cloned()).collect();
    leaves.first().map_or(Found::NotFound, |leaf| Found::MethodNotAllowed { route: leaf.route, allow })
}

enum Search<'a> {
    Leaves(&'a [Leaf]),
    Nothing,
    Ambiguous,
}

impl Tree {
    fn insert(&mut self, index: RouteIndex, routes: &[Route]) -> Result<(), Conflict> {
        let Some(route) = routes.get(index.get()) else { return Ok(()) };
        let mut node = &mut self.root;
        let mut rest = false;
        for segment in route.pattern.segments() {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Mixed(mixed) => node = node.behind(mixed),
                Segment::Param(_) | Segment::Any => node = node.one.get_or_insert_default(),
                Segment::Rest => rest = true,
            }
        }
        let leaves = if rest { &mut node.rest } else { &mut node.here };
        if let Some(other) = leaves.iter().find(|leaf| leaf.methods.overlaps(&route.methods)) {
            let first =
                routes.get(other.route.get()).map_or_else(String::new, |other| other.name.to_string());
            return Err(Conflict { first, second: route.name.to_string() });
        }
        leaves.push(Leaf { route: index, methods: route.methods.clone() });
        Ok(())
    }

    fn find(&self, path: &CanonicalPath) -> Search<'_> {
        self.root.find(path.as_str().strip_prefix('/'))
    }
}

impl Node {
    /// `rest` is what follows the slash that ended the last segment; `None` when nothing does.
    fn find(&self, rest: Option<&str>) -> Search<'_> {
        let Some(rest) = rest else { return leaves(&self.here, &self.rest) };
        let (segment, after) = match memchr::memchr(b'/', rest.as_bytes()) {
            Some(slash) => (rest.get(..slash).unwrap_or_default(), rest.get(slash + 1..)),
            None => (rest, None),
        };
        if let Some(next) = self.literals.get(segment) {
            match next.find(after) {
                Search::Nothing => {}
                found => return found,
            }
        } else if segment.contains('%') && self.spells_a_literal(segment) {
            return Search::Ambiguous;
        }
        for (mixed, next) in &self.mixed {
            if mixed.value(segment).is_some() {
                match next.find(after) {
                    Search::Nothing => {}
                    found => return found,
                }
            } else if segment.contains('%') && spells(mixed, segment) {
                return Search::Ambiguous;
            }
        }
        if let Some(next) = &self.one
            && !segment.is_empty()
        {
            match next.find(after) {
                Search::Nothing => {}
                found => return found,
            }
        }
        leaves(&[], &self.rest)
    }

    /// What follows a parameter with this text around it, whatever its name.
    fn behind(&mut self, mixed: &Mixed) -> &mut Self {
        let alike = |known: &Mixed| known.before == mixed.before && known.after == mixed.after;
        let place = self.mixed.iter().position(|(known, _)| alike(known)).unwrap_or_else(|| {
            let place = self.mixed.partition_point(|(known, _)| known.weight() >= mixed.weight());
            self.mixed.insert(place, (mixed.clone(), Self::default()));
            place
        });
        #[expect(clippy::indexing_slicing, reason = "the place was found, or made, a line above")]
        &mut self.mixed[place].1
    }

    fn spells_a_literal(&self, segment: &str) -> bool {
        let meant = percent_decode(segment);
        std::str::from_utf8(&meant).is_ok_and(|meant| self.literals.contains_key(meant))
    }
}

/// Whether a segment has the text around the parameter in another spelling.
fn spells(mixed: &Mixed, segment: &str) -> bool {
    let plain = |text: &str| String::from_utf8(percent_decode(text)).ok();
    let all = plain(segment).zip(plain(&mixed.before)).zip(plain(&mixed.after));
    all.is_some_and(|((segment, before), after)| between(&segment, &before, &after).is_some())
}

fn leaves<'a>(here: &'a [Leaf], rest: &'a [Leaf]) -> Search<'a> {
    match (here, rest) {
        ([], []) => Search::Nothing,
        ([], rest) => Search::Leaves(rest),
        (here, _) => Search::Leaves(here),
    }
}

#[cfg(test)]
mod tests;
