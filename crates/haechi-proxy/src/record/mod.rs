//! The record of a request: one line in the access log, the counters, its spans and its decision, whatever becomes of it.

mod recorder;

pub(crate) use recorder::Recorder;

use crate::decided_request::DecidedRequest;
use crate::decisions::{Decided, Headers, RecordedRoute, direction};
use crate::limits::Limit;
use crate::log::Line;
use crate::metrics::RouteMetrics;
use crate::outcome::{Broken, RequestOutcome};
use crate::reply::ErrorFormat;
use crate::settings::{Endpoint, Route};
use crate::spans::{Spans, StepKind};
use crate::trace::Trace;
use haechi_authn::{Attempt, Scheme};
use haechi_authz::Decision;
use haechi_core::id::RequestId;
use haechi_core::{Caller, Host, RequestHead, Timestamp};
use http::{Method, StatusCode};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The record of one request. Dropping it writes it: a request that was given up midway is recorded as `aborted`.
///
/// It is moved through every step of a request, so what it holds is kept in one place.
pub(crate) struct Record(Box<Inner>);

struct Inner {
    recorder: Rc<Recorder>,
    begun: Instant,
    line: Line,
    /// Those of its route, once it is found.
    metrics: Option<Arc<RouteMetrics>>,
    format: ErrorFormat,
    over: bool,
    secure: bool,
    /// The declared request headers that are no credential.
    headers: Headers,
    /// What was decided, and about which route.
    made: Option<RecordedDecision>,
    /// Only of a request that is traced.
    spans: Option<Spans>,
}

/// A decision that was made about the request.
struct RecordedDecision {
    decision: Decision,
    route: Arc<RecordedRoute>,
    undecided: bool,
}

impl Record {
    /// Begins the record of a request whose head could be read.
    pub(crate) fn of_head(recorder: &Rc<Recorder>, head: &RequestHead, trace: &Trace) -> Self {
        let mut record = Self::of_connection(recorder, head.id, head.received, head.client);
        record.0.line.method = Some(head.method.clone());
        record.0.line.host = Some(head.host.clone());
        record.0.line.path = Some(head.path.clone());
        record.0.secure = head.secure;
        if trace.sampled && recorder.traces().is_on() {
            record.0.spans = Some(Spans::new(*trace, recorder.span_id(), head, record.0.begun));
        }
        record
    }

    /// Begins the record of a request whose head could not be read.
    pub(crate) fn of_connection(
        recorder: &Rc<Recorder>,
        id: RequestId,
        received: Timestamp,
        client: IpAddr,
    ) -> Self {
        Self(Box::new(Inner {
            recorder: recorder.clone(),
            begun: Instant::now(),
            line: Line::new(id, received, client),
            metrics: None,
            format: ErrorFormat::Problem,
            over: false,
            secure: false,
            headers: Headers::default(),
            made: None,
            spans: None,
        }))
    }

    /// What is known of method and host when the path could not be read.
    pub(crate) fn method_and_host(&mut self, method: &Method, host: &Host) {
        self.0.line.method = Some(method.clone());
        self.0.line.host = Some(host.clone());
    }

    /// What sort of client is answered, for an answer after a panic.
    pub(crate) fn format(&self) -> ErrorFormat {
        self.0.format
    }

    /// In which form the client reads errors.
    pub(crate) fn set_format(&mut self, format: ErrorFormat) {
        self.0.format = format;
    }

    /// Nobody has sent the request: somebody asks what would become of it.
    pub(crate) fn supposed(&mut self) {
        self.0.line.supposed = true;
    }

    /// What is told so far.
    pub(crate) fn line(&self) -> &Line {
        &self.0.line
    }

    /// The request's route was found.
    pub(crate) fn route(&mut self, route: &Route, metrics: Option<&Arc<RouteMetrics>>) {
        self.0.line.route = Some(route.name.clone());
        self.0.metrics = metrics.cloned();
        if let Some(spans) = &mut self.0.spans {
            spans.route = Some(route.pattern.as_str().into());
        }
        self.step(|| StepKind::Route);
    }

    /// A step of a traced request is done.
    fn step(&mut self, what: impl FnOnce() -> StepKind) {
        let Inner { spans, recorder, .. } = &mut *self.0;
        if let Some(spans) = spans {
            spans.step(recorder.span_id(), what());
        }
    }

