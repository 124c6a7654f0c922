//! Cross-origin resource sharing (Fetch standard, "HTTP extensions"; docs/browsers.md).
//!
//! The gate alone speaks for such a route: it answers preflights, and what a backend says in `Access-Control-*` is replaced.

use super::origin::OriginPattern;
use haechi_authn::identity::ClientOrigins;
use haechi_core::{FieldName, Fields, MethodSet};
use http::Method;
use std::borrow::Cow;
use std::sync::Arc;
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
    /// Those of these origins.
    Listed(Vec<OriginPattern>),
    /// Those of the identity provider's public clients.
    OfClients(Arc<ClientOrigins>),
}

impl CorsOrigins {
    /// What `Access-Control-Allow-Origin` says to a page of `origin`.
    fn granted(&self, origin: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Any => Some("*".into()),
            Self::OfClients(clients) if clients.has(origin) => {
                String::from_utf8(origin.to_vec()).ok().map(Cow::Owned)
            }
            Self::OfClients(_) => None,
            Self::Listed(listed) => match listed.iter().find(|known| known.means(origin))? {
                OriginPattern::Exactly(known) => Some((&**known).into()),
                OriginPattern::Below { .. } => String::from_utf8(origin.to_vec()).ok().map(Cow::Owned),
            },
        }
    }
}

impl Cors {
    /// What `Access-Control-Allow-Origin` says to a request with `method`; `None` where the page may not read the answer.
    pub(crate) fn grant(&self, fields: &Fields, method: &Method) -> Option<Cow<'_, str>> {
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
        // What a gRPC-Web page reads instead of the status.
        if granted.is_some() && fields.iter().any(|field| field.name == b"grpc-status") {
            fields.push(b"access-control-expose-headers", b"grpc-status, grpc-message");
        }
    }

    pub(crate) fn write_grant(&self, granted: Option<&str>, fields: &mut Fields) {
        if !matches!(self.origins, CorsOrigins::Any) && !varies_by_origin(fields) {
            // Also without a grant: a cache must not give one page's answer to another.
            fields.push(b"vary", b"Origin");
        }
        let Some(origin) = granted else { return };
        fields.push(b"access-control-allow-origin", origin.as_bytes());
        if self.credentials {
            fields.push(b"access-control-allow-credentials", b"true");
        }
    }

    /// `asked` is the method that the preflight asks for, and that is granted.
    pub(crate) fn write_preflight(&self, asked: &Method, fields: &mut Fields) {
        let told = self.methods.told();
        let beside = (!told.contains(asked)).then_some(asked);
        let methods: Vec<&str> = told.iter().chain(beside).map(Method::as_str).collect();
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
