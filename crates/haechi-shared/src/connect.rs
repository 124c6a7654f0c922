//! One connection to the shared state.

use crate::Location;
use crate::location::Place;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Runs a connection: whoever has it may ask only while this is polled. Ends with the connection.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a connection is made of.
pub(crate) struct Connector {
    pub(crate) location: Location,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// Why there is no connection; no secret in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("`{0}` is no name that a certificate could have")]
    Name(String),
    #[error("the server did not take the connection: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("no connection in time")]
    Late,
}

impl Connector {
    /// A connection, within `patience`. What the server says by itself goes to `pushed`.
    pub(crate) async fn connect(
        &self,
        patience: Duration,
        pushed: impl Fn(&PushInfo) + Send + Sync + 'static,
    ) -> Result<(MultiplexedConnection, Driver), ConnectError> {
        let config = AsyncConnectionConfig::new()
            // Whoever asks says how long it waits.
            .set_response_timeout(None)
            .set_push_sender(move |info: PushInfo| {
                pushed(&info);
                Ok::<(), ()>(())
            });
        let connected = async {
            let stream = self.stream().await?;
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&self.login(), stream, config).await?;
            let driver: Driver = Box::pin(driver);
            Ok((connection, driver))
        };
        tokio::time::timeout(patience, connected).await.unwrap_or(Err(ConnectError::Late))
    }

    fn login(&self) -> RedisConnectionInfo {
        let Location { user, password, database, .. } = &self.location;
        let mut info = RedisConnectionInfo::default()
            .set_db(*database)
            // The third version tells what is pushed from what is answered.
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("haechi", env!("CARGO_PKG_VERSION"));
        if let Some(user) = user {
            info = info.set_username(user);
        }
        if let Some(password) = password {
            info = info.set_password(password.expose());
        }
        info
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, ConnectError> {
        let (host, port) = match &self.location.place {
            Place::Unix(socket) => return Ok(Box::new(UnixStream::connect(socket).await?)),
            Place::Tcp { host, port, .. } => (host, *port),
        };
        let stream = TcpStream::connect((&**host, port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Name(host.clone()))?;
        Ok(Box::new(TlsConnector::from(tls.clone()).connect(name, stream).await?))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
