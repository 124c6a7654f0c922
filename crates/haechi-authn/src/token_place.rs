//! Where in a request the token may stand. Never in the query: it stands in logs and histories.

use crate::authorization::AuthScheme;
use crate::{Attempt, CredentialPlace};
use haechi_core::{RequestHead, cookies};
use std::sync::Arc;

/// A place of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer` (RFC 6750 2.1), or `DPoP` (RFC 9449 7.1).
    Bearer,
    /// The field of this lower-case name, with or without `Bearer` before the token.
    Header(Arc<str>),
    /// The cookie of this name.
    Cookie(Arc<str>),
    /// A subprotocol that begins with this (RFC 6455 1.9): the one thing besides the address that a page can choose of a WebSocket's handshake.
    WebSocketProtocol(Arc<str>),
}

impl TokenPlace {
    /// The same as a place of credentials.
    pub fn credential_place(&self) -> CredentialPlace {
        match self {
            Self::Bearer => CredentialPlace::Authorization,
            Self::Header(name) => CredentialPlace::Field(name.clone()),
            Self::Cookie(name) => CredentialPlace::Cookie(name.clone()),
            Self::WebSocketProtocol(prefix) => CredentialPlace::WebSocketProtocol(prefix.clone()),
        }
    }

    /// Where credentials of these places stand, with the proofs that come with them.
    pub fn credential_places(places: &[Self]) -> Vec<CredentialPlace> {
        let proof = places.contains(&Self::Bearer).then(|| CredentialPlace::Field("dpop".into()));
        places.iter().map(Self::credential_place).chain(proof).collect()
    }

    /// What stands there, any bytes.
    fn read<'h>(&self, head: &'h RequestHead) -> Result<Option<&'h [u8]>, Attempt> {
        match self {
            Self::Bearer => {
                let shown = |scheme: AuthScheme| {
                    let read = scheme.read_unchecked(&head.fields);
                    read.map_err(|_| Attempt::invalid_request("`Authorization` stands more than once"))
                };
                Ok(shown(AuthScheme::Bearer)?.or(shown(AuthScheme::Dpop)?))
            }
            Self::Header(name) => match head.fields.sole_named(name.as_bytes()) {
                Ok(value) => Ok(value.map(without_scheme)),
                Err(_) => Err(Attempt::invalid_request(format!("`{name}` stands more than once"))),
            },
            Self::Cookie(name) => match cookies::sole(&head.fields, name.as_bytes()) {
                // An empty cookie is how sites take one away.
                Ok(value) => Ok(value.filter(|value| !value.is_empty())),
                Err(_) => Err(Attempt::invalid_request(format!("the cookie `{name}` stands more than once"))),
            },
            Self::WebSocketProtocol(prefix) => {
                let mut tokens = subprotocols(head).filter_map(|one| one.strip_prefix(prefix.as_bytes()));
                let first = tokens.next();
                if tokens.any(|other| Some(other) != first) {
                    let why = format!("more than one subprotocol begins with `{prefix}`");
                    return Err(Attempt::invalid_request(why));
                }
                Ok(first)
            }
        }
    }
}

/// The subprotocols that a client offers.
fn subprotocols(head: &RequestHead) -> impl Iterator<Item = &[u8]> {
    let fields = head.fields.iter().filter(|field| field.name == b"sec-websocket-protocol");
    fields.flat_map(|field| field.value.split(|&b| b == b',')).map(<[u8]>::trim_ascii)
}

fn without_scheme(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii_start(),
        _ => value,
    }
}

