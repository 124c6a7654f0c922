//! HTTP/2 client: many requests at once over one connection to a backend.

use super::body::Data;
use super::link::{Io, Link};
use super::piece::Piece;
use crate::http1::body::BodyError;
use crate::http1::client::{ExchangeError, MAX_INTERIM, Terms};
use crate::io::{Buffers, Reader, Stream};
use crate::lines::{self, HeadFault, MAX_FIELDS, ResponseLines};
use crate::request_body::RequestBody;
use crate::settings::Keepalive;
use crate::ticks::{Ended, Timer};
use crate::trailers;
use crate::upstream::circuit::OpenConnection;
use crate::upstream::pool::ConnectionLease;
use crate::upstream::wear::ConnectionUsage;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use haechi_core::Fields;
use http::{Method, StatusCode};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// What a backend may send on a stream before the client has taken it, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What waits to be written on a stream, in bytes.
const SEND_BUFFER: usize = 32 * 1024;
/// Streams on a new connection, until the backend has said how many it takes.
const FIRST_STREAMS: usize = 100;
/// The most that is handed to `h2` at once, in bytes.
const PIECE: usize = 16 * 1024;

/// A connection to a backend that carries many exchanges at once.
pub(crate) struct Multiplexed {
    send: SendRequest<Piece>,
    /// Exchanges in progress.
    streams: Cell<usize>,
    over: Rc<Cell<bool>>,
    peer: SocketAddr,
    open: OpenConnection,
    buffers: Buffers,
    wear: ConnectionUsage,
}

/// One exchange on a connection.
struct OneStream(Rc<Multiplexed>);

/// An exchange that failed.
pub(crate) struct Failed {
    pub(crate) error: ExchangeError,
    /// The request's body and its place, when nothing of it was taken and the backend has not looked at the request (RFC 9113 8.7).
    pub(crate) unprocessed: Option<(RequestBody, ConnectionLease)>,
}

impl Multiplexed {
    /// Begins to speak HTTP/2 on a fresh connection.
    pub(crate) async fn begin(
        buffers: &Buffers,
        stream: Stream,
        peer: SocketAddr,
        open: OpenConnection,
        answer_head: usize,
    ) -> Result<Rc<Self>, h2::Error> {
        // HTTP/2 counts 32 bytes more for each field (RFC 9113 6.5.2).
        let list = u32::try_from(answer_head + 32 * MAX_FIELDS).unwrap_or(u32::MAX);
        let link = Link::plain(Reader::new(Rc::new(stream), buffers.clone()));
        let (send, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(list)
            .initial_max_send_streams(FIRST_STREAMS)
            .handshake(Io(link))
            .await?;
        let over = Rc::new(Cell::new(false));
        let told = over.clone();
        tokio::task::spawn_local(async move {
            // How it ended is for its streams to tell.
            let _ = connection.await;
            told.set(true);
        });
        Ok(Rc::new(Self {
            send,
            streams: Cell::new(0),
            over,
            peer,
            open,
            buffers: buffers.clone(),
            wear: ConnectionUsage::none(),
        }))
    }

    /// Whether new exchanges can begin: the backend has neither closed it nor said goodbye, it leads to where its endpoint still is, and it was not kept for too long.
    pub(crate) fn is_usable(&self, most: &Keepalive) -> bool {
        if self.wear.is_out(most) {
            return false;
        }
        let mut send = self.send.clone();
        let ready = send.poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.over.get() && self.open.endpoint().is_at(self.peer) && matches!(ready, Poll::Ready(Ok(())))
    }

    /// Whether it carries as many exchanges as the backend takes.
    pub(crate) fn is_full(&self) -> bool {
        self.streams.get() >= self.send.current_max_send_streams()
    }

    /// Whether it is TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.open.endpoint().tls().is_some()
    }

