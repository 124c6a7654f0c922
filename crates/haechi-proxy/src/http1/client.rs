//! HTTP/1.1 client: one request and its response over a connection to a backend.

use super::body::{BodyError, Decoder, Framing, LAST_CHUNK, encode_chunk};
use super::head::{self, HeadScan, Http1Answer};
use crate::io::{Buffers, Charge, Reader, Stream};
use crate::lines::{HeadFault, HeadLimits, MAX_FIELDS, ResponseLines};
use crate::outcome::MEMORY_SHORT;
use crate::request_body::RequestBody;
use crate::settings::Keepalive;
use crate::ticks::{Ended, Timer};
use crate::trailers;
use crate::upstream::circuit::OpenConnection;
use crate::upstream::pool::ConnectionLease;
use crate::upstream::wear::ConnectionUsage;
use haechi_core::Fields;
use http::{Method, StatusCode};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Interim answers (RFC 9110 15.2) that a backend may send before the final one.
pub(crate) const MAX_INTERIM: usize = 8;

/// A connection to a backend that carries one exchange at a time.
pub(crate) struct UpstreamConnection {
    stream: Rc<Stream>,
    reader: Reader,
    wear: ConnectionUsage,
    /// Where it leads.
    peer: SocketAddr,
    open: OpenConnection,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The client's body broke off, stalled, or was over the limit.
    #[error("the request body: {0}")]
    Client(BodyError),
    /// The backend closed or reset the connection, and not a byte of an answer came.
    #[error("the backend closed the connection before it answered")]
    Untouched,
    /// The backend closed or reset the connection within its answer's head.
    #[error("the backend closed the connection before the end of its answer's head")]
    Closed,
    /// The backend's answer cannot be read.
    #[error("the backend's answer: {0}")]
    Answer(#[from] HeadFault),
    /// Memory is short, and the backend does not take the request's body.
    #[error("{MEMORY_SHORT}")]
    MemoryShort,
    /// The backend took longer than the service's `timeout`.
    #[error("the backend did not answer in time")]
    TooSlow,
}

/// How long each part of an exchange may take, and who is told of what comes before the answer.
pub(crate) struct Terms<'a> {
    /// The most bytes of the answer's head.
    pub(crate) head: usize,
    /// From the end of the request to the head of the answer; before it, between two pieces of the request that the backend takes.
    pub(crate) answer: Duration,
    /// Between two pieces of the request's body that the client sends.
    pub(crate) upload_stall: Duration,
    /// Between two pieces of the answer's body, while the request's body does not move either.
    pub(crate) answer_stall: Duration,
    /// Takes the interim answers. `100 Continue` is not among them: the gate itself asks the client for its body.
    pub(crate) interim: &'a dyn Fn(&ResponseLines),
    /// Whether the request asks for another protocol, so that 101 may answer it.
    pub(crate) switches: bool,
}

impl Terms<'_> {
    /// How long one step before the answer may take: the backend's, or the client's.
    pub(crate) const fn limit(&self, backend: bool) -> Duration {
        if backend { self.answer } else { self.upload_stall }
    }
}

impl UpstreamConnection {
    /// Takes over a fresh connection.
    pub(crate) fn new(stream: Stream, buffers: Buffers, peer: SocketAddr, open: OpenConnection) -> Self {
        let stream = Rc::new(stream);
        Self {
            reader: Reader::new(stream.clone(), buffers),
            stream,
            wear: ConnectionUsage::none(),
            peer,
            open,
        }
    }

    /// Whether it leads to where its endpoint still is.
    fn leads_there(&self) -> bool {
        self.open.endpoint().is_at(self.peer)
    }

    /// Whether the connection can take a request: nothing arrived unasked, the backend has not closed it, and it was not kept for too long.
    pub(crate) fn is_fresh(&self, most: &Keepalive) -> bool {
        self.reader.unread().is_empty()
            && self.leads_there()
            && self.stream.is_quiet()
            && !self.wear.is_out(most)
    }

    /// The same, with a second look while the backend has not yet shown that it keeps connections: one that closes after each answer
    /// without saying so may have closed this one a moment ago.
    pub(crate) fn is_reusable(&self, most: &Keepalive) -> bool {
        self.is_fresh(most) && (self.wear.requests() > 1 || self.stream.is_quiet_now())
    }

