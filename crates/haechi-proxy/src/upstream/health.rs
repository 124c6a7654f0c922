//! Active health checks: asks each endpoint at an interval whether it is healthy.

use super::endpoint::EndpointState;
use super::upkeep::{Probe, jittered};
use crate::settings::HealthCheck;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The first check comes within this, so that a start does not ask everybody at once.
const FIRST: Duration = Duration::from_secs(1);

/// Checks `state` for ever, and notes what comes of it.
pub(super) async fn check(state: Arc<EndpointState>, probe: Arc<dyn Probe>, check: HealthCheck) {
    sleep(FIRST.min(check.interval).mul_f64(fastrand::f64())).await;
    let mut streak = ConsecutiveChecks::default();
    loop {
        let outcome = timeout(check.timeout, probe.probe(&state, &check)).await;
        streak.note(&state, &check, outcome.unwrap_or_else(|_| Err("no answer in time".to_owned())));
        sleep(jittered(check.interval)).await;
    }
}

/// What came in a row.
#[derive(Default)]
struct ConsecutiveChecks {
    good: u32,
    bad: u32,
}

impl ConsecutiveChecks {
    fn note(&mut self, state: &EndpointState, check: &HealthCheck, outcome: Result<(), String>) {
        (self.good, self.bad) = match outcome {
            Ok(()) => (self.good.saturating_add(1), 0),
            Err(_) => (0, self.bad.saturating_add(1)),
        };
        if let Err(problem) = outcome
            && state.is_healthy()
            && self.bad >= check.unhealthy_after
        {
            state.set_healthy(false);
            tracing::warn!(
                service = %state.service(), endpoint = %state, %problem,
                "the endpoint failed its health checks and gets no requests"
            );
        } else if !state.is_healthy() && self.good >= check.healthy_after {
            state.set_healthy(true);
            tracing::info!(service = %state.service(), endpoint = %state, "the endpoint passes its health checks again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConsecutiveChecks, check};
    use crate::settings::HealthCheck;
    use crate::upstream::endpoint::EndpointState;
    use crate::upstream::upkeep::Probe;
    use haechi_core::ports::BoxFuture;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    fn settings() -> HealthCheck {
        HealthCheck {
            path: "/healthz".into(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }

    fn endpoint() -> Arc<EndpointState> {
        Arc::new(EndpointState::new("web".into(), "127.0.0.1".into(), 80, None))
    }

    #[test]
    fn only_failures_in_a_row_take_an_endpoint_out_and_only_successes_in_a_row_bring_it_back() {
        let (state, check) = (endpoint(), settings());
        let mut streak = ConsecutiveChecks::default();
        let mut after = |outcomes: &str| {
            for outcome in outcomes.chars() {
                let outcome = if outcome == '+' { Ok(()) } else { Err("down".to_owned()) };
                streak.note(&state, &check, outcome);
            }
            state.is_healthy()
        };
        assert!(after("--+--+"));
        assert!(!after("---"));
        assert!(!after("+-+-"));
        assert!(after("++"));
    }

    /// Never answers.
    struct Silent(AtomicU32);

    impl Probe for Silent {
        fn probe<'a>(
            &'a self,
            _: &'a EndpointState,
            _: &'a HealthCheck,
        ) -> BoxFuture<'a, Result<(), String>> {
            self.0.fetch_add(1, Relaxed);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_a_failure_when_its_time_is_up() {
        let (state, probe) = (endpoint(), Arc::new(Silent(AtomicU32::new(0))));
        let task = tokio::spawn(check(state.clone(), probe.clone(), settings()));
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(state.is_healthy());
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!state.is_healthy());
        assert!((3..=4).contains(&probe.0.load(Relaxed)));
        task.abort();
    }
}
