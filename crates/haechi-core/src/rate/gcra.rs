//! The generic cell rate algorithm.

use crate::ports::{LimitAnswer, Rate};
use std::num::NonZeroU32;
use std::time::Duration;

/// Where times stop: 146 years. Sums of three of them are numbers still.
const LONGEST: u64 = u64::MAX / 4;

/// A limit, ready to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// From one request to the next, in nanoseconds; rounded up, so that never more than the rate is let through.
    interval: u64,
    /// How far ahead of its time a request may come, in nanoseconds.
    tolerance: u64,
}

/// When the whole burst is there again, in nanoseconds of the uptime. What has passed means that it is.
pub type FullAt = u64;

impl Gcra {
    /// The limit of a rate. A time of more than 146 years counts as that.
    pub fn new(rate: &Rate) -> Self {
        let interval = rate.per.as_nanos().div_ceil(u128::from(rate.requests.get()));
        let interval = u64::try_from(interval).unwrap_or(LONGEST).clamp(1, LONGEST);
        let tolerance = interval.saturating_mul(u64::from(rate.burst.get() - 1)).min(LONGEST);
        Self { interval, tolerance }
    }

    /// Counts a request that comes at `now`, and returns what is to be kept; `None` where it is over the limit and not counted.
    pub const fn take(&self, full_at: FullAt, now: u64) -> Option<FullAt> {
        let debt = full_at.saturating_sub(now);
        if debt > self.tolerance {
            return None;
        }
        // No sum of an uptime and two bounded times is over.
        Some(now.saturating_add(debt).saturating_add(self.interval))
    }

    /// Takes back a request that was counted and then not made.
    pub const fn give_back(&self, full_at: FullAt) -> FullAt {
        full_at.saturating_sub(self.interval)
    }

    /// What is to be told at `now` of a count that stands at `full_at`.
    pub fn answer(&self, is_within: bool, full_at: FullAt, now: u64) -> LimitAnswer {
        let debt = full_at.saturating_sub(now);
        let (remaining, more_after) = match self.tolerance.checked_sub(debt) {
            Some(room) => {
                let more_after = (self.interval - room % self.interval).min(debt);
                (u32::try_from(room / self.interval + 1).unwrap_or(u32::MAX), more_after)
            }
            None => (0, debt - self.tolerance),
        };
        LimitAnswer {
            is_within,
            remaining,
            retry_after: Duration::from_nanos(debt.saturating_sub(self.tolerance)),
            more_after: Duration::from_nanos(more_after),
            full_after: Duration::from_nanos(debt),
        }
    }
}

impl Rate {
    /// The share of one of `nodes` that count each for itself: so much less often, and at least one at once.
    #[must_use]
    pub fn share_of(&self, nodes: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(self.burst.get() / nodes).unwrap_or(NonZeroU32::MIN);
        Self { requests: self.requests, per: self.per.saturating_mul(nodes.get()), burst }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gcra, Rate};
    use proptest::prelude::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn rate(requests: u32, per: Duration, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { requests: number(requests), per, burst: number(burst) }
    }

    #[test]
    fn the_burst_comes_at_once_and_then_one_by_one() {
        let gcra = Gcra::new(&rate(100, Duration::from_secs(60), 20));
        let (start, mut full_at) = (7_000_000_000, 0);
        for left in (0..20).rev() {
            full_at = gcra.take(full_at, start).unwrap();
            assert_eq!(gcra.answer(true, full_at, start).remaining, left);
        }
        assert_eq!(gcra.take(full_at, start), None);
        let told = gcra.answer(false, full_at, start);
        assert_eq!((told.remaining, told.retry_after), (0, Duration::from_millis(600)));
        assert_eq!((told.more_after, told.full_after), (Duration::from_millis(600), Duration::from_secs(12)));
        let later = gcra.answer(true, full_at, start + 1_000_000_000);
        assert_eq!((later.remaining, later.more_after), (1, Duration::from_millis(200)));
        let whole = gcra.answer(true, full_at, start + 12_000_000_000);
        assert_eq!((whole.remaining, whole.more_after), (20, Duration::ZERO));
        assert_eq!(gcra.take(full_at, start + 599_999_999), None);
        assert!(gcra.take(full_at, start + 600_000_000).is_some(), "not later than was told");
    }

    #[test]
    fn what_cannot_be_counted_exactly_is_counted_on_the_safe_side() {
        let gcra = Gcra::new(&rate(3, Duration::from_nanos(10), 1));
        assert_eq!(gcra.take(0, 0), Some(4));
        let longest = rate(1, Duration::MAX, u32::MAX);
        let gcra = Gcra::new(&longest);
        let full_at = gcra.take(0, u64::MAX / 4).unwrap();
        assert!(gcra.answer(true, full_at, u64::MAX / 4).full_after > Duration::from_secs(1 << 32));
        assert!(gcra.take(full_at, u64::MAX / 4).is_some());
    }

