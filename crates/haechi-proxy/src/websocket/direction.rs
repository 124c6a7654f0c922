//! One direction of a WebSocket: what one side sends, passed on to the other, frame by frame, no faster than it is taken.

use super::frames::{FrameFault, Frames, Sender};
use super::peer::Peer;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Frames from one side to the other.
pub(super) struct Direction {
    frames: Frames,
    /// Of what has arrived and was not written yet, so many bytes may be passed on.
    cleared: usize,
    bytes: u64,
    /// What `bytes` was when it was last looked at.
    seen: u64,
    /// Since when the receiving side takes nothing of what waits for it.
    blocked: Option<Instant>,
    end: Ending,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectionEnd {
    /// The sender ended its connection.
    Ended,
    /// A connection failed.
    Failed,
    /// The sender broke the protocol; nothing of it was passed on.
    Broken(FrameFault),
}

/// What is left to do once the gate has decided to end it.
enum Ending {
    /// Not decided.
    No,
    /// The frame in progress goes first; then this.
    Frame(Vec<u8>),
    /// The rest of these bytes.
    Saying(Vec<u8>, usize),
    /// All is said; what still comes is read and dropped, so that the other side can read what it was told.
    Draining,
    Done,
}

impl Direction {
    /// At the beginning of what `sender` says.
    pub(super) const fn new(sender: Sender, extended: bool) -> Self {
        let frames = Frames::new(sender, extended);
        Self { frames, cleared: 0, bytes: 0, seen: 0, blocked: None, end: Ending::No }
    }

    /// Passes on what comes, until the sender ends.
    pub(super) fn poll_carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Peer,
        to: &mut Peer,
    ) -> Poll<DirectionEnd> {
        loop {
            if self.is_closed() {
                // What follows a Close is discarded (RFC 6455 1.4).
                let behind = from.unread().len();
                from.consume(behind);
            } else if self.cleared == 0 {
                match self.frames.pass(from.unread()) {
                    Ok(count) => self.cleared = count,
                    Err(fault) => return Poll::Ready(DirectionEnd::Broken(fault)),
                }
            }
            if self.cleared == 0 {
                match ready!(from.poll_more(cx)) {
                    Ok(0) => return Poll::Ready(DirectionEnd::Ended),
                    Ok(_) => continue,
                    Err(_) => return Poll::Ready(DirectionEnd::Failed),
                }
            }
            if ready!(self.poll_write(cx, from, to)).is_err() {
                return Poll::Ready(DirectionEnd::Failed);
            }
        }
    }

    /// Writes some of what is cleared.
    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Peer, to: &mut Peer) -> Poll<Result<(), ()>> {
        let waiting = from.unread().get(..self.cleared).unwrap_or_default();
        match to.poll_write(cx, waiting) {
            Poll::Ready(Ok(count)) => {
                from.consume(count);
                self.cleared -= count;
                self.bytes += count as u64;
                self.blocked = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(())),
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
                Poll::Pending
            }
        }
    }

    /// Whether the sender has said Close, and all of it was passed on.
    pub(super) const fn is_closed(&self) -> bool {
        self.cleared == 0 && self.frames.is_closed()
    }

    /// How many bytes were passed on.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether bytes were passed on since this was last asked.
    pub(super) const fn has_moved(&mut self) -> bool {
        let moved = self.bytes != self.seen;
        self.seen = self.bytes;
        moved
    }

    /// For how long the receiver has taken nothing of what waits for it.
    pub(super) fn stands_for(&self, now: Instant) -> Duration {
        self.blocked.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// From now on nothing more is carried than the frame in progress; behind it comes `farewell`, unless the sender has said Close itself.
    pub(super) fn end_with(&mut self, farewell: Option<Vec<u8>>) {
        let farewell = farewell.filter(|_| !self.frames.is_closed());
        self.end = Ending::Frame(farewell.unwrap_or_default());
    }

    /// Comes to the end.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>, from: &mut Peer, to: &mut Peer) -> Poll<()> {
        loop {
            self.end = match std::mem::replace(&mut self.end, Ending::Done) {
                Ending::Frame(farewell) => {
                    let rest = self.poll_rest_of_frame(cx, from, to);
                    if rest.is_pending() {
                        self.end = Ending::Frame(farewell);
                        return Poll::Pending;
                    }
                    // Within a frame nothing can be said: the end of the connection says it.
                    let whole = rest == Poll::Ready(true);
                    Ending::Saying(if whole { farewell } else { Vec::new() }, 0)
                }
                Ending::Saying(farewell, written) => match farewell.get(written..) {
                    Some(rest @ [_, ..]) => match to.poll_write(cx, rest) {
                        Poll::Ready(Ok(count)) => Ending::Saying(farewell, written + count),
                        Poll::Ready(Err(_)) => Ending::Draining,
                        Poll::Pending => {
                            self.end = Ending::Saying(farewell, written);
                            return Poll::Pending;
                        }
                    },
                    _ => {
                        to.end_writing();
                        Ending::Draining
                    }
                },
                Ending::Draining => {
                    let unread = from.unread().len();
                    from.consume(unread);
                    match from.poll_more(cx) {
                        Poll::Ready(Ok(1..)) => Ending::Draining,
                        Poll::Ready(_) => Ending::Done,
                        Poll::Pending => {
                            self.end = Ending::Draining;
                            return Poll::Pending;
                        }
                    }
                }
                Ending::No | Ending::Done => return Poll::Ready(()),
            };
        }
    }

    /// Passes on what is cleared, and the rest of its last frame. Returns whether it is whole.
    fn poll_rest_of_frame(&mut self, cx: &mut Context<'_>, from: &mut Peer, to: &mut Peer) -> Poll<bool> {
        loop {
            if self.cleared == 0 {
                if self.frames.is_between() {
                    return Poll::Ready(true);
                }
                self.cleared = self.frames.rest_of_frame(from.unread());
            }
            if self.cleared > 0 {
                if ready!(self.poll_write(cx, from, to)).is_err() {
                    return Poll::Ready(false);
                }
            } else if !matches!(ready!(from.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(false);
            }
        }
    }
}
