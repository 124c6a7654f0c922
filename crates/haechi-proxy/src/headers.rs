//! Request headers to the backend: what the client may say, and what only we say (docs/backends.md).

use crate::ascii::{push_host, push_ip, push_number};
use crate::client_address::Origin;
use crate::context_headers::{ContextHeaderError, ContextHeaders};
use crate::head_sink::HeadSink;
use crate::logins::Logins;
use crate::settings::{Route, Service};
use crate::subprotocols;
use crate::trace::Trace;
use crate::websocket::handshake::{self, Handshake};
use haechi_authn::CredentialPlace;
use haechi_authz::Permitted;
use haechi_core::fields::{Field, FieldNameSet};
use haechi_core::token::is_token_byte;
use haechi_core::{FieldName, Fields, Host, cookies};
use http::Method;

/// A `Connection` field that names something it may not take away, or that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the `Connection` field names a field that is not hop-by-hop")]
pub(crate) struct BadConnection;

/// Checks what `Connection` names (RFC 9110 7.6.1): identity, forwarding and framing fields must not vanish at a client's word. `guarded` are the names of
/// the services' own.
pub(crate) fn check_connection(fields: &Fields, guarded: &FieldNameSet) -> Result<(), BadConnection> {
    nominated(fields).try_for_each(|name| {
        let lower = name.to_ascii_lowercase();
        let known = FieldName::of(&lower);
        let protected = known.is_reserved()
            || matches!(
                known,
                FieldName::Host
                    | FieldName::Authorization
                    | FieldName::Cookie
                    | FieldName::ContentLength
                    | FieldName::TransferEncoding
                    | FieldName::Misspelled
            )
            // `close` and its like, which everybody sends, are nobody's own.
            || (known == FieldName::Other && lower != b"close" && guarded.has_like(&lower));
        if protected || !lower.iter().all(|&byte| is_token_byte(byte)) { Err(BadConnection) } else { Ok(()) }
    })
}

/// Checks the headers that policies read, and that `Connection` names none of them.
pub(crate) fn check_context(fields: &Fields, context: &ContextHeaders) -> Result<(), ContextHeaderError> {
    context.check(fields)?;
    context.check_nominated(nominated(fields))
}

pub(crate) fn nominated(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    let options = fields.all(FieldName::Connection).flat_map(|value| value.split(|&b| b == b','));
    options.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

/// Whether `Connection` names a field that may end at this hop for that alone. Nearly always it says `keep-alive`, and that field ends here anyway.
pub(crate) fn nominates(fields: &Fields) -> bool {
    fields.all(FieldName::Connection).any(|value| !value.eq_ignore_ascii_case(b"keep-alive"))
}

/// Everything that the head for a backend is made of.
pub(crate) struct Outgoing<'a> {
    pub(crate) permitted: &'a Permitted,
    /// The host that the backend is asked for.
    pub(crate) host: &'a Host,
    pub(crate) route: &'a Route,
    pub(crate) service: &'a Service,
    pub(crate) origin: &'a Origin,
    pub(crate) verified: &'a [CredentialPlace],
    /// Where any of the route's authenticators looks.
    pub(crate) inspected: &'a [CredentialPlace],
    /// Whose cookies go to no backend.
    pub(crate) logins: &'a Logins,
    pub(crate) identity_token: Option<&'a str>,
    /// The gate's own credential at the service: the field's name and value.
    pub(crate) credential: Option<(&'a str, &'a str)>,
    /// Of the body: `Some(0)` when there is none, `None` when it is chunked.
    pub(crate) body_length: Option<u64>,
    pub(crate) trace: &'a Trace,
    /// The span under which the backend goes on.
    pub(crate) span: u64,
    /// Our handshake, where the client asked for a WebSocket.
    pub(crate) websocket: Option<&'a Handshake>,
}

