//! What is recorded of a request: one line in the access log and the counters, whatever becomes of it.

use crate::decisions::{Decided, Headers, Judged, direction};
use crate::limits::Limit;
use crate::log::Line;
use crate::plan::Route;
use crate::respond::Taste;
use crate::spans::{Spans, Work};
use crate::trace::Trace;
use crate::worker::Worker;
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
pub(crate) struct Entry(Box<Kept>);

struct Kept {
    worker: Rc<Worker>,
    begun: Instant,
    line: Line,
    taste: Taste,
    over: bool,
    secure: bool,
    /// The declared request headers that are no credential.
    headers: Headers,
    /// What was decided, and about which route.
    made: Option<Made>,
    /// Only of a request that is traced.
    spans: Option<Spans>,
}

/// A decision that was made about the request.
struct Made {
    decision: Decision,
    route: Arc<Judged>,
    undecided: bool,
}

/// What became of a request, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Given up before it was answered.
    Aborted,
    /// Could be read in two ways, or over a limit.
    Refused,
    /// No route, or not with this method.
    Unrouted,
    /// No credential, or none that holds.
    Unauthenticated,
    /// Known and not allowed.
    Denied,
    /// Could not be found out.
    Unavailable,
    /// Forwarded and answered.
    Forwarded,
    /// Answered by the embedded identity provider.
    Answered,
    /// A browser's question before a cross-origin request, answered here.
    Preflight,
    /// The backend failed.
    Failed,
}

impl Fate {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unrouted => "unrouted",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Preflight => "preflight",
            Self::Failed => "failed",
        }
    }
}

impl Entry {
    /// Begins the record of a request whose head could be read.
    pub(crate) fn of_head(worker: &Rc<Worker>, head: &RequestHead, trace: &Trace) -> Self {
        let mut entry = Self::of_connection(worker, head.id, head.received, head.client);
        entry.0.line.method = Some(head.method.clone());
        entry.0.line.host = Some(head.host.clone());
        entry.0.line.path = Some(head.path.clone());
        entry.0.secure = head.secure;
        if trace.sampled && worker.traces().is_on() {
            entry.0.spans = Some(Spans::new(*trace, worker.random_bits() as u64, head, entry.0.begun));
        }
        entry
    }

