//! What is known of the connection that a request came over, whatever the request says.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The facts of a connection. The bytes of a request have no part in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// The other end, or the client for whom a trusted proxy said in a PROXY header that it connects.
    pub peer: SocketAddr,
    /// What TLS tells; `None` without TLS.
    pub tls: Option<TlsFacts>,
    /// Whether another gateway describes the request, which came over a connection of its own.
    pub is_described: bool,
}

/// What TLS tells of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// The certificate that the client showed, where it showed one that the listener's authorities vouch for.
    pub client_certificate: Option<ClientCertificate>,
}

/// The certificate of a client (X.509 in DER), verified by the listener. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate(Arc<Shown>);

struct Shown {
    id: u64,
    certificate: Box<[u8]>,
    intermediates: Vec<Box<[u8]>>,
    authority: Arc<str>,
}

/// The same certificate, believed for the same authority's sake; whenever it was shown.
impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.authority == other.authority
    }
}

impl Eq for Shown {}

impl ConnectionFacts {
    /// A connection without TLS.
    pub const fn plain(peer: SocketAddr) -> Self {
        Self { peer, tls: None, is_described: false }
    }
}

impl ClientCertificate {
    /// The certificate with this encoding, shown with these others on the way to `authority`, whose distinguished name that is. The caller has verified
    /// it against the authorities that the listener trusts.
    pub fn verified<'a>(
        der: &[u8],
        intermediates: impl IntoIterator<Item = &'a [u8]>,
        authority: Arc<str>,
    ) -> Self {
        static SHOWN: AtomicU64 = AtomicU64::new(0);
        let id = SHOWN.fetch_add(1, Ordering::Relaxed);
        let intermediates = intermediates.into_iter().map(Box::from).collect();
        Self(Arc::new(Shown { id, certificate: der.into(), intermediates, authority }))
    }

    /// Its DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0.certificate
    }

    /// The DER encodings of what was shown with it, in the client's order. Not all of them need be on the way to the authority.
    pub fn intermediates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.intermediates.iter().map(|der| &**der)
    }

    /// The distinguished name (RFC 4514) of the authority that the listener believed.
    pub fn authority(&self) -> &Arc<str> {
        &self.0.authority
    }

    /// A number that this showing of a certificate alone has, for as long as the process runs.
    pub fn id(&self) -> u64 {
        self.0.id
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({} bytes)", self.der().len())
    }
}