/// What the request presents as a token in any of the places, or what its absence or ambiguity comes to. The same token in two places is one
/// token; two tokens are not decided between.
pub(crate) fn presented<'h>(places: &[TokenPlace], head: &'h RequestHead) -> Result<&'h [u8], Attempt> {
    let mut found: Option<&[u8]> = None;
    for place in places {
        match (found, place.read(head)?) {
            (Some(known), Some(other)) if known != other => {
                return Err(Attempt::invalid_request("two places of the request hold two different tokens"));
            }
            (None, here) => found = here,
            _ => {}
        }
    }
    match found {
        None => Err(Attempt::Absent),
        Some(_) if head.query_has("access_token") => {
            Err(Attempt::invalid_request("a token in the query string beside one in the header"))
        }
        Some(token) => Ok(token),
    }
}

/// Whether a browser would have added the token by itself: it stands in a cookie and nowhere else.
pub(crate) fn comes_from_cookie(places: &[TokenPlace], head: &RequestHead) -> bool {
    let holds = |place: &TokenPlace| matches!(place.read(head), Ok(Some(_)));
    let (cookies, others): (Vec<_>, Vec<_>) =
        places.iter().partition(|place| matches!(place, TokenPlace::Cookie(_)));
    cookies.into_iter().any(holds) && !others.into_iter().any(holds)
}

#[cfg(test)]
mod tests {
    use super::{TokenPlace, comes_from_cookie, presented};
    use crate::test_support::{head, refusal};
    use crate::{Attempt, Fault};

    fn places() -> Vec<TokenPlace> {
        vec![
            TokenPlace::Bearer,
            TokenPlace::Header("x-assertion".into()),
            TokenPlace::Cookie("session".into()),
            TokenPlace::WebSocketProtocol("bearer.".into()),
        ]
    }

    #[test]
    fn a_token_stands_in_any_of_the_places() {
        for (fields, token) in [
            (&[("authorization", "Bearer a.b.c")][..], "a.b.c"),
            (&[("x-assertion", "a.b.c")], "a.b.c"),
            (&[("x-assertion", "bearer  a.b.c")], "a.b.c"),
            (&[("cookie", "x=1; session=a.b.c")], "a.b.c"),
            (&[("sec-websocket-protocol", "chat, bearer.a.b.c")], "a.b.c"),
            (&[("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "bearer.t")], "t"),
            (&[("x-assertion", "a.b.c"), ("cookie", "session=a.b.c")], "a.b.c"),
            (&[("authorization", "Bearer a.b.c"), ("cookie", "session=")], "a.b.c"),
            (&[("authorization", "Basic xyz"), ("cookie", "session=a")], "a"),
        ] {
            let head = head(fields, None);
            assert_eq!(presented(&places(), &head).unwrap(), token.as_bytes(), "{fields:?}");
        }
        for fields in [&[("cookie", "session=")][..], &[("sec-websocket-protocol", "chat")], &[]] {
            assert!(matches!(presented(&places(), &head(fields, None)), Err(Attempt::Absent)), "{fields:?}");
        }
    }

    #[test]
    fn two_tokens_are_not_decided_between() {
        for fields in [
            &[("authorization", "Bearer a"), ("cookie", "session=b")][..],
            &[("x-assertion", "a"), ("x-assertion", "b")],
            &[("cookie", "session=a"), ("cookie", "session=b")],
            &[("sec-websocket-protocol", "bearer.a, bearer.b")],
        ] {
            let head = head(fields, None);
            let (fault, _) = refusal(presented(&places(), &head).unwrap_err());
            assert_eq!(fault, Fault::InvalidRequest, "{fields:?}");
        }
        let beside_query = head(&[("cookie", "session=a")], Some("access_token=b"));
        assert!(presented(&places(), &beside_query).is_err());
    }

    #[test]
    fn only_a_cookie_comes_by_itself() {
        let by_itself = |fields: &[(&str, &str)]| comes_from_cookie(&places(), &head(fields, None));
        assert!(by_itself(&[("cookie", "session=a")]));
        assert!(!by_itself(&[("cookie", "session=a"), ("authorization", "Bearer a")]));
        assert!(!by_itself(&[("sec-websocket-protocol", "bearer.a")]));
        assert!(!by_itself(&[("cookie", "other=a")]));
    }
}
