//! What is counted of authenticators, decision points and services.

use super::cells::Counter;
use haechi_core::metrics::Page;

/// The counters of one authenticator.
#[derive(Default)]
pub(crate) struct AuthenticatorMetrics {
    pub(crate) attempts: Counter<&'static str>,
}

impl AuthenticatorMetrics {
    pub(super) fn show(&self, page: &mut Page, authenticator: &str) {
        let Self { attempts } = self;
        let help = "Authentication attempts by authenticator and result";
        attempts
            .show(page.counter("haechi_authn_total", help, &["authenticator", "result"]), &[authenticator]);
    }
}

/// The counters of one decision point.
#[derive(Default)]
pub(crate) struct DecisionPointMetrics {
    pub(crate) requests: Counter<&'static str>,
}

impl DecisionPointMetrics {
    pub(super) fn show(&self, page: &mut Page, point: &str) {
        let Self { requests } = self;
        let (name, help) = ("haechi_decision_point_requests_total", "Requests to decision points by result");
        requests.show(page.counter(name, help, &["decision_point", "result"]), &[point]);
    }
}

/// The counters of one service.
#[derive(Default)]
pub(crate) struct ServiceMetrics {
    pub(crate) requests: Counter<&'static str>,
    pub(crate) connections: Counter<&'static str>,
    pub(crate) retries: Counter<&'static str>,
    pub(crate) overflow: Counter<&'static str>,
}

impl ServiceMetrics {
    pub(super) fn show(&self, page: &mut Page, service: &str) {
        let Self { requests, connections, retries, overflow } = self;
        let help = "Requests to services by result";
        requests
            .show(page.counter("haechi_upstream_requests_total", help, &["service", "result"]), &[service]);
        let (name, help) =
            ("haechi_upstream_connections_total", "Connections used for requests to services, new or reused");
        connections.show(page.counter(name, help, &["service", "kind"]), &[service]);
        let help = "Retries of requests to services by result";
        retries.show(page.counter("haechi_upstream_retries_total", help, &["service", "result"]), &[service]);
        let help = "Times that an endpoint was at its circuit breaker's limit, by service and limit";
        overflow.show(page.counter("haechi_upstream_overflow_total", help, &["service", "what"]), &[service]);
    }
}
