//! One worker: what its connections share. Its thread and its listeners are in [`run`].

mod exchanged_tokens;
mod identity_tokens;
mod lingering;
pub(crate) mod plan;
mod recorded;
pub(crate) mod run;

use crate::audit::WorkerAudit;
use crate::decisions::{DecisionQueries, QueryReader};
use crate::io::Buffers;
use crate::limits::{AddressCount, Budget, Descriptor, Limit};
use crate::log::LogSink;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::plan::Plan;
use crate::rate_limit::RateLimiter;
use crate::record::Recorder;
use crate::settings::Limits;
use crate::spans::TraceSink;
use crate::ticks::{Ticks, Timer};
use crate::upstream::balance::Balancer;
use crate::upstream::dialer::Dialer;
use crate::watchers::DecisionWatchers;
use arc_swap::ArcSwap;
use fastrand::Rng;
use haechi_audit::Trail;
use haechi_core::id::RequestId;
use haechi_core::{Clock, Timestamp};
use plan::WorkerPlan;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a connection must have been quiet before it is closed because the process ends.
const QUIET: Duration = Duration::from_secs(1);

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The plan in force; storing another one puts it in force for the next request of every worker.
    pub plan: Arc<ArcSwap<Plan>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Metrics of the data plane.
    pub metrics: Metrics,
    /// Where access-log lines go; nowhere without one.
    pub log: Option<LogSink>,
    /// Where traced requests go; none is traced without one.
    pub traces: Option<TraceSink>,
    /// What connections may take, over all workers.
    pub budget: Arc<Budget>,
    /// Counts requests against limits.
    pub rate_limiter: Arc<RateLimiter>,
    /// Where workers are asked about decisions.
    pub decisions: DecisionQueries,
    /// Who watches decisions as they are made.
    pub watchers: DecisionWatchers,
    /// The audit trail; nothing is recorded without one.
    pub audit: Option<Arc<Trail>>,
    /// Set once, when the process is to end: listeners close, requests in flight finish.
    pub draining: Arc<AtomicBool>,
}

/// A worker's state, shared by its connections.
pub(crate) struct Worker {
    shared: Shared,
    plan: RefCell<Rc<WorkerPlan>>,
    /// The plan in force, to be compared with: looking whether there is another one takes a few instructions.
    newest: RefCell<arc_swap::Cache<Arc<ArcSwap<Plan>>, Arc<Plan>>>,
    buffers: Buffers,
    ticks: Rc<Ticks>,
    recorder: Rc<Recorder>,
    random: RefCell<Rng>,
    /// Open client connections.
    connections: Cell<usize>,
    /// Connections and streams that read on after a refusal.
    lingering: Cell<usize>,
    /// Since when this worker takes no more connections.
    draining_since: Cell<Option<Instant>>,
    no_more: Notify,
    queries: RefCell<QueryReader>,
    audit: WorkerAudit,
}

impl Worker {
    pub(crate) fn new(shared: Shared) -> Rc<Self> {
        let buffers = Buffers::default();
        buffers.set_share(shared.plan.load().limits.buffers);
        let (log, traces) = (shared.log.clone(), shared.traces.clone());
        let recorder = Recorder::new(shared.metrics.worker(), log, traces, shared.watchers.clone());
        Rc::new(Self {
            plan: RefCell::new(Rc::new(WorkerPlan::new(shared.plan.load_full(), None, recorder.metrics()))),
            newest: RefCell::new(arc_swap::Cache::new(shared.plan.clone())),
            buffers,
            ticks: Rc::default(),
            recorder: Rc::new(recorder),
            random: RefCell::new(Rng::new()),
            connections: Cell::new(0),
            lingering: Cell::new(0),
            draining_since: Cell::new(None),
            no_more: Notify::new(),
            queries: RefCell::new(shared.decisions.reader()),
            audit: WorkerAudit::new(shared.audit.as_ref()),
            shared,
        })
    }

    /// Answers whoever asks about decisions.
    fn answer_queries(&self) {
        for query in self.queries.borrow_mut().take() {
            let generation = self.plan().shared.generation;
            let decided = self.recorder.remembered(&query.question, generation);
            query.answer(decided);
        }
    }

    /// The plan in force, as this worker runs it.
    pub(crate) fn plan(&self) -> Rc<WorkerPlan> {
        let current = self.plan.borrow().clone();
        let newest = {
            let mut newest = self.newest.borrow_mut();
            let newest = newest.load();
            if newest.generation == current.shared.generation {
                return current;
            }
            newest.clone()
        };
        self.buffers.set_share(newest.limits.buffers);
        let next = Rc::new(WorkerPlan::new(newest, Some(&current), self.metrics()));
        *self.plan.borrow_mut() = next.clone();
        current.retire(&next);
        next
    }

    pub(crate) fn limits(&self) -> Limits {
        self.plan().shared.limits
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Whether connections between two requests are to be closed. Not at once: a client may just be sending its next request, whose answer can
    /// tell it that the connection ends, and a close would cross it on the way.
    pub(crate) fn closes_idle(&self) -> bool {
        self.draining_since.get().is_some_and(|since| since.elapsed() >= QUIET)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn rate_limiter(&self) -> &RateLimiter {
        &self.shared.rate_limiter
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// See [`haechi_core::Clock::uptime`].
    pub(crate) fn uptime(&self) -> Duration {
        self.shared.clock.uptime()
    }

    pub(crate) fn random_bits(&self) -> u128 {
        self.random.borrow_mut().u128(..)
    }

    /// An id for a request.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::from_bits(self.random_bits())
    }

    pub(crate) const fn random(&self) -> &RefCell<Rng> {
        &self.random
    }

    pub(crate) const fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// How many ticks there have been.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.now()
    }

    pub(crate) fn timer(&self) -> Timer {
        self.ticks.timer()
    }

    /// Counts one more connection to a client's address. `None` for a trusted proxy: many clients stand behind one.
    pub(crate) fn count_address(&self, address: IpAddr) -> Result<Option<AddressCount>, Limit> {
        let plan = self.plan();
        if plan.shared.trusts(address) {
            return Ok(None);
        }
        let most = plan.shared.limits.connections_per_address;
        self.shared.budget.address(address, most).map(Some)
    }

    pub(crate) fn metrics(&self) -> &Arc<WorkerMetrics> {
        self.recorder.metrics()
    }

    /// The audit trail.
    pub(crate) const fn audit(&self) -> &WorkerAudit {
        &self.audit
    }

    /// With what requests are recorded.
    pub(crate) const fn recorder(&self) -> &Rc<Recorder> {
        &self.recorder
    }
}

impl Dialer for Worker {
    /// Where all are taken, an idle connection to another endpoint makes room.
    fn descriptor(&self) -> Option<Descriptor> {
        self.shared.budget.descriptor().or_else(|| {
            let plan = self.plan.borrow();
            let mut pools = plan.balancers().iter().flat_map(Balancer::pools);
            if pools.any(|pool| pool.close_one()) { self.shared.budget.descriptor() } else { None }
        })
    }

    fn metrics(&self) -> &WorkerMetrics {
        self.recorder.metrics()
    }

    fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    fn response_head(&self) -> usize {
        self.limits().response_head
    }
}