    #[test]
    fn a_share_is_never_nothing() {
        let whole = rate(100, Duration::from_secs(60), 20);
        let share = whole.share_of(NonZeroU32::new(4).unwrap());
        assert_eq!(share, rate(100, Duration::from_secs(240), 5));
        assert_eq!(whole.share_of(NonZeroU32::new(1000).unwrap()).burst.get(), 1);
    }

    /// A bucket of `burst` tokens that fills by `requests` in `per`, in exact fractions: tokens are counted in parts of `per` nanoseconds.
    struct Model {
        requests: u128,
        per: u128,
        burst: u128,
        level: u128,
        at: u128,
    }

    impl Model {
        fn new(rate: &Rate) -> Self {
            let (requests, per, burst) =
                (rate.requests.get().into(), rate.per.as_nanos(), rate.burst.get().into());
            Self { requests, per, burst, level: burst * per, at: 0 }
        }

        fn take(&mut self, now: u128) -> bool {
            self.level = (self.level + (now - self.at) * self.requests).min(self.burst * self.per);
            self.at = now;
            let within = self.level >= self.per;
            if within {
                self.level -= self.per;
            }
            within
        }
    }

    proptest! {
        /// Where the interval is a whole number of nanoseconds, it is the exact bucket, request by request.
        #[test]
        fn it_is_the_bucket_that_it_stands_for(
            requests in 1_u32..500,
            interval in 1_u64..5_000,
            burst in 1_u32..50,
            pauses in prop::collection::vec(0_u64..20_000, 1..300),
        ) {
            let rate = rate(requests, Duration::from_nanos(interval * u64::from(requests)), burst);
            let (gcra, mut model) = (Gcra::new(&rate), Model::new(&rate));
            let (mut now, mut full_at) = (0, 0);
            for pause in pauses {
                now += pause;
                let taken = gcra.take(full_at, now);
                prop_assert_eq!(taken.is_some(), model.take(now.into()));
                full_at = taken.unwrap_or(full_at);
                let told = gcra.answer(taken.is_some(), full_at, now);
                prop_assert_eq!(u128::from(told.remaining), model.level / model.per);
            }
        }

        /// Never over: in any stretch of time no more than the burst and what the rate brings meanwhile.
        #[test]
        fn never_over(
            requests in 1_u32..10_000,
            per in 1_u64..1_000_000_000,
            burst in 1_u32..100,
            pauses in prop::collection::vec(0_u64..200_000_000, 1..200),
        ) {
            let rate = rate(requests, Duration::from_nanos(per), burst);
            let gcra = Gcra::new(&rate);
            let (mut now, mut full_at, mut passed) = (0_u64, 0, Vec::new());
            for pause in pauses {
                now += pause;
                if let Some(next) = gcra.take(full_at, now) {
                    full_at = next;
                    passed.push(u128::from(now));
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let brought = (to - from) * u128::from(requests) / u128::from(per);
                    prop_assert!((last - first + 1) as u128 <= u128::from(burst) + brought);
                }
            }
        }

        /// Never starves: who waits as long as was told is let through, and who keeps the interval always is.
        #[test]
        fn never_starves(
            requests in 1_u32..10_000,
            per in 1_u64..1_000_000_000,
            burst in 1_u32..100,
            tries in prop::collection::vec(0_u64..1_000, 1..100),
        ) {
            let gcra = Gcra::new(&rate(requests, Duration::from_nanos(per), burst));
            let (mut now, mut full_at) = (0, 0);
            for pause in tries {
                now += pause;
                let wait = gcra.answer(false, full_at, now).retry_after.as_nanos() as u64;
                if wait > 0 {
                    prop_assert_eq!(gcra.take(full_at, now + wait - 1), None, "no sooner than was told");
                }
                full_at = gcra.take(full_at, now + wait).unwrap();
                now += wait;
            }
            let interval = per.div_ceil(u64::from(requests));
            for _ in 0..10 {
                now += interval;
                full_at = gcra.take(full_at, now).unwrap();
            }
        }

        #[test]
        fn what_is_given_back_was_not_taken(full_at in 0_u64..1_000_000, now in 0_u64..1_000_000, burst in 1_u32..50) {
            let gcra = Gcra::new(&rate(10, Duration::from_nanos(1_000), burst));
            if let Some(taken) = gcra.take(full_at, now) {
                prop_assert_eq!(gcra.give_back(taken).max(now), full_at.max(now));
            }
        }
    }
}
