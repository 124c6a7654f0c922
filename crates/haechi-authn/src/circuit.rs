//! Circuit breaker: a service that answered nobody several times in a row is left alone for a moment, so that requests are refused at once instead of waiting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// After so many questions in a row without an answer.
const FAILURES: u32 = 5;
/// Nobody asks for so long; then one does.
const OPEN_FOR: Duration = Duration::from_secs(1);

/// Not the hot path: it stands before a question that goes over the network.
#[derive(Default)]
pub(crate) struct Circuit(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// The uptime until which nobody asks.
    open_until: Option<Duration>,
}

impl Circuit {
    /// Whether to ask at this uptime. Where the circuit was open, one may, and the others only after it has come to something.
    pub(crate) fn lets_ask(&self, uptime: Duration) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if uptime < until => false,
            Some(_) => {
                state.open_until = Some(uptime.saturating_add(OPEN_FOR));
                true
            }
            None => true,
        }
    }

    /// The service has answered, whatever it said.
    pub(crate) fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// It has not answered.
    pub(crate) fn failed(&self, uptime: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(uptime.saturating_add(OPEN_FOR));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Circuit, FAILURES, OPEN_FOR};
    use std::time::Duration;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_service_that_answers_nobody_is_left_alone_and_then_asked_by_one() {
        let circuit = Circuit::default();
        for _ in 0..FAILURES {
            assert!(circuit.lets_ask(NOW));
            circuit.failed(NOW);
        }
        assert!(!circuit.lets_ask(NOW));
        let later = NOW + OPEN_FOR;
        assert!(circuit.lets_ask(later), "one asks");
        assert!(!circuit.lets_ask(later), "and nobody else meanwhile");
        circuit.failed(later);
        assert!(!circuit.lets_ask(later + OPEN_FOR / 2));
        assert!(circuit.lets_ask(later + OPEN_FOR));
        circuit.answered();
        assert!(circuit.lets_ask(later) && circuit.lets_ask(later));
    }

    #[test]
    fn an_answer_in_between_begins_anew() {
        let circuit = Circuit::default();
        for _ in 0..3 * FAILURES {
            circuit.failed(NOW);
            circuit.failed(NOW);
            circuit.answered();
        }
        assert!(circuit.lets_ask(NOW));
    }
}
