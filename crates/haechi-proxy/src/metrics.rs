//! Counters and histograms. Each worker counts in cells of its own; a scrape adds them up.

use crate::limits::Limit;
use crate::log::Line;
use foldhash::fast::RandomState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the request-duration histogram, in microseconds.
const REQUEST_BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    10_000_000,
];
/// Upper bounds of the authorization histogram, in nanoseconds.
const AUTHZ_BOUNDS: [u64; 10] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000];

/// Upper bounds of the histogram of decision points, in microseconds.
const POINT_BOUNDS: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000];

/// Which counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Family {
    Requests,
    Authn,
    Authz,
    Shadow,
    DecisionPoint,
    Preflight,
    Upstream,
    UpstreamConnections,
    UpstreamRetries,
    UpstreamOverflow,
    TlsHandshakes,
    ProxyHeaders,
    Http2Ended,
    Limits,
}

/// A counter with its labels' values. Methods that the gate does not know are counted as `other`: label values stay bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    family: Family,
    name: Arc<str>,
    what: &'static str,
    status: u16,
}

/// One worker's cells. The worker alone writes them.
#[derive(Default)]
struct Shard {
    counters: Mutex<Vec<(Key, Arc<AtomicU64>)>>,
    requests: Cells<{ REQUEST_BOUNDS.len() + 1 }>,
    authz: Cells<{ AUTHZ_BOUNDS.len() + 1 }>,
    points: Cells<{ POINT_BOUNDS.len() + 1 }>,
    connections: AtomicU64,
    buffered: AtomicU64,
    panics: AtomicU64,
    websockets: AtomicU64,
}

struct Cells<const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }
}

impl<const N: usize> Cells<N> {
    fn observe(&self, bounds: &[u64], value: u64) {
        let index = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        if let Some(bucket) = self.buckets.get(index) {
            bump(bucket, 1);
        }
        bump(&self.sum, value);
    }
}

/// Only one thread writes a cell, so a plain load and store is enough, and no other core's cache line is taken.
fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

/// A worker's end of the metrics.
pub(crate) struct WorkerMetrics {
    shard: Arc<Shard>,
    known: RefCell<HashMap<Key, Arc<AtomicU64>, RandomState>>,
    none: Arc<str>,
}

/// The data plane's metrics, for a Prometheus registry.
#[derive(Clone, Default)]
pub struct Metrics {
    shards: Arc<Mutex<Vec<Arc<Shard>>>>,
}

impl Metrics {
    /// Cells for one more worker.
    pub(crate) fn worker(&self) -> WorkerMetrics {
        let shard = Arc::new(Shard::default());
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(shard.clone());
        WorkerMetrics { shard, known: RefCell::default(), none: "".into() }
    }
}

impl WorkerMetrics {
    pub(crate) fn request(&self, line: &Line, took: Duration) {
        let route = line.route.as_ref().unwrap_or(&self.none).clone();
        let status = line.status.map_or(0, |status| status.as_u16());
        self.count(Key { family: Family::Requests, name: route, what: method_label(line), status });
        self.shard.requests.observe(&REQUEST_BOUNDS, micros(took));
    }

    pub(crate) fn authn(&self, authenticator: &Arc<str>, result: &'static str) {
        self.count(Key { family: Family::Authn, name: authenticator.clone(), what: result, status: 0 });
    }

