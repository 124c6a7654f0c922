//! What the data plane runs: an immutable snapshot that the control side swaps whole.

use crate::context_headers::ContextHeaders;
use crate::cors::Cors;
use crate::finish::FieldRules;
use crate::identity::IdentityCall;
use crate::lines::HeadLimits;
use crate::route::{Conflict, Router};
use crate::tls::ListenerTls;
use crate::upstream::endpoint::EndpointState;
use crate::upstream::settings::{Circuit, Ejection, HealthCheck, Protocol, Retries};
use haechi_authn::Authenticator;
use haechi_authn::identity::Provider;
use haechi_authz::Enforcer;
use haechi_core::{Irregular, MethodSet, PathPattern};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One generation of the configuration, as the workers run it.
pub struct Plan {
    pub(crate) generation: u64,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) routes: Vec<Route>,
    pub(crate) router: Router,
    pub(crate) enforcer: Enforcer,
    pub(crate) context_headers: ContextHeaders,
    pub(crate) services: Vec<Service>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) limits: Limits,
    pub(crate) identity: Option<Arc<Provider>>,
}

/// What a [`Plan`] is made of.
pub struct PlanParts {
    /// Grows with every configuration that comes into force.
    pub generation: u64,
    /// How connections begin, by the index of the listening socket.
    pub listeners: Vec<Listener>,
    /// The routes, in any order.
    pub routes: Vec<Route>,
    /// What decides about their callers, by the same indices.
    pub enforcer: Enforcer,
    /// The services that routes name by index.
    pub services: Vec<Service>,
    /// Addresses that may tell us the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits of every connection.
    pub limits: Limits,
    /// The embedded identity provider, where configured.
    pub identity: Option<Arc<Provider>>,
}

/// How a listener's connections begin.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// With a TLS handshake, where there is one.
    pub tls: Option<Arc<ListenerTls>>,
    /// With a PROXY header, before anything else.
    pub proxy_protocol: bool,
}

impl Listener {
    /// Whether they begin with the first request.
    pub(crate) const fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol
    }
}

/// A route: what it matches, who may pass, where it leads.
pub struct Route {
    /// The configured name.
    pub name: Arc<str>,
    /// The path pattern.
    pub pattern: PathPattern,
    /// Hosts in canonical form, without ports; any host when empty.
    pub hosts: Vec<Box<str>>,
    /// The methods.
    pub methods: MethodSet,
    /// Who is asked.
    pub authentication: Authentication,
    /// Where it leads.
    pub target: Target,
    /// Ambiguous path spellings that the backend is known to read as we do.
    pub allow_in_path: Irregular,
    /// The most bytes of a request's body, instead of [`Limits::body`].
    pub max_body: Option<u64>,
    /// Whether credentials that were verified here travel on.
    pub forward_credentials: bool,
    /// Removed from the front of the path before forwarding.
    pub strip_prefix: Option<Box<str>>,
    /// Put before the path when forwarding.
    pub add_prefix: Option<Box<str>>,
    /// Instead of the service's [`Service::timeout`].
    pub timeout: Option<Duration>,
    /// Which pages of other sites may read the answers; browsers' own rule where there is none.
    pub cors: Option<Cors>,
    /// What changes in the heads of answers.
    pub response_headers: Option<FieldRules>,
}

/// The authenticators of a route.
#[derive(Clone)]
pub enum Authentication {
    /// Any one of them.
    Any(Vec<Arc<dyn Authenticator>>),
    /// All of them.
    All(Vec<Arc<dyn Authenticator>>),
}

impl Authentication {
    /// The authenticators in order.
    pub fn authenticators(&self) -> &[Arc<dyn Authenticator>] {
        match self {
            Self::Any(list) | Self::All(list) => list,
        }
    }
}

/// Where a route leads.
pub enum Target {
    /// To the service with this index.
    Service(usize),
    /// To the embedded identity provider.
    Identity(IdentityCall),
}

