//! Outlier detection (passive health checks): ejects endpoints whose requests fail, for a while, and never all of them.

use super::endpoint::{EndpointState, millis};
use crate::settings::resilience::LONGEST_EJECTION;
use crate::settings::{Ejection, Endpoint, Service};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Counts a failure of `failing`, one of the endpoints of `service`, and takes it out when it was one too many in a row.
pub(crate) fn failed(service: &Service, failing: &EndpointState, now: u64) {
    let Some(ejection) = &service.settings.ejection else { return };
    let previous = failing.ejected_until.load(SeqCst);
    if previous > now {
        // What was under way when it was taken out may fail as well; that is nothing new.
        return;
    }
    let failures = failing.failures.fetch_add(1, Relaxed).saturating_add(1);
    if failures < ejection.failures {
        return;
    }
    let (times, lasts) = next_ejection(failing, ejection, now);
    // Taken out first and counted then: two workers that take out two endpoints at once see each other, and at worst both step back.
    failing.ejected_until.store(now + lasts, SeqCst);
    if !may_be_out(&service.endpoints, ejection.max_percent, now) {
        failing.ejected_until.store(previous, SeqCst);
        return;
    }
    failing.latest_return.store(now + lasts, Relaxed);
    failing.ejections.store(times, Relaxed);
    failing.failures.store(0, Relaxed);
    tracing::warn!(
        service = %service.name, endpoint = %failing, failures, milliseconds = lasts,
        "outlier detection ejected the endpoint: too many failures in a row"
    );
}

/// Which one of a series it is, and how long it lasts, in milliseconds.
fn next_ejection(failing: &EndpointState, ejection: &Ejection, now: u64) -> (u32, u64) {
    let (first, longest) = (millis(ejection.first), millis(LONGEST_EJECTION.max(ejection.first)));
    let did_well = now.saturating_sub(failing.latest_return.load(Relaxed)) > longest;
    let times = if did_well { 1 } else { failing.ejections.load(Relaxed).saturating_add(1) };
    let doubled = first.saturating_mul(1u64.checked_shl(times - 1).unwrap_or(u64::MAX));
    (times, doubled.min(longest))
}

/// Whether the ones that are out are few enough, and one is left that takes requests.
fn may_be_out(endpoints: &[Endpoint], max_percent: u32, now: u64) -> bool {
    let is_out = |endpoint: &&Endpoint| endpoint.state.ejected_until.load(SeqCst) > now;
    let out = endpoints.iter().filter(is_out).count();
    let left = endpoints.iter().any(|endpoint| {
        endpoint.weight > 0
            && endpoint.state.is_healthy()
            && !endpoint.state.is_drained()
            && endpoint.state.ejected_until.load(SeqCst) <= now
    });
    left && out * 100 <= endpoints.len() * max_percent as usize
}

#[cfg(test)]
mod tests {
    use super::failed;
    use crate::settings::{Ejection, Service};
    use crate::upstream::balance::tests::service;
    use std::time::Duration;

    const SECOND: u64 = 1000;

    fn of(weights: &[u32], max_percent: u32) -> Service {
        let ejection = Ejection { failures: 3, first: Duration::from_secs(10), max_percent };
        let mut service = service(weights);
        service.settings.ejection = Some(ejection);
        service
    }

    fn fail(service: &Service, index: usize, times: usize, now: u64) {
        (0..times).for_each(|_| failed(service, &service.endpoints[index].state, now));
    }

    fn is_out(service: &Service, index: usize, now: u64) -> bool {
        service.endpoints[index].state.share(1, Duration::ZERO, || now) == 0
    }

    #[test]
    fn failures_in_a_row_take_an_endpoint_out_and_it_comes_back() {
        let service = of(&[1, 1], 50);
        fail(&service, 0, 2, 1);
        service.endpoints[0].state.succeeded();
        fail(&service, 0, 2, 1);
        assert!(!is_out(&service, 0, 1));
        fail(&service, 0, 1, 1);
        assert!(is_out(&service, 0, 10 * SECOND));
        assert!(!is_out(&service, 0, 10 * SECOND + 1));
        fail(&service, 0, 2, 11 * SECOND);
        assert!(!is_out(&service, 0, 11 * SECOND), "it starts anew");
    }

    #[test]
    fn each_time_soon_after_doubles_it_up_to_a_bound() {
        let service = of(&[1, 1], 50);
        let state = &service.endpoints[0].state;
        let mut now = 1;
        let mut lasted = Vec::new();
        for _ in 0..7 {
            fail(&service, 0, 3, now);
            let until = state.ejected_until.load(std::sync::atomic::Ordering::Relaxed);
            lasted.push((until - now) / SECOND);
            now = until + 1;
            assert!(!is_out(&service, 0, now));
        }
        assert_eq!(lasted, [10, 20, 40, 80, 160, 300, 300]);
        now += 301 * SECOND;
        fail(&service, 0, 3, now);
        assert!(is_out(&service, 0, now + 9 * SECOND) && !is_out(&service, 0, now + 10 * SECOND));
    }

    #[test]
    fn so_many_and_never_the_last() {
        let alone = of(&[1], 100);
        fail(&alone, 0, 30, 1);
        assert!(!is_out(&alone, 0, 1));

        let half = of(&[1, 1, 1, 1], 50);
        (0..4).for_each(|index| fail(&half, index, 3, 1));
        assert_eq!((0..4).filter(|index| is_out(&half, *index, 1)).count(), 2);

        let all = of(&[1, 1, 1], 100);
        (0..3).for_each(|index| fail(&all, index, 3, 1));
        assert_eq!((0..3).filter(|index| is_out(&all, *index, 1)).count(), 2);

        let few = of(&[1, 1, 1], 30);
        fail(&few, 0, 30, 1);
        assert!(!is_out(&few, 0, 1));

        let rest_is_drained = of(&[1, 1], 100);
        rest_is_drained.endpoints[1].state.set_drained(true);
        fail(&rest_is_drained, 0, 30, 1);
        assert!(!is_out(&rest_is_drained, 0, 1));

        let rest_is_unwell = of(&[1, 1, 0], 100);
        rest_is_unwell.endpoints[1].state.set_healthy(false);
        fail(&rest_is_unwell, 0, 30, 1);
        assert!(!is_out(&rest_is_unwell, 0, 1));
    }
}
