//! HTTP/2 server: serves one client connection, accepts its streams, and keeps the limits that no single stream can keep.

use super::bodies::Bodies;
use super::guard::{Flood, FrameLimits};
use super::link::{Io, Link};
use super::piece::Piece;
use super::stream;
use crate::io::Reader;
use crate::limits::Limit;
use crate::panic;
use crate::settings::Limits;
use crate::ticks::{Elapsed, Timer};
use crate::transport::Transport;
use crate::worker::Worker;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What a client may send on a stream before the backend has taken it, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection together, once one of them brings a body and while memory is not scarce.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The same before and otherwise; what every connection begins with (RFC 9113 6.9.2).
const SMALL_CONNECTION_WINDOW: u32 = 65_535;
/// What `h2` may keep for the sake of frames that are small, in bytes, while they are not taken.
const SMALL_FRAMES: usize = 512 * 1024;
/// What waits to be written on a stream, in bytes.
const SEND_BUFFER: usize = 32 * 1024;
/// What a stream in progress takes besides the bytes of its bodies and the futures that serve it: its place in `h2`, its record, a connection to a backend.
const STREAM: usize = 4 * 1024;
/// So many streams in a row are refused one by one when memory is exhausted; then the connection ends.
const REFUSED: u32 = 16;
/// What `h2` adds to each field when it counts a head (RFC 9113 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Serves streams from `reader`, which stands before the connection preface, until either side is done with the connection.
pub(crate) async fn serve(worker: Rc<Worker>, reader: Reader, transport: Rc<Transport>) {
    let limits = worker.limits();
    let frames = FrameLimits { resets: limits.http2_resets, settings: limits.http2_settings };
    let link = Link::guarded(reader, frames);
    let timer = worker.timer();
    let handshake = builder(&limits).handshake(Io(link.clone()));
    let Ok(Ok(h2)) = timer.limit(limits.header_read, handshake).await else { return };
    let open = Rc::<Open>::default();
    let bodies = Rc::new(Bodies::new(worker.buffers()));
    let (window, refused) = (SMALL_CONNECTION_WINDOW, 0);
    Connection { worker, transport, link, h2, timer, limits, open, bodies, window, refused, leaving: false }
        .run()
        .await;
}

fn builder(limits: &Limits) -> Builder {
    // Heads within our limits reach us and are answered by us, with a line in the log; what is far over them `h2` refuses by itself.
    let list = limits.head + FIELD_OVERHEAD * (limits.fields + 4);
    let resets = usize::try_from(limits.http2_resets).unwrap_or(usize::MAX);
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .initial_window_size(STREAM_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams)
        .max_concurrent_reset_streams(resets)
        .max_pending_accept_reset_streams(resets);
    builder
}

struct Connection {
    worker: Rc<Worker>,
    transport: Rc<Transport>,
    link: Rc<Link>,
    h2: h2::server::Connection<Io, Piece>,
    timer: Timer,
    limits: Limits,
    open: Rc<Open>,
    bodies: Rc<Bodies>,
    /// What the client may send of all bodies together before it is taken.
    window: u32,
    /// Streams in a row that were refused because memory is exhausted.
    refused: u32,
    /// Whether the client was told to open no more streams.
    leaving: bool,
}

/// Streams in progress.
#[derive(Default)]
struct Open {
    streams: Cell<usize>,
    /// The connection, which waits for their end.
    waker: RefCell<Option<Waker>>,
}

struct OpenStream(Rc<Open>);

/// What the connection waits for, which says how long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A limit was passed.
    Flooded(Flood),
    /// The socket takes no more; how far writing has come.
    Blocked(u64),
    /// The client is in the middle of a head.
    Head,
    /// Streams are in progress, each under its own limits.
    Busy,
    /// Nothing is in progress.
    Idle,
}

enum Event {
    Request(Box<http::Request<RecvStream>>, SendResponse<Piece>),
    /// It waits for something else now.
    Changed,
    Over(Result<(), h2::Error>),
}

impl Connection {
    async fn run(mut self) {
        let ended = loop {
            let phase = self.phase();
            match phase {
                Phase::Flooded(flood) => break self.end(Reason::ENHANCE_YOUR_CALM, Some(flood.name())).await,
                Phase::Idle => self.link.rest(),
                _ => {}
            }
            self.leave_when_draining();
            let limit = self.limit(phase);
            let timer = self.timer.clone();
            let event = timer.limit(limit, poll_fn(|cx| self.poll_event(cx, phase))).await;
            match (event, phase) {
                (Ok(Event::Request(_, respond)), _) if self.worker.buffers().are_exhausted() => {
                    if self.refuse(respond) > REFUSED {
                        break self.end(Reason::ENHANCE_YOUR_CALM, Some("memory")).await;
                    }
                }
                (Ok(Event::Request(request, respond)), _) => self.begin(*request, respond),
                (Ok(Event::Changed), _) => {}
                (Ok(Event::Over(outcome)), _) => break outcome.err().and_then(|error| fault(&error)),
                (Err(Elapsed), Phase::Idle) => break self.end(Reason::NO_ERROR, None).await,
                (Err(Elapsed), Phase::Blocked(_)) => break Some("write_stall"),
                (Err(Elapsed), _) => break self.end(Reason::ENHANCE_YOUR_CALM, Some("slow_head")).await,
            }
        };
        if let Some(reason) = ended {
            self.worker.metrics().http2_ended(reason);
        }
        self.close().await;
    }

