//! Identity headers: what a backend is told of the caller, under which names, and what of a client's may stand beside it (docs/backends.md).

use crate::head_sink::HeadSink;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::connection::ConnectionFacts;
use haechi_core::fields::{Field, FieldPattern};
use haechi_core::{AttributeValue, Caller, FieldName};
use std::borrow::Cow;

const CERTIFICATE: &[u8] = b"client-cert";
const CERTIFICATE_CHAIN: &[u8] = b"client-cert-chain";

/// What one service is told of the caller in header fields, and how a client's fields are guarded for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The names under which the caller is told.
    pub names: IdentityNames,
    /// Whether the certificate that the client showed is told (RFC 9440).
    pub client_certificate: bool,
    /// More names that a client's field may not have.
    pub reserve: Box<[FieldPattern]>,
    /// Reserved names that a client's field may have all the same, spelled so; a response's `X-Auth-*` and `X-Accel-*` as well.
    pub pass: Box<[FieldPattern]>,
}

/// The names under which a caller is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdentityNames {
    /// Nothing is told.
    #[default]
    Untold,
    /// `X-Auth-*`.
    Standard,
    /// Names of the service's own; what has none is not told.
    Own(Box<OwnNames>),
}

/// Lower-case field names of a service's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNames {
    /// For the subject.
    pub subject: Option<Box<str>>,
    /// For the issuer.
    pub issuer: Option<Box<str>>,
    /// For the authenticator.
    pub authenticator: Option<Box<str>>,
    /// For the roles.
    pub roles: Option<Box<str>>,
    /// For the scopes.
    pub scopes: Option<Box<str>>,
    /// An attribute, and the name for it.
    pub attributes: Box<[(Box<str>, Box<str>)]>,
}

impl OwnNames {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let one = [&self.subject, &self.issuer, &self.authenticator, &self.roles, &self.scopes];
        let attributes = self.attributes.iter().map(|(_, name)| &**name);
        one.into_iter().filter_map(|name| name.as_deref()).chain(attributes)
    }
}

impl IdentityHeaders {
    /// Whether a client's field may reach the service, as far as its name goes.
    pub(crate) fn admits(&self, sent: &Field<'_>, method_override: bool) -> bool {
        if self.is_own(sent.name) {
            return false;
        }
        let passes = || self.pass.iter().any(|pattern| pattern.is(sent.name));
        match sent.known {
            FieldName::Other => {
                self.reserve.is_empty()
                    || passes()
                    || !self.reserve.iter().any(|name| name.is_like(sent.name))
            }
            FieldName::MethodOverride => method_override || passes(),
            known if known.is_reserved() => !self.pass.is_empty() && passes(),
            _ => true,
        }
    }

    /// Whether somebody other than the gate may not say what the field of this lower-case name says, in any spelling.
    pub fn is_guarded(&self, name: &[u8]) -> bool {
        self.is_own(name) || self.reserve.iter().any(|pattern| pattern.is_like(name))
    }

    /// The names that nobody but the gate may say something under, in any spelling; a `*` at the end stands for any rest.
    pub(crate) fn guarded(&self) -> impl Iterator<Item = &str> {
        let own = match &self.names {
            IdentityNames::Own(own) => Some(own.all()),
            IdentityNames::Untold | IdentityNames::Standard => None,
        };
        own.into_iter().flatten().chain(self.reserve.iter().map(FieldPattern::as_str))
    }

    fn is_own(&self, name: &[u8]) -> bool {
        let of_certificate = |own: &[u8]| FieldName::are_alike(own, name);
        if self.client_certificate && [CERTIFICATE, CERTIFICATE_CHAIN].into_iter().any(of_certificate) {
            return true;
        }
        match &self.names {
            IdentityNames::Own(own) => own.all().any(|own| FieldName::are_alike(own.as_bytes(), name)),
            IdentityNames::Untold | IdentityNames::Standard => false,
        }
    }

