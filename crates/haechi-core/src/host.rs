//! The host that a request names.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// A host in canonical form: lower case, without the port, an IPv6 address in brackets. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    name: Arc<str>,
    port: Option<u16>,
}

/// A `Host` value that is not `host` or `host:port` (RFC 9110 7.2, RFC 3986 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host is not a name or address with an optional port")]
pub struct BadHost;

impl Host {
    /// Reads a `Host` field value or an `:authority`.
    ///
    /// # Errors
    /// [`BadHost`] for an empty name, user information, an odd character, or a port that is not 1–65535.
    pub fn parse(value: &[u8]) -> Result<Self, BadHost> {
        if value.is_empty() || value.len() > 262 {
            return Err(BadHost);
        }
        let (name, port) = split_port(value)?;
        let name = if let Some(inner) = name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            let address: Ipv6Addr =
                std::str::from_utf8(inner).ok().and_then(|t| t.parse().ok()).ok_or(BadHost)?;
            format!("[{address}]").into()
        } else {
            registered_name(name)?
        };
        Ok(Self { name, port })
    }

    /// The host of a request that names none, which HTTP/1.0 allows. It is no route's.
    pub fn unnamed() -> Self {
        Self { name: "".into(), port: None }
    }

    /// Whether the request names none.
    pub fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether both name the same, where `port` is meant when none is written.
    pub fn is_same(&self, other: &Self, port: u16) -> bool {
        self.name == other.name && self.port.unwrap_or(port) == other.port.unwrap_or(port)
    }

    /// The name, lower case, without a port and without the dot that ends a name of the whole tree (RFC 3986 3.2.2).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where the request named one.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

/// A name as routes write it, or `*.example.com` for every name below it, one label or more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern(Box<str>);

impl HostPattern {
    /// Reads one.
    ///
    /// # Errors
    /// [`BadHost`] for what is no host, has a port, or has a `*` elsewhere than as its first label.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
        let host = Host::parse(name.as_bytes())?;
        if host.port().is_some() || name.ends_with(':') || (!star.is_empty() && host.name().starts_with('['))
        {
            return Err(BadHost);
        }
        Ok(Self(format!("{star}{}", host.name()).into()))
    }

    /// The text, canonical.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a name, canonical and without a port, is one that `pattern` means ([`HostPattern::as_str`]).
pub fn is_meant(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(below) => name.len() > below.len() && name.ends_with(below),
        None => pattern == name,
    }
}

fn split_port(value: &[u8]) -> Result<(&[u8], Option<u16>), BadHost> {
    let end_of_name = match value.first() {
        Some(b'[') => value.iter().position(|&b| b == b']').ok_or(BadHost)? + 1,
        _ => value.iter().position(|&b| b == b':').unwrap_or(value.len()),
    };
    let (name, rest) = value.split_at(end_of_name);
    match rest {
        // An empty port is none (RFC 3986 6.2.3).
        [] | [b':'] => Ok((name, None)),
        [b':', digits @ ..] if matches!(digits.len(), 1..=5) && digits.iter().all(u8::is_ascii_digit) => {
            let port = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            let port = u16::try_from(port).ok().filter(|port| *port != 0).ok_or(BadHost)?;
            Ok((name, Some(port)))
        }
        _ => Err(BadHost),
    }
}

fn registered_name(name: &[u8]) -> Result<Arc<str>, BadHost> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let dots_apart =
        !name.starts_with(b".") && !name.ends_with(b".") && !name.windows(2).any(|pair| pair == b"..");
    if name.is_empty() || name.len() > 253 || !name.iter().all(legal) || !dots_apart {
        return Err(BadHost);
    }
    let mut name: Arc<str> = std::str::from_utf8(name).map_err(|_| BadHost)?.into();
    Arc::make_mut(&mut name).make_ascii_lowercase();
    Ok(name)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, HostPattern, is_meant};

    #[test]
    fn names_are_folded_and_ports_kept() {
        let host = Host::parse(b"API.Example.com:8080").unwrap();
        assert_eq!((host.name(), host.port()), ("api.example.com", Some(8080)));
        assert_eq!(host.to_string(), "api.example.com:8080");
        assert_eq!(Host::parse(b"[0:0::1]:80").unwrap().to_string(), "[::1]:80");
    }

    #[test]
    fn a_wildcard_means_names_below_and_never_the_name() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        assert_eq!(pattern.as_str(), "*.example.com");
        for (name, meant) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("notexample.com", false),
            ("a.example.com.evil", false),
            ("", false),
        ] {
            assert_eq!(is_meant(pattern.as_str(), name), meant, "{name}");
        }
        assert!(is_meant("a.example", "a.example") && !is_meant("a.example", "b.a.example"));
        for bad in ["*", "*.", "*a.b", "a.*.b", "*.*.b", "*.a:80", "*.[::1]", "a:80", "a:", "**.a"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dot_at_the_end_changes_nothing() {
        assert_eq!(Host::parse(b"a.example."), Host::parse(b"A.example"));
        assert_eq!(Host::parse(b"a.example.:80"), Host::parse(b"a.example:80"));
        assert!(Host::parse(b".").is_err() && Host::parse(b".:80").is_err());
    }

    #[test]
    fn the_usual_port_may_be_left_out() {
        let same = |one: &str, other: &str, port| {
            Host::parse(one.as_bytes()).unwrap().is_same(&Host::parse(other.as_bytes()).unwrap(), port)
        };
        assert!(same("a", "a:", 80) && same("[::1]:", "[::1]:80", 80));
        assert!(same("a", "A:80", 80) && same("a:443", "a", 443) && same("a:81", "a:81", 80));
        assert!(!same("a", "a:81", 80) && !same("a", "a:80", 443) && !same("a", "b", 80));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        let bad: [&[u8]; 15] = [
            b"", b":80", b":", b"a b", b"user@a", b"a::", b"a:0", b"a:65536", b"a:+1", b"a..b", b".a",
            b"a..", b"[::1", b"a/b", b"a,b",
        ];
        for value in bad {
            assert!(Host::parse(value).is_err(), "{}", String::from_utf8_lossy(value));
        }
    }
}
