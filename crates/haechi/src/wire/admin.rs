//! The addresses at which the admin API, the probes and the console are answered, from the start of the gate to its end.

use super::admin_socket::{AdminSocket, SocketFile};
use super::archive::Archive;
use super::assembly::ProcessState;
use super::console::ConsoleGate;
use super::decisions::WorkerDecisions;
use super::directory::{GateDirectory, NoTrail};
use super::doors::AdminAddress;
use super::health::Parts;
use super::inspection::GateInspection;
use super::operators::Operators;
use super::policy_control::GatePolicies;
use super::reload::{ByCall, Reloader};
use super::sockets::Listening;
use super::topology::GateTopology;
use haechi_admin::{Context, Directory, Running};
use haechi_authn::supervisor::supervise_until_done;
use haechi_console::Console;
use haechi_core::metrics::Source;
use haechi_core::ports::AuditTrail;
use haechi_proxy::{EndpointGauges, Shared};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The addresses at which the admin API and the probes are answered.
pub(super) struct Admin {
    pub(super) address: Option<SocketAddr>,
    pub(super) probes: Vec<SocketAddr>,
    socket: Option<SocketFile>,
    pub(super) socket_path: Option<PathBuf>,
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    pub(super) console: Arc<Console>,
}

/// What the calls of the admin API know.
pub(super) struct AdminCalls {
    pub(super) parts: Parts,
    pub(super) operators: Arc<Operators>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) directory: Recorded,
}

/// What the addresses of the admin API answer with.
#[derive(Clone)]
struct Answering {
    context: Context,
    operators: Arc<Operators>,
    console: Arc<Console>,
}

/// What stays for as long as the process runs, and where what it does is recorded.
pub(super) type Recorded = (Arc<ProcessState>, Option<Arc<dyn AuditTrail>>);

impl AdminCalls {
    fn context(self, shared: &Shared) -> Answering {
        let Self { parts, operators, reloader, directory: (process, trail) } = self;
        let metrics: Arc<[Box<dyn Source>]> = Arc::new([
            Box::new(shared.metrics.clone()),
            Box::new(EndpointGauges(shared.plan.clone())),
            Box::new(parts.clone()),
        ]);
        let directory = GateDirectory::new(&process, &reloader);
        let seen =
            ConsoleGate { reloader: reloader.clone(), plan: shared.plan.clone(), metrics: metrics.clone() };
        let archive = shared.audit.clone().map(|trail| Arc::new(Archive::new(trail, reloader.clone())));
        let inspection = Arc::new(GateInspection::new(reloader.clone(), archive.clone()));
        let running = Running {
            health: Arc::new(parts),
            decisions: Arc::new(WorkerDecisions {
                queries: shared.decisions.clone(),
                watchers: shared.watchers.clone(),
                draining: shared.draining.clone(),
            }),
            topology: Arc::new(GateTopology { plan: shared.plan.clone(), reloader: reloader.clone() }),
            inspection,
            policies: Arc::new(GatePolicies::new(reloader.clone())),
            archive: archive.map(|archive| archive as Arc<dyn haechi_admin::Archive>),
            configuration: Arc::new(ByCall(reloader)),
            metrics,
        };
        let context = Context {
            running: Some(running),
            directory: directory.map(|known| Arc::new(known) as Arc<dyn Directory>),
            trail: trail.unwrap_or_else(|| Arc::new(NoTrail)),
            clock: shared.clock.clone(),
            document: Arc::new(haechi_admin::openapi()),
        };
        let console = Console::new(Arc::new(seen), context.trail.clone(), context.clock.clone());
        Answering { context, operators, console: Arc::new(console) }
    }
}

impl Admin {
    /// Listens, and answers from then on.
    ///
    /// # Errors
    /// A socket cannot be used.
    pub(super) fn start(
        listening: &Listening,
        calls: AdminCalls,
        shared: &Shared,
        control: &Runtime,
    ) -> io::Result<Self> {
        let reloader = calls.reloader.clone();
        let answering = calls.context(shared);
        let (end, ended) = watch::channel(false);
        let (admin, probes, socket) = (listening.admin()?, listening.probes()?, listening.admin_socket());
        let address = admin.as_ref().map(TcpListener::local_addr).transpose()?;
        let probed = probes.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let unix = socket.map(AdminSocket::listener).transpose()?.map(AdminAddress::Socket);
        let probes =
            probes.into_iter().enumerate().map(|(index, socket)| AdminAddress::Probes(index, socket));
        let all = probes.chain(admin.map(AdminAddress::Admin)).chain(unix);
        let serve = |address: AdminAddress| {
            let (address, reloader) = (Arc::new(address), reloader.clone());
            let (answering, ended) = (answering.clone(), ended.clone());
            supervise_until_done(control.handle(), "admin listener", move || {
                serve_admin(address.clone(), reloader.clone(), answering.clone(), ended.clone())
            })
        };
        let file = socket.map(AdminSocket::file).transpose()?;
        let remembering = remember_hour(control, answering.console.clone(), ended.clone());
        let tasks = all.map(serve).chain([remembering]).collect();
        let socket_path = socket.map(|socket| socket.path().to_owned());
        let console = answering.console;
        Ok(Self { address, probes: probed, socket: file, socket_path, end, tasks, console })
    }

    /// No more connections; those that are there may finish.
    pub(super) fn end(&self) {
        // The listeners may be gone already; there is nobody else to tell.
        let _ = self.end.send(true);
    }

    /// The end of it. The file of the Unix socket goes with the last process that answers on it.
    pub(super) fn finish(self, control: &Runtime, is_last: bool) {
        self.end();
        // A connection that somebody keeps open does not keep the process.
        let all = async {
            for task in self.tasks {
                let _ = task.await;
            }
        };
        let _ = control.block_on(async { tokio::time::timeout(Duration::from_secs(1), all).await });
        if let Some(socket) = self.socket.filter(|_| is_last) {
            socket.remove();
        }
    }
}

/// Remembers the hour before for the console, until it is told to end.
fn remember_hour(control: &Runtime, console: Arc<Console>, ended: watch::Receiver<bool>) -> JoinHandle<()> {
    supervise_until_done(control.handle(), "console history", move || {
        let (console, mut ended) = (console.clone(), ended.clone());
        async move {
            tokio::select! {
                () = console.remember() => {}
                _ = ended.wait_for(|ended| *ended) => {}
            }
            ControlFlow::Break(())
        }
    })
}

/// Serves the admin API until it is told to end. The socket stays open in between, so that nobody is refused while it is started again.
async fn serve_admin(
    address: Arc<AdminAddress>,
    reloader: Arc<Reloader>,
    Answering { context, operators, console }: Answering,
    ended: watch::Receiver<bool>,
) -> ControlFlow<()> {
    let door = match address.open(&reloader) {
        Ok(door) => door,
        Err(error) => {
            tracing::error!(%error, "cannot listen on a socket of the admin API");
            return ControlFlow::Continue(());
        }
    };
    let mut told = ended.clone();
    let end = async move {
        // Told, or nobody left to tell: both are the end.
        let _ = told.wait_for(|ended| *ended).await;
    };
    if let Err(error) = haechi_admin::serve(door, context, operators, Some(console), end).await {
        tracing::error!(%error, "cannot serve the admin API");
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(())
}
