//! `Sec-WebSocket-Protocol` (RFC 6455 1.9, 4.1), in which pages may put a credential: the one field of the handshake that a script can choose.

use crate::head_sink::HeadSink;
use haechi_authn::CredentialPlace;
use haechi_core::Fields;
use haechi_core::fields::Field;

/// The field's name.
pub(crate) const NAME: &[u8] = b"sec-websocket-protocol";

/// Whether this subprotocol is a credential of that place.
pub(crate) fn is_credential(place: &CredentialPlace, subprotocol: &[u8]) -> bool {
    matches!(place, CredentialPlace::WebSocketProtocol(prefix) if subprotocol.starts_with(prefix.as_bytes()))
}

fn listed(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

/// Writes the field without the subprotocols that are taken out of it; no field where none is left.
pub(crate) fn write(sent: &Field<'_>, taken: impl Fn(&[u8]) -> bool, out: &mut impl HeadSink) {
    let left = || listed(sent.value).filter(|name| !taken(name));
    if listed(sent.value).all(|name| !taken(name)) {
        out.field(sent.name, |out| out.extend_from_slice(sent.value));
    } else if left().next().is_some() {
        out.field(sent.name, |out| {
            for (index, name) in left().enumerate() {
                out.extend_from_slice(if index == 0 { b"" } else { b", " });
                out.extend_from_slice(name);
            }
        });
    }
}

/// What the gate answers where the client offered nothing but a credential, of which the backend knows nothing: browsers end a WebSocket whose
/// answer chooses none of what they offered. The one who reads it has sent it.
pub(crate) fn chosen<'a>(offered: &'a Fields, places: &[CredentialPlace]) -> Option<&'a [u8]> {
    if !places.iter().any(|place| matches!(place, CredentialPlace::WebSocketProtocol(_))) {
        return None;
    }
    let fields = offered.iter().filter(|field| field.name == NAME);
    let mut all = fields.flat_map(|field| listed(field.value));
    let first = all.next()?;
    let credential = |name: &[u8]| places.iter().any(|place| is_credential(place, name));
    (credential(first) && all.all(credential)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::{chosen, is_credential, write};
    use haechi_authn::CredentialPlace;
    use haechi_core::Fields;

    fn places() -> [CredentialPlace; 2] {
        [CredentialPlace::Authorization, CredentialPlace::WebSocketProtocol("bearer.".into())]
    }

    fn fields(value: &str) -> Fields {
        let mut fields = Fields::default();
        fields.push(b"Sec-WebSocket-Protocol", value.as_bytes());
        fields
    }

    #[test]
    fn the_credential_leaves_the_list_and_the_rest_stays() {
        for (sent, left) in [
            ("chat, bearer.a.b.c, json", "chat, json"),
            ("bearer.a.b.c", ""),
            ("bearer.a ,chat", "chat"),
            ("chat,json", "chat,json"),
            ("bearers", "bearers"),
        ] {
            let fields = fields(sent);
            let mut out = Vec::new();
            let taken = |name: &[u8]| places().iter().any(|place| is_credential(place, name));
            fields.iter().for_each(|field| write(&field, taken, &mut out));
            let written = String::from_utf8(out).unwrap();
            let value = written.split_once(": ").map_or("", |(_, value)| value.trim_end());
            assert_eq!(value, left, "{sent}");
        }
    }

    #[test]
    fn a_credential_is_chosen_only_where_nothing_else_was_offered() {
        let chosen = |sent: &str| chosen(&fields(sent), &places()).map(<[u8]>::to_vec);
        assert_eq!(chosen("bearer.a.b.c"), Some(b"bearer.a.b.c".to_vec()));
        assert_eq!(chosen("chat, bearer.a"), None);
        assert_eq!(chosen("bearer.a, chat"), None);
        assert_eq!(chosen("chat"), None);
        assert_eq!(super::chosen(&fields("bearer.a"), &[CredentialPlace::Authorization]), None);
    }
}