    /// Whether the service's response may have a field of this lower-case name. `X-Auth-*` and `X-Accel-*` are words between gate and backend, and between
    /// a server in front and what it sends: a client, or a proxy before it, would take them for ours.
    pub(crate) fn lets_out(&self, name: &[u8]) -> bool {
        const INWARD: [&[u8]; 2] = [b"x-auth-", b"x-accel-"];
        let inward =
            |start: &[u8]| name.get(..start.len()).is_some_and(|begun| FieldName::are_alike(begun, start));
        !INWARD.into_iter().any(inward) || self.pass.iter().any(|pattern| pattern.is(name))
    }

    /// The lower-case names of all fields by which any caller could be told, where callers have these attributes. Without names of its own a service is told nothing,
    /// and may believe what stands under the usual ones all the same.
    pub(crate) fn all_names<'a>(&'a self, attributes: impl Iterator<Item = &'a str>) -> Vec<Cow<'a, str>> {
        const USUAL: [&str; 5] =
            ["x-auth-subject", "x-auth-issuer", "x-auth-roles", "x-auth-scopes", "x-auth-authenticator"];
        let standard = USUAL.into_iter().map(Cow::Borrowed);
        // As fields have their names.
        let attributes = attributes.map(|name| Cow::Owned(format!("x-auth-attr-{}", name.to_lowercase())));
        let own = match &self.names {
            IdentityNames::Own(own) => Some(own.all().map(Cow::Borrowed)),
            IdentityNames::Untold | IdentityNames::Standard => None,
        };
        let certificate = [CERTIFICATE, CERTIFICATE_CHAIN].into_iter().filter(|_| self.client_certificate);
        let certificate = certificate.map(String::from_utf8_lossy);
        standard.chain(attributes).chain(own.into_iter().flatten()).chain(certificate).collect()
    }

    /// Writes the fields that tell of `caller`.
    pub(crate) fn write(&self, caller: &Caller, out: &mut impl HeadSink) {
        match &self.names {
            IdentityNames::Untold => {}
            IdentityNames::Standard => standard(caller, out),
            IdentityNames::Own(own) => under_own_names(own, caller, out),
        }
    }

    /// Writes the certificate that the client showed at the TLS handshake, and those that it showed with it, where the service asks for them
    /// (RFC 9440 2.2, 2.3).
    pub(crate) fn write_certificate(&self, connection: &ConnectionFacts, out: &mut impl HeadSink) {
        let shown = connection.tls.as_ref().and_then(|tls| tls.client_certificate.as_ref());
        let Some(shown) = shown.filter(|_| self.client_certificate) else { return };
        out.field(CERTIFICATE, |out| byte_sequence(out, shown.der()));
        if shown.intermediates().next().is_some() {
            out.field(CERTIFICATE_CHAIN, |out| {
                for (index, der) in shown.intermediates().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { b", " });
                    byte_sequence(out, der);
                }
            });
        }
    }

    /// The fields that a backend gets for `caller`, name and value.
    pub fn told(&self, caller: &Caller) -> Vec<(String, String)> {
        let mut out = Vec::new();
        self.write(caller, &mut out);
        let text = String::from_utf8(out).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

/// RFC 9651 4.1.8.
fn byte_sequence(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b':');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b':');
}

fn standard(caller: &Caller, out: &mut impl HeadSink) {
    if !caller.subject.is_empty() {
        out.field(b"x-auth-subject", |out| percent_encode(out, &caller.subject));
        out.field(b"x-auth-issuer", |out| percent_encode(out, &caller.issuer));
    }
    out.field(b"x-auth-authenticator", |out| percent_encode(out, &caller.authenticator));
    if !caller.roles.is_empty() {
        out.field(b"x-auth-roles", |out| list(out, &caller.roles));
    }
    if !caller.scopes.is_empty() {
        out.field(b"x-auth-scopes", |out| list(out, &caller.scopes));
    }
    for (name, value) in &caller.attributes {
        out.named(b"x-auth-attr-", name.as_bytes(), |out| attribute(out, value));
    }
}