    /// Exchanges in progress.
    pub(crate) const fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Sends `request` with `body` and waits for the head of the answer. The request's body may still be on its way when this returns: reading
    /// the answer goes on sending it.
    pub(crate) async fn exchange(
        self: Rc<Self>,
        request: http::Request<()>,
        body: RequestBody,
        lease: ConnectionLease,
        timer: &Timer,
        terms: &Terms<'_>,
    ) -> Result<(ResponseLines, UpstreamBody), Failed> {
        let bodiless = matches!(body, RequestBody::Empty);
        let head_only = request.method() == Method::HEAD;
        let one = OneStream::of(self.clone());
        let sent = self.send.clone().send_request(request, bodiless);
        let (mut answer, out) = match sent {
            Ok(sent) => sent,
            Err(_) => {
                return Err(Failed { error: ExchangeError::Untouched, unprocessed: Some((body, lease)) });
            }
        };
        let buffers = self.buffers.clone();
        let mut upload =
            Upload { body, out, state: State::of(bodiless), taken: 0, waits_for_client: false, buffers };
        let head = match answer_head(&mut answer, &mut upload, timer, terms).await {
            Ok(head) => head,
            Err(ExchangeFailure::Gate(error)) => return Err(Failed { error, unprocessed: None }),
            Err(ExchangeFailure::Backend(error)) => return Err(upload.failed(&error, lease)),
        };
        let (parts, recv) = head.into_parts();
        let fields = fields(&parts.headers);
        let length = lines::content_length(&fields);
        let length = length.map_err(|fault| Failed { error: fault.into(), unprocessed: None })?;
        if parts.status.is_informational() {
            // Nobody asked for another protocol, and 101 does not exist in HTTP/2.
            return Err(Failed { error: HeadFault::Malformed.into(), unprocessed: None });
        }
        // An answer to `HEAD` and 304 end with their heads, and say nothing of a length by that.
        let tells_nothing = head_only || parts.status == StatusCode::NOT_MODIFIED || !recv.is_end_stream();
        let body = UpstreamBody {
            data: Data::new(recv, &self.buffers),
            upload: (!upload.is_done()).then_some(upload),
            stall: terms.answer_stall,
            length: if tells_nothing { length } else { length.or(Some(0)) },
            trailers: None,
            _one: one,
            _home: lease,
        };
        Ok((ResponseLines { status: parts.status, fields }, body))
    }
}

impl OneStream {
    fn of(connection: Rc<Multiplexed>) -> Self {
        connection.wear.count();
        connection.streams.set(connection.streams.get() + 1);
        Self(connection)
    }
}

impl Drop for OneStream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
    }
}

enum ExchangeFailure {
    Gate(ExchangeError),
    Backend(h2::Error),
}

/// The head of the answer, while the request's body goes on.
async fn answer_head(
    answer: &mut ResponseFuture,
    upload: &mut Upload,
    timer: &Timer,
    terms: &Terms<'_>,
) -> Result<http::Response<h2::RecvStream>, ExchangeFailure> {
    let mut interim = 0;
    loop {
        let limit = terms.limit(upload.is_done() || !upload.waits_for_client);
        let (taken, holds) = (upload.taken, !upload.is_done());
        let step = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = upload.poll(cx) {
                return Poll::Ready(Err(ExchangeFailure::Gate(ExchangeError::Client(error))));
            }
            while let Poll::Ready(Some(Ok(early))) = answer.poll_informational(cx) {
                interim += 1;
                if interim > MAX_INTERIM {
                    return Poll::Ready(Err(ExchangeFailure::Gate(HeadFault::TooLarge.into())));
                }
                if early.status() != StatusCode::CONTINUE {
                    let fields = fields(early.headers());
                    (terms.interim)(&ResponseLines { status: early.status(), fields });
                }
            }
            match Pin::new(&mut *answer).poll(cx) {
                Poll::Ready(Ok(head)) => Poll::Ready(Ok(Some(head))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(ExchangeFailure::Backend(error))),
                Poll::Pending if upload.taken != taken => Poll::Ready(Ok(None)),
                Poll::Pending => Poll::Pending,
            }
        });
        let waited = if holds {
            timer.limit_holding(limit, step).await
        } else {
            timer.limit(limit, step).await.map_err(Ended::from)
        };
        match waited {
            Ok(Ok(Some(head))) => return Ok(head),
            Ok(Ok(None)) => {}
            Ok(Err(trouble)) => return Err(trouble),
            Err(_) if upload.waits_for_client => {
                return Err(ExchangeFailure::Gate(ExchangeError::Client(BodyError::Stalled)));
            }
            Err(Ended::Pressed) => return Err(ExchangeFailure::Gate(ExchangeError::MemoryShort)),
            Err(Ended::Elapsed) => return Err(ExchangeFailure::Gate(ExchangeError::TooSlow)),
        }
    }
}

