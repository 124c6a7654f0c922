//! Ports on which something else listens later.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below those that Linux gives to whoever binds port 0, and to connections: one of these that was asked for and given back is soon given to another test.
const PORTS: std::ops::Range<u64> = 15_000..32_000;

/// A listener on 127.0.0.1. Its port is not given to another test when it stops, so that something can come back there, or nobody.
///
/// # Panics
/// Never while a port is free: it looks until it finds one.
pub fn listener() -> TcpListener {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).expect("ports are below 65536");
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
}

/// A port of 127.0.0.1 on which nobody listens.
///
/// # Panics
/// Where the system does not tell the address of a socket.
pub fn unused_port() -> u16 {
    unused_address().port()
}

/// The same with the address.
///
/// # Panics
/// Where the system does not tell the address of a socket.
pub fn unused_address() -> SocketAddr {
    listener().local_addr().unwrap()
}
