//! One worker: a thread, a single-threaded runtime, its listeners, its caches and its connections to services.

use crate::connection;
use crate::decisions::{Decided, Desk, Headers, Judged, Remembered, Seat};
use crate::io::Buffers;
use crate::limits::{AddressCount, Budget, ClientCount, Descriptor, Limit};
use crate::log::{AccessLog, LogSink};
use crate::metrics::{Metrics, WorkerMetrics};
use crate::panic;
use crate::plan::{Authentication, IdentityToken, Limits, Plan, Route, Service};
use crate::record::Entry;
use crate::spans::{TraceSink, Traces};
use crate::ticks::{TICK, Ticks, Timer};
use crate::upstream::balance::Balancer;
use crate::upstream::pool::Pool;
use arc_swap::ArcSwap;
use fastrand::Rng;
use haechi_authn::{Authenticator, Chain, CredentialPlace, Scheme};
use haechi_authz::Memo;
use haechi_core::{Caller, Clock, RequestHead, Timestamp};
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

/// How long a connection must have been quiet before it is closed because the process ends.
const QUIET: Duration = Duration::from_secs(1);
/// Identity tokens kept per worker.
const TOKENS: usize = 4096;

/// When buffers are short, a client that has stood still for so long is closed.
const STOOD_STILL: Duration = Duration::from_secs(1);

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
    /// Where workers are asked about decisions.
    pub desk: Desk,
    /// Set once, when the process is to end: listeners close, requests in flight finish.
    pub draining: Arc<AtomicBool>,
}

/// Starts a worker on a thread of its own, which takes connections from `listeners`, each with its index in the plan. It ends when it was told to drain and its last connection has closed, or [`Limits::grace`] has
/// passed.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(
    shared: Shared,
    listeners: Vec<(usize, TcpListener)>,
    index: usize,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(Worker::run(shared, listeners))
    })
}

/// A worker's state, shared by its connections.
pub(crate) struct Worker {
    shared: Shared,
    plan: RefCell<Rc<LocalPlan>>,
    buffers: Buffers,
    ticks: Rc<Ticks>,
    metrics: WorkerMetrics,
    log: AccessLog,
    traces: Traces,
    random: RefCell<Rng>,
    connections: Cell<usize>,
    /// Since when this worker takes no more connections.
    draining_since: Cell<Option<Instant>>,
    no_more: Notify,
    decisions: RefCell<Remembered>,
    seat: RefCell<Seat>,
    /// The record of the request that panicked, until it is answered.
    broken: RefCell<Option<Entry>>,
}

/// The plan as this worker runs it: the shared part, and schemes, pools and caches of its own.
pub(crate) struct LocalPlan {
    pub(crate) shared: Arc<Plan>,
    /// By route; routes that ask the same authenticators share one.
    chains: Vec<Option<Rc<Ways>>>,
    balancers: Vec<Balancer>,
    schemes: Schemes,
    /// By route, for the records of decisions.
    judged_routes: Vec<Arc<Judged>>,
    /// The request headers that policies may read and that are no credential: the name in policies, and the field's.
    headers: Vec<(Box<str>, Box<str>)>,
    tokens: RefCell<Cache<TokenKey, Minted>>,
    /// Decisions under this plan.
    pub(crate) memo: Memo,
}

/// By name, with what each was made from.
type Schemes = HashMap<Arc<str>, (Arc<dyn Authenticator>, Rc<dyn Scheme>)>;

/// Whether all are asked, and who.
type Asked = (bool, Vec<Arc<str>>);

/// The ways into a route.
struct Ways {
    chain: Chain,
    /// Where the chain's authenticators look for credentials.
    judged: Vec<CredentialPlace>,
}

impl Ways {
    /// `None` without an authenticator.
    fn new(schemes: Vec<Rc<dyn Scheme>>, all: bool) -> Option<Rc<Self>> {
        let judged = schemes.iter().map(|scheme| scheme.credential_place()).collect();
        let chain = if all { Chain::all(schemes) } else { Chain::any(schemes) };
        chain.ok().map(|chain| Rc::new(Self { chain, judged }))
    }
}

/// An identity token depends on the caller, as verified once, and the audience.
#[derive(Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    caller: usize,
    audience: Arc<str>,
}

