//! What one worker counts.

use super::by_name::{ByName, NamedList};
use super::cells::{Counter, Histogram, Labels, Level, Total};
use super::named::{AuthenticatorMetrics, DecisionPointMetrics, ServiceMetrics};
use super::route::RouteMetrics;
use crate::limits::Limit;
use haechi_authz::RouteIndex;
use haechi_core::metrics::Page;
use std::sync::Arc;
use std::time::Duration;

/// A quarter of a microsecond, which a remembered decision takes, to a second, because decision points are asked in between.
const DECISION_BOUNDS: [Duration; 20] = [
    Duration::from_nanos(250),
    Duration::from_nanos(500),
    Duration::from_micros(1),
    Duration::from_nanos(2_500),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
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
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Half a millisecond to ten seconds.
const POINT_BOUNDS: [Duration; 13] = [
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
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// One worker's metrics. The worker alone writes them.
pub(crate) struct WorkerMetrics {
    routes: ByName<RouteMetrics>,
    unrouted: RouteMetrics,
    authenticators: NamedList<AuthenticatorMetrics>,
    points: NamedList<DecisionPointMetrics>,
    services: ByName<ServiceMetrics>,
    decision_durations: Histogram<{ DECISION_BOUNDS.len() }>,
    point_durations: Histogram<{ POINT_BOUNDS.len() }>,
    tls_handshakes: Counter<&'static str>,
    proxy_headers: Counter<&'static str>,
    http2_ended: Counter<&'static str>,
    limits: Counter<&'static str>,
    problems: Counter<&'static str>,
    denials: Counter<&'static str>,
    identity_events: Counter<IdentityEvent>,
    panics: Total,
    connections: Level,
    buffered: Level,
    websockets: Level,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            routes: ByName::default(),
            unrouted: RouteMetrics::default(),
            authenticators: NamedList::default(),
            points: NamedList::default(),
            services: ByName::default(),
            decision_durations: Histogram::new(&DECISION_BOUNDS),
            point_durations: Histogram::new(&POINT_BOUNDS),
            tls_handshakes: Counter::default(),
            proxy_headers: Counter::default(),
            http2_ended: Counter::default(),
            limits: Counter::default(),
            problems: Counter::default(),
            denials: Counter::default(),
            identity_events: Counter::default(),
            panics: Total::default(),
            connections: Level::default(),
            buffered: Level::default(),
            websockets: Level::default(),
        }
    }
}

impl WorkerMetrics {
    /// The metrics of the routes and services with these names, by their indexes in a plan.
    pub(crate) fn of_plan<'a>(
        &self,
        routes: impl Iterator<Item = &'a Arc<str>>,
        services: impl Iterator<Item = &'a Arc<str>>,
    ) -> PlanMetrics {
        PlanMetrics {
            routes: routes.map(|name| self.routes.of(name)).collect(),
            services: services.map(|name| self.services.of(name)).collect(),
        }
    }

    /// The metrics of requests without a route.
    pub(crate) const fn unrouted(&self) -> &RouteMetrics {
        &self.unrouted
    }

    pub(crate) fn authn(&self, authenticator: &Arc<str>, result: &'static str) {
        self.authenticators.of(authenticator).attempts.count(result);
    }

    /// How long it took to decide about a request.
    pub(crate) fn authz(&self, took: Duration) {
        self.decision_durations.observe(took);
    }

    /// What came of a question to a decision point, and how long it took where it was sent.
    pub(crate) fn decision_point(&self, point: &Arc<str>, result: &'static str, took: Option<Duration>) {
        self.points.of(point).requests.count(result);
        if let Some(took) = took {
            self.point_durations.observe(took);
        }
    }

    /// Counts what became of one client's handshake.
    pub(crate) fn tls_handshake(&self, result: &'static str) {
        self.tls_handshakes.count(result);
    }

    /// Counts what came of the beginning of one connection that was to have a PROXY header.
    pub(crate) fn proxy_header(&self, result: &'static str) {
        self.proxy_headers.count(result);
    }

    /// An HTTP/2 connection was ended because its client passed a limit or broke the protocol.
    pub(crate) fn http2_ended(&self, reason: &'static str) {
        self.http2_ended.count(reason);
    }

    /// A limit was reached, once more.
    pub(crate) fn limit(&self, limit: Limit) {
        self.limits.count(limit.name());
    }

    /// A request was answered with this problem.
    pub(crate) fn problem(&self, name: &'static str) {
        self.problems.count(name);
    }

    /// A request was denied for this reason.
    pub(crate) fn denied(&self, reason: &'static str) {
        self.denials.count(reason);
    }

    /// Something happened at the embedded identity provider.
    pub(crate) fn identity_event(&self, action: &'static str, result: &'static str) {
        self.identity_events.count(IdentityEvent { action, result });
    }

    pub(crate) fn connections(&self, now: usize) {
        self.connections.set(now);
    }

    /// What connections hold in buffers, in bytes.
    pub(crate) fn buffered(&self, now: usize) {
        self.buffered.set(now);
    }

    /// One request, or connection, panicked.
    pub(crate) fn panicked(&self) {
        self.panics.count();
    }

    /// One more open WebSocket, until the guard is dropped.
    pub(crate) fn websocket(self: &Arc<Self>) -> OpenWebSocket {
        self.websockets.up();
        OpenWebSocket(self.clone())
    }
}