impl Outgoing<'_> {
    /// Writes the head.
    pub(crate) fn write(&self, out: &mut impl HeadSink) {
        self.request_line(out);
        self.client_fields(out);
        self.set_fields(out);
        self.framing(out);
        self.forwarding_fields(out);
        let identity = &self.service.settings.identity_headers;
        identity.write(self.permitted.caller(), out);
        identity.write_certificate(&self.permitted.head().connection, out);
        if let Some((field, value)) = self.credential {
            out.field(field.as_bytes(), |out| out.extend_from_slice(value.as_bytes()));
        }
        if let Some(token) = self.identity_token {
            out.field(b"authorization", |out| {
                out.extend_from_slice(b"Bearer ");
                out.extend_from_slice(token.as_bytes());
            });
        }
        out.end();
    }

    fn request_line(&self, out: &mut impl HeadSink) {
        let head = self.permitted.head();
        let target = |out: &mut Vec<u8>| {
            if let Some(prefix) = &self.route.settings.add_prefix {
                out.extend_from_slice(prefix.as_bytes());
            }
            let path = stripped(head.path.as_str(), self.route.settings.strip_prefix.as_deref());
            out.extend_from_slice(path.as_bytes());
            if let Some(query) = &head.query {
                out.push(b'?');
                out.extend_from_slice(query.as_bytes());
            }
        };
        out.begin(&head.method, target, self.host);
    }

    fn client_fields(&self, out: &mut impl HeadSink) {
        let fields = &self.permitted.head().fields;
        let nominates = nominates(fields);
        for sent in fields.iter().filter(|sent| self.travels_on(sent)) {
            if nominates && nominated(fields).any(|name| name.eq_ignore_ascii_case(sent.name)) {
                continue;
            }
            if sent.known == FieldName::Cookie {
                write_cookies(&sent, |name| self.takes_cookie(name), out);
            } else if sent.name == subprotocols::NAME {
                let taken = |name: &[u8]| self.takes(|place| subprotocols::is_credential(place, name));
                subprotocols::write(&sent, taken, out);
            } else {
                out.field(sent.name, |out| out.extend_from_slice(sent.value));
            }
        }
    }

    fn travels_on(&self, sent: &Field<'_>) -> bool {
        let settings = &self.service.settings;
        match sent.known {
            FieldName::Host | FieldName::ContentLength | FieldName::Expect => false,
            FieldName::Authorization if self.identity_token.is_some() => false,
            _ if self.is_own_credential(sent.name) => false,
            known if known.is_hop_by_hop() => false,
            _ if !settings.identity_headers.admits(sent, settings.allow_method_override) => false,
            _ if self.websocket.is_some() && handshake::ends_here(sent.name) => false,
            _ if self.permitted.header_changes().drops(sent.name) => false,
            _ if self.route.settings.request_headers.drops(sent.name) => false,
            _ => self.may_carry_credential(sent),
        }
    }

    /// What the route sets, and what decision points set, who have the last word. Not where a credential stands: the backend would take it for one
    /// that the gate verified. Nor where the service is told of the caller under names of its own.
    fn set_fields(&self, out: &mut impl HeadSink) {
        let credential = |name: &str| {
            let alike = |known: &str| FieldName::are_alike(known.as_bytes(), name.as_bytes());
            self.inspected.iter().any(|place| matches!(place, CredentialPlace::Field(known) if alike(known)))
        };
        let guarded = |name: &str| self.service.settings.identity_headers.is_guarded(name.as_bytes());
        let free =
            |name: &str| !credential(name) && !guarded(name) && !self.is_own_credential(name.as_bytes());
        let asked = self.permitted.header_changes();
        let of_route = self.route.settings.request_headers.set();
        let of_route = of_route.filter(|(name, _)| !asked.drops(name.as_bytes()));
        for (name, value) in of_route.chain(asked.set()).filter(|(name, _)| free(name)) {
            out.field(name.as_bytes(), |out| out.extend_from_slice(value.as_bytes()));
        }
    }

    /// Whether the gate writes this field, or one that a backend could take for it, as its own credential.
    fn is_own_credential(&self, name: &[u8]) -> bool {
        self.credential.is_some_and(|(field, _)| FieldName::are_alike(field.as_bytes(), name))
    }

    /// A credential that the gate was asked to judge travels on only when it was verified and the route forwards it. One that was not verified
    /// never does: the backend would take it for judged.
    fn may_carry_credential(&self, sent: &Field<'_>) -> bool {
        !self.takes(|place| fills(place, sent))
    }

    /// Likewise for a cookie, which shares its field with others.
    fn takes_cookie(&self, name: &[u8]) -> bool {
        self.logins.owns_cookie(name)
            || self.takes(|place| matches!(place, CredentialPlace::Cookie(known) if known.as_bytes() == name))
    }

    fn takes(&self, stands_at: impl Fn(&CredentialPlace) -> bool) -> bool {
        let forwarded = || self.route.settings.forward_credentials && self.verified.iter().any(&stands_at);
        self.inspected.iter().any(&stands_at) && !forwarded()
    }

    fn framing(&self, out: &mut impl HeadSink) {
        if let Some(websocket) = self.websocket {
            return websocket.write(out);
        }
        let method = &self.permitted.head().method;
        match self.body_length {
            // A method that usually has a body says that there is none (RFC 9110 8.6).
            Some(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {}
            Some(length) => {
                out.field(b"content-length", |out| push_number(out, length));
            }
            None => out.chunked(),
        }
    }

    fn forwarding_fields(&self, out: &mut impl HeadSink) {
        let head = self.permitted.head();
        out.field(b"x-request-id", |out| out.extend_from_slice(&head.id.hex()));
        out.field(b"x-forwarded-for", |out| {
            for (index, address) in self.origin.chain.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                push_ip(out, *address);
            }
        });
        let proto: &[u8] = if head.secure { b"https" } else { b"http" };
        out.field(b"x-forwarded-proto", |out| out.extend_from_slice(proto));
        let host = self.origin.host.as_ref().unwrap_or(&head.host);
        if !host.is_unnamed() {
            out.field(b"x-forwarded-host", |out| push_host(out, host));
        }
        out.field(b"traceparent", |out| self.trace.write(out, self.span));
        if self.trace.continued {
            for state in head.fields.all(FieldName::TraceState) {
                out.field(b"tracestate", |out| out.extend_from_slice(state));
            }
        }
    }
}

