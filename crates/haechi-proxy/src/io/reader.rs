//! Reading: what has arrived is held, and no more memory than it needs.

use super::buffers::{BUFFER, Buffers};
use super::stream::Stream;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

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

    /// The worker's buffers.
    pub(crate) const fn buffers(&self) -> &Buffers {
        &self.buffers
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
        self.poll_more_within(cx, BUFFER)
    }

    /// The same, while less than `most` bytes are unread: what must be there whole, such as a head, may need more than one buffer.
    pub(crate) fn poll_more_within(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        if self.end == self.buffer.len() {
            ready!(self.make_room(cx, most.max(BUFFER)))?;
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.stream.poll_read(cx, room) {
            Poll::Ready(Ok(count)) => {
                self.end += count;
                Poll::Ready(Ok(count))
            }
            other => {
                self.park();
                other
            }
        }
    }

    /// Finds room behind the unread bytes; takes a buffer for it only when there is something to read.
    fn make_room(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let unread = self.end - self.start;
        if self.start > 0 && unread <= self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
        } else if unread < most {
            ready!(self.stream.poll_readable(cx))?;
            let mut larger = match unread {
                0 => self.buffers.lend(),
                1..BUFFER => self.buffers.lend_whole(),
                _ => self.buffers.lend_sized((2 * unread).min(most)),
            };
            if let Some(front) = larger.get_mut(..unread) {
                front.copy_from_slice(self.unread());
            }
            self.replace(larger);
        } else {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        (self.start, self.end) = (0, unread);
        Poll::Ready(Ok(()))
    }

    /// Nothing more has arrived: what waits for the rest, such as half a head, should not keep a buffer that is mostly empty.
    fn park(&mut self) {
        let unread = self.end - self.start;
        if unread == 0 {
            self.consume(0);
        } else if unread <= self.buffer.len() / 2 {
            let exact = self.buffers.lend_exact(self.unread());
            self.replace(exact);
            (self.start, self.end) = (0, unread);
        }
    }

    fn replace(&mut self, buffer: Vec<u8>) {
        let former = std::mem::replace(&mut self.buffer, buffer);
        if !former.is_empty() {
            self.buffers.give_back(former);
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
