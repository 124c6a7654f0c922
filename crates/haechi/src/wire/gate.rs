//! The running gate: control runtime, workers, admin listener, log writer; and its graceful shutdown.

use super::admin::{Admin, AdminCalls, Recorded};
use super::approvals;
use super::assembly::{Assembly, AssemblyFault, ProcessState};
use super::audit::{AuditFault, AuditKeeper};
use super::authenticators::Built;
use super::descriptors::{self, TooFew};
use super::directory::NoTrail;
use super::endpoints::{SystemResolver, WebProbe};
use super::health::Parts;
use super::key_expiry;
use super::log::{LogError, LogWriter};
use super::notify::Notify;
use super::operators::{Operators, OperatorsFault};
use super::otlp::{Exporter, ExporterFault};
use super::reload::{Record, Reloader};
use super::signals::{SignalAction, Signals};
use super::sinks::SinkCounts;
use super::sockets::{Inherited, Listening, SocketError};
use super::stamp::Stamp;
use super::upgrade::{self, Program, UpgradeFault};
use crate::config::{Config, Report, StorePolicies};
use crate::diagnostics;
use arc_swap::ArcSwap;
use haechi_authn::key_uses::KeyUses;
use haechi_authn::supervisor::{on_hopeless, supervise};
use haechi_core::Secret;
use haechi_proxy::{
    Budget, DecisionQueries, DecisionWatchers, Endpoints, LogSink, Metrics, Plan, Shared, TraceSink, Upkeep,
};
use haechi_shared::SharedState;
use haechi_store::Store;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A gate that is up.
pub(crate) struct Gate {
    control: Runtime,
    workers: Vec<JoinHandle<io::Result<()>>>,
    admin: Admin,
    log: LogWriter,
    audit: Option<AuditKeeper>,
    traces: Exporter,
    signals: Signals,
    reloader: Arc<Reloader>,
    listening: Listening,
    program: Arc<Program>,
    notify: Arc<Notify>,
    /// Whoever waits for this process to be ready.
    predecessor: Option<UnixDatagram>,
    /// Set when the gate is about to end, for readiness; connections are still taken.
    ending: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    store: Option<Store>,
    shared_state: Option<SharedState>,
    key_uses: Arc<KeyUses>,
    /// The listeners' addresses, ports of 0 resolved.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Why the gate ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndReason {
    /// A signal told it to.
    Signal,
    /// Another process has taken over its sockets.
    Upgraded,
}

