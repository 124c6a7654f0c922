//! What is counted of a route.

use super::cells::{Counter, Histogram, Labels};
use haechi_core::metrics::Page;
use http::{Method, StatusCode};
use std::time::Duration;

/// A tenth of a millisecond to thirty seconds. Between one second and ten a timeout is felt, so they lie closer there.
const BOUNDS: [Duration; 20] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(1_500),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_millis(7_500),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// The counters of one route, or of requests without one.
pub(crate) struct RouteMetrics {
    requests: Counter<Answered>,
    durations: Histogram<{ BOUNDS.len() }>,
    pub(crate) decisions: Counter<&'static str>,
    pub(crate) shadow: Counter<&'static str>,
    pub(crate) preflights: Counter<&'static str>,
    limits: Counter<Limited>,
}

impl Default for RouteMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            durations: Histogram::new(&BOUNDS),
            decisions: Counter::default(),
            shadow: Counter::default(),
            preflights: Counter::default(),
            limits: Counter::default(),
        }
    }
}

impl RouteMetrics {
    /// A request is over. `status` is `None` where it got no answer.
    pub(crate) fn request(&self, method: Option<&Method>, status: Option<StatusCode>, took: Duration) {
        self.requests.count(Answered { status, method: method_label(method) });
        self.durations.observe(took);
    }

    /// A request was counted against a limit of this kind.
    pub(crate) fn counted(&self, by: &'static str, is_within: bool) {
        self.limits.count(Limited { by, is_within });
    }

    pub(super) fn show(&self, page: &mut Page, route: &str) {
        let Self { requests, durations, decisions, shadow, preflights, limits } = self;
        let help = "Requests by route, method and status";
        requests
            .show(page.counter("haechi_http_requests_total", help, &["route", "method", "status"]), &[route]);
        let help = "Time from the head of a request to the last byte of its answer";
        let histogram = page.histogram("haechi_request_duration_seconds", help, &["route"], &BOUNDS);
        durations.show(histogram, &[route]);
        let help = "Authorization decisions by route and result";
        decisions.show(page.counter("haechi_authz_decisions_total", help, &["route", "result"]), &[route]);
        let help = "Decisions that shadow policies would have made otherwise, by route and direction";
        shadow.show(page.counter("haechi_authz_shadow_total", help, &["route", "direction"]), &[route]);
        let help = "CORS preflight requests by route and result";
        preflights.show(page.counter("haechi_cors_preflights_total", help, &["route", "result"]), &[route]);
        let help = "Requests counted against rate limits by route, what the limit counts by, and result";
        limits.show(
            page.counter("haechi_rate_limit_requests_total", help, &["route", "by", "result"]),
            &[route],
        );
    }
}

/// What a limit said.
#[derive(Clone, Copy, PartialEq)]
struct Limited {
    by: &'static str,
    is_within: bool,
}

impl Labels for Limited {
    fn with(&self, show: &mut dyn FnMut(&[&str])) {
        show(&[self.by, if self.is_within { "within" } else { "over" }]);
    }
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq)]
struct Answered {
    status: Option<StatusCode>,
    method: &'static str,
}

impl Labels for Answered {
    fn with(&self, show: &mut dyn FnMut(&[&str])) {
        show(&[self.method, self.status.as_ref().map_or("0", StatusCode::as_str)]);
    }
}

/// Methods that not everybody knows are counted as `other`, so that a stranger cannot make the number of series grow.
fn method_label(method: Option<&Method>) -> &'static str {
    match method.map(Method::as_str) {
        Some("GET") => "GET",
        Some("HEAD") => "HEAD",
        Some("POST") => "POST",
        Some("PUT") => "PUT",
        Some("PATCH") => "PATCH",
        Some("DELETE") => "DELETE",
        Some("OPTIONS") => "OPTIONS",
        _ => "other",
    }
}
