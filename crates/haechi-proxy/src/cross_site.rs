//! CSRF protection: requests that another site's page makes with a caller's cookie, which browsers add by themselves. A form or a script elsewhere must not write, and
//! not open a WebSocket, in the caller's name (docs/browsers.md).

use crate::settings::OriginPattern;
use haechi_core::{FieldName, Host, RequestHead};
use http::Method;

/// Whether a request with a cookie's caller is refused: it writes or opens a WebSocket, and comes from a page of an origin that is neither the
/// gate's own nor one of `listed`. Browsers say so; what says nothing is no browser, and has put the cookie there itself.
pub(crate) fn refuses(head: &RequestHead, listed: &[OriginPattern]) -> bool {
    let reads = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads && !asks_for_websocket(head) {
        return false;
    }
    match head.fields.sole(FieldName::Origin) {
        Ok(Some(origin)) => !listed.iter().any(|known| known.means(origin)) && !is_own(origin, head),
        Ok(None) => head
            .fields
            .iter()
            .filter(|field| field.name == b"sec-fetch-site")
            .any(|field| !matches!(field.value, b"same-origin" | b"none")),
        Err(_) => true,
    }
}

/// Over HTTP/2 it is known by this field as well, and to the gate its method is `GET`.
fn asks_for_websocket(head: &RequestHead) -> bool {
    head.fields.has(FieldName::Upgrade)
        || head.fields.iter().any(|field| field.name == b"sec-websocket-version")
}

/// Whether a page of this origin is the gate's own: its host and port are those of the request. The scheme may be `https` where TLS ends before
/// the gate, never the other way round.
fn is_own(origin: &[u8], head: &RequestHead) -> bool {
    let (rest, default) = match (origin.strip_prefix(b"https://"), origin.strip_prefix(b"http://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) if !head.secure => (rest, 80),
        _ => return false,
    };
    let port = |host: &Host| host.port().unwrap_or(default);
    Host::parse(rest).is_ok_and(|page| page.name() == head.host.name() && port(&page) == port(&head.host))
}

#[cfg(test)]
mod tests {
    use super::refuses;
    use crate::settings::OriginPattern;
    use haechi_core::id::RequestId;
    use haechi_core::{CanonicalPath, ConnectionFacts, Fields, Host, RequestHead, Timestamp};
    use http::Method;

    fn asked(method: Method, host: &str, secure: bool, fields: &[(&str, &str)]) -> bool {
        let mut all = Fields::default();
        fields.iter().for_each(|(name, value)| all.push(name.as_bytes(), value.as_bytes()));
        let peer: std::net::SocketAddr = ([127, 0, 0, 1], 1).into();
        let head = RequestHead::new(
            RequestId::from_bits(1),
            Timestamp::from_seconds(1),
            ConnectionFacts::plain(peer),
            method,
            Host::parse(host.as_bytes()).unwrap(),
            CanonicalPath::parse(b"/").unwrap(),
        );
        let head = head.with_client(peer.ip(), secure).with_fields(all);
        refuses(&head, &[OriginPattern::of("https://app.example")])
    }

    #[test]
    fn writing_from_another_site_is_refused() {
        for (origin, secure, refused) in [
            ("https://api.example", true, false),
            ("https://api.example:443", true, false),
            ("https://API.example", true, false),
            ("https://app.example", true, false),
            ("https://api.example", false, false),
            ("http://api.example", false, false),
            ("http://api.example", true, true),
            ("https://api.example:8443", true, true),
            ("https://evil.example", true, true),
            ("https://api.example.evil.example", true, true),
            ("null", true, true),
            ("", true, true),
        ] {
            let post = asked(Method::POST, "api.example", secure, &[("origin", origin)]);
            assert_eq!(post, refused, "{origin} {secure}");
            let socket = [("origin", origin), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
            assert_eq!(asked(Method::GET, "api.example", secure, &socket), refused, "{origin} {secure}");
            assert!(!asked(Method::GET, "api.example", secure, &socket[..1]));
        }
        assert!(asked(
            Method::DELETE,
            "api.example",
            true,
            &[("origin", "https://api.example"), ("origin", "https://x")]
        ));
        assert!(!asked(Method::POST, "localhost:8080", false, &[("origin", "http://localhost:8080")]));
        assert!(asked(Method::POST, "localhost:8080", false, &[("origin", "http://localhost:3000")]));
    }

    #[test]
    fn without_an_origin_a_browser_still_says_where_it_comes_from() {
        let post = |fields: &[(&str, &str)]| asked(Method::POST, "api.example", true, fields);
        assert!(!post(&[]), "no browser");
        assert!(!post(&[("sec-fetch-site", "same-origin")]));
        assert!(post(&[("sec-fetch-site", "cross-site")]));
        assert!(post(&[("sec-fetch-site", "same-site")]));
    }
}
