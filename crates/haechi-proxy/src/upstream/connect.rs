//! New connections to endpoints.

use super::dialer::Dialer;
use super::pool::OpenPermit;
use crate::io::{Stream, TlsStream};
use crate::limits::Limit;
use crate::refusal::Refusal;
use crate::tls::ServiceTls;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no connection: the answer for the client, and what happened for the record.
pub(crate) type ConnectFailure = (Refusal, String);

/// Makes the connection that `opening` gives leave for, its TLS handshake included, within `limit`. Tells where it leads.
pub(crate) async fn connect(
    dialer: &impl Dialer,
    opening: &mut OpenPermit,
    limit: Duration,
) -> Result<(Stream, SocketAddr), ConnectFailure> {
    let Some(descriptor) = dialer.descriptor() else {
        dialer.metrics().limit(Limit::Descriptors);
        return Err((
            Refusal::Overloaded,
            "no file descriptor is free for a connection to the service".into(),
        ));
    };
    opening.count();
    opening.open.hold(descriptor);
    let endpoint = opening.open.endpoint();
    let begun = tokio::time::Instant::now();
    let (socket, peer) = to_any(&endpoint.addresses(), opening.turn, limit).await?;
    let stream = match endpoint.tls() {
        None => Stream::tcp(socket),
        Some(tls) => {
            let left = limit.saturating_sub(begun.elapsed());
            // Boxed, so that requests over plain connections do not carry it.
            match timeout(left, Box::pin(secured(socket, tls, endpoint.host()))).await {
                Ok(secured) => secured?,
                Err(_) => return Err((Refusal::GatewayTimeout, "the TLS handshake took too long".into())),
            }
        }
    };
    Ok((stream, peer))
}

/// Tries each address in turn. Each has an even part of the time that is left, so that one where nobody answers leaves time for the others.
async fn to_any(
    addresses: &[SocketAddr],
    turn: usize,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectFailure> {
    let mut failed = (Refusal::NoEndpoint, "the endpoint's name has never been resolved".to_owned());
    let mut left = limit;
    let count = addresses.len();
    let in_turn = addresses.iter().cycle().skip(turn % count.max(1)).take(count);
    for (tried, address) in in_turn.enumerate() {
        let begun = tokio::time::Instant::now();
        let part = left / u32::try_from(count - tried).unwrap_or(1).max(1);
        match timeout(part, TcpStream::connect(*address)).await {
            Ok(Ok(socket)) => return Ok((socket, *address)),
            Ok(Err(error)) => failed = (Refusal::BadGateway, format!("cannot connect: {error}")),
            Err(_) => failed = (Refusal::GatewayTimeout, "connecting took too long".into()),
        }
        left = left.saturating_sub(begun.elapsed());
    }
    Err(failed)
}

/// Speaks TLS over a fresh connection. Until the other side has shown who it is, nothing else is said.
async fn secured(socket: TcpStream, tls: &ServiceTls, host: &str) -> Result<Stream, ConnectFailure> {
    let failed =
        |error: &dyn std::fmt::Display| (Refusal::BadGateway, format!("the TLS handshake failed: {error}"));
    let session = tls.begin(host).map_err(|error| failed(&error))?;
    let stream = TlsStream::new(socket, session);
    poll_fn(|cx| stream.poll_handshake(cx)).await.map_err(|error| failed(&error))?;
    Ok(Stream::Tls(Box::new(stream)))
}
