//! What is known of a configuration besides its rules: who can come to a route at all, and by which paths.

use super::rewrite::Rewriter;
use crate::{Compiled, RouteIndex};
use haechi_core::{CallerKind, CanonicalPath};
use http::Method;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// One way in which a route can learn who is calling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerOrigin {
    /// What sort of principal it gives.
    pub kind: CallerKind,
    /// The name that the caller carries.
    pub authenticator: Arc<str>,
    /// The issuer of all its callers, where it is one and the same.
    pub issuer: Option<Arc<str>>,
    /// Which roles it can give.
    pub roles: PossibleValues<Vec<Arc<str>>>,
    /// Whether its callers can have scopes.
    pub scopes: bool,
    /// Which attributes its callers can have; all that are declared where it is `None`.
    pub attributes: Option<BTreeSet<Box<str>>>,
}

/// What an authenticator can give.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PossibleValues<T> {
    /// Whatever there is.
    Any,
    /// Whatever there is but what is built in, for which only our own word counts.
    NotBuiltIn,
    /// Exactly this, to everybody.
    Exactly(T),
}

impl CallerOrigin {
    /// A way in that gives whatever there is.
    pub fn any(kind: CallerKind, authenticator: &Arc<str>) -> Self {
        Self {
            kind,
            authenticator: authenticator.clone(),
            issuer: None,
            roles: PossibleValues::Any,
            scopes: true,
            attributes: None,
        }
    }

    /// The way in for nobody in particular.
    pub fn anonymous(authenticator: &Arc<str>) -> Self {
        Self {
            issuer: Some("".into()),
            roles: PossibleValues::Exactly(Vec::new()),
            scopes: false,
            attributes: Some(BTreeSet::new()),
            ..Self::any(CallerKind::Anonymous, authenticator)
        }
    }
}

/// What is known of one route.
#[derive(Clone, Debug, Default)]
pub struct RouteAccess {
    /// The ways in. Without one, nobody comes.
    pub ways: Vec<CallerOrigin>,
    /// The hosts that it is bound to; any when empty.
    pub hosts: Vec<Box<str>>,
}

/// Whether a request takes the route with this index.
pub type RouteMatcher<'a> = dyn Fn(RouteIndex, &Method, &str, &CanonicalPath) -> bool + 'a;

/// A configuration, as it is analysed.
pub struct Side<'a> {
    /// Its rules.
    pub compiled: &'a Compiled,
    /// By route.
    pub access: &'a [RouteAccess],
    /// Its router.
    pub takes: &'a RouteMatcher<'a>,
}

impl fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Side<'_> {
    pub(super) fn rewriter(&self, route: RouteIndex) -> Option<Rewriter<'_>> {
        let vocabulary = self.compiled.vocabulary();
        vocabulary.route(route).map(|route| Rewriter { vocabulary, route })
    }

    pub(super) fn ways(&self, route: RouteIndex) -> &[CallerOrigin] {
        self.access.get(route.get()).map_or(&[], |access| &access.ways)
    }

    pub(super) fn hosts(&self, route: RouteIndex) -> &[Box<str>] {
        self.access.get(route.get()).map_or(&[], |access| &access.hosts)
    }
}
