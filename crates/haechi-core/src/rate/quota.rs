//! Quotas: so many requests in a window of time, counted over all nodes through the store.
//!
//! Windows follow each other from 1970-01-01T00:00:00Z on, so that every node knows which one it is in: a day begins at midnight UTC. A node counts
//! in memory and tells the store now and then how many more there were; what comes back is what all have counted.

use crate::Timestamp;
use crate::ports::{LimitAnswer, Quota, QuotaUse};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Duration;

/// One key's quota, and how much of it is known to be used.
#[derive(Debug)]
pub struct QuotaCount {
    key: Arc<str>,
    quota: Quota,
    /// The number of the window in the upper half, and what was counted in it in the lower.
    count: AtomicU64,
    /// The same, as far as the store knows it. Only whoever tells the store changes it.
    told: AtomicU64,
}

/// The number of a window and a count in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    window: u32,
    used: u32,
}

impl Counted {
    const fn of(bits: u64) -> Self {
        Self { window: (bits >> 32) as u32, used: bits as u32 }
    }

    const fn bits(self) -> u64 {
        (self.window as u64) << 32 | self.used as u64
    }
}

impl QuotaCount {
    /// Nothing is known to be used yet. `quota.per_seconds` is at least one; none counts as one.
    pub fn new(key: &str, quota: Quota) -> Self {
        Self { key: key.into(), quota, count: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// The key's id.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The quota.
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// How many requests in a window.
    pub const fn requests(&self) -> u32 {
        self.quota.requests
    }

    /// How long a window is.
    pub const fn per(&self) -> Duration {
        Duration::from_secs(self.per_seconds() as u64)
    }

    /// Counts a request that comes at `now`, or says that the quota is used up.
    pub fn take(&self, now: Timestamp) -> LimitAnswer {
        let (window, left) = self.window(now);
        let mut seen = self.count.load(Acquire);
        loop {
            let used = self.used_in(seen, window);
            if used >= self.quota.requests {
                return Self::answer(false, 0, left);
            }
            // Below the quota, so it can grow.
            let next = Counted { window: window.max(Counted::of(seen).window), used: used + 1 };
            match self.count.compare_exchange_weak(seen, next.bits(), AcqRel, Acquire) {
                Ok(_) => {
                    let remaining = self.quota.requests - next.used;
                    return Self::answer(true, remaining, left);
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Nothing comes back before the window ends.
    const fn answer(is_within: bool, remaining: u32, left: Duration) -> LimitAnswer {
        let retry_after = if remaining == 0 { left } else { Duration::ZERO };
        LimitAnswer { is_within, remaining, retry_after, more_after: left, full_after: left }
    }

    /// Takes back a request that was counted at `now` and then not made.
    pub fn give_back(&self, now: Timestamp) {
        let (window, _) = self.window(now);
        let back = |bits| {
            let Counted { window: counted, used } = Counted::of(bits);
            (counted == window && used > 0).then(|| Counted { window, used: used - 1 }.bits())
        };
        // Not there where another window has begun: then there is nothing to give back.
        let _ = self.count.fetch_update(AcqRel, Acquire, back);
    }

    /// What the store is to be told at `now`: how many more there were in this window. With nothing new it asks what others have counted.
    pub fn unsaved(&self, now: Timestamp) -> QuotaUse {
        let (window, _) = self.window(now);
        let (count, told) = (Counted::of(self.count.load(Acquire)), Counted::of(self.told.load(Acquire)));
        let window = window.max(count.window);
        let used = |counted: Counted| if counted.window == window { counted.used } else { 0 };
        QuotaUse {
            key: self.key.clone(),
            window_start: Timestamp::from_seconds(i64::from(window) * i64::from(self.per_seconds())),
            window_end: Timestamp::from_seconds((i64::from(window) + 1) * i64::from(self.per_seconds())),
            requests: used(count).saturating_sub(used(told)),
        }
    }

    /// The store was told of `saved`, and all nodes together have counted `total` in that window.
    pub fn saved(&self, saved: &QuotaUse, total: u64) {
        let (window, _) = self.window(saved.window_start);
        let told = Counted::of(self.told.load(Acquire));
        let before = if told.window == window { told.used } else { 0 };
        let known = before.saturating_add(saved.requests);
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let learn = |bits| {
            let count = Counted::of(bits);
            // What was counted since then stays.
            let since = if count.window == window { count.used.saturating_sub(known) } else { 0 };
            (count.window <= window).then(|| Counted { window, used: total.saturating_add(since) }.bits())
        };
        if self.count.fetch_update(AcqRel, Acquire, learn).is_ok() {
            self.told.store(Counted { window, used: total }.bits(), Release);
        }
    }

    const fn per_seconds(&self) -> u32 {
        if self.quota.per_seconds == 0 { 1 } else { self.quota.per_seconds }
    }

    /// The number of the window, and what is left of it. Time before 1970 is in the first.
    fn window(&self, now: Timestamp) -> (u32, Duration) {
        let (now, per) = (u64::try_from(now.as_millis()).unwrap_or(0), u64::from(self.per_seconds()) * 1000);
        let window = u32::try_from(now / per).unwrap_or(u32::MAX);
        (window, Duration::from_millis(per - now % per))
    }

    /// What is used in `window`. A clock that is set back goes on in the window that had begun.
    fn used_in(&self, bits: u64, window: u32) -> u32 {
        let Counted { window: counted, used } = Counted::of(bits);
        if counted >= window { used } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::QuotaCount;
    use crate::Timestamp;
    use crate::ports::Quota;
    use proptest::prelude::*;
    use std::time::Duration;

    const DAY: u32 = 86_400;

    fn count(requests: u32) -> QuotaCount {
        QuotaCount::new("k", Quota { requests, per_seconds: DAY })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_764_028_800 + seconds)
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let count = count(2);
        let first = count.take(at(DAY as i64 - 10));
        assert_eq!((first.is_within, first.remaining, first.full_after), (true, 1, Duration::from_secs(10)));
        assert!(count.take(at(DAY as i64 - 5)).is_within);
        let third = count.take(at(DAY as i64 - 1));
        assert_eq!((third.is_within, third.retry_after), (false, Duration::from_secs(1)));
        assert_eq!(count.take(at(DAY.into())).remaining, 1, "another day");
        assert!(count.take(at(DAY as i64 - 1)).is_within, "a clock that is set back begins no day anew");
        assert!(!count.take(at(DAY as i64 - 1)).is_within);
    }

    #[test]
    fn what_is_given_back_can_be_used() {
        let count = count(1);
        assert!(count.take(at(0)).is_within);
        count.give_back(at(0));
        count.give_back(at(0));
        assert!(count.take(at(0)).is_within);
        assert!(!count.take(at(0)).is_within);
        count.give_back(at(DAY.into()));
        assert!(!count.take(at(0)).is_within, "of another window");
    }

    #[test]
    fn what_was_counted_while_the_store_was_told_stays() {
        let count = count(100);
        (0..10).for_each(|_| assert!(count.take(at(0)).is_within));
        let saving = count.unsaved(at(1));
        assert_eq!((saving.requests, saving.window_start, saving.window_end), (10, at(0), at(DAY.into())));
        (0..5).for_each(|_| assert!(count.take(at(1)).is_within));
        count.saved(&saving, 40);
        assert_eq!(count.take(at(2)).remaining, 100 - 40 - 5 - 1);
        assert_eq!(count.unsaved(at(2)).requests, 6);
        assert_eq!(count.unsaved(at(DAY.into())).requests, 0, "a new day");
    }

    proptest! {
        /// Two nodes and a store: nothing that was told is lost, and what both count after both have been told is never over the quota.
        #[test]
        fn nodes_count_together(steps in prop::collection::vec((0_u8..2, 0_u32..20, any::<bool>()), 1..60)) {
            let nodes = [count(100), count(100)];
            let (mut store, mut passed) = (0_u64, 0_u64);
            for (node, requests, tells) in steps {
                let node = &nodes[usize::from(node)];
                for _ in 0..requests {
                    passed += u64::from(node.take(at(0)).is_within);
                }
                if tells {
                    let saving = node.unsaved(at(0));
                    store += u64::from(saving.requests);
                    node.saved(&saving, store);
                }
            }
            for node in nodes.iter().chain(&nodes) {
                let saving = node.unsaved(at(0));
                store += u64::from(saving.requests);
                node.saved(&saving, store);
            }
            prop_assert_eq!(store, passed);
            prop_assert!(passed <= 200, "each node alone keeps the quota");
            for node in &nodes {
                let left = node.take(at(0));
                prop_assert_eq!(left.is_within, passed < 100);
                node.give_back(at(0));
            }
        }
    }
}
