//! Settings of health checks, outlier detection, circuit breaker and retries, as the plan carries them.

use http::StatusCode;
use std::time::Duration;

/// What is spoken to a service's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by prior knowledge in the clear, and agreed on over TLS.
    Http2,
    /// HTTP/2 where an endpoint agrees on it over TLS, HTTP/1.1 everywhere else.
    Auto,
}

/// When an endpoint that fails is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that it takes.
    pub failures: u32,
    /// For how long, the first time; each time soon after doubles it.
    pub first: Duration,
    /// How many of the service's endpoints may be out at once, in percent. The last one that takes requests is never taken out.
    pub max_percent: u32,
}

/// The longest ejection, unless [`Ejection::first`] is longer. An endpoint that did well for as long is a newcomer again.
pub(crate) const LONGEST_EJECTION: Duration = Duration::from_secs(300);

/// How much one endpoint may have of what all workers together do, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Connections, kept ones among them.
    pub connections: u32,
    /// Requests that wait for a connection to be made.
    pub pending: u32,
    /// Requests in flight.
    pub requests: u32,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { connections: 10_000, pending: 4096, requests: 10_000 }
    }
}

impl Circuit {
    /// Whether requests must be counted: over HTTP/1.1 there are never more of them than connections.
    pub(crate) const fn counts_requests(&self) -> bool {
        self.requests < self.connections
    }
}

/// How long connections to endpoints are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// A connection takes no new request when it is so old.
    pub max_age: Duration,
    /// Nor when it has carried so many.
    pub max_requests: u32,
    /// Idle connections that a worker keeps to one endpoint, of those that carry one request at a time.
    pub max_idle: usize,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(10 * 60), max_requests: 100_000, max_idle: 256 }
    }
}

/// When a request is sent again. Only one whose method is idempotent (RFC 9110 9.2.2) and that has no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How many times more, at most.
    pub attempts: u32,
    /// After what. All attempts together have the service's `timeout`.
    pub on: Vec<RetryOn>,
    /// How many of a worker's requests may be retries, in percent of those that came in the last seconds.
    pub budget_percent: u32,
}

/// What makes a request be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection could be made.
    Connect,
    /// The connection closed before the answer, or the answer makes no sense.
    Reset,
    /// The backend's answer has this status.
    Status(StatusCode),
}

/// Asking an endpoint again and again how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Asked for with GET; any 2xx is well.
    pub path: Box<str>,
    /// Between two checks.
    pub interval: Duration,
    /// For one check.
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy.
    pub unhealthy_after: u32,
    /// Successes in a row that make it healthy again.
    pub healthy_after: u32,
}
