//! Opening handshakes (RFC 6455 4, RFC 8441 5): the client's, checked; ours to the backend; and what both are answered.

use crate::head_sink::HeadSink;
use crate::lines::{RequestLines, content_length};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{FieldName, Fields};
use http::Method;

/// What the connection or stream of a request can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgradable {
    /// Nothing else: HTTP/1.0, or a plain stream of HTTP/2.
    No,
    /// An HTTP/1.1 connection, where `Upgrade` asks for it.
    Connection,
    /// A stream whose extended CONNECT asks for a WebSocket (RFC 8441). To the gate it is a `GET`.
    Stream,
}

/// A client's handshake, and ours to the backend.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// `Sec-WebSocket-Accept` for the client; a stream needs none.
    accept: Option<String>,
    /// `Sec-WebSocket-Key` for the backend.
    key: String,
}

/// Why a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHandshake {
    #[error("a malformed WebSocket handshake: {0}")]
    Malformed(&'static str),
    #[error("a WebSocket version other than 13")]
    Version,
}

impl Handshake {
    /// The handshake of a request; `None` when it asks for no WebSocket. Any other `Upgrade` is not heard, and never passed on.
    ///
    /// # Errors
    /// [`BadHandshake`] for one that is not exactly as RFC 6455 4.2.1 says.
    pub(crate) fn of(
        lines: &RequestLines,
        upgradable: Upgradable,
        nonce: impl FnOnce() -> u128,
    ) -> Result<Option<Self>, BadHandshake> {
        let accept = match upgradable {
            Upgradable::No => return Ok(None),
            Upgradable::Connection if !asks(&lines.fields)? => return Ok(None),
            Upgradable::Connection => {
                check_request(lines)?;
                check_version(&lines.fields)?;
                Some(accept_for(client_key(&lines.fields)?))
            }
            Upgradable::Stream => {
                check_version(&lines.fields)?;
                None
            }
        };
        Ok(Some(Self { accept, key: STANDARD.encode(nonce().to_be_bytes()) }))
    }

    /// Appends the fields of our own handshake with the backend.
    pub(crate) fn write(&self, out: &mut impl HeadSink) {
        out.field(b"connection", |out| out.extend_from_slice(b"Upgrade"));
        out.field(b"upgrade", |out| out.extend_from_slice(b"websocket"));
        out.field(b"sec-websocket-version", |out| out.extend_from_slice(b"13"));
        out.field(b"sec-websocket-key", |out| out.extend_from_slice(self.key.as_bytes()));
    }

    /// Checks a backend's 101.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check_answer(&self, fields: &Fields) -> Result<(), &'static str> {
        let is = |value: Option<&[u8]>, wanted: &[u8]| {
            value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        if !is(fields.sole(FieldName::Upgrade).ok().flatten(), b"websocket") || !lists_upgrade(fields) {
            return Err("the backend switched to something other than a WebSocket");
        }
        let accept = fields.sole_named(b"sec-websocket-accept").ok().flatten();
        if accept != Some(accept_for(self.key.as_bytes()).as_bytes()) {
            return Err("the backend's `Sec-WebSocket-Accept` does not fit our key");
        }
        Ok(())
    }

    /// What an answer that lets the client in says besides the backend's fields, and whether it upgrades the connection.
    pub(crate) fn answer(&self, fields: &mut Fields) -> bool {
        let Some(accept) = &self.accept else { return false };
        fields.push(b"connection", b"Upgrade");
        fields.push(b"upgrade", b"websocket");
        fields.push(b"sec-websocket-accept", accept.as_bytes());
        true
    }
}

/// Whether a field is part of the handshake at one hop, and so never passed on.
pub(crate) fn ends_here(name: &[u8]) -> bool {
    matches!(name, b"sec-websocket-key" | b"sec-websocket-version" | b"sec-websocket-accept")
}

/// Whether both sides agreed on an extension.
pub(crate) fn is_extended(answer: &Fields) -> bool {
    answer.iter().any(|field| field.name == b"sec-websocket-extensions")
}

/// Whether `Upgrade` asks for a WebSocket, and for nothing else.
fn asks(fields: &Fields) -> Result<bool, BadHandshake> {
    let names_it = |value: &[u8]| {
        value.split(|&b| b == b',').any(|name| {
            name.trim_ascii().get(..9).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        })
    };
    if !fields.has(FieldName::Upgrade) || !fields.all(FieldName::Upgrade).any(names_it) {
        return Ok(false);
    }
    match fields.sole(FieldName::Upgrade) {
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"websocket") => Ok(true),
        _ => Err(BadHandshake::Malformed("`Upgrade` must be `websocket` and nothing else")),
    }
}

fn check_request(lines: &RequestLines) -> Result<(), BadHandshake> {
    if lines.method != Method::GET {
        return Err(BadHandshake::Malformed("the method must be `GET`"));
    }
    if !lists_upgrade(&lines.fields) {
        return Err(BadHandshake::Malformed("`Connection` must list `upgrade`"));
    }
    let has_body = lines.fields.has(FieldName::TransferEncoding)
        || !matches!(content_length(&lines.fields), Ok(None | Some(0)));
    if has_body { Err(BadHandshake::Malformed("it has a body")) } else { Ok(()) }
}

