//! What a service does about endpoints that are not well.

use super::RetryOn;
use super::names::Resolver;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::written;
use std::time::Duration;

/// How endpoints are watched, spared and asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resilience {
    /// How endpoints are asked how they are, if at all.
    pub health: Option<Health>,
    /// When an endpoint is left out for a while, if ever.
    pub ejection: Option<Ejection>,
    /// Over how long the share of an endpoint that comes back grows.
    pub slow_start: Duration,
    /// What one endpoint carries at once.
    pub circuit: Circuit,
    /// When a request is sent again, if ever.
    pub retries: Option<Retries>,
    /// How often names are resolved again.
    pub resolve: Duration,
}

/// Health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Begins with `/`; may have a query.
    pub path: Box<str>,
    /// From one check to the next.
    pub interval: Duration,
    /// For one check; not longer than the interval.
    pub timeout: Duration,
    /// Failures in a row.
    pub unhealthy_after: u32,
    /// Successes in a row.
    pub healthy_after: u32,
}

/// Leaving out endpoints to which requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ejection {
    /// In a row; at least 1.
    pub failures: u32,
    /// The first time.
    pub lasts: Duration,
    /// Of the service's endpoints.
    pub max_percent: u32,
}

/// What one endpoint carries at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// Connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests in flight.
    pub requests: u32,
}

/// Sending requests again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    /// After the first.
    pub attempts: u32,
    /// At least one, each once.
    pub on: Vec<RetryOn>,
    /// Of the requests of the last seconds.
    pub budget_percent: u32,
}

pub(super) fn resilience(resolver: &mut Resolver<'_>, written: &written::Service) -> Option<Resilience> {
    let (ejection, circuit) = (written.ejection.as_ref()?, written.circuit.as_ref()?);
    let health = match &written.health {
        Maybe::Absent => None,
        Maybe::Faulty => return None,
        Maybe::Given(health) => Some(self::health(resolver, health)?),
    };
    let retries = match &written.retries {
        Maybe::Absent => None,
        Maybe::Faulty => return None,
        Maybe::Given(retries) => Some(self::retries(resolver, retries)?),
    };
    Some(Resilience {
        health,
        ejection: (ejection.failures.0 > 0).then_some(Ejection {
            failures: ejection.failures.0,
            lasts: ejection.lasts.0,
            max_percent: ejection.max_percent.0,
        }),
        slow_start: written.slow_start.0,
        circuit: Circuit {
            connections: circuit.connections.0,
            pending: circuit.pending.0,
            requests: circuit.requests.0,
        },
        retries,
        resolve: written.resolve.0,
    })
}

fn health(resolver: &mut Resolver<'_>, written: &written::Health) -> Option<Health> {
    let path = written.path.as_ref()?;
    // The path stands in a request line of the gate's own.
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.starts_with('/') || !path.bytes().all(visible) {
        let fault = Fault::new(path.span, "`path` is not one that can be asked for");
        return resolver
            .fault(fault.help("write a path such as `/healthz`, with everything unusual escaped"));
    }
    if written.timeout.0 > written.interval.0 {
        let fault = Fault::new(path.span, "`timeout` is longer than `interval`");
        return resolver.fault(fault.help("a check must be over before the next one begins"));
    }
    Some(Health {
        path: path.value.as_str().into(),
        interval: written.interval.0,
        timeout: written.timeout.0,
        unhealthy_after: written.unhealthy_after.0,
        healthy_after: written.healthy_after.0,
    })
}

fn retries(resolver: &mut Resolver<'_>, written: &written::Retries) -> Option<Retries> {
    let on = match &written.on {
        Maybe::Absent => RetryOn::USUAL.to_vec(),
        Maybe::Faulty => return None,
        Maybe::Given(on) if on.is_empty() => {
            let fault = Fault::new(on.span, "`on` is empty: nothing would ever be sent again");
            return resolver.fault(fault.help("name what to try again after, or leave `retries` out"));
        }
        Maybe::Given(on) => on.value.clone(),
    };
    Some(Retries { attempts: written.attempts.0, on, budget_percent: written.budget_percent.0 })
}
