//! Timer wheel: coarse timeouts by a worker's tick, with one slot per connection that is due at some tick.
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
    /// Since when the client is waited for; `NEVER` while it is not.
    since: Cell<u64>,
    /// Whether the wait is over before its time, because memory is short.
    pressed: Cell<bool>,
    /// When whoever waits is woken to look around; `NEVER` while nobody looks.
    look: Cell<u64>,
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

/// Why the work was not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The limit passed first.
    Elapsed,
    /// Memory is short, and the work holds some.
    Pressed,
}

impl From<Elapsed> for Ended {
    fn from(Elapsed: Elapsed) -> Self {
        Self::Elapsed
    }
}

impl Ticks {
    /// A slot of its own for a connection.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let slot = Rc::new(Slot {
            due: Cell::new(NEVER),
            since: Cell::new(NEVER),
            pressed: Cell::new(false),
            look: Cell::new(NEVER),
            waker: RefCell::new(None),
        });
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
            if slot.due.get() <= now || slot.look.get() <= now {
                slot.wake();
            }
            true
        });
    }

    /// Ends the waits for clients that have stood still for `time`: an eighth of them at a time, the longest first. Yields once for each.
    pub(crate) fn press(&self, time: Duration) -> impl Iterator<Item = ()> {
        let (now, time) = (self.now.get(), ticks(time));
        let stands_still = |slot: &Rc<Slot>| slot.since.get().saturating_add(time) <= now;
        let slots = self.slots.borrow();
        let mut still: Vec<Rc<Slot>> = slots.iter().filter_map(Weak::upgrade).filter(stands_still).collect();
        still.sort_unstable_by_key(|slot| slot.since.get());
        still.truncate((still.len() / 8).max(16));
        still.into_iter().map(|slot| {
            slot.since.set(NEVER);
            slot.pressed.set(true);
            slot.wake();
        })
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

/// How many ticks `time` takes, begun ones included. In parts, because a request asks several times, and dividing 128 bits is slow.
pub(crate) fn ticks(time: Duration) -> u64 {
    const LENGTH: u32 = TICK.subsec_nanos();
    const PER_SECOND: u64 = (1_000_000_000 / LENGTH) as u64;
    let rest = u64::from(time.subsec_nanos().div_ceil(LENGTH));
    time.as_secs().saturating_mul(PER_SECOND).saturating_add(rest).min(NEVER - 1)
}

impl Timer {
    /// How many ticks there have been.
    pub(crate) fn now(&self) -> u64 {
        self.ticks.now()
    }

    /// From now on whoever waits under a limit of this timer is polled once more after `time`, to look around. It costs one number.
    pub(crate) fn look_after(&self, time: Duration) {
        self.slot.look.set(self.ticks.now().saturating_add(ticks(time)));
    }

    /// Whether it is time to look.
    pub(crate) fn is_to_look(&self) -> bool {
        self.slot.look.get() <= self.ticks.now()
    }

    /// Nobody looks any more.
    pub(crate) fn look_no_more(&self) {
        self.slot.look.set(NEVER);
    }

    /// Runs `work`, for at most about `limit`.
    pub(crate) async fn limit<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.run(limit, NEVER, work).await.map_err(|_| Elapsed)
    }

    /// The same for work that waits for the client while memory is held for it. It may end sooner, when memory is short.
    pub(crate) async fn limit_client<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.run(limit, self.ticks.now.get(), work).await.map_err(|_| Elapsed)
    }

    /// The same for work that waits for somebody else while it holds memory for the client. The error says which it was.
    pub(crate) async fn limit_holding<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Ended> {
        self.run(limit, self.ticks.now.get(), work).await
    }

    async fn run<T>(&self, limit: Duration, since: u64, work: impl Future<Output = T>) -> Result<T, Ended> {
        let mut work = pin!(work);
        let begun = self.ticks.now.get();
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            let due = begun.saturating_add(ticks(limit)).saturating_add(1);
            if self.ticks.now.get() >= due {
                return Poll::Ready(Err(Ended::Elapsed));
            }
            if self.slot.pressed.get() {
                return Poll::Ready(Err(Ended::Pressed));
            }
            self.slot.due.set(due);
            self.slot.since.set(since);
            let mut waker = self.slot.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.slot.due.set(NEVER);
        self.slot.since.set(NEVER);
        self.slot.pressed.set(false);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::{Elapsed, TICK, Ticks};
    use std::future::{Future, pending};
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Poll, Wake};
    use std::time::Duration;

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
    async fn when_memory_is_short_clients_that_stand_still_are_not_waited_for() {
        let ticks = Rc::new(Ticks::default());
        let (client, backend) = (ticks.timer(), ticks.timer());
        let mut slow = Box::pin(client.limit_client(TICK * 1000, pending::<()>()));
        let mut other = Box::pin(backend.limit(TICK * 1000, pending::<()>()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(slow.as_mut().poll(&mut cx).is_pending() && other.as_mut().poll(&mut cx).is_pending());
        ticks.advance();
        assert_eq!(ticks.press(TICK * 2).count(), 0, "it has not stood still for long enough");
        ticks.advance();
        assert_eq!(ticks.press(TICK * 2).count(), 1);
        assert!(matches!(slow.as_mut().poll(&mut cx), Poll::Ready(Err(Elapsed))));
        assert!(other.as_mut().poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn who_waits_is_woken_to_look_around() {
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = woken.clone().into();
        let mut cx = std::task::Context::from_waker(&waker);
        let ticks = Rc::new(Ticks::default());
        let timer = ticks.timer();
        timer.look_after(TICK * 2);
        let mut waiting = Box::pin(timer.limit(TICK * 1000, pending::<()>()));
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        ticks.advance();
        assert!(!timer.is_to_look() && woken.0.load(Relaxed) == 0);
        ticks.advance();
        assert!(timer.is_to_look() && woken.0.load(Relaxed) == 1);
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        timer.look_no_more();
        (0..10).for_each(|_| ticks.advance());
        assert_eq!(woken.0.load(Relaxed), 1);
    }

    #[test]
    fn a_tick_that_has_begun_counts() {
        let parts = [(0, 0), (1, 1), (50, 1), (51, 2), (999, 20), (1_000, 20), (1_001, 21), (30_000, 600)];
        for (millis, expected) in parts {
            assert_eq!(super::ticks(Duration::from_millis(millis)), expected, "{millis}");
        }
        assert_eq!(super::ticks(Duration::MAX), super::NEVER - 1);
    }

    #[tokio::test]
    async fn work_that_is_done_wins() {
        let ticks = Rc::new(Ticks::default());
        assert!(matches!(ticks.timer().limit(TICK, async { 7 }).await, Ok(7)));
    }
}
