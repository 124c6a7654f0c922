//! What small frames of bodies make `h2` keep besides their bytes: a place in a list for each, and the buffer in which they lie, however little of it
//! they need.

use crate::io::{Buffers, Charge};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What a frame that waits takes in the lists of `h2`, in bytes.
const FRAME: usize = 512;
/// The most that one frame keeps from being freed around it, in bytes: what `h2` reads at once.
const AROUND: usize = 16 * 1024;

/// The frames of a connection that wait.
pub(super) struct Frames {
    waiting: Cell<usize>,
    /// How many bytes had arrived on the connection when none waited.
    since: Cell<u64>,
    held: RefCell<Charge>,
}

/// The frames of one body that wait. None are known of what backends send.
#[derive(Default)]
pub(super) struct WaitingFrames {
    own: Rc<Cell<usize>>,
    all: Option<Rc<Frames>>,
}

impl Frames {
    /// Of a connection on which nothing has arrived.
    pub(super) fn new(buffers: &Buffers) -> Self {
        Self { waiting: Cell::new(0), since: Cell::new(0), held: RefCell::new(buffers.charge(0)) }
    }

    /// Counts what waiting frames keep besides their `bytes`.
    pub(super) fn count(&self, total: u64, bytes: usize) {
        let waiting = self.waiting.get();
        if waiting == 0 {
            self.since.set(total);
        }
        let arrived = usize::try_from(total - self.since.get()).unwrap_or(usize::MAX);
        let around = waiting.saturating_mul(AROUND).min(arrived.saturating_add(AROUND));
        let held = if waiting == 0 { 0 } else { waiting * FRAME + around.saturating_sub(bytes) };
        self.held.borrow_mut().set(held);
    }

    /// So many more wait.
    pub(super) fn more(&self, count: usize) {
        self.waiting.set(self.waiting.get() + count);
    }

    fn fewer(&self, count: usize) {
        let left = self.waiting.get().saturating_sub(count);
        self.waiting.set(left);
        let most = left.saturating_mul(FRAME + AROUND);
        self.held.borrow_mut().shrink_to(most);
    }
}

impl WaitingFrames {
    /// Of a body on a connection with these.
    pub(super) fn of(all: Rc<Frames>) -> Self {
        Self { own: Rc::default(), all: Some(all) }
    }

    /// How many they are, for whoever sees them arrive.
    pub(super) const fn own(&self) -> &Rc<Cell<usize>> {
        &self.own
    }

    /// One was taken.
    pub(super) fn taken(&self) {
        if let (Some(all), Some(left)) = (&self.all, self.own.get().checked_sub(1)) {
            self.own.set(left);
            all.fewer(1);
        }
    }
}

impl Drop for WaitingFrames {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            all.fewer(self.own.take());
        }
    }
}