    /// What arrives on it, and its stream.
    pub(crate) const fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Sends `request_head` and `body` and waits for the head of the answer. The request's body may still be on its way when this
    /// returns: reading the answer goes on sending it.
    pub(crate) async fn exchange(
        mut self,
        request_head: Vec<u8>,
        body: RequestBody,
        method: &Method,
        lease: ConnectionLease,
        timer: &Timer,
        terms: &Terms<'_>,
    ) -> Result<(ResponseLines, UpstreamBody), ExchangeError> {
        self.wear.count();
        let mut upload = Upload::new(request_head, body, self.reader.buffers().clone());
        let mut interim = 0;
        let head = loop {
            let head = match self.answer_head(&mut upload, method, timer, terms).await {
                Err(ExchangeError::Untouched) if interim > 0 => return Err(ExchangeError::Closed),
                other => other?,
            };
            match head.lines.status.as_u16() {
                101 if terms.switches => break head,
                // Nobody asked for another protocol, so nobody may switch to it.
                101 => return Err(ExchangeError::Answer(HeadFault::Malformed)),
                100..200 if interim == MAX_INTERIM => {
                    return Err(ExchangeError::Answer(HeadFault::TooLarge));
                }
                100 => interim += 1,
                102..200 => {
                    interim += 1;
                    (terms.interim)(&head.lines);
                }
                _ => break head,
            }
        };
        let length = match head.framing {
            Framing::Length(length) => Some(length),
            Framing::None => head.declared_length,
            _ => None,
        };
        let body = UpstreamBody {
            decoder: Decoder::of_answer(head.framing),
            keep: head.keep_alive
                && upload.state != UploadState::Abandoned
                && head.lines.status != StatusCode::SWITCHING_PROTOCOLS,
            upload: if upload.is_done() { None } else { Some(upload) },
            stall: terms.answer_stall,
            connection: Some(self),
            length,
            lease,
        };
        Ok((head.lines, body))
    }

