//! Listening sockets: one per worker and address, shared by the kernel (`SO_REUSEPORT`).

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that the kernel holds for us before we accept them.
const BACKLOG: i32 = 4096;

/// One socket per worker, all bound to `address`; a port of 0 is resolved by the first and taken by the others.
///
/// # Errors
/// When the address cannot be bound, or another process listens on it: shared sockets would let it take part of the requests unnoticed.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    drop(TcpListener::bind(address)?);
    let first = socket(address)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(socket(bound)?);
    }
    Ok((bound, sockets))
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