/// Why the gate cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartFault {
    #[error(transparent)]
    Sockets(#[from] SocketError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Audit(#[from] AuditFault),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    #[error("cannot set up authentication for the admin API: {0}")]
    Operators(#[from] OperatorsFault),
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    #[error(transparent)]
    Traces(#[from] ExporterFault),
    #[error(transparent)]
    Assembly(#[from] AssemblyFault),
    #[error("the policies of the store do not fit the configuration\n{0}")]
    Policies(Box<Report>),
}

impl Gate {
    /// Starts everything that `config`, which stands in `file`, asks for, on the sockets that were handed over and others. When this returns,
    /// connections are taken.
    pub(crate) fn start(
        file: &Path,
        mut config: Config,
        mut inherited: Inherited,
    ) -> Result<Self, StartFault> {
        let (program, notify) = (Arc::new(Program::of_this_process()), Arc::new(Notify::from_environment()));
        let budget = Budget::new(descriptors::for_connections(&config)?);
        descriptors::warn_of(&config, &budget);
        let control = control_runtime().map_err(StartFault::Thread)?;
        on_hopeless(end_with_words);
        let signals = control.block_on(async { Signals::listen() }).map_err(StartFault::Signals)?;
        let (predecessor, awaited) = (inherited.predecessor.take(), inherited.is_awaited());
        let listening = Listening::open(&config, inherited)?;
        config.note_ports(listening.addresses().iter().map(SocketAddr::port));
        let (config, assembly) = assembled(config, &control)?;
        if awaited {
            control.block_on(assembly.settled());
        }
        let Assembly { process, built, plan } = assembly;
        follow_shared_state(process.shared_state.clone(), &control);
        let upkeep = upkeep(&plan, process.endpoints.clone(), &control);
        let built = Arc::new(ArcSwap::new(built));
        let reloads = Arc::new(Record::new(&config));
        let log = LogWriter::start(&config.access_log, &config.egress, &control)?;
        let audit = start_audit(&config, &process, &control)?;
        let traces = Exporter::start(config.traces.as_ref(), &config.egress, &control)?;
        let shared = shared(plan, &process, (log.sink.clone(), traces.sink.clone()), audit.as_ref(), budget);
        let (draining, ending) = (shared.draining.clone(), Arc::new(AtomicBool::new(false)));
        let dropped = dropped(&log, &traces, audit.as_ref());
        let parts =
            parts(&process, &shared, built.clone(), &ending, dropped, audit.as_ref(), reloads.clone());
        let workers = start_workers(&listening, config.workers.get(), &shared).map_err(StartFault::Thread)?;
        let (addresses, store) = (listening.addresses(), process.store.clone());
        let (shared_state, key_uses) = (process.shared_state.clone(), process.key_uses.clone());
        key_expiry::follow(&process.key_expiry, store.as_ref(), &process.clock, control.handle());
        let seen = Stamp::of(file, config.watched_files());
        let read = (file.to_owned(), config, seen);
        let following = (upkeep, notify.clone(), audit.as_ref().map(|audit| audit.trail.clone()));
        let directory = (process.clone(), audit.as_ref().map(AuditKeeper::events));
        let reloader = Reloader::new(read, process, shared.plan.clone(), built.clone(), reloads, following);
        let reloader = Arc::new(reloader);
        follow_changes(&reloader, &directory, &control);
        let operators = Arc::new(Operators::start(&directory.0, reloader.clone(), built)?);
        let calls = AdminCalls { parts, operators, reloader: reloader.clone(), directory };
        let admin = Admin::start(&listening, calls, &shared, &control).map_err(StartFault::Thread)?;
        Ok(Self {
            control,
            workers,
            admin,
            log,
            audit,
            traces,
            signals,
            reloader,
            listening,
            program,
            notify,
            predecessor,
            ending,
            draining,
            store,
            shared_state,
            key_uses,
            addresses,
        })
    }

    /// The path of a link by which whoever has it logs in to the console once; see [`haechi_console::Console::invite`].
    pub(crate) fn console_link(&self, name: &str, password: Secret<String>) -> Option<Secret<String>> {
        self.admin.console.invite(name, password)
    }

    /// The admin listener's address.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.address
    }

    /// Writes one JSON line for each address that is listened on, to standard error.
    pub(crate) fn announce(&self) {
        let listeners = self.addresses.iter().enumerate();
        let listeners = listeners.map(|(index, address)| (index.to_string(), address.to_string()));
        let probes = self.admin.probes.iter().map(|address| ("probes".to_owned(), address.to_string()));
        let admin = self.admin_address().map(|address| ("admin".to_owned(), address.to_string()));
        let socket = self.admin.socket_path.as_ref();
        let socket = socket.map(|path| ("admin-socket".to_owned(), path.display().to_string()));
        for (listener, address) in listeners.chain(probes).chain(admin).chain(socket) {
            let line = serde_json::json!({ "event": "listening", "listener": listener, "address": address });
            diagnostics::line(&format!("{line}\n"));
        }
    }

    /// Does what signals tell it to until that is to end, or until another process has taken over; then ends in order.
    pub(crate) fn run_until_told_to_end(mut self) {
        match &self.predecessor {
            // It tells the service manager who follows.
            Some(predecessor) => {
                upgrade::tell_ready(predecessor);
                self.listening.tidy();
            }
            None => self.notify.say("READY=1"),
        }
        loop {
            match self.control.block_on(self.signals.next()) {
                SignalAction::Reload => {
                    self.log.reopen();
                    self.reloader.wanted();
                }
                SignalAction::ReopenLog => self.log.reopen(),
                SignalAction::Upgrade => {
                    if let Some(why) = self.hand_over() {
                        return self.end(why);
                    }
                }
                SignalAction::End => return self.end(EndReason::Signal),
            }
        }
    }

    /// Starts a process that takes over the sockets, and goes on doing what signals tell it to meanwhile. Returns why this process ends, if it does.
    fn hand_over(&mut self) -> Option<EndReason> {
        let sockets = self.listening.handed_over().map_err(UpgradeFault::Sockets);
        let (followed, told) = match sockets {
            Ok(sockets) => self.follow(sockets),
            Err(fault) => (Err(fault), None),
        };
        let (line, why) = match followed {
            Ok(process) => {
                self.notify.say(&format!("READY=1\nMAINPID={process}"));
                (serde_json::json!({ "event": "upgraded", "process": process }), Some(EndReason::Upgraded))
            }
            Err(fault) => {
                (serde_json::json!({ "event": "upgrade refused", "reason": fault.to_string() }), told)
            }
        };
        diagnostics::line(&format!("{line}\n"));
        why
    }

    /// The process that follows, and whether this one was told to end before that was ready.
    fn follow(&mut self, sockets: Vec<(String, OwnedFd)>) -> (Result<u32, UpgradeFault>, Option<EndReason>) {
        let given_up = Arc::new(AtomicBool::new(false));
        let (program, until) = (self.program.clone(), given_up.clone());
        let mut following = self.control.spawn_blocking(move || program.follow(sockets, &until));
        let (signals, reloader, log) = (&mut self.signals, &self.reloader, &self.log);
        let (followed, told) = self.control.block_on(async {
            let mut told = None;
            loop {
                tokio::select! {
                    followed = &mut following => return (followed, told),
                    signal = signals.next(), if told.is_none() => match signal {
                        SignalAction::Reload => {
                            log.reopen();
                            reloader.wanted();
                        }
                        SignalAction::ReopenLog => log.reopen(),
                        SignalAction::Upgrade => {}
                        SignalAction::End => {
                            given_up.store(true, Ordering::Relaxed);
                            told = Some(EndReason::Signal);
                        }
                    },
                }
            }
        });
        (followed.unwrap_or(Err(UpgradeFault::Broken)), told)
    }

    /// Not ready any more, then no more connections, then what is in flight finishes, then the log. A second signal to end ends at once.
    fn end(self, why: EndReason) {
        let delay = self.reloader.config().drain_delay;
        self.control.spawn(end_at_once(self.signals, why));
        self.ending.store(true, Ordering::Relaxed);
        match why {
            EndReason::Signal => {
                self.notify.say("STOPPING=1");
                self.control.block_on(async { tokio::time::sleep(delay).await });
            }
            // Whoever asks the admin listener from now on is to hear the process that followed.
            EndReason::Upgraded => self.admin.end(),
        }
        drop(self.listening);
        self.draining.store(true, Ordering::Relaxed);
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker thread stopped unexpectedly"),
            }
        }
        self.log.finish(&self.control);
        self.traces.finish(&self.control);
        self.admin.finish(&self.control, why == EndReason::Signal);
        if let Some(audit) = self.audit {
            audit.finish(&self.control);
        }
        if let Some(shared) = &self.shared_state {
            self.control.block_on(shared.leave());
        }
        if let Some(quotas) = self.reloader.quotas()
            && let Err(error) = self.control.block_on(quotas.save(false))
        {
            tracing::warn!(%error, "cannot save the use of quotas at the end");
        }
        if let Some(store) = &self.store {
            self.control.block_on(self.key_uses.written());
            self.control.block_on(store.close());
        }
        self.control.shutdown_timeout(Duration::from_secs(1));
    }
}

