//! Getting a connection to an endpoint: one from the pool, a new one, or a stream of a multiplexed one.

use super::circuit::Full;
use super::connect::{self, ConnectFailure};
use super::dialer::Dialer;
use super::pool::{ConnectionLease, OpenPermit};
use super::shared::{ConnectPermit, ConnectResult, Found, outcome};
use crate::http1::client::UpstreamConnection;
use crate::http2::client::Multiplexed;
use crate::refusal::Refusal;
use crate::settings::{Protocol, Service};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// A connection that takes the exchange.
pub(crate) enum ReadyConnection {
    Http1(UpstreamConnection),
    Http2(Rc<Multiplexed>),
}

/// A new connection for one exchange at a time, within `limit`.
pub(crate) async fn new(
    dialer: &impl Dialer,
    mut opening: OpenPermit,
    limit: Duration,
) -> Result<UpstreamConnection, ConnectFailure> {
    let (stream, peer) = connect::connect(dialer, &mut opening, limit).await?;
    Ok(UpstreamConnection::new(stream, dialer.buffers().clone(), peer, opening.open))
}

/// A part in a connection that carries many exchanges, within `limit`; or one of its own where the backend was asked and chose HTTP/1.1.
pub(crate) async fn shared(
    dialer: &impl Dialer,
    service: &Service,
    lease: &ConnectionLease,
    limit: Duration,
) -> Result<ReadyConnection, ConnectFailure> {
    loop {
        let made = match lease.shared(&service.settings.circuit).map_err(full)? {
            Found::Ready(connection) => {
                lease.count_reused();
                return Ok(ReadyConnection::Http2(connection));
            }
            Found::Make(making) => return make(dialer, service, lease, making, limit).await,
            Found::Wait(waiting) => timeout(limit, outcome(waiting)).await,
        };
        match made {
            Ok(Some(Ok(Some(connection)))) => return Ok(ReadyConnection::Http2(connection)),
            Ok(Some(Ok(None))) => {
                let opening = lease.opening(&service.settings.circuit).map_err(full)?;
                return new(dialer, opening, limit).await.map(ReadyConnection::Http1);
            }
            Ok(Some(Err(unreached))) => return Err(unreached),
            // Whoever was making it was given up by its client. Then another does.
            Ok(None) => {}
            Err(_) => return Err((Refusal::GatewayTimeout, "connecting took too long".into())),
        }
    }
}

/// Makes a connection for many, and tells those who wait what came of it.
async fn make(
    dialer: &impl Dialer,
    service: &Service,
    lease: &ConnectionLease,
    making: ConnectPermit,
    limit: Duration,
) -> Result<ReadyConnection, ConnectFailure> {
    let (opening, tell) = making.begin();
    let made = begin(dialer, service, opening, limit).await;
    let told: ConnectResult = match &made {
        Ok(ReadyConnection::Http2(connection)) => Ok(Some(connection.clone())),
        Ok(ReadyConnection::Http1(_)) => Ok(None),
        Err(unreached) => Err(unreached.clone()),
    };
    lease.made(&tell, &told);
    made
}

async fn begin(
    dialer: &impl Dialer,
    service: &Service,
    mut opening: OpenPermit,
    limit: Duration,
) -> Result<ReadyConnection, ConnectFailure> {
    let (stream, peer) = connect::connect(dialer, &mut opening, limit).await?;
    let agreed = stream.agreed_on_http2();
    match service.settings.protocol {
        Protocol::Auto if agreed == Some(false) => {
            let buffers = dialer.buffers().clone();
            return Ok(ReadyConnection::Http1(UpstreamConnection::new(stream, buffers, peer, opening.open)));
        }
        // A backend without ALPN, or one that ignores it.
        _ if agreed == Some(false) => {
            return Err((Refusal::BadGateway, "the backend did not agree on HTTP/2".into()));
        }
        _ => {}
    }
    let begun = Multiplexed::begin(dialer.buffers(), stream, peer, opening.open, dialer.response_head());
    match timeout(limit, begun).await {
        Ok(Ok(connection)) => Ok(ReadyConnection::Http2(connection)),
        Ok(Err(error)) => Err((Refusal::BadGateway, format!("HTTP/2 cannot begin: {error}"))),
        Err(_) => Err((Refusal::GatewayTimeout, "HTTP/2 took too long to begin".into())),
    }
}

fn full(full: Full) -> ConnectFailure {
    (Refusal::NoEndpoint, format!("the endpoint has as many {} as it may have", full.name()))
}
