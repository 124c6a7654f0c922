//! Addresses: of listeners, networks, endpoints, issuers, origins and the store.

use crate::config::read::{Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::yaml::Node;
use haechi_core::Host;
use haechi_proxy::OriginPattern;
use haechi_store::{BadLocation, Location};
use ipnet::IpNet;
use reqwest::Url;
use serde_json::{Value as Json, json};
use std::net::{IpAddr, SocketAddr};

impl Value for SocketAddr {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("an address with a port", node, |text| {
            text.parse().map_err(|_| "write an IP address and a port: `0.0.0.0:8080`, `[::]:8080`".to_owned())
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r":[0-9]{1,5}$|\$\{" })
    }
}

impl Value for IpNet {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a network", node, parse_network)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$|\$\{" })
    }
}

/// A network, or a single address; bits beyond the prefix must be zero, because nobody can tell which of the two was meant.
pub(crate) fn parse_network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let canonical = address.to_canonical();
        return if canonical == address { Ok(address.into()) } else { Err(format!("write `{canonical}`")) };
    }
    let network: IpNet =
        text.parse().map_err(|_| "write a network such as `10.0.0.0/8`, or an address".to_owned())?;
    if let IpNet::V6(v6) = network
        && let (Some(v4), Some(bits)) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96))
    {
        // Clients are known by their IPv4 address, however it came.
        return Err(format!("write `{v4}/{bits}`"));
    }
    let trunc = network.trunc();
    if trunc == network { Ok(network) } else { Err(format!("write `{trunc}`, or the single address")) }
}

/// Where the store is, its file relative to the configuration.
impl Value for Location {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text("a store", node)?;
        match Self::parse(&text) {
            Ok(location) => Some(location.relative_to(reader.surroundings.folder)),
            // These show the scheme, which is not shown where it stands elsewhere.
            Err(BadLocation::NoScheme | BadLocation::UnknownScheme(_) | BadLocation::SharedState(_)) => reader.fault(
                Fault::new(node.span, "expected a store".to_owned())
                    .help("write `sqlite:` and a file, or a PostgreSQL address: `sqlite:haechi.db`, `postgres://haechi@db.internal/haechi`"),
            ),
            Err(fault) => reader.fault(Fault::new(node.span, fault.to_string())),
        }
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^(sqlite|postgres(ql)?):.|\$\{" })
    }
}

/// Where the shared state is, its files relative to the configuration.
impl Value for haechi_shared::Location {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text("a shared state", node)?;
        match Self::parse(&text) {
            Ok(location) => Some(location.relative_to(reader.surroundings.folder)),
            Err(fault) => reader.fault(Fault::new(node.span, fault.to_string())),
        }
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^((redis|valkey)s?|unix|redis\+unix)://.|\$\{" })
    }
}

/// A web address without user information and without a fragment. Which scheme it may have is decided where it is used.
impl Value for Url {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a web address", node, parse_web_address)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^https?://|\$\{" })
    }
}

/// Where an authorization service is asked: over HTTP, or over gRPC.
#[derive(Clone, Debug)]
pub(crate) struct AskedAddress {
    /// The same as the address of a web server.
    pub(crate) web: Url,
    /// Whether it is asked over gRPC.
    pub(crate) grpc: bool,
}

impl Value for AskedAddress {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a web address", node, |text| {
            // `grpc://` is to `grpcs://` what `http://` is to `https://`.
            let Some(rest) = text.strip_prefix("grpc").filter(|rest| rest.starts_with(['s', ':'])) else {
                return parse_web_address(text).map(|web| Self { web, grpc: false });
            };
            let web = parse_web_address(&format!("http{rest}"));
            let web = web.map_err(|_| "write `grpcs://`, a host and a port".to_owned())?;
            if web.path() != "/" || web.query().is_some() {
                return Err(
                    "over gRPC there is one call, and no path: write `grpcs://`, a host and a port".into()
                );
            }
            Ok(Self { web, grpc: true })
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^(https?|grpcs?)://|\$\{" })
    }
}

impl AskedAddress {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        let web = self.web.as_str();
        match web.strip_prefix("http").filter(|_| self.grpc) {
            Some(rest) => format!("grpc{}", rest.trim_end_matches('/')),
            None => web.to_owned(),
        }
    }
}

fn parse_web_address(text: &str) -> Result<Url, String> {
    let help = || "write `https://`, a host and a path".to_owned();
    let url: Url = text.parse().map_err(|_| help())?;
    let web = (text.starts_with("https://") || text.starts_with("http://")) && url.has_host();
    if !web || text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(help());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address carries no user name or password".into());
    }
    if url.fragment().is_some() {
        return Err("an address has no `#fragment`".into());
    }
    Ok(url)
}

