//! Taking out endpoints whose requests fail, for a while, and never all of them.

use super::endpoint::{EndpointState, millis};
use super::settings::{Ejection, LONGEST_EJECTION};
use crate::plan::{Endpoint, Service};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Counts a failure of `failing`, one of the endpoints of `service`, and takes it out when it was one too many in a row.
pub(crate) fn failed(service: &Service, failing: &EndpointState, now: u64) {
    let Some(ejection) = &service.ejection else { return };
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
        "the endpoint failed too often in a row and gets no requests for a while"
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
        endpoint.weight > 0 && endpoint.state.is_healthy() && endpoint.state.ejected_until.load(SeqCst) <= now
    });
    left && out * 100 <= endpoints.len() * max_percent as usize
}
