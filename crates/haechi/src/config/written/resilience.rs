//! Health checks, outlier detection, circuit breaker and retries of a service, as they are written.

use crate::config::defaults::{
    self, AttemptCount, CircuitCount, EjectionCount, IdleCount, KeptFor, KeptRequests, Percent, StreakCount,
    Timeout,
};
use crate::config::read::{Defs, Reader, Value, placeholder_schema};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::yaml::Node;
use haechi_proxy::RetryOn;
use http::StatusCode;
use serde_json::{Value as Json, json};

record! {
    "`health`"
    /// Asks each endpoint how it is, with GET over a connection of its own. Any answer of 2xx is well.
    struct Health {
        /// The path that is asked for: `/healthz`.
        required path as "path": At<String>,
        /// How long from one check to the next.
        default interval as "interval": Timeout = defaults::HEALTH_INTERVAL,
        /// How long one check may take.
        default timeout as "timeout": Timeout = defaults::HEALTH_TIMEOUT,
        /// How many checks in a row must fail before the endpoint gets no more requests.
        default unhealthy_after as "unhealthy_after": StreakCount = defaults::UNHEALTHY_AFTER,
        /// How many checks in a row must succeed before it gets requests again.
        default healthy_after as "healthy_after": StreakCount = defaults::HEALTHY_AFTER,
    }
}

record! {
    "`ejection`"
    /// Leaves out, for a while, an endpoint to which requests fail: no connection, no answer in time, an answer that makes no sense, 502, 503 or 504.
    struct Ejection {
        /// How many requests in a row must fail. 0: endpoints are never left out.
        default failures as "failures": EjectionCount = defaults::EJECTION_FAILURES,
        /// For how long, the first time. Each time soon after doubles it, up to five minutes.
        default lasts as "for": Timeout = defaults::EJECTION_FOR,
        /// How many of the service's endpoints may be left out at once. The last one that takes requests never is.
        default max_percent as "max_percent": Percent = defaults::EJECTION_MAX_PERCENT,
    }
}

record! {
    "`circuit`"
    /// What one endpoint is given to carry at once, over all workers. Over it, another endpoint gets the request; where none has room the answer is 503.
    struct Circuit {
        /// Connections, kept ones among them.
        default connections as "connections": CircuitCount = defaults::CIRCUIT_CONNECTIONS,
        /// Requests that wait for a new connection.
        default pending as "pending": CircuitCount = defaults::CIRCUIT_PENDING,
        /// Requests in flight.
        default requests as "requests": CircuitCount = defaults::CIRCUIT_REQUESTS,
    }
}

record! {
    "`keepalive`"
    /// How long connections to endpoints are kept for the next request, and how many.
    struct Keepalive {
        /// A connection takes no new request when it is so old. Shorter than what a balancer before the backends needs to move its load.
        default max_age as "max_age": KeptFor = defaults::KEEPALIVE_AGE,
        /// Nor when it has carried so many. 1: each request has a connection of its own.
        default max_requests as "max_requests": KeptRequests = defaults::KEEPALIVE_REQUESTS,
        /// Idle connections that each worker keeps to one endpoint. Those of HTTP/2, which carry many requests at once, are not counted.
        default max_idle as "max_idle": IdleCount = defaults::KEEPALIVE_IDLE,
    }
}

record! {
    "`retries`"
    /// When a request is sent again, to another endpoint where there is one. Only GET, HEAD, OPTIONS, PUT and DELETE, and only without a body.
    struct Retries {
        /// How many times more, after the first.
        default attempts as "attempts": AttemptCount = defaults::RETRY_ATTEMPTS,
        /// After what: `connect` (no connection could be made), `reset` (the connection closed before the answer, or the answer makes no sense), or a status of the backend's. `[connect, 502, 503, 504]` where this is left out.
        optional on as "on": At<Vec<RetryOn>>,
        /// How many of a worker's requests to the service may be retries, in percent of those of the last ten seconds; a few are always allowed.
        default budget_percent as "budget_percent": Percent = defaults::RETRY_BUDGET_PERCENT,
    }
}

/// What a request is sent again after where nothing is written.
pub(in crate::config) const USUAL_RETRIES: [RetryOn; 4] = [
    RetryOn::Connect,
    RetryOn::Status(StatusCode::BAD_GATEWAY),
    RetryOn::Status(StatusCode::SERVICE_UNAVAILABLE),
    RetryOn::Status(StatusCode::GATEWAY_TIMEOUT),
];

const WORDS: [(&str, RetryOn); 6] = [
    ("connect", RetryOn::Connect),
    ("reset", RetryOn::Reset),
    ("500", RetryOn::Status(StatusCode::INTERNAL_SERVER_ERROR)),
    ("502", RetryOn::Status(StatusCode::BAD_GATEWAY)),
    ("503", RetryOn::Status(StatusCode::SERVICE_UNAVAILABLE)),
    ("504", RetryOn::Status(StatusCode::GATEWAY_TIMEOUT)),
];

impl Value for RetryOn {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = reader.scalar("what to try again after", node)?;
        let known = WORDS.iter().find(|(known, _)| *known == word);
        if known.is_none() {
            let message = format!("`{}` is not what to try again after", reader.written(node.span));
            let fault = Fault::new(node.span, message);
            return reader.fault(fault.help("write `connect`, `reset`, `500`, `502`, `503` or `504`"));
        }
        known.map(|(_, on)| *on)
    }

    fn schema(defs: &mut Defs) -> Json {
        let placeholder = placeholder_schema(defs);
        json!({ "anyOf": [{ "enum": ["connect", "reset", 500, 502, 503, 504] }, placeholder] })
    }
}
