//! Services.

use super::exchange::{self, Exchange};
use super::identity_headers;
use super::names::Resolver;
use super::resilience;
use super::tls::{self, ServiceTls};
use super::upstream_auth::{self, UpstreamAuth};
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::Identifier;
use crate::config::written;
use haechi_core::Host;
use haechi_proxy::{Circuit, IdentityToken, Keepalive, ServiceSettings};
use rustls::pki_types::ServerName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A named set of backend endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// The name under `services:`.
    pub name: Arc<str>,
    /// At least one, no two alike.
    pub endpoints: Vec<Endpoint>,
    /// How endpoints with `https://` are spoken to; there where there is one.
    pub tls: Option<ServiceTls>,
    /// Everything else.
    pub settings: ServiceSettings,
    /// The gate's own credential there.
    pub upstream_auth: Option<UpstreamAuth>,
    /// What it gets in exchange for its callers' tokens.
    pub exchange: Option<Exchange>,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name or address, without the port.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub secure: bool,
    /// How much of the traffic it gets, beside the others. With 0 it gets no new requests.
    pub weight: u32,
}

impl Service {
    /// What it gets in the place of its callers' credentials, for people.
    pub(crate) fn credential_told(&self) -> Option<String> {
        if let Some(exchange) = &self.exchange {
            let (audience, server) = (&exchange.config.audience, exchange.endpoint.name());
            return Some(format!("a token of `{server}` for `{audience}`, in exchange for the caller's own"));
        }
        if let Some(token) = &self.settings.identity_token {
            return Some(format!("a token that the gate signs for `{}`", token.audience));
        }
        let own = self.upstream_auth.as_ref()?;
        Some(format!("the gate's own credential in `{}`", own.field()))
    }
}

pub(super) fn service(
    resolver: &mut Resolver<'_>,
    name: &At<Identifier>,
    written: &written::Service,
) -> Option<Service> {
    let endpoints = endpoints(resolver, written);
    let tls = tls::service(resolver, written);
    if let Some(Some(tls)) = &tls
        && !written.health.is_absent()
        && matches!(tls.server_name, Some(ServerName::IpAddress(_)))
    {
        let message = "health checks cannot ask for a `server_name` that is an address";
        let span = written.tls.given().map_or(name.span, |tls| tls.span);
        let fault = Fault::new(span, message);
        resolver.faults.push(fault.help("give the backend's certificate a name, or leave `health` out"));
    }
    let settings = settings(resolver, written);
    let upstream_auth = written.upstream_auth.resolve(|auth| upstream_auth::meant(resolver, auth, written));
    let exchange = written.identity.as_ref().and_then(|identity| {
        identity.exchange.resolve(|exchange| exchange::meant(resolver, exchange, identity))
    });
    Some(Service {
        name: name.value.0.clone(),
        endpoints: endpoints?,
        tls: tls?,
        settings: settings?,
        upstream_auth: upstream_auth?,
        exchange: exchange?,
    })
}

fn settings(resolver: &mut Resolver<'_>, written: &written::Service) -> Option<ServiceSettings> {
    let health = written.health.resolve(|health| resilience::health(resolver, health));
    let retries = written.retries.resolve(|retries| resilience::retries(resolver, retries));
    let identity = written.identity.as_ref();
    let token = identity.map(|identity| identity.token.resolve(|token| identity_token(resolver, token)));
    let headers = identity.and_then(|identity| identity_headers::meant(resolver, identity));
    let (circuit, keepalive) = (written.circuit.as_ref()?, written.keepalive.as_ref()?);
    Some(ServiceSettings {
        balance: written.balance.clone(),
        protocol: written.protocol,
        connect_timeout: written.connect_timeout.0,
        timeout: written.timeout.0,
        idle_timeout: written.idle_timeout.given().map(|limit| limit.or_never()),
        host: written.host.clone(),
        identity_headers: headers?,
        identity_token: token??,
        allow_method_override: written.allow_method_override,
        health: health?,
        ejection: resilience::ejection(written.ejection.as_ref()?),
        slow_start: written.slow_start.0,
        circuit: Circuit {
            connections: circuit.connections.0,
            pending: circuit.pending.0,
            requests: circuit.requests.0,
        },
        keepalive: Keepalive {
            max_age: keepalive.max_age.0,
            max_requests: keepalive.max_requests.0,
            max_idle: usize::try_from(keepalive.max_idle.0).unwrap_or(usize::MAX),
        },
        retries: retries?,
        resolve: written.resolve.0,
    })
}

fn endpoints(resolver: &mut Resolver<'_>, written: &written::Service) -> Option<Vec<Endpoint>> {
    let listed = written.endpoints.as_ref()?;
    let endpoints: Vec<Endpoint> = listed
        .iter()
        .map(|endpoint| {
            let (host, port, secure) = (endpoint.url.host.clone(), endpoint.url.port, endpoint.url.secure);
            Endpoint { host, port, secure, weight: endpoint.weight.0 }
        })
        .collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = endpoints.iter().find(|endpoint| !seen.insert((&endpoint.host, endpoint.port))) {
        let message = format!("the endpoint on port {} stands twice", twice.port);
        return resolver.fault(
            Fault::new(listed.span, message)
                .help("name each endpoint once; a `weight` gives it more of the traffic"),
        );
    }
    if endpoints.is_empty() {
        let fault = Fault::new(listed.span, "a service needs at least one endpoint");
        return resolver.fault(fault.help("add an address such as `http://127.0.0.1:7001`"));
    }
    if endpoints.iter().all(|endpoint| endpoint.weight == 0) {
        let fault = Fault::new(listed.span, "every endpoint has the weight 0: none takes requests");
        return resolver.fault(fault.help("give one of them a weight"));
    }
    Some(endpoints)
}

fn identity_token(resolver: &mut Resolver<'_>, token: &At<written::IdentityToken>) -> Option<IdentityToken> {
    if resolver.written.identity.is_absent() {
        let fault = Fault::new(
            token.span,
            "an identity token needs the embedded identity provider, whose key signs it",
        );
        resolver.faults.push(fault.help("add `identity` at the top"));
    }
    let audience = token.audience.as_deref()?;
    Some(IdentityToken { audience: audience.into(), lifetime: token.lifetime.0 })
}
