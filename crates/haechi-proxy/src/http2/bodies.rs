//! The bodies that the streams of one client's connection bring, so that what waits of them is counted when more arrives.

use super::body::Data;
use super::waiting::{Frames, WaitingFrames};
use crate::io::Buffers;
use h2::RecvStream;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// The bodies of one connection.
pub(crate) struct Bodies {
    /// In the order of their streams, which is that in which they begin (RFC 9113 5.1.1).
    bodies: RefCell<Vec<Body>>,
    /// Frames that have arrived of streams that have not begun.
    unclaimed: RefCell<Vec<(u32, usize)>>,
    frames: Rc<Frames>,
}

struct Body {
    stream: u32,
    data: Weak<RefCell<Data>>,
    frames: Rc<Cell<usize>>,
}

impl Bodies {
    /// Of a connection on which nothing has arrived.
    pub(crate) fn new(buffers: &Buffers) -> Self {
        Self {
            bodies: RefCell::default(),
            unclaimed: RefCell::default(),
            frames: Rc::new(Frames::new(buffers)),
        }
    }

    /// The body that a stream begins to bring.
    pub(crate) fn begin(&self, stream: RecvStream, buffers: &Buffers) -> Rc<RefCell<Data>> {
        let id = stream.stream_id().as_u32();
        let frames = WaitingFrames::of(self.frames.clone());
        let own = frames.own().clone();
        let data = Rc::new(RefCell::new(Data::with(stream, buffers, frames)));
        self.bodies.borrow_mut().push(Body { stream: id, data: Rc::downgrade(&data), frames: own });
        let mut arrived = 0;
        self.unclaimed.borrow_mut().retain(|(stream, count)| {
            let is_other = *stream != id;
            arrived += if is_other { 0 } else { *count };
            is_other
        });
        self.arrived(id, arrived);
        data
    }

    /// So many more frames have arrived on a stream.
    pub(crate) fn arrived(&self, stream: u32, count: usize) {
        let bodies = self.bodies.borrow();
        let found = bodies.binary_search_by_key(&stream, |body| body.stream).ok();
        match found.and_then(|index| bodies.get(index)) {
            Some(body) if body.data.strong_count() > 0 => {
                body.frames.set(body.frames.get() + count);
                self.frames.more(count);
            }
            Some(_) => {}
            None => self.unclaimed.borrow_mut().push((stream, count)),
        }
    }

    /// Forgets the frames that no stream has claimed, when none is about to begin: those of streams that were refused, which wait nowhere.
    pub(crate) fn forget_unclaimed(&self) {
        self.unclaimed.borrow_mut().clear();
    }

    /// Counts what waits of each, and forgets those that are over; `total` bytes have arrived on the connection so far.
    pub(crate) fn count(&self, total: u64) {
        let mut bytes = 0;
        self.bodies.borrow_mut().retain(|body| {
            let Some(data) = body.data.upgrade() else { return false };
            // Whoever takes from it at this moment counts by itself.
            if let Ok(mut data) = data.try_borrow_mut() {
                bytes += data.count();
            }
            true
        });
        self.frames.count(total, bytes);
    }
}