fn check_version(fields: &Fields) -> Result<(), BadHandshake> {
    match fields.sole_named(b"sec-websocket-version") {
        Ok(Some(b"13")) => Ok(()),
        Ok(Some(_)) => Err(BadHandshake::Version),
        _ => Err(BadHandshake::Malformed("exactly one `Sec-WebSocket-Version` is needed")),
    }
}

/// Sixteen bytes in base64.
fn client_key(fields: &Fields) -> Result<&[u8], BadHandshake> {
    let key = fields.sole_named(b"sec-websocket-key").ok().flatten();
    key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16))
        .ok_or(BadHandshake::Malformed("exactly one `Sec-WebSocket-Key` of 16 bytes is needed"))
}

fn lists_upgrade(fields: &Fields) -> bool {
    fields
        .all(FieldName::Connection)
        .flat_map(|value| value.split(|&b| b == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// RFC 6455 4.2.2. SHA-1 proves here that the handshake was understood, and nothing else.
fn accept_for(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

#[cfg(test)]
mod tests {
    use super::{BadHandshake, Handshake, Upgradable, accept_for};
    use crate::lines::RequestLines;
    use haechi_core::{Fields, Host};
    use http::Method;

    const GOOD: [(&str, &str); 4] = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "WebSocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    fn asked(
        method: Method,
        fields: &[(&str, &str)],
        on: Upgradable,
    ) -> Result<Option<Handshake>, BadHandshake> {
        let mut list = Fields::default();
        for (name, value) in fields {
            list.push(name.as_bytes(), value.as_bytes());
        }
        let host = Host::parse(b"a").unwrap();
        let lines = RequestLines { method, host, path: b"/".as_slice().into(), query: None, fields: list };
        Handshake::of(&lines, on, || 1)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let handshake = asked(Method::GET, &GOOD, Upgradable::Connection).unwrap().unwrap();
        let mut fields = Fields::default();
        assert!(handshake.answer(&mut fields));
        assert_eq!(
            fields.sole_named(b"sec-websocket-accept"),
            Ok(Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]))
        );
        let mut ours = Vec::new();
        handshake.write(&mut ours);
        assert!(ours.ends_with(b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAQ==\r\n"), "a key of our own");
    }

    #[test]
    fn a_handshake_is_exactly_right_or_refused() {
        let with = |name: &str, value: &'static str| {
            GOOD.map(|(known, kept)| (known, if known == name { value } else { kept }))
        };
        for malformed in [
            with("Connection", "keep-alive"),
            with("Upgrade", "websocket, h2c"),
            with("Upgrade", "websocket/13"),
            with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"),
            with("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="),
            with("Sec-WebSocket-Key", ""),
        ] {
            let refused = asked(Method::GET, &malformed, Upgradable::Connection).unwrap_err();
            assert!(matches!(refused, BadHandshake::Malformed(_)), "{malformed:?}");
        }
        for index in [0, 2, 3] {
            let missing: Vec<_> =
                GOOD.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, f)| *f).collect();
            assert!(asked(Method::GET, &missing, Upgradable::Connection).is_err(), "{missing:?}");
        }
        for twice in GOOD.iter().skip(1) {
            assert!(asked(Method::GET, &[&GOOD[..], &[*twice]].concat(), Upgradable::Connection).is_err());
        }
        for body in [("Content-Length", "1"), ("Transfer-Encoding", "chunked")] {
            assert!(asked(Method::GET, &[&GOOD[..], &[body]].concat(), Upgradable::Connection).is_err());
        }
        assert!(asked(Method::POST, &GOOD, Upgradable::Connection).is_err());
        let old = with("Sec-WebSocket-Version", "8");
        assert_eq!(asked(Method::GET, &old, Upgradable::Connection).unwrap_err(), BadHandshake::Version);
    }

    #[test]
    fn another_upgrade_is_not_heard() {
        for other in ["h2c", "TLS/1.0", "foo", ""] {
            let fields = [("Connection", "upgrade"), ("Upgrade", other)];
            assert!(asked(Method::GET, &fields, Upgradable::Connection).unwrap().is_none(), "{other}");
        }
        assert!(asked(Method::GET, &GOOD, Upgradable::No).unwrap().is_none(), "HTTP/1.0 cannot be upgraded");
    }

    #[test]
    fn a_backend_must_answer_our_own_key() {
        let handshake = asked(Method::GET, &GOOD, Upgradable::Connection).unwrap().unwrap();
        let answer = |upgrade: &str, connection: &str, accept: &str| {
            let mut fields = Fields::default();
            fields.push(b"upgrade", upgrade.as_bytes());
            fields.push(b"connection", connection.as_bytes());
            fields.push(b"sec-websocket-accept", accept.as_bytes());
            handshake.check_answer(&fields)
        };
        let good = accept_for(handshake.key.as_bytes());
        assert_eq!(answer("websocket", "Upgrade", &good), Ok(()));
        assert!(answer("h2c", "Upgrade", &good).is_err());
        assert!(answer("websocket", "keep-alive", &good).is_err());
        assert!(answer("websocket", "Upgrade", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_err(), "the client's key");
    }
}
