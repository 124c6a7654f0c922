//! A service and its endpoints, as the configuration means them.

use super::index::EndpointIndex;
use super::resilience::{Circuit, Ejection, HealthCheck, Keepalive, Protocol, Retries};
use super::service_credential::{CallerTokens, ServiceCredential};
use crate::identity_headers::IdentityHeaders;
use crate::upstream::endpoint::EndpointState;
use haechi_core::Host;
use std::sync::Arc;
use std::time::Duration;

/// A named set of endpoints.
pub struct Service {
    /// The configured name.
    pub name: Arc<str>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// Everything else.
    pub settings: ServiceSettings,
    /// What the gate shows to it as its client.
    pub credential: Option<ServiceCredential>,
    /// What its callers' tokens are exchanged by, where it gets another in their place.
    pub exchange: Option<Arc<dyn CallerTokens>>,
}

/// Everything about a service but its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// What is spoken to endpoints.
    pub protocol: Protocol,
    /// For connecting, a TLS handshake included.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the answer.
    pub timeout: Duration,
    /// Without a byte either way: between two pieces of the answer's body, and of the request's. 5 minutes and [`Limits::body_stall`](super::Limits::body_stall) where nothing is said;
    /// [`Duration::MAX`] is never.
    pub idle_timeout: Option<Duration>,
    /// The host that endpoints are asked for.
    pub host: UpstreamHost,
    /// What the caller is told by in header fields, and what of a client's is kept from beside it.
    pub identity_headers: IdentityHeaders,
    /// Whether a token signed by us is sent.
    pub identity_token: Option<IdentityToken>,
    /// Whether `X-HTTP-Method-Override` and its kin travel on.
    pub allow_method_override: bool,
    /// How endpoints are asked how they are; not at all without it.
    pub health: Option<HealthCheck>,
    /// When an endpoint that fails is left out for a while; never without it.
    pub ejection: Option<Ejection>,
    /// Over how long the share of an endpoint that comes back grows.
    pub slow_start: Duration,
    /// What one endpoint carries at most.
    pub circuit: Circuit,
    /// How long connections are kept, and how many.
    pub keepalive: Keepalive,
    /// When a request is sent again; never without it.
    pub retries: Option<Retries>,
    /// How often names are resolved again.
    pub resolve: Duration,
}

/// [`ServiceSettings::idle_timeout`] of an answer, where nothing is said.
pub(crate) const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// One backend address.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What is known of it.
    pub state: Arc<EndpointState>,
    /// Its share beside the others; with 0 it gets no new requests.
    pub weight: u32,
}

/// The host that endpoints are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHost {
    /// The request's.
    #[default]
    Preserve,
    /// The endpoint's own name, with its port where that is not the scheme's.
    Endpoint,
    /// This one.
    Named(Host),
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight.
    RoundRobin,
    /// The less busy of two taken at random.
    LeastRequest,
    /// At random, by weight.
    Random,
    /// The same endpoint for the same key.
    Hash(HashKey),
}

/// What [`Balance::Hash`] hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The caller's subject.
    Subject,
    /// The client's address.
    ClientIp,
    /// The value of the field of this lower-case name.
    Header(Box<str>),
}

/// The token that tells a service who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityToken {
    /// `aud`.
    pub audience: Arc<str>,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
}

impl Service {
    /// A service with these endpoints, of which nothing else is asked.
    pub fn new(name: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name: name.into(),
            endpoints,
            settings: ServiceSettings::default(),
            credential: None,
            exchange: None,
        }
    }

    /// One of its endpoints.
    pub(crate) fn endpoint(&self, index: EndpointIndex) -> Option<&Endpoint> {
        self.endpoints.get(index.get())
    }
}

impl Default for ServiceSettings {
    /// Endpoints in turn over HTTP/1.1, told nothing; none is watched, left out or asked again.
    fn default() -> Self {
        const PATIENCE: Duration = Duration::from_secs(30);
        Self {
            balance: Balance::RoundRobin,
            protocol: Protocol::Http1,
            connect_timeout: PATIENCE,
            timeout: PATIENCE,
            idle_timeout: None,
            host: UpstreamHost::Preserve,
            identity_headers: IdentityHeaders::default(),
            identity_token: None,
            allow_method_override: false,
            health: None,
            ejection: None,
            slow_start: Duration::ZERO,
            circuit: Circuit::default(),
            keepalive: Keepalive::default(),
            retries: None,
            resolve: PATIENCE,
        }
    }
}
