//! The running gate: control runtime, workers, admin listener, log writer; and its end.

use super::assembly::{Assembly, AssemblyFault};
use super::endpoints::{SystemResolver, WebProbe};
use super::health::Parts;
use super::log::LogWriter;
use super::reload::{Record, Reloader};
use super::signals::{Signals, Told};
use super::stamp::Stamp;
use crate::config::Config;
use arc_swap::ArcSwap;
use haechi_admin::Context;
use haechi_proxy::{EndpointGauges, Endpoints, Metrics, Shared, Upkeep};
use haechi_store::Store;
use prometheus_client::registry::Registry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A gate that is up.
pub(crate) struct Gate {
    control: Runtime,
    workers: Vec<JoinHandle<io::Result<()>>>,
    admin: Option<Admin>,
    log: LogWriter,
    signals: Signals,
    reloader: Arc<Reloader>,
    /// Set when the gate is about to end, for readiness; connections are still taken.
    ending: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    store: Option<Store>,
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
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Assembly(#[from] AssemblyFault),
}

impl Gate {
    /// Starts everything that `config`, which stands in `file`, asks for. When this returns, connections are taken.
    pub(crate) fn start(file: &Path, config: Config) -> Result<Self, StartFault> {
        let control = control_runtime().map_err(StartFault::Thread)?;
        let signals = control.block_on(async { Signals::listen() }).map_err(StartFault::Signals)?;
        let sockets = bind(&config)?;
        let Assembly { ground, built, plan } = Assembly::new(&config, &control)?;
        let upkeep = upkeep(ground.endpoints.clone(), &control);
        control.block_on(upkeep.prepare(&plan));
        upkeep.follow(&plan);
        let built = Arc::new(ArcSwap::new(built));
        let reloads = Arc::new(Record::new());
        let log = LogWriter::start(&config.access_log).map_err(StartFault::Log)?;
        let shared = Shared {
            plan: Arc::new(ArcSwap::from_pointee(plan)),
            clock: ground.clock.clone(),
            metrics: Metrics::default(),
            log: log.sink.clone(),
            connections: Arc::new(AtomicUsize::new(0)),
            draining: Arc::new(AtomicBool::new(false)),
        };
        let draining = shared.draining.clone();
        let ending = Arc::new(AtomicBool::new(false));
        let parts = Parts {
            store: ground.store.clone(),
            built: built.clone(),
            clock: ground.clock.clone(),
            watch: ground.watch.clone(),
            draining: ending.clone(),
            dropped_lines: log
                .sink
                .as_ref()
                .map_or_else(|| Arc::new(AtomicU64::new(0)), |sink| sink.dropped.clone()),
            reloads: reloads.clone(),
        };
        let admin =
            config.admin.map(|address| Admin::start(address, parts, &shared, &control)).transpose()?;
        let addresses = sockets.iter().map(|(address, _)| *address).collect();
        let workers = start_workers(sockets, config.workers.get(), &shared).map_err(StartFault::Thread)?;
        let store = ground.store.clone();
        let seen = Stamp::of(file, &config);
        let read = (file.to_owned(), config, seen);
        let reloader = Arc::new(Reloader::new(read, ground, shared.plan, built, reloads, upkeep));
        control.spawn(reloader.clone().watch());
        Ok(Self { control, workers, admin, log, signals, reloader, ending, draining, store, addresses })
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

    /// Does what signals tell it to until that is SIGTERM or SIGINT, then ends in order.
    pub(crate) fn run_until_told_to_end(mut self) {
        while self.control.block_on(self.signals.next()) == Told::Reload {
            let reloader = self.reloader.clone();
            self.control.spawn(async move {
                // Told already, either way.
                let _ = reloader.reload("SIGHUP").await;
            });
        }
        self.end();
    }

    /// Not ready any more, then no more connections, then what is in flight finishes, then the log. A second signal to end ends at once.
    fn end(self) {
        self.control.spawn(end_at_once(self.signals));
        let drain = self.control.block_on(self.reloader.config()).drain;
        self.ending.store(true, Ordering::Relaxed);
        self.control.block_on(async { tokio::time::sleep(drain.delay).await });
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
    let start = |(index, listeners)| haechi_proxy::start(shared.clone(), listeners, index);
    per_worker.into_iter().enumerate().map(start).collect()
}

/// Whoever asks twice does not want to wait for requests in flight.
async fn end_at_once(mut signals: Signals) {
    while signals.next().await != Told::End {}
    tracing::warn!("told to end a second time; requests in flight are cut off");
    std::process::exit(1);
}
