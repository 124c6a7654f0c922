//! Coarse time for timeouts: a worker's tick, and one slot per connection that is due at some tick.
//!
//! Registering and moving a runtime timer costs a few hundred nanoseconds, and a request would move several. Here setting a limit writes one
//! number; a sweep over the slots, twenty times a second, wakes the few that are due.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

/// How long a tick is. A limit is kept to within one tick.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const NEVER: u64 = u64::MAX;

/// A worker's ticks.
#[derive(Default)]
pub(crate) struct Ticks {
    now: Cell<u64>,
    slots: RefCell<Vec<Weak<Slot>>>,
}

struct Slot {
    due: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// A connection's limit. One at a time is in force.
#[derive(Clone)]
pub(crate) struct Timer {
    slot: Rc<Slot>,
    ticks: Rc<Ticks>,
}

/// The limit passed first.
#[derive(Debug)]
pub(crate) struct Elapsed;

impl Ticks {
    /// A slot of its own for a connection.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let slot = Rc::new(Slot { due: Cell::new(NEVER), waker: RefCell::new(None) });
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        Timer { slot, ticks: self.clone() }
    }

    /// How many ticks there have been.
    pub(crate) const fn now(&self) -> u64 {
        self.now.get()
    }

    /// Advances by one tick, wakes what is due, and forgets the slots of connections that ended.
    pub(crate) fn advance(&self) {
        let now = self.now.get() + 1;
        self.now.set(now);
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if slot.due.get() <= now {
                slot.wake();
            }
            true
        });
    }

    /// Wakes every connection, so that each sees a change such as draining.
    pub(crate) fn wake_all(&self) {
        self.slots.borrow().iter().filter_map(Weak::upgrade).for_each(|slot| slot.wake());
    }
}

impl Slot {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Timer {
    /// Runs `work`, for at most about `limit`.
    pub(crate) async fn limit<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        let ticks = u64::try_from(limit.as_millis().div_ceil(TICK.as_millis())).unwrap_or(NEVER - 1);
        let due = self.ticks.now.get().saturating_add(ticks).saturating_add(1);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.ticks.now.get() >= due {
                return Poll::Ready(Err(Elapsed));
            }
            self.slot.due.set(due);
            let mut waker = self.slot.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.slot.due.set(NEVER);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::{Elapsed, TICK, Ticks};
    use std::future::{Future, pending};
    use std::rc::Rc;
    use std::task::Poll;

    #[tokio::test]
    async fn a_limit_passes_after_its_ticks_and_not_before() {
        let ticks = Rc::new(Ticks::default());
        let timer = ticks.timer();
        let mut waiting = Box::pin(timer.limit(TICK * 3, pending::<()>()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..4 {
            assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Pending));
            ticks.advance();
        }
        assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Ready(Err(Elapsed))));
    }

    #[tokio::test]
    async fn work_that_is_done_wins() {
        let ticks = Rc::new(Ticks::default());
        assert!(matches!(ticks.timer().limit(TICK, async { 7 }).await, Ok(7)));
    }
}