    /// Counts what one authenticator said.
    pub(crate) fn attempt(&mut self, scheme: &dyn Scheme, attempt: &Attempt) {
        let result = attempt.name();
        self.0.recorder.metrics().authn(scheme.name(), result);
        self.step(|| StepKind::Authenticate { authenticator: scheme.name().clone(), result });
    }

    pub(crate) fn caller(&mut self, caller: &Arc<Caller>) {
        self.0.line.caller = Some(caller.clone());
    }

    /// Counts that a limit of this kind was asked.
    pub(crate) fn counted(&self, by: &'static str, is_within: bool) {
        self.0.metrics().counted(by, is_within);
    }

    /// Counts a browser's question.
    pub(crate) fn preflight(&self, granted: bool) {
        self.0.metrics().preflights.count(if granted { "granted" } else { "refused" });
    }

    /// The declared request headers that are no credential, for the record of the decision.
    pub(crate) fn headers(&mut self, headers: Headers) {
        self.0.headers = headers;
    }

    /// Counts a decision about the request, which took so long.
    pub(crate) fn authorized(&self, result: &'static str, took: Duration) {
        self.0.metrics().decisions.count(result);
        self.0.recorder.metrics().authz(took);
    }

    /// It was decided about the request, on this route.
    pub(crate) fn decided(&mut self, decision: &Decision, route: &Arc<RecordedRoute>) {
        self.0.line.decision = Some(decision.id);
        if let Some(direction) = direction(decision) {
            self.0.line.shadow = Some(direction);
            self.0.metrics().shadow.count(direction);
        }
        if let Some(reason) = decision.reason() {
            self.0.recorder.metrics().denied(reason.kind().name());
        }
        self.0.made =
            Some(RecordedDecision { decision: decision.clone(), route: route.clone(), undecided: false });
        self.step(|| StepKind::Authorize { decision: decision.id, allowed: decision.is_allowed() });
    }

