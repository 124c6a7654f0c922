//! Who the client is, as far back as trusted proxies vouch for it.

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
    /// The host that the first trusted proxy was asked for, where it said so.
    pub(crate) host: Option<Host>,
}

/// A trusted proxy sent a forwarding field that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads the forwarding fields if `peer` is trusted, from right to left, up to the first address that is not.
pub(crate) fn origin(
    fields: &Fields,
    peer: IpAddr,
    secure: bool,
    trusted: &[IpNet],
) -> Result<Origin, Unreadable> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return Ok(Origin { client: peer, chain: vec![peer], secure, host: None });
    }
    let mut chain = listed(fields)?;
    chain.push(peer);
    let client_at = chain.iter().rposition(|address| !is_trusted(address)).unwrap_or(0);
    let chain = chain.split_off(client_at);
    let client = chain.first().copied().unwrap_or(peer);
    let secure = forwarded_proto(fields)?.unwrap_or(secure);
    Ok(Origin { client, chain, secure, host: forwarded_host(fields)? })
}

fn listed(fields: &Fields) -> Result<Vec<IpAddr>, Unreadable> {
    let x_forwarded_for: Vec<IpAddr> =
        elements(fields, FieldName::XForwardedFor).map(address).collect::<Result<_, _>>()?;
    let forwarded: Vec<IpAddr> =
        elements(fields, FieldName::Forwarded).map(forwarded_for).collect::<Result<_, _>>()?;
    match (x_forwarded_for.is_empty(), forwarded.is_empty()) {
        // Two fields that tell two stories are not to be believed.
        (false, false) if x_forwarded_for != forwarded => Err(Unreadable),
        (true, _) => Ok(forwarded),
        _ => Ok(x_forwarded_for),
    }
}

fn elements(fields: &Fields, name: FieldName) -> impl Iterator<Item = &[u8]> {
    fields.all(name).flat_map(|value| value.split(|&b| b == b',')).map(<[u8]>::trim_ascii)
}

/// `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Result<IpAddr, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
    let plain = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    plain
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
        .map_err(|_| Unreadable)
}

/// The `for` parameter of one `Forwarded` element (RFC 7239 5.2).
fn forwarded_for(element: &[u8]) -> Result<IpAddr, Unreadable> {
    let mut found = None;
    for pair in element.split(|&b| b == b';').map(<[u8]>::trim_ascii) {
        let split = pair.iter().position(|&b| b == b'=').ok_or(Unreadable)?;
        let (name, value) = pair.split_at(split);
        if name.eq_ignore_ascii_case(b"for") {
            let value = value.get(1..).unwrap_or_default();
            let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            if found.replace(address(value)?).is_some() {
                return Err(Unreadable);
            }
        }
    }
    found.ok_or(Unreadable)
}

fn forwarded_proto(fields: &Fields) -> Result<Option<bool>, Unreadable> {
    match fields.sole(FieldName::XForwardedProto).map_err(|_| Unreadable)? {
        None => Ok(None),
        Some(value) if value.eq_ignore_ascii_case(b"https") => Ok(Some(true)),
        Some(value) if value.eq_ignore_ascii_case(b"http") => Ok(Some(false)),
        Some(_) => Err(Unreadable),
    }
}

fn forwarded_host(fields: &Fields) -> Result<Option<Host>, Unreadable> {
    let sent = fields.sole(FieldName::XForwardedHost).map_err(|_| Unreadable)?;
    sent.map(Host::parse).transpose().map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::{Origin, Unreadable, origin};
    use haechi_core::Fields;
    use ipnet::IpNet;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn client(peer: &str, trusted: &[&str], sent: &[(&str, &str)]) -> Result<String, Unreadable> {
        let mut fields = Fields::default();
        for (name, value) in sent {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let peer: IpAddr = peer.parse().unwrap();
        origin(&fields, peer, false, &trusted).map(|origin| origin.client.to_string())
    }

    const LOCAL: &[&str] = &["127.0.0.0/8", "10.0.0.0/8"];

    #[test]
    fn a_stranger_cannot_say_who_it_is() {
        assert_eq!(client("9.9.9.9", LOCAL, &[("X-Forwarded-For", "1.1.1.1")]).unwrap(), "9.9.9.9");
        assert_eq!(client("9.9.9.9", LOCAL, &[("X-Forwarded-For", "nonsense")]).unwrap(), "9.9.9.9");
    }

    #[test]
    fn trusted_proxies_are_read_from_right_to_left() {
        let sent = [("X-Forwarded-For", "6.6.6.6, 1.1.1.1"), ("X-Forwarded-For", "10.1.1.1")];
        assert_eq!(client("127.0.0.1", LOCAL, &sent).unwrap(), "1.1.1.1");
        assert_eq!(client("127.0.0.1", LOCAL, &[]).unwrap(), "127.0.0.1");
        assert_eq!(client("::ffff:127.0.0.1", LOCAL, &[("X-Forwarded-For", "1.1.1.1")]).unwrap(), "1.1.1.1");
    }

    #[test]
    fn forwarded_is_read_too_and_must_agree() {
        let forwarded = ("Forwarded", "for=\"[2001:db8::1]:99\";proto=https, for=10.0.0.2");
        assert_eq!(client("127.0.0.1", LOCAL, &[forwarded]).unwrap(), "2001:db8::1");
        assert_eq!(client("127.0.0.1", LOCAL, &[forwarded, ("X-Forwarded-For", "1.1.1.1")]), Err(Unreadable));
    }

    #[test]
    fn what_a_trusted_proxy_garbles_is_refused() {
        for garbled in ["", "unknown", "1.1.1.1,,2.2.2.2", "1.1.1"] {
            assert_eq!(
                client("127.0.0.1", LOCAL, &[("X-Forwarded-For", garbled)]),
                Err(Unreadable),
                "{garbled}"
            );
        }
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
            prop_assert_eq!(origin(&fields, peer, secure, &trusted), Ok(expected));
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
            let seen = client("127.0.0.1", LOCAL, &[("X-Forwarded-For", &list.join(", "))]);
            prop_assert_eq!(seen, Ok(stranger.to_string()));
        }
    }
}
