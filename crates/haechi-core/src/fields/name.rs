//! What a field's name means to the gate.

use super::pattern::fold;
use super::reserved::{Reserves, reservation};

/// The names that the gate decides by; everything else is [`FieldName::Other`] and travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldName {
    /// Nothing to the gate.
    Other,
    /// `Host`.
    Host,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Connection`.
    Connection,
    /// `Keep-Alive`, `Proxy-Connection`, `TE`, `Trailer`, `Proxy-Authenticate`, `Proxy-Authorization`, `HTTP2-Settings`: ends at this hop.
    HopByHop,
    /// `Upgrade`.
    Upgrade,
    /// `Expect`.
    Expect,
    /// `Authorization`.
    Authorization,
    /// `Cookie`.
    Cookie,
    /// `Origin`.
    Origin,
    /// `Accept`.
    Accept,
    /// `Content-Type`.
    ContentType,
    /// `Content-Encoding`.
    ContentEncoding,
    /// `Date`.
    Date,
    /// `WWW-Authenticate`.
    WwwAuthenticate,
    /// `X-Forwarded-For`, spelled so.
    XForwardedFor,
    /// `X-Forwarded-Proto`, spelled so.
    XForwardedProto,
    /// `X-Forwarded-Host`, spelled so.
    XForwardedHost,
    /// `Forwarded`, spelled so.
    Forwarded,
    /// `X-Request-Id`, spelled so.
    RequestId,
    /// `traceparent`, spelled so.
    TraceParent,
    /// `tracestate`, spelled so.
    TraceState,
    /// Any other name or spelling by which a backend could be made to believe something ([`super::reserved`]): never forwarded from a client, unless
    /// the service lets one through.
    Reserved,
    /// Another spelling of a name that frames a message or steers its connection (`Transfer_Encoding`, `Content.Length`): some backends read it as
    /// that name, so no message may have it.
    Misspelled,
    /// `X-HTTP-Method`, `X-HTTP-Method-Override`, `X-Method-Override` in any spelling: forwarded only where the service allows it.
    MethodOverride,
}

impl FieldName {
    /// What `name`, in lower case, means.
    pub fn of(name: &[u8]) -> Self {
        exact(name).unwrap_or_else(|| by_any_spelling(name))
    }

    /// Whether a backend may take two names, in lower case, for one: any character that is not a letter or digit read as `-`.
    pub fn are_alike(one: &[u8], other: &[u8]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(&a, &b)| fold(a) == fold(b))
    }

    /// Whether a client's field of this name must never reach a backend (docs/backends.md).
    pub const fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::XForwardedFor
                | Self::XForwardedProto
                | Self::XForwardedHost
                | Self::Forwarded
                | Self::RequestId
                | Self::TraceParent
                | Self::TraceState
                | Self::Reserved
        )
    }

    /// Whether the field ends at this hop (RFC 9110 7.6.1), whatever `Connection` lists.
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(self, Self::Connection | Self::HopByHop | Self::Upgrade | Self::TransferEncoding)
    }
}

/// By length first, so that a name is compared with few others and with constants.
fn exact(name: &[u8]) -> Option<FieldName> {
    use FieldName as Is;
    Some(match name.len() {
        2 if name == b"te" => Is::HopByHop,
        4 if name == b"host" => Is::Host,
        4 if name == b"date" => Is::Date,
        6 => match name {
            b"accept" => Is::Accept,
            b"cookie" => Is::Cookie,
            b"origin" => Is::Origin,
            b"expect" => Is::Expect,
            _ => return None,
        },
        7 if name == b"upgrade" => Is::Upgrade,
        7 if name == b"trailer" => Is::HopByHop,
        9 if name == b"forwarded" => Is::Forwarded,
        10 => match name {
            b"connection" => Is::Connection,
            b"keep-alive" => Is::HopByHop,
            b"tracestate" => Is::TraceState,
            _ => return None,
        },
        11 if name == b"traceparent" => Is::TraceParent,
        12 if name == b"content-type" => Is::ContentType,
        12 if name == b"x-request-id" => Is::RequestId,
        13 if name == b"authorization" => Is::Authorization,
        14 if name == b"content-length" => Is::ContentLength,
        14 if name == b"http2-settings" => Is::HopByHop,
        15 if name == b"x-forwarded-for" => Is::XForwardedFor,
        16 => match name {
            b"content-encoding" => Is::ContentEncoding,
            b"www-authenticate" => Is::WwwAuthenticate,
            b"proxy-connection" => Is::HopByHop,
            b"x-forwarded-host" => Is::XForwardedHost,
            _ => return None,
        },
        17 if name == b"transfer-encoding" => Is::TransferEncoding,
        17 if name == b"x-forwarded-proto" => Is::XForwardedProto,
        18 if name == b"proxy-authenticate" => Is::HopByHop,
        19 if name == b"proxy-authorization" => Is::HopByHop,
        _ => return None,
    })
}

/// Whether it is a name that clients and servers send all the time and that means nothing to the gate. It need not be compared with every other spelling
/// of those that do.
const fn means_nothing(name: &[u8]) -> bool {
    match name.len() {
        4 => matches!(name, b"vary" | b"etag"),
        6 => matches!(name, b"server"),
        7 => matches!(name, b"referer" | b"expires"),
        8 => matches!(name, b"priority" | b"location"),
        9 => matches!(name, b"sec-ch-ua"),
        10 => matches!(name, b"user-agent" | b"set-cookie"),
        13 => matches!(name, b"cache-control" | b"last-modified" | b"if-none-match" | b"accept-ranges"),
        14 => matches!(name, b"sec-fetch-dest" | b"sec-fetch-mode" | b"sec-fetch-site" | b"sec-fetch-user"),
        15 => matches!(name, b"accept-encoding" | b"accept-language"),
        16 => matches!(name, b"sec-ch-ua-mobile"),
        17 => matches!(name, b"if-modified-since"),
        18 => matches!(name, b"sec-ch-ua-platform"),
        _ => false,
    }
}

/// What a name that is none of the gate's exact ones means to a backend that reads it less exactly.
fn by_any_spelling(name: &[u8]) -> FieldName {
    if means_nothing(name) {
        return FieldName::Other;
    }
    by_folding(name)
}

/// The same, whatever the name.
fn by_folding(name: &[u8]) -> FieldName {
    let first = name.iter().find(|b| b.is_ascii_alphanumeric());
    if first.is_some_and(|first| BEGINS.contains(first))
        && CONTROL.iter().any(|control| is_respelled(name, control))
    {
        return FieldName::Misspelled;
    }
    match reservation(name) {
        None => FieldName::Other,
        Some(Reserves::MethodOverride) => FieldName::MethodOverride,
        Some(Reserves::Identity | Reserves::Written | Reserves::Believed) => FieldName::Reserved,
    }
}

/// The names by which a message is framed and a connection steered, without their dashes.
const CONTROL: [&[u8]; 6] =
    [b"contentlength", b"transferencoding", b"connection", b"host", b"expect", b"upgrade"];
/// What they begin with.
const BEGINS: &[u8] = b"ctheu";

/// Whether the name has the letters of `control` and nothing else but characters that some readers fold or leave out.
fn is_respelled(name: &[u8], control: &[u8]) -> bool {
    name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).eq(control.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::FieldName;
    use proptest::prelude::*;

    proptest! {
        /// Any case, and any token character in place of each `-`.
        #[test]
        fn no_spelling_of_a_reserved_name_passes(
            (listed, _) in proptest::sample::select(crate::fields::reserved::names().collect::<Vec<_>>()),
            upper in proptest::collection::vec(any::<bool>(), 40),
            dashes in proptest::collection::vec(proptest::sample::select(b"!#$%&'*+-.^_`|~".to_vec()), 40),
            rest in "[a-z0-9-]{0,8}",
        ) {
            let spelled: Vec<u8> = listed.replace('*', &rest)
                .bytes()
                .zip(upper.into_iter().zip(dashes))
                .map(|(b, (up, dash))| match b {
                    b'-' => dash,
                    _ if up => b.to_ascii_uppercase(),
                    _ => b,
                })
                .collect();
            let mut fields = crate::Fields::default();
            fields.push(&spelled, b"forged");
            prop_assert!(fields.iter().all(|field| field.known.is_reserved() || field.known == FieldName::MethodOverride));
        }
    }

    #[test]
    fn every_listed_name_is_found_in_the_list_of_its_length() {
        for name in [
            "accept",
            "authorization",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "cookie",
            "date",
            "expect",
            "forwarded",
            "host",
            "http2-settings",
            "keep-alive",
            "origin",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "traceparent",
            "tracestate",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "www-authenticate",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
        ] {
            assert!(super::exact(name.as_bytes()).is_some(), "{name}");
        }
        assert_eq!(super::exact(b"hosts"), None);
    }

    #[test]
    fn names_that_mean_nothing_mean_nothing_in_any_spelling() {
        let source = include_str!("name.rs").split_once("fn means_nothing(").unwrap().1;
        let listed = source.split_once("\n}\n").unwrap().0.split("b\"").skip(1);
        let names: Vec<&str> = listed.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(super::means_nothing(name.as_bytes()), "{name}");
            assert_eq!(super::exact(name.as_bytes()), None, "{name}");
            assert_eq!(super::by_folding(name.as_bytes()), FieldName::Other, "{name}");
        }
    }

    #[test]
    fn another_spelling_of_a_framing_name_is_known() {
        for name in [
            "transfer_encoding",
            "content.length",
            "content_length",
            "contentlength",
            "transfer--encoding",
            "_host",
            "host_",
            "h-ost",
            "connection.",
            "expect~",
            "up-grade",
            "content-length_",
        ] {
            assert_eq!(FieldName::of(name.as_bytes()), FieldName::Misspelled, "{name}");
        }
        for name in ["content-length", "host", "upgrade", "expect", "connection", "transfer-encoding"] {
            assert_ne!(FieldName::of(name.as_bytes()), FieldName::Misspelled, "{name}");
        }
    }

    #[test]
    fn ordinary_names_travel_on() {
        for name in [
            "upgrade-insecure-requests",
            "expect-ct",
            "hosts",
            "content-length-range",
            "x-content-length",
            "x-auth-token",
            "x-auth-key",
            "x-api-version",
            "x-auth",
            "true",
            "content-language",
            "x-tenant",
            "cookie2",
            "client",
            "forwarder",
        ] {
            assert_eq!(FieldName::of(name.as_bytes()), FieldName::Other, "{name}");
        }
        assert_eq!(FieldName::of(b"x_http_method_override"), FieldName::MethodOverride);
    }
}