/// `http://host:port` or `https://host:port` of a backend.
#[derive(Clone, Debug)]
pub(crate) struct EndpointUrl {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) secure: bool,
}

impl Value for EndpointUrl {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("an endpoint", node, parse_endpoint)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^https?://[^/?#@]+/?$|\$\{" })
    }
}

fn parse_endpoint(text: &str) -> Result<EndpointUrl, String> {
    let help = || {
        "write `http://` or `https://`, a host and a port, and nothing after it: `http://127.0.0.1:7001`"
            .to_owned()
    };
    let (rest, secure) = match text.strip_prefix("https://") {
        Some(rest) => (rest, true),
        None => (text.strip_prefix("http://").ok_or_else(help)?, false),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let host = Host::parse(authority.as_bytes()).map_err(|_| help())?;
    let port = host.port().unwrap_or(if secure { 443 } else { 80 });
    let host = Host::parse(host.name().as_bytes()).map_err(|_| help())?;
    Ok(EndpointUrl { host, port, secure })
}

/// A web origin (RFC 6454 6.2) as browsers write it.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) Box<str>);

impl Value for Origin {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("an origin", node, |text| {
            let url = parse_web_address(text)?;
            let origin = url.origin().ascii_serialization();
            if text.strip_suffix('/').unwrap_or(text) == origin {
                Ok(Self(origin.into()))
            } else {
                Err(format!("write it as browsers do: `{origin}`"))
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^https?://[^/?#@]+/?$|\$\{" })
    }
}

/// The origin of pages, or of all pages of hosts below a name.
#[derive(Clone, Debug)]
pub(crate) struct PageOrigin(pub(crate) OriginPattern);

impl Value for PageOrigin {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("an origin", node, |text| parse_page_origin(text).map(Self))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^https?://(\*\.)?[^/?#@*]+/?$|\$\{" })
    }
}

fn parse_page_origin(text: &str) -> Result<OriginPattern, String> {
    let below = text.contains("://*.");
    let bare = text.replacen("://*.", "://", 1);
    if bare.contains('*') {
        let known = "write an origin such as `https://app.example.com`, or `https://*.example.com` for every name below it";
        return Err(known.into());
    }
    let url = parse_web_address(&bare)?;
    let origin = url.origin().ascii_serialization();
    if below && url.host_str().is_some_and(|host| host.starts_with('[') || host.parse::<IpAddr>().is_ok()) {
        return Err(format!("there is no name below an address: write `{origin}`"));
    }
    let right = if below { origin.replacen("://", "://*.", 1) } else { origin };
    if text.strip_suffix('/').unwrap_or(text) == right {
        Ok(OriginPattern::of(&right))
    } else {
        Err(format!("write it as browsers do: `{right}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_endpoint, parse_network, parse_web_address};

    #[test]
    fn networks_mean_one_thing() {
        assert_eq!(parse_network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(parse_network("10.0.0.1/8").unwrap_err(), "write `10.0.0.0/8`, or the single address");
        assert_eq!(parse_network("::ffff:10.0.0.0/104").unwrap_err(), "write `10.0.0.0/8`");
        assert_eq!(parse_network("::ffff:10.0.0.1").unwrap_err(), "write `10.0.0.1`");
        assert!(["", "a", "10.0.0.0/33", "10.0.0"].iter().all(|text| parse_network(text).is_err()));
    }

    #[test]
    fn endpoints_are_a_host_and_a_port() {
        let endpoint = parse_endpoint("http://Backend:7001").unwrap();
        assert_eq!((endpoint.host.name(), endpoint.port), ("backend", 7001));
        assert_eq!(parse_endpoint("http://[::1]/").unwrap().port, 80);
        let endpoint = parse_endpoint("https://Backend").unwrap();
        assert_eq!((endpoint.port, endpoint.secure), (443, true));
        let bad = [
            "http://a:7001/x",
            "http://u@a",
            "http://a?x",
            "http://a#x",
            "a:80",
            "http://",
            "ftp://a",
            "http://a:0",
        ];
        assert!(bad.iter().all(|text| parse_endpoint(text).is_err()));
    }

    #[test]
    fn addresses_carry_no_user_and_no_fragment() {
        for text in ["https://u:p@a/", "https://a/#x", "ftp://a", "https:a", "", "https://a b", "https:\\\\a"]
        {
            assert!(parse_web_address(text).is_err(), "{text}");
        }
    }
}
