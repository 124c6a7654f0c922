//! Routes, services and endpoints, as operators and their tools see them, and the port through which the running gate tells of them.

use crate::shape::shape;

/// Port: what the gate routes to where, and how the endpoints are.
pub trait Topology: Send + Sync {
    /// The routes of the configuration in force, by name.
    fn routes(&self) -> Vec<RouteView>;

    /// The services of the configuration in force, by name.
    fn services(&self) -> Vec<ServiceView>;

    /// Keeps new requests from an endpoint, or lets them come again. `None` where there is no such endpoint.
    fn drain(&self, service: &str, endpoint: &str, drained: bool) -> Option<EndpointView>;
}

shape! {
    /// A route: what may be asked for, who may ask, and which service answers.
    pub RouteView {
        /// Its name.
        required name: String,
        /// Whether the gate brings it itself: a call of the identity provider.
        required built_in: bool,
        /// Its path pattern.
        required path: String,
        /// The hosts that it takes; any where it is left out.
        optional hosts: Vec<String>,
        /// The methods that it takes; any where it is left out.
        optional methods: Vec<String>,
        /// Who must be calling.
        required authenticate: AuthenticateView,
        /// What the caller must be allowed.
        required authorize: AuthorizeView,
        /// Which service answers; left out where the gate answers itself.
        optional service: Option<String>,
        /// Words for policies to go by.
        optional labels: Vec<String>,
        /// Its rate limits.
        optional rate_limits: Vec<RateLimitView>,
    }

    /// Who must be calling.
    pub AuthenticateView {
        /// `any` of the authenticators, or `all` of them.
        required mode: String,
        /// Their names, in the order they are asked. `anonymous` and `passthrough` ask nobody.
        required authenticators: Vec<String>,
    }

    /// What the caller must be allowed.
    pub AuthorizeView {
        /// `any` (whoever is authenticated), `policy` (policy files alone decide), or `clauses` (all of them must hold).
        required rule: String,
        /// Each a clause: at least one of these roles.
        optional roles: Vec<Vec<String>>,
        /// Each a clause: all of these scopes.
        optional scopes: Vec<Vec<String>>,
        /// Cedar expressions.
        optional when: Vec<String>,
        /// Decision points.
        optional external: Vec<String>,
    }

    /// A rate limit.
    pub RateLimitView {
        /// Its name in `RateLimit-Policy`.
        required name: String,
        /// So many requests.
        required requests: u64,
        /// In so many seconds.
        required per_seconds: f64,
        /// So many at once.
        required burst: u64,
    }

    /// A service: a named set of endpoints.
    pub ServiceView {
        /// Its name.
        required name: String,
        /// How an endpoint is chosen: `round_robin`, `least_request`, `random` or `hash`.
        required balance: String,
        /// What is spoken: `http1`, `http2` or `auto`.
        required protocol: String,
        /// Whether health checks ask the endpoints.
        required health_checks: bool,
        /// Whether endpoints whose requests fail are ejected.
        required ejection: bool,
        /// The routes that lead to it.
        required routes: Vec<String>,
        /// How many of its endpoints take requests.
        required available: usize,
        /// Its endpoints.
        required endpoints: Vec<EndpointView>,
    }

    /// An endpoint, as this process knows it.
    pub EndpointView {
        /// Host and port, as metrics name it.
        required id: String,
        /// Its address.
        required url: String,
        /// Its share beside the others; with 0 it gets no new requests.
        required weight: u32,
        /// What its host stands for now; empty while its name has never been resolved.
        required addresses: Vec<String>,
        /// `healthy` or `unhealthy` by health checks, or `unchecked`.
        required health: String,
        /// Whether it is left out for a while because requests failed.
        required ejected: bool,
        /// Whether an operator keeps new requests from it, in this process.
        required drained: bool,
        /// Whether new requests are sent to it.
        required available: bool,
        /// Why not; left out where they are.
        optional reason: Option<String>,
        /// Requests in flight, WebSockets among them.
        required in_flight: u32,
        /// The circuit breaker.
        required circuit: CircuitView,
    }

    /// Limits on what one endpoint carries, and what it carries.
    pub CircuitView {
        /// `closed`, or `open` while a limit is reached and more is turned away.
        required state: String,
        /// Open connections.
        required connections: u32,
        /// At most so many.
        required most_connections: u32,
        /// Requests that wait for a connection.
        required pending: u32,
        /// At most so many.
        required most_pending: u32,
        /// At most so many requests in flight.
        required most_requests: u32,
    }
}
