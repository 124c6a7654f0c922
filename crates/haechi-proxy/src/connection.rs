//! From an accepted socket to requests: what the listener asks for first, then the protocol that the client speaks.

use crate::http1::server;
use crate::io::{Reader, Stream};
use crate::worker::Worker;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// What is known of a client connection before its first request.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Whether it is TLS.
    pub(crate) secure: bool,
}

/// Serves a connection that came in on the listener with index `listener`, to its end.
pub(crate) async fn serve(worker: Rc<Worker>, socket: TcpStream, peer: SocketAddr, _listener: usize) {
    let stream = Rc::new(Stream::tcp(socket));
    let reader = Reader::new(stream, worker.buffers().clone());
    let transport = Rc::new(Transport { peer, secure: false });
    server::serve(worker, reader, transport).await;
}
