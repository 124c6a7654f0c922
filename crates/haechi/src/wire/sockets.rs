//! The sockets that the gate listens on: its own, or those that another process hands over in `LISTEN_FDS`, as systemd does and as the gate does
//! itself in an upgrade.

use super::admin_socket::{AdminSocket, AdminSocketError, SocketFile};
use crate::config::{self, Config};
use haechi_proxy::ListenerIndex;
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

/// The name of the admin listener's socket.
const ADMIN: &str = "admin";
/// The name of the admin API's Unix socket.
const ADMIN_SOCKET: &str = "admin-socket";
/// The name of the socket on which the process that hands over waits to hear that this one is ready.
pub(super) const UPGRADE: &str = "upgrade";

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("cannot listen on {address}: {error}; is another process there?")]
    Bind { address: SocketAddr, error: io::Error },
    #[error(transparent)]
    AdminSocket(#[from] AdminSocketError),
}

/// What another process handed over.
pub(crate) struct Inherited {
    sockets: Vec<InheritedSocket>,
    admin_socket: Option<UnixListener>,
    /// Whether the gate itself handed it over, in an upgrade.
    by_a_gate: bool,
    /// Whoever waits for this process to be ready, so as to end.
    pub(super) predecessor: Option<UnixDatagram>,
}

struct InheritedSocket {
    name: String,
    address: SocketAddr,
    socket: TcpListener,
}

impl Inherited {
    /// Nothing.
    pub(crate) const fn none() -> Self {
        Self { sockets: Vec::new(), admin_socket: None, by_a_gate: false, predecessor: None }
    }

    /// What `LISTEN_FDS` counts and `LISTEN_FDNAMES` names. To be called once, before there is another thread.
    ///
    /// # Errors
    /// When a socket cannot be used.
    pub(crate) fn take() -> io::Result<Self> {
        let names = config::process_variable("LISTEN_FDNAMES").ok().flatten().unwrap_or_default();
        let mut names = names.split(':');
        let mut inherited = Self::none();
        let mut given = ListenFd::from_env();
        for index in 0..given.len() {
            let name = names.next().unwrap_or_default().to_owned();
            if name == UPGRADE {
                inherited.predecessor = given.take_unix_datagram(index)?;
                inherited.by_a_gate = true;
            } else if name == ADMIN_SOCKET {
                inherited.admin_socket = given.take_unix_listener(index)?;
            } else if let Some(socket) = given.take_tcp_listener(index)? {
                let address = socket.local_addr()?;
                inherited.sockets.push(InheritedSocket { name, address, socket });
            }
        }
        Ok(inherited)
    }

