//! What is known of a client connection before its first request.

use crate::plan::Plan;
use crate::settings::ListenerIndex;
use crate::tls::Session;
use haechi_core::connection::TlsFacts;
use haechi_core::{ConnectionFacts, Timestamp};
use std::net::SocketAddr;

/// What is known of a client connection before its first request.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    /// The listener that it came in on.
    pub(crate) listener: ListenerIndex,
    /// The other end, or the client for whom a trusted proxy says it connects.
    pub(crate) peer: SocketAddr,
    /// What the TLS handshake has agreed on; `None` without TLS.
    pub(crate) tls: Option<Session>,
    /// The port of `https` that every request is sent to, where its listener does nothing else.
    pub(crate) redirect: Option<u16>,
    /// Whether every request is another gateway's question about a request of its own.
    pub(crate) authorizes: bool,
}

impl Transport {
    /// What every request over this connection is told of it.
    pub(crate) fn facts(&self) -> ConnectionFacts {
        let tls = self.tls.as_ref().map(|session| TlsFacts { client_certificate: session.client().cloned() });
        ConnectionFacts { peer: self.peer, tls, is_described: self.authorizes }
    }

    /// Whether a client that showed a certificate would be believed by `plan`: authorities come and go, and revoke.
    pub(crate) fn is_believed(&self, plan: &Plan, now: Timestamp) -> bool {
        let Some(session) = &self.tls else { return true };
        let listener = plan.listener(self.listener);
        session.is_believed(listener.and_then(|listener| listener.tls.as_deref()), now)
    }
}
