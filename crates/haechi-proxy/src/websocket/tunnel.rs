//! Both directions of a WebSocket, from the handshake to the end.

use super::direction::{Direction, DirectionEnd};
use super::frames::{Sender, close};
use super::peer::Peer;
use super::recheck::{AccessLost, OpeningRequest};
use crate::http1::client::{UpstreamBody, UpstreamConnection};
use crate::limits::Limit;
use crate::record::Record;
use crate::rejudge::Rejudged;
use crate::settings::Limits;
use crate::ticks::{Elapsed, Timer};
use crate::worker::Worker;
use haechi_authn::LocalFuture;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How often the request is judged again, and the limits are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A backend that has agreed to a WebSocket, for a request that was let through.
pub(crate) struct Tunnel {
    backend: Box<UpstreamConnection>,
    /// Counts as a request in flight to the backend until the end.
    _exchange: UpstreamBody,
    opening: OpeningRequest,
    extended: bool,
}

/// Why a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides said Close, or one has ended its connection.
    Closed,
    /// A connection failed, or the other side stopped reading.
    Lost(&'static str),
    /// The gate ends it: the code and the reason that both sides are told.
    Told(u16, &'static str),
}

const GOING_AWAY: End = End::Told(1001, "the gate is going away");
const IDLE: End = End::Told(1001, "idle for too long");
const PROTOCOL_ERROR: u16 = 1002;
const NOT_ALLOWED: u16 = 1008;
const TRY_AGAIN: u16 = 1013;

impl Tunnel {
    /// `exchange` is the body of the backend's 101; `extended` says whether an extension was agreed on. `None` when there is no connection.
    pub(super) fn new(mut exchange: UpstreamBody, opening: OpeningRequest, extended: bool) -> Option<Self> {
        let backend = Box::new(exchange.take_connection()?);
        Some(Self { backend, _exchange: exchange, opening, extended })
    }

    /// Carries both directions until one side ends them or the gate does. The record is written at the end.
    pub(crate) async fn run(self: Box<Self>, worker: &Rc<Worker>, client: Peer, mut record: Record) {
        let _counted = worker.metrics().websocket();
        let limits = worker.limits();
        let Self { backend, _exchange, opening, extended } = *self;
        let mut running = Running {
            worker: worker.clone(),
            timer: worker.timer(),
            client,
            backend: Peer::Backend(backend),
            upward: Direction::new(Sender::Client, extended),
            downward: Direction::new(Sender::Server, extended),
            opening,
            rechecking: None,
            active: Instant::now(),
            limits,
        };
        let end = running.carry().await;
        match end {
            End::Closed => record.finished(),
            End::Lost(why) => record.broken(why),
            End::Told(_, why) => {
                record.reason(why);
                record.finished();
            }
        }
        running.say_farewell(end).await;
        record.sent(usize::try_from(running.downward.bytes()).unwrap_or(usize::MAX));
    }
}

struct Running {
    worker: Rc<Worker>,
    timer: Timer,
    client: Peer,
    backend: Peer,
    /// From client to backend.
    upward: Direction,
    /// From backend to client.
    downward: Direction,
    opening: OpeningRequest,
    rechecking: Option<LocalFuture<Rejudged>>,
    /// When a byte last moved.
    active: Instant,
    limits: Limits,
}

impl Running {
    async fn carry(&mut self) -> End {
        let timer = self.timer.clone();
        loop {
            match timer.limit(EVERY, poll_fn(|cx| self.poll_carry(cx))).await {
                Ok(end) => return end,
                Err(Elapsed) => {
                    if let Some(end) = self.look_after() {
                        return end;
                    }
                }
            }
        }
    }

    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(rechecking) = &mut self.rechecking
            && let Poll::Ready(rechecked) = rechecking.as_mut().poll(cx)
        {
            self.rechecking = None;
            match self.opening.learn(rechecked) {
                None => {}
                Some(AccessLost::Refused(why)) => return Poll::Ready(End::Told(NOT_ALLOWED, why)),
                Some(AccessLost::Unavailable) => {
                    return Poll::Ready(End::Told(
                        TRY_AGAIN,
                        "it could not be found out whether it may go on",
                    ));
                }
            }
        }
        if self.worker.is_draining() {
            return Poll::Ready(GOING_AWAY);
        }
        let upward = self.upward.poll_carry(cx, &mut self.client, &mut self.backend);
        let downward = self.downward.poll_carry(cx, &mut self.backend, &mut self.client);
        for course in [upward, downward] {
            match course {
                Poll::Pending => {}
                Poll::Ready(DirectionEnd::Ended) => return Poll::Ready(End::Closed),
                Poll::Ready(DirectionEnd::Failed) => {
                    return Poll::Ready(End::Lost("a connection of the WebSocket failed"));
                }
                Poll::Ready(DirectionEnd::Broken(_)) => {
                    return Poll::Ready(End::Told(PROTOCOL_ERROR, "a frame breaks the protocol"));
                }
            }
        }
        if self.upward.is_closed() && self.downward.is_closed() {
            return Poll::Ready(End::Closed);
        }
        Poll::Pending
    }

    /// Once a second: what has waited too long, and whether it may go on.
    fn look_after(&mut self) -> Option<End> {
        let now = Instant::now();
        let moved = [&mut self.upward, &mut self.downward].map(Direction::has_moved);
        if moved.contains(&true) {
            self.active = now;
        }
        let still = now.duration_since(self.active);
        if [&mut self.upward, &mut self.downward]
            .into_iter()
            .any(|way| way.stands_for(now) > self.limits.write_stall)
        {
            self.worker.metrics().limit(Limit::WriteStall);
            return Some(End::Lost("one side of the WebSocket stopped reading"));
        }
        if (self.upward.is_closed() || self.downward.is_closed()) && still > self.limits.write_stall {
            return Some(End::Lost("one side of the WebSocket did not answer a Close"));
        }
        if still > self.limits.websocket_idle {
            self.worker.metrics().limit(Limit::WebSocketIdle);
            return Some(IDLE);
        }
        self.rechecking.get_or_insert_with(|| self.opening.recheck());
        None
    }

    /// Tells both sides where the gate ends it, and waits a moment for both to have read and ended.
    async fn say_farewell(&mut self, end: End) {
        let (to_backend, to_client) = match end {
            End::Closed => (None, None),
            // What is left unsaid cannot be taken for an end.
            End::Lost(_) => return,
            End::Told(code, reason) => {
                let mask = (self.worker.random_bits() as u32).to_be_bytes();
                (Some(close(code, reason, Some(mask))), Some(close(code, reason, None)))
            }
        };
        self.upward.end_with(to_backend);
        self.downward.end_with(to_client);
        let timer = self.timer.clone();
        let farewell = poll_fn(|cx| {
            let upward = self.upward.poll_end(cx, &mut self.client, &mut self.backend);
            let downward = self.downward.poll_end(cx, &mut self.backend, &mut self.client);
            if upward.is_ready() && downward.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        });
        // Whoever takes longer is cut off.
        let _ = timer.limit(self.limits.linger, farewell).await;
    }
}
