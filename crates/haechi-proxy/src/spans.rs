//! What a trace is told of a request: the request itself and its steps, gathered while it is under way and handed over when it is over.
//!
//! Nothing of it exists for a request that is not sampled. Queries, credentials and bodies have no place in it.

use crate::batches::{Batch, BatchSender};
use crate::log::Line;
use crate::outcome::RequestOutcome;
use crate::trace::Trace;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{CanonicalPath, Host, RequestHead, Timestamp};
use http::{Method, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that is over, for a trace.
#[derive(Clone, Debug)]
pub struct TracedRequest {
    /// The trace, shared with client and backend.
    pub trace: u128,
    /// The client's span; none where the trace begins here.
    pub parent: Option<u64>,
    /// The request's span.
    pub span: u64,
    /// When its head was complete.
    pub received: Timestamp,
    /// From then to the last byte of the answer.
    pub took: Duration,
    /// As answers, logs and backends have it.
    pub id: RequestId,
    /// The method.
    pub method: Method,
    /// The host asked for.
    pub host: Host,
    /// The canonical path.
    pub path: CanonicalPath,
    /// Whether it came over TLS, as far as the gate and its trusted proxies know.
    pub secure: bool,
    /// The client's address.
    pub client: IpAddr,
    /// The pattern of its route.
    pub route: Option<Arc<str>>,
    /// Of the answer; none when there was none.
    pub status: Option<StatusCode>,
    /// Why it failed, in one word; none where it did not.
    pub error: Option<&'static str>,
    /// What was done about it, in order.
    pub steps: Vec<Step>,
}

/// A step of a request.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its span.
    pub span: u64,
    /// When it began, after the head was complete.
    pub from: Duration,
    /// When it was done.
    pub to: Duration,
    /// What it was.
    pub what: StepKind,
}

/// What a step was.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Finding the route.
    Route,
    /// Asking an authenticator.
    Authenticate {
        /// Its name.
        authenticator: Arc<str>,
        /// What it said: `absent`, `rejected`, `unavailable`, `verified`.
        result: &'static str,
    },
    /// Deciding.
    Authorize {
        /// The decision.
        decision: DecisionId,
        /// Whether it was to allow.
        allowed: bool,
    },
    /// One exchange with an endpoint, up to the head of its answer.
    Upstream {
        /// The service's name.
        service: Arc<str>,
        /// The endpoint's host.
        host: Arc<str>,
        /// Its port.
        port: u16,
        /// What it answered.
        status: Option<StatusCode>,
        /// The problem's name; none where it answered.
        problem: Option<&'static str>,
    },
}

/// Where workers send traced requests.
#[derive(Clone, Debug)]
pub struct TraceSink {
    /// Takes requests.
    pub requests: BatchSender<TracedRequest>,
    /// Which part of the traces that begin here are sampled, from 0 to 1.
    pub sample: f64,
}

/// A worker's end of the traces: requests gather here, so that none waits for a trace.
pub(crate) struct Traces {
    requests: Option<Batch<TracedRequest>>,
    sample: f64,
}

/// Requests are sent at this many, at the latest.
const SEND_AT: usize = 128;

impl Traces {
    pub(crate) fn new(sink: Option<TraceSink>) -> Self {
        let sample = sink.as_ref().map_or(0.0, |sink| sink.sample);
        Self { requests: sink.map(|sink| Batch::new(sink.requests, SEND_AT)), sample }
    }

    /// Whether a trace that begins with this request is sampled.
    pub(crate) fn samples(&self, id: RequestId) -> bool {
        const PLACES: u32 = 53;
        // The id is random; its lowest bits as a fraction of one.
        let fraction = (id.bits() as u64 >> (64 - PLACES)) as f64 / (1u64 << PLACES) as f64;
        fraction < self.sample
    }

    /// Whether anybody takes requests.
    pub(crate) const fn is_on(&self) -> bool {
        self.requests.is_some()
    }

    /// Sends the requests that were gathered; every tick.
    pub(crate) fn send(&self) {
        if let Some(requests) = &self.requests {
            requests.send();
        }
    }
}

/// The spans of a request under way.
pub(crate) struct Spans {
    trace: Trace,
    span: u64,
    secure: bool,
    begun: Instant,
    /// When the step in progress began.
    mark: Instant,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) problem: Option<&'static str>,
    steps: Vec<Step>,
}

impl Spans {
    pub(crate) fn new(trace: Trace, span: u64, head: &RequestHead, begun: Instant) -> Self {
        let secure = head.secure;
        Self {
            trace,
            span: span.max(1),
            secure,
            begun,
            mark: begun,
            route: None,
            problem: None,
            steps: Vec::with_capacity(4),
        }
    }

    /// A step begins that does not follow on the one before.
    pub(crate) fn begin(&mut self) {
        self.mark = Instant::now();
    }

    /// The step in progress is done.
    pub(crate) fn step(&mut self, span: u64, what: StepKind) {
        let now = Instant::now();
        let since = |at: Instant| at.saturating_duration_since(self.begun);
        self.steps.push(Step { span: span.max(1), from: since(self.mark), to: since(now), what });
        self.mark = now;
    }

    /// The request is over.
    pub(crate) fn finish(self, line: &Line, took: Duration, traces: &Traces) {
        let (Some(method), Some(host), Some(path)) = (&line.method, &line.host, &line.path) else { return };
        let failed = line.status.is_some_and(|status| status.is_server_error());
        let error = match line.outcome {
            RequestOutcome::Aborted => Some("aborted"),
            _ => self.problem.filter(|_| failed),
        };
        let Some(requests) = &traces.requests else { return };
        let request = TracedRequest {
            trace: self.trace.id(),
            parent: self.trace.parent(),
            span: self.span,
            received: line.received,
            took,
            id: line.id,
            method: method.clone(),
            host: host.clone(),
            path: path.clone(),
            secure: self.secure,
            client: line.client,
            route: self.route,
            status: line.status,
            error,
            steps: self.steps,
        };
        requests.add(|batch| batch.push(request));
    }
}