    fn phase(&self) -> Phase {
        match (self.link.flood(), self.link.blocked()) {
            (Some(flood), _) => Phase::Flooded(flood),
            (_, Some(progress)) => Phase::Blocked(progress),
            _ if self.link.is_in_head() => Phase::Head,
            _ if self.open.streams.get() > 0 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    const fn limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Flooded(_) => Duration::ZERO,
            Phase::Blocked(_) => self.limits.write_stall,
            Phase::Head => self.limits.header_read,
            Phase::Busy => Duration::MAX,
            // A client that was told to leave and has nothing in progress has no reason to stay.
            Phase::Idle if self.leaving => self.limits.linger,
            Phase::Idle => self.limits.idle,
        }
    }

    fn leave_when_draining(&mut self) {
        if self.worker.is_draining() && !self.leaving {
            self.leaving = true;
            self.h2.graceful_shutdown();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<Event> {
        let mut waker = self.open.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        let accepted = self.h2.poll_accept(cx);
        if let Some(total) = self.link.take_data(|stream, frames| self.bodies.arrived(stream, frames)) {
            self.bodies.count(total);
        }
        if accepted.is_pending() {
            self.bodies.forget_unclaimed();
        }
        match accepted {
            Poll::Ready(Some(Ok((request, respond)))) => {
                Poll::Ready(Event::Request(Box::new(request), respond))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Event::Over(Err(error))),
            Poll::Ready(None) => Poll::Ready(Event::Over(Ok(()))),
            Poll::Pending if self.phase() != phase => Poll::Ready(Event::Changed),
            Poll::Pending if self.worker.is_draining() && !self.leaving => Poll::Ready(Event::Changed),
            Poll::Pending => Poll::Pending,
        }
    }

    fn begin(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Piece>) {
        self.refused = 0;
        if !request.body().is_end_stream() {
            self.fit_window();
        }
        let open = OpenStream::new(&self.open);
        let (worker, transport, bodies) = (self.worker.clone(), self.transport.clone(), self.bodies.clone());
        let serving = stream::serve(worker, transport, request, respond, bodies);
        let worker = self.worker.clone();
        // The task holds the future twice: as it was given, and where it is pinned.
        let held = worker.buffers().charge(STREAM + 2 * size_of_val(&serving));
        tokio::task::spawn_local(async move {
            panic::serve_safely(&worker, pin!(serving)).await;
            drop((open, held));
        });
    }

    /// Refuses a stream that nothing was done for, so that the client may try again (RFC 9113 8.7). Returns how many it were in a row.
    fn refuse(&mut self, mut respond: SendResponse<Piece>) -> u32 {
        self.worker.metrics().limit(Limit::Buffers);
        respond.send_reset(Reason::REFUSED_STREAM);
        self.refused += 1;
        self.refused
    }

    /// Sets what the client may send of all bodies together. What it was allowed already stays so.
    fn fit_window(&mut self) {
        let scarce = self.worker.buffers().are_scarce();
        let wanted = if scarce { SMALL_CONNECTION_WINDOW } else { CONNECTION_WINDOW };
        if std::mem::replace(&mut self.window, wanted) != wanted {
            self.h2.set_target_window_size(wanted);
        }
    }

    /// Says goodbye with `reason`. Returns what is counted.
    async fn end(&mut self, reason: Reason, counted: Option<&'static str>) -> Option<&'static str> {
        self.h2.abrupt_shutdown(reason);
        // A client that does not take the goodbye goes without.
        let _ = self.timer.limit(self.limits.linger, poll_fn(|cx| self.h2.poll_closed(cx))).await;
        counted
    }

    /// Lets the client read our last word, and the streams write theirs into the log.
    async fn close(self) {
        let Self { worker, link, h2, timer, limits, open, .. } = self;
        drop(h2);
        if let Some(_lingering) = worker.linger() {
            let _ = timer.limit(limits.linger, poll_fn(|cx| link.poll_linger(cx))).await;
        }
        let streams = poll_fn(|cx| {
            *open.waker.borrow_mut() = Some(cx.waker().clone());
            if open.streams.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timer.limit(limits.linger, streams).await;
    }
}

/// What is counted of an error that ended a connection; nothing when the client just went away.
fn fault(error: &h2::Error) -> Option<&'static str> {
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) if error.is_library() => Some("calm"),
        Some(_) if error.is_library() => Some("protocol"),
        _ => None,
    }
}

impl OpenStream {
    fn new(open: &Rc<Open>) -> Self {
        open.streams.set(open.streams.get() + 1);
        Self(open.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0
            && let Some(waker) = self.0.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}