fn under_own_names(own: &OwnNames, caller: &Caller, out: &mut impl HeadSink) {
    let mut told = |name: &Option<Box<str>>, value: &dyn Fn(&mut Vec<u8>)| {
        if let Some(name) = name {
            out.field(name.as_bytes(), value);
        }
    };
    if !caller.subject.is_empty() {
        told(&own.subject, &|out| percent_encode(out, &caller.subject));
        told(&own.issuer, &|out| percent_encode(out, &caller.issuer));
    }
    told(&own.authenticator, &|out| percent_encode(out, &caller.authenticator));
    if !caller.roles.is_empty() {
        told(&own.roles, &|out| list(out, &caller.roles));
    }
    if !caller.scopes.is_empty() {
        told(&own.scopes, &|out| list(out, &caller.scopes));
    }
    for (attribute, value) in &caller.attributes {
        for (_, name) in own.attributes.iter().filter(|(named, _)| **named == **attribute) {
            out.field(name.as_bytes(), |out| self::attribute(out, value));
        }
    }
}

fn list<T: AsRef<str>>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        percent_encode(out, item.as_ref());
    }
}

fn attribute(out: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::Set(members) => list(out, members),
        value => percent_encode(out, &value.to_string()),
    }
}

/// Bytes outside visible ASCII, `,` and `%` as `%XX`.
fn percent_encode(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let stays = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b',' && byte != b'%';
    if text.bytes().all(stays) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        if stays(byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend([byte >> 4, byte & 0xf].iter().filter_map(|nibble| HEX.get(usize::from(*nibble))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IdentityHeaders, IdentityNames, OwnNames, percent_encode};
    use haechi_core::Fields;
    use haechi_core::fields::FieldPattern;

    #[test]
    fn values_are_percent_encoded() {
        let mut out = Vec::new();
        percent_encode(&mut out, "a,b%c d\u{e9}\r\n~");
        assert_eq!(String::from_utf8(out).unwrap(), "a%2Cb%25c%20d%C3%A9%0D%0A~");
    }

    fn patterns(names: &[&str]) -> Box<[FieldPattern]> {
        names.iter().map(|name| FieldPattern::parse(name).unwrap()).collect()
    }

    fn admits(headers: &IdentityHeaders, name: &str) -> bool {
        let mut fields = Fields::default();
        fields.push(name.as_bytes(), b"x");
        fields.iter().all(|sent| headers.admits(&sent, false))
    }

    #[test]
    fn a_service_reserves_more_and_lets_single_names_through() {
        let headers = IdentityHeaders {
            reserve: patterns(&["X-User-*"]),
            pass: patterns(&["X-Client-IP", "X-User-Agent-Hint"]),
            ..IdentityHeaders::default()
        };
        for (name, admitted) in [
            ("X-User-Id", false),
            ("x_user_id", false),
            ("X-User-Agent-Hint", true),
            ("X_User-Agent-Hint", false),
            ("X-Client-IP", true),
            ("X_Client_IP", false),
            ("X-Real-IP", false),
            ("X-Auth-Token", true),
            ("X-Auth-Subject", false),
            ("X-HTTP-Method-Override", false),
            ("Accept", true),
        ] {
            assert_eq!(admits(&headers, name), admitted, "{name}");
        }
    }

    #[test]
    fn names_of_its_own_are_guarded_even_where_they_are_let_through() {
        let own = OwnNames { subject: Some("x-app-user".into()), ..OwnNames::default() };
        let headers = IdentityHeaders {
            names: IdentityNames::Own(own.into()),
            pass: patterns(&["X-App-*"]),
            ..IdentityHeaders::default()
        };
        assert!(!admits(&headers, "X-App-User") && !admits(&headers, "x.app.user"));
        assert!(admits(&headers, "X-App-Version") && admits(&IdentityHeaders::default(), "X-App-User"));
    }

    #[test]
    fn what_is_said_inwards_does_not_go_out() {
        let headers =
            IdentityHeaders { pass: patterns(&["X-Accel-Buffering"]), ..IdentityHeaders::default() };
        for (name, out) in [
            ("x-auth-subject", false),
            ("x_auth_token", false),
            ("x-accel-redirect", false),
            ("x-accel-buffering", true),
            ("x-authors", true),
            ("x-request-cost", true),
        ] {
            assert_eq!(headers.lets_out(name.as_bytes()), out, "{name}");
        }
    }
}