    async fn answer_head(
        &mut self,
        upload: &mut Upload,
        method: &Method,
        timer: &Timer,
        terms: &Terms<'_>,
    ) -> Result<Http1Answer, ExchangeError> {
        let mut scan = HeadScan::default();
        loop {
            let limit = terms.limit(upload.is_done() || !upload.waits_for_client);
            let (progress, holds) = (upload.progress, !upload.is_done());
            let step =
                poll_fn(|cx| self.poll_answer(cx, (upload, progress), method, (&mut scan, terms.head)));
            let step = if holds {
                timer.limit_holding(limit, step).await
            } else {
                timer.limit(limit, step).await.map_err(Ended::from)
            };
            match step {
                Ok(Ok(Some(head))) => return Ok(head),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) if upload.waits_for_client => {
                    return Err(ExchangeError::Client(BodyError::Stalled));
                }
                Err(Ended::Pressed) => return Err(ExchangeError::MemoryShort),
                Err(Ended::Elapsed) => return Err(ExchangeError::TooSlow),
            }
        }
    }

    /// The answer's head; `None` when the upload moved on, so that the limits start anew.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        (upload, progress): (&mut Upload, u64),
        method: &Method,
        (scan, most): (&mut HeadScan, usize),
    ) -> Poll<Result<Option<Http1Answer>, ExchangeError>> {
        match upload.poll(cx, &self.stream) {
            Poll::Ready(Err(UploadError::Client(error))) => {
                return Poll::Ready(Err(ExchangeError::Client(error)));
            }
            // A backend may refuse a body by answering and closing; its answer counts more than our failure to write.
            Poll::Ready(Err(UploadError::Backend)) => upload.abandon(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let moved = upload.progress != progress;
        loop {
            let unread = self.reader.unread();
            if !unread.is_empty()
                && let Some(length) = scan.complete(unread, HeadLimits { bytes: most, fields: MAX_FIELDS })?
            {
                let answer = head::response(unread.get(..length).unwrap_or_default(), method)?;
                self.reader.consume(length);
                return Poll::Ready(Ok(Some(answer)));
            }
            match self.reader.poll_more_within(cx, most) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) if self.reader.unread().is_empty() => {
                    return Poll::Ready(Err(ExchangeError::Untouched));
                }
                Poll::Ready(_) => return Poll::Ready(Err(ExchangeError::Closed)),
                Poll::Pending if moved => return Poll::Ready(Ok(None)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A request on its way to a backend: the head, then the body as the client sends it.
struct Upload {
    body: RequestBody,
    out: Vec<u8>,
    written: usize,
    chunked: bool,
    state: UploadState,
    /// Grows with every piece written.
    progress: u64,
    waits_for_client: bool,
    buffers: Buffers,
    /// What waits for the backend to take it.
    waiting: Option<Charge>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UploadState {
    Sending,
    Ending,
    Done,
    Abandoned,
}

enum UploadError {
    Client(BodyError),
    Backend,
}

impl Upload {
    fn new(head: Vec<u8>, body: RequestBody, buffers: Buffers) -> Self {
        let chunked = body.length().is_none();
        let state =
            if matches!(body, RequestBody::Empty) { UploadState::Ending } else { UploadState::Sending };
        Self {
            body,
            out: head,
            written: 0,
            chunked,
            state,
            progress: 0,
            waits_for_client: false,
            buffers,
            waiting: None,
        }
    }

    /// Whether it is the backend who does not get on.
    fn is_held(&self) -> bool {
        !self.is_done() && !self.waits_for_client
    }

    fn is_done(&self) -> bool {
        matches!(self.state, UploadState::Done | UploadState::Abandoned)
    }

    const fn abandon(&mut self) {
        self.state = UploadState::Abandoned;
    }

    fn poll(&mut self, cx: &mut Context<'_>, stream: &Stream) -> Poll<Result<(), UploadError>> {
        while !self.is_done() {
            if self.state == UploadState::Sending
                && self.out.len() < self.buffers.gather()
                && self.written == 0
            {
                self.gather(cx).map_err(UploadError::Client)?;
            }
            if self.out.is_empty() && self.state == UploadState::Sending {
                // A client that takes its time should not keep the memory of what it sent before.
                self.out = Vec::new();
                return Poll::Pending;
            }
            while self.written < self.out.len() {
                let rest = self.out.get(self.written..).unwrap_or_default();
                let Poll::Ready(written) = stream.poll_write(cx, rest) else {
                    let Self { buffers, out, waiting, .. } = self;
                    waiting.get_or_insert_with(|| buffers.charge(out.capacity()));
                    return Poll::Pending;
                };
                self.written += written.map_err(|_| UploadError::Backend)?;
                self.progress += 1;
            }
            self.out.clear();
            self.waiting = None;
            self.written = 0;
            if self.state == UploadState::Ending {
                self.state = UploadState::Done;
                self.out = Vec::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what the client has sent so far.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        while self.out.len() < self.buffers.gather() {
            match self.body.poll_ready(cx) {
                Poll::Pending => {
                    self.waits_for_client = true;
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => {
                    if self.chunked {
                        self.out.extend_from_slice(LAST_CHUNK);
                    }
                    self.state = UploadState::Ending;
                    break;
                }
                Poll::Ready(Ok(count)) => {
                    let chunked = self.chunked;
                    self.body.take_into(count, &mut self.out, |out, data| {
                        if chunked {
                            encode_chunk(out, data);
                        } else {
                            out.extend_from_slice(data);
                        }
                    });
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        self.waits_for_client = false;
        Ok(())
    }
}

/// The body of a backend's answer. Dropped before its end it closes the connection; at its end the connection goes back to its pool.
pub(crate) struct UpstreamBody {
    connection: Option<UpstreamConnection>,
    decoder: Decoder,
    upload: Option<Upload>,
    keep: bool,
    stall: Duration,
    length: Option<u64>,
    lease: ConnectionLease,
}

impl UpstreamBody {
    /// The length in bytes, where the backend told it.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The connection itself, after a 101.
    pub(crate) const fn take_connection(&mut self) -> Option<UpstreamConnection> {
        self.connection.take()
    }

    /// Grows while the request's body goes on.
    pub(crate) fn uploaded(&self) -> u64 {
        self.upload.as_ref().map_or(u64::MAX, |upload| upload.progress)
    }

    /// Whether part of the request waits for the backend to take it.
    pub(crate) fn holds_upload(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_held)
    }

    /// How long to wait for the next piece.
    pub(crate) const fn stall(&self) -> Duration {
        self.stall
    }

    /// How many bytes can be taken now; 0 at the end.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        self.poll_upload(cx);
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(0)) };
        self.decoder.poll_ready(cx, &mut connection.reader)
    }

    /// Takes up to `count` of the ready bytes to the end of `out`.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        if let Some(connection) = &mut self.connection {
            encode(out, connection.reader.unread().get(..count).unwrap_or_default());
            self.decoder.consume(&mut connection.reader, count);
        }
    }

    /// The trailer fields that may be passed on, once the body has ended.
    pub(crate) fn trailers(&self) -> Option<Fields> {
        self.decoder.trailers().and_then(trailers::passed_on)
    }

    /// Goes on sending what is left of the request.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        let (Some(upload), Some(connection)) = (&mut self.upload, &self.connection) else { return };
        match upload.poll(cx, &connection.stream) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.upload = None,
            Poll::Ready(Err(_)) => {
                // The answer may still be whole; the connection is not to be used again.
                upload.abandon();
                self.keep = false;
                self.upload = None;
            }
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.keep
            && self.upload.is_none()
            && self.decoder.is_done()
        {
            self.lease.take_back(connection);
        }
    }
}
