//! Listening sockets: one per worker and address, shared by the kernel (`SO_REUSEPORT`).

use socket2::{Domain, Protocol, SockRef, Socket, Type};
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

/// Sockets that listen already, and as many more as it takes for each worker to have one of its own, where they may be shared so.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn adopt(mut sockets: Vec<TcpListener>, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = sockets.first().ok_or(io::ErrorKind::InvalidInput)?;
    let bound = first.local_addr()?;
    let more = if SockRef::from(first).reuse_port()? { workers.saturating_sub(sockets.len()) } else { 0 };
    sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
    for _ in 0..more {
        // Those of another user take no company; then workers share what there is.
        let Ok(another) = socket(bound) else { break };
        sockets.push(another);
    }
    Ok((bound, sockets))
}

/// For each worker the sockets that it takes connections from: every socket has a worker, every worker a socket.
///
/// # Errors
/// When descriptors are used up.
pub fn share(sockets: &[TcpListener], workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
    let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let turns = sockets.len().max(workers);
    for (turn, socket) in sockets.iter().cycle().take(turns).enumerate() {
        if let Some(share) = shares.get_mut(turn % workers) {
            share.push(socket.try_clone()?);
        }
    }
    Ok(shares)
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
