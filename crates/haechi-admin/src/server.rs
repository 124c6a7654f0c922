//! Server of the admin listener: a bounded number of connections, each with an idle timeout.

mod connections;

use crate::context::{Context, Operators};
use crate::front::Front;
use axum::body::Body;
use connections::{Connections, OpenConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// So many connections are open at once; the caller keeps file descriptors back for them. One more closes the one that has been idle for longest.
pub const MAX_CONNECTIONS: usize = 32;
/// A connection that waits for the first byte of a request, or for the last of its head, is closed after this time.
const IDLE: Duration = Duration::from_secs(60);
/// A client that takes nothing of an answer for so long is given up.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// After an accept that failed (out of descriptors, or a client that was gone already), so as not to spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers on `listener` until `end` comes true; then requests in flight finish.
///
/// # Errors
/// None today: a failed accept is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    operators: Arc<dyn Operators>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let front = Front::new(context, operators);
    let connections = Connections::new(MAX_CONNECTIONS);
    let mut end = pin!(end);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut end => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                begin((socket, peer.ip()), &front, &connections);
                connections.settle().await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the admin listener");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.finish().await;
    Ok(())
}

/// Serves a connection, or closes it at once when every other one is in the middle of a request.
fn begin(accepted: (TcpStream, IpAddr), front: &Front, connections: &Connections) {
    match connections.open() {
        Some(open) => drop(tokio::spawn(answer(accepted, front.clone(), open))),
        None => tracing::warn!(
            most = MAX_CONNECTIONS,
            "closed a connection to the admin listener: all others are in use"
        ),
    }
}

async fn answer((socket, client): (TcpStream, IpAddr), front: Front, open: OpenConnection) {
    let mut io = TimeoutStream::new(socket);
    io.set_write_timeout(Some(WRITE_STALL));
    let requests = open.requests();
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (answering, busy) = (front.clone().answer(request.map(Body::new), client), requests.begin());
        async move {
            let response = answering.await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(Box::pin(io)), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that breaks off or sends no HTTP is its own problem.
        _ = connection.as_mut() => return,
        () = open.told_to_close() => return,
        () = open.told_to_finish() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = open.told_to_close() => {}
    }
}