/// Whether the place is this whole field.
pub(crate) fn fills(place: &CredentialPlace, sent: &Field<'_>) -> bool {
    match place {
        CredentialPlace::Authorization => sent.known == FieldName::Authorization,
        CredentialPlace::Field(name) => sent.name == name.as_bytes(),
        CredentialPlace::Cookie(_) | CredentialPlace::WebSocketProtocol(_) | CredentialPlace::Certificate => {
            false
        }
    }
}

/// Writes a `Cookie` field without the cookies that are taken out of it; no field where none is left. The others stay as they were sent.
pub(crate) fn write_cookies(sent: &Field<'_>, taken: impl Fn(&[u8]) -> bool, out: &mut impl HeadSink) {
    let left = || cookies::of_field(sent.value).filter(|cookie| !taken(cookie.name));
    if cookies::of_field(sent.value).all(|cookie| !taken(cookie.name)) {
        out.field(sent.name, |out| out.extend_from_slice(sent.value));
    } else if left().any(|cookie| !cookie.is_empty()) {
        out.field(sent.name, |out| {
            for (index, cookie) in left().enumerate() {
                if index > 0 {
                    out.push(b';');
                }
                // What followed a cookie that is gone may now begin or end the value, which has no white space around it.
                out.extend_from_slice(if index == 0 { cookie.text.trim_ascii_start() } else { cookie.text });
            }
            out.truncate(out.trim_ascii_end().len());
        });
    }
}

/// The path without the route's prefix; never empty.
pub(crate) fn stripped<'a>(path: &'a str, prefix: Option<&str>) -> &'a str {
    match prefix.and_then(|prefix| path.strip_prefix(prefix)) {
        None => path,
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        // The prefix ended inside a segment: not a prefix in the route's sense.
        Some(_) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::{check_connection, stripped, write_cookies};
    use haechi_core::Fields;
    use haechi_core::fields::FieldNameSet;

    /// What is left of `Cookie` fields when every `session` is taken out.
    fn left(values: &[&str]) -> String {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"Cookie", value.as_bytes()));
        let mut out = Vec::new();
        fields.iter().for_each(|sent| write_cookies(&sent, |name| name == b"session", &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_cookie_that_is_a_credential_is_taken_out() {
        for (sent, kept) in [
            ("a=1; session=x; b=2", "cookie: a=1; b=2\r\n"),
            ("session=x; a=1", "cookie: a=1\r\n"),
            ("a=1 ; session=x", "cookie: a=1\r\n"),
            ("session=x", ""),
            ("session=x;", ""),
            (" ; session=x ; ;", ""),
            ("session=1; session=2;session=3", ""),
            ("a=1;session=x;b=2;session=y; c=3", "cookie: a=1;b=2; c=3\r\n"),
            (
                "sessions=1; xsession=2; session=x; Session=3; session.id=4",
                "cookie: sessions=1; xsession=2; Session=3; session.id=4\r\n",
            ),
            ("a=\"1\" ;  b = 2; session = \"x\"", "cookie: a=\"1\" ;  b = 2\r\n"),
            ("a=session=x; b=session", "cookie: a=session=x; b=session\r\n"),
            ("a=1;;session=x; ; b", "cookie: a=1;; ; b\r\n"),
            ("=session; session", "cookie: =session\r\n"),
        ] {
            assert_eq!(left(&[sent]), kept, "{sent:?}");
        }
        for untouched in ["a=1; b=2", ";;", "a", "a=1;  b=2 ;", ""] {
            assert_eq!(left(&[untouched]), format!("cookie: {untouched}\r\n"));
        }
        assert_eq!(left(&["a=1; session=x", "session=y", "b=2;session=z"]), "cookie: a=1\r\ncookie: b=2\r\n");
    }

    #[test]
    fn prefixes_end_at_segments() {
        assert_eq!(stripped("/tenants/a", Some("/tenants")), "/a");
        assert_eq!(stripped("/tenants", Some("/tenants")), "/");
        assert_eq!(stripped("/tenants/", Some("/tenants")), "/");
        assert_eq!(stripped("/tenantsx", Some("/tenants")), "/tenantsx");
        assert_eq!(stripped("/a", None), "/a");
    }

    #[test]
    fn connection_cannot_take_identity_away() {
        let checked = |value: &str| {
            let mut fields = Fields::default();
            fields.push(b"Connection", value.as_bytes());
            check_connection(&fields, &FieldNameSet::of(["x-user-*", "x-tenant"]))
        };
        for legal in ["keep-alive", "close, TE", "Upgrade", "x-mine", "x-auth-token", ""] {
            assert!(checked(legal).is_ok(), "{legal}");
        }
        for named in [
            "X-Auth-Roles",
            "close, x_auth_subject",
            "Host",
            "authorization",
            "Cookie",
            "content-length",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "forwarded",
            "traceparent",
            "X-Real-IP",
            "Remote-User",
            "content_length",
            "X_Tenant",
            "x-user-id",
            "a b",
        ] {
            assert!(checked(named).is_err(), "{named}");
        }
    }
}
