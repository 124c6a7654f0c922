//! Which endpoint of a service takes a request.

use crate::plan::{Balance, Endpoint, HashKey, Service};
use crate::upstream::pool::Pool;
use fastrand::Rng;
use foldhash::quality::FixedState;
use haechi_authz::Permitted;
use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;

/// A worker's view of one service: its pools, and where the turn stands.
pub(crate) struct Balancer {
    pools: Vec<Rc<Pool>>,
    /// Smooth weighted round robin: each turn everyone gains their weight, the leader is taken and pays the sum.
    credit: RefCell<Vec<i64>>,
    total_weight: u32,
}

impl Balancer {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            pools: service.endpoints.iter().map(|_| Rc::default()).collect(),
            credit: RefCell::new(vec![0; service.endpoints.len()]),
            total_weight: service.endpoints.iter().map(|endpoint| endpoint.weight).sum(),
        }
    }

    /// All pools.
    pub(crate) fn pools(&self) -> &[Rc<Pool>] {
        &self.pools
    }

    /// Chooses an endpoint for a request; `None` only when the service has none.
    pub(crate) fn choose<'a>(
        &self,
        service: &'a Service,
        permitted: &Permitted,
        random: &RefCell<Rng>,
    ) -> Option<(&'a Endpoint, Rc<Pool>)> {
        let index = match (&service.balance, service.endpoints.len()) {
            (_, 0 | 1) => 0,
            (Balance::RoundRobin, _) => self.next_in_turn(&service.endpoints),
            (Balance::Random, _) => self.at_random(&service.endpoints, random),
            (Balance::LeastRequest, _) => self.less_busy_of_two(&service.endpoints, random),
            (Balance::Hash(key), _) => rendezvous(&service.endpoints, &hash_key(key, permitted)),
        };
        Some((service.endpoints.get(index)?, self.pools.get(index)?.clone()))
    }

    fn next_in_turn(&self, endpoints: &[Endpoint]) -> usize {
        let mut credit = self.credit.borrow_mut();
        for (credit, endpoint) in credit.iter_mut().zip(endpoints) {
            *credit += i64::from(endpoint.weight);
        }
        let leader =
            credit.iter().enumerate().rev().max_by_key(|(_, credit)| **credit).map_or(0, |(index, _)| index);
        if let Some(credit) = credit.get_mut(leader) {
            *credit -= i64::from(self.total_weight);
        }
        leader
    }

    fn at_random(&self, endpoints: &[Endpoint], random: &RefCell<Rng>) -> usize {
        let ticket = random.borrow_mut().u32(0..self.total_weight.max(1));
        holder(endpoints, ticket, None)
    }

    /// Two different ones drawn by weight, and of them the one with fewer requests in flight for its weight.
    fn less_busy_of_two(&self, endpoints: &[Endpoint], random: &RefCell<Rng>) -> usize {
        let first = self.at_random(endpoints, random);
        let others = self.total_weight - endpoints.get(first).map_or(0, |endpoint| endpoint.weight);
        let ticket = random.borrow_mut().u32(0..others.max(1));
        let second = holder(endpoints, ticket, Some(first));
        if self.load(endpoints, first) <= self.load(endpoints, second) { first } else { second }
    }

    /// Requests in flight per weight, in fixed point.
    fn load(&self, endpoints: &[Endpoint], index: usize) -> u64 {
        let in_use = self.pools.get(index).map_or(0, |pool| pool.in_use());
        let weight = endpoints.get(index).map_or(1, |endpoint| endpoint.weight.max(1));
        (u64::from(in_use) << 16) / u64::from(weight)
    }
}

/// Whose ticket it is when each endpoint holds as many as its weight, and `except` holds none.
fn holder(endpoints: &[Endpoint], mut ticket: u32, except: Option<usize>) -> usize {
    for (index, endpoint) in endpoints.iter().enumerate().filter(|(index, _)| Some(*index) != except) {
        match ticket.checked_sub(endpoint.weight) {
            Some(left) => ticket = left,
            None => return index,
        }
    }
    0
}

fn hash_key(key: &HashKey, permitted: &Permitted) -> Vec<u8> {
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
fn rendezvous(endpoints: &[Endpoint], key: &[u8]) -> usize {
    let hasher = FixedState::with_seed(0);
    let score = |endpoint: &Endpoint| {
        let bits = hasher.hash_one((&endpoint.host, endpoint.port, key)) >> 11;
        let unit = (bits as f64 + 1.0) / ((1u64 << 53) as f64 + 1.0);
        -f64::from(endpoint.weight) / unit.ln()
    };
    let scores = endpoints.iter().map(score).enumerate();
    scores.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}
