//! The bytes of a connection: a stream that reads and writes through a shared handle, and buffers that idle connections do not hold.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much one read takes at most, in bytes; also the limit of what a [`Reader`] holds unread.
pub(crate) const BUFFER: usize = 16 * 1024;
const KEPT_BUFFERS: usize = 256;

/// A connected stream. Reading and writing share it, so that both directions can be served from one task.
pub(crate) struct Stream(TcpStream);

impl Stream {
    /// Takes over a connected socket.
    pub(crate) fn tcp(socket: TcpStream) -> Self {
        // Requests and answers leave in one write each; waiting for more would only add latency. A socket that refuses the option still works.
        let _ = socket.set_nodelay(true);
        Self(socket)
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) => {
                    if count < into.len() {
                        self.drained();
                    }
                    return Poll::Ready(Ok(count));
                }
                failed => return Poll::Ready(failed),
            }
        }
    }

    /// A read that did not fill its buffer has emptied the socket: the next one waits for the kernel's word instead of asking in vain, which
    /// would be one system call more for each message. Readiness is edge-triggered and told on this thread, so nothing is missed.
    fn drained(&self) {
        let nothing = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        // The error is the message to the runtime, not a failure.
        let _ = self.0.try_io(Interest::READABLE, nothing);
    }

    /// Writes some of `bytes`.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Makes the close that follows a reset, so that the other side cannot take it for a clean end.
    pub(crate) fn reset_on_close(&self) {
        // Best effort: without the option the close is a plain one, and message framing still tells the truncation.
        let _ = self.0.set_zero_linger();
    }

    /// Tells the other side that nothing more will be written.
    pub(crate) fn end_writing(&self) {
        // A socket that is gone needs no telling.
        let _ = socket2::SockRef::from(&self.0).shutdown(std::net::Shutdown::Write);
    }

    /// Whether nothing has arrived and the other side has not closed, as far as the runtime was told.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        matches!(self.0.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, as far as the kernel knows: one system call.
    pub(crate) fn is_quiet_now(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = socket2::SockRef::from(&self.0).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A worker's spare buffers.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Rc<RefCell<Vec<Vec<u8>>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < KEPT_BUFFERS {
            spare.push(buffer);
        }
    }
}

/// The reading side of a connection: what has arrived and was not consumed. Holds a buffer only while it holds bytes.
pub(crate) struct Reader {
    stream: Rc<Stream>,
    buffers: Buffers,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Reader {
    /// Reads from `stream`.
    pub(crate) fn new(stream: Rc<Stream>, buffers: Buffers) -> Self {
        Self { stream, buffers, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// The stream.
    pub(crate) fn stream(&self) -> &Rc<Stream> {
        &self.stream
    }

    /// What has arrived and was not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Forgets the first `count` unread bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end && !self.buffer.is_empty() {
            (self.start, self.end) = (0, 0);
            self.buffers.give_back(std::mem::take(&mut self.buffer));
        }
    }

    /// Whether no more fits before something is consumed.
    pub(crate) fn is_full(&self) -> bool {
        self.end - self.start >= BUFFER
    }

    /// Reads more. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// The stream's, and `OutOfMemory` when the buffer is full: callers look at [`Reader::is_full`] first.
    pub(crate) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            ready!(self.stream.0.poll_read_ready(cx))?;
            self.buffer = self.buffers.take();
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.stream.poll_read(cx, room) {
            Poll::Ready(Ok(count)) => {
                self.end += count;
                Poll::Ready(Ok(count))
            }
            other => {
                self.consume(0);
                other
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            self.buffers.give_back(std::mem::take(&mut self.buffer));
        }
    }
}
