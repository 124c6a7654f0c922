//! New connections to endpoints.

use crate::http1::client::UpstreamConnection;
use crate::io::Stream;
use crate::plan::{Endpoint, Service};
use crate::respond::Refusal;
use crate::worker::Worker;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no connection: the answer for the client, and what happened for the record.
pub(crate) type Unreached = (Refusal, String);

/// Connects to `endpoint` within the service's `connect_timeout`.
pub(crate) async fn connect(
    worker: &Worker,
    service: &Service,
    endpoint: &Endpoint,
) -> Result<UpstreamConnection, Unreached> {
    worker.metrics().upstream_connection(&service.name, "new");
    let address = (&*endpoint.host, endpoint.port);
    match timeout(service.connect_timeout, TcpStream::connect(address)).await {
        Ok(Ok(socket)) => Ok(UpstreamConnection::new(Stream::tcp(socket), worker.buffers().clone())),
        Ok(Err(error)) => Err((Refusal::BadGateway, format!("cannot connect: {error}"))),
        Err(_) => Err((Refusal::GatewayTimeout, "connecting took too long".into())),
    }
}
