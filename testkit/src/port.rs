//! Ports on which something else listens later.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below those that Linux gives to whoever binds port 0, and to connections: one of these that was asked for and given back is soon given to another test.
const PORTS: std::ops::Range<u64> = 15_000..32_000;

/// A port of 127.0.0.1 on which nobody listens.
pub fn unused_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).expect("ports are below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The same with the address.
pub fn unused_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, unused_port()).into()
}
