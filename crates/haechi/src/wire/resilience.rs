//! What a service does about endpoints that are not well, from the configuration to the plan.

use crate::config::meant::{Ejection as MeantEjection, Health, Retries as MeantRetries, RetryOn as On};
use haechi_proxy::{Ejection, HealthCheck, Retries, RetryOn};
use http::StatusCode;

pub(super) fn health_check(written: &Health) -> HealthCheck {
    HealthCheck {
        path: written.path.clone(),
        interval: written.interval,
        timeout: written.timeout,
        unhealthy_after: written.unhealthy_after,
        healthy_after: written.healthy_after,
    }
}

pub(super) const fn ejection(written: MeantEjection) -> Ejection {
    Ejection { failures: written.failures, first: written.lasts, max_percent: written.max_percent }
}

pub(super) fn retries(written: &MeantRetries) -> Retries {
    let on = |on: &On| match on {
        On::Connect => Some(RetryOn::Connect),
        On::Reset => Some(RetryOn::Reset),
        On::Status(status) => StatusCode::from_u16(*status).ok().map(RetryOn::Status),
    };
    Retries {
        attempts: written.attempts,
        on: written.on.iter().filter_map(on).collect(),
        budget_percent: written.budget_percent,
    }
}
