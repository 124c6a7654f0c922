//! A response on its way to the client, independent of the protocol version that carries it.

use crate::http1::body::BodyError;
use crate::http1::client::UpstreamBody;
use crate::http2::client::UpstreamBody as Http2UpstreamBody;
use crate::outcome::LostAccess;
use crate::record::Record;
use crate::websocket::tunnel::Tunnel;
use haechi_authn::LocalFuture;
use haechi_core::Fields;
use http::StatusCode;
use std::task::{Context, Poll};
use std::time::Duration;

/// An answer on its way to the client.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    /// Without framing and hop-by-hop fields: the codec writes those.
    pub(crate) fields: Fields,
    pub(crate) body: ResponseBody,
    /// Whether the connection cannot be relied on after this answer.
    pub(crate) close: bool,
    /// The access-log line, written when the answer has left or was given up.
    pub(crate) record: Record,
}

/// An answer's body.
pub(crate) enum ResponseBody {
    /// Ours, whole.
    Full(Vec<u8>),
    /// A gRPC message of ours, behind which the call has succeeded.
    Message(Vec<u8>),
    /// From an HTTP/1.1 backend.
    Http1(Box<UpstreamBody>),
    /// Not a body: what the connection or stream becomes. The codec runs it in place of sending a body.
    Tunnel(Box<Tunnel>),
    /// From an HTTP/2 backend.
    Http2(Box<Http2UpstreamBody>),
    /// One of these, for as long as the caller may have it.
    Revocable(Box<RevocableBody>),
}

/// So many bytes of an answer leave before it is watched.
const UNCHECKED: usize = 16 * 1024;

/// A body, and what resolves when the caller may no longer have it.
pub(crate) struct RevocableBody {
    body: ResponseBody,
    access_lost: LocalFuture<LostAccess>,
    lost: Option<LostAccess>,
    /// Bytes of the body so far.
    taken: usize,
}

impl RevocableBody {
    /// The body's next bytes. An answer that is there at once, and not long, is over before anything could be taken away: it is not watched.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        let ready = self.body.poll_ready(cx);
        let over = matches!(ready, Poll::Ready(Ok(0) | Err(_)));
        if over || (ready.is_ready() && self.taken <= UNCHECKED) {
            return ready;
        }
        self.poll_lost(cx).map_or(ready, |lost| Poll::Ready(Err(BodyError::AccessLost(lost))))
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Option<LostAccess> {
        if self.lost.is_none()
            && let Poll::Ready(lost) = self.access_lost.as_mut().poll(cx)
        {
            self.lost = Some(lost);
        }
        self.lost
    }
}

impl ResponseBody {
    /// The same, broken off when `access_lost` resolves.
    pub(crate) fn revocable(self, access_lost: LocalFuture<LostAccess>) -> Self {
        Self::Revocable(Box::new(RevocableBody { body: self, access_lost, lost: None, taken: 0 }))
    }

    /// The length in bytes, where it is known beforehand; also of a body that is not sent (to `HEAD`, 304).
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Http1(body) => body.length(),
            Self::Http2(body) => body.length(),
            Self::Revocable(body) => body.body.length(),
            Self::Tunnel(_) | Self::Message(_) => None,
        }
    }

    /// Whether it is known to have ended already, and nothing of the request is left to send.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Http1(_) | Self::Tunnel(_) | Self::Message(_) => false,
            Self::Http2(body) => body.is_over(),
            Self::Revocable(body) => body.body.is_over(),
        }
    }

    /// How long to wait for the next piece.
    pub(crate) fn stall(&self) -> Duration {
        match self {
            Self::Full(_) | Self::Message(_) | Self::Tunnel(_) => Duration::MAX,
            Self::Http1(body) => body.stall(),
            Self::Http2(body) => body.stall(),
            Self::Revocable(body) => body.body.stall(),
        }
    }

    /// Grows while the request's body goes on.
    pub(crate) fn uploaded(&self) -> u64 {
        match self {
            Self::Full(_) | Self::Message(_) | Self::Tunnel(_) => 0,
            Self::Http1(body) => body.uploaded(),
            Self::Http2(body) => body.uploaded(),
            Self::Revocable(body) => body.body.uploaded(),
        }
    }

    /// Whether part of the request waits here for a backend that does not take it.
    pub(crate) fn holds_upload(&self) -> bool {
        match self {
            Self::Full(_) | Self::Message(_) | Self::Tunnel(_) => false,
            Self::Http1(body) => body.holds_upload(),
            Self::Http2(body) => body.holds_upload(),
            Self::Revocable(body) => body.body.holds_upload(),
        }
    }

    /// Waits for the next bytes. `None` when the request's body moved on instead, so that the stream is not silent.
    pub(crate) fn poll_moved(
        &mut self,
        cx: &mut Context<'_>,
        uploaded: u64,
    ) -> Poll<Option<Result<usize, BodyError>>> {
        match self.poll_ready(cx) {
            Poll::Ready(ready) => Poll::Ready(Some(ready)),
            Poll::Pending if self.uploaded() != uploaded => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// How many bytes can be taken now; 0 at the end. Goes on sending what is left of the request meanwhile.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        match self {
            Self::Full(bytes) | Self::Message(bytes) => Poll::Ready(Ok(bytes.len())),
            Self::Tunnel(_) => Poll::Ready(Ok(0)),
            Self::Http1(body) => body.poll_ready(cx),
            Self::Http2(body) => body.poll_ready(cx),
            Self::Revocable(body) => body.poll_ready(cx),
        }
    }

    /// Takes up to `count` of the ready bytes to the end of `out`.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        match self {
            Self::Full(bytes) | Self::Message(bytes) => {
                encode(out, bytes.get(..count).unwrap_or_default());
                bytes.drain(..count.min(bytes.len()));
            }
            Self::Http1(body) => body.take_into(count, out, encode),
            Self::Tunnel(_) => {}
            Self::Http2(body) => body.take_into(count, out, encode),
            Self::Revocable(watched) => {
                watched.taken = watched.taken.saturating_add(count);
                watched.body.take_into(count, out, encode);
            }
        }
    }

    /// The trailer fields that may be passed on, once the body has ended; `None` where there are none.
    pub(crate) fn trailers(&mut self) -> Option<Fields> {
        match self {
            Self::Full(_) | Self::Tunnel(_) => None,
            Self::Message(_) => {
                let mut fields = Fields::with_capacity(1, 12);
                fields.push(b"grpc-status", b"0");
                Some(fields)
            }
            Self::Http1(body) => body.trailers(),
            Self::Http2(body) => body.trailers(),
            Self::Revocable(body) => body.body.trailers(),
        }
    }

    /// Goes on sending what is left of the request, while the client is slow to take the answer.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Full(_) | Self::Message(_) | Self::Tunnel(_) => {}
            Self::Http1(body) => body.poll_upload(cx),
            Self::Http2(body) => body.poll_upload(cx),
            Self::Revocable(body) => body.body.poll_upload(cx),
        }
    }
}
