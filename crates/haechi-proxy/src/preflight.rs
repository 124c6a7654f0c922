//! Preflight requests (Fetch standard, "CORS-preflight request").

use crate::plan::Plan;
use crate::route::Found;
use crate::settings::{Cors, Route};
use haechi_authz::RouteIndex;
use haechi_core::{FieldName, Fields, RequestHead};
use http::Method;
use std::borrow::Cow;

/// A browser's question before a request that a page of another site wants to make.
pub(crate) struct Preflight<'a> {
    pub(crate) route_index: RouteIndex,
    route: &'a Route,
    cors: &'a Cors,
    granted: Option<Cow<'a, str>>,
    asked: Method,
}

impl<'a> Preflight<'a> {
    /// Reads it off the request; `None` where the request is none, or asks for a route without rules about it.
    ///
    /// The route asked for is the one that would take the request announced, not one that takes `OPTIONS`.
    pub(crate) fn of(head: &RequestHead, plan: &'a Plan) -> Option<Self> {
        if head.method != Method::OPTIONS {
            return None;
        }
        head.fields.sole(FieldName::Origin).ok().flatten()?;
        let method = head.fields.sole_named(b"access-control-request-method").ok().flatten()?;
        let method = Method::from_bytes(method).ok()?;
        let Found::Route(index) = plan.router.find(head.host.name(), &head.path, &method) else {
            return None;
        };
        let route = plan.route(index)?;
        let cors = route.settings.cors.as_ref().filter(|_| route.allows(&head.path))?;
        let granted = cors.grant(&head.fields, &method).filter(|_| cors.takes_headers(&head.fields));
        Some(Self { route_index: index, route, cors, granted, asked: method })
    }

    /// Whether the request announced may be made.
    pub(crate) const fn is_granted(&self) -> bool {
        self.granted.is_some()
    }

    /// Appends the answer: what may be asked for, or nothing that a browser would take for a yes.
    pub(crate) fn write(&self, fields: &mut Fields) {
        if let Some(rules) = &self.route.settings.response_headers {
            rules.apply(fields);
        }
        self.cors.write_grant(self.granted.as_deref(), fields);
        if self.is_granted() {
            self.cors.write_preflight(&self.asked, fields);
        }
    }
}
