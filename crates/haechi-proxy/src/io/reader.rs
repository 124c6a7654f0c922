//! Buffers that connections hold only while bytes wait in them.

use super::stream::Stream;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// How much one read takes at most, in bytes; also the limit of what a [`Reader`] holds unread.
pub(crate) const BUFFER: usize = 16 * 1024;
const KEPT_BUFFERS: usize = 256;

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
            ready!(self.stream.poll_readable(cx))?;
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
