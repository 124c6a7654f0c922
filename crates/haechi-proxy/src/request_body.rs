//! A request's body, independent of the protocol version that carries it.

use crate::held_body::WholeBody;
use crate::http1::body::BodyError;
use crate::http1::request_body::InboundBody;
use crate::http2::body::InboundBody as Http2Body;
use std::task::{Context, Poll};

/// A request's body.
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// From an HTTP/1.1 client.
    Http1(InboundBody),
    /// From an HTTP/2 client.
    Http2(Http2Body),
    /// Read whole, and compared with what was signed.
    Whole(WholeBody),
}

impl RequestBody {
    /// How many bytes can be taken now; 0 at the end.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        match self {
            Self::Empty => Poll::Ready(Ok(0)),
            Self::Http1(body) => body.poll_ready(cx),
            Self::Http2(body) => body.poll_ready(cx),
            Self::Whole(body) => Poll::Ready(Ok(body.left())),
        }
    }

    /// Takes up to `count` of the ready bytes to the end of `out`. Returns how many.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        match self {
            Self::Empty => {}
            Self::Http1(body) => body.take_into(count, out, encode),
            Self::Http2(body) => body.take_into(count, out, encode),
            Self::Whole(body) => body.take_into(count, out, encode),
        }
    }

    /// The length in bytes, where it is known beforehand.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Http1(body) => body.length(),
            Self::Http2(body) => body.length(),
            Self::Whole(body) => Some(body.left() as u64),
        }
    }

    /// Bounds what may still be read.
    pub(crate) fn limit(&mut self, bytes: u64) {
        match self {
            Self::Empty => {}
            Self::Http1(body) => body.limit(bytes),
            Self::Http2(body) => body.limit(bytes),
            // It is here already.
            Self::Whole(_) => {}
        }
    }
}
