//! A TLS session over a socket, driven by hand: no task of its own, no buffer of ours, and what it has to say goes out with the next write.

use super::stream::undelayed;
use rustls::{Connection, HandshakeKind};
use std::cell::RefCell;
use std::io::{self, BufRead, Read, Write};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// A TLS session and its socket.
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: RefCell<Session>,
}

struct Session {
    connection: Connection,
    /// Bytes that were encrypted for a write that is still under way.
    taken: usize,
    /// Whether the end is told by `close_notify`.
    notify: bool,
}

impl TlsStream {
    /// Takes over a connected socket, whose handshake is still to be done.
    pub(crate) fn new(socket: TcpStream, connection: impl Into<Connection>) -> Self {
        undelayed(&socket);
        let session = Session { connection: connection.into(), taken: 0, notify: true };
        Self { socket, session: RefCell::new(session) }
    }

    /// Does the handshake, and sends what belongs to it.
    ///
    /// # Errors
    /// The socket's; `InvalidData` around a [`rustls::Error`] when the two sides do not agree; `UnexpectedEof` when the other side left.
    pub(crate) fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let session = &mut *self.session.borrow_mut();
        loop {
            ready!(self.poll_flush(cx, &mut session.connection))?;
            if !session.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_fill(cx, &mut session.connection))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Looks at the session, for what the handshake has agreed on.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.session.borrow().connection)
    }

    /// Whether the handshake took up an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.look(|connection| connection.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let session = &mut *self.session.borrow_mut();
        loop {
            match session.connection.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end, clean or not, is told by the read that follows.
                _ => return Poll::Ready(Ok(())),
            }
            ready!(self.poll_more(cx, &mut session.connection))?;
        }
    }

    pub(super) fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let session = &mut *self.session.borrow_mut();
        loop {
            match session.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
            ready!(self.poll_more(cx, &mut session.connection))?;
        }
    }

    /// Encrypts some of `bytes` and waits until the socket has taken it: only then is it written, so that nothing stays behind unnoticed.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Session { connection, taken, .. } = &mut *self.session.borrow_mut();
        if *taken == 0 {
            ready!(self.poll_flush(cx, connection))?;
            *taken = connection.writer().write(bytes)?;
            if *taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        ready!(self.poll_flush(cx, connection))?;
        Poll::Ready(Ok(std::mem::take(taken)))
    }

    /// Leaves out `close_notify`: what was sent is not whole.
    pub(super) fn end_without_notice(&self) {
        self.session.borrow_mut().notify = false;
    }

    /// Sends `close_notify`, once and as far as the socket takes it now.
    pub(super) fn notify_end(&self) {
        let Session { connection, notify, .. } = &mut *self.session.borrow_mut();
        if std::mem::replace(notify, false) {
            connection.send_close_notify();
            // The socket may be gone or full; then there is nobody to tell.
            let _ = connection.write_tls(&mut Socket(&self.socket));
        }
    }

    /// Whether nothing but the session's own messages has arrived, as far as the runtime was told.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet_over(&mut Socket(&self.socket))
    }

    /// The same, as far as the kernel knows.
    pub(super) fn is_quiet_now(&self) -> bool {
        let socket = socket2::SockRef::from(&self.socket);
        self.is_quiet_over(&mut &*socket)
    }

    /// Whether the other side has ended the session or the socket, and nothing else has arrived.
    pub(super) fn has_ended(&self) -> bool {
        let socket = socket2::SockRef::from(&self.socket);
        let connection = &mut self.session.borrow_mut().connection;
        loop {
            match connection.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(unread) => return unread.is_empty(),
                Err(_) => return true,
            }
            match connection.read_tls(&mut &*socket) {
                Ok(1..) if connection.process_new_packets().is_ok() => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
                Ok(_) => return true,
            }
        }
    }

    pub(super) const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn is_quiet_over(&self, socket: &mut dyn Read) -> bool {
        let connection = &mut self.session.borrow_mut().connection;
        loop {
            match connection.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return false,
            }
            match connection.read_tls(socket) {
                Ok(1..) if connection.process_new_packets().is_ok() => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                Ok(_) => return false,
            }
        }
    }

    /// Takes more from the socket; while it waits, what the session has to say goes out.
    fn poll_more(&self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<io::Result<usize>> {
        let filled = self.poll_fill(cx, connection);
        if filled.is_pending() && connection.wants_write() {
            // A failure to write shows in the next write or read.
            let _ = self.poll_flush(cx, connection);
        }
        filled
    }

    /// Takes what the socket has and makes of it what it holds. `Ok(0)` is the end of the socket.
    fn poll_fill(&self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            match connection.read_tls(&mut Socket(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count @ 1..) => {
                    if let Err(error) = connection.process_new_packets() {
                        // The alert says why; the connection ends here, whether it arrives or not.
                        let _ = connection.write_tls(&mut Socket(&self.socket));
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                    }
                    return Poll::Ready(Ok(count));
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<io::Result<()>> {
        while connection.wants_write() {
            ready!(self.socket.poll_write_ready(cx))?;
            match connection.write_tls(&mut Socket(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.notify_end();
    }
}

/// The socket as the session reads and writes it: without waiting.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
