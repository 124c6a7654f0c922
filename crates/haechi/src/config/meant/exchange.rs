//! `identity.exchange`: a token for a service, in exchange for its caller's own (RFC 8693).

use super::authenticator::Authenticator;
use super::names::Resolver;
use super::token_server::{self, TokenEndpoint};
use crate::authenticators::client_proof::{self, Proof, Ways};
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::Identifier;
use crate::config::written::{self, Authenticate, SubjectTokenType};
use haechi_authn::token_exchange::{ExchangeConfig, SubjectType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the callers' tokens are exchanged for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// What is asked for.
    pub(crate) config: ExchangeConfig,
    /// Who is asked.
    pub(crate) endpoint: TokenEndpoint,
}

pub(super) fn meant(
    resolver: &mut Resolver<'_>,
    exchange: &At<written::Exchange>,
    identity: &written::ServiceIdentity,
) -> Option<Exchange> {
    if !identity.token.is_absent() {
        let message = "`token` and `exchange` would both stand in `Authorization`";
        resolver.faults.push(Fault::new(exchange.span, message).help("keep one of them"));
    }
    let server = token_server::Written {
        of: "`exchange`",
        span: exchange.span,
        token_url: &exchange.token_url,
        issuer: &exchange.issuer,
        allow_http: exchange.allow_http,
    };
    let server = token_server::server(resolver, &server);
    let client = client(resolver, exchange);
    let audience = exchange.audience.as_ref()?;
    Some(Exchange {
        config: ExchangeConfig {
            audience: audience.value.clone(),
            resource: exchange.resource.given().map(|resource| resource.value.clone()),
            scopes: exchange.scopes.clone(),
            subject_type: match exchange.subject_token_type {
                SubjectTokenType::AccessToken => SubjectType::AccessToken,
                SubjectTokenType::Jwt => SubjectType::Jwt,
            },
        },
        endpoint: TokenEndpoint { server: server?, client: client?, allow_http: exchange.allow_http },
    })
}

/// How the gate is registered; `Some(None)` where it says nothing of itself.
fn client(resolver: &mut Resolver<'_>, exchange: &At<written::Exchange>) -> Option<Option<(String, Proof)>> {
    let Some(id) = exchange.client_id.given() else {
        let beside = [
            exchange.client_secret.given().map(|given| given.span),
            exchange.private_key_jwt.given().map(|given| given.span),
            exchange.client_authentication.given().map(|given| given.span),
        ];
        if let Some(span) = beside.into_iter().flatten().next() {
            let fault =
                Fault::new(span, "this proves that the gate is a client, and there is no `client_id`");
            return resolver.fault(fault.help("add `client_id`, or remove it"));
        }
        return exchange.client_id.is_absent().then_some(None);
    };
    let id = client_proof::client_id(resolver, &Some(id.clone()));
    let ways = Ways {
        of: "`exchange` with a `client_id`",
        span: exchange.span,
        secret: &exchange.client_secret,
        key: &exchange.private_key_jwt,
        place: &exchange.client_authentication,
    };
    let proof = client_proof::check(resolver, ways);
    Some(Some((id?, proof?)))
}

/// Whoever calls a service that exchanges tokens must come with one.
pub(super) fn tokens_are_there(
    resolver: &mut Resolver<'_>,
    authenticators: &BTreeMap<Arc<str>, Authenticator>,
) {
    let exchanges = |name: &Arc<str>| {
        let mut services = resolver.written.services.0.iter().filter(|(known, _)| known.value.0 == *name);
        services.any(|(_, service)| {
            let identity = service.as_ref().and_then(|service| service.identity.as_ref());
            identity.is_some_and(|identity| !identity.exchange.is_absent())
        })
    };
    let has_token = |name: &At<Identifier>| {
        authenticators.get(&*name.value.0).is_none_or(|known| known.settings.has_token())
    };
    let mut faults = Vec::new();
    for route in &resolver.written.routes {
        let Some(service) = route.service.as_ref().filter(|service| exchanges(&service.value.0)) else {
            continue;
        };
        let Some(authenticate) = &route.authenticate else { continue };
        let told = format!("and the service `{}` gets a token in exchange for the caller's", service.value);
        match &authenticate.value {
            Authenticate::Any(names) => {
                for name in names.iter().filter(|name| !has_token(name)) {
                    let message = format!("callers of `{}` have no token, {told}", name.value);
                    faults.push(Fault::new(name.span, message).help(HELP));
                }
            }
            Authenticate::All(names) if !names.iter().any(has_token) => {
                let message = format!("none of these authenticators has a token, {told}");
                faults.push(Fault::new(authenticate.span, message).help(HELP));
            }
            Authenticate::All(_) => {}
            Authenticate::Open(open) => {
                let message = format!("`{}` verifies no token, {told}", open.word);
                faults.push(Fault::new(authenticate.span, message).help(HELP));
            }
        }
    }
    resolver.faults.extend(faults);
}

const HELP: &str = "name `jwt` or `introspection` authenticators, or `oidc` with `forward_access_token: true`; or lead the route to a service without `exchange`";
