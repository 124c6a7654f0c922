//! The client's IP address from `X-Forwarded-For`, `Forwarded` and trusted proxies.

use haechi_core::{FieldName, Fields, Host};
use ipnet::IpNet;
use std::net::IpAddr;

/// What came of reading the forwarding fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) client: IpAddr,
    /// From the client to the peer, for `X-Forwarded-For`.
    pub(crate) chain: Vec<IpAddr>,
    /// Whether the client came over TLS.
    pub(crate) secure: bool,
    /// The host that the outermost trusted proxy was asked for, where it said so.
    pub(crate) host: Option<Host>,
}

/// One hop as a proxy tells of it: who came to that proxy, and what that one asked for.
#[derive(Clone, Copy, Default)]
struct Hop<'a> {
    /// `None` for what is no address (`unknown`, `_hidden`).
    address: Option<IpAddr>,
    proto: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

/// Reads the forwarding fields if `peer` is trusted: from right to left, as far as trusted proxies have written them, up to the first address that
/// is not theirs. What stands left of it the client may have made up, and it is not looked at; what is no address ends the reading. So nothing that a
/// client can put there is an error.
///
/// `X-Forwarded-For` goes before `Forwarded`: a proxy that writes the one lets a client's own other pass.
pub(crate) fn origin(fields: &Fields, peer: IpAddr, secure: bool, trusted: &[IpNet]) -> Origin {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return Origin { client: peer, chain: vec![peer], secure, host: None };
    }
    let in_words = !fields.has(FieldName::XForwardedFor);
    let hops: Vec<Hop<'_>> = if in_words {
        elements(fields, FieldName::Forwarded).map(forwarded).collect()
    } else {
        let listed = elements(fields, FieldName::XForwardedFor);
        listed.map(|text| Hop { address: address(text), ..Hop::default() }).collect()
    };
    // From the peer leftwards; turned at the end.
    let (mut chain, mut told) = (vec![peer], Hop::default());
    for hop in hops.into_iter().rev() {
        let Some(address) = hop.address else { break };
        chain.push(address);
        told = hop;
        if !is_trusted(&address) {
            break;
        }
    }
    let read = chain.len().saturating_sub(1).max(1);
    chain.reverse();
    let proto = member(fields, FieldName::XForwardedProto, read).or(told.proto);
    let host = member(fields, FieldName::XForwardedHost, read).or(told.host);
    Origin {
        client: chain.first().copied().unwrap_or(peer),
        chain,
        secure: proto.map_or(secure, is_secure),
        host: host.and_then(|host| Host::parse(host).ok()),
    }
}

fn elements(fields: &Fields, name: FieldName) -> impl Iterator<Item = &[u8]> {
    fields.all(name).flat_map(|value| value.split(|&b| b == b',')).map(<[u8]>::trim_ascii)
}

/// The member that the outermost trusted proxy has written, which is the `read`th from the right where every proxy adds one. A shorter list was not
/// added to by all of them; its first member is the outermost's.
fn member(fields: &Fields, name: FieldName, read: usize) -> Option<&[u8]> {
    let all: Vec<&[u8]> = elements(fields, name).collect();
    all.get(all.len().saturating_sub(read)).copied().filter(|member| !member.is_empty())
}

/// WebSockets have schemes of their own (Traefik writes `wss`). What is no scheme is not taken for a secure one.
fn is_secure(proto: &[u8]) -> bool {
    proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
}

/// `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address: Option<IpAddr> = plain.parse().ok();
    address
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

/// One `Forwarded` element (RFC 7239 4). One that cannot be read tells nothing.
fn forwarded(element: &[u8]) -> Hop<'_> {
    let mut hop = Hop::default();
    let mut told = None;
    for pair in element.split(|&b| b == b';').map(<[u8]>::trim_ascii) {
        let Some(split) = pair.iter().position(|&b| b == b'=') else { return Hop::default() };
        let (name, value) = pair.split_at(split);
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        let slot = match name {
            _ if name.eq_ignore_ascii_case(b"for") => &mut told,
            _ if name.eq_ignore_ascii_case(b"proto") => &mut hop.proto,
            _ if name.eq_ignore_ascii_case(b"host") => &mut hop.host,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Hop::default();
        }
    }
    hop.address = told.and_then(address);
    hop
}

#[cfg(test)]
mod tests {
    use super::{Origin, origin};
    use haechi_core::Fields;
    use ipnet::IpNet;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn read(peer: &str, sent: &[(&str, &str)]) -> Origin {
        let mut fields = Fields::default();
        for (name, value) in sent {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let trusted: Vec<IpNet> = LOCAL.iter().map(|net| net.parse().unwrap()).collect();
        origin(&fields, peer.parse().unwrap(), false, &trusted)
    }

    fn client(peer: &str, sent: &[(&str, &str)]) -> String {
        read(peer, sent).client.to_string()
    }

    const LOCAL: &[&str] = &["127.0.0.0/8", "10.0.0.0/8"];

    #[test]
    fn a_stranger_cannot_say_who_it_is() {
        assert_eq!(client("9.9.9.9", &[("X-Forwarded-For", "1.1.1.1")]), "9.9.9.9");
        assert_eq!(client("9.9.9.9", &[("X-Forwarded-For", "nonsense")]), "9.9.9.9");
        assert!(!read("9.9.9.9", &[("X-Forwarded-Proto", "https")]).secure);
    }

    #[test]
    fn trusted_proxies_are_read_from_right_to_left() {
        let sent = [("X-Forwarded-For", "6.6.6.6, 1.1.1.1"), ("X-Forwarded-For", "10.1.1.1")];
        assert_eq!(client("127.0.0.1", &sent), "1.1.1.1");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("::ffff:127.0.0.1", &[("X-Forwarded-For", "1.1.1.1")]), "1.1.1.1");
        assert_eq!(client("127.0.0.1", &[("X-Forwarded-For", "10.0.0.7, 10.0.0.8")]), "10.0.0.7");
    }

