//! Server of the admin listener: a bounded number of connections, each with an idle timeout.

mod connections;

use crate::context::{Context, Operators, Peer};
use crate::door::{Arrival, Door, Duplex};
use crate::front::Front;
use crate::pages::Pages;
use crate::streamed::held;
use axum::body::Body;
use connections::{Connections, OpenConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_io_timeout::TimeoutStream;

/// So many connections are open at once; the caller keeps file descriptors back for them. One more closes the one that has been idle for longest.
pub const MAX_CONNECTIONS: usize = 32;
/// A connection that waits for the first byte of a request, or for the last of its head, is closed after this time.
const IDLE: Duration = Duration::from_secs(60);
/// A client that takes nothing of an answer for so long is given up.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After an accept that failed (out of descriptors, or a client that was gone already), so as not to spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers at `door` until `end` comes true; then requests in flight finish.
///
/// # Errors
/// None today: a failed accept is logged and tried again.
pub async fn serve(
    door: Arc<dyn Door>,
    context: Context,
    operators: Arc<dyn Operators>,
    pages: Option<Arc<dyn Pages>>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let front = Front::new(context, operators, door.clone(), pages);
    let connections = Connections::new(MAX_CONNECTIONS);
    let mut end = pin!(end);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut end => break,
            accepted = door.accept() => accepted,
        };
        match accepted {
            Ok(arrival) => {
                begin(arrival, &front, &connections);
                connections.settle().await;
            }
            Err(error) => {
                tracing::warn!(%error, at = door.name(), "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(door);
    connections.finish().await;
    Ok(())
}

/// Serves a connection, or closes it at once when every other one is in the middle of a request.
fn begin(arrival: Arrival, front: &Front, connections: &Connections) {
    match connections.open() {
        Some(open) => drop(tokio::spawn(answer(arrival, front.clone(), open))),
        None => tracing::warn!(
            most = MAX_CONNECTIONS,
            at = front.door_name(),
            "closed a connection: all others are in use"
        ),
    }
}

async fn answer(Arrival { peer, stream }: Arrival, front: Front, open: OpenConnection) {
    let stream = tokio::select! {
        // Who does not finish the handshake, or speaks no TLS, is its own problem.
        stream = tokio::time::timeout(HANDSHAKE, stream) => match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return,
        },
        () = open.told_to_close() => return,
        () = open.told_to_finish() => return,
    };
    exchange(stream, peer, front, open).await;
}

async fn exchange(stream: Box<dyn Duplex>, peer: Peer, front: Front, open: OpenConnection) {
    let mut io = TimeoutStream::new(stream);
    io.set_write_timeout(Some(WRITE_STALL));
    let requests = open.requests();
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (answering, busy) = (front.clone().answer(request.map(Body::new), peer), requests.begin());
        async move {
            // Until its last byte: an answer that goes on is no idle connection.
            Ok::<_, Infallible>(held(answering.await, busy))
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
