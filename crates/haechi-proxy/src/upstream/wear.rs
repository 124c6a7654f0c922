//! How long a connection to a backend is kept. One that is kept for ever never reaches the backends that a balancer in between has added, and whatever a
//! backend holds for each connection grows.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A connection takes no new request after so long.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Nor after so many requests.
const MAX_REQUESTS: u32 = 100_000;

/// The age of one connection, and what it has carried.
#[derive(Debug)]
pub(crate) struct Wear {
    made: Instant,
    requests: Cell<u32>,
}

impl Wear {
    /// Of a connection that was made just now.
    pub(crate) fn none() -> Self {
        Self { made: Instant::now(), requests: Cell::new(0) }
    }

    /// It carries one more request.
    pub(crate) fn count(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Requests that it has carried.
    pub(crate) const fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Whether another connection is to take its place.
    pub(crate) fn is_out(&self) -> bool {
        self.requests.get() >= MAX_REQUESTS || self.made.elapsed() >= MAX_AGE
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_AGE, MAX_REQUESTS, Wear};
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    #[test]
    fn age_and_number_end_it() {
        let wear = Wear::none();
        (1..MAX_REQUESTS).for_each(|_| wear.count());
        assert!(!wear.is_out());
        wear.count();
        assert!(wear.is_out());
        let of_age =
            |age: Duration| Wear { made: Instant::now().checked_sub(age).unwrap(), requests: Cell::new(1) };
        assert!(!of_age(MAX_AGE - Duration::from_secs(60)).is_out());
        assert!(of_age(MAX_AGE).is_out());
    }
}