/// What happened at the embedded identity provider, as the audit trail calls it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct IdentityEvent {
    action: &'static str,
    result: &'static str,
}

impl Labels for IdentityEvent {
    fn with(&self, show: &mut dyn FnMut(&[&str])) {
        show(&[self.action, self.result]);
    }
}

/// An open WebSocket.
pub(crate) struct OpenWebSocket(Arc<WorkerMetrics>);

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        // The worker that counted it is the one that drops it.
        self.0.websockets.down();
    }
}

/// A worker's metrics of what a plan has, by index. The cells are the worker's: they go on under the next plan, where the name may have
/// another index.
pub(crate) struct PlanMetrics {
    routes: Vec<Arc<RouteMetrics>>,
    services: Vec<Arc<ServiceMetrics>>,
}

impl PlanMetrics {
    pub(crate) fn route(&self, index: RouteIndex) -> Option<&Arc<RouteMetrics>> {
        self.routes.get(index.get())
    }

    pub(crate) fn services(&self) -> &[Arc<ServiceMetrics>] {
        &self.services
    }
}

impl WorkerMetrics {
    pub(super) fn show(&self, page: &mut Page) {
        self.routes.each(|name, route| route.show(page, name));
        self.unrouted.show(page, "");
        self.authenticators.each(|name, authenticator| authenticator.show(page, name));
        self.points.each(|name, point| point.show(page, name));
        self.services.each(|name, service| service.show(page, name));
        let help = "Time to decide one request, decision points included";
        let histogram = page.histogram("haechi_authz_duration_seconds", help, &[], &DECISION_BOUNDS);
        self.decision_durations.show(histogram, &[]);
        let help = "Time until a decision point answered or was given up";
        let histogram = page.histogram("haechi_decision_point_duration_seconds", help, &[], &POINT_BOUNDS);
        self.point_durations.show(histogram, &[]);
        let help = "TLS handshakes of clients by result";
        self.tls_handshakes.show(page.counter("haechi_tls_handshakes_total", help, &["result"]), &[]);
        let help = "PROXY protocol headers by result";
        self.proxy_headers.show(page.counter("haechi_proxy_headers_total", help, &["result"]), &[]);
        let help = "HTTP/2 connections closed because of what their clients did, by reason";
        self.http2_ended.show(page.counter("haechi_http2_ended_total", help, &["reason"]), &[]);
        let help = "Times that a client reached a limit, by limit";
        self.limits.show(page.counter("haechi_limits_total", help, &["limit"]), &[]);
        let help = "Requests that the gate itself answered with a problem, by the problem's name";
        self.problems.show(page.counter("haechi_http_problems_total", help, &["problem"]), &[]);
        let help = "Requests that were denied, by reason";
        self.denials.show(page.counter("haechi_authz_denials_total", help, &["reason"]), &[]);
        let help = "What happened at the embedded identity provider, by what the audit trail calls it";
        let events = page.counter("haechi_identity_events_total", help, &["action", "result"]);
        self.identity_events.show(events, &[]);
        let help = "Requests and connections that ended with a panic of the gate";
        self.panics.show(page.counter("haechi_panics_total", help, &[]));
        self.connections.show(page.gauge("haechi_connections", "Open client connections", &[]));
        let help = "Memory that client connections hold in buffers";
        self.buffered.show(page.gauge("haechi_buffer_bytes", help, &[]));
        self.websockets.show(page.gauge("haechi_websockets", "Open WebSockets", &[]));
    }
}
