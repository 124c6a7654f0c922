//! TLS towards the clients of a listener.

use super::authorities::Authorities;
use super::certificates::Certificates;
use super::client_verifier::{ClientVerifier, HandshakeVerifier};
use super::crypto::provider;
use super::revocation_lists::RevocationLists;
use crate::io::TlsStream;
use haechi_core::Timestamp;
use haechi_core::connection::ClientCertificate;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{Connection, ServerConfig, ServerConnection};
use std::cell::RefCell;
use std::sync::Arc;

/// How a listener speaks TLS: 1.2 and 1.3, no early data. Made anew with every configuration; connections keep what they began with.
#[derive(Debug)]
pub struct ListenerTls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
    clients: Option<Arc<ClientVerifier>>,
}

/// Which clients must show a certificate.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// None is asked for one.
    NotAsked,
    /// Who shows one must show one that is believed.
    Optional(BelievedClients),
    /// Everybody must show one that is believed.
    Required(BelievedClients),
}

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub struct BelievedClients {
    /// Those that these vouch for,
    pub authorities: Arc<Authorities>,
    /// and have not revoked.
    pub revoked: Arc<RevocationLists>,
}

/// A session whose handshake is still to be done.
pub(crate) struct Begun {
    pub(crate) connection: ServerConnection,
    /// Where clients are asked for certificates: what becomes of it.
    pub(crate) clients: Option<Arc<HandshakeVerifier>>,
}

impl ListenerTls {
    /// Shows `certificates`, asks for those of `clients`.
    ///
    /// # Errors
    /// Without an authority for client certificates, or without randomness for the keys of session tickets.
    pub fn new(certificates: Certificates, clients: ClientCertificates) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(certificates);
        let verifier = |believed: BelievedClients, required| {
            ClientVerifier::new(believed.authorities, believed.revoked, required).map(Arc::new)
        };
        let clients = match clients {
            ClientCertificates::NotAsked => None,
            ClientCertificates::Optional(believed) => Some(verifier(believed, false)?),
            ClientCertificates::Required(believed) => Some(verifier(believed, true)?),
        };
        let config = match &clients {
            // A resumed session would carry a certificate that has expired since: who shows one shows it at every connection.
            Some(clients) => config(clients.clone(), &certificates, None),
            None => {
                let ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
                config(WebPkiClientVerifier::no_client_auth(), &certificates, Some(ticketer))
            }
        };
        Ok(Self { config: Arc::new(config?), certificates, clients })
    }

    /// The same for a server that speaks HTTP/1.1 only.
    pub fn for_http1(&self) -> Arc<ServerConfig> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Whether one of the certificates has this name, which is in lower case.
    pub fn has_name(&self, name: &str) -> bool {
        self.certificates.have(name)
    }

    /// Whether clients are asked for certificates.
    pub const fn asks_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// A session for one connection, its handshake still to be done.
    pub(crate) fn begin(&self) -> Result<Begun, rustls::Error> {
        let Some(clients) = &self.clients else {
            return Ok(Begun { connection: ServerConnection::new(self.config.clone())?, clients: None });
        };
        let clients = Arc::new(HandshakeVerifier::new(clients.clone()));
        let config = config(clients.clone(), &self.certificates, None)?;
        Ok(Begun { connection: ServerConnection::new(Arc::new(config))?, clients: Some(clients) })
    }
}

/// `ticketer` seals sessions that are to be resumed; `None` where none is.
fn config(
    clients: Arc<dyn ClientCertVerifier>,
    certificates: &Arc<Certificates>,
    ticketer: Option<Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificates.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    // Sessions are kept by the clients, sealed in tickets: workers share a key, not a table.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match ticketer {
        Some(ticketer) => config.ticketer = ticketer,
        None => config.send_tls13_tickets = 0,
    }
    Ok(config)
}

/// What a client's handshake has agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    certificates: Arc<Certificates>,
    /// The name that the client asked for, in lower case.
    server_name: Option<Box<str>>,
    /// Which certificate it was shown.
    certificate: usize,
    /// Whether HTTP/2 was agreed on (RFC 7301).
    pub(crate) http2: bool,
    /// The certificate that the client has shown and that was verified.
    client: Option<ShownCertificate>,
}

/// A client's certificate, and who said last whether it is to be believed.
#[derive(Clone, Debug)]
struct ShownCertificate {
    certificate: ClientCertificate,
    believed: RefCell<(Arc<ClientVerifier>, bool)>,
}

impl Session {
    /// Reads it off a stream whose handshake is done. `shown` is what became of the client's certificate.
    pub(crate) fn of(tls: &ListenerTls, stream: &TlsStream, shown: Option<&HandshakeVerifier>) -> Self {
        let client = shown.and_then(|shown| {
            let believed = RefCell::new((shown.clients.clone(), true));
            Some(ShownCertificate { certificate: shown.verified()?.clone(), believed })
        });
        stream.look(|connection| {
            let server_name = match connection {
                Connection::Server(server) => server.server_name().map(Box::from),
                Connection::Client(_) => None,
            };
            Self {
                certificates: tls.certificates.clone(),
                certificate: server_name.as_deref().map_or(0, |name| tls.certificates.for_name(name)),
                server_name,
                http2: connection.alpn_protocol() == Some(b"h2"),
                client,
            }
        })
    }

    /// The certificate that the client has shown, which was verified at the handshake.
    pub(crate) fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_ref().map(|shown| &shown.certificate)
    }

    /// Whether the certificate that the client has shown, if it did, would be believed at a handshake with the listener as it is by now, `tls`. It is
    /// verified anew when whom the listener believes has changed.
    pub(crate) fn is_believed(&self, tls: Option<&ListenerTls>, now: Timestamp) -> bool {
        let Some(shown) = &self.client else { return true };
        let Some(clients) = tls.and_then(|tls| tls.clients.as_ref()) else { return false };
        let (by, believed) = &mut *shown.believed.borrow_mut();
        if !Arc::ptr_eq(by, clients) {
            *believed = clients.still_believes(&shown.certificate, now);
            *by = clients.clone();
        }
        *believed
    }

    /// Whether a request for `host` may come over this session: it may not where the host has another certificate, and so another policy,
    /// than the one that the client was shown (RFC 9110 7.4).
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.server_name.as_deref() == Some(host) || self.certificates.for_name(host) == self.certificate
    }
}