    pub(crate) fn authz(&self, route: &Arc<str>, result: &'static str, took: Duration) {
        self.count(Key { family: Family::Authz, name: route.clone(), what: result, status: 0 });
        self.shard.authz.observe(&AUTHZ_BOUNDS, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Shadow policies would have decided otherwise, in this direction.
    pub(crate) fn shadow(&self, route: &Arc<str>, direction: &'static str) {
        self.count(Key { family: Family::Shadow, name: route.clone(), what: direction, status: 0 });
    }

    /// What came of a question to a decision point, and how long it took where it was sent.
    pub(crate) fn decision_point(&self, point: &Arc<str>, result: &'static str, took: Option<Duration>) {
        self.count(Key { family: Family::DecisionPoint, name: point.clone(), what: result, status: 0 });
        if let Some(took) = took {
            self.shard.points.observe(&POINT_BOUNDS, micros(took));
        }
    }

    pub(crate) fn preflight(&self, route: &Arc<str>, result: &'static str) {
        self.count(Key { family: Family::Preflight, name: route.clone(), what: result, status: 0 });
    }

    pub(crate) fn upstream(&self, service: &Arc<str>, result: &'static str) {
        self.count(Key { family: Family::Upstream, name: service.clone(), what: result, status: 0 });
    }

    pub(crate) fn upstream_connection(&self, service: &Arc<str>, how: &'static str) {
        self.count(Key { family: Family::UpstreamConnections, name: service.clone(), what: how, status: 0 });
    }

    pub(crate) fn upstream_retry(&self, service: &Arc<str>, result: &'static str) {
        self.count(Key { family: Family::UpstreamRetries, name: service.clone(), what: result, status: 0 });
    }

    pub(crate) fn upstream_overflow(&self, service: &Arc<str>, what: &'static str) {
        self.count(Key { family: Family::UpstreamOverflow, name: service.clone(), what, status: 0 });
    }

    /// Counts what became of one client's handshake.
    pub(crate) fn tls_handshake(&self, result: &'static str) {
        self.count(Key { family: Family::TlsHandshakes, name: self.none.clone(), what: result, status: 0 });
    }

    /// Counts what came of the beginning of one connection that was to have a PROXY header.
    pub(crate) fn proxy_header(&self, result: &'static str) {
        self.count(Key { family: Family::ProxyHeaders, name: self.none.clone(), what: result, status: 0 });
    }

    /// An HTTP/2 connection was ended because its client passed a limit or broke the protocol.
    pub(crate) fn http2_ended(&self, reason: &'static str) {
        self.count(Key { family: Family::Http2Ended, name: self.none.clone(), what: reason, status: 0 });
    }

    /// A limit was reached, once more.
    pub(crate) fn limit(&self, limit: Limit) {
        self.count(Key { family: Family::Limits, name: self.none.clone(), what: limit.name(), status: 0 });
    }

    pub(crate) fn connections(&self, now: usize) {
        self.shard.connections.store(now as u64, Relaxed);
    }

    /// What connections hold in buffers, in bytes.
    pub(crate) fn buffered(&self, now: usize) {
        self.shard.buffered.store(now as u64, Relaxed);
    }

    /// One request, or connection, panicked.
    pub(crate) fn panicked(&self) {
        bump(&self.shard.panics, 1);
    }

    /// One more open WebSocket, until the guard is dropped.
    pub(crate) fn websocket(&self) -> OpenWebSocket {
        bump(&self.shard.websockets, 1);
        OpenWebSocket(self.shard.clone())
    }

    fn count(&self, key: Key) {
        let mut known = self.known.borrow_mut();
        if let Some(cell) = known.get(&key) {
            return bump(cell, 1);
        }
        let cell = Arc::new(AtomicU64::new(1));
        self.shard.counters.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), cell.clone()));
        known.insert(key, cell);
    }
}

/// An open WebSocket.
pub(crate) struct OpenWebSocket(Arc<Shard>);

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        // The worker that counted it is the one that drops it.
        self.0.websockets.store(self.0.websockets.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

fn method_label(line: &Line) -> &'static str {
    match line.method.as_ref().map(http::Method::as_str) {
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

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums: BTreeMap<Key, u64> = BTreeMap::new();
        for shard in shards.iter() {
            for (key, cell) in shard.counters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                *sums.entry(key.clone()).or_default() += cell.load(Relaxed);
            }
        }
        for &(family, name, help) in FAMILIES {
            let of_family = sums.iter().filter(|(key, _)| key.family == family).collect();
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)
                .and_then(|e| Counters(of_family).encode(e))?;
        }
        let requests = add_up(shards.iter().map(|shard| &shard.requests), &REQUEST_BOUNDS, 1e-6);
        let help = "From the head of a request to the end of its answer";
        let name = "haechi_request_duration_seconds";
        encoder
            .encode_descriptor(name, help, None, MetricType::Histogram)
            .and_then(|e| requests.encode(e))?;
        let authz = add_up(shards.iter().map(|shard| &shard.authz), &AUTHZ_BOUNDS, 1e-9);
        let name = "haechi_authz_duration_seconds";
        let help = "Time to decide one request";
        encoder.encode_descriptor(name, help, None, MetricType::Histogram).and_then(|e| authz.encode(e))?;
        let points = add_up(shards.iter().map(|shard| &shard.points), &POINT_BOUNDS, 1e-6);
        let (name, help) = (
            "haechi_decision_point_duration_seconds",
            "Time until a decision point's answer was there, or was given up",
        );
        encoder.encode_descriptor(name, help, None, MetricType::Histogram).and_then(|e| points.encode(e))?;
        let panics: u64 = shards.iter().map(|shard| shard.panics.load(Relaxed)).sum();
        let (name, help) = ("haechi_panics", "Requests and connections that ended with a panic of the gate");
        let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(panics).encode(counter)?;
        let websockets: u64 = shards.iter().map(|shard| shard.websockets.load(Relaxed)).sum();
        let (name, help) = ("haechi_websockets", "Open WebSockets");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&websockets)?;
        let open: u64 = shards.iter().map(|shard| shard.connections.load(Relaxed)).sum();
        let (name, help) = ("haechi_connections", "Open client connections");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&open)?;
        let buffered: u64 = shards.iter().map(|shard| shard.buffered.load(Relaxed)).sum();
        let (name, help) = ("haechi_buffer_bytes", "Memory that connections hold in buffers");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&buffered)
    }
}