/// The runtime for what is slow.
pub(crate) fn control_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()
}

/// The configuration with everything that judges by it.
fn assembled(config: Config, control: &Runtime) -> Result<(Config, Assembly), StartFault> {
    let process = Arc::new(ProcessState::new(&config, control)?);
    let config = with_store_policies(config, &process, control)?;
    let assembly = Assembly::following(&config, &process, 1, None)?;
    Ok((config, assembly))
}

/// The configuration with the policies of the store. A store that cannot be asked does not keep the gate from starting: until it is, nothing is decided.
fn with_store_policies(
    config: Config,
    process: &ProcessState,
    control: &Runtime,
) -> Result<Config, StartFault> {
    let Some(store) = &process.store else { return Ok(config) };
    let stored = match control.block_on(store.policies.in_force()) {
        Ok(found) => StorePolicies::of_store(found),
        Err(error) => {
            tracing::warn!(%error, "the policies of the store are not known yet: what is asked for is answered 503 until they are");
            StorePolicies::Unknown
        }
    };
    config.with_policies(stored).map_err(|report| StartFault::Policies(Box::new(report)))
}

/// Reloads when files change, when signals ask for it, and when the policies of the store change.
fn follow_changes(reloader: &Arc<Reloader>, (process, trail): &Recorded, control: &Runtime) {
    let (files, signals, policies) = (reloader.clone(), reloader.clone(), reloader.clone());
    supervise(control.handle(), "changed files", move || files.clone().watch());
    supervise(control.handle(), "reload signals", move || signals.clone().follow_signals());
    if let Some(store) = reloader.store() {
        supervise(control.handle(), "policies of the store", move || policies.clone().watch_policies());
        let watched = (store.approvals.clone(), process.store_watch.clone());
        let clock = process.clock.clone();
        let trail = trail.clone().unwrap_or_else(|| Arc::new(NoTrail));
        supervise(control.handle(), "approvals", move || {
            approvals::follow(watched.clone(), trail.clone(), clock.clone())
        });
    }
}

