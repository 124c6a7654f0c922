//! A clock that tests own.

use haechi_core::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_millis()))
    }

    /// Moves forward by `span`.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).as_millis(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
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
    }
}
