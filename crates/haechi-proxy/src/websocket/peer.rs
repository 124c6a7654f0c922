//! One end of a WebSocket: bytes in, bytes out.

use crate::http1::client::UpstreamConnection;
use crate::http2::tunnelled::Tunnelled;
use crate::io::Reader;
use std::io;
use std::task::{Context, Poll};

/// The client's connection, or the backend's.
pub(crate) enum Peer {
    /// A client over HTTP/1.1.
    Client(Reader),
    /// A client over HTTP/2.
    Stream(Box<Tunnelled>),
    /// A backend over HTTP/1.1; its connection stays counted as open.
    Backend(Box<UpstreamConnection>),
}

impl Peer {
    /// What has arrived and was not consumed.
    pub(super) fn unread(&mut self) -> &[u8] {
        match self {
            Self::Client(reader) => reader.unread(),
            Self::Stream(stream) => stream.unread(),
            Self::Backend(connection) => connection.reader().unread(),
        }
    }

    /// Forgets the first `count` unread bytes.
    pub(super) fn consume(&mut self, count: usize) {
        match self {
            Self::Client(reader) => reader.consume(count),
            Self::Stream(stream) => stream.consume(count),
            Self::Backend(connection) => connection.reader().consume(count),
        }
    }

    /// Reads more; `Ok(0)` at the end.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Client(reader) => reader.poll_more(cx),
            Self::Stream(stream) => stream.poll_more(cx),
            Self::Backend(connection) => connection.reader().poll_more(cx),
        }
    }

    /// Writes some of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Client(reader) => reader.stream().poll_write(cx, bytes),
            Self::Stream(stream) => stream.poll_write(cx, bytes),
            Self::Backend(connection) => connection.reader().stream().poll_write(cx, bytes),
        }
    }

    /// Tells the other side that nothing more will be written.
    pub(super) fn end_writing(&mut self) {
        match self {
            Self::Client(reader) => reader.stream().end_writing(),
            Self::Stream(stream) => stream.end_writing(),
            Self::Backend(connection) => connection.reader().stream().end_writing(),
        }
    }
}
