//! The head of a request, as every room after `accept` sees it.

use crate::id::RequestId;
use crate::{CanonicalPath, Fields, Host, Timestamp};
use http::Method;
use std::net::{IpAddr, SocketAddr};

/// A request without its body: parsed once, canonical, the same for routing, deciding, logging and forwarding.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Made by the gate for this request.
    pub id: RequestId,
    /// When the head was complete.
    pub received: Timestamp,
    /// Any method but `CONNECT` and `TRACE`.
    pub method: Method,
    /// The one valid host that the request names.
    pub host: Host,
    /// The canonical path.
    pub path: CanonicalPath,
    /// What follows `?`, unread except for credentials that must not be there; `None` without a `?`.
    pub query: Option<Box<str>>,
    /// All header fields as the client sent them.
    pub fields: Fields,
    /// The client, as far back as trusted proxies vouch for it.
    pub client: IpAddr,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Whether the client came over TLS, as far back as trusted proxies vouch for it.
    pub secure: bool,
}

impl RequestHead {
    /// Whether the query has a parameter of this name, in any percent-escaped spelling.
    pub fn query_has(&self, name: &str) -> bool {
        self.query.iter().flat_map(|query| query.split('&')).any(|pair| {
            let key = pair.split('=').next().unwrap_or(pair);
            key == name || (key.contains('%') && crate::path::percent_decode(key) == name.as_bytes())
        })
    }
}
