//! The sockets that the gate listens on: its own, or those that another process hands over in `LISTEN_FDS`, as systemd does and as the gate does
//! itself in an upgrade.

use super::gate::StartFault;
use crate::config::{self, Config};
use haechi_proxy::ListenerIndex;
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

/// The name of the admin listener's socket.
const ADMIN: &str = "admin";
/// The name of the socket on which the process that hands over waits to hear that this one is ready.
pub(super) const UPGRADE: &str = "upgrade";

/// What another process handed over.
pub(crate) struct Inherited {
    sockets: Vec<InheritedSocket>,
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
        Self { sockets: Vec::new(), predecessor: None }
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
    admin: Option<TcpListener>,
}

impl Listening {
    /// Takes what was handed over, and opens what was not.
    pub(super) fn open(config: &Config, mut inherited: Inherited) -> Result<Self, StartFault> {
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
            listeners.push(opened.map_err(|error| StartFault::Bind { address, error })?);
        }
        let admin = config.admin.map(|address| {
            let given = inherited.at(address, ADMIN).pop();
            let opened = given.map_or_else(|| TcpListener::bind(address), Ok);
            opened.map_err(|error| StartFault::Bind { address, error })
        });
        let admin = admin.transpose()?;
        inherited.tell_left();
        Ok(Self { listeners, admin })
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
        Ok(all)
    }
}

fn name_of(listener: usize) -> String {
    format!("listener-{listener}")
}
