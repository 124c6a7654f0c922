//! A connected stream.

use super::tls::TlsStream;
use std::io::{self, Read};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A connected stream. Reading and writing share it, so that both directions can be served from one task.
pub(crate) enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS, its handshake done.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Takes over a connected socket.
    pub(crate) fn tcp(socket: TcpStream) -> Self {
        undelayed(&socket);
        Self::Tcp(socket)
    }

    /// Whether HTTP/2 was agreed on (RFC 7301); `None` without TLS, where nothing is.
    pub(crate) fn agreed_on_http2(&self) -> Option<bool> {
        match self {
            Self::Tcp(_) => None,
            Self::Tls(tls) => Some(tls.look(|connection| connection.alpn_protocol() == Some(b"h2"))),
        }
    }

    /// Waits until something can be read, or the end is known. A stream that is waited for needs no buffer.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Tls(tls) => tls.poll_readable(cx),
        }
    }

    /// Reads into `into`; `Ok(0)` is the end. A TLS stream that ends without saying so has been cut, which is an error.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => return tls.poll_read(cx, into),
        };
        loop {
            // Asking the runtime first keeps turns: who always has something to read must let others be served.
            ready!(socket.poll_read_ready(cx))?;
            match read_now(socket, into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Writes some of `bytes`. After `Pending` the next call takes the same bytes again, or more of the same beginning.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => return tls.poll_write(cx, bytes),
        };
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// What the stream itself holds while it is blocked, in bytes: records that are encrypted and not sent.
    pub(crate) const fn held_behind(&self) -> usize {
        match self {
            Self::Tcp(_) => 0,
            // The least that rustls buffers by itself, and as much again for what it has cut into records.
            Self::Tls(_) => 64 * 1024,
        }
    }

    /// Makes the close that follows a reset, so that the other side cannot take it for a clean end.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tls(tls) = self {
            tls.end_without_notice();
        }
        // Best effort: without the option the close is a plain one, and message framing still tells the truncation.
        let _ = self.socket().set_zero_linger();
    }

    /// Tells the other side that nothing more will be written.
    pub(crate) fn end_writing(&self) {
        if let Self::Tls(tls) = self {
            tls.notify_end();
        }
        // A socket that is gone needs no telling.
        let _ = socket2::SockRef::from(self.socket()).shutdown(std::net::Shutdown::Write);
    }

    /// Whether nothing has arrived and the other side has not closed, as far as the runtime was told.
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Tcp(socket) => {
                let mut byte = [0];
                matches!(socket.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(tls) => tls.is_quiet(),
        }
    }

    /// The same, as far as the kernel knows: one system call.
    pub(crate) fn is_quiet_now(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = socket2::SockRef::from(self.socket()).peek(&mut byte);
        match self {
            _ if matches!(&peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock) => true,
            Self::Tcp(_) => false,
            // What arrived may be the session's own: tickets, new keys.
            Self::Tls(tls) => tls.is_quiet_now(),
        }
    }

    /// Whether the other side has ended its half of the stream, or all of it, and nothing else has arrived: one system call.
    pub(crate) fn has_ended(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        match self {
            Self::Tls(tls) => tls.has_ended(),
            Self::Tcp(socket) => match socket2::SockRef::from(socket).peek(&mut byte) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            },
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => tls.socket(),
        }
    }
}

/// Reads what is there. A read that did not fill its buffer has emptied the socket: the next one waits for the kernel's word instead of asking in
/// vain, which would be one system call more for each message. Readiness is edge-triggered and told on this thread, so nothing is missed.
fn read_now(socket: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let mut some = None;
    let outcome = socket.try_io(Interest::READABLE, || {
        let count = (&*socket2::SockRef::from(socket)).read(into)?;
        if count == into.len() {
            return Ok(count);
        }
        some = Some(count);
        // The error is the message to the runtime, not a failure.
        Err(io::ErrorKind::WouldBlock.into())
    });
    some.map_or(outcome, Ok)
}

/// Requests and answers leave in one write each; waiting for more would only add latency. A socket that refuses the option still works.
pub(super) fn undelayed(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
}
