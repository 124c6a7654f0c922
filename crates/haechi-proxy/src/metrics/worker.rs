//! What one worker counts.

use super::by_name::ByName;
use super::cells::{Counter, Histogram, Level, Total};
use super::named::{AuthenticatorMetrics, DecisionPointMetrics, ServiceMetrics};
use super::route::RouteMetrics;
use crate::limits::Limit;
use crate::log::Line;
use foldhash::fast::RandomState;
use haechi_core::metrics::Page;
use std::cell::RefCell;
use std::collections::HashMap;
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

/// A worker's end of the metrics.
pub(crate) struct WorkerMetrics {
    cells: Arc<Cells>,
    routes: Known<RouteMetrics>,
    authenticators: Known<AuthenticatorMetrics>,
    points: Known<DecisionPointMetrics>,
    services: Known<ServiceMetrics>,
}

/// The cells that the worker has looked up already.
type Known<T> = RefCell<HashMap<Arc<str>, Arc<T>, RandomState>>;

fn find<T: Default>(known: &Known<T>, all: &ByName<T>, name: &Arc<str>) -> Arc<T> {
    let mut known = known.borrow_mut();
    if let Some(cells) = known.get(name) {
        return cells.clone();
    }
    known.entry(name.clone()).or_insert_with(|| all.of(name)).clone()
}

impl WorkerMetrics {
    pub(super) fn new(cells: Arc<Cells>) -> Self {
        Self {
            cells,
            routes: RefCell::default(),
            authenticators: RefCell::default(),
            points: RefCell::default(),
            services: RefCell::default(),
        }
    }

    fn route(&self, name: &Arc<str>) -> Arc<RouteMetrics> {
        find(&self.routes, &self.cells.routes, name)
    }

    fn service(&self, name: &Arc<str>) -> Arc<ServiceMetrics> {
        find(&self.services, &self.cells.services, name)
    }

    pub(crate) fn request(&self, line: &Line, took: Duration) {
        let (method, status) = (line.method.as_ref(), line.status);
        match &line.route {
            Some(route) => self.route(route).request(method, status, took),
            None => self.cells.unrouted.request(method, status, took),
        }
    }

    pub(crate) fn authn(&self, authenticator: &Arc<str>, result: &'static str) {
        find(&self.authenticators, &self.cells.authenticators, authenticator).attempts.count(result);
    }

    pub(crate) fn authz(&self, route: &Arc<str>, result: &'static str, took: Duration) {
        self.route(route).decisions.count(result);
        self.cells.decision_durations.observe(took);
    }

    /// Shadow policies would have decided otherwise, in this direction.
    pub(crate) fn shadow(&self, route: &Arc<str>, direction: &'static str) {
        self.route(route).shadow.count(direction);
    }

    /// What came of a question to a decision point, and how long it took where it was sent.
    pub(crate) fn decision_point(&self, point: &Arc<str>, result: &'static str, took: Option<Duration>) {
        find(&self.points, &self.cells.points, point).requests.count(result);
        if let Some(took) = took {
            self.cells.point_durations.observe(took);
        }
    }

    pub(crate) fn preflight(&self, route: &Arc<str>, result: &'static str) {
        self.route(route).preflights.count(result);
    }

    pub(crate) fn upstream(&self, service: &Arc<str>, result: &'static str) {
        self.service(service).requests.count(result);
    }

    pub(crate) fn upstream_connection(&self, service: &Arc<str>, how: &'static str) {
        self.service(service).connections.count(how);
    }

    pub(crate) fn upstream_retry(&self, service: &Arc<str>, result: &'static str) {
        self.service(service).retries.count(result);
    }

    pub(crate) fn upstream_overflow(&self, service: &Arc<str>, what: &'static str) {
        self.service(service).overflow.count(what);
    }

    /// Counts what became of one client's handshake.
    pub(crate) fn tls_handshake(&self, result: &'static str) {
        self.cells.tls_handshakes.count(result);
    }

    /// Counts what came of the beginning of one connection that was to have a PROXY header.
    pub(crate) fn proxy_header(&self, result: &'static str) {
        self.cells.proxy_headers.count(result);
    }

    /// An HTTP/2 connection was ended because its client passed a limit or broke the protocol.
    pub(crate) fn http2_ended(&self, reason: &'static str) {
        self.cells.http2_ended.count(reason);
    }

    /// A limit was reached, once more.
    pub(crate) fn limit(&self, limit: Limit) {
        self.cells.limits.count(limit.name());
    }

    pub(crate) fn connections(&self, now: usize) {
        self.cells.connections.set(now);
    }

    /// What connections hold in buffers, in bytes.
    pub(crate) fn buffered(&self, now: usize) {
        self.cells.buffered.set(now);
    }

    /// One request, or connection, panicked.
    pub(crate) fn panicked(&self) {
        self.cells.panics.count();
    }

    /// One more open WebSocket, until the guard is dropped.
    pub(crate) fn websocket(&self) -> OpenWebSocket {
        self.cells.websockets.up();
        OpenWebSocket(self.cells.clone())
    }
}

/// An open WebSocket.
pub(crate) struct OpenWebSocket(Arc<Cells>);

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        // The worker that counted it is the one that drops it.
        self.0.websockets.down();
    }
}

/// One worker's cells. The worker alone writes them.
pub(super) struct Cells {
    routes: ByName<RouteMetrics>,
    unrouted: RouteMetrics,
    authenticators: ByName<AuthenticatorMetrics>,
    points: ByName<DecisionPointMetrics>,
    services: ByName<ServiceMetrics>,
    decision_durations: Histogram<{ DECISION_BOUNDS.len() }>,
    point_durations: Histogram<{ POINT_BOUNDS.len() }>,
    tls_handshakes: Counter<&'static str>,
    proxy_headers: Counter<&'static str>,
    http2_ended: Counter<&'static str>,
    limits: Counter<&'static str>,
    panics: Total,
    connections: Level,
    buffered: Level,
    websockets: Level,
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            routes: ByName::default(),
            unrouted: RouteMetrics::default(),
            authenticators: ByName::default(),
            points: ByName::default(),
            services: ByName::default(),
            decision_durations: Histogram::new(&DECISION_BOUNDS),
            point_durations: Histogram::new(&POINT_BOUNDS),
            tls_handshakes: Counter::default(),
            proxy_headers: Counter::default(),
            http2_ended: Counter::default(),
            limits: Counter::default(),
            panics: Total::default(),
            connections: Level::default(),
            buffered: Level::default(),
            websockets: Level::default(),
        }
    }
}

impl Cells {
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
        let help = "Requests and connections that ended with a panic of the gate";
        self.panics.show(page.counter("haechi_panics_total", help, &[]));
        self.connections.show(page.gauge("haechi_connections", "Open client connections", &[]));
        let help = "Memory that client connections hold in buffers";
        self.buffered.show(page.gauge("haechi_buffer_bytes", help, &[]));
        self.websockets.show(page.gauge("haechi_websockets", "Open WebSockets", &[]));
    }
}
