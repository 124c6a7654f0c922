//! Listener settings: TLS and the PROXY protocol.

use super::authzen::Authzen;
use crate::tls::ListenerTls;
use std::sync::Arc;

/// How a listener's connections begin.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// With a TLS handshake, where there is one.
    pub tls: Option<Arc<ListenerTls>>,
    /// With a PROXY header, before anything else.
    pub proxy_protocol: bool,
    /// Every request is answered with where it is over `https`: on this port.
    pub redirect: Option<u16>,
    /// Every request is another gateway's question about a request of its own.
    pub authorizes: bool,
    /// Questions by AuthZEN are answered as well.
    pub authzen: Option<Arc<Authzen>>,
}

impl Listener {
    /// Whether they begin with the first request.
    pub(crate) const fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol
    }
}