/// A command that judges one request is none of the nodes; a gate is one.
fn follow_shared_state(shared: Option<SharedState>, control: &Runtime) {
    if let Some(shared) = shared {
        supervise(control.handle(), "shared state", move || shared.clone().follow());
    }
}

/// What was dropped: log lines, traces, and lines for each sink.
type Dropped = (Arc<AtomicU64>, Arc<AtomicU64>, Vec<Arc<SinkCounts>>);

fn dropped(log: &LogWriter, traces: &Exporter, audit: Option<&AuditKeeper>) -> Dropped {
    let audited = audit.iter().flat_map(|audit| audit.sink_counts());
    let sinks = log.sinks.queues.counts().into_iter().chain(audited).collect();
    (log.dropped.clone(), traces.dropped.clone(), sinks)
}

/// Opens the audit trail where there is to be one, and records what is in force.
fn start_audit(
    config: &Config,
    process: &ProcessState,
    control: &Runtime,
) -> Result<Option<AuditKeeper>, AuditFault> {
    let Some(configured) = &config.audit else { return Ok(None) };
    let audit = AuditKeeper::start(configured, &config.egress, &process.clock, control)?;
    audit.configuration(&config.bundle, 1)?;
    Ok(Some(audit))
}

/// What readiness and metrics are read from.
fn parts(
    process: &ProcessState,
    shared: &Shared,
    built: Arc<ArcSwap<Built>>,
    ending: &Arc<AtomicBool>,
    (dropped_lines, dropped_traces, sinks): Dropped,
    audit: Option<&AuditKeeper>,
    reloads: Arc<Record>,
) -> Parts {
    Parts {
        store: process.store.clone(),
        shared_state: process.shared_state.clone(),
        plan: shared.plan.clone(),
        built,
        watch: process.watch.clone(),
        store_watch: process.store_watch.clone(),
        rate_limiter: process.rate_limiter.clone(),
        service_tokens: process.service_tokens.clone(),
        key_uses: process.key_uses.clone(),
        key_expiry: process.key_expiry.clone(),
        identity_limits: process.identity_limits.clone(),
        pool: process.pool.clone(),
        draining: ending.clone(),
        dropped_lines,
        dropped_traces,
        sinks,
        audit: audit.map(|audit| (audit.trail.clone(), audit.unsent.clone())),
        reloads,
    }
}

/// What the workers share, with the first plan.
fn shared(
    plan: Arc<Plan>,
    process: &ProcessState,
    (log, traces): (Option<LogSink>, Option<TraceSink>),
    audit: Option<&AuditKeeper>,
    budget: Arc<Budget>,
) -> Shared {
    Shared {
        plan: Arc::new(ArcSwap::new(plan)),
        clock: process.clock.clone(),
        metrics: Metrics::default(),
        log,
        budget,
        traces,
        rate_limiter: process.rate_limiter.clone(),
        decisions: DecisionQueries::default(),
        watchers: DecisionWatchers::default(),
        audit: audit.map(|audit| audit.trail.clone()),
        draining: Arc::default(),
    }
}

/// Follows the endpoints of the first plan, whose names are resolved when this returns.
fn upkeep(plan: &Plan, endpoints: Endpoints, control: &Runtime) -> Upkeep {
    let (resolver, probe) = (Arc::new(SystemResolver), Arc::new(WebProbe::default()));
    let upkeep = Upkeep::new(endpoints, resolver, probe, control.handle().clone());
    control.block_on(upkeep.prepare(plan));
    upkeep.follow(plan);
    upkeep
}

fn start_workers(
    listening: &Listening,
    count: usize,
    shared: &Shared,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let start = |(index, listeners)| haechi_proxy::start(shared.clone(), listeners, index);
    listening.for_workers(count)?.into_iter().enumerate().map(start).collect()
}

/// A process that cannot keep anything current is of more use when it is started anew.
fn end_with_words(kind: &'static str) {
    let reason = "a background task stopped several times within a minute";
    let line = serde_json::json!({ "event": "ended", "reason": reason, "task": kind });
    diagnostics::line(&format!("{line}\n"));
    diagnostics::flush(Duration::from_secs(1));
    std::process::exit(1);
}

/// Whoever asks twice does not want to wait for requests in flight. After an upgrade once is not enough: a service manager tells every process of
/// the service to end, and means the one that followed.
async fn end_at_once(mut signals: Signals, why: EndReason) {
    let mut left = match why {
        EndReason::Signal => 1,
        EndReason::Upgraded => 2,
    };
    while left > 0 {
        if signals.next().await == SignalAction::End {
            left -= 1;
        }
    }
    tracing::warn!("second signal to stop: closing in-flight requests");
    std::process::exit(1);
}
