//! The running gate: control runtime, workers, admin listener, log writer; and its end.

use super::assembly::{Assembly, AssemblyFault};
use super::endpoints::{SystemResolver, WebProbe};
use super::health::Parts;
use super::log::LogWriter;
use crate::config::Config;
use arc_swap::ArcSwap;
use haechi_admin::Context;
use haechi_proxy::{EndpointGauges, Endpoints, Metrics, Shared, Upkeep};
use haechi_store::Store;
use prometheus_client::registry::Registry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// How long requests in flight may take to finish once the process is told to end.
const GRACE: Duration = Duration::from_secs(10);

/// A gate that is up.
pub(crate) struct Gate {
    control: Runtime,
    workers: Vec<JoinHandle<io::Result<()>>>,
    admin: Option<Admin>,
    log: LogWriter,
    draining: Arc<AtomicBool>,
    store: Option<Store>,
    _upkeep: Upkeep,
    /// The listeners' addresses, ports of 0 resolved.
    pub(crate) addresses: Vec<SocketAddr>,
}

struct Admin {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

/// Why the gate cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartFault {
    #[error("cannot listen on {address}: {error}; is another process there?")]
    Bind { address: SocketAddr, error: io::Error },
    #[error("the access log cannot be opened: {0}")]
    Log(io::Error),
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    #[error(transparent)]
    Assembly(#[from] AssemblyFault),
}

impl Gate {
    /// Starts everything that `config` asks for. When this returns, connections are taken.
    pub(crate) fn start(config: &Config) -> Result<Self, StartFault> {
        let control = control_runtime().map_err(StartFault::Thread)?;
        let sockets = bind(config)?;
        let Assembly { store, built, plan, clock, watch, endpoints } = Assembly::new(config, &control)?;
        let upkeep = upkeep(endpoints, &control);
        control.block_on(upkeep.prepare(&plan));
        upkeep.follow(&plan);
        let log = LogWriter::start(&config.access_log).map_err(StartFault::Log)?;
        let shared = Shared {
            plan: Arc::new(ArcSwap::from_pointee(plan)),
            clock: clock.clone(),
            metrics: Metrics::default(),
            log: log.sink.clone(),
            connections: Arc::new(AtomicUsize::new(0)),
            draining: Arc::new(AtomicBool::new(false)),
        };
        let draining = shared.draining.clone();
        let parts = Parts {
            store: store.clone(),
            built,
            clock,
            watch,
            draining: draining.clone(),
            dropped_lines: log
                .sink
                .as_ref()
                .map_or_else(|| Arc::new(AtomicU64::new(0)), |sink| sink.dropped.clone()),
            generation: 1,
        };
        let admin =
            config.admin.map(|address| Admin::start(address, parts, &shared, &control)).transpose()?;
        let addresses = sockets.iter().map(|(address, _)| *address).collect();
        let workers = start_workers(sockets, config.workers.get(), &shared).map_err(StartFault::Thread)?;
        Ok(Self { control, workers, admin, log, draining, store, _upkeep: upkeep, addresses })
    }

    /// The admin listener's address.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Writes one JSON line for each address that is listened on, to standard error.
    pub(crate) fn announce(&self) {
        let admin = self.admin_address().map(|address| ("admin".to_owned(), address));
        let listeners =
            self.addresses.iter().enumerate().map(|(index, address)| (index.to_string(), *address));
        for (listener, address) in listeners.chain(admin) {
            let line = serde_json::json!({ "event": "listening", "listener": listener, "address": address.to_string() });
            crate::cli::output::to_stderr(&format!("{line}\n"));
        }
    }

    /// Waits for SIGTERM or SIGINT, then ends in order.
    pub(crate) fn run_until_told_to_end(self) {
        self.control.block_on(told_to_end());
        self.end();
    }

    /// Not ready any more, then no more connections, then what is in flight finishes, then the log.
    pub(crate) fn end(self) {
        self.draining.store(true, Ordering::Relaxed);
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker broke off"),
            }
        }
        self.log.finish();
        if let Some(admin) = self.admin {
            // The admin listener may be gone already; there is nobody else to tell.
            let _ = admin.end.send(());
            let _ = self.control.block_on(admin.task);
        }
        if let Some(store) = &self.store {
            self.control.block_on(store.close());
        }
        self.control.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Admin {
    fn start(
        address: SocketAddr,
        parts: Parts,
        shared: &Shared,
        control: &Runtime,
    ) -> Result<Self, StartFault> {
        let bound = |error| StartFault::Bind { address, error };
        let listener = TcpListener::bind(address).map_err(bound)?;
        listener.set_nonblocking(true).map_err(bound)?;
        let resolved = listener.local_addr().map_err(bound)?;
        let listener = {
            let _inside = control.enter();
            tokio::net::TcpListener::from_std(listener).map_err(bound)?
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(shared.metrics.clone()));
        registry.register_collector(Box::new(EndpointGauges(shared.plan.clone())));
        registry.register_collector(Box::new(parts.clone()));
        let context = Context { health: Arc::new(parts), registry: Arc::new(registry) };
        let (end, ended) = oneshot::channel();
        let ended = async move {
            // Told, or nobody left to tell: both are the end.
            let _ = ended.await;
        };
        let task = control.spawn(haechi_admin::serve(listener, context, ended));
        Ok(Self { address: resolved, end, task })
    }
}

/// The runtime for what is slow.
pub(crate) fn control_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()
}

fn upkeep(endpoints: Endpoints, control: &Runtime) -> Upkeep {
    let (resolver, probe) = (Arc::new(SystemResolver), Arc::new(WebProbe::default()));
    Upkeep::new(endpoints, resolver, probe, control.handle().clone())
}

type Sockets = Vec<(SocketAddr, Vec<TcpListener>)>;

fn bind(config: &Config) -> Result<Sockets, StartFault> {
    let bind = |address: SocketAddr| {
        haechi_proxy::bind(address, config.workers.get()).map_err(|error| StartFault::Bind { address, error })
    };
    config.listeners.iter().map(|listener| bind(listener.bind)).collect()
}

fn start_workers(
    sockets: Sockets,
    count: usize,
    shared: &Shared,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let mut per_worker: Vec<Vec<TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    for (_, listeners) in sockets {
        for (worker, listener) in per_worker.iter_mut().zip(listeners) {
            worker.push(listener);
        }
    }
    let start = |(index, listeners)| haechi_proxy::start(shared.clone(), listeners, index, GRACE);
    per_worker.into_iter().enumerate().map(start).collect()
}

async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without signals the process can still be killed; it must not end by itself.
        _ => std::future::pending().await,
    }
}
