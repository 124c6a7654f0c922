//! Limits on what clients may take of memory, time and connections.

use crate::lines::HeadLimits;
use std::time::Duration;

/// Limits of every client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request's head, in bytes; at most 256 KiB.
    pub head: usize,
    /// The head of a backend's answer, in bytes; at most 256 KiB.
    pub response_head: usize,
    /// Fields of a request.
    pub fields: usize,
    /// A request's body, in bytes.
    pub body: u64,
    /// A TLS handshake, or a PROXY header.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub header_read: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Between two pieces of a request's body.
    pub body_stall: Duration,
    /// Between two pieces of an answer that the client takes.
    pub write_stall: Duration,
    /// Without a byte on a WebSocket, in either direction.
    pub websocket_idle: Duration,
    /// Open client connections, over all workers.
    pub connections: usize,
    /// Open connections of one client address, over all workers; addresses of trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Streams that a client may have open at once on an HTTP/2 connection.
    pub http2_streams: u32,
    /// Streams that a client may reset in a second.
    pub http2_resets: u32,
    /// `SETTINGS` frames that a client may send in a second.
    pub http2_settings: u32,
    /// What one worker's connections may hold in buffers, in bytes.
    pub buffers: usize,
    /// Reading on after a refusal, so that the client can read the answer.
    pub linger: Duration,
    /// For requests in flight, once the process is to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            response_head: 64 * 1024,
            fields: 100,
            body: 100 * 1024 * 1024,
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body_stall: Duration::from_secs(5 * 60),
            write_stall: Duration::from_secs(30),
            websocket_idle: Duration::from_secs(60 * 60),
            connections: 14_000,
            connections_per_address: 10_500,
            buffers: 16 * 1024 * 1024,
            http2_streams: 100,
            http2_resets: 100,
            http2_settings: 20,
            linger: Duration::from_secs(2),
            grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits { bytes: self.head, fields: self.fields }
    }
}
