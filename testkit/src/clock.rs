//! A clock that tests own.

use haechi_core::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock {
    now: AtomicI64,
    uptime: AtomicU64,
}

impl FixedClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.as_millis()), uptime: AtomicU64::new(1_000_000) }
    }

    /// `span` passes.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
        let passed = u64::try_from(span.as_millis()).unwrap();
        self.uptime.fetch_add(passed, Ordering::SeqCst);
    }

    /// Somebody sets the clock; no time passes.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::FixedClock;
    use haechi_core::{Clock, Timestamp};
    use std::time::Duration;

    #[test]
    fn moves_only_when_moved() {
        let clock = FixedClock::at(Timestamp::from_seconds(10));
        assert_eq!(clock.now().as_seconds(), 10);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().as_seconds(), 15);
        let before = clock.uptime();
        clock.set(Timestamp::from_seconds(3));
        assert_eq!((clock.now().as_seconds(), clock.uptime()), (3, before));
    }
}
