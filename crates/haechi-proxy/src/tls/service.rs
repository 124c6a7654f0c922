//! TLS towards the backends of a service.

use super::authorities::Authorities;
use super::crypto::provider;
use super::server_verifier::ServerVerifier;
use crate::settings::resilience::Protocol;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection};
use std::sync::Arc;

/// How a service's backends are spoken to over TLS: their certificates are verified, always.
#[derive(Debug)]
pub struct ServiceTls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    authorities: Arc<Authorities>,
    identity: Option<Arc<CertifiedKey>>,
}

impl ServiceTls {
    /// Believes backends that `authorities` vouch for under `server_name`, or under the endpoint's own name where there is none; shows them
    /// `identity` where they ask for it, and agrees on `protocol` with them.
    ///
    /// # Errors
    /// Without an authority.
    pub fn new(
        authorities: Arc<Authorities>,
        server_name: Option<ServerName<'static>>,
        identity: Option<Arc<CertifiedKey>>,
        protocol: Protocol,
    ) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(authorities.clone())?));
        let mut config = match identity.clone() {
            Some(identity) => {
                let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(identity));
                builder.with_client_cert_resolver(resolver)
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
            Protocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        config.enable_early_data = false;
        Ok(Self { config: Arc::new(config), server_name, authorities, identity })
    }

    /// How sessions with backends begin, for health checks.
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The name that backends must have, where it is not the endpoint's.
    pub const fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    /// Whether a connection that was made under one is as good as one made under the other.
    pub(crate) fn are_alike(one: Option<&Arc<Self>>, other: Option<&Arc<Self>>) -> bool {
        let (one, other) = match (one, other) {
            (None, None) => return true,
            (Some(one), Some(other)) => (one, other),
            _ => return false,
        };
        let shown = |tls: &Self| tls.identity.as_ref().map(|identity| identity.cert.clone());
        one.server_name == other.server_name
            && one.config.alpn_protocols == other.config.alpn_protocols
            && (Arc::ptr_eq(&one.authorities, &other.authorities) || one.authorities == other.authorities)
            && shown(one) == shown(other)
    }

    /// A session with the endpoint `host`, its handshake still to be done.
    pub(crate) fn begin(&self, host: &str) -> Result<ClientConnection, BeginFault> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host)?.to_owned(),
        };
        Ok(ClientConnection::new(self.config.clone(), name)?)
    }
}

/// Why a session with a backend cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginFault {
    #[error("the endpoint's name cannot stand in a certificate")]
    Name(#[from] InvalidDnsNameError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}
