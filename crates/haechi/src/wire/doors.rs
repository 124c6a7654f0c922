//! The addresses at which the admin API answers: its listener, its Unix socket, and the listeners for probes.

use super::reload::Reloader;
use crate::config::Config;
use haechi_admin::{Arrival, Door, Duplex, OpenCalls, Peer};
use haechi_core::Host;
use haechi_core::ports::BoxFuture;
use haechi_proxy::ListenerTls;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

/// Where calls come from.
pub(super) enum AdminAddress {
    /// `admin.bind`.
    Admin(std::net::TcpListener),
    /// `admin.socket`.
    Socket(std::os::unix::net::UnixListener),
    /// The listener for probes with this number.
    Probes(usize, std::net::TcpListener),
}

impl AdminAddress {
    /// Calls are accepted here from now on. Certificates are those of the configuration in force.
    ///
    /// # Errors
    /// When the runtime cannot take the socket.
    pub(super) fn open(&self, reloader: &Arc<Reloader>) -> io::Result<Arc<dyn Door>> {
        let tcp = |socket: &std::net::TcpListener| {
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket.try_clone()?)
        };
        Ok(match self {
            Self::Admin(socket) => {
                let listener = tcp(socket)?;
                let loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
                Arc::new(AdminDoor { listener, loopback, reloader: reloader.clone() })
            }
            Self::Probes(index, socket) => {
                Arc::new(ProbeDoor { listener: tcp(socket)?, index: *index, reloader: reloader.clone() })
            }
            Self::Socket(socket) => {
                socket.set_nonblocking(true)?;
                Arc::new(SocketDoor(UnixListener::from_std(socket.try_clone()?)?))
            }
        })
    }
}

struct AdminDoor {
    listener: TcpListener,
    loopback: bool,
    reloader: Arc<Reloader>,
}

impl Door for AdminDoor {
    fn name(&self) -> &'static str {
        "the admin listener"
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Arrival>> {
        Box::pin(accept(&self.listener, || tls_of_admin(&self.reloader.config())))
    }

    fn calls(&self) -> OpenCalls {
        OpenCalls::All
    }

    fn is_secure(&self) -> bool {
        self.reloader.config().admin.as_ref().is_some_and(|admin| admin.tls.is_some())
    }

    fn takes_host(&self, host: Option<&Host>) -> bool {
        host.is_some_and(|host| takes_host(&self.reloader.config(), self.loopback, host))
    }
}

fn tls_of_admin(config: &Config) -> Option<Arc<ListenerTls>> {
    config.admin.as_ref()?.tls.clone()
}

/// An address is no name that a page could have brought here. Whoever has a certificate for a name is who the name says.
fn takes_host(config: &Config, loopback: bool, host: &Host) -> bool {
    let name = host.name().trim_start_matches('[').trim_end_matches(']');
    let named = config.admin.as_ref().is_some_and(|admin| {
        admin.hosts.iter().any(|known| known.name() == name)
            || admin.tls.as_ref().is_some_and(|tls| tls.has_name(name))
    });
    named || (loopback && name == "localhost") || name.parse::<IpAddr>().is_ok()
}

struct ProbeDoor {
    listener: TcpListener,
    index: usize,
    reloader: Arc<Reloader>,
}

impl Door for ProbeDoor {
    fn name(&self) -> &'static str {
        "a listener for probes"
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Arrival>> {
        let tls = || self.reloader.config().probes.get(self.index).and_then(|listener| listener.tls.clone());
        Box::pin(accept(&self.listener, tls))
    }

    fn calls(&self) -> OpenCalls {
        OpenCalls::Probes
    }

    /// Scrapers call it as they like: whoever reaches the listener may know what it says.
    fn takes_host(&self, _: Option<&Host>) -> bool {
        true
    }
}

struct SocketDoor(UnixListener);

impl Door for SocketDoor {
    fn name(&self) -> &'static str {
        "the admin socket"
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Arrival>> {
        Box::pin(async {
            let (stream, _) = self.0.accept().await?;
            Ok(Arrival { peer: process(&stream)?, stream: ready(stream) })
        })
    }

    fn calls(&self) -> OpenCalls {
        OpenCalls::All
    }

    /// No page reaches a Unix socket, and every client names another host there.
    fn takes_host(&self, _: Option<&Host>) -> bool {
        true
    }
}

/// As the kernel saw it when the connection was made (`SO_PEERCRED`).
fn process(stream: &UnixStream) -> io::Result<Peer> {
    let known = stream.peer_cred()?;
    Ok(Peer::Process { uid: known.uid(), pid: known.pid().and_then(|pid| u32::try_from(pid).ok()) })
}

async fn accept(
    listener: &TcpListener,
    tls: impl FnOnce() -> Option<Arc<ListenerTls>>,
) -> io::Result<Arrival> {
    let (stream, address): (TcpStream, SocketAddr) = listener.accept().await?;
    let stream = match tls() {
        None => ready(stream),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.for_http1()).accept(stream);
            Box::pin(async { Ok(Box::new(handshake.await?) as Box<dyn Duplex>) })
        }
    };
    Ok(Arrival { peer: Peer::Address(address), stream })
}

fn ready(stream: impl Duplex + 'static) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
    Box::pin(std::future::ready(Ok(Box::new(stream) as Box<dyn Duplex>)))
}
