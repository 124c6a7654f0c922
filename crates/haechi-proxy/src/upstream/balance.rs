//! Load balancing: which endpoint of a service takes a request.

use super::endpoint;
use super::pool::Pool;
use super::retry::Budget;
use crate::metrics::ServiceMetrics;
use crate::settings::{Balance, Endpoint, EndpointIndex, HashKey, Service};
use fastrand::Rng;
use foldhash::quality::FixedState;
use haechi_authz::Permitted;
use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

/// A worker's view of one service: its pools, and where the turn stands.
pub(crate) struct Balancer {
    pools: Vec<Rc<Pool>>,
    /// Smooth weighted round robin: each turn everyone gains their share, the leader is taken and pays the sum.
    credit: RefCell<Vec<i64>>,
    /// The share of each endpoint in the choice that is being made: 0 for one that takes no part.
    shares: RefCell<Vec<u64>>,
    budget: Rc<Budget>,
    metrics: Arc<ServiceMetrics>,
}

/// Endpoints that a request has been to, or could not go to.
#[derive(Default)]
pub(crate) struct TriedEndpoints {
    /// They failed it: others go first.
    pub(crate) failed: Vec<EndpointIndex>,
    /// They have no room: out of the question.
    pub(crate) full: Vec<EndpointIndex>,
}

impl Balancer {
    /// For `service`, with the connections and the budget of the one before, where they are for the same endpoints.
    pub(crate) fn new(service: &Service, previous: Option<&Self>, metrics: &Arc<ServiceMetrics>) -> Self {
        let known = previous.map(|balancer| balancer.pools.as_slice()).unwrap_or_default();
        let pool = |endpoint: &Endpoint| {
            let same = known.iter().find(|pool| Arc::ptr_eq(pool.state(), &endpoint.state));
            let pool =
                same.map_or_else(|| Rc::new(Pool::new(endpoint.state.clone(), metrics.clone())), Rc::clone);
            pool.keep(service.settings.keepalive);
            pool
        };
        Self {
            pools: service.endpoints.iter().map(pool).collect(),
            credit: RefCell::new(vec![0; service.endpoints.len()]),
            shares: RefCell::new(vec![0; service.endpoints.len()]),
            budget: previous.map(|balancer| balancer.budget.clone()).unwrap_or_default(),
            metrics: metrics.clone(),
        }
    }

    /// All pools.
    pub(crate) fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// The pool of one endpoint.
    pub(crate) fn pool(&self, index: EndpointIndex) -> Option<&Rc<Pool>> {
        self.pools.get(index.get())
    }

    /// The counters of the service.
    pub(crate) fn metrics(&self) -> &ServiceMetrics {
        &self.metrics
    }

    /// How many retries are left.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Chooses an endpoint for a request that has passed some already; `None` when no other takes it.
    pub(crate) fn choose(
        &self,
        service: &Service,
        passed: &TriedEndpoints,
        random: &RefCell<Rng>,
        key: impl FnOnce(&HashKey) -> Vec<u8>,
    ) -> Option<EndpointIndex> {
        let mut shares = self.shares.borrow_mut();
        if !weigh(service, &mut shares, |index| {
            passed.full.contains(&index) || passed.failed.contains(&index)
        }) && (passed.failed.is_empty()
            || !weigh(service, &mut shares, |index| passed.full.contains(&index)))
        {
            return None;
        }
        if shares.len() == 1 {
            return Some(EndpointIndex::new(0));
        }
        let chosen = match &service.settings.balance {
            Balance::RoundRobin => self.next_in_turn(&shares),
            Balance::Random => at_random(&shares, None, random),
            Balance::LeastRequest => self.less_busy_of_two(&shares, random),
            Balance::Hash(by) => rendezvous(&service.endpoints, &shares, &key(by)),
        };
        chosen.map(EndpointIndex::new)
    }