fn fields(map: &http::HeaderMap) -> Fields {
    let mut fields = Fields::with_capacity(map.len(), 512);
    for (name, value) in map {
        fields.push(name.as_str().as_bytes(), value.as_bytes().trim_ascii());
    }
    fields
}

/// A request's body on its way to a backend.
struct Upload {
    body: RequestBody,
    out: SendStream<Piece>,
    state: State,
    /// Bytes of the body so far.
    taken: u64,
    waits_for_client: bool,
    buffers: Buffers,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    Done,
    /// The backend takes no more; its answer may still be whole.
    Abandoned,
}

impl State {
    const fn of(bodiless: bool) -> Self {
        if bodiless { Self::Done } else { Self::Sending }
    }
}

impl Upload {
    /// Whether it is the backend who does not get on.
    fn is_held(&self) -> bool {
        !self.is_done() && !self.waits_for_client
    }

    fn is_done(&self) -> bool {
        self.state != State::Sending
    }

    /// Goes on as far as the client sends and the backend takes. The error is the client's.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.state == State::Sending {
            self.waits_for_client = true;
            let count = ready!(self.body.poll_ready(cx))?;
            self.waits_for_client = false;
            if count == 0 {
                self.send(Vec::new(), true);
                continue;
            }
            self.out.reserve_capacity(count.min(PIECE));
            let room = self.out.capacity();
            if room == 0 {
                match ready!(self.out.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    _ => self.state = State::Abandoned,
                }
                continue;
            }
            let mut piece = Vec::new();
            let count = count.min(room).min(PIECE);
            self.body.take_into(count, &mut piece, |out, data| out.extend_from_slice(data));
            self.taken += count as u64;
            self.send(piece, false);
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, piece: Vec<u8>, ends: bool) {
        match self.out.send_data(Piece::new(piece, &self.buffers), ends) {
            Ok(()) if ends => self.state = State::Done,
            Ok(()) => {}
            Err(_) => self.state = State::Abandoned,
        }
    }

    /// What the backend's refusal means for the request.
    fn failed(self, error: &h2::Error, lease: ConnectionLease) -> Failed {
        // A stream above the last one of a GOAWAY fails with it; one that was looked at fails with the connection instead.
        let unprocessed = error.is_remote()
            && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
            && self.taken == 0;
        Failed { error: ExchangeError::Untouched, unprocessed: unprocessed.then_some((self.body, lease)) }
    }
}

/// The body of a backend's answer. Dropped before its end it resets the stream, and the connection goes on.
pub(crate) struct UpstreamBody {
    data: Data,
    upload: Option<Upload>,
    stall: Duration,
    length: Option<u64>,
    trailers: Option<Fields>,
    _one: OneStream,
    _home: ConnectionLease,
}

impl UpstreamBody {
    /// Whether the answer has ended, and nothing of the request is left to send.
    pub(crate) fn is_over(&self) -> bool {
        self.upload.is_none() && self.data.is_over()
    }

    /// The length in bytes, where the backend told it.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Grows while the request's body goes on.
    pub(crate) fn uploaded(&self) -> u64 {
        self.upload.as_ref().map_or(u64::MAX, |upload| upload.taken)
    }

    /// Whether part of the request waits for the backend to take it.
    pub(crate) fn holds_upload(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_held)
    }

    /// How long to wait for the next piece.
    pub(crate) const fn stall(&self) -> Duration {
        self.stall
    }

    /// How many bytes can be taken now; 0 at the end, when the trailer fields are known too.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        self.poll_upload(cx);
        match ready!(self.data.poll_ready(cx))? {
            0 => {
                if let Some(map) = ready!(self.data.poll_trailers(cx))? {
                    self.trailers = trailers::passed_on(&fields(&map));
                }
                Poll::Ready(Ok(0))
            }
            count => Poll::Ready(Ok(count)),
        }
    }

    /// Takes up to `count` of the ready bytes to the end of `out`.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        self.data.take_into(count, out, encode);
    }

    /// The trailer fields that may be passed on, once the body has ended.
    pub(crate) fn trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    /// Goes on sending what is left of the request.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(upload) = &mut self.upload
            && upload.poll(cx).is_ready()
        {
            self.upload = None;
        }
    }
}
