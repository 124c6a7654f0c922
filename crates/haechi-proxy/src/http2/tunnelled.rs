//! A stream that carries something other than a body (RFC 8441): bytes both ways, under flow control.

use super::body::Data;
use super::piece::Piece;
use crate::io::Buffers;
use h2::SendStream;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The most that is held unread, and handed to `h2` at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Both directions of a stream after its handshake.
pub(crate) struct Tunnelled {
    data: Rc<RefCell<Data>>,
    out: SendStream<Piece>,
    /// Arrived, from here on unread.
    buffer: Vec<u8>,
    start: usize,
    buffers: Buffers,
}

impl Tunnelled {
    pub(super) const fn new(data: Rc<RefCell<Data>>, out: SendStream<Piece>, buffers: Buffers) -> Self {
        Self { data, out, buffer: Vec::new(), start: 0, buffers }
    }

    /// What has arrived and was not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Forgets the first `count` unread bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        if self.start == self.buffer.len() {
            // Nothing is held while nothing waits.
            (self.buffer, self.start) = (Vec::new(), 0);
        }
    }

    /// Reads more; `Ok(0)` at the end. What is taken opens the client's window again.
    pub(crate) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut data = self.data.borrow_mut();
        match ready!(data.poll_ready(cx)) {
            Ok(0) => Poll::Ready(Ok(0)),
            Ok(count) => {
                self.buffer.drain(..self.start);
                self.start = 0;
                let count = count.min(PIECE);
                data.take_into(count, &mut self.buffer, |buffer, bytes| buffer.extend_from_slice(bytes));
                Poll::Ready(Ok(count))
            }
            Err(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// Writes some of `bytes`, as far as the client's window goes.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.out.reserve_capacity(bytes.len().min(PIECE));
        while self.out.capacity() == 0 {
            match ready!(self.out.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                _ => return Poll::Ready(Err(gone())),
            }
        }
        let count = self.out.capacity().min(bytes.len()).min(PIECE);
        let piece = Piece::new(bytes.get(..count).unwrap_or_default().to_vec(), &self.buffers);
        Poll::Ready(self.out.send_data(piece, false).map(|()| count).map_err(|_| gone()))
    }

    /// Tells the other side that nothing more will be written.
    pub(crate) fn end_writing(&mut self) {
        // A stream that is gone needs no telling.
        let _ = self.out.send_data(Piece::empty(), true);
    }
}
