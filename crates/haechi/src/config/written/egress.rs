//! `egress`: how the gate reaches what is outside for itself.

use crate::config::read::{Defs, Reader, Value};
use crate::config::record::record;
use crate::config::source::At;
use crate::config::yaml::{Kind, Node};
use haechi_core::{Host, Secret};
use ipnet::IpNet;
use reqwest::Url;
use serde_json::{Value as Json, json};
use std::net::IpAddr;

record! {
    "`egress`"
    /// How the gate fetches keys and discovery documents, and exports traces. Services and decision points are always reached directly.
    struct Egress {
        /// An HTTP proxy, such as `http://proxy.internal:3128`; `none` for none whatever the environment says. `HTTPS_PROXY` and `HTTP_PROXY` where this is left out.
        optional proxy as "proxy": At<Proxy>,
        /// Hosts, domains and networks that are reached directly; this machine always is. `NO_PROXY` where this is left out.
        optional no_proxy as "no_proxy": At<Vec<DirectHost>>,
    }
}

/// What is reached without the proxy: `*` for all, an address, a network, or a name with all below it.
#[derive(Clone, Debug)]
pub(crate) struct DirectHost(pub(crate) String);

impl Value for DirectHost {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a host, a domain or a network", node, |text| {
            let name = text.strip_prefix('.').unwrap_or(text);
            let host = Host::parse(name.as_bytes());
            let known = text == "*" || text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok();
            match (host, text.strip_prefix("*.").map(str::as_bytes).map(Host::parse)) {
                _ if known => Ok(Self(text.to_owned())),
                (Ok(host), _) if host.port().is_none() => Ok(Self(text.to_owned())),
                (Ok(host), _) => Err(format!("write it without the port: `{}`", host.name())),
                (_, Some(Ok(below))) => {
                    Err(format!("write `.{}`, which is the name and all below it", below.name()))
                }
                _ => Err("write `internal.example.com`, `10.0.0.0/8`, or `*` for all".into()),
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A proxy.
#[derive(Clone, Debug)]
pub(crate) enum Proxy {
    None,
    At(Secret<String>),
}

/// The address of an HTTP proxy, with `http://` where no scheme is written; `None` for anything else.
pub(in crate::config) fn address(text: &str) -> Option<Secret<String>> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && matches!(url.path(), "" | "/");
    (plain && url.query().is_none()).then(|| Secret::from(&*whole))
}

impl Value for Proxy {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar { .. } = node.kind else { return reader.expected("the address of a proxy", node) };
        reader.parsed("the address of a proxy", node, |text| match text {
            "none" => Ok(Self::None),
            text => address(text).map(Self::At).ok_or_else(|| {
                "write `http://` or `https://`, a host and a port, such as `http://proxy.internal:3128`"
                    .to_owned()
            }),
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string" })
    }
}
