//! What a route says about headers: `cors`, `request_headers` and `response_headers`.

use crate::config::defaults::{self, PreflightAge};
use crate::config::read::{Defs, Named, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{FieldValueText, HeaderName, PageOrigin};
use crate::config::yaml::{Kind, Node};
use http::Method;
use serde_json::{Value as Json, json};

record! {
    "`cors`"
    /// Which pages of other sites may read what the route answers. The gate answers preflights, and replaces what the backend says about it.
    struct Cors {
        /// The origins of those pages, as browsers write them, `https://*.example.com` for all below a name, or `"*"` for all.
        required origins as "origins": At<Origins>,
        /// With which methods; the route's where this is left out.
        optional methods as "methods": At<Vec<At<Method>>>,
        /// With which request headers, beyond those that a page may always send.
        default headers as "headers": Vec<HeaderName> = Vec::new(),
        /// Which response headers a page may read, beyond those that it may always read.
        default expose as "expose": Vec<HeaderName> = Vec::new(),
        /// Whether cookies and client certificates come along. Needs origins by name.
        default credentials as "credentials": bool = false,
        /// How long a browser may remember what a preflight was answered.
        default max_age as "max_age": PreflightAge = defaults::PREFLIGHT_AGE,
    }
}

/// Whose pages may read.
#[derive(Clone, Debug)]
pub(in crate::config) enum Origins {
    Any,
    Listed(Vec<PageOrigin>),
}

impl Value for Origins {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => {
                let fault = Fault::new(node.span, "`origins` lists none, so no page could read");
                reader.fault(fault.help("name at least one, or write `\"*\"` for all"))
            }
            Kind::Sequence(items)
                if items
                    .iter()
                    .any(|item| matches!(&item.kind, Kind::Scalar { text, .. } if text == "*")) =>
            {
                let fault = Fault::new(node.span, "`*` in a list of origins is the origin of no page");
                reader.fault(fault.help("write `origins: \"*\"` for all, or name the origins"))
            }
            Kind::Sequence(_) => Vec::read(node, reader).map(Self::Listed),
            Kind::Scalar { text, .. } if text == "*" => Some(Self::Any),
            _ => reader.expected("a list of origins, or `\"*\"`", node),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "*" }, { "type": "array", "items": PageOrigin::schema(defs), "minItems": 1 }] })
    }
}

record! {
    "`response_headers`"
    /// What changes in the heads of the route's answers, the backend's and the gate's own.
    struct ResponseHeaders {
        /// Headers that take the place of all of that name.
        default set as "set": Named<HeaderName, FieldValueText> = Named(Vec::new()),
        /// Headers that come beside those of that name.
        default add as "add": Named<HeaderName, FieldValueText> = Named(Vec::new()),
        /// Headers that are removed.
        default remove as "remove": Vec<At<HeaderName>> = Vec::new(),
    }
}

record! {
    "`request_headers`"
    /// What changes in the heads of the requests that the route's backend receives.
    struct RequestHeaders {
        /// Headers that take the place of all of that name, in any spelling.
        default set as "set": Named<HeaderName, FieldValueText> = Named(Vec::new()),
        /// Headers that are removed, in any spelling.
        default remove as "remove": Vec<At<HeaderName>> = Vec::new(),
    }
}