    /// The request with the decision about it, for the audit trail; `None` where none was made.
    pub(crate) fn decided_request(&self) -> Option<DecidedRequest<'_>> {
        let Inner { line, made: Some(made), headers, secure, .. } = &*self.0 else { return None };
        Some(DecidedRequest {
            request: line.id,
            received: line.received,
            method: line.method.as_ref()?,
            host: line.host.as_ref()?,
            path: line.path.as_ref()?,
            client: line.client,
            secure: *secure,
            headers,
            caller: line.caller.as_ref()?,
            decision: &made.decision,
            route: &made.route,
            unavailable: line.reason.as_deref().filter(|_| made.undecided),
            supposed: line.supposed,
        })
    }

    /// Tells whoever watches what was decided. Nothing is copied where nobody does.
    pub(crate) fn announce(&self) {
        let watchers = self.0.recorder.watchers();
        if watchers.are_any()
            && let Some(decided) = self.0.announced()
        {
            watchers.tell(decided);
        }
    }

    /// The decision could not be made, for this reason.
    pub(crate) fn undecided(&mut self, reason: String) {
        self.reason(reason);
        if let Some(made) = &mut self.0.made {
            made.undecided = true;
        }
    }

    pub(crate) fn upstream(&mut self, service: &Arc<str>, endpoint: &Endpoint) {
        self.0.line.service = Some(service.clone());
        self.0.line.endpoint = Some((endpoint.state.host().clone(), endpoint.state.port()));
        if let Some(spans) = &mut self.0.spans {
            spans.begin();
        }
    }

    /// What came of the exchange with the endpoint named last, under the span `span`: a status, or a problem.
    pub(crate) fn exchanged(&mut self, span: u64, outcome: Result<StatusCode, &'static str>) {
        let Inner { spans: Some(spans), line, .. } = &mut *self.0 else { return };
        let (Some(service), Some((host, port))) = (&line.service, &line.endpoint) else { return };
        let (service, host, port) = (service.clone(), host.clone(), *port);
        let (status, problem) = (outcome.ok(), outcome.err());
        spans.step(span, StepKind::Upstream { service, host, port, status, problem });
    }

    /// When the request began.
    pub(crate) const fn begun(&self) -> Instant {
        self.0.begun
    }

    /// How long the request has been under way.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// The head of the answer is known.
    pub(crate) fn answered(&mut self, status: StatusCode, outcome: RequestOutcome) {
        self.0.line.status = Some(status);
        self.0.line.outcome = outcome;
    }

    /// Another gateway is told in this status what becomes of the request.
    pub(crate) fn told(&mut self, status: StatusCode) {
        self.0.line.status = Some(status);
    }

    /// The name of the problem that the answer tells of, which is counted.
    pub(crate) fn problem(&mut self, name: &'static str) {
        self.0.recorder.metrics().problem(name);
        if let Some(spans) = &mut self.0.spans {
            spans.problem = Some(name);
        }
    }

    pub(crate) fn reason(&mut self, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.line.reason = Some(reason.into());
    }

    /// It is refused, by this authenticator where it was one.
    pub(crate) fn refused(
        &mut self,
        reason: std::borrow::Cow<'static, str>,
        authenticator: Option<Arc<str>>,
    ) {
        self.0.line.reason = Some(reason);
        self.0.line.refused_by = authenticator;
    }

    /// The request reached a limit.
    pub(crate) fn limit(&self, limit: Limit) {
        self.0.recorder.metrics().limit(limit);
    }

    /// So many bytes of the answer's body went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.0.line.sent += bytes as u64;
    }

    /// The answer broke off.
    pub(crate) fn broken(&mut self, broken: impl Into<Broken>) {
        let Broken { outcome, why } = broken.into();
        self.0.line.outcome = outcome;
        self.0.line.reason = Some(why.into());
        self.0.over = true;
    }

    /// The record itself, leaving an empty one.
    fn taken(&mut self) -> Self {
        let Line { id, received, client, .. } = self.0.line;
        let empty = Inner {
            recorder: self.0.recorder.clone(),
            line: Line::new(id, received, client),
            metrics: None,
            begun: self.0.begun,
            format: self.0.format,
            over: true,
            secure: false,
            headers: Headers::default(),
            made: None,
            spans: None,
        };
        Self(Box::new(std::mem::replace(&mut *self.0, empty)))
    }

    /// The answer has left.
    pub(crate) fn finished(&mut self) {
        self.0.over = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.over {
            let recorder = self.0.recorder.clone();
            if recorder.keep_panicked(|| self.taken()) {
                return;
            }
        }
        if !self.0.over {
            self.0.line.outcome = RequestOutcome::Aborted;
        }
        let took = self.0.begun.elapsed();
        self.0.metrics().request(self.0.line.method.as_ref(), self.0.line.status, took);
        self.0.recorder.log().write(&self.0.line, took);
        if let Some(spans) = self.0.spans.take() {
            spans.finish(&self.0.line, took, self.0.recorder.traces());
        }
        if let Some(decided) = self.0.remembered() {
            self.0.recorder.remember(decided);
        }
    }
}

impl Inner {
    /// Those of the request's route, or of requests without one.
    fn metrics(&self) -> &RouteMetrics {
        self.metrics.as_deref().unwrap_or_else(|| self.recorder.metrics().unrouted())
    }

    /// What is told of the decision while the request goes on.
    fn announced(&self) -> Option<Decided> {
        let (line, made) = (&self.line, self.made.as_ref()?);
        Some(Decided {
            decision: made.decision.clone(),
            unavailable: line.reason.as_deref().filter(|_| made.undecided).map(Box::from),
            received: line.received,
            request: line.id,
            method: line.method.clone()?,
            host: line.host.clone()?,
            path: line.path.clone()?,
            client: line.client,
            secure: self.secure,
            headers: self.headers.clone(),
            route: made.route.clone(),
            caller: line.caller.clone()?,
            supposed: line.supposed,
        })
    }

    /// What is remembered of the decision. The request is over: its parts are moved.
    fn remembered(&mut self) -> Option<Decided> {
        let RecordedDecision { decision, route, undecided } = self.made.take()?;
        let line = &mut self.line;
        let reason = line.reason.take().filter(|_| undecided);
        Some(Decided {
            decision,
            unavailable: reason.map(|reason| reason.into_owned().into()),
            received: line.received,
            request: line.id,
            method: line.method.take()?,
            host: line.host.take()?,
            path: line.path.take()?,
            client: line.client,
            secure: self.secure,
            headers: std::mem::take(&mut self.headers),
            route,
            caller: line.caller.take()?,
            supposed: line.supposed,
        })
    }
}
