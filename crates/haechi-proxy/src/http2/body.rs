//! A request's body from a stream. The client's window opens again only as the bytes are taken.

use super::waiting::WaitingFrames;
use crate::http1::body::BodyError;
use crate::interim::Interim;
use crate::io::{Buffers, Charge};
use bytes::{Buf, Bytes};
use h2::RecvStream;
use haechi_core::Fields;
use http::{HeaderMap, StatusCode};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The body of an HTTP/2 request.
pub(crate) struct InboundBody {
    data: Rc<RefCell<Data>>,
    length: Option<u64>,
    /// Bytes that may still come before the limit is passed.
    allowance: u64,
    /// Where interim answers go, while the client waits for 100 (Continue).
    waiting: Option<Interim>,
}

impl InboundBody {
    /// At most `limit` bytes.
    pub(crate) const fn new(
        data: Rc<RefCell<Data>>,
        length: Option<u64>,
        limit: u64,
        waiting: Option<Interim>,
    ) -> Self {
        Self { data, length, allowance: limit, waiting }
    }

    /// How many bytes can be taken now; 0 at the end. Trailers of a client go no further.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        if let Some(waiting) = self.waiting.take() {
            waiting.push(StatusCode::CONTINUE, Fields::default());
        }
        let ready = ready!(self.data.borrow_mut().poll_ready(cx))?;
        Poll::Ready(if ready as u64 > self.allowance { Err(BodyError::TooLarge) } else { Ok(ready) })
    }

    /// Takes up to `count` of the ready bytes to the end of `out`.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        self.data.borrow_mut().take_into(count, out, encode);
        self.allowance = self.allowance.saturating_sub(count as u64);
    }

    /// The length in bytes, where the client told it.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Bounds what may still be read.
    pub(crate) const fn limit(&mut self, bytes: u64) {
        self.allowance = bytes;
    }
}

/// What arrives on a stream, in either direction.
pub(crate) struct Data {
    stream: RecvStream,
    piece: Bytes,
    /// What has arrived and was not taken: it waits in `h2`, as far as the window goes.
    waiting: Charge,
    frames: WaitingFrames,
}

impl Data {
    /// From the beginning of the body. What waits of it counts in `buffers`.
    pub(crate) fn new(stream: RecvStream, buffers: &Buffers) -> Self {
        Self::with(stream, buffers, WaitingFrames::default())
    }

    /// The same, with the frames that wait.
    pub(super) fn with(stream: RecvStream, buffers: &Buffers, frames: WaitingFrames) -> Self {
        let mut data = Self { stream, piece: Bytes::new(), waiting: buffers.charge(0), frames };
        data.count();
        data
    }

    /// Counts anew what has arrived and was not taken. Returns how many bytes it is.
    pub(super) fn count(&mut self) -> usize {
        let waiting = self.stream.flow_control().used_capacity();
        self.waiting.set(waiting);
        waiting
    }

    /// Whether nothing more comes, trailer fields neither.
    pub(crate) fn is_over(&self) -> bool {
        self.piece.is_empty() && self.stream.is_end_stream()
    }

    /// How many bytes can be taken now; 0 at the end.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        while self.piece.is_empty() {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) => {
                    self.piece = piece;
                    self.frames.taken();
                    self.count();
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(0)),
            }
        }
        Poll::Ready(Ok(self.piece.len()))
    }

    /// The trailer fields, once the body has ended.
    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, BodyError>> {
        let trailers = std::pin::pin!(self.stream.trailers()).poll(cx);
        trailers.map(|outcome| outcome.map_err(broken))
    }

    /// Reads what nobody wants to its end, and lets the client send the rest of it.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.stream.poll_data(cx)) {
                // Released at once, so that the client can go on to its end.
                Some(Ok(data)) => {
                    drop(self.stream.flow_control().release_capacity(data.len()));
                    self.frames.taken();
                    self.count();
                }
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }

    /// Takes up to `count` of the ready bytes to the end of `out`, and lets the other side send as many more.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        let count = count.min(self.piece.len());
        encode(out, self.piece.get(..count).unwrap_or_default());
        self.piece.advance(count);
        // Only as much is released as was received, which is all that can go wrong.
        let _ = self.stream.flow_control().release_capacity(count);
        self.waiting.shrink(count);
    }
}

fn broken(error: h2::Error) -> BodyError {
    match error.into_io() {
        Some(error) => BodyError::Io(error),
        None => BodyError::Truncated,
    }
}