/// A token that was signed. It holds on to its caller, so that the address in its key cannot come to name another one.
#[derive(Clone)]
struct Minted {
    _caller: Arc<Caller>,
    fresh_until: Timestamp,
    token: Rc<str>,
}

impl Worker {
    async fn run(shared: Shared, listeners: Vec<(usize, TcpListener)>) -> io::Result<()> {
        let buffers = Buffers::default();
        buffers.set_share(shared.plan.load().limits.buffers);
        let worker = Rc::new(Self {
            plan: RefCell::new(Rc::new(LocalPlan::new(shared.plan.load_full(), None))),
            buffers,
            ticks: Rc::default(),
            metrics: shared.metrics.worker(),
            log: AccessLog::new(shared.log.clone()),
            traces: Traces::new(shared.traces.clone()),
            random: RefCell::new(Rng::new()),
            connections: Cell::new(0),
            draining_since: Cell::new(None),
            no_more: Notify::new(),
            decisions: RefCell::default(),
            seat: RefCell::new(shared.desk.seat()),
            broken: RefCell::default(),
            shared,
        });
        for (index, listener) in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            drop(tokio::task::spawn_local(accept(worker.clone(), listener, index)));
        }
        worker.tick_until_drained().await;
        worker.log.hand_over();
        worker.traces.hand_over();
        Ok(())
    }

    /// The worker's heartbeat: timeouts, log lines, dead idle connections, and the end.
    async fn tick_until_drained(&self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        for tick in 0u64.. {
            interval.tick().await;
            self.ticks.advance();
            self.log.hand_over();
            self.traces.hand_over();
            self.answer_questions();
            self.metrics.connections(self.connections.get());
            self.metrics.buffered(self.buffers.held());
            if self.buffers.are_short() {
                self.ticks.press(STOOD_STILL).for_each(|()| self.metrics.limit(Limit::Buffers));
            }
            if tick % 20 == 0 {
                // A worker without requests sees a new plan here, and lets go of connections that nobody needs any more.
                self.plan().sweep();
            }
            if self.is_draining() {
                let Some(since) = self.draining_since.get() else {
                    self.draining_since.set(Some(Instant::now()));
                    self.no_more.notify_waiters();
                    continue;
                };
                self.ticks.wake_all();
                if self.connections.get() == 0 || since.elapsed() >= self.limits().grace {
                    return;
                }
            }
        }
    }

    /// Answers whoever asks about decisions.
    fn answer_questions(&self) {
        for taken in self.seat.borrow_mut().take() {
            let generation = self.plan().shared.generation;
            let decided = self.decisions.borrow().answer(&taken.question, generation);
            taken.answer(decided);
        }
    }

    /// Keeps a decision for whoever asks about it.
    pub(crate) fn remember(&self, decided: Decided) {
        self.decisions.borrow_mut().keep(decided);
    }

    /// The plan in force, as this worker runs it.
    pub(crate) fn plan(&self) -> Rc<LocalPlan> {
        let newest = self.shared.plan.load();
        let current = self.plan.borrow().clone();
        if newest.generation == current.shared.generation {
            return current;
        }
        self.buffers.set_share(newest.limits.buffers);
        let next = Rc::new(LocalPlan::new(newest.clone(), Some(&current)));
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

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn random_bits(&self) -> u128 {
        self.random.borrow_mut().u128(..)
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

    pub(crate) const fn budget(&self) -> &Arc<Budget> {
        &self.shared.budget
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

    /// A descriptor for a connection to a service. Where all are taken, an idle connection to another endpoint makes room.
    pub(crate) fn descriptor(&self) -> Option<Descriptor> {
        self.shared.budget.descriptor().or_else(|| {
            let plan = self.plan.borrow();
            let mut pools = plan.balancers.iter().flat_map(Balancer::pools);
            if pools.any(|pool| pool.close_one()) { self.shared.budget.descriptor() } else { None }
        })
    }

    pub(crate) const fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    pub(crate) const fn log(&self) -> &AccessLog {
        &self.log
    }

    pub(crate) const fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Keeps the record of a request that panics, so that whoever catches the panic goes on with it. Returns whether it was taken.
    pub(crate) fn keep_broken(&self, entry: impl FnOnce() -> Entry) -> bool {
        let mut broken = self.broken.borrow_mut();
        let free = broken.is_none();
        if free {
            *broken = Some(entry());
        }
        free
    }

    pub(crate) fn take_broken(&self) -> Option<Entry> {
        self.broken.borrow_mut().take()
    }
}

/// Takes connections of the listener with this index in the plan, until no more are to be taken: then those that the kernel holds already are
/// the last.
async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener, index: usize) {
    let mut no_more = pin!(worker.no_more.notified());
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = &mut no_more => break,
        };
        match accepted {
            Ok((socket, peer)) => serve(&worker, socket, peer, index),
            Err(error) => {
                // Out of descriptors, or a connection that was gone before we took it. The next attempt waits for a tick, so as not to spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(TICK).await;
            }
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((socket, peer)) = listener.accept() {
        let socket = socket.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(socket));
        if let Ok(socket) = socket {
            serve(&worker, socket, peer, index);
        }
    }
}