    /// Whether somebody connects to this process already.
    pub(crate) const fn is_awaited(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Takes the sockets that listen where `bind` says. A port of 0 was resolved by the process that handed them over, so the name decides.
    fn at(&mut self, bind: SocketAddr, name: &str) -> Vec<TcpListener> {
        let is_one = |given: &InheritedSocket| {
            let resolved = bind.port() == 0 && given.name == name && given.address.ip() == bind.ip();
            given.address == bind || resolved
        };
        let (taken, left) = std::mem::take(&mut self.sockets).into_iter().partition(is_one);
        self.sockets = left;
        let taken: Vec<InheritedSocket> = taken;
        taken.into_iter().map(|given| given.socket).collect()
    }

    /// The file of the Unix socket that the process before made, where this one is to have another, or none.
    fn left_file(&self, wanted: Option<&Path>) -> Option<SocketFile> {
        let listener = self.admin_socket.as_ref().filter(|_| self.by_a_gate)?;
        let address = listener.local_addr().ok()?;
        let path = address.as_pathname().filter(|path| Some(*path) != wanted)?;
        SocketFile::of(listener, path).ok()
    }

    /// Says which sockets no listener is configured for; they close.
    fn tell_left(&self) {
        for InheritedSocket { name, address, .. } in &self.sockets {
            tracing::warn!(%address, name, "closing an inherited socket: no listener has its address");
        }
    }
}

/// Every socket that is listened on.
pub(crate) struct Listening {
    /// By listener.
    listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    probes: Vec<TcpListener>,
    admin: Option<TcpListener>,
    admin_socket: Option<AdminSocket>,
    /// The file of a socket that the process before had and this one does not.
    left: Option<SocketFile>,
}

impl Listening {
    /// Takes what was handed over, and opens what was not.
    pub(super) fn open(config: &Config, mut inherited: Inherited) -> Result<Self, SocketError> {
        let workers = config.workers.get();
        let mut listeners = Vec::new();
        for (index, listener) in config.listeners.iter().enumerate() {
            let address = listener.bind;
            let given = inherited.at(address, &name_of(index));
            let opened = if given.is_empty() {
                haechi_proxy::bind(address, workers)
            } else {
                haechi_proxy::adopt(given, workers)
            };
            listeners.push(opened.map_err(|error| SocketError::Bind { address, error })?);
        }
        let mut one = |address: SocketAddr, name: &str| {
            let given = inherited.at(address, name).pop();
            let opened = given.map_or_else(|| TcpListener::bind(address), Ok);
            opened.map_err(|error| SocketError::Bind { address, error })
        };
        let probes = config.probes.iter().enumerate();
        let probes = probes
            .map(|(index, listener)| one(listener.bind, &name_of_probes(index)))
            .collect::<Result<_, _>>()?;
        let bind = config.admin.as_ref().and_then(|admin| admin.bind);
        let admin = bind.map(|address| one(address, ADMIN)).transpose()?;
        let path = config.admin.as_ref().and_then(|admin| admin.socket.as_deref());
        let left = inherited.left_file(path);
        let given = inherited.admin_socket.take();
        let admin_socket = path.map(|path| AdminSocket::open(path, given)).transpose()?;
        inherited.tell_left();
        Ok(Self { listeners, probes, admin, admin_socket, left })
    }

    /// The listeners' addresses, ports of 0 resolved.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(address, _)| *address).collect()
    }

    /// The sockets of each worker, each with its listener's index.
    pub(super) fn for_workers(&self, workers: usize) -> io::Result<Vec<Vec<(ListenerIndex, TcpListener)>>> {
        let mut all: Vec<Vec<(ListenerIndex, TcpListener)>> = (0..workers).map(|_| Vec::new()).collect();
        for (index, (_, sockets)) in self.listeners.iter().enumerate() {
            for (worker, share) in all.iter_mut().zip(haechi_proxy::share(sockets, workers)?) {
                worker.extend(share.into_iter().map(|socket| (ListenerIndex::new(index), socket)));
            }
        }
        Ok(all)
    }

    /// The admin listener's socket.
    pub(super) fn admin(&self) -> io::Result<Option<TcpListener>> {
        self.admin.as_ref().map(TcpListener::try_clone).transpose()
    }

    /// The sockets of the listeners for probes.
    pub(super) fn probes(&self) -> io::Result<Vec<TcpListener>> {
        self.probes.iter().map(TcpListener::try_clone).collect()
    }

    /// The admin API's Unix socket.
    pub(super) const fn admin_socket(&self) -> Option<&AdminSocket> {
        self.admin_socket.as_ref()
    }

    /// Removes what the process before has left.
    pub(super) fn tidy(&self) {
        if let Some(left) = &self.left {
            left.remove();
        }
    }

    /// Every socket with its name, to hand over. They go on listening here.
    pub(super) fn handed_over(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let mut all = Vec::new();
        for (index, (_, sockets)) in self.listeners.iter().enumerate() {
            for socket in sockets {
                all.push((name_of(index), socket.try_clone()?.into()));
            }
        }
        if let Some(admin) = self.admin()? {
            all.push((ADMIN.to_owned(), admin.into()));
        }
        for (index, socket) in self.probes()?.into_iter().enumerate() {
            all.push((name_of_probes(index), socket.into()));
        }
        if let Some(socket) = &self.admin_socket {
            all.push((ADMIN_SOCKET.to_owned(), socket.listener()?.into()));
        }
        Ok(all)
    }
}

fn name_of(listener: usize) -> String {
    format!("listener-{listener}")
}

fn name_of_probes(listener: usize) -> String {
    format!("probes-{listener}")
}
