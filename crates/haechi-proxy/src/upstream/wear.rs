//! How long a connection to a backend is kept. One that is kept for ever never reaches the backends that a balancer in between has added, and whatever a
//! backend holds for each connection grows.

use crate::settings::Keepalive;
use std::cell::Cell;
use std::time::Instant;

/// The age of one connection, and what it has carried.
#[derive(Debug)]
pub(crate) struct ConnectionUsage {
    made: Instant,
    requests: Cell<u32>,
}

impl ConnectionUsage {
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
    pub(crate) fn is_out(&self, most: &Keepalive) -> bool {
        self.requests.get() >= most.max_requests || self.made.elapsed() >= most.max_age
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionUsage;
    use crate::settings::Keepalive;
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    #[test]
    fn age_and_number_end_it() {
        let most = Keepalive { max_requests: 3, ..Keepalive::default() };
        let wear = ConnectionUsage::none();
        (1..most.max_requests).for_each(|_| wear.count());
        assert!(!wear.is_out(&most));
        wear.count();
        assert!(wear.is_out(&most));
        let of_age = |age: Duration| ConnectionUsage {
            made: Instant::now().checked_sub(age).unwrap(),
            requests: Cell::new(1),
        };
        assert!(!of_age(most.max_age - Duration::from_secs(60)).is_out(&most));
        assert!(of_age(most.max_age).is_out(&most));
    }
}