fn serve(worker: &Rc<Worker>, socket: tokio::net::TcpStream, peer: SocketAddr, index: usize) {
    let open = match Open::count(worker, peer) {
        Ok(open) => open,
        // It is closed at once. Nothing was read, so nothing was half done, and no answer is due before a request.
        Err(limit) => return worker.metrics().limit(limit),
    };
    let serving = worker.clone();
    drop(tokio::task::spawn_local(async move {
        let work = pin!(connection::serve(serving.clone(), socket, peer, index));
        panic::serve_safely(&serving, work).await;
        drop(open);
    }));
}

/// One open client connection.
struct Open {
    worker: Rc<Worker>,
    _client: ClientCount,
    _address: Option<AddressCount>,
}

impl Open {
    fn count(worker: &Rc<Worker>, peer: SocketAddr) -> Result<Self, Limit> {
        let client = worker.budget().client(worker.limits().connections)?;
        let address = worker.count_address(peer.ip())?;
        worker.connections.set(worker.connections.get() + 1);
        Ok(Self { worker: worker.clone(), _client: client, _address: address })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.connections.set(self.worker.connections.get().saturating_sub(1));
    }
}

impl LocalPlan {
    /// Endpoints that stay keep their connections, authenticators that stay what they have verified.
    fn new(shared: Arc<Plan>, previous: Option<&Self>) -> Self {
        let mut schemes = Schemes::new();
        let scheme = |authenticator: &Arc<dyn Authenticator>| {
            let kept = previous.and_then(|previous| previous.schemes.get(authenticator.name()));
            let kept = kept.filter(|(made_from, _)| Arc::ptr_eq(made_from, authenticator));
            let scheme = kept.map_or_else(|| authenticator.for_worker(), |(_, scheme)| scheme.clone());
            (authenticator.clone(), scheme)
        };
        let mut known: HashMap<Asked, Option<Rc<Ways>>> = HashMap::new();
        let mut ways = |authentication: &Authentication| {
            let authenticators = authentication.authenticators();
            let names: Vec<_> =
                authenticators.iter().map(|authenticator| authenticator.name().clone()).collect();
            let all = matches!(authentication, Authentication::All(_));
            let made = known.entry((all, names)).or_insert_with(|| {
                let list = authenticators.iter().map(|authenticator| {
                    let made = schemes.entry(authenticator.name().clone());
                    made.or_insert_with(|| scheme(authenticator)).1.clone()
                });
                Ways::new(list.collect(), all)
            });
            made.clone()
        };
        let chains = shared.routes.iter().map(|route| ways(&route.authentication)).collect();
        Self {
            chains,
            balancers: balancers(&shared, previous),
            judged_routes: judged_routes(&shared),
            headers: recorded_headers(&shared, &schemes),
            schemes,
            tokens: RefCell::new(Cache::new(TOKENS)),
            memo: Memo::default(),
            shared,
        }
    }

    /// What is recorded of decisions about a route.
    pub(crate) fn judged_route(&self, route: usize) -> Option<&Arc<Judged>> {
        self.judged_routes.get(route)
    }

    /// The declared headers of a request, for the record of the decision.
    pub(crate) fn headers(&self, head: &RequestHead) -> Headers {
        let value = |field: &str| head.fields.sole_named(field.as_bytes()).ok().flatten();
        let text = |field: &str| std::str::from_utf8(value(field)?).ok();
        self.headers.iter().filter_map(|(name, field)| Some((name.clone(), text(field)?.into()))).collect()
    }

