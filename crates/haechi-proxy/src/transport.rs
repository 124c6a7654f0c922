//! What is known of a client connection before its first request.

use crate::tls::Session;
use std::net::SocketAddr;

/// What is known of a client connection before its first request.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    /// The other end, or the client for whom a trusted proxy says it connects.
    pub(crate) peer: SocketAddr,
    /// What the TLS handshake has agreed on; `None` without TLS.
    pub(crate) tls: Option<Session>,
}
