//! Port: an address that calls come to.

use crate::context::Peer;
use haechi_core::Host;
use haechi_core::ports::BoxFuture;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// An address that calls come to: the admin listener, the Unix socket, a listener for probes.
pub trait Door: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &str;

    /// The next connection.
    ///
    /// # Errors
    /// When none can be accepted now.
    fn accept(&self) -> BoxFuture<'_, io::Result<Arrival>>;

    /// Which calls it answers.
    fn calls(&self) -> OpenCalls;

    /// Whether it speaks TLS.
    fn is_secure(&self) -> bool {
        false
    }

    /// Whether a call may name this host; `None` where it names none, or more than one. A page in an operator's browser must not reach the gate under a
    /// name of its own (DNS rebinding).
    fn takes_host(&self, host: Option<&Host>) -> bool;
}

/// Which calls an address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenCalls {
    /// Every one.
    All,
    /// The probes, and nothing else.
    Probes,
}

/// A connection that was accepted.
pub struct Arrival {
    /// Who is at the other end.
    pub peer: Peer,
    /// Its bytes, once a handshake that belongs to them is done.
    pub stream: BoxFuture<'static, io::Result<Box<dyn Duplex>>>,
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
