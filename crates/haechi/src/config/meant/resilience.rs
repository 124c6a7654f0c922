//! Health checks, outlier detection, circuit breaker and retries of a service.

use super::names::Resolver;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::written::{self, USUAL_RETRIES};
use haechi_proxy::{Ejection, HealthCheck, Retries};

pub(super) fn ejection(written: &written::Ejection) -> Option<Ejection> {
    (written.failures.0 > 0).then_some(Ejection {
        failures: written.failures.0,
        first: written.lasts.0,
        max_percent: written.max_percent.0,
    })
}

pub(super) fn health(resolver: &mut Resolver<'_>, written: &written::Health) -> Option<HealthCheck> {
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
    Some(HealthCheck {
        path: path.value.as_str().into(),
        interval: written.interval.0,
        timeout: written.timeout.0,
        unhealthy_after: written.unhealthy_after.0,
        healthy_after: written.healthy_after.0,
    })
}

pub(super) fn retries(resolver: &mut Resolver<'_>, written: &written::Retries) -> Option<Retries> {
    let on = match &written.on {
        Maybe::Absent => USUAL_RETRIES.to_vec(),
        Maybe::Faulty => return None,
        Maybe::Given(on) if on.is_empty() => {
            let fault = Fault::new(on.span, "`on` is empty: nothing would ever be sent again");
            return resolver.fault(fault.help("name what to try again after, or leave `retries` out"));
        }
        Maybe::Given(on) => on.value.clone(),
    };
    Some(Retries { attempts: written.attempts.0, on, budget_percent: written.budget_percent.0 })
}