    /// The authenticators of a route; `None` only for a route that has none, which is never let through.
    pub(crate) fn chain(&self, route: usize) -> Option<&Chain> {
        self.chains.get(route)?.as_ref().map(|ways| &ways.chain)
    }

    /// Where the authenticators of a route look for credentials.
    pub(crate) fn judged(&self, route: usize) -> &[CredentialPlace] {
        self.chains.get(route).and_then(Option::as_ref).map_or(&[], |ways| &ways.judged)
    }

    /// A service and this worker's connections to it.
    pub(crate) fn service(&self, index: usize) -> Option<(&Service, &Balancer)> {
        Some((self.shared.services.get(index)?, self.balancers.get(index)?))
    }

    /// A token that tells a service who is calling; signed once per caller and audience in half a lifetime.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub(crate) fn identity_token(
        &self,
        wanted: &IdentityToken,
        caller: &Arc<Caller>,
        now: Timestamp,
    ) -> Result<Rc<str>, String> {
        let key = TokenKey { caller: Arc::as_ptr(caller) as usize, audience: wanted.audience.clone() };
        if let Some(minted) = self.tokens.borrow_mut().get(&key)
            && minted.fresh_until > now
        {
            return Ok(minted.token.clone());
        }
        let provider = self.shared.identity.as_ref().ok_or("no identity provider is configured")?;
        let token = provider
            .identity_token(caller, &wanted.audience, wanted.lifetime, now)
            .map_err(|e| e.to_string())?;
        let token: Rc<str> = token.into();
        let fresh_until = now.plus(wanted.lifetime / 2);
        self.tokens
            .borrow_mut()
            .insert(key, Minted { _caller: caller.clone(), fresh_until, token: token.clone() });
        Ok(token)
    }

    /// Closes the idle connections that `next` does not take over. Requests that began under this plan may hold it for long.
    fn retire(&self, next: &Self) {
        let kept: HashSet<*const Pool> = next.pools().map(Rc::as_ptr).collect();
        self.pools().filter(|pool| !kept.contains(&Rc::as_ptr(pool))).for_each(|pool| pool.retire());
    }

    fn pools(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.balancers.iter().flat_map(Balancer::pools)
    }

    fn sweep(&self) {
        self.pools().for_each(|pool| pool.sweep());
    }
}

fn judged_routes(plan: &Plan) -> Vec<Arc<Judged>> {
    let vocabulary = plan.enforcer.engine().compiled().vocabulary();
    let labels = |index: usize| vocabulary.routes.get(index).map(|route| route.labels.clone());
    let judged = |(index, route): (usize, &Route)| {
        let (name, pattern) = (route.name.clone(), route.pattern.clone());
        Arc::new(Judged { name, pattern, labels: labels(index).unwrap_or_default() })
    };
    plan.routes.iter().enumerate().map(judged).collect()
}

/// A header that carries a credential is not recorded, whatever policies read of it.
fn recorded_headers(plan: &Plan, schemes: &Schemes) -> Vec<(Box<str>, Box<str>)> {
    const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    let places: Vec<_> = schemes.values().map(|(_, scheme)| scheme.credential_place()).collect();
    let is_credential = |field: &str| {
        let at = |place: &CredentialPlace| matches!(place, CredentialPlace::Field(name) if **name == *field);
        CREDENTIALS.contains(&field) || places.iter().any(at)
    };
    let declared = &plan.enforcer.engine().compiled().vocabulary().headers;
    let recorded = declared.iter().filter(|(_, field)| !is_credential(field));
    recorded.map(|(name, field)| (name.clone(), field.clone())).collect()
}

fn balancers(plan: &Plan, previous: Option<&LocalPlan>) -> Vec<Balancer> {
    let known = previous.map(|plan| plan.balancers.as_slice()).unwrap_or_default();
    let by_name: HashMap<&str, &Balancer> = previous
        .map(|plan| plan.shared.services.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|service| &*service.name)
        .zip(known)
        .collect();
    plan.services.iter().map(|service| Balancer::new(service, by_name.get(&*service.name).copied())).collect()
}
