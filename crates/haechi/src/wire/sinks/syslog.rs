//! Syslog: the format of RFC 5424, over TLS (RFC 5425) and TCP (RFC 6587 3.4.1) with the length before each message, and in datagrams (RFC 5426).

use super::batch::{SinkError, Undelivered, lines};
use crate::config::meant::SyslogServer;
use haechi_core::{Clock, SystemClock};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Facility `local0` and severity `informational` (RFC 5424 6.2.1).
const PRIORITY: u8 = 16 * 8 + 6;
/// No datagram is larger (RFC 768, RFC 791).
const LARGEST_DATAGRAM: usize = 65_507;

/// A way to a syslog server, made anew when it breaks.
pub(super) struct Syslog {
    server: SyslogServer,
    tls: Option<TlsConnector>,
    /// What stands between the time and the message.
    head: String,
    link: Option<Link>,
}

enum Link {
    /// TCP, or TLS over it.
    Stream(Box<dyn Stream>),
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

impl Syslog {
    /// To `server`; `what` is the MSGID.
    pub(super) fn new(server: &SyslogServer, what: &str) -> Result<Self, SinkError> {
        let tls = match server {
            SyslogServer::Tls { host, authorities, .. } => Some(connector(host, authorities.as_deref())?),
            _ => None,
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // RFC 5424 6.2.4: printable ASCII, 255 at most.
        let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(255).collect();
        let host = if host.is_empty() { "-" } else { &host };
        let head = format!("{host} haechi {} {what} - ", std::process::id());
        Ok(Self { server: server.clone(), tls, head, link: None })
    }

    pub(super) fn name(&self) -> String {
        match &self.server {
            SyslogServer::Tls { host, port, .. } => format!("syslog tls {host}:{port}"),
            SyslogServer::Tcp { host, port } => format!("syslog tcp {host}:{port}"),
            SyslogServer::Udp { host, port } => format!("syslog udp {host}:{port}"),
            SyslogServer::Unix(path) => format!("syslog unix {}", path.display()),
        }
    }

    /// Forgets a connection that may be broken.
    pub(super) fn disconnect(&mut self) {
        self.link = None;
    }

    /// Sends each line as a message. What the kernel has taken counts as sent: syslog has no acknowledgement.
    pub(super) async fn send(&mut self, batch: &[u8]) -> Result<(), Undelivered> {
        let mut link = match self.working_link().await {
            Some(link) => link,
            None => self.connect().await.map_err(|error| Undelivered::ForNow(error.to_string()))?,
        };
        let messages = self.messages(batch);
        let sent = match &mut link {
            Link::Stream(stream) => write(stream, &messages).await,
            Link::Udp(socket) => {
                let sent = async {
                    for message in &messages {
                        socket.send(datagram(message)).await?;
                    }
                    Ok(())
                };
                sent.await
            }
            Link::Unix(socket) => {
                let sent = async {
                    for message in &messages {
                        socket.send(datagram(message)).await?;
                    }
                    Ok(())
                };
                sent.await
            }
        };
        sent.map_err(|error: io::Error| Undelivered::ForNow(error.to_string()))?;
        self.link = Some(link);
        Ok(())
    }

    fn messages(&self, batch: &[u8]) -> Vec<Vec<u8>> {
        let time = SystemClock.now().rfc3339_millis().to_string();
        let head = format!("<{PRIORITY}>1 {time} {}", self.head);
        lines(batch).map(|line| [head.as_bytes(), line].concat()).collect()
    }

    async fn working_link(&mut self) -> Option<Link> {
        let mut link = self.link.take()?;
        (!link.is_over().await).then_some(link)
    }

    async fn connect(&self) -> io::Result<Link> {
        Ok(match &self.server {
            SyslogServer::Tcp { host, port } => Link::Stream(Box::new(tcp(host, *port).await?)),
            SyslogServer::Tls { host, port, name, .. } => {
                let socket = tcp(host, *port).await?;
                let connector = self.tls.as_ref().ok_or_else(|| io::Error::other("TLS is not set up"))?;
                Link::Stream(Box::new(connector.connect(name.clone(), socket).await?))
            }
            SyslogServer::Udp { host, port } => {
                let address = tokio::net::lookup_host((&**host, *port)).await?.next();
                let address = address.ok_or_else(|| io::Error::other("the host has no address"))?;
                let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own).await?;
                socket.connect(address).await?;
                Link::Udp(socket)
            }
            SyslogServer::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Link::Unix(socket)
            }
        })
    }
}

impl Link {
    /// Whether the server has closed: whatever was written to it then would be lost without a word.
    async fn is_over(&mut self) -> bool {
        let Self::Stream(stream) = self else { return false };
        let mut told = [0; 64];
        loop {
            match timeout(Duration::ZERO, stream.read(&mut told)).await {
                Ok(Ok(0) | Err(_)) => return true,
                // A server has nothing to say.
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// All messages, each with its length before it (RFC 5425 4.3).
async fn write(stream: &mut Box<dyn Stream>, messages: &[Vec<u8>]) -> io::Result<()> {
    let mut framed = Vec::new();
    for message in messages {
        framed.extend_from_slice(format!("{} ", message.len()).as_bytes());
        framed.extend_from_slice(message);
    }
    stream.write_all(&framed).await?;
    stream.flush().await
}

/// The end of what is too long for a datagram is cut off.
fn datagram(message: &[u8]) -> &[u8] {
    message.get(..LARGEST_DATAGRAM).unwrap_or(message)
}

fn connector(host: &str, authorities: Option<&[CertificateDer<'static>]>) -> Result<TlsConnector, SinkError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(authorities) => roots.add_parsable_certificates(authorities.iter().cloned()),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if roots.is_empty() {
        return Err(SinkError::NoAuthorities(host.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| SinkError::Tls(host.to_owned(), error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}
