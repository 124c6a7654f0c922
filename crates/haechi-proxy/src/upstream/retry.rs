//! Retries: whether a failed request is sent again, and the retry budget.

use crate::http1::client::ExchangeError;
use crate::settings::{Retries, RetryOn};
use http::StatusCode;
use std::cell::Cell;

/// Retries that a worker may send to a service whatever its traffic, over [`WINDOW`].
const FLOOR: u64 = 30;
/// Over how long requests and retries are weighed against each other, in ticks: ten seconds.
const WINDOW: u64 = 200;

/// How a request went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Connect,
    Reset,
    Timeout,
    Status(StatusCode),
}

impl Failing {
    /// What a failed exchange is; `None` for what is no fault of the backend.
    pub(crate) const fn of(error: &ExchangeError) -> Option<Self> {
        match error {
            ExchangeError::Client(_) | ExchangeError::MemoryShort => None,
            ExchangeError::Untouched | ExchangeError::Closed | ExchangeError::Answer(_) => Some(Self::Reset),
            ExchangeError::TooSlow => Some(Self::Timeout),
        }
    }

    /// What an answer's status is; `None` for one that is no failure.
    pub(crate) fn of_status(status: StatusCode) -> Option<Self> {
        status.is_server_error().then_some(Self::Status(status))
    }

    /// Whether it counts against the endpoint. A 500 is the application's answer, not the endpoint's trouble.
    pub(crate) const fn counts(self) -> bool {
        !matches!(self, Self::Status(status) if !matches!(status.as_u16(), 502..=504))
    }
}

impl Retries {
    /// Whether the request is sent again after this.
    pub(crate) fn covers(&self, failing: Failing) -> bool {
        self.on.iter().any(|on| match (on, failing) {
            (RetryOn::Connect, Failing::Connect) | (RetryOn::Reset, Failing::Reset) => true,
            (RetryOn::Status(on), Failing::Status(status)) => *on == status,
            _ => false,
        })
    }
}

/// A worker's budget for retries to one service: a part of its requests of the last seconds, so that retries never become a storm.
#[derive(Default)]
pub(crate) struct Budget {
    /// When the half of the window began that is being filled, in ticks.
    since: Cell<u64>,
    requests: [Cell<u64>; 2],
    retries: [Cell<u64>; 2],
}

impl Budget {
    /// Counts a request.
    pub(crate) fn request(&self, now: u64) {
        self.turn(now);
        self.requests[0].set(self.requests[0].get() + 1);
    }

    /// Takes one retry out, where one is left.
    pub(crate) fn take(&self, percent: u32, now: u64) -> bool {
        self.turn(now);
        let sum = |halves: &[Cell<u64>; 2]| halves.iter().map(Cell::get).sum::<u64>();
        let allowed = FLOOR + sum(&self.requests) * u64::from(percent) / 100;
        let left = sum(&self.retries) < allowed;
        if left {
            self.retries[0].set(self.retries[0].get() + 1);
        }
        left
    }

    /// Forgets what is older than the window.
    fn turn(&self, now: u64) {
        let halves = now.saturating_sub(self.since.get()) / (WINDOW / 2);
        if halves == 0 {
            return;
        }
        for counts in [&self.requests, &self.retries] {
            counts[1].set(if halves == 1 { counts[0].get() } else { 0 });
            counts[0].set(0);
        }
        self.since.set(now);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, FLOOR, WINDOW};

    fn taken(budget: &Budget, percent: u32, now: u64) -> u64 {
        (0..10_000).take_while(|_| budget.take(percent, now)).count() as u64
    }

    #[test]
    fn retries_are_a_part_of_the_requests_and_a_few() {
        let budget = Budget::default();
        assert_eq!(taken(&budget, 20, 0), FLOOR);
        (0..1000).for_each(|_| budget.request(1));
        assert_eq!(taken(&budget, 20, 1), 200);
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let budget = Budget::default();
        (0..1000).for_each(|_| budget.request(0));
        assert_eq!(taken(&budget, 20, WINDOW / 2), FLOOR + 200);
        assert_eq!(taken(&budget, 20, WINDOW / 2 + 1), 0);
        assert_eq!(taken(&budget, 20, WINDOW), 0, "the retries of the half before still count");
        assert_eq!(taken(&budget, 20, 3 * WINDOW), FLOOR);
    }
}
