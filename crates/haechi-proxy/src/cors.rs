//! Cross-origin resource sharing (Fetch standard, "HTTP extensions"; contract section 2, `cors` of a route).
//!
//! The gate alone speaks for such a route: it answers preflights, and what a backend says in `Access-Control-*` is replaced.

use crate::plan::Route;
use crate::route::{Found, Router};
use haechi_core::{FieldName, Fields, MethodSet, RequestHead};
use http::Method;
use std::time::Duration;

/// Which pages of other sites may read what a route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages.
    pub origins: CorsOrigins,
    /// With which methods.
    pub methods: MethodSet,
    /// With which request fields beyond the safelisted ones; lower case.
    pub headers: Vec<Box<str>>,
    /// Which response fields the page may read beyond the safelisted ones, as one list; not empty.
    pub expose: Option<Box<str>>,
    /// Whether the browser's cookies and client certificates come along; never with [`CorsOrigins::Any`].
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight.
    pub max_age: Duration,
}

/// Whose pages may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Everybody's.
    Any,
    /// Those of these origins, each as browsers write it.
    Listed(Vec<Box<str>>),
}

impl CorsOrigins {
    /// What `Access-Control-Allow-Origin` says to a page of `origin`.
    fn granted(&self, origin: &[u8]) -> Option<&str> {
        match self {
            Self::Any => Some("*"),
            Self::Listed(listed) => listed.iter().map(|known| &**known).find(|k| k.as_bytes() == origin),
        }
    }
}

impl Cors {
    /// What `Access-Control-Allow-Origin` says to a request with `method`; `None` where the page may not read the answer.
    pub(crate) fn grant(&self, fields: &Fields, method: &Method) -> Option<&str> {
        let origin = fields.sole(FieldName::Origin).ok().flatten()?;
        if self.methods.contains(method) { self.origins.granted(origin) } else { None }
    }

    /// Whether every field that a preflight asks for may be sent.
    fn takes_headers(&self, fields: &Fields) -> bool {
        let known =
            |asked: &[u8]| self.headers.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(asked));
        let lists = fields.iter().filter(|field| field.name == b"access-control-request-headers");
        let mut asked = lists.flat_map(|field| field.value.split(|&b| b == b',')).map(<[u8]>::trim_ascii);
        asked.all(|name| name.is_empty() || known(name))
    }

    /// Appends what every answer of the route says; `granted` is what [`Cors::grant`] gave.
    pub(crate) fn write_answer(&self, granted: Option<&str>, fields: &mut Fields) {
        self.write_grant(granted, fields);
        if let (Some(_), Some(expose)) = (granted, &self.expose) {
            fields.push(b"access-control-expose-headers", expose.as_bytes());
        }
    }

    fn write_grant(&self, granted: Option<&str>, fields: &mut Fields) {
        if matches!(self.origins, CorsOrigins::Listed(_)) && !varies_by_origin(fields) {
            // Also without a grant: a cache must not give one page's answer to another.
            fields.push(b"vary", b"Origin");
        }
        let Some(origin) = granted else { return };
        fields.push(b"access-control-allow-origin", origin.as_bytes());
        if self.credentials {
            fields.push(b"access-control-allow-credentials", b"true");
        }
    }

    fn write_preflight(&self, fields: &mut Fields) {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        fields.push(b"access-control-allow-methods", methods.join(", ").as_bytes());
        if !self.headers.is_empty() {
            fields.push(b"access-control-allow-headers", self.headers.join(", ").as_bytes());
        }
        fields.push(b"access-control-max-age", self.max_age.as_secs().to_string().as_bytes());
    }
}

fn varies_by_origin(fields: &Fields) -> bool {
    let vary = fields.iter().filter(|field| field.name == b"vary");
    let mut names = vary.flat_map(|field| field.value.split(|&b| b == b',')).map(<[u8]>::trim_ascii);
    names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}

/// A browser's question before a request that a page of another site wants to make.
pub(crate) struct Preflight<'a> {
    pub(crate) route: &'a Route,
    cors: &'a Cors,
    granted: Option<&'a str>,
}

impl<'a> Preflight<'a> {
    /// Reads it off the request; `None` where the request is none, or asks for a route without rules about it.
    ///
    /// The route asked for is the one that would take the request announced, not one that takes `OPTIONS`.
    pub(crate) fn of(head: &RequestHead, router: &Router, routes: &'a [Route]) -> Option<Self> {
        if head.method != Method::OPTIONS {
            return None;
        }
        head.fields.sole(FieldName::Origin).ok().flatten()?;
        let method = head.fields.sole_named(b"access-control-request-method").ok().flatten()?;
        let method = Method::from_bytes(method).ok()?;
        let Found::Route(index) = router.find(head.host.name(), &head.path, &method) else { return None };
        let route = routes.get(index)?;
        let cors = route.cors.as_ref().filter(|_| head.path.irregular().within(route.allow_in_path))?;
        let granted = cors.grant(&head.fields, &method).filter(|_| cors.takes_headers(&head.fields));
        Some(Self { route, cors, granted })
    }

    /// Whether the request announced may be made.
    pub(crate) const fn is_granted(&self) -> bool {
        self.granted.is_some()
    }

    /// Appends the answer: what may be asked for, or nothing that a browser would take for a yes.
    pub(crate) fn write(&self, fields: &mut Fields) {
        if let Some(rules) = &self.route.response_headers {
            rules.apply(fields);
        }
        self.cors.write_grant(self.granted, fields);
        if self.is_granted() {
            self.cors.write_preflight(fields);
        }
    }
}
