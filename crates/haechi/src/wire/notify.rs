//! systemd notifications, as `sd_notify(3)` describes; nothing where nobody asked.

use crate::config;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager.
pub(crate) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// To the socket that `NOTIFY_SOCKET` names.
    pub(crate) fn from_environment() -> Self {
        let named = config::process_variable("NOTIFY_SOCKET").ok().flatten();
        let address = named.and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(name),
            };
            address.ok()
        });
        Self(address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))))
    }

    /// Says `NAME=value`, several on lines of their own.
    pub(crate) fn say(&self, state: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}