    #[test]
    fn what_is_no_address_ends_the_reading() {
        for (sent, expected) in [
            ("", "127.0.0.1"),
            ("unknown", "127.0.0.1"),
            ("1.1.1.1, unknown", "127.0.0.1"),
            ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1,,10.0.0.2", "10.0.0.2"),
            ("1.1.1", "127.0.0.1"),
            ("[2001:db8::1]x", "127.0.0.1"),
            ("nonsense, 2.2.2.2", "2.2.2.2"),
            ("1.1.1.1;drop table, 2.2.2.2:4711, 10.0.0.2", "2.2.2.2"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(client("127.0.0.1", &[("X-Forwarded-For", sent)]), expected, "{sent}");
        }
        for (sent, expected) in [
            ("for=_hidden", "127.0.0.1"),
            ("for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("for=1.1.1.1, for=_a;by=_b, for=10.0.0.2", "10.0.0.2"),
            ("garbage, for=3.3.3.3;proto=http", "3.3.3.3"),
            ("for=1.1.1.1;for=2.2.2.2", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
        ] {
            assert_eq!(client("127.0.0.1", &[("Forwarded", sent)]), expected, "{sent}");
        }
    }

    #[test]
    fn forwarded_is_read_where_it_stands_alone() {
        let forwarded = ("Forwarded", "for=\"[2001:db8::1]:99\";proto=https;host=a.example, for=10.0.0.2");
        let origin = read("127.0.0.1", &[forwarded]);
        assert_eq!(origin.client.to_string(), "2001:db8::1");
        assert!(origin.secure, "over the client's own connection");
        assert_eq!(origin.host.map(|host| host.to_string()).as_deref(), Some("a.example"));
        // A client's own, which its proxy let pass.
        assert_eq!(client("127.0.0.1", &[forwarded, ("X-Forwarded-For", "1.1.1.1")]), "1.1.1.1");
    }

    #[test]
    fn the_outermost_trusted_proxy_says_how_the_client_came() {
        let secure = |list: &str, proto: &str| {
            read("127.0.0.1", &[("X-Forwarded-For", list), ("X-Forwarded-Proto", proto)]).secure
        };
        for (list, proto, expected) in [
            ("1.1.1.1", "https", true),
            ("1.1.1.1", "wss", true),
            ("1.1.1.1", "WSS", true),
            ("1.1.1.1", "ws", false),
            ("1.1.1.1", "http", false),
            ("1.1.1.1", "gopher", false),
            ("1.1.1.1, 10.0.0.2", "https", true),
            ("1.1.1.1, 10.0.0.2", "https, http", true),
            ("1.1.1.1, 10.0.0.2", "http, https", false),
            // The client made up the first of each.
            ("6.6.6.6, 1.1.1.1", "https, http", false),
            ("6.6.6.6, 1.1.1.1, 10.0.0.2", "https, http, https", false),
            ("unknown", "http, https", true),
        ] {
            assert_eq!(secure(list, proto), expected, "{list} {proto}");
        }
        let host = |host: &str| {
            let sent = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Host", host)];
            read("127.0.0.1", &sent).host.map(|host| host.to_string())
        };
        assert_eq!(host("evil.example, a.example:8443").as_deref(), Some("a.example:8443"));
        assert_eq!(host("a b"), None);
    }

    /// What clients put into forwarding fields: addresses, well-formed and not, in any number.
    fn sent() -> impl Strategy<Value = Vec<(&'static str, String)>> {
        let name = prop::sample::select(vec![
            "X-Forwarded-For",
            "x-forwarded-for",
            "Forwarded",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Real-IP",
        ]);
        let value = prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|address| format!("for=\"[{address}]\"")),
            (any::<std::net::Ipv4Addr>(), any::<std::net::Ipv4Addr>()).prop_map(|(a, b)| format!("{a}, {b}")),
            "[ -~]{0,40}",
        ];
        prop::collection::vec((name, value), 0..6)
    }

    proptest! {
        #[test]
        fn nothing_that_a_stranger_sends_changes_its_address(
            peer in any::<IpAddr>(),
            secure in any::<bool>(),
            sent in sent(),
        ) {
            let trusted: Vec<IpNet> = LOCAL.iter().map(|net| net.parse().unwrap()).collect();
            prop_assume!(!trusted.iter().any(|net| net.contains(&peer.to_canonical())));
            let mut fields = Fields::default();
            sent.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
            let peer = peer.to_canonical();
            let expected = Origin { client: peer, chain: vec![peer], secure, host: None };
            prop_assert_eq!(origin(&fields, peer, secure, &trusted), expected);
        }

        #[test]
        fn what_stands_left_of_the_first_stranger_is_never_believed(
            forged in prop::collection::vec(any::<std::net::Ipv4Addr>(), 0..4),
            stranger in (128u8..=255, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| std::net::Ipv4Addr::new(a, b, c, d)),
            behind in prop::collection::vec(any::<[u8; 3]>(), 0..3),
        ) {
            let proxies = behind.iter().map(|[b, c, d]| std::net::Ipv4Addr::new(10, *b, *c, *d));
            let list: Vec<String> =
                forged.iter().copied().chain([stranger]).chain(proxies).map(|address| address.to_string()).collect();
            let seen = client("127.0.0.1", &[("X-Forwarded-For", &list.join(", "))]);
            prop_assert_eq!(seen, stranger.to_string());
        }
    }
}
