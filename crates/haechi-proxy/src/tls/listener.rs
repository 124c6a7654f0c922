//! TLS towards the clients of a listener.

use super::authorities::Authorities;
use super::certificates::Certificates;
use super::client_verifier::ClientVerifier;
use super::crypto::provider;
use crate::io::TlsStream;
use haechi_core::connection::ClientCertificate;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{Connection, ServerConfig, ServerConnection};
use std::sync::Arc;

/// How a listener speaks TLS: 1.2 and 1.3, no early data. Made anew with every configuration; connections keep what they began with.
#[derive(Debug)]
pub struct ListenerTls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

/// Which clients must show a certificate.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// None is asked for one.
    NotAsked,
    /// Who shows one must show one that these authorities vouch for.
    Optional(Arc<Authorities>),
    /// Everybody must show one that these authorities vouch for.
    Required(Arc<Authorities>),
}

impl ListenerTls {
    /// Shows `certificates`, asks for those of `clients`.
    ///
    /// # Errors
    /// Without an authority for client certificates, or without randomness for the keys of session tickets.
    pub fn new(certificates: Certificates, clients: ClientCertificates) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(certificates);
        // A resumed session would carry a certificate that has expired since: who shows one shows it at every connection.
        let resumes = matches!(clients, ClientCertificates::NotAsked);
        let verifier: Arc<dyn ClientCertVerifier> = match clients {
            ClientCertificates::NotAsked => WebPkiClientVerifier::no_client_auth(),
            ClientCertificates::Optional(authorities) => Arc::new(ClientVerifier::new(authorities, false)?),
            ClientCertificates::Required(authorities) => Arc::new(ClientVerifier::new(authorities, true)?),
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.max_early_data_size = 0;
        // Sessions are kept by the clients, sealed in tickets: workers share a key, not a table.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if resumes {
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        } else {
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), certificates })
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

    /// A session for one connection, its handshake still to be done.
    pub(crate) fn begin(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(self.config.clone())
    }
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
    pub(crate) client: Option<ClientCertificate>,
}

impl Session {
    /// Reads it off a stream whose handshake is done.
    pub(crate) fn of(tls: &ListenerTls, stream: &TlsStream) -> Self {
        stream.look(|connection| {
            let server_name = match connection {
                Connection::Server(server) => server.server_name().map(Box::from),
                Connection::Client(_) => None,
            };
            let leaf = connection.peer_certificates().and_then(<[_]>::first);
            Self {
                certificates: tls.certificates.clone(),
                certificate: server_name.as_deref().map_or(0, |name| tls.certificates.for_name(name)),
                server_name,
                http2: connection.alpn_protocol() == Some(b"h2"),
                client: leaf.map(|leaf| ClientCertificate::verified(leaf)),
            }
        })
    }

    /// Whether a request for `host` may come over this session: it may not where the host has another certificate, and so another policy,
    /// than the one that the client was shown (RFC 9110 7.4).
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.server_name.as_deref() == Some(host) || self.certificates.for_name(host) == self.certificate
    }
}