const FAMILIES: &[(Family, &str, &str)] = &[
    (Family::Requests, "haechi_http_requests", "Requests by route, method and status"),
    (Family::Authn, "haechi_authn", "What authenticators said"),
    (Family::Authz, "haechi_authz_decisions", "Decisions by route"),
    (Family::Shadow, "haechi_authz_shadow", "Decisions that shadow policies would have made otherwise"),
    (Family::DecisionPoint, "haechi_decision_point_requests", "What decision points said"),
    (Family::Preflight, "haechi_cors_preflights", "Browsers' questions before cross-origin requests"),
    (Family::Upstream, "haechi_upstream_requests", "Exchanges with services by result"),
    (
        Family::UpstreamConnections,
        "haechi_upstream_connections",
        "Connections taken to reach services, new or reused",
    ),
    (Family::UpstreamRetries, "haechi_upstream_retries", "Requests sent again, by what came of it"),
    (
        Family::UpstreamOverflow,
        "haechi_upstream_overflow",
        "Times that an endpoint had as much as it may have, by what",
    ),
    (Family::TlsHandshakes, "haechi_tls_handshakes", "TLS handshakes of clients by result"),
    (Family::ProxyHeaders, "haechi_proxy_headers", "PROXY headers by result"),
    (Family::Http2Ended, "haechi_http2_ended", "HTTP/2 connections ended for what their clients did"),
    (Family::Limits, "haechi_limits", "Times that a client reached a limit"),
];

struct Counters<'a>(Vec<(&'a Key, &'a u64)>);

impl EncodeMetric for Counters<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (key, value) in &self.0 {
            let status = key.status.to_string();
            let name = &*key.name;
            let labels: Vec<(&str, &str)> = match key.family {
                Family::Requests => vec![("route", name), ("method", key.what), ("status", &status)],
                Family::Authn => vec![("authenticator", name), ("result", key.what)],
                Family::Authz | Family::Preflight => vec![("route", name), ("result", key.what)],
                Family::Shadow => vec![("route", name), ("direction", key.what)],
                Family::DecisionPoint => vec![("decision_point", name), ("result", key.what)],
                Family::Upstream => vec![("service", name), ("result", key.what)],
                Family::UpstreamConnections => vec![("service", name), ("kind", key.what)],
                Family::UpstreamRetries => vec![("service", name), ("result", key.what)],
                Family::UpstreamOverflow => vec![("service", name), ("what", key.what)],
                Family::TlsHandshakes | Family::ProxyHeaders => vec![("result", key.what)],
                Family::Http2Ended => vec![("reason", key.what)],
                Family::Limits => vec![("limit", key.what)],
            };
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(value, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

struct Histogram {
    sum: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn add_up<'a, const N: usize>(
    cells: impl Iterator<Item = &'a Cells<N>>,
    bounds: &[u64],
    unit: f64,
) -> Histogram {
    let mut totals = [0u64; N];
    let mut sum = 0u64;
    for cell in cells {
        for (total, bucket) in totals.iter_mut().zip(&cell.buckets) {
            *total += bucket.load(Relaxed);
        }
        sum = sum.wrapping_add(cell.sum.load(Relaxed));
    }
    let bounds = bounds.iter().map(|bound| *bound as f64 * unit).chain([f64::MAX]);
    Histogram { sum: sum as f64 * unit, count: totals.iter().sum(), buckets: bounds.zip(totals).collect() }
}
