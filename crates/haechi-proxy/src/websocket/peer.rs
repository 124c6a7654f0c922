//! One end of a WebSocket: bytes in, bytes out.

use crate::http1::client::UpstreamConnection;
use crate::io::Reader;
use std::io;
use std::task::{Context, Poll};

/// The client's connection, or the backend's.
pub(crate) enum Peer {
    /// A client over HTTP/1.1.
    Client(Reader),
    /// A backend over HTTP/1.1; its connection stays counted as open.
    Backend(Box<UpstreamConnection>),
}

impl Peer {
    fn reader(&mut self) -> &mut Reader {
        match self {
            Self::Client(reader) => reader,
            Self::Backend(connection) => connection.reader(),
        }
    }

    /// What has arrived and was not consumed.
    pub(super) fn unread(&mut self) -> &[u8] {
        self.reader().unread()
    }

    /// Forgets the first `count` unread bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.reader().consume(count);
    }

    /// Reads more; `Ok(0)` at the end.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.reader().poll_more(cx)
    }

    /// Writes some of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.reader().stream().clone().poll_write(cx, bytes)
    }

    /// Tells the other side that nothing more will be written.
    pub(super) fn end_writing(&mut self) {
        self.reader().stream().end_writing();
    }
}
