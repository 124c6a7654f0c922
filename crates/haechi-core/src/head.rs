//! The head of a request, as every room after `accept` sees it.

use crate::id::RequestId;
use crate::{CanonicalPath, ConnectionFacts, Fields, Host, Timestamp};
use http::Method;
use std::net::IpAddr;

/// A request without its body: parsed once, canonical, the same for routing, deciding, logging and forwarding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestHead {
    /// Made by the gate for this request.
    pub id: RequestId,
    /// When the head was complete.
    pub received: Timestamp,
    /// The connection that it came over.
    pub connection: ConnectionFacts,
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
    /// Whether the client came over TLS, as far back as trusted proxies vouch for it.
    pub secure: bool,
    /// Whether it was let through before, and is only judged again because it is still open: what is good for one request was good for this one.
    pub is_judged_again: bool,
}

impl RequestHead {
    /// A head without query and fields. The client is the peer, until [`RequestHead::with_client`] says who stands behind it.
    #[inline]
    pub const fn new(
        id: RequestId,
        received: Timestamp,
        connection: ConnectionFacts,
        method: Method,
        host: Host,
        path: CanonicalPath,
    ) -> Self {
        let (client, secure) = (connection.peer.ip().to_canonical(), connection.tls.is_some());
        let fields = Fields::new();
        let (query, is_judged_again) = (None, false);
        Self { id, received, connection, method, host, path, query, fields, client, secure, is_judged_again }
    }

    /// With what follows `?`.
    #[inline]
    #[must_use]
    pub fn with_query(self, query: Option<Box<str>>) -> Self {
        Self { query, ..self }
    }

    /// With these header fields.
    #[inline]
    #[must_use]
    pub fn with_fields(self, fields: Fields) -> Self {
        Self { fields, ..self }
    }

    /// With what trusted proxies say of the client: its address, and whether it came over TLS.
    #[inline]
    #[must_use]
    pub fn with_client(self, client: IpAddr, secure: bool) -> Self {
        Self { client, secure, ..self }
    }

    /// The same request, which was let through before and is judged again, as if it came at `received`.
    #[must_use]
    pub fn judged_again(self, received: Timestamp) -> Self {
        Self { received, is_judged_again: true, ..self }
    }

    /// Whether the query has a parameter of this name, in any percent-escaped spelling.
    pub fn query_has(&self, name: &str) -> bool {
        self.query.iter().flat_map(|query| query.split('&')).any(|pair| {
            let key = pair.split('=').next().unwrap_or(pair);
            key == name || (key.contains('%') && crate::path::percent_decode(key) == name.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RequestHead;
    use crate::connection::{ClientCertificate, TlsFacts};
    use crate::id::RequestId;
    use crate::{CanonicalPath, ConnectionFacts, Fields, Host, Timestamp};
    use http::Method;

    fn head(connection: ConnectionFacts) -> RequestHead {
        let (host, path) = (Host::parse(b"a").unwrap(), CanonicalPath::parse(b"/").unwrap());
        let now = Timestamp::from_seconds(1);
        RequestHead::new(RequestId::from_bits(1), now, connection, Method::GET, host, path)
    }

    #[test]
    fn the_client_is_the_peer_until_a_proxy_vouches_for_another() {
        let peer = "[::ffff:192.0.2.7]:4711".parse().unwrap();
        let plain = head(ConnectionFacts::plain(peer));
        assert_eq!((plain.client, plain.secure), ([192, 0, 2, 7].into(), false));
        let behind = plain.with_client([198, 51, 100, 1].into(), true);
        assert_eq!((behind.client, behind.secure), ([198, 51, 100, 1].into(), true));
        assert_eq!(
            behind.connection,
            ConnectionFacts::plain(peer),
            "what a proxy says changes no fact of the connection"
        );
    }

    #[test]
    fn a_client_certificate_comes_with_the_connection_and_from_no_field() {
        let certificate = ClientCertificate::verified(b"der", [], "CN=ca".into());
        let tls = TlsFacts { client_certificate: Some(certificate.clone()) };
        let mut fields = Fields::default();
        fields.push(b"x-forwarded-client-cert", b"another");
        let head =
            head(ConnectionFacts { tls: Some(tls), ..ConnectionFacts::plain(([127, 0, 0, 1], 1).into()) });
        let head = head.with_fields(fields).with_query(Some("a=1".into()));
        assert!(head.secure && head.query_has("a"));
        assert_eq!(head.connection.tls.and_then(|tls| tls.client_certificate), Some(certificate));
    }
}
