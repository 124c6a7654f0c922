//! What is known of the connection that a request came over, whatever the request says.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The facts of a connection. The bytes of a request have no part in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// The other end, or the client for whom a trusted proxy said in a PROXY header that it connects.
    pub peer: SocketAddr,
    /// What TLS tells; `None` without TLS.
    pub tls: Option<TlsFacts>,
}

/// What TLS tells of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// The certificate that the client showed, where it showed one that the listener's authorities vouch for.
    pub client_certificate: Option<ClientCertificate>,
}

/// The certificate of a client (X.509 in DER), verified by the listener. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate(Arc<[u8]>);

impl ConnectionFacts {
    /// A connection without TLS.
    pub const fn plain(peer: SocketAddr) -> Self {
        Self { peer, tls: None }
    }
}

impl ClientCertificate {
    /// The certificate with this encoding. The caller has verified it against the authorities that the listener trusts.
    pub fn verified(der: &[u8]) -> Self {
        Self(der.into())
    }

    /// Its DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({} bytes)", self.0.len())
    }
}
