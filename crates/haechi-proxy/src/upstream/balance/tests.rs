//! Which endpoints are chosen, and which never.

use super::{Balancer, TriedEndpoints};
use crate::settings::{Balance, Endpoint, EndpointIndex, HashKey, Service, ServiceSettings};
use crate::upstream::endpoint::{EndpointState, FULL_SHARE, now};
use fastrand::Rng;
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A service whose endpoints have these weights, and which does nothing about their troubles.
pub(in crate::upstream) fn service(weights: &[u32]) -> Service {
    let name: Arc<str> = "web".into();
    let endpoint = |(index, weight): (usize, &u32)| {
        let state = EndpointState::new(name.clone(), "127.0.0.1".into(), 7000 + index as u16, None);
        Endpoint { state: Arc::new(state), weight: *weight }
    };
    let settings = ServiceSettings { slow_start: Duration::from_secs(10), ..ServiceSettings::default() };
    Service {
        name: name.clone(),
        endpoints: weights.iter().enumerate().map(endpoint).collect(),
        settings,
        credential: None,
        exchange: None,
    }
}

/// The same, balanced like this.
fn balanced(weights: &[u32], balance: Balance) -> Service {
    let mut service = service(weights);
    service.settings.balance = balance;
    service
}

fn ways() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::RoundRobin),
        Just(Balance::LeastRequest),
        Just(Balance::Random),
        Just(Balance::Hash(HashKey::Subject)),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    Unhealthy,
    Ejected,
    ComingBack,
    Drained,
    Full,
    Failed,
}

fn troubles() -> impl Strategy<Value = Trouble> {
    use Trouble::{ComingBack, Drained, Ejected, Failed, Full, None, Unhealthy};
    proptest::sample::select(vec![None, None, Unhealthy, Ejected, ComingBack, Drained, Full, Failed])
}

proptest! {
    #[test]
    fn one_that_takes_no_requests_is_never_chosen(
        balance in ways(),
        endpoints in proptest::collection::vec((0u32..4, troubles()), 1..6),
        seed: u64,
    ) {
        let weights: Vec<u32> = endpoints.iter().map(|(weight, _)| *weight).collect();
        let service = balanced(&weights, balance);
        let mut passed = TriedEndpoints::default();
        for (index, (_, trouble)) in endpoints.iter().enumerate() {
            let state = &service.endpoints[index].state;
            match trouble {
                Trouble::None => {}
                Trouble::Unhealthy => state.set_healthy(false),
                Trouble::Ejected => state.ejected_until.store(now() + 60_000, Relaxed),
                Trouble::ComingBack => {
                    state.set_healthy(false);
                    state.set_healthy(true);
                }
                Trouble::Drained => state.set_drained(true),
                Trouble::Full => passed.full.push(EndpointIndex::new(index)),
                Trouble::Failed => passed.failed.push(EndpointIndex::new(index)),
            }
        }
        let takes = |index: usize, again: bool| {
            let (weight, trouble) = endpoints[index];
            weight > 0 && match trouble {
                Trouble::None | Trouble::ComingBack => true,
                Trouble::Failed => again,
                _ => false,
            }
        };
        let any = |again| (0..endpoints.len()).any(|index| takes(index, again));
        let (balancer, random) = (Balancer::new(&service, None, &Arc::default()), RefCell::new(Rng::with_seed(seed)));
        for key in 0..20u8 {
            let chosen = balancer.choose(&service, &passed, &random, |_| vec![key]);
            prop_assert_eq!(chosen.is_some(), any(true));
            if let Some(index) = chosen {
                prop_assert!(takes(index.get(), !any(false)), "{index:?} of {endpoints:?}");
            }
        }
    }
}

fn shares(service: &Service, turns: usize) -> Vec<usize> {
    let (balancer, random) = (Balancer::new(service, None, &Arc::default()), RefCell::new(Rng::with_seed(7)));
    let mut counts = vec![0; service.endpoints.len()];
    for turn in 0..turns {
        let chosen =
            balancer.choose(service, &TriedEndpoints::default(), &random, |_| turn.to_le_bytes().to_vec());
        counts[chosen.unwrap().get()] += 1;
    }
    counts
}

#[test]
fn one_that_comes_back_starts_with_a_small_share() {
    for balance in [Balance::RoundRobin, Balance::Random, Balance::Hash(HashKey::Subject)] {
        let mut service = balanced(&[1, 1], balance);
        service.settings.slow_start = Duration::from_secs(3600);
        let back = &service.endpoints[0].state;
        back.set_healthy(false);
        back.set_healthy(true);
        let counts = shares(&service, 1100);
        assert!((50..150).contains(&counts[0]), "{:?}: {counts:?}", service.settings.balance);
    }
}

#[test]
fn a_share_grows_steadily_and_to_the_full() {
    let service = service(&[2]);
    let state = &service.endpoints[0].state;
    state.set_healthy(false);
    state.set_healthy(true);
    let back = now();
    let slow = Duration::from_secs(10);
    let grown: Vec<u64> = (0..=11).map(|s| state.share(2, slow, || back + s * 1000)).collect();
    assert!(grown.windows(2).all(|pair| pair[0] <= pair[1]), "{grown:?}");
    assert!(grown[0] > 0 && grown[0] <= FULL_SHARE / 4 && grown[5] < 2 * FULL_SHARE, "{grown:?}");
    assert_eq!(grown[11], 2 * FULL_SHARE);
    assert_eq!(state.share(2, slow, || panic!("nobody asks for the time any more")), 2 * FULL_SHARE);
}

#[test]
fn a_key_stays_where_it_is_when_another_endpoint_goes() {
    let service = balanced(&[1, 1, 1], Balance::Hash(HashKey::Subject));
    let (balancer, random) = (Balancer::new(&service, None, &Arc::default()), RefCell::new(Rng::new()));
    let place =
        |key: u8| balancer.choose(&service, &TriedEndpoints::default(), &random, |_| vec![key]).unwrap();
    let before: Vec<EndpointIndex> = (0..100).map(place).collect();
    service.endpoints[1].state.set_healthy(false);
    for (key, before) in (0..100).zip(before) {
        let after = place(key);
        assert!(after == before || before.get() == 1, "{key} moved from {before:?} to {after:?}");
    }
}