    /// Begins the record of a request whose head could not be read.
    pub(crate) fn of_connection(
        worker: &Rc<Worker>,
        id: RequestId,
        received: Timestamp,
        client: IpAddr,
    ) -> Self {
        Self(Box::new(Kept {
            worker: worker.clone(),
            begun: Instant::now(),
            line: Line::new(id, received, client),
            taste: Taste::Problem,
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
    pub(crate) fn taste(&self) -> Taste {
        self.0.taste
    }

    pub(crate) fn tastes(&mut self, taste: Taste) {
        self.0.taste = taste;
    }

    /// What is told so far.
    pub(crate) fn line(&self) -> &Line {
        &self.0.line
    }

    /// The request's route was found.
    pub(crate) fn route(&mut self, route: &Route) {
        self.0.line.route = Some(route.name.clone());
        if let Some(spans) = &mut self.0.spans {
            spans.route = Some(route.pattern.as_str().into());
        }
        self.step(|| Work::Route);
    }

    /// A step of a traced request is done.
    fn step(&mut self, what: impl FnOnce() -> Work) {
        let Kept { spans, worker, .. } = &mut *self.0;
        if let Some(spans) = spans {
            spans.step(worker.random_bits() as u64, what());
        }
    }

    /// Counts what one authenticator said.
    pub(crate) fn attempt(&mut self, scheme: &dyn Scheme, attempt: &Attempt) {
        let (result, reason) = match attempt {
            Attempt::Absent => ("absent", None),
            Attempt::Rejected(rejection) => ("rejected", Some(&rejection.reason)),
            Attempt::Unavailable(unavailable) => ("unavailable", Some(&unavailable.reason)),
            Attempt::Verified(_) => ("verified", None),
        };
        self.0.worker.metrics().authn(scheme.name(), result);
        self.step(|| Work::Authenticate { authenticator: scheme.name().clone(), result });
        if let Some(reason) = reason {
            self.0.line.reason = Some(reason.clone());
        }
    }

    pub(crate) fn caller(&mut self, caller: &Arc<Caller>) {
        self.0.line.caller = Some(caller.clone());
    }

    /// Counts a browser's question.
    pub(crate) fn preflight(&self, granted: bool) {
        if let Some(route) = &self.0.line.route {
            self.0.worker.metrics().preflight(route, if granted { "granted" } else { "refused" });
        }
    }

    /// The declared request headers that are no credential, for the record of the decision.
    pub(crate) fn headers(&mut self, headers: Headers) {
        self.0.headers = headers;
    }

    /// It was decided about the request, on this route.
    pub(crate) fn decided(&mut self, decision: &Decision, route: &Arc<Judged>) {
        self.0.line.decision = Some(decision.id);
        if let Some(direction) = direction(decision) {
            self.0.line.shadow = Some(direction);
            self.0.worker.metrics().shadow(&route.name, direction);
        }
        self.0.made = Some(Made { decision: decision.clone(), route: route.clone(), undecided: false });
        self.step(|| Work::Authorize { decision: decision.id, allowed: decision.is_allowed() });
    }

    /// The decision could not be made, for this reason.
    pub(crate) fn undecided(&mut self, reason: String) {
        self.reason(reason);
        if let Some(made) = &mut self.0.made {
            made.undecided = true;
        }
    }

    pub(crate) fn upstream(&mut self, service: &Arc<str>, endpoint: &crate::plan::Endpoint) {
        self.0.line.service = Some(service.clone());
        self.0.line.endpoint = Some((endpoint.state.host().clone(), endpoint.state.port()));
        if let Some(spans) = &mut self.0.spans {
            spans.begin();
        }
    }

    /// What came of the exchange with the endpoint named last, under the span `span`: a status, or a problem.
    pub(crate) fn exchanged(&mut self, span: u64, outcome: Result<StatusCode, &'static str>) {
        let Kept { spans: Some(spans), line, .. } = &mut *self.0 else { return };
        let (Some(service), Some((host, port))) = (&line.service, &line.endpoint) else { return };
        let (service, host, port) = (service.clone(), host.clone(), *port);
        let (status, problem) = (outcome.ok(), outcome.err());
        spans.step(span, Work::Upstream { service, host, port, status, problem });
    }

    /// How long the request has been under way.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// The head of the answer is known.
    pub(crate) fn answered(&mut self, status: StatusCode, fate: Fate) {
        self.0.line.status = Some(status);
        self.0.line.fate = fate;
    }

    /// The name of the problem that the answer tells of.
    pub(crate) fn problem(&mut self, name: &'static str) {
        if let Some(spans) = &mut self.0.spans {
            spans.problem = Some(name);
        }
    }

    pub(crate) fn reason(&mut self, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.line.reason = Some(reason.into());
    }

    /// The request reached a limit.
    pub(crate) fn limit(&self, limit: Limit) {
        self.0.worker.metrics().limit(limit);
    }

    /// So many bytes of the answer's body went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.0.line.sent += bytes as u64;
    }

    /// The answer broke off.
    pub(crate) fn broken(&mut self, why: &'static str) {
        self.0.line.fate = Fate::Aborted;
        self.0.line.reason = Some(why.into());
        self.0.over = true;
    }

    /// The record itself, leaving an empty one.
    fn taken(&mut self) -> Self {
        let Line { id, received, client, .. } = self.0.line;
        let empty = Kept {
            worker: self.0.worker.clone(),
            line: Line::new(id, received, client),
            begun: self.0.begun,
            taste: self.0.taste,
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

impl Drop for Entry {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.over {
            let worker = self.0.worker.clone();
            if worker.keep_broken(|| self.taken()) {
                return;
            }
        }
        if !self.0.over {
            self.0.line.fate = Fate::Aborted;
        }
        let took = self.0.begun.elapsed();
        self.0.worker.metrics().request(&self.0.line, took);
        self.0.worker.log().write(&self.0.line, took);
        if let Some(spans) = self.0.spans.take() {
            spans.finish(&self.0.line, took, self.0.worker.traces());
        }
        if let Some(decided) = self.0.remembered() {
            self.0.worker.remember(decided);
        }
    }
}

impl Kept {
    /// What is remembered of the decision. The request is over: its parts are moved.
    fn remembered(&mut self) -> Option<Decided> {
        let Made { decision, route, undecided } = self.made.take()?;
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
        })
    }
}
