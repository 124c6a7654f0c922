//! Which web addresses may be contacted.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Scheme, host and port of an address (RFC 6454 4). Two addresses of one origin are under the same control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    secure: bool,
    host: Box<str>,
    port: u16,
}

/// Why an address is not contacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Not `https://host[:port][/path][?query]` in plain characters.
    #[error("`{0}` is not a plain https address")]
    Malformed(String),
    /// Plain http to a host that is not this machine.
    #[error("`{0}` is plain http; use https, or allow_http: true if the network between is trusted")]
    Plain(String),
    /// Another origin than the ones configured.
    #[error("`{0}` is of another origin than the issuer; list its origin if that is meant")]
    Stranger(String),
}

impl WebOrigin {
    /// The origin of an address. Whatever two readers of addresses could take differently is refused: user info, backslashes, fragments,
    /// white space, characters outside visible ASCII, percent escapes in the host.
    ///
    /// # Errors
    /// [`AddressFault::Malformed`].
    pub fn of(address: &str) -> Result<Self, AddressFault> {
        Self::parse(address).ok_or_else(|| AddressFault::Malformed(shown(address)))
    }

    /// The origin of an address that may be contacted: https, or http on loopback, or any http when allowed.
    ///
    /// # Errors
    /// [`AddressFault::Malformed`] or [`AddressFault::Plain`].
    pub fn permitted(address: &str, allow_http: bool) -> Result<Self, AddressFault> {
        let origin = Self::of(address)?;
        if origin.secure || allow_http || origin.is_loopback() {
            Ok(origin)
        } else {
            Err(AddressFault::Plain(shown(address)))
        }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        *self.host == *"localhost"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
    }

    fn parse(address: &str) -> Option<Self> {
        let plain =
            address.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'"' | b'<' | b'>'));
        let (scheme, rest) = address.split_once("://").filter(|_| plain)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?']).next()?;
        let (host, port) = split_port(authority)?;
        let port = match port {
            None if secure => 443,
            None => 80,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        Some(Self { secure, host: host_name(host)?.into(), port })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.secure { "https" } else { "http" }, self.host, self.port)
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(host_end)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn host_name(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{ip}]"));
    }
    let legal = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    legal.then(|| host.to_ascii_lowercase())
}

/// Without what may be a secret: user info and query.
fn shown(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressFault, WebOrigin};

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        let same = |a: &str, b: &str| WebOrigin::of(a).unwrap() == WebOrigin::of(b).unwrap();
        assert!(same("https://A.example/x?y", "HTTPS://a.EXAMPLE:443"));
        assert!(same("http://[::1]:80/", "http://[0:0:0:0:0:0:0:1]"));
        assert!(!same("https://a.example", "http://a.example:443"));
        assert!(!same("https://a.example", "https://a.example:444"));
        assert!(!same("https://a.example", "https://a.example.evil"));
    }

    #[test]
    fn whatever_reads_in_two_ways_is_refused() {
        for address in [
            "",
            "a.example",
            "//a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user@a.example",
            "https://a.example@evil.example/",
            "https://a.example\\@evil.example/",
            "https://a.example#@evil.example/",
            "https://a.example:443@evil.example/",
            "https://a.example:x/",
            "https://a.example:/",
            "https://a.example:99999/",
            "https://a.example:+443/",
            "https://a%2eexample/",
            "https://a example/",
            "https://a\texample/",
            "https://ä.example/",
            "https://[::1",
            "https://[::1]x/",
            "https://[a.example]/",
        ] {
            assert!(WebOrigin::of(address).is_err(), "{address}");
        }
    }

    #[test]
    fn plain_http_only_on_loopback_or_when_allowed() {
        for address in
            ["http://localhost:8080/x", "http://127.0.0.2/", "http://[::1]:1/", "https://a.example"]
        {
            assert!(WebOrigin::permitted(address, false).is_ok(), "{address}");
        }
        for address in [
            "http://a.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://10.0.0.1/",
        ] {
            assert_eq!(WebOrigin::permitted(address, false), Err(AddressFault::Plain(address.into())));
            assert!(WebOrigin::permitted(address, true).is_ok());
        }
    }

    #[test]
    fn a_refused_address_is_shown_without_its_secrets() {
        let shown = WebOrigin::of("https://user:hunter2@a.example/x?token=hunter2").unwrap_err().to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
