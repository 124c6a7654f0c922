//! Token endpoints of which the gate is a client.

use super::names::Resolver;
use crate::authenticators::client_proof::Proof;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_authn::token_client::TokenServer;
use reqwest::Url;

/// A token endpoint, and how the gate is registered there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenEndpoint {
    /// Who is asked.
    pub(crate) server: TokenServer,
    /// The client's id, and how the gate proves that it is that client; `None` where it says nothing of itself.
    pub(crate) client: Option<(String, Proof)>,
    /// Whether it may be over plain `http` elsewhere than on loopback.
    pub(crate) allow_http: bool,
}

impl TokenEndpoint {
    /// Who gives tokens, as it is written.
    pub(crate) fn name(&self) -> &str {
        match &self.server {
            TokenServer::At(url) => url,
            TokenServer::OfIssuer(issuer) => issuer,
        }
    }
}

/// How an endpoint is written.
pub(super) struct Written<'a> {
    /// The key that it is of.
    pub(super) of: &'static str,
    pub(super) span: Span,
    pub(super) token_url: &'a Maybe<At<Url>>,
    pub(super) issuer: &'a Maybe<At<String>>,
    pub(super) allow_http: bool,
}

/// The one that is asked.
pub(super) fn server(resolver: &mut Resolver<'_>, written: &Written<'_>) -> Option<TokenServer> {
    let Written { of, span, token_url, issuer, allow_http } = *written;
    match (token_url.given(), issuer.given()) {
        (Some(url), None) if issuer.is_absent() => {
            address(resolver, url.value.as_str(), url.span, allow_http)
                .then(|| TokenServer::At(url.value.to_string()))
        }
        (None, Some(issuer)) if token_url.is_absent() => {
            address(resolver, &issuer.value, issuer.span, allow_http)
                .then(|| TokenServer::OfIssuer(issuer.value.as_str().into()))
        }
        (None, None) if !(token_url.is_absent() && issuer.is_absent()) => None,
        _ => {
            let message = format!("{of} needs `token_url` or `issuer`, and not both");
            let help = "name the token endpoint, or the issuer that says where it is";
            resolver.fault(Fault::new(span, message).help(help))
        }
    }
}

fn address(resolver: &mut Resolver<'_>, url: &str, span: Span, allow_http: bool) -> bool {
    let fault = match WebOrigin::permitted(url, allow_http) {
        Ok(_) => return true,
        Err(AddressFault::Plain(_)) => {
            Fault::new(span, "the client's secret and tokens would be sent over plain `http`")
                .help("write `https://`; `allow_http: true` beside it takes the risk")
        }
        Err(_) => Fault::new(span, "nobody is asked at an address of this form")
            .help("write `https://`, a plain host, and a path"),
    };
    resolver.faults.push(fault);
    false
}