/// A named set of endpoints.
pub struct Service {
    /// The configured name.
    pub name: Arc<str>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// How one is chosen.
    pub balance: Balance,
    /// What is spoken to its endpoints.
    pub protocol: Protocol,
    /// For connecting, a TLS handshake included.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the answer, and between two pieces of it.
    pub timeout: Duration,
    /// Whether `X-Auth-*` fields are sent.
    pub identity_headers: bool,
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
    /// When a request is sent again; never without it.
    pub retries: Option<Retries>,
    /// How often names are resolved again.
    pub resolve: Duration,
}

/// One backend address.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What is known of it.
    pub state: Arc<EndpointState>,
    /// Its share beside the others; with 0 it gets no new requests.
    pub weight: u32,
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

/// Limits of every client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request's head, in bytes; at most 16 KiB.
    pub head: usize,
    /// Fields of a request.
    pub fields: usize,
    /// A request's body, in bytes.
    pub body: u64,
    /// A TLS handshake, or a PROXY header.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub header_read: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Between two pieces of a request's body.
    pub body_stall: Duration,
    /// Between two pieces of an answer that the client takes.
    pub write_stall: Duration,
    /// Without a byte on a WebSocket, in either direction.
    pub websocket_idle: Duration,
    /// Open client connections, over all workers.
    pub connections: usize,
    /// Open connections of one client address, over all workers; addresses of trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Streams that a client may have open at once on an HTTP/2 connection.
    pub http2_streams: u32,
    /// Streams that a client may reset in a second.
    pub http2_resets: u32,
    /// `SETTINGS` frames that a client may send in a second.
    pub http2_settings: u32,
    /// What one worker's connections may hold in buffers, in bytes.
    pub buffers: usize,
    /// Reading on after a refusal, so that the client can read the answer.
    pub linger: Duration,
    /// For requests in flight, once the process is to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            fields: 100,
            body: 100 * 1024 * 1024,
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body_stall: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            websocket_idle: Duration::from_secs(60 * 60),
            connections: 14_000,
            connections_per_address: 10_500,
            buffers: 16 * 1024 * 1024,
            http2_streams: 100,
            http2_resets: 100,
            http2_settings: 20,
            linger: Duration::from_secs(2),
            grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits { bytes: self.head.min(crate::io::BUFFER), fields: self.fields }
    }
}

impl Route {
    /// A route of any method of which nothing else is said.
    pub fn new(name: &str, pattern: PathPattern, authentication: Authentication, target: Target) -> Self {
        Self {
            name: name.into(),
            pattern,
            hosts: Vec::new(),
            methods: MethodSet::any(),
            authentication,
            target,
            allow_in_path: Irregular::NONE,
            max_body: None,
            forward_credentials: false,
            strip_prefix: None,
            add_prefix: None,
            timeout: None,
            cors: None,
            response_headers: None,
        }
    }
}

impl Service {
    /// A service with these endpoints, of which nothing else is asked.
    pub fn new(name: &str, endpoints: Vec<Endpoint>) -> Self {
        const PATIENCE: Duration = Duration::from_secs(30);
        Self {
            name: name.into(),
            endpoints,
            balance: Balance::RoundRobin,
            protocol: Protocol::Http1,
            connect_timeout: PATIENCE,
            timeout: PATIENCE,
            identity_headers: false,
            identity_token: None,
            allow_method_override: false,
            health: None,
            ejection: None,
            slow_start: Duration::ZERO,
            circuit: Circuit::default(),
            retries: None,
            resolve: PATIENCE,
        }
    }
}

impl Plan {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`Conflict`] when two routes could both win.
    pub fn new(parts: PlanParts) -> Result<Self, Conflict> {
        let router = Router::new(&parts.routes)?;
        let read_by_policies = &parts.enforcer.engine().compiled().vocabulary().headers;
        Ok(Self {
            context_headers: ContextHeaders::new(read_by_policies.values().map(|name| &**name)),
            generation: parts.generation,
            listeners: parts.listeners,
            router,
            enforcer: parts.enforcer,
            routes: parts.routes,
            services: parts.services,
            trusted_proxies: parts.trusted_proxies,
            limits: parts.limits,
            identity: parts.identity,
        })
    }

    /// Whether an address is one of a proxy that may tell the client's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    /// The routes by index.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The services by index.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The router.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// The enforcer.
    pub const fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }
}
