//! Which proxies the gate goes through for itself: by the configuration, or else by the variables that other programs go by.

use super::names::Resolver;
use crate::config::placeholder::process_variable;
use crate::config::report::Fault;
use crate::config::written::{Proxy, proxy_address};
use haechi_core::Secret;

/// How keys and discovery documents are fetched and traces exported. The default is without proxies.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Egress {
    /// For `https` addresses.
    pub https: Option<Secret<String>>,
    /// For `http` addresses.
    pub http: Option<Secret<String>>,
    /// What is reached directly, as `NO_PROXY` lists it; this machine always is.
    pub no_proxy: String,
}

pub(super) fn egress(resolver: &mut Resolver<'_>) -> Egress {
    let written = resolver.written.egress.given();
    let listed = written
        .and_then(|egress| egress.no_proxy.given())
        .map(|hosts| hosts.iter().map(|host| host.0.as_str()).collect::<Vec<_>>().join(","));
    let no_proxy = listed.or_else(|| variable(&["NO_PROXY", "no_proxy"]).map(|(_, list)| list));
    let no_proxy = no_proxy.unwrap_or_default();
    match written.and_then(|egress| egress.proxy.given()).map(|proxy| &proxy.value) {
        Some(Proxy::None) => Egress::default(),
        Some(Proxy::At(proxy)) => Egress { https: Some(proxy.clone()), http: Some(proxy.clone()), no_proxy },
        None => Egress {
            https: of_environment(resolver, &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            http: of_environment(resolver, &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]),
            no_proxy,
        },
    }
}

fn of_environment(resolver: &mut Resolver<'_>, names: &[&str]) -> Option<Secret<String>> {
    let (name, value) = variable(names)?;
    let address = proxy_address(&value);
    if address.is_none() {
        let message =
            format!("the environment variable `{name}` is not the address of an HTTP proxy, and is not used");
        resolver
            .warnings
            .push(Fault::of_file(message).help("write `http://HOST:PORT`, or name it under `egress`"));
    }
    address
}

/// The first that is set and not empty, with its name.
fn variable(names: &[&str]) -> Option<(String, String)> {
    names.iter().find_map(|name| {
        let value = process_variable(name).ok().flatten()?;
        (!value.trim().is_empty()).then(|| ((*name).to_owned(), value.trim().to_owned()))
    })
}
