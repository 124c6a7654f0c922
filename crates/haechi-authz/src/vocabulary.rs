//! What policies can speak of: the roles, attributes, request headers and routes of one configuration.

use crate::Rule;
use haechi_core::method::{forwardable, is_named};
use haechi_core::{AttributeType, MethodSet, PathPattern, RoleTable};
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which route of a configuration: the configured ones in their order, then the built-in ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(usize);

impl RouteIndex {
    /// The one at this place, from 0.
    pub const fn new(place: usize) -> Self {
        Self(place)
    }

    /// The place, from 0.
    pub const fn get(self) -> usize {
        self.0
    }
}

/// The nouns of one configuration. The Cedar schema is made of it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The declared roles and the built-in ones.
    pub roles: RoleTable,
    /// The declared attributes of callers; every caller may lack every one of them.
    pub attributes: BTreeMap<Box<str>, AttributeType>,
    /// The request headers that policies may read: the name in policies, and the field's name in lower case.
    pub headers: BTreeMap<Box<str>, Box<str>>,
    /// The configured routes, in their order, then the built-in ones.
    pub routes: Vec<RouteFacts>,
}

/// What is known of a route before any request.
#[derive(Clone, Debug)]
pub struct RouteFacts {
    /// Its unique name.
    pub name: Arc<str>,
    /// The service that answers; none where the gate answers itself.
    pub service: Option<Arc<str>>,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
    /// Its pattern, whose named segments are `context.params`.
    pub pattern: PathPattern,
    /// The methods it takes.
    pub methods: MethodSet,
    /// What it asks of callers.
    pub rule: Rule,
}

/// The Cedar actions, with the group of each: the methods that have a name, and [`OTHER`].
pub(crate) const ACTIONS: [(&str, &str); 8] = [
    ("GET", "read"),
    ("HEAD", "read"),
    ("OPTIONS", "read"),
    ("POST", "write"),
    ("PUT", "write"),
    ("PATCH", "write"),
    ("DELETE", "write"),
    (OTHER, "write"),
];

/// The action of every method without a name of its own, such as `PROPFIND` and `QUERY`: nobody can say what it does, so it writes.
pub(crate) const OTHER: &str = "other";

/// Where a method stands among [`ACTIONS`]; `None` for a method that is never allowed.
pub(crate) fn action_index(method: &Method) -> Option<usize> {
    let name = if is_named(method) { method.as_str() } else { OTHER };
    forwardable(method).ok()?;
    ACTIONS.iter().position(|(known, _)| *known == name)
}

impl RouteFacts {
    /// The actions of its methods, each once.
    pub(crate) fn actions(&self) -> Vec<usize> {
        let told = self.methods.told().iter().filter_map(action_index);
        let other = ACTIONS.iter().position(|(name, _)| *name == OTHER && self.methods.is_any());
        told.chain(other).collect::<BTreeSet<usize>>().into_iter().collect()
    }
}

impl Vocabulary {
    /// Every name of a path parameter of any route, sorted.
    pub fn params(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.routes.iter().flat_map(|route| route.pattern.params()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The route with this index.
    pub fn route(&self, index: RouteIndex) -> Option<&RouteFacts> {
        self.routes.get(index.get())
    }

    /// The routes in order, each with its index.
    pub fn indexed_routes(&self) -> impl Iterator<Item = (RouteIndex, &RouteFacts)> {
        self.routes.iter().enumerate().map(|(place, route)| (RouteIndex::new(place), route))
    }

    /// The index of the route of this name.
    pub fn index_of(&self, name: &str) -> Option<RouteIndex> {
        self.routes.iter().position(|route| &*route.name == name).map(RouteIndex::new)
    }
}

impl RouteFacts {
    /// Whether this service answers.
    pub fn is_of_service(&self, name: &str) -> bool {
        self.service.as_deref() == Some(name)
    }

    /// The values of the named segments in `path`, which the pattern matches: the canonical text, escapes and all.
    pub fn params<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pattern.values(path)
    }
}
