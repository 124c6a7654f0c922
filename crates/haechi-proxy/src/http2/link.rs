//! The bytes below `h2`: a connection's reader and stream behind the traits that it wants, with the guard in between.

use super::guard::{Flood, FrameLimits, Guard};
use crate::io::{Charge, Reader, Stream};
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Write once this much is waiting, in bytes.
const WRITE_AT: usize = 16 * 1024;

/// What the connection and `h2` share.
pub(crate) struct Link {
    stream: Rc<Stream>,
    reader: RefCell<Reader>,
    out: RefCell<WriteBuffer>,
    guard: Option<RefCell<Guard>>,
    flood: Cell<Option<Flood>>,
}

/// Frames on their way to the socket, gathered so that many leave in one write.
#[derive(Default)]
struct WriteBuffer {
    bytes: Vec<u8>,
    written: usize,
    /// Whether the socket takes no more at the moment.
    blocked: bool,
    /// Grows with every write.
    progress: u64,
    /// What waits while the socket takes no more.
    waiting: Option<Charge>,
}

/// A [`Link`] as `h2` sees it.
pub(crate) struct Io(pub(crate) Rc<Link>);

impl Link {
    /// With a client at the other end, whose frames are counted.
    pub(crate) fn guarded(reader: Reader, limits: FrameLimits) -> Rc<Self> {
        Rc::new(Self::new(reader, Some(RefCell::new(Guard::new(limits, Instant::now())))))
    }

    /// With a backend at the other end.
    pub(crate) fn plain(reader: Reader) -> Rc<Self> {
        Rc::new(Self::new(reader, None))
    }

    fn new(reader: Reader, guard: Option<RefCell<Guard>>) -> Self {
        let stream = reader.stream().clone();
        Self { stream, reader: RefCell::new(reader), out: RefCell::default(), guard, flood: Cell::new(None) }
    }

    /// The limit that was passed, if any. Nothing is read any more after it.
    pub(crate) const fn flood(&self) -> Option<Flood> {
        self.flood.get()
    }

    /// Hands out, by stream, how many frames of bodies have come from the client since the last call. Returns how many bytes have arrived in all,
    /// where there were any such frames.
    pub(crate) fn take_data(&self, each: impl FnMut(u32, usize)) -> Option<u64> {
        let mut guard = self.guard.as_ref()?.borrow_mut();
        guard.take_data(each).then(|| guard.total())
    }

    /// Whether the other side is in the middle of a head.
    pub(crate) fn is_in_head(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.borrow().is_in_head())
    }

    /// How far writing has come, while the socket takes no more.
    pub(crate) fn blocked(&self) -> Option<u64> {
        let out = self.out.borrow();
        out.blocked.then_some(out.progress)
    }

    /// Lets go of the memory that an idle connection does not need.
    pub(crate) fn rest(&self) {
        let mut out = self.out.borrow_mut();
        if out.bytes.is_empty() {
            out.bytes = Vec::new();
        }
    }

    /// Reads on to the end, so that the kernel does not reset the connection before the other side has read our last word.
    pub(crate) fn poll_linger(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut reader = self.reader.borrow_mut();
        loop {
            let unread = reader.unread().len();
            reader.consume(unread);
            if !matches!(ready!(reader.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.flood.get().is_some() {
            return Poll::Pending;
        }
        let mut reader = self.reader.borrow_mut();
        if reader.unread().is_empty() && ready!(reader.poll_more(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let unread = reader.unread();
        let arrived = unread.get(..unread.len().min(into.remaining())).unwrap_or_default();
        let seen = self.guard.as_ref().map(|guard| guard.borrow_mut().read(arrived, Instant::now()));
        if let Some(Err(flood)) = seen {
            // The connection looks for this after every poll, so nobody needs to be woken.
            self.flood.set(Some(flood));
            return Poll::Pending;
        }
        into.put_slice(arrived);
        let count = arrived.len();
        reader.consume(count);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.borrow().bytes.len() >= WRITE_AT {
            ready!(self.poll_flush(cx))?;
        }
        self.out.borrow_mut().bytes.extend_from_slice(bytes);
        if let Some(guard) = &self.guard {
            guard.borrow_mut().wrote(bytes.len());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.out.borrow_mut();
        while out.written < out.bytes.len() {
            let rest = out.bytes.get(out.written..).unwrap_or_default();
            match self.stream.poll_write(cx, rest) {
                Poll::Ready(count) => {
                    out.written += count?;
                    out.progress += 1;
                }
                Poll::Pending => {
                    out.blocked = true;
                    if out.waiting.is_none() {
                        let held = out.bytes.capacity() + self.stream.held_behind();
                        out.waiting = Some(self.reader.borrow().buffers().charge(held));
                    }
                    return Poll::Pending;
                }
            }
        }
        out.bytes.clear();
        (out.written, out.blocked, out.waiting) = (0, false, None);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, into)
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_flush(cx))?;
        self.0.stream.end_writing();
        Poll::Ready(Ok(()))
    }
}
