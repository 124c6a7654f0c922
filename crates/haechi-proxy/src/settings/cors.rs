//! Cross-origin resource sharing (Fetch standard, "HTTP extensions"; docs/browsers.md).
//!
//! The gate alone speaks for such a route: it answers preflights, and what a backend says in `Access-Control-*` is replaced.

use haechi_core::{FieldName, Fields, MethodSet};
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
    pub(crate) fn takes_headers(&self, fields: &Fields) -> bool {
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

    pub(crate) fn write_grant(&self, granted: Option<&str>, fields: &mut Fields) {
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

    pub(crate) fn write_preflight(&self, fields: &mut Fields) {
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
