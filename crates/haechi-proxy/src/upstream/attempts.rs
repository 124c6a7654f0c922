//! Attempts of one request at the endpoints of its service: which one first, and whether and where it is retried.

use super::balance::{Balancer, TriedEndpoints};
use super::circuit::Full;
use super::pool::{Acquired, ConnectionLease};
use super::retry::Failing;
use super::{balance, ejection, endpoint};
use crate::forwarding::Forwarding;
use crate::lines::ResponseLines;
use crate::refusal::Refusal;
use crate::response::ResponseBody;
use crate::settings::{Endpoint, EndpointIndex, Service};
use haechi_authz::Permitted;
use std::time::Duration;

/// How long a request waits before it goes again to an endpoint that has failed it, the first time, in milliseconds.
const PAUSE: std::ops::Range<u64> = 5..25;

/// The head of an answer, and its body as it comes.
pub(crate) type Answer = (ResponseLines, ResponseBody);

/// The attempts at one request.
pub(crate) struct Attempts<'a> {
    request: &'a Forwarding<'a>,
    service: &'a Service,
    balancer: &'a Balancer,
    permitted: &'a Permitted,
    /// Whether sending it twice is possible and does no harm (RFC 9110 9.2.2).
    repeatable: bool,
    passed: TriedEndpoints,
    retries: u32,
    replaced: bool,
}

/// An endpoint that takes the request, and how it is reached.
pub(crate) struct Place<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) lease: ConnectionLease,
    pub(crate) way: Acquired,
    /// Before the request is sent there.
    pub(crate) pause: Option<Duration>,
    index: EndpointIndex,
}

/// An attempt that came to nothing.
pub(crate) struct Failure {
    /// The answer, if nothing better comes.
    pub(crate) refusal: Refusal,
    /// What happened, for the record.
    pub(crate) reason: String,
    /// How it counts against the endpoint; not at all when the fault is not the backend's.
    pub(crate) failing: Option<Failing>,
    /// Whether a kept connection turned out to be closed, before a single byte of an answer.
    pub(crate) stale: bool,
}

impl Failure {
    /// One for which no backend is to blame.
    pub(crate) const fn ours(refusal: Refusal, reason: String) -> Self {
        Self { refusal, reason, failing: None, stale: false }
    }
}

impl<'a> Attempts<'a> {
    /// None made yet. `bodiless` says whether the request has no body.
    pub(crate) fn new(
        request: &'a Forwarding<'a>,
        (service, balancer): (&'a Service, &'a Balancer),
        permitted: &'a Permitted,
        bodiless: bool,
    ) -> Self {
        if service.settings.retries.is_some() {
            balancer.budget().request(request.worker.ticks());
        }
        let repeatable = bodiless && permitted.head().method.is_idempotent();
        let passed = TriedEndpoints::default();
        Self { request, service, balancer, permitted, repeatable, passed, retries: 0, replaced: false }
    }

    /// Where the request goes first.
    ///
    /// # Errors
    /// When no endpoint takes it.
    pub(crate) fn first(&mut self) -> Result<Place<'a>, Failure> {
        let full = match self.place() {
            Ok(place) => return Ok(place),
            Err(full) => full,
        };
        let reason = full.map_or_else(
            || format!("no endpoint takes requests: {}", self.troubles()),
            |full| format!("the endpoints have as many {} as they may have", full.name()),
        );
        Err(Failure::ours(Refusal::NoEndpoint, reason))
    }

    /// Learns from what came of an attempt. Returns where the request goes again; `None` when what came is what the client gets.
    pub(crate) fn again(
        &mut self,
        index: EndpointIndex,
        outcome: &Result<Answer, Failure>,
        elapsed: impl FnOnce() -> Duration,
    ) -> Option<Place<'a>> {
        if let Err(Failure { stale: true, .. }) = outcome
            && self.repeatable
            && !std::mem::replace(&mut self.replaced, true)
        {
            return self.enter(index, true).ok();
        }
        let failing = match outcome {
            Ok((lines, _)) => Failing::of_status(lines.status),
            Err(failure) => Some(failure.failing?),
        };
        self.learn(index, failing);
        let failing = failing?;
        let covered = self.service.settings.retries.as_ref().filter(|retries| retries.covers(failing))?;
        if !self.repeatable
            || self.retries >= covered.attempts
            || elapsed() >= self.request.timeout(self.service)
        {
            return None;
        }
        if !self.balancer.budget().take(covered.budget_percent, self.request.worker.ticks()) {
            self.count("over_budget");
            return None;
        }
        let pause = self.passed.failed.contains(&index);
        self.passed.failed.push(index);
        let next = self.place().ok()?;
        self.retries += 1;
        let known = pause || next.index == index;
        Some(Place { pause: known.then(|| self.pause()), ..next })
    }

    /// The endpoint is well or has failed, and so has the retry, if it was one.
    fn learn(&self, index: EndpointIndex, failing: Option<Failing>) {
        let Some(endpoint) = self.service.endpoint(index) else { return };
        let failed = failing.is_some_and(Failing::counts);
        if failed {
            ejection::failed(self.service, &endpoint.state, endpoint::now());
        } else {
            endpoint.state.succeeded();
        }
        if self.retries > 0 {
            self.count(if failed { "failed" } else { "answered" });
        }
    }

    fn count(&self, result: &'static str) {
        self.balancer.metrics().retries.count(result);
    }

    fn pause(&self) -> Duration {
        let first = self.request.worker.random().borrow_mut().u64(PAUSE);
        Duration::from_millis(first << (self.retries - 1).min(6))
    }

    /// The next endpoint that has room. The error tells what the last one has too much of, if that was the reason.
    fn place(&mut self) -> Result<Place<'a>, Option<Full>> {
        let mut last = None;
        loop {
            let random = self.request.worker.random();
            let chosen = self
                .balancer
                .choose(self.service, &self.passed, random, |key| balance::hash_key(key, self.permitted));
            let Some(index) = chosen else { return Err(last) };
            match self.enter(index, false) {
                Ok(place) => return Ok(place),
                Err(full) => {
                    self.balancer.metrics().overflow.count(full.name());
                    self.passed.full.push(index);
                    last = Some(full);
                }
            }
        }
    }

    fn enter(&self, index: EndpointIndex, must_be_new: bool) -> Result<Place<'a>, Full> {
        let (Some(endpoint), Some(pool)) = (self.service.endpoint(index), self.balancer.pool(index)) else {
            return Err(Full::Connections);
        };
        let (lease, way) =
            pool.admit(&self.service.settings.circuit, self.service.settings.protocol, must_be_new)?;
        Ok(Place { endpoint, lease, way, pause: None, index })
    }

    /// Why each endpoint takes no requests.
    fn troubles(&self) -> String {
        let trouble = |endpoint: &Endpoint| {
            let why = if endpoint.weight == 0 {
                "draining"
            } else {
                endpoint.state.trouble().unwrap_or("coming back")
            };
            format!("{} ({why})", endpoint.state)
        };
        self.service.endpoints.iter().map(trouble).collect::<Vec<_>>().join(", ")
    }
}

impl Place<'_> {
    /// Which of the service's endpoints it is.
    pub(crate) const fn index(&self) -> EndpointIndex {
        self.index
    }
}