    fn next_in_turn(&self, shares: &[u64]) -> Option<usize> {
        let mut credit = self.credit.borrow_mut();
        let mut total = 0;
        let mut leader: Option<(usize, i64)> = None;
        for (index, (credit, share)) in
            credit.iter_mut().zip(shares).enumerate().filter(|(_, (_, s))| **s > 0)
        {
            let share = i64::try_from(*share).unwrap_or(i64::MAX);
            *credit += share;
            total += share;
            if leader.is_none_or(|(_, most)| *credit > most) {
                leader = Some((index, *credit));
            }
        }
        let (leader, _) = leader?;
        if let Some(credit) = credit.get_mut(leader) {
            *credit -= total;
        }
        Some(leader)
    }

    /// Two different ones drawn by share, and of them the one with fewer requests in flight for its share.
    fn less_busy_of_two(&self, shares: &[u64], random: &RefCell<Rng>) -> Option<usize> {
        let first = at_random(shares, None, random)?;
        let Some(second) = at_random(shares, Some(first), random) else { return Some(first) };
        Some(if self.load(shares, first) <= self.load(shares, second) { first } else { second })
    }

    /// Requests in flight per share, in fixed point.
    fn load(&self, shares: &[u64], index: usize) -> u64 {
        let in_use = self.pools.get(index).map_or(0, |pool| pool.in_use());
        (u64::from(in_use) << 24) / shares.get(index).copied().unwrap_or(1).max(1)
    }
}

/// Notes everybody's share, 0 for whom `is_out` names. Returns whether anybody is left.
fn weigh(service: &Service, shares: &mut [u64], is_out: impl Fn(EndpointIndex) -> bool) -> bool {
    let mut any = false;
    for (index, (share, endpoint)) in shares.iter_mut().zip(&service.endpoints).enumerate() {
        let out = is_out(EndpointIndex::new(index));
        *share = if out {
            0
        } else {
            endpoint.state.share(endpoint.weight, service.settings.slow_start, endpoint::now)
        };
        any |= *share > 0;
    }
    any
}

/// By share, but never `except`.
fn at_random(shares: &[u64], except: Option<usize>, random: &RefCell<Rng>) -> Option<usize> {
    let candidates = || shares.iter().enumerate().filter(move |(index, _)| Some(*index) != except);
    let total: u64 = candidates().map(|(_, share)| share).sum();
    if total == 0 {
        return None;
    }
    let mut ticket = random.borrow_mut().u64(0..total);
    for (index, share) in candidates() {
        match ticket.checked_sub(*share) {
            Some(left) => ticket = left,
            None => return Some(index),
        }
    }
    None
}

/// What a request is hashed by.
pub(crate) fn hash_key(key: &HashKey, permitted: &Permitted) -> Vec<u8> {
    match key {
        HashKey::Subject => permitted.caller().subject.as_bytes().to_vec(),
        HashKey::ClientIp => permitted.head().client.to_string().into_bytes(),
        HashKey::Header(name) => permitted
            .head()
            .fields
            .iter()
            .find(|f| f.name == name.as_bytes())
            .map_or_else(Vec::new, |f| f.value.to_vec()),
    }
}

/// Weighted rendezvous hashing: an endpoint that comes or goes moves only its own share of the keys, and every worker and node agrees.
fn rendezvous(endpoints: &[Endpoint], shares: &[u64], key: &[u8]) -> Option<usize> {
    let hasher = FixedState::with_seed(0);
    let score = |(index, (endpoint, share)): (usize, (&Endpoint, &u64))| {
        let bits = hasher.hash_one((endpoint.state.host(), endpoint.state.port(), key)) >> 11;
        let unit = (bits as f64 + 1.0) / ((1u64 << 53) as f64 + 1.0);
        (index, -(*share as f64) / unit.ln())
    };
    let takers = endpoints.iter().zip(shares).enumerate().filter(|(_, (_, share))| **share > 0);
    takers.map(score).max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

#[cfg(test)]
pub(in crate::upstream) mod tests;
